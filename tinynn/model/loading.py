"""Reading a model from a file."""

from __future__ import annotations

import os

from tinynn.io.atomic import read_file
from tinynn.model.sequential import Sequential


def load(path: str | os.PathLike[str], compile: bool = True) -> Sequential:
    """Read a model that `Sequential.save` wrote.

    Parameters
    ----------
    path : str or path
        The file.
    compile : bool
        Whether to compile the model as the saved one was. Without, its loss, metrics and optimizer need not be known
        here: a model with a loss of your own can be loaded elsewhere to predict.

    Returns
    -------
    Sequential
        With the same weights, bit for bit, and compiled if the saved one was. Saved with ``include_optimizer=True``,
        it goes on training as if it had never been away; else its optimizer begins anew.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is no model file, or damaged; also if it is a pipe or a device.
    """
    try:
        content = read_file(path)
    except ValueError as error:
        raise ValueError(f"load: {error}") from None
    return Sequential._from_bytes(content, os.fspath(path), compile)
