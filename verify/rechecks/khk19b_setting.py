"""Rechecks of the assumptions, Lemma 2 and the geometry of f_X: ``verify/test_khk19b_setting.py``."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from verify.rechecks.induced import all_outputs, output_layer_parameters, output_slopes, spans
from verify.rechecks.kinks import (
    along,
    can_all_rise,
    directions,
    has_a_kink,
    is_differentiable,
    kinks_come_near,
    moved,
    near_and_nearer,
    pieces_at,
    right_derivatives,
    stays_off_kinks,
)
from verify.rechecks.linear_algebra import dot, is_zero, matrix, rank, turned
from verify.rechecks.losses import loss_slopes
from verify.rechecks.networks import (
    jacobian,
    linear,
    loss_gradient,
    loss_value,
    outputs,
    parameters,
    program_parameters,
    program_stages,
    weights_of,
)

# --- Ω and its closure -------------------------------------------------------------------------------


def some_unit_ties(net):
    """Whether some pre-activation is exactly at a kink."""
    theta, steps = program_parameters(net), net["computation"]["steps"]["tuple"]
    for x in net["X"]:
        stages = program_stages(net, theta, x)
        for step in steps:
            if "activations" in step:
                pairs = zip(step["activations"]["tuple"], stages[step["source"]])
                if any(has_a_kink(name) and t == 0 for name, t in pairs):
                    return True
    return False


def is_a_hidden_kink(net: dict[str, Any]) -> bool:
    """All linear pieces of the one-sided derivative v ↦ f′(θ; v) agree, so that f_X is differentiable at θ;
    on a line through θ it is not, neither at 2⁻²⁰ of its length nor at 2⁻⁶⁰."""
    return is_differentiable(net) and kinks_come_near(net)


def tie_is_not_in_omega(net: dict[str, Any]) -> bool:
    """A pre-activation is exactly at its kink, and yet all linear pieces of v ↦ f′(θ; v) agree: f_X is
    differentiable at θ."""
    return some_unit_ties(net) and is_differentiable(net)


def tie_is_not_in_the_closure(net: dict[str, Any]) -> bool:
    """A pre-activation is exactly at its kink, and yet f_X is smooth near θ: in interval arithmetic over the
    box of radius 2⁻⁶⁰ every pre-activation either keeps away from its kink or stays there throughout."""
    return some_unit_ties(net) and stays_off_kinks(net)


def f_is_not_differentiable(net: dict[str, Any]) -> bool:
    """Two linear pieces of the one-sided derivative v ↦ f′(θ; v) differ: Ω is not empty."""
    return not is_differentiable(net)


def point_of_omega_is_a_limit_of_others(net: dict[str, Any]) -> bool:
    """f_X is not differentiable at θ, and neither at 2⁻²⁰ nor at 2⁻⁶⁰ of the length of a line through θ."""
    return not is_differentiable(net) and kinks_come_near(net)


# --- Assumption 1 ------------------------------------------------------------------------------------


def value_at(point, t):
    """ℓ_y(q + t d) of the squared loss or a hinge; for the cross-entropy in bits 2 to that power."""
    y, q, d = (matrix(point[k])[0] for k in ("y", "q", "d"))
    there = [a + t * b for a, b in zip(q, d)]
    if point["kind"] == "squared":
        return sum((a - b) ** 2 for a, b in zip(there, y))
    if point["kind"] == "hinge":
        return sum(max(Fraction(0), 1 - a * b) ** point["power"] for a, b in zip(there, y))
    total = sum(Fraction(2) ** int(a) for a in there)
    return total ** int(sum(y)) / Fraction(2) ** int(dot(there, y))


def one_sided_derivatives_of_hinge(point, order):
    """The left and the right derivative of this order of max{0, 1 − y q}ᵖ at q."""
    p, y, q = point["power"], Fraction(point["y"][0][0]), Fraction(point["q"][0][0])
    lead = 1 - y * q
    factor = (-y) ** order
    for k in range(order):
        factor *= p - k
    inside = factor * lead ** (p - order) if lead >= 0 and p >= order else Fraction(0)
    if lead > 0 or y == 0:
        return inside, inside
    if lead < 0:
        return Fraction(0), Fraction(0)
    return (inside, Fraction(0)) if y > 0 else (Fraction(0), inside)


def is_above_its_chord(point):
    """Whether ℓ(q) > (ℓ(q − d) + ℓ(q + d)) / 2; with 2^ℓ in place of ℓ for the cross-entropy."""
    here, ends = value_at(point, 0), (value_at(point, 1), value_at(point, -1))
    return here**2 > ends[0] * ends[1] if point["kind"] == "cross-entropy" else 2 * here > sum(ends)


def assumption_1_fails(instance: dict[str, Any]) -> bool:
    """ℓ is negative at q, or larger than its mean at q ± d, or has different one-sided slopes at q; all
    exactly, since 2 to the power of the cross-entropy in bits is rational at whole numbers."""
    negative = value_at(instance, 0) < (1 if instance["kind"] == "cross-entropy" else 0)
    left, right = one_sided_derivatives_of_hinge(instance, 1) if instance["kind"] == "hinge" else (0, 0)
    return negative or is_above_its_chord(instance) or left != right


def loss_is_not_convex(instance: dict[str, Any]) -> bool:
    """ℓ(q) is larger than the mean of ℓ(q − d) and ℓ(q + d); exactly, as squares and products of the rational
    2^ℓ at whole numbers."""
    return is_above_its_chord(instance)


def loss_is_not_strictly_convex(instance: dict[str, Any]) -> bool:
    """d ≠ 0, and ℓ(q) is at least the mean of ℓ(q − d) and ℓ(q + d)."""
    here, ends = value_at(instance, 0), value_at(instance, 1) + value_at(instance, -1)
    return not is_zero(matrix(instance["d"])) and 2 * here >= ends


def second_derivative_jumps(instance: dict[str, Any]) -> bool:
    """The left and the right derivative of ℓ′ at q, ℓ = max{0, 1 − y q}ᵖ, are different."""
    left, right = one_sided_derivatives_of_hinge(instance, 2)
    return left != right


def loss_is_below_half_the_label(instance: dict[str, Any]) -> bool:
    """The squared loss |q − y|² is below |y|² / 2 at these outputs."""
    y = matrix(instance["y"])[0]
    return value_at(instance, 0) < dot(y, y) / 2


# --- Assumption 2 ------------------------------------------------------------------------------------


def outputs_are_not_spanned(net: dict[str, Any]) -> bool:
    """f_X(θ) is no linear combination of the derivatives ∂_k f_X(θ): elimination leaves a remainder."""
    return not spans(jacobian(net), all_outputs(net))


def combination_is_not_the_output(net: dict[str, Any], g: str) -> bool:
    """Σ_k g(θ)_k ∂_k f_{x_i}(θ) ≠ f_{x_i}(θ) for some sample, with that g."""
    theta = program_parameters(net)
    weights, biases = output_layer_parameters(net)
    own = [t if k in weights or k in biases else Fraction(0) for k, t in enumerate(theta)]
    if g == "θ":
        own = theta
    elif g == "(W, 0, 0)":
        own = [Fraction(0) if k in biases else t for k, t in enumerate(own)]
    elif g == "g(2θ)":
        own = [2 * t for t in own]
    return linear(jacobian(net), own) != [e for (e,) in all_outputs(net)]


# --- Lemma 2 -----------------------------------------------------------------------------------------


def gradient_is_not_zero(net: dict[str, Any]) -> bool:
    """Σ_i λ_i ∂ℓ(f_{x_i}(θ)) ∂_k f_{x_i}(θ) = ∂_k L(θ) ≠ 0 for some k."""
    return any(loss_gradient(net))


def right_slopes_do_not_vanish(net: dict[str, Any]) -> bool:
    """L(θ) = 0 is the least there can be; yet Σ_i λ_i ∂_k f_{x_i}(θ) ≠ 0 for some k, 1 being the slope of |q
    − y| at its kink to the right."""
    weights = [w for w in weights_of(net) for _ in net["Y"][0]]
    return loss_value(net) == 0 and any(linear(turned(jacobian(net)), weights))


def right_derivatives_do_not_vanish(net: dict[str, Any]) -> bool:
    """f_X is not differentiable at θ, and L′(θ; v) >= 0 for every v, by elimination on each linear piece; yet
    Σ_i λ_i ∂ℓ(f_{x_i}(θ)) ∂_k f_{x_i}(θ) ≠ 0 for some k, with derivatives of f to the right."""
    p, pieces = output_slopes(net), pieces_at(net)
    falls = [can_all_rise([*ties, [-e for e in linear(turned(rows), p)]]) for ties, rows in pieces]
    kinked = any(rows != pieces[0][1] for _, rows in pieces)
    return kinked and not any(falls) and any(linear(turned(right_derivatives(net)), p))


def without_weights_it_does_not_vanish(net: dict[str, Any]) -> bool:
    """∇L(θ) = 0; yet Σ_i ∂ℓ(f_{x_i}(θ)) ∂_k f_{x_i}(θ), without λ_i, is not 0 for some k."""
    rows = zip(outputs(net, parameters(net)), matrix(net["Y"]))
    p = [s for f, y in rows for s in loss_slopes(net["loss"]["loss"], f, y)]
    return not any(loss_gradient(net)) and any(linear(turned(jacobian(net)), p))


def summand_does_not_vanish(net: dict[str, Any]) -> bool:
    """∇L(θ) = 0; yet ∂ℓ(f_{x_i}(θ)) ∂_k f_{x_i}(θ) ≠ 0 for some output and k."""
    terms = [s * e for s, row in zip(output_slopes(net), jacobian(net)) for e in row]
    return not any(loss_gradient(net)) and any(terms)


def slopes_are_not_orthogonal_to_outputs(net: dict[str, Any]) -> bool:
    """∇L(θ) = 0; yet Σ_i λ_i ∂ℓ(f_{x_i}(θ)) f_{x_i}(θ) ≠ 0."""
    return not any(loss_gradient(net)) and dot(output_slopes(net), [e for (e,) in all_outputs(net)]) != 0


# --- the geometry of f_X -----------------------------------------------------------------------------


def derivative_there(net, theta):
    """∂f_X at these parameters, or None where f_X is not differentiable."""
    pieces = pieces_at(net, theta)
    return pieces[0][1] if all(rows == pieces[0][1] for _, rows in pieces) else None


def rank_drops_along_the_line(instance: dict[str, Any]) -> bool:
    """f_X is differentiable at θ, θ + 2⁻²⁰ v and θ + 2⁻⁶⁰ v, all linear pieces of v ↦ f′( · ; v) being the
    same; at θ the rank of its derivative is larger than at the other two."""
    net, v = instance["net"], [Fraction(row[0]) for row in instance["v"]]
    here = derivative_there(net, None)
    near = [derivative_there(net, moved(net, v, t)) for t in near_and_nearer()]
    return here is not None and all(j is not None and rank(j) < rank(here) for j in near)


def rank_is_higher_nearby(net: dict[str, Any]) -> bool:
    """The rank of ∂f_X is higher at θ + 2⁻²⁰ v and θ + 2⁻⁶⁰ v than at θ, for one of a few lines."""
    here = rank(jacobian(net))
    for v in directions(net):
        near = [derivative_there(net, moved(net, v, t)) for t in near_and_nearer()]
        if all(j is not None and rank(j) > here for j in near):
            return True
    return False


def rank_changes_along_the_line(instance: dict[str, Any]) -> bool:
    """The rank of ∂f_X(θ) differs from that at θ + 2⁻²⁰ v and at θ + 2⁻⁶⁰ v, where f_X is differentiable
    too."""
    net, v = instance["net"], [Fraction(row[0]) for row in instance["v"]]
    here = derivative_there(net, None)
    near = [derivative_there(net, moved(net, v, t)) for t in near_and_nearer()]
    return here is not None and all(j is not None and rank(j) != rank(here) for j in near)


def is_not_one_polynomial(net, v):
    """Whether the coefficients of f_X(θ + t v) for small t > 0 are not those for small t < 0."""
    left = along(net, [-e for e in v])
    turned_round = [[c if k % 2 == 0 else -c for k, c in enumerate(row)] for row in left]
    n = max(len(along(net, v)[0]), len(left[0]))
    return [r + [0] * (n - len(r)) for r in along(net, v)] != [r + [0] * (n - len(r)) for r in turned_round]


def is_not_analytic_along_the_line(instance: dict[str, Any]) -> bool:
    """t ↦ f_X(θ + t v) is one polynomial for small t > 0 and another for small t < 0: their coefficients
    differ."""
    return is_not_one_polynomial(instance["net"], [Fraction(row[0]) for row in instance["v"]])


def is_differentiable_yet_not_analytic(instance: dict[str, Any]) -> bool:
    """All linear pieces of the one-sided derivative agree, so that f_X is differentiable at θ; yet t ↦ f_X(θ
    + t v) is one polynomial for small t > 0 and another for small t < 0."""
    v = [Fraction(row[0]) for row in instance["v"]]
    return is_differentiable(instance["net"]) and is_not_one_polynomial(instance["net"], v)


def bends_along_the_line(instance: dict[str, Any]) -> bool:
    """Interval arithmetic shows that f_X is smooth near θ; the polynomials t ↦ f_X(θ + t v) have a term of
    degree >= 2: they are not affine near 0."""
    net, v = instance["net"], [Fraction(row[0]) for row in instance["v"]]
    return stays_off_kinks(net) and any(c for row in along(net, v) for c in row[2:])


# --- the rank theorem --------------------------------------------------------------------------------


def have_a_common_root(p, q):
    """Whether two polynomials, the constant first, have a common complex root, or are both 0 (Euclid)."""
    p, q = ([*map(Fraction, c)] for c in (p, q))
    while True:
        for c in (p, q):
            while c and not c[-1]:
                c.pop()
        if not q:
            return len(p) != 1
        if len(p) < len(q):
            p, q = q, p
            continue
        f, shift = p[-1] / q[-1], len(p) - len(q)
        p = [a - f * (q[k - shift] if k >= shift else 0) for k, a in enumerate(p)]


def never_stops(curve):
    """Whether f′(t) ≠ 0 for every t: its two entries have no common root."""
    return not have_a_common_root(*([k * Fraction(c) for k, c in enumerate(row)][1:] for row in curve["c"]))


def curve_crosses_itself(instance: dict[str, Any]) -> bool:
    """f′ never vanishes, by Euclid's algorithm on its entries. With σ = s + t and π = s t the equation f(s) =
    f(t) is c₁ + c₂ σ + c₃ (σ² − π) = 0 for both outputs: its solution has s ≠ t in U, with independent f′(s),
    f′(t)."""
    (_, a1, a2, a3), (_, b1, b2, b3) = matrix(instance["c"])
    radius = Fraction(instance["radius"])
    if a3 * b2 == a2 * b3:
        return False
    sigma = (b3 * a1 - a3 * b1) / (a3 * b2 - b3 * a2)
    square = -(a1 + a2 * sigma) / a3 if a3 else -(b1 + b2 * sigma) / b3
    pi = sigma**2 - square
    meets = a1 + a2 * sigma + a3 * square == 0 and b1 + b2 * sigma + b3 * square == 0
    inside = abs(sigma) < 2 * radius and radius**2 + pi > radius * abs(sigma)
    tangents = 2 * (a1 * b2 - a2 * b1) + 3 * (a1 * b3 - a3 * b1) * sigma + 6 * (a2 * b3 - a3 * b2) * pi
    return never_stops(instance) and meets and sigma**2 > 4 * pi and inside and tangents != 0


def image_ends_at_a_fold(instance: dict[str, Any]) -> bool:
    """f(t) − f(0) = c₂ t² and c₂ ≠ 0: f′(0) = 0, and f(U) is a segment that holds its end f(0), no manifold
    of dimension 1."""
    c = matrix(instance["c"])
    return not any(row[1] or row[3] for row in c) and any(row[2] for row in c)


def image_is_no_graph(instance: dict[str, Any]) -> bool:
    """f′ never vanishes, by Euclid's algorithm on its entries; yet f₁′(0) = 0, so that the tangent at f(0) is
    upright."""
    return never_stops(instance) and Fraction(instance["c"][0][1]) == 0
