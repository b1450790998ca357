"""A small classifier, and data for it."""

from tinynn import Sequential, layers, optimizers


def classifier(rng=0, dropout=0.0, dtype="float32", loss="sparse_categorical_crossentropy", metrics=()):
    middle = [layers.Dropout(dropout)] if dropout else []
    model = Sequential([layers.Dense(8, "tanh"), *middle, layers.Dense(3, "softmax")], (4,), rng=rng, dtype=dtype)
    model.compile(optimizers.Adam(0.01), loss, metrics)
    return model
