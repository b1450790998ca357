"""What `tinynn train` saves in a model's notes. They are checked when read, because a file may come from anywhere.

Notes say what is trained, never where anything is read or written: paths come only from the command line.
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping
from typing import Any

from tinynn import Sequential
from tinynn.cli.common import MAX_COUNT

#: The options that determine a training's bits, and their defaults; None stands for the network's recipe. They are
#: saved in the model's notes, from which a training is resumed.
RECIPE = {
    "network": "shared",
    "cell": None,
    "digits": 10,
    "sums": None,
    "epochs": None,
    "batch_size": None,
    "lr": None,
    "resample": None,
    "augment": None,
    "protocol": None,
    "all_images": False,
    "validation_sums": 5_000,
    "seed": 0,
}

MAX_DIGITS = 10_000  # in a sum

TRAIN = "tinynn train"  # the notes' entry with the above
CHECKPOINT = "checkpoint"  # an entry that only checkpoints have
PATHS = "paths"  # its name in older checkpoints


def whole(minimum: int, maximum: float) -> tuple[Callable[[Any], bool], str]:
    """The test of a whole number, and what it must be."""
    bound = f"from {minimum} to {maximum:,}" if maximum < float("inf") else f"of at least {minimum}"
    return lambda value: type(value) is int and minimum <= value <= maximum, f"a whole number {bound}"


TEXT = (lambda value: isinstance(value, str) and len(value) < 100, "a name")
TRUTH = (lambda value: isinstance(value, bool), "true or false")
RATE = (lambda value: type(value) in (int, float) and 0 < value < 1e300, "a finite number above 0")
COUNT = whole(1, MAX_COUNT)
#: For each entry of a recipe: whether it may be None, the test of its value, and what the value must be.
RULES: dict[str, tuple[bool, Callable[[Any], bool], str]] = {
    "network": (False, *TEXT),
    "cell": (True, *TEXT),
    "digits": (False, *whole(1, MAX_DIGITS)),
    "sums": (True, *COUNT),
    "epochs": (True, *COUNT),
    "batch_size": (True, *COUNT),
    "lr": (True, *RATE),
    "resample": (True, *TRUTH),
    "augment": (True, *TRUTH),
    "protocol": (True, lambda value: value in ("resampled", "fixed"), "'resampled' or 'fixed'"),
    "all_images": (False, *TRUTH),
    "validation_sums": (False, *COUNT),
    "seed": (False, *whole(0, float("inf"))),
}


def recipe_of(model: Sequential) -> dict[str, Any]:
    """The options with which a model was trained: the entries of `RECIPE`.

    Raises
    ------
    ValueError
        If the model's notes lack them or are invalid.
    """
    noted = model.notes.get(TRAIN)
    if not isinstance(noted, dict):
        raise ValueError(f"its notes have no entry {TRAIN!r} with the training's options")
    compare_names(f"notes[{TRAIN!r}]", noted, RULES)
    for name, (optional, fits, wanted) in RULES.items():
        value = noted[name]
        if not (optional and value is None) and not fits(value):
            raise ValueError(f"notes[{TRAIN!r}][{name!r}] must be {wanted}, got {reprlib.repr(value)}")
    return dict(noted)


def resumed(model: Sequential) -> tuple[dict[str, Any], bool]:
    """The options of the training that wrote a checkpoint, and whether it kept a history.

    Raises
    ------
    ValueError
        If it was not written by ``tinynn train --checkpoint``, or its notes are invalid.
    """
    if not {CHECKPOINT, PATHS} & model.notes.keys():
        raise ValueError("it is not a checkpoint of tinynn train; give the file that --checkpoint named")
    more = CHECKPOINT if CHECKPOINT in model.notes else PATHS
    compare_names("notes", model.notes, (TRAIN, more))
    about = model.notes[more]
    if not isinstance(about, dict):
        raise ValueError(f"notes[{more!r}] must be a dict, got {reprlib.repr(about)}")
    recipe = recipe_of(model)
    if more == PATHS:
        return recipe, about.get("history") is not None
    compare_names(f"notes[{more!r}]", about, ("history",))
    if not isinstance(about["history"], bool):
        raise ValueError(f"notes[{more!r}]['history'] must be true or false, got {reprlib.repr(about['history'])}")
    return recipe, about["history"]


def compare_names(where: str, given: Mapping[str, Any], wanted: Any) -> None:
    """Raise ValueError unless a dict has exactly these names."""
    for name in wanted:
        if name not in given:
            raise ValueError(f"{where} has no entry {name!r}")
    for name in given:
        if name not in wanted:
            raise ValueError(f"{where} has an unknown entry, {reprlib.repr(name)}")


def training_of(model: Sequential) -> list[tuple[str, str]]:
    """What a model's file says about its training, in words: everything that `fit` and `tinynn train` saved."""
    facts = []
    try:
        recipe = recipe_of(model)
        facts.append(("Trained with", f"sums of {recipe['digits']:,} digits, seed {reprlib.repr(recipe['seed'])}"))
    except ValueError:
        pass
    given, metrics = (entry(model.provenance, name) for name in ("recipe", "metrics"))
    samples = number(entry(entry(model.provenance, "data"), "training"), "samples")
    epochs, batch = number(given, "epochs"), number(given, "batch_size")
    if epochs and samples and batch:
        augmented = ", images changed at random" if entry(given, "augment") else ""
        facts.append(("Epochs", f"{epochs} of {samples} samples, batches of {batch}{augmented}"))
    reached = ((name, number(metrics, name)) for name in ("loss", "accuracy", "val_loss", "val_accuracy"))
    text = ", ".join(f"{name} {value}" for name, value in reached if value)
    return [*facts, ("At the end", text)] if text else facts or [("Trained with", "the file does not say")]


def entry(tree: Any, name: str) -> Any:
    """The dict under a name, or an empty one."""
    found = tree.get(name) if isinstance(tree, dict) else None
    return found if isinstance(found, dict) else {}


def number(tree: dict[str, Any], name: str) -> str:
    """The number under a name, as text; empty if there is none."""
    value = tree.get(name)
    if type(value) is int and abs(value) <= MAX_COUNT:
        return f"{value:,}"
    return f"{value:.4f}" if type(value) is float and abs(value) <= MAX_COUNT else ""
