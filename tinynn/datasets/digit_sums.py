"""Sums of digits: the report's task, in which only the sum is ever a label."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tinynn.datasets._checks import check_range, checked_images, checked_integers, checked_labels
from tinynn.datasets._random import integer, key_from, permutation, raw_bits, uniform_integers


class DigitSums:
    """Sums of digits drawn from labelled images, every image equally likely at every place.

    A sample is `digits` indices into one array of images; pixels are never copied, only gathered when looked
    at. 50,000 sums of ten cost 4 MB.

    Parameters
    ----------
    images : array-like
        Shape (count, height, width) or (count, pixels); uint8, float32 or float64. Kept, not copied, if
        contiguous.
    labels : array-like
        The digit on each image: shape (count,), integers 0..9.
    digits : int
        How many digits make a sum.
    size : int
        How many sums.
    rng : int, numpy.random.SeedSequence or numpy.random.Generator
        Decides which. Equal seeds give equal sums, in every version of NumPy.
    resample : bool
        Whether each epoch gets fresh sums. They depend on `rng` and on the epoch's number only.
    fewest : int, optional
        Sums of different lengths: each has from `fewest` to `digits` digits, every number equally likely. The places
        behind its last digit hold no image. None: all have `digits`.

    Attributes
    ----------
    images : numpy.ndarray
        The images that samples refer to.
    labels : numpy.ndarray or None
        Their digits; None if made by `from_sums`.
    digits : int
        How many digits make a sum, at most.
    fewest : int
        How many at least.
    resample : bool
        Whether each epoch has its own sums.

    Raises
    ------
    TypeError
        For an argument of a wrong type or dtype.
    ValueError
        For empty images, labels that do not match or are out of range, or `digits` or `size` below 1, or
        `fewest` not from 1 to `digits`.

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
        self.digits = integer(digits, "digits", caller, minimum=1)
        self.fewest = self.digits if fewest is None else integer(fewest, "fewest", caller, minimum=1)
        if self.fewest > self.digits:
            raise ValueError(f"{caller}: fewest is {fewest}, but must be at most digits, {self.digits}")
        self._size = integer(size, "size", caller, minimum=1)
        self._key = key_from(rng, caller)
        self.resample = bool(resample)
        self._first = self._draw(0)

    @classmethod
    def from_sums(cls, images: npt.ArrayLike, indices: npt.ArrayLike, sums: npt.ArrayLike) -> DigitSums:
        """Make a data set of given samples and their sums, without the digits being known.

        Parameters
        ----------
        images : array-like
            As for `DigitSums`.
        indices : array-like
            The images of each sample: shape (size, digits), integers 0..count - 1. -1 stands behind the last image of a
            sample that has fewer.
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
                f"{caller}: indices has shape {indices.shape}, expected (size, digits), both at least 1"
            )
        missing = _missing(indices, caller)
        known = np.where(missing, 0, indices)
        check_range(known, len(images) - 1, "indices", f"there are {len(images):,} images", caller)
        sums = checked_integers(sums, "sums", caller)
        if sums.shape != (len(indices),):
            raise ValueError(
                f"{caller}: sums has shape {sums.shape}, but indices has {len(indices)} rows; "
                f"expected one sum per row, shape ({len(indices)},)"
            )
        digits = indices.shape[1]
        counts = digits - missing.sum(axis=1)
        for count in np.unique(counts).tolist():
            check_range(np.where(counts == count, sums, 0), 9 * count, "sums", f"sums of {count} digits", caller)
        data = cls.__new__(cls)
        data.images, data.labels, data.digits, data.resample = images, None, digits, False
        data.fewest = int(counts.min())
        data._size = len(indices)
        # Copies: what the caller does to the originals later does not concern us.
        data._first = _frozen(indices.astype(np.int64, order="C")), _frozen(sums.astype(np.int64, order="C"))
        return data

    @classmethod
    def disjoint(cls, images: npt.ArrayLike, labels: npt.ArrayLike, digits: int = 10, rng: Any = 0) -> DigitSums:
        """Make fixed sums that share no image: all images in a random order, `digits` at a time.

        The literature's protocol for learning from sums: 60,000 images make 6,000 sums of ten. The last
        images are left out if they make no whole sum.

        Parameters
        ----------
        images, labels, digits
            As for `DigitSums`.
        rng : int, numpy.random.SeedSequence or numpy.random.Generator
            Decides the order.

        Returns
        -------
        DigitSums
            Fixed; `labels` is None, for only the sums are known.

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
        digits = integer(digits, "digits", caller, minimum=1)
        size = len(images) // digits
        if size == 0:
            raise ValueError(f"{caller}: {len(images)} images make no sum of {digits}; give more, or fewer digits")
        order = permutation(key_from(rng, caller), b"disjoint", len(images))
        indices = order[: size * digits].reshape(size, digits)
        return cls.from_sums(images, indices, labels[indices].sum(axis=1, dtype=np.int64))

    def _draw(self, epoch: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Draw the samples of one epoch; return indices (size, digits) and sums (size,), read-only."""
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
        """Return how many sums there are."""
        return self._size

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape of one sample: `digits`, then the shape of an image."""
        return (self.digits, *self.images.shape[1:])

    @property
    def targets_shape(self) -> tuple[int, ...]:
        """Shape of one target: that of a class label, ()."""
        return ()

    @property
    def number_of_classes(self) -> int:
        """How many values a sum can have: 0 to 9 * `digits`."""
        return 9 * self.digits + 1

    def samples(
        self, epoch: int = 0
    ) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the samples of an epoch as images, indices into them, and sums.

        Parameters
        ----------
        epoch : int
            Counted from 0. The same number gives the same samples; another one gives others if `resample`.

        Returns
        -------
        items : numpy.ndarray
            The images, shape (count, *image shape).
        indices : numpy.ndarray
            Rows of `items`, int64 of shape (size, digits), read-only; -1 behind the last image of a sample.
        targets : numpy.ndarray
            The sums, int64 of shape (size,), read-only.
        """
        epoch = integer(epoch, "epoch", "DigitSums.samples", minimum=0)
        return (self.images, *(self._draw(epoch) if self.resample and epoch else self._first))

    def __getitem__(self, index: int | slice) -> tuple[npt.NDArray[Any], Any]:
        """Return sample and sum number `index` of epoch 0; for a slice, arrays of both. No image is a black one."""
        indices, sums = self._first
        if isinstance(index, slice):
            return self._gather(indices[index]), sums[index]
        number = integer(index, "index", "DigitSums", instead="an integer or a slice")
        if not -self._size <= number < self._size:
            raise IndexError(f"DigitSums: index {number} is out of range, there are {self._size:,} sums")
        return self._gather(indices[number]), int(sums[number])

    def _gather(self, indices: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        images = self.images[indices]
        images[indices < 0] = 0
        return images

    def __repr__(self) -> str:
        """Say what this is in one line."""
        digits = self.digits if self.fewest == self.digits else f"{self.fewest} to {self.digits}"
        images = " x ".join(str(length) for length in self.images.shape)
        return (
            f"DigitSums({self._size:,} sums of {digits} digits, images {images} {self.images.dtype}, "
            f"resample={self.resample})"
        )


def _missing(indices: npt.NDArray[Any], caller: str) -> npt.NDArray[np.bool_]:
    """Where there is no image; only behind the last one of a sample."""
    missing: npt.NDArray[np.bool_] = indices == -1
    if missing[:, 0].any() or (missing[:, :-1] & ~missing[:, 1:]).any():
        raise ValueError(f"{caller}: an index of -1 may stand only behind the last image of a sample, and each sample "
                         "needs one image at least")
    return missing


def _frozen(array: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Make `array` read-only: every epoch of a fixed data set is handed the same one."""
    array.flags.writeable = False
    return array
