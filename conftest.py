"""Tells what is missing when the tests are started in a checkout without compiled modules."""

from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest


def pytest_configure(config):
    """Leave with one line: here ``import tinynn`` finds the checkout, whatever else is installed."""
    kernels = Path(__file__).parent / "tinynn" / "kernels"
    compiled = [kernels / f"machine{suffix}" for suffix in EXTENSION_SUFFIXES]
    if kernels.is_dir() and not any(path.is_file() for path in compiled):
        pytest.exit("tinynn is not built in this checkout; do: pip install -e '.[test]'", returncode=4)
