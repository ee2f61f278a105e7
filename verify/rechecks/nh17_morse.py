"""Rechecks for ``verify/test_nh17_morse.py``: degenerate critical points."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from verify.rechecks.layers import (
    layers_at,
    loss_block,
    places_of_layer,
    sigma_of,
    slope_at,
    stack_of,
    widths_of,
    with_ones,
)
from verify.rechecks.linear_algebra import matrix, null_vectors, turned
from verify.rechecks.polynomials import common_factor, count_real_roots, polynomial_at, slope_of, trimmed


def degenerate_critical_point_exists(at: dict[str, Any]) -> bool:
    """f′ + w and f″ have a common real root: Euclid's algorithm, and Sturm's chain to count the roots."""
    f = matrix(at["f"])[0]
    first = slope_of(f) or [Fraction(0)]
    first[0] += Fraction(at["w"])
    common = common_factor(first, slope_of(first))
    return not trimmed(first) or count_real_roots(common) > 0


def count_exceptional_values(f):
    """The number of different w = −f′(t), t a real root of f″, for f of degree 3, 4 or 5.

    Sturm's chain counts the t. f′ is strictly monotone between neighbours: only the outer ones of three can
    have the same f′(t). If so, f′ − f′(t) has double roots at both and is symmetric about their middle, the
    root of f″ between; and if f″ has a root at the mean of its three roots, f′ is symmetric about it.
    """
    bends = slope_of(slope_of(f))
    count = count_real_roots(bends)
    return count - (count == 3 and polynomial_at(bends, -bends[2] / (3 * bends[3])) == 0)


def exceptional_values_are_more(at: dict[str, Any]) -> bool:
    """deg f >= 3, and the real w that leave f + w x a degenerate critical point are more than deg f − 3."""
    f = trimmed(matrix(at["f"])[0])
    return 4 <= len(f) <= 6 and count_exceptional_values(f) > len(f) - 1 - 3


def wide_layer_is_degenerate_everywhere(level: dict[str, Any]) -> bool:
    """n_k >= N, so that [F_k, 1] has more columns than rows whatever θ is; the h with [F_k, 1] h = 0 computed
    at this θ is a null vector of the Hessian's block of layer k + 1, exactly."""
    net, k = level["net"], int(level["k"])
    f = with_ones(layers_at(net)[0][k])
    n = len(matrix(net["X"]))
    if len(f[0]) - 1 < n:
        return False
    h, block = null_vectors(f, len(f[0]))[0], loss_block(net, [k + 1])
    places = places_of_layer(net, k + 1)
    order = sorted(p for row in places for p in row)
    v = [Fraction(0)] * len(order)
    for row, e in zip(places, h):
        v[order.index(row[0])] = e
    return any(v) and not any(sum(a * e for a, e in zip(row, v)) for row in block)


def critical_point_exists_without_perturbation(level: dict[str, Any]) -> bool:
    """n_k >= N and w = 0; Φ has a critical point, with W_l = 0 for all l and output biases b at which σ(b) is
    the mean label: σ = t + t³ rises through it between −t and t, and then Σ_i (σ(b) − y_i) = 0 makes every
    gradient 0."""
    net, k = level["net"], int(level["k"])
    means = [sum(column) / len(column) for column in turned(matrix(net["Y"]))]
    name, wide = sigma_of(net), widths_of(stack_of(net))[k] >= len(net["X"])
    return wide and all(slope_at(name, -abs(e))[0] <= e <= slope_at(name, abs(e))[0] for e in means)
