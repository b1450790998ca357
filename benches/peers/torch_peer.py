"""PyTorch, eager: modules, fused Adam, towers as one batched product. `torch_compiled` builds on it.

Sequences are time-major, (positions, B, features), which is what its recurrent kernels work on; images are in the
memory format channels_last, the faster one on a CPU.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from benches import peers
from benches.peers.workloads import (
    TOY_RATE,
    TOY_WEIGHTS,
    TOY_X,
    TOY_Y,
    Convolution,
    Dense,
    Flatten,
    Pooling,
    Recurrent,
    Repeat,
)

CELLS = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


class Peer:
    variant = "torch"

    def __init__(self, threads):
        torch.set_num_threads(threads)

    def versions(self):
        return f"PyTorch {torch.__version__}"

    def supports(self, workload):
        return True

    def build(self, workload, weights):
        self.workload = workload
        if workload.kind == "toy":
            self.network = Toy()
            self.optimizer = torch.optim.SGD(self.network.parameters(), lr=TOY_RATE, fused=True)
            self.batch = ()
        else:
            self.network = Network(workload, weights)
            x, labels = workload.samples()
            x = np.ascontiguousarray(x.swapaxes(0, 1)) if x.ndim == 3 else x
            x = x.transpose(0, 3, 1, 2) if x.ndim == 4 else x  # a view: its memory stays channels_last
            self.batch = torch.from_numpy(x), torch.from_numpy(labels)
            trained = [p for p in self.network.parameters() if p.requires_grad]
            self.optimizer = torch.optim.Adam(
                trained, lr=peers.CHECK_RATE, betas=(peers.BETA_1, peers.BETA_2), eps=peers.EPSILON_AFTER, fused=True
            )
        self.compile()

    def compile(self):
        """Nothing is compiled here."""
        self.loss = self.network.loss
        self.probabilities = self.network.probabilities

    def step(self):
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(*self.batch)
        loss.backward()
        self.optimizer.step()
        return loss

    @torch.inference_mode()
    def predict(self):
        return self.probabilities(self.batch[0])

    def set_rate(self, rate):
        self.optimizer.param_groups[0]["lr"] = rate

    def check(self):
        if not self.workload.trains:
            return None, [self.predict().numpy().copy()]
        loss = self.step()
        return float(loss.detach()), self.network.get_weights()

    def runs(self):
        if self.workload.kind in ("toy", "predict"):
            return {self.variant: (self.step if self.workload.trains else self.predict, 1)}
        self.set_rate(peers.MEASURED_RATE)
        return {self.variant: (self.step, 1)}


class Network(nn.Module):
    """The layers of a workload; puts out the last one's logits."""

    def __init__(self, workload, weights):
        super().__init__()
        self.layers = nn.ModuleList(
            LAYERS[type(layer)](layer, *map(torch.tensor, of_layer))
            for layer, of_layer in zip(workload.layers, workload.weights_by_layer(weights), strict=True)
        )
        self.sigmoid_loss = workload.layers[-1].activation == "sigmoid"
        self.layers[-1].activation = None

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x

    def loss(self, x, labels):
        z = self(x)
        # Keras' rule for sigmoid outputs, -log(s_t / sum s), is a softmax over log s.
        return functional.cross_entropy(functional.logsigmoid(z) if self.sigmoid_loss else z, labels)

    def probabilities(self, x):
        return torch.softmax(self(x), -1)

    def get_weights(self):
        return [w.detach().numpy().copy() for layer in self.layers for w in layer.get_weights()]


class _Activated(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.activation = {"relu": torch.relu, "sigmoid": torch.sigmoid}.get(layer.activation)

    def forward(self, x):
        y = self.affine(x)
        return y if self.activation is None else self.activation(y)


class Shared(_Activated):
    """One map for all positions: nn.Linear, whose weight is (outputs, inputs)."""

    def __init__(self, layer, w, b):
        super().__init__(layer)
        self.weight, self.bias = nn.Parameter(w.T.contiguous()), nn.Parameter(b)

    def affine(self, x):
        return functional.linear(x, self.weight, self.bias)

    def get_weights(self):
        return self.weight.T, self.bias


class Towers(_Activated):
    """A map for each position: (positions, B, inputs) -> (positions, B, outputs)."""

    def __init__(self, layer, w, b):
        super().__init__(layer)
        self.weight, self.bias = nn.Parameter(w), nn.Parameter(b[:, None])

    def affine(self, x):
        return torch.baddbmm(self.bias, x, self.weight)

    def get_weights(self):
        return self.weight, self.bias[:, 0]


class Sequence(nn.Module):
    """nn.LSTM, nn.GRU or nn.RNN. Its weights are transposed, a GRU's gates r z n instead of z r g.

    Every one of them has two biases. Where Keras has one, the second stays zero and is not trained: the two
    would get the same gradient, and Adam would move their sum twice as far.
    """

    def __init__(self, layer, w, u, b):
        super().__init__()
        self.gru, self.sequences = layer.cell == "gru", layer.sequences
        self.cell = CELLS[layer.cell](layer.inputs, layer.units)
        first, second = b if self.gru else (b, torch.zeros_like(b))
        with torch.no_grad():
            self.cell.weight_ih_l0.copy_(self._swap(w.T))
            self.cell.weight_hh_l0.copy_(self._swap(u.T))
            self.cell.bias_ih_l0.copy_(self._swap(first))
            self.cell.bias_hh_l0.copy_(self._swap(second))
        self.cell.bias_hh_l0.requires_grad_(self.gru)

    def _swap(self, gates):
        """z r g <-> r z n, along the first axis."""
        if not self.gru:
            return gates
        one, two, three = gates.chunk(3)
        return torch.cat([two, one, three])

    def forward(self, x):
        states, _ = self.cell(x)
        return states if self.sequences else states[-1]

    def get_weights(self):
        w, u, first, second = map(self._swap, self.cell.parameters())
        return w.T, u.T, torch.stack([first, second]) if self.gru else first


class Images(nn.Module):
    """A convolution and relu: its weight is (filters, channels, rows, columns) in memory channels_last."""

    def __init__(self, layer, w, b):
        super().__init__()
        weight = w.permute(3, 2, 0, 1).contiguous(memory_format=torch.channels_last)
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(b)

    def forward(self, x):
        return torch.relu(functional.conv2d(x, self.weight, self.bias))

    def get_weights(self):
        return self.weight.permute(2, 3, 1, 0), self.bias


class Reshaped(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        if isinstance(self.layer, Repeat):
            return x.expand(self.layer.count, *x.shape)
        if isinstance(self.layer, Pooling):
            return functional.max_pool2d(x, 2)
        if x.ndim == 4:
            return x.permute(0, 2, 3, 1).flatten(1)
        return x.transpose(0, 1).flatten(1)

    def get_weights(self):
        return ()


def dense(layer, w, b):
    return (Towers if layer.towers else Shared)(layer, w, b)


LAYERS = {
    Dense: dense, Convolution: Images, Recurrent: Sequence, Repeat: Reshaped, Pooling: Reshaped, Flatten: Reshaped,
}  # fmt: skip


class Toy(nn.Module):
    """The worked example; n2 and n3, which do not depend on each other, are one vector."""

    def __init__(self):
        super().__init__()
        w1, w2, w3, w4, w5 = TOY_WEIGHTS
        self.first, self.middle, self.last = (
            nn.Parameter(torch.tensor(w, dtype=torch.float64)) for w in ([w1], [w2, w3], [w4, w5])
        )

    def loss(self):
        return toy_loss([self.first, self.middle, self.last])

    def probabilities(self):
        raise NotImplementedError("the worked example has none")

    def get_weights(self):
        return [torch.cat([p.detach().reshape(-1) for p in self.parameters()]).numpy().copy()]


def toy_loss(weights):
    first, middle, last = weights
    n1 = torch.sigmoid(first * TOY_X)
    n23 = torch.sigmoid(middle * n1)
    n4 = torch.sigmoid(torch.dot(last, n23))
    return (n4 - TOY_Y) ** 2 / 2
