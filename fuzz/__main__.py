"""Run a fuzz target under atheris (libFuzzer): ``python -m fuzz load -max_total_time=600``; see README.md here."""

import os
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["tinynn", "json", "gzip"]):
    from fuzz.targets import TARGETS


def main() -> None:
    """Hand the target's seeds and the rest of the command line to libFuzzer."""
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"usage: python -m fuzz {{{','.join(TARGETS)}}} [libFuzzer options]")
    target, seeds = TARGETS[sys.argv.pop(1)]
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(seeds):
            Path(corpus, str(number)).write_bytes(seed)
        again = any(map(os.path.isfile, sys.argv[1:]))  # what was found before
        atheris.Setup([*sys.argv, *([] if again else [corpus])], target)
        atheris.Fuzz()  # does not return


if __name__ == "__main__":
    main()
