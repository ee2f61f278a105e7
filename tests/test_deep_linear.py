"""Are planted points, kinds and descents of deep linear networks right? Second opinions by numpy, torch."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from flint import fmpq, fmpq_mat
from hypothesis import given, settings

from strategies.deep_linear import (
    CLASSES,
    DeepLinearProblem,
    DiagonalProblem,
    deep_linear_problems,
    diagonal_problems,
    eigenplanted_problems,
    planted_critical_problems,
    reductions,
    reparametrisations,
    rotations,
    weighted_rank_one_points,
    widths,
)
from strategies.instance import to_json
from strategies.matrices import as_floats, identity, matrices, matrix, orthogonal_matrices
from tests.debug import assert_all_examples, drawn, minimal
from tests.deep_linear_census import census, disagreement
from verify.claim import HOLDS, INCONCLUSIVE, REFUTED, VACUOUS, decide
from verify.lk17 import kept_exceeds_the_rest, minimiser_is_unique
from verify.oracles import deep_linear
from verify.oracles.deep_linear import (
    KINDS,
    Kind,
    at_local_minimum,
    compressed,
    distance,
    find_ascent,
    find_descent,
    has_negative_curvature,
    hessian,
    is_critical,
    is_global_minimum,
    kind,
    with_weights,
)
from verify.oracles.exact import inertia
from verify.oracles.rank_constrained import (
    Eigenvalue,
    attains_least_value,
    eigenvalues,
    fitted_gram,
    is_above,
    largest_sum,
    least_value,
)
from verify.rechecks.lk17_theorems import minimiser_is_not_unique
from verify.test_lk17_theorem_2_2 import filled, ranks_from_the_smallest_on

RADII = (fmpq(1, 10), fmpq(1, 10**3), fmpq(1, 10**6), fmpq(1, 2**60))
RADIUS = fmpq(1, 1000)


def as_number(value):
    return float(value.mid()) if hasattr(value, "mid") else int(value.p) / int(value.q)


def problem(weights, X, Y):
    return DeepLinearProblem(weights=tuple(map(matrix, weights)), X=matrix(X), Y=matrix(Y))


def eckart_young(p, k):
    """min ‖R X − Y‖² over rank R <= k, in float64."""
    X, Y = as_floats(p.X), as_floats(p.Y)
    fitted = Y @ np.linalg.pinv(X) @ X
    return (Y**2).sum() - (np.linalg.svd(fitted, compute_uv=False)[:k] ** 2).sum()


@cache
def points(name="all"):
    """The same draws for every test."""
    planted, eigen = drawn(planted_critical_problems(), 200), drawn(eigenplanted_problems(), 200)
    solved = drawn(planted_critical_problems(widths(3, 5), residual="solved"), 150)
    return {"planted": planted, "eigenplanted": eigen, "all": [*planted, *eigen, *solved]}[name]


# --- the strategies ----------------------------------------------------------------------------------


def test_planted_points_are_critical():
    assert all(is_critical(p) for p in points())


def all_of_them(strategy, holds):
    assert_all_examples(strategy, holds, 40)


def test_data_have_the_ranks_asked_for():
    all_of_them(deep_linear_problems(inputs="full"), lambda p: p.X.rank() == p.X.nrows())
    all_of_them(deep_linear_problems(inputs="deficient"), lambda p: p.X.rank() < p.X.nrows())
    all_of_them(deep_linear_problems(targets="full"), lambda p: p.Y.rank() == p.Y.nrows())
    for strategy in (planted_critical_problems, eigenplanted_problems):
        all_of_them(strategy(targets="full"), lambda p: is_critical(p) and p.Y.rank() == p.Y.nrows())
    for name, holds in {
        "zero": lambda p, q: q == 0,
        "short": lambda p, q: q < p.least_width,
        "some": lambda p, q: q > 0,
        "enough": lambda p, q: q >= p.least_width,
        "full": lambda p, q: q == min(p.widths[0], p.widths[-1]),
    }.items():
        strategy = deep_linear_problems(inputs="full", correlation=name)
        all_of_them(strategy, lambda p: holds(p, (p.Y * p.X.transpose()).rank()))


def test_shapes_are_those_asked_for():
    all_of_them(widths(2, 4), lambda d: 3 <= len(d) <= 5 and set(d) <= {1, 2, 3, 4, 5})
    all_of_them(widths(2, 5, bottleneck=True), lambda d: min(d[1:-1]) < min(d[0], d[-1]))
    all_of_them(widths(1, 3, ends=2), lambda d: min(d[0], d[-1]) >= 2)


def test_eigenplanted_points_keep_what_they_say():
    all_of_them(eigenplanted_problems(keep="top"), is_global_minimum)
    assert_all_examples(
        eigenplanted_problems(values="distinct"), lambda p: len(spectrum(p)) == len({*spectrum(p)})
    )
    tied = drawn(eigenplanted_problems(widths(ends=2), values="tied"), 40)
    assert all(spectrum(p)[0] == spectrum(p)[1] for p in tied)
    others = drawn(
        eigenplanted_problems(widths(2, 4, bottleneck=True), keep="not top", values="distinct"), 40
    )
    assert not any(map(is_global_minimum, others))


def spectrum(p):
    """The eigenvalues of Ŷ Ŷᵀ that R can reach: min(d_0, d_H) of them."""
    return eigenvalues(fitted_gram(p.X, p.Y))[: min(p.widths[0], p.widths[-1])]


@pytest.mark.parametrize("name", CLASSES)
def test_every_class_occurs(name):
    assert sum(bool(CLASSES[name](p)) for p in points()) >= 10


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_occurs(name):
    assert sum(KINDS[name](p) for p in points()) >= 50


def test_normal_forms_are_what_they_say():
    def reduces(r):
        R, T = r.R, r.U2.transpose() * r.R * r.U1 * r.scale * r.V2
        return attains(R, r) == attains(T, r, identity(T.ncols()), r.sigma) and r.X.rank() == r.X.nrows()

    def attains(R, r, X=None, Y=None):
        return attains_least_value(R, r.X if X is None else X, r.Y if Y is None else Y, 1)

    assert_all_examples(reductions(), reduces)
    assert_all_examples(diagonal_problems(), lambda p: p.factored.R == p.T and is_critical(p.factored))
    assert_all_examples(diagonal_problems(keep="top"), lambda p: is_global_minimum(p.factored))
    assert_all_examples(diagonal_problems(room="none"), lambda p: p.k == max(1, p.T.rank()))
    assert_all_examples(
        rotations(),
        lambda r: (
            (r.u.transpose() * r.u)[0, 0] == 1 == (r.v.transpose() * r.v)[0, 0]
            and r.problem.T * r.u == r.u * r.small
            and r.problem.sigma * r.v == r.v * r.large
            and not any((r.problem.T * r.v).entries())
            and r.large > r.small > 0
        ),
    )
    assert_all_examples(
        weighted_rank_one_points(), lambda w: all(e > 0 for e in w.C.entries()) and critical_in_c(w)
    )
    changes = reparametrisations(planted_critical_problems(widths(2, 4)))
    assert_all_examples(changes, lambda c: is_critical(c.there) and c.there.loss == c.problem.loss)
    with pytest.raises(ValueError, match="must be non-negative"):
        DiagonalProblem(sigma=matrix([[1, 0], [0, 2]]), T=identity(2), k=1)
    with pytest.raises(ValueError, match="must be diagonal"):
        DiagonalProblem(sigma=matrix([[1, 1], [0, 1]]), T=identity(2), k=1)


def critical_in_c(w):
    E = w.a * w.b.transpose() - w.Y
    G = fmpq_mat(2, 2, [c * e for c, e in zip(w.C.entries(), E.entries(), strict=True)])
    return not any((G * w.b).entries()) and not any((G.transpose() * w.a).entries())


def test_what_is_drawn_shrinks():
    small = minimal(planted_critical_problems(), lambda p: not is_global_minimum(p))
    assert small.widths == (1, 1, 1)
    assert small.X.ncols() <= 2
    assert small.loss <= 1
    assert minimal(eigenplanted_problems()).widths == (1, 1)
    flat = minimal(planted_critical_problems(), lambda p: kind(p) is Kind.NON_STRICT_SADDLE)
    assert len(flat.widths) == 4
    assert not any(e for w in flat.weights for e in w.entries())
    assert minimal(rotations()).problem.sigma == matrix([[2, 0], [0, 1]])


# --- the rank-constrained problem --------------------------------------------------------------------


@settings(max_examples=100)
@given(deep_linear_problems())
def test_the_least_value_agrees_with_numpy(p):
    for k in range(min(p.widths[0], p.widths[-1]) + 1):
        scale = 1 + float((as_floats(p.Y) ** 2).sum())
        assert as_number(least_value(p.X, p.Y, k)) == pytest.approx(eckart_young(p, k), abs=1e-10 * scale)


@settings(max_examples=150)
@given(matrices(3, 3) | matrices(3, 2).map(lambda a: a * a.transpose()))
def test_eigenvalues_agree_with_numpy(a):
    s = a + a.transpose()
    found = eigenvalues(s)
    values = [as_number(e.value) for e in found]
    np.testing.assert_allclose(values, np.linalg.eigvalsh(as_floats(s))[::-1], atol=1e-9)
    for k in range(4):
        assert as_number(largest_sum(s, k)) == pytest.approx(sum(values[:k]), abs=1e-9)
    assert all(not is_above(found[k + 1], found[k]) for k in range(2))


def test_sums_are_rational_exactly_if_they_are():
    irrational = matrix([[2, 1], [1, 1]])  # (3 ± √5)/2
    assert not isinstance(largest_sum(irrational, 1), fmpq)
    assert largest_sum(irrational, 2) == 3
    rotated = matrix([["9/5", "12/5"], ["12/5", "16/5"]])
    assert largest_sum(rotated, 1) == 5
    both = matrix([[2, 1, 0, 0], [1, 1, 0, 0], [0, 0, 2, 1], [0, 0, 1, 1]])
    assert not isinstance(largest_sum(both, 3), fmpq)
    assert largest_sum(both, 4) == 6
    assert len({*eigenvalues(both)}) == 2


def test_near_ties_are_no_ties():
    near, exact_tie = (matrix([[1, 0], [0, 1 + e]]) for e in (fmpq(1, 2**400), fmpq(0)))
    first, second = eigenvalues(near)
    assert is_above(first, second)
    assert not is_above(second, first)
    assert len({*eigenvalues(exact_tie)}) == 1
    kept, left = matrix([[1, 0], [0, 0]]), matrix([[0, 0], [0, 1]])
    assert attains_least_value(kept, identity(2), exact_tie, 1)
    assert attains_least_value(left, identity(2), exact_tie, 1)
    assert not attains_least_value(kept, identity(2), near, 1)
    assert not attains_least_value(identity(2), identity(2), exact_tie, 1)
    assert Eigenvalue((-2, 0, 1), 1).value > Eigenvalue((-2, 0, 1), 0).value


def test_a_tie_of_zeros_leaves_the_minimiser_unique():
    """Ŷ of rank 2 < d_p = 3 < d_H = 4: R X = Ŷ at every minimiser. Two 1s and d_p = 1 leave a choice."""
    twos = [[2, 0, 0], [0, 2, 0], [0, 0, 0], [0, 0, 0]]
    X = [[int(i == j) for j in range(5)] for i in range(3)]
    Y = [[2, 0, 0, 0, 0], [0, 2, 0, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 1]]
    zeros = problem([[[1, 0, 0], [0, 1, 0], [0, 0, 1]], twos], X, Y)
    ones = problem([[[1, 0]], [[1], [0]]], [[1, 0], [0, 1]], [[1, 0], [0, 1]])
    assert is_global_minimum(zeros)
    assert is_global_minimum(ones)
    assert minimiser_is_unique(zeros).outcome is HOLDS
    assert minimiser_is_unique(ones).outcome is REFUTED
    assert not minimiser_is_not_unique(to_json(zeros))
    assert minimiser_is_not_unique(to_json(ones))
    assert kept_exceeds_the_rest(zeros).outcome is REFUTED  # literally: 0 is kept, and 0 is not


def test_blocks_are_filled_from_either_end():
    """No block is asked for more than it holds; what no block has room for is told."""
    sigma = matrix([[2, 0, 0], [0, 2, 0], [0, 0, 1]])
    p = DiagonalProblem(sigma=sigma, T=matrix([[2, 0, 0], [0, 2, 0], [0, 0, 0]]), k=2)
    assert ranks_from_the_smallest_on(p) == [1, 1]
    assert filled([2, 1], 2) == ([2, 0], 0)
    assert filled([1, 2], 2) == ([1, 1], 0)
    assert filled([2, 1], 4) == ([2, 1], 1)


def test_the_decision_agrees_with_the_spectra_and_with_numpy():
    """At critical points: G = 0, or rank RX = d_p and λ_max((Z − Ŷ)(Z − Ŷ)ᵀ) <= λ_{d_p}(Z Zᵀ), Z = R X."""
    for p in points():
        small = compressed(p)[0] if any(p.X.entries()) else None
        found = is_global_minimum(p)
        if small is None or not any(p.G.entries()):
            assert found
        else:
            Z = small.R * small.X
            fitted = small.Y * small.X.transpose() * (small.X * small.X.transpose()).inv() * small.X
            rest = Z - fitted
            k = small.least_width
            best = Z.rank() == k and not is_above(
                eigenvalues(rest * rest.transpose())[0], eigenvalues(Z * Z.transpose())[k - 1]
            )
            assert found == best
        gap = 2 * as_number(p.loss) - eckart_young(p, p.least_width)
        assert found == (abs(gap) < 1e-9 * (1 + 2 * as_number(p.loss)))


def test_the_spectrum_splits_at_critical_points():
    for p in points():
        Z = p.R * p.X
        whole = fitted_gram(p.X, p.Y)
        kept, both = Z * Z.transpose(), eigenvalues(whole)
        rest = whole - kept  # (Z − Ŷ)(Z − Ŷ)ᵀ, since Z (Z − Ŷ)ᵀ = 0
        zero = Eigenvalue((0, 1), 0)
        parts = [e for e in eigenvalues(kept) + eigenvalues(rest) if e != zero]
        assert sorted(parts, key=hash) == sorted((e for e in both if e != zero), key=hash)


# --- second order, kinds, descent --------------------------------------------------------------------


@settings(max_examples=60)
@given(deep_linear_problems(widths(1, 4), layers="ranks") | deep_linear_problems(layers="integers"))
def test_gradient_and_hessian_agree_with_torch(p):
    X, Y = torch.tensor(as_floats(p.X)), torch.tensor(as_floats(p.Y))
    shapes = [(w.nrows(), w.ncols()) for w in p.weights]

    def loss(flat):
        Z, at = X, 0
        for m, n in shapes:
            Z, at = flat[at : at + m * n].reshape(m, n) @ Z, at + m * n
        return ((Z - Y) ** 2).sum() / 2

    flat = torch.tensor(np.concatenate([as_floats(w).ravel() for w in p.weights]))
    by_hand = as_floats(hessian(p))
    scale = 1 + np.abs(by_hand).max()
    np.testing.assert_allclose(by_hand, torch.func.hessian(loss)(flat).numpy(), atol=1e-11 * scale)
    mine = np.concatenate([as_floats(g).ravel() for g in p.gradient()])
    scale = 1 + np.abs(mine).max() + abs(as_number(p.loss))
    np.testing.assert_allclose(mine, torch.func.grad(loss)(flat).numpy(), atol=1e-11 * scale)
    assert as_number(p.loss) == pytest.approx(float(loss(flat)), rel=1e-12, abs=1e-12)


def test_kinds_descent_and_hessian_agree():
    for p in points():
        found, wrong = disagreement(p)
        assert not wrong, f"{found}: {wrong}: {p!r}"


def test_the_census_counts_and_complains(monkeypatch):
    kinds, classes = census(120, 1)
    assert sum(kinds.values()) == 120
    assert classes["R = 0", "strict saddle"] > 0
    monkeypatch.setattr(deep_linear, "is_tightened", lambda p: True)
    with pytest.raises(AssertionError, match="negative eigenvalues"):
        census(2000, 0)


def test_tightness_needs_the_data():
    """W = (E₂₂, 0, 0, E₁₁), X = Y = I has a zero Hessian; by blocks of weights alone it is not tightened."""
    one, two, none = [[1, 0], [0, 0]], [[0, 0], [0, 1]], [[0, 0], [0, 0]]
    p = problem([two, none, none, one], [[1, 0], [0, 1]], [[1, 0], [0, 1]])
    assert not any(hessian(p).entries())
    assert kind(p) is Kind.NON_STRICT_SADDLE
    assert find_descent(p, RADIUS) is not None


def test_known_points():
    assert kind(problem([[[0]], [[0]]], [[1]], [[1]])) is Kind.STRICT_SADDLE
    flat = problem([[[0]], [[0]], [[0]]], [[1]], [[1]])
    assert kind(flat) is Kind.NON_STRICT_SADDLE
    assert inertia(hessian(flat)) == (0, 3, 0)
    assert kind(problem([[[0]], [[0]], [[0]]], [[1]], [[0]])) is Kind.GLOBAL_MINIMUM
    assert kind(problem([[[0]], [[0]]], [[0]], [[1]])) is Kind.GLOBAL_MINIMUM  # X = 0
    second = problem([[[0, 1]], [[0], [1]]], [[1, 0], [0, 1]], [[2, 0], [0, 1]])
    assert kind(second) is Kind.STRICT_SADDLE
    assert second.R.rank() == second.least_width
    with pytest.raises(ValueError, match="only critical points"):
        kind(problem([[[1]]], [[1]], [[0]]))


@settings(max_examples=60)
@given(deep_linear_problems())
def test_descent_from_anywhere(p):
    for radius in RADII:
        lower = find_descent(p, radius)
        if lower is None:
            assert is_global_minimum(p)
        else:
            assert lower.loss < p.loss
            assert distance(lower, p) <= radius**2


def test_descent_where_eigenvalues_nearly_tie():
    near = fmpq(1, 2**100)
    weights, Y = [[[1, 0]], [[1], [0]]], fmpq_mat(2, 2, [1, 0, 0, 1 + near])
    p = DeepLinearProblem(weights=tuple(map(matrix, weights)), X=identity(2), Y=Y)
    assert kind(p) is Kind.STRICT_SADDLE
    assert has_negative_curvature(p)
    assert all(find_descent(p, radius).loss < p.loss for radius in RADII)
    tie = DeepLinearProblem(weights=p.weights, X=p.X, Y=identity(2))
    assert kind(tie) is Kind.GLOBAL_MINIMUM
    assert find_descent(tie, RADIUS) is None


def test_ascent_everywhere_unless_constant():
    for p in points("planted"):
        higher = find_ascent(p, RADIUS)
        assert (higher is None) == (not any(p.X.entries()))
        assert higher is None or (higher.loss > p.loss and distance(higher, p) <= RADIUS**2)


def test_descent_with_irrational_singular_values():
    """Keep the smaller of two irrational singular values: only then is the float eigenvector never exact."""
    for turn in drawn(orthogonal_matrices(2), 20):
        Y = turn * matrix([[2, 1, 0], [1, 1, 0]])
        lower = DeepLinearProblem(weights=(fmpq_mat(1, 3), fmpq_mat(2, 1)), X=identity(3), Y=Y)
        assert kind(lower) is Kind.STRICT_SADDLE
        assert all(find_descent(lower, radius) is not None for radius in RADII)
        assert not isinstance(least_value(lower.X, Y, 1), fmpq)


def test_what_minima_are_asked():
    yes, no = decide(True, why="so it is"), decide(False, why="it is not.")
    saddle = problem([[[0]], [[0]]], [[1]], [[1]])
    minimum = problem([[[1]], [[1]]], [[1]], [[1]])
    elsewhere = with_weights(saddle, matrix([[1]]), matrix([[0]]))
    assert at_local_minimum(saddle, no).outcome is HOLDS
    assert at_local_minimum(minimum, no).outcome is REFUTED
    assert "global minimum" in at_local_minimum(minimum, no).why
    assert at_local_minimum(minimum, yes) is yes
    assert at_local_minimum(elsewhere, no).outcome is VACUOUS


def test_without_certificate_or_descent_nothing_is_said(monkeypatch):
    saddle = problem([[[0]], [[0]]], [[1]], [[1]])
    monkeypatch.setattr(deep_linear, "find_descent", lambda p, radius: None)
    assert at_local_minimum(saddle, decide(False, why="no.")).outcome is INCONCLUSIVE
