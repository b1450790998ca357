"""`paired.py`: its statistics against other ways to find them, its revisions and builds, its errors, some runs."""

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import tinynn
from benches import paired
from benches.peers.workloads import BY_NAME, WORKLOADS

PACKAGE = Path(tinynn.__file__).parent


# --- statistics ---------------------------------------------------------------------------------------------


def coverage(low, high, n):
    """How often the values number `low` and `high` of n sorted ones enclose the median: all 2^n cases counted."""
    below = np.array([sum(case) for case in itertools.product((0, 1), repeat=n)])  # values below the median
    return np.mean((low < below) & (below <= high))


@pytest.mark.parametrize("n", range(6, 15))
def test_the_interval_is_the_narrowest_that_encloses_the_median_often_enough(n):
    low, high = paired.interval(np.random.default_rng(n).permutation(n).tolist())
    assert coverage(low, high, n) >= 0.95 > coverage(low + 1, high - 1, n)


def test_the_interval_of_a_skewed_distribution():
    rng = np.random.default_rng(1)
    hits = [low <= np.log(2) <= high for low, high in (paired.interval(rng.exponential(size=25)) for _ in range(2000))]
    assert 0.94 < np.mean(hits) < 0.975


def test_the_interval_of_many_values_is_that_of_the_normal_distribution():
    low, high = paired.interval(range(2500))
    assert (low, high) == pytest.approx((1250 - 0.98 * 50, 1250 + 0.98 * 50), abs=1.5)


@pytest.mark.parametrize("clock, of_slice", [("times", np.min), ("processor", lambda x: np.sort(x)[int(len(x) / 4)])])
def test_the_ratio_of_a_round_is_the_median_of_its_pairs(clock, of_slice):
    rng = np.random.default_rng(2)
    pairs = [[{clock: rng.random(size).tolist()} for size in rng.integers(1, 9, 2)] for _ in range(8)]
    ratios = [of_slice(after[clock]) / of_slice(before[clock]) for before, after in pairs]
    assert paired.ratio_of(pairs, clock) == pytest.approx(np.median(ratios))


def test_slices_alternate_and_each_pair_is_of_neighbours():
    order = []

    def slice_of(side):
        order.append(side)
        return side, len(order)

    pairs = [*paired.alternating(lambda: slice_of("A"), lambda: slice_of("B"))]
    pairs += paired.alternating(lambda: slice_of("A"), lambda: slice_of("B"))
    assert "".join(order) == "ABBAABBA"
    assert [(a[0], b[0]) for a, b in pairs] == 4 * [("A", "B")]
    assert [abs(a[1] - b[1]) for a, b in pairs] == 4 * [1]


# --- what is printed, and the exit code ---------------------------------------------------------------------


def row(name, wall, processor):
    found = {
        clock: {"ratio": ratio, "low": ratio - 0.01, "high": ratio + 0.01, "rounds": []}
        for clock, ratio in (("times", wall), ("processor", processor))
    }
    times = {"best": 1.25e-6, "median": 2e-6, "samples": 9}
    return {"name": name, "rounds": 7, **found, "before": times, "after": times}


def lacking(name, side):
    return {"name": name, "missing": {"side": side, "reason": "1a: ImportError"}}


def results(*rows):
    sides = [{"revision": f"{name} subject", "instruction_set": "avx2", "threads": 2} for name in ("1a", "2b")]
    return {"date": "2018-06-12", "machine": {"name": "Abacus", "cores": 2}, "python": "3.11.7", "numpy": "2.4",
            "limit": 2.0, "sides": sides, "rows": list(rows)}  # fmt: skip


def test_table():
    text = paired.rendered(results(row("GRU", 1.0, 1.0301), row("LSTM", 0.5, 1.02), lacking("baseline", "before")))
    assert text.splitlines() == [
        "Abacus, 2 cores, avx2, 2 threads; Python 3.11.7, NumPy 2.4; 2018-06-12. Ratios are after / before, times are "
        "microseconds a step by the wall clock.",
        "",
        "before: 1a subject  ",
        "after: 2b subject",
        "",
        "| workload | wall clock | 95 % | processor time | 95 % "
        "| before: best | median | after: best | median | rounds |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| GRU | 1.000 | 0.990 to 1.010 | 1.030 | 1.020 to 1.040 | 1.25 | 2.00 | 1.25 | 2.00 | 7 |",
        "| LSTM | 0.500 | 0.490 to 0.510 | 1.020 | 1.010 to 1.030 | 1.25 | 2.00 | 1.25 | 2.00 | 7 |",
        "",
        "Slower by more than 2 %: GRU.",
        "baseline: left out, 1a: ImportError",
    ]


@pytest.mark.parametrize(
    "rows, code",
    [
        ([row("a", 1.0, 1.0), row("b", 1.029, 1.029)], 0),
        ([row("a", 1.0, 1.0), row("b", 1.031, 1.0)], paired.SLOWER),
        ([row("a", 1.0, 1.031)], paired.SLOWER),
        ([row("a", 1.0, 1.0), lacking("b", "before")], 0),
        ([row("a", 1.0, 1.0), lacking("b", "after")], paired.FAILED),
        ([lacking("b", "before")], paired.FAILED),
    ],
)
def test_exit_code(rows, code):
    assert paired.exit_code(results(*rows)) == code


# --- revisions and builds -----------------------------------------------------------------------------------

SETUP = """
import sys
from pathlib import Path
assert sys.argv[1:] == ["build_ext", "--inplace"]
source = Path("tinynn/kernel.pyx").read_text()
if "fault" in source:
    sys.exit("kernel.pyx: a fault")
Path("tinynn/kernel.so").write_text(source)
Path("tinynn/kernel.c").write_text("translated")
"""


def git(*arguments):
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *identity, *arguments], cwd=paired.ROOT, check=True, capture_output=True, text=True)
    return done.stdout


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A small checkout with one commit, whose build takes no time; at the end there is one worktree, as before."""
    if shutil.which("git") is None:
        pytest.skip("needs git")
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    root = tmp_path / "checkout"
    monkeypatch.setattr(paired, "ROOT", root.resolve())
    (root / "tinynn").mkdir(parents=True)
    (root / ".gitignore").write_text("*.so\n*.c\n")
    (root / "setup.py").write_text(SETUP)
    (root / "pyproject.toml").write_text("")
    (root / "README.md").write_text("one")
    (root / "tinynn" / "__init__.py").write_text("")
    (root / "tinynn" / "kernel.pyx").write_text("one")
    git("init", "--quiet", ".")
    git("add", ".")
    git("commit", "--quiet", "-m", "The first")
    yield root
    assert len(git("worktree", "list").splitlines()) == 1


@pytest.fixture
def builds(tmp_path):
    folder = tmp_path / "builds"
    folder.mkdir()
    return folder


def built(revision, builds):
    source = paired.committed(revision) if revision else paired.checkout()
    return source.words, paired.built(source, builds)


def content(folder):
    return sorted(path.name for path in (folder / "tinynn").iterdir()), (folder / "tinynn" / "kernel.so").read_text()


def test_a_commit_and_the_checkout_as_it_stands(repository, builds, capsys):
    words, folder = built("HEAD", builds)
    assert words.endswith(" The first")
    assert content(folder) == (["__init__.py", "kernel.so"], "one")
    assert built(None, builds) == (f"the checkout: {words}", folder)  # the same sources: one build
    status = git("status", "--porcelain")
    (repository / "tinynn" / "kernel.pyx").write_text("two")
    (repository / "tinynn" / "new.py").write_text("")
    changed, other = built(None, builds)
    assert changed == f"the checkout: {words}, and changes"
    assert content(other) == (["__init__.py", "kernel.so", "new.py"], "two")
    assert git("diff", "--cached") == status == ""  # what the user has staged is as it was
    git("add", "tinynn")
    git("commit", "--quiet", "-m", "The second")
    assert [built(revision, builds)[1] for revision in ("HEAD", "HEAD~1", None)] == [other, folder, other]
    assert sorted(builds.iterdir()) == sorted([folder, other])
    said = capsys.readouterr().err
    assert said.count(": building\n") == 2
    assert said.count(": built already\n") == 4


def test_what_is_no_source_needs_no_build_of_its_own(repository, builds):
    _, folder = built("HEAD", builds)
    (repository / "README.md").write_text("two")
    git("commit", "--quiet", "-am", "Words")
    assert built("HEAD", builds)[1] == folder


def test_ccache_is_used_where_it_is_installed(repository, builds, tmp_path, monkeypatch):
    (tmp_path / "ccache").touch(mode=0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CC", "gcc -pthread")
    (repository / "setup.py").write_text("import os\nopen('tinynn/kernel.so', 'w').write(os.environ['CC'])\n")
    assert content(built(None, builds)[1])[1] == "ccache gcc -pthread"


def test_a_build_that_fails_shows_the_end_of_its_output(repository, builds):
    (repository / "tinynn" / "kernel.pyx").write_text("a fault")
    with pytest.raises(paired.Failure, match=r"the checkout: .*: the build failed; .*\n(.*\n)*kernel.pyx: a fault"):
        built(None, builds)
    assert not list(builds.iterdir())


def test_a_revision_without_tinynn(repository, builds):
    git("mv", "tinynn", "other")
    git("commit", "--quiet", "-m", "Elsewhere")
    with pytest.raises(paired.Failure, match=r"Elsewhere: it has no tinynn with a setup\.py to build it"):
        built("HEAD", builds)


def test_a_revision_without_pyproject(repository, builds):
    _, folder = built("HEAD", builds)
    git("rm", "--quiet", "pyproject.toml")
    git("commit", "--quiet", "-m", "Before there was one")
    assert content(built("HEAD", builds)[1]) == content(folder)
    assert built("HEAD", builds)[1] != folder


@pytest.mark.parametrize("signal_", [signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left_after_a_signal(signal_, repository, tmp_path):
    """In the middle of a build: the worktree is removed and the compiler ended."""
    marker, temporary = tmp_path / "marker", tmp_path / "temporary"
    temporary.mkdir()
    write = f"import os, time\nopen({str(marker)!r}, 'w').write(str(os.getpid()))\n"
    (repository / "setup.py").write_text(f"{write}time.sleep(600)\n")
    code = "import pathlib, signal, sys\nfrom benches import paired\n"
    code += f"paired.ROOT = pathlib.Path({str(repository.resolve())!r})\n"
    code += "signal.signal(signal.SIGINT, signal.default_int_handler)\nsys.exit(paired.main(['HEAD']))\n"
    git("commit", "--quiet", "-am", "A build that takes long")
    root = Path(paired.__file__).parents[1]
    process = subprocess.Popen([sys.executable, "-c", code], cwd=root, env={**os.environ, "TMPDIR": str(temporary)})
    while not (marker.exists() and marker.read_text()):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal_)
    assert process.wait() == 128 + signal_
    assert not list(temporary.iterdir())
    with pytest.raises(ProcessLookupError):
        os.kill(int(marker.read_text()), 0)


# --- errors -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "give the REVISION to compare with, such as HEAD or HEAD~1"),
        (["HEAD", "--only", "CNN"], "--only 'CNN': no workload's name contains it; there are\n  2-8-2\n"),
        (["HEAD", "--threads", "0"], "--threads 0: this process may use 1 to"),
        (["HEAD", "--seconds", "0"], "--seconds must be a number above 0, got 0"),
        (["HEAD", "--seconds", "nan"], "--seconds must be a number above 0, got nan"),
        (["HEAD", "--seconds", "inf"], "--seconds must be a number above 0, got inf"),
        (["HEAD", "--limit", "nan"], "--limit must be a number of percent above -100, got nan"),
        (["HEAD", "HEAD", "HEAD"], "unrecognized arguments: HEAD"),
    ],
)
def test_errors_in_the_arguments(arguments, message, capsys):
    with pytest.raises(SystemExit, match="2"):
        paired.main(arguments)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("revision", ["no-such", "HEAD~7", "HEAD:README.md", ""])
def test_an_unknown_revision(revision, repository, capsys):
    assert paired.main([revision]) == paired.FAILED
    assert f"paired: there is no revision {revision!r}; `git log` shows those there are\n" in capsys.readouterr().err


def test_no_checkout(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(paired, "ROOT", tmp_path)
    assert paired.main(["HEAD"]) == paired.FAILED
    said = capsys.readouterr().err
    assert said == f"paired: {tmp_path} is not a checkout of tinynn's repository; clone it with git\n"


def test_a_folder_within_another_checkout(repository, monkeypatch, capsys):
    monkeypatch.setattr(paired, "ROOT", repository / "tinynn")
    assert paired.main(["HEAD"]) == paired.FAILED
    assert "is not a checkout of tinynn's repository" in capsys.readouterr().err
    monkeypatch.setattr(paired, "ROOT", repository)


def test_no_git(monkeypatch, capsys):
    monkeypatch.setenv("PATH", "")
    assert paired.main(["HEAD"]) == paired.FAILED
    assert "paired: git is not installed\n" in capsys.readouterr().err


def test_no_cython(monkeypatch, capsys):
    monkeypatch.setattr(paired, "TOOLS", ("a_package_that_nobody_has", "numpy"))
    assert paired.main(["HEAD"]) == paired.FAILED
    said = capsys.readouterr().err
    assert "paired: building needs a_package_that_nobody_has; do: pip install a_package_that_nobody_has\n" in said


def test_a_file_that_cannot_be_written(repository, tmp_path, capsys):
    assert paired.main(["HEAD", "--json", str(tmp_path / "no such" / "file")]) == paired.FAILED
    assert "no such" in capsys.readouterr().err


def test_list(capsys):
    assert paired.main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines] == list(paired.WORKLOADS)
    assert paired.main(["--list", "--only", "784", "--only", "gru"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


# --- runs ---------------------------------------------------------------------------------------------------


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """A function that makes a build of the package at hand with one module changed, instead of a revision's."""

    def changed(name, module=None, text=""):
        folder = tmp_path / name
        shutil.copytree(PACKAGE, folder / "tinynn", copy_function=os.symlink, ignore=shutil.ignore_patterns("*.pyx"))
        if module:
            file = folder / "tinynn" / module
            old = file.read_text(encoding="utf-8")
            file.unlink()
            file.write_text(old + text, encoding="utf-8")
        return folder

    made = {}
    monkeypatch.setattr(paired, "check_checkout", lambda: None)
    monkeypatch.setattr(paired, "check_tools", lambda: None)
    monkeypatch.setattr(paired, "committed", lambda revision: paired.Source(revision, "", ""))
    monkeypatch.setattr(paired, "built", lambda source, builds: made[source.words])
    monkeypatch.setattr(paired, "SLICE", 0.004)
    monkeypatch.setattr(paired, "GROUPS", 1)
    return lambda name, *change: made.setdefault(name, changed(name, *change))


TWICE = """
class Once(WorkedExample):
    def train(self, *arguments):
        super().train(*arguments)
        return super().train(*arguments)
WorkedExample = Once
"""


def test_a_slow_down_is_found(fake, tmp_path, capsys):
    fake("old"), fake("new", "graph/__init__.py", TWICE)
    file = tmp_path / "results.json"
    options = "--only", "worked example", "--seconds", "0.01", "--threads", "1", "--json", str(file)
    assert paired.main(["old", "new", *options]) == paired.SLOWER
    printed = capsys.readouterr().out
    assert "before: old" in printed and "after: new" in printed
    assert "Slower by more than 2 %: worked example." in printed
    found = json.loads(file.read_text(encoding="utf-8"))
    (of_row,) = found["rows"]
    assert of_row["processor"]["ratio"] == pytest.approx(2, rel=0.3)
    assert len(of_row["processor"]["rounds"]) == of_row["rounds"] == paired.MIN_ROUNDS
    assert of_row["processor"]["low"] <= of_row["processor"]["ratio"] <= of_row["processor"]["high"]
    assert 0 < of_row["before"]["best"] <= of_row["before"]["median"]
    assert [side["threads"] for side in found["sides"]] == [1, 1]


def test_every_workload_runs(fake, tmp_path, monkeypatch, capsys):
    fake("old"), fake("new")
    monkeypatch.setattr(paired, "MIN_ROUNDS", 1)
    monkeypatch.setattr(paired, "interval", lambda values: (min(values), max(values)))  # of one there is none
    file = tmp_path / "results.json"
    paired.main(["old", "new", "--seconds", "1e-9", "--limit", "1e9", "--json", str(file)])
    rows = json.loads(file.read_text(encoding="utf-8"))["rows"]
    assert [row["name"] for row in rows] == list(paired.WORKLOADS)
    for found in rows:
        assert "missing" not in found
        assert found["processor"]["ratio"] > 0


def test_what_a_revision_lacks_is_left_out(fake, capsys):
    fake("old", "graph/__init__.py", "del WorkedExample\n"), fake("new")
    options = "--only", "worked", "--only", "2-8-2", "--seconds", "0.01", "--limit", "1e9"
    assert paired.main(["old", "new", *options]) == 0
    assert "worked example: left out, old: ImportError: cannot import name 'WorkedExample'" in capsys.readouterr().out
    assert paired.main(["new", "old", *options]) == paired.FAILED


BORROWING = f"""
import sys
from importlib.machinery import PathFinder

class Finder:  # as that of an editable install
    def find_spec(name, path=None, target=None):
        if name.startswith("tinynn"):
            return PathFinder.find_spec(name, [{str(PACKAGE.parent)!r}, {str(PACKAGE)!r}])

sys.meta_path.append(Finder)
"""


def test_what_a_revision_lacks_is_not_borrowed_from_an_installed_one(fake, capsys):
    folder = fake("old")
    fake("new")
    shutil.rmtree(folder / "tinynn" / "graph")
    (folder / "sitecustomize.py").write_text(BORROWING)
    assert paired.main(["old", "new", "--only", "worked", "--seconds", "0.01"]) == paired.FAILED
    assert "left out, old: ModuleNotFoundError: No module named 'tinynn.graph'" in capsys.readouterr().out


@pytest.mark.parametrize(
    "module, text, message",
    [
        ("__init__.py", "import os; os._exit(3)\n", "new: the process ended with status 3"),
        ("__init__.py", "raise ValueError('broken')\n", "new: ValueError: broken"),
        ("graph/__init__.py", "import os; os.abort()\n", "new: the process ended by signal SIGABRT"),
    ],
)
def test_a_worker_that_dies(module, text, message, fake, capsys):
    fake("old"), fake("new", module, text)
    assert paired.main(["old", "new", "--only", "worked", "--seconds", "0.01"]) == paired.FAILED
    assert f"paired: {message}" in capsys.readouterr().err


def test_a_worker_that_is_killed_between_two_requests(fake):
    side = paired.Side("before", "old", fake("old"), None)
    process = side.process(BY_NAME["toy graph step"])
    side.ask(process, do="versions")
    process.process.kill()
    process.process.wait()
    with pytest.raises(paired.Failure, match="old: the process ended by signal SIGKILL"):
        side.ask(process, do="versions")


def test_a_worker_that_finds_another_tinynn(fake, capsys):
    folder = fake("new")
    fake("old")
    shutil.rmtree(folder / "tinynn")
    assert paired.main(["old", "new", "--only", "worked"]) == paired.FAILED
    assert f"paired: new: the worker imported {PACKAGE}" in capsys.readouterr().err


def test_workloads_of_one_name_are_one():
    assert set(paired.WORKLOADS.values()) <= set(BY_NAME)
    assert len(set(paired.WORKLOADS.values())) == len(paired.WORKLOADS)
    assert not any(workload.kind in ("call", "import") for workload in WORKLOADS)  # not for the other frameworks
