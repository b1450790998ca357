"""Predictions and training steps of small batches, for which Python's checks would take longer than the arithmetic.

Design: jobs of one batch are kept for each number of rows and kind of samples, and given other arrays. Arguments that
are not plain are left to the general path, which also reports errors.
"""

from sys import intern

import numpy as np

cimport numpy as cnp

from libc.stdint cimport int64_t

from tinynn.engine.arrays cimport are_labels, is_finite, kind_of
from tinynn.engine.job cimport Job
from tinynn.engine.plan cimport Arena, Plan

cnp.import_array()

# More rows are worth the general path.
cdef enum: MAX_ROWS = 256
cdef enum: MAX_AXES = 8
# Numbers of rows for which jobs are kept.
cdef enum: MAX_BATCH_SIZES = 16

cdef str AUTO = intern("auto")

# Shape of a batch: (rows, *sizes[1:axes]). No batch has -1 axes.
cdef struct Shape:
    int axes
    cnp.npy_intp sizes[MAX_AXES]


cdef bint has_sizes(cnp.ndarray array, const Shape* shape, int axes) noexcept:
    """Whether an array has the sizes of the shape in its axes 1 to axes - 1."""
    cdef int i
    for i in range(1, axes):
        if cnp.PyArray_DIM(array, i) != shape.sizes[i]:
            return False
    return True


cdef class SmallBatches:
    """Jobs for batches of a few samples, and the checks of those samples.

    Parameters
    ----------
    plan : Plan
        What to run. If an op is written in Python, every batch is left to the general path.
    sample_shape, result_shape : tuple of int
        Shapes of one sample and of its prediction or target.
    """
    cdef readonly Plan plan
    cdef bint single            # dtype is float32
    cdef int dtype              # NumPy's number for it
    cdef Shape sample, result
    cdef list jobs              # for each kind of samples and number of rows, a list of idle jobs, or None

    def __init__(self, Plan plan not None, sample_shape, result_shape):
        self.plan = plan
        self.single = plan.dtype == np.float32
        self.dtype = cnp.NPY_FLOAT32 if self.single else cnp.NPY_FLOAT64
        self.jobs = no_jobs()
        self.sample.axes = self.result.axes = -1
        if max(len(sample_shape), len(result_shape)) < MAX_AXES and not plan.c_program.may_fail:
            self.sample.axes, self.result.axes = 1 + len(sample_shape), 1 + len(result_shape)
            for i, n in enumerate(sample_shape, 1):
                self.sample.sizes[<int> i] = n
            for i, n in enumerate(result_shape, 1):
                self.result.sizes[<int> i] = n

    cdef int kind_of_samples(self, object x) noexcept:
        """Kind of a plain array with a few samples of the right shape; -1 if it is anything else."""
        cdef cnp.ndarray array
        if type(x) is not cnp.ndarray:
            return -1
        array = <cnp.ndarray> x
        if not cnp.PyArray_ISCARRAY_RO(array) or cnp.PyArray_NDIM(array) != self.sample.axes:
            return -1
        if not 1 <= cnp.PyArray_DIM(array, 0) <= MAX_ROWS or not has_sizes(array, &self.sample, self.sample.axes):
            return -1
        return kind_of(array)

    cdef list idle_jobs(self, Py_ssize_t rows, int kind):
        """Jobs for such batches. Those for other numbers of rows are dropped once there are many."""
        cdef Py_ssize_t place = (MAX_ROWS + 1) * kind + rows
        cdef list jobs = self.jobs  # another thread may replace the list meanwhile
        if jobs[place] is None:
            if len(jobs) - jobs.count(None) >= MAX_BATCH_SIZES:
                self.jobs = jobs = no_jobs()
            jobs[place] = []
        return jobs[place]


cdef list no_jobs():
    return [None] * (3 * (MAX_ROWS + 1))


cdef class Predictor(SmallBatches):
    """Predictions of a few samples. Any number of threads may call `predict`; see `SmallBatches` for the parameters."""

    def predict(self, x, batch_size, output, finite, verbose, callbacks) -> np.ndarray | None:
        """The output for x, given the arguments of `Sequential.predict`; None unless they are plain.

        That is: a contiguous array of at most one batch, finite if that is to be checked, and no callbacks.
        """
        cdef cnp.ndarray samples, predictions
        cdef list idle
        cdef Job job
        cdef int kind
        cdef Py_ssize_t rows
        cdef Shape shape
        if type(batch_size) is not int or type(finite) is not bool or output is not None:
            return None
        if type(callbacks) is not tuple or len(<tuple> callbacks):
            return None
        if verbose is not AUTO and (type(verbose) is not int or verbose not in (0, 1, 2)):
            return None
        kind = self.kind_of_samples(x)
        if kind < 0:
            return None
        samples = <cnp.ndarray> x
        rows = cnp.PyArray_DIM(samples, 0)
        if batch_size < rows or (finite and not is_finite(samples, kind, self.single)):
            return None
        idle = self.idle_jobs(rows, kind)
        try:
            job = idle.pop()
        except IndexError:  # none yet, or all at work in other threads
            job = Job(self.plan, Arena(self.plan, rows), samples, None, rows, rows)
        shape = self.result
        shape.sizes[0] = rows
        predictions = cnp.PyArray_EMPTY(shape.axes, shape.sizes, self.dtype, 0)
        job.predict_batch(samples, predictions)
        idle.append(job)
        return predictions


cdef class BatchTrainer(SmallBatches):
    """Training steps on single small batches. Only one thread at a time may use it.

    Parameters
    ----------
    plan : Plan
        A plan that trains.
    sample_shape, target_shape : tuple of int
        Shapes of one sample and of its target.
    classes : int
        Targets are labels from 0 to classes - 1; 0: targets are not labels, but of the plan's dtype.
    """
    cdef int64_t classes

    def __init__(self, Plan plan, sample_shape, target_shape, int64_t classes):
        super().__init__(plan, sample_shape, target_shape)
        self.classes = classes
        if classes:
            self.dtype = cnp.NPY_INT64

    def job(self, x, y) -> Job | None:
        """The job of this batch; None unless x and y are plain arrays with a few valid samples.

        The caller configures a new job with `Job.set_training`; then `Job.train_batch` does its step.
        """
        cdef cnp.ndarray samples, targets
        cdef list idle
        cdef Job job
        cdef int kind = self.kind_of_samples(x)
        cdef Py_ssize_t rows
        if kind < 0 or type(y) is not cnp.ndarray:
            return None
        samples = <cnp.ndarray> x
        rows = cnp.PyArray_DIM(samples, 0)
        targets = self.as_targets(y, rows)
        if targets is None or not is_finite(samples, kind, self.single):
            return None
        idle = self.idle_jobs(rows, kind)
        if idle:
            job = idle[0]
        else:
            job = Job(self.plan, Arena(self.plan, rows), samples, None, rows, rows, targets)
            if job.team:
                return None
            idle.append(job)
        job.set_batch(samples, targets)
        return job

    cdef cnp.ndarray as_targets(self, cnp.ndarray y, Py_ssize_t rows):
        """The targets as the engine reads them; None if that is for the general path."""
        cdef int axes = cnp.PyArray_NDIM(y), shared = self.result.axes
        if axes != shared:
            # Labels may have an additional last axis of length 1; other targets may lack a last axis of length 1.
            if self.classes and axes == shared + 1 and cnp.PyArray_DIM(y, shared) == 1:
                pass
            elif not self.classes and axes == shared - 1 >= 1 and self.result.sizes[axes] == 1:
                shared = axes
            else:
                return None
        if cnp.PyArray_DIM(y, 0) != rows or not has_sizes(y, &self.result, shared):
            return None
        if cnp.PyArray_TYPE(y) != self.dtype or not cnp.PyArray_ISCARRAY_RO(y):
            if y.dtype.kind not in ("iu" if self.classes else "f"):
                return None
            with np.errstate(over="ignore"):  # infinity is found below
                y = np.array(y, np.int64 if self.classes else self.plan.dtype, order="C")
        if self.classes:
            return y if are_labels(y, self.classes) else None
        return y if is_finite(y, kind_of(y), False) else None
