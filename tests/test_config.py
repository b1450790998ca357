"""What tinynn says it runs on."""

import platform

import numpy as np

import tinynn
from tinynn import kernels


def test_it_is_what_runs(capsys, threads):
    threads(3)
    tinynn.show_config()
    version, instructions, count = capsys.readouterr().out.splitlines()
    assert version == f"tinynn {tinynn.__version__}, Python {platform.python_version()}, NumPy {np.__version__}"
    used, _, known = instructions.removeprefix("instruction set ").removesuffix(")").partition(" (this machine runs ")
    assert used == kernels.instruction_set()
    assert known.split(", ") == list(kernels.instruction_sets())
    assert count == "threads 3"
