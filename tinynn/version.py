"""The version of tinynn; model files and checkpoints name it."""

__version__ = "0.1.0"
