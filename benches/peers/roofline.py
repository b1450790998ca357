"""The machine's limits, measured: multiply-adds, bandwidth of an update, exponentials, in float32 on N threads.

    roofline time = FLOPs / peak + bytes of parameters and optimizer / bandwidth + exponentials / rate

The bandwidth is that of the working set the workload has, so it differs for what fits into a cache. The exponential
is a plain polynomial that the compiler vectorises, and not tinynn's own kernel: a limit that moves with what is
measured against it would be none. All of it is C, compiled by ``$CC`` or cc.

As a program it measures and prints JSON: ``python -m benches.peers.roofline THREADS PARAMETERS...``; `measure` runs
that in a process which, like the others, may use so many cores only.
"""

import ctypes
import json
import os
import shlex
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from benches.peers.process import ROOT
from benches.peers.worker import limit_threads

SECONDS = 0.15
"""Of each measurement, of which there are three, the best counts."""

EXPONENTIALS_AT_ONCE = 2048
"""x and y are 16 KB: half of the smallest first-level cache."""


@dataclass(frozen=True)
class Limits:
    """FLOP/s, exponentials/s, and for numbers of parameters bytes/s."""

    flops: float
    exponentials: float
    bandwidths: dict

    def seconds(self, workload):
        """The roofline time of a step."""
        time = workload.flops / self.flops + workload.exponentials / self.exponentials
        if workload.parameters:
            time += workload.parameter_bytes / self.bandwidths[workload.stream_size]
        return time


def measure(threads, workloads):
    """The limits for these workloads."""
    sizes = sorted({workload.stream_size for workload in workloads if workload.parameters})
    command = [sys.executable, "-m", "benches.peers.roofline", str(threads), *map(str, sizes)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if result.returncode:
        reason = (result.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise RuntimeError(f"the machine's limits could not be measured: {reason}")
    flops, exponentials, bandwidths = json.loads(result.stdout)
    return Limits(flops, exponentials, dict(zip(sizes, bandwidths, strict=True)))


def library():
    """roofline.c compiled for this machine."""
    compiler = os.environ.get("CC", "cc")
    source = Path(__file__).with_name("roofline.c")
    with tempfile.TemporaryDirectory() as directory:
        target = Path(directory) / "roofline.so"
        options = ["-O3", "-march=native", "-ffp-contract=fast", "-shared", "-fPIC"]
        subprocess.run([*shlex.split(compiler), *options, str(source), "-o", str(target)], check=True)
        loaded = ctypes.CDLL(str(target))
    for name in ("flops", "stream", "exponentials"):
        getattr(loaded, f"roofline_{name}").restype = ctypes.c_double
    return loaded


def rate(threads, make):
    """Work per second of all threads together; `make()` returns a thread's ``work(repeats)``."""
    works = [make() for _ in range(threads)]
    repeats = 1
    while True:
        start = time.perf_counter()
        works[0](repeats)
        passed = time.perf_counter() - start
        if passed > SECONDS / 10:
            break
        repeats *= 4
    repeats = max(1, int(repeats * SECONDS / passed))
    return max(_together(works, repeats) for _ in range(3))


def _together(works, repeats):
    start = threading.Barrier(len(works))
    rates = []

    def run(work):
        work(1)  # touches the memory
        start.wait()
        begin = time.perf_counter()
        done = work(repeats)
        rates.append(done / (time.perf_counter() - begin))

    team = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in team:
        thread.start()
    for thread in team:
        thread.join()
    return sum(rates)


def main():
    threads, *sizes = map(int, sys.argv[1:])
    limit_threads(threads)
    import numpy as np

    code = library()

    def pointer(array):
        return array.ctypes.data_as(ctypes.c_void_p)

    def flops():
        sink = np.zeros(16, np.float32)
        return lambda repeats: code.roofline_flops(ctypes.c_long(repeats * 1000), pointer(sink))

    def stream(size):
        # Starts that are 17 cache lines apart in their pages: equal ones would hinder each other.
        share = -(-size // threads)
        distance = -(-share // 1024) * 1024 + 17 * 16
        memory = np.ones(4 * distance + 16, np.float32)
        first = -memory.ctypes.data // 4 % 16
        arrays = [memory[first + number * distance :] for number in range(4)]
        return lambda repeats: code.roofline_stream(
            ctypes.c_long(repeats), ctypes.c_long(share), *map(pointer, arrays)
        )

    def exponentials():
        x, y = np.linspace(-8, 8, EXPONENTIALS_AT_ONCE, dtype=np.float32), np.empty(EXPONENTIALS_AT_ONCE, np.float32)
        n = ctypes.c_long(len(x))

        def work(repeats):
            return code.roofline_exponentials(ctypes.c_long(repeats * 10), n, pointer(x), pointer(y))

        work(1)
        assert np.allclose(y, np.exp(x.astype(np.float64)), rtol=1e-6)
        return work

    bandwidths = [rate(threads, lambda size=size: stream(size)) for size in sizes]
    print(json.dumps([rate(threads, flops), rate(threads, exponentials), bandwidths]))


if __name__ == "__main__":
    main()
