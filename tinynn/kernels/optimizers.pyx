"""Optimizers: how each rule changes the flat vector of parameters, as Keras 3 states it.

    sgd      w -= rate dw;  with momentum: velocity = momentum velocity - rate dw,  w += velocity
             (Nesterov: w += momentum velocity - rate dw)
    adam     m += (1 - beta_1)(dw - m),  v += (1 - beta_2)(dw^2 - v),  w -= corrected m / (sqrt(v) + epsilon)
             with corrected = rate sqrt(1 - beta_2^step) / (1 - beta_1^step); AdamW first w -= rate weight_decay w
    rmsprop  v = rho v + (1 - rho) dw^2,  change = rate dw / sqrt(v + epsilon),  w -= change
             with momentum: velocity = momentum velocity + change,  w -= velocity

The scalars of a step are computed once, in double, by Prepare; Update runs over any part of the vectors.
"""

import numpy as np

cimport numpy as cnp

from tinynn.kernels.op import register

from libc.math cimport sqrt
from libc.stdint cimport uint64_t

from tinynn.kernels.machine cimport Solo
from tinynn.kernels.op cimport MAX_SIZES, DoubleWorker, FloatWorker, RealWorker, Rule, Update

cnp.import_array()


cdef void powers(double* result, double a, double b, uint64_t exponent) noexcept nogil:
    """a^exponent, b^exponent by repeated squaring: the same bits everywhere, which a library's pow does not promise"""
    cdef double[2] factor_a
    cdef double[2] factor_b
    factor_a[0] = factor_b[0] = result[0] = result[1] = 1
    while exponent:
        factor_a[1] = a
        factor_b[1] = b
        result[0] *= factor_a[exponent & 1]  # instead of a branch that is hard to predict
        result[1] *= factor_b[exponent & 1]
        a *= a
        b *= b
        exponent >>= 1


# --- sgd: configuration (momentum, nesterov); states [velocity] with momentum, else none -----------------------------

cdef void prepare_sgd(double* scalars, const double* configuration, double learning_rate, uint64_t step,
                      bint decayed) noexcept nogil:
    scalars[0] = learning_rate
    scalars[1] = configuration[0]
    scalars[2] = configuration[1]


cdef void update_sgd(void* w, const void* dw, void** state, const double* scalars, Py_ssize_t n,
                     RealWorker* worker) noexcept nogil:
    worker.simd.sgd(w, dw, state[0] if scalars[1] != 0 else NULL, scalars[0], scalars[1], scalars[2] != 0, n)


cdef class Sgd(Rule):

    def __cinit__(self):
        self.prepare = prepare_sgd
        self.update = [<Update> update_sgd[FloatWorker], <Update> update_sgd[DoubleWorker]]

    def configuration(self, *, momentum=0.0, nesterov=False):
        return float(momentum), float(nesterov)

    def states(self, configuration):
        return ("velocity",) if configuration[0] else ()


# --- adam: configuration (beta_1, beta_2, epsilon, weight_decay); states [first_moment, second_moment] ---------------

cdef void prepare_adam(double* scalars, const double* configuration, double learning_rate, uint64_t step,
                       bint decayed) noexcept nogil:
    cdef double beta_1 = configuration[0]
    cdef double beta_2 = configuration[1]
    cdef double[2] power
    powers(power, beta_1, beta_2, step)
    scalars[0] = learning_rate * sqrt(1 - power[1]) / (1 - power[0])
    scalars[1] = 1 - beta_1
    scalars[2] = 1 - beta_2
    scalars[3] = configuration[2]
    scalars[4] = learning_rate * configuration[3] if decayed else 0


cdef void update_adam(void* w, const void* dw, void** state, const double* scalars, Py_ssize_t n,
                      RealWorker* worker) noexcept nogil:
    worker.simd.adam(w, dw, state[0], state[1], scalars[0], scalars[1], scalars[2], scalars[3], scalars[4], n)


cdef class Adam(Rule):

    def __cinit__(self):
        self.prepare = prepare_adam
        self.update = [<Update> update_adam[FloatWorker], <Update> update_adam[DoubleWorker]]

    def configuration(self, *, beta_1=0.9, beta_2=0.999, epsilon=1e-7, weight_decay=0.0):
        return float(beta_1), float(beta_2), float(epsilon), float(weight_decay)

    def states(self, configuration):
        return "first_moment", "second_moment"

    def decays(self, configuration):
        return configuration[3] != 0


# --- rmsprop: configuration (rho, momentum, epsilon); states [mean_square], with momentum [mean_square, velocity] ----

cdef void prepare_rmsprop(double* scalars, const double* configuration, double learning_rate, uint64_t step,
                          bint decayed) noexcept nogil:
    scalars[0] = learning_rate
    scalars[1] = configuration[0]
    scalars[2] = 1 - configuration[0]
    scalars[3] = configuration[1]
    scalars[4] = configuration[2]


cdef void update_rmsprop(void* w, const void* dw, void** state, const double* scalars, Py_ssize_t n,
                         RealWorker* worker) noexcept nogil:
    worker.simd.rmsprop(w, dw, state[0], state[1] if scalars[3] != 0 else NULL, scalars[0], scalars[1], scalars[2],
                        scalars[3], scalars[4], n)


cdef class RMSprop(Rule):

    def __cinit__(self):
        self.prepare = prepare_rmsprop
        self.update = [<Update> update_rmsprop[FloatWorker], <Update> update_rmsprop[DoubleWorker]]

    def configuration(self, *, rho=0.9, momentum=0.0, epsilon=1e-7):
        return float(rho), float(momentum), float(epsilon)

    def states(self, configuration):
        return ("mean_square", "velocity") if configuration[1] else ("mean_square",)


sgd = Sgd("sgd")
adam = Adam("adam")
rmsprop = RMSprop("rmsprop")
for each in (sgd, adam, rmsprop):
    register(each)


def update_in_place(Rule rule, w, dw, states, options, double learning_rate, uint64_t step):
    """Take one step of a rule: w and the states are changed, contiguous vectors like dw; options as it configures."""
    cdef double scalars[MAX_SIZES]
    cdef double configuration[MAX_SIZES]
    cdef void* state[MAX_SIZES]
    cdef Solo solo = Solo()
    cdef Update run = rule.update[1 if dw.dtype == np.float64 else 0]
    cdef void* weights = cnp.PyArray_DATA(w)
    cdef const void* gradient = cnp.PyArray_DATA(dw)
    cdef Py_ssize_t n = dw.size
    for number, value in enumerate(options):
        configuration[<int> number] = value
    for number, array in enumerate(states):
        state[<int> number] = cnp.PyArray_DATA(array)
    rule.prepare(scalars, configuration, learning_rate, step, True)
    with nogil:
        run(weights, gradient, state, scalars, n, &solo.worker)
