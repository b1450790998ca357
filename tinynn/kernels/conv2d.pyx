"""Conv2D: every output pixel is an affine map of a patch of the input, channels last.

    y[i, j] = f(b + sum_pq x[i r + p d - top, j r' + q d' - left] w[p, q])          strides r r', dilations d d'
    dz = dy f'(z),   dw[p, q] = sum_ij x[...]^T dz[i, j],   db = sum_ij dz[i, j],   dx[...] += dz[i, j] w[p, q]^T
    x (B, H, W, I)   w (P, Q, I, O)   b (O)   y (B, H', W', O); x is 0 outside of the image

# Design: patches are rows of a matrix that is never stored

With the patch of a pixel as a row of K = P Q I numbers, the three products are dense: y = X w, dw = X^T dz,
dX = dz w^T. Element (pixel, k) of X is x at an offset for the pixel plus an offset for k: two short lists replace a
matrix that is P Q times as large as the image (`gemm_listed`). Only dX is stored, a band of output rows at a time, and
added to dx while it is in the cache. Images that need padding are padded a band at a time too.

Bands, and the groups of bands whose weight gradients are summed together, depend on sizes only. Each element of a
group's dw has one owner, and the groups are added in order, so no bit depends on the threads.
"""

import math

from tinynn.checks import check_pair
from tinynn.kernels._signatures import one_of
from tinynn.kernels._windows import PADDINGS, slide
from tinynn.kernels.op import register

from libc.stdint cimport int32_t
from libc.string cimport memcpy, memset

from tinynn.kernels.gemm cimport column_sum_team, gemm_pack_team
from tinynn.kernels.machine cimport LINEAR, PACK_COLUMNS, RELU, SIGMOID, TANH, Range, Worker, claim, real, simd
from tinynn.kernels.op cimport DoubleCall, FloatCall, Op, RealCall, Run

# Scratch memories: at most so many parts of the work run at the same time.
cdef enum: SLOTS = 16
# At most so many pixels in a band, and numbers in its patches: about half of a second-level cache.
cdef enum: BAND_PIXELS = 1024
cdef enum: BAND_NUMBERS = 65536
# At most so many numbers in all groups' weight gradients, unless one group has more.
cdef enum: GROUP_NUMBERS = 1 << 20
# Offsets are 32-bit.
MAX_NUMBERS = 2 ** 31 - 1

# What a call's sizes say, and what follows from them.
cdef struct Geometry:
    Py_ssize_t H, W, I, P, Q, outputs
    Py_ssize_t row_stride, column_stride, row_dilation, column_dilation
    Py_ssize_t top, left
    Py_ssize_t rows, columns            # of the output
    Py_ssize_t K                        # numbers in a patch
    bint padded                         # some patch reaches beyond the image
    Py_ssize_t width                    # columns of what patches are read from: the image, or its padded band
    Py_ssize_t band                     # output rows computed together
    Py_ssize_t bands
    Py_ssize_t groups                   # at most so many groups of bands with a weight gradient of their own
    Py_ssize_t blocks                   # parts of K into which a group's weight gradient is split
    # Where things lie in the temporary memory, in numbers.
    Py_ssize_t packed, slots, slot, partials, total
    Py_ssize_t patches                  # within a slot: after the padded band


cdef inline Py_ssize_t rounded(Py_ssize_t n, Py_ssize_t unit) noexcept nogil:
    return (n + unit - 1) // unit * unit


cdef Geometry geometry_of(const Py_ssize_t* sizes) noexcept nogil:
    cdef Geometry g
    g.H, g.W, g.I, g.P, g.Q, g.outputs = sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[5]
    g.row_stride, g.column_stride, g.row_dilation, g.column_dilation = sizes[6], sizes[7], sizes[8], sizes[9]
    g.top, g.left, g.rows, g.columns = sizes[10], sizes[11], sizes[12], sizes[13]
    g.K = g.P * g.Q * g.I
    cdef Py_ssize_t reach_down = (g.rows - 1) * g.row_stride + (g.P - 1) * g.row_dilation + 1
    cdef Py_ssize_t reach_right = (g.columns - 1) * g.column_stride + (g.Q - 1) * g.column_dilation + 1
    g.padded = g.top > 0 or g.left > 0 or reach_down > g.H or reach_right > g.W
    g.width = reach_right if g.padded else g.W
    g.band = max(1, min(g.rows, min(BAND_PIXELS, BAND_NUMBERS // g.K) // g.columns))
    g.bands = (g.rows + g.band - 1) // g.band
    g.groups = max(1, min(SLOTS, GROUP_NUMBERS // (g.K * g.outputs)))
    g.blocks = 1 if g.groups >= SLOTS // 2 else min(SLOTS // 2 // g.groups, (g.K + 63) // 64)
    cdef Py_ssize_t pixels = g.band * g.columns
    g.packed = rounded(pixels + g.K, 16)
    g.slots = g.packed + rounded(max(g.K * rounded(g.outputs, PACK_COLUMNS),
                                     g.outputs * rounded(g.K, PACK_COLUMNS)), 16)
    g.patches = 0
    if g.padded:
        g.patches = rounded(((g.band - 1) * g.row_stride + (g.P - 1) * g.row_dilation + 1) * g.width * g.I, 16)
    g.slot = g.patches + rounded(pixels * max(g.K, rounded(g.outputs, PACK_COLUMNS)), 16)
    g.partials = g.slots + SLOTS * g.slot
    g.total = g.partials + g.groups * (g.K * g.outputs + g.outputs)
    return g


cdef void list_offsets(
        int32_t* pixels, int32_t* terms,                    # OUT (band * columns) (K)
        const Geometry* g, Worker* worker) noexcept nogil:
    """X[pixel, k] = x[pixels[pixel] + terms[k]]; one phase"""
    cdef Range part
    cdef Py_ssize_t i, j, p, q, k
    while claim(worker, 1, 1, &part):
        for i in range(g.band):
            for j in range(g.columns):
                pixels[i * g.columns + j] = <int32_t> ((i * g.row_stride * g.width + j * g.column_stride) * g.I)
        for p in range(g.P):
            for q in range(g.Q):
                for k in range(g.I):
                    terms[(p * g.Q + q) * g.I + k] = <int32_t> (
                        (p * g.row_dilation * g.width + q * g.column_dilation) * g.I + k)


cdef const real* band_of(
        real* padded,                                       # scratch for a padded band
        const real* x,                                      # IN (H, W, I): one image
        Py_ssize_t first, Py_ssize_t rows, const Geometry* g) noexcept nogil:
    """Where the patches of the output rows first .. first + rows begin"""
    cdef Py_ssize_t row, from_row, left, right
    if not g.padded:
        return x + first * g.row_stride * g.W * g.I
    left = min(g.left, g.width)
    right = min(g.width, g.left + g.W)
    for row in range((rows - 1) * g.row_stride + (g.P - 1) * g.row_dilation + 1):
        from_row = first * g.row_stride - g.top + row
        if from_row < 0 or from_row >= g.H:
            memset(padded + row * g.width * g.I, 0, g.width * g.I * sizeof(real))
            continue
        memset(padded + row * g.width * g.I, 0, left * g.I * sizeof(real))
        memcpy(padded + (row * g.width + left) * g.I, x + from_row * g.W * g.I, (right - left) * g.I * sizeof(real))
        memset(padded + (row * g.width + right) * g.I, 0, (g.width - right) * g.I * sizeof(real))
    return padded


cdef void conv2d_forward(
        real* y, real* temporary,                           # OUT (B, H', W', O), scratch
        const real* x, const real* w, const real* b,        # IN (B, H, W, I) (P, Q, I, O) (O) or NULL
        Py_ssize_t B, const Geometry* g, int activation, Worker* worker) noexcept nogil:
    """y = f(X w + b)"""
    cdef int32_t* pixels = <int32_t*> temporary
    cdef int32_t* terms = pixels + g.band * g.columns
    cdef real* packed = temporary + g.packed
    cdef Py_ssize_t slot, unit, units = B * g.bands, slots = min(SLOTS, units), first, rows
    cdef const real* band
    cdef Range part
    list_offsets(pixels, terms, g, worker)
    gemm_pack_team(packed, w, g.outputs, 1, g.K, g.outputs, worker)
    while claim(worker, slots, 1, &part):
        for slot in range(part.start, part.stop):
            for unit in range(slot * units // slots, (slot + 1) * units // slots):
                first = unit % g.bands * g.band
                rows = min(g.band, g.rows - first)
                band = band_of(temporary + g.slots + slot * g.slot, x + unit // g.bands * g.H * g.W * g.I, first, rows,
                               g)
                simd(worker, y).gemm_listed(y + (unit // g.bands * g.rows + first) * g.columns * g.outputs, g.outputs,
                                            band, pixels, terms, packed, rows * g.columns, g.outputs, g.K, False, b,
                                            activation)


cdef void activation_gradient(
        real* dy,                                           # INOUT (B, H', W', O), becomes dz
        const real* y,                                      # IN (B, H', W', O)
        Py_ssize_t B, const Geometry* g, int activation, Worker* worker) noexcept nogil:
    """dz = dy f'(z); one phase"""
    cdef Range part
    if activation == LINEAR:
        return
    while claim(worker, B * g.rows * g.columns * g.outputs, 4096, &part):
        simd(worker, dy).activation_backward(dy + part.start, dy + part.start, y + part.start, part.stop - part.start,
                                             activation)


cdef void conv2d_backward_weights(
        real* dw, real* db, real* temporary,                # OUT (P, Q, I, O) (O) or NULL, scratch
        real* dy,                                           # IN (B, H', W', O), overwritten with dz
        const real* x, const real* y,                       # IN (B, H, W, I) (B, H', W', O)
        Py_ssize_t B, const Geometry* g, int activation, bint accumulate, Worker* worker) noexcept nogil:
    """dz = dy f'(z),  dw = X^T dz,  db = sum dz: a part for each group of bands, then their sum"""
    cdef int32_t* pixels = <int32_t*> temporary
    cdef int32_t* terms = pixels + g.band * g.columns
    cdef Py_ssize_t units = B * g.bands, groups = min(g.groups, units), size = g.K * g.outputs + g.outputs
    cdef Py_ssize_t task, group, unit, first, rows, start, k, end
    cdef Py_ssize_t at, numbers
    cdef const real* band
    cdef real* slot
    cdef real* partial
    cdef Range part
    list_offsets(pixels, terms, g, worker)
    if g.blocks > 1:  # several read the same dz
        activation_gradient(dy, y, B, g, activation, worker)
        activation = LINEAR
    while claim(worker, groups * g.blocks, 1, &part):
        for task in range(part.start, part.stop):
            group = task // g.blocks
            k = task % g.blocks * g.K // g.blocks
            end = (task % g.blocks + 1) * g.K // g.blocks
            slot = temporary + g.slots + task * g.slot
            partial = temporary + g.partials + group * size
            start = group * units // groups
            for unit in range(start, (group + 1) * units // groups):
                first = unit % g.bands * g.band
                rows = min(g.band, g.rows - first)
                band = band_of(slot, x + unit // g.bands * g.H * g.W * g.I, first, rows, g)
                at = (unit // g.bands * g.rows + first) * g.columns * g.outputs
                numbers = rows * g.columns * g.outputs
                if activation != LINEAR:
                    simd(worker, dy).activation_backward(dy + at, dy + at, y + at, numbers, activation)
                simd(worker, slot).gemm_pack(slot + g.patches, dy + at, g.outputs, 1, rows * g.columns, g.outputs, 0,
                                             g.outputs)
                simd(worker, partial).gemm_listed(partial + k * g.outputs, g.outputs, band, terms + k, pixels,
                                                  slot + g.patches, end - k, g.outputs, rows * g.columns, unit > start,
                                                  NULL, LINEAR)
                if k == 0 and db != NULL:
                    simd(worker, partial).column_sum(partial + g.K * g.outputs, dy + at, g.outputs, rows * g.columns,
                                                     g.outputs, unit > start)
    column_sum_team(dw, temporary + g.partials, size, groups, g.K * g.outputs, accumulate, worker)
    if db != NULL:
        column_sum_team(db, temporary + g.partials + g.K * g.outputs, size, groups, g.outputs, accumulate, worker)


cdef void conv2d_backward_inputs(
        real* dx, real* temporary,                          # OUT (B, H, W, I), scratch
        const real* dz, const real* w,                      # IN (B, H', W', O) (P, Q, I, O)
        Py_ssize_t B, const Geometry* g, Worker* worker) noexcept nogil:
    """dX = dz w^T; each patch is added to the pixels it came from"""
    cdef real* packed = temporary + g.packed
    cdef Py_ssize_t slots = min(SLOTS, B), slot, image, band, first, rows
    cdef real* patches
    cdef real* dx_image
    cdef Range part
    gemm_pack_team(packed, w, 1, g.outputs, g.outputs, g.K, worker)
    while claim(worker, slots, 1, &part):
        for slot in range(part.start, part.stop):
            patches = temporary + g.slots + slot * g.slot + g.patches
            for image in range(slot * B // slots, (slot + 1) * B // slots):
                dx_image = dx + image * g.H * g.W * g.I
                memset(dx_image, 0, g.H * g.W * g.I * sizeof(real))
                for band in range(g.bands):
                    first = band * g.band
                    rows = min(g.band, g.rows - first)
                    simd(worker, patches).gemm_packed(patches, g.K,
                                                      dz + (image * g.rows + first) * g.columns * g.outputs, g.outputs,
                                                      1, packed, rows * g.columns, g.K, g.outputs, False, NULL, LINEAR)
                    add_band(dx_image, patches, first, rows, g, worker)


cdef void add_band(
        real* dx,                                           # INOUT (H, W, I): one image
        const real* patches,                                # IN (rows, W', P, Q, I)
        Py_ssize_t first, Py_ssize_t rows, const Geometry* g, Worker* worker) noexcept nogil:
    """dx += the patches of the output rows first .. first + rows"""
    cdef Py_ssize_t i, p, q, row, runs, run
    # Without dilation the columns of a patch stand side by side in the image.
    runs = 1 if g.column_dilation == 1 else g.Q
    run = g.K // g.P // runs
    for i in range(rows):
        for p in range(g.P):
            row = (first + i) * g.row_stride + p * g.row_dilation - g.top
            if row < 0 or row >= g.H:
                continue
            for q in range(runs):
                simd(worker, dx).add_windows(dx + row * g.W * g.I, g.W * g.I, (q * g.column_dilation - g.left) * g.I,
                                             g.column_stride * g.I,
                                             patches + i * g.columns * g.K + (p * runs + q) * run, g.K, g.columns, run)


# --- as an op: sizes (H, W, I, P, Q, O, strides, dilations, top, left, H', W', activation) ---------------------------

cdef void run_forward(RealCall* call, Worker* worker) noexcept nogil:
    cdef Geometry g = geometry_of(call.sizes)
    conv2d_forward(call.outputs[0], call.temporary, call.inputs[0], call.parameters[0], call.parameters[1], call.rows,
                   &g, <int> call.sizes[14], worker)


cdef void run_backward(RealCall* call, Worker* worker) noexcept nogil:
    cdef Geometry g = geometry_of(call.sizes)
    dz = call.d_outputs[0]
    y = call.outputs[0]
    cdef int activation = <int> call.sizes[14]
    if call.d_parameters[0] != NULL:
        conv2d_backward_weights(call.d_parameters[0], call.d_parameters[1], call.temporary, dz, call.inputs[0], y,
                                call.rows, &g, activation, call.accumulate, worker)
    else:
        activation_gradient(dz, y, call.rows, &g, activation, worker)
        if call.d_parameters[1] != NULL:
            column_sum_team(call.d_parameters[1], dz, g.outputs, call.rows * g.rows * g.columns, g.outputs,
                            call.accumulate, worker)
    if call.d_inputs[0] != NULL:
        conv2d_backward_inputs(call.d_inputs[0], call.temporary, dz, call.parameters[0], call.rows, &g, worker)


cdef class Conv2D(Op):
    """Input [x (H, W, I)], parameters [w (P, Q, I, O), b (O) or None], attributes strides, dilation, padding and
    activation."""

    def __cinit__(self):
        self.forward = [<Run> run_forward[FloatCall], <Run> run_forward[DoubleCall]]
        self.backward = [<Run> run_backward[FloatCall], <Run> run_backward[DoubleCall]]

    def signature(self, inputs, parameters, attributes):
        return ["(H, W, I)"], ["(P, Q, I, O)", "(O)?"]

    def options(self):
        return {"strides": check_pair, "padding": one_of(PADDINGS), "dilation": check_pair,
                "activation": one_of((LINEAR, RELU, SIGMOID, TANH))}

    def required(self):
        return "strides", "padding", "dilation"

    def shapes(self, inputs, parameters, attributes):
        size, _ = self._slide(inputs, parameters, attributes)
        return [(*size, parameters[0][3])]

    def sizes(self, inputs, parameters, attributes):
        size, before = self._slide(inputs, parameters, attributes)
        rows, columns, _, outputs = parameters[0]
        sizes = (*inputs[0], rows, columns, outputs, *attributes["strides"], *attributes["dilation"], *before, *size)
        if max(math.prod(inputs[0]), math.prod(parameters[0]), math.prod(size) * outputs) > MAX_NUMBERS:
            raise ValueError(f"conv2d: images of shape {tuple(inputs[0])} with a kernel of shape "
                             f"{tuple(parameters[0])} have more than {MAX_NUMBERS} numbers")
        # The first two are less than the scratch memory, and bound every product in its computation.
        reaches = [(count - 1) * step + 1 for count, step in zip((rows, columns), attributes["dilation"])]
        reaches[1] += (size[1] - 1) * attributes["strides"][1]
        if (math.prod(reaches) * inputs[0][2] > MAX_NUMBERS or math.prod(parameters[0][:3]) * size[1] > MAX_NUMBERS
                or self.temporary(sizes)[0] > MAX_NUMBERS):
            raise ValueError(f"conv2d: patches of {rows} x {columns}, dilated by {attributes['dilation']}, reach too "
                             f"far beyond an image of shape {tuple(inputs[0])}")
        return *sizes, attributes.get("activation", LINEAR)

    def _slide(self, inputs, parameters, attributes):
        return slide("conv2d", inputs[0][:2], parameters[0][:2], attributes["strides"], attributes["padding"],
                     attributes["dilation"])

    def temporary(self, sizes):
        cdef Py_ssize_t numbers[16]
        for number, size in enumerate(sizes):
            numbers[<int> number] = size
        return geometry_of(numbers).total, 0

    def flops(self, sizes):
        return 2 * math.prod(sizes[2:6]) * sizes[12] * sizes[13]

    def activations(self):
        return {"relu": {"activation": RELU}, "sigmoid": {"activation": SIGMOID}, "tanh": {"activation": TANH}}


conv2d = Conv2D("conv2d")
register(conv2d)
