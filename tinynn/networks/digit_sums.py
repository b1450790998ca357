"""Networks that read images of digits and put out their sum. Only the sum is ever a label.

::

    baseline   images -> a recogniser for each place -> RNN -> repeat -> RNN      -> Dense -> sum
    improved   images -> deeper recognisers          -> RNN -> repeat -> RNN, RNN -> Dense -> sum
    shared     images -> one recogniser for all      -> distribution of the sum
    wide       the same with four times as many units in the recogniser
    conv       the same with a small convolutional recogniser
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinynn.checks import check_count
from tinynn.layers.base import Layer
from tinynn.layers.conv2d import Conv2D
from tinynn.layers.dense import Dense
from tinynn.layers.pooling2d import MaxPooling2D
from tinynn.layers.recurrent import GRU, LSTM, SimpleRNN
from tinynn.layers.rescaling import Rescaling
from tinynn.layers.reshaping import Flatten, RepeatVector, Reshape
from tinynn.layers.sum_distribution import SumDistribution
from tinynn.layers.time_distributed import TimeDistributed
from tinynn.layers.towers import Towers
from tinynn.model.sequential import Sequential
from tinynn.registry import lookup

IMAGE_SHAPE = (28, 28)

#: The layer of `shared`, `wide` and `conv` that names the digits: (batch, digits, 10), probabilities at each place.
READER = "reader"

#: The recurrent layers there are to choose from.
CELLS: dict[str, type[Layer]] = {"lstm": LSTM, "rnn": SimpleRNN, "gru": GRU}


def digit_sum(name: str, digits: int = 10, cell: str = "lstm", rng: Any = 0) -> Sequential:
    """Build a network that adds the digits it sees.

    Parameters
    ----------
    name : {"shared", "wide", "conv", "baseline", "improved"}
        Which network, see Notes.
    digits : int
        How many images make a sum in `baseline` and `improved`; `shared`, `wide` and `conv` add any number.
    cell : {"lstm", "rnn", "gru"}
        The recurrent layers of `baseline` and `improved`; the others have none.
    rng : int, numpy.random.SeedSequence or numpy.random.Generator
        Decides the initial weights and the order of the samples in training.

    Returns
    -------
    Sequential
        Reads (batch, digits, 28, 28) uint8 and puts out (batch, 9 digits + 1): a number for each sum from 0
        to 9 digits; `shared`, `wide` and `conv` read any number of digits. Not compiled:
        ``recipe(name).compile(model)`` does that.

    Raises
    ------
    TypeError, ValueError
        For an unknown `name` or `cell`, or `digits` below 1.

    Notes
    -----
    **baseline** and **improved** are the 2018 report's. It says: a separate recogniser for each place, Dense
    with 128 relu and 10 sigmoid units, in `improved` after one with 784; then the recurrent adder of Keras'
    number-addition example, RNN(128) whose last state is repeated and read by another RNN(128), in `improved`
    by two; Dense(10) at every step, and a Dense with sigmoid over the sums. It leaves open, and we chose: the
    relu of the Dense(784), as many steps of the second RNN as the largest sum has decimal places, and no
    activation between the last two Dense. Its output layer has 90 units, but sums of ten digits run from 0 to
    90: here it has 91.

    **shared** is ours: what the report wished for and could not get to work, one recogniser for all places.
    It needs no adder to be learnt: the distribution of a sum of independent digits is the convolution of
    theirs, whose logarithm has a gradient for each of them. So it learns to name digits, which nobody told
    it, needs far fewer sums, and adds any number of images, whatever it was trained on.

    **wide** is `shared` with a Dense(512): a step takes four times as long, and more is learnt from images changed
    at random.

    **conv** is `shared` with a recogniser of two convolutions, 16 and 32 filters of 5 x 5, each with relu and followed
    by a max-pooling of 2 x 2, and Dense(128) with relu.

    Examples
    --------
    >>> import numpy as np
    >>> model = digit_sum("shared", digits=3)
    >>> model.predict(np.zeros((2, 3, 28, 28), np.uint8)).shape
    (2, 28)
    >>> digit_sum("share")
    Traceback (most recent call last):
    ...
    ValueError: unknown network 'share'; known: shared, wide, conv, baseline, improved; did you mean 'shared'?
    """
    build = lookup("network", name, _NETWORKS)
    recurrent = lookup("cell", cell, CELLS)
    digits = check_count("digit_sum", "digits", digits)
    layers = [Rescaling(1 / 255, name="pixels"), *build(digits, recurrent)]
    places = None if reads_digits(name) else digits
    return Sequential(layers, input_shape=(places, *IMAGE_SHAPE), rng=rng, name=build.__name__)


def reads_digits(name: str) -> bool:
    """Whether a network has one recogniser for all places, which says which digit it sees, and adds any number.

    Examples
    --------
    >>> reads_digits("conv"), reads_digits("improved")
    (True, False)
    """
    return lookup("network", name, _NETWORKS) in (shared, wide, conv)


def shared(digits: int, recurrent: Any) -> list[Layer]:
    """One recogniser for all places, and the exact distribution of the sum."""
    return read_and_add(Flatten(), Dense(128, "relu"))


def wide(digits: int, recurrent: Any) -> list[Layer]:
    """The same with a wider layer."""
    return read_and_add(Flatten(), Dense(512, "relu"))


def conv(digits: int, recurrent: Any) -> list[Layer]:
    """The same with a convolutional recogniser."""
    return read_and_add(
        Reshape((*IMAGE_SHAPE, 1)),
        Conv2D(16, 5, activation="relu"),
        MaxPooling2D(),
        Conv2D(32, 5, activation="relu"),
        MaxPooling2D(),
        Flatten(),
        Dense(128, "relu"),
    )


def read_and_add(*features: Layer) -> list[Layer]:
    """Layers that turn one image into numbers; then, for every image, the digits' probabilities, and the sum's."""
    recogniser = [*features, Dense(10, "softmax")]
    return [TimeDistributed(recogniser, name=READER), SumDistribution(name="sum")]


def baseline(digits: int, recurrent: Any) -> list[Layer]:
    """The report's first network."""
    return [
        Towers([Flatten(), Dense(128, "relu"), Dense(10, "sigmoid")], digits, name="recognisers"),
        recurrent(128, name="encoder"),
        RepeatVector(decimal_places(digits), name="repeat"),
        recurrent(128, return_sequences=True, name="decoder"),
        *sum_classes(digits),
    ]


def improved(digits: int, recurrent: Any) -> list[Layer]:
    """The report's second network."""
    recogniser = [Flatten(), Dense(784, "relu"), Dense(128, "relu"), Dense(10, "sigmoid")]
    return [
        Towers(recogniser, digits, name="recognisers"),
        recurrent(128, name="encoder"),
        RepeatVector(decimal_places(digits), name="repeat"),
        recurrent(128, return_sequences=True, name="decoder"),
        recurrent(128, return_sequences=True, name="decoder_2"),
        *sum_classes(digits),
    ]


def sum_classes(digits: int) -> list[Layer]:
    """How the report's networks end: ten numbers for each decimal place, and from them one for each sum."""
    return [
        TimeDistributed(Dense(10), name="places"),
        Flatten(name="flatten"),
        Dense(9 * digits + 1, "sigmoid", name="sum"),
    ]


def decimal_places(digits: int) -> int:
    """Decimal places of the largest sum.

    Examples
    --------
    >>> decimal_places(10), decimal_places(12)
    (2, 3)
    """
    return len(str(9 * digits))


_NETWORKS: dict[str, Callable[[int, Any], list[Layer]]] = {
    "shared": shared,
    "wide": wide,
    "conv": conv,
    "baseline": baseline,
    "improved": improved,
}

#: The names of the networks.
NAMES = tuple(_NETWORKS)
