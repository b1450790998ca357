"""Files that are whole or not there: written, locked, and left behind by writers that were killed."""

import os
import signal
import socket
import stat
import subprocess
import sys

import pytest

from tests.threads import run_threads
from tinynn.io.atomic import (
    atomic_file,
    check_writable,
    exclusive_writer,
    open_regular,
    read_file,
    remove_abandoned,
    write_file,
)


def test_the_file_appears_when_the_block_ends(tmp_path):
    path = tmp_path / "data"
    path.write_bytes(b"old")
    with atomic_file(path) as stream:
        stream.write(b"new")
        stream.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["data"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "data"
    path.write_bytes(b"old")
    with pytest.raises(error), atomic_file(path) as stream:
        stream.write(b"half")
        raise error
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["data"]


@pytest.mark.skipif(os.name != "posix", reason="permissions as on POSIX")
def test_permissions_are_those_of_an_ordinary_new_file(tmp_path):
    (tmp_path / "ordinary").write_bytes(b"")
    with atomic_file(tmp_path / "atomic"):
        pass
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("ordinary", "atomic")}
    assert len(modes) == 1


def test_a_missing_directory_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"), atomic_file(tmp_path / "nowhere" / "data"):
        pass


def test_a_long_name(tmp_path):
    path = tmp_path / ("n" * 250)
    write_file(path, b"content")
    assert read_file(path) == b"content"


def make_fifo(path):
    os.mkfifo(path)


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


@pytest.mark.parametrize("make", [make_fifo, make_socket])
def test_special_files_are_neither_read_nor_replaced(tmp_path, monkeypatch, make):
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    make("odd")
    with pytest.raises((ValueError, OSError), match="odd"):
        read_file("odd")
    for write in (check_writable, lambda path: write_file(path, b"x")):
        with pytest.raises(ValueError, match="odd.*not a regular file"):
            write("odd")
    assert not stat.S_ISREG(os.stat("odd").st_mode)
    assert os.listdir() == ["odd"]


@pytest.mark.parametrize("path", ["/dev/null", "/dev/zero"])
def test_devices(path):
    with pytest.raises(ValueError, match=f"{path}.*not a regular file"), open_regular(path):
        pass
    with pytest.raises(ValueError, match=f"{path}.*not a regular file"):
        check_writable(path)


def test_an_empty_path():
    for use in (check_writable, lambda path: write_file(path, b"x")):
        with pytest.raises(ValueError, match="path is empty"):
            use("")


def test_folders(tmp_path):
    for use in (read_file, check_writable, lambda path: write_file(path, b"x")):
        with pytest.raises(IsADirectoryError, match=tmp_path.name):
            use(tmp_path)


def test_a_symbolic_link_stays_and_what_it_points_to_is_written(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder/file")
    for content in (b"first", b"second"):  # the first time there is no such file yet
        write_file(tmp_path / "link", content)
        assert (tmp_path / "link").is_symlink()
        assert read_file(tmp_path / "folder" / "file") == content
    (tmp_path / "loop").symlink_to("loop")
    for use in (check_writable, lambda path: write_file(path, b"x")):
        with pytest.raises(OSError, match="loop"):
            use(tmp_path / "loop")
    assert (tmp_path / "loop").is_symlink()


def test_checking_changes_nothing(tmp_path):
    (tmp_path / "there").write_bytes(b"old")
    check_writable(tmp_path / "there")
    check_writable(tmp_path / "new")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        check_writable(tmp_path / "nowhere" / "file")
    assert os.listdir(tmp_path) == ["there"]
    assert (tmp_path / "there").read_bytes() == b"old"


def test_a_full_disk_is_named_and_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "data"
    path.write_bytes(b"old")

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tinynn.io.atomic.os.fsync", full)
    with pytest.raises(OSError, match="No space left on device: .*data"):
        write_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["data"]


KILLED = """
import os, signal, sys
from tinynn.io.atomic import atomic_file, exclusive_writer
with exclusive_writer(sys.argv[1]), atomic_file(sys.argv[1]) as stream:
    stream.write(b"half")
    stream.flush()
    print("writing", flush=True)
    sys.stdin.read()
"""


def test_only_what_killed_writers_left_is_removed(tmp_path):
    path = tmp_path / "data"
    child = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert child.stdout.readline() == b"writing\n"
        there = sorted(os.listdir(tmp_path))
        assert len(there) == 2  # the temporary file and the lock
        remove_abandoned(path)
        assert sorted(os.listdir(tmp_path)) == there
        with pytest.raises(BlockingIOError, match=f"process {child.pid} is writing it.*data"), exclusive_writer(path):
            pass
    finally:
        child.send_signal(signal.SIGKILL)
        child.communicate()
    assert sorted(os.listdir(tmp_path)) == there
    with exclusive_writer(path):
        remove_abandoned(path)
        write_file(path, b"whole")
    assert os.listdir(tmp_path) == ["data"]
    assert path.read_bytes() == b"whole"


def test_one_writer_at_a_time_among_threads(tmp_path):
    path = tmp_path / "data"
    inside, refused = [], []

    def work():
        for _ in range(50):
            try:
                with exclusive_writer(path):
                    inside.append(1)
                    assert len(inside) == 1
                    remove_abandoned(path)
                    write_file(path, b"x" * 1000)
                    inside.pop()
            except BlockingIOError:
                refused.append(1)

    run_threads(*[work] * 4)
    assert not inside
    assert len(refused) < 200
    assert os.listdir(tmp_path) == ["data"]
