"""ONNX' own backend tests of the operators that tinynn has a kernel for, unchanged, within ONNX' own tolerances.

All tests of one node are run: what ONNX spells out in several nodes ("expanded") tests their operators, not this one.
"""

import fnmatch
import warnings
from pathlib import Path

import pytest

from tests.judges import required

onnx = required("onnx")

from onnx.backend.test.runner import Runner  # noqa: E402

from tests.judges import onnx_adapter  # noqa: E402

OPERATORS = (
    "Adam", "AveragePool", "BatchNormalization", "Conv", "Flatten", "GRU", "Gemm", "LSTM", "LayerNormalization",
    "LogSoftmax", "MatMul", "MaxPool", "Momentum", "NegativeLogLikelihoodLoss", "RNN", "Relu", "Sigmoid", "Softmax",
    "SoftmaxCrossEntropyLoss", "Tanh",
)

SKIPPED = {
    "test_Conv3d*": "no convolution over three axes",
    "test_averagepool_2d_pads": "means of what is left of a window are those of padding='same' only",
    "test_averagepool_3d_dilations_large_*_ceil_mode_is_True": "no mean of what is left of a dilated window",
    "test_lstm_with_peepholes": "no peepholes",
    "test_maxpool_2d_uint8": "kernels take float32 and float64",
    "test_maxpool_with_argmax_*": "max pooling does not put out where the largest numbers were",
}
"""What is not run: patterns of names, and why."""


def cases():
    """Name of each test; its operator, model, data sets and tolerances."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ONNX works them out now, for all types and operators
        from onnx.backend.test.loader import load_model_tests
        found = [each for kind in ("node", "simple", "pytorch-converted", "pytorch-operator")
                 for each in load_model_tests(kind=kind)]
    for case in found:
        model = case.model or onnx.load(Path(case.model_dir, "model.onnx"))
        if len(model.graph.node) == 1 and model.graph.node[0].op_type in OPERATORS:
            data_sets = case.data_sets or [
                [[onnx.numpy_helper.to_array(onnx.load_tensor(file)) for file in sorted(folder.glob(f"{kind}_*.pb"))]
                 for kind in ("input", "output")]
                for folder in sorted(Path(case.model_dir).glob("test_data_set_*"))]
            yield case.name, (model.graph.node[0].op_type, model, data_sets, case.rtol, case.atol)


CASES = dict(sorted(cases()))


def matching(pattern):
    return fnmatch.filter(CASES, pattern)


NOT_RUN = {name: reason for pattern, reason in SKIPPED.items() for name in matching(pattern)}


def check(name):
    _, model, data_sets, rtol, atol = CASES[name]
    assert data_sets
    for inputs, expected in data_sets:
        Runner.assert_similar_outputs(expected, onnx_adapter.run(model, inputs), rtol, atol)


@pytest.mark.parametrize("name", [name for name in CASES if name not in NOT_RUN])
def test_case_passes(name):
    check(name)


@pytest.mark.parametrize("name", NOT_RUN)
def test_skipped_case_would_not_pass(name):
    with pytest.raises((onnx_adapter.Unsupported, TypeError)):
        check(name)


def test_list_of_skipped_cases_has_no_needless_entry():
    assert [pattern for pattern in SKIPPED if not matching(pattern)] == []


def test_every_operator_is_run():
    assert {CASES[name][0] for name in CASES if name not in NOT_RUN} == set(OPERATORS)
