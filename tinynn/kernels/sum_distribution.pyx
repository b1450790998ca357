"""The distribution of the sum of N independent numbers, each 0..K-1, and its cross-entropy.

    y(s) = P(k_1 + ... + k_N = s)                   p (N, K)  y (S) with S = N (K-1) + 1
    L = -sum_s t_s log y(s) with p = softmax(z)     dz_nk = sum_s t_s [p_nk - P(k_n = k | the sum is s)]

# Design: a binary tree of convolutions, and backpropagation through it

The numbers are the leaves. A node holds the distribution of the sum of the numbers below it: the convolution of its
two children. The tree costs the same as a chain (about N^2 K^2 / 2 multiply-adds), keeps N K log N numbers instead of
N^2 K / 2, and rounds log N times on the way to the root instead of N times. Backward, the gradient of a child is the
correlation of its parent's gradient with its sibling.

A sample may have fewer numbers than N: its tree is that of its own count, and sums out of reach have probability 0.

A node without a sibling is its own parent (a copy). Pairs of a level follow each other; the first of a pair has
room for zeros on both sides, so that the convolution meets no edges (`place`).

The cross-entropy works with plain probabilities where the target's sums are not too unlikely: P >= 1e-20 in float32.
What underflows on the way is below 1e-38, its gradient is at most 1 / P, and so it changes nothing. For a less likely
sum the same walk up and down the tree is done with all numbers as logarithms: its gradient is as accurate as any other,
at the cost of an exp for each multiply-add.
"""

from tinynn.kernels._signatures import flag
from tinynn.kernels.op import register, register_fusion

import math

from libc.math cimport INFINITY
from libc.stdint cimport int64_t
from libc.string cimport memcpy

from tinynn.kernels.machine cimport Range, Worker, claim, real, simd, softmax_row, vector_maximum, vector_sum
from tinynn.kernels.op cimport DoubleCall, FloatCall, Op, RealCall, Run, item_counts, labels_of

cdef enum: MAX_LEVELS = 64


# --- the tree of one sample -------------------------------------------------------------------------------
# Level j has ceil(N / 2^j) nodes; the root is apart. Its node i sums the numbers i 2^j ... (i+1) 2^j - 1, as many as
# there are; a node of m numbers has m (K-1) + 1 elements. half = 2^j (K-1) is one less than a whole node has.

cdef inline Py_ssize_t elements(Py_ssize_t i, int level, Py_ssize_t N, Py_ssize_t K) noexcept nogil:
    """How many elements node i of a level has"""
    return (min(N, (i + 1) << level) - (i << level)) * (K - 1) + 1


cdef inline Py_ssize_t place(Py_ssize_t i, Py_ssize_t half) noexcept nogil:
    """Where node i begins in its level: a pair is [half zeros, first, half zeros, second]"""
    return i // 2 * (4 * half + 2) + (3 * half + 1 if i & 1 else half)


cdef inline Py_ssize_t level_size(Py_ssize_t nodes, Py_ssize_t half) noexcept nogil:
    return (nodes + 1) // 2 * (4 * half + 2)


cdef Py_ssize_t tree_size(Py_ssize_t N, Py_ssize_t K) noexcept nogil:
    """Numbers in a tree without its root"""
    cdef Py_ssize_t nodes = N, half = K - 1
    cdef Py_ssize_t size = level_size(nodes, half)
    while nodes > 2:
        nodes = (nodes + 1) // 2
        half *= 2
        size += level_size(nodes, half)
    return size


cdef inline void convolve(
        real* y,                                            # OUT (n)
        const real* x, Py_ssize_t step, const real* p,      # IN what the windows reach, 1 or -1, (terms)
        Py_ssize_t terms, Py_ssize_t n, bint logarithms, Worker* worker) noexcept nogil:
    """y[s] = sum_k p[k] x[s + step k], or the same with every number given as its logarithm"""
    if logarithms:
        simd(worker, y).convolve_logarithms(y, x, step, p, terms, n)
    else:
        simd(worker, y).convolve(y, x, step, p, terms, n)


cdef void tree_forward(
        real* root, real* tree,                             # OUT (S), INOUT: the leaves are in their places
        Py_ssize_t N, Py_ssize_t K, bint logarithms, Worker* worker) noexcept nogil:
    """Each node the convolution of its children: c(s) = sum_k b(k) a(s - k)"""
    cdef Py_ssize_t nodes = N, half = K - 1, i, j, terms
    cdef int level = 0
    cdef real zero = -INFINITY if logarithms else 0
    cdef real* above
    cdef real* a
    cdef real* c
    while True:
        above = tree + level_size(nodes, half)
        for i in range(0, nodes, 2):
            a = tree + place(i, half)
            c = root if nodes <= 2 else above + place(i // 2, 2 * half)
            if i + 1 == nodes:
                memcpy(c, a, elements(i, level, N, K) * sizeof(real))
                continue
            terms = elements(i + 1, level, N, K)
            for j in range(1, terms):
                a[-j] = zero
                a[half + j] = zero
            convolve(c, a, -1, tree + place(i + 1, half), terms, half + terms, logarithms, worker)
        if nodes <= 2:
            return
        tree = above
        nodes = (nodes + 1) // 2
        half *= 2
        level += 1


cdef void tree_backward(
        real* d_leaves, real* temporary,                    # OUT (N, K), scratch (N, K)
        const real* d_root, const real* tree,               # IN (S), from tree_forward
        Py_ssize_t N, Py_ssize_t K, bint logarithms, Worker* worker) noexcept nogil:
    """Down the tree: da(s) = sum_k b(k) dc(s + k),  db(k) = sum_s a(s) dc(s + k)"""
    cdef const real* levels[MAX_LEVELS]
    cdef Py_ssize_t counts[MAX_LEVELS]
    cdef Py_ssize_t nodes = N, half = K - 1, i, terms
    cdef int level = 0
    cdef const real* a
    cdef const real* dc
    cdef const real* above
    cdef real* d
    levels[0] = tree
    counts[0] = N
    while counts[level] > 2:
        levels[level + 1] = levels[level] + level_size(counts[level], half)
        counts[level + 1] = (counts[level] + 1) // 2
        half *= 2
        level += 1
    above = d_root
    while level >= 0:
        # The gradients of a level stand side by side: node i from (i 2^level) (K-1) + i on.
        d = temporary if level & 1 else d_leaves
        nodes = counts[level]
        half = (K - 1) << level
        for i in range(0, nodes, 2):
            a = levels[level] + place(i, half)
            dc = above + i * half + i // 2
            if i + 1 == nodes:
                memcpy(d + i * half + i, dc, elements(i, level, N, K) * sizeof(real))
                continue
            terms = elements(i + 1, level, N, K)
            convolve(d + i * half + i, dc, 1, levels[level] + place(i + 1, half), terms, half + 1,
                            logarithms, worker)
            convolve(d + (i + 1) * half + i + 1, dc, 1, a, half + 1, terms, logarithms, worker)
        above = d
        level -= 1


cdef inline Py_ssize_t grain(Py_ssize_t N, Py_ssize_t K) noexcept nogil:
    """Samples in the smallest part worth a claim."""
    return max(1, 32768 // (N * K * N * K))


cdef inline void fill(real* x, real value, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(start, stop):
        x[i] = value


# --- the distribution -------------------------------------------------------------------------------------------

cdef void sum_distribution_forward(
        real* y, real* trees,                               # OUT (B, S) (B, tree_size)
        const real* p, const int64_t* counts,               # IN (B, N, K) (B) or NULL
        Py_ssize_t B, Py_ssize_t N, Py_ssize_t K, Worker* worker) noexcept nogil:
    """y = p_1 * p_2 * ... * p_N, convolved"""
    cdef Range rows
    cdef Py_ssize_t row, n, m, size = tree_size(N, K), S = N * (K - 1) + 1
    cdef real* tree
    while claim(worker, B, grain(N, K), &rows):
        for row in range(rows.start, rows.stop):
            tree = trees + row * size
            m = N if counts == NULL else counts[row]
            for n in range(m):
                memcpy(tree + place(n, K - 1), p + (row * N + n) * K, K * sizeof(real))
            tree_forward(y + row * S, tree, m, K, False, worker)
            fill(y + row * S, 0, m * (K - 1) + 1, S)


cdef void sum_distribution_backward(
        real* dp, real* temporary,                          # OUT (B, N, K), scratch (B, N, K)
        const real* dy, const real* trees,                  # IN (B, S) (B, tree_size)
        const int64_t* counts,                              # IN (B) or NULL
        Py_ssize_t B, Py_ssize_t N, Py_ssize_t K, Worker* worker) noexcept nogil:
    """dp_nk = sum_s dy(s) P(the other numbers sum to s - k)"""
    cdef Range rows
    cdef Py_ssize_t row, m, size = tree_size(N, K), S = N * (K - 1) + 1
    while claim(worker, B, grain(N, K), &rows):
        for row in range(rows.start, rows.stop):
            m = N if counts == NULL else counts[row]
            tree_backward(dp + row * N * K, temporary + row * N * K, dy + row * S, trees + row * size, m, K, False,
                          worker)
            fill(dp + row * N * K, 0, m * K, N * K)


# --- its cross-entropy: the target is t (B, S), or labels (B) with t NULL ---------------------------------------------

cdef inline bint likely(const real* y, const real* t, Py_ssize_t label, Py_ssize_t S) noexcept nogil:
    """Whether every sum of the target is likely enough for plain probabilities; not if it is nan."""
    cdef Py_ssize_t s
    cdef real lowest = 1e-20 if real is float else 1e-200
    if t == NULL:
        return y[label] >= lowest
    for s in range(S):
        if t[s] != 0 and not y[s] >= lowest:
            return False
    return True


cdef void sum_distribution_crossentropy_from_logits_forward(
        real* loss, real* y, real* log_y, real* trees,      # OUT (B) (B, S) (B, S) (B, tree_size)
        const real* z, const real* t, const int64_t* labels,    # IN (B, N, K) and one of (B, S) (B)
        const int64_t* counts,                              # IN (B) or NULL
        Py_ssize_t B, Py_ssize_t N, Py_ssize_t K, Worker* worker) noexcept nogil:
    """L = -sum_s t_s log y(s),  y the distribution of the sum of numbers with p = softmax(z)"""
    cdef Range rows
    cdef Py_ssize_t row, n, m, s, label, size = tree_size(N, K), S = N * (K - 1) + 1
    cdef real largest, log_total
    cdef real* tree
    cdef real* leaf
    cdef const real* wanted = NULL
    while claim(worker, B, grain(N, K), &rows):
        for row in range(rows.start, rows.stop):
            tree = trees + row * size
            label = 0
            if t == NULL:
                label = labels[row]
            else:
                wanted = t + row * S
            m = N if counts == NULL else counts[row]
            for n in range(m):
                softmax_row(tree + place(n, K - 1), &largest, z + (row * N + n) * K, K, worker)
            tree_forward(y + row * S, tree, m, K, False, worker)
            fill(y + row * S, 0, m * (K - 1) + 1, S)
            if likely(y + row * S, wanted, label, S):
                if t == NULL:
                    simd(worker, log_y).log(log_y + row * S + label, y + row * S + label, 1)
                else:
                    simd(worker, log_y).log(log_y + row * S, y + row * S, S)
            else:
                for n in range(m):
                    # log softmax; the largest probability is 1 / sum_k exp(z_k - max z)
                    leaf = tree + place(n, K - 1)
                    largest = vector_maximum(z + (row * N + n) * K, K, worker)
                    log_total = vector_maximum(leaf, K, worker)
                    simd(worker, &log_total).log(&log_total, &log_total, 1)
                    for s in range(K):
                        leaf[s] = z[(row * N + n) * K + s] - largest + log_total
                tree_forward(log_y + row * S, tree, m, K, True, worker)
                fill(log_y + row * S, <real> -INFINITY, m * (K - 1) + 1, S)
            if t == NULL:
                loss[row] = -log_y[row * S + label]
            else:
                loss[row] = 0
                for s in range(S):
                    if wanted[s] != 0:
                        loss[row] -= wanted[s] * log_y[row * S + s]


cdef void sum_distribution_crossentropy_from_logits_backward(
        real* dz, real* temporary,                          # OUT (B, N, K), scratch (B, N K + S)
        const real* weight, const real* y,                  # IN (B) (B, S)
        const real* log_y, const real* trees,               # IN (B, S) (B, tree_size)
        const real* t, const int64_t* labels,               # IN one of (B, S) (B)
        const int64_t* counts,                              # IN (B) or NULL
        Py_ssize_t B, Py_ssize_t N, Py_ssize_t K, Worker* worker) noexcept nogil:
    """dz_nk = weight sum_s t_s [p_nk - P(k_n = k | s)],  the second term p_nk dL/dp_nk through the tree"""
    cdef Range rows
    cdef Py_ssize_t row, n, m, s, i, label, size = tree_size(N, K), S = N * (K - 1) + 1
    cdef bint logarithms
    cdef real total
    cdef const real* leaf
    cdef const real* wanted = NULL
    cdef real* d_root
    cdef real* other
    while claim(worker, B, grain(N, K), &rows):
        for row in range(rows.start, rows.stop):
            other = temporary + row * (N * K + S)
            d_root = other + N * K
            label = 0
            if t == NULL:
                label = labels[row]
            else:
                wanted = t + row * S
            m = N if counts == NULL else counts[row]
            logarithms = not likely(y + row * S, wanted, label, S)
            # d_root = t / y, or its logarithm
            if t == NULL:
                total = 1
                for s in range(S):
                    d_root[s] = -INFINITY if logarithms else 0
                d_root[label] = -log_y[row * S + label] if logarithms else 1 / y[row * S + label]
            else:
                total = vector_sum(wanted, S, worker)
                if logarithms:
                    simd(worker, d_root).log(d_root, wanted, S)
                for s in range(S):
                    if wanted[s] == 0:
                        d_root[s] = -INFINITY if logarithms else 0
                    else:
                        d_root[s] = d_root[s] - log_y[row * S + s] if logarithms else wanted[s] / y[row * S + s]
            tree_backward(dz + row * N * K, other, d_root, trees + row * size, m, K, logarithms, worker)
            fill(dz + row * N * K, 0, m * K, N * K)
            for n in range(m):
                leaf = trees + row * size + place(n, K - 1)
                i = (row * N + n) * K
                if logarithms:
                    simd(worker, other).exp(other, leaf, K)
                    for s in range(K):
                        dz[i + s] = dz[i + s] + leaf[s]
                    simd(worker, dz).exp(dz + i, dz + i, K)
                    for s in range(K):
                        dz[i + s] = weight[row] * (total * other[s] - dz[i + s])
                else:
                    for s in range(K):
                        dz[i + s] = weight[row] * (leaf[s] * (total - dz[i + s]))


# --- as ops: sizes (samples per row, N, K, sparse, counted) -----------------------------------------------------------

cdef void run_forward(RealCall* call, Worker* worker) noexcept nogil:
    cdef Py_ssize_t B = call.rows * call.sizes[0]
    sum_distribution_forward(call.outputs[0], call.workspace, call.inputs[0],
                             item_counts(call.step, call.sizes[4] != 0), B, call.sizes[1], call.sizes[2], worker)


cdef void run_backward(RealCall* call, Worker* worker) noexcept nogil:
    cdef Py_ssize_t B = call.rows * call.sizes[0]
    if call.d_inputs[0] != NULL:
        sum_distribution_backward(call.d_inputs[0], call.temporary, call.d_outputs[0], call.workspace,
                                  item_counts(call.step, call.sizes[4] != 0), B, call.sizes[1], call.sizes[2], worker)


cdef void run_crossentropy_forward(RealCall* call, Worker* worker) noexcept nogil:
    cdef Py_ssize_t B = call.rows * call.sizes[0], N = call.sizes[1], K = call.sizes[2], S = N * (K - 1) + 1
    log_y = call.workspace
    sum_distribution_crossentropy_from_logits_forward(
        call.outputs[0], call.outputs[1], log_y, log_y + B * S, call.inputs[0],
        NULL if call.sizes[3] else call.inputs[1], labels_of(call, call.sizes[3]),
        item_counts(call.step, call.sizes[4] != 0), B, N, K, worker)


cdef void run_crossentropy_backward(RealCall* call, Worker* worker) noexcept nogil:
    cdef Py_ssize_t B = call.rows * call.sizes[0], N = call.sizes[1], K = call.sizes[2], S = N * (K - 1) + 1
    log_y = call.workspace
    if call.d_inputs[0] != NULL:
        sum_distribution_crossentropy_from_logits_backward(
            call.d_inputs[0], call.temporary, call.d_outputs[0], call.outputs[1], log_y, log_y + B * S,
            NULL if call.sizes[3] else call.inputs[1], labels_of(call, call.sizes[3]),
            item_counts(call.step, call.sizes[4] != 0), B, N, K, worker)


def distribution_shape(shape):
    """(..., N, K) -> (..., S)"""
    *leading, numbers, values = shape
    return *leading, None if numbers is None or values is None else numbers * (values - 1) + 1


cdef class SumDistribution(Op):
    """Inputs [p (..., N, K)], outputs [y (..., S)]."""

    def __cinit__(self):
        self.forward = [<Run> run_forward[FloatCall], <Run> run_forward[DoubleCall]]
        self.backward = [<Run> run_backward[FloatCall], <Run> run_backward[DoubleCall]]

    def signature(self, inputs, parameters, attributes):
        return ["(..., N, K)"], []

    def options(self):
        return {"counted": flag}

    def together(self, shape):
        return shape[-2] * shape[-1]

    def leaves_out(self):
        return True

    def shapes(self, inputs, parameters, attributes):
        return [distribution_shape(inputs[0])]

    def sizes(self, inputs, parameters, attributes):
        return math.prod(inputs[0][:-2]), *inputs[0][-2:], 0, int(attributes.get("counted", False))

    def workspace(self, sizes):
        return 0, sizes[0] * tree_size(sizes[1], sizes[2])

    def temporary(self, sizes):
        return 0, sizes[0] * sizes[1] * sizes[2]

    def flops(self, sizes):
        return sizes[0] * (sizes[1] * sizes[2]) ** 2


cdef class SumDistributionCrossentropy(Op):
    """Inputs [z (..., N, K), target], outputs [loss of each sample (...,), y (..., S)]. Attribute sparse: the target is
    int64 sums (...,), else a distribution (..., S)."""

    def __cinit__(self):
        self.forward = [<Run> run_crossentropy_forward[FloatCall], <Run> run_crossentropy_forward[DoubleCall]]
        self.backward = [<Run> run_crossentropy_backward[FloatCall], <Run> run_crossentropy_backward[DoubleCall]]

    def signature(self, inputs, parameters, attributes):
        return ["(..., N, K)", "(...)" if attributes.get("sparse", False) else "(..., S)"], []

    def options(self):
        return {"sparse": flag, "counted": flag}

    def for_layers(self):
        return False

    def together(self, shape):
        return shape[-2] * shape[-1]

    def leaves_out(self):
        return True

    def shapes(self, inputs, parameters, attributes):
        return [tuple(inputs[0][:-2]), distribution_shape(inputs[0])]

    def sizes(self, inputs, parameters, attributes):
        return math.prod(inputs[0][:-2]), *inputs[0][-2:], int(attributes.get("sparse", False)), int(
            attributes.get("counted", False))

    def workspace(self, sizes):
        return 0, sizes[0] * (tree_size(sizes[1], sizes[2]) + sizes[1] * (sizes[2] - 1) + 1)

    def temporary(self, sizes):
        return 0, sizes[0] * (sizes[1] * sizes[2] + sizes[1] * (sizes[2] - 1) + 1)

    def flops(self, sizes):
        return sizes[0] * ((sizes[1] * sizes[2]) ** 2 + 20 * sizes[1] * sizes[2])


sum_distribution = SumDistribution("sum_distribution")
sum_distribution_crossentropy_from_logits = SumDistributionCrossentropy("sum_distribution_crossentropy_from_logits")
register(sum_distribution)
register(sum_distribution_crossentropy_from_logits)
register_fusion("categorical_crossentropy", ["softmax", "sum_distribution"],
                "sum_distribution_crossentropy_from_logits")
