"""The machine's limits, measured: multiply-adds, bandwidth of an update, exponentials, in float32 on N threads.

    roofline time = FLOPs / peak + bytes of parameters and optimizer / bandwidth + exponentials / rate

As a peer like the frameworks, it takes its turns with them: each of the three terms is a variant, whose call does as
much of one kind as some steps of the workload do. So on a machine with neighbours, the limit is that of the same
minute.

The bandwidth is that of the working set the workload has, so it differs for what fits into a cache. The exponential
is a plain polynomial that the compiler vectorises, and not tinynn's own kernel: a limit that moves with what is
measured against it would be none. All of it is C, compiled by ``$CC`` or cc.
"""

import ctypes
import os
import shlex
import subprocess
import tempfile
import timeit
from pathlib import Path

import numpy as np

FLOPS, STREAM, EXPONENTIALS = TERMS = "flops", "stream", "exponentials"
"""The variants, in the order of roofline.c's numbers for them."""

SHORTEST_CALL = 4e-3
"""Seconds, beside which the start of the threads is little."""

EXPONENTIALS_AT_ONCE = 2048
"""x and y are 16 KB: half of the smallest first-level cache."""


def work(workload):
    """How much of each term a step takes: FLOPs, bytes, exponentials."""
    return dict(zip(TERMS, (workload.flops, workload.parameter_bytes, workload.exponentials), strict=True))


class Peer:
    def __init__(self, threads):
        self.threads = threads
        self.code = library()

    def versions(self):
        return ""

    def supports(self, workload):
        return bool(workload.layers)

    def build(self, workload, weights):
        self.workload = workload

    def check(self):
        """There are no results to compare; that the exponentials are some is checked here."""
        x = np.linspace(-8, 8, EXPONENTIALS_AT_ONCE, dtype=np.float32)
        y = self._arrays(len(x), x)
        self._call(EXPONENTIALS, 1, len(x), y)
        for row in y:
            assert np.allclose(row[1, : len(x)], np.exp(x.astype(np.float64)), rtol=1e-6)
        return None, []

    def runs(self):
        share = -(-self.workload.stream_size // self.threads)
        sizes = dict(zip(TERMS, (16, share, EXPONENTIALS_AT_ONCE), strict=True))
        return {term: self._run(term, much, sizes[term]) for term, much in work(self.workload).items() if much}

    def _run(self, term, of_a_step, size):
        """The call, and how many steps' work it does: one's, or as many as fill SHORTEST_CALL."""
        arrays = self._arrays(size, np.linspace(-8, 8, size, dtype=np.float32))

        def call():
            return self._call(term, repeats, size, arrays)

        repeats = 1
        while (done := call()) < of_a_step or min(timeit.repeat(call, number=1)) < SHORTEST_CALL:
            repeats *= 2
        return call, done / of_a_step

    def _arrays(self, size, x):
        """Each thread's four arrays, x the first. They start 17 cache lines apart: equal places in a page collide."""
        distance = -(-size // 1024) * 1024 + 17 * 16
        memory = np.ones(4 * self.threads * distance + 16, np.float32)
        first = -memory.ctypes.data // 4 % 16
        arrays = memory[first : first + 4 * self.threads * distance].reshape(self.threads, 4, distance)
        arrays[:, 0, :size] = x
        return arrays

    def _call(self, term, repeats, size, arrays):
        """How much has been done."""
        distance = arrays.shape[2]
        return self.code.roofline_run(
            self.threads, TERMS.index(term), ctypes.c_long(repeats), ctypes.c_long(size), ctypes.c_long(distance),
            arrays.ctypes.data_as(ctypes.c_void_p),
        )  # fmt: skip


def library():
    """roofline.c compiled for this machine."""
    compiler = os.environ.get("CC", "cc")
    source = Path(__file__).with_name("roofline.c")
    with tempfile.TemporaryDirectory() as directory:
        target = Path(directory) / "roofline.so"
        options = ["-O3", "-march=native", "-ffp-contract=fast", "-pthread", "-shared", "-fPIC"]
        try:
            subprocess.run([*shlex.split(compiler), *options, str(source), "-o", str(target)], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            message = f"the machine's limits need a C compiler (cc, or the one that $CC names): {error}"
            raise RuntimeError(message) from None
        loaded = ctypes.CDLL(str(target))
    loaded.roofline_run.restype = ctypes.c_double
    return loaded
