"""Linear programs over the rationals, decided exactly, with certificates checked before they are given.

The programs are small (up to some sixty variables). The method is the simplex method on a dictionary of
``fmpq`` with bounds on every variable and on every row: for feasibility as in Dutertre & de Moura (CAV 2006),
for the optimum the primal method. Smallest indices (Bland 1977) decide wherever it could cycle, so that both
always end. No float is involved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flint import fmpq, fmpq_mat

__all__ = [
    "Feasible",
    "Infeasible",
    "NotSeparable",
    "Optimum",
    "Separator",
    "Unbounded",
    "dual_bound",
    "find_feasible",
    "minimise_linear",
    "separate",
]

Bounds = Sequence[fmpq | None]
"""One bound a variable; None stands for none."""

_ZERO = fmpq(0)


@dataclass(frozen=True)
class Feasible:
    """A point that satisfies every constraint exactly."""

    point: list[fmpq]


@dataclass(frozen=True)
class Infeasible:
    """No point satisfies the constraints: ``dual_bound`` of the objective 0 at ``multiplier`` is positive."""

    multiplier: list[fmpq]
    """y, one entry a row, with sup {yᵀa x : lower <= x <= upper} < yᵀb (Farkas)."""


@dataclass(frozen=True)
class Optimum:
    """The least value, a point that attains it, and a dual solution that proves that none is lower."""

    value: fmpq
    point: list[fmpq]
    dual: list[fmpq]
    """y, one entry a row, with ``dual_bound(c, a, b, lower, upper, dual)`` = ``value``."""


@dataclass(frozen=True)
class Unbounded:
    """The objective falls without end: ``point`` + t ``ray`` is feasible for all t >= 0 and cᵀray < 0."""

    point: list[fmpq]
    ray: list[fmpq]


@dataclass(frozen=True)
class Separator:
    """⟨r, φ_i⟩ > 0 for every sample with label 1 and < 0 for every sample with label 0."""

    r: list[fmpq]


@dataclass(frozen=True)
class NotSeparable:
    """No linear map separates the labels strictly (Gordan)."""

    multiplier: list[fmpq]
    """y >= 0, not all zero, one entry a sample, with Σ_i y_i (2 label_i − 1) φ_i = 0."""


def find_feasible(
    a: fmpq_mat, b: fmpq_mat, lower: Bounds, upper: Bounds, *, upto: Bounds | None = None
) -> Feasible | Infeasible:
    """A point of {x : a x = b, lower <= x <= upper}, or an exact proof that there is none.

    a is k × n, b is k × 1. With ``upto`` (k bounds, None: none) the rows are b <= a x <= upto instead.
    The answer is checked exactly before it is returned. Raises ``ValueError`` for shapes that do not fit and
    for an interval that is empty by itself. Always ends (Bland's rule; Dutertre & de Moura 2006, Theorem 1).
    """
    dictionary = _Dictionary(a, b, lower, upper, upto, None)
    conflict = dictionary.reach_feasibility()
    if conflict is None:
        point = dictionary.values[: a.ncols()]
        _require(_is_feasible(point, a, b, lower, upper, upto), "the point found violates a constraint")
        return Feasible(point=point)
    bound = dual_bound([_ZERO] * a.ncols(), a, b, lower, upper, conflict, upto=upto)
    _require(bound is not None and bound > 0, "the multiplier found does not exclude every point")
    return Infeasible(multiplier=conflict)


def minimise_linear(
    c: Sequence[fmpq], a: fmpq_mat, b: fmpq_mat, lower: Bounds, upper: Bounds, *, upto: Bounds | None = None
) -> Optimum | Unbounded | Infeasible:
    """The exact minimum of cᵀx over {x : a x = b, lower <= x <= upper}, with a dual solution that proves it.

    Constraints and errors as in ``find_feasible``; c has n entries. Weak duality: cᵀx >= ``dual_bound`` for
    every feasible x and every dual y, so that equality proves both optimal. All certificates are checked
    exactly before they are returned. Always ends: a step either lowers the objective or, from the first
    degenerate step on, follows Bland's rule, which does not cycle.
    """
    if len(c) != a.ncols():
        raise ValueError(f"the objective has {len(c)} entries for {a.ncols()} variables")
    dictionary = _Dictionary(a, b, lower, upper, upto, c)
    conflict = dictionary.reach_feasibility()
    if conflict is not None:
        bound = dual_bound([_ZERO] * a.ncols(), a, b, lower, upper, conflict, upto=upto)
        _require(bound is not None and bound > 0, "the multiplier found does not exclude every point")
        return Infeasible(multiplier=conflict)
    ray = dictionary.descend()
    point = dictionary.values[: a.ncols()]
    _require(_is_feasible(point, a, b, lower, upper, upto), "the point found violates a constraint")
    if ray is not None:
        _require(_dot(c, ray) < 0 and _recedes(ray, a, lower, upper, upto), "the ray found is no descent ray")
        return Unbounded(point=point, ray=ray)
    value, dual = _dot(c, point), dictionary.dual()
    _require(
        dual_bound(c, a, b, lower, upper, dual, upto=upto) == value, "the dual found proves another value"
    )
    return Optimum(value=value, point=point, dual=dual)


def dual_bound(
    c: Sequence[fmpq],
    a: fmpq_mat,
    b: fmpq_mat,
    lower: Bounds,
    upper: Bounds,
    dual: Sequence[fmpq],
    *,
    upto: Bounds | None = None,
) -> fmpq | None:
    """The lower bound of cᵀx on the feasible set that the dual y proves; None stands for −∞.

    yᵀb + inf {(c − aᵀy)ᵀx : lower <= x <= upper}; with ``upto``, inf {yᵀs : b <= s <= upto} in place of yᵀb.
    A positive bound of c = 0 proves that the feasible set is empty.
    """
    total = _ZERO
    slopes = list(c)
    for i, row in enumerate(a.table()):
        if y := dual[i]:
            end = b[i, 0] if upto is None or y > 0 else upto[i]
            if end is None:
                return None
            total += y * end
            slopes = [d - y * e if e else d for d, e in zip(slopes, row, strict=True)]
    for d, low, high in zip(slopes, lower, upper, strict=True):
        if d:
            end = low if d > 0 else high
            if end is None:
                return None
            total += d * end
    return total


def separate(features: fmpq_mat, labels: fmpq_mat) -> Separator | NotSeparable:
    """Whether a linear map of the features separates the labels strictly, with an exact proof either way.

    features is m × p, labels m × 1 with entries 0 and 1. ⟨r, φ_i⟩ is to be > 0 for label 1 and < 0 for label
    0; after scaling r the margins are at least 1, a linear program. Raises ``ValueError`` for other labels.
    Source: Gordan (1873).
    """
    m, p = features.nrows(), features.ncols()
    if (labels.nrows(), labels.ncols()) != (m, 1) or any(y not in (0, 1) for y in labels.entries()):
        raise ValueError(f"separation takes {m} labels 0 or 1, got {[str(y) for y in labels.entries()]}")
    signed = [
        [e if y else -e for e in row] for row, y in zip(features.table(), labels.entries(), strict=True)
    ]
    a = fmpq_mat(m, p, [e for row in signed for e in row])
    found = find_feasible(a, fmpq_mat(m, 1, [1] * m), [None] * p, [None] * p, upto=[None] * m)
    if isinstance(found, Feasible):
        return Separator(r=found.point)
    return NotSeparable(multiplier=found.multiplier)


# --- the simplex method --------------------------------------------------------------------------------


class _Dictionary:
    """x_B = T x_N with current values: variables 0 … n−1 are x, n … n+k−1 the rows a x, n+k the objective.

    Non-basic variables always sit inside their bounds, and at one of them unless they are free.
    """

    def __init__(
        self,
        a: fmpq_mat,
        b: fmpq_mat,
        lower: Bounds,
        upper: Bounds,
        upto: Bounds | None,
        c: Sequence[fmpq] | None,
    ) -> None:
        k, n = a.nrows(), a.ncols()
        if (b.nrows(), b.ncols()) != (k, 1) or len(lower) != n or len(upper) != n:
            raise ValueError(
                f"a is {k} x {n}, b is {b.nrows()} x {b.ncols()}, with {len(lower)} and {len(upper)} bounds"
            )
        if upto is not None and len(upto) != k:
            raise ValueError(f"{len(upto)} upper bounds for {k} rows")
        right = b.entries()
        self.k, self.n = k, n
        self.low: list[fmpq | None] = [*lower, *right]
        self.high: list[fmpq | None] = [*upper, *(right if upto is None else upto)]
        for low, high in zip(self.low, self.high, strict=True):
            if low is not None and high is not None and low > high:
                raise ValueError(f"the interval [{low}, {high}] of a variable or row is empty")
        start = [
            low if low is not None else high if high is not None else _ZERO
            for low, high in zip(lower, upper, strict=True)
        ]
        self.table: list[list[fmpq]] = a.table() if k else []
        self.basic = list(range(n, n + k))
        self.nonbasic = list(range(n))
        self.values = [*start, *(_dot(row, start) for row in self.table)]
        if c is not None:
            self.table.append(list(c))
            self.basic.append(n + k)
            self.low.append(None)
            self.high.append(None)
            self.values.append(_dot(c, start))

    def _can_rise(self, v: int) -> bool:
        high = self.high[v]
        return high is None or self.values[v] < high

    def _can_fall(self, v: int) -> bool:
        low = self.low[v]
        return low is None or self.values[v] > low

    def _shift(self, column: int, step: fmpq) -> None:
        """Move a non-basic variable by ``step``, the basic ones along."""
        self.values[self.nonbasic[column]] += step
        for row, v in zip(self.table, self.basic, strict=True):
            if row[column]:
                self.values[v] += step * row[column]

    def _pivot(self, r: int, column: int) -> None:
        """Exchange the basic variable of row r and the non-basic one of the column."""
        row = self.table[r]
        inverse = 1 / row[column]
        new = [-e * inverse if e else e for e in row]
        new[column] = inverse
        for i, other in enumerate(self.table):
            if i != r and (factor := other[column]):
                changed = [e + factor * f if f else e for e, f in zip(other, new, strict=True)]
                changed[column] = factor * inverse
                self.table[i] = changed
        self.table[r] = new
        self.basic[r], self.nonbasic[column] = self.nonbasic[column], self.basic[r]

    def reach_feasibility(self) -> list[fmpq] | None:
        """Bring every basic variable inside its bounds; a Farkas multiplier if that is impossible."""
        while True:
            worst = None
            for r, v in enumerate(self.basic):
                low, high = self.low[v], self.high[v]
                if not _within(self.values[v], low, high) and (worst is None or v < self.basic[worst]):
                    worst = r
            if worst is None:
                return None
            v, row = self.basic[worst], self.table[worst]
            low, high = self.low[v], self.high[v]
            rise = low is not None and self.values[v] < low
            target = low if rise else high
            column = None
            for j, u in enumerate(self.nonbasic):
                if (
                    row[j]
                    and (column is None or u < self.nonbasic[column])
                    and (self._can_rise(u) if (row[j] > 0) is rise else self._can_fall(u))
                ):
                    column = j
            if column is None:
                return self._multiplier(worst, rise)
            assert target is not None  # the violated bound
            self._shift(column, (target - self.values[v]) / row[column])
            self._pivot(worst, column)

    def _multiplier(self, r: int, rise: bool) -> list[fmpq]:
        """Σ_j T_rj x_j − x_r = 0 read as Σ_i y_i (a x)_i = (aᵀy)ᵀx."""
        sign = fmpq(-1 if rise else 1)
        y = [_ZERO] * self.k
        for e, v in zip(self.table[r], self.nonbasic, strict=True):
            if v >= self.n:
                y[v - self.n] = sign * e
        if self.basic[r] >= self.n:
            y[self.basic[r] - self.n] = -sign
        return y

    def descend(self) -> list[fmpq] | None:
        """Lower the objective, the last row, from a feasible point to its minimum; a ray if there is none."""
        smallest_index = False
        while True:
            cost = self.table[-1]
            entering, best = None, _ZERO
            for j, u in enumerate(self.nonbasic):
                d = cost[j]
                if not d or not (self._can_rise(u) if d < 0 else self._can_fall(u)):
                    continue
                if smallest_index:
                    if entering is None or u < self.nonbasic[entering]:
                        entering = j
                elif abs(d) > best:
                    entering, best = j, abs(d)
            if entering is None:
                return None
            up = cost[entering] < 0
            leaving, step = self._ratio_test(entering, up)
            if step is None:
                return self._ray(entering, up)
            smallest_index = step == 0
            self._shift(entering, step if up else -step)
            if leaving is not None:
                self._pivot(leaving, entering)

    def _ratio_test(self, entering: int, up: bool) -> tuple[int | None, fmpq | None]:
        """The row that blocks first (None: the variable's own other bound) and the step (None: unbounded)."""
        v = self.nonbasic[entering]
        low, high = self.low[v], self.high[v]
        step = high - low if low is not None and high is not None else None
        leaving, index = None, v
        for r in range(self.k):
            e = self.table[r][entering]
            if not e:
                continue
            u = self.basic[r]
            end = self.high[u] if (e > 0) is up else self.low[u]
            if end is None:
                continue
            t = abs((end - self.values[u]) / e)
            if step is None or t < step or (t == step and u < index):
                leaving, index, step = r, u, t
        return leaving, step

    def _ray(self, entering: int, up: bool) -> list[fmpq]:
        ray = [_ZERO] * self.n
        sign = fmpq(1 if up else -1)
        if self.nonbasic[entering] < self.n:
            ray[self.nonbasic[entering]] = sign
        for row, v in zip(self.table, self.basic, strict=True):
            if v < self.n:
                ray[v] = sign * row[entering]
        return ray

    def dual(self) -> list[fmpq]:
        """The coefficients of the rows in the objective's row."""
        y = [_ZERO] * self.k
        for d, v in zip(self.table[-1], self.nonbasic, strict=True):
            if v >= self.n:
                y[v - self.n] = d
        return y


# --- exact checks of what was found ----------------------------------------------------------------------


def _dot(a: Sequence[fmpq], b: Sequence[fmpq]) -> fmpq:
    return sum((x * y for x, y in zip(a, b, strict=True) if x and y), _ZERO)


def _within(value: fmpq, low: fmpq | None, high: fmpq | None) -> bool:
    return (low is None or low <= value) and (high is None or value <= high)


def _is_feasible(
    x: Sequence[fmpq], a: fmpq_mat, b: fmpq_mat, lower: Bounds, upper: Bounds, upto: Bounds | None
) -> bool:
    rows = a.table() if a.nrows() else []
    return all(map(_within, x, lower, upper)) and all(
        _within(_dot(row, x), b[i, 0], b[i, 0] if upto is None else upto[i]) for i, row in enumerate(rows)
    )


def _recedes(ray: Sequence[fmpq], a: fmpq_mat, lower: Bounds, upper: Bounds, upto: Bounds | None) -> bool:
    rows = [_dot(row, ray) for row in (a.table() if a.nrows() else [])]
    ends = [_ZERO] * len(rows) if upto is None else [None if u is None else _ZERO for u in upto]
    return all(_within(e, _ZERO, end) for e, end in zip(rows, ends, strict=True)) and all(
        _within(e, None if low is None else _ZERO, None if high is None else _ZERO)
        for e, low, high in zip(ray, lower, upper, strict=True)
    )


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(f"{message}: this is a bug of the simplex method here")
