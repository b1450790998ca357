"""The curves of a training as a picture, with matplotlib (the extra ``plot``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tinynn.cli.figures import figure
from tinynn.networks import sums_of_random_digits

TRAINING, VALIDATION, GUESS = "#7a8ca3", "#c1440e", "#888888"


def draw(history: Mapping[str, Sequence[float]], digits: int, title: str) -> Any:
    """Draw loss and accuracy of training and validation, epoch by epoch; return the figure.

    Parameters
    ----------
    history : mapping of str to list of float
        ``loss``, ``accuracy`` and, with validation, ``val_loss`` and ``val_accuracy``: a number for each epoch.
    digits : int
        Digits in a sum, which determine the results of guessing. They are drawn, too.
    title : str
        The title; an empty one is left out.
    """
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    drawn = figure(10, 4.2)
    if title:
        drawn.suptitle(title, x=0.012, ha="left", fontsize=12, fontweight="bold")
    left, right = drawn.subplots(1, 2)
    sums = sums_of_random_digits(digits)
    for axes, name, guess, written in (
        (left, "loss", -float(sums @ np.log(sums)), "{:.2f}"),
        (right, "accuracy", float(sums.max()), "{:.1%}"),
    ):
        epochs = range(1, len(history[name]) + 1)
        marker = "o" if len(epochs) <= 40 else None
        for key, label, colour in ((name, "training", TRAINING), (f"val_{name}", "validation", VALIDATION)):
            if key in history:
                axes.plot(
                    epochs, history[key], color=colour, marker=marker, markersize=3.5, linewidth=1.8, label=label
                )
        axes.axhline(
            guess,
            color=GUESS,
            linestyle="--",
            linewidth=1,
            label=f"guessing: {written.format(guess)}",
        )
        axes.set_xlabel("epoch")
        axes.set_xlim(0.5, len(epochs) + 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(color="#e3e3e3", linewidth=0.7)
        axes.set_axisbelow(True)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        axes.legend(frameon=False, fontsize=9)
    left.set_title("Loss: cross-entropy of the sum", loc="left", fontsize=10)
    left.set_ylim(bottom=0)
    kind = "validation" if "val_accuracy" in history else "training"
    last = history["val_accuracy" if kind == "validation" else "accuracy"][-1]
    right.set_title(f"Exact sums: {last:.1%} of the {kind} sums after the last epoch", loc="left", fontsize=10)
    right.set_ylim(0, 1.02)
    right.yaxis.set_major_formatter(PercentFormatter(1.0))
    return drawn
