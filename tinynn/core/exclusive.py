"""The right to change a model's weights: one thread at a time has it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Exclusive:
    """A lock that a forked child does not inherit: nobody trains its copy of the model."""

    def __init__(self) -> None:
        self._lock, self._process = threading.Lock(), os.getpid()

    def _current(self) -> threading.Lock:
        if self._process != os.getpid():
            self._lock, self._process = threading.Lock(), os.getpid()
        return self._lock

    def taken(self, function: str) -> threading.Lock:
        """Take the lock, which is to be released; RuntimeError if another thread has it."""
        lock = self._current()
        if not lock.acquire(blocking=False):
            raise RuntimeError(f"{function}: this model is being trained by another thread; train a copy, or wait")
        return lock

    @contextmanager
    def held(self, function: str) -> Iterator[None]:
        """Hold the lock within a block."""
        lock = self.taken(function)
        try:
            yield
        finally:
            lock.release()

    def is_held(self) -> bool:
        """Whether a thread holds the lock."""
        return self._current().locked()
