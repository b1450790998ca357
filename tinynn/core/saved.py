"""Converts a core to a description and tensors, and back. Model files, checkpoints and copies are made of these.

Tensors are named ``layer/parameter``; the optimizer's state vectors are named ``optimizer/velocity``, ... A
checkpoint (training/checkpoint.py) has one more entry, ``training``, with the tensors ``training/0``, ...
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinynn.checks import check_count, check_shape
from tinynn.core.core import Core
from tinynn.engine.graph import Network, Parameter, Shape, view
from tinynn.engine.memory import aligned, aligned_copy
from tinynn.io.format import Tensors
from tinynn.layers.base import Layer
from tinynn.registry import deserialize, serialize

STATE = "optimizer/"
TRAINING = "training/"


def describe(core: Core, optimizer: bool, compiled: bool = True) -> dict[str, Any]:
    """Describe a core without its tensors, for JSON. `optimizer` includes the numbers of updates and epochs."""
    return {
        "architecture": architecture_of(core),
        "compile": None if core.optimizer is None or not compiled else serialize(
            {"optimizer": core.optimizer, "loss": core.loss, "metrics": core.metrics}),
        "state": {"key": core.key, "iteration": core.iteration if optimizer else 0,
                  "epochs": core.epochs if optimizer else 0},
        **({} if core.provenance is None else {"provenance": core.provenance}),
        **({"notes": serialize(core.notes, "notes")} if core.notes else {}),
    }


def architecture_of(core: Core) -> dict[str, Any]:
    """Describe a core's layers, input shape and dtype, for JSON."""
    return {
        "name": core.name, "dtype": core.dtype.name,
        "input_shape": None if core.input_shape is None else list(core.input_shape),
        "layers": [_describe_layer(layer, name) for name, layer in zip(core.names, core.layers, strict=True)],
        **({} if core.trainable else {"trainable": False}),
    }


def _describe_layer(layer: Layer, name: str) -> dict[str, Any]:
    """Describe a layer under its name in the model."""
    entry = serialize(layer, name)
    config = {**entry["config"], "name": name} if "name" in entry["config"] else entry["config"]
    return {"class": entry["class"], "config": config, "name": name}


def tensors_of(core: Core, optimizer: bool) -> Tensors:
    """Return the arrays of a core by their names in a file."""
    if core.weights is None:
        return {}
    tensors = {path: view(core.weights, parameter) for path, parameter in core.parameters.items()}
    if optimizer and core.optimizer is not None:
        states = core.states  # read once: another thread's training may replace it
        tensors.update({STATE + name: states[name] for name in core.optimizer.states() if name in states})
    return tensors


@contextmanager
def refused(where: str) -> Iterator[None]:
    """Turn the errors that an invalid description can cause into a ValueError that begins with `where`."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    except (TypeError, LookupError, AttributeError, ArithmeticError, RuntimeError) as error:
        raise ValueError(f"{where}: {type(error).__name__}: {error}") from None


def unbuilt(architecture: Mapping[str, Any], rng: Any = 0) -> Core:
    """Make the core that `architecture_of` described, without weights."""
    layers = []
    for entry in architecture["layers"]:
        layer = deserialize({"class": entry["class"], "config": entry["config"]})
        layer.name = entry["name"]
        layers.append(layer)
    core = Core(layers, rng, architecture["dtype"], architecture["name"])
    core.trainable = bool(architecture.get("trainable", True))
    return core


def assemble(description: dict[str, Any], tensors: Tensors, compiled: bool = True) -> Core:
    """Make a core from a description and tensors.

    Raises
    ------
    Exception
        If they do not fit together. `refused` lists the types and turns them into a ValueError.
    """
    if "training" in description:
        tensors = {name: tensor for name, tensor in tensors.items() if not re.fullmatch(TRAINING + "[0-9]+", name)}
    states = {name.removeprefix(STATE): tensor for name, tensor in tensors.items() if name.startswith(STATE)}
    architecture, state = description["architecture"], description["state"]
    core = unbuilt(architecture)
    core.key = check_count("state", "key", state["key"], 0, 2**64 - 1)
    if architecture["input_shape"] is not None:
        _fill(core, check_shape("architecture", "input_shape", architecture["input_shape"]), tensors)
    elif tensors:
        raise ValueError("the file has tensors, but its model has no input shape yet")
    for entry in ("provenance", "notes"):
        if not isinstance(description.get(entry, {}), dict):
            raise ValueError(f"the entry {entry!r} must be a dict, got {description[entry]!r}")
    core.provenance, core.notes = description.get("provenance"), description.get("notes", {})
    if not compiled:
        return core
    if description["compile"] is not None:
        arguments = deserialize(description["compile"])
        core.compile(arguments["optimizer"], arguments["loss"], arguments["metrics"])
        core.iteration = check_count("state", "iteration", state["iteration"], 0, 2**32 - 1)
        core.epochs = check_count("state", "epochs", state.get("epochs", 0), 0, 2**32 - 1)
    _fill_states(core, states)
    return core


class _Declared(dict[str, Parameter]):
    """Parameters by path. Adding one checks it against the file's tensors, before any memory is allocated for it."""

    def __init__(self, tensors: Tensors, dtype: np.dtype[Any]) -> None:
        super().__init__()
        self.tensors, self.dtype = tensors, dtype

    def __setitem__(self, path: str, parameter: Parameter) -> None:
        tensor = self.tensors.get(path)
        if tensor is None or tensor.shape != parameter.shape:
            got = "nothing" if tensor is None else tensor.shape
            raise ValueError(f"the architecture needs {path!r} with shape {parameter.shape}, but the file has {got}")
        if tensor.dtype != self.dtype:
            raise ValueError(f"{path!r} has dtype {tensor.dtype}, but the model is {self.dtype}")
        super().__setitem__(path, parameter)


def _fill(core: Core, shape: Shape, tensors: Tensors) -> None:
    """Build the core with the file's weights."""
    # Check the shapes first: a file must not demand more memory than its own tensors take.
    network = Network(_Declared(tensors, core.dtype), trainable=core.trainable)
    declared = network.parameters
    core.connect(network, shape)
    extra = {name for name in tensors.keys() - declared.keys() if not name.startswith(STATE)}
    if extra:
        raise ValueError(f"the file has tensors that the architecture does not have: {', '.join(sorted(extra))}")
    weights: NDArray[Any] = aligned(sum(parameter.size for parameter in declared.values()), core.dtype)
    np.concatenate([np.empty(0, core.dtype), *(tensors[path].reshape(-1) for path in declared)], out=weights)
    core.adopt(network, weights, shape)


def _fill_states(core: Core, states: Tensors) -> None:
    """Restore the optimizer's state."""
    if not states:
        return
    weights = core.built("load")
    if any(state.shape != weights.shape or state.dtype != core.dtype for state in states.values()):
        raise ValueError("the optimizer's vectors do not fit the model")
    names = () if core.optimizer is None else core.optimizer.states()
    if states.keys() == {str(number) for number in range(len(states))}:  # written by 0.1.0, which numbered them
        # A different count means that the options have changed, so the numbers cannot be assigned to names.
        states = {name: states[str(number)] for number, name in enumerate(names) if len(names) == len(states)}
    elif any(not re.fullmatch("[a-z_]+", name) for name in states):
        raise ValueError("the optimizer's vectors do not fit the model")
    # If the optimizer's options changed after its last step, a vector may be superfluous or missing.
    core.states = {name: aligned_copy(states[name]) for name in names if name in states}
