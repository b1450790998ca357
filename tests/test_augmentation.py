"""Augmentation in fit: what the network sees, in which epoch, at which place; and arguments that are wrong."""

import numpy as np
import pytest

from tests import oracles
from tests.numerics import assert_same_bits
from tinynn import Augmentation, Sequential, datasets, kernels, layers

WAYS = {"shift": 2.0, "rotation": 20.0, "zoom": 0.2, "shear": 0.2, "elastic": 1.0}


class Watch(layers.PythonLayer):
    """Keeps what passes through."""

    seen: list = []

    def forward(self, x):
        self.seen.append(np.array(x))
        return np.array(x)

    def backward(self, dy, x, y):
        return dy


def watched(shape, dtype="float32", scale=1.0):
    Watch.seen = []
    chain = [Watch(), layers.Flatten(), layers.Dense(2, "softmax")]
    model = Sequential(([layers.Rescaling(scale)] if scale != 1 else []) + chain, shape, rng=9, dtype=dtype)
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


def samples_seen(n, batch, epochs):
    assert len(Watch.seen) == epochs * -(-n // batch)
    return np.concatenate(Watch.seen).reshape(epochs, n, *Watch.seen[0].shape[1:])


@pytest.mark.parametrize("kind", ["uint8", "float32", "float64"])
@pytest.mark.parametrize("shape", [(8, 9), (8, 9, 3)])
def test_the_network_sees_what_the_kernel_makes(kind, shape, dtype, rng):
    x, y = rng.integers(0, 256, (7, *shape)).astype(kind), rng.integers(0, 2, 7)
    model = watched(shape, dtype)
    model.fit(x, y, batch_size=3, epochs=2, shuffle=False, verbose=0, augment=Augmentation(**WAYS))
    for epoch, seen in enumerate(samples_seen(7, 3, 2)):
        expected = kernels.augment(x.astype(dtype), **WAYS, key=model._core.key, epoch=epoch)
        assert_same_bits(seen, expected)


def test_rescaling_comes_after(rng):
    x, y = rng.integers(0, 256, (4, 6, 6)).astype(np.uint8), rng.integers(0, 2, 4)
    model = watched((6, 6), scale=1 / 255)
    model.fit(x, y, shuffle=False, verbose=0, augment=Augmentation(shift=1))
    expected = kernels.augment(x, shift=1.0, key=model._core.key) * np.float32(1 / 255)
    np.testing.assert_allclose(samples_seen(4, 4, 1)[0], expected, rtol=1e-6)


def test_a_sample_is_changed_alike_wherever_it_comes_in_the_epoch(rng):
    x, y = np.repeat(rng.integers(0, 256, (1, 9, 9)), 20, axis=0).astype(np.uint8), np.zeros(20, int)
    orders = []
    for shuffle in (True, False):
        model = watched((9, 9))
        model.fit(x, y, batch_size=6, shuffle=shuffle, verbose=0, augment=Augmentation(**WAYS))
        orders.append([image.tobytes() for image in samples_seen(20, 6, 1)[0]])
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1])
    assert len(set(orders[0])) == 20


def test_images_of_a_sum_are_changed_each_in_its_own_way(rng):
    images = rng.integers(0, 256, (5, 8, 8)).astype(np.uint8)
    data = datasets.DigitSums(images, [0, 1, 2, 3, 4], digits=3, size=4)
    Watch.seen = []
    model = Sequential([Watch(), layers.Flatten(), layers.Dense(28, "softmax")], (3, 8, 8), rng=4)
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(data, shuffle=False, verbose=0, augment=Augmentation(**WAYS))
    indices = data.samples()[1]
    for sample, row in enumerate(indices):
        for place, index in enumerate(row):
            expected = oracles.changed(images[index][..., None], model._core.key, 0, sample, place, **WAYS)[..., 0]
            np.testing.assert_allclose(Watch.seen[0][sample, place], expected, atol=0.05)


def test_off_by_default_and_not_in_validation(rng):
    x, y = rng.integers(0, 256, (5, 6, 6)).astype(np.uint8), rng.integers(0, 2, 5)
    model = watched((6, 6))
    model.fit(x, y, shuffle=False, verbose=0, validation_data=(x, y), augment=Augmentation(shift=2))
    assert_same_bits(Watch.seen[1], x.astype(np.float32))
    assert np.abs(Watch.seen[0] - x).max() > 1


def test_wrong_arguments(rng):
    model = watched((6, 6))
    x, y = np.zeros((2, 6, 6), np.uint8), np.zeros(2, int)
    with pytest.raises(TypeError, match="fit: augment must be a tinynn.Augmentation, got {'shift': 1}"):
        model.fit(x, y, augment={"shift": 1})
    with pytest.raises(ValueError, match="Augmentation: zoom must be"):
        Augmentation(zoom=1)
    with pytest.raises(ValueError, match=r"fit: images to augment must have shape .* got \(5,\)"):
        flat = Sequential([layers.Dense(2, "softmax")], (5,))
        flat.compile("sgd", "sparse_categorical_crossentropy")
        flat.fit(np.zeros((2, 5), "f4"), y, verbose=0, augment=Augmentation(shift=1))


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("shear", 1e39, ValueError),
        ("smoothness", 1e-18, ValueError),
        ("shift", "2", TypeError),
        ("zoom", None, TypeError),
    ],
)
def test_limits_hold_at_construction_and_when_used(name, value, error):
    with pytest.raises(error, match=f"Augmentation: {name} must be"):
        Augmentation(**{name: value})
    spoilt = Augmentation(elastic=1)
    setattr(spoilt, name, value)
    model = watched((6, 6))
    with pytest.raises(error, match=f"fit: augment: {name} must be"):
        model.fit(np.zeros((2, 6, 6), np.uint8), np.zeros(2, int), verbose=0, augment=spoilt)
    assert not Watch.seen


def test_describes_itself():
    assert repr(Augmentation(**WAYS)) == "Augmentation(shift=2.0, rotation=20.0, zoom=0.2, shear=0.2, elastic=1.0)"
    assert Augmentation.from_config(Augmentation(**WAYS).get_config()) == Augmentation(**WAYS)
