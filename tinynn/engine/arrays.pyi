from typing import Any

import numpy as np
from numpy.typing import NDArray

def all_finite(array: NDArray[Any], single: bool = False) -> bool | None: ...
def shuffled(n: int, key: int, epoch: int) -> NDArray[np.int64]: ...
