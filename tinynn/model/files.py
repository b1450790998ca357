"""Model files: safetensors with one metadata entry that describes the model.

Tensors are named ``layer/parameter``; the optimizer's vectors ``optimizer/0``, ... The entry ``tinynn`` holds
canonical JSON: format version, architecture, compile arguments, training state, what the last `fit` was given and
reached, the user's notes, and the SHA-256 of all that and the tensors. A checkpoint (checkpoint.py) is a model file
with one more entry, ``training``, whose tensors are ``training/0``, ...
Nothing in a file is executed.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynn.engine.memory import aligned, aligned_copy
from tinynn.engine.network import Network, Parameter, Shape, view
from tinynn.model.registry import deserialize, serialize

if TYPE_CHECKING:
    from tinynn.model.layer import Layer
    from tinynn.model.sequential import Sequential

FORMAT = 1
STATE = "optimizer/"
TRAINING = "training/"


def describe(model: Sequential, optimizer: bool) -> dict[str, Any]:
    """Everything about a model but its numbers, as JSON can hold it."""
    compiled = None if model.optimizer is None else serialize(
        {"optimizer": model.optimizer, "loss": model.loss, "metrics": model.metrics})
    return {
        "format": FORMAT,
        "architecture": {
            "name": model.name, "dtype": model._dtype.name,
            "input_shape": None if model.input_shape is None else list(model.input_shape),
            "layers": [_describe_layer(layer, name) for name, layer in zip(model._names, model.layers, strict=True)],
        },
        "compile": compiled,
        "state": {"key": model._key, "iteration": model._iteration if optimizer else 0},
        **({} if model.provenance is None else {"provenance": model.provenance}),
        **({"notes": serialize(model.notes, "notes")} if model.notes else {}),
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
    if optimizer:
        tensors.update({f"{STATE}{i}": state for i, state in enumerate(model._states)})
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
             more: dict[str, np.ndarray] | None = None) -> bytes:
    """The content of a model file, with or without what the optimizer remembers; of a checkpoint, with its entry."""
    from safetensors.numpy import save as save_tensors  # only now: import time counts

    arrays = {**tensors_of(model, optimizer), **(more or {})}
    tensors = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    description = {**describe(model, optimizer), **({} if training is None else {"training": training})}
    return save_tensors(tensors, {"tinynn": canonical({**description, "sha256": digest(description, tensors)})})


def replace(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file whole or not at all: into a temporary one beside it, which then takes its name.

    When this returns, the file is on the disk under its name; when the power fails before, the old one is.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is no regular file")
    temporary = path.parent / f"{temporary_prefix(path)}{secrets.token_hex(8)}"
    # Not tempfile's, whose files only their owner may read.
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        try:
            rest = memoryview(content)
            while rest:  # a disk that is nearly full takes a part, and says so the next time
                rest = rest[os.write(handle, rest):]
            os.fsync(handle)
        finally:
            os.close(handle)
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    _sync_folder(path.parent)


def temporary_prefix(path: Path) -> str:
    """How the names of a file's temporary ones begin; by them those that a killed process left are found."""
    return f".tinynn-{hashlib.sha256(path.name.encode(errors='surrogateescape')).hexdigest()[:16]}-"


def _sync_folder(folder: Path) -> None:
    """The new name is on the disk, too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems cannot do that with folders
            raise
    finally:
        os.close(handle)


def save(model: Sequential, path: str | os.PathLike[str], optimizer: bool) -> None:
    """Write a model file."""
    content = to_bytes(model, optimizer)
    try:
        replace(path, content)
    except OSError as error:
        raise type(error)(error.errno, f"save: cannot write {os.fspath(path)!r}: {error.strerror}") from None


def load(path: str | os.PathLike[str]) -> Sequential:
    """Read a model that `Sequential.save` wrote.

    Parameters
    ----------
    path : str or path
        The file.

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
        If it is no model file, or damaged.
    """
    return from_bytes(Path(path).read_bytes(), os.fspath(path))


def from_bytes(content: bytes, name: str = "the model's bytes") -> Sequential:
    """Make the model that a file's content describes."""
    return from_parts(*parse(content, name), name)


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


def from_parts(description: dict[str, Any], tensors: dict[str, np.ndarray], name: str) -> Sequential:
    """Make the model that a description and tensors stand for."""
    try:
        return _assemble(description, tensors)
    except ValueError as error:
        raise ValueError(f"load: {name}: {error}") from None
    except (TypeError, LookupError, AttributeError, ArithmeticError, RuntimeError) as error:
        raise ValueError(f"load: {name}: {type(error).__name__}: {error}") from None


def _assemble(description: dict[str, Any], tensors: dict[str, np.ndarray]) -> Sequential:
    from tinynn.model.sequential import Sequential, _check_shape

    if description["format"] != FORMAT:
        raise ValueError(f"the file has format {description['format']}, but this version reads {FORMAT}")
    if description["sha256"] != digest(description, tensors):
        raise ValueError("the content does not match its SHA-256; the file is damaged")
    if "training" in description:
        tensors = {name: tensor for name, tensor in tensors.items() if not re.fullmatch(TRAINING + "[0-9]+", name)}
    architecture, state = description["architecture"], description["state"]
    layers = []
    for entry in architecture["layers"]:
        layer = deserialize({"class": entry["class"], "config": entry["config"]})
        layer.name = entry["name"]
        layers.append(layer)
    model = Sequential(layers, dtype=architecture["dtype"], name=architecture["name"])
    model._key = whole_number(state["key"], 2**64, "key")
    if architecture["input_shape"] is not None:
        _fill(model, _check_shape(architecture["input_shape"]), tensors)
    elif tensors:
        raise ValueError("the file has tensors, but its model has no input shape yet")
    if description["compile"] is not None:
        compiled = deserialize(description["compile"])
        model.compile(compiled["optimizer"], compiled["loss"], compiled["metrics"])
        model._iteration = whole_number(state["iteration"], 2**32, "iteration")
    _fill_states(model, tensors)
    for entry in ("provenance", "notes"):
        if not isinstance(description.get(entry, {}), dict):
            raise ValueError(f"the entry {entry!r} must be a dict, got {description[entry]!r}")
    model.provenance, model.notes = description.get("provenance"), description.get("notes", {})
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
    declared = _Declared(tensors, model._dtype)
    model._connect(Network(declared), shape)
    extra = {name for name in tensors.keys() - declared.keys() if not re.fullmatch(STATE + "[0-9]", name)}
    if extra:
        raise ValueError(f"the file has tensors that the architecture does not: {', '.join(sorted(extra))}")
    weights = aligned(sum(parameter.size for parameter in declared.values()), model._dtype)
    np.concatenate([np.empty(0, model._dtype), *(tensors[path].reshape(-1) for path in declared)], out=weights)
    model._adopt(dict(declared), weights, shape)


def _fill_states(model: Sequential, tensors: dict[str, np.ndarray]) -> None:
    """Give the optimizer back what it remembered."""
    states = sorted(name for name in tensors if name.startswith(STATE))
    wanted = [f"{STATE}{i}" for i in range(model.optimizer.states() if model.optimizer is not None else 0)]
    if states and (states != wanted or any(tensors[name].shape != model.parameters.shape
                                           or tensors[name].dtype != model._dtype for name in states)):
        raise ValueError("the optimizer's vectors do not fit the model")
    model._states = [aligned_copy(tensors[name]) for name in states]
