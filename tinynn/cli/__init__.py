"""The command ``tinynn``: one file per subcommand, each with ``add_parser`` and ``run``.

What a command needs is imported when it runs, not before.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tinynn.cli.common import Parser

COMMANDS = ("backprop", "train", "evaluate", "predict", "bench", "info")

#: What the user can do something about. Anything else is a defect of ours and shows its traceback.
USER_ERRORS = (ValueError, TypeError, OSError, ImportError, FloatingPointError, MemoryError)

#: What the commands work with: imported before the work, where Ctrl-C cannot be lost.
MODULES = ("tinynn.datasets", "tinynn.graph", "tinynn.networks")

EPILOG = """\
errors are one line on stderr and exit code 2; --debug, or TINYNN_DEBUG=1 in the environment, shows where they
come from. TINYNN_DATA names the folder with the four files of MNIST, TINYNN_CPU=base|avx2|avx512 forces an
instruction set."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    arguments : sequence of str, optional
        What stands after ``tinynn`` on the command line; by default that of this process.

    Returns
    -------
    int
        The exit code: 0, 2 after a user's error, 130 after Ctrl-C, 141 when nobody reads the output any more, 143 after
        SIGTERM.

    Raises
    ------
    SystemExit
        After ``--help`` and ``--version``, and for arguments that cannot be parsed.
    """
    # In a process of its own only: whoever calls this function has uses of his own for signals.
    interruptible = end_at_once_on_interrupt() if arguments is None else contextlib.nullcontext
    open_streams()
    return run(sys.argv[1:] if arguments is None else arguments, interruptible)


def run(arguments: Sequence[str], interruptible: Any) -> int:
    """Parse the arguments and do what they say, that in the block ``interruptible()``; returns the exit code."""
    from tinynn.cli.common import Output, Terminated, one_line, protect_negative_numbers, say

    command, debug = "tinynn", False
    try:
        with Output():
            main_parser = parser()
            options = main_parser.parse_args(protect_negative_numbers(arguments))
            if options.command is None:
                main_parser.error("the following arguments are required: COMMAND")
            command = f"tinynn {options.command}"
            debug = options.debug or os.environ.get("TINYNN_DEBUG", "") not in ("", "0")
            for name in (f"tinynn.cli.{options.command}", *MODULES):
                importlib.import_module(name)
            with interruptible(), warnings_on_stderr(command), silence(getattr(options, "quiet", False)):
                sys.modules[f"tinynn.cli.{options.command}"].run(options)
    except KeyboardInterrupt as interrupt:
        what, code = ("terminated", 143) if isinstance(interrupt, Terminated) else ("interrupted", 130)
        say(f"\n{command}: {what}{f'; {interrupt}' if interrupt.args else ''}")
        return code
    except BrokenPipeError:  # `tinynn backprop | head`
        return 141
    except USER_ERRORS as error:
        if debug:
            raise
        say(f"{command}: {one_line(error)}")
        return 2
    return 0


def end_at_once_on_interrupt() -> Any:
    """From now on Ctrl-C prints a line and ends the process, but for the blocks of what is returned.

    While modules are imported there is nothing to lose, and some of them would swallow KeyboardInterrupt.
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

    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:  # ignored, in the background of a shell
        return contextlib.nullcontext
    signal.signal(signal.SIGINT, end)
    return interruptible


def open_streams() -> None:
    """Let stdin, stdout and stderr that were closed (``tinynn info >&-``) be empty or swallow everything.

    Otherwise the next file that is opened, a model for example, gets their number, and what is written to them.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            handle = os.open(os.devnull, os.O_RDWR)  # the lowest free number: theirs
            setattr(sys, name, open(handle, mode, encoding="utf-8", closefd=False))
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a path that the terminal cannot show must not end a training
            stream.reconfigure(errors="backslashreplace")


@contextlib.contextmanager
def warnings_on_stderr(command: str) -> Iterator[None]:
    """Show warnings as the command's own lines; RuntimeWarning never as an error, which would end a training."""
    from tinynn.cli.common import say

    def show(message: Warning | str, *where: Any, **more: Any) -> None:
        say(f"{command}: {' '.join(str(message).split())}")

    with warnings.catch_warnings():
        warnings.simplefilter("default", RuntimeWarning)
        warnings.showwarning = show
        yield


@contextlib.contextmanager
def silence(wanted: bool) -> Iterator[None]:
    """Print nothing on stdout within the block, if that is wanted."""
    if not wanted:
        yield
        return
    with open(os.devnull, "w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
        yield


def parser() -> Parser:
    """Everything that can stand on the command line."""
    import argparse

    from tinynn import __version__
    from tinynn.cli.common import Parser

    main_parser = Parser(
        prog="tinynn",
        description="Small neural networks on the CPU: backpropagation by hand, and networks that add.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    main_parser.add_argument("--version", action="version", version=f"tinynn {__version__}")
    main_parser.add_argument("--debug", action="store_true", help=argparse.SUPPRESS)
    common = Parser(add_help=False)
    common.add_argument(
        "--debug", action="store_true", default=argparse.SUPPRESS, help="show the traceback of an error"
    )
    commands = main_parser.add_subparsers(dest="command", metavar="COMMAND")
    for name in COMMANDS:
        importlib.import_module(f"tinynn.cli.{name}").add_parser(commands, common)
    return main_parser
