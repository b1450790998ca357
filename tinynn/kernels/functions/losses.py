"""Losses of numbers: the loss of each row of the last axis, and the gradient of their sum."""

from __future__ import annotations

from numpy.typing import ArrayLike

from tinynn.kernels.functions._arguments import Floats
from tinynn.kernels.functions._losses import gradient_of_rows, loss_of_rows
from tinynn.kernels.losses import (
    binary_crossentropy,
    binary_crossentropy_from_logits,
    half_squared_error,
    mean_squared_error,
)


def half_squared_error_forward(prediction: ArrayLike, target: ArrayLike) -> Floats:
    """Half the squared error of each row.

    ``L = sum_k (p_k - t_k)^2 / 2``

    Parameters
    ----------
    prediction : array_like, shape (..., K)
        Float32 or float64.
    target : array_like, shape (..., K)
        Of the same dtype.

    Returns
    -------
    loss : ndarray, shape (...)
        The loss of each row.

    Raises
    ------
    TypeError
        If an array is not float32 or float64, or the two differ in dtype.
    ValueError
        If the shapes differ, or the last axis is missing or empty.

    Examples
    --------
    >>> import numpy as np
    >>> half_squared_error_forward(np.array([[1.0, 2.0]]), np.array([[0.0, 4.0]]))
    array([2.5])
    """
    return loss_of_rows("half_squared_error_forward", half_squared_error, prediction, target)


def half_squared_error_backward(prediction: ArrayLike, target: ArrayLike) -> Floats:
    """Gradient of the sum of the rows' losses of `half_squared_error_forward`.

    ``dp = p - t``

    Parameters
    ----------
    prediction : array_like, shape (..., K)
        Float32 or float64.
    target : array_like, shape (..., K)
        Of the same dtype.

    Returns
    -------
    ndarray, shape (..., K)
        The gradient with respect to the prediction.

    Raises
    ------
    TypeError
        If an array is not float32 or float64, or the two differ in dtype.
    ValueError
        If the shapes differ, or the last axis is missing or empty.

    Examples
    --------
    >>> import numpy as np
    >>> half_squared_error_backward(np.array([[1.0, 2.0]]), np.array([[0.0, 4.0]]))
    array([[ 1., -2.]])
    """
    return gradient_of_rows("half_squared_error_backward", half_squared_error, prediction, target)


def mean_squared_error_forward(prediction: ArrayLike, target: ArrayLike) -> Floats:
    """Mean squared error of each row.

    ``L = sum_k (p_k - t_k)^2 / K``

    Parameters
    ----------
    prediction : array_like, shape (..., K)
        Float32 or float64.
    target : array_like, shape (..., K)
        Of the same dtype.

    Returns
    -------
    loss : ndarray, shape (...)
        The loss of each row.

    Raises
    ------
    TypeError
        If an array is not float32 or float64, or the two differ in dtype.
    ValueError
        If the shapes differ, or the last axis is missing or empty.

    Examples
    --------
    >>> import numpy as np
    >>> mean_squared_error_forward(np.array([[1.0, 2.0]]), np.array([[0.0, 4.0]]))
    array([2.5])
    """
    return loss_of_rows("mean_squared_error_forward", mean_squared_error, prediction, target)


def mean_squared_error_backward(prediction: ArrayLike, target: ArrayLike) -> Floats:
    """Gradient of the sum of the rows' losses of `mean_squared_error_forward`.

    ``dp = 2 (p - t) / K``

    Parameters
    ----------
    prediction : array_like, shape (..., K)
        Float32 or float64.
    target : array_like, shape (..., K)
        Of the same dtype.

    Returns
    -------
    ndarray, shape (..., K)
        The gradient with respect to the prediction.

    Raises
    ------
    TypeError
        If an array is not float32 or float64, or the two differ in dtype.
    ValueError
        If the shapes differ, or the last axis is missing or empty.

    Examples
    --------
    >>> import numpy as np
    >>> mean_squared_error_backward(np.array([[1.0, 2.0]]), np.array([[0.0, 4.0]]))
    array([[ 1., -2.]])
    """
    return gradient_of_rows("mean_squared_error_backward", mean_squared_error, prediction, target)


def binary_crossentropy_forward(prediction: ArrayLike, target: ArrayLike) -> Floats:
    """Binary cross-entropy of each row, the mean over its elements (Keras' rule).

    ``L = -sum_k [t log q + (1 - t) log(1 - q)] / K``, q = p clipped to [1e-7, 1 - 1e-7]

    Parameters
    ----------
    prediction : array_like, shape (..., K)
        Probabilities, float32 or float64.
    target : array_like, shape (..., K)
        Probabilities of the same dtype, mostly 0 or 1.

    Returns
    -------
    loss : ndarray, shape (...)
        The loss of each row.

    Raises
    ------
    TypeError
        If an array is not float32 or float64, or the two differ in dtype.
    ValueError
        If the shapes differ, or the last axis is missing or empty.

    Examples
    --------
    >>> import numpy as np
    >>> binary_crossentropy_forward(np.array([[0.5, 0.0]]), np.array([[1.0, 0.0]]))
    array([0.34657364])
    """
    return loss_of_rows("binary_crossentropy_forward", binary_crossentropy, prediction, target)


def binary_crossentropy_backward(prediction: ArrayLike, target: ArrayLike) -> Floats:
    """Gradient of the sum of the rows' losses of `binary_crossentropy_forward`.

    ``dp = (p - t) / (p (1 - p)) / K``, 0 where p was clipped

    Parameters
    ----------
    prediction : array_like, shape (..., K)
        Probabilities, float32 or float64.
    target : array_like, shape (..., K)
        Probabilities of the same dtype, mostly 0 or 1.

    Returns
    -------
    ndarray, shape (..., K)
        The gradient with respect to the prediction.

    Raises
    ------
    TypeError
        If an array is not float32 or float64, or the two differ in dtype.
    ValueError
        If the shapes differ, or the last axis is missing or empty.

    Examples
    --------
    >>> import numpy as np
    >>> binary_crossentropy_backward(np.array([[0.5, 0.0]]), np.array([[1.0, 0.0]]))
    array([[-1.,  0.]])
    """
    return gradient_of_rows("binary_crossentropy_backward", binary_crossentropy, prediction, target)


def binary_crossentropy_from_logits_forward(prediction: ArrayLike, target: ArrayLike) -> Floats:
    """Binary cross-entropy of sigmoid(z) for each row, the mean over its elements.

    ``L = sum_k [max(z, 0) - z t + log(1 + exp(-|z|))] / K``

    Parameters
    ----------
    prediction : array_like, shape (..., K)
        Logits z, float32 or float64; -1e4 and 1e4 are fine.
    target : array_like, shape (..., K)
        Probabilities of the same dtype, mostly 0 or 1.

    Returns
    -------
    loss : ndarray, shape (...)
        The loss of each row.

    Raises
    ------
    TypeError
        If an array is not float32 or float64, or the two differ in dtype.
    ValueError
        If the shapes differ, or the last axis is missing or empty.

    Examples
    --------
    >>> import numpy as np
    >>> binary_crossentropy_from_logits_forward(np.array([[0.0, -1e4]]), np.array([[1.0, 0.0]]))
    array([0.34657359])
    """
    return loss_of_rows("binary_crossentropy_from_logits_forward", binary_crossentropy_from_logits, prediction, target)


def binary_crossentropy_from_logits_backward(prediction: ArrayLike, target: ArrayLike) -> Floats:
    """Gradient of the sum of the rows' losses of `binary_crossentropy_from_logits_forward`.

    ``dz = ((1 - t) s(z) - t s(-z)) / K``, which is (s(z) - t) / K

    Parameters
    ----------
    prediction : array_like, shape (..., K)
        Logits z, float32 or float64; -1e4 and 1e4 are fine.
    target : array_like, shape (..., K)
        Probabilities of the same dtype, mostly 0 or 1.

    Returns
    -------
    ndarray, shape (..., K)
        The gradient with respect to the prediction.

    Raises
    ------
    TypeError
        If an array is not float32 or float64, or the two differ in dtype.
    ValueError
        If the shapes differ, or the last axis is missing or empty.

    Examples
    --------
    >>> import numpy as np
    >>> binary_crossentropy_from_logits_backward(np.array([[0.0, -1e4]]), np.array([[1.0, 0.0]]))
    array([[-0.25,  0.  ]])
    """
    return gradient_of_rows(
        "binary_crossentropy_from_logits_backward", binary_crossentropy_from_logits, prediction, target)
