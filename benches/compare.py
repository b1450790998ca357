"""Every workload in tinynn and in every framework installed: the same work, alternating, as a Markdown table.

How to run it, and what makes it fair: README.md, "The comparison".
"""

import argparse
import datetime
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if not __package__:  # python benches/compare.py: names are looked up from the checkout, as with -m benches.compare
    sys.path[0] = str(ROOT)

import numpy as np  # noqa: E402

from benches import peers  # noqa: E402
from benches.agreement import LOSS_TOLERANCE, TOLERANCE, TRAINING_TOLERANCE  # noqa: E402
from benches.peers import report, roofline  # noqa: E402
from benches.peers.process import Process, WorkerFailed, missing_packages  # noqa: E402
from benches.peers.workloads import TOY_WEIGHTS, WORKLOADS  # noqa: E402

LIMITS = "roofline"
"""The peer that measures the machine, not a framework."""

ROUNDS = 5
PAUSE = 0.05
"""Seconds between two processes, in which the threads of the first one stop spinning."""

TABLES = {ROOT / "README.md": report.short, ROOT / "docs" / "performance.md": report.render}
"""The documents that hold a table between two markers, and what writes each."""


def parser():
    cores = available_cores()
    parser = argparse.ArgumentParser(prog="compare", description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--only", action="append", metavar="SUBSTRING", help="workloads named so; repeatable")
    parser.add_argument("--frameworks", nargs="+", metavar="NAME", help=f"some of: {', '.join(peers.MODULES)}")
    parser.add_argument("--threads", type=int, default=cores, metavar="N", help=f"of each framework (default: {cores})")
    parser.add_argument(
        "--seconds", type=float, default=3.0, metavar="S",
        help="for each framework and workload, and for ten points of --curves (default: 3)",
    )  # fmt: skip
    parser.add_argument(
        "--build-seconds", type=float, default=180.0, metavar="S", help="most for building one network (default: 180)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument(
        "--readme", action="store_true", help="also write the tables in README.md and docs/performance.md"
    )
    parser.add_argument("--list", action="store_true", help="print the workloads and end")
    parser.add_argument("--curves", action="store_true", help="instead: tinynn's time over batch, width and time steps")
    return parser


def main(arguments=None):
    command = parser()
    options = command.parse_args(arguments)
    if not 1 <= options.threads <= available_cores():
        command.error(f"--threads {options.threads}: this process may use 1 to {available_cores()} cores")
    if not (options.seconds > 0 and options.build_seconds > 0):
        command.error("--seconds and --build-seconds must be above 0")
    chosen = workloads_named(options.only, command)
    names = frameworks_named(options.frameworks, command)
    if options.list:
        print("\n".join(described(workload) for workload in chosen))
        return
    if missing_packages("tinynn"):
        command.error("tinynn is not installed; do: pip install -e '.[compare]'")
    if options.curves:
        from benches.peers import curves

        print(curves.report(options.threads, options.seconds / 10))
        return
    if options.readme and options.only:
        command.error("--readme: the tables need all workloads; leave --only out")
    try:  # now, not after half an hour of measuring
        for path in TABLES if options.readme else ():
            report.check_markers(path)
        if options.json:
            options.json.touch()
    except (OSError, ValueError) as error:
        command.error(str(error))
    try:
        results = compare(chosen, names, options)
    except (RuntimeError, WorkerFailed) as failure:
        sys.exit(f"compare: {failure}")
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    text = report.render(results)
    print(text, end="")
    for path, table in TABLES.items() if options.readme else ():
        report.write_between_markers(path, table(results))


def available_cores():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def workloads_named(substrings, command):
    """The workloads that --only names, all without it."""
    if not substrings:
        return WORKLOADS
    for substring in substrings:
        if not any(substring.lower() in workload.name.lower() for workload in WORKLOADS):
            known = "\n  ".join(workload.name for workload in WORKLOADS)
            command.error(f"--only {substring!r}: no workload's name contains it; there are\n  {known}")
    return [w for w in WORKLOADS if any(substring.lower() in w.name.lower() for substring in substrings)]


def frameworks_named(names, command):
    """Those asked for that are installed, tinynn first: the others' results are compared with its."""
    unknown = [name for name in names or () if name not in peers.MODULES]
    if unknown:
        command.error(f"--frameworks {' '.join(unknown)}: not known; there are {', '.join(peers.MODULES)}")
    wanted = [name for name in peers.MODULES if name == "tinynn" or names is None or name in names]
    installed = [name for name in wanted if not missing_packages(name)]
    for name in wanted:
        if name != "tinynn" and name not in installed:
            say(f"{name}: left out, {' and '.join(missing_packages(name))} not installed")
    return installed


def described(workload):
    size = f"{workload.parameters:>9,} parameters  {workload.flops / 1e9:10.6f} GFLOP" if workload.layers else ""
    return f"{workload.name:32}{size}".rstrip()


def say(text):
    print(text, file=sys.stderr, flush=True)


def compare(workloads, names, options):
    """Everything that was found, as JSON can hold it."""
    team = {name: Process(name, options.threads) for name in [LIMITS, *names]}
    rows = []
    try:
        versions = versions_of(team, options)
        with tempfile.TemporaryDirectory() as directory:
            for workload in workloads:
                rows.append(row_of(workload, team, Path(directory), options))
                say(progress(rows[-1]))
    finally:
        for process in team.values():
            process.stop()
    return {
        "date": datetime.date.today().isoformat(),
        "machine": machine(options.threads),
        "versions": versions,
        "rows": rows,
        "geometric_mean": report.geometric_mean(rows),
    }


def versions_of(team, options):
    versions = {}
    for name, process in list(team.items()):
        try:
            version = process.ask(options.build_seconds, do="versions")["versions"]
        except WorkerFailed as failure:
            if name in (LIMITS, "tinynn"):
                raise
            say(f"{name}: left out, {failure}")
            process.stop()
            del team[name]
            continue
        if version and version not in versions.values():
            versions[name] = version
    return versions


def row_of(workload, team, directory, options):
    """One workload in all frameworks: built, compared, measured."""
    row = {
        "name": workload.name,
        "flops": workload.flops,
        "parameters": workload.parameters,
        "exponentials": workload.exponentials,
        "agreement": {},
        "times": {},
        "missing": {},
    }
    weights = workload.initial_weights()
    np.savez(directory / "weights.npz", *weights)
    turns, ours = [], None
    for name, process in team.items():
        try:
            say(f"{workload.name}: building in {name}")
            answer, arrays = built(workload, process, directory, options.build_seconds)
        except WorkerFailed as failure:
            row["missing"][name] = str(failure)
            continue
        if not answer["variants"]:
            continue
        result = answer["loss"], arrays
        if name == LIMITS:
            pass
        elif name == "tinynn":
            ours = result
        elif ours is None:
            row["missing"][name] = "no result of tinynn's to compare with"
            continue
        else:
            before = [np.array(TOY_WEIGHTS)] if workload.kind == "toy" else weights
            row["agreement"][name], reason = agreement(workload, before, ours, result)
            if reason:
                row["missing"][name] = reason
                continue
        turns += [(name, variant) for variant in answer["variants"]]
    row["times"] = measured(turns, team, row["missing"], options.seconds)
    terms = {term: row["times"].pop(term)["best"] for term in roofline.TERMS if term in row["times"]}
    row["limit"] = sum(terms.values()) if terms and LIMITS not in row["missing"] else None
    work = roofline.work(workload)
    row["rates"] = {term: work[term] / seconds for term, seconds in terms.items()}
    return row


def built(workload, process, directory, seconds):
    results = directory / "results.npz"
    files = {"weights": str(directory / "weights.npz"), "results": str(results)}
    answer = process.ask(seconds, do="build", workload=workload.name, **files)
    if not answer["variants"]:
        return answer, []
    with np.load(results) as file:
        return answer, [file[name] for name in file.files]


def agreement(workload, before, ours, theirs):
    """How far two results are from each other, and None or why they are not the same work."""
    (our_loss, our_arrays), (their_loss, their_arrays) = ours, theirs
    if [a.shape for a in our_arrays] != [a.shape for a in their_arrays]:
        return {}, "its results have other shapes than tinynn's"
    a, b = (np.concatenate([w.ravel() for w in arrays]).astype(np.float64) for arrays in (our_arrays, their_arrays))
    if not workload.trains:
        difference = float(np.abs(a - b).max() / np.abs(a).max())
        reason = f"its prediction differs from tinynn's by {difference:.1e}"
        return {"prediction": difference}, None if difference <= TOLERANCE[our_arrays[0].dtype] else reason
    change = np.linalg.norm(a - np.concatenate([w.ravel() for w in before]))
    found = {"loss": abs(our_loss - their_loss) / abs(our_loss), "weights": float(np.linalg.norm(a - b) / change)}
    allowed = {"loss": LOSS_TOLERANCE, "weights": TRAINING_TOLERANCE[our_arrays[0].dtype]}
    wrong = [f"{what} by {found[what]:.1e}" for what in found if not found[what] <= allowed[what]]
    return found, f"its results differ from tinynn's: {', '.join(wrong)}" if wrong else None


def measured(turns, team, missing, seconds):
    """Times of each variant, which take turns, so that all of them see the same machine."""
    samples = {variant: [] for _, variant in turns}
    for _ in range(ROUNDS):
        for name, variant in turns:
            if variant in missing or name in missing:
                continue
            time.sleep(PAUSE)
            try:
                answer = team[name].ask(60 + 20 * seconds, do="measure", variant=variant, seconds=seconds / ROUNDS)
            except WorkerFailed as failure:
                missing[variant] = missing[name] = str(failure)
                continue
            samples[variant] += answer["times"]
    return {
        variant: {"best": min(times), "median": statistics.median(times), "samples": len(times)}
        for variant, times in samples.items()
        if times and variant not in missing
    }


def machine(threads):
    from tinynn.kernels import instruction_set

    return {
        "name": processor(),
        "cores": os.cpu_count(),
        "instruction_set": instruction_set(),
        "threads": threads,
        "python": platform.python_version(),
        "numpy": np.__version__,
    }


def processor():
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def progress(row):
    times = ", ".join(f"{variant} {report.milliseconds(t['best'])}" for variant, t in row["times"].items())
    reasons = "".join(f"; {variant}: {reason}" for variant, reason in row["missing"].items())
    return f"{row['name']}: {times} ms{reasons}"


if __name__ == "__main__":
    main()
