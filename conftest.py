"""Tells what is missing when the tests are started in a checkout without compiled modules."""

from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest


def pytest_configure(config):
    """Leave with one line: in a checkout, ``import tinynn`` finds the checkout, whatever else is installed."""
    kernels = Path(__file__).parent / "tinynn" / "kernels"
    if kernels.is_dir() and not any((kernels / f"machine{suffix}").is_file() for suffix in EXTENSION_SUFFIXES):
        pytest.exit("tinynn is not built in this checkout; build it with: pip install -e '.[test]'", returncode=4)
