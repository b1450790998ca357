"""Predictions and training steps of small batches; the bits of the latter are compared in model/test_batches.py."""

import gc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tinynn import Sequential, layers
from tinynn.engine.job import Job
from tinynn.engine.predictor import BatchTrainer


def predicting(shape=(3,), dtype="float32"):
    """A model that has predicted once, and so has a predictor."""
    model = Sequential([layers.Flatten(), layers.Dense(5, "relu"), layers.Dense(2, "softmax")], shape, dtype=dtype)
    model.predict(np.zeros((1, *shape), dtype))
    assert model._core.predictor is not None
    return model


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("items", ["float32", "float64", "uint8"])
@pytest.mark.parametrize("rows", [1, 2, 17])
def test_it_has_the_bits_of_the_general_path(rows, items, dtype, rng):
    model = predicting((2, 3), dtype)
    x = (10 * rng.random((rows, 2, 3))).astype(items)
    expected = model.predict(x, output="dense_1")  # a named output takes the general path
    for _ in range(3):
        found = model._core.predictor.predict(x, 32, None, True, "auto", ())
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "x",
    [
        np.zeros((1, 4), "float32"),
        np.zeros(3, "float32"),
        np.zeros((0, 3), "float32"),
        np.zeros((33, 3), "float32"),
        np.zeros((4, 6), "float32")[:, ::2],
        np.zeros((1, 3), ">f4"),
        np.zeros((1, 3), "int64"),
        np.array([[0, np.nan, 0]], "float32"),
        np.array([[0, 0, -np.inf]], "float64"),
        [[0.0, 0.0, 0.0]],
    ],
    ids=["columns", "no batch", "empty", "more than a batch", "strided", "swapped", "integers", "nan", "inf", "list"],
)
def test_what_it_leaves_to_the_general_path(x):
    assert predicting()._core.predictor.predict(x, 32, None, True, "auto", ()) is None


@pytest.mark.parametrize("batch_size", [0, -1, True, 2.0, "32", None])
def test_it_leaves_other_batch_sizes_to_the_general_path(batch_size):
    assert predicting()._core.predictor.predict(np.zeros((1, 3), "float32"), batch_size, None, True, 0, ()) is None


def test_unchecked_rows_may_hold_nan():
    x = np.full((1, 3), np.nan, "float32")
    assert np.isnan(predicting()._core.predictor.predict(x, 32, None, False, 2, ())).any()


def test_it_follows_the_weights(rng):
    model = predicting()
    x = rng.random((2, 3), "float32")
    before = model.predict(x)
    model.set_weights([w + 1 for w in model.get_weights()])
    after = model.predict(x)
    np.testing.assert_array_equal(after, model.predict(x, output="dense_1"))
    assert not np.array_equal(before, after)


def test_many_threads_at_once(rng):
    model = predicting()
    xs = rng.random((8, 5, 3), "float32")
    expected = [model.predict(x, output="dense_1") for x in xs]

    def work(number):
        return all(np.array_equal(model.predict(xs[number]), expected[number]) for _ in range(300))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))


def test_a_million_predictions_leave_no_memory_behind():
    model = predicting()
    x = np.zeros((1, 3), "float32")

    def pages():
        return int(Path("/proc/self/statm").read_text().split()[1])

    for _ in range(1000):
        model.predict(x)
    before = pages()
    for _ in range(1_000_000):
        model.predict(x)
    assert pages() - before < 64


def jobs():
    """How many jobs there are."""
    gc.collect()
    return sum(type(each) is Job for each in gc.get_objects())


def test_jobs_for_many_numbers_of_rows_do_not_pile_up():
    model = predicting()
    before = jobs()
    for rows in range(1, 200):
        model.predict(np.zeros((rows, 3), "float32"), batch_size=256)
        assert jobs() - before <= 16
    assert jobs() > before


def trainer(targets, chained=()):
    """A trainer of labels, (rows, 5), or of numbers, (rows, 1)."""
    model = Sequential([layers.Dense(5 if targets == "labels" else 1), *chained], (3,))
    model.compile("sgd", "sparse_categorical_crossentropy" if targets == "labels" else "mse")
    plan = model._core.plan("train", (3,))
    return BatchTrainer(plan, (3,), () if targets == "labels" else (1,), 5 if targets == "labels" else 0)


@pytest.mark.parametrize(
    ("targets", "y"),
    [
        ("labels", np.array([0, 4])),
        ("labels", np.array([[0], [4]], "uint8")),
        ("numbers", np.zeros((2, 1), "float32")),
        ("numbers", np.zeros(2)),
        ("numbers", np.zeros((2, 2), "float32")[:, ::2]),
    ],
)
def test_batches_that_a_trainer_takes(targets, y):
    trains = trainer(targets)
    x = np.zeros((2, 3), "float32")
    job = trains.job(x, y)
    assert job is not None and not job.trains
    assert trains.job(x, y) is job
    assert trains.job(x.astype("float64"), y) is not job


@pytest.mark.parametrize(
    ("targets", "x", "y"),
    [
        ("labels", np.zeros((2, 3)), np.array([0, 5])),
        ("labels", np.zeros((2, 3)), np.array([-1, 0])),
        ("labels", np.zeros((2, 3)), np.array([0.0, 1.0])),
        ("labels", np.zeros((2, 3)), np.array([0, 1, 2])),
        ("labels", np.zeros((2, 3)), np.zeros((2, 2), int)),
        ("labels", np.zeros((2, 3)), [0, 1]),
        ("labels", np.full((2, 3), np.nan), np.array([0, 1])),
        ("labels", np.full((2, 3), 1e39), np.array([0, 1])),
        ("labels", np.zeros((257, 3)), np.zeros(257, int)),
        ("labels", np.zeros((0, 3)), np.zeros(0, int)),
        ("numbers", np.zeros((2, 3)), np.zeros((2, 2))),
        ("numbers", np.zeros((2, 3)), np.full((2, 1), np.inf)),
        ("numbers", np.zeros((2, 3)), np.full((2, 1), 1e39)),
        ("numbers", np.zeros((2, 3)), np.zeros((2, 1), int)),
    ],
)
def test_batches_that_a_trainer_leaves_to_the_general_path(targets, x, y):
    assert trainer(targets).job(x, y) is None


def test_a_model_with_an_op_in_python_is_left_to_the_general_path():
    assert trainer("numbers", [layers.PythonLayer()]).job(np.zeros((2, 3)), np.zeros((2, 1))) is None
