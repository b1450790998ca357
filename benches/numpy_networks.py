"""Whole networks in straightforward NumPy: a chain of layers over one flat vector of parameters, and Adam.

Several towers are one batched product over stacked weights; activations and gradients are kept, not computed
anew; the first layer computes no gradient of its input. Weights come and go in the order of tinynn's
`get_weights`.
"""

import numpy as np

from benches import numpy_versions as versions


class Dense:
    """Affine map and activation: (..., B, I) -> (..., B, O); `towers`: a map for each first index."""

    def __init__(self, inputs, outputs, activation=None, towers=None):
        stack = () if towers is None else (towers,)
        self.shapes = [(*stack, inputs, outputs), (*stack, 1, outputs) if stack else (outputs,)]
        self.activation = activation

    def forward(self, x):
        w, b = self.parameters
        self.x, y = x, x @ w + b
        self.y = getattr(versions, f"{self.activation}_forward")(y) if self.activation else y
        return self.y

    def backward(self, dy, needs_input):
        if self.activation:
            dy = getattr(versions, f"{self.activation}_backward")(dy, self.y)
        w, _ = self.parameters
        dw, db = self.gradients
        np.matmul(self.x.swapaxes(-1, -2), dy, out=dw)
        np.sum(dy, axis=-2, keepdims=db.ndim > 1, out=db)
        return dy @ w.swapaxes(-1, -2) if needs_input else None


class Recurrent:
    """An LSTM, simple RNN or GRU: (B, T, I) -> (B, H), or (B, T, H) with `sequences`."""

    def __init__(self, cell, inputs, units, sequences=False):
        gates = {"rnn": 1, "lstm": 4, "gru": 3}[cell]
        bias = (2, 3 * units) if cell == "gru" else (gates * units,)
        self.shapes = [(inputs, gates * units), (units, gates * units), bias]
        self.states = getattr(versions, f"{cell}_forward" if cell == "rnn" else f"{cell}_states")
        self.backwards = getattr(versions, f"{cell}_gradients")
        self.sequences = sequences

    def forward(self, x):
        self.x, kept = x, self.states(x, *self.parameters)
        self.kept = kept if isinstance(kept, tuple) else (kept,)
        h = self.kept[0]
        return h if self.sequences else h[:, -1]

    def backward(self, dy, needs_input):
        dh = dy
        if not self.sequences:
            dh = np.zeros_like(self.kept[0])
            dh[:, -1] = dy
        w, u, _ = self.parameters
        dx, *gradients = self.backwards(dh, self.x, w, u, *self.kept)
        # Those of the initial states come last and are left over.
        for to, gradient in zip(self.gradients, gradients, strict=False):
            to[...] = gradient
        return dx


class Reshape:
    """A function of shape only, and its inverse's gradient."""

    shapes = ()

    def __init__(self, forward, backward):
        self._forward, self._backward = forward, backward

    def forward(self, x):
        self.shape = x.shape
        return self._forward(x)

    def backward(self, dy, needs_input):
        return self._backward(dy, self.shape)


def towers_to_steps():
    return Reshape(lambda x: x.swapaxes(0, 1), lambda dy, shape: dy.swapaxes(0, 1))


def repeat(count):
    return Reshape(lambda x: np.repeat(x[:, None], count, axis=1), lambda dy, shape: dy.sum(axis=1))


def flatten():
    return Reshape(lambda x: x.reshape(len(x), -1), lambda dy, shape: dy.reshape(shape))


def fold_steps():
    return Reshape(lambda x: x.reshape(-1, x.shape[-1]), lambda dy, shape: dy.reshape(shape))


def unfold_steps(steps):
    return Reshape(lambda x: x.reshape(-1, steps, x.shape[-1]), lambda dy, shape: dy.reshape(shape))


# --- losses of the last layer's logits: of each row, and the gradient of their sum --------------------------


def softmax_loss(z, labels):
    p = versions.softmax_forward(z)
    rows = np.arange(len(labels))
    losses = -np.log(p[rows, labels])
    p[rows, labels] -= 1
    return losses, p


def sigmoid_loss(z, labels):
    """Keras' categorical cross-entropy of sigmoid outputs: of s / sum s."""
    s = versions.sigmoid_forward(z)
    q = s / s.sum(axis=-1, keepdims=True)
    rows = np.arange(len(labels))
    losses = -np.log(q[rows, labels])
    q[rows, labels] -= 1
    return losses, q * (1 - s)


sum_loss = versions.sum_loss_and_gradient


class Network:
    """Layers in a chain, a loss of their logits, Adam; `output` makes predictions of the logits."""

    def __init__(self, layers, loss, output, dtype=np.float32):
        self.layers, self.loss, self.output = layers, loss, output
        size = sum(int(np.prod(shape)) for layer in layers for shape in layer.shapes)
        self.w, self.dw, self.m, self.v = (np.zeros(size, dtype) for _ in range(4))
        self.step = 0
        start = 0
        for layer in layers:
            layer.parameters, layer.gradients = [], []
            for shape in layer.shapes:
                stop = start + int(np.prod(shape))
                layer.parameters.append(self.w[start:stop].reshape(shape))
                layer.gradients.append(self.dw[start:stop].reshape(shape))
                start = stop

    def _in_order(self):
        """Views of the parameters in tinynn's order: tower after tower, then layer after layer."""
        parameters = [p for layer in self.layers for p in layer.parameters]
        stacked = [p for p in parameters if p.ndim == 3]
        towers = [p[i] for i in range(len(stacked[0])) for p in stacked] if stacked else []
        return towers + [p for p in parameters if p.ndim < 3]

    def get_weights(self):
        return [p.copy() for p in self._in_order()]

    def set_weights(self, weights):
        for p, w in zip(self._in_order(), weights, strict=True):
            p[...] = w

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def predict(self, x):
        return self.output(self.forward(x))

    def train_on_batch(self, x, y, learning_rate):
        losses, d = self.loss(self.forward(x), y)
        d = d / len(y)
        for number in reversed(range(len(self.layers))):
            d = self.layers[number].backward(d, number > 0)
        self.step += 1
        versions.adam_update(self.w, self.dw, self.m, self.v, self.step, learning_rate)
        return losses.mean()

    def fit(self, gather, labels, batch_size, learning_rate, order=None):
        """One epoch; returns the mean loss. `gather` makes a batch from the numbers of its samples."""
        order = np.arange(len(labels)) if order is None else order
        total = 0.0
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            total += len(rows) * float(self.train_on_batch(gather(rows), labels[rows], learning_rate))
        return total / len(order)


def multilayer_perceptron(widths, dtype=np.float32):
    """Dense layers with relu; softmax over the last."""
    pairs = list(zip(widths, widths[1:], strict=False))
    layers = [Dense(i, o, "relu" if number < len(pairs) - 1 else None) for number, (i, o) in enumerate(pairs)]
    return Network(layers, softmax_loss, versions.softmax_forward, dtype)


def digit_sum(name, digits=10, cell="lstm"):
    """The networks of `tinynn.networks.digit_sum`; read what `gather_digits` gives."""
    if name == "shared":
        layers = [Dense(784, 128, "relu"), Dense(128, 10), unfold_steps(digits)]
        return Network(
            layers, sum_loss, lambda z: versions.sum_distribution_forward(versions.softmax_forward(z))
        )
    widths = {"baseline": (784, 128), "improved": (784, 784, 128)}[name]
    places = len(str(9 * digits))
    decoders = {"baseline": 1, "improved": 2}[name]
    layers = [
        *(Dense(i, o, "relu", towers=digits) for i, o in zip(widths, widths[1:], strict=False)),
        Dense(128, 10, "sigmoid", towers=digits),
        towers_to_steps(),
        Recurrent(cell, 10, 128),
        repeat(places),
        *(Recurrent(cell, 128, 128, sequences=True) for _ in range(decoders)),
        fold_steps(),
        Dense(128, 10),
        unfold_steps(places),
        flatten(),
        Dense(10 * places, 9 * digits + 1),
    ]
    return Network(layers, sigmoid_loss, versions.sigmoid_forward)


def gather_digits(name, images, indices):
    """A function from sample numbers to float32 pixels: (B digits, 784), for towers (digits, B, 784)."""
    flat = images.reshape(len(images), -1)

    def gather(rows):
        places = indices[rows].ravel() if name == "shared" else indices[rows].T
        return flat[places] * np.float32(1 / 255)

    return gather
