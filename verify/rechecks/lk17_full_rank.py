"""Rechecks of ``verify/test_lk17_full_rank.py``: Theorems 3.2 and 3.3 of Lu & Kawaguchi (2017)."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

from verify.rechecks.deep_linear import (
    above,
    below,
    factor_gradients,
    is_critical,
    is_full,
    is_global_minimum,
    parts,
    product,
    residual,
    squared_error,
    widths,
)
from verify.rechecks.linear_algebra import (
    determinant,
    identity,
    is_zero,
    kronecker,
    matrix,
    minus,
    null_vectors,
    plus,
    projector,
    rank,
    scaled,
    times,
    turned,
)


def kappa(d):
    """κ(d) = max_i min(d₀, …, d_{i−1}) + min(d_i, …, d_H) − max(d_i, d_{i−1}), but at least 0."""
    return max(0, *(min(d[:i]) + min(d[i:]) - max(d[i], d[i - 1]) for i in range(1, len(d))))


def data_rank(X, Y):
    """rank(Y Xᵀ)."""
    return rank(times(Y, turned(X)))


def full_rows(*data):
    """Whether all rows of each of the matrices are independent."""
    return all(rank(a) == len(a) for a in data)


def at_minimum(W, X, Y):
    """Whether X and Y have full row rank and L(W) is the least value of L, exactly."""
    return full_rows(X, Y) and is_global_minimum(W, X, Y)


def at_critical_point(W, X, Y):
    """Whether X and Y have full row rank, rank(Y Xᵀ) = min(d₀, d_H) and ∇L(W) = 0."""
    return full_rows(X, Y) and data_rank(X, Y) == min(len(X), len(Y)) and is_critical(W, X, Y)


def around(W, X, i):
    """B = W_H ⋯ W_{i+1} and A = W_{i−1} ⋯ W₁ X."""
    return above(W, i), times(below(W, i - 1), X)


def short_of(W, X, i):
    """s₁ + s₂ − max(d_i, d_{i−1}) − rank(R X), s₁ = rank A, s₂ = rank B: where this is positive, no W_i + M with
    B M A = 0 has full rank, as the rank is at most rank(B W_i A) + (d_i − s₂) + (d_{i−1} − s₁)."""
    B, A = around(W, X, i)
    return rank(A) + rank(B) - max(len(W[i - 1]), len(W[i - 1][0])) - rank(times(product(W), X))


def layer_stays_deficient(
    instance: dict[str, Any], at: str = "minimum", least: str = "0", layer: str = "any"
) -> bool:
    """X, Y have full row rank, W is a minimum (a critical point) and rank(Y Xᵀ) as assumed. A layer W_i can change
    to W_i + M with B M A = 0 only, if L stays (it is convex in W_i, and ∂L/∂W_i = 0), which has rank at most
    rank(R X) + (d_i − s₂) + (d_{i−1} − s₁), and this is less than full."""
    problem = instance["problem"] if layer == "chosen" else instance
    W, X, Y = parts(problem)
    needed = {"0": 0, "kappa - 1": kappa(widths(W)) - 1}[least]
    granted = at_minimum(W, X, Y) if at == "minimum" else at_critical_point(W, X, Y)
    if not granted or data_rank(X, Y) < needed:
        return False
    steps = [int(instance["layer"])] if layer == "chosen" else range(1, len(W) + 1)
    slopes = factor_gradients(W, X, Y)
    return any(is_zero(slopes[i - 1]) and not is_full(W[i - 1]) and short_of(W, X, i) > 0 for i in steps)


def filled(W, X, i):
    """M with B M A = 0 and W_i + M of full rank, or None where 40 combinations of null vectors are deficient."""
    (B, A), w = around(W, X, i), W[i - 1]
    left, right = null_vectors(B, len(w)), null_vectors(turned(A), len(w[0]))
    for salt in range(40):
        M = scaled(0, w)
        for k, v in enumerate(left + right):
            others = range(len(w[0]) if k < len(left) else len(w))
            u = [(5 * k * k + 3 * j * j + salt * (k + j + 1) + j * k) % 7 - 3 for j in others]
            rows, columns = (v, u) if k < len(left) else (u, v)
            M = plus(M, [[a * b for b in columns] for a in rows])
        if is_full(plus(w, M)):
            return M
    return None


def bound_with_min_is_not_needed(instance: dict[str, Any]) -> bool:
    """At a minimum, X and Y of full row rank, W_i is deficient, and an explicit M with B M A = 0 makes W_i + M full,
    hence W_i + μ M for all small μ > 0; yet rank(R X) < s₁ + s₂ − min(d_i, d_{i−1})."""
    W, X, Y = parts(instance)
    found = []
    for i in range(1, len(W) + 1):
        w = W[i - 1]
        beyond = short_of(W, X, i) + max(len(w), len(w[0])) - min(len(w), len(w[0]))
        found.append(not is_full(w) and beyond > 0 and short_of(W, X, i) <= 0 and filled(W, X, i) is not None)
    return at_minimum(W, X, Y) and any(found)


def a_layer_is_deficient(instance: dict[str, Any]) -> bool:
    """X and Y have full row rank and L(W) is the least value of L, so that W is a local minimum; yet a W_i is
    deficient."""
    W, X, Y = parts(instance)
    return at_minimum(W, X, Y) and not all(map(is_full, W))


def normal_equation_fails(instance: dict[str, Any], B: str = "W_{i+1} ... W_H", moved: bool = False) -> bool:
    """∂L/∂W_i = 0 (except where W_i is moved by Z, without that premise). With A = W_{i−1} ⋯ W₁ X and B as stated
    the factors of B Bᵀ W_i A Aᵀ or B Y Aᵀ do not fit, or the two products differ."""
    W, X, Y = parts(instance["problem"])
    i = int(instance["layer"])
    if moved:
        W[i - 1] = plus(W[i - 1], matrix(instance["Z"]))
    elif not is_zero(factor_gradients(W, X, Y)[i - 1]):
        return False
    upper, A = around(W, X, i)
    if B == "W_{i+1} ... W_H":
        factors = W[i:] or [identity(len(Y))]
        if any(len(a[0]) != len(b) for a, b in itertools.pairwise(factors)):
            return True
        upper = factors[0]
        for w in factors[1:]:
            upper = times(upper, w)
    elif B != "W_H ... W_{i+1}":
        upper = scaled(-1 if B == "minus the transpose" else 1, turned(upper))
    if len(upper) != len(W[i - 1]) or len(upper[0]) != len(Y):
        return True
    left = times(times(times(times(upper, turned(upper)), W[i - 1]), A), turned(A))
    return left != times(times(upper, Y), turned(A))


def solutions_have_another_dimension(instance: dict[str, Any]) -> bool:
    """The matrices M with B Bᵀ M A Aᵀ = 0, B = (W_H ⋯ W_{i+1})ᵀ, are the null space of B Bᵀ ⊗ A Aᵀ, which is not of
    dimension d_i d_{i−1} − s₁ s₂ − 1."""
    W, X, Y = parts(instance["problem"])
    i = int(instance["layer"])
    upper, A = around(W, X, i)
    size = len(W[i - 1]) * len(W[i - 1][0])
    kept = rank(kronecker(times(turned(upper), upper), times(A, turned(A))))
    return at_minimum(W, X, Y) and size - kept != size - rank(A) * rank(upper) - 1


def rank_inequality_fails(
    instance: dict[str, Any], at: str = "minimum", short: int | None = None, widest: bool = True, more: int = 0
) -> bool:
    """X and Y have full row rank, W is a minimum (a critical point), rank(Y Xᵀ) is as assumed; yet rank(Bᵀ Y Aᵀ),
    B = W_H ⋯ W_{i+1} and A = W_{i−1} ⋯ W₁ X, is less than s₁ + s₂ − max(d_i, d_{i−1}) (or the bound put for it)."""
    W, X, Y = parts(instance["problem"])
    i = int(instance["layer"])
    B, A = around(W, X, i)
    granted = at_minimum(W, X, Y) if at == "minimum" else at_critical_point(W, X, Y)
    if short is not None:
        granted = granted and data_rank(X, Y) >= min(widths(W)) - short
    sides = len(W[i - 1]), len(W[i - 1][0])
    bound = rank(A) + rank(B) - (max(sides) if widest else min(sides))
    return granted and rank(times(times(turned(B), Y), turned(A))) < (max(0, bound) if widest else bound) + more


def sylvester_bound_fails(
    instance: dict[str, Any], samples: str = "m", more: int = 0, y_full: bool = True
) -> bool:
    """X (and Y, where assumed) have full row rank; yet rank(Bᵀ Y Aᵀ), B = W_H ⋯ W_{i+1} and A = W_{i−1} ⋯ W₁ X, is
    less than s₁ + s₂ + max(−m, rank(Y Xᵀ) − d₀ − d_H) (or the bound put for it)."""
    W, X, Y = parts(instance["problem"])
    B, A = around(W, X, int(instance["layer"]))
    m = len(X[0]) if samples == "m" else min(len(X[0]), len(X))
    bound = rank(A) + rank(B) + max(-m, data_rank(X, Y) - len(X) - len(Y)) + more
    full = full_rows(X, Y) if y_full else full_rows(X)
    return full and rank(times(times(turned(B), Y), turned(A))) < bound


def ones_do_not_fit(instance: dict[str, Any]) -> bool:
    """At a minimum, X and Y of full row rank, W_i deficient and rank(R X) >= s₁ + s₂ − max(d_i, d_{i−1}): there are
    more ones than entries off the s₂ × s₁ corner, or R X = 0 and every K with that many ones is deficient."""
    W, X, Y = parts(instance["problem"])
    i = int(instance["layer"])
    (B, A), w = around(W, X, i), W[i - 1]
    m, n, s1, s2 = len(w), len(w[0]), rank(A), rank(B)
    if is_full(w) or short_of(W, X, i) > 0 or not at_minimum(W, X, Y):
        return False
    free = [(a, b) for a in range(m) for b in range(n) if a >= s2 or b >= s1]
    ones = m + n - s1 - s2
    if ones > len(free):
        return True

    def deficient(chosen):
        return not is_full([[Fraction((a, b) in chosen) for b in range(n)] for a in range(m)])

    return is_zero(times(product(W), X)) and all(map(deficient, itertools.combinations(free, ones)))


def one_fewer_is_too_few(instance: dict[str, Any]) -> bool:
    """At a minimum, X and Y of full row rank, rank(R X) >= s₁ + s₂ − max(d_i, d_{i−1}) and not full: C has rank
    rank(Bᵀ Y Aᵀ), K at most that of its min(d_i, d_{i−1}) − rank(C) − 1 ones, and the sum of the two is not full."""
    W, X, Y = parts(instance["problem"])
    i = int(instance["layer"])
    B, A = around(W, X, i)
    least = min(len(W[i - 1]), len(W[i - 1][0]))
    fixed, fitted = rank(times(times(turned(B), Y), turned(A))), rank(times(product(W), X))
    ones = least - fitted - 1
    return at_minimum(W, X, Y) and short_of(W, X, i) <= 0 <= ones and fixed + ones < least


def line_leaves_the_loss(instance: dict[str, Any]) -> bool:
    """L(W) is the least value of L, X and Y have full row rank and W_i + Z has full rank; yet L is another at W_i + Z,
    which does not solve the normal equation."""
    W, X, Y = parts(instance["problem"])
    i = int(instance["layer"])
    there = plus(W[i - 1], matrix(instance["Z"]))
    other = squared_error([*W[: i - 1], there, *W[i:]], X, Y)
    return at_minimum(W, X, Y) and is_full(there) and other != squared_error(W, X, Y)


def direction_of_equal_loss(instance):
    """W, X, Y, W_i and the part M of Z with B M A = 0: Z − P Z Q with the projectors on the rows of B and columns of A."""
    W, X, Y = parts(instance["problem"])
    i = int(instance["layer"])
    B, A = around(W, X, i)
    Z = matrix(instance["Z"])
    return W, X, Y, W[i - 1], minus(Z, times(times(projector(turned(B)), Z), projector(A)))


def line_stays_deficient(instance: dict[str, Any]) -> bool:
    """At a minimum, X and Y of full row rank, Ŵ_i = W_i + M satisfies the normal equation, and W_i + μ M is deficient
    at more μ than its Gram determinant has roots, unless it is 0: for all μ."""
    W, X, Y, w, M = direction_of_equal_loss(instance)
    points = [Fraction(k + 1, 1000) for k in range(2 * min(len(w), len(w[0])) + 1)]
    return (
        at_minimum(W, X, Y) and not is_full(w) and not any(is_full(plus(w, scaled(mu, M))) for mu in points)
    )


def gram_determinant(w, M):
    """det of (w + μ M)(w + μ M)ᵀ, or of the transposed, if that is smaller: the coefficients, by interpolation."""
    small = min(len(w), len(w[0]))
    values, powers = [], []
    for mu in range(2 * small + 1):
        a = plus(w, scaled(mu, M))
        a = a if len(a) == small else turned(a)
        values.append([determinant(times(a, turned(a)))])
        powers.append([Fraction(mu) ** k for k in range(2 * small + 1)])
    for k, row in enumerate(powers):
        for j in range(len(powers)):
            if j != k and powers[j][k]:
                f = powers[j][k] / row[k]
                powers[j] = [x - f * y for x, y in zip(powers[j], row)]
                values[j] = [values[j][0] - f * values[k][0]]
    return [v[0] / row[k] for k, (v, row) in enumerate(zip(values, powers))]


def has_a_positive_root(p):
    """Whether a polynomial, not 0, has a root x > 0: the chain of Sturm from 0 to infinity."""
    while not p[0]:
        p = p[1:]
    while not p[-1]:
        p = p[:-1]
    chain = [p, [k * c for k, c in enumerate(p)][1:]]
    while chain[-1]:
        rest, by = chain[-2][:], chain[-1]
        while len(rest) >= len(by):
            f = rest[-1] / by[-1]
            shift = len(rest) - len(by)
            rest = [c - f * by[k - shift] if k >= shift else c for k, c in enumerate(rest)][:-1]
        while rest and not rest[-1]:
            rest = rest[:-1]
        chain.append([-c for c in rest])
    ends = [[q[end] > 0 for q in chain if q and q[end]] for end in (0, -1)]
    low, high = (sum(s != t for s, t in itertools.pairwise(signs)) for signs in ends)
    return low > high


def rank_falls_on_the_line(instance: dict[str, Any], positive: bool) -> bool:
    """At a minimum, X and Y of full row rank, W_i is deficient and Ŵ_i = W_i + M, B M A = 0, is not; yet W_i + μ M is
    deficient at some μ > 0, a root of its Gram determinant by Sturm's theorem, or, for all μ, at μ = 0."""
    W, X, Y, w, M = direction_of_equal_loss(instance)
    if is_full(w) or not is_full(plus(w, M)) or not at_minimum(W, X, Y):
        return False
    return has_a_positive_root(gram_determinant(w, M)) if positive else not is_full(plus(w, scaled(0, M)))


def product_stays_deficient(instance: dict[str, Any], least: str = "0") -> bool:
    """E Xᵀ = 0, so that W is a global minimum; X, Y and every W_i have full rank and rank(Y Xᵀ) is as assumed. Equal
    loss forces R̂ X = R X, hence R̂ = R, and rank(R) < d_p."""
    W, X, Y = parts(instance)
    needed = {"0": 0, "1": 1, "d_p - 1": min(widths(W)) - 1}[least]
    granted = full_rows(X, Y) and all(map(is_full, W)) and data_rank(X, Y) >= needed
    return granted and is_zero(times(residual(W, X, Y), turned(X))) and rank(product(W)) < min(widths(W))


def product_is_not_full(instance: dict[str, Any]) -> bool:
    """At a minimum, X, Y and every W_i have full rank, yet R = W_H ⋯ W₁ has not the rank min(d₀, d_H)."""
    W, X, Y = parts(instance)
    return at_minimum(W, X, Y) and all(map(is_full, W)) and not is_full(product(W))


def product_has_less_rank(
    instance: dict[str, Any], bound: str = "r_min", more: int = 0, full: bool = True
) -> bool:
    """Every W_i has full rank (where assumed), yet rank(W_H ⋯ W₁) is less than r_min(d) = max(0, d₀ − Σ_j max(0,
    d_{j−1} − d_j)), or the bound put for it."""
    W, _, _ = parts(instance)
    d = widths(W)
    r_min = max(0, d[0] - sum(max(0, a - b) for a, b in itertools.pairwise(d)))
    least = {"r_min": r_min, "d_p": min(d)}[bound] + more
    return (not full or all(map(is_full, W))) and rank(product(W)) < least
