"""What the commands share: their parser, numbers, paths to write to, errors in one line, tables."""

from __future__ import annotations

import argparse
import math
import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line. No abbreviations: an option added later would break them."""

    def __init__(self, **keywords: Any) -> None:
        super().__init__(**{"allow_abbrev": False, **keywords})

    def error(self, message: str) -> NoReturn:
        """End the program with a message and the exit code 2."""
        self.exit(2, f"{self.prog}: {' '.join(message.split())}; see {self.prog} --help\n")


def protect_negative_numbers(arguments: Sequence[str]) -> list[str]:
    """Put a blank before negative numbers: argparse takes -3 for a value, but -1e-3 for an option.

    Examples
    --------
    >>> protect_negative_numbers(["--x", "-1e-3", "--svg", "a.svg"])
    ['--x', ' -1e-3', '--svg', 'a.svg']
    """
    number = re.compile(r"-(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|-inf|-nan", re.IGNORECASE)
    return [f" {argument}" if number.fullmatch(argument) else argument for argument in arguments]


def whole_number(minimum: int) -> Any:
    """The type of an option: a whole number of at least `minimum`; 20_000 is fine, too."""

    def convert(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = minimum - 1
        if value < minimum:
            raise argparse.ArgumentTypeError(
                f"expected a whole number of at least {minimum}, got {text.strip()!r}"
            )
        return value

    return convert


def whole_numbers(minimum: int) -> Any:
    """The type of an option: whole numbers of at least `minimum`, separated by commas."""

    def convert(text: str) -> list[int]:
        return [whole_number(minimum)(part) for part in text.split(",")]

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
    return " ".join(text.split())


def check_outputs(**paths: str | None) -> None:
    """Find out now, not after an hour of training, whether files can be written.

    Parameters
    ----------
    **paths : str or None
        The path given to each option, None if it was not given.

    Raises
    ------
    ValueError
        If a path is no file's, its folder does not exist, or two options have the same path.
    OSError
        If it cannot be written to.
    """
    taken: dict[Path, str] = {}
    for option, given in paths.items():
        if given is None:
            continue
        path = Path(given)
        _check_output(f"--{option}", path)
        other = taken.setdefault(path.resolve(), option)
        if other != option:
            raise ValueError(f"--{other} and --{option} are the same file, {given}; choose two")


def _check_output(option: str, path: Path) -> None:
    if not path.name or (path.exists() and not path.is_file()):
        # a device, for example, which would be replaced by a file
        raise ValueError(f"{option}: {str(path)!r} is not a file; choose the path of a file")
    if not path.parent.is_dir():
        raise ValueError(f"{option}: cannot write {path}, there is no folder {path.parent}; create it first")
    try:
        if path.exists():
            with open(path, "ab"):  # changes nothing
                pass
        with tempfile.TemporaryFile(dir=path.parent):  # files are replaced by complete new ones
            pass
    except OSError as error:
        raise OSError(error.errno, f"{option}: cannot write {path}: {error.strerror}") from error


def percent(probability: float) -> str:
    """A probability for people: never 100% for less than 1.

    Examples
    --------
    >>> percent(0.98765), percent(0.99999), percent(1.0)
    ('98.8%', '99.9%', '100.0%')
    """
    return f"{math.floor(1000 * probability) / 10 if probability > 0.999 else 100 * probability:.1f}%"


def table(rows: Sequence[Sequence[str]], alignment: str) -> str:
    """Lay out rows in columns.

    Parameters
    ----------
    rows : sequence of sequence of str
        The first row holds the titles.
    alignment : str
        ``"<"`` or ``">"`` for each column.

    Examples
    --------
    >>> print(table([("name", "n"), ("a", "10"), ("bc", "9")], "<>"))
    name   n
    a     10
    bc     9
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(f"{cell:{side}{width}}" for cell, side, width in zip(row, alignment, widths, strict=True))
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)
