"""What an optimizer remembers is kept by name: options may change between trainings, files hold names."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinynn
from tests.model.reference import from_bytes, to_bytes
from tests.model.test_files import forged, parts
from tinynn import Sequential, layers, optimizers
from tinynn.callbacks import Callback
from tinynn.registry import serialize

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
    """One more step; a vector that begins anew is said."""
    if new:
        with pytest.warns(UserWarning, match=f"have changed since its last step: its {', '.join(new)} begins anew"):
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


def test_what_is_saved_after_a_change_can_be_loaded(change, tmp_path):
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
    ({"beta_2": np.nan}, "Adam.* ?beta_2 (must be|is nan)"),
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
def test_whatever_is_set_between_trainings(name, changes):
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


# --- files of 0.1.0, which numbered the vectors -----------------------------------------------------------


def test_numbered_vectors_are_read_in_their_order():
    description, tensors = parts()
    size = sum(tensor.size for name, tensor in tensors.items() if not name.startswith("optimizer/"))
    vectors = {f"optimizer/{i}": np.full(size, i + 1, "f4") for i in range(3)}

    def adam_with_average(entry):
        entry["compile"]["optimizer"] = serialize(optimizers.Adam(use_ema=True))

    plain = {name: tensor for name, tensor in tensors.items() if not name.startswith("optimizer/")}
    model = from_bytes(forged(adam_with_average, {**plain, **vectors}))
    assert {name: state[0] for name, state in model._core.states.items()} == {
        "average": 1, "first_moment": 2, "second_moment": 3}
    # Of two, nobody knows which was left out: they begin anew.
    assert from_bytes(forged(adam_with_average, {**plain, "optimizer/0": vectors["optimizer/0"],
                                                 "optimizer/1": vectors["optimizer/1"]}))._core.states == {}


# --- one optimizer and several models -----------------------------------------------------------------------


def test_the_second_model_takes_a_copy():
    optimizer = optimizers.SGD(0.1)
    one, two = compiled(optimizer), compiled(optimizer)
    assert one.optimizer is optimizer
    assert two.optimizer is not optimizer
    assert two.optimizer == optimizer
    one.optimizer.learning_rate = 0.5
    assert two.optimizer.learning_rate == 0.1
    one.compile(optimizer, "mse")  # its own again
    assert one.optimizer is optimizer
    del one
    third = compiled(optimizer)  # nobody has it any more
    assert third.optimizer is optimizer


def test_a_plateau_of_one_model_lowers_no_rate_of_another():
    optimizer = optimizers.Adam(0.1)
    one, two = compiled(optimizer), compiled(optimizer)
    callback = tinynn.callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=100)
    one.fit(X, Y, epochs=4, verbose=0, callbacks=callback)
    assert one.optimizer.learning_rate < 0.1
    assert two.optimizer.learning_rate == 0.1


def test_a_schedule_without_a_name_is_copied_too():
    optimizer = optimizers.SGD(lambda step: 0.1 / (1 + step))
    one, two = compiled(optimizer), compiled(optimizer)
    for model in (one, two):
        model.fit(X, Y, 4, verbose=0)
    assert one.parameters.tobytes() == two.parameters.tobytes()


def test_another_optimizer_set_begins_anew():
    model = trained(optimizers.RMSprop(0.01, momentum=0.5))
    model.optimizer = optimizers.SGD(0.1, momentum=0.9)
    assert (model._core.states, model._core.iteration) == ({}, 0)
    model.fit(X, Y, 4, verbose=0)
    assert model._core.states.keys() == {"velocity"}
    model.optimizer = "adam"
    assert isinstance(model.optimizer, optimizers.Adam)
    with pytest.raises((TypeError, ValueError), match="optimizer"):
        model.optimizer = 3


# --- copies ---------------------------------------------------------------------------------------------


def test_a_model_with_a_function_as_schedule_can_be_copied_but_not_pickled():
    model = trained(optimizers.SGD(lambda step: 0.1 / (1 + step), momentum=0.9, use_ema=True))
    again = copy.deepcopy(model)
    assert again.optimizer is not model.optimizer
    assert again.optimizer.learning_rate(3) == model.optimizer.learning_rate(3)
    for each in (model, again):
        each.fit(X, Y, 4, epochs=2, verbose=0)
    assert again.fingerprint() == model.fingerprint()
    with pytest.raises(TypeError, match="which a model file cannot hold"):
        pickle.dumps(model)


def test_copies_share_nothing():
    model = trained("adam")
    again = copy.deepcopy([model, model])
    assert again[0] is again[1]
    again[0].fit(X, Y, epochs=2, verbose=0)
    assert again[0].fingerprint() != model.fingerprint()
    assert model._core.epochs == 3
