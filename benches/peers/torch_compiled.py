"""PyTorch through torch.compile.

Without recurrent layers the whole step is one compiled function, gradients and Adam included. nn.LSTM and its
kind stay calls of PyTorch's own kernels; around them, forward and backward are compiled and Adam is the fused one.
"""

import torch

from benches import peers
from benches.peers import torch_peer
from benches.peers.workloads import TOY_RATE, Recurrent


class Peer(torch_peer.Peer):
    variant = "torch-compiled"

    def compile(self):
        torch._dynamo.reset()
        if not self.workload.trains:
            self.probabilities = torch.compile(super().probabilities)
        elif any(isinstance(layer, Recurrent) for layer in self.workload.layers):
            self.loss = torch.compile(self.network.loss)
        else:
            self.step = WholeStep(self.network, self.batch, toy=self.workload.kind == "toy")
            self.set_rate = self.step.set_rate


class WholeStep:
    """Loss, gradients and update in one compiled function."""

    def __init__(self, network, batch, toy):
        self.network, self.batch = network, batch
        # The network's own memory, so that its get_weights sees the updates.
        self.weights = {name: p.detach() for name, p in network.named_parameters()}
        self.m, self.v = ({name: torch.zeros_like(p) for name, p in self.weights.items()} for _ in range(2))
        # Numbers that change are tensors: as Python numbers, each new one would be compiled anew.
        self.updates = torch.zeros((), dtype=torch.float64)
        self.rate = torch.tensor(TOY_RATE if toy else peers.CHECK_RATE, dtype=torch.float64)
        self.update = torch.compile(self._descend if toy else self._adam)

    def set_rate(self, rate):
        self.rate.fill_(rate)

    @torch.no_grad()
    def __call__(self):
        return self.update(self.weights, self.m, self.v, self.updates, self.rate, *self.batch)

    def _loss_and_gradients(self, weights, batch):
        def loss(weights):
            return torch.func.functional_call(_Loss(self.network), {f"network.{n}": w for n, w in weights.items()}, batch)

        gradients, value = torch.func.grad_and_value(loss)(weights)
        return value, gradients

    def _adam(self, weights, m, v, updates, rate, *batch):
        loss, gradients = self._loss_and_gradients(weights, batch)
        updates.add_(1)
        corrected = (rate * torch.sqrt(1 - peers.BETA_2**updates) / (1 - peers.BETA_1**updates)).float()
        for name, gradient in gradients.items():
            m[name].lerp_(gradient, 1 - peers.BETA_1)
            v[name].mul_(peers.BETA_2).addcmul_(gradient, gradient, value=1 - peers.BETA_2)
            weights[name].sub_(corrected * m[name] / (v[name].sqrt() + peers.EPSILON))
        return loss

    def _descend(self, weights, m, v, updates, rate, *batch):
        loss, gradients = self._loss_and_gradients(weights, batch)
        for name, gradient in gradients.items():
            weights[name].sub_(rate * gradient)
        return loss


class _Loss(torch.nn.Module):
    """functional_call knows modules only by their forward."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, *batch):
        return self.network.loss(*batch)
