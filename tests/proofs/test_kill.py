"""A training that is killed over and over again, also while it writes, ends with the bits of one that never was."""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.proofs.killed import EPOCHS, STEPS, train
from tinynn import kernels, load

ROOT = Path(__file__).parents[2]
#: Steps, and checkpoints, that a process may live to see.
LIFE = 6


def begin(path, every):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TINYNN_CPU": kernels.instruction_set()}
    command = [sys.executable, "-m", "tests.proofs.killed", str(path), str(every)]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)


def killed_so_often(kills, folder):
    """Train, killed so often and then no more; returns the last words, and how many kills met a write."""
    assert kills * LIFE < EPOCHS * STEPS
    path, chance, amid = folder / "checkpoint", random.Random(20180612), 0
    for _ in range(kills):
        with begin(path, 1) as process:
            for _ in range(chance.randint(2, LIFE - 1)):  # beside the one that may come before it dies
                start = time.perf_counter()
                assert process.stdout.readline()
            time.sleep(chance.uniform(0, time.perf_counter() - start))  # somewhere in the next step or write
            process.kill()
        assert process.returncode < 0
        load(path)  # whole, whenever it was
        amid += any(name.startswith(".tinynn-") for name in os.listdir(folder))
    with begin(path, EPOCHS * STEPS) as process:
        return json.loads(process.stdout.read().splitlines()[-1]), amid


def test_killed_ten_times(tmp_path):
    last_words, _ = killed_so_often(10, tmp_path)
    assert last_words == train()
    assert os.listdir(tmp_path) == ["checkpoint"]


@pytest.mark.proof
def test_killed_a_hundred_times(tmp_path):
    last_words, amid = killed_so_often(100, tmp_path)
    assert last_words == train()
    assert os.listdir(tmp_path) == ["checkpoint"]
    print(f"{amid} of 100 kills came while a checkpoint was being written")
    assert amid > 0
