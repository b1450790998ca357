"""The table of ``tinynn train --history``: writing, completing and reading it."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path
from typing import Any

from tinynn import callbacks
from tinynn.cli.outputs import write_output
from tinynn.io.atomic import read_file


class CSVLogger(callbacks.CSVLogger):
    """Writes the table, or nothing if there is no path: a resumed training may leave its table out.

    A checkpoint can only be resumed with callbacks of the same names, so this class has the name of its base.
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
    """Write the epochs that the table lacks, because the disk was full or the training was resumed with a new table.

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
    """The columns of a table by name.

    Raises
    ------
    OSError, ValueError
        If it cannot be read or was not written by ``tinynn train --history``.
    """
    try:
        content = read_file(path)
    except ValueError as error:
        raise ValueError(f"--history: {error}") from None
    try:
        rows: list[dict[str, Any]] = list(csv.DictReader(io.StringIO(content.decode(), newline="")))
        history = {name: [float(row[name]) for row in rows] for name in rows[0] if name != "epoch"}
    except (IndexError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise ValueError(f"--history: {path} is not a table written by tinynn train --history") from error
    if not {"loss", "accuracy"} <= history.keys():
        raise ValueError(f"--history: {path} must have the columns loss and accuracy")
    if not all(math.isfinite(value) for values in history.values() for value in values):
        raise ValueError(f"--history: {path} has numbers that are not finite")
    return history
