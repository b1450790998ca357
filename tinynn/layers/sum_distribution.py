"""The exact distribution of a sum."""

from __future__ import annotations

from tinynn.engine.graph import Network, Tensor
from tinynn.layers.base import Layer, expect_axes


class SumDistribution(Layer):
    """The distribution of the sum of N independent numbers: shape (N, K) -> (N (K - 1) + 1,).

    Row n of the input holds the probabilities that number n is 0, 1, ..., K - 1. The output is their
    convolution: ``P(s) = sum over all k_1 + ... + k_N = s of p_1(k_1) ... p_N(k_N)``.

    In a data set whose samples have different numbers of items (`tinynn.datasets.DigitSums` with `fewest`), a sample's
    sum is that of the items it has: sums out of its reach have probability 0, and what the layers before make of the
    places without an item does not count.

    After a softmax and under a categorical cross-entropy the three are computed as one, so that a sum that the
    network thinks impossible still has a gradient: that of the logits is p minus the posterior of the number
    given the sum.

    Parameters
    ----------
    name : str, optional
        Its name in the model.
    """

    def __init__(self, name: str | None = None) -> None:
        self.name = name

    def connect(self, network: Network, x: Tensor) -> Tensor:
        expect_axes(network, x, 2, "(numbers, probabilities)")
        return network.op("sum_distribution", x)
