"""Tables, objects that are numbers, and values that are not arrays; pandas, polars and Arrow where installed."""

import datetime
from collections import OrderedDict
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from tinynn import Sequential, layers
from tinynn.training.arrays import as_samples, as_targets, check_finite
from tinynn.training.reading import as_array


class Column:
    """A column as tables have them."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return np.array(self.values, dtype)

    def to_numpy(self):
        return np.asarray(self)


class Table:
    """What is read of a pandas table, with columns of any kind."""

    def __init__(self, **columns):
        self.data = {name: np.asarray(values) for name, values in columns.items()}

    @property
    def columns(self):
        return list(self.data)

    @property
    def dtypes(self):
        return [values.dtype for values in self.data.values()]

    def items(self):
        return [(name, Column(values)) for name, values in self.data.items()]

    def to_numpy(self):
        return np.asarray(self)

    def __len__(self):
        return len(next(iter(self.data.values())))

    def __array__(self, dtype=None, copy=None):
        kinds = {d.kind for d in self.dtypes}
        unlike = not (kinds <= set("iuf") or kinds == {"b"})
        return np.column_stack([v.astype(object) if unlike else v for v in self.data.values()])


NUMBERS = {
    "bool and float": ({"a": [1.5, 2.0], "b": [True, False]}, "float64", [[1.5, 1], [2, 0]]),
    "bool and float32": ({"a": np.float32([1.5, 2]), "b": [True, False]}, "float32", [[1.5, 1], [2, 0]]),
    "bool and uint8": ({"a": np.uint8([200, 2]), "b": [True, False]}, "uint8", [[200, 1], [2, 0]]),
    "bool and int": ({"a": [3, 2], "b": [True, False]}, "float64", [[3, 1], [2, 0]]),
    "bool": ({"a": [True, True], "b": [True, False]}, "uint8", [[1, 1], [1, 0]]),
    "int and float": ({"a": [3, 2], "b": [0.5, 1.5]}, "float64", [[3, 0.5], [2, 1.5]]),
    "objects": ({"a": np.array([1, 2.5], object), "b": [3, 4]}, "float64", [[1, 3], [2.5, 4]]),
}


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("library", ["none", "pandas"])
def test_tables_of_numbers(library, name):
    columns, dtype, expected = NUMBERS[name]
    table = Table(**columns) if library == "none" else pytest.importorskip("pandas").DataFrame(columns)
    samples = as_samples(table)
    assert samples.dtype == dtype
    assert samples.tolist() == expected
    assert as_targets(table).tolist() == expected


NO_NUMBERS = {
    "text": (["red", "blue"], r"column 'b' of x holds 'red' \(str\) at index \(0,\).*get_dummies.*cat\.codes"),
    "digits": (["1", "2"], r"column 'b' of x holds '1' \(str\)"),
    "text among numbers": ([1, "blue"], r"column 'b' of x holds 'blue' \(str\) at index \(1,\)"),
    "dates": (np.array(["2020-01-01", "2020-01-02"], "datetime64[us]"), r"column 'b' of x has dtype datetime64.*times"),
    "durations": (np.array([1, 2], "timedelta64[s]"), r"column 'b' of x has dtype timedelta64.*times to numbers"),
    "lists": ([[1, 2], [3]], r"column 'b' of x holds (list\()?\[1, 2\].*np\.stack"),
    "complex": ([1j, 2j], r"column 'b' of x has dtype complex128.*imaginary"),
}


@pytest.mark.parametrize("name", NO_NUMBERS)
@pytest.mark.parametrize("library", ["none", "pandas"])
def test_a_column_that_holds_no_numbers_is_named(library, name):
    values, message = NO_NUMBERS[name]
    if isinstance(values, list) and not isinstance(values[0], complex):
        objects = np.empty(2, object)
        objects[:] = values
        values = objects
    columns = {"a": [1.5, 2.0], "b": values}
    table = Table(**columns) if library == "none" else pytest.importorskip("pandas").DataFrame(columns)
    with pytest.raises(TypeError, match=f"fit: {message}"):
        as_samples(table)


def test_missing_values_in_a_table_are_nan_and_found_by_column():
    table = Table(age=np.array([30, None, 50], object), member=[True, False, True])
    samples = as_samples(table)
    np.testing.assert_array_equal(samples, [[30, 1], [np.nan, 0], [50, 1]])
    with pytest.raises(ValueError, match=r"fit: x holds nan at index \(1, 0\), column 'age'; expected finite"):
        check_finite(samples, "x", "fit", source=table)
    model = Sequential([layers.Dense(1)], (2,))
    model.compile("sgd", "mse")
    for call in (model.fit, model.evaluate, model.train_on_batch):
        with pytest.raises(ValueError, match=rf"{call.__name__}: x holds nan at index \(1, 0\), column 'age'"):
            call(table, np.ones(3))
        with pytest.raises(ValueError, match=rf"{call.__name__}: y holds nan at index \(2,\)"):
            call(np.ones((3, 2)), Column(np.array([1, 0, None], object)))
    with pytest.raises(ValueError, match=r"predict: x holds nan at index \(1, 0\), column 'age'"):
        model.predict(table)
    assert np.isnan(model.predict(table, check_finite=False)[1])


def test_missing_values_do_not_hide_wrong_ones():
    with pytest.raises(TypeError, match=r"fit: y holds 'a' \(str\) at index \(1,\)"):
        as_targets(Column(np.array([None, "a"], object)))


def test_columns_that_are_not_names_are_ignored():
    for columns in (3, len, ["only one"], None):
        data = Column([[1.0, np.nan]])
        data.columns = columns
        with pytest.raises(ValueError, match=r"predict: x holds nan at index \(0, 1\); expected"):
            Sequential([layers.Dense(1)], (2,)).predict(data)


def test_a_large_number_in_a_table_is_found_by_its_column():
    with pytest.raises(ValueError, match=r"predict: x holds 1e\+39 at index \(1, 1\), column 'b', too large"):
        Sequential([layers.Dense(1)], (2,)).predict(Table(a=[1.0, 2.0], b=[1.0, 1e39]))


# --- pandas, polars, Arrow -------------------------------------------------------------------------------


def test_nullable_columns_of_pandas():
    pandas = pytest.importorskip("pandas")
    for dtype, values in (("Int64", [3, 4]), ("Float64", [0.5, 2]), ("boolean", [True, False]), ("UInt8", [3, 4])):
        full = pandas.DataFrame({"a": pandas.array(values, dtype), "b": [0.5, 1.5]})
        assert as_samples(full).tolist() == [[values[0], 0.5], [values[1], 1.5]]
        assert as_targets(full["a"]).tolist() == values
        column = pandas.array([values[0], None], dtype)
        for data in (pandas.DataFrame({"a": column}), pandas.Series(column)):
            np.testing.assert_array_equal(np.ravel(as_samples(data)), [values[0], np.nan])
    with pytest.raises(ValueError, match=r"x holds nan at index \(1, 0\), column 'a'"):
        Sequential([layers.Dense(1)], (1,)).predict(pandas.DataFrame({"a": pandas.array([True, None], "boolean")}))


def test_other_numbers_in_pandas():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"size": [1.0, 2.0], "color": ["red", "blue"]}, index=[7, 3])
    assert as_samples(pandas.get_dummies(frame)).tolist() == [[1, 0, 1], [2, 1, 0]]
    assert as_samples(frame.assign(color=frame["color"].astype("category").cat.codes)).tolist() == [[1, 1], [2, 0]]
    numbers = pandas.Series([5, 7, 5]).astype("category")
    assert as_targets(numbers).tolist() == [5, 7, 5]
    assert as_samples(pandas.DataFrame({"a": numbers, "b": [1, 2, 3]})).tolist() == [[5, 1], [7, 2], [5, 3]]
    assert as_samples(pandas.DataFrame([[1, True], [2, False]], columns=["a", "a"])).tolist() == [[1, 1], [2, 0]]
    assert as_targets(pandas.Index([2, 1])).tolist() == [2, 1]
    assert as_targets(pandas.Series([True, False])).tolist() == [1, 0]
    assert as_samples(pandas.DataFrame({"a": [1, 2]}, dtype="float32")).dtype == np.float32


def test_pandas_columns_that_are_not_numbers():
    pandas = pytest.importorskip("pandas")
    dates = pandas.to_datetime(pandas.Series(["2020-01-01", None]))
    for column, message in (
        (pandas.Series(["a", "b"]).astype("category"), r"holds 'a' \(str\) at index \(0,\).*get_dummies"),
        (pandas.Series(["a", "b"], dtype="string"), r"holds 'a' \(str\) at index \(0,\).*get_dummies"),
        (dates, "has dtype datetime64.*times to numbers"),
        (dates.dt.tz_localize("UTC"), r"holds Timestamp.*times to numbers"),
        (pandas.Series(pandas.period_range("2020", periods=2, freq="M")), r"holds Period.*times to numbers"),
    ):
        with pytest.raises(TypeError, match=f"fit: column 'b' of x {message}"):
            as_samples(pandas.DataFrame({"a": [1, 2], "b": column}))
        with pytest.raises(TypeError, match=f"fit: y {message}"):
            as_targets(column)


def test_tables_of_polars():
    polars = pytest.importorskip("polars")
    mixed = polars.DataFrame({"a": [1.5, 2.0], "b": [True, False], "c": [3, 4]})
    assert as_samples(mixed).tolist() == [[1.5, 1, 3], [2, 0, 4]]
    np.testing.assert_array_equal(as_samples(polars.Series([True, None])), [1, np.nan])
    with pytest.raises(TypeError, match=r"x holds 'x' \(str\) at index \(0, 1\), column 'b'"):
        as_samples(polars.DataFrame({"a": [1.0, 2], "b": ["x", "y"]}))
    with pytest.raises(ValueError, match=r"x holds nan at index \(1, 0\), column 'a'"):
        Sequential([layers.Dense(1)], (1,)).predict(polars.DataFrame({"a": [1, None]}))


def test_tables_of_arrow():
    pyarrow = pytest.importorskip("pyarrow")
    assert as_samples(pyarrow.table({"a": [1.5, 2.0], "b": [True, False]})).tolist() == [[1.5, 1], [2, 0]]
    np.testing.assert_array_equal(as_samples(pyarrow.array([True, None])), [1, np.nan])
    with pytest.raises(TypeError, match=r"x holds 'x' \(str\) at index \(0, 1\), column 'b'.*get_dummies"):
        as_samples(pyarrow.table({"a": [1.0, 2], "b": ["x", "y"]}))
    with pytest.raises(ValueError, match=r"x holds nan at index \(1, 0\), column 'a'"):
        Sequential([layers.Dense(1)], (1,)).predict(pyarrow.table({"a": [1, None]}))


# --- objects -----------------------------------------------------------------------------------------------


def test_objects_that_are_numbers():
    objects = np.array([1, 2.5, True, np.float32(0.5), np.uint8(7), Decimal("1.25"), Fraction(1, 4), 2**70], object)
    expected = [1, 2.5, 1, 0.5, 7, 1.25, 0.25, 2.0**70]
    assert as_samples(objects).dtype == as_targets(objects).dtype == np.float64
    assert as_samples(objects).tolist() == as_targets(objects).tolist() == expected
    assert as_samples(objects.reshape(4, 2).T).tolist() == np.reshape(expected, (4, 2)).T.tolist()
    assert as_samples([[2**70], [1]]).tolist() == [[2.0**70], [1]]


class Pretender:
    """Has `__float__`, which fails."""

    def __float__(self):
        raise RuntimeError("no number after all")


@pytest.mark.parametrize(
    "bad, hint",
    [
        (None, "; fill in or drop missing values"),
        ("1.5", r"; convert class names to labels with np\.unique\(x, return_inverse=True\)\[1\], and digits"),
        (b"1", r"np\.unique"),
        (1j, "; pass its real and imaginary parts as two features"),
        (np.complex64(1), "imaginary"),
        (10**400, r" up to 1\.8e308$"),
        (datetime.date(2020, 1, 1), "; convert times to numbers first"),
        (np.datetime64("2020-01-01"), "; convert times to numbers first"),
        (np.timedelta64(1, "D"), "; convert times to numbers first"),
        ([1, 2], r"; do its rows have different lengths\? Join rows of the same length with np\.stack"),
        (np.zeros(2), r"np\.stack"),
        (Pretender(), "expected real numbers$"),
        (object(), "expected real numbers$"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_objects_that_are_not_numbers(bad, hint):
    objects = np.empty((2, 2), object)
    objects[:] = 1.5
    objects[1, 0] = bad
    with pytest.raises(TypeError, match=rf"fit: x holds .* \({type(bad).__name__}\) at index \(1, 0\); .*{hint}"):
        as_samples(objects)


# --- no arrays ---------------------------------------------------------------------------------------------


class Loader:
    """Gives batches one after another."""

    def __iter__(self):
        yield np.ones(3)

    def __len__(self):
        return 1


def generator():
    yield np.ones(3)


@pytest.mark.parametrize(
    "make, message",
    [
        (generator, r"generator; collect its items first: np\.stack\(list\(\.\.\.\)\)"),
        (lambda: zip([1], [2], strict=True), r"zip; collect"),
        (lambda: map(float, [1]), r"map; collect"),
        (lambda: iter([1.0]), r"list_iterator; collect"),
        (lambda: {"a": 1}.values(), r"dict_values; collect"),
        (lambda: {"a": [1], "b": [2]}, r"dict; pass one of its values, or .*np\.column_stack.*Its keys: 'a', 'b'$"),
        (lambda: OrderedDict.fromkeys(range(9)), r"OrderedDict; .*Its keys: 0, 1, 2, 3, \.\.\.$"),
        (lambda: {1.0, 2.0}, r"set, which has no order; pass a list or an array"),
        (Loader, r"Loader; collect its samples in arrays first .*samples\(epoch\), sample_shape and len"),
        (object, r"object$"),
        (lambda: len, r"builtin_function_or_method$"),
    ],
)
@pytest.mark.parametrize("argument", ["x", "y", "sample_weight"])
def test_errors_for_non_arrays_say_what_to_pass(argument, make, message):
    with pytest.raises(TypeError, match=f"evaluate: {argument} must be an array of numbers, got {message}"):
        as_array(make(), argument, "evaluate")


def test_iterators_that_are_also_arrays():
    assert as_samples(np.arange(3).flat).tolist() == [0, 1, 2]
    assert as_samples(range(3)).tolist() == as_targets(range(3)).tolist() == [0, 1, 2]
