"""Downloads from the first mirror that delivers the right file, whole or not at all."""

from __future__ import annotations

import contextlib
import http.client
import queue
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from tinynn.io.atomic import atomic_file

CONNECT_SECONDS = 5.0  # to wait for a mirror, from the look-up of its name to the first line of its answer
STALL_SECONDS = 20.0  # to wait for the next bytes of a transfer
CHUNK = 1 << 16  # bytes read at a time


class DownloadError(OSError):
    """No mirror delivered the file; the message has each mirror's reason."""


def download_file(
    mirrors: Sequence[str],
    name: str,
    path: Path,
    check: Callable[[Path], None],
    max_bytes: int,
    connect_seconds: float = CONNECT_SECONDS,
) -> str:
    """Download `name` from the first mirror that delivers it, to `path`.

    Parameters
    ----------
    mirrors : sequence of str
        Addresses to which `name` is appended, in the order in which they are tried.
    name : str
        The file's name on the mirrors.
    path : pathlib.Path
        Where to write it, complete and checked, or not at all.
    check : callable
        Called with the path of the downloaded file before it gets its final name; raises ValueError to reject it.
    max_bytes : int
        A transfer of more bytes is stopped.
    connect_seconds : float
        How long to wait for a mirror's answer.

    Returns
    -------
    str
        The mirror that delivered.

    Raises
    ------
    DownloadError
        If no mirror delivered a file that passed the check.
    OSError
        If the file cannot be written.
    """
    reasons = []
    for mirror in mirrors:
        try:
            with atomic_file(path) as stream:
                _transfer(mirror + name, stream, max_bytes, connect_seconds)
                stream.flush()
                check(Path(stream.name))
            return mirror
        except (OSError, http.client.HTTPException, ValueError) as error:
            # URLError only wraps the reason; its subclass HTTPError has a better message itself.
            reason = error.reason if type(error) is urllib.error.URLError else error
            reasons.append(f"{urlsplit(mirror).netloc}: {str(reason) or type(reason).__name__}")
    raise DownloadError(f"{name} could not be downloaded ({'; '.join(reasons)})")


def _transfer(address: str, stream: BinaryIO, max_bytes: int, connect_seconds: float) -> None:
    """Copy what `address` sends to `stream`, showing progress on a terminal."""
    # Here, because few programs download, and the import takes time.
    from tqdm import tqdm  # type: ignore[import-untyped]

    with _connect(address, connect_seconds) as response:
        # http.client reports no broken transfers: only the announced length shows them.
        announced = response.headers.get("Content-Length")
        expected = int(announced) if announced is not None else None
        received = 0
        name = address.rpartition("/")[2]
        # disable=None: quiet unless stderr is a terminal
        with tqdm(
            total=expected, desc=name, unit="B", unit_scale=True, leave=False, disable=None
        ) as progress:
            while chunk := response.read(CHUNK):
                received += len(chunk)
                if received > max_bytes:
                    raise ValueError(f"sent more than {max_bytes:,} bytes")
                stream.write(chunk)
                progress.update(len(chunk))
    if expected is not None and received != expected:
        raise ValueError(f"sent {received:,} of {expected:,} bytes")


def _connect(address: str, seconds: float) -> Any:
    """Open `address` like `urllib.request.urlopen`, but return within `seconds` in any case.

    A socket's time-out covers neither the look-up of the name nor the sum of the attempts if a name has many
    addresses: a network that drops packets would cost minutes. Therefore another thread connects.
    """
    results: queue.SimpleQueue[Any] = queue.SimpleQueue()
    abandoned = threading.Event()

    def connect() -> None:
        try:
            response = urllib.request.urlopen(address, timeout=STALL_SECONDS)
        except Exception as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()
            results.put(error)
            return
        results.put(response)
        if abandoned.is_set():
            response.close()

    threading.Thread(target=connect, name="tinynn-download", daemon=True).start()
    try:
        result = results.get(timeout=seconds)
    except BaseException as error:  # queue.Empty, or Ctrl-C while waiting
        abandoned.set()
        # The thread may have connected just before it could see that we gave up.
        with contextlib.suppress(queue.Empty):
            late = results.get_nowait()
            if not isinstance(late, Exception):
                late.close()
        if isinstance(error, queue.Empty):
            raise TimeoutError(f"no answer within {seconds:g} s") from None
        raise
    if isinstance(result, Exception):
        raise result
    return result
