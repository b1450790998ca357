"""A model as text."""

from __future__ import annotations

from tinynn.core.core import Core
from tinynn.engine.graph import Network
from tinynn.tables import table


def summary_of(core: Core) -> str:
    """The layers with their output shapes and numbers of parameters, as a table."""
    weights, shape = core.built("summary"), core.input_shape
    assert shape is not None
    _, _, outputs = core.connect(Network(dict(core.parameters), trainable=core.trainable), shape)
    rows = [("layer", "type", "output", "parameters")]
    for name, layer in zip(core.names, core.layers, strict=True):
        count = sum(p.size for path, p in core.parameters.items() if path.startswith(f"{name}/"))
        sizes = ", ".join("any" if n is None else str(n) for n in ("batch", *outputs[name].shape))
        rows.append((name, type(layer).__name__, f"({sizes})", f"{count:,}"))
    header, *lines = table(rows, "<<<>").splitlines()
    rule = "-" * max(map(len, [header, *lines]))
    trainable = sum(p.size for p in core.parameters.values() if p.trainable)
    total = f"{weights.size:,} parameters ({trainable:,} trainable), {weights.nbytes / 1e6:.2f} MB"
    return "\n".join([f"{core.name} ({core.dtype})", rule, header, rule, *lines, rule, total])
