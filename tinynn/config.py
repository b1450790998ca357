"""What tinynn runs on."""

import platform

import numpy as np

from tinynn.engine.pool import get_num_threads
from tinynn.kernels import instruction_set, instruction_sets
from tinynn.version import __version__


def show_config() -> None:
    """Print version, instruction set and threads.

    Examples
    --------
    >>> import tinynn
    >>> tinynn.show_config()  # doctest: +ELLIPSIS
    tinynn ...
    """
    print(f"tinynn {__version__}, Python {platform.python_version()}, NumPy {np.__version__}")
    print(f"instruction set {instruction_set()} (this machine runs {', '.join(instruction_sets())})")
    print(f"threads {get_num_threads()}")
