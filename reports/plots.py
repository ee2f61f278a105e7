"""The pictures of a card: margins, classes reached, and the curves and surfaces its claim recorded."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import groupby
from typing import TypeVar

from reports.cards import Card, readable_margin
from reports.drawing import ACCENT, INK, WARNING, WIDE, Figure, Points, Scale, Sheet, cut, number, short
from reports.history import History
from reports.pictures import picture
from reports.record import Axis, Curve, Margin, Series, Variant

__all__ = ["Figure", "figures", "growth", "picture"]

FEWEST = 5
"""Margins of a variant that make a histogram; fewer are told by the least and the greatest."""

MOST_ROWS = 16
MOST_COLUMNS = 28
MOST_POINTS = 60
"""Of a curve, and 16 along each axis of a surface: thinned out beyond."""

T = TypeVar("T")

LABEL, BARS, COUNT, ROW = 170, 224, 72, 22


def figures(card: Card) -> tuple[Figure, ...]:
    """At most three: the margins of the card's variants, the classes they reached, what the claim measured.

    A picture that would show nothing is left out. The same bytes for the same card.
    """
    made = (_margins(card), _classes(card), _curves(card))
    return tuple(figure for figure in made if figure is not None)


# --- margins -----------------------------------------------------------------------------------------


def _margins(card: Card) -> Figure | None:
    found = [(v, v.margin) for v in card.variants if v.margin and sum(v.margin.octaves.values()) >= FEWEST]
    if not found:
        return None
    rows, more = found[:MOST_ROWS], len(found) - MOST_ROWS
    powers = sorted({int(k) for _, m in rows for k in m.octaves if _is_power(k)})
    words = [w for w in ("negative", "zero") if any(w in m.octaves for _, m in rows)]
    huge = any("huge" in m.octaves for _, m in rows)
    span = powers[-1] - powers[0] + 1 if powers else 0
    step = max(math.ceil(span / MOST_COLUMNS), 1)
    first = powers[0] // step * step if powers else 0
    columns = math.ceil((powers[-1] + 1 - first) / step) if powers else 0
    wide = min(BARS / (columns + 1.5 * (len(words) + huge)), 20)
    left = LABEL + 1.5 * wide * len(words)

    def place(key: str) -> float:
        if _is_power(key):
            return left + wide * ((int(key) - first) // step)
        return left + wide * (columns + 0.5) if key == "huge" else LABEL + 1.5 * wide * words.index(key)

    sheet = Sheet(LABEL + BARS + COUNT, ROW * len(rows) + (40 if more <= 0 else 56))
    for i, (v, margin) in enumerate(rows):
        base = ROW * (i + 1)
        _row(sheet, base, v.variant, f"{sum(margin.octaves.values())}", LABEL + BARS + COUNT)
        heights: dict[float, int] = {}
        for key, count in margin.octaves.items():
            if count > 0 and (_is_power(key) or key in ("negative", "zero", "huge")):
                heights[place(key)] = heights.get(place(key), 0) + count
        bars = [
            sheet.box(x + 0.5, base, max(wide - 1, 1), -max(17 * n / max(heights.values()), 1.5))
            for x, n in heights.items()
        ]
        sheet.draw(bars, fill=WARNING if v.unexpected else ACCENT)
    end = left + wide * columns
    base = ROW * len(rows)
    axis: list[Points] = [((LABEL, base + 0.5), (max(end, LABEL + 1), base + 0.5))]
    for word in words:
        sheet.write(place(word) + wide / 2, base + 14, {"zero": "0", "negative": "<0"}[word], anchor="middle")
    if huge:
        sheet.write(place("huge") + wide / 2, base + 14, "huge", anchor="middle")
    free = left - wide * 0.75 + 8 if words else -math.inf
    for k in _ticks(first, step, columns):
        x, label = left + wide * (k - first) / step, _power(k)
        half = 3 * len(label)
        if x - half >= free:
            axis.append(((x, base), (x, base + 4)))
            sheet.write(x, base + 14, label, anchor="middle")
            free = x + half + 8
    sheet.draw(axis, stroke=INK, opacity=0.5)
    sheet.write(LABEL, base + 30, "distance from the boundary of the verdict", faint=True)
    if more > 0:
        sheet.write(LABEL, base + 46, f"and {more} more variants", faint=True)
    return sheet.figure(f"Margins of {card.claim}", _sentences(_of_margin(v, m) for v, m in found))


def _is_power(key: str) -> bool:
    return key.lstrip("-").isdecimal() and len(key) <= 5


def _ticks(first: int, step: int, columns: int) -> list[int]:
    """Edges of columns to be labelled: the ends, 1 if it is among them, and some between."""
    edges = [first + step * i for i in range(columns + 1)] if columns else []
    stride = max(math.ceil(len(edges) / 4), 1)
    zero = edges.index(0) if 0 in edges else 0
    return [k for i, k in enumerate(edges) if (i - zero) % stride == 0]


def _power(k: int) -> str:
    """2^k for an axis: exactly where that is short, otherwise the nearest power of ten."""
    if -7 < k < 11:
        return str(2**k) if k >= 0 else f"1/{2**-k}"
    return "10" + str(round(k * math.log10(2))).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def _of_margin(variant: Variant, margin: Margin) -> str:
    count = sum(margin.octaves.values())
    least, greatest = readable_margin(margin.least), readable_margin(margin.greatest)
    return f"{variant.variant}: {count} margins from {least} to {greatest}"


# --- classes -----------------------------------------------------------------------------------------


def _classes(card: Card) -> Figure | None:
    found = [(v, name, count) for v in card.variants for name, count in v.classes.items()]
    if not found:
        return None
    rows, more = found[:MOST_ROWS], len(found) - MOST_ROWS
    several = len({v.variant for v, _, _ in found}) > 1
    heads = sum(1 for _ in groupby(rows, key=lambda r: r[0].variant)) if several else 0
    sheet = Sheet(LABEL + BARS + COUNT, 18 * (len(rows) + heads + (more > 0)) + 6)
    y = 0
    grid: list[Points] = []
    bars: list[Points] = []
    for name, of_variant in groupby(rows, key=lambda r: r[0].variant):
        if several:
            y += 18
            sheet.write(0, y - 5, cut(name, LABEL + BARS + COUNT), faint=True)
        for variant, name, count in of_variant:
            y += 18
            share = min(max(count / variant.effective, 0.0), 1.0) if variant.effective > 0 else 0.0
            _row(sheet, y, name, f"{count} of {variant.effective}", LABEL + BARS + COUNT)
            grid.append(((LABEL, y - 4), (LABEL + BARS - 8, y - 4)))
            if count > 0:
                bars.append(sheet.box(LABEL, y - 10, max(share * (BARS - 8), 1.5), 9))
            else:
                sheet.write(LABEL, y - 6, "never reached", colour=WARNING)
    if more > 0:
        sheet.write(0, y + 13, f"and {more} more", faint=True)
    sheet.draw(grid, stroke=INK, opacity=0.25)
    sheet.draw(bars, fill=ACCENT)
    said = (f"{v.variant}, {name}: {n} of {v.effective} instances" for v, name, n in found)
    return sheet.figure(f"Classes of instances reached by {card.claim}", _sentences(said))


def _row(sheet: Sheet, base: float, name: str, count: str, width: float) -> None:
    sheet.write(LABEL - 8, base - 4, cut(name, LABEL - 8), anchor="end")
    sheet.write(width, base - 4, cut(count, COUNT), anchor="end", faint=True)


# --- curves and surfaces -----------------------------------------------------------------------------

PANEL, TALL, GAP = 256, 150, 14


def growth(history: History) -> Figure | None:
    """How the cost grew: seconds and instances of each paper over the runs of a folder, oldest first.

    None for fewer than two runs.
    """
    if len(history.runs) < 2:
        return None
    axis = Axis(name="run", values=tuple(str(n) for n in range(1, len(history.runs) + 1)))
    found = []
    for paper in dict.fromkeys(trend.paper for trend in history.trends):
        outcomes = [o for trend in history.trends if trend.paper == paper for o in trend.outcomes]
        of_runs = [[o for o in outcomes if o.run == run] for run in history.runs]
        for name, sums in (
            ("seconds", [sum(o.seconds for o in of_run) for of_run in of_runs]),
            ("instances", [sum(o.effective for o in of_run) for of_run in of_runs]),
        ):
            values = (f"{n:.9g}" if o else None for n, o in zip(sums, of_runs, strict=True))
            series = (Series(name=name, values=tuple(values)),)
            curve = Curve(title=f"{paper}: {name}", axes=(axis,), measured="", series=series)
            found.append((paper, curve))
    return _panels(found, f"Cost over {len(history.runs)} runs", most=18)


def _curves(card: Card) -> Figure | None:
    found = [(v.variant, curve) for v in card.variants for curve in v.curves]
    return _panels(found, f"What {card.claim} measured", most=9)


def _panels(found: Iterable[tuple[str, Curve]], title: str, *, most: int) -> Figure | None:
    """Small multiples, at most so many: one of a curve, one a series of a surface."""
    panels: list[tuple[str, Curve, Series | None]] = []
    for name, curve in found:
        if len(curve.axes) == 1 and _lines(curve):
            panels.append((name, curve, None))
        elif len(curve.axes) == 2:
            panels += [(name, curve, s) for s in curve.series if _cells(curve, s)]
    if not panels:
        return None
    shown = panels[:most]
    across = min(len(shown), 3)
    sheet = Sheet(across * (PANEL + GAP) - GAP, math.ceil(len(shown) / across) * (TALL + GAP))
    for i, (name, curve, series) in enumerate(shown):
        x, y = i % across * (PANEL + GAP), i // across * (TALL + GAP)
        sheet.write(x, y + 11, cut(curve.title if series is None else f"{curve.title}: {series.name}", PANEL))
        sheet.write(x, y + 23, cut(name, PANEL), faint=True)
        if series is None:
            _curve(sheet, x, y, curve)
        else:
            _surface(sheet, x, y, curve, series)
    said = dict.fromkeys(
        f"{c.title} ({name}): {c.measured or 'its values'} over {' and '.join(a.name for a in c.axes)}, "
        + ", ".join(s.name for s in c.series)
        for name, c, _ in panels
    )
    return sheet.figure(title, _sentences(said))


Line = list[tuple[float, float, float, float]]


def _lines(curve: Curve) -> dict[str, Line]:
    """For every series its (x, value, low, high), without what cannot be drawn; empty ones left out."""
    axis = curve.axes[0]
    found: dict[str, Line] = {}
    for s in curve.series:
        low, high = (t if len(t) == len(s.values) else s.values for t in (s.low, s.high))
        points: Line = []
        for x, v, a, b in zip(map(number, axis.values), s.values, low, high, strict=False):
            y = number(v)
            if x is None or y is None or (axis.logarithmic and x <= 0) or (curve.logarithmic and y <= 0):
                continue
            ends = [
                e if e is not None and not (curve.logarithmic and e <= 0) else y for e in map(number, (a, b))
            ]
            points.append((x, y, min(ends[0], y), max(ends[1], y)))
        if points:
            found[s.name] = _thinned(sorted(points), MOST_POINTS)
    return found


def _curve(sheet: Sheet, left: float, top: float, curve: Curve) -> None:
    lines = _lines(curve)
    every = [p for line in lines.values() for p in line]
    across = Scale(
        min(p[0] for p in every),
        max(p[0] for p in every),
        left + 52,
        left + PANEL - 84,
        curve.axes[0].logarithmic,
    )
    up = Scale(
        min(p[2] for p in every), max(p[3] for p in every), top + TALL - 30, top + 38, curve.logarithmic
    )
    _frame(sheet, across, up, curve.axes[0].name, curve.measured)
    taken: list[float] = []
    for i, (name, line) in enumerate(lines.items()):
        colour, dashes = (ACCENT, INK, WARNING)[i % 3], (None, (4.0, 2.0), (1.0, 2.0))[i // 3 % 3]
        band = [(across(x), up(high)) for x, _, _, high in line] + [
            (across(x), up(low)) for x, _, low, _ in line[::-1]
        ]
        if any(low < high for _, _, low, high in line):
            sheet.draw([band], fill=colour, opacity=0.2)
        points = [(across(x), up(y)) for x, y, _, _ in line]
        sheet.draw([points], stroke=colour, width=1.5, dashes=dashes)
        sheet.draw([_diamond(*p, 2.5) for p in points] if len(points) <= 20 else [], fill=colour)
        y = points[-1][1] + 4
        while any(abs(y - t) < 11 for t in taken):
            y += 11
        taken.append(y)
        sheet.write(across.end + 5, y, cut(name, 79), colour=colour)


def _surface(sheet: Sheet, left: float, top: float, curve: Curve, series: Series) -> None:
    cells = _cells(curve, series)
    rows, columns = sorted({r for r, _ in cells}), sorted({c for _, c in cells})
    wide, tall = (PANEL - 90) / len(columns), (TALL - 68) / len(rows)
    x, y = left + 44, top + 38
    least, greatest = min(cells.values()), max(cells.values())
    shade = Scale(least, greatest, 0, 5, curve.logarithmic)
    levels: dict[int, list[Points]] = {}
    for i, r in enumerate(reversed(rows)):
        of_row = [round(shade(cells[r, c])) if (r, c) in cells else None for c in columns]
        for level, run in groupby(range(len(columns)), key=lambda j: of_row[j]):
            if level is not None:
                place = list(run)
                box = sheet.box(x + wide * place[0], y + tall * i, wide * len(place), tall)
                levels.setdefault(level, []).append(box)
    for level in sorted(levels):
        sheet.draw(levels[level], fill=ACCENT, opacity=round(0.15 + 0.17 * level, 2))
    first, second = curve.axes
    for name, at in ((second.values[columns[0]], x), (second.values[columns[-1]], x + wide * len(columns))):
        sheet.write(at, top + TALL - 17, cut(name, 40), anchor="start" if at == x else "end", faint=True)
    for name, at in ((first.values[rows[0]], y + tall * len(rows)), (first.values[rows[-1]], y + 9)):
        sheet.write(x - 4, at, cut(name, 40), anchor="end", faint=True)
    sheet.write(x, top + TALL - 4, cut(f"{first.name} up, {second.name} across", PANEL - 44), faint=True)
    for level, value, at in ((5, greatest, y), (0, least, y + 18)):
        sheet.draw(
            [sheet.box(left + PANEL - 42, at, 9, 9)], fill=ACCENT, opacity=round(0.15 + 0.17 * level, 2)
        )
        sheet.write(left + PANEL - 30, at + 9, short(value))


def _cells(curve: Curve, series: Series) -> dict[tuple[int, int], float]:
    """The values by (place on the first axis, place on the second); thinned out where there are many."""
    n, m = (len(a.values) for a in curve.axes)
    keep = [set(_thinned(list(range(k)), 16)) for k in (n, m)]
    found = {}
    for i, text in enumerate(series.values[: n * m]):
        value, (r, c) = number(text), divmod(i, m)
        if value is not None and r in keep[0] and c in keep[1] and not (curve.logarithmic and value <= 0):
            found[r, c] = value
    return found


def _frame(sheet: Sheet, across: Scale, up: Scale, below: str, beside: str) -> None:
    corner = ((across.start - 6, up.end), (across.start - 6, up.start + 6), (across.end, up.start + 6))
    sheet.draw([corner], stroke=INK, opacity=0.5)
    ends = (
        [(across.low, "start"), (across.high, "end")]
        if across.high > across.low
        else [(across.low, "middle")]
    )
    for x, anchor in ends:
        sheet.write(across(x), up.start + 18, short(x), anchor=anchor, faint=True)  # type: ignore[arg-type]
    for y in dict.fromkeys((up.low, up.high)):
        sheet.write(across.start - 9, up(y) + 4, short(y), anchor="end", faint=True)
    sheet.write((across.start + across.end) / 2, up.start + 29, cut(below, 120), anchor="middle", faint=True)
    if beside:
        sheet.write(across.start - 2, up.end - 3, cut(beside, 120), faint=True)


def _diamond(x: float, y: float, r: float) -> Points:
    return ((x - r, y), (x, y - r), (x + r, y), (x, y + r))


def _thinned(found: list[T], most: int) -> list[T]:
    """At most so many, evenly, with the first and the last."""
    if len(found) <= most:
        return found
    return [found[round(i * (len(found) - 1) / (most - 1))] for i in range(most)]


def _sentences(said: Iterable[str]) -> str:
    """One sentence each, up to a length that can be listened to."""
    kept: list[str] = []
    every = list(said)
    for sentence in every:
        if sum(map(len, kept)) + len(sentence) > 600 and kept:
            kept.append(f"and {len(every) - len(kept)} more")
            break
        kept.append(cut(sentence, WIDE * 300))
    return ". ".join(kept) + "."
