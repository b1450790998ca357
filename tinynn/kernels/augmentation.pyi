from typing import Any

from numpy.typing import ArrayLike, NDArray

def py_augment(
    images: ArrayLike, shift: float = 0.0, rotation: float = 0.0, zoom: float = 0.0, shear: float = 0.0,
    elastic: float = 0.0, smoothness: float = 4.0, key: int = 0, epoch: int = 0, first_sample: int = 0,
) -> NDArray[Any]: ...
