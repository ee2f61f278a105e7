"""Rechecks of the refuted neighbours of Section 2.2 (Kawaguchi & Bengio 2019): one-hidden-layer ReLU networks."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from verify.rechecks.linear_algebra import (
    is_zero,
    least_squares,
    matrix,
    minus,
    plus,
    scaled,
    squares,
    times,
    turned,
)
from verify.rechecks.losses import activated


def inputs_of_units(net, W1=None):
    """W₁ x, a row for every sample."""
    return times(matrix(net["X"]), turned(matrix(net["W1"]) if W1 is None else W1))


def hidden_outputs(net, W1, W2):
    """h = W₂ σ(W₁ x), a row for every sample."""
    units = [[activated(net["activation"], a) for a in row] for row in inputs_of_units(net, W1)]
    return times(units, turned(W2))


def mean_square(net, W1, W2):
    """(1/m) Σ |h − y|²."""
    return squares(minus(hidden_outputs(net, W1, W2), matrix(net["Y"]))) / len(net["X"])


def weights_moved(move, t):
    """(W₁ + t A, W₂ + t B)."""
    net = move["net"]
    return [plus(matrix(net[k]), scaled(t, matrix(move[d]))) for k, d in (("W1", "A"), ("W2", "B"))]


def falls_by(move, t):
    """L − L(W₁ + t A, W₂ + t B)."""
    net = move["net"]
    return mean_square(net, *weights_moved(move, 0)) - mean_square(net, *weights_moved(move, t))


def pattern(net, W1=None):
    """Which units are active at which samples."""
    return [[a > 0 for a in row] for row in inputs_of_units(net, W1)]


def is_dead(net):
    """Whether every unit is inactive, off its kink, at every sample."""
    return all(a < 0 for row in inputs_of_units(net) for a in row)


def small_step(move):
    """A t so small that no unit can change its sign: t |A x_i| <= t |A|_∞ |x_i|₁ <= ½ min |(W₁ x_i)_k|."""
    least = min(abs(a) for row in inputs_of_units(move["net"]) for a in row)
    widest = max(sum(map(abs, row)) for row in matrix(move["net"]["X"]))
    largest = max(abs(a) for row in matrix(move["A"]) for a in row)
    return least / (2 * widest * largest) if least and largest else Fraction(1, 1024)


def least_square_on_x(net):
    """The least mean square of a linear model on x."""
    m = len(net["X"])
    return least_squares(matrix(net["X"]), matrix(net["Y"]), [Fraction(1, m)] * m)


def is_best_of_its_cell(net):
    """Whether there is one unit, no W₁ x is 0, and the residuals at the active samples are orthogonal to x."""
    W1, W2, units = matrix(net["W1"]), matrix(net["W2"]), inputs_of_units(net)
    X, residuals = matrix(net["X"]), minus(hidden_outputs(net, W1, W2), matrix(net["Y"]))
    active = [i for i, row in enumerate(units) if row[0] > 0]
    balance = times(turned([X[i] for i in active]), [residuals[i] for i in active]) if active else []
    return len(W1) == 1 and all(row[0] for row in units) and is_zero(balance)


def falls_from_the_kink(instance: dict[str, Any]) -> bool:
    """Every W₁ x is 0, so every unit is inactive, at its kink; yet L is lower at (W₁ + t A, W₂ + t B) for t = 2⁻¹⁰ and
    t = 2⁻⁴⁰."""
    at_kink = is_zero(inputs_of_units(instance["net"]))
    return at_kink and all(falls_by(instance, Fraction(1, 2**k)) > 0 for k in (10, 40))


def falls_within_the_pattern(instance: dict[str, Any]) -> bool:
    """Every W₁ x is negative at W₁ and, all the way, up to W₁ + t A with a t that allows no change of sign; yet L is
    lower at (W₁ + t A, W₂ + t B)."""
    t = small_step(instance)
    same = pattern(instance["net"]) == pattern(instance["net"], weights_moved(instance, t)[0])
    return is_dead(instance["net"]) and same and falls_by(instance, t) > 0


def falls_within_radius_2(instance: dict[str, Any]) -> bool:
    """Every W₁ x is negative, and no entry of A and B exceeds 2; yet L is lower at (W₁ + A, W₂ + B)."""
    small = all(abs(e) <= 2 for k in "AB" for row in matrix(instance[k]) for e in row)
    return is_dead(instance["net"]) and small and falls_by(instance, 1) > 0


def dead_units_are_no_worse(instance: dict[str, Any]) -> bool:
    """Every W₁ x is negative, so h = 0 near (W₁, W₂): a local minimum. Yet L is not above the least mean square of a linear
    model on x."""
    net = instance["net"]
    return is_dead(net) and mean_square(net, *weights_moved(instance, 0)) <= least_square_on_x(net)


def pattern_changes_at_the_kink(instance: dict[str, Any]) -> bool:
    """A unit with W₁ x = 0, inactive, becomes active at W₁ + t A, for t = 2⁻¹⁰ and for t = 2⁻⁴⁰."""
    net = instance["net"]
    before = [a for row in inputs_of_units(net) for a in row]
    after = [inputs_of_units(net, weights_moved(instance, Fraction(1, 2**k))[0]) for k in (10, 40)]
    return any(a == 0 < b and 0 < c for a, b, c in zip(before, *([e for row in rows for e in row] for rows in after)))


def pattern_changes_far_away(instance: dict[str, Any]) -> bool:
    """No W₁ x is 0, and the residuals at the active samples are orthogonal to x; yet W₁ and W₁ + 3 A have different
    activation patterns, compared unit by unit in exact numbers."""
    net = instance["net"]
    return is_best_of_its_cell(net) and pattern(net) != pattern(net, weights_moved(instance, 3)[0])


def best_of_its_cell_is_worse(instance: dict[str, Any]) -> bool:
    """No W₁ x is 0, so the one unit is active at the same samples nearby, where h = W₂ W₁ x is linear; its residuals there
    are orthogonal to x: a local minimum. Yet L exceeds the least mean square of a linear model on x."""
    loss = mean_square(instance, matrix(instance["W1"]), matrix(instance["W2"]))
    return is_best_of_its_cell(instance) and loss > least_square_on_x(instance)
