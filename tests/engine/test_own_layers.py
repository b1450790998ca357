"""What layers of one's own may ask of a network: what does not fit is refused, in words, before anything runs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinynn import Sequential, layers
from tinynn.engine.compiler import LossSpec, compile_program
from tinynn.engine.graph import MAX_CHARACTERS, Network, Parameter, Tensor
from tinynn.kernels.op import registered


def ones(shape, dtype, generator):
    return np.ones(shape, dtype)


class Own(layers.Layer):
    """A layer that connects as a function says."""

    def __init__(self, connect):
        self.function = connect

    def connect(self, network, x):
        return self.function(network, x)


def built(connect, shape=(4,)):
    return Sequential([Own(connect)], shape)


def used(connect, shape=(4,)):
    """Everything that a model can do."""
    model = built(connect, shape)
    x = np.ones((3, *shape), "f4")
    y = model.predict(x)
    model.compile("sgd", "mse")
    model.fit(x, np.zeros_like(y), epochs=2, verbose=0)
    return y


# --- every op, with shapes that fit and with each of them spoilt ---------------------------------------------

STRIDES = {"strides": (1, 1), "padding": "valid", "dilation": (1, 1)}
OPS = {
    "dense": ([(5, 4)], [(4, 3), (3,)], {}),
    "relu": ([(4,)], [], {}),
    "sigmoid": ([(4,)], [], {}),
    "tanh": ([(4,)], [], {}),
    "softmax": ([(4,)], [], {}),
    "batch_normalization": ([(4,)], [(4,)] * 4, {"momentum": 0.9, "epsilon": 0.001}),
    "fixed_batch_normalization": ([(4,)], [(4,)] * 4, {"momentum": 0.9, "epsilon": 0.001}),
    "layer_normalization": ([(4,)], [(4,), (4,)], {"epsilon": 0.001}),
    "conv2d": ([(6, 5, 2)], [(3, 2, 2, 4), (4,)], STRIDES),
    "max_pooling2d": ([(6, 5, 2)], [], {"pool": (2, 2), "strides": (2, 2), "padding": "same"}),
    "average_pooling2d": ([(6, 5, 2)], [], {"pool": (2, 2), "strides": (2, 2), "padding": "same"}),
    "rnn": ([(6, 2)], [(2, 3), (3, 3), (3,)], {"return_sequences": True}),
    "lstm": ([(6, 2)], [(2, 12), (3, 12), (12,)], {"return_sequences": True}),
    "gru": ([(6, 2)], [(2, 9), (3, 9), (2, 9)], {"return_sequences": True, "reset_after": True}),
    "dropout": ([(4,)], [], {"rate": 0.5}),
    "rescaling": ([(4,)], [], {"scale": 2.0}),
    "repeat": ([(4,)], [], {"n": 3}),
    "split": ([(1, 4)], [], {}),
    "stack": ([(4,), (4,)], [], {}),
    "add": ([(4,), (4,)], [], {}),
    "sum_distribution": ([(3, 4)], [], {}),
}


def asked(name, inputs, parameters, attributes):
    """The op in a network with such tensors and parameters."""
    network = Network({})
    tensors = [network.input(shape) for shape in inputs]
    declared = [p if p is None else network.parameter(f"p{i}", p, ones) for i, p in enumerate(parameters)]
    return network.op_outputs(name, tensors, declared, **attributes)


def test_every_op_that_layers_may_use_is_here():
    usable = {name for name, op in registered.items() if hasattr(op, "for_layers") and op.for_layers()}
    assert usable == OPS.keys()


@pytest.mark.parametrize("name", OPS)
def test_ops_take_what_fits(name):
    outputs = asked(name, *OPS[name])
    assert all(n >= 1 for output in outputs for n in output.shape)


@pytest.mark.parametrize("name", OPS)
def test_ops_refuse_what_does_not_fit(name):
    inputs, parameters, attributes = OPS[name]
    spoilt = [([*inputs, (4,)], [*parameters, (4,)], attributes), ([], parameters, attributes)]
    spoilt += [(inputs, parameters[:-1], attributes)] if parameters else []
    for number, shape in enumerate(parameters):
        for wrong in ((*shape, 2), tuple(n + 1 for n in shape), shape[:-1]):
            spoilt.append((inputs, [*parameters[:number], wrong, *parameters[number + 1 :]], attributes))
    if name not in ("relu", "sigmoid", "tanh", "dropout", "rescaling", "repeat"):  # which take any shape
        spoilt.append(([()] + inputs[1:], parameters, attributes))
    if len(inputs) > 1:
        spoilt.append(([*inputs[:-1], (5,)], parameters, attributes))
    if name in ("conv2d", "max_pooling2d", "average_pooling2d", "rnn", "lstm", "gru"):
        spoilt += [([inputs[0][:-1]], parameters, attributes), ([(*inputs[0], 1)], parameters, attributes)]
    spoilt.append((inputs, parameters, {**attributes, "colour": 3}))
    for attribute in attributes:
        if attribute in registered[name].required():
            spoilt.append((inputs, parameters, {k: v for k, v in attributes.items() if k != attribute}))
    for wrong in spoilt:
        # "add" and "stack" take any number of inputs of one shape.
        if name in ("add", "stack") and wrong[0] and not wrong[1] and len(set(wrong[0])) == 1:
            continue
        with pytest.raises(ValueError, match=f"layer '': (op )?'?{name}|layer '': {name}"):
            asked(name, *wrong)


@pytest.mark.parametrize("name", ["dense", "conv2d", "rnn", "lstm", "gru", "fixed_batch_normalization"])
def test_parameters_that_must_be_there(name):
    inputs, parameters, attributes = OPS[name]
    needed = 2 if name == "fixed_batch_normalization" else 0
    with pytest.raises(ValueError, match=f"op '{name}': parameter {needed} must have shape .*, got None"):
        asked(name, inputs, [None if i == needed else p for i, p in enumerate(parameters)], attributes)


@pytest.mark.parametrize(
    ("name", "attribute", "values"),
    [
        ("conv2d", "strides", [0, (1, 0), (-1, 1), 2**31, "ab", 1.5, None, (1, 1, 1)]),
        ("conv2d", "dilation", [0, (1, -2), 10**30]),
        ("conv2d", "padding", ["full", 3, None]),
        ("max_pooling2d", "pool", [0, (2, 0), 2**31, "22"]),
        ("average_pooling2d", "strides", [(0, 1), -1]),
        ("dropout", "rate", [1.0, -0.1, "half", None, np.nan]),
        ("rescaling", "scale", ["x", None, np.inf, np.nan]),
        ("repeat", "n", [0, -1, 1.5, None, True, 10**30]),
        ("batch_normalization", "momentum", [-1, 2, np.nan, "x"]),
        ("layer_normalization", "epsilon", [0, -1, np.nan]),
        ("dense", "activation", [99, -1, "relu"]),
        ("split", "counted", [True]),
        ("lstm", "counted", [True]),
        ("lstm", "lengths", [True]),
    ],
)
def test_wrong_attributes(name, attribute, values):
    inputs, parameters, attributes = OPS[name]
    for value in values:
        with pytest.raises((ValueError, TypeError), match="layer '': "):
            asked(name, inputs, parameters, {**attributes, attribute: value})


@pytest.mark.parametrize(
    "name", ["mean_squared_error", "categorical_accuracy", "python", "python_loss", "adam", 3, None]
)
def test_what_is_no_op_for_layers(name):
    network = Network({})
    with pytest.raises(ValueError, match="layer '': (unknown op|layers cannot use op .* with no attributes)"):
        network.op(name, [network.input((3,)), network.input((3,))])


def test_an_op_of_several_outputs_has_a_method_of_its_own():
    with pytest.raises(ValueError, match="op 'split' has 3 outputs; use network.op_outputs"):
        built(lambda network, x: network.op("split", x), (3, 2))


# --- tensors and parameters --------------------------------------------------------------------------------

OTHER = Network({})
FOREIGN = OTHER.input((4,))


@pytest.mark.parametrize(
    ("connect", "error", "message"),
    [
        (
            lambda network, x: None,
            TypeError,
            "the result of connect must be a tensor .*, got None; did you forget return",
        ),
        (lambda network, x: [x], TypeError, "the result of connect must be a tensor"),
        (lambda network, x: np.ones(4), TypeError, "the result of connect must be a tensor"),
        (lambda network, x: FOREIGN, ValueError, "the result of connect is not a tensor of this network"),
        (lambda network, x: Tensor(0, (4,)), ValueError, "the result of connect is not a tensor of this network"),
        (
            lambda network, x: network.op("relu", FOREIGN),
            ValueError,
            "input 0 of op 'relu' is not a tensor of this network",
        ),
        (lambda network, x: network.op("add", [x, Tensor(7, (4,))]), ValueError, "input 1 of op 'add' is not a tensor"),
        (lambda network, x: network.op("relu", [None]), TypeError, "input 0 of op 'relu' must be a tensor"),
        (lambda network, x: network.op("relu", []), ValueError, "takes 1 input"),
        (lambda network, x: network.reshape(FOREIGN, (4,)), ValueError, "the input of reshape is not a tensor"),
        (lambda network, x: network.reshape(x, (5,)), ValueError, r"\(4,\) cannot be reshaped to \(5,\)"),
        (lambda network, x: network.reshape(x, (400_000,)), ValueError, "cannot be reshaped"),
        (lambda network, x: network.reshape(x, (3, None)), ValueError, "cannot be reshaped"),
        (lambda network, x: network.reshape(x, (-2, -2)), ValueError, "must hold positive whole numbers"),
        (lambda network, x: network.reshape(x, (4.0,)), ValueError, "must hold positive whole numbers"),
        (lambda network, x: network.reshape(x, (True, 4)), ValueError, "must hold positive whole numbers"),
        (lambda network, x: network.reshape(x, 4), TypeError, "the shape of a tensor must be a tuple, got 4"),
        (lambda network, x: network.reshape(x, (0,)), ValueError, "must hold positive whole numbers"),
        (
            lambda network, x: network.unfold_steps(x, 3),
            ValueError,
            "the input of unfold_steps must have a multiple of 3 rows per sample, got 1",
        ),
        (lambda network, x: network.unfold_steps(network.fold_steps(x), 3), ValueError, "multiple of 3 rows .*, got 4"),
        (lambda network, x: network.unfold_steps(network.fold_steps(x), 0), ValueError, "positive whole"),
        (lambda network, x: network.unfold_steps(network.fold_steps(x), -4), ValueError, "positive whole"),
        (
            lambda network, x: network.fold_steps(network.fold_steps(x)),
            ValueError,
            r"samples of shape \(\) have no steps",
        ),
        (
            lambda network, x: network.op("add", [x, network.reshape(network.fold_steps(x), (1,))]),
            ValueError,
            r"the inputs of op 'add' must have the same number of rows per sample, got \[1, 4\]",
        ),
        (
            lambda network, x: network.op("dense", x, [Parameter("own/w", (4, 3), ones, 0)]),
            ValueError,
            "'own/w' is not a parameter of this network",
        ),
        (
            lambda network, x: network.op("dense", x, [np.ones((4, 3)), None]),
            TypeError,
            "parameter 0 of an op must be what",
        ),
        (
            lambda network, x: network.op("dense", x, [OTHER.parameter("w", (4, 3), ones), None]),
            ValueError,
            "'/w' is not a parameter of this network",
        ),
        (
            lambda network, x: network.op("dense", x, [network.parameter("w", (3, 4), ones), None]),
            ValueError,
            r"parameter 0 must have shape \(I, O\), where I is 4, got \(3, 4\)",
        ),
        (lambda network, x: network.parameter("w", (-4, 3), ones), ValueError, "the parameter 'w' must hold positive"),
        (lambda network, x: network.parameter("w", (0,), ones), ValueError, "the parameter 'w' must hold positive"),
        (lambda network, x: network.parameter("w", 3, ones), TypeError, "the parameter 'w' must be a tuple, got 3"),
        (
            lambda network, x: network.parameter("w" * 101, (3,), ones),
            ValueError,
            "a parameter's name must be a string",
        ),
        (lambda network, x: network.parameter(3, (3,), ones), ValueError, "a parameter's name must be a string"),
    ],
)
def test_what_connect_may_not_do(connect, error, message):
    with pytest.raises(error, match=f"layer 'own': .*{message}"):
        built(connect)


@pytest.mark.parametrize("outer", [layers.TimeDistributed, lambda inner: layers.Towers(inner, 4)])
def test_within_other_layers_the_path_is_named(outer):
    with pytest.raises(TypeError, match="layer '[a-z_]*(/tower_0)?/own': the result of connect must be a tensor"):
        Sequential([outer(Own(lambda network, x: None))], (4, 2))


@pytest.mark.parametrize(
    ("connect", "message"),
    [
        (lambda network, x: network.new_tensor((4,), 1), "reads a tensor that no op before it has computed"),
        (lambda network, x: network.op("relu", network.input((4,))), "reads a tensor that no op before"),
        (
            lambda network, x: Tensor(x.buffer, (4000,), 1, x.network),
            "reads 4000 numbers per sample of a tensor that has 4",
        ),
        (lambda network, x: network.op("relu", Tensor(x.buffer, (9,), 1, x.network)), "reads 9 numbers per sample"),
        (
            lambda network, x: network.op("relu", Tensor(x.buffer + 1, (4,), 1, x.network)),
            "reads a tensor that no op",
        ),
    ],
)
def test_what_only_shows_when_the_model_is_used(connect, message):
    model = built(connect)
    with pytest.raises(ValueError, match=f"layer '(own|output)': {message}"):
        model.predict(np.ones((2, 4), "f4"))


def test_a_branch_must_not_read_another_one():
    def connect(network, x):
        parts, results = network.op_outputs("split", x), []
        with network.branches(2) as branches:
            for i in branches:
                results.append(network.op("add", [parts[i], *results]))
        return results[1]

    with pytest.raises(ValueError, match="in a branch only those of that branch"):
        built(connect, (2, 3)).predict(np.ones((1, 2, 3), "f4"))


def test_folded_steps_must_be_unfolded_for_a_loss():
    model = built(lambda network, x: network.fold_steps(x), (5, 3))
    assert model.predict(np.ones((2, 5, 3), "f4")).shape == (2, 5, 3)
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="the model must output one row per sample, got 5; unfold the steps"):
        model.evaluate(np.ones((2, 5, 3), "f4"), np.ones((2, 3), "f4"))


def test_a_reshape_may_leave_one_size_open():
    assert used(lambda network, x: network.reshape(x, (2, None))).shape == (3, 2, 2)
    network = Network({})
    assert network.reshape(network.input((None, 3)), (3, None)).shape == (3, None)
    with pytest.raises(ValueError, match="cannot be reshaped"):
        network.reshape(network.input((None, 3)), (4,))


def test_python_layers_are_checked_too():
    class Odd(layers.PythonLayer):
        made: object = ()
        shape: object = (4,)

        def parameters(self, network, input_shape):
            return self.made

        def output_shape(self, input_shape):
            return self.shape

        def forward(self, x):
            return np.ones((len(x), 4))

    for made, shape, error, message in (
        ([None], (4,), TypeError, "the parameters of a layer in Python must be what network.parameter returns"),
        ([Parameter("a/b", (3,), ones, 0)], (4,), ValueError, "'a/b' is not a parameter of this network"),
        ((), (-4,), ValueError, "the shape of the output must hold positive"),
        ((), 4, TypeError, "the shape of the output must be a tuple, got 4"),
    ):
        layer = Odd()
        layer.made, layer.shape = made, shape
        with pytest.raises(error, match=f"layer 'odd': {message}"):
            Sequential([layer], (4,))


def test_losses_are_checked():
    network = Network({})
    x = network.input((3,))
    with pytest.raises(ValueError, match=r"op 'mean_squared_error': input 1 must have shape .*, got \(4,\)"):
        compile_program(network, x, network.op("relu", x), LossSpec("mean_squared_error"), (), (4,))


SIZES = st.sampled_from([1, 2, 3, 4, 6, 12, 24]) | st.integers(-2, 30) | st.none()
SHAPES = st.lists(SIZES, max_size=3).map(tuple)
FORMED = ["relu", "softmax", "split", "stack", "add", "repeat", "sum_distribution"]
LEARNING = {"dense": {}, "lstm": {}, "gru": {}, "layer_normalization": {"epsilon": 0.1}, "conv2d": STRIDES}
STEP = st.fixed_dictionaries(
    {
        "do": st.sampled_from(["reshape", "fold", "unfold", "forge", "formed", "learning"]),
        "from": st.lists(st.integers(0, 9), min_size=1, max_size=2),
        "shapes": st.lists(SHAPES, min_size=1, max_size=3),
        "size": SIZES,
        "formed": st.sampled_from(FORMED),
        "learning": st.sampled_from(sorted(LEARNING)),
    }
)


def walk(steps, network, x):
    """Call the network's methods as the steps say."""
    known = [x]
    for number, step in enumerate(steps):
        inputs = [known[i % len(known)] for i in step["from"]]
        x, shape = inputs[0], step["shapes"][0]
        if step["do"] == "reshape":
            x = network.reshape(x, shape)
        elif step["do"] == "fold":
            x = network.fold_steps(x)
        elif step["do"] == "unfold":
            x = network.unfold_steps(x, step["size"])
        elif step["do"] == "forge":
            x = Tensor(step["from"][0], shape, step["size"], x.network)
        elif step["do"] == "formed":
            x = network.op_outputs(
                step["formed"], inputs, **({"n": step["size"]} if step["formed"] == "repeat" else {})
            )[0]
        else:
            made = [network.parameter(f"w{number}_{i}", shape, ones) for i, shape in enumerate(step["shapes"])]
            x = network.op(step["learning"], x, made, **LEARNING[step["learning"]])
        known.append(x)
    return x


@settings(max_examples=300)
@given(steps=st.lists(STEP, min_size=1, max_size=4), shape=st.sampled_from([(4, 6), (24,), (2, 3, 4), (1,)]))
def test_whatever_connect_does_the_model_computes_or_says_what_is_wrong(steps, shape):
    """Random walks through the methods of a network, with shapes that fit and others."""
    try:
        y = used(lambda network, x: walk(steps, network, x), shape)
    except (ValueError, TypeError, NotImplementedError) as error:
        assert str(error)
    except FloatingPointError:
        pass  # weights of 1 and many products
    else:
        assert y.shape[0] == 3


def test_names_of_layers_are_short_enough():
    name = "n" * MAX_CHARACTERS
    assert Sequential([layers.Dense(1, name=name)], (2,)).layers[0].name == name
    with pytest.raises(ValueError, match="a layer's name must be a string of 1 to 100 printable characters"):
        Sequential([layers.Dense(1, name=name + "n")], (2,))
    with pytest.raises(ValueError, match="Sequential: name must have at most 100 characters, got 101"):
        Sequential([layers.Dense(1)], (2,), name=name + "n")
