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
from typing import Any

import numpy as np

from tinynn.engine.memory import aligned
from tinynn.engine.python_op import PythonFunction
from tinynn.kernels import op as ops

Shape = tuple[int | None, ...]

# A model file of a few bytes must fill neither the memory nor the day, and no size that a kernel computes may overflow.
#: Layers and buffers of a network: towers within towers multiply.
MOST_PARTS = 200_000
#: Numbers in one buffer, per sample.
MOST_NUMBERS = 2 ** 40
#: Axes of one sample: with the batch's, as many as any version of NumPy takes.
MOST_AXES = 31


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
    """

    buffer: int
    shape: Shape
    fold: int | None = 1


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
    layer : str
        Path of the layer that asked for it, for messages.
    """

    op: str
    inputs: list[Tensor]
    outputs: list[Tensor]
    parameters: list[Parameter | None]
    attributes: dict[str, Any]
    stage: int
    branch: int
    layer: str
    python: Any = None


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
    _owners: list[Any] = field(default_factory=list)
    _path: list[str] = field(default_factory=list)
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
        shape = tuple(shape)
        if len(shape) > MOST_AXES:
            raise ValueError(f"layer {self.path!r}: samples would have {len(shape)} axes, but may have at most "
                             f"{MOST_AXES}")
        if math.prod(n for n in (fold, *shape) if n is not None) > MOST_NUMBERS:
            raise ValueError(f"layer {self.path!r}: a sample of shape {shape} would have more than {MOST_NUMBERS:,} "
                             "numbers; make it smaller")
        return Tensor(buffer, shape, fold)

    @property
    def path(self) -> str:
        """Path of the layer at work."""
        return "/".join(self._path)

    @contextmanager
    def scope(self, name: str, trainable: bool = True, owner: Any = None) -> Iterator[None]:
        """Put what happens inside under the name of a layer; `owner` is the layer itself."""
        before = self.trainable
        self.layers += 1
        self._check_parts()
        self._path.append(name)
        self._owners.append(owner)
        self.trainable = before and trainable
        try:
            yield
        finally:
            self._path.pop()
            self._owners.pop()
            self.trainable = before

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
        path = f"{self.path}/{name}"
        if None in shape:
            raise ValueError(f"layer {self.path!r}: the shape of {name!r} would be {tuple(shape)}, but the last "
                             "dimension of the layer's input must be known; give input_shape without None there")
        known = self.parameters.get(path)
        if known is None:
            last = next(reversed(self.parameters.values()), None)
            offset = 0 if last is None else last.offset + last.size
            known = Parameter(path, tuple(shape), initializer, offset, decayed=decayed,  # type: ignore[arg-type]
                              learned=learned, penalty=penalty)
            self.parameters[path] = known
            for owner in self._owners:
                if owner is not None:
                    self.owners.setdefault(owner, []).append(known)
        elif known.shape != tuple(shape):
            raise ValueError(f"layer {self.path!r}: {name!r} has shape {known.shape}, but this input needs "
                             f"{tuple(shape)}; the model was built for another input shape")
        known.trainable = self.trainable and learned
        known.penalty = penalty  # the layer may have been given another one
        return known

    def op(self, name: str, inputs: Tensor | Sequence[Tensor], parameters: Sequence[Parameter | None] = (),
           python: Any = None, **attributes: Any) -> Tensor:
        """Append an op with one output; returns its tensor."""
        (output,) = self.op_outputs(name, inputs, parameters, python, **attributes)
        return output

    def op_outputs(self, name: str, inputs: Tensor | Sequence[Tensor], parameters: Sequence[Parameter | None] = (),
                   python: Any = None, **attributes: Any) -> list[Tensor]:
        """Append an op; returns its outputs."""
        inputs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
        if name not in ops.registered:
            known = ", ".join(sorted(ops.registered))
            raise ValueError(f"layer {self.path!r}: there is no op {name!r}; known are {known}")
        shapes = ops.registered[name].shapes([tensor.shape for tensor in inputs],
                                             [p and p.shape for p in parameters], attributes)
        outputs = [self.new_tensor(shape, inputs[0].fold) for shape in shapes]
        self.nodes.append(Node(name, inputs, outputs, list(parameters), attributes, self._stage, self._branch,
                               self.path, python))
        return outputs

    def python(self, layer: Any, x: Tensor, parameters: Sequence[Parameter], shape: Shape) -> Tensor:
        """Append an op written in Python: the ``forward`` and ``backward`` of an object."""
        function = PythonFunction(layer.forward, layer.backward, [x.shape], [p.shape for p in parameters], tuple(shape),
                                  f"layer {self.path!r}")
        return self.op("python", x, parameters, python=function, shape=tuple(shape))

    def reshape(self, x: Tensor, shape: Shape) -> Tensor:
        """The same numbers with another shape per row."""
        return self._seen(x.buffer, shape, x.fold)

    def fold_steps(self, x: Tensor) -> Tensor:
        """The steps of a sequence as rows of their own: (T, ...) becomes (...), with T times as many rows."""
        steps = x.shape[0]
        return Tensor(x.buffer, x.shape[1:], None if steps is None or x.fold is None else x.fold * steps)

    def unfold_steps(self, x: Tensor, steps: int | None) -> Tensor:
        """What `fold_steps` did, undone."""
        return self._seen(x.buffer, (steps, *x.shape), None if steps is None or x.fold is None else x.fold // steps)


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
