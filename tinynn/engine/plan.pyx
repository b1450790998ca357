"""Running a program: arenas, and the loop over mini-batches that never touches a Python object.

Design: a `Plan` is a program made ready for one dtype and one set of parameters. A call leases an `Arena` from it:
the memory of all buffers, and for each batch size in use (the full one, the last one) the calls of the ops with
their pointers resolved. A `Job` is one pass over samples; `Job.run` does steps until it is done, or about 100 ms
have passed, or something went wrong, without the GIL. All threads of the team run `steps` together (parallel.h).
"""

from contextlib import contextmanager
from sys import intern

import numpy as np

import tinynn.engine.python_op  # no-cython-lint: registers its ops
from tinynn.engine.memory import CACHE_LINE, aligned, check_bytes
from tinynn.engine.graph import product
from tinynn.kernels import op as ops

cimport numpy as cnp

from libc.math cimport fabs, isfinite, sqrt
from libc.stdint cimport INT64_MAX, int64_t, uint32_t, uint64_t, uintptr_t
from libc.string cimport memcpy, memset
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

from tinynn.engine.pool cimport run_team, threads_wanted
from tinynn.kernels.augmentation cimport augmentation_of
from tinynn.kernels.machine cimport (
    DOUBLE, FLOAT, GEMM_SCRATCH_BYTES, UINT8, Augmentation, Range, Simd, Worker, augment, augmentation_scratch, claim,
    convert, instruction_set_in_use, real, vector_dot, vector_scale,
)
from tinynn.kernels.op cimport (
    RELAXED, Call, Op, Prepare, Rule, Run, Step, Update, load_size, store_counts, store_size,
)

cdef extern from * nogil:
    void prefetch "__builtin_prefetch"(const void* address)

cdef extern from "random.h" nogil:
    void c_shuffle "shuffle"(int64_t* order, int64_t n, uint64_t key, unsigned int epoch, const Simd* simd)


cnp.import_array()

cdef enum: SLICE_NANOSECONDS = 100_000_000
# A team earns its barriers when a step has more arithmetic than this.
cdef enum: FLOPS_WORTH_A_TEAM = 4_000_000
cdef enum: UPDATE_CHUNK = 8192
# From so many parameters on, with gradient and optimizer's state more than the second-level cache holds, each op's
# are updated right after its backward pass.
cdef enum: PARAMETERS_WORTH_FUSING = 32768
# Steps with less arithmetic than this share a look at the clock.
cdef enum: FLOPS_WORTH_A_LOOK = 4_000_000
# Batch sizes that an arena, and numbers of rows that a Predictor keeps ready.
cdef enum: MOST_BINDINGS = 16
# What a Predictor takes: more rows are worth the look at the arguments.
cdef enum: MOST_ROWS = 256
cdef enum: MOST_DIMENSIONS = 8
# 2^128 - 2^103: the smallest double that becomes an infinite float.
cdef double BEYOND_FLOAT = 3.4028235677973366e38

# Why a run returned.
cdef enum Reason:
    RUN_DONE
    RUN_TIME
    RUN_NOT_FINITE
    RUN_FAILED

DONE, TIME, NOT_FINITE, FAILED = RUN_DONE, RUN_TIME, RUN_NOT_FINITE, RUN_FAILED

# Where samples come from: sample i is per_sample items, those named by indices, or the next ones in order.
cdef struct Items:
    const char* data
    int kind                    # UINT8, FLOAT or DOUBLE
    Py_ssize_t size             # numbers per item
    Py_ssize_t per_sample
    const int64_t* indices      # -1 where a sample has no item
    bint missing                # whether there is any -1

cdef struct Branch:
    int first
    int count

cdef struct Stage:
    int first       # branch
    int count

# A program with its buffers resolved for one batch size.
cdef struct Bound:
    Py_ssize_t batch
    Call* calls
    void* input
    void* target
    void* weights
    int64_t* counts
    void* losses
    void* d_losses
    void* output

cdef struct Chunk:
    Py_ssize_t start
    Py_ssize_t stop
    bint decayed

# A part of the weights whose size is a term of the loss: l1 sum |w| + l2 sum w^2
cdef struct Penalty:
    Py_ssize_t start
    Py_ssize_t stop
    double l1
    double l2

# What an optimizer's Prepare wrote for one step: for parameters without weight decay, and with. And by what the
# gradient is multiplied.
cdef struct Rates:
    double plain[16]
    double decayed[16]
    double factor
    double fresh

# What happens to a gradient before the rule, and to the weights after it. 0: nothing.
cdef struct Limits:
    double value                    # largest number in a gradient
    double norm                     # largest norm of the whole gradient
    double fresh                    # share of the weights in their moving average

cdef struct Loop:
    # the program
    const Stage* stages
    const Branch* branches
    int stage_count
    const Run* forward
    const Run* backward
    int loss                    # index of the loss op; -1 without
    int metric_count
    const Py_ssize_t* metric_rows
    Py_ssize_t loss_rows
    Py_ssize_t output_size      # numbers per sample
    Bound full
    Bound last
    Step* step
    # the data
    Items x
    double scale
    double offset
    bint augments
    Augmentation augmentation   # of items that are images
    void* augmentation_scratch  # of every thread
    Py_ssize_t augmentation_numbers
    const char* targets
    Py_ssize_t target_bytes     # per sample
    const double* sample_weights
    Py_ssize_t weight_rows      # weights per sample: 1, or one for each of its losses
    const int64_t* order
    Py_ssize_t samples
    Py_ssize_t batch
    Py_ssize_t steps
    # the terms of the loss that are sizes of weights
    const Penalty* penalties
    Py_ssize_t penalty_count
    double* penalty_terms       # each one's
    # what to do with it
    bint gradient
    bint update
    bint may_fail               # some op is written in Python
    void* predictions
    # the update
    Prepare prepare
    Update change
    const double* configuration
    bint decays                     # parameters with weight decay have scalars of their own
    const double* learning_rates  # one per step
    uint64_t iteration            # updates before step 0
    void* w
    void* dw
    void** states
    Limits limits
    double* squares                 # of each chunk of the gradient, for its norm
    void* average
    const Chunk* chunks
    const Py_ssize_t* chunk_starts  # by op, and where the last one's end
    bint fused                      # each op's chunks follow its backward pass; else all of them the last one
    # how far it is
    Py_ssize_t first_step       # of this run: not to change while threads may still join it
    Py_ssize_t next_step
    int64_t deadline
    Py_ssize_t steps_per_look   # at the clock
    Py_ssize_t stop_step        # this one and the next are read by late threads too: see `decide`
    Py_ssize_t reason
    int* failed
    double* totals              # samples, loss, metrics: sums over samples
    double last_loss


cdef int64_t nanoseconds() noexcept nogil:
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return now.tv_sec * 1_000_000_000 + now.tv_nsec


cdef void gather(Loop* loop, const Bound* bound, Py_ssize_t step, Worker* worker, real* dtype) noexcept nogil:
    """Samples, targets and weights of one mini-batch; one phase, split by samples."""
    cdef Range rows
    cdef Py_ssize_t row, sample, item, j, i, size = loop.x.size
    cdef real* x = <real*> bound.input
    cdef real* y
    cdef Py_ssize_t item_bytes = size * (1 if loop.x.kind == UINT8 else 4 * loop.x.kind)
    while claim(worker, bound.batch, 1 + 4096 // (loop.x.per_sample * size + 1), &rows):
        if rows.start == 0:
            loop.step.step = loop.iteration + step
            store_counts(&loop.step.counts, bound.counts if loop.x.missing else NULL, RELAXED)
        for row in range(rows.start, rows.stop):
            sample = step * loop.batch + row
            if loop.order != NULL:
                # The sample that this row takes in the next step lies anywhere: ask for it now.
                if sample + loop.batch < loop.samples and loop.x.indices == NULL:
                    prefetch(loop.x.data + loop.order[sample + loop.batch] * loop.x.per_sample * item_bytes)
                sample = loop.order[sample]
            bound.counts[row] = 0
            for j in range(loop.x.per_sample):
                item = sample * loop.x.per_sample + j
                if loop.x.indices != NULL:
                    item = loop.x.indices[item]
                y = x + (row * loop.x.per_sample + j) * size
                if item < 0:
                    for i in range(size):
                        y[i] = <real> loop.offset
                    continue
                bound.counts[row] += 1
                if loop.augments:
                    augment(y, loop.x.data + item * item_bytes, loop.x.kind, &loop.augmentation, <uint32_t> sample,
                            <uint32_t> j, loop.scale, loop.offset,
                            <real*> loop.augmentation_scratch + worker.index * loop.augmentation_numbers, worker)
                else:
                    convert(y, loop.x.data + item * item_bytes, loop.x.kind, loop.scale, loop.offset, size, worker)
            if loop.targets != NULL and loop.target_bytes == sizeof(int64_t):  # one label: no call
                memcpy(<int64_t*> bound.target + row, <const int64_t*> loop.targets + sample, sizeof(int64_t))
            elif loop.targets != NULL:
                memcpy(<char*> bound.target + row * loop.target_bytes, loop.targets + sample * loop.target_bytes,
                       loop.target_bytes)
            if loop.sample_weights != NULL:
                for j in range(loop.weight_rows):
                    (<real*> bound.weights)[row * loop.weight_rows + j] = <real> (
                        loop.sample_weights[sample * loop.weight_rows + j])


cdef void run_branch(Loop* loop, const Bound* bound, Branch branch, bint forward, Rates* rates,
                     Worker* worker, real* dtype) noexcept nogil:
    """The ops of a branch one after the other; backward leaves out those before which nothing learns."""
    cdef int i
    if forward:
        for i in range(branch.first, branch.first + branch.count):
            loop.forward[i](&bound.calls[i], worker)
    else:
        for i in range(branch.first + branch.count - 1, branch.first - 1, -1):
            if loop.backward[i] != NULL:
                loop.backward[i](&bound.calls[i], worker)
            if loop.fused:
                update(loop, i, i + 1, rates, worker, dtype)


cdef void run_stage(Loop* loop, const Bound* bound, int stage, bint forward, Rates* rates, Worker* worker,
                    real* dtype) noexcept nogil:
    """The ops of one stage: one branch by the whole team, several branches by one thread each."""
    cdef Stage s = loop.stages[stage]
    cdef Range part
    cdef Worker alone
    cdef Py_ssize_t branch
    if s.count == 1:
        run_branch(loop, bound, loop.branches[s.first], forward, rates, worker, dtype)
        return
    while claim(worker, s.count, 1, &part):
        alone = worker[0]
        alone.team = NULL
        alone.given = 0
        for branch in range(part.start, part.stop):
            run_branch(loop, bound, loop.branches[s.first + branch], forward, rates, &alone, dtype)


cdef void weigh(Loop* loop, Worker* worker, real* dtype) noexcept nogil:
    """The terms of the loss that are sizes of weights; one phase, split by parts of the weights"""
    cdef Range part
    cdef Penalty penalty
    cdef const real* w
    cdef Py_ssize_t i, j
    cdef double total
    while claim(worker, loop.penalty_count, 1, &part):
        for i in range(part.start, part.stop):
            penalty = loop.penalties[i]
            w = <const real*> loop.w + penalty.start
            total = 0
            if penalty.l1 != 0:
                for j in range(penalty.stop - penalty.start):
                    total += fabs(w[j])
            loop.penalty_terms[i] = penalty.l1 * total
            if penalty.l2 != 0:
                loop.penalty_terms[i] += penalty.l2 * vector_dot(w, w, penalty.stop - penalty.start, worker)


cdef void penalize(Loop* loop, Worker* worker, real* dtype) noexcept nogil:
    """dw += l1 sign(w) + 2 l2 w; one phase, split by parts of the weights"""
    cdef Range part
    cdef Penalty penalty
    cdef real l1, l2
    cdef const real* w
    cdef real* dw
    cdef Py_ssize_t i, j
    while claim(worker, loop.penalty_count, 1, &part):
        for i in range(part.start, part.stop):
            penalty = loop.penalties[i]
            l1, l2 = <real> penalty.l1, <real> (2 * penalty.l2)
            w = <const real*> loop.w + penalty.start
            dw = <real*> loop.dw + penalty.start
            for j in range(penalty.stop - penalty.start):
                dw[j] += l2 * w[j] + (l1 if w[j] > 0 else -l1 if w[j] < 0 else <real> 0)


cdef void decide(Loop* loop, Py_ssize_t reason, Py_ssize_t step) noexcept nogil:
    """Stop at this step. In no order: those whom it stops meet a barrier first. Atomic, for those who are late."""
    store_size(&loop.reason, reason, RELAXED)
    store_size(&loop.stop_step, step, RELAXED)


cdef Py_ssize_t decided(const Py_ssize_t* number) noexcept nogil:
    return load_size(number, RELAXED)


cdef void judge(Loop* loop, const Bound* bound, Py_ssize_t step, Worker* worker, real* dtype) noexcept nogil:
    """The step's loss and metrics, its rows' gradients, and whether to go on; one phase on one thread."""
    cdef Range part
    cdef Py_ssize_t row, j, metric, rows = bound.batch, count = bound.batch * loop.loss_rows
    cdef const real* losses = <const real*> bound.losses
    cdef real* d_losses = <real*> bound.d_losses
    cdef const real* weights = <const real*> bound.weights if loop.sample_weights != NULL else NULL
    cdef const real* values
    cdef double weight = 1, loss = 0, total
    while claim(worker, 1, 1, &part):
        if loop.loss >= 0:
            for row in range(rows):
                for j in range(row * loop.loss_rows, (row + 1) * loop.loss_rows):
                    if weights != NULL:
                        weight = weights[row if loop.weight_rows == 1 else j]
                    loss += weight * losses[j]
                    if loop.gradient:
                        d_losses[j] = <real> (weight / count)
            loss /= count
            for j in range(loop.penalty_count):
                loss += loop.penalty_terms[j]
            loop.last_loss = loss
            loop.totals[0] += rows
            loop.totals[1] += loss * rows
            for metric in range(loop.metric_count):
                values = <const real*> bound.calls[loop.loss + 1 + metric].outputs[0]
                total = 0
                for j in range(rows * loop.metric_rows[metric]):
                    total += values[j]
                loop.totals[2 + metric] += total / loop.metric_rows[metric]
        if loop.predictions != NULL:
            memcpy(<real*> loop.predictions + step * loop.batch * loop.output_size, bound.output,
                   rows * loop.output_size * sizeof(real))
        if loop.failed[0]:
            decide(loop, RUN_FAILED, step)
        elif loop.gradient and not isfinite(loss):
            decide(loop, RUN_NOT_FINITE, step)
        elif (step + 1) % loop.steps_per_look == 0 and nanoseconds() > loop.deadline:
            decide(loop, RUN_TIME, step)


cdef void judge_backward(Loop* loop, Py_ssize_t step, Worker* worker) noexcept nogil:
    """Whether the backward pass of an op in Python failed; a phase, for a late thread must not see a later failure."""
    cdef Range part
    while claim(worker, 1, 1, &part):
        if loop.failed[0]:
            decide(loop, RUN_FAILED, step)


cdef void prepare(Loop* loop, Py_ssize_t step, Rates* rates) noexcept nogil:
    """The numbers that the optimizer's rule needs in this step."""
    cdef uint64_t number = loop.iteration + step + 1
    rates.factor = 1
    rates.fresh = loop.limits.fresh if number > 1 else 1  # the average begins with the weights after the first step
    loop.prepare(rates.plain, loop.configuration, loop.learning_rates[step], number, False)
    if loop.decays:
        loop.prepare(rates.decayed, loop.configuration, loop.learning_rates[step], number, True)


cdef void measure(Loop* loop, Rates* rates, Worker* worker, real* dtype) noexcept nogil:
    """By what the gradient is multiplied so that its norm does not exceed the limit; one phase"""
    cdef Range part
    cdef Py_ssize_t i, chunks = loop.chunk_starts[1]
    cdef const real* dw
    cdef double total = 0
    while claim(worker, chunks, 1, &part):
        for i in range(part.start, part.stop):
            dw = <const real*> loop.dw + loop.chunks[i].start
            loop.squares[i] = vector_dot(dw, dw, loop.chunks[i].stop - loop.chunks[i].start, worker)
    for i in range(chunks):
        total += loop.squares[i]
    if total > loop.limits.norm * loop.limits.norm:
        rates.factor = loop.limits.norm / sqrt(total)


cdef void limit(real* dw, Py_ssize_t n, double factor, double most, Worker* worker) noexcept nogil:
    """dw := factor dw, or each number of it brought between -most and most"""
    cdef Py_ssize_t i
    if factor != 1:
        vector_scale(dw, dw, <real> factor, n, worker)
    if most > 0:
        for i in range(n):
            dw[i] = <real> most if dw[i] > most else <real> -most if dw[i] < -most else dw[i]


cdef void update(Loop* loop, Py_ssize_t first, Py_ssize_t last, Rates* rates, Worker* worker,
                 real* dtype) noexcept nogil:
    """w, states := the optimizer's rule, for the ops first..last; one phase, split by chunks of the flat vectors."""
    cdef void* states[8]
    cdef Range part
    cdef Chunk chunk
    cdef double* scalars
    cdef real* w
    cdef real* dw
    cdef real* average
    cdef Py_ssize_t i, j
    first, last = loop.chunk_starts[first], loop.chunk_starts[last]
    while claim(worker, last - first, 1, &part):
        for i in range(first + part.start, first + part.stop):
            chunk = loop.chunks[i]
            scalars = rates.plain
            if chunk.decayed:
                scalars = rates.decayed
            for j in range(8):
                states[j] = NULL if loop.states[j] == NULL else <real*> loop.states[j] + chunk.start
            w = <real*> loop.w + chunk.start
            dw = <real*> loop.dw + chunk.start
            limit(dw, chunk.stop - chunk.start, rates.factor, loop.limits.value, worker)
            loop.change(w, dw, states, scalars, chunk.stop - chunk.start, worker)
            if loop.average != NULL:
                average = <real*> loop.average + chunk.start
                for j in range(chunk.stop - chunk.start):
                    average[j] = average[j] + <real> rates.fresh * (w[j] - average[j])


cdef void steps(Loop* loop, Worker* worker, real* dtype) noexcept nogil:
    """Every thread of the team runs this. What decides how it goes on is written in `judge`, before a barrier.

    A thread that is late may see a decision of a later step; the others are then past every barrier it can meet.
    """
    cdef Py_ssize_t step = loop.first_step
    cdef const Bound* bound
    cdef Rates rates
    cdef int stage, metric
    while step < loop.steps:
        bound = &loop.last if (step + 1) * loop.batch > loop.samples else &loop.full
        gather(loop, bound, step, worker, dtype)
        for stage in range(loop.stage_count):
            run_stage(loop, bound, stage, True, &rates, worker, dtype)
        if loop.loss >= 0:
            for metric in range(loop.metric_count + 1):
                loop.forward[loop.loss + metric](&bound.calls[loop.loss + metric], worker)
        if loop.penalty_count:
            weigh(loop, worker, dtype)
        judge(loop, bound, step, worker, dtype)
        if decided(&loop.stop_step) <= step and decided(&loop.reason) != RUN_TIME:
            return
        if loop.gradient:
            if loop.update:
                prepare(loop, step, &rates)
            loop.backward[loop.loss](&bound.calls[loop.loss], worker)
            for stage in range(loop.stage_count - 1, -1, -1):
                run_stage(loop, bound, stage, False, &rates, worker, dtype)
            if loop.may_fail:
                judge_backward(loop, step, worker)
                if decided(&loop.stop_step) <= step and decided(&loop.reason) == RUN_FAILED:
                    return
            if loop.penalty_count:
                penalize(loop, worker, dtype)
            if loop.update and loop.limits.norm > 0:
                measure(loop, &rates, worker, dtype)
            if loop.update and not loop.fused:
                update(loop, 0, 1, &rates, worker, dtype)
        step += 1
        if decided(&loop.stop_step) < step:
            break
    if worker.index == 0:
        loop.next_step = step


cdef void steps_float(void* loop, Worker* worker) noexcept nogil:
    steps(<Loop*> loop, worker, <float*> NULL)


cdef void steps_double(void* loop, Worker* worker) noexcept nogil:
    steps(<Loop*> loop, worker, <double*> NULL)


cdef class Arena:
    """The buffers of one call, and the ops' calls bound to them for each batch size."""
    cdef object memory, scratch, bindings
    cdef readonly object plan
    cdef readonly Py_ssize_t capacity
    cdef Step step
    cdef int failed

    def __init__(self, plan, capacity):
        self.plan = plan
        self.capacity = capacity
        size = plan.layout(capacity)["bytes"]
        try:
            self.memory = aligned(size, np.uint8)
        except (MemoryError, ValueError, OverflowError):  # the last two beyond what NumPy can count
            raise MemoryError(f"a batch of {capacity:,} samples needs {size:,} bytes; take a smaller "
                              "batch_size") from None
        self.scratch = aligned(GEMM_SCRATCH_BYTES, np.uint8)
        self.bindings = {}
        memset(&self.step, 0, sizeof(Step))

    def forget(self):
        """Let go of the batch sizes of earlier calls once there are many; call it while no job has bound any."""
        if len(self.bindings) > MOST_BINDINGS:
            self.bindings.clear()

    cdef Bound bind(self, Py_ssize_t batch):
        """The calls for one batch size, made the first time."""
        cdef Bound bound
        memset(&bound, 0, sizeof(Bound))
        if batch not in self.bindings:
            self.bindings[batch] = self._make_calls(batch)
        calls_memory, places = self.bindings[batch][:2]
        bound.batch = batch
        bound.calls = <Call*> cnp.PyArray_DATA(calls_memory)
        bound.input = <void*> <uintptr_t> places["input"]
        bound.target = <void*> <uintptr_t> places["target"]
        bound.weights = <void*> <uintptr_t> places["weights"]
        bound.counts = <int64_t*> <uintptr_t> places["counts"]
        bound.losses = <void*> <uintptr_t> places["losses"]
        bound.d_losses = <void*> <uintptr_t> places["d_losses"]
        bound.output = <void*> <uintptr_t> places["output"]
        return bound

    def _make_calls(self, batch):
        cdef Call* calls
        cdef cnp.ndarray calls_memory
        cdef uintptr_t base = self.memory.ctypes.data
        plan = self.plan
        layout = plan.layout(self.capacity)
        program = plan.program
        calls_memory = np.zeros(max(1, len(program.nodes)) * sizeof(Call), np.uint8)
        calls = <Call*> cnp.PyArray_DATA(calls_memory)
        keep = []

        def table(addresses):
            array = np.array([*addresses, 0], np.uintp)
            keep.append(array)
            return array

        def buffers(tensors, which):
            return [base + layout[which][t.buffer] if t.buffer in layout[which] else 0 for t in tensors]

        for number, node in enumerate(program.nodes):
            call = &calls[<int> number]
            call.rows = batch * node.inputs[0].fold
            sizes, scalars = plan.constants[number]
            call.sizes = <const Py_ssize_t*> cnp.PyArray_DATA(sizes)
            call.scalars = <const double*> cnp.PyArray_DATA(scalars)
            live = [t for t in node.outputs if t.buffer not in program.dead_outputs]
            lists = [
                buffers(node.inputs, "values"),
                buffers(node.inputs, "gradients"),
                buffers(node.outputs, "values"),
                [a if t in live else 0 for t, a in zip(node.outputs, buffers(node.outputs, "gradients"))],
                [0 if p is None else plan.weights[p.offset:].ctypes.data for p in node.parameters],
                [0 if p is None or p.path not in plan.learning else plan.gradients[p.offset:].ctypes.data
                 for p in node.parameters],
            ]
            if number == program.loss:  # its target has no gradient, and its rows' gradients are always wanted
                lists[1][1] = 0
                lists[3] = [base + layout["d_losses"]] + [0] * (len(node.outputs) - 1)
            # Ops may look at two parameters and their gradients without asking how many there are.
            for column in range(len(lists)):
                lists[column] = lists[column] + [0] * max(0, 4 - len(lists[column]))
            call.inputs = <void**> cnp.PyArray_DATA(table(lists[0]))
            call.d_inputs = <void**> cnp.PyArray_DATA(table(lists[1]))
            call.outputs = <void**> cnp.PyArray_DATA(table(lists[2]))
            call.d_outputs = <void**> cnp.PyArray_DATA(table(lists[3]))
            call.parameters = <void**> cnp.PyArray_DATA(table(lists[4]))
            call.d_parameters = <void**> cnp.PyArray_DATA(table(lists[5]))
            call.workspace = <void*> (base + <uintptr_t> layout["workspaces"][number])
            temporary = layout["temporary"] + node.branch * layout["temporary_bytes"]
            call.temporary = <void*> (base + <uintptr_t> temporary)
            call.step = &self.step
            call.identity = number
            call.python = <void*> node.python
            call.failed = &self.failed

        places = {"input": buffers([program.input], "values")[0], "output": buffers([program.output], "values")[0],
                  "target": 0, "weights": base + layout["weights"], "losses": 0, "d_losses": base + layout["d_losses"],
                  "counts": base + layout["counts"]}
        if program.loss is not None:
            places["target"] = buffers([program.target], "values")[0]
            places["losses"] = buffers(program.nodes[program.loss].outputs, "values")[0]
        return calls_memory, places, keep

    def values(self, tensor, batch, gradient=False) -> np.ndarray:
        """What a buffer holds now, as an array (batch * fold, ...)."""
        layout = self.plan.layout(self.capacity)
        offset = layout["gradients" if gradient else "values"][tensor.buffer]
        rows = batch * tensor.fold
        count = rows * product(tensor.shape)
        data = self.memory[offset:offset + count * self.plan.dtype.itemsize].view(self.plan.dtype)
        return data.reshape(rows, *tensor.shape)


cdef class Plan:
    """A program ready to run.

    Parameters
    ----------
    program : Program
        What `compile_program` made.
    weights, gradients : ndarray
        The model's flat vectors; gradients may be None when the program only predicts.
    """
    cdef readonly object program, weights, gradients, dtype, constants, learning
    cdef object _free, _layouts, _stages, _branches, _runs, _metric_rows, _chunks, _penalties

    def __init__(self, program, weights, gradients):
        cdef Op op
        cdef Run* runs
        self.program = program
        self.weights = weights
        self.gradients = gradients
        self.dtype = weights.dtype
        check_bytes(sum(program.buffers.values()) * self.dtype.itemsize)  # kernels count numbers in one word
        # As it is now: a parameter may be frozen and thawed while this plan waits to be used again.
        self.learning = frozenset(p.path for node in program.nodes for p in node.parameters
                                  if p is not None and p.trainable)
        self._free = []
        self._layouts = {}
        self.constants = []
        kind = 0 if self.dtype == np.float32 else 1
        self._runs = np.zeros(2 * len(program.nodes) + 1, np.uintp)
        runs = <Run*> cnp.PyArray_DATA(self._runs)
        for number, node in enumerate(program.nodes):
            op = ops.registered[node.op]
            attributes = node.attributes if node.python is None else {**node.attributes, "python": node.python}
            shapes = [t.shape for t in node.inputs], [p and p.shape for p in node.parameters]
            sizes = np.array([*op.sizes(*shapes, attributes), 0], np.intp)
            self.constants.append((sizes, np.array([*op.scalars(attributes), 0], np.float64)))
            runs[2 * <int> number] = op.forward[<int> kind]
            if number == program.loss or any(t.buffer in program.gradients for t in node.outputs):
                runs[2 * <int> number + 1] = op.backward[<int> kind]
        self._runs = np.ascontiguousarray(self._runs[:2 * len(program.nodes)].reshape(-1, 2).T)
        self._make_stages()
        self._metric_rows = np.array([1] if program.loss is None else [
            product((node.outputs[0].fold, *node.outputs[0].shape)) for node in program.nodes[program.loss + 1:]] + [1],
            np.intp)
        self._chunks = {}
        self._penalties = self._make_penalties()

    def _make_stages(self):
        layers = self.program.nodes[:self.program.loss]
        branches, stages, last = [], [], None
        for number, node in enumerate(layers):
            if last is None or node.stage != last[0]:
                stages.append([len(branches), 0])
                last = None
            if last != (node.stage, node.branch):
                branches.append([number, 0])
                stages[-1][1] += 1
                last = node.stage, node.branch
            branches[-1][1] += 1
        self._stages = np.array(stages or [[0, 0]], np.intc)
        self._branches = np.array(branches or [[0, 0]], np.intc)

    def chunks(self, fused, decays):
        """The trainable parts of the flat vectors, in pieces that one thread updates at a time.

        Parameters
        ----------
        fused : bool
            Whether each op has pieces of its own; else all belong to the first.
        decays : bool
            Whether parameters with and without weight decay must be kept apart.

        Returns
        -------
        chunks, starts : ndarray
            Array of Chunk, and where those of each op begin.
        """
        if (fused, decays) not in self._chunks:
            self._chunks[fused, decays] = self._make_chunks(fused, decays)
        return self._chunks[fused, decays]

    def _make_chunks(self, fused, decays):
        seen = set()
        chunks, starts = [], [0]
        groups = [node.parameters for node in self.program.nodes]
        if not fused:
            groups = [sorted({p for group in groups for p in group if p is not None}, key=lambda p: p.offset)]
        for group in groups:
            runs = []
            for parameter in group:
                if parameter is None or parameter.path not in self.learning or parameter.path in seen:
                    continue
                seen.add(parameter.path)
                decayed = parameter.decayed and decays
                if runs and runs[-1][1] == parameter.offset and runs[-1][2] == decayed:
                    runs[-1][1] += parameter.size
                else:
                    runs.append([parameter.offset, parameter.offset + parameter.size, decayed])
            chunks += [(start, min(start + UPDATE_CHUNK, stop), decayed) for first, stop, decayed in runs
                       for start in range(first, stop, UPDATE_CHUNK)]
            starts.append(len(chunks))
        memory = np.zeros(len(chunks) * sizeof(Chunk) + 1, np.uint8)
        cdef Chunk* table = <Chunk*> cnp.PyArray_DATA(memory)
        for number, (start, stop, decayed) in enumerate(chunks):
            table[<int> number] = Chunk(start, stop, decayed)
        return memory, np.array(starts, np.intp)

    def _make_penalties(self):
        """Array of Penalty: the penalized parts of the weights, in pieces that one thread looks at."""
        parameters = {p for node in self.program.nodes for p in node.parameters
                      if p is not None and p.path in self.learning and p.penalty is not None}
        pieces = [(start, min(start + UPDATE_CHUNK, p.offset + p.size), p.penalty.l1, p.penalty.l2)
                  for p in sorted(parameters, key=lambda p: p.offset)
                  for start in range(p.offset, p.offset + p.size, UPDATE_CHUNK)]
        memory = np.zeros(len(pieces) * sizeof(Penalty), np.uint8)
        cdef Penalty* table = <Penalty*> cnp.PyArray_DATA(memory)
        for number, (start, stop, l1, l2) in enumerate(pieces):
            table[<int> number] = Penalty(start, stop, l1, l2)
        return memory

    def layout(self, capacity) -> dict:
        """Where everything lies in an arena for this many samples, in bytes from its start."""
        if capacity in self._layouts:
            return self._layouts[capacity]
        program, item = self.program, self.dtype.itemsize
        place = 0

        def take(size):
            nonlocal place
            start = place
            place += -(-int(size) // CACHE_LINE) * CACHE_LINE
            return start

        integers = {program.target.buffer} if program.labels else set()
        layout = {
            "values": {b: take(capacity * n * (8 if b in integers else item)) for b, n in program.buffers.items()},
            "gradients": {b: take(capacity * program.buffers[b] * item) for b in program.gradients},
            "weights": take(capacity * program.loss_rows * item), "d_losses": take(capacity * program.loss_rows * item),
            "counts": take(capacity * 8), "workspaces": []}
        most = 0
        for node, (sizes, _) in zip(program.nodes, self.constants):
            op, rows = ops.registered[node.op], capacity * node.inputs[0].fold
            sizes = tuple(sizes[:-1].tolist())
            fixed, per_row = op.workspace(sizes)
            layout["workspaces"].append(take((fixed + per_row * rows) * item))
            fixed, per_row = op.temporary(sizes)
            most = max(most, fixed + per_row * rows)
        layout["temporary_bytes"] = -(-most * item // CACHE_LINE) * CACHE_LINE
        layout["temporary"] = take(layout["temporary_bytes"] * (1 + max((n.branch for n in program.nodes), default=0)))
        layout["bytes"] = place
        self._layouts[capacity] = layout
        return layout

    @contextmanager
    def lease(self, batch):
        """An arena for batches of up to this many samples, this call's own while it lasts."""
        # Without a lock, which the child of a fork could inherit locked: popping and appending are atomic.
        cdef Arena arena = None
        while arena is None or arena.capacity < batch:  # one too small is let go, lest they pile up
            try:
                arena = self._free.pop()
            except IndexError:
                arena = Arena(self, batch)
        # It knows the plan while it is lent only: a model that is dropped gives its memory back at once, and not
        # when Python next looks for cycles.
        arena.plan = self
        try:
            yield arena
        finally:
            arena.plan = None
            self._free.append(arena)


cdef class Job:
    """One pass over samples.

    Parameters
    ----------
    plan : Plan
        What to run.
    arena : Arena
        Leased from the plan.
    items : ndarray
        uint8, float32 or float64, C-contiguous, (n, ...).
    indices : ndarray of int64 or None
        (samples, items per sample), -1 behind those that a sample has; None: sample i is item i.
    samples, batch : int
        How many samples there are, and how many a step takes.
    targets : ndarray or None
        C-contiguous, of the plan's dtype, or int64 labels.
    sample_weights : ndarray of float64 or None
        One per sample, or one for each of its losses.
    order : ndarray of int64 or None
        The samples' order.
    function : str
        Who asks, for messages.
    """
    cdef Loop loop
    cdef readonly Arena arena
    cdef readonly object totals
    cdef object _keep, _batch
    cdef int _dtype
    cdef bint _team
    cdef void* _scratch

    def __init__(self, plan, Arena arena, items, indices, samples, batch, targets=None, sample_weights=None,
                 order=None, function="run"):
        cdef Loop* loop = &self.loop
        program = plan.program
        memset(loop, 0, sizeof(Loop))
        self.arena = arena
        arena.failed = 0
        arena.forget()
        self.totals = np.zeros(2 + max(0, len(program.nodes) - 1 - (program.loss or 0)))
        self._dtype = 0 if plan.dtype == np.float32 else 1
        self._scratch = data(arena.scratch)
        loop.stages = <const Stage*> data((<Plan> plan)._stages)
        loop.branches = <const Branch*> data((<Plan> plan)._branches)
        loop.stage_count = len((<Plan> plan)._stages) if program.nodes[:program.loss] else 0
        loop.forward = <const Run*> data((<Plan> plan)._runs)
        loop.backward = loop.forward + len(program.nodes)
        loop.loss = -1 if program.loss is None else program.loss
        loop.loss_rows = program.loss_rows
        loop.metric_count = 0 if program.loss is None else len(program.nodes) - 1 - program.loss
        loop.metric_rows = <const Py_ssize_t*> data((<Plan> plan)._metric_rows)
        loop.output_size = program.buffers[program.output.buffer]
        loop.full = arena.bind(min(batch, samples))
        loop.last = arena.bind(samples % batch) if samples % batch else loop.full
        loop.step = &arena.step
        loop.failed = &arena.failed
        loop.may_fail = any(node.python is not None for node in program.nodes)
        loop.x.data = <const char*> data(items)
        loop.x.kind = [np.uint8, np.float32, np.float64].index(items.dtype)
        loop.x.size = items[:1].size if len(items) else 0
        loop.x.per_sample = 1 if indices is None else indices.shape[1]
        loop.x.indices = <const int64_t*> data(indices)
        loop.x.missing = indices is not None and bool((indices < 0).any())
        if loop.x.missing:
            check_missing(function, program, loop.x.per_sample)
        loop.scale, loop.offset = program.scale, program.offset
        loop.targets = <const char*> data(targets)
        loop.target_bytes = 0 if targets is None else targets[:1].nbytes
        loop.sample_weights = <const double*> data(sample_weights)
        loop.weight_rows = 1 if sample_weights is None else sample_weights[:1].size
        loop.order = <const int64_t*> data(order)
        loop.samples, loop.batch = samples, batch
        loop.steps = -(-samples // batch)
        loop.totals = <double*> data(self.totals)
        flops = program.flops * min(batch, samples) * (3 if program.gradients else 1)
        self._team = flops > FLOPS_WORTH_A_TEAM
        loop.steps_per_look = 1 if loop.may_fail else max(1, min(64, FLOPS_WORTH_A_LOOK // (flops + 1)))
        self._keep = [plan, items, indices, targets, sample_weights, order]
        if loop.loss >= 0:
            loop.w, loop.dw = data((<Plan> plan).weights), data((<Plan> plan).gradients)
            penalties = (<Plan> plan)._penalties
            loop.penalty_count = penalties.nbytes // sizeof(Penalty)
            terms = np.empty(loop.penalty_count, np.float64)
            loop.penalties, loop.penalty_terms = <const Penalty*> data(penalties), <double*> data(terms)
            self._keep.append(terms)

    def train(self, Rule rule, configuration, learning_rates, iteration, states, key, limits=(), update=True) -> None:
        """Compute gradients in every step and, unless update is False, change the weights by the optimizer's rule."""
        cdef Loop* loop = &self.loop
        cdef Plan plan = self._keep[0]
        loop.gradient = True
        loop.update = update
        self.key(key, iteration)
        if update:
            # An op in Python may fail in its backward pass; then nothing must have changed yet. The norm of the whole
            # gradient is known at the end only, and so are the penalties' parts of it.
            loop.limits.value, loop.limits.norm, loop.limits.fresh = limits
            loop.fused = (len(plan.weights) >= PARAMETERS_WORTH_FUSING and not loop.may_fail and not loop.limits.norm
                          and not loop.penalty_count)
            set_update(loop, rule, configuration, states, plan, self._keep)
            loop.learning_rates = <const double*> data(learning_rates)
            self._keep.append(learning_rates)

    def key(self, key, iteration) -> None:
        """Set what the randomness of training, such as dropout's, is a function of; `train` does it, too."""
        self.arena.step.key = key
        self.loop.iteration = iteration

    def augment(self, shape, options, key, epoch) -> None:
        """Change each item, an image of this shape, at random while it is gathered.

        Parameters
        ----------
        shape : tuple of int
            (rows, columns) or (rows, columns, channels).
        options : dict
            Those of `tinynn.kernels.augment`.
        key, epoch : int
            What the changes are functions of, beside the number of the sample.
        """
        self.loop.augmentation = augmentation_of("fit", shape, options["shift"], options["rotation"], options["zoom"],
                                                 options["shear"], options["elastic"], options["smoothness"], key,
                                                 epoch)
        self.loop.augments = True
        # A cache line apart, so that threads do not disturb each other.
        self.loop.augmentation_numbers = augmentation_scratch(&self.loop.augmentation) + CACHE_LINE

    def resume(self, step, totals) -> None:
        """Begin at this step of the pass, with the totals of those before it."""
        self.loop.next_step = step
        self.totals[:] = totals

    def predict(self, predictions) -> None:
        """Copy the output of every step into this array (samples, ...)."""
        self.loop.predictions = data(predictions)
        self._keep.append(predictions)

    cdef void repeat(self, cnp.ndarray items, cnp.ndarray predictions):
        """Run the only step of a job that predicts, on other samples of the same number and kind."""
        cdef Loop* loop = &self.loop
        loop.x.data = <const char*> cnp.PyArray_DATA(items)
        loop.predictions = cnp.PyArray_DATA(predictions)
        loop.first_step = loop.next_step = loop.reason = 0
        loop.stop_step = 1
        loop.deadline = INT64_MAX  # a step is not interrupted
        with nogil:
            self.run_threads(threads_wanted() if self._team else 1)

    cdef void take(self, cnp.ndarray samples, cnp.ndarray targets):
        """Have another batch of the same number and kind as the only one."""
        self.loop.x.data = <const char*> cnp.PyArray_DATA(samples)
        self.loop.targets = <const char*> cnp.PyArray_DATA(targets)
        self.loop.next_step = 0
        self._batch = samples, targets

    def step(self, uint64_t iteration, double learning_rate, bint update) -> int:
        """Run the only step of a job that trains, once more, as update number `iteration`; returns as `run`.

        Without `update`, only the gradients are computed.
        """
        cdef Loop* loop = &self.loop
        cdef bint fused = loop.fused
        cdef Py_ssize_t i
        for i in range(2 + loop.metric_count):
            loop.totals[i] = 0
        loop.iteration = iteration
        (<double*> loop.learning_rates)[0] = learning_rate
        loop.first_step = loop.next_step = loop.reason = 0
        loop.stop_step = 1
        loop.deadline = INT64_MAX  # a step is not interrupted
        loop.update = update
        loop.fused = fused and update
        with nogil:
            self.run_threads(1)
        loop.fused = fused
        if loop.reason == RUN_NOT_FINITE:
            loop.next_step = 0
        return loop.reason

    def means(self) -> list[float]:
        """Loss and metrics of the samples so far."""
        cdef Py_ssize_t i
        cdef Loop* loop = &self.loop
        return [loop.totals[i] / loop.totals[0] if loop.totals[0] else np.nan for i in range(1, 2 + loop.metric_count)]

    cdef void run_threads(self, int threads) noexcept nogil:
        run_team(threads, self._scratch, steps_double if self._dtype else steps_float, &self.loop)

    @property
    def trains(self) -> bool:
        """Whether `train` has been called."""
        return self.loop.gradient

    @property
    def steps(self) -> int:
        """Number of steps in all."""
        return self.loop.steps

    @property
    def next_step(self) -> int:
        """The step to run next."""
        return self.loop.next_step

    @property
    def last_loss(self) -> float:
        """Loss of the last step."""
        return self.loop.last_loss

    def run(self, int most=2**31 - 1) -> int:
        """Run steps; returns DONE, TIME, NOT_FINITE or FAILED.

        Parameters
        ----------
        most : int
            Steps to run at most.
        """
        cdef Loop* loop = &self.loop
        cdef Py_ssize_t steps = loop.steps
        loop.steps = min(steps, loop.next_step + most)
        loop.reason = 0
        loop.first_step = loop.next_step
        loop.stop_step = loop.steps
        cdef int threads = threads_wanted() if self._team else 1
        if loop.augments:
            memory = np.empty(threads * loop.augmentation_numbers, np.float64 if self._dtype else np.float32)
            loop.augmentation_scratch = data(memory)
        with nogil:
            loop.deadline = nanoseconds() + SLICE_NANOSECONDS
            self.run_threads(threads)
        loop.steps = steps
        if loop.reason in (RUN_NOT_FINITE, RUN_FAILED):
            loop.next_step = loop.stop_step
            return loop.reason
        return DONE if loop.next_step >= steps else TIME

    def python_error(self) -> BaseException | None:
        """What an op written in Python raised; of several that ran at once, the first in forward order."""
        here = <uintptr_t> &self.arena.failed
        errors = [node.python.errors.pop(here, None)
                  for node in self._keep[0].program.nodes if node.python is not None]
        return next((error for error in errors if error is not None), None)

    def first_not_finite(self) -> str:
        """Where NaN or infinity began in the step that stopped the run: a layer's path, or a description."""
        plan = self._keep[0]
        batch = self.loop.batch
        if (self.loop.next_step + 1) * batch > self.loop.samples:
            batch = self.loop.samples % batch or batch
        if not np.isfinite(self.arena.values(plan.program.input, batch)).all():
            return "the input"
        for node in plan.program.nodes:
            for parameter in node.parameters:
                if parameter is not None:
                    values = plan.weights[parameter.offset:parameter.offset + parameter.size]
                    if not np.isfinite(values).all():
                        return f"the weights {parameter.path!r}"
            if not all(np.isfinite(self.arena.values(tensor, batch)).all() for tensor in node.outputs):
                return f"the output of {node.layer!r}"
        return "the loss"


cdef str AUTO = intern("auto")


def no_jobs() -> list:
    """A place for each kind of samples and number of rows."""
    return [None] * (3 * (MOST_ROWS + 1))


cdef class Predictor:
    """Predictions of a few samples, for which looking at the arguments would take longer than the arithmetic.

    What a call needs is bound once for each number of rows and kept. Any number of threads may call `predict`.

    Parameters
    ----------
    plan : Plan
        A plan that predicts.
    sample_shape, output_shape : tuple of int
        Shapes of one sample and of its prediction.
    """
    cdef readonly Plan plan
    cdef list jobs              # for each kind of samples and number of rows, those that wait for the next call
    cdef int dimensions, output_dimensions, output_type
    cdef Py_ssize_t shape[MOST_DIMENSIONS]
    cdef cnp.npy_intp output_shape[MOST_DIMENSIONS]

    def __init__(self, Plan plan, sample_shape, output_shape):
        self.plan = plan
        self.jobs = no_jobs()
        self.output_type = cnp.NPY_FLOAT32 if plan.dtype == np.float32 else cnp.NPY_FLOAT64
        # With an op in Python, or more dimensions than there is room for, predict leaves all calls to others.
        self.dimensions = -1
        if max(len(sample_shape), len(output_shape)) < MOST_DIMENSIONS and not any(
                node.python is not None for node in plan.program.nodes):
            self.dimensions, self.output_dimensions = 1 + len(sample_shape), 1 + len(output_shape)
            for i, n in enumerate(sample_shape):
                self.shape[1 + <int> i] = n
            for i, n in enumerate(output_shape):
                self.output_shape[1 + <int> i] = n

    def predict(self, x, batch_size, output, finite, verbose, callbacks):
        """The output for x, given what `Sequential.predict` is; None unless x is a plain array that fits.

        It is one of at most one batch, finite if that is asked. All else is for others, errors too: they look closely
        at what comes here as it is, for that costs less than to look at it before.
        """
        cdef cnp.ndarray array, predictions
        cdef list waiting
        cdef Job job
        cdef int i, kind
        cdef Py_ssize_t rows
        cdef cnp.npy_intp dimensions[MOST_DIMENSIONS]
        if type(x) is not np.ndarray or type(batch_size) is not int or type(finite) is not bool:
            return None
        if output is not None or type(callbacks) is not tuple or len(<tuple> callbacks):
            return None
        if verbose is not AUTO and (type(verbose) is not int or verbose not in (0, 1, 2)):
            return None
        array = x
        if not cnp.PyArray_ISCARRAY_RO(array) or cnp.PyArray_NDIM(array) != self.dimensions:
            return None
        kind = kind_of_type(cnp.PyArray_TYPE(array))
        rows = cnp.PyArray_DIM(array, 0)
        if kind < 0 or not 1 <= rows <= MOST_ROWS or batch_size < rows:
            return None
        for i in range(1, self.dimensions):
            if cnp.PyArray_DIM(array, i) != self.shape[i]:
                return None
        waiting = <list> self.jobs[(MOST_ROWS + 1) * kind + rows]
        if waiting is None:
            waiting = self._more_rows(rows, kind)
        try:
            job = waiting.pop()
        except IndexError:  # none yet, or all at work in other threads
            job = Job(self.plan, Arena(self.plan, rows), array, None, rows, rows)
        if finite and not is_finite(array, kind, self.output_type == cnp.NPY_FLOAT32):
            waiting.append(job)
            return None
        dimensions = self.output_shape
        dimensions[0] = rows
        predictions = cnp.PyArray_EMPTY(self.output_dimensions, dimensions, self.output_type, 0)
        job.repeat(array, predictions)
        waiting.append(job)
        return predictions

    def _more_rows(self, rows, kind):
        """A place for the jobs of another number of rows; the ones before are let go once there are many."""
        jobs = self.jobs  # another thread may do the same meanwhile
        if len(jobs) - jobs.count(None) >= MOST_BINDINGS:
            self.jobs = jobs = no_jobs()
        place = (MOST_ROWS + 1) * kind + rows
        if jobs[place] is None:
            jobs[place] = []
        return jobs[place]


cdef class BatchTrainer:
    """Training steps on single small batches, for which looking at the arguments would take longer than the arithmetic.

    What a step needs is bound once for each number of rows and kind of samples. One thread at a time may use it.

    Parameters
    ----------
    plan : Plan
        A plan that trains.
    sample_shape, target_shape : tuple of int
        Shapes of one sample and of its target.
    classes : int
        Labels go from 0 to classes - 1; 0: targets are no labels, but of the plan's dtype.
    """
    cdef readonly Plan plan
    cdef dict jobs
    cdef int dimensions, target_dimensions, target_type
    cdef bint single
    cdef Py_ssize_t shape[MOST_DIMENSIONS]
    cdef Py_ssize_t target_shape[MOST_DIMENSIONS]
    cdef int64_t classes

    def __init__(self, Plan plan, sample_shape, target_shape, int64_t classes):
        self.plan = plan
        self.jobs = {}
        self.classes = classes
        self.single = plan.dtype == np.float32
        self.target_type = cnp.NPY_INT64 if classes else cnp.NPY_FLOAT32 if self.single else cnp.NPY_FLOAT64
        # With an op in Python, or more dimensions than there is room for, all steps are left to others.
        self.dimensions = -1
        if max(len(sample_shape), len(target_shape)) < MOST_DIMENSIONS and not any(
                node.python is not None for node in plan.program.nodes):
            self.dimensions, self.target_dimensions = 1 + len(sample_shape), 1 + len(target_shape)
            for i, n in enumerate(sample_shape):
                self.shape[1 + <int> i] = n
            for i, n in enumerate(target_shape):
                self.target_shape[1 + <int> i] = n

    def job(self, x, y) -> Job | None:
        """The job of this batch; None unless both are plain arrays, small, and what the checks want.

        The caller makes a new one train; one that has trained before does its next step.
        """
        cdef cnp.ndarray samples, targets
        cdef Job job
        cdef int i, kind
        cdef Py_ssize_t rows
        if type(x) is not np.ndarray or type(y) is not np.ndarray:
            return None
        samples = x
        if not cnp.PyArray_ISCARRAY_RO(samples) or cnp.PyArray_NDIM(samples) != self.dimensions:
            return None
        kind = kind_of_type(cnp.PyArray_TYPE(samples))
        rows = cnp.PyArray_DIM(samples, 0)
        if kind < 0 or not 1 <= rows <= MOST_ROWS:
            return None
        for i in range(1, self.dimensions):
            if cnp.PyArray_DIM(samples, i) != self.shape[i]:
                return None
        targets = self.as_targets(y, rows)
        if targets is None or not is_finite(samples, kind, self.single):
            return None
        job = self.jobs.get((rows, kind))
        if job is None:
            job = Job(self.plan, Arena(self.plan, rows), samples, None, rows, rows, targets)
            if job._team:
                return None
            if len(self.jobs) >= MOST_BINDINGS:
                self.jobs.clear()
            self.jobs[rows, kind] = job
        job.take(samples, targets)
        return job

    cdef cnp.ndarray as_targets(self, cnp.ndarray y, Py_ssize_t rows):
        """The targets as the engine reads them; None if they must be looked at more closely."""
        cdef int i, axes = cnp.PyArray_NDIM(y), compared = self.target_dimensions
        if axes != self.target_dimensions:
            # A last axis of length 1 may be left out of targets, and stand behind labels.
            if self.classes and axes == compared + 1 and cnp.PyArray_DIM(y, compared) == 1:
                pass
            elif not self.classes and axes == compared - 1 >= 1 and self.target_shape[compared - 1] == 1:
                compared = axes
            else:
                return None
        if cnp.PyArray_DIM(y, 0) != rows:
            return None
        for i in range(1, compared):
            if cnp.PyArray_DIM(y, i) != self.target_shape[i]:
                return None
        if cnp.PyArray_TYPE(y) != self.target_type or not cnp.PyArray_ISCARRAY_RO(y):
            if y.dtype.kind not in ("iu" if self.classes else "f"):
                return None
            with np.errstate(over="ignore"):  # found below
                y = np.array(y, np.int64 if self.classes else self.plan.dtype, order="C")
        if self.classes:
            return y if are_labels(y, self.classes) else None
        return y if is_finite(y, kind_of_type(self.target_type), False) else None


cdef bint are_labels(cnp.ndarray labels, int64_t classes) noexcept:
    """Whether an array of int64, dense in memory, holds labels from 0 to classes - 1 only."""
    cdef const int64_t* y = <const int64_t*> cnp.PyArray_DATA(labels)
    cdef Py_ssize_t i
    for i in range(cnp.PyArray_SIZE(labels)):
        if not 0 <= y[i] < classes:
            return False
    return True


cdef int kind_of_type(int type) noexcept:
    """Items.kind of a NumPy type; -1 for one that must be converted first."""
    if type == cnp.NPY_UINT8:
        return UINT8
    if type == cnp.NPY_FLOAT32:
        return FLOAT
    return DOUBLE if type == cnp.NPY_FLOAT64 else -1


cdef bint is_finite(cnp.ndarray array, int kind, bint single) noexcept:
    """Whether an array of this kind, dense in memory, holds no NaN and no infinity, nor, in single, becomes one."""
    cdef Py_ssize_t i, n = cnp.PyArray_SIZE(array)
    cdef const double* x
    if kind == FLOAT:
        return instruction_set_in_use().f32.all_finite(<const float*> cnp.PyArray_DATA(array), n)
    if kind == UINT8:
        return True
    x = <const double*> cnp.PyArray_DATA(array)
    if not single:
        return instruction_set_in_use().f64.all_finite(x, n)
    # No number is larger than the root of the sum of their squares; only when that is large, look at each.
    if instruction_set_in_use().f64.dot(x, x, n) < 1e77:
        return True
    for i in range(n):
        if not fabs(x[i]) < BEYOND_FLOAT:
            return False
    return True


def all_finite(cnp.ndarray array, bint single=False) -> bool | None:
    """Whether an array holds no NaN and no infinity, also once it is float32 if `single`.

    None if it is not dense, or of a dtype that no kernel reads.
    """
    cdef int kind = kind_of_type(cnp.PyArray_TYPE(array))
    return is_finite(array, kind, single) if kind >= 0 and cnp.PyArray_ISCARRAY_RO(array) else None


def check_missing(function, program, per_sample) -> None:
    """Raise ValueError unless the program can leave out the items that samples lack."""
    needs = program.needs_items
    if program.input.shape[:1] != (per_sample,):
        needs = f"the items are not the first axis of the model's samples of shape {program.input.shape}"
    if needs is not None:
        raise ValueError(f"{function}: the data set has samples with fewer than {per_sample} items (index -1), but "
                         f"{needs}; give every sample as many, or put a recurrent layer or SumDistribution right "
                         "behind the layers that look at each item by itself")


cdef void* data(array) except? NULL:
    return NULL if array is None else cnp.PyArray_DATA(array)


cdef set_update(Loop* loop, Rule rule, configuration, states, Plan plan, list keep):
    """Set the rule, what it works on and what happens around it, by the loop's limits; `keep` holds the memory.

    With a moving average of the weights, that is the first of the states; the rule's own follow.
    """
    loop.decays = rule.decays(configuration)
    chunks, starts = plan.chunks(loop.fused, bool(loop.decays))
    configuration = np.array([*configuration, 0], np.float64)
    squares = np.empty(starts[-1], np.float64)
    if loop.limits.fresh > 0:
        average, *states = states
        loop.average = data(average)
        keep.append(average)
    table = np.array([state.ctypes.data for state in states] + [0] * (8 - len(states)), np.uintp)
    loop.prepare, loop.change = rule.prepare, rule.update[0 if plan.dtype == np.float32 else 1]
    loop.configuration = <const double*> data(configuration)
    loop.states = <void**> data(table)
    loop.squares = <double*> data(squares)
    loop.w, loop.dw = data(plan.weights), data(plan.gradients)
    loop.chunks = <const Chunk*> data(chunks)
    loop.chunk_starts = <const Py_ssize_t*> data(starts)
    keep += [rule, configuration, chunks, starts, squares, states, table]


def apply_update(Rule rule, configuration, double learning_rate, iteration, states, limits, Plan plan,
                 list done) -> None:
    """The update segment alone: change the plan's weights by its gradients, and append True to `done`."""
    cdef double rates[1]
    cdef Loop loop
    memset(&loop, 0, sizeof(Loop))
    cdef int dtype = 0 if plan.dtype == np.float32 else 1
    keep = []
    loop.limits.value, loop.limits.norm, loop.limits.fresh = limits
    set_update(&loop, rule, configuration, states, plan, keep)
    rates[0] = learning_rate
    loop.learning_rates = rates
    loop.iteration = iteration
    with nogil:
        run_team(1, NULL, update_double if dtype else update_float, &loop)
    done.append(True)  # Ctrl-C may come before the caller's next line


cdef void update_all(Loop* loop, Worker* worker, real* dtype) noexcept nogil:
    cdef Rates rates
    prepare(loop, 0, &rates)
    if loop.limits.norm > 0:
        measure(loop, &rates, worker, dtype)
    update(loop, 0, 1, &rates, worker, dtype)


cdef void update_float(void* loop, Worker* worker) noexcept nogil:
    update_all(<Loop*> loop, worker, <float*> NULL)


cdef void update_double(void* loop, Worker* worker) noexcept nogil:
    update_all(<Loop*> loop, worker, <double*> NULL)


def shuffled(Py_ssize_t n, uint64_t key, unsigned int epoch) -> np.ndarray:
    """The numbers 0..n-1 in an order that depends on (key, epoch) only."""
    order = np.empty(n, np.int64)
    cdef int64_t* to = <int64_t*> data(order)
    with nogil:
        c_shuffle(to, n, key, epoch, instruction_set_in_use())
    return order
