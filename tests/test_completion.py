"""Are the certified minima of completions minima, is the descent lower, and do the thin chains rise?"""

from dataclasses import replace

import numpy as np
import pytest
from flint import fmpq, fmpq_mat
from hypothesis import HealthCheck, given, settings

from strategies.completion import (
    EntrywiseProblem,
    cyclic_completions,
    full_completions,
    planted_entrywise_points,
    split_completions,
    thin_chains,
)
from strategies.instance import from_json, to_json
from strategies.matrices import as_floats, matrix, zeros
from verify.oracles.completion import (
    certified_completion,
    find_lower,
    find_lower_thin,
    is_at_shallow_minimum,
    is_critical,
    is_entrywise_minimum,
    is_thin_minimum,
    loss,
    satisfies_theorem_3_2,
    settled_completion,
    shallow_minimum_value,
)
from verify.rechecks.lk17_remarks import (
    bad_minimum_in_spite_of_theorem_3_2,
    completion_has_a_bad_minimum,
    completion_is_stuck,
)

few = settings(
    max_examples=60, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


def completion(mask, u, v, a, b):
    n, m = len(u), len(v)
    return EntrywiseProblem(
        weights=(matrix([b]), matrix([[e] for e in a])),
        targets=matrix([[x * y for y in v] for x in u]),
        absolute=zeros(n, m), squares=matrix(mask), quartics=zeros(n, m),
    )  # fmt: skip


SMALL = [
    completion([[1, 1, 0], [0, 1, 1], [1, 0, 1]], [1, 5, 3], [2, 5, 1], [1, 5, -3], [2, 5, -1]),
    completion(
        [[1, 1, 0, 0], [1, 1, 0, 1], [0, 0, 1, 1], [0, 1, 1, 1]],
        [2, 1, 2, 1], [2, 1, 2, 1], [2, 1, -2, -1], [2, 1, -2, -1],
    ),
]  # fmt: skip
"""Six observed entries of a 3 × 3 matrix of rank one, and ten of a 4 × 4 one."""


@pytest.mark.parametrize("p", SMALL, ids=["3x3", "4x4"])
def test_bad_minima_of_completions(p):
    found = certified_completion(p)
    assert found is not None
    assert found.value > 1
    assert completion_has_a_bad_minimum(to_json(p))
    full = replace(p, squares=matrix([[1] * p.targets.ncols()] * p.targets.nrows()))
    assert not completion_has_a_bad_minimum(to_json(full))


def test_the_notebook_value_of_the_four_by_four():
    assert abs(float(certified_completion(SMALL[1]).value.mid()) / 2 - 3.0972) < 1e-4


@pytest.mark.parametrize("p", SMALL, ids=["3x3", "4x4"])
def test_no_lower_point_is_sampled_around(p):
    found = certified_completion(p)
    a, b = (np.array([float(e.mid()) for e in part]) for part in (found.a, found.b))
    mask, Y = as_floats(p.squares), as_floats(p.targets)
    rng = np.random.default_rng(0)
    here = (mask * (np.outer(a, b) - Y) ** 2).sum()
    for scale in (1e-3, 1e-2):
        for _ in range(2000):
            da, db = scale * rng.normal(size=len(a)), scale * rng.normal(size=len(b))
            assert (mask * (np.outer(a + da, b + db) - Y) ** 2).sum() >= here - 1e-12 * (1 + here)


def test_the_second_opinion_agrees():
    """Both follow W downhill in ways of their own and prove what they reach: seldom different minima."""
    proven, confirmed = [], []

    @few
    @given(cyclic_completions() | full_completions())
    def compare(p):
        found = certified_completion(p)
        if found is not None:
            proven.append(p)
            confirmed.append(completion_has_a_bad_minimum(to_json(p)) == bool(found.value > 0))

    compare()
    assert len(proven) >= 10
    assert sum(confirmed) >= 0.9 * len(proven)


HOOK = completion([[1, 1], [1, 0]], [1, 0], [1, 0], [0, 1], [0, 2])
"""f = (a₁ b₁ − 1)² + (a₁ b₂)² + (a₂ b₁)² >= 1 + 2 |a₁ b₁| (|a₂ b₂| − 1) at a = (0, 1), b = (0, 2)."""


def test_three_entries_of_a_two_by_two_matrix():
    assert settled_completion(HOOK) == 1
    assert completion_is_stuck(to_json(HOOK))
    for last in ([0, 1], [0, 0], [1, 2], [0, fmpq(1, 2)]):
        p = replace(HOOK, weights=(matrix([[0, 1]]), matrix([[e] for e in last])))
        assert settled_completion(p) is None
        assert not completion_is_stuck(to_json(p))


def test_settled_without_free_lines():
    exact = completion([[1, 1], [1, 1]], [1, 2], [1, 3], [1, 2], [1, 3])
    assert settled_completion(exact) == 0
    assert settled_completion(replace(exact, targets=exact.targets * 2)) is None
    apart = completion([[1, 0], [0, 1]], [1, 2], [1, 3], [1, 2], [1, 3])  # two scales, only one of them held
    assert settled_completion(apart) is None


@few
@given(split_completions() | split_completions(most=4, all_but_one=True) | split_completions(3, noise=True))
def test_settled_points_have_no_lower_point_nearby(p):
    value = settled_completion(p)
    low = p.targets.rank() == 1
    assert completion_is_stuck(to_json(p)) == (low and value is not None and value > 0)
    if value is None:
        return
    assert value == loss(p)
    rng = np.random.default_rng(2)
    a, b = as_floats(p.weights[-1]).ravel(), as_floats(p.weights[0]).ravel()
    mask, Y = as_floats(p.squares), as_floats(p.targets)
    da, db = (1e-2 * rng.normal(size=(3000, len(line))) for line in (a, b))
    residual = mask * ((a + da)[:, :, None] * (b + db)[:, None, :] - Y)
    assert (residual**2).sum(axis=(1, 2)).min() >= float(value) - 1e-12


@few
@given(
    planted_entrywise_points("convex")
    | planted_entrywise_points("signed")
    | planted_entrywise_points("masked")
)
def test_planted_points_are_critical_and_descent_descends(p):
    assert is_critical(p)
    assert from_json(to_json(p)) == p
    if is_at_shallow_minimum(p) is False:
        for radius in (fmpq(1), fmpq(1, 2**40)):
            there = find_lower(p, radius)
            assert loss(there) < loss(p)
            moves = zip(p.weights, there.weights, strict=True)
            assert all(abs(e) <= radius for w, x in moves for e in (x - w).entries())


@few
@given(thin_chains() | thin_chains(middle=(0,)))
def test_thin_minima_have_no_lower_point_nearby(p):
    if is_thin_minimum(p) is None:
        return
    rng = np.random.default_rng(1)
    for _ in range(30):
        moved = [
            w
            + fmpq_mat(w.nrows(), w.ncols(), rng.integers(-9, 10, w.nrows() * w.ncols()).tolist())
            * fmpq(1, 10**4)
            for w in p.weights
        ]
        assert loss(replace(p, weights=tuple(moved))) >= loss(p)


@few
@given(thin_chains() | thin_chains("convex", middle=(0, 2), fitted=True))
def test_a_lower_point_of_a_thin_chain_is_near_and_lower(p):
    if is_thin_minimum(p) is not None:
        assert find_lower_thin(p, fmpq(1, 2**20)) is None
    elif (there := find_lower_thin(p, fmpq(1, 2**20))) is not None:
        assert loss(there) < loss(p)
        moves = zip(p.weights, there.weights, strict=True)
        assert all(abs(e) <= fmpq(1, 2**20) for w, x in moves for e in (x - w).entries())


@pytest.mark.parametrize(("c", "a", "b", "e", "minimal"), [
    (1, -9, 0, 0, True), (0, 1, -1, 0, True), (0, 0, 1, 0, True), (0, 0, 0, 0, True), (0, 0, -1, 0, False),
    (0, -1, 1, 0, False), (0, -2, 1, 1, True), (0, 2, -1, 1, False), (4, -2, 0, 1, False), (0, 0, 0, 1, True),
    (0, 0, 1, 1, False), (1, 0, 0, -1, False), (8, -6, 1, 1, False), (-8, 6, -1, 1, False),
])  # fmt: skip
def test_minima_of_one_entry(c, a, b, e, minimal):
    one = {k: matrix([[x]]) for k, x in (("absolute", c), ("squares", a), ("quartics", b))}
    assert (
        is_entrywise_minimum(EntrywiseProblem(weights=(matrix([[e]]),), targets=zeros(1, 1), **one))
        is minimal
    )


def test_a_bad_minimum_where_theorem_3_2_holds():
    column = [[0], [1]]
    p = EntrywiseProblem(
        weights=(matrix([[1], [0]]), matrix([[0, 1]]), matrix([[1], [0]])), targets=matrix(column),
        absolute=matrix([[1], [1]]), squares=zeros(2, 1), quartics=zeros(2, 1),
    )  # fmt: skip
    assert satisfies_theorem_3_2(p)
    assert satisfies_theorem_3_2(p, merged=True) is False
    assert is_thin_minimum(p)
    assert (shallow_minimum_value(p), loss(p)) == (0, 1)
    assert bad_minimum_in_spite_of_theorem_3_2(to_json(p))
    assert not bad_minimum_in_spite_of_theorem_3_2(
        to_json(replace(p, weights=(p.weights[0], p.weights[1] * 0, p.weights[2] * 0)))
    )


def test_messages():
    with pytest.raises(ValueError, match="absolute is 1 x 1 where 2 x 1 is needed"):
        EntrywiseProblem(
            weights=(zeros(2, 1),),
            targets=zeros(2, 1),
            absolute=zeros(1, 1),
            squares=zeros(2, 1),
            quartics=zeros(2, 1),
        )
