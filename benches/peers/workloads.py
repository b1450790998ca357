"""The workloads: networks as lists of layers, what a step of each costs, weights and data that all frameworks share.

Weights are Keras' (kernels (inputs, outputs), gates i f g o and z r g), layer after layer; where every position
has a layer of its own ("towers"), they are stacked along a first axis. Data depend on the workload's name only, so
every process makes the same ones.
"""

import math
import zlib
from dataclasses import dataclass

import numpy as np

GATES = {"rnn": 1, "gru": 3, "lstm": 4}
EXPONENTIALS = {"rnn": 1, "gru": 3, "lstm": 5}
"""Of one unit in one step: a tanh or sigmoid needs one."""

DIGITS, PIXELS, SUMS, PLACES = 10, 784, 91, 2
IMAGES = 500


@dataclass(frozen=True)
class Dense:
    """(B, positions, inputs) -> (B, positions, outputs); `towers`: with weights of its own at each position."""

    inputs: int
    outputs: int
    activation: str | None = None
    positions: int = 1
    towers: bool = False

    @property
    def shapes(self):
        stack = (self.positions,) if self.towers else ()
        return [(*stack, self.inputs, self.outputs), (*stack, self.outputs)]

    def products(self, first):
        """Multiply-adds of a sample forward, and backward: dw, and dx unless it is the first layer."""
        forward = self.positions * self.inputs * self.outputs
        return forward, forward if first else 2 * forward

    @property
    def exponentials(self):
        return self.positions * self.outputs if self.activation in ("sigmoid", "softmax") else 0


@dataclass(frozen=True)
class Recurrent:
    """(B, steps, inputs) -> (B, units), the last state; with `sequences` (B, steps, units), all of them."""

    cell: str
    steps: int
    inputs: int
    units: int
    sequences: bool = False

    @property
    def shapes(self):
        width = GATES[self.cell] * self.units
        return [(self.inputs, width), (self.units, width), (2, width) if self.cell == "gru" else (width,)]

    def products(self, first):
        """Also the products with the initial state, which is zero, are counted: every framework computes them."""
        width = GATES[self.cell] * self.units
        of_input, of_state = self.steps * self.inputs * width, self.steps * self.units * width
        return of_input + of_state, (1 if first else 2) * of_input + 2 * of_state

    @property
    def exponentials(self):
        return EXPONENTIALS[self.cell] * self.steps * self.units


@dataclass(frozen=True)
class Convolution:
    """(B, rows, columns, channels) -> (B, rows - size + 1, columns - size + 1, filters), and relu."""

    rows: int
    columns: int
    channels: int
    filters: int
    size: int
    exponentials = 0

    @property
    def shapes(self):
        return [(self.size, self.size, self.channels, self.filters), (self.filters,)]

    def products(self, first):
        places = (self.rows - self.size + 1) * (self.columns - self.size + 1)
        forward = places * self.size**2 * self.channels * self.filters
        return forward, forward if first else 2 * forward


@dataclass(frozen=True)
class Pooling:
    """(B, rows, columns, channels) -> (B, rows / 2, columns / 2, channels), the largest of each 2 x 2."""

    shapes = ()
    exponentials = 0

    def products(self, first):
        return 0, 0


@dataclass(frozen=True)
class Repeat:
    """(B, features) -> (B, count, features)."""

    count: int
    shapes = ()
    exponentials = 0

    def products(self, first):
        return 0, 0


@dataclass(frozen=True)
class Flatten:
    """(B, ...) -> (B, features), the last axis fastest."""

    shapes = ()
    exponentials = 0

    def products(self, first):
        return 0, 0


@dataclass(frozen=True)
class Workload:
    """A row of the table. `kind`: digits, mlp, recurrent, convolution, predict, toy, call or import."""

    name: str
    kind: str
    batch: int
    layers: tuple = ()

    @property
    def trains(self):
        return self.kind != "predict"

    @property
    def flops(self):
        """Of the matrix products of a step: two for each multiply-add."""
        products = [layer.products(number == 0) for number, layer in enumerate(self.layers)]
        return 2 * self.batch * sum(forward + backward * self.trains for forward, backward in products)

    @property
    def parameters(self):
        return sum(int(np.prod(shape)) for shape in self.shapes)

    @property
    def exponentials(self):
        """Of the forward pass; the backward pass takes its results."""
        return self.batch * sum(layer.exponentials for layer in self.layers)

    @property
    def parameter_bytes(self):
        """Training: reads w, dw, m, v and writes w, m, v; prediction reads w."""
        return (28 if self.trains else 4) * self.parameters

    @property
    def stream_size(self):
        """The bandwidth that counts is that of an update of so many parameters, which has as large a working set."""
        return self.parameters if self.trains else -(-self.parameters // 4)

    @property
    def shapes(self):
        return [shape for layer in self.layers for shape in layer.shapes]

    @property
    def input_shape(self):
        first = self.layers[0]
        if isinstance(first, Recurrent):
            return first.steps, first.inputs
        if isinstance(first, Convolution):
            return first.rows, first.columns, first.channels
        return (first.positions, first.inputs) if first.positions > 1 else (first.inputs,)

    @property
    def classes(self):
        return self.layers[-1].outputs

    def weights_by_layer(self, weights):
        """A flat list of weights as one list for each layer."""
        weights = iter(weights)
        return [[next(weights) for _ in layer.shapes] for layer in self.layers]

    def _rng(self, purpose):
        return np.random.default_rng([zlib.crc32(self.name.encode()), *purpose.encode()])

    def initial_weights(self):
        """Random ones of usual size; no bias is zero, so that one in the wrong place shows."""
        rng = self._rng("weights")
        weights = []
        for layer in self.layers:
            for number, shape in enumerate(layer.shapes):
                bias = number == len(layer.shapes) - 1
                window = math.prod(shape[:-2]) if isinstance(layer, Convolution) else 1
                scale = 0.1 if bias else (window * shape[-2]) ** -0.5
                weights.append((scale * rng.standard_normal(shape)).astype(np.float32))
        return weights

    def samples(self, steps=1):
        """x (steps batch, ...) float32 and labels; more steps begin with the samples of fewer."""
        if self.kind == "digits":
            images, indices, labels = self.digit_samples(steps)
            return images.reshape(IMAGES, PIXELS)[indices] * np.float32(1 / 255), labels
        count = steps * self.batch
        x = self._rng("x").standard_normal((count, *self.input_shape), np.float32)
        return x, self._rng("labels").integers(0, self.classes, count)

    def digit_samples(self, steps=1):
        """The digit sums as images (uint8), indices of each sum's images, and sums."""
        images = self._rng("images").integers(0, 256, (IMAGES, 28, 28), np.uint8)
        indices = self._rng("indices").integers(0, IMAGES, (steps * self.batch, DIGITS))
        digits = self._rng("labels").integers(0, 10, IMAGES)
        return images, indices, digits[indices].sum(axis=1)


TOY_WEIGHTS, TOY_X, TOY_Y, TOY_RATE = (2.0, 1.0, 2.0, 4.0, 1.0), 2.0, 3.0, 0.1


def digit_sum(depth, cell, towers, batch):
    """The report's networks; `towers` False: with one recogniser for all places instead of ten."""
    widths = {"baseline": (PIXELS, 128), "improved": (PIXELS, 784, 128)}[depth]
    decoders = {"baseline": 1, "improved": 2}[depth]
    layers = (
        *(Dense(i, o, "relu", DIGITS, towers) for i, o in zip(widths, widths[1:], strict=False)),
        Dense(128, 10, "sigmoid", DIGITS, towers),
        Recurrent(cell, DIGITS, 10, 128),
        Repeat(PLACES),
        *(Recurrent(cell, PLACES, 128, 128, sequences=True) for _ in range(decoders)),
        Dense(128, 10, positions=PLACES),
        Flatten(),
        Dense(PLACES * 10, SUMS, "sigmoid"),
    )
    name = f"{depth} {cell} {'towers' if towers else 'shared'} B {batch}"
    return Workload(name, "digits", batch, layers)


def perceptron(widths):
    pairs = list(zip(widths, widths[1:], strict=False))
    return tuple(Dense(i, o, "relu" if number < len(pairs) - 1 else "softmax") for number, (i, o) in enumerate(pairs))


def mlp(widths, batch):
    return Workload(f"MLP {'-'.join(map(str, widths))} B {batch}", "mlp", batch, perceptron(widths))


def recurrent(title, cell, batch, steps, inputs, units):
    layers = Recurrent(cell, steps, inputs, units), Dense(units, 10, "softmax")
    return Workload(f"{title} B {batch} T {steps} I {inputs} H {units}", "recurrent", batch, layers)


def convolution(batch):
    """The recogniser of tinynn's `conv`, on single images."""
    layers = (
        Convolution(28, 28, 1, 16, 5), Pooling(), Convolution(12, 12, 16, 32, 5), Pooling(), Flatten(),
        Dense(512, 128, "relu"), Dense(128, 10, "softmax"),
    )  # fmt: skip
    return Workload(f"convolutions 28x28, 16 and 32 5x5, B {batch}", "convolution", batch, layers)


def predict(widths):
    return Workload(f"predict one row {'-'.join(map(str, widths))}", "predict", 1, perceptron(widths))


_DIGITS = [("baseline", "lstm", (32, 128)), ("baseline", "rnn", (32, 128)), ("improved", "lstm", (32, 128)),
           ("improved", "rnn", (128,))]  # fmt: skip

WORKLOADS = [
    *(
        digit_sum(depth, cell, towers, batch)
        for depth, cell, batches in _DIGITS
        for towers in (True, False)
        for batch in batches
    ),
    mlp((2, 8, 2), 4),
    mlp((16, 64, 64, 4), 32),
    mlp((784, 128, 10), 32),
    mlp((784, 128, 10), 128),
    mlp((784, 512, 512, 10), 128),
    recurrent("LSTM", "lstm", 32, 50, 16, 32),
    recurrent("GRU", "gru", 32, 50, 16, 32),
    recurrent("simple RNN", "rnn", 32, 50, 16, 32),
    recurrent("LSTM", "lstm", 32, 10, 10, 128),
    recurrent("LSTM", "lstm", 128, 28, 28, 128),
    recurrent("GRU", "gru", 128, 28, 28, 128),
    convolution(32),
    convolution(128),
    Workload("toy graph step", "toy", 1),
    predict((784, 128, 10)),
    predict((4, 120, 84, 2)),
]

CALLS = [
    Workload("train_on_batch 4-64-64-2 B 32", "call", 32, perceptron((4, 64, 64, 2))),
    Workload("import", "import", 1),
]
"""What only `paired.py` runs."""

BY_NAME = {workload.name: workload for workload in [*WORKLOADS, *CALLS]}
