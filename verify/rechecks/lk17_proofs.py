"""Rechecks of ``verify/test_lk17_proofs.py``: steps of the proofs of Lu & Kawaguchi (2017)."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from verify.rechecks.deep_linear import (
    above,
    below,
    is_critical,
    is_global_minimum,
    parts,
    product,
    squared_error,
    widths,
)
from verify.rechecks.linear_algebra import rank, squares, times
from verify.rechecks.lk17_full_rank import data_rank, full_rows, kappa, short_of


def objectives_differ(instance: dict[str, Any], factor: int = 1, share_of_targets: str = "0") -> bool:
    """F(R) = ‖W_H ⋯ W₁ X − Y‖² against the factor times L(W) = ½‖W_H ⋯ W₁ X − Y‖², and a share of ‖Y‖² besides:
    two other numbers."""
    W, X, Y = parts(instance)
    F = squared_error(W, X, Y)
    other = factor * F / 2 + Fraction(share_of_targets) * squares(Y)
    return other != F


def first_least_width(W):
    """p, the first index of the least width."""
    return widths(W).index(min(widths(W)))


def merged_weights(W, at):
    """The weights with W_{at+1} W_at in the place of both."""
    return [*W[: at - 1], times(W[at], W[at - 1]), *W[at + 1 :]]


def merged_point_is_no_minimum(instance: dict[str, Any]) -> bool:
    """X and Y have full row rank, W is critical and p >= 2; W_p W_{p−1} in the place of both does not attain the least
    value of the loss L₁ of the merged layers, by the singular values of the data, as all its local minima do."""
    W, X, Y = parts(instance)
    p = first_least_width(W)
    granted = p >= 2 and full_rows(X, Y) and is_critical(W, X, Y)
    return granted and not is_global_minimum(merged_weights(W, p - 1), X, Y)


def index_before_the_first(instance: dict[str, Any]) -> bool:
    """The least width is d₀ and no other, so that p = 0 ≠ 1, and there is no W_{p−1}."""
    d = widths(parts(instance)[0])
    return d[0] < min(d[1:])


def merged_value_is_not_twice(instance: dict[str, Any]) -> bool:
    """W is a global minimum and p >= 2; the loss at the merged layers is not 2 L(W)."""
    W, X, Y = parts(instance)
    p = first_least_width(W)
    other = squared_error(merged_weights(W, p - 1), X, Y) if p >= 2 else 2 * squared_error(W, X, Y)
    return is_global_minimum(W, X, Y) and other != 2 * squared_error(W, X, Y)


def least_width_is_lost(instance: dict[str, Any]) -> bool:
    """Without d_p, the width between W_{p+1} and W_p, the least width is another."""
    W, _, _ = parts(instance)
    p = first_least_width(W)
    return 0 < p < len(W) and min(widths(merged_weights(W, p))) != min(widths(W))


def product_of_halves_has_another_rank(instance: dict[str, Any], relation: str) -> bool:
    """B = W_H ⋯ W_{p+1} and A = W_p ⋯ W₁: rank(BA) is less than rank(B) + rank(A) − d_p + 1, or, for equality, not
    rank(B) + rank(A) − d_p."""
    W, _, _ = parts(instance)
    p = first_least_width(W)
    bound = rank(above(W, p)) + rank(below(W, p)) - min(widths(W))
    return rank(product(W)) < bound + 1 if relation == "one more" else rank(product(W)) != bound


def a_layer_cannot_be_filled(instance: dict[str, Any], short: int | None = 0, more: int = 0) -> bool:
    """L(W) is the least value of L, by the singular values of the data, and rank(Y Xᵀ) >= κ(d) (less what is allowed,
    if anything is asked); yet rank(R X) is less than s₁ + s₂ − max(d_i, d_{i−1}) at a layer, or that much and more."""
    W, X, Y = parts(instance)
    asked = 0 if short is None else kappa(widths(W)) - short
    stuck = any(short_of(W, X, i) + more > 0 for i in range(1, len(W) + 1))
    return stuck and data_rank(X, Y) >= asked and is_global_minimum(W, X, Y)
