"""Model files: safetensors with one metadata entry that describes the model.

Tensors are named ``layer/parameter``; the optimizer's vectors ``optimizer/velocity``, ... The entry ``tinynn`` holds
canonical JSON: format version, architecture, compile arguments, training state, what the last `fit` was given and
reached, the user's notes, and the SHA-256 of all that and the tensors. A checkpoint (checkpoint.py) is a model file
with one more entry, ``training``, whose tensors are ``training/0``, ...
Nothing in a file is executed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynn.engine.memory import aligned, aligned_copy
from tinynn.engine.network import Network, Parameter, Shape, view
from tinynn.io.atomic import read_file, write_file
from tinynn.io.suffixes import check_suffix
from tinynn.model.registry import deserialize, serialize

if TYPE_CHECKING:
    from tinynn.model.layer import Layer
    from tinynn.model.sequential import Sequential

FORMAT = 1
STATE = "optimizer/"
TRAINING = "training/"


def describe(model: Sequential, optimizer: bool, compiled: bool = True) -> dict[str, Any]:
    """Everything about a model but its numbers, as JSON can hold it."""
    return {
        "format": FORMAT,
        "architecture": architecture_of(model),
        "compile": None if model.optimizer is None or not compiled else serialize(
            {"optimizer": model.optimizer, "loss": model.loss, "metrics": model.metrics}),
        "state": {"key": model._key, "iteration": model._iteration if optimizer else 0,
                  "epochs": model._epochs if optimizer else 0},
        **({} if model.provenance is None else {"provenance": model.provenance}),
        **({"notes": serialize(model.notes, "notes")} if model.notes else {}),
    }


def architecture_of(model: Sequential) -> dict[str, Any]:
    """What a model is made of, as JSON can hold it."""
    return {
        "name": model.name, "dtype": model._dtype.name,
        "input_shape": None if model.input_shape is None else list(model.input_shape),
        "layers": [_describe_layer(layer, name) for name, layer in zip(model._names, model.layers, strict=True)],
        **({} if model.trainable else {"trainable": False}),
    }


def _describe_layer(layer: Layer, name: str) -> dict[str, Any]:
    """A layer under the name it has in the model, whether the user gave it or the model chose it."""
    entry = serialize(layer, name)
    config = {**entry["config"], "name": name} if "name" in entry["config"] else entry["config"]
    return {"class": entry["class"], "config": config, "name": name}


def tensors_of(model: Sequential, optimizer: bool) -> dict[str, np.ndarray]:
    """The arrays of a model by the names they have in a file."""
    if model._weights is None:
        return {}
    tensors = {path: view(model._weights, parameter) for path, parameter in model._parameters.items()}
    if optimizer and model.optimizer is not None:
        states = model._states  # a training may go on beside this
        tensors.update({STATE + name: states[name] for name in model.optimizer.states() if name in states})
    return tensors


def canonical(description: dict[str, Any]) -> str:
    """The one way to write a description."""
    return json.dumps(description, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(description: dict[str, Any], tensors: dict[str, np.ndarray]) -> str:
    """SHA-256 of the description (but for this entry) and the tensors' names, dtypes, shapes and bytes."""
    total = hashlib.sha256(canonical({k: v for k, v in description.items() if k != "sha256"}).encode())
    for name in sorted(tensors):
        array = np.ascontiguousarray(tensors[name])
        total.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        total.update(array.reshape(-1).view(np.uint8).data)
    return total.hexdigest()


def to_bytes(model: Sequential, optimizer: bool = True, training: dict[str, Any] | None = None,
             more: dict[str, np.ndarray] | None = None, compiled: bool = True) -> bytes:
    """The content of a model file, with or without what the optimizer remembers; of a checkpoint, with its entry.

    The numbers are copied first: another thread may train the model while they are hashed and written.
    """
    from safetensors.numpy import save as save_tensors  # only now: import time counts

    description = {**describe(model, optimizer, compiled), **({} if training is None else {"training": training})}
    arrays = {**tensors_of(model, optimizer and compiled), **(more or {})}
    tensors = {name: np.array(array, array.dtype.newbyteorder("="), order="C") for name, array in arrays.items()}
    return save_tensors(tensors, {"tinynn": canonical({**description, "sha256": digest(description, tensors)})})


def save(model: Sequential, path: str | os.PathLike[str], optimizer: bool) -> None:
    """Write a model file."""
    check_suffix(path, "save: path")
    content = to_bytes(model, optimizer)
    try:
        write_file(path, content)
    except ValueError as error:
        raise ValueError(f"save: {error}") from None
    except OSError as error:
        raise type(error)(error.errno, f"save: cannot write {os.fspath(path)!r}: {error.strerror}") from None


def load(path: str | os.PathLike[str], compile: bool = True) -> Sequential:
    """Read a model that `Sequential.save` wrote.

    Parameters
    ----------
    path : str or path
        The file.
    compile : bool
        Whether to compile the model as the saved one was. Without, its loss, metrics and optimizer need not be known
        here: a model with a loss of your own can be loaded elsewhere to predict.

    Returns
    -------
    Sequential
        With the same weights, bit for bit, and compiled if the saved one was. Saved with ``include_optimizer=True``,
        it goes on training as if it had never been away; else its optimizer begins anew.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is no model file, or damaged; also if it is a pipe or a device.
    """
    name = os.fspath(path)
    return from_bytes(read(path), name, compile)


def read(path: str | os.PathLike[str]) -> bytes:
    """The content of a model file."""
    try:
        return read_file(path)
    except ValueError as error:
        raise ValueError(f"load: {error}") from None


def from_bytes(content: bytes, name: str = "the model's bytes", compile: bool = True) -> Sequential:
    """Make the model that a file's content describes."""
    return from_parts(*parse(content, name), name, compile)


def parse(content: bytes, name: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The description in a file's content, and its tensors, neither looked at."""
    from safetensors import SafetensorError
    from safetensors.numpy import load as load_tensors

    try:
        tensors = load_tensors(content)
        length = int.from_bytes(content[:8], "little")
        metadata = json.loads(content[8:8 + length]).get("__metadata__") or {}
        entry = metadata.get("tinynn")
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"load: {name} is not a safetensors file, or is damaged: {error}") from None
    if entry is None:
        raise ValueError(f"load: {name} is a safetensors file, but holds no tinynn model")
    try:
        return json.loads(entry), tensors
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"load: {name}: {type(error).__name__}: {error}") from None


def from_parts(description: dict[str, Any], tensors: dict[str, np.ndarray], name: str,
               compile: bool = True) -> Sequential:
    """Make the model that a description and tensors stand for."""
    with _refusals(f"load: {name}"):
        return _assemble(description, tensors, compile)


@contextmanager
def _refusals(where: str) -> Iterator[None]:
    """Whatever a description makes go wrong is a ValueError that says where."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    except (TypeError, LookupError, AttributeError, ArithmeticError, RuntimeError) as error:
        raise ValueError(f"{where}: {type(error).__name__}: {error}") from None


def from_architecture(cls: type[Sequential], architecture: Mapping[str, Any], rng: Any) -> Sequential:
    """Make the model that `architecture_of` described, with new weights."""
    with _refusals("from_config"):
        model = _unbuilt(cls, architecture, rng)
        if architecture["input_shape"] is not None:
            model.build(architecture["input_shape"])
        return model


def _unbuilt(cls: type[Sequential], architecture: Mapping[str, Any], rng: Any = 0) -> Sequential:
    layers = []
    for entry in architecture["layers"]:
        layer = deserialize({"class": entry["class"], "config": entry["config"]})
        layer.name = entry["name"]
        layers.append(layer)
    model = cls(layers, rng=rng, dtype=architecture["dtype"], name=architecture["name"])
    model.trainable = bool(architecture.get("trainable", True))
    return model


def _assemble(description: dict[str, Any], tensors: dict[str, np.ndarray], compile: bool) -> Sequential:
    from tinynn.model.sequential import Sequential, _check_shape

    if description["format"] != FORMAT:
        raise ValueError(f"the file has format {description['format']}, but this version reads {FORMAT}")
    if description["sha256"] != digest(description, tensors):
        raise ValueError("the content does not match its SHA-256; the file is damaged")
    if "training" in description:
        tensors = {name: tensor for name, tensor in tensors.items() if not re.fullmatch(TRAINING + "[0-9]+", name)}
    states = {name.removeprefix(STATE): tensor for name, tensor in tensors.items() if name.startswith(STATE)}
    architecture, state = description["architecture"], description["state"]
    model = _unbuilt(Sequential, architecture)
    model._key = whole_number(state["key"], 2**64, "key")
    if architecture["input_shape"] is not None:
        _fill(model, _check_shape(architecture["input_shape"]), tensors)
    elif tensors:
        raise ValueError("the file has tensors, but its model has no input shape yet")
    for entry in ("provenance", "notes"):
        if not isinstance(description.get(entry, {}), dict):
            raise ValueError(f"the entry {entry!r} must be a dict, got {description[entry]!r}")
    model.provenance, model.notes = description.get("provenance"), description.get("notes", {})
    if not compile:
        return model
    if description["compile"] is not None:
        compiled = deserialize(description["compile"])
        model.compile(compiled["optimizer"], compiled["loss"], compiled["metrics"])
        model._iteration = whole_number(state["iteration"], 2**32, "iteration")
        model._epochs = whole_number(state.get("epochs", 0), 2**32, "epochs")
    _fill_states(model, states)
    return model


def whole_number(value: Any, bound: int, what: str) -> int:
    """Check a number of the state."""
    if type(value) is not int or not 0 <= value < bound:
        raise ValueError(f"the {what} must be a whole number from 0 to {bound - 1}, got {value!r}")
    return value


class _Declared(dict[str, Parameter]):
    """Parameters by path, each compared with the file's tensors at once: what a file does not hold costs nothing."""

    def __init__(self, tensors: dict[str, np.ndarray], dtype: np.dtype) -> None:
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


def _fill(model: Sequential, shape: Shape, tensors: dict[str, np.ndarray]) -> None:
    """Build the model with the file's numbers."""
    # First the shapes alone, so that a file cannot ask for more memory than it brings.
    network = Network(_Declared(tensors, model._dtype), trainable=model.trainable)
    declared = network.parameters
    model._connect(network, shape)
    extra = {name for name in tensors.keys() - declared.keys() if not name.startswith(STATE)}
    if extra:
        raise ValueError(f"the file has tensors that the architecture does not: {', '.join(sorted(extra))}")
    weights = aligned(sum(parameter.size for parameter in declared.values()), model._dtype)
    np.concatenate([np.empty(0, model._dtype), *(tensors[path].reshape(-1) for path in declared)], out=weights)
    model._adopt(network, weights, shape)


def _fill_states(model: Sequential, states: dict[str, np.ndarray]) -> None:
    """Give the optimizer back what it remembered."""
    if not states:
        return
    if any(state.shape != model.parameters.shape or state.dtype != model._dtype for state in states.values()):
        raise ValueError("the optimizer's vectors do not fit the model")
    names = () if model.optimizer is None else model.optimizer.states()
    if states.keys() == {str(number) for number in range(len(states))}:  # written by 0.1.0, which numbered them
        # With options that have changed since, nobody knows which is which.
        states = {name: states[str(number)] for number, name in enumerate(names) if len(names) == len(states)}
    elif any(not re.fullmatch("[a-z_]+", name) for name in states):
        raise ValueError("the optimizer's vectors do not fit the model")
    # Its options may have changed since its last step: then it forgets one, or begins one anew.
    model._states = {name: aligned_copy(states[name]) for name in names if name in states}
