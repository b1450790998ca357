"""``tinynn backprop``."""

import pytest

from tinynn.graph import WorkedExample


def test_it_prints_the_explanation(tinynn_command):
    result = tinynn_command("backprop")
    assert (result.code, result.err) == (0, "")
    assert result.out == WorkedExample().explain()


def test_other_numbers(here):
    result = here(
        "backprop", "--x", "-1e-3", "--y=-1", "--weights", 1, -2, "-.5", "3e0", 0, "--lr", 0.5, "--steps", 3
    )
    assert result.code == 0, result.err
    example = WorkedExample(x=-1e-3, y=-1, weights=[1, -2, -0.5, 3, 0])
    assert result.out == example.explain(lr=0.5, steps=3)


def test_picture(here, tmp_path):
    result = here("backprop", "--svg", "graph.svg", "--x", 1)
    assert result.out == WorkedExample(x=1).explain() + "\nPicture: graph.svg\n"
    assert (tmp_path / "graph.svg").read_text(encoding="utf-8") == WorkedExample(x=1).svg()


def test_the_picture_is_that_of_the_last_step(here, tmp_path):
    assert here("backprop", "--svg", "graph.svg", "--steps", 3, "--lr", 0.5).code == 0
    expected = WorkedExample()
    expected.train(2, 0.5)
    picture = (tmp_path / "graph.svg").read_text(encoding="utf-8")
    assert picture == WorkedExample().svg(lr=0.5, steps=3)
    assert picture.replace(", step 3", "") == expected.svg()


def test_quiet(here, tmp_path):
    result = here("backprop", "--svg", "graph.svg", "--quiet")
    assert (result.code, result.out, result.err) == (0, "", "")
    assert (tmp_path / "graph.svg").is_file()


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--lr", "nan"], "explain: lr must be a finite number >= 0, got nan"),
        (["--lr", "-0.1"], "explain: lr must be a finite number >= 0, got -0.1"),
        (["--lr", "1e308"], "weights"),
        (["--steps", "-1"], "explain: steps must be at least 0, got -1"),
        (["--steps", "1.5"], "argument --steps: invalid int value: '1.5'"),
        (["--weights", "1", "2"], "WorkedExample: weights must be a list of 5 numbers (w1 to w5), got 2"),
        (
            ["--weights", "1", "2", "3", "4", "inf"],
            "WorkedExample: weights[4] (w5) must be a finite number, got inf",
        ),
        (["--x", "two"], "argument --x: invalid float value: 'two'"),
        (["--svg", "missing/a.svg"], "--svg: cannot write missing/a.svg: there is no folder missing"),
        (["--svg", "."], "--svg: cannot write .: Is a directory"),
        (["--svg", ""], "--svg: the path is empty; give the path of a file"),
        (["--svg", "/dev/null"], "--svg: '/dev/null' is not a regular file"),
    ],
)
def test_nonsense_is_one_line(here, arguments, message):
    result = here("backprop", "--y", "1e10" if "1e308" in arguments else "3", *arguments)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("tinynn backprop: ")
    assert message in result.err
    assert result.err.count("\n") == 1
