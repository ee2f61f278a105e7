"""Rechecks for ``verify/test_nh17_global_minima.py``: critical points that are not least, and low ranks."""

from __future__ import annotations

from typing import Any

from verify.rechecks.layers import (
    double_well_is_lower_nearby,
    feature_rank,
    has_full_column_ranks,
    is_not_least,
    is_stationary,
    layer_gradients,
    layers_at,
    stack_of,
    with_ones,
)
from verify.rechecks.linear_algebra import is_zero, matrix, rank


def ranks_are_full(stack, first, least):
    """Whether rank W_l, l >= ``first``, is n_l, or min(n_{l−1}, n_l) for ``least``."""
    return all(
        rank(w[:-1]) == (min(len(w) - 1, len(w[0])) if least else len(w[0])) for w in stack[first - 1 :]
    )


def critical_point_is_not_least(
    net: dict[str, Any], missing: int = 0, first: int = 2, least: bool = False, linear: bool = False
) -> bool:
    """rank [X, 1], every entry of ∇Φ = 0 and the ranks of the weights are as supposed, exactly; and yet Φ(θ)
    is not least: min Φ = 0 (steep units, or rank [X, 1] = N), or outputs of one or two levels cost less, or
    some curvature of Φ at θ is negative."""
    X = matrix(net["X"])
    return (
        rank(with_ones(X)) >= len(X) - missing
        and (not linear or rank(X) == len(X) - 1)
        and ranks_are_full(stack_of(net), first, least)
        and is_stationary(net)
        and is_not_least(net)
    )


def fitted_point_of_a_double_well_is_not_least(net: dict[str, Any]) -> bool:
    """rank [X, 1] = N, W_2, …, W_L have full column rank, and the labels are F_L: with l = 3a⁴ − 4a³ − 12a²,
    l′(0) = 0, so that ∇Φ = 0; and yet 1 more in the first bias of the output makes Φ less than 0 = Φ(θ)."""
    X, Y = matrix(net["X"]), matrix(net["Y"])
    return (
        rank(with_ones(X)) == len(X)
        and has_full_column_ranks(stack_of(net), 2)
        and layers_at(net)[0][-1] == Y
        and double_well_is_lower_nearby(net)
    )


def silent_layer_is_not_least(
    level: dict[str, Any], missing: int = 0, first: int = 2, ones: bool = True
) -> bool:
    """rank [F_k, 1], the gradient of layer k + 1 (backpropagation at whole numbers) and the ranks of the
    weights above are as supposed, exactly; and yet Φ(θ) is not least: min Φ = 0, or ∇Φ ≠ 0, or some curvature
    is negative."""
    net, k = level["net"], int(level["k"])
    gradient = layer_gradients(net)[k]
    return (
        feature_rank(net, k) >= len(net["X"]) - missing
        and is_zero(gradient if ones else gradient[:-1])
        and has_full_column_ranks(stack_of(net), k + first)
        and is_not_least(net)
    )


def a_layer_widens(at: dict[str, Any], by: int = 99) -> bool:
    """No layer widens by more than stated; and some W_l has more columns than rows, so that its rank is below
    n_l whatever its entries are: the set of such weights is everything."""
    shapes = [(len(w), len(w[0])) for w in map(matrix, at["stack"]["tuple"])]
    return all(n <= m + by for m, n in shapes) and any(m < n for m, n in shapes)


def some_rank_is_low(at: dict[str, Any]) -> bool:
    """Some W_l of the list has a rank below its number n_l of columns, by elimination."""
    return any(rank(w) < len(w[0]) for w in map(matrix, at["stack"]["tuple"]))


def samples_are_more_than(level: dict[str, Any], less: int) -> bool:
    """rank [X, 1] = N, and N > d + 1 less the number stated."""
    X = matrix(level["net"]["X"])
    return rank(with_ones(X)) == len(X) and len(X) > len(X[0]) + 1 - less


def few_samples_are_dependent(level: dict[str, Any]) -> bool:
    """N <= d + 1, and yet rank [X, 1] < N."""
    X = matrix(level["net"]["X"])
    return len(X) <= len(X[0]) + 1 and rank(with_ones(X)) < len(X)
