"""Files that are read only if they are files, and that appear whole or not at all.

Every reader and writer of paths goes through here: a pipe or a device given as a file would block for ever, fill the
memory, or be replaced. Killed writers leave temporary files behind. Each writer holds a lock on its own, so that the
next one can tell what is abandoned from what is being written now.
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

NOT_REGULAR = "it is not a regular file"


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
    # Not blocking: to open a pipe that nobody writes to would wait for ever.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        mode = os.fstat(handle).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
        if not stat.S_ISREG(mode):
            raise ValueError(f"{os.fspath(path)}: {NOT_REGULAR}; give the path of one")
        with open(handle, "rb", closefd=False) as stream:
            yield stream
    finally:
        os.close(handle)


def read_file(path: str | os.PathLike[str]) -> bytes:
    """The content of a regular file; raises as `open_regular`."""
    with open_regular(path) as stream:
        return stream.read()


def target_of(path: str | os.PathLike[str]) -> Path:
    """The file that is written under this name: what a symbolic link points to.

    Raises
    ------
    OSError
        If it is a directory, or the system cannot say what it is.
    ValueError
        If it is empty, or names something other than a file.
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
        raise ValueError(f"{os.fspath(path)!r} would be replaced, but {NOT_REGULAR}; give the path of one")
    return target


def check_writable(path: str | os.PathLike[str]) -> None:
    """Raise, as `write_file` would, unless a file of this name can be written; changes nothing."""
    with _about(path), _temporary(target_of(path)):
        pass


@contextlib.contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a temporary file for writing that becomes `path` when the block ends without an error.

    Whoever reads `path` sees the old file or the complete new one, never a part of it. When the block raises
    (Ctrl-C included), the temporary file is removed and `path` stays as it was. Afterwards the new file is on the disk
    under its name; when the power fails before, the old one is.

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
            with contextlib.suppress(OSError):  # of what is still to be written; the block's own error says so
                stream.close()
            raise
        with _about(path):
            stream.flush()
            os.fsync(stream.fileno())
            stream.close()
            os.replace(name, target)
            _sync_folder(target.parent)


def write_file(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file whole or not at all; raises as `atomic_file`, and the error names `path`."""
    target = target_of(path)
    with _about(path), _temporary(target) as name:
        handle = os.open(name, os.O_WRONLY | os.O_CLOEXEC)
        try:
            rest = memoryview(content)
            while rest:  # a disk that is nearly full takes a part, and says so the next time
                rest = rest[os.write(handle, rest):]
            os.fsync(handle)
        finally:
            os.close(handle)
        os.replace(name, target)
        _sync_folder(target.parent)


def remove_abandoned(path: str | os.PathLike[str]) -> None:
    """Remove the temporary files that killed writers of this file have left, and no others."""
    target = target_of(path)
    for name in target.parent.glob(f"{_prefix(target)}*"):
        with contextlib.suppress(OSError), open(name, "rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails while somebody writes it
            os.unlink(name)


@contextlib.contextmanager
def exclusive_writer(path: str | os.PathLike[str]) -> Iterator[None]:
    """Be the only one, among all processes and threads that ask for it, to write a file.

    Raises
    ------
    BlockingIOError
        If another one writes it; says which process.
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
        lock.close()  # whoever held it has just removed the file
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
    """A new file beside `target`, locked; removed at the end if it still has its name."""
    while True:
        name = target.parent / f"{_prefix(target)}{secrets.token_hex(8)}"
        lock = open(name, "xb")  # not `tempfile`: only their owner may read its files
        if _locked(lock) and _is(lock, name):
            break
        lock.close()  # somebody took it for abandoned before it was locked
    with lock:
        try:
            yield name
        finally:
            with contextlib.suppress(OSError):
                os.unlink(name)


def _prefix(target: Path) -> str:
    """How the names of a file's temporary files begin, however long its own is."""
    return f".tinynn-{hashlib.sha256(target.name.encode(errors='surrogateescape')).hexdigest()[:16]}-"


def _locked(stream: IO[bytes]) -> bool:
    """Take the lock of an open file, unless another one has it. Some file systems know no locks: then it is ours."""
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def _is(stream: IO[bytes], name: Path) -> bool:
    """Whether an open file still has this name."""
    try:
        return os.path.samestat(os.fstat(stream.fileno()), os.stat(name))
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def _about(path: str | os.PathLike[str]) -> Iterator[None]:
    """Errors of the system name the file that the caller knows."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, os.fspath(path)) from None


def _sync_folder(folder: Path) -> None:
    """Wait until the folder's new name is on the disk, too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems cannot do that with folders
            raise
    finally:
        os.close(handle)


def check_path(path: str, argument: str) -> None:
    """Make the directory of a file and check that a file of this name can be written; names the argument if not."""
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
