"""Penalties on the size of weights."""

from tinynn.model.regularizers import *  # noqa: F403
from tinynn.model.regularizers import __all__  # noqa: F401
