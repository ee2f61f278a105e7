"""Whether every strategy and every loss keeps the promise of its docstring, exactly, on hundreds of draws."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from flint import arb, ctx, fmpq, fmpq_mat, fmpq_poly
from hypothesis import strategies as st

from strategies.activations import ACTIVATIONS
from strategies.critical import (
    critical_points,
    orthogonal_functions,
    planted_critical_points,
    planted_minima,
    points_at_kinks,
    two_atom_critical_points,
    with_slopes,
)
from strategies.datasets import Atoms, UniformPolynomials, heavy_tails, separable_labels, training_inputs
from strategies.losses import (
    CONVEX_DIFFERENTIABLE,
    LOSSES,
    ROBUST,
    NotDifferentiable,
    absolute,
    cross_entropy,
    hinge,
    huber,
    logistic,
    multiclass_hinge,
    smoothed_hinge,
    squared,
    tilted_double_well,
)
from strategies.matrices import (
    as_floats,
    columns,
    hstack,
    identity,
    matrices,
    matrices_of_rank,
    matrices_with_singular_values,
    matrix,
    null_space,
    orthogonal_matrices,
    vstack,
    zeros,
)
from strategies.networks import (
    branches,
    chains_of_blocks,
    deep_linear_maps,
    moves,
    one_hidden_layer_nets,
    resnets,
)
from strategies.numbers import among, between, dyadics, exact, integers, rationals
from tests.debug import assert_all_examples, assert_no_examples, check_can_generate_examples, drawn, minimal
from verify.oracles.exact import projector
from verify.oracles.landscape import (
    basis_infimum,
    feature_gradient,
    gradient,
    is_basis_optimal,
    is_critical,
    loss,
    output_slopes,
    vanishes,
)
from verify.oracles.linear_programs import Separator, separate

named = {"ids": lambda value: getattr(value, "name", None)}
every_loss = pytest.mark.parametrize("ell", LOSSES.values(), **named)
five_losses = pytest.mark.parametrize("ell", CONVEX_DIFFERENTIABLE, **named)
CONVEX = [ell for ell in LOSSES.values() if ell.convex]
small = among(1, 2, 3, 4)


# --- numbers and matrices ----------------------------------------------------------------------------


def test_numbers_stay_in_their_sets():
    assert_all_examples(integers(5), lambda k: -5 <= k <= 5)
    assert_all_examples(between(2, 7), lambda k: 2 <= k <= 7)
    assert_all_examples(dyadics(3, 4), lambda t: abs(t) <= 3 and t.q in (1, 2, 4, 8, 16))
    assert_all_examples(rationals(2, 5), lambda t: abs(t) <= 2 and t.q in (1, 2, 3, 4, 5, 8))


def test_exact_numbers_denote_themselves():
    numbers = st.one_of(st.integers(), st.fractions(), st.floats(allow_nan=False, allow_infinity=False))
    for value in drawn(numbers, 300):
        assert exact(value) * exact(1) == fmpq(*value.as_integer_ratio())
        assert exact(str(exact(value))) == exact(value)


@st.composite
def ranked(draw):
    m, n = draw(small), draw(small)
    rank = draw(between(0, min(m, n)))
    return draw(matrices_of_rank(m, n, rank)), rank


def test_matrices_have_exactly_the_rank_asked_for():
    assert_all_examples(ranked(), lambda pair: pair[0].rank() == pair[1], 400)
    for m, n, rank in [(2, 3, 3), (2, 2, -1), (0, 2, 1)]:
        with pytest.raises(ValueError, match=f"no {m} x {n} matrix has rank {rank}"):
            drawn(matrices_of_rank(m, n, rank), 1)


@st.composite
def any_matrix(draw):
    m, n = draw(between(0, 4)), draw(between(0, 4))
    return draw(
        matrices(m, n) if draw(st.booleans()) else matrices_of_rank(m, n, draw(between(0, min(m, n))))
    )


def test_null_space_is_a_basis_of_all_solutions():
    for a in drawn(any_matrix(), 300):
        basis = null_space(a)
        rank = a.rank() if a.nrows() and a.ncols() else 0
        assert (basis.nrows(), basis.ncols()) == (a.ncols(), a.ncols() - rank)
        assert vanishes(a * basis)
        assert not basis.ncols() or basis.rank() == basis.ncols()


@st.composite
def with_values(draw):
    m, n = draw(among(1, 2, 3)), draw(among(1, 2, 3))
    values = draw(st.lists(among(0, 1, 1, 2, fmpq(1, 2)), min_size=min(m, n), max_size=min(m, n)))
    return draw(matrices_with_singular_values(m, n, values)), values


def test_singular_values_are_the_ones_asked_for():
    """The characteristic polynomial of AᵀA is t^(n − k) Π (t − σ²), exactly."""
    for a, values in drawn(with_values(), 200):
        wanted = fmpq_poly([0, 1]) ** (a.ncols() - len(values))
        for value in values:
            wanted *= fmpq_poly([-(exact(value) ** 2), 1])
        assert (a.transpose() * a).charpoly() == wanted
    with pytest.raises(ValueError, match="has 2 singular values, got 1"):
        drawn(matrices_with_singular_values(2, 3, [1]), 1)


def test_orthogonal_matrices_are_orthogonal():
    for n in (1, 2, 3):
        assert_all_examples(orthogonal_matrices(n), lambda q: q * q.transpose() == identity(q.nrows()))


def test_blocks_are_put_where_they_belong():
    for a in drawn(any_matrix(), 200):
        m, n = a.nrows(), a.ncols()
        both, table = hstack(a, identity(m)), a.table()
        assert columns(both, range(n)) == a
        assert columns(both, range(n, n + m)) == identity(m)
        assert vstack(a, zeros(1, n)).table() == [*table, [0] * n]
        assert np.array_equal(as_floats(a), np.array(table, dtype=float).reshape(m, n))


def test_floats_are_correctly_rounded_and_named_when_out_of_range():
    for p, q in [(1, 3), (2**60 + 1, 7), (1, 2**1074), (1, 2**1076), (2**1023, 1)]:
        assert as_floats(matrix([[fmpq(p, q)]]))[0, 0] == p / q
    with pytest.raises(ValueError, match=r"row 1, column 0 is 10\^400: too large for float64"):
        as_floats(matrix([[1, 2], [10**400, 3]]))


# --- activations -------------------------------------------------------------------------------------


def encloses(ball, value):
    """Whether the ball holds a rational; ``contains`` rounds it first, so that is done with many digits."""
    with ctx.workprec(1000):
        return ball.contains(value)


@pytest.mark.parametrize("sigma", ACTIVATIONS.values(), **named)
def test_activations_agree_exactly_in_balls_and_in_floats(sigma):
    numbers = rationals(12) if sigma.rational else between(-12, 12).map(fmpq)
    for t in drawn(numbers, 200):
        if sigma.name.endswith("softplus") and t != 0:  # rational nowhere else
            value = sigma.ball(arb(t)).mid()
            assert sigma.ball(arb(t, 0.25)).contains(value)
        else:
            value = sigma.exact(t)
            assert encloses(sigma.ball(arb(t)), value)
            assert encloses(sigma.ball(arb(t, 0.25)), value)
        assert abs(float(sigma.array(np.array([float(t)]))[0]) - float(value)) <= 1e-14 * (
            1 + abs(float(value))
        )
    if not sigma.rational:
        with pytest.raises(ValueError, match="irrational"):
            sigma.exact(fmpq(1, 2))


@pytest.mark.parametrize("sigma", ACTIVATIONS.values(), **named)
def test_slopes_and_curvatures_are_the_derivatives(sigma):
    """σ(t + e) − σ(t − e) = 2 e σ′(t) + O(e³) off kinks, and the same one derivative up; arrays agree."""
    e = fmpq(1, 10**6)
    for t in drawn(rationals(3), 100):
        at_kink = sigma.kinked and abs(t) <= e
        bends = {"affine inside": abs(abs(t) - 1) <= e, "softsign": abs(t) <= e}  # C¹ but not C² there
        if at_kink or bends.get(sigma.name, False):
            continue
        slope, curvature = arb(sigma.slope(t)), arb(sigma.curvature(t))
        rise = sigma.ball(arb(t + e)) - sigma.ball(arb(t - e))
        bend = arb(sigma.slope(t + e)) - arb(sigma.slope(t - e))
        assert abs(float(rise / arb(2 * e) - slope)) <= 1e-8 * (1 + abs(float(slope)))
        assert abs(float(bend / arb(2 * e) - curvature)) <= 1e-8 * (1 + abs(float(curvature)))
        assert abs(float(sigma.slope_array(np.array([float(t)]))[0]) - float(slope)) <= 1e-13 * (
            1 + abs(float(slope))
        )


@pytest.mark.parametrize("sigma", [a for a in ACTIVATIONS.values() if a.pieces is not None], **named)
def test_pieces_are_affine_and_zero_only_at_kinks(sigma):
    """On both sides of a t with a piece other than 0 the activation is affine."""
    for t in drawn(rationals(3), 200):
        piece, e = sigma.pieces(t), fmpq(1, 10**6)
        left, middle, right = (sigma.exact(t + d) for d in (-e, 0, e))
        if piece:
            assert left + right == 2 * middle
            assert sigma.pieces(t - e) == sigma.pieces(t + e) == piece
        else:
            assert left + right != 2 * middle


# --- data --------------------------------------------------------------------------------------------


@st.composite
def sized_inputs(draw):
    d_x, d_z, least = draw(between(1, 3)), draw(between(1, 3)), draw(between(1, 3))
    most = least + draw(between(0, 2))
    return draw(training_inputs(d_x, d_z, least, most)), (d_x, d_z, least, most)


def test_training_inputs_have_the_sizes_asked_for_and_weights_that_add_to_one():
    for (x, z, measure), (d_x, d_z, least, most) in drawn(sized_inputs(), 300):
        assert least <= x.nrows() == z.nrows() == measure.size <= most
        assert (x.ncols(), z.ncols()) == (d_x, d_z)
        assert sum(measure.weights.entries(), fmpq(0)) == 1
        assert all(e.q == 1 and abs(e) <= 9 for e in (*x.entries(), *z.entries()))
    uniform = training_inputs(2, 1, 2, 4, weighted=False)
    assert_all_examples(uniform, lambda t: set(t[2].weights.entries()) == {fmpq(1, t[2].size)})


def test_an_expectation_is_the_weighted_sum():
    for (x, z, measure), _ in drawn(sized_inputs(), 200):
        terms = zip(measure.weights.entries(), x.table(), z.table(), strict=True)
        total = zeros(x.ncols(), z.ncols())
        for w, a, b in terms:
            total += fmpq_mat(len(a), 1, a) * fmpq_mat(1, len(b), b) * w
        assert measure.product(x, z) == total


def test_uniform_polynomials_integrate():
    """E[p q] for p, q with small coefficients, against the antiderivative of p q."""
    for degree in (1, 2, 4):
        for a, b in drawn(st.tuples(matrices(degree, 1), matrices(degree, 1)), 100):
            p, q = fmpq_poly(a.entries()), fmpq_poly(b.entries())
            assert UniformPolynomials(degree=degree).product(a, b)[0, 0] == (p * q).integral()(1)


def test_separable_labels_are_separable_with_a_constant():
    """⟨r, φ⟩ > 0 or <= 0 on finitely many samples: r and a small threshold separate strictly."""
    features = matrices(4, 2)
    for phi, labels in drawn(features.flatmap(lambda f: st.tuples(st.just(f), separable_labels(f, 2))), 200):
        with_one = hstack(phi, matrix([[1]] * 4))
        for k in range(2):
            assert isinstance(separate(with_one, columns(labels, [k])), Separator)


def test_heavy_tails_have_the_variance_asked_for():
    for wanted in (True, False):
        assert_all_examples(heavy_tails(wanted), lambda tail: (tail.second_moment is not None) == wanted)


# --- networks ----------------------------------------------------------------------------------------


def nudged(branch, rng, size):
    """The branch with every weight and bias moved by at most ``size``."""
    e = lambda: fmpq(rng.randint(-9, 9), 9) * size
    move = lambda a: fmpq_mat(a.nrows(), a.ncols(), [t + e() for t in a.entries()])
    layers = [replace(layer, weight=move(layer.weight), bias=move(layer.bias)) for layer in branch.layers]
    return replace(branch, layers=tuple(layers))


@pytest.mark.parametrize("kind", ["relu", "leaky relu", "abs", "step", "tanh", "sigmoid", "linear", "affine"])
def test_branches_are_what_their_kind_says(kind):
    for branch in drawn(branches(2, 3, kind), 60):
        last = branch.layers[-1]
        assert last.activation == {"affine": "linear"}.get(kind, kind)
        assert branch.layers[0].weight.ncols() == 2
        assert last.weight.nrows() == 3
        if kind == "linear":
            x = matrix([[1, 2], [-3, 1]])
            assert branch(x * fmpq(-2)) == branch(x) * fmpq(-2)


def test_locally_constant_branches_do_not_move_and_others_may():
    rng, seen, moved = random.Random(0), 0, 0
    nets = resnets(branch="step", d_y=between(1, 2))
    for net in drawn(nets, 300):
        if net.branch.is_locally_constant(net.X):
            seen += 1
            assert all(nudged(net.branch, rng, fmpq(1, 10**6))(net.X) == net.Z for _ in range(4))
        else:
            moved += any(nudged(net.branch, rng, fmpq(1, 10**6))(net.X) != net.Z for _ in range(8))
    assert seen >= 20
    assert moved >= 20
    assert_no_examples(branches(2, 2, "relu"), lambda b: b.is_locally_constant(identity(2)))


def test_resnets_carry_the_branch_that_made_z():
    made = drawn(resnets(), 300)
    assert all(net.branch(net.X) == net.Z for net in made if net.branch is not None)
    assert 50 <= sum(net.branch is not None for net in made) <= 250


def test_resnets_satisfy_a1_unless_told():
    assert_all_examples(resnets(), lambda n: n.W.nrows() <= min(n.X.ncols(), n.Z.ncols()), 300)
    wider = resnets(d_y=2, extra_inputs=-1)
    assert_all_examples(wider, lambda n: n.X.ncols() == 1 < n.W.nrows() == 2)
    narrow = resnets(d_y=between(2, 3), extra_residuals=-1)
    assert_all_examples(narrow, lambda n: n.Z.ncols() == n.W.nrows() - 1)


def fits(net):
    """Whether the outputs are those of the linear model R on the features."""
    return net.features * net.R.transpose() == net.H


def test_resnets_have_the_rank_the_bias_and_the_samples_asked_for():
    assert_all_examples(resnets(rank="full"), lambda n: n.W.rank() == min(n.W.nrows(), n.W.ncols()))
    assert_all_examples(resnets(rank="deficient"), lambda n: n.W.rank() < n.W.nrows())
    assert_all_examples(resnets(bias="usual"), lambda n: n.b is not None and fits(n))
    assert_all_examples(resnets(), lambda n: n.b is None and fits(n))
    augmented = resnets(bias="augmented", d_y=1)
    assert_all_examples(augmented, lambda n: all(r[-1] == 1 for r in (*n.X.table(), *n.Z.table())))
    enough = resnets(determined=True)
    assert_all_examples(enough, lambda n: n.X.nrows() >= n.X.ncols() + n.Z.ncols())
    assert_all_examples(resnets(weighted=False), lambda n: n.measure == Atoms.uniform(n.X.nrows()))
    assert_all_examples(resnets(labels="none"), lambda n: vanishes(n.Y))


def test_polynomial_resnets_are_integrated_exactly():
    """L under the uniform distribution on [0, 1] against the integral, for each bias."""
    for bias in ("none", "usual", "augmented"):
        for net in drawn(resnets(measure="uniform polynomials", bias=bias), 80):
            assert net.measure == UniformPolynomials(degree=net.X.nrows())
            residual = (net.H - net.Y).transpose().table()
            assert loss(net) == sum(((p := fmpq_poly(r)) * p).integral()(1) for r in residual)
            if bias == "usual":
                t = fmpq(1, 3)
                at = fmpq_mat(1, net.X.nrows(), [t**k for k in range(net.X.nrows())])
                q = (at * net.X).transpose() + net.V * (at * net.Z).transpose()
                assert at * net.H == (net.W * q + net.b).transpose()
    with pytest.raises(ValueError, match="squared loss only"):
        drawn(resnets(measure="uniform polynomials", loss=huber), 1)


@every_loss
def test_labels_suit_their_loss(ell):
    for net in drawn(resnets(loss=ell), 60):
        rows = net.Y.table()
        if ell in (cross_entropy, multiclass_hinge):
            assert all(sorted(row) == [0] * (len(row) - 1) + [1] for row in rows)
        if ell in (logistic, hinge, smoothed_hinge):
            assert all(e in (0, 1) for row in rows for e in row)


def test_the_other_architectures_are_what_they_say():
    for product in drawn(deep_linear_maps(), 200):
        x = matrix([[k + 1] for k in range(product.widths[0])])
        y = x
        for weight in product.weights:
            y = weight * y
        assert product.product * x == y
        assert len(product.weights) + 1 == len(product.widths) >= 3
    for net in drawn(one_hidden_layer_nets("relu"), 200):
        hidden = matrix([[max(e, fmpq(0)) for e in row] for row in (net.X * net.W1.transpose()).table()])
        assert hidden * net.W2.transpose() == net.H
    assert_all_examples(
        moves(resnets()), lambda m: (m.A.nrows(), m.B.nrows()) == (m.net.W.nrows(), m.net.V.nrows())
    )
    for chain in drawn(chains_of_blocks(), 200):
        residual = chain.H - chain.Y
        turned = [
            a * (1 + chain.v2 * b) for a, b in zip(chain.G1.entries(), chain.G2_slope.entries(), strict=True)
        ]
        assert len({*chain.X.entries()}) == len({*chain.X1.entries()}) == 4
        for direction in (chain.X1, chain.G2, matrix([[e] for e in turned])):
            assert vanishes(direction.transpose() * residual)


# --- planted points ----------------------------------------------------------------------------------

BIASES = ["none", "usual", "augmented"]


@five_losses
@pytest.mark.parametrize("bias", BIASES)
def test_planted_minima_are_optimal_for_the_linear_model(ell, bias):
    for net in drawn(planted_minima(ell, bias=bias), 60):
        assert net.loss is ell
        assert is_basis_optimal(net)
        assert is_critical(net)


def test_planted_minima_attain_the_infimum_itself():
    """A second path: for the squared loss L = |(I − P[φ]) y|², with the projector of the weighted data."""
    for net in drawn(planted_minima(squared, weighted=False), 200):
        away = net.Y - projector(net.features) * net.Y
        assert loss(net) == sum((e * e for e in away.entries()), fmpq(0)) / net.X.nrows()


@pytest.mark.parametrize("rank", ["full", "deficient"])
def test_planted_minima_keep_the_rank_asked_for(rank):
    full = rank == "full"
    assert_all_examples(
        planted_minima(rank=rank), lambda n: (n.W.rank() == n.W.nrows()) == full and is_basis_optimal(n)
    )


def test_planted_points_under_a_continuous_measure():
    shape = {"measure": "uniform polynomials", "d_y": between(1, 2)}
    for net in drawn(planted_minima(squared, **shape), 100):
        assert is_basis_optimal(net)
        assert loss(net) == basis_infimum(net).upper
    for net in drawn(planted_critical_points(squared, **shape), 100):
        assert is_critical(net)
        assert not vanishes(feature_gradient(net).z)


def test_frozen_v_makes_w_optimal_alone():
    for net in drawn(planted_minima(squared, frozen_v=True), 200):
        assert vanishes(gradient(net).W)


@five_losses
@pytest.mark.parametrize("bias", ["none", "usual"])
def test_critical_points_have_gradient_zero(ell, bias):
    assert_all_examples(critical_points(ell, bias=bias), is_critical, 60)


@five_losses
@pytest.mark.parametrize("bias", ["none", "usual"])
def test_planted_critical_points_are_critical_and_not_optimal(ell, bias):
    for net in drawn(planted_critical_points(ell, bias=bias), 50):
        assert is_critical(net)
        assert not vanishes(feature_gradient(net).z)
        assert net.W.rank() < net.W.nrows()


def test_scale_bounds_the_largest_slope():
    for net in drawn(planted_critical_points(squared, scale=(-4, -1)), 100):
        largest = max(abs(e) for e in output_slopes(net).entries())
        assert largest in [fmpq(1, 2**k) for k in range(1, 5)]


def test_two_atom_critical_points_have_mean_gradient_zero():
    """Slopes 15/2 at r = −1/2 and −24 at r = 1 are mixed to any mean slope between."""
    for net in drawn(two_atom_critical_points(tilted_double_well, fmpq(-1, 2), fmpq(1)), 100):
        assert {*output_slopes(net).entries()} <= {fmpq(15, 2), fmpq(-24)}
        assert is_critical(net)
        assert not vanishes(feature_gradient(net).z)
    with pytest.raises(ValueError, match="do not bracket 0"):
        drawn(two_atom_critical_points(tilted_double_well, fmpq(1), fmpq(1, 2)), 1)


def test_points_at_kinks_are_rank_deficient_with_labels_the_loss_takes():
    for ell in (hinge, multiclass_hinge):
        for net in drawn(points_at_kinks(ell, d_y=2), 100):
            assert net.W.rank() < net.W.nrows()
            loss(net)


@five_losses
def test_with_slopes_gives_a_multiple_of_the_slopes(ell):
    nets = resnets(loss=ell, branch=None, labels="none", entries=integers(1), v_bound=1, d_y=2)
    met = 0
    for net, wanted in drawn(nets.flatmap(lambda n: st.tuples(st.just(n), matrices(n.X.nrows(), 2))), 100):
        if ell is cross_entropy:
            wanted = matrix([[row[0], -row[0]] for row in wanted.table()])
        planted = with_slopes(net, wanted)
        if planted is None:
            continue
        met += 1
        given = output_slopes(planted)
        factors = {a / b for a, b in zip(given.entries(), wanted.entries(), strict=True) if b}
        assert len(factors) <= 1
        assert all(0 < s <= 1 for s in factors)
        assert all(a == 0 for a, b in zip(given.entries(), wanted.entries(), strict=True) if not b)
    assert met >= 20


def test_orthogonal_functions_are_all_of_them():
    for net in drawn(resnets(), 200):
        p = orthogonal_functions(net, net.Q)
        assert vanishes(net.measure.product(net.Q, p))
        assert p.ncols() == net.X.nrows() - net.Q.rank()


def test_the_dimension_law_of_critical_points():
    """dim{D: critical} − dim{D: G = 0} = (d_y − rank W)(rank [x z] − rank(x + V z)): KB19 catalogue, F2.

    Both spaces are computed here from their definition alone, entry by entry, by rank.
    """
    larger = 0
    for net in drawn(resnets(rank="any", branch=None, labels="none"), 300):
        m, d_y = net.Y.nrows(), net.W.nrows()
        w, x, z, q = net.measure.weights.entries(), net.X.table(), net.Z.table(), net.Q.table()
        unit = [[(i, k) for k in range(d_y)] for i in range(m)]
        flat = [pair for row in unit for pair in row]
        critical = [
            [w[i] * q[i][a] * (k == j) for i, k in flat] for j in range(d_y) for a in range(net.X.ncols())
        ]
        critical += [
            [net.W[k, a] * w[i] * z[i][b] for i, k in flat]
            for a in range(net.X.ncols())
            for b in range(net.Z.ncols())
        ]
        optimal = [
            [w[i] * f[i][a] * (k == j) for i, k in flat]
            for f in (x, z)
            for j in range(d_y)
            for a in range(len(f[0]))
        ]
        extra = matrix(optimal).rank() - matrix(critical).rank()
        assert extra == (d_y - net.W.rank()) * (hstack(net.X, net.Z).rank() - net.Q.rank())
        larger += extra > 0
    assert larger >= 40


# --- losses ------------------------------------------------------------------------------------------


def labels_of(ell, d):
    """Labels the loss takes, soft ones too."""
    if ell is multiclass_hinge:
        return between(0, d - 1).map(lambda c: [fmpq(int(k == c)) for k in range(d)])
    if ell is cross_entropy:
        parts = st.lists(between(0, 3), min_size=d, max_size=d).filter(any)
        return parts.map(lambda p: [fmpq(a, sum(p)) for a in p])
    if ell in (logistic, hinge, smoothed_hinge):
        return st.lists(among(fmpq(0), fmpq(1), fmpq(1, 2), fmpq(1, 3)), min_size=d, max_size=d)
    return st.lists(rationals(2, 3), min_size=d, max_size=d)


def points_of(d, kind=rationals(3, 4)):
    return st.lists(kind, min_size=d, max_size=d)


@st.composite
def pairs(draw, ell):
    """Outputs, other outputs and a label."""
    d = draw(between(1 if ell not in (cross_entropy, multiclass_hinge) else 2, 3))
    return draw(points_of(d)), draw(points_of(d)), draw(labels_of(ell, d))


def floats(*vectors):
    return [np.array([[float(e) for e in v]]) for v in vectors]


def slope_or_none(ell, h, y):
    try:
        return ell.gradient(h, y)
    except NotDifferentiable:
        return None


def dot(a, b):
    return sum((s * t for s, t in zip(a, b, strict=True)), fmpq(0))


@every_loss
def test_arrays_agree_with_exact_values(ell):
    for h, _, y in drawn(pairs(ell), 200):
        rows = floats(h, y)
        assert ell.values_array(*rows) == pytest.approx([float(arb(ell.value(h, y)))], rel=1e-13, abs=1e-13)
        if (g := slope_or_none(ell, h, y)) is None:
            assert not ell.differentiable
            continue
        assert ell.gradients_array(*rows)[0] == pytest.approx(
            [float(arb(e)) for e in g], rel=1e-13, abs=1e-13
        )
        try:
            second = ell.hessian(h, y)
        except NotDifferentiable:
            continue
        second = [[float(arb(e)) for e in row] for row in second]
        assert ell.hessians_array(*rows)[0] == pytest.approx(np.array(second), rel=1e-13, abs=1e-13)


@every_loss
def test_slopes_are_limits_of_quotients(ell):
    """Central differences of the value are the gradient, of the gradient the Hessian, up to O(e²)."""
    ctx.prec = 200
    e = fmpq(1, 2**40)
    for h, _, y in drawn(pairs(ell), 100):
        try:
            g, second = ell.gradient(h, y), ell.hessian(h, y)
        except NotDifferentiable:
            continue
        for k in range(len(h)):
            up, down = ([a + s * e * (i == k) for i, a in enumerate(h)] for s in (1, -1))
            quotient = (arb(ell.value(up, y)) - arb(ell.value(down, y))) / arb(2 * e)
            assert abs(float((quotient - g[k]).mid())) < 1e-3
            change = [
                (arb(a) - arb(b)) / arb(2 * e)
                for a, b in zip(ell.gradient(up, y), ell.gradient(down, y), strict=True)
            ]
            assert all(abs(float((c - second[i][k]).mid())) < 1e-3 for i, c in enumerate(change))


@pytest.mark.parametrize("ell", CONVEX, **named)
def test_convex_losses_lie_above_their_tangents_and_below_their_chords(ell):
    for h, other, y in drawn(pairs(ell), 200):
        middle = [(a + b) / 2 for a, b in zip(h, other, strict=True)]
        chord = (ell.value(h, y) + ell.value(other, y)) / 2
        assert not ell.value(middle, y) > chord
        if (g := slope_or_none(ell, h, y)) is not None:
            step = [b - a for a, b in zip(h, other, strict=True)]
            assert not ell.value(other, y) < ell.value(h, y) + dot(g, step)


def test_the_double_well_is_not_convex():
    value = lambda r: tilted_double_well.value([fmpq(r)], [fmpq(0)])
    assert (value(-1), value(0), value(2)) == (-5, 0, -32)
    assert value(0) > (value(-1) + value(1)) / 2


@every_loss
def test_gradients_are_lipschitz_with_the_stated_constant(ell):
    """|∇ℓ(h) − ∇ℓ(h')|² <= M² |h − h'|², and M is not ten percent too large for some pair close together."""
    if ell.smoothness is None:
        assert ell in (absolute, hinge, multiclass_hinge, tilted_double_well, *ROBUST[1:3])
        return
    M, largest = ell.smoothness, 0.0
    for h, other, y in drawn(pairs(ell), 200):
        step = [b - a for a, b in zip(h, other, strict=True)]
        change = [b - a for a, b in zip(ell.gradient(h, y), ell.gradient(other, y), strict=True)]
        assert not dot(change, change) > M * M * dot(step, step)
        second = ell.hessians_array(*floats(h, y))[0]
        largest = max(largest, np.linalg.eigvalsh(second).max())
    assert largest <= float(M) * (1 + 1e-12)
    assert largest >= 0.9 * float(M)


@pytest.mark.parametrize("ell", CONVEX, **named)
def test_conjugates_satisfy_fenchel_and_young(ell):
    """ℓ(h) + ℓ*(d) >= ⟨d, h⟩ for every d in the domain, with equality at d = ∇ℓ(h)."""
    equalities = 0
    for h, d, y in drawn(pairs(ell), 200):
        if ell in (cross_entropy, multiclass_hinge):
            d = [*d[:-1], -sum(d[:-1], fmpq(0))]
        s = ell.into_domain(d, y)
        inside = [s * e for e in d]
        assert not ell.value(h, y) + ell.conjugate(inside, y) < dot(inside, h)
        g = slope_or_none(ell, h, y)
        if g is None or not all(isinstance(e, fmpq) for e in g):
            continue
        gap = ell.value(h, y) + ell.conjugate(g, y) - dot(g, h)
        assert gap == 0 if isinstance(gap, fmpq) else abs(gap) < 1e-12
        equalities += 1
    assert equalities >= (20 if ell is not ROBUST[0] else 5)  # few of its slopes are rational


@pytest.mark.parametrize("ell", CONVEX, **named)
def test_the_domain_of_the_conjugate_is_where_it_says(ell):
    """s d with the largest s is in the domain, anything beyond is refused."""
    stopped = 0
    for d, _, y in drawn(pairs(ell), 200):
        s = ell.into_domain(d, y)
        assert 0 <= s <= 1
        ell.conjugate([s * e for e in d], y)
        if s < 1:
            stopped += 1
            with pytest.raises(ValueError, match="slope"):
                ell.conjugate([(s + fmpq(1, 1000)) * e for e in d], y)
    assert stopped >= 20 or ell.name in ("squared", "label-weighted squared")


def test_slopes_of_the_cross_entropy_add_up_to_zero():
    assert cross_entropy.into_domain([fmpq(1), fmpq(1)], [fmpq(1), fmpq(0)]) == 0
    assert cross_entropy.into_domain([fmpq(-2), fmpq(2)], [fmpq(1), fmpq(0)]) == fmpq(1, 2)


@st.composite
def wanted_slopes(draw, ell):
    """Outputs (integers half of the time), slopes of every size, some with the sum 0."""
    d = draw(between(1 if ell not in (cross_entropy, multiclass_hinge) else 2, 3))
    h = draw(points_of(d, draw(among(integers(3).map(fmpq), rationals(2, 2)))))
    slopes = draw(points_of(d, draw(among(integers(2).map(fmpq), rationals(3, 4), dyadics(1, 3)))))
    if draw(st.booleans()):
        slopes = [*slopes[:-1], -sum(slopes[:-1], fmpq(0))]
    return h, slopes


@every_loss
def test_labels_give_the_slopes_wanted_and_reach_says_when(ell):
    """reach > 0 iff label(h, s d) exists for that s, and a label there has the gradient s d."""
    met = 0
    for h, d in drawn(wanted_slopes(ell), 400):
        s = ell.reach(h, d)
        assert 0 <= s <= 1
        for step in {s, fmpq(1), fmpq(1, 2), fmpq(1, 100)} - {0}:
            y = ell.label(h, [step * e for e in d])
            if y is not None:
                assert ell.gradient(h, y) == [step * e for e in d]
                assert s > 0 or ell is tilted_double_well or ell in ROBUST
            else:
                assert step != s
        met += s > 0
    assert met >= 40 or (ell is tilted_double_well and met >= 20)


def test_reach_and_label_at_the_points_where_they_once_disagreed():
    half, one, zero = fmpq(1, 2), fmpq(1), fmpq(0)
    assert logistic.reach([half], [zero]) == cross_entropy.reach([half, zero], [zero, zero]) == 0
    assert cross_entropy.reach([half, half], [one, -one]) > 0  # only differences of outputs count
    assert cross_entropy.reach([zero, zero], [fmpq(1, 8), fmpq(-1, 8)]) == 1
    weighted = LOSSES["label-weighted squared"]
    assert weighted.label([one], [fmpq(2)]) is None
    assert weighted.reach([one], [fmpq(2)]) == half
    assert hinge.reach([fmpq(2)], [half]) == 1
    assert hinge.label([fmpq(2)], [half]) == [half]
    assert hinge.label([one], [one]) == [zero]
    assert hinge.label([one], [half]) is None
    assert hinge.reach([one], [fmpq(2)]) == half
    assert hinge.reach([one], [-one]) == 0
    assert absolute.reach([zero], [fmpq(3)]) == fmpq(1, 3)
    assert absolute.reach([zero, zero], [fmpq(3), one]) == 0
    assert absolute.reach([zero], [zero]) == 0


def test_hard_labels_lose_no_digits_in_the_tails():
    """∂ℓ/∂h of a sample fitted to 2^-200 is −2^-200, not 0."""
    for ell, h, y in [
        (logistic, [200.0], [1.0]),
        (logistic, [-200.0], [0.0]),
        (cross_entropy, [0.0, -200.0], [1.0, 0.0]),
    ]:
        g = ell.gradients_array(np.array([h]), np.array([y]))[0]
        assert abs(g) == pytest.approx(np.full(len(h), 2.0**-200), rel=1e-12, abs=0)
    assert logistic.values_array(np.array([[200.0]]), np.array([[1.0]])) == pytest.approx(
        2.0**-200 / np.log(2), rel=1e-12, abs=0
    )
    assert cross_entropy.hessians_array(np.array([[0.0, -200.0]]), np.array([[1.0, 0.0]]))[0, 0, 0] > 0


@every_loss
def test_balls_contain_what_they_enclose(ell):
    """Value, gradient and Hessian on a ball around h contain the exact ones at h, or refuse."""
    for h, _, y in drawn(pairs(ell), 100):
        wide = [arb(a, 0.01) for a in h]
        assert arb(ell.value(wide, y)).overlaps(arb(ell.value(h, y)))
        for name in ("gradient", "hessian"):
            try:
                there, here = getattr(ell, name)(wide, y), getattr(ell, name)(h, y)
            except NotDifferentiable:
                continue
            flat = lambda a: [e for row in a for e in row] if name == "hessian" else a
            assert all(arb(a).overlaps(arb(b)) for a, b in zip(flat(there), flat(here), strict=True))


def test_kinks_are_refused():
    one = [fmpq(1)]
    for ell, y in [(absolute, one), (hinge, one)]:
        for ask in (ell.gradient, ell.hessian):
            with pytest.raises(NotDifferentiable):
                ask(one, y)
            with pytest.raises(NotDifferentiable):
                ask([arb(1, 0.1)], y)
    for ask in (multiclass_hinge.gradient, multiclass_hinge.hessian):
        with pytest.raises(NotDifferentiable):
            ask([fmpq(1), fmpq(0)], [fmpq(1), fmpq(0)])
    assert hinge.gradient(one, [fmpq(0)]) == one
    for ell, h in [(huber, fmpq(2)), (smoothed_hinge, fmpq(1))]:
        assert ell.gradient([h], one)
        with pytest.raises(NotDifferentiable):
            ell.hessian([h], one)
        with pytest.raises(NotDifferentiable):
            ell.hessian([arb(h, 0.1)], one)
    with pytest.raises(ValueError, match="not convex"):
        tilted_double_well.conjugate([fmpq(0)], one)


def test_jumps_of_the_second_derivative_may_cancel():
    """ℓ(h, 1/2) of the smoothed hinge is 1/2 + h²/4 on [−1, 1]: the jumps 1/2 and −1/2 at 0 cancel."""
    zero, half = [fmpq(0)], [fmpq(1, 2)]
    assert smoothed_hinge.value([fmpq(1, 3)], half) == fmpq(1, 2) + fmpq(1, 36)
    for h in (zero, [arb(0, 0.1)]):
        assert smoothed_hinge.hessian(h, half) == [half]
    assert smoothed_hinge.hessians_array(np.array([[0.0]]), np.array([[0.5]])).tolist() == [[[0.5]]]
    for y in (fmpq(0), fmpq(1, 4), fmpq(1)):
        with pytest.raises(NotDifferentiable):
            smoothed_hinge.hessian(zero, [y])
    sides = smoothed_hinge.curvatures([fmpq(-1), fmpq(0), fmpq(1)], [fmpq(1, 4)] * 3)
    assert sides == [(fmpq(0), fmpq(3, 4)), (fmpq(3, 4), fmpq(1, 4)), (fmpq(1, 4), fmpq(0))]
    assert huber.curvatures([fmpq(3), fmpq(1)], [fmpq(2)] * 2) == [(fmpq(1), fmpq(0)), (fmpq(0), fmpq(1))]
    assert squared.curvatures(zero, zero) == [(fmpq(2), fmpq(2))]


def test_huge_logits_do_not_fill_the_memory():
    h = [fmpq(10**12)]
    assert logistic.label(h, [fmpq(0)]) is None
    assert arb(logistic.gradient(h, [fmpq(0)])[0]).overlaps(arb(1))


def test_every_public_strategy_draws():
    for strategy in (planted_minima(), critical_points(), planted_critical_points(), resnets()):
        check_can_generate_examples(strategy)


def test_equal_numbers_of_different_types_are_different_options():
    """Strategies are made once and kept: 1 must not answer for fmpq(1), which hashes alike."""
    from strategies.numbers import among

    assert type(minimal(among(fmpq(1), fmpq(7)))) is fmpq
    assert type(minimal(among(1, 7))) is int


@pytest.mark.parametrize("loss", [squared, huber, smoothed_hinge], ids=lambda ell: ell.name)
@pytest.mark.parametrize("entries", [dyadics(), rationals()], ids=["dyadic", "rational"])
def test_data_may_be_any_exact_numbers(loss, entries):
    """Planting is exact whatever the entries: minima stay minima, saddles stay critical."""
    seen = drawn(planted_minima(loss, entries=entries, branch=None), 60)
    assert all(is_basis_optimal(net) for net in seen)
    assert any(e.q != 1 for net in seen for e in net.X.entries())
    saddles = planted_critical_points(loss, entries=entries, branch=None)
    assert all(is_critical(net) for net in drawn(saddles, 40))
