"""Files that options name: checked before the work, written after it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from tinynn.io.atomic import check_writable, target_of, write_file


def check_outputs(*, inputs: Iterable[str | None] = (), **paths: str | None) -> None:
    """Check that files can be written, before an hour of training rather than after it.

    Parameters
    ----------
    inputs : iterable of str or None
        Files that are read and must not be replaced.
    **paths : str or None
        The path given to each option; None if the option was not given.

    Raises
    ------
    ValueError
        If a path is not that of a file, or is an input's, or its folder does not exist, or two options name the same
        file.
    OSError
        If it cannot be written.
    """
    read = {os.path.realpath(path) for path in inputs if path is not None}
    taken: dict[Path, str] = {}
    for option, path in paths.items():
        if path is None:
            continue
        try:
            check_writable(path)
            target = target_of(path)
        except (OSError, ValueError) as error:
            folder = os.path.dirname(os.path.realpath(path) if os.path.islink(path) else path) or "."
            if isinstance(error, FileNotFoundError) and not os.path.isdir(folder):
                error = ValueError(f"cannot write {path}: there is no folder {folder}; create it first")
            raise about(error, f"--{option}", path) from None
        if str(target) in read:
            raise ValueError(f"--{option}: {path} is also an input; choose another file")
        other = taken.setdefault(target, option)
        if other != option:
            raise ValueError(f"--{other} and --{option} name the same file, {path}; choose two")


def write_output(option: str, path: str, content: bytes) -> None:
    """Write the file that an option names, whole or not at all.

    Raises
    ------
    OSError
        If it cannot be written; the message names the option and the path. An existing file is then unchanged.
    """
    try:
        write_file(path, content)
    except (OSError, ValueError) as error:
        raise about(error, option, path) from None


def about(error: OSError | ValueError, option: str, path: str) -> OSError | ValueError:
    """The same error, in terms of the option."""
    if isinstance(error, OSError):
        return OSError(error.errno, f"{option}: cannot write {path}: {error.strerror}")
    return ValueError(f"{option}: {error}")
