"""For ``verify/test_lk17_theorem_2_2.py``: the diagonal problem min ‖T − Σ₂‖² over rank T <= k, eq. (5)."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from verify.rechecks.linear_algebra import (
    beside,
    dot,
    identity,
    is_zero,
    matrix,
    minus,
    plus,
    projector,
    rank,
    scaled,
    squares,
    times,
    turned,
)


def diagonal_of(sigma):
    """The diagonal of Σ₂."""
    return [sigma[i][i] for i in range(min(len(sigma), len(sigma[0])))]


def equal_runs(sigma):
    """(λ_i, first index, m_i) for the distinct positive numbers on the diagonal of Σ₂."""
    values = diagonal_of(sigma)
    return [(v, values.index(v), values.count(v)) for v in sorted(set(values), reverse=True) if v]


def square_part(T, first, size):
    """T_i, the block of ``size`` rows and columns."""
    return [row[first : first + size] for row in T[first : first + size]]


def block_ranks(sigma, T):
    """d_{p_i} = rank T_i."""
    return [rank(square_part(T, first, size)) for _, first, size in equal_runs(sigma)]


def is_critical_for_5(sigma, T):
    """T Tᵀ = Σ₂ Tᵀ and Tᵀ T = Tᵀ Σ₂: critical as a product through a layer of width k >= rank T."""
    E = minus(T, sigma)
    return is_zero(times(E, turned(T))) and is_zero(times(turned(T), E))


def is_best_for_5(sigma, T, k):
    """rank T <= k and ‖T − Σ₂‖² = the sum of the squares of the diagonal terms after the first k."""
    left_out = diagonal_of(sigma)[k:]
    return rank(T) <= k and squares(minus(T, sigma)) == dot(left_out, left_out)


def reduced_value_is_another(instance: dict[str, Any], *, scale=True, constant="|N|^2") -> bool:
    """F(R) = ‖R X − Y‖² is computed from X = U₁ [Σ̂₁ 0] V₁ᵀ and Y = [U₂ Σ₂ V₂ᵀ, N] V₁ᵀ, and T = U₂ᵀ R U₁ Σ̂₁
    V₂ (without Σ̂₁ where the sentence leaves it out): F(R) is not ‖T − Σ₂‖² plus the constant, or rank T is
    not rank R."""
    U1, hat, V1, U2, sigma, V2, N, R = (
        matrix(instance[k]) for k in ("U1", "scale", "V1", "U2", "sigma", "V2", "N", "R")
    )
    X = times(times(U1, [row + [Fraction(0)] * len(N[0]) for row in hat]), turned(V1))
    known = times(times(U2, sigma), turned(V2))
    Y = times(beside(known, N), turned(V1))
    T = times(times(turned(U2), R), U1)
    T = times(times(T, hat) if scale else T, V2)
    const = {"|N|^2": squares(N), "0": 0, "|Y|^2": squares(Y)}[constant]
    F = squares(minus(times(R, X), Y))
    return squares(minus(T, sigma)) + const != F or rank(T) != rank(R)


def projection_fails(instance: dict[str, Any]) -> bool:
    """With P_L and P_R the orthogonal projectors on the columns and rows of T and D = Σ₂ Σ₂ᵀ, one of
    T = P_L Σ₂ = Σ₂ P_R and P_L D P_L = T Tᵀ = Σ₂ Tᵀ = D P_L is violated; T need not be critical here."""
    sigma, T = matrix(instance["sigma"]), matrix(instance["T"])
    left, right, D = projector(T), projector(turned(T)), times(sigma, turned(sigma))
    sides = [times(times(left, D), left), times(T, turned(T)), times(sigma, turned(T)), times(D, left)]
    return not T == times(left, sigma) == times(sigma, right) or any(a != sides[0] for a in sides)


def projected_targets_are_others(instance: dict[str, Any], *, sentence) -> bool:
    """T is a critical point of (5), T Tᵀ = Σ₂ Tᵀ and Tᵀ T = Tᵀ Σ₂; the two sides of the sentence, computed
    with the projectors P_L, P_R on the columns and rows of T and D = Σ₂ Σ₂ᵀ, differ in shape or in an
    entry."""
    sigma, T = matrix(instance["sigma"]), matrix(instance["T"])
    left = projector(T)
    sides = {
        "P_L = P_R": (left, projector(turned(T))),
        "T = P_L D": (T, times(times(left, sigma), turned(sigma))),
        "P_L D = D": (times(left, sigma), sigma),
    }[sentence]
    return is_critical_for_5(sigma, T) and sides[0] != sides[1]


def block_form_fails(instance: dict[str, Any]) -> bool:
    """T, which need not be critical here, has an entry outside the diagonal blocks of the distinct positive
    numbers of Σ₂, or a block T_i that is not symmetric or has T_i² ≠ λ_i T_i."""
    sigma, T = matrix(instance["sigma"]), matrix(instance["T"])
    inside = {(i, j) for _, f, m in equal_runs(sigma) for i in range(f, f + m) for j in range(f, f + m)}
    if any(e and (i, j) not in inside for i, row in enumerate(T) for j, e in enumerate(row)):
        return True
    parts = [(v, square_part(T, f, m)) for v, f, m in equal_runs(sigma)]
    return any(part != turned(part) or times(part, part) != scaled(v, part) for v, part in parts)


def block_is_of_middle_rank(instance: dict[str, Any]) -> bool:
    """T is a critical point of (5), and a block T_i has 0 < rank T_i < m_i, so that it is no multiple of
    I."""
    sigma, T = matrix(instance["sigma"]), matrix(instance["T"])
    ranks = zip(block_ranks(sigma, T), equal_runs(sigma))
    return is_critical_for_5(sigma, T) and any(0 < r < m for r, (_, _, m) in ranks)


def minimum_is_not_diagonal(instance: dict[str, Any]) -> bool:
    """T is a critical point of (5) with an entry off the diagonal that is not 0."""
    sigma, T = matrix(instance["sigma"]), matrix(instance["T"])
    off = any(e for i, row in enumerate(T) for j, e in enumerate(row) if i != j)
    return is_critical_for_5(sigma, T) and off


def block_is_not_a_projection(instance: dict[str, Any], *, power=0) -> bool:
    """T is a critical point of (5), and a block T_i has T_i² ≠ λ_iᵖ T_i for the given power p, so that T_i /
    λ_iᵖ is no projection."""
    sigma, T = matrix(instance["sigma"]), matrix(instance["T"])
    parts = [(v, square_part(T, f, m)) for v, f, m in equal_runs(sigma)]
    failing = any(times(part, part) != scaled(v**power, part) for v, part in parts)
    return is_critical_for_5(sigma, T) and failing


def value_is_not_the_sum(instance: dict[str, Any], *, sign=-1, power=2, whole=False) -> bool:
    """T is a critical point of (5), and ‖T − Σ₂‖² is not Σ_i (m_i + s d_{p_i}) λ_iᵖ for the sign s and power
    p of the sentence, where d_{p_i} is the rank of the i-th block of T; the sum is over the blocks with
    d_{p_i} = 0 alone where the sentence counts only whole blocks."""
    sigma, T = matrix(instance["sigma"]), matrix(instance["T"])
    blocks = zip(equal_runs(sigma), block_ranks(sigma, T))
    terms = ((m + sign * d) * v**power for (v, _, m), d in blocks if not (whole and d))
    return is_critical_for_5(sigma, T) and squares(minus(T, sigma)) != sum(terms)


def list_is_wrong(instance: dict[str, Any], *, listed="as printed") -> bool:
    """T is a critical point of (5). By Eckart and Young it is a global minimum iff ‖T − Σ₂‖² is the sum of
    the squares of the diagonal terms after the first k; the ranks of its blocks are those listed, and it is
    no minimum, or the reverse. A listed rank without a block is one that no T has."""
    sigma, T, k = matrix(instance["sigma"]), matrix(instance["T"]), instance["k"]
    sizes = [m for _, _, m in equal_runs(sigma)]  # of the largest value first
    wanted, left = [], k
    for m in reversed(sizes) if listed == "from the smallest on" else sizes:
        wanted.append(min(m, left))
        left -= wanted[-1]
    if left:  # the list goes on with d_p − Σ m_i after the last block
        wanted.append(left)
    if listed == "from the smallest on":
        wanted.reverse()
    if listed == "all of the first d_p blocks":
        wanted = [m if i < k else 0 for i, m in enumerate(sizes)]
    in_the_list = block_ranks(sigma, T) == wanted
    return is_critical_for_5(sigma, T) and in_the_list != is_best_for_5(sigma, T, k)


def ranks_do_not_fill(instance: dict[str, Any], *, total, minimal=True) -> bool:
    """T is a critical point of (5), and where the sentence speaks of minima even a global one, because ‖T −
    Σ₂‖² is the sum of the squares of the diagonal terms after the first k; the ranks of its blocks do not add
    up to the number in the sentence."""
    sigma, T, k = matrix(instance["sigma"]), matrix(instance["T"]), instance["k"]
    r = rank(sigma)
    claimed = {"d_p": k, "rank": r, "min(d_p, rank)": min(k, r)}[total]
    premise = is_critical_for_5(sigma, T) and (not minimal or is_best_for_5(sigma, T, k))
    return premise and sum(block_ranks(sigma, T)) != claimed


def turned_point(instance, t):
    """T(θ) = T − λ₂ u uᵀ + τ w wᵀ at tan(θ / 2) = t, where w = u cos θ + v sin θ, and τ = λ₁ sin²θ + λ₂
    cos²θ."""
    u, v = matrix(instance["u"]), matrix(instance["v"])
    small, large = Fraction(instance["small"]), Fraction(instance["large"])
    c, s = (1 - t * t) / (1 + t * t), 2 * t / (1 + t * t)
    tau, w = large * s * s + small * c * c, plus(scaled(c, u), scaled(s, v))
    start = minus(matrix(instance["problem"]["T"]), scaled(small, times(u, turned(u))))
    return plus(start, scaled(tau, times(w, turned(w)))), tau


def value_there(instance, t):
    """H(T(θ)) = ‖T(θ) − Σ₂‖²."""
    return squares(minus(turned_point(instance, t)[0], matrix(instance["problem"]["sigma"])))


def rotation_is_proper(instance):
    """u and v are orthogonal unit vectors, T u = λ₂ u, Σ₂ u = λ₂ u, T v = 0 and Σ₂ v = λ₁ v."""
    sigma, T = matrix(instance["problem"]["sigma"]), matrix(instance["problem"]["T"])
    u, v = matrix(instance["u"]), matrix(instance["v"])
    small, large = Fraction(instance["small"]), Fraction(instance["large"])
    both = beside(u, v)
    unit = times(turned(both), both) == identity(2)
    kept = times(T, u) == times(sigma, u) == scaled(small, u)
    return unit and kept and is_zero(times(T, v)) and times(sigma, v) == scaled(large, v)


def rotated_value_is_another(instance: dict[str, Any], *, formula="as printed") -> bool:
    """u and v are orthonormal, T and Σ₂ have the value λ₂ at u, and Σ₂ has λ₁ at v, where T is 0; ‖T(θ) −
    Σ₂‖² differs from ‖T − Σ₂‖² plus the formula of the sentence, in which τ = λ₁ sin²θ + λ₂ cos²θ."""
    t, small, large = (Fraction(instance[k]) for k in ("t", "small", "large"))
    tau = turned_point(instance, t)[1]
    change = {
        "as printed": large**2 + small**2 - tau**2,
        "large^2 - tau^2": large**2 - tau**2,
        "sin and cos exchanged": small**2 - (large + small - tau) ** 2,
    }[formula]
    before = squares(minus(matrix(instance["problem"]["T"]), matrix(instance["problem"]["sigma"])))
    return rotation_is_proper(instance) and value_there(instance, t) != before + change


def rotation_does_not_descend(instance: dict[str, Any]) -> bool:
    """u and v are orthonormal, T and Σ₂ have the value λ₂ at u, and Σ₂ has λ₁ at v, where T is 0. T(0) is not
    T, or the rank changes along the rotation, or H is not lower at tan(θ / 2) = (t + 1) / 2 than at t."""
    t, T = Fraction(instance["t"]), matrix(instance["problem"]["T"])
    later = (t + 1) / 2
    starts = turned_point(instance, Fraction(0))[0] == T
    same_rank = rank(turned_point(instance, later)[0]) == rank(T)
    falls = value_there(instance, later) < value_there(instance, t)
    return rotation_is_proper(instance) and not (starts and same_rank and falls)


def rotated_rank_is_another(instance: dict[str, Any]) -> bool:
    """u and v are orthonormal, T and Σ₂ have the value λ₂ at u, and Σ₂ has λ₁ at v, where T is 0; the rank of
    T(θ), by elimination, is not d_p."""
    there = turned_point(instance, Fraction(instance["t"]))[0]
    return rotation_is_proper(instance) and rank(there) != instance["problem"]["k"]


def value_does_not_rise(instance: dict[str, Any]) -> bool:
    """u and v are orthonormal, T and Σ₂ have the value λ₂ at u, and Σ₂ has λ₁ > λ₂ at v, where T is 0; yet
    ‖T(θ) − Σ₂‖² at tan(θ / 2) = (t + 1) / 2 is not above that at t."""
    t = Fraction(instance["t"])
    premise = rotation_is_proper(instance) and Fraction(instance["large"]) > Fraction(instance["small"])
    return premise and value_there(instance, (t + 1) / 2) <= value_there(instance, t)


def value_does_not_fall_beyond(instance: dict[str, Any]) -> bool:
    """u and v are orthonormal, T and Σ₂ have the value λ₂ at u, and Σ₂ has λ₁ > λ₂ at v, where T is 0; beyond
    π/2, at tan(θ / 2) = t + 3/2, ‖T(θ) − Σ₂‖² is not below its value at π/2."""
    t = Fraction(instance["t"])
    premise = rotation_is_proper(instance) and Fraction(instance["large"]) > Fraction(instance["small"])
    return premise and value_there(instance, t + Fraction(3, 2)) >= value_there(instance, Fraction(1))
