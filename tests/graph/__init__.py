"""Tests of the teaching graph, one file per module."""
