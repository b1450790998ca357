"""Weights of layers: which model they belong to, read and written by layer, never left behind silently."""

import copy
import gc
import pickle

import numpy as np
import pytest

import tinynn
from tinynn import Sequential, layers


def trained(**keywords):
    model = Sequential([layers.Dense(4, "tanh"), layers.Dropout(0.1), layers.Dense(2)], (3,), rng=3, **keywords)
    model.compile("adam", "mse")
    model.fit(np.ones((5, 3), "f4"), np.zeros((5, 2), "f4"), epochs=2, verbose=0)
    return model


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_layers_read_and_write_the_weights_of_their_model(dtype):
    model = trained(dtype=dtype)
    whole = model.get_weights()
    parts = [layer.get_weights() for layer in model.layers]
    assert [len(part) for part in parts] == [2, 0, 2]
    for found, expected in zip([w for part in parts for w in part], whole, strict=True):
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == dtype
    new = [np.arange(8.0).reshape(4, 2), np.array([5.0, 6.0])]
    model.layers[2].set_weights(new)
    for found, expected in zip(model.get_weights(), [*whole[:2], *new], strict=True):
        np.testing.assert_array_equal(found, expected)
    parts[0][0][:] = 77  # a copy
    assert (model.get_weights()[0] != 77).all()


def test_wrong_weights_change_nothing():
    model = trained()
    before = model.fingerprint()
    layer = model.layers[0]
    kernel, bias = layer.get_weights()
    for weights, error, message in (
        ([kernel], ValueError, r"set_weights: expected 2 arrays \(dense/kernel, dense/bias\), got 1"),
        ([kernel, bias[:2]], ValueError, r"set_weights: 'dense/bias' has shape \(4,\), got \(2,\)"),
        ([kernel, bias.astype("c8")], ValueError, "'dense/bias' must be numbers, got dtype complex64"),
        ([kernel, np.full(4, 1e300)], ValueError, "too large for float32"),
        ("weights", TypeError, "weights must be a list of arrays, got str"),
        (3, TypeError, "weights must be a list of arrays, got int"),
    ):
        with pytest.raises(error, match=message):
            layer.set_weights(weights)
        with pytest.raises(error):
            model.set_weights(weights)
    assert model.fingerprint() == before
    for call in (layers.Dense(3).get_weights, lambda: layers.Dense(3).set_weights([])):
        with pytest.raises(ValueError, match="the Dense layer has no weights yet; build a model from it first"):
            call()


def test_weights_within_wrappers():
    inner, tower = layers.Dense(2), layers.Dense(3)
    model = Sequential([layers.TimeDistributed(inner), layers.Towers([tower], 2)], (2, 3))
    assert [w.shape for w in inner.get_weights()] == [(3, 2), (2,)]
    assert [w.shape for w in tower.get_weights()] == [(2, 3), (3,)] * 2  # each tower's
    assert [w.shape for w in model.layers[1].get_weights()] == [(2, 3), (3,)] * 2
    tower.set_weights([np.ones_like(w) for w in tower.get_weights()])
    assert (model.parameters[-18:] == 1).all()


PARTS = {
    "all": lambda model: model.layers,
    "all but the last": lambda model: [*model.layers[:-1], layers.Dense(3)],
    "one": lambda model: [model.layers[0]],
    "within a wrapper": lambda model: [layers.TimeDistributed(model.layers[0])],
    "of a model that is gone": lambda model: copy.deepcopy(model).layers,
    "copied": lambda model: copy.deepcopy(list(model.layers)),
    "pickled": lambda model: pickle.loads(pickle.dumps(model.layers[0])),
}


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_another_model_from_them_is_refused_with_the_way_out(part):
    model = trained(name="mine")
    with pytest.raises(ValueError, match="the Dense layer.* belongs to the model 'mine', .* give layer.clone"):
        Sequential(part(model))
    gc.collect()


def test_a_loaded_model_and_a_layer_that_two_models_wait_for(tmp_path):
    trained().save(tmp_path / "m")
    with pytest.raises(ValueError, match="belongs to the model 'sequential'"):
        Sequential([*tinynn.load(tmp_path / "m").layers[:-1], layers.Dense(3)], (3,))
    shared = layers.Dense(2)
    one, other = Sequential([shared]), Sequential([shared])
    one.build((3,))
    with pytest.raises(ValueError, match="belongs to the model"):
        other.build((3,))
    assert other.input_shape is None


def test_the_way_out_works():
    old = trained()
    new = Sequential([*[layer.clone() for layer in old.layers[:-1]], layers.Dense(3)], (3,))
    for ours, theirs in zip(new.layers[:-1], old.layers[:-1], strict=True):
        assert ours is not theirs
        ours.set_weights(theirs.get_weights())
    x = np.ones((2, 3), "f4")
    np.testing.assert_array_equal(new.predict(x, output="dense"), old.predict(x, output="dense"))


def test_copies_keep_their_weights_and_only_those():
    layer = trained().layers[0]
    for again in (copy.deepcopy(layer), copy.copy(layer), pickle.loads(pickle.dumps(layer))):
        assert again._built.flat.size == 16  # not the model's 26
        for found, expected in zip(again.get_weights(), layer.get_weights(), strict=True):
            np.testing.assert_array_equal(found, expected)
        again.set_weights([w + 1 for w in again.get_weights()])
    fresh = layer.clone()
    assert fresh.get_config() == layer.get_config()
    with pytest.raises(ValueError, match="no weights yet"):
        fresh.get_weights()


def test_a_clone_keeps_name_and_freezing():
    layer = layers.Dense(2, name="mine")
    layer.trainable = False
    assert (layer.clone().name, layer.clone().trainable) == ("mine", False)


def test_data_that_do_not_fit_leave_the_layers_free():
    layer = layers.Dense(2)
    model = Sequential([layer])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError):
        model.fit(np.ones((3, 4), "f4"), np.ones((3, 5), "f4"))
    assert layer._built is None
    Sequential([layer], (3,))


@pytest.mark.parametrize("change", ["append", "extend", "insert", "remove", "pop", "clear", "sort", "reverse",
                                    "__setitem__", "__delitem__", "__iadd__", "__imul__"])
def test_the_list_of_layers_cannot_be_changed(change):
    model = Sequential([layers.Dense(2), layers.TimeDistributed(layers.Dense(1))])
    for listed in (model.layers, model.layers[1].layers):
        before = list(listed)
        with pytest.raises(TypeError, match="the list of layers cannot be changed.*model.add.*layer.clone"):
            getattr(listed, change)(*{"insert": (0, before[0]), "__setitem__": (0, before[0])}.get(
                change, () if change in ("pop", "clear", "sort", "reverse") else (0,)))
        assert list(listed) == before
    with pytest.raises(AttributeError):
        model.layers = []
    assert type(model.layers[:1]) is list
    assert isinstance(model.layers + [layers.Dense(1)], list)
    assert copy.deepcopy(model.layers)[0].units == 2


# --- add ---------------------------------------------------------------------------------------------------


def test_layers_are_added_one_by_one():
    model = Sequential()
    model.add(layers.Dense(4, "tanh"))
    model.add(layers.Dense(1))
    model.compile("adam", "mse")
    whole = Sequential([layers.Dense(4, "tanh"), layers.Dense(1)])
    whole.compile("adam", "mse")
    x, y = np.linspace(0, 1, 12).reshape(4, 3).astype("f4"), np.ones((4, 1), "f4")
    assert model.fit(x, y, epochs=3, verbose=0).history == whole.fit(x, y, epochs=3, verbose=0).history
    assert model.parameters.tobytes() == whole.parameters.tobytes()


def test_a_layer_added_to_a_trained_model_leaves_the_weights_of_the_others():
    model = trained()
    model.train_on_batch(np.ones((5, 3), "f4"), np.zeros((5, 2), "f4"))
    before = model.get_weights()
    x = np.ones((2, 3), "f4")
    hidden = model.predict(x)
    model.add(layers.Dense(7, "relu"))
    for found, expected in zip(model.get_weights()[:4], before, strict=True):
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(model.predict(x, output="dense_1"), hidden)
    assert model.predict(x).shape == (2, 7)
    assert model.layers[0].get_weights()[0].tobytes() == before[0].tobytes()
    assert model._core.iteration == 0
    history = model.fit(np.ones((5, 3), "f4"), np.zeros((5, 7), "f4"), epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert model.train_on_batch(np.ones((5, 3), "f4"), np.zeros((5, 7), "f4")) > 0


def test_what_cannot_be_added_changes_nothing():
    model = trained()
    before, names = model.fingerprint(), list(model._core.names)
    for layer, error, message in (
        ("relu", TypeError, "add: layer must be a layer, got 'relu'"),
        (layers.Dense, TypeError, "add: layer must be a layer"),
        (layers.Conv2D(3, 2), ValueError, "expected samples of shape"),
        (trained().layers[0], ValueError, "belongs to the model"),
        (model.layers[0], ValueError, "used twice"),
    ):
        with pytest.raises(error, match=message):
            model.add(layer)
    assert (model.fingerprint(), model._core.names, len(model.layers)) == (before, names, 3)
    model.predict(np.ones((2, 3), "f4"))


def test_a_model_without_layers_says_so():
    model = Sequential(input_shape=(3,))
    with pytest.raises(ValueError, match="the model has no layers yet; append some with model.add"):
        model.predict(np.ones((1, 3), "f4"))
    model.compile("sgd", "mse")
    for call in (model.fit, model.evaluate, model.train_on_batch):
        with pytest.raises(ValueError, match="the model has no layers yet"):
            call(np.ones((1, 3), "f4"), np.ones((1, 3), "f4"))


# --- freezing ---------------------------------------------------------------------------------------------


def test_a_frozen_model_does_not_change():
    x, y = np.ones((4, 3), "f4"), np.zeros((4, 2), "f4")
    model = trained()
    model.trainable = False
    before = model.fingerprint()
    model.fit(x, y, epochs=3, verbose=0)
    for _ in range(3):
        model.train_on_batch(x, y)
    assert model.fingerprint() == before
    assert not model.gradients.any()
    model.trainable = True
    model.train_on_batch(x, y)
    assert model.fingerprint() != before


def test_freezing_survives_files_and_copies(tmp_path):
    model = trained()
    model.trainable = False
    model.save(tmp_path / "m")
    for again in (tinynn.load(tmp_path / "m"), copy.deepcopy(model), model.clone()):
        assert again.trainable is False
    assert trained().clone().trainable is True


# --- configurations ---------------------------------------------------------------------------------------


def test_configurations_make_equal_models():
    model = trained(name="mine")
    again = Sequential.from_config(model.get_config(), rng=3)
    assert again.get_config() == model.get_config()
    assert (again.name, again.input_shape, again.optimizer) == ("mine", (3,), None)
    start = Sequential([layers.Dense(4, "tanh"), layers.Dropout(0.1), layers.Dense(2)], (3,), rng=3)
    assert again.fingerprint() == model.clone().fingerprint() == start.fingerprint() != model.fingerprint()
    unbuilt = Sequential([layers.Dense(1)])
    assert Sequential.from_config(unbuilt.get_config()).input_shape is None
    assert unbuilt.clone().input_shape is None


@pytest.mark.parametrize("config", [{}, {"layers": 3}, None, {"layers": [{"class": "layers.Dense"}]},
                                    {"name": "a", "dtype": "int8", "input_shape": None, "layers": []}])
def test_what_is_no_configuration(config):
    with pytest.raises(ValueError, match="from_config: "):
        Sequential.from_config(config)
