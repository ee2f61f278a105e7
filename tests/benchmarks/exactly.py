"""An exact planted critical point with exact L == L*, against the same in sympy."""

from __future__ import annotations

import random
from collections.abc import Iterator

from flint import fmpq_mat

from strategies.matrices import hstack, null_space
from strategies.networks import resnet
from tests.benchmarks.comparison import Comparison, seconds
from verify.oracles.exact import least_squares_value
from verify.oracles.landscape import is_critical, loss

M, D_Y, D_X, D_Z = 8, 2, 3, 2
COUNT = 40

Table = list[list[int]]


def compare(repeat: int) -> Iterator[Comparison]:
    """Y = H − E with E in the null space of [X Z]ᵀ; then ∇L == 0 and L == L*, all over the rationals."""
    rng = random.Random(0)

    def drawn(m: int, n: int) -> Table:
        return [[rng.randint(-3, 3) for _ in range(n)] for _ in range(m)]

    spare = M - D_X - D_Z
    sizes = ((M, D_X), (M, D_Z), (D_Y, D_X), (D_X, D_Z), (spare, D_Y))
    cases = [tuple(drawn(*size) for size in sizes) for _ in range(COUNT)]
    cases = [case for case in cases if hstack(fmpq_mat(case[0]), fmpq_mat(case[1])).rank() == D_X + D_Z]
    if not all(_ours(*case) and _sympy(*case) for case in cases[:2]):
        raise RuntimeError("the two sides disagree on L == L*: run the tests before the benchmarks")
    ours = seconds(lambda: [_ours(*case) for case in cases], repeat=repeat, count=len(cases))
    theirs = seconds(lambda: [_sympy(*case) for case in cases], repeat=repeat, count=len(cases))
    note = f"{len(cases)} of m = {M}, d_y, d_x, d_z = {D_Y}, {D_X}, {D_Z}, integers up to 3"
    yield Comparison("exact planted point, L == L* / sympy", ours, theirs, ">= 20x", note=note)


def _ours(x: Table, z: Table, w: Table, v: Table, combination: Table) -> bool:
    X, Z, W, V = fmpq_mat(x), fmpq_mat(z), fmpq_mat(w), fmpq_mat(v)
    basis = null_space(hstack(X, Z).transpose())
    E = basis * fmpq_mat(combination)
    net = resnet(X, Z, (X + Z * V.transpose()) * W.transpose() - E, W, V)
    return is_critical(net) and loss(net) == least_squares_value(net.features, net.Y, net.measure)


def _sympy(x: Table, z: Table, w: Table, v: Table, combination: Table) -> bool:
    from sympy import Matrix, Rational

    X, Z, W, V = Matrix(x), Matrix(z), Matrix(w), Matrix(v)
    features = X.row_join(Z)
    E = Matrix.hstack(*features.T.nullspace()) * Matrix(combination)
    H = (X + Z * V.T) * W.T
    Y = H - E
    D = (H - Y) * Rational(2, M)
    critical = (D.T * (X + Z * V.T)).is_zero_matrix and (W.T * D.T * Z).is_zero_matrix
    best = (features.T * features).LUsolve(features.T * Y)
    residual, least = H - Y, features * best - Y
    value = (residual.T * residual).trace() / M
    return bool(critical) and bool(value == (least.T * least).trace() / M)
