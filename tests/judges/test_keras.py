"""Keras 3: random architectures, losses and optimizers, with the same weights and then the same numbers throughout.

In float64, so that nothing but a different rule makes a difference. `drawn` says what a seed stands for.
"""

import importlib
import os

import numpy as np
import pytest

import tinynn
from tests.judges import required

os.environ["KERAS_BACKEND"] = "jax"
jax = required("jax")
keras = required("keras")

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_disable_most_optimizations", True)  # most of the time goes into compiling
keras.config.set_floatx("float64")
# Keras has results of float64 on JAX be float32, which JAX had to do without the switch above.
importlib.import_module("keras.src.backend.common.dtypes").BIT64_TO_BIT32_DTYPE["float64"] = "float64"

SAMPLES, BATCH, EPOCHS = 20, 4, 2  # ten steps
ARCHITECTURES = 36


class Drawing:
    """A random generator that picks what a model is made of: (name, arguments) of each layer."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def pick(self, *options):
        return options[self.rng.integers(len(options))]

    def some(self, low, high):
        return int(self.rng.integers(low, high + 1))

    def real(self, low, high):
        return float(self.rng.uniform(low, high))

    def maybe(self, *layers):
        return list(layers) if self.pick(True, False) else []

    def normalization(self):
        options = {"epsilon": self.real(1e-3, 1e-1), "center": self.pick(True, False), "scale": self.pick(True, False)}
        if self.pick(True, False):
            return "LayerNormalization", options
        return "BatchNormalization", {**options, "momentum": self.real(0.5, 0.99)}

    def activation(self):
        return self.pick(None, "linear", "relu", "sigmoid", "tanh", "softmax")

    def dense(self):
        return "Dense", {"units": self.some(2, 7), "activation": self.activation(), "use_bias": self.pick(True, False)}

    def convolution(self):
        strides, dilation = self.pick((1, 1), (self.some(1, 2), self.some(1, 3))), (1, 1)
        if strides == (1, 1):
            dilation = self.some(1, 2), self.some(1, 2)
        return "Conv2D", {"filters": self.some(2, 5), "kernel_size": (self.some(1, 3), self.some(1, 3)),
                          "strides": strides, "padding": self.pick("valid", "same"), "dilation_rate": dilation,
                          "activation": self.activation(), "use_bias": self.pick(True, False)}

    def pooling(self):
        return self.pick("MaxPooling2D", "AveragePooling2D"), {
            "pool_size": (self.some(1, 3), self.some(1, 3)), "padding": self.pick("valid", "same"),
            "strides": self.pick(None, (self.some(1, 2), self.some(1, 2)))}

    def recurrent(self, sequences):
        name = self.pick("SimpleRNN", "LSTM", "GRU")
        options = {"units": self.some(2, 6), "return_sequences": sequences, "use_bias": self.pick(True, False),
                   "recurrent_initializer": "zeros"}  # the default takes Keras long, and weights are set anyway
        return name, {**options, "reset_after": self.pick(True, False)} if name == "GRU" else options

    def between(self):
        """What may stand between two layers of any shape."""
        return [*self.maybe(self.normalization()), *self.maybe(("Activation", {"activation": self.activation()})),
                *self.maybe(("Dropout", {"rate": 0.0}))]

    def vectors(self):
        return (self.some(3, 9),), [self.dense(), *self.between(), *self.maybe(self.dense())]

    def images(self):
        return (self.some(11, 14), self.some(11, 14), self.some(1, 3)), [
            self.convolution(), *self.between(), self.pooling(), *self.maybe(self.convolution()), ("Flatten", {})]

    def sequences(self):
        last = self.pick(True, False)
        return (self.some(3, 7), self.some(2, 5)), [
            *self.maybe(("TimeDistributed", self.dense())), self.recurrent(True), *self.between(),
            self.recurrent(last)]

    def sequences_of_images(self):
        return (self.some(2, 4), 8, 8, self.some(1, 2)), [
            ("TimeDistributed", ("Conv2D", {"filters": self.some(2, 3), "kernel_size": 3, "padding": "same",
                                            "activation": self.activation()})),
            ("TimeDistributed", self.pooling()), ("TimeDistributed", ("Flatten", {})),
            ("TimeDistributed", self.dense()), self.recurrent(self.pick(True, False))]

    def repeated(self):
        steps, units = self.some(2, 4), self.some(2, 4)
        return (self.some(3, 6),), [
            ("Dense", {"units": 2 * units}), ("Reshape", {"target_shape": (2, units)}), self.recurrent(False),
            ("RepeatVector", {"n": steps}), self.recurrent(True)]

    def loss(self):
        """Name, arguments, activation of the last layer, and what kind of targets there are."""
        kind = self.pick("numbers", "bits", "distributions", "labels")
        if kind == "numbers":
            return "MeanSquaredError", {}, self.pick(None, "sigmoid", "tanh", "relu", "softmax"), kind
        logits = self.pick(True, False)
        if kind == "bits":
            return "BinaryCrossentropy", {"from_logits": logits}, None if logits else "sigmoid", kind
        activation = None if logits else self.pick("softmax", "softmax", "sigmoid")
        if kind == "labels":
            return "SparseCategoricalCrossentropy", {"from_logits": logits}, activation, kind
        return ("CategoricalCrossentropy", {"from_logits": logits, "label_smoothing": self.pick(0.0, 0.2)}, activation,
                kind)

    def learning_rate(self):
        rate = self.real(0.002, 0.05)
        return self.pick(rate, rate, ("ExponentialDecay", (rate, 3, 0.7, self.pick(True, False))),
                         ("CosineDecay", (rate, 8, 0.1)))

    def optimizer(self):
        name = self.pick("SGD", "RMSprop", "Adam", "AdamW")
        options = {"learning_rate": self.learning_rate()}
        if name in ("SGD", "RMSprop"):
            options["momentum"] = self.pick(0.0, self.real(0.1, 0.95))
        if name == "SGD":
            options["nesterov"] = self.pick(True, False)
        elif name == "RMSprop":
            options["rho"] = self.real(0.5, 0.95)
        else:
            options |= {"beta_1": self.real(0.5, 0.95), "beta_2": self.real(0.9, 0.999)}
        if name == "AdamW":
            options["weight_decay"] = self.real(0.01, 0.5)
        options |= self.pick({}, {"clipvalue": self.real(0.001, 0.1)}, {"global_clipnorm": self.real(0.01, 1.0)})
        options |= self.pick({}, {"use_ema": True, "ema_momentum": self.real(0.5, 0.99)})
        return name, options


def drawn(seed):
    """The shape of a sample, the layers, which of them is frozen, the loss, the optimizer, and the generator."""
    draw = Drawing(seed)
    kinds = (draw.vectors, draw.images, draw.sequences, draw.sequences_of_images, draw.repeated)
    shape, layers = kinds[seed % len(kinds)]()
    loss, arguments, activation, targets = draw.loss()
    layers = [*draw.maybe(("Rescaling", {"scale": draw.real(0.5, 2), "offset": draw.real(-1, 1)})), *layers,
              ("Dense", {"units": draw.some(2, 5), "activation": activation})]
    frozen = draw.pick(None, None, None, draw.some(0, len(layers) - 2))
    return shape, layers, frozen, (loss, arguments), targets, draw.optimizer(), draw.rng


def made(package, name, options):
    """A layer of tinynn or Keras."""
    if name == "TimeDistributed":
        return package.layers.TimeDistributed(made(package, *options))
    return getattr(package.layers, name)(**options)


def optimizer_of(package, name, options):
    rate = options["learning_rate"]
    if not isinstance(rate, float):
        rate = getattr(package.optimizers.schedules, rate[0])(*rate[1])
    return getattr(package.optimizers, name)(**{**options, "learning_rate": rate})


def target(kind, shape, rng):
    if kind == "labels":
        return rng.integers(0, shape[-1], shape[:-1])
    if kind == "distributions":
        return rng.dirichlet(np.ones(shape[-1]), shape[:-1])
    return rng.normal(size=shape) if kind == "numbers" else rng.integers(0, 2, shape).astype(np.float64)


def keras_gradients(model, loss, x, y, weight):
    """Loss in training and its gradients, by the variables' paths."""
    def value(learned, fixed):
        prediction, _ = model.stateless_call(learned, fixed, x, training=True)
        return loss(y, prediction, sample_weight=weight)

    learned = [each.value for each in model.trainable_variables]
    fixed = [each.value for each in model.non_trainable_variables]
    number, gradients = jax.jit(jax.value_and_grad(value))(learned, fixed)
    return float(number), dict(zip((each.path for each in model.trainable_variables), gradients, strict=True))


def assert_close(actual, expected, what, rtol=1e-9):
    """Relative to the largest number: sums cancel."""
    expected = np.asarray(expected)
    assert actual.shape == expected.shape and actual.dtype == expected.dtype == np.float64, what
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=rtol * np.abs(expected).max(), err_msg=what)


@pytest.mark.parametrize("seed", range(ARCHITECTURES))
def test_same_numbers_as_keras(seed):
    shape, layers, frozen, (loss_name, loss_options), targets, (optimizer_name, options), rng = drawn(seed)
    ours = tinynn.Sequential([made(tinynn, *each) for each in layers], input_shape=shape, dtype="float64")
    theirs = keras.Sequential([keras.Input(shape), *(made(keras, *each) for each in layers)])
    if frozen is not None:
        ours.layers[frozen].trainable = theirs.layers[frozen].trainable = False
    weights = [np.abs(each) if variable.path.endswith("moving_variance") else each for variable, each in
               zip(theirs.weights, (rng.normal(size=each.shape, scale=0.7) for each in theirs.weights), strict=True)]
    ours.set_weights(weights)
    theirs.set_weights(weights)
    x = rng.normal(size=(SAMPLES, *shape))

    prediction = ours.predict(x)
    assert_close(prediction, theirs(x), "prediction")

    y = target(targets, prediction.shape, rng)
    weight = rng.uniform(0.2, 2, prediction.shape[:-1]) if rng.integers(2) else None
    optimizer = optimizer_of(keras, optimizer_name, options)
    if optimizer_name == "AdamW":
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    ours.compile(optimizer_of(tinynn, optimizer_name, options), getattr(tinynn.losses, loss_name)(**loss_options))
    theirs.compile(optimizer, getattr(keras.losses, loss_name)(**loss_options))

    loss, gradients = keras_gradients(theirs, theirs.loss, x, y, weight)
    np.testing.assert_allclose(ours.compute_gradients(x, y, weight), loss, rtol=1e-10)
    ends = np.cumsum([each.size for each in weights])[:-1]
    for variable, gradient in zip(theirs.weights, np.split(ours.gradients, ends), strict=True):
        if variable.path in gradients:
            assert_close(gradient.reshape(variable.shape), gradients[variable.path], f"gradient of {variable.path}")

    ours.set_weights(weights)
    arguments = {"batch_size": BATCH, "epochs": EPOCHS, "shuffle": False, "sample_weight": weight, "verbose": 0}
    history = theirs.fit(x, y, **arguments).history["loss"]
    np.testing.assert_allclose(ours.fit(x, y, **arguments).history["loss"], history, rtol=1e-8)
    for variable, before, after in zip(theirs.weights, weights, ours.get_weights(), strict=True):
        assert_close(after, variable, f"{variable.path} after ten steps", rtol=1e-7)
        assert variable.trainable or "moving" in variable.path or np.array_equal(after, before), variable.path


ACCURACIES = [*((loss, units, targets) for loss in ("mean_squared_error", "binary_crossentropy")
                for units in (1, 4) for targets in ("one-hot", "bits")),
              ("categorical_crossentropy", 4, "one-hot"), ("sparse_categorical_crossentropy", 4, "labels")]


@pytest.mark.parametrize("loss, units, targets", ACCURACIES)
def test_same_accuracy_as_keras(loss, units, targets):
    """By the shape of the output, whatever the loss; for sequences, too."""
    rng = np.random.default_rng(units)
    metric = ["accuracy"] if targets == "labels" else ["accuracy", "binary_accuracy"]
    for shape in ((3,), (5, 3)):
        layers = [("Dense", {"units": units, "activation": "softmax" if "categorical" in loss else "sigmoid"})]
        ours = tinynn.Sequential([made(tinynn, *each) for each in layers], input_shape=shape, dtype="float64")
        theirs = keras.Sequential([keras.Input(shape), *(made(keras, *each) for each in layers)])
        theirs.set_weights(ours.get_weights())
        x = rng.normal(size=(SAMPLES, *shape))
        y = target("labels" if targets == "labels" else "numbers", (SAMPLES, *shape[:-1], units), rng)
        if targets == "one-hot":
            y = (y == y.max(axis=-1, keepdims=True)).astype(np.float64)
        elif targets == "bits":
            y = (y > 0).astype(np.float64)
            y[..., 0] = 1  # some class for every row
        for model in (ours, theirs):
            model.compile("sgd", loss, metrics=metric)
        expected = theirs.evaluate(x, y, batch_size=SAMPLES, verbose=0, return_dict=True)
        actual = ours.evaluate(x, y, return_dict=True)
        for name in metric:
            assert actual[name] == pytest.approx(expected[name], abs=1e-6), name
