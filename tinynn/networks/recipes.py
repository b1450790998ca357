"""How each network is trained unless the user says otherwise: the defaults of ``tinynn train``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from tinynn.augmentation import Augmentation, check_augmentation
from tinynn.callbacks.base import Callback, is_flag, is_text
from tinynn.checks import check_count, check_real
from tinynn.model.sequential import Sequential
from tinynn.networks.digit_sums import CELLS
from tinynn.optimizers import Adam, AdamW
from tinynn.registry import lookup
from tinynn.schedules import Constant, OneCycle, Schedule

SCHEDULES: dict[str, type[Schedule]] = {"one_cycle": OneCycle, "constant": Constant}


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How to train a network that adds digits; ``dataclasses.replace(recipe, epochs=5)`` changes it.

    Attributes
    ----------
    epochs : int
        How often the sums are gone through.
    sums : int
        Sums in an epoch.
    batch_size : int
        Sums in a step.
    learning_rate : float
        Of Adam; the highest one if it follows a schedule.
    schedule : {"one_cycle", "constant"}
        How the learning rate changes in the course of training.
    start_fraction : float
        One cycle: the part of the steps in which it rises.
    weight_decay : float
        More than 0 trains with AdamW.
    resample : bool
        Whether each epoch has sums of its own, or all have the same.
    cell : {"lstm", "rnn", "gru"}
        The recurrent cell of the report's networks.
    augment : Augmentation or None
        How images are changed at random.

    Raises
    ------
    TypeError, ValueError
        For a number that is none or out of range, or an unknown schedule.
    """

    epochs: int
    sums: int
    batch_size: int
    learning_rate: float
    schedule: str = "one_cycle"
    start_fraction: float = 0.3
    weight_decay: float = 0.0
    resample: bool = True
    cell: str = "lstm"
    augment: Augmentation | None = None

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name in ("epochs", "sums", "batch_size"):
            check_count("Recipe", name, getattr(self, name))
        check_real("Recipe", "learning_rate", self.learning_rate, above=0)
        check_real("Recipe", "start_fraction", self.start_fraction, minimum=0, maximum=1)
        check_real("Recipe", "weight_decay", self.weight_decay, minimum=0)
        lookup("schedule", self.schedule, SCHEDULES)
        lookup("cell", self.cell, CELLS)
        check_augmentation(self.augment, "Recipe")

    @property
    def steps(self) -> int:
        """Steps of the whole training; the last batch of an epoch may be smaller, and counts."""
        return self.epochs * -(-self.sums // self.batch_size)

    def rates(self) -> Schedule:
        """The learning rate of each step."""
        if lookup("schedule", self.schedule, SCHEDULES) is Constant:
            return Constant(self.learning_rate)
        return OneCycle(self.learning_rate, self.steps, self.start_fraction)

    def compile(self, model: Sequential) -> None:
        """Give the model its optimizer, loss and metric.

        The loss is the cross-entropy of the sum: over `shared`'s probabilities, and in the report's networks
        over their sigmoid outputs normalised to sum one, which is Keras' rule. Loss and optimizer are ours;
        the report names none.

        Examples
        --------
        >>> import dataclasses
        >>> from tinynn.networks import digit_sum, recipe
        >>> model = digit_sum("shared", digits=2)
        >>> dataclasses.replace(recipe("shared"), epochs=1).compile(model)
        """
        rates = self.rates()
        optimizer = AdamW(rates, weight_decay=self.weight_decay) if self.weight_decay else Adam(rates)
        model.compile(optimizer=optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])


def sums_of_random_digits(digits: int) -> np.ndarray:
    """Probability of each sum of digits that are all equally likely.

    Examples
    --------
    >>> sums_of_random_digits(2)[[0, 9, 18]]
    array([0.01, 0.1 , 0.01])
    """
    sums = np.ones(1)
    for _ in range(digits):
        sums = np.convolve(sums, np.full(10, 0.1))
    return sums


class Plateau(Callback):
    """Ends a training that has learnt nothing but how frequent each sum is, and says so.

    Guessing every sum with its frequency has the loss ``-sum_s P(s) log P(s)``: 3.625 for sums of ten if all digits are
    equally frequent, 3.64 with MNIST's. Some trainings never get below it; whether this is one is judged on the
    training loss, after two fifths of the epochs.

    Parameters
    ----------
    digits : int
        How many digits make a sum.
    epochs : int
        How many the training has.

    Attributes
    ----------
    stopped : bool
        Whether it has ended the training.
    reason : str
        What it saw.
    """

    _state = {"stopped": is_flag, "reason": is_text}

    def __init__(self, digits: int, epochs: int) -> None:
        sums = sums_of_random_digits(check_count("Plateau", "digits", digits))
        self.prior = float(-(sums * np.log(sums)).sum())
        self.last = max(1, 2 * check_count("Plateau", "epochs", epochs) // 5)
        self.stopped, self.reason = False, ""

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Look at the training loss."""
        assert logs is not None
        if epoch + 1 == self.last and self.last >= 3 and logs["loss"] > self.prior - 0.02:
            self.model.stop_training = self.stopped = True
            self.reason = (f"the training loss {logs['loss']:.3f} is that of guessing ({self.prior:.3f}); another "
                           "seed, a lower learning rate or more sums may help")


def recipe(name: str) -> Recipe:
    """Return how a network is trained by default.

    Parameters
    ----------
    name : {"shared", "wide", "conv", "baseline", "improved"}
        The network.

    Returns
    -------
    Recipe

    Raises
    ------
    TypeError, ValueError
        For an unknown name.

    Examples
    --------
    >>> recipe("shared").batch_size
    64
    """
    return lookup("network", name, RECIPES)


#: Changes that leave a digit what it is: as many as a convolutional network makes use of, fewer for a dense one.
HANDWRITING = Augmentation(shift=2, rotation=10, zoom=0.1, shear=0.15, elastic=0.7)
MODERATE = Augmentation(shift=1.5, rotation=8, zoom=0.08, shear=0.12, elastic=0.6)
GENTLE = Augmentation(shift=1, rotation=6, zoom=0.06, shear=0.1, elastic=0.4)

#: The one place to change them. Without changed images `shared` learns those it has by heart: 0.855 of the
#: validation sums are exact then (weight decay 0.3, 15 epochs), not 0.908. The report's networks must leave the
#: plateau of the prior while the rate is low, and learn most while it is high: so a long rise to a high peak.
#: `improved` did not leave it with LSTMs: on the plateau the gradient of a weight in its first recogniser is
#: about 3e-11 behind three of them in a row, less than Adam's epsilon and mostly noise, but 5e-7 behind simple
#: RNNs (docs/results.md has the curves of other recipes).
RECIPES = {
    "shared": Recipe(epochs=28, sums=20_000, batch_size=64, learning_rate=2e-3, weight_decay=0.1, augment=GENTLE),
    "wide": Recipe(epochs=60, sums=20_000, batch_size=64, learning_rate=1.5e-3, weight_decay=0.1, augment=MODERATE),
    "conv": Recipe(
        epochs=60, sums=10_000, batch_size=32, learning_rate=1.5e-3, weight_decay=0.05, augment=HANDWRITING
    ),
    "baseline": Recipe(epochs=30, sums=100_000, batch_size=64, learning_rate=3e-3, start_fraction=0.5),
    "improved": Recipe(epochs=30, sums=100_000, batch_size=64, learning_rate=1e-3, start_fraction=0.5, cell="rnn"),
}
