"""Memory that is not there: MemoryError with the size that was asked for, and a model that works on."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tinynn import Sequential, layers

ROOT = Path(__file__).parents[2]


def repeated(times, *more):
    """A model whose values, not its parameters, need the memory."""
    return Sequential([layers.RepeatVector(times), *more], (4,))


@pytest.mark.parametrize(
    ("inputs", "width", "size"),
    [
        (10**4, 10**9, "36.4 TiB"),  # 4 bytes x 10**9 x (10**4 + 1) / 2**40
        (10**12, 10**12, "4,000,000,000,004,000,000,000,000 bytes"),  # more than NumPy can count
    ],
)
def test_parameters(inputs, width, size):
    with pytest.raises(MemoryError, match=f"Unable to allocate {size}"):
        Sequential([layers.Dense(width)], (inputs,))


@pytest.mark.parametrize(
    ("times", "size"),
    [
        (10**11, r"16,000,000,000,\d{3} bytes"),
    ],
)
def test_values_of_a_prediction(times, size):
    model = repeated(times)
    for _ in range(2):
        with pytest.raises(MemoryError, match=f"a batch of 10 samples needs {size}; take a smaller batch_size"):
            model.predict(np.zeros((10, 4)))


def test_a_batch_too_large_leaves_the_model_usable():
    model = Sequential([layers.RepeatVector(10**7), layers.SimpleRNN(100)], (4,))
    model.compile("sgd", "mse")
    before = model.parameters.copy()
    x, y = np.zeros((10**4, 4), "float32"), np.zeros((10**4, 100), "float32")
    for function, arguments in ((model.fit, {"verbose": 0}), (model.evaluate, {}), (model.train_on_batch, {})):
        with pytest.raises(MemoryError, match=r"a batch of 10,000 samples needs [\d,]+ bytes; take a smaller batch"):
            function(x, y, **arguments, **({} if function == model.train_on_batch else {"batch_size": 10**4}))
    assert model.parameters.tobytes() == before.tobytes()
    assert model._core.iteration == 0
    assert not model._core.lock.is_held()


LIMITED = """
import resource, sys
import numpy as np
from tinynn import Sequential, layers, set_num_threads
from tests.model.digests import digest_of
from tinynn.kernels.tape import Tape

def trained(threads):
    set_num_threads(threads)
    model = Sequential([layers.Dense(300, "relu"), layers.Dense(100)], (200,), rng=1)
    model.compile("adam", "mse")
    model.fit(x[:512], y[:512], batch_size=256, epochs=2, verbose=0)
    return model, digest_of(model.parameters)

x, y = np.ones((100_000, 200), "float32"), np.ones((100_000, 100), "float32")
model, expected = trained(1)
# So much more address space as a few threads' stacks take, but neither all the threads nor a batch of 100,000.
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 100_000_000,) * 2)
operations = ["leaf"] * 1_500_000
for function, *arguments in ((model.train_on_batch, x, y), (model.test_on_batch, x, y),
                             (Tape, operations, [()] * 1_500_000)):
    try:
        function(*arguments)
    except MemoryError as error:
        print(error)
    else:
        raise SystemExit("no MemoryError")
for threads in (100, 1):
    assert trained(threads)[1] == expected, threads
iteration = model._core.iteration
model.train_on_batch(x[:100], y[:100])
assert model._core.iteration == iteration + 1
assert np.isfinite(model.parameters).all()
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads /proc")
def test_less_memory_than_asked_for():
    """Of a process with a limit: too large a batch is refused, and threads that cannot be had are done without."""
    done = subprocess.run(
        [sys.executable, "-c", LIMITED],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 3
    refused = r"a batch of 100,000 samples needs \d{3},000,000 bytes; take a smaller batch_size"
    assert all(re.fullmatch(refused, line) for line in lines[:2]), lines
    assert lines[2] == "Tape: no memory for 1500000 entries"
