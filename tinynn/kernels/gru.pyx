"""GRU: a recurrent network whose gates z and r mix the old state with a candidate g.

    [z_z z_r z_g] = x_t w + b_0,   z = s(z_z + a_z),   r = s(z_r + a_r)      x (B, T, I)  w (I, 3H)  u (H, 3H)
    h_t = z h_{t-1} + (1 - z) g                                            h (B, T, H)

    reset_after:  a = h_{t-1} u + b_1,                          g = tanh(z_g + r a_g)           b (2, 3H)
    otherwise:    a = h_{t-1} u,   a_g = (r h_{t-1}) u_g,       g = tanh(z_g + a_g)             b_0 = b (3H)

    dz_z = dh (h_{t-1} - g) z(1-z),   dz_g = dh (1 - z)(1 - g^2),   dh_{t-1} += dh z
    reset_after:  dz_r = dz_g a_g r(1-r),   da = [dz_z dz_r (dz_g r)],   dh_{t-1} += da u^T
    otherwise:    d(r h) = dz_g u_g^T,   dz_r = d(r h) h_{t-1} r(1-r),   dh_{t-1} += d(r h) r + [dz_z dz_r] [u_z u_r]^T
    dx = dz w^T,   dw = x^T dz,   du = h_previous^T da, or for u_g (r h)^T dz_g,   db_0 = sum dz,   db_1 = sum da

(Cho et al., "Learning phrase representations using RNN encoder-decoder", 2014, is `reset_after=False`; with the reset
gate after the product, one product does for a step: cuDNN's and Keras' default.) At and after a row's length
h_t = h_{t-1}.
"""

from tinynn.kernels import _recurrent
from tinynn.kernels._signatures import flag
from tinynn.kernels.op import register

from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

from tinynn.kernels.gemm cimport gemm_pack_team, gemm_team
from tinynn.kernels.machine cimport LINEAR, Range, Worker, real, simd
from tinynn.kernels.op cimport DoubleCall, FloatCall, Op, RealCall, Run, item_counts
from tinynn.kernels.recurrent cimport (
    Part, add_step, begin_input, by_row, by_step, copy_rows, ended, groups_of, next_part, packed_input_size,
    packed_size, parts_of, put_states, rows_grain, start_gradient, sums_per_row, weight_gradient,
)


cdef inline void cells_forward(
        real* gates, real* h,                               # INOUT (rows, 3H), OUT (rows, H)
        const real* inner, const real* h_before,            # IN (rows, 3H) if reset_after, (rows, H)
        const int64_t* lengths, Range rows, Py_ssize_t t, Py_ssize_t H, bint reset_after,
        Worker* worker) noexcept nogil:
    """h = z h_before + (1 - z) g, or h_before where the row has ended; arrays begin at the first of the rows"""
    cdef Py_ssize_t row
    for row in range(rows.stop - rows.start):
        if ended(lengths, rows.start + row, t):
            memcpy(h + row * H, h_before + row * H, H * sizeof(real))
        elif reset_after:
            simd(worker, gates).gru_cell_forward(gates + row * 3 * H, h + row * H, inner + row * 3 * H,
                                                 h_before + row * H, H)
        else:
            simd(worker, gates).gru_candidate_forward(gates + row * 3 * H, h + row * H, h_before + row * H, H)


cdef inline void cells_backward(
        real* gates, real* inner, real* dh,                 # INOUT (B, 3H), (B, 3H) if reset_after, (B, H)
        const real* h_before,                               # IN (B, H)
        const int64_t* lengths, Range rows, Py_ssize_t t, Py_ssize_t H, bint reset_after,
        Worker* worker) noexcept nogil:
    """gates := dz,  inner := da if reset_after,  dh := dh z;  zeros, and dh unchanged, where the row has ended"""
    cdef Py_ssize_t row
    for row in range(rows.start, rows.stop):
        if ended(lengths, row, t):
            memset(gates + row * 3 * H, 0, 3 * H * sizeof(real))
            if reset_after:
                memset(inner + row * 3 * H, 0, 3 * H * sizeof(real))
        elif reset_after:
            simd(worker, gates).gru_cell_backward(gates + row * 3 * H, inner + row * 3 * H, dh + row * H, dh + row * H,
                                                  gates + row * 3 * H, inner + row * 3 * H, h_before + row * H, H)
        else:
            simd(worker, gates).gru_candidate_backward(gates + row * 3 * H, dh + row * H, dh + row * H,
                                                       gates + row * 3 * H, h_before + row * H, H)


cdef inline void reset_backward(
        real* gates, real* dh, real* d_reset_h,             # INOUT (B, 3H): dz; INOUT, OUT (B, H)
        const real* packed_u, const real* h_before,         # IN u_g^T, (B, H)
        const int64_t* lengths, Range rows, Py_ssize_t t, Py_ssize_t H, Worker* worker) noexcept nogil:
    """d(r h) = dz_g u_g^T,  dz_r = d(r h) h_before r (1-r),  dh += d(r h) r"""
    cdef Py_ssize_t row, first = rows.start
    simd(worker, d_reset_h).gemm_packed(d_reset_h + first * H, H, gates + first * 3 * H + 2 * H, 3 * H, 1, packed_u,
                                        rows.stop - first, H, H, False, NULL, LINEAR)
    for row in range(first, rows.stop):
        if not ended(lengths, row, t):
            simd(worker, gates).gru_reset_backward(gates + row * 3 * H, dh + row * H, d_reset_h + row * H,
                                                   gates + row * 3 * H, h_before + row * H, H)


cdef void recurrent_gradient(
        real* du, real* db,                                 # OUT (H, 3H) (3H), may be NULL; db if reset_after
        real* sums,                                         # scratch
        const real* h, const real* h0,                      # IN (T, B, H), (B, H) or NULL
        const real* dz, const real* inner,                  # IN (T, B, 3H), da (T, B, 3H) or else r h (T, B, H)
        Py_ssize_t B, Py_ssize_t T, Py_ssize_t H, Py_ssize_t groups, bint reset_after, bint accumulate,
        Worker* worker) noexcept nogil:
    """du = h_previous^T da,  db = sum da;  or du = [h_previous^T [dz_z dz_r], (r h)^T dz_g]"""
    if reset_after:
        weight_gradient(du, 3 * H, db, sums, h, h0, True, H, inner, 3 * H, 3 * H, B, T, groups, accumulate, worker)
    elif du != NULL:
        weight_gradient(du, 3 * H, NULL, sums, h, h0, True, H, dz, 3 * H, 2 * H, B, T, groups, accumulate, worker)
        weight_gradient(du + 2 * H, 3 * H, NULL, sums, inner, NULL, False, H, dz + 2 * H, 3 * H, H, B, T, groups,
                        accumulate, worker)


cdef void gru_forward(
        real* y, real* last_h,                              # OUT (B, T, H) or the last (B, H), (B, H), may be NULL
        real* workspace, real* packed,                      # OUT kept: x (T, B, I), gates (T, B, 3H), h0 (B, H),
                                                            #     h (T, B, H), a (T, B, 3H) or else r h (T, B, H);
                                                            #     packed u, w
        const real* x, const real* w, const real* u, const real* b,     # IN (B, T, I) (I, 3H) (H, 3H), b or NULL
        const real* h0, const int64_t* lengths,             # IN (B, H) (B), may be NULL
        Py_ssize_t B, Py_ssize_t T, Py_ssize_t I, Py_ssize_t H, bint sequences, bint reset_after,
        Worker* worker) noexcept nogil:
    """h_t = z h_{t-1} + (1 - z) g"""
    cdef real* gates = workspace + T * B * I
    cdef real* h_start = gates + T * B * 3 * H
    cdef real* h = h_start + B * H
    cdef real* inner = h + T * B * H                        # a, or r h
    cdef real* packed_candidate = packed + packed_size(H, 2 * H)
    cdef real* packed_w = packed + packed_size(H, 2 * H) + packed_size(H, H)
    cdef const real* recurrent_bias = b + 3 * H if b != NULL else NULL
    cdef Py_ssize_t groups = groups_of(B, T, I, H)
    cdef const real* steps = by_step(workspace, x, lengths, B, T, I, groups, worker)
    cdef bint stepwise = begin_input(gates, packed_w, steps, w, b, B, T, I, 3 * H, worker)
    cdef Part part = parts_of(B, T, groups, rows_grain(B, T * H * 3 * H, worker))
    cdef Py_ssize_t t, row, at, count, depth
    cdef const real* h_before
    if reset_after:
        gemm_pack_team(packed, u, 3 * H, 1, H, 3 * H, worker)
    else:
        gemm_pack_team(packed, u, 3 * H, 1, H, 2 * H, worker)
        gemm_pack_team(packed_candidate, u + 2 * H, 3 * H, 1, H, H, worker)
    while next_part(&part, worker):
        copy_rows(h_start, h0, part.rows, H)
        h_before = h_start + part.rows.start * H
        count = part.rows.stop - part.rows.start
        for t in range(T):
            at = part.at + t * part.size + part.rows.start
            if stepwise:
                simd(worker, gates).gemm_packed(gates + at * 3 * H, 3 * H, steps + at * I, I, 1, packed_w, count, 3 * H,
                                                I, False, b, LINEAR)
            # Without an initial state the first products are with zeros: of depth 0.
            depth = H if t > 0 or h0 != NULL else 0
            if reset_after:
                simd(worker, inner).gemm_packed(inner + at * 3 * H, 3 * H, h_before, H, 1, packed, count, 3 * H, depth,
                                                False, recurrent_bias, LINEAR)
            else:
                simd(worker, gates).gemm_packed(gates + at * 3 * H, 3 * H, h_before, H, 1, packed, count, 2 * H, depth,
                                                True, NULL, LINEAR)
                for row in range(count):
                    simd(worker, gates).gru_reset_forward(gates + (at + row) * 3 * H, inner + (at + row) * H,
                                                          h_before + row * H, H)
                simd(worker, gates).gemm_packed(gates + at * 3 * H + 2 * H, 3 * H, inner + at * H, H, 1,
                                                packed_candidate, count, H, depth, True, NULL, LINEAR)
            cells_forward(gates + at * 3 * H, h + at * H, inner + at * (3 * H if reset_after else H), h_before, lengths,
                          part.rows, t, H, reset_after, worker)
            h_before = h + at * H
        put_states(y, h, sequences, &part, T, H)
        put_states(last_h, h, False, &part, T, H)


cdef void gru_backward(
        real* dx, real* dh0,                                # OUT (B, T, I) (B, H), may be NULL
        real* dw, real* du, real* db,                       # OUT as w, u, b, may be NULL; added to if accumulate
        real* workspace, real* temporary,                   # INOUT of forward; packed u^T, dh and d(r h) (B, H), sums
        const real* dy, const real* d_last_h,               # IN as y and last_h, may be NULL
        const real* x, const real* w, const real* u,        # IN as in forward
        bint initial, const int64_t* lengths,
        Py_ssize_t B, Py_ssize_t T, Py_ssize_t I, Py_ssize_t H, bint sequences, bint reset_after, bint accumulate,
        Worker* worker) noexcept nogil:
    """dx_t = dz_t w^T,  dh_{t-1} += dh_t z + da_t u^T,  dw = x^T dz,  du = h_previous^T da,  db = sum dz, sum da"""
    cdef real* gates = workspace + T * B * I                # step by step overwritten with dz,
    cdef real* h_start = gates + T * B * 3 * H
    cdef real* h = h_start + B * H
    cdef real* inner = h + T * B * H                        # and a with da
    cdef real* packed_candidate = temporary + packed_size(2 * H, H)
    cdef real* dh = temporary + packed_size(3 * H, H)
    cdef real* d_reset_h = dh + B * H
    cdef real* sums = d_reset_h + B * H
    cdef bint in_place = lengths == NULL and (B == 1 or T == 1)
    cdef const real* steps = x if in_place else workspace
    cdef Py_ssize_t groups = groups_of(B, T, I, H)
    cdef Part part = parts_of(B, T, groups, rows_grain(B, T * H * 3 * H, worker))
    cdef Py_ssize_t t, at, count
    cdef const real* h_before
    if reset_after:
        gemm_pack_team(temporary, u, 1, 3 * H, 3 * H, H, worker)
    else:
        gemm_pack_team(temporary, u, 1, 3 * H, 2 * H, H, worker)
        gemm_pack_team(packed_candidate, u + 2 * H, 1, 3 * H, H, H, worker)
    while next_part(&part, worker):
        start_gradient(dh, dy, d_last_h, sequences, part.rows, H, worker)
        count = part.rows.stop - part.rows.start
        for t in range(T - 1, -1, -1):
            add_step(dh, dy, sequences, t, part.rows, T, H, worker)
            at = part.at + t * part.size
            h_before = h + (at - part.size) * H if t > 0 else h_start
            cells_backward(gates + at * 3 * H, inner + at * (3 * H if reset_after else H), dh, h_before, lengths,
                           part.rows, t, H, reset_after, worker)
            if reset_after:
                if t > 0 or dh0 != NULL:
                    simd(worker, dh).gemm_packed(dh + part.rows.start * H, H, inner + (at + part.rows.start) * 3 * H,
                                                 3 * H, 1, temporary, count, H, 3 * H, True, NULL, LINEAR)
                continue
            reset_backward(gates + at * 3 * H, dh, d_reset_h, packed_candidate, h_before, lengths, part.rows, t, H,
                           worker)
            if t > 0 or dh0 != NULL:
                simd(worker, dh).gemm_packed(dh + part.rows.start * H, H, gates + (at + part.rows.start) * 3 * H, 3 * H,
                                             1, temporary, count, H, 2 * H, True, NULL, LINEAR)
        if dh0 != NULL:
            copy_rows(dh0, dh, part.rows, H)
    weight_gradient(dw, 3 * H, db, sums, steps, NULL, False, I, gates, 3 * H, 3 * H, B, T, groups, accumulate, worker)
    recurrent_gradient(du, db + 3 * H if db != NULL and reset_after else NULL, sums, h, h_start if initial else NULL,
                       gates, inner, B, T, H, groups, reset_after, accumulate, worker)
    if dx != NULL:
        # The steps of x are not needed any more: their place takes those of dx.
        gemm_team(dx if in_place else workspace, I, gates, 3 * H, 1, w, 1, 3 * H, T * B, I, 3 * H, False, NULL, LINEAR,
                  worker)
        if not in_place:
            by_row(dx, workspace, B, T, I, groups, worker)


cdef void run_forward(RealCall* call, Worker* worker) noexcept nogil:
    cdef const Py_ssize_t* sizes = call.sizes
    cdef bint sequences = sizes[3], state = sizes[4], initial = sizes[5], lengths = sizes[6], counted = sizes[7]
    gru_forward(call.outputs[0], call.outputs[1] if state else NULL, call.workspace, call.temporary, call.inputs[0],
                call.parameters[0], call.parameters[1], call.parameters[2], call.inputs[1] if initial else NULL,
                <const int64_t*> call.inputs[1 + initial] if lengths else item_counts(call.step, counted), call.rows,
                sizes[0], sizes[1], sizes[2], sequences, sizes[8], worker)


cdef void run_backward(RealCall* call, Worker* worker) noexcept nogil:
    cdef const Py_ssize_t* sizes = call.sizes
    cdef bint sequences = sizes[3], state = sizes[4], initial = sizes[5], lengths = sizes[6], counted = sizes[7]
    gru_backward(call.d_inputs[0], call.d_inputs[1] if initial else NULL, call.d_parameters[0], call.d_parameters[1],
                 call.d_parameters[2], call.workspace, call.temporary, call.d_outputs[0],
                 call.d_outputs[1] if state else NULL, call.inputs[0], call.parameters[0], call.parameters[1], initial,
                 <const int64_t*> call.inputs[1 + initial] if lengths else item_counts(call.step, counted), call.rows,
                 sizes[0], sizes[1], sizes[2], sequences, sizes[8], call.accumulate, worker)


cdef class GRU(Op):
    """Inputs and outputs as `_recurrent` says, parameters [w (I, 3H), u (H, 3H), b (2, 3H) or None], attribute
    reset_after; without it b is (3H)."""

    def __cinit__(self):
        self.forward = [<Run> run_forward[FloatCall], <Run> run_forward[DoubleCall]]
        self.backward = [<Run> run_backward[FloatCall], <Run> run_backward[DoubleCall]]

    def signature(self, inputs, parameters, attributes):
        bias = "(2, 3H)?" if attributes.get("reset_after", True) else "(3H)?"
        return _recurrent.inputs(1, attributes), ["(I, 3H)", "(H, 3H)", bias]

    def options(self):
        return dict(_recurrent.OPTIONS, reset_after=flag)

    def leaves_out(self):
        return True

    def shapes(self, inputs, parameters, attributes):
        return _recurrent.output_shapes(inputs[0], parameters[1][0], 1, attributes)

    def sizes(self, inputs, parameters, attributes):
        return (*_recurrent.kernel_sizes(inputs[0], parameters[1][0], attributes),
                int(bool(attributes.get("reset_after", True))))

    def workspace(self, sizes):
        T, I, H = sizes[:3]
        inner = 3 * H if sizes[8] else H
        return 0, T * (I + 3 * H + inner) + (T + 1) * H

    def temporary(self, sizes):
        T, I, H = sizes[:3]
        forward = packed_size(H, 2 * H) + packed_size(H, H) + packed_input_size(I, 3 * H)
        return max(forward, packed_size(3 * H, H)), 2 * H + sums_per_row(T, I, H, 3 * H)

    def flops(self, sizes):
        T, I, H = sizes[:3]
        return 2 * T * 3 * H * (I + H + 16)


gru = GRU("gru")
register(gru)
