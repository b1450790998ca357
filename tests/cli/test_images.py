"""Images as `tinynn predict` reads them: in MNIST's form whatever they were."""

import numpy as np
import pytest

from tests.datasets.conftest import damaged
from tinynn.cli.images import as_bytes, like_mnist, read_array, read_images

Image = pytest.importorskip("PIL.Image")


@pytest.fixture
def digit():
    """A ring and a stroke in MNIST's form: 20 pixels high, its centre of mass in (14, 14)."""
    rows, columns = np.mgrid[:28, :28]
    distance = np.hypot(rows - 9.0, columns - 13.5)
    image = np.where(np.abs(distance - 4) < 1.5, 255, 0)
    image[12:24, 16:19] = 255
    return like_mnist(np.pad(image, 1).astype(np.uint8))[0]


def enlarged(image, factor=10):
    """The image many times as large."""
    return np.asarray(Image.fromarray(image).resize((28 * factor, 28 * factor), Image.Resampling.BICUBIC))


def difference(a, b):
    """Mean difference of two images; a shift by one pixel, where rounding may differ, is none."""
    shifts = [(rows, columns) for rows in (-1, 0, 1) for columns in (-1, 0, 1)]
    return min(np.abs(np.roll(a, shift, (0, 1)).astype(float) - b).mean() for shift in shifts)


def test_an_image_of_mnists_form_stays_as_it_is(digit):
    image, changes = like_mnist(digit)
    assert image is digit
    assert changes == []


def test_the_form_is_that_of_mnist(digit):
    rows, columns = (np.flatnonzero(digit.any(axis=axis)) for axis in (1, 0))
    assert max(np.ptp(rows), np.ptp(columns)) + 1 == 20
    for axis in (0, 1):
        centre = (digit.sum(axis=1 - axis, dtype=float) * np.arange(28)).sum() / digit.sum(dtype=float)
        assert 13.5 <= centre <= 14.5


def test_a_large_image_is_scaled(digit):
    image, changes = like_mnist(enlarged(digit))
    assert changes == ["280 x 280 pixels, scaled to 28 x 28"]
    assert difference(image, digit) < 8


def test_dark_on_grey_paper_with_grain_far_from_the_middle(digit):
    paper = np.full((500, 400), 190.0) + np.random.default_rng(0).normal(0, 4, (500, 400))
    paper[210:490, 110:390] -= 0.6 * enlarged(digit)
    image, changes = like_mnist(paper.astype(np.uint8))
    assert changes == ["dark on light, inverted", "500 x 400 pixels, scaled to 28 x 28"]
    assert difference(image, digit) < 12


def test_dark_on_grey_paper_of_the_right_size(digit):
    image, changes = like_mnist((180 - 0.7 * digit).astype(np.uint8))
    assert changes == ["dark on light, inverted"]
    assert difference(image, digit) < 2


@pytest.mark.parametrize("shape", [(28, 28), (1, 1), (3, 100)])
@pytest.mark.parametrize("brightness", [0, 255])
def test_blank_images(shape, brightness):
    image, changes = like_mnist(np.full(shape, brightness, np.uint8))
    assert image.shape == (28, 28)
    assert not image.any()
    assert changes[-1] == "nothing is drawn on it"


def test_a_wide_stroke_keeps_its_proportions():
    stroke = np.zeros((60, 300), np.uint8)
    stroke[28:32, 50:250] = 255
    image, _ = like_mnist(stroke)
    assert image[14, 4:24].all() or image[13, 4:24].all()
    assert np.count_nonzero(image.any(axis=1)) <= 2


@pytest.mark.parametrize("mode", ["L", "1", "RGB", "RGBA", "P", "LA", "I;16", "F"])
def test_modes_of_image_files(digit, tmp_path, mode):
    digit = np.where(digit > 127, 255, 0).astype(np.uint8)
    if mode == "I;16":
        picture = Image.fromarray(digit.astype(np.uint16) * 257)
    elif mode == "F":
        picture = Image.fromarray(digit.astype(np.float32) / 255)
    else:
        picture = Image.fromarray(digit).convert(mode)
    path = tmp_path / ("a.tif" if mode == "F" else "a.png")
    picture.save(path)
    images, names, notes = read_images(str(path))
    assert (names, notes) == ([str(path)], [])
    assert (images[0] == digit).all()


def test_ink_on_nothing(digit, tmp_path):
    ink = np.zeros((28, 28, 4), np.uint8)
    ink[..., 3] = digit
    Image.fromarray(ink).save(tmp_path / "a.png")
    images, _, notes = read_images(str(tmp_path / "a.png"))
    assert notes == [f"{tmp_path / 'a.png'}: dark on light, inverted"]
    assert difference(images[0], digit) < 1


def test_a_damaged_npy_file_is_named(tmp_path):
    """It has no checksum: what is still an array is taken; a damaged header is any error of Python's parser."""
    path = tmp_path / "a.npy"
    np.save(path, np.arange(6, dtype=np.uint8).reshape(2, 3))
    content = path.read_bytes()
    passed = 0
    for changed in list(damaged(content))[::3]:
        if changed[:6] == content[:6]:
            path.write_bytes(changed)
            try:
                passed += read_array(path).dtype == np.uint8
            except ValueError as error:
                assert str(path) in str(error)
    assert passed
    path.write_bytes(content.replace(b"(2, 3), }" + b" " * 12, b"(9" + b"9" * 12 + b",), }  "))
    with pytest.raises(ValueError, match="a.npy: NumPy cannot read it"):
        read_array(path)


@pytest.mark.parametrize(
    "values, expected",
    [
        (np.array([[0.0, 0.5, 1.0]]), [[0, 128, 255]]),
        (np.array([[0.0, 128.4, 255.0]], np.float32), [[0, 128, 255]]),
        (np.array([[False, True]]), [[0, 255]]),
        (np.array([[0, 1]]), [[0, 1]]),
        (np.array([[0, 255]], np.int16), [[0, 255]]),
    ],
)
def test_numbers_as_bytes(values, expected):
    array = as_bytes(values, "a")
    assert array.dtype == np.uint8
    assert array.tolist() == expected


@pytest.mark.parametrize("values", [[[-1]], [[256]], [[np.nan]], [[np.inf]], [[-0.5, 0.5]], [["a"]], [[]]])
def test_numbers_that_are_no_brightness(values):
    with pytest.raises(ValueError, match="a: holds"):
        as_bytes(np.array(values), "a")
