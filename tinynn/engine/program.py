"""What the compiler produces and a plan runs: plain Python data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tinynn.engine.graph import Node, Tensor


@dataclass(eq=False)
class Program:
    """A model's ops, ready to be placed in memory.

    Attributes
    ----------
    nodes : list of Node
        Forward order: the layers' ops, then the loss, then the metrics.
    loss : int or None
        Index of the loss in nodes; metrics follow it.
    buffers : dict
        Numbers per sample in each buffer, by the buffer's number.
    gradients : set of int
        Buffers that need a gradient, by number.
    input, target : Tensor
        The tensors that a mini-batch is gathered into.
    output : Tensor
        The tensor that `predict` returns.
    scale, offset : float
        Applied to the samples while they are gathered.
    labels : bool
        Whether targets are class labels.
    loss_rows : int
        Losses per sample.
    needs_items : str or None
        Why samples with missing items cannot be used, for an error message; None if they can.
    """

    nodes: list[Node]
    input: Tensor
    output: Tensor
    target: Tensor | None = None
    labels: bool = False
    loss: int | None = None
    loss_rows: int = 1
    needs_items: str | None = None
    scale: float = 1.0
    offset: float = 0.0
    buffers: dict[int, int] = field(default_factory=dict)
    gradients: set[int] = field(default_factory=set)
    dead_outputs: set[int] = field(default_factory=set)
    flops: int = 0


@dataclass(frozen=True)
class LossSpec:
    """A loss or metric as the engine sees it: the op's name, its attributes, and whether targets are labels."""

    op: str
    labels: bool = False
    attributes: tuple[tuple[str, Any], ...] = ()
    python: Any = None
