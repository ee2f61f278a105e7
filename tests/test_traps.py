"""Are convex traps local minima, near misses none, and planted points critical? Against second opinions."""

import random
import warnings
from functools import partial

import numpy as np
import pytest
from flint import arb, ctx, fmpq, fmpq_mat
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies.activations import ACTIVATIONS
from strategies.feedforward import Network, apply, computation, inputs, network, run_arrays, weight
from strategies.instance import from_json, to_json
from strategies.losses import squared
from strategies.matrices import as_floats, hstack, matrices, zeros
from strategies.numbers import integers
from strategies.traps import (
    CONTROLS,
    DECREASING,
    PAPER,
    RANGES,
    Problem,
    deep,
    exact_points,
    flat_points,
    in_range,
    lattice_points,
    layers_of,
    problem_of,
    problems_through_one_unit,
    run_exactly,
    units_of_slope,
    wide_problems,
)
from verify.claim import HOLDS, INCONCLUSIVE
from verify.oracles.convex_traps import (
    attains_zero,
    convex_order,
    deltas,
    exact_loss,
    find_lower,
    is_critical,
    is_trap,
    rank_at,
    trap_radius,
    with_ones,
)
from verify.oracles.feedforward import gradient, is_lower, loss
from verify.oracles.landscape import RADII
from verify.oracles.one_unit import find_suboptimal_minimum, reaches_any_unit
from verify.rechecks.nh17_traps import gori_tesi_fails
from verify.test_nh17_traps import gori_tesi

cases = partial(settings, database=None, deadline=None, derandomize=True)
ALL_TRAPS = flat_points(activations=PAPER + DECREASING, hidden=(1, 3), spare=(0, 1), mixed=True)


# --- promises of the strategies ------------------------------------------------------------------------


@cases(max_examples=40)
@given(ALL_TRAPS | flat_points(kinds=CONTROLS) | lattice_points())
def test_planted_points_are_critical_by_another_oracle(net):
    assert is_critical(net) is True
    assert all(e.contains(0) for e in gradient(net).entries())
    assert exact_loss(net) != 0
    with ctx.workprec(300):
        assert arb(loss(net)).contains(exact_loss(net))
    assert all(in_range(problem_of(net).activation, y) for y in net.Y.entries())


@cases(max_examples=40)
@given(lattice_points(labels="any", samples=(1, 4)))
def test_deltas_are_those_of_backpropagation_up_to_powers_of_ln_2(net):
    layers, slopes, found = layers_of(net), deltas(net), run_exactly(net)
    by_parameter = gradient(net).entries()
    for l, step in enumerate(net.computation.steps[::2]):
        exact = with_ones(found.F[l]).transpose() * slopes[l]
        factor = 2 * arb.const_log2() ** (len(layers) - l)
        for i, j, k in step.trained:
            assert (by_parameter[k] - factor * arb(exact[j, i])).contains(0)


@pytest.mark.parametrize("kind", ["trap", *CONTROLS])
def test_flat_points_keep_their_widths(kind):
    @cases(max_examples=25)
    @given(flat_points(kinds=(kind,), hidden=(1, 1)))
    def check(net):
        problem = problem_of(net)
        assert problem.widths[0] == net.X.nrows() - 1
        assert not any(layers_of(net)[0].W.entries())
        assert len({tuple(row) for row in net.X.table()}) == net.X.nrows()
        assert rank_at(net, 1) == 1

    check()


@cases(max_examples=40)
@given(
    lattice_points(independent=True, depth=(1, 2), weights=("zero",), d=(2, 2)),
    lattice_points(silent_first=True, row_rank=True, depth=(2, 2), outputs=(2, 2), samples=(3, 5)),
    lattice_points(labels="fitted", wide=True),
    wide_problems(),
)
def test_options_keep_their_promises(independent, silent, fitted, problem):
    assert with_ones(independent.X).rank() == independent.X.nrows()
    assert not any(deltas(silent)[0].entries())
    assert all(layer.W.rank() == layer.W.nrows() for layer in layers_of(silent)[1:])
    assert exact_loss(fitted) == 0
    assert len(layers_of(fitted)) < 2 or problem_of(fitted).widths[0] == max(fitted.X.nrows() - 1, 1)
    assert problem.widths[0] >= problem.X.nrows() - 1
    assert min(problem.widths) >= problem.Y.ncols()


@cases(max_examples=15)
@given(ALL_TRAPS, wide_problems())
def test_instances_survive_json(net, problem):
    assert from_json(to_json(net)) == net
    assert from_json(to_json(problem)) == problem


def test_the_smallest_trap_is_the_known_one():
    from hypothesis import find

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = find(flat_points(), lambda net: is_trap(net) is not None, settings=settings(database=None))
    assert net == network(
        deep((1, 2, 1), "sigmoid"),
        [0, 0, -1, -1, 1, 1, "-2/3"],
        [[-1], [0], [1]],
        [["3/8"], ["3/4"], ["3/8"]],
    )
    assert exact_loss(net) == fmpq(3, 32)


# --- the activations on the lattice --------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(RANGES))
def test_slopes_in_units_are_slopes(name):
    sigma = ACTIVATIONS[name]
    unit = units_of_slope(sigma)
    if unit is None:
        return
    points = [t for t in exact_points(name, 0) if unit(fmpq(t)) != 0]
    assert points
    ratios = [arb(sigma.slope(arb(t))) / arb(unit(fmpq(t))) for t in points]
    assert ratios[0] > 0
    assert all((r - ratios[0]).contains(0) for r in ratios)
    assert all(in_range(name, sigma.exact(fmpq(t))) for t in points)
    for curvature in (1, -1):
        assert all(arb(sigma.curvature(arb(t))) * curvature > 0 for t in exact_points(name, curvature))


# --- convex traps --------------------------------------------------------------------------------------


@cases(max_examples=40)
@given(ALL_TRAPS, st.integers(0, 10**6))
def test_no_neighbour_of_a_trap_is_lower(net, seed):
    radius, rng, n = trap_radius(net), random.Random(seed), net.computation.parameters
    assert radius is not None
    for scale in (1, 1, 2**10):
        v = fmpq_mat(n, 1, [fmpq(rng.randint(-64, 64), 64) for _ in range(n)])
        assert not is_lower(net, net.theta + v * (radius / scale))


def test_many_float_neighbours_of_traps_are_not_lower():
    """Outputs carry an error below 1e-14 and residuals are below 1, so that Φ carries one below 1e-12."""
    rng = np.random.default_rng(0)

    @cases(max_examples=25)
    @given(flat_points(hidden=(1, 2), spare=(0, 1), mixed=True))
    def check(net):
        theta, y = as_floats(net.theta)[:, 0], as_floats(net.Y)
        moves = rng.uniform(-1, 1, (400, len(theta))) * float(trap_radius(net))
        outputs, _ = run_arrays(net.computation, theta + moves, as_floats(net.X))
        losses = ((outputs - y) ** 2).sum(axis=(1, 2))
        assert losses.min() >= float(exact_loss(net)) - 1e-12

    check()


@pytest.mark.parametrize("kind", CONTROLS)
def test_near_misses_are_refused_and_lower_points_are_near(kind):
    @cases(max_examples=15)
    @given(flat_points(kinds=(kind,)))
    def check(net):
        assert is_trap(net) is None
        for radius in RADII:
            there = find_lower(net, radius)
            assert there is not None
            assert max(abs(e) for e in (there.theta - net.theta).entries()) <= radius
            assert is_lower(net, there.theta)

    check()


@pytest.mark.parametrize("corner", [0, -1])
def test_the_flat_point_of_xor_is_no_trap(corner):
    x = [[a, b] for a in (corner, 1) for b in (corner, 1)]
    net = network(
        deep((2, 3, 1), "sigmoid"),
        [0] * 6 + [-1] * 3 + [1] * 3 + [-1],
        x,
        [["1/4"], ["3/4"], ["3/4"], ["1/4"]],
    )
    assert is_critical(net) is True
    assert is_trap(net) is None
    assert all(find_lower(net, radius) is not None for radius in RADII)


def test_other_architectures_are_not_read():
    net = network(
        computation(weight(1, 1) @ apply("sigmoid", weight(1, 1) @ inputs(1))), [0, 1], [[0]], [[0]]
    )
    assert layers_of(net) is None
    assert trap_radius(net) is None
    with pytest.raises(ValueError, match="deep"):
        problem_of(net)


def test_a_label_too_far_for_a_convex_loss_is_refused():
    """σ = 8/9 at g = 3; the loss bends the wrong way where σ′² + (σ − y) σ″ < 0."""
    y = [["8/9", "1/9", "8/9"][i] for i in range(3)]
    far = network(deep((1, 2, 1), "sigmoid"), [0, 0, -1, -1, 1, 1, "7/3"], [[-1], [0], [1]], [[e] for e in y])
    assert run_exactly(far).F[-1][0, 0] == fmpq(8, 9)
    assert trap_radius(far) is None


@cases(max_examples=150)
@given(matrices(4, 2, integers(2)), matrices(4, 1, integers(2)), matrices(3, 5, integers(2)))
def test_convex_order_against_maxima_of_affine_functions(x, r, planes):
    if not any(r.entries()):
        return
    order = convex_order(x, r)
    affine = hstack(x, fmpq_mat(4, 1, [1] * 4)) * planes
    value = sum((e * max(row) for e, row in zip(r.entries(), affine.table(), strict=True)), fmpq(0))
    assert order * value >= 0
    line = hstack(*[fmpq_mat(4, 1, [row[0] for row in x.table()])])
    assert convex_order(line, r) == convex_order(hstack(line, zeros(4, 1)), r), "both ways to decide agree"


def test_convex_order_sees_barycentres_and_their_differences():
    x = fmpq_mat(4, 2, [0, 0, 3, 0, 0, 3, 1, 1])
    assert convex_order(x, fmpq_mat(4, 1, [1, 1, 1, -3])) == 1
    assert convex_order(x, fmpq_mat(4, 1, [-1, -1, -1, 3])) == -1
    square = fmpq_mat(4, 2, [-1, -1, -1, 1, 1, -1, 1, 1])
    assert convex_order(square, fmpq_mat(4, 1, [1, -1, -1, 1])) == 0


def test_a_critical_point_may_be_a_global_minimum_above_zero():
    """One sigmoid, Δ_1 ≠ 0 < Φ(θ): no θ' is known to be lower, so that nothing is refuted."""
    unit = deep((1, 1), "sigmoid")
    net = Network(
        computation=unit, theta=fmpq_mat(2, 1, [1, 1]), X=fmpq_mat(3, 1, [-1, 0, -2]),
        Y=fmpq_mat(3, 1, [fmpq(3, 4), fmpq(101, 192), fmpq(37, 192)]), loss=squared,
        weights=fmpq_mat(1, 3, [1, 1, 1]),
    )  # fmt: skip
    assert is_critical(net)
    assert exact_loss(net) == fmpq(209, 2048)
    assert gori_tesi(net, second=False).outcome is INCONCLUSIVE
    assert gori_tesi(net).outcome is HOLDS
    assert not gori_tesi_fails(to_json(net), silent=False)


# --- zero loss, and two outputs through one unit -------------------------------------------------------


@cases(max_examples=30)
@given(wide_problems(labels=("inside",), activations=("sigmoid", "tanh"), depth=(2, 2)))
def test_zero_loss_is_reached_by_random_hidden_units(problem):
    """In floats: random W_1 and least squares for W_2 fit σ⁻¹(Y), if the rank is N."""
    assert attains_zero(problem) is not None
    rng, x, y = np.random.default_rng(1), as_floats(problem.X), as_floats(problem.Y)
    sigma = ACTIVATIONS[problem.activation]
    target = np.log2(y / (1 - y)) if problem.activation == "sigmoid" else np.log2((1 + y) / (1 - y)) / 2
    best = np.inf
    for _ in range(20):
        w, b = rng.normal(size=(x.shape[1], problem.widths[0])) * 2, rng.normal(size=problem.widths[0]) * 2
        features = np.concatenate([sigma.array(x @ w + b), np.ones((len(x), 1))], axis=1)
        solution = np.linalg.lstsq(features, target, rcond=None)[0]
        best = min(best, float(((sigma.array(features @ solution) - y) ** 2).sum()))
    assert best < 1e-10


def test_zero_loss_is_not_claimed_where_it_is_not_known():
    x = fmpq_mat(3, 1, [-1, 0, 1])
    inside, outside = fmpq_mat(3, 1, [fmpq(1, 4)] * 3), fmpq_mat(3, 1, [0, 1, 0])
    assert attains_zero(Problem(activation="sigmoid", X=x, Y=inside, widths=(2, 1))) is not None
    assert attains_zero(Problem(activation="sigmoid", X=x, Y=inside, widths=(1, 1))) is None
    assert attains_zero(Problem(activation="sigmoid", X=x, Y=outside, widths=(2, 1))) is None
    assert attains_zero(Problem(activation="linear", X=x, Y=inside, widths=(2, 1))) is None
    two = fmpq_mat(3, 2, [fmpq(1, 4)] * 6)
    assert attains_zero(Problem(activation="sigmoid", X=x, Y=two, widths=(2, 1, 2))) is None


def test_the_known_suboptimal_minimum_through_one_unit():
    """Y = ((11/2, 2), (5/2, 2), (3/2, 11/2)) for log(1 + e^t), here over ln 2: minima 2.16319, 3.99801."""
    scale = [fmpq(round(v / np.log(2) * 2**50), 2**50) for v in (5.5, 2, 2.5, 2, 1.5, 5.5)]
    x = fmpq_mat(3, 2, [0, 0, 1, 0, 0, 1])
    problem = Problem(activation="softplus", X=x, Y=fmpq_mat(3, 2, scale), widths=(1, 2))
    assert reaches_any_unit(problem)
    found = find_suboptimal_minimum(problem)
    assert found is not None
    assert float(found.loss.mid()) * np.log(2) ** 2 == pytest.approx(3.9980145660812429, abs=1e-12)
    assert float(found.lower.mid()) * np.log(2) ** 2 == pytest.approx(2.1631903472661613, abs=1e-12)
    u = np.array([float(e.mid()) for e in found.point]) * np.log(2)
    np.testing.assert_allclose(u[:3], [5.4922900, 2.4294626, 1.2322417], atol=1e-6)


def test_problems_through_one_unit_reach_counterexamples_often_enough():
    hits = []

    @cases(max_examples=150)
    @given(problems_through_one_unit() | problems_through_one_unit(lifted=True))
    def check(problem):
        assert reaches_any_unit(problem)
        hits.append(find_suboptimal_minimum(problem) is not None)

    check()
    assert sum(hits) >= 5


def test_one_unit_on_dependent_samples_is_not_reached():
    x = fmpq_mat(3, 1, [0, 1, 2])
    y = fmpq_mat(3, 2, [5, 2, 3, 2, 2, 9])
    assert not reaches_any_unit(Problem(activation="softplus", X=x, Y=y, widths=(1, 2)))
    assert not reaches_any_unit(Problem(activation="softplus", X=x, Y=y, widths=(1, 1, 2)))
    assert not reaches_any_unit(Problem(activation="softplus", X=x, Y=y, widths=(2, 2, 2)))
