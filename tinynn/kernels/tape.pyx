"""The tape: a graph of scalars as one flat array of instructions, walked both ways without the GIL.

Entry ``i`` of a tape is either a leaf (a number that is given) or an operation on one or two *earlier*
entries. So one walk up computes every value, and one walk down passes the gradients on: when the walk down
reaches an entry, everything that uses it has already added its share.

The walks and the arithmetic are in ``simd/tape.h``. The nodes of ``tinynn.graph`` do the same arithmetic in Python and
get the same bits, because they take `exp` and `tanh` from here: those of ``math`` differ in the last digit.
"""
from cpython.mem cimport PyMem_Calloc, PyMem_Free

from tinynn.kernels.machine cimport (
    ADD, HALF_SQUARED_ERROR, LINEAR, MULTIPLY, RELU, SIGMOID, TANH, Instruction, TapeFunctions, instruction_set_in_use,
)

from operator import index

cdef const TapeFunctions* functions = instruction_set_in_use().tape


# --- What Python sees -----------------------------------------------------------------------------


#: The known operations and the number of inputs of each.
OPERATIONS = {"leaf": 0, "sigmoid": 1, "relu": 1, "tanh": 1, "multiply": 2, "add": 2, "half_squared_error": 2}

CODES = {"leaf": LINEAR, "sigmoid": SIGMOID, "relu": RELU, "tanh": TANH, "multiply": MULTIPLY, "add": ADD,
         "half_squared_error": HALF_SQUARED_ERROR}


def code_of(operation, str caller, Py_ssize_t inputs):
    """Return the code of `operation`, after checking that it exists and takes that many inputs."""
    expected = OPERATIONS.get(operation) if isinstance(operation, str) else None
    if expected is None:
        raise ValueError(f"{caller}: operation {operation!r} is unknown; "
                         f"the known ones are {', '.join(OPERATIONS)}")
    if expected != inputs:
        raise ValueError(f"{caller}: operation {operation!r} takes {expected} inputs, got {inputs}")
    return CODES[operation]


def exp(double x):
    """Return ``e^x`` with the bits of the tape's exponential.

    Parameters
    ----------
    x : float

    Returns
    -------
    float
        Infinity where ``math.exp`` would raise OverflowError.

    Examples
    --------
    >>> from tinynn.kernels.tape import exp
    >>> [exp(x) for x in (-1e4, 0.0, 1e4)]
    [0.0, 1.0, inf]
    """
    cdef double y
    instruction_set_in_use().f64.exp(&y, &x, 1)
    return y


def tanh(double z):
    """Return the hyperbolic tangent of `z` with the bits of the tape's.

    Parameters
    ----------
    z : float

    Returns
    -------
    float

    Examples
    --------
    >>> from tinynn.kernels.tape import tanh
    >>> [tanh(z) for z in (-1e4, 0.0, 1e4)]
    [-1.0, 0.0, 1.0]
    """
    return functions.tanh(z)


cdef class Tape:
    """A graph of float64 scalars in a flat form that runs without the GIL.

    Parameters
    ----------
    operations : sequence of str
        What each entry computes: a key of `OPERATIONS`. The last entry is the result, the loss when training.
    inputs : sequence of sequence of int
        For each entry the positions of its inputs, all smaller than its own: ``()``, ``(i,)`` or ``(i, j)``.
    variables : sequence of int, optional
        Positions of the leaves that `train` changes.

    Raises
    ------
    ValueError
        If an operation is unknown, a position does not lie before the entry that uses it, or a variable is
        not a leaf or is named twice.

    Examples
    --------
    The loss ``(w x - y)^2 / 2`` with ``w`` trainable, x = 2, y = 12:

    >>> tape = Tape(["leaf", "leaf", "multiply", "leaf", "half_squared_error"],
    ...             [(), (), (0, 1), (), (2, 3)], variables=[0])
    >>> tape.set_leaves([5.0, 2.0, 0.0, 12.0, 0.0])
    >>> tape.forward()
    2.0
    >>> tape.backward()
    >>> tape.get_gradients()
    [-4.0, -10.0, -2.0, 2.0, 1.0]
    >>> tape.train(1, 0.25)
    1
    >>> tape.get_weights()
    [6.0]
    """

    def __cinit__(self, operations, inputs, variables=()):
        cdef Py_ssize_t i, k
        operations = tuple(operations)
        inputs = [tuple(map(index, positions)) for positions in inputs]
        variables = tuple(map(index, variables))
        if not operations:
            raise ValueError("Tape: operations is empty; a tape needs at least one entry")
        if len(operations) != len(inputs):
            raise ValueError(f"Tape: operations has {len(operations)} entries, but inputs has {len(inputs)}")
        self.size = len(operations)
        self.count = len(variables)
        self.instructions = <Instruction*>PyMem_Calloc(self.size, sizeof(Instruction))
        self.leaves = <bint*>PyMem_Calloc(self.size, sizeof(bint))
        self.values = <double*>PyMem_Calloc(self.size, sizeof(double))
        self.slopes = <double*>PyMem_Calloc(self.size, sizeof(double))
        self.gradients = <double*>PyMem_Calloc(self.size, sizeof(double))
        self.variables = <Py_ssize_t*>PyMem_Calloc(self.count, sizeof(Py_ssize_t))
        self.weights = <double*>PyMem_Calloc(self.count, sizeof(double))
        if not (self.instructions and self.leaves and self.values and self.slopes and self.gradients
                and self.variables and self.weights):
            raise MemoryError(f"Tape: no memory for {self.size} entries")

        for i in range(self.size):
            positions = inputs[i]
            code = code_of(operations[i], f"Tape: entry {i}", len(positions))
            for position in positions:
                if not 0 <= position < i:
                    raise ValueError(f"Tape: entry {i} uses entry {position}, expected an earlier one; "
                                     "put the entries in topological order")
            if code == LINEAR:
                self.leaves[i] = True
                continue
            self.instructions[self.length] = Instruction(code, i, positions[0], positions[-1], False, False)
            self.length += 1
        self.mark_first_writers()
        for k in range(self.count):
            if not 0 <= variables[k] < self.size or operations[variables[k]] != "leaf":
                raise ValueError(f"Tape: variable {variables[k]} is not a leaf; only leaves can be trained")
            self.variables[k] = variables[k]
        if len(set(variables)) != len(variables):
            raise ValueError(f"Tape: variables names an entry twice: {list(variables)}")

    def mark_first_writers(self):
        """Mark the first addition to each gradient on the way down: it stores, and no zeros are needed before it."""
        cdef Instruction* at = self.instructions + self.length
        written = set()
        while at > self.instructions:
            at -= 1
            at.first_is_new = at.first not in written
            written.add(at.first)
            at.second_is_new = at.second not in written
            written.add(at.second)

    def __dealloc__(self):
        PyMem_Free(self.instructions)
        PyMem_Free(self.leaves)
        PyMem_Free(self.values)
        PyMem_Free(self.slopes)
        PyMem_Free(self.gradients)
        PyMem_Free(self.variables)
        PyMem_Free(self.weights)

    def __len__(self):
        return self.size

    cdef int claim(self, str caller) except -1:
        """Refuse to touch numbers that another thread is training on (it does so without the GIL)."""
        if self.running:
            raise RuntimeError(f"Tape.{caller}: another thread is training this tape; "
                               "wait for it, or give each thread a tape of its own")
        return 0

    def set_leaves(self, numbers):
        """Set all leaves, variables included.

        Parameters
        ----------
        numbers : sequence of float, one per entry
            Those at entries that are not leaves are ignored.
        """
        cdef Py_ssize_t i, k
        converted = [float(number) for number in numbers]
        if len(converted) != self.size:
            raise ValueError(f"Tape.set_leaves: numbers has {len(converted)} entries, but the tape has "
                             f"{self.size}; pass one number per entry")
        self.claim("set_leaves")
        for i in range(self.size):
            if self.leaves[i]:
                self.values[i] = converted[i]
        for k in range(self.count):
            self.weights[k] = self.values[self.variables[k]]

    def get_values(self):
        """Return what the last forward pass computed, one float per entry."""
        self.claim("get_values")
        return [self.values[i] for i in range(self.size)]

    def get_gradients(self):
        """Return what the last backward pass computed, one float per entry."""
        self.claim("get_gradients")
        return [self.gradients[i] for i in range(self.size)]

    def get_weights(self):
        """Return the current values of the variables; `train` changes them after its last forward pass."""
        self.claim("get_weights")
        return [self.weights[k] for k in range(self.count)]

    def forward(self):
        """Compute every entry from the leaves and return the last one."""
        cdef Py_ssize_t k
        self.claim("forward")
        for k in range(self.count):
            self.values[self.variables[k]] = self.weights[k]
        functions.forward(self.values, self.slopes, self.instructions, self.length)
        return self.values[self.size - 1]

    def backward(self, double d=1.0):
        """Compute `d` times the derivative of the last entry by every entry, at the last forward pass."""
        self.claim("backward")
        functions.backward(self.gradients, self.values, self.slopes, self.instructions, self.length, self.size, d)

    def train(self, long long steps, double lr):
        """Take `steps` steps of gradient descent (forward, backward, ``w <- w - lr dL/dw``) without the GIL.

        Parameters
        ----------
        steps : int
            Number of steps, 0 or more. The call cannot be interrupted: keep it short and call again.
        lr : float
            The learning rate.

        Returns
        -------
        int
            The number of steps done: fewer than `steps` if the next one would make a variable infinite
            or NaN. That step is then not taken.
        """
        cdef long long done
        if steps < 0:
            raise ValueError(f"Tape.train: steps is {steps}, expected 0 or more")
        self.claim("train")
        self.running = True
        with nogil:
            done = functions.train(self.weights, self.values, self.slopes, self.gradients, self.instructions,
                                   self.variables, self.length, self.size, self.count, steps, lr)
        self.running = False
        return done
