"""What a claim measures besides its verdict: points over named axes, gathered to curves and surfaces.

A claim calls ``record_point`` while it decides an instance; the trial gathers the points of all instances
that count, and the record keeps for each place on the axes the median and the spread::

    record_point("loss against width", at={"width": w}, measured="loss", of={"trained": L, "bound": B})

Points recorded outside a trial, of vacuous instances, and while a counterexample is being shrunk are dropped.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from fractions import Fraction
from statistics import median
from typing import Any

from flint import arb, fmpq, fmpz

from reports.record import Axis, Curve, Series

__all__ = ["Sheet", "as_float", "collecting", "record_point"]

Number = int | float | Fraction | fmpq | arb


@dataclass(frozen=True)
class _Point:
    title: str
    measured: str
    names: tuple[str, ...]
    at: tuple[Fraction, ...]
    of: Mapping[str, float]
    logarithmic: tuple[str, ...]


def record_point(
    title: str,
    *,
    at: Mapping[str, Number],
    measured: str,
    of: Mapping[str, Number],
    logarithmic: tuple[str, ...] = (),
) -> None:
    """Put one point on the curve (one axis) or the surface (two axes) called ``title`` of this variant.

    ``at`` is the place, exactly, by the names of the axes; ``of`` the values found there, by the names of the
    series, all in the units that ``measured`` names; ``logarithmic`` the axes (or ``measured``) to be drawn
    so. Values are kept as float64; one that is NaN or infinite is left out. Raises ``ValueError`` for
    other than one or two axes and for a title that has other axes already.
    """
    if (sheet := _SHEET.get()) is None:
        return
    if len(at) not in (1, 2):
        raise ValueError(f"{title!r} has {len(at)} axes: a curve has one, a surface two")
    place = tuple(_exact(x) for x in at.values())
    found = {name: number for name, value in of.items() if math.isfinite(number := as_float(value))}
    sheet.add(_Point(title, measured, tuple(at), place, found, logarithmic))


@dataclass
class Sheet:
    """The points of one trial: those of the case at hand, and those of the cases that count."""

    at_hand: list[_Point] = field(default_factory=list)
    kept: list[_Point] = field(default_factory=list)
    axes: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def add(self, point: _Point) -> None:
        """Note a point of the case at hand."""
        if (known := self.axes.setdefault(point.title, point.names)) != point.names:
            raise ValueError(f"{point.title!r} is over {', '.join(known)}, not {', '.join(point.names)}")
        self.at_hand.append(point)

    def keep(self) -> None:
        """The case at hand counts."""
        self.kept += self.at_hand
        self.at_hand.clear()

    @property
    def curves(self) -> tuple[Curve, ...]:
        """One curve or surface a title: medians, with least and greatest where a place has several values."""
        titles = dict.fromkeys(p.title for p in self.kept)
        return tuple(_curve([p for p in self.kept if p.title == title]) for title in titles)


_SHEET: ContextVar[Sheet | None] = ContextVar("verify_sheet", default=None)


@contextlib.contextmanager
def collecting(sheet: Sheet) -> Iterator[None]:
    """What ``record_point`` notes until the end of the ``with`` goes on ``sheet``."""
    token = _SHEET.set(sheet)
    try:
        yield
    finally:
        _SHEET.reset(token)


def _curve(points: list[_Point]) -> Curve:
    first = points[0]
    grid = [sorted({p.at[i] for p in points}) for i in range(len(first.names))]
    places = [(x,) for x in grid[0]] if len(grid) == 1 else [(x, y) for x in grid[0] for y in grid[1]]
    values: dict[str, dict[tuple[Fraction, ...], list[float]]] = {}
    for p in points:
        for name, value in p.of.items():
            values.setdefault(name, {}).setdefault(p.at, []).append(value)
    return Curve(
        title=first.title,
        axes=tuple(
            Axis(name=n, values=tuple(map(str, g)), logarithmic=n in first.logarithmic)
            for n, g in zip(first.names, grid, strict=True)
        ),
        measured=first.measured,
        logarithmic=first.measured in first.logarithmic,
        series=tuple(_series(name, [of.get(place, []) for place in places]) for name, of in values.items()),
    )


def _series(name: str, found: list[list[float]]) -> Series:
    def each(of: Callable[[list[float]], float]) -> tuple[str | None, ...]:
        return tuple(f"{of(v):.9g}" if v else None for v in found)

    if all(len(set(v)) <= 1 for v in found):
        return Series(name=name, values=each(min))
    return Series(name=name, values=each(median), low=each(min), high=each(max))


def _exact(value: Number) -> Fraction:
    if isinstance(value, arb):
        raise TypeError(f"{value!r} is a ball: a place on an axis is an exact number")
    return Fraction(str(value)) if isinstance(value, (fmpq, fmpz)) else Fraction(value)


def as_float(number: Any) -> float:
    """For comparing, steering and drawing: rounded, infinite where it is too large."""
    if isinstance(number, arb):
        return float(number.mid())
    try:
        return int(number.p) / int(number.q) if hasattr(number, "q") else float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf
