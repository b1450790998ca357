"""A pass over data: weights, batch sizes, rows without a class, and the record of the data."""

import json
import os

import numpy as np
import pytest

import tinynn
from tests.model.reference import to_bytes
from tests.training.classifier import classifier
from tests.training.data_sets import Pairs
from tests.training.trainings import (
    DENSE,
    X,
    Y,
    dense,
    read,
    train,
)
from tinynn import Sequential, layers, losses
from tinynn.callbacks import (
    ModelCheckpoint,
)
from tinynn.io.format import digest
from tinynn.training import checkpoint as module
from tinynn.training.passes import ALL, Pass

# --- batches ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["train", "evaluate", "predict"])
@pytest.mark.parametrize(
    "given, batch_size, steps", [(ALL, 50, 1), (1, 1, 50), (16, 16, 4), (50, 50, 1), (2**80, 50, 1)]
)
def test_batches_cover_all_samples(kind, given, batch_size, steps, data):
    x, y = data
    work = Pass(classifier()._core, kind, x, None if kind == "predict" else y, given, None, "fit")
    assert (work.n, work.batch_size, work.steps) == (50, batch_size, steps)
    assert (work.targets is None) == (kind == "predict")


def test_only_training_builds(data):
    for kind in ("evaluate", "predict"):
        core = Sequential([layers.Dense(2)])._core
        with pytest.raises(ValueError, match="^evaluate: the model has no weights yet"):
            Pass(core, kind, data[0], None, 8, None, "evaluate")
    model = Sequential([layers.Dense(3, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    Pass(model._core, "train", *data, 8, None, "fit")
    assert model.input_shape == (4,)


# --- weights -----------------------------------------------------------------------------------------


def test_class_weights_are_sample_weights(data):
    x, y = data
    one, other, third = classifier(), classifier(), classifier(loss="categorical_crossentropy")
    weights = {0: 2.0, 2: 0.5}
    first = one.fit(x, y, class_weight=weights, validation_split=0.2, verbose=0)
    second = other.fit(
        x[:40], y[:40], sample_weight=np.array([2.0, 1, 0.5])[y[:40]], validation_data=(x[40:], y[40:]), verbose=0
    )
    third.fit(x[:40], np.eye(3)[y[:40]], class_weight=weights, verbose=0)
    assert first.history == second.history
    assert one.parameters.tobytes() == other.parameters.tobytes() == third.parameters.tobytes()


def test_weights_are_one_for_each_sample_or_each_loss(rng):
    model = Sequential([layers.Dense(3)], (2, 5, 4))
    model.compile("sgd", "mse")
    x, y = rng.normal(size=(6, 2, 5, 4)), rng.normal(size=(6, 2, 5, 3))
    for shape, filled, expected in (((6,), (6,), (6,)), ((6, 2), (6, 2, 1), (6, 2, 5)), ((6, 2, 5),) * 3,
                                    ((6, 2, 5, 1), (6, 2, 5), (6, 2, 5))):
        weight = rng.normal(size=shape)
        work = Pass(model._core, "train", x, y, 8, weight, "fit")
        assert work.weights.flags.c_contiguous
        np.testing.assert_array_equal(work.weights, np.broadcast_to(weight.reshape(filled), expected))
    with pytest.raises(ValueError, match=r"fit: sample_weight has shape \(6, 5\)"):
        Pass(model._core, "train", x, y, 8, np.ones((6, 5)), "fit")


def test_weights_of_zero_leave_a_sample_out_but_count_it(data):
    """Keras' rule: the mean is over the samples, not over their weights."""
    x, y = data
    model = classifier(dtype="float64")
    weight = np.r_[np.ones(20), np.zeros(30)]
    loss = model.compute_gradients(x, y, sample_weight=weight)
    gradients = model.gradients.copy()
    assert model.compute_gradients(x[:20], y[:20]) * 20 / 50 == pytest.approx(loss)
    np.testing.assert_allclose(model.gradients * 20 / 50, gradients, rtol=1e-10, atol=1e-15)


def test_a_huge_batch_size_is_all_samples(data):
    one, other = classifier(), classifier()
    one.fit(*data, batch_size=2**80, verbose=0)
    other.fit(*data, batch_size=50, verbose=0)
    assert one.parameters.tobytes() == other.parameters.tobytes()


# --- targets without a class -------------------------------------------------------------------------


def with_empty_rows(*rows):
    targets = np.eye(3)[[0, 1, 2, 0, 1, 2]]
    targets[list(rows)] = 0
    return targets


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("dtype_of_y", ["float32", "float64", "int64", "bool"])
def test_rows_that_sum_to_zero_are_a_warning(smoothing, dtype_of_y, rng):
    model = Sequential([layers.Dense(3, "softmax")], (4,))
    model.compile("sgd", losses.CategoricalCrossentropy(label_smoothing=smoothing))
    x, y = rng.normal(size=(6, 4)), with_empty_rows(2, 4).astype(dtype_of_y)
    for call in (model.fit, model.evaluate, model.train_on_batch, model.test_on_batch, model.compute_gradients):
        with pytest.warns(UserWarning, match=rf"{call.__name__}: row 2 of y \(and 1 more\) sums to 0") as caught:
            call(x, y)
        assert [warning.filename for warning in caught] == [__file__]
        with pytest.warns(UserWarning, match=f"{call.__name__}: row 4 of y sums to 0"):
            call(x, y, sample_weight=[1, 1, 0, 1, 1, 1])
        call(x, y, sample_weight=[1, 1, 0, 1, 0, 1])
        call(x, with_empty_rows())
    with pytest.warns(UserWarning, match="validation_data: row 5 of y sums to 0"):
        model.fit(x, with_empty_rows(), validation_data=(x, with_empty_rows(5)), verbose=0)


def test_the_warning_comes_once_in_a_fit(rng):
    model = Sequential([layers.Flatten(), layers.Dense(3, "softmax")], (2, 4))
    model.compile("sgd", "categorical_crossentropy")
    data = Pairs(rng, 6)
    data.targets = with_empty_rows(1)
    for arguments in ((data,), (data.arrays()[0], data.targets)):
        with pytest.warns(UserWarning, match="row 1 of y sums to 0") as caught:
            model.fit(*arguments, epochs=4, verbose=0)
        assert len(caught) == 1


def test_rows_of_sequences_that_sum_to_zero(rng):
    model = Sequential([layers.Dense(3, "softmax")], (2, 4))
    model.compile("sgd", "categorical_crossentropy")
    x, y = rng.normal(size=(3, 2, 4)), with_empty_rows(3).reshape(3, 2, 3)
    with pytest.warns(UserWarning, match=r"the row at index \(1, 1\) of y sums to 0"):
        model.evaluate(x, y)
    for weight in ([1, 0, 1], [[1, 1], [1, 0], [1, 1]]):
        model.evaluate(x, y, sample_weight=weight)
    with pytest.warns(UserWarning, match=r"\(1, 1\)"):
        model.evaluate(x, y, sample_weight=[[1, 1], [0, 1], [1, 1]])


def test_no_warning_where_zeros_mean_something(rng):
    x = rng.normal(size=(6, 4))
    for activation, loss in ((None, "mse"), ("sigmoid", "binary_crossentropy")):
        model = Sequential([layers.Dense(3, activation)], (4,))
        model.compile("sgd", loss)
        model.fit(x, with_empty_rows(2, 4), verbose=0)
    model = Sequential([layers.Dense(3, "softmax")], (4,))
    model.compile("sgd", "categorical_crossentropy")
    y = with_empty_rows()
    y[2], y[3] = np.nan, [np.inf, -np.inf, 0]
    assert np.isnan(model.evaluate(x, y, check_finite=False))


# --- the record of the data --------------------------------------------------------------------------


def test_the_record_of_an_array():
    x, y, weight = np.ones((3, 4), "f4"), np.array([0, 1, 2]), np.array([0.5, 1, 2])

    def recorded(x=x, y=y, weight=weight, hashed=True):
        return Pass(classifier()._core, "train", x, y, 2, weight, "fit").described(hashed)

    assert recorded(hashed=False) == {"samples": 3, "sample_shape": [4]}
    record = recorded()
    assert {name: (entry["dtype"], entry["shape"]) for name, entry in record["arrays"].items()} == {
        "items": ("float32", [3, 4]), "targets": ("int64", [3]), "weights": ("float64", [3])}
    assert recorded(x.copy(order="F"), y.tolist()) == record
    for other in (recorded(x + 1), recorded(y=y[::-1]), recorded(weight=weight * 2), recorded(weight=None),
                  recorded(x.astype("f8"))):
        assert other != record


def test_the_record_of_a_data_set_is_that_of_its_first_epoch(rng):
    data = Pairs(rng)
    model = Sequential([layers.Flatten(), layers.Dense(3, "softmax")], (2, 4))
    model.compile("sgd", "sparse_categorical_crossentropy")
    record = Pass(model._core, "train", data, None, 2, None, "fit").described(True)
    assert data.epochs == [0]
    assert set(record["arrays"]) == {"items", "indices", "targets"}
    assert record["arrays"]["indices"]["sha256"] == digest({}, {"indices": data.indices})


# --- the record of a training ------------------------------------------------------------------------


@pytest.mark.usefixtures("empty_folder")
def test_without_a_path_nothing_is_written_nor_hashed(monkeypatch):
    monkeypatch.setattr("tinynn.training.passes.digest", None)
    monkeypatch.setattr(module, "write_file", None)
    model, _ = train("sums")
    assert os.listdir() == []
    assert model.provenance["data"]["training"] == {"samples": 20, "sample_shape": [2, 4, 4]}


def provenance_in(path):
    content = read(path)
    length = int.from_bytes(content[:8], "little")
    return json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["tinynn"])["provenance"]


@pytest.mark.usefixtures("empty_folder")
def test_a_model_file_records_its_provenance():
    model = dense()
    assert "provenance" not in str(to_bytes(model))
    history = model.fit(**DENSE, verbose=0, validation_data=(X, Y), hash_data=True)
    model.save("model")
    found = provenance_in("model")
    assert found == model.provenance
    assert found["metrics"] == {name: values[-1] for name, values in history.history.items()}
    assert set(found["metrics"]) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert found["recipe"] == {
        "batch_size": 6,
        "epochs": 3,
        "initial_epoch": 0,
        "shuffle": True,
        "augment": None,
    }
    items = found["data"]["training"]["arrays"]["items"]
    assert (items["dtype"], items["shape"]) == ("float32", [22, 4])
    assert found["data"]["validation"] == found["data"]["training"]

    other = tinynn.load("model")
    other.save("other")
    assert read("other") == read("model")
    other.fit(X + 1, Y, verbose=0, hash_data=True)
    assert other.provenance["data"]["training"]["arrays"]["items"]["sha256"] != items["sha256"]


@pytest.mark.usefixtures("empty_folder")
def test_files_saved_by_a_callback_record_the_metrics_of_their_epoch(tmp_path):
    model = dense()
    history = model.fit(**DENSE, verbose=0, callbacks=[ModelCheckpoint("epoch{epoch}")])
    for epoch in range(3):
        metrics = {name: values[epoch] for name, values in history.history.items()}
        assert provenance_in(f"epoch{epoch + 1}")["metrics"] == metrics


@pytest.mark.usefixtures("empty_folder")
def test_a_non_finite_metric_can_be_written():
    model, _ = train("callbacks")
    assert model.provenance["metrics"]["seen"] is None
    model.save("model")
    assert provenance_in("model") == model.provenance
