"""Rejects file suffixes of other formats for model files."""

from __future__ import annotations

import os

#: Suffixes of other formats for models or data.
FOREIGN = {".onnx": "ONNX", ".keras": "Keras", ".h5": "HDF5", ".hdf5": "HDF5", ".pt": "PyTorch", ".pth": "PyTorch",
           ".tflite": "TensorFlow Lite", ".pb": "TensorFlow", ".pkl": "pickle", ".pickle": "pickle",
           ".joblib": "joblib", ".npy": "NumPy", ".npz": "NumPy", ".json": "JSON", ".csv": "CSV", ".zip": "zip",
           ".gz": "gzip"}


def check_suffix(path: str | os.PathLike[str], argument: str) -> None:
    """Raise ValueError if the path of a model file has the suffix of another format.

    Examples
    --------
    >>> check_suffix("model.safetensors", "save: path")
    >>> check_suffix("model.onnx", "save: path")
    Traceback (most recent call last):
    ...
    ValueError: save: path must not end in .onnx, got 'model.onnx': models are written as safetensors, not as ONNX; \
end it in .safetensors
    """
    suffix = os.path.splitext(os.fsdecode(path))[1].lower()
    if suffix in FOREIGN:
        raise ValueError(f"{argument} must not end in {suffix}, got {os.fsdecode(path)!r}: models are written as "
                         f"safetensors, not as {FOREIGN[suffix]}; end it in .safetensors")
