"""Rechecks of Theorem 1, its proof and its converse: ``verify/test_khk19b_gradient_basis.py``."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

from verify.rechecks.gradient_models import alpha_of, jacobian_elsewhere, some_model_is_better
from verify.rechecks.induced import (
    all_outputs,
    at_parameters,
    gap_to_span,
    inner_parameters,
    is_critical_point,
    labels_column,
    loss_of_column,
    output_layer_parameters,
    output_slopes,
    some_columns,
    weights_of_outputs,
)
from verify.rechecks.kinks import can_all_rise, pieces_at, right_derivatives
from verify.rechecks.linear_algebra import (
    dot,
    identity,
    inertia,
    is_positive_definite,
    is_semidefinite,
    null_vectors,
    rank,
    turned,
)
from verify.rechecks.networks import jacobian, linear, loss_hessian, loss_value, program_parameters

# --- Theorem 1 ---------------------------------------------------------------------------------------


def critical_value_is_another(net: dict[str, Any]) -> bool:
    """∇L(θ) = 0, and L(θ) differs from the least loss over all combinations of the ∂_k f_X(θ), by an exact
    projection."""
    return is_critical_point(net) and gap_to_span(net, jacobian(net)) != 0


def critical_value_exceeds_the_models(net: dict[str, Any]) -> bool:
    """∇L(θ) = 0, and L(θ) is above the least loss over all combinations of the ∂_k f_X(θ), by an exact
    projection."""
    return is_critical_point(net) and gap_to_span(net, jacobian(net)) > 0


def critical_value_is_below_the_models(net: dict[str, Any]) -> bool:
    """∇L(θ) = 0, and L(θ) is below the least loss over all combinations of the ∂_k f_X(θ), by an exact
    projection."""
    return is_critical_point(net) and gap_to_span(net, jacobian(net)) < 0


def minimum_exceeds_the_models(net: dict[str, Any]) -> bool:
    """∇L(θ) = 0 and every pivot of ∇²L(θ) is positive, so that θ is a strict local minimum; yet L(θ) is above
    the least loss over all combinations of the ∂_k f_X(θ), by an exact projection."""
    minimum = is_critical_point(net) and is_positive_definite(loss_hessian(net))
    return minimum and gap_to_span(net, jacobian(net)) > 0


def well_has_a_better_model(net: dict[str, Any]) -> bool:
    """f_X(θ) = J θ; ∇L(θ) = 0 and ∇²L(θ) has no negative eigenvalue and the rank of J, so that θ is a local
    minimum; yet L is lower at outputs f_X(θ) + t ∂_k f_X(θ)."""
    J = jacobian(net)
    is_linear = linear(J, program_parameters(net)) == [e for (e,) in all_outputs(net)]
    positive, _, negative = inertia(loss_hessian(net))
    minimum = is_critical_point(net) and not negative and positive == rank(J)
    return is_linear and minimum and some_model_is_better(net)


def loss_falls_nowhere(net):
    """Whether L′(θ; v) >= 0 for all v: on no linear piece of f_X′(θ; ·) can −⟨p, f_X′(θ; v)⟩ be positive."""
    p = output_slopes(net)
    return not any(
        can_all_rise([*ties, [-e for e in linear(turned(rows), p)]]) for ties, rows in pieces_at(net)
    )


def stationary_value_is_another(net: dict[str, Any]) -> bool:
    """L′(θ; v) >= 0 for every v, by elimination on every linear piece of f_X′(θ; ·); yet L(θ) differs from
    the least loss over all combinations of the derivatives of f_X to the right, by an exact projection."""
    return loss_falls_nowhere(net) and gap_to_span(net, right_derivatives(net)) != 0


def signed_model_is_unbounded(instance: dict[str, Any]) -> bool:
    """With λ_i of both signs Σ_i λ_i (f − y_i) ∂_k f = 0 for all k, so that ∇L(θ) = 0; yet Jᵀ diag(λ) J has a
    negative eigenvalue, so that the quadratic α ↦ L_θ(α) has no lower bound."""
    net, J = instance["net"], jacobian(instance["net"])
    signs = [s for s in instance["signs"]["tuple"] for _ in net["Y"][0]]
    weights = [int(s) * w for s, w in zip(signs, weights_of_outputs(net))]
    p = [w * (a[0] - b[0]) for w, a, b in zip(weights, all_outputs(net), labels_column(net))]
    columns = turned(J)
    form = [[sum(w * a * b for w, a, b in zip(weights, u, v)) for v in columns] for u in columns]
    return not any(linear(columns, p)) and not is_semidefinite(form)


def value_is_another_elsewhere(net: dict[str, Any]) -> bool:
    """∇L(θ) = 0, and L(θ) differs from the least loss over all combinations of the derivatives ∂_k f_X at θ +
    (1, …, 1) / 16, by an exact projection."""
    return is_critical_point(net) and gap_to_span(net, jacobian_elsewhere(net)) != 0


def value_is_another_without_the_last_layer(net: dict[str, Any]) -> bool:
    """∇L(θ) = 0, and L(θ) differs from the least loss over all combinations of the derivatives by u alone, by
    an exact projection."""
    inner = some_columns(jacobian(net), inner_parameters(net))
    return is_critical_point(net) and gap_to_span(net, inner) != 0


def unweighted_value_is_another(net: dict[str, Any]) -> bool:
    """∇L(θ) = 0 with the weights λ_i; without them the loss at θ differs from the least one over all
    combinations of the ∂_k f_X(θ), by an exact projection."""
    plain = dict(net, weights=[[1 for _ in net["X"]]])
    return is_critical_point(net) and gap_to_span(plain, jacobian(net)) != 0


# --- its proof, and its converse ---------------------------------------------------------------------


def loss_of_model(instance):
    """L_θ(α), the loss of the outputs J α."""
    net = instance["net"]
    return loss_of_column(net, [[e] for e in linear(jacobian(net), alpha_of(instance))])


def loss_at_alpha_is_below_the_bound(instance: dict[str, Any]) -> bool:
    """∇L(θ) = 0; L(α), the loss of the network at α, is below Σ_i λ_i (ℓ(f_i) + ∂ℓ(f_i) (f_θ(x_i; α) − f_i)),
    where f_i is the output at θ and f_θ( · ; α) = Σ_k α_k ∂_k f."""
    net, alpha = instance["net"], alpha_of(instance)
    steps = [a - b[0] for a, b in zip(linear(jacobian(net), alpha), all_outputs(net))]
    bound = loss_value(net) + dot(output_slopes(net), steps)
    return is_critical_point(net) and loss_value(net, alpha) < bound


def gap_exceeds_its_bound(instance: dict[str, Any], g: str) -> bool:
    """L(θ) − L_θ(α) > ⟨∇L(θ), g − α⟩ with that g, W being the output layer's parameters in their places."""
    net, alpha = instance["net"], alpha_of(instance)
    theta, (weights, biases) = program_parameters(net), output_layer_parameters(net)
    chosen = [t if g == "θ" or k in weights or k in biases else Fraction(0) for k, t in enumerate(theta)]
    if g == "((W, 0) + α) / 2":
        chosen = [(s + t) / 2 for s, t in zip(chosen, alpha)]
    gradient = linear(turned(jacobian(net)), output_slopes(net))
    bound = dot(gradient, [s - t for s, t in zip(chosen, alpha)])
    return loss_value(net) - loss_of_model(instance) > bound


def model_is_better(instance: dict[str, Any]) -> bool:
    """L(θ) > L_θ(α), the loss of the outputs Σ_k α_k ∂_k f_X(θ)."""
    return loss_value(instance["net"]) > loss_of_model(instance)


def criticality_and_value_disagree(net: dict[str, Any]) -> bool:
    """Exactly one of these is true: ∇L(θ) = 0, and L(θ) is the least loss over all combinations of the ∂_k
    f_X(θ), by an exact projection."""
    return is_critical_point(net) != (gap_to_span(net, jacobian(net)) == 0)


def small_gradient_says_nothing(net: dict[str, Any]) -> bool:
    """|∂_k L(θ)| <= 2⁻¹⁶ for all k, and L(θ) exceeds the least loss over all combinations of the ∂_k f_X(θ),
    an exact projection, by more than 1/4."""
    gradient = linear(turned(jacobian(net)), output_slopes(net))
    return max(map(abs, gradient)) <= Fraction(1, 2**16) and gap_to_span(net, jacobian(net)) > Fraction(1, 4)


def moves(net):
    """Directions: a null vector of ∇²L, e_k, or sums or differences of two of these."""
    n = len(net["theta"])
    single = null_vectors(loss_hessian(net), n) + identity(n)
    for count in (1, 2):
        for chosen in itertools.combinations(single[:14], count):
            for signs in itertools.product((1, -1), repeat=count):
                yield [sum(s * v[k] for s, v in zip(signs, chosen)) for k in range(n)]


def there_is_a_lower_point(net):
    """Whether L is lower at a point nearer than 1 to the critical θ.

    It is if ∇²L has a negative eigenvalue. Other lower points are looked for along a few directions, and from
    there, if L is the same, against the gradient.
    """
    if not is_semidefinite(loss_hessian(net)):
        return True
    theta, here = program_parameters(net), loss_value(net)
    for v in moves(net):
        size = sum(abs(e) for e in v)
        for t in (Fraction(3, 4), Fraction(1, 64)) if size else ():
            there = [a + t * b / size for a, b in zip(theta, v)]
            value = loss_value(net, there)
            if value < here:
                return True
            moved = at_parameters(net, there)
            slopes = linear(turned(jacobian(moved)), output_slopes(moved)) if value == here else []
            for k in range(1, 16) if any(slopes) else ():
                step = Fraction(1, 4**k) / sum(map(abs, slopes))
                if loss_value(net, [a - step * b for a, b in zip(there, slopes)]) < here:
                    return True
    return False


def critical_point_is_no_minimum(net: dict[str, Any]) -> bool:
    """∇L(θ) = 0, so that L(θ) = inf L_θ, and yet L is lower within a distance of 1: ∇²L(θ) has a negative
    eigenvalue, or a lower point is found."""
    return is_critical_point(net) and there_is_a_lower_point(net)
