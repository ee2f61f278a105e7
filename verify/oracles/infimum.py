"""Two-sided bounds of a convex infimum inf_R E ℓ(R φ, y), rigorous on both sides.

Above: the loss at a rational R. Below, for every D with E[φ Dᵀ] = 0 exactly (Fenchel):

    E ℓ(R φ, y) >= E[⟨D, R φ⟩ − ℓ*(D, y)] = −E ℓ*(D, y)    for every R.

Floats only propose R and D; rationals make D feasible, rationals or balls evaluate. Quadratic pieces and
polyhedra are solved outright. An infimum that is not attained is first reduced to one that is (facial
reduction, by an exact linear program).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from flint import arb, ctx, fmpq, fmpq_mat

from strategies.datasets import Atoms, Measure
from strategies.losses import Loss, NotDifferentiable, OutputwiseLoss
from strategies.matrices import as_floats, columns, hstack, null_space, rows
from strategies.numbers import exact
from verify.oracles.exact import least_squares, trace_product
from verify.oracles.linear_programs import Feasible, Optimum, find_feasible, minimise_linear

__all__ = ["Infimum", "enclose_infimum"]

Number = fmpq | arb
_ZERO = fmpq(0)


@dataclass(frozen=True, kw_only=True)
class Infimum:
    """lower <= inf_R E ℓ(R φ, y) <= upper; a ball bounds with its lower and its upper end respectively."""

    lower: Number
    """−E ℓ*(dual, y)."""
    upper: Number
    minimiser: fmpq_mat | None
    """R, d_y × p, with E ℓ(R φ, y) <= upper. None only if the infimum is exact and not attained."""
    dual: fmpq_mat | None
    """D, shaped like the labels, with E[φ Dᵀ] = 0 exactly and in the domain of ℓ*."""
    attained: bool | None
    """Whether some R attains the infimum; None: not decided."""
    exact: bool
    """lower == upper as rationals: the infimum is that number."""
    direction: fmpq_mat | None = None
    """If not attained: U, d_y × p, along which the loss falls for ever at some samples and changes at no
    other: E ℓ((R + t U) φ, y) decreases strictly in t, for every R; to ``upper`` if minimiser is None."""

    @property
    def gap(self) -> float:
        """A certified bound of (upper − lower) / max(1, |upper|), rounded up; 0.0 if exact."""
        if self.exact:
            return 0.0
        with ctx.workprec(128):
            width = (arb(self.upper) - arb(self.lower)).upper()
            scale = arb.max(arb(1), abs(arb(self.upper)).lower())
            return math.nextafter(float((width / scale).upper()), math.inf)


def enclose_infimum(
    features: fmpq_mat,
    labels: fmpq_mat,
    loss: Loss,
    measure: Measure,
    *,
    start: fmpq_mat | None = None,
    bits: int = 128,
) -> Infimum:
    """The least loss of a linear model on the features, between two rigorous bounds.

    inf over R (d_y × p) of E ℓ(R φ, y); features is m × p (p = 0: the prediction 0), labels m × d_y, and E
    the mean of ``measure``: a weighted one over samples or, for the squared loss, over uniform polynomials,
    whose rows are coefficients.

    * squared, label-weighted squared: exact, by the normal equations on independent columns.
    * absolute, hinge, multi-class hinge: exact, by the dual linear program, whose multipliers are R.
    * Huber, smoothed hinge: exact where Newton's method finds the active pieces, else two-sided; attained,
      as is every convex piecewise quadratic function that is bounded below (Frank & Wolfe 1956).
    * logistic, cross-entropy: two-sided, with balls of ``bits`` bits. Whether the infimum is attained is
      decided exactly: it is not iff some direction lowers no margin and raises one. Samples (classes) with
      raised margins add nothing to the infimum and leave the problem, until it attains its minimum.
    * other convex differentiable output-wise losses: two-sided, attainment left open.

    ``start`` (d_y × p) is tried first (not for the quadratic losses, which are exact without): if the
    gradient there is exactly zero, in rationals, it is a minimiser. The bounds are rigorous whatever the
    floats did; how close they came is in ``gap``. Raises ``ValueError`` for shapes that do not fit, a loss
    that is not convex or not bounded below at these labels, a polynomial measure with another loss than the
    squared one, losses without a method here, and features beyond the range of float64.
    Source: Kawaguchi & Bengio (2019), L* of Theorem 1; Rockafellar, Convex Analysis, Theorems 27.1 and 31.1.
    """
    _check(features, labels, loss, measure, start)
    with ctx.workprec(bits):
        if loss.name == "squared" or not isinstance(measure, Atoms):
            return _squared(features, labels, measure)
        weights = measure.weights.entries()
        if loss.name == "label-weighted squared":
            blocks = [
                _weighted_least_squares(features, columns(labels, [k]), loss, weights)
                for k in range(labels.ncols())
            ]
            return _join(features, labels, loss, weights, blocks)
        if start is not None and (found := _at_critical_point(features, labels, loss, weights, start)):
            return found
        if loss.name == "multi-class hinge":
            blocks = [_multiclass_hinge(features, labels, weights)]
        elif loss.name == "cross-entropy":
            blocks = [_cross_entropy(features, labels, loss, weights, start)]
        else:
            solve: Any = {
                "absolute": _polyhedral,
                "hinge": _polyhedral,
                "logistic": _logistic,
                "Huber": _piecewise_quadratic,
                "smoothed hinge": _piecewise_quadratic,
            }.get(loss.name, _smooth)
            blocks = []
            for k in range(labels.ncols()):
                row = None if start is None else rows(start, [k])
                blocks.append(solve(features, columns(labels, [k]), loss, weights, row))
        return _join(features, labels, loss, weights, blocks)


@dataclass(frozen=True, kw_only=True)
class _Block:
    """The answer for some of the outputs, all of them or one."""

    r: fmpq_mat
    dual: fmpq_mat
    attained: bool | None
    direction: fmpq_mat | None = None
    limit: fmpq | None = None
    """The infimum, if it is known exactly though it is not attained."""


def _check(
    features: fmpq_mat, labels: fmpq_mat, loss: Loss, measure: Measure, start: fmpq_mat | None
) -> None:
    m, p, d_y = features.nrows(), features.ncols(), labels.ncols()
    if labels.nrows() != m or measure.size != m:
        raise ValueError(
            f"{m} rows of features, {labels.nrows()} of labels, a measure on {measure.size}: not the same"
        )
    if start is not None and (start.nrows(), start.ncols()) != (d_y, p):
        raise ValueError(f"the start is {start.nrows()} x {start.ncols()}, not d_y x p = {d_y} x {p}")
    if not loss.convex:
        raise ValueError(f"the {loss.name} loss is not convex: duality says nothing about its infimum")
    if not isinstance(measure, Atoms) and loss.name != "squared":
        raise ValueError(
            f"a measure on polynomials has exact expectations of products only, not of the {loss.name} loss"
        )
    polyhedral = loss.name in ("absolute", "hinge", "multi-class hinge")
    smooth = loss.differentiable and (isinstance(loss, OutputwiseLoss) or loss.name == "cross-entropy")
    if not polyhedral and not smooth:
        raise ValueError(f"there is no method here for the {loss.name} loss")
    if not d_y and not isinstance(loss, OutputwiseLoss):
        raise ValueError(f"the {loss.name} loss needs at least one class")
    if isinstance(measure, Atoms) and loss.name != "squared":  # whose slopes are all of R
        for i, y in enumerate(labels.table() if m and d_y else []):
            try:
                loss.conjugate([_ZERO] * d_y, y)
            except ValueError as error:
                raise ValueError(
                    f"the {loss.name} loss has no infimum at the labels of sample {i}: {error}"
                ) from None


def _join(
    features: fmpq_mat, labels: fmpq_mat, loss: Loss, weights: Sequence[fmpq], blocks: Sequence[_Block]
) -> Infimum:
    if not blocks:
        empty = fmpq_mat(0, features.ncols())
        return Infimum(
            lower=_ZERO,
            upper=_ZERO,
            minimiser=empty,
            dual=fmpq_mat(labels.nrows(), 0),
            attained=True,
            exact=True,
        )
    r, dual = _stack([b.r for b in blocks]), hstack(*(b.dual for b in blocks))
    _require_feasible(features, dual, weights)
    verdicts = [b.attained for b in blocks]
    attained = False if False in verdicts else None if None in verdicts else True
    lower, limits = _lower(dual, labels, loss, weights), [b.limit for b in blocks if b.limit is not None]
    direction = None
    if attained is False:
        direction = _stack([b.direction or fmpq_mat(b.r.nrows(), b.r.ncols()) for b in blocks])
    minimiser: fmpq_mat | None = None
    upper: Number = sum(limits, _ZERO)
    if len(limits) < len(blocks):
        minimiser, upper = r, _upper(features, r, labels, loss, weights)
    return Infimum(
        lower=lower,
        upper=upper,
        minimiser=minimiser,
        dual=dual,
        attained=attained,
        exact=isinstance(lower, fmpq) and isinstance(upper, fmpq) and lower == upper,
        direction=direction,
    )


def _upper(features: fmpq_mat, r: fmpq_mat, labels: fmpq_mat, loss: Loss, weights: Sequence[fmpq]) -> Number:
    h = (features * r.transpose()).table()
    values = [w * _tidy(loss.value(a, y)) for w, a, y in zip(weights, h, labels.table(), strict=True)]
    return sum(values, _ZERO)


def _lower(dual: fmpq_mat, labels: fmpq_mat, loss: Loss, weights: Sequence[fmpq]) -> Number:
    pairs = zip(weights, dual.table(), labels.table(), strict=True)
    return -sum((w * _tidy(loss.conjugate(d, y)) for w, d, y in pairs), _ZERO)


def _scaled(a: fmpq_mat, weights: Sequence[fmpq]) -> fmpq_mat:
    """diag(weights) a."""
    return fmpq_mat(
        a.nrows(), a.ncols(), [w * e for w, row in zip(weights, a.table(), strict=True) for e in row]
    )


def _matrix(entries: Sequence[Number], cols: int) -> fmpq_mat:
    """Rational entries, row by row, as a matrix."""
    rational = [e for e in entries if isinstance(e, fmpq)]
    if len(rational) != len(entries):
        raise TypeError("a ball is no entry of an exact matrix")
    return fmpq_mat(len(entries) // cols, cols, rational)


def _tidy(value: Number) -> Number:
    """A ball of radius 0 as the dyadic rational that it is."""
    if isinstance(value, fmpq) or not value.is_exact():
        return value
    mantissa, exponent = value.man_exp()
    return fmpq(mantissa) * fmpq(2) ** int(exponent)


def _as_float_list(a: Sequence[fmpq]) -> np.ndarray:
    return np.array([int(e.p) / int(e.q) for e in a], dtype=np.float64)


def _is_zero(a: fmpq_mat) -> bool:
    return not any(a.entries())


def _require_feasible(features: fmpq_mat, dual: fmpq_mat, weights: Sequence[fmpq]) -> None:
    if not _is_zero(features.transpose() * _scaled(dual, weights)):
        raise AssertionError("the dual point is not feasible: this is a bug here, please report the features")


def _stack(blocks: Sequence[fmpq_mat]) -> fmpq_mat:
    entries = [e for b in blocks for e in b.entries()]
    return fmpq_mat(sum(b.nrows() for b in blocks), blocks[0].ncols(), entries)


# --- exact: quadratic losses, critical points --------------------------------------------------------------


def _pivots(a: fmpq_mat) -> list[int]:
    """The columns of ``a`` that are independent of those before them."""
    if not a.nrows() or not a.ncols():
        return []
    reduced, rank = a.rref()
    table = reduced.table()
    return [next(j for j, e in enumerate(table[i]) if e) for i in range(rank)]


def _solve_normal(gram: fmpq_mat, right: fmpq_mat) -> fmpq_mat | None:
    """A solution of gram x = right, gram positive semidefinite, free entries 0; None if there is none."""
    n = gram.ncols()
    solution = fmpq_mat(n, right.ncols())
    if not n:
        return solution
    reduced, rank = hstack(gram, right).rref()
    table = reduced.table()
    for i in range(rank):
        pivot = next(j for j, e in enumerate(table[i]) if e)
        if pivot >= n:
            return None
        for k in range(right.ncols()):
            solution[pivot, k] = table[i][n + k]
    return solution


def _squared(features: fmpq_mat, labels: fmpq_mat, measure: Measure) -> Infimum:
    r = least_squares(features, labels, measure)
    residual = features * r.transpose() - labels
    if not _is_zero(measure.product(features, residual)):
        raise AssertionError("the residual is not orthogonal to the features: this is a bug of least_squares")
    value = trace_product(residual, residual, measure)
    return Infimum(lower=value, upper=value, minimiser=r, dual=2 * residual, attained=True, exact=True)


def _weighted_least_squares(features: fmpq_mat, y: fmpq_mat, loss: Loss, weights: Sequence[fmpq]) -> _Block:
    second = _matrix([c for row in y.table() for c in loss.hessian([_ZERO], row)[0]], 1)
    scaled = _scaled(features, [w * c for w, c in zip(weights, second.entries(), strict=True)])
    solution = _solve_normal(features.transpose() * scaled, scaled.transpose() * y)
    assert solution is not None  # normal equations are consistent
    h = features * solution
    dual = [d for a, b in zip(h.table(), y.table(), strict=True) for d in loss.gradient(a, b)]
    return _Block(r=solution.transpose(), dual=_matrix(dual, 1), attained=True)


def _rational_gradient(h: fmpq_mat, labels: fmpq_mat, loss: Loss) -> fmpq_mat | None:
    """∂ℓ/∂h sample by sample, if it exists and every entry is rational."""
    entries: list[fmpq] = []
    try:
        for a, y in zip(h.table(), labels.table(), strict=True):
            for d in loss.gradient(a, y):
                if not isinstance(d, fmpq):
                    return None
                entries.append(d)
    except NotDifferentiable:
        return None
    return fmpq_mat(h.nrows(), h.ncols(), entries)


def _at_critical_point(
    features: fmpq_mat, labels: fmpq_mat, loss: Loss, weights: Sequence[fmpq], r: fmpq_mat
) -> Infimum | None:
    """The infimum if the gradient at r is exactly zero: D = ∂ℓ/∂h is then feasible and its bound sharp."""
    dual = _rational_gradient(features * r.transpose(), labels, loss)
    if dual is None or not _is_zero(features.transpose() * _scaled(dual, weights)):
        return None
    lower, upper = _lower(dual, labels, loss, weights), _upper(features, r, labels, loss, weights)
    both_exact = isinstance(lower, fmpq) and isinstance(upper, fmpq)
    if not (lower == upper if both_exact else arb(lower).overlaps(arb(upper))):
        raise AssertionError(
            f"Fenchel's equality fails at a critical point of {loss.name}: {lower} and {upper}"
        )
    return Infimum(lower=lower, upper=upper, minimiser=r, dual=dual, attained=True, exact=both_exact)


# --- exact: polyhedral losses ------------------------------------------------------------------------------


def _polyhedral(
    features: fmpq_mat, y: fmpq_mat, loss: Loss, weights: Sequence[fmpq], start: fmpq_mat | None
) -> _Block:
    """The dual linear program of one output of the absolute or hinge loss; its multipliers are R.

    ℓ*(D) is the least Σ_j s_j D_j over D = Σ_j D_j with D_j in an interval: for |h − y|, s = y on [−1, 1];
    for q (1 − h)₊ + (1 − q)(1 + h)₊, s = 1 on [−q, 0] and s = −1 on [0, 1 − q].
    """
    m, p = features.nrows(), features.ncols()
    parts: list[tuple[int, fmpq, fmpq, fmpq]] = []
    for i, q in enumerate(y.entries()):
        if loss.name == "absolute":
            parts.append((i, q, fmpq(-1), fmpq(1)))
        else:
            parts += [(i, fmpq(1), -q, _ZERO), (i, fmpq(-1), _ZERO, 1 - q)]
    table = features.table()
    a = fmpq_mat(p, len(parts), [weights[i] * table[i][k] for k in range(p) for i, *_ in parts])
    costs = [weights[i] * s for i, s, *_ in parts]
    found = minimise_linear(costs, a, fmpq_mat(p, 1), [low for _, _, low, _ in parts], [e for *_, e in parts])
    assert isinstance(found, Optimum)  # D = 0 is feasible and every variable is bounded
    dual = fmpq_mat(m, 1)
    for (i, *_), d in zip(parts, found.point, strict=True):
        dual[i, 0] += d
    return _Block(r=fmpq_mat(1, p, found.dual), dual=dual, attained=True)


def _multiclass_hinge(features: fmpq_mat, labels: fmpq_mat, weights: Sequence[fmpq]) -> _Block:
    """The dual linear program of the multi-class hinge; its multipliers are R.

    D_ij >= 0 for j ≠ c, Σ_{j≠c} D_ij <= 1, D_ic = −Σ_{j≠c} D_ij, and ℓ*(D_i) = D_ic. The last output needs
    no constraint, since the rows of D add up to zero: R is found with last row 0.
    """
    m, p, d_y = features.nrows(), features.ncols(), labels.ncols()
    table = features.table()
    classes = [row.index(fmpq(1)) for row in labels.table()]
    variables = [(i, j) for i in range(m) for j in range(d_y) if j != classes[i]]
    n = len(variables)
    a = fmpq_mat((d_y - 1) * p + m, n)
    for v, (i, j) in enumerate(variables):
        for k in range(p):
            if j < d_y - 1:
                a[j * p + k, v] = weights[i] * table[i][k]
            if classes[i] < d_y - 1:
                a[classes[i] * p + k, v] = -weights[i] * table[i][k]
        a[(d_y - 1) * p + i, v] = 1
    upto = [_ZERO] * ((d_y - 1) * p) + [fmpq(1)] * m
    costs = [-weights[i] for i, _ in variables]
    found = minimise_linear(costs, a, fmpq_mat(a.nrows(), 1), [_ZERO] * n, [None] * n, upto=upto)
    assert isinstance(found, Optimum)  # D = 0 is feasible and the sums are bounded
    dual = fmpq_mat(m, d_y)
    for (i, j), d in zip(variables, found.point, strict=True):
        dual[i, j] += d
        dual[i, classes[i]] -= d
    r = fmpq_mat(d_y, p, [*found.dual[: (d_y - 1) * p], *[_ZERO] * p])
    return _Block(r=r, dual=dual, attained=True)


# --- piecewise quadratic losses ----------------------------------------------------------------------------


def _piecewise_quadratic(
    features: fmpq_mat, y: fmpq_mat, loss: Loss, weights: Sequence[fmpq], start: fmpq_mat | None
) -> _Block:
    """One output of Huber's loss or the smoothed hinge: exact if the floats lie in the right pieces.

    On the piece of sample i the slope is s_i + c_i (h − p_i), so that stationarity is the linear system
    Σ w_i φ_i (s_i + c_i (⟨r, φ_i⟩ − p_i)) = 0. Its solution with free entries 0 may leave the pieces; then a
    linear program looks for a solution inside them. A closed piece is right for a minimiser on its edge too,
    since slopes are continuous.
    """
    m = features.nrows()
    labels = y.entries()
    near = _newton(
        as_floats(features),
        as_floats(y),
        loss,
        _as_float_list(weights),
        np.zeros((m, 1)),
        None if start is None else as_floats(start),
    )
    h = [exact(e) for e in (as_floats(features) @ near.T).ravel().tolist()]
    fixed = [fmpq(-1), _ZERO, fmpq(1)]
    breaks = [[b - 1, b + 1] if loss.name == "Huber" else fixed for b in labels]
    cells = [_cell(a, at) for a, at in zip(h, breaks, strict=True)]
    points = [_inside(*cell) for cell in cells]
    slopes = _matrix([loss.gradient([t], [b])[0] for t, b in zip(points, labels, strict=True)], 1)
    second = _matrix([loss.hessian([t], [b])[0][0] for t, b in zip(points, labels, strict=True)], 1)
    gram = features.transpose() * _scaled(
        features, [w * c for w, c in zip(weights, second.entries(), strict=True)]
    )
    constant = _scaled(fmpq_mat(m, 1, points), second.entries()) - slopes
    right = features.transpose() * _scaled(constant, weights)
    solution = _solve_normal(gram, right)
    if solution is not None:
        for attempt in ("free entries 0", "inside the pieces"):
            if attempt == "inside the pieces":
                solution = _solve_inside(features, gram, right, cells)
                if solution is None:
                    break
            dual = _rational_gradient(features * solution, y, loss)
            if dual is not None and _is_zero(features.transpose() * _scaled(dual, weights)):
                return _Block(r=solution.transpose(), dual=dual, attained=True)
    return _smooth(features, y, loss, weights, start, attained=True)


def _cell(h: fmpq, breaks: Sequence[fmpq]) -> tuple[fmpq | None, fmpq | None]:
    """The closed interval between neighbouring breaks that holds h; None for an end at infinity."""
    return max((b for b in breaks if b <= h), default=None), min((b for b in breaks if b > h), default=None)


def _inside(low: fmpq | None, high: fmpq | None) -> fmpq:
    """A point inside the interval."""
    if low is not None and high is not None:
        return (low + high) / 2
    return low + 1 if low is not None else high - 1 if high is not None else _ZERO


def _solve_inside(
    features: fmpq_mat, gram: fmpq_mat, right: fmpq_mat, cells: Sequence[tuple[fmpq | None, fmpq | None]]
) -> fmpq_mat | None:
    """r with gram r = right and every ⟨r, φ_i⟩ in its cell; None if there is none."""
    p = features.ncols()
    table, a, b = features.table(), gram.entries(), right.entries()
    upto: list[fmpq | None] = list(b)
    for row, (low, high) in zip(table, cells, strict=True):
        if low is not None:
            a, b, upto = [*a, *row], [*b, low], [*upto, high]
        elif high is not None:
            a, b, upto = [*a, *(-e for e in row)], [*b, -high], [*upto, None]
    found = find_feasible(fmpq_mat(len(b), p, a), fmpq_mat(len(b), 1, b), [None] * p, [None] * p, upto=upto)
    return fmpq_mat(p, 1, found.point) if isinstance(found, Feasible) else None


# --- infima that are not attained --------------------------------------------------------------------------


def _decide_quickly(
    features: fmpq_mat,
    labels: fmpq_mat,
    loss: Loss,
    weights: Sequence[fmpq],
    start: fmpq_mat | None,
    margins: fmpq_mat,
    lowered_by: Sequence[tuple[int, int]],
    ties: int,
) -> _Block | None:
    """The answer if every margin rises along a float minimiser, or if D there proves that none can; or None.

    ``margins`` maps the first rows of R to the margins, ``lowered_by`` are the entries of D there, ``ties``
    the number of margins that must stay 0. A feasible D that is nonzero at every margin m proves attainment:
    E ⟨D, U φ⟩ = 0 is a sum of terms −w |D| m(U), all <= 0 for an admissible U, so that no margin rises.
    """
    m, p, d = features.nrows(), features.ncols(), labels.ncols()
    phi, y, w = as_floats(features), as_floats(labels), _as_float_list(weights)
    first = None if start is None else as_floats(start)
    near = _newton(phi, y, loss, w, np.zeros((m, d)), first, steps=_GLANCE)
    if not ties:
        towards = near - near[-1] if d > 1 else near
        direction = fmpq_mat(d, p, [_short(e) for e in towards.ravel().tolist()])
        n = margins.ncols()
        least = min((margins * fmpq_mat(n, 1, direction.entries()[:n])).entries())
        if least > 0:
            direction = direction / least
            away, dual = direction * _stretch([]), fmpq_mat(m, d)
            return _Block(r=away, dual=dual, attained=False, direction=direction, limit=_ZERO)
    slope = phi.T @ (w[:, None] * loss.gradients_array(phi @ near.T, y))
    if m <= _MANY and np.abs(slope).max(initial=0.0) > 1e-8 * np.abs(phi).max(initial=0.0):
        return None
    quick = _smooth(features, labels, loss, weights, near, attained=True)
    return quick if all(quick.dual[i, j] for i, j in lowered_by) else None


# Effort, not correctness. Steps in which Newton's method separates what is separable and converges where a
# minimum is attained, nearly always; and samples from which on it is cheaper than the linear program anyway.
_GLANCE = 8
_MANY = 24


def _recession(inequalities: fmpq_mat, equalities: fmpq_mat) -> tuple[fmpq_mat, list[bool]]:
    """A direction u with E u = 0, A u >= 0 and the most positive entries of A u there can be, all >= 1.

    Returns u (n × 1) and which rows of A are positive. Each round maximises Σ (A u)_i under 0 <= A u <= 1
    over the rows not yet positive, and drops the constraint on those that are; the directions found add up,
    the earlier ones so stretched that their rows stay >= 1. When the maximum is 0, no direction raises
    another row: with the earlier directions added, it would have been admissible.
    """
    n, k = inequalities.ncols(), inequalities.nrows()
    basis = null_space(equalities) if equalities.nrows() else None
    reduced = inequalities if basis is None else inequalities * basis
    kept = _pivots(reduced)
    reduced = columns(reduced, kept)
    q = reduced.ncols()
    positive = [False] * k
    u = fmpq_mat(q, 1)
    while q:
        open_rows = [i for i in range(k) if not positive[i]]
        a = rows(reduced, open_rows)
        costs = [-sum((a[i, j] for i in range(a.nrows())), _ZERO) for j in range(q)]
        if not any(costs):
            break
        found = minimise_linear(
            costs, a, fmpq_mat(a.nrows(), 1), [None] * q, [None] * q, upto=[fmpq(1)] * a.nrows()
        )
        assert isinstance(found, Optimum)  # u = 0 is feasible and every row is bounded
        if found.value == 0:
            break
        v = fmpq_mat(q, 1, found.point)
        rise = (reduced * v).entries()
        v = v / min(rise[i] for i in open_rows if rise[i] > 0)
        rise = (reduced * v).entries()
        stretch = max((1 - rise[i] for i in range(k) if positive[i]), default=_ZERO)
        u = u * max(fmpq(1), stretch) + v
        for i in open_rows:
            positive[i] = rise[i] > 0
    if not kept:
        return fmpq_mat(n, 1), positive
    full = fmpq_mat(n if basis is None else basis.ncols(), 1)
    for i, j in enumerate(kept):
        full[j, 0] = u[i, 0]
    return (full if basis is None else basis * full), positive


def _stretch(margins: Sequence[fmpq]) -> fmpq:
    """t with margins + t >= precision + 64: what is pushed away then adds less than 2^-(precision + 64)."""
    return fmpq(ctx.prec + 64) + max(_ZERO, max((-e for e in margins), default=_ZERO))


def _logistic(
    features: fmpq_mat, y: fmpq_mat, loss: Loss, weights: Sequence[fmpq], start: fmpq_mat | None
) -> _Block:
    """One output of the logistic loss; a direction r costs nothing at y = 1 (0) if ⟨r, φ⟩ >= 0 (<= 0)."""
    m, p = features.nrows(), features.ncols()
    labels, table = y.entries(), features.table()
    hard = [i for i in range(m) if labels[i] in (0, 1)]
    if not hard:
        return _smooth(features, y, loss, weights, start, attained=True)
    signed = fmpq_mat(len(hard), p, [e if labels[i] else -e for i in hard for e in table[i]])
    at = [(i, 0) for i in hard]
    if quick := _decide_quickly(features, y, loss, weights, start, signed, at, m - len(hard)):
        return quick
    u, raised = _recession(signed, rows(features, [i for i in range(m) if i not in hard]))
    gone = {i for i, away in zip(hard, raised, strict=True) if away}
    if not gone:
        return _smooth(features, y, loss, weights, start, attained=True)
    kept = [i for i in range(m) if i not in gone]
    inner = _smooth(rows(features, kept), rows(y, kept), loss, [weights[i] for i in kept], start)
    dual = fmpq_mat(m, 1)
    for k, i in enumerate(kept):
        dual[i, 0] = inner.dual[k, 0]
    margins = (signed * inner.r.transpose()).entries()
    t = _stretch([e for e, away in zip(margins, raised, strict=True) if away])
    direction = u.transpose()
    return _Block(
        r=inner.r + direction * t,
        dual=dual,
        attained=False,
        direction=direction,
        limit=None if kept else _ZERO,
    )


def _cross_entropy(
    features: fmpq_mat, labels: fmpq_mat, loss: Loss, weights: Sequence[fmpq], start: fmpq_mat | None
) -> _Block:
    """The cross-entropy; a direction costs nothing if the classes with y > 0 tie for the top score."""
    m, p, d_y = features.nrows(), features.ncols(), labels.ncols()
    phi, y = features.table(), labels.table()
    tops = [max(range(d_y), key=lambda j: row[j]) for row in y]
    lose = [(i, j) for i in range(m) for j in range(d_y) if j != tops[i] and not y[i][j]]
    tie = [(i, j) for i in range(m) for j in range(d_y) if j != tops[i] and y[i][j]]
    if not lose:
        return _smooth(features, labels, loss, weights, start, attained=True)

    def margins(pairs: Sequence[tuple[int, int]]) -> fmpq_mat:
        """Rows that map R without its last row, taken as 0, to ⟨R_c − R_j, φ_i⟩, c the top class of i."""
        a = fmpq_mat(len(pairs), (d_y - 1) * p)
        for s, (i, j) in enumerate(pairs):
            for output, factor in ((tops[i], 1), (j, -1)):
                if output < d_y - 1:
                    for k in range(p):
                        a[s, output * p + k] = factor * phi[i][k]
        return a

    inequalities = margins(lose)
    if quick := _decide_quickly(features, labels, loss, weights, start, inequalities, lose, len(tie)):
        return quick
    u, raised = _recession(inequalities, margins(tie))
    if not any(raised):
        return _smooth(features, labels, loss, weights, start, attained=True)
    gone = {pair for pair, away in zip(lose, raised, strict=True) if away}
    mask = [[(i, j) not in gone for j in range(d_y)] for i in range(m)]
    inner = _smooth(features, labels, loss, weights, start, mask=mask)
    h = (features * inner.r.transpose()).table()
    t = _stretch([h[i][tops[i]] - h[i][j] for i, j in gone])
    direction = fmpq_mat(d_y, p, [*u.entries(), *[_ZERO] * p])
    limit = _ZERO if all(sum(row) == 1 for row in mask) else None
    return _Block(
        r=inner.r + direction * t, dual=inner.dual, attained=False, direction=direction, limit=limit
    )


# --- differentiable losses: float Newton, then exact arithmetic --------------------------------------------

_AWAY = -5000.0  # added to the score of a class that has left: 2^-5000 is 0 in float64


def _smooth(
    features: fmpq_mat,
    labels: fmpq_mat,
    loss: Loss,
    weights: Sequence[fmpq],
    start: fmpq_mat | np.ndarray | None = None,
    *,
    attained: bool | None = None,
    mask: Sequence[Sequence[bool]] | None = None,
) -> _Block:
    """A near-minimiser R and an exactly feasible D near the gradient there, or D = 0.

    With D the gradient and C the Hessian of the loss in h (or rational matrices near them), Newton's step
    solves A δ = E[φ ⊗ D], A = E[φφᵀ ⊗ C], and D − C δ φ is exactly feasible: it is the first-order change of
    the gradient, hence stays where the gradient is flat and within the domain of ℓ* but for rounding, for
    which it is scaled. D = 0, always feasible, is left if the floats make the system inconsistent.
    """
    m, p, d = features.nrows(), features.ncols(), labels.ncols()
    offset = np.zeros((m, d)) if mask is None else np.where(np.array(mask).reshape(m, d), 0.0, _AWAY)
    phi, y = as_floats(features), as_floats(labels)
    first = as_floats(start) if isinstance(start, fmpq_mat) else start
    near = _newton(phi, y, loss, _as_float_list(weights), offset, first)
    r = fmpq_mat(d, p, [exact(e) for e in near.ravel().tolist()])
    h = phi @ near.T + offset
    if loss.name == "cross-entropy":
        slopes, metric = _entropy_slopes(loss.gradients_array(h, y) + y, labels, mask)
    else:
        slopes = _near_gradient(features * r.transpose(), labels, loss)
        metric = [fmpq_mat(d, d, [_short(e) for e in c.ravel().tolist()]) for c in loss.hessians_array(h, y)]
    projected = _project(features, slopes, metric, weights)
    dual = fmpq_mat(m, d) if projected is None else projected
    pairs = zip(dual.table(), labels.table(), strict=True)
    dual = dual * min((loss.into_domain(a, b) for a, b in pairs), default=fmpq(1))
    return _Block(r=r, dual=dual, attained=attained)


def _entropy_slopes(
    p: np.ndarray, labels: fmpq_mat, mask: Sequence[Sequence[bool]] | None
) -> tuple[fmpq_mat, list[fmpq_mat]]:
    """Rational p with rows that add up to 1, as p − y; and s diag(q) − q qᵀ, s = Σ q, for q near p.

    The matrices map 1 to 0, so that the rows of D keep the sum 0.
    """
    d = labels.ncols()
    slopes, metric = [], []
    for i, row in enumerate(p.tolist()):
        kept = [mask is None or mask[i][j] for j in range(d)]
        exact_p = [exact(e) if on else _ZERO for e, on in zip(row, kept, strict=True)]
        top = max(range(d), key=lambda j: exact_p[j])
        exact_p[top] += 1 - sum(exact_p, _ZERO)
        slopes += [a - y for a, y in zip(exact_p, labels.table()[i], strict=True)]
        q = [_short(e) if on else _ZERO for e, on in zip(row, kept, strict=True)]
        total = sum(q, _ZERO)
        metric.append(
            fmpq_mat(
                d, d, [(total * q[j] if j == k else 0) - q[j] * q[k] for j in range(d) for k in range(d)]
            )
        )
    return fmpq_mat(labels.nrows(), d, slopes), metric


def _near_gradient(h: fmpq_mat, labels: fmpq_mat, loss: Loss) -> fmpq_mat:
    """∂ℓ/∂h with a *relative* error of 2^-53, from balls: differences of floats would lose small slopes.

    Slopes far below 2^-53, of samples far on their right side, decide whether D stays in the domain of ℓ*.
    """
    entries = []
    for a, y in zip(h.table(), labels.table(), strict=True):
        entries += [e if isinstance(e, fmpq) else exact(float(e.mid())) for e in loss.gradient(a, y)]
    return fmpq_mat(h.nrows(), h.ncols(), entries)


def _short(x: float) -> fmpq:
    """x to 12 significant bits: a metric only has to be near the curvature, and short numbers are fast."""
    mantissa, exponent = math.frexp(x)
    return fmpq(round(mantissa * 4096)) * fmpq(2) ** (exponent - 12)


def _project(
    features: fmpq_mat, slopes: fmpq_mat, metric: Sequence[fmpq_mat], weights: Sequence[fmpq]
) -> fmpq_mat | None:
    """D − C δ φ with E[φ (D − C δ φ)ᵀ] = 0 exactly; None if no δ (d × p) makes it so."""
    m, p, d = features.nrows(), features.ncols(), slopes.ncols()
    transposed = features.transpose()
    gram = fmpq_mat(d * p, d * p)
    for j in range(d):
        for k in range(j, d):
            block = transposed * _scaled(
                features, [w * c[j, k] for w, c in zip(weights, metric, strict=True)]
            )
            for a in range(p):
                for b in range(p):
                    gram[j * p + a, k * p + b] = gram[k * p + b, j * p + a] = block[a, b]
    right = (transposed * _scaled(slopes, weights)).transpose().entries()
    solution = _solve_normal(gram, fmpq_mat(d * p, 1, right))
    if solution is None:
        return None
    delta = fmpq_mat(d, p, solution.entries())
    moved = (features * delta.transpose()).table()
    dual = slopes.table()
    for i in range(m):
        for j in range(d):
            dual[i][j] -= sum((metric[i][j, k] * moved[i][k] for k in range(d)), _ZERO)
    return fmpq_mat(m, d, [e for row in dual for e in row])


def _newton(
    phi: np.ndarray,
    y: np.ndarray,
    loss: Loss,
    weights: np.ndarray,
    offset: np.ndarray,
    start: np.ndarray | None,
    steps: int = 100,
) -> np.ndarray:
    """A float near-minimiser, by Newton's method with Levenberg's damping, on scaled features."""
    p, d = phi.shape[1], y.shape[1]
    lengths = np.abs(phi).max(axis=0, initial=0.0)
    lengths = np.where(lengths > 0, lengths, 1.0)
    unit = phi / lengths
    r = np.zeros((d, p)) if start is None else start * lengths
    if not p or not d:
        return r
    value = weights @ loss.values_array(unit @ r.T + offset, y)
    damping, quiet = 1e-3, 0
    identity = np.eye(d * p)
    for _ in range(steps):
        h = unit @ r.T + offset
        slopes = weights[:, None] * loss.gradients_array(h, y)
        gradient = (slopes.T @ unit).ravel()
        second = weights[:, None, None] * loss.hessians_array(h, y)
        by_output = (second[:, :, :, None] * unit[:, None, None, :]).reshape(len(unit), d * d * p)
        full = (unit.T @ by_output).reshape(p, d, d, p).transpose(1, 0, 2, 3).reshape(d * p, d * p)
        moved = False
        while damping < 1e12:
            try:
                step = np.linalg.solve(full + damping * identity, -gradient)
            except np.linalg.LinAlgError:
                damping *= 10.0
                continue
            decrement = -(gradient @ step)
            trial = r + step.reshape(d, p)
            trial_value = weights @ loss.values_array(unit @ trial.T + offset, y)
            if trial_value <= value - 1e-4 * decrement + 4e-16 * (1.0 + abs(value)):
                moved = True
                break
            damping *= 10.0
        if not moved:
            break
        r, value = trial, trial_value
        damping = max(damping / 30.0, 1e-15)
        quiet = quiet + 1 if decrement <= 1e-16 * (1.0 + abs(value)) else 0
        if quiet >= 2 or not gradient.any():
            break
    return r / lengths if np.isfinite(r).all() else np.zeros((d, p))
