"""What a command prints: lines on stderr, a stdout that may fail, errors in one line."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Any


def say(line: str) -> None:
    """Print a line on stderr, above a progress bar if there is one. It is lost if stderr is closed or full."""
    with contextlib.suppress(OSError):
        if "tqdm" in sys.modules:
            sys.modules["tqdm"].tqdm.write(line, file=sys.stderr)
        else:
            print(line, file=sys.stderr)


class Output:
    """stdout inside the block. If it fails (a full disk), the work goes on and the block ends with that error.

    Only a closed pipe ends the work at once, because nobody reads the rest.
    """

    def __init__(self) -> None:
        self._stream = sys.stdout
        self._error: OSError | None = None

    def __enter__(self) -> None:
        sys.stdout = self

    def __exit__(self, kind: type[BaseException] | None, *raised: object) -> None:
        with contextlib.suppress(BrokenPipeError):
            self.flush()
        sys.stdout = self._stream
        if self._error is None:
            return
        with contextlib.suppress(OSError, ValueError):  # Python flushes it again at exit, which would fail again
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
        if kind in (None, SystemExit):
            raise OSError(self._error.errno, f"cannot write to stdout: {self._error.strerror}")

    def write(self, text: str) -> int:
        """Write text, unless writing failed before."""
        self._try(self._stream.write, text)
        return len(text)

    def flush(self) -> None:
        """Write what is buffered."""
        self._try(self._stream.flush)

    def _try(self, action: Any, *arguments: Any) -> None:
        if self._error is None:
            try:
                action(*arguments)
            except OSError as error:
                self._error = error
                if isinstance(error, BrokenPipeError):
                    raise

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class Terminated(KeyboardInterrupt):
    """SIGTERM was received."""


def one_line(error: BaseException) -> str:
    r"""An error's message, without line breaks and without the number of an operating system's error.

    Examples
    --------
    >>> one_line(FileNotFoundError(2, "No such file or directory", "a.png"))
    'a.png: No such file or directory'
    >>> one_line(ValueError("first\nsecond"))
    'first second'
    """
    if isinstance(error, OSError) and error.strerror:
        text = error.strerror if error.filename is None else f"{os.fspath(error.filename)}: {error.strerror}"
    elif isinstance(error, MemoryError):
        text = f"not enough memory {error}"
    else:
        text = str(error) or type(error).__name__
    return printable(" ".join(text.split()))


def printable(text: str) -> str:
    r"""Text, perhaps from an untrusted file, with control characters escaped.

    Examples
    --------
    >>> print(printable("\x1b[2J and a bell: \a"))
    \x1b[2J and a bell: \x07
    """
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)
