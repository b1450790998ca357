"""Initializers of parameters."""

from tinynn.model.initializers import *  # noqa: F403
from tinynn.model.initializers import __all__  # noqa: F401
