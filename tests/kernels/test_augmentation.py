"""Random changes of images against the oracle, and what they must not change."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import oracles
from tests.numerics import assert_same_bits
from tinynn import kernels
from tinynn.kernels._augmentation import LIMITS

ALL = {"shift": 2.5, "rotation": 30, "zoom": 0.3, "shear": 0.4, "elastic": 1.2}


def smooth_images(rng, shape):
    """Images without steps, in which a position that is off by a rounding error changes little."""
    rows, columns = np.mgrid[: shape[1], : shape[2]]
    waves = np.sin(rows / 3 + rng.uniform(0, 6)) + np.cos(columns / 4 + rng.uniform(0, 6)) + 2
    return np.broadcast_to((waves * 50).reshape(1, *shape[1:3], *[1] * (len(shape) - 3)), shape)


@pytest.mark.parametrize(
    "options",
    [{}, *({name: value} for name, value in ALL.items()), ALL, {"elastic": 0.8, "smoothness": 2.0}, {"rotation": 180}],
)
@pytest.mark.parametrize("shape", [(2, 9, 14), (2, 12, 9, 3), (1, 1, 17), (3, 1, 1)])
@pytest.mark.parametrize("kind", ["uint8", "float32", "float64"])
def test_equals_the_oracle(kind, shape, options, rng):
    images = smooth_images(rng, shape).astype(kind)
    found = kernels.augment(images, **options, key=2**40 + 3, epoch=5, first_sample=7)
    assert found.dtype == (np.float64 if kind == "float64" else np.float32)
    expected = oracles.augment(images, **options, key=2**40 + 3, epoch=5, first_sample=7)
    np.testing.assert_allclose(found, expected, atol=1e-6 if kind == "float64" else 2e-3)


def test_no_options_change_nothing(rng):
    images = rng.integers(0, 256, (3, 28, 28)).astype(np.uint8)
    assert_same_bits(kernels.augment(images), images.astype(np.float32))


def test_an_image_depends_on_its_number_only(rng):
    images = rng.integers(0, 256, (6, 13, 11)).astype(np.uint8)
    together = kernels.augment(images, **ALL, key=1)
    assert_same_bits(kernels.augment(images[4:], **ALL, key=1, first_sample=4), together[4:])
    same = kernels.augment(np.repeat(images[:1], 6, axis=0), **ALL, key=1)
    assert all(np.abs(same[i] - same[j]).max() > 1 for i in range(6) for j in range(i))


@pytest.mark.parametrize("other", [{"key": 2}, {"epoch": 1}, {"first_sample": 1}])
def test_key_epoch_and_number_matter(other, rng):
    images = rng.integers(0, 256, (1, 20, 20)).astype(np.uint8)
    one, two = (kernels.augment(images, **ALL, **where) for where in ({"key": 1}, {"key": 1, **other}))
    assert np.abs(one - two).max() > 1


def test_the_displacement_spreads_as_wide_as_asked():
    """On a slope, a pixel's value shows how far it moved."""
    slope = np.broadcast_to(np.arange(64.0), (400, 64, 64))
    moved = kernels.augment(slope, elastic=1.5)[:, 16:48, 16:48] - slope[:, 16:48, 16:48]
    assert abs(moved.std() - 1.5) < 0.03
    assert abs(moved.mean()) < 0.05


def test_limits_are_met_and_kept():
    slope = np.broadcast_to(np.arange(32.0), (500, 32, 32))
    moved = kernels.augment(slope, shift=3)[:, 16, 16] - 16
    assert -3 <= moved.min() < -2.9
    assert 2.9 < moved.max() <= 3


def test_no_images():
    assert kernels.augment(np.empty((0, 4, 4), np.uint8), shift=1).shape == (0, 4, 4)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"shift": -1}, ValueError, "shift must be from 0 to 1000000, got -1"),
        ({"shift": 10**400}, ValueError, "shift must be from 0 to 1000000"),
        ({"elastic": float("nan")}, ValueError, "elastic must be from 0 to 1000000, got nan"),
        ({"elastic": float("inf")}, ValueError, "elastic must be from 0 to 1000000, got inf"),
        ({"zoom": 1.0}, ValueError, "zoom must be from 0 to 0.99, got 1.0"),
        ({"rotation": 181}, ValueError, "rotation must be from 0 to 180"),
        ({"shear": 1e39}, ValueError, r"shear must be from 0 to 1000, got 1e\+39"),
        ({"smoothness": 0}, ValueError, "smoothness must be from 0.25 to 1000000, got 0"),
        ({"smoothness": 1e-18, "elastic": 1}, ValueError, "smoothness must be from 0.25"),
        ({"smoothness": 1e30}, ValueError, "smoothness must be from 0.25"),
        ({"shear": "1"}, TypeError, "shear must be a real number, got '1'"),
        ({"shift": True}, TypeError, "shift must be a real number"),
        ({"shift": 1j}, TypeError, "shift must be a real number"),
        ({"key": -1}, ValueError, "key must be from 0 to 18446744073709551615, got -1"),
        ({"epoch": 2**32}, ValueError, "epoch must be from 0 to 4294967295"),
        ({"first_sample": 0.5}, TypeError, "first_sample must be a whole number, got 0.5"),
    ],
)
def test_wrong_options(options, error, message):
    with pytest.raises(error, match=f"augment: {message}"):
        kernels.augment(np.zeros((1, 4, 4), np.uint8), **options)


def bounds(name):
    """Either end, or something in between."""
    minimum, maximum = LIMITS[name]
    return st.sampled_from([minimum, maximum]) | st.floats(minimum, maximum)


@settings(max_examples=60)
@given(
    shape=st.sampled_from([(1, 1), (1, 300), (300, 1), (7, 5), (28, 28, 1), (3, 4, 5), (90, 110)]),
    kind=st.sampled_from(["uint8", "float32", "float64"]),
    options=st.fixed_dictionaries({}, optional={name: bounds(name) for name in LIMITS}),
    key=st.integers(0, 2**64 - 1),
)
def test_within_the_limits_an_image_stays_in_its_range(shape, kind, options, key):
    """Every number is finite and between the minimum and the maximum of the image, or of 0, which surrounds it."""
    images = np.random.default_rng(key).uniform(0, 250, (2, *shape)).astype(kind)
    found = kernels.augment(images, **options, key=key)
    assert np.isfinite(found).all()
    assert found.min() >= min(0, images.min()) - 1e-3
    assert found.max() <= max(0, images.max()) + 1e-3


@pytest.mark.parametrize("shape", [(1, 2**20 + 1, 1), (1, 1, 2**20 + 1), (0, 2**16, 2**16), (0, 2**10, 2**10, 2**11)])
def test_images_too_large_to_count_in_32_bits(shape):
    with pytest.raises(ValueError, match="augment: images to augment must have at most 1,048,576 rows and columns"):
        kernels.augment(np.zeros(shape, np.uint8), shift=1)


@pytest.mark.parametrize("shape", [(1, 2**20), (2**20, 1)])
def test_the_longest_images(shape):
    images = np.full((1, *shape), 7, np.uint8)
    found = kernels.augment(images, **{name: maximum for name, (_, maximum) in LIMITS.items()} | {"smoothness": 0.25})
    assert np.isfinite(found).all()
    found = kernels.augment(images, elastic=0.01, smoothness=0.25)
    assert (found[:, 8:-8] > 6).all() if shape[1] == 1 else (found[..., 8:-8] > 6).all()


@pytest.mark.parametrize("shape", [(4, 4), (1, 2, 3, 4, 5), (2, 0, 4)])
def test_wrong_shapes(shape):
    with pytest.raises(ValueError, match=r"augment: images to augment must have shape \(rows, columns\)"):
        kernels.augment(np.zeros(shape, np.uint8))


def test_wrong_dtype():
    with pytest.raises(TypeError, match="augment: images must be uint8, float32 or float64, got int64"):
        kernels.augment(np.zeros((1, 4, 4), np.int64))
