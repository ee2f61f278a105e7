"""L(θ) beside the losses of gradient basis models, the combinations of the ∂_k f_X(θ)."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from verify.rechecks.induced import (
    all_outputs,
    at_parameters,
    gap_to_span,
    is_critical_point,
    labels_column,
    loss_of_column,
)
from verify.rechecks.linear_algebra import identity, rank, turned
from verify.rechecks.networks import jacobian, loss_value, program_parameters


def alpha_of(instance):
    """α as a list."""
    return [Fraction(row[0]) for row in instance["alpha"]]


def jacobian_elsewhere(net):
    """∂f_X at θ + (1, …, 1) / 16."""
    return jacobian(at_parameters(net, [t + Fraction(1, 16) for t in program_parameters(net)]))


def all_functions(net):
    """The basis of all outputs whatever."""
    return identity(len(labels_column(net)))


def some_model_is_better(net):
    """Whether L is lower at θ + t e_k for a model that is linear in θ, some k and t = ±1, ±3/2, ±2, ±3."""
    here, q = loss_value(net), all_outputs(net)
    for column in turned(jacobian(net)):
        for t in (1, Fraction(3, 2), 2, 3):
            for s in (t, -t):
                if loss_of_column(net, [[a + s * b] for (a,), b in zip(q, column)]) < here:
                    return True
    return False


def critical_point_has_a_better_model(net: dict[str, Any]) -> bool:
    """∇L(θ) = 0, and L is lower at outputs f_X(θ) + t ∂_k f_X(θ)."""
    return is_critical_point(net) and some_model_is_better(net)


def value_is_another(net: dict[str, Any]) -> bool:
    """L(θ) differs from the least loss over all combinations of the ∂_k f_X(θ), by an exact projection."""
    return gap_to_span(net, jacobian(net)) != 0


def best_coefficients_are_many(net: dict[str, Any]) -> bool:
    """∇L(θ) = 0, and the n derivatives ∂_k f_X(θ) have a rank below n: α can move and change no output."""
    return is_critical_point(net) and rank(jacobian(net)) < len(net["theta"])


def value_exceeds_that_of_other_outputs(net: dict[str, Any]) -> bool:
    """∇L(θ) = 0, and the squared loss L(θ) is not 0, which it is at the outputs Y."""
    return is_critical_point(net) and gap_to_span(net, all_functions(net)) != 0
