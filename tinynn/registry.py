"""Finds objects by name, and describes objects by their configuration, for model files.

`lookup` returns the object with a name, or raises an error that lists the known names. `Configurable` follows
scikit-learn's rule: ``__init__`` stores its arguments in attributes of the same names, so the configuration can be read
from the object.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

import numpy as np

from tinynn.names import nearest, simplified

T = TypeVar("T")
Self = TypeVar("Self", bound="Configurable")

#: Maps "kind.ClassName" to the class. Defining a class adds it. A model file can only name these classes.
_CLASSES: dict[str, type[Configurable]] = {}


def lookup(kind: str, name: object, known: Mapping[str, T]) -> T:
    """Find an object by its name.

    ``"glorot_uniform"``, ``"GlorotUniform"`` and ``"glorot-uniform"`` are the same name.

    Parameters
    ----------
    kind : str
        The kind of object, for the error: ``"initializer"``.
    name : str
        The name.
    known : mapping of str to object
        The objects by name.

    Returns
    -------
    object
        ``known[name]``.

    Raises
    ------
    TypeError
        If `name` is not a string.
    ValueError
        If the name is unknown; lists the known names and suggests the nearest.

    Examples
    --------
    >>> lookup("activation", "ReLU", {"relu": 1, "tanh": 2})
    1
    >>> lookup("activation", "rleu", {"relu": 1, "tanh": 2})
    Traceback (most recent call last):
    ...
    ValueError: unknown activation 'rleu'; known: relu, tanh; did you mean 'relu'?
    """
    if not isinstance(name, str):
        raise TypeError(f"{kind}: expected a name (one of {', '.join(known)}){_instead_of_a_name(name, known)}")
    if name in known:
        return known[name]
    wanted = simplified(name)
    for candidate, value in known.items():
        if simplified(candidate) == wanted:
            return value
    raise ValueError(f"unknown {kind} {name!r}; known: {', '.join(known)}{nearest(name, known)}")


def _instead_of_a_name(given: object, known: Mapping[str, Any]) -> str:
    """Describe the object given instead of a name, and suggest what to pass: the end of an error message."""
    family = [cls for cls in getattr(next(iter(known.values())), "__mro__", ()) if issubclass(cls, Configurable)]
    if len(family) < 2:
        return f", got {type(given).__name__} {given!r}"
    base = family[-2]  # the base class of the kind; the last is Configurable
    objects = f" or an object of tinynn.{base._kind}"
    if isinstance(given, type):
        return f"{objects}, got the class {given.__name__}" + (
            f"; write {given.__name__}(...)" if issubclass(given, base) else "")
    if callable(given) and hasattr(base, "forward"):  # users write losses and metrics, but no optimizers
        return (f"{objects}, got the function {getattr(given, '__name__', repr(given))}; derive a class from "
                f"tinynn.{base._kind}.{base.__name__} instead")
    return f"{objects}, got {type(given).__name__} {given!r}"


def _is_own(cls: type) -> bool:
    return cls.__module__.partition(".")[0] == __name__.partition(".")[0]


def _parameters(cls: Any) -> dict[str, Any]:
    """Names and defaults of the arguments of ``cls.__init__`` (`inspect.Parameter.empty`: no default)."""
    import inspect

    if cls.__init__ is object.__init__:
        return {}
    parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise TypeError(f"{cls.__name__}: __init__ takes *{parameter.name}; name every argument, so that the "
                            "configuration can be read from them, or write get_config")
    return {parameter.name: parameter.default for parameter in parameters}


def serialize(value: Any, where: str = "value") -> Any:
    """Convert a value for JSON.

    Numbers, strings, booleans and None stay. Tuples become lists. NumPy scalars, arrays and dtypes become numbers,
    lists and names. A `Configurable` becomes ``{"class": "kind.Name", "config": {...}}``.

    Parameters
    ----------
    value : object
        The value.
    where : str
        Its name, for the error.

    Returns
    -------
    object
        Consists of dict, list, str, int, float, bool and None only.

    Raises
    ------
    TypeError
        If the value or a part of it cannot be converted (a function, for example).

    Examples
    --------
    >>> serialize({"shape": (2, np.int64(3)), "dtype": np.dtype("float32")})
    {'shape': [2, 3], 'dtype': 'float32'}
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        if isinstance(value, float) and not math.isfinite(value):
            raise TypeError(f"{where} is {value}, which JSON cannot hold; use a finite number or None")
        # np.float64 is a subclass of float; convert it to a Python float
        return value.item() if isinstance(value, np.generic) else value
    if isinstance(value, (np.generic, np.ndarray)) and value.dtype.kind in "biufU":
        return serialize(value.tolist(), where)
    if isinstance(value, np.dtype):
        return value.name
    if isinstance(value, (list, tuple)):
        return [serialize(item, f"{where}[{i}]") for i, item in enumerate(value)]
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"{where}: a model file holds dicts with string keys, got the key {key!r}")
        return {key: serialize(item, f"{where}[{key!r}]") for key, item in value.items()}
    if isinstance(value, Configurable):
        name = f"{value._kind}.{type(value).__name__}"
        if _CLASSES.get(name) is not type(value):
            raise TypeError(f"{where}: the class {type(value).__module__}.{type(value).__qualname__} shares its name "
                            "with another class, which a model file would load instead; rename it")
        return {"class": name, "config": value.get_config()}
    raise TypeError(f"{where} is {value!r} ({type(value).__name__}), which a model file cannot hold; make it a class "
                    "derived from the tinynn class of its kind, with plain arguments")


def deserialize(value: Any) -> Any:
    """Undo `serialize`: make objects from their descriptions ``{"class": ..., "config": ...}``.

    A description can only name subclasses of `Configurable` that are already defined. So reading a model file imports
    and runs no other code.

    Parameters
    ----------
    value : object
        A value that `serialize` returned.

    Returns
    -------
    object
        The value, with objects instead of descriptions. Tuples that became lists stay lists.

    Raises
    ------
    ValueError
        If a class is unknown.
    """
    if isinstance(value, list):
        return [deserialize(item) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) != {"class", "config"}:
        return {key: deserialize(item) for key, item in value.items()}
    name = value["class"]
    if name not in _CLASSES:
        raise ValueError(f"unknown class {name!r}{nearest(str(name), _CLASSES)} (a class of your own must be defined "
                         "or imported before a model that uses it is loaded)")
    return _CLASSES[name].from_config(value["config"])


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return bool(np.array_equal(a, b))
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(map(_same, a, b))
    return bool(a == b)


class Fixed:
    """Makes attributes read-only once they are set, because compiled programs contain their values."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name in vars(self):
            kind = type(self).__name__
            raise AttributeError(f"{kind}: {name} cannot be changed; replace the object with a new {kind}")
        super().__setattr__(name, value)


class Configurable:
    """Base of objects that are described by their constructor arguments.

    A subclass stores each argument of its ``__init__`` in an attribute of the same name. It may check and convert the
    argument if the converted value makes an equal object. This class adds `get_config`, `from_config`, equality by
    configuration, and a ``repr`` that shows the arguments that differ from their defaults. Objects are not hashable,
    since their attributes may change.

    The class keyword ``kind`` names the family of classes in model files; subclasses inherit it.

    Examples
    --------
    >>> class Shape(Configurable, kind="shapes"):
    ...     pass
    >>> class Box(Shape):
    ...     def __init__(self, width, height=1, inner=None):
    ...         self.width, self.height, self.inner = width, height, inner
    >>> box = Box(3, inner=Box(2))
    >>> box
    Box(width=3, inner=Box(width=2))
    >>> Box(2).get_config()
    {'width': 2, 'height': 1, 'inner': None}
    >>> box.get_config()["inner"]["class"]
    'shapes.Box'
    >>> Box.from_config(box.get_config()) == box
    True
    """

    _kind: ClassVar[str] = "objects"

    def __init_subclass__(cls, kind: str | None = None, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if kind is not None:
            cls._kind = kind
        if _is_own(cls) and cls.__name__.startswith("_"):
            return  # internal base classes do not occur in model files
        name = f"{cls._kind}.{cls.__name__}"
        # Users may redefine their classes (by running a notebook cell again), but not replace ours.
        if name not in _CLASSES or _is_own(cls) or not _is_own(_CLASSES[name]):
            _CLASSES[name] = cls

    def _arguments(self) -> dict[str, Any]:
        names = _parameters(type(self))
        missing = [name for name in names if not hasattr(self, name)]
        if missing:
            raise AttributeError(f"{type(self).__name__}: __init__ takes {missing[0]!r} but the object has no "
                                 f"attribute of that name; store it (self.{missing[0]} = {missing[0]}) or write "
                                 "get_config")
        return {name: getattr(self, name) for name in names}

    def get_config(self) -> dict[str, Any]:
        """Return the constructor arguments. `from_config` makes an equal object from them.

        Returns
        -------
        dict
            Argument name -> value, in a form that JSON can hold.

        Raises
        ------
        TypeError
            If JSON cannot hold an argument (a function, for example).
        """
        return {
            name: serialize(value, f"{type(self).__name__}.{name}")
            for name, value in self._arguments().items()
        }

    @classmethod
    def from_config(cls: type[Self], config: Mapping[str, Any]) -> Self:
        """Make an object from a configuration that `get_config` returned.

        Parameters
        ----------
        config : dict
            Argument name -> value.

        Returns
        -------
        Configurable
            The object.

        Raises
        ------
        ValueError
            If an argument is unknown.
        """
        known = _parameters(cls)
        for name in config:
            if name not in known:
                raise ValueError(f"{cls.__name__}.from_config: no argument {name!r}; known: "
                                 f"{', '.join(known) or 'none'}{nearest(name, known)}")
        return cls(**{name: deserialize(value) for name, value in config.items()})

    def __repr__(self) -> str:
        defaults = _parameters(type(self))
        shown = (f"{k}={v!r}" for k, v in self._arguments().items() if not _same(v, defaults[k]))
        return f"{type(self).__name__}({', '.join(shown)})"

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        mine, theirs = self._arguments(), other._arguments()
        return all(_same(mine[name], theirs[name]) for name in mine)

    __hash__ = None  # type: ignore[assignment]
