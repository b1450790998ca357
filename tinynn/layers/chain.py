"""Chains of layers: the list of layers, their names, and their connection."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tinynn.engine.graph import MAX_CHARACTERS, Network, Tensor
from tinynn.layers.base import Layer


class FixedList(list[Layer]):
    """The layers of a model or a wrapper: a read-only list. Its errors say what to do instead of changing it."""

    def _refuse(self, *arguments: Any, **keywords: Any) -> Any:
        raise TypeError("layers: the list is read-only, because the model's weights belong to its layers; append one "
                        "with model.add(layer), or make a new model from clones of the layers (layer.clone())")

    append = extend = insert = remove = pop = clear = sort = reverse = _refuse
    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse

    def __reduce__(self) -> Any:  # list's own would append the items of a copy one by one
        return type(self), (list(self),)


def as_layers(layers: Layer | Sequence[Layer], wrapper: str) -> FixedList:
    """Check a layer or a sequence of layers, and return it as a list."""
    if not isinstance(layers, Layer) and (isinstance(layers, str) or not hasattr(layers, "__iter__")):
        raise TypeError(f"{wrapper}: layers must be a layer or a list of layers, got {layers!r}")
    listed = [layers] if isinstance(layers, Layer) else list(layers)
    for number, layer in enumerate(listed):
        if not isinstance(layer, Layer):
            hint = f"; write {layer.__name__}(...)" if isinstance(layer, type) and issubclass(layer, Layer) else ""
            raise TypeError(f"{wrapper}: layers[{number}] must be a layer, got {layer!r}{hint}")
    if not listed:
        raise ValueError(f"{wrapper}: layers must not be empty; give at least one layer")
    return FixedList(listed)


def connect_chain(layers: Sequence[Layer], names: Sequence[str], network: Network, x: Tensor) -> list[Tensor]:
    """Connect the layers one after another, each in a scope of its name; return the output of each."""
    outputs = []
    for name, layer in zip(names, layers, strict=True):
        with network.scope(name, layer.trainable, layer):
            x = network.check_tensor(layer.connect(network, x), "the result of connect")
        outputs.append(x)
    return outputs


def with_inner(layers: Sequence[Layer]) -> Iterator[Layer]:
    """Yield the layers and all layers nested in them, depth first."""
    stack = list(reversed(layers))
    while stack:
        layer = stack.pop()
        yield layer
        stack.extend(reversed(getattr(layer, "layers", ())))


def unique_names(layers: Sequence[Layer]) -> list[str]:
    """Return a name for each layer: the user's, or the class name, numbered if it is taken."""
    taken: set[str] = set()
    for name in (layer.name for layer in layers if layer.name is not None):
        if (not isinstance(name, str) or not 1 <= len(name) <= MAX_CHARACTERS or "/" in name or name == "optimizer"
                or not name.isprintable()):
            raise ValueError(f"a layer's name must be a string of 1 to {MAX_CHARACTERS} printable characters without "
                             f"'/', and not 'optimizer', got {name!r:.200}")
        if name in taken:
            raise ValueError(f"two layers are named {name!r}; give each its own name")
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
