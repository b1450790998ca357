"""The loop over mini-batches: gather samples, run the ops forward and backward, update the weights.

Design: no Python object and no GIL. Every thread of the team runs all of `run_steps`; work is divided in phases
(parallel.h), each of which ends with a barrier. Code between phases runs on every thread, and must have the same result
on each.
"""

from libc.math cimport fabs, isfinite, sqrt
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

from tinynn.kernels.machine cimport (
    UINT8, Range, Worker, augment, claim, convert, real, vector_dot, vector_scale,
)
from tinynn.kernels.op cimport RELAXED, load_size, store_counts, store_size

cdef extern from * nogil:
    void prefetch "__builtin_prefetch"(const void* address)

# What an optimizer's Prepare wrote for one step, and what else the update multiplies with.
cdef struct Rates:
    double plain[16]            # for parameters without weight decay
    double decayed[16]
    double clip_factor          # of the gradient
    double ema_weight


cdef int64_t nanoseconds() noexcept nogil:
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return now.tv_sec * 1_000_000_000 + now.tv_nsec


# --- samples ------------------------------------------------------------------------------------------------

cdef void gather_row(const LoopData* data, const Bound* bound, Py_ssize_t row, Py_ssize_t sample, Worker* worker,
                     real* y) noexcept nogil:
    """y := the items of one sample, scaled; counts them"""
    cdef const Items* x = &data.x
    cdef Py_ssize_t item_bytes = x.size * (1 if x.kind == UINT8 else 4 * x.kind)
    cdef Py_ssize_t i, j, item
    bound.counts[row] = 0
    for j in range(x.per_sample):
        item = sample * x.per_sample + j
        if x.indices != NULL:
            item = x.indices[item]
        if item < 0:
            for i in range(x.size):
                y[i] = <real> data.offset
        else:
            bound.counts[row] += 1
            if data.augments:
                augment(y, x.data + item * item_bytes, x.kind, &data.augmentation, <uint32_t> sample, <uint32_t> j,
                        data.scale, data.offset,
                        <real*> data.augmentation_scratch + worker.index * data.augmentation_numbers, worker)
            else:
                convert(y, x.data + item * item_bytes, x.kind, data.scale, data.offset, x.size, worker)
        y += x.size


cdef void gather(Loop* loop, const Bound* bound, Py_ssize_t step, Worker* worker, real* x) noexcept nogil:
    """Samples x, targets and sample weights of one mini-batch; one phase, split by samples"""
    cdef const LoopData* data = &loop.data
    cdef Range rows
    cdef Py_ssize_t row, sample, j, size = data.x.per_sample * data.x.size
    cdef Py_ssize_t sample_bytes = size * (1 if data.x.kind == UINT8 else 4 * data.x.kind)
    while claim(worker, bound.batch, 1 + 4096 // (size + 1), &rows):
        if rows.start == 0:
            loop.progress.step.step = loop.progress.iteration + step
            store_counts(&loop.progress.step.counts, bound.counts if data.x.missing else NULL, RELAXED)
        for row in range(rows.start, rows.stop):
            sample = step * data.batch + row
            if data.order != NULL:
                # The next step's sample of this row may be anywhere in memory: fetch it now.
                if sample + data.batch < data.samples and data.x.indices == NULL:
                    prefetch(data.x.data + data.order[sample + data.batch] * sample_bytes)
                sample = data.order[sample]
            gather_row(data, bound, row, sample, worker, x + row * size)
            if data.targets != NULL and data.target_bytes == sizeof(int64_t):  # one label: no call
                memcpy(<int64_t*> bound.target + row, <const int64_t*> data.targets + sample, sizeof(int64_t))
            elif data.targets != NULL:
                memcpy(<char*> bound.target + row * data.target_bytes, data.targets + sample * data.target_bytes,
                       data.target_bytes)
            if data.sample_weights != NULL:
                for j in range(data.weight_rows):
                    (<real*> bound.weights)[row * data.weight_rows + j] = <real> (
                        data.sample_weights[sample * data.weight_rows + j])


# --- ops ----------------------------------------------------------------------------------------------------

cdef void run_branch(Loop* loop, const Bound* bound, Branch branch, bint forward, Rates* rates, Worker* worker,
                     real* w) noexcept nogil:
    """The ops of a branch in order; backward skips ops with nothing trainable upstream."""
    cdef int i
    if forward:
        for i in range(branch.first, branch.first + branch.count):
            loop.program.forward[i](&bound.calls[i], worker)
    else:
        for i in range(branch.first + branch.count - 1, branch.first - 1, -1):
            if loop.program.backward[i] != NULL:
                loop.program.backward[i](&bound.calls[i], worker)
            if loop.update.fused and loop.update.changes_weights:
                update_chunks(&loop.update, i, i + 1, rates, worker, w)


cdef void run_stage(Loop* loop, const Bound* bound, int number, bint forward, Rates* rates, Worker* worker,
                    real* w) noexcept nogil:
    """The ops of one stage: the whole team on a single branch, or one thread on each of several."""
    cdef Stage stage = loop.program.stages[number]
    cdef Range part
    cdef Worker alone
    cdef Py_ssize_t branch
    if stage.count == 1:
        run_branch(loop, bound, loop.program.branches[stage.first], forward, rates, worker, w)
        return
    while claim(worker, stage.count, 1, &part):
        alone = worker[0]
        alone.team = NULL
        alone.given = 0
        for branch in range(part.start, part.stop):
            run_branch(loop, bound, loop.program.branches[stage.first + branch], forward, rates, &alone, w)


# --- the loss -----------------------------------------------------------------------------------------------

cdef void regularization_loss(const LoopProgram* program, Worker* worker, real* weights) noexcept nogil:
    """l1 sum |w| + l2 sum w^2 of each regularized part; one phase, split by parts"""
    cdef Range part
    cdef Regularization term
    cdef const real* w
    cdef Py_ssize_t i, j
    cdef double total
    while claim(worker, program.regularization_count, 1, &part):
        for i in range(part.start, part.stop):
            term = program.regularizations[i]
            w = weights + term.start
            total = 0
            if term.l1 != 0:
                for j in range(term.stop - term.start):
                    total += fabs(w[j])
            program.regularization_losses[i] = term.l1 * total
            if term.l2 != 0:
                program.regularization_losses[i] += term.l2 * vector_dot(w, w, term.stop - term.start, worker)


cdef void regularization_gradient(const LoopProgram* program, Worker* worker, real* weights,
                                  real* gradients) noexcept nogil:
    """dw += l1 sign(w) + 2 l2 w; one phase, split by parts"""
    cdef Range part
    cdef Regularization term
    cdef real l1, l2
    cdef const real* w
    cdef real* dw
    cdef Py_ssize_t i, j
    while claim(worker, program.regularization_count, 1, &part):
        for i in range(part.start, part.stop):
            term = program.regularizations[i]
            l1, l2 = <real> term.l1, <real> (2 * term.l2)
            w = weights + term.start
            dw = gradients + term.start
            for j in range(term.stop - term.start):
                dw[j] += l2 * w[j] + (l1 if w[j] > 0 else -l1 if w[j] < 0 else <real> 0)


cdef void reduce_losses(Loop* loop, const Bound* bound, real* losses) noexcept nogil:
    """Add the mini-batch's loss and metrics to the totals; set d_losses, the gradient of the loss by each of its terms.

    loss = 1/count sum_j weight_j losses_j + regularization
    """
    cdef const LoopProgram* program = &loop.program
    cdef LoopProgress* progress = &loop.progress
    cdef Py_ssize_t row, j, metric, rows = bound.batch, count = bound.batch * program.loss_rows
    cdef real* d_losses = <real*> bound.d_losses
    cdef const real* weights = <const real*> bound.weights if loop.data.sample_weights != NULL else NULL
    cdef const real* values
    cdef double weight = 1, loss = 0, total
    for row in range(rows):
        for j in range(row * program.loss_rows, (row + 1) * program.loss_rows):
            if weights != NULL:
                weight = weights[row if loop.data.weight_rows == 1 else j]
            loss += weight * losses[j]
            if loop.update.computes_gradients:
                d_losses[j] = <real> (weight / count)
    loss /= count
    for j in range(program.regularization_count):
        loss += program.regularization_losses[j]
    progress.last_loss = loss
    progress.totals[0] += rows
    progress.totals[1] += loss * rows
    for metric in range(program.metric_count):
        values = <const real*> bound.calls[program.loss + 1 + metric].outputs[0]
        total = 0
        for j in range(rows * program.metric_rows[metric]):
            total += values[j]
        progress.totals[2 + metric] += total / program.metric_rows[metric]


# --- stopping -----------------------------------------------------------------------------------------------

cdef void request_stop(LoopProgress* progress, Reason reason, Py_ssize_t step) noexcept nogil:
    """Stop at this step. Relaxed: the threads that it stops meet a barrier first. Atomic: late threads read it, too."""
    store_size(&progress.reason, reason, RELAXED)
    store_size(&progress.stop_step, step, RELAXED)


cdef bint stops(const LoopProgress* progress, Py_ssize_t step) noexcept nogil:
    """Whether nothing comes after this step."""
    return load_size(&progress.stop_step, RELAXED) <= step


cdef Py_ssize_t stop_reason(const LoopProgress* progress) noexcept nogil:
    return load_size(&progress.reason, RELAXED)


cdef void finish_forward(Loop* loop, const Bound* bound, Py_ssize_t step, Worker* worker, real* output) noexcept nogil:
    """Loss, metrics and predictions of the step, and whether to go on; one phase on one thread"""
    cdef Range part
    cdef LoopProgress* progress = &loop.progress
    cdef Py_ssize_t size = loop.program.output_size
    while claim(worker, 1, 1, &part):
        if loop.program.loss >= 0:
            reduce_losses(loop, bound, <real*> bound.losses)
        if loop.data.predictions != NULL:
            memcpy(<real*> loop.data.predictions + step * loop.data.batch * size, output,
                   bound.batch * size * sizeof(real))
        if progress.failed[0]:
            request_stop(progress, RUN_FAILED, step)
        elif loop.update.computes_gradients and not isfinite(progress.last_loss):
            request_stop(progress, RUN_NOT_FINITE, step)
        elif (step + 1) % progress.steps_per_clock_check == 0 and nanoseconds() > progress.deadline:
            request_stop(progress, RUN_TIME, step)


cdef void check_backward(LoopProgress* progress, Py_ssize_t step, Worker* worker) noexcept nogil:
    """Stop if an op in Python failed in its backward pass; a phase, so that late threads do not see a later failure."""
    cdef Range part
    while claim(worker, 1, 1, &part):
        if progress.failed[0]:
            request_stop(progress, RUN_FAILED, step)


# --- the update ---------------------------------------------------------------------------------------------

cdef void prepare_rates(const Loop* loop, Py_ssize_t step, Rates* rates) noexcept nogil:
    """The scalars of the optimizer's rule in this step."""
    cdef const LoopUpdate* update = &loop.update
    cdef uint64_t number = loop.progress.iteration + step + 1
    rates.clip_factor = 1
    rates.ema_weight = update.ema_weight if number > 1 else 1  # the average starts as the weights after the first step
    update.prepare(rates.plain, update.configuration, update.learning_rates[step], number, False)
    if update.decays:
        update.prepare(rates.decayed, update.configuration, update.learning_rates[step], number, True)


cdef void global_norm(const LoopUpdate* update, Rates* rates, Worker* worker, real* gradients) noexcept nogil:
    """clip_factor := min(1, clip_norm / |gradients|); one phase"""
    cdef Range part
    cdef Py_ssize_t i, chunks = update.chunk_starts[1]
    cdef const real* dw
    cdef double total = 0
    while claim(worker, chunks, 1, &part):
        for i in range(part.start, part.stop):
            dw = gradients + update.chunks[i].start
            update.squares[i] = vector_dot(dw, dw, update.chunks[i].stop - update.chunks[i].start, worker)
    for i in range(chunks):
        total += update.squares[i]
    if total > update.clip_norm * update.clip_norm:
        rates.clip_factor = update.clip_norm / sqrt(total)


cdef void clip(real* dw, Py_ssize_t n, double factor, double limit, Worker* worker) noexcept nogil:
    """dw := max(-limit, min(factor dw, limit)); a limit of 0 is none"""
    cdef Py_ssize_t i
    if factor != 1:
        vector_scale(dw, dw, <real> factor, n, worker)
    if limit > 0:
        for i in range(n):
            dw[i] = <real> limit if dw[i] > limit else <real> -limit if dw[i] < -limit else dw[i]


cdef void update_chunks(const LoopUpdate* update, Py_ssize_t first, Py_ssize_t last, Rates* rates, Worker* worker,
                        real* weights) noexcept nogil:
    """w, states := the optimizer's rule, for ops first to last - 1; one phase, split by chunks of the flat vectors"""
    cdef void* states[8]
    cdef Range part
    cdef Chunk chunk
    cdef double* scalars
    cdef real* w
    cdef real* dw
    cdef real* average
    cdef Py_ssize_t i, j
    first, last = update.chunk_starts[first], update.chunk_starts[last]
    while claim(worker, last - first, 1, &part):
        for i in range(first + part.start, first + part.stop):
            chunk = update.chunks[i]
            scalars = rates.plain
            if chunk.decayed:
                scalars = rates.decayed
            for j in range(8):
                states[j] = NULL if update.states[j] == NULL else <real*> update.states[j] + chunk.start
            w = weights + chunk.start
            dw = <real*> update.dw + chunk.start
            clip(dw, chunk.stop - chunk.start, rates.clip_factor, update.clip_value, worker)
            update.rule(w, dw, states, scalars, chunk.stop - chunk.start, worker)
            if update.average != NULL:
                average = <real*> update.average + chunk.start
                for j in range(chunk.stop - chunk.start):
                    average[j] = average[j] + <real> rates.ema_weight * (w[j] - average[j])


# --- bodies -------------------------------------------------------------------------------------------------

cdef void run_steps(Loop* loop, Worker* worker, real* w) noexcept nogil:
    """Run steps until the end or a reason to stop, on every thread of the team. w: the model's weights.

    Whether to go on is decided in one phase and read after its barrier. A late thread may read the decision of a later
    step; the other threads are then past every barrier that it can still meet.
    """
    cdef const LoopProgram* program = &loop.program
    cdef LoopProgress* progress = &loop.progress
    cdef Py_ssize_t step = progress.first_step
    cdef const Bound* bound
    cdef Rates rates
    cdef int stage, i
    while step < progress.end_step:
        bound = &program.last if (step + 1) * loop.data.batch > loop.data.samples else &program.full
        gather(loop, bound, step, worker, <real*> bound.input)
        for stage in range(program.stage_count):
            run_stage(loop, bound, stage, True, &rates, worker, w)
        if program.loss >= 0:
            for i in range(program.loss, program.loss + 1 + program.metric_count):
                program.forward[i](&bound.calls[i], worker)
        if program.regularization_count:
            regularization_loss(program, worker, w)
        finish_forward(loop, bound, step, worker, <real*> bound.output)
        if stops(progress, step) and stop_reason(progress) != RUN_TIME:
            return
        if loop.update.computes_gradients:
            if loop.update.changes_weights:
                prepare_rates(loop, step, &rates)
            program.backward[program.loss](&bound.calls[program.loss], worker)
            for stage in range(program.stage_count - 1, -1, -1):
                run_stage(loop, bound, stage, False, &rates, worker, w)
            if program.may_fail:
                check_backward(progress, step, worker)
                if stops(progress, step) and stop_reason(progress) == RUN_FAILED:
                    return
            if program.regularization_count:
                regularization_gradient(program, worker, w, <real*> loop.update.dw)
            if loop.update.changes_weights and not loop.update.fused:
                update_all(&loop.update, &rates, worker, w)
        step += 1
        if stops(progress, step - 1):
            break
    if worker.index == 0:
        progress.next_step = step


cdef void update_all(const LoopUpdate* update, Rates* rates, Worker* worker, real* w) noexcept nogil:
    """Clip the whole gradient and apply the optimizer's rule to all weights."""
    if update.clip_norm > 0:
        global_norm(update, rates, worker, <real*> update.dw)
    update_chunks(update, 0, 1, rates, worker, w)


cdef void run_update(Loop* loop, Worker* worker, real* w) noexcept nogil:
    cdef Rates rates
    prepare_rates(loop, 0, &rates)
    update_all(&loop.update, &rates, worker, w)


cdef void run_steps_float(void* loop, Worker* worker) noexcept nogil:
    run_steps(<Loop*> loop, worker, <float*> (<Loop*> loop).update.w)


cdef void run_steps_double(void* loop, Worker* worker) noexcept nogil:
    run_steps(<Loop*> loop, worker, <double*> (<Loop*> loop).update.w)


cdef void run_update_float(void* loop, Worker* worker) noexcept nogil:
    run_update(<Loop*> loop, worker, <float*> (<Loop*> loop).update.w)


cdef void run_update_double(void* loop, Worker* worker) noexcept nogil:
    run_update(<Loop*> loop, worker, <double*> (<Loop*> loop).update.w)
