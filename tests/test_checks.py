"""Checks of arguments: what they take, what they refuse, and what their errors say."""

from fractions import Fraction

import numpy as np
import pytest

from tinynn.checks import check_bool, check_choice, check_count, check_labels, check_pair, check_real


@pytest.mark.parametrize("value", [2, np.int8(2), np.uint64(2), np.array(2)])
def test_counts_become_integers(value):
    number = check_count("f", "a", value)
    assert type(number) is int
    assert number == 2


@pytest.mark.parametrize("value", [True, np.True_, 2.0, "2", None, np.array([2, 2]), [2]])
def test_what_is_no_whole_number(value):
    with pytest.raises(TypeError, match="^f: a must be a whole number, got"):
        check_count("f", "a", value)


def test_counts_have_bounds():
    assert check_count("f", "a", 0, minimum=0, maximum=2) == 0
    assert check_count("f", "a", 2, minimum=0, maximum=2) == 2
    with pytest.raises(ValueError, match="^f: a must be at least 1, got 0$"):
        check_count("f", "a", 0)
    for value in (-1, 3, 10**400):
        with pytest.raises(ValueError, match="^f: a must be from 0 to 2, got "):
            check_count("f", "a", value, minimum=0, maximum=2)


@pytest.mark.parametrize("value", [2, 2.0, np.float32(2), np.int8(2), np.array(2.0), Fraction(2), np.float16(2)])
def test_numbers_become_floats(value):
    number = check_real("f", "a", value, 0, 2)
    assert type(number) is float
    assert number == 2


@pytest.mark.parametrize("value", [True, np.True_, "2", None, 1j, [2], np.array([2]), b"2"])
def test_what_is_no_number(value):
    with pytest.raises(TypeError, match="^f: a must be a real number, got"):
        check_real("f", "a", value, 0, 2)


@pytest.mark.parametrize("value", [-1, 2.0001, float("nan"), float("inf"), -float("inf"), np.array(np.nan), 10**400])
def test_what_is_out_of_bounds(value):
    with pytest.raises(ValueError, match="^f: a must be from 0 to 2, got"):
        check_real("f", "a", value, 0, 2)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 10**400])
def test_numbers_are_finite(value):
    with pytest.raises(ValueError, match="^f: a must be a finite number, got"):
        check_real("f", "a", value)


def test_bounds_may_be_exclusive():
    assert check_real("f", "a", 0.5, above=0, below=1) == 0.5
    for value in (0, 1):
        with pytest.raises(ValueError, match=f"^f: a must be a finite number > 0 and < 1, got {value}$"):
            check_real("f", "a", value, above=0, below=1)


@pytest.mark.parametrize("value", ["3", None, 2.0, (1, 2, 3), (1.5, 2), True, (True, 2), ()])
def test_pair_takes_one_or_two_whole_numbers(value):
    with pytest.raises(TypeError, match="^f: strides must be a whole number or two of them"):
        check_pair("f", "strides", value)


@pytest.mark.parametrize("value", [0, (1, 0), -1, 2**31, (1, 2**31)])
def test_pair_takes_positive_numbers_whose_product_does_not_overflow(value):
    with pytest.raises(ValueError, match="^f: strides must be from 1 to 2147483647, got"):
        check_pair("f", "strides", value)


def test_pair():
    assert check_pair("f", "strides", 2**31 - 1) == (2**31 - 1,) * 2
    assert check_pair("f", "strides", [np.int8(3), 1]) == (3, 1)


def test_choices():
    assert check_choice("f", "a", "y", ("x", "y")) == "y"
    for value in ("z", None, ["x"], {}, np.array(["x", "y"])):
        with pytest.raises(ValueError, match="^f: a must be 'x' or 'y', got"):
            check_choice("f", "a", value, ("x", "y"))


def test_flags():
    assert check_bool("f", "a", 1) is True
    assert check_bool("f", "a", np.False_) is False
    for value in (2, "yes", None, [1]):
        with pytest.raises(TypeError, match="^f: a must be True or False, got"):
            check_bool("f", "a", value)


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.uint64, np.int64, np.float32, ">i4"])
def test_labels_become_int64(kind):
    found = check_labels("f", "y", np.array([[0, 2], [1, 0]]).astype(kind), classes=3)
    assert found.dtype == np.int64
    assert found.tolist() == [[0, 2], [1, 0]]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 3, -1], "label 3 at index 1; with 3 classes labels go from 0 to 2$"),
        ([[0, 1], [-1, 0]], r"label -1 at index \(1, 0\);"),
        ([1.0, 0.5], "label 0.5 at index 1; .*; expected whole numbers$"),
        ([np.nan], "label nan at index 0;"),
        ([1, 2, 3], "label 3 at index 2; .* do yours start at 1"),
    ],
)
def test_wrong_labels(labels, message):
    with pytest.raises(ValueError, match=f"^f: y holds the {message}"):
        check_labels("f", "y", np.array(labels), classes=3)
