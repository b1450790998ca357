"""Checks of arguments: bounds, messages, and numbers of every kind."""

import math
import warnings
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from tinynn import Sequential, layers, optimizers
from tinynn.checks import (
    check_bool,
    check_choice,
    check_count,
    check_labels,
    check_pair,
    check_real,
    check_seed,
    check_shape,
    described,
    first_index,
    shortened,
    warn,
)

# --- whole numbers -----------------------------------------------------------------------------------


class Index:
    """A whole number of somebody else's."""

    def __index__(self):
        return 3


@pytest.mark.parametrize("value", [1, 32, np.int32(5), np.uint8(3), np.array(3), 10**30])
def test_counts(value):
    count = check_count("fit", "batch_size", value)
    assert type(count) is int
    assert count == value


def test_anything_with_an_index_is_a_count():
    assert check_count("fit", "batch_size", Index()) == 3


@pytest.mark.parametrize(
    "value",
    [True, np.True_, np.array(True), 2.0, math.nan, np.array(2.0), "2", None, [2], np.float32(2), np.array([2]),
     np.array([2, 3])],
    ids=repr,
)
def test_values_that_are_not_counts(value):
    with pytest.raises(TypeError, match="fit: batch_size must be a whole number, got"):
        check_count("fit", "batch_size", value)


def test_bounds_of_counts_are_inclusive():
    for value in (2, 3, 5):
        assert check_count("fit", "n", value, minimum=2, maximum=5) == value
    for value in (1, 6, -1, np.int8(6)):
        with pytest.raises(ValueError, match=f"^fit: n must be from 2 to 5, got {value}$"):
            check_count("fit", "n", value, minimum=2, maximum=5)


def test_a_huge_count_is_not_written_out():
    with pytest.raises(ValueError, match=r"^fit: n must be from 1 to 9, got 10{96}\.\.\.$"):
        check_count("fit", "n", 10**200, maximum=9)
    with pytest.raises(ValueError, match=r"^fit: n must be at least 1, got -10{95}\.\.\.$"):
        check_count("fit", "n", -(10**200))


@pytest.mark.parametrize("value", [0, -3])
def test_counts_too_small(value):
    with pytest.raises(ValueError, match=f"fit: epochs must be at least 1, got {value}"):
        check_count("fit", "epochs", value)


# --- real numbers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value", [0, 0.5, np.float32(0.25), np.float16(0.5), np.longdouble(0.5), np.int64(0), np.array(0.5), Fraction(1, 4)]
)
def test_reals(value):
    number = check_real("fit", "rate", value, minimum=0, below=1)
    assert type(number) is float
    assert number == value


@pytest.mark.parametrize(
    "value", [True, np.True_, np.array(True), "0.5", None, 1j, [0.5], np.array([0.5]), np.array("0.5"), Decimal("0.5")],
    ids=repr,
)
def test_values_that_are_not_real_numbers(value):
    with pytest.raises(TypeError, match="fit: rate must be a real number"):
        check_real("fit", "rate", value)


def test_bounds_are_named():
    with pytest.raises(ValueError, match=r"fit: rate must be a finite number > 0 and <= 1, got 0"):
        check_real("fit", "rate", 0, above=0, maximum=1)
    with pytest.raises(ValueError, match=r"fit: rate must be a finite number, got inf"):
        check_real("fit", "rate", math.inf)


@pytest.mark.parametrize("bounds, inside, outside, words", [
    ({"minimum": 0}, [0, 1e300], [-1e-300, -1], "a finite number >= 0"),
    ({"maximum": 1}, [1, -1e300], [1 + 1e-15], "a finite number <= 1"),
    ({"above": 0}, [5e-324], [0, -0.0], "a finite number > 0"),
    ({"below": 1}, [1 - 1e-15], [1], "a finite number < 1"),
    ({"minimum": 0, "maximum": 1}, [0, 0.5, 1], [-0.1, 1.5], "from 0 to 1"),
    ({"above": 0, "below": 1}, [0.5], [0, 1], "a finite number > 0 and < 1"),
    ({}, [0, -1e308], [], "a finite number"),
])
def test_bounds_of_reals(bounds, inside, outside, words):
    for value in inside:
        assert check_real("fit", "rate", value, **bounds) == value
    for value in (*outside, math.nan, math.inf, -math.inf, np.float32("nan"), np.array(math.inf)):
        with pytest.raises(ValueError, match=rf"^fit: rate must be {words}, got {value}$"):
            check_real("fit", "rate", value, **bounds)
    with pytest.raises(ValueError, match=rf"^fit: rate must be {words}, got 10{{96}}\.\.\.$"):
        check_real("fit", "rate", 10**400, **bounds)


# --- flags and choices -------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [True, False, np.True_, np.False_, 0, 1, 0.0, 1.0])
def test_flags(value):
    assert check_bool("SGD", "nesterov", value) is bool(value)


@pytest.mark.parametrize("value", [2, -1, 0.5, math.nan, "yes", "", None, [], np.array([True])], ids=repr)
def test_values_that_are_not_flags(value):
    with pytest.raises(TypeError, match="^SGD: nesterov must be True or False, got "):
        check_bool("SGD", "nesterov", value)


def test_choices():
    assert check_choice("conv2d", "padding", "same", ("valid", "same")) == "same"
    assert check_choice("fit", "mode", 2, {0: "none", 2: "lines"}) == 2
    for value, got in (("full", "'full'"), (3, r"3 \(int\)"), (None, "None"), (["same"], r"\['same'\] \(list\)"),
                       (np.array(["same", "valid"]), r"array\(.*\) \(ndarray\)")):
        with pytest.raises(ValueError, match=f"^conv2d: padding must be 'valid' or 'same', got {got}$"):
            check_choice("conv2d", "padding", value, ("valid", "same"))
    with pytest.raises(ValueError, match="^fit: mode must be 'auto', 'min' or 'max', got 'up'$"):
        check_choice("fit", "mode", "up", ("auto", "min", "max"))
    with pytest.raises(ValueError, match="^fit: save_freq must be 'epoch', got 'batch'$"):
        check_choice("fit", "save_freq", "batch", {"epoch"})


# --- pairs and shapes --------------------------------------------------------------------------------


@pytest.mark.parametrize("value, expected", [
    (2, (2, 2)), (np.int64(3), (3, 3)), ((1, 3), (1, 3)), ([4, 5], (4, 5)), (np.array([6, 7]), (6, 7)),
    (2**31 - 1, (2**31 - 1, 2**31 - 1)),
])
def test_pairs(value, expected):
    pair = check_pair("conv2d", "strides", value)
    assert pair == expected
    assert {type(number) for number in pair} == {int}


@pytest.mark.parametrize("value", [True, (1, True), 2.0, (1, 2.0), (), (1,), (1, 2, 3), "12", None, {1: 2}])
def test_values_that_are_not_pairs(value):
    with pytest.raises(TypeError, match="^conv2d: strides must be a whole number or two of them, got "):
        check_pair("conv2d", "strides", value)


@pytest.mark.parametrize("value, wrong", [(0, 0), ((1, -2), -2), (2**31, 2**31), ((2**70, 1), 2**70)])
def test_pairs_out_of_bounds(value, wrong):
    with pytest.raises(ValueError, match=f"^conv2d: strides must be from 1 to 2147483647, got {wrong}$"):
        check_pair("conv2d", "strides", value)


def test_shapes():
    for shape, expected in (((), ()), ([28, None], (28, None)), (np.array([3, 4]), (3, 4)), (iter([5]), (5,))):
        found = check_shape("Sequential", "input_shape", shape)
        assert found == expected
        assert {type(size) for size in found} <= {int, type(None)}
    for shape in (3, None, "ab", 2.5):
        with pytest.raises(TypeError, match="^Sequential: input_shape must be a tuple, .* for vectors write \\(n,\\)$"):
            check_shape("Sequential", "input_shape", shape)
    for shape in ((0,), (3, -1), (2.0,), (True,), ("3",), (math.nan,)):
        with pytest.raises(ValueError, match="^Sequential: input_shape must hold positive whole numbers or None, got "):
            check_shape("Sequential", "input_shape", shape)


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
        ([1, 2, 10], r"the label 10 at index 2.*do the labels start at 1\? Then subtract 1"),
        ([[0, 1], [2, 11]], r"the label 11 at index \(1, 1\)"),
        ([0.0, 1.5], r"the label 1.5 at index 1.*whole numbers"),
        ([0.0, math.nan], r"the label nan at index 1"),
        ([0.0, math.inf], r"the label inf at index 1"),
    ],
)
def test_labels_out_of_range(y, message):
    with pytest.raises(ValueError, match=message):
        check_labels("fit", "y", np.array(y), 10)


@pytest.mark.parametrize("dtype", ["bool", "int8", "int32", "int64", ">i4", "uint8", "uint64", "float16", "float64"])
def test_labels_of_every_type(dtype):
    labels = check_labels("fit", "y", np.array([1, 0, 1]).astype(dtype), 2)
    assert (labels.dtype, labels.tolist()) == (np.int64, [1, 0, 1])
    assert check_labels("fit", "y", np.zeros((0, 3), dtype), 2).shape == (0, 3)
    message = r"holds the label (1|True|1\.0) at index 0; with 1 classes labels go from 0 to 0$"
    with pytest.raises(ValueError, match=message):
        check_labels("fit", "y", np.array([1, 0, 1]).astype(dtype), 1)


def test_labels_are_copied_only_where_their_type_changes():
    y = np.array([0, 1])
    assert check_labels("fit", "y", y, 2) is y


def test_the_largest_labels():
    for y in (np.array([2**63], np.uint64), np.array([-(2**63)]), np.array([1e300])):
        with pytest.raises(ValueError, match="fit: y holds the label .* at index 0"):
            check_labels("fit", "y", y, 10)


# --- words of messages -------------------------------------------------------------------------------


def test_the_first_index():
    assert first_index(np.array([False, True, True])) == (1,)
    assert first_index(np.arange(24).reshape(2, 3, 4) == 17) == (1, 1, 1)
    assert first_index(np.array(True)) == ()
    assert {type(i) for i in first_index(np.array([[True]]))} == {int}


def test_values_are_described_by_their_type_and_not_at_length():
    assert described(3) == "3 (int)"
    assert described("3") == "'3' (str)"
    assert described(None) == "None"
    assert described("up", kind=False) == "'up'"
    assert described("x" * 98) == repr("x" * 98) + " (str)"
    assert described("x" * 99) == "'" + "x" * 96 + "... (str)"
    assert (shortened("y" * 100), shortened("y" * 101)) == ("y" * 100, "y" * 97 + "...")


# --- seeds -------------------------------------------------------------------------------------------


def test_seeds():
    for given in (np.random.default_rng(3), np.random.SeedSequence(3)):
        assert check_seed("f", given) is given
    assert check_seed("f", np.uint8(3)).entropy == 3
    with pytest.raises(ValueError, match="^f: rng must be at least 0, got -1$"):
        check_seed("f", -1)
    for wrong in (None, 1.0, True, "3", np.random.RandomState(0)):
        with pytest.raises(TypeError, match="^f: rng must be an int, a SeedSequence or a Generator, got "):
            check_seed("f", wrong)


# --- warnings ----------------------------------------------------------------------------------------


def test_a_warning_points_at_the_line_outside_the_package():
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
        with pytest.warns(UserWarning, match="these start from scratch: velocity") as caught:
            call(np.ones((1, 1), "f4"), np.ones((1, 1), "f4"))
        assert [warning.filename for warning in caught] == [__file__]


def test_a_warning_is_an_error_where_warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match="careful"):
            warn("careful")
