"""LSTM: a recurrent network that keeps a cell c, which gates write, clear and show.

    z_t = x_t w + h_{t-1} u + b         x (B, T, I)  w (I, 4H)  u (H, 4H)  b (4H)        z = [z_i z_f z_g z_o]
    i = s(z_i),  f = s(z_f),  g = tanh(z_g),  o = s(z_o)
    c_t = f c_{t-1} + i g,   h_t = o tanh(c_t)                                          h, c (B, T, H)

    dc_t += dh_t o (1 - tanh(c_t)^2),   dc_{t-1} = dc_t f
    dz_t = [dc_t g i(1-i), dc_t c_{t-1} f(1-f), dc_t i (1-g^2), dh_t tanh(c_t) o(1-o)]
    dx_t = dz_t w^T,   dh_{t-1} += dz_t u^T,   dw = sum_t x_t^T dz_t,   du = sum_t h_{t-1}^T dz_t,   db = sum_t,b dz_t

(Hochreiter and Schmidhuber, "Long short-term memory", 1997, with the forget gate of Gers et al., 2000, in the gate
order of Keras.) At and after a row's length h_t = h_{t-1} and c_t = c_{t-1}.
"""

import numpy as np

from tinynn.kernels import _recurrent
from tinynn.kernels.op import register

from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

from tinynn.kernels.gemm cimport gemm_pack_team, gemm_team
from tinynn.kernels.machine cimport LINEAR, Worker, real, simd
from tinynn.kernels.op cimport DoubleCall, FloatCall, Op, RealCall, Run, item_counts
from tinynn.kernels.recurrent cimport (
    Part, add_step, begin_input, by_row, by_step, copy_rows, ended, group_start, groups_of, next_part,
    packed_input_size, packed_size, parts_of, put_states, rows_grain, start_gradient, sums_per_row, weight_gradient,
)


cdef void lstm_forward(
        real* y, real* last_h, real* last_c,                # OUT (B, T, H) or the last (B, H), (B, H) twice; or NULL
        real* workspace, real* packed,                      # OUT kept: x (T, B, I), gates (T, B, 4H), h0, c0 (B, H),
                                                            #     h, c, tanh(c) (T, B, H); packed u, w
        const real* x, const real* w, const real* u, const real* b,     # IN (B, T, I) (I, 4H) (H, 4H) (4H) or NULL
        const real* h0, const real* c0, const int64_t* lengths,         # IN (B, H) (B, H) (B), may be NULL
        Py_ssize_t B, Py_ssize_t T, Py_ssize_t I, Py_ssize_t H, bint sequences, Worker* worker) noexcept nogil:
    """[i f g o] = activations of x_t w + h_{t-1} u + b,  c_t = f c_{t-1} + i g,  h_t = o tanh(c_t)"""
    cdef real* gates = workspace + T * B * I
    cdef real* h_start = gates + T * B * 4 * H
    cdef real* c_start = h_start + B * H
    cdef real* h = c_start + B * H
    cdef real* c = h + T * B * H
    cdef real* tanh_c = c + T * B * H
    cdef real* packed_w = packed + packed_size(H, 4 * H)
    cdef Py_ssize_t groups = groups_of(B, T, I, H)
    cdef const real* steps = by_step(workspace, x, lengths, B, T, I, groups, worker)
    cdef bint stepwise = begin_input(gates, packed_w, steps, w, b, B, T, I, 4 * H, worker)
    cdef Part part = parts_of(B, T, groups, rows_grain(B, T * H * 4 * H, worker))
    cdef Py_ssize_t t, row, at, count
    cdef const real* h_before
    cdef const real* c_before
    gemm_pack_team(packed, u, 4 * H, 1, H, 4 * H, worker)
    while next_part(&part, worker):
        copy_rows(h_start, h0, part.rows, H)
        copy_rows(c_start, c0, part.rows, H)
        h_before = h_start + part.rows.start * H
        c_before = c_start + part.rows.start * H
        count = part.rows.stop - part.rows.start
        for t in range(T):
            at = part.at + t * part.size + part.rows.start
            if stepwise:
                simd(worker, gates).gemm_packed(gates + at * 4 * H, 4 * H, steps + at * I, I, 1, packed_w, count, 4 * H,
                                                I, False, b, LINEAR)
            # Without an initial state the first product is with zeros: of depth 0.
            simd(worker, gates).gemm_packed(gates + at * 4 * H, 4 * H, h_before, H, 1, packed, count, 4 * H,
                                            H if t > 0 or h0 != NULL else 0, True, NULL, LINEAR)
            for row in range(count):
                if ended(lengths, part.rows.start + row, t):
                    memcpy(h + (at + row) * H, h_before + row * H, H * sizeof(real))
                    memcpy(c + (at + row) * H, c_before + row * H, H * sizeof(real))
                else:
                    simd(worker, gates).lstm_cell_forward(gates + (at + row) * 4 * H, c + (at + row) * H,
                                                          tanh_c + (at + row) * H, h + (at + row) * H,
                                                          c_before + row * H, H)
            h_before = h + at * H
            c_before = c + at * H
        put_states(y, h, sequences, &part, T, H)
        put_states(last_h, h, False, &part, T, H)
        put_states(last_c, c, False, &part, T, H)


cdef void lstm_backward(
        real* dx, real* dh0, real* dc0,                     # OUT (B, T, I) (B, H) (B, H), may be NULL
        real* dw, real* du, real* db,                       # OUT (I, 4H) (H, 4H) (4H), may be NULL; add if accumulate
        real* workspace, real* temporary,                   # INOUT of forward; packed u^T, dh and dc (B, H), sums
        const real* dy, const real* d_last_h, const real* d_last_c,     # IN as y, last_h and last_c, may be NULL
        const real* x, const real* w, const real* u,        # IN as in forward
        bint initial, const int64_t* lengths,
        Py_ssize_t B, Py_ssize_t T, Py_ssize_t I, Py_ssize_t H, bint sequences, bint accumulate,
        Worker* worker) noexcept nogil:
    """dx_t = dz_t w^T,  dh_{t-1} += dz_t u^T,  dw = x^T dz,  du = h_previous^T dz,  db = sum dz"""
    cdef real* gates = workspace + T * B * I                # step by step overwritten with dz
    cdef real* h_start = gates + T * B * 4 * H
    cdef real* c_start = h_start + B * H
    cdef real* h = c_start + B * H
    cdef real* c = h + T * B * H
    cdef real* tanh_c = c + T * B * H
    cdef real* dh = temporary + packed_size(4 * H, H)
    cdef real* dc = dh + B * H
    cdef real* sums = dc + B * H
    cdef bint in_place = lengths == NULL and (B == 1 or T == 1)
    cdef const real* steps = x if in_place else workspace
    cdef const real* initial_h = h_start if initial else NULL
    cdef Py_ssize_t groups = groups_of(B, T, I, H)
    cdef Part part = parts_of(B, T, groups, rows_grain(B, T * H * 4 * H, worker))
    cdef Py_ssize_t t, row, at
    cdef const real* c_before
    gemm_pack_team(temporary, u, 1, 4 * H, 4 * H, H, worker)
    while next_part(&part, worker):
        start_gradient(dh, dy, d_last_h, sequences, part.rows, H, worker)
        copy_rows(dc, d_last_c, part.rows, H)
        for t in range(T - 1, -1, -1):
            add_step(dh, dy, sequences, t, part.rows, T, H, worker)
            at = part.at + t * part.size
            c_before = c + (at - part.size) * H if t > 0 else c_start
            for row in range(part.rows.start, part.rows.stop):
                if ended(lengths, row, t):
                    memset(gates + (at + row) * 4 * H, 0, 4 * H * sizeof(real))
                    continue
                simd(worker, gates).lstm_cell_backward(gates + (at + row) * 4 * H, dc + row * H, dh + row * H,
                                                       gates + (at + row) * 4 * H, tanh_c + (at + row) * H,
                                                       c_before + row * H, H)
                if lengths != NULL:
                    # An ended row hands dh on as it is; the others replace it.
                    memset(dh + row * H, 0, H * sizeof(real))
            if t > 0 or dh0 != NULL:
                simd(worker, dh).gemm_packed(dh + part.rows.start * H, H, gates + (at + part.rows.start) * 4 * H, 4 * H,
                                             1, temporary, part.rows.stop - part.rows.start, H, 4 * H, lengths != NULL,
                                             NULL, LINEAR)
        if dh0 != NULL:
            copy_rows(dh0, dh, part.rows, H)
        if dc0 != NULL:
            copy_rows(dc0, dc, part.rows, H)
    weight_gradient(dw, 4 * H, db, sums, steps, NULL, False, I, gates, 4 * H, 4 * H, B, T, groups, accumulate, worker)
    weight_gradient(du, 4 * H, NULL, sums, h, initial_h, True, H, gates, 4 * H, 4 * H, B, T, groups, accumulate, worker)
    if dx != NULL:
        # The steps of x are not needed any more: their place takes those of dx.
        gemm_team(dx if in_place else workspace, I, gates, 4 * H, 1, w, 1, 4 * H, T * B, I, 4 * H, False, NULL, LINEAR,
                  worker)
        if not in_place:
            by_row(dx, workspace, B, T, I, groups, worker)


cdef void run_forward(RealCall* call, Worker* worker) noexcept nogil:
    cdef const Py_ssize_t* sizes = call.sizes
    cdef bint sequences = sizes[3], state = sizes[4], initial = sizes[5], lengths = sizes[6], counted = sizes[7]
    lstm_forward(call.outputs[0], call.outputs[1] if state else NULL, call.outputs[2] if state else NULL,
                 call.workspace, call.temporary, call.inputs[0], call.parameters[0], call.parameters[1],
                 call.parameters[2], call.inputs[1] if initial else NULL, call.inputs[2] if initial else NULL,
                 <const int64_t*> call.inputs[3 if initial else 1] if lengths else item_counts(call.step, counted),
                 call.rows, sizes[0], sizes[1], sizes[2], sequences, worker)


cdef void run_backward(RealCall* call, Worker* worker) noexcept nogil:
    cdef const Py_ssize_t* sizes = call.sizes
    cdef bint sequences = sizes[3], state = sizes[4], initial = sizes[5], lengths = sizes[6], counted = sizes[7]
    lstm_backward(call.d_inputs[0], call.d_inputs[1] if initial else NULL, call.d_inputs[2] if initial else NULL,
                  call.d_parameters[0], call.d_parameters[1], call.d_parameters[2], call.workspace, call.temporary,
                  call.d_outputs[0], call.d_outputs[1] if state else NULL, call.d_outputs[2] if state else NULL,
                  call.inputs[0], call.parameters[0], call.parameters[1], initial,
                  <const int64_t*> call.inputs[3 if initial else 1] if lengths else item_counts(call.step, counted),
                  call.rows, sizes[0], sizes[1], sizes[2], sequences, call.accumulate, worker)


cdef class LSTM(Op):
    """Inputs and outputs as `_recurrent` says, parameters [w (I, 4H), u (H, 4H), b (4H) or None]."""

    def __cinit__(self):
        self.forward = [<Run> run_forward[FloatCall], <Run> run_forward[DoubleCall]]
        self.backward = [<Run> run_backward[FloatCall], <Run> run_backward[DoubleCall]]

    def signature(self, inputs, parameters, attributes):
        return _recurrent.inputs(2, attributes), ["(I, 4H)", "(H, 4H)", "(4H)?"]

    def options(self):
        return dict(_recurrent.OPTIONS)

    def leaves_out(self):
        return True

    def shapes(self, inputs, parameters, attributes):
        return _recurrent.output_shapes(inputs[0], parameters[1][0], 2, attributes)

    def sizes(self, inputs, parameters, attributes):
        return _recurrent.kernel_sizes(inputs[0], parameters[1][0], attributes)

    def workspace(self, sizes):
        T, I, H = sizes[:3]
        return 0, T * (I + 7 * H) + 2 * H

    def temporary(self, sizes):
        T, I, H = sizes[:3]
        fixed = max(packed_size(H, 4 * H) + packed_input_size(I, 4 * H), packed_size(4 * H, H))
        return fixed, 2 * H + sums_per_row(T, I, H, 4 * H)

    def flops(self, sizes):
        T, I, H = sizes[:3]
        return 2 * T * 4 * H * (I + H + 16)


lstm = LSTM("lstm")
register(lstm)


def cells(run):
    """Return all c (B, T, H) of a run: not an output of the op, but in its workspace behind x, gates, h0, c0, h."""
    T, I, H = run.sizes[:3]
    B = run.rows
    begin = B * (T * (I + 5 * H) + 2 * H)
    groups = groups_of(B, T, I, H)
    c = np.empty((B, T, H), run.dtype)
    for group in range(groups):
        first, last = group_start(group, groups, B), group_start(group + 1, groups, B)
        steps = run.workspace[begin + T * first * H:begin + T * last * H]
        c[first:last] = steps.reshape(T, last - first, H).swapaxes(0, 1)
    return c
