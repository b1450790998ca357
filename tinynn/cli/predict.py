"""``tinynn predict``: what a model makes of images in files."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from tinynn.cli.common import percent
from tinynn.tables import table


def add_parser(commands: Any, common: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    text = (
        "Adds the digits on images, one on each. Images that have MNIST's form, 28 x 28 pixels with a light digit "
        "in the middle of black, are taken as they are. On others, dark or light, of up to 16,777,216 pixels, the "
        "digit is looked for, scaled and centred, whatever the light; a frame or a ruled line is left out."
    )
    parser = commands.add_parser(
        "predict", parents=[common], help="add the digits on images", description=text
    )
    parser.add_argument("model", metavar="MODEL", help="the model file")
    parser.add_argument(
        "images",
        metavar="IMAGE",
        nargs="+",
        help="an image file; or an IDX or .npy file with images, or some of them: FILE:START:STOP",
    )


def run(options: argparse.Namespace) -> None:
    """Print the sum, how sure it is, and what was read."""
    import numpy as np

    from tinynn.cli import sums
    from tinynn.cli.images import read_images
    from tinynn.networks import READER, distribution, names_digits

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
            f"{options.model} adds {digits} images, got {got}; "
            f"give {digits}, of an IDX file for example FILE:0:{digits}"
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
