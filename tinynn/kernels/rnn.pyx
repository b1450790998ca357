"""Simple recurrent network (Elman): each state is made of the input and the state before it.

    h_t = f(x_t w + h_{t-1} u + b)        x (B, T, I)  w (I, H)  u (H, H)  b (H)  h (B, T, H)      f = tanh
    dz_t = dh_t f'(z_t),   dx_t = dz_t w^T,   dh_{t-1} += dz_t u^T
    dw = sum_t x_t^T dz_t,   du = sum_t h_{t-1}^T dz_t,   db = sum_t,b dz_t

(Elman, "Finding structure in time", 1990; Keras' SimpleRNN.) At and after a row's length h_t = h_{t-1}.
"""

from tinynn.kernels import _recurrent
from tinynn.kernels._signatures import one_of
from tinynn.kernels.op import register

from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

from tinynn.kernels.gemm cimport gemm_pack_team, gemm_team
from tinynn.kernels.machine cimport LINEAR, RELU, SIGMOID, TANH, Worker, real, simd
from tinynn.kernels.op cimport DoubleCall, FloatCall, Op, RealCall, Run, item_counts
from tinynn.kernels.recurrent cimport (
    Part, add_step, begin_input, by_row, by_step, copy_rows, ended, groups_of, next_part, packed_input_size,
    packed_size, parts_of, put_states, rows_grain, start_gradient, sums_per_row, weight_gradient,
)


cdef void rnn_forward(
        real* y, real* last_h,                              # OUT (B, T, H) or the last (B, H), (B, H), may be NULL
        real* workspace, real* packed,                      # OUT kept: x (T, B, I), h0 (B, H), h (T, B, H); packed u, w
        const real* x, const real* w, const real* u, const real* b,     # IN (B, T, I) (I, H) (H, H) (H) or NULL
        const real* h0, const int64_t* lengths,             # IN (B, H) (B), may be NULL
        Py_ssize_t B, Py_ssize_t T, Py_ssize_t I, Py_ssize_t H, bint sequences, int activation,
        Worker* worker) noexcept nogil:
    """h_t = f(x_t w + h_{t-1} u + b)"""
    cdef real* h_start = workspace + T * B * I
    cdef real* h = h_start + B * H
    cdef real* packed_w = packed + packed_size(H, H)
    cdef Py_ssize_t groups = groups_of(B, T, I, H)
    cdef const real* steps = by_step(workspace, x, lengths, B, T, I, groups, worker)
    # The states begin as the input's part of z, and each step turns its own into h.
    cdef bint stepwise = begin_input(h, packed_w, steps, w, b, B, T, I, H, worker)
    cdef Part part = parts_of(B, T, groups, rows_grain(B, T * H * H, worker))
    cdef Py_ssize_t t, row, at, count
    cdef const real* h_before
    gemm_pack_team(packed, u, H, 1, H, H, worker)
    while next_part(&part, worker):
        copy_rows(h_start, h0, part.rows, H)
        h_before = h_start + part.rows.start * H
        count = part.rows.stop - part.rows.start
        for t in range(T):
            at = part.at + t * part.size + part.rows.start
            if stepwise:
                simd(worker, h).gemm_packed(h + at * H, H, steps + at * I, I, 1, packed_w, count, H, I, False, b,
                                            LINEAR)
            # Without an initial state the first product is with zeros: of depth 0.
            simd(worker, h).gemm_packed(h + at * H, H, h_before, H, 1, packed, count, H,
                                        H if t > 0 or h0 != NULL else 0, True, NULL, activation)
            if lengths != NULL:
                for row in range(count):
                    if ended(lengths, part.rows.start + row, t):
                        memcpy(h + (at + row) * H, h_before + row * H, H * sizeof(real))
            h_before = h + at * H
        put_states(y, h, sequences, &part, T, H)
        put_states(last_h, h, False, &part, T, H)


cdef void rnn_backward(
        real* dx, real* dh0,                                # OUT (B, T, I) (B, H), may be NULL
        real* dw, real* du, real* db,                       # OUT (I, H) (H, H) (H), may be NULL; added to if accumulate
        real* workspace, real* temporary,                   # INOUT of forward; packed u^T, dh, dz (T, B, H), sums
        const real* dy, const real* d_last_h,               # IN as y and last_h, may be NULL
        const real* x, const real* w, const real* u,        # IN as in forward
        bint initial, const int64_t* lengths,
        Py_ssize_t B, Py_ssize_t T, Py_ssize_t I, Py_ssize_t H, bint sequences, int activation, bint accumulate,
        Worker* worker) noexcept nogil:
    """dz = dh f'(z),  dx = dz w^T,  dh_previous += dz u^T,  dw = x^T dz,  du = h_previous^T dz,  db = sum dz"""
    cdef real* h_start = workspace + T * B * I
    cdef real* h = h_start + B * H
    cdef real* dh = temporary + packed_size(H, H)
    cdef real* dz = dh + B * H
    cdef real* sums = dz + T * B * H
    cdef bint in_place = lengths == NULL and (B == 1 or T == 1)
    cdef const real* steps = x if in_place else workspace
    cdef const real* initial_h = h_start if initial else NULL
    cdef Py_ssize_t groups = groups_of(B, T, I, H)
    cdef Part part = parts_of(B, T, groups, rows_grain(B, T * H * H, worker))
    cdef Py_ssize_t t, row, at, count
    gemm_pack_team(temporary, u, 1, H, H, H, worker)
    while next_part(&part, worker):
        start_gradient(dh, dy, d_last_h, sequences, part.rows, H, worker)
        count = part.rows.stop - part.rows.start
        for t in range(T - 1, -1, -1):
            add_step(dh, dy, sequences, t, part.rows, T, H, worker)
            at = part.at + t * part.size + part.rows.start
            simd(worker, dz).activation_backward(dz + at * H, dh + part.rows.start * H, h + at * H, count * H,
                                                 activation)
            if lengths != NULL:
                for row in range(part.rows.start, part.rows.stop):
                    # An ended row hands dh on as it is; the others replace it.
                    memset(dz + (part.at + t * part.size + row) * H if ended(lengths, row, t) else dh + row * H, 0,
                           H * sizeof(real))
            if t > 0 or dh0 != NULL:
                simd(worker, dh).gemm_packed(dh + part.rows.start * H, H, dz + at * H, H, 1, temporary, count, H, H,
                                             lengths != NULL, NULL, LINEAR)
        if dh0 != NULL:
            copy_rows(dh0, dh, part.rows, H)
    weight_gradient(dw, H, db, sums, steps, NULL, False, I, dz, H, H, B, T, groups, accumulate, worker)
    weight_gradient(du, H, NULL, sums, h, initial_h, True, H, dz, H, H, B, T, groups, accumulate, worker)
    if dx != NULL:
        # The steps of x are not needed any more: their place takes those of dx.
        gemm_team(dx if in_place else workspace, I, dz, H, 1, w, 1, H, T * B, I, H, False, NULL, LINEAR, worker)
        if not in_place:
            by_row(dx, workspace, B, T, I, groups, worker)


cdef void run_forward(RealCall* call, Worker* worker) noexcept nogil:
    cdef const Py_ssize_t* sizes = call.sizes
    cdef bint sequences = sizes[3], state = sizes[4], initial = sizes[5], lengths = sizes[6], counted = sizes[7]
    rnn_forward(call.outputs[0], call.outputs[1] if state else NULL, call.workspace, call.temporary, call.inputs[0],
                call.parameters[0], call.parameters[1], call.parameters[2], call.inputs[1] if initial else NULL,
                <const int64_t*> call.inputs[1 + initial] if lengths else item_counts(call.step, counted), call.rows,
                sizes[0], sizes[1], sizes[2], sequences, <int> sizes[8], worker)


cdef void run_backward(RealCall* call, Worker* worker) noexcept nogil:
    cdef const Py_ssize_t* sizes = call.sizes
    cdef bint sequences = sizes[3], state = sizes[4], initial = sizes[5], lengths = sizes[6], counted = sizes[7]
    rnn_backward(call.d_inputs[0], call.d_inputs[1] if initial else NULL, call.d_parameters[0], call.d_parameters[1],
                 call.d_parameters[2], call.workspace, call.temporary, call.d_outputs[0],
                 call.d_outputs[1] if state else NULL, call.inputs[0], call.parameters[0], call.parameters[1], initial,
                 <const int64_t*> call.inputs[1 + initial] if lengths else item_counts(call.step, counted), call.rows,
                 sizes[0], sizes[1], sizes[2], sequences, <int> sizes[8], call.accumulate, worker)


ACTIVATIONS = {"linear": LINEAR, "relu": RELU, "sigmoid": SIGMOID, "tanh": TANH}


cdef class RNN(Op):
    """Inputs and outputs as `_recurrent` says, parameters [w (I, H), u (H, H), b (H) or None], attribute activation."""

    def __cinit__(self):
        self.forward = [<Run> run_forward[FloatCall], <Run> run_forward[DoubleCall]]
        self.backward = [<Run> run_backward[FloatCall], <Run> run_backward[DoubleCall]]

    def signature(self, inputs, parameters, attributes):
        return _recurrent.inputs(1, attributes), ["(I, H)", "(H, H)", "(H)?"]

    def options(self):
        return dict(_recurrent.OPTIONS, activation=one_of(tuple(ACTIVATIONS)))

    def leaves_out(self):
        return True

    def shapes(self, inputs, parameters, attributes):
        return _recurrent.output_shapes(inputs[0], parameters[1][0], 1, attributes)

    def sizes(self, inputs, parameters, attributes):
        return (*_recurrent.kernel_sizes(inputs[0], parameters[1][0], attributes),
                ACTIVATIONS[attributes.get("activation", "tanh")])

    def workspace(self, sizes):
        T, I, H = sizes[:3]
        return 0, T * I + (T + 1) * H

    def temporary(self, sizes):
        T, I, H = sizes[:3]
        return packed_size(H, H) + packed_input_size(I, H), (T + 1) * H + sums_per_row(T, I, H, H)

    def flops(self, sizes):
        T, I, H = sizes[:3]
        return 2 * T * H * (I + H + 16)


rnn = RNN("rnn")
register(rnn)
