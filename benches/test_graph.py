"""The worked example: one step node by node, and training compiled, beside scalars of NumPy.

Float64, one thread. `train` does all its steps in one call; NumPy comes back to Python after each operation.
"""

import numpy as np
import pytest

from tinynn.graph import WorkedExample

X, Y, WEIGHTS, RATE = 2.0, 3.0, (2.0, 1.0, 2.0, 4.0, 1.0), 0.1


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def numpy_train(weights, steps):
    """Steps of gradient descent with the report's formulas; returns the weights and the last step's loss."""
    w1, w2, w3, w4, w5 = np.array(weights)
    loss = None
    for _ in range(steps):
        n1 = sigmoid(w1 * X)
        n2 = sigmoid(w2 * n1)
        n3 = sigmoid(w3 * n1)
        n4 = sigmoid(w4 * n2 + w5 * n3)
        loss = (n4 - Y) ** 2 / 2
        d4 = (n4 - Y) * n4 * (1 - n4)
        d2 = d4 * w4 * n2 * (1 - n2)
        d3 = d4 * w5 * n3 * (1 - n3)
        d1 = (d2 * w2 + d3 * w3) * n1 * (1 - n1)
        w1 = w1 - RATE * d1 * X
        w2, w3 = w2 - RATE * d2 * n1, w3 - RATE * d3 * n1
        w4, w5 = w4 - RATE * d4 * n2, w5 - RATE * d4 * n3
    return np.array([w1, w2, w3, w4, w5]), loss


WAYS = {
    "step": lambda example, steps: [example.step(RATE) for _ in range(steps)][-1],
    "train": lambda example, steps: example.train(steps, RATE),
}


@pytest.mark.parametrize("version", ["numpy", "tinynn-step", "tinynn-train"])
@pytest.mark.parametrize("steps", [1, 1000])
def test_worked_example(steps, version, measure):
    example = WorkedExample(X, Y, WEIGHTS)

    def check():
        expected, loss = numpy_train(WEIGHTS, 1000)
        for way in WAYS.values():
            example = WorkedExample(X, Y, WEIGHTS)
            np.testing.assert_allclose(way(example, 1000), loss, rtol=1e-12)
            np.testing.assert_allclose(example.get_weights(), expected, rtol=1e-12)

    way = WAYS.get(version.removeprefix("tinynn-"))
    group = f"worked example, {steps} step{'s' if steps > 1 else ''}"
    measure(version, group, lambda: way(example, steps), lambda: numpy_train(WEIGHTS, steps), check)
