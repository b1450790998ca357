"""tinynn: small neural networks on the CPU, fast, reproducible to the bit, and readable."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tinynn import (
        callbacks,
        datasets,
        graph,
        initializers,
        kernels,
        layers,
        losses,
        metrics,
        networks,
        optimizers,
        regularizers,
    )
    from tinynn.augmentation import Augmentation
    from tinynn.config import show_config
    from tinynn.engine.pool import get_num_threads, set_num_threads
    from tinynn.model.gradient_check import check_gradients
    from tinynn.model.loading import load
    from tinynn.model.many import fit_many
    from tinynn.model.sequential import Sequential
    from tinynn.version import __version__ as __version__

__all__ = [
    "Augmentation",
    "Sequential",
    "callbacks",
    "check_gradients",
    "datasets",
    "fit_many",
    "get_num_threads",
    "graph",
    "initializers",
    "kernels",
    "layers",
    "load",
    "losses",
    "metrics",
    "networks",
    "optimizers",
    "regularizers",
    "set_num_threads",
    "show_config",
]

# Where the names stand that are no modules. Everything is imported when it is first used, so that a program that
# only may need tinynn does not wait for it.
_HOMES = {
    "__version__": "tinynn.version",
    "Augmentation": "tinynn.augmentation",
    "Sequential": "tinynn.model.sequential",
    "check_gradients": "tinynn.model.gradient_check",
    "get_num_threads": "tinynn.engine.pool",
    "fit_many": "tinynn.model.many",
    "load": "tinynn.model.loading",
    "set_num_threads": "tinynn.engine.pool",
    "show_config": "tinynn.config",
}


def __getattr__(name: str) -> Any:
    if name not in __all__ and name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name) if name in _HOMES else import_module(f"{__name__}.{name}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_HOMES})
