"""Whether a step's time grows as its work does: tinynn alone, over batch, width and time steps.

As a program it measures one instruction set, which TINYNN_CPU names, and prints JSON:
``python -m benches.peers.curves THREADS SECONDS``. `report` runs it for each that this machine has.
"""

import json
import os
import subprocess
import sys
import time

from benches.peers import MEASURED_RATE
from benches.peers.process import ROOT
from benches.peers.report import markdown, three_digits
from benches.peers.worker import limit_threads
from benches.peers.workloads import mlp, recurrent

DTYPES = "float32", "float64"

CURVES = {
    "MLP 784-128-10, batch": [mlp((784, 128, 10), batch) for batch in (8, 16, 32, 64, 128, 256, 512, 1024)],
    "MLP 784-W-W-10 B 128, width": [mlp((784, width, width, 10), 128) for width in (16, 32, 64, 128, 256, 512, 1024)],
    "LSTM B 32 I 16 H 32, steps": [recurrent("LSTM", "lstm", 32, steps, 16, 32) for steps in (5, 10, 20, 40, 80, 160)],
    "GRU B 32 I 16 H 32, steps": [recurrent("GRU", "gru", 32, steps, 16, 32) for steps in (5, 10, 20, 40, 80, 160)],
    "LSTM B 32 T 20 I 16, units": [recurrent("LSTM", "lstm", 32, 20, 16, units) for units in (8, 16, 32, 64, 128, 256)],
}
"""What is measured: a workload for each point."""


def report(threads, seconds):
    """A Markdown table for each curve."""
    from tinynn.kernels import instruction_sets

    columns = {}
    for instruction_set in instruction_sets():
        command = [sys.executable, "-m", "benches.peers.curves", str(threads), str(seconds)]
        environment = {**os.environ, "TINYNN_CPU": instruction_set}
        result = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True)
        for dtype, curves in json.loads(result.stdout).items():
            columns[f"{instruction_set} {dtype}"] = curves
    return render(columns, threads)


def render(columns, threads):
    """`columns`: instruction set and dtype -> curve -> seconds of each workload."""
    lines = [f"Best microseconds a step on {threads} threads, and GFLOP/s: where they are the same, time follows work."]
    for curve, workloads in CURVES.items():
        table = [[curve, "MFLOP", *columns]]
        for number, workload in enumerate(workloads):
            times = [curves[curve][number] for curves in columns.values()]
            cells = [f"{three_digits(t * 1e6)} ({three_digits(workload.flops / t / 1e9)})" for t in times]
            table.append([workload.name, three_digits(workload.flops / 1e6), *cells])
        lines += ["", *markdown(table)]
    return "\n".join(lines)


def point(workload, dtype, seconds):
    """Best time of a step: of epochs of 20 steps."""
    from benches.peers.ours import model_of
    from tinynn.optimizers import Adam

    steps = 20
    model = model_of(workload, dtype)
    model.compile(Adam(MEASURED_RATE), "sparse_categorical_crossentropy")
    x, labels = workload.samples(steps)
    x = x.astype(dtype)
    times = []
    end = time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        model.fit(x, labels, workload.batch, verbose=0)
        times.append(time.perf_counter() - start)
    return min(times) / steps


def main():
    threads, seconds = int(sys.argv[1]), float(sys.argv[2])
    limit_threads(threads)
    import tinynn

    tinynn.set_num_threads(threads)
    print(
        json.dumps(
            {
                dtype: {curve: [point(w, dtype, seconds) for w in workloads] for curve, workloads in CURVES.items()}
                for dtype in DTYPES
            }
        )
    )


if __name__ == "__main__":
    main()
