"""Plans and arenas: memory that is lent and reused, where buffers are, what is updated."""

import tracemalloc

import numpy as np
import pytest

from tinynn import Sequential, layers
from tinynn.engine.job import Job


def predicting():
    model = Sequential([layers.Dense(4, "tanh")], (3,))
    return model, model._core.plan("predict", (3,))


def test_arenas_are_lent_out_and_come_back():
    _, plan = predicting()
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


def test_bindings_of_many_batch_sizes_do_not_pile_up():
    """Each batch size needs the calls of all ops; a service that predicts any number of rows must not grow."""
    _, plan = predicting()
    x = np.zeros((400, 3), "float32")

    def use(sizes):
        for size in sizes:
            with plan.lease(400) as arena:
                Job(plan, arena, x, None, size, size).run()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        before = use(range(1, 35))
        assert use(range(35, 400)) - before < 20_000
    finally:
        tracemalloc.stop()


def test_chunks_are_the_trainable_parts_of_the_weights():
    """In pieces of at most 8192; parameters with weight decay, the kernels, apart from those without."""
    frozen = layers.Dense(3)
    frozen.trainable = False
    model = Sequential([layers.Dense(50), frozen, layers.Dense(2), layers.Dense(2)], (200,))  # 10000 + 50, 153, 8, 6
    model.compile("adamw", "mse")
    plan = model._core.plan("train", (200,))
    pieces = [(0, 8192), (8192, 10_000), (10_000, 10_050), (10_203, 10_209), (10_209, 10_211), (10_211, 10_215)]
    decayed = [True, True, False, True, False, True, False]
    for fused, expected in ((False, [0, 7]), (True, [0, 3, 3, 5, 7, 7])):
        chunks, starts = plan.chunks(fused, True)
        assert list(zip(chunks["start"], chunks["stop"], strict=True)) == [*pieces, (10_215, 10_217)]
        assert chunks["decayed"].astype(bool).tolist() == decayed
        assert starts.tolist() == expected
    chunks, _ = plan.chunks(False, False)
    assert chunks.tolist() == [(0, 8192, 0), (8192, 10_050, 0), (10_203, 10_217, 0)]


def test_what_learns_is_decided_when_the_plan_is_made():
    model = Sequential([layers.Dense(4), layers.Dense(2)], (3,))
    model.layers[0].trainable = False
    model.compile("sgd", "mse")
    plan = model._core.plan("train", (3,))
    model.layers[0].trainable = True
    assert model._core.plan("train", (3,)) is not plan
    assert plan.learning == {"dense_1/kernel", "dense_1/bias"}
