"""Every kernel test under every instruction set here, and the same bits from those with fused operations.

TINYNN_CPU is read once, at import: each set needs a process of its own.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kernels.digests import digests
from tinynn import kernels

ROOT = Path(__file__).parents[2]
FUSED = [name for name in kernels.instruction_sets() if name != "base"]


def run(name, *arguments):
    """Run this Python with TINYNN_CPU set to `name`, from the folder that holds `tests`."""
    environment = {**os.environ, "TINYNN_CPU": name, "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def digests_under(name):
    done = run(name, "-m", "tests.kernels.digests")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["instruction_set"] == name
    return found["digests"]


def test_active_set_is_available_and_the_baseline_always_is():
    assert kernels.instruction_set() in kernels.instruction_sets()
    assert "base" in kernels.instruction_sets()
    wanted = os.environ.get("TINYNN_CPU")
    assert wanted is None or kernels.instruction_set() == wanted


@pytest.mark.parametrize(
    "name", [name for name in kernels.instruction_sets() if name != kernels.instruction_set()]
)
def test_kernels_under(name):
    """The active set is what the surrounding run of these tests uses; here are the others."""
    # What is refused and documented is Python's part and the same under all.
    skipped = [
        "-k",
        "not refused and not documented",
        "--ignore-glob=*test_oracles.py",
        f"--ignore={__file__}",
    ]
    done = run(
        name,
        "-m",
        "pytest",
        str(Path(__file__).parent),
        *skipped,
        "-q",
        "--tb=short",
        "-p",
        "no:cacheprovider",
    )
    assert done.returncode == 0, f"TINYNN_CPU={name}\n{done.stdout[-8000:]}\n{done.stderr[-2000:]}"


def test_fused_sets_give_the_same_bits():
    if len(FUSED) < 2:
        pytest.skip(f"this machine has {', '.join(kernels.instruction_sets())} only")
    first, *others = (digests_under(name) for name in FUSED)
    for other in others:
        different = [label for label in first if first[label] != other.get(label)]
        assert not different
        assert len(first) == len(other)


def test_another_process_gives_the_same_bits():
    assert digests_under(kernels.instruction_set()) == digests()


@pytest.mark.parametrize("name", ["nonsense", *({"avx2", "avx512"} - set(kernels.instruction_sets()))])
def test_unavailable_set_is_refused_by_name(name):
    done = run(name, "-c", "import tinynn.kernels")
    assert done.returncode == 1, f"exit {done.returncode}: {done.stderr}"
    assert "TINYNN_CPU" in done.stderr
    assert name in done.stderr
