"""Tests that every recurrent kernel must pass: those of a cell are a subclass."""

import numpy as np
import pytest

from tests import oracles
from tests.numerics import assert_close, assert_same_bits, finite_differences, weighted_sum
from tinynn import kernels

SHAPES = (  # rows B, steps T, inputs I, hidden H
    (1, 1, 1, 1),
    (3, 5, 4, 7),
    (5, 2, 9, 8),
    (17, 3, 5, 16),
    (2, 4, 31, 33),
    (33, 2, 1, 15),
    (7, 3, 17, 9),
    (6, 3, 3, 65),
    (14, 2, 13, 31),
    (1, 30, 2, 6),
    (15, 2, 257, 5),
    (4, 2, 6, 128),
    (70, 5, 3, 9),  # in four groups of rows, as the next one
    (67, 1, 2, 11),
)


class RecurrentChecks:
    """Tests of one cell. Subclasses set the class attributes; `Test` classes are collected by pytest.

    Attributes
    ----------
    cell : str
        Name of the kernels, without ``_forward``.
    gates : int
        How many blocks of H columns the weights have.
    states : tuple of str
        Names of the initial states.
    bias_shape : callable
        Shape of the bias for H hidden units.
    options : dict
        Further arguments of both kernels.
    """

    cell = ""
    gates = 1
    states: tuple[str, ...] = ("h0",)
    options: dict[str, bool] = {}  # noqa: RUF012

    @staticmethod
    def bias_shape(hidden):
        return (hidden,)

    def make(self, rng, dtype, rows, steps, inputs, hidden, scale=1.0):
        """Arguments and a gradient dh for random input."""
        width = self.gates * hidden
        arguments = {
            "x": rng.normal(size=(rows, steps, inputs)),
            "w": rng.normal(size=(inputs, width)) / np.sqrt(inputs) * scale,
            "u": rng.normal(size=(hidden, width)) / np.sqrt(hidden) * scale,
            "b": rng.normal(size=self.bias_shape(hidden)),
            **{name: rng.normal(size=(rows, hidden)) for name in self.states},
        }
        arguments = {name: array.astype(dtype) for name, array in arguments.items()}
        return arguments, rng.normal(size=(rows, steps, hidden)).astype(dtype)

    def forward(self, **arguments):
        """The kernel's results as a tuple."""
        result = getattr(kernels, f"{self.cell}_forward")(**arguments, **self.options)
        return result if isinstance(result, tuple) else (result,)

    def backward(self, dh, **arguments):
        """The kernel's gradients by the name of the argument."""
        names = ("x", "w", "u", "b", *self.states)
        found = getattr(kernels, f"{self.cell}_backward")(dh, **arguments, **self.options)
        return dict(zip(names, found, strict=True))

    def expected_forward(self, **arguments):
        result = getattr(oracles, f"{self.cell}_forward")(**arguments, **self.options)
        return result if isinstance(result, tuple) else (result,)

    def expected_backward(self, dh, **arguments):
        names = ("x", "w", "u", "b", *self.states)
        found = getattr(oracles, f"{self.cell}_backward")(dh, **arguments, **self.options)
        return dict(zip(names, found, strict=True))

    def check(self, dh, arguments, dtype, factor=256.0):
        """Forward and backward against the oracle."""
        name = f"rows, steps, inputs = {arguments['x'].shape}, hidden = {dh.shape[-1]}"
        for got, expected in zip(self.forward(**arguments), self.expected_forward(**arguments), strict=True):
            assert_close(got, expected, dtype=dtype, factor=factor, name=name)
        got, expected = self.backward(dh, **arguments), self.expected_backward(dh, **arguments)
        for each in expected:
            assert_close(got[each], expected[each], dtype=dtype, factor=factor, name=f"d{each} at {name}")

    def test_equals_the_oracle_at_odd_sizes(self, dtype, rng):
        for shape in SHAPES:
            arguments, dh = self.make(rng, dtype, *shape)
            self.check(dh, arguments, dtype)

    def test_equals_the_oracle_with_lengths(self, dtype, rng):
        for rows, steps, inputs, hidden in SHAPES:
            arguments, dh = self.make(rng, dtype, rows, steps, inputs, hidden)
            lengths = rng.integers(1, steps, size=rows, endpoint=True)
            self.check(dh, {**arguments, "lengths": lengths}, dtype)

    def test_equals_the_oracle_where_the_input_of_two_groups_is_one_product(self, dtype, rng):
        """Weights of the state so large that their gradient packs both factors, in two blocks."""
        hidden = 320
        inputs = 65536 // (self.gates * hidden) + 1
        steps = 2 * (inputs + hidden) // 33 + 1
        arguments, dh = self.make(rng, dtype, 33, steps, inputs, hidden)
        self.check(dh, arguments, dtype, factor=1024.0)

    @pytest.mark.parametrize("lengths", [None, (4, 1, 3)])
    def test_backward_equals_finite_differences(self, lengths, rng):
        arguments, dh = self.make(rng, np.float64, 3, 4, 2, 3)
        lengths = None if lengths is None else np.array(lengths)
        got = self.backward(dh, **arguments, lengths=lengths)
        for name, array in arguments.items():

            def value(point, name=name):
                return weighted_sum(
                    self.expected_forward(**{**arguments, name: point}, lengths=lengths)[0], dh
                )

            expected = finite_differences(value, array)
            np.testing.assert_allclose(got[name], expected, rtol=1e-9, atol=1e-10, err_msg=name)

    @pytest.mark.parametrize("rows", [5, 70])
    def test_absent_bias_and_states_are_zeros(self, rows, dtype, rng):
        arguments, dh = self.make(rng, dtype, rows, 3, 4, 9)
        zeros = {name: np.zeros_like(arguments[name]) for name in ("b", *self.states)}
        bare = {name: arguments[name] for name in ("x", "w", "u")}
        for got, expected in zip(self.forward(**bare), self.forward(**bare, **zeros), strict=True):
            np.testing.assert_array_equal(got, expected)
        got, expected = self.backward(dh, **bare), self.backward(dh, **bare, **zeros)
        for name in expected:
            np.testing.assert_array_equal(got[name], expected[name], err_msg=name)

    def test_a_shorter_row_is_a_shorter_run_repeated(self, dtype, rng):
        arguments, _ = self.make(rng, dtype, 4, 6, 3, 7)
        lengths = np.array([6, 1, 4, 2])
        results = self.forward(**arguments, lengths=lengths)
        for row, length in enumerate(lengths):
            alone = {
                name: array[row : row + 1] for name, array in arguments.items() if name in ("x", *self.states)
            }
            alone["x"] = alone["x"][:, :length]
            for got, expected in zip(results, self.forward(**{**arguments, **alone}), strict=True):
                assert_same_bits(got[row, :length], expected[0], f"row {row}")
                for step in range(length, 6):
                    assert_same_bits(got[row, step], got[row, length - 1], f"row {row}, step {step}")

    def test_padding_is_never_read(self, dtype, rng):
        arguments, dh = self.make(rng, dtype, 4, 6, 3, 7)
        lengths = np.array([6, 1, 4, 2])
        padding = np.arange(6) >= lengths[:, None]
        forward = self.forward(**arguments, lengths=lengths)
        backward = self.backward(dh, **arguments, lengths=lengths)
        assert not backward["x"][padding].any()
        other = {**arguments, "x": np.where(padding[..., None], dtype.type(1e4), arguments["x"])}
        for got, expected in zip(self.forward(**other, lengths=lengths), forward, strict=True):
            assert_same_bits(got, expected)
        for name, got in self.backward(dh, **other, lengths=lengths).items():
            assert_same_bits(got, backward[name], name)

    def test_full_lengths_change_nothing(self, dtype, rng):
        arguments, dh = self.make(rng, dtype, 4, 3, 3, 7)
        for kind in (np.int32, np.int64):
            lengths = np.full(4, 3, dtype=kind)
            for got, expected in zip(
                self.forward(**arguments, lengths=lengths), self.forward(**arguments), strict=True
            ):
                assert_same_bits(got, expected)
            got, expected = self.backward(dh, **arguments, lengths=lengths), self.backward(dh, **arguments)
            for name in expected:
                assert_same_bits(got[name], expected[name], name)

    def test_bits_of_a_row_do_not_depend_on_the_batch(self, dtype, rng):
        arguments, dh = self.make(rng, dtype, 31, 4, 9, 17)
        per_row = ("x", *self.states)
        forward, backward = self.forward(**arguments), self.backward(dh, **arguments)
        for first, last in ((0, 1), (1, 8), (8, 31), (30, 31)):
            part = slice(first, last)
            some = {name: array[part] if name in per_row else array for name, array in arguments.items()}
            for got, expected in zip(self.forward(**some), forward, strict=True):
                assert_same_bits(got, expected[part], f"rows {first}:{last}")
            got = self.backward(dh[part], **some)
            for name in per_row:
                assert_same_bits(got[name], backward[name][part], f"d{name}, rows {first}:{last}")

    def test_a_run_may_be_cut_in_two(self, dtype, rng):
        arguments, _ = self.make(rng, dtype, 5, 7, 3, 9)
        whole = self.forward(**arguments)
        first = self.forward(**{**arguments, "x": arguments["x"][:, :4]})
        states = dict(zip(self.states, (result[:, -1] for result in first), strict=True))
        second = self.forward(**{**arguments, "x": arguments["x"][:, 4:], **states})
        for together, one, two in zip(whole, first, second, strict=True):
            expected = together.astype(np.float64)
            assert_close(np.concatenate([one, two], axis=1), expected, dtype=dtype, factor=16)

    def test_huge_input_saturates_and_stays_finite(self, dtype, rng):
        for signs in (1.0, -1.0):
            arguments, dh = self.make(rng, dtype, 6, 5, 3, 9)
            arguments["x"] = np.full_like(arguments["x"], signs * 1e4)
            arguments["w"] *= dtype.type(10)
            for result in self.forward(**arguments):
                assert np.isfinite(result).all()
            for name, gradient in self.backward(dh, **arguments).items():
                assert np.isfinite(gradient).all(), name
            assert_close(
                self.forward(**arguments)[0], self.expected_forward(**arguments)[0], dtype=dtype, scale=1.0
            )

    def test_many_steps(self, dtype, rng):
        arguments, dh = self.make(rng, dtype, 2, 200, 2, 5, scale=0.5)
        self.check(dh, arguments, dtype, factor=1024)

    def test_nan_stays_in_its_row_and_is_not_hidden(self, dtype, rng):
        arguments, dh = self.make(rng, dtype, 9, 4, 3, 5)
        clean = self.forward(**arguments)
        clean_dx = self.backward(dh, **arguments)["x"]
        arguments["x"][4, 2, 1] = np.nan
        for got, expected in zip(self.forward(**arguments), clean, strict=True):
            assert np.isnan(got[4, 2:]).all()
            assert_same_bits(got[4, :2], expected[4, :2])
            assert_same_bits(np.delete(got, 4, axis=0), np.delete(expected, 4, axis=0))
        dx = self.backward(dh, **arguments)["x"]
        assert np.isnan(dx[4]).any()
        assert_same_bits(np.delete(dx, 4, axis=0), np.delete(clean_dx, 4, axis=0))
