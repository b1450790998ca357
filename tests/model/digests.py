"""Prints SHA-256 of trained weights and predictions, as JSON: the same bits give the same digests.

Run as ``python -m tests.model.digests [threads ...]`` under different settings of TINYNN_CPU.
"""

import hashlib
import json
import sys

import numpy as np

from tinynn import Augmentation, Sequential, kernels, layers, optimizers, set_num_threads
from tinynn.optimizers import schedules


def dense(dtype):
    """Large enough for a team; dropout, shuffling, a smaller last batch, three epochs."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(300, 150)).astype(dtype), rng.integers(0, 10, 300)
    model = Sequential(
        [
            layers.Dense(131, "relu"),
            layers.Dropout(0.3),
            layers.Dense(67),
            layers.Activation("tanh"),
            layers.Dropout(0.1),
            layers.Dense(10, "softmax"),
        ],
        (150,),
        rng=2,
        dtype=dtype,
    )
    model.compile(optimizers.Adam(schedules.OneCycle(0.01, 9)), "sparse_categorical_crossentropy", ["accuracy"])
    weight = rng.uniform(size=300)
    return model, x, y, {"batch_size": 128, "epochs": 3, "sample_weight": weight}


def recurrent(dtype):
    """Sequences of bytes, gathered and scaled; batches in four groups of rows, and a small last one."""
    rng = np.random.default_rng(2)
    x, y = rng.integers(0, 256, (70, 6, 60)).astype(np.uint8), rng.normal(size=(70, 6, 3))
    model = Sequential(
        [
            layers.Rescaling(1 / 255),
            layers.LSTM(33, True),
            layers.GRU(30, True),
            layers.SimpleRNN(17),
            layers.RepeatVector(6),
            layers.TimeDistributed([layers.Dense(9, "sigmoid"), layers.Dropout(0.2), layers.Dense(3)]),
        ],
        (6, 60),
        rng=3,
        dtype=dtype,
    )
    model.compile(optimizers.RMSprop(0.01, momentum=0.5), "mse", ["mae"])
    return model, x, y, {"batch_size": 66, "epochs": 2}


def towers(dtype):
    """Branches at the same time, and the distribution of a sum."""
    rng = np.random.default_rng(3)
    x, y = rng.integers(0, 256, (90, 5, 120)).astype(np.uint8), rng.integers(0, 5, 90)
    model = Sequential(
        [
            layers.Rescaling(1 / 255),
            layers.Towers([layers.Dense(64, "relu"), layers.Dropout(0.5), layers.Dense(4)], 5),
            layers.TimeDistributed(layers.Dense(4, "softmax")),
            layers.SumDistribution(),
        ],
        (5, 120),
        rng=4,
        dtype=dtype,
    )
    model.compile(optimizers.AdamW(0.01), "sparse_categorical_crossentropy", ["accuracy"])
    return model, x, y, {"batch_size": 40, "epochs": 2}


def images(dtype):
    """Convolutions with and without padding, in more bands than threads; both poolings."""
    rng = np.random.default_rng(4)
    x, y = rng.integers(0, 256, (50, 3, 20, 19)).astype(np.uint8), rng.integers(0, 10, 50)
    recognizer = [
        layers.Reshape((20, 19, 1)),
        layers.Conv2D(16, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(),
        layers.BatchNormalization(),
        layers.Conv2D(33, (3, 5), strides=(1, 2), activation="tanh"),
        layers.AveragePooling2D(padding="same"),
        layers.Flatten(),
        layers.LayerNormalization(),
        layers.Dense(4, "softmax"),
    ]
    model = Sequential(
        [layers.Rescaling(1 / 255), layers.TimeDistributed(recognizer), layers.SumDistribution()],
        (3, 20, 19),
        rng=5,
        dtype=dtype,
    )
    optimizer = optimizers.SGD(0.01, momentum=0.9, global_clipnorm=0.1, use_ema=True)
    model.compile(optimizer, "sparse_categorical_crossentropy", ["accuracy"])
    # A sample of an array is one image, so its three images are changed as three channels would be.
    return model, x, y, {"batch_size": 20, "epochs": 2, "augment": Augmentation(2, 20, 0.1, 0.2, 1)}


MODELS = {"dense": dense, "recurrent": recurrent, "towers": towers, "images": images}


def digest_of(*arrays):
    total = hashlib.sha256()
    for array in arrays:
        total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()


def trained(name, dtype):
    """Digest of everything that training and prediction give."""
    model, x, y, keywords = MODELS[name](dtype)
    history = model.fit(x, y, validation_data=(x[:50], y[:50]), verbose=0, **keywords)
    values = [value for values in history.history.values() for value in values]
    kept = model._core.states.values()
    return digest_of(model.parameters, *kept, model.predict(x), values, model.evaluate(x, y, batch_size=41))


def digests(threads=1):
    set_num_threads(threads)
    try:
        return {f"{name} {dtype}": trained(name, dtype) for name in MODELS for dtype in ("float32", "float64")}
    finally:
        set_num_threads(None)


if __name__ == "__main__":
    print(
        json.dumps(
            {"instruction_set": kernels.instruction_set(), "digests": [digests(int(n)) for n in sys.argv[1:] or ["1"]]}
        )
    )
