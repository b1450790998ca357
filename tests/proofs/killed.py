"""A training that writes a checkpoint after every few steps and goes on from one that is there.

Run as ``python -m tests.proofs.killed CHECKPOINT STEPS``. It prints a line before each checkpoint, and one of JSON at
its end: the fingerprint, and the SHA-256 of the history.
"""

import hashlib
import json
import os
import sys

import numpy as np

from tinynn import Augmentation, Sequential, layers, optimizers
from tinynn.callbacks import Callback, EarlyStopping

EPOCHS, STEPS = 150, 9


class Steps(Callback):
    def on_progress(self, step, logs=None):
        print(step, flush=True)


def train(path=None, every=60.0):
    model = Sequential(
        [
            layers.Rescaling(1 / 255),
            layers.Flatten(),
            layers.Dense(8, "relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.2),
            layers.Dense(3, "softmax"),
        ],
        (6, 6),
    )
    model.compile(optimizers.Adam(0.01, use_ema=True), "sparse_categorical_crossentropy", ["accuracy"])
    x = (np.arange(80 * 36).reshape(80, 6, 6) * 7919 % 251).astype(np.uint8)
    history = model.fit(
        x,
        np.arange(80) * 5 % 3,
        batch_size=8,
        epochs=EPOCHS,
        verbose=0,
        validation_split=0.1,
        augment=Augmentation(1, 10),
        callbacks=[EarlyStopping("val_loss", patience=100, restore_best_weights=True), Steps()],
        checkpoint=path,
        checkpoint_every=every,
        resume=path if path is not None and os.path.exists(path) else None,
    )
    content = json.dumps([history.epoch, history.history])
    return {"fingerprint": model.fingerprint(), "history": hashlib.sha256(content.encode()).hexdigest()}


if __name__ == "__main__":
    print(json.dumps(train(sys.argv[1], int(sys.argv[2]))), flush=True)
