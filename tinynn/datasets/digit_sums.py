"""Sums of digits: the task of the 2018 report, in which only the sum is ever a label."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import numpy.typing as npt

from tinynn.checks import check_count, described, is_whole
from tinynn.datasets._checks import check_range, checked_images, checked_integers, checked_labels
from tinynn.datasets._random import key_from, permutation, raw_bits, uniform_integers


class DigitSums:
    """Sums of digits drawn from labelled images, with every image equally likely in every position.

    A sample is `digits` indices into one array of images; pixels are gathered only when they are needed. 50,000 sums of
    ten digits take 4 MB.

    Parameters
    ----------
    images : array-like
        Shape (count, height, width) or (count, pixels); uint8, float32 or float64. Not copied if contiguous.
    labels : array-like
        The digit on each image: shape (count,), integers 0..9.
    digits : int
        Digits in a sum.
    size : int
        Number of sums.
    rng : int, numpy.random.SeedSequence or numpy.random.Generator
        Seed of the random sums. Equal seeds give equal sums, with every version of NumPy.
    resample : bool
        Whether each epoch has new sums. They depend only on `rng` and the epoch's number.
    fewest : int, optional
        For sums of different lengths: each has from `fewest` to `digits` digits, all lengths equally likely. The
        positions after its last digit have no image. None: all have `digits`.

    Attributes
    ----------
    images : numpy.ndarray
        The images that samples refer to.
    labels : numpy.ndarray or None
        Their digits; None for a data set from `from_sums`.
    digits : int
        The most digits in a sum.
    fewest : int
        The fewest digits in a sum.
    resample : bool
        Whether each epoch has new sums.

    Raises
    ------
    TypeError
        For an argument of a wrong type or dtype.
    ValueError
        For empty images, labels that do not match or are out of range, `digits` or `size` below 1, or `fewest` not
        from 1 to `digits`.

    Examples
    --------
    >>> import numpy as np
    >>> images = np.zeros((100, 28, 28), dtype=np.uint8)
    >>> labels = np.arange(100) % 10
    >>> sums = DigitSums(images, labels, digits=3, size=1000)
    >>> sums
    DigitSums(1,000 sums of 3 digits, images 100 x 28 x 28 uint8, resample=False)
    >>> sample, total = sums[0]
    >>> sample.shape, 0 <= total <= 27
    ((3, 28, 28), True)
    >>> items, indices, targets = sums.samples(epoch=0)
    >>> bool((labels[indices].sum(axis=1) == targets).all())
    True
    """

    def __init__(
        self,
        images: npt.ArrayLike,
        labels: npt.ArrayLike,
        digits: int = 10,
        size: int = 50_000,
        rng: Any = 0,
        resample: bool = False,
        fewest: int | None = None,
    ) -> None:
        caller = "DigitSums"
        self.images = checked_images(images, caller)
        self.labels: npt.NDArray[Any] | None = checked_labels(labels, len(self.images), caller)
        check_range(self.labels, 9, "labels", "a digit each", caller)
        self.digits = check_count(caller, "digits", digits)
        self.fewest = self.digits if fewest is None else check_count(caller, "fewest", fewest)
        if self.fewest > self.digits:
            raise ValueError(f"{caller}: fewest must be at most digits, {self.digits}, got {fewest}")
        self._size = check_count(caller, "size", size)
        self._key = key_from(rng, caller)
        self.resample = bool(resample)
        self._first = self._draw(0)

    @classmethod
    def from_sums(cls, images: npt.ArrayLike, indices: npt.ArrayLike, sums: npt.ArrayLike) -> DigitSums:
        """Make a data set from given samples and their sums, without the labels of single digits.

        Parameters
        ----------
        images : array-like
            As for `DigitSums`.
        indices : array-like
            The images of each sample: shape (size, digits), integers 0..count - 1. Shorter samples are padded with -1
            at the end.
        sums : array-like
            The sum of each sample: shape (size,), integers 0..9 times the number of its images.

        Returns
        -------
        DigitSums
            Fixed; `labels` is None.

        Raises
        ------
        TypeError
            For a wrong dtype.
        ValueError
            For empty arrays, shapes that do not match, or an index or a sum out of range.

        Examples
        --------
        >>> import numpy as np
        >>> images = np.zeros((4, 28, 28), dtype=np.uint8)
        >>> DigitSums.from_sums(images, indices=[[0, 1], [2, 3]], sums=[7, 18])
        DigitSums(2 sums of 2 digits, images 4 x 28 x 28 uint8, resample=False)
        """
        caller = "DigitSums.from_sums"
        images = checked_images(images, caller)
        indices = checked_integers(indices, "indices", caller)
        if indices.ndim != 2 or indices.size == 0:
            raise ValueError(
                f"{caller}: indices must be of shape (size, digits), both at least 1, got {indices.shape}"
            )
        missing = _missing(indices, caller)
        known = np.where(missing, 0, indices)
        check_range(known, len(images) - 1, "indices", f"there are {len(images):,} images", caller)
        sums = checked_integers(sums, "sums", caller)
        if sums.shape != (len(indices),):
            raise ValueError(
                f"{caller}: sums must be of shape ({len(indices)},), one sum per row of indices, got {sums.shape}"
            )
        digits = indices.shape[1]
        counts = digits - missing.sum(axis=1)
        for count in np.unique(counts).tolist():
            check_range(np.where(counts == count, sums, 0), 9 * count, "sums", f"sums of {count} digits", caller)
        data = cls.__new__(cls)
        data.images, data.labels, data.digits, data.resample = images, None, digits, False
        data.fewest = int(counts.min())
        data._size = len(indices)
        # Copies: the caller may change the originals later.
        data._first = _frozen(indices.astype(np.int64, order="C")), _frozen(sums.astype(np.int64, order="C"))
        return data

    @classmethod
    def disjoint(cls, images: npt.ArrayLike, labels: npt.ArrayLike, digits: int = 10, rng: Any = 0) -> DigitSums:
        """Make fixed sums that share no image: all images in a random order, `digits` at a time.

        This is the literature's protocol for learning from sums: 60,000 images make 6,000 sums of ten. Images left over
        at the end are not used.

        Parameters
        ----------
        images, labels, digits
            As for `DigitSums`.
        rng : int, numpy.random.SeedSequence or numpy.random.Generator
            Seed of the random order.

        Returns
        -------
        DigitSums
            Fixed; `labels` is None, because only the sums are known.

        Raises
        ------
        TypeError
            For an argument of a wrong type or dtype.
        ValueError
            For images or labels that do not fit, or fewer images than `digits`.

        Examples
        --------
        >>> import numpy as np
        >>> DigitSums.disjoint(np.zeros((25, 28, 28), dtype=np.uint8), np.arange(25) % 10)
        DigitSums(2 sums of 10 digits, images 25 x 28 x 28 uint8, resample=False)
        """
        caller = "DigitSums.disjoint"
        images = checked_images(images, caller)
        labels = checked_labels(labels, len(images), caller)
        check_range(labels, 9, "labels", "a digit each", caller)
        digits = check_count(caller, "digits", digits)
        size = len(images) // digits
        if size == 0:
            raise ValueError(f"{caller}: images must be at least {digits}, enough for one sum, got {len(images)}")
        order = permutation(key_from(rng, caller), b"disjoint", len(images))
        indices = order[: size * digits].reshape(size, digits)
        return cls.from_sums(images, indices, labels[indices].sum(axis=1, dtype=np.int64))

    def _draw(self, epoch: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Draw an epoch's samples; return indices (size, digits) and sums (size,), read-only."""
        assert self.labels is not None
        bits = raw_bits(self._key, b"sums", epoch, self._size * self.digits)
        indices = uniform_integers(bits, len(self.images)).reshape(self._size, self.digits)
        digits = self.labels[indices]
        if self.fewest < self.digits:
            lengths = raw_bits(self._key, b"lengths", epoch, self._size)
            counts = self.fewest + uniform_integers(lengths, self.digits - self.fewest + 1)
            missing = np.arange(self.digits) >= counts[:, None]
            indices[missing], digits[missing] = -1, 0
        return _frozen(indices), _frozen(digits.sum(axis=1, dtype=np.int64))

    def __len__(self) -> int:
        """Return the number of sums."""
        return self._size

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape of one sample: `digits`, then the shape of an image."""
        return (self.digits, *self.images.shape[1:])

    @property
    def targets_shape(self) -> tuple[int, ...]:
        """Shape of one target: (), a class label."""
        return ()

    @property
    def number_of_classes(self) -> int:
        """Number of values of a sum: 0 to 9 * `digits`."""
        return 9 * self.digits + 1

    def samples(
        self, epoch: int = 0
    ) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return an epoch's samples as images, indices into them, and sums.

        Parameters
        ----------
        epoch : int
            Counted from 0. The same number always gives the same samples; with `resample`, each gives others.

        Returns
        -------
        items : numpy.ndarray
            The images, shape (count, *image shape).
        indices : numpy.ndarray
            Rows of `items`, int64 of shape (size, digits), read-only; -1 after the last image of a sample.
        targets : numpy.ndarray
            The sums, int64 of shape (size,), read-only.
        """
        epoch = check_count("DigitSums.samples", "epoch", epoch, minimum=0)
        return (self.images, *(self._draw(epoch) if self.resample and epoch else self._first))

    def __getitem__(self, index: int | slice) -> tuple[npt.NDArray[Any], Any]:
        """Return sample and sum `index` of epoch 0; for a slice, arrays of both. A missing image is black."""
        indices, sums = self._first
        if isinstance(index, slice):
            return self._gather(indices[index]), sums[index]
        if not is_whole(index):
            raise TypeError(f"DigitSums: index must be a whole number or a slice, got {described(index)}")
        number = operator.index(index)
        if not -self._size <= number < self._size:
            raise IndexError(f"DigitSums: index must be from {-self._size:,} to {self._size - 1:,}, got {number}")
        return self._gather(indices[number]), int(sums[number])

    def _gather(self, indices: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        images = self.images[indices]
        images[indices < 0] = 0
        return images

    def __repr__(self) -> str:
        """Describe the data set in one line."""
        digits = self.digits if self.fewest == self.digits else f"{self.fewest} to {self.digits}"
        images = " x ".join(str(length) for length in self.images.shape)
        return (
            f"DigitSums({self._size:,} sums of {digits} digits, images {images} {self.images.dtype}, "
            f"resample={self.resample})"
        )


def _missing(indices: npt.NDArray[Any], caller: str) -> npt.NDArray[np.bool_]:
    """Where there is no image, which must be at the end of a sample."""
    missing: npt.NDArray[np.bool_] = indices == -1
    if missing[:, 0].any() or (missing[:, :-1] & ~missing[:, 1:]).any():
        raise ValueError(f"{caller}: indices must be -1 only after a sample's last image; each sample needs an image")
    return missing


def _frozen(array: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Make `array` read-only: all epochs of a fixed data set share it."""
    array.flags.writeable = False
    return array
