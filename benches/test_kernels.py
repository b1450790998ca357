"""Each kernel, forward and backward: called as a function, which works on one thread, beside NumPy."""

import numpy as np
import pytest

from benches import numpy_versions
from benches.agreement import assert_agree
from tinynn import kernels

B, T, I, H, O, K = 32, 10, 10, 128, 128, 91  # noqa: E741


class Numbers:
    """Random arguments of one dtype."""

    def __init__(self, rng, dtype):
        self.rng, self.dtype = rng, dtype

    def normal(self, *shape, scale=1.0):
        return (scale * self.rng.standard_normal(shape)).astype(self.dtype)

    def uniform(self, *shape):
        """Well inside 0..1, away from where probabilities are clipped."""
        return self.rng.uniform(0.05, 0.95, shape).astype(self.dtype)

    def labels(self, batch, classes):
        return self.rng.integers(0, classes, batch)

    def distribution(self, *shape):
        return numpy_versions.softmax_forward(self.normal(*shape))

    def images(self, batch, size, channels, kernel, filters, backward=False):
        """x, w, b; for the backward pass dy, x, w."""
        x, w = self.normal(batch, size, size, channels), self.normal(kernel, kernel, channels, filters, scale=0.1)
        if backward:
            return self.normal(batch, size - kernel + 1, size - kernel + 1, filters), x, w
        return x, w, self.normal(filters)

    def recurrent(self, gates, batch, steps, inputs, units, backward=False):
        """x, w, u, b, for the backward pass dh before them."""
        bias = (2, 3 * units) if gates == 3 else (gates * units,)
        return (
            *([self.normal(batch, steps, units)] if backward else []),
            self.normal(batch, steps, inputs),
            self.normal(inputs, gates * units, scale=inputs**-0.5),
            self.normal(units, gates * units, scale=units**-0.5),
            self.normal(*bias, scale=0.1),
        )


# (kernel, size) -> its arguments
CASES = {
    ("gemm", "32x784x128"): lambda n: (n.normal(32, 784), n.normal(784, 128)),
    ("gemm", "128x784x128"): lambda n: (n.normal(128, 784), n.normal(784, 128)),
    ("gemm", "32x128x128"): lambda n: (n.normal(32, 128), n.normal(128, 128)),
    ("gemm", "128x784x768"): lambda n: (n.normal(128, 784), n.normal(784, 768)),
    ("gemm", "1x784x128"): lambda n: (n.normal(1, 784), n.normal(784, 128)),
    ("gemm", "784x32x128 a transposed"): lambda n: (n.normal(32, 784), n.normal(32, 128), True, False),
    ("gemm", "32x128x784 b transposed"): lambda n: (n.normal(32, 128), n.normal(784, 128), False, True),
    ("dense_forward", "32x784x128"): lambda n: (n.normal(32, 784), n.normal(784, 128), n.normal(128)),
    ("dense_backward", "32x784x128"): lambda n: (n.normal(32, 128), n.normal(32, 784), n.normal(784, 128)),
    ("dense_forward", "32x64x64"): lambda n: (n.normal(32, 64), n.normal(64, 64), n.normal(64)),
    ("dense_backward", "32x64x64"): lambda n: (n.normal(32, 64), n.normal(32, 64), n.normal(64, 64)),
    ("conv2d_forward", "32x28x28x1 5x5x16"): lambda n: n.images(32, 28, 1, 5, 16),
    ("conv2d_backward", "32x28x28x1 5x5x16"): lambda n: n.images(32, 28, 1, 5, 16, backward=True),
    ("conv2d_forward", "32x12x12x16 5x5x32"): lambda n: n.images(32, 12, 16, 5, 32),
    ("conv2d_backward", "32x12x12x16 5x5x32"): lambda n: n.images(32, 12, 16, 5, 32, backward=True),
    ("max_pooling2d_forward", "32x24x24x16"): lambda n: (n.normal(32, 24, 24, 16),),
    ("max_pooling2d_backward", "32x24x24x16"): lambda n: (n.normal(32, 12, 12, 16), n.normal(32, 24, 24, 16)),
    ("sum_distribution_forward", "64x10x10"): lambda n: (n.distribution(64, 10, 10),),
    ("sum_distribution_backward", "64x10x10"): lambda n: (n.normal(64, 91), n.distribution(64, 10, 10)),
    # Targets around the middle: NumPy's version has no logarithms that would keep the others from underflow.
    ("sum_distribution_crossentropy_from_logits_forward", "64x10x10"): lambda n: (
        n.normal(64, 10, 10),
        30 + n.labels(64, 31),
    ),
    ("sum_distribution_crossentropy_from_logits_backward", "64x10x10"): lambda n: (
        n.normal(64, 10, 10),
        30 + n.labels(64, 31),
    ),
}
for activation in ("sigmoid", "relu", "tanh", "softmax"):
    for shape in ((32, 128), (128, 784)):
        size = "x".join(map(str, shape))
        CASES[f"{activation}_forward", size] = lambda n, shape=shape: (n.normal(*shape),)
        CASES[f"{activation}_backward", size] = lambda n, shape=shape: (n.normal(*shape), n.uniform(*shape))
for cell, gates in (("rnn", 1), ("lstm", 4), ("gru", 3)):
    for sizes in ((32, 10, 10, 128), (32, 50, 16, 32), (128, 28, 28, 128)):
        size = "x".join(map(str, sizes))
        CASES[f"{cell}_forward", size] = lambda n, g=gates, sizes=sizes: n.recurrent(g, *sizes)
        CASES[f"{cell}_backward", size] = lambda n, g=gates, sizes=sizes: n.recurrent(
            g, *sizes, backward=True
        )
for name in ("batch_normalization", "layer_normalization"):
    CASES[f"{name}_forward", "2048x64"] = lambda n: (n.normal(2048, 64), n.normal(64), n.normal(64))
    CASES[f"{name}_backward", "2048x64"] = lambda n: (n.normal(2048, 64), n.normal(2048, 64), n.normal(64))
for direction in ("forward", "backward"):
    for loss in ("half_squared_error", "mean_squared_error"):
        CASES[f"{loss}_{direction}", "128x91"] = lambda n: (n.normal(128, 91), n.normal(128, 91))
    CASES[f"binary_crossentropy_{direction}", "128x91"] = lambda n: (n.uniform(128, 91), n.uniform(128, 91))
    CASES[f"binary_crossentropy_from_logits_{direction}", "128x91"] = lambda n: (
        n.normal(128, 91),
        n.uniform(128, 91),
    )
    CASES[f"categorical_crossentropy_{direction}", "128x91"] = lambda n: (
        n.uniform(128, 91),
        n.labels(128, 91),
    )
    for loss in ("categorical_crossentropy_from_logits", "categorical_crossentropy_from_sigmoid_logits"):
        CASES[f"{loss}_{direction}", "128x91"] = lambda n: (n.normal(128, 91), n.labels(128, 91))


@pytest.mark.parametrize("version", ["numpy", "tinynn"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kernel, size", CASES, ids=[f"{kernel} {size}" for kernel, size in CASES])
def test_kernel(kernel, size, dtype, version, measure, rng):
    """The backward functions of recurrent layers compute the forward pass too, in both versions."""
    arguments = CASES[kernel, size](Numbers(rng, dtype))
    ours, theirs = getattr(kernels, kernel), getattr(numpy_versions, kernel)
    measure(
        version,
        f"{kernel} {size} {dtype}",
        lambda: ours(*arguments),
        lambda: theirs(*arguments),
        lambda: assert_agree(ours(*arguments), theirs(*arguments)),
    )


# Small enough to leave the weights alone while the update is repeated ten thousands of times.
RATE = 1e-7
# rule -> (function, arguments after w and dw), options; zeros() makes a state
OPTIMIZERS = {
    "sgd": lambda zeros: (("sgd_update", None, RATE), {}),
    "momentum": lambda zeros: (("sgd_update", zeros(), RATE), {"momentum": 0.9}),
    "nesterov": lambda zeros: (("sgd_update", zeros(), RATE), {"momentum": 0.9, "nesterov": True}),
    "adam": lambda zeros: (("adam_update", zeros(), zeros(), 10, RATE), {}),
    "adamw": lambda zeros: (("adam_update", zeros(), zeros(), 10, RATE), {"weight_decay": 0.004}),
    "rmsprop": lambda zeros: (("rmsprop_update", zeros(), None, RATE), {}),
    "rmsprop momentum": lambda zeros: (("rmsprop_update", zeros(), zeros(), RATE), {"momentum": 0.9}),
}


@pytest.mark.parametrize("version", ["numpy", "tinynn"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [1_000, 101_770, 1_500_000])
@pytest.mark.parametrize("rule", OPTIMIZERS)
def test_update(rule, size, dtype, version, measure, rng):
    """Sizes: a vector in the cache of the core; 784-128-10; a network that does not fit into it."""
    w, dw = (rng.standard_normal(size).astype(dtype) for _ in range(2))

    def prepare(module, rate=RATE):
        (name, *rest), options = OPTIMIZERS[rule](lambda: np.zeros(size, dtype))
        arguments = (w.copy(), dw, *rest[:-1], rate)
        return arguments, lambda: getattr(module, name)(*arguments, **options)

    def check():
        changed = []
        for module in (kernels, numpy_versions):
            arguments, run = prepare(module, rate=0.1)
            for _ in range(3):
                run()
            changed.append(tuple(a for a in arguments if isinstance(a, np.ndarray)))
        assert_agree(*changed)

    group = f"{rule} update {size} {dtype}"
    measure(version, group, prepare(kernels)[1], prepare(numpy_versions)[1], check)
