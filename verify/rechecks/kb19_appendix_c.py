"""Rechecks of the refuted sentences of Appendix C of Kawaguchi & Bengio (2019): the output dimension."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from verify.rechecks.linear_algebra import beside, least_squares, matrix, rank, times, turned
from verify.rechecks.losses import loss_at
from verify.rechecks.networks import loss_value, product_of, weights_of
from verify.rechecks.residual import features, is_strict_minimum, linear_model_is_stationary


def image_is_contained(instance: dict[str, Any]) -> bool:
    """min(d_y, d_x) > d_z, and yet W V, for W = R₁ and V with all entries 1, has the shape of R₂, d_y ×
    d_z: the pair (W, W V) is a pair of coefficients."""
    R1, R2 = matrix(instance["R1"]), matrix(instance["R2"])
    product = times(R1, [[Fraction(1)] * len(R2[0]) for _ in R1[0]])
    same_shape = (len(product), len(product[0])) == (len(R2), len(R2[0]))
    return min(len(R1), len(R1[0])) > len(R2[0]) and same_shape


def stays_off_the_image(instance: dict[str, Any], needs: str = "d_y > d_x") -> bool:
    """rank [R₁, R₂] > d_x, by elimination, under the condition on dimensions: [W, W V] has rank at most
    d_x, and near [R₁, R₂] no rank is smaller, so a neighbourhood of (R₁, R₂) holds no (W, W V)."""
    R1, R2 = matrix(instance["R1"]), matrix(instance["R2"])
    d_y, d_x, d_z = len(R1), len(R1[0]), len(R2[0])
    met = d_y > d_x if needs == "d_y > d_x" else d_y <= d_z
    return met and rank(beside(R1, R2)) > d_x


def is_not_in_the_image(instance: dict[str, Any]) -> bool:
    """rank [R₁, R₂] > rank R₁, by elimination: some column of R₂ is no R₁ v, so no V gives (R₁, R₁ V) =
    (R₁, R₂)."""
    R1, R2 = matrix(instance["R1"]), matrix(instance["R2"])
    return rank(beside(R1, R2)) > rank(R1)


def least_weighted_squares(net, columns):
    """inf over R of Σ w c(y) (R φ − y)², output by output, where c(y) is the weight of the label in the
    loss."""
    total, name = Fraction(0), net["loss"]["loss"]
    for y in turned(matrix(net["Y"])):
        w = [p * loss_at(name, b, b)[2] / 2 for p, b in zip(weights_of(net), y)]
        total += least_squares(columns, [[b] for b in y], w)
    return total


def minimum_is_not_optimal(instance: dict[str, Any], narrowest: bool = False) -> bool:
    """∇L = 0 and every eigenvalue of ∇²L is positive, so (W, V) is a strict local minimum, with dimensions
    as the sentence says (d_y > d_x, or min(d_y, d_x) ≤ d_z); and L is not the least squared loss on (x,
    z)."""
    (d_y, d_x), d_z = (len(instance["W"]), len(instance["V"])), len(instance["V"][0])
    met = min(d_y, d_x) <= d_z if narrowest else d_y > d_x
    best = least_weighted_squares(instance, features(instance))
    return met and is_strict_minimum(instance) and loss_value(instance) != best


def minimum_is_optimal(instance: dict[str, Any]) -> bool:
    """d_z < d_y <= d_x and E[x D] = 0, E[z D] = 0 exactly, so (W, V) is a minimum; and L is the least
    squared loss on (x, z)."""
    d_y, d_x, d_z = len(instance["W"]), len(instance["V"]), len(instance["V"][0])
    best = least_weighted_squares(instance, features(instance))
    return d_z < d_y <= d_x and linear_model_is_stationary(instance) and loss_value(instance) == best


def minimum_is_worse_than_on_x(instance: dict[str, Any]) -> bool:
    """∇L = 0 and every eigenvalue of ∇²L is positive, so (W, V) is a strict local minimum; yet L exceeds
    the least loss of a linear model on x, fitted output by output with the weights that labels have in the
    loss."""
    on_x = least_weighted_squares(instance, matrix(instance["X"]))
    return is_strict_minimum(instance) and loss_value(instance) > on_x


def minimum_is_better_than_on_x(instance: dict[str, Any]) -> bool:
    """∇L = 0 and every eigenvalue of ∇²L is positive, so (W, V) is a strict local minimum; and L is below
    the least squared loss of a linear model on x."""
    on_x = least_weighted_squares(instance, matrix(instance["X"]))
    return is_strict_minimum(instance) and loss_value(instance) < on_x


def hidden_widths(net):
    """d_1, …, d_H of a deep linear map."""
    return [len(matrix(w)) for w in net["weights"]["tuple"][:-1]]


def is_no_product(instance: dict[str, Any], within_widest: bool = False) -> bool:
    """rank M, by elimination, exceeds the narrowest hidden width, which no product of such factors does —
    though M is d_y × d_x and, where the sentence asks for it, rank M is at most the widest."""
    widths, r = hidden_widths(instance["net"]), rank(matrix(instance["M"]))
    return r > min(widths) and (not within_widest or r <= max(widths))


def product_has_another_rank(instance: dict[str, Any]) -> bool:
    """The product of the factors, multiplied out, has not the rank min(d_0, …, d_{H+1}) of the sentence."""
    stack = [matrix(w) for w in instance["net"]["weights"]["tuple"]]
    widths = [len(stack[0][0]), *(len(w) for w in stack)]
    return rank(product_of(stack)) != min(widths)
