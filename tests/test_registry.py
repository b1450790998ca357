"""Names with suggestions, and objects that describe themselves."""

import copy
import json
import pickle

import numpy as np
import pytest

import tinynn
from tests.processes import run_python
from tinynn import losses, metrics, optimizers, registry, regularizers
from tinynn.augmentation import check_augmentation
from tinynn.registry import Configurable, deserialize, lookup, serialize

KNOWN = {"relu": "R", "tanh": "T", "hard_sigmoid": "H"}


class Part(Configurable, kind="test_parts"):
    def __init__(self, size, name="part", inner=None, shape=(1,)):
        self.size = size
        self.name = name
        self.inner = inner
        self.shape = tuple(shape)


class Bare(Part):
    def __init__(self):
        super().__init__(7)


@pytest.mark.parametrize("name", ["hard_sigmoid", "HardSigmoid", "hard-sigmoid", "HARD SIGMOID"])
def test_lookup_knows_every_spelling(name):
    assert lookup("activation", name, KNOWN) == "H"


def test_lookup_names_the_known_and_the_nearest():
    with pytest.raises(
        ValueError, match=r"unknown activation 'rleu'; known: relu, tanh.*did you mean 'relu'\?"
    ):
        lookup("activation", "rleu", KNOWN)


def test_lookup_does_not_guess_distant_names():
    with pytest.raises(ValueError) as error:
        lookup("activation", "qqqq", KNOWN)
    assert "did you mean" not in str(error.value)


@pytest.mark.parametrize("name", [3, None, b"relu", ["relu"]])
def test_lookup_rejects_what_is_no_name(name):
    with pytest.raises(TypeError, match="activation: expected a name"):
        lookup("activation", name, KNOWN)


def test_classes_and_functions_instead_of_objects_say_what_to_write():
    for get, cls, module in ((optimizers.get, optimizers.Adam, "optimizers"),
                             (losses.get, losses.MeanSquaredError, "losses"),
                             (metrics.get, metrics.Accuracy, "metrics")):
        with pytest.raises(TypeError, match=f"or an object of tinynn.{module}, got the class {cls.__name__}; write "
                           rf"{cls.__name__}\(...\)$"):
            get(cls)
        with pytest.raises(TypeError, match=f"or an object of tinynn.{module}, got the class dict$"):
            get(dict)
    for get, base in ((losses.get, "losses.Loss"), (metrics.get, "metrics.Metric")):
        for function in (lambda target, prediction: 0.0, np.square, print):
            with pytest.raises(TypeError, match=f"got the function .*; derive a class from tinynn.{base} instead$"):
                get(function)
    with pytest.raises(TypeError, match=r"got function <function"):
        optimizers.get(lambda parameters: parameters)
    with pytest.raises(TypeError, match=r"layers\[0\] must be a layer, got .*; write Dense\(...\)"):
        tinynn.Sequential([tinynn.layers.Dense])
    with pytest.raises(TypeError, match=r"augment must be a tinynn.Augmentation, got .*; write Augmentation\(...\)"):
        check_augmentation(tinynn.Augmentation, "fit")


def test_config_goes_through_json_and_back():
    part = Part(np.int64(3), inner=[Part(1), Part(2.5, "x")], shape=(2, 3))
    config = json.loads(json.dumps(part.get_config(), allow_nan=False))
    assert config["size"] == 3
    assert config["shape"] == [2, 3]
    assert config["inner"][1] == {
        "class": "test_parts.Part",
        "config": {"size": 2.5, "name": "x", "inner": None, "shape": [1]},
    }
    assert Part.from_config(config) == part
    assert deserialize(serialize(part)) == part


def test_equality_is_that_of_class_and_config():
    assert Part(1) == Part(1)
    assert Part(1) != Part(2)
    assert Part(7) != Bare()
    assert Part(1) != 1
    assert Part(np.arange(3)) == Part(np.arange(3))
    assert Part([np.arange(3)]) != Part([np.arange(4)])
    with pytest.raises(TypeError, match="unhashable"):
        hash(Part(1))


def test_repr_shows_what_differs_from_the_defaults():
    assert repr(Part(1)) == "Part(size=1)"
    assert repr(Part(1, inner=Part(2, shape=[4]))) == "Part(size=1, inner=Part(size=2, shape=(4,)))"
    assert repr(Bare()) == "Bare()"


def test_objects_pickle():
    assert pickle.loads(pickle.dumps(Part(1, inner=Bare()))) == Part(1, inner=Bare())


def test_from_config_rejects_unknown_arguments():
    with pytest.raises(ValueError, match=r"Part.from_config: no argument 'sise'.*did you mean 'size'"):
        Part.from_config({"sise": 1})


def test_deserialize_makes_only_known_classes():
    with pytest.raises(ValueError, match=r"unknown class 'os.system'"):
        deserialize({"class": "os.system", "config": {"command": "true"}})
    with pytest.raises(ValueError, match=r"did you mean 'test_parts.Part'"):
        deserialize([{"class": "test_parts.Prat", "config": {}}])


@pytest.mark.parametrize("name", ["losses.Kernel", "losses._Kernel", "losses._Kernal", "layers._Pooling2D"])
def test_private_base_classes_cannot_be_deserialized(name):
    with pytest.raises(ValueError, match=f"unknown class '{name}'") as error:
        deserialize({"class": name, "config": {}})
    assert "._" not in str(error.value).replace(name, "")


def test_a_private_class_of_the_user_is_one():
    class _Mine(Part):
        pass

    assert type(deserialize(serialize(_Mine(3)))) is _Mine


@pytest.mark.parametrize("value", [lambda: 0, {1: 2}, {2, 3}, float("nan"), np.array([np.inf]), 1j, object()])
def test_values_json_cannot_hold_are_an_error_that_says_where(value):
    with pytest.raises(TypeError, match=r"Part\.inner"):
        Part(1, inner=[value]).get_config()


def test_numpy_values_become_python_values():
    plain = serialize(
        [np.float64(0.5), np.float32(0.5), np.bool_(True), np.array([[1, 2]]), np.dtype("float32")]
    )
    assert plain == [0.5, 0.5, True, [[1, 2]], "float32"]
    assert [type(value) for value in plain] == [float, float, bool, list, str]


def test_an_argument_that_is_not_stored_is_named():
    class Forgetful(Configurable):
        def __init__(self, size):
            pass

    with pytest.raises(AttributeError, match="Forgetful: __init__ takes 'size'"):
        Forgetful(1).get_config()


def test_open_argument_lists_are_refused():
    class Open(Configurable):
        def __init__(self, **options):
            pass

    with pytest.raises(TypeError, match="name every argument"):
        Open().get_config()


def test_the_latest_definition_of_a_users_class_counts():
    def define(default):
        class Again(Configurable):
            def __init__(self, size=default):
                self.size = size

        return Again

    first, second = define(1), define(2)
    assert deserialize({"class": "objects.Again", "config": {}}).size == 2
    serialize(second())
    with pytest.raises(TypeError, match="shares its name with another class"):
        serialize(first())


def test_a_users_class_does_not_take_over_one_of_ours(monkeypatch):
    ours = type("Ours", (Configurable,), {"__module__": "tinynn.somewhere"})
    theirs = type("Ours", (Configurable,), {"__module__": "elsewhere"})
    assert type(deserialize({"class": "objects.Ours", "config": {}})) is ours
    with pytest.raises(TypeError, match=r"elsewhere\.Ours shares its name"):
        serialize(theirs())
    monkeypatch.delitem(registry._CLASSES, "objects.Ours")


@pytest.mark.parametrize("fixed, name", [
    (losses.BinaryCrossentropy(), "from_logits"), (losses.CategoricalCrossentropy(), "label_smoothing"),
    (losses.SparseCategoricalCrossentropy(), "from_logits"), (metrics.BinaryAccuracy(), "threshold"),
    (regularizers.L1L2(), "l2"), (regularizers.L1(), "l1"), (regularizers.L2(), "l2"),
], ids=lambda value: type(value).__name__)
def test_fixed_attributes_cannot_be_changed(fixed, name):
    before = getattr(fixed, name)
    kind = type(fixed).__name__
    with pytest.raises(AttributeError, match=f"{kind}: {name} cannot be changed; replace the object with a new {kind}"):
        setattr(fixed, name, 0.3)
    assert getattr(fixed, name) == before
    assert copy.deepcopy(fixed) == pickle.loads(pickle.dumps(fixed)) == fixed


NAMED = """
from tinynn import initializers, layers, load, losses, metrics, optimizers, regularizers
from tinynn.registry import _CLASSES

families = {"layers": layers, "losses": losses, "metrics": metrics, "optimizers": optimizers,
            "initializers": initializers, "regularizers": regularizers}
named = [name.split(".") for name in _CLASSES]
assert len(named) > 50
print([(kind, name) for kind, name in named if kind in families and name not in families[kind].__all__])
"""


def test_a_model_file_can_name_public_classes_only():
    """A base that classes share cannot do what a model asks of it. In a new process: examples define classes, too."""
    assert run_python("-c", NAMED) == "[]\n"
