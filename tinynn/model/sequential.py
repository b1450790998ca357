"""The model: a chain of layers with its weights."""

from __future__ import annotations

import copy
import os
import weakref
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tinynn.engine.compiler import compile_program
from tinynn.engine.memory import aligned, aligned_copy
from tinynn.engine.network import MOST_CHARACTERS, Network, Parameter, Shape, Tensor, initialize
from tinynn.engine.plan import Plan
from tinynn.engine.predictor import Predictor
from tinynn.model import files, losses, optimizers, running
from tinynn.model import metrics as known_metrics
from tinynn.model.augmentation import Augmentation
from tinynn.model.batches import Batches
from tinynn.model.callbacks import History
from tinynn.model.exclusive import Exclusive
from tinynn.model.layer import Layer, LayerWeights, nothing
from tinynn.model.progress import check_verbose
from tinynn.model.registry import nearest
from tinynn.model.weights import read_weights, write_weights
from tinynn.model.wrappers import FixedList, as_layers, unique_names

#: Plans that a model keeps: sequences of ever new lengths would fill the memory with them.
MOST_PLANS = 64


class Sequential:
    """A chain of layers: what one puts out, the next one reads.

    Parameters
    ----------
    layers : sequence of Layer
        The layers, first to last; more can follow with `add`. A layer that belongs to a built model cannot be used in
        another one: take its `clone` and copy the weights.
    input_shape : tuple of int or None, optional
        Shape of one sample. Where it holds None, any size is taken. Left out, it is that of the first data.
    rng : int, SeedSequence or Generator
        Seed of everything random: initial weights, shuffling, dropout. The same seed gives the same bits.
    dtype : {"float32", "float64"}
        What to compute in.
    name : str, optional
        Name of the model.

    Attributes
    ----------
    layers : list of Layer
        The layers; the list cannot be changed in place.
    optimizer : Optimizer or None
        Set by `compile`. Another one set here begins anew, as after `compile`.
    trainable : bool
        Whether training changes any parameters at all; False freezes the whole model.
    history : History or None
        What the last `fit` has recorded, also one that was interrupted.
    stop_training : bool
        A callback sets it to end `fit`.
    provenance : dict or None
        What the last `fit` was given (``recipe``, ``data``) and reached (``metrics``); model files keep it.
    notes : dict
        Yours: what else the model's file shall say, as JSON can hold it.

    Examples
    --------
    >>> import numpy as np, tinynn
    >>> x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], "float32")
    >>> y = np.array([0, 1, 1, 0])
    >>> model = tinynn.Sequential([tinynn.layers.Dense(8, activation="tanh"),
    ...                            tinynn.layers.Dense(2, activation="softmax")], input_shape=(2,), rng=1)
    >>> model.compile(optimizer=tinynn.optimizers.Adam(0.05), loss="sparse_categorical_crossentropy",
    ...               metrics=["accuracy"])
    >>> history = model.fit(x, y, batch_size=4, epochs=200, verbose=0)
    >>> history.history["accuracy"][-1]
    1.0
    """

    #: Whether the layers' weights are this model's; a copy that only computes with them leaves them where they are.
    _owns_layers = True

    def __init__(self, layers: Layer | Sequence[Layer] = (), input_shape: Shape | None = None, rng: Any = 0,
                 dtype: Any = "float32", name: str | None = None) -> None:
        self._weights: np.ndarray | None = None
        self._set_layers(layers)
        if name is not None and not (isinstance(name, str) and name.isprintable()):
            raise ValueError(f"Sequential: name must be a string of printable characters, got {name!r}")
        if name is not None and len(name) > MOST_CHARACTERS:
            raise ValueError(f"Sequential: name must have at most {MOST_CHARACTERS} characters, got {len(name):,}")
        self.name = name or "sequential"
        try:
            self._dtype = np.dtype(object if dtype is None else dtype)  # NumPy's default would be float64
        except TypeError:
            self._dtype = np.dtype(object)
        if self._dtype not in (np.dtype(np.float32), np.dtype(np.float64)):
            raise ValueError(f"Sequential: dtype must be 'float32' or 'float64', got {dtype!r}")
        self._key = key_from(rng)
        self.input_shape: Shape | None = None
        self.trainable = True
        self._optimizer: Any = None
        self._loss: Any = None
        self._metrics: list[Any] = []
        self.stop_training = False
        self.provenance: dict[str, Any] | None = None
        self.notes: dict[str, Any] = {}
        self.history: History | None = None
        self._iteration = 0          # updates so far
        self._epochs = 0             # epochs begun so far: they key what is random in training
        self._parameters: dict[str, Parameter] = {}
        self._gradients: np.ndarray | None = None
        self._states: dict[str, np.ndarray] = {}
        self._plans: dict[Any, Plan] = {}
        self._last_gradient_plan: Plan | None = None
        self._predictor: Predictor | None = None
        self._batches: Batches | None = None
        self._training = Exclusive()
        if input_shape is not None:
            self.build(input_shape)

    # --- layers ----------------------------------------------------------------------------------------

    @property
    def layers(self) -> list[Layer]:
        """The layers, first to last."""
        return self._layers

    def all_layers(self) -> list[Layer]:
        """The layers and those inside them."""
        return list(_with_inner(self._layers))

    def _set_layers(self, layers: Layer | Sequence[Layer]) -> None:
        empty = not isinstance(layers, Layer) and hasattr(layers, "__len__") and len(layers) == 0
        listed = FixedList() if empty else as_layers(layers, "Sequential")
        _check_each_once(listed)
        self._check_free(listed)
        self._names = unique_names(listed)
        self._layers = listed

    def _check_free(self, layers: Sequence[Layer]) -> None:
        """Raise ValueError if a layer belongs to another model: that one's weights would be left behind."""
        for layer in _with_inner(layers) if self._owns_layers else ():
            if layer._built is not None and layer._built.flat is not self._weights:
                name = "" if layer.name is None else f" {layer.name!r}"
                raise ValueError(f"Sequential: the {type(layer).__name__} layer{name} belongs to the "
                                 f"model {layer._built.model!r}, and two models cannot share weights yet; give "
                                 "layer.clone(), build the model and copy the weights: "
                                 "new.set_weights(layer.get_weights())")

    def add(self, layer: Layer) -> None:
        """Append a layer. The others keep their weights; an optimizer begins anew.

        Parameters
        ----------
        layer : Layer
            What reads the output so far.

        Raises
        ------
        TypeError, ValueError
            If it is no layer, belongs to another model, or cannot take what reaches it; nothing has been changed then.
        RuntimeError
            If the model is being trained.

        Examples
        --------
        >>> import tinynn
        >>> model = tinynn.Sequential(input_shape=(3,))
        >>> model.add(tinynn.layers.Dense(4, activation="relu"))
        >>> model.add(tinynn.layers.Dense(1))
        >>> model.count_params()
        21
        """
        if not isinstance(layer, Layer):
            raise TypeError(f"add: layer must be a layer, got {layer!r}")
        self._check_untrained("add")
        before = self._layers, self._names
        self._set_layers([*self._layers, layer])
        if self.input_shape is None:
            return
        network = Network({}, trainable=self.trainable)
        try:
            self._connect(network, self.input_shape)
            weights = initialize(network.parameters, self._key, self._dtype)
        except BaseException:
            self._layers, self._names = before
            raise
        weights[:self.parameters.size] = self.parameters  # the new layer's come last
        self._adopt(network, weights, self.input_shape)
        self._begin_optimizer()

    # --- building --------------------------------------------------------------------------------------

    def build(self, input_shape: Shape) -> None:
        """Declare and initialise the parameters for an input shape.

        Parameters
        ----------
        input_shape : tuple of int or None
            Shape of one sample, without the batch.

        Raises
        ------
        ValueError
            If the model is built already, or a layer cannot take what reaches it.
        """
        if self.input_shape is not None:
            raise ValueError(f"build: the model is built already, for samples of shape {self.input_shape}")
        shape = _check_shape(input_shape)
        self._check_free(self._layers)
        network = Network({}, trainable=self.trainable)
        self._connect(network, shape)
        self._adopt(network, initialize(network.parameters, self._key, self._dtype), shape)

    def _adopt(self, network: Network, weights: np.ndarray, shape: Shape) -> None:
        """Take the parameters that a network has declared, with their values."""
        self._parameters, self._weights = dict(network.parameters), weights
        if self._owns_layers:
            forget = weakref.WeakMethod(self._forget_plans)
            for layer in _with_inner(self._layers):
                layer._built = LayerWeights(self.name, weights, network.owners.get(layer, []),
                                            lambda: (forget() or nothing)())
        self._forget_plans()
        self._gradients = aligned(weights.size, weights.dtype, np.zeros)
        self.input_shape = shape

    def _unbuild(self) -> None:
        for layer in _with_inner(self._layers) if self._owns_layers else ():
            layer._built = None
        self.input_shape = self._weights = self._gradients = None
        self._parameters = {}
        self._forget_plans()

    def _forget_plans(self) -> None:
        """What was made for the layers, the loss and the metrics as they were."""
        self._plans = {}
        self._last_gradient_plan = self._predictor = self._batches = None

    def _connect(self, network: Network, shape: Shape) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """The network's input, its output, and every layer's output."""
        x = y = network.input(shape)
        outputs = {}
        for name, layer in zip(self._names, self.layers, strict=True):
            with network.scope(name, layer.trainable, layer):
                y = network.own(layer.connect(network, y), "what connect returns")
            outputs[name] = y
        return x, y, outputs

    def _require_built(self, function: str) -> None:
        if self.input_shape is None:
            raise ValueError(f"{function}: the model has no weights yet; give Sequential an input_shape, or call "
                             "build(input_shape) or fit first")

    def _require_compiled(self, function: str) -> None:
        if self._optimizer is None:
            raise ValueError(f"{function}: the model is not compiled; call compile(optimizer=..., loss=...) first")

    def compile(self, optimizer: Any = "rmsprop", loss: Any = None, metrics: Any = ()) -> None:
        """Choose optimizer, loss and metrics. What the optimizer remembers begins anew.

        Parameters
        ----------
        optimizer : str or Optimizer
            ``"sgd"``, ``"adam"``, ``"adamw"``, ``"rmsprop"`` or an object of `tinynn.optimizers`. The model takes the
            object itself, or a copy if another model has it, so that no model changes the learning rate of another.
        loss : str or Loss
            A name or an object of `tinynn.losses`.
        metrics : sequence of str or Metric
            Names such as ``"accuracy"``, or objects of `tinynn.metrics`.

        Raises
        ------
        TypeError, ValueError
            If a name is not known; lists the known ones.
        """
        if loss is None:
            raise ValueError("compile: loss is missing; name one, such as 'sparse_categorical_crossentropy' or 'mse'")
        if isinstance(metrics, str):
            raise TypeError(f"compile: metrics must be a list, got the string {metrics!r}; write metrics=[{metrics!r}]")
        chosen = optimizers.get(optimizer), losses.get(loss), [known_metrics.get(m) for m in metrics]
        names = [metric.name for metric in chosen[2] if metric.name]
        for name in names:
            if names.count(name) > 1 or name == "loss":
                raise ValueError(f"compile: two quantities would be called {name!r}; give each metric a name of its "
                                 "own")
        self._check_untrained("compile")
        self.optimizer, self._loss, self._metrics = chosen
        self._forget_plans()

    @property
    def loss(self) -> Any:
        """The loss, None before `compile`, which sets it."""
        return self._loss

    @property
    def metrics(self) -> list[Any]:
        """The metrics, in a list of their own; `compile` sets them."""
        return list(self._metrics)

    @property
    def optimizer(self) -> Any:
        """The optimizer, None before `compile`."""
        return self._optimizer

    @optimizer.setter
    def optimizer(self, optimizer: Any) -> None:
        self._check_untrained("optimizer")
        self._optimizer = optimizers.get(optimizer).taken_by(self)
        self._begin_optimizer()

    def _begin_optimizer(self) -> None:
        """Forget what the optimizer remembers."""
        self._iteration = 0
        self._states = {}
        self._last_gradient_plan = None

    def _check_untrained(self, function: str) -> None:
        if self._training.is_held():
            raise RuntimeError(f"{function}: this model is being trained; change it before or after")

    def _plan(self, kind: str, shape: Shape, output: str | None = None) -> Plan:
        """The plan for ``"train"``, ``"evaluate"`` or ``"predict"`` and a sample shape, made the first time."""
        key = kind, tuple(shape), output, self.trainable, tuple(layer.trainable for layer in _with_inner(self._layers))
        plans = self._plans  # compile begins new ones, among which one of before must not come
        plan = plans.get(key)
        if plan is None:
            # Without a lock, which the child of a fork could inherit locked: of two made at once the first stays.
            plan = plans.setdefault(key, self._make_plan(kind, shape, output))
            for old in list(plans)[:-MOST_PLANS]:
                plans.pop(old, None)
        return plan

    def _make_plan(self, kind: str, shape: Shape, output: str | None) -> Plan:
        if not self._layers:
            raise ValueError(f"{kind}: the model has no layers yet; append some with model.add(layer)")
        network = Network(dict(self._parameters), training=kind == "train", trainable=self.trainable)
        x, y, outputs = self._connect(network, shape)
        if len(network.parameters) != len(self._parameters):
            new = ", ".join(path for path in network.parameters if path not in self._parameters)
            raise ValueError(f"{kind}: the parameters {new} were not there when the model was built; a layer must "
                             "declare the same ones every time")
        if output is not None:
            if output not in outputs:
                raise ValueError(f"predict: there is no layer {output!r}; the layers are {', '.join(outputs)}"
                                 f"{nearest(output, outputs)}")
            y = outputs[output]
            network.nodes = network.nodes[:1 + max((i for i, node in enumerate(network.nodes) for t in node.outputs
                                                    if t.buffer == y.buffer), default=-1)]
        if kind == "predict":
            return Plan(compile_program(network, x, y), self.parameters, self.gradients)
        if not y.shape:
            raise ValueError(f"{kind}: the model puts out single numbers; the loss needs a last axis")
        losses.check_output(self.loss, network, y)
        targets_shape = y.shape[:-1] if self.loss.labels else y.shape
        specs = tuple(metric.spec(self.loss, y.shape) for metric in self.metrics)
        program = compile_program(network, x, y, self.loss.spec(), specs, targets_shape, kind == "train")
        return Plan(program, self.parameters, self.gradients)

    # --- training and prediction: see running.py -----------------------------------------------------------

    def fit(self, x: Any, y: Any = None, batch_size: int = 32, epochs: int = 1, verbose: Any = "auto",
            callbacks: Any = (), validation_split: float = 0.0, validation_data: Any = None, shuffle: bool = True,
            class_weight: dict[int, float] | None = None, sample_weight: Any = None, initial_epoch: int = 0,
            check_finite: bool = True, augment: Augmentation | None = None,
            checkpoint: str | os.PathLike[str] | None = None, checkpoint_every: float = 60.0,
            resume: str | os.PathLike[str] | None = None, hash_data: bool = False) -> History:
        """Train the model.

        Parameters
        ----------
        x : array_like or data set
            Samples (n, ...): any buffer, ``__array__`` or DLPack exporter; a table, such as pandas has, whose columns
            are numbers or booleans; or an object with the data-set protocol, such as `tinynn.datasets.DigitSums`,
            which holds its targets itself.
        y : array_like, optional
            Targets: labels (n, ...) or arrays shaped as the output.
        batch_size : int
            Samples in a step. The last step of an epoch takes what is left.
        epochs : int
            Number of the epoch to end with: from `initial_epoch` 0 on, how many to train.
        verbose : {"auto", 0, 1, 2}
            0 silent, 1 a progress line on a terminal, 2 a line per epoch.
        callbacks : Callback or sequence of Callback
            See `tinynn.callbacks`.
        validation_split : float
            Share of the samples, the last ones, kept out of training and evaluated after each epoch.
        validation_data : tuple or data set, optional
            (x, y) or (x, y, sample_weight) to evaluate after each epoch.
        shuffle : bool
            Take the samples in a new random order every epoch. The order, like all that is random, depends on rng and
            on how many epochs the model has begun so far, by this and earlier calls.
        class_weight : dict, optional
            Weight of each class's losses.
        sample_weight : array_like, optional
            Weight of each sample's loss, (n,), or of each of its losses.
        initial_epoch : int
            Number of the epoch to begin with, for callbacks and history.
        check_finite : bool
            Look for NaN and infinity in the data first.
        augment : Augmentation, optional
            Change every image at random, in each epoch in another way. The samples are images (rows, columns) or (rows,
            columns, channels), or the data set's items are.
        checkpoint : str or path, optional
            File from which this training can be resumed, whatever ends it. It is written now and then, after Ctrl-C and
            at the end, always whole; `load` reads it, too.
        checkpoint_every : float or int
            When: after so many seconds (60.0: a float) or steps (60: an int).
        resume : str or path, optional
            A checkpoint to go on from: the training ends with the bits it would have without the interruption. All
            other arguments, the data and the compiled model must be those of the training that wrote it; only `epochs`,
            `verbose` and `check_finite` may differ. The file goes on being written unless `checkpoint` is another.
        hash_data : bool
            Write the SHA-256 of the data into `provenance`; with a checkpoint that is always done, for it must not be
            resumed with other data. A data set is asked for its samples of epoch 0.

        Returns
        -------
        History
            ``history.history`` holds a list per quantity: loss, metrics, val_loss, ...

        Raises
        ------
        TypeError, ValueError
            If an argument or the data do not fit, or are not those of the checkpoint; nothing has been changed then.
        OSError
            If a checkpoint cannot be read or written. What stood there is whole; the model keeps what it has learnt.
        FloatingPointError
            If the loss becomes NaN or infinite; the model keeps the weights from before that step, or gets those that
            `EarlyStopping` was to restore. What was recorded is in its attribute ``history``.
        RuntimeError
            If this model is being trained by another thread.
        """
        return running.fit(self, x, y, batch_size, epochs, verbose, callbacks, validation_split, validation_data,
                           shuffle, class_weight, sample_weight, initial_epoch, check_finite, augment, checkpoint,
                           checkpoint_every, resume, hash_data)

    def evaluate(self, x: Any, y: Any = None, batch_size: int = 32, verbose: Any = 0, sample_weight: Any = None,
                 return_dict: bool = False, check_finite: bool = True, callbacks: Any = ()) -> Any:
        """Compute loss and metrics.

        Parameters
        ----------
        x, y, batch_size, sample_weight, check_finite
            As for `fit`.
        verbose : {"auto", 0, 1, 2}
            Other than 0: print the result.
        return_dict : bool
            Return a dict by name instead of a number or a list.
        callbacks : Callback or sequence of Callback
            Their methods ``on_test_...`` are called.

        Returns
        -------
        float, list of float or dict
            The loss; with metrics, the list [loss, metric, ...].
        """
        logs = running.evaluate(self, x, y, batch_size, verbose, sample_weight, check_finite, callbacks)
        return logs if return_dict else list(logs.values()) if len(logs) > 1 else logs["loss"]

    def predict(self, x: Any, batch_size: int = 32, output: str | None = None, check_finite: bool = True,
                verbose: Any = "auto", callbacks: Any = ()) -> np.ndarray:
        """Compute the output. Any number of threads may call this on one model at once.

        Parameters
        ----------
        x : array_like or data set
            As for `fit`.
        batch_size : int
            Samples computed together; it changes speed and memory, not the bits of the result.
        output : str, optional
            Name of a layer: return what that one puts out.
        check_finite : bool
            Look for NaN and infinity in x first.
        verbose : {"auto", 0, 1, 2}
            As for `fit`, but nothing is printed whatever it is.
        callbacks : Callback or sequence of Callback
            Their methods ``on_predict_...`` are called.

        Returns
        -------
        ndarray
            (n, ...), of the model's dtype.
        """
        if self._predictor is not None:
            predictions = self._predictor.predict(x, batch_size, output, check_finite, verbose, callbacks)
            if predictions is not None:
                return predictions
        check_verbose(verbose, "predict")
        if output is not None and not isinstance(output, str):
            raise TypeError(f"predict: output must be the name of a layer, such as {self._names[-1]!r}, got {output!r}")
        return running.predict(self, x, batch_size, output, check_finite, callbacks)

    def train_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """Do one step on these samples; returns what `evaluate` returns, for the weights before the step."""
        values = running.step(self, "train_on_batch", x, y, sample_weight, update=True)
        if return_dict:
            return dict(zip(["loss", *running.metric_names(self)], values, strict=True))
        return values if len(values) > 1 else values[0]

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """Evaluate these samples as one batch."""
        logs = running.evaluate(self, x, y, running.ALL, 0, sample_weight, True, (), "test_on_batch")
        return logs if return_dict else list(logs.values()) if len(logs) > 1 else logs["loss"]

    def compute_gradients(self, x: Any, y: Any = None, sample_weight: Any = None) -> float:
        """The gradient segment of a step: write the gradient of the mean loss into `gradients`; returns the loss.

        Parameters
        ----------
        x, y, sample_weight
            One mini-batch, as for `fit`.

        Returns
        -------
        float
            The loss.
        """
        return running.step(self, "compute_gradients", x, y, sample_weight, update=False)[0]

    def apply_gradients(self) -> None:
        """The update segment of a step: change the weights by what stands in `gradients`.

        Raises
        ------
        ValueError
            If there are no gradients yet.
        """
        running.apply_gradients(self)

    # --- weights -----------------------------------------------------------------------------------------

    @property
    def parameters(self) -> np.ndarray:
        """All parameters in one flat vector: the model's own memory, not a copy."""
        self._require_built("parameters")
        assert self._weights is not None
        return self._weights

    @property
    def gradients(self) -> np.ndarray:
        """Their gradients, in the same order: the model's own memory, writable."""
        self._require_built("gradients")
        assert self._gradients is not None
        return self._gradients

    def get_weights(self) -> list[np.ndarray]:
        """Copies of the parameters, layer by layer, in Keras' order and layout."""
        self._require_built("get_weights")
        return read_weights(self.parameters, self._parameters.values())

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Set all parameters.

        Parameters
        ----------
        weights : sequence of array_like
            As many as `get_weights` returns, of the same shapes.

        Raises
        ------
        ValueError
            If their number, a shape or a value does not fit; nothing has been changed then.
        """
        self._require_built("set_weights")
        write_weights(self.parameters, list(self._parameters.values()), weights, "set_weights")

    def fingerprint(self) -> str:
        """16 hexadecimal digits that stand for the parameters: equal only if all bits are.

        They are the first of the SHA-256 of the parameters' names, dtypes, shapes and bytes.

        Examples
        --------
        >>> import tinynn
        >>> first, same, other = (tinynn.Sequential([tinynn.layers.Dense(2)], input_shape=(3,), rng=rng)
        ...                       for rng in (0, 0, 1))
        >>> first.fingerprint() == same.fingerprint(), first.fingerprint() == other.fingerprint()
        (True, False)
        """
        self._require_built("fingerprint")
        return files.digest({}, files.tensors_of(self, optimizer=False))[:16]

    def count_params(self) -> int:
        """Number of parameters."""
        return int(self.parameters.size)

    def get_layer(self, name: str) -> Layer:
        """The layer of this name.

        Raises
        ------
        ValueError
            If there is none.
        """
        if name not in self._names:
            raise ValueError(f"get_layer: there is no layer {name!r}; the layers are {', '.join(self._names)}"
                             f"{nearest(name, self._names)}")
        return self.layers[self._names.index(name)]

    def summary(self) -> None:
        """Print the layers with their output shapes and numbers of parameters."""
        self._require_built("summary")
        assert self.input_shape is not None
        _, _, outputs = self._connect(Network(dict(self._parameters), trainable=self.trainable), self.input_shape)
        rows = [("layer", "type", "output", "parameters")]
        for name, layer in zip(self._names, self.layers, strict=True):
            count = sum(p.size for path, p in self._parameters.items() if path.startswith(f"{name}/"))
            shape = ", ".join("any" if n is None else str(n) for n in ("batch", *outputs[name].shape))
            rows.append((name, type(layer).__name__, f"({shape})", f"{count:,}"))
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        lines = [f"{a:{widths[0]}}  {b:{widths[1]}}  {c:{widths[2]}}  {d:>{widths[3]}}".rstrip() for a, b, c, d in rows]
        rule = "-" * max(map(len, lines))
        trainable = sum(p.size for p in self._parameters.values() if p.trainable)
        size = self.count_params() * self._dtype.itemsize
        print("\n".join([f"{self.name} ({self._dtype})", rule, lines[0], rule, *lines[1:], rule,
                         f"{self.count_params():,} parameters ({trainable:,} trainable), {size / 1e6:.2f} MB"]))

    # --- files -------------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str], include_optimizer: bool = False) -> None:
        """Write the model to a safetensors file; equal models give equal bytes.

        The file appears whole or not at all: a file of that name is replaced only when the new one is complete.

        Parameters
        ----------
        path : str or path
            Name of the file.
        include_optimizer : bool
            Also write what the optimizer remembers, up to twice the size of the model, so that the loaded model
            can go on training as if it had never been away.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        self._require_built("save")
        files.save(self, path, include_optimizer)

    def check_can_be_saved(self, function: str) -> None:
        """Raise TypeError if the model holds something that a file cannot (a function as schedule)."""
        try:
            files.describe(self, False)
        except TypeError as error:
            raise TypeError(f"{function}: the model cannot be saved: {error}") from None

    def get_config(self) -> dict[str, Any]:
        """What the model is made of, without weights: what `from_config` makes an equal model from.

        Returns
        -------
        dict
            ``name``, ``dtype``, ``input_shape`` and ``layers``; only what JSON can hold.

        Raises
        ------
        TypeError
            If a layer has an argument that JSON cannot hold (a function).
        """
        return files.architecture_of(self)

    @classmethod
    def from_config(cls, config: Mapping[str, Any], rng: Any = 0) -> Sequential:
        """Make a model from what `get_config` returned, with new weights and not compiled.

        Parameters
        ----------
        config : dict
            From `get_config`.
        rng : int, SeedSequence or Generator
            Seed of everything random.

        Raises
        ------
        TypeError, ValueError
            If the configuration does not describe a model.
        """
        return files.from_architecture(cls, config, rng)

    def clone(self) -> Sequential:
        """A new model like this one, with layers of its own, the weights that this one began with, and not compiled.

        `copy.deepcopy` copies the weights, too, and the optimizer with all it remembers.

        Examples
        --------
        >>> import numpy as np, tinynn
        >>> model = tinynn.Sequential([tinynn.layers.Dense(2)], input_shape=(3,), rng=7)
        >>> model.clone().fingerprint() == model.fingerprint()
        True
        """
        model = type(self).from_config(self.get_config())
        model._key = self._key
        if self.input_shape is not None:
            model.parameters[...] = initialize(model._parameters, self._key, self._dtype)
        return model

    def __reduce__(self) -> Any:
        return files.from_bytes, (files.to_bytes(self),)

    def __deepcopy__(self, memo: dict[int, Any]) -> Sequential:
        # Not by way of `__reduce__` alone: functions, as schedules or in losses, can be copied but not written.
        model = files.from_bytes(files.to_bytes(self, compiled=False))
        memo[id(self)] = model
        if self._optimizer is not None:
            model.compile(*copy.deepcopy((self._optimizer, self.loss, self.metrics), memo))
            model._states = {name: aligned_copy(state) for name, state in list(self._states.items())}
            model._iteration, model._epochs = self._iteration, self._epochs
        return model

    def __repr__(self) -> str:
        return f"<Sequential {self.name!r}: {', '.join(self._names)}>"



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


def _check_shape(shape: Any) -> Shape:
    if isinstance(shape, int) or not hasattr(shape, "__iter__"):
        raise TypeError(f"input_shape must be a tuple, the shape of one sample, got {shape!r}; for vectors write (n,)")
    shape = tuple(shape)
    for n in shape:
        if n is not None and (isinstance(n, bool) or not hasattr(n, "__index__") or n < 1):
            raise ValueError(f"input_shape must hold positive whole numbers or None, got {shape}")
    return tuple(None if n is None else int(n) for n in shape)


def _check_each_once(layers: Sequence[Layer]) -> None:
    """A layer used twice would have to share its parameters, which a chain does not do."""
    seen: set[int] = set()
    for layer in _with_inner(layers):
        if id(layer) in seen:
            raise ValueError(f"Sequential: the {type(layer).__name__} layer {layer.name or ''!r} is used twice; make a "
                             "second one")
        seen.add(id(layer))


def _with_inner(layers: Sequence[Layer]) -> Iterator[Layer]:
    """The layers and those inside them."""
    waiting = list(reversed(layers))
    while waiting:
        layer = waiting.pop()
        yield layer
        waiting.extend(reversed(getattr(layer, "layers", ())))
