"""One short epoch of the digit-sum networks: shuffle, gather the images, train.

The images are random, so no data set is needed.
"""

import numpy as np
import pytest

from benches.agreement import assert_trained_alike
from benches.numpy_networks import digit_sum, gather_digits
from tinynn import networks
from tinynn.datasets import DigitSums
from tinynn.optimizers import Adam

SUMS, DIGITS = 256, 10
RATE = 1e-6  # keeps the work the same when the epoch is repeated


def pair(name, cell, learning_rate):
    """The same network twice, with the same weights."""
    cell = cell or "lstm"  # the default of a network that has none
    model = networks.digit_sum(name, DIGITS, cell)
    model.compile(optimizer=Adam(learning_rate), loss="sparse_categorical_crossentropy")
    network = digit_sum(name, DIGITS, cell)
    network.set_weights(model.get_weights())
    return model, network


@pytest.mark.parametrize("version", ["numpy", "tinynn-1", "tinynn-2"])
@pytest.mark.parametrize("batch", [32, 128])
@pytest.mark.parametrize(
    "name, cell",
    [("baseline", "lstm"), ("baseline", "rnn"), ("baseline", "gru"), ("improved", "lstm"), ("shared", None)],
)
def test_epoch(name, cell, batch, version, measure, set_threads, rng):
    images = rng.integers(0, 256, (500, 28, 28), np.uint8)
    labels = rng.integers(0, 10, len(images))
    sums = DigitSums(images, labels, DIGITS, SUMS)
    _, indices, targets = sums.samples(0)
    gather = gather_digits(name, images, indices)

    def check():
        few = DigitSums.from_sums(images, indices[:77], targets[:77])  # so that the last batch is smaller
        model, network = pair(name, cell, 1e-3)
        before = model.get_weights()
        history = model.fit(few, batch_size=batch, verbose=0, shuffle=False)
        loss = network.fit(gather, targets[:77], batch, 1e-3)
        np.testing.assert_allclose(history.history["loss"][0], loss, rtol=1e-4)
        assert_trained_alike(before, model.get_weights(), network.get_weights())

    model, network = pair(name, cell, RATE)
    set_threads(version)
    measure(
        version,
        f"epoch of {SUMS} sums, {name} {cell or ''} B {batch}",
        lambda: model.fit(sums, batch_size=batch, verbose=0),
        lambda: network.fit(gather, targets, batch, RATE, rng.permutation(SUMS)),
        check,
    )
