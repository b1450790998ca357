"""Losses: the oracle, finite differences, labels and distributions, and where logarithms explode."""

import numpy as np
import pytest

from tests import oracles
from tests.kernels.cases import CATEGORICAL_LOSSES, PAIR_LOSSES
from tests.numerics import ODD_SIZES, assert_close, assert_same_bits, finite_differences
from tinynn import kernels
from tinynn.kernels import op as ops

LOSSES = PAIR_LOSSES + CATEGORICAL_LOSSES
FROM_LOGITS = tuple(name for name in LOSSES if name.endswith("logits"))


def pair(name, module=kernels):
    return getattr(module, f"{name}_forward"), getattr(module, f"{name}_backward")


def make(rng, name, dtype, shape):
    """Prediction and target: probabilities, logits, distributions or numbers, as the loss takes them."""
    if name in FROM_LOGITS or name.endswith("error"):
        prediction = rng.normal(size=shape) * 3
    else:
        prediction = rng.uniform(0.02, 0.98, size=shape)
    if name.endswith("error"):
        target = rng.normal(size=shape)
    elif name in CATEGORICAL_LOSSES:
        target = rng.dirichlet(np.ones(shape[-1]), size=shape[:-1])
    else:
        target = rng.uniform(size=shape)
    return prediction.astype(dtype), target.astype(dtype)


def check(name, prediction, target, dtype, factor=16.0):
    """Both directions against the oracle; the errors are relative to the terms that are added up."""
    forward, backward = pair(name)
    expected_forward, expected_backward = pair(name, oracles)
    magnitude = 1.0
    if (
        name in FROM_LOGITS
    ):  # a logarithm of a sum of exponentials has the absolute error of the largest logit
        magnitude = np.maximum(1.0, np.abs(prediction).max(axis=-1))
    expected = expected_forward(prediction, target)
    scale = np.maximum(np.abs(expected), magnitude)
    message = f"{name} of shape {prediction.shape}"
    assert_close(forward(prediction, target), expected, dtype=dtype, factor=factor, scale=scale, name=message)
    expected = expected_backward(prediction, target)
    scale = np.maximum(
        np.abs(expected), np.abs(expected).max(axis=-1, keepdims=True) + 0.1 / prediction.shape[-1]
    )
    if name in FROM_LOGITS:
        scale = scale * np.asarray(magnitude)[..., None]
    assert_close(
        backward(prediction, target), expected, dtype=dtype, factor=factor, scale=scale, name=message
    )


@pytest.mark.parametrize("name", LOSSES)
def test_equals_the_oracle_at_odd_sizes(name, dtype, rng):
    for size in ODD_SIZES:
        check(name, *make(rng, name, dtype, (3, size)), dtype)
        check(name, *make(rng, name, dtype, (size, 3)), dtype)


@pytest.mark.parametrize("name", LOSSES)
def test_any_number_of_leading_axes(name, dtype, rng):
    for leading in ((), (4,), (2, 3), (2, 1, 3)):
        prediction, target = make(rng, name, dtype, (*leading, 5))
        check(name, prediction, target, dtype)
        assert np.shape(pair(name)[0](prediction, target)) == leading


@pytest.mark.parametrize("name", CATEGORICAL_LOSSES)
def test_labels_are_one_hot_rows(name, dtype, rng):
    forward, backward = pair(name)
    for leading, classes in (((4,), 1), ((4,), 2), ((3, 5), 10), ((33,), 91), ((), 7)):
        prediction, _ = make(rng, name, dtype, (*leading, classes))
        labels = rng.integers(0, classes, size=leading)
        labels = np.asarray(labels, dtype=np.int64)
        check(name, prediction, labels, dtype)
        one_hot = np.eye(classes, dtype=dtype)[labels]
        scale = np.maximum(1.0, np.abs(prediction).max())
        loss = np.asarray(forward(prediction, one_hot), np.float64)
        assert_close(forward(prediction, labels), loss, dtype=dtype, factor=8, scale=scale)
        gradient = backward(prediction, one_hot).astype(np.float64)
        assert_close(
            backward(prediction, labels), gradient, dtype=dtype, factor=8, scale=np.abs(gradient) + scale
        )


@pytest.mark.parametrize("name", LOSSES)
def test_backward_is_the_gradient_of_the_sum_of_all_rows(name, rng):
    for leading in ((4,), (2, 3)):
        prediction, target = make(rng, name, np.float64, (*leading, 5))
        if not (name in FROM_LOGITS or name.endswith("error")):
            prediction = 0.2 + 0.6 * prediction  # far enough from the ends for finite differences
        targets = [target]
        if name in CATEGORICAL_LOSSES:
            targets.append(rng.integers(0, 5, size=leading))
        for target in targets:
            forward = pair(name, oracles)[0]
            expected = finite_differences(lambda point: forward(point, target).sum(), prediction)  # noqa: B023
            np.testing.assert_allclose(pair(name)[1](prediction, target), expected, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("name", LOSSES)
def test_bits_of_a_row_do_not_depend_on_the_batch(name, dtype, rng):
    forward, backward = pair(name)
    prediction, target = make(rng, name, dtype, (21, 17))
    loss, gradient = forward(prediction, target), backward(prediction, target)
    for first, last in ((0, 1), (1, 9), (9, 21)):
        part = slice(first, last)
        assert_same_bits(forward(prediction[part], target[part]), loss[part])
        assert_same_bits(backward(prediction[part], target[part]), gradient[part])


@pytest.mark.parametrize("name", FROM_LOGITS)
def test_extreme_logits(name, dtype):
    for huge in (1e2, 1e3, 1e4):
        rows = [
            [huge, -huge, 0],
            [-huge, -huge, -huge],
            [huge, huge, huge],
            [0, huge, huge],
            [-huge, 0, huge],
        ]
        prediction = np.array(rows, dtype)
        for target in (np.eye(3)[[1, 0, 2, 0, 0]], np.eye(3)[[0, 1, 1, 2, 2]], np.full((5, 3), 1 / 3)):
            check(name, prediction, target.astype(dtype), dtype)
            assert np.isfinite(pair(name)[0](prediction, target.astype(dtype))).all()
            assert np.isfinite(pair(name)[1](prediction, target.astype(dtype))).all()


def test_an_unlikely_class_still_has_a_gradient(dtype):
    z = np.array([[1e4, 0.0, -1e4]], dtype)
    label = np.array([2])
    np.testing.assert_allclose(kernels.categorical_crossentropy_from_logits_forward(z, label), [2e4])
    np.testing.assert_allclose(kernels.categorical_crossentropy_from_logits_backward(z, label), [[1, 0, -1]])
    # sigmoid(-1e4) is 0 in every dtype; in logarithms the loss is the logit and its gradient is -1.
    loss = kernels.categorical_crossentropy_from_sigmoid_logits_forward(z, label)
    gradient = kernels.categorical_crossentropy_from_sigmoid_logits_backward(z, label)
    np.testing.assert_allclose(loss, [1e4 + np.log(1.5)], rtol=1e-6)
    np.testing.assert_allclose(gradient[0, 1:], [1 / 6, -1], rtol=1e-6)
    z, target = np.array([[1e4, -1e4]], dtype), np.array([[0.0, 1.0]], dtype)
    np.testing.assert_allclose(kernels.binary_crossentropy_from_logits_forward(z, target), [1e4])
    np.testing.assert_allclose(kernels.binary_crossentropy_from_logits_backward(z, target), [[0.5, -0.5]])


def test_sigmoids_that_are_all_nearly_zero_are_normalised(dtype):
    # Where every sigmoid underflows, s(z)/sum s(z) is softmax(z).
    z = np.array([[-500.0, -501.0, -503.0], [-1e4, -1e4, -1e4]], dtype)
    labels = np.array([1, 0])
    name = "categorical_crossentropy_from_sigmoid_logits"
    expected = oracles.categorical_crossentropy_from_logits_forward(z, labels)
    np.testing.assert_allclose(
        pair(name)[0](z, labels), expected, rtol=2e-4 if dtype == np.float32 else 1e-12
    )
    expected = oracles.categorical_crossentropy_from_logits_backward(z, labels)
    np.testing.assert_allclose(
        pair(name)[1](z, labels), expected, rtol=2e-4 if dtype == np.float32 else 1e-12
    )


def test_clipped_probabilities(dtype):
    """Log of 0 is log of 1e-7, as in Keras; a clipped probability does not move, so its gradient is 0."""
    # In float32 1 - 1e-7 rounds to 1 - 1.19e-7: one part in ninety of the logarithm.
    near = {"rtol": 2e-2 if dtype == np.float32 else 1e-7, "atol": 2e-7}
    prediction = np.array([[0.0, 1.0, 0.0, 1.0]], dtype)
    for target in ([[0, 1, 0, 1]], [[1, 0, 1, 0]], [[1, 1, 0.5, 0.5]]):
        target = np.array(target, dtype)
        expected = oracles.binary_crossentropy_forward(prediction, target)
        np.testing.assert_allclose(kernels.binary_crossentropy_forward(prediction, target), expected, **near)
        assert not kernels.binary_crossentropy_backward(prediction, target).any()
    prediction = np.array([[0.0, 0.5, 0.5], [1.0, 0.0, 0.0], [0.0, 0.0, 3.0]], dtype)
    for labels in ([0, 0, 2], [0, 1, 1], [1, 2, 0]):
        for target in (np.array(labels), np.eye(3, dtype=dtype)[labels]):
            loss = kernels.categorical_crossentropy_forward(prediction, target)
            expected = oracles.categorical_crossentropy_forward(prediction, target)
            np.testing.assert_allclose(loss, expected, **near)
            gradient = kernels.categorical_crossentropy_backward(prediction, target)
            expected = oracles.categorical_crossentropy_backward(prediction, target)
            np.testing.assert_allclose(gradient, expected, **near)


def test_probabilities_near_the_clip_keep_their_gradient(dtype):
    prediction = np.array([[1e-6, 1 - 1e-6, 1e-5, 1e-3]], dtype)
    target = np.array([[1, 0, 0.5, 1]], dtype)
    expected = oracles.binary_crossentropy_backward(prediction, target)
    assert_close(kernels.binary_crossentropy_backward(prediction, target), expected, dtype=dtype, factor=16)
    rows = np.array([[1e-6, 0.5, 0.5], [1e-6, 1e-6, 1e-6]], dtype)
    expected = oracles.categorical_crossentropy_backward(rows, np.array([0, 2]))
    got = kernels.categorical_crossentropy_backward(rows, np.array([0, 2]))
    assert_close(got, expected, dtype=dtype, factor=16)


def test_targets_with_zero_probability_add_nothing(dtype):
    """0 log 0 is 0: a class that the target excludes costs nothing however small its probability."""
    prediction = np.array([[0.0, 0.25, 0.75]], dtype)
    target = np.array([[0.0, 0.25, 0.75]], dtype)
    entropy = -(0.25 * np.log(0.25) + 0.75 * np.log(0.75))
    assert_close(
        kernels.categorical_crossentropy_forward(prediction, target), [entropy], dtype=dtype, factor=8
    )
    assert np.isfinite(kernels.categorical_crossentropy_backward(prediction, target)).all()
    z = np.array([[-1e4, np.log(0.25), np.log(0.75)]], dtype)
    got = kernels.categorical_crossentropy_from_logits_forward(z, target)
    assert_close(got, [entropy], dtype=dtype, factor=8)
    got = kernels.categorical_crossentropy_from_logits_backward(z, target)
    assert_close(got, np.zeros((1, 3)), dtype=dtype, factor=8, scale=1.0)


def test_confident_and_right_costs_nothing(dtype):
    z, label = np.array([[1e4, 0.0, -1e4]], dtype), np.array([0])
    assert kernels.categorical_crossentropy_from_logits_forward(z, label)[0] == 0
    assert not kernels.categorical_crossentropy_from_logits_backward(z, label).any()
    z, target = np.array([[1e4, -1e4]], dtype), np.array([[1.0, 0.0]], dtype)
    assert kernels.binary_crossentropy_from_logits_forward(z, target)[0] == 0
    assert not kernels.binary_crossentropy_from_logits_backward(z, target).any()


def test_normalisation_does_not_care_about_scale(dtype, rng):
    # Powers of two change no rounding: p and 8 p are the same distribution, the gradient shrinks by 8.
    prediction = rng.uniform(0.1, 1, size=(7, 10)).astype(dtype)
    labels = rng.integers(0, 10, size=7)
    forward, backward = pair("categorical_crossentropy")
    assert_same_bits(forward(prediction * 8, labels), forward(prediction, labels))
    assert_same_bits(backward(prediction * 8, labels) * 8, backward(prediction, labels))


@pytest.mark.parametrize("name", LOSSES)
def test_nan_is_not_hidden(name, dtype, rng):
    prediction, target = make(rng, name, dtype, (5, 9))
    prediction[3, 4] = np.nan
    loss, gradient = pair(name)[0](prediction, target), pair(name)[1](prediction, target)
    np.testing.assert_array_equal(np.isnan(loss), np.arange(5) == 3)
    if name != "binary_crossentropy":  # clipping a nan has no gradient; the loss tells
        assert np.isnan(gradient[3]).any()
    assert np.isfinite(np.delete(gradient, 3, axis=0)).all()


@pytest.mark.parametrize("name", CATEGORICAL_LOSSES)
@pytest.mark.parametrize("label", [-1, 4, 2**40])
def test_labels_out_of_range(name, label, dtype, rng):
    prediction, _ = make(rng, name, dtype, (3, 4))
    for function in pair(name):
        with pytest.raises(ValueError, match=r"\btarget\b"):
            function(prediction, np.array([0, label, 3]))


@pytest.mark.parametrize(
    ("name", "categorical", "from_logits"),
    [
        ("half_squared_error", False, False),
        ("mean_squared_error", False, False),
        ("binary_crossentropy", False, False),
        ("binary_crossentropy_from_logits", False, True),
        ("categorical_crossentropy", True, False),
        ("categorical_crossentropy_from_logits", True, True),
        ("categorical_crossentropy_from_sigmoid_logits", True, True),
    ],
)
def test_a_loss_says_what_it_is(name, categorical, from_logits):
    loss = ops.registered[name]
    assert (loss.categorical, loss.from_logits) == (categorical, from_logits)
    outputs = loss.shapes([(3, 5), (3, 5)], [], {})
    assert outputs == ([(3,), (3, 5)] if from_logits else [(3,)])
