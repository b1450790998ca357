"""tinynn: small neural networks on the CPU, fast, reproducible to the bit, and readable."""

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
)
from tinynn.config import show_config
from tinynn.engine.pool import get_num_threads, set_num_threads
from tinynn.model.files import load
from tinynn.model.sequential import Sequential

__version__ = "0.1.0"
__all__ = [
    "Sequential",
    "callbacks",
    "datasets",
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
    "set_num_threads",
    "show_config",
]
