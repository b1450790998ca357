"""Keras 3 on TensorFlow: model.fit with steps_per_execution on a batch that is repeated; towers by EinsumDense."""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from benches import peers  # noqa: E402
from benches.peers.workloads import Convolution, Dense, Flatten, Pooling, Recurrent, Repeat  # noqa: E402

CELLS = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU, "rnn": keras.layers.SimpleRNN}
FLOPS_OF_A_FIT = 2e9
MIN_STEPS, MAX_STEPS = 8, 1000
UNROLLED = 10


class Peer:
    def __init__(self, threads):
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)

    def versions(self):
        return f"Keras {keras.__version__} on TensorFlow {tf.__version__}"

    def supports(self, workload):
        return workload.kind != "toy"

    def build(self, workload, weights):
        self.workload = workload
        keras.backend.clear_session()
        self.model = keras.Sequential([keras.Input(workload.input_shape), *layers_of(workload)])
        self.model.set_weights(weights)
        x, labels = workload.samples()
        if not workload.trains:
            self.x = tf.constant(x)
            self.predictor = tf.function(lambda x: tf.nn.softmax(self.model(x, training=False)), jit_compile=True)
            return
        self.steps = int(min(max(FLOPS_OF_A_FIT / workload.flops, MIN_STEPS), MAX_STEPS))
        self.data = tf.data.Dataset.from_tensors((tf.constant(x), tf.constant(labels, tf.int32))).repeat()
        self.model.compile(
            keras.optimizers.Adam(peers.CHECK_RATE, peers.BETA_1, peers.BETA_2, peers.EPSILON),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            steps_per_execution=self.steps,
            jit_compile="auto",
        )

    def check(self):
        if not self.workload.trains:
            return None, [self.predict().numpy()]
        # The same step outside of the loop over steps, which would do all of them.
        x, labels = next(iter(self.data))
        loss = self.model.train_on_batch(x, labels)
        return float(loss), [np.array(w) for w in self.model.get_weights()]

    def predict(self):
        return self.predictor(self.x)

    def runs(self):
        if not self.workload.trains:
            return {"keras": (self.predict, 1)}
        self.model.optimizer.learning_rate.assign(peers.MEASURED_RATE)
        return {"keras": (lambda: self.model.fit(self.data, steps_per_epoch=self.steps, verbose=0), self.steps)}


def layers_of(workload):
    """Keras' own layers; the last one's activation is left to the loss."""
    last = len(workload.layers) - 1
    # -log(s_t / sum s) is a softmax over log s: the stable form of Keras' rule for sigmoid outputs.
    at_the_end = {"softmax": None, "sigmoid": "log_sigmoid"}
    result = []
    for number, layer in enumerate(workload.layers):
        match layer:
            case Dense():
                activation = at_the_end[layer.activation] if number == last else layer.activation
                if layer.towers:
                    shape = layer.positions, layer.outputs
                    result.append(keras.layers.EinsumDense("bti,tio->bto", shape, activation, "to"))
                else:
                    result.append(keras.layers.Dense(layer.outputs, activation))
            case Recurrent():
                unroll = layer.steps <= UNROLLED
                result.append(CELLS[layer.cell](layer.units, return_sequences=layer.sequences, unroll=unroll))
            case Convolution():
                result.append(keras.layers.Conv2D(layer.filters, layer.size, activation="relu"))
            case Pooling():
                result.append(keras.layers.MaxPooling2D())
            case Repeat():
                result.append(keras.layers.RepeatVector(layer.count))
            case Flatten():
                result.append(keras.layers.Flatten())
    return result
