"""The progress of `fit`: a moving line on a terminal, else one line per epoch."""

from __future__ import annotations

import sys
import time
from typing import Any

from tinynn.model.callbacks import Callback, Logs

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


class Progress(Callback):
    """Shows how training goes.

    Parameters
    ----------
    verbose : {"auto", 0, 1, 2}
        0 is silent. 1 (and "auto") shows a moving line on stderr with steps, loss and metrics; where stderr
        is not a terminal it does as 2, which prints one line per epoch on stdout.
    """

    def __init__(self, verbose: Any = "auto") -> None:
        self.verbose = check_verbose(verbose)
        self._shows_bar = False
        self._bar: Any = None
        self._start = 0.0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        # sys.stderr is None in a program without a console
        self._shows_bar = self.verbose == 1 and sys.stderr is not None and sys.stderr.isatty()

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._start = time.perf_counter()
        if self._shows_bar:
            self._bar = self._make_bar(self._title(epoch))

    def on_progress(self, step: int, logs: Logs | None = None) -> None:
        if self._bar is not None:
            self._advance(step, logs)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self._bar is not None:
            steps = self.params.get("steps")
            self._advance(self._bar.n if steps is None else steps, logs)
            self.close()
        elif self.verbose:
            seconds = time.perf_counter() - self._start
            line = f"{self._title(epoch)} - {seconds:.1f}s - {describe(logs)}"
            print(line.removesuffix(" - "), flush=True)  # a pipe shows it now, not when its buffer is full

    def close(self) -> None:
        """End the moving line, leaving it as it stands; calling it twice does no harm."""
        bar, self._bar = self._bar, None
        if bar is not None:
            bar.close()

    def _title(self, epoch: int) -> str:
        epochs = self.params.get("epochs")
        if epochs is None:
            return f"Epoch {epoch + 1}"
        return f"Epoch {epoch + 1:{len(str(epochs))}d}/{epochs}"

    def _make_bar(self, title: str) -> Any:
        from tqdm import tqdm  # type: ignore[import-untyped]  # only now: import time counts

        # no watching thread: the bar hears from us every tenth of a second, and threads and fork do not mix
        bar = type("Bar", (tqdm,), {"monitor_interval": 0})
        return bar(
            total=self.params.get("steps"), desc=title, unit="step", file=sys.stderr, dynamic_ncols=True
        )

    def _advance(self, step: int, logs: Logs | None) -> None:
        self._bar.set_postfix_str(describe(logs), refresh=False)
        self._bar.update(step - self._bar.n)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_bar": None}
