"""Ready-made networks: the report's, which add ten digits that they see, and the one that it wished for.

`digit_sum` builds a network, `recipe` says how to train it, `score` and `score_readings` how good it is; an `Ensemble`
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
