"""Numbers and tables as text."""

from __future__ import annotations

import math
from collections.abc import Sequence


def table(rows: Sequence[Sequence[str]], alignment: str) -> str:
    """Lay out rows in columns.

    Parameters
    ----------
    rows : sequence of sequence of str
        The first row holds the titles.
    alignment : str
        ``"<"`` or ``">"`` for each column.

    Examples
    --------
    >>> print(table([("name", "n"), ("a", "10"), ("bc", "9")], "<>"))
    name   n
    a     10
    bc     9
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(f"{cell:{side}{width}}" for cell, side, width in zip(row, alignment, widths, strict=True))
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def percent(probability: float) -> str:
    """A probability as a percentage; less than 1 is never shown as 100%.

    Examples
    --------
    >>> percent(0.98765), percent(0.99999), percent(1.0)
    ('98.8%', '99.9%', '100.0%')
    """
    return f"{math.floor(1000 * probability) / 10 if probability > 0.999 else 100 * probability:.1f}%"
