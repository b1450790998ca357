"""Ready-made networks that add the digits on images: those of the 2018 report, and better ones.

`digit_sum` builds a network, `recipe` returns how to train it, `score` and `score_readings` test it; an `Ensemble`
averages several.
"""

from tinynn.networks.digit_sums import CELLS, NAMES, READER, digit_sum, reads_digits
from tinynn.networks.evaluation import (
    Ensemble,
    SumScore,
    distribution,
    expected_exact,
    names_digits,
    score,
    score_readings,
)
from tinynn.networks.recipes import HANDWRITING, Plateau, Recipe, recipe, sums_of_random_digits

__all__ = [
    "CELLS",
    "HANDWRITING",
    "NAMES",
    "READER",
    "Ensemble",
    "Plateau",
    "Recipe",
    "SumScore",
    "digit_sum",
    "distribution",
    "expected_exact",
    "names_digits",
    "reads_digits",
    "recipe",
    "score",
    "score_readings",
    "sums_of_random_digits",
]
