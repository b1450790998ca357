"""What the comparison found, as Markdown tables: the full one, a short one, and where they go in the documents."""

import math
import os
from pathlib import Path

from benches.peers import COLUMNS
from benches.peers.roofline import EXPONENTIALS, FLOPS, STREAM, TERMS

BEGIN, END = "<!-- compare: begin -->", "<!-- compare: end -->"
NOTHING = ""

SHORT = (
    "improved rnn towers B 128",
    "MLP 784-128-10 B 32",
    "LSTM B 32 T 50 I 16 H 32",
    "convolutions 28x28, 16 and 32 5x5, B 32",
    "predict one row 784-128-10",
)
"""The workloads in the short table."""

FRAMEWORKS = {
    "PyTorch": ("torch", "torch-compiled"),
    "JAX": ("jax", "jax-scan"),
    "Keras": ("keras",),
    "scikit-learn": ("sklearn",),
}
"""The columns of the short table, each with the variants of which it shows the fastest."""


def three_digits(number):
    """Three significant digits, never an exponent."""
    if number is None:
        return NOTHING
    if number == 0:
        return "0"
    return f"{number:.{max(0, 2 - math.floor(math.log10(abs(number))))}f}"


def milliseconds(seconds):
    return three_digits(None if seconds is None else seconds * 1e3)


def fastest_peer(row):
    """The best time of all other frameworks, or None."""
    return min((times["best"] for variant, times in row["times"].items() if variant != "tinynn"), default=None)


def ratio(row):
    """The fastest peer's best time divided by tinynn's, or None."""
    peer, ours = fastest_peer(row), row["times"].get("tinynn")
    return None if peer is None or ours is None else peer / ours["best"]


def geometric_mean(rows):
    ratios = [r for r in map(ratio, rows) if r is not None]
    return math.exp(sum(map(math.log, ratios)) / len(ratios)) if ratios else None


def short(results):
    """A few rows with the best time of each framework, and the ratios of all rows."""
    head = ["workload", "tinynn", *FRAMEWORKS, "fastest peer / tinynn"]
    table = [head] + [_short_cells(row) for row in results["rows"] if row["name"] in SHORT]
    lines = [f"{_machine(results)}. Milliseconds a step, the best of each framework; lower is better.", ""]
    lines += markdown(table)
    ratios = [r for r in map(ratio, results["rows"]) if r is not None]
    if ratios:
        least, mean, most = map(three_digits, (min(ratios), geometric_mean(results["rows"]), max(ratios)))
        lines += ["", f"Over all {len(ratios)} workloads the last column is {least} to {most}, geometric mean {mean}."]
    return "\n".join(lines) + "\n"


def _short_cells(row):
    ours = row["times"].get("tinynn")
    cells = [row["name"], f"**{milliseconds(ours['best'])}**" if ours else NOTHING]
    for variants in FRAMEWORKS.values():
        cells.append(milliseconds(min((row["times"][v]["best"] for v in variants if v in row["times"]), default=None)))
    return [*cells, three_digits(ratio(row))]


def render(results):
    """The full report: where it was measured, the table, and what stands below it."""
    rows = results["rows"]
    variants = [v for v in COLUMNS if any(v in row["times"] or v in row["missing"] for row in rows)]
    footnotes = Footnotes()
    head = ["workload", "GFLOP", "limit", "tinynn", "median", "of limit", "GFLOP/s"]
    head += [COLUMNS[v] for v in variants] + ["fastest peer / tinynn"]
    table = [head] + [_cells(row, variants, footnotes) for row in rows]
    lines = [caption(results), "", *markdown(table)]
    mean = geometric_mean(rows)
    if mean is not None:
        lines += ["", f"Geometric mean of the ratios: {three_digits(mean)}."]
    return "\n".join(lines + footnotes.lines()) + "\n"


def caption(results):
    return f"{_machine(results)}. Milliseconds a step, the best{_limits(results['rows'])}."


def _machine(results):
    """Where and with what it was measured, and when."""
    machine = results["machine"]
    return (
        f"{machine['name']}, {machine['cores']} cores, {machine['instruction_set']}, {machine['threads']} threads; "
        f"{'; '.join(results['versions'].values())}; Python {machine['python']}, NumPy {machine['numpy']}; "
        f"{results['date']}"
    )


def _limits(rows):
    """The measured rates behind the limits of the rows, from lowest to highest."""
    rates = {term: [row["rates"][term] for row in rows if term in row["rates"] and _counts(row)] for term in TERMS}
    if not all(rates.values()):
        return ""
    gigabytes = [f"{bound(rates[STREAM]) / 1e9:.0f}" for bound in (min, max)]
    gigaflops = [f"{bound(rates[FLOPS]) / 1e9:.0f}" for bound in (min, max)]
    nanoseconds = [f"{1e9 / bound(rates[EXPONENTIALS]):.2f}" for bound in (max, min)]
    return (
        f"; `limit` is the roofline time at {' to '.join(gigaflops)} GFLOP/s, {' to '.join(nanoseconds)} ns an "
        f"exponential and {' to '.join(gigabytes)} GB/s, measured in turns with the frameworks"
    )


def _counts(row):
    """Whether the limit means anything: a step of less than a microsecond is bound by calls, not by arithmetic."""
    return row["limit"] is not None and row["limit"] >= 1e-6


def _cells(row, variants, footnotes):
    ours = row["times"].get("tinynn")
    best = ours["best"] if ours else None
    counts = _counts(row)
    cells = [
        row["name"],
        three_digits(row["flops"] / 1e9) if counts else NOTHING,
        milliseconds(row["limit"]) if counts else NOTHING,
        f"**{milliseconds(best)}**" if ours else footnotes.mark("tinynn", row),
        milliseconds(ours["median"]) if ours else NOTHING,
        f"{row['limit'] / best:.0%}" if ours and counts else NOTHING,
        three_digits(row["flops"] / best / 1e9) if ours and counts else NOTHING,
    ]
    for variant in variants:
        times = row["times"].get(variant)
        cells.append(milliseconds(times["best"]) if times else footnotes.mark(variant, row))
    return [*cells, three_digits(ratio(row))]


class Footnotes:
    """Why cells are empty; cells with the same reason share a number."""

    def __init__(self):
        self.reasons = {}

    def mark(self, variant, row):
        reason = row["missing"].get(variant)
        if reason is None:
            return NOTHING
        return f"({self.reasons.setdefault((variant, reason), len(self.reasons) + 1)})"

    def lines(self):
        return [
            line
            for (variant, reason), number in self.reasons.items()
            for line in ("", f"({number}) {COLUMNS.get(variant, variant)}: {reason.replace('|', '/')}")
        ]


def markdown(table):
    """Rows of cells as a Markdown table: the first row is the head, numbers are right-aligned."""
    head, *rows = table
    rule = ["---"] + ["---:"] * (len(head) - 1)
    return [f"| {' | '.join(cells)} |" for cells in (head, rule, *rows)]


def check_markers(path):
    """Return the file's text; it must have one place for a table."""
    text = Path(path).read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ValueError(f"{Path(path).name}: expected one line {BEGIN} and below it one line {END}")
    return text


def write_between_markers(path, text):
    """Replace the text between the markers; an error leaves the file as it was."""
    path = Path(path)
    old = check_markers(path)
    before, after = old[: old.index(BEGIN) + len(BEGIN)], old[old.index(END) :]
    new = path.with_name(path.name + ".new")
    new.write_text(f"{before}\n{text.strip()}\n{after}", encoding="utf-8")
    os.replace(new, path)
