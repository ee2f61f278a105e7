"""Rechecks of the refuted neighbours of Theorems 1 and 2, Remark 3 and Proposition 1 (Kawaguchi & Bengio 2019)."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from verify.rechecks.linear_algebra import (
    is_positive_definite,
    is_zero,
    least_squares,
    matrix,
    minus,
    null_vectors,
    plus,
    projection,
    rank,
    solution,
    squares,
    times,
    turned,
)
from verify.rechecks.linear_models import least_loss, pieces
from verify.rechecks.linear_programs import maximiser
from verify.rechecks.local_minima import loss_second_derivatives, rests_at_wells
from verify.rechecks.networks import linear, loss_value, outputs, parameters, total_loss, weights_of
from verify.rechecks.residual import (
    features,
    gradient_is_zero,
    linear_model_is_stationary,
    mean_product,
    moment,
)


def basis_of(net, name):
    """The features "xz", "x" or "z" of the samples."""
    return features(net) if name == "xz" else matrix(net[name.upper()])


def least_loss_on(net, name):
    """Two bounds, equal where exact, of the least loss of a linear model on the features "xz", "x" or "z"."""
    return least_loss(basis_of(net, name), matrix(net["Y"]), weights_of(net), net["loss"]["loss"])


def is_strict(net):
    """Whether ∇L = 0 and ∇²L is positive definite; the cross-entropy ignores W + 1 cᵀ: there the last row rests."""
    second = loss_second_derivatives(net) if gradient_is_zero(net) else None
    if second is None:
        return False
    d_y, d_x = len(net["W"]), len(net["W"][0])
    resting = range((d_y - 1) * d_x, d_y * d_x) if net["loss"]["loss"] == "cross-entropy" else ()
    kept = [k for k in range(len(second)) if k not in resting]
    return is_positive_definite([[second[i][j] for j in kept] for i in kept])


def rests_at_kinks(net):
    """Whether slopes D_i of a piecewise linear loss at h_i make every small move (A, B) of (W, V) uphill or flat.

    L(W + A, V + B) − L >= ⟨P, A⟩ + ⟨S, (W + A) B⟩ with P = E[D (x + V z)ᵀ], S = E[D zᵀ]. Here P = 0 and Wᵀ S = 0
    for some D, and as D moves, with Wᵀ S = 0, P takes every value near 0 in {P: Wᵀ P = 0}: some D makes ⟨P, A⟩
    outweigh ⟨S, A B⟩, in which, as Wᵀ S = 0, only the part of A counts that ⟨P, A⟩ sees.
    """
    W, name = matrix(net["W"]), net["loss"]["loss"]
    X, Z, Y, V = (matrix(net[k]) for k in "XZYV")
    in_p, in_wp, in_ws, sums = [], [], [], []  # what every active slope adds to P, Wᵀ P and Wᵀ S; its hull
    for w, x, z, y, h in zip(weights_of(net), X, Z, Y, outputs(net, parameters(net))):
        q = [a + b for a, b in zip(x, linear(V, z))]
        for hull in pieces(name, y):
            values = [sum((s * a for s, a in zip(slope, h)), c) for slope, c in hull]
            sums.append(len(in_p) + values.count(max(values)))
            for (slope, _), value in zip(hull, values):
                if value == max(values):
                    turn = linear(turned(W), slope)
                    in_p.append([w * s * e for s in slope for e in q])
                    in_wp.append([w * s * e for s in turn for e in q])
                    in_ws.append([w * s * e for s in turn for e in z])
    n = len(in_p)
    first = [0, *sums]
    hulls = [[Fraction(a <= k < b) for k in range(n)] for a, b in zip(first, sums)]
    rows, found = turned(in_p) + turned(in_ws) + hulls, set()
    while True:  # which slopes take part in some D with P = 0 and Wᵀ S = 0
        goal = [Fraction(k not in found) for k in range(n)]
        x = maximiser(goal, rows, [Fraction(0)] * (len(rows) - len(hulls)) + [Fraction(1)] * len(hulls))
        fresh = set() if x is None else {k for k in range(n) if x[k]} - found
        if not fresh:
            break
        found |= fresh
    kept = sorted(found)
    still = [[row[k] for k in kept] for row in turned(in_wp) + turned(in_ws) + hulls]
    reached = [linear(turned([in_p[k] for k in kept]), v) for v in null_vectors(still, len(kept))]
    return bool(kept) and rank(reached) == (len(W) - rank(W)) * len(W[0])


def strict_minimum_is_not_optimal(instance: dict[str, Any]) -> bool:
    """∇L = 0 exactly and ∇²L has positive pivots only (the cross-entropy ignores W + 1 cᵀ, so there without the last
    row of W): a strict local minimum. Yet E[(x, z) D] ≠ 0, the gradient of the linear model [W, W V] on (x, z): a
    small step against it lowers the loss, and L exceeds L*_{x,z}."""
    return is_strict(instance) and not linear_model_is_stationary(instance)


def critical_point_is_not_optimal(instance: dict[str, Any]) -> bool:
    """∇L = 0 exactly, yet E[(x, z) D] ≠ 0, the gradient of the linear model [W, W V] on (x, z): a small step against it
    lowers the loss, and L exceeds L*_{x,z}."""
    return gradient_is_zero(instance) and not linear_model_is_stationary(instance)


def optimum_of_w_is_not_optimal(instance: dict[str, Any]) -> bool:
    """∂L/∂W = 0 exactly, and L is convex in W, so W is a minimum while V rests. Yet E[(x, z) D] ≠ 0, the gradient of the
    linear model [W, W V] on (x, z): a small step against it lowers the loss, and L exceeds L*_{x,z}."""
    in_w = plus(moment(instance, "X"), times(matrix(instance["V"]), moment(instance, "Z")))
    return is_zero(in_w) and not linear_model_is_stationary(instance)


def minimum_over_nonnegative_v(instance: dict[str, Any]) -> bool:
    """V = 0, ∂L/∂W = 0, every entry of ∂L/∂V is positive and E[x xᵀ] is positive definite: among V >= 0 this is a strict
    local minimum for the squared loss. Yet L exceeds the least squared loss of a linear model on (x, z)."""
    X, W = matrix(instance["X"]), matrix(instance["W"])
    in_v = times(moment(instance, "Z"), W)
    return (
        is_zero(matrix(instance["V"]))
        and is_zero(moment(instance, "X"))
        and all(e > 0 for row in in_v for e in row)
        and is_positive_definite(mean_product(instance, X, X))
        and loss_value(instance) > least_squares(features(instance), matrix(instance["Y"]), weights_of(instance))
    )


def deeper_well_is_better(instance: dict[str, Any]) -> bool:
    """Every output is at the bottom of a well of ℓ(·, y), or ∇L = 0 and ∇²L is positive definite: a local minimum. Yet the
    linear model on (x, z) that fits y + 2, the deeper wells, best in mean square has a smaller loss, exactly."""
    wells = [[e + 2 for e in row] for row in matrix(instance["Y"])]
    fitted = projection(features(instance), wells, weights_of(instance))
    minimum = rests_at_wells(instance) or is_strict(instance)
    return minimum and loss_value(instance) > total_loss(instance, fitted)


def minimum_at_kinks_is_not_optimal(instance: dict[str, Any], basis: str = "xz") -> bool:
    """For slopes D of ℓ at the outputs, found by linear programs in fractions, E[D (x + V z)ᵀ] = 0 and Wᵀ E[D zᵀ] = 0, and
    they can vary so that every small move of (W, V) is uphill or flat: a local minimum. Yet L exceeds the least loss of a
    linear model on the basis, which another linear program gives exactly."""
    return loss_value(instance) > least_loss_on(instance, basis)[1] and rests_at_kinks(instance)


def value_is_not_the_least_on(instance: dict[str, Any], basis: str) -> bool:
    """E[x D] = 0 and E[z D] = 0 exactly and ℓ is convex, so (W, V) is a global minimum; L and the least loss of a linear
    model on the basis, enclosed from above by a model and from below by a dual point, are different."""
    low, high = least_loss_on(instance, basis)
    return linear_model_is_stationary(instance) and not low <= loss_value(instance) <= high


def is_not_below_linear_models(net, basis="x"):
    """Whether L >= the least loss on the basis: above its upper bound, or itself the loss of such a model."""
    columns = basis_of(net, basis)
    if solution(columns, outputs(net, parameters(net))) is not None:
        return True
    low, high = least_loss_on(net, basis)
    here = loss_value(net)
    return here > high or low == high == here


def minimum_is_not_below(instance: dict[str, Any], basis: str = "x") -> bool:
    """E[x D] = 0 and E[z D] = 0 exactly and ℓ is convex, so (W, V) is a global minimum; yet L is not below the least loss
    of a linear model on the basis: the outputs are those of such a model, or L and the least loss are equal fractions."""
    return linear_model_is_stationary(instance) and is_not_below_linear_models(instance, basis)


def minimum_is_below_linear_models(instance: dict[str, Any]) -> bool:
    """E[x D] = 0 and E[z D] = 0 exactly and ℓ is convex, so (W, V) is a global minimum; L is below a lower bound, from a
    dual point, of the loss of every linear model on x."""
    return linear_model_is_stationary(instance) and loss_value(instance) < least_loss_on(instance, "x")[0]


def minimum_is_above_half(instance: dict[str, Any]) -> bool:
    """E[x D] = 0 and E[z D] = 0 exactly for the squared loss, so (W, V) is a global minimum; 2 L exceeds the least squared
    loss of a linear model on x."""
    return linear_model_is_stationary(instance) and 2 * loss_value(instance) > least_loss_on(instance, "x")[1]


def strict_minimum_is_above_linear_models(instance: dict[str, Any]) -> bool:
    """∇L = 0 exactly and ∇²L has positive pivots only: a strict local minimum. Yet L exceeds the least loss of a linear
    model on x, found by weighted least squares, output by output."""
    return loss_value(instance) > least_loss_on(instance, "x")[1] and is_strict(instance)


def critical_point_is_above_linear_models(instance: dict[str, Any]) -> bool:
    """∇L = 0 exactly, yet L exceeds the loss of a linear model on x, found by least squares or Newton's method in
    fractions."""
    return gradient_is_zero(instance) and loss_value(instance) > least_loss_on(instance, "x")[1]


def does_not_improve_on_x(instance: dict[str, Any], at: str) -> bool:
    """∇L = 0 exactly and, for a strict minimum, ∇²L has positive pivots only; some linear model on (x, z) is better than
    every one on x, by an upper and a lower bound. Yet L is not below the least loss of a linear model on x."""
    found = is_strict(instance) if at == "strict minimum" else gradient_is_zero(instance)
    if not found or not is_not_below_linear_models(instance):
        return False
    return least_loss_on(instance, "xz")[1] < least_loss_on(instance, "x")[0]


def equation_6(net, onto, sign, first, second):
    """The right-hand side: first ‖P_N[X] Y‖² + sign second ‖P Y‖², P the projector of the sentence."""
    X, Z, Y = (matrix(net[k]) for k in "XZY")
    rest = minus(Y, projection(X, Y))
    fitted = {
        "P[P_N[X] Z]": lambda: projection(minus(Z, projection(X, Z)), Y),
        "P[Z]": lambda: projection(Z, Y),
        "P[P_N[Z] X]": lambda: projection(minus(X, projection(Z, X)), Y),
        "P[Z] P_N[X]": lambda: projection(Z, rest),
    }[onto]()
    share = {"1/m": Fraction(1, len(X)), "1": 1}
    return share[first] * squares(rest) + sign * share[second] * squares(fitted)


def equation_6_fails(
    instance: dict[str, Any],
    at: str = "global minimum",
    onto: str = "P[P_N[X] Z]",
    sign: int = -1,
    first: str = "1/m",
    second: str = "1/m",
) -> bool:
    """(W, V) is what the sentence asks for: a global minimum, as E[(x, z) D] = 0 exactly; a strict local minimum, as ∇L = 0
    and the pivots of ∇²L are positive; or ∇L = 0. Yet L is not the right-hand side, with projections by Gram-Schmidt."""
    is_met = {"global minimum": linear_model_is_stationary, "strict minimum": is_strict, "critical point": gradient_is_zero}
    return is_met[at](instance) and loss_value(instance) != equation_6(instance, onto, sign, first, second)
