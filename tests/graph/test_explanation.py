"""What explain() prints."""

from __future__ import annotations

import re

import pytest

from tinynn.graph import WorkedExample
from tinynn.graph.explanation import exact, given, short


def lines(text: str, start: str) -> list[str]:
    """The lines that begin so, with single blanks."""
    return [plain for line in text.splitlines() if (plain := " ".join(line.split())).startswith(start)]


@pytest.mark.parametrize(
    "line",
    [
        "z1 = w1 x = 2 * 2 4.000000000 -",
        "n1 = s(z1) = s(4) 0.982013790 0.982",
        "n2 = s(z2) = s(0.982014) 0.727507614 0.7275",
        "n3 = s(z3) = s(1.96403) 0.876968168 0.877",
        "z4 = w4 n2 + w5 n3 = 4 * 0.727508 + 1 * 0.876968 3.786998622 3.787",
        "n4 = s(z4) = s(3.787) 0.977838731 0.977",
        "L = (n4 - y)^2 / 2 = (0.977839 - 3)^2 / 2 2.044568099 2.0446",
        "a = (n4 - y) s'(z4)",
        "dL/dw5 = a n3",
        "dL/dw4 = a n2",
        "dL/dw3 = a w5 s'(z3) n1",
        "dL/dw2 = a w4 s'(z2) n1",
        "dL/dw1 = a [w4 s'(z2) w2 + w5 s'(z3) w3] s'(z1) x (n1 feeds two units: both paths add up)",
        "= -0.0438205 * [4 * 0.19824 * 1 + 1 * 0.107895 * 2] * 0.0176627 * 2",
        "= -0.0438205 * [0.792961 + 0.21579] * 0.0176627 * 2 -0.001561525",
        "w1 = 2 - 0.1 * (-0.00156152) 2.000156152 2.0003 2.000",
        "w2 = 1 - 0.1 * (-0.034123) 1.003412300 1.0034 1.003",
        "w3 = 2 - 0.1 * (-0.00464298) 2.000464298 2.0005 2.000",
        "w4 = 4 - 0.1 * (-0.0318798) 4.003187977 4.0032 4.003",
        "w5 = 1 - 0.1 * (-0.0384292) 1.003842921 1.0038 1.004",
        "dL/dw1 = a [w4 s'(z2) w2 + w4 s'(z3) w3] s'(z1) x wrong",
        "dL/dw1 = a [w4 s'(z2) w2 + w5 s'(z3) w3] s'(z1) x right",
        "so w1 becomes 2.000256 instead of 2.000156: the report prints 2.0003, correct is 2.0002.",
        "2. set_weights in its program loops over an integer, which raises an error",
    ],
)
def test_every_equation_of_the_report_with_its_numbers(line):
    assert line in lines(WorkedExample().explain(), line.split(" ", maxsplit=1)[0])


def test_the_text_fits_a_terminal_and_is_ascii():
    text = WorkedExample().explain(steps=1000)
    assert text.isascii()
    assert text.endswith("\n")
    assert max(map(len, text.splitlines())) <= 100


def test_explaining_changes_nothing():
    example = WorkedExample()
    example.explain(lr=0.5, steps=100)
    assert example.get_weights() == WorkedExample().get_weights()
    with pytest.raises(RuntimeError, match="no gradient yet"):
        example.gradients()


def test_it_explains_the_present_weights():
    example = WorkedExample()
    example.train(10, 0.1)
    assert f"{exact(example.nodes['n4'].output)}" not in example.explain()  # that was before the last update
    example.forward()
    assert f"{exact(example.nodes['n4'].output)}" in example.explain()


@pytest.mark.parametrize(
    "example", [WorkedExample(x=2.5), WorkedExample(y=0.5), WorkedExample(weights=[2.0, 1.0, 2.0, 4.0, 1.5])]
)
def test_the_figures_of_the_report_appear_only_for_its_inputs(example):
    text = example.explain()
    assert not re.search(r"0\.7275$|2\.0003|by hand +program|exact +report", text, re.MULTILINE)
    assert "instead of" in text  # the wrong term, with what it gives here
    assert "loops over an integer" in text


def test_with_another_learning_rate_only_the_forward_figures_of_the_report_remain():
    text = WorkedExample().explain(lr=0.2)
    assert "n2 = s(z2) = s(0.982014) 0.727507614 0.7275" in lines(text, "n2")
    assert "by hand   program" not in text
    assert "the report prints" not in text


def test_the_wrong_term_is_computed_for_the_inputs_given():
    # w4 = w5: the slip makes no difference
    text = WorkedExample(weights=[2.0, 1.0, 2.0, 3.0, 3.0]).explain()
    (line,) = lines(text, "so w1 becomes")
    wrong, right = re.findall(r"\d+\.\d+", line)
    assert wrong == right


def test_several_steps_add_a_table():
    text = WorkedExample().explain(lr=0.1, steps=250)
    example = WorkedExample()
    example.train(250, 0.1)
    example.forward()
    rows = [line.split() for line in text.splitlines() if re.match(r" +[\d,]+( +[\d.]+){6}$", line)]
    assert [row[0] for row in rows] == ["0", "1", "10", "100", "250"]
    assert rows[0][1:] == ["2.04457", "2", "1", "2", "4", "1"]
    assert rows[-1][1:] == [f"{value:.6g}" for value in (example.forward(), *example.get_weights())]
    assert "with y = 3, L stays above 2." in text
    assert "L stays above" not in WorkedExample(y=0.5).explain(steps=2)


def test_no_steps_leave_the_update_out():
    text = WorkedExample().explain(steps=0)
    assert "New weights" not in text
    assert "dL/dw1" in text


def test_extreme_inputs_are_explained_too():
    text = WorkedExample(x=-1e-7, y=1e6, weights=[-123456.789, 1e-9, -3e4, 0.0, -0.0]).explain()
    assert "-1.23456789e" not in text  # the weight is shown as given
    assert "-123456.789" in text
    with pytest.raises(FloatingPointError, match="use a smaller lr"):
        WorkedExample(x=1e-3, y=1e5).explain(lr=1e308)


def test_numbers():
    assert [exact(v) for v in (2.0, 0.0, 1.5e-5, -1e7)] == [
        "2.000000000",
        "0.000000000",
        "1.50000000e-05",
        "-1.00000000e+07",
    ]
    assert [short(v) for v in (2.0, -0.0, -1.5)] == ["2", "0", "(-1.5)"]
    assert short(-1.5, alone=True) == "-1.5"
    assert [given(v) for v in (2.0, 0.1, -3.0, 1e300)] == ["2", "0.1", "-3", "1e+300"]
