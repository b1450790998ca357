"""The same bits with any number of threads, instruction set, process and batch size."""

import json

import pytest

from tests.model.digests import MODELS, digests
from tests.processes import run_python
from tinynn import kernels, layers
from tinynn.layers.chain import with_inner

FUSED = [name for name in kernels.instruction_sets() if name != "base"]


def test_every_kind_of_layer_is_in_the_models_whose_bits_are_compared():
    found = {type(layer) for make in MODELS.values() for layer in with_inner(make("float32")[0].layers)}
    assert {getattr(layers, name) for name in layers.__all__} - found <= {layers.Layer, layers.PythonLayer}


def test_any_number_of_threads_and_every_run_give_the_same_bits():
    first = digests(1)
    for threads in (2, 3, 7, 1):
        assert digests(threads) == first, f"{threads} threads"


@pytest.mark.parametrize("name", [name for name in kernels.instruction_sets() if name != kernels.instruction_set()])
def test_other_instruction_sets(name):
    """In a process of its own: any threads, the same bits; and the fused sets among each other."""
    found = json.loads(run_python("-m", "tests.model.digests", "1", "3", TINYNN_CPU=name))
    assert found["instruction_set"] == name
    assert found["digests"][0] == found["digests"][1]
    if name in FUSED and kernels.instruction_set() in FUSED:
        assert found["digests"][0] == digests(1)


def test_another_process_gives_the_same_bits():
    found = json.loads(run_python("-m", "tests.model.digests", "2", TINYNN_CPU=kernels.instruction_set()))
    assert found["digests"] == [digests(2)]


@pytest.mark.parametrize("name", MODELS)
def test_prediction_does_not_depend_on_the_batch_size(name, dtype):
    model, x, *_ = MODELS[name](dtype)
    whole = model.predict(x, batch_size=len(x))
    for size in (1, 2, 7, 32, 10**6):
        assert model.predict(x[:64], batch_size=size).tobytes() == whole[:64].tobytes(), size
    for row in (0, 5):
        assert model.predict(x[row : row + 1]).tobytes() == whole[row : row + 1].tobytes()
