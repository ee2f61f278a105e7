"""What an instance is: a frozen, exact value, equal by value, that goes to JSON and back."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
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
    """
    made: Any = dataclass(frozen=True, kw_only=True, repr=False)(cls)
    made.__hash__ = lambda self: hash(repr(to_json(self)))
    made.__repr__ = _text
    made.to_json = to_json
    made.__is_instance__ = True
    return made  # type: ignore[no-any-return]


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
    """``value`` as JSON: exact numbers as strings, matrices as lists of rows, instances tagged with their type."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, fmpq):
        return str(value)
    if isinstance(value, fmpq_mat):
        return [[str(e) for e in row] for row in value.table()]
    if isinstance(value, tuple):
        return {"tuple": [to_json(v) for v in value]}
    if hasattr(type(value), "__is_instance__"):
        tag = f"{type(value).__module__}:{type(value).__qualname__}"
        return {"type": tag, **{f.name: to_json(getattr(value, f.name)) for f in fields(value)}}
    if hasattr(value, "values_array"):
        return {"loss": value.name}
    raise TypeError(f"{value!r} ({type(value).__name__}) cannot be a part of an instance")


def from_json(data: Any, losses: Mapping[str, Loss] = LOSSES) -> Any:
    """The value that ``to_json`` wrote. Only classes already imported are used, nothing is executed.

    Raises ``CannotBeRead`` for an unknown type or loss, missing or unknown fields, and malformed numbers.
    """
    try:
        return _read(data, losses)
    except CannotBeRead:
        raise
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise CannotBeRead(f"not an instance: {error}") from None


def _read(data: Any, losses: Mapping[str, Loss]) -> Any:
    if isinstance(data, list):
        return matrix(data)
    if not isinstance(data, dict):
        return data
    if "tuple" in data:
        return tuple(_read(v, losses) for v in data["tuple"])
    if "type" not in data:
        if data["loss"] not in losses:
            raise CannotBeRead(f"unknown loss {data['loss']!r}; known: {', '.join(sorted(losses))}")
        return losses[data["loss"]]
    module, _, name = data["type"].partition(":")
    cls = getattr(sys.modules.get(module), name, None)
    if not (isinstance(cls, type) and is_dataclass(cls) and hasattr(cls, "__is_instance__")):
        raise CannotBeRead(f"unknown instance type {data['type']!r}")
    names = {f.name: f.type for f in fields(cls)}
    given = {k: v for k, v in data.items() if k != "type"}
    if unknown := given.keys() - names.keys():
        raise CannotBeRead(f"{name} has no field {', '.join(sorted(unknown))}")
    values = {k: _read(v, losses) for k, v in given.items()}
    is_number = {k for k, t in names.items() if t is fmpq or re.search(r"\bfmpq\b", str(t))}
    return cls(**{k: exact(v) if k in is_number and isinstance(v, str) else v for k, v in values.items()})
