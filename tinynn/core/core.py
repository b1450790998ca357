"""The core of a model: its layers, their parameters, loss and optimizer, and the plans that run them.

`tinynn.Sequential` is its public interface. The loops over data and the files work on a core; it knows neither.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinynn import losses, metrics, optimizers
from tinynn.checks import check_seed
from tinynn.core.exclusive import Exclusive
from tinynn.engine.compiler import compile_program
from tinynn.engine.graph import MAX_CHARACTERS, Network, Parameter, Shape, Tensor, initialize
from tinynn.engine.memory import aligned
from tinynn.engine.plan import Plan
from tinynn.engine.predictor import Predictor
from tinynn.layers.base import Layer, LayerWeights, do_nothing
from tinynn.layers.chain import FixedList, as_layers, connect_chain, unique_names, with_inner
from tinynn.losses import Loss
from tinynn.metrics import Metric
from tinynn.names import nearest
from tinynn.optimizers import Optimizer

#: Size of the cache of plans: each new length of a sequence adds one.
MAX_PLANS = 64


def _called(layer: Layer) -> str:
    """What an error calls a layer: its class, and its name if it has one."""
    return f"the {type(layer).__name__} layer" + (f" {layer.name!r}" if layer.name else "")


class Core:
    """The state of a chain of layers.

    Parameters
    ----------
    layers : Layer or sequence of Layer
        The layers, first to last.
    rng : int, SeedSequence or Generator
        Seed of all random numbers.
    dtype : {"float32", "float64"}
        Dtype of the parameters and of the computation.
    name : str, optional
        Name of the model.
    names : sequence of str, optional
        Names of the layers. The default is each layer's name, or one made from its class.
    owns_layers : bool
        Whether the layers' `get_weights` and `set_weights` refer to this core. If False, the layers stay with the
        model they belong to.

    Attributes
    ----------
    input_shape : tuple or None
        Shape of one sample; None until the core is built.
    parameters : dict of str to Parameter
        The parameters by path, ``layer/parameter``.
    weights, gradients : ndarray or None
        The flat parameter vector and its gradient; None until the core is built.
    optimizer, loss, metrics
        The arguments of `compile`.
    states : dict of str to ndarray
        The optimizer's state vectors by name; empty before the first step.
    iteration, epochs : int
        Number of updates done and of epochs begun. With `key`, they seed the random numbers of training.
    key : int
        64-bit key of all random numbers.
    predictor : Predictor or None
        The fast path of `predict` for small batches.
    derived : dict
        Objects that training caches, valid as long as the plans.
    lock : Exclusive
        Held while a thread changes the weights.
    """

    def __init__(self, layers: Layer | Sequence[Layer] = (), rng: Any = 0, dtype: Any = "float32",
                 name: str | None = None, names: Sequence[str] | None = None, owns_layers: bool = True) -> None:
        self.owns_layers = owns_layers
        self.weights: NDArray[Any] | None = None
        self.set_layers(layers, names)
        if name is not None and not (isinstance(name, str) and name.isprintable()):
            raise ValueError(f"Sequential: name must be a string of printable characters, got {name!r}")
        if name is not None and len(name) > MAX_CHARACTERS:
            raise ValueError(f"Sequential: name must have at most {MAX_CHARACTERS} characters, got {len(name):,}")
        self.name = name or "sequential"
        try:
            self.dtype = np.dtype(object if dtype is None else dtype)  # NumPy's default would be float64
        except TypeError:
            self.dtype = np.dtype(object)
        if self.dtype not in (np.dtype(np.float32), np.dtype(np.float64)):
            raise ValueError(f"Sequential: dtype must be 'float32' or 'float64', got {dtype!r}")
        self.key = key_from(rng)
        self.input_shape: Shape | None = None
        self.trainable = True
        self.optimizer: Optimizer | None = None
        self.loss: Loss | None = None
        self.metrics: list[Metric] = []
        self.stop_training = False
        self.provenance: dict[str, Any] | None = None
        self.notes: dict[str, Any] = {}
        self.history: Any = None
        self.iteration = self.epochs = 0
        self.parameters: dict[str, Parameter] = {}
        self.gradients: NDArray[Any] | None = None
        self.states: dict[str, NDArray[Any]] = {}
        self.last_gradient_plan: Plan | None = None
        self.forget_plans()
        self.lock = Exclusive()

    # --- layers ----------------------------------------------------------------------------------------

    def set_layers(self, layers: Layer | Sequence[Layer], names: Sequence[str] | None = None) -> None:
        """Set the layers; raise ValueError if one occurs twice or belongs to another model."""
        empty = not isinstance(layers, Layer) and hasattr(layers, "__len__") and len(layers) == 0
        listed = FixedList() if empty else as_layers(layers, "Sequential")
        seen: set[int] = set()
        for layer in with_inner(listed):
            if id(layer) in seen:
                raise ValueError(f"Sequential: {_called(layer)} is used twice; use layer.clone() for the second one")
            seen.add(id(layer))
        self._check_free(listed)
        self.names = unique_names(listed) if names is None else list(names)
        self.layers = listed

    def _check_free(self, layers: Sequence[Layer]) -> None:
        """Raise ValueError if a layer belongs to another model: its weights would not come along."""
        for layer in with_inner(layers) if self.owns_layers else ():
            if layer._built is not None and layer._built.flat is not self.weights:
                raise ValueError(f"Sequential: {_called(layer)} belongs to the model {layer._built.model!r}, and two "
                                 "models cannot share weights yet; use layer.clone(), build the model and copy the "
                                 "weights: new.set_weights(layer.get_weights())")

    def add(self, layer: Layer) -> None:
        """Append a layer. The other layers keep their weights; the optimizer's state is reset."""
        if not isinstance(layer, Layer):
            raise TypeError(f"add: layer must be a layer, got {layer!r}")
        self.check_untrained("add")
        previous = self.layers, self.names
        self.set_layers([*self.layers, layer])
        if self.input_shape is None:
            return
        network = Network({}, trainable=self.trainable)
        try:
            self.connect(network, self.input_shape)
            weights = initialize(network.parameters, self.key, self.dtype)
        except BaseException:
            self.layers, self.names = previous
            raise
        old = self.built("add")
        weights[:old.size] = old  # the new layer's parameters come last
        self.adopt(network, weights, self.input_shape)
        self.reset_optimizer()

    # --- parameters ------------------------------------------------------------------------------------

    def build(self, shape: Shape) -> None:
        """Declare and initialize the parameters for samples of this shape."""
        if self.input_shape is not None:
            raise ValueError(f"build: the model is built already, for samples of shape {self.input_shape}")
        self._check_free(self.layers)
        network = Network({}, trainable=self.trainable)
        self.connect(network, shape)
        self.adopt(network, initialize(network.parameters, self.key, self.dtype), shape)

    def connect(self, network: Network, shape: Shape) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Connect all layers in a network; return its input, its output, and the output of each layer."""
        x = network.input(shape)
        outputs = connect_chain(self.layers, self.names, network, x)
        return x, outputs[-1] if outputs else x, dict(zip(self.names, outputs, strict=True))

    def adopt(self, network: Network, weights: NDArray[Any], shape: Shape) -> None:
        """Set the parameters to those that a network declared, with these values."""
        self.parameters, self.weights = dict(network.parameters), weights
        if self.owns_layers:
            forget = weakref.WeakMethod(self.forget_plans)
            for layer in with_inner(self.layers):
                layer._built = LayerWeights(self.name, weights, network.owners.get(layer, []),
                                            lambda: (forget() or do_nothing)())
        self.forget_plans()
        self.gradients = aligned(weights.size, weights.dtype, np.zeros)
        self.input_shape = shape

    def unbuild(self) -> None:
        """Undo `build`."""
        for layer in with_inner(self.layers) if self.owns_layers else ():
            layer._built = None
        self.input_shape = self.weights = self.gradients = None
        self.parameters = {}
        self.forget_plans()

    def built(self, function: str) -> NDArray[Any]:
        """Return the flat parameter vector; raise ValueError if the core is not built."""
        if self.weights is None:
            raise ValueError(f"{function}: the model has no weights yet; give Sequential an input_shape, or call "
                             "build(input_shape) or fit first")
        return self.weights

    # --- loss and optimizer ----------------------------------------------------------------------------

    def compile(self, optimizer: Any, loss: Any, chosen_metrics: Any) -> None:
        """Set optimizer, loss and metrics. If one of them is invalid, nothing changes."""
        if loss is None:
            raise ValueError("compile: loss is missing; name one, such as 'sparse_categorical_crossentropy' or 'mse'")
        if isinstance(chosen_metrics, str):
            raise TypeError(f"compile: metrics must be a list, got the string {chosen_metrics!r}; write "
                            f"metrics=[{chosen_metrics!r}]")
        rule, loss, listed = optimizers.get(optimizer), losses.get(loss), [metrics.get(m) for m in chosen_metrics]
        names = [metric.name for metric in listed if metric.name]
        for name in names:
            if names.count(name) > 1 or name == "loss":
                raise ValueError(f"compile: the name {name!r} would occur twice in the logs; give each metric its own "
                                 "name")
        self.check_untrained("compile")
        self.set_optimizer(rule)
        self.loss, self.metrics = loss, listed
        self.forget_plans()

    def set_optimizer(self, optimizer: Any) -> None:
        """Set the optimizer, with a new state."""
        self.check_untrained("optimizer")
        self.optimizer = optimizers.get(optimizer).taken_by(self)
        self.reset_optimizer()

    def reset_optimizer(self) -> None:
        """Delete the optimizer's state."""
        self.iteration = 0
        self.states = {}
        self.last_gradient_plan = None

    def compiled(self, function: str) -> tuple[Optimizer, Loss]:
        """Return optimizer and loss; raise ValueError if the core is not compiled."""
        if self.optimizer is None or self.loss is None:
            raise ValueError(f"{function}: the model is not compiled; call compile(optimizer=..., loss=...) first")
        return self.optimizer, self.loss

    def metric_names(self) -> list[str]:
        """Return the metrics' keys in History. The key of a user's metric is the name of its class."""
        return [metric.name or type(metric).__name__ for metric in self.metrics]

    def check_untrained(self, function: str) -> None:
        """Raise RuntimeError while the model is being trained."""
        if self.lock.is_held():
            raise RuntimeError(f"{function}: the model cannot be changed while it is being trained; do this before "
                               "or after training")

    # --- plans -----------------------------------------------------------------------------------------

    def forget_plans(self) -> None:
        """Clear all caches that depend on the layers, the loss or the metrics."""
        self._plans: dict[Any, Plan] = {}
        self.derived: dict[str, Any] = {}
        self.predictor: Predictor | None = None
        self.last_gradient_plan = None

    def plan(self, kind: str, shape: Shape, output: str | None = None) -> Plan:
        """Return the cached plan of a kind ("train", "evaluate", "predict") and sample shape; make it if needed."""
        key = kind, tuple(shape), output, self.trainable, tuple(layer.trainable for layer in with_inner(self.layers))
        plans = self._plans  # another thread's compile replaces the dict; this plan must not enter the new one
        plan = plans.get(key)
        if plan is None:
            # No lock, since a forked child could inherit it locked. If two threads make the plan, the first is kept.
            plan = plans.setdefault(key, self._make_plan(kind, shape, output))
            for old in list(plans)[:-MAX_PLANS]:
                plans.pop(old, None)
        return plan

    def _make_plan(self, kind: str, shape: Shape, output: str | None) -> Plan:
        if not self.layers:
            raise ValueError(f"{kind}: the model has no layers yet; append some with model.add(layer)")
        network = Network(dict(self.parameters), training=kind == "train", trainable=self.trainable)
        x, y, outputs = self.connect(network, shape)
        if len(network.parameters) != len(self.parameters):
            new = ", ".join(path for path in network.parameters if path not in self.parameters)
            raise ValueError(f"{kind}: the parameters {new} were not there when the model was built; a layer must "
                             "declare the same ones every time")
        if output is not None:
            if output not in outputs:
                raise ValueError(f"predict: there is no layer {output!r}; the layers are {', '.join(outputs)}"
                                 f"{nearest(output, outputs)}")
            y = outputs[output]
            network.nodes = network.nodes[:1 + max((i for i, node in enumerate(network.nodes) for t in node.outputs
                                                    if t.buffer == y.buffer), default=-1)]
        assert self.weights is not None and self.gradients is not None
        if kind == "predict":
            return Plan(compile_program(network, x, y), self.weights, self.gradients)
        if not y.shape:
            raise ValueError(f"{kind}: the output is a scalar; the loss needs a last axis")
        _, loss = self.compiled(kind)
        losses.check_output(loss, network, y)
        targets_shape = y.shape[:-1] if loss.labels else y.shape
        specs = tuple(metric.spec(loss, y.shape) for metric in self.metrics)
        program = compile_program(network, x, y, loss.spec(), specs, targets_shape, kind == "train")
        return Plan(program, self.weights, self.gradients)


def key_from(rng: Any) -> int:
    """Derive a 64-bit key from an int, SeedSequence or Generator."""
    rng = check_seed("Sequential", rng)
    if isinstance(rng, np.random.Generator):
        return int(rng.integers(0, 2**64, dtype=np.uint64))
    return int(rng.generate_state(1, np.uint64)[0])
