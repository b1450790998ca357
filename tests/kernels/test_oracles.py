"""Tests of the oracles: gradients by finite differences, rounding by exact fractions."""

from fractions import Fraction

import numpy as np
import pytest

from tests import oracles
from tests.kernels.cases import CATEGORICAL_LOSSES, PAIR_LOSSES
from tests.numerics import finite_differences, fused_multiply_add, ulp_distance, weighted_sum

NEAR = {"rtol": 1e-9, "atol": 1e-10}


def check_gradients(forward, backward, arguments, rng, with_dy=True, **options):
    """Compare every gradient of `backward`, in the order of `arguments`, with finite differences."""
    result = forward(**arguments, **options)
    first = result[0] if isinstance(result, tuple) else result
    dy = rng.normal(size=np.shape(first)) if with_dy else np.ones(np.shape(first))
    found = backward(dy, **arguments, **options) if with_dy else backward(**arguments, **options)
    found = found if isinstance(found, tuple) else (found,)

    for name, gradient in zip(arguments, found, strict=True):

        def value(point, name=name):
            output = forward(**{**arguments, name: point}, **options)
            return weighted_sum(output[0] if isinstance(output, tuple) else output, dy)

        expected = finite_differences(value, arguments[name])
        np.testing.assert_allclose(gradient, expected, **NEAR, err_msg=name)


def test_dense(rng):
    arguments = {"x": rng.normal(size=(2, 3, 4)), "w": rng.normal(size=(4, 5)), "b": rng.normal(size=5)}
    check_gradients(
        oracles.dense_forward, lambda dy, x, w, b: oracles.dense_backward(dy, x, w), arguments, rng
    )


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "relu", "softmax"])
def test_activations(name, rng):
    forward, backward = getattr(oracles, f"{name}_forward"), getattr(oracles, f"{name}_backward")
    x = rng.normal(size=(3, 5)) + 0.01
    check_gradients(forward, lambda dy, x: backward(dy, forward(x)), {"x": x}, rng)


WINDOWS = [{}, {"padding": "same"}, {"padding": "same", "strides": (2, 3)}, {"strides": 2}]


@pytest.mark.parametrize("options", [*WINDOWS, {"dilation_rate": (2, 1), "padding": "same"}])
def test_convolution(options, rng):
    arguments = {"x": rng.normal(size=(2, 5, 4, 2)), "w": rng.normal(size=(3, 2, 2, 3)), "b": rng.normal(size=3)}
    backward = oracles.conv2d_backward
    check_gradients(
        oracles.conv2d_forward, lambda dy, x, w, b, **o: backward(dy, x, w, **o), arguments, rng, **options
    )


@pytest.mark.parametrize("options", WINDOWS)
@pytest.mark.parametrize("name", ["max", "average"])
def test_pooling(name, options, rng):
    forward, backward = (getattr(oracles, f"{name}_pooling2d_{way}") for way in ("forward", "backward"))
    x = rng.permutation(120).reshape(2, 5, 4, 3) / 10  # far enough apart that no step makes another one the largest
    check_gradients(forward, backward, {"x": x}, rng, pool_size=(2, 3), **options)


@pytest.mark.parametrize("name", ["batch", "layer"])
def test_normalization(name, rng):
    forward, backward = (getattr(oracles, f"{name}_normalization_{way}") for way in ("forward", "backward"))
    arguments = {"x": rng.normal(size=(5, 2, 4)) + 3, "gamma": rng.normal(size=4), "beta": rng.normal(size=4)}
    check_gradients(
        forward, lambda dy, x, gamma, beta, **o: backward(dy, x, gamma, **o), arguments, rng, epsilon=0.1
    )


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "gru before"])
@pytest.mark.parametrize("lengths", [None, (4, 1, 3)])
def test_recurrent(cell, lengths, rng):
    name, _, before = cell.partition(" ")
    gates = {"rnn": 1, "lstm": 4, "gru": 3}[name]
    bias_shape = (2, 3 * 3) if cell == "gru" else (gates * 3,)
    arguments = {
        "x": rng.normal(size=(3, 4, 2)),
        "w": rng.normal(size=(2, gates * 3)),
        "u": rng.normal(size=(3, gates * 3)),
        "b": rng.normal(size=bias_shape),
        "h0": rng.normal(size=(3, 3)),
    }
    if name == "lstm":
        arguments["c0"] = rng.normal(size=(3, 3))
    options = {"lengths": lengths, **({"reset_after": not before} if name == "gru" else {})}
    forward, backward = getattr(oracles, f"{name}_forward"), getattr(oracles, f"{name}_backward")
    check_gradients(forward, backward, arguments, rng, **options)


@pytest.mark.parametrize("name", PAIR_LOSSES + CATEGORICAL_LOSSES)
def test_losses(name, rng):
    forward, backward = getattr(oracles, f"{name}_forward"), getattr(oracles, f"{name}_backward")
    prediction = rng.uniform(0.1, 0.9, size=(3, 2, 4))
    target = rng.uniform(size=prediction.shape)
    check = {"prediction": prediction}
    check_gradients(
        lambda prediction: forward(prediction, target),
        lambda prediction: backward(prediction, target),
        check,
        rng,
        with_dy=False,
    )
    if name.startswith("categorical"):
        labels = rng.integers(0, 4, size=(3, 2))
        one_hot = np.eye(4)[labels]
        np.testing.assert_array_equal(forward(prediction, labels), forward(prediction, one_hot))
        np.testing.assert_array_equal(backward(prediction, labels), backward(prediction, one_hot))


def test_sigmoid_logits_are_the_rule_over_sigmoids(rng):
    z, target = rng.normal(size=(4, 6)), rng.integers(0, 6, size=4)
    np.testing.assert_allclose(
        oracles.categorical_crossentropy_from_sigmoid_logits_forward(z, target),
        oracles.categorical_crossentropy_forward(oracles.sigmoid_forward(z), target),
        rtol=1e-14,
    )


def test_sum_distribution(rng):
    p = rng.uniform(size=(2, 4, 3))
    check_gradients(oracles.sum_distribution_forward, oracles.sum_distribution_backward, {"p": p}, rng)
    z, target = rng.normal(size=(3, 4, 3)), np.array([0, 8, 5])
    forward = oracles.sum_distribution_crossentropy_from_logits_forward
    backward = oracles.sum_distribution_crossentropy_from_logits_backward
    check_gradients(lambda z: forward(z, target), lambda z: backward(z, target), {"z": z}, rng, with_dy=False)
    y = oracles.sum_distribution_forward(oracles.softmax_forward(z))
    np.testing.assert_allclose(forward(z, target), -np.log(y[np.arange(3), target]), rtol=1e-13)


def round_fraction(value, dtype):
    """A fraction rounded correctly to `dtype` (Python rounds to float64; for float32 it is done by hand)."""
    if dtype == np.float64 or value == 0:
        return np.float64(value.numerator / value.denominator)
    guess = np.float32(float(value))
    around = [np.nextafter(guess, np.float32(-np.inf)), guess, np.nextafter(guess, np.float32(np.inf))]
    even_first = sorted(around, key=lambda each: int(each.view(np.uint32)) & 1)
    return min(even_first, key=lambda each: abs(Fraction(float(each)) - value))


def test_fused_multiply_add_against_fractions(dtype, rng):
    count = 2000
    a, b = rng.normal(size=(2, count)).astype(dtype)
    c = (-a * b * (1 + rng.integers(-3, 4, size=count) * np.finfo(dtype).eps)).astype(dtype)
    c[::2] = rng.normal(size=count // 2) * 10.0 ** rng.integers(-9, 9, size=count // 2)
    # Halfway cases: a product of few bits and an addend that ends where the product begins.
    a[::5], b[::5], c[::5] = 1 + np.finfo(dtype).eps, 1 + np.finfo(dtype).eps, rng.integers(-9, 9)
    found = fused_multiply_add(a, b, c)
    for row in zip(a, b, c, found, strict=True):
        exact = Fraction(float(row[0])) * Fraction(float(row[1])) + Fraction(float(row[2]))
        assert row[3] == round_fraction(exact, dtype), row


def test_ulp_distance(dtype):
    one = dtype.type(1)
    eps = np.finfo(dtype).eps
    assert ulp_distance(one + dtype.type(2) * eps, 1.0) == 2
    assert ulp_distance(one, 1 + np.longdouble(eps) / 4) == 0.25
    special = np.array([np.inf, -np.inf, np.nan, np.nan, 1.0, 0.0], dtype=dtype)
    expected = np.array([np.inf, np.inf, np.nan, 0.0, np.nan, 0.0])
    np.testing.assert_array_equal(ulp_distance(special, expected), [0, np.inf, 0, np.inf, np.inf, 0])
