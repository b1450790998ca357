"""Dropout: each number is dropped with probability `rate`, the others are scaled up so that the mean stays.

    y = x m / (1 - rate),   dx = dy m / (1 - rate),   m = 1 with probability 1 - rate, else 0       any shape

(Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", 2014, in the inverted form,
which does nothing in prediction.) The mask is not stored: it is a function of the run's key, epoch, step, the op and
the position in the batch. The backward pass draws it again, and the number of threads does not matter.
"""

import math

import numpy as np

from libc.stdint cimport uint32_t, uint64_t

cimport numpy as cnp

from tinynn.kernels._arguments import whole_number
from tinynn.kernels._public import public
from tinynn.kernels._signatures import share
from tinynn.kernels.op import as_arrays, register

from tinynn.kernels.machine cimport Range, Solo, Worker, claim, real, simd
from tinynn.kernels.op cimport DoubleCall, FloatCall, Op, RealCall, Run, Step

cnp.import_array()

cdef extern from "random.h" nogil:
    enum: FOR_DROPOUT

# Numbers worth a claim; a multiple of the random words drawn at once.
cdef enum: GRAIN = 4096


cdef void masked(
        real* y,                                            # OUT (size)
        const real* x,                                      # IN (size)
        double rate, const Step* step, uint64_t identity, Py_ssize_t size, Worker* worker) noexcept nogil:
    """y = x m / (1 - rate): forward and backward alike"""
    cdef uint32_t purpose = <uint32_t> (FOR_DROPOUT + (identity << 8))
    cdef uint32_t dropped = <uint32_t> (rate * 4294967296.0)        # words below this, of 2^32
    cdef real scale = <real> (1.0 / (1.0 - rate))
    cdef Range part
    while claim(worker, size, GRAIN, &part):
        simd(worker, y).dropout(y + part.start, x + part.start, scale, dropped, step.key, purpose,
                                <uint32_t> step.epoch, <uint32_t> step.step, part.start, part.stop - part.start)


cdef void run_forward(RealCall* call, Worker* worker) noexcept nogil:
    masked(call.outputs[0], call.inputs[0], call.scalars[0], call.step, call.identity, call.rows * call.sizes[0],
           worker)


cdef void run_backward(RealCall* call, Worker* worker) noexcept nogil:
    if call.d_inputs[0] != NULL:
        masked(call.d_inputs[0], call.d_outputs[0], call.scalars[0], call.step, call.identity,
               call.rows * call.sizes[0], worker)


cdef class Dropout(Op):
    """Input [x (...)], output [y (...)], attribute rate (0 <= rate < 1). For training only: leave it out to predict."""

    def __cinit__(self):
        self.forward = [<Run> run_forward[FloatCall], <Run> run_forward[DoubleCall]]
        self.backward = [<Run> run_backward[FloatCall], <Run> run_backward[DoubleCall]]

    def options(self):
        return {"rate": share}

    def required(self):
        return ("rate",)

    def together(self, shape):
        return 1

    def sizes(self, inputs, parameters, attributes):
        return (math.prod(inputs[0]),)

    def scalars(self, attributes):
        return (float(attributes["rate"]),)

    def flops(self, sizes):
        # Ten rounds of two multiplications and four exclusive ors for four numbers.
        return 20 * sizes[0]


dropout = Dropout("dropout")
register(dropout)


def run(function, name, array, rate, key, epoch, step):
    cdef Solo solo = Solo()
    cdef Step where
    cdef double checked_rate
    (array,) = as_arrays(function, **{name: array})
    try:
        checked_rate = rate
    except TypeError:
        raise TypeError(f"{function}: rate is {rate!r}, but must be a number") from None
    if not 0 <= checked_rate < 1:
        raise ValueError(f"{function}: rate is {rate}, but must be at least 0 and less than 1")
    where.key = whole_number(function, "key", key, 64)
    where.epoch = whole_number(function, "epoch", epoch, 32)
    where.step = whole_number(function, "step", step, 32)
    result = np.empty_like(array)
    if array.dtype == np.float32:
        masked[float](<float*> cnp.PyArray_DATA(result), <const float*> cnp.PyArray_DATA(array), checked_rate, &where,
                      0, array.size, &solo.worker)
    else:
        masked[double](<double*> cnp.PyArray_DATA(result), <const double*> cnp.PyArray_DATA(array), checked_rate,
                       &where, 0, array.size, &solo.worker)
    return result


@public
def py_dropout_forward(x, rate, key=0, epoch=0, step=0):
    """Drop each number with probability ``rate`` and scale the others by ``1 / (1 - rate)``.

    Parameters
    ----------
    x : array_like, any shape
        Inputs, float32 or float64.
    rate : float
        Probability of being dropped, ``0 <= rate < 1``.
    key, epoch, step : int
        What the mask is a function of, beside the position in x: the run's key (64 bits), the epoch and the step
        within it (32 bits each).

    Returns
    -------
    ndarray, shape of x

    Raises
    ------
    TypeError
        If x is not float32 or float64, or a number is none.
    ValueError
        If rate, key, epoch or step is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> dropout_forward(np.ones(8), 0.5, key=2)
    array([0., 0., 2., 0., 2., 0., 2., 0.])
    >>> dropout_forward(np.ones(3), 0.0)
    array([1., 1., 1.])
    """
    return run("dropout_forward", "x", x, rate, key, epoch, step)


@public
def py_dropout_backward(dy, rate, key=0, epoch=0, step=0):
    """Gradient of `dropout_forward`: dy through the same mask, ``dx = dy m / (1 - rate)``.

    Parameters
    ----------
    dy : array_like, any shape
        Gradient of the loss with respect to y, float32 or float64.
    rate, key, epoch, step
        As in the forward pass.

    Returns
    -------
    ndarray, shape of dy

    Raises
    ------
    TypeError
        If dy is not float32 or float64, or a number is none.
    ValueError
        If rate, key, epoch or step is out of range.
    """
    return run("dropout_backward", "dy", dy, rate, key, epoch, step)
