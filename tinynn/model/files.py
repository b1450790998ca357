"""Model files: safetensors with one metadata entry that describes the model.

Tensors are named ``layer/parameter``; the optimizer's vectors ``optimizer/0``, ... The entry ``tinynn`` holds
canonical JSON: format version, architecture, compile arguments, training state, and the SHA-256 of the tensors.
Nothing in a file is executed.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynn.engine.network import Network, view
from tinynn.model.registry import deserialize, serialize

if TYPE_CHECKING:
    from tinynn.model.sequential import Sequential

FORMAT = 1


def describe(model: Sequential) -> dict[str, Any]:
    """Everything about a model but its numbers, as JSON can hold it."""
    compiled = None if model.optimizer is None else serialize(
        {"optimizer": model.optimizer, "loss": model.loss, "metrics": model.metrics})
    assert model.input_shape is not None
    return {
        "format": FORMAT,
        "architecture": {
            "name": model.name, "dtype": model._dtype.name, "input_shape": list(model.input_shape),
            "layers": [{**serialize(layer, name), "trainable": layer.trainable, "name": name}
                       for name, layer in zip(model._names, model.layers, strict=True)],
        },
        "compile": compiled,
        "state": {"key": model._key, "iteration": model._iteration},
    }


def tensors_of(model: Sequential) -> dict[str, np.ndarray]:
    """The arrays of a model by the names they have in a file."""
    tensors = {path: view(model.parameters, parameter) for path, parameter in model._parameters.items()}
    tensors.update({f"optimizer/{i}": state for i, state in enumerate(model._states)})
    return tensors


def digest(tensors: dict[str, np.ndarray]) -> str:
    """SHA-256 of names, dtypes, shapes and bytes."""
    total = hashlib.sha256()
    for name in sorted(tensors):
        array = np.ascontiguousarray(tensors[name])
        total.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        total.update(array.tobytes())
    return total.hexdigest()


def to_bytes(model: Sequential) -> bytes:
    """The content of a model file."""
    from safetensors.numpy import save as save_tensors  # only now: import time counts

    tensors = {name: np.ascontiguousarray(array) for name, array in tensors_of(model).items()}
    description = {**describe(model), "sha256": digest(tensors)}
    entry = json.dumps(description, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return save_tensors(tensors, {"tinynn": entry})


def save(model: Sequential, path: str | os.PathLike[str]) -> None:
    """Write a model file whole or not at all: into a temporary file beside it, which then takes its name."""
    path = Path(path)
    content = to_bytes(model)
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise type(error)(error.errno, f"save: cannot write {os.fspath(path)!r}: {error.strerror}") from None
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        mask = os.umask(0)  # a temporary file is private; the model is as readable as any new file
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def load(path: str | os.PathLike[str]) -> Sequential:
    """Read a model that `Sequential.save` wrote.

    Parameters
    ----------
    path : str or path
        The file.

    Returns
    -------
    Sequential
        With the same weights, bit for bit; compiled, and ready to go on training, if the saved one was.

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
        return _assemble(json.loads(entry), tensors)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError, RecursionError) as error:
        raise ValueError(f"load: {name}: {type(error).__name__}: {error}") from None


def _assemble(description: dict[str, Any], tensors: dict[str, np.ndarray]) -> Sequential:
    from tinynn.model.sequential import Sequential

    if description["format"] != FORMAT:
        raise ValueError(f"the file has format {description['format']}, but this version reads {FORMAT}")
    if description["sha256"] != digest(tensors):
        raise ValueError("the content does not match its SHA-256; the file is damaged")
    architecture, state = description["architecture"], description["state"]
    layers = []
    for entry in architecture["layers"]:
        layer = deserialize({"class": entry["class"], "config": entry["config"]})
        layer.trainable = bool(entry["trainable"])
        layer.name = entry["name"]
        layers.append(layer)
    model = Sequential(layers, dtype=architecture["dtype"], name=architecture["name"])
    shape = tuple(architecture["input_shape"])
    # First the shapes alone, so that a file cannot ask for more memory than it brings.
    declared: dict[str, Any] = {}
    model._connect(Network(declared), shape)
    for path, parameter in declared.items():
        if path not in tensors or tensors[path].shape != parameter.shape:
            got = tensors[path].shape if path in tensors else "nothing"
            raise ValueError(f"the architecture needs {path!r} with shape {parameter.shape}, but the file has {got}")
        if tensors[path].dtype != model._dtype:
            raise ValueError(f"{path!r} has dtype {tensors[path].dtype}, but the model is {model._dtype}")
    states = sorted((n for n in tensors if n.startswith("optimizer/")), key=lambda n: int(n.partition("/")[2]))
    extra = tensors.keys() - declared.keys() - set(states)
    if extra:
        raise ValueError(f"the file has tensors that the architecture does not: {', '.join(sorted(extra))}")
    model.build(shape)
    model.set_weights([tensors[path] for path in declared])
    model._key = int(state["key"])
    if description["compile"] is not None:
        compiled = deserialize(description["compile"])
        model.compile(compiled["optimizer"], compiled["loss"], compiled["metrics"])
        if states and (len(states) != model.optimizer.states()
                       or any(tensors[n].shape != model.parameters.shape for n in states)):
            raise ValueError("the optimizer's vectors do not fit the model")
        model._states = [np.array(tensors[n]) for n in states]
        model._iteration = int(state["iteration"])
    return model
