"""Dropout: each number is dropped with probability `rate`, the others are scaled up so that the mean stays.

    y = x m / (1 - rate),   dx = dy m / (1 - rate),   m = 1 with probability 1 - rate, else 0       any shape

(Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", 2014, in the inverted form,
which does nothing in prediction.) The mask is not stored: it is a function of the run's key, epoch, step, the op and
the position in the batch. The backward pass draws it again, and the number of threads does not matter.
"""

import math

from libc.stdint cimport uint32_t, uint64_t

cimport numpy as cnp

from tinynn.kernels._signatures import share
from tinynn.kernels.op import register

from tinynn.kernels.machine cimport Range, Worker, claim, real, simd
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
