"""An exact planted critical point with exact L == L*, against the same in sympy."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from flint import fmpq_mat

from strategies.critical import orthogonal_functions, with_slopes
from strategies.matrices import hstack, matrix, zeros
from strategies.networks import resnet
from tests.benchmarks.comparison import Comparison, seconds
from verify.oracles.landscape import basis_infimum, is_critical, loss

M, D_Y, D_X, D_Z = 8, 2, 3, 2
COUNT = 40


def compare(repeat: int) -> Iterator[Comparison]:
    """Y = H − E with E in the null space of [X Z]ᵀ; then ∇L == 0 and L == L*, all over the rationals.

    Both sides get the drawn matrices in their own type. The check is that of a claim on a planted minimum.
    """
    from sympy import Matrix

    rng = random.Random(0)

    def drawn(m: int, n: int) -> list[list[int]]:
        return [[rng.randint(-3, 3) for _ in range(n)] for _ in range(m)]

    spare = M - D_X - D_Z
    sizes = ((M, D_X), (M, D_Z), (D_Y, D_X), (D_X, D_Z), (spare, D_Y))
    tables = [[drawn(*size) for size in sizes] for _ in range(COUNT)]
    tables = [case for case in tables if hstack(matrix(case[0]), matrix(case[1])).rank() == D_X + D_Z]
    mine = [[matrix(a) for a in case] for case in tables]
    other = [[Matrix(a) for a in case] for case in tables]
    if not all(_ours(*a) and _sympy(*b) for a, b in zip(mine[:2], other[:2], strict=True)):
        raise RuntimeError("the two sides disagree on L == L*: run the tests before the benchmarks")
    ours = seconds(lambda: [_ours(*case) for case in mine], repeat=max(repeat, 5), count=len(mine))
    theirs = seconds(lambda: [_sympy(*case) for case in other], repeat=repeat, count=len(other))
    note = f"{len(tables)} of m = {M}, d_y, d_x, d_z = {D_Y}, {D_X}, {D_Z}, integers up to 3"
    yield Comparison("exact planted point, L == L* / sympy", ours, theirs, ">= 15x", note=note)


def _ours(x: fmpq_mat, z: fmpq_mat, w: fmpq_mat, v: fmpq_mat, combination: fmpq_mat) -> bool:
    drawn = resnet(x, z, zeros(M, D_Y), w, v)
    net = with_slopes(drawn, orthogonal_functions(drawn, drawn.features) * combination)
    return net is not None and is_critical(net) and loss(net) == basis_infimum(net).upper


def _sympy(X: Any, Z: Any, W: Any, V: Any, combination: Any) -> bool:
    from sympy import Matrix, Rational

    features = X.row_join(Z)
    E = Matrix.hstack(*features.T.nullspace()) * combination
    H = (X + Z * V.T) * W.T
    Y = H - E
    D = (H - Y) * Rational(2, M)
    critical = (D.T * (X + Z * V.T)).is_zero_matrix and (W.T * D.T * Z).is_zero_matrix
    best = (features.T * features).LUsolve(features.T * Y)
    residual, least = H - Y, features * best - Y
    value = (residual.T * residual).trace() / M
    return bool(critical) and bool(value == (least.T * least).trace() / M)
