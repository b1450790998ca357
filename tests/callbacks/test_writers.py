"""ModelCheckpoint and CSVLogger: what they write, where they cannot, and a full disk."""

import csv
import errno
import math
import os

import pytest

from tests.callbacks.helpers import FakeModel, X, Y, compiled, epochs_of, train
from tinynn import optimizers
from tinynn.callbacks import Callback, CSVLogger, ModelCheckpoint

# --- ModelCheckpoint ---------------------------------------------------------------------------------


def test_checkpoint_after_each_epoch_with_a_template(tmp_path):
    path = tmp_path / "runs" / "{epoch:02d}-{val_loss:.2f}.safetensors"
    model, _ = train([ModelCheckpoint(path)], epochs_of("val_loss", [0.5, 0.125]))
    assert sorted(os.listdir(tmp_path / "runs")) == ["01-0.50.safetensors", "02-0.12.safetensors"]
    assert model.saved == [str(tmp_path / "runs" / name) for name in sorted(os.listdir(tmp_path / "runs"))]


def test_checkpoint_in_a_directory_per_epoch(tmp_path):
    train([ModelCheckpoint(tmp_path / "{{run}}" / "{epoch}" / "model")], [{}] * 2)
    assert (tmp_path / "{run}" / "1" / "model").exists()
    assert (tmp_path / "{run}" / "2" / "model").exists()
    assert os.listdir(tmp_path) == ["{run}"]


def test_checkpoint_of_the_best_only(tmp_path, capsys):
    checkpoint = ModelCheckpoint(tmp_path / "best", "val_accuracy", 1, True)
    model, _ = train([checkpoint], epochs_of("val_accuracy", [0.5, 0.4, 0.6, 0.6, math.nan]))
    assert len(model.saved) == 2
    assert (tmp_path / "best").read_text() == "3.0"
    assert checkpoint.best == 0.6
    assert f"Epoch 3: model saved to {tmp_path / 'best'}" in capsys.readouterr().out


def test_checkpoint_with_a_value_to_beat(tmp_path):
    checkpoint = ModelCheckpoint(tmp_path / "m", "loss", save_best_only=True, initial_value_threshold=0.5)
    for _ in range(2):  # and the value is that again for the next training
        model, _ = train([checkpoint], epochs_of("loss", [0.9, 0.6, 0.4]))
        assert len(model.saved) == 1


def test_checkpoint_resumes(tmp_path):
    first = ModelCheckpoint(tmp_path / "m", "loss", save_best_only=True)
    train([first], epochs_of("loss", [0.5]))
    second = ModelCheckpoint(tmp_path / "m", "loss", save_best_only=True)
    second.set_state(first.get_state())
    model, _ = train([second], epochs_of("loss", [0.6, 0.4]), first_epoch=1)
    assert len(model.saved) == 1
    assert (tmp_path / "m").read_text() == "3.0"


def test_checkpoint_needs_no_monitor_to_save_each_epoch(tmp_path):
    model, _ = train([ModelCheckpoint(tmp_path / "m")], epochs_of("loss", [0.5]), metrics=["loss"])
    assert len(model.saved) == 1


def test_checkpoint_names_an_unknown_field(tmp_path):
    checkpoint = ModelCheckpoint(tmp_path / "{val_acc:.2f}")
    expected = r"filepath's field 'val_acc' is not among .*did you mean 'val_accuracy'"
    with pytest.raises(ValueError, match=expected):
        train([checkpoint], [], metrics=["loss", "val_accuracy"])
    with pytest.raises(ValueError, match=expected):
        train([checkpoint], [{"loss": 1.0, "val_accuracy": 1.0}])


def test_a_model_that_cannot_be_saved_is_refused_before_training(tmp_path):
    model = compiled(optimizers.SGD(lambda step: 0.1))
    with pytest.raises(TypeError, match="ModelCheckpoint: the model cannot be saved: .*which a model file cannot hold"):
        model.fit(X, Y, verbose=0, callbacks=ModelCheckpoint(tmp_path / "m"))
    assert model._core.iteration == 0
    assert not list(tmp_path.iterdir())
    model.fit(X, Y, verbose=0)  # the model is as usable as before


# --- paths -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [ModelCheckpoint, CSVLogger])
@pytest.mark.parametrize("place", ["file/below", "directory", "file/{epoch}", "file/deep/{epoch}/x"])
def test_an_unwritable_path_is_found_before_training(make, place, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "directory").mkdir()
    model = FakeModel()
    with pytest.raises(OSError, match=f"{make.__name__}: cannot write .*choose another path") as error:
        train([make(tmp_path / place)], [{"loss": 1.0}], model=model)
    assert error.value.errno in (errno.ENOTDIR, errno.EISDIR, errno.EEXIST)
    assert model.weights[0][0] == 0  # not one epoch was trained


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.parametrize("make", [ModelCheckpoint, CSVLogger])
def test_a_directory_without_permission_is_found_before_training(make, tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(PermissionError, match="cannot write"):
            train([make(tmp_path / "x")], [{"loss": 1.0}])
    finally:
        tmp_path.chmod(0o700)


def test_the_check_leaves_nothing_behind(tmp_path):
    train([ModelCheckpoint(tmp_path / "model")], [])
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("make", [lambda path: CSVLogger(path), lambda path: ModelCheckpoint(path)])
def test_special_files_are_refused_before_training(make, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", "/dev/null"):
        with pytest.raises(ValueError, match="' is not a regular file; give the path of one"):
            train([make(path)], epochs_of("loss", [1.0]))
    with pytest.raises(ValueError, match="the path is empty"):
        train([make("")], epochs_of("loss", [1.0]))


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: ModelCheckpoint("x", save_freq=10), "save_freq must be 'epoch', got 10"),
        (lambda: ModelCheckpoint("{}"), "is not a valid template"),
        (lambda: ModelCheckpoint("{0}"), "is not a valid template"),
        (lambda: ModelCheckpoint("{loss"), "is not a valid template"),
        (lambda: ModelCheckpoint("{val_loss:02d}"), "is not a valid template"),
        (lambda: ModelCheckpoint(3), "PathLike"),
        (lambda: CSVLogger("x", separator=", "), "separator must be one character"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises((TypeError, ValueError), match=message):
        make()


# --- CSVLogger ---------------------------------------------------------------------------------------


def test_csv_of_each_epoch(tmp_path):
    path = tmp_path / "logs" / "run.csv"
    third = 1 / 3
    train([CSVLogger(path)], [{"loss": 0.5, "val_loss": third}, {"loss": 0.25, "val_loss": 0.125}])
    assert path.read_bytes() == f"epoch,loss,val_loss\n0,0.5,{third!r}\n1,0.25,0.125\n".encode()


def test_csv_is_on_disk_after_each_epoch(tmp_path):
    path = tmp_path / "run.csv"
    lines = []

    class Look(Callback):
        def on_epoch_end(self, epoch, logs=None):
            lines.append(path.read_text().splitlines()[-1])

    train([CSVLogger(path, separator=";"), Look()], epochs_of("loss", [0.5, 0.25]))
    assert lines == ["0;0.5", "1;0.25"]


def test_csv_replaces_an_old_table_only_when_it_has_a_line(tmp_path):
    path = tmp_path / "run.csv"
    path.write_text("precious\n")
    train([CSVLogger(path)], [])
    assert path.read_text() == "precious\n"
    train([CSVLogger(path)], epochs_of("loss", [0.5]))
    assert path.read_text() == "epoch,loss\n0,0.5\n"


def test_csv_appends(tmp_path):
    path = tmp_path / "run.csv"
    train([CSVLogger(path, append=True)], [{"loss": 0.5, "accuracy": 0.1}])
    train([CSVLogger(path, append=True)], [{"accuracy": 0.2, "loss": 0.25}], first_epoch=1)
    assert path.read_text() == "epoch,loss,accuracy\n0,0.5,0.1\n1,0.25,0.2\n"
    with pytest.raises(
        ValueError, match=r"has the columns \['epoch', 'loss', 'accuracy'\], but this training has .*append"
    ):
        train([CSVLogger(path, append=True)], epochs_of("loss", [0.5]))
    assert len(path.read_text().splitlines()) == 3


def test_csv_resumes(tmp_path):
    path = tmp_path / "run.csv"
    first = CSVLogger(path)
    train([first], epochs_of("loss", [0.5]))
    second = CSVLogger(path)
    second.set_state(first.get_state())
    train([second], epochs_of("loss", [0.25, 0.125]), first_epoch=1)
    assert path.read_text() == "epoch,loss\n0,0.5\n1,0.25\n2,0.125\n"


@pytest.mark.parametrize("append", [False, True])
@pytest.mark.parametrize("saved_after", [0, 1, 2])
def test_csv_of_a_training_that_was_killed_after_its_last_checkpoint(append, saved_after, tmp_path):
    """Lines of epochs that come again are cut off; those of an earlier table stay if it is appended to."""
    path = tmp_path / "log.csv"
    path.write_text("epoch,loss\n0,7.0\n5,7.5\n")
    before = path.read_text() if append else "epoch,loss\n"
    first = CSVLogger(path, append=append)
    first.on_train_begin()
    states = [first.get_state()]
    for epoch in range(2):
        first.on_epoch_end(epoch, {"loss": float(epoch)})
        states.append(first.get_state())
    assert path.read_text() == before + "0,0.0\n1,1.0\n"
    second = CSVLogger(path, append=append)
    second.set_state(states[saved_after])
    second.on_train_begin()
    for epoch in range(saved_after, 3):
        second.on_epoch_end(epoch, {"loss": float(epoch)})
    assert path.read_text() == before + "0,0.0\n1,1.0\n2,2.0\n"


def test_csv_quotes_what_needs_it_and_leaves_gaps_where_a_value_is_missing(tmp_path):
    path = tmp_path / "run.csv"
    train([CSVLogger(path)], [{"a,b": 1.0, "loss": 2.0}, {"loss": 3.0, "new": 4.0}])
    with open(path, newline="") as file:
        assert list(csv.reader(file)) == [["epoch", "a,b", "loss"], ["0", "1.0", "2.0"], ["1", "", "3.0"]]


# --- a full disk -------------------------------------------------------------------------------------


class FullDisk:
    """Makes writing into a table fail, half a line at a time, while it is on."""

    def __init__(self, monkeypatch):
        self.on = False
        really = CSVLogger._open

        def open_full(logger, mode):
            file = really(logger, mode)
            if self.on and mode == "a":
                def write(text):
                    type(file).write(file, text[: len(text) // 2])
                    raise OSError(28, "No space left on device")

                return FullFile(file, write)
            return file

        monkeypatch.setattr(CSVLogger, "_open", open_full)


class FullFile:
    def __init__(self, file, write):
        self.file, self.write = file, write

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()

    def __getattr__(self, name):
        return getattr(self.file, name)


@pytest.mark.parametrize("full", [{0}, {1}, {1, 2}, {3}, {0, 1, 2}])
def test_a_table_catches_up_when_there_is_room_again(full, tmp_path, monkeypatch):
    disk, path = FullDisk(monkeypatch), tmp_path / "log.csv"

    class Fill(Callback):
        def on_epoch_begin(self, epoch, logs=None):
            disk.on = epoch in full

        def on_train_end(self, logs=None):
            disk.on = False

    with pytest.warns(RuntimeWarning, match="CSVLogger: cannot write '.*log.csv'.*No space left.*: epoch .* is not in"):
        train([Fill(), CSVLogger(path)], epochs_of("loss", [4.0, 3.0, 2.0, 1.0]))
    assert path.read_text() == "epoch,loss\n0,4.0\n1,3.0\n2,2.0\n3,1.0\n"


def test_a_table_on_a_full_disk_keeps_whole_lines(tmp_path, monkeypatch):
    disk, path = FullDisk(monkeypatch), tmp_path / "log.csv"

    class Fill(Callback):
        def on_epoch_begin(self, epoch, logs=None):
            disk.on = epoch >= 2

    with pytest.warns(RuntimeWarning, match="epoch 3(, 4)? is not in it"):
        _, history = train([Fill(), CSVLogger(path)], epochs_of("loss", [4.0, 3.0, 2.0, 1.0]))
    assert history.epoch == [0, 1, 2, 3]
    disk.on = False
    assert path.read_text().startswith("epoch,loss\n0,4.0\n1,3.0\n")
