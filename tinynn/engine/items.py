"""Samples that lack items: which ops can do without them, and who cannot.

A data set may give a sample fewer items than the others have. The places of the missing ones are blank, and what is
computed from a blank must not get into what the model says of the sample. So the compiler follows the items through the
ops: a tensor consists of as many equal parts as there are items, each computed from its own item (or, behind a
recurrent layer, from those up to it); or it belongs to one item; or it is of the whole sample. An op that takes the
parts together leaves the missing ones out, if it can, or is what the program names when such data come.
"""

from __future__ import annotations

from dataclasses import replace

from tinynn.engine.graph import Node, Tensor, product
from tinynn.engine.program import Program
from tinynn.kernels import op as ops

#: What a buffer holds: a part for each item, or something of the whole sample. A number: something of that item.
PARTS = "parts"
WHOLE = "whole"
Kind = str | int


class _Together(Exception):
    """An op takes several items together; says who."""


def find_items(program: Program) -> None:
    """Tell the ops that can leave out items to do so, and note in the program who cannot."""
    if not program.input.shape:
        return  # such samples have no items
    items = product(program.input.shape[:1])
    assert items is not None
    kinds: dict[int, Kind] = {program.input.buffer: PARTS}
    if program.target is not None:
        kinds[program.target.buffer] = WHOLE
    try:
        for number, node in enumerate(program.nodes):
            made, counted = _follow(node, [kinds[x.buffer] for x in node.inputs], items)
            if program.loss is not None and number >= program.loss and set(made) != {WHOLE}:
                raise _Together("the loss and the metrics are taken of every item")
            if counted:
                program.nodes[number] = replace(node, attributes={**node.attributes, "counted": True})
            for tensor, kind in zip(node.outputs, made, strict=True):
                kinds[tensor.buffer] = kind
    except _Together as reason:
        program.needs_items = str(reason)


def _follow(node: Node, kinds: list[Kind], items: int) -> tuple[list[Kind], bool]:
    """What an op's outputs hold when its inputs hold this, and whether the op has to leave out items for that."""
    op, x, outputs = ops.registered[node.op], node.inputs[0], len(node.outputs)
    if set(kinds) == {WHOLE}:
        return [WHOLE] * outputs, False
    if op.keeps_statistics():
        raise _Together(f"layer {node.layer!r} takes its statistics over all items")
    if len(set(kinds)) == 1 and isinstance(kinds[0], int):
        return [kinds[0]] * outputs, False
    if node.op == "stack" and kinds == list(range(items)) and x.fold == 1:
        return [PARTS], False
    if set(kinds) <= {PARTS, WHOLE}:
        if op.leaves_out() and _is_sequence_of(x, items):
            # Behind a sample's last item, a sequence of states repeats the last one.
            first = PARTS if node.attributes.get("return_sequences") else WHOLE
            return [first, *[WHOLE] * (outputs - 1)], True
        if node.op == "split" and x.fold == 1 and outputs % items == 0:
            return [place // (outputs // items) for place in range(outputs)], False
        parts = [tensor for tensor, kind in zip(node.inputs, kinds, strict=True) if kind == PARTS]
        if all(_numbers(tensor) % (items * op.together(tensor.shape)) == 0 for tensor in parts):
            return [PARTS] * outputs, False
    raise _Together(f"layer {node.layer!r} takes all items together")


def _is_sequence_of(x: Tensor, items: int) -> bool:
    """Whether a row is a sample, and its last axis but one the items."""
    alone = replace(x, shape=x.shape[-2:])
    return x.fold == 1 and x.shape[-2:-1] == (items,) and _numbers(x) == _numbers(alone)


def _numbers(x: Tensor) -> int:
    """Numbers per sample, all sizes being known by now."""
    size = product((x.fold, *x.shape))
    assert size is not None
    return size
