"""``tinynn backprop``: the worked example, equation by equation."""

from __future__ import annotations

import argparse

from tinynn.cli.common import add_quiet
from tinynn.cli.outputs import check_outputs, write_output
from tinynn.graph import WorkedExample

DESCRIPTION = "Prints every equation of a small network's forward and backward pass, with its numbers."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--lr", type=float, default=0.1, help="learning rate (default: 0.1)")
    parser.add_argument("--steps", type=int, default=1, help="number of updates (default: 1)")
    parser.add_argument("--x", type=float, default=2.0, help="the input (default: 2)")
    parser.add_argument("--y", type=float, default=3.0, help="the target (default: 3)")
    parser.add_argument(
        "--weights",
        type=float,
        nargs="+",
        default=(2.0, 1.0, 2.0, 4.0, 1.0),
        metavar="W",
        help="w1 to w5 (default: 2 1 2 4 1)",
    )
    parser.add_argument("--svg", metavar="FILE", help="draw the graph with the values and gradients of the last step")
    add_quiet(parser)


def run(options: argparse.Namespace) -> None:
    """Print the equations, and draw the picture if asked to."""
    check_outputs(svg=options.svg)
    example = WorkedExample(x=options.x, y=options.y, weights=options.weights)
    explanation = example.explain(lr=options.lr, steps=options.steps)
    picture = None if options.svg is None else example.svg(lr=options.lr, steps=options.steps)
    print(explanation, end="")
    if picture is not None:
        write_output("--svg", options.svg, picture.encode())
        print(f"\nPicture: {options.svg}")
