"""Activations by name, as layers take them."""

from __future__ import annotations

from typing import Literal

from tinynn.engine.graph import Network, Tensor
from tinynn.registry import lookup

#: The names that an argument ``activation`` takes; None is "linear".
ActivationName = Literal["linear", "relu", "sigmoid", "softmax", "tanh"]

_OPS = {"linear": None, "relu": "relu", "sigmoid": "sigmoid", "tanh": "tanh", "softmax": "softmax"}


def check_activation(activation: str | None) -> str | None:
    """The op of an activation; None for a linear one.

    Raises
    ------
    TypeError, ValueError
        If it is no name, or no activation has that name.

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
        If softmax has no axis to normalize.
    """
    op = check_activation(activation)
    if op == "softmax" and not x.shape:
        raise ValueError(f"layer {network.path!r}: expected samples of shape (..., classes), got single numbers; "
                         "softmax needs a last axis: reshape x to (samples, classes)")
    return x if op is None else network.op(op, x)
