"""Metrics: a number for each row of the last axis."""

from __future__ import annotations

from numpy.typing import ArrayLike

from tinynn.checks import check_real
from tinynn.kernels import metrics
from tinynn.kernels.functions._arguments import Floats
from tinynn.kernels.functions._losses import value_of_rows


def categorical_accuracy(prediction: ArrayLike, target: ArrayLike) -> Floats:
    """1 for each row whose most likely class is the target's, else 0; among equals the first counts.

    Parameters
    ----------
    prediction : array_like, shape (..., K)
        Probabilities or logits, float32 or float64.
    target : array_like, shape (...) or (..., K)
        Integers: the label of each row, 0..K-1. Or of the prediction's dtype: a distribution over the K
        classes, of which the most likely counts.

    Returns
    -------
    ndarray, shape (...)

    Raises
    ------
    TypeError
        If the prediction is not float32 or float64, or the target neither integer nor of its dtype.
    ValueError
        If the shapes do not fit, the last axis is missing or empty, or a label is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> categorical_accuracy(np.array([[0.1, 0.9], [0.6, 0.4]]), np.array([1, 1]))
    array([1., 0.])
    """
    return value_of_rows("categorical_accuracy", metrics.categorical_accuracy, True, prediction, target)


def binary_accuracy(prediction: ArrayLike, target: ArrayLike, threshold: float = 0.5) -> Floats:
    """Share of correct elements in each row: ``(p > threshold) = (t > 1/2)``.

    Parameters
    ----------
    prediction : array_like, shape (..., K)
        Probabilities or logits, float32 or float64.
    target : array_like, shape (..., K)
        0 or 1, of the same dtype.
    threshold : float
        1/2 for probabilities, 0 for logits.

    Returns
    -------
    ndarray, shape (...)

    Raises
    ------
    TypeError
        If an array is not float32 or float64, or the two differ in dtype.
    ValueError
        If the shapes differ, or the last axis is missing or empty.

    Examples
    --------
    >>> import numpy as np
    >>> binary_accuracy(np.array([[0.9, 0.6]]), np.array([[1.0, 0.0]]))
    array([0.5])
    >>> binary_accuracy(np.array([[2.0, 0.1, -3.0]]), np.array([[1.0, 1.0, 0.0]]), threshold=0)
    array([1.])
    """
    threshold = check_real("binary_accuracy", "threshold", threshold)
    return value_of_rows("binary_accuracy", metrics.binary_accuracy, False, prediction, target, threshold=threshold)


def mean_absolute_error(prediction: ArrayLike, target: ArrayLike) -> Floats:
    """Mean absolute error of each row: ``sum_k |p_k - t_k| / K``.

    Parameters
    ----------
    prediction : array_like, shape (..., K)
        Float32 or float64.
    target : array_like, shape (..., K)
        Of the same dtype.

    Returns
    -------
    ndarray, shape (...)

    Raises
    ------
    TypeError
        If an array is not float32 or float64, or the two differ in dtype.
    ValueError
        If the shapes differ, or the last axis is missing or empty.

    Examples
    --------
    >>> import numpy as np
    >>> mean_absolute_error(np.array([[1.0, 2.0]]), np.array([[0.0, 4.0]]))
    array([1.5])
    """
    return value_of_rows("mean_absolute_error", metrics.mean_absolute_error, False, prediction, target)
