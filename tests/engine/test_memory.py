import numpy as np
import pytest

import tinynn
from tinynn import layers
from tinynn.engine.memory import CACHE_LINE, aligned, aligned_copy
from tinynn.optimizers import Adam


def begins_on_a_line(vector):
    return vector.ctypes.data % CACHE_LINE == 0


@pytest.mark.parametrize("count", [0, 1, 100, 3_000_000])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
def test_aligned(count, dtype):
    vector = aligned(count, dtype)
    assert vector.shape == (count,)
    assert vector.dtype == dtype
    assert begins_on_a_line(vector) or count == 0
    zeros = aligned(count, dtype, np.zeros)
    assert not zeros.any()
    zeros += 1  # there is room for all of it
    copy = aligned_copy(zeros)
    assert begins_on_a_line(copy) or count == 0
    zeros += 1
    assert (copy == 1).all()


def test_more_than_there_can_be():
    with pytest.raises(MemoryError, match=r"Unable to allocate 36,893,488,147,419,103,232 bytes"):
        aligned(2**63, np.float32)


def test_what_a_model_learns_with_begins_on_a_line(tmp_path):
    x, y = np.ones((20, 50), np.float32), np.zeros((20, 32))
    model = tinynn.Sequential([layers.Dense(7), layers.Dense(32)], (50,), rng=0)
    model.compile(Adam(use_ema=True), "mse")
    file = tmp_path / "model.safetensors"
    model.fit(x, y, checkpoint=file, verbose=0)
    loaded = tinynn.load(file)
    resumed = tinynn.load(file)
    resumed.fit(x, y, epochs=2, resume=file, verbose=0)
    for each in (model, loaded, resumed):
        assert len(each._core.states) == 3
        assert all(map(begins_on_a_line, (each.parameters, each.gradients, *each._core.states.values())))
