import os
import socket
import threading
import time

import pytest

from tests.datasets.conftest import send
from tinynn.datasets.download import DownloadError, download_file

DATA = bytes(range(256)) * 1000


def accept(path):
    """The check of a test that does not care."""


def download(mirrors, path, check=accept, **arguments):
    return download_file(mirrors, "file", path, check, **({"max_bytes": 10**6} | arguments))


@pytest.fixture
def path(tmp_path):
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder" / "file"


def fails(mirror, path, message, **arguments):
    """Assert that the download fails with `message` and leaves nothing behind."""
    with pytest.raises(DownloadError, match="^file could not be downloaded") as caught:
        download([mirror], path, **arguments)
    assert message in str(caught.value)
    assert mirror.split("/")[2] in str(caught.value)
    assert os.listdir(path.parent) == []


def test_download(mirror, path):
    mirror.files["file"] = DATA
    assert download([mirror.address], path) == mirror.address
    assert path.read_bytes() == DATA
    assert os.listdir(path.parent) == ["file"]


def test_a_length_that_is_not_announced(mirror, path):
    mirror.answers["file"] = lambda handler: send(handler, DATA, announced=0)
    download([mirror.address], path)
    assert path.read_bytes() == DATA


def test_an_empty_file(mirror, path):
    mirror.files["file"] = b""
    download([mirror.address], path)
    assert path.read_bytes() == b""


def test_a_redirection(mirror, path):
    def redirect(handler):
        handler.send_response(302)
        handler.send_header("Location", "/elsewhere")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    mirror.answers["file"] = redirect
    mirror.files["elsewhere"] = DATA
    download([mirror.address], path)
    assert path.read_bytes() == DATA


def test_the_check_sees_the_whole_file_under_another_name(mirror, path):
    def check(downloaded):
        assert downloaded != path and not path.exists()
        assert downloaded.read_bytes() == DATA

    mirror.files["file"] = DATA
    download([mirror.address], path, check)
    assert path.exists()


def test_the_next_mirror_is_asked(new_mirror, nobody, path):
    missing, half, whole, unneeded = (new_mirror() for _ in range(4))
    half.answers["file"] = lambda handler: send(handler, DATA[:1000], len(DATA))
    whole.files["file"] = DATA
    mirrors = [nobody, missing.address, half.address, whole.address, unneeded.address]
    assert download(mirrors, path) == whole.address
    assert path.read_bytes() == DATA
    assert missing.requests == half.requests == whole.requests == ["file"]
    assert unneeded.requests == []


def test_every_mirrors_reason_is_told(new_mirror, nobody, path):
    with pytest.raises(DownloadError) as caught:
        download([nobody, new_mirror().address], path)
    assert "Connection refused" in str(caught.value)
    assert "HTTP Error 404: Not Found" in str(caught.value)


def test_connection_refused(nobody, path):
    fails(nobody, path, "Connection refused")


def test_an_unknown_name(path):
    # .invalid is never given to anybody
    fails("http://mirror.invalid/", path, "mirror.invalid: [Errno")


@pytest.mark.parametrize("sent", [0, 1, len(DATA) // 2, len(DATA) - 1])
def test_half_a_file(mirror, path, sent):
    mirror.answers["file"] = lambda handler: send(handler, DATA[:sent], len(DATA))
    fails(mirror.address, path, f"sent {sent:,} of 256,000 bytes")


def test_a_rejected_file(mirror, path):
    def reject(downloaded):
        raise ValueError("the SHA-256 is wrong")

    mirror.files["file"] = DATA
    fails(mirror.address, path, "the SHA-256 is wrong", check=reject)


def test_a_failure_leaves_the_old_file(mirror, path):
    path.write_bytes(b"old")
    with pytest.raises(DownloadError):
        download([mirror.address], path)
    assert path.read_bytes() == b"old"


def test_too_much(mirror, path):
    def endless(handler):
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(DATA)

    mirror.answers["file"] = endless
    fails(mirror.address, path, "sent more than 1,000,000 bytes")


@pytest.mark.parametrize("answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 2000 OK\r\n\r\n"])
def test_an_answer_that_is_not_http(mirror, path, answer):
    mirror.answers["file"] = lambda handler: handler.wfile.write(answer)
    fails(mirror.address, path, "127.0.0.1")


def test_an_announced_length_that_is_no_number(mirror, path):
    def answer(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "many")
        handler.end_headers()

    mirror.answers["file"] = answer
    fails(mirror.address, path, "many")


def test_a_mirror_that_does_not_answer_is_given_up_soon(path):
    with socket.create_server(
        ("127.0.0.1", 0)
    ) as silent:  # connects, as the backlog does that, and is silent
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        start = time.monotonic()
        fails(address, path, "no answer within 0.2 s", connect_seconds=0.2)
        assert time.monotonic() - start < 10  # not the stall time-out of the socket


def test_an_answer_that_comes_too_late_is_closed(mirror, path):
    given_up, answered = threading.Event(), threading.Event()

    def late(handler):
        given_up.wait(10)
        send(handler, DATA)
        # Reads nothing but the end of the connection: the client closed it.
        handler.connection.settimeout(10)
        try:
            assert handler.rfile.read(1) == b""
        except ConnectionResetError:
            pass
        answered.set()

    mirror.answers["file"] = late
    fails(mirror.address, path, "no answer within 0.1 s", connect_seconds=0.1)
    given_up.set()
    assert answered.wait(10)


def test_an_interruption_leaves_nothing(mirror, path):
    def interrupt(downloaded):
        raise KeyboardInterrupt

    mirror.files["file"] = DATA
    with pytest.raises(KeyboardInterrupt):
        download([mirror.address], path, interrupt)
    assert os.listdir(path.parent) == []


def test_a_directory_that_is_not_there(mirror, path):
    mirror.files["file"] = DATA
    with pytest.raises(DownloadError, match="No such file or directory"):
        download([mirror.address], path.parent / "nowhere" / "file")


def test_it_is_quiet_unless_on_a_terminal(mirror, path, capfd):
    mirror.files["file"] = DATA
    download([mirror.address], path)
    assert capfd.readouterr() == ("", "")
