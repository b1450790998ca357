"""Checks that the normalizations share."""

from __future__ import annotations

from numpy.typing import ArrayLike

from tinynn.checks import check_real
from tinynn.kernels.functions._arguments import Floats, as_arrays, check_elements, check_shape


def checked(function: str, x: ArrayLike, gamma: ArrayLike, beta: ArrayLike, epsilon: float,
            **others: ArrayLike) -> tuple[list[Floats], float]:
    """Check x (..., C), gamma (C), beta (C), epsilon and in a backward function dy, shaped like x.

    Raises
    ------
    TypeError
        If an array is missing, is not float32 or float64, or two differ in dtype; or epsilon is no number.
    ValueError
        If the shapes do not fit, or epsilon is not positive.
    """
    arrays = as_arrays(function, {"gamma": 1, "beta": 1}, x=x, gamma=gamma, beta=beta, **others)
    first, scale, shift, *rest = arrays
    check_elements(function, "x", first)
    check_shape(function, "gamma", scale, first.shape[-1:])
    check_shape(function, "beta", shift, first.shape[-1:])
    for dy in rest:
        check_shape(function, "dy", dy, first.shape)
    return arrays, check_real(function, "epsilon", epsilon, above=0.0)
