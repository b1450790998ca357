"""Optimizers: how each rule changes the flat vector of parameters, as Keras 3 states it.

    sgd      w -= rate dw;  with momentum: velocity = momentum velocity - rate dw,  w += velocity
             (Nesterov: w += momentum velocity - rate dw)
    adam     m += (1 - beta_1)(dw - m),  v += (1 - beta_2)(dw^2 - v),  w -= corrected m / (sqrt(v) + epsilon)
             with corrected = rate sqrt(1 - beta_2^step) / (1 - beta_1^step); AdamW first w -= rate weight_decay w
    rmsprop  v = rho v + (1 - rho) dw^2,  change = rate dw / sqrt(v + epsilon),  w -= change
             with momentum: velocity = momentum velocity + change,  w -= velocity

The scalars of a step are computed once, in double, by Prepare; Update runs over any part of the vectors.
"""

import numbers

import numpy as np

cimport numpy as cnp

from tinynn.kernels._arguments import required_arrays
from tinynn.kernels._public import public
from tinynn.kernels.op import expect_shape, register

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


# --- as functions ----------------------------------------------------------------------------------------------------

def vectors_to_change(function, arrays):
    """Check what is changed in place: a copy would lose the update."""
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):
            raise TypeError(f"{function}: {name} is a {type(array).__name__}, but is changed in place; give an ndarray "
                            "of float32 or float64")
        if array.dtype.kind == "f" and not array.dtype.isnative:
            raise TypeError(f"{function}: {name} is changed in place, but has the byte order {array.dtype.str}; "
                            f"convert it with {name}.astype({array.dtype.name!r})")
        if array.ndim != 1:
            raise ValueError(f"{function}: {name} has shape {array.shape}, but must be a vector")
        if not array.flags.writeable:
            raise ValueError(f"{function}: {name} is read-only, but is changed in place; give a copy")
        if not array.flags.c_contiguous or not array.flags.aligned:
            raise ValueError(f"{function}: {name} is not contiguous and aligned, but is changed in place; give "
                             f"{name}.copy()")


def number_of(function, name, value):
    if not isinstance(value, numbers.Real):
        raise TypeError(f"{function}: {name} is {value!r}, but must be a number")
    return float(value)


def update(function, Rule rule, w, dw, states, learning_rate, step, options):
    """One step of the rule in place; states by name, in the rule's order."""
    cdef double scalars[MAX_SIZES]
    cdef double configuration[MAX_SIZES]
    cdef void* state[MAX_SIZES]
    cdef Solo solo = Solo()
    cdef Update run
    changed = {"w": w, **states}
    for name, array in changed.items():
        if array is None:
            raise TypeError(f"{function}: {name} is missing; give a vector like w, zeros before the first step")
    vectors_to_change(function, changed)
    gradient = required_arrays(function, {"dw": 1}, dw=dw, **changed)[0]
    for name, array in changed.items():
        expect_shape(function, name, array, gradient.shape)
    options = {name: number_of(function, name, value) for name, value in options.items()}
    for number, value in enumerate(rule.configuration(**options)):
        configuration[<int> number] = value
    for number, array in enumerate(states.values()):
        state[<int> number] = cnp.PyArray_DATA(array)
    rule.prepare(scalars, configuration, number_of(function, "learning_rate", learning_rate), step, True)
    run = rule.update[1 if gradient.dtype == np.float64 else 0]
    cdef void* weights = cnp.PyArray_DATA(w)
    cdef const void* slope = cnp.PyArray_DATA(gradient)
    cdef Py_ssize_t n = gradient.size
    with nogil:
        run(weights, slope, state, scalars, n, &solo.worker)


def with_velocity(function, velocity, momentum, states):
    """The states and velocity, if there is momentum."""
    if not number_of(function, "momentum", momentum):
        return states
    if velocity is None:
        raise ValueError(f"{function}: velocity is None, but momentum {momentum} needs one; give np.zeros_like(w)")
    return {**states, "velocity": velocity}


@public
def py_sgd_update(w, dw, velocity, learning_rate, momentum=0.0, nesterov=False):
    """One step of gradient descent, in place: ``velocity = momentum velocity - rate dw;  w += velocity``.

    Parameters
    ----------
    w : ndarray, shape (n,)
        Parameters, float32 or float64; changed.
    dw : array_like, shape (n,)
        Their gradient, of the same dtype.
    velocity : ndarray, shape (n,), or None
        State of the momentum, zeros at first; changed. Without momentum it is not used and may be None.
    learning_rate : float
        The rate.
    momentum : float, optional
        Share of the velocity that stays.
    nesterov : bool, optional
        Whether the step looks ahead: ``w += momentum velocity - rate dw``.

    Raises
    ------
    TypeError
        If an array is not float32 or float64, two differ in dtype, or one to be changed is no ndarray.
    ValueError
        If the shapes differ, one to be changed is read-only or not contiguous, or velocity is missing.

    Examples
    --------
    >>> import numpy as np
    >>> w = np.array([1.0, 2.0])
    >>> sgd_update(w, np.array([1.0, -1.0]), None, 0.5)
    >>> w
    array([0.5, 2.5])
    """
    states = with_velocity("sgd_update", velocity, momentum, {})
    update("sgd_update", sgd, w, dw, states, learning_rate, 1, {"momentum": momentum, "nesterov": nesterov})


@public
def py_adam_update(w, dw, m, v, step, learning_rate, beta_1=0.9, beta_2=0.999, epsilon=1e-7, weight_decay=0.0):
    """One step of Adam, in place; with weight decay, of AdamW.

    ``w -= rate weight_decay w;  m += (1 - beta_1)(dw - m);  v += (1 - beta_2)(dw^2 - v)``;
    ``w -= rate sqrt(1 - beta_2^step) / (1 - beta_1^step) m / (sqrt(v) + epsilon)``

    Parameters
    ----------
    w : ndarray, shape (n,)
        Parameters, float32 or float64; changed.
    dw : array_like, shape (n,)
        Their gradient, of the same dtype.
    m, v : ndarray, shape (n,)
        Running means of the gradient and of its square, zeros at first; changed.
    step : int
        Number of this step, 1 for the first.
    learning_rate : float
        The rate.
    beta_1, beta_2 : float, optional
        Share of m and v that stays.
    epsilon : float, optional
        Added to the root.
    weight_decay : float, optional
        Decoupled weight decay.

    Raises
    ------
    TypeError
        If an array is not float32 or float64, two differ in dtype, or one to be changed is no ndarray.
    ValueError
        If the shapes differ, one to be changed is read-only or not contiguous, or step is less than 1.

    Examples
    --------
    >>> import numpy as np
    >>> w, m, v = np.array([1.0, 2.0]), np.zeros(2), np.zeros(2)
    >>> adam_update(w, np.array([5.0, -0.1]), m, v, 1, 0.5)
    >>> w.round(4)
    array([0.5, 2.5])
    """
    if not isinstance(step, numbers.Integral):
        raise TypeError(f"adam_update: step is {step!r}, but must be an integer, 1 for the first step")
    if not 1 <= step < 2 ** 63:
        raise ValueError(f"adam_update: step is {step}, but steps count from 1")
    update("adam_update", adam, w, dw, {"m": m, "v": v}, learning_rate, step,
           {"beta_1": beta_1, "beta_2": beta_2, "epsilon": epsilon, "weight_decay": weight_decay})


@public
def py_rmsprop_update(w, dw, v, velocity, learning_rate, rho=0.9, momentum=0.0, epsilon=1e-7):
    """One step of RMSprop, in place: ``v = rho v + (1 - rho) dw^2;  w -= rate dw / sqrt(v + epsilon)``.

    Parameters
    ----------
    w : ndarray, shape (n,)
        Parameters, float32 or float64; changed.
    dw : array_like, shape (n,)
        Their gradient, of the same dtype.
    v : ndarray, shape (n,)
        Running mean of the gradient's square, zeros at first; changed.
    velocity : ndarray, shape (n,), or None
        State of the momentum, zeros at first; changed. Without momentum it is not used and may be None.
    learning_rate : float
        The rate.
    rho : float, optional
        Share of v that stays.
    momentum : float, optional
        Share of the velocity that stays: ``velocity = momentum velocity + change;  w -= velocity``.
    epsilon : float, optional
        Added under the root.

    Raises
    ------
    TypeError
        If an array is not float32 or float64, two differ in dtype, or one to be changed is no ndarray.
    ValueError
        If the shapes differ, one to be changed is read-only or not contiguous, or velocity is missing.

    Examples
    --------
    >>> import numpy as np
    >>> w, v = np.array([1.0]), np.zeros(1)
    >>> rmsprop_update(w, np.array([2.0]), v, None, 0.1, rho=0.75)
    >>> w.round(4), v
    (array([0.8]), array([1.]))
    """
    states = with_velocity("rmsprop_update", velocity, momentum, {"v": v})
    update("rmsprop_update", rmsprop, w, dw, states, learning_rate, 1,
           {"rho": rho, "momentum": momentum, "epsilon": epsilon})
