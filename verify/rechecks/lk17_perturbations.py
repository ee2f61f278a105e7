"""Rechecks of ``verify/test_lk17_perturbations.py``: Section 3.1 of Lu & Kawaguchi (2017)."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

from verify.rechecks.deep_linear import above, below, product, widths
from verify.rechecks.irrational import exceeds, root
from verify.rechecks.linear_algebra import (
    beside,
    dot,
    identity,
    is_zero,
    matrix,
    minus,
    null_vectors,
    plus,
    rank,
    scaled,
    solution,
    squares,
    times,
    turned,
)
from verify.rechecks.spectra import characteristic, eigenvalues, singular_values, spectral_norm


def change_of(near):
    """M and the difference ε D."""
    return matrix(near["M"]), scaled(Fraction(near["epsilon"]), matrix(near["D"]))


def a_singular_value_moves_by_more(instance: dict[str, Any], bound: str) -> bool:
    """Some |σ_i(M + D) − σ_i(M)| exceeds the bound by more than the errors of the enclosures: singular values are
    roots of the roots of det(x I − M Mᵀ), which are counted exactly."""
    M, D = change_of(instance)
    entries = [abs(e) for row in D for e in row]
    most = max(entries) if bound == "the largest entry" else spectral_norm(D) / 2
    return any(exceeds(abs(s - t), most) for s, t in zip(singular_values(plus(M, D)), singular_values(M)))


def a_singular_value_is_not_convex(instance: dict[str, Any]) -> bool:
    """Some σ_i(M) exceeds the mean of σ_i(M + D) and σ_i(M − D), by enclosures from exact counts of eigenvalues."""
    M, D = change_of(instance)
    three = zip(singular_values(M), singular_values(plus(M, D)), singular_values(minus(M, D)))
    return any(exceeds(2 * s, t + r) for s, t, r in three)


def a_singular_value_is_not_subadditive(instance: dict[str, Any]) -> bool:
    """Some σ_i(M + D) exceeds σ_i(M) + σ_i(D), by enclosures from exact counts of eigenvalues."""
    M, D = change_of(instance)
    three = zip(singular_values(plus(M, D)), singular_values(M), singular_values(D))
    return any(exceeds(s, t + r) for s, t, r in three)


def all_roots_inside(p, radius):
    """Whether |z| < radius for all complex roots z of p: Schur and Cohn, exactly."""
    p = [c * radius**k for k, c in enumerate(p)]
    while len(p) > 1:
        if abs(p[0]) >= abs(p[-1]):
            return False
        p = [p[-1] * a - p[0] * b for a, b in zip(p, reversed(p))][1:]
        p = [c / p[-1] for c in p]
    return True


def spectral_radius(a):
    """The largest modulus of an eigenvalue, less than 2⁻¹²⁰ too large."""
    p = characteristic(a)
    low, high = Fraction(0), 2 + max(abs(c) for c in p)
    while high - low > Fraction(1, 2**120):
        middle = (low + high) / 2
        if all_roots_inside(p, middle):
            high = middle
        else:
            low = middle
    return high


def spectral_radius_moves_by_more(instance: dict[str, Any]) -> bool:
    """|ρ(M + D) − ρ(M)| exceeds ‖D‖₂: ρ is enclosed by the test of Schur and Cohn on the characteristic polynomial."""
    M, D = change_of(instance)
    return exceeds(abs(spectral_radius(plus(M, D)) - spectral_radius(M)), spectral_norm(D))


def assembled(given):
    """U, the singular values, V and U Σ Vᵀ of a decomposition of the JSON."""
    U, V, values = matrix(given["U"]), matrix(given["V"]), matrix(given["values"])[0]
    if times(turned(U), U) != identity(len(U)) or times(turned(V), V) != identity(len(V)):
        raise ValueError("U or V is not orthogonal")
    rows = [[sum((u[k] * s * v[k] for k, s in enumerate(values)), Fraction(0)) for v in V] for u in U]
    return U, values, V, rows


def wedin_fails(
    instance: dict[str, Any], against: str = "after", least: str = "before", right: str = "the sum"
) -> bool:
    """U and V are orthogonal and ρ > 0, yet ‖sin(U₁, Ū₁)‖² + ‖sin(V₁, V̄₁)‖² exceeds ρ⁻² times the right side
    squared, in exact numbers: ‖sin(U₁, Ū₁)‖² = k − ‖Ū₁ᵀU₁‖²."""
    k = int(instance["k"])
    (U, s, V, M), (Ubar, sbar, Vbar, Mbar) = assembled(instance["before"]), assembled(instance["after"])
    first, second, third, fourth = ([row[:k] for row in a] for a in (U, V, Ubar, Vbar))
    sines = 2 * k - squares(times(turned(third), first)) - squares(times(turned(fourth), second))
    gaps = [abs(a - b) for a in s[:k] for b in {"before": s, "after": sbar}[against][k:]]
    gaps += {"before": s[:k], "after": sbar[:k], "none": []}[least]
    D = minus(Mbar, M)
    sides = times(D, second), times(turned(D), first)
    if right == "spectral":
        total = sum(eigenvalues(times(turned(a), a))[0] for a in sides)
    else:
        total = {"the sum": sum, "the larger": max, "a quarter": lambda a: sum(a) / 4}[right](map(squares, sides))
    if not gaps:
        return sines > 0
    return min(gaps) > 0 and exceeds(sines * min(gaps) ** 2, total)


def small_change_is_not_small(instance: dict[str, Any], part: int = 10, size: str = "the largest") -> bool:
    """Every entry of the difference is below a tenth of every non-zero entry of M (there may be none), yet the
    largest exceeds the given part of the largest, or least, entry of M."""
    M, D = change_of(instance)
    m, d = [abs(e) for row in M for e in row], max(abs(e) for row in D for e in row)
    if part > 10 and not any(m):
        return False  # M ≠ 0 is assumed besides
    small = all(d < e / 10 for e in m if e)
    return small and d * part > (max(m) if size == "the largest" else min(m))


def small_change_lowers_the_rank(instance: dict[str, Any]) -> bool:
    """Every entry moves by less than a tenth of the least non-zero entry of M, and the rank falls."""
    M, D = change_of(instance)
    least = min((abs(e) for row in M for e in row if e), default=Fraction(0))
    return max(abs(e) for row in D for e in row) < least / 10 and rank(plus(M, D)) < rank(M)


def rank_changes(instance: dict[str, Any], factor: int = 1, falls: bool = False) -> bool:
    """‖D‖₂ is below the factor times the least positive singular value of M (which M = 0 has not), yet M + D has
    another rank, a lower one where a lower one is needed."""
    M, D = change_of(instance)
    before, after = rank(M), rank(plus(M, D))
    near = not before or exceeds(factor * singular_values(M)[before - 1], spectral_norm(D))
    return near and (after < before if falls else after != before)


def least_gap(values):
    """The least positive difference of two of the numbers."""
    ordered = sorted({*values})
    return min((b - a for a, b in itertools.pairwise(ordered)), default=Fraction(1))


def decomposition_is_far(instance: dict[str, Any], factor: str = "8", nearest: str = "any") -> bool:
    """‖M − M̄‖ is at most half the least gap of the values of M̄ and 0; yet the distance of the decomposition of M
    from the nearest decomposition of M̄ exceeds factor · ‖M − M̄‖ / gap.

    The decompositions of M̄ turn the columns of one value by an orthogonal Z, those of the value 0 on both sides
    apart; min over Z of ‖u − ū Z‖² + ‖v − v̄ Z‖² is twice the number of columns less twice the sum of the
    singular values of ūᵀu + v̄ᵀv.
    """
    (U, _, V, M), (Ubar, sbar, Vbar, Mbar) = assembled(instance["after"]), assembled(instance["before"])
    change, gap = squares(minus(M, Mbar)), least_gap([*sbar, Fraction(0)])
    inner = [times(turned(a), b) for a, b in ((Ubar, U), (Vbar, V))]
    distance = Fraction(0)
    for value in {*sbar, Fraction(0)}:
        k = [[j for j in range(len(a)) if (sbar[j] if j < len(sbar) else 0) == value] for a in inner]
        left, right = ([[a[i][j] for j in js] for i in js] for a, js in zip(inner, k))
        distance += 2 * (len(left) + len(right))
        together = value > 0 or (nearest == "one rotation" and len(left) == len(right))
        if nearest == "given":
            distance -= 2 * sum(a[i][i] for a in (left, right) for i in range(len(a)))
        else:
            for a in [plus(left, right)] if together else [left, right]:
                distance -= 2 * sum(singular_values(a)) if a else 0
    return 4 * change <= gap * gap and exceeds(distance, change * (Fraction(factor) / gap) ** 2)


def given_decomposition_is_left(instance: dict[str, Any], premise: str) -> bool:
    """The decomposition Ū Σ̄ V̄ᵀ satisfies the premise, and K = Ūᵀ D V̄ drives every decomposition of M̄ + t D away
    from it, for all t > 0: K_ij + K_ji ≠ 0 for two columns of one positive value, or, where a value is 0,
    K_ij ≠ 0 or K_ii < 0 for columns of the value 0.

    Singular vectors near ū_j, v̄_j have t (ū_iᵀ D v_j + u_jᵀ D v̄_i) = (σ_j − σ̄)(ū_iᵀ u_j + v̄_iᵀ v_j), and
    |σ_j − σ̄| <= t ‖D‖: the right side is o(t), the left is not. For σ̄ = 0, t ū_iᵀ D v_j = σ_j ū_iᵀ u_j likewise.
    """
    U, s, V, _ = assembled(instance["given"])
    K = times(times(turned(U), matrix(instance["D"])), V)
    r = sum(e > 0 for e in s)
    rows, columns = ([k for k in range(len(a)) if k >= len(s) or s[k] == 0] for a in (U, V))
    granted = {
        "full rank": r == len(s),
        "distinct": len({*s}) == len(s),
        "at most twice": r == len(s) and len({*s}) >= r - 1,
        "equal ranks": all(
            K[i][j] == 0 for i in range(len(U)) for j in range(len(V)) if i in rows or j in columns
        ),
    }
    granted["descending"] = granted["equal ranks"] and s == sorted(s, reverse=True)
    tied = [(i, j) for i in range(len(s)) for j in range(i) if s[i] == s[j] > 0]
    leaves = any(K[i][j] + K[j][i] for i, j in tied)
    if r < len(s):
        leaves = leaves or any(K[i][j] if i != j else K[i][j] < 0 for i in rows for j in columns)
    return granted[premise] and leaves


def singular_vectors_move_by_more(instance: dict[str, Any], part: int) -> bool:
    """M has the rank of M̄, the positive values of M̄ are distinct and ‖M − M̄‖ is at most half their least gap; yet
    a pair u_i, v_i of M, unique up to its sign, is farther from ū_i, v̄_i than ‖M − M̄‖ / (part · gap).

    v_i is a multiple of Π_{j ≠ i} (MᵀM − λ_j) v̄_i over the other eigenvalues λ_j, enclosed, and u_i of M v_i.
    """
    U, s, V, Mbar = assembled(instance["given"])
    D = scaled(Fraction(instance["epsilon"]), matrix(instance["D"]))
    M, r = plus(Mbar, D), sum(e > 0 for e in s)
    kept = sorted((i for i in range(len(s)) if s[i] > 0), key=lambda i: -s[i])
    if r == 0 or len({s[i] for i in kept}) < r or rank(M) != r:
        return False
    gap = min(least_gap([s[i] for i in kept]), *(s[i] for i in kept)) if r > 1 else s[kept[0]]
    gram = times(turned(M), M)
    found = eigenvalues(gram)
    others = found[: r + 1] if r < len(gram) else found[:r]
    bound = squares(D) / (part * gap) ** 2

    def unit(v):
        length = root(dot(v, v))
        return [e / length for e in v]

    def leaves(place, i):
        v = [[row[i]] for row in V]
        for j, e in enumerate(others):
            if j != place:
                v = minus(times(gram, v), scaled(e, v))
                v = scaled(1 / (found[place] - e), v)
        v = unit([e[0] for e in v])
        u = unit([dot(row, v) for row in M])
        moved = [a - row[i] for a, row in zip(u, U)] + [a - row[i] for a, row in zip(v, V)]
        return exceeds(dot(moved, moved), bound)

    return 4 * squares(D) <= gap * gap and any(leaves(place, i) for place, i in enumerate(kept))


def weights_near(near):
    """[W̄₁, …, W̄_H], R̄ = W̄_H ⋯ W̄₁ and R."""
    W = [matrix(w) for w in near["weights"]["tuple"]]
    return W, product(W), matrix(near["R"])


def rank_exceeds_the_least_width(instance: dict[str, Any]) -> bool:
    """rank(R̄) = d_p, and rank(R) exceeds d_p, as that of no product of these shapes does."""
    W, bar, R = weights_near(instance)
    return rank(bar) == min(widths(W)) < rank(R)


def product_does_not_follow(instance: dict[str, Any], full_layers: bool = False) -> bool:
    """rank(R̄) + rank(R − R̄) <= d_p and rank(R̄) < d_p (the layers of full rank, where asked); yet R̄ x = 0 for an
    x with (R − R̄) x not in the column space of an injective W̄_H ⋯ W̄_{j+1} (or the same transposed).

    A product equal to R̄ + t (R − R̄) maps that x to t (R − R̄) x: near weights have a column space near, which
    does not contain it for any t > 0.
    """
    W, bar, R = weights_near(instance)
    C, least = minus(R, bar), min(widths(W))
    if full_layers and any(rank(w) < min(len(w), len(w[0])) for w in W):
        return False

    def stuck(bar, C, factors):
        kernel = null_vectors(bar, len(bar[0]))
        if not kernel:
            return False
        image = times(C, turned(kernel))
        return any(rank(B) == len(B[0]) < rank(beside(B, image)) for B in factors)

    steps = range(len(W) + 1)
    columns = stuck(bar, C, [above(W, j) for j in steps])
    rows = stuck(turned(bar), turned(C), [turned(below(W, j)) for j in steps])
    return rank(bar) < least and rank(bar) + rank(C) <= least and (columns or rows)


def other_weights_cannot_stay(instance: dict[str, Any], changed: str) -> bool:
    """rank(R) = rank(R̄) = d_p and R is within ‖R̄‖ / 2 of R̄; yet R leaves the column space of W̄_H ⋯ W̄₂ (if only W₁
    changes) or the row space of W̄_{H−1} ⋯ W̄₁ (if only W_H does), or both (if either one may change)."""
    W, bar, R = weights_near(instance)
    B, A = above(W, 1), below(W, len(W) - 1)
    leaves = {"first": rank(beside(B, R)) > rank(B), "last": rank([*A, *R]) > rank(A)}
    leaves["either"] = leaves["first"] and leaves["last"]
    near = 0 < 4 * squares(minus(R, bar)) <= squares(bar)
    return near and rank(bar) == rank(R) == min(widths(W)) and leaves[changed]


def base_case_has_another_product(instance: dict[str, Any], scale: str = "rows", made: str = "W2 W1") -> bool:
    """S̄₂ with its rows or columns times σ_i / σ̄_i, or its rows times the inverse, W₂ = U S₂ and W₁ = S̄₁ Vᵀ (or
    S̄₁ V): the product, if its shapes fit, is not R = U Σ Vᵀ, although S̄₂ S̄₁ = Σ̄."""
    (_, old, _, _), (U, new, V, R) = assembled(instance["before"]), assembled(instance["after"])
    S2, S1 = matrix(instance["S2"]), matrix(instance["S1"])
    diagonal = [[Fraction(i == j and old[i]) for j in range(len(V))] for i in range(len(U))]
    ratios = [b / a if a else Fraction(1) for a, b in zip(old, new)] + [Fraction(1)] * (len(S2) + len(S1))
    if scale == "inverse":
        ratios = [1 / e for e in ratios]
    by_columns = scale == "columns"
    W2 = times(U, [[e * ratios[j if by_columns else i] for j, e in enumerate(r)] for i, r in enumerate(S2)])
    W1 = times(S1, turned(V) if made == "W2 W1" else V)
    left, right = (W1, W2) if made == "W1 W2" else (W2, W1)
    return times(S2, S1) == diagonal and (len(left[0]) != len(right) or times(left, right) != R)


def merged_matrix_is_another(instance: dict[str, Any], merge: str) -> bool:
    """rank(R̄) = d_p, p the first index of least width. The product of the two weights to be merged does not exist,
    has another rank than d_p, or without the width between them another width is the least."""
    W, bar, _ = weights_near(instance)
    d, H = widths(W), len(W)
    p = d.index(min(d))
    upper, lower = (p, p - 1) if p >= 2 else (p + 2, p + 1)
    if merge == "across p" and 1 <= p < H:
        upper, lower = p + 1, p
    if merge == "the last two":
        upper, lower = H, H - 1
    left, right = W[upper - 1], W[lower - 1]
    if merge == "printed":
        left, right = right, left
    if rank(bar) < min(d):
        return False
    fits = len(left[0]) == len(right)
    return not fits or not rank(times(left, right)) == min(d) == min(d[:lower] + d[lower + 1 :])


def product_has_no_factor_left(instance: dict[str, Any], premise: str = "none") -> bool:
    """R̄ leaves the column space of A (which has full column rank, where that is assumed): R̄ is A times no matrix."""
    (_, A), _, R = weights_near(instance)
    return (premise != "full columns" or rank(A) == len(A[0])) and rank(beside(A, R)) > rank(A)


def corrected_factor_is_wrong(instance: dict[str, Any], correction: str) -> bool:
    """rank(A) = d₁, A⁺ = Aᵀ (A Aᵀ)⁻¹. B̄ = B + Aᵀ (R̄ − R), or A⁺ R̄, has another product A B̄ than R̄ or is farther
    from B than ‖A⁺‖ ‖R̄ − R‖ (Aᵀ in place of A⁺, where it is)."""
    (B, A), bar, R = weights_near(instance)
    if rank(A) < len(A):
        return False
    inverse = turned(A)
    if correction == "A+ R'":
        inverse = times(inverse, solution(times(A, inverse), identity(len(A))))
    near = times(inverse, R) if correction == "A+ R'" else plus(B, times(inverse, minus(R, bar)))
    far = squares(minus(near, B)) > squares(inverse) * squares(minus(R, bar))
    return not is_zero(minus(times(A, near), R)) or far
