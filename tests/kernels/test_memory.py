"""Kernels on arrays in any memory: the bits are those of a clean copy, and nothing is changed that should not be."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kernels.cases import Case, make_cases
from tests.memory import altered, disguised, outcome
from tinynn import kernels


def more_cases(dtype):
    """Calls of the kernels that have no place in the table of cases."""
    rng = np.random.default_rng(8)
    x, y = rng.uniform(0.05, 0.95, (2, 5, 9)).astype(dtype)
    labels = np.arange(5)
    options = {"shift": 1.0, "rotation": 9.0, "elastic": 0.5, "key": 3}
    for name in ("binary_accuracy", "categorical_accuracy", "mean_absolute_error"):
        yield Case(name, "", {"prediction": x, "target": y})
    yield Case("categorical_accuracy", "labels", {"prediction": x}, {"target": labels})
    for name, array in (("dropout_forward", "x"), ("dropout_backward", "dy")):
        yield Case(name, "", {array: x}, {"rate": 0.5, "key": 5})
    yield Case("augment", "", {"images": rng.random((3, 6, 5, 2)).astype(dtype)}, options)
    yield Case("augment", "bytes", {}, {"images": rng.integers(0, 256, (3, 6, 5), np.uint8), **options})


CASES = [
    case for dtype in ("float32", "float64") for case in (*make_cases(np.dtype(dtype)).values(), *more_cases(dtype))
]
NAMES = sorted({case.kernel for case in CASES})


def test_every_kernel_is_here():
    assert {*NAMES, "instruction_set", "instruction_sets"} == set(kernels.__all__)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=10)
@given(data=st.data())
def test_any_memory(name, data):
    case = data.draw(st.sampled_from([case for case in CASES if case.kernel == name]))
    clean = {
        key: data.draw(altered(value)) if isinstance(value, np.ndarray) else value
        for key, value in case.arguments.items()
    }
    names = [key for key, value in clean.items() if isinstance(value, np.ndarray)]
    given = {key: data.draw(disguised(clean[key])) for key in names}
    before = {key: array.tobytes() for key, array in given.items()}
    clean = {key: np.array(value, order="C") if key in names else value for key, value in clean.items()}
    expected = outcome(lambda: case.call(**clean), case.arguments)
    found = outcome(lambda: case.call(**{**clean, **given}), case.arguments)
    # Only what is changed in place may be refused for its memory: a copy of it would lose the change.
    refused = case.in_place and found in (TypeError, ValueError)
    assert found == expected or refused
    for key, array in given.items():
        assert refused or key in case.in_place or array.tobytes() == before[key], f"{key} was changed"
