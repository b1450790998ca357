"""Which lines of Cython and C the tests run: a table of what gcov counted, or an error below a least share.

Run it in a checkout whose extension modules were compiled in place with CFLAGS=--coverage, after the tests:

    python .ci/compiled_lines.py --least 95

gcov counts lines of C. Above the C of each statement Cython writes a comment that names the statement's file and
line; everything from there to the next such comment belongs to it, but for what ends a function. A line counts as run
if any C of it ran in any module or specialisation that holds it; a line without C of its own does not count.
"""

import argparse
import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

STATEMENT = re.compile(r'\s*/\* "(tinynn/[\w/]+\.(?:pyx|pxd))":(\d+)$')
# Here the C of the last statement ends: the end of a function, and what stands between functions.
END = re.compile(r"\s*/\* function exit code \*/|\}|static |#")


def statements(generated):
    """For each line of a C file that Cython generated, the (file, line) it comes from, or None."""
    places, place = [None], None  # lines count from 1
    for text in generated.read_text(encoding="utf-8").splitlines():
        if found := STATEMENT.match(text):
            place = found[1], int(found[2])
        elif END.match(text):
            place = None
        places.append(place)
    return places


def counted(objects):
    """How often each line of C ran, by file, as gcov tells from the data beside the object files."""
    data = sorted(str(path) for path in objects.rglob("*.gcda"))
    if not data:
        sys.exit(f"{objects}: no .gcda files; compile with CFLAGS=--coverage and run the tests first")
    for path in data:
        answer = subprocess.run(["gcov", "--json-format", "--stdout", path], check=True, capture_output=True, text=True)
        for each in json.loads(answer.stdout)["files"]:
            yield each["file"], [(line["line_number"], line["count"]) for line in each["lines"]]


def lines_run(objects):
    """{source: {line: whether it ran}} of Cython's files and of the C that is written by hand."""
    result = defaultdict(lambda: defaultdict(bool))
    generated = {str(path.with_suffix(".c")) for path in Path("tinynn").rglob("*.pyx")}
    places = {path: statements(Path(path)) for path in generated}
    for file, counts in counted(objects):
        if file in generated:
            for number, count in counts:
                if number < len(places[file]) and (place := places[file][number]):
                    result[place[0]][place[1]] |= count > 0
        elif file.startswith("tinynn/"):
            for number, count in counts:
                result[file][number] |= count > 0
    return result


def ranges(numbers):
    """Such as 3, 7-9."""
    spans = []
    for number in sorted(numbers):
        if spans and spans[-1][1] == number - 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in spans)


def report(name, files):
    """Print a table of the files; returns the share of lines run, in per cent."""
    total = sum(map(len, files.values()))
    missed = sum(not ran for lines in files.values() for ran in lines.values())
    share = 100 * (total - missed) / max(total, 1)
    print(f"\n{name:52}{'lines':>7}{'missed':>8}{'run':>7}   not run")
    for file, lines in sorted(files.items()):
        absent = [number for number, ran in lines.items() if not ran]
        if absent:
            part = 100 * (len(lines) - len(absent)) / len(lines)
            print(f"{file:52}{len(lines):7}{len(absent):8}{part:6.1f}%   {ranges(absent)}")
    print(f"{len(files):>4} files{total:49}{missed:8}{share:6.1f}%")
    return share


def main():
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--objects", type=Path, default=Path("build"), help="where the object files are")
    parser.add_argument("--least", type=float, default=0, metavar="PERCENT", help="of each language")
    options = parser.parse_args()
    run = lines_run(options.objects)
    shares = [report(name, {file: lines for file, lines in run.items() if Path(file).suffix in suffixes})
              for name, suffixes in (("Cython", (".pyx", ".pxd")), ("C", (".c", ".h")))]
    if min(shares) < options.least:
        sys.exit(f"fewer than {options.least:g} % of the lines were run")


if __name__ == "__main__":
    main()
