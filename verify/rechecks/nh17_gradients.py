"""Rechecks for ``verify/test_nh17_gradients.py``: backpropagation and bounds of gradients."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from verify.rechecks.jets import gradient_of
from verify.rechecks.layers import (
    hadamard,
    layer_gradients,
    layers_at,
    places_of_layer,
    residual_slopes,
    sample_loss_above,
    sigma_of,
    slope_at,
    stack_of,
    with_ones,
)
from verify.rechecks.linear_algebra import (
    determinant,
    identity,
    is_positive_definite,
    matrix,
    minus,
    scaled,
    squares,
    times,
    turned,
)
from verify.rechecks.networks import loss_gradient, program_parameters


def deltas_by_rule(net, rule):
    """Δ_1, …, Δ_L by the recursion of Lemma 2.1 with one false step."""
    values, _, slopes = layers_at(net)
    stack, name = stack_of(net), sigma_of(net)
    r = residual_slopes(net, values[-1])
    first = {"no slope at the output": r, "half": scaled(Fraction(1, 2), hadamard(r, slopes[-1]))}
    found = [first.get(rule, hadamard(r, slopes[-1]))]
    for l in range(len(stack) - 1, 0, -1):
        w, s = stack[l][:-1], slopes[l - 1]
        if rule == "slopes above" and len(slopes[l][0]) == len(s[0]):
            s = slopes[l]
        if rule == "slopes at values":
            s = [[slope_at(name, e)[1] for e in row] for row in values[l]]
        square = len(w) == len(w[0])
        found.insert(0, hadamard(times(found[0], w if rule == "untransposed" and square else turned(w)), s))
    return found


def backpropagation_fails(level: dict[str, Any], rule: str) -> bool:
    """The Δ_k of the false recursion against the derivative of Φ by the entries of G_k, and [F_{l−1}, 1]ᵀ Δ_l
    against the derivatives by W_l and b_l, all of them by forward differentiation: some of them differ,
    exactly."""
    net, k = level["net"], int(level["k"])
    found, values = deltas_by_rule(net, rule), layers_at(net)[0]
    width = len(found[k][0])
    free = [gradient_of(sample_loss_above(net, k + 1, i), width) for i in range(len(values[0]))]
    slope = loss_gradient(net)
    right = [[[slope[p] for p in row] for row in places_of_layer(net, l)] for l in range(1, len(found) + 1)]
    return found[k] != free or any(
        times(turned(with_ones(f)), d) != g for f, d, g in zip(values, found, right)
    )


def one_sided_slope(net, direction):
    """The derivative of Φ from θ in a direction: a kink of ReLU or |·| at 0 is met from the side it moves
    to."""
    name, theta = sigma_of(net), program_parameters(net)
    total = Fraction(0)
    for x, y in zip(matrix(net["X"]), matrix(net["Y"])):
        h, moves = x, [Fraction(0)] * len(x)
        for l in range(1, len(stack_of(net)) + 1):
            columns = turned(places_of_layer(net, l))
            h, moves = [*h, Fraction(1)], [*moves, Fraction(0)]
            g = [sum(theta[p] * u for p, u in zip(column, h)) for column in columns]
            dg = [
                sum(theta[p] * v + direction[p] * u for p, u, v in zip(column, h, moves))
                for column in columns
            ]
            low = Fraction(0) if name == "relu" else Fraction(-1)
            sides = [s if t == 0 else t for t, s in zip(g, dg)]
            h = [t if t > 0 else low * t for t in g]
            moves = [s if side > 0 else low * s for s, side in zip(dg, sides)]
        total += sum(2 * (f - e) * s for f, e, s in zip(h, y, moves))
    return total


def some_derivative_is_missing(level: dict[str, Any]) -> bool:
    """By some parameter the derivatives of Φ to the right and to the left, exact at the kinks of σ, are
    different."""
    n = len(program_parameters(level["net"]))
    sides = ([one_sided_slope(level["net"], [s * e for e in v]) for v in identity(n)] for s in (1, -1))
    return any(a + b for a, b in zip(*sides))


# --- the gradient bound ------------------------------------------------------------------------------


def eigenvalue_from_below(a, greatest=False):
    """A number just below the least (greatest) eigenvalue of a positive semidefinite matrix: definiteness
    decides."""
    n = len(a)
    if n == 1:
        return a[0][0]
    low, high = Fraction(0), Fraction(2) ** int(sum(a[i][i] for i in range(n)) + 2).bit_length()
    if not greatest and determinant(a) == 0:
        return low
    for _ in range(60):
        t = (low + high) / 2
        shifted = minus(a, scaled(t, identity(n)))
        is_below = (
            not is_positive_definite(scaled(-1, shifted)) if greatest else is_positive_definite(shifted)
        )
        low, high = (t, high) if is_below else (low, t)
    return low


def gradient_bound_fails(
    level: dict[str, Any],
    factor: str = "1",
    features: str = "least",
    weights: str = "least",
    begin: int = 2,
    hidden: str = "least",
    output: str = "least",
    ones: bool = True,
) -> bool:
    """‖∂Φ/∂[W_{k+1}; b_{k+1}]‖², exact by backpropagation, is less than the square of the bound with the
    false factor. Eigenvalues are replaced by smaller numbers, which definiteness of a shifted matrix shows
    them to be."""
    net, k = level["net"], int(level["k"])
    values, _, slopes = layers_at(net)
    gradient = layer_gradients(net)[k]
    left = squares(gradient if ones else gradient[:-1])
    bound = Fraction(factor) ** 2 * squares(residual_slopes(net, values[-1]))
    f = with_ones(values[k])
    bound *= eigenvalue_from_below(times(f, turned(f)), features == "greatest")
    for l in range(k, len(slopes)):
        which = output if l == len(slopes) - 1 else hidden
        if which != "none":
            bound *= (max if which == "greatest" else min)(e * e for row in slopes[l] for e in row)
    for w in stack_of(net)[k + begin - 1 :]:
        bound *= eigenvalue_from_below(times(turned(w[:-1]), w[:-1]), weights == "greatest")
    return bound > left
