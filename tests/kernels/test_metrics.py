"""Metrics: against NumPy, with labels and distributions, ties, and what they refuse."""

import numpy as np
import pytest

from tests.numerics import ODD_SIZES, assert_close, assert_same_bits
from tinynn import kernels

METRICS = ("categorical_accuracy", "binary_accuracy", "mean_absolute_error")
LEADING = ((), (4,), (2, 3), (2, 1, 3), (257,), (0,))


def shapes():
    return [*((*leading, 5) for leading in LEADING), *((3, size) for size in ODD_SIZES)]


def test_categorical_accuracy_equals_argmax(dtype, rng):
    for shape in shapes():
        prediction, target = rng.normal(size=(2, *shape)).astype(dtype)
        labels = target.argmax(axis=-1)
        expected = (prediction.argmax(axis=-1) == labels).astype(dtype)
        for given in (target, labels):
            assert_same_bits(kernels.categorical_accuracy(prediction, given), expected, f"shape {shape}")


def test_of_equal_classes_the_first_counts(dtype):
    prediction = np.array([[1, 1, 0], [0, 1, 1], [2, 2, 2], [-1, -1, -2]], dtype)
    labels = np.array([0, 1, 0, 0])
    np.testing.assert_array_equal(kernels.categorical_accuracy(prediction, labels), 1)
    np.testing.assert_array_equal(kernels.categorical_accuracy(prediction, prediction), 1)
    np.testing.assert_array_equal(kernels.categorical_accuracy(prediction, labels + 1), 0)


def test_binary_accuracy_equals_the_share_of_right_elements(dtype, rng):
    for shape in shapes():
        prediction = rng.uniform(size=shape).astype(dtype)
        target = rng.integers(0, 2, size=shape).astype(dtype)
        expected = ((prediction > 0.5) == (target > 0.5)).mean(axis=-1)
        assert_close(kernels.binary_accuracy(prediction, target), expected, dtype=dtype, factor=1)


def test_one_half_is_not_above_one_half(dtype):
    prediction = np.array([[0.5], [np.nextafter(dtype.type(0.5), dtype.type(1))]], dtype)
    np.testing.assert_array_equal(kernels.binary_accuracy(prediction, np.zeros((2, 1), dtype)), [1, 0])


@pytest.mark.parametrize("threshold", [0, -1.5, 0.3, 2])
def test_a_threshold_is_for_the_prediction_alone(threshold, dtype, rng):
    for shape in shapes():
        prediction = rng.normal(size=shape).astype(dtype)
        target = rng.integers(0, 2, size=shape).astype(dtype)
        expected = ((prediction > dtype.type(threshold)) == (target > 0.5)).mean(axis=-1)
        assert_close(kernels.binary_accuracy(prediction, target, threshold), expected, dtype=dtype, factor=1)
    at = np.array([[dtype.type(threshold)], [np.nextafter(dtype.type(threshold), dtype.type(9))]], dtype)
    np.testing.assert_array_equal(kernels.binary_accuracy(at, np.ones((2, 1), dtype), threshold=threshold), [0, 1])


def test_mean_absolute_error_equals_numpy(dtype, rng):
    for shape in shapes():
        prediction, target = rng.normal(size=(2, *shape)).astype(dtype)
        expected = np.abs(prediction.astype(np.float64) - target).mean(axis=-1)
        assert_close(kernels.mean_absolute_error(prediction, target), expected, dtype=dtype, factor=4)


def test_nan_is_not_hidden(dtype):
    prediction = np.array([[1.0, np.nan], [1.0, 2.0]], dtype)
    error = kernels.mean_absolute_error(prediction, np.zeros((2, 2), dtype))
    np.testing.assert_array_equal(np.isnan(error), [True, False])


@pytest.mark.parametrize("name", METRICS)
def test_wrong_arguments_are_refused_by_name(name, dtype):
    metric = getattr(kernels, name)
    good = np.ones((3, 4), dtype)
    for wrong in (np.ones((3, 5), dtype), np.ones((4, 4), dtype), np.ones((), dtype)):
        with pytest.raises(ValueError, match=r"\btarget\b"):
            metric(good, wrong)
    for wrong in (np.ones((), dtype), np.ones((3, 0), dtype)):
        with pytest.raises(ValueError, match=r"\bprediction\b"):
            metric(wrong, wrong)
    other = np.float64 if dtype == np.float32 else np.float32
    for wrong in (good.astype(object), good.astype(complex), good.astype(other), None, "text"):
        with pytest.raises(TypeError, match=r"\btarget\b"):
            metric(good, wrong)
    with pytest.raises(TypeError, match=r"\bprediction\b"):
        metric(None, good)


@pytest.mark.parametrize("label", [-1, 4, 2**40])
def test_labels_out_of_range(label, dtype):
    with pytest.raises(ValueError, match=r"\btarget\b"):
        kernels.categorical_accuracy(np.ones((3, 4), dtype), np.array([0, label, 3]))
