"""One call or more of every public kernel on fixed data, with wrong and right shapes of its arguments.

The tests of argument checking, the digests compared between instruction sets and the thread test use this table.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests import oracles
from tinynn import kernels


@dataclass(frozen=True)
class Sizes:
    """Sizes of one set of calls: batch rows, time steps, inputs, hidden units, outputs or classes."""

    rows: int
    steps: int
    inputs: int
    hidden: int
    outputs: int


SMALL = Sizes(rows=5, steps=4, inputs=6, hidden=7, outputs=9)
ALL_SIZES = (
    SMALL,
    Sizes(rows=1, steps=1, inputs=1, hidden=1, outputs=1),
    Sizes(rows=33, steps=3, inputs=257, hidden=31, outputs=17),
    Sizes(rows=14, steps=5, inputs=31, hidden=32, outputs=65),
    Sizes(rows=130, steps=2, inputs=16, hidden=128, outputs=15),
)


@dataclass(frozen=True)
class Case:
    """One call of a kernel.

    Parameters
    ----------
    kernel : str
        Name in `tinynn.kernels`.
    variant : str
        Which of the calls of this kernel.
    arrays : dict
        Floating-point arrays by argument name.
    others : dict
        Integer arrays and options by argument name.
    wrong_shapes : dict
        For arguments by name: shapes that must be refused while all others stay.
    per_row : tuple of str
        Arguments whose first axis is the batch.
    in_place : tuple of str
        Arguments that the kernel changes.
    """

    kernel: str
    variant: str
    arrays: dict[str, np.ndarray]
    others: dict[str, Any] = field(default_factory=dict)
    wrong_shapes: dict[str, list[tuple[int, ...]]] = field(default_factory=dict)
    per_row: tuple[str, ...] = ()
    in_place: tuple[str, ...] = ()

    @property
    def label(self):
        """Name for test ids and digests."""
        return f"{self.kernel}:{self.variant}" if self.variant else self.kernel

    @property
    def arguments(self):
        """All arguments by name; arrays that the kernel would change are copies."""
        copies = {name: self.arrays[name].copy() for name in self.in_place}
        return {**self.arrays, **copies, **self.others}

    def call(self, **replacements):
        """Call the kernel, some arguments replaced; all results as a tuple of arrays."""
        arguments = {**self.arguments, **replacements}
        returned = getattr(kernels, self.kernel)(**arguments)
        if self.in_place:
            return tuple(arguments[name] for name in self.in_place)
        return returned if isinstance(returned, tuple) else (returned,)

    def expected(self, **replacements):
        """What the oracle says, as a tuple of float64 arrays."""
        returned = getattr(oracles, self.kernel)(**{**self.arguments, **replacements})
        returned = returned if isinstance(returned, tuple) else (returned,)
        return tuple(each for each in returned if each is not None)


PAIR_LOSSES = (
    "half_squared_error",
    "mean_squared_error",
    "binary_crossentropy",
    "binary_crossentropy_from_logits",
)
CATEGORICAL_LOSSES = (
    "categorical_crossentropy",
    "categorical_crossentropy_from_logits",
    "categorical_crossentropy_from_sigmoid_logits",
)


def _elementwise_cases(random, positive, sizes):
    shape = (sizes.rows, sizes.outputs)
    wrong = [(sizes.rows, sizes.outputs + 1), (sizes.rows * sizes.outputs,)]
    for name in ("sigmoid", "relu", "tanh", "softmax"):
        empty = [()] if name == "softmax" else []
        yield Case(f"{name}_forward", "", {"x": random(shape)}, {}, {"x": empty}, ("x",))
        y = np.tanh(random(shape)) if name != "softmax" else positive(shape) / sizes.outputs
        both = {"dy": wrong, "y": wrong}
        yield Case(f"{name}_backward", "", {"dy": random(shape), "y": y}, {}, both, ("dy", "y"))
    yield Case("exp", "", {"x": random(shape) * 10}, {}, {}, ("x",))
    yield Case("log", "", {"x": positive(shape) * 10}, {}, {}, ("x",))


def _product_cases(random, positive, sizes):
    rows, inputs, outputs = sizes.rows, sizes.inputs, sizes.outputs
    for transpose_a in (False, True):
        for transpose_b in (False, True):
            a = random((inputs, rows) if transpose_a else (rows, inputs))
            b = random((outputs, inputs) if transpose_b else (inputs, outputs))
            grow_a = (inputs + 1, rows) if transpose_a else (rows, inputs + 1)
            grow_b = (outputs, inputs + 1) if transpose_b else (inputs + 1, outputs)
            wrong = {"a": [grow_a, (inputs,), (1, *a.shape)], "b": [grow_b, (inputs,), (1, *b.shape)]}
            variant = f"{'transposed' if transpose_a else 'plain'}-{'transposed' if transpose_b else 'plain'}"
            options = {"transpose_a": transpose_a, "transpose_b": transpose_b}
            # A transposed a has its rows on the second axis: no first axis to cut.
            yield Case("gemm", variant, {"a": a, "b": b}, options, wrong, () if transpose_a else ("a",))
    x, w, b = random((rows, sizes.steps, inputs)), random((inputs, outputs)), random((outputs,))
    dy = random((rows, sizes.steps, outputs))
    wrong_x = [(rows, sizes.steps, inputs + 1), ()]
    wrong_w = [(inputs,), (inputs + 1, outputs), (1, inputs, outputs)]
    wrong_b = [(outputs + 1,), (1, outputs), ()]
    wrong = {"x": wrong_x, "w": wrong_w, "b": wrong_b}
    yield Case("dense_forward", "", {"x": x, "w": w, "b": b}, {}, wrong, ("x",))
    wrong = {"x": wrong_x, "w": wrong_w}
    yield Case("dense_forward", "no-bias", {"x": x, "w": w}, {}, wrong, ("x",))
    wrong_dy = [(rows, sizes.steps, outputs + 1), (rows + 1, sizes.steps, outputs), (outputs + 1,)]
    wrong = {"dy": wrong_dy, "x": [*wrong_x, (rows + 1, sizes.steps, inputs)], "w": wrong_w}
    yield Case("dense_backward", "", {"dy": dy, "x": x, "w": w}, {}, wrong, ("dy", "x"))


def _image_cases(random, positive, sizes):
    rows, channels, outputs = sizes.rows, min(sizes.inputs, 20), sizes.outputs
    image, kernel = (6, 5), (3, 2)
    x, w, b = random((rows, *image, channels)), random((*kernel, channels, outputs)), random((outputs,))
    variants = (
        ("", {}, (4, 4)),
        ("same", {"padding": "same"}, (6, 5)),
        ("strides", {"padding": "same", "strides": (2, 3), "dilation_rate": (1, 2)}, (3, 2)),
    )
    wrong = {
        "x": [(*image, channels), (rows, *image, channels + 1), (rows, 2, 5, channels)],
        "w": [(*kernel, channels + 1, outputs), (*kernel, channels), (7, 2, channels, outputs)],
        "b": [(outputs + 1,), (1, outputs), ()],
    }
    for variant, options, size in variants:
        # Where the image is padded, a small one or a large kernel fits.
        refused = wrong if not options else {"x": wrong["x"][:2], "w": wrong["w"][:2], "b": wrong["b"]}
        dy = random((rows, *size, outputs))
        wrong_dy = [(rows, *size, outputs + 1), (rows, size[0] + 1, size[1], outputs), (*size, outputs)]
        yield Case("conv2d_forward", variant, {"x": x, "w": w, "b": b}, options, refused, ("x",))
        others = {"x": [*refused["x"], (rows + 1, *image, channels)], "w": refused["w"], "dy": wrong_dy}
        yield Case("conv2d_backward", variant, {"dy": dy, "x": x, "w": w}, options, others, ("dy", "x"))
    yield Case("conv2d_forward", "no-bias", {"x": x, "w": w}, {}, {"x": wrong["x"], "w": wrong["w"]}, ("x",))
    for name in ("max", "average"):
        for variant, options, size in (
            ("", {}, (3, 2)),
            ("same", {"pool_size": (3, 2), "strides": (2, 1), "padding": "same"}, (3, 5)),
        ):
            short = [] if options else [(rows, 1, 5, channels)]
            wrong = {"x": [(rows, *image), (1, rows, *image, channels), *short]}
            yield Case(f"{name}_pooling2d_forward", variant, {"x": x}, options, wrong, ("x",))
            dy = random((rows, *size, channels))
            wrong = {**wrong, "dy": [(rows, *size, channels + 1), (rows + 1, *size, channels), size]}
            yield Case(f"{name}_pooling2d_backward", variant, {"dy": dy, "x": x}, options, wrong, ("dy", "x"))


def _normalization_cases(random, positive, sizes):
    shape = (sizes.rows, sizes.steps, sizes.inputs)
    gamma, beta = positive(shape[-1:]), random(shape[-1:])
    # One row has no variance: nothing but rounding, divided by its own size, would be compared.
    x, dy = random(shape) + np.arange(sizes.rows)[:, None, None].astype(gamma.dtype), random(shape)
    wrong_x = [(sizes.rows, sizes.steps, sizes.inputs + 1), ()]
    wrong_row = [(sizes.inputs + 1,), (1, sizes.inputs), ()]
    wrong_dy = [(sizes.rows + 1, sizes.steps, sizes.inputs), (sizes.inputs,)]
    for name in ("batch_normalization", "layer_normalization"):
        # Rows depend on each other through the statistics of the batch.
        rows = ("x",) if name.startswith("layer") else ()
        wrong = {"x": wrong_x, "gamma": wrong_row, "beta": wrong_row}
        yield Case(f"{name}_forward", "", {"x": x, "gamma": gamma, "beta": beta}, {}, wrong, rows)
        wrong = {"dy": wrong_dy, "x": [*wrong_x, (sizes.rows + 1, *shape[1:])], "gamma": wrong_row}
        arrays = {"dy": dy, "x": x, "gamma": gamma}
        yield Case(f"{name}_backward", "", arrays, {"epsilon": 0.01}, wrong, ("dy", *rows) if rows else ())


def _recurrent_cases(random, positive, sizes):
    rows, steps, inputs, hidden = sizes.rows, sizes.steps, sizes.inputs, sizes.hidden
    lengths = 1 + np.arange(rows) % steps
    variants = (
        ("rnn", "", 1, (hidden,), {}),
        ("lstm", "", 4, (4 * hidden,), {}),
        ("gru", "reset-after", 3, (2, 3 * hidden), {"reset_after": True}),
        ("gru", "reset-before", 3, (3 * hidden,), {"reset_after": False}),
    )
    for name, variant, gates, bias_shape, options in variants:
        width = gates * hidden
        arrays = {
            "x": random((rows, steps, inputs)),
            "w": random((inputs, width)) / np.sqrt(inputs, dtype=random(1).dtype),
            "u": random((hidden, width)) / np.sqrt(hidden, dtype=random(1).dtype),
            "b": random(bias_shape),
            "h0": random((rows, hidden)),
        }
        wrong_bias = [(width + 1,), (1, width), (2, width), (hidden + 1,), (3, width)]
        wrong = {
            "x": [(rows, steps), (rows, steps, inputs + 1), (1, rows, steps, inputs)],
            "w": [(inputs, width + 1), (inputs + 1, width), (width,)],
            "u": [(hidden, width + 1), (hidden + 1, width), (width,)],
            "b": [shape for shape in wrong_bias if shape != bias_shape],
            "h0": [(rows, hidden + 1), (rows + 1, hidden), (hidden,)],
            "lengths": [(rows + 1,), (rows, 1), ()],
        }
        if name == "lstm":
            arrays["c0"] = random((rows, hidden))
            wrong["c0"] = wrong["h0"]
        dh = {"dh": random((rows, steps, hidden))}
        wrong_dh = {"dh": [(rows, steps, hidden + 1), (rows, steps + 1, hidden), (rows, hidden)]}
        per_row = ("x", "h0", "lengths") + (("c0",) if name == "lstm" else ())
        others = {"lengths": lengths, **options}
        yield Case(f"{name}_forward", variant, arrays, others, wrong, per_row)
        yield Case(
            f"{name}_backward", variant, {**dh, **arrays}, others, {**wrong_dh, **wrong}, ("dh", *per_row)
        )
        bare = {each: arrays[each] for each in ("x", "w", "u")}
        wrong = {each: wrong[each] for each in bare}
        variant = f"{variant}-bare" if variant else "bare"
        yield Case(f"{name}_forward", variant, bare, options, wrong, ("x",))
        yield Case(f"{name}_backward", variant, {**dh, **bare}, options, {**wrong_dh, **wrong}, ("dh", "x"))


def _loss_cases(random, positive, sizes):
    shape = (sizes.rows, sizes.steps, sizes.outputs)
    labels = np.arange(sizes.rows * sizes.steps).reshape(shape[:2]) % sizes.outputs
    wrong = [
        (sizes.rows, sizes.steps, sizes.outputs + 1),
        (sizes.rows + 1, *shape[1:]),
        (sizes.outputs + 2,),
        (),
    ]
    per_row = ("prediction", "target")
    for name in PAIR_LOSSES + CATEGORICAL_LOSSES:
        prediction = random(shape) * 3 if name.endswith("logits") else positive(shape)
        distribution = positive(shape)
        distribution /= distribution.sum(axis=-1, keepdims=True)
        for direction in ("forward", "backward"):
            arrays = {"prediction": prediction, "target": distribution}
            both = {"prediction": wrong, "target": wrong}
            yield Case(f"{name}_{direction}", "", arrays, {}, both, per_row)
            if name in CATEGORICAL_LOSSES:
                shapes = {
                    "prediction": [wrong[1], ()],
                    "target": [(sizes.rows + 1, sizes.steps), (sizes.rows,)],
                }
                arrays, others = {"prediction": prediction}, {"target": labels}
                yield Case(f"{name}_{direction}", "labels", arrays, others, shapes, per_row)


def _sum_distribution_cases(random, positive, sizes):
    rows, numbers, values = sizes.rows, sizes.inputs % 40, sizes.outputs
    numbers = max(numbers, 1)
    sums = numbers * (values - 1) + 1
    p = positive((rows, numbers, values))
    p /= p.sum(axis=-1, keepdims=True)
    wrong_p = [(numbers, values), (1, rows, numbers, values)]
    yield Case("sum_distribution_forward", "", {"p": p}, {}, {"p": wrong_p}, ("p",))
    wrong = {
        "p": [*wrong_p, (rows + 1, numbers, values)],
        "dy": [(rows, sums + 1), (rows + 1, sums), (sums,)],
    }
    yield Case("sum_distribution_backward", "", {"dy": random((rows, sums)), "p": p}, {}, wrong, ("dy", "p"))
    target = {"target": np.arange(rows) * 7 % sums}
    wrong = {"z": [*wrong_p, (rows + 1, numbers, values)], "target": [(rows + 1,), (rows, 1), ()]}
    for direction in ("forward", "backward"):
        name = f"sum_distribution_crossentropy_from_logits_{direction}"
        yield Case(name, "", {"z": random((rows, numbers, values))}, target, wrong, ("z", "target"))


def _optimizer_cases(random, positive, sizes):
    count = sizes.inputs * sizes.outputs
    wrong = [(count + 1,), (1, count), ()]
    w, dw, m, v = random((count,)), random((count,)), random((count,)), positive((count,))
    rate = {"learning_rate": 0.01}

    def case(kernel, variant, state, options, changed):
        arrays = {"w": w, "dw": dw, **state}
        return Case(kernel, variant, arrays, options, dict.fromkeys(arrays, wrong), (), ("w", *changed))

    yield case("sgd_update", "", {}, {**rate, "velocity": None}, ())
    for nesterov in (False, True):
        options = {**rate, "momentum": 0.9, "nesterov": nesterov}
        variant = "nesterov" if nesterov else "momentum"
        yield case("sgd_update", variant, {"velocity": m}, options, ("velocity",))
    yield case("adam_update", "", {"m": m, "v": v}, {**rate, "step": 3}, ("m", "v"))
    decay = {**rate, "step": 3, "weight_decay": 0.1}
    yield case("adam_update", "decay", {"m": m, "v": v}, decay, ("m", "v"))
    yield case("rmsprop_update", "", {"v": v}, {**rate, "velocity": None}, ("v",))
    momentum = {**rate, "momentum": 0.9}
    yield case("rmsprop_update", "momentum", {"v": v, "velocity": m}, momentum, ("v", "velocity"))


def make_cases(dtype, sizes=SMALL, seed=7):
    """All cases with arrays of `dtype`, as a dict by label; the same numbers every time."""
    rng = np.random.default_rng(seed)

    def random(shape):
        return rng.normal(size=shape).astype(dtype)

    def positive(shape):
        return rng.uniform(0.05, 0.95, size=shape).astype(dtype)

    groups = (
        _elementwise_cases,
        _product_cases,
        _image_cases,
        _normalization_cases,
        _recurrent_cases,
        _loss_cases,
        _sum_distribution_cases,
        _optimizer_cases,
    )
    found = [case for group in groups for case in group(random, positive, sizes)]
    return {case.label: case for case in found}


LABELS = tuple(make_cases(np.float64))
"""Names of all cases, for parametrised tests."""
