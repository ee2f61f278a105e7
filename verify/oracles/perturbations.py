"""Singular values and vectors, and products, of matrices near given ones: Section 3.1 of Lu & Kawaguchi
(2017).

Where the decompositions are rational everything is decided over the rationals, by comparing squares. Singular
values of other matrices are square roots of the roots of a characteristic polynomial, isolated in balls with
their exact multiplicities. ‖·‖ without a subscript is the Frobenius norm.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, cast

from flint import acb, arb, arb_mat, fmpq, fmpq_mat

from strategies.matrices import columns, hstack, identity, null_space, vstack
from strategies.perturbations import (
    Decomposition,
    DecompositionPair,
    PerturbedDecomposition,
    PerturbedProduct,
    SplitPair,
)
from verify.claim import REFUTED, Rung, Verdict, all_of, decide, decide_at_most, inconclusive, vacuous

__all__ = [
    "decide_any_decomposition",
    "decide_given_decomposition",
    "decide_lift",
    "decide_one_factor",
    "decide_wedin",
    "eigenvalues",
    "lift",
    "operator_norm",
    "pseudo_inverse",
    "singular_values",
    "spectral_radius",
    "squared_norm",
    "wedin_gap",
    "wedin_numerators",
    "wedin_sines",
]


def squared_norm(a: fmpq_mat) -> fmpq:
    """‖a‖_F²."""
    return sum((e * e for e in a.entries()), fmpq(0))


def _roots(polynomial: Any) -> list[tuple[acb, int]]:
    """The complex roots in disjoint balls, real ones with imaginary part 0, with their exact
    multiplicities."""
    return cast(list[tuple[acb, int]], polynomial.complex_roots())


def _root(x: fmpq) -> arb:
    return arb(x).sqrt()


def eigenvalues(a: fmpq_mat) -> list[arb]:
    """The eigenvalues of a symmetric rational matrix in descending order, each as often as its multiplicity.

    Roots of the characteristic polynomial; distinct ones come in disjoint balls, rational zeros exactly.
    """
    n = a.nrows()
    if not n:
        return []
    numerator, denominator = a.numer_denom()
    found = [(root.real / arb(denominator), times) for root, times in _roots(numerator.charpoly())]
    found.sort(key=lambda pair: float(pair[0].mid()), reverse=True)
    return [root for root, times in found for _ in range(times)]


def singular_values(a: fmpq_mat) -> list[arb]:
    """σ₁ >= σ₂ >= …, min(m, n) of them, in balls; zeros are exact."""
    t = a.transpose()
    gram = a * t if a.nrows() <= a.ncols() else t * a
    return [value.sqrt() if value > 0 else arb(0) for value in eigenvalues(gram)]


def operator_norm(a: fmpq_mat) -> arb:
    """‖a‖₂ = σ₁(a), in a ball; 0 for a matrix without entries."""
    return singular_values(a)[0] if a.nrows() and a.ncols() else arb(0)


def spectral_radius(a: fmpq_mat) -> arb:
    """The largest modulus of an eigenvalue of a square matrix, in a ball."""
    numerator, denominator = a.numer_denom()
    largest = arb(0)
    for root, _ in _roots(numerator.charpoly()):
        largest = arb.max(largest, abs(root))
    return largest / arb(denominator)


def pseudo_inverse(a: fmpq_mat) -> fmpq_mat:
    """The Moore–Penrose inverse, from a full rank factorization a = B C: a⁺ = Cᵀ(C Cᵀ)⁻¹ (BᵀB)⁻¹Bᵀ."""
    m, n = a.nrows(), a.ncols()
    if not m or not n or not any(a.entries()):
        return fmpq_mat(n, m)
    reduced, rank = a.rref()
    table = reduced.table()[:rank]
    pivots = [next(j for j, e in enumerate(row) if e) for row in table]
    b = columns(a, pivots)
    c = fmpq_mat(rank, n, [e for row in table for e in row])
    bt, ct = b.transpose(), c.transpose()
    return ct * (c * ct).inv() * (bt * b).inv() * bt


# ----------------------------------------------------------------------------------------------------
# Wedin's theorem


def _heads(d: Decomposition, k: int) -> tuple[fmpq_mat, fmpq_mat]:
    return columns(d.U, range(k)), columns(d.V, range(k))


def wedin_gap(
    pair: SplitPair, *, values: str = "before", against: str = "after", sigma: str = "before"
) -> fmpq | None:
    """ρ = min(min_{i<=k, j} |σ_i − σ̄_{k+j}|, min_{i<=k} σ_i); None stands for the minimum of nothing.

    ``values``, ``against`` and ``sigma`` say whose σ_i and σ_{k+j} are taken (sigma="": no second minimum).
    """
    of = {"before": pair.before.values.entries(), "after": pair.after.values.entries()}
    gaps = [abs(s - t) for s in of[values][: pair.k] for t in of[against][pair.k :]]
    if sigma:
        gaps += of[sigma][: pair.k]
    return min(gaps) if gaps else None


def wedin_sines(pair: SplitPair) -> tuple[fmpq, fmpq]:
    """‖sin Θ(U₁, Ū₁)‖² and ‖sin Θ(V₁, V̄₁)‖², where ‖sin Θ(P, Q)‖² = ‖P‖² − ‖QᵀP‖² for orthonormal
    columns."""
    (u, v), (u_bar, v_bar) = _heads(pair.before, pair.k), _heads(pair.after, pair.k)
    return pair.k - squared_norm(u_bar.transpose() * u), pair.k - squared_norm(v_bar.transpose() * v)


def wedin_numerators(pair: SplitPair) -> tuple[fmpq_mat, fmpq_mat]:
    """(M̄ − M) V₁ and (M̄ − M)ᵀ U₁."""
    u, v = _heads(pair.before, pair.k)
    change = pair.after.matrix - pair.before.matrix
    return change * v, change.transpose() * u


def decide_wedin(
    pair: SplitPair,
    *,
    gap: Callable[[SplitPair], fmpq | None] = wedin_gap,
    left: Callable[[fmpq, fmpq], fmpq] = lambda s, t: s + t,
    right: Callable[[fmpq_mat, fmpq_mat], fmpq | arb] = lambda a, b: squared_norm(a) + squared_norm(b),
) -> Verdict:
    """√(‖sin Θ(U₁, Ū₁)‖² + ‖sin Θ(V₁, V̄₁)‖²) <= √(‖(M̄−M)V₁‖² + ‖(M̄−M)ᵀU₁‖²) / ρ, decided on the squares.

    ρ = None (the minimum of nothing is +∞) makes the right side 0. With rational decompositions all is exact.
    Source: Wedin (1972); Stewart & Sun (1990), Theorem V.4.1.
    """
    rho = gap(pair)
    if rho == 0:
        return vacuous("ρ = 0")
    sines = left(*wedin_sines(pair))
    bound = fmpq(0) if rho is None else right(*wedin_numerators(pair)) / (rho * rho)
    return decide_at_most(sines, bound, named=("sines squared", "bound squared"))


# ----------------------------------------------------------------------------------------------------
# Distances between decompositions


def _gap(values: Sequence[fmpq], with_zero: bool) -> fmpq:
    """The least positive difference of two of the values; 0 and the least positive value count where
    asked."""
    distinct = sorted({*values, fmpq(0)} if with_zero else {*values})
    gaps = [b - a for a, b in pairwise(distinct)]
    gaps += [v for v in distinct if v][:1]
    return min(gaps) if gaps else fmpq(1)


def _obstruction(ray: PerturbedDecomposition) -> tuple[fmpq, str] | None:
    """The largest c such that every decomposition of M̄ + t D is c / (2 √2 ‖D‖₂) away, for all small t >
    0."""
    given, d = ray.given, ray.D
    m, n, values = given.U.nrows(), given.V.nrows(), given.values.entries()
    small, r = min(m, n), given.rank
    k = given.U.transpose() * d * given.V
    found: list[tuple[fmpq, str]] = []
    for i in range(small):
        for j in range(i):
            if values[i] == values[j] > 0:
                found.append((abs(k[i, j] + k[j, i]), f"columns {j + 1}, {i + 1} of the same singular value"))
    if r < small:
        zero = [i for i in range(small) if values[i] == 0]
        for i in [*zero, *range(small, m)]:
            for j in [*zero, *range(small, n)]:
                if i != j:
                    found.append((abs(k[i, j]), f"columns {i + 1}, {j + 1} of the singular value 0"))
                elif k[i, j] < 0:
                    found.append(
                        (-k[i, j], f"column {i + 1} of the singular value 0 would have to change sign")
                    )
    worst = max(found, key=lambda pair: pair[0], default=None)
    return worst if worst is not None and worst[0] > 0 else None


def decide_given_decomposition(ray: PerturbedDecomposition, *, modulus: fmpq | int = 4) -> Verdict:
    """Whether M = M̄ + t D has a decomposition near the *given* one, Ū Σ̄ V̄ᵀ of M̄, for all small t > 0.

    *Refuted* by first-order perturbation theory, without any tolerance. Let u_i, v_i be singular vectors of
    M̄ + t D, t > 0, σ̄ the common value of the columns i ≠ j, and x_i = (u_i, v_i), J = (0 D; Dᵀ 0), so that
    t x̄_iᵀ J x_j = (σ_j − σ̄) x̄_iᵀ x_j. By Weyl |σ_j − σ̄| <= t ‖D‖₂, and x̄_iᵀ x̄_j = 0: if x_j is within η
    of x̄_j, |x̄_iᵀ J x̄_j| <= ‖D‖₂ (‖x̄_i‖ + ‖x̄_i‖) η. With the scaling ‖x̄_i‖² = 2 this gives η >= |ū_iᵀ D
    v̄_j + ū_jᵀ D v̄_i| / (2 √2 ‖D‖₂), at every t. For σ̄ = 0 the same holds with u and v apart: t ū_iᵀ D v_j
    = σ_j ū_iᵀ u_j, hence |ū_iᵀ D v̄_j| <= 2 ‖D‖₂ η, and ū_jᵀ D v̄_j < 0 excludes η < |ū_jᵀ D v̄_j| / ‖D‖₂.
    The margin is the smallest of these bounds, |·| / (2 √2 ‖D‖₂).

    *Holds* where the positive values of M̄ are simple, min(m, n) or rank(M) of them, and the decomposition of
    M by spectral projectors, enclosed in balls, lies within the modulus that Davis and Kahan give: √(‖u_i −
    ū_i‖² + ‖v_i − v̄_i‖²) <= 4 ε ‖D‖ / gap for ε ‖D‖ <= gap / 2, where gap is the least distance of a
    positive σ̄_i from the other values and from 0. The remaining columns span the complements, and their
    nearest bases are within √(2 r) times that (``modulus``: another number for 4). Anything else is
    inconclusive.
    """
    if ray.given.U.nrows() < ray.given.V.nrows():
        ray = ray.transpose()
    given, size = ray.given, squared_norm(ray.D)
    obstacle = _obstruction(ray)
    if obstacle is not None:
        away = arb(obstacle[0]) / (2 * arb(2).sqrt() * operator_norm(ray.D))
        return Verdict(
            REFUTED, Rung.EXACT, away.lower(), {"least distance": away, "obstacle": obstacle[0]},
            f"For all small t > 0 every decomposition of M + t D is {away.str(6, radius=False)} or more "
            f"away from the given one: {obstacle[1]}.",
        )  # fmt: skip
    values, r = given.values.entries(), given.rank
    m_now = ray.perturbed
    positive = [i for i, v in enumerate(values) if v > 0]
    if len({values[i] for i in positive}) < r:
        return inconclusive("a repeated singular value, and D has no first-order effect on its space")
    if m_now.rank() != r:
        return inconclusive("the rank changes along the given null vectors")
    gap = _gap([values[i] for i in positive], False)
    if size * ray.epsilon * ray.epsilon * 4 > gap * gap:
        return vacuous("the perturbation is larger than half the gap")
    bound = ray.epsilon * ray.epsilon * size * modulus * modulus / (gap * gap)
    worst, heads = _projected(ray, positive)
    if worst is None:
        return inconclusive("the singular values of M could not be separated")
    verdicts = [decide_at_most(worst, bound, named=("distance squared", "modulus squared"))]
    for bar, now in heads:
        if bar.ncols():
            inside = bar.transpose() * now
            far = sum((e * e for e in inside.entries()), arb(0)) * 2
            verdicts.append(decide_at_most(far, bound * 2 * r, named=("distance squared", "modulus squared")))
    return all_of(*verdicts)


def _projected(
    ray: PerturbedDecomposition, positive: Sequence[int]
) -> tuple[arb | None, list[tuple[arb_mat, arb_mat]]]:
    """The largest ‖u_i − ū_i‖² + ‖v_i − v̄_i‖², and the given other columns with the columns u_i (v_i) of
    M."""
    given, m_now = ray.given, ray.perturbed
    a = m_now.transpose() * m_now
    found = eigenvalues(a)
    order = sorted(positive, key=lambda i: given.values.entries()[i], reverse=True)
    a_ball, m_ball = arb_mat(a), arb_mat(m_now)
    n = a.nrows()
    eye = arb_mat(identity(n))
    worst = arb(0)
    us, vs = [], []
    for place, i in enumerate(order):
        projected = arb_mat(columns(given.V, [i]))
        for j, other in enumerate(found):
            if j != place and (j == 0 or other is not found[j - 1]):
                difference = found[place] - other
                if difference.contains(0):
                    return None, []
                projected = (a_ball - eye * other) * projected * (1 / difference)
        length = sum((e * e for e in projected.entries()), arb(0)).sqrt()
        v = projected * (1 / length)
        u = m_ball * v * (1 / found[place].sqrt())
        du, dv = u - arb_mat(columns(given.U, [i])), v - arb_mat(columns(given.V, [i]))
        worst = arb.max(worst, sum((e * e for e in [*du.entries(), *dv.entries()]), arb(0)))
        us.append(u)
        vs.append(v)
    heads = []
    for bar, now in ((given.U, us), (given.V, vs)):
        others = [j for j in range(bar.nrows()) if j not in positive]
        joined = arb_mat(bar.nrows(), len(now), [c[k, 0] for k in range(bar.nrows()) for c in now])
        heads.append((arb_mat(columns(bar, others)), joined))
    return worst, heads


def decide_any_decomposition(
    pair: DecompositionPair, *, given: bool = False, jointly: bool = False, factor: fmpq | int = 8
) -> Verdict:
    """Whether the decomposition ``after`` of M lies within 8 ‖M − M̄‖ / gap of *some* decomposition of M̄.

    The decompositions of M̄ are (Ū Z, Σ̄, V̄ Z') with orthogonal Z, Z' that act on the columns of one
    singular value: Z = Z' for a positive value, independent for 0. For orthonormal columns x (of M) and x̄
    (of M̄) of one value the nearest x̄ Z has ‖x − x̄ Z‖² = 2 Σ (1 − s_k) with s_k the singular values of
    x̄ᵀx, which lies between n − ‖x̄ᵀx‖² and twice that: two rational bounds. For a positive value x = (u,
    v)/√2. Davis and Kahan: n − ‖x̄ᵀx‖² <= ‖(M − M̄) x‖² / (gap − ‖M − M̄‖)², where gap is the least
    difference of singular values of M̄, 0 included. Summed over the values, with null columns being
    complements of the others, the squared distance is at most 64 ‖M − M̄‖² / gap² as soon as ‖M − M̄‖ <= gap
    / 2.

    ``given``: Z = Z' = I instead (the given decomposition, up to nothing). ``jointly``: Z = Z' for 0 as well.
    """
    before, after = pair.before, pair.after
    change = squared_norm(after.matrix - before.matrix)
    values = before.values.entries()
    gap = _gap(values, True)
    if 4 * change > gap * gap:
        return vacuous("M is farther from M̄ than half the gap of singular values")
    m, n = before.U.nrows(), before.V.nrows()
    low = high = fmpq(0)
    for value in {*values, fmpq(0)}:
        left, right = (
            [j for j in range(s) if (values[j] if j < len(values) else fmpq(0)) == value] for s in (m, n)
        )
        u = columns(before.U, left).transpose() * columns(after.U, left) if left else fmpq_mat(0, 0)
        v = columns(before.V, right).transpose() * columns(after.V, right) if right else fmpq_mat(0, 0)
        if given:
            exact = sum((2 - 2 * k[i, i] for k in (u, v) for i in range(k.nrows())), fmpq(0))
            low, high = low + exact, high + exact
            continue
        joint = value > 0 or (jointly and len(left) == len(right))
        parts = [((u + v) / 2, 2)] if joint else [(u, 1), (v, 1)]
        for k, times in parts:
            deficit = k.nrows() - squared_norm(k)
            low, high = low + times * deficit, high + 2 * times * deficit
    bound = change * factor * factor / (gap * gap)
    if low > bound or high <= bound:
        return decide_at_most(
            low if low > bound else high, bound, named=("distance squared", "modulus squared")
        )
    return inconclusive("the distance is known within a factor √2 only", least=low, most=high, modulus=bound)


# ----------------------------------------------------------------------------------------------------
# Products


def lift(near: PerturbedProduct, changed: str = "both") -> tuple[fmpq_mat, ...] | None:
    """Weights with product exactly R of which only the first and the last differ from W̄, or None.

    For rank(R) = rank(R̄) = d_p, with B = B_p injective and A = A_p surjective: B' = R A⁺ and A' = B'⁺ R have
    B' A' = R, because col B' = col R. W_H' = (I + (B' − B) B⁺) W̄_H and W₁' = W̄₁ (I + A⁺ (A' − A)). For p =
    0 (p = H) this changes W_H (W₁) only. changed="last" or "first": one weight alone, by least squares.
    """
    bar, widths = near.product, near.widths
    h, weights = len(near.weights), list(near.weights)
    if changed != "both":
        if changed == "last":
            rest = near.below(h - 1)
            weights[-1] = weights[-1] + near.change * pseudo_inverse(rest)
        else:
            weights[0] = weights[0] + pseudo_inverse(near.above(1)) * near.change
        return (
            tuple(weights) if PerturbedProduct(weights=tuple(weights), R=near.R).product == near.R else None
        )
    least = min(widths)
    if bar.rank() != least or near.R.rank() != least:
        return None
    p = widths.index(least)
    if h == 1:
        return (near.R,)
    b, a = near.above(p), near.below(p)
    b_new = near.R * pseudo_inverse(a) if p < h else b
    if b_new.rank() < least:
        return None
    a_new = pseudo_inverse(b_new) * near.R
    weights[-1] = weights[-1] + (b_new - b) * pseudo_inverse(b) * weights[-1] if p < h else weights[-1]
    weights[0] = weights[0] + weights[0] * pseudo_inverse(a) * (a_new - a) if p > 0 else weights[0]
    return tuple(weights) if PerturbedProduct(weights=tuple(weights), R=near.R).product == near.R else None


def _never_reached(near: PerturbedProduct) -> tuple[arb, str] | None:
    """A bound c > 0 such that R̄ + t (R − R̄), t > 0, is no product unless some B_j or A_j moves by c; or
    None."""
    bar, change = near.product, near.change
    for flip in (False, True):
        kernel = null_space(bar.transpose() if flip else bar)
        image = (change.transpose() if flip else change) * kernel
        for j in range(len(near.weights) + 1):
            b = near.below(j).transpose() if flip else near.above(j)
            if not b.ncols() or b.rank() < b.ncols():
                continue  # not injective: its image can turn at no cost
            rest = image - b * pseudo_inverse(b) * image
            for k in range(image.ncols()):
                off = squared_norm(columns(rest, [k]))
                if off:
                    sine = _root(off / squared_norm(columns(image, [k])))
                    least = singular_values(b)[-1]
                    name = f"A_{j}" if flip else f"B_{j}"
                    return sine * least / (1 + sine), f"{'row' if flip else 'column'} space of {name}"
    return None


def decide_lift(near: PerturbedProduct, *, premise: str = "rank") -> Verdict:
    """Theorem 3.1: R near R̄ with rank(R) <= d_p is a product of weights near W̄.

    *Holds* by the weights of ``lift``, whose product is R exactly and which satisfy
    ‖W_i − W̄_i‖ <= 2 ‖A⁺‖ ‖B⁺‖ ‖W̄_i‖ ‖R − R̄‖ as soon as ‖A⁺‖ ‖B⁺‖ ‖R − R̄‖ <= 1/2. For ‖B' − B‖ <= ‖R − R̄‖
    ‖A⁺‖, A' − A = B'⁺ (R − R̄)(I − A⁺A) and ‖B'⁺‖₂ <= 2 ‖B⁺‖₂.

    *Refuted* for the whole ray R̄ + t (R − R̄), t > 0, where an injective B_j = W̄_H ⋯ W̄_{j+1} cannot
    follow: R̄ x = 0 and (R − R̄) x ∉ col B_j. Every product B_j' A_j' = R̄ + t (R − R̄) has t (R − R̄) x in
    col B_j', so that ‖B_j' − B_j‖₂ >= s (σ_min(B_j) − ‖B_j' − B_j‖₂), with s > 0 the sine of the angle
    between (R − R̄) x and col B_j: ‖B_j' − B_j‖₂ >= s σ_min / (1 + s), whatever t is. The same for rows. And
    where rank(R) > d_p.

    ``premise``: "rank" asks for rank(R̄) = d_p; "layers" for full rank of each W̄_i; "deficient" for rank(R̄)
    < d_p.
    """
    bar, least = near.product, min(near.widths)
    if bar == near.R:
        return vacuous("R = R̄")
    if premise == "layers" and any(w.rank() < min(w.nrows(), w.ncols()) for w in near.weights):
        return vacuous("a layer is not of full rank")
    if premise == "rank" and bar.rank() < least:
        return vacuous("rank(R̄) < d_p")
    if premise == "deficient" and bar.rank() == least:
        return vacuous("rank(R̄) = d_p")
    if near.R.rank() > least:
        return decide(
            False,
            why="The rank of R exceeds the least width.",
            values={"rank(R)": near.R.rank(), "d_p": least},
        )
    if bar.rank() < least:
        if bar.rank() + near.change.rank() > least:
            return vacuous("the ray R̄ + t (R − R̄) leaves the matrices of rank d_p")
        obstacle = _never_reached(near)
        if obstacle is None:
            return inconclusive("no obstacle found, and no lift is known for rank(R̄) < d_p")
        return Verdict(
            REFUTED, Rung.EXACT, obstacle[0].lower(), {"least change": obstacle[0]},
            f"R + t C, t > 0, is no product unless the {obstacle[1]} turns: it must change by "
            f"{obstacle[0].str(6, radius=False)}, however small t is.",
        )  # fmt: skip
    p = near.widths.index(least)
    a_size, b_size = (squared_norm(pseudo_inverse(f)) for f in (near.below(p), near.above(p)))
    change = squared_norm(near.change)
    if 4 * a_size * b_size * change > 1:
        return vacuous("R is too far from R̄")
    found = lift(near)
    if found is None:
        return decide(False, why="The lift has another product.")
    excess = max(
        squared_norm(w - bar_w) - 4 * a_size * b_size * squared_norm(bar_w) * change
        if len(near.weights) > 1
        else squared_norm(w - bar_w) - change
        for w, bar_w in zip(found, near.weights, strict=True)
    )
    return decide_at_most(excess, fmpq(0), named=("change of a weight beyond its bound", "0"))


def decide_one_factor(near: PerturbedProduct) -> Verdict:
    """For H = 2: R = W̄₂ W₁ or R = W₂ W̄₁ for some W₁, W₂ at all (near or not): rank[W̄₂ | R] or rank[W̄₁; R]
    is kept."""
    first, second = near.weights
    fits = (hstack(second, near.R).rank() == second.rank(), vstack(first, near.R).rank() == first.rank())
    return decide(
        any(fits),
        why="R has columns outside col W2 and rows outside row W1, so that neither factor can be kept.",
        values={"rank[W2 R] - rank W2": hstack(second, near.R).rank() - second.rank(),
                "rank[W1; R] - rank W1": vstack(first, near.R).rank() - first.rank()},
    )  # fmt: skip
