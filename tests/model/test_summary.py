"""The summary of a model: its layers, shapes and numbers of parameters."""

import pytest

from tinynn import Sequential, layers
from tinynn.model.summary import summary_of


def test_summary(capsys):
    frozen = layers.Dense(2)
    frozen.trainable = False
    model = Sequential([layers.Dense(3), frozen], (None, 4), name="mine")
    model.summary()
    text = capsys.readouterr().out
    assert text == summary_of(model._core) + "\n"
    title, _, header, _, *rows, _, total = text.splitlines()
    assert title == "mine (float32)"
    assert header.split() == ["layer", "type", "output", "parameters"]
    assert [row.split(maxsplit=2)[:2] for row in rows] == [["dense", "Dense"], ["dense_1", "Dense"]]
    assert rows[0].endswith("(batch, any, 3)          15")
    assert rows[1].endswith("(batch, any, 2)           8")
    assert total == "23 parameters (15 trainable), 0.00 MB"


def test_parameters_are_counted_by_layer_not_by_the_beginning_of_a_name():
    """Layer "a" has no part in the parameters of "ab"; a wrapper has those of all its copies."""
    inner = layers.Towers(layers.Dense(500), 2, name="ab")
    model = Sequential([layers.Dense(4, name="a"), inner, layers.Flatten(name="flat")], (2, 1000), dtype="float64")
    rows = {line.split()[0]: line.split()[-1] for line in summary_of(model._core).splitlines()[4:-2]}
    assert rows == {"a": "4,004", "ab": "5,000", "flat": "0"}
    assert summary_of(model._core).endswith("9,004 parameters (9,004 trainable), 0.07 MB")


def test_a_model_without_weights_has_no_summary():
    with pytest.raises(ValueError, match="summary: the model has no weights yet"):
        summary_of(Sequential([layers.Dense(2)])._core)
