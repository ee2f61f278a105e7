"""Local minima of wide networks that are not global: what refutes the sentences of test_nh17_traps.py."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from verify.rechecks.convex_traps import is_convex_trap
from verify.rechecks.irrational import exceeds, rounded
from verify.rechecks.jets import Jet, gradient_of, hessian_of, value_of, variables
from verify.rechecks.layers import (
    deltas_of,
    every_value_is_reached,
    feature_rank,
    has_full_column_ranks,
    in_range_of,
    is_not_least,
    is_stationary,
    loss_block,
    loss_of_layers,
    places_of_layer,
    range_of,
    stack_of,
    steep_units_reach_full_rank,
    widths_of,
    with_ones,
    zero_loss_is_attained,
)
from verify.rechecks.linear_algebra import (
    inertia,
    is_positive_definite,
    is_zero,
    matrix,
    rank,
    solution,
    times,
    turned,
)
from verify.rechecks.losses import activated
from verify.rechecks.networks import program_parameters

# --- convex traps ------------------------------------------------------------------------------------


def has_low_rank(net, first):
    """Whether rank W_l < n_l for some l >= ``first``."""
    return not has_full_column_ranks(stack_of(net), first)


def shape_is_wide(net, layers, spare):
    """Whether there are so many layers (None: any number), n_1 >= N − 1, or = N − 1 without ``spare``, and no
    layer is wider than the one before."""
    widths, n = widths_of(stack_of(net)), len(net["X"])
    return (
        len(widths) - 1 == (layers or len(widths) - 1)
        and (widths[1] >= n - 1 if spare else widths[1] == n - 1)
        and widths[1:] == sorted(widths[1:], reverse=True)
    )


def convex_trap_is_not_global(
    net: dict[str, Any],
    layers: int | None = None,
    spare: bool = True,
    missing: int | None = None,
    low: bool | None = None,
) -> bool:
    """θ is a local minimum: W_1 = 0, the residuals are a balayage, Σ_i r_i φ(x_i) >= 0 for convex φ, and
    every hidden unit is a convex function of x where they need it; the widths and ranks are as supposed. And
    yet Φ(θ) > 0, while steep units make [F_1, 1] of rank N, so that the labels, all of them values of σ, are
    reached: min Φ = 0."""
    X = matrix(net["X"])
    return (
        shape_is_wide(net, layers, spare)
        and (missing is None or rank(with_ones(X)) >= len(X) - missing)
        and (low is None or has_low_rank(net, 3) is low)
        and is_convex_trap(net)
        and loss_of_layers(net) > 0
        and zero_loss_is_attained(net)
    )


def critical_point_is_not_global(net: dict[str, Any], low: bool = False) -> bool:
    """Every entry of ∇Φ is 0 (backpropagation at whole numbers); and yet Φ(θ) > 0, while some [F_k, 1] of
    rank N makes all labels, values of σ, be reached: min Φ = 0."""
    return (
        (not low or has_low_rank(net, 3))
        and is_stationary(net)
        and loss_of_layers(net) > 0
        and zero_loss_is_attained(net)
    )


def trap_has_dependent_features(net: dict[str, Any]) -> bool:
    """θ is a local minimum: W_1 = 0, the residuals are a balayage and every hidden unit is a convex function
    of x where they need it; and rank [F_1, 1] < N, by elimination."""
    return is_convex_trap(net) and feature_rank(net, 1) < len(net["X"])


def lower_points_are_near(net: dict[str, Any]) -> bool:
    """W_1 = 0 and every entry of ∇Φ is 0, exactly; and some eigenvalue of the Hessian by the entries of W_1
    is negative, by congruences: θ is no local minimum."""
    flat = is_zero(stack_of(net)[0][:-1])
    return flat and is_stationary(net) and inertia(loss_block(net, [1]))[2] > 0


def trap_is_not_strict(net: dict[str, Any]) -> bool:
    """θ is a local minimum with W_1 = 0, by convexity; F_1 is the same f for all samples, so that w + t and b
    − t f for a weight and the bias of a unit above change no output for any t: Φ is exactly the same at t =
    1/2⁶⁰ and at 1."""
    if not is_convex_trap(net):
        return False
    f = times(with_ones(matrix(net["X"])), stack_of(net)[0])[0][0]
    f = value_of(activated(net["computation"]["steps"]["tuple"][1]["activations"]["tuple"][0], f))
    places, values = places_of_layer(net, 2), [loss_of_layers(net)]
    for t in (Fraction(1, 2**60), Fraction(1)):
        theta = program_parameters(net)
        theta[places[0][0]] += t
        theta[places[-1][0]] -= t * f
        values.append(loss_of_layers({**net, "theta": [[e] for e in theta]}))
    return len(set(values)) == 1


def fitted_point_has_low_rank(net: dict[str, Any], first: int = 2) -> bool:
    """Φ(θ) = 0, exactly, so that θ is a global minimum; and a weight matrix above has a rank below n_l."""
    return loss_of_layers(net) == 0 and has_low_rank(net, first)


# --- two outputs through one unit ---------------------------------------------------------------------


def errors_through_one_unit(z, Y, unit):
    """σ(u_i) − y_i1 and σ(a u_i + c) − y_i2 at z = (u_1, …, u_N, a, c)."""
    *u, a, c = z
    return [unit(t) - y[0] for t, y in zip(u, Y)] + [unit(a * t + c) - y[1] for t, y in zip(u, Y)]


def softplus_in_floats(t):
    """σ of a jet of floats, without its curvature."""
    v = t.value
    return t.through(max(v, 0.0) + math.log2(1 + math.exp2(-abs(v))), 1 / (1 + math.exp2(-v)), 0)


def softplus_exactly(t):
    """σ of a jet of fractions."""
    return activated("softplus", t)


def settled_in_floats(z, Y):
    """Where damped Gauss-Newton steps lead from z, and Σ errors² there."""
    n, damping, best = len(z), 0.1, math.inf
    for _ in range(60):
        jets = errors_through_one_unit([Jet(v, {k: 1.0}) for k, v in enumerate(z)], Y, softplus_in_floats)
        value = sum(e.value**2 for e in jets)
        if value <= best:
            kept, best, damping = z, value, damping / 5
            rows = [[float(s) for s in gradient_of(e, n)] for e in jets]
            slope = [sum(r[k] * e.value for r, e in zip(rows, jets)) for k in range(n)]
            if max(map(abs, slope)) < 1e-11:
                break
            normal = [[sum(r[i] * r[j] for r in rows) for j in range(n)] for i in range(n)]
        else:
            damping *= 4
        damped = [
            [e + (i == j) * (damping * e + 1e-12) for j, e in enumerate(row)] for i, row in enumerate(normal)
        ]
        step = solution(damped, [[s] for s in slope])
        if step is None:
            break
        z = [max(-60.0, min(60.0, v - s[0])) for v, s in zip(kept, step)]
    return kept, best


def strict_minimum_near(z, Y):
    """Newton's limit in fractions and the loss there, if ∇ is below 10⁻⁴⁰ and ∇² positive definite; else
    None."""
    z, n = [Fraction(v) for v in z], len(z)
    for _ in range(8):
        total = sum((e * e for e in errors_through_one_unit(variables(z), Y, softplus_exactly)), Fraction(0))
        slope, curve = gradient_of(total, n), hessian_of(total, n)
        curve = [[Fraction(round(e * 2**100), 2**100) for e in row] for row in curve]
        if max(map(abs, slope)) < Fraction(1, 10**40):
            shifted = [
                [e - Fraction(i == j, 10**8) for j, e in enumerate(row)] for i, row in enumerate(curve)
            ]
            return (z, total.value) if is_positive_definite(shifted) else None
        step = solution(curve, [[rounded(s)] for s in slope])
        if step is None or max(abs(s[0]) for s in step) > 1:
            return None
        z = [rounded(v - s[0]) for v, s in zip(z, step)]
    return None


def two_minima_through_one_unit(problem: dict[str, Any]) -> bool:
    """Near θ with w_1 ≠ 0, Φ depends on u = w_1 f + b_1, a = w_2 / w_1 and c = b_2 − a b_1 alone, f being the
    unit's values, which can be any. At one point (u, a, c), found in floats and improved by Newton's method
    in fractions, ∇ is below 10⁻⁴⁰ and every eigenvalue of ∇² above 10⁻⁸: a strict local minimum; and Φ is
    less at another one."""
    X, exact = matrix(problem["X"]), matrix(problem["Y"])
    widths, Y = problem["widths"]["tuple"], [[float(e) for e in row] for row in exact]
    name, below = problem["activation"], [int(n) for n in widths[:-2]]
    reached = steep_units_reach_full_rank(name, X, below[-1]) if below else rank(with_ones(X)) == len(X)
    if name != "softplus" or [int(n) for n in widths[-2:]] != [1, 2] or not reached:
        return False
    grid = [-6 + k / 2 for k in range(41)]
    curve = {t: max(t, 0.0) + math.log2(1 + math.exp2(-abs(t))) for t in grid}
    found = []
    for a in (-8.0, -4.0, -2.0, -1.0, -0.5, -0.25, -0.125):
        for y in Y:
            u, v = (min(grid, key=lambda t: abs(curve[t] - e)) for e in y)
            line = [(t, curve[t], softplus_in_floats(Jet(a * (t - u) + v)).value) for t in grid]
            near = [min(line, key=lambda p: (p[1] - e) ** 2 + (p[2] - f) ** 2)[0] for e, f in Y]
            z, here = settled_in_floats([*near, a, v - a * u], Y)
            for other, there in found:
                if abs(here - there) > 1e-6 * max(here, there) + 1e-9:
                    worse, better = sorted([(here, z), (there, other)], reverse=True)
                    high = strict_minimum_near(worse[1], exact)
                    low = sum(
                        e * e
                        for e in errors_through_one_unit(map(Fraction, better[1]), exact, softplus_exactly)
                    )
                    if high and exceeds(high[1], low):
                        return True
            found.append((z, here))
    return False


# --- Theorem 3.1 --------------------------------------------------------------------------------------


def gori_tesi_fails(net: dict[str, Any], first: int = 2, rows: bool = False, silent: bool = True) -> bool:
    """∇Φ = 0, the ranks of the weights and Δ_1 = 0 are as supposed, exactly; and yet Φ(θ) is not least: min Φ
    = 0, or outputs of one or two levels cost less, or some curvature of Φ at θ is negative."""
    return (
        all(rank(w[:-1]) == (len(w) - 1 if rows else len(w[0])) for w in stack_of(net)[first - 1 :])
        and (not silent or is_zero(deltas_of(net)[0]))
        and is_stationary(net)
        and is_not_least(net)
    )


def first_deltas_are_orthogonal(net: dict[str, Any], premise: str = "") -> bool:
    """The samples are as supposed, and [X, 1]ᵀ Δ_1 = 0 although Δ_1 ≠ 0: backpropagation at whole numbers,
    exact."""
    X, delta = matrix(net["X"]), deltas_of(net)[0]
    holds = {"N <= d + 1": len(X) <= len(X[0]) + 1, "rank >= N - 1": rank(with_ones(X)) >= len(X) - 1}
    return holds.get(premise, True) and is_zero(times(turned(with_ones(X)), delta)) and not is_zero(delta)


# --- is the minimum attained? -------------------------------------------------------------------------


def in_closure(name, y):
    """Whether y is a value of σ or a limit of such values."""
    low, high = range_of(name)
    return (low is None or y >= low) and (high is None or y <= high)


def label_beyond_the_values_of_sigma(problem: dict[str, Any], closure: bool = False) -> bool:
    """Steep units make [F_1, 1] of rank N, so that F_L can be any matrix of values of σ: inf Φ is the squared
    distance of the labels from their closure. It is attained by no F_L, since some label is no value of σ,
    and the nearest number of the closure is not one either."""
    name, X = problem["activation"], matrix(problem["X"])
    labels = [y for row in matrix(problem["Y"]) for y in row]
    widths = [len(X[0]), *map(int, problem["widths"]["tuple"])]
    return (
        every_value_is_reached(name, X, widths)
        and (not closure or all(in_closure(name, y) for y in labels))
        and not all(in_range_of(name, y) for y in labels)
    )


def label_beyond_the_closure(problem: dict[str, Any]) -> bool:
    """Some label is neither a value of σ nor a limit of values: Φ is at least the square of its distance from
    them."""
    return not all(in_closure(problem["activation"], y) for row in matrix(problem["Y"]) for y in row)


def steps_fit_best(problem: dict[str, Any]) -> bool:
    """One unit draws strictly monotone curves, or constants, through three points of a line. Among the ways
    to cut them into blocks with monotone means, one with two blocks costs least: steep sigmoids come as near
    as one likes to that step, none is it, and so inf Φ is not attained."""
    name, X = problem["activation"], matrix(problem["X"])
    y = [row[0] for _, row in sorted(zip(X, matrix(problem["Y"])))]
    if [int(n) for n in problem["widths"]["tuple"]] != [1, 1] or not all(in_range_of(name, e) for e in y):
        return False
    costs = []
    for blocks in ([y[:1], y[1:2], y[2:]], [y[:1], y[1:]], [y[:2], y[2:]], [y]):
        means = [sum(b) / len(b) for b in blocks]
        if means in (sorted(set(means)), sorted(set(means), reverse=True)):
            costs.append((sum((e - m) ** 2 for b, m in zip(blocks, means) for e in b), len(blocks)))
    return min(costs)[1] == 2
