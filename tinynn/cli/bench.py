"""``tinynn bench``: a short set of measurements. The full set, beside NumPy, is in benches/."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tinynn import Sequential, layers, set_num_threads, show_config
from tinynn.cli.common import add_threads, positive_number
from tinynn.datasets import DigitSums
from tinynn.kernels import dense_backward, dense_forward, lstm_backward, lstm_forward
from tinynn.networks import digit_sum, recipe
from tinynn.tables import table

DESCRIPTION = "Times kernels and training steps on this machine, in a few seconds."

#: Name, sizes, a function that runs it, the number of steps in a run, and the floating-point operations in a step.
Measurement = tuple[str, str, Callable[[], Any], int, float | None]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_threads(parser)
    parser.add_argument(
        "--seconds", type=positive_number, default=0.5, metavar="S", help="time for each measurement (default: 0.5)"
    )


def run(options: argparse.Namespace) -> None:
    """Measure, and print a table of medians."""
    if options.threads is not None:
        set_num_threads(options.threads)
    show_config()
    rows = [("float32", "size", "median", "fastest", "GFLOP/s")]
    for name, size, work, steps, operations in (*kernels(), *training()):
        times = [seconds / steps for seconds in measured(work, options.seconds)]
        median = statistics.median(times)
        speed = "-" if operations is None else f"{operations / median / 1e9:.1f}"
        rows.append((name, size, duration(median), duration(min(times)), speed))
    print(f"\n{table(rows, '<<>>>')}")


def measured(work: Callable[[], Any], seconds: float) -> list[float]:
    """Time as many runs as fit into `seconds`, at least three, after one to warm up."""
    work()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return times


def duration(seconds: float) -> str:
    """A time in a readable unit.

    Examples
    --------
    >>> duration(0.0000123), duration(0.0123)
    ('12.3 us', '12.30 ms')
    """
    return f"{seconds * 1e6:.1f} us" if seconds < 1e-3 else f"{seconds * 1e3:.2f} ms"


def kernels() -> Iterator[Measurement]:
    """Kernels, called as functions."""
    rng = np.random.default_rng(0)

    def numbers(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape, np.float32)

    batch, inputs, outputs = 128, 784, 128
    x, w, b, dy = numbers(batch, inputs), numbers(inputs, outputs), numbers(outputs), numbers(batch, outputs)
    size = f"{batch} x {inputs} x {outputs}"
    product = 2.0 * batch * inputs * outputs
    yield "dense_forward", size, lambda: dense_forward(x, w, b), 1, product
    yield "dense_backward", size, lambda: dense_backward(dy, x, w), 1, 2 * product

    batch, steps, inputs, units = 64, 10, 10, 128
    sequence, dh = numbers(batch, steps, inputs), numbers(batch, steps, units)
    weights = 0.1 * numbers(inputs, 4 * units), 0.1 * numbers(units, 4 * units), numbers(4 * units)
    size = f"{batch} x {steps} x {inputs} -> {units}"
    product = 2.0 * batch * steps * 4 * units * (inputs + units)
    yield "lstm_forward", size, lambda: lstm_forward(sequence, *weights), 1, product
    yield "lstm_backward (and forward)", size, lambda: lstm_backward(dh, sequence, *weights), 1, 3 * product


def training() -> Iterator[Measurement]:
    """Training steps, as `fit` takes them; a run is an epoch of 20."""
    steps = 20
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (1000, 28, 28), np.uint8)
    labels = np.arange(1000) % 10

    batch = 32
    model = Sequential(
        [layers.Rescaling(1 / 255), layers.Flatten(), layers.Dense(128, "relu"), layers.Dense(10, "softmax")],
        input_shape=(28, 28),
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    x, y = images[: batch * steps], labels[: batch * steps]
    yield "step of an MLP", f"{batch} x 784-128-10", lambda: model.fit(x, y, batch, verbose=0), steps, None

    for name in ("shared", "baseline"):
        adder = digit_sum(name)
        recipe(name).compile(adder)
        batch = recipe(name).batch_size
        sums = DigitSums(images, labels, size=batch * steps)

        def epoch(adder: Any = adder, sums: Any = sums, batch: int = batch) -> None:
            adder.fit(sums, batch_size=batch, verbose=0)

        yield f"step of digit-sum {name}", f"{batch} x 10 x 28 x 28", epoch, steps, None
