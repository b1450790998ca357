"""What the engine asks of arrays before it reads them, and the order of samples."""

import numpy as np

from tinynn.engine.arrays import all_finite, shuffled


def test_all_finite(dtype, rng):
    """With `single`, also after a cast to float32."""
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


def test_shuffled_is_an_order_of_its_own_for_each_key_and_epoch():
    orders = [shuffled(1000, key, epoch) for key in (1, 2**63) for epoch in (0, 1)]
    for number, order in enumerate(orders):
        np.testing.assert_array_equal(np.sort(order), np.arange(1000))
        assert all((order != other).mean() > 0.9 for other in orders[:number])
    np.testing.assert_array_equal(orders[0], shuffled(1000, 1, 0))
