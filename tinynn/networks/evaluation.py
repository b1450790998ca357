"""How good a network is at sums of images: exact sums, errors, and what all images together let expect."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinynn.augmentation import Augmentation, check_augmentation
from tinynn.checks import check_count
from tinynn.kernels import augment as augmented
from tinynn.kernels import sum_distribution_forward
from tinynn.model.sequential import Sequential
from tinynn.networks.digit_sums import READER

#: Random resamplings of the images behind an interval.
RESAMPLINGS = 1_000


class Ensemble:
    """Several models that read digits as one: their probabilities of each digit are averaged.

    Parameters
    ----------
    models : sequence of Sequential
        From `digit_sum`, of a kind that reads digits (`shared`, `conv`); one is enough.
    augment : Augmentation, optional
        Test-time augmentation: average over changed copies of each image, too.
    copies : int
        How many changed copies, beside the image as it is.
    rng : int
        Decides the changes.

    Raises
    ------
    TypeError, ValueError
        If a model reads no digits, or an argument is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from tinynn.networks import digit_sum
    >>> both = Ensemble([digit_sum("shared", rng=0), digit_sum("shared", rng=1)])
    >>> both.read(np.zeros((4, 28, 28), np.uint8)).shape
    (4, 10)
    >>> both.predict(np.zeros((2, 3, 28, 28), np.uint8)).shape
    (2, 28)
    """

    def __init__(self, models: Sequence[Sequential], augment: Augmentation | None = None, copies: int = 8,
                 rng: int = 0) -> None:
        self.models = [models] if isinstance(models, Sequential) else list(models)
        if not self.models:
            raise ValueError("Ensemble: models is empty; give at least one")
        for number, model in enumerate(self.models):
            if not isinstance(model, Sequential):
                raise TypeError(f"Ensemble: models[{number}] must be a Sequential, got {type(model).__name__}")
            if not names_digits(model):
                raise ValueError(f"Ensemble: models[{number}] ({model.name}) does not say which digits it reads; its "
                                 "sums cannot be averaged digit by digit")
        self.augment = check_augmentation(augment, "Ensemble")
        self.copies = check_count("Ensemble", "copies", copies) if augment is not None else 0
        self.rng = check_count("Ensemble", "rng", rng, minimum=0)

    def read(self, images: Any, batch_size: int = 640) -> np.ndarray:
        """The probabilities of the digits, (n, 10) float32, of images (n, 28, 28)."""
        images = np.asarray(images)
        total = np.zeros((len(images), 10))
        for copy in range(1 + self.copies):
            seen = images
            if copy:
                assert self.augment is not None
                seen = augmented(images, **vars(self.augment), key=self.rng, epoch=copy)
            for model in self.models:
                total += model.predict(seen[:, None], batch_size=batch_size, output=READER)[:, 0]
        probabilities: np.ndarray = (total / total.sum(axis=1, keepdims=True)).astype(np.float32)
        return probabilities

    def predict(self, x: Any, batch_size: int = 64) -> np.ndarray:
        """The probabilities of the sums, (n, 9 digits + 1), of samples (n, digits, 28, 28)."""
        x = np.asarray(x)
        read = self.read(x.reshape(-1, *x.shape[2:]), batch_size * max(1, x.shape[1]))
        sums: np.ndarray = sum_distribution_forward(read.reshape(*x.shape[:2], 10))
        return sums


def names_digits(model: Sequential) -> bool:
    """Whether a model says which digit it sees on each image, and not only their sum."""
    return any(layer.name == READER for layer in model.layers)


def distribution(model: Sequential, x: Any, batch_size: int = 64) -> np.ndarray:
    """Probabilities of the sums, (samples, sums): the output normalised, which is how it was trained."""
    output: np.ndarray = model.predict(x, batch_size=batch_size)
    total: np.ndarray = output.sum(axis=1, keepdims=True)
    output /= np.maximum(total, np.finfo(output.dtype).tiny)
    return output


@dataclasses.dataclass(frozen=True)
class SumScore:
    """How good the sums of so many images are.

    Attributes
    ----------
    digits : int
        Images in a sum, at most.
    exact : float
        Share of the sums drawn that are exactly right.
    absolute_error : float
        Their mean absolute error.
    expected : float or None
        Share to expect of sums of these images, computed from all of them and not from a draw; None of a network that
        does not read digits, and of sums of different lengths.
    low, high : float or None
        95 % interval of `expected`, by bootstrap over the images.
    """

    digits: int
    exact: float
    absolute_error: float
    expected: float | None = None
    low: float | None = None
    high: float | None = None


def score(model: Sequential, sums: Any, batch_size: int = 64) -> SumScore:
    """How good a model is at sums.

    Parameters
    ----------
    model : Sequential
        A model whose output has a number for each sum.
    sums : DigitSums
        The sums.
    batch_size : int
        Sums computed together.

    Returns
    -------
    SumScore
        Without an expectation: see `score_readings` for models that read digits.
    """
    errors = np.abs(distribution(model, sums, batch_size).argmax(axis=1) - sums.samples()[2])
    return SumScore(sums.digits, float(np.mean(errors == 0)), float(np.mean(errors)))


def score_readings(probabilities: np.ndarray, labels: np.ndarray, sums: Any, rng: int = 0) -> SumScore:
    """How good sums are that are made of what was read on each image, every image read once.

    Parameters
    ----------
    probabilities : ndarray, shape (images, 10)
        From `Ensemble.read`, of all images of `sums`.
    labels : ndarray, shape (images,)
        Their true digits.
    sums : DigitSums
        Sums of these images.
    rng : int
        Decides the resamplings behind the interval.

    Returns
    -------
    SumScore
    """
    _, indices, totals = sums.samples()
    # Where a sum has no image, index -1 finds a digit that is 0 for sure.
    known = np.vstack([probabilities, np.eye(1, probabilities.shape[1], dtype=probabilities.dtype)])
    answers = np.empty(len(indices), np.int64)
    for first in range(0, len(indices), 1_000):
        part = slice(first, first + 1_000)
        answers[part] = sum_distribution_forward(np.ascontiguousarray(known[indices[part]])).argmax(axis=1)
    errors = np.abs(answers - totals)
    measured = SumScore(sums.digits, float(np.mean(errors == 0)), float(np.mean(errors)))
    if sums.fewest < sums.digits:
        return measured
    expected, low, high = expected_exact(probabilities.argmax(axis=1) - labels, sums.digits, rng)
    return dataclasses.replace(measured, expected=expected, low=low, high=high)


def expected_exact(residuals: Any, digits: int, rng: int = 0) -> tuple[float, float, float]:
    """How often the errors of that many images add up to nothing.

    The distribution of the residuals is convolved `digits` times with itself; its mass at 0 is the share of exact sums
    when every image is as likely at every place. The interval is a bootstrap over the images: their number limits how
    well the share is known, however many sums are drawn of them.

    Parameters
    ----------
    residuals : array_like of int, shape (images,)
        Digit read minus true digit, -9..9.
    digits : int
        Images in a sum.
    rng : int
        Decides the resamplings.

    Returns
    -------
    expected, low, high : float
        The share, and its 95 % interval.

    Examples
    --------
    One image in a hundred is read one too high. Of ten none may be, for nothing makes up for it:

    >>> expected, low, high = expected_exact([1] + [0] * 99, 10)
    >>> round(expected, 4) == round(0.99 ** 10, 4), low <= expected <= high
    (True, True)
    """
    digits = check_count("expected_exact", "digits", digits)
    counts = np.bincount(np.asarray(residuals) + 9, minlength=19)
    resampled = np.random.default_rng(rng).multinomial(counts.sum(), counts / counts.sum(), RESAMPLINGS)
    shares = np.vstack([counts, resampled]) / counts.sum()
    # A convolution is a product of Fourier transforms, and the mass at 0 their mean over enough frequencies.
    frequencies = 18 * digits + 1
    exact = np.zeros(len(shares))
    for first in range(0, frequencies, 4_096):
        some = np.arange(first, min(first + 4_096, frequencies)) / frequencies
        exact += ((shares @ np.exp(-2j * np.pi * np.outer(np.arange(-9, 10), some))) ** digits).real.sum(axis=1)
    exact = (exact / frequencies).clip(0, 1)
    low, high = np.quantile(exact[1:], [0.025, 0.975])
    return float(exact[0]), float(low), float(high)
