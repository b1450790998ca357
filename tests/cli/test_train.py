"""``tinynn train``."""

import csv
import fcntl
import signal

import numpy as np
import pytest

import tinynn
from tests.cli.drawing import in_mnists_form
from tinynn.networks import READER

SMALL = ("--digits", 2, "--sums", 64, "--validation-sums", 30, "--epochs", 2, "--batch-size", 16)


def test_shared_with_everything(tinynn_command, tmp_path, digits_directory):
    files = ("--out", "model.safetensors", "--history", "history.csv", "--plot", "curves.png")
    result = tinynn_command("train", *SMALL, *files, "--seed", 3, "--threads", 1, "--resample")
    assert result.code == 0, result.err
    assert result.err == ""
    lines = result.out.splitlines()
    assert lines[0] == f"Digits:   400 training and 100 test images from {digits_directory} (TINYNN_DATA)"
    assert lines[1] == "          350 of them to train with, 50 others to validate with"
    assert lines[2] == "Network:  shared, sums of 2 digits, 101,770 parameters"
    assert (
        lines[3] == "Training: 2 epochs of 64 fresh sums, images changed at random, 16 in a step, "
        "learning rate up to 0.002, 1 thread"
    )
    assert [line.split(" - ")[0] for line in lines[4:6]] == ["Epoch 1/2", "Epoch 2/2"]
    assert all("val_accuracy: " in line for line in lines[4:6])
    assert "10 sums of validation images: (* marks a digit read wrong)" in lines
    assert sum(line.endswith(("right", "wrong")) for line in lines) == 10
    assert "Model saved to model.safetensors; test it with: tinynn evaluate model.safetensors" in lines

    with open(tmp_path / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1"]
    assert f"{float(rows[1]['val_accuracy']):.4f} of the sums are exact" in result.out
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert tinynn.load(tmp_path / "model.safetensors").input_shape == (None, 28, 28)


def test_it_learns_to_name_digits_that_are_easy(models):
    model = tinynn.load(models["shared"])
    images = np.stack([in_mnists_form(digit) for digit in range(10)]).reshape(5, 2, 28, 28)
    assert model.predict(images, output=READER).argmax(axis=2).reshape(-1).tolist() == list(range(10))


@pytest.mark.parametrize("network, cell", [("baseline", "lstm"), ("improved", "rnn")])
def test_the_cell_is_the_recipes_unless_named(here, network, cell):
    result = here("train", *SMALL, "--network", network, "--no-resample")
    assert f"Network:  {network} ({cell}), sums of 2 digits" in result.out


@pytest.mark.parametrize("network, cell", [("baseline", "lstm"), ("baseline", "rnn"), ("improved", "gru")])
def test_networks_of_the_report(here, tmp_path, network, cell):
    result = here("train", *SMALL, "--network", network, "--cell", cell, "--no-resample")
    assert result.code == 0, result.err
    assert f"Network:  {network} ({cell}), sums of 2 digits" in result.out
    assert "fixed sums" in result.out
    assert "10 sums of validation images: (this network names no single digits)" in result.out
    assert (tmp_path / f"digit-sum-{network}.safetensors").is_file()


def test_conv_with_and_without_changed_images(here, tmp_path):
    result = here("train", *SMALL, "--network", "conv")
    assert result.code == 0, result.err
    assert "Network:  conv, sums of 2 digits, 80,202 parameters" in result.out
    assert "64 fresh sums, images changed at random, 16 in a step" in result.out
    weights = tinynn.load(tmp_path / "digit-sum-conv.safetensors").parameters
    result = here("train", *SMALL, "--network", "conv", "--no-augment")
    assert "64 fresh sums, 16 in a step" in result.out
    assert (tinynn.load(tmp_path / "digit-sum-conv.safetensors").parameters != weights).any()
    assert "images changed at random" in here("train", *SMALL, "--network", "baseline", "--augment").out


def test_fixed_protocol_puts_every_image_into_one_sum(here):
    small = ("--digits", 3, "--validation-sums", 30, "--epochs", 1, "--batch-size", 16, "--protocol", "fixed")
    result = here("train", *small)
    assert result.code == 0, result.err
    assert "1 epoch of 116 fixed sums" in result.out  # of 350 images
    assert "1 epoch of 133 fixed sums" in here("train", *small, "--all-images").out  # of all 400


def test_all_images_leave_none_to_validate_with(here, tmp_path):
    result = here("train", *SMALL, "--all-images", "--history", "history.csv")
    assert result.code == 0, result.err
    assert "400 of them to train with, none to validate with" in result.out
    assert "alidation" not in result.out
    assert "val_" not in (tmp_path / "history.csv").read_text()


def test_a_run_that_learns_nothing_is_stopped_and_says_so(here):
    result = here("train", "--network", "baseline", "--sums", 64, "--epochs", 10, "--batch-size", 64, "--lr", "1e-9")
    assert result.code == 0, result.err
    assert "Stopped after 4 epochs: the training loss" in result.out
    assert "is that of guessing (3.625)" in result.out


@pytest.mark.parametrize("digits", [1, 12])
def test_other_numbers_of_digits(here, digits):
    result = here("train", *SMALL, "--digits", digits, "--epochs", 1)
    assert result.code == 0, result.err
    assert f"sums of {digits} digit" in result.out


def test_the_seed_decides_everything_and_threads_nothing(here, tmp_path):
    contents = []
    for seed, threads in ((1, 1), (1, 3), (2, 1)):
        threads_before = tinynn.get_num_threads()
        assert here("train", *SMALL, "--seed", seed, "--threads", threads, "--out", "model").code == 0
        tinynn.set_num_threads(threads_before)
        contents.append((tmp_path / "model").read_bytes())
    assert contents[0] == contents[1]
    assert contents[0] != contents[2]


def test_an_older_model_is_replaced_and_that_is_said(here, tmp_path):
    (tmp_path / "model").write_bytes(b"old")
    result = here("train", *SMALL, "--out", "model")
    assert "Model saved to model, in place of an older file" in result.out
    tinynn.load(tmp_path / "model")


def test_it_says_which_digits_it_uses_without_mnist(here, monkeypatch):
    monkeypatch.delenv("TINYNN_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", "/nonexistent/cache")
    result = here("train", *SMALL)
    assert result.code == 0, result.err
    assert result.out.startswith(
        "Digits:   4,000 training and 1,000 test images: the 5,000 real MNIST digits inside"
    )
    assert "3,500 of them to train with, 500 others to validate with" in result.out


def test_interrupted_it_keeps_nothing_but_the_history(start, tmp_path):
    process = start(
        "train", *SMALL, "--epochs", 100_000, "--out", "model", "--history", "history.csv", "--plot", "a.png",
        cwd=tmp_path,
        # where pytest runs in the background of a shell, it inherits that Ctrl-C is ignored
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    while not process.stdout.readline().startswith("Epoch      2"):
        pass
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert (
        err == "\ntinynn train: interrupted; no model was saved; the epochs that ended are in history.csv\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["history.csv"]
    lines = (tmp_path / "history.csv").read_text().splitlines()
    assert len(lines) >= 3
    assert len({line.count(",") for line in lines}) == 1


LONG = (*SMALL, "--epochs", 100, "--resample", "--history", "history.csv")


def end(start, tmp_path, number, *arguments):
    """Train until the third epoch has ended and a signal comes; returns code and stderr.

    It cannot get to its end before: what it prints fills the pipe, which is read only after the signal.
    """
    process = start("train", *arguments, cwd=tmp_path, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, 4096)
    while not process.stdout.readline().startswith("Epoch   3"):
        pass
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    return process.returncode, err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_what_was_ended_goes_on_and_ends_with_the_same_bits(start, here, tmp_path, number):
    (tmp_path / "whole").mkdir()
    whole = tmp_path / "whole" / "model"
    assert here("train", *LONG, "--seed", 2, "--out", whole).code == 0
    table = (tmp_path / "history.csv").read_bytes()
    files = ("--checkpoint", "a checkpoint", "--out", "model")
    result = end(start, tmp_path, number, *LONG, "--seed", 2, *files, "--checkpoint-every", 0.001)
    if number == signal.SIGKILL:
        assert result == (-signal.SIGKILL, "")
    else:
        code, what = (143, "terminated") if number == signal.SIGTERM else (130, "interrupted")
        assert result == (code, f"\ntinynn train: {what}; go on with: tinynn train --resume 'a checkpoint'\n")
    assert not (tmp_path / "model").exists()
    assert (tmp_path / "history.csv").read_bytes() != table

    again = here("train", "--resume", "a checkpoint", "--threads", 2)
    assert again.code == 0, again.err
    assert "Network:  shared, sums of 2 digits, 101,770 parameters" in again.out
    assert "Epoch   1/100" not in again.out
    assert "Epoch 100/100" in again.out
    assert f"Fingerprint of its weights: {tinynn.load(whole).fingerprint()}" in again.out
    assert (tmp_path / "model").read_bytes() == whole.read_bytes()
    assert (tmp_path / "history.csv").read_bytes() == table
    assert b"history.csv" not in whole.read_bytes()
    once_more = here("train", "--resume", "a checkpoint", "--out", "copy")
    assert "Epoch" not in once_more.out
    assert (tmp_path / "copy").read_bytes() == whole.read_bytes()


def test_terminated_without_a_checkpoint_it_ends_as_any_process(start, tmp_path):
    assert end(start, tmp_path, signal.SIGTERM, *LONG) == (-signal.SIGTERM, "")


def test_what_cannot_be_resumed(here, tmp_path):
    assert here("train", *SMALL, "--checkpoint", "checkpoint", "--out", "model").code == 0
    for arguments, message in (
        (("--resume", "nowhere"), "--resume: cannot read nowhere: No such file or directory"),
        (("--resume", "model"), "--resume: model is no checkpoint of tinynn train; give the file that --checkpoint"),
        (("--checkpoint", "checkpoint"), "--checkpoint: checkpoint is there already; go on from it with --resume"),
        (("--resume", "checkpoint", "--seed", 0), "--seed: checkpoint knows that; leave --seed out, or begin anew"),
        (("--resume", "checkpoint", "--no-resample"), "--resample: checkpoint knows that"),
        (("--resume", "checkpoint", "--all-images"), "--all-images: checkpoint knows that"),
        (("--resume", "checkpoint", "--history", "new"), "callbacks[1] is 'Interruption' in the checkpoint, but 'CSV"),
    ):
        result = here("train", *arguments)
        assert result.code == 2
        assert message in result.err
        assert result.err.count("\n") == 1
    content = (tmp_path / "checkpoint").read_bytes()
    (tmp_path / "checkpoint").write_bytes(content[:-1])
    assert "load: checkpoint is not a safetensors file, or is damaged" in here("train", "--resume", "checkpoint").err


def test_without_matplotlib_a_plot_is_an_error_before_training(here, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    result = here("train", *SMALL, "--plot", "curves.png")
    assert result.code == 2
    assert result.out == ""
    assert result.err.startswith("tinynn train: --plot needs matplotlib")
    assert "install tinynn's extra 'plot'" in result.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "arguments, message",
    [
        (
            ["--network", "sharde"],
            "unknown network 'sharde'; known: shared, wide, conv, baseline, improved; did you mean 'shared'?",
        ),
        (["--network", "baseline", "--cell", "lstn"], "unknown cell 'lstn'; known: lstm, rnn, gru"),
        (["--protocol", "random"], "argument --protocol: invalid choice: 'random'"),
        (["--protocol", "fixed", "--sums", "9"], "--sums: the fixed protocol puts every training image into one sum"),
        (["--protocol", "fixed", "--resample"], "--resample: the fixed protocol"),
        (["--protocol", "fixed", "--digits", "1000"], "350 images make no sum of 1000"),
        (["--cell", "gru"], "--cell: the network shared has no recurrent cell; leave --cell out"),
        (["--digits", "0"], "argument --digits: expected a whole number of at least 1, got '0'"),
        (["--digits", "ten"], "argument --digits: expected a whole number of at least 1, got 'ten'"),
        (["--epochs", "0"], "argument --epochs: expected a whole number of at least 1, got '0'"),
        (["--sums", "-5"], "argument --sums: expected a whole number of at least 1, got '-5'"),
        (["--batch-size", "1.5"], "argument --batch-size: expected a whole number"),
        (["--threads", "0"], "argument --threads: expected"),
        (["--seed", "-1"], "argument --seed: expected a whole number of at least 0, got '-1'"),
        (["--lr", "-0.1"], "argument --lr: expected a finite number above 0, got '-0.1'"),
        (["--lr", "-1e-3"], "argument --lr: expected a finite number above 0, got '-1e-3'"),
        (["--lr", "nan"], "argument --lr: expected a finite number above 0, got 'nan'"),
        (["--epoch", "3"], "unrecognized arguments: --epoch 3"),
        (["--data", "nowhere"], "no MNIST: nowhere does not exist"),
        (["--out", "."], "--out: '.' is not a file"),
        (["--out", "folder"], "--out: 'folder' is not a file"),
        (["--out", "/dev/null"], "--out: '/dev/null' is not a file"),
        (["--out", "missing/model"], "--out: cannot write missing/model, there is no folder missing"),
        (["--history", "missing/a.csv"], "--history: cannot write missing/a.csv"),
        (["--plot", "missing/a.png"], "--plot: cannot write missing/a.png"),
        (["--plot", "a.xyz"], "--plot: 'a.xyz' must end in .png"),
        (["--out", "a", "--history", "./a"], "--out and --history are the same file"),
        (["--out", "a", "--checkpoint", "./a"], "--out and --checkpoint are the same file"),
        (["--checkpoint", "missing/a"], "--checkpoint: cannot write missing/a"),
        (["--checkpoint", "a", "--checkpoint-every", "0"], "--checkpoint-every: expected a finite number above 0"),
        (["--checkpoint-every", "5"], "--checkpoint-every: there is no checkpoint to write; give --checkpoint"),
    ],
)
def test_nonsense_is_one_line_before_any_work(here, tmp_path, arguments, message):
    (tmp_path / "folder").mkdir()
    result = here("train", *arguments)
    assert result.code == 2
    assert result.out == ""
    assert result.err.startswith("tinynn train: ") or result.err.startswith("tinynn: unrecognized")
    assert message in result.err
    assert result.err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_rate_that_is_too_high_is_one_line(here, tmp_path):
    result = here("train", *SMALL, "--network", "baseline", "--lr", "1e38")
    assert result.code == 2
    assert "the loss became" in result.err
    assert result.err.count("\n") == 1
    assert not list(tmp_path.iterdir())
