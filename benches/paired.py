"""Two revisions of tinynn, measured in turns of some milliseconds: what a change costs, on a busy machine too.

How to run it, and why its figures hold: README.md, "Two revisions".
"""

import argparse
import contextlib
import datetime
import hashlib
import importlib.metadata
import importlib.util
import json
import math
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if not __package__:  # python benches/paired.py: names are looked up from the checkout, as with -m benches.paired
    sys.path[0] = str(ROOT)

import numpy as np  # noqa: E402

from benches.compare import available_cores, processor, say  # noqa: E402
from benches.peers.process import Process, WorkerDied, WorkerFailed  # noqa: E402
from benches.peers.report import markdown, three_digits  # noqa: E402
from benches.peers.workloads import BY_NAME  # noqa: E402

WORKLOADS = {
    "2-8-2": "MLP 2-8-2 B 4",
    "worked example": "toy graph step",
    "predict one row": "predict one row 784-128-10",
    "784-128-10 B 32": "MLP 784-128-10 B 32",
    "784-128-10 B 128": "MLP 784-128-10 B 128",
    "baseline": "baseline lstm towers B 32",
    "improved": "improved lstm towers B 32",
    "GRU": "GRU B 32 T 50 I 16 H 32",
    "LSTM": "LSTM B 32 T 50 I 16 H 32",
    "train_on_batch": "train_on_batch 4-64-64-2 B 32",
    "import": "import",
}
"""Names for --only, and for each the workload of `peers.workloads`."""

SOURCES = "tinynn", "setup.py", "pyproject.toml"
"""What a build is made of: two revisions that differ in other files only share one."""

TOOLS = "Cython", "setuptools", "numpy"
"""That a build needs."""

SLICE = 0.03
"""Seconds that one revision computes before it is the other's turn."""

GROUPS = 4
"""Of four slices, A B B A, in a round."""

MIN_ROUNDS = 6
"""The interval of fewer would be endless."""

LATE = 120
"""Seconds after which a worker is given up."""

SLOWER, FAILED = 1, 2
"""Exit codes."""


class Failure(Exception):
    """What ends the run."""


class LeftOut(Exception):
    """One of the sides cannot do a workload."""

    def __init__(self, side, reason):
        super().__init__(reason)
        self.side = side


def parser():
    parser = argparse.ArgumentParser(prog="paired", description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("before", nargs="?", metavar="REVISION", help="anything git knows: a commit, HEAD~1, a tag")
    parser.add_argument("after", nargs="?", metavar="REVISION", help="(default: the checkout as it stands)")
    parser.add_argument("--only", action="append", metavar="NAME", help="workloads named so, or in part; repeatable")
    parser.add_argument("--seconds", type=float, default=30.0, metavar="S", help="for each workload (default: 30)")
    parser.add_argument("--threads", type=int, metavar="N", help="(default: tinynn's own)")
    parser.add_argument(
        "--limit", type=float, default=2.0, metavar="PERCENT",
        help="the exit code is 1 if a workload's interval lies above it (default: 2)",
    )  # fmt: skip
    parser.add_argument("--builds", type=Path, metavar="FOLDER", help="keep builds there, for the next run")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--list", action="store_true", help="print the workloads and end")
    return parser


def main(arguments=None):
    command = parser()
    options = command.parse_args(arguments)
    names = names_with(options.only, command)
    if options.list:
        print("\n".join(described(name) for name in names))
        return 0
    if options.before is None:
        command.error("give the REVISION to compare with, such as HEAD or HEAD~1")
    if options.threads is not None and not 1 <= options.threads <= available_cores():
        command.error(f"--threads {options.threads}: this process may use 1 to {available_cores()} cores")
    if not 0 < options.seconds < math.inf:
        command.error(f"--seconds must be a number above 0, got {options.seconds:g}")
    if not -100 < options.limit < math.inf:
        command.error(f"--limit must be a number of percent above -100, got {options.limit:g}")
    try:
        check_tools()
        check_checkout()
        if options.builds:
            options.builds.mkdir(parents=True, exist_ok=True)
        if options.json:  # before the minutes that it takes, not after
            options.json.touch()
        with ended_by(signal.SIGTERM), tempfile.TemporaryDirectory(prefix="paired-") as directory:
            before, after = committed(options.before), checkout() if options.after is None else committed(options.after)
            builds = (options.builds or Path(directory)).resolve()
            sides = [
                Side(when, source.words, built(source, builds), options.threads)
                for when, source in (("before", before), ("after", after))
            ]
            results = compare(names, sides, Path(directory), options)
    except (Failure, OSError) as failure:
        say(f"paired: {failure}")
        return FAILED
    except KeyboardInterrupt:
        say("paired: stopped")
        return 128 + signal.SIGINT
    print(rendered(results), end="")
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return exit_code(results)


@contextlib.contextmanager
def ended_by(number):
    """A signal ends the run as an exception, so that worktrees are removed and workers stopped."""
    before = signal.signal(number, lambda *_: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(number, before)


def names_with(substrings, command):
    """Names of the workloads that --only selects, all without it."""
    for substring in substrings or ():
        if not any(substring.lower() in name.lower() for name in WORKLOADS):
            known = "\n  ".join(WORKLOADS)
            command.error(f"--only {substring!r}: no workload's name contains it; there are\n  {known}")
    return [name for name in WORKLOADS if not substrings or any(s.lower() in name.lower() for s in substrings)]


def described(name):
    return f"{name:20}{WORKLOADS[name]}"


# --- revisions and their builds -----------------------------------------------------------------------------


def check_tools():
    missing = [package for package in TOOLS if importlib.util.find_spec(package) is None]
    if missing:
        raise Failure(f"building needs {' and '.join(missing)}; do: pip install {' '.join(missing)}")


@dataclass
class Source:
    """What is to be built: a git tree, described in words; equal keys mean equal builds."""

    words: str
    tree: str
    key: str


def git(*arguments, at=None, **environment):
    """What a git command prints; `subprocess.CalledProcessError` if it fails."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}  # of a hook that runs us
    command = ["git", "-C", str(at or ROOT), *arguments]
    try:
        done = subprocess.run(command, env={**clean, **environment}, capture_output=True, text=True, check=True)
    except FileNotFoundError:
        raise Failure("git is not installed") from None
    return done.stdout.strip()


def check_checkout():
    try:
        top = git("rev-parse", "--show-toplevel")
    except subprocess.CalledProcessError:
        top = None
    if top is None or Path(top).resolve() != ROOT:
        raise Failure(f"{ROOT} is not a checkout of tinynn's repository; clone it with git")


def committed(revision):
    """The source of a commit."""
    try:
        commit = git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    except subprocess.CalledProcessError:
        raise Failure(f"there is no revision {revision!r}; `git log` shows those there are") from None
    return source_of(git("log", "-1", "--format=%h %s", commit), git("rev-parse", f"{commit}^{{tree}}"))


def checkout():
    """The checkout as it stands: what is committed, and changes of `SOURCES`."""
    with tempfile.TemporaryDirectory() as directory:
        index = {"GIT_INDEX_FILE": f"{directory}/index"}  # the user's own stays as it is
        try:
            git("read-tree", "HEAD", **index)
            git("add", "--all", "--", *SOURCES, **index)
            tree = git("write-tree", **index)
        except subprocess.CalledProcessError as error:
            raise Failure(f"the checkout cannot be read: {last_line(error.stderr)}") from None
    changed = tree != git("rev-parse", "HEAD^{tree}")
    return source_of(f"the checkout: {git('log', '-1', '--format=%h %s')}{', and changes' if changed else ''}", tree)


def source_of(words, tree):
    """A tree, with the key of all that its build depends on."""
    listing = git("ls-tree", tree, *SOURCES)
    if "\ttinynn" not in listing or "\tsetup.py" not in listing:
        raise Failure(f"{words}: it has no tinynn with a setup.py to build it")
    parts = [listing, *map(importlib.metadata.version, TOOLS), sys.version, platform.platform()]
    parts += [os.environ.get(name, "") for name in ("CC", "CFLAGS", "LDFLAGS")]
    return Source(words, tree, hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16])


def built(source, builds):
    """The folder with the package of a source, built now unless it is there."""
    folder = builds / source.key
    if folder.is_dir():
        say(f"{source.words}: built already")
    else:
        say(f"{source.words}: building")
        build(source, folder)
    return folder


def build(source, folder):
    """Build in a worktree, and move the package to `folder`, complete or not at all."""
    with (
        tempfile.TemporaryDirectory(prefix="paired-") as directory,
        worktree(f"{directory}/tinynn", source.tree) as path,
    ):
        run_build(path, source.words)
        with tempfile.TemporaryDirectory(prefix="new-", dir=folder.parent) as new:
            left_behind = shutil.ignore_patterns("*.c", "*.h", "*.pyx", "*.pxd", "*.pyi", "*.html")
            shutil.copytree(path / "tinynn", Path(new) / "build" / "tinynn", ignore=left_behind)
            with contextlib.suppress(OSError):  # another run was faster
                os.rename(Path(new) / "build", folder)
    if not folder.is_dir():
        raise Failure(f"{source.words}: the build could not be moved to {folder}")


@contextlib.contextmanager
def worktree(path, tree):
    """A git worktree that holds a tree, removed at the end."""
    try:
        git("worktree", "add", "--quiet", "--detach", "--no-checkout", path, "HEAD")
        git("read-tree", "--reset", "-u", tree, at=path)
        yield Path(path)
    except subprocess.CalledProcessError as error:
        raise Failure(f"git worktree: {last_line(error.stderr)}") from None
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):  # it was never there
            git("worktree", "remove", "--force", path)


def run_build(path, words):
    environment = dict(os.environ)
    if shutil.which("ccache"):
        environment["CC"] = f"ccache {os.environ.get('CC') or sysconfig.get_config_var('CC')}"
    with tempfile.TemporaryFile() as log:
        command = [sys.executable, "setup.py", "build_ext", "--inplace"]
        with subprocess.Popen(
            command, cwd=path, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True,  # a group of its own: compilers that it has started end with it
        ) as process:  # fmt: skip
            try:
                status = process.wait()
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                raise
        log.seek(0)
        lines = log.read().decode(errors="replace").splitlines()
    if status:
        raise Failure("\n".join([f"{words}: the build failed; the end of what it printed:", *lines[-20:]]))


def last_line(text):
    return (text.strip().splitlines() or ["no message"])[-1]


# --- measuring ----------------------------------------------------------------------------------------------


@dataclass
class Side:
    """One of the two revisions: "before" or "after", in words, the folder with its package."""

    when: str
    words: str
    folder: Path
    threads: int | None

    def process(self, workload):
        return Process("imports" if workload.kind == "import" else "slices", self.threads, self.folder)

    def ask(self, process, **request):
        self.send(process, **request)
        return self.answer(process)

    def send(self, process, **request):
        with self._failures():
            process.send(**request)

    def answer(self, process):
        with self._failures():
            return process.answer(LATE)

    @contextlib.contextmanager
    def _failures(self):
        """A worker that died ends the run, one that cannot do the work leaves it out."""
        try:
            yield
        except WorkerDied as failure:
            raise Failure(f"{self.words}: {failure}") from None
        except WorkerFailed as failure:
            raise LeftOut(self, str(failure)) from None


def compare(names, sides, directory, options):
    """Everything that was found, as JSON can hold it."""
    about = [about_side(side) for side in sides]
    rows = []
    for name in names:
        rows.append(row_of(name, sides, directory, options.seconds))
        say(progress(rows[-1]))
    return {
        "date": datetime.date.today().isoformat(),
        "machine": {"name": processor(), "cores": os.cpu_count()},
        "python": platform.python_version(),
        "numpy": np.__version__,
        "limit": options.limit,
        "sides": about,
        "rows": rows,
    }


def about_side(side):
    """What it runs on; a failure if the worker found another tinynn."""
    process = Process("slices", side.threads, side.folder)
    try:
        versions = side.ask(process, do="versions")["versions"]
    except LeftOut as left:
        raise Failure(f"{side.words}: {left}") from None
    finally:
        process.stop()
    found = Path(versions.pop("tinynn"))
    if not found.is_relative_to(side.folder):
        raise Failure(f"{side.words}: the worker imported {found}, not the package in {side.folder}")
    return {"revision": side.words, **versions}


def row_of(name, sides, directory, seconds):
    """One workload: rounds until the time is over."""
    workload = BY_NAME[WORKLOADS[name]]
    np.savez(directory / "weights.npz", *workload.initial_weights())
    rounds, end = [], time.perf_counter() + seconds
    try:
        while len(rounds) < MIN_ROUNDS or time.perf_counter() < end:
            rounds.append(round_of(workload, sides, directory))
    except LeftOut as left:
        return {"name": name, "missing": {"side": left.side.when, "reason": f"{left.side.words}: {left}"}}
    row = {"name": name, "rounds": len(rounds), **{clock: compared(rounds, clock) for clock in SLICE_TIME}}
    for number, side in enumerate(sides):
        times = [sample for pairs in rounds for pair in pairs for sample in pair[number]["times"]]
        row[side.when] = {"best": min(times), "median": statistics.median(times), "samples": len(times)}
    return row


def compared(rounds, clock):
    """By one of the clocks: each round's ratio, their median, and its interval."""
    ratios = [ratio_of(pairs, clock) for pairs in rounds]
    low, high = interval(ratios)
    return {"ratio": statistics.median(ratios), "low": low, "high": high, "rounds": ratios}


def round_of(workload, sides, directory):
    """Pairs of neighbouring slices: both sides' samples. Processes are new, and so are models for each group."""
    processes = [side.process(workload) for side in sides]
    pairs = []

    def slice_of(number):
        request = {"do": "measure", "variant": "tinynn", "seconds": SLICE, "calls": 1}
        return sides[number].ask(processes[number], **request)

    try:
        for _ in range(GROUPS):
            for side, process in zip(sides, processes, strict=True):  # both at a time
                files = {"weights": str(directory / "weights.npz"), "results": str(directory / f"{side.when}.npz")}
                side.send(process, do="build", workload=workload.name, **files)
            for side, process in zip(sides, processes, strict=True):
                side.answer(process)
            pairs += alternating(lambda: slice_of(0), lambda: slice_of(1))
        return pairs
    finally:
        for process in processes:
            process.stop()


def alternating(before, after):
    """Call both in the order A B B A; the two pairs of neighbours, `before`'s first in each."""
    a, b = before(), after()
    second_b, second_a = after(), before()
    return [(a, b), (second_a, second_b)]


def ratio_of(pairs, clock):
    """Of a round: the median of its pairs' ratios."""
    of_slice = SLICE_TIME[clock]
    return statistics.median(of_slice(after[clock]) / of_slice(before[clock]) for before, after in pairs)


def lower_quartile(samples):
    return sorted(samples)[len(samples) // 4]


SLICE_TIME = {"times": min, "processor": lower_quartile}
"""What a slice's samples amount to: other programs add to the time on the wall clock, often several times the sample,
and a little to the processor's time, which is booked in pieces, so that its smallest may be too small."""


def interval(values):
    """Two of the values, which enclose the median of all that there could be in 95 of 100 cases, by the sign test.

    Whatever their distribution: that fewer than k of n values are below the median has the probability of fewer than
    k heads in n throws of a coin. k is the largest with which it is at most 1/40.
    """
    n = len(values)
    k, cases = 0, 1
    while 40 * cases <= 2**n:
        k += 1
        cases += math.comb(n, k)
    ordered = sorted(values)
    return ordered[k - 1], ordered[n - k]


# --- what is printed ----------------------------------------------------------------------------------------


def progress(row):
    if "missing" in row:
        return f"{row['name']}: left out, {row['missing']['reason']}"
    wall, processor = ("{} ({})".format(*ratio_cells(row[clock])) for clock in SLICE_TIME)
    return f"{row['name']}: wall clock {wall}, processor time {processor}, {row['rounds']} rounds"


def rendered(results):
    measured = [row for row in results["rows"] if "missing" not in row]
    missing = [progress(row) for row in results["rows"] if "missing" in row]
    lines = [caption(results), ""]
    if measured:
        head = ["workload", "wall clock", "95 %", "processor time", "95 %"]
        head += ["before: best", "median", "after: best", "median", "rounds"]
        lines += [*markdown([head, *map(cells, measured)]), "", verdict(results, measured)]
    return "\n".join([*lines, *missing]) + "\n"


def caption(results):
    machine, sides = results["machine"], results["sides"]
    sets, threads = (
        " and ".join(dict.fromkeys(str(side[what]) for side in sides)) for what in ("instruction_set", "threads")
    )
    return (
        f"{machine['name']}, {machine['cores']} cores, {sets}, {threads} threads; Python {results['python']}, "
        f"NumPy {results['numpy']}; {results['date']}. Ratios are after / before, times are "
        "microseconds a step by the wall clock.\n\n"
        f"before: {sides[0]['revision']}  \nafter: {sides[1]['revision']}"
    )


def cells(row):
    times = [three_digits(1e6 * row[when][what]) for when in ("before", "after") for what in ("best", "median")]
    ratios = [cell for clock in SLICE_TIME for cell in ratio_cells(row[clock])]
    return [row["name"], *ratios, *times, str(row["rounds"])]


def ratio_cells(found):
    return f"{found['ratio']:.3f}", f"{found['low']:.3f} to {found['high']:.3f}"


def verdict(results, measured):
    names = slower(measured, results["limit"])
    if not names:
        return f"No workload is slower by more than {results['limit']:g} %."
    return f"Slower by more than {results['limit']:g} %: {', '.join(names)}."


def slower(rows, limit):
    """Names of the workloads whose whole interval lies above the limit, by one of the clocks."""
    return [row["name"] for row in rows if any(row[clock]["low"] > 1 + limit / 100 for clock in SLICE_TIME)]


def exit_code(results):
    """`FAILED` also where the second revision cannot do what the first can."""
    measured = [row for row in results["rows"] if "missing" not in row]
    lost = [row for row in results["rows"] if "missing" in row and row["missing"]["side"] == "after"]
    if lost or not measured:
        return FAILED
    return SLOWER if slower(measured, results["limit"]) else 0


if __name__ == "__main__":
    sys.exit(main())
