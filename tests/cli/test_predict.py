"""``tinynn predict``."""

import os
import sys

import numpy as np
import pytest

import tinynn
from tests.cli.drawing import KINDS, as_bytes, in_mnists_form
from tinynn.datasets import read_idx, write_idx


@pytest.fixture
def digits(tmp_path):
    """Pictures of a three and a five, as the digits that the models were trained on."""
    image_module = pytest.importorskip("PIL.Image")
    images = np.stack([in_mnists_form(digit) for digit in (3, 5)])
    for image, name in zip(images, ("three", "five"), strict=True):
        image_module.fromarray(image).save(tmp_path / f"{name}.png")
        image_module.fromarray(255 - image).convert("RGB").save(tmp_path / f"dark-{name}.png")
    np.save(tmp_path / "both.npy", images)
    np.save(tmp_path / "floats.npy", (images / np.float32(255))[:1])
    return images


def test_image_files(tinynn_command, models, digits):
    result = tinynn_command("predict", models["shared"], "three.png", "five.png")
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[0].startswith("Sum: 8 (") and lines[0].endswith("% sure)")
    assert lines[1].startswith("Likeliest: 8 (")
    assert lines[1].count("%") == 3
    assert [line.split() for line in lines[3:]] == [
        ["image", "read", "as", "sure"],
        ["three.png", "3", lines[4].split()[2]],
        ["five.png", "5", lines[5].split()[2]],
    ]


def test_dark_digits_on_light_are_inverted_with_a_note(here, models, digits):
    result = here("predict", models["shared"], "dark-three.png", "five.png")
    assert result.out.startswith("Sum: 8 (")
    assert result.err == "tinynn predict: note: dark-three.png: dark on light, inverted\n"


@pytest.mark.parametrize(
    "arguments", [["both.npy"], ["both.npy:0:2"], ["both.npy::"], ["floats.npy", "both.npy:1:"]]
)
def test_npy_files(here, models, digits, arguments):
    result = here("predict", models["shared"], *arguments)
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("Sum: 8 (")


def test_slices_of_idx_files(here, models, digits_directory):
    path = digits_directory / "t10k-images-idx3-ubyte.gz"
    result = here("predict", models["shared"], f"{path}:17:19")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("Sum: 15 (")
    assert [line.split()[:2] for line in result.out.splitlines()[4:]] == [
        [f"{path}:17", "7"],
        [f"{path}:18", "8"],
    ]
    model = tinynn.load(models["shared"])
    probability = model.predict(read_idx(path)[None, 17:19])[0, 15]
    assert f"Sum: 15 ({probability:.1%} sure)" in result.out or probability > 0.999


def test_a_network_that_names_no_digits(here, models, digits):
    result = here("predict", models["baseline"], "both.npy")
    assert (result.code, result.err) == (0, "")
    assert len(result.out.splitlines()) == 2


def test_a_file_whose_name_looks_like_a_slice(here, models, digits, tmp_path):
    (tmp_path / "five.png").rename(tmp_path / "five:0:1")
    result = here("predict", models["shared"], "three.png", "five:0:1")
    assert result.out.startswith("Sum: 8 (")


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "the following arguments are required: IMAGE"),
        (["three.png", "missing.png"], "missing.png: No such file or directory"),
        (["three.png", "."], ".: Is a directory"),
        (["three.png", "text.png"], "text.png: cannot be read as an image: cannot identify image file"),
        (["three.png", "cut.png"], "cut.png: cannot be read as an image"),
        (["three.png", "empty.png"], "empty.png: cannot be read as an image"),
        (["three.png:0:1"], "three.png is one image; :START:STOP is for IDX and .npy files"),
        (["both.npy:5:7"], "both.npy:5:7: no images are selected; both.npy has 2"),
        (["labels"], "labels: must be of shape (count, 28, 28), got uint8 of shape (3,)"),
        (["cut.npy"], "cut.npy: cut short: expected 1,568 bytes after the header, found 1,508"),
        (["objects.npy"], "objects.npy: must have numbers from 0 to 255, got object of shape (1,)"),
        (["nan.npy"], "nan.npy: numbers must be from 0 to 255, or from 0.0 to 1.0, got nan to nan"),
        (["negative.npy"], "negative.npy: numbers must be from 0 to 255, or from 0.0 to 1.0, got -1 to 1"),
        (
            ["complex.npy"],
            "complex.npy: must have numbers from 0 to 255, got complex128 of shape (2, 28, 28)",
        ),
        (["none.npy"], "none.npy: no images are selected; none.npy has 0"),
        (["both.npy", "pipe"], "pipe: it is not a regular file"),
        (["both.npy", "pipe:0:1"], "pipe: it is not a regular file"),
        (["both.npy", "/dev/zero:0:1"], "/dev/zero: it is not a regular file"),
    ],
)
def test_nonsense_is_one_line(here, models, digits, tmp_path, arguments, message):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "text.png").write_text("I am no picture")
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "cut.png").write_bytes((tmp_path / "three.png").read_bytes()[:-60])
    (tmp_path / "cut.npy").write_bytes((tmp_path / "both.npy").read_bytes()[:-60])
    write_idx(tmp_path / "labels", np.arange(3, dtype=np.uint8))
    np.save(tmp_path / "objects.npy", np.array([None]), allow_pickle=True)
    np.save(tmp_path / "nan.npy", np.full((2, 28, 28), np.nan))
    np.save(tmp_path / "negative.npy", np.linspace(-1, 1, 28 * 28).reshape(28, 28))
    np.save(tmp_path / "complex.npy", np.zeros((2, 28, 28), complex))
    np.save(tmp_path / "none.npy", np.zeros((0, 28, 28)))
    result = here("predict", models["shared"], *arguments)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("tinynn predict: ")
    assert message in result.err
    assert result.err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["three.png"], "adds 2 images, got 1; give 2, for example IDX-FILE:0:2"),
        (["three.png", "five.png", "both.npy", "missing.png"], "adds 2 images, got at least 3"),
    ],
)
def test_the_report_s_networks_add_as_many_as_they_were_made_for(here, models, digits, arguments, message):
    result = here("predict", models["baseline"], *arguments)
    assert (result.code, result.out) == (2, "")
    assert message in result.err


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_pictures_that_are_not_in_mnists_form(here, models, tmp_path, kind):
    """Read right by a network that knows digits in MNIST's form alone."""
    image_module = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(1)
    names = [f"{number}.png" for number in range(50)]
    for number, name in enumerate(names):
        image_module.fromarray(as_bytes(kind(number % 10, rng))).save(name)
    result = here("predict", models["shared"], *names)
    assert result.code == 0
    read = [line.split()[1] for line in result.out.splitlines()[4:]]
    assert sum(digit == str(number % 10) for number, digit in enumerate(read)) >= 48
    assert all(f"note: {name}: " in result.err for name in names)


def test_others_add_any_number(here, models, digits):
    assert here("predict", models["shared"], "three.png").out.startswith("Sum: 3 (")
    assert here("predict", models["shared"], *["three.png"] * 20).out.startswith("Sum: 60 (")


def test_without_pillow_idx_and_npy_still_work(here, models, digits, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert here("predict", models["shared"], "both.npy").out.startswith("Sum: 8 (")
    result = here("predict", models["shared"], "three.png", "five.png")
    assert result.code == 2
    assert "three.png: neither IDX nor .npy; reading other images needs Pillow" in result.err
    assert "install tinynn's extra 'images'" in result.err
