"""Second opinions on Propositions 1 and 2 and Theorem 3: networks W (x + R z), W x + V z, W₂ ⋯ W₁ x."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

from verify.rechecks.induced import is_critical_point, step_values, step_weights
from verify.rechecks.linear_algebra import (
    beside,
    is_semidefinite,
    matrix,
    null_vectors,
    projection,
    rank,
    solution,
    times,
    turned,
)
from verify.rechecks.linear_models import least_loss
from verify.rechecks.linear_programs import greatest_value
from verify.rechecks.local_minima import is_a_local_minimum, loss_second_derivatives, rests_at_wells
from verify.rechecks.networks import linear, loss_value, total_loss, weights_of


def features_of_residual(net):
    """x_i and z_i of W (x + R z) or W x + V z, sample by sample."""
    steps = net["computation"]["steps"]["tuple"]
    both = steps[-1] if "left" in steps[-1] else steps[steps[-1]["source"] - 1]
    left, right = both["left"], steps[both["right"] - 1]["source"]
    if "left" in steps[-1]:
        left = steps[left - 1]["source"]
    return step_values(net, left), step_values(net, right)


def features_named(net, on):
    """What the linear models of a sentence read: rows by sample."""
    if on == "inputs":
        return matrix(net["X"])
    if on == "the first inputs":  # as many as the first hidden layer has units
        width = len(step_weights(net, 1))
        return [row[:width] for row in matrix(net["X"])]
    found = []
    for x, z in zip(*features_of_residual(net)):
        squares_of = {"x": x, "z": z, "x*x": [a * a for a in x], "z*z": [a * a for a in z]}
        products = [x[0] * a for a in z]
        found.append([a for name in on.split(", ") for a in {**squares_of, "x1*z": products}[name]])
    return found


def least_on(net, on):
    """Bounds of the infimum of L over the linear models of these features: equal, or a hair apart."""
    return least_loss(features_named(net, on), matrix(net["Y"]), weights_of(net), net["loss"]["loss"])


def theta_is_as_supposed(net, at):
    """Whether θ is as the sentence supposes: any point, ∇L = 0, or certainly a local minimum."""
    if at == "any":
        return True
    return is_critical_point(net) if at == "critical" else is_a_local_minimum(net)


def loss_exceeds_linear_models(instance: dict[str, Any], on: str = "x", at: str = "minimum") -> bool:
    """L exceeds its infimum over the linear models of the features. θ is a local minimum (by ∇²L, by convexity near
    θ, or because p is orthogonal to all outputs there are), or ∇L = 0 if critical points are meant.
    """
    return loss_value(instance) > least_on(instance, on)[1] and theta_is_as_supposed(instance, at)


def loss_is_not_below_linear_models(instance: dict[str, Any], at: str = "minimum") -> bool:
    """L is at least its infimum over the linear models of x. θ is a local minimum (by ∇²L, by convexity near
    θ, or because p is orthogonal to all outputs there are), or ∇L = 0 if critical points are meant.
    """
    return loss_value(instance) >= least_on(instance, "x")[1] and theta_is_as_supposed(instance, at)


def loss_differs_from_linear_models(instance: dict[str, Any], on: str = "x", at: str = "minimum") -> bool:
    """L is not its infimum over the linear models of the features. θ is a local minimum (by ∇²L, by convexity near
    θ, or because p is orthogonal to all outputs there are), or ∇L = 0 if critical points are meant.
    """
    low, high = least_on(instance, on)
    return not low <= loss_value(instance) <= high and theta_is_as_supposed(instance, at)


def loss_is_below_linear_models(instance: dict[str, Any], at: str = "minimum") -> bool:
    """L is below its infimum over the linear models of x. θ is a local minimum (by ∇²L, by convexity near
    θ, or because p is orthogonal to all outputs there are), or ∇L = 0 if critical points are meant.
    """
    return loss_value(instance) < least_on(instance, "x")[0] and theta_is_as_supposed(instance, at)


def well_is_not_the_deepest(instance: dict[str, Any], on: str = "x") -> bool:
    """∂ℓ = 0 and ∂²ℓ > 0 at every output, so that θ is a local minimum; the linear model nearest to the other wells,
    at y + 2, has a lower loss.
    """
    wished = [[e + 2 for e in y] for y in matrix(instance["Y"])]
    there = total_loss(instance, projection(features_named(instance, on), wished))
    return rests_at_wells(instance) and there < loss_value(instance)


def residuals_of_the_best_linear_model_correlate(net):
    """Whether Σ λ_i (W* x_i − y_i) z_iᵀ is not zero, W* x being the least squares fit."""
    x, z = features_of_residual(net)
    y, w = matrix(net["Y"]), weights_of(net)
    fitted = projection(x, y, w)
    errors = [[c * (s - t) for s, t in zip(p, q)] for c, p, q in zip(w, fitted, y)]
    return any(e for row in times(turned(errors), z) for e in row)


def branch_gains_nothing(instance: dict[str, Any], new: bool = False) -> bool:
    """z is not zero (or no linear function of x, if it has to be new), θ is a local minimum, and L is no less than
    the least loss of a linear model on x.
    """
    x, z = features_of_residual(instance)
    grows = rank([a + b for a, b in zip(x, z)]) > rank(x) if new else any(any(row) for row in z)
    return grows and loss_is_not_below_linear_models(instance)


def correlation_does_not_tell(instance: dict[str, Any]) -> bool:
    """∇L = 0, and L < inf over x does not go with Σ λ_i (W* x_i − y_i) z_iᵀ ≠ 0, or L > inf over x."""
    here, bound = loss_value(instance), least_on(instance, "x")[0]
    agrees = (here < bound) == residuals_of_the_best_linear_model_correlate(instance) and here <= bound
    return is_critical_point(instance) and not agrees


def dead_network_has_a_better_neighbour(instance: dict[str, Any]) -> bool:
    """θ is a local minimum, and some θ′ with entries −2, …, 2 has a lower loss."""
    here, n = loss_value(instance), len(instance["theta"])
    better = any(
        loss_value(instance, [Fraction(e) for e in theta]) < here for theta in itertools.product(range(-2, 3), repeat=n)
    )
    return better and is_a_local_minimum(instance)


def flat_saddle_is_not_global(instance: dict[str, Any]) -> bool:
    """∇L = 0 and no eigenvalue of ∇²L is negative; yet a linear map has a lower loss."""
    flat = is_critical_point(instance) and is_semidefinite(loss_second_derivatives(instance))
    return flat and loss_value(instance) > least_on(instance, "inputs")[1]


def minimum_has_a_loss(instance: dict[str, Any]) -> bool:
    """θ is a local minimum with L > 0."""
    return loss_value(instance) > 0 and is_a_local_minimum(instance)


def kinks_hold(W, V, X, Z, Y, weights):
    """Whether (W, V) is a local minimum of Σ w |W (x + V z) − y| by the slopes D that its kinks allow.

    For small moves A of W and B of V, L(W + A, V + B) − L >= ⟨P(D), A⟩ + ⟨S(D), (W + A) B⟩ for every such D, with
    P = Σ w D (x + V z)ᵀ and S = Σ w D zᵀ. If for every n of a basis of Null(Wᵀ), every input a and both signs
    some D has Wᵀ S = 0 and P = ± κ n e_aᵀ, κ > 0, then the best of these D gives at least 0 for small B.
    """
    normals = null_vectors(turned(W), len(W))
    Q = [[s + t for s, t in zip(x, linear(V, z))] for x, z in zip(X, Z)]
    parts, d = [], len(W)  # what one output of one sample adds to P and Wᵀ S, times its D: fixed, or −1 to 1
    for w, q, z, y in zip(weights, Q, Z, Y):
        for k, (h, label) in enumerate(zip(linear(W, q), y)):
            in_p = [w * e if i == k else Fraction(0) for i in range(d) for e in q]
            in_s = [w * a * e for a in W[k] for e in z]
            parts.append((h - label, in_p + in_s))
    size = len(parts[0][1])
    fixed = [sum((e[i] if r > 0 else -e[i] for r, e in parts if r), Fraction(0)) for i in range(size)]
    free = [e for r, e in parts if not r]
    for n in normals:
        for a in range(len(W[0])):
            for sign in (1, -1):
                ray = [sign * n[i] * (j == a) for i in range(d) for j in range(len(W[0]))]
                ray += [Fraction(0)] * (size - len(ray))
                rows, right = [], []
                for i in range(size):  # D = u − v with u + v = 1; the last variable is κ
                    rows.append([s * e[i] for e in free for s in (1, -1)] + [-ray[i]])
                    right.append(-fixed[i])
                for k in range(len(free)):
                    rows.append([Fraction(j // 2 == k) for j in range(2 * len(free))] + [Fraction(0)])
                    right.append(Fraction(1))
                if not greatest_value([Fraction(0)] * (2 * len(free)) + [Fraction(1)], rows, right):
                    return False
    return bool(normals)


def kinks_hold_a_worse_point(instance: dict[str, Any], on: str = "x") -> bool:
    """Slopes of the absolute loss at its kinks make every small move of (W, V) uphill or flat, by linear programs;
    yet L exceeds the least absolute loss of a linear model of the features.
    """
    W, V, X, Z, Y = (matrix(instance[k]) for k in ("W", "V", "X", "Z", "Y"))
    columns = X if on == "x" else beside(X, Z)
    least, _ = least_loss(columns, Y, weights_of(instance), "absolute")
    return loss_value(instance) > least and kinks_hold(W, V, X, Z, Y, weights_of(instance))


def kinks_hold_a_worse_deep_linear_network(instance: dict[str, Any]) -> bool:
    """W₂ W₁ x with W₁ = [A, B] is W (x′ + V x″), W = W₂ A and V = A⁻¹ B, which change continuously with W₁ and W₂:
    slopes at the kinks of the absolute loss make every small move of (W, V) uphill or flat, and yet some linear map
    has a lower loss.
    """
    first, second = ([row[:-1] for row in step_weights(instance, k)] for k in (1, 2))
    d, x, y = len(first), matrix(instance["X"]), matrix(instance["Y"])
    V = solution([row[:d] for row in first], [row[d:] for row in first])
    least, _ = least_loss(x, y, weights_of(instance), "absolute")
    W = times(second, [row[:d] for row in first])
    there = kinks_hold(W, V, [row[:d] for row in x], [row[d:] for row in x], y, weights_of(instance)) if V else False
    return there and loss_value(instance) > least
