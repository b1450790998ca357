"""ReduceLROnPlateau and LearningRateScheduler: the rate of each epoch, derived by hand."""

import math

import pytest

from tests.callbacks.helpers import FakeModel, epochs_of, train
from tinynn.callbacks import LearningRateScheduler, ReduceLROnPlateau

# values, arguments -> learning rate during each epoch (as logged) and after the last; from 0.1 and factor 0.5
PLATEAU = [
    # epochs 1 and 2 without improvement lower it after epoch 2, epochs 3 and 4 after 4
    ([1.0, 1.0, 1.0, 1.0, 1.0], {"patience": 2}, [0.1, 0.1, 0.1, 0.05, 0.05], 0.025),
    # an improvement starts the count again
    ([1.0, 1.0, 0.5, 0.5, 0.5], {"patience": 2}, [0.1] * 5, 0.05),
    # less than min_delta is no improvement
    ([1.0, 0.9, 0.8, 0.7], {"patience": 2, "min_delta": 0.5}, [0.1, 0.1, 0.1, 0.05], 0.05),
    # lowered after 1; 2 is cooldown, 3 ends it and counts, so it is lowered after 3, and so on
    ([1.0] * 6, {"patience": 1, "cooldown": 2}, [0.1, 0.1, 0.05, 0.05, 0.025, 0.025], 0.0125),
    # lowered after 2; no epoch of the cooldown counts: 3 is cooldown, 4 ends it and counts, 5 is the second
    ([1.0] * 7, {"patience": 2, "cooldown": 2}, [0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.025], 0.025),
    # never below min_lr
    ([1.0] * 5, {"patience": 1, "min_lr": 0.04}, [0.1, 0.1, 0.05, 0.04, 0.04], 0.04),
    ([0.1, 0.2, 0.1, 0.3], {"patience": 1, "mode": "max"}, [0.1, 0.1, 0.1, 0.05], 0.05),
]


@pytest.mark.parametrize("values, arguments, rates, last", PLATEAU)
def test_reduce_learning_rate_on_plateau(values, arguments, rates, last):
    model, history = train(
        [ReduceLROnPlateau("val_loss", factor=0.5, **arguments)], epochs_of("val_loss", values)
    )
    assert history.history["learning_rate"] == pytest.approx(rates, rel=1e-15)
    assert model.optimizer.learning_rate == pytest.approx(last, rel=1e-15)


def test_reduce_learning_rate_resumes():
    first = ReduceLROnPlateau("loss", factor=0.5, patience=3)
    model, _ = train([first], epochs_of("loss", [1.0, 1.0, 1.0]), end=False)
    second = ReduceLROnPlateau("loss", factor=0.5, patience=3)
    second.set_state(first.get_state())
    train([second], epochs_of("loss", [1.0]), model=model, first_epoch=3)
    assert model.optimizer.learning_rate == 0.05


def test_reduce_learning_rate_can_be_used_again_and_says_so(capsys):
    plateau = ReduceLROnPlateau("loss", factor=0.5, patience=2, verbose=1)
    for _ in range(2):
        model, _ = train([plateau], epochs_of("loss", [1.0, 1.0, 1.0]))
        assert model.optimizer.learning_rate == 0.05
    assert "Epoch 3: loss is on a plateau, learning rate lowered to 0.05" in capsys.readouterr().out


def test_a_rate_that_cannot_be_lowered_is_left_alone(capsys):
    plateau = ReduceLROnPlateau("loss", factor=0.5, patience=1, min_lr=0.05, verbose=1)
    model, _ = train([plateau], epochs_of("loss", [1.0] * 5))
    assert model.optimizer.learning_rate == 0.05
    assert capsys.readouterr().out.count("learning rate lowered") == 1


@pytest.mark.parametrize("callback", [ReduceLROnPlateau("loss"), LearningRateScheduler(lambda epoch: 0.1)])
def test_a_rate_that_follows_a_schedule_is_not_overruled(callback):
    with pytest.raises(TypeError, match=r"the learning rate follows a schedule .*compile with a number"):
        train([callback], [], model=FakeModel(learning_rate=lambda step: 0.1))  # before the first epoch


def test_learning_rate_scheduler(capsys):
    def halve(epoch, rate):
        return rate if epoch < 2 else rate / 2

    model, history = train([LearningRateScheduler(halve, verbose=1)], [{"loss": 1.0}] * 4)
    assert history.history["learning_rate"] == [0.1, 0.1, 0.05, 0.025]
    assert model.optimizer.learning_rate == 0.025
    assert "Epoch 3: learning rate 0.05" in capsys.readouterr().out


def test_the_learning_rate_of_an_epoch_that_is_resumed_is_not_set_again(capsys):
    first = LearningRateScheduler(lambda epoch, rate: rate / 2)
    model, _ = train([first], [{}, {}])
    assert model.optimizer.learning_rate == 0.025
    second = LearningRateScheduler(lambda epoch, rate: rate / 2, verbose=1)
    second.set_state(first.get_state())
    model, _ = train([second], [{}, {}], model, first_epoch=1)  # in the middle of epoch 1, whose rate is set
    assert model.optimizer.learning_rate == 0.0125
    assert capsys.readouterr().out == "Epoch 3: learning rate 0.0125\n"


def test_learning_rate_scheduler_of_one_argument():
    def schedule(epoch):
        return 1 / (1 + epoch)

    _, history = train([LearningRateScheduler(schedule)], [{"loss": 1.0}] * 3)
    assert history.history["learning_rate"] == [1.0, 1 / 2, 1 / 3]


@pytest.mark.parametrize("rate", [math.nan, -0.1, "0.1", None])
def test_learning_rate_scheduler_rejects_invalid_rates(rate):
    with pytest.raises((TypeError, ValueError), match=r"LearningRateScheduler: schedule\(0\) must be a"):
        train([LearningRateScheduler(lambda epoch, current: rate)], [{}])


def test_errors_in_the_users_schedule_come_through():
    def broken(epoch, rate):
        raise TypeError("my own mistake")

    with pytest.raises(TypeError, match="my own mistake"):
        train([LearningRateScheduler(broken)], [{}])


@pytest.mark.parametrize(
    "make, message",
    [
        (
            lambda: ReduceLROnPlateau(factor=1.0),
            "ReduceLROnPlateau: factor must be a finite number > 0 and < 1",
        ),
        (lambda: ReduceLROnPlateau(cooldown=-1), "cooldown"),
        (lambda: ReduceLROnPlateau(min_lr=-0.1), "min_lr"),
        (lambda: LearningRateScheduler(0.1), "schedule must be callable, got float"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises((TypeError, ValueError), match=message):
        make()
