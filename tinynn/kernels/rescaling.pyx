"""Rescaling: the same affine map of every number, as from bytes to 0..1.

    y = x scale + offset,   dx = dy scale                   x, y of any shape

At the front of a network the engine does it while it gathers the samples, and this op does not run.
"""

import math

from tinynn.kernels._signatures import within
from tinynn.kernels.op import register

from tinynn.kernels.machine cimport DOUBLE, FLOAT, Range, Worker, claim, real, simd
from tinynn.kernels.op cimport DoubleCall, FloatCall, Op, RealCall, Run

# Numbers worth a claim.
cdef enum: GRAIN = 4096


cdef void rescaling_forward(
        real* y,                                            # OUT (size)
        const real* x,                                      # IN (size)
        double scale, double offset, Py_ssize_t size, Worker* worker) noexcept nogil:
    """y = x scale + offset"""
    cdef Range part
    while claim(worker, size, GRAIN, &part):
        simd(worker, y).convert(y + part.start, x + part.start, FLOAT if real is float else DOUBLE, scale, offset,
                                part.stop - part.start)


cdef void rescaling_backward(
        real* dx,                                           # OUT (size)
        const real* dy,                                     # IN (size)
        double scale, Py_ssize_t size, Worker* worker) noexcept nogil:
    """dx = dy scale"""
    cdef Range part
    while claim(worker, size, GRAIN, &part):
        simd(worker, dx).scale(dx + part.start, dy + part.start, <real> scale, part.stop - part.start)


cdef void run_forward(RealCall* call, Worker* worker) noexcept nogil:
    rescaling_forward(call.outputs[0], call.inputs[0], call.scalars[0], call.scalars[1], call.rows * call.sizes[0],
                      worker)


cdef void run_backward(RealCall* call, Worker* worker) noexcept nogil:
    if call.d_inputs[0] != NULL:
        rescaling_backward(call.d_inputs[0], call.d_outputs[0], call.scalars[0], call.rows * call.sizes[0], worker)


cdef class Rescaling(Op):
    """Input [x (...)], output [y (...)], attributes scale and offset (0 unless given)."""

    def __cinit__(self):
        self.forward = [<Run> run_forward[FloatCall], <Run> run_forward[DoubleCall]]
        self.backward = [<Run> run_backward[FloatCall], <Run> run_backward[DoubleCall]]

    def options(self):
        return {"scale": within(), "offset": within()}

    def required(self):
        return ("scale",)

    def together(self, shape):
        return 1

    def sizes(self, inputs, parameters, attributes):
        return (math.prod(inputs[0]),)

    def scalars(self, attributes):
        return float(attributes["scale"]), float(attributes.get("offset", 0.0))

    def flops(self, sizes):
        return 2 * sizes[0]


rescaling = Rescaling("rescaling")
register(rescaling)
