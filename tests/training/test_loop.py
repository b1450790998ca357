"""Training, evaluation and prediction: bits, threads, processes, interruptions, and what the numbers mean."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from tests.model.digests import MODELS, digest_of, digests, trained
from tests.model.reference import prediction, row_losses
from tests.oracles import philox
from tinynn import Sequential, kernels, layers, losses, optimizers, set_num_threads
from tinynn.callbacks import Callback, EarlyStopping
from tinynn.engine.arrays import shuffled
from tinynn.layers.chain import with_inner

ROOT = Path(__file__).parents[2]
FOR_SHUFFLE = 1  # in random.h
FUSED = [name for name in kernels.instruction_sets() if name != "base"]


def classifier(rng=0, dropout=0.0, dtype="float32", loss="sparse_categorical_crossentropy", metrics=()):
    middle = [layers.Dropout(dropout)] if dropout else []
    model = Sequential([layers.Dense(8, "tanh"), *middle, layers.Dense(3, "softmax")], (4,), rng=rng, dtype=dtype)
    model.compile(optimizers.Adam(0.01), loss, metrics)
    return model


@pytest.fixture
def data(rng):
    return rng.normal(size=(50, 4)).astype("float32"), rng.integers(0, 3, 50)


def subprocess_environment(**extra):
    return {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), **extra}


# --- bits ----------------------------------------------------------------------------------------------


def test_every_kind_of_layer_is_in_the_models_whose_bits_are_compared():
    found = {type(layer) for make in MODELS.values() for layer in with_inner(make("float32")[0].layers)}
    assert {getattr(layers, name) for name in layers.__all__} - found <= {layers.Layer, layers.PythonLayer}


def test_any_number_of_threads_and_every_run_give_the_same_bits():
    first = digests(1)
    for threads in (2, 3, 7, 1):
        assert digests(threads) == first, f"{threads} threads"


@pytest.mark.parametrize("name", [name for name in kernels.instruction_sets() if name != kernels.instruction_set()])
def test_other_instruction_sets(name):
    """In a process of its own: any threads, the same bits; and the fused sets among each other."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.model.digests", "1", "3"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=subprocess_environment(TINYNN_CPU=name),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["instruction_set"] == name
    assert found["digests"][0] == found["digests"][1]
    if name in FUSED and kernels.instruction_set() in FUSED:
        assert found["digests"][0] == digests(1)


def test_another_process_gives_the_same_bits():
    done = subprocess.run(
        [sys.executable, "-m", "tests.model.digests", "2"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=subprocess_environment(TINYNN_CPU=kernels.instruction_set()),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["digests"] == [digests(2)]


@pytest.mark.parametrize("name", MODELS)
def test_prediction_does_not_depend_on_the_batch_size(name, dtype):
    model, x, *_ = MODELS[name](dtype)
    whole = model.predict(x, batch_size=len(x))
    for size in (1, 2, 7, 32, 10**6):
        assert model.predict(x[:64], batch_size=size).tobytes() == whole[:64].tobytes(), size
    for row in (0, 5):
        assert model.predict(x[row : row + 1]).tobytes() == whole[row : row + 1].tobytes()


@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("shuffle", [True, False])
def test_an_epoch_by_hand_is_an_epoch_of_fit(shuffle, dropout, data):
    x, y = data
    one, other, third = (classifier(dropout=dropout) for _ in range(3))
    one.fit(x, y, batch_size=16, epochs=2, shuffle=shuffle, verbose=0)
    for epoch in range(2):
        order = shuffled(len(x), other._core.key, epoch) if shuffle else np.arange(len(x))
        for start in range(0, len(x), 16):
            rows = order[start : start + 16]
            other.compute_gradients(x[rows], y[rows])
            other.apply_gradients()
            third.train_on_batch(x[rows], y[rows])
    assert other.parameters.tobytes() == one.parameters.tobytes()
    assert third.parameters.tobytes() == one.parameters.tobytes()
    assert one._core.states.keys() == other._core.states.keys()
    assert all((state == other._core.states[name]).all() for name, state in one._core.states.items())


def test_going_on_where_it_stopped(data):
    x, y = data
    one, other = classifier(dropout=0.2), classifier(dropout=0.2)
    one.fit(x, y, batch_size=16, epochs=4, verbose=0)
    other.fit(x, y, batch_size=16, epochs=1, verbose=0)
    other.predict(x)
    other.evaluate(x, y)
    other.fit(x, y, batch_size=16, epochs=4, initial_epoch=1, verbose=0)
    assert other.parameters.tobytes() == one.parameters.tobytes()


def test_shuffling_is_a_permutation_of_its_own_for_every_epoch():
    first, second = shuffled(1000, 5, 0), shuffled(1000, 5, 1)
    assert sorted(first) == sorted(second) == list(range(1000))
    assert (first != second).any()
    assert (first != shuffled(1000, 6, 0)).any()
    assert (first == shuffled(1000, 5, 0)).all()
    assert list(shuffled(1, 0, 0)) == [0]


@pytest.mark.parametrize("n", [0, 1, 2, 15, 16, 17, 33, 100])
@pytest.mark.parametrize(("key", "epoch"), [(0, 0), (2**64 - 1, 2**32 - 1), (0x1234567890ABCDEF, 3)])
def test_shuffling_is_that_of_fisher_and_yates(n, key, epoch):
    order = list(range(n))
    for i in range(n - 1, 0, -1):
        high, low, *_ = philox((i, 0, epoch, FOR_SHUFFLE), (key & 0xFFFFFFFF, key >> 32))
        j = (high << 32 | low) * (i + 1) >> 64
        order[i], order[j] = order[j], order[i]
    assert list(shuffled(n, key, epoch)) == order


# --- threads -------------------------------------------------------------------------------------------


def run_threads(*functions):
    """Run them at once; returns what they return, raises what they raise."""
    results = [None] * len(functions)
    barrier = threading.Barrier(len(functions))

    def run(number):
        try:
            barrier.wait()
            results[number] = functions[number]()
        except BaseException as error:  # handed on
            results[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(functions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


def test_two_models_train_at_once():
    alone = [trained(name, "float32") for name in MODELS]
    set_num_threads(2)
    try:
        for _ in range(3):
            assert run_threads(*(lambda name=name: trained(name, "float32") for name in MODELS)) == alone
    finally:
        set_num_threads(None)


def test_sixteen_threads_predict_with_one_model():
    model, x, *_ = MODELS["dense"]("float32")
    expected = model.predict(x)
    set_num_threads(3)
    try:
        parts = [slice(number * 5, number * 5 + 150) for number in range(16)]
        for batch_size in (32, 7, 150):
            found = run_threads(*(lambda part=part, size=batch_size: model.predict(x[part], size) for part in parts))
            for part, got in zip(parts, found, strict=True):
                assert got.tobytes() == expected[part].tobytes()
    finally:
        set_num_threads(None)


def test_threads_predict_while_the_model_trains(data):
    """No crash, finite numbers, and training is not disturbed."""
    x, y = data
    model, alone = classifier(), classifier()
    alone.fit(x, y, batch_size=4, epochs=40, verbose=0)
    done = threading.Event()

    def predict():
        while not done.is_set():
            assert np.isfinite(model.predict(x, batch_size=7)).all()
            assert np.isfinite(model.evaluate(x, y))

    def fit():
        try:
            model.fit(x, y, batch_size=4, epochs=40, verbose=0)
        finally:
            done.set()

    run_threads(fit, predict, predict)
    assert model.parameters.tobytes() == alone.parameters.tobytes()


class Meanwhile(Callback):
    """Calls a function once, in the middle of training."""

    def __init__(self, function):
        self.function = function
        self.error = None

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            try:
                self.function()
            except Exception as error:  # looked at by the test
                self.error = error


@pytest.mark.parametrize("call", ["fit", "train_on_batch", "compute_gradients", "apply_gradients", "compile"])
def test_a_model_in_use_is_not_trained_again(call, data):
    x, y = data
    model, alone = classifier(), classifier()
    model.compute_gradients(x, y)
    arguments = {"apply_gradients": (), "compile": ("sgd", "mse")}.get(call, (x, y))
    meanwhile = Meanwhile(lambda: getattr(model, call)(*arguments))
    model.fit(x, y, epochs=3, callbacks=meanwhile, verbose=0)
    assert isinstance(meanwhile.error, RuntimeError), meanwhile.error
    assert f"{call}: this model is being trained" in str(meanwhile.error)
    alone.fit(x, y, epochs=3, verbose=0)
    assert model.parameters.tobytes() == alone.parameters.tobytes()


def test_callbacks_may_predict_save_and_set_weights(data, tmp_path):
    x, y = data
    model = classifier()
    meanwhile = Meanwhile(
        lambda: (
            model.predict(x),
            model.evaluate(x, y),
            model.save(tmp_path / "m"),
            model.set_weights(model.get_weights()),
        )
    )
    model.fit(x, y, epochs=3, callbacks=meanwhile, verbose=0)
    assert meanwhile.error is None
    assert (tmp_path / "m").exists()


def test_an_epoch_runs_without_the_lock_of_python():
    """Another Python thread counts on while a single call into C runs: from its beginning to its end."""
    model, x, y, keywords = MODELS["dense"]("float32")
    epochs, counts = [], []
    stop = threading.Event()
    counted = [0]

    def count():
        while not stop.is_set():
            counted[0] += 1
            time.sleep(0)

    class Watch(Callback):
        def on_epoch_begin(self, epoch, logs=None):
            epochs.append(counted[0])

        def on_epoch_end(self, epoch, logs=None):
            counts.append(counted[0] - epochs[-1])
            self.model.stop_training = len(counts) >= 500 or sum(n > 10 for n in counts) >= 3

    thread = threading.Thread(target=count)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)  # only who gives the lock up lets another thread run
    thread.start()
    try:
        model.fit(np.tile(x, (20, 1)), np.tile(y, 20), epochs=500, batch_size=128, callbacks=Watch(), verbose=0)
    finally:
        stop.set()
        sys.setswitchinterval(interval)
        thread.join()
    assert sum(n > 10 for n in counts) >= 3, counts


# --- interruptions -------------------------------------------------------------------------------------

INTERRUPTED = """
import os, signal, sys, threading
import numpy as np
from tests.model.digests import MODELS
from tinynn import set_num_threads
from tinynn.callbacks import Callback
set_num_threads(int(sys.argv[1]))
model, x, y, keywords = MODELS["dense"]("float32")
x, y = np.tile(x, (300, 1)), np.tile(y, 300)   # epochs of many slices

class Ready(Callback):
    def on_progress(self, step, logs=None):
        if not ready.is_set():
            ready.set()

ready = threading.Event()
def interrupt():
    ready.wait()
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt).start()
try:
    model.fit(x, y, batch_size=128, epochs=10**6, callbacks=Ready(), verbose=0)
except KeyboardInterrupt:
    pass
else:
    raise SystemExit("no KeyboardInterrupt")
assert model._core.iteration > 0
assert np.isfinite(model.parameters).all()
# The count of updates fits the weights: the same number of steps again gives the same bits.
other, *_ = MODELS["dense"]("float32")
from tinynn.engine.arrays import shuffled
epoch, count = 0, model._core.iteration
done = 0
while done < count:
    order = shuffled(len(x), other._core.key, epoch)
    for start in range(0, len(x), 128):
        if done == count:
            break
        rows = order[start:start + 128]
        other.train_on_batch(x[rows], y[rows])
        done += 1
    epoch += 1
assert other.parameters.tobytes() == model.parameters.tobytes(), "weights do not fit the count"
model.fit(x[:1000], y[:1000], batch_size=128, verbose=0)
print("fine", count)
"""


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
@pytest.mark.parametrize("threads", [1, 2])
def test_ctrl_c_stops_and_leaves_a_usable_model(threads):
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, str(threads)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=subprocess_environment(),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("fine")


STEPS_INTERRUPTED = """
import os, signal, sys, threading, time
import numpy as np
from tinynn import Sequential, layers
step = {
    "train_on_batch": lambda model: model.train_on_batch(x, y),
    "apply_gradients": lambda model: model.apply_gradients(),
}[sys.argv[1]]

def made():
    model = Sequential([layers.Dense(2000)], (1000,), rng=1)
    model.compile("adam", "mse")
    model.compute_gradients(x, y)
    return model

x, y = np.ones((8, 1000), "float32"), np.zeros((8, 2000), "float32")
model = made()

def interrupt():   # in the middle of the C code of some call, where nearly all the time goes
    time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGINT)

interrupted = 0
for _ in range(10):
    thread = threading.Thread(target=interrupt)
    try:
        thread.start()
        while True:
            step(model)
    except KeyboardInterrupt:
        interrupted += 1
    thread.join()
other = made()
for _ in range(model._core.iteration):
    step(other)
assert other.parameters.tobytes() == model.parameters.tobytes(), "weights do not fit the count"
print("fine", interrupted, model._core.iteration)
"""


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
@pytest.mark.parametrize("call", ["train_on_batch", "apply_gradients"])
def test_ctrl_c_within_a_step_by_hand_counts_the_update(call):
    done = subprocess.run(
        [sys.executable, "-c", STEPS_INTERRUPTED, call],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=subprocess_environment(),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("fine 10 ")


@pytest.mark.parametrize("place", ["on_train_begin", "on_epoch_begin", "on_batch_end", "on_epoch_end", "on_train_end"])
def test_exceptions_of_callbacks_come_through(place, data):
    x, y = data
    model = classifier()

    class Bad(Callback):
        closed = False

        def close(self):
            self.closed = True

    def fail(self, *arguments):
        raise OSError(place)

    setattr(Bad, place, fail)
    bad = Bad()
    with pytest.raises(OSError, match=place):
        model.fit(x, y, epochs=3, callbacks=bad, verbose=0)
    assert bad.closed
    assert np.isfinite(model.fit(x, y, verbose=0).history["loss"]).all()


def test_stopping_within_an_epoch(rng):
    """stop_training set between two slices ends the epoch there."""
    x, y = np.zeros((5000, 4), "float32"), np.zeros(5000, int)

    class Slow(layers.PythonLayer):
        def forward(self, x):
            threading.Event().wait(0.001)
            return x

        def backward(self, dy, x, y):
            return dy

    model = Sequential([layers.Dense(3), Slow(), layers.Activation("softmax")], (4,))
    model.compile("sgd", "sparse_categorical_crossentropy")
    steps = []

    class Stop(Callback):
        def on_progress(self, step, logs=None):
            steps.append(step)
            self.model.stop_training = True

    model.fit(x, y, batch_size=1, epochs=3, callbacks=Stop(), verbose=0)
    assert len(steps) == 1
    assert model._core.iteration == steps[0] < 5000


# --- a loss that is no number --------------------------------------------------------------------------


def test_a_loss_that_overflows_names_the_step_and_keeps_the_weights(data):
    x, y = data
    model = Sequential([layers.Dense(8, "relu"), layers.Dense(3)], (4,))
    model.compile(optimizers.SGD(1e15), "mse")
    with pytest.raises(
        FloatingPointError,
        match=r"fit: the loss became (inf|nan) in step \d; it began in the output of "
        r"'(dense|dense_1|loss)'.*keeps its weights from before this step",
    ):
        model.fit(x, np.eye(3)[y], batch_size=8, epochs=5, verbose=0)
    assert np.isfinite(model.parameters).all()
    assert 1 <= model._core.iteration < 7
    model.set_weights([np.zeros_like(w) for w in model.get_weights()])
    model.optimizer.learning_rate = 0.01
    assert np.isfinite(model.fit(x, np.eye(3)[y], verbose=0).history["loss"]).all()


@pytest.mark.parametrize("threads", [1, 3])
def test_the_layer_where_nan_began_is_named(threads):
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
    set_num_threads(threads)
    try:
        with pytest.raises(
            FloatingPointError,
            match=r"the loss became nan in step 2; it began in the output of "
            r"'towers/tower_[01]/it'",
        ):
            model.fit(np.ones((300, 2, 4)), np.ones((300, 2, 3)), batch_size=100, verbose=0)
    finally:
        set_num_threads(None)
    assert model._core.iteration == 1
    assert np.isfinite(model.parameters).all()


def test_weights_that_were_no_numbers_are_named(data):
    model = classifier()
    model.parameters[5] = np.nan
    with pytest.raises(
        FloatingPointError,
        match="train_on_batch: the loss became nan in step 1; it began in the weights 'dense/kernel'",
    ):
        model.train_on_batch(*data)
    with pytest.raises(FloatingPointError, match="compute_gradients: the loss became nan"):
        model.compute_gradients(*data)
    assert np.isnan(model.evaluate(*data))
    assert model._core.iteration == 0


# --- processes -----------------------------------------------------------------------------------------


def train_in_child(connection, model):
    """What a child process does: go on training the model it got, and train one of its own."""
    set_num_threads(3)
    rng = np.random.default_rng(9)
    x, y = rng.normal(size=(300, 150)).astype("float32"), rng.integers(0, 10, 300)
    model.fit(x, y, batch_size=128, epochs=2, verbose=0)
    connection.send((digest_of(model.parameters), trained("dense", "float32")))
    connection.close()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("method", [m for m in ("fork", "spawn") if m in multiprocessing.get_all_start_methods()])
def test_a_child_process_trains_after_its_parent_did(method):
    set_num_threads(3)
    try:
        model, x, y, keywords = MODELS["dense"]("float32")
        model.fit(x, y, verbose=0, **keywords)
        context = multiprocessing.get_context(method)
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=train_in_child, args=(sender, model))
        process.start()
        sender.close()
        found = receiver.recv()
        process.join()
        assert process.exitcode == 0
        receiver, sender = context.Pipe(duplex=False)
        train_in_child(sender, model)
        assert receiver.recv() == found
    finally:
        set_num_threads(None)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_fork_in_the_middle_of_another_threads_training():
    """The child's pool must not wait for parts that only the parent's threads can finish."""
    expected = trained("dense", "float32")
    set_num_threads(3)
    stop = threading.Event()

    class Until(Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = stop.is_set()

    def train():
        model, x, y, keywords = MODELS["dense"]("float32")
        model.fit(x, y, **{**keywords, "epochs": 10**6}, callbacks=Until(), verbose=0)

    thread = threading.Thread(target=train)
    thread.start()
    try:
        for _ in range(8):
            child = os.fork()
            if child == 0:
                os._exit(0 if trained("dense", "float32") == expected else 1)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        stop.set()
        thread.join()
        set_num_threads(None)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_fork_while_other_threads_predict():
    """The child, in which those threads are gone, must not wait for anything that they held."""
    model = Sequential([layers.SimpleRNN(3)], (None, 2))
    x = np.ones((2, 8, 2), "float32")
    expected = [model.predict(x[:, :steps], output="simple_rnn").tobytes() for steps in range(1, 9)]
    stop = threading.Event()

    def predict():
        while not stop.is_set():
            for steps in range(1, 9):
                model.predict(x[:, :steps], output="simple_rnn")  # the long way
            model._core._plans.clear()

    threads = [threading.Thread(target=predict) for _ in range(3)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    for thread in threads:
        thread.start()
    try:
        for _ in range(15):
            child = os.fork()
            if child == 0:
                found = [model.predict(x[:, :steps], output="simple_rnn").tobytes() for steps in range(1, 9)]
                os._exit(0 if found == expected else 1)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        sys.setswitchinterval(interval)
        stop.set()
        for thread in threads:
            thread.join()


# --- memory --------------------------------------------------------------------------------------------


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads /proc")
def test_memory_stays_flat(data):
    x, y = data
    model = classifier(dropout=0.2)
    page = os.sysconf("SC_PAGE_SIZE")

    def work(times):
        for number in range(times):
            model.fit(x, y, batch_size=1 + number % 40, verbose=0)
            model.predict(x[: 1 + number % 50])
            model.evaluate(x, y, batch_size=1 + number % 30)
            model.train_on_batch(x[: 1 + number % 50], y[: 1 + number % 50])

    work(100)
    before = int(Path("/proc/self/statm").read_text().split()[1]) * page
    work(400)
    grown = int(Path("/proc/self/statm").read_text().split()[1]) * page - before
    assert grown < 8e6


def test_plans_of_many_shapes_do_not_pile_up(rng):
    model = Sequential([layers.SimpleRNN(3)], (None, 2))
    for steps in range(1, 300):
        model.predict(np.ones((1, steps, 2)))
    assert len(model._core._plans) <= 64


# --- what the numbers mean -----------------------------------------------------------------------------


def test_history_and_the_last_smaller_batch(data, rng):
    """The loss of an epoch without updates is the mean over all samples, whatever the batches."""
    x, y = data
    model = classifier(metrics=["accuracy"])
    model.optimizer.learning_rate = 0.0
    validation = rng.normal(size=(11, 4)), rng.integers(0, 3, 11)
    history = model.fit(x, y, batch_size=16, epochs=2, validation_data=validation, verbose=0)
    assert history.epoch == [0, 1]
    assert list(history.history) == ["loss", "accuracy", "val_loss", "val_accuracy"]
    expected = {
        "loss": row_losses("categorical_crossentropy", prediction(model, x), y).mean(),
        "accuracy": (prediction(model, x).argmax(1) == y).mean(),
    }
    xv, yv = validation
    expected |= {
        "val_loss": row_losses("categorical_crossentropy", prediction(model, xv), yv).mean(),
        "val_accuracy": (prediction(model, xv).argmax(1) == yv).mean(),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(history.history[name], value, rtol=1e-5)
        assert all(isinstance(v, float) for v in history.history[name])
    assert model._core.iteration == 8  # 50 samples are 4 steps


def test_the_last_smaller_batch_trains(data):
    x, y = data
    one, other = classifier(), classifier()
    one.fit(x[:18], y[:18], batch_size=16, shuffle=False, verbose=0)
    other.fit(x[:16], y[:16], batch_size=16, shuffle=False, verbose=0)
    other.train_on_batch(x[16:18], y[16:18])
    assert one.parameters.tobytes() == other.parameters.tobytes()


def test_validation_split_takes_the_last_samples(data):
    x, y = data
    one, other = classifier(), classifier()
    weight = np.linspace(0, 1, 50)
    first = one.fit(x, y, validation_split=0.2, epochs=2, sample_weight=weight, verbose=0)
    second = other.fit(
        x[:40], y[:40], validation_data=(x[40:], y[40:], weight[40:]), epochs=2, sample_weight=weight[:40], verbose=0
    )
    assert first.history == second.history
    assert one.parameters.tobytes() == other.parameters.tobytes()


def test_class_weights_are_sample_weights(data):
    x, y = data
    one, other, third = classifier(), classifier(), classifier(loss="categorical_crossentropy")
    weights = {0: 2.0, 2: 0.5}
    first = one.fit(x, y, class_weight=weights, validation_split=0.2, verbose=0)
    second = other.fit(
        x[:40], y[:40], sample_weight=np.array([2.0, 1, 0.5])[y[:40]], validation_data=(x[40:], y[40:]), verbose=0
    )
    third.fit(x[:40], np.eye(3)[y[:40]], class_weight=weights, verbose=0)
    assert first.history == second.history
    assert one.parameters.tobytes() == other.parameters.tobytes() == third.parameters.tobytes()


def test_weights_of_zero_leave_a_sample_out_but_count_it(data):
    """Keras' rule: the mean is over the samples, not over their weights."""
    x, y = data
    model = classifier(dtype="float64")
    weight = np.r_[np.ones(20), np.zeros(30)]
    loss = model.compute_gradients(x, y, sample_weight=weight)
    gradients = model.gradients.copy()
    assert model.compute_gradients(x[:20], y[:20]) * 20 / 50 == pytest.approx(loss)
    np.testing.assert_allclose(model.gradients * 20 / 50, gradients, rtol=1e-10, atol=1e-15)


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


def test_evaluate_prints_when_asked(data, capsys):
    model = classifier(metrics=["accuracy"])
    model.evaluate(*data)
    assert capsys.readouterr().out == ""
    model.evaluate(*data, verbose=2)
    assert "accuracy" in capsys.readouterr().out


def test_learning_something(data):
    x, _ = data
    y = (x[:, 0] > 0).astype(int) + (x[:, 1] > 0)
    model = classifier(metrics=["accuracy"])
    stop = EarlyStopping("accuracy", patience=200)
    history = model.fit(x, y, epochs=300, batch_size=16, callbacks=stop, verbose=0)
    assert history.history["accuracy"][-1] > 0.9


# --- wrong arguments -----------------------------------------------------------------------------------

WRONG = {
    "batch_size=0": ({"batch_size": 0}, ValueError, "batch_size must be at least 1, got 0"),
    "batch_size=1.5": ({"batch_size": 1.5}, TypeError, "batch_size must be a whole number"),
    "batch_size=None": ({"batch_size": None}, TypeError, "batch_size must be a whole number"),
    "epochs=0": ({"epochs": 0}, ValueError, "epochs must be at least 1"),
    "initial_epoch=-1": ({"initial_epoch": -1}, ValueError, "initial_epoch must be at least 0"),
    "verbose=3": ({"verbose": 3}, ValueError, "verbose"),
    "split=1": ({"validation_split": 1}, ValueError, "validation_split must be"),
    "split='a'": ({"validation_split": "a"}, TypeError, "validation_split must be a real number"),
    "split and data": ({"validation_split": 0.2, "validation_data": ([[1, 2, 3, 4]], [0])}, ValueError, "not both"),
    "nothing left": ({"validation_split": 0.999}, ValueError, "leaves 0 to train on"),
    "both weights": (
        {"class_weight": {0: 1}, "sample_weight": np.ones(50)},
        ValueError,
        "class_weight or sample_weight",
    ),
    "class_weight": ({"class_weight": [1, 2, 3]}, TypeError, "class_weight must be a dict"),
    "class_weight nan": ({"class_weight": {0: float("nan")}}, ValueError, r"class_weight\[0\] must be from"),
    "sample_weight": ({"sample_weight": np.ones(49)}, ValueError, r"sample_weight has shape \(49,\).*\(50,\)"),
    "split weight": (
        {"sample_weight": np.ones(49), "validation_split": 0.2},
        ValueError,
        "x 50, y 50, sample_weight 49",
    ),
    "sample_weight 2-D": ({"sample_weight": np.ones((50, 3))}, ValueError, r"sample_weight has shape \(50, 3\)"),
    "validation": ({"validation_data": np.ones((3, 4))}, ValueError, r"validation_data must be \(x, y\)"),
    "validation x": (
        {"validation_data": (np.ones((3, 5)), [0, 1, 2])},
        ValueError,
        r"validation_data: x has shape \(3, 5",
    ),
    "validation y": ({"validation_data": (np.ones((3, 4)), [0, 1])}, ValueError, "validation_data: .*y has 2"),
    "validation label": (
        {"validation_data": (np.ones((2, 4)), [0, 7])},
        ValueError,
        "validation_data: y holds the label 7",
    ),
    "callback": ({"callbacks": ["early"]}, TypeError, "callbacks.0. must be a tinynn.callbacks.Callback"),
    "callback class": ({"callbacks": [EarlyStopping]}, TypeError, "the class EarlyStopping, not an object"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_arguments_of_fit_are_named_and_change_nothing(wrong, data):
    arguments, error, message = WRONG[wrong]
    model = classifier()
    before = model.parameters.copy()
    with pytest.raises(error, match=f"fit: .*{message}" if wrong != "verbose=3" else message):
        model.fit(*data, **{"verbose": 0, **arguments})
    assert model.parameters.tobytes() == before.tobytes()
    assert model._core.iteration == 0
    assert not model._core.lock.is_held()


def test_lengths_are_compared_before_the_split(data):
    """A y that is longer would otherwise lose its last part unseen."""
    x, y = data
    with pytest.raises(ValueError, match="x 40, y 50"):
        classifier().fit(x[:40], y, validation_split=0.5, verbose=0)


def test_a_huge_batch_size_is_all_samples(data):
    one, other = classifier(), classifier()
    one.fit(*data, batch_size=2**80, verbose=0)
    other.fit(*data, batch_size=50, verbose=0)
    assert one.parameters.tobytes() == other.parameters.tobytes()


def test_a_model_that_puts_out_single_numbers_has_no_last_axis(rng):
    class Total(layers.PythonLayer):
        def output_shape(self, input_shape):
            return ()

        def forward(self, x):
            return x.sum(axis=1)

    model = Sequential([Total()], (3,))
    assert model.predict(np.ones((2, 3))).shape == (2,)
    model.compile("sgd", losses.MeanSquaredError())
    with pytest.raises(ValueError, match="the output is a scalar"):
        model.evaluate(np.ones((2, 3)), np.ones(2))


def test_sigint_is_not_blocked_afterwards(data):
    """The pool's threads do not take signals; this one still does."""
    classifier().fit(*data, verbose=0)
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
