"""Models for files, and files with a changed description and a valid hash."""

import json

from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from tests.model.reference import to_bytes
from tinynn import Sequential, layers, optimizers
from tinynn.io.format import canonical, digest


def everything(dtype="float32"):
    """A model with every layer, not compiled."""
    frozen = layers.Dense(6, name="frozen")
    frozen.trainable = False
    inside = layers.Dense(3, use_bias=False)
    inside.trainable = False
    return Sequential(
        [
            layers.Rescaling(0.5, 1.0),
            layers.LSTM(5, True, unit_forget_bias=False),
            layers.GRU(4, True, reset_after=False),
            layers.SimpleRNN(6, True, use_bias=False, recurrent_initializer="glorot_normal"),
            layers.TimeDistributed([frozen, layers.Activation("tanh"), layers.Dropout(0.25)]),
            layers.Towers([inside, layers.Reshape((1, 3)), layers.Flatten()], 4),
            layers.Activation("softmax"),
            layers.SumDistribution(),
            layers.RepeatVector(2),
            layers.Flatten(),
            layers.Dense(3, "sigmoid", name="last"),
        ],
        (4, 2),
        rng=11,
        dtype=dtype,
        name="everything",
    )


def compiled(optimizer=None, rng=3):
    model = Sequential([layers.Dense(4, "relu"), layers.Dropout(0.3), layers.Dense(3, "softmax")], (5,), rng=rng)
    model.compile(optimizer or optimizers.Adam(0.01), "sparse_categorical_crossentropy", ["accuracy"])
    return model


def parts():
    content = to_bytes(compiled())
    length = int.from_bytes(content[:8], "little")
    return json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["tinynn"]), load_tensors(content)


def forged(change, tensors=None):
    """A file with a changed description and a valid hash, as somebody who knows the format would make it."""
    description, own = parts()
    change(description)
    tensors = own if tensors is None else tensors
    description["sha256"] = digest(description, tensors)
    return save_tensors(tensors, {"tinynn": canonical(description)})


def at(*path):
    """Set the entry of a description at a path."""
    *path, value = path

    def change(description):
        for key in path[:-1]:
            description = description[key]
        description[path[-1]] = value

    return change
