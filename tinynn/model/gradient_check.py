"""Whether a model's gradients are right: a check against difference quotients of its loss."""

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
#: Random directions for each tensor, beside its elements.
DIRECTIONS = 4
#: How far beside the given point to look when the loss has a kink there: in shares of a tensor's largest number.
DISPLACEMENT = 1e-3
#: Relative rounding of a loss, generously.
ROUNDING = 64 * float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class TensorCheck:
    """What was found out about the gradient of one tensor.

    Attributes
    ----------
    layer, tensor : str
        The layer's name in the model and the parameter's in the layer; the samples are the tensor "x" of no layer.
    shape : tuple of int
        Its shape.
    checked : int
        How many of its elements were looked at one by one.
    kinks : int
        How many of those were judged beside the given point, for the loss has a kink there.
    element : tuple of int or None
        The element whose gradient is worst; None: a direction through many elements.
    expected, found : float
        There, or beside it: the slope of the loss by differences, and what backpropagation says.
    allowed : float
        How much they may differ. A gradient that is smaller still has not been checked: move the elements further, or
        give the model other weights.
    ok : bool
        Whether all is right.
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

    def _named(self) -> str:
        return f"layer {self.layer!r}: the gradient of {self.tensor!r}" if self.layer else "the gradient of x"

    def _told(self) -> str:
        where = "along a random direction it" if self.element is None else f"element {self.element}"
        return f"{where} is {self.found:.9g}, but the loss has the slope {self.expected:.9g}"


@dataclass(frozen=True)
class GradientReport:
    """What `check_gradients` found: one entry for each tensor. Printed, it is a table.

    Attributes
    ----------
    tensors : list of TensorCheck
        The samples, then the trainable parameters in their order.
    """

    tensors: list[TensorCheck]

    @property
    def ok(self) -> bool:
        """Whether all gradients are right."""
        return all(tensor.ok for tensor in self.tensors)

    def __str__(self) -> str:
        rows = [("layer", "tensor", "checked", "at kinks", "worst: gradient", "slope", "allowed", "")]
        rows += [(t.layer, t.tensor, f"{t.checked:,} of {int(np.prod(t.shape)):,}", f"{t.kinks:,}", f"{t.found:.9g}",
                  f"{t.expected:.9g}", f"{t.allowed:.1e}", "" if t.ok else "WRONG") for t in self.tensors]
        return table(rows, "<<>>>>><")


class _Probe(Layer):
    """Adds a parameter to what it reads, a number of its own for each of `samples`, which thereby has a gradient."""

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
    """The training loss of a float64 copy of a model on fixed samples, as a function of the copy's flat vector.

    Dropout's masks are those of the model's next step, every time.

    Parameters
    ----------
    core : Core
        The model's; its layers are shared, its weights copied.
    x, y, sample_weight
        The samples, checked, in float64.
    front : bool
        Whether the samples have a gradient: they are then a parameter, too.
    everywhere : bool
        Whether what each layer puts out has one. Then no op is fused with one of another layer.
    """

    def __init__(self, core: Core, x: np.ndarray, y: Any, sample_weight: Any, front: bool,
                 everywhere: bool = False) -> None:
        self.front = _Probe(len(x)) if front else None
        layers: dict[str, Layer] = {} if self.front is None else {"/x": self.front}  # no name of a user's has a slash
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
        # What a first layer does differs when nobody needs the gradient of its input: both ways are looked at.
        self.passes = []
        for trainable in (False, True)[not front:]:
            if self.front is not None:
                self.front.trainable = trainable
            self.passes.append(Pass(copy, "train", x, y, ALL, sample_weight, FUNCTION))
        self.start = self.weights.copy()
        self.held: np.ndarray | None = None  # the values that the copy's vector holds

    def __call__(self, values: np.ndarray, where: Any = slice(0), shift: Any = 0.0) -> float:
        """Training's forward pass for these values, those of `where` shifted."""
        weights = self.weights
        if self.held is not values:  # else a copy could take longer than the pass
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
        """The gradient in each of the ways in which it can be computed, (ways, n)."""
        rows = np.empty((len(self.passes), values.size))
        for work, row in zip(self.passes, rows, strict=True):
            self.weights[:] = values
            with work.job(0) as job:
                start(job, self.core, work.plan, 1, update=False)
                run(job, FUNCTION)
            row[:] = self.core.gradients
        self.held = None  # a backward pass changes statistics
        if self.front is not None:
            samples = self.parameters[SAMPLES]
            view(rows[0], samples)[...] = view(rows[-1], samples)
        return rows


@dataclass(frozen=True)
class _Verdict:
    """One slope: by differences and by backpropagation; `excess` is their distance in units of what is allowed."""

    expected: float
    found: float
    allowed: float
    excess: float
    kink: bool

    @property
    def ok(self) -> bool:
        return self.excess <= 1


class _Point:
    """A place where slopes of the loss are compared with its gradient there."""

    def __init__(self, loss: _Loss, values: np.ndarray) -> None:
        self.loss, self.values = loss, values
        self.gradients = loss.gradients(values)
        self.here = loss(values)

    def judge(self, where: np.ndarray, signs: np.ndarray, steps: Sequence[float], atol: float, rtol: float) -> _Verdict:
        """The slope in the direction of `signs` of the elements `where`, by differences over the first step that tells.

        Where the slopes to both sides differ, the loss has a kink within the step, and a smaller one may avoid it. If
        none does, the gradient must lie between the two.
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
    """The judgement of one loss, tensor by tensor."""

    def __init__(self, loss: _Loss, eps: float, atol: float, rtol: float, max_elements: int, rng: Any) -> None:
        self.loss, self.eps, self.atol, self.rtol, self.max_elements = loss, eps, atol, rtol, max_elements
        self.rng = np.random.default_rng(rng)
        self.given = _Point(loss, loss.start)
        self.points: list[_Point] = []
        again = loss(loss.start)
        if again != self.given.here:
            raise ValueError(f"{FUNCTION}: the same samples and weights gave the losses {self.given.here} and {again}; "
                             "a layer or loss of your own must be a function of what it reads: keep its random "
                             "numbers fixed while you check it")

    def tensor(self, path: str) -> TensorCheck:
        """Judge one tensor: its elements, or some of them, and random directions through all of them."""
        parameter = self.loss.parameters[path]
        all_elements = np.arange(parameter.offset, parameter.offset + parameter.size)
        chosen = all_elements
        if parameter.size > self.max_elements:
            chosen = np.sort(self.rng.choice(all_elements, self.max_elements, replace=False))
        # Where gradients are small, an error is small only compared with them.
        atol = self.atol * min(1.0, float(abs(self.given.gradients[:, all_elements]).max()))
        verdicts = []
        for number in chosen:
            verdicts.append((self._judge(np.array([number]), np.ones(1), atol), np.array([number])))
        kinks = sum(verdict.kink for verdict, _ in verdicts)
        for _ in range(DIRECTIONS):
            verdicts.append(self._direction(all_elements, self.rng.choice([-1.0, 1.0], parameter.size), atol))
        # Of what is wrong, rather an element than a direction.
        worst, where = max(verdicts, key=lambda pair: (not pair[0].ok, len(pair[1]) == 1, pair[0].excess))
        element: tuple[int, ...] | None = None
        if len(where) == 1:
            element = tuple(map(int, np.unravel_index(where[0] - parameter.offset, parameter.shape)))
        layer, _, name = ("", "", "x") if path == SAMPLES else path.partition("/")
        return TensorCheck(layer, name, parameter.shape, len(chosen), kinks, element, worst.expected, worst.found,
                           worst.allowed, all(verdict.ok for verdict, _ in verdicts))

    def _judge(self, where: np.ndarray, signs: np.ndarray, atol: float) -> _Verdict:
        """At the given point or, if that does not tell, on both sides of it, where a kink is met by chance only.

        At a kink itself backpropagation is right by convention, and need not even lie between the slopes to both
        sides: that of ``relu(x) - relu(-x)`` at 0 is 0.
        """
        given = self.given.judge(where, signs, (self.eps,), atol, self.rtol)
        if given.ok and not given.kink:
            return given
        steps = self.eps, self.eps / 10, self.eps / 100
        right = []
        for point in self._beside():
            beside = point.judge(where, signs, steps, atol, self.rtol)
            if beside.ok:
                right.append(replace(beside, kink=True))
            elif not beside.kink:
                return beside if given.kink else given
        return max(right, key=lambda verdict: verdict.excess) if right else beside

    def _direction(self, where: np.ndarray, signs: np.ndarray, atol: float) -> tuple[_Verdict, np.ndarray]:
        """Judge a direction; of one that is wrong, find the part with the least elements that is."""
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

    def _beside(self) -> Sequence[_Point]:
        """Two points near the given one, opposite each other: all but statistics moved at random; made when needed."""
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
    """Compare a model's gradients, as training computes them, with difference quotients of its loss.

    A copy of the model in float64 does the work, and the model stays as it is. Every trainable parameter and the
    samples are looked at element by element and along random directions, in which each element has a part. Dropout's
    masks stay those of the model's next step, and normalization uses the batch. Where the loss has a kink (relu at 0,
    two equal numbers under max pooling), an element is judged at two points beside the given one.

    Parameters
    ----------
    model : Sequential
        A compiled model with weights, best not those it begins with: zeros hide mistakes.
    x, y, sample_weight
        One mini-batch, as for `Sequential.fit`. A few samples will do, and each costs time.
    check_input : bool
        Whether the loss has a gradient with respect to the samples. Whole numbers, such as the bytes of images, are
        moved by fractions then; say False if they stand for something else.
    eps : float
        By how much elements are moved, to both sides.
    atol, rtol : float
        Allowed are ``rtol`` times the slope and ``atol`` times the tensor's largest gradient or 1, whichever is less;
        but never less than what rounding makes of a difference quotient.
    max_elements : int
        Elements of a tensor to look at one by one; of a larger one, that many at random.
    rng : int, SeedSequence or Generator
        Chooses elements, directions and points.

    Returns
    -------
    GradientReport
        What was compared, tensor by tensor.

    Raises
    ------
    AssertionError
        If a gradient is wrong. Names the layer, the tensor and its worst element.
    TypeError, ValueError
        If an argument or the data do not fit, or the loss is not the same twice.

    Notes
    -----
    A layer in Python must compute in the dtype of what it reads: float32 within it would look like an error. A single
    wrong element of a large tensor, which no random direction feels among all others, may be missed.

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
            raise ValueError(f"{FUNCTION}: y must be left out when x is a data set, which holds its targets itself")
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
    """Walk from the loss to the samples: what is met first made all that is wrong before it."""
    readers = [*(f"layer {name!r}" for name in core.names), f"the loss {type(core.loss).__name__}"]
    for path, parameter in reversed(check.loss.parameters.items()):
        reader = readers.pop() if path.startswith("/") else None
        if parameter.trainable and not (found := check.tensor(path)).ok:
            where = f"{reader}: the gradient of its input" if reader else found._named()
            return f"{where} is wrong: {found._told()}"
    return None


def _suspect(report: GradientReport) -> str:
    """What to say when each layer by itself is right."""
    wrong = [tensor for tensor in report.tensors if not tensor.ok][-1]
    return (f"{wrong._named()} is wrong: {wrong._told()}. But each layer by itself is right: look at the ops that are "
            "fused, there or behind it, such as the last activation with the loss")
