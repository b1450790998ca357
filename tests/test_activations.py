"""Activations by name, and what they add to a network."""

from typing import get_args

import pytest

from tinynn import Sequential, layers
from tinynn.activations import ActivationName, activate, check_activation
from tinynn.engine.graph import Network


@pytest.mark.parametrize("name", get_args(ActivationName))
def test_every_name_adds_its_op(name):
    network = Network({})
    x = network.input((3,))
    before = len(network.nodes)
    for written in (name, name.upper(), name.title()):
        assert check_activation(written) == (None if name == "linear" else name)
    y = activate(network, x, name)
    if name == "linear":
        assert y is x
        assert len(network.nodes) == before
    else:
        assert [node.op for node in network.nodes[before:]] == [name]
        assert network.nodes[-1].outputs == [y]
        assert y.shape == (3,)


def test_none_is_linear():
    network = Network({})
    x = network.input((3,))
    assert check_activation(None) is None
    assert activate(network, x, None) is x


@pytest.mark.parametrize("name, error, message", [
    ("gelu", ValueError, "unknown activation 'gelu'; known: linear, relu, sigmoid, tanh, softmax"),
    ("sigmiod", ValueError, "did you mean 'sigmoid'"),
    (3, TypeError, "activation: expected a name"),
    (max, TypeError, "activation: expected a name"),
])
def test_unknown_activations(name, error, message):
    with pytest.raises(error, match=message):
        check_activation(name)


def test_softmax_of_scalars_says_what_to_do():
    with pytest.raises(ValueError, match=r"softmax needs a last axis: reshape x to \(samples, classes\)"):
        Sequential([layers.Activation("softmax")], ())
