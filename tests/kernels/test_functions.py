"""What every kernel does with its arguments: refuses wrong ones by name, takes right ones in any layout."""

import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from tests.kernels.cases import ALL_SIZES, CATEGORICAL_LOSSES, LABELS, PAIR_LOSSES, make_cases
from tests.kernels.digests import digests
from tests.numerics import assert_close, assert_same_bits
from tinynn import kernels
from tinynn.kernels import functions
from tinynn.kernels.functions._arguments import as_arrays, labels_or_distribution
from tinynn.kernels.functions._recurrent import checked_lengths

CASES = {dtype: make_cases(dtype) for dtype in (np.dtype(np.float32), np.dtype(np.float64))}
every_case = pytest.mark.parametrize("label", LABELS)

TABLE = sorted({case.kernel for case in CASES[np.dtype(np.float64)].values()})
# Public names that are no kernels of arrays, or that take other arguments: files of their own test them.
ELSEWHERE = {
    "augment",
    "binary_accuracy",
    "categorical_accuracy",
    "dropout_backward",
    "dropout_forward",
    "instruction_set",
    "instruction_sets",
    "mean_absolute_error",
}


def is_clear(case, error):
    """An error names the function, then one of the arguments, then what it must be."""
    names = "|".join(case.arguments)
    assert re.match(rf"{case.kernel}: (the window|({names})\b).* (must|holds the label) ", str(error)), error


def refuses(case, errors, **replacements):
    """The call raises one of `errors`, with a clear message."""
    with pytest.raises(errors) as caught:
        case.call(**replacements)
    is_clear(case, caught.value)


def test_every_function_is_exported():
    """A new function needs its import in tinynn/kernels/__init__.py."""
    public = {}
    for each in pkgutil.iter_modules(functions.__path__):
        if not each.name.startswith("_"):
            module = importlib.import_module(f"{functions.__name__}.{each.name}")
            public |= {
                name: value
                for name, value in vars(module).items()
                if inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_")
            }
    assert sorted([*public, "instruction_set", "instruction_sets"]) == kernels.__all__
    assert all(getattr(kernels, name) is function for name, function in public.items())


def test_every_op_is_registered_on_import():
    """A module without functions needs its import in tinynn/kernels/__init__.py too."""
    program = """
import importlib, pkgutil, tinynn.kernels
from tinynn.kernels.op import registered
before = set(registered)
for each in pkgutil.iter_modules(tinynn.kernels.__path__, "tinynn.kernels."):
    importlib.import_module(each.name)
print(len(before), sorted(set(registered) - before))
"""
    root = Path(kernels.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=root)
    count, missing = done.stdout.split(maxsplit=1)
    assert int(count) > 20
    assert missing.strip() == "[]"


def test_every_kernel_is_in_the_table():
    assert {*TABLE, *ELSEWHERE} == set(kernels.__all__)


@pytest.mark.parametrize("name", TABLE)
def test_every_kernel_is_documented(name):
    text = getattr(kernels, name).__doc__
    assert text
    for section in ("Parameters", "Examples"):
        assert section in text


@every_case
def test_results_are_right_fresh_and_contiguous(label, dtype):
    case = CASES[dtype][label]
    before = {name: array.copy() for name, array in case.arrays.items()}
    results, expected = case.call(), case.expected()
    for number, (got, wanted) in enumerate(zip(results, expected, strict=True)):
        assert_close(got, wanted, dtype=dtype, factor=256, name=f"result {number}")
        assert got.flags.c_contiguous
        assert got.flags.writeable
        assert not any(np.shares_memory(got, array) for array in case.arrays.values())
    for name, array in case.arrays.items():
        assert_same_bits(array, before[name], f"{name} was changed")
    for got, again in zip(results, case.call(), strict=True):
        assert_same_bits(got, again, "second call")


@every_case
def test_wrong_dtypes_are_refused_by_name(label, dtype):
    case = CASES[dtype][label]
    for name, array in case.arrays.items():
        labels_allowed = name == "target" and case.kernel.startswith("categorical")
        for wrong in (
            object,
            np.complex64,
            np.complex128,
            np.int32,
            np.int64,
            np.uint8,
            bool,
            np.float16,
            "U8",
            "S8",
        ):
            if labels_allowed and np.dtype(wrong).kind in "iub":
                continue  # integers are class labels
            refuses(case, TypeError, **{name: array.astype(wrong)})
        refuses(case, TypeError, **{name: array.astype(np.longdouble)})
        refuses(case, TypeError, **{name: "text"})
        refuses(case, TypeError, **{name: np.full(array.shape, "2018-06-12", "datetime64[D]")})


@every_case
def test_mixed_dtypes_are_refused(label, dtype):
    case = CASES[dtype][label]
    other = np.float64 if dtype == np.float32 else np.float32
    if len(case.arrays) == 1:
        pytest.skip("one array cannot be mixed")
    for name, array in case.arrays.items():
        refuses(case, TypeError, **{name: array.astype(other)})


@every_case
def test_wrong_shapes_are_refused_by_name(label, dtype):
    case = CASES[dtype][label]
    for name, shapes in case.wrong_shapes.items():
        for shape in shapes:
            like = case.arguments[name]
            refuses(case, ValueError, **{name: np.ones(shape, like.dtype)})


@every_case
def test_missing_arguments_are_refused(label):
    case = CASES[np.dtype(np.float64)][label]
    optional = {"b", "h0", "c0", "lengths", "velocity"} if case.kernel != "gemm" else set()
    for name in case.arrays:
        if name not in optional:
            refuses(case, TypeError, **{name: None})


def layouts(array):
    """The same array in other layouts of memory, each with a name."""
    yield "Fortran order", np.asfortranarray(array)
    if array.ndim:
        yield "backwards", np.ascontiguousarray(array[..., ::-1])[..., ::-1]
        wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
        wide[..., ::2] = array
        yield "every second", wide[..., ::2]
        yield "first axis last", np.moveaxis(np.ascontiguousarray(np.moveaxis(array, 0, -1)), -1, 0)
    shifted = np.zeros(array.size + 1, array.dtype)[1:].reshape(array.shape)
    shifted[...] = array
    yield "shifted by an element", shifted
    readonly = array.copy()
    readonly.flags.writeable = False
    yield "read-only", readonly
    yield "subclass", array.view(type("Subclass", (np.ndarray,), {}))


@every_case
def test_layout_of_the_input_does_not_matter(label, dtype):
    case = CASES[dtype][label]
    expected = case.call()
    for name, array in case.arguments.items():
        if name in case.in_place or not isinstance(array, np.ndarray):
            continue
        for layout, other in layouts(array):
            for got, wanted in zip(case.call(**{name: other}), expected, strict=True):
                assert_same_bits(np.asarray(got), wanted, f"{name}, {layout}")


@every_case
def test_foreign_byte_order_and_misalignment(label, dtype):
    case = CASES[dtype][label]
    expected = case.call()
    for name, array in case.arrays.items():
        for other in (array.astype(array.dtype.newbyteorder()), misaligned(array)):
            if name in case.in_place:
                refuses(case, (TypeError, ValueError), **{name: other})
                continue
            for got, wanted in zip(case.call(**{name: other}), expected, strict=True):
                assert_same_bits(got, wanted)


def misaligned(array):
    """The same array one byte beside an address that its elements may lie at."""
    memory = np.zeros(array.nbytes + 1, np.uint8)
    moved = memory[1:].view(array.dtype).reshape(array.shape)
    moved[...] = array
    assert not moved.flags.aligned
    return moved


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_no_kernel_sees_misaligned_memory(shape, dtype):
    """x86 reads it all the same, but C leaves it undefined and other machines do not."""
    array = misaligned(np.full(shape, 1, dtype))
    labels = misaligned(np.ones(3, np.int64))
    prediction = np.ones((3, 2), dtype)
    for wanted, got in (
        (array, as_arrays("f", x=array)[0]),
        (labels, labels_or_distribution("f", labels, "p", prediction, (3,), 2)[0]),
        (labels, checked_lengths("f", labels, 3, 5)),
    ):
        assert got.flags.aligned
        assert_same_bits(got, wanted)


@pytest.mark.parametrize("label", [label for label in LABELS if "_update" in label])
def test_in_place_vectors_are_changed_or_refused(label, dtype):
    """An update of a contiguous copy would be lost silently."""
    case = CASES[dtype][label]
    expected = dict(zip(case.in_place, case.call(), strict=True))
    for name in case.in_place:
        array = case.arrays[name]
        for layout in dict(layouts(array)):
            other = dict(layouts(array.copy()))[layout]
            if layout == "read-only":
                refuses(case, (TypeError, ValueError), **{name: other})
                assert_same_bits(other, array)
                continue
            try:
                case.call(**{name: other})
            except (TypeError, ValueError) as error:
                is_clear(case, error)
                continue
            assert_same_bits(np.ascontiguousarray(np.asarray(other)), expected[name], f"{name}, {layout}")


@every_case
def test_no_rows(label, dtype):
    case = CASES[dtype][label]
    if not case.per_row:
        pytest.skip("has no batch axis")
    empty = {name: case.arguments[name][:0] for name in case.per_row}
    try:
        got = case.call(**empty)
    except ValueError as error:
        is_clear(case, error)
        return
    for one, whole in zip(got, case.call(), strict=True):
        per_row = whole.shape[:1] == case.arrays[case.per_row[0]].shape[:1] and one.shape[:1] == (0,)
        assert one.shape == ((0, *whole.shape[1:]) if per_row else whole.shape)
        assert not one.any(), "a gradient of no rows is zero"


def calls_without_elements(dtype):
    """Calls in which some size is 0: kernel, arguments, and the results where they are clear."""

    def empty(*shape):
        return np.zeros(shape, dtype)

    ones = np.ones((3, 4), dtype)
    yield "gemm", (empty(3, 0), empty(0, 4)), (empty(3, 4),)
    yield "gemm", (empty(3, 2), empty(2, 0)), (empty(3, 0),)
    yield "dense_forward", (empty(3, 0), empty(0, 4), ones[0]), (ones,)
    yield "dense_forward", (empty(3, 2), empty(2, 0), empty(0)), (empty(3, 0),)
    yield "dense_backward", (ones, empty(3, 0), empty(0, 4)), (empty(3, 0), empty(0, 4), 3 * ones[0])
    for shape in ((0,), (3, 0), (0, 0)):
        for name in ("sigmoid", "relu", "tanh", "softmax"):
            yield f"{name}_forward", (empty(*shape),), (empty(*shape),)
            yield f"{name}_backward", (empty(*shape), empty(*shape)), (empty(*shape),)
        for name in PAIR_LOSSES + CATEGORICAL_LOSSES:
            yield f"{name}_forward", (empty(*shape), empty(*shape)), None
            yield f"{name}_backward", (empty(*shape), empty(*shape)), None
    for shape in ((2, 0, 5), (2, 3, 0), (0, 3, 5)):
        yield "sum_distribution_forward", (empty(*shape),), None
        for direction in ("forward", "backward"):
            target = np.zeros(shape[0], np.int64)
            yield f"sum_distribution_crossentropy_from_logits_{direction}", (empty(*shape), target), None
    for rows, steps, inputs, hidden in ((0, 2, 3, 4), (2, 0, 3, 4), (2, 2, 0, 4), (2, 2, 3, 0)):
        for name, gates in (("rnn", 1), ("lstm", 4), ("gru", 3)):
            arrays = empty(rows, steps, inputs), empty(inputs, gates * hidden), empty(hidden, gates * hidden)
            yield f"{name}_forward", arrays, None
            yield f"{name}_backward", (empty(rows, steps, hidden), *arrays), None
    yield "sgd_update", (empty(0), empty(0), None, 0.1), None
    yield "adam_update", (empty(0), empty(0), empty(0), empty(0), 1, 0.1), None
    yield "rmsprop_update", (empty(0), empty(0), empty(0), None, 0.1), None
    yield "exp", (empty(0),), (empty(0),)
    yield "log", (empty(0),), (empty(0),)


def test_no_features_and_no_terms(dtype):
    """The right result, or a clear error."""
    complaints = []
    for name, arguments, expected in calls_without_elements(dtype):
        call = f"{name} of shapes {[np.shape(each) for each in arguments]}"
        try:
            got = getattr(kernels, name)(*arguments)
        except ValueError as error:
            if not re.match(rf"{name}: (a|b|x|w|u|d[wyhp]|y|z|p|prediction|target) must ", str(error)):
                complaints.append(f"{call} names no argument: {error}")
            continue
        if expected is not None:
            got = got if isinstance(got, tuple) else (got,)
            right = len(got) == len(expected) and all(map(np.array_equal, got, expected))
            if not right:
                complaints.append(f"{call} gives {got}")
    assert not complaints


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
def test_lengths_out_of_range_or_not_integers(name, dtype):
    case = next(case for case in CASES[dtype].values() if case.kernel == f"{name}_forward")
    backward = next(case for case in CASES[dtype].values() if case.kernel == f"{name}_backward")
    for each in (case, backward):
        for wrong in ([0, 1, 1, 1, 1], [1, 1, 1, 1, 5], [1, 1, -1, 1, 1], [1, 2**40, 1, 1, 1]):
            with pytest.raises(ValueError, match=f"{each.kernel}: lengths must be from 1 to 4, .* got "):
                each.call(lengths=np.array(wrong))
        for kind in (np.float64, object, complex, "U4"):
            with pytest.raises(TypeError, match=f"{each.kernel}: lengths must be whole numbers, got "):
                each.call(lengths=np.ones(5).astype(kind))


@pytest.mark.parametrize(
    "label", [label for label in LABELS if label.endswith(":labels") or "sum_dist" in label]
)
def test_labels_that_are_no_integers(label, dtype):
    case = CASES[dtype][label]
    if "target" not in case.others:
        pytest.skip("has no labels")
    target = case.others["target"]
    for kind in (object, complex, "U4", np.float16, "datetime64[s]"):
        refuses(case, TypeError, target=target.astype(kind))
    others = [target.astype(kind) for kind in (np.int8, np.int16, np.int32, np.uint8, np.uint64)]
    for other in (*others, *(other for _, other in layouts(target))):
        for got, wanted in zip(case.call(target=other), case.call(), strict=True):
            assert_same_bits(got, wanted)


def test_too_many_and_unknown_arguments():
    x = np.zeros((2, 2))
    for arguments, options in (((x, x, x), {}), ((x,), {"nonsense": 1}), ((), {})):
        with pytest.raises(TypeError):
            kernels.sigmoid_forward(*arguments, **options)


def test_state_of_the_floating_point_unit_is_left_as_it_was(dtype):
    """Kernels may flush denormals to zero while they run; the caller's arithmetic must not."""
    tiny = np.full(3, np.finfo(dtype).tiny, dtype)
    for case in CASES[dtype].values():
        case.call()
        assert (tiny / 4 > 0).all(), case.label
    with pytest.raises(ValueError, match="gemm: a must have as many columns as b has rows"):
        kernels.gemm(np.zeros((2, 3), dtype), np.zeros((2, 3), dtype))
    assert (tiny / 4 > 0).all()


def test_kernels_run_at_once_in_several_threads():
    cases = [case for dtype in CASES for case in make_cases(dtype, ALL_SIZES[2]).values()]
    expected = [case.call() for case in cases]
    wrong = []

    def work(order):
        for index in order:
            for one, other in zip(cases[index].call(), expected[index], strict=True):
                if one.tobytes() != other.tobytes():
                    wrong.append(cases[index].label)

    rng = np.random.default_rng(1)
    threads = [threading.Thread(target=work, args=(rng.permutation(len(cases)),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_same_bits_on_every_run():
    assert digests() == digests()
