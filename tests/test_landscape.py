"""Are gradients, Hessians, descents and certificates right? torch.func gives second opinions."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from flint import fmpq, fmpq_mat
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies.critical import (
    critical_points,
    planted_critical_points,
    planted_minima,
    points_at_kinks,
    two_atom_critical_points,
)
from strategies.losses import (
    NotDifferentiable,
    absolute,
    cross_entropy,
    hinge,
    huber,
    label_weighted_squared,
    logistic,
    multiclass_hinge,
    smoothed_hinge,
    squared,
    tilted_double_well,
)
from strategies.matrices import as_floats
from strategies.networks import resnet, resnets
from strategies.numbers import integers
from verify.claim import HOLDS, INCONCLUSIVE, REFUTED, VACUOUS, decide, decide_equal
from verify.oracles.landscape import (
    RADII,
    at_critical_point,
    at_local_minimum,
    basis_infimum,
    feature_gradient,
    find_descent,
    gradient,
    hessian,
    is_basis_optimal,
    is_certified_minimum,
    is_critical,
    is_lower,
    loss,
    loss_of_fit,
    moved,
)

SMOOTH = (squared, label_weighted_squared, logistic, cross_entropy, tilted_double_well)


def as_number(value):
    return float(value.mid()) if hasattr(value, "mid") else int(value.p) / int(value.q)


def torch_loss(net):
    """L as a function of the flattened (W, V, b), written independently in torch."""
    x, z, y = (torch.tensor(as_floats(a)) for a in (net.X, net.Z, net.Y))
    weights = torch.tensor(as_floats(net.measure.weights))[0]
    (d_y, d_x), d_z = (net.W.nrows(), net.W.ncols()), net.Z.ncols()

    def value(flat):
        w = flat[: d_y * d_x].reshape(d_y, d_x)
        v = flat[d_y * d_x : d_y * d_x + d_x * d_z].reshape(d_x, d_z)
        h = (x + z @ v.T) @ w.T
        if net.b is not None:
            h = h + flat[d_y * d_x + d_x * d_z :]
        if net.loss is squared:
            per = ((h - y) ** 2).sum(1)
        elif net.loss is label_weighted_squared:
            per = (torch.where(y == 0, 3.0, 1.0) * (h - y) ** 2).sum(1)
        elif net.loss is logistic:
            per = (torch.nn.functional.softplus(h * np.log(2)) / np.log(2) - y * h).sum(1)
        elif net.loss is cross_entropy:
            per = torch.logsumexp(h * np.log(2), 1) / np.log(2) - (y * h).sum(1)
        else:
            r = h - y
            per = (3 * r**4 - 4 * r**3 - 12 * r**2).sum(1)
        return (weights * per).sum()

    parts = [net.W, net.V] + ([net.b] if net.b is not None else [])
    return value, torch.tensor(np.concatenate([as_floats(p).ravel() for p in parts]))


smooth_nets = st.sampled_from(SMOOTH).flatmap(
    lambda chosen: resnets(loss=chosen, entries=integers(2), bias="none", branch=None)
    | resnets(loss=chosen, entries=integers(2), bias="usual", branch=None)
)


@settings(max_examples=60)
@given(smooth_nets)
def test_value_gradient_and_hessian_agree_with_torch(net):
    value, at = torch_loss(net)
    scale = max(1.0, float(at.abs().max())) ** 4 * 1e3  # polynomials of degree 4 with small coefficients
    bound = scale * 1e-13
    assert abs(as_number(loss(net)) - float(value(at))) <= bound
    by_hand = hessian(net)
    entries = by_hand.entries()
    size = by_hand.nrows()
    mine = np.array([as_number(e) for e in entries]).reshape(size, size)
    np.testing.assert_allclose(mine, torch.func.hessian(value)(at).numpy(), atol=bound, rtol=1e-10)
    if net.loss in (squared, label_weighted_squared, tilted_double_well):
        g = gradient(net)
        flat = [*g.W.entries(), *g.V.entries(), *([] if g.b is None else g.b.entries())]
        np.testing.assert_allclose(
            [as_number(e) for e in flat], torch.func.grad(value)(at).numpy(), atol=bound, rtol=1e-10
        )


def smoothed_at_zero(X, Y):
    """Networks w (x + v z) at w = v = 0 with z = 1 at all samples and the smoothed hinge."""
    return resnet(X, [[1]] * len(X), Y, [[0]], [[0]], loss=smoothed_hinge)


@pytest.mark.parametrize(
    ("net", "exists"),
    [
        (smoothed_at_zero([[0]], [["1/4"]]), True),  # no output moves to first order
        (smoothed_at_zero([[1]], [["1/2"]]), True),  # ℓ″ does not jump
        (smoothed_at_zero([[1], [-1]], [["1/4"], ["1/4"]]), True),  # J and −J
        (smoothed_at_zero([[1], [1]], [["1/4"], ["3/4"]]), True),  # opposite jumps
        (smoothed_at_zero([[1]], [["1/4"]]), False),
        (smoothed_at_zero([[1], [-2]], [["1/4"], ["1/4"]]), False),
        (replace(smoothed_at_zero([[1], [-1]], [["1/4"], ["1/4"]]), Y=fmpq_mat([[0], [1]])), False),
    ],
)
def test_hessian_exists_where_the_gradient_is_differentiable(net, exists):
    """One-sided differences of ∇L along (1, 0), (0, 1) and (1, −2) and the opposite agree iff it exists."""
    step = fmpq(1, 2**30)
    flat = lambda g: [*g.W.entries(), *g.V.entries()]
    here, gaps, ends = flat(gradient(net)), [], []
    for v in ((1, 0), (0, 1), (1, -2)):
        ahead, behind = (
            flat(gradient(moved(net, net.W + fmpq_mat([[v[0] * t]]), net.V + fmpq_mat([[v[1] * t]]))))
            for t in (step, -step)
        )
        ends.append([(a - h) / step for a, h in zip(ahead, here, strict=True)])
        gaps += [abs((a - h) - (h - b)) / step for a, b, h in zip(ahead, behind, here, strict=True)]
    assert (max(gaps) < fmpq(1, 2**20)) is exists
    if not exists:
        with pytest.raises(NotDifferentiable, match="∇L bends"):
            hessian(net)
        return
    second = hessian(net)
    for k in range(2):
        assert all(abs(second[i, k] - ends[k][i]) < fmpq(1, 2**20) for i in range(2))


@settings(max_examples=100)
@given(planted_critical_points())
def test_every_planted_saddle_has_lower_points_at_every_radius(net):
    assert is_critical(net)
    assert not is_basis_optimal(net)
    for radius in RADII:
        there = find_descent(net, radius)
        assert there is not None
        assert is_lower(there, net)
        squares = [(a - b) ** 2 for a, b in zip(there.W.entries(), net.W.entries(), strict=True)]
        squares += [(a - b) ** 2 for a, b in zip(there.V.entries(), net.V.entries(), strict=True)]
        assert sum(squares, fmpq(0)) <= radius**2


@settings(max_examples=100)
@given(planted_minima() | planted_minima(bias="usual") | planted_minima(bias="augmented"))
def test_planted_minima_are_certified_and_have_no_descent(net):
    assert "global minimum" in is_certified_minimum(net)
    assert find_descent(net, fmpq(1)) is None
    verdict = decide_equal(loss(net), basis_infimum(net))
    assert verdict.outcome is HOLDS


@settings(max_examples=60)
@given(resnets(loss=squared))
def test_points_that_are_not_critical_descend_along_the_gradient(net):
    if is_critical(net):
        return
    there = find_descent(net, fmpq(1, 1000))
    assert there is not None
    assert loss(there) < loss(net)


@settings(max_examples=60)
@given(two_atom_critical_points(tilted_double_well, fmpq(-1, 2), fmpq(1)))
def test_descent_needs_no_convexity(net):
    assert is_critical(net)
    assert find_descent(net, fmpq(1, 2**20)) is not None


def strict_bad_minimum():
    """Why d_y <= d_x is needed: samples (1, 0, (2, 0)), (0, 1, (0, 1)) at w = (2, 0), v = 0."""
    return resnet([[1], [0]], [[0], [1]], [[2, 0], [0, 1]], [[2], [0]], [[0]])


def test_a_strict_local_minimum_above_the_optimum_refutes():
    net = strict_bad_minimum()
    assert loss(net) == fmpq(1, 2)
    assert basis_infimum(net).upper == 0
    assert "strict local minimum" in is_certified_minimum(net)
    verdict = at_local_minimum(net, decide_equal(loss(net), basis_infimum(net)))
    assert verdict.outcome is REFUTED
    assert verdict.margin == fmpq(1, 2)


def test_at_local_minimum_answers_every_case():
    saddle = resnet([[1]], [[1]], [[1]], [[0]], [[-1]])
    wrong = decide(False, why="the conclusion fails")
    assert at_local_minimum(saddle, wrong).outcome is HOLDS  # the contrapositive, by lower points
    assert at_critical_point(saddle, wrong).outcome is REFUTED
    slope = replace(saddle, V=fmpq_mat(1, 1, [1]))
    assert at_local_minimum(slope, wrong).outcome is VACUOUS
    assert at_critical_point(slope, wrong).outcome is VACUOUS
    flat_max = resnet([[1]], [[0]], [[0]], [[0]], [[0]], loss=tilted_double_well)
    assert at_local_minimum(flat_max, wrong).outcome is INCONCLUSIVE


def test_certificates_are_refused_where_there_is_no_minimum():
    assert is_certified_minimum(resnet([[1]], [[1]], [[1]], [[0]], [[-1]])) is None  # a saddle
    assert is_certified_minimum(resnet([[1]], [[1]], [[1]], [[1]], [[1]])) is None  # not critical
    kink = resnet([[1]], [[1]], [[0]], [[0]], [[-1]], loss=absolute)
    assert is_certified_minimum(kink) is None or loss(kink) == 0


@settings(max_examples=300)
@given(
    points_at_kinks(hinge, d_y=2)
    | points_at_kinks(multiclass_hinge, d_y=3)
    | resnets(loss=absolute, rank="deficient", branch=None)
)
def test_polyhedral_certificates_survive_random_perturbations(net):
    if is_certified_minimum(net) is None:
        return
    rng, here = np.random.default_rng(0), loss(net)
    for _ in range(60):
        step = fmpq(1, int(rng.integers(50, 5000)))
        w, v = (
            fmpq_mat(a.nrows(), a.ncols(), [int(e) for e in rng.integers(-9, 10, a.nrows() * a.ncols())])
            for a in (net.W, net.V)
        )
        assert loss(moved(net, net.W + w * (step / 9), net.V + v * (step / 9))) >= here


@settings(max_examples=60)
@given(critical_points(), st.sampled_from(("xz", "x", "z")))
def test_fits_are_upper_bounds_of_the_infimum(net, basis):
    assert not loss_of_fit(net, net.Y, basis) < basis_infimum(net, basis).lower


def test_errors_say_what_to_do():
    net = strict_bad_minimum()
    with pytest.raises(ValueError, match="say 'xz', 'x' or 'z'"):
        basis_infimum(net, "y")
    irrational = resnet([[1]], [[1]], [[0]], [["1/2"]], [[0]], loss=logistic)
    with pytest.raises(ValueError, match="plant integer outputs"):
        feature_gradient(irrational)
    assert huber.differentiable
    assert smoothed_hinge.differentiable


@settings(max_examples=60)
@given(
    resnets(loss=logistic, branch="tanh")
    | resnets(loss=cross_entropy, d_y=2).map(lambda n: replace(n, W=n.W / 3))
)
def test_irrational_slopes_are_decided_in_balls(net):
    critical = is_critical(net)
    assert critical in (True, False, None)
    if critical is False:
        there = find_descent(net, fmpq(1, 100))
        assert there is not None
        assert is_lower(there, net)
        assert at_local_minimum(net, decide(False, why="no")).outcome is VACUOUS
