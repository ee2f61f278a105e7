"""Rechecks of the refuted sentences on measures, eq. (3) and convexity (Kawaguchi & Bengio 2019)."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from verify.rechecks.jets import Jet
from verify.rechecks.linear_algebra import (
    beside,
    inertia,
    is_zero,
    matrix,
    minus,
    plus,
    solution,
    squares,
    times,
    turned,
)
from verify.rechecks.networks import loss_hessian, outputs, parameters, total_loss
from verify.rechecks.residual import features, moment


def has_infinite_variance(tail):
    """Whether E|z| < ∞ = E z² for P(|z| = b^k) = (1 − r) r^(k−1): b r < 1 <= b² r, and 199 terms of E z²
    pass 100."""
    b, r = tail["base"], Fraction(tail["ratio"])
    terms = (r ** (k - 1) * (1 - r) * b ** (2 * k) for k in range(1, 200))
    return b * r < 1 <= b * b * r and sum(terms) > 100


def heavy_tail_breaks_eq_3(instance: dict[str, Any]) -> bool:
    """b r < 1 <= b² r, so E|z| < ∞ = E z², and v ≠ 0: near (0, v) every point with w ≠ 0 has L = ∞, while
    L(0, v′) = y². So (0, v) is a local minimum at which L, infinite at points next to it, has no
    derivative."""
    return has_infinite_variance(instance) and Fraction(instance["w"]) == 0 != Fraction(instance["v"])


def constant_fits_better(tail):
    """Whether y² = L(0, v) exceeds the loss of the linear model (y / x) x, which has no part in z."""
    x, y = Fraction(tail["x"]), Fraction(tail["y"])
    return x != 0 and y * y > (y / x * x - y) ** 2


def minimum_at_zero_weight_is_bad(instance: dict[str, Any]) -> bool:
    """b r < 1 <= b² r and v ≠ 0, so E z² = ∞ and L = ∞ at every point near (0, v) with w ≠ 0: (0, v) is a
    local minimum, with L = y². The linear model (y / x) x on x alone has a smaller loss."""
    return heavy_tail_breaks_eq_3(instance) and constant_fits_better(instance)


def zero_weight_is_not_optimal(instance: dict[str, Any]) -> bool:
    """b² r < 1, so E z² is finite, and w = 0, where L = y²; the linear model (y / x) x has a smaller loss."""
    b, r = instance["base"], Fraction(instance["ratio"])
    return b * b * r < 1 and Fraction(instance["w"]) == 0 and constant_fits_better(instance)


def derivative_is_another(instance: dict[str, Any], factor: int = 1, with_v: bool = True) -> bool:
    """The derivative of t ↦ L(W + t A, V + t B) at 0, by the product rule through the network, and the
    stated multiple or part of ⟨E[D] ∂h/∂(W, V), (A, B)⟩, from the moments E[(x + V z) D] and E[z D] W, are
    different fractions."""
    net, A, B = instance["net"], matrix(instance["A"]), matrix(instance["B"])
    direction = [e for row in (*A, *B) for e in row]
    line = [Jet(p, {0: e}) for p, e in zip(parameters(net), direction)]
    derivative = total_loss(net, outputs(net, line)).slope.get(0, Fraction(0))
    of_z = moment(net, "Z")
    in_w, in_v = plus(moment(net, "X"), times(matrix(net["V"]), of_z)), times(of_z, matrix(net["W"]))
    by_w, by_v = times(A, in_w), times(B, in_v)
    mean = sum(by_w[k][k] for k in range(len(A))) + with_v * sum(by_v[a][a] for a in range(len(B)))
    return derivative != factor * mean


def infinite_baseline(instance: dict[str, Any]) -> bool:
    """|a| >= 1, so cosh(a t) e^(−t) >= 1/2 for all t > 0 and E cosh(a z), its integral, is ∞: L*_{x} = ∞
    while L = 1 at (1, a), and the difference in eq. (5) is ∞ − (∞ − 1)."""
    return abs(Fraction(instance["a"])) >= 1


def baseline_exists(instance: dict[str, Any]) -> bool:
    """|a| < 1, so E cosh(a z) = (1/(1 − a) + 1/(1 + a)) / 2, the integral of cosh(a t) e^(−t), which is
    finite and at least 1: L*_{x} <= L(1, 0) < ∞."""
    a = Fraction(instance["a"])
    return abs(a) < 1 and (1 / (1 - a) + 1 / (1 + a)) / 2 >= 1


def shallow_point_is_lower(instance: dict[str, Any]) -> bool:
    """|a| < 1 and L(1, 0) = E cosh(a z) = (1/(1 − a) + 1/(1 + a)) / 2, the integral of cosh(a t) e^(−t),
    exceeds L(1, a) = 1, the loss of h = y."""
    a = Fraction(instance["a"])
    return abs(a) < 1 and (1 / (1 - a) + 1 / (1 + a)) / 2 > 1


def integral(f, g):
    """E[f gᵀ] for t uniform on [0, 1] and polynomials given by their coefficients: E t^(i+j) = 1 / (i + j
    + 1)."""
    n = len(f)
    moments = [[Fraction(1, i + j + 1) for j in range(n)] for i in range(n)]
    return times(turned(f), times(moments, g))


def second_moment(f):
    """E|f|² of polynomials."""
    found = integral(f, f)
    return sum((found[k][k] for k in range(len(found))), Fraction(0))


def residual_of(net):
    """h − y as polynomials."""
    return minus(outputs(net, parameters(net)), matrix(net["Y"]))


def least_mean_square(columns, Y):
    """inf over R of E|R φ − y|² of polynomials, by the normal equations."""
    best = solution(integral(columns, columns), integral(columns, Y))
    return second_moment(minus(times(columns, best), Y))


def is_planted(net):
    """Whether E[x D] = 0 and E[z D] = 0 under the uniform measure, D = 2 (h − y)."""
    return is_zero(integral(beside(matrix(net["X"]), matrix(net["Z"])), residual_of(net)))


def is_not_optimal(instance: dict[str, Any]) -> bool:
    """L = E|h − y|², from the moments E t^k = 1/(k + 1), and its least value for linear models on (x, z),
    from the normal equations, are different fractions."""
    best = least_mean_square(features(instance), matrix(instance["Y"]))
    return second_moment(residual_of(instance)) != best


def is_not_the_least_on_polynomials(instance: dict[str, Any]) -> bool:
    """E[x D] = 0 and E[z D] = 0 exactly, from the moments E t^k = 1/(k + 1), so (W, V) is a minimum; and L
    = E|h − y|² is not the least value for linear models on x alone, from the normal equations."""
    best = least_mean_square(matrix(instance["X"]), matrix(instance["Y"]))
    return is_planted(instance) and second_moment(residual_of(instance)) != best


def is_not_the_mean_of_coefficients(instance: dict[str, Any]) -> bool:
    """E[x D] = 0 and E[z D] = 0 exactly, from the moments E t^k = 1/(k + 1), so (W, V) is a minimum; and L
    = E|h − y|² is not the mean of the squares of the coefficients of h − y."""
    r = residual_of(instance)
    return is_planted(instance) and second_moment(r) != squares(r) / len(r)


def has_too_few_negative_eigenvalues(
    instance: dict[str, Any], least: int = 1, away_from_zero: bool = False
) -> bool:
    """∇²L by all of W and V, by congruences, has fewer negative eigenvalues than the sentence says; where only
    W = 0 is dropped, W ≠ 0 and E[z D] ≠ 0."""
    if away_from_zero and (is_zero(matrix(instance["W"])) or is_zero(moment(instance, "Z"))):
        return False
    return inertia(loss_hessian(instance))[2] < least


def is_not_convex(instance: dict[str, Any]) -> bool:
    """∇²L by all of W and V, by congruences, has a negative eigenvalue."""
    return inertia(loss_hessian(instance))[2] > 0
