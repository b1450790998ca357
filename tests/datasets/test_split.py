import numpy as np
import pytest

from tinynn.datasets import split_images
from tinynn.datasets.split import stratified


def numbered(count, classes=10):
    """Images whose pixels tell which one it is, and labels of unequal frequency."""
    images = np.arange(count, dtype=np.float64).reshape(count, 1, 1)
    labels = np.sqrt(np.arange(count) * classes**2 / count).astype(np.uint8)
    return images, np.random.default_rng(1).permutation(labels)


@pytest.mark.parametrize("count, validation", [(1000, 100), (1003, 77), (50, 49), (50, 1), (2, 1), (30, 7)])
def test_parts_are_disjoint_complete_and_keep_their_labels(count, validation):
    images, labels = numbered(count)
    (x, y), (xv, yv) = split_images(images, labels, validation)
    assert len(xv) == len(yv) == validation
    assert len(x) == len(y) == count - validation
    numbers, numbers_validation = (part.ravel().astype(int).tolist() for part in (x, xv))
    assert sorted(numbers + numbers_validation) == list(range(count))
    assert numbers == sorted(numbers) and numbers_validation == sorted(numbers_validation)
    assert y.tolist() == labels[numbers].tolist() and yv.tolist() == labels[numbers_validation].tolist()
    assert x.dtype == images.dtype and y.dtype == labels.dtype


@pytest.mark.parametrize("validation", [1, 10, 333, 999])
def test_every_label_has_its_share(validation):
    images, labels = numbered(1000)
    _, (_, chosen) = split_images(images, labels, validation)
    for label in range(10):
        assert abs((chosen == label).sum() - (labels == label).sum() * validation / 1000) < 1


def test_any_integers_may_be_labels():
    labels = np.array([-5, 1000, -5, 1000])
    _, (_, chosen) = split_images(np.zeros((4, 1)), labels, 2)
    assert sorted(chosen.tolist()) == [-5, 1000]


def test_the_largest_remainders_get_what_is_left_over():
    labels = np.repeat([0, 1, 2], [10, 19, 11])  # of 10 images: 2.5, 4.75 and 2.75
    chosen = stratified(labels, 10, np.arange(40))
    assert np.bincount(labels[chosen]).tolist() == [2, 5, 3]


def test_the_rng_decides():
    images, labels = numbered(500)

    def chosen(rng):
        return split_images(images, labels, 50, rng=rng)[1][0].ravel().tolist()

    assert chosen(0) == chosen(0) == chosen(np.random.SeedSequence(0))
    assert chosen(0) != chosen(1)
    assert chosen(np.random.default_rng(3)) == chosen(np.random.default_rng(3))


def test_stratified_takes_the_first_in_order():
    labels = np.array([0, 1, 0, 1, 0, 1])
    chosen = stratified(labels, 2, np.array([5, 4, 3, 2, 1, 0]))
    assert np.flatnonzero(chosen).tolist() == [4, 5]


@pytest.mark.parametrize("validation", [4, 5000])
def test_nothing_left_to_train_on(validation):
    with pytest.raises(ValueError, match=f"validation must be less than 4, the number of images, got {validation:,}"):
        split_images(np.zeros((4, 2)), np.zeros(4, dtype=int), validation)


@pytest.mark.parametrize(
    "change, error, message",
    [
        ({"validation": 0}, ValueError, "validation must be at least 1, got 0"),
        ({"validation": 0.1}, TypeError, "validation must be a whole number, got 0.1"),
        ({"images": np.zeros((0, 2))}, ValueError, "images must have at least one image"),
        ({"labels": np.zeros(3, dtype=int)}, ValueError, r"labels must be of shape \(4,\), .* got \(3,\)"),
        ({"labels": np.zeros(4)}, TypeError, "labels must be of an integer dtype, got float64"),
        ({"rng": "x"}, TypeError, "rng must be an int"),
    ],
)
def test_bad_arguments_are_named(change, error, message):
    arguments = {"images": np.zeros((4, 2)), "labels": np.zeros(4, dtype=int), "validation": 1} | change
    with pytest.raises(error, match=f"split_images: {message}"):
        split_images(**arguments)
