"""Decisions by ball arithmetic: certain, or "cannot", never a guess; and interval Newton.

A ball (``arb``) stands for every real number in it. A comparison of balls is true only when it is true of all
of them; a NaN ball makes every comparison false, so that NaN always ends as "cannot" (None).
The functions work at the precision that is set; ``climb`` raises it and puts it back.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from flint import arb, arb_mat, ctx, fmpq, fmpq_mat

__all__ = [
    "CriticalPoint",
    "climb",
    "is_positive_definite",
    "middle",
    "middles",
    "prove_critical_point",
    "sign",
]

T = TypeVar("T")
Number = fmpq | arb
Gradient = Callable[[list[arb]], Sequence[Number]]
Hessian = Callable[[list[arb]], Sequence[Sequence[Number]]]


def climb(decide: Callable[[], T | None], *, bits: Sequence[int] = (64, 128, 256, 512, 1024)) -> T | None:
    """The first answer of ``decide`` that is not None, at rising working precisions; None if all are.

    ``decide`` must build its balls anew each time: a ball made at 64 bits stays as wide as it is.
    The precision is put back afterwards, also after an exception.
    """
    for precision in bits:
        with ctx.workprec(precision):
            answer = decide()
        if answer is not None:
            return answer
    return None


def sign(value: Number) -> int | None:
    """−1, 0 or 1 where the sign is certain, None where the ball straddles zero or is NaN."""
    return 1 if value > 0 else -1 if value < 0 else 0 if value == 0 else None


def middle(value: Number) -> fmpq:
    """The midpoint of a ball, exactly; a rational is its own. For proposals only: it proves nothing."""
    if isinstance(value, fmpq):
        return value
    mantissa, exponent = value.mid().man_exp()
    return fmpq(mantissa) * (fmpq(2) ** int(exponent))


def middles(a: fmpq_mat | arb_mat) -> fmpq_mat:
    """The midpoints of a matrix of balls; a rational matrix is its own."""
    if isinstance(a, fmpq_mat):
        return a
    return fmpq_mat(a.nrows(), a.ncols(), [middle(e) for e in a.entries()])


def is_positive_definite(a: Sequence[Sequence[Number]]) -> bool | None:
    """Whether every symmetric matrix in the balls is positive definite: True; False: none is; None: cannot.

    L D Lᵀ with the largest certainly positive diagonal entry as the next pivot. A matrix is positive definite
    iff a pivot and the Schur complement of it are; hence a diagonal entry that is certainly <= 0 in a Schur
    complement excludes it, as does a minor of order 2 that is < 0 where no pivot is left. Rational matrices
    are always decided; the 0 × 0 matrix is positive definite.
    Raises ``ValueError`` if the matrix is not square or certainly not symmetric.
    """
    n = len(a)
    if any(len(row) != n for row in a):
        raise ValueError(f"the matrix has {n} rows of lengths {[len(row) for row in a]}")
    s = [list(row) for row in a]
    for i in range(n):
        for j in range(i):
            if s[i][j] != s[j][i]:
                raise ValueError(f"not symmetric: the entries {i}, {j} and back are {s[i][j]} and {s[j][i]}")
    left = list(range(n))
    while left:
        if any(s[i][i] <= 0 for i in left):
            return False
        positive = [i for i in left if s[i][i] > 0]
        if not positive:
            pairs = [(i, j) for i in left for j in left if j < i]
            indefinite = any(s[i][i] * s[j][j] - s[i][j] * s[i][j] < 0 for i, j in pairs)
            return False if indefinite else None
        k = max(positive, key=lambda i: float(arb(s[i][i]).mid()))
        left.remove(k)
        for i in left:
            factor = s[i][k] / s[k][k]
            for j in left:
                if j <= i:
                    s[i][j] = s[j][i] = s[i][j] - factor * s[k][j]
    return True


@dataclass(frozen=True)
class CriticalPoint:
    """Exactly one zero of the gradient lies in ``box``; it lies in ``point`` as well."""

    box: list[arb]
    """x + B t for |t_i| <= radius, coordinate by coordinate."""
    point: list[arb]
    """The image of the box under the Krawczyk operator: a narrower enclosure of the same zero."""
    radius: float
    """The half-width of the box in t."""
    positive_definite: bool | None
    """Whether Bᵀ∇²f B is positive definite on the whole box: the zero is then a strict minimum on x + B t."""


def prove_critical_point(
    gradient: Gradient,
    hessian: Hessian,
    x: Sequence[float],
    *,
    slice: np.ndarray | fmpq_mat | None = None,
    radius: float | None = None,
    bits: int = 128,
) -> CriticalPoint | None:
    """A box that holds the float point x and in which ∇f provably has exactly one zero, or None: cannot.

    Krawczyk's operator on the box T = c + [−r, r]^k: K(T) = c − C g(c) + (I − C g'(T)) (T − c), with C close
    to the inverse of g'(c). If K(T) lies in the interior of T, g has exactly one zero in T, and it lies in
    K(T). The centre c is x after Newton's steps; r is at least twice |C g(c)| and twice |c − x|, so that the
    box holds x, and otherwise 2^-40, 2^-70 or 2^-100, the first that succeeds; or ``radius`` alone,
    if that box holds x.
    ``gradient`` and ``hessian`` take n balls and return n and n × n enclosures.

    With ``slice``, an n × k basis B, everything happens on x + B t: g(t) = Bᵀ∇f(x + B t). This is for
    functions whose symmetries make the full Hessian singular. The caller must then show that at every point
    of the box the columns of B and the directions of the symmetry together span the whole space. Along those
    directions f is constant and ∇f has no component; hence Bᵀ∇f = 0 implies ∇f = 0, and the slice moved by
    the symmetry covers a neighbourhood, so that a minimum on the slice is one of f.

    Points with NaN or infinities give None. Raises ``ValueError`` for a basis of the wrong shape.
    Source: Krawczyk (1969); Rump, Acta Numerica 19 (2010), Theorem 13.2.
    """
    n = len(x)
    if not all(math.isfinite(e) for e in x):
        return None
    with ctx.workprec(bits):
        basis = _basis(slice, n)
        k = n if basis is None else basis.ncols()
        origin = [arb(float(e)) for e in x]

        def at(t: list[arb]) -> list[arb]:
            return [o + e for o, e in zip(origin, _apply(basis, t), strict=True)]

        def g(t: list[arb]) -> arb_mat:
            full = arb_mat(n, 1, [arb(e) for e in gradient(at(t))])
            return full if basis is None else basis.transpose() * full

        def dg(t: list[arb]) -> arb_mat:
            full = arb_mat(n, n, [arb(e) for row in hessian(at(t)) for e in row])
            return full if basis is None else basis.transpose() * full * basis

        middle = [arb(0)] * k
        for _ in range(4):
            inverse = _float_inverse(dg(middle))
            if inverse is None:
                return None
            correction = (inverse * g(middle)).entries()
            if not all(e.is_finite() for e in correction):
                return None
            middle = [(t - e).mid() for t, e in zip(middle, correction, strict=True)]
        inverse = _float_inverse(dg(middle))
        if inverse is None:
            return None
        newton = (inverse * g(middle)).entries()
        error = max((float(abs(e).upper()) for e in newton), default=0.0)
        if not math.isfinite(error):
            return None
        moved_by = max((float(abs(t).upper()) for t in middle), default=0.0)
        if radius is not None and not moved_by <= radius:
            return None
        least = 2 * max(error, moved_by)
        radii = [max(least, 2.0**-e) for e in (40, 70, 100)] if radius is None else [radius]
        identity = arb_mat(k, k, [int(i == j) for i in range(k) for j in range(k)])
        for r in dict.fromkeys(radii):
            around = [arb(0, r)] * k
            box = [t + d for t, d in zip(middle, around, strict=True)]
            derivative = dg(box)
            image = (identity - inverse * derivative) * arb_mat(k, 1, around)
            moved = [t - e + s for t, e, s in zip(middle, newton, image.entries(), strict=True)]
            if all(old.contains_interior(new) for old, new in zip(box, moved, strict=True)):
                definite = is_positive_definite(_symmetric(derivative))
                return CriticalPoint(box=at(box), point=at(moved), radius=r, positive_definite=definite)
        return None


def _basis(slice: np.ndarray | fmpq_mat | None, n: int) -> arb_mat | None:
    if slice is None:
        return None
    table = slice.table() if isinstance(slice, fmpq_mat) else np.asarray(slice, dtype=np.float64).tolist()
    if len(table) != n or any(not isinstance(row, list) for row in table):
        raise ValueError(f"the basis of the slice has {len(table)} rows for {n} coordinates")
    return arb_mat(n, len(table[0]) if n else 0, [arb(e) for row in table for e in row])


def _apply(basis: arb_mat | None, t: list[arb]) -> list[arb]:
    return t if basis is None else list((basis * arb_mat(len(t), 1, t)).entries())


def _symmetric(a: arb_mat) -> list[list[arb]]:
    """The upper triangle twice: both triangles enclose the same symmetric matrices."""
    table = a.table() if a.nrows() else []
    return [[table[min(i, j)][max(i, j)] for j in range(len(table))] for i in range(len(table))]


def _float_inverse(a: arb_mat) -> arb_mat | None:
    """Roughly the inverse of the midpoint, in float64; None if there is none. It need not be exact."""
    k = a.nrows()
    middle = np.array([float(e.mid()) for e in a.entries()], dtype=np.float64).reshape(k, k)
    if not np.isfinite(middle).all():
        return None
    try:
        inverse = np.linalg.inv(middle)
    except np.linalg.LinAlgError:
        return None
    return arb_mat(k, k, inverse.ravel().tolist()) if np.isfinite(inverse).all() else None
