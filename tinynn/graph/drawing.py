"""The report's network as a picture: a self-contained SVG document, made without a library.

Nodes are in columns, inputs on the left and the loss on the right; every edge goes to the right. A node's value is
above it and its gradient below it, within the node's width: edges run in the gaps and cross no number.
"""

from __future__ import annotations

from collections.abc import Mapping
from xml.sax.saxutils import escape

from tinynn.graph.nodes import ConstantNode, Node, VariableNode

# Each node's column, row and text. The indices are Unicode subscripts: shifted digits come out wrong in some viewers.
PLACES = {
    "x": (0, 0, "x"),
    "w1": (0, -1, "w₁"),
    "z1": (1, 0, "z₁ = w₁ x"),
    "n1": (2, 0, "n₁ = s(z₁)"),
    "w2": (2, -2, "w₂"),
    "w3": (2, 2, "w₃"),
    "z2": (3, -1, "z₂ = w₂ n₁"),
    "z3": (3, 1, "z₃ = w₃ n₁"),
    "n2": (4, -1, "n₂ = s(z₂)"),
    "n3": (4, 1, "n₃ = s(z₃)"),
    "w4": (4, -2, "w₄"),
    "w5": (4, 2, "w₅"),
    "p4": (5, -1, "p₄ = w₄ n₂"),
    "p5": (5, 1, "p₅ = w₅ n₃"),
    "z4": (6, 0, "z₄ = p₄ + p₅"),
    "n4": (7, 0, "n₄ = s(z₄)"),
    "y": (7, 1, "y"),
    "L": (8, 0, "L = ½(n₄ − y)²"),
}

WIDTH, HEIGHT = 1602, 640
COLUMN, ROW = 176, 108  # distance between the centres of two columns and of two rows
NODE_WIDTH, NODE_HEIGHT = 134, 38
LEFT, MIDDLE = 97, 346  # the centre of column 0, row 0
ARROW = 14  # length of the straight end of an edge

KINDS: dict[type[Node], str] = {ConstantNode: "constant", VariableNode: "variable"}  # all others are operations

# Every rule is limited to the picture, which may be part of a web page.
STYLE = """
    .tinynn text { font-family: 'DejaVu Sans', Verdana, Helvetica, Arial, sans-serif }
    .tinynn text { font-size: 16px; fill: #222222 }
    .tinynn .title { font-size: 25px; font-weight: bold }
    .tinynn .formula { font-family: 'DejaVu Serif', Georgia, 'Times New Roman', serif; font-style: italic }
    .tinynn .value { fill: #12549c }
    .tinynn .gradient { fill: #b3201b }
    .tinynn .small { font-size: 14px }
    .tinynn .middle { text-anchor: middle }
    .tinynn .end { text-anchor: end }
    .tinynn rect { stroke: #444444; stroke-width: 1.4 }
    .tinynn .constant { fill: #e9ecef }
    .tinynn .variable { fill: #fff0c2 }
    .tinynn .operation { fill: #ffffff }
    .tinynn .edge { fill: none; stroke: #777777; stroke-width: 1.6; marker-end: url(#tinynn-arrow) }
"""


def draw(nodes: Mapping[str, Node], title: str) -> str:
    """Return the picture of the network's nodes as SVG text; they need a forward and a backward pass first."""
    users: dict[str, list[str]] = {name: [] for name in nodes}
    edges = []
    for name, node in nodes.items():
        upper_first = sorted(node.inputs, key=lambda operand: PLACES[str(operand.name)][1])
        for i, operand in enumerate(upper_first):
            # Two edges enter a node side by side, the one from above first.
            offset = (i - (len(upper_first) - 1) / 2) * 14
            edges.append(edge(str(operand.name), name, offset))
            users[str(operand.name)].append(name)

    boxes = []
    for name, node in nodes.items():
        shares = [share(node, nodes[user]) for user in users[name]]
        boxes.append(box(name, node, shares if len(shares) > 1 else []))
    return "\n".join(
        [
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" class="tinynn" viewBox="0 0 {WIDTH} {HEIGHT}" '
                f'width="100%" style="max-width: {WIDTH}px; height: auto">'  # scales down, but not up
            ),
            f"  <title>{escape(title)}: the worked example as a graph</title>",
            f"  <style>{STYLE}  </style>",
            (
                '  <defs><marker id="tinynn-arrow" viewBox="0 0 10 10" refX="9" refY="5" '
                'markerWidth="8" markerHeight="8" orient="auto">'
                '<path d="M 0 1 L 10 5 L 0 9 z" fill="#777777"/></marker></defs>'
            ),
            f'  <rect x="0" y="0" width="{WIDTH}" height="{HEIGHT}" style="fill: #ffffff; stroke: none"/>',
            *edges,
            *boxes,
            *legend(title),
            "</svg>\n",
        ]
    )


def share(node: Node, user: Node) -> float:
    """What `user` added to the gradient of its input `node`."""
    return sum(part for part, operand in zip(user.shares(), user.inputs, strict=True) if operand is node)


def centre(name: str) -> tuple[int, int]:
    """The centre of a node."""
    column, row, _ = PLACES[name]
    return LEFT + column * COLUMN, MIDDLE + row * ROW


def edge(source: str, target: str, offset: float) -> str:
    """A curve from the right side of `source` to the left side of `target`, `offset` below its middle."""
    x1, y1 = centre(source)
    x2, y2 = centre(target)
    y2_port = y2 + offset
    start, end = x1 + NODE_WIDTH / 2, x2 - NODE_WIDTH / 2
    bend = (start + end - ARROW) / 2
    curve = f"C {bend:g} {y1} {bend:g} {y2_port:g} {end - ARROW:g} {y2_port:g}"
    return f'  <path class="edge" d="M {start:g} {y1} {curve} H {end:g}"/>'


def box(name: str, node: Node, shares: list[float]) -> str:
    """A node with its formula inside, its value above and its gradient below; hovering shows all digits."""
    x, y = centre(name)
    top, bottom = y - NODE_HEIGHT // 2, y + NODE_HEIGHT // 2
    kind = KINDS.get(type(node), "operation")
    corner = NODE_HEIGHT / 2 if type(node) in KINDS else 5
    lines = [
        "  <g>",
        f"    <title>{escape(name)}: output {node.output!r}, gradient {node.gradient!r}</title>",
        (
            f'    <rect class="{kind}" x="{x - NODE_WIDTH / 2:g}" y="{top}" '
            f'width="{NODE_WIDTH}" height="{NODE_HEIGHT}" rx="{corner:g}"/>'
        ),
        f'    <text class="formula middle" x="{x}" y="{y + 6}">{PLACES[name][2]}</text>',
        f'    <text class="value middle" x="{x}" y="{top - 8}">{number(node.output)}</text>',
        f'    <text class="gradient middle" x="{x}" y="{bottom + 20}">{number(node.gradient)}</text>',
    ]
    for i, part in enumerate(shares):
        text = f"= {number(part)}" if i == 0 else f"− {number(-part)}" if part < 0 else f"+ {number(part)}"
        height = bottom + 40 + 18 * i
        lines.append(f'    <text class="gradient small middle" x="{x}" y="{height}">{text}</text>')
    return "\n".join([*lines, "  </g>"])


def legend(title: str) -> list[str]:
    """The title, the meaning of the colours, and why one node shows a sum."""
    left, top, right = LEFT - NODE_WIDTH // 2, 46, WIDTH - LEFT + NODE_WIDTH // 2
    x, y = centre("n1")
    return [
        f'  <text class="title" x="{left}" y="{top}">{escape(title)}</text>',
        f'  <text x="{left}" y="{top + 28}">s(z) = 1 / (1 + exp(−z))</text>',
        (
            f'  <text class="value end" x="{right}" y="{top - 5}">above each node, blue: its value '
            "(forward, left to right)</text>"
        ),
        (
            f'  <text class="gradient end" x="{right}" y="{top + 20}">below each node, red: its gradient '
            "dL/d(node) (backward, right to left)</text>"
        ),
        (
            f'  <text class="small end" x="{x - NODE_WIDTH // 2}" y="{y + NODE_HEIGHT // 2 + 58}">'
            "n₁ feeds two units: both paths add up</text>"
        ),
    ]


def number(value: float) -> str:
    """Six digits, with a typographic minus sign."""
    return f"{value + 0.0:.6g}".replace("-", "−")
