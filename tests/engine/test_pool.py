"""The pool: how many threads, where they come from, and that there are never too many or too few."""

import hashlib
import os
import shlex
import subprocess
import sys
import sysconfig
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from tinynn import Sequential, get_num_threads, layers, set_num_threads
from tinynn.engine import pool

TASKS = Path("/proc/self/task")
ROOT = Path(__file__).parents[2]


pytestmark = pytest.mark.usefixtures("threads")  # which restores the default


def test_default_is_what_the_process_may_use():
    set_num_threads(None)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert 1 <= get_num_threads() <= cores


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity")
def test_affinity_is_honoured():
    before = os.sched_getaffinity(0)
    set_num_threads(None)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert get_num_threads() == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize("n", [1, 2, 256, np.int64(3)])
def test_any_number(n):
    set_num_threads(n)
    assert get_num_threads() == n


@pytest.mark.parametrize(
    ("n", "error"),
    [
        (0, ValueError),
        (-1, ValueError),
        (257, ValueError),
        (10**30, ValueError),
        (1.5, TypeError),
        ("2", TypeError),
        (True, TypeError),
    ],
)
def test_wrong_numbers_change_nothing(n, error):
    set_num_threads(2)
    with pytest.raises(error, match="set_num_threads: n must be"):
        set_num_threads(n)
    assert get_num_threads() == 2


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cpu.max": "max 100000"}, 1 << 30),
        ({"cpu.max": "150000 100000"}, 2),
        ({"cpu.max": "100000 100000"}, 1),
        ({"cpu.max": "1000 100000"}, 1),
        ({"cpu.max": "nonsense"}, 1 << 30),
        ({"cpu.max": ""}, 1 << 30),
        ({}, 1 << 30),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 1 << 30),
        ({"cpu/cpu.cfs_quota_us": "250000", "cpu/cpu.cfs_period_us": "100000"}, 3),
        ({"cpu/cpu.cfs_quota_us": "x", "cpu/cpu.cfs_period_us": "100000"}, 1 << 30),
        ({"cpu.max": "100000 0"}, 1 << 30),
        ({"cpu.max": "a b"}, 1 << 30),
    ],
)
def test_quota_of_the_control_group(files, cores, tmp_path):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    assert pool._read_quota(tmp_path, tmp_path / "none") == cores


@pytest.mark.parametrize(
    ("membership", "files", "cores"),
    [
        ("0::/user/job", {"user/job/cpu.max": "50000 100000"}, 1),
        ("0::/user/job", {"user/cpu.max": "150000 100000", "user/job/cpu.max": "400000 100000"}, 2),
        ("0::/user/job", {"user/cpu.max": "max 100000", "user/other/cpu.max": "50000 100000"}, 1 << 30),
        ("0::/named/outside", {"cpu.max": "200000 100000"}, 2),
        ("0::/../..", {"cpu.max": "200000 100000"}, 2),
        (
            "3:cpuset:/sets\n2:cpu,cpuacct:/job\n0::/",
            {"cpu/job/cpu.cfs_quota_us": "250000", "cpu/job/cpu.cfs_period_us": "100000"},
            3,
        ),
    ],
    ids=["own", "parent", "sibling", "container", "namespace", "version 1"],
)
def test_quota_of_the_groups_that_the_process_is_in(membership, files, cores, tmp_path):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text(text + "\n")
    (tmp_path / "membership").write_text(membership + "\n")
    assert pool._read_quota(tmp_path, tmp_path / "membership") == cores


def in_a_process_of_its_own(code, **environment):
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


ANY = 1 << 30


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, (0, ANY)),
        ({"OMP_NUM_THREADS": "1"}, (0, 1)),
        ({"OMP_NUM_THREADS": " 3 "}, (0, 3)),
        ({"OMP_NUM_THREADS": "4,2"}, (0, 4)),
        ({"OMP_NUM_THREADS": "999999999999"}, (0, ANY)),
        ({"OMP_NUM_THREADS": "0"}, (0, ANY)),
        ({"OMP_NUM_THREADS": "-1"}, (0, ANY)),
        ({"OMP_NUM_THREADS": "1.5"}, (0, ANY)),
        ({"OMP_NUM_THREADS": "many"}, (0, ANY)),
        ({"OMP_NUM_THREADS": ""}, (0, ANY)),
        ({"OMP_NUM_THREADS": ",2"}, (0, ANY)),
        ({"TINYNN_NUM_THREADS": "1"}, (1, ANY)),
        ({"TINYNN_NUM_THREADS": " 256"}, (256, ANY)),
        ({"TINYNN_NUM_THREADS": "", "OMP_NUM_THREADS": "2"}, (0, 2)),
        ({"TINYNN_NUM_THREADS": "7", "OMP_NUM_THREADS": "2"}, (7, 2)),
    ],
)
def test_numbers_in_the_environment(environment, expected):
    assert pool._read_environment(environment) == expected


@pytest.mark.parametrize("wrong", ["0", "257", "-1", "1.5", "two", "4,2", "1e2", "\u00b2", "9" * 5000])
def test_nonsense_in_our_own_variable_is_worth_a_warning(wrong):
    with pytest.warns(RuntimeWarning, match="TINYNN_NUM_THREADS must be a whole number from 1 to 256, got .*; it is"):
        assert pool._read_environment({"TINYNN_NUM_THREADS": wrong}) == (0, ANY)


COUNTED = """
import os
import tinynn
assert tinynn.get_num_threads() == {expected}, tinynn.get_num_threads()
tinynn.set_num_threads(3)
assert tinynn.get_num_threads() == 3
tinynn.set_num_threads(None)
assert tinynn.get_num_threads() == {expected}
if hasattr(os, "fork"):
    child = os.fork()
    if not child:
        os._exit(tinynn.get_num_threads() != {expected})
    assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"OMP_NUM_THREADS": "1"}, "1"),
        ({"OMP_NUM_THREADS": "1", "TINYNN_NUM_THREADS": "5"}, "5"),
        ({"TINYNN_NUM_THREADS": "200"}, "200"),
    ],
)
def test_the_default_is_that_of_the_environment(environment, expected):
    """In processes of their own: the variables are read once."""
    in_a_process_of_its_own(COUNTED.format(expected=expected), **environment)


def test_nonsense_in_the_environment_does_not_end_a_program():
    warned = in_a_process_of_its_own("import tinynn; tinynn.get_num_threads()", TINYNN_NUM_THREADS="many")
    assert "RuntimeWarning: TINYNN_NUM_THREADS must be a whole number from 1 to 256, got 'many'" in warned


@pytest.mark.parametrize("threads", ["1", "3"])
def test_the_environment_s_number_of_threads_gives_the_same_bits(threads):
    model, x = large()
    expected = hashlib.sha256(model.predict(x, batch_size=128).tobytes()).hexdigest()
    code = f"""
import hashlib
from tests.engine.test_pool import large
model, x = large()
assert hashlib.sha256(model.predict(x, batch_size=128).tobytes()).hexdigest() == {expected!r}
"""
    in_a_process_of_its_own(code, TINYNN_NUM_THREADS=threads)


@pytest.mark.skipif(not (ROOT / "tinynn/engine/team.c").exists(), reason="needs the sources")
def test_the_team_by_itself(tmp_path):
    """team_race.c, which .ci/sanitize runs with the sanitizers."""
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    options = ["-O1", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-pthread", "-Itinynn/kernels", "-Itinynn/engine"]
    sources = ["tests/engine/team_race.c", "tinynn/engine/team.c"]
    subprocess.run([*compiler, *options, *sources, "-o", str(tmp_path / "race")], cwd=ROOT, check=True)
    assert subprocess.run([tmp_path / "race"], capture_output=True, text=True, check=True).stdout == "team_race: fine\n"


def large():
    model = Sequential([layers.Dense(256, "relu"), layers.Dense(64)], (256,), rng=1)
    return model, np.random.default_rng(0).normal(size=(256, 256)).astype("float32")


@pytest.mark.parametrize("threads", [1, 2, 7, 40])
def test_more_threads_than_cores_finish_with_the_same_bits(threads):
    model, x = large()
    set_num_threads(1)
    expected = model.predict(x, batch_size=128).tobytes()
    set_num_threads(threads)
    for _ in range(20):
        assert model.predict(x, batch_size=128).tobytes() == expected


CROWDED = """
import os, sys, time
from tinynn import get_num_threads, set_num_threads
from tests.engine.test_pool import large

def cost(n):
    # What 40 predictions cost of the processor, at best, and their bits.
    set_num_threads(n)
    model, x = large()
    predictions = model.predict(x, batch_size=128)
    best = float("inf")
    for _ in range(5):
        start = time.process_time()
        for _ in range(40):
            assert (model.predict(x, batch_size=128) == predictions).all()
        best = min(best, time.process_time() - start)
    return best, predictions.tobytes()

os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
set_num_threads(None)
assert get_num_threads() == 1
alone, expected = cost(1)
crowded, found = cost(16)
assert found == expected
assert crowded < 3 * alone, f"16 threads on one core cost {crowded / alone:.1f} times as much as one"
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity")
def test_sixteen_threads_on_one_core_do_not_spin():
    """They finish, with the same bits, at little more than what one thread costs."""
    in_a_process_of_its_own(CROWDED)


def test_idle_threads_cost_nothing():
    model, x = large()
    set_num_threads(3)
    model.predict(x, batch_size=256)
    cpu, wall = time.process_time(), time.perf_counter()
    time.sleep(0.3)
    assert time.process_time() - cpu < 0.05 * (time.perf_counter() - wall)


@pytest.mark.skipif(not TASKS.exists(), reason="counts threads in /proc")
def test_threads_are_started_when_first_needed_and_kept():
    """In a process of its own: importing starts none, nor does small work; later calls reuse those there are."""
    code = """
import os, sys
from tests.engine.test_pool import large, TASKS
from tinynn import set_num_threads
count = lambda: len(list(TASKS.iterdir()))
first = count()
model, x = large()
set_num_threads(4)
model.predict(x[:1])
assert count() == first, "small work runs on the caller"
model.predict(x, batch_size=256)
assert count() == first + 3, count()
for n in (2, 4, 3, 1):
    set_num_threads(n)
    model.predict(x, batch_size=256)
assert count() == first + 3, count()
"""
    in_a_process_of_its_own(code)


def test_calls_from_many_threads_take_turns():
    """One owns the pool, the others run alone: all finish, all with the same bits."""
    model, x = large()
    set_num_threads(1)
    expected = model.predict(x, batch_size=128).tobytes()
    set_num_threads(3)
    wrong = []

    def call():
        for _ in range(20):
            if model.predict(x, batch_size=128).tobytes() != expected:
                wrong.append(1)

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_hundreds_of_threads_predict_with_one_model():
    """At once, the short way and the long one: every result has the right bits."""
    model, x = large()
    set_num_threads(1)
    expected = model.predict(x, batch_size=128)
    set_num_threads(3)
    barrier = threading.Barrier(300)
    wrong = []

    def call(number):
        barrier.wait()
        for batch_size in (16, 7, 5):  # one batch, several
            part = slice(number % 200, number % 200 + 16)
            if model.predict(x[part], batch_size=batch_size).tobytes() != expected[part].tobytes():
                wrong.append(number)

    threads = [threading.Thread(target=call, args=(number,)) for number in range(300)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_the_number_may_change_while_others_compute():
    model, x = large()
    expected = model.predict(x, batch_size=128).tobytes()
    wrong = []

    def call():
        for _ in range(20):
            if model.predict(x, batch_size=128).tobytes() != expected:
                wrong.append(1)

    threads = [threading.Thread(target=call) for _ in range(2)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        for n in (1, 3, 2, 5):
            set_num_threads(n)
    assert not wrong


def test_many_short_runs(rng):
    """Thousands of calls of one step each: who joins late must not work on a step that is not there."""
    model = Sequential([layers.Dense(128), layers.Dense(64)], (128,), rng=1)
    model.compile("sgd", "mse")
    x, y = rng.normal(size=(128, 128)).astype("float32"), rng.normal(size=(128, 64)).astype("float32")
    finals = []
    for threads in (1, 2, 5):
        model.set_weights(Sequential([layers.Dense(128), layers.Dense(64)], (128,), rng=1).get_weights())
        set_num_threads(threads)
        for _ in range(250):
            model.train_on_batch(x, y)
        finals.append(model.parameters.tobytes())
    assert finals[0] == finals[1] == finals[2]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_starts_its_own():
    model, x = large()
    set_num_threads(3)
    expected = model.predict(x, batch_size=256).tobytes()
    for _ in range(3):
        child = os.fork()
        if child == 0:
            good = model.predict(x, batch_size=256).tobytes() == expected
            good = good and (not TASKS.exists() or len(list(TASKS.iterdir())) == 3)
            os._exit(0 if good else 1)
        assert os.waitpid(child, 0)[1] == 0
    assert model.predict(x, batch_size=256).tobytes() == expected


def test_flush_to_zero_ends_with_the_call():
    """Denormal numbers are zero inside, and themselves again outside."""
    tiny = np.float32(1e-40)
    model = Sequential([layers.Dense(1, use_bias=False)], (1,))
    model.parameters[:] = 1
    assert model.predict(np.array([[tiny]], "float32"))[0, 0] == 0
    assert tiny * np.float32(1) != 0
    assert (np.full(100, tiny) * np.float32(1) != 0).all()
