"""Rechecks of the refuted neighbours of Section 2.3 (Kawaguchi & Bengio 2019): second-order stationary points."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from verify.rechecks.irrational import rounded
from verify.rechecks.linear_algebra import inertia, is_positive_definite, matrix
from verify.rechecks.losses import loss_at
from verify.rechecks.networks import (
    jacobian,
    loss_gradient,
    loss_hessian,
    loss_value,
    outputs,
    parameters,
    weights_of,
)
from verify.rechecks.residual import linear_model_is_stationary


def jump(name, h, y):
    """φ″(h + 0) − φ″(h − 0)."""
    tiny = Fraction(1, 2**60)
    return loss_at(name, h + tiny, y)[2] - loss_at(name, h - tiny, y)[2]


def has_no_hessian(instance: dict[str, Any]) -> bool:
    """E[x D] = 0 and E[z D] = 0 exactly with a convex ℓ, so (W, V) is a global minimum. With the gradients J of the outputs
    and the jumps c of φ″ there, ∇L changes along v by ½ Σ c |J v| J more than a linear map of v says; this is not 0
    for all v, since Σ c |k| k ≠ 0 over the J = k J₀ on a line."""
    H, Y, name = outputs(instance, parameters(instance)), matrix(instance["Y"]), instance["loss"]["loss"]
    jumps = [w * jump(name, h, y) for w, f, g in zip(weights_of(instance), H, Y) for h, y in zip(f, g)]
    lines = {}
    for c, row in zip(jumps, jacobian(instance)):
        first = next((e for e in row if e), None)
        if first is not None:
            line = tuple(e / first for e in row)
            lines[line] = lines.get(line, 0) + c * abs(first) * first
    return linear_model_is_stationary(instance) and any(lines.values())


def hessian_is_singular(instance: dict[str, Any]) -> bool:
    """E[x D] = 0 and E[z D] = 0 exactly for the squared loss, so (W, V) is a global minimum; yet not all pivots of ∇²L in
    (W, V), in exact elimination, are positive."""
    return linear_model_is_stationary(instance) and not is_positive_definite(loss_hessian(instance))


def hessian_has_a_negative_eigenvalue(instance: dict[str, Any]) -> bool:
    """∇L = 0 exactly in (W, V), yet congruences of ∇²L with a diagonal matrix show a negative eigenvalue."""
    return not any(loss_gradient(instance)) and inertia(loss_hessian(instance))[2] > 0


def v_is_large(instance: dict[str, Any]) -> bool:
    """∇L = 0, and ∇²L + ε I has no negative eigenvalue for ε = z at the first sample, by exact congruences: an ε-second-order
    stationary point with L = 1/2. Its |V| exceeds 10."""
    second, epsilon = loss_hessian(instance), Fraction(instance["Z"][0][0])
    raised = [[e + epsilon * (i == j) for j, e in enumerate(row)] for i, row in enumerate(second)]
    stationary = not any(loss_gradient(instance)) and inertia(raised)[2] == 0
    return stationary and loss_value(instance) == Fraction(1, 2) and abs(Fraction(instance["V"][0][0])) > 10


def is_no_local_minimum(instance: dict[str, Any]) -> bool:
    """∇L = 0, and L = 1/2; yet L is lower at (W + s, V + s) or (W + s, V − s) with s = 2⁻⁴¹, nearer than 2⁻⁴⁰, and again with
    s = 2⁻⁸⁰."""
    w, v = parameters(instance)
    here, steps = loss_value(instance), [Fraction(1, 2**41), Fraction(1, 2**80)]
    lower = all(min(loss_value(instance, [w + s, v + t]) for t in (s, -s)) < here for s in steps)
    return not any(loss_gradient(instance)) and here == Fraction(1, 2) and lower


def regularised_at(c, penalty, w, v):
    """F(w, v) = (w (1 + c v) − 1)² + λ (w² + v²), its gradient, and its Hessian as (F_ww, F_wv, F_vv)."""
    a, r = 1 + c * v, w * (1 + c * v) - 1
    value = r * r + penalty * (w * w + v * v)
    slope = [2 * r * a + 2 * penalty * w, 2 * r * c * w + 2 * penalty * v]
    return value, slope, [2 * a * a + 2 * penalty, 2 * c * (w * a + r), 2 * c * c * w * w + 2 * penalty]


def enclosed_minimum(c, penalty, start):
    """(low, high) around F at a strict local minimum near where Newton's method from (start, start) ends, or None.

    In the square of half side 2⁻²⁰ around the end p every Hessian is at least k I, with k > 0 from bounds of its
    entries. If |∇F(p)| < 2⁻²⁰ k the minimum over the square is inside, and F(p) − |∇F(p)|² / 2k <= F there <= F(p).
    """
    w = v = Fraction(start, 3)
    for _ in range(60):
        value, (f, g), (p, q, s) = regularised_at(c, penalty, w, v)
        while p <= 0 or s <= 0 or p * s <= q * q:  # made positive definite
            p, s = p + abs(q), s + abs(q)
        x, y, t = (s * f - q * g) / (p * s - q * q), (p * g - q * f) / (p * s - q * q), Fraction(1)
        while regularised_at(c, penalty, w - t * x, v - t * y)[0] > value and t > Fraction(1, 2**60):
            t /= 2
        w, v = rounded(w - t * x), rounded(v - t * y)
    value, (f, g), (p, q, s) = regularised_at(c, penalty, w, v)
    d = Fraction(1, 2**20)
    a = 1 + c * v
    # how far 2 a² + 2 λ, 2 c (2 w a − 1) and 2 c² w² + 2 λ can move in the square
    p_moves = 2 * c * d * (2 * abs(a) + c * d)
    q_moves = 4 * c * d * (abs(a) + c * abs(w) + c * d)
    s_moves = 2 * c * c * d * (2 * abs(w) + d)
    p, q, s, largest = p - p_moves, abs(q) + q_moves, s - s_moves, p + p_moves + s + s_moves
    k = (p * s - q * q) / largest
    size = f * f + g * g
    if p <= 0 or k <= 0 or size >= (d * k) ** 2:
        return None
    return value - size / (2 * k), value


def minima_differ(instance: dict[str, Any]) -> bool:
    """Around the ends of Newton's method from (1/3, 1/3) and (−1/3, −1/3) F is strongly convex and its gradient nearly 0: a
    strict local minimum lies near each. Their values are in disjoint intervals."""
    found = [enclosed_minimum(instance["c"], Fraction(instance["penalty"]), s) for s in (1, -1)]
    return None not in found and (found[0][1] < found[1][0] or found[1][1] < found[0][0])


def minimum_is_positive(instance: dict[str, Any]) -> bool:
    """Around the ends of Newton's method from (1/3, 1/3) and (−1/3, −1/3) F is strongly convex and its gradient nearly 0: a
    strict local minimum lies near each. Its value at the first exceeds 0, the loss of the linear model x ↦ x."""
    found = [enclosed_minimum(instance["c"], Fraction(instance["penalty"]), s) for s in (1, -1)]
    return None not in found and found[0][0] > 0
