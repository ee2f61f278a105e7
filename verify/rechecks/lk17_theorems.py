"""For ``verify/test_lk17_theorems.py``: Theorems 2.1, 2.2 and 2.3."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from verify.rechecks.deep_linear import fitted, is_global_minimum, parts, product, widths
from verify.rechecks.deep_linear_minima import share_a_positive_eigenvalue
from verify.rechecks.jets import gradient_of, hessian_of, variables
from verify.rechecks.linear_algebra import is_positive_definite, matrix, minus, rank, times, turned


def minimiser_is_not_unique(instance: dict[str, Any]) -> bool:
    """X has full row rank, and R is a minimiser over rank R <= d_p by Eckart and Young. Z = R X and what is
    left of the projected targets, Ŷ − Z, share a positive singular value, since A M = M B has more solutions
    for A = Z Zᵀ and B = (Ŷ − Z)(Ŷ − Z)ᵀ than their kernels give: one direction can be exchanged for the
    other."""
    W, X, Y = parts(instance)
    if rank(X) < len(X) or not is_global_minimum(W, X, Y):
        return False
    Z = times(product(W), X)
    left = minus(fitted(X, Y), Z)
    exchanged = share_a_positive_eigenvalue(times(Z, turned(Z)), times(left, turned(left)))
    return min(widths(W)) < len(Y) and exchanged


def weighted_minimum_is_not_least(instance: dict[str, Any]) -> bool:
    """With a₂ > 0 held fixed, which a scaling of a against b allows, the gradient of Σ C_ij (a_i b_j − Y_ij)²
    is 0 and its Hessian definite: (a, b) is a local minimum. A matrix with one entry of Y, of rank one, has a
    lower value."""
    C, Y = matrix(instance["C"]), matrix(instance["Y"])
    start = [row[0] for row in matrix(instance["a"]) + matrix(instance["b"])]
    first, *b = variables([start[0], *start[2:]])
    a = [first, start[1]]
    f = Fraction(0)
    for i in range(2):
        for j in range(2):
            e = b[j] * a[i] - Y[i][j]
            f += e * e * C[i][j]
    weighed = [C[i][j] * Y[i][j] ** 2 for i in range(2) for j in range(2)]
    strict = not any(gradient_of(f, 3)) and is_positive_definite(hessian_of(f, 3))
    return start[1] > 0 and strict and f.value > sum(weighed) - max(weighed)
