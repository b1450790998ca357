import pickle

import numpy as np
import pytest

from tinynn.datasets import DigitSums

COUNT = 300
GOLDEN = [[216, 285, 71, 271, 4], [260, 232, 33, 36, 241]]  # the first sample of epochs 0 and 1


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, size=(COUNT, 28, 28), dtype=np.uint8)


@pytest.fixture
def labels(rng):
    return rng.integers(0, 10, size=COUNT, dtype=np.uint8)


def make(images, labels, **arguments):
    return DigitSums(images, labels, **({"size": 200} | arguments))


def drawn(data, epoch=0):
    """The indices of an epoch as lists: which samples it has."""
    return data.samples(epoch)[1].tolist()


@pytest.mark.parametrize("resample", [False, True])
@pytest.mark.parametrize("digits, size", [(1, 1), (1, 50), (2, 1), (10, 200), (30, 7)])
def test_protocol(images, labels, digits, size, resample):
    data = DigitSums(images, labels, digits=digits, size=size, resample=resample)
    assert len(data) == size
    assert data.sample_shape == (digits, 28, 28)
    assert data.targets_shape == ()
    assert data.number_of_classes == len(range(0, 9 * digits + 1))
    for epoch in range(3):
        items, indices, targets = data.samples(epoch)
        assert items is data.images
        assert indices.shape == (size, digits) and indices.dtype == np.int64
        assert targets.shape == (size,) and targets.dtype == np.int64
        assert indices.flags.c_contiguous and targets.flags.c_contiguous
        assert indices.min() >= 0 and indices.max() < COUNT


@pytest.mark.parametrize("label_type", [np.uint8, np.int8, np.int64, np.uint64])
def test_sums_are_sums_of_the_labels(images, labels, label_type):
    # 30 digits: more than 255 may come out, which the labels' own dtype does not hold
    data = make(images, labels.astype(label_type), digits=30, resample=True)
    for epoch in range(3):
        _, indices, targets = data.samples(epoch)
        for row, target in zip(indices.tolist(), targets.tolist(), strict=True):
            assert target == sum(int(labels[index]) for index in row)
    assert (
        DigitSums(images, np.full(COUNT, 9, np.uint8), digits=30, size=5).samples(0)[2].tolist() == [270] * 5
    )


def test_images_are_not_copied(images, labels):
    assert np.shares_memory(make(images, labels).images, images)
    every_other = images[::2]
    data = make(every_other, labels[::2])
    assert data.images.flags.c_contiguous
    assert (data.images == every_other).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(28, 28), (784,), (14, 14, 4)])
def test_images_of_other_shapes_and_dtypes(images, labels, shape, dtype):
    data = make(images.astype(dtype).reshape(COUNT, *shape), labels, digits=2)
    assert data.sample_shape == (2, *shape)
    assert data[0][0].dtype == dtype


def test_the_same_seed_gives_the_same_samples(images, labels):
    for resample in (False, True):
        first, again = (make(images, labels, rng=7, resample=resample) for _ in range(2))
        # in any order of asking
        assert drawn(first, 2) == drawn(first, 2)
        assert [drawn(first, epoch) for epoch in range(3)] == [drawn(again, epoch) for epoch in (0, 1, 2)]
        assert drawn(make(images, labels, rng=8, resample=resample)) != drawn(first)


def test_samples_never_change_from_version_to_version(images, labels):
    # Whoever reports a result with a seed wants the same data years later.
    data = make(images, labels, digits=5, rng=0, resample=True)
    assert drawn(data, 0)[0] == GOLDEN[0]
    assert drawn(data, 1)[0] == GOLDEN[1]


def test_epochs_differ_only_when_resampling(images, labels):
    fixed, fresh = (make(images, labels, resample=resample) for resample in (False, True))
    assert drawn(fixed, 0) == drawn(fixed, 1) == drawn(fixed, 10**6)
    assert drawn(fresh, 0) == drawn(fixed, 0)
    epochs = [drawn(fresh, epoch) for epoch in (0, 1, 2, 10**6)]
    rows = {tuple(row) for epoch in epochs for row in epoch}
    assert len(rows) == 4 * 200


def test_a_larger_data_set_begins_with_the_smaller(images, labels):
    assert drawn(make(images, labels, size=1000))[:200] == drawn(make(images, labels, size=200))


def test_rng_may_be_a_generator_or_a_seed_sequence(images, labels):
    assert drawn(make(images, labels, rng=np.random.SeedSequence(0))) == drawn(make(images, labels, rng=0))
    generator = np.random.default_rng(0)
    first, second = (drawn(make(images, labels, rng=generator)) for _ in range(2))
    assert first != second
    assert first == drawn(make(images, labels, rng=np.random.default_rng(0)))


def test_the_global_random_state_is_not_touched(images, labels):
    before = np.random.get_state()[1].copy()
    make(images, labels, resample=True).samples(3)
    assert (np.random.get_state()[1] == before).all()


def test_every_image_is_equally_likely_at_every_place(images, labels):
    indices = make(images, labels, digits=3, size=100_000).samples(0)[1]
    for place in range(3):
        counts = np.bincount(indices[:, place], minlength=COUNT)
        expected = 100_000 / COUNT
        assert ((counts - expected) ** 2 / expected).sum() < 379  # 999 in 1000, 299 degrees of freedom
    correlations = np.corrcoef(indices.T)[np.triu_indices(3, 1)]
    assert np.abs(correlations).max() < 0.015


def test_items(images, labels):
    data = make(images, labels, digits=4)
    _, indices, sums = data.samples(0)
    for index in (0, 7, -1, np.int64(3)):
        sample, total = data[index]
        assert sample.dtype == np.uint8 and sample.shape == (4, 28, 28)
        assert type(total) is int and total == sums[index]
        for place in range(4):
            assert (sample[place] == images[indices[index, place]]).all()
    samples, totals = data[5:8]
    assert samples.shape == (3, 4, 28, 28)
    assert totals.tolist() == sums[5:8].tolist()
    assert len(list(data)) == 200


@pytest.mark.parametrize("index", [200, -201, 10**30])
def test_an_index_out_of_range(images, labels, index):
    with pytest.raises(IndexError, match=f"index must be from -200 to 199, got {index}"):
        make(images, labels)[index]


@pytest.mark.parametrize("index", [1.0, "0", None, True])
def test_an_index_of_a_wrong_type(images, labels, index):
    with pytest.raises(TypeError, match="index must be a whole number or a slice"):
        make(images, labels)[index]


def test_samples_cannot_be_spoilt(images, labels):
    _, indices, targets = make(images, labels).samples(0)
    for array in (indices, targets):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_pickle(images, labels):
    data = make(images, labels, rng=3, resample=True)
    copy = pickle.loads(pickle.dumps(data))
    assert drawn(copy, 5) == drawn(data, 5)
    assert repr(copy) == repr(data)


def test_repr(images, labels):
    assert repr(DigitSums(images, labels, resample=True)) == (
        "DigitSums(50,000 sums of 10 digits, images 300 x 28 x 28 uint8, resample=True)"
    )


def test_sums_of_different_lengths(images, labels):
    data = make(images, labels, digits=6, fewest=3, size=2000, resample=True)
    assert (data.sample_shape, data.number_of_classes) == ((6, 28, 28), 55)
    assert repr(data).startswith("DigitSums(2,000 sums of 3 to 6 digits")
    full = make(images, labels, digits=6, size=2000, resample=True)
    lengths = []
    for epoch in range(2):
        _, indices, sums = data.samples(epoch)
        counts = (indices >= 0).sum(axis=1)
        lengths.append(counts.tolist())
        assert np.bincount(counts)[3:].min() > 400 and set(counts) == {3, 4, 5, 6}
        for row, same, count, total in zip(indices, full.samples(epoch)[1], counts, sums, strict=True):
            assert (row[:count] == same[:count]).all() and (row[count:] == -1).all()
            assert total == labels[row[:count]].sum(dtype=int)
    assert lengths[0] != lengths[1]
    row = lengths[0].index(3)
    sample, total = data[row]
    assert (sample[:3] == images[data.samples()[1][row, :3]]).all() and not sample[3:].any()
    assert (data[row:row + 2][0][0] == sample).all() and data[row:row + 1][1] == [total]


def test_given_sums_of_different_lengths(images):
    data = DigitSums.from_sums(images, [[5, 6, 7], [8, -1, -1]], [27, 9])
    assert (data.fewest, data.digits) == (1, 3)
    assert data.samples()[1].tolist() == [[5, 6, 7], [8, -1, -1]]
    assert (data[1][0][0] == images[8]).all() and not data[1][0][1:].any()


class TestFromSums:
    def test_samples_are_those_given(self, images):
        indices = np.array([[0, 299, 5], [7, 7, 7]], dtype=np.uint16)
        sums = np.array([27, 0], dtype=np.uint8)
        data = DigitSums.from_sums(images, indices, sums)
        assert data.labels is None
        assert (len(data), data.sample_shape, data.targets_shape) == (2, (3, 28, 28), ())
        assert data.number_of_classes == 28
        for epoch in (0, 1):
            items, drawn_indices, targets = data.samples(epoch)
            assert items is data.images and np.shares_memory(items, images)
            assert drawn_indices.tolist() == indices.tolist() and drawn_indices.dtype == np.int64
            assert targets.tolist() == [27, 0] and targets.dtype == np.int64
        sample, total = data[0]
        assert (sample == images[[0, 299, 5]]).all() and total == 27
        assert repr(data) == "DigitSums(2 sums of 3 digits, images 300 x 28 x 28 uint8, resample=False)"

    def test_changing_the_originals_changes_nothing(self, images):
        indices, sums = np.array([[1, 2]]), np.array([3])
        data = DigitSums.from_sums(images, indices, sums)
        indices[:] = 0
        sums[:] = 0
        assert data.samples(0)[1].tolist() == [[1, 2]] and data.samples(0)[2].tolist() == [3]

    def test_it_carries_a_drawn_data_set_without_its_labels(self, images, labels):
        drawn_data = make(images, labels, digits=3)
        data = DigitSums.from_sums(*drawn_data.samples(0))
        assert "labels" not in {name for name, value in vars(data).items() if value is not None}
        for index in (0, 199):
            assert (data[index][0] == drawn_data[index][0]).all() and data[index][1] == drawn_data[index][1]
        assert pickle.loads(pickle.dumps(data))[5][1] == data[5][1]

    @pytest.mark.parametrize(
        "indices, sums, error, message",
        [
            (
                [[0, 300]],
                [3],
                ValueError,
                r"indices\[0, 1\] must be in 0..299 \(there are 300 images\), got 300",
            ),
            ([[0, 0], [-2, 0]], [3, 3], ValueError, r"indices\[1, 0\] must be in 0.*, got -2"),
            ([[0, 0], [-1, 0]], [3, 3], ValueError, "indices must be -1 only after a sample's last image"),
            ([[0, 0, 0], [0, -1, 0]], [3, 3], ValueError, "indices must be -1 only after a sample's last image"),
            ([[0, 0], [0, -1]], [18, 10], ValueError, r"sums\[1\] must be in 0..9 \(sums of 1 digits\), got 10"),
            ([[0, 0]], [19], ValueError, r"sums\[0\] must be in 0..18 \(sums of 2 digits\), got 19"),
            ([[0, 0]], [-1], ValueError, r"sums\[0\] must be in 0.*, got -1"),
            ([[0, 0]], [1, 2], ValueError, r"sums must be of shape \(1,\), one sum per row of indices, got \(2,\)"),
            ([[0, 0]], 1, ValueError, r"sums must be of shape .*, got \(\)"),
            ([[0, 0]], [1.0], TypeError, "sums must be of an integer dtype, got float64"),
            ([[0.0, 0]], [1], TypeError, "indices must be of an integer dtype, got float64"),
            ([0, 0], [1], ValueError, r"indices must be of shape \(size, digits\), both at least 1, got \(2,\)"),
            (
                np.zeros((0, 2), int),
                [],
                ValueError,
                r"indices must be of shape .* both at least 1, got \(0, 2\)",
            ),
            (np.zeros((2, 0), int), [0, 0], ValueError, r"indices must be of shape .* got \(2, 0\)"),
        ],
    )
    def test_bad_arguments_are_named(self, images, indices, sums, error, message):
        with pytest.raises(error, match=f"DigitSums.from_sums: {message}"):
            DigitSums.from_sums(images, indices, sums)

    @pytest.mark.parametrize("dtype", [np.int8, np.uint8])
    def test_bounds_beyond_the_dtype(self, images, dtype):
        # 300 images and sums up to 270 do not fit into these; the numbers that do are all right
        data = DigitSums.from_sums(images, np.full((1, 30), 100, dtype), np.array([127], dtype))
        assert data[0][1] == 127


@pytest.mark.parametrize(
    "change, error, message",
    [
        ({"digits": 0}, ValueError, "digits must be at least 1, got 0"),
        ({"digits": 2.5}, TypeError, "digits must be a whole number, got 2.5"),
        ({"fewest": 0}, ValueError, "fewest must be at least 1, got 0"),
        ({"fewest": 11}, ValueError, "fewest must be at most digits, 10, got 11"),
        ({"fewest": "2"}, TypeError, "fewest must be a whole number, got '2'"),
        ({"size": 0}, ValueError, "size must be at least 1, got 0"),
        ({"size": True}, TypeError, "size must be a whole number, got True"),
        ({"rng": None}, TypeError, "rng must be an int, a SeedSequence or a Generator, got None"),
        (
            {"images": np.zeros((0, 28, 28), np.uint8), "labels": np.zeros(0, int)},
            ValueError,
            "images must have at least one image",
        ),
        ({"images": np.zeros((4, 0, 28), np.uint8)}, ValueError, r"images must have .*, got shape \(4, 0, 28\)"),
        ({"images": np.zeros(4, np.uint8)}, ValueError, r"images must be of shape \(count, height, .* got \(4,\)"),
        (
            {"images": np.zeros((4, 2), np.int64)},
            TypeError,
            "images must be uint8, float32 or float64, got int64",
        ),
        ({"images": np.zeros((4, 2), complex)}, TypeError, "images must be uint8, .* got complex128"),
        ({"images": np.zeros((4, 2), object)}, TypeError, "images must be uint8, .* got object"),
        ({"labels": [0, 1, 2]}, ValueError, r"labels must be of shape \(4,\), one label per image, got \(3,\)"),
        ({"labels": np.eye(4, dtype=int)}, ValueError, r"labels must be of shape .*one label per image, got \(4, 4\)"),
        ({"labels": [0, 1, 10, 11]}, ValueError, r"labels\[2\] must be in 0..9 .*, got 10; 2 of 4 are out"),
        ({"labels": [0, -1, 1, 2]}, ValueError, r"labels\[1\] must be in 0..9 .*, got -1"),
        ({"labels": [0.0, 1, 2, 3]}, TypeError, "labels must be of an integer dtype, got float64"),
        ({"labels": ["0", "1", "2", "3"]}, TypeError, "labels must be of an integer dtype, got <U1"),
    ],
)
def test_bad_arguments_are_named(change, error, message):
    arguments = {"images": np.zeros((4, 28, 28), np.uint8), "labels": [0, 1, 2, 3]} | change
    with pytest.raises(error, match=f"DigitSums: {message}"):
        DigitSums(**arguments)


@pytest.mark.parametrize("epoch, error", [(-1, ValueError), (0.5, TypeError), (None, TypeError)])
def test_a_wrong_epoch_is_named(images, labels, epoch, error):
    with pytest.raises(error, match="DigitSums.samples: epoch must be"):
        make(images, labels).samples(epoch)


def test_disjoint_sums_use_every_image_once(rng):
    images, labels = rng.integers(0, 256, (47, 4, 4)).astype(np.uint8), rng.integers(0, 10, 47)
    sums = DigitSums.disjoint(images, labels, digits=5, rng=3)
    items, indices, totals = sums.samples(epoch=4)
    assert len(sums) == 9
    assert len(set(indices.ravel().tolist())) == 45
    assert (labels[indices].sum(axis=1) == totals).all()
    assert items is sums.images
    assert sums.labels is None
    assert (DigitSums.disjoint(images, labels, 5, rng=3).samples()[1] == indices).all()
    assert (DigitSums.disjoint(images, labels, 5, rng=4).samples()[1] != indices).any()


def test_too_few_images_for_disjoint_sums():
    with pytest.raises(ValueError, match="DigitSums.disjoint: images must be at least 4, enough for one sum, got 3"):
        DigitSums.disjoint(np.zeros((3, 2, 2), np.uint8), [0, 1, 2], digits=4)
