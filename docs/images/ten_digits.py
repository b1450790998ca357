"""Draw docs/images/ten-digits.png: ten images, how the network reads each, and their sum.

From the root of a checkout, after ``tinynn train`` (the picture in the README is from the 5,000 offline digits)::

    TINYNN_OFFLINE=1 tinynn train
    TINYNN_OFFLINE=1 python docs/images/ten_digits.py digit-sum-shared.safetensors docs/images/ten-digits.png
"""

import argparse
import io

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

import tinynn
from tinynn.datasets import DigitSums, find_mnist
from tinynn.networks import Ensemble

INK, RIGHT, WRONG, REST = "#222222", "#2a7f3f", "#c1440e", "#9aa5b1"

#: The test sum in the README: all digits are read correctly, one of them with doubt.
SHOWN = 21


def draw(images, labels, read, sums):
    """Draw one sum.

    Parameters
    ----------
    images, labels : ndarray, shapes (n, 28, 28) and (n,)
        The images and their digits.
    read : ndarray, shape (n, 10)
        The probabilities of the digits on each image.
    sums : ndarray, shape (9 n + 1,)
        The probabilities of the sums.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = Figure(figsize=(9, 3.7), layout="constrained")
    figure.get_layout_engine().set(hspace=0.06)
    FigureCanvasAgg(figure)  # draws without a screen
    rows = figure.add_gridspec(3, len(images), height_ratios=[1, 0.7, 0.8])
    for place, (image, label, chances) in enumerate(zip(images, labels, read, strict=True)):
        axes = figure.add_subplot(rows[0, place])
        axes.imshow(image, cmap="gray_r", vmin=0, vmax=255)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_color("#dddddd")
        answer = chances.argmax()
        colour = RIGHT if answer == label else WRONG
        axes.set_title(f"{answer}" if answer == label else f"{answer} (is {label})", color=colour, fontweight="bold")
        bars(figure.add_subplot(rows[1, place]), chances, answer, colour, range(10), 6)
    axes = figure.add_subplot(rows[2, :])
    answer, total = sums.argmax(), labels.sum()
    bars(axes, sums, answer, RIGHT if answer == total else WRONG, range(0, len(sums), 10), 9)
    title = f"sum: {answer} with probability {sums[answer]:.2f}; the true sum is {total}"
    axes.set_title(title, color=INK, fontsize=11, fontweight="bold")
    return figure


def bars(axes, probabilities, answer, colour, ticks, size):
    """One bar for each probability, the largest in a colour."""
    axes.bar(range(len(probabilities)), probabilities, width=0.85,
             color=[colour if number == answer else REST for number in range(len(probabilities))])
    axes.set(ylim=(0, 1), yticks=[], xlim=(-0.6, len(probabilities) - 0.4))
    axes.set_xticks(list(ticks))
    axes.tick_params(axis="x", labelsize=size, length=0, pad=1, colors=INK)
    axes.spines[["left", "right", "top"]].set_visible(False)


def main(arguments=None):
    """Read the model and the digits, draw, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", metavar="MODEL", help="from tinynn train; one that reads digits (shared, wide, conv)")
    parser.add_argument("picture", metavar="FILE.png", help="the picture to write")
    parser.add_argument("--sum", type=int, default=SHOWN, metavar="N",
                        help=f"which of the test sums of tinynn evaluate (default: {SHOWN})")
    options = parser.parse_args(arguments)
    network = Ensemble([tinynn.load(options.model)])
    _, (images, labels) = find_mnist().load()
    _, indices, _ = DigitSums(images, labels, 10, options.sum + 1, rng=0).samples()
    shown = indices[-1]
    picture = draw(images[shown], labels[shown], network.read(images[shown]), network.predict(images[shown][None])[0])
    drawn = io.BytesIO()
    picture.savefig(drawn, dpi=150)
    Image.open(drawn).convert("RGB").quantize(64).save(options.picture, "PNG", optimize=True)


if __name__ == "__main__":
    main()
