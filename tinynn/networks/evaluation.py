"""Testing networks on sums of images: exact sums, errors, and the expected share of exact sums."""

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

#: Bootstrap samples for an interval.
RESAMPLINGS = 1_000


class Ensemble:
    """Several models that read digits, averaged: the mean of their probabilities of each digit.

    Parameters
    ----------
    models : sequence of Sequential
        One or more from `digit_sum` that read digits: `shared`, `wide` or `conv`.
    augment : Augmentation, optional
        Test-time augmentation: also average over randomly changed copies of each image.
    copies : int
        Number of changed copies, in addition to the image itself.
    rng : int
        Seed of the changes.

    Raises
    ------
    TypeError, ValueError
        If a model does not read digits, or an argument is out of range.

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
            raise ValueError("Ensemble: models must have at least one model, got none")
        for number, model in enumerate(self.models):
            if not isinstance(model, Sequential):
                raise TypeError(f"Ensemble: models[{number}] must be a Sequential, got {type(model).__name__}")
            if not names_digits(model):
                raise ValueError(f"Ensemble: models[{number}] must read single digits, got {model.name}; use shared, "
                                 "wide or conv")
        self.augment = check_augmentation(augment, "Ensemble")
        self.copies = check_count("Ensemble", "copies", copies) if augment is not None else 0
        self.rng = check_count("Ensemble", "rng", rng, minimum=0)

    def read(self, images: Any, batch_size: int = 640) -> np.ndarray:
        """The digits' probabilities, (n, 10) float32, for images (n, 28, 28)."""
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
        """The sums' probabilities, (n, 9 digits + 1), for samples (n, digits, 28, 28)."""
        x = np.asarray(x)
        read = self.read(x.reshape(-1, *x.shape[2:]), batch_size * max(1, x.shape[1]))
        sums: np.ndarray = sum_distribution_forward(read.reshape(*x.shape[:2], 10))
        return sums


def names_digits(model: Sequential) -> bool:
    """Whether a model reads the digit on each image, not only their sum."""
    return any(layer.name == READER for layer in model.layers)


def distribution(model: Sequential, x: Any, batch_size: int = 64) -> np.ndarray:
    """The sums' probabilities, (samples, sums): the output, normalised as it is in training."""
    output: np.ndarray = model.predict(x, batch_size=batch_size)
    total: np.ndarray = output.sum(axis=1, keepdims=True)
    output /= np.maximum(total, np.finfo(output.dtype).tiny)
    return output


@dataclasses.dataclass(frozen=True)
class SumScore:
    """The result of a test on sums.

    Attributes
    ----------
    digits : int
        The most images in a sum.
    exact : float
        Share of the sums that are exactly right.
    absolute_error : float
        Mean absolute error of the sums.
    expected : float or None
        Expected share of exact sums, computed from all images instead of the sums drawn. None for a network that does
        not read digits and for sums of different lengths.
    low, high : float or None
        95 % interval of `expected`, by a bootstrap over the images.
    """

    digits: int
    exact: float
    absolute_error: float
    expected: float | None = None
    low: float | None = None
    high: float | None = None


def score(model: Sequential, sums: Any, batch_size: int = 64) -> SumScore:
    """Test a model on sums.

    Parameters
    ----------
    model : Sequential
        A model with an output for each sum.
    sums : DigitSums
        The sums.
    batch_size : int
        Sums computed together.

    Returns
    -------
    SumScore
        Without `expected`; for models that read digits, see `score_readings`.
    """
    errors = np.abs(distribution(model, sums, batch_size).argmax(axis=1) - sums.samples()[2])
    return SumScore(sums.digits, float(np.mean(errors == 0)), float(np.mean(errors)))


def score_readings(probabilities: np.ndarray, labels: np.ndarray, sums: Any, rng: int = 0) -> SumScore:
    """Test the digits read on images on sums of them. Each image is read only once.

    Parameters
    ----------
    probabilities : ndarray, shape (images, 10)
        From `Ensemble.read`, for all images of `sums`.
    labels : ndarray, shape (images,)
        Their true digits.
    sums : DigitSums
        Sums of these images.
    rng : int
        Seed of the bootstrap.

    Returns
    -------
    SumScore
    """
    _, indices, totals = sums.samples()
    # Index -1, no image, selects the last row: a digit that is certainly 0.
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
    """The probability that the errors of `digits` random images add up to 0.

    The distribution of the residuals is convolved `digits` times with itself; its mass at 0 is the share of exact sums
    if all images are equally likely in every position. The interval is a bootstrap over the images: their number limits
    how well the share is known, no matter how many sums are drawn from them.

    Parameters
    ----------
    residuals : array_like of int, shape (images,)
        Digit read minus true digit, -9..9.
    digits : int
        Images in a sum.
    rng : int
        Seed of the bootstrap.

    Returns
    -------
    expected, low, high : float
        The share, and its 95 % interval.

    Examples
    --------
    One image in a hundred is read as one too high. A sum of ten is exact only if none of its images is among them:

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
