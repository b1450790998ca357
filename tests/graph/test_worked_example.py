"""The worked example: the arguments of explain() and svg(). What they return is tested with their modules."""

from __future__ import annotations

import pytest

from tinynn.graph import WorkedExample

WEIGHTS = [2.0, 1.0, 2.0, 4.0, 1.0]


def test_the_report_is_the_default():
    assert repr(WorkedExample()) == f"WorkedExample(x=2.0, y=3.0, weights={WEIGHTS})"


@pytest.mark.parametrize("method", ["explain", "svg"])
@pytest.mark.parametrize(
    ("argument", "value", "error"),
    [
        ("lr", -0.1, ValueError),
        ("lr", float("nan"), ValueError),
        ("lr", "0.1", TypeError),
        ("lr", None, TypeError),
        ("steps", -1, ValueError),
        ("steps", 1.0, TypeError),
        ("steps", "1", TypeError),
        ("steps", None, TypeError),
    ],
)
def test_wrong_arguments(method, argument, value, error):
    example = WorkedExample()
    with pytest.raises(error, match=f"{method}: {argument} must be"):
        getattr(example, method)(**{argument: value})
    assert example.get_weights() == WEIGHTS
