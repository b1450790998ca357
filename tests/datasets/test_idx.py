import gzip
import os
import struct
import tracemalloc

import numpy as np
import pytest

from tests.datasets.conftest import damaged
from tinynn.datasets import read_idx, read_idx_header, write_idx

# IDX type, struct format and dtype, from the description of the format
TYPES = [
    (0x08, "B", np.uint8),
    (0x09, "b", np.int8),
    (0x0B, "h", np.int16),
    (0x0C, "i", np.int32),
    (0x0D, "f", np.float32),
    (0x0E, "d", np.float64),
]
SHAPES = [(1,), (7,), (3, 2), (2, 3, 5), (1, 1, 1, 4)]


def header(code, *shape):
    return struct.pack(f">HBB{len(shape)}I", 0, code, len(shape), *shape)


def file_of(code, letter, shape):
    """The bytes of an IDX file and its numbers in a list."""
    numbers = [(7 * i + 3) % 101 for i in range(int(np.prod(shape)))]
    return header(code, *shape) + struct.pack(f">{len(numbers)}{letter}", *numbers), numbers


@pytest.fixture(params=["plain", "gzip", "gzip under a plain name", "plain under a gzip name"])
def put(request, tmp_path):
    """A function that writes bytes to a file, compressed or not, named truly or not, and returns its path."""

    def put(data):
        path = tmp_path / ("file.gz" if request.param in ("gzip", "plain under a gzip name") else "file")
        path.write_bytes(gzip.compress(data) if request.param.startswith("gzip") else data)
        return path

    return put


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("code, letter, dtype", TYPES, ids=[t[1] for t in TYPES])
def test_read(put, code, letter, dtype, shape):
    data, numbers = file_of(code, letter, shape)
    path = put(data)
    array = read_idx(path)
    assert array.dtype == dtype and array.dtype.isnative
    assert array.shape == shape
    assert array.ravel().tolist() == numbers
    assert array.flags.writeable and array.flags.c_contiguous
    assert read_idx_header(path) == (np.dtype(dtype), shape)


@pytest.mark.parametrize("shape", [*SHAPES, (0,), (0, 28, 28)], ids=str)
@pytest.mark.parametrize("code, letter, dtype", TYPES, ids=[t[1] for t in TYPES])
def test_write(tmp_path, code, letter, dtype, shape):
    data, numbers = file_of(code, letter, shape)
    array = np.array(numbers, dtype=dtype).reshape(shape)
    write_idx(tmp_path / "file", array)
    assert (tmp_path / "file").read_bytes() == data
    write_idx(str(tmp_path / "file.gz"), array.astype(array.dtype.newbyteorder(">")))
    assert gzip.decompress((tmp_path / "file.gz").read_bytes()) == data
    assert sorted(os.listdir(tmp_path)) == ["file", "file.gz"]


def test_an_array_that_is_not_contiguous(tmp_path):
    array = np.arange(24, dtype=np.int32).reshape(4, 6)
    for view in (array.T, array[::2, ::-1], array[:, 1]):
        write_idx(tmp_path / "file", view)
        assert read_idx(tmp_path / "file").tolist() == view.tolist()


def test_equal_arrays_give_equal_files(tmp_path):
    for name in ("a.gz", "b.gz"):
        write_idx(tmp_path / name, np.arange(100, dtype=np.uint8))
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


def test_many_chunks(tmp_path, rng):
    array = rng.integers(0, 256, size=(3, 1 << 20), dtype=np.uint8)
    for name in ("file", "file.gz"):
        write_idx(tmp_path / name, array)
        assert (read_idx(tmp_path / name) == array).all()


def test_no_elements(put):
    assert read_idx(put(header(0x08, 0, 28, 28))).shape == (0, 28, 28)


@pytest.mark.parametrize("dtype", [np.int64, np.float16, np.complex64, np.bool_, object])
def test_write_names_a_wrong_dtype(tmp_path, dtype):
    with pytest.raises(TypeError, match=rf"array must be of a dtype of IDX \(uint8, .*\), got {np.dtype(dtype)}"):
        write_idx(tmp_path / "file", np.zeros(2, dtype=dtype))
    assert not os.listdir(tmp_path)


def test_write_names_a_wrong_shape(tmp_path):
    with pytest.raises(ValueError, match=r"array must have 1 to 255 dimensions .*, got shape \(\)"):
        write_idx(tmp_path / "file", np.uint8(1))


@pytest.mark.parametrize("missing", [1, 5])
def test_truncated(put, missing):
    path = put(file_of(0x0C, "i", (3, 2))[0][:-missing])
    with pytest.raises(
        ValueError, match=r"truncated.*expected 24 bytes after the header \(int32, 3 x 2\), found"
    ):
        read_idx(path)


def test_the_header_of_a_plain_file_is_held_against_its_length(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(file_of(0x0C, "i", (3, 2))[0][:-1])
    with pytest.raises(ValueError, match="truncated.*expected 24 bytes .*, found 23"):
        read_idx_header(path)


@pytest.mark.parametrize("length", [1, 2, 3, 4, 7, 11])
def test_truncated_inside_the_header(put, length):
    path = put(header(0x08, 2, 2)[:length])
    with pytest.raises(ValueError, match=str(path)):
        read_idx(path)


def test_empty(put):
    with pytest.raises(ValueError, match="must be an IDX file, got an empty file"):
        read_idx(put(b""))


@pytest.mark.parametrize(
    "start, expected",
    [
        (b"\x89PNG", "that begins with 89 50 4e 47, not with 00 00, a type out of 08, 09, 0b"),
        (b"\0\0\x0a\x01", "must be an IDX file, got one that begins with 00 00 0a 01"),
        (b"\0\1\x08\x01", "must be an IDX file"),
        (b"<!DO", "must be an IDX file"),
        (b"\0\0\x08\x00", "dimensions must be 1 to 32, got 0"),
        (b"\0\0\x08\x21", "dimensions must be 1 to 32, got 33"),
    ],
)
def test_wrong_magic(put, start, expected):
    path = put(start + b"\0" * 200)
    for read in (read_idx, read_idx_header):
        with pytest.raises(ValueError, match=expected) as caught:
            read(path)
        assert str(path) in str(caught.value)


def test_too_much(put):
    path = put(file_of(0x08, "B", (3,))[0] + b"x")
    with pytest.raises(ValueError, match="more data than its header declares: expected 3 bytes"):
        read_idx(path)


@pytest.mark.parametrize(
    "shape", [(2**32 - 1,), (2**32 - 1,) * 8, (60_000, 28, 28), (2**31, 2**31, 4)], ids=str
)
def test_an_oversize_header_allocates_nothing(put, shape):
    path = put(header(0x0E, *shape) + b"\0" * 1000)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="expected .* bytes after the header .*, found 1,000"):
            read_idx(path)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_a_gzip_bomb_is_unpacked_no_further_than_its_header_says(tmp_path):
    path = tmp_path / "bomb.gz"
    with gzip.open(path, "wb") as stream:
        stream.write(header(0x08, 1000))
        for _ in range(64):
            stream.write(bytes(1 << 20))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="more data than its header declares"):
            read_idx(path)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_an_empty_array_of_impossible_shape(put):
    path = put(header(0x08, *[2**32 - 1] * 3, 0))
    with pytest.raises(ValueError, match="NumPy cannot hold"):
        read_idx(path)


def damage(data, position):
    return data[:position] + bytes([data[position] ^ 0xFF]) + data[position + 1 :]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[:2],
        lambda data: data[:15],
        lambda data: data[: len(data) // 2],
        lambda data: data[:-1],
        lambda data: damage(data, 2),
        lambda data: damage(data, len(data) // 2),
        lambda data: damage(data, len(data) - 6),  # the checksum
        lambda data: data + b"more",
    ],
    ids=["magic only", "start", "half", "last byte", "method", "middle", "checksum", "appended"],
)
def test_bad_gzip(tmp_path, rng, spoil):
    path = tmp_path / "file.gz"
    numbers = rng.integers(0, 256, size=5000, dtype=np.uint8)
    path.write_bytes(spoil(gzip.compress(header(0x08, 5000) + numbers.tobytes())))
    with pytest.raises(ValueError, match="damaged or truncated gzip data") as caught:
        read_idx(path)
    assert str(path) in str(caught.value)


def test_missing(tmp_path):
    for read in (read_idx, read_idx_header):
        with pytest.raises(FileNotFoundError, match="nothing-here"):
            read(tmp_path / "nothing-here")


def test_a_directory(tmp_path):
    with pytest.raises(ValueError, match="must be an IDX file, got a directory"):
        read_idx(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="not a regular file"):
        read_idx(tmp_path / "pipe")


# The types of one size: a flipped bit turns one into the other, and nothing in an IDX file tells.
ALIKE = [{"uint8", "int8"}, {"int32", "float32"}]


@pytest.mark.parametrize("code, letter, dtype", TYPES, ids=[t[1] for t in TYPES])
def test_a_damaged_header_is_named(tmp_path, code, letter, dtype):
    data, _ = file_of(code, letter, (2, 3))
    start = header(code, 2, 3)
    passed = []
    for changed in damaged(start):
        (tmp_path / "file").write_bytes(changed + data[len(start) :])
        try:
            array = read_idx(tmp_path / "file")
        except ValueError as error:
            assert str(tmp_path / "file") in str(error)
        else:
            passed.append({np.dtype(dtype).name, array.dtype.name})
            assert array.astype(array.dtype.newbyteorder(">")).tobytes() == data[len(start) :]
    assert passed == [types for types in ALIKE if np.dtype(dtype).name in types]


@pytest.mark.parametrize("code, letter, dtype", TYPES[::5], ids=[t[1] for t in TYPES[::5]])
def test_a_damaged_gzip_file_is_named_or_holds_the_same(tmp_path, code, letter, dtype):
    path = tmp_path / "file"
    data, numbers = file_of(code, letter, (2, 3))
    packed = gzip.compress(data, mtime=0)
    passed = 0
    for changed in damaged(packed):
        path.write_bytes(changed)
        try:
            array = read_idx(path)
        except ValueError as error:
            assert str(path) in str(error)
        else:
            passed += 1
            assert (array.dtype, array.shape, array.ravel().tolist()) == (dtype, (2, 3), numbers)
    assert passed >= 48  # the time, the system and the level of compression mean nothing
