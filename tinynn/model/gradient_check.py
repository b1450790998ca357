"""Gradient checking: compares a model's gradients with finite differences of its loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinynn.checks import check_count, check_real
from tinynn.core.core import Core
from tinynn.engine.graph import Network, Parameter, Tensor, view
from tinynn.initializers import Zeros
from tinynn.layers.base import Layer
from tinynn.model.model import Model
from tinynn.tables import table
from tinynn.training.data import as_samples_of
from tinynn.training.passes import ALL, Pass
from tinynn.training.steps import run, start

FUNCTION = "check_gradients"
#: Path of the samples as a parameter.
SAMPLES = "/x/added"
#: Number of random directions to check for each tensor, in addition to its elements.
DIRECTIONS = 4
#: Distance to the two nearby points that are used at kinks, relative to a tensor's largest absolute value.
DISPLACEMENT = 1e-3
#: A generous bound of the relative rounding error of a loss.
ROUNDING = 64 * float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class TensorCheck:
    """The result of the check of one tensor.

    Attributes
    ----------
    layer, tensor : str
        Name of the layer, and of the parameter in the layer. For the samples: "" and "x".
    shape : tuple of int
        Shape of the tensor.
    checked : int
        Number of elements that were checked one by one.
    kinks : int
        Number of those that were checked at a nearby point, because the loss has a kink at the given one.
    element : tuple of int or None
        The element with the largest error; None if it is a direction through several elements.
    expected, found : float
        The slope of the loss there by finite differences and by backpropagation.
    allowed : float
        The tolerance. A gradient smaller than this has not really been checked: use a larger eps or other weights.
    ok : bool
        Whether the gradient of this tensor is correct.
    """

    layer: str
    tensor: str
    shape: tuple[int, ...]
    checked: int
    kinks: int
    element: tuple[int, ...] | None
    expected: float
    found: float
    allowed: float
    ok: bool

    def _name(self) -> str:
        return f"layer {self.layer!r}: the gradient of {self.tensor!r}" if self.layer else "the gradient of x"

    def _error(self) -> str:
        where = "along a random direction it" if self.element is None else f"element {self.element}"
        return f"{where} is {self.found:.9g}, but the loss has the slope {self.expected:.9g}"


@dataclass(frozen=True)
class GradientReport:
    """The result of `check_gradients`: one entry for each tensor. `print` shows it as a table.

    Attributes
    ----------
    tensors : list of TensorCheck
        The samples, then the trainable parameters in the model's order.
    """

    tensors: list[TensorCheck]

    @property
    def ok(self) -> bool:
        """Whether all gradients are correct."""
        return all(tensor.ok for tensor in self.tensors)

    def __str__(self) -> str:
        rows = [("layer", "tensor", "checked", "at kinks", "worst: gradient", "slope", "allowed", "")]
        rows += [(t.layer, t.tensor, f"{t.checked:,} of {int(np.prod(t.shape)):,}", f"{t.kinks:,}", f"{t.found:.9g}",
                  f"{t.expected:.9g}", f"{t.allowed:.1e}", "" if t.ok else "WRONG") for t in self.tensors]
        return table(rows, "<<>>>>><")


class _Probe(Layer):
    """Adds a parameter to its input, with separate elements for each sample. Its gradient is that of the input."""

    def __init__(self, samples: int) -> None:
        self.samples = samples

    def connect(self, network: Network, x: Tensor) -> Tensor:
        rows = None if x.fold is None else self.samples * x.fold
        added = network.parameter("added", (rows, *x.shape), Zeros())
        return network.python(self, x, [added], x.shape)

    def forward(self, x: Any, added: Any) -> Any:
        return x + added

    def backward(self, dy: Any, x: Any, y: Any, added: Any) -> Any:
        return dy, dy


class _Loss:
    """The training loss of a float64 copy of a model on fixed samples, as a function of its flat parameter vector.

    Dropout always uses the masks of the model's next step.

    Parameters
    ----------
    core : Core
        The model's core. The copy shares its layers and has its own weights.
    x, y, sample_weight
        The samples, checked, in float64.
    front : bool
        Whether to put a probe before the first layer, which makes the samples a parameter.
    everywhere : bool
        Whether to put a probe after each layer, too. This prevents the fusion of ops of different layers.
    """

    def __init__(self, core: Core, x: np.ndarray, y: Any, sample_weight: Any, front: bool,
                 everywhere: bool = False) -> None:
        self.front = _Probe(len(x)) if front else None
        layers: dict[str, Layer] = {} if self.front is None else {"/x": self.front}  # users' names have no slash
        for name, layer in zip(core.names, core.layers, strict=True):
            layers[name] = layer
            if everywhere:
                layers[f"/{name}"] = _Probe(len(x))
        self.core = copy = Core(list(layers.values()), dtype="float64", names=list(layers), owns_layers=False)
        copy.trainable = core.trainable
        self.parameters: dict[str, Parameter] = {}
        network = Network(self.parameters, trainable=core.trainable)
        copy.connect(network, x.shape[1:])
        self.weights: NDArray[np.float64] = np.zeros(sum(p.size for p in self.parameters.values()))
        copy.adopt(network, self.weights, x.shape[1:])
        copy.compile("sgd", core.loss, ())
        copy.key, copy.iteration = core.key, core.iteration
        for path, parameter in core.parameters.items():
            view(self.weights, self.parameters[path])[...] = view(core.built(FUNCTION), parameter)
        if self.front is not None:
            view(self.weights, self.parameters[SAMPLES])[...] = x
            x = np.zeros_like(x)
        # The first layer uses another kernel if its input needs no gradient: check both variants.
        self.passes = []
        for trainable in (False, True)[not front:]:
            if self.front is not None:
                self.front.trainable = trainable
            self.passes.append(Pass(copy, "train", x, y, ALL, sample_weight, FUNCTION))
        self.start = self.weights.copy()
        self.held: np.ndarray | None = None  # the values that the copy's vector holds now

    def __call__(self, values: np.ndarray, where: Any = slice(0), shift: Any = 0.0) -> float:
        """Compute the loss for these values, with `shift` added to the elements `where`."""
        weights = self.weights
        if self.held is not values:  # copying may take longer than the forward pass
            weights[:] = values
            self.held = values
        weights[where] += shift
        with self.passes[0].job(0) as job:
            job.set_key(self.core.key, self.core.iteration)
            run(job, FUNCTION)
            loss = job.last_loss
        weights[where] = values[where]
        return loss

    def gradients(self, values: np.ndarray) -> np.ndarray:
        """Compute the gradient with each variant, shape (variants, n)."""
        rows = np.empty((len(self.passes), values.size))
        for work, row in zip(self.passes, rows, strict=True):
            self.weights[:] = values
            with work.job(0) as job:
                start(job, self.core, work.plan, 1, update=False)
                run(job, FUNCTION)
            row[:] = self.core.gradients
        self.held = None  # the backward pass changes statistics
        if self.front is not None:
            samples = self.parameters[SAMPLES]
            view(rows[0], samples)[...] = view(rows[-1], samples)
        return rows


@dataclass(frozen=True)
class _Verdict:
    """A slope by finite differences and by backpropagation. `excess` is the error divided by the tolerance."""

    expected: float
    found: float
    allowed: float
    excess: float
    kink: bool

    @property
    def ok(self) -> bool:
        return self.excess <= 1


class _Point:
    """A point in parameter space at which slopes of the loss are compared with its gradient."""

    def __init__(self, loss: _Loss, values: np.ndarray) -> None:
        self.loss, self.values = loss, values
        self.gradients = loss.gradients(values)
        self.here = loss(values)

    def judge(self, where: np.ndarray, signs: np.ndarray, steps: Sequence[float], atol: float, rtol: float) -> _Verdict:
        """Compare the slope along `signs` of the elements `where` with the gradient, using the first conclusive step.

        If the slopes to both sides differ, the loss has a kink within the step; a smaller step may avoid it. If none
        does, the gradient must lie between the two slopes.
        """
        ways = self.gradients[:, where] @ signs
        for step in steps:
            right = (self.loss(self.values, where, step * signs) - self.here) / step
            left = (self.here - self.loss(self.values, where, -step * signs)) / step
            middle = (right + left) / 2
            allowed = rtol * abs(middle) + max(atol, ROUNDING * max(1, abs(self.here)) / step)
            found = float(ways[np.argmax(abs(ways - middle))])
            kink = not abs(right - left) <= allowed
            if abs(found - middle) <= allowed or not kink:
                return _Verdict(middle, found, allowed, abs(found - middle) / allowed, False)
        outside = max(min(left, right) - found, found - max(left, right), 0)
        return _Verdict(middle, found, allowed, outside / allowed, True)


class _Check:
    """The check of one loss, tensor by tensor."""

    def __init__(self, loss: _Loss, eps: float, atol: float, rtol: float, max_elements: int, rng: Any) -> None:
        self.loss, self.eps, self.atol, self.rtol, self.max_elements = loss, eps, atol, rtol, max_elements
        self.rng = np.random.default_rng(rng)
        self.given = _Point(loss, loss.start)
        self.points: list[_Point] = []
        again = loss(loss.start)
        if again != self.given.here:
            raise ValueError(f"{FUNCTION}: the same samples and weights gave the losses {self.given.here} and {again}; "
                             "the loss must be deterministic; if a layer or loss of your own draws random numbers, let "
                             "it draw the same ones in every call")

    def tensor(self, path: str) -> TensorCheck:
        """Check one tensor: all or some of its elements, and random directions through all of them."""
        parameter = self.loss.parameters[path]
        all_elements = np.arange(parameter.offset, parameter.offset + parameter.size)
        chosen = all_elements
        if parameter.size > self.max_elements:
            chosen = np.sort(self.rng.choice(all_elements, self.max_elements, replace=False))
        # Small gradients need a smaller tolerance.
        atol = self.atol * min(1.0, float(abs(self.given.gradients[:, all_elements]).max()))
        verdicts = []
        for number in chosen:
            verdicts.append((self._judge(np.array([number]), np.ones(1), atol), np.array([number])))
        kinks = sum(verdict.kink for verdict, _ in verdicts)
        for _ in range(DIRECTIONS):
            verdicts.append(self._direction(all_elements, self.rng.choice([-1.0, 1.0], parameter.size), atol))
        # Report the worst wrong element; a direction only if no element is wrong.
        worst, where = max(verdicts, key=lambda pair: (not pair[0].ok, len(pair[1]) == 1, pair[0].excess))
        element: tuple[int, ...] | None = None
        if len(where) == 1:
            element = tuple(map(int, np.unravel_index(where[0] - parameter.offset, parameter.shape)))
        layer, _, name = ("", "", "x") if path == SAMPLES else path.partition("/")
        return TensorCheck(layer, name, parameter.shape, len(chosen), kinks, element, worst.expected, worst.found,
                           worst.allowed, all(verdict.ok for verdict, _ in verdicts))

    def _judge(self, where: np.ndarray, signs: np.ndarray, atol: float) -> _Verdict:
        """Check a slope at the given point or, if that is a kink, at two nearby points, which are unlikely to be kinks.

        At a kink, backpropagation gives a value by convention, which need not lie between the slopes to both sides:
        for ``relu(x) - relu(-x)`` at 0 it is 0.
        """
        given = self.given.judge(where, signs, (self.eps,), atol, self.rtol)
        if given.ok and not given.kink:
            return given
        steps = self.eps, self.eps / 10, self.eps / 100
        right = []
        for point in self._nearby():
            nearby = point.judge(where, signs, steps, atol, self.rtol)
            if nearby.ok:
                right.append(replace(nearby, kink=True))
            elif not nearby.kink:
                return nearby if given.kink else given
        return max(right, key=lambda verdict: verdict.excess) if right else nearby

    def _direction(self, where: np.ndarray, signs: np.ndarray, atol: float) -> tuple[_Verdict, np.ndarray]:
        """Check a direction. If it is wrong, bisect it to find a small set of elements that is wrong."""
        verdict = self._judge(where, signs, atol)
        while not verdict.ok and len(where) > 1:
            half = len(where) // 2
            halves = [(self._judge(where[part], signs[part], atol), where[part], signs[part])
                      for part in (slice(half), slice(half, None))]
            worse = max(halves, key=lambda entry: (not entry[0].ok, entry[0].excess))
            if worse[0].ok:
                break
            verdict, where, signs = worse
        return verdict, where

    def _nearby(self) -> Sequence[_Point]:
        """Two opposite points near the given one: all elements but statistics moved at random. Made when needed."""
        if not self.points:
            shift = np.zeros_like(self.loss.start)
            for parameter in self.loss.parameters.values():
                if parameter.learned:
                    scale = DISPLACEMENT * (abs(view(self.loss.start, parameter)).max() or 1.0)
                    view(shift, parameter)[...] = scale * self.rng.normal(size=parameter.shape)
            self.points = [_Point(self.loss, self.loss.start + shift), _Point(self.loss, self.loss.start - shift)]
        return self.points


def check_gradients(model: Model, x: Any, y: Any = None, sample_weight: Any = None, check_input: bool = True,
                    eps: float = 1e-6, atol: float = 1e-5, rtol: float = 1e-3, max_elements: int = 100,
                    rng: Any = 0) -> GradientReport:
    """Compare a model's gradients, as training computes them, with finite differences of its loss.

    The check uses a copy of the model in float64; the model does not change. It covers the samples and all trainable
    parameters: element by element, and along random directions through all elements. Dropout uses the masks of the
    model's next step, and batch normalization uses the batch. If the loss has a kink (relu at 0, equal numbers in max
    pooling), an element is checked at two nearby points.

    Parameters
    ----------
    model : Sequential
        A compiled and built model. Trained weights are best: initial zeros can hide errors.
    x, y, sample_weight
        One batch, as for `Sequential.fit`. A few samples suffice; more take more time.
    check_input : bool
        Whether to check the gradient with respect to the samples. This changes them by fractions; pass False if they
        must be whole numbers, such as class numbers.
    eps : float
        Step of the finite differences, to both sides.
    atol, rtol : float
        The tolerance is the sum of ``rtol`` times the slope, and ``atol`` times the smaller of 1 and the tensor's
        largest gradient. The second term is at least the rounding error of the finite difference.
    max_elements : int
        Maximum number of elements per tensor to check one by one. Those of larger tensors are chosen at random.
    rng : int, SeedSequence or Generator
        Source of the random elements, directions and points.

    Returns
    -------
    GradientReport
        The results, tensor by tensor.

    Raises
    ------
    AssertionError
        If a gradient is wrong; names the layer, the tensor and the worst element.
    TypeError, ValueError
        If an argument or the data are invalid, or if the loss is not deterministic.

    Notes
    -----
    A Python layer must compute in the dtype of its input: float32 arithmetic inside it would look like an error. One
    wrong element of a large tensor may be missed if it is not among the chosen ones and too small to change the slope
    along the random directions.

    Examples
    --------
    >>> import numpy as np, tinynn
    >>> class Cube(tinynn.layers.PythonLayer):
    ...     def forward(self, x):
    ...         return x**3
    ...     def backward(self, dy, x, y):
    ...         return 2 * x**2 * dy
    >>> model = tinynn.Sequential([tinynn.layers.Dense(1, kernel_initializer="ones"), Cube()], input_shape=(2,))
    >>> model.compile(loss="mse")
    >>> try:
    ...     tinynn.check_gradients(model, np.array([[0.5, 0.25]]), np.array([0.0]))
    ... except AssertionError as error:
    ...     print(str(error)[:86])
    check_gradients: layer 'cube': the gradient of its input is wrong: element (0, 0) is 0
    """
    if not isinstance(model, Model):
        raise TypeError(f"{FUNCTION}: model must be a Sequential, got {type(model).__name__}")
    core = model._core
    core.compiled(FUNCTION)
    core.built(FUNCTION)
    eps = check_real(FUNCTION, "eps", eps, above=0)
    atol, rtol = check_real(FUNCTION, "atol", atol, minimum=0), check_real(FUNCTION, "rtol", rtol, minimum=0)
    max_elements = check_count(FUNCTION, "max_elements", max_elements)
    samples = as_samples_of(x, core.input_shape, FUNCTION, True)
    items, indices, targets = samples.at(0)
    if indices is not None:
        if y is not None:
            raise ValueError(f"{FUNCTION}: y must be omitted if x is a data set, which has its own targets")
        items, y = items[indices], targets
    items = items.reshape(len(samples), *samples.sample_shape).astype(np.float64)

    loss = _Loss(core, items, y, sample_weight, check_input)
    check = _Check(loss, eps, atol, rtol, max_elements, rng)
    report = GradientReport([check.tensor(path) for path, p in loss.parameters.items() if p.trainable])
    if not report.ok:
        loss = _Loss(core, items, y, sample_weight, check_input, everywhere=True)
        culprit = _culprit(_Check(loss, eps, atol, rtol, max_elements, rng), core)
        raise AssertionError(f"{FUNCTION}: {culprit or _suspect(report)}\n{report}")
    return report


def _culprit(check: _Check, core: Core) -> str | None:
    """Find the wrong gradient that is nearest to the loss: it causes the wrong gradients upstream."""
    readers = [*(f"layer {name!r}" for name in core.names), f"the loss {type(core.loss).__name__}"]
    for path, parameter in reversed(check.loss.parameters.items()):
        reader = readers.pop() if path.startswith("/") else None
        if parameter.trainable and not (found := check.tensor(path)).ok:
            where = f"{reader}: the gradient of its input" if reader else found._name()
            return f"{where} is wrong: {found._error()}"
    return None


def _suspect(report: GradientReport) -> str:
    """The message if all gradients are correct once fusion is prevented."""
    wrong = [tensor for tensor in report.tensors if not tensor.ok][-1]
    return (f"{wrong._name()} is wrong: {wrong._error()}. But each layer by itself is correct: the error is in a fused "
            "op, there or downstream, such as the last activation with the loss")
