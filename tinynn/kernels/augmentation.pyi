from typing import Any

from numpy.typing import NDArray

SPREAD: float

def augment_into(
    result: NDArray[Any], images: NDArray[Any], key: int, epoch: int, first_sample: int, shift: float, rotation: float,
    zoom: float, shear: float, elastic: float, smoothness: float,
) -> None: ...
