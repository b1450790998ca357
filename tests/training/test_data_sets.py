"""Data sets, good and hostile."""

import numpy as np
import pytest

from tests.model.reference import prediction
from tests.training.data_sets import Pairs
from tinynn import Sequential, layers
from tinynn.callbacks import Callback


@pytest.fixture
def model():
    model = Sequential([layers.Flatten(), layers.Dense(3, "softmax")], (2, 4), rng=1)
    model.compile("sgd", "sparse_categorical_crossentropy", ["accuracy"])
    return model


@pytest.mark.parametrize("indices", [np.int64, np.uint8, np.int32, ">i4"])
@pytest.mark.parametrize("kind", ["float32", "float64", "uint8", "float16", "int32"])
def test_a_data_set_is_its_arrays(kind, indices, model, rng):
    data = Pairs(rng, kind=kind)
    data.indices = data.indices.astype(indices)
    x, y = data.arrays()
    assert model.predict(data).tobytes() == model.predict(x).tobytes()
    assert model.evaluate(data) == model.evaluate(x, y)
    other = Sequential([layers.Flatten(), layers.Dense(3, "softmax")], (2, 4), rng=1)
    other.compile("sgd", "sparse_categorical_crossentropy", ["accuracy"])
    first = model.fit(data, epochs=3, batch_size=4, validation_data=data, verbose=0)
    second = other.fit(x, y, epochs=3, batch_size=4, validation_data=(x, y), verbose=0)
    assert first.history == second.history
    assert model.parameters.tobytes() == other.parameters.tobytes()
    assert model.train_on_batch(data) == other.train_on_batch(x, y)


def test_a_data_set_is_asked_every_epoch(model, rng):
    data = Pairs(rng)
    model.fit(data, epochs=5, initial_epoch=2, batch_size=4, verbose=0)
    assert data.epochs == [2, 3, 4]


def test_a_data_set_builds_a_model(rng):
    model = Sequential([layers.Flatten(), layers.Dense(3, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(Pairs(rng), verbose=0)
    assert model.input_shape == (2, 4)


HOSTILE = {
    "index missing first": ("indices", lambda d: d.indices * [0, 1] - [1, 0], "may be -1 only after the last item"),
    "index too large": ("indices", lambda d: d.indices + 6, "indices must be from 0 to 5"),
    "index negative": ("indices", lambda d: d.indices - 6, "indices must be from 0 to 5"),
    "index beyond int64": ("indices", lambda d: np.full((9, 2), 2**64 - 1, np.uint64), "indices must be from 0 to 5"),
    "real indices": ("indices", lambda d: d.indices.astype(float), "indices must be whole numbers"),
    "no indices": ("indices", lambda d: None, "indices must be whole numbers"),
    "flat indices": ("indices", lambda d: d.indices.ravel(), "indices must be whole numbers of shape"),
    "fewer indices": ("indices", lambda d: d.indices[:4], r"indices must be whole numbers of shape \(9,"),
    "three items": ("indices", lambda d: np.zeros((9, 3), int), "samples have shape"),
    "wider items": ("items", lambda d: np.ones((6, 5)), "samples have shape"),
    "no items": ("items", lambda d: np.ones((0, 4)), "items is empty"),
    "items of nothing": ("items", lambda d: None, "items is None"),
    "objects": ("items", lambda d: np.array([None] * 6), "items holds None"),
    "too large": ("items", lambda d: np.full((6, 4), 1e39), r"items holds 1e\+39 at index \(0, 0\), too large"),
    "nan": ("items", lambda d: np.full((6, 4), np.nan), "items holds nan"),
    "fewer targets": ("targets", lambda d: d.targets[:3], "9 samples, but y has 3"),
    "labels too large": ("targets", lambda d: d.targets + 3, "holds the label"),
    "no targets": ("targets", lambda d: None, "y is None"),
}


@pytest.mark.parametrize("how", HOSTILE)
def test_hostile_data_sets_are_named(how, model, rng):
    attribute, change, message = HOSTILE[how]
    data = Pairs(rng)
    setattr(data, attribute, change(data))
    before = model.parameters.copy()
    for call in (lambda: model.fit(data, verbose=0), lambda: model.evaluate(data)):
        with pytest.raises((TypeError, ValueError), match=message):
            call()
    assert model.parameters.tobytes() == before.tobytes()


def test_a_data_set_that_changes_its_length_between_epochs(model, rng):
    class Shrinking(Pairs):
        def samples(self, epoch):
            if epoch == 1:
                self.length = 3
                return self.items, self.indices[:3], self.targets[:3]
            return super().samples(epoch)

    with pytest.raises(ValueError, match=r"indices must be whole numbers of shape \(9,"):
        model.fit(Shrinking(rng), epochs=3, verbose=0)
    data = Shrinking(rng)
    data.samples(1)
    data.length = 9
    with pytest.raises(ValueError, match=r"\(9,"):
        data.indices = data.indices[:3]
        model.predict(data)
    assert np.isfinite(model.parameters).all()


@pytest.mark.parametrize("given", [None, (1, 2), np.zeros(3), "abc"])
def test_samples_must_be_a_triple(given, model, rng):
    data = Pairs(rng)
    data.samples = lambda epoch: given
    with pytest.raises(ValueError, match=r"samples\(epoch\) must return \(items, indices, targets\)"):
        model.fit(data, verbose=0)


def test_errors_of_a_data_set_come_through(model, rng):
    data = Pairs(rng)

    def fail(epoch):
        raise OSError("the disk is gone")

    data.samples = fail
    with pytest.raises(OSError, match="the disk is gone"):
        model.fit(data, verbose=0)
    model.fit(Pairs(rng), verbose=0)


def test_empty_and_wrongly_shaped_data_sets(model, rng):
    data = Pairs(rng)
    data.length = 0
    with pytest.raises(ValueError, match="x is empty"):
        model.fit(data, verbose=0)
    assert model.predict(data).shape == (0, 3)
    assert data.epochs == []
    data = Pairs(rng)
    data.sample_shape = (2, 5)
    with pytest.raises(ValueError, match=r"x has shape \(9, 2, 5\).*\(batch, 2, 4\)"):
        model.predict(data)


def test_targets_and_splits_do_not_go_with_a_data_set(model, rng):
    with pytest.raises(ValueError, match="y must be omitted if x is a data set"):
        model.fit(Pairs(rng), np.zeros(9, int), verbose=0)
    with pytest.raises(ValueError, match="validation_split splits arrays"):
        model.fit(Pairs(rng), validation_split=0.2, verbose=0)
    with pytest.raises(ValueError, match="class_weight needs y"):
        model.fit(Pairs(rng), class_weight={0: 2.0}, verbose=0)


def test_changing_arrays_after_they_were_checked(rng):
    """A callback that scribbles over labels and indices changes nothing: the engine has its own."""

    class Scribbler(Callback):
        def __init__(self, *arrays):
            self.arrays, self.before = arrays, [array.copy() for array in arrays]

        def on_train_batch_begin(self, batch, logs=None):
            for array in self.arrays:
                array[:] = 0

        def on_epoch_end(self, epoch, logs=None):
            for array, before in zip(self.arrays, self.before, strict=True):
                array[:] = before

    data = Pairs(rng)
    x, y = data.arrays()
    found = []
    for arguments, callback in (((x, y), None), ((x, y), Scribbler(y)),
                                ((data,), Scribbler(data.indices, data.targets))):
        model = Sequential([layers.Flatten(), layers.Dense(3, "softmax")], (2, 4), rng=1)
        model.compile("sgd", "sparse_categorical_crossentropy")
        found.append(model.fit(*arguments, batch_size=4, epochs=2, verbose=0, callbacks=callback).history)
        found[-1]["weights"] = model.fingerprint()
    assert found[0] == found[1] == found[2]


def test_uint8_images_are_scaled_as_they_are_gathered(rng):
    data = Pairs(rng, kind="uint8")
    model = Sequential([layers.Rescaling(1 / 255), layers.Flatten(), layers.Dense(3)], (2, 4), dtype="float64")
    np.testing.assert_allclose(model.predict(data), prediction(model, data.arrays()[0]), rtol=1e-12)
