"""Judgements by others: their tests, their numbers, as they are."""

import importlib
import os

import pytest


def required(module):
    """The module; a reason to skip what needs it, unless TINYNN_JUDGES=1 says that nothing may be skipped."""
    if os.environ.get("TINYNN_JUDGES") == "1":
        return importlib.import_module(module)
    return pytest.importorskip(module)
