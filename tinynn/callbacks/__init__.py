"""Callbacks: what happens around training."""

from tinynn.callbacks.base import Callback
from tinynn.callbacks.history import History
from tinynn.callbacks.monitors import EarlyStopping
from tinynn.callbacks.rates import LearningRateScheduler, ReduceLROnPlateau
from tinynn.callbacks.writers import CSVLogger, ModelCheckpoint

__all__ = [
    "CSVLogger",
    "Callback",
    "EarlyStopping",
    "History",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ReduceLROnPlateau",
]
