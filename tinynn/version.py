"""The version of tinynn. Checkpoints record it."""

__version__ = "0.1.0"
