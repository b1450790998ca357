"""The core of a model: its layers, their parameters, loss and optimizer, and the plans that run them.

A core knows no loop over data and no file. `tinynn.Sequential` is its public face; training works on the core.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinynn import losses, metrics, optimizers
from tinynn.checks import nearest
from tinynn.core.exclusive import Exclusive
from tinynn.engine.compiler import compile_program
from tinynn.engine.graph import MOST_CHARACTERS, Network, Parameter, Shape, Tensor, initialize
from tinynn.engine.memory import aligned
from tinynn.engine.plan import Plan
from tinynn.engine.predictor import Predictor
from tinynn.layers.base import Layer, LayerWeights, nothing
from tinynn.layers.chain import FixedList, as_layers, connect_chain, unique_names, with_inner
from tinynn.losses import Loss
from tinynn.metrics import Metric
from tinynn.optimizers import Optimizer

#: Plans to keep: sequences of ever new lengths would fill the memory with them.
MAX_PLANS = 64


class Core:
    """The state of a chain of layers.

    Parameters
    ----------
    layers : Layer or sequence of Layer
        The layers, first to last.
    rng : int, SeedSequence or Generator
        Seed of everything random.
    dtype : {"float32", "float64"}
        What to compute in.
    name : str, optional
        Name of the model.
    names : sequence of str, optional
        Names of the layers; left out, each has its own or one made from its class.
    owns_layers : bool
        Whether the layers' weights are this core's; False leaves them where they are.

    Attributes
    ----------
    input_shape : tuple or None
        Shape of one sample; None until the core is built.
    parameters : dict of str to Parameter
        Where each parameter stands in the flat vector, by ``layer/parameter``.
    weights, gradients : ndarray or None
        The flat vectors; None until the core is built.
    optimizer, loss, metrics
        What `compile` was given.
    states : dict of str to ndarray
        The optimizer's vectors by name, as far as there are any yet.
    iteration, epochs : int
        Updates done and epochs begun so far: they key what is random in training.
    key : int
        64 bits that key everything random.
    predictor : Predictor or None
        Predicts small batches without looking closely at the arguments.
    derived : dict
        What training has made from the plans; forgotten with them.
    lock : Exclusive
        Held by whoever changes the weights.
    """

    def __init__(self, layers: Layer | Sequence[Layer] = (), rng: Any = 0, dtype: Any = "float32",
                 name: str | None = None, names: Sequence[str] | None = None, owns_layers: bool = True) -> None:
        self.owns_layers = owns_layers
        self.weights: NDArray[Any] | None = None
        self.set_layers(layers, names)
        if name is not None and not (isinstance(name, str) and name.isprintable()):
            raise ValueError(f"Sequential: name must be a string of printable characters, got {name!r}")
        if name is not None and len(name) > MOST_CHARACTERS:
            raise ValueError(f"Sequential: name must have at most {MOST_CHARACTERS} characters, got {len(name):,}")
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
        """Take layers; ValueError if one is there twice or belongs to another model."""
        empty = not isinstance(layers, Layer) and hasattr(layers, "__len__") and len(layers) == 0
        listed = FixedList() if empty else as_layers(layers, "Sequential")
        seen: set[int] = set()
        for layer in with_inner(listed):
            if id(layer) in seen:
                raise ValueError(f"Sequential: the {type(layer).__name__} layer {layer.name or ''!r} is used twice; "
                                 "make a second one")
            seen.add(id(layer))
        self._check_free(listed)
        self.names = unique_names(listed) if names is None else list(names)
        self.layers = listed

    def _check_free(self, layers: Sequence[Layer]) -> None:
        """Raise ValueError if a layer belongs to another model: that one's weights would be left behind."""
        for layer in with_inner(layers) if self.owns_layers else ():
            if layer._built is not None and layer._built.flat is not self.weights:
                name = "" if layer.name is None else f" {layer.name!r}"
                raise ValueError(f"Sequential: the {type(layer).__name__} layer{name} belongs to the "
                                 f"model {layer._built.model!r}, and two models cannot share weights yet; give "
                                 "layer.clone(), build the model and copy the weights: "
                                 "new.set_weights(layer.get_weights())")

    def add(self, layer: Layer) -> None:
        """Append a layer; the others keep their weights, and the optimizer begins anew."""
        if not isinstance(layer, Layer):
            raise TypeError(f"add: layer must be a layer, got {layer!r}")
        self.check_untrained("add")
        before = self.layers, self.names
        self.set_layers([*self.layers, layer])
        if self.input_shape is None:
            return
        network = Network({}, trainable=self.trainable)
        try:
            self.connect(network, self.input_shape)
            weights = initialize(network.parameters, self.key, self.dtype)
        except BaseException:
            self.layers, self.names = before
            raise
        old = self.built("add")
        weights[:old.size] = old  # the new layer's come last
        self.adopt(network, weights, self.input_shape)
        self.begin_optimizer()

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
        """Write all layers into a network; returns its input, its output, and the output of each layer."""
        x = network.input(shape)
        outputs = connect_chain(self.layers, self.names, network, x)
        return x, outputs[-1] if outputs else x, dict(zip(self.names, outputs, strict=True))

    def adopt(self, network: Network, weights: NDArray[Any], shape: Shape) -> None:
        """Take the parameters that a network has declared, with their values."""
        self.parameters, self.weights = dict(network.parameters), weights
        if self.owns_layers:
            forget = weakref.WeakMethod(self.forget_plans)
            for layer in with_inner(self.layers):
                layer._built = LayerWeights(self.name, weights, network.owners.get(layer, []),
                                            lambda: (forget() or nothing)())
        self.forget_plans()
        self.gradients = aligned(weights.size, weights.dtype, np.zeros)
        self.input_shape = shape

    def unbuild(self) -> None:
        """Go back to before `build`."""
        for layer in with_inner(self.layers) if self.owns_layers else ():
            layer._built = None
        self.input_shape = self.weights = self.gradients = None
        self.parameters = {}
        self.forget_plans()

    def built(self, function: str) -> NDArray[Any]:
        """The flat vector of weights; ValueError if there is none yet."""
        if self.weights is None:
            raise ValueError(f"{function}: the model has no weights yet; give Sequential an input_shape, or call "
                             "build(input_shape) or fit first")
        return self.weights

    # --- loss and optimizer ----------------------------------------------------------------------------

    def compile(self, optimizer: Any, loss: Any, chosen_metrics: Any) -> None:
        """Choose optimizer, loss and metrics; nothing has changed if one of them is wrong."""
        if loss is None:
            raise ValueError("compile: loss is missing; name one, such as 'sparse_categorical_crossentropy' or 'mse'")
        if isinstance(chosen_metrics, str):
            raise TypeError(f"compile: metrics must be a list, got the string {chosen_metrics!r}; write "
                            f"metrics=[{chosen_metrics!r}]")
        rule, loss, listed = optimizers.get(optimizer), losses.get(loss), [metrics.get(m) for m in chosen_metrics]
        names = [metric.name for metric in listed if metric.name]
        for name in names:
            if names.count(name) > 1 or name == "loss":
                raise ValueError(f"compile: two quantities would be called {name!r}; give each metric a name of its "
                                 "own")
        self.check_untrained("compile")
        self.set_optimizer(rule)
        self.loss, self.metrics = loss, listed
        self.forget_plans()

    def set_optimizer(self, optimizer: Any) -> None:
        """Take an optimizer, which begins anew."""
        self.check_untrained("optimizer")
        self.optimizer = optimizers.get(optimizer).taken_by(self)
        self.begin_optimizer()

    def begin_optimizer(self) -> None:
        """Forget what the optimizer remembers."""
        self.iteration = 0
        self.states = {}
        self.last_gradient_plan = None

    def compiled(self, function: str) -> tuple[Optimizer, Loss]:
        """Optimizer and loss; ValueError if there are none yet."""
        if self.optimizer is None or self.loss is None:
            raise ValueError(f"{function}: the model is not compiled; call compile(optimizer=..., loss=...) first")
        return self.optimizer, self.loss

    def metric_names(self) -> list[str]:
        """The metrics' keys in History: a class of a user's own goes by its name."""
        return [metric.name or type(metric).__name__ for metric in self.metrics]

    def check_untrained(self, function: str) -> None:
        """Raise RuntimeError while the model is being trained."""
        if self.lock.is_held():
            raise RuntimeError(f"{function}: this model is being trained; change it before or after")

    # --- plans -----------------------------------------------------------------------------------------

    def forget_plans(self) -> None:
        """Drop what was made for layers, loss and metrics as they were."""
        self._plans: dict[Any, Plan] = {}
        self.derived: dict[str, Any] = {}
        self.predictor: Predictor | None = None
        self.last_gradient_plan = None

    def plan(self, kind: str, shape: Shape, output: str | None = None) -> Plan:
        """The plan for ``"train"``, ``"evaluate"`` or ``"predict"`` and a sample shape, made the first time."""
        key = kind, tuple(shape), output, self.trainable, tuple(layer.trainable for layer in with_inner(self.layers))
        plans = self._plans  # compile replaces the dict; a plan made before must not get into the new one
        plan = plans.get(key)
        if plan is None:
            # Without a lock, which the child of a fork could inherit locked: of two made at once the first stays.
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
    """One 64-bit key from an int, SeedSequence or Generator."""
    if isinstance(rng, np.random.Generator):
        return int(rng.integers(0, 2**64, dtype=np.uint64))
    if isinstance(rng, np.random.SeedSequence):
        return int(rng.generate_state(1, np.uint64)[0])
    if isinstance(rng, bool) or not hasattr(rng, "__index__"):
        raise TypeError(f"Sequential: rng must be an int, a SeedSequence or a Generator, got {rng!r}")
    if int(rng) < 0:
        raise ValueError(f"Sequential: rng must be at least 0, got {rng}")
    return int(np.random.SeedSequence(int(rng)).generate_state(1, np.uint64)[0])
