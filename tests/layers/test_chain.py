"""Lists of layers: what may stand in one, the names in it, and that it stays as it is."""

import copy

import pytest

from tinynn import Sequential, layers
from tinynn.layers.chain import unique_names


@pytest.mark.parametrize("wrapper", [layers.TimeDistributed, lambda inner: layers.Towers(inner, 2)])
def test_wrong_layers(wrapper):
    with pytest.raises(TypeError, match=r"layers\[1\] must be a layer, got 'relu'"):
        wrapper([layers.Dense(2), "relu"])
    with pytest.raises(ValueError, match="layers must not be empty; give at least one layer"):
        wrapper([])
    with pytest.raises(TypeError, match="layers must be a layer or a list of layers, got 3"):
        wrapper(3)


def test_equal_names_inside_would_share_weights():
    with pytest.raises(ValueError, match="two layers are named 'a'"):
        layers.TimeDistributed([layers.Dense(3, name="a"), layers.Dense(3, name="a")])


@pytest.mark.parametrize("name", ["a/b", "", 3, "optimizer", "a\n", "\x1b[2J", "\ud800"])
def test_names_that_would_collide_in_files(name):
    with pytest.raises(ValueError, match="a layer's name must be"):
        Sequential([layers.Dense(3, name=name)])


class Name(str):
    """A name that counts how often it is compared."""

    compared = 0
    __hash__ = str.__hash__

    def __eq__(self, other):
        Name.compared += 1
        return str.__eq__(self, other)


def test_naming_layers_takes_linear_time():
    """As many comparisons as pairs would make a small file take all day, above all in Towers."""
    chain = [layers.Flatten(Name(number)) for number in range(300)] + [layers.Flatten() for _ in range(300)]
    names = unique_names(chain)
    assert len(set(names)) == 600 and names[-1] == "flatten_299"
    assert Name.compared < 3000


def test_a_layer_inside_used_twice():
    shared = layers.Dense(2, name="twice")
    with pytest.raises(ValueError, match="'twice' is used twice"):
        Sequential([shared, layers.TimeDistributed(shared)], (2, 2))


@pytest.mark.parametrize("change", ["append", "extend", "insert", "remove", "pop", "clear", "sort", "reverse",
                                    "__setitem__", "__delitem__", "__iadd__", "__imul__"])
def test_the_list_of_layers_cannot_be_changed(change):
    model = Sequential([layers.Dense(2), layers.TimeDistributed(layers.Dense(1))])
    for listed in (model.layers, model.layers[1].layers):
        before = list(listed)
        with pytest.raises(TypeError, match="layers: the list is read-only.*model.add.*layer.clone"):
            getattr(listed, change)(*{"insert": (0, before[0]), "__setitem__": (0, before[0])}.get(
                change, () if change in ("pop", "clear", "sort", "reverse") else (0,)))
        assert list(listed) == before
    with pytest.raises(AttributeError):
        model.layers = []
    assert type(model.layers[:1]) is list
    assert isinstance(model.layers + [layers.Dense(1)], list)
    assert copy.deepcopy(model.layers)[0].units == 2
