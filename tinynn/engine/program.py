"""Programs: the compiler's output, in plain Python data. A plan runs them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tinynn.engine.graph import Node, Tensor


@dataclass(eq=False)
class Program:
    """A network with loss and metrics, compiled.

    Attributes
    ----------
    nodes : list of Node
        The ops in forward order: those of the layers, then the loss, then the metrics.
    loss : int or None
        Index of the loss in nodes; metrics follow it.
    buffers : dict
        Maps the number of each buffer in use to its number of elements per sample.
    gradients : set of int
        Buffers that need a gradient.
    aliases : dict
        Buffers that hold the values of another one, with a gradient of their own: what each of several readers reads.
    input, target : Tensor
        The tensors into which a batch is gathered.
    output : Tensor
        The prediction.
    scale, offset : float
        Applied to the samples while they are gathered.
    labels : bool
        Whether targets are labels (whole numbers).
    loss_rows : int
        Losses per sample.
    needs_items : str or None
        Which layer cannot mask padding, and why; None if all can.
    flops : int
        Floating-point operations of one forward pass, per sample.
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
    aliases: dict[int, int] = field(default_factory=dict)
    flops: int = 0


@dataclass(frozen=True)
class LossSpec:
    """A loss or metric as the engine needs it: the op's name, its attributes, and whether targets are labels."""

    op: str
    labels: bool = False
    attributes: tuple[tuple[str, Any], ...] = ()
    python: Any = None
