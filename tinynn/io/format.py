"""The format of model files and checkpoints: safetensors with one metadata entry that describes the tensors.

The entry ``tinynn`` holds canonical JSON: the description, its format number, and the SHA-256 of both and the tensors.
What the description means is not known here; nothing in a file is executed.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Tensors = dict[str, NDArray[Any]]

FORMAT = 1

#: What safetensors can hold.
DTYPES = frozenset(np.dtype(name) for name in ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32",
                                               "uint64", "float16", "float32", "float64"))


def pack(description: dict[str, Any], arrays: Tensors) -> bytes:
    """The content of a file with this description and these arrays.

    The arrays are copied first: another thread may change them while they are hashed and written.
    """
    from safetensors.numpy import save  # only now: import time counts

    description = {"format": FORMAT, **description}
    tensors = {name: np.array(array, array.dtype.newbyteorder("="), order="C") for name, array in arrays.items()}
    return save(tensors, {"tinynn": canonical({**description, "sha256": digest(description, tensors)})})


def unpack(content: bytes, name: str) -> tuple[dict[str, Any], Tensors]:
    """The description in a file's content, and its tensors.

    Raises
    ------
    ValueError
        If it is no such file, or damaged; begins with "load: " and the name.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        tensors = load(content)
        length = int.from_bytes(content[:8], "little")
        metadata = json.loads(content[8:8 + length]).get("__metadata__") or {}
        entry = metadata.get("tinynn")
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"load: {name} is not a safetensors file, or is damaged: {error}") from None
    if entry is None:
        raise ValueError(f"load: {name} is a safetensors file, but holds no tinynn model")
    try:
        description = json.loads(entry)
        if description["format"] != FORMAT:
            raise ValueError(f"the file has format {description['format']}, but this version reads {FORMAT}")
        if description["sha256"] != digest(description, tensors):
            raise ValueError("the content does not match its SHA-256; the file is damaged")
    except ValueError as error:
        raise ValueError(f"load: {name}: {error}") from None
    except (TypeError, LookupError, AttributeError, RecursionError) as error:
        raise ValueError(f"load: {name}: {type(error).__name__}: {error}") from None
    return description, tensors


def digest(description: dict[str, Any], tensors: Tensors) -> str:
    """SHA-256 of the description (but for this entry) and the tensors' names, dtypes, shapes and bytes."""
    total = hashlib.sha256(canonical({k: v for k, v in description.items() if k != "sha256"}).encode())
    for name in sorted(tensors):
        array = np.ascontiguousarray(tensors[name])
        total.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        total.update(array.reshape(-1).view(np.uint8).data)
    return total.hexdigest()


def canonical(description: dict[str, Any]) -> str:
    """The one way to write a description."""
    return json.dumps(description, sort_keys=True, separators=(",", ":"), allow_nan=False)


def encode(value: Any, tensors: Tensors, prefix: str, where: str) -> Any:
    """Turn a value into what JSON can hold, and its arrays into tensors named ``prefix0``, ``prefix1``, ...

    Raises
    ------
    TypeError
        If something in it has no such form; `where` names the value.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, str)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, float):
        return {"float": repr(value)}
    if isinstance(value, list):
        return [encode(item, tensors, prefix, where) for item in value]
    if isinstance(value, tuple):
        return {"tuple": [encode(item, tensors, prefix, where) for item in value]}
    if isinstance(value, Mapping):  # as pairs, for JSON's keys are strings, and here sorted
        return {"dict": [[encode(key, tensors, prefix, where), encode(item, tensors, prefix, f"{where}[{key!r}]")]
                         for key, item in value.items()]}
    if isinstance(value, np.ndarray) and value.dtype.newbyteorder("=") in DTYPES and not np.ma.isMaskedArray(value):
        name = f"{prefix}{len(tensors)}"
        tensors[name] = value
        return {"tensor": name}
    kind = f"{value.dtype} array" if isinstance(value, np.ndarray) else type(value).__name__
    raise TypeError(f"the state of {where} holds {value!r} ({kind}), which a checkpoint cannot hold; let "
                    "get_state return numbers, strings, None, lists, tuples, dicts, or NumPy arrays of numbers of at "
                    "most 64 bits")


def decode(value: Any, tensors: Tensors) -> Any:
    """Undo `encode`.

    Examples
    --------
    >>> tensors = {}
    >>> decode(encode({"best": float("inf"), 3: [1.5, None], "shape": (2, 3)}, tensors, "state/", "it"), tensors)
    {'best': inf, 3: [1.5, None], 'shape': (2, 3)}
    """
    if isinstance(value, list):
        return [decode(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    (kind, content), = value.items()
    if kind == "dict":
        return {decode(key, tensors): decode(item, tensors) for key, item in content}
    if kind == "tuple":
        return tuple(decode(item, tensors) for item in content)
    return float(content) if kind == "float" else tensors[content]
