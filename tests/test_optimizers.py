"""Optimizers over several steps against NumPy, with rates per step, frozen parts and state that lives on."""

import numpy as np
import pytest

from tests import oracles
from tests.numerics import assert_close
from tinynn import Sequential, layers, load, optimizers
from tinynn.callbacks import ReduceLROnPlateau
from tinynn.optimizers import get, schedules

RULES = {
    "sgd": lambda rate: optimizers.SGD(rate),
    "momentum": lambda rate: optimizers.SGD(rate, momentum=0.9),
    "nesterov": lambda rate: optimizers.SGD(rate, momentum=0.8, nesterov=True),
    "adam": lambda rate: optimizers.Adam(rate),
    "adam other": lambda rate: optimizers.Adam(rate, beta_1=0.5, beta_2=0.9, epsilon=1e-3),
    "adamw": lambda rate: optimizers.AdamW(rate, weight_decay=0.1),
    "rmsprop": lambda rate: optimizers.RMSprop(rate),
    "rmsprop momentum": lambda rate: optimizers.RMSprop(rate, rho=0.5, momentum=0.9, epsilon=1e-4),
}


def oracle_steps(optimizer, w, gradients, rates, decayed):
    """The weights after each step, by NumPy."""
    zeros, found = np.zeros_like(w), []
    velocity, m, v = zeros, zeros, zeros
    for number, (dw, rate) in enumerate(zip(gradients, rates, strict=True), 1):
        if isinstance(optimizer, optimizers.SGD):
            w, velocity = oracles.sgd_update(w, dw, velocity, rate, optimizer.momentum, optimizer.nesterov)
        elif isinstance(optimizer, optimizers.RMSprop):
            w, v, velocity = oracles.rmsprop_update(
                w, dw, v, velocity, rate, optimizer.rho, optimizer.momentum, optimizer.epsilon
            )
        else:
            decay = getattr(optimizer, "weight_decay", 0.0)
            w = np.where(decayed, w - rate * decay * w, w)
            w, m, v = oracles.adam_update(
                w, dw, m, v, number, rate, optimizer.beta_1, optimizer.beta_2, optimizer.epsilon
            )
        found.append(w)
    return found


def linear(optimizer, dtype="float64"):
    model = Sequential([layers.Dense(3)], (5,), dtype=dtype)
    model.compile(optimizer, "half_squared_error")
    return model


@pytest.mark.parametrize("rate", [0.01, schedules.CosineDecay(0.05, 6)], ids=["rate", "schedule"])
@pytest.mark.parametrize("name", RULES)
def test_equals_numpy_when_the_gradient_is_given(name, rate, dtype, rng):
    """`gradients` is writable: whatever stands in it is what the update uses."""
    optimizer = RULES[name](rate)
    model = linear(optimizer, dtype)
    w = model.parameters.astype(np.float64)
    given = [rng.normal(size=w.shape).astype(dtype) for _ in range(6)]
    rates = [rate if isinstance(rate, float) else rate(step) for step in range(6)]
    decayed = np.arange(w.size) < 15  # the kernel, not the bias
    model.compute_gradients(rng.normal(size=(2, 5)), rng.normal(size=(2, 3)))
    for dw, expected in zip(given, oracle_steps(optimizer, w, given, rates, decayed), strict=True):
        model.gradients[:] = dw
        model.apply_gradients()
        assert_close(model.parameters, expected, dtype=dtype, name=name)


@pytest.mark.parametrize("name", RULES)
def test_fit_equals_numpy_step_by_step(name, rng):
    """One epoch in order: gradients by NumPy, rates by the schedule, the last batch smaller."""
    optimizer = RULES[name](schedules.OneCycle(0.02, 4))
    model = linear(optimizer)
    x, y = rng.normal(size=(14, 5)), rng.normal(size=(14, 3))
    w = model.parameters.copy()
    decayed = np.arange(w.size) < 15
    gradients, rates = [], []
    for step in range(4):
        xb, yb = x[4 * step : 4 * step + 4], y[4 * step : 4 * step + 4]
        current = oracle_steps(optimizer, w, gradients, rates, decayed)[-1] if step else w
        error = (xb @ current[:15].reshape(5, 3) + current[15:] - yb) / len(xb)
        gradients.append(np.concatenate([(xb.T @ error).ravel(), error.sum(0)]))
        rates.append(optimizer.learning_rate(step))
    model.fit(x, y, batch_size=4, epochs=1, shuffle=False, verbose=0)
    expected = oracle_steps(optimizer, w, gradients, rates, decayed)[-1]
    np.testing.assert_allclose(model.parameters, expected, rtol=1e-10, atol=1e-13)


def test_the_schedule_goes_on_over_epochs_and_calls(rng):
    rates = []

    def rate(step):
        rates.append(step)
        return 0.01 * (step + 1)

    model = linear(optimizers.SGD(rate))
    x, y = rng.normal(size=(10, 5)), rng.normal(size=(10, 3))
    model.fit(x, y, batch_size=4, epochs=2, verbose=0)
    model.train_on_batch(x, y)
    assert sorted(set(rates)) == list(range(7))


def test_a_callable_is_a_schedule(rng):
    one, other = linear(optimizers.SGD(lambda step: 0.1 / (1 + step))), linear(optimizers.SGD(0.1))
    x, y = rng.normal(size=(4, 5)), rng.normal(size=(4, 3))
    one.fit(x, y, epochs=3, shuffle=False, verbose=0)
    for step in range(3):
        other.optimizer.learning_rate = 0.1 / (1 + step)
        other.train_on_batch(x, y)
    assert one.parameters.tobytes() == other.parameters.tobytes()


@pytest.mark.parametrize("name", RULES)
def test_frozen_parts_stay(name, rng):
    frozen = layers.Dense(4, "tanh")
    frozen.trainable = False
    model = Sequential([layers.Dense(4), frozen, layers.Dense(2)], (3,))
    model.compile(RULES[name](0.1), "mse")
    before = model.get_weights()
    model.fit(rng.normal(size=(9, 3)), rng.normal(size=(9, 2)), batch_size=4, epochs=2, verbose=0)
    changed = [bool((a != b).any()) for a, b in zip(before, model.get_weights(), strict=True)]
    assert changed == [True, True, False, False, True, True]


def test_everything_frozen_or_nothing_to_learn(rng):
    frozen = layers.Dense(2)
    frozen.trainable = False
    for chained in ([frozen], [layers.Activation("tanh")], [layers.Flatten()], [layers.Rescaling(2.0)]):
        model = Sequential(chained, (2,))
        model.compile("adam", "mse", ["mae"])
        before = [w.copy() for w in model.get_weights()]
        history = model.fit(rng.normal(size=(7, 2)), rng.normal(size=(7, 2)), batch_size=3, epochs=2, verbose=0)
        assert np.isfinite(history.history["loss"]).all()
        assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))


def test_unfreezing_and_freezing_again(rng):
    """Plans are cached: each keeps its own set of trainable parameters, also for batch sizes it meets later."""
    model = Sequential([layers.Dense(4), layers.Dense(2)], (3,), dtype="float64")
    model.compile("sgd", "mse")
    x, y = rng.normal(size=(9, 3)), rng.normal(size=(9, 2))
    model.compute_gradients(x, y)
    model.layers[0].trainable = False
    model.summary()
    model.compute_gradients(x, y)
    model.layers[0].trainable = True
    model.gradients[:] = 0
    model.compute_gradients(x[:4], y[:4])
    assert model.gradients[:12].all()


def test_frozen_gradients_do_not_linger(rng):
    """What exchanges or clips the flat vector must not meet the gradient of an earlier step."""
    model = Sequential([layers.Dense(4), layers.Dense(2)], (3,))
    model.compile("sgd", "mse")
    x, y = rng.normal(size=(9, 3)), rng.normal(size=(9, 2))
    model.compute_gradients(x, y)
    model.layers[0].trainable = False
    model.compute_gradients(x, y)
    assert not model.gradients[:16].any()
    assert model.gradients[16:].any()


def test_options_that_change_later(rng):
    """A velocity that was not needed before."""
    model = linear(optimizers.RMSprop(0.01))
    x, y = rng.normal(size=(4, 5)), rng.normal(size=(4, 3))
    model.train_on_batch(x, y)
    square = model._core.states["mean_square"]
    model.optimizer.momentum = 0.9
    with pytest.warns(UserWarning, match="the options of RMSprop have changed .*; these start from scratch: velocity"):
        model.train_on_batch(x, y)
    assert model._core.states["mean_square"] is square
    model.optimizer.momentum = 0.0
    model.train_on_batch(x, y)
    assert model._core.states.keys() == {"mean_square"}
    assert np.isfinite(model.parameters).all()


def test_one_optimizer_for_two_models(rng):
    """State belongs to the model."""
    optimizer = optimizers.Adam(0.01)
    one, two, alone = linear(optimizer), linear(optimizer), linear(optimizers.Adam(0.01))
    x, y = rng.normal(size=(4, 5)), rng.normal(size=(4, 3))
    for _ in range(3):
        one.train_on_batch(x, y)
        two.train_on_batch(x, y)
        alone.train_on_batch(x, y)
    assert one.parameters.tobytes() == two.parameters.tobytes() == alone.parameters.tobytes()


def test_compile_resets_the_optimizer(rng):
    x, y = rng.normal(size=(4, 5)), rng.normal(size=(4, 3))
    model, fresh = linear("adam"), linear("adam")
    model.train_on_batch(x, y)
    model.compile("adam", "half_squared_error")
    model.set_weights(fresh.get_weights())
    model.train_on_batch(x, y)
    fresh.train_on_batch(x, y)
    assert model.parameters.tobytes() == fresh.parameters.tobytes()


@pytest.mark.parametrize("rate", [-0.1, float("nan"), float("inf")])
def test_wrong_rates(rate, rng):
    with pytest.raises(ValueError, match="SGD: learning_rate must be"):
        optimizers.SGD(rate)
    model = linear("sgd")
    before = model.parameters.copy()
    model.optimizer.learning_rate = rate
    with pytest.raises(ValueError, match="learning_rate must be"):
        model.train_on_batch(rng.normal(size=(4, 5)), rng.normal(size=(4, 3)))
    assert model.parameters.tobytes() == before.tobytes()


def test_a_schedule_that_goes_wrong_is_found_before_the_step(rng):
    model = linear(optimizers.SGD(lambda step: float("nan")))
    before = model.parameters.copy()
    with pytest.raises(ValueError, match="learning rate"):
        model.train_on_batch(rng.normal(size=(4, 5)), rng.normal(size=(4, 3)))
    assert model.parameters.tobytes() == before.tobytes()


@pytest.mark.parametrize("arguments", [{"momentum": 1.1}, {"momentum": -0.1}, {"momentum": "0.9"}])
def test_wrong_momentum(arguments):
    with pytest.raises((ValueError, TypeError), match="SGD: momentum"):
        optimizers.SGD(**arguments)


def test_flags_become_booleans():
    one, two = optimizers.SGD(0.1, nesterov=1, momentum=0.5), optimizers.SGD(0.1, nesterov=True, momentum=0.5)
    assert one.nesterov is True
    assert optimizers.Adam(use_ema=np.True_).use_ema is True
    assert one.get_config() == two.get_config()


@pytest.mark.parametrize("arguments", [{"beta_1": 1.0}, {"beta_2": -1}, {"epsilon": 0}])
def test_wrong_adam(arguments):
    with pytest.raises(ValueError, match=f"Adam: {next(iter(arguments))}"):
        optimizers.Adam(**arguments)


def test_names():
    for name, kind in (("sgd", optimizers.SGD), ("adam", optimizers.Adam), ("adamw", optimizers.AdamW),
                       ("rmsprop", optimizers.RMSprop)):
        assert type(get(name)) is kind
        assert get(name) == get(name.upper()) == kind()
        assert type(get(name)).from_config(get(name).get_config()) == get(name)
    with pytest.raises(ValueError, match="unknown optimizer 'adamm'.*did you mean 'adam'"):
        get("adamm")
    with pytest.raises(TypeError, match="optimizer: expected a name"):
        get(0.1)


def test_no_gradients_yet():
    with pytest.raises(ValueError, match="apply_gradients: there are no gradients; call compute_gradients first"):
        linear("sgd").apply_gradients()


def one_layer(optimizer, dtype="float64"):
    model = Sequential([layers.Dense(3)], (4,), dtype=dtype, rng=1)
    model.compile(optimizer, "mse")
    return model


def data(rng, n=6):
    return rng.normal(size=(n, 4)) * 5, rng.normal(size=(n, 3))


@pytest.mark.parametrize("kind", [optimizers.SGD, optimizers.Adam, optimizers.AdamW, optimizers.RMSprop])
def test_clipped_gradients_are_what_the_rule_sees(kind, rng):
    x, y = data(rng)
    for options, clip in (
        ({"clipvalue": 0.3}, lambda g: g.clip(-0.3, 0.3)),
        ({"global_clipnorm": 0.5}, lambda g: g * min(1, 0.5 / np.linalg.norm(g))),
        ({"global_clipnorm": 1e9}, lambda g: g),
    ):
        clipped, by_hand = one_layer(kind(0.1, **options)), one_layer(kind(0.1))
        for _ in range(3):
            clipped.train_on_batch(x, y)
            by_hand.compute_gradients(x, y)
            assert np.linalg.norm(by_hand.gradients) > 1
            by_hand.gradients[:] = clip(by_hand.gradients)
            by_hand.apply_gradients()
            np.testing.assert_allclose(clipped.parameters, by_hand.parameters, rtol=1e-12)


def test_apply_gradients_clips_too(rng):
    x, y = data(rng)
    one, other = (one_layer(optimizers.SGD(0.1, global_clipnorm=0.5)) for _ in range(2))
    one.train_on_batch(x, y)
    other.compute_gradients(x, y)
    other.apply_gradients()
    assert (one.parameters == other.parameters).all()


def test_the_norm_is_that_of_all_parameters_of_a_large_network(rng):
    """Large enough that updates would follow each layer, and the norm needs many chunks."""
    chain = [layers.Dense(200, "tanh"), layers.Dense(150, "tanh"), layers.Dense(2)]
    models = []
    for options in ({"global_clipnorm": 0.01}, {}):
        model = Sequential([layer.clone() for layer in chain], (100,), dtype="float64", rng=1)
        model.compile(optimizers.SGD(0.1, **options), "mse")
        models.append(model)
    assert models[0].count_params() > 32_768
    x, y, start = rng.normal(size=(8, 100)), rng.normal(size=(8, 2)), models[0].parameters.copy()
    for model in models:
        model.fit(x, y, batch_size=8, verbose=0)
    step, full = (model.parameters - start for model in models)
    np.testing.assert_allclose(step, full * 0.001 / np.linalg.norm(full), rtol=1e-9, atol=1e-15)


def test_moving_average_of_the_weights(dtype, rng):
    x, y = data(rng)
    averaged = one_layer(optimizers.SGD(0.01, momentum=0.5, use_ema=True, ema_momentum=0.75), dtype)
    plain = one_layer(optimizers.SGD(0.01, momentum=0.5), dtype)
    average = None
    for _ in range(5):
        plain.train_on_batch(x, y)
        weights = plain.parameters.astype("f8")
        average = weights if average is None else 0.75 * average + 0.25 * weights
        averaged.train_on_batch(x, y)
        assert (averaged.parameters == plain.parameters).all()
    averaged.fit(x, y, batch_size=6, verbose=0)
    plain.fit(x, y, batch_size=6, verbose=0)
    average = 0.75 * average + 0.25 * plain.parameters
    np.testing.assert_allclose(averaged.parameters, average, rtol=1e-5 if dtype == "float32" else 1e-12)


def test_average_leaves_out_what_is_frozen_or_a_statistic(rng):
    frozen = layers.Dense(4)
    model = Sequential([layers.BatchNormalization(momentum=0.5), frozen, layers.Dense(3)], (4,), rng=1)
    model.compile(optimizers.Adam(0.1, use_ema=True), "mse")
    frozen.trainable = False
    before = model.get_weights()
    x, y = data(rng)
    model.fit(x.astype("f4"), y, batch_size=6, verbose=0)
    after = model.get_weights()
    np.testing.assert_allclose(after[2], x.mean(axis=0) / 2, rtol=1e-4)
    assert (after[4] == before[4]).all()
    assert (after[6] != before[6]).any()


def test_average_is_kept_in_a_file(tmp_path, rng):
    x, y = data(rng)
    model = one_layer(optimizers.Adam(0.1, use_ema=True))
    model.train_on_batch(x, y)
    model.save(tmp_path / "model", include_optimizer=True)
    again = load(tmp_path / "model")
    for each in (model, again):
        each.fit(x, y, epochs=2, verbose=0)
    assert (again.parameters == model.parameters).all()
    assert again.optimizer == model.optimizer


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clipvalue": 1, "global_clipnorm": 1}, "Adam: give clipvalue or global_clipnorm, not both"),
        ({"clipvalue": 0}, "Adam: clipvalue must be"),
        ({"global_clipnorm": -1}, "Adam: global_clipnorm must be"),
        ({"ema_momentum": 1.0}, "Adam: ema_momentum must be"),
    ],
)
def test_wrong_limits(options, message):
    with pytest.raises(ValueError, match=message):
        optimizers.Adam(**options)


# --- one optimizer and several models --------------------------------------------------------------------------


def test_the_second_model_takes_a_copy():
    optimizer = optimizers.SGD(0.1)
    one, two = one_layer(optimizer), one_layer(optimizer)
    assert one.optimizer is optimizer
    assert two.optimizer is not optimizer
    assert two.optimizer == optimizer
    one.optimizer.learning_rate = 0.5
    assert two.optimizer.learning_rate == 0.1
    one.compile(optimizer, "mse")  # its own again
    assert one.optimizer is optimizer
    del one
    third = one_layer(optimizer)  # no model uses it any more
    assert third.optimizer is optimizer


def test_a_plateau_of_one_model_lowers_no_rate_of_another(rng):
    optimizer = optimizers.Adam(0.1)
    one, two = one_layer(optimizer), one_layer(optimizer)
    callback = ReduceLROnPlateau("loss", patience=1, min_delta=100)
    one.fit(*data(rng), epochs=4, verbose=0, callbacks=callback)
    assert one.optimizer.learning_rate < 0.1
    assert two.optimizer.learning_rate == 0.1


def test_a_schedule_without_a_name_is_copied_too(rng):
    x, y = data(rng)
    optimizer = optimizers.SGD(lambda step: 0.1 / (1 + step))
    one, two = one_layer(optimizer), one_layer(optimizer)
    for model in (one, two):
        model.fit(x, y, 4, verbose=0)
    assert one.parameters.tobytes() == two.parameters.tobytes()


def test_setting_another_optimizer_resets_its_state(rng):
    x, y = data(rng)
    model = one_layer(optimizers.RMSprop(0.01, momentum=0.5))
    model.fit(x, y, 4, verbose=0)
    model.optimizer = optimizers.SGD(0.1, momentum=0.9)
    assert (model._core.states, model._core.iteration) == ({}, 0)
    model.fit(x, y, 4, verbose=0)
    assert model._core.states.keys() == {"velocity"}
    model.optimizer = "adam"
    assert isinstance(model.optimizer, optimizers.Adam)
    with pytest.raises((TypeError, ValueError), match="optimizer"):
        model.optimizer = 3
