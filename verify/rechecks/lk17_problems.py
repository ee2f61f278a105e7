"""For ``verify/test_lk17_problems.py``: the two problems, their convexity and their symmetries."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from verify.rechecks.deep_linear import (
    is_critical,
    is_global_minimum,
    parts,
    product,
    squared_error,
    widths,
)
from verify.rechecks.deep_linear_minima import loss_is_convex
from verify.rechecks.linear_algebra import determinant, matrix, rank, scaled, times, turned


def rank_of_the_product_is_another(instance: dict[str, Any], *, sentence) -> bool:
    """The ranks of W_H ⋯ W₁ and of all layers, by elimination, and the least width d_p do not satisfy the
    sentence."""
    W, _, _ = parts(instance)
    r, least = rank(product(W)), min(widths(W))
    claimed = {
        "rank = d_p": r == least,
        "rank < d_p": r < least,
        "rank = min of the ranks": r == min(rank(w) for w in W),
    }
    return not claimed[sentence]


def matrices_of_this_rank_are_convex(instance: dict[str, Any], *, bound="d_p") -> bool:
    """The bound on the rank is at least min(d_H, d₀), so that all d_H × d₀ matrices satisfy it: they are a
    convex set. Where the sentence keeps d_p < min(d_H, d₀), this is checked."""
    d = widths(parts(instance)[0])
    k = {"d_p": min(d), "d_p + 1": min(d) + 1, "second smallest": sorted(d)[1]}[bound]
    premise = bound == "d_p" or min(d) < min(d[0], d[-1])
    return premise and k >= min(d[0], d[-1])


def middle_to_zero_is_not_higher(instance: dict[str, Any]) -> bool:
    """L(W / 2), computed exactly, is at most the mean of L(W) and L(0); there are two layers or more, and X ≠
    0."""
    W, X, Y = parts(instance)
    half, zero = ([scaled(c, w) for w in W] for c in (Fraction(1, 2), 0))
    mean = (squared_error(W, X, Y) + squared_error(zero, X, Y)) / 2
    return len(W) > 1 and rank(X) > 0 and squared_error(half, X, Y) <= mean


def products_differ(instance: dict[str, Any], *, transposed=False) -> bool:
    """T is invertible, and the product with T W_j and W_{j+1} T (or W_{j+1} Tᵀ) in the place of W_j and
    W_{j+1} is not W_H ⋯ W₁."""
    W, _, _ = parts(instance["problem"])
    j, T = instance["layer"], matrix(instance["T"])
    there = W[:]
    there[j - 1], there[j] = times(T, W[j - 1]), times(W[j], turned(T) if transposed else T)
    return determinant(T) != 0 and product(there) != product(W)


def minima_are_convex(instance: dict[str, Any]) -> bool:
    """W is a global minimum by Eckart and Young. Either there is one layer and ∇²L, which is constant, has no
    negative eigenvalue; or X = 0, and L is constant: L is convex, and so is the set of its minima."""
    return is_global_minimum(*parts(instance)) and loss_is_convex(instance)


def middle_of_the_flip_is_not_higher(instance: dict[str, Any]) -> bool:
    """∇L = 0 at W, and there are two layers or more; between W and W with the signs of W₁ and W₂ turned lies
    W with W₁ = W₂ = 0, and L there is not above L(W)."""
    W, X, Y = parts(instance)
    if len(W) < 2 or not is_critical(W, X, Y):
        return False
    middle = [scaled(0, W[0]), scaled(0, W[1]), *W[2:]]
    return squared_error(middle, X, Y) <= squared_error(W, X, Y)


def one_flip_changes_the_loss(instance: dict[str, Any]) -> bool:
    """W is a global minimum by Eckart and Young, and L is another with W₁ turned to −W₁."""
    W, X, Y = parts(instance)
    flipped = [scaled(-1, W[0]), *W[1:]]
    return is_global_minimum(W, X, Y) and squared_error(flipped, X, Y) != squared_error(W, X, Y)
