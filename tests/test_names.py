"""Names that are nearly right, and names of something else."""

import pytest

from tinynn.names import nearest, simplified

MISSPELT = [
    ("rleu", "relu"), ("erlu", "relu"), ("rel", "relu"), ("reluu", "relu"), ("tahn", "tanh"), ("lstn", "lstm"),
    ("adm", "adam"), ("addam", "adam"), ("mes", "mse"), ("sdg", "sgd"), ("acuracy", "accuracy"), ("acc", "accuracy"),
    ("glorot", "glorot_uniform"), ("glorot_unifrom", "glorot_uniform"), ("Hard_Sigmid", "hard_sigmoid"),
    ("val_acc", "val_accuracy"), ("ategorical_crossentropy", "categorical_crossentropy"),
    ("sparse_categorcal_crossentropie", "sparse_categorical_crossentropy"), ("softmx", "softmax"),
]

OTHER = [
    "gelu", "elu", "selu", "celu", "prelu", "relu6", "silu", "swish", "mish", "softmin", "softplus", "softsign",
    "mae", "mape", "msle", "rmse", "huber", "nadam", "adamax", "adagrad", "adadelta", "radam", "rprop", "lion", "l3",
    "", "mean_absolute_error", "binary_accuracy", "he_uniform", "hinge", "x" * 100_000,
]


@pytest.mark.parametrize("name, meant", MISSPELT)
def test_misspellings_are_recognized(name, meant):
    assert nearest(name, dict(MISSPELT).values()) == f"; did you mean {meant!r}?"


@pytest.mark.parametrize("name", OTHER, ids=lambda name: name[:20])
def test_other_names_are_not_misspellings(name):
    known = {*dict(MISSPELT).values(), "adamw", "rmsprop", "mean_squared_error", "binary_crossentropy", "l1", "l2"}
    assert nearest(name, known) == ""


def test_one_spelling():
    assert {simplified(name) for name in ("glorot_uniform", "GlorotUniform", "Glorot uniform", "glorot-uniform")} == {
        "glorotuniform"}


def test_the_least_changed_of_several_names_is_suggested():
    assert nearest("dense_23", ["dense_2", "dense_32", "dense"]) == "; did you mean 'dense_32'?"
    assert nearest("hiden", ["hidden_layers", "hidden"]) == "; did you mean 'hidden'?"
    assert nearest("relu", []) == ""
