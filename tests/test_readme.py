"""What the README prints is true: its program runs, its lists are complete, its table is the comparison's."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benches.peers import COLUMNS, report
from tinynn import callbacks, layers, losses, metrics, optimizers, regularizers
from tinynn.optimizers import schedules

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROGRAMS = {
    name: re.search(r"```python\n([^`]*load_mnist[^`]*)```", (ROOT / name).read_text(encoding="utf-8"))[1]
    for name in ("README.md", "docs/training.md")
}


def test_length():
    """Whoever adds something to the README moves something else to docs/."""
    assert len(README.splitlines()) <= 150


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name, tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "TINYNN_DATA"}
    environment |= {"TINYNN_OFFLINE": "1", "XDG_CACHE_HOME": str(tmp_path / "cache")}
    command = [sys.executable, "-c", PROGRAMS[name]]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "digits.safetensors").is_file() == (name == "README.md")
    accuracy = float(re.findall(r"val_accuracy: ([\d.]+)", done.stdout)[-1])
    assert accuracy > 0.85  # of digits never seen, after a few epochs over 4,000 others


@pytest.mark.parametrize(
    "module", [layers, losses, metrics, optimizers, schedules, callbacks, regularizers], ids=lambda m: m.__name__
)
def test_lists_name_all_there_is(module):
    named = set(re.findall(r"\w+", README[README.index("## What there is") : README.index("## The sum of ten digits")]))
    bases = {"Layer", "Loss", "Metric", "Optimizer", "Schedule", "FromFunction", "Callback", "Regularizer"}
    public = {name for name in module.__all__ if isinstance(getattr(module, name), type)}
    assert public - bases
    assert public - bases <= named


def table(text):
    """The comparison's table in a document: workload -> column -> cell."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text[text.index(report.BEGIN) : text.index(report.END)].splitlines()
        if line.startswith("|")
    ]
    return {row[0]: dict(zip(rows[0], row, strict=True)) for row in rows[2:]}


def test_both_tables_of_the_comparison_say_the_same():
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    short, full = table(README), table(page)
    assert tuple(short) == report.SHORT
    for name, row in short.items():
        expected = full[name]
        assert row["tinynn"] == expected["tinynn"]
        assert row["fastest peer / tinynn"] == expected["fastest peer / tinynn"]
        for framework, variants in report.FRAMEWORKS.items():
            times = [float(cell) for v in variants if (cell := expected[COLUMNS[v]])]
            assert row[framework] == (report.three_digits(min(times)) if times else "")
    ratios = [float(row["fastest peer / tinynn"]) for row in full.values()]
    least, most = map(report.three_digits, (min(ratios), max(ratios)))
    mean = re.search(r"Geometric mean of the ratios: ([\d.]+)\.", page)[1]
    assert f"Over all {len(full)} workloads the last column is {least} to {most}, geometric mean {mean}.\n" in README


@pytest.mark.skipif(not (ROOT / "tinynn").is_dir(), reason="the source is not here, only its tests")
def test_the_map_names_files_that_exist():
    """A name in the map is a path in the checkout, in tinynn/, or a file somewhere in tinynn/."""
    chart = README[README.index("## The map of the source") : README.index("## For developers")]
    names = [name for name in re.findall(r"`([^`]+)`", chart) if re.fullmatch(r"[\w./]+(/|\.\w+)", name)]
    assert len(names) > 15
    for name in names:
        assert (ROOT / name).exists() or (ROOT / "tinynn" / name).exists() or list((ROOT / "tinynn").rglob(name)), name
