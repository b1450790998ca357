"""What holds for every command: help, errors, closed pipes."""

import subprocess

import pytest

from tinynn.cli import COMMANDS, main


def test_help_names_every_command(tinynn_command):
    result = tinynn_command("--help")
    assert result.code == 0
    assert all(f"\n    {name} " in result.out for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command(here, name):
    result = here(name, "--help")
    assert result.code == 0
    assert result.out.startswith(f"usage: tinynn {name} ")


def test_errors_are_one_line_and_code_2(tinynn_command):
    result = tinynn_command("evaluate", "missing.safetensors")
    assert (result.code, result.out) == (2, "")
    assert result.err == "tinynn evaluate: missing.safetensors: No such file or directory\n"


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "tinynn: the following arguments are required: COMMAND; see tinynn --help\n"),
        (["tarin"], "tinynn: argument COMMAND: invalid choice: 'tarin'"),
        (["info", "--nonsense"], "unrecognized arguments: --nonsense"),
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
