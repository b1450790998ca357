"""What a type checker makes of a user's program: right programs pass under --strict, slips are found."""

import subprocess
import sys
from pathlib import Path

import pytest

import tinynn

pytest.importorskip("mypy")

PROGRAM = '''
from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

import tinynn
from tinynn import callbacks, layers, losses, metrics, optimizers
from tinynn.engine.graph import Network, Parameter, Shape
from tinynn.initializers import GlorotUniform, Initializer


class Scale(layers.PythonLayer):
    def __init__(self, factor: float = 2.0, name: str | None = None) -> None:
        self.factor = factor
        self.name = name

    def parameters(self, network: Network, input_shape: Shape) -> list[Parameter]:
        return [network.parameter("scale", (3,), "ones")]

    def forward(self, x: NDArray[Any], scale: NDArray[Any]) -> NDArray[Any]:
        y: NDArray[Any] = x * scale * self.factor
        return y

    def backward(self, dy: NDArray[Any], x: NDArray[Any], y: NDArray[Any],
                 scale: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        return dy * scale * self.factor, (dy * x).sum(0) * self.factor


class Squared(losses.Loss):
    def forward(self, y_pred: NDArray[Any], y_true: NDArray[Any]) -> NDArray[Any]:
        error: NDArray[Any] = ((y_pred - y_true) ** 2).mean(-1)
        return error

    def backward(self, y_pred: NDArray[Any], y_true: NDArray[Any]) -> NDArray[Any]:
        gradient: NDArray[Any] = 2 * (y_pred - y_true) / y_pred.shape[-1]
        return gradient


class Patient(callbacks.Callback):
    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if logs and logs["loss"] < 0.1:
            self.model.stop_training = True


dense = layers.Dense(3, activation="relu", kernel_initializer="he_uniform", kernel_regularizer="l2")
assert_type(dense.units, int)
assert_type(dense.kernel_initializer, Initializer)
assert_type(layers.Conv2D(4, 3, padding="same").kernel_size, tuple[int, int])
assert_type(dense.clone(), layers.Layer)
assert_type(GlorotUniform()((2, 3), "float32", np.random.default_rng(0)), NDArray[Any])
model = tinynn.Sequential([dense, Scale(3.0), layers.Dense(1)], input_shape=(4,))
model.compile(optimizers.Adam(0.01, use_ema=True), Squared(), ["mae", metrics.MeanSquaredError()])
x, y = np.ones((8, 4)), np.ones((8, 1))
history = model.fit(x, y, batch_size=4, epochs=2, verbose=0, callbacks=[Patient(), callbacks.EarlyStopping("loss")])
assert_type(history, callbacks.History)
assert_type(history.history, dict[str, list[float]])
assert_type(model.predict(x), NDArray[Any])
assert_type(model.evaluate(x, y, return_dict=True), dict[str, float])
assert_type(model.evaluate(x, y), float | list[float])
assert_type(model.train_on_batch(x, y, return_dict=True), dict[str, float])
assert_type(model.get_weights(), list[NDArray[Any]])
assert_type(model.layers, list[layers.Layer])
assert_type(model.clone(), tinynn.Sequential)
assert_type(model.fingerprint(), str)
model.save("model.safetensors")
assert_type(tinynn.load("model.safetensors"), tinynn.Sequential)
assert_type(tinynn.fit_many([model], x, y), list[callbacks.History])
'''

# Each with the line that is wrong and a part of what is said of it.
SLIPS = {
    'layers.Dense("4")': "arg-type",
    'layers.Dense(4, activaton="relu")': 'Unexpected keyword argument "activaton"',
    'layers.Dense(4, activation="relo")': "arg-type",
    'layers.Conv2D(4, 3, padding="full")': "arg-type",
    "layers.Dens(4)": 'has no attribute "Dens"',
    'callbacks.EarlyStopping(mode="least")': "arg-type",
    'optimizers.SGD(momentum="0.9")': "arg-type",
    "losses.BinaryCrossentropy(label_smothing=0.1)": "Unexpected keyword argument",
    'tinynn.Sequential([layers.Dense(2)]).fit(epochs="3")': "error",
}


HEADER = "import tinynn\nfrom tinynn import callbacks, layers, losses, optimizers\n"


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What mypy --strict says of the right program and of the slips, line by line."""
    folder = tmp_path_factory.mktemp("typed")
    (folder / "right.py").write_text(PROGRAM)
    (folder / "slips.py").write_text(HEADER + "\n".join(SLIPS))
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--config-file=", "right.py", "slips.py"]
    root = Path(tinynn.__file__).parents[1]  # a checkout; mypy finds what is installed by itself
    environment = {"PATH": ""} if root.name == "site-packages" else {"PATH": "", "MYPYPATH": str(root)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=folder)
    assert "slips.py" in done.stdout, done.stdout + done.stderr
    return done.stdout.splitlines()


def test_a_right_program_passes(said):
    assert [line for line in said if not line.startswith("slips.py")][:-1] == []  # the last one counts the errors


@pytest.mark.parametrize("number, slip", [*enumerate(SLIPS, HEADER.count("\n") + 1)])
def test_slips_are_found(said, number, slip):
    assert any(SLIPS[slip] in line for line in said if line.startswith(f"slips.py:{number}: error")), said
