"""The progress of `fit`: a moving line on a terminal, else one line per epoch."""

from __future__ import annotations

import sys
import time
from contextvars import ContextVar
from typing import Any

from tinynn.callbacks.base import Callback, Logs

__all__ = ["Progress", "check_verbose", "describe"]


def check_verbose(verbose: Any, function: str = "fit") -> int:
    """Check the argument ``verbose``.

    Parameters
    ----------
    verbose : {"auto", 0, 1, 2}
        "auto" is 1; True and False are 1 and 0.
    function : str
        Name for the error.

    Returns
    -------
    int
        0, 1 or 2.

    Raises
    ------
    ValueError
        If it is none of these.
    """
    if isinstance(verbose, str) and verbose == "auto":
        return 1
    if isinstance(verbose, int) and verbose in (0, 1, 2):
        return int(verbose)
    raise ValueError(
        f"{function}: verbose must be 0 (silent), 1 (progress), 2 (lines) or 'auto', got {verbose!r}"
    )


def describe(logs: Logs | None) -> str:
    """Write quantities for people.

    Examples
    --------
    >>> describe({"loss": 0.25, "accuracy": 0.91234, "learning_rate": 0.00001})
    'loss: 0.2500 - accuracy: 0.9123 - learning_rate: 1.000e-05'
    """
    return " - ".join(
        f"{name}: {value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e5 else f"{name}: {value:.3e}"
        for name, value in (logs or {}).items()
    )


#: What the lines of a training begin with, where several models train at once.
label: ContextVar[str] = ContextVar("label", default="")

#: Columns that the whole of tqdm's line takes besides title, count and quantities, and that a bar needs at least.
RATE_COLUMNS, BAR_COLUMNS = 45, 12


class Progress(Callback):
    """Shows how training goes.

    Parameters
    ----------
    verbose : {"auto", 0, 1, 2}
        0 is silent. 1 (and "auto") shows a moving line with steps, loss and metrics, and leaves a line for each epoch:
        on stderr if that is a terminal, in notebooks below the cell. Elsewhere it does as 2, which prints one line per
        epoch on stdout.
    """

    def __init__(self, verbose: Any = "auto") -> None:
        self.verbose = check_verbose(verbose)
        self._stream: Any = None  # where the line moves
        self._bar: Any = None
        self._start = 0.0
        self._label = ""

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._label = label.get()
        self._stream = None
        if self.verbose == 1 and not self._label:  # lines of several models would overwrite each other
            # A stream is None in a program without a console.
            if sys.stderr is not None and sys.stderr.isatty():
                self._stream = sys.stderr
            elif type(sys.stdout).__module__.startswith("ipykernel."):
                self._stream = sys.stdout

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._start = time.perf_counter()
        if self._stream is not None:
            self._bar = self._make_bar(self._title(epoch))

    def on_progress(self, step: int, logs: Logs | None = None) -> None:
        if self._bar is not None:
            text = describe(logs)
            self._bar.bar_format = self._format(len(text))
            self._bar.set_postfix_str(text, refresh=False)
            self._bar.update(step - self._bar.n)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if not self.verbose:
            return
        parts = [self._title(epoch), f"{time.perf_counter() - self._start:.1f}s", describe(logs)]
        if self._bar is not None:
            steps = self.params.get("steps")
            parts.insert(1, f"{self._bar.n}" if steps is None else f"{steps}/{steps}")
            self._bar.leave = False  # the line in its place has room for all quantities, on however narrow a terminal
            self.close()
        # A pipe shows it now, not when its buffer is full.
        print(" - ".join(part for part in parts if part), file=self._stream, flush=True)

    def close(self) -> None:
        """End the moving line, leaving it as it stands; calling it twice does no harm."""
        bar, self._bar = self._bar, None
        if bar is not None:
            bar.close()

    def _title(self, epoch: int) -> str:
        epochs = self.params.get("epochs")
        number = f"{epoch + 1}" if epochs is None else f"{epoch + 1:{len(str(epochs))}d}/{epochs}"
        return f"{self._label}Epoch {number}"

    def _make_bar(self, title: str) -> Any:
        from tqdm import tqdm  # type: ignore[import-untyped]  # only now: import time counts

        # no watching thread: the bar hears from us every tenth of a second, and threads and fork do not mix
        bar = type("Bar", (tqdm,), {"monitor_interval": 0})
        return bar(
            total=self.params.get("steps"), desc=title, unit="step", file=self._stream, dynamic_ncols=True
        )

    def _format(self, length: int) -> str | None:
        """The form of a line with quantities of this length: where columns are few, rate and bar give way."""
        import shutil  # slow to import, and only needed here

        if self._bar.total is None:
            return None
        count = 2 * len(str(self._bar.total)) + 1
        room = shutil.get_terminal_size().columns - len(self._bar.desc) - count - length - 6
        if room >= RATE_COLUMNS:
            return None
        return f"{{desc}}: {'|{bar}| ' if room >= BAR_COLUMNS else ''}{{n_fmt}}/{{total_fmt}}{{postfix}}"

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_bar": None, "_stream": None}
