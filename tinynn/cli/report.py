"""The HTML of a report: tables, pictures and the page, with nothing to load from elsewhere."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence

import numpy as np

#: For phones and wide windows: content wider than the page scrolls sideways inside it.
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; background: #fff; max-width: 60rem; margin: 2rem auto;
       padding: 0 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.25; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; overflow-wrap: normal; }
th, td { padding: .25rem .9rem; text-align: right; border-bottom: 1px solid #ddd; }
.wide { overflow-x: auto; } .wide > img { width: 100%; min-width: 38rem; }
td img { vertical-align: middle; height: 2.2rem; }
.facts th, .facts td { text-align: left; vertical-align: top; overflow-wrap: anywhere; }
.facts th { white-space: nowrap; font-weight: 600; }
.matrix { table-layout: fixed; width: 100%; max-width: 36rem; font-size: .85rem; }
.matrix th, .matrix td { padding: .35rem 0; text-align: center; border: 1px solid #fff; }
.matrix .none { color: #aaa; }
pre { font-size: .8rem; line-height: 1.35; } .note { color: #666; }
@media (max-width: 40rem) { body { margin: 1rem auto; } th, td { padding: .25rem .5rem; }
                            .matrix { font-size: .7rem; } }
"""

#: Red, green and blue of the cells of the matrix.
RIGHT, WRONG = "42, 127, 63", "193, 68, 14"


def picture(content: bytes, text: str) -> str:
    """An image embedded in the page."""
    return f'<img alt="{html.escape(text)}" src="data:image/png;base64,{base64.b64encode(content).decode()}">'


def note(text: str) -> str:
    """A paragraph in small print."""
    return f'<p class="note">{html.escape(text)}</p>'


def wide(content: str) -> str:
    """Content that may be wider than the page."""
    return f'<div class="wide">{content}</div>'


def rows_of(rows: Sequence[Sequence[str]]) -> str:
    """A table. The first row has the titles; cells that begin with ``<img`` are pictures."""
    lines = []
    for number, row in enumerate(rows):
        tag = "td" if number else "th"
        cells = "".join(f"<{tag}>{cell if cell.startswith('<img') else html.escape(cell)}</{tag}>" for cell in row)
        lines.append(f"<tr>{cells}</tr>")
    return wide(f"<table>{''.join(lines)}</table>")


def facts_of(facts: Sequence[tuple[str, str]]) -> str:
    """A table of names and their values."""
    rows = (f"<tr><th>{html.escape(name)}</th><td>{html.escape(text)}</td></tr>" for name, text in facts)
    return f'<table class="facts">{"".join(rows)}</table>'


def matrix(counts: np.ndarray) -> str:
    """A table of how often each digit (rows) was read as each digit (columns); darker is more frequent.

    Examples
    --------
    >>> matrix(np.array([[3, 1], [0, 4]])).count("<td")
    4
    """
    classes = range(len(counts))
    head = "".join(f'<th scope="col">{answer}</th>' for answer in classes)
    lines = [f"<tr><th></th>{head}</tr>"]
    for digit in classes:
        total = max(1, int(counts[digit].sum()))
        cells = []
        for answer in classes:
            count = int(counts[digit, answer])
            # The root of the share, which makes rare mistakes visible.
            shade = 0.6 * (count / total) ** 0.5
            colour = RIGHT if digit == answer else WRONG
            style = f' style="background: rgba({colour}, {shade:.3f})"' if count else ' class="none"'
            cells.append(f"<td{style}>{count}</td>")
        lines.append(f'<tr><th scope="row">{digit}</th>{"".join(cells)}</tr>')
    return f'<table class="matrix">{"".join(lines)}</table>'


def page(title: str, facts: Sequence[str], sections: Sequence[tuple[str, str]]) -> str:
    """The whole page.

    Parameters
    ----------
    title : str
        The page's title.
    facts : sequence of str
        Lines below the title.
    sections : sequence of (str, str)
        The heading and the HTML of each section.

    Examples
    --------
    >>> "<h2>A &amp; B</h2>" in page("t", ["f"], [("A & B", "<p>x</p>")])
    True
    """
    body = "".join(f"<h2>{html.escape(heading)}</h2>{content}" for heading, content in sections)
    lines = "<br>".join(html.escape(fact) for fact in facts)
    return ('<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{html.escape(title)}</title><style>{STYLE}</style></head>"
            f"<body><h1>{html.escape(title)}</h1><p>{lines}</p>{body}</body></html>\n")
