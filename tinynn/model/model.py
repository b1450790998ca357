"""The base class of models: training, prediction, weights and files, on top of a core."""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from typing import Any, Literal, Self, overload

from numpy.typing import NDArray

from tinynn.augmentation import Augmentation
from tinynn.callbacks.history import History
from tinynn.callbacks.progress import check_verbose
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
from tinynn.names import nearest
from tinynn.optimizers import Optimizer
from tinynn.training import batches, loop
from tinynn.training.passes import ALL

Verbose = Literal["auto", 0, 1, 2] | bool


class Model:
    """Base class of models. Users create a `tinynn.Sequential`."""

    _core: Core

    @classmethod
    def _of(cls, core: Core) -> Self:
        """Make a model with this core."""
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
        """Whether training changes the parameters; False freezes the whole model."""
        return self._core.trainable

    @trainable.setter
    def trainable(self, trainable: bool) -> None:
        self._core.trainable = trainable

    @property
    def loss(self) -> Loss | None:
        """The loss that `compile` set; None before."""
        return self._core.loss

    @property
    def metrics(self) -> list[Metric]:
        """The metrics that `compile` set, as a new list."""
        return list(self._core.metrics)

    @property
    def optimizer(self) -> Any:
        """The optimizer; None before `compile`. Setting it resets its state, as `compile` does."""
        return self._core.optimizer

    @optimizer.setter
    def optimizer(self, optimizer: str | Optimizer) -> None:
        self._core.set_optimizer(optimizer)

    @property
    def stop_training(self) -> bool:
        """Whether `fit` stops after the current step or epoch. Callbacks set it."""
        return self._core.stop_training

    @stop_training.setter
    def stop_training(self, stop: bool) -> None:
        self._core.stop_training = stop

    @property
    def history(self) -> History | None:
        """The History of the last `fit`, even if it was interrupted."""
        history: History | None = self._core.history
        return history

    @property
    def provenance(self) -> dict[str, Any] | None:
        """The arguments (``recipe``, ``data``) and results (``metrics``) of the last `fit`, saved with the model."""
        return self._core.provenance

    @provenance.setter
    def provenance(self, provenance: dict[str, Any] | None) -> None:
        self._core.provenance = provenance

    @property
    def notes(self) -> dict[str, Any]:
        """User metadata, saved with the model: a dict that JSON can hold."""
        return self._core.notes

    @notes.setter
    def notes(self, notes: dict[str, Any]) -> None:
        self._core.notes = notes

    def compile(self, optimizer: str | Optimizer = "rmsprop", loss: str | Loss | None = None,
                metrics: Sequence[str | Metric] = ()) -> None:
        """Set optimizer, loss and metrics. The optimizer's state is reset.

        Parameters
        ----------
        optimizer : str or Optimizer
            ``"sgd"``, ``"adam"``, ``"adamw"``, ``"rmsprop"`` or an object of `tinynn.optimizers`. If another model
            already uses the object, this model gets a copy; models do not share a learning rate.
        loss : str or Loss
            A name or an object of `tinynn.losses`.
        metrics : sequence of str or Metric
            Names such as ``"accuracy"``, or objects of `tinynn.metrics`.

        Raises
        ------
        TypeError, ValueError
            If a name is unknown; the message lists the known names.
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
            Samples (n, ...): any object with the buffer protocol, ``__array__`` or DLPack; a data frame (pandas, for
            example) of numbers or booleans; or a data set, such as `tinynn.datasets.DigitSums`, which provides its
            own targets.
        y : array_like, optional
            Targets: labels (n, ...), or arrays with the output's shape.
        batch_size : int
            Samples per step. The last step of an epoch may have fewer.
        epochs : int
            Final value of the epoch counter: with `initial_epoch` 0, the number of epochs to train.
        verbose : {"auto", 0, 1, 2}
            0: silent; 1: a progress line on a terminal; 2: a line per epoch; "auto": 1.
        callbacks : Callback or sequence of Callback
            See `tinynn.callbacks`.
        validation_split : float
            Fraction of the samples, taken from the end, to use for validation instead of training.
        validation_data : tuple or data set, optional
            (x, y) or (x, y, sample_weight) to evaluate after each epoch.
        shuffle : bool
            Whether to shuffle the samples in each epoch. The order depends on the model's seed and on the number of
            epochs that the model has begun, in this and earlier calls. So do all random numbers.
        class_weight : dict, optional
            Weight of each class's losses.
        sample_weight : array_like, optional
            Weight of each sample's loss, (n,), or of each of its losses.
        initial_epoch : int
            Initial value of the epoch counter, for callbacks and history.
        check_finite : bool
            Whether to check the data for NaN and infinity first.
        augment : Augmentation, optional
            Random changes of the images, different in each epoch. The samples, or the items of the data set, must be
            images (rows, columns) or (rows, columns, channels).
        checkpoint : str or path, optional
            File from which an interrupted training can be resumed. It is written atomically every `checkpoint_every`,
            after Ctrl-C and at the end. `load` reads it, too.
        checkpoint_every : float or int
            Interval between checkpoints: seconds if a float (60.0), steps if an int (60).
        resume : str or path, optional
            Checkpoint to resume from. The result has the same bits as an uninterrupted training. The data, the
            compiled model and all arguments but `epochs`, `verbose` and `check_finite` must be the same as before.
            The training continues to write to this file unless `checkpoint` names another.
        hash_data : bool
            Whether to record the SHA-256 of the data in `provenance`. A checkpoint always records it, to detect
            other data on resume. Of a data set, the samples of epoch 0 are hashed.

        Returns
        -------
        History
            ``history.history`` maps each quantity (loss, metrics, val_loss, ...) to its values per epoch.

        Raises
        ------
        TypeError, ValueError
            If an argument or the data are invalid, or differ from those of the checkpoint. The model does not change.
        OSError
            If a checkpoint cannot be read or written. An existing file stays intact, and the model keeps its weights.
        FloatingPointError
            If the loss becomes NaN or infinite. The model keeps the weights from before that step, or gets those that
            `EarlyStopping` restores. The attribute ``history`` of the error holds the History so far.
        RuntimeError
            If another thread is training this model.
        """
        options = loop.FitOptions(
            batch_size=batch_size, epochs=epochs, verbose=verbose, callbacks=callbacks,
            validation_split=validation_split, validation_data=validation_data, shuffle=shuffle,
            class_weight=class_weight, sample_weight=sample_weight,
            initial_epoch=initial_epoch, check_finite=check_finite, augment=augment, checkpoint=checkpoint,
            checkpoint_every=checkpoint_every, resume=resume, hash_data=hash_data)
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
            Whether to print the result (not 0).
        return_dict : bool
            Whether to return a dict by name instead of a number or a list.
        callbacks : Callback or sequence of Callback
            Called through their ``on_test_...`` methods.

        Returns
        -------
        float, list of float or dict
            The loss; if there are metrics, the list [loss, metric, ...].
        """
        logs = loop.evaluate(self._core, self, x, y, batch_size, verbose, sample_weight, check_finite, callbacks)
        return logs if return_dict else list(logs.values()) if len(logs) > 1 else logs["loss"]

    def predict(self, x: Any, batch_size: int = 32, output: str | None = None, check_finite: bool = True,
                verbose: Verbose = "auto", callbacks: Any = ()) -> NDArray[Any]:
        """Compute the output. This method is thread-safe.

        Parameters
        ----------
        x : array_like or data set
            As for `fit`.
        batch_size : int
            Samples per batch. It affects speed and memory, not the bits of the result.
        output : str, optional
            Name of a layer whose output to return instead of the model's.
        check_finite : bool
            Whether to check x for NaN and infinity first.
        verbose : {"auto", 0, 1, 2}
            Accepted for compatibility; nothing is printed.
        callbacks : Callback or sequence of Callback
            Called through their ``on_predict_...`` methods.

        Returns
        -------
        ndarray
            Shape (n, ...), in the model's dtype.
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
        """Train one step on a batch. Returns loss and metrics as `evaluate` does, computed before the update."""
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
        """Evaluate the samples as one batch."""
        logs = loop.evaluate(self._core, self, x, y, ALL, 0, sample_weight, True, (), "test_on_batch")
        return logs if return_dict else list(logs.values()) if len(logs) > 1 else logs["loss"]

    def compute_gradients(self, x: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Compute the gradient of the mean loss, the first half of a step; write it into `gradients`.

        Parameters
        ----------
        x, y, sample_weight
            One batch, as for `fit`.

        Returns
        -------
        float
            The loss.
        """
        return batches.step(self._core, "compute_gradients", x, y, sample_weight, update=False)[0]

    def apply_gradients(self) -> None:
        """Update the weights with `gradients`, the second half of a step.

        Raises
        ------
        ValueError
            If no gradients have been computed yet.
        """
        batches.apply_gradients(self._core)

    @property
    def parameters(self) -> NDArray[Any]:
        """The flat parameter vector: a writable view, not a copy."""
        return self._core.built("parameters")

    @property
    def gradients(self) -> NDArray[Any]:
        """The gradients in the order of `parameters`: a writable view, not a copy."""
        self._core.built("gradients")
        assert self._core.gradients is not None
        return self._core.gradients

    def get_weights(self) -> list[NDArray[Any]]:
        """Return copies of the parameters, layer by layer, in Keras' order and layout."""
        return read_weights(self._core.built("get_weights"), self._core.parameters.values())

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Set all parameters.

        Parameters
        ----------
        weights : sequence of array_like
            Arrays in the order and with the shapes that `get_weights` returns.

        Raises
        ------
        ValueError
            If the number of arrays, a shape or a value does not fit. No parameter changes in that case.
        """
        flat = self._core.built("set_weights")
        write_weights(flat, list(self._core.parameters.values()), weights, "set_weights")

    def fingerprint(self) -> str:
        """Return 16 hexadecimal digits that identify the parameters: they are equal only if all bits are.

        They are the first digits of the SHA-256 of the parameters' names, dtypes, shapes and bytes.

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
        """Return the number of parameters."""
        return int(self.parameters.size)

    def get_layer(self, name: str) -> Layer:
        """Return the layer with this name.

        Raises
        ------
        ValueError
            If there is no such layer.
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
        """Save the model to a safetensors file. Equal models give equal bytes.

        The file is written atomically: an existing file is replaced only when the new one is complete.

        Parameters
        ----------
        path : str or path
            Path of the file.
        include_optimizer : bool
            Whether to save the optimizer's state, too. Then training can continue exactly after loading. The state
            may take twice the space of the model.

        Raises
        ------
        OSError
            If the file cannot be written.
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
        """Raise TypeError if the model has a part that cannot be saved, such as a function as schedule."""
        try:
            describe(self._core, False)
        except TypeError as error:
            raise TypeError(f"{function}: the model cannot be saved: {error}") from None

    def get_config(self) -> dict[str, Any]:
        """Return the model's configuration, without weights. `from_config` makes an equal model from it.

        Returns
        -------
        dict
            ``name``, ``dtype``, ``input_shape`` and ``layers``, in a form that JSON can hold.

        Raises
        ------
        TypeError
            If a layer has an argument that JSON cannot hold, such as a function.
        """
        return architecture_of(self._core)

    def _to_bytes(self, optimizer: bool = True, compiled: bool = True) -> bytes:
        """Return the content of a model file, optionally without the optimizer's state, or as an uncompiled model."""
        return pack(describe(self._core, optimizer, compiled), tensors_of(self._core, optimizer and compiled))

    @classmethod
    def _from_bytes(cls, content: bytes, name: str = "the model's bytes", compile: bool = True) -> Self:
        """Make a model from the content of a file; raise ValueError if it is damaged or not a model file."""
        description, tensors = unpack(content, name)
        with refused(f"load: {name}"):
            return cls._of(assemble(description, tensors, compile))

    def __reduce__(self) -> Any:
        return self._from_bytes, (self._to_bytes(),)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        # `__reduce__` is not enough: functions (schedules, for example) can be copied but not saved.
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
