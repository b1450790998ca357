import numpy as np
import pytest

from tinynn.datasets._random import key_from, permutation, raw_bits, uniform_integers

KEY = np.array([3, 5], dtype=np.uint64)
MASK = 2**64 - 1


def philox_block(counter, key):
    """One block of Philox 4x64 with ten rounds, by the paper, in Python's integers."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        product_0, product_1 = 0xD2E7470EE14C6C93 * c0, 0xCA5A826395121157 * c2
        c0, c1, c2, c3 = (
            (product_1 >> 64) ^ c1 ^ k0,
            product_1 & MASK,
            (product_0 >> 64) ^ c3 ^ k1,
            product_0 & MASK,
        )
        k0, k1 = (k0 + 0x9E3779B97F4A7C15) & MASK, (k1 + 0xBB67AE8584CAA73B) & MASK
    return [c0, c1, c2, c3]


def test_raw_bits_are_those_of_the_philox_paper():
    purpose = int.from_bytes(b"sums", "little")
    # NumPy counts before it generates.
    expected = philox_block((1, 0, 7, purpose), (3, 5)) + philox_block((2, 0, 7, purpose), (3, 5))
    assert raw_bits(KEY, b"sums", 7, 8).tolist() == expected


def test_purpose_epoch_and_key_choose_the_stream():
    streams = [
        raw_bits(key_from(seed, "test"), purpose, epoch, 4).tolist()
        for seed in (0, 1)
        for purpose in (b"sums", b"split")
        for epoch in (0, 1, 2**40)
    ]
    assert len({tuple(stream) for stream in streams}) == len(streams)


@pytest.mark.parametrize("bound", [1, 2, 3, 10, 60_000, 65_536, 2**32 - 1])
def test_uniform_integers_by_exact_arithmetic(bound):
    bits = np.concatenate([raw_bits(KEY, b"test", 0, 1000), np.array([0, MASK], dtype=np.uint64)])
    width = bound.bit_length()
    expected = [((int(word) >> width) * bound) >> (64 - width) for word in bits]
    values = uniform_integers(bits, bound)
    assert values.dtype == np.int64
    assert values.tolist() == expected
    assert values.min() == 0 and values.max() == bound - 1  # the smallest and the largest word reach the ends


def test_uniform_integers_are_uniform():
    counts = np.bincount(uniform_integers(raw_bits(KEY, b"test", 0, 100_000), 10), minlength=10)
    chi_squared = ((counts - 10_000) ** 2 / 10_000).sum()
    assert chi_squared < 27.9  # 999 in 1000, nine degrees of freedom


@pytest.mark.parametrize("count", [1, 2, 1000])
def test_permutation_has_every_number_once(count):
    order = permutation(KEY, b"test", count)
    assert sorted(order.tolist()) == list(range(count))
    if count == 1000:
        assert abs(np.corrcoef(order, np.arange(count))[0, 1]) < 0.1


def test_the_same_seed_gives_the_same_key():
    for seed in (0, 5, 2**200):
        first = key_from(seed, "test")
        assert first.shape == (2,) and first.dtype == np.uint64
        assert first.tolist() == key_from(seed, "test").tolist()
        assert first.tolist() == key_from(np.random.SeedSequence(seed), "test").tolist()
    assert key_from(np.int32(5), "test").tolist() == key_from(5, "test").tolist()


def test_a_seed_sequence_is_not_used_up_but_a_generator_is():
    sequence = np.random.SeedSequence(1)
    assert key_from(sequence, "test").tolist() == key_from(sequence, "test").tolist()
    generator = np.random.default_rng(1)
    assert key_from(generator, "test").tolist() != key_from(generator, "test").tolist()
    again = np.random.default_rng(1)
    assert key_from(again, "test").tolist() == key_from(np.random.default_rng(1), "test").tolist()


@pytest.mark.parametrize("wrong", [None, "0", 1.0, True, np.random.RandomState(0)])
def test_a_wrong_rng_is_named(wrong):
    with pytest.raises(TypeError, match="Caller: rng must be an int, a SeedSequence or a Generator, got"):
        key_from(wrong, "Caller")


def test_a_negative_seed_is_named():
    with pytest.raises(ValueError, match="Caller: rng must be at least 0, got -1"):
        key_from(-1, "Caller")


def test_the_global_state_is_not_touched():
    before = np.random.get_state()[1].copy()
    permutation(key_from(0, "test"), b"test", 10)
    assert (np.random.get_state()[1] == before).all()


@pytest.mark.parametrize("count", [2**60, 10**30])
def test_more_words_than_can_be_counted(count):
    with pytest.raises(MemoryError, match=rf"Unable to allocate {8 * count:,} bytes"):
        raw_bits(key_from(0, "test"), b"test", 0, count)
