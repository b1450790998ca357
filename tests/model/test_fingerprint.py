"""The bits of three small trainings: a change that makes others must not go unseen.

When one is meant, the new fingerprints come from ``python -m tests.model.fingerprints`` (and with TINYNN_CPU=base), and
the change log says so, for trainings of earlier versions can then no longer be repeated.
"""

import json

import numpy as np
import pytest

from tests.model.fingerprints import fingerprints
from tests.processes import run_python
from tinynn import Sequential, kernels, layers

FUSED = {"dense": "841cb281776f6ea9", "recurrent": "1de18fc495aeb500", "images": "e5e81aa9e53dcdcd"}
#: Without fused multiply-add, each product is rounded.
BASE = {"dense": "30ccd26d8e3ec68f", "recurrent": "73246340ccbc3a8e", "images": "eb287b2167b3f129"}


def known(instruction_set):
    return BASE if instruction_set == "base" else FUSED


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_known_bits_with_any_number_of_threads(threads):
    assert fingerprints(threads) == known(kernels.instruction_set())


@pytest.mark.parametrize("name", [name for name in kernels.instruction_sets() if name != kernels.instruction_set()])
def test_known_bits_of_every_instruction_set(name):
    found = json.loads(run_python("-m", "tests.model.fingerprints", TINYNN_CPU=name))
    assert found == {"instruction_set": name, "fingerprints": known(name)}


def test_it_stands_for_every_bit_and_name():
    def make(name="a"):
        return Sequential([layers.Dense(2, name=name), layers.Dense(2, name="b")], (2,))

    first = make()
    seen = {first.fingerprint(), make("c").fingerprint()}
    assert len(first.fingerprint()) == 16
    assert int(first.fingerprint(), 16) >= 0
    assert make().fingerprint() in seen
    for place in range(first.count_params()):
        model = make()
        model.parameters.view(np.uint32)[place] ^= 1
        seen.add(model.fingerprint())
    seen.add(Sequential([layers.Dense(2, name="a"), layers.Dense(2, name="b")], (2,), dtype="float64").fingerprint())
    assert len(seen) == 2 + 12 + 1
    with pytest.raises(ValueError, match="fingerprint: the model has no weights yet"):
        Sequential([layers.Dense(2)]).fingerprint()
