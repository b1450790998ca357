"""How the networks are trained by default."""

import dataclasses

import numpy as np
import pytest

import tinynn
from tinynn.networks import NAMES, Plateau, Recipe, digit_sum, recipe

SMALL = Recipe(epochs=3, sums=10, batch_size=4, learning_rate=0.01)


@pytest.mark.parametrize("name", NAMES)
def test_every_network_has_one_within_the_limits_of_the_report(name):
    chosen = recipe(name)
    assert chosen.epochs * chosen.sums <= 30 * 100_000


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


def plateau(losses, epochs=10, digits=10):
    """What it does when it sees these losses."""
    model = digit_sum("shared", 1)
    watch = Plateau(digits, epochs)
    watch.set_model(model)
    for epoch, loss in enumerate(losses):
        watch.on_epoch_end(epoch, {"loss": loss})
    assert watch.stopped == model.stop_training
    return watch


def test_a_training_that_only_guesses_is_stopped():
    assert plateau([3.65, 3.64, 3.64]).stopped is False
    stopped = plateau([3.65, 3.64, 3.64, 3.63])
    assert stopped.stopped
    assert "the training loss 3.630 is that of guessing (3.625)" in stopped.reason
    resumed = Plateau(10, 10)
    resumed.set_state(stopped.get_state())
    assert (resumed.stopped, resumed.reason) == (True, stopped.reason)


@pytest.mark.parametrize(
    "losses, epochs, digits",
    [([3.7, 3.64, 3.6, 3.5], 10, 10), ([3.64] * 5, 5, 10), ([3.5, 3.6, 3.64, 3.0, 3.64], 10, 10), ([3.0] * 4, 10, 10)],
)
def test_others_are_not(losses, epochs, digits):
    assert not plateau(losses, epochs, digits).stopped


def test_the_loss_of_guessing_is_that_of_the_frequencies():
    assert Plateau(1, 9).prior == pytest.approx(np.log(10))
    sums = np.add.outer(np.arange(10), np.arange(10)).ravel()
    shares = np.bincount(sums) / 100
    assert Plateau(2, 9).prior == pytest.approx(-(shares * np.log(shares)).sum())


def test_images_are_changed_as_the_recipe_says():
    assert recipe("conv").augment is not None
    assert recipe("shared").augment is not None
    assert recipe("baseline").augment is None
    with pytest.raises(TypeError, match="Recipe: augment must be a tinynn.Augmentation"):
        dataclasses.replace(SMALL, augment=2)


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
