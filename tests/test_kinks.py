"""Are one-sided derivatives at kinks right, and what is said of differentiability, lines and ranks?"""

import random

import pytest
from flint import fmpq, fmpq_mat
from hypothesis import given, settings

from strategies.feedforward import (
    AtKink,
    Network,
    apply,
    computation,
    inputs,
    join,
    network,
    patterned,
    weight,
)
from strategies.kinked import (
    approaches,
    approaches_along_ties,
    cancelling_networks,
    plain_computations,
    pooled_computations,
    tied_networks,
)
from strategies.stationary import computations, networks
from verify.oracles.feedforward import vector
from verify.oracles.kinks import (
    NEAR,
    degree_along,
    derivative,
    find_nearby,
    is_differentiable,
    is_off_kinks,
    is_polynomial_along,
    is_stationary,
    keeps_rank_near,
    one_sided_derivative,
    slope_at_zero,
    ties,
)

kinked = tied_networks(plain_computations() | pooled_computations()) | cancelling_networks()
everything = (
    kinked
    | networks(off_kinks=False, degenerate=True)
    | networks(computations(activations=("relu", "abs")), off_kinks=False)
)


def directions(net: Network, count: int = 3) -> list[fmpq_mat]:
    rng, n = random.Random(0), net.theta.nrows()
    return [fmpq_mat(n, 1, [rng.randint(-3, 3) for _ in range(n)]) for _ in range(count)]


@settings(max_examples=150, deadline=None)
@given(everything)
def test_one_sided_derivatives_are_limits_of_difference_quotients(net):
    t = fmpq(1, 2**80)
    for v in directions(net):
        quotient = (vector(net.outputs_at(net.theta + v * t)) - vector(net.H)) / t
        assert all(abs(e) < fmpq(1, 2**50) for e in (quotient - one_sided_derivative(net, v)).entries())


@settings(max_examples=150, deadline=None)
@given(everything)
def test_differentiable_means_linear_one_sided_derivatives(net):
    differentiable = is_differentiable(net)
    if differentiable:
        j = derivative(net)
        assert all(one_sided_derivative(net, v) == j * v for v in directions(net, 12))
        assert not is_off_kinks(net) or j == net.J
    elif differentiable is False:
        with pytest.raises(AtKink):
            derivative(net)
        assert any(
            one_sided_derivative(net, u + v) != one_sided_derivative(net, u) + one_sided_derivative(net, v)
            for u, v in zip(
                directions(net, 60), [*directions(net, 60)[1:], -directions(net, 1)[0]], strict=True
            )
        )


@settings(max_examples=100, deadline=None)
@given(networks(computations(activations=("relu", "linear", "quadratic", "cube")), degenerate=True))
def test_off_kinks_the_rank_is_kept_and_lines_are_polynomial(net):
    assert not ties(net)
    assert keeps_rank_near(net)
    assert all(is_polynomial_along(net, v) for v in directions(net, 2))


def test_kinks_that_cancel_identically():
    w = patterned([[0], [0]])
    signs = patterned([["1", "0"], ["0", "-1"]])
    both = apply("relu", signs @ (w @ inputs(1)))
    net = network(computation(patterned([["1", "-1"]]) @ both), [0], [[1]], [[0]])
    assert ties(net) == 2
    assert is_differentiable(net)
    assert derivative(net) == fmpq_mat([[1]])
    assert find_nearby(net, lambda there: is_differentiable(there) is False) is None


def test_structural_ties_are_no_kinks():
    f = computation(weight(1, 1) @ apply("relu", weight(1, 1) @ inputs(1)))
    net = network(f, [2, 1], [[0]], [[0]])
    assert (ties(net), ties(net, structural=True)) == (0, 1)
    assert is_off_kinks(net)


@pytest.mark.parametrize(("y", "expected"), [(-1, True), (1, False), (0, True)])
def test_stationary_at_a_kink(y, expected):
    """f = w₂ relu(w₁) at (0, 1): L′(v) = 2 (0 − y) relu(v₁)."""
    f = computation(weight(1, 1) @ apply("relu", weight(1, 1) @ inputs(1)))
    net = network(f, [0, 1], [[1]], [[y]])
    assert is_stationary(net, fmpq_mat([[-2 * y]])) is expected


def test_slopes_and_degrees():
    cube = lambda t: 5 + 3 * t - t * t + 7 * t**3
    assert slope_at_zero(cube, 3, fmpq(1, 4)) == slope_at_zero(cube, 5, fmpq(-2)) == 3
    x = inputs(1)
    f = computation(weight(1, 2) @ join(x, apply("cube", weight(1, 1) @ x)))
    assert degree_along(f, [fmpq(0), fmpq(1), fmpq(1)]) in (1, 3, 4)
    assert degree_along(f, [fmpq(1)] * 3) == 4


def occurs(strategy, condition, draws=300):
    found = []

    @settings(max_examples=draws, deadline=None, database=None, derandomize=True)
    @given(strategy)
    def search(value):
        found.append(condition(value))

    search()
    return sum(found)


@given(cancelling_networks())
def test_cancelling_networks_are_differentiable_at_their_ties(net):
    assert is_differentiable(net)


def test_ties_of_every_kind_occur():
    assert occurs(kinked, lambda net: is_differentiable(net) is False) >= 20
    assert occurs(kinked, lambda net: ties(net) > 0 and is_differentiable(net) is True) >= 20
    assert occurs(kinked, is_off_kinks) >= 20
    assert occurs(kinked, lambda net: ties(net, structural=True) > 0) >= 5
    falls = lambda p: is_off_kinks(p.at(NEAR[-1])) and p.at(NEAR[-1]).J.rank() < derivative(p.net).rank()
    assert occurs(approaches_along_ties(), falls, 600) >= 2
    assert occurs(approaches(kinked), lambda p: any(p.v.entries())) >= 100
