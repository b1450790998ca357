"""Metrics."""

from tinynn.model.metrics import Accuracy, MeanAbsoluteError, MeanSquaredError, Metric

__all__ = ["Accuracy", "MeanAbsoluteError", "MeanSquaredError", "Metric"]
