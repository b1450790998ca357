"""What a training reports, recorded."""

from __future__ import annotations

from tinynn.callbacks.base import Callback, Logs, is_count, is_list_of, is_number, is_text


class History(Callback):
    """Records what the epochs report; `fit` returns one.

    Attributes
    ----------
    epoch : list of int
        The epochs, counted from 0.
    history : dict of list of float
        Name of a quantity (``loss``, ``val_accuracy``, ``learning_rate``) -> its value after each epoch.
    """

    _state = {
        "epoch": is_list_of(is_count),
        "history": lambda value: isinstance(value, dict) and all(map(is_text, value)) and all(
            map(is_list_of(is_number), value.values())),
    }

    def __init__(self) -> None:
        self.epoch: list[int] = []
        self.history: dict[str, list[float]] = {}

    def on_train_begin(self, logs: Logs | None = None) -> None:
        if not self._resumes:
            self.epoch, self.history = [], {}

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)

    def __repr__(self) -> str:
        last = ", ".join(f"{name}={values[-1]:.4g}" for name, values in self.history.items())
        return f"<History of {len(self.epoch)} epochs{': ' * bool(last)}{last}>"
