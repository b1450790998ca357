"""Signals that end a training between two steps, when a checkpoint can be written."""

from __future__ import annotations

import signal
from typing import Any

from tinynn.callbacks import Callback
from tinynn.cli.console import Terminated


class Interruption(Callback):
    """While a model trains, SIGINT and SIGTERM wait for the end of the step; a second one of the same kind does not."""

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}
        self._came: int | None = None

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) != signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._take)

    def _take(self, number: int, frame: Any) -> None:
        self._came = number
        signal.signal(number, self._before[number])

    def on_progress(self, step: int, logs: dict[str, float] | None = None) -> None:
        if self._came is not None:
            raise Terminated if self._came == signal.SIGTERM else KeyboardInterrupt

    def close(self) -> None:
        while self._before:
            signal.signal(*self._before.popitem())
