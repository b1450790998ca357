"""Many models at once: the bits of one after the other, errors that name their model, threads."""

import signal
import threading
import time

import numpy as np
import pytest

from tinynn import Sequential, callbacks, fit_many, get_num_threads, layers, optimizers


def build(count, width=7):
    models = []
    for seed in range(count):
        chain = [layers.Dense(width, "tanh"), layers.Dropout(0.2), layers.Dense(3, "softmax")]
        model = Sequential(chain, (5,), rng=seed)
        model.compile(optimizers.Adam(0.01 * (seed + 1)), "sparse_categorical_crossentropy", ["accuracy"])
        models.append(model)
    return models


@pytest.fixture
def data(rng):
    return rng.normal(size=(50, 5)).astype("f4"), rng.integers(0, 3, 50)


@pytest.mark.parametrize("workers", [None, 1, 3, 8])
@pytest.mark.parametrize("width", [7, 600])  # one worth a team of threads, too
def test_same_bits_as_one_after_the_other(workers, width, data):
    arguments = {"batch_size": 16, "epochs": 3, "validation_data": data}
    alone = build(5, width)
    expected = [model.fit(*data, verbose=0, **arguments) for model in alone]
    together = build(5, width)
    found = fit_many(together, *data, workers=workers, **arguments)
    for one, other, history, wanted in zip(together, alone, found, expected, strict=True):
        assert (one.parameters == other.parameters).all()
        assert history.history == wanted.history


def test_each_has_its_own_callbacks_and_thread(data, threads):
    seen = {}

    class Note(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.setdefault(self.model.parameters.size, set()).add(threading.current_thread().name)
            assert get_num_threads() == 1

    threads(4)
    fit_many([*build(1, 3), *build(1, 4)], *data, callbacks=[[Note()], [Note()]], epochs=2)
    assert get_num_threads() == 4
    assert len(seen) == 2
    assert all(name.startswith("fit_many") for names in seen.values() for name in names)


def test_an_error_names_its_model_and_lets_the_others_end(data):
    models = build(3)
    models[1].compile(optimizers.SGD(1e38), "sparse_categorical_crossentropy")
    with pytest.raises(FloatingPointError) as caught:
        fit_many(models, *data, epochs=3, workers=1)
    assert caught.value.__notes__ == ["fit_many: this was models[1]"]
    alone = build(3)[2]
    alone.fit(*data, epochs=3, verbose=0)
    assert (models[2].parameters == alone.parameters).all()


def test_no_models(data):
    assert fit_many([], *data) == []


def test_wrong_arguments(data):
    models = build(2)
    with pytest.raises(TypeError, match=r"fit_many: models\[1\] must be a Sequential, got int"):
        fit_many([models[0], 3], *data)
    with pytest.raises(ValueError, match=r"fit_many: models\[2\] is the same object as models\[0\]"):
        fit_many([*models, models[0]], *data)
    with pytest.raises(ValueError, match=r"fit_many: callbacks must have one entry per model \(2\), got 1"):
        fit_many(models, *data, callbacks=[[]])
    with pytest.raises(ValueError, match="fit_many: workers must be at least 1"):
        fit_many(models, *data, workers=0)
    with pytest.raises(ValueError, match="x has 50 samples"):
        fit_many(models, data[0], data[1][:3])


def interrupt():
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)


def test_an_interrupt_ends_the_models_at_work(data):
    models = build(4)
    at_work = threading.Barrier(2, action=interrupt)

    class Start(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 0:
                at_work.wait()

    with pytest.raises(KeyboardInterrupt):
        fit_many(models, *data, epochs=10**9, callbacks=[[Start()]] * 4, workers=2)
    assert all(np.isfinite(model.parameters).all() for model in models)
    trained = [(model.parameters != fresh.parameters).any() for model, fresh in zip(models, build(4), strict=True)]
    assert trained == [True, True, False, False]


def test_an_interrupt_ends_a_model_that_is_just_beginning(data):
    class Late(Sequential):
        def fit(self, *arguments, **others):
            interrupt()
            while not self.stop_training:  # fit clears it
                time.sleep(0.001)
            return super().fit(*arguments, **others)

    model = Late([layers.Dense(3, "softmax")], (5,))
    model.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.raises(KeyboardInterrupt):
        fit_many([model], *data, epochs=10**9)
    for thread in threading.enumerate():
        if thread.name.startswith("fit_many"):
            thread.join(60)
            assert not thread.is_alive()


# --- arguments of each model ---------------------------------------------------------------------------


def test_folds(data):
    """Each with data, epochs and validation of its own."""
    x, y = data
    folds = [(np.arange(50) % 3 != fold, np.arange(50) % 3 == fold) for fold in range(3)]
    each = [
        {"x": x[kept], "y": y[kept], "validation_data": (x[out], y[out]), "epochs": 2 + number}
        for number, (kept, out) in enumerate(folds)
    ]
    models, alone = build(3), build(3)
    found = fit_many(models, each=each, batch_size=16, shuffle=False)
    for model, other, history, arguments in zip(models, alone, found, each, strict=True):
        expected = other.fit(**arguments, batch_size=16, shuffle=False, verbose=0)
        assert model.fingerprint() == other.fingerprint()
        assert history.history == expected.history
    assert [len(history.epoch) for history in found] == [2, 3, 4]


def test_each_overrides_the_common_arguments(data):
    histories = fit_many(build(2), *data, epochs=3, each=[{}, {"epochs": 1}])
    assert [len(history.epoch) for history in histories] == [3, 1]


def test_an_error_leaves_the_histories_of_the_others(data):
    models = build(3)
    models[1].compile(optimizers.SGD(1e38), "sparse_categorical_crossentropy")
    with pytest.raises(FloatingPointError) as caught:
        fit_many(models, *data, epochs=3, workers=2)
    first, failed, last = (len(history.epoch) for history in caught.value.histories)
    assert first == last == 3 > failed
    assert [model.history for model in models] == caught.value.histories
    alone = build(3)
    assert caught.value.histories[2].history == alone[2].fit(*data, epochs=3, verbose=0).history


def test_lines_name_their_models(data, capsys):
    models = build(2)
    models[1].name = "second"
    fit_many(models, *data, epochs=2, verbose=2)
    lines = sorted(capsys.readouterr().out.splitlines())
    assert [line.partition(" - ")[0] for line in lines] == [
        f"models[{number}] {name}: Epoch {epoch}/2" for number, name in enumerate(["sequential", "second"])
        for epoch in (1, 2)]
    build(1)[0].fit(*data, verbose=2)
    assert capsys.readouterr().out.startswith("Epoch 1/1")


@pytest.mark.parametrize(
    "keywords, error, message",
    [
        ({"each": [{}]}, ValueError, r"each must have one entry per model \(2\), got 1"),
        ({"each": [{}, 3]}, TypeError, r"each\[1\] must be a dict of arguments of fit, got int"),
        ({"each": [{}, {"epoch": 3}]}, TypeError, r"each\[1\]: fit has no argument 'epoch'; did you mean 'epochs'"),
        ({"batchsize": 3}, TypeError, "arguments: fit has no argument 'batchsize'; did you mean 'batch_size'"),
        ({"each": [{}, {"checkpoint": "c"}]}, ValueError, "checkpoint must be None: a file holds one model"),
    ],
)
def test_wrong_arguments_of_each(keywords, error, message, data):
    models = build(2)
    before = [model.fingerprint() for model in models]
    with pytest.raises(error, match=f"fit_many: {message}"):
        fit_many(models, *data, **keywords)
    assert [model.fingerprint() for model in models] == before


def test_a_callback_that_remembers_watches_one_model(data):
    stop = callbacks.EarlyStopping("loss")
    with pytest.raises(ValueError, match=r"fit_many: models\[0\] and models\[1\] share one EarlyStopping"):
        fit_many(build(2), *data, callbacks=[[stop], stop])
