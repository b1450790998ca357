"""Files as `tinynn predict` reads them: whatever they hold, within limits."""

import gzip
import os
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest

import tinynn.cli.images as images_module
from tests.cli.drawing import as_bytes, difference, in_mnists_form
from tests.datasets.conftest import damaged
from tinynn.cli.images import read_images
from tinynn.datasets import write_idx

Image = pytest.importorskip("PIL.Image")


@pytest.fixture
def digit():
    return in_mnists_form(3)


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


@pytest.mark.parametrize("suffix", ["bmp", "gif", "ico", "jp2", "jpg", "pcx", "ppm", "tga", "tif", "webp"])
def test_kinds_of_image_files(digit, tmp_path, suffix):
    """Some of them begin with two zeros, as IDX files do."""
    picture = Image.fromarray(255 - np.kron(digit, np.ones((8, 8), np.uint8))).convert("RGB")
    try:
        picture.save(tmp_path / f"a.{suffix}")
    except (KeyError, OSError) as error:
        pytest.skip(f"this Pillow cannot write it: {error}")
    images, _, notes = read_images(str(tmp_path / f"a.{suffix}"))
    assert difference(images[0], digit) < 12
    assert "dark on light, inverted" in notes[0]


def test_ink_on_nothing(digit, tmp_path):
    ink = np.zeros((28, 28, 4), np.uint8)
    ink[..., 3] = digit
    Image.fromarray(ink).save(tmp_path / "a.png")
    images, _, notes = read_images(str(tmp_path / "a.png"))
    assert notes == [f"{tmp_path / 'a.png'}: dark on light, inverted"]
    assert (images[0] == digit).all()


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "I;16"])
def test_large_pictures_are_shrunk_as_they_are_read(digit, tmp_path, mode):
    """Larger than what is looked at: read in bands, the last of which is shorter."""
    paper = np.full((1500, 2200), 230.0)
    paper[300:1420, 500:1620] -= 0.8 * np.kron(digit, np.ones((40, 40)))
    picture = Image.fromarray(as_bytes(paper))
    if mode == "I;16":
        picture = Image.fromarray(as_bytes(paper).astype(np.uint16) * 257)
    else:
        picture = picture.convert(mode)
    picture.save(tmp_path / "a.png", compress_level=1)
    images, _, notes = read_images(str(tmp_path / "a.png"))
    assert difference(images[0], digit) < 8
    assert notes[1:] == [f"{tmp_path / 'a.png'}: 1500 x 2200 pixels, digit scaled and centred as MNIST's are"]


def test_few_of_the_grey_levels_are_used(digit, tmp_path):
    """Twelve bits in sixteen: even white is nearly black."""
    Image.fromarray(4095 - digit.astype(np.uint16) * 16).save(tmp_path / "a.png")
    images, _, _ = read_images(str(tmp_path / "a.png"))
    assert difference(images[0], digit) < 3


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "tif", "png"])
def test_pictures_turned_by_exif(tmp_path, orientation, suffix):
    """How a camera was held is in the file, and not in its pixels."""
    upright = 255 - np.kron(np.pad(in_mnists_form(7), ((0, 0), (0, 12))), np.ones((40, 40), np.uint8))
    seen = {1: lambda a: a, 2: np.fliplr, 3: lambda a: np.rot90(a, 2), 4: np.flipud, 5: np.transpose}
    seen |= {6: lambda a: np.rot90(a, 1), 7: lambda a: np.rot90(a, 2).T, 8: lambda a: np.rot90(a, -1)}
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = Image.fromarray(np.ascontiguousarray(seen[orientation](upright)))
    picture.save(tmp_path / f"a.{suffix}", exif=exif)
    images, _, notes = read_images(str(tmp_path / f"a.{suffix}"))
    assert difference(images[0], in_mnists_form(7)) < 8
    assert "1120 x 1600 pixels" in notes[1]


@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("dtype", ["u1", ">i2", "f4", "f8", "f2", "?"])
def test_npy_files_of_any_kind(tmp_path, order, dtype):
    digits = np.stack([in_mnists_form(digit) for digit in range(5)])
    digits = np.where(digits > 127, 255, 0).astype(np.uint8)
    scaled = digits / 255 if np.dtype(dtype).kind in "fb" else digits
    np.save(tmp_path / "a.npy", np.array(scaled, dtype, order=order))
    images, names, notes = read_images(f"{tmp_path / 'a.npy'}:1:4")
    assert (np.stack(images) == digits[1:4]).all()
    assert names == [f"{tmp_path / 'a.npy'}:{number}" for number in (1, 2, 3)]
    assert notes == []


def test_a_npy_file_of_one_large_image(digit, tmp_path):
    np.save(tmp_path / "a.npy", 1 - np.kron(digit, np.ones((90, 90))) / 255)
    images, _, notes = read_images(str(tmp_path / "a.npy"))
    assert difference(images[0], digit) < 8
    assert "2520 x 2520 pixels" in notes[1]


def test_too_many_for_one_sum(tmp_path, monkeypatch):
    monkeypatch.setattr(images_module, "MAX_IMAGES", 4)
    write_idx(tmp_path / "a", np.stack([in_mnists_form(3)] * 5))
    assert len(read_images(f"{tmp_path / 'a'}:1:")[0]) == 4
    with pytest.raises(ValueError, match="a: must be at most 4 images, got 5; select some, such as .*a:0:4"):
        read_images(str(tmp_path / "a"))


def test_one_more_than_needed_is_read(tmp_path):
    write_idx(tmp_path / "a", np.stack([in_mnists_form(3)] * 50))
    assert len(read_images(str(tmp_path / "a"), needed=3)[0]) == 4
    assert len(read_images(f"{tmp_path / 'a'}:48:", needed=3)[0]) == 2


@pytest.mark.parametrize(
    "values, expected",
    [
        ([0.0, 0.5, 1.0], [0, 128, 255]),
        (np.array([0.0, 128.4, 255.0], np.float32), [0, 128, 255]),
        ([False, True, True], [0, 255, 255]),
        ([0, 1, 1], [0, 255, 255]),
        (np.array([0, 77, 255], np.int16), [0, 77, 255]),
    ],
)
def test_numbers_as_brightness(tmp_path, values, expected):
    """Of an image in MNIST's form, whose pixels come back: one in the middle is the second value."""
    table = np.where(in_mnists_form(8), 2, 0)
    table[tuple(np.argwhere(table)[40])] = 1
    np.save(tmp_path / "a.npy", np.asarray(values)[table])
    image, notes = read_images(str(tmp_path / "a.npy"))[::2]
    assert notes == []
    assert (image[0] == np.array(expected)[table]).all()


@pytest.mark.parametrize("values", [-1, 256, np.nan, np.inf, -0.5, 1e300])
def test_numbers_that_are_no_brightness(tmp_path, values):
    images = np.zeros((2, 28, 28))
    images[1, 14, 14] = values
    np.save(tmp_path / "a.npy", images)
    with pytest.raises(ValueError, match="a.npy: numbers must be from 0 to 255, .*got "):
        read_images(str(tmp_path / "a.npy"))


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
                passed += read_images(str(path))[0][0].dtype == np.uint8
            except ValueError as error:
                assert str(path) in str(error)
    assert passed
    path.write_bytes(content.replace(b"(2, 3), }" + b" " * 12, b"(9" + b"9" * 12 + b",), }  "))
    with pytest.raises(ValueError, match="a.npy: "):
        read_images(str(path))


# -- limits --------------------------------------------------------------------------------------------------------


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width, height, *chunks):
    """A PNG file whose header says so, whatever follows."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(bytes(29 * 28)))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + pixels + chunk(b"IEND", b"")


def ico(content):
    """An icon that is a PNG file inside: its own header says 256 x 256."""
    return struct.pack("<HHHBBBBHHII", 0, 1, 1, 0, 0, 0, 0, 1, 8, len(content), 22) + content


def tiff(width, height, tile_width=None, tile_height=None):
    """A TIFF file whose pixels, compressed, are all black; in tiles if they are given."""
    rows, columns = tile_height or height, tile_width or width
    packer = zlib.compressobj(9)
    zeros = bytes(columns)
    content = b"".join([packer.compress(zeros) for _ in range(min(rows, 100))]) + packer.flush()
    entries = [(256, width), (257, height), (258, 8), (259, 8), (262, 1), (277, 1)]
    if tile_width:
        entries += [(322, tile_width), (323, tile_height), (324, 8), (325, len(content))]
    else:
        entries += [(273, 8), (278, height), (279, len(content))]
    entries.sort()
    table = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    directory = struct.pack("<H", len(entries)) + table + bytes(4)
    return b"II*\0" + struct.pack("<I", 8 + len(content)) + content + directory


def npy(shape, length):
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + bytes(length)


def idx(*shape):
    return struct.pack(f">BBBB{len(shape)}I", 0, 0, 8, len(shape), *shape)


BMP = b"BM" + struct.pack("<6I", 0, 0, 54, 40, 50_000, 50_000) + struct.pack("<HH6I", 1, 24, *[0] * 6)

TOO_LARGE = "an image must have at most 16,777,216 pixels, got "


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("a.png", png(1, 80_000_000), TOO_LARGE + "80,000,000"),
        ("a.png", png(2**31 - 1, 2**31 - 1), TOO_LARGE + "4,611,686,014,132,420,609"),
        ("a.png", png(4097, 4096), TOO_LARGE + "16,781,312"),
        ("a.ico", ico(png(1, 80_000_000)), TOO_LARGE + "80,000,000"),
        ("a.ico", ico(png(5000, 5000)), TOO_LARGE + "25,000,000"),
        ("a.tif", tiff(40_000, 40_000), TOO_LARGE + "1,600,000,000"),
        ("a.tif", tiff(16, 16, 16384, 32768), "its tiles must have at most 16,777,216 pixels, got 16,384 x 32,768"),
        ("a.bmp", BMP, TOO_LARGE + "2,500,000,000"),
        ("a.ppm", b"P5 100000 100000 255\n", TOO_LARGE + "10,000,000,000"),
        ("a.png", png(28, 28, chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(10**8)))), "Decompressed data too large"),
        ("a.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n", "EPS files are programs and are not"),
        ("a.npy", npy((100_000, 100_000), 0), "cut short: expected 10,000,000,000 bytes"),
        ("a", idx(1, 50_000, 50_000) + bytes(100), "truncated"),
        ("a", gzip.compress(idx(1, 50_000, 50_000) + bytes(100)), TOO_LARGE + "50,000 x 50,000"),
        ("a", gzip.compress(idx(3_000_000, 28, 28)), "must have at most 1,073,741,824 bytes, got 2,352,000,000"),
    ],
    ids="png largest-png large-png ico smaller-ico tiff tiled-tiff bmp ppm text eps npy idx idx.gz many-in-idx".split(),
)
def test_what_would_fill_the_memory_is_refused(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError) as caught:
        read_images(str(path))
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "shape, section, message",
    [
        ((100_000, 100_000), "", TOO_LARGE + "100,000 x 100,000"),
        ((10_000_000, 28, 28), "", "at most 100,000 images, got 10,000,000"),
        ((10_000_000, 28, 28), ":5000000:5000003", ""),
    ],
)
def test_of_a_huge_npy_file_only_what_is_asked_for_is_read(tmp_path, shape, section, message):
    """The file has a hole: its zeros take no space on the disk."""
    path = tmp_path / "a.npy"
    path.write_bytes(npy(shape, 0))
    os.truncate(path, path.stat().st_size + int(np.prod(shape)))
    if message:
        with pytest.raises(ValueError, match=message):
            read_images(f"{path}{section}")
    else:
        assert len(read_images(f"{path}{section}")[0]) == 3


MEASURE = """
import resource, sys
import PIL.Image
import tinynn.cli.images as images
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    images.read_images(sys.argv[1])
except ValueError as error:
    print(error, file=sys.stderr)
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print((after - before) // (2**20 if sys.platform == "darwin" else 2**10))
"""


@pytest.mark.parametrize(
    "name, content, megabytes",
    [
        ("bomb.png", png(1, 80_000_000), 30),
        ("bomb.tif", tiff(16, 16, 16384, 32768), 30),
        ("rgba.png", None, 150),  # decoded, it has 64
        ("black.npy", npy((4096, 4096), 2**24), 150),
    ],
    ids=["bomb.png", "bomb.tif", "rgba.png", "black.npy"],
)
def test_memory(tmp_path, name, content, megabytes):
    path = tmp_path / name
    if content is None:
        Image.new("RGBA", (4096, 4096), (255, 255, 255, 100)).save(path, compress_level=1)
    else:
        path.write_bytes(content)
    paths = {**os.environ, "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)}
    command = [sys.executable, "-W", "error", "-c", MEASURE, str(path)]
    result = subprocess.run(command, env=paths, capture_output=True, text=True, check=True)
    assert int(result.stdout) < megabytes, result.stderr


@pytest.mark.parametrize("section", ["", ":0:1"])
@pytest.mark.parametrize("kind", ["fifo", "zero", "directory", "link"])
def test_what_is_no_file(tmp_path, kind, section):
    path = tmp_path / kind
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "zero":
        path = "/dev/zero"
    elif kind == "link":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    with pytest.raises(IsADirectoryError if kind == "directory" else ValueError, match=str(path)):
        read_images(f"{path}{section}")


def test_pillow_is_left_as_it_was(tmp_path):
    before = Image.MAX_IMAGE_PIXELS
    (tmp_path / "a.png").write_bytes(png(5000, 5000))
    with pytest.raises(ValueError):
        read_images(str(tmp_path / "a.png"))
    assert Image.MAX_IMAGE_PIXELS == before
