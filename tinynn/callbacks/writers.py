"""Callbacks that write files."""

from __future__ import annotations

import csv
import os
import string
from typing import Any, Literal

from tinynn.callbacks.base import Callback, Logs, is_count, is_list_of, is_number, is_optional, is_text
from tinynn.callbacks.monitors import Monitor, check_known, say
from tinynn.checks import check_real, warn
from tinynn.io.atomic import check_path
from tinynn.io.suffixes import check_suffix


class ModelCheckpoint(Monitor):
    """Saves the model after each epoch, or after each epoch that is the best so far.

    Parameters
    ----------
    filepath : str or PathLike
        Path of the file. It may contain ``{epoch:02d}`` (counted from 1) and quantities, such as ``{val_loss:.2f}``.
        The directory is created if necessary. Whether it is writable is checked before training.
    monitor : str
        The quantity to compare; only used with `save_best_only`.
    verbose : int
        1 prints a message at each save.
    save_best_only : bool
        Whether to save only improvements.
    mode : {"auto", "min", "max"}
        Whether lower or higher is better; "auto" infers it from the name.
    save_freq : {"epoch"}
        When to save.
    initial_value_threshold : float, optional
        The value that the first save must improve on.

    Attributes
    ----------
    best : float or None
        The best value so far.
    """

    _state = {"best": is_optional(is_number)}

    def __init__(self, filepath: str | os.PathLike[str], monitor: str = "val_loss", verbose: int = 0,
                 save_best_only: bool = False, *, mode: Literal["auto", "min", "max"] = "auto",
                 save_freq: str = "epoch", initial_value_threshold: float | None = None) -> None:
        super().__init__(monitor, mode, 0.0, verbose)
        if save_freq != "epoch":
            raise ValueError(f"ModelCheckpoint: save_freq must be 'epoch', got {save_freq!r}")
        self.filepath = os.fspath(filepath)
        check_suffix(self.filepath, "ModelCheckpoint: filepath")
        self.save_best_only = save_best_only
        self.save_freq = save_freq
        if initial_value_threshold is not None:
            initial_value_threshold = check_real("ModelCheckpoint", "initial_value_threshold", initial_value_threshold)
        self.initial_value_threshold = self.best = initial_value_threshold
        try:
            parts = list(string.Formatter().parse(self.filepath))
            self._fields = [field for _, field, _, _ in parts if field is not None]
            if not all(field.isidentifier() for field in self._fields):
                raise ValueError("a field has no name")
            self.filepath.format_map({**dict.fromkeys(self._fields, 1.0), "epoch": 1})
        except ValueError as error:
            raise ValueError(f"ModelCheckpoint: filepath {self.filepath!r} is not a valid template ({error}); "
                             "write {epoch:02d} or {val_loss:.2f}, and {{ }} for braces") from error
        # The part of the path before the first field is known before training.
        self._known_path = ""
        for text, field, _, _ in parts:
            self._known_path += text
            if field is not None:
                break

    def on_train_begin(self, logs: Logs | None = None) -> None:
        if self.save_best_only:
            super().on_train_begin(logs)
        if "metrics" in self.params:
            self._check_at_begin([field for field in self._fields if field != "epoch"], "filepath's field")
        self.model.check_can_be_saved("ModelCheckpoint")
        # If there are fields, the file's name is not known yet, but its directory may be.
        check_path(self._known_path + "0" * bool(self._fields), "ModelCheckpoint")
        if not self._resumes:
            self.best = self.initial_value_threshold

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        check_known(self._fields, ["epoch", *(logs or {})], "ModelCheckpoint", "filepath's field")
        path = self.filepath.format_map({**(logs or {}), "epoch": epoch + 1})
        if self.save_best_only:
            value = self._current(logs)
            if not self._improves(value, self.best):
                return
            self.best = value
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        self.model.save(path)
        if self.verbose:
            say(f"Epoch {epoch + 1}: model saved to {path}")


class CSVLogger(Callback):
    """Writes the logs to a CSV file, one line at the end of each epoch.

    Parameters
    ----------
    filename : str or PathLike
        Path of the file. Its directory is created if necessary. Whether it is writable is checked before training.
    separator : str
        The character between two columns.
    append : bool
        Whether to append to an existing file instead of replacing it. A resumed training always appends.

    Notes
    -----
    The columns are ``epoch`` (counted from 0) and the quantities of the first epoch, with full precision. If a line
    cannot be written (the disk is full, for example), training continues with a RuntimeWarning, and the line is
    written together with the next one.
    """

    _state = {"columns": is_optional(is_list_of(is_text)), "size": is_count}

    def __init__(self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False) -> None:
        if not isinstance(separator, str) or len(separator) != 1:
            raise ValueError(f"CSVLogger: separator must be one character, got {separator!r}")
        self.filename = os.fspath(filename)
        self.separator = separator
        self.append = append
        self.columns: list[str] | None = None
        self.size = 0  # bytes of the file to keep
        self._first_write = self._torn = False
        self._pending: list[dict[str, Any]] = []  # rows that are not in the file yet

    def on_train_begin(self, logs: Logs | None = None) -> None:
        check_path(self.filename, "CSVLogger")
        # An old file is replaced only when the first line is written. The file is open only while a line is written,
        # so between epochs it is complete.
        with self._open("a"):
            pass
        self._first_write = True
        self._pending = []
        if not self._resumes:
            self.size = os.path.getsize(self.filename) if self.append else 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self._pending.append({"epoch": epoch, **(logs or {})})
        self._write()

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self._pending:
            self._write()

    def _write(self) -> None:
        """Append the pending rows, if possible."""
        try:
            if self._first_write or self._torn:
                # Remove a partial line (the disk was full), or epochs that a resumed training repeats.
                with self._open("a") as file:
                    file.truncate(min(self.size, file.tell()))
            lines = self._lines()
            with self._open("a") as file:
                csv.writer(file, delimiter=self.separator, lineterminator="\n").writerows(lines)
            self.size = os.path.getsize(self.filename)
        except OSError as error:
            self._torn = True
            epochs = ", ".join(str(row["epoch"] + 1) for row in self._pending)
            warn(f"CSVLogger: cannot write {self.filename!r} ({error.strerror}): epoch {epochs} is not in it",
                 RuntimeWarning)
        else:
            self._first_write, self._torn, self._pending = False, False, []

    def _lines(self) -> list[list[Any]]:
        """The lines of the pending rows, preceded by the header if the file has none."""
        lines: list[list[Any]] = []
        if self._first_write:
            row, header = self._pending[0], self._header()
            if header is None:
                lines.append(list(row))
            elif set(header) != set(row):
                raise ValueError(f"CSVLogger: {self.filename!r} has the columns {header}, but this training has "
                                 f"{list(row)}; choose another file, or append=False to replace it")
            self.columns = header or list(row)
        return lines + [[row.get(name, "") for name in self.columns or ()] for row in self._pending]

    def _header(self) -> list[str] | None:
        with self._open("r") as file:
            return next(csv.reader(file, delimiter=self.separator), None)

    def _open(self, mode: str) -> Any:
        return open(self.filename, mode, newline="", encoding="utf-8")
