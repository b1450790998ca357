"""Steps: losses that are not finite, the optimizer's state, and models that were built for data that do not fit."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinynn
from tests.model.reference import from_bytes, to_bytes
from tests.training.classifier import classifier
from tinynn import Sequential, layers, optimizers
from tinynn.callbacks import Callback

# --- a loss that is not finite -----------------------------------------------------------------------


def test_a_loss_that_overflows_names_the_step_and_keeps_the_weights(data):
    x, y = data
    model = Sequential([layers.Dense(8, "relu"), layers.Dense(3)], (4,))
    model.compile(optimizers.SGD(1e15), "mse")
    with pytest.raises(
        FloatingPointError,
        match=r"fit: the loss became (inf|nan) in step \d; NaN or infinity first appeared in the output of "
        r"'(dense|dense_1|loss)'.*keeps its weights from before this step",
    ):
        model.fit(x, np.eye(3)[y], batch_size=8, epochs=5, verbose=0)
    assert np.isfinite(model.parameters).all()
    assert 1 <= model._core.iteration < 7
    model.set_weights([np.zeros_like(w) for w in model.get_weights()])
    model.optimizer.learning_rate = 0.01
    assert np.isfinite(model.fit(x, np.eye(3)[y], verbose=0).history["loss"]).all()


@pytest.mark.parametrize("count", [1, 3])
def test_the_layer_where_nan_began_is_named(count, threads):
    class Bad(layers.PythonLayer):
        name = "it"
        calls = 0

        def forward(self, x):
            self.calls += 1
            return x if self.calls < 4 else x * np.float32(np.nan)

        def backward(self, dy, x, y):
            return dy

    model = Sequential([layers.Dense(300), layers.Towers([layers.Dense(300), Bad()], 2), layers.Dense(3)], (2, 4))
    model.compile("sgd", "mse")
    threads(count)
    with pytest.raises(
        FloatingPointError,
        match=r"the loss became nan in step 2; NaN or infinity first appeared in the output of 'towers/tower_[01]/it'",
    ):
        model.fit(np.ones((300, 2, 4)), np.ones((300, 2, 3)), batch_size=100, verbose=0)
    assert model._core.iteration == 1
    assert np.isfinite(model.parameters).all()


def test_nan_weights_are_named(data):
    model = classifier()
    model.parameters[5] = np.nan
    with pytest.raises(
        FloatingPointError,
        match="train_on_batch: the loss became nan in step 1; NaN or infinity first appeared in "
        "the weights 'dense/kernel'",
    ):
        model.train_on_batch(*data)
    with pytest.raises(FloatingPointError, match="compute_gradients: the loss became nan"):
        model.compute_gradients(*data)
    assert np.isnan(model.evaluate(*data))
    assert model._core.iteration == 0


# --- the optimizer's state: options may change between trainings ------ ------------------------------


X = np.linspace(-1, 1, 30).reshape(10, 3).astype("f4")
Y = (X[:, 0] > 0).astype(int)


def compiled(optimizer):
    model = Sequential([layers.Dense(5, "tanh"), layers.Dense(2, "softmax")], (3,), rng=2)
    model.compile(optimizer, "sparse_categorical_crossentropy")
    return model


def trained(optimizer, epochs=3):
    model = compiled(optimizer)
    model.fit(X, Y, 4, epochs=epochs, verbose=0)
    return model


CHANGES = {
    "no momentum": (lambda: optimizers.SGD(0.1, momentum=0.9), {"momentum": 0.0}, {"velocity"}, set()),
    "momentum": (lambda: optimizers.SGD(0.1), {"momentum": 0.9}, set(), {"velocity"}),
    "rmsprop": (lambda: optimizers.RMSprop(0.01, momentum=0.5), {"momentum": 0.0}, {"mean_square", "velocity"},
                {"mean_square"}),
    "average": (lambda: optimizers.Adam(0.01), {"use_ema": True}, {"first_moment", "second_moment"},
                {"average", "first_moment", "second_moment"}),
    "no average": (lambda: optimizers.Adam(0.01, use_ema=True), {"use_ema": False},
                   {"average", "first_moment", "second_moment"}, {"first_moment", "second_moment"}),
}


@pytest.fixture(params=CHANGES.values(), ids=CHANGES)
def change(request):
    make, options, before, after = request.param
    model = trained(make())
    assert model._core.states.keys() == before
    for name, value in options.items():
        setattr(model.optimizer, name, value)
    return model, before, after


def train_on(model, new):
    """One more step; a vector that starts from scratch is reported."""
    if new:
        with pytest.warns(UserWarning, match=f"changed since .*; these start from scratch: {', '.join(new)}"):
            return model.train_on_batch(X, Y)
    return model.train_on_batch(X, Y)


def test_options_that_change_what_is_kept_leave_the_rest(change):
    model, before, after = change
    kept = {name: model._core.states[name] for name in before & after}
    weights = model.parameters.copy()
    loss = train_on(model, after - before)
    assert model._core.states.keys() == after
    assert all(model._core.states[name] is state for name, state in kept.items())
    assert np.isfinite(loss)
    assert np.abs(model.parameters - weights).max() < 0.2  # one step, whatever has changed
    model.fit(X, Y, epochs=20, verbose=0)
    assert model.evaluate(X, Y) < loss


def test_a_model_saved_after_a_change_can_be_loaded(change, tmp_path):
    model, before, after = change
    model.save(tmp_path / "m", include_optimizer=True)
    for again in (tinynn.load(tmp_path / "m"), pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert again._core.states.keys() <= before
        assert train_on(again, after - before) > 0
    new = after - before
    train_on(model, new)
    again = tinynn.load(tmp_path / "m")
    train_on(again, new)
    assert again.parameters.tobytes() == model.parameters.tobytes()


@pytest.mark.filterwarnings("ignore:the options of")
@pytest.mark.parametrize("name", CHANGES)
def test_a_checkpoint_of_a_training_whose_options_a_callback_changes(name, tmp_path):
    make, options, _, _ = CHANGES[name]
    path = tmp_path / "c"

    class Change(Callback):
        stop_at = None

        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                for option, value in options.items():
                    setattr(self.model.optimizer, option, value)

        def on_train_batch_end(self, batch, logs=None):
            if self.model._core.iteration == self.stop_at:
                raise KeyboardInterrupt

    whole = compiled(make())
    whole.fit(X, Y, 4, epochs=5, verbose=0, callbacks=Change())
    model, callback = compiled(make()), Change()
    callback.stop_at = 8
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, 4, epochs=5, verbose=0, callbacks=callback, checkpoint=path)
    again = compiled(make())
    again.fit(X, Y, 4, epochs=5, verbose=0, callbacks=Change(), resume=path)
    assert again.fingerprint() == whole.fingerprint()


@pytest.mark.parametrize("options, message", [
    ({"beta_1": 2}, "Adam: beta_1 must be a finite number >= 0 and < 1, got 2"),
    ({"beta_2": np.nan}, r"Adam(: beta_2 must be a finite number|\.beta_2 is nan, which JSON cannot hold)"),
    ({"epsilon": 0}, "Adam: epsilon must be a finite number >= 1e-37, got 0"),
    ({"clipvalue": -1}, "Adam: clipvalue must be a finite number > 0, got -1"),
    ({"global_clipnorm": "large"}, "Adam: global_clipnorm must be a real number"),
    ({"clipvalue": 1, "global_clipnorm": 1}, "Adam: give clipvalue or global_clipnorm, not both"),
    ({"ema_momentum": 1.0}, "Adam: ema_momentum must be"),
    ({"use_ema": "yes"}, "Adam: use_ema must be True or False, got 'yes'"),
    ({"learning_rate": -1}, "Adam: learning_rate must be"),
])
def test_options_set_later_are_checked_when_they_are_used(options, message):
    model = trained("adam")
    model.compute_gradients(X, Y)
    before = model.fingerprint()
    for name, value in options.items():
        setattr(model.optimizer, name, value)
    for use in (lambda: model.fit(X, Y, verbose=0), lambda: model.train_on_batch(X, Y), model.apply_gradients,
                lambda: compiled(model.optimizer), lambda: to_bytes(model)):
        with pytest.raises((TypeError, ValueError), match=message):
            use()
    assert model.fingerprint() == before


def test_other_optimizers_and_their_options():
    for optimizer, option, value in ((optimizers.SGD(0.1), "nesterov", "no"), (optimizers.SGD(0.1), "momentum", 1.5),
                                     (optimizers.RMSprop(0.1), "rho", 1), (optimizers.RMSprop(0.1), "epsilon", 0),
                                     (optimizers.AdamW(0.1), "weight_decay", -1)):
        setattr(optimizer, option, value)
        with pytest.raises((TypeError, ValueError), match=f"{type(optimizer).__name__}: {option} must be"):
            compiled(optimizer)


NUMBERS = st.one_of(st.floats(), st.integers(-3, 3), st.sampled_from([None, "x", True, 1e-300, 1e300, 10**400]))

OPTIONS = ("learning_rate", "momentum", "nesterov", "rho", "beta_1", "beta_2", "epsilon", "weight_decay", "clipvalue",
           "global_clipnorm", "use_ema", "ema_momentum")


@pytest.mark.filterwarnings("ignore:the options of")
@settings(max_examples=150)
@given(st.sampled_from(["sgd", "adam", "adamw", "rmsprop"]),
       st.lists(st.dictionaries(st.sampled_from(OPTIONS), NUMBERS, max_size=3), min_size=1, max_size=4))
def test_any_options_set_between_trainings(name, changes):
    """Either it is refused, and then nothing has changed; or the model trains, and can be saved and loaded."""
    model = compiled(name)
    for options in changes:
        for option, value in options.items():
            if hasattr(model.optimizer, option):
                setattr(model.optimizer, option, value)
        before = model.fingerprint()
        try:
            model.fit(X, Y, 4, verbose=0)
        except (TypeError, ValueError):
            assert model.fingerprint() == before
            model.compile(name, model.loss)
            continue
        except FloatingPointError:
            return
        again = from_bytes(to_bytes(model))
        assert again._core.states.keys() == model._core.states.keys()
        assert again.fingerprint() == model.fingerprint()


# --- data that do not fit ----------------------------------------------------------------------------


@pytest.mark.parametrize("arguments, message", [
    ({"y": [0]}, "x has 3 samples, but y has 1"),
    ({"y": [0, 1, 2]}, "y holds the label 2 at index 2"),
    ({"sample_weight": [1]}, r"sample_weight has shape \(1,\)"),
    ({"class_weight": 3}, "class_weight must be a dict"),
    ({"validation_data": (np.ones((2, 4)), [0, 1])}, r"validation_data: x has shape \(2, 4\)"),
    ({"validation_split": 0.99}, "validation_split=0.99 of 3 samples leaves 0"),
    ({"batch_size": 0}, "batch_size must be at least 1"),
], ids=["y", "labels", "weight", "class weight", "validation", "split", "batch"])
def test_data_that_do_not_fit_do_not_build(arguments, message):
    model = Sequential([layers.Dense(2, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.raises((TypeError, ValueError), match=f"^fit: {message}"):
        model.fit(np.ones((3, 5)), **{"y": [0, 1, 0], "verbose": 0, **arguments})
    assert model.input_shape is None
    model.fit(np.ones((3, 4)), [0, 1, 0], verbose=0)
    assert model.input_shape == (4,)


def test_data_that_do_not_fit_leave_the_layers_free():
    layer = layers.Dense(2)
    model = Sequential([layer])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"y has shape \(3, 5\)"):
        model.fit(np.ones((3, 4), "f4"), np.ones((3, 5), "f4"))
    assert layer._built is None
    Sequential([layer], (3,))
