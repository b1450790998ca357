"""How many threads the engine uses."""

import math
import os
import warnings
from pathlib import Path

from tinynn.kernels.machine cimport instruction_set_in_use

cdef extern from *:
    """
    static _Thread_local int most_of_this_thread = 1 << 30;
    """
    int most_of_this_thread

cdef enum: MOST_THREADS = 256

cdef int chosen = 0             # by set_num_threads; 0: the default
cdef int by_environment = 0     # by TINYNN_NUM_THREADS; 0: not set
cdef int most_by_quota = 1 << 30
cdef int most_by_openmp = 1 << 30


def _read_quota(root: Path = Path("/sys/fs/cgroup"), membership: Path = Path("/proc/self/cgroup")) -> int:
    """Cores that the process's control groups grant, rounded up; a large number when none sets a limit."""
    groups = {root, root / "cpu"}  # in a container its own group may stand here, whatever its name outside
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "" or "cpu" in controllers.split(","):
            group = (root / "cpu" if controllers else root) / path.lstrip("/")
            groups.update([group, *group.parents])  # each limits those in it
    return min(map(_quota_of, groups))


def _quota_of(group: Path) -> int:
    """Cores that one control group grants, rounded up."""
    try:
        quota, period = (group / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota = (group / "cpu.cfs_quota_us").read_text()
            period = (group / "cpu.cfs_period_us").read_text()
        except OSError:
            return 1 << 30
    try:
        cores = math.ceil(int(quota) / int(period))
    except (ValueError, ZeroDivisionError):  # "max", or nothing we know
        return 1 << 30
    return max(1, cores) if int(quota) > 0 else 1 << 30


def _read_environment(environment) -> tuple:
    """TINYNN_NUM_THREADS, 0 if that is not set, and the first number of OMP_NUM_THREADS, a large one if there is none.

    What OpenMP does not understand, it ignores; so does this. Our own variable is worth a warning.
    """
    wanted, number = environment.get("TINYNN_NUM_THREADS", "").strip(), 0
    if is_number(wanted) and 1 <= int(wanted) <= MOST_THREADS:
        number = int(wanted)
    elif wanted:
        warnings.warn(f"TINYNN_NUM_THREADS is {wanted!r}, but must be a whole number from 1 to {MOST_THREADS}; it is "
                      "ignored", RuntimeWarning, stacklevel=2)
    first = environment.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    limit = int(first) if is_number(first) else 0
    return number, min(limit, 1 << 30) if limit > 0 else 1 << 30


def is_number(text) -> bool:
    """Whether it is a row of a few digits."""
    return text.isascii() and text.isdigit() and len(text) < 10


cdef int cores_granted() noexcept nogil:
    return max(1, min(team_cores(), most_by_quota))


cdef int threads_wanted() noexcept nogil:
    cdef int wanted = chosen if chosen else by_environment
    return min(wanted if wanted else min(cores_granted(), most_by_openmp), most_of_this_thread)


def limit_this_thread(int most) -> None:
    """Use at most so many threads for what the calling thread asks for."""
    global most_of_this_thread
    most_of_this_thread = most


cdef void run_team(int threads, void* scratch, Body body, void* context) noexcept nogil:
    team_run(threads, threads > 1 and threads <= cores_granted(), instruction_set_in_use(), scratch, body, context)


def set_num_threads(n) -> None:  # not annotated: Cython would make True and 1.5 whole numbers, unasked
    """Use n threads from now on. The results are the same, bit for bit, whatever n is.

    Parameters
    ----------
    n : int or None
        1 to 256; None returns to the default. That is the number in the environment variable ``TINYNN_NUM_THREADS``,
        1 to 256. Where that is not set, it is as many threads as the process may use cores, by its affinity mask and
        its control group's quota, but no more than ``OMP_NUM_THREADS`` allows, which joblib and others set for the
        processes that they start. Both variables are read once, when tinynn is first used.

    Raises
    ------
    TypeError
        If n is not a whole number.
    ValueError
        If n is out of range.
    """
    global chosen
    if n is None:
        chosen = 0
        return
    if isinstance(n, bool) or not hasattr(n, "__index__"):
        raise TypeError(f"set_num_threads: n is {n!r}, but must be a whole number from 1 to {MOST_THREADS}, or None")
    if not 1 <= n <= MOST_THREADS:
        raise ValueError(f"set_num_threads: n is {n}, but must be from 1 to {MOST_THREADS}")
    chosen = n


def get_num_threads() -> int:
    """The number of threads that a large enough computation uses."""
    return threads_wanted()


most_by_quota = _read_quota()
by_environment, most_by_openmp = _read_environment(os.environ)
