"""JAX: a jitted step with donated state, and a jitted scan over many of the same steps.

Sequences are time-major; a recurrent layer's product with its input is done before the scan over time. optax.adam.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

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

SCAN_FLOPS = 3e9
MIN_STEPS, MAX_STEPS = 2, 2000
"""Of a scan. Few, as in ours.py."""
TOY_STEPS = 100_000
CHANNELS_LAST = "NHWC", "HWIO", "NHWC"
UNROLLED = 10
"""Sequences up to this long are unrolled: faster, and still compiled within seconds."""


class Peer:
    def __init__(self, threads):
        """XLA takes a thread for each core that the process may use."""

    def versions(self):
        return f"JAX {jax.__version__}, optax {optax.__version__}"

    def supports(self, workload):
        return True

    def build(self, workload, weights):
        self.workload = workload
        jax.config.update("jax_enable_x64", workload.kind == "toy")
        jax.clear_caches()
        self.rate = jnp.float32(peers.CHECK_RATE)
        if workload.kind == "toy":
            self.state, self.batch, update = jnp.array(TOY_WEIGHTS, jnp.float64), (), toy_update
            self.steps = TOY_STEPS
        else:
            x, labels = workload.samples()
            x = np.ascontiguousarray(x.swapaxes(0, 1)) if x.ndim == 3 else x
            self.batch = jnp.asarray(x), jnp.asarray(labels, jnp.int32)
            weights = [[jnp.asarray(w) for w in of_layer] for of_layer in workload.weights_by_layer(weights)]
            self.steps = int(min(max(SCAN_FLOPS / workload.flops, MIN_STEPS), MAX_STEPS))
            if not workload.trains:
                self.weights = weights
                self.predictor = jax.jit(lambda weights, x: jax.nn.softmax(logits(workload, weights, x)))
                return
            self.state = weights, adam(1.0).init(weights)

            def update(state, rate, x, labels):
                weights, memory = state
                loss, gradients = jax.value_and_grad(loss_of, argnums=1)(workload, weights, x, labels)
                updates, memory = adam(rate).update(gradients, memory)
                return (optax.apply_updates(weights, updates), memory), loss

        def scan(state, rate, *batch):
            return lax.scan(lambda state, _: update(state, rate, *batch), state, length=self.steps)

        self.update = jax.jit(update, donate_argnums=0)
        self.scan = jax.jit(scan, donate_argnums=0)

    def step(self):
        self.state, loss = self.update(self.state, self.rate, *self.batch)
        return jax.block_until_ready((self.state, loss))[1]

    def many_steps(self):
        self.state, losses = self.scan(self.state, self.rate, *self.batch)
        jax.block_until_ready((self.state, losses))

    def predict(self):
        return self.predictor(self.weights, self.batch[0]).block_until_ready()

    def check(self):
        if not self.workload.trains:
            return None, [np.asarray(self.predict())]
        loss = float(self.step())
        weights = self.state if self.workload.kind == "toy" else self.state[0]
        return loss, [np.array(w) for w in jax.tree.leaves(weights)]

    def runs(self):
        if not self.workload.trains:
            return {"jax": (self.predict, 1)}
        self.rate = jnp.float32(peers.MEASURED_RATE)
        return {"jax": (self.step, 1), "jax-scan": (self.many_steps, self.steps)}


def adam(rate):
    return optax.adam(rate, peers.BETA_1, peers.BETA_2, peers.EPSILON_AFTER)


def loss_of(workload, weights, x, labels):
    z = logits(workload, weights, x)
    if workload.layers[-1].activation == "sigmoid":
        z = jax.nn.log_sigmoid(z)  # Keras' rule for sigmoid outputs, -log(s_t / sum s), is a softmax over log s
    return optax.softmax_cross_entropy_with_integer_labels(z, labels).mean()


def logits(workload, weights, x):
    for number, (layer, of_layer) in enumerate(zip(workload.layers, weights, strict=True)):
        match layer:
            case Dense():
                w, b = of_layer
                x = jnp.einsum("tbi,tio->tbo", x, w) + b[:, None] if layer.towers else x @ w + b
                if number < len(workload.layers) - 1 and layer.activation:
                    x = {"relu": jax.nn.relu, "sigmoid": jax.nn.sigmoid}[layer.activation](x)
            case Recurrent():
                x = recurrent(layer, *of_layer, x)
            case Convolution():
                w, b = of_layer
                x = jax.nn.relu(lax.conv_general_dilated(x, w, (1, 1), "VALID", dimension_numbers=CHANNELS_LAST) + b)
            case Pooling():
                x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
            case Repeat():
                x = jnp.broadcast_to(x, (layer.count, *x.shape))
            case Flatten():
                x = x.reshape(len(x), -1) if x.ndim == 4 else x.swapaxes(0, 1).reshape(x.shape[1], -1)
    return x


def recurrent(layer, w, u, b, x):
    of_input, of_state = b if layer.cell == "gru" else (b, None)
    zero = jnp.zeros((x.shape[1], layer.units), x.dtype)

    def rnn(h, z):
        h = jnp.tanh(z + h @ u)
        return h, h

    def gru(h, z):
        s = h @ u + of_state
        (z1, z2, z3), (s1, s2, s3) = jnp.split(z, 3, -1), jnp.split(s, 3, -1)
        update, reset = jax.nn.sigmoid(z1 + s1), jax.nn.sigmoid(z2 + s2)
        h = update * h + (1 - update) * jnp.tanh(z3 + reset * s3)
        return h, h

    def lstm(state, z):
        h, c = state
        i, f, g, o = jnp.split(z + h @ u, 4, -1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    step = {"rnn": rnn, "gru": gru, "lstm": lstm}[layer.cell]
    unroll = layer.steps if layer.steps <= UNROLLED else 1
    last, states = lax.scan(step, (zero, zero) if layer.cell == "lstm" else zero, x @ w + of_input, unroll=unroll)
    if layer.sequences:
        return states
    return last[0] if layer.cell == "lstm" else last


def toy_update(w, rate):
    """The worked example, as scalars: compiled they are as fast as vectors, or faster."""

    def loss(w):
        w1, w2, w3, w4, w5 = w
        n1 = jax.nn.sigmoid(w1 * TOY_X)
        n2, n3 = jax.nn.sigmoid(w2 * n1), jax.nn.sigmoid(w3 * n1)
        return (jax.nn.sigmoid(w4 * n2 + w5 * n3) - TOY_Y) ** 2 / 2

    value, gradient = jax.value_and_grad(loss)(w)
    return w - TOY_RATE * gradient, value
