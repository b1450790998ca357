"""The Python in docs/ runs as it is printed there, after what its readers have made before."""

import re
from pathlib import Path

import numpy as np
import pytest

import tinynn
from tinynn import layers

PAGE = (Path(__file__).parents[1] / "docs" / "training.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def sequential(*units, inputs=3):
    model = tinynn.Sequential([layers.Dense(n, "tanh") for n in units], input_shape=(inputs,))
    model.compile("sgd", "mse")
    return model


@pytest.fixture
def made():
    x, y = np.linspace(-1, 1, 36).reshape(12, 3).astype("f4"), np.ones((12, 2), "f4")
    folds = [(np.arange(12) % 2 != fold, np.arange(12) % 2 == fold) for fold in range(2)]
    return {"np": np, "tinynn": tinynn, "x": x, "y": y, "folds": folds, "model": sequential(4, 2),
            "models": [sequential(4, 2), sequential(5, 2)], "autoencoder": sequential(32, 8, 32, inputs=784)}


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.split("(")[0])
def test_block_runs(block, made):
    exec(block, made)


def test_the_three_ways_to_train_six_epochs_are_one(made):
    """What the page says of its first block."""
    results = []
    for part in BLOCKS[0].split("\n\n"):
        made["model"] = sequential(4, 2)
        exec(part, made)
        results.append(made["model"].fingerprint())
    assert len(results) == 3
    assert len(set(results)) == 1
    encoder = {**made}
    exec(BLOCKS[1], encoder)
    x = np.ones((2, 784), "f4")
    np.testing.assert_array_equal(encoder["encoder"].predict(x), made["autoencoder"].predict(x, output="dense_1"))
