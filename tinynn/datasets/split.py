"""Splitting images into training and validation images."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tinynn.checks import check_count
from tinynn.datasets._checks import checked_images, checked_labels
from tinynn.datasets._random import key_from, permutation

Images = npt.NDArray[Any]
Labels = npt.NDArray[Any]


def split_images(
    images: npt.ArrayLike, labels: npt.ArrayLike, validation: int = 5000, rng: Any = 0
) -> tuple[tuple[Images, Labels], tuple[Images, Labels]]:
    """Split off random images for validation, stratified by label.

    Parameters
    ----------
    images : array-like
        Shape (count, height, width) or (count, pixels); uint8, float32 or float64.
    labels : array-like
        Shape (count,), integers.
    validation : int
        Number of validation images, 1 to count - 1.
    rng : int, numpy.random.SeedSequence or numpy.random.Generator
        Seed of the random choice. The same `rng` gives the same split.

    Returns
    -------
    (training images, training labels), (validation images, validation labels)
        Each image is in exactly one of the two; both keep the order of `images`. Each label is as frequent in the
        validation images as in all images, up to one image.

    Raises
    ------
    TypeError
        For a wrong dtype.
    ValueError
        For empty images, labels that do not match, or `validation` out of range.

    Examples
    --------
    >>> import numpy as np
    >>> images = np.arange(8, dtype=np.uint8).reshape(8, 1)
    >>> labels = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    >>> (x, y), (x_validation, y_validation) = split_images(images, labels, validation=2)
    >>> y, y_validation
    (array([0, 0, 0, 1, 1, 1]), array([0, 1]))
    """
    caller = "split_images"
    images = checked_images(images, caller)
    labels = checked_labels(labels, len(images), caller)
    validation = check_count(caller, "validation", validation)
    if validation >= len(images):
        raise ValueError(
            f"{caller}: validation must be less than {len(images):,}, the number of images, got {validation:,}"
        )
    chosen = stratified(labels, validation, permutation(key_from(rng, caller), b"split", len(labels)))
    return (images[~chosen], labels[~chosen]), (images[chosen], labels[chosen])


def stratified(labels: Labels, count: int, order: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Choose `count` of the labels, stratified by class; of each class, those that come first in `order`.

    Returns
    -------
    numpy.ndarray
        True where chosen, shape of `labels`.
    """
    _, classes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    # Shares are rounded down; the remaining images go to the classes with the largest remainders.
    quotas, remainders = np.divmod(sizes * count, len(labels))
    quotas[np.argsort(-remainders, kind="stable")[: count - quotas.sum()]] += 1
    chosen = np.zeros(len(labels), dtype=np.bool_)
    for index, quota in enumerate(quotas):
        members = order[classes[order] == index]
        chosen[members[:quota]] = True
    return chosen
