"""For ``verify/test_lk17_quoted.py``: what is quoted of Kawaguchi (2016)."""

from __future__ import annotations

from typing import Any

from verify.rechecks.deep_linear import (
    above,
    below,
    fitted,
    is_critical,
    is_global_minimum,
    parts,
    product,
    second_derivatives,
    squared_error,
    widths,
)
from verify.rechecks.deep_linear_minima import share_a_positive_eigenvalue
from verify.rechecks.linear_algebra import is_semidefinite, is_zero, minus, rank, scaled, times, turned


def middle_in_one_layer_is_not_lower(instance: dict[str, Any]) -> bool:
    """X has full row rank, and there are two layers or more; L with W₁ = 0 is not below the mean of L at W₁
    and −W₁, all computed exactly."""
    W, X, Y = parts(instance)
    there = [squared_error([scaled(c, W[0]), *W[1:]], X, Y) for c in (1, 0, -1)]
    return len(W) > 1 and rank(X) == len(X) and there[1] >= (there[0] + there[2]) / 2


def critical_point_has_no_lower_points(instance: dict[str, Any]) -> bool:
    """∇L = 0, and W is a global minimum by Eckart and Young: R X is Ŷ, the projection of Y on the rows of X,
    on its own rows and columns, and nothing larger is left. So W is no saddle point."""
    W, X, Y = parts(instance)
    return is_critical(W, X, Y) and is_global_minimum(W, X, Y)


def critical_point_without_negative_curvature(instance: dict[str, Any]) -> bool:
    """∇L = 0 exactly, and ∇²L has no negative eigenvalue, by elimination."""
    W, X, Y = parts(instance)
    return is_critical(W, X, Y) and is_semidefinite(second_derivatives(W, X, Y))


def loss_is_constant(instance: dict[str, Any]) -> bool:
    """∇L = 0 and X = 0: L is ½‖Y‖² everywhere, so that every W is a local maximum."""
    W, X, Y = parts(instance)
    return is_critical(W, X, Y) and is_zero(X)


def loss_ignores_a_layer(instance: dict[str, Any], *, last=False) -> bool:
    """∇L = 0, and L does not depend on W₁, because W_H ⋯ W₂ = 0, or (where the sentence names it) on W_H,
    because W_{H−1} ⋯ W₁ X = 0."""
    W, X, Y = parts(instance)
    kept = times(below(W, len(W) - 1), X) if last else above(W, 1)
    return is_critical(W, X, Y) and is_zero(kept)


def origin_is_no_flat_saddle(instance: dict[str, Any]) -> bool:
    """At W = 0 one of three things holds: ∇L ≠ 0; or ∇²L has a negative eigenvalue, by exact elimination; or
    L is least, by Eckart and Young. So W = 0 is not what the sentence says, a saddle point without negative
    curvature."""
    W, X, Y = parts(instance)
    W = [scaled(0, w) for w in W]
    if not is_critical(W, X, Y) or is_global_minimum(W, X, Y):
        return True
    return not is_semidefinite(second_derivatives(W, X, Y))


def full_rank_does_not_follow(instance: dict[str, Any], *, given, of) -> bool:
    """The matrices that the sentence assumes to have full row rank have it, by elimination, and the one named
    in its conclusion has not; for X Yᵀ the rank is d_H."""
    _, X, Y = parts(instance)
    full = {
        "": True,
        "X": rank(X) == len(X),
        "Y": rank(Y) == len(Y),
        "X Y^T": rank(times(Y, turned(X))) == len(Y),
    }
    return full[given] and not full[of]


def next_singular_value_is_the_same(instance: dict[str, Any]) -> bool:
    """W is a global minimum by Eckart and Young, and d_p < d_H. Of the projected targets Ŷ, Z = R X keeps d_p
    singular values and Ŷ − Z has the others: both share a positive one (A M = M B has more solutions for A =
    Z Zᵀ and B = (Ŷ − Z)(Ŷ − Z)ᵀ than their kernels give), or the last kept and the next are 0, because rank Ŷ
    < d_p."""
    W, X, Y = parts(instance)
    if not is_global_minimum(W, X, Y):
        return False
    Z, Yhat = times(product(W), X), fitted(X, Y)
    left = minus(Yhat, Z)
    same = share_a_positive_eigenvalue(times(Z, turned(Z)), times(left, turned(left)))
    return min(widths(W)) < len(Y) and (same or rank(Yhat) < min(widths(W)))
