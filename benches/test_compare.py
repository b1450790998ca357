"""The comparison's arithmetic, its table, and one run of the command. No framework but tinynn is needed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benches import compare, peers
from benches.peers import report, roofline
from benches.peers.process import Process, WorkerFailed
from benches.peers.workloads import BY_NAME, WORKLOADS, Convolution, Dense, Flatten, Recurrent, Repeat, Workload

ROOT = Path(__file__).parents[1]

# What the requirement names, with as many digits as it gives.
GFLOP = {
    "baseline lstm towers B 32": "0.318",
    "baseline lstm towers B 128": "1.27",
    "baseline lstm shared B 32": "0.318",
    "baseline rnn towers B 32": "0.178",
    "baseline rnn shared B 128": "0.713",
    "improved lstm towers B 32": "1.22",
    "improved lstm shared B 128": "4.88",
    "improved rnn towers B 128": "4.17",
    "MLP 16-64-64-4 B 32": "0.001",
    "MLP 784-128-10 B 32": "0.013",
    "MLP 784-128-10 B 128": "0.052",
    "MLP 784-512-512-10 B 128": "0.411",
    "LSTM B 32 T 50 I 16 H 32": "0.053",
    "GRU B 32 T 50 I 16 H 32": "0.039",
    "simple RNN B 32 T 50 I 16 H 32": "0.013",
    "LSTM B 32 T 10 I 10 H 128": "0.133",
    "LSTM B 128 T 28 I 28 H 128": "1.62",
    "GRU B 128 T 28 I 28 H 128": "1.21",
}


@pytest.mark.parametrize("name", GFLOP)
def test_flops_are_those_of_the_requirement(name):
    unit = 10.0 ** -len(GFLOP[name].partition(".")[2])
    assert BY_NAME[name].flops / 1e9 == pytest.approx(float(GFLOP[name]), abs=0.52 * unit)


class CountedProducts(np.ndarray):
    """A matrix whose products only count their multiply-adds."""

    count = 0

    def __matmul__(self, other):
        (rows, inner), (_, columns) = self.shape, other.shape
        CountedProducts.count += rows * inner * columns
        return counted(rows, columns)


def counted(*shape):
    return np.zeros(shape).view(CountedProducts)


def products_of_step(workload):
    """Multiply-adds of a step, by doing its products, position after position and step after step."""
    CountedProducts.count = 0
    B = workload.batch

    def product(inputs, outputs, first):
        x, w, dy = counted(B, inputs), counted(inputs, outputs), counted(B, outputs)
        x @ w
        if workload.trains:
            x.T @ dy  # dw
            if not first:
                dy @ w.T  # dx

    for number, layer in enumerate(workload.layers):
        match layer:
            case Dense():
                for _ in range(layer.positions):
                    product(layer.inputs, layer.outputs, number == 0)
            case Convolution():  # each sample's patches are the rows of a product
                columns = layer.columns - layer.size + 1
                for _ in range((layer.rows - layer.size + 1) * columns):
                    product(layer.size**2 * layer.channels, layer.filters, number == 0)
            case Recurrent():
                width = {"lstm": 4, "gru": 3, "rnn": 1}[layer.cell] * layer.units
                for _ in range(layer.steps):
                    product(layer.inputs, width, number == 0)
                    product(layer.units, width, False)
            case Repeat() | Flatten():
                pass
    return CountedProducts.count


@pytest.mark.parametrize("name", BY_NAME)
def test_flops_are_twice_the_multiply_adds(name):
    assert BY_NAME[name].flops == 2 * products_of_step(BY_NAME[name])


@pytest.mark.parametrize("name", [w.name for w in WORKLOADS if w.layers])
def test_parameters_are_those_of_the_model(name):
    from benches.peers.ours import from_tinynn, model_of, to_tinynn

    workload = BY_NAME[name]
    model, weights = model_of(workload), workload.initial_weights()
    assert workload.parameters == model.count_params()
    model.set_weights(to_tinynn(workload, weights))
    for ours, theirs in zip(from_tinynn(workload, model.get_weights()), weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    "name, exponentials",
    [
        ("MLP 784-128-10 B 32", 32 * 10),
        ("LSTM B 32 T 50 I 16 H 32", 32 * (5 * 50 * 32 + 10)),
        ("GRU B 32 T 50 I 16 H 32", 32 * (3 * 50 * 32 + 10)),
        ("baseline rnn shared B 32", 32 * (10 * 10 + 10 * 128 + 2 * 128 + 91)),
        ("improved lstm towers B 32", 32 * (10 * 10 + 5 * 14 * 128 + 91)),
    ],
)
def test_exponentials(name, exponentials):
    assert BY_NAME[name].exponentials == exponentials


@pytest.mark.parametrize("name", ["baseline rnn towers B 32", "MLP 2-8-2 B 4", "simple RNN B 32 T 50 I 16 H 32"])
def test_more_samples_begin_with_the_fewer(name):
    few, many = BY_NAME[name].samples(), BY_NAME[name].samples(3)
    for a, b in zip(few, many, strict=True):
        assert len(b) == 3 * len(a)
        np.testing.assert_array_equal(a, b[: len(a)])


@pytest.mark.parametrize("threads", [1, 2])
def test_the_limits_do_the_work_of_some_steps(threads):
    workload = Workload("", "mlp", 1, (Dense(50, 20, "softmax"),))
    assert roofline.work(workload) == {"flops": 4000, "stream": 28 * 1020, "exponentials": 20}
    peer = roofline.Peer(threads)
    peer.build(workload, workload.initial_weights())
    peer.check()  # the exponentials
    for term, (call, steps) in peer.runs().items():
        assert call() == pytest.approx(steps * roofline.work(workload)[term])
        assert steps >= 1


def test_the_limit_is_the_sum_of_its_terms(monkeypatch, tmp_path):
    seconds = {"flops": 1e-3, "stream": 2e-3, "exponentials": 3e-3, "tinynn": 1e-2}
    monkeypatch.setattr(compare, "built", lambda workload, process, *rest: ({"variants": process, "loss": 1.0}, []))
    monkeypatch.setattr(compare, "measured", lambda turns, *rest: {name: times(seconds[name]) for _, name in turns})
    workload = Workload("", "mlp", 1, (Dense(50, 20, "softmax"),))
    team = {compare.LIMITS: roofline.TERMS, "tinynn": ["tinynn"]}
    row = compare.row_of(workload, team, tmp_path, compare.parser().parse_args([]))
    assert row["limit"] == pytest.approx(6e-3)
    assert row["rates"] == pytest.approx({"flops": 4e6, "stream": 28 * 1020 / 2e-3, "exponentials": 20 / 3e-3})
    assert list(row["times"]) == ["tinynn"]


# --- agreement ----------------------------------------------------------------------------------------------


def weights(*numbers):
    return [np.array(numbers, np.float32)]


@pytest.mark.parametrize(
    "loss, theirs, reason",
    [
        (2.0, weights(1.001, 2.001), None),
        (2.0001, weights(1.001, 2.001), None),
        (2.001, weights(1.001, 2.001), "loss by 5.0e-04"),
        (2.0, weights(1.001, 1.999), "weights by 1.4e+00"),
        (float("nan"), weights(1.001, 2.001), "loss by nan"),
        (2.0, weights(1.001), "other shapes"),
    ],
)
def test_agreement(loss, theirs, reason):
    workload = BY_NAME["MLP 2-8-2 B 4"]
    _, found = compare.agreement(workload, weights(1, 2), (2.0, weights(1.001, 2.001)), (loss, theirs))
    assert found is None if reason is None else reason in found


# --- the table ----------------------------------------------------------------------------------------------


def times(best):
    return {"best": best, "median": 2 * best, "samples": 5}


def results():
    rows = [
        {"name": "large", "flops": 1e9, "limit": 1e-3, "missing": {"keras": "no answer | late"}, "agreement": {},
         "rates": {"flops": 1e12, "exponentials": 2e9, "stream": 9e10},
         "times": {"tinynn": times(2e-3), "torch": times(8e-3), "jax": times(4e-3)}},
        {"name": "tiny", "flops": 10, "limit": 1e-9, "missing": {"keras": "no answer | late"}, "agreement": {},
         "rates": {"flops": 9e12, "exponentials": 9e9, "stream": 9e12},
         "times": {"tinynn": times(1.25e-6), "torch": times(1e-5)}},
        {"name": "lost", "flops": 1e9, "limit": 1e-3, "missing": {"tinynn": "crashed"}, "agreement": {},
         "rates": {"flops": 1.2e12, "exponentials": 4e9, "stream": 5e10}, "times": {"torch": times(8e-3)}},
    ]  # fmt: skip
    return {
        "date": "2018-06-12",
        "machine": {"name": "Abacus", "cores": 2, "instruction_set": "avx2", "threads": 1, "python": "3.11.7",
                    "numpy": "2.4"},
        "versions": {"tinynn": "tinynn 0", "torch": "PyTorch 3"},
        "rows": rows,
    }  # fmt: skip


def test_table():
    caption, _, *lines = report.render(results()).splitlines()
    assert caption.startswith("Abacus, 2 cores, avx2, 1 threads; tinynn 0; PyTorch 3;")
    assert "1000 to 1200 GFLOP/s, 0.25 to 0.50 ns an exponential and 50 to 90 GB/s" in caption
    assert lines == [
        "| workload | GFLOP | limit | tinynn | median | of limit | GFLOP/s | PyTorch | JAX | Keras "
        "| fastest peer / tinynn |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| large | 1.00 | 1.00 | **2.00** | 4.00 | 50% | 500 | 8.00 | 4.00 | (1) | 2.00 |",
        "| tiny |  |  | **0.00125** | 0.00250 |  |  | 0.0100 |  | (1) | 8.00 |",
        "| lost | 1.00 | 1.00 | (2) |  |  |  | 8.00 |  |  |  |",
        "",
        "Geometric mean of the ratios: 4.00.",
        "",
        "(1) Keras: no answer / late",
        "",
        "(2) tinynn: crashed",
    ]


def test_short_table():
    """A peer's time is that of its fastest variant; the last line counts all rows, shown or not."""
    found = results()
    found["rows"][0]["name"], found["rows"][2]["name"] = report.SHORT[:2]
    found["rows"][0]["times"]["torch-compiled"] = times(3e-3)
    caption, _, *lines = report.short(found).splitlines()
    assert caption == (
        "Abacus, 2 cores, avx2, 1 threads; tinynn 0; PyTorch 3; Python 3.11.7, NumPy 2.4; 2018-06-12. "
        "Milliseconds a step, the best of each framework; lower is better."
    )
    assert lines == [
        "| workload | tinynn | PyTorch | JAX | Keras | scikit-learn | fastest peer / tinynn |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        f"| {report.SHORT[0]} | **2.00** | 3.00 | 4.00 |  |  | 1.50 |",
        f"| {report.SHORT[1]} |  | 8.00 |  |  |  |  |",
        "",
        "Over all 2 workloads the last column is 1.50 to 8.00, geometric mean 3.46.",
    ]


def test_short_table_is_made_of_what_there_is():
    assert set(report.SHORT) <= set(BY_NAME)
    variants = [variant for variants in report.FRAMEWORKS.values() for variant in variants]
    assert sorted(variants) == sorted(peers.COLUMNS)


@pytest.mark.parametrize(
    "number, text",
    [(0, "0"), (1234.5, "1234"), (99.96, "100.0"), (12.34, "12.3"), (0.5, "0.500"), (1.234e-4, "0.000123"), (None, "")],
)
def test_three_digits(number, text):
    assert report.three_digits(number) == text


def test_the_table_goes_between_the_markers(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n", encoding="utf-8")
    for text in ("new\n", "newer\n"):
        report.write_between_markers(readme, text)
        assert readme.read_text(encoding="utf-8") == f"before\n{report.BEGIN}\n{text}{report.END}\nafter\n"
    assert os.listdir(tmp_path) == ["README.md"]


@pytest.mark.parametrize("text", ["", report.BEGIN, f"{report.END}\n{report.BEGIN}", 2 * (report.BEGIN + report.END)])
def test_no_place_for_the_table(tmp_path, text):
    readme = tmp_path / "README.md"
    readme.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"README\.md: expected one line <!-- compare: begin -->"):
        report.write_between_markers(readme, "new")
    assert readme.read_text(encoding="utf-8") == text


def test_readme_writes_both_documents(tmp_path, monkeypatch):
    assert compare.TABLES == {ROOT / "README.md": report.short, ROOT / "docs" / "performance.md": report.render}
    for path in compare.TABLES:
        report.check_markers(path)
    tables = {tmp_path / path.name: table for path, table in compare.TABLES.items()}
    for path in tables:
        path.write_text(f"{report.BEGIN}\nold\n{report.END}\n", encoding="utf-8")
    monkeypatch.setattr(compare, "TABLES", tables)
    monkeypatch.setattr(compare, "compare", lambda *rest: results())
    compare.main(["--readme", "--frameworks", "tinynn", "--threads", "1"])
    for path, table in tables.items():
        written = path.read_text(encoding="utf-8")
        assert written == f"{report.BEGIN}\n{table(results()).strip()}\n{report.END}\n"


# --- processes ----------------------------------------------------------------------------------------------


@pytest.fixture
def process():
    worker = Process("tinynn", 1)
    yield worker
    worker.stop()


def test_a_worker_answers_after_an_error(process):
    with pytest.raises(WorkerFailed, match="KeyError: 'no such'"):
        process.ask(60, do="build", workload="no such", weights="", results="")
    assert process.ask(60, do="versions")["versions"].startswith("tinynn ")


def test_a_worker_that_died_or_is_late_is_replaced(process):
    process.ask(60, do="versions")
    process.process.kill()
    with pytest.raises(WorkerFailed, match="ended by signal SIGKILL"):
        process.ask(60, do="versions")
    with pytest.raises(WorkerFailed, match="no answer to 'versions' within 0 s"):
        process.ask(0, do="versions")
    assert process.ask(60, do="versions")["versions"].startswith("tinynn ")


# --- the command --------------------------------------------------------------------------------------------


def run(*arguments, module=False):
    command = ["-m", "benches.compare"] if module else [str(ROOT / "benches" / "compare.py")]
    return subprocess.run([sys.executable, *command, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120)


def test_end_to_end(tmp_path):
    file = tmp_path / "results.json"
    options = "--only", "MLP 2-8-2", "--only", "toy", "--frameworks", "tinynn", "--threads", "1", "--seconds", "0.2"
    finished = run(*options, "--json", str(file))
    assert finished.returncode == 0, finished.stderr
    assert "| MLP 2-8-2 B 4 |" in finished.stdout
    found = json.loads(file.read_text(encoding="utf-8"))
    assert [row["name"] for row in found["rows"]] == ["MLP 2-8-2 B 4", "toy graph step"]
    for row in found["rows"]:
        assert not row["missing"]
        assert 0 < row["times"]["tinynn"]["best"] <= row["times"]["tinynn"]["median"] < 0.1
    assert found["machine"]["threads"] == 1
    assert found["rows"][0]["rates"]["flops"] > 1e8
    assert found["rows"][1]["limit"] is None


def test_list():
    finished = run("--list", "--frameworks", "tinynn", module=True)
    assert finished.returncode == 0, finished.stderr
    assert len(finished.stdout.splitlines()) == len(WORKLOADS)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--only", "CNN"], "--only 'CNN': no workload's name contains it; there are"),
        (["--frameworks", "caffe"], "--frameworks caffe: not known; there are tinynn, torch,"),
        (["--threads", "0"], "--threads 0: this process may use 1 to"),
        (["--readme", "--only", "MLP"], "--readme: the tables need all workloads; leave --only out"),
        (["--seconds", "0"], "--seconds and --build-seconds must be above 0"),
    ],
)
def test_errors_name_what_there_is(arguments, message, capsys, monkeypatch):
    monkeypatch.setattr(compare, "compare", None)  # nothing is measured before
    with pytest.raises(SystemExit):
        compare.main(arguments)
    assert message in capsys.readouterr().err


def test_a_missing_framework_is_said_and_skipped(monkeypatch, capsys):
    monkeypatch.setitem(peers.PACKAGES, "torch", ("a_package_that_nobody_has",))
    names = compare.frameworks_named(["torch"], compare.parser())
    assert names == ["tinynn"]
    assert capsys.readouterr().err == "torch: left out, a_package_that_nobody_has not installed\n"
