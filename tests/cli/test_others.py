"""``tinynn info``, ``tinynn bench``, and what the commands share."""

import math
import sys

import numpy as np
import pytest

import tinynn
from tinynn.cli import curves


def test_info(tinynn_command, digits_directory):
    result = tinynn_command("info")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(f"tinynn {tinynn.__version__}, Python ")
    assert "\ninstruction set " in result.out
    assert "\nthreads " in result.out
    assert f"\ndigits 400 training and 100 test images from {digits_directory} (TINYNN_DATA)\n" in result.out
    assert "not the official files of MNIST" in result.out
    assert "\nextra plot: " in result.out


def test_info_when_no_digits_are_there(here, monkeypatch):
    monkeypatch.setenv("TINYNN_DATA", "nowhere")
    result = here("info")
    assert result.code == 0
    assert "\ndigits none: no MNIST: nowhere does not exist" in result.out
    result = here("info", "--data", "elsewhere")
    assert result.code == 2
    assert result.err.startswith("tinynn info: no MNIST: elsewhere does not exist")


def test_bench(tinynn_command):
    result = tinynn_command("bench", "--seconds", 0.001, "--threads", 1)
    assert (result.code, result.err) == (0, "")
    rows = result.out.splitlines()[4:]
    assert rows[0].split() == ["float32", "size", "median", "fastest", "GFLOP/s"]
    assert [row.split("  ")[0] for row in rows[1:]] == [
        "dense_forward", "dense_backward", "lstm_forward", "lstm_backward (and forward)", "step of an MLP",
        "step of digit-sum shared", "step of digit-sum baseline",
    ]  # fmt: skip


@pytest.mark.parametrize("arguments", [("--seconds", "0"), ("--threads", "0"), ("--seconds", "nan")])
def test_bench_with_nonsense(here, arguments):
    result = here("bench", *arguments)
    assert (result.code, result.out) == (2, "")
    assert result.err.count("\n") == 1


@pytest.mark.parametrize("epochs", [1, 2, 100])
@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_curves(tmp_path, epochs, suffix):
    pytest.importorskip("matplotlib")
    path = tmp_path / f"curves.{suffix}"
    values = [1 / (1 + epoch) for epoch in range(epochs)]
    history = {name: values for name in ("loss", "accuracy", "val_loss", "val_accuracy")}
    curves.draw(history, 10, "a title").savefig(path)
    assert path.stat().st_size > 10_000
    del history["val_loss"], history["val_accuracy"]  # trained on all images
    assert "of the training sums" in curves.draw(history, 10, "").axes[1].get_title(loc="left")
    assert "matplotlib.pyplot" not in sys.modules  # which would want a screen


def test_sums_of_random_digits():
    sums = curves.sums_of_random_digits(10)
    assert len(sums) == 91
    assert math.isclose(sums.sum(), 1)
    assert math.isclose(sums @ np.arange(91), 45)
    assert math.isclose(-(sums @ np.log(sums)), 3.62, abs_tol=0.01)
