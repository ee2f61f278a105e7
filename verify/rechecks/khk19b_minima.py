"""Second opinions on Theorem 2, Lemmas 1 and 3, and what is said of the perturbable gradient basis."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

from verify.rechecks.fibres import (
    derivatives_at,
    fibre_points,
    grown_span,
    is_at_a_kink,
    rank_is_constant_nearby,
    unseen_changes,
)
from verify.rechecks.induced import (
    affine_steps,
    all_outputs,
    at_parameters,
    bounds_in_span,
    is_critical_point,
    is_orthogonal_to_slopes,
    loss_of_column,
    lower_in_span,
    spans,
)
from verify.rechecks.irrational import differ, rounded
from verify.rechecks.jets import gradient_of, hessian_of
from verify.rechecks.linear_algebra import (
    beside,
    dot,
    is_positive_definite,
    least_squares,
    matrix,
    projection,
    rank,
    solution,
)
from verify.rechecks.local_minima import (
    is_a_local_minimum,
    output_jets,
    rests_at_wells,
)
from verify.rechecks.networks import (
    linear,
    loss_jet,
    loss_value,
    program_outputs,
    program_parameters,
    weights_of,
)


def derivatives_here(net):
    """∂f_X(θ)."""
    return derivatives_at(net, program_parameters(net))


def least_over_the_fibre(net, radius=Fraction(1, 2**20)):
    """The least loss over the span of the derivatives at θ and along the fibre, within that radius."""
    here = derivatives_here(net)
    return bounds_in_span(net, here if rank_is_constant_nearby(net) else grown_span(net, here, radius))


def gradient_basis_misses_the_outputs(instance: dict[str, Any]) -> bool:
    """L(θ) is below its infimum over the combinations of the derivatives ∂_k f_X(θ), by exact least squares."""
    return loss_value(instance) < bounds_in_span(instance, derivatives_here(instance))[0]


def fibre_lowers_the_infimum(instance: dict[str, Any]) -> bool:
    """Derivatives at other parameters within 2⁻²⁰ with the same outputs lower the infimum over those at θ."""
    here = bounds_in_span(instance, derivatives_here(instance))[0]
    return here > least_over_the_fibre(instance)[1]


def fibre_does_not_lower_the_infimum(instance: dict[str, Any]) -> bool:
    """The infimum over the derivatives at θ is the one over those along the fibre too. It is certain where ∂f_X has
    the same rank at θ and beside it; elsewhere the points are those that walks along the fibre reach.
    """
    return bounds_in_span(instance, derivatives_here(instance)) == least_over_the_fibre(instance)


def loss_is_its_own_infimum(instance: dict[str, Any]) -> bool:
    """L(θ) is no more than its infimum over the combinations of the derivatives ∂_k f_X(θ)."""
    return loss_value(instance) <= bounds_in_span(instance, derivatives_here(instance))[0]


def idle_changes(net, X=None):
    """Changes of one row of a step by a basis of the left null space of its input, for steps with weights of their own
    unless some weights are used by two steps.
    """
    steps = net["computation"]["steps"]["tuple"]
    used = [int(k) for s in steps for row in s.get("places", []) for k in row if int(k) >= 0]
    tied, found = len(set(used)) < len(used), []
    for number in affine_steps(net):
        own = [int(k) for row in steps[number - 1]["places"] for k in row if int(k) >= 0]
        if len(set(own)) == len(own) and (tied or all(used.count(k) == 1 for k in own)):
            found += unseen_changes(net, program_parameters(net), number, X)
    return found


def shortened(v):
    """v over the sum of its absolute values: no longer than 1."""
    size = sum(abs(e) for e in v)
    return [e / size for e in v]


def idle_row_is_longer_than_one(instance: dict[str, Any]) -> bool:
    """Some v changes one row of weights by an element of the left null space of the layer's input, and |2 v| > 1: 2 v
    comes from that null space as well and is not in 𝒱.
    """
    return any(4 * dot(v, v) > 1 for v in idle_changes(instance))


def idle_row_changes_the_outputs(instance: dict[str, Any], spared: int = 0) -> bool:
    """v, no longer than 1, changes one row of weights by an element of the left null space of the layer's input (on
    all samples, or all but one); yet f_X(θ + ε v) ≠ f_X(θ) for ε = 1/8, 1 or 5.
    """
    theta = program_parameters(instance)
    here = program_outputs(instance, theta)
    for v in idle_changes(instance, instance["X"][: len(instance["X"]) - spared]):
        for epsilon in (Fraction(1, 8), 1, 5):
            if program_outputs(instance, [t + epsilon * e for t, e in zip(theta, shortened(v))]) != here:
                return True
    return False


def idle_row_changes_the_derivatives(instance: dict[str, Any]) -> bool:
    """v, no longer than 1, changes one row of weights by an element of the left null space of the layer's input, and
    ∂f_X(θ + v) ≠ ∂f_X(θ), no unit being at a kink.
    """
    theta = program_parameters(instance)
    here = derivatives_at(instance, theta)
    for v in [] if is_at_a_kink(instance, theta) else idle_changes(instance):
        there = [t + e for t, e in zip(theta, shortened(v))]
        if derivatives_at(instance, there) != here and not is_at_a_kink(instance, there):
            return True
    return False


def turned_rank_one(net):
    """(u, w) of w uᵀ x turned by a little, w being the best for the new u, if L is the same there and within 2⁻²⁰.

    With orthonormal inputs and labels Y, Yᵀ Y = I, the least loss of w uᵀ is 1, reached by every u with w = Yᵀ u / |u|².
    """
    theta, y = program_parameters(net), matrix(net["Y"])
    u, tiny, found = theta[:2], Fraction(1, 2**20), []
    for t in (tiny / 16, -tiny / 16):
        c, s = (1 - t * t) / (1 + t * t), 2 * t / (1 + t * t)
        v = [c * u[0] - s * u[1], s * u[0] + c * u[1]]
        size = dot(v, v)
        w = [e / size for e in linear([list(r) for r in zip(*y)], v)] if size else v
        there = v + w
        moved = [a - b for a, b in zip(there, theta)]
        if loss_value(net, there) == loss_value(net) and dot(moved, moved) <= tiny**2:
            found.append(there)
    return found


def is_best_rank_one(net):
    """Whether the inputs and the labels are orthonormal and L = 1, the square of the singular value left out."""
    unit = [[Fraction(1), Fraction(0)], [Fraction(0), Fraction(1)]]
    y = matrix(net["Y"])
    gram = [[dot(a, b) for b in y] for a in y]
    return matrix(net["X"]) == unit and gram == unit and set(weights_of(net)) == {1} and loss_value(net) == 1


def points_where(net, where):
    """The points θ + ε v of a sentence: in the fibre within 2⁻²⁰ or 16, in the ball of radius 2⁻²⁰, or with the loss of
    θ there.
    """
    theta, tiny = program_parameters(net), Fraction(1, 2**20)
    n = len(theta)
    if where == "fibre":  # derivatives add nothing where they have the same rank at all points nearby
        return itertools.chain([theta], [] if rank_is_constant_nearby(net) else fibre_points(net, tiny))
    if where == "far fibre":
        return fibre_points(net, Fraction(16))
    if where == "same loss":
        return turned_rank_one(net)
    moves = [[tiny * (j == k) for j in range(n)] for k in range(n)] + [[tiny / n] * n]
    return [[t + e for t, e in zip(theta, v)] for v in moves]


def is_as_supposed(net, at):
    """Whether ∇L = 0, or θ is certainly a local minimum, or it has the least loss of all w uᵀ x."""
    checks = {"critical": is_critical_point, "minimum": is_a_local_minimum, "best rank one": is_best_rank_one}
    return checks[at](net)


def slopes_meet_derivatives(instance: dict[str, Any], where: str = "fibre", at: str = "minimum") -> bool:
    """θ is what the sentence supposes: ∇L = 0, shown to be a local minimum, or of the least loss of rank one. At some
    θ + ε v of those it speaks of, Σ_i λ_i ∂ℓ(f(x_i; θ)) ∂_k f(x_i; θ + ε v) is not zero.
    """
    return is_as_supposed(instance, at) and any(
        not is_orthogonal_to_slopes(instance, derivatives_at(instance, there)) for there in points_where(instance, where)
    )


def derivatives_elsewhere_lower_the_loss(instance: dict[str, Any], where: str = "fibre", at: str = "minimum") -> bool:
    """θ is what the sentence supposes: ∇L = 0, shown to be a local minimum, or of the least loss of rank one. Outputs
    with a lower loss are f_X(θ) plus a combination of derivatives at some θ + ε v of those it speaks of.
    """
    return is_as_supposed(instance, at) and any(
        lower_in_span(instance, derivatives_at(instance, there)) for there in points_where(instance, where)
    )


def kinks_hold_the_outgoing_weight(instance: dict[str, Any]) -> bool:
    """At w = 0 the loss Σ λ |w h(x; u) − y| has Σ_{y = 0} λ |h| > |Σ_{y ≠ 0} λ sgn(y) h|, so that it is a local minimum;
    yet L is not its infimum over the derivatives along the fibre, by a linear program.
    """
    h = [row[-1] for row in derivatives_here(instance)]
    rows = [(w, e, y[0]) for w, e, y in zip(weights_of(instance), h, matrix(instance["Y"]))]
    kinks = sum(w * abs(e) for w, e, y in rows if y == 0)
    pull = sum((w if y > 0 else -w) * e for w, e, y in rows if y)
    held = not any(e for (e,) in all_outputs(instance)) and kinks > abs(pull)
    if not held:
        return False
    low, high = least_over_the_fibre(instance)
    return not low <= loss_value(instance) <= high


def higher_well_is_not_the_infimum(instance: dict[str, Any]) -> bool:
    """Every output is in the higher well of ℓ, with positive curvature, so that θ is a local minimum; the combination
    of derivatives that is nearest to the lower wells, at y + 2, has a lower loss.
    """
    y = [[e + 2] for row in matrix(instance["Y"]) for e in row]
    there = loss_of_column(instance, projection(derivatives_here(instance), y))
    return rests_at_wells(instance) and there < loss_value(instance)


def minimum_differs_from_the_fibre(instance: dict[str, Any]) -> bool:
    """θ is a local minimum, and L is not its infimum over the derivatives at θ and along the fibre."""
    low, high = least_over_the_fibre(instance)
    return not low <= loss_value(instance) <= high and is_a_local_minimum(instance)


def flat_point_is_no_minimum(instance: dict[str, Any]) -> bool:
    """f_X = 0 and ∂f_X = 0, at θ and wherever the outputs are the same nearby, so that L is its infimum over {0}; yet
    along a ray from θ the loss is lower at 2⁻²⁰, 2⁻⁴⁰ and 2⁻⁶⁰ of its length.
    """
    theta = program_parameters(instance)
    flat = not any(e for row in derivatives_here(instance) + all_outputs(instance) for e in row)
    turns = [Fraction(t) for t in range(-8, 9)]
    rays = [[*v, Fraction(0)] for t in turns for v in ([Fraction(1), t], [t, Fraction(1)], [Fraction(8), t], [t, Fraction(8)])]

    def falls(v):
        steps = (Fraction(1, 2**k) for k in (20, 40, 60))
        return all(loss_value(instance, [a + t * b for a, b in zip(theta, v)]) < loss_value(instance) for t in steps)

    return flat and any(falls(v) for v in rays)


def second_derivatives_lower_the_loss(instance: dict[str, Any]) -> bool:
    """θ is a local minimum; outputs with a lower loss are f_X(θ) plus a combination of ∂_k f_X and ∂_k ∂_l f_X."""
    jets = [a for f in output_jets(instance, program_parameters(instance)) for a in f]
    n = len(instance["theta"])
    second = [[h[k][l] for k in range(n) for l in range(k + 1)] for _, _, h in jets]
    return lower_in_span(instance, second) and is_a_local_minimum(instance)


def newton_minimum(net):
    """Where Newton's steps from θ end: |∇L| < 10⁻⁴⁰ and ∇²L positive definite, so that a strict local minimum is next
    to it; None if they do not.
    """
    for _ in range(6):
        jet, n = loss_jet(net), len(net["theta"])
        g, second = gradient_of(jet, n), hessian_of(jet, n)
        second = [[rounded(e) for e in row] for row in second]
        if all(abs(e) < Fraction(1, 10**40) for e in g):
            return net if is_positive_definite(second) else None
        step = solution(second, [[-rounded(e)] for e in g])
        if step is None:
            return None
        net = at_parameters(net, [rounded(t + e) for t, (e,) in zip(program_parameters(net), step)])
    return None


def least_on_derivatives(net, shift=0, more=()):
    """The least squared loss over the combinations of the derivatives at θ + shift (1, …, 1), and other columns."""
    rows = derivatives_at(net, [t + shift for t in program_parameters(net)])
    columns = [[rounded(e) for e in row] for row in rows]
    return least_squares([row + list(m) for row, m in zip(columns, more or [()] * len(columns))], matrix(net["Y"]), weights_of(net))


def trained_point_is_not_critical(instance: dict[str, Any]) -> bool:
    """With θ rounded to sixteenths, L is not its infimum over the derivatives there; both to 50 digits."""
    there = at_parameters(instance, [Fraction(round(16 * t), 16) for t in program_parameters(instance)])
    return differ(loss_value(there), least_on_derivatives(there))


def trained_minimum_differs(instance: dict[str, Any], basis: str = "elsewhere") -> bool:
    """At the strict minimum where Newton's steps end (|∇L| < 10⁻⁴⁰, ∇²L positive definite), L is not the infimum over
    the other basis: the derivatives 1/8 away in every parameter, or x² beside those at the minimum.
    """
    net = newton_minimum(instance)
    if net is None:
        return False
    other = [[x[0] ** 2] for x in matrix(net["X"])]
    least = least_on_derivatives(net, Fraction(1, 8)) if basis == "elsewhere" else least_on_derivatives(net, 0, other)
    return differ(loss_value(net), least)


def input_sets(net, joint):
    """All inputs together, or every one alone and one that is none of them: their sum plus (1, 2)."""
    X = matrix(net["X"])
    new = [sum(column, Fraction(j + 1)) for j, column in enumerate(zip(*X))]
    return [X] if joint else [[x] for x in [*X, new]]


def same_range(a, b):
    """Whether two matrices have the same column space."""
    return rank(a) == rank(b) == rank(beside(a, b))


def other_set_is_not_enough(instance: dict[str, Any], made: str = "intersection", joint: bool = False) -> bool:
    """One set is {θ}, the other holds up to twelve other parameters within 1/8 with the same outputs: sums of a model on
    the one and a model on the other are more than the models on their intersection, which is empty, or on θ alone, by
    the ranks of the derivatives: on all samples, or at an input where no unit is at a kink.
    """
    theta = program_parameters(instance)
    others = list(itertools.islice(fibre_points(instance, Fraction(1, 8)), 12))
    for X in input_sets(instance, joint) if others else []:
        at = dict(instance, X=X)
        if any(is_at_a_kink(at, there) for there in [theta, *others]):
            continue
        here = derivatives_at(at, theta)
        sums = here
        for there in others:
            sums = beside(sums, derivatives_at(at, there))
        if rank(sums) > (rank(here) if made == "θ alone" else 0):
            return True
    return False


def point_off_the_fibre_adds(instance: dict[str, Any], joint: bool = False) -> bool:
    """w uᵀ x with w, u ≠ 0 and inputs that span the plane: the fibre is the rescalings of (w, u), where the derivatives
    have the range they have at θ. At θ + (1, 0, 0, 1) / 16, which is not on it, they have another one: on the
    inputs, or on one across u.
    """
    theta = program_parameters(instance)
    u, w = theta[:2], theta[2:]
    known = any(u) and any(w) and rank(matrix(instance["X"])) == 2
    at = instance if joint else dict(instance, X=[[-u[1], u[0]]])
    there = [t + Fraction(k in (0, 3), 16) for k, t in enumerate(theta)]
    here = derivatives_at(at, theta)
    return known and not same_range(beside(here, derivatives_at(at, there)), here)


def one_point_is_not_enough(instance: dict[str, Any]) -> bool:
    """w u · x with w = 0 and inputs that span the plane: on the fibre near θ w stays 0, and a model on one point is a
    multiple of X u′, u′ near u. X u⊥, u⊥ across u, is none; it is a sum of models on u and on u plus a bit of u⊥.
    """
    theta, X = program_parameters(instance), matrix(instance["X"])
    u = theta[:2]
    if theta[2] or not any(u) or rank(X) < 2:
        return False
    tiny = Fraction(1, 16) / (abs(u[0]) + abs(u[1]))
    there = [u[0] - tiny * u[1], u[1] + tiny * u[0], Fraction(0)]
    across = [[dot(x, [-u[1], u[0]])] for x in X]
    both = beside(derivatives_here(instance), derivatives_at(instance, there))
    same = program_outputs(instance, there) == program_outputs(instance, theta)
    return same and spans(both, across) and not spans(derivatives_here(instance), across)


def second_branch_at_distance_two_lowers_the_loss(instance: dict[str, Any]) -> bool:
    """θ = (u, w) is a strict minimum: ∇L = 0 and ∇²L is positive definite. The fibre is (±1, w), as the inputs span R³;
    f_X(θ) plus a combination of the derivatives at the other point, at distance 2 = ε₀, has a lower loss.
    """
    u, w = program_parameters(instance)
    other = [-u, w]
    same = program_outputs(instance, other) == program_outputs(instance, [u, w])
    known = u in (1, -1) and w != 0 and rank(matrix(instance["X"])) == 3 and same
    return known and lower_in_span(instance, derivatives_at(instance, other)) and is_a_local_minimum(instance)


def fibre_adds_to_the_tangent_space(instance: dict[str, Any]) -> bool:
    """The derivatives at parameters within 2⁻²⁰ with the outputs of θ span more than those at θ do."""
    here = derivatives_here(instance)
    grown = here if rank_is_constant_nearby(instance) else grown_span(instance, here, Fraction(1, 2**20))
    return rank(grown) > rank(here)


def minimum_keeps_a_loss(instance: dict[str, Any]) -> bool:
    """θ is a local minimum with L > 0, as it would not be if T̃ held all outputs."""
    return loss_value(instance) > 0 and is_a_local_minimum(instance)
