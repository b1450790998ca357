"""What a user composes: layers, losses, optimizers, metrics, callbacks, and the model they make.

Every module is imported here, so a new layer needs its own file and nothing else.
"""

import importlib
import pkgutil

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
