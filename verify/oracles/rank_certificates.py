"""Proofs that [F, 1] has rank N, the strongest first; and proofs that it has not.

    closed form   the units share a direction: a Cauchy determinant, or total positivity; any N, O(N log N)
    rationals     F is rational: the rank itself
    floats        ‖I − R E‖ < 1 with every rounding and every error of the entries bounded; N in the thousands
    balls         det E is enclosed away from zero, at rising precision; conditioning does not matter

No singular value is ever looked at: for units at random, sigmoids are so near to dependent that a threshold
calls N = 30 samples deficient (measured), although the rank is N. That [F, 1] has a rank below N is said only
by an exact rank, or by a structure that leaves no choice: equal rows, too few different columns, columns in
the span of too few monomials.

Source of the sentences this serves: Nguyen & Hein (2017), Section 4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement, pairwise
from typing import Any

import numpy as np
from flint import arb, arb_mat, ctx, fmpq, fmpq_mat
from numpy.typing import NDArray

from strategies.activations import ACTIVATIONS
from strategies.wide import Layers, Shape
from verify.claim import Rung
from verify.oracles.enclosed import climb, middle, sign

__all__ = [
    "BITS",
    "DEGREES",
    "FullRank",
    "activation_boxes",
    "arrays_of_layers",
    "arrays_of_ramps",
    "bordered_sign",
    "cauchy_determinant",
    "certify",
    "certify_in_balls",
    "certify_in_floats",
    "construct_full_rank",
    "determinant_sign",
    "find_full_rank_near",
    "rank_at_most",
    "rank_at_most_anywhere",
    "rank_at_most_on_ball",
    "with_ones",
]

Floats = NDArray[np.float64]
Number = fmpq | arb

BITS = (64, 128, 256, 512, 1024, 2048, 4096, 8192)
"""The precisions that ``certify_in_balls`` climbs."""

DEGREES = {"linear": 1, "square": 2, "quadratic": 2, "cube": 3}
"""The activations that are polynomials."""

_U = 2.0**-53
"""The largest relative error of one operation in float64."""
_TINY = 2.0**-198
"""More than what is lost where 2^−y counts as 0, from y = 200 on, and where products underflow."""


@dataclass(frozen=True)
class FullRank:
    """A proof that [F, 1] has rank N: which one, on which rung, and what it found on the way."""

    by: str
    rung: Rung
    sign: int | None = None
    """The sign of the determinant of [F, 1], where F has N − 1 columns and the proof gives it."""
    bits: int | None = None
    """The precision at which balls decided."""
    residual: float | None = None
    """A bound of ‖I − R E‖ in the maximum norm, everything included."""
    condition: float | None = None
    """A bound of ‖E‖ ‖E⁻¹‖ in the maximum norm, for the columns scaled by powers of two."""


def with_ones(f: Any) -> Any:
    """[F, 1]."""
    n, d = f.nrows(), f.ncols()
    rows = f.table() if n and d else [[] for _ in range(n)]
    return type(f)(n, d + 1, [e for row in rows for e in (*row, 1)])


# --- closed form -------------------------------------------------------------------------------------


def bordered_sign(activation: str, samples: Sequence[Number], units: Sequence[Number]) -> int | None:
    """The sign of det [A, 1], A_ij = σ(u_j − s_i), for the sigmoid, tanh and softplus; None: cannot.

    Let s_1 < … < s_N and u_1 < … < u_{N−1}; another order changes the sign by that of the permutations. Then
    det [A, 1] > 0, whatever the two have to do with each other: α₀ = 0 in Lemma 4.3.

    Sigmoid. With p_i = 2^{s_i} and c_j = 2^{u_j}, A_ij = c_j / (c_j + p_i). Take the N × N matrix of this
    form with one more c_N: it is a Cauchy matrix 1 / (p_i + c_j) with its columns multiplied by c_j, so that
    its determinant is Π c_j Π_{i<k} (p_k − p_i)(c_k − c_i) / Π (p_i + c_j). As c_N → ∞ its last column tends
    to 1, and c_N Π_{j<N} (c_N − c_j) / Π_i (c_N + p_i) → 1. Hence

        det [A, 1] = Π_j c_j Π_{i<k} (p_k − p_i) Π_{j<l} (c_l − c_j) / Π_{i,j} (p_i + c_j) > 0.

    Tanh. σ = 2 S(2 ·) − 1 with S the sigmoid: the border takes up the −1, and the determinant is 2^{N−1} that
    of S at (2 s, 2 u).

    Softplus. σ(y − x) = ∫ S(v − x) 1{v < y} dv, in bits as in nats (σ′ = S, σ(−∞) = 0). The determinant is
    linear in every column, so that it is the integral over v in R^{N−1} of D(v) Π 1{v_j < u_j}, D(v) = det
    [S(v_j − s_i), 1]; permuting v collects (Andréief) ∫ over v_1 < … < v_{N−1} of D(v) det [1{v_i < u_j}].
    There D > 0 by the first case, and the other determinant is that of a matrix whose rows are 0 … 0 1 … 1,
    decreasing in length: 0 or 1, and 1 on the open set of v_1 < u_1 < v_2 < u_2 < …. So the integral is > 0.

    All that is used is that the s_i are different and the u_j are: balls must not touch. N >= 1.
    """
    if activation not in ("sigmoid", "tanh", "softplus") or len(units) != len(samples) - 1:
        return None
    found = 1
    for numbers in (samples, units):
        order = sorted(range(len(numbers)), key=lambda i: middle(numbers[i]))
        if not all(numbers[i] < numbers[j] for i, j in pairwise(order)):
            return None
        found *= _parity(order)
    return found


def _parity(order: Sequence[int]) -> int:
    seen, parity = set(), 1
    for start in range(len(order)):
        at, length = start, 0
        while at not in seen:
            seen.add(at)
            at, length = order[at], length + 1
        if length and length % 2 == 0:
            parity = -parity
    return parity


def cauchy_determinant(samples: Sequence[fmpq | int], units: Sequence[fmpq | int]) -> fmpq:
    """det [A, 1] for the sigmoid in bits at whole arguments, by the product in ``bordered_sign``.

    The arguments are differences of units and samples: the first sample is taken off all of them. Raises
    ``ValueError`` where a difference is no integer.
    """
    p, c = ([fmpq(2) ** _whole(fmpq(e) - samples[0]) for e in numbers] for numbers in (samples, units))
    value = fmpq(1)
    for j, e in enumerate(c):
        value *= e
        for later in c[j + 1 :]:
            value *= later - e
        for other in p:
            value /= other + e
    for i, e in enumerate(p):
        for later in p[i + 1 :]:
            value *= later - e
    return value


def _whole(e: fmpq) -> int:
    if e.q != 1:
        raise ValueError(f"{e} is not an integer: the product is irrational")
    return int(e.p)


# --- floats ------------------------------------------------------------------------------------------


def certify_in_floats(middle: Floats, radius: Floats) -> FullRank | None:
    """Whether every N × N matrix in the box |E − ``middle``| <= ``radius`` has rank N; None: cannot.

    R is about the inverse of the middle M. If ‖I − R E‖_∞ < 1, R E and hence E are invertible. In row i

        Σ_j |I − R E|_ij <= Σ_j |I − fl(R M)|_ij + γ_N (|R| |M| 1)_i + (|R| radius 1)_i + underflow,

    γ_N = N u / (1 − N u) for products summed in any order, with fused operations or not. What is computed of
    the right side are sums of non-negative numbers with at most 3 N + 8 roundings each: the factor
    1 + 4 (N + 4) u covers them. Columns are scaled by powers of two first, which is exact.
    Source: Rump, Acta Numerica 19 (2010), Section 10.
    """
    n = len(middle)
    if not (np.isfinite(middle).all() and np.isfinite(radius).all()):
        return None
    largest = np.abs(middle).max(axis=0, initial=0.0)
    if not (largest > 0).all():
        return None
    shift = -np.frexp(largest)[1]
    e, r = np.ldexp(middle, shift), np.ldexp(radius, shift)
    try:
        inverse = np.linalg.inv(e)
    except np.linalg.LinAlgError:
        return None
    if not np.isfinite(inverse).all():
        return None
    product = inverse @ e
    product[np.diag_indices(n)] -= 1.0
    defect = np.abs(product, out=product).sum(axis=1)
    size = np.abs(inverse, out=inverse)
    absolute = np.abs(e, out=e).sum(axis=1)
    gamma = n * _U / (1 - n * _U)
    margin = size @ (gamma * 1.01 * absolute + r.sum(axis=1) + n * _TINY) + n * n * _TINY
    rounding = 1 + 4 * (n + 4) * _U
    residual = float((defect + margin).max(initial=0.0)) * rounding
    if not residual < 1:
        return None
    norm = float((size.sum(axis=1)).max(initial=0.0)) * float(absolute.max(initial=0.0)) * rounding**2
    return FullRank("floats", Rung.FLOAT, residual=residual, condition=norm * 1.01 / (1 - residual))


def _rounded_series() -> tuple[list[float], float]:
    with ctx.workprec(128):
        terms, power = [], arb(1)
        for k in range(14):
            terms.append(float(power.mid()))
            power = power * arb.const_log2() / (k + 1)
        return terms, float((2 / arb.const_log2()).mid())


_EXP2, _TWO_OVER_LN2 = _rounded_series()
"""(ln 2)^k / k! and 2 / ln 2, each with a relative error of at most 2 u."""
_ATANH = [1.0 / (2 * k + 1) for k in range(18)]


def _power(y: Floats) -> Floats:
    """2^−y for y in [0, 200], with a relative error of at most 64 u, and 0 beyond.

    Numbers that small only make LAPACK slow: their products and quotients are subnormal.

    y = n + f with |f| <= 1/2, exactly. Σ_{k<=13} (−f ln 2)^k / k! by Horner's rule: 26 roundings and 2 u in
    the coefficients, hence an error of at most 28.1 u Σ c_k |f|^k <= 28.1 u √2, where the value is at least
    1/√2. The remainder of the series is below 0.1 u; the product with 2^−n is exact.
    """
    near = np.minimum(y, 200.0)
    n = np.rint(near)
    f = n - near
    value = np.full_like(f, _EXP2[-1])
    for c in reversed(_EXP2[:-1]):
        value *= f
        value += c
    return np.where(y <= 200, np.ldexp(value, -n.astype(np.int32)), 0.0)


def _sigmoid_box(x: Floats, dx: Floats) -> tuple[Floats, Floats]:
    """1 / (1 + 2^−t) for |t − x| <= dx.

    q = 2^−|x| has the relative error 64 u + dx (2^δ − 1 <= δ on [0, 1]); 1 / (1 + q) and q / (1 + q) have
    derivatives of at most 1 in q, and two roundings of their own.
    """
    q = _power(np.abs(x))
    value = np.where(x >= 0, 1.0, q) / (1.0 + q)
    radius = 1.01 * (q * (66 * _U + dx) + 3 * _U * value) + _TINY
    return value, np.where(dx <= 1, radius, 1.0)


def _tanh_box(x: Floats, dx: Floats) -> tuple[Floats, Floats]:
    value, radius = _sigmoid_box(2 * x, 2 * dx)
    return 2 * value - 1, 2 * radius + 2 * _U


def _softplus_box(x: Floats, dx: Floats) -> tuple[Floats, Floats]:
    """log₂(1 + 2^t) = max(t, 0) + log₂(1 + q) for |t − x| <= dx, which is 1-Lipschitz in t.

    log₂(1 + q) = (2 / ln 2) Σ z^{2k+1} / (2k + 1), z = q / (2 + q) <= 1/3: up to k = 17 the remainder is
    below 0.01 u, Horner's rule on positive terms has a relative error of 36 u, and z, z² and the factors
    bring less than 12 u more. The error of q counts 1 / ln 2 < 1.45 times.
    """
    q = _power(np.abs(x))
    z = q / (2.0 + q)
    w = z * z
    series = np.full_like(w, _ATANH[-1])
    for c in reversed(_ATANH[:-1]):
        series *= w
        series += c
    tail = series * z * _TWO_OVER_LN2
    value = np.maximum(x, 0.0) + tail
    return value, 1.01 * (48 * _U * tail + 1.45 * 66 * _U * q + dx + _U * value) + _TINY


def _two_sigmoids_box(x: Floats, dx: Floats) -> tuple[Floats, Floats]:
    rounding = 1.01 * _U * (np.abs(x) + 6)
    (a, da), (b, db) = (_sigmoid_box(x + c, dx + rounding) for c in (-6.0, 6.0))
    return a + b, 1.01 * (da + db) + 3 * _U


def _any_box(activation: str) -> Callable[[Floats, Floats], tuple[Floats, Floats]]:
    """Every other activation: entry by entry, in balls."""

    def box(x: Floats, dx: Floats) -> tuple[Floats, Floats]:
        with ctx.workprec(80):
            ball = ACTIVATIONS[activation].ball
            ends = [ball(arb(a, b)) for a, b in zip(x.ravel().tolist(), dx.ravel().tolist(), strict=True)]
            value = np.array([float(e.mid()) for e in ends]).reshape(x.shape)
            radius = np.array([float(e.rad()) for e in ends]).reshape(x.shape)
        return value, 1.01 * (radius + 2 * _U * np.abs(value)) + _TINY

    return box


_BOXES = {
    "sigmoid": _sigmoid_box,
    "tanh": _tanh_box,
    "softplus": _softplus_box,
    "two sigmoids": _two_sigmoids_box,
}


def activation_boxes(activation: str, x: Floats, dx: Floats) -> tuple[Floats, Floats]:
    """σ(t) for all |t − x| <= dx: middle and radius, by + − × ÷ alone, which IEEE rounds correctly."""
    return _BOXES.get(activation, _any_box(activation))(x, dx)


def _boxes_of(a: fmpq_mat) -> tuple[Floats, Floats]:
    """The nearest doubles and how far they may be off: 0 where they are exact."""
    entries = a.entries()
    middle = np.array([float(e.p) / float(e.q) if e.q != 1 else float(e.p) for e in entries])
    off = [fmpq(*m.as_integer_ratio()) != e for m, e in zip(middle.tolist(), entries, strict=True)]
    radius = np.where(np.array(off, dtype=bool), 4 * _U * np.abs(middle) + _TINY, 0.0)
    shape = (a.nrows(), a.ncols())
    return middle.reshape(shape), radius.reshape(shape)


def arrays_of_ramps(activation: str, samples: Floats, units: Floats) -> tuple[Floats, Floats]:
    """[A, 1], A_ij = σ(u_j − s_i), for float64 s and u as they are: middle and radius of every entry."""
    x = units[None, :] - samples[:, None]
    value, radius = activation_boxes(activation, x, _U * np.abs(x))
    border = np.ones((len(samples), 1))
    return np.hstack([value, border]), np.hstack([radius, 0 * border])


def arrays_of_layers(layers: Layers) -> tuple[Floats, Floats]:
    """F_k in float64: middle and radius of every entry, layer by layer.

    For G = F W + b: |F| |δW| + |δF| |W| + |δF| |δW| + |δb| + γ_{n+2} (|F| |W| + |b|), each factor 1.01 for
    the roundings in the bound itself.
    """
    f, df = _boxes_of(layers.X)
    for stacked in layers.stack:
        w, dw = _boxes_of(stacked)
        n = len(w)
        f1, df1 = (np.hstack([a, np.full((len(a), 1), c)]) for a, c in ((f, 1.0), (df, 0.0)))
        g = f1 @ w
        absolute = np.abs(f1) @ np.abs(w)
        dg = np.abs(f1) @ dw + df1 @ np.abs(w) + df1 @ dw + (n + 3) * _U * absolute
        f, df = activation_boxes(layers.activation, g, 1.01 * dg + _TINY)
    return f, df


# --- balls -------------------------------------------------------------------------------------------


def certify_in_balls(build: Callable[[], arb_mat], *, bits: Sequence[int] = BITS) -> FullRank | None:
    """Whether the N × N matrix that ``build`` encloses has rank N: its determinant, at rising precision.

    ``build`` is called anew at every precision. None at the last: not decided, and no evidence against it.
    """

    def decide() -> FullRank | None:
        s = sign(build().det())
        return FullRank("balls", Rung.BALL, sign=s, bits=ctx.prec) if s else None

    return climb(decide, bits=bits)


def determinant_sign(layers: Layers, *, bits: Sequence[int] = BITS) -> int | None:
    """The sign of det [F_k, 1] for n_k = N − 1; 0 where it is exactly zero, None where balls cannot tell."""
    exact = layers.exact
    if exact is not None:
        return sign(with_ones(exact).det())
    found = certify_in_balls(lambda: with_ones(layers.in_balls()), bits=bits)
    return None if found is None else found.sign


# --- all of them -------------------------------------------------------------------------------------


def certify(layers: Layers, *, bits: Sequence[int] = BITS, skip: Sequence[str] = ()) -> FullRank | None:
    """The strongest proof at hand that [F_k, 1] has rank N; None where there is none.

    ``skip`` names proofs that are not to be tried. Where F_k has more than N − 1 columns, a pivoted
    elimination in float64 proposes N − 1 of them: one certified choice is enough.
    """
    n = layers.samples
    if layers.widths[-1] < n - 1:
        return None
    if "closed form" not in skip and (ridge := _ridge(layers)) is not None:
        samples, units, rung = ridge
        if (s := bordered_sign(layers.activation, samples, units)) is not None:
            return FullRank("closed form", rung, sign=s if layers.widths[-1] == n - 1 else None)
    exact = layers.exact
    if exact is not None:
        if "rationals" in skip:
            return None
        return FullRank("rationals", Rung.EXACT) if with_ones(exact).rank() == n else None
    middle, radius = arrays_of_layers(layers)
    for chosen in _choices(middle):
        border = np.ones((n, 1))
        if "floats" not in skip:
            box = np.hstack([middle[:, chosen], border]), np.hstack([radius[:, chosen], 0 * border])
            if (found := certify_in_floats(*box)) is not None:
                return found
    for chosen in _choices(middle):
        picked = layers.at((*layers.stack[:-1], _columns(layers.stack[-1], chosen)))
        if rank_at_most(picked)[0] < n or "balls" in skip:
            continue
        if (found := certify_in_balls(lambda: with_ones(picked.in_balls()), bits=bits)) is not None:
            return found
    return None


def _ridge(layers: Layers) -> tuple[list[Number], list[Number], Rung] | None:
    """(s, u) with F_k = σ(u_j − s_i) if all units of layer k have the same weights: s = −F_{k−1} w, u = b."""
    table = layers.stack[-1].table()
    if not table or not table[0] or any(e != row[0] for row in table[:-1] for e in row):
        return ([fmpq(0)], [], Rung.EXACT) if layers.samples == 1 else None
    units: list[Number] = list(dict.fromkeys(table[-1]))
    if len(units) < layers.samples - 1:
        return None
    column = fmpq_mat(len(table) - 1, 1, [row[0] for row in table[:-1]])
    below = layers.at(layers.stack[:-1])
    f: Any = below.exact if below.stack else layers.X
    rung = Rung.EXACT
    if f is None:
        with ctx.workprec(256):
            f, rung = below.in_balls(), Rung.BALL
            projected = f * arb_mat(column)
    else:
        projected = f * column
    return [-e for e in projected.entries()], units[: layers.samples - 1], rung


def _columns(a: fmpq_mat, chosen: Sequence[int]) -> fmpq_mat:
    return fmpq_mat(a.nrows(), len(chosen), [row[j] for row in a.table() for j in chosen])


def _choices(f: Floats) -> Iterator[list[int]]:
    """N − 1 columns that float64 thinks independent of each other and of 1, then the first and the last."""
    n, width = f.shape
    if width == n - 1:
        yield list(range(width))
        return
    from scipy.linalg import qr

    seen = []
    if np.isfinite(f).all():
        pivots = qr(f - f.mean(axis=0), mode="r", pivoting=True)[1]
        seen.append(sorted(int(j) for j in pivots[: n - 1]))
    seen += [list(range(n - 1)), list(range(width - n + 1, width))]
    for k, chosen in enumerate(seen):
        if chosen not in seen[:k]:
            yield chosen


# --- what cannot have rank N -------------------------------------------------------------------------


def _different_rows(a: fmpq_mat) -> int:
    return len({tuple(row) for row in a.table()}) if a.ncols() else min(a.nrows(), 1)


def rank_at_most(layers: Layers) -> tuple[int, str]:
    """An upper bound of rank [F_k, 1] at these parameters, with the reason; proven, and the rank if rational.

    Samples whose first pre-activations agree have equal rows in every layer. Units of layer k with the same
    weights and bias are equal columns, units without weights are multiples of 1.
    """
    bounds = [
        rank_at_most_anywhere(Shape(activation=layers.activation, X=layers.X, widths=layers.widths[1:]))
    ]
    if layers.stack:
        bounds.append((_different_rows(layers.preactivations), "samples with equal first pre-activations"))
        columns = {tuple(c) for c in layers.stack[-1].transpose().table()} if layers.widths[-1] else set()
        bounds.append(
            (1 + sum(any(c[:-1]) for c in columns), "units that are constant or equal to each other")
        )
    if layers.exact is not None:
        bounds.append((with_ones(layers.exact).rank(), "the exact rank"))
    return min(bounds, key=lambda b: b[0])


def rank_at_most_anywhere(shape: Shape) -> tuple[int, str]:
    """An upper bound of rank [F_k, 1] over all parameters, with the reason.

    n_k + 1 columns; as many rows as there are different samples; and for a polynomial σ of degree g, every
    column is a polynomial of degree g^k in x: the rank of all monomials up to that degree at X.
    """
    width = shape.widths[-1] if shape.widths else shape.X.ncols()
    bounds = [(width + 1, "columns"), (_different_rows(shape.X), "different samples")]
    degree = DEGREES.get(shape.activation)
    if degree is not None:
        bounds.append((_monomials(shape.X, min(degree ** len(shape.widths), 12)), "monomials of that degree"))
    return min(bounds, key=lambda b: b[0])


def _monomials(X: fmpq_mat, degree: int) -> int:
    """The rank of all monomials up to ``degree`` at the rows of X; degrees from N − 1 on add nothing."""
    d, n = X.ncols(), X.nrows()
    made = []
    for row in X.table():
        values = []
        for g in range(min(degree, n - 1) + 1):
            for chosen in combinations_with_replacement(range(d), g):
                value = fmpq(1)
                for j in chosen:
                    value *= row[j]
                values.append(value)
        made.append(values)
    return int(fmpq_mat(n, len(made[0]), [e for row in made for e in row]).rank())


def rank_at_most_on_ball(layers: Layers, radius: fmpq) -> tuple[int, str]:
    """An upper bound of rank [F_k, 1] over the whole ball (maximum norm) around the parameters.

    As ``rank_at_most_anywhere``; and "affine inside" is the identity where all pre-activations stay in
    [−1, 1]: then F_k is an affine function of x, and the rank is at most rank [X, 1].
    """
    shape = Shape(activation=layers.activation, X=layers.X, widths=layers.widths[1:])
    bounds = [rank_at_most_anywhere(shape)]
    if layers.activation == "affine inside":
        rows = [[abs(e) for e in row] for row in layers.X.table()]
        inside = True
        for w in layers.stack:
            size = [[abs(e) + radius for e in column] for column in w.transpose().table()]
            rows = [
                [
                    sum((a * b for a, b in zip(column, (*row, fmpq(1)), strict=True)), fmpq(0))
                    for column in size
                ]
                for row in rows
            ]
            inside = inside and all(e <= 1 for row in rows for e in row)
        if inside:
            bounds.append((with_ones(layers.X).rank(), "the network is affine in x on the whole ball"))
    return min(bounds, key=lambda b: b[0])


# --- parameters of full rank -------------------------------------------------------------------------


def construct_full_rank(
    shape: Shape, *, steps: int = 12, skip: Sequence[str] = ()
) -> tuple[Layers, FullRank] | None:
    """Lemma 4.3: rational parameters at which [F_k, 1] has rank N, with the proof; None: not found.

    The first unit of layer 1 projects to X a, distinct for a = (1, 7, 49, …) or a base that is larger; each
    later layer applies σ to it, so that t = σ(… σ(X a)) are distinct for an injective σ. Layer k has ramps
    σ(α (t_j − t) + β) at all t_j but the largest, with the offsets α t_j + β rounded to 2^−60 where they are
    irrational, and α = 1, 2, 4, … until a proof goes through; other units repeat the last. σ(β) must not be
    the limit at −∞; β = 0 and β = 1 are tried.
    """
    n, k, d = shape.X.nrows(), len(shape.widths), shape.X.ncols()
    if rank_at_most_anywhere(shape)[0] < n:
        return None
    a = _distinguishing(shape.X)
    below = []
    for l, width in enumerate(shape.widths[:-1]):
        w = fmpq_mat((d if l == 0 else shape.widths[l - 1]) + 1, width)
        for i in range(d if l == 0 else 1):
            w[i, 0] = a[i] if l == 0 else 1
        below.append(w)
    lower = Layers(activation=shape.activation, X=shape.X, stack=tuple(below))
    into = d if k == 1 else shape.widths[-2]
    direction = [*a] if k == 1 else [fmpq(1)] + [fmpq(0)] * (into - 1)
    column = fmpq_mat(into, 1, direction)
    exact = lower.exact
    if exact is not None:
        t = sorted((exact * column).entries())
    else:
        with ctx.workprec(160):
            enclosed = (lower.in_balls() * arb_mat(column)).entries()
        t = sorted(_rounded(e) for e in enclosed)
    for step in range(steps):
        for beta in (fmpq(0), fmpq(1)):
            alpha = fmpq(1 << step)
            offsets = [alpha * e + beta for e in t[:-1]]
            offsets += [offsets[-1] if offsets else beta] * (shape.widths[-1] - len(offsets))
            flat = [e for row in direction for e in [-alpha * row] * len(offsets)] + offsets
            last = fmpq_mat(into + 1, len(offsets), flat)
            made = lower.at((*below, last))
            found = certify(made, bits=BITS[:5], skip=skip)
            if found is not None:
                return made, found
    return None


def _rounded(ball: arb) -> fmpq:
    whole = middle(ball) * (1 << 60)
    return fmpq(int(whole.p) // int(whole.q), 1 << 60)


def _distinguishing(X: fmpq_mat) -> list[fmpq]:
    """(1, M, M², …) with all products with the rows different, as far as the rows are: M = 7, 14, …."""
    base = fmpq(7)
    while True:
        a = [base**j for j in range(X.ncols())]
        if _different_rows(X * fmpq_mat(len(a), 1, a)) == _different_rows(X):
            return a
        base *= 2


def find_full_rank_near(
    layers: Layers, radius: fmpq, *, tries: int = 4, skip: Sequence[str] = ()
) -> tuple[Layers, FullRank] | None:
    """Parameters within ``radius`` (maximum norm) at which [F_k, 1] has rank N, with the proof.

    The parameters themselves, then θ + radius v for fixed v with entries in (−1, 1) that have no structure.
    """
    for salt in range(tries + 1):
        moved = layers
        if salt:
            moved = layers.at(
                tuple(w + _scattered(w, salt * 16 + l) * radius for l, w in enumerate(layers.stack))
            )
        if rank_at_most(moved)[0] == layers.samples and (found := certify(moved, skip=skip)) is not None:
            return moved, found
    return None


def _scattered(w: fmpq_mat, salt: int) -> fmpq_mat:
    """Numbers k / 64, |k| < 64, of a linear congruence."""
    state, entries = 9176 + 7919 * salt, []
    for _ in range(w.nrows() * w.ncols()):
        state = (1103515245 * state + 12345) % (1 << 31)
        entries.append(fmpq((state >> 16) % 127 - 63, 64))
    return fmpq_mat(w.nrows(), w.ncols(), entries)
