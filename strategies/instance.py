"""What an instance is: a frozen, exact value, equal by value, that goes to JSON and back."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import Field, dataclass, fields
from typing import Any, TypeVar, dataclass_transform

from flint import fmpq, fmpq_mat

from strategies.losses import LOSSES, Loss
from strategies.matrices import matrix
from strategies.numbers import exact

__all__ = ["CannotBeRead", "from_json", "instance", "to_json"]

T = TypeVar("T")


class CannotBeRead(ValueError):
    """A JSON text does not describe an instance that this version knows."""


@dataclass_transform(frozen_default=True, kw_only_default=True)
def instance(cls: type[T]) -> type[T]:
    """Make ``cls`` an instance: a keyword-only frozen dataclass that hashes, prints and serialises exactly.

    Fields hold ``fmpq``, ``fmpq_mat``, ints, strings, None, losses, tuples of these and other instances.
    Construction raises ``TypeError`` for a field declared a matrix, number, int, string or loss (or None, or
    a tuple of these) that holds anything else, before the class' own ``__post_init__`` runs.
    """
    check = getattr(cls, "__post_init__", None)
    wanted: list[tuple[str, str, bool, bool]] = []

    def post_init(self: Any) -> None:
        for name, kind, may_be_none, is_tuple in wanted:
            value = getattr(self, name)
            if value is None and may_be_none:
                continue
            if is_tuple and not isinstance(value, tuple):
                raise TypeError(f"{cls.__name__}.{name} is {_shown(value)}, not a tuple of {kind}")
            for part in value if is_tuple else (value,):
                if not _is_a(kind, part):
                    raise TypeError(f"{cls.__name__}.{name} is {_shown(part)}: {_WAY_OUT[kind]}")
        if check is not None:
            check(self)

    made: Any = cls
    made.__post_init__ = post_init
    made = dataclass(frozen=True, kw_only=True, repr=False)(cls)
    wanted += [(f.name, *found) for f in fields(made) if (found := _declared(f))]
    made.__hash__ = lambda self: hash(tuple(_key(getattr(self, f.name)) for f in fields(self)))
    made.__repr__ = _text
    made.to_json = to_json
    made.__is_instance__ = True
    return made  # type: ignore[no-any-return]


_WAY_OUT = {
    "fmpq_mat": "make it exact with matrix(...) (a whole network: resnet(...))",
    "fmpq": "make it exact with exact(...)",
    "int": "an int is needed",
    "str": "a string is needed",
    "Loss": "a loss is needed, such as strategies.losses.squared",
}


def _is_a(kind: str, value: object) -> bool:
    if kind == "Loss":
        return hasattr(value, "values_array")
    types: dict[str, type] = {"fmpq_mat": fmpq_mat, "fmpq": fmpq, "int": int, "str": str}
    return isinstance(value, types[kind]) and not isinstance(value, bool)


def _declared(f: Field[Any]) -> tuple[str, bool, bool] | None:
    """(kind, may be None, is a tuple) if the annotation says just that, else None: not checked."""
    annotation = f.type.__name__ if isinstance(f.type, type) else str(f.type)
    names = {*re.findall(r"\w+(?![\w.]*\w)", annotation)}
    kinds = names - {"None", "tuple"}
    kind = kinds.pop() if len(kinds) == 1 else ""
    return (kind, "None" in names, "tuple" in names) if kind in _WAY_OUT else None


def _shown(value: object) -> str:
    text = " ".join(repr(value).split())
    return f"{text if len(text) < 80 else text[:77] + '...'} ({type(value).__name__})"


def _key(value: Any) -> Any:
    """Hashable, and equal where ``value`` is equal."""
    if isinstance(value, fmpq_mat):
        return value.nrows(), value.ncols(), tuple(value.entries())
    return tuple(_key(v) for v in value) if isinstance(value, tuple) else value


def _text(self: Any) -> str:
    shown = ", ".join(f"{f.name}={_short(getattr(self, f.name))}" for f in fields(self))
    return f"{type(self).__name__}({shown})"


def _short(value: Any) -> str:
    if isinstance(value, fmpq_mat):
        return "[" + "; ".join(", ".join(str(e) for e in row) for row in value.table()) + "]"
    if isinstance(value, tuple):
        return "(" + ", ".join(_short(v) for v in value) + ")"
    return getattr(value, "name", None) or str(value)


def to_json(value: Any) -> Any:
    """``value`` as JSON: exact numbers as strings, matrices as lists of rows, instances tagged by type.

    A matrix without rows is {"rows": [], "cols": n}. Raises ``TypeError`` for what no instance may hold.
    """
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, fmpq):
        return str(value)
    if isinstance(value, fmpq_mat):
        table = [[str(e) for e in row] for row in value.table()]
        return table or {"rows": table, "cols": value.ncols()}
    if isinstance(value, tuple):
        return {"tuple": [to_json(v) for v in value]}
    if hasattr(type(value), "__is_instance__"):
        tag = f"{type(value).__module__}:{type(value).__qualname__}"
        return {"type": tag, **{f.name: to_json(getattr(value, f.name)) for f in fields(value)}}
    if hasattr(value, "values_array"):
        return {"loss": value.name}
    raise TypeError(
        f"{_shown(value)} cannot be a part of an instance: make it exact with matrix(...) or exact(...)"
    )


def from_json(data: Any, losses: Mapping[str, Loss] = LOSSES) -> Any:
    """The value that ``to_json`` wrote. Only classes already imported are used, nothing is executed.

    ``losses`` holds the losses by name; add your own to it. Raises ``CannotBeRead`` for an unknown type or
    loss, missing or unknown fields, and malformed numbers.
    """
    try:
        return _read(data, losses)
    except CannotBeRead:
        raise
    except (TypeError, ValueError, KeyError, AttributeError, RecursionError) as error:
        raise CannotBeRead(f"not an instance: {error}") from None


def _read(data: Any, losses: Mapping[str, Loss]) -> Any:
    if isinstance(data, list):
        return matrix(data)
    if not isinstance(data, dict):
        return data
    if data.keys() == {"rows", "cols"}:
        return matrix(data["rows"], data["cols"])
    if data.keys() == {"tuple"} and isinstance(data["tuple"], list):
        return tuple(_read(v, losses) for v in data["tuple"])
    if data.keys() == {"loss"}:
        if data["loss"] not in losses:
            raise CannotBeRead(f"unknown loss {data['loss']!r}; known: {', '.join(sorted(losses))}")
        return losses[data["loss"]]
    if not isinstance(data.get("type"), str):
        raise CannotBeRead(f"neither an instance nor a loss nor a tuple: an object with keys {sorted(data)}")
    cls = _find_class(data["type"])
    kinds = {f.name: _declared(f) for f in fields(cls)}
    given = {k: v for k, v in data.items() if k != "type"}
    if unknown := given.keys() - kinds.keys():
        raise CannotBeRead(f"{cls.__name__} has no field {', '.join(sorted(unknown))}")
    values = {k: _read(v, losses) for k, v in given.items()}
    return cls(**{k: _numbers(v) if (kinds[k] or "")[:1] == ("fmpq",) else v for k, v in values.items()})


def _find_class(tag: str) -> Any:
    """The instance class that ``tag`` names. Looks into dictionaries only: no import, no ``__getattr__``."""
    module, _, name = tag.partition(":")
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, "__dict__", {}).get(part)
    if not (isinstance(found, type) and "__is_instance__" in vars(found)):
        raise CannotBeRead(f"unknown instance type {tag!r}: import the module that defines it first")
    return found


def _numbers(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_numbers(v) for v in value)
    return value if value is None else exact(value)
