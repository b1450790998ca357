"""The fuzz targets: functions of bytes that raise only what is a bug, and the bytes to begin with.

A target takes a whole file's content, but for ``forged``: there the bytes choose edits of a model file's description,
whose SHA-256 is then put right, as somebody would who knows the format.
"""

from __future__ import annotations

import copy
import gzip
import json
import struct
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from tinynn import Sequential, layers, losses, metrics, optimizers
from tinynn.datasets import offline, read_idx, read_idx_header, write_idx
from tinynn.datasets.mnist import TEST_LABELS
from tinynn.io.format import canonical, digest
from tinynn.optimizers import schedules

#: What a loaded model may need to be tried out.
MAX_BYTES = 1 << 24
MAX_FLOPS = 1 << 24


# --- models ------------------------------------------------------------------------------------------------


def models() -> list[Sequential]:
    """Small models that between them hold every class a file can name."""
    first = Sequential([layers.Dense(3, "relu"), layers.Dropout(0.5), layers.Dense(2, "softmax")], (2,))
    first.compile(optimizers.Adam(schedules.WarmUp(schedules.CosineDecay(0.1, 9), 2)),
                  "sparse_categorical_crossentropy", ["accuracy"])
    first.fit(np.ones((4, 2)), np.zeros(4, int), verbose=0)
    second = Sequential([
        layers.Rescaling(0.5), layers.Reshape((4, 4, 1)),
        layers.Conv2D(2, 2, padding="same", kernel_initializer=layers.Dense(1).kernel_initializer),
        layers.BatchNormalization(), layers.MaxPooling2D(), layers.AveragePooling2D(1), layers.LayerNormalization(),
        layers.Reshape((2, 4)), layers.LSTM(2, True), layers.GRU(2, True), layers.TimeDistributed([layers.Dense(3)]),
        layers.Towers([layers.Dense(2, "softmax")], 2),
        layers.SumDistribution(), layers.RepeatVector(2), layers.SimpleRNN(2), layers.Flatten(),
    ], (16,), dtype="float64")
    second.compile(optimizers.SGD(schedules.PiecewiseConstant([3], [0.1, 0.01]), momentum=0.9),
                   losses.CategoricalCrossentropy(label_smoothing=0.1), [metrics.MeanAbsoluteError()])
    third = Sequential([layers.Flatten(), layers.RepeatVector(3), layers.Flatten()], (None, 2))
    third.compile(optimizers.AdamW(schedules.OneCycle(1.0, 10)), "mse")
    return [first, second, third]


def load(content: bytes) -> None:
    """A model file: an error that names it, or a model that is written as it was read."""
    read(content)


def read(content: bytes) -> Sequential | None:
    """The model in a file's content, after these checks."""
    try:
        model = Sequential._from_bytes(content, "FILE")
    except ValueError as error:
        assert "load: FILE" in str(error), error
        return None
    written = model._to_bytes()
    assert Sequential._from_bytes(written)._to_bytes() == written
    return model


def parts(content: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The description and the tensors of a model file."""
    length = int.from_bytes(content[:8], "little")
    return json.loads(json.loads(content[8:8 + length])["__metadata__"]["tinynn"]), load_tensors(content)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container in a description with every key in it."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in list(items):
        yield value, key
        yield from places(item)


SEEDS = [model._to_bytes() for model in models()]
PARTS = [parts(content) for content in SEEDS]

#: What is put in: odd values, then whatever stands elsewhere in a description.
ODD = [
    None, True, 0, 1, -1, 2, 3, 7, 16, 255, 4096, 4097, 2**20, 2**31 - 1, 2**31, 2**32, 2**40, 2**62, 2**63 - 1, 2**63,
    2**64, 10**30, 10**400, 0.5, -0.0, 1e-320, 1e300,
    "", "a", "dense", "optimizer", "a/b", "\x1b[2J", "\ud800", "x" * 5000, "float64", "object", "same", "softmax",
    "layers.Layer", "layers.PythonLayer", "losses.Loss", "metrics.Metric", "optimizers.Optimizer",
    "initializers.FromFunction", "os.system", [], {}, [1] * 40, [2**31] * 8, [None], [[]],
]
WHOLE = [copy.deepcopy(container[key]) for description, _ in PARTS for container, key in places(description)]


def forged(data: bytes) -> None:
    """A hostile description with a right hash: an error that names the file, or a model that works."""
    if not data:
        return
    description, tensors = copy.deepcopy(PARTS[data[0] % len(PARTS)])
    for number in range(1, len(data) - 3, 4):
        where, what = struct.unpack_from("<HH", data, number)
        spots = list(places(description))
        if not spots:
            return
        container, key = spots[where % len(spots)]
        value = copy.deepcopy((ODD + WHOLE)[what % (len(ODD) + len(WHOLE))])
        if what >= 1 << 15 and isinstance(container, list):
            container.insert(key, value)
        elif what >= 1 << 15 and what % 2:
            del container[key]
        else:
            container[key] = value
    try:
        description["sha256"] = digest(description, tensors)
        content = save_tensors(tensors, {"tinynn": canonical(description)})
    except (UnicodeEncodeError, RecursionError, TypeError):
        return  # no file can hold it
    model = read(content)
    if model is not None:
        use(model)


def use(model: Sequential) -> None:
    """Predict and train, if that takes little: it may fail, but not crash."""
    try:
        shape = tuple(n or 2 for n in model.input_shape or (2,))
        plan = model._core.plan("predict", shape)
        if plan.layout(2)["bytes"] > MAX_BYTES or plan.program.flops > MAX_FLOPS:
            return
        x = np.ones((2, *shape), np.float32)
        y = model.predict(x)
        assert y.shape[0] == 2
        if model.optimizer is not None and model._core.plan("train", shape).layout(2)["bytes"] <= MAX_BYTES:
            model.fit(x, np.zeros(y.shape[:-1], int) if model.loss.labels else y, epochs=1, verbose=0)
    except (ArithmeticError, AttributeError, MemoryError, NotImplementedError, RecursionError, TypeError, ValueError):
        pass


# --- data sets -----------------------------------------------------------------------------------------------


def with_file(check: Callable[[Path], None]) -> Callable[[bytes], None]:
    """A target whose bytes are the content of a file."""
    def target(content: bytes) -> None:
        with tempfile.NamedTemporaryFile() as file:
            file.write(content)
            file.flush()
            check(Path(file.name))
    return target


@with_file
def idx(path: Path) -> None:
    """An IDX file, compressed or not: an error that names it, or an array that is written as it was read."""
    try:
        header = read_idx_header(path)
        array = read_idx(path)
    except ValueError as error:
        assert str(path) in str(error), error
        return
    assert (array.dtype, array.shape) == header
    write_idx(path, array)
    again = read_idx(path)
    assert again.dtype == array.dtype and again.tobytes() == array.tobytes()


@with_file
def gz(path: Path) -> None:
    """Whatever reads .gz files: an error that names it, never the official digits."""
    assert not TEST_LABELS.has_content(path)
    try:
        offline.read_digits(path)
    except ValueError as error:
        assert str(path) in str(error), error
    idx(path.read_bytes())


def idx_files() -> list[bytes]:
    """A file of every type, one of three dimensions and one without elements."""
    arrays = [np.arange(3).astype(dtype) for dtype in ("u1", "i1", "i2", "i4", "f4", "f8")]
    arrays += [np.zeros((2, 3, 2), np.uint8), np.zeros((0, 4), np.int16)]
    contents = []
    with tempfile.TemporaryDirectory() as folder:
        for array in arrays:
            write_idx(Path(folder, "file"), array)
            contents.append(Path(folder, "file").read_bytes())
    return contents


#: Name -> target and the bytes to begin with.
TARGETS: dict[str, tuple[Callable[[bytes], None], list[bytes]]] = {
    "load": (load, SEEDS),
    "forged": (forged, [bytes([number]) for number in range(len(PARTS))]
               + [bytes([number]) + struct.pack("<HH", 3 * what, what) for number in range(len(PARTS))
                  for what in range(len(ODD))]),
    "idx": (idx, idx_files()),
    "gz": (gz, [gzip.compress(content, mtime=0) for content in [*idx_files(), b"1,2\n3,4\n"]]),
}
