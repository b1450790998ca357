"""What holds for every run of the tests, wherever it was started."""

import signal
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest


def pytest_configure(config):
    """Leave with one line: here ``import tinynn`` finds the checkout, whatever else is installed."""
    kernels = Path(__file__).parent / "tinynn" / "kernels"
    compiled = [kernels / f"machine{suffix}" for suffix in EXTENSION_SUFFIXES]
    if kernels.is_dir() and not any(path.is_file() for path in compiled):
        pytest.exit("tinynn is not built in this checkout; do: pip install -e '.[test]'", returncode=4)
    # Background jobs of a shell inherit an ignored SIGINT, which tests of Ctrl-C would wait for in vain.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
