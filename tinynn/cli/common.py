"""What the commands share: their parser, numbers, paths to write to, errors in one line, tables."""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import re
import reprlib
import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from tinynn.checks import nearest
from tinynn.io.atomic import check_writable, target_of, write_file


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line. No abbreviations: an option added later would break them."""

    def __init__(self, **keywords: Any) -> None:
        super().__init__(**{"allow_abbrev": False, **keywords})

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse; what nobody knows is an error of the command that it was given to."""
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
        """End the program with a message and the exit code 2."""
        say(f"{self.prog}: {' '.join(message.split())}; see {self.prog} --help")
        raise SystemExit(2)


def say(line: str) -> None:
    """Print a line on stderr, without tearing a progress bar apart; lost if stderr is closed or full."""
    with contextlib.suppress(OSError):
        if "tqdm" in sys.modules:
            sys.modules["tqdm"].tqdm.write(line, file=sys.stderr)
        else:
            print(line, file=sys.stderr)


def add_quiet(parser: argparse.ArgumentParser) -> None:
    """Declare --quiet, which `tinynn.cli.main` looks at."""
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors and warnings, on stderr")


def option(name: str, value: str) -> str:
    """An option with its value as a shell takes it.

    Examples
    --------
    >>> option("out", "a file"), option("out", "-f")
    ("--out 'a file'", '--out=-f')
    """
    return f"--{name}{'=' if value.startswith('-') else ' '}{shlex.quote(value)}"


def argument(path: str) -> str:
    """A path as a shell takes it, and no command takes for an option.

    Examples
    --------
    >>> argument("a file"), argument("-f")
    ("'a file'", './-f')
    """
    return shlex.quote(f"./{path}" if path.startswith("-") else path)


def protect_negative_numbers(arguments: Sequence[str]) -> list[str]:
    """Put a blank before negative numbers: argparse takes -3 for a value, but -1e-3 for an option.

    Examples
    --------
    >>> protect_negative_numbers(["--x", "-1e-3", "--svg", "a.svg"])
    ['--x', ' -1e-3', '--svg', 'a.svg']
    """
    number = re.compile(r"-(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|-inf|-nan", re.IGNORECASE)
    return [f" {argument}" if number.fullmatch(argument) else argument for argument in arguments]


def whole_number(minimum: int, maximum: int | None = None) -> Any:
    """The type of an option: a whole number of at least `minimum`; 20_000 is fine, too."""

    def convert(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = minimum - 1
        too_large = maximum is not None and value > maximum
        if value < minimum or too_large:
            bound = f"at most {maximum:,}" if too_large else f"at least {minimum}"
            raise argparse.ArgumentTypeError(f"expected a whole number of {bound}, got {reprlib.repr(text.strip())}")
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
        raise argparse.ArgumentTypeError(f"expected a finite number above 0, got {text.strip()!r}")
    return value


class Output:
    """stdout within the block. When it fails (a full disk), the work goes on, and the block ends with that error.

    Only a closed pipe ends the work at once: there is nobody left to see the rest.
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
        with contextlib.suppress(OSError, ValueError):  # Python flushes it once more at exit, which would fail again
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
        if kind in (None, SystemExit):
            raise OSError(self._error.errno, f"cannot write to stdout: {self._error.strerror}")

    def write(self, text: str) -> int:
        """Write a text, unless an earlier one has failed."""
        self._try(self._stream.write, text)
        return len(text)

    def flush(self) -> None:
        """Write what waits."""
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
    """SIGTERM came."""


def one_line(error: BaseException) -> str:
    r"""What an error says, without line breaks and the number of an operating system's error.

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
    r"""A text, perhaps from a stranger's file, that commands no terminal.

    Examples
    --------
    >>> print(printable("\x1b[2J and a bell: \a"))
    \x1b[2J and a bell: \x07
    """
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


def check_outputs(*, inputs: Iterable[str | None] = (), **paths: str | None) -> None:
    """Find out now, not after an hour of training, whether files can be written.

    Parameters
    ----------
    inputs : iterable of str or None
        Files that are read, and must not be replaced.
    **paths : str or None
        The path given to each option, None if it was not given.

    Raises
    ------
    ValueError
        If a path is no file's or an input's, its folder does not exist, or two options have the same file.
    OSError
        If it cannot be written to.
    """
    read = {os.path.realpath(path) for path in inputs if path is not None}
    taken: dict[Path, str] = {}
    for option, path in paths.items():
        if path is None:
            continue
        try:
            check_writable(path)
            target = target_of(path)
        except (OSError, ValueError) as error:
            folder = os.path.dirname(os.path.realpath(path) if os.path.islink(path) else path) or "."
            if isinstance(error, FileNotFoundError) and not os.path.isdir(folder):
                error = ValueError(f"cannot write {path}, there is no folder {folder}; create it first")
            raise about(error, f"--{option}", path) from None
        if str(target) in read:
            raise ValueError(f"--{option}: {path} is a file that is read; choose another")
        other = taken.setdefault(target, option)
        if other != option:
            raise ValueError(f"--{other} and --{option} are the same file, {path}; choose two")


def write_output(option: str, path: str, content: bytes) -> None:
    """Write the file of an option whole or not at all.

    Raises
    ------
    OSError
        If it cannot be written; names the option and the path. What stood there is as it was.
    """
    try:
        write_file(path, content)
    except (OSError, ValueError) as error:
        raise about(error, option, path) from None


def about(error: OSError | ValueError, option: str, path: str) -> OSError | ValueError:
    """The same error, about the option that the user gave."""
    if isinstance(error, OSError):
        return OSError(error.errno, f"{option}: cannot write {path}: {error.strerror}")
    return ValueError(f"{option}: {error}")


def percent(probability: float) -> str:
    """A probability for people: never 100% for less than 1.

    Examples
    --------
    >>> percent(0.98765), percent(0.99999), percent(1.0)
    ('98.8%', '99.9%', '100.0%')
    """
    return f"{math.floor(1000 * probability) / 10 if probability > 0.999 else 100 * probability:.1f}%"
