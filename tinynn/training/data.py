"""The user's data in the form that the engine reads: items to gather, and targets."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinynn.checks import check_labels, first_index, warn
from tinynn.engine.graph import Shape
from tinynn.losses import Loss
from tinynn.training.arrays import as_samples, as_targets, check_finite


def is_data_set(x: Any) -> bool:
    """Whether an object has the data-set protocol: ``samples(epoch)``, ``sample_shape`` and ``len``."""
    return hasattr(x, "samples") and hasattr(x, "sample_shape") and hasattr(x, "__len__")


@dataclass
class Samples:
    """The samples of `fit`, `evaluate` and `predict`: an array, or a data set that gives new ones for each epoch.

    Attributes
    ----------
    x : ndarray or data set
        The source.
    sample_shape : tuple of int
        Shape of one sample.
    function : str
        The function that the user called, for errors.
    finite : bool
        Whether to check a data set's items for NaN and infinity.
    dtype : dtype
        The model's dtype.
    n : int
        Number of samples.
    """

    x: Any
    sample_shape: tuple[int, ...]
    function: str
    finite: bool
    dtype: DTypeLike = np.float64
    n: int = 0

    def __post_init__(self) -> None:
        self.n = len(self.x)

    def __len__(self) -> int:
        return self.n

    def at(self, epoch: int) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
        """Return items, indices and targets of an epoch. An array has no indices (one item per sample) or targets."""
        if isinstance(self.x, np.ndarray):
            return self.x, None, None
        given = self.x.samples(epoch)
        if not isinstance(given, (tuple, list)) or len(given) != 3:
            got = type(given).__name__ + (f" of {len(given)}" if isinstance(given, (tuple, list)) else "")
            raise ValueError(f"{self.function}: the data set's samples(epoch) must return (items, indices, targets), "
                             f"got {got}")
        items, indices, targets = given
        items = as_samples(items, "the data set's items", self.function)
        indices = np.asarray(indices)
        if indices.dtype.kind not in "iu" or indices.ndim != 2 or len(indices) != self.n:
            raise ValueError(f"{self.function}: the data set's indices must be whole numbers of shape ({self.n}, "
                             f"items per sample), got {indices.dtype} {indices.shape}")
        if indices.shape[1] * math.prod(items.shape[1:]) != math.prod(self.sample_shape):
            raise ValueError(f"{self.function}: the data set's samples have shape {self.sample_shape}, but it gave "
                             f"{indices.shape[1]} items of shape {items.shape[1:]} for each")
        # The engine trusts indices: an invalid one would read out of bounds. The copy protects the checked indices
        # from later changes by the user's code.
        indices = np.array(indices, order="C")
        if indices.size and (indices.min() < -1 or indices.max() >= len(items)):
            raise ValueError(f"{self.function}: the data set's indices must be from 0 to {len(items) - 1}, or -1 "
                             f"after the last item of a sample, got {indices.min()} to {indices.max()}")
        indices = indices.astype(np.int64, copy=False)
        missing = indices < 0
        if missing.any() and (missing[:, 0].any() or (missing[:, :-1] & ~missing[:, 1:]).any()):
            raise ValueError(f"{self.function}: the data set's indices may be -1 only after the last item of a "
                             "sample, and each sample must have at least one item")
        if self.finite and items.dtype != np.uint8:
            check_finite(items, "the data set's items", self.function, self.dtype)
        return items, indices, targets


def as_samples_of(x: Any, input_shape: Shape | None, function: str, finite: bool,
                  dtype: DTypeLike = np.float64) -> Samples:
    """Check x against the model's input shape (None: any) and dtype. Only `predict` accepts zero samples."""
    given, predicts = x, function == "predict"
    if is_data_set(x):
        shape = tuple(x.sample_shape)
    else:
        x = as_samples(x, "x", function, empty=predicts)
        if x.shape == (0,) and input_shape is not None and None not in input_shape:  # an empty list
            x = x.reshape(0, *input_shape)
        shape = x.shape[1:]
        if finite and x.dtype != np.uint8:
            check_finite(x, "x", function, dtype, given)
    samples = Samples(x, shape, function, finite, dtype)
    if input_shape is not None and not fits(shape, input_shape):
        hint = "" if is_data_set(x) else _shape_hint(x, input_shape, predicts)
        got = f"({len(x)}, {', '.join(map(str, shape))})" if shape else f"({len(x)},)"
        wanted = ", ".join("any" if n is None else str(n) for n in input_shape)
        raise ValueError(f"{function}: x has shape {got}, but the model's input is (batch, {wanted}){hint}")
    if len(samples) == 0 and not (predicts and 0 not in shape):
        raise ValueError(f"{function}: x is empty; give at least one sample")
    return samples


def _shape_hint(x: np.ndarray, input_shape: Shape, predicts: bool) -> str:
    """Suggest how to make x fit: the end of an error message."""
    shape = x.shape[1:]
    if predicts and fits(x.shape, input_shape):
        return "; predict takes a batch: give x[None] for a single sample"
    if fits((*shape, 1), input_shape):
        return "; an axis of length 1 is missing at the end: give x[..., None]"
    classes = input_shape[-1] if input_shape else None
    if classes is not None and fits((*shape, classes), input_shape) and (
            (x >= 0) & (x < classes) & (x == np.floor(x))).all():
        return f"; if its whole numbers are classes, give one-hot vectors: np.eye({classes})[x]"
    if len(shape) == len(input_shape) == 1:
        return "; did you drop or add a column?"
    return ""


def fits(shape: tuple[int, ...], pattern: Shape) -> bool:
    """Whether a shape matches a pattern, in which None stands for any size."""
    return len(shape) == len(pattern) and all(b in (None, a) for a, b in zip(shape, pattern, strict=True))


def warn_of_empty_rows(targets: np.ndarray, weights: np.ndarray | None, loss: Loss, function: str) -> bool:
    """Warn of target rows that sum to 0, unless their sample weight is 0; return whether there are any."""
    if not loss.categorical or loss.labels:
        return False
    some = np.logical_or.reduce(targets, axis=-1)
    if np.count_nonzero(some) == some.size:  # faster than all() on the few rows of train_on_batch
        return False
    empty = ~some
    if weights is not None:
        empty &= weights.reshape(weights.shape + (1,) * (empty.ndim - weights.ndim)) != 0
        if not empty.any():
            return False
    index = first_index(empty)
    place = f"row {index[0]}" if len(index) == 1 else f"the row at index {index}"
    others = int(empty.sum()) - 1
    also = f" (and {others} more)" if others else ""
    warn(f"{function}: {place} of y{also} sums to 0, so it belongs to no class and has no effect; correct "
         "the targets, or give such rows sample_weight 0")
    return True


def targets_for(y: Any, samples: int, prediction_shape: tuple[int, ...], loss: Loss, dtype: np.dtype, function: str,
                finite: bool = True) -> np.ndarray:
    """Convert targets to the form that the loss's kernel reads, before `Loss.prepare`.

    Raises
    ------
    ValueError
        If their number or shape does not fit the prediction, or if a label is out of range.
    """
    given, y = y, as_targets(y, "y", function)
    if len(y) != samples:
        raise ValueError(f"{function}: x has {samples} samples, but y has {len(y)}; give one target for each")
    if finite and not loss.labels:
        check_finite(y, "y", function, dtype, given)
    rows = prediction_shape[:-1]
    expected: tuple[int, ...] = rows if loss.labels else prediction_shape
    if y.shape[1:] != expected:
        if loss.labels and y.shape[1:] == (*rows, 1):
            y = y[..., 0]
        elif not loss.labels and prediction_shape[-1:] == (1,) and y.shape[1:] == rows:
            y = y[..., None]
        else:
            kind = "labels" if loss.labels else "targets"
            hint = ""
            if not loss.labels and y.shape[1:] == rows and loss.categorical:
                hint = "; for whole-number labels use loss='sparse_categorical_crossentropy'"
            elif loss.labels and y.shape[1:] == prediction_shape:
                hint = "; for one-hot targets use loss='categorical_crossentropy'"
            raise ValueError(f"{function}: y has shape {y.shape}, but the model's output "
                             f"{(samples, *prediction_shape)} needs {kind} of shape {(samples, *expected)}{hint}")
    if loss.labels:
        # The engine trusts labels: an invalid one would read out of bounds. The copy protects the checked labels.
        return np.array(check_labels(function, "y", y, prediction_shape[-1]), order="C")
    with np.errstate(over="ignore"):  # unchecked values may be too large for the dtype
        return np.ascontiguousarray(y, dtype)
