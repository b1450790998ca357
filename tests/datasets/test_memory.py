"""Data sets of arrays in any memory: what they hold is what a clean copy gives, or an error that names the argument."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.memory import altered, disguised, outcome
from tinynn.datasets import DigitSums, read_idx, split_images, write_idx

RNG = np.random.default_rng(4)
IMAGES = RNG.integers(0, 256, (20, 3, 2), np.uint8)
LABELS = np.arange(20) % 10
INDICES = RNG.integers(0, 20, (7, 4))
SUMS = LABELS[INDICES].sum(axis=1)
MAKERS = {
    "DigitSums": (lambda images, labels: DigitSums(images, labels, 3, 50, resample=True), "images", "labels"),
    "disjoint": (lambda images, labels: DigitSums.disjoint(images, labels, 3), "images", "labels"),
    "from_sums": (DigitSums.from_sums, "images", "indices", "sums"),
    "split_images": (lambda images, labels: split_images(images, labels, 5), "images", "labels"),
}
ARRAYS = {"images": IMAGES, "labels": LABELS, "indices": INDICES, "sums": SUMS}


def contents(made):
    """All arrays that a data set hands out, or those of a split, in one byte order."""
    if isinstance(made, DigitSums):
        made = [made.samples(0), made.samples(3), made[1], made[::-2]]
    arrays = [np.asarray(array) for part in made for array in part]
    return [array.astype(array.dtype.newbyteorder("=")) for array in arrays]


@pytest.mark.parametrize("maker", MAKERS)
@settings(max_examples=30)
@given(data=st.data())
def test_any_memory(maker, data):
    make, *names = MAKERS[maker]
    kinds = st.sampled_from(("uint8", "float32", "float64", "int16", "int64", "uint64"))
    clean = [data.draw(altered(ARRAYS[name].astype(data.draw(kinds)))) for name in names]
    given = [data.draw(disguised(array)) for array in clean]
    before = [array.tobytes() for array in given]
    expected = outcome(lambda: contents(make(*(np.array(array, order="C") for array in clean))), names)
    swapped = given[0].dtype.kind == "f" and not given[0].dtype.isnative
    assert outcome(lambda: contents(make(*given)), names) == (TypeError if swapped else expected)
    assert [array.tobytes() for array in given] == before


@settings(max_examples=30)
@given(data=st.data())
def test_idx_files_of_arrays_in_any_memory(data, tmp_path_factory):
    kinds = st.sampled_from(("uint8", "int8", "int16", "int32", "float32", "float64"))
    clean = data.draw(altered(IMAGES.astype(data.draw(kinds))))
    given = data.draw(disguised(clean))
    before = given.tobytes()
    path = tmp_path_factory.mktemp("idx") / "file"

    def written(array):
        write_idx(path, array)
        return np.frombuffer(path.read_bytes(), np.uint8)

    expected = outcome(lambda: written(np.array(clean, order="C")), ["array"])
    assert outcome(lambda: written(given), ["array"]) == expected
    if not isinstance(expected, type):
        np.testing.assert_array_equal(read_idx(path), clean)
    assert given.tobytes() == before
