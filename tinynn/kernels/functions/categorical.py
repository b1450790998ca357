"""Losses over classes: the cross-entropy of each row of the last axis, and the gradient of their sum."""

from __future__ import annotations

from numpy.typing import ArrayLike

from tinynn.kernels.categorical import (
    categorical_crossentropy,
    categorical_crossentropy_from_logits,
    categorical_crossentropy_from_sigmoid_logits,
)
from tinynn.kernels.functions._arguments import Floats
from tinynn.kernels.functions._losses import gradient_of_rows, loss_of_rows


def categorical_crossentropy_forward(prediction: ArrayLike, target: ArrayLike) -> Floats:
    """Categorical cross-entropy of each row (Keras' rule).

    ``L = -sum_k t_k log q_k``, q = p / sum p clipped to [1e-7, 1 - 1e-7]

    Parameters
    ----------
    prediction : array_like, shape (..., K)
        Probabilities, float32 or float64.
    target : array_like, shape (...) or (..., K)
        Integers: the label of each row, 0..K-1. Or of the prediction's dtype: a distribution over the K
        classes, for instance one-hot.

    Returns
    -------
    loss : ndarray, shape (...)
        The loss of each row.

    Raises
    ------
    TypeError
        If the prediction is not float32 or float64, or the target neither integer nor of its dtype.
    ValueError
        If the shapes do not fit, the last axis is missing or empty, or a label is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> categorical_crossentropy_forward(np.array([[0.25, 0.25, 0.5]]), np.array([2]))
    array([0.69314718])
    """
    return loss_of_rows("categorical_crossentropy_forward", categorical_crossentropy, prediction, target)


def categorical_crossentropy_backward(prediction: ArrayLike, target: ArrayLike) -> Floats:
    """Gradient of the sum of the rows' losses of `categorical_crossentropy_forward`.

    ``dp_k = sum t / sum p - t_k / p_k``, both t without the classes that were clipped

    Parameters
    ----------
    prediction : array_like, shape (..., K)
        Probabilities, float32 or float64.
    target : array_like, shape (...) or (..., K)
        Integers: the label of each row, 0..K-1. Or of the prediction's dtype: a distribution over the K
        classes, for instance one-hot.

    Returns
    -------
    ndarray, shape (..., K)
        The gradient with respect to the prediction.

    Raises
    ------
    TypeError
        If the prediction is not float32 or float64, or the target neither integer nor of its dtype.
    ValueError
        If the shapes do not fit, the last axis is missing or empty, or a label is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> categorical_crossentropy_backward(np.array([[0.25, 0.25, 0.5]]), np.array([2]))
    array([[ 1.,  1., -1.]])
    """
    return gradient_of_rows("categorical_crossentropy_backward", categorical_crossentropy, prediction, target)


def categorical_crossentropy_from_logits_forward(prediction: ArrayLike, target: ArrayLike) -> Floats:
    """Categorical cross-entropy of softmax(z) for each row.

    ``L = sum_k t_k (log sum_j exp(z_j) - z_k)``

    Parameters
    ----------
    prediction : array_like, shape (..., K)
        Logits z, float32 or float64; -1e4 and 1e4 are fine.
    target : array_like, shape (...) or (..., K)
        Integers: the label of each row, 0..K-1. Or of the prediction's dtype: a distribution over the K
        classes, for instance one-hot.

    Returns
    -------
    loss : ndarray, shape (...)
        The loss of each row.

    Raises
    ------
    TypeError
        If the prediction is not float32 or float64, or the target neither integer nor of its dtype.
    ValueError
        If the shapes do not fit, the last axis is missing or empty, or a label is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> categorical_crossentropy_from_logits_forward(np.array([[1e4, -1e4]]), np.array([1]))
    array([20000.])
    """
    return loss_of_rows(
        "categorical_crossentropy_from_logits_forward", categorical_crossentropy_from_logits, prediction, target)


def categorical_crossentropy_from_logits_backward(prediction: ArrayLike, target: ArrayLike) -> Floats:
    """Gradient of the sum of the rows' losses of `categorical_crossentropy_from_logits_forward`.

    ``dz = softmax(z) sum t - t``

    Parameters
    ----------
    prediction : array_like, shape (..., K)
        Logits z, float32 or float64; -1e4 and 1e4 are fine.
    target : array_like, shape (...) or (..., K)
        Integers: the label of each row, 0..K-1. Or of the prediction's dtype: a distribution over the K
        classes, for instance one-hot.

    Returns
    -------
    ndarray, shape (..., K)
        The gradient with respect to the prediction.

    Raises
    ------
    TypeError
        If the prediction is not float32 or float64, or the target neither integer nor of its dtype.
    ValueError
        If the shapes do not fit, the last axis is missing or empty, or a label is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> categorical_crossentropy_from_logits_backward(np.array([[1e4, -1e4]]), np.array([1]))
    array([[ 1., -1.]])
    """
    return gradient_of_rows(
        "categorical_crossentropy_from_logits_backward", categorical_crossentropy_from_logits, prediction, target)


def categorical_crossentropy_from_sigmoid_logits_forward(prediction: ArrayLike, target: ArrayLike) -> Floats:
    """Categorical cross-entropy of sigmoids that are normalised to sum 1, for each row.

    ``L = -sum_k t_k log q_k``, q = s(z) / sum_j s(z_j): Keras' rule for sigmoid outputs, in logarithms and unclipped

    Parameters
    ----------
    prediction : array_like, shape (..., K)
        Logits z, float32 or float64; -1e4 and 1e4 are fine.
    target : array_like, shape (...) or (..., K)
        Integers: the label of each row, 0..K-1. Or of the prediction's dtype: a distribution over the K
        classes, for instance one-hot.

    Returns
    -------
    loss : ndarray, shape (...)
        The loss of each row.

    Raises
    ------
    TypeError
        If the prediction is not float32 or float64, or the target neither integer nor of its dtype.
    ValueError
        If the shapes do not fit, the last axis is missing or empty, or a label is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> categorical_crossentropy_from_sigmoid_logits_forward(np.array([[0.0, 0.0]]), np.array([1]))
    array([0.69314718])
    """
    return loss_of_rows(
        "categorical_crossentropy_from_sigmoid_logits_forward", categorical_crossentropy_from_sigmoid_logits,
        prediction, target)


def categorical_crossentropy_from_sigmoid_logits_backward(prediction: ArrayLike, target: ArrayLike) -> Floats:
    """Gradient of the sum of the rows' losses of `categorical_crossentropy_from_sigmoid_logits_forward`.

    ``dz = (q sum t - t) s(-z)``

    Parameters
    ----------
    prediction : array_like, shape (..., K)
        Logits z, float32 or float64; -1e4 and 1e4 are fine.
    target : array_like, shape (...) or (..., K)
        Integers: the label of each row, 0..K-1. Or of the prediction's dtype: a distribution over the K
        classes, for instance one-hot.

    Returns
    -------
    ndarray, shape (..., K)
        The gradient with respect to the prediction.

    Raises
    ------
    TypeError
        If the prediction is not float32 or float64, or the target neither integer nor of its dtype.
    ValueError
        If the shapes do not fit, the last axis is missing or empty, or a label is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> categorical_crossentropy_from_sigmoid_logits_backward(np.array([[0.0, 0.0]]), np.array([1]))
    array([[ 0.25, -0.25]])
    """
    return gradient_of_rows(
        "categorical_crossentropy_from_sigmoid_logits_backward", categorical_crossentropy_from_sigmoid_logits,
        prediction, target)
