"""Certificates that θ is a local minimum of L, for networks whose outputs are rational functions of θ near it.

Where f_X has several pieces, those beside θ are looked at from points 2⁻⁸⁰ away with arbitrary coordinates: what
holds of ranks and second derivatives there holds on all of the piece, but for a set of measure zero.
"""

from __future__ import annotations

from fractions import Fraction

from verify.rechecks.induced import is_critical_point
from verify.rechecks.jets import gradient_of, hessian_of, variables
from verify.rechecks.linear_algebra import dot, inertia, matrix, null_vectors, rank
from verify.rechecks.losses import loss_at, loss_slopes, softmax
from verify.rechecks.networks import outputs, parameters, weights_of


def output_jets(net, theta):
    """Values, gradients and Hessians of all outputs by the parameters, sample by sample."""
    n = len(theta)
    rows = outputs(net, variables(theta))
    return [[(a.value, gradient_of(a, n), hessian_of(a, n)) for a in f] for f in rows]


def nearby_points(theta):
    """Two points 2⁻⁸⁰ away, with coordinates that have nothing to do with each other."""
    found, state = [], 1
    for _ in range(2):
        there = []
        for t in theta:
            state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
            there.append(t + Fraction(state // 2**32 - 2**31, 2**112))
        found.append(there)
    return found


def loss_curvature(name, h, y):
    """∂²ℓ/∂h² of one sample, None where it jumps; for the cross-entropy a little less, with 0.693147 < log 2."""
    d = range(len(h))
    if name == "cross-entropy":
        p = softmax(h)
        return [[Fraction(693147, 10**6) * p[j] * ((j == k) - p[k]) for k in d] for j in d]
    for a, b in zip(h, y):
        kink = name == "absolute" and a == b
        jump = name == "Huber" and abs(a - b) == 1
        jumps = {-1: 1 - b, 0: 2 * b - 1, 1: -b}  # of the smoothed hinge; at 0 its parts cancel if y = 1/2
        bend = name == "smoothed hinge" and jumps.get(a)
        if kink or jump or bend:
            return None
    return [[loss_at(name, h[j], y[j])[2] * (j == k) for k in d] for j in d]


def weighted_slopes(net):
    """λ_i ∂ℓ/∂f at every sample."""
    rows = zip(weights_of(net), outputs(net, parameters(net)), matrix(net["Y"]))
    return [[w * s for s in loss_slopes(net["loss"]["loss"], f, y)] for w, f, y in rows]


def seen_by_the_loss(net, rows):
    """The rows of the Jacobian of one sample; for the cross-entropy their differences to the last one."""
    if net["loss"]["loss"] != "cross-entropy":
        return rows
    return [[a - b for a, b in zip(row, rows[-1])] for row in rows[:-1]]


def jacobian_rank(net, jets):
    """The rank of the derivatives of what the loss sees of the outputs."""
    return rank([row for f in jets for row in seen_by_the_loss(net, [slope for _, slope, _ in f])])


def loss_second_derivatives(net):
    """∇²L, or None where the second derivative of the loss jumps."""
    jets, n = output_jets(net, parameters(net)), len(parameters(net))
    total = [[Fraction(0)] * n for _ in range(n)]
    for w, p, f, y in zip(weights_of(net), weighted_slopes(net), jets, matrix(net["Y"])):
        c = loss_curvature(net["loss"]["loss"], [value for value, _, _ in f], y)
        if c is None:
            return None
        for a in range(n):
            along = [w * dot(row, [slope[a] for _, slope, _ in f]) for row in c]
            for b in range(n):
                total[a][b] += sum(e * slope[b] for e, (_, slope, _) in zip(along, f))
                total[a][b] += sum(s * second[a][b] for s, (_, _, second) in zip(p, f))
    return total


def is_morse_bott(net):
    """Whether ∇²L is positive definite, or semidefinite of the rank of ∂f_X, which is the same at all points nearby.

    In the second case the points with the outputs of θ are a manifold, whose tangents are the kernel of ∇²L.
    """
    second, theta = loss_second_derivatives(net), parameters(net)
    if second is None:
        return False
    positive, _, negative = inertia(second)
    if negative or positive == len(theta):
        return not negative
    here = jacobian_rank(net, output_jets(net, theta))
    return positive == here and all(
        jacobian_rank(net, output_jets(net, there)) == here for there in nearby_points(theta)
    )


def unseen_by_all_samples(net):
    """Directions v with f_X(θ′ + v) = f_X(θ′) for every θ′: changes of weights on the inputs that are used once, in one
    row, orthogonal to every (x_i, 1).
    """
    steps, n, found = net["computation"]["steps"]["tuple"], len(parameters(net)), []
    used = [int(k) for step in steps for row in step.get("places", []) for k in row]
    for row in [row for step in steps if step.get("source") == 0 for row in step.get("places", [])]:
        own = [(j, int(k)) for j, k in enumerate(row) if int(k) >= 0 and used.count(int(k)) == 1]
        inputs = [[*x, Fraction(1)] for x in matrix(net["X"])]
        for v in null_vectors([[x[j] for j, _ in own] for x in inputs], len(own)):
            at = {k: e for (_, k), e in zip(own, v)}
            found.append([at.get(k, Fraction(0)) for k in range(n)])
    return found


def is_strict_up_to_unseen_directions(net):
    """Whether ∇²L is semidefinite and its kernel is spanned by directions that no sample sees."""
    second = loss_second_derivatives(net)
    if second is None:
        return False
    positive, _, negative = inertia(second)
    return not negative and positive + rank(unseen_by_all_samples(net)) == len(second)


def is_affine_nearby(net):
    """Whether the second derivatives of all outputs vanish beside θ."""
    return not any(
        e for p in nearby_points(parameters(net)) for f in output_jets(net, p) for a in f for row in a[2] for e in row
    )


def is_odd_for_every_theta(net):
    """Whether f(−x; θ) = −f(x; θ): no biases, no products, only odd activations."""
    odd = ("linear", "cube", "cubic", "serpentine", "softsign", "affine inside", "tanh", "tanh cubed")
    return all(
        all(int(p[-1]) < 0 and Fraction(c[-1]) == 0 for p, c in zip(s["places"], s["frozen"]))
        if "places" in s
        else all(a in odd for a in s["activations"]["tuple"])
        if "activations" in s
        else s["operation"] != "product"
        for s in net["computation"]["steps"]["tuple"]
    )


def is_linear_for_every_theta(net):
    """Whether f(x; θ) is linear in x: odd, with linear activations only."""
    steps = net["computation"]["steps"]["tuple"]
    names = [a for s in steps if "activations" in s for a in s["activations"]["tuple"]]
    return is_odd_for_every_theta(net) and all(a == "linear" for a in names)


def slopes_are_orthogonal_to_all_outputs(net):
    """Whether ⟨p, f_X(θ′)⟩ = 0 for every θ′: Σ p_i x_iᵀ = 0 for linear f; for odd f p is even as a measure."""
    if not is_odd_for_every_theta(net):
        return False
    x, p = matrix(net["X"]), weighted_slopes(net)
    if is_linear_for_every_theta(net):
        return not any(sum(s[k] * row[j] for s, row in zip(p, x)) for k in range(len(p[0])) for j in range(len(x[0])))
    totals = {}
    for row, s in zip(x, p):
        sign = next((1 if e > 0 else -1 for e in row if e), 0)
        key = tuple(sign * e for e in row)
        totals[key] = [a + sign * b for a, b in zip(totals.get(key, [0] * len(s)), s)]
    return not any(e for total in totals.values() for e in total)


def rests_at_wells(net):
    """Whether every output is at a minimum of ℓ(·, y), with positive curvature."""
    rows = zip(outputs(net, parameters(net)), matrix(net["Y"]))
    at = [loss_at(net["loss"]["loss"], a, b) for f, y in rows for a, b in zip(f, y)]
    return all(slope == 0 and second > 0 for _, slope, second in at)


def is_a_local_minimum(net):
    """Whether one of these shows that θ is a local minimum of L.

    For convex losses: the slopes p are orthogonal to f_X(θ′) for all θ′, so that L(θ′) >= L(θ) + ⟨p, f_X(θ′) −
    f_X(θ)⟩ = L(θ); or ∇L = 0 and f_X is affine near θ. For every loss: ∇L = 0 and ∇²L is positive definite, or
    semidefinite with no kernel but the directions in which the outputs stay, or which no sample sees. For the double
    well: every output is in a well.
    """
    if net["loss"]["loss"] == "tilted double well":
        return rests_at_wells(net)
    if slopes_are_orthogonal_to_all_outputs(net):
        return True
    return is_critical_point(net) and (
        is_affine_nearby(net) or is_morse_bott(net) or is_strict_up_to_unseen_directions(net)
    )
