"""A program made ready to run: C structures for one dtype and one set of parameters, and arenas with its buffers.

Design: a call leases an `Arena` from a `Plan`: memory for all buffers and, for each batch size in use (the full one and
the last one), the calls of the ops with their pointers resolved. A Job (job.pyx) runs them.
"""

from contextlib import contextmanager
from operator import attrgetter

import numpy as np

import tinynn.engine.python_op  # no-cython-lint: registers its ops
from tinynn.engine.memory import aligned, check_bytes, padded
from tinynn.engine.graph import product
from tinynn.kernels import op as ops

cimport numpy as cnp

from libc.stdint cimport int64_t, uintptr_t
from libc.string cimport memset

from tinynn.engine.arrays cimport data
from tinynn.engine.step cimport Bound, Branch, Chunk, Regularization, Stage
from tinynn.kernels.machine cimport GEMM_SCRATCH_BYTES
from tinynn.kernels.op cimport Call, Op, Run, Step

cnp.import_array()

# Parameters that one thread updates at a time.
cdef enum: CHUNK_SIZE = 8192
# Batch sizes for which an arena keeps the calls.
cdef enum: MAX_BINDINGS = 16

# The structures of these names, as NumPy knows them.
CHUNK = np.dtype([("start", np.intp), ("stop", np.intp), ("decayed", np.intc)], align=True)
REGULARIZATION = np.dtype([("start", np.intp), ("stop", np.intp), ("l1", np.float64), ("l2", np.float64)], align=True)
assert CHUNK.itemsize == sizeof(Chunk) and REGULARIZATION.itemsize == sizeof(Regularization)


cdef class Arena:
    """The buffers of one call, and the ops' calls bound to them for each batch size.

    Parameters
    ----------
    plan : Plan
        What it is for.
    capacity : int
        The largest batch size.
    """

    def __init__(self, Plan plan not None, Py_ssize_t capacity):
        self.plan = plan
        self.capacity = capacity
        self.layout = plan.layout(capacity)
        size = self.layout["bytes"]
        try:
            self.memory = aligned(size, np.uint8)
        except MemoryError:
            raise MemoryError(f"a batch of {capacity:,} samples needs {size:,} bytes; take a smaller "
                              "batch_size") from None
        self.scratch = aligned(GEMM_SCRATCH_BYTES, np.uint8)
        self.bindings = {}
        memset(&self.step, 0, sizeof(Step))

    cdef forget(self):
        """Drop the bindings of earlier calls once there are many; only while no job uses one."""
        if len(self.bindings) > MAX_BINDINGS:
            self.bindings.clear()

    cdef Bound bind(self, Py_ssize_t batch):
        """Buffers and calls for one batch size."""
        if batch not in self.bindings:
            self.bindings[batch] = self.make_bound(batch)
        return (<Bound*> data(self.bindings[batch][0]))[0]

    cdef list make_bound(self, Py_ssize_t batch):
        """An array that holds the Bound, followed by the arrays that it points to."""
        cdef Bound* bound
        cdef char* base = <char*> data(self.memory)
        cdef Py_ssize_t number
        program, layout = self.plan.program, self.layout
        values = layout["values"]
        keep = [np.zeros(sizeof(Bound), np.uint8), np.zeros(len(program.nodes) * sizeof(Call) + 1, np.uint8)]
        bound = <Bound*> data(keep[0])
        bound.batch = batch
        bound.calls = <Call*> data(keep[1])
        bound.input = base + <Py_ssize_t> values[program.input.buffer]
        bound.output = base + <Py_ssize_t> values[program.output.buffer]
        bound.weights = base + <Py_ssize_t> layout["weights"]
        bound.counts = <int64_t*> (base + <Py_ssize_t> layout["counts"])
        bound.d_losses = base + <Py_ssize_t> layout["d_losses"]
        if program.loss is not None:
            bound.target = base + <Py_ssize_t> values[program.target.buffer]
            bound.losses = base + <Py_ssize_t> values[program.nodes[program.loss].outputs[0].buffer]
        for number, node in enumerate(program.nodes):
            bound.calls[number].rows = batch * <Py_ssize_t> node.inputs[0].fold
            self.bind_node(&bound.calls[number], number, node, keep)
        return keep

    cdef bind_node(self, Call* call, Py_ssize_t number, node, list keep):
        """Fill in the call of one op, all but its rows."""
        cdef uintptr_t base = <uintptr_t> data(self.memory)
        cdef Plan plan = self.plan
        cdef dict layout = self.layout
        sizes, scalars = plan.constants[number]
        d_outputs = addresses(base, layout["gradients"], node.outputs)
        if number == plan.program.loss:  # d_losses is there also in a program that needs no other gradient
            d_outputs[0] = base + layout["d_losses"]
        call.sizes = <const Py_ssize_t*> data(sizes)
        call.scalars = <const double*> data(scalars)
        call.inputs = table(addresses(base, layout["values"], node.inputs), keep)
        call.d_inputs = table(addresses(base, layout["gradients"], node.inputs), keep)
        call.outputs = table(addresses(base, layout["values"], node.outputs), keep)
        call.d_outputs = table(d_outputs, keep)
        call.parameters = table([p and plan.weights[p.offset:].ctypes.data for p in node.parameters], keep)
        call.d_parameters = table([plan.gradients[p.offset:].ctypes.data if p and p.path in plan.learning else None
                                   for p in node.parameters], keep)
        call.accumulate = node.accumulate
        call.workspace = <void*> (base + <uintptr_t> layout["workspaces"][number])
        call.temporary = <void*> (base + <uintptr_t> (layout["temporary"] + node.branch * layout["temporary_bytes"]))
        call.step = &self.step
        call.identity = number
        call.python = <void*> node.python
        call.failed = &self.failed

    def values(self, tensor, batch) -> np.ndarray:
        """What a buffer holds now, as an array (batch * fold, ...)."""
        offset, rows = self.layout["values"][tensor.buffer], batch * tensor.fold
        count = rows * product(tensor.shape)
        numbers = self.memory[offset:offset + count * self.plan.dtype.itemsize].view(self.plan.dtype)
        return numbers.reshape(rows, *tensor.shape)


cdef list addresses(uintptr_t base, dict offsets, tensors):
    """Where the tensors' buffers are; None for those that are not in offsets."""
    return [base + offsets[tensor.buffer] if tensor.buffer in offsets else None for tensor in tensors]


cdef void** table(list addresses, list keep):
    """A C array of addresses, NULL for None; more NULLs follow, for ops that read past their last parameter."""
    array = np.array([*[address or 0 for address in addresses], 0, 0, 0, 0], np.uintp)
    keep.append(array)
    return <void**> data(array)


cdef class Plan:
    """A program ready to run.

    Parameters
    ----------
    program : Program
        What `compile_program` made.
    weights, gradients : ndarray
        The model's flat vectors.
    """

    def __init__(self, program, weights, gradients):
        self.program = program
        self.weights = weights
        self.gradients = gradients
        self.dtype = weights.dtype
        check_bytes(sum(program.buffers.values()) * self.dtype.itemsize)  # kernels count numbers in one word
        # As of now: a parameter may be frozen or thawed between two uses of this plan.
        self.learning = frozenset([p.path for node in program.nodes for p in node.parameters if p and p.trainable])
        self.free = []
        self.known_chunks = {}
        self.constants = []
        self.keep = []
        memset(&self.c_program, 0, sizeof(LoopProgram))
        self._fill_ops()
        self._fill_stages()
        if program.loss is not None:
            self._fill_regularizations()

    def _fill_ops(self):
        """The ops' functions and constants, and where the loss and the metrics are."""
        cdef Op op
        cdef Py_ssize_t number, count = len(self.program.nodes)
        cdef int kind = 0 if self.dtype == np.float32 else 1
        cdef Run* runs
        program = self.program
        memory = np.zeros(2 * count + 1, np.uintp)
        runs = <Run*> data(memory)
        for number, node in enumerate(program.nodes):
            op = ops.registered[node.op]
            attributes = node.attributes if node.python is None else {**node.attributes, "python": node.python}
            shapes = [t.shape for t in node.inputs], [p and p.shape for p in node.parameters]
            sizes = np.array([*op.sizes(*shapes, attributes), 0], np.intp)
            self.constants.append((sizes, np.array([*op.scalars(attributes), 0], np.float64)))
            runs[number] = op.forward[kind]
            if number == program.loss or program.gradients.intersection([t.buffer for t in node.outputs]):
                runs[count + number] = op.backward[kind]
            if node.python is not None:
                self.c_program.may_fail = True
        self.c_program.forward, self.c_program.backward = runs, runs + count
        self.c_program.output_size = program.buffers[program.output.buffer]
        self.c_program.loss_rows = program.loss_rows
        self.c_program.loss = -1 if program.loss is None else program.loss
        outputs = [] if program.loss is None else [node.outputs[0] for node in program.nodes[program.loss + 1:]]
        metric_rows = np.array([product((y.fold, *y.shape)) for y in outputs], np.intp)
        self.c_program.metric_count, self.c_program.metric_rows = len(outputs), <const Py_ssize_t*> data(metric_rows)
        self.keep += [memory, metric_rows]

    def _fill_stages(self):
        branches, stages, last = [], [], None
        for number, node in enumerate(self.program.nodes[:self.program.loss]):
            if last is None or node.stage != last[0]:
                stages.append([len(branches), 0])
            if last != (node.stage, node.branch):
                branches.append([number, 0])
                stages[-1][1] += 1
                last = node.stage, node.branch
            branches[-1][1] += 1
        stage_table, branch_table = np.array(stages, np.intc), np.array(branches, np.intc)
        self.c_program.stages, self.c_program.stage_count = <const Stage*> data(stage_table), len(stages)
        self.c_program.branches = <const Branch*> data(branch_table)
        self.keep += [stage_table, branch_table]

    def _fill_regularizations(self):
        """The regularized parts of the weights, in pieces for one thread each."""
        parameters = {p for node in self.program.nodes for p in node.parameters
                      if p and p.path in self.learning and p.penalty is not None}
        pieces = [(*piece, p.penalty.l1, p.penalty.l2) for p in sorted(parameters, key=attrgetter("offset"))
                  for piece in pieces_of(p.offset, p.offset + p.size)]
        array = np.array(pieces, REGULARIZATION)
        self.c_program.regularizations = <const Regularization*> data(array)
        self.c_program.regularization_count = len(array)
        self.keep.append(array)

    def chunks(self, fused, decays) -> tuple[np.ndarray, np.ndarray]:
        """The trainable parts of the flat vectors, in pieces for one thread each.

        Parameters
        ----------
        fused : bool
            Whether each op has pieces of its own; else all belong to the first.
        decays : bool
            Whether parameters with and without weight decay must be kept apart.

        Returns
        -------
        chunks, starts : ndarray
            Array of CHUNK, and where those of each op begin.
        """
        if (fused, decays) in self.known_chunks:
            return self.known_chunks[fused, decays]
        groups = [node.parameters for node in self.program.nodes]
        if not fused:
            groups = [sorted({p for group in groups for p in group if p}, key=attrgetter("offset"))]
        chunks, starts, seen = [], [0], set()
        for group in groups:
            runs = []  # of parameters that follow each other: start, stop, decayed
            for parameter in group:
                if parameter is None or parameter.path not in self.learning or parameter.path in seen:
                    continue
                seen.add(parameter.path)
                decayed = parameter.decayed and decays
                if runs and runs[-1][1:] == [parameter.offset, decayed]:
                    runs[-1][1] += parameter.size
                else:
                    runs.append([parameter.offset, parameter.offset + parameter.size, decayed])
            chunks += [(*piece, decayed) for start, stop, decayed in runs for piece in pieces_of(start, stop)]
            starts.append(len(chunks))
        self.known_chunks[fused, decays] = np.array(chunks, CHUNK), np.array(starts, np.intp)
        return self.known_chunks[fused, decays]

    def layout(self, capacity) -> dict:
        """Where everything lies in an arena for this many samples, in bytes from its start."""
        program, item = self.program, self.dtype.itemsize
        place = 0

        def take(size):
            nonlocal place
            start = place
            place += padded(int(size))
            return start

        integers = {program.target.buffer} if program.labels else set()
        layout = {
            "values": {b: take(capacity * n * (8 if b in integers else item)) for b, n in program.buffers.items()
                       if b not in program.aliases},
            "gradients": {b: take(capacity * program.buffers[b] * item) for b in program.gradients},
            "weights": take(capacity * program.loss_rows * item), "d_losses": take(capacity * program.loss_rows * item),
            "counts": take(capacity * 8), "workspaces": []}
        layout["values"].update({b: layout["values"][source] for b, source in program.aliases.items()})
        temporary = 0
        for node, (sizes, _) in zip(program.nodes, self.constants):
            op, rows = ops.registered[node.op], capacity * node.inputs[0].fold
            sizes = tuple(sizes[:-1].tolist())
            fixed, per_row = op.workspace(sizes)
            layout["workspaces"].append(take((fixed + per_row * rows) * item))
            fixed, per_row = op.temporary(sizes)
            temporary = max(temporary, fixed + per_row * rows)
        layout["temporary_bytes"] = padded(temporary * item)
        layout["temporary"] = take(layout["temporary_bytes"] * (1 + max((n.branch for n in program.nodes), default=0)))
        layout["bytes"] = place
        return layout

    @contextmanager
    def lease(self, batch):
        """Lend an arena for batches of up to this many samples to one call."""
        # Popping and appending are atomic. A lock could be held by another thread at a fork, and in the child for ever.
        cdef Arena arena = None
        while arena is None or arena.capacity < batch:  # those that are too small are dropped
            try:
                arena = self.free.pop()
            except IndexError:
                arena = Arena(self, batch)
        # An arena in the list must not refer to the plan: without that cycle, a model that is dropped frees its memory
        # at once.
        arena.plan = self
        try:
            yield arena
        finally:
            arena.plan = None
            self.free.append(arena)


cdef list pieces_of(Py_ssize_t start, Py_ssize_t stop):
    """(start, stop) of each piece of a part of the flat vectors."""
    return [(first, min(first + CHUNK_SIZE, stop)) for first in range(start, stop, CHUNK_SIZE)]
