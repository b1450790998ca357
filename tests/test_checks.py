"""Checks of arguments: bounds, messages, and numbers of every kind."""

import math
import warnings

import numpy as np
import pytest

from tinynn import Sequential, layers, optimizers
from tinynn.checks import check_count, check_labels, check_real, warn
from tinynn.registry import nearest

# --- whole numbers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [1, 32, np.int32(5), np.uint8(3)])
def test_counts(value):
    count = check_count("fit", "batch_size", value)
    assert type(count) is int
    assert count == value


@pytest.mark.parametrize("value", [True, np.True_, 2.0, "2", None, [2], np.float32(2), np.array([2])])
def test_what_is_no_count(value):
    with pytest.raises(TypeError, match="fit: batch_size must be a whole number, got"):
        check_count("fit", "batch_size", value)


@pytest.mark.parametrize("value", [0, -3])
def test_counts_too_small(value):
    with pytest.raises(ValueError, match=f"fit: epochs must be at least 1, got {value}"):
        check_count("fit", "epochs", value)


# --- real numbers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [0, 0.5, np.float32(0.25), np.int64(0), np.array(0.5)])
def test_reals(value):
    assert type(check_real("fit", "rate", value, minimum=0, below=1)) is float


@pytest.mark.parametrize("value", [True, np.True_, "0.5", None, 1j, [0.5], np.array([0.5])])
def test_what_is_no_real(value):
    with pytest.raises(TypeError, match="fit: rate must be a real number"):
        check_real("fit", "rate", value)


def test_bounds_are_named():
    with pytest.raises(ValueError, match=r"fit: rate must be a finite number > 0 and <= 1, got 0"):
        check_real("fit", "rate", 0, above=0, maximum=1)
    with pytest.raises(ValueError, match=r"fit: rate must be a finite number, got inf"):
        check_real("fit", "rate", math.inf)


# --- labels ------------------------------------------------------------------------------------------


def test_labels_in_range_pass():
    for y in (np.array([0, 9]), np.array([0.0, 9.0]), np.array([[0], [9]], "uint8")):
        labels = check_labels("fit", "y", y, 10)
        assert labels.dtype == np.int64
        assert labels.shape == y.shape
        assert labels.ravel().tolist() == [0, 9]


@pytest.mark.parametrize(
    "y, message",
    [
        ([0, 3, 10], r"fit: y holds the label 10 at index 2; with 10 classes labels go from 0 to 9$"),
        ([0, -1], r"the label -1 at index 1"),
        ([1, 2, 10], r"the label 10 at index 2.*do yours start at 1\? Then subtract 1"),
        ([[0, 1], [2, 11]], r"the label 11 at index \(1, 1\)"),
        ([0.0, 1.5], r"the label 1.5 at index 1.*whole numbers"),
        ([0.0, math.nan], r"the label nan at index 1"),
        ([0.0, math.inf], r"the label inf at index 1"),
    ],
)
def test_labels_out_of_range(y, message):
    with pytest.raises(ValueError, match=message):
        check_labels("fit", "y", np.array(y), 10)


# --- names that are nearly right ---------------------------------------------------------------------


MISSPELT = [
    ("rleu", "relu"), ("erlu", "relu"), ("rel", "relu"), ("reluu", "relu"), ("tahn", "tanh"), ("lstn", "lstm"),
    ("adm", "adam"), ("addam", "adam"), ("mes", "mse"), ("sdg", "sgd"), ("acuracy", "accuracy"), ("acc", "accuracy"),
    ("glorot", "glorot_uniform"), ("glorot_unifrom", "glorot_uniform"), ("Hard_Sigmid", "hard_sigmoid"),
    ("val_acc", "val_accuracy"), ("ategorical_crossentropy", "categorical_crossentropy"),
    ("sparse_categorcal_crossentropie", "sparse_categorical_crossentropy"), ("softmx", "softmax"),
]

OTHER = [
    "gelu", "elu", "selu", "celu", "prelu", "relu6", "silu", "swish", "mish", "softmin", "softplus", "softsign",
    "mae", "mape", "msle", "rmse", "huber", "nadam", "adamax", "adagrad", "adadelta", "radam", "rprop", "lion", "l3",
    "", "mean_absolute_error", "binary_accuracy", "he_uniform", "hinge", "x" * 100_000,
]


@pytest.mark.parametrize("name, meant", MISSPELT)
def test_misspellings_are_recognized(name, meant):
    assert nearest(name, dict(MISSPELT).values()) == f"; did you mean {meant!r}?"


@pytest.mark.parametrize("name", OTHER, ids=lambda name: name[:20])
def test_another_name_is_no_misspelling(name):
    known = {*dict(MISSPELT).values(), "adamw", "rmsprop", "mean_squared_error", "binary_crossentropy", "l1", "l2"}
    assert nearest(name, known) == ""


def test_of_several_the_least_changed_is_named():
    assert nearest("dense_23", ["dense_2", "dense_32", "dense"]) == "; did you mean 'dense_32'?"
    assert nearest("hiden", ["hidden_layers", "hidden"]) == "; did you mean 'hidden'?"
    assert nearest("relu", []) == ""


# --- warnings ----------------------------------------------------------------------------------------


def test_it_points_at_the_line_outside_of_the_package():
    with pytest.warns(RuntimeWarning, match="careful") as caught:
        warn("careful", RuntimeWarning)
    assert [warning.filename for warning in caught] == [__file__]
    model = Sequential([layers.Dense(1)], (1,))
    model.compile(optimizers.SGD(0.1), "mse")
    model.train_on_batch(np.ones((1, 1), "f4"), np.ones((1, 1), "f4"))
    for call in (model.fit, model.train_on_batch):
        model.optimizer.momentum = 0.0
        model.evaluate(np.ones((1, 1), "f4"), np.ones((1, 1), "f4"))
        model._core.states.clear()
        model.optimizer.momentum = 0.5
        with pytest.warns(UserWarning, match="velocity begins anew") as caught:
            call(np.ones((1, 1), "f4"), np.ones((1, 1), "f4"))
        assert [warning.filename for warning in caught] == [__file__]


def test_an_error_where_warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match="careful"):
            warn("careful")
