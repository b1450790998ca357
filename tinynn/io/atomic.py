"""Reads regular files only, and writes files atomically.

All readers and writers of paths use this module. Without its check, a pipe or a device could block for ever, exhaust
the memory, or be replaced by a file. A killed writer leaves its temporary file behind. Each writer locks its temporary
file, so an unlocked one is abandoned and can be removed.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO


@contextlib.contextmanager
def open_regular(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file for reading, in binary.

    Raises
    ------
    OSError
        If it cannot be opened; IsADirectoryError for a directory.
    ValueError
        If it is a pipe, a socket or a device.
    """
    # O_NONBLOCK: opening a pipe without a writer would block for ever.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        mode = os.fstat(handle).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
        if not stat.S_ISREG(mode):
            raise ValueError(f"{os.fspath(path)}: it is not a regular file; give the path of one")
        with open(handle, "rb", closefd=False) as stream:
            yield stream
    finally:
        os.close(handle)


def read_file(path: str | os.PathLike[str]) -> bytes:
    """Read a regular file; raises as `open_regular`."""
    with open_regular(path) as stream:
        return stream.read()


def target_of(path: str | os.PathLike[str]) -> Path:
    """Return the path of the file to write, with symbolic links resolved.

    Raises
    ------
    OSError
        If it is a directory or cannot be examined.
    ValueError
        If the path is empty, or names something other than a regular file.
    """
    if not os.fspath(path):
        raise ValueError("the path is empty; give the path of a file")
    target = Path(os.path.realpath(path))
    try:
        mode = os.stat(target).st_mode
    except FileNotFoundError:
        return target
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    if not stat.S_ISREG(mode):
        raise ValueError(f"{os.fspath(path)!r} is not a regular file; give the path of one")
    return target


def check_writable(path: str | os.PathLike[str]) -> None:
    """Raise as `write_file` unless the file can be written; changes nothing."""
    with _about(path), _temporary(target_of(path)):
        pass


@contextlib.contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a temporary file for writing, and rename it to `path` if the block ends without an error.

    Readers of `path` see the old file or the complete new one, never a part. If the block raises (also on Ctrl-C),
    the temporary file is removed and `path` does not change. The new file is on disk when the block has ended; after a
    power failure before that, `path` is the old file.

    Raises
    ------
    OSError
        If it cannot be written.
    ValueError
        If `path` is empty, or a pipe, a socket or a device.
    """
    target = target_of(path)
    with contextlib.ExitStack() as held:
        with _about(path):
            name = held.enter_context(_temporary(target))
        stream = open(name, "wb")
        try:
            yield stream
        except BaseException:
            with contextlib.suppress(OSError):  # from flushing; the block's error matters more
                stream.close()
            raise
        with _about(path):
            stream.flush()
            os.fsync(stream.fileno())
            stream.close()
            os.replace(name, target)
            _sync_folder(target.parent)


def write_file(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file atomically; raises as `atomic_file`, and the error names `path`."""
    target = target_of(path)
    with _about(path), _temporary(target) as name:
        handle = os.open(name, os.O_WRONLY | os.O_CLOEXEC)
        try:
            rest = memoryview(content)
            while rest:  # write may stop early if the disk is full; the next call raises
                rest = rest[os.write(handle, rest):]
            os.fsync(handle)
        finally:
            os.close(handle)
        os.replace(name, target)
        _sync_folder(target.parent)


def remove_abandoned(path: str | os.PathLike[str]) -> None:
    """Remove the temporary files that killed writers of this file left behind."""
    target = target_of(path)
    for name in target.parent.glob(f"{_prefix(target)}*"):
        with contextlib.suppress(OSError), open(name, "rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails if its writer is alive
            os.unlink(name)


@contextlib.contextmanager
def exclusive_writer(path: str | os.PathLike[str]) -> Iterator[None]:
    """Hold the exclusive right to write a file, among all processes and threads that use this function.

    Raises
    ------
    BlockingIOError
        If another writer holds it; names the process.
    """
    target = target_of(path)
    name = target.parent / f"{_prefix(target)}lock"
    while True:
        lock = open(name, "a+b")
        if not _locked(lock):
            with lock:
                lock.seek(0)
                holder = lock.read(20).decode(errors="replace").strip()
            raise BlockingIOError(errno.EAGAIN, f"process {holder or 'unknown'} is writing it", os.fspath(path))
        if _is(lock, name):
            break
        lock.close()  # the previous holder has just removed the lock file
    with lock:
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n".encode())
        lock.flush()
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                os.unlink(name)


@contextlib.contextmanager
def _temporary(target: Path) -> Iterator[Path]:
    """Make a locked temporary file beside `target`; remove it at the end unless it was renamed."""
    while True:
        name = target.parent / f"{_prefix(target)}{secrets.token_hex(8)}"
        lock = open(name, "xb")  # `tempfile` would make a file that only its owner can read
        if _locked(lock) and _is(lock, name):
            break
        lock.close()  # another process removed it as abandoned before it was locked
    with lock:
        try:
            yield name
        finally:
            with contextlib.suppress(OSError):
                os.unlink(name)


def _prefix(target: Path) -> str:
    """The prefix of a file's temporary names: a hash, since the file's own name may be as long as names can be."""
    return f".tinynn-{hashlib.sha256(target.name.encode(errors='surrogateescape')).hexdigest()[:16]}-"


def _locked(stream: IO[bytes]) -> bool:
    """Lock an open file; return False if another process holds the lock. True on file systems without locks."""
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def _is(stream: IO[bytes], name: Path) -> bool:
    """Whether this is still the name of an open file."""
    try:
        return os.path.samestat(os.fstat(stream.fileno()), os.stat(name))
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def _about(path: str | os.PathLike[str]) -> Iterator[None]:
    """Make OSErrors name the caller's path instead of the temporary file."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, os.fspath(path)) from None


def _sync_folder(folder: Path) -> None:
    """Flush a folder to disk, so a rename in it survives a power failure."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems cannot flush folders
            raise
    finally:
        os.close(handle)


def check_path(path: str, argument: str) -> None:
    """Make the directory of a file and check that the file can be written; errors name the argument."""
    try:
        if os.path.dirname(path):
            os.makedirs(os.path.dirname(path), exist_ok=True)
        check_writable(path)
    except ValueError as error:
        raise ValueError(f"{argument}: {error}") from None
    except OSError as error:
        # the subclass (PermissionError, ...) follows from the number
        words = f"{argument}: cannot write {path!r} ({error.strerror}); choose another path"
        raise OSError(error.errno, words) from error
