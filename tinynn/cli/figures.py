"""Pictures with matplotlib (the extra ``plot``), drawn without a screen."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any


def figure(width: float, height: float) -> Any:
    """An empty matplotlib figure; width and height in inches.

    Raises
    ------
    ImportError
        If matplotlib is missing.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(f"needs matplotlib ({error}); install tinynn's extra 'plot', or leave it out") from error
    empty = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(empty)  # draws without a screen
    return empty


def check(option: str, path: str | None = None) -> None:
    """Check before the work begins that a picture can be drawn.

    Raises
    ------
    ImportError
        If matplotlib is missing; the message names the option.
    ValueError
        If matplotlib does not know the path's suffix, or cannot write that format here.
    """
    try:
        empty = figure(1, 1)
    except ImportError as error:
        raise ImportError(f"{option} {error}") from error
    known = empty.canvas.get_supported_filetypes()
    if path is None:
        return
    if ending(path) not in known:
        raise ValueError(f"{option}: the file's name must end in .png or another format of matplotlib's "
                         f"({', '.join(known)}), got {path!r}")
    empty.text(0.5, 0.5, "text")  # some formats need other programs for text, and raise many kinds of errors
    try:
        content(empty, path)
    except Exception as error:
        raise ValueError(f"{option}: matplotlib cannot write {ending(path)} here: {error}; use .png") from error


def ending(path: str) -> str:
    """The format that a path's suffix names."""
    return Path(path).suffix.lower().lstrip(".")


def content(drawn: Any, path: str = "picture.png") -> bytes:
    """A figure as the content of a file, in the format of its path."""
    stream = io.BytesIO()
    drawn.savefig(stream, dpi=150, format=ending(path))
    return stream.getvalue()
