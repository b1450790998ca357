"""Optimizers, and schedules for their learning rates."""

from tinynn.model import schedules
from tinynn.model.optimizers import SGD, Adam, AdamW, Optimizer, RMSprop

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "RMSprop", "schedules"]
