"""What the compiler makes of specs, and a plan runs: still plain Python data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tinynn.engine.graph import Node, Tensor


@dataclass(eq=False)
class Program:
    """What a plan runs.

    Attributes
    ----------
    nodes : list of Node
        Forward order: the layers' ops, then the loss, then the metrics.
    loss : int or None
        Index of the loss in nodes; metrics follow it.
    buffers : dict
        Numbers per sample of every buffer in use, by its number.
    gradients : set of int
        Buffers that need a gradient.
    input, target : Tensor
        What a mini-batch is gathered into.
    output : Tensor
        What `predict` returns.
    scale, offset : float
        Applied to the samples while they are gathered.
    labels : bool
        Whether targets are whole numbers.
    loss_rows : int
        Losses per sample.
    needs_items : str or None
        Who, and why, cannot do without the items that a sample lacks; None: nobody.
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
