"""Initializers: fans by Keras' table, moments, bounds, orthogonality, the same numbers for the same seed."""

import json
import math

import numpy as np
import pytest

from tinynn import initializers
from tinynn.initializers import Constant, Orthogonal, RandomNormal, RandomUniform, VarianceScaling, fans
from tinynn.registry import serialize

RANDOM = [name for name in initializers._KNOWN if name not in ("zeros", "ones", "constant")]


def generator(seed=0):
    return np.random.Generator(np.random.Philox(seed))


@pytest.mark.parametrize(
    "shape, expected",
    [
        ((), (1, 1)),
        ((7,), (7, 7)),
        ((784, 128), (784, 128)),
        ((3, 16, 32), (48, 96)),  # one-dimensional convolution: window 3, 16 channels in, 32 out
        ((3, 5, 16, 32), (240, 480)),
        ((2, 3, 4, 5, 6), (120, 144)),
    ],
)
def test_fans(shape, expected):
    assert fans(shape) == expected


# Bounds written down from Keras' documentation, for a 300 x 500 matrix.
@pytest.mark.parametrize(
    "name, limit",
    [
        ("glorot_uniform", math.sqrt(6 / 800)),
        ("he_uniform", math.sqrt(6 / 300)),
        ("lecun_uniform", math.sqrt(3 / 300)),
        ("random_uniform", 0.05),
    ],
)
def test_uniform_initializers_fill_their_bounds_evenly(name, limit):
    values = initializers.get(name)((300, 500), "float64", generator())
    assert np.abs(values).max() <= limit
    counts, _ = np.histogram(values, bins=20, range=(-limit, limit))
    # 7,500 expected in each of 20 bins, standard deviation 84
    assert np.all(np.abs(counts - 7500) < 5 * 85)
    assert abs(values.mean()) < 5 * limit / math.sqrt(3 * values.size)


@pytest.mark.parametrize(
    "name, deviation",
    [
        ("glorot_normal", math.sqrt(2 / 800)),
        ("he_normal", math.sqrt(2 / 300)),
        ("lecun_normal", math.sqrt(1 / 300)),
    ],
)
def test_truncated_normals_have_the_requested_variance_and_no_tails(name, deviation):
    values = initializers.get(name)((300, 500), "float64", generator())
    assert values.std() == pytest.approx(deviation, rel=0.01)
    assert np.abs(values).max() <= 2 * deviation / 0.87962566103423978
    assert abs(values.mean()) < 5 * deviation / math.sqrt(values.size)
    # a standard normal cut off at 2 has 0.7152 of its values within 1: (0.6827 / 0.9545)
    assert np.mean(np.abs(values) < deviation / 0.87962566103423978) == pytest.approx(0.7152, abs=0.006)


def test_normal_initializers():
    values = RandomNormal(3.0, 0.5)((300, 500), "float64", generator())
    assert values.mean() == pytest.approx(3.0, abs=0.007)
    assert values.std() == pytest.approx(0.5, rel=0.01)
    cut = initializers.TruncatedNormal(3.0, 0.5)((300, 500), "float64", generator())
    assert cut.std() == pytest.approx(0.5 * 0.8796, rel=0.01)
    assert np.abs(cut - 3).max() <= 1.0


def test_uniform_range():
    values = RandomUniform(2.0, 3.0)((1000,), "float64", generator())
    assert values.min() >= 2
    assert values.max() < 3


@pytest.mark.parametrize("mode, fan", [("fan_in", 300), ("fan_out", 500), ("fan_avg", 400)])
@pytest.mark.parametrize("distribution", ["uniform", "normal", "truncated_normal"])
def test_variance_scaling(mode, fan, distribution):
    values = VarianceScaling(3.0, mode, distribution)((300, 500), "float64", generator())
    assert values.var() == pytest.approx(3.0 / fan, rel=0.02)


def test_convolution_kernels_count_their_window():
    values = initializers.get("he_uniform")((3, 3, 16, 32), "float64", generator())
    limit = math.sqrt(6 / 144)
    assert 0.99 * limit < np.abs(values).max() <= limit


@pytest.mark.parametrize("shape", [(1, 1), (4, 4), (33, 7), (7, 33), (64, 192), (5, 3, 4)])
def test_orthogonal(shape):
    values = Orthogonal(gain=2.0)(shape, "float64", generator()).reshape(-1, shape[-1])
    rows, columns = values.shape
    product = values.T @ values if rows >= columns else values @ values.T
    np.testing.assert_allclose(product, 4 * np.eye(min(rows, columns)), atol=1e-12)


def test_orthogonal_is_a_factor_of_the_normal_matrix_with_positive_diagonal():
    # An independent way to the same matrix: QR from LAPACK, its diagonal made positive (Keras' rule).
    normal = generator().standard_normal((6, 9)).T
    q, r = np.linalg.qr(normal)
    np.testing.assert_allclose(
        Orthogonal()((9, 6), "float64", generator()), q * np.sign(np.diag(r)), atol=1e-12
    )


def test_orthogonal_has_no_preferred_direction():
    traces = [np.trace(Orthogonal()((3, 3), "float64", generator(seed))) for seed in range(400)]
    # the trace of an evenly spread orthogonal matrix has mean 0 and variance 1
    assert abs(np.mean(traces)) < 0.25
    assert np.var(traces) == pytest.approx(1.0, abs=0.3)


@pytest.mark.parametrize("name", RANDOM)
def test_same_seed_same_values_and_one_rounding(name):
    initializer = initializers.get(name)
    double = initializer((20, 30), "float64", generator(5))
    single = initializer((20, 30), np.float32, generator(5))
    assert double.dtype == np.float64 and single.dtype == np.float32
    assert np.array_equal(single, double.astype(np.float32))
    assert np.array_equal(double, initializer((20, 30), "float64", generator(5)))
    assert not np.array_equal(double, initializer((20, 30), "float64", generator(6)))
    assert double.flags.c_contiguous and double.flags.writeable and double.flags.owndata


def test_constant_initializers():
    for name, value in [("zeros", 0.0), ("ones", 1.0), ("constant", 0.0), (Constant(0.5), 0.5)]:
        values = initializers.get(name)((2, 3), "float32", generator())
        assert values.dtype == np.float32
        assert values.tolist() == [[value] * 3] * 2
    assert initializers.get("ones")((), "float64", generator()).shape == ()


@pytest.mark.parametrize("name", list(initializers._KNOWN))
def test_config_round_trip_and_repr(name):
    initializer = initializers.get(name)
    description = json.loads(json.dumps(serialize(initializer)))
    assert initializers.get(description) == initializer
    assert repr(initializer) == f"{type(initializer).__name__}()"


def test_get_takes_objects_classes_and_functions():
    initializer = RandomNormal(stddev=0.1)
    assert initializers.get(initializer) is initializer
    assert initializers.get(RandomNormal) == RandomNormal()
    assert initializers.get("HeNormal") == initializers.HeNormal()

    def ramp(shape, dtype, generator):
        return np.arange(math.prod(shape), dtype=dtype).reshape(shape)

    values = initializers.get(ramp)((2, 2), "float32", generator())
    assert values.dtype == np.float32
    assert values.tolist() == [[0, 1], [2, 3]]
    with pytest.raises(TypeError, match="model file cannot hold"):
        initializers.get(ramp).get_config()


def test_a_function_that_returns_another_shape_is_named():
    def flat(shape, dtype, generator):
        return np.zeros(3)

    with pytest.raises(ValueError, match=r"initializer flat: the result must have shape \(2, 2\), got \(3,\)"):
        initializers.get(flat)((2, 2), "float32", generator())


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: initializers.get("glorot"), r"unknown initializer 'glorot'.*did you mean 'glorot_"),
        (lambda: initializers.get(3), "initializer: expected a name"),
        (lambda: initializers.get(None), "initializer: expected a name"),
        (lambda: VarianceScaling(mode="fan_inn"), r"unknown mode of VarianceScaling 'fan_inn'.*'fan_in'"),
        (lambda: VarianceScaling(scale=0), "scale must be a finite number > 0"),
        (lambda: RandomUniform(1, 0), "maxval must be a finite number >= 1"),
        (lambda: RandomNormal(stddev=-1), "stddev"),
        (lambda: Constant("x"), "value must be a real number"),
        (lambda: Orthogonal()((3,), "float32", generator()), r"at least two axes, got \(3,\)"),
        (lambda: Constant()((3,), "float16", generator()), "dtype must be float32 or float64, got float16"),
        (lambda: Constant()((3,), "float32", None), "generator must be a numpy.random.Generator"),
        (lambda: Constant()((0,), "float32", generator()), "shape must be at least 1"),
        (lambda: Constant()((1.5,), "float32", generator()), "shape must be a whole number"),
        (lambda: initializers.Initializer()((1,), "float32", generator()), "an initializer must define sample"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises((TypeError, ValueError, NotImplementedError), match=message):
        make()
