"""Specs: what layers write down, before anything is computed.

A layer receives a `Network` and the `Tensor` it reads, declares its parameters and its ops, and returns the
tensor it puts out. A tensor has the shape of one row; how many rows there are (the batch, times `fold` once steps
have been folded into it) is decided when the plan runs. A dimension that is not known yet is None.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from tinynn.engine.memory import aligned
from tinynn.engine.python_op import PythonFunction
from tinynn.kernels import op as ops

Shape = tuple[int | None, ...]

# A model file of a few bytes must fill neither the memory nor the day, and no size that a kernel computes may overflow.
#: Layers and buffers of a network: towers within towers multiply.
MOST_PARTS = 150_000
#: Numbers in one buffer, per sample.
MOST_NUMBERS = 2 ** 40
#: Axes of one sample: with the batch's, as many as any version of NumPy takes.
MOST_AXES = 31
#: Characters of a name of a layer or parameter: names stand in files, and in the paths of all that is inside a layer.
MOST_CHARACTERS = 100


def product(shape: Shape) -> int | None:
    """Number of elements; None when a dimension is not known."""
    return None if None in shape else math.prod(shape)  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False)
class Tensor:
    """A buffer seen with a shape.

    Attributes
    ----------
    buffer : int
        Number of the buffer.
    shape : tuple of int or None
        Shape of one row.
    fold : int or None
        Rows per sample.
    network : object
        What stands for the network it belongs to.
    """

    buffer: int
    shape: Shape
    fold: int | None = 1
    network: object = None


class Scope(NamedTuple):
    """The place of a layer within others; paths are made of it when they are needed, for they repeat each other."""

    outer: Scope | None
    name: str
    owner: Any = None

    @property
    def path(self) -> str:
        """Names from the outermost layer to this one."""
        names: list[str] = []
        scope: Scope | None = self
        while scope is not None:
            names.append(scope.name)
            scope = scope.outer
        return "/".join(reversed(names))


@dataclass(eq=False)
class Parameter:
    """A named part of the model's flat vector of parameters.

    Attributes
    ----------
    path : str
        ``layer/name``.
    shape : tuple of int
        Its shape, in Keras' layout.
    initializer : callable
        ``(shape, dtype, generator) -> array``.
    offset : int
        Where it begins in the flat vector.
    trainable, decayed : bool
        Whether the optimizer changes it, and whether weight decay applies to it.
    learned : bool
        Whether it has a gradient at all: a statistic that an op keeps has none.
    penalty : object or None
        With the factors `l1` and `l2` of what the loss is raised by: l1 sum |w| + l2 sum w^2.
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
    """One op to run: its name, tensors, parameters and attributes, and where it belongs.

    Attributes
    ----------
    stage, branch : int
        Stages run one after the other; the branches of a stage do not depend on each other.
    scope : Scope or None
        The layer that asked for it.
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

    @property
    def layer(self) -> str:
        """Path of the layer that asked for it, for messages."""
        return "" if self.scope is None else self.scope.path


@dataclass(eq=False)
class Network:
    """The ops of one model for one input shape, in the order in which they run.

    Parameters
    ----------
    parameters : dict
        The model's parameters by path. Building fills it; later passes find theirs in it.
    training : bool
        Whether this network is for training: layers that act in training only look at it.

    Attributes
    ----------
    owners : dict
        The parameters that were declared within each layer's scope.
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
        """The tensor of the samples."""
        return self.new_tensor(shape, 1)

    def new_tensor(self, shape: Shape, fold: int | None) -> Tensor:
        """A tensor with a buffer of its own."""
        self.buffers += 1
        self._check_parts()
        return self._seen(self.buffers - 1, shape, fold)

    def _check_parts(self) -> None:
        if self.layers + self.buffers > MOST_PARTS:
            raise ValueError(f"layer {self.path!r}: the model would have more than {MOST_PARTS:,} layers and tensors; "
                             "make it smaller")

    def _seen(self, buffer: int, shape: Sequence[int | None], fold: int | None) -> Tensor:
        """A buffer seen with this shape, if that can be computed with."""
        shape = self._checked_shape(shape, "a tensor")
        if len(shape) > MOST_AXES:
            raise ValueError(f"layer {self.path!r}: samples would have {len(shape)} axes, but may have at most "
                             f"{MOST_AXES}")
        if math.prod(n for n in (fold, *shape) if n is not None) > MOST_NUMBERS:
            raise ValueError(f"layer {self.path!r}: a sample of shape {shape} would have more than {MOST_NUMBERS:,} "
                             "numbers; make it smaller")
        return Tensor(buffer, shape, fold, self._key)

    def _checked_shape(self, shape: Any, what: str) -> Shape:
        if isinstance(shape, str) or not hasattr(shape, "__iter__"):
            raise TypeError(f"layer {self.path!r}: the shape of {what} must be a tuple, got {shape!r}")
        shape = tuple(shape)
        if any(n is not None and (isinstance(n, bool) or not hasattr(n, "__index__") or n < 1) for n in shape):
            raise ValueError(f"layer {self.path!r}: the shape of {what} must hold positive whole numbers, or None "
                             f"where one is not known yet, got {shape}")
        return tuple(None if n is None else int(n) for n in shape)

    def own(self, x: Any, what: str) -> Tensor:
        """The tensor, if it is one of this network.

        Parameters
        ----------
        x : Tensor
            What a layer gave or returned.
        what : str
            What it is, for the message.

        Raises
        ------
        TypeError
            If it is no tensor.
        ValueError
            If it is one of another network, or was made by hand.
        """
        if not isinstance(x, Tensor):
            hint = "; did you forget return?" if x is None else ""
            raise TypeError(f"layer {self.path!r}: {what} must be a tensor of the network, got {x!r:.200}{hint}")
        if x.network is not self._key:
            raise ValueError(f"layer {self.path!r}: {what} is no tensor of this network; use only what connect is "
                             "given and what the network's methods return")
        return x

    def _own_parameter(self, parameter: Any, number: int) -> Parameter | None:
        """The parameter, if it is one of this network, or None."""
        if parameter is None:
            return None
        if not isinstance(parameter, Parameter):
            raise TypeError(f"layer {self.path!r}: parameter {number} of an op must be what network.parameter returns, "
                            f"or None, got {parameter!r:.200}")
        if self.parameters.get(parameter.path) is not parameter:
            raise ValueError(f"layer {self.path!r}: {parameter.path!r} is no parameter of this network; ask for it "
                             "with network.parameter each time that connect is called")
        return parameter

    @property
    def path(self) -> str:
        """Path of the layer at work."""
        return "" if self._scope is None else self._scope.path

    @contextmanager
    def scope(self, name: str, trainable: bool = True, owner: Any = None) -> Iterator[None]:
        """Put what happens inside under the name of a layer; `owner` is the layer itself."""
        before = self._scope, self.trainable
        self.layers += 1
        self._check_parts()
        self._scope = Scope(self._scope, name, owner)
        self.trainable = self.trainable and trainable
        try:
            yield
        finally:
            self._scope, self.trainable = before

    @contextmanager
    def branches(self, count: int) -> Iterator[Iterator[int]]:
        """Independent chains of ops, which may run at the same time: ``for i in`` the iterator this gives."""
        if self._branching:  # branches within a branch run one after the other
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
        """The layer's parameter of this name: declared the first time, found again later.

        `decayed` says whether weight decay applies to it; `learned=False` makes it a statistic that its op keeps;
        `penalty` has the factors `l1` and `l2` of a term of the loss.

        Raises
        ------
        ValueError
            If its shape depends on a dimension that is not known, or is not the one it was declared with.
        """
        if not isinstance(name, str) or not name or len(name) > MOST_CHARACTERS:
            raise ValueError(f"layer {self.path!r}: a parameter's name must be a string of 1 to {MOST_CHARACTERS} "
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
        known.penalty = penalty  # the layer may have been given another one
        return known

    def op(self, name: str, inputs: Tensor | Sequence[Tensor], parameters: Sequence[Parameter | None] = (),
           **attributes: Any) -> Tensor:
        """Append an op with one output; returns its tensor. See `op_outputs`."""
        outputs = self.op_outputs(name, inputs, parameters, **attributes)
        if len(outputs) != 1:
            raise ValueError(f"layer {self.path!r}: op {name!r} has {len(outputs)} outputs; use network.op_outputs")
        return outputs[0]

    def op_outputs(self, name: str, inputs: Tensor | Sequence[Tensor], parameters: Sequence[Parameter | None] = (),
                   **attributes: Any) -> list[Tensor]:
        """Append an op; returns its outputs.

        Raises
        ------
        TypeError, ValueError
            If there is no such op, or what it is given does not fit.
        """
        if not isinstance(name, str) or name not in ops.registered:
            known = ", ".join(sorted(name for name, op in ops.registered.items() if is_for_layers(op)))
            raise ValueError(f"layer {self.path!r}: there is no op {name!r}; known are {known}")
        op = ops.registered[name]
        if not is_for_layers(op) or attributes.keys() & {"counted", "lengths"}:
            raise ValueError(f"layer {self.path!r}: op {name!r} with {attributes or 'no attributes'} is none for "
                             "layers; losses and metrics belong into compile, Python code into network.python")
        inputs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
        return self._append(op, inputs, parameters, None, attributes)

    def _append(self, op: Any, inputs: list[Tensor], parameters: Sequence[Parameter | None], python: Any,
                attributes: dict[str, Any]) -> list[Tensor]:
        inputs = [self.own(x, f"input {number} of op {op.name!r}") for number, x in enumerate(inputs)]
        owned = [self._own_parameter(parameter, number) for number, parameter in enumerate(parameters)]
        if len({x.fold for x in inputs}) > 1:
            raise ValueError(f"layer {self.path!r}: the inputs of op {op.name!r} have {[x.fold for x in inputs]} rows "
                             "per sample; fold the steps of all of them, or of none")
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
        """Append an op written in Python: the ``forward`` and ``backward`` of an object."""
        x = self.own(x, "the input of network.python")
        shape = self._checked_shape(shape, "the output")
        if None in parameters:
            raise TypeError(f"layer {self.path!r}: the parameters of a layer in Python must be what network.parameter "
                            "returns, got None")
        owned = [self._own_parameter(parameter, number) for number, parameter in enumerate(parameters)]
        function = PythonFunction(layer.forward, layer.backward, [x.shape], [p.shape for p in owned if p is not None],
                                  shape, f"layer {self.path!r}")
        (output,) = self._append(ops.registered["python"], [x], owned, function, {"shape": shape})
        return output

    def reshape(self, x: Tensor, shape: Shape) -> Tensor:
        """The same numbers with another shape per row; one size may be None, whatever fits."""
        x = self.own(x, "what is reshaped")
        seen = self._seen(x.buffer, shape, x.fold)
        size, unknown = product(x.shape), seen.shape.count(None)
        known = math.prod(n for n in seen.shape if n is not None)
        least = math.prod(n for n in x.shape if n is not None)
        if size is None:
            fits = unknown > 0 or known % least == 0
        else:
            fits = size % known == 0 if unknown else size == known
            if fits and unknown == 1:
                seen = self._seen(x.buffer, [size // known if n is None else n for n in seen.shape], x.fold)
        if not fits:
            raise ValueError(f"layer {self.path!r}: numbers of shape {x.shape} cannot be reshaped to {seen.shape}; "
                             "give a shape of as many")
        return seen

    def fold_steps(self, x: Tensor) -> Tensor:
        """The steps of a sequence as rows of their own: (T, ...) becomes (...), with T times as many rows."""
        x = self.own(x, "what is folded")
        if not x.shape:
            raise ValueError(f"layer {self.path!r}: samples of shape () have no steps to fold")
        steps = x.shape[0]
        return Tensor(x.buffer, x.shape[1:], None if steps is None or x.fold is None else x.fold * steps, self._key)

    def unfold_steps(self, x: Tensor, steps: int | None) -> Tensor:
        """What `fold_steps` did, undone."""
        x = self.own(x, "what is unfolded")
        seen = self._seen(x.buffer, (steps, *x.shape), None)
        steps = seen.shape[0]
        if steps is not None and x.fold is not None and x.fold % steps:
            raise ValueError(f"layer {self.path!r}: {x.fold} rows per sample are no whole number of sequences of "
                             f"{steps} steps; unfold as many as fold_steps folded")
        return self._seen(x.buffer, seen.shape, None if steps is None or x.fold is None else x.fold // steps)


def is_for_layers(op: Any) -> bool:
    """Whether a layer may use it: an op, no optimizer's rule, and one that reads no targets."""
    return isinstance(op, ops.Op) and op.for_layers()


def initialize(parameters: dict[str, Parameter], key: int, dtype: np.dtype) -> np.ndarray:
    """The flat vector of initial values. Each parameter has a generator of its own, keyed by (key, its number)."""
    flat = aligned(sum(parameter.size for parameter in parameters.values()), dtype)
    for number, parameter in enumerate(parameters.values()):
        generator = np.random.Generator(np.random.Philox(key=np.array([key, number], np.uint64)))
        values = parameter.initializer(parameter.shape, dtype, generator)
        view(flat, parameter)[...] = values
    return flat


def view(flat: np.ndarray, parameter: Parameter) -> np.ndarray:
    """One parameter within a flat vector."""
    return flat[parameter.offset:parameter.offset + parameter.size].reshape(parameter.shape)
