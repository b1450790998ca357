"""TimeDistributed: the same layers, and weights, for every step."""

import pytest

from tests.model.reference import check_gradients, check_prediction
from tinynn import Sequential, layers

WRAPPED = {
    "dense": (lambda: [layers.TimeDistributed(layers.Dense(3, "tanh"))], (4, 3)),
    "list": (lambda: [layers.TimeDistributed([layers.Dense(3, "relu"), layers.Dense(2)])], (4, 3)),
    "lstm": (lambda: [layers.TimeDistributed(layers.LSTM(2))], (3, 4, 2)),
    "lstm sequences": (lambda: [layers.TimeDistributed(layers.LSTM(2, return_sequences=True))], (2, 3, 2)),
    "reshaping": (lambda: [layers.TimeDistributed([layers.Flatten(), layers.Dense(2)])], (3, 2, 2)),
    "repeat": (lambda: [layers.TimeDistributed([layers.Dense(2), layers.RepeatVector(3)])], (2, 3)),
    "of td": (lambda: [layers.TimeDistributed(layers.TimeDistributed(layers.Dense(2)))], (2, 3, 2)),
    "of towers": (lambda: [layers.TimeDistributed(layers.Towers(layers.Dense(2, "tanh"), 3))], (2, 3, 2)),
}


@pytest.mark.parametrize("name", WRAPPED)
def test_equals_numpy(name, dtype, rng):
    make, shape = WRAPPED[name]
    check_prediction([*make(), layers.Flatten(), layers.Dense(2)], shape, rng, dtype)


@pytest.mark.parametrize("name", WRAPPED)
def test_gradients(name, rng):
    """Behind a layer with parameters, whose gradients show the wrapper's input gradient."""
    make, shape = WRAPPED[name]
    check_gradients([layers.Dense(shape[-1]), *make(), layers.Flatten(), layers.Dense(2)], shape, rng, batch=2)


def test_time_distributed_shares_its_weights():
    model = Sequential([layers.TimeDistributed(layers.Dense(2), name="reader")], (3, 4))
    assert list(model._core.parameters) == ["reader/dense/kernel", "reader/dense/bias"]


def test_a_time_distributed_dense_is_a_dense(rng):
    x = rng.normal(size=(3, 4, 5)).astype("float32")
    plain = Sequential([layers.Dense(6, "relu")], (4, 5), rng=1)
    wrapped = Sequential([layers.TimeDistributed(layers.Dense(6, "relu"))], (4, 5), rng=1)
    assert plain.predict(x).tobytes() == wrapped.predict(x).tobytes()


def test_unknown_number_of_steps(rng):
    chain = [layers.TimeDistributed(layers.Dense(2, "tanh")), layers.LSTM(3)]
    model = Sequential(chain, (None, 4), rng=1)
    for steps in (1, 5, 2):
        x = rng.normal(size=(2, steps, 4))
        fixed = Sequential([layer.clone() for layer in chain], (steps, 4), rng=1)
        assert model.predict(x).tobytes() == fixed.predict(x).tobytes()


def test_scalar_samples_have_no_steps():
    with pytest.raises(ValueError, match=r"'time_distributed'.*\(steps, \.\.\.\)"):
        Sequential([layers.TimeDistributed(layers.Flatten())], ())
