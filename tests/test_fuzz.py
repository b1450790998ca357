"""The fuzz targets work: they run on what they begin with, and on damage to it, without the fuzzer."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "fuzz"
if not FOLDER.is_dir():
    pytest.skip("the fuzz targets are in the checkout only", allow_module_level=True)

from fuzz import targets  # noqa: E402


@pytest.mark.parametrize("name", targets.TARGETS)
def test_seeds(name, monkeypatch, rng):
    target, seeds = targets.TARGETS[name]
    used = []
    monkeypatch.setattr(targets, "use", lambda model, use=targets.use: (used.append(model), use(model)))
    for seed in seeds:
        target(seed)
        for _ in range(2):
            changed = bytearray(seed)
            changed[rng.integers(len(seed))] ^= 1 << rng.integers(8)
            target(bytes(changed))
    assert bool(used) == (name == "forged")  # some hostile descriptions make models that work


def test_a_target_notices(monkeypatch):
    """A file that reads as what it is not, and an error that names no file."""
    one, other = targets.SEEDS[:2]
    for contents in ([one, one], [one, other]):
        with monkeypatch.context() as patch:
            patch.setattr(targets.Sequential, "_to_bytes", lambda model, contents=contents: contents.pop(0))
            with pytest.raises(AssertionError) if contents[1] is other else contextlib.nullcontext():
                targets.load(one)

    def nameless(path):
        raise ValueError("damaged")

    monkeypatch.setattr(targets, "read_idx", nameless)
    with pytest.raises(AssertionError, match="damaged"):
        targets.idx(targets.TARGETS["idx"][1][0])


def test_under_the_fuzzer():
    pytest.importorskip("atheris")
    command = [sys.executable, "-m", "fuzz", "idx", "-runs=20"]
    environment = {**os.environ, "PYTHONPATH": str(FOLDER.parent)}
    subprocess.run(command, cwd=FOLDER.parent, env=environment, check=True, capture_output=True)
