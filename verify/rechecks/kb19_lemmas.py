"""Rechecks of the refuted sentences on Lemmas 1 and 2 of Kawaguchi & Bengio (2019) and their proofs."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from verify.rechecks.irrational import differ
from verify.rechecks.linear_algebra import (
    identity,
    is_zero,
    kronecker,
    matrix,
    minus,
    null_vectors,
    plus,
    projection,
    rank,
    scaled,
    times,
    turned,
)
from verify.rechecks.linear_models import least_loss
from verify.rechecks.networks import loss_value, outputs, parameters, total_loss, weights_of
from verify.rechecks.residual import (
    features,
    gradient_is_zero,
    is_strict_minimum,
    linear_model_is_stationary,
    mean_product,
    moment,
    slopes,
)


def vec(a):
    """The columns of a, one after the other."""
    return [e for column in turned(a) for e in column]


def column(entries):
    """A list as a matrix of one column."""
    return [[e] for e in entries]


def last_sample(net):
    """x + V z, z and D of the last sample, as lists."""
    x, z = matrix(net["X"])[-1], matrix(net["Z"])[-1]
    q = [s + t[0] for s, t in zip(x, times(matrix(net["V"]), column(z)))]
    return q, z, slopes(net)[-1]


def lemma_1_fails(instance: dict[str, Any], in_w: str = "q^T (x) I", in_v: str = "z^T (x) W") -> bool:
    """h(W + A, V + B) − h(W, V) − A B z, the part that is linear in (A, B), is A (x + V z) + W B z: it is
    computed at the last sample and differs from ∂h/∂vec(W) vec(A) + ∂h/∂vec(V) vec(B) with the displayed
    matrices."""
    W, A, B = matrix(instance["net"]["W"]), matrix(instance["A"]), matrix(instance["B"])
    q, z, _ = last_sample(instance["net"])
    derivative = plus(times(A, column(q)), times(W, times(B, column(z))))
    by_w = kronecker([q], identity(len(W))) if in_w == "q^T (x) I" else kronecker(identity(len(W)), [q])
    if in_v == "W (x) z^T":
        by_v = kronecker(W, [z])
    else:
        by_v = kronecker([z], W if in_v == "z^T (x) W" else [[Fraction(1) for _ in row] for row in W])
    return derivative != plus(times(by_w, column(vec(A))), times(by_v, column(vec(B))))


def lemma_2_fails(instance: dict[str, Any]) -> bool:
    """∇L = 0 and every eigenvalue of ∇²L is positive (by congruence), so (W, V) is a strict local minimum;
    yet E[x D] or E[z D] is not zero."""
    return is_strict_minimum(instance) and not linear_model_is_stationary(instance)


def critical_point_with_moments(instance: dict[str, Any]) -> bool:
    """The gradient of L in (W, V) is exactly zero, and yet E[x D] or E[z D] is not."""
    return gradient_is_zero(instance) and not linear_model_is_stationary(instance)


def other_moment_does_not_vanish(instance: dict[str, Any], of: str) -> bool:
    """E[x D] = 0 and E[z D] = 0 exactly, so that, ℓ being convex, the linear model [W, W V] and with it
    (W, V) is a global minimum; yet the moment E[f D] of the other function f is not zero."""
    f = [[Fraction(1)] for _ in instance["X"]] if of == "1" else matrix(instance[of])
    return linear_model_is_stationary(instance) and not is_zero(mean_product(instance, f, slopes(instance)))


def loss_changes_along_u(instance: dict[str, Any], u: str, moves: str = "V") -> bool:
    """E[x D] = 0 and E[z D] = 0 with a convex ℓ, so (W, V) is a minimum; for the named vector u, not zero,
    and v, the first row of B, not zero, L differs at the two ends of the move V + u vᵀ (or W + 1 uᵀ)."""
    net = instance["net"]
    W, v = matrix(net["W"]), matrix(instance["B"])[0]
    chosen = {
        "row of W": lambda: [row for row in W if any(row)],
        "null vector of W": lambda: null_vectors(W, len(W[0])),
        "null vector of W^T": lambda: null_vectors(turned(W), len(W)),
    }[u]()
    if not chosen or not any(v) or not linear_model_is_stationary(net):
        return False
    V = matrix(net["V"])
    if moves == "V":
        V = plus(V, times(column(chosen[0]), [v]))
    else:
        W = [[a + b for a, b in zip(row, chosen[0])] for row in W]
    moved = [e for row in (*W, *V) for e in row]
    return differ(loss_value(net), loss_value(net, moved))


def first_display_fails(instance: dict[str, Any], right: str = "vec(zDW)") -> bool:
    """At the last sample the row D (zᵀ ⊗ W) and the vector said to equal it have different entries."""
    W = matrix(instance["W"])
    _, z, d = last_sample(instance)
    left = times([d], kronecker([z], W))[0]
    if right == "vec((z D W^T)^T)":
        return left != vec(turned(times(column(z), times([d], turned(W)))))
    found = vec(times(column(z), times([d], W)))
    return left != ([2 * e for e in found] if right == "2 vec(zDW)" else found)


def second_display_fails(instance: dict[str, Any], right: str = "vec(qD)") -> bool:
    """At the last sample the row D ((x + V z)ᵀ ⊗ I) and the vector said to equal it have different
    entries."""
    q, _, d = last_sample(instance)
    left = times([d], kronecker([q], identity(len(d))))[0]
    if right == "vec(qD)":
        return left != vec(times(column(q), [d]))
    if right == "vec((xD)^T)":
        return left != vec(times(column(d), [matrix(instance["X"])[-1]]))
    return left != [2 * e for e in vec(times(column(d), [q]))]


def w_does_not_cancel(instance: dict[str, Any], least_rank: int = 0) -> bool:
    """rank W is below d_y (and at least the rank that the sentence asks for), E[z D] W = 0 exactly, and
    E[z D] is not zero."""
    W, of_z = matrix(instance["W"]), moment(instance, "Z")
    return least_rank <= rank(W) < len(W) and is_zero(times(of_z, W)) and not is_zero(of_z)


def z_need_not_have_mean_zero(instance: dict[str, Any]) -> bool:
    """E[z D] = 0 exactly, although E[z] is not zero."""
    mean = times([weights_of(instance)], matrix(instance["Z"]))
    return is_zero(moment(instance, "Z")) and not is_zero(mean)


def moment_is_not_seen(instance: dict[str, Any], u_is_zero: bool = False) -> bool:
    """u vᵀ E[z D] = 0 exactly for all the directions v that the sentence admits — every unit vector over
    1024 with u = 0, the first of them alone with u = (1, 0, …, 0) — and E[z D] is not zero."""
    of_z, n = moment(instance, "Z"), len(instance["V"])
    u = [[Fraction(i == 0 and not u_is_zero)] for i in range(n)]
    units = scaled(Fraction(1, 1024), identity(len(of_z)))
    directions = units if u_is_zero else units[:1]
    return all(is_zero(times(times(u, [v]), of_z)) for v in directions) and not is_zero(of_z)


def x_moment_is_not_zero(instance: dict[str, Any]) -> bool:
    """W has a null vector u ≠ 0 and the gradient of L in (W, V) is exactly zero; yet E[x D] is not zero."""
    W = matrix(instance["W"])
    return rank(W) < len(W[0]) and gradient_is_zero(instance) and not is_zero(moment(instance, "X"))


def lies_above_linear_models_on_x(instance: dict[str, Any], least_rank: int = 0) -> bool:
    """The gradient of L in (W, V) is exactly zero, rank W is below d_y (and at least the rank that the
    sentence asks for), and L exceeds the least loss of a linear model on x."""
    W = matrix(instance["W"])
    return (
        least_rank <= rank(W) < len(W)
        and gradient_is_zero(instance)
        and loss_value(instance) > least_loss_on_x(instance)[1]
    )


def least_loss_on_x(net):
    """Bounds of L*_{x} from below and above."""
    return least_loss(matrix(net["X"]), matrix(net["Y"]), weights_of(net), net["loss"]["loss"])


def better_model_exists(instance: dict[str, Any], on: str) -> bool:
    """E[x D] = 0 and E[z D] = 0: the gradient of L is zero and the linear model [W, W V] is stationary.
    Yet the linear model that fits h = y + 2, the deep well of ℓ, best in mean square has a smaller loss,
    exactly."""
    inputs = matrix(instance["X"]) if on == "x" else features(instance)
    wells = [[e + 2 for e in row] for row in matrix(instance["Y"])]
    fitted = projection(inputs, wells, weights_of(instance))
    return linear_model_is_stationary(instance) and loss_value(instance) > total_loss(instance, fitted)


def is_not_the_least_on_x(instance: dict[str, Any]) -> bool:
    """E[x D] = 0 and E[z D] = 0 with a convex ℓ, so L is the least loss of linear models on (x, z); it
    differs from the least loss of a linear model on x alone."""
    low, high = least_loss_on_x(instance)
    return linear_model_is_stationary(instance) and not low <= loss_value(instance) <= high


def stationary_yet_positive(instance: dict[str, Any]) -> bool:
    """E[x D] = 0 and E[z D] = 0 exactly, so the linear model [W, W V] is optimal; and L is not zero."""
    return linear_model_is_stationary(instance) and loss_value(instance) != 0


def critical_point_misses_the_optimum(instance: dict[str, Any]) -> bool:
    """The gradient of L in (W, V) is exactly zero, but that of the linear model [W, W V], E[(x, z) D], is
    not: a small step against it lowers the loss, so L exceeds L*_{x,z}."""
    return gradient_is_zero(instance) and not linear_model_is_stationary(instance)


def not_zero(instance: dict[str, Any], which: str) -> bool:
    """rank W < d_y and d_y = 1, so W = 0; the matrix that the sentence says to vanish as well has an entry
    that is not zero."""
    W = matrix(instance["W"])
    return len(W) == 1 and rank(W) == 0 and not is_zero(matrix(instance[which]))


def w_or_h_is_not_zero(instance: dict[str, Any], d_y: int) -> bool:
    """W has the d_y rows of the sentence and, where d_y = 1 is the assumption dropped, rank W < d_y; and W or
    an output h of the data is not zero."""
    W = matrix(instance["W"])
    premise = len(W) == 1 if d_y == 1 else rank(W) < len(W) == d_y
    return premise and not (is_zero(W) and is_zero(outputs(instance, parameters(instance))))


def is_no_coefficient(instance: dict[str, Any], factor: int | None = None) -> bool:
    """The second matrix R of the pair, V or the stated multiple of W V, has not the shape d_y × d_z of a
    coefficient of z, or W x + R z differs from h = W (x + V z) at a sample."""
    W, V = matrix(instance["W"]), matrix(instance["V"])
    second = V if factor is None else scaled(factor, times(W, V))
    if (len(second), len(second[0])) != (len(W), len(V[0])):
        return True
    X, Z = matrix(instance["X"]), matrix(instance["Z"])
    model = plus(times(X, turned(W)), times(Z, turned(second)))
    return not is_zero(minus(model, outputs(instance, parameters(instance))))
