"""When NumPy and tinynn count as having done the same work."""

import numpy as np

TOLERANCE = {np.dtype(np.float32): 1e-4, np.dtype(np.float64): 1e-11}
"""Largest difference between two results, relative to the largest number in them."""

TRAINING_TOLERANCE = {np.dtype(np.float32): 1e-2, np.dtype(np.float64): 1e-6}
"""Norm of the difference between two trained sets of weights, relative to what training changed.

Adam divides each gradient by its own size, so the rounding of the smallest gradients weighs as much as that
of the largest ones.
"""

LOSS_TOLERANCE = 1e-4
"""Difference of two losses, relative to them: of other frameworks, with a summation order of their own."""


def assert_agree(ours, theirs):
    """Compare arrays or tuples of arrays."""
    if not isinstance(theirs, tuple):
        ours, theirs = (ours,), (theirs,)
    assert len(ours) == len(theirs)
    for number, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        assert a.dtype == b.dtype, f"result {number}: tinynn's is {a.dtype}, NumPy's {b.dtype}"
        atol = TOLERANCE[b.dtype] * float(np.abs(b).max())
        np.testing.assert_allclose(a, b, rtol=0, atol=atol, err_msg=f"result {number}")


def assert_trained_alike(before, ours, theirs):
    """Compare two lists of weights after training from the same `before`."""
    before, ours, theirs = (np.concatenate([w.ravel() for w in list_]) for list_ in (before, ours, theirs))
    change = np.linalg.norm(theirs - before)
    assert change > 0
    assert np.linalg.norm(ours - theirs) <= TRAINING_TOLERANCE[before.dtype] * change
