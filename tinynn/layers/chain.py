"""Layers one after the other: lists of layers, their names, and how they connect."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tinynn.engine.graph import MOST_CHARACTERS, Network, Tensor
from tinynn.layers.base import Layer


class FixedList(list[Layer]):
    """The layers of a model or a wrapper: a list that says how to change it instead of changing."""

    def _refuse(self, *arguments: Any, **keywords: Any) -> Any:
        raise TypeError("layers: the list of layers cannot be changed, since weights belong to them; append one with "
                        "model.add(layer), or make another model from layer.clone() of those to keep")

    append = extend = insert = remove = pop = clear = sort = reverse = _refuse
    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse

    def __reduce__(self) -> Any:  # copies are made all at once, not by appending
        return type(self), (list(self),)


def as_layers(layers: Layer | Sequence[Layer], wrapper: str) -> FixedList:
    """A layer or a sequence of layers as a list."""
    if not isinstance(layers, Layer) and (isinstance(layers, str) or not hasattr(layers, "__iter__")):
        raise TypeError(f"{wrapper}: layers must be a layer or a list of layers, got {layers!r}")
    listed = [layers] if isinstance(layers, Layer) else list(layers)
    for number, layer in enumerate(listed):
        if not isinstance(layer, Layer):
            hint = f"; write {layer.__name__}(...)" if isinstance(layer, type) and issubclass(layer, Layer) else ""
            raise TypeError(f"{wrapper}: layers[{number}] must be a layer, got {layer!r}{hint}")
    if not listed:
        raise ValueError(f"{wrapper}: needs at least one layer")
    return FixedList(listed)


def connect_chain(layers: Sequence[Layer], names: Sequence[str], network: Network, x: Tensor) -> list[Tensor]:
    """One layer after the other, each under its name; returns the output of each."""
    outputs = []
    for name, layer in zip(names, layers, strict=True):
        with network.scope(name, layer.trainable, layer):
            x = network.own(layer.connect(network, x), "what connect returns")
        outputs.append(x)
    return outputs


def with_inner(layers: Sequence[Layer]) -> Iterator[Layer]:
    """The layers and those inside them."""
    waiting = list(reversed(layers))
    while waiting:
        layer = waiting.pop()
        yield layer
        waiting.extend(reversed(getattr(layer, "layers", ())))


def unique_names(layers: Sequence[Layer]) -> list[str]:
    """A name for each layer: its own, or its class's with a number where that is taken."""
    taken: set[str] = set()
    for name in (layer.name for layer in layers if layer.name is not None):
        if (not isinstance(name, str) or not 1 <= len(name) <= MOST_CHARACTERS or "/" in name or name == "optimizer"
                or not name.isprintable()):
            raise ValueError(f"a layer's name must be a string of 1 to {MOST_CHARACTERS} printable characters without "
                             f"'/', and not 'optimizer', got {name!r:.200}")
        if name in taken:
            raise ValueError(f"two layers are named {name!r}; give each a name of its own")
        taken.add(name)
    names = []
    numbers: dict[str, int] = {}
    for layer in layers:
        chosen = layer.name
        if chosen is None:
            base = chosen = layer.default_name()
            while chosen in taken:
                numbers[base] = numbers.get(base, 0) + 1
                chosen = f"{base}_{numbers[base]}"
            taken.add(chosen)
        names.append(chosen)
    return names
