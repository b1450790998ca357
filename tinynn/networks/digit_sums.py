"""Networks that add the digits on images. Only the sum is ever a label.

::

    baseline   images -> a recogniser for each position -> RNN -> repeat -> RNN      -> Dense -> sum
    improved   images -> deeper recognisers             -> RNN -> repeat -> RNN, RNN -> Dense -> sum
    shared     images -> one recogniser for all         -> distribution of the sum
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

#: The layer of `shared`, `wide` and `conv` that reads the digits: (batch, digits, 10), each digit's probabilities.
READER = "reader"

#: The recurrent layers for `baseline` and `improved`.
CELLS: dict[str, type[Layer]] = {"lstm": LSTM, "rnn": SimpleRNN, "gru": GRU}


def digit_sum(name: str, digits: int = 10, cell: str = "lstm", rng: Any = 0) -> Sequential:
    """Build a network that adds the digits on images.

    Parameters
    ----------
    name : {"shared", "wide", "conv", "baseline", "improved"}
        The network, see Notes.
    digits : int
        Images in a sum, for `baseline` and `improved`; `shared`, `wide` and `conv` add any number.
    cell : {"lstm", "rnn", "gru"}
        The recurrent layers of `baseline` and `improved`; the others have none.
    rng : int, numpy.random.SeedSequence or numpy.random.Generator
        Seed of the initial weights and of the order of samples in training.

    Returns
    -------
    Sequential
        Input (batch, digits, 28, 28) uint8, output (batch, 9 digits + 1): a number for each sum from 0 to 9 digits.
        `shared`, `wide` and `conv` accept any number of digits. Not compiled: use ``recipe(name).compile(model)``.

    Raises
    ------
    TypeError, ValueError
        For an unknown `name` or `cell`, or `digits` below 1.

    Notes
    -----
    **baseline** and **improved** are those of the 2018 report. It specifies a separate recogniser for each position,
    Dense with 128 relu and 10 sigmoid units, in `improved` after one with 784; then the recurrent adder of Keras'
    number-addition example, RNN(128) whose last state is repeated and read by another RNN(128), in `improved` by two;
    Dense(10) at every step, and Dense with sigmoid over the sums. It does not specify, and we chose, the relu of the
    Dense(784), as many steps of the second RNN as the largest sum has decimal places, and no activation between the
    last two Dense layers. The report's output layer has 90 units, but sums of ten digits run from 0 to 90: here it
    has 91.

    **shared** has one recogniser for all positions, which the report wanted and could not get to work. It needs no
    trained adder: the distribution of a sum of independent digits is the convolution of their distributions, and its
    logarithm has a gradient for each of them. The network learns to read digits without a label of any, needs far fewer
    sums, and adds any number of images.

    **wide** is `shared` with Dense(512): a step takes four times as long, and it learns more from randomly changed
    images.

    **conv** is `shared` with a recogniser of two convolutions, 16 and 32 filters of 5 x 5, each with relu and a
    max-pooling of 2 x 2, and Dense(128) with relu.

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
    """Whether a network has one recogniser for all positions, which reads single digits, and adds any number.

    Examples
    --------
    >>> reads_digits("conv"), reads_digits("improved")
    (True, False)
    """
    return lookup("network", name, _NETWORKS) in (shared, wide, conv)


def shared(digits: int, recurrent: Any) -> list[Layer]:
    """One recogniser for all positions, and the exact distribution of the sum."""
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
    """The layers `features` and a softmax over the digits, applied to every image, then the sum's distribution."""
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
    """The last layers of the report's networks: ten numbers for each decimal place, then one for each sum."""
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
