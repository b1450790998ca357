"""Arrays in any memory given to a model: the bits are those of a clean copy."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.memory import altered, disguised, outcome
from tinynn import Augmentation, Sequential, layers

LOSSES = {
    "mse": "half_squared_error",
    "labels": "sparse_categorical_crossentropy",
    "one hot": "categorical_crossentropy",
}
DTYPES = ("float32", "float64", "float16", "uint8", "int8", "int32", "int64", "uint64", "bool")


def images(dtype="float32", loss="mse"):
    chain = [layers.Conv2D(2, 3, padding="same", activation="relu"), layers.MaxPooling2D(), layers.Flatten()]
    model = Sequential([*chain, layers.Dense(3, "softmax")], (4, 6, 1), rng=1, dtype=dtype)
    model.compile("adam", LOSSES[loss])
    return model


def sequences(dtype="float32", loss="mse"):
    chain = [layers.GRU(4, True), layers.LSTM(3, True), layers.Dense(3, "softmax")]
    model = Sequential(chain, (4, 2), rng=1, dtype=dtype)
    model.compile("rmsprop", LOSSES[loss])
    return model


def everything(model, x, y, weight, check):
    """What a model does with data: predictions, loss, gradients, and weights after training."""
    yield model.predict(x, check_finite=check)
    yield model.predict(x, batch_size=2, check_finite=check)
    yield model.evaluate(x, y, sample_weight=weight)
    yield model.compute_gradients(x, y, weight)
    yield model.gradients
    model.fit(x, y, sample_weight=weight, batch_size=2, epochs=2, verbose=0)
    yield model.parameters


@settings(max_examples=60)
@given(data=st.data())
def test_any_memory(data):
    make = data.draw(st.sampled_from((images, sequences)))
    loss = data.draw(st.sampled_from(sorted(LOSSES)))
    options = {"dtype": data.draw(st.sampled_from(("float32", "float64"))), "loss": loss}
    rng = np.random.default_rng(2)
    x = (3 * rng.random((5, 4, 6, 1) if make is images else (5, 4, 2))).astype(data.draw(st.sampled_from(DTYPES)))
    rows = (5,) if make is images else (5, 4)
    y = rng.integers(0, 3, rows) if loss == "labels" else np.eye(3)[rng.integers(0, 3, rows)]
    y = y.astype(data.draw(st.sampled_from(DTYPES)))
    weight = rng.random(5)
    clean = [data.draw(altered(array)) for array in (x, y, weight)]
    given = [data.draw(disguised(array)) for array in clean]
    clean = [np.array(array, order="C") for array in clean]
    before = [array.tobytes() for array in given]
    check = data.draw(st.booleans())
    names = ("x", "y", "sample_weight")
    expected = outcome(lambda: [*everything(make(**options), *clean, check)], names)
    assert outcome(lambda: [*everything(make(**options), *given, check)], names) == expected
    assert [array.tobytes() for array in given] == before


@settings(max_examples=25)
@given(data=st.data())
def test_weights_in_any_memory(data):
    model = sequences()
    weights = [data.draw(disguised(data.draw(altered(weight)))) for weight in model.get_weights()]
    before = model.parameters.tobytes()
    clean, other = [np.array(weight, np.float32, order="C") for weight in weights], sequences()
    names = list(model._core.parameters)
    expected = outcome(lambda: other.set_weights(clean) or other.parameters, names)
    assert outcome(lambda: model.set_weights(weights) or model.parameters, names) == expected
    assert not isinstance(expected, type) or model.parameters.tobytes() == before


def test_augmented_images_in_any_memory():
    x = np.random.default_rng(3).random((6, 4, 6, 1), "float32")
    y = np.eye(3)[[0, 1, 2, 0, 1, 2]]
    found = []
    for same in (x, np.asfortranarray(x).astype(">f4"), x[:, ::-1].copy()[:, ::-1]):
        model = images()
        model.fit(same, y, batch_size=4, augment=Augmentation(1, 10), verbose=0)
        found.append(model.parameters.tobytes())
    assert found[0] == found[1] == found[2]
