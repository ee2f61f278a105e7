"""Rechecks of Examples 1 to 3 and footnote 1: ``verify/test_khk19b_examples.py``."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

from verify.rechecks.gradient_models import alpha_of
from verify.rechecks.induced import (
    affine_steps,
    all_outputs,
    gap_to_span,
    inner_parameters,
    is_critical_point,
    labels_column,
    last_hidden_layer,
    linear_models,
    output_layer_parameters,
    some_columns,
    step_parameters,
    step_values,
    step_weights,
    weights_of_outputs,
)
from verify.rechecks.kinks import can_all_rise, never_leaves_zero
from verify.rechecks.linear_algebra import beside, dot, least_squares, matrix, null_vectors, rank
from verify.rechecks.networks import jacobian, linear, loss_value, outputs, program_parameters

# --- Example 1 ---------------------------------------------------------------------------------------


def is_not_its_own_model(instance: dict[str, Any]) -> bool:
    """Σ_k α_k ∂_k f_X(θ) ≠ f_X(α); or ∇L(θ) = 0, and L(θ) differs from the least loss over all combinations
    of the ∂_k f_X(θ) or is above L(α)."""
    net, alpha = instance["net"], alpha_of(instance)
    there = [e for f in outputs(net, alpha) for e in f]
    worse = gap_to_span(net, jacobian(net)) != 0 or loss_value(net) > loss_value(net, alpha)
    return linear(jacobian(net), alpha) != there or (is_critical_point(net) and worse)


def samples_are_separable(net: dict[str, Any]) -> bool:
    """f_X(θ) = J θ; along some v the outputs J v of some samples move to the side of their labels and all
    others stay: the logistic loss falls along v from everywhere and has no minimum."""
    J, labels = jacobian(net), [y for (y,) in labels_column(net)]
    if linear(J, program_parameters(net)) != [e for (e,) in all_outputs(net)]:
        return False
    signed = [(row if y == 1 else [-e for e in row]) for row, y in zip(J, labels)]
    hard = [i for i, y in enumerate(labels) if y in (0, 1)]
    for count in range(1, len(hard) + 1):
        for chosen in itertools.combinations(hard, count):
            kept = null_vectors([row for i, row in enumerate(J) if i not in chosen], len(J[0]))
            if kept and can_all_rise([linear(kept, signed[i]) for i in chosen]):
                return True
    return False


# --- Example 2 and its footnote ----------------------------------------------------------------------


def raw_inputs(net):
    """The inputs without the 1 at their end."""
    return [row[:-1] for row in matrix(net["X"])]


def hidden_layers(net):
    """The weights of all layers but the last, without their biases, which are 0."""
    return [[row[:-1] for row in step_weights(net, k)] for k in affine_steps(net)[:-1]]


def is_prescribed(net, normalised=True, separated=True):
    """Whether inputs and first weights are those of the footnote, the first rows [x_i, ε − 1] with ε > 0.

    normalised: |x_i| = 1; separated: ε < 1 − x_i · x_j for i ≠ j.
    """
    raw, first = raw_inputs(net), hidden_layers(net)[0]
    epsilon, m = first[0][-1] + 1, len(raw)
    ends_in_one = all(Fraction(row[-1]) == 1 for row in net["X"])
    rows = all(row == [*x, epsilon - 1] for row, x in zip(first[:m], raw))
    unit = not normalised or all(dot(x, x) == 1 for x in raw)
    gap = min((1 - dot(raw[i], raw[j]) for i in range(m) for j in range(i)), default=Fraction(2))
    return ends_in_one and rows and unit and epsilon > 0 and (not separated or epsilon < gap)


def units_miss_their_samples(
    net: dict[str, Any], normalised=True, separated=True, units="m", above=0
) -> bool:
    """The first rows of W⁽¹⁾ are [x_i, ε − 1], ε > 0, and the inputs as assumed (|x_i| = 1 if normalised, ε <
    1 − x_i · x_j if separated); yet (W⁽¹⁾ x_i)_i is not above the number named, or (W⁽¹⁾ x_i)_j > 0 for a
    unit j ≠ i among those meant."""
    first, inputs = hidden_layers(net)[0], matrix(net["X"])
    meant = first if units == "all" else first[: len(inputs)]
    wrong = any(
        (dot(row, x) <= above) if i == j else dot(row, x) > 0
        for j, row in enumerate(meant)
        for i, x in enumerate(inputs)
    )
    return is_prescribed(net, normalised, separated) and wrong


def rank_is_below(net: dict[str, Any], normalised=True, separated=True, diagonal="positive", more=0) -> bool:
    """The first rows of W⁽¹⁾ are [x_i, ε − 1], ε > 0, the inputs as assumed (|x_i| = 1 if normalised, ε < 1 −
    x_i · x_j if separated), and the other layers diagonal with entries as told; yet the rank of the last
    hidden layer at the m samples is below m + more, by elimination."""
    layers = hidden_layers(net)[1:]
    entries = [row[j] for w in layers for j, row in enumerate(w)]
    is_diagonal = all(e == 0 for w in layers for i, row in enumerate(w) for j, e in enumerate(row) if i != j)
    allowed = {"positive": lambda e: e > 0, "nonzero": lambda e: e != 0, "not negative": lambda e: e >= 0}
    fits = is_diagonal and all(map(allowed[diagonal], entries))
    too_small = rank(last_hidden_layer(net)) < len(net["X"]) + more
    return is_prescribed(net, normalised, separated) and fits and too_small


def last_layer_cannot_fit(net: dict[str, Any], fewer=None) -> bool:
    """The least squared loss of linear models on the last hidden layer, by an exact projection, is not 0,
    which it is over all outputs; where a number is given, the rank of the layer is at least m less that
    number."""
    phi, d = last_hidden_layer(net), len(net["Y"][0])
    least = least_squares(linear_models(phi, d), labels_column(net), weights_of_outputs(net))
    return (fewer is None or rank(phi) >= len(phi) - fewer) and least != 0


def least_loss_of_wide_networks(net, times=1):
    """L at the parameters of the footnote; None if a layer has fewer units than ``times`` the samples.

    The first rows are [x_i, ε − 1], the next layers I, and W_i = y_i / ε: unit i sees the sample i only.
    """
    raw, Y = raw_inputs(net), matrix(net["Y"])
    m, steps, layers = len(raw), net["computation"]["steps"]["tuple"], affine_steps(net)
    epsilon = min((1 - dot(raw[i], raw[j]) for i in range(m) for j in range(i)), default=Fraction(1)) / 2
    if epsilon <= 0 or any(len(w) < times * m for w in hidden_layers(net)):
        return None
    first = [[*x, epsilon - 1] for x in raw]
    theta = [Fraction(0)] * len(net["theta"])
    for number in layers:
        for i, row in enumerate(steps[number - 1]["places"]):
            for j, k in enumerate(row[:-1]):
                if number == layers[0]:
                    theta[int(k)] = first[i][j] if i < m else Fraction(0)
                elif number == layers[-1]:
                    theta[int(k)] = Y[j][i] / epsilon if j < m else Fraction(0)
                else:
                    theta[int(k)] = Fraction(i == j)
    return loss_value(net, theta)


def wide_network_is_stuck(net: dict[str, Any], times=1) -> bool:
    """∇L(θ) = 0, every hidden layer has at least as many units as samples (or so many times as many), and L
    is lower at the parameters of the footnote: W⁽¹⁾ with the rows [x_i, ε − 1], identities, and W_i = y_i /
    ε."""
    least = least_loss_of_wide_networks(net, times)
    return least is not None and is_critical_point(net) and least < loss_value(net)


def dead_network_is_a_minimum(net: dict[str, Any]) -> bool:
    """In interval arithmetic all outputs are 0 in a box around θ, a local minimum; every hidden layer has at
    least as many units as samples, and L is lower at the parameters of the footnote: W⁽¹⁾ with the rows [x_i,
    ε − 1], identities, and W_i = y_i / ε."""
    least = least_loss_of_wide_networks(net)
    return least is not None and never_leaves_zero(net) and least < loss_value(net)


def living_network_is_stuck(net: dict[str, Any]) -> bool:
    """∂f_X(θ) ≠ 0, ∇L(θ) = 0, every hidden layer has at least as many units as samples, and L is lower at the
    parameters of the footnote: W⁽¹⁾ with the rows [x_i, ε − 1], identities, and W_i = y_i / ε."""
    return any(any(row) for row in jacobian(net)) and wide_network_is_stuck(net)


# --- Example 3 ---------------------------------------------------------------------------------------


def output_steps(net):
    """The affine steps that add up to the output, in the order of what they read."""
    weights, _ = output_layer_parameters(net)
    steps = net["computation"]["steps"]["tuple"]
    own = [k for k in affine_steps(net) if weights & set(step_parameters(net, k))]
    return sorted(own, key=lambda k: steps[k - 1]["source"])


def hidden_representations(net, with_skip):
    """h^(l), sample by sample, for the hidden layers that have weights to the output, or for the others."""
    steps = net["computation"]["steps"]["tuple"]
    linked = [steps[k - 1]["source"] for k in output_steps(net)]
    return [
        step_values(net, k)
        for k, step in enumerate(steps, 1)
        if "activations" in step and (k in linked) == with_skip
    ]


def skip_model_is_better(net: dict[str, Any]) -> bool:
    """L(θ) is not the least loss over linear models on all h^(l) with a skip and the derivatives by u,
    together, or is above the least one over those on one such h^(l); all by exact projections."""
    d, J = len(net["Y"][0]), jacobian(net)
    blocks = [linear_models(h, d) for h in hidden_representations(net, True)]
    whole = some_columns(J, inner_parameters(net))
    for block in blocks:
        whole = beside(whole, block)
    return gap_to_span(net, whole) != 0 or any(gap_to_span(net, block) > 0 for block in blocks)


def layer_without_skip_is_better(net: dict[str, Any]) -> bool:
    """∇L(θ) = 0, and L(θ) is above the least loss over linear models on an h^(l) without a skip, by an exact
    projection."""
    d = len(net["Y"][0])
    left = [linear_models(h, d) for h in hidden_representations(net, False)]
    return is_critical_point(net) and any(gap_to_span(net, block) > 0 for block in left)


def last_layer_alone_has_another_value(net: dict[str, Any]) -> bool:
    """∇L(θ) = 0, and L(θ) is not the least loss over linear models on h^(H), by an exact projection."""
    last = hidden_representations(net, True)[-1]
    return is_critical_point(net) and gap_to_span(net, linear_models(last, len(net["Y"][0]))) != 0


def derivatives_do_not_add_up(net: dict[str, Any], which: str) -> bool:
    """Σ_k θ_k ∂_k f ≠ f at some sample, over the parameters k named."""
    theta = program_parameters(net)
    kept = {
        "the last weights": step_parameters(net, output_steps(net)[-1]),
        "the hidden weights": inner_parameters(net),
        "all": list(range(len(theta))),
    }[which]
    total = linear(some_columns(jacobian(net), kept), [theta[k] for k in kept])
    return total != [e for (e,) in all_outputs(net)]
