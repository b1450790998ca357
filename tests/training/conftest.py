"""Data for the classifier, and fixtures of tests that write checkpoints."""

import pytest

from tinynn.training import checkpoint as module


@pytest.fixture
def data(rng):
    """Samples and labels for `tests.training.classifier`."""
    return rng.normal(size=(50, 4)).astype("float32"), rng.integers(0, 3, 50)


@pytest.fixture
def empty_folder(tmp_path, monkeypatch):
    """The working folder, with nothing in it yet."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def written(monkeypatch):
    """The contents of all checkpoints that are written."""
    contents = []
    really = module.write_file

    def write_file(path, content):
        contents.append(content)
        really(path, content)

    monkeypatch.setattr(module, "write_file", write_file)
    return contents
