"""Losses in a model: values and gradients for every loss, activation before it, weights and labels per step."""

import numpy as np
import pytest

from tests.model.reference import check_gradients, prediction, row_losses, target_for
from tinynn import Sequential, layers, losses
from tinynn.losses import get

NAMES = [
    "mean_squared_error",
    "half_squared_error",
    "binary_crossentropy",
    "categorical_crossentropy",
    "sparse_categorical_crossentropy",
]


def into_unit(name):
    """An activation whose outputs the loss takes."""
    return {"binary_crossentropy": "sigmoid"}.get(name, "softmax" if "categorical" in name else None)


@pytest.mark.parametrize("steps", [(), (3,), (2, 3)], ids=len)
@pytest.mark.parametrize("name", NAMES)
def test_gradients(name, steps, rng):
    check_gradients([layers.Dense(4, into_unit(name))], (*steps, 3), rng, name)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
@pytest.mark.parametrize("name", ["categorical_crossentropy", "sparse_categorical_crossentropy", "binary_crossentropy"])
def test_gradients_of_what_is_fused(name, activation, rng):
    check_gradients([layers.Dense(4, activation)], (3,), rng, name)
    check_gradients([layers.Dense(4), layers.Activation(activation)], (3,), rng, name)
    check_gradients([layers.TimeDistributed(layers.Dense(4, activation))], (2, 3), rng, name)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
@pytest.mark.parametrize("name", ["categorical_crossentropy", "sparse_categorical_crossentropy"])
@pytest.mark.parametrize("last", [layers.Reshape((2, 3)), layers.Flatten()], ids=["reshape", "flatten"])
def test_gradients_when_the_last_axis_moved_after_the_activation(name, activation, last, rng):
    """Softmax went over another axis than the loss does: the two must not become one."""
    shape = (3,) if isinstance(last, layers.Reshape) else (2, 3)
    check_gradients([layers.Dense(6 if len(shape) == 1 else 3, activation), last], shape, rng, name)


@pytest.mark.parametrize("name", ["categorical_crossentropy", "sparse_categorical_crossentropy"])
def test_gradients_behind_another_activation(name, rng):
    check_gradients([layers.Dense(4, "softmax"), layers.Towers(layers.Dense(3, "softmax"), 2)], (2, 3), rng, name)


@pytest.mark.parametrize("name", NAMES)
def test_sample_weights(name, rng):
    check_gradients([layers.Dense(4, into_unit(name))], (3,), rng, name, weight=np.array([0.0, 2.5, -1.0]))
    for weight in (rng.normal(size=3), rng.normal(size=(3, 2))):
        check_gradients([layers.Dense(4, into_unit(name))], (2, 3), rng, name, weight=weight)


@pytest.mark.parametrize("weight", [(3,), (3, 2), (3, 2, 4)], ids=len)
def test_weights_of_deeper_losses(weight, rng):
    """One weight stands for all losses under it."""
    check_gradients([layers.Dense(3)], (2, 4, 3), rng, "mean_squared_error", weight=rng.normal(size=weight))


def test_a_single_loss_per_step_and_a_column_of_weights(rng):
    check_gradients([layers.Dense(3)], (1, 3), rng, "mean_squared_error", weight=rng.normal(size=(3, 1)))


@pytest.mark.parametrize("name", ["binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy"])
def test_from_logits(name, rng):
    loss = type(get(name))(from_logits=True)
    model = Sequential([layers.Dense(4)], (3,), dtype="float64")
    model.compile("sgd", loss)
    fused = Sequential([layers.Dense(4, into_unit(name))], (3,), dtype="float64")
    fused.compile("sgd", name)
    x = rng.normal(size=(5, 3))
    y = target_for(name, (5, 4), rng)
    assert model.compute_gradients(x, y) == fused.compute_gradients(x, y)
    np.testing.assert_array_equal(model.gradients, fused.gradients)
    expected = row_losses(name, prediction(fused, x), y).mean()
    assert model.evaluate(x, y, batch_size=2) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_hopeless_predictions_still_learn(activation, dtype):
    """No clipped logarithm kills the gradient, at logits of +-1e4 too."""
    model = Sequential([layers.Activation("linear"), layers.Dense(2, activation)], (1,), dtype=dtype)
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.parameters[:] = [0, 0, 1e4, -1e4]
    loss = model.compute_gradients([[0.0]], [1])
    assert np.isfinite(loss)
    assert loss > 9000
    assert model.gradients[3] < -0.5


@pytest.mark.parametrize("name", NAMES)
def test_names_and_objects(name):
    assert type(get(name)).__name__ == name.title().replace("_", "")
    assert type(get(get(name))) is type(get(name))
    assert get(name.replace("_", "-")) == get(name)
    assert type(get(name)).from_config(get(name).get_config()) == get(name)


def test_known_by_tinynn():
    assert isinstance(get("mse"), losses.MeanSquaredError)


def test_unknown_name_lists_the_known():
    with pytest.raises(ValueError, match="unknown loss 'categorical_crosentropy'.*known: .*did you mean"):
        get("categorical_crosentropy")
    with pytest.raises(TypeError, match="loss: expected a name"):
        get(3)


class AbsoluteError(losses.Loss):
    """A loss in NumPy."""

    def forward(self, prediction, target):
        return np.abs(prediction - target).mean(axis=-1)

    def backward(self, prediction, target):
        return np.sign(prediction - target) / prediction.shape[-1]


def test_a_loss_in_python(rng):
    model = Sequential([layers.Dense(3)], (4,), dtype="float64")
    model.compile("sgd", AbsoluteError())
    x, y = rng.normal(size=(5, 4)), rng.normal(size=(5, 3))
    weight = np.array([1.0, 2, 0, 1, -1])
    loss = model.compute_gradients(x, y, sample_weight=weight)
    error = prediction(model, x) - y
    assert loss == pytest.approx((np.abs(error).mean(axis=1) * weight).mean(), rel=1e-12)
    d = np.sign(error) / 3 * weight[:, None] / 5
    np.testing.assert_allclose(model.gradients, np.concatenate([(x.T @ d).ravel(), d.sum(0)]), atol=1e-14)


class LabelLoss(losses.Loss):
    """The negative probability of the label."""

    labels = True

    def forward(self, prediction, target):
        assert target.dtype == np.int64
        return -np.take_along_axis(prediction, target[..., None], -1)[..., 0]

    def backward(self, prediction, target):
        return -np.eye(prediction.shape[-1])[target]


def test_a_loss_in_python_with_labels_per_step(rng):
    model = Sequential([layers.Dense(3, "softmax")], (2, 4), dtype="float64")
    model.compile("sgd", LabelLoss())
    x, y = rng.normal(size=(5, 2, 4)), rng.integers(0, 3, (5, 2))
    expected = -np.take_along_axis(prediction(model, x), y[..., None], -1).mean()
    assert model.evaluate(x, y) == pytest.approx(expected, rel=1e-12)
    start, direction = model.parameters.copy(), rng.normal(size=model.parameters.shape)
    model.compute_gradients(x, y)
    slope = model.gradients @ direction
    around = []
    for shift in (1e-5, -1e-5):
        model.parameters[:] = start + shift * direction
        around.append(model.evaluate(x, y))
    assert (around[0] - around[1]) / 2e-5 == pytest.approx(slope, rel=1e-7)


def test_a_loss_without_backward_says_so(rng):
    class Half(losses.Loss):
        def forward(self, prediction, target):
            return prediction[..., 0]

    model = Sequential([layers.Dense(3)], (4,))
    model.compile("sgd", Half())
    assert np.isfinite(model.evaluate(rng.normal(size=(5, 4)), rng.normal(size=(5, 3))))
    with pytest.raises(NotImplementedError, match="Half has no backward"):
        model.compute_gradients(rng.normal(size=(5, 4)), rng.normal(size=(5, 3)))


@pytest.mark.parametrize("last", ["softmax", "sigmoid", None])
def test_smoothed_labels_are_smoothed_targets(last, dtype, rng):
    x, y = rng.normal(size=(9, 4)).astype(dtype), np.eye(5)[rng.integers(0, 5, 9)]
    models = []
    for share in (0.25, 0.0):
        model = Sequential([layers.Dense(5, last)], (4,), dtype=dtype, rng=1)
        loss = losses.CategoricalCrossentropy(from_logits=last is None, label_smoothing=share)
        model.compile("sgd", loss, ["accuracy"])
        models.append(model)
    smoothed, plain = models
    targets = y * 0.75 + 0.05
    assert smoothed.evaluate(x, y)[0] == pytest.approx(plain.evaluate(x, targets)[0], rel=1e-6)
    assert smoothed.evaluate(x, y)[1] == plain.evaluate(x, y)[1]
    smoothed.train_on_batch(x, y)
    plain.train_on_batch(x, targets)
    np.testing.assert_allclose(smoothed.parameters, plain.parameters, rtol=1e-5 if dtype == "float32" else 1e-12)


def test_wrong_smoothing():
    with pytest.raises(ValueError, match="CategoricalCrossentropy: label_smoothing must be"):
        losses.CategoricalCrossentropy(label_smoothing=1.5)


# --- one output that is always 1 ----------------------------------------------------------------------------

CATEGORICAL = {
    "categorical": "categorical_crossentropy",
    "sparse": "sparse_categorical_crossentropy",
    "smoothed": losses.CategoricalCrossentropy(label_smoothing=0.1),
    "logits": losses.CategoricalCrossentropy(from_logits=True),
    "sparse logits": losses.SparseCategoricalCrossentropy(from_logits=True),
}


def refused(model, shape, message):
    x, y = np.ones((2, *shape)), np.zeros((2, *prediction(model, np.ones((1, *shape))).shape[1:]))
    before = model.parameters.copy()
    y = y[..., 0] if model.loss.labels else y
    for call in (model.fit, model.evaluate, model.train_on_batch, model.test_on_batch, model.compute_gradients):
        with pytest.raises(ValueError, match=message):
            call(x, y)
    assert model.parameters.tobytes() == before.tobytes()
    assert model.predict(x).shape[0] == 2


@pytest.mark.parametrize("activation", ["sigmoid", "softmax", None])
@pytest.mark.parametrize("loss", CATEGORICAL.values(), ids=list(CATEGORICAL))
def test_one_output_is_not_a_choice_of_classes(loss, activation):
    for last, shape in (([layers.Dense(1, activation)], (3,)),
                        ([layers.Dense(1), layers.Activation("sigmoid")], (2, 3)),
                        ([layers.TimeDistributed(layers.Dense(1, activation))], (2, 3))):
        model = Sequential(last, shape)
        model.compile("sgd", loss)
        refused(model, shape, "compile: .*entropy needs one output per class, but .* one.*loss='binary_crossentropy'")


@pytest.mark.parametrize("loss", ["mse", "half_squared_error", "binary_crossentropy", AbsoluteError()], ids=str)
def test_softmax_over_one_output_is_always_one(loss):
    one = layers.Dense(1, "softmax")
    for last, shape in (([one], (3,)), ([layers.Dense(1), layers.Activation("softmax")], (3,)),
                        ([layers.TimeDistributed(layers.Dense(1, "softmax"))], (2, 3)),
                        ([layers.Dense(1, "softmax"), layers.Flatten()], (2, 3)),
                        ([layers.Towers(layers.Dense(1, "softmax"), 2)], (2, 3))):
        model = Sequential(last, shape)
        model.compile("sgd", loss)
        refused(model, shape, r"softmax over the one output of layer '.*' is always 1; .*loss='binary_crossentropy'")


def test_softmax_over_one_column_within_a_network_is_allowed(rng):
    """Such as the attention to a sequence of one step."""
    model = Sequential([layers.Dense(1, "softmax"), layers.Dense(1)], (3,))
    model.compile("sgd", "mse")
    model.fit(rng.normal(size=(4, 3)), np.ones(4), verbose=0)
    model = Sequential([layers.Dense(2, "softmax"), layers.Reshape((2, 1))], (3,))
    model.compile("sgd", "mse")
    model.fit(rng.normal(size=(4, 3)), np.ones((4, 2)), verbose=0)
