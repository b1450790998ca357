"""The scripts in the README run as they are printed there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"


SCRIPTS = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("script, saves", list(zip(SCRIPTS, (True, False), strict=True)), ids=("dense", "images"))
def test_script_of_the_readme(tmp_path, script, saves):
    environment = {name: value for name, value in os.environ.items() if name != "TINYNN_DATA"}
    environment |= {"TINYNN_OFFLINE": "1", "XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "digits.safetensors").is_file() == saves
    accuracy = float(re.findall(r"val_accuracy: ([\d.]+)", done.stdout)[-1])
    assert accuracy > 0.85  # of digits never seen, after a few epochs over 4,000 others
