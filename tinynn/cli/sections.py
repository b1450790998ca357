"""The sections of the report of ``tinynn evaluate``, each as HTML."""

from __future__ import annotations

import contextlib
import html
import io

import numpy as np

from tinynn import Sequential
from tinynn.cli import curves, figures, gallery, notes, report


def models(paths: list[str], given: list[Sequential]) -> str:
    """Facts about the models, and their layers."""
    content = []
    for path, model in zip(paths, given, strict=True):
        layers = io.StringIO()
        with contextlib.redirect_stdout(layers):
            model.summary()
        facts = [("File", path), ("Network", model.name), ("Parameters", f"{model.count_params():,}"),
                 ("Fingerprint", model.fingerprint()), *notes.training_of(model)]
        content.append(report.facts_of(facts) + report.wide(f"<pre>{html.escape(layers.getvalue())}</pre>"))
    return "".join(content)


def training(history: dict[str, list[float]], model: Sequential, default_digits: int) -> str:
    """The curves of loss and accuracy."""
    try:
        digits = notes.recipe_of(model)["digits"]
    except ValueError:
        digits = default_digits
    chart = curves.draw(history, digits, "")
    return report.wide(report.picture(figures.content(chart), "curves of loss and accuracy"))


def reading(seen: gallery.Seen) -> str:
    """The gallery."""
    drawn = gallery.draw(seen, titled=False)
    picture = report.picture(figures.content(drawn), "sums of images with the digits read in them")
    return report.note(seen.title) + report.wide(picture)


def confusions(seen: gallery.Seen) -> str:
    """How often each digit is read as each, with examples of the most frequent mistakes."""
    counts = np.zeros((10, 10), int)
    np.add.at(counts, (seen.labels, seen.read), 1)
    confused = [("digit", "read as", "times", "images")]
    for digit, answer, times, where in gallery.confusions(seen.labels, seen.read):
        strip = figures.figure(0.5 * len(where), 0.5)
        for axes, image in zip(strip.subplots(1, len(where), squeeze=False)[0], where, strict=True):
            axes.imshow(seen.images[image], cmap="gray_r", vmin=0, vmax=255)
            axes.axis("off")
        examples = report.picture(figures.content(strip), f"{digit} read as {answer}")
        confused.append((str(digit), str(answer), str(times), examples))
    explained = report.note(f"Rows: the true digit; columns: the digit read; {len(seen.labels):,} test images")
    return report.matrix(counts) + explained + (report.rows_of(confused) if len(confused) > 1 else "")
