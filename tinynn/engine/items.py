"""Samples with missing items: which ops skip them, and which programs cannot.

A data set may give some samples fewer items than others. The places of missing items are filled with blanks, which must
not influence the model's output. So the compiler follows the items through the ops. A tensor is one of three kinds: it
has a part for each item, computed from that item (after a recurrent layer, from the items up to it); it belongs to one
item; or it belongs to the whole sample. An op that combines the parts must skip the missing ones; if it cannot, the
program notes why, for the error message when such data arrive.
"""

from __future__ import annotations

from dataclasses import replace

from tinynn.engine.graph import Node, Tensor, product
from tinynn.engine.program import Program
from tinynn.kernels import op as ops

#: What a buffer holds: a part for each item, or data of the whole sample. A number: data of the item of that number.
PARTS = "parts"
WHOLE = "whole"
Kind = str | int


class _CombinesItems(Exception):
    """An op combines several items and cannot skip any; the text says which."""


def find_items(program: Program) -> None:
    """Tell ops to skip missing items where they must; set `program.needs_items` if one cannot."""
    if not program.input.shape:
        return  # samples without an axis have no items
    items = product(program.input.shape[:1])
    assert items is not None
    kinds: dict[int, Kind] = {program.input.buffer: PARTS}
    if program.target is not None:
        kinds[program.target.buffer] = WHOLE
    try:
        for number, node in enumerate(program.nodes):
            made, counted = _follow(node, [kinds[x.buffer] for x in node.inputs], items)
            if program.loss is not None and number >= program.loss and set(made) != {WHOLE}:
                raise _CombinesItems("the loss and the metrics are computed for every item")
            if counted:
                program.nodes[number] = replace(node, attributes={**node.attributes, "counted": True})
            for tensor, kind in zip(node.outputs, made, strict=True):
                kinds[tensor.buffer] = kind
    except _CombinesItems as reason:
        program.needs_items = str(reason)


def _follow(node: Node, kinds: list[Kind], items: int) -> tuple[list[Kind], bool]:
    """What an op's outputs hold if its inputs hold these kinds, and whether the op must skip missing items for that."""
    op, x, outputs = ops.registered[node.op], node.inputs[0], len(node.outputs)
    if set(kinds) == {WHOLE}:
        return [WHOLE] * outputs, False
    if op.keeps_statistics():
        raise _CombinesItems(f"layer {node.layer!r} computes statistics over all items")
    if len(set(kinds)) == 1 and isinstance(kinds[0], int):
        return [kinds[0]] * outputs, False
    if node.op == "stack" and kinds == list(range(items)) and x.fold == 1:
        return [PARTS], False
    if set(kinds) <= {PARTS, WHOLE}:
        if op.leaves_out() and _is_sequence_of(x, items):
            # After a sample's last item, a sequence of states repeats the last state.
            first = PARTS if node.attributes.get("return_sequences") else WHOLE
            return [first, *[WHOLE] * (outputs - 1)], True
        if node.op == "split" and x.fold == 1 and outputs % items == 0:
            return [place // (outputs // items) for place in range(outputs)], False
        parts = [tensor for tensor, kind in zip(node.inputs, kinds, strict=True) if kind == PARTS]
        if all(_numbers(tensor) % (items * op.together(tensor.shape)) == 0 for tensor in parts):
            return [PARTS] * outputs, False
    raise _CombinesItems(f"layer {node.layer!r} combines all items")


def _is_sequence_of(x: Tensor, items: int) -> bool:
    """Whether a row is a sample, and its second-to-last axis the items."""
    alone = replace(x, shape=x.shape[-2:])
    return x.fold == 1 and x.shape[-2:-1] == (items,) and _numbers(x) == _numbers(alone)


def _numbers(x: Tensor) -> int:
    """Numbers per sample; by now, all sizes are known."""
    size = product((x.fold, *x.shape))
    assert size is not None
    return size
