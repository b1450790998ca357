"""Penalties on the size of weights, by Keras' rules: a term of the loss, with its gradient.

Other than the decoupled weight decay of `AdamW`, a penalty goes through the optimizer like the rest of the loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tinynn.checks import check_real
from tinynn.registry import Configurable, Fixed, deserialize, lookup

__all__ = ["L1", "L1L2", "L2", "Regularizer", "get"]


class Regularizer(Fixed, Configurable, kind="regularizers"):
    """What a penalty is: `l1` times the sum of the weights' absolute values, and `l2` times that of their squares.

    It cannot be changed; give the layer another one, ``layer.kernel_regularizer = L2(0.1)``.

    Attributes
    ----------
    l1, l2 : float
        The factors.
    """

    l1: float = 0.0
    l2: float = 0.0


class L1L2(Regularizer):
    """``l1 sum |w| + l2 sum w^2``

    Parameters
    ----------
    l1, l2 : float
        The factors, at least 0.

    Examples
    --------
    >>> import tinynn
    >>> tinynn.layers.Dense(8, kernel_regularizer=L1L2(l2=0.001)).kernel_regularizer
    L1L2(l2=0.001)
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1 = check_real("L1L2", "l1", l1, minimum=0)
        self.l2 = check_real("L1L2", "l2", l2, minimum=0)


class L1(Regularizer):
    """``l1 sum |w|``

    Parameters
    ----------
    l1 : float
        The factor, at least 0.
    """

    def __init__(self, l1: float = 0.01) -> None:
        self.l1 = check_real("L1", "l1", l1, minimum=0)


class L2(Regularizer):
    """``l2 sum w^2``

    Parameters
    ----------
    l2 : float
        The factor, at least 0.
    """

    def __init__(self, l2: float = 0.01) -> None:
        self.l2 = check_real("L2", "l2", l2, minimum=0)


_KNOWN: dict[str, type[Regularizer]] = {"l1": L1, "l2": L2, "l1_l2": L1L2}


#: What stands for a regularizer: see `get`.
RegularizerLike = str | Regularizer | type[Regularizer] | Mapping[str, Any] | None


def get(identifier: RegularizerLike) -> Regularizer | None:
    """Return a regularizer from a name, a regularizer (object or class) or a description; None stays None.

    Parameters
    ----------
    identifier : str, Regularizer, dict or None
        A dict is ``{"class": ..., "config": ...}`` from a model file.

    Returns
    -------
    Regularizer or None

    Raises
    ------
    TypeError, ValueError
        If there is none of that name, or it is none of these.

    Examples
    --------
    >>> get("l2")
    L2()
    >>> get("l3")
    Traceback (most recent call last):
    ...
    ValueError: unknown regularizer 'l3'; known: l1, l2, l1_l2
    """
    if isinstance(identifier, Mapping):
        identifier = deserialize(dict(identifier))
    if identifier is None or isinstance(identifier, Regularizer):
        return identifier
    if isinstance(identifier, type) and issubclass(identifier, Regularizer):
        return identifier()
    return lookup("regularizer", identifier, _KNOWN)()
