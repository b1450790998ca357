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
    x, y = np.ones((20, 50), np.float32), np.zeros(20)
    model = tinynn.Sequential([layers.Dense(7), layers.Dense(300)], (50,), rng=0)
    model.compile(Adam(use_ema=True), "mse")
    again = None
    for number in range(3):
        file = tmp_path / f"{number}.safetensors"
        model.fit(x, np.zeros((20, 300)), checkpoint=file, verbose=0)
        again = tinynn.load(file)
        again.fit(x, np.zeros((20, 300)), epochs=2, resume=file, verbose=0)
        for each in (model, again):
            assert len(each._states) == 3
            for vector in (each.parameters, each.gradients, *each._states):
                assert begins_on_a_line(vector)
