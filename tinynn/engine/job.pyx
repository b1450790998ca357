"""One pass over samples: what a model asks of the engine.

Design: setters configure; `run` does steps until the pass is done, something went wrong or about 100 ms have passed,
after which callbacks and Ctrl-C get their turn. Meanwhile the GIL is released and a team runs `run_steps` (step.pyx).
"""

import numpy as np

from tinynn.engine import memory

cimport numpy as cnp

from libc.stdint cimport INT64_MAX, int64_t, uint64_t, uintptr_t
from libc.string cimport memset

from tinynn.engine.arrays cimport data, kind_of
from tinynn.engine.plan cimport Arena, Plan
from tinynn.engine.pool cimport Body, run_team, threads_wanted
from tinynn.engine.step cimport (
    RUN_DONE, RUN_FAILED, RUN_NOT_FINITE, RUN_TIME, Chunk, Loop, LoopProgress, LoopUpdate, nanoseconds,
    run_steps_double, run_steps_float, run_update_double, run_update_float,
)
from tinynn.kernels.augmentation cimport augmentation_of
from tinynn.kernels.machine cimport augmentation_scratch
from tinynn.kernels.op cimport Rule

cnp.import_array()

DONE, TIME, NOT_FINITE, FAILED = RUN_DONE, RUN_TIME, RUN_NOT_FINITE, RUN_FAILED

cdef enum: SLICE_NANOSECONDS = 100_000_000
# With less arithmetic in a step, barriers cost more than a team gains.
cdef enum: MIN_TEAM_FLOPS = 4_000_000
# With fewer parameters, they stay in the second-level cache together with their gradients and the optimizer's states
# until the end of the backward pass; more are updated op by op.
cdef enum: MIN_FUSED_PARAMETERS = 32768
# Steps with less arithmetic than this share one look at the clock.
cdef enum: FLOPS_PER_CLOCK_CHECK = 4_000_000


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
        (samples, items per sample), -1 after a sample's last item; None: sample i is item i.
    samples, batch : int
        Number of samples, and how many of them make a step.
    targets : ndarray or None
        C-contiguous, of the plan's dtype, or int64 labels.
    sample_weights : ndarray of float64 or None
        One per sample, or one for each of its losses.
    order : ndarray of int64 or None
        The samples' order.
    function : str
        The caller's name for error messages.
    """

    def __init__(self, Plan plan not None, Arena arena not None, items, indices, samples, batch, targets=None,
                 sample_weights=None, order=None, function="run"):
        cdef Loop* loop = &self.loop
        memset(loop, 0, sizeof(Loop))
        self.plan = plan
        self.arena = arena
        self.keep = [items, indices, targets, sample_weights, order]
        self.set_program(batch, samples)
        loop.data.x.data = <const char*> data(items)
        loop.data.x.kind = kind_of(items)
        loop.data.x.size = items[:1].size
        loop.data.x.per_sample = 1 if indices is None else indices.shape[1]
        loop.data.x.indices = <const int64_t*> data(indices)
        loop.data.x.missing = indices is not None and bool((indices < 0).any())
        if loop.data.x.missing:
            check_missing(function, plan.program, loop.data.x.per_sample)
        loop.data.scale, loop.data.offset = plan.program.scale, plan.program.offset
        loop.data.targets = <const char*> data(targets)
        loop.data.target_bytes = 0 if targets is None else targets[:1].nbytes
        loop.data.sample_weights = <const double*> data(sample_weights)
        loop.data.weight_rows = 1 if sample_weights is None else sample_weights[:1].size
        loop.data.order = <const int64_t*> data(order)
        loop.data.samples, loop.data.batch = samples, batch

    cdef set_program(self, Py_ssize_t batch, Py_ssize_t samples):
        cdef Loop* loop = &self.loop
        cdef Arena arena = self.arena
        cdef Plan plan = self.plan
        arena.failed = 0
        arena.forget()
        loop.program = plan.c_program
        loop.program.full = arena.bind(min(batch, samples))
        loop.program.last = arena.bind(samples % batch) if samples % batch else loop.program.full
        losses, self.totals = np.empty(plan.c_program.regularization_count), np.zeros(2 + plan.c_program.metric_count)
        loop.program.regularization_losses = <double*> data(losses)
        loop.update.w, loop.update.dw = data(plan.weights), data(plan.gradients)
        loop.progress.totals = <double*> data(self.totals)
        loop.progress.step = &arena.step
        loop.progress.failed = &arena.failed
        flops = plan.program.flops * min(batch, samples) * (3 if plan.program.gradients else 1)
        loop.progress.steps_per_clock_check = (
            1 if loop.program.may_fail else max(1, min(64, FLOPS_PER_CLOCK_CHECK // (flops + 1))))
        self.team = flops > MIN_TEAM_FLOPS
        self.scratch = data(arena.scratch)
        self.body = run_steps_float if plan.dtype == np.float32 else run_steps_double
        self.keep.append(losses)

    def set_training(self, Rule rule, configuration, learning_rates, iteration, states, key, limits) -> None:
        """Change the weights in every step by the optimizer's rule.

        Parameters
        ----------
        rule : Rule
            The optimizer's.
        configuration : sequence of float
            The rule's constants.
        learning_rates : ndarray of float64
            One per step. They are read when a step begins, and may be changed until then.
        iteration : int
            Number of updates before step 0.
        states : sequence of ndarray
            The moving average of the weights if there is one, then the rule's vectors.
        key : int
            For what is random, such as dropout.
        limits : tuple of float
            Largest value in a gradient, largest norm of the whole gradient, weight of the newest weights in their
            moving average; 0: none.
        """
        cdef Loop* loop = &self.loop
        self.set_gradients(key, iteration)
        loop.update.changes_weights = True
        loop.update.clip_value, loop.update.clip_norm, loop.update.ema_weight = limits
        # The norm of the whole gradient and the gradient of the regularization are known only at the end. An op in
        # Python may fail in its backward pass; then no weight must have changed.
        loop.update.fused = (len(self.plan.weights) >= MIN_FUSED_PARAMETERS and not loop.update.clip_norm
                             and not loop.program.regularization_count and not loop.program.may_fail)
        set_rule(&loop.update, rule, configuration, states, self.plan, self.keep)
        loop.update.learning_rates = <double*> data(learning_rates)
        self.keep.append(learning_rates)

    def set_gradients(self, key, iteration) -> None:
        """Compute gradients in every step, and do not change the weights; parameters as for `set_training`."""
        self.set_key(key, iteration)
        self.loop.update.computes_gradients = True

    def set_key(self, key, iteration) -> None:
        """Set the key of what is random in training, and the iteration with which it goes on."""
        self.arena.step.key = key
        self.loop.progress.iteration = iteration

    def set_augmentation(self, shape, options, key, epoch) -> None:
        """Change each item, an image of this shape, at random while it is gathered.

        Parameters
        ----------
        shape : tuple of int
            (rows, columns) or (rows, columns, channels).
        options : dict
            Those of `tinynn.kernels.augment`.
        key, epoch : int
            What the changes are functions of, with the number of the sample.
        """
        cdef Loop* loop = &self.loop
        loop.data.augmentation = augmentation_of("fit", shape, options["shift"], options["rotation"], options["zoom"],
                                                 options["shear"], options["elastic"], options["smoothness"], key,
                                                 epoch)
        loop.data.augments = True
        # A cache line apart, against false sharing.
        loop.data.augmentation_numbers = augmentation_scratch(&loop.data.augmentation) + memory.CACHE_LINE

    def set_predictions(self, predictions) -> None:
        """Copy the output of every step into this array (samples, ...)."""
        self.loop.data.predictions = data(predictions)
        self.keep.append(predictions)

    def set_position(self, step, totals) -> None:
        """Go on at this step of the pass, with the totals of the steps before it."""
        self.loop.progress.next_step = step
        self.totals[:] = totals

    def run(self, int max_steps=2**31 - 1) -> int:
        """Run steps; returns DONE, TIME, NOT_FINITE or FAILED."""
        cdef Loop* loop = &self.loop
        cdef Py_ssize_t reason, steps = min(self.steps, loop.progress.next_step + max_steps)
        cdef int threads = threads_wanted() if self.team else 1
        if loop.data.augments:
            scratch = np.empty(threads * loop.data.augmentation_numbers, self.plan.dtype)
            loop.data.augmentation_scratch = data(scratch)
        reason = self.run_to(steps, nanoseconds() + SLICE_NANOSECONDS, threads)
        if reason == RUN_NOT_FINITE or reason == RUN_FAILED:
            return reason
        return DONE if loop.progress.next_step >= self.steps else TIME

    cdef Py_ssize_t run_to(self, Py_ssize_t end, int64_t deadline, int threads) noexcept:
        """Run the steps before `end`; returns the reason to stop."""
        cdef LoopProgress* progress = &self.loop.progress
        progress.first_step = progress.next_step
        progress.end_step = progress.stop_step = end
        progress.reason = RUN_DONE
        progress.deadline = deadline
        with nogil:
            run_team(threads, self.scratch, self.body, &self.loop)
        if progress.reason == RUN_NOT_FINITE or progress.reason == RUN_FAILED:
            progress.next_step = progress.stop_step
        return progress.reason

    # A job of one batch may do its step again, on other samples of the same number and kind.

    cdef void predict_batch(self, cnp.ndarray x, cnp.ndarray predictions) noexcept:
        self.loop.data.x.data = <const char*> cnp.PyArray_DATA(x)
        self.loop.data.predictions = cnp.PyArray_DATA(predictions)
        self.loop.progress.next_step = 0
        self.run_to(1, INT64_MAX, threads_wanted() if self.team else 1)

    cdef set_batch(self, cnp.ndarray x, cnp.ndarray y):
        """The samples and targets of `train_batch`."""
        self.loop.data.x.data = <const char*> cnp.PyArray_DATA(x)
        self.loop.data.targets = <const char*> cnp.PyArray_DATA(y)
        self.loop.progress.next_step = 0
        self.batch = x, y

    def train_batch(self, uint64_t iteration, double learning_rate, bint update) -> int:
        """Do the only step, on one thread, as update number `iteration`; returns as `run`.

        Without `update`, it only computes gradients.
        """
        cdef Loop* loop = &self.loop
        memset(loop.progress.totals, 0, (2 + loop.program.metric_count) * sizeof(double))
        loop.progress.next_step = 0
        loop.progress.iteration = iteration
        loop.update.learning_rates[0] = learning_rate
        loop.update.changes_weights = update
        return self.run_to(1, INT64_MAX, 1)

    def means(self) -> list[float]:
        """Loss and metrics of the samples so far."""
        cdef Py_ssize_t i
        cdef double* totals = self.loop.progress.totals
        return [totals[i] / totals[0] if totals[0] else np.nan for i in range(1, 2 + self.loop.program.metric_count)]

    @property
    def trains(self) -> bool:
        """Whether it computes gradients."""
        return self.loop.update.computes_gradients

    @property
    def steps(self) -> int:
        """Number of steps in all."""
        return (self.loop.data.samples + self.loop.data.batch - 1) // self.loop.data.batch

    @property
    def next_step(self) -> int:
        """The step to run next."""
        return self.loop.progress.next_step

    @property
    def last_loss(self) -> float:
        """Loss of the last step."""
        return self.loop.progress.last_loss

    def python_error(self) -> BaseException | None:
        """What an op written in Python raised; of several that ran at once, the first in forward order."""
        here = <uintptr_t> &self.arena.failed
        errors = [node.python.errors.pop(here, None) for node in self.plan.program.nodes if node.python is not None]
        return next((error for error in errors if error is not None), None)

    def first_not_finite(self) -> str:
        """Where NaN or infinity began in the step that stopped the run: a layer's path, or a description."""
        plan, batch = self.plan, self.loop.data.batch
        if (self.loop.progress.next_step + 1) * batch > self.loop.data.samples:
            batch = self.loop.data.samples % batch
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


cdef check_missing(function, program, per_sample):
    """Raise ValueError unless the program can do without the items that samples lack."""
    needs = program.needs_items
    if program.input.shape[:1] != (per_sample,):
        needs = f"the items are not the first axis of the model's samples of shape {program.input.shape}"
    if needs is not None:
        raise ValueError(f"{function}: the data set has samples with fewer than {per_sample} items (index -1), but "
                         f"{needs}; give every sample {per_sample} items, or put a recurrent layer or SumDistribution "
                         "directly after the layers that process each item separately")


cdef set_rule(LoopUpdate* update, Rule rule, configuration, states, Plan plan, list keep):
    """Set the rule and the vectors that it works on; `keep` holds their memory."""
    update.decays = rule.decays(configuration)
    chunks, starts = plan.chunks(bool(update.fused), bool(update.decays))
    configuration = np.array([*configuration, 0], np.float64)
    squares = np.empty(starts[-1], np.float64)
    keep += [rule, configuration, chunks, starts, squares, states]
    if update.ema_weight > 0:
        update.average, states = data(states[0]), states[1:]
    table = np.array([state.ctypes.data for state in states] + [0] * (8 - len(states)), np.uintp)
    keep.append(table)
    update.prepare, update.rule = rule.prepare, rule.update[0 if plan.dtype == np.float32 else 1]
    update.configuration = <const double*> data(configuration)
    update.states = <void**> data(table)
    update.squares = <double*> data(squares)
    update.chunks = <const Chunk*> data(chunks)
    update.chunk_starts = <const Py_ssize_t*> data(starts)


def apply_update(Rule rule, configuration, double learning_rate, iteration, states, limits, Plan plan,
                 list done) -> None:
    """Change the plan's weights by its gradients as they are, and append True to `done`; else as `Job.set_training`."""
    cdef Loop loop
    cdef Body body
    memset(&loop, 0, sizeof(Loop))
    keep = []
    loop.update.w, loop.update.dw = data(plan.weights), data(plan.gradients)
    loop.update.clip_value, loop.update.clip_norm, loop.update.ema_weight = limits
    set_rule(&loop.update, rule, configuration, states, plan, keep)
    loop.update.learning_rates = &learning_rate
    loop.progress.iteration = iteration
    body = run_update_float if plan.dtype == np.float32 else run_update_double
    with nogil:
        run_team(1, NULL, body, &loop)
    done.append(True)  # Ctrl-C may come before the caller's next line
