"""Rechecks of the geometry of Theorem 1: ``verify/test_khk19b_tangent_plane.py``."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from verify.rechecks.gradient_models import jacobian_elsewhere
from verify.rechecks.induced import (
    all_outputs,
    inner_parameters,
    is_critical_point,
    labels_column,
    some_columns,
    spans,
    weights_of_outputs,
)
from verify.rechecks.irrational import differ
from verify.rechecks.linear_algebra import least_squares, matrix, minus, rank
from verify.rechecks.networks import jacobian, loss_value, total_loss


def outputs_leave_the_span(net: dict[str, Any]) -> bool:
    """f_X(θ) is no linear combination of the ∂_k f_X(θ): elimination leaves a remainder."""
    return not spans(jacobian(net), all_outputs(net))


def outputs_leave_the_inner_span(net: dict[str, Any]) -> bool:
    """f_X(θ) is no linear combination of the derivatives by u, without those by the output layer: elimination
    leaves a remainder."""
    return not spans(some_columns(jacobian(net), inner_parameters(net)), all_outputs(net))


def outputs_leave_the_span_elsewhere(net: dict[str, Any]) -> bool:
    """f_X(θ) is no linear combination of the ∂_k f_X at θ + (1, …, 1) / 16: elimination leaves a
    remainder."""
    return not spans(jacobian_elsewhere(net), all_outputs(net))


def derivatives_are_deficient(net: dict[str, Any]) -> bool:
    """The rank of the derivatives of f_X is less than their number n and than the number m d_y of all
    outputs."""
    J = jacobian(net)
    return rank(J) < min(len(J), len(J[0]))


def tangent_plane_comes_nearer(net: dict[str, Any]) -> bool:
    """The least squared loss over f_X(θ) + span{∂_k f_X(θ)}, by an exact projection, is not L(θ)."""
    left = minus(labels_column(net), all_outputs(net))
    return loss_value(net) != least_squares(jacobian(net), left, weights_of_outputs(net))


def another_point_is_as_near(net: dict[str, Any]) -> bool:
    """∇L(θ) = 0; the vector of ones is a combination of the ∂_k f_X(θ), and one more on every logit changes
    no cross-entropy: f_X(θ) is not the only minimiser."""
    ones = [[Fraction(1)] for _ in labels_column(net)]
    return is_critical_point(net) and spans(jacobian(net), ones)


def label_is_away_from_itself(net: dict[str, Any]) -> bool:
    """Σ_i λ_i ℓ_{y_i}(y_i), with logarithms to 180 bits, differs from 0 by more than 10⁻³⁰."""
    return differ(total_loss(net, matrix(net["Y"])), 0)
