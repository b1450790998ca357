"""The progress of fit: silent, lines, or a moving line on a terminal."""

import io
import pickle
import subprocess
import sys
import threading

import pytest

from tinynn.callbacks.progress import Progress, check_verbose, describe


class Terminal(io.StringIO):
    def isatty(self):
        return True


def run(progress, epochs=2, steps=10, logs=None):
    progress.set_params({"epochs": epochs, "steps": steps})
    progress.on_train_begin()
    for epoch in range(epochs):
        progress.on_epoch_begin(epoch)
        progress.on_progress(4, {"loss": 0.75})
        progress.on_epoch_end(epoch, logs or {"loss": 0.5, "val_loss": 0.25})
    progress.on_train_end()
    progress.close()


@pytest.fixture
def on_terminal(monkeypatch):
    """Make stderr a terminal and return it: a call, since pytest sets stderr anew after the fixtures."""

    def replace():
        stream = Terminal()
        monkeypatch.setattr(sys, "stderr", stream)
        return stream

    return replace


@pytest.mark.parametrize("terminal_or_not", [Terminal, io.StringIO])
def test_silent(terminal_or_not, monkeypatch, capsys):
    stream = terminal_or_not()
    monkeypatch.setattr(sys, "stderr", stream)
    run(Progress(0))
    assert stream.getvalue() == ""
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("verbose", ["auto", 1, 2])
def test_one_line_per_epoch_without_a_terminal(verbose, capsys):
    run(Progress(verbose))
    captured = capsys.readouterr()
    assert captured.err == ""
    lines = captured.out.splitlines()
    assert len(lines) == 2
    for i, line in enumerate(lines, 1):
        assert line.startswith(f"Epoch {i}/2 - ")
        assert line.endswith("s - loss: 0.5000 - val_loss: 0.2500")


def test_lines_are_for_stdout_even_on_a_terminal(on_terminal, capsys):
    terminal = on_terminal()
    run(Progress(2))
    assert terminal.getvalue() == ""
    assert len(capsys.readouterr().out.splitlines()) == 2


@pytest.mark.parametrize("verbose", ["auto", 1, True])
def test_a_moving_line_on_a_terminal(verbose, on_terminal, capsys):
    terminal = on_terminal()
    run(Progress(verbose))
    text = terminal.getvalue()
    assert capsys.readouterr().out == ""
    assert "\r" in text
    for part in ("Epoch 1/2", "Epoch 2/2", "10/10", "loss: 0.5000", "val_loss: 0.2500"):
        assert part in text
    assert text.count("\n") == 2  # one line stays for each epoch


def test_the_line_starts_no_thread(on_terminal):
    on_terminal()
    before = threading.active_count()
    progress = Progress(1)
    progress.set_params({"epochs": 1, "steps": 10})
    progress.on_train_begin()
    progress.on_epoch_begin(0)
    assert threading.active_count() == before
    progress.close()


def test_an_unknown_number_of_steps(on_terminal):
    terminal = on_terminal()
    run(Progress(1), steps=None)
    assert "Epoch 1/2 - 4 - " in terminal.getvalue()


def test_close_ends_an_interrupted_line_once(on_terminal):
    terminal = on_terminal()
    progress = Progress(1)
    progress.set_params({"epochs": 1, "steps": 10})
    progress.on_train_begin()
    progress.on_epoch_begin(0)
    progress.on_progress(3, {"loss": 0.5})
    pickle.dumps(progress)  # the open line stays behind
    bar = progress._bar  # which closes itself when nothing refers to it
    progress.close()
    progress.close()
    assert bar.disable
    assert terminal.getvalue().count("\n") == 1
    assert terminal.getvalue().endswith("\n")


def test_no_console_at_all(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    monkeypatch.setattr(sys, "stdout", None)
    run(Progress(1))


def test_epoch_numbers_are_aligned(capsys):
    progress = Progress(2)
    progress.set_params({"epochs": 100, "steps": 1})
    progress.on_train_begin()
    progress.on_epoch_begin(6)
    progress.on_epoch_end(6, {})
    progress.set_params({})
    progress.on_epoch_begin(6)
    progress.on_epoch_end(6, {"loss": 1.0})
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("Epoch   7/100 - ") and first.endswith("s")
    assert second.startswith("Epoch 7 - ")


@pytest.mark.parametrize(
    "value, text",
    [
        (0.0, "0.0000"),
        (0.12345, "0.1235"),
        (3e-5, "3.000e-05"),
        (-2.5, "-2.5000"),
        (1e6, "1.000e+06"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
    ],
)
def test_numbers(value, text):
    assert describe({"loss": value}) == f"loss: {text}"


@pytest.mark.parametrize("given, expected", [("auto", 1), (0, 0), (1, 1), (2, 2), (True, 1), (False, 0)])
def test_verbose(given, expected):
    assert check_verbose(given) == expected


@pytest.mark.parametrize("given", [3, -1, "loud", None, 1.0])
def test_bad_verbose(given):
    with pytest.raises(ValueError, match="fit: verbose must be 0"):
        Progress(given)


def test_tqdm_is_imported_only_when_there_is_a_line_to_show():
    code = (
        "import sys, tinynn.callbacks.progress as p\n"
        "r = p.Progress(2); r.set_params({'epochs': 1, 'steps': 1}); r.on_train_begin()\n"
        "r.on_epoch_begin(0); r.on_epoch_end(0, {'loss': 1.0})\n"
        "sys.exit('tqdm' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_messages_of_callbacks_do_not_break_the_line(on_terminal, capsys):
    on_terminal()
    from tinynn.callbacks.monitors import say as _say

    progress = Progress(1)
    progress.set_params({"epochs": 1, "steps": 10})
    progress.on_train_begin()
    progress.on_epoch_begin(0)
    _say("hello")
    progress.close()
    assert capsys.readouterr().out == "hello\n"


# --- narrow terminals, notebooks ------------------------------------------------------------------------


LOGS = {"loss": 0.0619, "accuracy": 0.9812, "val_loss": 0.0712, "val_accuracy": 0.9777}


@pytest.mark.parametrize("columns", [20, 40, 80, 120, 200])
def test_the_line_that_stays_holds_all_quantities_however_narrow(columns, on_terminal, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    terminal = on_terminal()
    run(Progress(1), epochs=3, steps=1875, logs=LOGS)
    lines = [line.rpartition("\r")[2] for line in terminal.getvalue().split("\n")[:-1]]
    assert len(lines) == 3
    for number, line in enumerate(lines, 1):
        assert line.startswith(f"Epoch {number}/3 - 1875/1875 - ")
        assert line.endswith(" - " + describe(LOGS))


@pytest.mark.parametrize("columns, bar, rate", [(40, False, False), (70, True, False), (140, True, True)])
def test_narrow_terminals_drop_the_rate_and_then_the_bar(columns, bar, rate, on_terminal, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr("tqdm.std._screen_shape_wrapper", lambda: lambda stream: (columns, 24))
    terminal = on_terminal()
    progress = Progress(1)
    progress.set_params({"epochs": 3, "steps": 1875})
    progress.on_train_begin()
    progress.on_epoch_begin(0)
    progress.on_progress(937, {"loss": 0.0619})
    progress._bar.refresh()
    moving = terminal.getvalue().rpartition("\r")[2]
    progress.close()
    assert "loss: 0.0619" in moving
    assert ("|" in moving, "step/s" in moving) == (bar, rate)
    assert "937/1875" in moving
    assert len(moving) <= columns


def test_in_a_notebook_the_line_moves_below_the_cell(monkeypatch):
    stream = type("OutStream", (io.StringIO,), {"__module__": "ipykernel.iostream"})()
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    run(Progress("auto"), logs=LOGS)
    text = stream.getvalue()
    assert sys.stderr.getvalue() == ""
    assert text.count("\n") == 2
    assert "\rEpoch 1/2: " in text
    assert text.endswith(describe(LOGS) + "\n")
