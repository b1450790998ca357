"""Random changes of images."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinynn.checks import check_count
from tinynn.kernels.augmentation import augment_into
from tinynn.kernels.functions._arguments import Floats


def augment(images: ArrayLike, shift: float = 0.0, rotation: float = 0.0, zoom: float = 0.0, shear: float = 0.0,
            elastic: float = 0.0, smoothness: float = 4.0, key: int = 0, epoch: int = 0,
            first_sample: int = 0) -> Floats:
    """Change images at random: move, rotate, zoom and shear each about its middle, and distort it elastically.

    Pixels are interpolated between four neighbours; outside its edges an image is 0. Every random number is uniform
    between minus and plus the limit given, and depends on (key, epoch, number of the image) only.

    Parameters
    ----------
    images : array_like, shape (n, rows, columns) or (n, rows, columns, channels)
        Uint8, float32 or float64.
    shift : float, optional
        Largest move, in pixels, along each axis; at most a million.
    rotation : float, optional
        Largest rotation in degrees, at most 180.
    zoom : float, optional
        Largest change of size, at most 0.99: 0.1 makes an image up to 10 % smaller or larger.
    shear : float, optional
        Largest number of columns that a row moves for each row between it and the middle; at most 1000.
    elastic : float, optional
        Standard deviation, in pixels, of a smooth random displacement of every pixel (Simard et al., 2003); at most a
        million.
    smoothness : float, optional
        Standard deviation, in pixels, of the (nearly Gaussian) kernel that smooths the displacement, from 0.25 to a
        million.
    key, epoch, first_sample : int, optional
        The run's key (64 bits), the epoch and the number of the first image (32 bits each); the changes depend on
        nothing else.

    Returns
    -------
    ndarray, shape of images
        Float32, or float64 for float64 images.

    Raises
    ------
    TypeError
        If the images have another dtype, or an option is no number.
    ValueError
        If the shape is not that of images, or an option is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.zeros((1, 5, 5), np.uint8)
    >>> image[0, 2, 2] = 100
    >>> bool((augment(image) == image).all())
    True
    >>> moved = augment(image, shift=1.0, key=3)
    >>> round(float(moved[0].sum()), 3), int((moved > 0).sum())
    (100.0, 4)
    """
    given: NDArray[Any] = np.asarray(images)
    kind = given.dtype.newbyteorder("=")
    if kind not in (np.uint8, np.float32, np.float64):
        raise TypeError(f"augment: images must be uint8, float32 or float64, got {given.dtype}")
    moment = (check_count("augment", "key", key, minimum=0, maximum=2**64 - 1),
              check_count("augment", "epoch", epoch, minimum=0, maximum=2**32 - 1),
              check_count("augment", "first_sample", first_sample, minimum=0, maximum=2**32 - 1))
    result = np.empty(given.shape, np.float64 if kind == np.float64 else np.float32)
    augment_into(result, np.require(given, kind, ["C", "A"]), *moment, shift, rotation, zoom, shear, elastic,
                 smoothness)
    return result
