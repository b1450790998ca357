"""Specs: tensors and their rows, parameters found again, scopes and branches."""

import numpy as np
import pytest

from tinynn.engine import graph as network_module
from tinynn.engine.graph import Network, Tensor, initialize, product, view


def zeros(shape, dtype, generator):
    return np.zeros(shape, dtype)


def test_product():
    assert product((2, 3)) == 6
    assert product(()) == 1
    assert product((2, None)) is None


def test_parameters_are_declared_once_and_found_again():
    parameters = {}
    for _ in range(2):
        network = Network(parameters)
        with network.scope("a"):
            first = network.parameter("w", (2, 3), zeros)
            with network.scope("inner"):
                second = network.parameter("w", (4,), zeros, decayed=False)
    assert list(parameters) == ["a/w", "a/inner/w"]
    assert parameters["a/w"] is first
    assert (first.offset, first.size, first.decayed) == (0, 6, True)
    assert (second.offset, second.size, second.decayed) == (6, 4, False)


def test_a_parameter_keeps_its_shape():
    network = Network({})
    network.parameter("w", (2, 3), zeros)
    with pytest.raises(ValueError, match=r"has shape \(2, 3\), but this input needs \(2, 4\)"):
        network.parameter("w", (2, 4), zeros)
    with pytest.raises(ValueError, match="must be known"):
        network.parameter("v", (None, 4), zeros)
    assert list(network.parameters) == ["/w"]


def test_freezing_goes_down():
    network = Network({})
    with network.scope("a", trainable=False), network.scope("b", trainable=True):
        assert not network.parameter("w", (1,), zeros).trainable
    with network.scope("c"):
        assert network.parameter("w", (1,), zeros).trainable


def test_a_scope_ends_also_after_an_error():
    network = Network({})
    with pytest.raises(KeyError), network.scope("a", trainable=False):
        raise KeyError
    assert network.path == ""
    assert network.trainable


def test_steps_are_rows():
    network = Network({})
    x = network.input((4, 5, 3))
    folded = network.fold_steps(network.fold_steps(x))
    assert (folded.shape, folded.fold, folded.buffer) == ((3,), 20, x.buffer)
    back = network.unfold_steps(network.unfold_steps(folded, 5), 4)
    assert (back.shape, back.fold) == (x.shape, 1)
    unknown = network.fold_steps(network.input((None, 3)))
    assert (unknown.shape, unknown.fold) == ((3,), None)
    assert network.unfold_steps(unknown, None).shape == (None, 3)


def test_ops_keep_the_rows_of_what_they_read():
    network = Network({})
    x = network.fold_steps(network.input((4, 3)))
    y = network.op("relu", x)
    assert (y.shape, y.fold) == ((3,), 4)
    with pytest.raises(ValueError, match="unknown op 'reluu'; known: .*relu"):
        network.op("reluu", x)


def test_branches_and_stages():
    network = Network({})
    x = network.input((2, 3))
    a, b = network.op_outputs("split", x)
    with network.branches(2) as branches:
        outputs = [network.op("relu", (a, b)[i]) for i in branches]
    network.op("stack", outputs)
    places = [(node.op, node.stage, node.branch) for node in network.nodes]
    assert places == [("split", 0, 0), ("relu", 1, 0), ("relu", 1, 1), ("stack", 2, 0)]


def test_branches_within_a_branch_run_one_after_the_other():
    network = Network({})
    x = network.input((3,))
    with network.branches(2) as outer:
        for _ in outer:
            with network.branches(3) as inner:
                for _ in inner:
                    network.op("relu", x)
    assert [(node.stage, node.branch) for node in network.nodes] == [(1, 0)] * 3 + [(1, 1)] * 3


def test_a_failing_branch_ends_the_branching():
    network = Network({})
    with pytest.raises(KeyError), network.branches(2) as branches:
        for _ in branches:
            raise KeyError
    network.op("relu", network.input((3,)))
    assert network.nodes[-1].branch == 0
    with network.branches(2) as branches:
        assert list(branches) == [0, 1]


def test_layers_and_tensors_are_limited(monkeypatch):
    monkeypatch.setattr(network_module, "MAX_PARTS", 3)
    network = Network({})
    with network.scope("a"):
        for _ in range(2):
            network.input((1,))
        with pytest.raises(ValueError, match="layer 'a': the model would have more than 3 layers and tensors"):
            network.input((1,))
    network = Network({})
    for _ in range(3):
        with network.scope("a"):
            pass
    with pytest.raises(ValueError, match="more than 3 layers and tensors"), network.scope("a"):
        pass


def test_what_one_tensor_may_hold_is_limited():
    network = Network({})
    network.reshape(network.input((2**20, 2**20)), (2**40,))
    network.input((None, 2**40))
    many = "more than 1,099,511,627,776 numbers"
    with pytest.raises(ValueError, match=many):
        network.input((2**20, 2**20, 2))
    with pytest.raises(ValueError, match=many):  # rows of a sample count
        network.new_tensor((2**20,), 2**21)
    with pytest.raises(ValueError, match=many):
        network.reshape(network.input((None,)), (None, 2**41))
    network.input((1,) * 31)
    with pytest.raises(ValueError, match="would have 32 axes, but may have at most 31"):
        network.input((1,) * 32)
    with pytest.raises(ValueError, match="would have 40 axes"):
        network.reshape(network.input((1,)), (1,) * 40)


def test_initial_values_depend_on_key_and_number_only():
    parameters = {}
    network = Network(parameters)
    for name, size in (("a", 5), ("b", 7)):
        network.parameter(name, (size,), lambda shape, dtype, generator: generator.normal(size=shape))
    flat = initialize(parameters, 3, np.dtype(np.float64))
    assert (flat == initialize(parameters, 3, np.dtype(np.float64))).all()
    assert (flat != initialize(parameters, 4, np.dtype(np.float64))).all()
    single = initialize(parameters, 3, np.dtype(np.float32))
    np.testing.assert_array_equal(single, flat.astype(np.float32))
    parameters["/a"].initializer = zeros  # the other one's numbers stay
    np.testing.assert_array_equal(view(initialize(parameters, 3, np.dtype(np.float64)), parameters["/b"]), flat[5:])


def test_tensors_are_compared_by_identity():
    assert Tensor(0, (1,)) != Tensor(0, (1,))
