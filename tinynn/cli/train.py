"""``tinynn train``: train a network that adds digits, and keep it."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinynn.cli.common import check_outputs, positive_number, table, whole_number

if TYPE_CHECKING:
    import tinynn
    from tinynn.datasets import DigitSums, MnistSource
    from tinynn.networks import Recipe

#: Training images kept out of training to validate with, at most one in eight.
VALIDATION_IMAGES = 5_000

EXAMPLES = 10  # shown at the end


def add_parser(commands: Any, common: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    text = (
        "Trains a network to add the digits it sees; only the sum is ever a label. What is not given comes "
        "from the network's recipe."
    )
    parser = commands.add_parser(
        "train", parents=[common], help="train a network that adds digits", description=text
    )
    count = whole_number(1)
    parser.add_argument(
        "--network", default="shared", metavar="NAME", help="shared (default), baseline or improved"
    )
    parser.add_argument("--cell", metavar="NAME", help="of baseline (default: lstm) and improved (rnn): lstm, rnn, gru")
    parser.add_argument("--digits", type=count, default=10, metavar="N", help="digits in a sum (default: 10)")
    parser.add_argument("--sums", type=count, metavar="M", help="sums in an epoch")
    parser.add_argument("--epochs", type=count, metavar="E", help="how many epochs")
    parser.add_argument("--batch-size", type=count, metavar="B", help="sums in a step")
    parser.add_argument(
        "--lr", type=positive_number, metavar="LR", help="learning rate, the highest of the cycle"
    )
    parser.add_argument("--resample", action=argparse.BooleanOptionalAction, help="fresh sums in every epoch")
    parser.add_argument(
        "--validation-sums",
        type=count,
        default=5_000,
        metavar="M",
        help="sums to validate with (default: 5000)",
    )
    parser.add_argument(
        "--data",
        metavar="DIR",
        help="folder with the files of MNIST (default: TINYNN_DATA, the cache, a download)",
    )
    parser.add_argument(
        "--seed", type=whole_number(0), default=0, metavar="S", help="of everything random (default: 0)"
    )
    parser.add_argument("--threads", type=count, metavar="T", help="how many threads; they change no result")
    parser.add_argument("--out", metavar="FILE", help="model file (default: digit-sum-NETWORK.safetensors)")
    parser.add_argument("--history", metavar="FILE.csv", help="write loss and accuracy of each epoch")
    parser.add_argument("--plot", metavar="FILE.png", help="draw the curves of loss and accuracy")


def run(options: argparse.Namespace) -> None:
    """Train, show examples, save."""
    import tinynn
    from tinynn.datasets import find_mnist
    from tinynn.networks import digit_sum

    # All that can be wrong is found out before the work begins.
    recipe = chosen_recipe(options)
    model = digit_sum(options.network, options.digits, recipe.cell, rng=options.seed)
    if model.name == "shared" and options.cell is not None:
        raise ValueError("--cell: the network shared has no recurrent cell; leave --cell out")
    path = options.out or f"digit-sum-{model.name}.safetensors"
    check_outputs(out=path, history=options.history, plot=options.plot)
    if options.plot is not None:
        from tinynn.cli import curves

        curves.check(options.plot)
    if options.threads is not None:
        tinynn.set_num_threads(options.threads)

    source = find_mnist(options.data, download=True)
    training, validation = sums_to_learn(source, options, recipe)
    kept = f"{len(validation.images):,} others to validate with"
    print(f"Digits:   {source}")
    print(f"          {len(training.images):,} of them to train with, {kept}")
    print(f"Network:  {describe_network(model, options.digits, recipe.cell)}")
    print(f"Training: {describe_training(recipe)}, {counted(tinynn.get_num_threads(), 'thread')}", flush=True)

    recipe.compile(model)
    callbacks = [tinynn.callbacks.CSVLogger(options.history)] if options.history else []
    try:
        history = model.fit(
            training,
            batch_size=recipe.batch_size,
            epochs=recipe.epochs,
            validation_data=validation,
            callbacks=callbacks,
        )
    except KeyboardInterrupt:
        kept = f"; the epochs that ended are in {options.history}" if options.history else ""
        raise KeyboardInterrupt(f"no model was saved{kept}") from None
    replaced = ", in place of an older file" if Path(path).exists() else ""
    model.save(path)

    epochs, accuracy = counted(recipe.epochs, "epoch"), history.history["val_accuracy"][-1]
    print(f"\nValidation accuracy after {epochs}: {accuracy:.4f} of the sums are exact\n")
    print(examples(model, validation))
    print(f"\nModel saved to {path}{replaced}; test it with: tinynn evaluate {path}")
    if options.history:
        print(f"History written to {options.history}")
    if options.plot:
        curves.draw(history.history, options.digits, describe_network(model, options.digits, recipe.cell), options.plot)
        print(f"Curves drawn into {options.plot}")


def chosen_recipe(options: argparse.Namespace) -> Recipe:
    """The network's recipe with what the user wants different."""
    from tinynn.networks import recipe

    wanted = {
        "epochs": options.epochs,
        "sums": options.sums,
        "batch_size": options.batch_size,
        "learning_rate": options.lr,
        "resample": options.resample,
        "cell": options.cell,
    }
    changes = {name: value for name, value in wanted.items() if value is not None}
    return dataclasses.replace(recipe(options.network), **changes)


def sums_to_learn(
    source: MnistSource, options: argparse.Namespace, recipe: Recipe
) -> tuple[DigitSums, DigitSums]:
    """Sums to train and to validate with, of different images.

    Which images and sums validate does not depend on the seed, so that trainings can be compared.
    """
    from tinynn.datasets import DigitSums, split_images

    (images, labels), _ = source.load()
    if len(images) < 2:
        raise ValueError(f"--data: {source.directory} holds one training image, and none to validate with")
    kept = min(VALIDATION_IMAGES, max(1, len(images) // 8))
    train, validation = split_images(images, labels, validation=kept)
    return (
        DigitSums(*train, options.digits, recipe.sums, rng=options.seed, resample=recipe.resample),
        DigitSums(*validation, options.digits, options.validation_sums),
    )


def counted(number: int, noun: str) -> str:
    """A number of things.

    Examples
    --------
    >>> counted(1, "epoch"), counted(2000, "epoch")
    ('1 epoch', '2,000 epochs')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def describe_network(model: tinynn.Sequential, digits: int, cell: str) -> str:
    """The network in a few words."""
    kind = "" if model.name == "shared" else f" ({cell})"
    return f"{model.name}{kind}, sums of {counted(digits, 'digit')}, {model.count_params():,} parameters"


def describe_training(recipe: Recipe) -> str:
    """The recipe in a few words."""
    sums = f"{recipe.sums:,} {'fresh' if recipe.resample else 'fixed'} sums"
    rate = f"learning rate {'up to ' if recipe.schedule != 'constant' else ''}{recipe.learning_rate:g}"
    return f"{counted(recipe.epochs, 'epoch')} of {sums}, {recipe.batch_size} in a step, {rate}"


def examples(model: tinynn.Sequential, sums: DigitSums) -> str:
    """Some sums, what the model makes of them, and whether that is right."""
    from tinynn.cli.sums import distribution, names_digits, read_digits

    assert sums.labels is not None
    x, totals = sums[:EXAMPLES]
    answers = distribution(model, x).argmax(axis=1)
    digits = sums.labels[sums.samples()[1][:EXAMPLES]]
    read = read_digits(model, x).argmax(axis=2) if names_digits(model) else None
    rows = [("digits", "read as", "sum", "read as", "")]
    for i, (true, total, answer) in enumerate(zip(digits, totals, answers, strict=True)):
        seen = "-" if read is None else spell(read[i], true)
        rows.append(
            (spell(true, true), seen, str(total), str(answer), "right" if answer == total else "wrong")
        )
    title = f"{len(totals)} sums of validation images:"
    if read is None:
        return f"{title} (this network names no single digits)\n{table(rows, '<<>><')}"
    return f"{title} (* marks a digit read wrong)\n{table(rows, '<<>><')}"


def spell(read: Any, true: Any) -> str:
    """Digits side by side, at most twenty, each wrong one marked."""
    pairs = list(zip(read, true, strict=True))
    text = "".join(f"{' ' if a == b else '*'}{a}" for a, b in pairs[:20])
    return text if len(pairs) <= 20 else f"{text} ..."
