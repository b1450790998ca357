"""Activation functions by name."""

from __future__ import annotations

from typing import Literal

from tinynn.engine.graph import Network, Tensor
from tinynn.registry import lookup

#: The valid names of an activation. None means "linear".
ActivationName = Literal["linear", "relu", "sigmoid", "softmax", "tanh"]

_OPS = {"linear": None, "relu": "relu", "sigmoid": "sigmoid", "tanh": "tanh", "softmax": "softmax"}


def check_activation(activation: str | None) -> str | None:
    """Return the name of an activation's op; None for "linear".

    Raises
    ------
    TypeError, ValueError
        If the argument is not a string, or not the name of an activation.

    Examples
    --------
    >>> check_activation("ReLU"), check_activation(None)
    ('relu', None)
    """
    return None if activation is None else lookup("activation", activation, _OPS)


def activate(network: Network, x: Tensor, activation: str | None) -> Tensor:
    """Append an activation to a network.

    Raises
    ------
    ValueError
        If the activation is softmax and samples have no axis.
    """
    op = check_activation(activation)
    if op == "softmax" and not x.shape:
        raise ValueError(f"layer {network.path!r}: expected samples of shape (..., classes), got single numbers; "
                         "softmax needs a last axis: reshape x to (samples, classes)")
    return x if op is None else network.op(op, x)
