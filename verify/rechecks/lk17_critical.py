"""Rechecks of ``verify/test_lk17_critical.py``: all critical points of deep linear problems."""

from __future__ import annotations

import itertools
from typing import Any

from verify.rechecks.deep_linear import (
    attains_the_least,
    fitted,
    is_critical,
    is_global_minimum,
    parts,
    product,
    second_derivatives,
    squared_error,
    widths,
)
from verify.rechecks.irrational import differ
from verify.rechecks.linear_algebra import is_semidefinite, rank, squares, times, turned
from verify.rechecks.spectra import eigenvalues


def saddle_is_not_strict(instance: dict[str, Any]) -> bool:
    """∇L = 0 and L(W) is not the least value of L, so that W is a saddle; yet ∇²L has no negative eigenvalue, by its
    exact inertia."""
    W, X, Y = parts(instance)
    saddle = is_critical(W, X, Y) and not is_global_minimum(W, X, Y)
    return saddle and is_semidefinite(second_derivatives(W, X, Y))


def saddle_of_less_rank_is_strict(instance: dict[str, Any]) -> bool:
    """∇L = 0, L(W) is not the least value of L, so that W is a saddle, and rank R < d_p; yet ∇²L has a negative
    eigenvalue, by its exact inertia."""
    W, X, Y = parts(instance)
    saddle = is_critical(W, X, Y) and not is_global_minimum(W, X, Y)
    low = rank(product(W)) < min(widths(W))
    return saddle and low and not is_semidefinite(second_derivatives(W, X, Y))


def value_is_no_partial_sum(instance: dict[str, Any]) -> bool:
    """‖Y‖² − 2 L(W) is not the sum of any d_p or fewer eigenvalues of Ŷ Ŷᵀ, Ŷ = Y P_X: all of the sums, enclosed by
    exact counts, are another number."""
    W, X, Y = parts(instance)
    Yhat = fitted(X, Y)
    kept, squared = squares(Y) - squared_error(W, X, Y), eigenvalues(times(Yhat, turned(Yhat)))
    sums = (sum(S) for k in range(min(widths(W)) + 1) for S in itertools.combinations(squared, k))
    return all(differ(kept, total) for total in sums)


def fewer_values_are_kept(instance: dict[str, Any]) -> bool:
    """∇L = 0, and R X, which keeps rank(R X) singular values of Y P_X, has not the rank min(d_p, rank(Y Xᵀ))."""
    W, X, Y = parts(instance)
    kept, most = rank(times(product(W), X)), min(min(widths(W)), rank(times(Y, turned(X))))
    return is_critical(W, X, Y) and kept != most


def smaller_values_are_kept(instance: dict[str, Any]) -> bool:
    """∇L = 0, and R X, of rank k, is not the best approximation of Y P_X of rank k: a singular value that is left
    exceeds one that is kept, by the signature of a rational matrix."""
    W, X, Y = parts(instance)
    R = product(W)
    return is_critical(W, X, Y) and not attains_the_least(R, X, Y, rank(times(R, X)))
