"""The frameworks that `compare.py` runs, each behind the same few methods: a module with a class ``Peer``.

::

    Peer(threads)               once a process, after the number of threads has been limited
    versions()                  what it runs on, for the table's caption
    supports(workload)          whether there is a way to do this work
    build(workload, weights)    the network with these weights, and its batch, in its own arrays
    check()                     one step with `CHECK_RATE` from these weights: the loss, the new weights
    runs()                      after check: variant -> (call, steps a call takes), with `MEASURED_RATE`

Weights travel in one layout, see `workloads`; each module converts it to its own and back.
"""

CHECK_RATE = 1e-3
"""Adam's learning rate in the step whose results are compared."""

MEASURED_RATE = 1e-7
"""Adam's learning rate in the measurement: repeated ten thousands of times, the work stays the same."""

BETA_1, BETA_2 = 0.9, 0.999

EPSILON = 1e-7
"""Added to the root before the bias correction, as in tinynn, Keras and scikit-learn."""

EPSILON_AFTER = EPSILON / (1 - BETA_2) ** 0.5
"""Added to the corrected root, as in PyTorch and optax: in the first step this means the same."""

MODULES = {
    "tinynn": "ours",
    "torch": "torch_peer",
    "torch-compiled": "torch_compiled",
    "jax": "jax_peer",
    "keras": "keras_peer",
    "sklearn": "sklearn_peer",
}
"""The names for --frameworks; each is a process of its own."""

PACKAGES = {
    "tinynn": ("tinynn",),
    "torch": ("torch",),
    "torch-compiled": ("torch",),
    "jax": ("jax", "optax"),
    "keras": ("keras", "tensorflow"),
    "sklearn": ("sklearn",),
}
"""What each needs to be installed."""

COLUMNS = {
    "torch": "PyTorch",
    "torch-compiled": "compiled",
    "jax": "JAX",
    "jax-scan": "JAX scan",
    "keras": "Keras",
    "sklearn": "scikit-learn",
}
"""The variants that `runs` of all modules return, but tinynn's own, and their columns in the table."""
