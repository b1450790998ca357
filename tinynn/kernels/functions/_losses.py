"""Running a loss or a metric on the rows of a prediction and a target."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tinynn.kernels.functions._arguments import Floats, as_arrays, check_elements, check_shape, labels_or_distribution
from tinynn.kernels.losses import Loss
from tinynn.kernels.op import Op, OpRun


def run_on_rows(function: str, op: Op, categorical: bool, prediction: ArrayLike, target: ArrayLike,
                **attributes: Any) -> tuple[OpRun, tuple[int, ...]]:
    """Prepare a run on the checked arguments; returns it and the shape of the prediction."""
    if categorical:
        (p,) = as_arrays(function, prediction=prediction)
        check_elements(function, "prediction", p)
        t, sparse = labels_or_distribution(function, target, "prediction", p, p.shape[:-1], p.shape[-1])
    else:
        p, t = as_arrays(function, prediction=prediction, target=target)
        sparse = False
        check_elements(function, "prediction", p)
        check_shape(function, "target", t, p.shape)
    columns = p.shape[-1]
    rows = [p.reshape(-1, columns), t.reshape(-1) if sparse else t.reshape(-1, columns)]
    return OpRun(op, rows, sparse=sparse, **attributes), p.shape


def value_of_rows(function: str, op: Op, categorical: bool, prediction: ArrayLike, target: ArrayLike,
                  **attributes: Any) -> Floats:
    """Return the loss or metric of each row."""
    run, shape = run_on_rows(function, op, categorical, prediction, target, **attributes)
    return run.forward()[0].reshape(shape[:-1])


def loss_of_rows(function: str, op: Loss, prediction: ArrayLike, target: ArrayLike) -> Floats:
    """Return the loss of each row."""
    return value_of_rows(function, op, op.categorical, prediction, target)


def gradient_of_rows(function: str, op: Loss, prediction: ArrayLike, target: ArrayLike) -> Floats:
    """Return the gradient of the sum of the rows' losses with respect to the prediction."""
    run, shape = run_on_rows(function, op, op.categorical, prediction, target)
    loss, *activated = run.forward()
    (dp, *_), _ = run.backward([np.ones_like(loss), *[None] * len(activated)])
    gradient: Floats = dp.reshape(shape)
    return gradient
