"""The picture of the worked example."""

from __future__ import annotations

import errno
import os
import re
from itertools import combinations
from xml.etree import ElementTree

import pytest

from tinynn.graph import WorkedExample
from tinynn.graph.drawing import number

SVG = "{http://www.w3.org/2000/svg}"


def finished(example: WorkedExample) -> WorkedExample:
    example.forward()
    example.backward()
    return example


EXAMPLES = [WorkedExample(), WorkedExample(-1.5, -1e-7, [-123456.789e3, 0.5, -2.123456, 3, 1e-7])]


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_picture_is_xml_and_shows_every_value_and_gradient(example):
    root = ElementTree.fromstring(example.svg())
    assert root.tag == f"{SVG}svg"
    # As wide as there is room for it, but not blown up, in its own proportions.
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    assert width > height > 0
    assert root.attrib["width"] == "100%"
    assert "height" not in root.attrib
    assert root.attrib["style"] == f"max-width: {width:g}px; height: auto"

    groups = root.findall(f"{SVG}g")
    nodes = finished(example).nodes
    assert len(groups) == len(nodes) == 18
    for group, (name, node) in zip(groups, nodes.items(), strict=True):
        texts = {text.attrib["class"].split()[0]: text.text for text in reversed(group.findall(f"{SVG}text"))}
        assert texts["value"] == number(node.output)
        assert texts["gradient"] == number(node.gradient)
        title = group.find(f"{SVG}title")
        assert title is not None
        assert title.text == f"{name}: output {node.output!r}, gradient {node.gradient!r}"


def test_each_edge_is_drawn_once_and_ends_at_its_nodes():
    example = WorkedExample()
    root = ElementTree.fromstring(example.svg())
    edges = [path.attrib["d"] for path in root.findall(f"{SVG}path")]
    assert len(edges) == len(set(edges)) == sum(len(node.inputs) for node in example.nodes.values())
    boxes = [
        {key: float(rect.attrib[key]) for key in ("x", "y", "width")} for rect in root.iter(f"{SVG}rect")
    ]
    for edge in edges:
        assert re.fullmatch(r"M [\d.]+ [\d.]+ C( [\d.]+){6} H [\d.]+", edge)
        start, end = float(edge.split()[1]), float(edge.split()[-1])
        assert any(box["x"] + box["width"] == start for box in boxes)
        assert any(box["x"] == end for box in boxes)


@pytest.mark.parametrize("example", EXAMPLES)
def test_no_text_of_a_node_leaves_the_picture_or_overlaps_another(example):
    root = ElementTree.fromstring(example.svg())
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    areas = []
    for text in root.iter(f"{SVG}text"):
        kinds = text.attrib["class"].split() if "class" in text.attrib else []
        size = 25 if "title" in kinds else 14 if "small" in kinds else 16
        wide, x, y = 0.66 * size * len(text.text or ""), float(text.attrib["x"]), float(text.attrib["y"])
        left = x - wide / 2 if "middle" in kinds else x - wide if "end" in kinds else x
        assert left >= 0
        assert left + wide <= width
        assert y - size >= 0
        assert y + 4 <= height
        areas.append((left, left + wide, y - 0.8 * size, y))
    for one, other in combinations(areas, 2):
        apart = one[1] <= other[0] or other[1] <= one[0] or one[3] <= other[2] or other[3] <= one[2]
        assert apart, (one, other)


def test_the_two_shares_of_n1_are_shown_and_add_up():
    root = ElementTree.fromstring(WorkedExample().svg())
    (group,) = [g for g in root.findall(f"{SVG}g") if (g.findtext(f"{SVG}title") or "").startswith("n1:")]
    gradient, first, second = [
        float((text.text or "").replace("−", "-").replace(" ", "").lstrip("="))
        for text in group.findall(f"{SVG}text")
        if "gradient" in text.attrib["class"]
    ]
    assert first + second == pytest.approx(gradient, rel=1e-5)


def test_drawing_changes_nothing():
    example = WorkedExample()
    assert example.svg() == example.svg()
    with pytest.raises(RuntimeError, match="no gradient yet"):
        example.gradients()


def test_the_picture_can_be_written_to_a_file(tmp_path):
    example = WorkedExample()
    path = tmp_path / "graph.svg"
    text = example.svg(path)
    assert path.read_text(encoding="utf-8") == text
    ElementTree.parse(path)
    with pytest.raises(FileNotFoundError):
        example.svg(tmp_path / "missing" / "graph.svg")


def test_a_picture_that_cannot_be_written_leaves_the_older_one(tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "graph.svg"
    older = WorkedExample().svg(path)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left on device.*graph.svg"):
        WorkedExample(x=1).svg(path)
    assert path.read_text(encoding="utf-8") == older
    assert os.listdir(tmp_path) == ["graph.svg"]


@pytest.mark.parametrize("steps", [0, 1, 2, 3, 50])
def test_the_picture_is_that_of_the_last_step(steps):
    stepwise = WorkedExample()
    for _ in range(steps - 1):
        stepwise.step(0.3)
    root = ElementTree.fromstring(WorkedExample().svg(lr=0.3, steps=steps))
    titles = [group.findtext(f"{SVG}title") for group in root.findall(f"{SVG}g")]
    nodes = finished(stepwise).nodes
    assert titles == [f"{name}: output {node.output!r}, gradient {node.gradient!r}" for name, node in nodes.items()]
    heading = "Backpropagation by hand" + (f", step {steps}" if steps > 1 else "")
    assert [text.text for text in root.findall(f"{SVG}text") if text.attrib.get("class") == "title"] == [heading]
    assert root.findtext(f"{SVG}title") == f"{heading}: the worked example as a graph"
