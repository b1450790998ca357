"""What holds for every command: help, errors, closed pipes."""

import os
import signal
import subprocess
import sys
import warnings

import pytest

import tinynn
from tinynn.cli import backprop, main
from tinynn.cli.program import COMMANDS


def test_help_names_every_command(tinynn_command):
    result = tinynn_command("--help")
    assert result.code == 0
    assert all(f"\n    {name} " in result.out for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command(here, name):
    result = here(name, "--help")
    assert result.code == 0
    assert result.out.startswith(f"usage: tinynn {name} ")


def test_only_the_command_that_runs_is_imported():
    code = (
        "import sys\n"
        "from tinynn.cli.program import parser\n"
        "parser(['--help'])\n"
        "assert 'numpy' not in sys.modules\n"
        "parser(['--debug', 'info', '--data', 'train'])\n"
        "assert 'tinynn.cli.info' in sys.modules\n"
        "assert 'tinynn.cli.train' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_errors_are_one_line_and_code_2(tinynn_command):
    result = tinynn_command("evaluate", "missing.safetensors")
    assert (result.code, result.out) == (2, "")
    assert result.err == "tinynn evaluate: missing.safetensors: No such file or directory\n"


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "tinynn: the following arguments are required: COMMAND; see tinynn --help\n"),
        (["tarin"], "tinynn: argument COMMAND: invalid choice: 'tarin'; known: backprop, train, evaluate, predict, "
                    "bench, info; did you mean 'train'?; see tinynn --help\n"),
        (["Info"], "did you mean 'info'?"),
        (["xyz"], "predict, bench, info; see tinynn"),
        (["--versoin"], "tinynn: unrecognized arguments: --versoin; did you mean '--version'?"),
        (["info", "--nonsense"], "tinynn info: unrecognized arguments: --nonsense; see tinynn info --help\n"),
        (["info", "--dat", "x"], "tinynn info: unrecognized arguments: --dat x; did you mean '--data'?"),
        (["train", "--epoch=3"], "tinynn train: unrecognized arguments: --epoch=3; did you mean '--epochs'?"),
        (["train", "--Seed", "3"], "did you mean '--seed'?"),
        (["train", "data"], "tinynn train: unrecognized arguments: data; see"),
        (["train", "--protocol", "fxied"], "invalid choice: 'fxied'; known: resampled, fixed; did you mean 'fixed'?"),
        (["train", "--network", "share"], "unknown network 'share'; known: shared, wide, conv, baseline, improved;"),
        (["backprop", "--wieghts", "1"], "did you mean '--weights'?"),
        (["evaluate", "m", "--galery", "a"], "did you mean '--gallery'?"),
    ],
)
def test_wrong_arguments(here, arguments, message):
    result = here(*arguments)
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert result.err.count("\n") == 1


def test_debug_shows_where_an_error_comes_from(here, monkeypatch):
    with pytest.raises(FileNotFoundError):
        main(["evaluate", "missing.safetensors", "--debug"])
    with pytest.raises(FileNotFoundError):
        main(["--debug", "evaluate", "missing.safetensors"])
    monkeypatch.setenv("TINYNN_DEBUG", "1")
    with pytest.raises(FileNotFoundError):
        main(["evaluate", "missing.safetensors"])


def test_a_closed_pipe_is_no_error(start, tmp_path):
    process = start("backprop", "--steps", 3, cwd=tmp_path, stdout=subprocess.PIPE)
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(timeout=60) == 141
    process.stderr.close()


def test_version(here, tinynn_command):
    assert here("--version").out == f"tinynn {tinynn.__version__}\n"
    result = tinynn_command("--version")
    assert (result.code, result.out, result.err) == (0, f"tinynn {tinynn.__version__}\n", "")


@pytest.fixture
def quick(models, digits_directory):
    """Arguments with which each command ends soon."""
    small = ("--digits", 2, "--sums", 16, "--validation-sums", 16, "--epochs", 1, "--out", "model")
    images = f"{digits_directory / 't10k-images-idx3-ubyte.gz'}:0:2"
    return {
        "backprop": ("--svg", "a.svg"),
        "train": small,
        "evaluate": (models["shared"], "--sums", 5),
        "predict": (models["shared"], images),
        "bench": ("--seconds", 0.001),
        "info": (),
    }


@pytest.mark.parametrize("closed", [(1,), (2,), (0, 1, 2)], ids=str)
@pytest.mark.parametrize("name", COMMANDS)
def test_closed_streams_swallow_everything(start, tmp_path, quick, name, closed):
    """What is printed must not go into a file that was opened in place of a closed stream."""
    process = start(name, *quick[name], cwd=tmp_path, preexec_fn=lambda: [os.close(number) for number in closed])
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    assert bool(out) == (1 not in closed)
    if name == "train":
        tinynn.load(tmp_path / "model")
    if name == "backprop":
        assert (tmp_path / "a.svg").read_text(encoding="utf-8") == tinynn.graph.WorkedExample().svg()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("name", COMMANDS)
def test_a_full_stdout_is_one_line_at_the_end_of_the_work(start, tmp_path, quick, name):
    with open("/dev/full", "w") as full:
        process = start(name, *quick[name], cwd=tmp_path, stdout=full)
        err = process.communicate(timeout=120)[1]
        assert (process.returncode, err) == (2, f"tinynn {name}: cannot write to stdout: No space left on device\n")
        if name == "train":
            tinynn.load(tmp_path / "model")
        help_of_it = start(name, "--help", cwd=tmp_path, stdout=full)
        assert help_of_it.communicate(timeout=60)[1] == "tinynn: cannot write to stdout: No space left on device\n"
        assert help_of_it.returncode == 2
        wrong = start(name, "--nonsense", cwd=tmp_path, stderr=full)
        assert wrong.communicate(timeout=60)[0] == ""
        assert wrong.returncode == 2


@pytest.mark.parametrize("swallow", ["pass", "raise ImportError('no module') from None"])
@pytest.mark.parametrize("module", ["numpy", "argparse"])
def test_interrupted_while_modules_are_imported(start, tmp_path, module, swallow):
    """Ctrl-C in an import is one line, even where the module would swallow KeyboardInterrupt or take it for its own."""
    (tmp_path / f"{module}.py").write_text(
        "import os, signal, time\n"
        "try:\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    time.sleep(60)\n"
        f"except BaseException:\n    {swallow}\n"
    )
    process = start("info", cwd=tmp_path, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
    assert process.communicate(timeout=120) == ("", "\ntinynn: interrupted\n")
    assert process.returncode == 130


def test_interrupted_in_the_work(here, monkeypatch):
    def interrupted(options):
        raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(backprop, "run", interrupted)
    result = here("backprop")
    assert (result.code, result.out, result.err) == (130, "", "\ntinynn backprop: interrupted\n")
    assert signal.getsignal(signal.SIGINT) is before  # which is that of whoever called main


def test_a_warning_is_one_line(here, monkeypatch):
    def run(options):
        warnings.warn("the first\nand the second line", RuntimeWarning, stacklevel=1)
        print("done")

    monkeypatch.setattr(backprop, "run", run)
    result = here("backprop")
    assert (result.code, result.out) == (0, "done\n")
    assert result.err == "tinynn backprop: the first and the second line\n"
