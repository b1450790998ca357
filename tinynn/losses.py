"""Losses."""

from tinynn.model.losses import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    HalfSquaredError,
    Loss,
    MeanSquaredError,
    SparseCategoricalCrossentropy,
)

__all__ = [
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "HalfSquaredError",
    "Loss",
    "MeanSquaredError",
    "SparseCategoricalCrossentropy",
]
