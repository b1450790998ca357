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
        ([kernel, bias[:2]], ValueError, r"set_weights: 'dense/bias' must have shape \(4,\), got \(2,\)"),
        ([kernel, bias.astype("c8")], ValueError, "'dense/bias' must be numbers, got dtype complex64"),
        ([kernel, np.full(4, 1e300)], ValueError, "too large for float32"),
        ("weights", TypeError, "weights must be a list of arrays, got str"),
        (3, TypeError, "weights must be a list of arrays, got int"),
    ):
        with pytest.raises(error, match=message):
            layer.set_weights(weights)
        with pytest.raises(error, match="^set_weights: "):
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
def test_layers_of_a_built_model_are_refused_elsewhere_with_a_hint(part):
    model = trained(name="mine")
    with pytest.raises(ValueError, match="the Dense layer.* belongs to the model 'mine', .* use layer.clone"):
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


def test_copying_the_weights_to_clones_works():
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
