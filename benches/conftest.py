"""How the benches measure; how to run them is in README.md.

OpenBLAS gets one thread before NumPy is imported, so that NumPy and tinynn compute with equal means; where
NumPy is there already, its threads are limited afterwards, or the run ends with the reason.
"""

import os
import sys

OPENBLAS_THREADS = os.environ.setdefault("OPENBLAS_NUM_THREADS", "1") if "numpy" not in sys.modules else None

import numpy as np  # noqa: E402
import pytest  # noqa: E402


def pytest_configure(config):
    """See to it that NumPy's BLAS uses one thread."""
    try:
        import threadpoolctl
    except ImportError:
        wanted = OPENBLAS_THREADS or os.environ.get("OPENBLAS_NUM_THREADS")
        if wanted != "1":
            raise pytest.UsageError(
                f"benches: NumPy's OpenBLAS may use several threads (OPENBLAS_NUM_THREADS is {wanted!r}), "
                "so its figures would not compare; set OPENBLAS_NUM_THREADS=1, or install threadpoolctl"
            ) from None
    else:
        # Kept in the configuration: leaving its scope would give the threads back.
        config.benches_blas_limit = threadpoolctl.threadpool_limits(1, user_api="blas")


def pytest_unconfigure(config):
    """Give NumPy its threads back."""
    limit = getattr(config, "benches_blas_limit", None)
    if limit is not None:
        limit.restore_original_limits()


@pytest.fixture
def rng():
    """A random generator with the same numbers in every run."""
    return np.random.default_rng(20180612)


@pytest.fixture
def measure(request):
    """Measure one of two ways to do the same work, after a check that it is the same.

    ``measure(version, group, ours, theirs, check)``: `version` is ``"numpy"`` or begins with ``"tinynn"``;
    `ours` and `theirs` do the work once. With NumPy's turn, once for each pair, ``check()`` runs first.
    """

    def run(version, group, ours, theirs, check):
        if version == "numpy":
            check()
        benchmark = request.getfixturevalue("benchmark")
        benchmark.group = group
        benchmark(theirs if version == "numpy" else ours)

    return run


@pytest.fixture
def set_threads():
    """A function that sets tinynn's threads as a version's name says: ``"tinynn-2"``; undone afterwards."""
    import tinynn

    def set_threads(version):
        if version != "numpy":
            threads = int(version.removeprefix("tinynn-"))
            if threads > len(os.sched_getaffinity(0)):
                pytest.skip(f"needs {threads} cores")
            tinynn.set_num_threads(threads)

    yield set_threads
    tinynn.set_num_threads(None)
