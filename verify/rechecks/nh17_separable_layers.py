"""Rechecks for ``verify/test_nh17_separable_layers.py``: convex hulls that meet."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

from verify.rechecks.layers import with_ones
from verify.rechecks.linear_algebra import matrix, null_vectors, rank, times, turned
from verify.rechecks.wide_layers import different, layers_of, weights_and_biases


def hulls_meet(rows, signs):
    """Whether the convex hulls of the rows of two signs meet: some λ >= 0, λ ≠ 0, has Σ λ_i s_i (x_i, 1) = 0.

    Such a λ with the fewest entries ≠ 0 is, up to a factor, the only one on its rows: all sets are tried.
    """
    signed = [[s * e for e in (*row, Fraction(1))] for row, s in zip(rows, signs)]
    for size in range(2, len(rows) + 1):
        for chosen in itertools.combinations(signed, size):
            solutions = null_vectors(turned(chosen), size)
            if len(solutions) == 1 and all(e > 0 for e in solutions[0]):
                return True
    return False


def some_class_is_not_separable(rows, classes):
    """Whether the hull of some class meets that of the other rows."""
    return any(hulls_meet(rows, [1 if c == k else -1 for c in classes]) for k in set(classes))


def classes_of(instance):
    """The classes, as a list."""
    return [c for (c,) in matrix(instance["classes"])]


def hull_of_a_class_meets_the_rest(instance: dict[str, Any], premise="distinct") -> bool:
    """The rows are distinct, or, if that is the premise instead, rank([F, 1]) >= N − 1; and a convex
    combination of rows of one class equals one of rows of the others, so that no hyperplane separates
    the two."""
    F = matrix(instance["F"])
    given = different(F) == len(F) if premise == "distinct" else rank(with_ones(F)) >= len(F) - 1
    return given and some_class_is_not_separable(F, classes_of(instance))


def separable_and_dependent(instance: dict[str, Any]) -> bool:
    """The hull of no class meets that of the other rows, so that all classes are separable; and yet rank F
    < N."""
    F = matrix(instance["F"])
    return not some_class_is_not_separable(F, classes_of(instance)) and rank(F) < len(F)


def layer_is_not_separable(instance: dict[str, Any], short=0, nonzero_weights=False, full_rank=False) -> bool:
    """n_k >= N − 1 − short (and no W_l is 0, or [F_k, 1] has the greatest rank for its size, if that is
    asked for). Yet two samples of different classes have equal first pre-activations, hence equal rows
    of F_k, or, F_k being rational, the convex hulls of a class and of the others meet."""
    net, classes = instance["layers"], classes_of(instance)
    X, stack = matrix(net["X"]), weights_and_biases(net)
    width = len(stack[-1][0])
    if width < len(X) - 1 - short or (nonzero_weights and not all(any(map(any, w[:-1])) for w in stack)):
        return False
    made, exact = layers_of(net)
    if full_rank and rank(with_ones(made[-1])) < min(len(X), width + 1):
        return False
    first = times(with_ones(X), stack[0])
    together = any(
        first[i] == first[j] and classes[i] != classes[j] for i, j in itertools.combinations(range(len(X)), 2)
    )
    return together or (exact and some_class_is_not_separable(made[-1], classes))
