"""The core of a model: layers, parameters, plans, and their description for files."""
