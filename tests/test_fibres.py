"""Are fibre walks, symmetries, certificates and lower points of feedforward networks what they say?"""

import random
from collections import Counter

import pytest
from flint import arb, ctx, fmpq, fmpq_mat
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from strategies.feedforward import AtKink, apply, bias, computation, inputs, network, weight
from strategies.losses import absolute, cross_entropy, huber, logistic
from strategies.stationary import (
    critical_networks,
    degenerate_critical_networks,
    degenerate_networks,
    networks,
    singular_parity_minima,
    trained_networks,
)
from verify.oracles.feedforward import derivatives_at, gradient, hessian, hessian_from, is_critical, is_lower
from verify.oracles.fibres import perturbed_basis, walk_fibre
from verify.oracles.induced import attains_infimum
from verify.oracles.interval_newton import enclose_minimum, least_squares_bounds
from verify.oracles.landscape import RADII
from verify.oracles.minima import find_descent, is_certified_minimum, is_locally_affine
from verify.oracles.symmetries import symmetry_directions

SMALL = fmpq(1, 2**20)


def norm2(v):
    return sum((e * e for e in v.entries()), fmpq(0))


@settings(max_examples=60)
@given(degenerate_networks(), st.integers(0, 3))
def test_walks_stay_on_the_fibre_and_near(net, start):
    radius = fmpq(1, 8)
    for there in walk_fibre(net, radius, seed=start):
        assert there.H == net.H
        assert 0 < norm2(there.theta - net.theta) <= radius * radius
    assert [n.theta for n in walk_fibre(net, radius, seed=1)] == [
        n.theta for n in walk_fibre(net, radius, seed=1)
    ]


@settings(max_examples=40)
@given(degenerate_networks())
def test_the_perturbed_basis_is_made_of_the_vectors_it_names(net):
    basis, vectors = perturbed_basis(net, SMALL)
    n = net.computation.parameters
    assert basis.ncols() == n * (1 + len(vectors))
    for v in vectors:
        assert norm2(v) <= 1
        assert net.moved(v, SMALL).H == net.H


@pytest.mark.parametrize(
    ("strategy", "least"), [(degenerate_critical_networks(), 0.4), (singular_parity_minima, 0.3)]
)
def test_degenerate_draws_have_a_larger_perturbable_basis(strategy, least):
    seen = Counter()

    @seed(0)
    @settings(max_examples=100, database=None)
    @given(strategy)
    def count(net):
        seen["all"] += 1
        seen["larger"] += perturbed_basis(net, SMALL)[0].rank() > net.J.rank()

    count()
    assert seen["larger"] >= least * seen["all"]


@settings(max_examples=120)
@given(networks(), st.sampled_from([huber, logistic]))
def test_the_loss_has_no_slope_along_its_symmetries_anywhere(net, loss_):
    assert not any((symmetry_directions(net).transpose() * gradient(net)).entries())
    other = network(net.computation, net.theta.entries(), net.X, net.Y, loss_)
    slopes = gradient(other)
    moves = symmetry_directions(other)
    for k in range(moves.ncols()):
        assert sum((moves[i, k] * slopes[i, 0] for i in range(moves.nrows())), arb(0)).contains(0)


def test_the_known_symmetries_are_found():
    x = inputs(2)
    relu = computation(weight(1, 3) @ apply("relu", weight(3, 2) @ x))
    net = network(relu, [1, 2, 2, 1, 1, 1, 1, 1, 1], [[1, 0], [0, 1]], [[0], [0]])
    assert symmetry_directions(net).rank() == 3, "one rescaling a unit"
    linear = computation(weight(2, 2) @ (weight(2, 2) @ x))
    net = network(linear, [1, 2, 2, 1, 1, 1, 1, 0], [[1, 0], [0, 1]], [[0, 0], [0, 0]])
    assert symmetry_directions(net).rank() == 4, "GL(2)"
    biases = computation(weight(2, 2) @ x + bias(2))
    net = network(biases, [1] * 6, [[1, 0], [0, 1]], [[0, 1], [1, 0]], cross_entropy)
    assert symmetry_directions(net).rank() == 4, "shifts by x₁, x₂ and 1, and two idle rows of (x, 1)"
    tied = weight(2, 2)
    net = network(computation(tied @ (tied @ x)), [1, 2, 3, 4], [[1, 0], [0, 1]], [[0, 0], [0, 0]])
    assert symmetry_directions(net).ncols() == 0


@settings(max_examples=80)
@given(
    st.one_of(critical_networks(scale=(-8, -2)), degenerate_critical_networks(scale=(-8, -2))),
    st.integers(0, 10**6),
)
def test_nothing_is_lower_near_a_certified_minimum(net, start):
    if is_certified_minimum(net) is None:
        return
    assert is_critical(net)
    rng, n = random.Random(start), net.computation.parameters
    for _ in range(6):
        v = fmpq_mat(n, 1, [rng.randint(-9, 9) for _ in range(n)])
        assert not is_lower(net, net.theta + v * fmpq(1, 2**30))
    assert find_descent(net, fmpq(1, 2**30)) is None


@settings(max_examples=60)
@given(degenerate_critical_networks())
def test_where_the_perturbable_infimum_is_missed_lower_points_are_found(net):
    if attains_infimum(net, perturbed_basis(net, SMALL)[0]).outcome.name != "REFUTED":
        return
    for radius in RADII:
        lower = find_descent(net, radius)
        assert lower is not None
        assert norm2(lower.theta - net.theta) <= radius * radius


@pytest.mark.parametrize("depth", [2, 3, 4, 5])
@pytest.mark.parametrize("width", [1, 2, 3])
def test_lower_points_are_found_through_several_perturbed_layers(depth, width):
    """At θ = 0 of a linear network, all layers but one have to move before ∇L is not zero."""
    f = inputs(2)
    for _ in range(depth - 1):
        f = weight(width, f.width) @ f
    f = computation(weight(1, width) @ f)
    net = network(f, [0] * f.parameters, [[1, 0], [0, 1], [1, 1]], [[1], [2], [1]])
    for radius in RADII:
        lower = find_descent(net, radius)
        assert lower is not None
        assert is_lower(net, lower.theta)


@settings(max_examples=100)
@given(networks(samples=(1, 2)), st.integers(0, 10**6))
def test_a_locally_affine_network_is_affine_nearby(net, start):
    rng, n = random.Random(start), net.computation.parameters
    v = fmpq_mat(n, 1, [rng.randint(-9, 9) for _ in range(n)]) * fmpq(1, 2**20)
    affine = net.outputs_at(net.theta + v) + net.outputs_at(net.theta - v) == net.H * fmpq(2)
    assert affine or not is_locally_affine(net)


def test_dead_units_and_last_layers_are_locally_affine():
    x = inputs(1)
    f = computation(weight(1, 1) @ apply("relu", weight(1, 1) @ x))
    assert is_locally_affine(network(f, [-1, 1], [[1]], [[1]]))
    assert not is_locally_affine(network(f, [1, 1], [[1]], [[1]]))
    with pytest.raises(AtKink):
        is_locally_affine(network(f, [0, 1], [[1]], [[1]]))
    assert is_certified_minimum(network(f, [-1, 1], [[1]], [[1]], absolute)) is not None
    assert is_locally_affine(network(computation(weight(1, 1) @ x + bias(1)), [2, 3], [[1]], [[1]]))


@settings(max_examples=20)
@given(networks())
def test_the_hessian_over_a_box_encloses_the_hessian(net):
    exact = hessian(net)
    with ctx.workprec(128):
        point = hessian_from(net.computation, derivatives_at(net, [arb(t) for t in net.theta.entries()]))
        box = hessian_from(
            net.computation, derivatives_at(net, [arb(t, 2.0**-30) for t in net.theta.entries()])
        )
    with ctx.workprec(2000):
        for wide, ball, e in zip(box.entries(), point.entries(), exact.entries(), strict=True):
            assert ball.contains(e)
            assert wide.contains(e)


@settings(max_examples=15)
@given(trained_networks())
def test_an_enclosed_minimum_is_one(net):
    minimum = enclose_minimum(net)
    if minimum is None:
        return
    d = minimum.derivatives
    assert all(e.contains(0) and e.rad() < 1e-20 for e in (d.jacobian.transpose() * d.slopes).entries())
    assert all(abs(a - arb(b)) < 1e-6 for a, b in zip(minimum.point, net.theta.entries(), strict=True))
    bounds = least_squares_bounds(net, d.jacobian)
    assert bounds is None or abs(bounds - minimum.loss) < 1e-20
