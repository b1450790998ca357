"""Prints SHA-256 of every kernel's results on fixed data, as JSON.

Run as ``python -m tests.kernels.digests`` under different settings of TINYNN_CPU:
the same bits give the same digests.
"""

import hashlib
import json

import numpy as np

from tests.kernels.cases import ALL_SIZES, make_cases
from tinynn import kernels


def digests():
    """SHA-256 of all results of each case, by name of the case, its sizes and dtype."""
    found = {}
    for dtype in (np.float32, np.float64):
        for sizes in ALL_SIZES:
            for label, case in make_cases(dtype, sizes).items():
                digest = hashlib.sha256()
                for result in case.call():
                    digest.update(np.ascontiguousarray(result).tobytes())
                found[f"{label} {np.dtype(dtype).name} {sizes}"] = digest.hexdigest()
    return found


if __name__ == "__main__":
    print(json.dumps({"instruction_set": kernels.instruction_set(), "digests": digests()}))
