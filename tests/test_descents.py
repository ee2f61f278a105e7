"""Whether the deep linear descents keep their promises: errors, derivatives, certificates."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from flint import ctx, fmpq

from strategies.deep_linear import DeepLinearProblem
from strategies.matrices import as_floats, matrix
from verify.oracles import deep_linear, descents
from verify.oracles.descents import certify_deep_linear_minimum, enclose_loss, find_deep_linear_minima
from verify.oracles.rank_constrained import least_value

SHAPES = [
    ((4, 3, 3, 3), 12),
    ((5, 4, 2, 4), 15),
    ((3, 1, 3), 9),
    ((2, 3, 2), 2),
    ((3, 2, 2), 2),
    ((2, 2), 5),
    ((1, 1), 1),
    ((2, 2, 1, 2, 2), 6),
]


def data(widths, m, count, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((count, widths[0], m)), rng.standard_normal((count, widths[-1], m))


def problem(X, Y, weights, i):
    return DeepLinearProblem(weights=tuple(matrix(w[i]) for w in weights), X=matrix(X[i]), Y=matrix(Y[i]))


def as_fraction(value):
    return fmpq(*float(value).as_integer_ratio())


@pytest.mark.parametrize("steps", [1, 300])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_stated_errors_hold_against_exact_arithmetic(shape, steps):
    X, Y = data(*shape, count=5)
    found = find_deep_linear_minima(X, Y, shape[0], seed=1, iterations=steps)
    assert found.conclusive.all()
    for i in range(5):
        p = problem(X, Y, found.weights, i)
        error = as_fraction(found.error[i])
        with ctx.workprec(256):
            least = least_value(p.X, p.Y, p.least_width) / 2
            assert abs(as_fraction(found.loss[i]) - p.loss) <= error
            assert abs(as_fraction(found.optimum[i]) - least) <= error
            assert abs(as_fraction(found.gap[i]) - (p.loss - least)) <= error
        true = np.sqrt(sum((as_floats(g) ** 2).sum() for g in p.gradient()))
        assert abs(found.gradient[i] - true) <= found.gradient_noise[i]


@pytest.mark.parametrize("steps", [1, 3, 300])
@pytest.mark.parametrize("shape", SHAPES)
def test_no_gap_is_below_minus_its_error(shape, steps):
    X, Y = data(*shape, count=50)
    found = find_deep_linear_minima(X, Y, shape[0], seed=2, iterations=steps)
    assert (found.gap >= -found.error).all()
    assert (found.iterations <= steps).all()
    assert all(np.isfinite(a).all() for a in (found.loss, found.gap, found.error, found.gradient))


@pytest.mark.parametrize("shape", SHAPES[:2])
def test_nearly_every_start_reaches_the_optimum_and_a_vanishing_gradient(shape):
    X, Y = data(*shape, count=400)
    found = find_deep_linear_minima(X, Y, shape[0], seed=0)
    assert np.mean(found.gap <= 1e-8 * found.optimum) > 0.99
    assert np.mean(found.gradient <= 1e-12) > 0.97
    assert np.mean(found.stopped) > 0.99


@pytest.mark.parametrize("inputs", ["deficient", "zero"])
def test_deficient_inputs_are_inconclusive_and_still_bounded(inputs):
    X, Y = data((3, 2, 2), 8, count=4)
    X[:, 2] = X[:, 1]
    if inputs == "zero":
        X[:] = 0
    found = find_deep_linear_minima(X, Y, (3, 2, 2), seed=0, iterations=20)
    assert not found.conclusive.any()
    for i in range(4):
        p = problem(X, Y, found.weights, i)
        with ctx.workprec(256):
            least = least_value(p.X, p.Y, 2) / 2
            assert abs(as_fraction(found.optimum[i]) - least) <= as_fraction(found.error[i])


def test_the_same_seed_gives_the_same_minima_and_chunks_do_not_matter():
    X, Y = data((4, 3, 3), 9, count=40)
    one, two, parts = (find_deep_linear_minima(X, Y, (4, 3, 3), seed=5, chunk=c) for c in (1000, 1000, 7))
    assert all((a == b).all() for a, b in zip(one.weights, two.weights, strict=True))
    np.testing.assert_allclose(parts.loss, one.loss, rtol=1e-9)


def test_units_do_not_matter():
    X, Y = data((4, 2, 3), 9, count=20)
    plain = find_deep_linear_minima(X, Y, (4, 2, 3), seed=5)
    scaled = find_deep_linear_minima(X * 2.0**20, Y * 2.0**-8, (4, 2, 3), seed=5)
    np.testing.assert_allclose(scaled.loss, plain.loss * 2.0**-16, rtol=1e-9)


def rows(widths, m, count=3, seed=3):
    import torch

    X, Y = (torch.from_numpy(a) for a in data(widths, m, count, seed))
    rng = np.random.default_rng(seed)
    weights = [torch.from_numpy(rng.standard_normal((count, b, a))) for a, b in pairwise(widths)]
    return descents._Rows(X, Y, weights)


def flat(parts):
    import torch

    return torch.cat([p.flatten(1) for p in parts], dim=1)


def residual_of(widths):
    def residual(p, x, y):
        at, out = 0, x
        for a, b in pairwise(widths):
            out, at = p[at : at + a * b].reshape(b, a) @ out, at + a * b
        return (out - y).flatten()

    return residual


DERIVED = [((3, 2, 4, 2), 5), ((2, 3, 2), 2), ((2, 2), 3), ((2, 1, 2, 1, 2), 2)]


@pytest.mark.parametrize(("widths", "m"), DERIVED)
def test_derivatives_and_steps_are_those_of_torch_func(widths, m):
    import torch

    here = rows(widths, m)
    p, residual = flat(here.weights), residual_of(widths)

    def half(p, x, y):
        return 0.5 * residual(p, x, y).square().sum()

    args = (p, here.x, here.y)
    gradient = torch.func.vmap(torch.func.grad(half))(*args)
    jacobian = torch.func.vmap(torch.func.jacfwd(residual))(*args)
    torch.testing.assert_close(flat(here.gradient), gradient, rtol=1e-11, atol=1e-11)
    eye, mu = torch.eye(p.shape[1], dtype=torch.float64), torch.full((len(p),), 0.3, dtype=torch.float64)

    step, predicted, sound = here.gauss_newton(mu)
    expected = -torch.linalg.solve(jacobian.mT @ jacobian + 0.3 * eye, gradient)
    assert sound.all()
    torch.testing.assert_close(flat(step), expected, rtol=1e-8, atol=1e-9)
    model = torch.func.vmap(residual)(*args) + (jacobian @ expected[:, :, None])[:, :, 0]
    decrease = here.value - 0.5 * model.square().sum(1) - 0.15 * expected.square().sum(1)
    torch.testing.assert_close(predicted - 0.15 * expected.square().sum(1), decrease, rtol=1e-8, atol=1e-8)


NARROW = [
    ((5, 4, 2, 4), 15, 2),
    ((3, 1, 3), 9, 1),
    ((4, 2, 4), 3, 1),
    ((4, 3, 2, 2, 3, 5), 8, 2),
    ((3, 1, 2, 2), 3, 1),
]


@pytest.mark.parametrize("damping", [0.1, 30.0])
@pytest.mark.parametrize(("widths", "m", "p"), NARROW)
def test_newton_steps_are_those_of_torch_func_for_the_projected_loss(widths, m, p, damping):
    """The loss left by the best B as a function of the row space of Z_p = T'Q', differentiated at Q."""
    import torch

    r = widths[p]
    X, Y = (torch.from_numpy(a) for a in data(widths, m, 6, 3))
    # one QR of the data, as the descent does it, would leave min(d_0, m) columns
    X, Y = X[:, :, : min(m, widths[0])].contiguous(), Y[:, :, : min(m, widths[0])].contiguous()
    rng = np.random.default_rng(3)
    here = descents._Rows(
        X, Y, [torch.from_numpy(rng.standard_normal((6, b, a))) for a, b in pairwise(widths)]
    )
    assert here.narrow == p
    here.damping = torch.full_like(here.value, damping)
    step, predicted, _, saddle = here.newton()
    assert all((s == 0).all() for s in step[1:-1])
    after = descents._Rows(X, Y, [w + s for w, s in zip(here.weights, step, strict=True)])
    k = X.shape[2]
    for i in range(6):
        y, z = Y[i], here.below[p][i]

        def projected(v, y=y):
            v = v.reshape(k, r)
            return 0.5 * (y - y @ v @ torch.linalg.inv(v.mT @ v) @ v.mT).square().sum()

        q, t = torch.linalg.qr(z.mT)
        across = torch.linalg.svd(q)[0][:, r:].numpy()
        basis = torch.from_numpy(np.kron(across, np.eye(r)))
        g = basis.mT @ torch.func.grad(projected)(q.flatten())
        h = basis.mT @ torch.func.hessian(projected)(q.flatten()) @ basis
        h = h + max(damping, 1.0) * g.norm() * torch.eye(len(g), dtype=y.dtype)
        least = float(torch.linalg.eigvalsh(h)[0])
        assert bool(saddle[i]) == (least <= 0)
        if least <= 0:
            h = h - 2 * least * torch.eye(len(g), dtype=y.dtype)
        turn = basis @ -torch.linalg.solve(h, g)
        there = z + t.mT @ turn.reshape(k, r).mT
        torch.testing.assert_close(after.below[p][i], there, rtol=1e-7, atol=1e-8)
        value = projected(torch.linalg.qr(there.mT)[0].flatten())
        torch.testing.assert_close(after.value[i], value, rtol=1e-7, atol=1e-8)
        model = projected(q.flatten()) + 0.5 * (basis.mT @ turn) @ g
        torch.testing.assert_close(predicted[i], here.value[i] - model, rtol=1e-7, atol=1e-8)


def test_a_descent_that_starts_near_a_strict_saddle_leaves_it():
    """Started where the bottleneck keeps the second singular value, almost exactly."""
    Y = np.tile(np.diag([3.0, 2.0]), (20, 1, 1))
    X = np.tile(np.eye(2), (20, 1, 1))
    rng = np.random.default_rng(0)
    off = 1e-6 * rng.standard_normal((20, 1))
    starts = (
        np.stack([off, np.ones((20, 1))], axis=2) * np.sqrt(2.0),
        np.stack([off, np.ones((20, 1))], axis=1) * np.sqrt(2.0),
    )
    found = find_deep_linear_minima(X, Y, (2, 1, 2), seed=0, starts=starts)
    assert found.stopped.all()
    assert (found.gap <= 1e-12).all()
    assert (found.iterations <= 60).all()


@pytest.mark.parametrize(("widths", "m"), DERIVED)
def test_the_hessian_in_balls_is_the_exact_one(widths, m):
    rng = np.random.default_rng(0)
    draw = lambda a, b: matrix(rng.integers(-3, 4, (a, b)).tolist())
    W = tuple(draw(b, a) for a, b in pairwise(widths))
    p = DeepLinearProblem(weights=W, X=draw(widths[0], m), Y=draw(widths[-1], m))
    from flint import arb, arb_mat

    gram, cross = (arb_mat(a) for a in descents._grams(p))
    layers = descents._Layers(p, [arb(e) for w in W for e in w.entries()])
    assert layers.hessian(gram, cross) == deep_linear.hessian(p).table()
    assert layers.gradient(gram, cross) == [e for g in p.gradient() for e in g.entries()]


@pytest.mark.parametrize("shape", SHAPES)
def test_nearly_every_found_minimum_is_certified_and_has_the_least_value(shape):
    X, Y = data(*shape, count=8, seed=4)
    found = find_deep_linear_minima(X, Y, shape[0], seed=0)
    proven = 0
    for i in range(8):
        p = problem(X, Y, found.weights, i)
        minimum = certify_deep_linear_minimum(p)
        if minimum is None:
            continue
        proven += 1
        with ctx.workprec(128):
            assert (2 * enclose_loss(p, minimum.point)).overlaps(least_value(p.X, p.Y, p.least_width) + 0)
    assert proven >= 7


def test_saddles_and_ordinary_points_get_no_certificate():
    one, zero = matrix([[1]]), matrix([[0]])
    eye = matrix([[1, 0], [0, 1]])
    cases = [
        DeepLinearProblem(weights=(zero, zero), X=one, Y=one),  # a strict saddle
        DeepLinearProblem(weights=(zero, zero, zero), X=one, Y=one),  # a saddle without curvature
        DeepLinearProblem(weights=(one, one), X=one, Y=matrix([[3]])),  # not critical
        # a minimum, R = 0, where the rank of the derivative is not constant
        DeepLinearProblem(weights=(zero, zero), X=one, Y=zero),
        # keeps the smaller of two singular values through a bottleneck
        DeepLinearProblem(weights=(matrix([[0, 1]]), matrix([[0], [1]])), X=eye, Y=matrix([[2, 0], [0, 1]])),
    ]
    assert [certify_deep_linear_minimum(p) for p in cases] == [None] * 5
    still = DeepLinearProblem(weights=(zero, one), X=one, Y=zero)  # R = 0 again, and the rank is constant
    assert certify_deep_linear_minimum(still) is not None
    good = DeepLinearProblem(
        weights=(matrix([[2, 0]]), matrix([[1], [0]])), X=eye, Y=matrix([[2, 0], [0, 1]])
    )
    assert certify_deep_linear_minimum(good) is not None


@pytest.mark.parametrize("case", ["float32", "NaN", "shape", "widths", "starts", "device", "iterations"])
def test_the_door_is_shut(case):
    X, Y = data((3, 2, 2), 6, count=2)
    options = {"widths": (3, 2, 2), "seed": 0}
    error = ValueError
    if case == "float32":
        X, error = X.astype(np.float32), TypeError
    elif case == "NaN":
        Y[0, 0, 0] = np.nan
    elif case == "shape":
        Y = Y[:, :, :-1]
    elif case == "widths":
        options["widths"] = (3, 2, 4)
    elif case == "starts":
        options["starts"] = (np.ones((2, 2, 3)),)
    elif case == "device":
        options["device"] = "cuda:99"
    else:
        options["iterations"] = 0
    with pytest.raises(error):
        find_deep_linear_minima(X, Y, **options)
