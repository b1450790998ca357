"""Plans, arenas and jobs below the model: memory that is lent and reused, steps, samples, reasons to return."""

import numpy as np
import pytest

from tinynn import Sequential, layers
from tinynn.engine import plan as plans
from tinynn.engine.plan import DONE, NOT_FINITE, TIME, Job, aligned, shuffled


def predictor(chained=None, shape=(3,), dtype="float32"):
    model = Sequential(chained or [layers.Dense(4, "tanh")], shape, dtype=dtype)
    return model, model._plan("predict", shape)


def test_aligned():
    for count in (0, 1, 100):
        vector = aligned(count, np.float32)
        assert vector.shape == (count,)
        assert vector.ctypes.data % 64 == 0 or count == 0


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
    plan = model._plan("train", (2, 4, 3))
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


def test_a_job_stops_at_a_loss_that_is_no_number(rng):
    model = Sequential([layers.Dense(4)], (3,))
    model.compile("sgd", "mse")
    plan = model._plan("train", (3,))
    x, y = rng.normal(size=(10, 3)).astype("float32"), np.zeros((10, 4), "float32")
    x[5, 1] = np.nan
    with plan.lease(2) as arena:
        job = Job(plan, arena, x, None, 10, 2, y)
        job.train(None, (), None, 0, [], 0, update=False)
        assert job.run() == NOT_FINITE
        assert job.next_step == 2
        assert np.isnan(job.last_loss)
        assert job.first_not_finite() == "the input"


def test_totals_are_sums_over_samples(rng):
    model = Sequential([layers.Dense(4)], (3,), dtype="float64")
    model.compile("sgd", "half_squared_error", ["mae", "mse"])
    plan = model._plan("evaluate", (3,))
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
    plan = model._plan("train", (3,))
    model.layers[0].trainable = True
    assert model._plan("train", (3,)) is not plan
    assert plan.learning == {"dense_1/kernel", "dense_1/bias"}


def test_reasons_are_distinct():
    assert len({plans.DONE, plans.TIME, plans.NOT_FINITE, plans.FAILED}) == 4
