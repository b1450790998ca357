"""Tables of text: columns as wide as their widest cell, each aligned to its side."""

import pytest

from tinynn.tables import table


def test_columns_are_aligned():
    rows = [("layer", "n"), ("dense", "10"), ("a longer one", "9")]
    assert table(rows, "<>").splitlines() == [
        "layer          n",
        "dense         10",
        "a longer one   9",
    ]
    assert table(rows, "><").splitlines() == [
        "       layer  n",
        "       dense  10",
        "a longer one  9",
    ]


def test_no_line_ends_in_spaces():
    assert table([("a", ""), ("", "b"), ("", "")], "<<") == "a\n   b\n"


def test_rows_of_one_length():
    with pytest.raises(ValueError, match="zip"):
        table([("a", "b"), ("c",)], "<<")
