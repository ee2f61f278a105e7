"""Whether found points are judged rightly: minima optimal, saddles and traps lower, nothing refuted."""

from __future__ import annotations

import random

import numpy as np
import pytest
from flint import fmpq, fmpq_mat

from strategies.datasets import Atoms, UniformPolynomials
from strategies.losses import logistic
from strategies.matrices import as_floats, hstack, matrix, null_space
from strategies.networks import resnet
from verify.oracles.floating import find_minima, planted_minima
from verify.oracles.landscape import is_critical, loss
from verify.oracles.points import Finding, decide_point

RADIUS = fmpq(1, 1000)


def drawn(rng, m, n, bound=3):
    return fmpq_mat(m, n, [rng.randint(-bound, bound) for _ in range(m * n)])


def deficient(rng, rows, cols):
    rank = rng.randint(0, min(rows, cols) - 1)
    return drawn(rng, rows, rank, 2) * drawn(rng, rank, cols, 2) if rank else fmpq_mat(rows, cols)


def critical_points(kind, count, stretch=1, seed=0):
    """Exact critical points with W of deficient rank: minima (D ⟂ [X Z]) or saddles (D = p nᵀ, Wᵀ n = 0)."""
    rng = random.Random(seed)
    made = 0
    while made < count:
        d_y = rng.randint(1, 3)
        d_x, d_z = rng.randint(d_y, d_y + 1), rng.randint(1, 3)
        m = rng.randint(d_x + 1, d_x + d_z + 3)
        X, Z, V = drawn(rng, m, d_x), drawn(rng, m, d_z), drawn(rng, d_x, d_z, 2) * fmpq(stretch)
        W = deficient(rng, d_y, d_x)
        Q = X + Z * V.transpose()
        basis = null_space((hstack(X, Z) if kind == "minimum" else Q).transpose())
        if kind == "minimum":
            D = basis * drawn(rng, basis.ncols(), d_y)
        else:
            p = basis * drawn(rng, basis.ncols(), 1)
            null = null_space(W.transpose())
            n = null * drawn(rng, null.ncols(), 1)
            D = p * n.transpose()
            if not any((D.transpose() * Z).entries()):
                continue
        made += 1
        yield resnet(X, Z, Q * W.transpose() - D, W, V)


def check_lower(net, decision):
    """What NOT_A_MINIMUM carries, checked from nothing but two exact losses and a distance."""
    assert decision.finding is Finding.NOT_A_MINIMUM
    lower = decision.lower
    assert (lower.X, lower.Z, lower.Y) == (net.X, net.Z, net.Y)
    assert loss(lower) == decision.lower_loss < decision.loss == loss(net)
    moves = [*(lower.W - net.W).entries(), *(lower.V - net.V).entries()]
    if net.b is not None:
        moves += (lower.b - net.b).entries()
    assert sum((e * e for e in moves), fmpq(0)) <= RADIUS * RADIUS
    assert decision.gap > decision.tolerance


def test_planted_minima_of_deficient_rank_are_optimal():
    for net in critical_points("minimum", 60):
        assert is_critical(net)
        decision = decide_point(net)
        assert decision.finding is Finding.OPTIMAL
        assert decision.gap == 0
        assert decision.lower is None


@pytest.mark.parametrize("stretch", [1, 1000, 10**6])
def test_saddles_are_not_minima_however_flat(stretch):
    for net in critical_points("saddle", 60, stretch):
        assert is_critical(net)
        check_lower(net, decide_point(net))


@pytest.mark.parametrize("noise", [1e-12, 1e-9, 1e-6, 1e-4])
def test_noisy_saddles_are_not_minima(noise):
    rng = np.random.default_rng(0)
    for net in critical_points("saddle", 30, seed=4):
        w, v = as_floats(net.W), as_floats(net.V)
        w, v = w + noise * rng.standard_normal(w.shape), v + noise * rng.standard_normal(v.shape)
        near = resnet(net.X, net.Z, net.Y, w, v)
        check_lower(near, decide_point(near))


def test_the_approximate_second_order_points_of_the_paper_are_not_minima():
    """RN-EPS: gradient 0 and λ_min → 0⁻ (or both tiny), yet L − L* = 1/2 up to scale, at every ε."""
    for delta in (0.1, 1e-3, 1e-6, 1e-9):
        d = fmpq(*delta.as_integer_ratio())
        net = resnet([[1]], [[d]], [[1]], [[0]], [[-1 / d]])
        assert is_critical(net)
        check_lower(net, decide_point(net))
    for k in (10, 10**4, 10**8):
        net = resnet([[1], [1]], [[k + 1], [1 - k]], [[1], [1]], [[0]], [[-1]])
        assert is_critical(net)
        check_lower(net, decide_point(net))
    for v in (10, 10**3, 10**5, 10**7):
        net = resnet([[1], [0]], [[0], [1]], [[1], [0]], [[1 / (1 + v * v)]], [[float(v)]])
        check_lower(net, decide_point(net))


def test_a_point_found_by_training_is_never_refuted():
    from scipy.optimize import minimize

    rng, seen = np.random.default_rng(3), []
    for _ in range(15):
        x, z = rng.integers(-3, 4, (8, 2)).astype(float), rng.integers(-3, 4, (8, 2)).astype(float)
        y = rng.integers(-3, 4, (8, 2)).astype(float)

        def value(p, x=x, z=z, y=y):
            w, v = p[:4].reshape(2, 2), p[4:].reshape(2, 2)
            q = x + z @ v.T
            e = q @ w.T - y
            return (e**2).sum() / 8, np.concatenate([(e.T @ q / 4).ravel(), (w.T @ e.T @ z / 4).ravel()])

        p = minimize(value, rng.standard_normal(8), jac=True, method="BFGS", options={"gtol": 1e-9}).x
        net = resnet(x, z, y, p[:4].reshape(2, 2), p[4:].reshape(2, 2))
        decision = decide_point(net, tolerance=fmpq(1, 10**8))
        seen.append(decision.finding)
        if decision.finding is not Finding.OPTIMAL:
            check_lower(net, decision)
    assert Finding.OPTIMAL in seen


def test_found_and_planted_float_minima_are_optimal_at_the_default_tolerance():
    planted = planted_minima(12, 2, 3, 3, count=20, seed=0, rank=1)
    found = find_minima(planted.X, planted.Z, planted.Y, seed=1)
    for i in range(20):
        data = planted.X[i], planted.Z[i], planted.Y[i]
        assert decide_point(resnet(*data, planted.W[i], planted.V[i])).finding is Finding.OPTIMAL
        at_rest = found.gap[i] <= 1e-20
        if at_rest:
            assert decide_point(resnet(*data, found.W[i], found.V[i])).finding is Finding.OPTIMAL
    assert (found.gap <= 1e-20).sum() >= 15


def test_the_default_tolerance_is_rounding_noise():
    for net in critical_points("minimum", 20):
        decision = decide_point(net)
        assert 0 <= decision.tolerance < fmpq(1, 10**10) * (1 + decision.loss)


def test_biases_weights_and_continuous_measures_are_understood():
    rng = random.Random(5)
    measure = Atoms(weights=fmpq_mat(1, 4, [fmpq(1, 2), fmpq(1, 4), fmpq(1, 8), fmpq(1, 8)]))
    X, Z, Y = (drawn(rng, 4, 1) for _ in range(3))
    net = resnet(X, Z, Y, [[0]], [[1]], measure=measure, b=[[5]])
    check_lower(net, decide_point(net))
    polynomials = resnet(X, Z, Y, [[1]], [[2]], measure=UniformPolynomials(degree=4))
    check_lower(polynomials, decide_point(polynomials))
    fitted = resnet(X, Z, X + Z * 2, [[1]], [[2]], measure=UniformPolynomials(degree=4), b=[[0]])
    assert decide_point(fitted).finding is Finding.OPTIMAL


def test_an_infimum_that_is_not_attained_leaves_a_lower_point():
    net = resnet([[1], [0]], [[0], [1]], [[0], [1]], [[fmpq(1, 1000)]], [[1000]])
    assert decide_point(net).finding is Finding.NOT_A_MINIMUM


def test_a_strict_bad_minimum_is_inconclusive_and_never_refuted():
    """A1 dropped (d_y = 2 > d_x = 1): a strict local minimum above L*. No lower point is near: undecided."""
    net = resnet([[1], [0]], [[0], [1]], [[2, 0], [0, 1]], [[2], [0]], [[0]])
    decision = decide_point(net)
    assert decision.finding is Finding.INCONCLUSIVE
    assert decision.loss == fmpq(1, 2)
    assert decision.optimum == 0
    assert not any("refuted" in finding.value for finding in Finding)


def test_what_cannot_be_decided_is_refused():
    net = resnet([[1]], [[1]], [[1]], [[0]], [[0]])
    with pytest.raises(ValueError, match="radius = 0 must be positive"):
        decide_point(net, radius=fmpq(0))
    with pytest.raises(ValueError, match=r"squared loss, this network has logistic: enclose"):
        decide_point(resnet([[1]], [[1]], [[1]], [[0]], [[0]], loss=logistic))
    with pytest.raises(TypeError, match="float64"):
        resnet([[np.float32(1)]], [[1]], [[1]], [[0]], [[0]])
    assert matrix([[0.5]]) == fmpq_mat(1, 1, [fmpq(1, 2)])
