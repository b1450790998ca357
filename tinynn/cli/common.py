"""The command line: its parser, the types of options, and arguments quoted for a shell."""

from __future__ import annotations

import argparse
import math
import re
import reprlib
import shlex
from collections.abc import Sequence
from typing import Any, NoReturn

from tinynn.cli.console import say
from tinynn.names import nearest

MAX_COUNT = 10**9  # of samples, epochs, threads, ...


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line. It takes no abbreviations, which an option added later would break."""

    def __init__(self, **keywords: Any) -> None:
        super().__init__(**{"allow_abbrev": False, **keywords})

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse; an unknown argument is an error of the command it was given to."""
        namespace, unknown = super().parse_known_args(args, namespace)
        if unknown:
            option = unknown[0].partition("=")[0]
            hint = nearest(option, self._option_string_actions) if option.startswith("-") else ""
            self.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
        return namespace, unknown

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            known = list(action.choices)
            raise argparse.ArgumentError(
                action, f"invalid choice: {value!r}; known: {', '.join(known)}{nearest(str(value), known)}"
            )

    def error(self, message: str) -> NoReturn:
        """Exit with a message and code 2."""
        say(f"{self.prog}: {' '.join(message.split())}; see {self.prog} --help")
        raise SystemExit(2)


def add_quiet(parser: argparse.ArgumentParser) -> None:
    """Add --quiet, which `tinynn.cli.program` acts on."""
    parser.add_argument("--quiet", action="store_true", help="print only errors and warnings, on stderr")


def add_data(parser: argparse.ArgumentParser) -> None:
    """Add --data."""
    parser.add_argument(
        "--data", metavar="DIR", help="folder with the files of MNIST (default: TINYNN_DATA, the cache, a download)"
    )


def add_threads(parser: argparse.ArgumentParser) -> None:
    """Add --threads."""
    text = "number of threads; the results do not depend on it"
    parser.add_argument("--threads", type=whole_number(1, MAX_COUNT), metavar="T", help=text)


def option(name: str, value: str) -> str:
    """An option and its value, quoted for a shell.

    Examples
    --------
    >>> option("out", "a file"), option("out", "-f")
    ("--out 'a file'", '--out=-f')
    """
    return f"--{name}{'=' if value.startswith('-') else ' '}{shlex.quote(value)}"


def argument(path: str) -> str:
    """A path, quoted for a shell, that no command takes for an option.

    Examples
    --------
    >>> argument("a file"), argument("-f")
    ("'a file'", './-f')
    """
    return shlex.quote(f"./{path}" if path.startswith("-") else path)


def protect_negative_numbers(arguments: Sequence[str]) -> list[str]:
    """Put a space before negative numbers: argparse accepts -3 as a value, but takes -1e-3 for an option.

    Examples
    --------
    >>> protect_negative_numbers(["--x", "-1e-3", "--svg", "a.svg"])
    ['--x', ' -1e-3', '--svg', 'a.svg']
    """
    number = re.compile(r"-(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|-inf|-nan", re.IGNORECASE)
    return [f" {argument}" if number.fullmatch(argument) else argument for argument in arguments]


def whole_number(minimum: int, maximum: int | None = None) -> Any:
    """The type of an option: a whole number from `minimum` on, such as 20000 or 20_000."""

    def convert(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = minimum - 1
        too_large = maximum is not None and value > maximum
        if value < minimum or too_large:
            bound = f"at most {maximum:,}" if too_large else f"at least {minimum}"
            raise argparse.ArgumentTypeError(f"must be a whole number of {bound}, got {reprlib.repr(text.strip())}")
        return value

    return convert


def whole_numbers(minimum: int, maximum: int) -> Any:
    """The type of an option: whole numbers from `minimum` to `maximum`, separated by commas."""

    def convert(text: str) -> list[int]:
        return [whole_number(minimum, maximum)(part) for part in text.split(",")]

    return convert


def positive_number(text: str) -> float:
    """The type of an option: a finite number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (value > 0 and math.isfinite(value)):
        raise argparse.ArgumentTypeError(f"must be a finite number above 0, got {text.strip()!r}")
    return value
