"""One page about a model: curves, table, gallery and confusions, with nothing to load from elsewhere."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; } th, td { padding: .25rem .9rem; text-align: right; border-bottom: 1px solid #ddd; }
img { max-width: 100%; image-rendering: auto; } td img { vertical-align: middle; }
.note { color: #666; }
"""


def picture(content: bytes, text: str) -> str:
    """An image that stands in the page itself."""
    return f'<img alt="{html.escape(text)}" src="data:image/png;base64,{base64.b64encode(content).decode()}">'


def rows_of(rows: Sequence[Sequence[str]]) -> str:
    """A table; the first row holds the titles, cells that begin with ``<img`` are pictures."""
    lines = []
    for number, row in enumerate(rows):
        tag = "td" if number else "th"
        cells = "".join(f"<{tag}>{cell if cell.startswith('<img') else html.escape(cell)}</{tag}>" for cell in row)
        lines.append(f"<tr>{cells}</tr>")
    return f"<table>{''.join(lines)}</table>"


def page(title: str, facts: Sequence[str], sections: Sequence[tuple[str, str]]) -> str:
    """The page.

    Parameters
    ----------
    title : str
        Of the page.
    facts : sequence of str
        Lines below the title.
    sections : sequence of (str, str)
        Heading and HTML of each.

    Examples
    --------
    >>> "<h2>A &amp; B</h2>" in page("t", ["f"], [("A & B", "<p>x</p>")])
    True
    """
    body = "".join(f"<h2>{html.escape(heading)}</h2>{content}" for heading, content in sections)
    lines = "<br>".join(html.escape(fact) for fact in facts)
    return (f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
            f"<style>{STYLE}</style></head><body><h1>{html.escape(title)}</h1><p>{lines}</p>{body}</body></html>\n")
