"""Residual networks of the JSON: the slopes D of the loss, their moments E[x D], E[z D], and minima."""

from __future__ import annotations

from verify.rechecks.linear_algebra import beside, is_positive_definite, is_zero, matrix, plus, times, turned
from verify.rechecks.losses import activated, loss_slopes
from verify.rechecks.networks import affine, loss_gradient, loss_hessian, outputs, parameters, weights_of


def features(net):
    """The rows [x, z]."""
    return beside(matrix(net["X"]), matrix(net["Z"]))


def branch_outputs(net):
    """z(x), layer by layer as the branch says, for every sample."""
    rows = matrix(net["X"])
    for layer in net["branch"]["layers"]["tuple"]:
        steps = beside(matrix(layer["weight"]), matrix(layer["bias"]))
        rows = [[activated(layer["activation"], a) for a in affine(steps, row)] for row in rows]
    return rows


def slopes(net):
    """D: the row ∂ℓ/∂h of every sample."""
    name = net["loss"]["loss"]
    return [loss_slopes(name, h, y) for h, y in zip(outputs(net, parameters(net)), matrix(net["Y"]))]


def mean_product(net, f, g):
    """E[f gᵀ] of two functions given by their rows."""
    weighted = [[w * e for e in row] for w, row in zip(weights_of(net), g)]
    return times(turned(f), weighted)


def moment(net, name):
    """E[f D] for f = "X", "Z" or "Y"."""
    return mean_product(net, matrix(net[name]), slopes(net))


def linear_model_is_stationary(net):
    """Whether E[x D] = 0 and E[z D] = 0 (and E[D] = 0 with a bias)."""
    D = slopes(net)
    in_b = [] if net.get("b") is None else times([weights_of(net)], D)
    return is_zero(mean_product(net, features(net), D)) and is_zero(in_b)


def gradient_is_zero(net):
    """Whether E[(x + V z) D] = 0 and E[z D] W = 0 (and E[D] = 0 with a bias)."""
    V, W = matrix(net["V"]), matrix(net["W"])
    of_x, of_z = moment(net, "X"), moment(net, "Z")
    in_b = [] if net.get("b") is None else times([weights_of(net)], slopes(net))
    return is_zero(plus(of_x, times(V, of_z))) and is_zero(times(of_z, W)) and is_zero(in_b)


def is_strict_minimum(net):
    """Whether ∇L = 0 and every eigenvalue of ∇²L is positive, by all of W, V (and b)."""
    return not any(loss_gradient(net)) and is_positive_definite(loss_hessian(net))
