"""Ops written in Python, below the layers: what they are called with and how their results are taken."""

import numpy as np
import pytest

from tinynn import Sequential, layers
from tinynn.engine.python_op import write


def test_write_checks_and_converts(dtype):
    to = np.empty((2, 3), dtype)
    write(to, [[1, 2, 3], [4, 5, 6]], "it", "here")
    np.testing.assert_array_equal(to, [[1, 2, 3], [4, 5, 6]])
    write(None, "ignored", "it", "here")  # nobody needs it
    with pytest.raises(ValueError, match=r"here: it must have shape \(2, 3\), got \(3,\)"):
        write(to, np.ones(3), "it", "here")
    with pytest.raises(ValueError, match="here: it"):
        write(to, None, "it", "here")
    with pytest.raises((TypeError, ValueError), match="here: it"):
        write(to, np.full((2, 3), "a"), "it", "here")
    with pytest.raises(TypeError, match="here: it must be real numbers, got dtype complex128"):
        write(to, np.ones((2, 3), complex), "it", "here")


class Recorder(layers.PythonLayer):
    """Remembers the shapes and dtypes of everything it is called with."""

    def __init__(self):
        self.seen = []

    def parameters(self, network, input_shape):
        return [
            network.parameter("a", (2,), lambda shape, dtype, generator: np.ones(shape)),
            network.parameter("b", (1, 2), lambda shape, dtype, generator: np.ones(shape)),
        ]

    def remember(self, *arrays):
        self.seen.append([(a.shape, a.dtype) for a in arrays])

    def forward(self, x, a, b):
        self.remember(x, a, b)
        return x * a + b

    def backward(self, dy, x, y, a, b):
        self.remember(dy, x, y, a, b)
        return dy * a, (dy * x).sum((0, 1)), dy.sum((0, 1))[None]


def test_what_it_is_called_with(dtype, rng):
    recorder = Recorder()
    model = Sequential([layers.Dense(2), recorder], (3, 2), dtype=dtype)
    model.compile("sgd", "mse")
    model.train_on_batch(rng.normal(size=(4, 3, 2)), rng.normal(size=(4, 3, 2)))
    x, a, b = ((4, 3, 2), dtype), ((2,), dtype), ((1, 2), dtype)
    assert recorder.seen == [[x, a, b], [x, x, x, a, b]]


def test_frozen_parameters_get_no_gradient(rng):
    recorder = Recorder()
    recorder.trainable = False
    model = Sequential([layers.Dense(2), recorder], (3, 2))
    model.compile("sgd", "mse")
    before = model.get_weights()
    model.train_on_batch(rng.normal(size=(4, 3, 2)), rng.normal(size=(4, 3, 2)))
    changed = [bool((a != b).any()) for a, b in zip(before, model.get_weights(), strict=True)]
    assert changed == [True, True, False, False]


def test_a_warning_inside_is_an_error_here(rng):
    """As pytest turns warnings into errors, they come through like any other."""

    class Divides(layers.PythonLayer):
        def forward(self, x):
            return x / np.zeros_like(x)

    model = Sequential([Divides()], (2,))
    with pytest.raises(RuntimeWarning, match="divide by zero"):
        model.predict(np.ones((1, 2)))
