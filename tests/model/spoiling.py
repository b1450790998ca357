"""Kernels made wrong on purpose: what an op's backward pass wrote, changed."""

import ctypes
from contextlib import contextmanager

import numpy as np

from tinynn.kernels import op as ops


class Call(ctypes.Structure):
    """The head of the engine's Call: see kernels/op.pxd."""

    _fields_ = [("rows", ctypes.c_ssize_t)] + [
        (name, ctypes.POINTER(ctypes.c_void_p))
        for name in "sizes scalars inputs d_inputs outputs d_outputs parameters d_parameters".split()
    ]


RUN = ctypes.CFUNCTYPE(None, ctypes.POINTER(Call), ctypes.c_void_p)


def backward_in_float64(op):
    """Where an Op keeps the address of its backward pass: the last of its fields name, forward[2], backward[2]."""
    assert ctypes.c_void_p.from_address(id(op) + object.__basicsize__).value == id(op.name)
    return ctypes.c_void_p.from_address(id(op) + ops.Op.__basicsize__ - ctypes.sizeof(ctypes.c_void_p))


def all_by_a_hundredth(gradient):
    gradient *= 1.01


def one_by_a_tenth(gradient):
    gradient[np.argmax(abs(gradient))] *= 1.1


def spoiled(op, what, number, size, spoil):
    """Make the op write a wrong gradient: `size` is that of a parameter, or of a row of an input."""

    def then(call):
        gradient = getattr(call, what)[number]
        if gradient:
            count = size * (call.rows if what == "d_inputs" else 1)
            spoil(np.ctypeslib.as_array((ctypes.c_double * count).from_address(gradient)))

    return followed(op, then)


@contextmanager
def followed(op, then):
    """Let a function look at each call of the op's backward pass when it is done."""
    address = backward_in_float64(op)
    original = address.value
    run = RUN(original)

    def run_and_then(call, worker):
        run(call, worker)
        then(call.contents)

    kept = RUN(run_and_then)
    address.value = ctypes.cast(kept, ctypes.c_void_p).value
    try:
        yield
    finally:
        address.value = original
