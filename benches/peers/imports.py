"""``from tinynn import Sequential``, NumPy being there already: each time in a new process, a copy of this one."""

import os

import numpy as np  # noqa: F401


class Peer:
    def __init__(self, threads):
        pass

    def supports(self, workload):
        return True

    def build(self, workload, weights):
        pass

    def check(self):
        imported()  # writes the bytecode
        return None, []

    def runs(self):
        return {"tinynn": (imported, 1)}


def imported():
    child = os.fork()
    if child == 0:
        status = 1
        try:
            from tinynn import Sequential  # noqa: F401

            status = 0
        finally:
            os._exit(status)
    if os.waitpid(child, 0)[1] != 0:
        raise ImportError("from tinynn import Sequential fails")
