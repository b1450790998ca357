"""What the two normalizations share: statistics of numbers that are nearly equal, or whose squares overflow.

The mean of numbers in float32 is off by some rounding, which is nothing beside their spread, unless they are nearly
equal: of 1,000 times 1.7e9 it is off by 128, and numbers without any spread would seem to have one of 128. Such numbers
are gone through again in float64, and so are those whose squares are too large for their dtype.
"""

from libc.float cimport DBL_MAX
from libc.math cimport fabs, isfinite, sqrt

from tinynn.kernels.machine cimport real

cdef extern from * nogil:
    bint unlikely(bint condition)   # its code is kept out of the way: beside a short loop that counts

# A mean so many times as far from 0 as the numbers are from it is looked at again.
cdef enum: FAR = 16


cdef struct Statistics:
    double pivot        # one of the numbers, close to their mean
    double rest         # the mean less the pivot
    double spread       # root of the mean square of the deviations


cdef inline bint needs_care(double mean, double deviation) noexcept nogil:
    """Whether rounding may count in these statistics, or they are not finite."""
    return not (fabs(mean) <= FAR * deviation <= DBL_MAX)


cdef inline Statistics careful_statistics(const real* x, Py_ssize_t stride, Py_ssize_t n, double mean) noexcept nogil:
    """Those of n numbers, `stride` apart, whose mean is about this.

    Deviations are taken from a number that is there: equal ones have none, and the others' are exact.
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
