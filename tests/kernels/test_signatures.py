"""Patterns of shapes, and the checks of attributes."""

import pytest

from tinynn.kernels._signatures import check_arrays, check_attributes, count, flag, one_of, positive, share, within


@pytest.mark.parametrize(
    ("patterns", "inputs", "parameters"),
    [
        ((["(..., I)"], ["(I, O)", "(O)?"]), [(4,)], [(4, 3), None]),
        ((["(..., I)"], ["(I, O)", "(O)?"]), [(5, 6, 4)], [(4, 3), (3,)]),
        ((["(..., I)"], ["(I, O)", "(O)?"]), [(None, None)], [(4, 3), (3,)]),
        ((["(T, I)", "(H)"], ["(I, 4H)", "(H, 4H)"]), [(9, 2), (3,)], [(2, 12), (3, 12)]),
        ((["(...)", "(...)"], []), [(2, None), (2, 3)], []),
        ((["(N, ...)"], ["(2, 3N)"]), [(5,)], [(2, 15)]),
        ((["()"], []), [()], []),
    ],
)
def test_fitting(patterns, inputs, parameters):
    check_arrays("op", tuple(map(tuple, patterns)), tuple(inputs), tuple(parameters))


@pytest.mark.parametrize(
    ("patterns", "inputs", "parameters", "message"),
    [
        ((["(..., I)"], []), [()], [], r"input 0 must have shape \(\.\.\., I\), got \(\)"),
        ((["(..., I)"], ["(I, O)"]), [(4,)], [(5, 3)], r"parameter 0 must .* \(I, O\), where I is 4, got \(5, 3\)"),
        ((["(..., I)"], ["(I, O)"]), [(4,)], [None], r"parameter 0 must have shape \(I, O\), got None"),
        ((["(..., I)"], ["(I, O)"]), [(4,)], [], r"takes 1 parameter \(\(I, O\)\), got 0"),
        ((["(..., I)"], []), [(4,), (4,)], [], "takes 1 input .*, got 2"),
        ((["(T, I)"], ["(I, 4H)"]), [(3, 2)], [(2, 6)], r"must have shape \(I, 4H\), where I is 2, got \(2, 6\)"),
        ((["(T, I)"], ["(2, I)"]), [(3, 2)], [(3, 2)], r"must have shape \(2, I\), where I is 2, got \(3, 2\)"),
        ((["(...)", "(...)"], []), [(2, 3), (2, 4)], [], r"input 1 must .*, where \.\.\. is \(2, 3\), got \(2, 4\)"),
        ((["(T, I)"], []), [(3, 2, 1)], [], r"must have shape \(T, I\), got \(3, 2, 1\)"),
    ],
)
def test_not_fitting(patterns, inputs, parameters, message):
    with pytest.raises(ValueError, match=f"op 'name': .*{message}"):
        check_arrays("name", tuple(map(tuple, patterns)), tuple(inputs), tuple(parameters))


OPTIONS = {"n": count, "rate": share, "epsilon": positive, "bias": flag, "mode": one_of(("a", "b")), "x": within(-1, 1)}


def test_attributes_come_in_one_form():
    given = {"n": 3, "rate": 0, "epsilon": 1, "bias": 2, "mode": "b", "x": -1}
    found = check_attributes("name", OPTIONS, ("n",), given)
    assert found == {"n": 3, "rate": 0.0, "epsilon": 1.0, "bias": True, "mode": "b", "x": -1.0}
    assert [type(found[name]) for name in ("rate", "epsilon", "bias", "x")] == [float, float, bool, float]


@pytest.mark.parametrize(
    ("attributes", "error", "message"),
    [
        ({}, ValueError, "the attribute 'n' is missing"),
        ({"n": 1, "m": 2}, ValueError, "there is no attribute 'm'; known: n, rate, epsilon, bias, mode, x"),
        ({"n": 0}, ValueError, "n must be at least 1, got 0"),
        ({"n": 1.0}, TypeError, "n must be a whole number, got 1.0"),
        ({"n": True}, TypeError, "n must be a whole number, got True"),
        ({"n": 1, "rate": 1}, ValueError, "rate must be a finite number >= 0 and < 1, got 1"),
        ({"n": 1, "rate": -0.1}, ValueError, "rate must be a finite number >= 0 and < 1, got -0.1"),
        ({"n": 1, "epsilon": 0}, ValueError, "epsilon must be a finite number > 0, got 0"),
        ({"n": 1, "mode": "c"}, ValueError, "mode must be 'a' or 'b', got 'c'"),
        ({"n": 1, "x": 2}, ValueError, "x must be from -1 to 1, got 2"),
    ],
)
def test_wrong_attributes(attributes, error, message):
    with pytest.raises(error, match=f"op 'name': {message}"):
        check_attributes("name", OPTIONS, ("n",), attributes)
