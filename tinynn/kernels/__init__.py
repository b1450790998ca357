"""The mathematics of tinynn: every kernel as a checked function over NumPy arrays of float32 or float64.

One file per operation, its forward beside its backward. Each file registers its ops with `tinynn.kernels.op`
and exports its functions here; nothing else needs to know of it.
"""

import importlib
import pkgutil

from tinynn.kernels._public import functions
from tinynn.kernels.machine import instruction_set as instruction_set
from tinynn.kernels.machine import instruction_sets as instruction_sets

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
globals().update(functions)

__all__ = sorted([*functions, "instruction_set", "instruction_sets"])
