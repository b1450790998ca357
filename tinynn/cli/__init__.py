"""The command ``tinynn``: one file per subcommand, each with ``add_parser`` and ``run``.

What a command needs is imported when it runs, not before.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

from tinynn.cli.common import Parser, Terminated, one_line, protect_negative_numbers

COMMANDS = ("backprop", "train", "evaluate", "predict", "bench", "info")

#: What the user can do something about. Anything else is a defect of ours and shows its traceback.
USER_ERRORS = (ValueError, TypeError, OSError, ImportError, FloatingPointError, MemoryError)

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
        The exit code: 0, 2 after a user's error, 130 after Ctrl-C, 143 after SIGTERM.

    Raises
    ------
    SystemExit
        After ``--help`` and for arguments that cannot be parsed.
    """
    options = parser().parse_args(protect_negative_numbers(sys.argv[1:] if arguments is None else arguments))
    command = f"tinynn {options.command}"
    debug = options.debug or os.environ.get("TINYNN_DEBUG", "") not in ("", "0")
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a path that the terminal cannot show must not end a training
            stream.reconfigure(errors="backslashreplace")
    try:
        importlib.import_module(f"tinynn.cli.{options.command}").run(options)
        sys.stdout.flush()  # here, so that a closed pipe is noticed here
    except KeyboardInterrupt as interrupt:
        what, code = ("terminated", 143) if isinstance(interrupt, Terminated) else ("interrupted", 130)
        print(f"\n{command}: {what}{f'; {interrupt}' if interrupt.args else ''}", file=sys.stderr)
        return code
    except BrokenPipeError:  # `tinynn backprop | head`
        # Python flushes stdout once more at exit, which would fail again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except USER_ERRORS as error:
        if debug:
            raise
        print(f"{command}: {one_line(error)}", file=sys.stderr)
        return 2
    return 0


def parser() -> Parser:
    """Everything that can stand on the command line."""
    import argparse

    main_parser = Parser(
        prog="tinynn",
        description="Small neural networks on the CPU: backpropagation by hand, and networks that add.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    main_parser.add_argument("--debug", action="store_true", help=argparse.SUPPRESS)
    common = Parser(add_help=False)
    common.add_argument(
        "--debug", action="store_true", default=argparse.SUPPRESS, help="show the traceback of an error"
    )
    commands = main_parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in COMMANDS:
        importlib.import_module(f"tinynn.cli.{name}").add_parser(commands, common)
    return main_parser
