"""Ops and their registry. A kernel file defines a subclass of `Op` and registers one instance by name."""

import math

import numpy as np

cimport numpy as cnp

from tinynn.kernels._signatures import check_arrays, check_attributes, flag

from libc.string cimport memset

from tinynn.kernels.machine cimport Solo

cnp.import_array()

cdef enum: MAX_ARRAYS = 16

registered: dict = {}
# (loss, names of the ops before it) -> the op that does all of them at once, in a stable form.
fusions: dict = {}


def register(op) -> None:
    """Make an op or an optimizer's rule known under its name."""
    if op.name in registered:
        raise ValueError(f"register: {op.name!r} exists already")
    registered[op.name] = op


def register_fusion(loss, tail, fused) -> None:
    """Let the plan's compiler replace the ops named in ``tail`` followed by ``loss`` with the op ``fused``.

    A loss op has the inputs [prediction, target] and the outputs [loss of each row, prediction]; a loss that fuses
    no other op has the first output only. Its backward pass multiplies by the gradient of each row's loss.
    """
    fusions[loss, tuple(tail)] = fused


cdef class Op:
    """The rules of one op. Shapes are those of one row (without the batch axis); None is a size not yet known."""

    def __init__(self, name):
        self.name = name

    def shapes(self, inputs, parameters, attributes) -> list:
        """The shapes of the outputs; here: one output, shaped as the first input."""
        return [tuple(inputs[0])]

    def signature(self, inputs, parameters, attributes) -> tuple:
        """Patterns of the inputs' and the parameters' shapes, see `_signatures`; here: one input of any shape."""
        return ["(...)"], []

    def options(self) -> dict:
        """The attributes it takes, and how each is checked; here: none."""
        return {}

    def required(self) -> tuple:
        """The attributes that must be given."""
        return ()

    def check(self, inputs, parameters, attributes) -> dict:
        """The attributes in the form that the op reads; ValueError or TypeError if something does not fit."""
        checked = check_attributes(self.name, self.options(), self.required(), attributes)
        wanted = self.signature(inputs, parameters, checked)
        check_arrays(self.name, tuple(map(tuple, wanted)), tuple(map(tuple, inputs)),
                     tuple([None if shape is None else tuple(shape) for shape in parameters]))
        return checked

    def for_layers(self) -> bool:
        """Whether a layer may use it. Losses and metrics read targets, which the engine alone has checked."""
        return True

    def together(self, shape) -> int:
        """How many neighbouring numbers of a row belong together, because it computes with all of them; here: all."""
        return math.prod(shape)

    def leaves_out(self) -> bool:
        """Whether it leaves out items that a sample lacks, given the attribute `counted`: see `item_counts`."""
        return False

    def sizes(self, inputs, parameters, attributes) -> tuple:
        """The whole numbers that the kernel finds in ``call.sizes``, in its order."""
        return ()

    def scalars(self, attributes) -> tuple:
        """The real numbers that the kernel finds in ``call.scalars``."""
        return ()

    def workspace(self, sizes) -> tuple:
        """How many numbers to keep from forward to backward: (per call, per row)."""
        return 0, 0

    def temporary(self, sizes) -> tuple:
        """How many numbers the kernel may use while it runs: (per call, per row)."""
        return 0, 0

    def flops(self, sizes) -> int:
        """Floating-point operations of the forward pass per row; they decide how many threads a plan uses."""
        return 0

    def keeps_statistics(self) -> bool:
        """Whether its backward pass changes parameters itself, and must run even if nothing upstream is trainable."""
        return False

    def activations(self) -> dict:
        """The activations that it can apply to its output itself: name of their op -> attributes to set."""
        return {}


cdef class TargetOp(Op):
    """A loss or a metric: inputs [prediction (..., K), target], first output a number of each row (...,).

    Attribute sparse: the target is int64 labels (...,), else it is (..., K).
    """

    def signature(self, inputs, parameters, attributes):
        return ["(..., K)", "(...)" if attributes.get("sparse", False) else "(..., K)"], []

    def options(self):
        return {"sparse": flag}

    def for_layers(self):
        return False

    def together(self, shape):
        return shape[-1]

    def sizes(self, inputs, parameters, attributes):
        return math.prod(inputs[0][:-1]), inputs[0][-1], int(attributes.get("sparse", False))


cdef class Rule:
    """An optimizer's update rule."""

    def __init__(self, name):
        self.name = name

    def configuration(self, **options) -> tuple:
        """The options as the numbers that Prepare reads."""
        return ()

    def states(self, configuration) -> tuple:
        """Names of the state vectors, in the order in which Update takes them."""
        return ()

    def decays(self, configuration) -> bool:
        """Whether weight decay applies, so that decayed parameters need other scalars than the rest."""
        return False


cdef void* pointer(array) except? NULL:
    return NULL if array is None else cnp.PyArray_DATA(array)


def rows_first(arrays) -> list:
    return [None if array is None else tuple(array.shape[1:]) for array in arrays]


class OpRun:
    """One op run by hand on arrays, on the calling thread: what the public kernel functions are made of.

    Parameters
    ----------
    op : Op
        The op.
    inputs : list of ndarray
        Each (rows, ...), C-contiguous, of one dtype (targets of a loss apart).
    parameters : list of ndarray or None
        The op's parameters, C-contiguous.
    **attributes
        The op's attributes.
    """

    def __init__(self, Op op, inputs, parameters=(), **attributes):
        cdef tuple shape
        self.op = op
        self.inputs = list(inputs)
        self.parameters = list(parameters)
        self.rows = self.inputs[0].shape[0]
        self.dtype = self.inputs[0].dtype
        input_shapes = rows_first(self.inputs)
        parameter_shapes = [None if p is None else p.shape for p in self.parameters]
        self.sizes = tuple(op.sizes(input_shapes, parameter_shapes, attributes))
        self.scalars = tuple(op.scalars(attributes))
        self.outputs = [np.empty((self.rows, *shape), self.dtype)
                        for shape in op.shapes(input_shapes, parameter_shapes, attributes)]
        self.moment = 0, 0, 0  # key, epoch and step, of which random ops are functions
        self.workspace = self._numbers(op.workspace(self.sizes))
        self.temporary = self._numbers(op.temporary(self.sizes))

    def _numbers(self, counts):
        fixed, per_row = counts
        return np.empty(fixed + per_row * self.rows + 1, self.dtype)

    def forward(self) -> list:
        """Run forward; returns the outputs."""
        self._run(True, [], [], [])
        return self.outputs

    def backward(self, d_outputs, needs_inputs=True) -> tuple:
        """Run backward after forward; returns the gradients (of the inputs, of the parameters)."""
        d_outputs = [None if d is None else d.copy() for d in d_outputs]
        d_inputs = [np.empty_like(x) if x.dtype == self.dtype and needs_inputs else None for x in self.inputs]
        d_parameters = [None if p is None else np.empty_like(p) for p in self.parameters]
        self._run(False, d_outputs, d_inputs, d_parameters)
        return d_inputs, d_parameters

    def _run(self, forward, d_outputs, d_inputs, d_parameters):
        cdef void* pointers[6][MAX_ARRAYS]
        cdef Py_ssize_t sizes[MAX_SIZES]
        cdef double scalars[MAX_SIZES]
        cdef Call call
        cdef Step step
        cdef Solo solo = Solo()
        cdef Op op = self.op
        cdef Run run
        cdef int dtype
        memset(&call, 0, sizeof(Call))
        memset(&step, 0, sizeof(Step))
        step.key, step.epoch, step.step = self.moment
        memset(pointers, 0, sizeof(pointers))
        if max(len(self.inputs), len(self.outputs), len(self.parameters)) > MAX_ARRAYS:
            raise ValueError(f"{op.name}: by hand, an op runs on at most {MAX_ARRAYS} arrays of a kind")
        for row, arrays in enumerate((self.inputs, d_inputs, self.outputs, d_outputs, self.parameters, d_parameters)):
            for column, array in enumerate(arrays):
                pointers[<int>row][<int>column] = pointer(array)
        for column, size in enumerate(self.sizes):
            sizes[<int>column] = size
        for column, scalar in enumerate(self.scalars):
            scalars[<int>column] = scalar
        call.rows = self.rows
        call.sizes = sizes
        call.scalars = scalars
        call.inputs, call.d_inputs = pointers[0], pointers[1]
        call.outputs, call.d_outputs = pointers[2], pointers[3]
        call.parameters, call.d_parameters = pointers[4], pointers[5]
        call.workspace = pointer(self.workspace)
        call.temporary = pointer(self.temporary)
        call.step = &step
        dtype = 1 if self.dtype == np.float64 else 0
        run = op.forward[dtype] if forward else op.backward[dtype]
        with nogil:
            run(&call, &solo.worker)
