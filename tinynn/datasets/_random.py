"""Counter-based random numbers: the same (key, purpose, epoch) always gives the same numbers.

Only the raw bits of NumPy's Philox are used. NumPy promises that those never change, which it does not for
`Generator` methods: a split or a data set is the same in every version of NumPy.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import numpy.typing as npt


def key_from(rng: Any, caller: str) -> npt.NDArray[np.uint64]:
    """Reduce `rng` to one Philox key, shape (2,).

    Parameters
    ----------
    rng : int, numpy.random.SeedSequence or numpy.random.Generator
        A Generator is drawn from, so that using it twice gives two keys; the others give the same key each
        time.
    caller : str
        Named in errors.
    """
    if isinstance(rng, np.random.Generator):
        return np.asarray(rng.integers(0, 2**64, size=2, dtype=np.uint64), dtype=np.uint64)
    if not isinstance(rng, np.random.SeedSequence):
        rng = np.random.SeedSequence(
            integer(rng, "rng", caller, minimum=0, instead="an int, a SeedSequence or a Generator")
        )
    return np.asarray(rng.generate_state(2, np.uint64), dtype=np.uint64)


def raw_bits(key: npt.NDArray[np.uint64], purpose: bytes, epoch: int, count: int) -> npt.NDArray[np.uint64]:
    """Return `count` random 64-bit words; `purpose` (at most 8 bytes) and `epoch` choose the stream."""
    if count > np.iinfo(np.intp).max // 8:  # NumPy would call it a wrong value
        raise MemoryError(f"Unable to allocate {8 * count:,} bytes")
    # Philox counts upwards in the first word; the words above it tell streams of 2^64 blocks apart.
    counter = np.array([0, 0, epoch, int.from_bytes(purpose, "little")], dtype=np.uint64)
    bits = np.random.Philox(key=key, counter=counter).random_raw(count)
    return np.asarray(bits, dtype=np.uint64)


def uniform_integers(bits: npt.NDArray[np.uint64], bound: int) -> npt.NDArray[np.int64]:
    """Map random words to integers in [0, bound), all but exactly uniform.

    The top bits of each word are multiplied by `bound` and shifted back. The product is exact, and no integer
    is likelier than another by more than one part in 2^64 / bound^2 (1 in 10^9 for MNIST's 60,000 images).
    """
    width = bound.bit_length()
    product = (bits >> np.uint64(width)) * np.uint64(bound)
    return (product >> np.uint64(64 - width)).astype(np.int64)


def permutation(key: npt.NDArray[np.uint64], purpose: bytes, count: int) -> npt.NDArray[np.int64]:
    """Return the numbers 0..count-1 in a random order."""
    return np.argsort(raw_bits(key, purpose, 0, count), kind="stable").astype(np.int64)


def integer(
    value: Any, name: str, caller: str, minimum: int | None = None, instead: str = "an integer"
) -> int:
    """Return `value` as an int of at least `minimum`, or say what is wrong with it."""
    if isinstance(value, (bool, np.bool_)):  # True would pass for 1
        raise TypeError(f"{caller}: {name} must be {instead}, got {value!r}")
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(
            f"{caller}: {name} must be {instead}, got {value!r} of type {type(value).__name__}"
        ) from None
    if minimum is not None and number < minimum:
        raise ValueError(f"{caller}: {name} must be at least {minimum}, got {number}")
    return number
