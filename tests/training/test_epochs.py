"""Epochs continue across calls: randomness depends on how many epochs a model has begun, not on the calls."""

import copy

import numpy as np
import pytest

import tinynn
from tests.oracles import philox
from tests.training.classifier import classifier
from tinynn import Augmentation, Sequential, layers
from tinynn.callbacks import Callback
from tinynn.engine.arrays import shuffled
from tinynn.kernels import augment


class Rows(layers.PythonLayer):
    """Notes the samples in the order in which training reads them."""

    seen = []

    def forward(self, x):
        type(self).seen.append(x[..., 0].copy().ravel())
        return x

    def backward(self, dy, x, y):
        return dy


@pytest.fixture
def seen():
    Rows.seen = []
    return Rows.seen


def counting(rows=12, dropout=0.0, rng=4):
    model = Sequential([Rows(), layers.Dropout(dropout), layers.Dense(1)], (2,), rng=rng)
    model.compile("sgd", "mse")
    x = np.stack([np.arange(rows), np.linspace(-1, 1, rows)], axis=1).astype("f4") / rows
    return model, x, x[:, :1]


@pytest.mark.parametrize("splits", [[1, 1, 1, 1], [2, 2], [1, 3], [4]])
def test_many_calls_are_one_training(splits, seen):
    model, x, y = counting(dropout=0.3)
    for epochs in splits:
        model.fit(x, y, 5, epochs=epochs, verbose=0)
    orders = np.concatenate(seen).reshape(4, 12) * 12
    for epoch, order in enumerate(orders):
        np.testing.assert_array_equal(np.rint(order), shuffled(12, model._core.key, epoch))
    assert len({order.tobytes() for order in orders}) == 4
    whole, _, _ = counting(dropout=0.3)
    whole.fit(x, y, 5, epochs=4, verbose=0)
    assert whole.parameters.tobytes() == model.parameters.tobytes()
    assert model._core.epochs == 4


def test_epochs_of_callbacks_and_history_count_from_the_call():
    numbers = []

    class Note(Callback):
        def on_epoch_begin(self, epoch, logs=None):
            numbers.append(epoch)

    model, x, y = counting()
    for _ in range(2):
        history = model.fit(x, y, epochs=3, verbose=0, callbacks=Note())
    assert numbers == [0, 1, 2] * 2
    assert history.epoch == [0, 1, 2]
    assert model._core.epochs == 6


def test_initial_epoch_goes_on_from_itself_or_from_what_has_been():
    def trained(*calls):
        model, x, y = counting()
        for keywords in calls:
            model.fit(x, y, 5, verbose=0, **keywords)
        return model._core.epochs, model.fingerprint()

    whole = trained({"epochs": 5})
    assert trained({"epochs": 2}, {"epochs": 5, "initial_epoch": 2}) == whole
    assert trained({"epochs": 1}, {"epochs": 2, "initial_epoch": 1}, {"epochs": 5, "initial_epoch": 2}) == whole
    assert trained({"epochs": 2}, {"epochs": 3}) == whole
    # Behind what has been trained, the number given counts; before it, the count.
    assert trained({"epochs": 5, "initial_epoch": 3})[0] == 5
    assert trained({"epochs": 3}, {"epochs": 2, "initial_epoch": 1})[0] == 4


def test_an_interrupted_epoch_counts():
    class Stop(Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 1:
                raise KeyboardInterrupt

    model, x, y = counting()
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y, 2, epochs=3, verbose=0, callbacks=Stop())
    assert (model._core.epochs, model._core.iteration) == (1, 2)


def test_compile_leaves_the_count_and_files_with_the_optimizer_keep_it(tmp_path):
    model, x, y = counting()
    model.fit(x, y, epochs=3, verbose=0)
    model.save(tmp_path / "with", include_optimizer=True)
    model.save(tmp_path / "without")
    assert tinynn.load(tmp_path / "with")._core.epochs == copy.deepcopy(model)._core.epochs == 3
    assert tinynn.load(tmp_path / "without")._core.epochs == 0
    again = tinynn.load(tmp_path / "with")
    for each in (model, again):
        each.fit(x, y, epochs=2, verbose=0)
    assert again.fingerprint() == model.fingerprint()
    model.compile("adam", "mse")
    assert model._core.epochs == 5


@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_checkpoint_of_a_second_training_goes_on_with_its_orders(at, tmp_path):
    path = tmp_path / "c"

    class Stop(Callback):
        def on_train_batch_end(self, batch, logs=None):
            if self.model._core.iteration == 9 + at:
                raise KeyboardInterrupt

    def begun():
        model, x, y = counting(dropout=0.2)
        model.fit(x, y, 4, epochs=3, verbose=0)
        return model, x, y

    whole, x, y = begun()
    whole.fit(x, y, 4, epochs=2, verbose=0)
    model, x, y = begun()
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y, 4, epochs=2, verbose=0, callbacks=Stop(), checkpoint=path)
    fresh, x, y = counting(dropout=0.2)

    class Nothing(Stop):
        on_train_batch_end = Callback.on_train_batch_end

    Nothing.__name__ = "Stop"
    fresh.fit(x, y, 4, epochs=2, verbose=0, callbacks=Nothing(), resume=path)
    assert fresh._core.epochs == whole._core.epochs == 5
    assert fresh.fingerprint() == whole.fingerprint()


class Noting:
    """A data set that notes which epochs it is asked for."""

    sample_shape = (1, 2)

    def __init__(self):
        self.asked = []

    def __len__(self):
        return 3

    def samples(self, epoch):
        self.asked.append(epoch)
        return np.ones((3, 2), "f4"), np.arange(3)[:, None], np.ones((3, 1, 1), "f4")


def test_a_data_set_is_asked_for_epochs_that_go_on():
    data = Noting()
    model = Sequential([layers.Dense(1)], (1, 2))
    model.compile("sgd", "mse")
    for _ in range(3):
        model.fit(data, epochs=2, verbose=0)
    model.fit(data, epochs=9, initial_epoch=8, verbose=0)
    assert data.asked == [0, 1, 2, 3, 4, 5, 8]


def test_images_change_in_another_way_in_every_call(seen):
    images = np.zeros((2, 9, 9), np.uint8)
    images[:, 3:6, 3:6] = [[[200]], [[90]]]

    class All(Rows):
        def forward(self, x):
            type(self).seen.append(x.copy())
            return x

    model = Sequential([layers.Rescaling(1.0), All(), layers.Flatten(), layers.Dense(1)], (9, 9), rng=1)
    model.compile("sgd", "mse")
    changes = Augmentation(shift=2, rotation=20)
    for _ in range(3):
        model.fit(images, np.zeros((2, 1)), augment=changes, shuffle=False, verbose=0)
    assert len(All.seen) == 3
    for epoch, found in enumerate(All.seen):
        expected = augment(images, shift=2, rotation=20, key=model._core.key, epoch=epoch)
        np.testing.assert_allclose(found.reshape(2, 9, 9), expected, atol=1e-4)


@pytest.mark.parametrize("epochs", [{"initial_epoch": 2**33, "epochs": 2**33 + 1}, {"epochs": 2**32},
                                    {"initial_epoch": 2**32 - 1, "epochs": 2**32}])
def test_more_epochs_than_can_be_counted(epochs):
    model, x, y = counting()
    with pytest.raises(ValueError, match="fit: epochs must be at most 4294967295, got"):
        model.fit(x, y, verbose=0, **epochs)
    model.fit(x, y, verbose=0, initial_epoch=2**32 - 2, epochs=2**32 - 1)
    assert model._core.epochs == 2**32 - 1
    with pytest.raises(ValueError, match="fit: epochs must be at most 0"):
        model.fit(x, y, verbose=0)


# --- the order of an epoch's samples -----------------------------------------------------------------


FOR_SHUFFLE = 1  # in random.h


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


def test_training_continues_where_it_stopped(data):
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
