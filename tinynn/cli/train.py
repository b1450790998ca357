"""``tinynn train``: train a network that adds digits, and keep it."""

from __future__ import annotations

import argparse
import dataclasses
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinynn.cli.common import (
    add_quiet,
    argument,
    check_outputs,
    option,
    positive_number,
    printable,
    whole_number,
    write_output,
)
from tinynn.cli.notes import CHECKPOINT, MOST, MOST_DIGITS, RECIPE, TRAIN, resumed
from tinynn.io.suffixes import check_suffix
from tinynn.tables import table

if TYPE_CHECKING:
    import tinynn
    from tinynn.datasets import DigitSums, MnistSource
    from tinynn.networks import Recipe

#: Training images kept out of training to validate with, at most one in eight.
VALIDATION_IMAGES = 5_000

EXAMPLES = 10  # shown at the end

#: Options with paths. A file says none of them: a training that resumes is given them again.
PATHS = ("data", "out", "history", "plot")


def add_parser(commands: Any, common: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    text = (
        "Trains a network to add the digits it sees; only the sum is ever a label. What is not given comes "
        "from the network's recipe. With --checkpoint, a training that was interrupted, terminated or killed goes "
        "on with --resume, and ends with the same bits."
    )
    parser = commands.add_parser(
        "train", parents=[common], help="train a network that adds digits", description=text
    )
    count = whole_number(1, MOST)
    parser.add_argument(
        "--network", metavar="NAME", help="shared (default), wide, conv, baseline or improved"
    )
    parser.add_argument("--cell", metavar="NAME", help="of baseline (default: lstm) and improved (rnn): lstm, rnn, gru")
    parser.add_argument(
        "--digits", type=whole_number(1, MOST_DIGITS), metavar="N", help="digits in a sum (default: 10)"
    )
    parser.add_argument("--sums", type=count, metavar="M", help="sums in an epoch")
    parser.add_argument("--epochs", type=count, metavar="E", help="how many epochs")
    parser.add_argument("--batch-size", type=count, metavar="B", help="sums in a step")
    parser.add_argument(
        "--lr", type=positive_number, metavar="LR", help="learning rate, the highest of the cycle"
    )
    parser.add_argument("--resample", action=argparse.BooleanOptionalAction, help="fresh sums in each epoch")
    parser.add_argument("--augment", action=argparse.BooleanOptionalAction, help="change images at random")
    parser.add_argument(
        "--protocol",
        choices=("resampled", "fixed"),
        help="resampled: sums drawn from all training images; fixed: every training image in one sum, the same sums in "
        "every epoch",
    )
    parser.add_argument(
        "--all-images",
        action="store_true",
        default=None,
        help="train with all training images, keeping none to validate with",
    )
    parser.add_argument(
        "--validation-sums",
        type=count,
        metavar="M",
        help="sums to validate with (default: 5000)",
    )
    parser.add_argument(
        "--data",
        metavar="DIR",
        help="folder with the files of MNIST (default: TINYNN_DATA, the cache, a download)",
    )
    parser.add_argument(
        "--seed", type=whole_number(0), metavar="S", help="of everything random (default: 0)"
    )
    parser.add_argument("--threads", type=count, metavar="T", help="how many threads; they change no result")
    parser.add_argument("--out", metavar="FILE", help="model file (default: digit-sum-NETWORK.safetensors)")
    parser.add_argument("--history", metavar="FILE.csv", help="write loss and accuracy of each epoch")
    parser.add_argument("--plot", metavar="FILE.png", help="draw the curves of loss and accuracy")
    parser.add_argument(
        "--checkpoint", metavar="FILE", help="write there, now and then and when interrupted, what --resume needs"
    )
    parser.add_argument(
        "--checkpoint-every", type=positive_number, metavar="S", help="seconds between two checkpoints (default: 60)"
    )
    parser.add_argument(
        "--resume",
        metavar="FILE",
        help="go on from this checkpoint, which goes on being written; it knows network, recipe and seed, but no "
        "paths: give --data, --history and --plot again; the model goes beside it unless --out says otherwise",
    )
    add_quiet(parser)


def run(options: argparse.Namespace) -> None:
    """Train, show examples, save."""
    import tinynn
    from tinynn.cli import history
    from tinynn.datasets import find_mnist
    from tinynn.networks import Plateau, digit_sum, names_digits

    # All that can be wrong is found out before the work begins.
    had_history = complete(options)
    checkpoint = options.resume if options.checkpoint is None else options.checkpoint
    if checkpoint is None and options.checkpoint_every is not None:
        raise ValueError("--checkpoint-every: there is no checkpoint to write; give --checkpoint FILE, too")
    if options.checkpoint is not None and Path(options.checkpoint).is_file() and (
            options.resume is None or os.path.realpath(options.checkpoint) != os.path.realpath(options.resume)):
        raise ValueError(f"--checkpoint: {options.checkpoint} is there already; go on from it with "
                         f"{option('resume', options.checkpoint)}, or remove it to begin anew")
    recipe = chosen_recipe(options)
    model = digit_sum(options.network, options.digits, recipe.cell, rng=options.seed)
    if names_digits(model) and options.cell is not None:
        raise ValueError(f"--cell: the network {model.name} has no recurrent cell; leave --cell out")
    options.network = model.name  # "Conv" is "conv"
    path = default_path(model, options.resume) if options.out is None else options.out
    for written, file in (("--out", path), ("--checkpoint", options.checkpoint)):
        if file is not None:
            check_suffix(file, written)
    check_outputs(out=path, history=options.history, plot=options.plot,
                  **{"resume" if options.checkpoint is None else "checkpoint": checkpoint})
    if options.plot is not None:
        from tinynn.cli import curves, figures

        figures.check("--plot", options.plot)
    if options.threads is not None:
        tinynn.set_num_threads(options.threads)

    source = find_mnist(options.data, download=True)
    training, validation = sums_to_learn(source, options, recipe)
    if options.protocol == "fixed":
        recipe = dataclasses.replace(recipe, sums=len(training), resample=False)
    if options.resume is not None:
        print(f"Resuming: {options.resume}")
        files = {"checkpoint": checkpoint, "model": path, "history": options.history, "picture": options.plot}
        print(f"Writing:  {', '.join(f'{what} {file}' for what, file in files.items() if file is not None)}")
    print(f"Digits:   {source}")
    kept = "none" if validation is None else f"{len(validation.images):,} others"
    print(f"          {len(training.images):,} of them to train with, {kept} to validate with")
    print(f"Network:  {describe_network(model, options.digits, recipe.cell)}")
    print(f"Training: {describe_training(recipe)}, {counted(tinynn.get_num_threads(), 'thread')}", flush=True)

    recipe.compile(model)
    plateau = Plateau(options.digits, recipe.epochs)
    keeps_history = had_history if options.resume is not None else options.history is not None
    callbacks: list[Any] = [plateau, *([history.CSVLogger(options.history)] if keeps_history else [])]
    model.notes = {TRAIN: {name: vars(options)[name] for name in RECIPE}}
    if checkpoint is not None:
        from tinynn.cli.interruption import Interruption

        callbacks.append(Interruption())
        model.notes[CHECKPOINT] = {"history": keeps_history}
    started = time.monotonic()
    try:
        learnt = model.fit(
            training,
            batch_size=recipe.batch_size,
            epochs=recipe.epochs,
            verbose=0 if options.quiet else "auto",
            validation_data=validation,
            callbacks=callbacks,
            augment=recipe.augment,
            checkpoint=checkpoint,
            checkpoint_every=options.checkpoint_every or 60.0,
            resume=options.resume,
            hash_data=True,
        )
    except KeyboardInterrupt as interrupt:
        if checkpoint is not None and Path(checkpoint).exists():
            if path != default_path(model, checkpoint):
                options.out = path
            given = {"resume": checkpoint, **{name: vars(options)[name] for name in PATHS}}
            again = (option(name, value) for name, value in given.items() if value is not None)
            raise type(interrupt)(f"go on with: tinynn train {' '.join(again)}") from None
        kept = "" if options.history is None else f"; the epochs that ended are in {options.history}"
        raise type(interrupt)(f"no model was saved{kept}") from None
    model.notes.pop(CHECKPOINT, None)
    seconds = time.monotonic() - started
    replaced = ", in place of an older file" if Path(path).exists() else ""
    model.save(path)

    epochs = counted(len(learnt.history["loss"]), "epoch")
    print(f"\nTrained in {seconds:.0f} s")
    if plateau.stopped:
        print(f"Stopped after {epochs}: {printable(str(plateau.reason))}")
    if validation is not None:
        accuracy = learnt.history["val_accuracy"][-1]
        print(f"\nValidation accuracy after {epochs}: {accuracy:.4f} of the sums are exact\n")
        print(examples(model, validation))
    print(f"\nModel saved to {path}{replaced}; test it with: tinynn evaluate {argument(path)}")
    print(f"Fingerprint of its weights: {model.fingerprint()}", flush=True)
    if options.plot is not None:
        title = describe_network(model, options.digits, recipe.cell)
        drawn = curves.draw(learnt.history, options.digits, title)
        write_output("--plot", options.plot, figures.content(drawn, options.plot))
        print(f"Curves drawn into {options.plot}")
    if options.history is not None:
        history.complete(options.history, learnt)
        print(f"History written to {options.history}")


def default_path(model: tinynn.Sequential, checkpoint: str | None) -> str:
    """Where a model goes unless --out says otherwise: beside the checkpoint from which its training went on."""
    return os.path.join(os.path.dirname(checkpoint or ""), f"digit-sum-{model.name}.safetensors")


def complete(options: argparse.Namespace) -> bool:
    """Fill in what was not given: from the checkpoint to resume, or as a new training has it.

    Returns
    -------
    bool
        Whether there is a checkpoint to resume, and its training kept a history.
    """
    known: dict[str, Any] = RECIPE
    had_history = False
    if options.resume is not None:
        known, had_history = read_checkpoint(options.resume)
        for name in RECIPE:
            if vars(options)[name] is not None:
                given = f"--{name.replace('_', '-')}"
                raise ValueError(f"{given}: {options.resume} knows that; leave {given} out, or begin anew without "
                                 "--resume")
    for name, value in known.items():
        if vars(options)[name] is None:
            setattr(options, name, value)
    return had_history


def read_checkpoint(path: str) -> tuple[dict[str, Any], bool]:
    """What the training that wrote a checkpoint was given, and whether it kept a history."""
    import tinynn
    from tinynn.networks import reads_digits

    if not path:
        raise ValueError("--resume: the path is empty; give the file that --checkpoint named")
    try:
        model = tinynn.load(path)
    except OSError as error:
        raise OSError(error.errno, f"--resume: cannot read {path}: {error.strerror}") from None
    try:
        recipe, had_history = resumed(model)
        digits = None if reads_digits(recipe["network"]) else recipe["digits"]
        if (model.name, model.input_shape) != (recipe["network"], (digits, 28, 28)):
            raise ValueError(f"its notes are of the network {recipe['network']} for sums of {recipe['digits']}, its "
                             "model is another")
    except (TypeError, ValueError) as error:
        raise ValueError(f"--resume: {path}: {error}") from None
    return recipe, had_history


def chosen_recipe(options: argparse.Namespace) -> Recipe:
    """The network's recipe with what the user wants different."""
    from tinynn.networks import HANDWRITING, recipe

    wanted = {
        "epochs": options.epochs,
        "sums": options.sums,
        "batch_size": options.batch_size,
        "learning_rate": options.lr,
        "resample": options.resample,
        "cell": options.cell,
    }
    if options.protocol == "fixed":
        for name, value in (("--sums", options.sums), ("--resample", options.resample)):
            if value is not None:
                raise ValueError(f"{name}: the fixed protocol puts every training image into one sum; leave {name} out")
    changes = {name: value for name, value in wanted.items() if value is not None}
    if options.augment is not None:
        changes["augment"] = recipe(options.network).augment or HANDWRITING if options.augment else None
    return dataclasses.replace(recipe(options.network), **changes)


def sums_to_learn(
    source: MnistSource, options: argparse.Namespace, recipe: Recipe
) -> tuple[DigitSums, DigitSums | None]:
    """Sums to train and to validate with, of different images; none to validate with if the user wants all to train.

    Which images and sums validate does not depend on the seed, so that trainings can be compared.
    """
    from tinynn.datasets import DigitSums, split_images

    train, _ = source.load()
    validation = None
    if not options.all_images:
        if len(train[0]) < 2:
            raise ValueError(f"--data: {source.directory} holds one training image, and none to validate with")
        kept = min(VALIDATION_IMAGES, max(1, len(train[0]) // 8))
        train, validation = split_images(*train, validation=kept)
    if options.protocol == "fixed":
        training = DigitSums.disjoint(*train, options.digits, rng=options.seed)
    else:
        training = DigitSums(*train, options.digits, recipe.sums, rng=options.seed, resample=recipe.resample)
    return training, None if validation is None else DigitSums(*validation, options.digits, options.validation_sums)


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
    from tinynn.networks import names_digits

    kind = "" if names_digits(model) else f" ({cell})"
    return f"{model.name}{kind}, sums of {counted(digits, 'digit')}, {model.count_params():,} parameters"


def describe_training(recipe: Recipe) -> str:
    """The recipe in a few words."""
    sums = f"{recipe.sums:,} {'fresh' if recipe.resample else 'fixed'} sums"
    if recipe.augment is not None:
        sums += ", images changed at random"
    rate = f"learning rate {'up to ' if recipe.schedule != 'constant' else ''}{recipe.learning_rate:g}"
    return f"{counted(recipe.epochs, 'epoch')} of {sums}, {recipe.batch_size} in a step, {rate}"


def examples(model: tinynn.Sequential, sums: DigitSums) -> str:
    """Some sums, what the model makes of them, and whether that is right."""
    from tinynn.networks import READER, distribution, names_digits

    assert sums.labels is not None
    x, totals = sums[:EXAMPLES]
    answers = distribution(model, x).argmax(axis=1)
    digits = sums.labels[sums.samples()[1][:EXAMPLES]]
    read = model.predict(x, output=READER).argmax(axis=2) if names_digits(model) else None
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
