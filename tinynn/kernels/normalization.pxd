"""What the two normalizations share: statistics of numbers that are nearly equal, or whose squares overflow.

A mean in float32 has a rounding error. It is small beside the spread of the numbers, unless they are nearly equal: the
mean of 1,000 numbers that are all 1.7e9 is off by 128, and they would seem to have a spread of 128. The statistics of
such numbers are computed again in float64, as are those of numbers whose squares overflow their dtype.
"""

from libc.float cimport DBL_MAX
from libc.math cimport fabs, isfinite, sqrt

from tinynn.kernels.machine cimport real

cdef extern from * nogil:
    bint unlikely(bint condition)   # keeps its code apart: it would slow down a short loop beside it

# If the mean is more than this times the deviation, the statistics are computed again.
cdef enum: FAR = 16


cdef struct Statistics:
    double pivot        # one of the numbers, close to their mean
    double rest         # the mean less the pivot
    double spread       # root of the mean square of the deviations


cdef inline bint needs_care(double mean, double deviation) noexcept nogil:
    """Whether rounding may have spoiled these statistics, or they are not finite."""
    return not (fabs(mean) <= FAR * deviation <= DBL_MAX)


cdef inline Statistics careful_statistics(const real* x, Py_ssize_t stride, Py_ssize_t n, double mean) noexcept nogil:
    """The statistics of n numbers, `stride` apart, whose mean is about `mean`.

    Deviations are taken from one of the numbers: those equal to it have none, and the others are exact.
    """
    cdef Statistics s
    cdef Py_ssize_t i
    cdef double largest = 0, total = 0
    if not isfinite(mean):  # the sum was too large
        mean = 0
        for i in range(n):
            mean += <double> x[i * stride] / n
    s.pivot = x[0]
    for i in range(1, n):
        if fabs(x[i * stride] - mean) < fabs(s.pivot - mean):
            s.pivot = x[i * stride]
    s.rest = 0
    for i in range(n):
        s.rest += (x[i * stride] - s.pivot) / n
    for i in range(n):
        largest = max(largest, fabs(x[i * stride] - s.pivot - s.rest))
    if largest > 0:
        for i in range(n):
            total += ((x[i * stride] - s.pivot - s.rest) / largest) * ((x[i * stride] - s.pivot - s.rest) / largest)
    s.spread = largest * sqrt(total / n)
    return s


cdef inline double deviation_of(double spread, double epsilon) noexcept nogil:
    """sqrt(spread^2 + epsilon), also where the square is too large"""
    return spread if spread > 1e150 else sqrt(spread * spread + epsilon)
