"""How the networks are trained by default."""

import dataclasses

import pytest

import tinynn
from tinynn.networks import NAMES, Recipe, digit_sum, recipe

SMALL = Recipe(epochs=3, sums=10, batch_size=4, learning_rate=0.01)


@pytest.mark.parametrize("name", NAMES)
def test_every_network_has_one_within_the_limits_of_the_report(name):
    chosen = recipe(name)
    assert chosen.epochs <= 30
    assert chosen.sums <= 100_000


def test_steps_count_the_last_smaller_batch():
    assert SMALL.steps == 3 * 3
    assert dataclasses.replace(SMALL, sums=8).steps == 3 * 2


def test_one_cycle_rises_to_the_peak_and_falls_to_nothing():
    rates = dataclasses.replace(SMALL, epochs=100).rates().array(0, 300)
    assert rates.max() == pytest.approx(0.01)
    assert rates.argmax() == 89  # after 30% of the steps
    assert rates[0] == pytest.approx(0.01 / 25)
    assert rates[-1] < 1e-6


def test_constant_rate():
    assert set(dataclasses.replace(SMALL, schedule="constant").rates().array(0, 9)) == {0.01}


@pytest.mark.parametrize("decay, kind", [(0.0, tinynn.optimizers.Adam), (0.1, tinynn.optimizers.AdamW)])
def test_weight_decay_takes_adamw(decay, kind):
    model = digit_sum("shared", 1)
    dataclasses.replace(SMALL, weight_decay=decay).compile(model)
    assert type(model.optimizer) is kind


def test_it_cannot_be_changed_by_accident():
    with pytest.raises(dataclasses.FrozenInstanceError):
        SMALL.epochs = 5


@pytest.mark.parametrize(
    "change, message",
    [
        ({"epochs": 0}, "Recipe: epochs must be at least 1, got 0"),
        ({"sums": 0}, "Recipe: sums must be at least 1"),
        ({"batch_size": -1}, "Recipe: batch_size must be at least 1"),
        ({"learning_rate": 0.0}, "Recipe: learning_rate must be a finite number > 0"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"start_fraction": 1.5}, "start_fraction"),
        ({"weight_decay": -1.0}, "weight_decay"),
        ({"cell": "lstn"}, "unknown cell 'lstn'; known: lstm, rnn, gru; did you mean 'lstm'"),
        (
            {"schedule": "one_cycel"},
            "unknown schedule 'one_cycel'; known: one_cycle, constant; did you mean 'one_cycle'",
        ),
    ],
)
def test_nonsense(change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(SMALL, **change)


def test_unknown_network():
    with pytest.raises(ValueError, match=r"unknown network 'improve'.*did you mean 'improved'"):
        recipe("improve")
