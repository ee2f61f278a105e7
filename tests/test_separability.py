"""Is separability decided right, are the critical points of Section 5 what they claim, and minima minima?"""

import itertools
import json
import math
import random

import numpy as np
import pytest
from flint import arb, fmpq, fmpq_mat
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies.feedforward import apply, bias, computation, inputs, run_arrays, weight
from strategies.instance import from_json, to_json
from strategies.matrices import as_floats, matrices, matrix
from strategies.numbers import integers
from strategies.separable import (
    Classifier,
    benign_classifiers,
    bordered,
    encoded_classifiers,
    flat_classifiers,
    inseparable_classifiers,
    labelled_classifiers,
    lattice_classifiers,
    nonnegative_solution,
    paired_classifiers,
    rank_deficient_classifiers,
    relative_slope,
    score_classifiers,
    squared_classifiers,
    stationarity,
)
from verify import REFUTED
from verify.oracles.linear_programs import Infeasible, find_feasible
from verify.oracles.separability import (
    NotSeparable,
    find_lower,
    gradients,
    has_full_column_ranks,
    is_strict_minimum,
    loss,
    margin_bounds,
    output_slopes,
    outputs,
    separators,
    signs_cannot_mix,
    slopes_vanish,
)
from verify.rechecks.nh17_separability import classifier_gradient, one_sided, theorem_5_3_fails
from verify.test_nh17_separability import (
    everywhere,
    is_critical,
    no_critical_point_but_zero_loss,
    no_strict_minimum,
    theorem,
    theorem_for_squares,
    two_labels,
)

# --- separability -------------------------------------------------------------------------------------


def one_versus_rest(classes, m):
    return [[1 if c == j else -1 for j in range(1, m + 1)] for c in classes]


def test_the_middle_class_of_a_line_is_not_separable_although_all_pairs_are():
    x, classes = matrix([[-1], [0], [1]]), [1, 2, 3]
    answer = separators(x, one_versus_rest(classes, 3))
    assert isinstance(answer, NotSeparable)
    assert all(y >= 0 for y in answer.multiplier)
    assert any(answer.multiplier)
    for a, b in itertools.combinations(range(3), 2):
        pair = matrix([x.table()[a], x.table()[b]])
        assert not isinstance(separators(pair, [[1, -1], [-1, 1]]), NotSeparable)
    lifted = matrix([[-1, 1], [0, 0], [1, 1]])  # on a parabola
    assert not isinstance(separators(lifted, one_versus_rest(classes, 3)), NotSeparable)


def test_exclusive_or_is_not_separable_and_the_simplex_is_for_all_labels():
    square = matrix([[0, 0], [1, 1], [0, 1], [1, 0]])
    assert isinstance(separators(square, one_versus_rest([1, 1, 2, 2], 2)), NotSeparable)
    corners = matrix([[0, 0], [1, 0], [0, 1]])
    for classes in itertools.product([1, 2, 3], repeat=3):
        assert not isinstance(separators(corners, one_versus_rest(classes, 3)), NotSeparable)


@settings(max_examples=60)
@given(x=matrices(4, 1, integers(3)), classes=st.lists(st.integers(1, 2), min_size=4, max_size=4))
def test_on_a_line_two_classes_are_separable_iff_no_number_of_one_lies_among_the_other(x, classes):
    found = separators(x, one_versus_rest(classes, 2))
    sides = [[v for v, c in zip(x.entries(), classes, strict=True) if c == k] for k in (1, 2)]
    apart = not all(sides) or max(sides[0]) < min(sides[1]) or max(sides[1]) < min(sides[0])
    assert isinstance(found, NotSeparable) is not apart
    if apart:
        values = bordered(x) * found
        signs = one_versus_rest(classes, 2)
        assert all(values[i, j] * signs[i][j] > 0 for i in range(4) for j in range(2))


# --- planting -----------------------------------------------------------------------------------------


@settings(max_examples=80)
@given(a=matrices(3, 5, integers(3)))
def test_nonnegative_solutions_solve_and_are_missed_only_where_farkas_says_so(a):
    x = nonnegative_solution(a)
    if x is not None:
        assert all(e >= 0 for e in x)
        assert any(x)
        assert not any((a * fmpq_mat(5, 1, x)).entries())
        return
    system = fmpq_mat(4, 5, [*a.entries(), *[1] * 5])
    right = fmpq_mat(4, 1, [0, 0, 0, 1])
    assert isinstance(find_feasible(system, right, [fmpq(0)] * 5, [None] * 5), Infeasible)


PLANTED = {
    "pairs": (paired_classifiers(), 0),
    "pairs, sigmoid": (paired_classifiers(activation="sigmoid", pairs=(2, 2)), 0),
    "pairs, part 1": (paired_classifiers(below=True, pairs=(2, 4)), 1),
    "pairs, one output": (paired_classifiers(outputs=1, middle=True, pairs=(3, 5)), 0),
    "lattice": (lattice_classifiers(), 0),
    "minima": (lattice_classifiers(minima=True), 0),
    "two labels": (encoded_classifiers(), 0),
    "two labels, sigmoid": (encoded_classifiers(activation="sigmoid"), 0),
}


@pytest.mark.parametrize("name", PLANTED)
def test_planted_points_are_critical_separable_and_often_above_the_minimum(name):
    strategy, k = PLANTED[name]
    found = []

    @settings(max_examples=40, database=None)
    @given(strategy)
    def draw(net):
        assert is_critical(net)
        assert not isinstance(separators(net.features(k), net.signs), NotSeparable)
        assert has_full_column_ranks(net, range(k + 2, net.depth + 1))
        assert from_json(json.loads(json.dumps(to_json(net)))) == net
        if loss(net) == 0:
            return
        lower = find_lower(net, k)
        assert lower is not None
        there, least = lower
        assert least < loss(net)
        assert there.stack[:k] == net.stack[:k]
        assert there.Y == net.Y
        assert theorem(net, k).outcome is REFUTED
        assert theorem_5_3_fails(to_json(net), k)
        found.append(net)

    draw()
    assert found


@settings(max_examples=30)
@given(encoded_classifiers())
def test_two_labels_serve_all_samples_which_are_distinct(net):
    assert two_labels(net)
    assert len({tuple(row) for row in net.X.table()}) == net.samples >= 6


@pytest.mark.parametrize(
    "strategy", [inseparable_classifiers(), rank_deficient_classifiers(), flat_classifiers()], ids=str
)
@settings(max_examples=30)
@given(data=st.data())
def test_points_beyond_an_assumption_are_critical_above_the_minimum(strategy, data):
    net = data.draw(strategy)
    assert is_critical(net)
    assert loss(net) > 0
    assert find_lower(net, 0) is not None


@settings(max_examples=30)
@given(score_classifiers())
def test_scores_have_one_class_each(net):
    assert all(sum(s > 0 for s in row) == 1 for row in net.signs)
    assert {*net.Y.entries()} <= {1, -1}


# --- derivatives --------------------------------------------------------------------------------------


def as_computation(net):
    x = inputs(net.X.ncols())
    for w in net.stack:
        x = apply(net.activation, weight(w.ncols(), w.nrows() - 1) @ x + bias(w.ncols()))
    f = computation(x)
    theta = np.zeros(f.parameters)
    for number, w in zip(f.layers, net.stack, strict=True):
        table = as_floats(w)
        for row, column, k in f.steps[number - 1].trained:
            theta[k] = table[column, row]
    return f, theta


def float_loss(net, f, theta):
    values = run_arrays(f, theta[None], as_floats(net.X))[0][0]
    r, s = values - as_floats(net.Y), np.array(net.signs)
    return float((np.where(r * s < 0, r, 0.0) ** 2).sum())


CURVED = ("last layer", "one output", "one weight a row", "a row of two signs")


@settings(max_examples=30)
@given(labelled_classifiers(regimes=CURVED))
def test_gradients_agree_with_differences_of_the_loss_and_with_fractions(net):
    f, theta = as_computation(net)
    exact = [as_floats(g) for g in gradients(net)]
    assert math.isclose(float(loss(net)), float_loss(net, f, theta), rel_tol=1e-12, abs_tol=1e-12)
    step = 1e-6
    for number, g in zip(f.layers, exact, strict=True):
        for row, column, k in f.steps[number - 1].trained:
            e = np.zeros_like(theta)
            e[k] = step
            slope = (float_loss(net, f, theta + e) - float_loss(net, f, theta - e)) / (2 * step)
            assert abs(slope - g[column, row]) <= 1e-4 * (1 + abs(slope))
    flat = [e for g in gradients(net) for e in g.entries()]
    assert [str(e) for e in classifier_gradient(to_json(net), one_sided)] == [str(e) for e in flat]


@settings(max_examples=30)
@given(labelled_classifiers())
def test_stationarity_is_the_gradient_as_a_matrix(net):
    delta = output_slopes(net)
    a = stationarity(net, range(1, net.depth + 1)) * fmpq_mat(net.samples * net.outputs, 1, delta.entries())
    table = [e for l in range(net.depth, 0, -1) for e in gradients(net)[l - 1].entries()]
    assert a.entries() == table


def test_strict_minima_are_lower_than_all_around_them():
    found = []

    @settings(max_examples=60, database=None)
    @given(lattice_classifiers(minima=True))
    def draw(net):
        if no_strict_minimum(net).outcome is REFUTED:
            found.append(net)

    draw()
    assert found
    rng = random.Random(0)
    for net in found[:3]:
        for size in (fmpq(1, 2**14), fmpq(1, 2**20)):
            for _ in range(5):
                moved = [
                    w + fmpq_mat(w.nrows(), w.ncols(), [size * rng.randint(-9, 9) for _ in w.entries()])
                    for w in net.stack
                ]
                assert loss(net.at(tuple(moved))) > loss(net)


@settings(max_examples=20)
@given(paired_classifiers())
def test_no_hessian_is_claimed_where_a_residual_is_zero(net):
    assert is_strict_minimum(net) is None or not any(
        f == y for f, y in zip(outputs(net), net.Y.entries(), strict=True)
    )


# --- the theorem where it holds ------------------------------------------------------------------------


@settings(max_examples=40)
@given(benign_classifiers())
def test_farkas_excludes_every_sign_pattern_in_the_benign_regimes(net):
    k = next((k for k in range(net.depth) if signs_cannot_mix(net, k)), None)
    assert k is not None
    assert no_critical_point_but_zero_loss(net).outcome is not REFUTED


def test_farkas_leaves_slopes_where_units_feed_two_outputs():
    left = []

    @settings(max_examples=40, database=None)
    @given(paired_classifiers())
    def draw(net):
        answer = slopes_vanish(net, 0)
        if isinstance(answer, fmpq_mat):
            left.append(net)
            assert any(answer.entries())
            assert not any(gradients(net, answer)[0].entries())
            flat = [s for row in net.signs for s in row]
            assert all(s * e <= 0 for s, e in zip(flat, answer.entries(), strict=True))

    draw()
    assert left


@settings(max_examples=40)
@given(labelled_classifiers(("softsign", "tanh"), regimes=("last layer", "one weight a row")))
def test_the_margin_bound_in_balls_agrees_with_exact_gradients(net):
    k = net.depth - 1
    pairs = margin_bounds(net, k)
    if pairs is None or net.activation == "tanh":
        return
    g = gradients(net)[k]
    for j, (bound, square) in enumerate(pairs):
        exact = sum((g[a, j] * g[a, j] for a in range(g.nrows())), fmpq(0))
        assert square.overlaps(arb(exact))
        assert bound <= square.upper()


# --- the points of the catalogue -----------------------------------------------------------------------


def test_seven_samples_with_invertible_weights():
    """The counterexample found first: sigmoid, W_1 = I, every gradient zero with the signs of the classes."""
    alpha = (0, 5937238238724096, 1176891204848966496, 3328520919555696561, 1513542271309820841,
             1586268268954180440, 2230292950589813760)  # fmt: skip
    beta = (225687320850189880, 0, 1396641287460432280, 2185153191830796726, 370174543584921006,
            758741937027192120, 1402766618662825440)  # fmt: skip
    classes = [2, 2, 1, 2, 1, 2, 1]
    net = Classifier(
        activation="sigmoid",
        X=matrix([[0, -5], [0, 0], [0, 5], [1, 3], [1, 5], [5, -4], [5, -2]]),
        classes=matrix([[c] for c in classes]),
        stack=(matrix([[1, 0], [0, 1], [0, 0]]), matrix([[1, 1], [2, 3], ["-3/2", -2]])),
        Y=None,
    )
    s = [1 if c == 1 else -1 for c in classes]
    delta = matrix([[-s[i] * alpha[i], s[i] * beta[i]] for i in range(7)])
    assert not any(e for g in gradients(net, delta) for e in g.entries())
    assert not isinstance(separators(net.X, net.signs), NotSeparable)
    assert has_full_column_ranks(net, range(1, 3))
    assert isinstance(slopes_vanish(net, 0), fmpq_mat)


def test_four_samples_by_hand():
    """(0, ±1), (1, ±1), the class is the sign of x_2; layer 1 is (0, t), W_2 = [[1, 1], [1, 4]].

    σ′(0) = 1 and σ′(1) = 1/4. With slopes ∓1 of output 1 at t = 0 and ±1 of output 2 at t = 1, what is left
    of the gradient is 2 (−1 + 1) for hidden unit 1 and 2 (−1 + 4 / 4) for hidden unit 2.
    """
    net = Classifier(
        activation="softsign",
        X=matrix([[0, 1], [0, -1], [1, 1], [1, -1]]),
        classes=matrix([[1], [2], [1], [2]]),
        stack=(matrix([[0, 1], [0, 0], [0, 0]]), matrix([[1, 1], [1, 4], [0, 0]])),
        Y=matrix([["1/2", 0], ["-1/2", 0], ["1/3", 0], ["1/3", 0]]),
    )
    delta = matrix([[-1, 0], [1, 0], [0, 1], [0, -1]])
    assert not any(e for g in gradients(net, delta) for e in g.entries())
    f = net.features(2)
    assert [str(e) for e in f.entries()] == ["0", "0", "0", "0", "1/3", "2/3", "1/3", "2/3"]
    bend = relative_slope(net.sigma, fmpq(2))
    third = fmpq(1, 2) / bend / 9
    y = matrix([["1/18", 0], ["-1/18", 0], ["1/3", fmpq(2, 3) - third], ["1/3", fmpq(2, 3) + third]])
    at = Classifier(activation="softsign", X=net.X, classes=net.classes, stack=net.stack, Y=y)
    assert is_critical(at)
    assert loss(at) > 0
    assert theorem(at, 0).outcome is REFUTED
    assert everywhere(at).outcome is REFUTED


@settings(max_examples=20)
@given(squared_classifiers(activation="sigmoid"))
def test_squared_losses_have_critical_points_above_two_levels(net):
    assert all(0 < y < 1 for y in net.Y.entries())
    assert theorem_for_squares(net).outcome is REFUTED
