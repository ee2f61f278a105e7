"""Second opinions on Theorem 4: deep networks with a linear path near θ, h^(l) = σ^(l)(W^(l) h^(l−1)), l = 1, …, H."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

from verify.rechecks.fibres import derivatives_at, fibre_points, is_at_a_kink, rank_is_constant_nearby
from verify.rechecks.induced import (
    affine_steps,
    bounds_in_span,
    is_critical_point,
    is_orthogonal_to_slopes,
    linear_models,
    step_values,
    step_weights,
)
from verify.rechecks.linear_algebra import (
    beside,
    identity,
    is_semidefinite,
    matrix,
    null_vectors,
    rank,
    times,
)
from verify.rechecks.linear_models import least_loss
from verify.rechecks.local_minima import is_a_local_minimum, loss_second_derivatives, nearby_points
from verify.rechecks.networks import (
    loss_value,
    program_outputs,
    program_parameters,
    program_stages,
    weights_of,
)


def layer_weights(net, l):
    """W^(l)."""
    return [row[:-1] for row in step_weights(net, affine_steps(net)[l - 1])]


def layer_values(net, l):
    """h^(l), sample by sample; h^(0) = x."""
    number = affine_steps(net)[l]
    return step_values(net, net["computation"]["steps"]["tuple"][number - 1]["source"])


def models_on_layer(net, l):
    """The basis of the linear models on h^(l)."""
    return linear_models(layer_values(net, l), len(net["Y"][0]))


def units_that_copy(net, l, points):
    """The k with h^(l)_k = (W^(l) h^(l−1))_k at every sample and all these parameters."""
    steps, layers = net["computation"]["steps"]["tuple"], affine_steps(net)
    before, after = layers[l - 1], steps[layers[l] - 1]["source"]
    found = None
    for theta in points:
        for x in net["X"]:
            stages = program_stages(net, theta, x)
            same = {k for k, (q, h) in enumerate(zip(stages[before], stages[after])) if q == h}
            found = same if found is None else found & same
    return sorted(found)


def linear_sets(net, condition="printed", near=True):
    """The largest J^(1), …, J^(H+1): units that are linear near θ (or only at it), without those of J^(l) that W^(l+1)
    shows to units outside J^(l+1), l <= H − 1: condition 3, which may be dropped, or transposed.
    """
    theta, last = program_parameters(net), len(affine_steps(net))
    points = [theta, *nearby_points(theta)] if near else [theta]
    sets = [list(range(len(net["Y"][0])))]
    for l in range(last - 1, 0, -1):
        found, above = units_that_copy(net, l, points), sets[0]
        if l <= last - 2 and condition != "dropped":
            w = layer_weights(net, l + 1)
            if condition == "printed":
                found = [j for j in found if not any(row[j] for i, row in enumerate(w) if i not in above)]
            elif any(w[i][j] for i in above for j in range(len(w[0])) if j not in found):
                found = []
        sets.insert(0, found)
    return sets


def least_t(sets, size):
    """The least t with |J^(l)| >= size for l = t + 1, …, H + 1, at most H."""
    t = len(sets)
    while t and len(sets[t - 1]) >= size:
        t -= 1
    return min(t, len(sets) - 1)


def sigma_symmetries(net, l):
    """Pairs (X, Y) with Dσ(q) X q = Y σ(q) for the σ of layer l near θ, and the k for which σ ignores q_k.

    An identity between polynomials of low degree, decided on a grid; units that are active at all samples are linear.
    """
    steps, layers = net["computation"]["steps"]["tuple"], affine_steps(net)
    start, end = layers[l - 1], steps[layers[l] - 1]["source"]
    d = len(step_values(net, start)[0])
    places = [[-1] * d + [k] for k in range(d)]
    local = [{"type": ":Affine", "source": 0, "places": places, "frozen": [[*row, 0] for row in identity(d)]}]
    for step in steps[start:end]:
        step = {**step, **{k: step[k] - start + 1 for k in ("source", "left", "right") if k in step}}
        if "activations" in step:
            q = step_values(net, step["source"] + start - 1)
            names = step["activations"]["tuple"]
            active = [a in ("relu", "leaky relu", "abs") and all(row[k] > 0 for row in q) for k, a in enumerate(names)]
            step["activations"] = {"tuple": ["linear" if on else a for on, a in zip(active, names)]}
        local.append(step)
    grid = [[Fraction(e) for e in q] for q in itertools.product((-3, -2, -1, 1, 2, 3), repeat=d)]
    sigma = {"X": grid, "computation": {"steps": {"tuple": local}}}
    origin = [Fraction(0)] * d
    values, slopes = program_outputs(sigma, origin), derivatives_at(sigma, origin)
    out, equations = len(values[0]), []
    for i, q in enumerate(grid):
        for c in range(out):
            left = [s * e for s in slopes[i * out + c] for e in q]
            equations.append(left + [-values[i][b] if a == c else Fraction(0) for a in range(out) for b in range(out)])
    pairs = null_vectors(equations, d * d + out * out)
    ignored = [k for k in range(d) if not any(row[k] for row in slopes)]
    return [[[v[i * d : (i + 1) * d] for i in range(d)],
             [v[d * d + i * out : d * d + (i + 1) * out] for i in range(out)]] for v in pairs], ignored  # fmt: skip


def layer_symmetries(net):
    """Directions of flows that keep all outputs: W^(l) → e^{sX} W^(l), W^(l+1) → W^(l+1) e^{−sY}; rows of W^(l) that σ
    ignores; changes of W^(1) that no input sees.
    """
    steps, layers, n = net["computation"]["steps"]["tuple"], affine_steps(net), len(net["theta"])
    places = [[[int(k) for k in row[:-1]] for row in steps[k - 1]["places"]] for k in layers]
    found = []

    def direction(changes):
        v = [Fraction(0)] * n
        for at, change in changes:
            for row, entries in zip(at, change):
                for k, e in zip(row, entries):
                    v[k] += e
        found.append(v)

    for row in places[0]:
        for v in null_vectors(matrix(net["X"]), len(row)):
            direction([([row], [v])])
    for l in range(1, len(layers)):
        w, above = layer_weights(net, l), layer_weights(net, l + 1)
        pairs, ignored = sigma_symmetries(net, l)
        for x, y in pairs:
            minus_y = [[-e for e in row] for row in y]
            direction([(places[l - 1], times(x, w)), (places[l], times(above, minus_y))])
        for k in ignored:
            for j in range(len(w[0])):
                direction([([places[l - 1][k]], [[Fraction(i == j) for i in range(len(w[0]))]])])
    return found


def is_a_layered_minimum(net):
    """Whether θ is a local minimum: ∇L = 0 and ∇²L is semidefinite, with no kernel but the flows that keep the outputs,
    or one of the other certificates.
    """
    if not is_critical_point(net):
        return False
    if is_a_local_minimum(net):
        return True
    second = loss_second_derivatives(net)
    if second is None or not is_semidefinite(second):
        return False
    return rank(second) + rank(layer_symmetries(net)) == len(second)


def theorem_4_fails(
    instance: dict[str, Any], fewer: int = 0, below: int = 0, condition: str = "printed", near: bool = True, least: int = 0
) -> bool:
    """θ is a local minimum: ∇L = 0 and ∇²L is semidefinite, with no kernel but symmetries. It lies in Θ at some t, as the
    sentence has it; yet Σ p_i h^(l)(x_i)ᵀ ≠ 0 for a layer l >= t, so that another linear model on h^(l), added to f,
    lowers the convex loss.
    """
    t = max(least_t(linear_sets(instance, condition, near), len(instance["Y"][0]) - fewer) - below, least)
    layers = range(t, len(affine_steps(instance)))
    moves = any(not is_orthogonal_to_slopes(instance, models_on_layer(instance, l)) for l in layers)
    return moves and is_a_layered_minimum(instance)


def path_of_one_unit_is_not_enough(instance: dict[str, Any]) -> bool:
    """θ is a local minimum: ∇L = 0 and ∇²L is semidefinite, with no kernel but symmetries. In every layer above t some
    unit is linear; yet Σ p_i h^(l)(x_i)ᵀ ≠ 0 for a layer l >= t, so that a linear model on h^(l) lowers the loss.
    """
    return theorem_4_fails(instance, len(instance["Y"][0]) - 1)


def critical_point_is_worse_than_a_layer(instance: dict[str, Any]) -> bool:
    """∇L = 0 and θ lies in Θ at t, and yet Σ p_i h^(l)(x_i)ᵀ ≠ 0 for a layer l >= t, or the slopes p are not orthogonal
    to the derivatives of f_X at other parameters within 2⁻¹⁰ with the same outputs: that lowers the loss.
    """
    t = least_t(linear_sets(instance), len(instance["Y"][0]))
    models = (models_on_layer(instance, l) for l in range(t, len(affine_steps(instance))))
    if any(not is_orthogonal_to_slopes(instance, basis) for basis in models):
        return is_critical_point(instance)
    others = [] if rank_is_constant_nearby(instance) else fibre_points(instance, Fraction(1, 2**10))
    return is_critical_point(instance) and any(
        not is_orthogonal_to_slopes(instance, derivatives_at(instance, there)) for there in others
    )


def product_features_lower_the_loss(instance: dict[str, Any]) -> bool:
    """θ is a local minimum: ∇L = 0 and ∇²L is semidefinite, with no kernel but symmetries; yet Σ p_i (x_i ∗ x_i)ᵀ ≠ 0, so
    that a linear model of x ∗ x, added to f, lowers the convex loss.
    """
    squares_of = [[e * e for e in x] for x in matrix(instance["X"])]
    moves = not is_orthogonal_to_slopes(instance, linear_models(squares_of, len(instance["Y"][0])))
    return moves and is_a_layered_minimum(instance)


def kinks_hold_the_last_weight(instance: dict[str, Any], layers: str = "all") -> bool:
    """W^(H+1) = 0 and Σ_{y = 0} λ |h| > |Σ_{y ≠ 0} λ sgn(y) h| for the last hidden unit h, so that θ is a local minimum of
    Σ λ |f − y|; yet L exceeds the least loss of a linear model on the layers (or on x), by a linear program.
    """
    last = len(affine_steps(instance))
    h = [row[0] for row in layer_values(instance, last - 1)]
    rows = [(w, e, y[0]) for w, e, y in zip(weights_of(instance), h, matrix(instance["Y"]))]
    kinks = sum(w * abs(e) for w, e, y in rows if y == 0)
    pull = sum((w if y > 0 else -w) * e for w, e, y in rows if y)
    held = not any(e for row in layer_weights(instance, last) for e in row) and kinks > abs(pull)
    basis = models_on_layer(instance, 0)
    for l in range(1, last if layers == "all" else 1):
        basis = beside(basis, models_on_layer(instance, l))
    return held and loss_value(instance) > bounds_in_span(instance, basis)[1]


def along_path(net, sets, l):
    """A^(H+1) ⋯ A^(l), A^(k) being the block of W^(k) between J^(k−1) and J^(k)."""
    made = identity(len(net["Y"][0]))
    for k in range(len(sets), l - 1, -1):
        w = layer_weights(net, k)
        made = times(made, [[w[i][j] for j in sets[k - 2]] for i in sets[k - 1]])
    return made


def rank_one_changes(net, sets, l, epsilon):
    """The points of the proof for h^(l): W^(k) → W^(k) + ε a_k b_kᵀ in the rows J^(k), for k = l + 1, …, l* − 2, some of
    them, with A^(H+1) ⋯ A^(k+1) a_k = 0, b_{l+1} a unit vector and b_k = a_{k−1}; none where the rank needs none.
    """
    d, layers = len(net["Y"][0]), affine_steps(net)
    if rank(along_path(net, sets, l + 2)) >= d:
        return []
    star = next(k for k in range(l + 3, len(sets) + 2) if rank(along_path(net, sets, k)) >= d)
    changed = range(l + 1, star - 1)
    a = {k: null_vectors(along_path(net, sets, k + 1), len(sets[k - 1]))[0] for k in changed}
    width, found = len(layer_weights(net, l + 1)[0]), []
    for column in range(width):
        for on in itertools.product((True, False), repeat=len(changed)):
            theta = program_parameters(net)
            for k in itertools.compress(changed, on):
                before = range(width) if k == l + 1 else sets[k - 2]
                b = [Fraction(j == column) for j in before] if k == l + 1 else a[k - 1]
                size = max(map(abs, a[k])) * max(map(abs, b))
                places = net["computation"]["steps"]["tuple"][layers[k - 1] - 1]["places"]
                for i, s in zip(sets[k - 1], a[k]):
                    for j, t in zip(before, b):
                        theta[int(places[i][j])] += epsilon * s * t / size
            found.append(theta)
    return found


def points_of_the_proof(net, sets, l):
    """Those points for the first ε of three at which all have the outputs of θ; None where some never have."""
    here = program_outputs(net, program_parameters(net))
    for epsilon in (Fraction(1, 16), Fraction(1, 2**12), Fraction(1, 2**40)):
        points = rank_one_changes(net, sets, l, epsilon)
        if all(program_outputs(net, there) == here for there in points):
            return points
    return None


def changes_of_the_proof_move_the_outputs(instance: dict[str, Any], condition: str = "printed") -> bool:
    """Along the path of J^(t+1), …, J^(H+1) the proof's rank-one changes of the weights do not keep the outputs, at
    ε = 2⁻⁴, 2⁻¹² and 2⁻⁴⁰.
    """
    sets = linear_sets(instance, condition)
    t = least_t(sets, len(instance["Y"][0]))
    return any(points_of_the_proof(instance, sets, l) is None for l in range(t, len(sets) - 1))


def proof_misses_a_layer(instance: dict[str, Any], below: int = 0) -> bool:
    """θ lies in Θ at t. For some l >= t (or t − 1) the proof's rank-one changes do not keep the outputs; or the derivatives
    at θ and at these points do not span the linear models on h^(l), for which there are none if l < t.
    """
    sets, theta = linear_sets(instance), program_parameters(instance)
    t = least_t(sets, len(instance["Y"][0]))
    for l in range(max(t - below, 0), len(sets)):
        points = points_of_the_proof(instance, sets, l) if t <= l < len(sets) - 1 else []
        if points is None:
            return True
        if not any(is_at_a_kink(instance, there) for there in [theta, *points]):
            spanned = derivatives_at(instance, theta)
            for there in points:
                spanned = beside(spanned, derivatives_at(instance, there))
            if rank(beside(spanned, models_on_layer(instance, l))) > rank(spanned):
                return True
    return False


def tangents_miss_a_layer(net):
    """Whether the derivatives at θ do not span all linear models on h^(t), …, h^(H), with θ in Θ at t."""
    here = derivatives_at(net, program_parameters(net))
    layers = range(least_t(linear_sets(net), len(net["Y"][0])), len(affine_steps(net)))
    return any(rank(beside(here, models_on_layer(net, l))) > rank(here) for l in layers)


def layer_is_outside_the_tangent_space(instance: dict[str, Any]) -> bool:
    """θ lies in Θ at t, and the derivatives of f_X at θ do not span all linear models on h^(t), …, h^(H)."""
    return tangents_miss_a_layer(instance)


def layers_are_in_the_tangent_space(instance: dict[str, Any]) -> bool:
    """θ lies in Θ at t, and the derivatives of f_X at θ span every linear model on h^(t), …, h^(H), the best among them."""
    return not tangents_miss_a_layer(instance)


def minimum_differs_from_linear_maps(instance: dict[str, Any], at: str = "minimum") -> bool:
    """∇L = 0, and ∇²L is semidefinite with no kernel but symmetries where θ has to be a local minimum; yet L is not the
    least loss of a linear map of x.
    """
    low, high = least_loss(matrix(instance["X"]), matrix(instance["Y"]), weights_of(instance), instance["loss"]["loss"])
    differs = not low <= loss_value(instance) <= high
    return differs and (is_critical_point(instance) if at == "critical" else is_a_layered_minimum(instance))


def deep_minimum_has_a_loss(instance: dict[str, Any]) -> bool:
    """θ is a local minimum with L > 0."""
    return loss_value(instance) > 0 and is_a_layered_minimum(instance)


def no_layer_is_linear(instance: dict[str, Any]) -> bool:
    """Beside θ fewer than d_y units of the last hidden layer copy their own pre-activation at all samples: t = H."""
    sets = linear_sets(instance)
    return least_t(sets, len(instance["Y"][0])) == len(sets) - 1


def units_turn_curved_far_away(instance: dict[str, Any]) -> bool:
    """No layer has d_y units that are linear near θ, or one of those that are is not at θ ± 1000 v, |v| <= 1."""
    sets, theta = linear_sets(instance), program_parameters(instance)
    t, n = least_t(sets, len(instance["Y"][0])), len(theta)
    far = [[e + Fraction(sign * 1000, n * (1 + k % 3)) for k, e in enumerate(theta)] for sign in (1, -1)]
    curved = any(not set(sets[l - 1]) <= set(units_that_copy(instance, l, far)) for l in range(t + 1, len(sets)))
    return t == len(sets) - 1 or curved
