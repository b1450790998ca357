"""Random changes of images, each a function of (key, epoch, sample): see ``simd/augmentation.h`` for the mathematics.

The engine does this while it gathers a mini-batch, so that every epoch has images of its own and none is stored.
"""

import math

import numpy as np

cimport numpy as cnp

from tinynn.kernels._augmentation import check_image, check_options

from libc.stdint cimport uint32_t, uint64_t

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


def augment_into(result, images, uint64_t key, uint32_t epoch, uint32_t first_sample, shift, rotation, zoom, shear,
                 elastic, smoothness):
    """Write images (n, rows, columns[, channels]), changed at random, to a result of their shape, both contiguous."""
    cdef Solo solo = Solo()
    cdef Augmentation a = augmentation_of("augment", images.shape[1:], shift, rotation, zoom, shear, elastic,
                                          smoothness, key, epoch)
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
                augment(<float*> (y + i * bytes_out), x + i * bytes_in, kind, &a, <uint32_t> (first_sample + i), 0, 1,
                        0, <float*> memory, &solo.worker)
            else:
                augment(<double*> (y + i * bytes_out), x + i * bytes_in, kind, &a, <uint32_t> (first_sample + i), 0,
                        1, 0, <double*> memory, &solo.worker)
