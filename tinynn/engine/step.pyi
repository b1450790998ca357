# For Cython only: see step.pxd.
