"""Do the overparameterised networks keep their promises, reach what they name, and shrink to one unit?"""

from dataclasses import replace

import pytest
from flint import fmpq
from hypothesis import strategies as st

from strategies.feedforward import AtKink
from strategies.losses import cross_entropy, smoothed_hinge, squared
from strategies.matrices import matrices, rows
from strategies.overparameterised import (
    deep_relu_networks,
    features,
    interpolating,
    overparameterised_networks,
    raw_inputs,
    separation,
    unit_vectors,
)
from tests.debug import assert_all_examples, find_any, minimal
from verify.oracles.feedforward import output_slopes


def epsilon_of(net):
    return net.theta[net.X.ncols() - 1, 0] + 1


def is_normalised(net):
    return all(sum(e * e for e in row) == 1 for row in raw_inputs(net).table())


def test_unit_vectors_are_exact():
    vectors = st.integers(1, 4).flatmap(unit_vectors)
    assert_all_examples(vectors, lambda v: sum(e * e for e in v) == 1)


def test_networks_of_example_2_have_separated_inputs_and_full_rank():
    def keeps_its_promise(net):
        m, raw = net.X.nrows(), raw_inputs(net)
        return (
            is_normalised(net)
            and all(row[-1] == 1 for row in net.X.table())
            and 0 < epsilon_of(net) < separation(raw)
            and net.computation.widths[1] >= m
            and features(net).rank() == m
        )

    assert_all_examples(overparameterised_networks(samples=(1, 4)), keeps_its_promise)


@pytest.mark.parametrize("loss", [squared, smoothed_hinge, cross_entropy], ids=lambda loss: loss.name)
def test_fitted_networks_have_the_least_loss_at_every_sample(loss):
    nets = overparameterised_networks(fitted=True, loss=loss, d_y=2)
    assert_all_examples(nets, lambda net: not any(output_slopes(net).entries()), 100)


@pytest.mark.parametrize(
    ("nets", "gives_up"),
    [
        (
            overparameterised_networks(kind="repeated", samples=(2, 3)),
            lambda net: is_normalised(net) and separation(raw_inputs(net)) == 0,
        ),
        (
            overparameterised_networks(kind="any"),
            lambda net: 0 < epsilon_of(net) < separation(raw_inputs(net)),
        ),
        (
            overparameterised_networks(epsilon="double", samples=(2, 3)),
            lambda net: 1 < epsilon_of(net) / separation(raw_inputs(net)) < 2,
        ),
        (
            overparameterised_networks(extra=(-1, -1), samples=(2, 3)),
            lambda net: net.computation.widths[1] == net.X.nrows() - 1,
        ),
    ],
    ids=["distinct", "normalised", "epsilon", "n >= m"],
)
def test_each_neighbour_gives_up_one_assumption(nets, gives_up):
    assert_all_examples(nets, gives_up, 100)


def test_wide_networks_are_smooth_and_can_interpolate():
    def fits(net):
        there = interpolating(net)
        smooth = net.outputs.value.ncols() == net.X.nrows()
        return smooth and there.H == net.Y and features(there).rank() == net.X.nrows()

    nets = deep_relu_networks(samples=(1, 3), hidden=(1, 3))
    labelled = st.tuples(nets, matrices(3, 1)).map(
        lambda pair: replace(pair[0], Y=rows(pair[1], range(pair[0].X.nrows())))
    )
    assert_all_examples(labelled, fits, 100)


def test_interpolation_refuses_inputs_that_cannot_be_told_apart():
    net = minimal(overparameterised_networks(kind="repeated", samples=(2, 2)))
    with pytest.raises(ValueError, match="distinct unit vectors"):
        interpolating(net)


def test_degenerate_classes_occur():
    prescribed = overparameterised_networks()
    find_any(prescribed, lambda net: len(net.computation.layers) == 4 and net.X.nrows() == 3)
    find_any(prescribed, lambda net: raw_inputs(net).ncols() == 1 and net.X.nrows() == 2)
    find_any(overparameterised_networks(diagonal="nonzero"), lambda net: features(net).rank() == 0)
    find_any(deep_relu_networks(), lambda net: all(net.outputs.silent))
    find_any(deep_relu_networks(), lambda net: features(net).rank() == net.X.nrows() == 2)


def test_at_depth_two_the_diagonal_weights_are_a_kink_of_all_weights_together():
    def is_at_kink(net):
        try:
            return net.J is None
        except AtKink:
            return True

    found = minimal(overparameterised_networks(extra=(0, 0)), is_at_kink)
    assert (found.X.nrows(), len(found.computation.layers)) == (2, 3)


def test_shrinking_ends_at_one_sample_and_one_unit():
    smallest = minimal(overparameterised_networks())
    assert smallest.computation.widths == (2, 1, 1, 1)
    assert smallest.theta.entries() == [1, 0, 0]
    assert epsilon_of(smallest) == fmpq(1)
    dead = minimal(deep_relu_networks(), lambda net: all(net.outputs.silent))
    assert dead.computation.parameters == 3
