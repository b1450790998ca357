"""Fixtures that every test may use."""

import numpy as np
import pytest
from hypothesis import settings

from tests.numerics import BLOCK_SIZES, ODD_SIZES, SMALL_SIZES
from tinynn import set_num_threads

# The same examples in every run, however slow the machine; nothing is kept from one run for the next.
settings.register_profile("tinynn", derandomize=True, deadline=None, database=None)
settings.load_profile("tinynn")


@pytest.fixture(params=[np.float32, np.float64], ids=["float32", "float64"])
def dtype(request):
    """Each of the two element types that kernels work in."""
    return np.dtype(request.param)


@pytest.fixture
def rng():
    """A random generator with the same numbers in every run."""
    return np.random.default_rng(20180612)


@pytest.fixture
def threads():
    """`set_num_threads`, for this test only: afterwards the default is restored, also if it fails."""
    yield set_num_threads
    set_num_threads(None)


@pytest.fixture(scope="session")
def odd_sizes():
    """Sizes at which vector and tile edges are met: see `tests.numerics.ODD_SIZES`."""
    return ODD_SIZES


@pytest.fixture(scope="session")
def small_sizes():
    """The odd sizes up to 33: vector widths and tile sizes without the K-blocks."""
    return SMALL_SIZES


@pytest.fixture(scope="session")
def block_sizes():
    """Sizes around one K-block of the matrix product."""
    return BLOCK_SIZES
