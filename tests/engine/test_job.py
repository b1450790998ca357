"""Jobs: one pass over samples, in one run or several, and why a run returns."""

import numpy as np
import pytest

from tinynn import Sequential, layers
from tinynn.engine.job import DONE, NOT_FINITE, TIME, Job


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
        job.set_gradients(0, 0)
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


def test_a_pass_goes_on_where_another_one_stopped(rng):
    """With its totals; a run of fewer steps than are left returns TIME."""
    model = Sequential([layers.Dense(4)], (3,), dtype="float64")
    model.compile("sgd", "mse", ["mae"])
    plan = model._core.plan("evaluate", (3,))
    x, y = rng.normal(size=(10, 3)), rng.normal(size=(10, 4))
    with plan.lease(3) as arena:
        first = Job(plan, arena, x, None, 10, 3, y)
        assert np.isnan(first.means()).all()
        assert first.run(2) == TIME
        assert (first.steps, first.next_step) == (4, 2)
        second = Job(plan, arena, x, None, 10, 3, y)
        second.set_position(first.next_step, first.totals)
        assert second.run() == first.run() == DONE
        assert second.next_step == 4
        assert second.means() == first.means()
    error = model.predict(x) - y
    np.testing.assert_allclose(second.means(), [(error**2).mean(), np.abs(error).mean()], rtol=1e-12)


def test_missing_items_need_a_program_that_skips_them():
    model = Sequential([layers.Flatten(), layers.Dense(2)], (2, 3))
    plan = model._core.plan("predict", (2, 3))
    indices = np.array([[0, 1], [1, -1]])
    with plan.lease(2) as arena, pytest.raises(ValueError, match="here: .* has samples with fewer than 2 items"):
        Job(plan, arena, np.zeros((2, 3), "f4"), indices, 2, 2, function="here")
