"""The table of ``tinynn train --history``: written, completed and read."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path
from typing import Any

from tinynn import callbacks
from tinynn.cli.common import write_output
from tinynn.io.atomic import read_file


class CSVLogger(callbacks.CSVLogger):
    """Writes the table, or nothing: a training that resumes may leave its table out.

    A checkpoint goes on only with callbacks of the same names, so this one has the name of its base.
    """

    def __init__(self, path: str | None) -> None:
        super().__init__("history.csv" if path is None else path)
        self.wanted = path is not None

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        if self.wanted:
            super().on_train_begin(logs)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if self.wanted:
            super().on_epoch_end(epoch, logs)


def complete(path: str, history: callbacks.History) -> None:
    """Let the table have all epochs: a full disk may have kept some out, or the training went on with a new table.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    text = io.StringIO()
    rows = zip(history.epoch, *history.history.values(), strict=True)
    csv.writer(text, lineterminator="\n").writerows([["epoch", *history.history], *rows])
    content = text.getvalue().encode()
    if not Path(path).is_file() or read_file(path) != content:
        write_output("--history", path, content)


def read(path: str) -> dict[str, list[float]]:
    """The columns of a table, as the curves need them.

    Raises
    ------
    OSError, ValueError
        If it cannot be read, or is no table that ``tinynn train --history`` wrote.
    """
    try:
        content = read_file(path)
    except ValueError as error:
        raise ValueError(f"--history: {error}") from None
    try:
        rows: list[dict[str, Any]] = list(csv.DictReader(io.StringIO(content.decode(), newline="")))
        history = {name: [float(row[name]) for row in rows] for name in rows[0] if name != "epoch"}
    except (IndexError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise ValueError(f"--history: {path} is no history written by tinynn train --history") from error
    if not {"loss", "accuracy"} <= history.keys():
        raise ValueError(f"--history: {path} has no columns loss and accuracy")
    if not all(math.isfinite(value) for values in history.values() for value in values):
        raise ValueError(f"--history: {path} holds numbers that are not finite")
    return history
