"""Whether false claims shrink to the smallest instances known, in exact small numbers."""

from __future__ import annotations

from flint import fmpq, fmpq_mat
from hypothesis import strategies as st

from strategies.critical import critical_points, planted_critical_points, planted_minima
from strategies.datasets import Atoms, training_inputs
from strategies.losses import huber, squared
from strategies.matrices import (
    identity,
    matrices,
    matrices_of_rank,
    matrices_with_singular_values,
    matrix,
    orthogonal_matrices,
)
from strategies.networks import branches, deep_linear_maps, one_hidden_layer_nets, resnet, resnets
from strategies.numbers import among, between, dyadics, integers, rationals
from tests.debug import minimal
from verify.oracles.landscape import (
    basis_infimum,
    find_descent,
    is_basis_optimal,
    is_certified_minimum,
    is_critical,
    loss,
    vanishes,
)


def numbers_of(net):
    """How much there is to read: every number of the instance."""
    return [e for a in (net.X, net.Z, net.Y, net.W, net.V) for e in a.entries()]


# --- numbers and matrices ----------------------------------------------------------------------------


def test_numbers_shrink_to_zero_and_to_the_simplest_that_is_left():
    assert minimal(integers(5)) == 0
    assert minimal(integers(5), lambda k: k != 0) == 1
    assert minimal(between(2, 7)) == 2
    assert minimal(among("a", "b", "c"), lambda x: x != "a") == "b"
    assert minimal(dyadics()) == 0
    assert minimal(dyadics(), lambda t: t > 1) == 2
    assert minimal(dyadics(), lambda t: t.q > 1) == fmpq(1, 2)
    assert minimal(rationals()) == 0
    assert minimal(rationals(), lambda t: t.q == 3) == fmpq(1, 3)


def test_matrices_shrink_to_zero_and_to_a_single_one():
    assert minimal(matrices(2, 3)) == fmpq_mat(2, 3)
    least = minimal(matrices(2, 3), lambda a: a.rank() > 0)
    assert sorted(least.entries()) == [0, 0, 0, 0, 0, 1]


def test_matrices_of_a_rank_shrink_to_a_partial_identity():
    assert minimal(matrices_of_rank(3, 2, 2)) == matrix([[1, 0], [0, 1], [0, 0]])
    assert minimal(matrices_of_rank(2, 3, 1)) == matrix([[1, 0, 0], [0, 0, 0]])
    assert minimal(matrices_of_rank(2, 2, 0)) == fmpq_mat(2, 2)
    assert minimal(orthogonal_matrices(3)) == identity(3)
    assert minimal(matrices_with_singular_values(2, 2, [2, 1])) == matrix([[2, 0], [0, 1]])


@st.composite
def products(draw):
    m, k, n = (draw(between(1, 3)) for _ in range(3))
    return draw(matrices(m, k)), draw(matrices(k, n))


def test_the_rank_of_a_product_shrinks_to_two_units():
    """rank(AB) = min(rank A, rank B) fails first for [1 0] [0 1]ᵀ or its mirror image."""
    a, b = minimal(products(), lambda p: (p[0] * p[1]).rank() < min(p[0].rank(), p[1].rank()))
    assert (a.nrows(), a.ncols(), b.ncols()) == (1, 2, 1)
    assert sorted(a.entries()) == sorted(b.entries()) == [0, 1]
    assert a * b == matrix([[0]])


# --- data and networks -------------------------------------------------------------------------------


def test_data_shrink_to_one_zero_sample_without_a_defect():
    x, z, measure = minimal(training_inputs(2, 1, 1, 5))
    assert (x, z, measure) == (fmpq_mat(1, 2), fmpq_mat(1, 1), Atoms.uniform(1))
    x, z, measure = minimal(training_inputs(1, 1, 1, 5), lambda t: t[2] != Atoms.uniform(t[2].size))
    assert (x, z) == (fmpq_mat(2, 1), fmpq_mat(2, 1))
    assert sorted(measure.weights.entries()) == [fmpq(1, 3), fmpq(2, 3)]


def test_samples_can_be_deleted_whatever_was_drawn():
    """What matters is one sample with x = 2; all others disappear, wherever it stood."""
    x, z, _ = minimal(training_inputs(1, 2, 1, 7), lambda t: any(e == 2 for e in t[0].entries()))
    assert (x, z) == (matrix([[2]]), fmpq_mat(1, 2))


def test_networks_shrink_to_one_by_one_zeros():
    zero = resnet([[0]], [[0]], [[0]], [[0]], [[0]])
    assert minimal(resnets()) == zero
    assert minimal(resnets(loss=huber)).loss is huber
    assert minimal(planted_minima()) == zero
    assert minimal(critical_points()) == zero
    usual = minimal(resnets(bias="usual"))
    assert (usual.X, usual.b) == (matrix([[0]]), matrix([[0]]))


def test_other_architectures_shrink_to_zeros():
    assert minimal(branches(2, 1, "relu")).layers[0].weight == fmpq_mat(1, 2)
    assert [w.entries() for w in minimal(deep_linear_maps()).weights] == [[0], [0]]
    net = minimal(one_hidden_layer_nets())
    assert all(vanishes(a) and a.nrows() == a.ncols() == 1 for a in (net.X, net.Y, net.W1, net.W2))


def test_a_class_of_networks_shrinks_to_its_simplest_member():
    net = minimal(resnets(), lambda n: 0 < n.W.rank() < n.W.nrows())
    assert matrix([[1, 0], [0, 0]]) == net.W
    assert vanishes(net.X)
    assert vanishes(net.V)
    assert net.X.nrows() == 1


# --- false claims ------------------------------------------------------------------------------------


def test_critical_is_minimal_shrinks_to_one_sample():
    """Catalogue, section 3: X = 0, Z = 1, W = V = 0 and Y = −1, here with a label of half that size.

    Not from every seed: x + V z = 0 may stay as 1 − 1, and Z = 1 as the bias of a branch.
    """

    def refutes(net):
        return is_critical(net) and not is_basis_optimal(net)

    smallest = resnet([[0]], [[1]], [["-1/2"]], [[0]], [[0]])
    for points in (critical_points(squared), planted_critical_points(squared), planted_critical_points()):
        found = [minimal(points, refutes, seed=seed) for seed in range(4)]
        assert sum(net == smallest for net in found) >= 2
        for net in found:
            assert (net.X.nrows(), net.X.ncols(), net.W) == (1, 1, matrix([[0]]))
            assert (net.loss, net.Y) == (squared, matrix([["-1/2"]]))
            assert find_descent(net, fmpq(1, 2**60)) is not None


def test_every_local_minimum_is_optimal_without_a1_shrinks_to_two_samples():
    """Catalogue, section 3: d_y = 2, d_x = d_z = 1, X = (0, 1), Z = (1, 0), W = (0, 2), V = 0."""

    def refutes(net):
        return not is_basis_optimal(net) and is_certified_minimum(net) is not None

    wider = planted_critical_points(
        squared, scale=(-4, 0), d_y=2, extra_inputs=-1, extra_residuals=-1, rank="full", determined=True
    )
    for seed in range(3):
        net = minimal(wider, refutes, seed=seed)
        assert (matrix([[0], [1]]), matrix([[1], [0]]), matrix([[0]])) == (net.X, net.Z, net.V)
        assert (matrix([[1], [0]]), matrix([[0, "-1/2"], [1, 0]])) == (net.W, net.Y)
        assert loss(net) > basis_infimum(net).upper


def test_l_equals_the_linear_optimum_shrinks_to_one_sample():
    """A minimum with L < L*_x needs one sample with x = 0, z = 1 or, with x ≠ 0, two."""

    def refutes(net):
        return loss(net) < basis_infimum(net, "x").lower

    found = [minimal(planted_minima(squared), refutes, seed=seed) for seed in range(4)]
    for net in found:
        assert net.X.nrows() <= 2
        assert sum(map(abs, numbers_of(net)), fmpq(0)) <= 8
    assert any(
        net.X.ncols() == net.Z.ncols() == net.W.nrows() == 1 for net in found
    )  # dimensions can be stuck


def test_improvement_is_certain_shrinks_to_zeros():
    """L*_{x,z} < L*_x fails already where everything is 0."""
    net = minimal(planted_minima(squared), lambda n: loss(n) == basis_infimum(n, "x").lower)
    assert net == resnet([[0]], [[0]], [[0]], [[0]], [[0]])


def test_minima_fit_every_sample_shrinks_to_two_equal_inputs():
    """L = 0 at minima fails first where no sample can be fitted: x = z = 0 and a label of least size."""
    net = minimal(planted_minima(squared), lambda n: loss(n) > 0)
    assert net.X.nrows() == 1
    assert sum(map(abs, numbers_of(net)), fmpq(0)) == fmpq(1, 2)
