"""From the arguments to the exit code: the parser, the command that runs, and its errors."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from tinynn import __version__
from tinynn.cli.common import Parser, protect_negative_numbers
from tinynn.cli.console import Output, Terminated, one_line, say

#: The commands, each with its line in ``tinynn --help``. The module `tinynn.cli.NAME` has `DESCRIPTION`,
#: `add_arguments` and `run`.
COMMANDS = {
    "backprop": "backpropagation by hand",
    "train": "train a network that adds digits",
    "evaluate": "test a model",
    "predict": "add the digits on images",
    "bench": "time kernels and training steps",
    "info": "version, machine, data",
}

#: Errors that the user can do something about. Any other is a bug of tinynn and shows its traceback.
USER_ERRORS = (ValueError, TypeError, OSError, ImportError, FloatingPointError, MemoryError)

EPILOG = """\
Errors are one line on stderr, with exit code 2; --debug, or TINYNN_DEBUG=1 in the environment, shows the traceback.
TINYNN_DATA is the folder with the four files of MNIST; TINYNN_CPU=base|avx2|avx512 selects an instruction set."""


def run(arguments: Sequence[str], interruptible: Any) -> int:
    """Parse the arguments and run their command inside ``interruptible()``; return the exit code."""
    command = "tinynn"
    debug = "--debug" in arguments or os.environ.get("TINYNN_DEBUG", "") not in ("", "0")
    try:
        with Output():
            main_parser = parser(arguments)
            options = main_parser.parse_args(protect_negative_numbers(arguments))
            if options.command is None:
                main_parser.error("the following arguments are required: COMMAND")
            command = f"tinynn {options.command}"
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


def parser(arguments: Sequence[str]) -> Parser:
    """The parser for these arguments. Only the module of their command is imported; the others are just listed."""
    main_parser = Parser(
        prog="tinynn",
        description="Small neural networks on the CPU: backpropagation by hand, and networks that add digits.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    main_parser.add_argument("--version", action="version", version=f"tinynn {__version__}")
    main_parser.add_argument("--debug", action="store_true", help=argparse.SUPPRESS)
    commands = main_parser.add_subparsers(dest="command", metavar="COMMAND")
    wanted = next((argument for argument in arguments if not argument.startswith("-")), None)
    for name, line in COMMANDS.items():
        command_parser = commands.add_parser(name, help=line)
        if name == wanted:
            module = importlib.import_module(f"tinynn.cli.{name}")
            command_parser.description = module.DESCRIPTION
            command_parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
            module.add_arguments(command_parser)
    return main_parser


@contextlib.contextmanager
def warnings_on_stderr(command: str) -> Iterator[None]:
    """Show warnings as the command's own lines. A RuntimeWarning is never an error, which would end a training."""

    def show(message: Warning | str, *where: Any, **more: Any) -> None:
        say(f"{command}: {' '.join(str(message).split())}")

    with warnings.catch_warnings():
        warnings.simplefilter("default", RuntimeWarning)
        warnings.showwarning = show
        yield


@contextlib.contextmanager
def silence(wanted: bool) -> Iterator[None]:
    """Print nothing on stdout inside the block, if `wanted`."""
    if not wanted:
        yield
        return
    with open(os.devnull, "w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
        yield
