"""The scripts in .ci name files and tests that exist: pytest ignores a --deselect of one that was renamed."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted(path for path in (ROOT / ".ci").glob("*") if path.is_file())

pytestmark = pytest.mark.skipif(not SCRIPTS, reason="the scripts are in the checkout only")


def test_named_tests_exist():
    named = {each for path in SCRIPTS for each in re.findall(r"tests/[\w/]+\.(?:py|c)(?:::\w+)?", path.read_text())}
    assert len(named) > 5
    for each in named:
        path, _, name = each.partition("::")
        assert (ROOT / path).is_file(), each
        assert not name or f"def {name}(" in (ROOT / path).read_text(encoding="utf-8"), each
