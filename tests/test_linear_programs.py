"""Is the exact simplex method right, and are its certificates proofs by themselves?"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from flint import fmpq, fmpq_mat
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies.matrices import as_floats, matrices, matrix
from verify.oracles.linear_programs import (
    Feasible,
    Infeasible,
    NotSeparable,
    Optimum,
    Separator,
    Unbounded,
    dual_bound,
    find_feasible,
    minimise_linear,
    separate,
)


def fraction(a: fmpq) -> Fraction:
    return Fraction(int(a.p), int(a.q))


def table(a: fmpq_mat) -> list[list[Fraction]]:
    return [[fraction(e) for e in row] for row in a.table()] if a.nrows() else []


def dot(a, b):
    return sum((x * y for x, y in zip(a, b, strict=True)), Fraction(0))


def holds(x, a, b, lower, upper) -> bool:
    """Feasibility in the standard library's fractions: no code shared with the oracle."""
    x = [fraction(e) for e in x]
    inside = all(
        (low is None or fraction(low) <= e) and (high is None or e <= fraction(high))
        for e, low, high in zip(x, lower, upper, strict=True)
    )
    return inside and [dot(row, x) for row in table(a)] == [fraction(e) for e in b.entries()]


def least_over_box(slopes, lower, upper):
    """inf slopes·x over the box; None for −∞."""
    total = Fraction(0)
    for s, low, high in zip(slopes, lower, upper, strict=True):
        end = low if s > 0 else high
        if s and end is None:
            return None
        total += s * fraction(end) if s else 0
    return total


@st.composite
def programs(draw):
    """min c·x, a x = b, bounds with every pattern of infinities; feasible about half of the time."""
    k, n = draw(st.integers(0, 4)), draw(st.integers(1, 5))
    a = draw(matrices(k, n))
    lower, upper = [], []
    for _ in range(n):
        kind = draw(st.sampled_from(["above", "box", "free", "below", "fixed"]))
        low = fmpq(draw(st.integers(-2, 2)))
        lower.append(None if kind in ("free", "below") else low)
        width = 0 if kind == "fixed" else draw(st.integers(0, 3))
        upper.append(None if kind in ("free", "above") else low + width)
    x = draw(matrices(n, 1))
    b = a * x if draw(st.booleans()) else draw(matrices(k, 1))
    c = [fmpq(e) for e in draw(st.lists(st.integers(-3, 3), min_size=n, max_size=n))]
    return c, a, b, lower, upper


@settings(max_examples=150, deadline=None)
@given(programs())
def test_every_answer_is_a_proof_and_agrees_with_highs(program):
    c, a, b, lower, upper = program
    answer = minimise_linear(c, a, b, lower, upper)
    objective = [fraction(e) for e in c]
    if isinstance(answer, Optimum):
        assert holds(answer.point, a, b, lower, upper)
        y = [fraction(e) for e in answer.dual]
        slopes = [
            ci - dot(y, col)
            for ci, col in zip(objective, table(a.transpose()) or [[]] * len(c), strict=True)
        ]
        bound = least_over_box(slopes, lower, upper)
        assert dot(y, [fraction(e) for e in b.entries()]) + bound == fraction(answer.value)
        assert dot(objective, [fraction(e) for e in answer.point]) == fraction(answer.value)
    elif isinstance(answer, Unbounded):
        assert holds(answer.point, a, b, lower, upper)
        far = [p + 1000 * r for p, r in zip(answer.point, answer.ray, strict=True)]
        assert holds(far, a, b, lower, upper)
        assert dot(objective, [fraction(e) for e in answer.ray]) < 0
    else:
        y = [fraction(e) for e in answer.multiplier]
        slopes = [-dot(y, col) for col in table(a.transpose()) or [[]] * len(c)]
        assert dot(y, [fraction(e) for e in b.entries()]) + least_over_box(slopes, lower, upper) > 0
    # the verdict, and the value, as HiGHS finds them in floats
    from scipy.optimize import linprog

    bounds = [
        (None if low is None else float(low.p), None if u is None else float(u.p))
        for low, u in zip(lower, upper, strict=True)
    ]
    has_rows = a.nrows() > 0
    reference = linprog(
        [float(e.p) for e in c],
        A_eq=as_floats(a) if has_rows else None,
        b_eq=as_floats(b).ravel() if has_rows else None,
        bounds=bounds,
        options={"presolve": False},  # presolve may answer "infeasible or unbounded"
    )
    kind = {0: Optimum, 2: Infeasible, 3: Unbounded}[reference.status]
    assert isinstance(answer, kind)
    if isinstance(answer, Optimum):
        assert abs(float(fraction(answer.value)) - reference.fun) <= 1e-7
    feasible = find_feasible(a, b, lower, upper)
    assert isinstance(feasible, Infeasible) == isinstance(answer, Infeasible)


@settings(max_examples=60, deadline=None)
@given(programs(), st.lists(st.integers(-2, 2), min_size=4, max_size=4))
def test_no_dual_proves_more_than_the_optimum(program, y):
    c, a, b, lower, upper = program
    answer = minimise_linear(c, a, b, lower, upper)
    bound = dual_bound(c, a, b, lower, upper, [fmpq(e) for e in y[: a.nrows()]])
    if isinstance(answer, Optimum):
        assert bound is None or bound <= answer.value
    elif isinstance(answer, Unbounded):
        assert bound is None


def test_beales_cycling_example_ends():
    """The largest-coefficient rule cycles here for ever (Beale 1955); the optimum is −1/20."""
    a = matrix(
        [["1/4", -60, "-1/25", 9, 1, 0, 0], ["1/2", -90, "-1/50", 3, 0, 1, 0], [0, 0, 1, 0, 0, 0, 1]]
    )
    c = [fmpq(-3, 4), fmpq(150), fmpq(-1, 50), fmpq(6), fmpq(0), fmpq(0), fmpq(0)]
    answer = minimise_linear(c, a, matrix([[0], [0], [1]]), [fmpq(0)] * 7, [None] * 7)
    assert isinstance(answer, Optimum)
    assert answer.value == fmpq(-1, 20)


def test_chvatals_cycling_example_ends():
    """Largest coefficients with smallest indices among ties cycle here (Chvátal 1983, page 31)."""
    a = matrix([["-1/2", "11/2", "5/2", -9], ["-1/2", "3/2", "1/2", -1], [-1, 0, 0, 0]])
    c = [fmpq(-10), fmpq(57), fmpq(9), fmpq(24)]
    answer = minimise_linear(c, a, matrix([[0], [0], [-1]]), [fmpq(0)] * 4, [None] * 4, upto=[None] * 3)
    assert isinstance(answer, Optimum)
    assert answer.value == -1


def test_klee_and_mintys_cube():
    """max Σ 2^(n−j) x_j over the deformed cube Σ_{i<j} 2^(j−i+1) x_i + x_j <= 5^j: the optimum is 5^n."""
    n = 6
    a = matrix([[2 ** (j - i + 1) if i < j else int(i == j) for i in range(n)] for j in range(n)])
    zero = fmpq_mat(n, 1)
    c = [fmpq(-(2 ** (n - 1 - j))) for j in range(n)]
    upto = [fmpq(5 ** (j + 1)) for j in range(n)]
    answer = minimise_linear(c, a, zero, [fmpq(0)] * n, [None] * n, upto=upto)
    assert isinstance(answer, Optimum)
    assert answer.value == -(5**n)


def test_row_ranges():
    """1 <= x + y <= 2 with x, y free: the least x + y is 1, the greatest 2, and x − y has no bound."""
    a, b, free = matrix([[1, 1]]), matrix([[1]]), [None, None]
    least = minimise_linear([fmpq(1), fmpq(1)], a, b, free, free, upto=[fmpq(2)])
    greatest = minimise_linear([fmpq(-1), fmpq(-1)], a, b, free, free, upto=[fmpq(2)])
    assert (least.value, greatest.value) == (1, -2)
    assert isinstance(minimise_linear([fmpq(1), fmpq(-1)], a, b, free, free, upto=[fmpq(2)]), Unbounded)
    assert isinstance(minimise_linear([fmpq(-1), fmpq(-1)], a, b, free, free, upto=[None]), Unbounded)
    empty = find_feasible(a, b, free, [fmpq(0), fmpq(0)], upto=[None])
    assert isinstance(empty, Infeasible)
    assert empty.multiplier[0] > 0


def test_inequalities_too_close_for_floats():
    """x <= 1 and x >= 1 + 10^-30: infeasible; with 1 in place of 1 + 10^-30, only x = 1."""
    a, b = matrix([[1]]), fmpq_mat(1, 1, [fmpq(10**30 + 1, 10**30)])
    assert isinstance(find_feasible(a, b, [None], [fmpq(1)], upto=[None]), Infeasible)
    found = find_feasible(a, matrix([[1]]), [None], [fmpq(1)], upto=[None])
    assert isinstance(found, Feasible)
    assert found.point == [1]


def test_bad_programs_are_named():
    one = matrix([[1]])
    with pytest.raises(ValueError, match="empty"):
        find_feasible(one, one, [fmpq(1)], [fmpq(0)])
    with pytest.raises(ValueError, match="empty"):
        find_feasible(one, one, [None], [None], upto=[fmpq(0)])
    with pytest.raises(ValueError, match="with 2 and 1 bounds"):
        find_feasible(one, one, [None, None], [None])
    with pytest.raises(ValueError, match="objective"):
        minimise_linear([], one, one, [None], [None])


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_separability_with_a_proof_either_way(data):
    m, p = data.draw(st.integers(1, 7)), data.draw(st.integers(0, 3))
    features = data.draw(matrices(m, p))
    planted = data.draw(matrices(p, 1))
    scores = (features * planted).entries()
    if data.draw(st.booleans()) and all(scores):
        labels = fmpq_mat(m, 1, [int(e > 0) for e in scores])
        assert isinstance(separate(features, labels), Separator)
    else:
        labels = fmpq_mat(m, 1, data.draw(st.lists(st.integers(0, 1), min_size=m, max_size=m)))
    answer = separate(features, labels)
    rows, signs = table(features), [2 * int(y.p) - 1 for y in labels.entries()]
    if isinstance(answer, Separator):
        r = [fraction(e) for e in answer.r]
        assert all(s * dot(row, r) > 0 for row, s in zip(rows, signs, strict=True))
    else:
        y = [fraction(e) for e in answer.multiplier]
        assert min(y) >= 0 < max(y)
        assert all(
            dot([t * s for t, s in zip(y, signs, strict=True)], [row[k] for row in rows]) == 0
            for k in range(p)
        )


def test_exclusive_or_is_not_separable_and_conjunction_is():
    corners = matrix([[1, 0, 0], [1, 0, 1], [1, 1, 0], [1, 1, 1]])
    assert isinstance(separate(corners, matrix([[0], [1], [1], [0]])), NotSeparable)
    assert isinstance(separate(corners, matrix([[0], [0], [0], [1]])), Separator)
    with pytest.raises(ValueError, match="0 or 1"):
        separate(corners, matrix([[0], [0], [0], [2]]))


def test_programs_of_the_promised_size_are_solved():
    """Sixty bounded variables, ten equations: the optimum agrees with HiGHS."""
    from scipy.optimize import linprog

    rng = np.random.default_rng(0)
    a = matrix(rng.integers(-3, 4, (10, 60)).tolist())
    b = a * matrix(rng.integers(0, 2, (60, 1)).tolist())
    c = [fmpq(int(e)) for e in rng.integers(-5, 6, 60)]
    answer = minimise_linear(c, a, b, [fmpq(0)] * 60, [fmpq(1)] * 60)
    reference = linprog(
        [float(e.p) for e in c], A_eq=as_floats(a), b_eq=as_floats(b).ravel(), bounds=[(0, 1)] * 60
    )
    assert isinstance(answer, Optimum)
    assert abs(float(fraction(answer.value)) - reference.fun) <= 1e-7
