"""Whether the float64 oracles keep their promises: errors that hold, right derivatives, doors that shut."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from flint import arb, ctx, fmpq, fmpq_mat

from strategies.datasets import Atoms
from strategies.losses import hinge, huber, logistic
from strategies.matrices import matrix
from strategies.networks import resnet
from verify.oracles import floating
from verify.oracles.exact import least_squares_value
from verify.oracles.floating import bound_infimum, find_minima, least_loss, planted_minima
from verify.oracles.infimum import enclose_infimum
from verify.oracles.landscape import feature_gradient, loss

SHAPES = [(20, 2, 3, 4), (10, 2, 2, 2), (12, 1, 3, 1), (9, 3, 4, 3), (6, 1, 2, 4)]
NARROW = [(5, 2, 3, 4), (7, 2, 3, 4)]
WIDE_OUTPUTS = [(12, 3, 2, 2)]


def problems(m, d_y, d_x, d_z, count, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((count, m, d)) for d in (d_x, d_z, d_y))


def exact_net(x, z, y, w, v):
    return resnet(x, z, y, w, v)


def as_fraction(value):
    return fmpq(*float(value).as_integer_ratio())


@pytest.mark.parametrize("shape", SHAPES + NARROW + WIDE_OUTPUTS)
def test_the_stated_errors_hold_against_exact_arithmetic(shape):
    x, z, y = problems(*shape, count=6)
    found = find_minima(x, z, y, seed=1, iterations=60)
    for i in range(6):
        net = exact_net(x[i], z[i], y[i], found.W[i], found.V[i])
        value, least = loss(net), least_squares_value(net.features, net.Y, net.measure)
        error = as_fraction(found.error[i])
        assert abs(as_fraction(found.loss[i]) - value) <= error
        assert abs(as_fraction(found.optimum[i]) - least) <= error
        assert abs(as_fraction(found.gap[i]) - (value - least)) <= as_fraction(found.gap_error[i]) <= error


@pytest.mark.parametrize("steps", [1, 3, 200])
@pytest.mark.parametrize("shape", SHAPES + NARROW + WIDE_OUTPUTS)
def test_no_gap_is_below_minus_its_error(shape, steps):
    x, z, y = problems(*shape, count=50)
    found = find_minima(x, z, y, seed=2, iterations=steps)
    assert (found.gap >= -found.error).all()
    assert (found.loss >= found.optimum - 2 * found.error).all()
    assert all(np.isfinite(a).all() for a in (found.loss, found.gap, found.error, found.gradient))
    assert (found.iterations <= steps).all()


def test_a_gap_is_known_far_better_than_the_two_losses_it_is_the_difference_of():
    x, z, y = problems(20, 2, 3, 4, count=100)
    found = find_minima(x, z, y, seed=0)
    assert np.median(found.gap_error) < 1e-8 * np.median(found.error)


def test_the_default_case_reaches_the_optimum_from_nearly_every_start():
    x, z, y = problems(20, 2, 3, 4, count=1500)
    found = find_minima(x, z, y, seed=0)
    assert np.mean(found.gap <= 1e-8 * found.optimum) > 0.99
    assert np.mean(found.gradient <= 1e-12) > 0.98


def test_the_same_seed_gives_the_same_minima_and_another_seed_others():
    x, z, y = problems(20, 2, 3, 4, count=30)
    one, two, three = (find_minima(x, z, y, seed=s) for s in (5, 5, 6))
    assert (one.W == two.W).all()
    assert not np.allclose(one.V, three.V)  # W is the same: these minima form a manifold along V


def test_units_do_not_matter():
    x, z, y = problems(20, 2, 3, 4, count=40)
    plain = find_minima(x, z, y, seed=5)
    scaled = find_minima(x * 2.0**20, z * 2.0**-13, y * 2.0**8, seed=5)
    np.testing.assert_allclose(scaled.W, plain.W * 2.0**-12, rtol=1e-7)
    np.testing.assert_allclose(scaled.V, plain.V * 2.0**33, rtol=1e-5)
    assert (scaled.gap <= 1e-12 * scaled.optimum).all()


def test_a_small_chunk_changes_the_order_of_work_and_nothing_else():
    x, z, y = problems(20, 2, 3, 4, count=90)
    whole, parts = find_minima(x, z, y, seed=5), find_minima(x, z, y, seed=5, chunk=7)
    assert np.median(np.abs(whole.W - parts.W)) < 1e-9
    assert (parts.gap <= 1e-8 * parts.optimum).mean() > 0.95


@pytest.mark.parametrize("seed", range(3))
def test_scipy_ends_at_the_same_losses_from_the_same_starts(seed):
    from scipy.optimize import least_squares

    m, d_y, d_x, d_z = 20, 2, 3, 4
    x, z, y = problems(m, d_y, d_x, d_z, count=15, seed=seed)
    rng = np.random.default_rng(seed + 100)
    starts = rng.standard_normal((15, d_y, d_x)), rng.standard_normal((15, d_x, d_z))
    found = find_minima(x, z, y, seed=0, starts=starts)
    for i in range(15):

        def residual(p, i=i):
            w, v = p[: d_y * d_x].reshape(d_y, d_x), p[d_y * d_x :].reshape(d_x, d_z)
            return ((x[i] + z[i] @ v.T) @ w.T - y[i]).ravel()

        p = np.concatenate([starts[0][i].ravel(), starts[1][i].ravel()])
        theirs = 2 * least_squares(residual, p, method="lm", xtol=1e-12, ftol=1e-12, gtol=1e-12).cost / m
        assert found.loss[i] <= theirs * (1 + 1e-9)


def torch_pieces(shape, count=4, seed=3):
    import torch

    x, z, y = (torch.from_numpy(a) for a in problems(*shape, count=count, seed=seed))
    rng = np.random.default_rng(seed)
    d_y, d_x, d_z = shape[1:]
    w = torch.from_numpy(rng.standard_normal((count, d_y, d_x)))
    v = torch.from_numpy(rng.standard_normal((count, d_x, d_z)))
    return x, z, y, w, v


@pytest.mark.parametrize("shape", [(8, 2, 3, 2), (7, 3, 2, 2), (5, 1, 1, 1)])
def test_the_gradient_is_the_one_of_torch_func(shape):
    import torch

    x, z, y, w, v = torch_pieces(shape)

    def half(w, v, x, z, y):
        return 0.5 * ((x + z @ v.T) @ w.T - y).square().sum()

    expected = torch.func.vmap(torch.func.grad(half, argnums=(0, 1)))(w, v, x, z, y)
    _, _, g_w, g_v, f, norm = floating._gradient(x, z, y, w, v)
    torch.testing.assert_close(g_w, expected[0], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(g_v, expected[1], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(f, torch.func.vmap(half)(w, v, x, z, y), rtol=1e-12, atol=0)
    both = torch.cat([g_w.flatten(1), g_v.flatten(1)], 1)
    torch.testing.assert_close(norm, both.norm(dim=1), rtol=1e-12, atol=0)


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("shape", [(8, 2, 3, 2), (7, 3, 2, 2), (5, 1, 1, 1)])
def test_a_step_solves_the_damped_equations_of_torch_func(shape, exact):
    import torch

    x, z, y, w, v = torch_pieces(shape)
    d_y, d_x, d_z = shape[1:]

    def residual(p, x, z, y):
        w, v = p[: d_y * d_x].reshape(d_y, d_x), p[d_y * d_x :].reshape(d_x, d_z)
        return ((x + z @ v.T) @ w.T - y).flatten()

    p = torch.cat([w.flatten(1), v.flatten(1)], 1)
    args = (p, x, z, y)
    if exact:
        whole = torch.func.hessian(lambda *a: 0.5 * residual(*a).square().sum())
        hessian = torch.func.vmap(whole)(*args)
    else:
        jacobian = torch.func.vmap(torch.func.jacfwd(residual))(*args)
        hessian = jacobian.mT @ jacobian
    mu = torch.full((len(w),), 50.0 if exact else 0.3, dtype=torch.float64)
    state = floating._start([x, z, y, w, v])
    state[floating._MU] = mu
    dw, dv, sound = floating._step(state, torch.ones_like(mu) if exact else None)
    damped = hessian + mu[:, None, None] * torch.eye(p.shape[1], dtype=torch.float64)
    gradient = torch.cat([state[floating._GW].flatten(1), state[floating._GV].flatten(1)], 1)
    assert (sound == (torch.linalg.eigvalsh(damped)[:, 0] > 0)).all()
    assert sound.any()
    expected = -torch.linalg.solve(damped, gradient)[sound]
    ours = torch.cat([dw.flatten(1), dv.flatten(1)], 1)
    torch.testing.assert_close(ours[sound], expected, rtol=1e-9, atol=1e-10)
    assert (ours[~sound] == 0).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_a_planted_minimum_of_every_rank_has_its_value_within_its_error(shape):
    _, d_y, d_x, _ = shape
    for rank in (None, *range(min(d_y, d_x) + 1)):
        planted = planted_minima(*shape, count=5, seed=7, rank=rank)
        for i in range(5):
            net = exact_net(*(a[i] for a in (planted.X, planted.Z, planted.Y, planted.W, planted.V)))
            value, least = loss(net), least_squares_value(net.features, net.Y, net.measure)
            stated, error = as_fraction(planted.value[i]), as_fraction(planted.error[i])
            assert abs(value - stated) <= error
            assert abs(least - stated) <= error
            assert net.W.rank() == (min(d_y, d_x) if rank is None else rank)
            g = feature_gradient(net)
            assert all(abs(e) < fmpq(1, 10**13) for e in (*g.x.entries(), *g.z.entries()))


def test_planted_losses_are_positive_and_sharply_known():
    planted = planted_minima(20, 2, 3, 4, count=2500, seed=0, rank=1)
    assert (planted.value > 0).all()
    assert (planted.error < 1e-13 * planted.value).all()
    assert len(planted.X) == len(planted.value) == 2500


def test_planted_without_spare_samples_is_fitted_exactly():
    planted = planted_minima(5, 2, 3, 4, count=20, seed=0)
    q = planted.X + planted.Z @ planted.V.transpose(0, 2, 1)
    residual = q @ planted.W.transpose(0, 2, 1) - planted.Y
    assert (planted.value == 0).all()
    assert (planted.error == 0).all()
    assert (residual == 0).all()


def test_a_descent_started_at_a_planted_minimum_stays_there():
    planted = planted_minima(20, 2, 3, 4, count=50, seed=3)
    found = find_minima(planted.X, planted.Z, planted.Y, seed=0, starts=(planted.W, planted.V))
    assert (np.abs(found.loss - planted.value) <= found.error + planted.error).all()
    assert (found.gap <= found.gap_error + 1e-28).all()


@pytest.mark.parametrize("power", [0, 3, 6])
def test_least_loss_holds_while_the_condition_worsens(power):
    rng = np.random.default_rng(power)
    features = rng.standard_normal((20, 12, 4))
    features[:, :, 3] = features[:, :, 0] + 10.0**-power * features[:, :, 3]
    labels = rng.standard_normal((20, 12, 2))
    least = least_loss(features, labels)
    assert least.conclusive.all()
    for i in range(20):
        net = resnet(features[i][:, :2], features[i][:, 2:], labels[i], np.zeros((2, 2)), np.zeros((2, 2)))
        truth = least_squares_value(net.features, net.Y, net.measure)
        assert abs(as_fraction(least.value[i]) - truth) <= as_fraction(least.error[i])


@pytest.mark.parametrize("m", [12, 4, 3])
def test_dependent_features_are_inconclusive_and_their_bound_still_holds(m):
    rng = np.random.default_rng(0)
    features = rng.integers(-3, 4, size=(10, m, 4)).astype(np.float64)
    features[:, -1] = features[:, 0]
    features[:, :, 3] = features[:, :, 1]
    labels = rng.integers(-3, 4, size=(10, m, 2)).astype(np.float64)
    least = least_loss(features, labels)
    assert not least.conclusive.any()
    assert np.isfinite(least.value).all()
    assert np.isfinite(least.error).all()
    for i in range(10):
        net = resnet(features[i][:, :2], features[i][:, 2:], labels[i], np.zeros((2, 2)), np.zeros((2, 2)))
        truth = least_squares_value(net.features, net.Y, net.measure)
        assert abs(as_fraction(least.value[i]) - truth) <= as_fraction(least.error[i])


def test_zero_features_leave_everything():
    least = least_loss(np.zeros((3, 5, 2)), np.ones((3, 5, 1)))
    assert not least.conclusive.any()
    assert (np.abs(least.value - 1) <= least.error).all()
    found = find_minima(np.zeros((3, 5, 2)), np.zeros((3, 5, 1)), np.ones((3, 5, 1)), seed=0)
    assert np.isfinite(found.loss).all()
    assert (np.abs(found.loss - 1) <= found.error).all()


def at_start(a, values):
    a = a.copy()
    a.ravel()[: len(values)] = values
    return a


GOOD = {"X": np.ones((2, 5, 3)), "Z": np.ones((2, 5, 2)), "Y": np.ones((2, 5, 1))}


@pytest.mark.parametrize("name", ["X", "Z", "Y"])
@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (lambda a: a.astype(np.float32), TypeError, r"has dtype float32; only float64.*astype"),
        (lambda a: a.astype(np.int64), TypeError, r"has dtype int64; only float64"),
        (lambda a: a.tolist(), TypeError, r"is a list; pass a float64 array of shape B x m"),
        (lambda a: a[0], ValueError, r"has shape \(5, \d\); it must be B x m"),
        (lambda a: a[:, :0], ValueError, r"has shape \(2, 0, \d\)"),
        (lambda a: at_start(a, [np.nan]), ValueError, r"has 1 entries that are NaN or infinite; drop"),
        (lambda a: at_start(a, [np.inf, -np.inf]), ValueError, r"has 2 entries"),
    ],
)
def test_the_door_names_the_argument_and_the_way_out(name, spoil, error, message):
    with pytest.raises(error, match=f"^{name} {message}"):
        find_minima(**{**GOOD, name: spoil(GOOD[name])}, seed=0)


def test_the_door_refuses_float32_tensors_and_takes_float64_ones():
    import torch

    with pytest.raises(TypeError, match=r"^X is a torch.float32 tensor; only float64.*pass X.double\(\)"):
        find_minima(torch.ones(2, 5, 3), GOOD["Z"], GOOD["Y"], seed=0)
    find_minima(torch.ones(2, 5, 3, dtype=torch.float64), GOOD["Z"], GOOD["Y"], seed=0, iterations=2)


def test_shapes_that_disagree_are_named():
    with pytest.raises(ValueError, match=r"^Z has shape \(2, 4, 2\); it must be B x m x d_z, here 2 x 5"):
        find_minima(GOOD["X"], np.ones((2, 4, 2)), GOOD["Y"], seed=0)
    with pytest.raises(ValueError, match=r"^starts\[1\] has shape"):
        find_minima(**GOOD, seed=0, starts=(np.ones((2, 1, 3)), np.ones((2, 2, 3))))
    with pytest.raises(ValueError, match=r"^Y has shape"):
        least_loss(GOOD["X"], np.ones((2, 4, 1)))


@pytest.mark.parametrize("device", ["cuda:97", "meta", "nonsense"])
def test_a_device_that_is_not_there_is_an_error(device):
    with pytest.raises(ValueError, match=rf"device '{device}' cannot compute.*pass device='cpu'"):
        find_minima(**GOOD, seed=0, device=device)


def test_impossible_plantings_are_refused():
    with pytest.raises(ValueError, match="rank = 3: a 2 x 3 matrix W has a rank from 0 to 2"):
        planted_minima(9, 2, 3, 2, count=1, seed=0, rank=3)
    with pytest.raises(ValueError, match="all must be at least 1"):
        planted_minima(9, 2, 3, 0, count=1, seed=0)
    with pytest.raises(ValueError, match="too large for outputs without rounding"):
        planted_minima(9, 2000, 2000, 2000, count=1, seed=0)


def test_global_random_generators_are_left_alone():
    import torch

    before = np.random.get_state()[1].copy(), torch.get_rng_state().clone()
    find_minima(**GOOD, seed=0, iterations=2)
    planted_minima(9, 2, 3, 2, count=2, seed=0)
    assert (np.random.get_state()[1] == before[0]).all()
    assert (torch.get_rng_state() == before[1]).all()


# --- bounds of a convex infimum ----------------------------------------------------------------------------


def linear_problem(rng, kind, loss, least=1):
    """Features, labels and weights of one instance of the kind named."""
    m, p, d_y = (int(rng.integers(low, high)) for low, high in ((least, 16), (1, 5), (1, 3)))
    features = rng.integers(-3, 4, (m, p)).astype(np.float64)
    labels = rng.integers(0, 2, (m, d_y)).astype(np.float64)
    weights = rng.integers(1, 4, m).astype(np.float64)
    if kind == "dependent":
        features = np.hstack([features, features[:, :1]])
    elif kind == "separable":
        labels = (features @ rng.integers(-2, 3, (p, d_y)) > 0).astype(np.float64)
    elif kind == "ill-conditioned":
        features = rng.standard_normal((m, p))
        features[:, -1] = features[:, 0] + 10.0 ** -int(rng.integers(0, 16)) * features[:, -1]
    elif kind == "scaled":
        features, weights = features * 10.0 ** rng.integers(-40, 41, p), weights * 2.0**-900
    elif kind == "soft":
        labels = rng.integers(0, 5, (m, d_y)) / 4
    elif kind == "normal":
        features, labels = rng.standard_normal((m, p)), rng.random((m, d_y))
        weights = 0.1 + rng.random(m)
    return features, labels * (rng.choice([1.0, 3.0, 10.0]) if loss is huber else 1.0), weights


def exact_infimum(features, labels, weights, loss):
    parts = [as_fraction(w) for w in weights]
    measure = Atoms(weights=fmpq_mat(1, len(parts), [w / sum(parts, fmpq(0)) for w in parts]))
    return enclose_infimum(matrix(features), matrix(labels), loss, measure), measure


def certainly_above(a, b):
    return bool(arb(a) > arb(b))


KINDS = ["integer", "dependent", "separable", "ill-conditioned", "scaled", "soft", "normal"]


@pytest.mark.parametrize("loss", [logistic, huber], ids=lambda loss: loss.name)
@pytest.mark.parametrize("kind", KINDS)
def test_float_bounds_hold_the_exact_infimum_between_them(kind, loss):
    rng = np.random.default_rng(KINDS.index(kind))
    for _ in range(60):
        features, labels, weights = linear_problem(rng, kind, loss)
        bounds = bound_infimum(features[None], labels[None], loss, weights[None])
        truth, measure = exact_infimum(features, labels, weights, loss)
        lower, upper = as_fraction(bounds.lower[0]), as_fraction(bounds.upper[0])
        with ctx.workprec(200):
            assert not certainly_above(lower, truth.upper)
            assert not certainly_above(truth.lower, upper)
            scores = matrix(features) * matrix(bounds.minimiser[0]).transpose()
            samples = zip(measure.weights.entries(), scores.table(), matrix(labels).table(), strict=True)
            there = sum((w * loss.value(h, y) for w, h, y in samples), fmpq(0))
            assert not certainly_above(there, upper)


@pytest.mark.parametrize("loss", [logistic, huber], ids=lambda loss: loss.name)
def test_float_bounds_are_sharp_where_the_data_are_tame(loss):
    rng = np.random.default_rng(2)
    for m, p in ((20, 4), (60, 10), (200, 30)):
        features = rng.integers(-8, 9, size=(20, m, p)) / 8.0
        labels = rng.integers(0, 2, size=(20, m, 1)).astype(np.float64)
        gaps = bound_infimum(features, labels, loss).gap
        assert np.median(gaps) <= 1e-12
        assert np.mean(gaps <= 1e-12) >= 0.9  # at m = 20 some labels are nearly separable


def test_a_condition_of_ten_thousand_costs_the_bounds_about_four_digits():
    rng = np.random.default_rng(3)
    features = rng.standard_normal((30, 60, 5))
    labels = rng.integers(0, 2, size=(30, 60, 1)).astype(np.float64)
    features[:, :, 4] = features[:, :, 0] + 1e-4 * features[:, :, 4]
    gaps = bound_infimum(features, labels, logistic).gap
    assert 1e-13 < np.median(gaps) < 1e-9


@pytest.mark.parametrize("kind", KINDS)
def test_float_bounds_stay_true_when_the_steps_are_wrong(kind, monkeypatch):
    """Slopes 30 % too steep and curvatures made up: other R, D and C, wider bounds, never wrong ones."""
    rng = np.random.default_rng(KINDS.index(kind) + 100)
    honest = floating._CURVES["logistic"]
    lie = replace(
        honest,
        slope=lambda h, y: 1.3 * honest.slope(h, y) + 0.01,
        curvature=lambda h, y: 0.2 * honest.curvature(h, y) + 1e-3,
    )
    monkeypatch.setitem(floating._CURVES, "logistic", lie)
    for _ in range(20):
        features, labels, weights = linear_problem(rng, kind, logistic)
        bounds = bound_infimum(features[None], labels[None], logistic, weights[None])
        truth, _ = exact_infimum(features, labels, weights, logistic)
        assert not certainly_above(as_fraction(bounds.lower[0]), truth.upper)
        assert not certainly_above(truth.lower, as_fraction(bounds.upper[0]))


def test_a_batch_and_its_instances_have_the_same_bounds_up_to_rounding():
    rng = np.random.default_rng(4)
    features = rng.standard_normal((7, 30, 4))
    labels = rng.integers(0, 2, size=(7, 30, 2)).astype(np.float64)
    whole = bound_infimum(features, labels, logistic)
    for i in range(7):
        alone = bound_infimum(features[i : i + 1], labels[i : i + 1], logistic)
        assert abs(alone.upper[0] - whole.upper[i]) <= 1e-13
        assert abs(alone.lower[0] - whole.lower[i]) <= 1e-12


def test_labels_that_any_score_fits_and_features_that_say_nothing():
    """No feature: the entropy of the labels. More features than samples: nothing can be gained by D."""
    ones, half = np.ones((1, 3, 1)), np.full((1, 3, 1), 0.5)
    silent = bound_infimum(0 * ones, half, logistic)
    assert silent.lower[0] <= 1 <= silent.upper[0]
    assert silent.gap[0] <= 1e-13
    wide = bound_infimum(np.random.default_rng(0).standard_normal((1, 3, 5)), half, logistic)
    assert wide.lower[0] <= 1 <= wide.upper[0]
    assert wide.gap[0] <= 1e-12
    separable = bound_infimum(ones, ones, logistic)
    assert 0 >= separable.lower[0] >= -1e-13
    assert separable.upper[0] <= 1e-10


def test_exp2_and_log2_are_as_accurate_as_the_bounds_take_them_to_be():
    rng = np.random.default_rng(5)
    negative = -np.concatenate([rng.random(2000), 60 * rng.random(2000), 1000 * rng.random(500)])
    positive = np.concatenate([1 + rng.random(2000), rng.random(2000), np.exp2(negative[-500:])])
    with ctx.workprec(120):
        for function, arguments, true in (
            (np.exp2, negative, lambda x: arb(2) ** x),
            (np.log2, positive, lambda x: x.log() / arb.const_log2()),
        ):
            for x, found in zip(arguments.tolist(), function(arguments).tolist(), strict=True):
                value = true(arb(x))
                assert abs(arb(found) - value) <= abs(value) * arb(2) ** -50


def test_bad_requests_for_bounds_are_named():
    x, y = np.ones((1, 3, 2)), np.ones((1, 3, 1))
    with pytest.raises(ValueError, match="no float bounds for the hinge loss, only for logistic and Huber"):
        bound_infimum(x, y, hinge)
    with pytest.raises(ValueError, match=r"labels lie between 0 and 1, here between 2\.0"):
        bound_infimum(x, 2 * y, logistic)
    with pytest.raises(
        ValueError, match=r"^labels has shape \(1, 3, 1\); it must be B x m x d_y, here 2 x 3"
    ):
        bound_infimum(np.ones((2, 3, 2)), y, logistic)
    with pytest.raises(ValueError, match="weights must be positive"):
        bound_infimum(x, y, logistic, np.array([[1.0, 0.0, 1.0]]))
    with pytest.raises(ValueError, match=r"between 2\^-400 and 2\^400"):
        bound_infimum(x * 1e200, y, logistic)
    with pytest.raises(TypeError, match="features has dtype float32"):
        bound_infimum(x.astype(np.float32), y, logistic)
