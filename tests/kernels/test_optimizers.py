"""Optimizers: many steps against Keras 3's formulas in float64, element by element and in place."""

import numpy as np
import pytest

from tests import oracles
from tests.numerics import ODD_SIZES, assert_close, assert_same_bits
from tinynn import kernels

# name, state vectors, options
UPDATES = {
    "sgd": ("sgd_update", (), {}),
    "momentum": ("sgd_update", ("velocity",), {"momentum": 0.9}),
    "nesterov": ("sgd_update", ("velocity",), {"momentum": 0.9, "nesterov": True}),
    "adam": ("adam_update", ("m", "v"), {}),
    "adam-options": ("adam_update", ("m", "v"), {"beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-3}),
    "adamw": ("adam_update", ("m", "v"), {"weight_decay": 0.05}),
    "rmsprop": ("rmsprop_update", ("v",), {}),
    "rmsprop-options": ("rmsprop_update", ("v",), {"rho": 0.8, "epsilon": 1e-3}),
    "rmsprop-momentum": ("rmsprop_update", ("v", "velocity"), {"momentum": 0.5}),
}
every_update = pytest.mark.parametrize("update", UPDATES)


def run(update, module, vectors, step, learning_rate):
    """One step in place on ``w, dw, *state`` by name; an oracle's new vectors are put in their place."""
    kernel, _, options = UPDATES[update]
    arguments = dict(vectors)
    if kernel != "adam_update":
        arguments.setdefault("velocity", None)
    else:
        arguments["step"] = step
    result = getattr(module, kernel)(**arguments, learning_rate=learning_rate, **options)
    if module is oracles:
        names = {"sgd_update": ("w", "velocity"), "adam_update": ("w", "m", "v")}
        for name, new in zip(names.get(kernel, ("w", "v", "velocity")), result, strict=True):
            if name in vectors:
                vectors[name] = new


def start(update, size, rng, dtype):
    vectors = {"w": rng.normal(size=size).astype(dtype)}
    for name in UPDATES[update][1]:
        vectors[name] = np.zeros(size, dtype)
    return vectors


@every_update
def test_ten_steps_equal_the_oracle(update, dtype, rng):
    for size in ODD_SIZES:
        got = start(update, size, rng, dtype)
        expected = {name: vector.astype(np.float64) for name, vector in got.items()}
        for step in range(1, 11):
            got["dw"] = rng.normal(size=size).astype(dtype)
            expected["dw"] = got["dw"].astype(np.float64)
            run(update, kernels, got, step, 0.01 / step)
            run(update, oracles, expected, step, 0.01 / step)
        for name in ("w", *UPDATES[update][1]):
            # The errors of ten steps add up, each a rounding of the largest value that the element took.
            scale = np.abs(expected[name]) + 1.0
            message = f"{name} of {size}"
            assert_close(got[name], expected[name], dtype=dtype, factor=16, scale=scale, name=message)


@every_update
def test_gradient_is_not_changed_and_vectors_are_changed_in_place(update, dtype, rng):
    vectors = start(update, 37, rng, dtype)
    vectors["dw"] = rng.normal(size=37).astype(dtype)
    before = {name: vector.copy() for name, vector in vectors.items()}
    run(update, kernels, vectors, 1, 0.01)
    assert_same_bits(vectors["dw"], before["dw"])
    for name in ("w", *UPDATES[update][1]):
        assert (vectors[name] != before[name]).all(), name


@every_update
def test_bits_of_an_element_do_not_depend_on_its_place(update, dtype, rng):
    vectors = start(update, 300, rng, dtype)
    vectors["dw"] = rng.normal(size=300).astype(dtype)
    parts = {name: vector.copy() for name, vector in vectors.items()}
    for step in (1, 2, 3):
        run(update, kernels, vectors, step, 0.01)
        for first, last in ((0, 1), (1, 34), (34, 299), (299, 300)):
            part = {name: vector[first:last] for name, vector in parts.items()}
            run(update, kernels, part, step, 0.01)
    for name, vector in vectors.items():
        assert_same_bits(parts[name], vector, name)


@every_update
def test_no_gradient_from_rest_changes_nothing(update, dtype, rng):
    if "weight_decay" in UPDATES[update][2]:
        pytest.skip("weight decay shrinks weights without a gradient")
    vectors = start(update, 21, rng, dtype)
    vectors["dw"] = np.zeros(21, dtype)
    before = vectors["w"].copy()
    for step in (1, 2):
        run(update, kernels, vectors, step, 0.01)
    assert_same_bits(vectors["w"], before)


@every_update
def test_learning_rate_zero_changes_no_weight(update, dtype, rng):
    vectors = start(update, 21, rng, dtype)
    vectors["dw"] = rng.normal(size=21).astype(dtype)
    before = vectors["w"].copy()
    run(update, kernels, vectors, 1, 0.0)
    assert_same_bits(vectors["w"], before)


@every_update
def test_nan_and_infinite_gradients_stay_in_their_element(update, dtype, rng):
    vectors = start(update, 40, rng, dtype)
    vectors["dw"] = rng.normal(size=40).astype(dtype)
    vectors["dw"][[3, 38]] = np.nan, np.inf
    run(update, kernels, vectors, 1, 0.01)
    np.testing.assert_array_equal(np.flatnonzero(~np.isfinite(vectors["w"])), [3, 38])


@pytest.mark.parametrize("step", [1, 2, 1000, 10**6, 2**40])
def test_adam_correction_of_early_and_late_steps(step, dtype, rng):
    w, dw, m = rng.normal(size=(3, 15)).astype(dtype)
    v = rng.uniform(size=15).astype(dtype)
    expected = oracles.adam_update(w, dw, m, v, step, 0.1)
    kernels.adam_update(w, dw, m, v, step, 0.1)
    for name, got, wanted in zip(("w", "m", "v"), (w, m, v), expected, strict=True):
        assert_close(got, wanted, dtype=dtype, factor=16, scale=1 + np.abs(wanted), name=name)


def test_first_step_of_adam_has_the_size_of_the_learning_rate(dtype):
    # m / sqrt(v) with both corrections is the sign of the gradient, up to epsilon.
    w, dw = np.zeros(3, dtype), np.array([5.0, -0.01, 1e3], dtype)
    kernels.adam_update(w, dw, np.zeros(3, dtype), np.zeros(3, dtype), 1, 0.125)
    np.testing.assert_allclose(w, [-0.125, 0.125, -0.125], rtol=1e-3)


def test_weight_decay_comes_before_the_step_and_not_through_the_moments(dtype):
    w, zero = np.array([2.0, -4.0], dtype), np.zeros(2, dtype)
    m, v = np.zeros(2, dtype), np.zeros(2, dtype)
    kernels.adam_update(w, zero, m, v, 1, 0.5, weight_decay=0.25)
    np.testing.assert_allclose(w, [2.0 * 0.875, -4.0 * 0.875], rtol=1e-6)
    assert not m.any()
    assert not v.any()


def test_tiny_gradients(dtype):
    # The square of 1e-30 underflows in float32; the step must stay finite and harmless.
    for update in ("adam", "rmsprop"):
        vectors = {**start(update, 5, np.random.default_rng(0), dtype), "w": np.ones(5, dtype)}
        vectors["dw"] = np.full(5, 1e-30, dtype)
        run(update, kernels, vectors, 1, 0.1)
        np.testing.assert_allclose(vectors["w"], 1.0, rtol=1e-6)


@pytest.mark.parametrize("nesterov", [False, True])
def test_momentum_without_velocity_is_refused(nesterov, dtype):
    w, dw = np.zeros(3, dtype), np.zeros(3, dtype)
    with pytest.raises(ValueError, match="sgd_update: velocity must be an array with momentum 0.9, got None"):
        kernels.sgd_update(w, dw, None, 0.1, momentum=0.9, nesterov=nesterov)
    with pytest.raises(ValueError, match="rmsprop_update: velocity must be an array with momentum 0.9, got None"):
        kernels.rmsprop_update(w, dw, np.zeros(3, dtype), None, 0.1, momentum=0.9)


def test_what_is_no_number_or_cannot_be_changed_in_place_is_refused(dtype):
    w, dw, m, v = (np.zeros(3, dtype) for _ in range(4))
    with pytest.raises(TypeError, match=r"adam_update: step must be a whole number, got 1\.5"):
        kernels.adam_update(w, dw, m, v, 1.5, 0.1)
    with pytest.raises(TypeError, match=r"sgd_update: learning_rate must be a real number, got 'much'"):
        kernels.sgd_update(w, dw, None, "much")
    with pytest.raises(TypeError, match="adam_update: m is changed in place and must be an ndarray .*, got list"):
        kernels.adam_update(w, dw, m.tolist(), v, 1, 0.1)


def test_steps_count_from_one(dtype):
    w, dw, m, v = (np.zeros(3, dtype) for _ in range(4))
    with pytest.raises(ValueError, match="adam_update: step must be from 1"):
        kernels.adam_update(w, dw, m, v, 0, 0.1)
