"""Random changes of images, each a function of (key, epoch, sample): see ``simd/augmentation.h`` for the mathematics.

The engine does this while it gathers a mini-batch, so that every epoch has images of its own and none is stored.
"""

import math

import numpy as np

cimport numpy as cnp

from tinynn.kernels._arguments import whole_number
from tinynn.kernels._augmentation import check_image, check_options
from tinynn.kernels._public import public

from libc.stdint cimport uint32_t

from tinynn.kernels.machine cimport DOUBLE, FLOAT, UINT8, Augmentation, Solo, augment, augmentation_scratch

cnp.import_array()

# Standard deviation of a displacement: of uniform numbers, times the squared norm of a cubic B-spline (a root for each
# axis).
SPREAD = 151.0 / 315.0 / math.sqrt(3)


cdef Augmentation augmentation_of(function, shape, shift, rotation, zoom, shear, elastic, smoothness, key,
                                  epoch) except *:
    """The options of images of this shape, checked."""
    cdef Augmentation a
    a.rows, a.columns, a.channels = check_image(function, shape)
    options = check_options(function, {"shift": shift, "rotation": rotation, "zoom": zoom, "shear": shear,
                                       "elastic": elastic, "smoothness": smoothness})
    a.shift, a.zoom, a.shear = options["shift"], options["zoom"], options["shear"]
    a.rotation = math.radians(options["rotation"])
    a.elastic = options["elastic"] / SPREAD
    a.spacing = options["smoothness"] * math.sqrt(3)  # of a B-spline with this standard deviation
    a.grid_rows = a.grid_columns = 0
    if a.elastic > 0:
        a.grid_rows, a.grid_columns = <Py_ssize_t> (a.rows / a.spacing) + 4, <Py_ssize_t> (a.columns / a.spacing) + 4
    a.key, a.epoch = key, epoch
    return a


@public
def py_augment(images, shift=0.0, rotation=0.0, zoom=0.0, shear=0.0, elastic=0.0, smoothness=4.0, key=0, epoch=0,
               first_sample=0):
    """Change images at random: move, turn, zoom and shear each about its middle, and bend it elastically.

    A pixel is interpolated between four; beyond its edges an image is 0. Every number is uniform between plus and minus
    the limit given and depends on (key, epoch, number of the image) only.

    Parameters
    ----------
    images : array_like, shape (n, rows, columns) or (n, rows, columns, channels)
        Uint8, float32 or float64.
    shift : float, optional
        Most pixels to move, down and to the right, each; at most a million.
    rotation : float, optional
        Most degrees to turn, at most 180.
    zoom : float, optional
        Most change of size, at most 0.99: 0.1 makes an image up to 10 % smaller or larger.
    shear : float, optional
        Most columns that a row moves for each row that it is away from the middle, at most 1000.
    elastic : float, optional
        Standard deviation, in pixels, of a smooth random displacement of every pixel (Simard et al., 2003); at most a
        million.
    smoothness : float, optional
        Over how many pixels that displacement is smooth, from 0.25 to a million: the standard deviation of the (nearly
        Gaussian) kernel that spreads it.
    key, epoch, first_sample : int, optional
        What the changes are functions of: the run's key (64 bits), the epoch and the number of the first image (32 bits
        each).

    Returns
    -------
    ndarray, shape of images
        Float32, or float64 for float64 images.

    Raises
    ------
    TypeError
        If the images have another dtype, or an option is no number.
    ValueError
        If the shape is none of images, or an option is out of range.

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
    cdef Solo solo = Solo()
    images = np.asarray(images)
    kept = images.dtype.newbyteorder("=")
    if kept not in (np.uint8, np.float32, np.float64):
        raise TypeError(f"augment: images have dtype {images.dtype}, but must be uint8, float32 or float64")
    cdef Augmentation a = augmentation_of("augment", images.shape[1:], shift, rotation, zoom, shear, elastic,
                                          smoothness, whole_number("augment", "key", key, 64),
                                          whole_number("augment", "epoch", epoch, 32))
    images = np.require(images, kept, ["C", "A"])
    result = np.empty(images.shape, np.float64 if images.dtype == np.float64 else np.float32)
    cdef uint32_t first = whole_number("augment", "first_sample", first_sample, 32)
    cdef const char* x = <const char*> cnp.PyArray_DATA(images)
    cdef char* y = <char*> cnp.PyArray_DATA(result)
    scratch = np.empty(augmentation_scratch(&a), result.dtype)
    cdef void* memory = cnp.PyArray_DATA(scratch)
    cdef int kind = UINT8 if images.dtype == np.uint8 else FLOAT if images.dtype == np.float32 else DOUBLE
    cdef bint single = result.dtype == np.float32
    cdef Py_ssize_t i, n = len(images), bytes_in = images[:1].nbytes, bytes_out = result[:1].nbytes
    with nogil:
        for i in range(n):
            if single:
                augment(<float*> (y + i * bytes_out), x + i * bytes_in, kind, &a, <uint32_t> (first + i), 0, 1, 0,
                        <float*> memory, &solo.worker)
            else:
                augment(<double*> (y + i * bytes_out), x + i * bytes_in, kind, &a, <uint32_t> (first + i), 0, 1, 0,
                        <double*> memory, &solo.worker)
    return result
