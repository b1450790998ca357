"""``tinynn predict``: add the digits on images in files."""

from __future__ import annotations

import argparse
import sys

import numpy as np

from tinynn.cli import sums
from tinynn.cli.images import read_images
from tinynn.networks import READER, distribution, names_digits
from tinynn.tables import percent, table

DESCRIPTION = (
    "Adds the digits on images, one digit on each. Images in MNIST's form (28 x 28 pixels, a light digit in the middle "
    "of black) are used as they are. In others, dark or light, of up to 16,777,216 pixels and in any light, the digit "
    "is found, scaled and centred; frames and ruled lines are ignored."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("model", metavar="MODEL", help="the model file")
    parser.add_argument(
        "images",
        metavar="IMAGE",
        nargs="+",
        help="an image file; an IDX or .npy file for all images in it, FILE:START:STOP for some of them",
    )


def run(options: argparse.Namespace) -> None:
    """Print the sum, its probability, and the digits read."""
    model, digits = sums.load_model(options.model)
    images: list[np.ndarray] = []
    names: list[str] = []
    for argument in options.images:
        more, their_names, notes = read_images(argument, None if digits is None else digits - len(images))
        images += more
        names += their_names
        if digits is not None and len(images) > digits:
            break
        for note in notes:
            print(f"tinynn predict: note: {note}", file=sys.stderr)
    if digits is not None and len(images) != digits:
        got = f"{'' if len(images) < digits else 'at least '}{len(images):,}"
        raise ValueError(
            f"{options.model} adds {digits} images, got {got}; give {digits}, for example IDX-FILE:0:{digits}"
        )
    x = np.stack(images)[None]
    probabilities = distribution(model, x)[0]
    likeliest = np.argsort(-probabilities, kind="stable")[:3]
    print(f"Sum: {likeliest[0]} ({percent(probabilities[likeliest[0]])} sure)")
    print(f"Likeliest: {', '.join(f'{total} ({percent(probabilities[total])})' for total in likeliest)}")
    if names_digits(model):
        read = model.predict(x, output=READER)[0]
        rows = [("image", "read as", "sure")]
        for name, row in zip(names, read, strict=True):
            rows.append((name, str(row.argmax()), percent(row.max())))
        print(f"\n{table(rows, '<>>')}")
