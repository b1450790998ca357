"""Pictures with matplotlib, the extra ``plot``: made without a screen, written to a file or as bytes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any


def figure(width: float, height: float) -> Any:
    """An empty matplotlib figure, in inches.

    Raises
    ------
    ImportError
        Without matplotlib.
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
    """Find out before the work begins whether a picture can be drawn.

    Raises
    ------
    ImportError
        Without matplotlib; names the option.
    ValueError
        For a path whose ending matplotlib does not know, or cannot draw here.
    """
    try:
        empty = figure(1, 1)
    except ImportError as error:
        raise ImportError(f"{option} {error}") from error
    known = empty.canvas.get_supported_filetypes()
    if path is None:
        return
    if ending(path) not in known:
        raise ValueError(f"{option}: {path!r} must end in .png, or another format of matplotlib's: {', '.join(known)}")
    empty.text(0.5, 0.5, "text")  # some formats need it to be set by programs of their own, and say so in many ways
    try:
        content(empty, path)
    except Exception as error:
        raise ValueError(f"{option}: matplotlib cannot write {ending(path)} here: {error}; take .png") from error


def ending(path: str) -> str:
    """The format that a path's ending names."""
    return Path(path).suffix.lower().lstrip(".")


def content(drawn: Any, path: str = "picture.png") -> bytes:
    """A figure as the content of a file with this path."""
    stream = io.BytesIO()
    drawn.savefig(stream, dpi=150, format=ending(path))
    return stream.getvalue()
