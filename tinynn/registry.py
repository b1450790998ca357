"""Names and configurations: how a string finds an object, and how an object describes itself in a model file.

Both are small on purpose. `lookup` turns a name into what it stands for, or into an error that says which
names exist. `Configurable` follows scikit-learn's rule: the arguments of ``__init__`` are stored under their
own names, so the configuration can be read off the object and no class has to write it down a second time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

import numpy as np

from tinynn.checks import nearest, simplified

T = TypeVar("T")
Self = TypeVar("Self", bound="Configurable")

#: "kind.ClassName" -> class, filled as classes are defined; the only classes a model file can name.
_CLASSES: dict[str, type[Configurable]] = {}


def lookup(kind: str, name: object, known: Mapping[str, T]) -> T:
    """Find what a name stands for.

    ``"glorot_uniform"``, ``"GlorotUniform"`` and ``"glorot-uniform"`` are the same name.

    Parameters
    ----------
    kind : str
        What is being looked up, for the error: ``"initializer"``.
    name : str
        The name.
    known : mapping of str to object
        The names there are.

    Returns
    -------
    object
        ``known[name]``.

    Raises
    ------
    TypeError
        If `name` is not a string.
    ValueError
        If nothing has that name; lists the known names and the nearest of them.

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
    """What was given instead of the name of a class or function, and what to do; the end of an error message."""
    family = [cls for cls in getattr(next(iter(known.values())), "__mro__", ()) if issubclass(cls, Configurable)]
    if len(family) < 2:
        return f", got {type(given).__name__} {given!r}"
    base = family[-2]  # from which all that can be named derive
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
            raise TypeError(
                f"{cls.__name__}: __init__ takes *{parameter.name}; name every argument, so that the "
                "configuration can be read from them, or write get_config"
            )
    return {parameter.name: parameter.default for parameter in parameters}


def serialize(value: Any, where: str = "value") -> Any:
    """Turn a value into one that JSON can hold.

    Numbers, strings, booleans and None stay, tuples become lists, NumPy scalars, arrays and dtypes become
    numbers, lists and names, a `Configurable` becomes ``{"class": "kind.Name", "config": {...}}``.

    Parameters
    ----------
    value : object
        What to turn.
    where : str
        Its place, for the error.

    Returns
    -------
    object
        Only dict, list, str, int, float, bool and None.

    Raises
    ------
    TypeError
        If the value, or something in it, has no such form (a function, for example).

    Examples
    --------
    >>> serialize({"shape": (2, np.int64(3)), "dtype": np.dtype("float32")})
    {'shape': [2, 3], 'dtype': 'float32'}
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        if isinstance(value, float) and not math.isfinite(value):
            raise TypeError(f"{where} is {value}, which JSON cannot hold; use a finite number or None")
        # a NumPy float64 is a float to isinstance; it leaves here as Python's own
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
            raise TypeError(
                f"{where}: the class {type(value).__module__}.{type(value).__qualname__} shares its name "
                f"with another class, which a model file would load instead; rename it"
            )
        return {"class": name, "config": value.get_config()}
    raise TypeError(
        f"{where} is {value!r} ({type(value).__name__}), which a model file cannot hold; "
        "make it a class derived from the tinynn class of its kind, with plain arguments"
    )


def deserialize(value: Any) -> Any:
    """Undo `serialize`: make the objects that ``{"class": ..., "config": ...}`` stand for.

    Only classes derived from `Configurable`, and defined by now, can be named: reading a model file runs no
    code that is not already there.

    Parameters
    ----------
    value : object
        What `serialize` returned.

    Returns
    -------
    object
        The value, with objects in place of their descriptions (lists stay lists).

    Raises
    ------
    ValueError
        If no class has that name.
    """
    if isinstance(value, list):
        return [deserialize(item) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) != {"class", "config"}:
        return {key: deserialize(item) for key, item in value.items()}
    name = value["class"]
    if name not in _CLASSES:
        raise ValueError(
            f"unknown class {name!r}{nearest(str(name), _CLASSES)} "
            "(a class of your own must be defined or imported before a model that uses it is loaded)"
        )
    return _CLASSES[name].from_config(value["config"])


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return bool(np.array_equal(a, b))
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(map(_same, a, b))
    return bool(a == b)


class Fixed:
    """An object whose attributes, once set, stay: what was computed from them would go on as if nothing had changed."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name in vars(self):
            kind = type(self).__name__
            raise AttributeError(f"{kind}: {name} cannot be changed; make a new {kind} and put it in this one's place")
        super().__setattr__(name, value)


class Configurable:
    """An object that is described by the arguments it was made with.

    A subclass stores each argument of its ``__init__`` in an attribute of the same name (it may check it and
    bring it to one form, so long as the stored form makes an equal object). It then has `get_config`,
    `from_config`, a ``repr`` that shows what differs from the defaults, and equality by configuration. It is
    not hashable, since its attributes may change.

    The class keyword ``kind`` names the family in model files; subclasses inherit it.

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
            return  # what several classes share is no class for a model file
        name = f"{cls._kind}.{cls.__name__}"
        # A user's class may be redefined at will (a notebook cell run again), but does not take over one of
        # ours.
        if name not in _CLASSES or _is_own(cls) or not _is_own(_CLASSES[name]):
            _CLASSES[name] = cls

    def _arguments(self) -> dict[str, Any]:
        names = _parameters(type(self))
        missing = [name for name in names if not hasattr(self, name)]
        if missing:
            raise AttributeError(
                f"{type(self).__name__}: __init__ takes {missing[0]!r} but the object has no attribute of "
                f"that name; store it (self.{missing[0]} = {missing[0]}) or write get_config"
            )
        return {name: getattr(self, name) for name in names}

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal object.

        Returns
        -------
        dict
            Argument name -> value; only what JSON can hold.

        Raises
        ------
        TypeError
            If an argument cannot be written in JSON (a function).
        """
        return {
            name: serialize(value, f"{type(self).__name__}.{name}")
            for name, value in self._arguments().items()
        }

    @classmethod
    def from_config(cls: type[Self], config: Mapping[str, Any]) -> Self:
        """Make an object from what `get_config` returned.

        Parameters
        ----------
        config : dict
            Argument name -> value.

        Returns
        -------
        Configurable
            An object equal to the one described.

        Raises
        ------
        ValueError
            If the class takes no argument of that name.
        """
        known = _parameters(cls)
        for name in config:
            if name not in known:
                raise ValueError(
                    f"{cls.__name__}.from_config: no argument {name!r}; "
                    f"known: {', '.join(known) or 'none'}{nearest(name, known)}"
                )
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
