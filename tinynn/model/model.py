"""What every model offers: training, prediction, weights and files, over a core."""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from typing import Any, Literal, Self, overload

from numpy.typing import NDArray

from tinynn.augmentation import Augmentation
from tinynn.callbacks.history import History
from tinynn.callbacks.progress import check_verbose
from tinynn.checks import nearest
from tinynn.core.core import Core
from tinynn.core.saved import architecture_of, assemble, describe, refused, tensors_of
from tinynn.engine.graph import Shape
from tinynn.engine.memory import aligned_copy
from tinynn.io.atomic import write_file
from tinynn.io.format import digest, pack, unpack
from tinynn.io.suffixes import check_suffix
from tinynn.layers.base import Layer
from tinynn.layers.weights import read_weights, write_weights
from tinynn.losses import Loss
from tinynn.metrics import Metric
from tinynn.model.summary import summary_of
from tinynn.optimizers import Optimizer
from tinynn.training import batches, loop
from tinynn.training.passes import ALL

Verbose = Literal["auto", 0, 1, 2] | bool


class Model:
    """Base of models. `tinynn.Sequential` is the one that users make."""

    _core: Core

    @classmethod
    def _of(cls, core: Core) -> Self:
        """The model whose core this is."""
        model = cls.__new__(cls)
        model._core = core
        return model

    @property
    def name(self) -> str:
        """Name of the model."""
        return self._core.name

    @name.setter
    def name(self, name: str) -> None:
        self._core.name = name

    @property
    def input_shape(self) -> Shape | None:
        """Shape of one sample; None until the model is built."""
        return self._core.input_shape

    @property
    def layers(self) -> list[Layer]:
        """The layers, first to last; the list cannot be changed in place."""
        return self._core.layers

    @property
    def trainable(self) -> bool:
        """Whether training changes any parameters at all; False freezes the whole model."""
        return self._core.trainable

    @trainable.setter
    def trainable(self, trainable: bool) -> None:
        self._core.trainable = trainable

    @property
    def loss(self) -> Loss | None:
        """The loss, None before `compile`, which sets it."""
        return self._core.loss

    @property
    def metrics(self) -> list[Metric]:
        """The metrics, in a list of their own; `compile` sets them."""
        return list(self._core.metrics)

    @property
    def optimizer(self) -> Any:
        """The optimizer, None before `compile`. Another one set here begins anew, as after `compile`."""
        return self._core.optimizer

    @optimizer.setter
    def optimizer(self, optimizer: str | Optimizer) -> None:
        self._core.set_optimizer(optimizer)

    @property
    def stop_training(self) -> bool:
        """Whether `fit` is to end after this step or epoch; for callbacks to set."""
        return self._core.stop_training

    @stop_training.setter
    def stop_training(self, stop: bool) -> None:
        self._core.stop_training = stop

    @property
    def history(self) -> History | None:
        """What the last `fit` has recorded, also one that was interrupted."""
        history: History | None = self._core.history
        return history

    @property
    def provenance(self) -> dict[str, Any] | None:
        """What the last `fit` was given (``recipe``, ``data``) and reached (``metrics``); model files keep it."""
        return self._core.provenance

    @provenance.setter
    def provenance(self, provenance: dict[str, Any] | None) -> None:
        self._core.provenance = provenance

    @property
    def notes(self) -> dict[str, Any]:
        """User metadata, saved with the model: a dict of what JSON can hold."""
        return self._core.notes

    @notes.setter
    def notes(self, notes: dict[str, Any]) -> None:
        self._core.notes = notes

    def compile(self, optimizer: str | Optimizer = "rmsprop", loss: str | Loss | None = None,
                metrics: Sequence[str | Metric] = ()) -> None:
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
        self._core.compile(optimizer, loss, metrics)

    def fit(self, x: Any, y: Any = None, batch_size: int = 32, epochs: int = 1, verbose: Verbose = "auto",
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
        options = loop.FitOptions(batch_size, epochs, verbose, callbacks, validation_split, validation_data, shuffle,
                                  class_weight, sample_weight, initial_epoch, check_finite, augment, checkpoint,
                                  checkpoint_every, resume, hash_data)
        return loop.fit(self._core, self, x, y, options)

    @overload
    def evaluate(self, x: Any, y: Any = ..., batch_size: int = ..., verbose: Verbose = ..., sample_weight: Any = ..., *,
                 return_dict: Literal[True], check_finite: bool = ..., callbacks: Any = ...) -> dict[str, float]: ...
    @overload
    def evaluate(self, x: Any, y: Any = ..., batch_size: int = ..., verbose: Verbose = ..., sample_weight: Any = ...,
                 return_dict: Literal[False] = ..., check_finite: bool = ...,
                 callbacks: Any = ...) -> float | list[float]: ...
    def evaluate(self, x: Any, y: Any = None, batch_size: int = 32, verbose: Verbose = 0, sample_weight: Any = None,
                 return_dict: bool = False, check_finite: bool = True,
                 callbacks: Any = ()) -> float | list[float] | dict[str, float]:
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
        logs = loop.evaluate(self._core, self, x, y, batch_size, verbose, sample_weight, check_finite, callbacks)
        return logs if return_dict else list(logs.values()) if len(logs) > 1 else logs["loss"]

    def predict(self, x: Any, batch_size: int = 32, output: str | None = None, check_finite: bool = True,
                verbose: Verbose = "auto", callbacks: Any = ()) -> NDArray[Any]:
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
        predictor = self._core.predictor
        if predictor is not None:
            predictions = predictor.predict(x, batch_size, output, check_finite, verbose, callbacks)
            if predictions is not None:
                return predictions
        check_verbose(verbose, "predict")
        if output is not None and not isinstance(output, str):
            raise TypeError(f"predict: output must be the name of a layer, such as {self._core.names[-1]!r}, got "
                            f"{output!r}")
        return loop.predict(self._core, self, x, batch_size, output, check_finite, callbacks)

    @overload
    def train_on_batch(self, x: Any, y: Any = ..., sample_weight: Any = ..., *,
                       return_dict: Literal[True]) -> dict[str, float]: ...
    @overload
    def train_on_batch(self, x: Any, y: Any = ..., sample_weight: Any = ...,
                       return_dict: Literal[False] = ...) -> float | list[float]: ...
    def train_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None,
                       return_dict: bool = False) -> float | list[float] | dict[str, float]:
        """Do one step on these samples; returns what `evaluate` returns, for the weights before the step."""
        values = batches.step(self._core, "train_on_batch", x, y, sample_weight, update=True)
        if return_dict:
            return dict(zip(["loss", *self._core.metric_names()], values, strict=True))
        return values if len(values) > 1 else values[0]

    @overload
    def test_on_batch(self, x: Any, y: Any = ..., sample_weight: Any = ..., *,
                      return_dict: Literal[True]) -> dict[str, float]: ...
    @overload
    def test_on_batch(self, x: Any, y: Any = ..., sample_weight: Any = ...,
                      return_dict: Literal[False] = ...) -> float | list[float]: ...
    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None,
                      return_dict: bool = False) -> float | list[float] | dict[str, float]:
        """Evaluate these samples as one batch."""
        logs = loop.evaluate(self._core, self, x, y, ALL, 0, sample_weight, True, (), "test_on_batch")
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
        return batches.step(self._core, "compute_gradients", x, y, sample_weight, update=False)[0]

    def apply_gradients(self) -> None:
        """The update segment of a step: change the weights by what stands in `gradients`.

        Raises
        ------
        ValueError
            If there are no gradients yet.
        """
        batches.apply_gradients(self._core)

    @property
    def parameters(self) -> NDArray[Any]:
        """All parameters in one flat vector: the model's own memory, not a copy."""
        return self._core.built("parameters")

    @property
    def gradients(self) -> NDArray[Any]:
        """Their gradients, in the same order: the model's own memory, writable."""
        self._core.built("gradients")
        assert self._core.gradients is not None
        return self._core.gradients

    def get_weights(self) -> list[NDArray[Any]]:
        """Copies of the parameters, layer by layer, in Keras' order and layout."""
        return read_weights(self._core.built("get_weights"), self._core.parameters.values())

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
        flat = self._core.built("set_weights")
        write_weights(flat, list(self._core.parameters.values()), weights, "set_weights")

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
        self._core.built("fingerprint")
        return digest({}, tensors_of(self._core, optimizer=False))[:16]

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
        names = self._core.names
        if name not in names:
            raise ValueError(f"get_layer: there is no layer {name!r}; the layers are {', '.join(names)}"
                             f"{nearest(name, names)}")
        return self.layers[names.index(name)]

    def summary(self) -> None:
        """Print the layers with their output shapes and numbers of parameters."""
        print(summary_of(self._core))

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
        self._core.built("save")
        check_suffix(path, "save: path")
        content = self._to_bytes(include_optimizer)
        try:
            write_file(path, content)
        except ValueError as error:
            raise ValueError(f"save: {error}") from None
        except OSError as error:
            raise type(error)(error.errno, f"save: cannot write {os.fspath(path)!r}: {error.strerror}") from None

    def check_can_be_saved(self, function: str) -> None:
        """Raise TypeError if the model holds something that a file cannot (a function as schedule)."""
        try:
            describe(self._core, False)
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
        return architecture_of(self._core)

    def _to_bytes(self, optimizer: bool = True, compiled: bool = True) -> bytes:
        """The content of a file, with or without what the optimizer remembers, or as if it were not compiled."""
        return pack(describe(self._core, optimizer, compiled), tensors_of(self._core, optimizer and compiled))

    @classmethod
    def _from_bytes(cls, content: bytes, name: str = "the model's bytes", compile: bool = True) -> Self:
        """The model that a file's content describes; ValueError if it is no model file, or damaged."""
        description, tensors = unpack(content, name)
        with refused(f"load: {name}"):
            return cls._of(assemble(description, tensors, compile))

    def __reduce__(self) -> Any:
        return self._from_bytes, (self._to_bytes(),)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        # Not by way of `__reduce__` alone: functions, as schedules or in losses, can be copied but not written.
        mine = self._core
        model = self._from_bytes(self._to_bytes(compiled=False))
        memo[id(self)] = model
        if mine.optimizer is not None:
            model.compile(*copy.deepcopy((mine.optimizer, mine.loss, mine.metrics), memo))
            model._core.states = {name: aligned_copy(state) for name, state in list(mine.states.items())}
            model._core.iteration, model._core.epochs = mine.iteration, mine.epochs
        return model

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}: {', '.join(self._core.names)}>"
