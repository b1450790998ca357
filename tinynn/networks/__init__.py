"""Ready-made networks: the report's, which add ten digits that they see, and the one that it wished for.

`digit_sum` builds a network, `recipe` says how to train it.
"""

from tinynn.networks.digit_sums import CELLS, NAMES, READER, digit_sum
from tinynn.networks.recipes import Recipe, recipe

__all__ = ["CELLS", "NAMES", "READER", "Recipe", "digit_sum", "recipe"]
