"""Names as users write them, and suggestions for misspelled ones."""

from __future__ import annotations

from collections.abc import Iterable


def simplified(name: str) -> str:
    """One spelling for glorot_uniform, GlorotUniform and glorot-uniform."""
    return name.replace("_", "").replace("-", "").replace(" ", "").lower()


def nearest(name: str, known: Iterable[str]) -> str:
    """Suggest a known name for a misspelled one: the end of an error message.

    Parameters
    ----------
    name : str
        The unknown name.
    known : iterable of str
        The known names.

    Returns
    -------
    str
        ``"; did you mean 'relu'?"``, or an empty string if no known name is similar.

    Examples
    --------
    >>> nearest("rleu", ["relu", "tanh"])
    "; did you mean 'relu'?"
    >>> nearest("gelu", ["relu", "tanh"])
    ''
    """
    wanted = simplified(name)
    typos = [(_typos(wanted, simplified(candidate)), candidate) for candidate in known]
    close = min(((count, candidate) for count, candidate in typos if count is not None), default=None,
                key=lambda found: found[0])
    return f"; did you mean {close[1]!r}?" if close else ""


def _typos(name: str, known: str) -> int | None:
    """Count the typos in a misspelled name (1 if only its end is missing); None if it is a different name.

    Short names that differ in one letter are often different names (gelu and relu, mae and mse). So are names that
    differ in a digit.
    """
    if len(name) >= 3 and known.startswith(name):
        return 1
    allowed = max(1, len(known) // 4)
    if abs(len(name) - len(known)) > allowed or any(name.count(d) != known.count(d) for d in "0123456789"):
        return None
    if len(known) <= 7 and name[:1] != known[:1] and name[:2] != known[1::-1]:
        return None
    if len(known) <= 3 and sorted(name) != sorted(known):
        return None
    count = _edits(name, known)
    return count if count <= allowed else None


def _edits(a: str, b: str) -> int:
    """Damerau-Levenshtein distance: the number of deletions, insertions, replacements and swaps of neighbors."""
    previous: list[int] = []
    row = list(range(len(b) + 1))
    for i in range(len(a)):
        previous, row, before_previous = row, [i + 1], previous
        for j in range(len(b)):
            distance = min(previous[j + 1] + 1, row[j] + 1, previous[j] + (a[i] != b[j]))
            if i and j and a[i] == b[j - 1] and a[i - 1] == b[j]:
                distance = min(distance, before_previous[j - 1] + 1)
            row.append(distance)
    return row[-1]
