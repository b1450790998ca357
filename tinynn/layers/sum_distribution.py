"""The exact distribution of a sum."""

from __future__ import annotations

from tinynn.engine.graph import Network, Tensor
from tinynn.layers.base import Layer, expect_axes


class SumDistribution(Layer):
    """The distribution of the sum of N independent numbers: shape (N, K) -> (N (K - 1) + 1,).

    Row n of the input holds the probabilities that number n is 0, 1, ..., K - 1. The output is their
    convolution: ``P(s) = sum over all k_1 + ... + k_N = s of p_1(k_1) ... p_N(k_N)``.

    If the samples of a data set have different numbers of items (`tinynn.datasets.DigitSums` with `fewest`), padding
    is masked: only a sample's real items enter its sum, and sums that they cannot reach have probability 0.

    Between a softmax and a categorical cross-entropy, the three are fused. Then even a sum with probability 0 has a
    gradient: that of the logits is p minus the posterior of the number given the sum.

    Parameters
    ----------
    name : str, optional
        Name in the model.
    """

    def __init__(self, name: str | None = None) -> None:
        self.name = name

    def connect(self, network: Network, x: Tensor) -> Tensor:
        expect_axes(network, x, 2, "(numbers, probabilities)")
        return network.op("sum_distribution", x)
