"""The check of a real number."""

from fractions import Fraction

import numpy as np
import pytest

from tinynn.kernels._numbers import real_number


@pytest.mark.parametrize("value", [2, 2.0, np.float32(2), np.int8(2), np.array(2.0), Fraction(2), np.float16(2)])
def test_numbers_become_floats(value):
    number = real_number("f", "a", value, 0, 2)
    assert type(number) is float
    assert number == 2


@pytest.mark.parametrize("value", [True, np.True_, "2", None, 1j, [2], np.array([2]), b"2"])
def test_what_is_no_number(value):
    with pytest.raises(TypeError, match="f: a must be a real number, got"):
        real_number("f", "a", value, 0, 2)


@pytest.mark.parametrize("value", [-1, 2.0001, float("nan"), float("inf"), -float("inf"), np.array(np.nan), 10**400])
def test_what_is_out_of_bounds(value):
    with pytest.raises(ValueError, match="f: a must be from 0 to 2, got"):
        real_number("f", "a", value, 0, 2)
