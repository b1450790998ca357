"""What the two normalizations share: their checked arguments."""

from typing import Any

from tinynn.kernels._arguments import expect_elements, required_arrays
from tinynn.kernels.op import expect_shape


def checked(function: str, x: Any, gamma: Any, beta: Any, epsilon: Any, **others: Any) -> list[Any]:
    """The arrays x (..., C), gamma (C), beta (C) and perhaps dy, shaped as x.

    Raises
    ------
    TypeError
        If an array is missing, is not float32 or float64, or two differ in dtype.
    ValueError
        If the shapes do not fit, or epsilon is not positive.
    """
    arrays = required_arrays(function, {"gamma": 1, "beta": 1}, x=x, gamma=gamma, beta=beta, **others)
    x, gamma, beta, *rest = arrays
    expect_elements(function, "x", x)
    if not epsilon > 0:
        raise ValueError(f"{function}: epsilon is {epsilon}, but must be more than 0")
    expect_shape(function, "gamma", gamma, x.shape[-1:])
    expect_shape(function, "beta", beta, x.shape[-1:])
    for dy in rest:
        expect_shape(function, "dy", dy, x.shape)
    return arrays
