"""``tinynn train``."""

import csv
import errno
import fcntl
import json
import os
import shutil
import signal
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import tinynn
from tests.cli.drawing import in_mnists_form
from tinynn.cli.notes import RECIPE
from tinynn.networks import READER, digit_sum

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
        lines[3] == "Training: 2 epochs of 64 new sums, images changed at random, batches of 16, "
        "learning rate up to 0.002, 1 thread"
    )
    assert [line.split(" - ")[0] for line in lines[4:6]] == ["Epoch 1/2", "Epoch 2/2"]
    assert all("val_accuracy: " in line for line in lines[4:6])
    assert "10 sums of validation images: (* marks a wrong digit)" in lines
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
    assert "10 sums of validation images: (this network does not read single digits)" in result.out
    assert (tmp_path / f"digit-sum-{network}.safetensors").is_file()


def test_conv_with_and_without_changed_images(here, tmp_path):
    result = here("train", *SMALL, "--network", "conv")
    assert result.code == 0, result.err
    assert "Network:  conv, sums of 2 digits, 80,202 parameters" in result.out
    assert "64 new sums, images changed at random, batches of 16" in result.out
    weights = tinynn.load(tmp_path / "digit-sum-conv.safetensors").parameters
    result = here("train", *SMALL, "--network", "conv", "--no-augment")
    assert "64 new sums, batches of 16" in result.out
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
    assert "Model saved to model, replacing an older file" in result.out
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
        err == "\ntinynn train: interrupted; no model was saved; the completed epochs are in history.csv\n"
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
        again = "tinynn train --resume 'a checkpoint' --out model --history history.csv"
        assert result == (code, f"\ntinynn train: {what}; continue with: {again}\n")
    assert not (tmp_path / "model").exists()
    assert (tmp_path / "history.csv").read_bytes() != table

    again = here(
        "train", "--resume", "a checkpoint", "--out", "model", "--history", "history.csv", "--threads", 2
    )
    assert again.code == 0, again.err
    assert again.out.startswith(
        "Resuming: a checkpoint\nWriting:  checkpoint a checkpoint, model model, history history.csv\nDigits: "
    )
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
        (("--resume", "model"), "--resume: model: it is not a checkpoint of tinynn train; give the file that"),
        (("--checkpoint", "checkpoint"), "--checkpoint: checkpoint exists; continue from it with --resume"),
        (("--out", "model.onnx"), "--out must not end in .onnx, got 'model.onnx': models are written as safetensors"),
        (("--checkpoint", "c.keras"), "--checkpoint must not end in .keras, got 'c.keras'"),
        (("--resume", "checkpoint", "--seed", 0), "--seed: checkpoint has it already; leave --seed out, or"),
        (("--resume", "checkpoint", "--no-resample"), "--resample: checkpoint has it already"),
        (("--resume", "checkpoint", "--all-images"), "--all-images: checkpoint has it already"),
        (("--resume", "checkpoint", "--out", "./checkpoint"), "--out and --resume name the same file, checkpoint"),
        (("--resume", "checkpoint", "--checkpoint", "model"), "--checkpoint: model exists"),
        (("--resume", ""), "--resume: the path is empty; give the file that --checkpoint named"),
        (("--resume", "."), "--resume: cannot read .: Is a directory"),
    ):
        result = here("train", *arguments)
        assert result.code == 2
        assert message in result.err
        assert result.err.count("\n") == 1
    content = (tmp_path / "checkpoint").read_bytes()
    (tmp_path / "checkpoint").write_bytes(content[:-1])
    assert "load: checkpoint is not a safetensors file, or is damaged" in here("train", "--resume", "checkpoint").err


@pytest.mark.skipif(shutil.which("xelatex") is not None, reason="can be written here")
def test_a_format_that_cannot_be_written_here_is_an_error_before_training(here, tmp_path):
    pytest.importorskip("matplotlib")
    result = here("train", *SMALL, "--plot", "curves.pgf")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("tinynn train: --plot: matplotlib cannot write pgf here: ")
    assert result.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


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
        (["--protocol", "fixed", "--sums", "9"], "--sums: the fixed protocol determines the sums"),
        (["--protocol", "fixed", "--resample"], "--resample: the fixed protocol"),
        (["--protocol", "fixed", "--digits", "1000"], "images must be at least 1000, enough for one sum, got 350"),
        (["--cell", "gru"], "--cell: the network shared has no recurrent cell; leave --cell out"),
        (["--digits", "0"], "argument --digits: must be a whole number of at least 1, got '0'"),
        (["--digits", "ten"], "argument --digits: must be a whole number of at least 1, got 'ten'"),
        (["--epochs", "0"], "argument --epochs: must be a whole number of at least 1, got '0'"),
        (["--sums", "-5"], "argument --sums: must be a whole number of at least 1, got '-5'"),
        (["--batch-size", "1.5"], "argument --batch-size: must be a whole number"),
        (["--threads", "0"], "argument --threads: must be"),
        (["--seed", "-1"], "argument --seed: must be a whole number of at least 0, got '-1'"),
        (["--lr", "-0.1"], "argument --lr: must be a finite number above 0, got '-0.1'"),
        (["--lr", "-1e-3"], "argument --lr: must be a finite number above 0, got '-1e-3'"),
        (["--lr", "nan"], "argument --lr: must be a finite number above 0, got 'nan'"),
        (["--epoch", "3"], "unrecognized arguments: --epoch 3; did you mean '--epochs'?"),
        (["--digits", "10_001"], "argument --digits: must be a whole number of at most 10,000, got '10_001'"),
        (["--epochs", "9" * 20], "argument --epochs: must be a whole number of at most 1,000,000,000, got '99999"),
        (["--data", "nowhere"], "no MNIST: nowhere does not exist"),
        (["--out", "."], "--out: cannot write .: Is a directory"),
        (["--out", "folder"], "--out: cannot write folder: Is a directory"),
        *((([f"--{option}", ""]), f"--{option}: the path is empty; give the path of a file")
          for option in ("out", "history", "checkpoint")),
        *((([f"--{option}", file]), f"--{option}: '{file}' is not a regular file")
          for option in ("out", "history", "checkpoint") for file in ("/dev/null", "pipe")),
        (["--plot", "pipe.png"], "--plot: 'pipe.png' is not a regular file"),
        (["--plot", ""], "--plot: the path is empty; give the path of a file"),
        (["--out", "loop"], "--out: cannot write loop: "),
        (["--out", "/proc/x"], "--out: cannot write /proc/x"),
        (["--out", "astray"], "/missing; create it first"),
        (["--out", "folder/a", "--history", "link"], "--out and --history name the same file, link; choose two"),
        (["--out", "a" * 300], "--out: cannot write aaa"),
        (["--out", "a\0b"], "--out: embedded null"),
        (["--out", "missing/model"], "--out: cannot write missing/model: there is no folder missing"),
        (["--history", "missing/a.csv"], "--history: cannot write missing/a.csv"),
        (["--plot", "missing/a.png"], "--plot: cannot write missing/a.png"),
        (["--plot", "a.xyz"], "--plot: the file's name must end in .png"),
        (["--out", "a", "--history", "./a"], "--out and --history name the same file"),
        (["--out", "a", "--checkpoint", "./a"], "--out and --checkpoint name the same file"),
        (["--checkpoint", "missing/a"], "--checkpoint: cannot write missing/a"),
        (["--checkpoint", "a", "--checkpoint-every", "0"], "--checkpoint-every: must be a finite number above 0"),
        (["--checkpoint-every", "5"], "--checkpoint-every: there is no checkpoint to write; add --checkpoint"),
    ],
)
def test_nonsense_is_one_line_before_any_work(here, tmp_path, arguments, message):
    (tmp_path / "folder").mkdir()
    for pipe in ("pipe", "pipe.png"):
        os.mkfifo(tmp_path / pipe)
    for link, target in (("link", "folder/a"), ("loop", "loop"), ("astray", "missing/a")):
        (tmp_path / link).symlink_to(target)
    before = sorted(tmp_path.rglob("*"))
    result = here("train", *arguments)
    assert result.code == 2
    assert result.out == ""
    assert result.err.startswith("tinynn train: ")
    assert message in result.err
    assert result.err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_a_rate_that_is_too_high_is_one_line(here, tmp_path):
    result = here("train", *SMALL, "--network", "baseline", "--lr", "1e38")
    assert result.code == 2
    assert "the loss became" in result.err
    assert result.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_quiet_prints_nothing_and_writes_the_same(here, tmp_path):
    result = here("train", *SMALL, "--out", "quiet", "--history", "h.csv", "--quiet")
    assert (result.code, result.out, result.err) == (0, "", "")
    assert here("train", *SMALL, "--out", "loud").code == 0
    assert (tmp_path / "quiet").read_bytes() == (tmp_path / "loud").read_bytes()
    wrong = here("train", *SMALL, "--out", ".", "--quiet")
    assert (wrong.code, wrong.out, wrong.err) == (2, "", "tinynn train: --out: cannot write .: Is a directory\n")


def test_links_are_written_through(here, tmp_path):
    pytest.importorskip("matplotlib")
    (tmp_path / "there").mkdir()
    for name in ("h.csv", "a.png"):
        (tmp_path / name).symlink_to(f"there/{name}")
    assert here("train", *SMALL, "--history", "h.csv", "--plot", "a.png").code == 0
    for name in ("h.csv", "a.png"):
        assert (tmp_path / name).is_symlink()
        assert (tmp_path / "there" / name).stat().st_size > 0


# --- Full disks ---------------------------------------------------------------------------------------------


@pytest.fixture
def full(monkeypatch):
    """No file with this ending can be written any more."""

    def fill(ending):
        replace = os.replace

        def refuse(source, target):
            if os.fspath(target).endswith(ending):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            replace(source, target)

        monkeypatch.setattr(os, "replace", refuse)

    return fill


def test_a_picture_that_cannot_be_written_leaves_the_older_one_and_the_model(here, tmp_path, full):
    pytest.importorskip("matplotlib")
    (tmp_path / "a.png").write_bytes(b"older")
    full(".png")
    result = here("train", *SMALL, "--plot", "a.png", "--history", "h.csv", "--out", "model")
    assert (result.code, result.err) == (2, "tinynn train: --plot: cannot write a.png: No space left on device\n")
    assert (tmp_path / "a.png").read_bytes() == b"older"
    tinynn.load(tmp_path / "model")
    assert sorted(os.listdir(tmp_path)) == ["a.png", "h.csv", "model"]


@pytest.fixture
def failing_table(monkeypatch):
    """The callback cannot write lines in the course of the training, and warns."""

    def on_epoch_end(self, epoch, logs=None):
        warnings.warn(f"cannot write {self.filename!r}:\nepoch {epoch}", RuntimeWarning, stacklevel=1)

    monkeypatch.setattr(tinynn.callbacks.CSVLogger, "on_epoch_end", on_epoch_end)


def test_a_table_that_cannot_be_written_in_training_is_completed_at_the_end(here, tmp_path, failing_table):
    result = here("train", *SMALL, "--history", "h.csv", "--out", "model")
    assert result.code == 0
    assert result.err == "".join(f"tinynn train: cannot write 'h.csv': epoch {epoch}\n" for epoch in (0, 1))
    assert "History written to h.csv" in result.out
    with open(tmp_path / "h.csv", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["epoch", "loss", "accuracy", "val_loss", "val_accuracy"]
    assert [row[0] for row in rows[1:]] == ["0", "1"]


def test_a_table_that_can_never_be_written_costs_no_model(here, tmp_path, failing_table, full):
    full("h.csv")
    result = here("train", *SMALL, "--history", "h.csv", "--out", "model")
    assert result.code == 2
    assert result.err.splitlines()[-1] == "tinynn train: --history: cannot write h.csv: No space left on device"
    assert "Model saved to model" in result.out
    assert "History written" not in result.out
    tinynn.load(tmp_path / "model")


# --- Checkpoints of strangers -------------------------------------------------------------------------------


def with_notes(path, change):
    """Change the notes in a model file, with a right SHA-256."""
    from safetensors import numpy as safetensors

    from tinynn.io.format import canonical, digest

    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    description = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["tinynn"])
    description["notes"] = change(description.get("notes", {}))
    tensors = safetensors.load(content)
    description["sha256"] = digest(description, tensors)
    path.write_bytes(safetensors.save(tensors, {"tinynn": canonical(description)}))


@pytest.fixture
def half_way(start, tmp_path):
    """A folder with a checkpoint of a training that was interrupted; it kept a history."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    files = ("--checkpoint", "c", "--out", "m", "--checkpoint-every", 0.001)
    assert end(start, folder, signal.SIGINT, *LONG, *files)[0] == 130
    os.remove(folder / "history.csv")
    return folder


@pytest.mark.parametrize("old", [False, True], ids=["new", "with paths in its notes"])
def test_a_checkpoint_says_nothing_about_paths(half_way, here, tmp_path, old):
    mine = tmp_path / "mine"
    mine.mkdir()
    for name in ("out", "history", "plot.png"):
        (mine / name).write_text("mine")
    paths = {"out": str(mine / "out"), "history": str(mine / "history"), "plot": str(mine / "plot.png"),
             "data": str(mine / "data")}
    if old:
        with_notes(half_way / "c", lambda notes: {"tinynn train": notes["tinynn train"], "paths": paths})
    else:
        with_notes(half_way / "c", lambda notes: {**notes, "checkpoint": {**notes["checkpoint"]}})
        assert not set(paths) & json.loads(json.dumps(tinynn.load(half_way / "c").notes["tinynn train"])).keys()
        assert set(tinynn.load(half_way / "c").notes) == {"tinynn train", "checkpoint"}
    result = here("train", "--resume", "theirs/c")
    assert (result.code, result.err) == (0, "")
    assert "Writing:  checkpoint theirs/c, model theirs/digit-sum-shared.safetensors\n" in result.out
    assert "Epoch 100/100" in result.out
    assert "History" not in result.out
    assert {path.name: path.read_text() for path in mine.iterdir()} == dict.fromkeys(("out", "history", "plot.png"),
                                                                                   "mine")
    assert sorted(os.listdir(half_way)) == ["c", "digit-sum-shared.safetensors"]
    assert set(tinynn.load(half_way / "digit-sum-shared.safetensors").notes) == {"tinynn train"}


def test_a_history_may_begin_or_end_where_a_training_goes_on(half_way, here, tmp_path):
    """The new table has all epochs, those before the interruption, too."""
    checkpoint = (half_way / "c").read_bytes()
    assert here("train", "--resume", "theirs/c").code == 0
    (half_way / "c").write_bytes(checkpoint)
    assert here("train", "--resume", "theirs/c", "--history", "new.csv").code == 0
    assert here("train", *LONG[:-2], "--out", "whole", "--history", "whole.csv").code == 0
    assert (tmp_path / "new.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert (tmp_path / "theirs/digit-sum-shared.safetensors").read_bytes() == (tmp_path / "whole").read_bytes()
    assert here("train", *SMALL, "--checkpoint", "without", "--out", "m").code == 0
    assert here("train", "--resume", "without", "--out", "m", "--history", "later.csv").code == 0
    assert len((tmp_path / "later.csv").read_text().splitlines()) == 3


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5) | st.sampled_from(["shared", "conv", "lstm", "fixed", "/etc/passwd", "$(reboot)", "a\nb"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from([*RECIPE, "history", "x"]), inner,
                                                                max_size=2),
    max_leaves=4,
)
CHANGED = st.builds(lambda changes: {**RECIPE, **changes},
                    st.dictionaries(st.sampled_from([*RECIPE, "out", "x"]), ANYTHING, max_size=2))
NOTES = st.one_of(
    st.dictionaries(st.sampled_from(["tinynn train", "checkpoint", "paths", "x"]), ANYTHING, max_size=3),
    st.builds(lambda recipe, more: {"tinynn train": recipe, **more}, CHANGED,
              st.sampled_from([{"checkpoint": {"history": False}}, {"checkpoint": {"history": True}},
                               {"paths": {"out": "stolen", "history": "stolen.csv"}}])),
)


def noted(**changes):
    return {"tinynn train": {**RECIPE, **changes}, "checkpoint": {"history": False}}


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(NOTES)
@example(noted())
@example(noted(epochs="x"))
@example(noted(digits=10**12))
@example(noted(network=["a"]))
@example(noted(network="x" * 10**6))
@example(noted(network="../../stolen"))
@example(noted(lr=-1.0))
@example(noted(lr=1e308))
@example(noted(lr=10**400))
@example(noted(seed=-1))
@example(noted(seed=1.0))
@example(noted(epochs=True))
@example(noted(digits=9))
@example(noted(network="conv"))
@example(noted(cell="../stolen"))
@example(noted(protocol=["fixed"]))
@example(noted(protocol="fixed", sums=3))
@example({"tinynn train": [], "checkpoint": {"history": False}})
@example({"tinynn train": dict(RECIPE), "checkpoint": [False]})
@example({"tinynn train": dict(RECIPE), "checkpoint": {"history": "stolen.csv"}})
@example({"tinynn train": dict(RECIPE), "checkpoint": {"history": False, "out": "stolen"}})
@example({"tinynn train": dict(RECIPE), "checkpoint": {"history": False}, "x": 1})
@example({"tinynn train": {"network": "shared"}, "paths": {}})
def test_notes_of_strangers_are_one_line_and_write_nothing(here, tmp_path, notes):
    """A model with these notes is no checkpoint: at the latest `fit` says so."""
    digit_sum("shared").save(tmp_path / "c")
    with_notes(tmp_path / "c", lambda _: notes)
    content = (tmp_path / "c").read_bytes()
    result = here("train", "--resume", "c")
    assert result.code == 2
    assert result.err.startswith("tinynn train: ")
    assert result.err.splitlines()[0] + "\n" == result.err
    assert len(result.err) < 1000
    assert os.listdir(tmp_path) == ["c"]
    assert (tmp_path / "c").read_bytes() == content


@pytest.mark.parametrize("notes", [5, [1], "x", None])
def test_notes_that_are_no_dict(here, tmp_path, notes):
    digit_sum("shared").save(tmp_path / "c")
    with_notes(tmp_path / "c", lambda _: notes)
    result = here("train", "--resume", "c")
    assert (result.code, result.out) == (2, "")
    assert "'notes' must be a dict" in result.err
