"""PyTorch through torch.compile.

Perceptrons and the toy graph: the whole step is one compiled function, gradients and update included. nn.LSTM and its
kind stay calls of PyTorch's own kernels; around them, forward and backward are compiled and Adam is the fused one.
"""

import torch
from torch.nn import functional

from benches import peers
from benches.peers import torch_peer
from benches.peers.workloads import TOY_RATE


class Peer(torch_peer.Peer):
    variant = "torch-compiled"

    def compile(self):
        torch._dynamo.reset()
        self.loss = torch.compile(self.network.loss)
        self.probabilities = torch.compile(self.network.probabilities)
        update = {"mlp": adam_step, "toy": toy_step}.get(self.workload.kind)
        self.whole = WholeStep(self.network, self.batch, update) if update else None

    def step(self):
        return self.whole() if self.whole else super().step()

    def set_rate(self, rate):
        if self.whole:
            self.whole.rate.fill_(rate)
        else:
            super().set_rate(rate)


class WholeStep:
    """A compiled step and what it changes.

    Lists of tensors: checking the modules and dictionaries that a compiled function reads takes longer, at every
    call, than a small network's step.
    """

    def __init__(self, network, batch, update):
        self.batch = batch
        # The network's own memory, so that its get_weights sees the updates.
        self.weights = [p.detach() for p in network.parameters()]
        self.m, self.v = ([torch.zeros_like(w) for w in self.weights] for _ in range(2))
        # Numbers that change are tensors: as Python numbers, each new one would be compiled anew. They have an
        # axis: what compiled code writes into a tensor without axes is lost (PyTorch 2.13).
        self.updates = torch.zeros(1, dtype=torch.float64)
        self.rate = torch.tensor([TOY_RATE if update is toy_step else peers.CHECK_RATE], dtype=torch.float64)
        self.update = torch.compile(update, fullgraph=True)

    @torch.no_grad()
    def __call__(self):
        return self.update(self.weights, self.m, self.v, self.updates, self.rate, *self.batch)


def adam_step(weights, m, v, updates, rate, x, labels):
    gradients, loss = torch.func.grad_and_value(perceptron_loss)(weights, x, labels)
    updates.add_(1)
    corrected = (rate * torch.sqrt(1 - peers.BETA_2**updates) / (1 - peers.BETA_1**updates)).float()
    for w, dw, m_, v_ in zip(weights, gradients, m, v, strict=True):
        m_.lerp_(dw, 1 - peers.BETA_1)
        v_.mul_(peers.BETA_2).addcmul_(dw, dw, value=1 - peers.BETA_2)
        w.sub_(corrected * m_ / (v_.sqrt() + peers.EPSILON))
    return loss


def perceptron_loss(weights, x, labels):
    """Of nn.Linear's weights and biases, layer after layer."""
    *hidden, w, b = weights
    for w_, b_ in zip(hidden[::2], hidden[1::2], strict=True):
        x = torch.relu(functional.linear(x, w_, b_))
    return functional.cross_entropy(functional.linear(x, w, b), labels)


def toy_step(weights, m, v, updates, rate):
    gradients, loss = torch.func.grad_and_value(lambda weights: torch_peer.toy_loss(weights).sum())(weights)
    for w, dw in zip(weights, gradients, strict=True):
        w.sub_(rate * dw)
    return loss
