"""Three small trainings whose bits are known. ``python -m tests.model.fingerprints`` prints their fingerprints as JSON.

They use no mathematical library: the data are whole numbers, the initial weights uniform.
"""

import json

import numpy as np

from tinynn import Augmentation, Sequential, kernels, layers, optimizers, set_num_threads


def whole_numbers(*shape):
    """Whole numbers from 0 to 250 that look random."""
    return (np.arange(int(np.prod(shape))).reshape(shape) * 7919 % 251).astype(np.uint8)


LABELS = np.arange(90) * 5 % 4


def dense():
    """Large enough for a team; dropout, weight decay, a smaller last batch."""
    model = Sequential(
        [
            layers.Rescaling(1 / 256),
            layers.Dense(131, "relu"),
            layers.Dropout(0.25),
            layers.Dense(67, "tanh"),
            layers.LayerNormalization(),
            layers.Dense(4, "softmax"),
        ],
        (150,),
        rng=1,
    )
    model.compile(optimizers.AdamW(0.01), "sparse_categorical_crossentropy")
    model.fit(whole_numbers(90, 150), LABELS, batch_size=40, epochs=3, verbose=0)
    return model


def recurrent():
    """Each of the cells."""
    cells = [
        cell(units, return_sequences=sequences, recurrent_initializer="glorot_uniform")
        for cell, units, sequences in ((layers.LSTM, 33, True), (layers.GRU, 20, True), (layers.SimpleRNN, 17, False))
    ]
    model = Sequential([layers.Rescaling(1 / 128, -1), *cells, layers.Dense(4, "sigmoid")], (7, 12), rng=2)
    model.compile(optimizers.RMSprop(0.01, momentum=0.5), "mse")
    model.fit(whole_numbers(90, 7, 12), whole_numbers(90, 4) / 256, batch_size=32, epochs=2, verbose=0)
    return model


def images():
    """Convolution, pooling and batch normalization of images that are changed at random."""
    model = Sequential(
        [
            layers.Rescaling(1 / 256),
            layers.Reshape((14, 13, 1)),
            layers.Conv2D(9, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(4, "softmax"),
        ],
        (14, 13),
        rng=3,
    )
    model.compile(
        optimizers.SGD(0.05, momentum=0.9, global_clipnorm=1.0, use_ema=True), "sparse_categorical_crossentropy"
    )
    changes = Augmentation(shift=2, rotation=15, zoom=0.1, shear=0.1, elastic=0.5)
    model.fit(whole_numbers(90, 14, 13), LABELS, batch_size=32, epochs=2, augment=changes, verbose=0)
    return model


def fingerprints(threads):
    set_num_threads(threads)
    try:
        return {make.__name__: make().fingerprint() for make in (dense, recurrent, images)}
    finally:
        set_num_threads(None)


if __name__ == "__main__":
    found = {"instruction_set": kernels.instruction_set(), "fingerprints": fingerprints(2)}
    print(json.dumps(found))
