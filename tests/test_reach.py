"""Whether the cases that matter are drawn at all: each class as often, or as soon, as it is needed."""

from __future__ import annotations

from functools import cache

import pytest
from flint import fmpq

from strategies.critical import (
    RANK_CLASSES,
    critical_points,
    planted_critical_points,
    planted_minima,
    points_at_kinks,
)
from strategies.datasets import Atoms, training_inputs
from strategies.losses import CONVEX_DIFFERENTIABLE, LOSSES, hinge, multiclass_hinge, squared
from strategies.matrices import columns, hstack, matrices, matrices_of_rank, orthogonal_matrices
from strategies.networks import branches, deep_linear_maps, one_hidden_layer_nets, resnets
from strategies.numbers import between, integers, rationals
from tests.debug import assert_no_examples, drawn, find_any
from verify.oracles.exact import least_squares
from verify.oracles.landscape import is_basis_optimal, is_certified_minimum, loss, output_slopes, vanishes

DRAWS = 300
POINTS = {"planted minima": planted_minima(), "planted critical points": planted_critical_points()}


@cache
def nets(kind="resnets"):
    """The same draws for every class."""
    return drawn({"resnets": resnets(), **POINTS}[kind], DRAWS)


def count(condition, among):
    return sum(bool(condition(value)) for value in among)


DATA = {
    "one sample": (10, lambda n: n.X.nrows() == 1),
    "more samples than features": (60, lambda n: n.X.nrows() > n.X.ncols() + n.Z.ncols()),
    "rank-deficient X": (30, lambda n: n.X.rank() < min(n.X.nrows(), n.X.ncols())),
    "Z in span X": (15, lambda n: not vanishes(n.Z) and hstack(n.X, n.Z).rank() == n.X.rank() < n.X.nrows()),
    "Z partly in span X": (
        5,
        lambda n: n.X.rank() < hstack(n.X, n.Z).rank() < min(n.X.nrows(), n.X.rank() + n.Z.rank()),
    ),
    "Z = 0": (15, lambda n: vanishes(n.Z)),
    "x = 0 at a sample": (15, lambda n: any(not any(row) for row in n.X.table())),
    "duplicated samples": (15, lambda n: len({str(row) for row in hstack(n.X, n.Z).table()}) < n.X.nrows()),
    "unequal weights": (10, lambda n: len({*n.measure.weights.entries()}) > 1),
    "d_y = 1": (30, lambda n: n.W.nrows() == 1),
    "d_y >= 2": (60, lambda n: n.W.nrows() >= 2),
    "d_y = 3": (15, lambda n: n.W.nrows() == 3),
    "d_x > d_y": (30, lambda n: n.X.ncols() > n.W.nrows()),
    "d_z > d_y": (30, lambda n: n.Z.ncols() > n.W.nrows()),
    "V = 0": (3, lambda n: vanishes(n.V)),
    "x + V z = 0 at a sample": (15, lambda n: any(not any(row) for row in n.Q.table())),
}


@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize("kind", ["resnets", *POINTS])
def test_degenerate_data_occur(kind, name):
    needed, condition = DATA[name]
    if kind == "planted critical points" and name in ("one sample", "Z = 0", "Z in span X"):
        needed = {"one sample": 1, "Z = 0": 0, "Z in span X": 0}[
            name
        ]  # no, or hardly any, bad critical points
    assert count(condition, nets(kind)) >= needed


@pytest.mark.parametrize("name", RANK_CLASSES)
@pytest.mark.parametrize("kind", ["resnets", "planted minima"])
def test_every_rank_of_w_occurs(kind, name):
    assert count(RANK_CLASSES[name], nets(kind)) >= 45


def test_bad_critical_points_occur_at_both_deficient_ranks():
    for name in ("W = 0", "0 < rank W < d_y"):
        assert count(RANK_CLASSES[name], nets("planted critical points")) >= 45
    assert count(RANK_CLASSES["rank W = d_y"], nets("planted critical points")) == 0


@pytest.mark.parametrize("ell", CONVEX_DIFFERENTIABLE, ids=lambda ell: ell.name)
@pytest.mark.parametrize("kind", POINTS)
def test_every_loss_occurs_with_every_rank(kind, ell):
    mine = [net for net in nets(kind) if net.loss is ell]
    assert len(mine) >= 25
    for name in ("W = 0", "0 < rank W < d_y"):
        assert count(RANK_CLASSES[name], mine) >= 3


def test_minima_with_positive_loss_are_common():
    """Slopes that are not all 0, hence L > the least of ℓ sample by sample; D = 0 occurs too."""
    interpolating = count(lambda n: vanishes(output_slopes(n)), nets("planted minima"))
    assert 30 <= interpolating <= 0.6 * DRAWS


def test_weights_can_cancel_the_inputs():
    """rank (x + V z) < rank x, where every critical point of small slopes is degenerate."""
    find_any(resnets(entries=integers(1), v_bound=1), lambda n: n.Q.rank() < n.X.rank(), 200)


@pytest.mark.parametrize("kind", [None, "relu", "leaky relu", "abs", "step", "tanh", "linear", "affine"])
def test_every_kind_of_branch_occurs(kind):
    def is_it(net):
        if net.branch is None or kind is None:
            return net.branch is None and kind is None
        last = net.branch.layers[-1]
        biased = any(any(layer.bias.entries()) for layer in net.branch.layers)
        return kind == ("affine" if last.activation == "linear" and biased else last.activation)

    assert count(is_it, nets()) >= 8


def test_residuals_that_help_and_residuals_that_do_not_occur():
    """Z outside span X, and L*_{x,z} < L*_x for the labels drawn."""

    def gap(net):
        least = [least_squares(f, net.Y, net.measure) for f in (net.X, hstack(net.X, net.Z))]
        fits = [f * r.transpose() for f, r in zip((net.X, hstack(net.X, net.Z)), least, strict=True)]
        return fits[0] != fits[1]

    assert 60 <= count(gap, nets()) <= 240


def test_narrow_residuals_occur_where_asked_for():
    narrow = planted_critical_points(d_y=between(2, 3), extra_residuals=between(-2, -1))
    assert count(lambda n: n.Z.ncols() < n.W.nrows(), drawn(narrow, 60)) == 60


def test_infima_that_are_not_attained_occur():
    """rank [R₁ R₂] > rank R₁ for the least-squares R: no (W, V) has W = R₁, W V = R₂ (catalogue, F6)."""

    def unattained(net):
        r = least_squares(net.features, net.Y, net.measure)
        first = columns(r, range(net.X.ncols()))
        return net.features.rank() == net.features.ncols() and r.rank() > first.rank()

    find_any(resnets(d_y=1, extra_inputs=0, entries=integers(1), determined=True), unattained, 600)


def test_strict_bad_minima_occur_without_a1():
    """d_y > d_x and small slopes: the ablation of A1 meets its counterexample within 150 draws."""
    wider = planted_critical_points(
        squared, scale=(-4, 0), extra_inputs=between(-2, -1), rank="full", determined=True
    )
    for seed in range(3):
        points = drawn(wider, 50, seed)
        assert count(lambda n: not is_basis_optimal(n) and is_certified_minimum(n), points) >= 1


def test_critical_points_are_of_both_kinds():
    points = drawn(critical_points(rank="deficient", spare_samples=3), 200)
    assert count(is_basis_optimal, points) >= 40
    assert count(lambda n: not is_basis_optimal(n), points) >= 20


def test_kinks_are_met():
    for ell in (hinge, multiclass_hinge):
        points = drawn(points_at_kinks(ell, d_y=2), 200)
        assert count(lambda n: at_a_kink(n), points) >= 30


def at_a_kink(net):
    try:
        output_slopes(net)
    except ValueError:
        return True
    return False


@pytest.mark.parametrize("ell", LOSSES.values(), ids=lambda ell: ell.name)
def test_every_loss_is_drawn_with_two_outputs_and_positive_loss(ell):
    find_any(resnets(loss=ell, d_y=2), lambda n: loss(n) > 0, 20)


def test_matrices_reach_zero_full_rank_ties_and_fractions():
    two = matrices(2, 2)
    find_any(two, vanishes, 50)
    assert count(lambda a: a.rank() == 2, drawn(two, 100)) >= 50
    assert count(lambda a: a.rank() == 1, drawn(two, 400)) >= 20
    assert len({str(a) for a in drawn(matrices_of_rank(3, 3, 2), 100)}) >= 50
    assert (
        count(lambda q: any(abs(e) not in (0, 1) for e in q.entries()), drawn(orthogonal_matrices(3), 100))
        >= 30
    )
    assert count(lambda t: t.q not in (1, 2, 4, 8), drawn(rationals(), 200)) >= 20


def test_every_defect_of_the_data_is_drawn_before_long():
    small = training_inputs(2, 2, 3, 5)
    find_any(small, lambda t: t[0].rank() < 2 and not vanishes(t[0]), 200)
    find_any(small, lambda t: vanishes(t[1]) and not vanishes(t[0]), 200)
    find_any(small, lambda t: t[2] != Atoms.uniform(t[2].size), 200)
    find_any(small, lambda t: max(t[2].weights.entries()) == 3 * min(t[2].weights.entries()), 300)


def test_dead_units_and_bottlenecks_occur():
    dead = one_hidden_layer_nets("relu")
    assert count(lambda n: all(e <= 0 for e in n.preactivations.entries()), drawn(dead, 200)) >= 10
    assert (
        count(lambda d: min(d.widths) < min(d.widths[0], d.widths[-1]), drawn(deep_linear_maps(), 200)) >= 20
    )
    assert count(lambda b: len(b.layers) == 2, drawn(branches(2, 2), 100)) >= 25
    steps = drawn(resnets(branch="step"), 100)
    assert 10 <= count(lambda n: n.branch.is_locally_constant(n.X), steps) <= 90


def test_what_must_not_occur_does_not():
    assert_no_examples(
        resnets(), lambda n: n.measure.size < 1 or any(w <= 0 for w in n.measure.weights.entries())
    )
    assert_no_examples(planted_minima(), lambda n: n.W.nrows() > n.W.ncols())
    assert_no_examples(rationals(), lambda t: abs(t) > 3 or t.q > fmpq(8))
