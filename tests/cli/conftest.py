"""Running the command, as a process of its own and within this one."""

import os
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest

from tests.cli.drawing import in_mnists_form
from tinynn.cli import main
from tinynn.datasets import write_idx

COMMAND = [sys.executable, "-W", "error", "-m", "tinynn"]


@dataclass
class Result:
    """How a run of the command ended."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def digits_directory(tmp_path_factory):
    """A folder with digits in MNIST's format that are all drawn alike: 400 to train, 100 to test."""
    directory = tmp_path_factory.mktemp("digits")
    rng = np.random.default_rng(0)
    for part, count in (("train", 400), ("t10k", 100)):
        labels = (np.arange(count) % 10).astype(np.uint8)
        images = np.stack(
            [in_mnists_form(label, rng.integers(200, 256), thickness=rng.uniform(0.1, 0.14)) for label in labels]
        )
        write_idx(directory / f"{part}-images-idx3-ubyte.gz", images)
        write_idx(directory / f"{part}-labels-idx1-ubyte", labels)
    return directory


@pytest.fixture(scope="session")
def environment(digits_directory):
    """The environment of the command: these digits, no network, nothing of the user's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TINYNN_")}
    return {**kept, "TINYNN_DATA": str(digits_directory), "TINYNN_OFFLINE": "1", "COLUMNS": "120"}


@pytest.fixture(scope="session")
def start(environment):
    """Start the command; returns the process."""

    def run(*arguments, cwd, **keywords):
        text = [str(argument) for argument in arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **keywords}
        # the process finds the package as this one does
        paths = {"PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)}
        return subprocess.Popen([*COMMAND, *text], cwd=cwd, env={**environment, **paths}, text=True, **pipes)

    return run


@pytest.fixture
def tinynn_command(start, tmp_path):
    """Run the command in a process of its own, in an empty folder."""

    def run(*arguments):
        process = start(*arguments, cwd=tmp_path)
        out, err = process.communicate(timeout=120)
        return Result(process.returncode, out, err)

    return run


@pytest.fixture
def here(environment, tmp_path, monkeypatch, capsys):
    """Run the command within this process, in an empty folder: faster, for all that is wrong."""
    for name in ("TINYNN_DEBUG", "TINYNN_CPU"):
        monkeypatch.delenv(name, raising=False)
    for name in ("TINYNN_DATA", "TINYNN_OFFLINE"):
        monkeypatch.setenv(name, environment[name])
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as exit:
            code = exit.code
        out, err = capsys.readouterr()
        return Result(code, out, err)

    return run


@pytest.fixture(scope="session")
def models(start, tmp_path_factory):
    """Model files of two digits by the name of the network, trained by the command."""
    directory = tmp_path_factory.mktemp("models")
    for name, epochs in (("shared", 20), ("baseline", 1)):
        size = ("--digits", 2, "--sums", 400, "--validation-sums", 50, "--epochs", epochs)
        how = ("--no-augment", "--lr", 0.01, "--batch-size", 16)
        process = start("train", "--network", name, *size, *how, cwd=directory)
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, out + err
    return {name: directory / f"digit-sum-{name}.safetensors" for name in ("shared", "baseline")}
