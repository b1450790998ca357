"""``tinynn train``: train a network that adds digits, and save it."""

from __future__ import annotations

import argparse
import dataclasses
import os
import time
from pathlib import Path
from typing import Any

import tinynn
from tinynn.callbacks import History
from tinynn.cli import curves, figures, history
from tinynn.cli.common import (
    MAX_COUNT,
    add_data,
    add_quiet,
    add_threads,
    argument,
    option,
    positive_number,
    whole_number,
)
from tinynn.cli.console import printable
from tinynn.cli.interruption import Interruption
from tinynn.cli.notes import CHECKPOINT, MAX_DIGITS, RECIPE, TRAIN, resumed
from tinynn.cli.outputs import check_outputs, write_output
from tinynn.datasets import DigitSums, MnistSource, find_mnist, split_images
from tinynn.io.suffixes import check_suffix
from tinynn.networks import (
    HANDWRITING,
    READER,
    Plateau,
    Recipe,
    digit_sum,
    distribution,
    names_digits,
    reads_digits,
    recipe,
)
from tinynn.tables import table

DESCRIPTION = (
    "Trains a network to add the digits on images; only the sum is ever a label. Options that are not given come from "
    "the network's recipe. A training with --checkpoint that was interrupted or killed continues with --resume, and "
    "ends with the same bits as one that was not."
)

MAX_VALIDATION_IMAGES = 5_000  # of the training images, and at most one in eight

EXAMPLES = 10  # shown at the end

#: Options with paths. They are in no file: a training that resumes is given them again.
PATHS = ("data", "out", "history", "plot")


@dataclasses.dataclass
class Job:
    """A training whose options have been checked.

    Attributes
    ----------
    model : Sequential
        The network.
    recipe : Recipe
        How it is trained.
    path : str
        Where the model is saved.
    checkpoint : str or None
        Where checkpoints are written.
    keeps_history : bool
        Whether there is a history, which a checkpoint then continues.
    """

    model: tinynn.Sequential
    recipe: Recipe
    path: str
    checkpoint: str | None
    keeps_history: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    count = whole_number(1, MAX_COUNT)
    add = parser.add_argument
    add("--network", metavar="NAME", help="shared (default), wide, conv, baseline or improved")
    add("--cell", metavar="NAME", help="lstm, rnn or gru, for baseline (default: lstm) and improved (default: rnn)")
    add("--digits", type=whole_number(1, MAX_DIGITS), metavar="N", help="digits in a sum (default: 10)")
    add("--sums", type=count, metavar="M", help="sums in an epoch")
    add("--epochs", type=count, metavar="E", help="number of epochs")
    add("--batch-size", type=count, metavar="B", help="sums in a batch")
    add("--lr", type=positive_number, metavar="LR", help="learning rate, the highest of the cycle")
    add("--resample", action=argparse.BooleanOptionalAction, help="new sums in every epoch")
    add("--augment", action=argparse.BooleanOptionalAction, help="change the images at random")
    add(
        "--protocol",
        choices=("resampled", "fixed"),
        help="resampled: sums drawn from all training images; fixed: every training image in one sum, the same sums in "
        "every epoch",
    )
    add(
        "--all-images",
        action="store_true",
        default=None,
        help="train on all training images, with none left for validation",
    )
    add("--validation-sums", type=count, metavar="M", help="sums to validate with (default: 5000)")
    add_data(parser)
    add("--seed", type=whole_number(0), metavar="S", help="seed of everything random (default: 0)")
    add_threads(parser)
    add("--out", metavar="FILE", help="model file (default: digit-sum-NETWORK.safetensors)")
    add("--history", metavar="FILE.csv", help="write loss and accuracy of each epoch")
    add("--plot", metavar="FILE.png", help="draw the curves of loss and accuracy")
    add("--checkpoint", metavar="FILE", help="write checkpoints for --resume, at intervals and when interrupted")
    add("--checkpoint-every", type=positive_number, metavar="S", help="seconds between checkpoints (default: 60)")
    add(
        "--resume",
        metavar="FILE",
        help="continue from this checkpoint, and keep writing it. It has the network, recipe and seed, but no paths: "
        "give --data, --history and --plot again. The model is saved beside it unless --out is given",
    )
    add_quiet(parser)


def run(options: argparse.Namespace) -> None:
    """Train, show examples, save."""
    job = checked(options)
    if options.threads is not None:
        tinynn.set_num_threads(options.threads)
    source = find_mnist(options.data, download=True)
    training, validation = sums_to_learn(source, options, job.recipe)
    if options.protocol == "fixed":
        job.recipe = dataclasses.replace(job.recipe, sums=len(training), resample=False)
    announce(job, options, source, training, validation)

    started = time.monotonic()
    plateau = Plateau(options.digits, job.recipe.epochs)
    learnt = fit(job, options, training, validation, plateau)
    seconds = time.monotonic() - started
    replaced = ", replacing an older file" if Path(job.path).exists() else ""
    job.model.save(job.path)

    epochs = counted(len(learnt.history["loss"]), "epoch")
    print(f"\nTrained in {seconds:.0f} s")
    if plateau.stopped:
        print(f"Stopped after {epochs}: {printable(str(plateau.reason))}")
    if validation is not None:
        accuracy = learnt.history["val_accuracy"][-1]
        print(f"\nValidation accuracy after {epochs}: {accuracy:.4f} of the sums are exact\n")
        print(examples(job.model, validation))
    print(f"\nModel saved to {job.path}{replaced}; test it with: tinynn evaluate {argument(job.path)}")
    print(f"Fingerprint of its weights: {job.model.fingerprint()}", flush=True)
    if options.plot is not None:
        title = describe_network(job.model, options.digits, job.recipe.cell)
        drawn = curves.draw(learnt.history, options.digits, title)
        write_output("--plot", options.plot, figures.content(drawn, options.plot))
        print(f"Curves written to {options.plot}")
    if options.history is not None:
        history.complete(options.history, learnt)
        print(f"History written to {options.history}")


def checked(options: argparse.Namespace) -> Job:
    """Check everything that can be wrong before the work begins; fill in the options that were not given."""
    had_history = complete(options)
    checkpoint = options.resume if options.checkpoint is None else options.checkpoint
    if checkpoint is None and options.checkpoint_every is not None:
        raise ValueError("--checkpoint-every: there is no checkpoint to write; add --checkpoint FILE")
    if options.checkpoint is not None and Path(options.checkpoint).is_file() and (
            options.resume is None or os.path.realpath(options.checkpoint) != os.path.realpath(options.resume)):
        raise ValueError(f"--checkpoint: {options.checkpoint} exists; continue from it with "
                         f"{option('resume', options.checkpoint)}, or remove it to start again")
    chosen = chosen_recipe(options)
    model = digit_sum(options.network, options.digits, chosen.cell, rng=options.seed)
    if names_digits(model) and options.cell is not None:
        raise ValueError(f"--cell: the network {model.name} has no recurrent cell; leave --cell out")
    options.network = model.name  # "Conv" is "conv"
    path = default_path(model, options.resume) if options.out is None else options.out
    for name, file in (("--out", path), ("--checkpoint", options.checkpoint)):
        if file is not None:
            check_suffix(file, name)
    check_outputs(out=path, history=options.history, plot=options.plot,
                  **{"resume" if options.checkpoint is None else "checkpoint": checkpoint})
    if options.plot is not None:
        figures.check("--plot", options.plot)
    keeps_history = had_history if options.resume is not None else options.history is not None
    return Job(model, chosen, path, checkpoint, keeps_history)


def announce(
    job: Job, options: argparse.Namespace, source: MnistSource, training: DigitSums, validation: DigitSums | None
) -> None:
    """Print what is about to be trained."""
    if options.resume is not None:
        print(f"Resuming: {options.resume}")
        files = {"checkpoint": job.checkpoint, "model": job.path, "history": options.history, "picture": options.plot}
        print(f"Writing:  {', '.join(f'{what} {file}' for what, file in files.items() if file is not None)}")
    print(f"Digits:   {source}")
    kept = "none" if validation is None else f"{len(validation.images):,} others"
    print(f"          {len(training.images):,} of them to train with, {kept} to validate with")
    print(f"Network:  {describe_network(job.model, options.digits, job.recipe.cell)}")
    print(f"Training: {describe_training(job.recipe)}, {counted(tinynn.get_num_threads(), 'thread')}", flush=True)


def fit(
    job: Job, options: argparse.Namespace, training: DigitSums, validation: DigitSums | None, plateau: Plateau
) -> History:
    """Train the model. If this is interrupted, the message says how to continue."""
    model = job.model
    job.recipe.compile(model)
    callbacks: list[Any] = [plateau, *([history.CSVLogger(options.history)] if job.keeps_history else [])]
    model.notes = {TRAIN: {name: vars(options)[name] for name in RECIPE}}
    if job.checkpoint is not None:
        callbacks.append(Interruption())
        model.notes[CHECKPOINT] = {"history": job.keeps_history}
    try:
        learnt: History = model.fit(
            training,
            batch_size=job.recipe.batch_size,
            epochs=job.recipe.epochs,
            verbose=0 if options.quiet else "auto",
            validation_data=validation,
            callbacks=callbacks,
            augment=job.recipe.augment,
            checkpoint=job.checkpoint,
            checkpoint_every=options.checkpoint_every or 60.0,
            resume=options.resume,
            hash_data=True,
        )
    except KeyboardInterrupt as interrupt:
        raise type(interrupt)(how_to_continue(job, options)) from None
    model.notes.pop(CHECKPOINT, None)
    return learnt


def how_to_continue(job: Job, options: argparse.Namespace) -> str:
    """What to do after an interruption: the command that continues, if a checkpoint was written."""
    if job.checkpoint is not None and Path(job.checkpoint).exists():
        if job.path != default_path(job.model, job.checkpoint):
            options.out = job.path
        given = {"resume": job.checkpoint, **{name: vars(options)[name] for name in PATHS}}
        again = (option(name, value) for name, value in given.items() if value is not None)
        return f"continue with: tinynn train {' '.join(again)}"
    kept = "" if options.history is None else f"; the completed epochs are in {options.history}"
    return f"no model was saved{kept}"


def default_path(model: tinynn.Sequential, checkpoint: str | None) -> str:
    """Where a model is saved unless --out is given: beside the checkpoint from which its training was resumed."""
    return os.path.join(os.path.dirname(checkpoint or ""), f"digit-sum-{model.name}.safetensors")


def complete(options: argparse.Namespace) -> bool:
    """Fill in the options that were not given: from the checkpoint to resume, or with their defaults.

    Returns
    -------
    bool
        Whether there is a checkpoint to resume and its training kept a history.
    """
    known: dict[str, Any] = RECIPE
    had_history = False
    if options.resume is not None:
        known, had_history = read_checkpoint(options.resume)
        for name in RECIPE:
            if vars(options)[name] is not None:
                given = f"--{name.replace('_', '-')}"
                raise ValueError(f"{given}: {options.resume} has it already; leave {given} out, or start again without "
                                 "--resume")
    for name, value in known.items():
        if vars(options)[name] is None:
            setattr(options, name, value)
    return had_history


def read_checkpoint(path: str) -> tuple[dict[str, Any], bool]:
    """The options of the training that wrote a checkpoint, and whether it kept a history."""
    if not path:
        raise ValueError("--resume: the path is empty; give the file that --checkpoint named")
    try:
        model = tinynn.load(path)
    except OSError as error:
        raise OSError(error.errno, f"--resume: cannot read {path}: {error.strerror}") from None
    try:
        given, had_history = resumed(model)
        digits = None if reads_digits(given["network"]) else given["digits"]
        if (model.name, model.input_shape) != (given["network"], (digits, 28, 28)):
            raise ValueError(f"its notes describe the network {given['network']} for sums of {given['digits']}, but "
                             "its model is another one")
    except (TypeError, ValueError) as error:
        raise ValueError(f"--resume: {path}: {error}") from None
    return given, had_history


def chosen_recipe(options: argparse.Namespace) -> Recipe:
    """The network's recipe, with the user's changes."""
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
                raise ValueError(f"{name}: the fixed protocol determines the sums; leave {name} out")
    changes = {name: value for name, value in wanted.items() if value is not None}
    if options.augment is not None:
        changes["augment"] = recipe(options.network).augment or HANDWRITING if options.augment else None
    return dataclasses.replace(recipe(options.network), **changes)


def sums_to_learn(
    source: MnistSource, options: argparse.Namespace, recipe: Recipe
) -> tuple[DigitSums, DigitSums | None]:
    """Sums to train and to validate with, of different images; none to validate with after --all-images.

    The validation images and sums do not depend on the seed: trainings can be compared.
    """
    train, _ = source.load()
    validation = None
    if not options.all_images:
        if len(train[0]) < 2:
            raise ValueError(f"--data: {source.directory} has only one training image, and none to validate with")
        kept = min(MAX_VALIDATION_IMAGES, max(1, len(train[0]) // 8))
        train, validation = split_images(*train, validation=kept)
    if options.protocol == "fixed":
        training = DigitSums.disjoint(*train, options.digits, rng=options.seed)
    else:
        training = DigitSums(*train, options.digits, recipe.sums, rng=options.seed, resample=recipe.resample)
    return training, None if validation is None else DigitSums(*validation, options.digits, options.validation_sums)


def counted(number: int, noun: str) -> str:
    """A number and its noun.

    Examples
    --------
    >>> counted(1, "epoch"), counted(2000, "epoch")
    ('1 epoch', '2,000 epochs')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def describe_network(model: tinynn.Sequential, digits: int, cell: str) -> str:
    """The network in a few words."""
    kind = "" if names_digits(model) else f" ({cell})"
    return f"{model.name}{kind}, sums of {counted(digits, 'digit')}, {model.count_params():,} parameters"


def describe_training(recipe: Recipe) -> str:
    """The recipe in a few words."""
    sums = f"{recipe.sums:,} {'new' if recipe.resample else 'fixed'} sums"
    if recipe.augment is not None:
        sums += ", images changed at random"
    rate = f"learning rate {'up to ' if recipe.schedule != 'constant' else ''}{recipe.learning_rate:g}"
    return f"{counted(recipe.epochs, 'epoch')} of {sums}, batches of {recipe.batch_size}, {rate}"


def examples(model: tinynn.Sequential, sums: DigitSums) -> str:
    """Some sums, the model's answers, and whether they are right."""
    assert sums.labels is not None
    x, totals = sums[:EXAMPLES]
    answers = distribution(model, x).argmax(axis=1)
    digits = sums.labels[sums.samples()[1][:EXAMPLES]]
    read = model.predict(x, output=READER).argmax(axis=2) if names_digits(model) else None
    rows = [("digits", "read as", "sum", "read as", "")]
    for i, (true, total, answer) in enumerate(zip(digits, totals, answers, strict=True)):
        seen = "-" if read is None else spell(read[i], true)
        rows.append((spell(true, true), seen, str(total), str(answer), "right" if answer == total else "wrong"))
    title = f"{len(totals)} sums of validation images:"
    if read is None:
        return f"{title} (this network does not read single digits)\n{table(rows, '<<>><')}"
    return f"{title} (* marks a wrong digit)\n{table(rows, '<<>><')}"


def spell(read: Any, true: Any) -> str:
    """Digits side by side, at most twenty, wrong ones marked."""
    pairs = list(zip(read, true, strict=True))
    text = "".join(f"{' ' if a == b else '*'}{a}" for a, b in pairs[:20])
    return text if len(pairs) <= 20 else f"{text} ..."
