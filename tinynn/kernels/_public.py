"""How a kernel file exports its checked Python functions.

In a Cython module a ``cdef`` core and the Python function over it cannot share a name. So the function is
written as ``py_dense_forward`` below the core ``dense_forward``, and this decorator exports it under the name
that users know: ``tinynn.kernels.dense_forward``.
"""

from collections.abc import Callable
from typing import Any

functions: dict[str, Callable[..., Any]] = {}


def public(function: Callable[..., Any]) -> Callable[..., Any]:
    """Export ``py_NAME`` as ``tinynn.kernels.NAME``."""
    name = function.__name__.removeprefix("py_")
    function.__name__ = function.__qualname__ = name
    functions[name] = function
    return function
