"""A mirror on this machine, and the certainty that no test reaches another one."""

import contextlib
import http.server
import socket
import threading

import pytest


class Mirror:
    """An HTTP server on 127.0.0.1 that serves `files`, and answers as `answers` says where that has an entry.

    An answer is called with the request's handler. `requests` lists the paths asked for.
    """

    def __init__(self):
        self.files = {}
        self.answers = {}
        self.requests = []
        mirror = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                name = self.path.lstrip("/")
                mirror.requests.append(name)
                if name in mirror.answers:
                    # The client may be gone before the answer is complete.
                    with contextlib.suppress(ConnectionError):
                        mirror.answers[name](self)
                elif name in mirror.files:
                    send(self, mirror.files[name])
                else:
                    self.send_error(404)

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}/"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def send(handler, data, announced=None):
    """Send `data`, announcing its length, or `announced` bytes, or no length if that is 0."""
    handler.send_response(200)
    if announced != 0:
        handler.send_header("Content-Length", str(announced or len(data)))
    handler.end_headers()
    handler.wfile.write(data)


def damaged(data):
    """Every truncation of a file's content, and every change of a single bit."""
    yield from (data[:length] for length in range(len(data)))
    for place in range(len(data)):
        for bit in range(8):
            yield data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :]


@pytest.fixture
def new_mirror():
    """Make mirrors that end with the test."""
    mirrors = []

    def new():
        mirrors.append(Mirror())
        return mirrors[-1]

    yield new
    for mirror in mirrors:
        mirror.close()


@pytest.fixture
def mirror(new_mirror):
    """One mirror."""
    return new_mirror()


@pytest.fixture
def nobody():
    """An address at which nothing listens."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))  # held, not listening: connections are refused, nobody else can take it
        yield f"http://127.0.0.1:{holder.getsockname()[1]}/"


@pytest.fixture(autouse=True)
def isolated(monkeypatch, tmp_path, nobody):
    """Keep a test from the user's data and settings and from the network."""
    from tinynn.datasets import mnist

    for name in ("TINYNN_DATA", "TINYNN_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(mnist, "MIRRORS", (nobody,))
