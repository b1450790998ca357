"""Specs: the graph of ops and parameters that layers declare, before anything is computed.

A layer receives a `Network` and its input `Tensor`, declares its parameters and ops, and returns its output tensor.
The shape of a tensor is that of one row. The number of rows is the batch size times `fold`, and is known when the plan
runs. A size that is not known yet is None.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from tinynn.checks import is_whole
from tinynn.engine.memory import aligned
from tinynn.engine.python_op import PythonFunction
from tinynn.kernels import op as ops

Shape = tuple[int | None, ...]

# These limits ensure that a small model file cannot exhaust memory or time, and that sizes in kernels do not overflow.
#: Layers and buffers of a network. Nested towers multiply them.
MAX_PARTS = 150_000
#: Elements of one buffer, per sample.
MAX_NUMBERS = 2 ** 40
#: Axes of one sample. With the batch axis that makes 32, the limit of older NumPy versions.
MAX_AXES = 31
#: Length of the name of a layer or parameter. The paths of all nested layers contain it.
MAX_CHARACTERS = 100


def product(shape: Shape) -> int | None:
    """Number of elements; None if a size is unknown."""
    return None if None in shape else math.prod(shape)  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False)
class Tensor:
    """A view of a buffer with a shape.

    Attributes
    ----------
    buffer : int
        Number of the buffer.
    shape : tuple of int or None
        Shape of one row.
    fold : int or None
        Rows per sample.
    network : object
        Key of the network it belongs to.
    """

    buffer: int
    shape: Shape
    fold: int | None = 1
    network: object = None


class Scope(NamedTuple):
    """The position of a layer within others. Paths share their beginnings, so they are made only when needed."""

    outer: Scope | None
    name: str
    owner: Any = None

    @property
    def path(self) -> str:
        """The names from the outermost layer to this one, joined by slashes."""
        names: list[str] = []
        scope: Scope | None = self
        while scope is not None:
            names.append(scope.name)
            scope = scope.outer
        return "/".join(reversed(names))


@dataclass(eq=False)
class Parameter:
    """A named part of the model's flat parameter vector.

    Attributes
    ----------
    path : str
        ``layer/name``.
    shape : tuple of int
        Its shape, in Keras' layout.
    initializer : callable
        ``(shape, dtype, generator) -> array``.
    offset : int
        Index of its first element in the flat vector.
    trainable, decayed : bool
        Whether the optimizer updates it, and whether weight decay applies to it.
    learned : bool
        Whether it has a gradient. Statistics that an op updates (moving averages) have none.
    penalty : object or None
        The regularizer, with the factors `l1` and `l2` of the loss term l1 sum |w| + l2 sum w^2.
    """

    path: str
    shape: tuple[int, ...]
    initializer: Any
    offset: int
    trainable: bool = True
    decayed: bool = True
    learned: bool = True
    penalty: Any = None

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


@dataclass(eq=False)
class Node:
    """One op of a network: its name, tensors, parameters and attributes.

    Attributes
    ----------
    stage, branch : int
        Stages run one after another. The branches of a stage are independent of each other.
    scope : Scope or None
        The layer that declared it.
    accumulate : bool
        Whether its backward pass adds to the gradients of its parameters, which later ops have written already.
    """

    op: str
    inputs: list[Tensor]
    outputs: list[Tensor]
    parameters: list[Parameter | None]
    attributes: dict[str, Any]
    stage: int
    branch: int
    scope: Scope | None
    python: Any = None
    accumulate: bool = False

    @property
    def layer(self) -> str:
        """Path of the layer that declared it, for errors."""
        return "" if self.scope is None else self.scope.path


@dataclass(eq=False)
class Network:
    """The ops of one model for one input shape, in the order in which they run.

    Parameters
    ----------
    parameters : dict
        The model's parameters by path. The first network of a model fills it; later networks look them up.
    training : bool
        Whether this network is for training. Dropout, for example, is only active in training.
    trainable : bool
        Whether the parameters that are being declared are trainable.

    Attributes
    ----------
    owners : dict
        The parameters declared within each layer's scope.
    """

    parameters: dict[str, Parameter]
    training: bool = True
    trainable: bool = True
    nodes: list[Node] = field(default_factory=list)
    buffers: int = 0
    layers: int = 0
    owners: dict[Any, list[Parameter]] = field(default_factory=dict)
    _key: object = field(default_factory=object)
    _scope: Scope | None = None
    _stage: int = 0
    _branch: int = 0
    _branching: bool = False

    def input(self, shape: Shape) -> Tensor:
        """Return a tensor for the samples."""
        return self.new_tensor(shape, 1)

    def new_tensor(self, shape: Shape, fold: int | None) -> Tensor:
        """Return a tensor with a new buffer."""
        self.buffers += 1
        self._check_parts()
        return self._view(self.buffers - 1, shape, fold)

    def _check_parts(self) -> None:
        if self.layers + self.buffers > MAX_PARTS:
            raise ValueError(f"layer {self.path!r}: the model would have more than {MAX_PARTS:,} layers and tensors; "
                             "make it smaller")

    def _view(self, buffer: int, shape: Sequence[int | None], fold: int | None) -> Tensor:
        """Return a view of a buffer with this shape, if it is within the limits."""
        shape = self._checked_shape(shape, "a tensor")
        if len(shape) > MAX_AXES:
            raise ValueError(f"layer {self.path!r}: samples would have {len(shape)} axes, but may have at most "
                             f"{MAX_AXES}")
        if math.prod(n for n in (fold, *shape) if n is not None) > MAX_NUMBERS:
            raise ValueError(f"layer {self.path!r}: a sample of shape {shape} would have more than {MAX_NUMBERS:,} "
                             "numbers; make it smaller")
        return Tensor(buffer, shape, fold, self._key)

    def _checked_shape(self, shape: Any, what: str) -> Shape:
        if isinstance(shape, str) or not hasattr(shape, "__iter__"):
            raise TypeError(f"layer {self.path!r}: the shape of {what} must be a tuple, got {shape!r}")
        shape = tuple(shape)
        if any(n is not None and not (is_whole(n) and n >= 1) for n in shape):
            raise ValueError(f"layer {self.path!r}: the shape of {what} must hold positive whole numbers, or None "
                             f"where one is not known yet, got {shape}")
        return tuple(None if n is None else int(n) for n in shape)

    def check_tensor(self, x: Any, what: str) -> Tensor:
        """Return the tensor if it belongs to this network.

        Parameters
        ----------
        x : Tensor
            A tensor that a layer passed or returned.
        what : str
            Its role, for errors.

        Raises
        ------
        TypeError
            If it is not a tensor.
        ValueError
            If it belongs to another network, or was made by hand.
        """
        if not isinstance(x, Tensor):
            hint = "; did you forget return?" if x is None else ""
            raise TypeError(f"layer {self.path!r}: {what} must be a tensor of the network, got {x!r:.200}{hint}")
        if x.network is not self._key:
            raise ValueError(f"layer {self.path!r}: {what} is not a tensor of this network; use only the tensors "
                             "passed to connect and those that the network's methods return")
        return x

    def _check_parameter(self, parameter: Any, number: int) -> Parameter | None:
        """Return the parameter if it belongs to this network; None stays None."""
        if parameter is None:
            return None
        if not isinstance(parameter, Parameter):
            raise TypeError(f"layer {self.path!r}: parameter {number} of an op must be what network.parameter returns, "
                            f"or None, got {parameter!r:.200}")
        if self.parameters.get(parameter.path) is not parameter:
            raise ValueError(f"layer {self.path!r}: {parameter.path!r} is not a parameter of this network; call "
                             "network.parameter in each call of connect")
        return parameter

    @property
    def path(self) -> str:
        """Path of the layer that is being connected."""
        return "" if self._scope is None else self._scope.path

    @contextmanager
    def scope(self, name: str, trainable: bool = True, owner: Any = None) -> Iterator[None]:
        """Within the block, declare ops and parameters under a layer's name; `owner` is the layer itself."""
        previous = self._scope, self.trainable
        self.layers += 1
        self._check_parts()
        self._scope = Scope(self._scope, name, owner)
        self.trainable = self.trainable and trainable
        try:
            yield
        finally:
            self._scope, self.trainable = previous

    @contextmanager
    def branches(self, count: int) -> Iterator[Iterator[int]]:
        """Declare independent chains of ops, which may run in parallel: iterate over the numbers that this yields."""
        if self._branching:  # nested branches run one after another
            yield iter(range(count))
            return

        def numbered() -> Iterator[int]:
            for self._branch in range(count):
                yield self._branch

        self._stage += 1
        self._branching = True
        try:
            yield numbered()
        finally:
            self._branching = False
            self._stage += 1
            self._branch = 0

    def parameter(self, name: str, shape: Sequence[int | None], initializer: Any, decayed: bool = True,
                  learned: bool = True, penalty: Any = None) -> Parameter:
        """Declare a parameter of the layer, or look it up if the model has it already.

        `decayed`, `learned` and `penalty` are described in `Parameter`.

        Raises
        ------
        ValueError
            If its shape depends on an unknown size, or differs from that of the model's parameter.
        """
        if not isinstance(name, str) or not name or len(name) > MAX_CHARACTERS:
            raise ValueError(f"layer {self.path!r}: a parameter's name must be a string of 1 to {MAX_CHARACTERS} "
                             f"characters, got {name!r:.200}")
        path = f"{self.path}/{name}"
        shape = self._checked_shape(shape, f"the parameter {name!r}")
        if None in shape:
            raise ValueError(f"layer {self.path!r}: the shape of {name!r} would be {shape}, but the last "
                             "dimension of the layer's input must be known; give input_shape without None there")
        known = self.parameters.get(path)
        if known is None:
            last = next(reversed(self.parameters.values()), None)
            offset = 0 if last is None else last.offset + last.size
            known = Parameter(path, shape, initializer, offset, decayed=decayed,  # type: ignore[arg-type]
                              learned=learned, penalty=penalty)
            self.parameters[path] = known
            scope = self._scope
            while scope is not None:
                if scope.owner is not None:
                    self.owners.setdefault(scope.owner, []).append(known)
                scope = scope.outer
        elif known.shape != shape:
            raise ValueError(f"layer {self.path!r}: {name!r} has shape {known.shape}, but this input needs "
                             f"{shape}; the model was built for another input shape")
        known.trainable = self.trainable and learned
        known.penalty = penalty  # the user may have changed it
        return known

    def op(self, name: str, inputs: Tensor | Sequence[Tensor], parameters: Sequence[Parameter | None] = (),
           **attributes: Any) -> Tensor:
        """Append an op with one output; return the output. See `op_outputs`."""
        outputs = self.op_outputs(name, inputs, parameters, **attributes)
        if len(outputs) != 1:
            raise ValueError(f"layer {self.path!r}: op {name!r} has {len(outputs)} outputs; use network.op_outputs")
        return outputs[0]

    def op_outputs(self, name: str, inputs: Tensor | Sequence[Tensor], parameters: Sequence[Parameter | None] = (),
                   **attributes: Any) -> list[Tensor]:
        """Append an op; return its outputs.

        Raises
        ------
        TypeError, ValueError
            If there is no such op, or if its inputs, parameters or attributes are invalid.
        """
        if not isinstance(name, str) or name not in ops.registered:
            known = ", ".join(sorted(name for name, op in ops.registered.items() if is_for_layers(op)))
            raise ValueError(f"layer {self.path!r}: unknown op {name!r}; known: {known}")
        op = ops.registered[name]
        if not is_for_layers(op) or attributes.keys() & {"counted", "lengths"}:
            raise ValueError(f"layer {self.path!r}: layers cannot use op {name!r} with "
                             f"{attributes or 'no attributes'}; pass losses and metrics to "
                             "compile, and use network.python for Python code")
        inputs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
        return self._append(op, inputs, parameters, None, attributes)

    def _append(self, op: Any, inputs: list[Tensor], parameters: Sequence[Parameter | None], python: Any,
                attributes: dict[str, Any]) -> list[Tensor]:
        inputs = [self.check_tensor(x, f"input {number} of op {op.name!r}") for number, x in enumerate(inputs)]
        owned = [self._check_parameter(parameter, number) for number, parameter in enumerate(parameters)]
        if len({x.fold for x in inputs}) > 1:
            raise ValueError(f"layer {self.path!r}: the inputs of op {op.name!r} must have the same number of rows per "
                             f"sample, got {[x.fold for x in inputs]}; fold the steps of all of them, or of none")
        shapes = [x.shape for x in inputs], [p and p.shape for p in owned]
        try:
            if python is None:
                attributes = op.check(*shapes, attributes)
            made = op.shapes(*shapes, attributes)
        except (TypeError, ValueError) as error:
            raise type(error)(f"layer {self.path!r}: {error}") from None
        outputs = [self.new_tensor(shape, inputs[0].fold) for shape in made]
        self.nodes.append(Node(op.name, inputs, outputs, owned, attributes, self._stage, self._branch, self._scope,
                               python))
        return outputs

    def python(self, layer: Any, x: Tensor, parameters: Sequence[Parameter], shape: Shape) -> Tensor:
        """Append an op that calls the ``forward`` and ``backward`` of a Python object."""
        x = self.check_tensor(x, "the input of network.python")
        shape = self._checked_shape(shape, "the output")
        if None in parameters:
            raise TypeError(f"layer {self.path!r}: the parameters of a layer in Python must be what network.parameter "
                            "returns, got None")
        owned = [self._check_parameter(parameter, number) for number, parameter in enumerate(parameters)]
        function = PythonFunction(layer.forward, layer.backward, [x.shape], [p.shape for p in owned if p is not None],
                                  shape, f"layer {self.path!r}")
        (output,) = self._append(ops.registered["python"], [x], owned, function, {"shape": shape})
        return output

    def reshape(self, x: Tensor, shape: Shape) -> Tensor:
        """Return a view with another shape per row. One size may be None; it is inferred if possible."""
        x = self.check_tensor(x, "the input of reshape")
        reshaped = self._view(x.buffer, shape, x.fold)
        size, unknown = product(x.shape), reshaped.shape.count(None)
        known = math.prod(n for n in reshaped.shape if n is not None)
        least = math.prod(n for n in x.shape if n is not None)
        if size is None:
            fits = unknown > 0 or known % least == 0
        else:
            fits = size % known == 0 if unknown else size == known
            if fits and unknown == 1:
                reshaped = self._view(x.buffer, [size // known if n is None else n for n in reshaped.shape], x.fold)
        if not fits:
            raise ValueError(f"layer {self.path!r}: shape {x.shape} cannot be reshaped to {reshaped.shape}; give a "
                             "shape with the same number of elements")
        return reshaped

    def fold_steps(self, x: Tensor) -> Tensor:
        """Fold the steps of a sequence into the rows: shape (T, ...) becomes (...), with T times as many rows."""
        x = self.check_tensor(x, "the input of fold_steps")
        if not x.shape:
            raise ValueError(f"layer {self.path!r}: samples of shape () have no steps to fold")
        steps = x.shape[0]
        return Tensor(x.buffer, x.shape[1:], None if steps is None or x.fold is None else x.fold * steps, self._key)

    def unfold_steps(self, x: Tensor, steps: int | None) -> Tensor:
        """Undo `fold_steps`."""
        x = self.check_tensor(x, "the input of unfold_steps")
        shape = self._checked_shape((steps, *x.shape), "a tensor")
        steps = shape[0]
        if steps is not None and x.fold is not None and x.fold % steps:
            raise ValueError(f"layer {self.path!r}: the input of unfold_steps must have a multiple of {steps} rows per "
                             f"sample, got {x.fold}; unfold as many steps as fold_steps folded")
        return self._view(x.buffer, shape, None if steps is None or x.fold is None else x.fold // steps)


def is_for_layers(op: Any) -> bool:
    """Whether a layer may use it: not an optimizer's rule, nor an op that reads targets."""
    return isinstance(op, ops.Op) and op.for_layers()


def initialize(parameters: dict[str, Parameter], key: int, dtype: np.dtype) -> np.ndarray:
    """Return the flat vector of initial values. Each parameter has its own generator, seeded by key and its number."""
    flat = aligned(sum(parameter.size for parameter in parameters.values()), dtype)
    for number, parameter in enumerate(parameters.values()):
        generator = np.random.Generator(np.random.Philox(key=np.array([key, number], np.uint64)))
        values = parameter.initializer(parameter.shape, dtype, generator)
        view(flat, parameter)[...] = values
    return flat


def view(flat: np.ndarray, parameter: Parameter) -> np.ndarray:
    """Return a view of one parameter in a flat vector."""
    return flat[parameter.offset:parameter.offset + parameter.size].reshape(parameter.shape)
