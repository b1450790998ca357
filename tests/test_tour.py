"""docs/tour.md: every link shows the whole of what it names.

``python -m tests.test_tour`` brings its line numbers up to date.
"""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOUR = ROOT / "docs" / "tour.md"
LINK = re.compile(r"\[`(?P<name>[\w.]+)`\]\(\.\./(?P<path>[\w./]+)#L(?P<first>\d+)-L(?P<last>\d+)\)")

pytestmark = pytest.mark.skipif(not (ROOT / "tinynn").is_dir(), reason="the source is not here, only its tests")


def python_span(text, name):
    """First and last line of a function, class or method in Python."""
    body = ast.parse(text).body
    for part in name.split("."):
        node = next(node for node in body if getattr(node, "name", None) == part)
        body = node.body
    return node.lineno, node.end_lineno


def cython_span(lines, name):
    """The same in Cython: from its first line to the last one that is indented deeper."""
    first = 0
    for part in name.split("."):
        head = re.compile(rf"^ *(?:cdef |cpdef |def |class |inline |[\w*]+ )+\*?{part}\b(?:\(|:|$)")
        first = next(i for i in range(first, len(lines)) if head.match(lines[i]))
    indent = len(lines[first]) - len(lines[first].lstrip())
    depth = 0
    for last in range(first, len(lines)):
        depth += lines[last].count("(") - lines[last].count(")")
        if depth == 0:
            break  # the end of the signature
    body = last + 1
    while body < len(lines) and (not lines[body].strip() or lines[body].startswith(" " * (indent + 1))):
        body += 1
    while not lines[body - 1].strip():
        body -= 1
    return first + 1, body


def c_span(lines, name):
    """The same in C: from the line that names a function to the brace that closes it."""
    head = re.compile(rf"^(?=\w)[\w* ]*?(?:NAME\({name}\)|\b{name})\(.*[^;]$")
    first = next(i for i, line in enumerate(lines) if head.match(line))
    return first + 1, next(i for i in range(first, len(lines)) if lines[i] == "}") + 1


def span(path, name):
    """First and last line of what a file calls so."""
    text = (ROOT / path).read_text(encoding="utf-8")
    if path.endswith(".py"):
        return python_span(text, name)
    return (cython_span if path.endswith((".pyx", ".pxd")) else c_span)(text.splitlines(), name)


def updated(text):
    """The tour with the line numbers of today."""
    def link(found):
        first, last = span(found["path"], found["name"])
        return f"[`{found['name']}`](../{found['path']}#L{first}-L{last})"

    return LINK.sub(link, text)


def test_links_show_the_whole_of_what_they_name():
    text = TOUR.read_text(encoding="utf-8")
    assert len(LINK.findall(text)) > 30
    assert "#L" not in LINK.sub("", text), "a link that this test does not read"
    assert updated(text) == text, "line numbers have moved; do: python -m tests.test_tour"


def test_the_tour_is_an_afternoon():
    links = LINK.finditer(TOUR.read_text(encoding="utf-8"))
    lines = sum(int(found["last"]) - int(found["first"]) + 1 for found in links)
    assert 1000 <= lines <= 1300, f"{lines} lines of source"


if __name__ == "__main__":
    TOUR.write_text(updated(TOUR.read_text(encoding="utf-8")), encoding="utf-8")
