"""tinynn itself, through its public face: `fit`, `predict`, `WorkedExample.train`.

An epoch is shuffled, and gathered from its samples (for the digit sums from bytes, by index), in the time that is
measured; the other frameworks find their batch made.
"""

import numpy as np

import tinynn
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
from tinynn import layers
from tinynn.optimizers import Adam

CELLS = {"lstm": "LSTM", "gru": "GRU", "rnn": "SimpleRNN"}
MIN_STEPS, MAX_STEPS = 2, 2000
"""Of an epoch. Few, for the best of short samples is compared, and PyTorch's are of one step."""


class Peer:
    flops_of_an_epoch = 2e9
    toy_steps = 100_000

    def __init__(self, threads):
        tinynn.set_num_threads(threads)

    def versions(self):
        return f"tinynn {tinynn.__version__}"

    def supports(self, workload):
        return True

    def build(self, workload, weights):
        self.workload = workload
        if workload.kind == "toy":
            from tinynn.graph import WorkedExample  # only here: `paired.py` runs old revisions, which may have no such

            self.example = WorkedExample(TOY_X, TOY_Y, TOY_WEIGHTS)
            return
        self.model = model_of(workload)
        self.model.set_weights(to_tinynn(workload, weights))
        if workload.trains:
            self.model.compile(Adam(peers.CHECK_RATE), "sparse_categorical_crossentropy")

    def check(self):
        if self.workload.kind == "toy":
            loss = self.example.train(1, TOY_RATE)
            return loss, [np.array(self.example.get_weights())]
        if not self.workload.trains:
            return None, [self.model.predict(self.workload.samples()[0])]
        history = self._fit(self._data(steps=1), shuffle=False)
        return history.history["loss"][0], from_tinynn(self.workload, self.model.get_weights())

    def runs(self):
        if self.workload.kind == "toy":
            return {"tinynn": (lambda: self.example.train(self.toy_steps, TOY_RATE), self.toy_steps)}
        if not self.workload.trains:
            x, _ = self.workload.samples()
            return {"tinynn": (lambda: self.model.predict(x), 1)}
        self.model.optimizer.learning_rate = peers.MEASURED_RATE
        steps = int(min(max(self.flops_of_an_epoch / self.workload.flops, MIN_STEPS), MAX_STEPS))
        data = self._data(steps)
        return {"tinynn": (lambda: self._fit(data), steps)}

    def _fit(self, data, shuffle=True):
        return self.model.fit(*data, batch_size=self.workload.batch, verbose=0, shuffle=shuffle)

    def _data(self, steps):
        if self.workload.kind == "digits":
            from tinynn.datasets import DigitSums

            return (DigitSums.from_sums(*self.workload.digit_samples(steps)),)
        return self.workload.samples(steps)


def model_of(workload, dtype="float32"):
    """The layers in tinynn: the recogniser's under `Towers` or `TimeDistributed`, its input raw images."""
    chain = [layer_of(layer) for layer in workload.layers]
    if workload.kind != "digits":
        return tinynn.Sequential(chain, workload.input_shape, dtype=dtype)
    end = recogniser_end(workload)
    towers, positions = workload.layers[0].towers, workload.layers[0].positions
    recogniser = [layers.Flatten(), *chain[:end]]
    wrapped = layers.Towers(recogniser, positions) if towers else layers.TimeDistributed(recogniser)
    return tinynn.Sequential([layers.Rescaling(1 / 255), wrapped, *chain[end:]], (positions, 28, 28), dtype=dtype)


def recogniser_end(workload):
    return next(number for number, layer in enumerate(workload.layers) if isinstance(layer, Recurrent))


def layer_of(layer):
    match layer:
        case Dense():
            return layers.Dense(layer.outputs, activation=layer.activation)
        case Recurrent():
            return getattr(layers, CELLS[layer.cell])(layer.units, return_sequences=layer.sequences)
        case Convolution():
            return layers.Conv2D(layer.filters, layer.size, activation="relu")
        case Pooling():
            return layers.MaxPooling2D()
        case Repeat():
            return layers.RepeatVector(layer.count)
        case Flatten():
            return layers.Flatten()


def to_tinynn(workload, weights):
    """tinynn has tower after tower, not layer after layer."""
    stacked, rest = _split(workload, weights)
    count = len(stacked[0]) if stacked else 0
    return [w[tower] for tower in range(count) for w in stacked] + rest


def from_tinynn(workload, weights):
    stacked, _ = _split(workload, workload.shapes)
    each = len(stacked)
    count = stacked[0][0] if stacked else 0
    towers = [np.stack([weights[tower * each + number] for tower in range(count)]) for number in range(each)]
    return towers + weights[count * each :]


def _split(workload, weights):
    """The weights (or shapes) of the towers, which come first, and all others."""
    by_layer = workload.weights_by_layer(weights)
    towers = [isinstance(layer, Dense) and layer.towers for layer in workload.layers]
    stacked = [w for of_layer, tower in zip(by_layer, towers, strict=True) if tower for w in of_layer]
    return stacked, list(weights)[len(stacked) :]
