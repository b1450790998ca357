"""Loading a model from a file."""

from __future__ import annotations

import os

from tinynn.io.atomic import read_file
from tinynn.model.sequential import Sequential


def load(path: str | os.PathLike[str], compile: bool = True) -> Sequential:
    """Load a model that `Sequential.save` wrote.

    Parameters
    ----------
    path : str or path
        Path of the file.
    compile : bool
        Whether to compile the model as it was when saved. If False, the classes of its loss, metrics and optimizer
        need not be defined here; the model can still predict.

    Returns
    -------
    Sequential
        The model with the same weights, bit for bit. If it was saved with ``include_optimizer=True``, the optimizer
        has the saved state, and training continues exactly; otherwise the state is new.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is damaged, not a model file, or not a regular file (a pipe or a device).
    """
    try:
        content = read_file(path)
    except ValueError as error:
        raise ValueError(f"load: {error}") from None
    return Sequential._from_bytes(content, os.fspath(path), compile)
