"""Rechecks for ``verify/test_nh17_full_rank.py``: ranks of layers, and the first unit."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from typing import Any

from verify.rechecks.layers import with_ones
from verify.rechecks.linear_algebra import determinant, dot, matrix, number, rank, times, turned
from verify.rechecks.many_bits import sigma
from verify.rechecks.wide_layers import different, layers_of, weights_and_biases

# --- the rank of a layer ------------------------------------------------------------------------------


def monomials(x, degree):
    """All monomials up to a degree at x."""
    return [
        math.prod((x[j] for j in chosen), start=Fraction(1))
        for g in range(degree + 1)
        for chosen in itertools.combinations_with_replacement(range(len(x)), g)
    ]


def greatest_rank(net, border=1):
    """No parameters give [F_k, 1] (or F_k, for ``border`` = 0) a greater rank.

    It has n_k + 1 columns; equal samples have equal rows; and for a polynomial σ of degree g its columns are
    combinations of the monomials up to degree g^k in x.
    """
    X = matrix(net["X"])
    widths = net["widths"]["tuple"] if "widths" in net else [len(w[0]) for w in weights_and_biases(net)]
    bounds = [widths[-1] + border, different(X)]
    degree = {"linear": 1, "cube": 3}.get(net["activation"])
    if degree:
        degree = min(degree ** len(widths), len(X) - 1)  # higher powers add nothing at len(X) points
        bounds.append(rank([monomials(x, degree) for x in X]))
    return min(bounds)


def no_parameters_reach_full_rank(instance: dict[str, Any], border=1) -> bool:
    """Whatever the parameters are, rank([F_k, 1]) < N: there are fewer than N columns, fewer than N
    different samples, or, for a polynomial σ of degree g, fewer than N independent monomials up to
    degree g^k, which span all columns. (For F_k alone, border = 0.)"""
    net = instance.get("layers", instance)
    return greatest_rank(net, border) < len(net["X"])


def network_is_affine_near(instance: dict[str, Any]) -> bool:
    """On the whole ball around θ, or, if none is given, near θ, all pre-activations lie in [−1, 1], where
    σ(t) = t: F_k is affine in x there, and rank([F_k, 1]) <= rank([X, 1]) < N."""
    net, radius = instance.get("layers", instance), number(instance.get("radius", 0))
    X = matrix(net["X"])
    sizes, inside = [[abs(e) for e in row] for row in X], net["activation"] == "affine inside"
    for w in weights_and_biases(net):
        sizes = times(with_ones(sizes), [[abs(e) + radius for e in row] for row in w])
        inside = inside and all(e < 1 or (e == 1 and radius) for row in sizes for e in row)
    return inside and rank(with_ones(X)) < len(X)


def rank_is_deficient(instance: dict[str, Any]) -> bool:
    """rank([F_k, 1]) < N at θ: samples with equal first pre-activations have equal rows, units of layer k
    with the same weights and bias are equal columns, units without weights multiples of 1; and where
    F_k is rational, elimination gives its rank."""
    net = instance.get("layers", instance)
    n, stack = len(net["X"]), weights_and_biases(net)
    units = {tuple(c) for c in turned(stack[-1]) if any(c[:-1])}
    bounds = [different(times(with_ones(matrix(net["X"])), stack[0])), len(units) + 1]
    made, exact = layers_of(net)
    if exact:
        bounds.append(rank(with_ones(made[-1])))
    return min(bounds) < n


def negated_unit_changes_the_sign(instance: dict[str, Any]) -> bool:
    """det [F_k, 1], n_k = N − 1, has different signs at θ and where the first unit of layer k has its
    weights and bias negated, both beyond 2⁻⁹⁰⁰: S meets every path between the two points, which no set
    of codimension 2 does."""
    flipped = weights_and_biases(instance)
    flipped[-1] = [[-row[0], *row[1:]] for row in flipped[-1]]
    here = determinant(with_ones(layers_of(instance)[0][-1]))
    there = determinant(with_ones(layers_of({**instance, "stack": {"tuple": flipped}})[0][-1]))
    return min(here, there) < -Fraction(1, 2**900) and max(here, there) > Fraction(1, 2**900)


def no_bias_helps(instance: dict[str, Any]) -> bool:
    """X W_1 has two equal rows: for all biases F_1, …, F_k have these two rows equal, so that rank([F_k,
    1]) < N."""
    net = instance["layers"]
    X = matrix(net["X"])
    return different(times(X, weights_and_biases(net)[0][:-1])) < len(X)


# --- the first unit ------------------------------------------------------------------------------------


def differences(instance):
    """x_i − x_j for i > j."""
    return [[s - t for s, t in zip(x, y)] for y, x in itertools.combinations(matrix(instance["X"]), 2)]


def two_samples_are_equal(instance: dict[str, Any]) -> bool:
    """Two samples are equal, so that every unit has the same value at them, and the hyperplane {a : ⟨a,
    x_i − x_j⟩ = 0} is all of space."""
    return any(not any(v) for v in differences(instance))


def unit_confuses_two_samples(instance: dict[str, Any], off_the_hyperplanes=True) -> bool:
    """The samples are distinct and a ≠ 0, off all hyperplanes ⟨a, x_i − x_j⟩ = 0 if that is asked for; and
    yet σ(⟨a, x⟩ + b) is the same at two samples."""
    a, b = [e for (e,) in matrix(instance["a"])], number(instance["bias"])
    dots = [dot(a, v) for v in differences(instance)]
    arguments = [dot(a, x) + b for x in matrix(instance["X"])]
    values = {sigma(instance["activation"], t) for t in arguments}
    premise = any(a) and not two_samples_are_equal(instance) and (all(dots) or not off_the_hyperplanes)
    return premise and len(values) < len(arguments)


def hyperplanes_are_more(instance: dict[str, Any]) -> bool:
    """The samples are distinct, and the x_i − x_j, scaled to a first entry 1, are more than N − 1
    different normals of hyperplanes."""
    normals = differences(instance)
    if two_samples_are_equal(instance):
        return False
    return different([e / next(f for f in v if f) for e in v] for v in normals) > len(instance["X"]) - 1
