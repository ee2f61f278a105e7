"""Rechecks of the refuted sentences on the assumptions of Kawaguchi & Bengio (2019), Section 3.1."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from verify.rechecks.linear_algebra import least_squares, matrix, projection
from verify.rechecks.losses import loss_at, sample_loss
from verify.rechecks.networks import loss_value, outputs, parameters, total_loss, weights_of
from verify.rechecks.residual import features, gradient_is_zero, mean_product


def side_slopes(name, h, y):
    """The slopes of the loss left and right of h: of chords of length 1/1024 where it is linear in pieces."""
    if name not in ("absolute", "hinge"):
        return loss_at(name, h, y)[1], loss_at(name, h, y)[1]
    left, here, right = (loss_at(name, h + Fraction(k, 1024), y)[0] for k in (-1, 0, 1))
    return 1024 * (here - left), 1024 * (right - here)


def is_no_convex_smooth_loss(instance: dict[str, Any]) -> bool:
    """The loss has different slopes left and right of an output of h or k (exact chords, its pieces being
    linear with whole ends); or ⟨∇ℓ(h) − ∇ℓ(k), h − k⟩ < 0, which no convex loss allows."""
    h, k, y = (matrix(instance[name])[0] for name in "hky")
    at_h, at_k = ([side_slopes(instance["loss"]["loss"], a, b) for a, b in zip(f, y)] for f in (h, k))
    if any(left != right for left, right in at_h + at_k):
        return True
    return sum((s[0] - t[0]) * (a - b) for s, t, a, b in zip(at_h, at_k, h, k)) < 0


def slope_has_a_corner(instance: dict[str, Any]) -> bool:
    """At an output of h the slope of the loss, which is linear between whole numbers, has different chords
    on the left and on the right: ℓ″ does not exist there."""
    name, e = instance["loss"]["loss"], Fraction(1, 1024)
    for h, y in zip(matrix(instance["h"])[0], matrix(instance["y"])[0]):
        left, here, right = (loss_at(name, h + s * e, y)[1] for s in (-1, 0, 1))
        if here - left != right - here:
            return True
    return False


def several_outputs_meet_a1(instance: dict[str, Any]) -> bool:
    """d_y <= min(d_x, d_z), which is A1, and d_y is not 1."""
    d_y, d_x, d_z = len(instance["W"]), len(instance["V"]), len(instance["V"][0])
    return d_y <= min(d_x, d_z) and d_y != 1


def rests_in_shallow_wells(net):
    """Whether at every output the slope of ℓ(·, y) is 0, its second derivative positive, and its value not
    least."""
    found = []
    for h, y in zip(outputs(net, parameters(net)), matrix(net["Y"])):
        for a, b in zip(h, y):
            value, slope, curve = loss_at(net["loss"]["loss"], a, b)
            found.append(slope == 0 < curve and value > loss_at(net["loss"]["loss"], b + 2, b)[0])
    return all(found)


def is_lower_across_the_jump(instance: dict[str, Any]) -> bool:
    """Every output is at a strict local minimum of ℓ(·, y) that is not its least; and with the matrix that
    z takes on the other side of its jump L is smaller, in exact values."""
    net = instance["net"]
    across = {**net, "Z": instance["other"]}
    return rests_in_shallow_wells(net) and loss_value(across) < loss_value(net)


def linear_model_is_lower(instance: dict[str, Any]) -> bool:
    """Every output is at a strict local minimum of ℓ(·, y) and h is continuous, so (W, V, θ) is a local
    minimum; yet the linear model on (x, z) that fits y + 2, the deep well, best in mean square has a
    smaller loss, exactly."""
    wells = [[e + 2 for e in row] for row in matrix(instance["Y"])]
    fitted = projection(features(instance), wells, weights_of(instance))
    return rests_in_shallow_wells(instance) and loss_value(instance) > total_loss(instance, fitted)


def is_not_the_least_value(instance: dict[str, Any]) -> bool:
    """Every output is at a strict local minimum of ℓ(·, y), so (W, V, θ) is a local minimum; and L differs
    from E of ℓ(y + 2, y), the least value of the loss."""
    name, Y = instance["loss"]["loss"], matrix(instance["Y"])
    least = sum(w * sample_loss(name, [b + 2 for b in y], y) for w, y in zip(weights_of(instance), Y))
    return rests_in_shallow_wells(instance) and loss_value(instance) != least


def lower_point_is_near(instance: dict[str, Any]) -> bool:
    """The gradient of L in (w, v) is exactly zero at w = 0; and L is smaller, in exact values, at a point
    (t E[yz], v + β) with β = 2⁻³², the first t = 2⁻³³, 2⁻³⁴, … that serves: within 2⁻³⁰, as |t E[yz]| <=
    β."""
    (w, v), beta = parameters(instance), Fraction(1, 2**32)
    slope = mean_product(instance, matrix(instance["Y"]), matrix(instance["Z"]))[0][0]
    near = [[slope / 2**k, v + beta] for k in range(33, 99) if abs(slope) <= 2 ** (k - 32)]
    here = loss_value(instance)
    return w == 0 and gradient_is_zero(instance) and any(loss_value(instance, p) < here for p in near)


def optimum_is_not_attained(instance: dict[str, Any]) -> bool:
    """The gradient of L in (w, v) is exactly zero at w = 0; and L differs from the least squared loss on
    (x, z)."""
    best = least_squares(features(instance), matrix(instance["Y"]), weights_of(instance))
    return parameters(instance)[0] == 0 and gradient_is_zero(instance) and loss_value(instance) != best
