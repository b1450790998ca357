"""The loop over mini-batches: which samples a step reads, what it computes, and how it changes the weights."""

import numpy as np
import pytest

from tinynn import Sequential, layers, optimizers, regularizers
from tinynn.engine.arrays import shuffled
from tinynn.engine.job import DONE, TIME, Job


def predicting(chained=None, shape=(3,), dtype="float32"):
    model = Sequential(chained or [layers.Dense(4, "tanh")], shape, dtype=dtype)
    return model, model._core.plan("predict", shape)


def run_job(model, plan, x, batch, indices=None, order=None, samples=None, max_steps=2**31 - 1):
    samples = samples or (len(x) if indices is None else len(indices))
    out = np.full((samples, 4), np.nan, plan.dtype)
    with plan.lease(min(batch, samples)) as arena:
        job = Job(plan, arena, x, indices, samples, batch, None, None, order)
        job.set_predictions(out)
        while job.next_step < job.steps:
            before = job.next_step
            assert job.run(max_steps) in (DONE, TIME)
            assert job.next_step - before <= max_steps
    return out


@pytest.mark.parametrize("batch", [1, 3, 10, 11])
@pytest.mark.parametrize("max_steps", [1, 2, 2**31 - 1])
def test_steps_cover_every_sample_once(batch, max_steps, rng, dtype):
    model, plan = predicting(dtype=dtype)
    x = rng.normal(size=(10, 3)).astype(np.float32)
    expected = model.predict(x)
    assert run_job(model, plan, x, batch, max_steps=max_steps).tobytes() == expected.tobytes()
    order = shuffled(10, 1, 0)
    assert run_job(model, plan, x, batch, order=order, max_steps=max_steps).tobytes() == expected[order].tobytes()
    assert (
        run_job(model, plan, x, batch, indices=order[:7, None].copy(), max_steps=max_steps).tobytes()
        == expected[order[:7]].tobytes()
    )


@pytest.mark.parametrize("kind", [np.uint8, np.float32, np.float64])
def test_samples_of_several_items(kind, rng, dtype):
    model, plan = predicting([layers.Flatten(), layers.Dense(4)], (2, 3), dtype)
    items = rng.integers(0, 9, (5, 3)).astype(kind)
    indices = rng.integers(0, 5, (8, 2))
    assert run_job(model, plan, items, 3, indices=indices).tobytes() == model.predict(items[indices]).tobytes()


@pytest.mark.parametrize("clipped", ["value", "norm", "neither"])
@pytest.mark.parametrize(
    ("inputs", "outputs", "batch"), [(3, 2, 4), (64, 150, 100)], ids=["one thread", "a team, two chunks"]
)
def test_training_steps_against_numpy(clipped, inputs, outputs, batch, threads, rng, dtype):
    """A linear model with regularization, clipping, momentum and a moving average of the weights."""
    threads(3)
    l1, l2, rate, momentum, share = 0.01, 0.02, 0.1, 0.9, 0.75
    limits = {"value": {"clipvalue": 0.05}, "norm": {"global_clipnorm": 0.05}, "neither": {}}[clipped]
    samples = 2 * batch + batch // 2
    x, y = rng.normal(size=(samples, inputs)), rng.normal(size=(samples, outputs))
    dense = layers.Dense(outputs, use_bias=False, kernel_regularizer=regularizers.L1L2(l1, l2))
    model = Sequential([dense], (inputs,), dtype=dtype)
    model.compile(optimizers.SGD(rate, momentum, use_ema=True, ema_momentum=share, **limits), "half_squared_error")
    w = model.get_weights()[0].astype("float64")
    velocity, average = np.zeros_like(w), None
    losses = []
    for start in range(0, samples, batch):  # the last batch is smaller
        rows = slice(start, start + batch)
        error = x[rows] @ w - y[rows]
        losses.append((error**2).sum() / 2 / len(error) + l1 * np.abs(w).sum() + l2 * (w**2).sum())
        dw = x[rows].T @ error / len(error) + l1 * np.sign(w) + 2 * l2 * w
        if clipped == "value":
            dw = dw.clip(-0.05, 0.05)
        elif clipped == "norm":
            dw *= 0.05 / np.sqrt((dw**2).sum())
        velocity = momentum * velocity - rate * dw
        w = w + velocity
        average = w if average is None else share * average + (1 - share) * w
    history = model.fit(x, y, batch_size=batch, shuffle=False, verbose=0)
    sizes = [batch, batch, batch // 2]
    tolerance = {"rtol": 2e-5, "atol": 1e-6} if dtype == "float32" else {"rtol": 1e-11, "atol": 1e-13}
    np.testing.assert_allclose(history.history["loss"], [np.average(losses, weights=sizes)], **tolerance)
    np.testing.assert_allclose(model.get_weights()[0], average, **tolerance)  # the average replaces them at the end
    np.testing.assert_allclose(model._core.states["velocity"].reshape(w.shape), velocity, **tolerance)


@pytest.mark.parametrize("width", [8, 1100], ids=["all at once", "op by op"])
@pytest.mark.parametrize("optimizer", [optimizers.SGD(0.1, momentum=0.9), optimizers.AdamW(0.01, weight_decay=0.1)])
@pytest.mark.parametrize("count", [1, 2])
def test_fit_changes_weights_as_its_two_segments_do(width, optimizer, count, threads, rng):
    """With many parameters, each op is updated right after its backward pass: the same bits."""
    threads(count)
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
    np.testing.assert_array_equal(*results)
