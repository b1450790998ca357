"""What an op is: a kernel pair that the engine can run, and the call it is run with."""

from libc.stdint cimport int64_t, uint64_t

from tinynn.kernels.machine cimport Vectors, Worker

cdef enum: MAX_SIZES = 16

# Where a run stands: the keys of its counter-based random numbers, and what is known of the mini-batch.
cdef struct Step:
    uint64_t key
    uint64_t epoch
    uint64_t step
    const int64_t* counts       # how many items each sample has; NULL: all

# One op in one plan, its buffers resolved. Every array is dense, of the plan's dtype unless the op says otherwise.
cdef struct Call "tinynn_call":
    Py_ssize_t rows             # of this mini-batch, as the op counts them
    const Py_ssize_t* sizes     # what Op.sizes returned
    const double* scalars       # what Op.scalars returned
    void** inputs
    void** d_inputs             # OUT; an entry is NULL when nothing upstream learns
    void** outputs
    void** d_outputs            # backward may overwrite them
    void** parameters           # an entry is NULL when the op goes without it
    void** d_parameters         # OUT, or INOUT when accumulate; NULL when frozen
    bint accumulate
    void* workspace             # kept from forward to backward
    void* temporary             # only within one call; shared with the other ops
    const Step* step
    uint64_t identity           # of this op in its plan
    void* python                # the object behind an op written in Python
    int* failed                 # OUT: 1 when that object raised

# How an op runs on a call.
ctypedef void (*Run)(Call* call, Worker* worker) noexcept nogil

# The same struct as the ops read it: its arrays with their dtype. To C all three are one type, so a function that takes
# a FloatCall is a Run, and `call.inputs[0]`, a void*, becomes a float* when it is passed on or assigned. To count in
# elements, assign it first: C refuses arithmetic with void* (setup.py).
cdef extern from *:
    ctypedef struct FloatCall "struct tinynn_call":
        Py_ssize_t rows
        const Py_ssize_t* sizes
        const double* scalars
        float** inputs
        float** d_inputs
        float** outputs
        float** d_outputs
        float** parameters
        float** d_parameters
        bint accumulate
        float* workspace
        float* temporary
        const Step* step
        uint64_t identity
    ctypedef struct DoubleCall "struct tinynn_call":
        Py_ssize_t rows
        const Py_ssize_t* sizes
        const double* scalars
        double** inputs
        double** d_inputs
        double** outputs
        double** d_outputs
        double** parameters
        double** d_parameters
        bint accumulate
        double* workspace
        double* temporary
        const Step* step
        uint64_t identity
    # And a worker with the vector functions of one dtype.
    ctypedef struct FloatWorker "Worker":
        const Vectors* simd "f32"
    ctypedef struct DoubleWorker "Worker":
        const Vectors* simd "f64"

ctypedef fused RealCall:
    FloatCall
    DoubleCall

ctypedef fused RealWorker:
    FloatWorker
    DoubleWorker

cdef extern from * nogil:
    int RELAXED "__ATOMIC_RELAXED"
    Py_ssize_t load_size "__atomic_load_n"(const Py_ssize_t* number, int order)
    const int64_t* load_counts "__atomic_load_n"(const int64_t** counts, int order)
    void store_size "__atomic_store_n"(Py_ssize_t* number, Py_ssize_t value, int order)
    void store_counts "__atomic_store_n"(const int64_t** counts, const int64_t* value, int order)


cdef inline const int64_t* item_counts(const Step* step, bint counted) noexcept nogil:
    """How many items each sample has; NULL if all samples have all, or this op was not told to look (engine/items.py)

    Atomic, because a late thread may ask while the next step begins. It has no part left in which to use the answer,
    and whether that is NULL never changes within a run, so the phases of a kernel may depend on it.
    """
    return load_counts(&step.counts, RELAXED) if counted else NULL


cdef inline const int64_t* labels_of(RealCall* call, Py_ssize_t sparse) noexcept nogil:
    """The target of a loss or metric as labels; NULL if it is a distribution over classes."""
    return <const int64_t*> call.inputs[1] if sparse else NULL


cdef class Op:
    cdef readonly str name
    # float32, float64
    cdef Run forward[2]
    cdef Run backward[2]


# A loss or a metric.
cdef class TargetOp(Op):
    pass


# How an optimizer changes n consecutive parameters: w, their gradient dw, the optimizer's state vectors.
# scalars are what Prepare wrote for this step.
ctypedef void (*Update)(void* w, const void* dw, void** state, const double* scalars, Py_ssize_t n,
                        Worker* worker) noexcept nogil
# The numbers of step `step` (1, 2, ...): from the optimizer's configuration and its learning rate.
# `decayed` says whether these parameters take part in weight decay.
ctypedef void (*Prepare)(double* scalars, const double* configuration, double learning_rate, uint64_t step,
                         bint decayed) noexcept nogil


cdef class Rule:
    cdef readonly str name
    cdef Prepare prepare
    # float32, float64
    cdef Update update[2]
