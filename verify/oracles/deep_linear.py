"""The loss surface of deep linear networks, L = ½‖W_H ⋯ W₁ X − Y‖²: exact Hessians, kinds of critical
points, descent.

Everything is over the rationals. Three decisions share as little as they can: ``kind`` classifies a
critical point by ranks and the least value of the rank-constrained problem, ``hessian`` is the second
derivative itself, and ``find_descent`` exhibits lower points. Tests hold them against one another.

X enters only through W₁ X. If X = C B with C of full column rank and B of full row rank ρ, then L(W) is the
loss of (W₁ C, W₂, …, W_H) on B, and W₁ ↦ W₁ C is onto: critical points, minima, the number of negative
eigenvalues of the Hessian are those of the smaller problem (``compressed``). So X of deficient rank
needs no case of its own.
"""

from __future__ import annotations

import enum
from dataclasses import replace
from typing import Any

from flint import fmpq, fmpq_mat

from strategies.deep_linear import DeepLinearProblem
from strategies.matrices import identity, null_space, rows, zeros
from verify.claim import Verdict, vacuous
from verify.oracles.enclosed import climb, middle
from verify.oracles.exact import independent_columns, inertia
from verify.oracles.landscape import vanishes, where_minimal
from verify.oracles.rank_constrained import (
    Eigenvalue,
    attains_least_value,
    eigenvalues,
    is_above,
    squared_norm,
)

__all__ = [
    "KINDS",
    "Kind",
    "at_critical_point",
    "at_local_minimum",
    "compressed",
    "distance",
    "find_ascent",
    "find_descent",
    "has_negative_curvature",
    "hessian",
    "is_best_of_its_rank",
    "is_critical",
    "is_global_minimum",
    "is_tightened",
    "kind",
    "left_inverse",
    "with_weights",
]


def is_critical(p: DeepLinearProblem) -> bool:
    """Whether the gradient is exactly zero."""
    return all(vanishes(g) for g in p.gradient())


def with_weights(p: DeepLinearProblem, *weights: fmpq_mat) -> DeepLinearProblem:
    """The same data with other weights."""
    return replace(p, weights=tuple(weights))


def distance(p: DeepLinearProblem, q: DeepLinearProblem) -> fmpq:
    """The *square* of the Euclidean distance of the weights."""
    return sum((squared_norm(a - b) for a, b in zip(p.weights, q.weights, strict=True)), fmpq(0))


def is_global_minimum(p: DeepLinearProblem) -> bool:
    """Whether 2 L is the least value of ‖R X − Y‖² over rank R <= d_p: exact, with ties, at any point.

    Every such R is a product of matrices of these widths, so this is the least value of L as well.
    """
    return attains_least_value(p.R, p.X, p.Y, p.least_width)


def left_inverse(a: fmpq_mat) -> fmpq_mat:
    """A⁺ with A⁺ A = I for A of full column rank."""
    t = a.transpose()
    return (t * a).solve(t) if a.ncols() else t


def right_inverse(a: fmpq_mat) -> fmpq_mat:
    """A⁺ with A A⁺ = I for A of full row rank."""
    return left_inverse(a.transpose()).transpose()


def compressed(p: DeepLinearProblem) -> tuple[DeepLinearProblem, fmpq_mat]:
    """The same surface on an X of full row rank, and C: W₁ there is W₁ C here. X must not be zero."""
    rank = int(p.X.rank())
    if rank == p.X.nrows():
        return p, identity(rank)
    c = independent_columns(p.X)
    small = replace(p, weights=(p.weights[0] * c, *p.weights[1:]), X=left_inverse(c) * p.X)
    return small, c


# --- second order ------------------------------------------------------------------------------------


def hessian(p: DeepLinearProblem) -> fmpq_mat:
    """∇²L, layer by layer, each row by row.

    The coefficient of W_i[a, b] W_j[c, e], i > j, in R X is B_i[:, a] (W_{i−1} ⋯ W_{j+1})[b, c]
    A_{j−1}[e, :] X, so ∇²L = Jᵀ J + ⟨E, ∂²(R X)⟩ with ∂²-terms (B_iᵀ G A_{j−1}ᵀ)[a, e] · (W_{i−1} ⋯
    W_{j+1})[b, c]. Entries of Jᵀ J: (B_iᵀ B_j)[a, c] · (A_{i−1} X Xᵀ A_{j−1}ᵀ)[b, e].
    """
    depth, d = len(p.weights), p.widths
    at = [0]
    for i in range(1, depth + 1):
        at.append(at[-1] + d[i] * d[i - 1])
    above, below = [p.above(i) for i in range(depth + 1)], [p.below(i) for i in range(depth + 1)]
    gram, g = p.X * p.X.transpose(), p.G
    second = fmpq_mat(at[-1], at[-1])
    for i in range(1, depth + 1):
        between_them = identity(d[i - 1])
        for j in range(i, 0, -1):
            left = (above[i].transpose() * above[j]).table()
            right = (below[i - 1] * gram * below[j - 1].transpose()).table()
            outer = inner = None
            if j < i:
                if j < i - 1:
                    between_them = between_them * p.weights[j]
                outer = (above[i].transpose() * g * below[j - 1].transpose()).table()
                inner = between_them.table()
            for a in range(d[i]):
                for b in range(d[i - 1]):
                    row = at[i - 1] + a * d[i - 1] + b
                    for c in range(d[j]):
                        for e in range(d[j - 1]):
                            value = left[a][c] * right[b][e]
                            if outer is not None and inner is not None:
                                value = value + outer[a][e] * inner[b][c]
                            if value:
                                column = at[j - 1] + c * d[j - 1] + e
                                second[row, column] = second[column, row] = value
    return second


def has_negative_curvature(p: DeepLinearProblem) -> bool:
    """Whether the Hessian has a negative eigenvalue, by Descartes' rule on its characteristic polynomial."""
    return inertia(hessian(p))[2] > 0


# --- kinds of critical points ------------------------------------------------------------------------


class Kind(enum.Enum):
    """What a critical point is."""

    GLOBAL_MINIMUM = "global minimum"
    STRICT_SADDLE = "strict saddle"
    NON_STRICT_SADDLE = "non-strict saddle"


KINDS: dict[str, Any] = {k.value: (lambda p, k=k: is_critical(p) and kind(p) is k) for k in Kind}
"""The kinds as classes for ``reaches=``."""


def is_best_of_its_rank(p: DeepLinearProblem) -> bool:
    """Whether R X is a best approximation of Y among rank <= rank(R X)."""
    small, _ = compressed(p)
    return attains_least_value(small.R, small.X, small.Y, int(small.R.rank()))


def is_tightened(p: DeepLinearProblem) -> bool:
    """Whether every pair of layers i > j has W_{i−1} ⋯ W_{j+1} or A_{j−1} X Yᵀ B_i of rank r = rank R.

    The complementary blocks of a pivot (Achour, Malgouyres & Gerchinovitz 2024, "tightened"). X has full
    row rank. The second block must contain X Yᵀ: with blocks of weights alone, W = (E₂₂, 0, 0, E₁₁), X =
    Y = I, whose Hessian is zero, would not be tightened.
    """
    r, correlation = p.R.rank(), p.X * p.Y.transpose()
    for i in range(2, len(p.weights) + 1):
        between_them = identity(p.widths[i - 1])
        for j in range(i - 1, 0, -1):
            if j < i - 1:
                between_them = between_them * p.weights[j]
            if between_them.rank() != r and (p.below(j - 1) * correlation * p.above(i)).rank() != r:
                return False
    return True


def kind(p: DeepLinearProblem) -> Kind:
    """The kind of a critical point by ranks alone, without its Hessian. With X of full row rank, r = rank R:

    * 2 L = least value over rank <= d_p: a global minimum;
    * otherwise r = d_p, or R is no best approximation of rank r: a strict saddle;
    * otherwise (r < d_p): non-strict iff the point is tightened.

    Source: Achour, Malgouyres & Gerchinovitz, The loss landscape of deep linear neural networks: a
    second-order analysis, JMLR 25 (2024), stated there for distinct singular values, d_H <= d₀ and X Yᵀ
    of full rank. That it holds without is tested here (``tests/test_deep_linear.py``,
    ``tests/deep_linear_census.py``), not cited. Raises ``ValueError`` where the gradient is not zero.
    """
    if not is_critical(p):
        raise ValueError("only critical points have a kind")
    if is_global_minimum(p):
        return Kind.GLOBAL_MINIMUM
    small, _ = compressed(p)
    if small.R.rank() == small.least_width or not is_best_of_its_rank(small):
        return Kind.STRICT_SADDLE
    return Kind.NON_STRICT_SADDLE if is_tightened(small) else Kind.STRICT_SADDLE


# --- descent and ascent ------------------------------------------------------------------------------


def find_descent(p: DeepLinearProblem, radius: fmpq) -> DeepLinearProblem | None:
    """Weights within Euclidean distance ``radius`` at which L is lower, by construction; None iff p is a
    global minimum.

    Constructions for X of full row rank, to which ``compressed`` leads; whatever they give, L and the
    distance are evaluated exactly before it is returned.

    * ∇L ≠ 0: along −∇L, halving the step.
    * G = E Xᵀ ≠ 0, rank R < d_p: a path along which the product does not change leads to points where ∇L ≠ 0
      (``_off_the_saddle``). This works for every differentiable function of R.
    * G ≠ 0, rank R = d_p: the column space of R omits an eigendirection of Ŷ Ŷᵀ with a larger eigenvalue than
      one it holds, and is turned towards it (``_turned``).
    """
    if vanishes(p.G):  # R minimises ‖R X − Y‖² among all matrices
        return None
    small, c = compressed(p)
    back = left_inverse(c)
    room = radius / max(fmpq(1), sum((abs(e) for e in back.entries()), fmpq(0)))
    if not is_critical(small):
        lower = _along_the_gradient(small, small, room)
    elif small.R.rank() < small.least_width:
        lower = _off_the_saddle(small, room)
    else:
        lower = _turned(small, room)
    if lower is None:
        return None
    there = with_weights(p, p.weights[0] + (lower.weights[0] - small.weights[0]) * back, *lower.weights[1:])
    if there.loss < p.loss and distance(there, p) <= radius * radius:
        return there
    raise AssertionError("a lower point of the compressed problem is none of the problem")


def _along_the_gradient(
    p: DeepLinearProblem, origin: DeepLinearProblem, radius: fmpq
) -> DeepLinearProblem | None:
    """p − t ∇L(p), within ``radius`` of p, with a loss below that of ``origin``; ∇L(p) ≠ 0."""
    slopes = p.gradient()
    step = min(fmpq(1), radius / sum((abs(e) for g in slopes for e in g.entries()), fmpq(0)))
    limit = origin.loss
    for _ in range(4000):
        there = with_weights(p, *(w - g * step for w, g in zip(p.weights, slopes, strict=True)))
        if there.loss < limit:
            return there
        step = step / 4
    return None


def _off_the_saddle(p: DeepLinearProblem, radius: fmpq) -> DeepLinearProblem | None:
    """A lower point near a critical point with G ≠ 0 and rank R < d_p, X of full row rank.

    Let i >= 1 be the least index with ker B_i = 0 (B_H = I). For j < i there is 0 ≠ v_j in ker B_j, and
    W_j + s v_j z_{j−1}ᵀ leaves B_{j−1}, hence R, unchanged. With G z₀ ≠ 0 and z_j = v_j the leading
    coefficient in s of G A_{i−1}ᵀ is G z₀ v_{i−1}ᵀ ∏|v_j|² ≠ 0, so it vanishes for at most finitely many
    s. If i < H: B_i A_i = R has rank < d_i and B_i is injective, so uᵀA_i = 0 for some u ≠ 0, and W_H ↦
    (I + s a uᵀB_i⁺) W_H turns B_i into B_i + s a uᵀ and leaves R unchanged; ∂L/∂W_i = (B_i + s a uᵀ)ᵀ G
    A_{i−1}ᵀ is zero for at most one s if aᵀ G A_{i−1}ᵀ ≠ 0. One gradient step is then lower. (After
    Laurent & von Brecht 2018, Zhang 2019.)
    """
    depth, d, g = len(p.weights), p.widths, p.G
    above = [p.above(j) for j in range(depth + 1)]
    i = next(j for j in range(1, depth + 1) if above[j].rank() == d[j])
    column = next(j for j, row in enumerate(g.transpose().table()) if any(row))
    z = rows(identity(d[0]), [column]).transpose()
    pushes: list[fmpq_mat] = []
    for j in range(1, i):
        v = _first_column(null_space(above[j]))
        pushes.append(v * z.transpose())
        z = v
    size = sum((abs(e) for push in pushes for e in push.entries()), fmpq(1))
    s = radius / (4 * size)
    for _ in range(200):
        weights = [w + pushes[k] * s if k < len(pushes) else w for k, w in enumerate(p.weights)]
        at_i = with_weights(p, *weights)
        slope = g * at_i.below(i - 1).transpose()
        if not vanishes(slope):
            if i < depth:
                u = _first_column(null_space(at_i.below(i).transpose()))
                a = next(k for k, row in enumerate(slope.table()) if any(row))
                turn = (
                    rows(identity(d[-1]), [a]).transpose()
                    * u.transpose()
                    * left_inverse(above[i])
                    * weights[-1]
                )
                weights[-1] = weights[-1] + turn * (s / max(fmpq(1), sum(map(abs, turn.entries()), fmpq(0))))
            start = with_weights(p, *weights)
            if not is_critical(start):
                return _along_the_gradient(start, p, radius / 4)
        s = s * fmpq(2, 3)
    return None


def _first_column(basis: fmpq_mat) -> fmpq_mat:
    return rows(basis.transpose(), [0]).transpose()


def _turned(p: DeepLinearProblem, radius: fmpq) -> DeepLinearProblem | None:
    """A lower point near a critical point with rank R = d_p, if it is no global minimum; X of full row rank.

    Z = R X is a projection of Ŷ that commutes with S = Ŷ Ŷᵀ. If the largest eigenvalue of S on col(Z)^⊥,
    that of (Z − Ŷ)(Z − Ŷ)ᵀ, exceeds the least on col Z, the least positive one of Z Zᵀ, a rational c
    lies between; S − c takes a positive value at some rational v ⊥ col Z and a negative one at some u in
    col Z, found by diagonalising quadratic forms over Q. Turning B_p to (I + s v uᵀ) B_p with the best
    A_p for it lowers 2 L by s²(vᵀS v |u|² − |v|² uᵀS u) + O(s³), and both factors change by O(s).
    """
    at = p.widths.index(p.least_width)
    z = p.R * p.X
    fitted = p.Y * right_inverse(p.X) * p.X
    rest = fitted - z
    kept, left = eigenvalues(z * z.transpose())[p.least_width - 1], eigenvalues(rest * rest.transpose())[0]
    if at in (0, len(p.weights)) or not is_above(left, kept):
        return None
    c = _between(left, kept)
    shifted = fitted * fitted.transpose() - identity(p.widths[-1]) * c
    inside, outside = independent_columns(z), null_space(z.transpose())
    v = _positive_direction(outside.transpose() * shifted * outside)
    u = _positive_direction(-1 * (inside.transpose() * shifted * inside))
    if u is None or v is None:
        return None
    turn = outside * v * (inside * u).transpose()
    b, a = p.above(at), p.below(at)
    to_a, from_x = right_inverse(a), right_inverse(p.X)
    s = radius / (2 * sum(map(abs, turn.entries()), fmpq(1)))
    limit = p.loss
    for _ in range(4000):
        push = identity(p.widths[-1]) + turn * s
        there_b = push * b
        change = left_inverse(there_b) * (p.Y - there_b * a * p.X) * from_x
        first = p.weights[0] * (identity(p.widths[0]) + to_a * change)
        there = with_weights(p, first, *p.weights[1:-1], push * p.weights[-1])
        if there.loss < limit and distance(there, p) <= radius * radius:
            return there
        s = s / 2
    return None


def _between(above: Eigenvalue, below: Eigenvalue) -> fmpq:
    """A rational number between two distinct eigenvalues."""

    def between() -> fmpq | None:
        a, b = above.value, below.value
        c = (middle(a) + middle(b)) / 2
        return c if a > c and b < c else None

    found = climb(between, bits=tuple(64 << k for k in range(12)))
    assert found is not None
    return found


def _positive_direction(form: fmpq_mat) -> fmpq_mat | None:
    """x with xᵀ ``form`` x > 0, or None if there is none: Lagrange's diagonalisation over Q."""
    n = form.nrows()
    basis = [rows(identity(n), [k]).transpose() for k in range(n)]
    while basis:
        values = [(x.transpose() * form * x)[0, 0] for x in basis]
        for x, value in zip(basis, values, strict=True):
            if value > 0:
                return x
        k = next((k for k, value in enumerate(values) if value), None)
        if k is None:  # every value is 0: only products of two of them remain
            for i, x in enumerate(basis):
                for y in basis[:i]:
                    product = (x.transpose() * form * y)[0, 0]
                    if product:
                        return x + y * (1 if product > 0 else -1)
            return None
        pivot, value = basis.pop(k), values[k]
        basis = [x - pivot * ((pivot.transpose() * form * x)[0, 0] / value) for x in basis]
    return None


def find_ascent(p: DeepLinearProblem, radius: fmpq) -> DeepLinearProblem | None:
    """Weights within ``radius`` at which L is higher, by construction; None iff X = 0, where L is constant.

    Let j >= 1 be the least index with B_j ≠ 0. If j > 1 then B_{j−1} = 0, and W₁, …, W_{j−1} may be
    moved without any change of R = 0, to a point with A_{j−1} X ≠ 0. L is a convex quadratic function of
    W_j, which is not constant along an M with B_j M A_{j−1} X ≠ 0: it grows along M or along −M.
    """
    if vanishes(p.X):
        return None
    d = p.widths
    j = next(j for j in range(1, len(p.weights) + 1) if not vanishes(p.above(j)))
    column = next(k for k, row in enumerate(p.X.table()) if any(row))
    s = radius / (4 * len(p.weights))
    for _ in range(200):
        weights = list(p.weights)
        for k in range(j - 1):
            unit = zeros(d[k + 1], d[k])
            unit[0, column if k == 0 else 0] = s
            weights[k] = weights[k] + unit
        near = with_weights(p, *weights)
        seen = near.below(j - 1) * p.X
        if not vanishes(seen):
            row = next(k for k, r in enumerate(seen.table()) if any(r))
            a = next(k for k, r in enumerate(p.above(j).transpose().table()) if any(r))
            for step in (radius / 4, -radius / 4):
                weights[j - 1] = p.weights[j - 1] + _unit(d[j], d[j - 1], a, row, step)
                there = with_weights(p, *weights)
                if there.loss > p.loss and distance(there, p) <= radius * radius:
                    return there
        s = s * fmpq(2, 3)
    return None


def _unit(m: int, n: int, i: int, j: int, value: fmpq) -> fmpq_mat:
    unit = zeros(m, n)
    unit[i, j] = value
    return unit


# --- conclusions at minima ---------------------------------------------------------------------------


def at_critical_point(p: DeepLinearProblem, verdict: Verdict) -> Verdict:
    """``verdict`` where the gradient is exactly zero, vacuous elsewhere."""
    return verdict if is_critical(p) else vacuous("the point is not critical")


def at_local_minimum(p: DeepLinearProblem, verdict: Verdict) -> Verdict:
    """What ``verdict``, the conclusion at this point, says of "every local minimum of L has it".

    As ``verify.oracles.landscape.at_local_minimum``: where the conclusion fails, *refuted* if the point is a
    global minimum (Eckart and Young), *holds* if lower points are exhibited within every radius,
    *inconclusive* if neither is found, *vacuous* off critical points.
    """
    if not is_critical(p):
        return vacuous("the point is not critical")
    return where_minimal(
        verdict,
        certificate=lambda: (
            "2 L is the least value of the rank-constrained problem: a global minimum"
            if is_global_minimum(p)
            else None
        ),
        lower=lambda radius: find_descent(p, radius),
    )
