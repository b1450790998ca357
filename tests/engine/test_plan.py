"""Plans, arenas and jobs below the model: memory lent and reused, steps, samples, reasons to return, the short way."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tinynn import Sequential, layers, optimizers, set_num_threads
from tinynn.engine import plan as plans
from tinynn.engine.plan import DONE, NOT_FINITE, TIME, Job, all_finite, shuffled


def predictor(chained=None, shape=(3,), dtype="float32"):
    model = Sequential(chained or [layers.Dense(4, "tanh")], shape, dtype=dtype)
    return model, model._core.plan("predict", shape)


def test_arenas_are_lent_out_and_come_back():
    _, plan = predictor()
    with plan.lease(8) as first:
        with plan.lease(8) as second:
            assert second is not first
    with plan.lease(4) as third:  # the last one returned serves smaller batches
        assert third in (first, second)
        assert third.capacity == 8
    with plan.lease(9) as larger:
        assert larger.capacity == 9
    with pytest.raises(KeyError), plan.lease(9) as again:
        assert again is larger
        raise KeyError
    with plan.lease(9) as still:
        assert still is larger


def test_buffers_do_not_overlap():
    model = Sequential(
        [layers.Towers([layers.Dense(5, "relu"), layers.LSTM(3)], 2), layers.Dense(2, "softmax")], (2, 4, 3)
    )
    model.compile("sgd", "mse")
    plan = model._core.plan("train", (2, 4, 3))
    layout = plan.layout(7)
    item = 4
    places = [(start, 7 * plan.program.buffers[b] * item) for b, start in layout["values"].items()]
    places += [(start, 7 * plan.program.buffers[b] * item) for b, start in layout["gradients"].items()]
    places += [
        (layout["weights"], 7 * plan.program.loss_rows * item),
        (layout["d_losses"], 7 * plan.program.loss_rows * item),
    ]
    places.sort()
    for (start, size), (following, _) in zip(places, places[1:], strict=False):
        assert start + size <= following
        assert following % 64 == 0
    assert places[-1][0] + places[-1][1] <= layout["bytes"]


def run_job(model, plan, x, batch, indices=None, order=None, samples=None, most=2**31 - 1):
    samples = samples or (len(x) if indices is None else len(indices))
    out = np.full((samples, 4), np.nan, plan.dtype)
    with plan.lease(min(batch, samples)) as arena:
        job = Job(plan, arena, x, indices, samples, batch, None, None, order)
        job.predict(out)
        while job.next_step < job.steps:
            before = job.next_step
            assert job.run(most) in (DONE, TIME)
            assert job.next_step - before <= most
    return out


@pytest.mark.parametrize("batch", [1, 3, 10, 11])
@pytest.mark.parametrize("most", [1, 2, 2**31 - 1])
def test_steps_cover_every_sample_once(batch, most, rng, dtype):
    model, plan = predictor(dtype=dtype)
    x = rng.normal(size=(10, 3)).astype(np.float32)
    expected = model.predict(x)
    assert run_job(model, plan, x, batch, most=most).tobytes() == expected.tobytes()
    order = shuffled(10, 1, 0)
    assert run_job(model, plan, x, batch, order=order, most=most).tobytes() == expected[order].tobytes()
    assert (
        run_job(model, plan, x, batch, indices=order[:7, None].copy(), most=most).tobytes()
        == expected[order[:7]].tobytes()
    )


@pytest.mark.parametrize("kind", [np.uint8, np.float32, np.float64])
def test_samples_of_several_items(kind, rng, dtype):
    model, plan = predictor([layers.Flatten(), layers.Dense(4)], (2, 3), dtype)
    items = rng.integers(0, 9, (5, 3)).astype(kind)
    indices = rng.integers(0, 5, (8, 2))
    assert run_job(model, plan, items, 3, indices=indices).tobytes() == model.predict(items[indices]).tobytes()


@pytest.mark.parametrize(("samples", "row", "value"), [(10, 5, np.nan), (5, 4, np.inf)])
def test_a_job_stops_at_a_loss_that_is_no_number(samples, row, value, rng):
    """Also in the last, smaller batch."""
    model = Sequential([layers.Dense(4)], (3,))
    model.compile("sgd", "mse")
    plan = model._core.plan("train", (3,))
    x, y = rng.normal(size=(samples, 3)).astype("float32"), np.zeros((samples, 4), "float32")
    x[row, 1] = value
    with plan.lease(2) as arena:
        job = Job(plan, arena, x, None, samples, 2, y)
        job.train(None, (), None, 0, [], 0, update=False)
        assert job.run() == NOT_FINITE
        assert job.next_step == 2
        np.testing.assert_equal(job.last_loss, value)
        assert job.first_not_finite() == "the input"


def test_totals_are_sums_over_samples(rng):
    model = Sequential([layers.Dense(4)], (3,), dtype="float64")
    model.compile("sgd", "half_squared_error", ["mae", "mse"])
    plan = model._core.plan("evaluate", (3,))
    x, y = rng.normal(size=(10, 3)), rng.normal(size=(10, 4))
    error = model.predict(x) - y
    with plan.lease(3) as arena:
        job = Job(plan, arena, x, None, 10, 3, y)
        assert job.run() == DONE
        expected = [10, (error**2).sum() / 2, np.abs(error).mean(1).sum(), (error**2).mean(1).sum()]
        np.testing.assert_allclose(job.totals, expected, rtol=1e-12)


def test_batch_sizes_do_not_pile_up_in_an_arena(rng):
    """Each size needs the calls of all ops; a service that predicts with any number of rows must not grow."""
    model, plan = predictor()
    x = rng.normal(size=(300, 3)).astype("float32")
    expected = model.predict(x)
    for size in [*range(300, 0, -1), 299, 7]:
        assert model.predict(x[:size], batch_size=size).tobytes() == expected[:size].tobytes()
    assert len(plan._layouts) <= 2 if hasattr(plan, "_layouts") else True


def test_what_learns_is_decided_when_the_plan_is_made():
    model = Sequential([layers.Dense(4), layers.Dense(2)], (3,))
    model.layers[0].trainable = False
    model.compile("sgd", "mse")
    plan = model._core.plan("train", (3,))
    model.layers[0].trainable = True
    assert model._core.plan("train", (3,)) is not plan
    assert plan.learning == {"dense_1/kernel", "dense_1/bias"}


def test_reasons_are_distinct():
    assert len({plans.DONE, plans.TIME, plans.NOT_FINITE, plans.FAILED}) == 4


# --- the update -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [8, 1100], ids=["all at once", "op by op"])
@pytest.mark.parametrize("optimizer", [optimizers.SGD(0.1, momentum=0.9), optimizers.AdamW(0.01, weight_decay=0.1)])
@pytest.mark.parametrize("threads", [1, 2])
def test_fit_changes_weights_as_its_two_segments_do(width, optimizer, threads, rng):
    """Parameters that fill the cache are updated right after each op's backward pass: the same bits."""
    set_num_threads(threads)
    x, y = rng.random((40, 3, 20), "float32"), rng.integers(0, 5, 40)
    results = []
    for segments in (False, True):
        tower = [layers.Dense(width, "relu"), layers.Dense(4)]
        frozen = layers.Dense(30)
        frozen.trainable = False
        model = Sequential([layers.Towers(tower, 3), layers.Flatten(), frozen, layers.Dense(5, "softmax")], (3, 20))
        assert (model.count_params() >= 32768) == (width > 1000)
        model.compile(optimizer, "sparse_categorical_crossentropy")
        if segments:
            for start in range(0, 40, 8):
                model.compute_gradients(x[start : start + 8], y[start : start + 8])
                model.apply_gradients()
        else:
            model.fit(x, y, batch_size=8, verbose=0, shuffle=False)
        results.append(model.parameters.copy())
    set_num_threads(None)
    np.testing.assert_array_equal(*results)


# --- the short way for a few rows ----------------------------------------------------------------------


def predicting(shape=(3,), dtype="float32"):
    """A model that has predicted once, so that it knows the short way."""
    model = Sequential([layers.Flatten(), layers.Dense(5, "relu"), layers.Dense(2, "softmax")], shape, dtype=dtype)
    model.predict(np.zeros((1, *shape), dtype))
    assert model._core.predictor is not None
    return model


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("items", ["float32", "float64", "uint8"])
@pytest.mark.parametrize("rows", [1, 2, 17])
def test_the_short_way_has_the_bits_of_the_long_one(rows, items, dtype, rng):
    model = predicting((2, 3), dtype)
    x = (10 * rng.random((rows, 2, 3))).astype(items)
    expected = model.predict(x, output="dense_1")  # a named output goes the long way
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
def test_what_the_short_way_leaves_to_the_long_one(x):
    assert predicting()._predictor.predict(x, 32, None, True, "auto", ()) is None


@pytest.mark.parametrize("batch_size", [0, -1, True, 2.0, "32", None])
def test_the_short_way_leaves_strange_batch_sizes_to_the_long_one(batch_size):
    assert predicting()._predictor.predict(np.zeros((1, 3), "float32"), batch_size, None, True, 0, ()) is None


def test_unchecked_rows_may_hold_nan():
    assert np.isnan(predicting()._predictor.predict(np.full((1, 3), np.nan, "float32"), 32, None, False, 2, ())).any()


def test_the_short_way_follows_the_weights(rng):
    model = predicting()
    x = rng.random((2, 3), "float32")
    before = model.predict(x)
    model.set_weights([w + 1 for w in model.get_weights()])
    after = model.predict(x)
    np.testing.assert_array_equal(after, model.predict(x, output="dense_1"))
    assert not np.array_equal(before, after)


def test_many_threads_take_the_short_way_at_once(rng):
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


def test_many_numbers_of_rows_do_not_pile_up():
    model = predicting()
    for rows in range(1, 200):
        assert model.predict(np.zeros((rows, 3), "float32"), batch_size=256).shape == (rows, 2)


def test_all_finite(dtype, rng):
    """What is no infinity itself but becomes one in float32 counts if that is asked."""
    assert all_finite(np.empty(0, dtype)) and all_finite(np.empty(0, dtype), True)
    for size in (1, 5, 16, 100):
        x = rng.normal(size=size).astype(dtype)
        assert all_finite(x) and all_finite(x, True)
        for bad in (np.nan, np.inf, -np.inf):
            x[size // 2] = bad
            assert not all_finite(x) and not all_finite(x, True)
    assert all_finite(np.ones(9, dtype)[::2], True) is None
    large = np.full(40, np.nextafter(2.0**128 - 2.0**103, 0))
    assert all_finite(large) and all_finite(large, True)
    large[-1] = -(2.0**128 - 2.0**103)
    assert all_finite(large) and not all_finite(large, True)
    assert all_finite(np.arange(9, dtype="uint8"), True)
    assert all_finite(np.arange(9), True) is None
