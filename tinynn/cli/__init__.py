"""The command ``tinynn``. `program` parses the command line; each command has a file of its own.

This file is imported first and imports next to nothing, so that Ctrl-C is handled before anything else happens.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from typing import Any


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    arguments : sequence of str, optional
        The arguments after ``tinynn``; by default those of this process.

    Returns
    -------
    int
        The exit code: 0 for success, 2 for an error of the user, 130 after Ctrl-C, 141 if the reader of the output has
        gone, 143 after SIGTERM.

    Raises
    ------
    SystemExit
        After ``--help`` and ``--version``, and for arguments that cannot be parsed.
    """
    # Only in a process of our own: another caller of this function has its own use for signals.
    interruptible = end_at_once_on_interrupt() if arguments is None else contextlib.nullcontext
    open_streams()
    program = importlib.import_module("tinynn.cli.program")  # here, because Ctrl-C would be lost in an import
    code: int = program.run(sys.argv[1:] if arguments is None else arguments, interruptible)
    return code


def end_at_once_on_interrupt() -> Any:
    """Make Ctrl-C end the process with one line, except inside the context managers that this returns.

    There is nothing to lose while modules are imported, and some of them would swallow KeyboardInterrupt.
    """

    def end(number: int, frame: Any) -> None:
        with contextlib.suppress(OSError):
            os.write(2, b"\ntinynn: interrupted\n")
        os._exit(130)

    @contextlib.contextmanager
    def interruptible() -> Iterator[None]:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, end)

    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:  # ignored: a background job of a shell
        return contextlib.nullcontext
    signal.signal(signal.SIGINT, end)
    return interruptible


def open_streams() -> None:
    """Open stdin, stdout and stderr on the null device if they are closed (``tinynn info >&-``).

    Otherwise the next file to be opened, a model for example, would get their number and whatever is printed.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            handle = os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is the stream's
            setattr(sys, name, open(handle, mode, encoding="utf-8", closefd=False))
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a path that the terminal cannot show must not end a training
            stream.reconfigure(errors="backslashreplace")
