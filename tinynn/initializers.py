"""Initializers of weights, with Keras' rules.

An initializer is called with a shape, a dtype and a NumPy ``Generator``. It computes in float64 and rounds once, so a
float32 and a float64 model with the same seed start from the same weights. Initializers avoid the matrix factorizations
of linear-algebra libraries: their last bits depend on the processor and the number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tinynn.checks import check_count, check_real
from tinynn.registry import Configurable, deserialize, lookup

__all__ = [
    "Constant",
    "FromFunction",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Initializer",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "Orthogonal",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
    "fans",
    "get",
]

Sample = NDArray[np.float64]
Shape = tuple[int, ...]

#: Standard deviation of the standard normal distribution truncated at -2 and 2.
_TRUNCATED_DEVIATION = 0.87962566103423978


def fans(shape: Shape) -> tuple[int, int]:
    """Return the numbers of inputs and outputs of a unit (Keras' rule).

    Parameters
    ----------
    shape : tuple of int
        (inputs, outputs) for a matrix; (..., inputs, outputs) for a convolution kernel, where the leading axes are the
        window. For a vector, both numbers are its length.

    Returns
    -------
    fan_in, fan_out : int

    Examples
    --------
    >>> fans((784, 128)), fans((3, 3, 16, 32)), fans((5,)), fans(())
    ((784, 128), (144, 288), (5, 5), (1, 1))
    """
    if len(shape) == 0:
        return 1, 1
    if len(shape) == 1:
        return shape[0], shape[0]
    window = math.prod(shape[:-2])
    return shape[-2] * window, shape[-1] * window


class Initializer(Configurable, kind="initializers"):
    """Base of initializers. Subclasses override `sample`."""

    def sample(self, shape: Shape, generator: np.random.Generator) -> Sample:
        """Draw float64 values of the given shape."""
        raise NotImplementedError(f"{type(self).__name__}: an initializer must define sample(shape, generator)")

    def __call__(self, shape: Shape, dtype: DTypeLike, generator: np.random.Generator) -> NDArray[Any]:
        """Draw initial values.

        Parameters
        ----------
        shape : tuple of int
            Shape of the parameter.
        dtype : {"float32", "float64"}
            Dtype of the parameter.
        generator : numpy.random.Generator
            The source of random numbers. Constant initializers do not use it.

        Returns
        -------
        ndarray
            A new C-contiguous array of this shape and dtype.

        Raises
        ------
        TypeError, ValueError
            If an argument is invalid.
        """
        name = type(self).__name__
        shape = tuple(check_count(name, "shape", size) for size in shape)
        if np.dtype(dtype) not in (np.float32, np.float64):
            raise TypeError(f"{name}: dtype must be float32 or float64, got {np.dtype(dtype)}")
        if not isinstance(generator, np.random.Generator):
            raise TypeError(f"{name}: generator must be a numpy.random.Generator, got {type(generator).__name__}")
        return np.array(self.sample(shape, generator), dtype, order="C")


class Constant(Initializer):
    """The same value everywhere.

    Parameters
    ----------
    value : float
        The value.
    """

    def __init__(self, value: float = 0.0) -> None:
        self.value = check_real("Constant", "value", value)

    def sample(self, shape: Shape, generator: np.random.Generator) -> Sample:
        return np.full(shape, self.value)


class Zeros(Initializer):
    """Zero everywhere."""

    def sample(self, shape: Shape, generator: np.random.Generator) -> Sample:
        return np.zeros(shape)


class Ones(Initializer):
    """One everywhere."""

    def sample(self, shape: Shape, generator: np.random.Generator) -> Sample:
        return np.ones(shape)


def _truncated_normal(shape: Shape, generator: np.random.Generator) -> Sample:
    """Draw standard normal values; redraw those outside of [-2, 2]."""
    values = generator.standard_normal(math.prod(shape))
    outside = np.flatnonzero(np.abs(values) > 2)
    while outside.size:
        values[outside] = generator.standard_normal(outside.size)
        outside = outside[np.abs(values[outside]) > 2]
    return values.reshape(shape)


class RandomUniform(Initializer):
    """Uniform in [minval, maxval).

    Parameters
    ----------
    minval, maxval : float
        The bounds.
    """

    def __init__(self, minval: float = -0.05, maxval: float = 0.05) -> None:
        self.minval = check_real("RandomUniform", "minval", minval)
        self.maxval = check_real("RandomUniform", "maxval", maxval, minimum=self.minval)

    def sample(self, shape: Shape, generator: np.random.Generator) -> Sample:
        return self.minval + (self.maxval - self.minval) * generator.random(shape)


class RandomNormal(Initializer):
    """Normally distributed.

    Parameters
    ----------
    mean, stddev : float
        Mean and standard deviation.
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05) -> None:
        self.mean = check_real(type(self).__name__, "mean", mean)
        self.stddev = check_real(type(self).__name__, "stddev", stddev, minimum=0)

    def sample(self, shape: Shape, generator: np.random.Generator) -> Sample:
        return self.mean + self.stddev * generator.standard_normal(shape)


class TruncatedNormal(RandomNormal):
    """Normally distributed, with values beyond two `stddev` redrawn. The actual standard deviation is 0.88 `stddev`."""

    def sample(self, shape: Shape, generator: np.random.Generator) -> Sample:
        return self.mean + self.stddev * _truncated_normal(shape, generator)


class VarianceScaling(Initializer):
    """Values of mean 0 and variance ``scale / fan``.

    Parameters
    ----------
    scale : float
        Numerator of the variance, > 0.
    mode : {"fan_in", "fan_out", "fan_avg"}
        The denominator `fan`: inputs, outputs or their mean, see `fans`.
    distribution : {"truncated_normal", "normal", "uniform"}
        "truncated_normal" redraws values beyond two standard deviations, then scales them to the given variance.
    """

    def __init__(self, scale: float = 1.0, mode: str = "fan_in", distribution: str = "truncated_normal") -> None:
        self.scale = check_real("VarianceScaling", "scale", scale, above=0)
        self.mode = lookup("mode of VarianceScaling", mode, {name: name for name in ("fan_in", "fan_out", "fan_avg")})
        distributions = {name: name for name in ("truncated_normal", "normal", "uniform")}
        self.distribution = lookup("distribution of VarianceScaling", distribution, distributions)

    def sample(self, shape: Shape, generator: np.random.Generator) -> Sample:
        fan_in, fan_out = fans(shape)
        fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        variance = self.scale / max(1.0, fan)
        if self.distribution == "uniform":
            limit = math.sqrt(3 * variance)  # the variance of a uniform variable in [-a, a] is a^2 / 3
            return limit * (2 * generator.random(shape) - 1)
        if self.distribution == "normal":
            return math.sqrt(variance) * generator.standard_normal(shape)
        return math.sqrt(variance) / _TRUNCATED_DEVIATION * _truncated_normal(shape, generator)


class GlorotUniform(VarianceScaling):
    """Uniform in +-sqrt(6 / (fan_in + fan_out)), the default for weights (Glorot and Bengio, 2010)."""

    def __init__(self) -> None:
        super().__init__(1.0, "fan_avg", "uniform")


class GlorotNormal(VarianceScaling):
    """Truncated normal of variance 2 / (fan_in + fan_out)."""

    def __init__(self) -> None:
        super().__init__(1.0, "fan_avg", "truncated_normal")


class HeUniform(VarianceScaling):
    """Uniform in +-sqrt(6 / fan_in), for relu (He et al., 2015)."""

    def __init__(self) -> None:
        super().__init__(2.0, "fan_in", "uniform")


class HeNormal(VarianceScaling):
    """Truncated normal of variance 2 / fan_in, for relu."""

    def __init__(self) -> None:
        super().__init__(2.0, "fan_in", "truncated_normal")


class LecunUniform(VarianceScaling):
    """Uniform in +-sqrt(3 / fan_in) (LeCun et al., 1998)."""

    def __init__(self) -> None:
        super().__init__(1.0, "fan_in", "uniform")


class LecunNormal(VarianceScaling):
    """Truncated normal of variance 1 / fan_in."""

    def __init__(self) -> None:
        super().__init__(1.0, "fan_in", "truncated_normal")


class Orthogonal(Initializer):
    """A random orthogonal matrix, the default for recurrent weights (Saxe et al., 2014).

    The columns are orthonormal, or the rows if there are more columns than rows. All axes but the last are rows.

    Parameters
    ----------
    gain : float
        Factor of the matrix.
    """

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = check_real("Orthogonal", "gain", gain)

    def sample(self, shape: Shape, generator: np.random.Generator) -> Sample:
        if len(shape) < 2:
            raise ValueError(f"Orthogonal: the shape needs at least two axes, got {shape}")
        rows, columns = math.prod(shape[:-1]), shape[-1]
        vectors = generator.standard_normal((min(rows, columns), max(rows, columns)))
        # Design: modified Gram-Schmidt, element by element. Its sums have a fixed order, so the bits are the same on
        # every machine; those of LAPACK's QR factorization are not. Since the norms are positive, the result is
        # uniformly distributed over the orthogonal matrices, like a QR factorization with a positive diagonal.
        scratch = np.empty_like(vectors)
        for i in range(len(vectors)):
            vectors[i] /= math.sqrt(np.add.reduce(vectors[i] * vectors[i]))
            unit, rest, products = vectors[i], vectors[i + 1 :], scratch[i + 1 :]
            np.multiply(rest, unit, out=products)
            np.multiply(np.add.reduce(products, axis=1)[:, None], unit, out=products)
            rest -= products
        return (self.gain * (vectors.T if rows > columns else vectors)).reshape(shape)


class FromFunction(Initializer):
    """Wraps a function as an initializer. It cannot be saved in a model file.

    Parameters
    ----------
    function : callable
        ``function(shape, dtype, generator)`` -> array of this shape.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        if not callable(function):
            raise TypeError(f"FromFunction: function must be callable, got {type(function).__name__}")
        self.function = function

    def sample(self, shape: Shape, generator: np.random.Generator) -> Sample:
        values = np.asarray(self.function(shape, "float64", generator), np.float64)
        if values.shape != shape:
            name = getattr(self.function, "__name__", type(self.function).__name__)
            raise ValueError(f"initializer {name}: the result must have shape {shape}, got {values.shape}")
        return values


_KNOWN: dict[str, type[Initializer]] = {
    "glorot_uniform": GlorotUniform,
    "glorot_normal": GlorotNormal,
    "he_uniform": HeUniform,
    "he_normal": HeNormal,
    "lecun_uniform": LecunUniform,
    "lecun_normal": LecunNormal,
    "orthogonal": Orthogonal,
    "zeros": Zeros,
    "ones": Ones,
    "constant": Constant,
    "random_uniform": RandomUniform,
    "random_normal": RandomNormal,
    "truncated_normal": TruncatedNormal,
    "variance_scaling": VarianceScaling,
}


#: The types that `get` accepts.
InitializerLike = str | Initializer | type[Initializer] | Callable[..., Any] | Mapping[str, Any]


def get(identifier: InitializerLike) -> Initializer:
    """Return an initializer, given its name, object, class, function or description.

    Parameters
    ----------
    identifier : str, Initializer, callable or dict
        A callable is called as ``identifier(shape, dtype, generator)``. A dict is a description from a model file,
        ``{"class": ..., "config": ...}``.

    Returns
    -------
    Initializer

    Raises
    ------
    TypeError, ValueError
        If the name is unknown, or the type is invalid.

    Examples
    --------
    >>> get("glorot_uniform")
    GlorotUniform()
    >>> get("glorot_unifrm")
    Traceback (most recent call last):
    ...
    ValueError: unknown initializer 'glorot_unifrm'; known: glorot_uniform, glorot_normal, he_uniform, \
he_normal, lecun_uniform, lecun_normal, orthogonal, zeros, ones, constant, random_uniform, random_normal, \
truncated_normal, variance_scaling; did you mean 'glorot_uniform'?
    """
    if isinstance(identifier, Mapping):
        identifier = deserialize(dict(identifier))
    if isinstance(identifier, Initializer):
        return identifier
    if isinstance(identifier, type) and issubclass(identifier, Initializer):
        return identifier()
    if callable(identifier):
        return FromFunction(identifier)
    return lookup("initializer", identifier, _KNOWN)()
