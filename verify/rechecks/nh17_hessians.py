"""Rechecks for ``verify/test_nh17_hessians.py``: matrices and Hessians, regular, singular and in blocks."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from verify.rechecks.jets import hessian_of
from verify.rechecks.layers import (
    feature_rank,
    forward,
    layers_at,
    loss_block,
    places_of_layer,
    sample_loss_above,
    sigma_of,
    stack_of,
    widths_of,
    with_ones,
)
from verify.rechecks.linear_algebra import (
    determinant,
    identity,
    is_positive_definite,
    is_semidefinite,
    matrix,
    minus,
    null_vectors,
    rank,
    squares,
    turned,
)
from verify.rechecks.networks import program_parameters

# --- Definition 3.7 and symmetric matrices ------------------------------------------------------------


def submatrix(a, kept):
    """The rows and columns in ``kept``."""
    return [[a[i][j] for j in kept] for i in kept]


def second_example_is_singular(at: dict[str, Any]) -> bool:
    """The whole Hessian [[I, B], [Bᵀ, 0]] has determinant 0, or that of its last block is not 0."""
    B = matrix(at["B"])
    n = len(B)
    a = [[*r, *s] for r, s in zip(identity(n), B)] + [[*r, *[Fraction(0)] * n] for r in turned(B)]
    last = submatrix(a, range(n, 2 * n))
    return at["kind"] == "second" and (determinant(a) == 0 or determinant(last) != 0)


def block_and_matrix_differ(at: dict[str, Any], whole: bool) -> bool:
    """The determinants of the symmetric matrix and of its block: the one supposed not to be 0 is not, the
    other is."""
    a, kept = matrix(at["A"]), [int(k) for k in at["subset"]["tuple"]]
    here, there = determinant(a), determinant(submatrix(a, kept))
    return (here != 0 and there == 0) if whole else (here == 0 and there != 0)


def block_of_a_semidefinite_matrix_is_not_definite(at: dict[str, Any]) -> bool:
    """No eigenvalue of A is negative, and not all of its block are positive: by congruences, exactly."""
    a, kept = matrix(at["A"]), [int(k) for k in at["subset"]["tuple"]]
    return is_semidefinite(a) and not is_positive_definite(submatrix(a, kept))


# --- behind Theorem 3.8 -------------------------------------------------------------------------------


def features_are_regular(level: dict[str, Any]) -> bool:
    """The columns of [F_k, 1] are independent, by elimination: no h ≠ 0 has [F_k, 1] h = 0."""
    net, k = level["net"], int(level["k"])
    return feature_rank(net, k) == widths_of(stack_of(net))[k] + 1


def null_direction_shifts(level: dict[str, Any]) -> bool:
    """[F_k, 1] h = 0 at θ, D = h e_1ᵀ in layer k + 1 and E = (1/2, 1, 3/2, 1/2, …) on the layers from k up: Φ
    at θ + tD + E, for t = 1 or −2, is exactly another number than at θ + E."""
    net, k = level["net"], int(level["k"])
    stack, X, Y = stack_of(net), matrix(net["X"]), matrix(net["Y"])
    f = with_ones(layers_at(net)[0][k])
    found = null_vectors(f, len(f[0]))
    shifts = sorted(p for l in range(k, len(stack) + 1) for row in places_of_layer(net, l) for p in row)
    values = []
    for t in (0, 1, -2) if found else ():
        theta = program_parameters(net)
        for count, p in enumerate(shifts):
            theta[p] += Fraction(1 + count % 3, 2)
        for row, e in zip(places_of_layer(net, k + 1), found[0]):
            theta[row[0]] += t * e
        moved = stack_of({**net, "theta": [[e] for e in theta]})
        values.append(squares(minus(forward(sigma_of(net), moved, X)[0][-1], Y)))
    return len(set(values)) > 1


def kernel_is_smaller(level: dict[str, Any]) -> bool:
    """The nullity of the Hessian's block of the layers in I, by elimination, is at most n_{k+1} (n_k + 1 −
    rank [F_k, 1])."""
    net, k = level["net"], int(level["k"])
    h, widths = loss_block(net, [int(l) for l in level["blocks"]["tuple"]]), widths_of(stack_of(net))
    return len(h) - rank(h) < widths[k + 1] * (widths[k] + 1 - feature_rank(net, k)) + 1


def determinant_formula_fails(level: dict[str, Any], power: str, total: bool = False) -> bool:
    """[F_k, 1] is square, and det ∇² by the entries of W_{k+1} and b_{k+1} is exactly another number than the
    formula makes of det [F_k, 1] and of the determinants of ∂²Φ/∂g_{k+1}(x_i)²."""
    net, k = level["net"], int(level["k"])
    f = with_ones(layers_at(net)[0][k])
    if len(f) != len(f[0]):
        return False
    n = widths_of(stack_of(net))[k + 1]
    parts = [determinant(hessian_of(sample_loss_above(net, k + 1, i), n)) for i in range(len(f))]
    found = sum(parts) if total else Fraction(1)
    for d in () if total else parts:
        found *= d
    exponent = {"2 n": 2 * n, "n": n, "2": 2}[power]
    return determinant(loss_block(net, [k + 1])) != determinant(f) ** exponent * found


def block_is_singular_although(level: dict[str, Any], shape: str) -> bool:
    """rank [F_k, 1] = N and the widths or I are as supposed; and the Hessian's block, exact, has determinant
    0."""
    net, k = level["net"], int(level["k"])
    layers = [int(l) for l in level["blocks"]["tuple"]]
    fits = len(layers) == 1 if shape == "one layer" else len(set(widths_of(stack_of(net))[k + 1 :])) == 1
    return fits and feature_rank(net, k) == len(net["X"]) and determinant(loss_block(net, layers)) == 0
