"""Runs the examples in the docstrings of every module, compiled ones too."""

import doctest
import importlib
import pkgutil

import pytest

import tinynn
from tinynn import kernels

MODULES = ["tinynn", *(each.name for each in pkgutil.walk_packages(tinynn.__path__, "tinynn."))]
MODULES.remove("tinynn.__main__")  # importing it runs the command


def examples(module):
    """The docstrings with examples in a module."""
    # Cython lists the examples once more, in __test__.
    found = doctest.DocTestFinder().find(module)
    return [each for each in found if each.examples and ".__test__." not in each.name]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TINYNN_OFFLINE", "1")
    runner, report = doctest.DocTestRunner(verbose=False), []
    for each in examples(importlib.import_module(name)):
        runner.run(each, out=report.append)
    assert not runner.summarize(verbose=False).failed, "".join(report)


def test_examples_of_kernels_are_found():
    for name in kernels.__all__:
        function = getattr(kernels, name)
        if ">>>" in (function.__doc__ or ""):
            found = examples(importlib.import_module(function.__module__))
            assert name in {each.name.rpartition(".")[2] for each in found}
