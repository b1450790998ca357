"""``from tinynn import Sequential``, NumPy being there already: each time in a new process, a copy of this one."""

import os
import sys
from importlib.machinery import PathFinder

import numpy as np  # noqa: F401


def leave_only_the_path():
    """All of tinynn comes from the path, or is missing: an editable install's finder would lend modules of its own."""
    sys.meta_path[:] = [each for each in sys.meta_path if each is PathFinder or each.find_spec("tinynn", None) is None]


class Peer:
    def __init__(self, threads):
        leave_only_the_path()
        sys.dont_write_bytecode = False  # whatever the environment says: users have it after their first import

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
