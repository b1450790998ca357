"""Ops written in Python: forward and backward with NumPy, called with the GIL held."""

import numpy as np

cimport numpy as cnp

from libc.stdint cimport uintptr_t

from tinynn.kernels.machine cimport Range, Worker, claim
from tinynn.kernels.op cimport Call, Op

from tinynn.kernels.op import register

cnp.import_array()


class PythonFunction:
    """The Python functions of a layer or a loss, and the shapes of their arguments.

    Parameters
    ----------
    forward : callable
        ``(*inputs, *parameters) -> output``; the first axis of inputs and output is the rows.
    backward : callable
        ``(d_output, *inputs, output, *parameters) -> (d_input, ..., d_parameter, ...)``.
    input_shapes, parameter_shapes : list of tuple
        Shapes; those of the inputs without the rows.
    output_shape : tuple
        Shape of one row of the output.
    name : str
        For error messages.
    integer_inputs : tuple of int
        Which inputs are int64 (labels).
    """

    def __init__(self, forward, backward, input_shapes, parameter_shapes, output_shape, name, integer_inputs=()):
        self.forward = forward
        self.backward = backward
        self.input_shapes = input_shapes
        self.parameter_shapes = parameter_shapes
        self.output_shape = output_shape
        self.name = name
        self.integer_inputs = integer_inputs
        self.errors = {}  # by the address of the call's `failed`, because several threads may call at once


cdef object view(void* data, tuple shape, int kind):
    """An array that refers to memory it does not own; None for NULL."""
    cdef cnp.npy_intp dimensions[32]
    cdef int axis
    if data == NULL:
        return None
    for axis in range(len(shape)):
        dimensions[axis] = shape[axis]
    return cnp.PyArray_SimpleNewFromData(len(shape), dimensions, kind, data)


cdef list views(void** data, list shapes, int kind, tuple integers=()):
    return [view(data[<int> i], tuple(shape), cnp.NPY_INT64 if i in integers else kind)
            for i, shape in enumerate(shapes)]


def write(to, value, what, name, bint add=False) -> None:
    """Copy the value that a function returned into an array, or add it; the array is None if it is not needed."""
    if to is None:
        return
    value = np.asarray(value)
    if value.shape != to.shape:
        raise ValueError(f"{name}: {what} must have shape {to.shape}, got {value.shape}")
    if value.dtype.kind not in "biuf":
        raise TypeError(f"{name}: {what} must be real numbers, got dtype {value.dtype}")
    if add:
        to += value
    else:
        to[...] = value


cdef void call_forward(Call* call, int kind) noexcept with gil:
    function = <object> call.python
    try:
        rows = call.rows
        inputs = views(call.inputs, [(rows, *s) for s in function.input_shapes], kind, function.integer_inputs)
        parameters = views(call.parameters, function.parameter_shapes, kind)
        output = view(call.outputs[0], (rows, *function.output_shape), kind)
        write(output, function.forward(*inputs, *parameters), "the result of forward", function.name)
    except BaseException as error:
        function.errors[<uintptr_t> call.failed] = error
        call.failed[0] = 1


cdef void call_backward(Call* call, int kind, bint loss) noexcept with gil:
    function = <object> call.python
    try:
        rows = call.rows
        shapes = [(rows, *s) for s in function.input_shapes]
        inputs = views(call.inputs, shapes, kind, function.integer_inputs)
        parameters = views(call.parameters, function.parameter_shapes, kind)
        output = view(call.outputs[0], (rows, *function.output_shape), kind)
        d_output = view(call.d_outputs[0], (rows, *function.output_shape), kind)
        d_inputs = views(call.d_inputs, shapes, kind)
        d_parameters = views(call.d_parameters, function.parameter_shapes, kind)
        if loss:
            gradient = np.asarray(function.backward(*inputs))
            write(d_inputs[0], gradient * d_output[..., None], "the result of backward", function.name)
            return
        gradients = function.backward(d_output, *inputs, output, *parameters)
        if not isinstance(gradients, tuple):
            gradients = (gradients,)
        expected = len(inputs) + len(parameters)
        if len(gradients) != expected:
            raise ValueError(f"{function.name}: backward must return {expected} arrays, got {len(gradients)}; return "
                             "the gradient of the input, then that of each parameter")
        for number, (to, gradient) in enumerate(zip(d_inputs + d_parameters, gradients)):
            write(to, gradient, f"gradient {number} from backward", function.name,
                  call.accumulate and number >= len(inputs))
    except BaseException as error:
        function.errors[<uintptr_t> call.failed] = error
        call.failed[0] = 1


cdef void run_forward(Call* call, Worker* worker, int kind) noexcept nogil:
    cdef Range part
    while claim(worker, 1, 1, &part):
        if not call.failed[0]:
            call_forward(call, kind)


cdef void run_backward(Call* call, Worker* worker, int kind, bint loss) noexcept nogil:
    cdef Range part
    while claim(worker, 1, 1, &part):
        if not call.failed[0]:
            call_backward(call, kind, loss)


cdef void forward_float(Call* call, Worker* worker) noexcept nogil:
    run_forward(call, worker, cnp.NPY_FLOAT)


cdef void forward_double(Call* call, Worker* worker) noexcept nogil:
    run_forward(call, worker, cnp.NPY_DOUBLE)


cdef void backward_float(Call* call, Worker* worker) noexcept nogil:
    run_backward(call, worker, cnp.NPY_FLOAT, False)


cdef void backward_double(Call* call, Worker* worker) noexcept nogil:
    run_backward(call, worker, cnp.NPY_DOUBLE, False)


cdef void loss_backward_float(Call* call, Worker* worker) noexcept nogil:
    run_backward(call, worker, cnp.NPY_FLOAT, True)


cdef void loss_backward_double(Call* call, Worker* worker) noexcept nogil:
    run_backward(call, worker, cnp.NPY_DOUBLE, True)


cdef class PythonOp(Op):
    """A layer in Python; attribute shape: that of one row of the output."""

    def __cinit__(self):
        self.forward = [forward_float, forward_double]
        self.backward = [backward_float, backward_double]

    def for_layers(self):
        return False

    def shapes(self, inputs, parameters, attributes):
        return [tuple(attributes["shape"])]


cdef class PythonLossOp(PythonOp):
    """A loss or metric in Python: one number for each row of the prediction."""

    def __cinit__(self):
        self.backward = [loss_backward_float, loss_backward_double]

    def shapes(self, inputs, parameters, attributes):
        return [tuple(inputs[0][:-1])]


register(PythonOp("python"))
register(PythonLossOp("python_loss"))
