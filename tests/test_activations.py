"""Activations by name, and what they add to a network."""

import pytest

from tinynn import Sequential, layers


def test_softmax_of_single_numbers_says_what_to_do():
    with pytest.raises(ValueError, match=r"softmax needs a last axis: reshape x to \(samples, classes\)"):
        Sequential([layers.Activation("softmax")], ())
