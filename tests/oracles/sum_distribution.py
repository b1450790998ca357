"""Oracles: the distribution of the sum of N independent numbers below K, and its cross-entropy."""

import numpy as np


def _convolution_of(rows):
    total = np.ones(1)
    for row in rows:
        total = np.convolve(total, row)
    return total


def sum_distribution_forward(p):
    """Each sample's N rows convolved with each other: (B, N, K) -> (B, N(K-1)+1)."""
    return np.stack([_convolution_of(sample) for sample in np.asarray(p, dtype=np.float64)])


def sum_distribution_backward(dy, p):
    """``dp_nk = sum_s dy_s P(the others sum to s - k)``: the others convolved anew for every n."""
    dy, p = np.asarray(dy, dtype=np.float64), np.asarray(p, dtype=np.float64)
    dp = np.empty_like(p)
    for i, n in np.ndindex(p.shape[:2]):
        others = _convolution_of(np.delete(p[i], n, axis=0))
        dp[i, n] = np.correlate(dy[i], others, mode="valid")
    return dp


def _log_sum_exp(terms, axis):
    """``log sum exp`` over an axis, shifted by the largest term; -inf where all are."""
    largest = np.maximum(terms.max(axis=axis, keepdims=True), np.finfo(np.float64).min)
    with np.errstate(divide="ignore"):
        return np.log(np.exp(terms - largest).sum(axis=axis)) + np.squeeze(largest, axis)


def _log_convolution(a, b):
    """``log sum_j exp(a_j + b_{s-j})`` for every s."""
    terms = np.full((len(b), len(a) + len(b) - 1), -np.inf)
    for k in range(len(b)):
        terms[k, k : k + len(a)] = a + b[k]
    return _log_sum_exp(terms, axis=0)


def _log_softmax(z):
    return z - np.logaddexp.reduce(z, axis=-1, keepdims=True)


def sum_distribution_crossentropy_from_logits_forward(z, target):
    """``-log P(sum = target)``, the numbers' distributions being softmax(z) over K."""
    log_p = _log_softmax(np.asarray(z, dtype=np.float64))
    losses = []
    for rows, wanted in zip(log_p, target, strict=True):
        total = np.zeros(1)
        for row in rows:
            total = _log_convolution(total, row)
        losses.append(-total[wanted])
    return np.array(losses)


def sum_distribution_crossentropy_from_logits_backward(z, target):
    """``p_nk - P(number n is k, given the sum)``: the posterior from the sums before and after n."""
    log_p = _log_softmax(np.asarray(z, dtype=np.float64))
    dz = np.exp(log_p)
    for i, wanted in enumerate(target):
        rows = log_p[i]
        before = [np.zeros(1)]
        after = [np.zeros(1)]
        for n in range(len(rows)):
            before.append(_log_convolution(before[-1], rows[n]))
            after.append(_log_convolution(after[-1], rows[len(rows) - 1 - n]))
        evidence = before[-1][wanted]
        for n, row in enumerate(rows):
            left, right = before[n], after[len(rows) - 1 - n]
            # What the others must sum to is split between those before n and those after: a line for every k.
            first = np.arange(len(left))
            second = wanted - np.arange(len(row))[:, None] - first
            possible = (second >= 0) & (second < len(right))
            terms = np.where(possible, left[first] + right[np.clip(second, 0, len(right) - 1)], -np.inf)
            dz[i, n] -= np.exp(row + _log_sum_exp(terms, axis=1) - evidence)
    return dz
