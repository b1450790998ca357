"""IDX files, the format of MNIST: a short header and the elements of one array.

    00 00 | type | number of dimensions | each dimension as a big-endian uint32 | the elements, big-endian

A file may be compressed with gzip, which is recognized by its first bytes, not by its name. No file is trusted: if the
header declares more elements than the file has, that is an error and nothing is allocated, and no more is decompressed
than the header declares.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import math
import os
import stat
import struct
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tinynn.io.atomic import atomic_file

_DTYPES: dict[int, np.dtype[Any]] = {
    0x08: np.dtype(np.uint8),
    0x09: np.dtype(np.int8),
    0x0B: np.dtype(np.int16),
    0x0C: np.dtype(np.int32),
    0x0D: np.dtype(np.float32),
    0x0E: np.dtype(np.float64),
}
_CODES = {dtype: code for code, dtype in _DTYPES.items()}
_DTYPE_NAMES = ", ".join(dtype.name for dtype in _DTYPES.values())
_MAX_DIMENSIONS = 32  # of an array, in all supported versions of NumPy
_CHUNK = 1 << 20  # bytes read at a time


def read_idx(path: str | os.PathLike[str]) -> npt.NDArray[Any]:
    """Read an IDX file, compressed with gzip or not.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    numpy.ndarray
        A new, writable array in native byte order; uint8, int8, int16, int32, float32 or float64.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is not IDX, is truncated, has more data than its header declares, or is damaged gzip. The message
        names the file.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     path = os.path.join(directory, "labels-idx1-ubyte.gz")
    ...     write_idx(path, np.array([7, 2, 1], dtype=np.uint8))
    ...     read_idx(path)
    array([7, 2, 1], dtype=uint8)
    """
    path = Path(path)
    with _open(path) as (stream, length):
        dtype, shape = _parse_header(stream, path, length)
        size = math.prod(shape) * dtype.itemsize
        data = bytearray()
        # In chunks: memory grows with the data, not with what the header declares.
        while len(data) < size:
            chunk = stream.read(min(_CHUNK, size - len(data)))
            if not chunk:
                raise _truncated(path, dtype, shape, len(data))
            data += chunk
        # Reading one more byte also makes gzip verify its checksum.
        if stream.read(1):
            raise ValueError(
                f"{path}: more data than its header declares: expected {size:,} bytes after the header "
                f"({_describe(dtype, shape)}); is the header damaged, or was something appended?"
            )
    try:
        array = np.frombuffer(data, dtype=dtype.newbyteorder(">")).reshape(shape)
    except ValueError as error:  # an empty array with other dimensions too large for NumPy
        raise ValueError(f"{path}: NumPy cannot hold an array of shape {shape}: {error}") from None
    if dtype.itemsize > 1 and sys.byteorder == "little":
        array = array.byteswap(inplace=True).view(dtype)
    return array.view(dtype)


def read_idx_header(path: str | os.PathLike[str]) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Read only the dtype and the shape that an IDX file declares.

    The length of an uncompressed file is checked. Of a compressed one only the header is read.

    Parameters
    ----------
    path : str or path-like
        The file, compressed with gzip or not.

    Returns
    -------
    dtype : numpy.dtype
        In native byte order.
    shape : tuple of int
        The dimensions.

    Raises
    ------
    FileNotFoundError, ValueError
        As for `read_idx`.
    """
    path = Path(path)
    with _open(path) as (stream, length):
        return _parse_header(stream, path, length)


def write_idx(path: str | os.PathLike[str], array: npt.ArrayLike) -> None:
    """Write an array as an IDX file, compressed with gzip if the name ends in ``.gz``.

    Equal arrays give equal bytes. The file is written whole or not at all.

    Parameters
    ----------
    path : str or path-like
        The file to write or replace.
    array : array-like
        At least one dimension; uint8, int8, int16, int32, float32 or float64.

    Raises
    ------
    TypeError
        If IDX has no type for the array's dtype.
    ValueError
        If the array has no dimensions, more than 255, or one longer than 2^32 - 1.
    """
    path = Path(path)
    array = np.asarray(array)
    dtype = array.dtype.newbyteorder("=")
    if dtype not in _CODES:
        raise TypeError(
            f"write_idx: array must be of a dtype of IDX ({_DTYPE_NAMES}), got {array.dtype}; convert it"
        )
    if not 1 <= array.ndim <= 255 or max(array.shape) >= 2**32:
        raise ValueError(
            f"write_idx: array must have 1 to 255 dimensions of less than 2^32, got shape {array.shape}"
        )
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, _CODES[dtype], array.ndim, *array.shape)
    elements = np.ascontiguousarray(array, dtype=dtype.newbyteorder(">"))
    with atomic_file(path) as stream:
        if path.suffix == ".gz":
            # Without name and time in the gzip header, equal arrays give equal bytes.
            with gzip.GzipFile(filename="", mode="wb", fileobj=stream, mtime=0) as packed:
                packed.write(header)
                packed.write(elements.data.cast("B") if elements.size else b"")
        else:
            stream.write(header)
            stream.write(elements.data.cast("B") if elements.size else b"")


@contextlib.contextmanager
def _open(path: Path) -> Iterator[tuple[io.BufferedIOBase, int | None]]:
    """Open `path`, decompressing gzip; errors name the file.

    Yields the stream and the number of bytes in it, which is None for a compressed file.
    """
    # Checked before opening: a directory cannot be opened, and a pipe would block.
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        kind = "a directory" if stat.S_ISDIR(status.st_mode) else "not a regular file"
        raise ValueError(f"{path}: must be an IDX file, got {kind}")
    with open(path, "rb") as stream:
        if stream.peek(2)[:2] != b"\x1f\x8b":
            yield stream, status.st_size
            return
        try:
            with gzip.GzipFile(fileobj=stream) as unpacked:
                yield unpacked, None
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise ValueError(
                f"{path}: damaged or truncated gzip data ({error}); download or compress the file again"
            ) from error


def _parse_header(
    stream: io.BufferedIOBase, path: Path, length: int | None
) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Return dtype and shape, after checking that they fit into the stream's `length` bytes, if that is known."""
    magic = stream.read(4)
    if not magic:
        raise ValueError(f"{path}: must be an IDX file, got an empty file")
    code, dimensions = (magic[2], magic[3]) if len(magic) == 4 else (0, 0)
    if len(magic) < 4 or magic[:2] != b"\0\0" or code not in _DTYPES:
        raise ValueError(
            f"{path}: must be an IDX file, got one that begins with {magic.hex(' ')}, not with 00 00, a type out of "
            f"{', '.join(f'{known:02x}' for known in _DTYPES)} ({_DTYPE_NAMES}) and the number of dimensions"
        )
    if not 1 <= dimensions <= _MAX_DIMENSIONS:
        raise ValueError(f"{path}: the header's dimensions must be 1 to {_MAX_DIMENSIONS}, got {dimensions}")
    sizes = stream.read(4 * dimensions)
    if len(sizes) < 4 * dimensions:
        raise ValueError(f"{path}: truncated: it ends inside the header, before its {dimensions} dimensions")
    dtype = _DTYPES[code]
    shape = struct.unpack(f">{dimensions}I", sizes)
    if length is not None:
        found = length - len(magic) - len(sizes)
        if found < math.prod(shape) * dtype.itemsize:
            raise _truncated(path, dtype, shape, found)
    return dtype, shape


def _truncated(path: Path, dtype: np.dtype[Any], shape: tuple[int, ...], found: int) -> ValueError:
    size = math.prod(shape) * dtype.itemsize
    return ValueError(
        f"{path}: truncated, or its header is damaged: expected {size:,} bytes after the header "
        f"({_describe(dtype, shape)}), found {found:,}; download the file again"
    )


def _describe(dtype: np.dtype[Any], shape: tuple[int, ...]) -> str:
    return f"{dtype.name}, {' x '.join(map(str, shape))}"
