"""How good networks are: expectations against brute force, ensembles against averages by hand."""

import itertools

import numpy as np
import pytest

from tests.numerics import assert_same_bits
from tinynn import Augmentation, Sequential, kernels, layers
from tinynn.datasets import DigitSums
from tinynn.networks import (
    READER,
    Ensemble,
    digit_sum,
    distribution,
    expected_exact,
    names_digits,
    score,
    score_readings,
)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(1).integers(0, 256, (30, 28, 28)).astype(np.uint8)


@pytest.mark.parametrize("digits", [1, 2, 3])
def test_expectation_is_that_over_all_sums(digits):
    residuals = [0, 0, 0, 1, -1, 2, -9, 0, 9]
    exact = np.mean([sum(errors) == 0 for errors in itertools.product(residuals, repeat=digits)])
    expected, low, high = expected_exact(residuals, digits)
    assert expected == pytest.approx(exact, abs=1e-12)
    assert 0 <= low <= expected <= high <= 1


def test_errors_that_make_up_for_each_other_count():
    assert expected_exact([1, -1], 2)[0] == pytest.approx(0.5)
    assert expected_exact([1, 1], 2)[0] == pytest.approx(0, abs=1e-12)


def test_interval_is_that_of_a_share(rng):
    """For one image the expectation is a share of n, whose standard deviation is known."""
    residuals = (rng.uniform(size=10_000) < 0.02).astype(int)
    expected, low, high = expected_exact(residuals, 1)
    width = 2 * 1.96 * np.sqrt(expected * (1 - expected) / 10_000)
    assert high - low == pytest.approx(width, rel=0.15)
    assert expected_exact(residuals, 1) == (expected, low, high)
    assert expected_exact(residuals, 1, rng=1) != (expected, low, high)


def test_many_images():
    assert expected_exact([0] * 999 + [1], 1_000)[0] == pytest.approx(0.999**1_000, rel=1e-9)
    with pytest.raises(ValueError, match="expected_exact: digits must be at least 1"):
        expected_exact([0], 0)


def test_score_by_hand(images):
    model, sums = digit_sum("baseline", 2), DigitSums(images, np.arange(30) % 10, 2, 50)
    found = score(model, sums, batch_size=7)
    errors = np.abs(model.predict(sums).argmax(axis=1) - sums.samples()[2])
    assert (found.digits, found.exact, found.absolute_error) == (2, np.mean(errors == 0), np.mean(errors))
    assert found.expected is None


def test_readings_of_each_image_score_as_the_model_does(images):
    labels = np.arange(30) % 10
    model, sums = digit_sum("shared", rng=3), DigitSums(images, labels, 3, 1_500)
    probabilities = Ensemble([model]).read(images)
    found = score_readings(probabilities, labels, sums)
    assert (found.exact, found.absolute_error) == (score(model, sums).exact, score(model, sums).absolute_error)
    assert found.expected == expected_exact(probabilities.argmax(axis=1) - labels, 3)[0]


def test_distribution_is_normalised(images):
    model = digit_sum("baseline", 2)
    x = images[:8].reshape(4, 2, 28, 28)
    output = model.predict(x)
    np.testing.assert_allclose(distribution(model, x), output / output.sum(axis=1, keepdims=True), rtol=1e-6)
    assert_same_bits(distribution(model, x), distribution(model, x, batch_size=1))


def test_ensemble_averages_the_readings(images):
    models = [digit_sum("shared", rng=0), digit_sum("conv", rng=1)]
    ensemble = Ensemble(models)
    read = [model.predict(images[:, None], output=READER)[:, 0].astype(np.float64) for model in models]
    np.testing.assert_allclose(ensemble.read(images), np.mean(read, axis=0), rtol=1e-5)
    x = images[:12].reshape(3, 4, 28, 28)
    expected = kernels.sum_distribution_forward(ensemble.read(images[:12]).reshape(3, 4, 10))
    np.testing.assert_allclose(ensemble.predict(x), expected, rtol=1e-5)


def test_one_model_is_an_ensemble(images):
    model = digit_sum("shared", rng=0)
    x = images[:12].reshape(4, 3, 28, 28)
    np.testing.assert_allclose(Ensemble(model).predict(x), model.predict(x), rtol=1e-5, atol=1e-8)


def test_augmented_copies_are_averaged(images):
    model, changes = digit_sum("conv", rng=0), Augmentation(shift=2, rotation=10)
    ensemble = Ensemble([model], augment=changes, copies=2, rng=7)
    seen = [images, *(kernels.augment(images, shift=2.0, rotation=10.0, key=7, epoch=copy) for copy in (1, 2))]
    read = [model.predict(each[:, None], output=READER)[:, 0].astype(np.float64) for each in seen]
    np.testing.assert_allclose(ensemble.read(images), np.mean(read, axis=0), rtol=1e-5)
    assert np.abs(ensemble.read(images) - Ensemble([model]).read(images)).max() > 1e-4


def test_who_names_digits():
    assert names_digits(digit_sum("conv"))
    assert not names_digits(digit_sum("improved", 2))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"models": []}, ValueError, "Ensemble: models must have at least one model"),
        ({"models": [1]}, TypeError, r"Ensemble: models\[0\] must be a Sequential, got int"),
        (
            {"models": [Sequential([layers.Dense(2)], (3,), name="other")]},
            ValueError,
            r"models\[0\] must read single digits, got other",
        ),
        ({"augment": 3}, TypeError, "Ensemble: augment must be a tinynn.Augmentation"),
        ({"augment": Augmentation(), "copies": 0}, ValueError, "Ensemble: copies must be at least 1"),
        ({"rng": -1}, ValueError, "Ensemble: rng must be at least 0"),
    ],
)
def test_wrong_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        Ensemble(**{"models": [digit_sum("shared")], **arguments})
