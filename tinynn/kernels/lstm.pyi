from typing import Any

from numpy.typing import NDArray

from tinynn.kernels.op import Op, OpRun

lstm: Op

def cells(run: OpRun) -> NDArray[Any]: ...
