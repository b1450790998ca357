import pytest

import tinynn
from tinynn.callbacks import ModelCheckpoint
from tinynn.io.suffixes import FOREIGN, check_suffix


@pytest.mark.parametrize("suffix", sorted(FOREIGN))
def test_foreign_suffixes(suffix):
    for path in (f"model{suffix}", f"folder.x/model{suffix.upper()}", f"model{suffix}".encode()):
        with pytest.raises(ValueError, match=f"save: path must not end in {suffix}.*end it in .safetensors"):
            check_suffix(path, "save: path")


@pytest.mark.parametrize("path", ["model", "model.safetensors", "onnx", ".onnx", "model.onnx.best", ""])
def test_others(path):
    check_suffix(path, "save: path")


def test_all_writers_of_models_look(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = tinynn.Sequential([tinynn.layers.Dense(1)], input_shape=(1,))
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="save: path must not end in .onnx"):
        model.save("model.onnx")
    with pytest.raises(ValueError, match="ModelCheckpoint: filepath must not end in .keras"):
        ModelCheckpoint("{epoch}.keras")
    with pytest.raises(ValueError, match="fit: checkpoint must not end in .h5"):
        model.fit([[1.0]], [1.0], verbose=0, checkpoint="training.h5")
    assert not list(tmp_path.iterdir())
