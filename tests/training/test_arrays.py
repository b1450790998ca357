"""The user's data at the border: what is accepted, how it is converted, and what the errors say."""

import array
import io
import math
import re

import numpy as np
import pytest

from tinynn.training.arrays import (
    as_sample_weight,
    as_samples,
    as_targets,
    check_finite,
    check_same_length,
    class_weight_to_sample_weight,
    split_validation,
)


class Exporter:
    """Something that offers DLPack and nothing else, as arrays of other libraries do."""

    def __init__(self, data, fails=False):
        self.data, self.fails = data, fails

    def __dlpack__(self, **keywords):
        if self.fails:
            raise BufferError("the data is on another device")
        return self.data.__dlpack__(**keywords)

    def __dlpack_device__(self):
        return self.data.__dlpack_device__()


class Wrapper:
    """Something with `__array__`, as data frames have."""

    def __init__(self, data):
        self.data = data

    def __array__(self, dtype=None, copy=None):
        return np.array(self.data, dtype=dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
def test_samples_the_engine_reads_are_not_copied(dtype):
    x = np.zeros((3, 2), dtype)
    x.setflags(write=False)
    samples = as_samples(x)
    assert samples.dtype == x.dtype
    assert np.shares_memory(samples, x)


@pytest.mark.parametrize(
    "given, expected",
    [
        ("bool", "uint8"),
        ("int8", "float32"),
        ("int16", "float32"),
        ("uint16", "float32"),
        ("float16", "float32"),
        ("int32", "float64"),
        ("uint32", "float64"),
        ("int64", "float64"),
        ("uint64", "float64"),
        ("longdouble", "float64"),
        (">f4", "float32"),
        (">f8", "float64"),
        (">i2", "float32"),
        (">u4", "float64"),
    ],
)
def test_other_numbers_are_converted_without_loss(given, expected):
    x = np.array([[0, 1], [100, 3]]).astype(given)
    samples = as_samples(x)
    assert samples.dtype == np.dtype(expected)
    assert samples.dtype.isnative
    assert samples.astype("float64").tolist() == x.astype("float64").tolist()


@pytest.mark.parametrize(
    "view",
    [
        lambda a: a[::2],
        lambda a: a[:, ::-1],
        lambda a: a.T,
        lambda a: np.asfortranarray(a),
        lambda a: a[:, None, ::3],
    ],
)
def test_views_become_contiguous_with_the_same_values(view):
    x = view(np.arange(24, dtype="float32").reshape(4, 6))
    samples = as_samples(x)
    assert samples.flags.c_contiguous
    assert samples.tolist() == x.tolist()


def test_unaligned_memory_is_copied():
    raw = np.zeros(4 * 6 + 1, np.uint8)
    x = raw[1:].view("float32")
    assert as_samples(x).flags.aligned


@pytest.mark.parametrize(
    "data",
    [
        [[1.0, 2.0], [3.0, 4.0]],
        ((1, 2), (3, 4)),
        Wrapper([[1.0, 2.0], [3.0, 4.0]]),
        Exporter(np.array([[1.0, 2.0], [3.0, 4.0]])),
        memoryview(np.array([[1.0, 2.0], [3.0, 4.0]])),
        np.ma.masked_array([[1.0, 2.0], [3.0, 4.0]]),
        np.array([[(1.0, 2.0)], [(3.0, 4.0)]])[:, 0],
    ],
    ids=lambda data: type(data).__name__,
)
def test_exporters_and_lists(data):
    samples = as_samples(data)
    assert type(samples) is np.ndarray
    assert samples.tolist() == [[1, 2], [3, 4]]


def test_buffers():
    assert as_samples(array.array("f", [1, 2, 3])).dtype == np.float32
    assert as_samples(bytearray(b"\x01\x02")).tolist() == [1, 2]


def test_memory_maps_stay_mapped(tmp_path):
    x = np.lib.format.open_memmap(tmp_path / "x.npy", mode="w+", dtype="float32", shape=(4, 2))
    samples = as_samples(x)
    assert type(samples) is np.ndarray
    assert np.shares_memory(samples, x)


def test_sparse_matrices_say_what_to_do():
    sparse = pytest.importorskip("scipy.sparse")
    with pytest.raises(TypeError, match=r"toarray"):
        as_samples(sparse.csr_matrix(np.eye(3)))


@pytest.mark.parametrize(
    "data, message",
    [
        (
            np.zeros(3, complex),
            r"predict: samples has dtype complex128; expected real numbers .*two features",
        ),
        (np.array([1, "a"], object), r"predict: samples holds 'a' \(str\) at index \(1,\)"),
        (np.array(["a", "b"]), r"predict: samples has dtype <U1"),
        (b"abc", r"predict: samples has dtype \|S3"),
        (np.array(["2020-01-01"], "datetime64[D]"), "datetime64"),
        (np.zeros(2, [("a", "f4")]), "dtype"),
        ([[1, 2], [3]], r"predict: samples \(list\) cannot be read as an array.*different lengths"),
        (
            Exporter(np.zeros(2), fails=True),
            r"\(Exporter\) cannot be read as an array: the data is on another device",
        ),
        (np.ma.masked_array([1.0, 2.0], [True, False]), "masked values"),
        (None, "predict: samples is None"),
        (io.StringIO(), "predict: samples must be an array of numbers, got StringIO"),
    ],
)
def test_arrays_of_anything_but_numbers_are_a_type_error(data, message):
    with pytest.raises(TypeError, match=message):
        as_samples(data, "samples", "predict")


@pytest.mark.parametrize(
    "data, message",
    [(3.0, "single number"), ([], r"empty: it has shape \(0,\)"), (np.zeros((3, 0)), r"empty.*\(3, 0\)")],
)
def test_empty_data_is_a_value_error(data, message):
    with pytest.raises(ValueError, match=message):
        as_samples(data)


@pytest.mark.parametrize("given", ["bool", "int8", "uint8", "int32", "uint64", ">i4", "int64"])
def test_targets_of_integers_are_int64(given):
    targets = as_targets(np.array([1, 0, 1]).astype(given))
    assert targets.dtype == np.int64
    assert targets.tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    "given, expected",
    [("float16", "float32"), ("float32", "float32"), (">f8", "float64"), ("longdouble", "float64")],
)
def test_targets_of_floats_stay_floats(given, expected):
    assert as_targets(np.array([0.5, 1]).astype(given)).dtype == np.dtype(expected)


def test_no_samples_are_allowed_only_on_request():
    assert as_samples(np.zeros((0, 3), ">f4"), empty=True).shape == (0, 3)
    assert as_samples([], empty=True).shape == (0,)
    for data, empty in ((np.zeros((0, 3)), False), (np.zeros((3, 0)), True), (np.zeros((3, 0)), False)):
        with pytest.raises(ValueError, match="fit: x is empty: .*; give at least one sample"):
            as_samples(data, empty=empty)


def test_targets_out_of_reach():
    with pytest.raises(ValueError, match="too large for a signed 64-bit"):
        as_targets(np.array([2**63], "uint64"))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("row", [0, 1, 4999, 5000])
def test_the_first_bad_value_is_found(bad, dtype, row):
    x = np.ones((5001, 3, 7), dtype)
    x[row, 2, 5] = bad
    x[5000, 2, 6] = math.nan
    with pytest.raises(ValueError, match=rf"fit: x holds {bad} at index \({row}, 2, 5\).*check_finite=False"):
        check_finite(x, "x", "fit")


def test_finite_data_passes_whatever_its_size():
    check_finite(np.full((300, 1000), 3e38, "float32"), "x", "fit")  # the sum overflows, the numbers do not
    check_finite(np.full(10, -1.7e308), "x", "fit")
    check_finite(np.arange(10), "x", "fit")
    check_finite(np.ones((2, 200_000)), "x", "fit")
    check_finite(np.ones((1000, 1000))[:, ::7], "x", "fit")


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("size", [1, 7, 8, 15, 16, 17, 33])
def test_no_bad_number_is_missed(bad, size, dtype):
    for place in range(size):
        x = np.ones(size, dtype)
        x[place] = bad
        for values in (x, np.repeat(x, 3)[::3], x.astype("float16"), x.astype("longdouble"), x.astype(">f4")):
            with pytest.raises(ValueError, match=rf"x holds {bad} at index \({place},\)"):
                check_finite(values, "x", "fit")


# The largest that rounds to the largest float32, 2^128 - 2^104, and the smallest that is rounded to infinity.
LARGEST, TOO_LARGE = np.nextafter(2.0**128 - 2.0**103, 0), 2.0**128 - 2.0**103


@pytest.mark.parametrize("size", [1, 7, 16, 33])
@pytest.mark.parametrize("bad", [TOO_LARGE, -TOO_LARGE, 1e300, -1e39, 1.7e308])
def test_values_too_large_for_float32_are_found(bad, size):
    with np.errstate(over="ignore"):
        assert np.isinf(np.float32(bad)) and not np.isinf(np.float32(LARGEST))
    for place in range(size):
        x = np.full(size, LARGEST)
        x[place] = bad
        for values in (x, np.repeat(x, 3)[::3], x.astype("longdouble"), x.astype(">f8")):
            message = rf"x holds {re.escape(str(x[place]))} at index \({place},\), too large for float32"
            with pytest.raises(ValueError, match=message):
                check_finite(values, "x", "fit", "float32")
            check_finite(values, "x", "fit", "float64")


def test_large_numbers_that_fit_pass():
    for x in (np.full((7, 100), LARGEST), np.full((7, 100), -LARGEST)[:, ::2], np.array([1e39, -1e300], "longdouble")):
        check_finite(x, "x", "fit", "float64")
    for x in (np.full((7, 100), LARGEST), np.full((7, 100), -LARGEST)[:, ::2], np.float32([3.4e38])):
        check_finite(x, "x", "fit", "float32")


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_nan_and_infinity_are_not_reported_as_large(bad):
    with pytest.raises(ValueError, match=rf"x holds {bad} at index \(1,\); expected finite numbers"):
        check_finite(np.array([1e38, bad, 1e300]), "x", "fit", "float32")


def test_values_too_large_for_float64_are_found():
    x = np.array(["1", "-1e4000"]).astype("longdouble")
    for convert in (as_samples, as_targets):
        with pytest.raises(ValueError, match=r"holds -inf at index \(1,\)"):
            check_finite(convert(x), "x", "fit")
    with pytest.raises(ValueError, match=r"sample_weight holds -inf at index \(1,\)"):
        as_sample_weight(x, (2,))


def test_weights_too_large_for_float32():
    assert as_sample_weight([1, 1e300], (2,)).tolist() == [1, 1e300]
    with pytest.raises(ValueError, match=r"sample_weight holds 1e\+300 at index \(1,\), too large for float32"):
        as_sample_weight([1, 1e300], (2,), dtype="float32")
    assert class_weight_to_sample_weight({0: 1e300}, np.array([1, 0])).tolist() == [1, 1e300]
    with pytest.raises(ValueError, match=r"fit: class_weight\[0\] must be from .* to 3.402823e\+38, got 1e\+300"):
        class_weight_to_sample_weight({0: 1e300}, np.array([1, 0]), "fit", "float32")


def test_opposite_infinities_do_not_cancel():
    with pytest.raises(ValueError, match=r"inf at index \(0,\)"):
        check_finite(np.array([math.inf, -math.inf]), "x", "fit")


def test_same_length():
    assert check_same_length("fit", x=np.zeros((3, 2)), y=np.zeros(3), sample_weight=None) == 3
    with pytest.raises(ValueError, match=r"fit: .* got x 3, y 3, sample_weight 2"):
        check_same_length("fit", x=np.zeros((3, 2)), y=np.zeros(3), sample_weight=np.zeros(2))


def test_sample_weight():
    assert as_sample_weight([1, 2], (2,)).dtype == np.float64
    assert as_sample_weight(np.array([[1], [2]]), (2,)).tolist() == [1, 2]
    assert as_sample_weight([-1.0, 2.0], (2, 5)).shape == (2,)
    assert as_sample_weight(np.ones((2, 5), "float32"), (2, 5)).shape == (2, 5)
    with pytest.raises(
        ValueError, match=r"fit: sample_weight has shape \(3,\); expected one weight per loss: \(2,\)"
    ):
        as_sample_weight([1, 2, 3], (2,))
    with pytest.raises(ValueError, match=r"\(2, 4\); expected .*: \(2,\) or \(2, 5\)"):
        as_sample_weight(np.ones((2, 4)), (2, 5))
    with pytest.raises(ValueError, match="sample_weight holds nan at index"):
        as_sample_weight([1, math.nan], (2,))


@pytest.mark.parametrize(
    "y",
    [
        np.array([0, 2, 1, 2]),
        np.array([[0], [2], [1], [2]]),
        np.array([0.0, 2.0, 1.0, 2.0]),
        np.eye(3)[[0, 2, 1, 2]],
        np.eye(3, dtype="int64")[[0, 2, 1, 2]],
        np.array([[0.8, 0.1, 0.1], [0.1, 0.2, 0.7], [0, 1, 0], [0.3, 0.3, 0.4]], "float32"),
    ],
)
def test_class_weight(y):
    weights = class_weight_to_sample_weight({2: 3.0, np.int64(0): 0.5}, y)
    assert weights.tolist() == [0.5, 3.0, 1.0, 3.0]


@pytest.mark.parametrize(
    "weights, y, message",
    [
        ([1, 2], [0, 1], "class_weight must be a dict"),
        ({"a": 1.0}, [0, 1], "each class in class_weight must be a whole number"),
        ({0: "heavy"}, [0, 1], r"class_weight\[0\] must be a real number"),
        ({0: math.nan}, [0, 1], r"class_weight\[0\] must be from .*, got nan"),
        ({0: 1.0}, [[0, 2], [1, 1]], r"one class per sample.*\(2, 2\)"),
        ({0: 1.0}, [[[0]]], r"one class per sample"),
        ({0: 1.0}, [[0, 1], [1, 0], [0, 0]], r"one class per sample.* of shape \(3, 2\) whose row 2 sums to 0;"),
    ],
)
def test_bad_class_weight(weights, y, message):
    with pytest.raises((TypeError, ValueError), match=message):
        class_weight_to_sample_weight(weights, np.array(y))


# floor(samples * (1 - fraction)) by hand, in exact arithmetic
@pytest.mark.parametrize(
    "samples, fraction, kept",
    [
        (10, 0.2, 8),
        (10, 0.25, 7),
        (10, 0.9, 1),
        (100, 0.9, 10),
        (7, 0.5, 3),
        (3, 0.34, 1),
        (60000, 1 / 6, 50000),
    ],
)
def test_split_keeps_the_first_part(samples, fraction, kept):
    x, y, weight = np.arange(samples), np.arange(samples) * 2, np.arange(samples) * 3.0
    (x1, y1, w1), (x2, y2, w2) = split_validation(x, y, weight, fraction)
    assert len(x1) == len(y1) == len(w1) == kept
    assert np.array_equal(np.concatenate([x1, x2]), x)
    assert np.array_equal(np.concatenate([y1, y2]), y)
    assert np.array_equal(np.concatenate([w1, w2]), weight)
    assert np.shares_memory(x1, x) and np.shares_memory(w2, weight)


def test_split_without_targets_and_weights():
    (_, y1, w1), (_, y2, w2) = split_validation(np.arange(4), None, None, 0.5)
    assert (y1, w1, y2, w2) == (None, None, None, None)


@pytest.mark.parametrize("fraction", [0.2, 0.01])
def test_split_that_leaves_nothing(fraction):
    with pytest.raises(ValueError, match=r"validation_split=.* of 1 samples leaves"):
        split_validation(np.arange(1), None, None, fraction)


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5, math.nan, True, "0.2", None])
def test_split_fraction_must_be_one(fraction):
    with pytest.raises((TypeError, ValueError), match="fit: validation_split must be a"):
        split_validation(np.arange(10), None, None, fraction)


@pytest.mark.parametrize("stored", ["f2", "f4", "f8"])
@pytest.mark.parametrize("computed", ["f4", "f8"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_non_finite_values_are_found_in_any_dtype(stored, computed, value):
    array = np.ones((3, 2), stored)
    check_finite(array, "x", "fit", np.dtype(computed))
    array[2, 1] = value
    with pytest.raises(ValueError, match=rf"fit: x holds {value} at index \(2, 1\); expected finite numbers"):
        check_finite(array, "x", "fit", np.dtype(computed))
