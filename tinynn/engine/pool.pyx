"""How many threads the engine uses, and running a body on them."""

import math
import os
import warnings
from pathlib import Path

from tinynn.kernels.machine cimport instruction_set_in_use

cdef extern from *:
    """
    static _Thread_local int max_of_this_thread = 1 << 30;
    """
    int max_of_this_thread

cdef int chosen = 0             # by set_num_threads; 0: not set
cdef int by_environment = 0     # by TINYNN_NUM_THREADS; 0: not set
cdef int max_by_quota = 1 << 30
cdef int max_by_openmp = 1 << 30


def _read_quota(root: Path = Path("/sys/fs/cgroup"), membership: Path = Path("/proc/self/cgroup")) -> int:
    """Cores that the process's control groups grant, rounded up; a large number if none sets a limit."""
    groups = {root, root / "cpu"}  # in a container, this may be its own group, whatever its name outside
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "" or "cpu" in controllers.split(","):
            group = (root / "cpu" if controllers else root) / path.lstrip("/")
            groups.update([group, *group.parents])  # each also limits the groups inside it
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
    except (ValueError, ZeroDivisionError):  # "max", or an unknown format
        return 1 << 30
    return max(1, cores) if int(quota) > 0 else 1 << 30


def _read_environment(environment) -> tuple:
    """TINYNN_NUM_THREADS or 0 if it is not set, and the first number of OMP_NUM_THREADS or a large one.

    An invalid OMP_NUM_THREADS is ignored, as OpenMP does; an invalid TINYNN_NUM_THREADS with a warning.
    """
    wanted, number = environment.get("TINYNN_NUM_THREADS", "").strip(), 0
    if is_number(wanted) and 1 <= int(wanted) <= MAX_THREADS:
        number = int(wanted)
    elif wanted:
        warnings.warn(f"TINYNN_NUM_THREADS must be a whole number from 1 to {MAX_THREADS}, got {wanted!r}; it is "
                      "ignored", RuntimeWarning, stacklevel=2)
    first = environment.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    limit = int(first) if is_number(first) else 0
    return number, min(limit, 1 << 30) if limit > 0 else 1 << 30


cdef bint is_number(str text):
    """Whether it consists of a few digits."""
    return text.isascii() and text.isdigit() and len(text) < 10


cdef int cores_granted() noexcept nogil:
    return max(1, min(team_cores(), max_by_quota))


cdef int threads_wanted() noexcept nogil:
    cdef int wanted = chosen if chosen else by_environment
    return min(wanted if wanted else min(cores_granted(), max_by_openmp), max_of_this_thread)


def limit_this_thread(int max_threads) -> None:
    """Use at most so many threads for calls from the calling thread."""
    global max_of_this_thread
    max_of_this_thread = max_threads


cdef void run_team(int threads, void* scratch, Body body, void* context) noexcept nogil:
    team_run(threads, threads > 1 and threads <= cores_granted(), instruction_set_in_use(), scratch, body, context)


def set_num_threads(n) -> None:  # not annotated, because Cython would convert True and 1.5
    """Use n threads from now on. The results are the same, bit for bit, whatever n is.

    Parameters
    ----------
    n : int or None
        1 to 256; None restores the default. That is the environment variable ``TINYNN_NUM_THREADS``, 1 to 256. If it is
        not set, the default is the number of cores that the process may use, by its affinity mask and its control
        group's quota, but at most ``OMP_NUM_THREADS``, which joblib and others set for the processes that they start.
        Both variables are read once, when tinynn is first used.

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
        raise TypeError(f"set_num_threads: n must be a whole number from 1 to {MAX_THREADS}, or None, got {n!r}")
    if not 1 <= n <= MAX_THREADS:
        raise ValueError(f"set_num_threads: n must be from 1 to {MAX_THREADS}, got {n}")
    chosen = n


def get_num_threads() -> int:
    """The number of threads that a large enough computation uses."""
    return threads_wanted()


max_by_quota = _read_quota()
by_environment, max_by_openmp = _read_environment(os.environ)
