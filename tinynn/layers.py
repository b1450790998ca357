"""Layers: everything a model is made of."""

from typing import TYPE_CHECKING, Any

import tinynn.model  # noqa: F401  (defines the layers)
from tinynn.model.layer import classes

globals().update(classes)
__all__ = sorted(classes)

if TYPE_CHECKING:
    def __getattr__(name: str) -> Any: ...
