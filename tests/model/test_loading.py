"""Files of 0.1.0: a model with all that its optimizer remembers, and a checkpoint in mid-training."""

from pathlib import Path

import numpy as np
import pytest

import tinynn
from tinynn import layers, optimizers
from tinynn.callbacks import EarlyStopping

DATA = Path(__file__).parents[1] / "data"
X = np.arange(48, dtype="float32").reshape(12, 4) % 7 / 7
Y = np.arange(12) % 3

# Without fused multiply-add the last bits of what is computed are others.
fused = pytest.mark.skipif(tinynn.kernels.instruction_set() == "base", reason="the bits are those of AVX2 and AVX-512")


def test_a_model_of_0_1_0_is_read():
    model = tinynn.load(DATA / "model-0.1.0.safetensors")
    assert (model.name, model.fingerprint(), model.notes) == ("old", "2765af724c73e54b", {"who": "0.1.0"})
    np.testing.assert_allclose(model.predict(X[:1]), [[0.2305034, 0.2751281, 0.4943686]], rtol=1e-5)
    assert model.optimizer == optimizers.Adam(optimizers.schedules.CosineDecay(0.01, 100), use_ema=True,
                                              global_clipnorm=1.0)
    assert {name: vector.shape for name, vector in model._core.states.items()} == {
        "average": (43,), "first_moment": (43,), "second_moment": (43,)}
    assert model.metrics[0].name == "accuracy"


@fused
def test_a_model_of_0_1_0_goes_on_training_with_the_same_bits():
    model = tinynn.load(DATA / "model-0.1.0.safetensors")
    model.fit(X, Y, batch_size=5, epochs=2, verbose=0)
    assert model.fingerprint() == "322051d04cf7db62"  # what 0.1.0 itself came to


@fused
def test_a_checkpoint_of_0_1_0_is_resumed_to_the_same_bits(tmp_path):
    model = tinynn.Sequential([
        layers.Rescaling(2.0, -1.0), layers.Dense(4, activation="tanh", kernel_regularizer="l2"),
        layers.LayerNormalization(), layers.Dropout(0.25), layers.Dense(3, activation="softmax"),
    ], input_shape=(4,), rng=2, name="old")
    model.compile(optimizers.SGD(0.1, momentum=0.9), "sparse_categorical_crossentropy", ["accuracy"])
    history = model.fit(X, Y, batch_size=5, epochs=4, verbose=0, checkpoint=tmp_path / "new", checkpoint_every=2,
                        resume=DATA / "checkpoint-0.1.0.safetensors", callbacks=[EarlyStopping("loss", patience=9)])
    assert model.fingerprint() == "4a98d59643cc2a24"  # of the training that nothing interrupted
    assert history.epoch == [0, 1, 2, 3]
    assert tinynn.load(tmp_path / "new").fingerprint() == model.fingerprint()


def test_a_file_that_is_not_a_model_is_refused(tmp_path):
    (tmp_path / "text").write_text("no model")
    with pytest.raises(ValueError, match="load: .*text is not a safetensors file"):
        tinynn.load(tmp_path / "text")
    with pytest.raises(FileNotFoundError):
        tinynn.load(tmp_path / "none")
