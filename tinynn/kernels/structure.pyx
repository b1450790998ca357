"""Ops on whole tensors: repeat one as steps, split steps apart, stack tensors as steps, add tensors, hand one to many.

    repeat   y[n] = x                  dx = sum_n dy[n]             x (B, F)  y (B, N, F)
    split    y_n = x[n]                dx[n] = dy_n                 x (B, N, F)  y_n (B, F)
    stack    y[n] = x_n                dx_n = dy[n]                 x_n (B, F)  y (B, N, F)
    add      y = sum_n x_n             dx_n = dy                    x_n (B, F)  y (B, F)
    fan_out  y_n = x                   dx = sum_n dy_n              x (B, F)  y_n (B, F)

They make up the layers RepeatVector and Towers, and whatever joins branches. The compiler inserts fan_out where several
ops read one tensor.
"""

import math

from libc.string cimport memcpy, memset

from tinynn.kernels._signatures import count
from tinynn.kernels.op import register

from tinynn.kernels.machine cimport Range, Worker, claim, real, simd
from tinynn.kernels.op cimport DoubleCall, FloatCall, Op, RealCall, Run

# Numbers worth a claim: copying them takes a few microseconds.
cdef enum: GRAIN = 16384
# At most so many tensors come of a split.
cdef enum: MAX_STEPS = 65536


cdef inline Py_ssize_t rows_worth_a_claim(Py_ssize_t size) noexcept nogil:
    """How many rows of `size` numbers make a part."""
    return 1 + GRAIN // (size + 1)


# --- repeat --------------------------------------------------------------------------------------------

cdef void repeat_forward(
        real* y,                                            # OUT (B, N, F)
        const real* x,                                      # IN (B, F)
        Py_ssize_t B, Py_ssize_t N, Py_ssize_t F, Worker* worker) noexcept nogil:
    """y[n] = x"""
    cdef Range rows
    cdef Py_ssize_t row, n
    while claim(worker, B, rows_worth_a_claim(N * F), &rows):
        for row in range(rows.start, rows.stop):
            for n in range(N):
                memcpy(y + (row * N + n) * F, x + row * F, F * sizeof(real))


cdef void repeat_backward(
        real* dx,                                           # OUT (B, F)
        const real* dy,                                     # IN (B, N, F)
        Py_ssize_t B, Py_ssize_t N, Py_ssize_t F, Worker* worker) noexcept nogil:
    """dx = sum_n dy[n]"""
    cdef Range rows
    cdef Py_ssize_t row
    while claim(worker, B, rows_worth_a_claim(N * F), &rows):
        for row in range(rows.start, rows.stop):
            simd(worker, dx).column_sum(dx + row * F, dy + row * N * F, F, N, F, False)


cdef void run_repeat_forward(RealCall* call, Worker* worker) noexcept nogil:
    repeat_forward(call.outputs[0], call.inputs[0], call.rows, call.sizes[0], call.sizes[1], worker)


cdef void run_repeat_backward(RealCall* call, Worker* worker) noexcept nogil:
    if call.d_inputs[0] != NULL:
        repeat_backward(call.d_inputs[0], call.d_outputs[0], call.rows, call.sizes[0], call.sizes[1], worker)


cdef class Repeat(Op):
    """Input [x (...)], output [y (n, ...)], attribute n."""

    def __cinit__(self):
        self.forward = [<Run> run_repeat_forward[FloatCall], <Run> run_repeat_forward[DoubleCall]]
        self.backward = [<Run> run_repeat_backward[FloatCall], <Run> run_repeat_backward[DoubleCall]]

    def options(self):
        return {"n": count}

    def required(self):
        return ("n",)

    def shapes(self, inputs, parameters, attributes):
        return [(attributes["n"], *inputs[0])]

    def sizes(self, inputs, parameters, attributes):
        return attributes["n"], math.prod(inputs[0])


# --- split and stack: each is the other's gradient -------------------------------------------------------

cdef void split_steps(
        void** steps,                                       # OUT N times (B, F), any may be NULL
        const real* whole,                                  # IN (B, N, F)
        Py_ssize_t B, Py_ssize_t N, Py_ssize_t F, Worker* worker) noexcept nogil:
    """steps_n = whole[n]"""
    cdef Range rows
    cdef Py_ssize_t row, n
    while claim(worker, B, rows_worth_a_claim(N * F), &rows):
        for row in range(rows.start, rows.stop):
            for n in range(N):
                if steps[n] != NULL:
                    memcpy(<real*> steps[n] + row * F, whole + (row * N + n) * F, F * sizeof(real))


cdef void stack_steps(
        real* whole,                                        # OUT (B, N, F)
        void** steps,                                       # IN N times (B, F); NULL is read as zeros
        Py_ssize_t B, Py_ssize_t N, Py_ssize_t F, Worker* worker) noexcept nogil:
    """whole[n] = steps_n"""
    cdef Range rows
    cdef Py_ssize_t row, n
    while claim(worker, B, rows_worth_a_claim(N * F), &rows):
        for row in range(rows.start, rows.stop):
            for n in range(N):
                if steps[n] != NULL:
                    memcpy(whole + (row * N + n) * F, <const real*> steps[n] + row * F, F * sizeof(real))
                else:
                    memset(whole + (row * N + n) * F, 0, F * sizeof(real))


cdef void run_split_forward(RealCall* call, Worker* worker) noexcept nogil:
    split_steps(<void**> call.outputs, call.inputs[0], call.rows, call.sizes[0], call.sizes[1], worker)


cdef void run_split_backward(RealCall* call, Worker* worker) noexcept nogil:
    if call.d_inputs[0] != NULL:
        stack_steps(call.d_inputs[0], <void**> call.d_outputs, call.rows, call.sizes[0], call.sizes[1], worker)


cdef void run_stack_forward(RealCall* call, Worker* worker) noexcept nogil:
    stack_steps(call.outputs[0], <void**> call.inputs, call.rows, call.sizes[0], call.sizes[1], worker)


cdef void run_stack_backward(RealCall* call, Worker* worker) noexcept nogil:
    split_steps(<void**> call.d_inputs, call.d_outputs[0], call.rows, call.sizes[0], call.sizes[1], worker)


cdef class Split(Op):
    """Input [x (N, ...)], outputs N times [(...)]: the steps of a sequence as tensors of their own."""

    def __cinit__(self):
        self.forward = [<Run> run_split_forward[FloatCall], <Run> run_split_forward[DoubleCall]]
        self.backward = [<Run> run_split_backward[FloatCall], <Run> run_split_backward[DoubleCall]]

    def signature(self, inputs, parameters, attributes):
        return ["(N, ...)"], []

    def check(self, inputs, parameters, attributes):
        checked = Op.check(self, inputs, parameters, attributes)
        if inputs[0][0] is None or inputs[0][0] > MAX_STEPS:
            raise ValueError(f"op 'split': the number of steps must be known and at most {MAX_STEPS}, got the shape "
                             f"{inputs[0]}")
        return checked

    def shapes(self, inputs, parameters, attributes):
        return [tuple(inputs[0][1:])] * inputs[0][0]

    def sizes(self, inputs, parameters, attributes):
        return inputs[0][0], math.prod(inputs[0][1:])


cdef class Stack(Op):
    """Inputs N times [(...)], output [y (N, ...)]."""

    def __cinit__(self):
        self.forward = [<Run> run_stack_forward[FloatCall], <Run> run_stack_forward[DoubleCall]]
        self.backward = [<Run> run_stack_backward[FloatCall], <Run> run_stack_backward[DoubleCall]]

    def signature(self, inputs, parameters, attributes):
        return ["(...)"] * max(1, len(inputs)), []

    def shapes(self, inputs, parameters, attributes):
        return [(len(inputs), *inputs[0])]

    def sizes(self, inputs, parameters, attributes):
        return len(inputs), math.prod(inputs[0])


# --- add -------------------------------------------------------------------------------------------------

cdef void add_forward(
        real* y,                                            # OUT (B * F)
        void** x,                                           # IN N times (B * F)
        Py_ssize_t size, Py_ssize_t N, Worker* worker) noexcept nogil:
    """y = x_0 + x_1 + ...   added in this order"""
    cdef Range part
    cdef Py_ssize_t n
    while claim(worker, size, GRAIN // 4, &part):
        memcpy(y + part.start, <const real*> x[0] + part.start, (part.stop - part.start) * sizeof(real))
        for n in range(1, N):
            simd(worker, y).axpy(y + part.start, <const real*> x[n] + part.start, <real> 1, part.stop - part.start)


cdef void add_backward(
        void** dx,                                          # OUT N times (B * F), any may be NULL
        const real* dy,                                     # IN (B * F)
        Py_ssize_t size, Py_ssize_t N, Worker* worker) noexcept nogil:
    """dx_n = dy"""
    cdef Range part
    cdef Py_ssize_t n
    while claim(worker, size, GRAIN // 4, &part):
        for n in range(N):
            if dx[n] != NULL:
                memcpy(<real*> dx[n] + part.start, dy + part.start, (part.stop - part.start) * sizeof(real))


cdef void run_add_forward(RealCall* call, Worker* worker) noexcept nogil:
    add_forward(call.outputs[0], <void**> call.inputs, call.rows * call.sizes[1], call.sizes[0], worker)


cdef void run_add_backward(RealCall* call, Worker* worker) noexcept nogil:
    add_backward(<void**> call.d_inputs, call.d_outputs[0], call.rows * call.sizes[1], call.sizes[0], worker)


cdef class Add(Op):
    """Inputs N times [(...)] of one shape, output [their sum (...)]."""

    def __cinit__(self):
        self.forward = [<Run> run_add_forward[FloatCall], <Run> run_add_forward[DoubleCall]]
        self.backward = [<Run> run_add_backward[FloatCall], <Run> run_add_backward[DoubleCall]]

    def signature(self, inputs, parameters, attributes):
        return ["(...)"] * max(1, len(inputs)), []

    def together(self, shape):
        return 1

    def sizes(self, inputs, parameters, attributes):
        return len(inputs), math.prod(inputs[0])

    def flops(self, sizes):
        return (sizes[0] - 1) * sizes[1]


# --- fan_out -------------------------------------------------------------------------------------------

cdef void fan_out_forward(
        void** y,                                           # OUT N times (B * F); the engine gives x itself
        const real* x,                                      # IN (B * F)
        Py_ssize_t size, Py_ssize_t N, Worker* worker) noexcept nogil:
    """y_n = x"""
    cdef Range part
    cdef Py_ssize_t n
    if y[0] == x:
        return
    while claim(worker, size, GRAIN // 4, &part):
        for n in range(N):
            memcpy(<real*> y[n] + part.start, x + part.start, (part.stop - part.start) * sizeof(real))


cdef void run_fan_out_forward(RealCall* call, Worker* worker) noexcept nogil:
    fan_out_forward(<void**> call.outputs, call.inputs[0], call.rows * call.sizes[1], call.sizes[0], worker)


cdef void run_fan_out_backward(RealCall* call, Worker* worker) noexcept nogil:
    """dx = sum_n dy_n, n ascending"""
    add_forward(call.d_inputs[0], <void**> call.d_outputs, call.rows * call.sizes[1], call.sizes[0], worker)


cdef class FanOut(Op):
    """Inputs [x (...)], outputs N times [x (...)], attribute n. Only the compiler inserts it."""

    def __cinit__(self):
        self.forward = [<Run> run_fan_out_forward[FloatCall], <Run> run_fan_out_forward[DoubleCall]]
        self.backward = [<Run> run_fan_out_backward[FloatCall], <Run> run_fan_out_backward[DoubleCall]]

    def for_layers(self):
        return False

    def options(self):
        return {"n": count}

    def required(self):
        return ("n",)

    def together(self, shape):
        return 1

    def shapes(self, inputs, parameters, attributes):
        return [tuple(inputs[0])] * attributes["n"]

    def sizes(self, inputs, parameters, attributes):
        return attributes["n"], math.prod(inputs[0])


repeat = Repeat("repeat")
split = Split("split")
stack = Stack("stack")
add = Add("add")
fan_out = FanOut("fan_out")
for op in (repeat, split, stack, add, fan_out):
    register(op)
