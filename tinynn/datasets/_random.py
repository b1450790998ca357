"""Counter-based random numbers: the same (key, purpose, epoch) always gives the same numbers.

Only the raw bits of NumPy's Philox are used. NumPy guarantees that they never change, unlike the methods of
`Generator`: a split or a data set is the same with every version of NumPy.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tinynn.checks import check_seed


def key_from(rng: Any, caller: str) -> npt.NDArray[np.uint64]:
    """Reduce `rng` to one Philox key, shape (2,).

    Parameters
    ----------
    rng : int, numpy.random.SeedSequence or numpy.random.Generator
        The key is drawn from a Generator, which gives another one each time; the others always give the same key.
    caller : str
        The function named in errors.
    """
    rng = check_seed(caller, rng)
    if isinstance(rng, np.random.Generator):
        return np.asarray(rng.integers(0, 2**64, size=2, dtype=np.uint64), dtype=np.uint64)
    return np.asarray(rng.generate_state(2, np.uint64), dtype=np.uint64)


def raw_bits(key: npt.NDArray[np.uint64], purpose: bytes, epoch: int, count: int) -> npt.NDArray[np.uint64]:
    """Return `count` random 64-bit words; `purpose` (at most 8 bytes) and `epoch` choose the stream."""
    if count > np.iinfo(np.intp).max // 8:  # NumPy would raise ValueError
        raise MemoryError(f"Unable to allocate {8 * count:,} bytes")
    # Philox counts in the first word; the other words select one of many streams of 2^64 blocks.
    counter = np.array([0, 0, epoch, int.from_bytes(purpose, "little")], dtype=np.uint64)
    bits = np.random.Philox(key=key, counter=counter).random_raw(count)
    return np.asarray(bits, dtype=np.uint64)


def uniform_integers(bits: npt.NDArray[np.uint64], bound: int) -> npt.NDArray[np.int64]:
    """Map random words to integers in [0, bound), almost exactly uniform.

    The top bits of each word are multiplied by `bound` and shifted back. The product is exact, and the probabilities
    of two integers differ by at most one part in 2^64 / bound^2 (1 in 10^9 for MNIST's 60,000 images).
    """
    width = bound.bit_length()
    product = (bits >> np.uint64(width)) * np.uint64(bound)
    return (product >> np.uint64(64 - width)).astype(np.int64)


def permutation(key: npt.NDArray[np.uint64], purpose: bytes, count: int) -> npt.NDArray[np.int64]:
    """Return the numbers 0..count-1 in a random order."""
    return np.argsort(raw_bits(key, purpose, 0, count), kind="stable").astype(np.int64)
