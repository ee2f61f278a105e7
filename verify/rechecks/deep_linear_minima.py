"""Critical points and global minima of deep linear problems, for several claims files of one paper."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from verify.rechecks.deep_linear import (
    attains_the_least,
    fitted,
    is_critical,
    is_full,
    is_global_minimum,
    parts,
    product,
    second_derivatives,
    squared_error,
    widths,
)
from verify.rechecks.irrational import differ
from verify.rechecks.linear_algebra import (
    identity,
    is_semidefinite,
    is_zero,
    kronecker,
    minus,
    rank,
    squares,
    times,
    turned,
)
from verify.rechecks.spectra import eigenvalues


def repeats_an_eigenvalue(S):
    """Whether an eigenvalue of a symmetric matrix is repeated: more than n dimensions of matrices commute
    with it."""
    n = len(S)
    return rank(minus(kronecker(S, identity(n)), kronecker(identity(n), S))) < n * n - n


def share_a_positive_eigenvalue(A, B):
    """Whether two semidefinite matrices do: A M = M B then has more solutions than those from both
    kernels."""
    n = len(A)
    common = n * n - rank(minus(kronecker(A, identity(n)), kronecker(identity(n), B)))
    return common > (n - rank(A)) * (n - rank(B))


def fits_all_data(X, Y):
    """X and Y have full row rank."""
    return rank(X) == len(X) and rank(Y) == len(Y)


def critical_point_is_above_the_least(instance: dict[str, Any], *, also="") -> bool:
    """∇L = 0 exactly, X has full row rank, and what the sentence asks for besides holds; yet R = W_H ⋯ W₁
    does not minimise ‖R X − Y‖² over rank R <= d_p: R X is not Ŷ, the projection of Y on the rows of X, on
    its own rows and columns, or Ŷ − R X has a larger singular value, or is not 0 while rank(R X) < d_p."""
    W, X, Y = parts(instance)
    extra = {
        "": True,
        "rank Y = d_H": rank(Y) == len(Y),
        "rank R = d_p": rank(Y) == len(Y) and rank(product(W)) == min(widths(W)),
        "full layers": rank(Y) == len(Y) and all(is_full(w) for w in W),
    }[also]
    return rank(X) == len(X) and extra and is_critical(W, X, Y) and not is_global_minimum(W, X, Y)


def tied_critical_point_is_not_least(instance: dict[str, Any]) -> bool:
    """∇L = 0 exactly, and Ŷ Ŷᵀ, Ŷ the projection of Y on the rows of X, has a repeated eigenvalue, since more
    than d_H dimensions of matrices commute with it; yet R = W_H ⋯ W₁ does not minimise ‖R X − Y‖² over rank R
    <= d_p."""
    _, X, Y = parts(instance)
    F = fitted(X, Y)
    return repeats_an_eigenvalue(times(F, turned(F))) and critical_point_is_above_the_least(instance)


def global_minimum_of_lower_rank(instance: dict[str, Any]) -> bool:
    """X and Y have full row rank, and W is a global minimum by Eckart and Young: R X is Ŷ, the projection of
    Y on the rows of X, on its own rows and columns, and nothing larger is left; yet rank(W_H ⋯ W₁) < d_p, by
    elimination."""
    W, X, Y = parts(instance)
    return fits_all_data(X, Y) and rank(product(W)) < min(widths(W)) and is_global_minimum(W, X, Y)


def global_minimum_has_another_value(instance: dict[str, Any], *, claimed) -> bool:
    """W is a global minimum by Eckart and Young: R X is Ŷ, the projection of Y on the rows of X, on its own
    rows and columns, and nothing larger is left. The value in the sentence is another one than ‖R X − Y‖²: R
    X fails the same test for the rank or the targets it speaks of, or the two numbers, computed with
    eigenvalues, differ."""
    W, X, Y = parts(instance)
    if not is_global_minimum(W, X, Y):
        return False
    R, k, F = product(W), min(widths(W)), squared_error(W, X, Y)
    if claimed == "twice L":  # L(W) = min ‖R X − Y‖²
        return F / 2 != F
    if claimed == "over all R":
        return not attains_the_least(R, X, Y, len(X))
    if claimed == "second smallest width":
        return not attains_the_least(R, X, Y, sorted(widths(W))[1])
    if claimed == "singular values of Y":
        return not attains_the_least(times(R, X), identity(len(X[0])), Y, k)
    A = times(Y, turned(X)) if claimed == "singular values of Y X^T" else fitted(X, Y)
    values = eigenvalues(times(A, turned(A)))
    kept = values[-k:] if claimed == "k smallest" else values[:k]
    return differ(F, squares(Y) - sum(kept, Fraction(0)))


def saddle_without_negative_curvature(instance: dict[str, Any]) -> bool:
    """∇L = 0 and ∇²L has no negative eigenvalue, by exact elimination; yet L(W) is not the least value: R =
    W_H ⋯ W₁ does not minimise ‖R X − Y‖² over rank R <= d_p by the theorem of Eckart and Young."""
    W, X, Y = parts(instance)
    if not is_critical(W, X, Y) or is_global_minimum(W, X, Y):
        return False
    return is_semidefinite(second_derivatives(W, X, Y))


def loss_is_convex(instance: dict[str, Any]) -> bool:
    """Either there is one layer, L is quadratic, and its constant ∇²L has no negative eigenvalue, by exact
    elimination; or X = 0, and L is ½‖Y‖² everywhere. So L is convex, and its minima form a convex set."""
    W, X, Y = parts(instance)
    return is_zero(X) or (len(W) == 1 and is_semidefinite(second_derivatives(W, X, Y)))
