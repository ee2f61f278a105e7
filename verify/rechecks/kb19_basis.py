"""Rechecks of the refuted neighbours of Remarks 1 and 2 (Kawaguchi & Bengio 2019): fixed bases, biases, chains."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from verify.rechecks.jets import gradient_of, hessian_of, variables
from verify.rechecks.linear_algebra import is_positive_definite, least_squares, matrix
from verify.rechecks.networks import linear, loss_value, weights_of
from verify.rechecks.residual import linear_model_is_stationary


def chain_of_blocks_is_worse(instance: dict[str, Any]) -> bool:
    """The gradient of L in (w, v₁, v₂) is zero and the pivots of its Hessian are positive, both from the values, slopes and
    curvatures of g₂ at the data: a strict local minimum. Yet L exceeds the least squared loss of a linear model on x."""
    w, v1, v2 = variables([instance[k] for k in ("w", "v1", "v2")])
    columns = [[Fraction(row[0]) for row in instance[k]] for k in ("X", "G1", "G2", "G2_slope", "G2_curvature", "Y")]
    m, L = len(columns[0]), Fraction(0)
    for x, g1, g2, slope, curvature, y in zip(*columns):
        inner = x + v1 * g1
        r = w * (inner + v2 * inner.through(g2, slope, curvature)) - y
        L += r * r * Fraction(1, m)
    on_x = least_squares(matrix(instance["X"]), matrix(instance["Y"]), [Fraction(1, m)] * m)
    return not any(gradient_of(L, 3)) and is_positive_definite(hessian_of(L, 3)) and L.value > on_x


def minimum_is_not_that_without_the_1(instance: dict[str, Any]) -> bool:
    """E[x D] = 0 and E[z D] = 0 exactly for the squared loss, so (W, V) is a global minimum; L is not the least squared
    loss of a linear model on x without its last coordinate, the 1."""
    without = [row[:-1] for row in matrix(instance["X"])]
    on_x = least_squares(without, matrix(instance["Y"]), weights_of(instance))
    return linear_model_is_stationary(instance) and loss_value(instance) != on_x


def bias_coordinate_is_not_constant(instance: dict[str, Any]) -> bool:
    """The last coordinate of x and z is 1 at every sample; that of x + V z, which W meets as its bias, is another number
    at one of them."""
    X, Z, V = (matrix(instance[k]) for k in "XZV")
    last = [x[-1] + linear(V, z)[-1] for x, z in zip(X, Z)]
    return all(x[-1] == z[-1] == 1 for x, z in zip(X, Z)) and any(e != 1 for e in last)
