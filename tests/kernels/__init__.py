"""Tests of the kernels, one file per kernel module."""
