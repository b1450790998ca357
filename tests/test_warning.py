import warnings

import numpy as np
import pytest

from tinynn import Sequential, layers, optimizers
from tinynn.checks import warn


def test_it_points_at_the_line_outside_of_the_package():
    with pytest.warns(RuntimeWarning, match="careful") as caught:
        warn("careful", RuntimeWarning)
    assert [warning.filename for warning in caught] == [__file__]
    model = Sequential([layers.Dense(1)], (1,))
    model.compile(optimizers.SGD(0.1), "mse")
    model.train_on_batch(np.ones((1, 1), "f4"), np.ones((1, 1), "f4"))
    for call in (model.fit, model.train_on_batch):
        model.optimizer.momentum = 0.0
        model.evaluate(np.ones((1, 1), "f4"), np.ones((1, 1), "f4"))
        model._core.states.clear()
        model.optimizer.momentum = 0.5
        with pytest.warns(UserWarning, match="velocity begins anew") as caught:
            call(np.ones((1, 1), "f4"), np.ones((1, 1), "f4"))
        assert [warning.filename for warning in caught] == [__file__]


def test_an_error_where_warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match="careful"):
            warn("careful")
