"""The report's network in equations, with their numbers and the report's figures beside them."""

from __future__ import annotations

from tinynn.graph.nodes import sigmoid_slope
from tinynn.graph.report_network import ReportNetwork

# The figures printed in the 2018 report, and the inputs they are for.
REPORT_X, REPORT_Y, REPORT_WEIGHTS, REPORT_LR = 2.0, 3.0, [2.0, 1.0, 2.0, 4.0, 1.0], 0.1
REPORT_FORWARD = {"n1": "0.982", "n2": "0.7275", "n3": "0.877", "z4": "3.787", "n4": "0.977", "L": "2.0446"}
REPORT_BY_HAND = ("2.0003", "1.0034", "2.0005", "4.0032", "1.0038")
REPORT_PROGRAM = ("2.000", "1.003", "2.000", "4.003", "1.004")


def explain(network: ReportNetwork, lr: float, steps: int) -> str:
    """Return the explanation; `network` takes the steps."""
    network.forward()
    network.backward()
    value = {name: node.output for name, node in network.nodes.items()}
    slope = {f"s'(z{i})": sigmoid_slope(value[f"z{i}"]) for i in (1, 2, 3, 4)}
    gradients = network.gradients()
    as_reported = (network.x, network.y, network.get_weights()) == (REPORT_X, REPORT_Y, REPORT_WEIGHTS)
    update_as_reported = as_reported and lr == REPORT_LR

    lines = [
        *introduction(network, lr),
        *forward_pass(value, as_reported),
        *backward_pass(value, slope, gradients),
    ]
    if steps > 0:
        network.step(lr)
        lines += new_weights(value, gradients, network.get_weights(), lr, update_as_reported)
    lines += errors_in_the_report(value, slope, gradients, lr, update_as_reported)
    if steps > 1:
        lines += later_steps(network, value["L"], lr, steps)
    return "\n".join(lines) + "\n"


def introduction(network: ReportNetwork, lr: float) -> list[str]:
    """The network and its inputs."""
    weights = ", ".join(given(weight) for weight in network.get_weights())
    return [
        "Backpropagation by hand",
        "=======================",
        "",
        "  x --w1-- n1 --+--w2-- n2 --w4--+-- n4 -- L          four sigmoid units, five weights, no biases",
        "                +--w3-- n3 --w5--+",
        "",
        f"  x = {given(network.x)}, y = {given(network.y)}, w = [{weights}], lr = {given(lr)}",
        "",
        "  s(z)  = 1 / (1 + exp(-z))",
        "  s'(z) = exp(-z) / (1 + exp(-z))^2 = s(z) s(-z)      (the last form never overflows)",
    ]


def forward_pass(value: dict[str, float], as_reported: bool) -> list[str]:
    """z, n and L, one line each."""
    x, y, w1, w2, w3, w4, w5, n1, n2, n3, n4 = (
        short(value[name]) for name in ("x", "y", "w1", "w2", "w3", "w4", "w5", "n1", "n2", "n3", "n4")
    )
    z1, z2, z3, z4 = (short(value[f"z{i}"], alone=True) for i in (1, 2, 3, 4))
    rows = [
        ("z1", "w1 x", f"{w1} * {x}"),
        ("n1", "s(z1)", f"s({z1})"),
        ("z2", "w2 n1", f"{w2} * {n1}"),
        ("n2", "s(z2)", f"s({z2})"),
        ("z3", "w3 n1", f"{w3} * {n1}"),
        ("n3", "s(z3)", f"s({z3})"),
        ("z4", "w4 n2 + w5 n3", f"{w4} * {n2} + {w5} * {n3}"),
        ("n4", "s(z4)", f"s({z4})"),
        ("L", "(n4 - y)^2 / 2", f"({n4} - {y})^2 / 2"),
    ]
    lines = heading("Forward", "exact", "report" if as_reported else "")
    for name, formula, numbers in rows:
        report = REPORT_FORWARD.get(name, "-") if as_reported else ""
        lines.append(row(f"{name:<2} = {formula:<14} = {numbers}", exact(value[name]), report))
    if as_reported:
        lines += ["", "  (The report truncates its figures for n1 to n4 instead of rounding them.)"]
    return lines


def backward_pass(value: dict[str, float], slope: dict[str, float], gradients: list[float]) -> list[str]:
    """The slopes, the common factor a, and the five gradients, from the output back to the input."""
    lines = heading("Backward", "exact")
    for i in (1, 2, 3, 4):
        z = value[f"z{i}"]
        numbers = f"s({short(z, alone=True)}) s({short(-z, alone=True)})"
        lines.append(row(f"s'(z{i}) = {numbers}", exact(slope[f"s'(z{i})"])))
    a = (value["n4"] - value["y"]) * slope["s'(z4)"]
    s1, s2, s3, s4 = (short(slope[f"s'(z{i})"]) for i in (1, 2, 3, 4))
    x, y, w2, w3, w4, w5, n1, n2, n3, n4 = (
        short(value[name]) for name in ("x", "y", "w2", "w3", "w4", "w5", "n1", "n2", "n3", "n4")
    )
    f = short(a, alone=True)
    rows = [
        ("a      = (n4 - y) s'(z4)", f"({n4} - {y}) * {s4}", a),
        ("dL/dw5 = a n3", f"{f} * {n3}", gradients[4]),
        ("dL/dw4 = a n2", f"{f} * {n2}", gradients[3]),
        ("dL/dw3 = a w5 s'(z3) n1", f"{f} * {w5} * {s3} * {n1}", gradients[2]),
        ("dL/dw2 = a w4 s'(z2) n1", f"{f} * {w4} * {s2} * {n1}", gradients[1]),
    ]
    lines.append("")
    for equation, numbers, result in rows:
        lines += [f"  {equation}", row(f"       = {numbers}", exact(result))]
    through_n2 = short(value["w4"] * slope["s'(z2)"] * value["w2"])
    through_n3 = short(value["w5"] * slope["s'(z3)"] * value["w3"])
    lines += [
        "  dL/dw1 = a [w4 s'(z2) w2 + w5 s'(z3) w3] s'(z1) x      (n1 feeds two units: both paths add up)",
        f"         = {f} * [{w4} * {s2} * {w2} + {w5} * {s3} * {w3}] * {s1} * {x}",
        row(f"       = {f} * [{through_n2} + {through_n3}] * {s1} * {x}", exact(gradients[0])),
    ]
    return lines


def new_weights(
    value: dict[str, float], gradients: list[float], updated: list[float], lr: float, as_reported: bool
) -> list[str]:
    """w - lr dL/dw, beside the report's two columns."""
    columns = ("by hand", "program") if as_reported else ()
    lines = heading("New weights: w <- w - lr dL/dw", "exact", *columns)
    for i in range(5):
        numbers = f"w{i + 1} = {short(value[f'w{i + 1}'], alone=True)} - {given(lr)} * {short(gradients[i])}"
        report = (REPORT_BY_HAND[i], REPORT_PROGRAM[i]) if as_reported else ()
        lines.append(row(numbers, exact(updated[i]), *report))
    return lines


def errors_in_the_report(
    value: dict[str, float], slope: dict[str, float], gradients: list[float], lr: float, as_reported: bool
) -> list[str]:
    """The wrong term, with its result for these inputs, and the loop over an integer."""
    a = (value["n4"] - value["y"]) * slope["s'(z4)"]
    inner = value["w4"] * slope["s'(z2)"] * value["w2"] + value["w4"] * slope["s'(z3)"] * value["w3"]
    wrong = a * inner * slope["s'(z1)"] * value["x"]
    wrong_w1, right_w1 = value["w1"] - lr * wrong, value["w1"] - lr * gradients[0]
    return [
        *heading("Two errors in the report"),
        "  1. Its equation for the path of w1 through n3 has w4 where w5 belongs:",
        "",
        "       dL/dw1 = a [w4 s'(z2) w2 + w4 s'(z3) w3] s'(z1) x        wrong",
        "                                  ^^",
        "       dL/dw1 = a [w4 s'(z2) w2 + w5 s'(z3) w3] s'(z1) x        right",
        "",
        f"     The wrong term gives dL/dw1 = {exact(wrong)} instead of {exact(gradients[0])},",
        f"     so w1 becomes {wrong_w1:.6f} instead of {right_w1:.6f}"
        + (": the report prints 2.0003, correct is 2.0002." if as_reported else "."),
        "     The report blames rounding; it is the equation.",
        "",
        "  2. set_weights in its program loops over an integer, which raises an error",
        "     (TypeError: 'int' object is not iterable). Here set_weights takes the list of five weights.",
    ]


def later_steps(network: ReportNetwork, first_loss: float, lr: float, steps: int) -> list[str]:
    """Weights and loss after 1, 10, 100, ... steps; `network` has taken one."""
    first_weights = [network.nodes[f"w{i}"].output for i in range(1, 6)]  # those before the step
    lines = [
        *heading(f"{steps:,} steps with lr = {given(lr)}"),
        f"  {'steps':>13} {'L':>13}" + "".join(f" {f'w{i}':>12}" for i in range(1, 6)),
        table_row(0, first_loss, first_weights),
    ]
    done, milestone = 1, 1
    while True:
        network.train(milestone - done, lr)
        done = milestone
        lines.append(table_row(done, network.forward(), network.get_weights()))
        if done == steps:
            break
        milestone = min(milestone * 10, steps)
    if not 0.0 < network.y < 1.0:
        nearest = min(max(network.y, 0.0), 1.0)
        limit = 0.5 * (nearest - network.y) ** 2
        bound = f"with y = {given(network.y)}, L stays above {given(limit)}"
        lines += ["", f"  A sigmoid stays between 0 and 1: {bound}."]
    return lines


def table_row(steps: int, loss: float, weights: list[float]) -> str:
    """One line of the table of steps."""
    cells = "".join(f" {weight:>12.6g}" for weight in weights)
    return f"  {steps:>13,} {short(loss, alone=True):>13}{cells}"


def heading(title: str, *columns: str) -> list[str]:
    """A blank line, a title with the columns' titles, and a rule."""
    return ["", row(title, *columns, indent=""), "-" * max(len(title), 97 if columns else 0)]


def row(text: str, *columns: str, indent: str = "  ") -> str:
    """Text on the left; the exact number and the report's figures on the right."""
    widths = (16, 10, 10)
    cells = "".join(f"{column:>{width}}" for column, width in zip(columns, widths, strict=False))
    text = indent + text
    if columns and len(text) > 61:
        text += "\n" + 61 * " "  # the result goes on a line of its own
    return f"{text:<61}{cells}".rstrip()


def exact(number: float) -> str:
    """Nine decimals, or scientific notation where those would not show the number."""
    return f"{number:.9f}" if number == 0.0 or 1e-4 <= abs(number) < 1e6 else f"{number:.8e}"


def short(number: float, alone: bool = False) -> str:
    """Six digits. Inside an equation (not `alone`) a negative number is in parentheses."""
    text = f"{number + 0.0:.6g}"  # + 0.0 turns -0 into 0
    return text if alone or number >= 0.0 else f"({text})"


def given(number: float) -> str:
    """A number as the user gave it: 2 rather than 2.0."""
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)
