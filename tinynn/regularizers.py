"""Regularizers, with Keras' rules: terms of the loss that penalize large weights.

The optimizer processes their gradient with the rest of the loss's, unlike the decoupled weight decay of `AdamW`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tinynn.checks import check_real
from tinynn.registry import Configurable, Fixed, deserialize, lookup

__all__ = ["L1", "L1L2", "L2", "Regularizer", "get"]


class Regularizer(Fixed, Configurable, kind="regularizers"):
    """Base of regularizers: the term ``l1 sum |w| + l2 sum w^2`` of the loss.

    Its attributes are read-only. To change a layer's, assign a new one: ``layer.kernel_regularizer = L2(0.1)``.

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


#: The types that `get` accepts.
RegularizerLike = str | Regularizer | type[Regularizer] | Mapping[str, Any] | None


def get(identifier: RegularizerLike) -> Regularizer | None:
    """Return a regularizer, given its name, object, class or description; None stays None.

    Parameters
    ----------
    identifier : str, Regularizer, dict or None
        A dict is a description from a model file, ``{"class": ..., "config": ...}``.

    Returns
    -------
    Regularizer or None

    Raises
    ------
    TypeError, ValueError
        If the name is unknown, or the type is invalid.

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
