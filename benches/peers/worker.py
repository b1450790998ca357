"""One framework in a process of its own: reads requests, a line of JSON each, and answers in the same way.

::

    {"do": "versions"}
    {"do": "build", "workload": NAME, "weights": FILE, "results": FILE}    -> {"loss": ..., "variants": [...]}
    {"do": "measure", "variant": NAME, "seconds": S}      -> {"times": [...], "processor": [...]}, seconds a step

``measure`` tells the time of each sample by the wall clock, and what the processor has computed. It may name the
``calls`` that make a sample; otherwise they are as many as fill two milliseconds.

``build`` also does the step that is compared, so that everything is compiled when measuring begins.
"""

import json
import os
import resource
import sys
import time

SHORTEST_SAMPLE = 2e-3
"""Seconds. Steps that take less are timed several at once."""


def limit_threads(threads):
    """Before anything is imported: XLA counts the cores it may use, other libraries read these variables."""
    for name in ("OMP", "MKL", "OPENBLAS", "NUMEXPR"):
        os.environ[f"{name}_NUM_THREADS"] = str(threads)
    os.environ["TF_NUM_INTRAOP_THREADS"] = os.environ["TF_NUM_INTEROP_THREADS"] = str(threads)
    if threads == 1:
        flags = os.environ.get("XLA_FLAGS", "")
        os.environ["XLA_FLAGS"] = f"{flags} --xla_cpu_multi_thread_eigen=false".strip()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def processor_time():
    """Seconds that all threads of this process, and its children that have ended, have computed."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


class Worker:
    def __init__(self, name, threads):
        import importlib

        from benches import peers

        self.peer = importlib.import_module(f"benches.peers.{peers.MODULES.get(name, name)}").Peer(threads)

    def versions(self):
        return {"versions": self.peer.versions()}

    def build(self, workload, weights, results):
        import numpy as np

        from benches.peers.workloads import BY_NAME

        work = BY_NAME[workload]
        if not self.peer.supports(work):
            return {"variants": []}
        with np.load(weights) as file:
            arrays = [file[name] for name in file.files]
        self.peer.build(work, arrays)
        loss, arrays = self.peer.check()
        np.savez(results, *arrays)
        self.runs = self.peer.runs()
        self.calls = {}
        return {"loss": None if loss is None else float(loss), "variants": list(self.runs)}

    def measure(self, variant, seconds, calls=None):
        call, steps = self.runs[variant]
        if calls is None:
            if variant not in self.calls:
                self.calls[variant] = self._calibrate(call)
            calls = self.calls[variant]
        call()  # the caches hold another process's data, and the threads may sleep
        times, processor = [], []
        end = time.perf_counter() + seconds
        while not times or time.perf_counter() < end:
            used, start = processor_time(), time.perf_counter()
            for _ in range(calls):
                call()
            times.append((time.perf_counter() - start) / (calls * steps))
            processor.append((processor_time() - used) / (calls * steps))
        return {"times": times, "processor": processor}

    def _calibrate(self, call):
        """How many calls make a sample."""
        for _ in range(3):
            call()
        calls = 1
        while True:
            start = time.perf_counter()
            for _ in range(calls):
                call()
            if time.perf_counter() - start >= SHORTEST_SAMPLE:
                return calls
            calls *= 2


def main():
    name, threads = sys.argv[1], int(sys.argv[2]) or None
    if threads is not None:
        limit_threads(threads)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a framework prints must not come between the answers
    worker = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            worker = worker or Worker(name, threads)
            answer = getattr(worker, request.pop("do"))(**request)
        except Exception as error:  # whatever a framework raises belongs into a footnote, and the run goes on
            answer = {"error": f"{type(error).__name__}: {error}"}
            import traceback

            traceback.print_exc()
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
