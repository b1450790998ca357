"""The recurrent ops as layers use them: the last state or all, states as outputs, unused outputs."""

import itertools

import numpy as np
import pytest

from tests.numerics import assert_same_bits
from tinynn import kernels
from tinynn.kernels.op import OpRun, registered

ROWS, STEPS, INPUTS, HIDDEN = 5, 4, 3, 7
CELLS = {
    "rnn": ("rnn", 1, 1, (HIDDEN,), {}),
    "lstm": ("lstm", 4, 2, (4 * HIDDEN,), {}),
    "gru": ("gru", 3, 1, (2, 3 * HIDDEN), {"reset_after": True}),
    "gru-before": ("gru", 3, 1, (3 * HIDDEN,), {"reset_after": False}),
}
every_cell = pytest.mark.parametrize("cell", CELLS)
FLAGS = list(itertools.product((False, True), repeat=4))


def make(rng, cell, sequences, state, initial, with_lengths):
    """A run of the op, and all h (and c) that the public function gives for the same arguments."""
    name, gates, states, bias_shape, options = CELLS[cell]
    x = rng.normal(size=(ROWS, STEPS, INPUTS))
    parameters = [
        rng.normal(size=(INPUTS, gates * HIDDEN)),
        rng.normal(size=(HIDDEN, gates * HIDDEN)) / 2,
        rng.normal(size=bias_shape),
    ]
    first = [rng.normal(size=(ROWS, HIDDEN)) for _ in range(states)] if initial else []
    lengths = np.array([4, 1, 2, 3, 4]) if with_lengths else None
    named = dict(zip(("h0", "c0"), first, strict=False))
    every = getattr(kernels, f"{name}_forward")(x, *parameters, **named, lengths=lengths, **options)
    run = OpRun(
        registered[name],
        [x, *first, *([lengths] if with_lengths else [])],
        parameters,
        return_sequences=sequences,
        return_state=state,
        initial_state=initial,
        lengths=with_lengths,
        **options,
    )
    return run, every if isinstance(every, tuple) else (every,)


@every_cell
@pytest.mark.parametrize("inputs", [3, 2100])
def test_a_row_has_the_same_bits_in_a_batch_of_any_size(cell, inputs, dtype, rng):
    """Many rows and few inputs: the input's part is computed step by step; few rows or many inputs: all at once."""
    name, gates, _, bias_shape, options = CELLS[cell]
    shapes = (40, STEPS, inputs), (inputs, gates * HIDDEN), (HIDDEN, gates * HIDDEN), bias_shape
    x, w, u, b = ((rng.normal(size=shape) / 8).astype(dtype) for shape in shapes)
    forward = getattr(kernels, f"{name}_forward")
    whole = forward(x, w, u, b, **options)
    for first, last in ((0, 1), (1, 8), (8, 23), (8, 24), (23, 40)):
        part = forward(x[first:last], w, u, b, **options)
        pairs = zip(part, whole, strict=True) if isinstance(whole, tuple) else [(part, whole)]
        for got, wanted in pairs:
            assert_same_bits(got, wanted[first:last].copy(), f"rows {first}:{last}")


@every_cell
@pytest.mark.parametrize("flags", FLAGS)
def test_outputs_are_parts_of_all_states(cell, flags, rng):
    run, every = make(rng, cell, *flags)
    sequences, state = flags[:2]
    expected = [every[0] if sequences else every[0][:, -1]]
    if state:
        expected += [each[:, -1] for each in every]
    for got, wanted in zip(run.forward(), expected, strict=True):
        assert_same_bits(got, np.ascontiguousarray(wanted))


@every_cell
@pytest.mark.parametrize("flags", FLAGS)
def test_gradients_of_any_outputs_equal_finite_differences(cell, flags, rng):
    run, _ = make(rng, cell, *flags)
    outputs = [each.copy() for each in run.forward()]
    for used in itertools.product((False, True), repeat=len(outputs)):
        d_outputs = [
            rng.normal(size=y.shape) if each else None for y, each in zip(outputs, used, strict=True)
        ]
        run.forward()
        d_inputs, d_parameters = run.backward(d_outputs)

        def value(d_outputs=d_outputs):
            return sum((d * y).sum() for d, y in zip(d_outputs, run.forward(), strict=True) if d is not None)

        arrays, gradients = [*run.inputs, *run.parameters], [*d_inputs, *d_parameters]
        for array, gradient in zip(arrays, gradients, strict=True):
            if gradient is None:
                assert array.dtype == np.int64
                continue
            direction, before, step = rng.normal(size=array.shape), array.copy(), 1e-6
            array[...] = before + step * direction
            above = value()
            array[...] = before - step * direction
            slope = (above - value()) / (2 * step)
            array[...] = before
            np.testing.assert_allclose((gradient * direction).sum(), slope, rtol=1e-6, atol=1e-7)


@every_cell
def test_gradients_of_the_parameters_are_the_same_without_those_of_the_inputs(cell, rng):
    for flags in FLAGS:
        run, _ = make(rng, cell, *flags)
        ones = [np.ones_like(y) for y in run.forward()]
        _, expected = run.backward(ones)
        run.forward()
        d_inputs, got = run.backward(ones, needs_inputs=False)
        assert not any(each is not None for each in d_inputs)
        for one, other in zip(got, expected, strict=True):
            assert_same_bits(one, other)


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("linear", lambda z: z),
        ("relu", lambda z: np.maximum(z, 0)),
        ("sigmoid", lambda z: 1 / (1 + np.exp(-z))),
        ("tanh", np.tanh),
    ],
)
def test_activations_of_the_simple_network(name, function, rng):
    x = rng.normal(size=(ROWS, STEPS, INPUTS))
    w, u = rng.normal(size=(INPUTS, HIDDEN)), rng.normal(size=(HIDDEN, HIDDEN)) / 2
    b = rng.normal(size=HIDDEN)
    run = OpRun(registered["rnn"], [x], [w, u, b], return_sequences=True, activation=name)
    h, state = run.forward()[0], np.zeros((ROWS, HIDDEN))
    for t in range(STEPS):
        state = function(x[:, t] @ w + state @ u + b)
        np.testing.assert_allclose(h[:, t], state, rtol=1e-12, atol=1e-13)
