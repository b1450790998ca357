"""Compiles specs to a program: fuses ops, finds the gradients that are needed, and sizes the buffers.

A program is plain Python data. `tinynn.engine.plan` turns it into C structures and runs it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from tinynn.engine.graph import Network, Node, Scope, Shape, Tensor, product
from tinynn.engine.items import find_items
from tinynn.engine.program import LossSpec, Program
from tinynn.engine.python_op import PythonFunction
from tinynn.kernels import op as ops


def compile_program(network: Network, x: Tensor, y: Tensor, loss: LossSpec | None = None,
                    metrics: tuple[LossSpec, ...] = (), targets_shape: Shape = (), training: bool = False) -> Program:
    """Compile a network.

    Parameters
    ----------
    network : Network
        The ops.
    x, y : Tensor
        Input and output of the network.
    loss : LossSpec, optional
        The loss. Without it, the program only predicts.
    metrics : tuple of LossSpec
        The metrics.
    targets_shape : tuple of int
        Shape of one sample's target.
    training : bool
        Whether gradients are needed.
    """
    nodes = list(network.nodes)
    program = Program(nodes, x, y)
    _check_flow(program)
    _fuse_rescaling(program)
    if loss is not None:
        _append_loss(program, network, loss, metrics, targets_shape)
    _fuse_activations(program)
    find_items(program)
    if training:
        _find_gradients(program)
        _share_parameters(program)
        _insert_fan_outs(program)
    for node in program.nodes:
        for tensor in (*node.inputs, *node.outputs):
            program.buffers[tensor.buffer] = _per_sample(tensor)
    program.buffers[program.input.buffer] = _per_sample(program.input)
    program.flops = _flops(program)
    return program


def _check_flow(program: Program) -> None:
    """Raise ValueError unless each op reads buffers that earlier ops wrote, with the same number of elements.

    The methods of `Network` check most of this. But tensors can be made by hand, and no op writes those that
    `new_tensor` makes.
    """
    made: dict[int, tuple[int, int | None, int]] = {program.input.buffer: (_per_sample(program.input), None, 0)}

    def read(tensor: Tensor, layer: str, stage: int, branch: int) -> None:
        size, its_stage, its_branch = made.get(tensor.buffer, (0, None, 0))
        if size == 0 or (its_stage == stage and its_branch != branch):
            raise ValueError(f"layer {layer!r}: reads a tensor that no op before it has computed; use only the "
                             "input of connect and outputs of the network's ops, in a branch only those of that branch")
        if _per_sample(tensor) != size:
            raise ValueError(f"layer {layer!r}: reads {_per_sample(tensor)} numbers per sample of a tensor that has "
                             f"{size}; use network.reshape")

    for node in program.nodes:
        for tensor in node.inputs:
            read(tensor, node.layer, node.stage, node.branch)
        for tensor in node.outputs:
            made[tensor.buffer] = _per_sample(tensor), node.stage, node.branch
    read(program.output, "output", -1, 0)


def _per_sample(tensor: Tensor) -> int:
    size = product((tensor.fold, *tensor.shape))
    if size is None:
        raise ValueError(f"the shape {tensor.shape} is not known; call the model with an input whose shape is complete")
    return size


def _consumers(program: Program) -> Counter[int]:
    """Count the readers of each buffer. The program's output has one more reader."""
    return Counter([program.output.buffer, *(tensor.buffer for node in program.nodes for tensor in node.inputs)])


def _fuse_rescaling(program: Program) -> None:
    """Fuse a rescaling at the front with the gathering of the batch."""
    if not program.nodes:
        return
    first = program.nodes[0]
    if first.op != "rescaling" or first.inputs[0].buffer != program.input.buffer:
        return
    if _consumers(program)[program.input.buffer] != 1:
        return
    program.scale, program.offset = ops.registered["rescaling"].scalars(first.attributes)
    program.input = Tensor(first.outputs[0].buffer, program.input.shape)
    del program.nodes[0]


def _append_loss(program: Program, network: Network, loss: LossSpec, metrics: tuple[LossSpec, ...],
                 targets_shape: Shape) -> None:
    prediction = program.output
    target = network.input(targets_shape)
    program.target, program.labels = target, loss.labels
    stage = program.nodes[-1].stage + 1 if program.nodes else 0
    name, source, fused = _longest_fusion(program, loss.op)
    del program.nodes[len(program.nodes) - fused:]
    program.loss = len(program.nodes)
    node = _loss_node(network, replace(loss, op=name), source, target, stage, "loss")
    if fused:  # the fused op also writes the prediction
        node.outputs[1:] = [replace(node.outputs[1], buffer=prediction.buffer)]
    program.loss_rows = _per_sample(node.outputs[0])
    program.nodes.append(node)
    for number, metric in enumerate(metrics):
        program.nodes.append(_loss_node(network, metric, prediction, target, stage + 1 + number, "metrics"))


def _loss_node(network: Network, spec: LossSpec, prediction: Tensor, target: Tensor, stage: int, layer: str) -> Node:
    """Make the node of a loss or metric: it computes a number for each row of the prediction."""
    attributes = {**dict(spec.attributes), "sparse": spec.labels}
    if prediction.fold != 1:
        raise ValueError(f"{layer}: the model must output one row per sample, got {prediction.fold}; unfold the steps "
                         "that a layer has folded")
    op, shapes_in = ops.registered[spec.op], [prediction.shape, target.shape]
    if spec.python is None:
        attributes = op.check(shapes_in, [], attributes)
    shapes = op.shapes(shapes_in, [], attributes)
    outputs = [network.new_tensor(shape, prediction.fold) for shape in shapes]
    python = None
    if spec.python is not None:
        python = PythonFunction(spec.python.forward, getattr(spec.python, "backward", None),
                                [prediction.shape, target.shape], [], shapes[0], type(spec.python).__name__,
                                (1,) if spec.labels else ())
    return Node(spec.op, [prediction, target], outputs, [], attributes, stage, 0, Scope(None, layer), python)


def _longest_fusion(program: Program, loss: str) -> tuple[str, Tensor, int]:
    """Find the op that fuses the loss with the most ops before it; return its name, its input and their number."""
    consumers = _consumers(program)
    longest = max((len(tail) for _, tail in ops.fusions), default=0)
    for count in range(min(longest, len(program.nodes)), 0, -1):
        tail = program.nodes[-count:]
        name = ops.fusions.get((loss, tuple(node.op for node in tail)))
        if name is None or any(len(node.inputs) != 1 for node in tail):
            continue
        links = zip([node.outputs[0] for node in tail], [node.inputs[0] for node in tail[1:]] + [program.output],
                    strict=True)
        # A reshape in between may have changed the last axis, over which softmax and the losses compute.
        if all(made.buffer == read.buffer and made.shape[-1:] == read.shape[-1:] for made, read in links) and all(
                consumers[node.outputs[0].buffer] == 1 for node in tail):
            first = tail[0].inputs[0]
            # The loss computes on unfolded rows, even if the activation's rows were folded steps.
            after = tail[1].inputs[0] if count > 1 else program.output
            return name, replace(first, shape=after.shape, fold=after.fold), count
    return loss, program.output, 0


def _fuse_activations(program: Program) -> None:
    """Fuse activations with the ops before them, which then write the activation's output."""
    consumers = _consumers(program)
    kept: list[Node] = []
    for node in program.nodes:
        before = kept[-1] if kept else None
        if before is not None and len(node.inputs) == 1 and before.outputs[0].buffer == node.inputs[0].buffer:
            needed = ops.registered[before.op].activations().get(node.op)
            if (needed is not None and consumers[node.inputs[0].buffer] == 1
                    and (before.stage, before.branch) == (node.stage, node.branch)
                    and not before.attributes.keys() & needed.keys()):
                output = replace(before.outputs[0], buffer=node.outputs[0].buffer)
                kept[-1] = replace(before, attributes={**before.attributes, **needed}, outputs=[output])
                continue
        kept.append(node)
    if program.loss is not None:
        program.loss -= len(program.nodes) - len(kept)
    program.nodes = kept


def _find_gradients(program: Program) -> None:
    """Find the buffers that need a gradient: those with a trainable parameter upstream and the loss downstream."""
    needed: set[int] = set()
    assert program.loss is not None
    for node in program.nodes[:program.loss]:
        trainable = (any(p is not None and p.trainable for p in node.parameters)
                     or ops.registered[node.op].keeps_statistics())
        if trainable or any(tensor.buffer in needed for tensor in node.inputs):
            needed.update(tensor.buffer for tensor in node.outputs)
    reached: set[int] = {program.nodes[program.loss].inputs[0].buffer}
    for node in reversed(program.nodes[:program.loss]):
        if any(tensor.buffer in reached for tensor in node.outputs):
            reached.update(tensor.buffer for tensor in node.inputs)
    program.gradients = needed & reached


def _runs_backward(program: Program, node: Node) -> bool:
    """Whether an op before the loss has a backward pass."""
    return not program.gradients.isdisjoint(tensor.buffer for tensor in node.outputs)


def _share_parameters(program: Program) -> None:
    """Let ops with common parameters add up their gradients: backward, the last one writes and the others add.

    Raises
    ------
    NotImplementedError
        If an op has some parameters in common with later ones and others of its own, if one op has a parameter twice,
        if ops of parallel branches have one in common, or if statistics belong to several ops.
    """
    later: dict[str, list[Node]] = {}
    for node in reversed(program.nodes[:program.loss]):
        statistics = ops.registered[node.op].keeps_statistics()
        paths = [p.path for p in node.parameters if p is not None and (p.trainable or statistics)]
        common = [path for path in paths if path in later]
        beside = {other.branch for path in common for other in later[path] if other.stage == node.stage}
        twice = [path for path in paths if paths.count(path) > 1]
        if twice or common and (len(common) < len(paths) or statistics or beside - {node.branch}):
            raise NotImplementedError(f"layer {node.layer!r}: the parameter {(twice or common)[0]!r} is used several "
                                      "times in a way that training does not support: ops may share all their "
                                      "parameters or none, not the statistics of batch normalization, and nothing "
                                      "between parallel branches")
        if _runs_backward(program, node):
            node.accumulate = bool(common)
            for path in paths:
                later.setdefault(path, []).append(node)


def _insert_fan_outs(program: Program) -> None:
    """Give each op that reads a tensor a gradient of its own where several do; an op after the maker adds them up.

    The values stay where they are. The sum is in the order of the readers, whatever the threads.
    """
    assert program.loss is not None
    readers: dict[int, list[tuple[int, int]]] = {}
    for number, node in enumerate(program.nodes[:program.loss + 1]):
        if number != program.loss and not _runs_backward(program, node):
            continue  # it would leave its part of the sum unwritten
        for place, tensor in enumerate(node.inputs):
            if tensor.buffer in program.gradients:
                readers.setdefault(tensor.buffer, []).append((number, place))
    unused = 1 + max(tensor.buffer for node in program.nodes for tensor in (*node.inputs, *node.outputs))
    inserted: dict[int, list[Node]] = {}
    for number, node in enumerate(program.nodes[:program.loss]):
        for made in node.outputs:
            shared = readers.get(made.buffer, [])
            if len(shared) < 2:
                continue
            handed = []
            for reader, place in shared:
                tensor = program.nodes[reader].inputs[place]
                program.nodes[reader].inputs[place] = replace(tensor, buffer=unused)
                handed.append(replace(made, buffer=unused))
                program.aliases[unused] = made.buffer
                program.gradients.add(unused)
                unused += 1
            inserted.setdefault(number, []).append(
                replace(node, op="fan_out", inputs=[made], outputs=handed, parameters=[],
                        attributes={"n": len(handed)}, python=None, accumulate=False))
    program.nodes = [each for number, node in enumerate(program.nodes) for each in (node, *inserted.get(number, ()))]
    program.loss += sum(map(len, inserted.values()))


def _flops(program: Program) -> int:
    """Count the floating-point operations of one forward pass, per sample."""
    total = 0
    for node in program.nodes:
        op = ops.registered[node.op]
        sizes = op.sizes([t.shape for t in node.inputs], [p and p.shape for p in node.parameters], node.attributes)
        total += (node.inputs[0].fold or 1) * op.flops(sizes)
    return total
