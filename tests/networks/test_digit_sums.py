"""The ready-made networks: their shapes, their parameters counted by hand, and that they learn."""

import dataclasses

import numpy as np
import pytest

import tinynn
from tinynn.datasets import DigitSums
from tinynn.networks import CELLS, NAMES, READER, digit_sum, reads_digits, recipe

# One recogniser, weights and biases: 784 -> 128 -> 10, and in improved 784 -> 784 -> 128 -> 10.
RECOGNISER = (784 * 128 + 128) + (128 * 10 + 10)
DEEPER = (784 * 784 + 784) + RECOGNISER


def recurrent(cell, inputs):
    """Parameters of a recurrent layer of 128 units: LSTM 4 gates, GRU 3 with two biases, the simple one 1."""
    gates, biases = {"lstm": (4, 1), "gru": (3, 2), "rnn": (1, 1)}[cell]
    return gates * (inputs * 128 + 128 * 128 + biases * 128)


def classes(digits):
    """Parameters of TimeDistributed(Dense(10)) and of the Dense over the sums."""
    places = {1: 1, 2: 2, 10: 2, 11: 2, 12: 3}[digits]
    return (128 * 10 + 10) + (places * 10 * (9 * digits + 1) + 9 * digits + 1)


def count(name, digits, cell):
    """Parameters by hand."""
    if name == "shared":
        return RECOGNISER
    if name == "wide":
        return (784 * 512 + 512) + (512 * 10 + 10)
    if name == "conv":  # 5 x 5 filters: 1 -> 16 and, after 2 x 2, 16 -> 32; 4 x 4 x 32 numbers are left
        return (25 * 16 + 16) + (25 * 16 * 32 + 32) + (512 * 128 + 128) + (128 * 10 + 10)
    if name == "baseline":
        return digits * RECOGNISER + recurrent(cell, 10) + recurrent(cell, 128) + classes(digits)
    return digits * DEEPER + recurrent(cell, 10) + 2 * recurrent(cell, 128) + classes(digits)


def sums_of_noise(digits, size=32):
    """Sums of images that are all different."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (40, 28, 28), np.uint8)
    return DigitSums(images, np.arange(40) % 10, digits, size)


def test_hand_counts_for_ten_digits_are_the_known_numbers():
    assert count("shared", 10, "lstm") == 101_770
    assert count("baseline", 10, "lstm") == 1_223_653
    assert count("improved", 10, "lstm") == 7_509_637


@pytest.mark.parametrize("digits", [1, 2, 10, 12])
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("name", NAMES)
def test_shapes_and_number_of_parameters(name, cell, digits):
    model = digit_sum(name, digits, cell)
    assert model.input_shape == (None if reads_digits(name) else digits, 28, 28)
    assert model.count_params() == count(name, digits, cell)
    output = model.predict(np.zeros((3, digits, 28, 28), np.uint8))
    assert output.shape == (3, 9 * digits + 1)
    assert np.isfinite(output).all()


@pytest.mark.parametrize(
    "name, cell",
    [(name, "lstm") for name in NAMES if reads_digits(name)]
    + [("baseline", cell) for cell in CELLS]
    + [("improved", "gru")],
)
def test_a_few_steps_lower_the_loss(name, cell):
    model = digit_sum(name, 2, cell)
    dataclasses.replace(recipe(name), epochs=8, sums=32, batch_size=8, learning_rate=3e-3).compile(model)
    losses = model.fit(sums_of_noise(2), batch_size=8, epochs=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


def test_shared_puts_out_the_distribution_of_the_sum_of_what_it_reads():
    model = digit_sum("shared", 3)
    x, _ = sums_of_noise(3)[:5]
    read = model.predict(x, output=READER).astype(np.float64)
    assert read.shape == (5, 3, 10)
    np.testing.assert_allclose(read.sum(axis=2), 1, rtol=1e-5)
    for digits, distribution in zip(read, model.predict(x), strict=True):
        expected = np.convolve(np.convolve(digits[0], digits[1]), digits[2])
        np.testing.assert_allclose(distribution, expected, rtol=1e-4, atol=1e-7)


def test_shared_reads_an_image_alike_at_every_place_and_towers_do_not():
    image = sums_of_noise(1)[:1][0][0, 0]
    x = np.stack([image] * 4)[None]
    read = digit_sum("shared", 4).predict(x, output=READER)[0]
    assert (read == read[0]).all()
    read = digit_sum("conv", 4).predict(x, output=READER)[0]
    assert (read == read[0]).all()
    recognised = digit_sum("baseline", 4).predict(x, output="recognisers")[0]
    assert not np.allclose(recognised[0], recognised[1])


@pytest.mark.parametrize("name", ["shared", "wide", "conv"])
def test_any_number_of_images_whatever_it_was_made_for(name):
    model = digit_sum(name, 3)
    for count in (1, 2, 100):
        output = model.predict(np.zeros((2, count, 28, 28), np.uint8))
        assert output.shape == (2, 9 * count + 1)
        np.testing.assert_allclose(output.sum(axis=1), 1, rtol=1e-4)


def test_bytes_are_scaled_to_one():
    x, _ = sums_of_noise(2)[:4]
    model = digit_sum("baseline", 2)
    np.testing.assert_allclose(model.predict(x, output="pixels"), x / 255, rtol=1e-6)


def test_the_seed_decides_the_weights():
    first, second, other = (digit_sum("shared", 2, rng=seed).parameters for seed in (3, 3, 4))
    assert (first == second).all() and not (first == other).all()


@pytest.mark.parametrize("name", NAMES)
def test_saved_and_loaded_it_is_the_same(name, tmp_path):
    model = digit_sum(name, 2, "gru")
    model.save(tmp_path / "model.safetensors")
    loaded = tinynn.load(tmp_path / "model.safetensors")
    x, _ = sums_of_noise(2)[:4]
    assert loaded.name == name
    assert (loaded.predict(x) == model.predict(x)).all()


@pytest.mark.parametrize(
    "arguments, message",
    [
        (
            ("bassline",),
            r"unknown network 'bassline'; known: shared, wide, conv, baseline, improved; did you mean 'baseline'\?",
        ),
        (("baseline", 10, "lstn"), r"unknown cell 'lstn'; known: lstm, rnn, gru; did you mean 'lstm'\?"),
        (("shared", 10, "xyz"), "unknown cell 'xyz'"),
        (("shared", 0), "digit_sum: digits must be at least 1, got 0"),
    ],
)
def test_what_there_is_not(arguments, message):
    with pytest.raises(ValueError, match=message):
        digit_sum(*arguments)


@pytest.mark.parametrize("arguments", [(3,), ("shared", 2.5), ("shared", True), ("shared", 10, None)])
def test_wrong_types(arguments):
    with pytest.raises(TypeError):
        digit_sum(*arguments)


@pytest.mark.parametrize("name", ["shared", "wide", "conv"])
def test_no_digit_label_enters_training(name):
    """Wrong digits with the same sums give the same bits."""
    images = np.random.default_rng(0).integers(0, 256, (40, 28, 28), np.uint8)
    digits = np.random.default_rng(1).integers(1, 9, 40)
    sums = DigitSums.disjoint(images, digits, 2, rng=3)
    _, indices, totals = sums.samples()
    wrong = digits.copy()
    wrong[indices[:, 0]] += 1
    wrong[indices[:, 1]] -= 1
    assert (wrong != digits).all()
    other = DigitSums.from_sums(images, indices, wrong[indices].sum(axis=1))
    weights = []
    for data in (sums, other):
        model = digit_sum(name, 2, rng=5)
        small = dataclasses.replace(recipe(name), epochs=2, sums=len(sums), batch_size=8)
        small.compile(model)
        model.fit(data, batch_size=8, epochs=2, verbose=0, augment=small.augment)
        weights.append(model.parameters)
    assert (totals == other.samples()[2]).all()
    assert (weights[0] == weights[1]).all()
