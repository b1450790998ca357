"""What users hand in: arrays of every kind, right and wrong."""

import array
import re

import numpy as np
import pytest

from tinynn import Sequential, layers, losses
from tinynn.training.data import as_samples_of, fits, targets_for


@pytest.fixture
def model():
    model = Sequential([layers.Flatten(), layers.Dense(3, "softmax")], (2, 4), rng=1)
    model.compile("sgd", "sparse_categorical_crossentropy", ["accuracy"])
    return model


class WithArray:
    """Offers __array__ and nothing else."""

    def __init__(self, data):
        self.data = data

    def __array__(self, dtype=None, copy=None):
        return self.data


class WithDLPack:
    """Offers DLPack and nothing else."""

    def __init__(self, data):
        self.data = data

    def __dlpack__(self, **keywords):
        return self.data.__dlpack__(**keywords)

    def __dlpack_device__(self):
        return self.data.__dlpack_device__()


def read_only(x):
    x = x.copy()
    x.setflags(write=False)
    return x


def misaligned(x):
    memory = np.empty(x.nbytes + 1, np.uint8)
    view = memory[1:].view(x.dtype).reshape(x.shape)
    view[...] = x
    return view


FORMS = {
    "float64": lambda x: x.astype(np.float64),
    "uint8": lambda x: x.astype(np.uint8),
    "int8": lambda x: x.astype(np.int8),
    "int32": lambda x: x.astype(np.int32),
    "uint64": lambda x: x.astype(np.uint64),
    "float16": lambda x: x.astype(np.float16),
    "longdouble": lambda x: x.astype(np.longdouble),
    "big endian": lambda x: x.astype(">f4"),
    "big endian int": lambda x: x.astype(">i2"),
    "Fortran order": np.asfortranarray,
    "reversed": lambda x: x[::-1].copy()[::-1],
    "strided": lambda x: np.repeat(x, 2, axis=2)[:, :, ::2],
    "transposed": lambda x: x.T.copy().T,
    "read only": read_only,
    "misaligned": misaligned,
    "lists": lambda x: x.tolist(),
    "memoryview": memoryview,
    "__array__": WithArray,
    "DLPack": WithDLPack,
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_x_gives_the_same_bits(form, model, rng):
    x, y = rng.integers(0, 100, (7, 2, 4)).astype("float32"), rng.integers(0, 3, 7)
    given = FORMS[form](x)
    assert model.predict(given).tobytes() == model.predict(x).tobytes()
    other = Sequential([layers.Flatten(), layers.Dense(3, "softmax")], (2, 4), rng=1)
    other.compile("sgd", "sparse_categorical_crossentropy", ["accuracy"])
    for one, data in ((model, x), (other, given)):
        one.fit(data, y, epochs=2, batch_size=3, verbose=0)
        one.train_on_batch(data, y)
        one.test_on_batch(data, y)
    assert model.parameters.tobytes() == other.parameters.tobytes()
    assert model.evaluate(x, y) == other.evaluate(given, y)


@pytest.mark.parametrize("form", [*(form for form in FORMS if form != "read only"), "array"])
def test_every_form_of_labels(form, model, rng):
    x, y = rng.normal(size=(7, 2, 4)), rng.integers(0, 3, 7)
    expected = model.evaluate(x, y)
    if form == "array":
        given = array.array("i", y.tolist())
    elif form in ("strided",):
        given = np.repeat(y, 2)[::2]
    else:
        given = FORMS[form](y)
    assert model.evaluate(x, given) == expected
    assert model.evaluate(x, np.asarray(y)[:, None]) == expected


def test_booleans_are_zero_and_one(model, rng):
    x = rng.integers(0, 2, (5, 2, 4)).astype(bool)
    assert model.predict(x).tobytes() == model.predict(x.astype("float32")).tobytes()


def test_the_users_arrays_are_not_changed(model, rng):
    x, y = rng.normal(size=(7, 2, 4)).astype("float32"), rng.integers(0, 3, 7)
    before = x.copy(), y.copy()
    model.fit(x, y, epochs=2, batch_size=3, verbose=0)
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(y, before[1])


WRONG_X = {
    "too few": (np.zeros((4, 2, 3)), ValueError, r"x has shape \(4, 2, 3\).*\(batch, 2, 4\)"),
    "one axis less": (np.zeros((2, 4)), ValueError, r"x has shape \(2, 4\).*\(batch, 2, 4\)"),
    "no axis": (np.float32(3), ValueError, "x is a single number"),
    "object": (np.array([[None]]), TypeError, r"x holds None \(NoneType\) at index \(0, 0\)"),
    "complex": (np.zeros((2, 2, 4), complex), TypeError, "x has dtype complex128"),
    "text": (np.array(["a"]), TypeError, "x has dtype <U1"),
    "ragged": ([[1, 2], [3]], TypeError, "x.*cannot be read as an array"),
    "None": (None, TypeError, "x is None"),
    "generator": ((row for row in np.ones((2, 2, 4))), TypeError, r"x must be an array.*got generator.*np\.stack"),
    "empty samples": (np.zeros((2, 0, 4)), ValueError, r"x is empty: it has shape \(2, 0, 4\)"),
    "too large": (np.array([[[0.0] * 4, [0, 0, -1e300, 0]]]), ValueError,
                  r"x holds -1e\+300 at index \(0, 1, 2\), too large for float32"),
    "nan": (np.full((2, 2, 4), np.nan), ValueError, r"x holds nan at index \(0, 0, 0\)"),
    "infinite": (np.array([[[0.0] * 4, [0, 0, np.inf, 0]]]), ValueError, r"x holds inf at index \(0, 1, 2\)"),
}


@pytest.mark.parametrize("call", ["fit", "evaluate", "predict", "train_on_batch", "test_on_batch", "compute_gradients"])
@pytest.mark.parametrize("wrong", WRONG_X)
def test_wrong_x_is_named_and_changes_nothing(wrong, call, model):
    x, error, message = WRONG_X[wrong]
    before = model.parameters.copy(), model.gradients.copy(), model._core.iteration
    arguments = (x,) if call == "predict" else (x, np.zeros(2, int))
    with pytest.raises(error, match=f"{call}: {message}"):
        getattr(model, call)(*arguments)
    assert model.parameters.tobytes() == before[0].tobytes()
    assert model.gradients.tobytes() == before[1].tobytes()
    assert model._core.iteration == before[2]


WRONG_Y = {
    "none": (None, ValueError, "y is missing"),
    "short": ([0, 1], ValueError, "x has 3 samples, but y has 2"),
    "too large": ([0, 3, 1], ValueError, "y holds the label 3 at index 1.*0 to 2"),
    "negative": ([0, 1, -1], ValueError, "y holds the label -1 at index 2"),
    "fraction": ([0, 1.5, 1], ValueError, "y holds the label 1.5 at index 1.*whole"),
    "nan": ([0, np.nan, 1], ValueError, "y holds the label nan at index 1"),
    "one-hot": (np.eye(3), ValueError, "categorical_crossentropy"),
    "text": (["a", "b", "c"], TypeError, r"y has dtype <U1; .*np\.unique\(y, return_inverse=True\)\[1\]"),
    "objects": (np.array(["a", "b", "c"], object), TypeError, r"y holds 'a' .*np\.unique\(y, return_inverse=True\)"),
    "zip": (zip([0, 1, 2], strict=True), TypeError, "y must be an array of numbers, got zip"),
    "dict": ({"y": [0, 1, 2]}, TypeError, "y must be an array .*got dict; pass one of its values.*'y'"),
    "huge": (np.full(3, 2**63, np.uint64), ValueError, "y holds"),
}


@pytest.mark.parametrize("call", ["fit", "evaluate", "train_on_batch", "test_on_batch", "compute_gradients"])
@pytest.mark.parametrize("wrong", WRONG_Y)
def test_wrong_labels(wrong, call, model):
    y, error, message = WRONG_Y[wrong]
    before = model.parameters.copy()
    with pytest.raises(error, match=f"{call}: .*{message}"):
        getattr(model, call)(np.ones((3, 2, 4)), y)
    assert model.parameters.tobytes() == before.tobytes()


def test_labels_for_a_loss_of_distributions():
    with pytest.raises(ValueError, match="use loss='sparse_categorical_crossentropy'"):
        targets_for([0, 1], 2, (3,), losses.CategoricalCrossentropy(), np.float32, "fit")


def test_targets_are_checked_for_nan(rng):
    model = Sequential([layers.Dense(1)], (2,))
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"fit: y holds nan at index \(1,\)"):
        model.fit(np.ones((2, 2)), [1.0, np.nan], verbose=0)
    with pytest.raises(ValueError, match=r"fit: sample_weight holds inf"):
        model.fit(np.ones((2, 2)), [1.0, 2.0], sample_weight=[1, np.inf], verbose=0)


def test_a_column_of_targets_and_a_vector_are_one(rng):
    model = Sequential([layers.Dense(1)], (2,))
    model.compile("sgd", "mse")
    x, y = rng.normal(size=(5, 2)), rng.normal(size=5)
    assert model.evaluate(x, y) == model.evaluate(x, y[:, None])
    with pytest.raises(ValueError, match=r"y has shape \(5, 2\).*\(5, 1\)"):
        model.evaluate(x, np.ones((5, 2)))


def test_the_check_can_be_turned_off(model):
    x = np.full((2, 2, 4), np.nan)
    assert np.isnan(model.predict(x, check_finite=False)).all()
    assert np.isnan(model.evaluate(x, [0, 1], check_finite=False)[0])
    with pytest.raises(FloatingPointError, match="step 1; NaN or infinity first appeared in the input"):
        model.fit(x, [0, 1], check_finite=False, verbose=0)


def test_targets_and_weights_too_large_for_float32(rng):
    x, large = rng.normal(size=(2, 2)), [1.0, 1e39]
    model = Sequential([layers.Dense(1)], (2,))
    model.compile("sgd", "mse")
    for call in (model.fit, model.evaluate, model.train_on_batch, model.test_on_batch, model.compute_gradients):
        with pytest.raises(ValueError, match=rf"{call.__name__}: y holds 1e\+39 at index \(1,\), too large"):
            call(x, large)
        with pytest.raises(ValueError, match=rf"{call.__name__}: sample_weight holds 1e\+39 .*too large for float32"):
            call(x, [1.0, 2.0], sample_weight=large)
    assert model.evaluate(x, large, check_finite=False) == np.inf
    model = Sequential([layers.Dense(1)], (2,), dtype="float64")
    model.compile("sgd", "mse")
    assert model.evaluate(x, large) == pytest.approx(1e78 / 2)
    assert np.isfinite(model.evaluate(x, [1.0, 2.0], sample_weight=large))


def test_class_weights_too_large_for_float32(model):
    with pytest.raises(ValueError, match=r"fit: class_weight\[1\] must be from .* to 3.402823e\+38, got 1e\+300"):
        model.fit(np.ones((2, 2, 4)), [0, 1], class_weight={1: 1e300}, verbose=0)


def test_the_fast_path_of_predict_finds_values_too_large(rng):
    """The first call makes the predictor that answers the others."""
    model = Sequential([layers.Dense(3)], (4,), rng=1)
    x = rng.normal(size=(5, 4))
    expected = model.predict(x).tobytes()
    assert model.predict(x).tobytes() == expected
    for bad in (1e39, -1e300, 2.0**128 - 2.0**103, np.nan, np.inf):
        wrong = x.copy()
        wrong[3, 2] = bad
        for _ in range(2):
            with pytest.raises(ValueError, match=rf"predict: x holds {re.escape(str(bad))} at index \(3, 2\)"):
                model.predict(wrong)
            assert not np.isfinite(model.predict(wrong, check_finite=False)[3]).all()
        wrong[3, 2] = 2.0**127
        assert np.isfinite(model.predict(wrong)).all()
    assert model.predict(x).tobytes() == expected


def test_hints_are_given_where_they_make_it_fit(model):
    with pytest.raises(ValueError, match=r"predict takes a batch: give x\[None\]"):
        model.predict(np.zeros((2, 4)))
    with pytest.raises(ValueError, match=r"\(batch, 2, 4\)$"):
        model.predict(np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"\(batch, 2, 4\)$"):
        model.evaluate(np.zeros((2, 4)), [0, 0])
    images = Sequential([layers.Flatten(), layers.Dense(3)], (4, 4, 1))
    with pytest.raises(ValueError, match=r"an axis of length 1 is missing at the end: give x\[\.\.\., None\]"):
        images.predict(np.zeros((5, 4, 4)))
    sequences = Sequential([layers.LSTM(2)], (None, 65))
    with pytest.raises(ValueError, match=r"whole numbers are classes, give one-hot vectors: np\.eye\(65\)\[x\]$"):
        sequences.predict(np.arange(32)[None])
    for x in (np.arange(40, 72)[None], np.full((1, 32), 0.5), np.full((1, 32), -1)):
        with pytest.raises(ValueError, match=r"x has shape \(1, 32\), but the model's input is \(batch, any, 65\)$"):
            sequences.predict(x)
    with pytest.raises(ValueError, match="did you drop or add a column"):
        Sequential([layers.Dense(2)], (3,)).predict(np.full((2, 4), 0.5))


@pytest.mark.parametrize("x", [[], np.zeros((0, 2, 4)), np.zeros((0, 2, 4), "uint8"), np.zeros(0)], ids=np.shape)
def test_predict_of_no_samples_is_empty(x, dtype):
    model = Sequential([layers.Flatten(name="flat"), layers.Dense(3)], (2, 4), dtype=dtype)
    for _ in range(2):
        for arguments, shape in (({}, (0, 3)), ({"batch_size": 7}, (0, 3)), ({"output": "flat"}, (0, 8))):
            predictions = model.predict(x, **arguments)
            assert predictions.shape == shape
            assert predictions.dtype == dtype
        model.predict(np.zeros((1, 2, 4)))
    model.compile("sgd", "mse")
    for call in (model.fit, model.evaluate, model.train_on_batch, model.test_on_batch, model.compute_gradients):
        with pytest.raises(ValueError, match=f"{call.__name__}: x is empty.*; give at least one sample"):
            call(x, np.zeros((0, 3)))


def test_no_samples_must_have_the_right_shape(model):
    for x in (np.zeros((0, 2, 5)), np.zeros((0, 4))):
        with pytest.raises(ValueError, match=r"x has shape \(0, .*\(batch, 2, 4\)"):
            model.predict(x)
    sequences = Sequential([layers.LSTM(2, return_sequences=True)], (None, 3))
    assert sequences.predict(np.zeros((0, 7, 3))).shape == (0, 7, 2)
    with pytest.raises(ValueError, match="predict: x is empty; give at least one sample"):
        sequences.predict(np.zeros((0, 0, 3)))
    with pytest.raises(ValueError, match=r"x has shape \(0,\), but the model's input is \(batch, any, 3\)"):
        sequences.predict([])


def test_fits():
    assert fits((2, 3), (None, 3))
    assert not fits((2, 3), (3,))
    assert not fits((2, 3), (2, 4))
    assert fits((), ())
    assert len(as_samples_of(np.ones((4, 2)), None, "fit", True)) == 4
