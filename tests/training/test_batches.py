"""Steps on single batches: the fast path gives the general one's bits, and takes nothing that needs a closer look."""

import gc

import numpy as np
import pytest

from tests.threads import run_threads
from tests.training.classifier import classifier
from tinynn import Sequential, layers, losses, optimizers
from tinynn.core.core import Core
from tinynn.engine.job import Job
from tinynn.training.batches import Batches

CASES = {
    "labels": (lambda: [layers.Dense(5, "relu"), layers.Dense(3, "softmax")], "sparse_categorical_crossentropy"),
    "numbers": (lambda: [layers.Dense(5, "tanh"), layers.Dense(2)], "mse"),
    "one number": (lambda: [layers.Dense(1)], "mse"),
    "yes or no": (lambda: [layers.Dropout(0.4), layers.Dense(1, "sigmoid")], "binary_crossentropy"),
    "normalized": (lambda: [layers.Dense(4), layers.BatchNormalization(), layers.Dense(2)], "half_squared_error"),
}

OPTIMIZERS = {
    "sgd": lambda: optimizers.SGD(0.05),
    "average": lambda: optimizers.Adam(0.01, use_ema=True, global_clipnorm=0.5),
    "schedule": lambda: optimizers.RMSprop(optimizers.schedules.CosineDecay(0.01, 30), momentum=0.5),
}


def compiled(case, optimizer="sgd", dtype="float32", metrics=()):
    chain, loss = CASES[case]
    model = Sequential(chain(), (4,), rng=3, dtype=dtype)
    model.compile(OPTIMIZERS[optimizer](), loss, metrics)
    return model


def batch(case, rng, rows=6):
    x = rng.normal(size=(rows, 4))
    if case == "labels":
        return x, rng.integers(0, 3, rows)
    if case in ("one number", "yes or no"):
        return x, rng.integers(0, 2, (rows, 1)).astype(float)
    return x, rng.normal(size=(rows, 2))


class Forgetful(Core):
    """Derives nothing from one batch for the next: each takes the general path."""

    derived = property(lambda self: {}, lambda self, value: None)


def forgetful(model):
    model._core.__class__ = Forgetful
    return model


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("case", CASES)
def test_the_same_bits_as_by_the_general_path(case, optimizer, dtype, rng, monkeypatch):
    fast, general = compiled(case, optimizer, dtype), forgetful(compiled(case, optimizer, dtype))
    cores, step = [], Batches.step
    monkeypatch.setattr(Batches, "step", lambda self, core, *rest: (cores.append(core), step(self, core, *rest))[1])
    batches = [batch(case, rng, rows) for rows in (6, 6, 1, 6, 3, 6)]
    for number, (x, y) in enumerate(batches):
        x = x.astype(("f4", "f8")[number % 2])
        for update in ("train_on_batch", "compute_gradients", "train_on_batch"):
            assert getattr(fast, update)(x, y) == getattr(general, update)(x, y)
            assert fast.gradients.tobytes() == general.gradients.tobytes()
        fast.apply_gradients()
        general.apply_gradients()
        assert (fast._core.iteration, fast.fingerprint()) == (general._core.iteration, general.fingerprint())
    assert fast._core in cores
    assert general._core not in cores
    assert fast._core.states.keys() == general._core.states.keys()
    assert all(fast._core.states[name].tobytes() == general._core.states[name].tobytes() for name in fast._core.states)


FORMS = {
    "labels": [np.array([0, 2, 1], t) for t in ("i8", "i4", "u1", "u8", ">i8")] + [np.array([[0], [2], [1]]), [0, 2, 1],
                                                                                  np.array([0.0, 2.0, 1.0])],
    "one number": [np.array([[0.5], [1], [-2]], t) for t in ("f8", "f4", ">f4", "f2")] + [
        np.array([0.5, 1, -2]), np.array([0.5, 9, 1, 9, -2, 9])[::2], [[0.5], [1.0], [-2.0]]],
}


@pytest.mark.parametrize("case", FORMS)
def test_targets_in_any_form(case, rng):
    x = rng.normal(size=(3, 4)).astype("f4")
    found = set()
    for y in FORMS[case]:
        model = compiled(case)
        model.train_on_batch(x, FORMS[case][0])
        model.train_on_batch(x, y)
        found.add(model.fingerprint())
    assert len(found) == 1


def bad(case, change):
    x, y = batch(case, np.random.default_rng(0))
    x, y = change(x.astype("f4"), y)
    return x, y


def put(array, value):
    array = np.array(array)
    array[(1, *(0,) * (array.ndim - 1))] = value
    return array


BAD = {
    "NaN": ("labels", lambda x, y: (put(x, np.nan), y), "x holds nan"),
    "too large": ("labels", lambda x, y: (put(x.astype("f8"), 1e300), y), "x holds 1e\\+300"),
    "label": ("labels", lambda x, y: (x, put(y, 3)), "y holds the label 3"),
    "negative label": ("labels", lambda x, y: (x, put(y, -1)), "y holds the label -1"),
    "huge label": ("labels", lambda x, y: (x, put(y.astype("u8"), 2**64 - 1)), "y holds 18446744073709551615"),
    "fewer": ("labels", lambda x, y: (x, y[:5]), "x has 6 samples, but y has 5"),
    "more axes": ("labels", lambda x, y: (x, np.stack([y, y], 1)), "y has shape"),
    "columns": ("labels", lambda x, y: (x[:, :3].copy(), y), "x has shape"),
    "infinite target": ("numbers", lambda x, y: (x, put(y, np.inf)), "y holds inf"),
    "target too large": ("numbers", lambda x, y: (x, put(y, 1e300)), "y holds 1e\\+300"),
    "target's axes": ("numbers", lambda x, y: (x, y[..., None]), "y has shape"),
    "target's columns": ("numbers", lambda x, y: (x, y[:, 0].copy()), "y has shape"),
    "text": ("labels", lambda x, y: (x, y.astype(str)), "y"),
    "none": ("labels", lambda x, y: (x[:0], y[:0]), "empty"),
}


@pytest.mark.parametrize("case, change, message", BAD.values(), ids=BAD)
def test_bad_batches_are_found_after_good_ones(case, change, message, rng):
    model = compiled(case)
    good = batch(case, rng)
    for _ in range(3):
        model.train_on_batch(*good)
    before = model.fingerprint(), model._core.iteration
    for call in (model.train_on_batch, model.compute_gradients):
        with pytest.raises((ValueError, TypeError), match=message):
            call(*bad(case, change))
    assert (model.fingerprint(), model._core.iteration) == before


def test_changes_between_steps_take_effect(rng):
    """Each change is made to both; the fast path must not go on with what it knew."""
    fast, general = compiled("numbers"), forgetful(compiled("numbers"))
    x, y = batch("numbers", rng)

    def weights(model):
        model.set_weights([w * 0.5 for w in model.get_weights()])

    changes = [
        lambda model: setattr(model.optimizer, "learning_rate", 0.3),
        lambda model: setattr(model.optimizer, "clipvalue", 0.01),
        lambda model: setattr(model.layers[0], "trainable", False),
        lambda model: model.gradients.fill(7),
        lambda model: setattr(model.layers[0], "trainable", True),
        lambda model: setattr(model, "trainable", False),
        lambda model: setattr(model, "trainable", True),
        weights,
        lambda model: model.compile("adam", "mse"),
        lambda model: setattr(model, "optimizer", optimizers.SGD(0.1, momentum=0.9)),
        lambda model: setattr(model._core, "states", {name: 0 * state for name, state in model._core.states.items()}),
        lambda model: model.fit(x, y, epochs=2, verbose=0),
        lambda model: model.compile("sgd", losses.HalfSquaredError(), ["mae"]),
        lambda model: model.gradients.fill(7),
        lambda model: model.add(layers.Dense(2)),
    ]
    for number, change in enumerate(changes):
        results = []
        for model in (fast, general):
            for _ in range(2):
                model.train_on_batch(x, y)
            change(model)
            results.append((model.train_on_batch(x, y), model.train_on_batch(x, y), model.gradients.tobytes(),
                            model.fingerprint()))
        assert results[0] == results[1], number


def test_results_by_name_and_number(rng):
    model = compiled("labels", metrics=["accuracy"])
    x, y = batch("labels", rng)
    for _ in range(3):
        expected = model.test_on_batch(x, y, return_dict=True)
        assert model.train_on_batch(x, y, return_dict=True) == expected
    loss, accuracy = model.train_on_batch(x, y)
    assert isinstance(loss, float) and isinstance(accuracy, float)
    assert isinstance(model.compute_gradients(x, y), float)
    assert isinstance(compiled("numbers").train_on_batch(*batch("numbers", rng)), float)


def test_a_diverging_step_changes_nothing(rng):
    model = compiled("numbers")
    x, y = batch("numbers", rng)
    model.train_on_batch(x, y)
    for _ in range(3):
        model.set_weights([w * 0 + 1e38 for w in model.get_weights()])
        before = model.fingerprint(), model._core.iteration
        with pytest.raises(FloatingPointError, match="train_on_batch: the loss became .* in step 1; NaN or infinity"):
            model.train_on_batch(x, y)
        assert (model.fingerprint(), model._core.iteration) == before


def test_one_thread_at_a_time(rng):
    model = compiled("numbers")
    x, y = batch("numbers", rng)
    model.train_on_batch(x, y)
    counts, refused = [], []

    def work():
        for _ in range(300):
            try:
                model.train_on_batch(x, y)
                counts.append(1)
            except RuntimeError as error:
                assert "the model is already being trained" in str(error)
                refused.append(1)

    run_threads(*[work] * 3)
    assert model._core.iteration == 1 + len(counts)
    assert len(counts) + len(refused) == 900


def test_losses_and_metrics_that_look_closer_take_the_general_path(rng):
    class Mine(losses.Loss):
        def forward(self, prediction, target):
            return np.abs(prediction - target).mean(-1)

        def backward(self, prediction, target):
            return np.sign(prediction - target) / prediction.shape[-1]

    class Shifted(losses.MeanSquaredError):
        def prepare(self, targets):
            return targets + 1

    x, y = batch("numbers", rng)
    model = compiled("numbers")
    for loss, metrics, serves in ((Mine(), [], False), (Shifted(), [], False), ("categorical_crossentropy", [], False),
                                  ("mse", ["accuracy"], False), ("mse", ["mae"], True)):
        model.compile("sgd", loss, metrics)
        assert Batches.supports(model._core) is serves
    model.compile("sgd", Mine())
    for _ in range(3):
        model.train_on_batch(x, y)
    assert model._core.derived.get("batches") is None


def test_many_batch_sizes_do_not_pile_up(rng):
    gc.collect()  # of what other tests have left
    before = sum(type(each) is Job for each in gc.get_objects())
    model = compiled("numbers")
    for rows in range(1, 120):
        model.train_on_batch(*batch("numbers", rng, rows))
    assert 1 <= sum(type(each) is Job for each in gc.get_objects()) - before <= 17


def test_train_and_test_on_batch_return_what_evaluate_does(data):
    x, y = data
    model = classifier(metrics=["accuracy"])
    expected = model.evaluate(x, y, batch_size=50)
    assert model.test_on_batch(x, y) == expected
    assert model.test_on_batch(x, y, return_dict=True) == dict(zip(["loss", "accuracy"], expected, strict=True))
    assert model.train_on_batch(x, y) == expected  # for the weights before the step
    assert model.train_on_batch(x, y, return_dict=True)["loss"] < expected[0]
    assert isinstance(classifier().evaluate(x, y), float)
    assert classifier().compute_gradients(x, y) == pytest.approx(expected[0])


def test_gradients_are_not_applied_until_asked(data):
    model = classifier()
    before = model.parameters.copy()
    model.compute_gradients(*data)
    assert model.parameters.tobytes() == before.tobytes()
    assert model._core.iteration == 0
    model.gradients[:] = 0
    model.apply_gradients()
    assert model.parameters.tobytes() == before.tobytes()
    assert model._core.iteration == 1


def test_a_rate_set_for_each_step_is_used_at_once(rng):
    """On the fast path, without another look at everything else."""
    fast, general = compiled("yes or no"), forgetful(compiled("yes or no"))
    x, y = batch("yes or no", rng)
    fast.train_on_batch(x, y)
    general.train_on_batch(x, y)
    known = fast._core.derived["batches"]
    for rate in (0.1, 0.0, 0.3, np.float32(0.2)):
        for model in (fast, general):
            model.optimizer.learning_rate = rate
            model.train_on_batch(x, y)
        assert fast._core.derived["batches"] is known
        assert fast.fingerprint() == general.fingerprint()
    for rate in (-0.1, np.nan, np.inf, "fast"):
        fast.optimizer.learning_rate = rate
        with pytest.raises((ValueError, TypeError), match="SGD: learning_rate must be"):
            fast.train_on_batch(x, y)
