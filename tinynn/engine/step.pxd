"""What the loop over mini-batches works on: C structures only, filled by a plan and a job."""

from libc.stdint cimport int64_t, uint64_t

from tinynn.kernels.machine cimport Augmentation, Worker
from tinynn.kernels.op cimport Call, Prepare, Run, Step, Update

# Why a run returned.
cdef enum Reason:
    RUN_DONE
    RUN_TIME
    RUN_NOT_FINITE
    RUN_FAILED

# The program ------------------------------------------------------------------------------------------------

# Consecutive ops, run one after the other.
cdef struct Branch:
    int first
    int count

# Consecutive branches, which may run at the same time.
cdef struct Stage:
    int first
    int count

# The program's buffers and calls for one batch size.
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

# Part of the weights, with its term of the loss: l1 sum |w| + l2 sum w^2.
cdef struct Regularization:
    Py_ssize_t start
    Py_ssize_t stop
    double l1
    double l2

cdef struct LoopProgram:
    const Stage* stages
    const Branch* branches
    int stage_count
    const Run* forward
    const Run* backward
    int loss                        # index of the loss op, which the metrics follow; -1: none
    Py_ssize_t loss_rows            # losses per sample
    int metric_count
    const Py_ssize_t* metric_rows   # of each metric: numbers per sample
    Py_ssize_t output_size          # numbers per sample
    bint may_fail                   # some op is written in Python
    const Regularization* regularizations
    Py_ssize_t regularization_count
    double* regularization_losses   # the term of each
    Bound full
    Bound last                      # for the last mini-batch, which may be smaller

# The data ---------------------------------------------------------------------------------------------------

# Where samples come from: sample i is per_sample items, those that indices name, or else the next ones in order.
cdef struct Items:
    const char* data
    int kind                        # UINT8, FLOAT or DOUBLE
    Py_ssize_t size                 # numbers per item
    Py_ssize_t per_sample
    const int64_t* indices          # -1 where a sample has no item
    bint missing                    # whether there is any -1

cdef struct LoopData:
    Items x
    double scale
    double offset
    bint augments
    Augmentation augmentation       # of items that are images
    void* augmentation_scratch      # augmentation_numbers for each thread
    Py_ssize_t augmentation_numbers
    const char* targets
    Py_ssize_t target_bytes         # per sample
    const double* sample_weights
    Py_ssize_t weight_rows          # weights per sample: 1, or one for each of its losses
    const int64_t* order
    Py_ssize_t samples
    Py_ssize_t batch
    void* predictions               # OUT

# The update -------------------------------------------------------------------------------------------------

# Part of the flat vectors that one thread updates at a time.
cdef struct Chunk:
    Py_ssize_t start
    Py_ssize_t stop
    bint decayed

cdef struct LoopUpdate:
    bint computes_gradients
    bint changes_weights
    Prepare prepare
    Update rule
    const double* configuration     # the optimizer's, for prepare
    bint decays                     # parameters with weight decay have scalars of their own
    double* learning_rates          # one per step
    void* w
    void* dw
    void** states
    double clip_value               # largest absolute value in a gradient; 0: no limit
    double clip_norm                # largest norm of the whole gradient; 0: no limit
    double* squares                 # of each chunk of the gradient, for its norm
    void* average                   # moving average of the weights, or NULL
    double ema_weight               # weight of the newest weights in it
    const Chunk* chunks
    const Py_ssize_t* chunk_starts  # by op, and where the last one's end
    bint fused                      # each op has chunks of its own, updated right after its backward pass

# The progress -----------------------------------------------------------------------------------------------

cdef struct LoopProgress:
    Py_ssize_t first_step           # of this run; constant while threads may still join it
    Py_ssize_t end_step             # of this run, likewise
    Py_ssize_t next_step
    Py_ssize_t stop_step            # this one and reason are also read by late threads: see request_stop
    Py_ssize_t reason
    int64_t deadline
    Py_ssize_t steps_per_clock_check
    uint64_t iteration              # updates before step 0
    Step* step                      # OUT, for the ops
    int* failed                     # set by ops
    double* totals                  # sums over samples: samples, loss, metrics
    double last_loss

# One pass over samples.
cdef struct Loop:
    LoopProgram program
    LoopData data
    LoopUpdate update
    LoopProgress progress


# Bodies of a team; the context is a Loop.
cdef void run_steps_float(void* loop, Worker* worker) noexcept nogil
cdef void run_steps_double(void* loop, Worker* worker) noexcept nogil
# The optimizer's rule alone, with the gradients as they are.
cdef void run_update_float(void* loop, Worker* worker) noexcept nogil
cdef void run_update_double(void* loop, Worker* worker) noexcept nogil

cdef int64_t nanoseconds() noexcept nogil
