"""TimeDistributed and Towers: shared and separate copies, nested in one another."""

import numpy as np
import pytest

from tests.model.reference import check_gradients, check_prediction
from tinynn import Sequential, layers
from tinynn.layers.chain import unique_names

WRAPPED = {
    "td dense": (lambda: [layers.TimeDistributed(layers.Dense(3, "tanh"))], (4, 3)),
    "td list": (lambda: [layers.TimeDistributed([layers.Dense(3, "relu"), layers.Dense(2)])], (4, 3)),
    "td lstm": (lambda: [layers.TimeDistributed(layers.LSTM(2))], (3, 4, 2)),
    "td lstm sequences": (lambda: [layers.TimeDistributed(layers.LSTM(2, return_sequences=True))], (2, 3, 2)),
    "td reshaping": (lambda: [layers.TimeDistributed([layers.Flatten(), layers.Dense(2)])], (3, 2, 2)),
    "td repeat": (lambda: [layers.TimeDistributed([layers.Dense(2), layers.RepeatVector(3)])], (2, 3)),
    "td td": (lambda: [layers.TimeDistributed(layers.TimeDistributed(layers.Dense(2)))], (2, 3, 2)),
    "towers dense": (lambda: [layers.Towers(layers.Dense(3, "sigmoid"), 3)], (3, 2)),
    "towers list": (lambda: [layers.Towers([layers.Dense(3, "relu"), layers.Dense(2, "softmax")], 2)], (2, 3)),
    "towers lstm": (lambda: [layers.Towers(layers.LSTM(2), 2)], (2, 3, 2)),
    "towers rnn gru": (lambda: [layers.Towers([layers.SimpleRNN(2, True), layers.GRU(2)], 2)], (2, 3, 2)),
    "towers one": (lambda: [layers.Towers(layers.Dense(2), 1)], (1, 3)),
    "towers of towers": (lambda: [layers.Towers([layers.Towers(layers.Dense(2), 3), layers.Flatten()], 2)], (2, 3, 2)),
    "towers of td": (lambda: [layers.Towers(layers.TimeDistributed(layers.Dense(2, "tanh")), 2)], (2, 3, 2)),
    "td of towers": (lambda: [layers.TimeDistributed(layers.Towers(layers.Dense(2, "tanh"), 3))], (2, 3, 2)),
    "towers twice": (lambda: [layers.Towers(layers.Dense(2), 2), layers.Towers(layers.Dense(3), 2)], (2, 3)),
    "towers without arithmetic": (lambda: [layers.Towers(layers.Flatten(), 2)], (2, 3, 2)),
}


@pytest.mark.parametrize("name", WRAPPED)
def test_equals_numpy(name, dtype, rng):
    make, shape = WRAPPED[name]
    check_prediction([*make(), layers.Flatten(), layers.Dense(2)], shape, rng, dtype)


@pytest.mark.parametrize("name", WRAPPED)
def test_gradients(name, rng):
    """Behind a layer that learns, so that the wrapper's gradient of its input is seen."""
    make, shape = WRAPPED[name]
    check_gradients([layers.Dense(shape[-1]), *make(), layers.Flatten(), layers.Dense(2)], shape, rng, batch=2)


def test_towers_have_weights_of_their_own():
    model = Sequential([layers.Towers(layers.Dense(2), 3, name="readers")], (3, 4))
    paths = [f"readers/tower_{i}/dense/{p}" for i in range(3) for p in ("kernel", "bias")]
    assert list(model._core.parameters) == paths
    kernels = model.get_weights()[::2]
    assert (kernels[0] != kernels[1]).any()
    assert (kernels[1] != kernels[2]).any()


def test_time_distributed_shares_its_weights():
    model = Sequential([layers.TimeDistributed(layers.Dense(2), name="reader")], (3, 4))
    assert list(model._core.parameters) == ["reader/dense/kernel", "reader/dense/bias"]


def test_towers_of_dropout_have_masks_of_their_own():
    """Each tower's bias gets its gradient through that tower's mask."""
    model = Sequential([layers.Towers([layers.Dense(200), layers.Dropout(0.5)], 2)], (2, 1), dtype="float64")
    model.parameters[:] = 1
    model.compile("sgd", "mean_squared_error")
    model.compute_gradients(np.zeros((1, 2, 1)), np.zeros((1, 2, 200)))
    first, second = model.gradients[200:400] != 0, model.gradients[600:800] != 0
    assert 0.3 < first.mean() < 0.7
    assert 0.3 < second.mean() < 0.7
    assert (first != second).any()


def test_a_time_distributed_dense_is_a_dense(rng):
    x = rng.normal(size=(3, 4, 5)).astype("float32")
    plain = Sequential([layers.Dense(6, "relu")], (4, 5), rng=1)
    wrapped = Sequential([layers.TimeDistributed(layers.Dense(6, "relu"))], (4, 5), rng=1)
    assert plain.predict(x).tobytes() == wrapped.predict(x).tobytes()


def test_unknown_number_of_steps(rng):
    model = Sequential([layers.TimeDistributed(layers.Dense(2)), layers.LSTM(3)], (None, 4))
    for steps in (1, 5, 2):
        assert model.predict(rng.normal(size=(2, steps, 4))).shape == (2, 3)


@pytest.mark.parametrize("wrapper", [layers.TimeDistributed, lambda inner: layers.Towers(inner, 2)])
def test_wrong_layers(wrapper):
    with pytest.raises(TypeError, match=r"layers\[1\] must be a layer, got 'relu'"):
        wrapper([layers.Dense(2), "relu"])
    with pytest.raises(ValueError, match="needs at least one layer"):
        wrapper([])
    with pytest.raises(TypeError, match="layers must be a layer or a list of layers, got 3"):
        wrapper(3)


def test_equal_names_inside_would_share_weights():
    with pytest.raises(ValueError, match="two layers are named 'a'"):
        layers.TimeDistributed([layers.Dense(3, name="a"), layers.Dense(3, name="a")])


@pytest.mark.parametrize("name", ["a/b", "", 3, "optimizer", "a\n", "\x1b[2J", "\ud800"])
def test_names_that_would_collide_in_files(name):
    with pytest.raises(ValueError, match="a layer's name must be"):
        Sequential([layers.Dense(3, name=name)])


class Name(str):
    """A name that counts how often it is compared."""

    compared = 0
    __hash__ = str.__hash__

    def __eq__(self, other):
        Name.compared += 1
        return str.__eq__(self, other)


def test_names_take_time_in_proportion():
    """As many comparisons as pairs would make a small file take all day, above all in Towers."""
    chain = [layers.Flatten(Name(number)) for number in range(300)] + [layers.Flatten() for _ in range(300)]
    names = unique_names(chain)
    assert len(set(names)) == 600 and names[-1] == "flatten_299"
    assert Name.compared < 3000


def test_towers_need_their_number_of_steps():
    with pytest.raises(ValueError, match=r"'towers'.*\(3, \.\.\.\), got \(2, 4\)"):
        Sequential([layers.Towers(layers.Dense(2), 3)], (2, 4))
    with pytest.raises(ValueError, match="Towers: count must be from 1 to 4096"):
        layers.Towers(layers.Dense(2), 0)


def test_single_numbers_have_no_steps():
    with pytest.raises(ValueError, match=r"'time_distributed'.*\(steps, \.\.\.\)"):
        Sequential([layers.TimeDistributed(layers.Flatten())], ())


def test_a_layer_inside_used_twice():
    shared = layers.Dense(2, name="twice")
    with pytest.raises(ValueError, match="'twice' is used twice"):
        Sequential([shared, layers.TimeDistributed(shared)], (2, 2))


def test_frozen_inside(rng):
    frozen = layers.Dense(3)
    frozen.trainable = False
    model = Sequential([layers.Towers([frozen, layers.Dense(2)], 2)], (2, 3))
    model.compile("sgd", "mse")
    before = model.get_weights()
    model.train_on_batch(rng.normal(size=(4, 2, 3)), rng.normal(size=(4, 2, 2)))
    changed = [bool((a != b).any()) for a, b in zip(before, model.get_weights(), strict=True)]
    assert changed == [False, False, True, True] * 2
    frozen.trainable = True  # noticed by the next step
    before = model.get_weights()
    model.train_on_batch(rng.normal(size=(4, 2, 3)), rng.normal(size=(4, 2, 2)))
    assert all((a != b).any() for a, b in zip(before, model.get_weights(), strict=True))
