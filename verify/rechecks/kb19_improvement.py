"""Rechecks of the refuted sentences on what residual representations improve (Kawaguchi & Bengio 2019)."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from verify.rechecks.linear_algebra import (
    beside,
    is_zero,
    least_squares,
    matrix,
    minus,
    plus,
    projection,
    projector,
    rank,
    squares,
    times,
    turned,
)
from verify.rechecks.networks import loss_value, outputs, parameters, weights_of
from verify.rechecks.residual import branch_outputs, features, linear_model_is_stationary


def rest(x, a):
    """P_N[x] a: what the projection on the column space of x leaves of a."""
    return minus(a, projection(x, a))


def gain(net):
    """L*_{x} − L*_{x,z} for the squared loss and the weights of the samples."""
    Y, w = matrix(net["Y"]), weights_of(net)
    return least_squares(matrix(net["X"]), Y, w) - least_squares(features(net), Y, w)


def improvement_is_another(instance: dict[str, Any], onto: str = "P_N[X] Z", averaged: bool = True) -> bool:
    """L*_{x} − L*_{x,z}, from two least-squares problems with the weights of the samples, and ‖P Y‖² (over
    m if the sentence divides), P projecting on the columns of P_N[X] Z or of Z as it says, are different
    fractions."""
    X, Z, Y = (matrix(instance[k]) for k in "XZY")
    fitted = projection(rest(X, Z) if onto == "P_N[X] Z" else Z, Y)
    return gain(instance) != squares(fitted) / (len(X) if averaged else 1)


def improvement_is_not_positive(instance: dict[str, Any]) -> bool:
    """L*_{x} − L*_{x,z}, from two least-squares problems in exact arithmetic, is not above 0."""
    return gain(instance) <= 0


def does_not_improve(instance: dict[str, Any], needs: str = "nothing") -> bool:
    """E[x D] = 0 and E[z D] = 0 for the squared loss, so (W, V) is a global minimum; Z has what the
    sentence asks of it (not zero, or not in the span of X by ranks); yet L is not below the least squared
    loss on x."""
    X, Z, Y = (matrix(instance[k]) for k in "XZY")
    met = {
        "nothing": True,
        "Z is not zero": not is_zero(Z),
        "Z is not in span(X)": rank(beside(X, Z)) > rank(X),
    }[needs]
    on_x = least_squares(X, Y, weights_of(instance))
    return met and linear_model_is_stationary(instance) and loss_value(instance) >= on_x


def distance(x, z):
    """The squared chordal distance of the column spaces: rank z − tr(P[x] P[z])."""
    overlap = times(projector(x), projector(z))
    return rank(z) - sum(overlap[k][k] for k in range(len(overlap)))


def gap(x, z, y):
    """‖P[P_N[x] z] r‖² − ‖P[z] r‖² for r = P_N[x] y."""
    r = rest(x, y)
    return squares(projection(rest(x, z), r)) - squares(projection(z, r))


def farther_yet_more_different(instance: dict[str, Any]) -> bool:
    """Of the two representations Z, Z′ the one with the larger chordal distance from col X, rank − tr(P[X]
    P[Z]), has the larger difference of ‖P[P_N[X] Z] r‖² and ‖P[Z] r‖², r = P_N[X] Y; projections by
    Gram-Schmidt."""
    X, Y = matrix(instance["X"]), matrix(instance["Y"])
    pair = [(distance(X, z), gap(X, z, Y)) for z in (matrix(instance["Z"]), matrix(instance["Z2"]))]
    (near, near_gap), (far, far_gap) = sorted(pair)
    return near < far and far_gap > near_gap


def gap_is_above(instance: dict[str, Any]) -> bool:
    """‖P[P_N[X] Z] r‖² exceeds ‖P[Z] r‖² for r = P_N[X] Y, in exact projections: it is neither smaller nor
    equal."""
    return gap(matrix(instance["X"]), matrix(instance["Z"]), matrix(instance["Y"])) > 0


def branch_leaves_the_span(instance: dict[str, Any]) -> bool:
    """Z is what the layers of the residual branch compute from X, exactly; and rank [X Z] exceeds rank X,
    or the least squared losses on x and on (x, z) differ."""
    X = matrix(instance["X"])
    return branch_outputs(instance) == matrix(instance["Z"]) and (
        rank(features(instance)) != rank(X) or gain(instance) != 0
    )


def span_of_z_is_smaller(instance: dict[str, Any]) -> bool:
    """Z is what the linear layers of the residual branch compute from X, exactly; and rank Z is not rank
    X."""
    X, Z = matrix(instance["X"]), matrix(instance["Z"])
    layers = instance["branch"]["layers"]["tuple"]
    linear = all(a["activation"] == "linear" and is_zero(matrix(a["bias"])) for a in layers)
    return linear and branch_outputs(instance) == Z and rank(Z) != rank(X)


def projector_does_not_split(instance: dict[str, Any], second: str) -> bool:
    """The projector on the columns of [X Z] and the sum of P[X] and the second projector of the sentence,
    P[Z] or P_N[X] P[Z], all by Gram-Schmidt, have different entries."""
    X, Z = matrix(instance["X"]), matrix(instance["Z"])
    found = projector(Z) if second == "P[Z]" else rest(X, projector(Z))
    return projector(features(instance)) != plus(projector(X), found)


def cross_term_is_another(instance: dict[str, Any], on: str, factor: int) -> bool:
    """With P the projector on the columns of P_N[X] Z, or of Z as the sentence says: tr((P_N[X] Y)ᵀ P Y)
    is not ‖P Y‖², or ‖P_N[X] Y − P Y‖² is not ‖P_N[X] Y‖² + ‖P Y‖² less that many times the trace."""
    X, Z, Y = (matrix(instance[k]) for k in "XZY")
    left, fitted = rest(X, Y), projection(rest(X, Z) if on == "P_N[X] Z" else Z, Y)
    trace = sum((a * b for r, s in zip(left, fitted) for a, b in zip(r, s)), Fraction(0))
    expanded = squares(left) + squares(fitted) - factor * trace
    return trace != squares(fitted) or squares(minus(left, fitted)) != expanded


def least_loss_is_another(instance: dict[str, Any], divisor: str = "1") -> bool:
    """The least mean squared loss on (x, z) and ‖Y − (P[X] + P[P_N[X] Z]) Y‖² over the divisor of the
    sentence are different fractions."""
    X, Z, Y = (matrix(instance[k]) for k in "XZY")
    m = len(X)
    residual = minus(rest(X, Y), projection(rest(X, Z), Y))
    value = squares(residual) / {"1": 1, "2m": 2 * m, "m^2": m * m}[divisor]
    return least_squares(features(instance), Y, weights_of(instance)) != value


def second_line_fails(instance: dict[str, Any], second: str = "vec(r)^T Phi") -> bool:
    """With r = Φ R − Y, m × d_y, the derivative vec(r)ᵀ [I ⊗ Φ] at R = [W, W V] is not the second line of
    the sentence: other entries or another length, or d_y > 1 and the row vec(r)ᵀ of m d_y entries meets
    the m rows of Φ."""
    X, Y, phi = matrix(instance["X"]), matrix(instance["Y"]), features(instance)
    r = minus(outputs(instance, parameters(instance)), Y)
    vec = [e for column in turned(r) for e in column]
    blocks = [
        [e for j in range(len(r[0])) for e in (row if j == k else [Fraction(0)] * len(row))]
        for k in range(len(r[0]))
        for row in phi
    ]
    first = times([vec], blocks)[0]
    if second == "vec(r)^T Phi":
        return len(vec) != len(phi) or first != times([vec], phi)[0]
    if second == "vec(r)^T":
        return first != vec
    return first != [e for column in turned(times(turned(beside(X, X)), r)) for e in column]
