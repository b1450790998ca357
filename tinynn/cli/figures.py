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
        For a path whose ending matplotlib does not know.
    """
    try:
        known = figure(1, 1).canvas.get_supported_filetypes()
    except ImportError as error:
        raise ImportError(f"{option} {error}") from error
    if path is not None and Path(path).suffix.lower().lstrip(".") not in known:
        raise ValueError(f"{option}: {path!r} must end in .png, or another format of matplotlib's: {', '.join(known)}")


def png(drawn: Any) -> bytes:
    """A figure as the content of a PNG file."""
    content = io.BytesIO()
    drawn.savefig(content, dpi=150, format="png")
    return content.getvalue()
