"""Files from strangers: truncated, with flipped bits, or with a valid hash and a description that asks for too much."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save as save_tensors

import tinynn
from tests.model.reference import to_bytes
from tinynn import Sequential, layers, optimizers
from tinynn.io.format import canonical, digest
from tinynn.optimizers import schedules

# --- damage ------------------------------------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path):
    """The file of a small trained model, with what its optimizer remembers."""
    path = tmp_path / "model"
    model = Sequential([layers.Dense(1, "tanh", use_bias=False)], (1,))
    model.compile(optimizers.Adam(schedules.WarmUp(0.1, 2)), "mse")
    model.fit(np.ones((2, 1)), np.ones((2, 1)), verbose=0)
    model.notes["made"] = ["by hand", 1.5]
    model.save(path, include_optimizer=True)
    return path


def test_every_truncation(saved):
    content = saved.read_bytes()
    for length in range(len(content)):
        os.truncate(saved, len(content) - 1 - length)
        with pytest.raises(ValueError, match=f"load: {saved}"):
            tinynn.load(saved)


def test_every_flipped_bit(saved):
    """Nothing may differ but the padding of the header and the case of an exponent's e, which change nothing."""
    content = saved.read_bytes()
    passed = []
    with open(saved, "r+b", buffering=0) as file:
        for place, byte in enumerate(content):
            for bit in range(8):
                os.pwrite(file.fileno(), bytes([byte ^ 1 << bit]), place)
                try:
                    model = tinynn.load(saved)
                except ValueError as error:
                    assert str(saved) in str(error)
                else:
                    passed.append(place)
                    assert to_bytes(model) == content
            os.pwrite(file.fileno(), bytes([byte]), place)
    assert {content[place] for place in passed} <= set(b" e")
    assert saved.read_bytes() == content


# --- hostility ---------------------------------------------------------------------------------------------


def layer(kind, **config):
    return {"class": f"layers.{kind}", "config": config}


def made(kind, name, **config):
    return {"class": f"{kind}.{name}", "config": config}


def described(chain, shape=(2,), optimizer=None, loss=None, metrics=(), name="m"):
    """A file without tensors, whose SHA-256 is right, for a chain of such layers."""
    description = {
        "format": 1,
        "architecture": {
            "dtype": "float32",
            "input_shape": list(shape),
            "name": name,
            "layers": [{**entry, "name": f"layer_{number}"} for number, entry in enumerate(chain)],
        },
        "compile": {
            "optimizer": optimizer or made("optimizers", "SGD"),
            "loss": loss or made("losses", "MeanSquaredError"),
            "metrics": list(metrics),
        },
        "state": {"key": 0, "iteration": 0},
    }
    return written(canonical({**description, "sha256": digest(description, {})}))


def written(entry):
    return save_tensors({}, {"tinynn": entry})


def trained_by(learning_rate):
    """A file whose optimizer has this learning rate."""
    return described([layer("Flatten")], optimizer=made("optimizers", "SGD", learning_rate=learning_rate))


def judged_by(**arguments):
    """A file whose loss or metric sees as many axes as there can be."""
    return described([layer("Reshape", target_shape=[1] * 30 + [2])], **arguments)


def within(kind, depth, inner=None, **config):
    """Layers within layers within layers."""
    inner = inner or layer("Flatten")
    for _ in range(depth):
        inner = layer(kind, layers=[inner], **config)
    return inner


def warm_ups(depth):
    rate = 0.1
    for _ in range(depth):
        rate = made("schedules", "WarmUp", after=rate, steps=1)
    return rate


HUGE = "ValueError .* more than 1,099,511,627,776 numbers"
MANY = "ValueError .* more than 150,000 layers and tensors"
BEYOND = r"ValueError .* must be from 1 to 2147483647"
LARGE = 2**31 - 1
IMAGE = (4, 4, 1)

#: The file, and its outcome: an error from `load`, or how `predict`, `evaluate` and `fit` end.
CASES = {
    "repeat": (described([layer("RepeatVector", n=10**15)]), HUGE),
    "repeat the repeated": (described([layer("RepeatVector", n=10**7), layer("Flatten")] * 3), HUGE),
    "repeat every step": (
        described(
            [layer("RepeatVector", n=2**21), layer("TimeDistributed", layers=[layer("RepeatVector", n=2**21)])]
        ),
        HUGE,
    ),
    "repeat, beyond memory": (described([layer("RepeatVector", n=2**39)]), "MemoryError .* 2 samples needs 8,796,"),
    "repeat, beyond 64 bits": (described([layer("RepeatVector", n=10**4000)]), HUGE),
    "digits beyond what Python reads": (
        written('{"format":' + "1" * 5000 + "}"),
        "ValueError .* integer string conversion",
    ),
    "shape": (described([layer("Flatten")], [2**31, 2**31]), HUGE),
    "axes": (described([layer("Flatten")], [1] * 32), "ValueError .* 32 axes"),
    "most axes": (described([layer("Flatten")], [1] * 31), "works"),
    "very many axes": (described([layer("Reshape", target_shape=[1] * 10_000)], [None]), "ValueError .* 10000 axes"),
    "reshape": (described([layer("Reshape", target_shape=[10**30, 10**30])]), "ValueError .* do not fit"),
    "reshape the unknown": (described([layer("Reshape", target_shape=[10**30, -1])], [None]), HUGE),
    "filters": (
        described([layer("Conv2D", filters=10**12, kernel_size=1)], IMAGE),
        "ValueError .* the file has nothing",
    ),
    "kernel": (
        described([layer("Conv2D", filters=1, kernel_size=LARGE, padding="same")], IMAGE),
        "ValueError .* the file has nothing",
    ),
    "kernel beyond 64 bits": (described([layer("Conv2D", filters=1, kernel_size=10**30)], IMAGE), BEYOND),
    "pool": (described([layer("AveragePooling2D", pool_size=LARGE, padding="same")], IMAGE), "works"),
    "pool beyond 64 bits": (described([layer("MaxPooling2D", pool_size=10**30, padding="same")], IMAGE), BEYOND),
    "strides": (described([layer("MaxPooling2D", pool_size=2, strides=LARGE)], IMAGE), "works"),
    "units": (described([layer("LSTM", units=10**12)], [3, 2]), "ValueError .* the file has nothing"),
    "sums": (described([layer("SumDistribution")], [2**20, 2**20]), "MemoryError .* 8.00 TiB"),
    "towers": (
        described([layer("Towers", layers=[layer("Flatten")], count=10**9)], [10**9, 1]),
        "ValueError .* from 1 to 4096",
    ),
    "towers in towers": (described([within("Towers", 3, count=700)], [700, 700, 700, 1]), MANY),
    "towers of many": (
        described([layer("Towers", layers=[layer("Flatten")] * 1000, count=4096)], [4096, 1]),
        MANY,
    ),
    "many layers": (described([layer("Flatten")] * 3000), "works"),
    "layers in layers": (described([within("TimeDistributed", 240)]), "ValueError .* RecursionError"),
    "layers in layers, one for an axis": (described([within("TimeDistributed", 30)], [1] * 31), "works"),
    "layers in layers, one more": (described([within("TimeDistributed", 31)], [1] * 31), "ValueError .* 32 axes"),
    "brackets": (written("[" * 100_000), "ValueError .* RecursionError"),
    "NaN": (written('{"format":1,"sha256":"","a":NaN}'), "ValueError .* not JSON compliant"),
    "infinity": (written('{"format":1,"sha256":"","a":1e999}'), "ValueError .* not JSON compliant"),
    "a point": (described([layer("RepeatVector", n=2.0)]), "ValueError .* whole number, got 2.0"),
    "text": (described([layer("RepeatVector", n="2")]), "ValueError .* whole number, got '2'"),
    "true": (described([layer("RepeatVector", n=True)]), "ValueError .* whole number, got True"),
    "negative": (described([layer("RepeatVector", n=-(10**30))]), "ValueError .* at least 1"),
    "a class of Python's": (described([made("builtins", "open", file="x")]), "ValueError .* unknown class"),
    "a class to derive from": (described([layer("Layer")]), "ValueError .* has no connect"),
    "a layer written in Python": (described([layer("PythonLayer")]), "NotImplementedError .* no forward"),
    "a loss written in Python": (judged_by(loss=made("losses", "Loss")), "NotImplementedError .* no forward"),
    "a metric written in Python": (judged_by(metrics=[made("metrics", "Metric")]), "NotImplementedError .* no forward"),
    "an optimizer without a rule": (
        described([layer("Flatten")], optimizer=made("optimizers", "Optimizer")),
        "ValueError .* no attribute",
    ),
    "name that is no text": (described([layer("Flatten")], name={"a": 1}), "ValueError .* name must be a string"),
    "name that rewrites the terminal": (described([layer("Flatten")], name="\x1b[2J"), "ValueError .* printable"),
    "name of the model": (described([layer("Flatten")], name="x" * 100), "works"),
    "long name of the model": (
        described([layer("Flatten")], name="x" * 10**6),
        "ValueError .* at most 100 characters, got 1,000,000",
    ),
    "name of a layer": (described([within("Towers", 3, count=2, name="x" * 100)], [2, 2, 2, 1]), "works"),
    "long name of a layer": (
        described([within("Towers", 3, count=20, name="x" * 1500)], [20, 20, 20, 1]),
        "ValueError .* 1 to 100 printable characters",
    ),
    "parameters of towers": (
        described([within("Towers", 3, count=20, name="x" * 100, inner=layer("Dense", units=1))], [20, 20, 20, 1]),
        "ValueError .*kernel' with shape .* but the file has nothing",
    ),
    "rate": (trained_by(10**400), "ValueError .* learning_rate must be a finite number"),
    "rate that is an initializer": (trained_by(made("initializers", "Ones")), "TypeError"),
    "schedules in schedules": (trained_by(warm_ups(100)), "works"),
    "steps of a schedule": (
        trained_by(made("schedules", "CosineDecay", initial_learning_rate=1, decay_steps=10**400)),
        r"ValueError .* below 2\^63",
    ),
    "long schedule": (
        trained_by(
            made("schedules", "ExponentialDecay", initial_learning_rate=1, decay_steps=2**63 - 1, decay_rate=1e300)
        ),
        "works",
    ),
}

USE = """
import resource, sys
from pathlib import Path
import numpy as np
import tinynn

# A gigabyte more than there is now.
limit = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() + 2**30
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
for path in sys.argv[1:]:
    try:
        model = tinynn.load(path)
    except ValueError as error:
        print("ValueError", ascii(str(error)), flush=True)
        continue
    try:
        x = np.ones((2, *(n or 1 for n in model.input_shape)), "f4")
        y = model.predict(x)
        if model.optimizer is not None:
            model.evaluate(x, y)
            model.fit(x, y, epochs=2, verbose=0)
    except Exception as error:
        print(type(error).__name__, ascii(str(error)), flush=True)
    else:
        print("works", flush=True)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs Linux to limit its memory")
def test_hostile_descriptions_in_a_gigabyte(tmp_path):
    """In a process of its own: each is an error that says what is wrong, or a model that works, and it lives on."""
    paths = [tmp_path / str(number) for number in range(len(CASES))]
    for path, (content, _) in zip(paths, CASES.values(), strict=True):
        path.write_bytes(content)
    environment = {**os.environ, "PYTHONPATH": str(Path(tinynn.__file__).parents[1])}
    command = [sys.executable, "-c", USE, *map(str, paths)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    assert done.returncode == 0, (list(CASES)[len(lines)], done.returncode, done.stderr[-2000:])
    for path, line, (name, (_, expected)) in zip(paths, lines, CASES.items(), strict=True):
        assert re.match(expected, line), (name, expected, line[:1000])
        assert not line.startswith("ValueError") or f"load: {path}" in line, (name, line[:1000])


def towers(depth, count, inner, name):
    """Towers of this name around layers, `depth` of one copy each around `count` copies."""
    wrapped = layer("Towers", layers=inner, count=count, name=name)
    for _ in range(depth):
        wrapped = layer("Towers", layers=[wrapped], count=1, name=name)
    return described([wrapped], [1] * depth + [count, 1])


LONG = "x" * 100
RELU = layer("Activation", activation="relu")
#: Files of a few KB whose layers are many, or whose paths are long.
MULTIPLIED = {
    "layers": towers(0, 4096, [layer("Flatten")] * 45, None),
    "ops": towers(0, 4096, [RELU] * 23, None),
    "long paths of what takes four bytes": towers(25, 4000, [RELU], "\U0001f600" * 100),
    "parameters with long paths": towers(25, 4000, [layer("Dense", units=1)], LONG),
    "names beyond the bound": towers(25, 4000, [layer("Dense", units=1)], "x" * 1500),
}

GROWTH = """
import resource, sys
import tinynn, tinynn.losses, tinynn.optimizers

def most():  # in KiB, but in bytes on macOS
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)

before = most()
try:
    tinynn.load(sys.argv[1])
except ValueError:
    pass
print(most() - before)
"""


@pytest.mark.parametrize("name", MULTIPLIED)
def test_a_small_file_takes_little_memory(name, tmp_path):
    """In a process of its own, because the peak is that of the whole process."""
    path = tmp_path / "model"
    path.write_bytes(MULTIPLIED[name])
    environment = {**os.environ, "PYTHONPATH": str(Path(tinynn.__file__).parents[1])}
    command = [sys.executable, "-c", GROWTH, str(path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert float(done.stdout) < 100
