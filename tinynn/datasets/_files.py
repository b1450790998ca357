"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Open a new file beside `path` for writing and rename it to `path` when the block ends well.

    Whoever reads `path` sees the old file or the complete new one, never a part of it. When the block raises
    (Ctrl-C included), the new file is removed and `path` stays as it was.
    """
    # Not `tempfile`: its files are readable by their owner only, and the rename would keep that.
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with open(partial, "xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
