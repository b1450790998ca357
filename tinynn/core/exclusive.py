"""A lock that lets one thread at a time change a model's weights."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Exclusive:
    """A lock that is free in a forked child, since no thread trains the child's copy of the model."""

    def __init__(self) -> None:
        self._lock, self._process = threading.Lock(), os.getpid()

    def _current(self) -> threading.Lock:
        if self._process != os.getpid():
            self._lock, self._process = threading.Lock(), os.getpid()
        return self._lock

    def taken(self, function: str) -> threading.Lock:
        """Acquire and return the lock; raise RuntimeError if a thread holds it. The caller releases it."""
        lock = self._current()
        if not lock.acquire(blocking=False):
            raise RuntimeError(f"{function}: the model is already being trained; wait until the training ends, or "
                               "train a copy")
        return lock

    @contextmanager
    def held(self, function: str) -> Iterator[None]:
        """Hold the lock during a with block."""
        lock = self.taken(function)
        try:
            yield
        finally:
            lock.release()

    def is_held(self) -> bool:
        """Whether a thread holds the lock."""
        return self._current().locked()
