"""Perturbations: do the strategies keep their promises, and do the oracles agree with second opinions?"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from flint import arb, fmpq, fmpq_mat

from strategies.deep_linear import DeepLinearProblem
from strategies.instance import from_json, to_json
from strategies.matrices import as_floats, columns, hstack, identity, matrix, zeros
from strategies.perturbations import (
    Decomposition,
    DecompositionPair,
    PerturbedDecomposition,
    PerturbedProduct,
    SplitPair,
    bottleneck_minima,
    chosen_layers,
    decomposition_pairs,
    decompositions,
    doubled_pairs,
    factored_pairs,
    kappa,
    perturbed_decompositions,
    perturbed_factors,
    perturbed_matrices,
    perturbed_products,
    realizable_minima,
    split_pairs,
    vanishing_pairs,
)
from tests.debug import assert_all_examples, drawn, minimal
from verify import HOLDS, REFUTED
from verify.oracles.full_rank import (
    data_rank,
    decide_full_rank_layer,
    decide_full_rank_product,
    deficient_layers,
    is_certified_global,
    is_full_rank,
    is_stationary,
    kept_rank,
    least_product_rank,
)
from verify.oracles.perturbations import (
    decide_any_decomposition,
    decide_given_decomposition,
    decide_lift,
    decide_one_factor,
    decide_wedin,
    lift,
    pseudo_inverse,
    singular_values,
    squared_norm,
    wedin_gap,
    wedin_numerators,
    wedin_sines,
)

EVERY = {
    "perturbed_matrices": perturbed_matrices(),
    "decompositions": decompositions(),
    "split_pairs": split_pairs(),
    "reordered split_pairs": split_pairs(kind="reordered"),
    "doubled_pairs": doubled_pairs(),
    "vanishing_pairs": vanishing_pairs(),
    "perturbed_decompositions": perturbed_decompositions(),
    "decomposition_pairs": decomposition_pairs(),
    "perturbed_products": perturbed_products(),
    "factored_pairs": factored_pairs(),
    "chosen_layers": chosen_layers(realizable_minima()),
}


@pytest.mark.parametrize("name", EVERY)
def test_instances_go_to_json_and_back(name):
    assert_all_examples(EVERY[name], lambda value: from_json(to_json(value)) == value, 40)


# --- promises -----------------------------------------------------------------------------------------


def test_decompositions_have_the_singular_values_drawn():
    def promised(d):
        return np.allclose(
            np.linalg.svd(as_floats(d.matrix), compute_uv=False), sorted(as_floats(d.values)[0], reverse=True)
        )

    assert_all_examples(decompositions(), promised, 100)


@pytest.mark.parametrize(
    ("kind", "promised"),
    [
        ("full rank", lambda v: all(x > 0 for x in v)),
        ("repeated", lambda v: len({*v}) < len(v) and all(x > 0 for x in v)),
        ("distinct", lambda v: len({*v}) == len(v) and all(x > 0 for x in v)),
    ],
)
def test_kinds_of_singular_values(kind, promised):
    assert_all_examples(decompositions(kind=kind), lambda d: promised(d.values.entries()), 100)


def test_deficient_decompositions_are_deficient():
    assert_all_examples(
        decompositions(rank="deficient"), lambda d: d.rank < min(d.U.nrows(), d.V.nrows()), 60
    )


def test_perturbed_pairs_are_near_each_other():
    def promised(pair):
        return squared_norm(pair.after.matrix - pair.before.matrix) < fmpq(1, 50)

    assert_all_examples(decomposition_pairs(), promised, 100)
    assert_all_examples(decomposition_pairs(rank="deficient"), promised, 100)


def test_split_pairs_have_positive_first_values_and_the_shape_promised():
    def promised(pair):
        return all(pair.before.values.entries()[: pair.k])

    assert_all_examples(
        split_pairs(), lambda p: promised(p) and p.before.U.nrows() >= p.before.V.nrows(), 150
    )
    assert_all_examples(
        split_pairs(wide=True), lambda p: promised(p) and p.before.U.nrows() < p.before.V.nrows(), 100
    )


def test_reordered_pairs_are_near_each_other_and_split_elsewhere():
    def promised(pair):
        change, values = squared_norm(pair.after.matrix - pair.before.matrix), pair.before.values.entries()
        return change <= fmpq(3, 100) and pair.k < len(values)

    assert_all_examples(split_pairs(kind="reordered"), promised, 100)
    apart = [p for p in drawn(split_pairs(kind="reordered"), 100) if any(wedin_sines(p))]
    assert len(apart) > 30
    assert any(wedin_gap(p) < fmpq(1, 5) < wedin_gap(p, against="before") for p in apart)


def test_doubled_and_vanishing_pairs_are_what_they_promise():
    def doubled(pair):
        a, also_a, b, also_b = pair.before.values.entries()
        return (a, b) == (also_a, also_b) and a > 0 and pair.after.values == pair.before.values

    def vanishing(pair):
        m = pair.before.U.nrows()
        shared = columns(pair.after.U, [m - 1]) == columns(pair.before.U, [0])
        return (
            m == pair.before.V.nrows() + 1
            and shared
            and pair.before.values[0, 0] == 0
            and all(pair.after.values.entries())
        )

    assert_all_examples(doubled_pairs(), doubled, 60)
    assert_all_examples(vanishing_pairs(), vanishing, 100)


def test_changes_within_the_singular_spaces_keep_the_rank():
    strategy = perturbed_decompositions(kind="full rank", rank="deficient", within=True)
    assert_all_examples(strategy, lambda ray: ray.perturbed.rank() == ray.given.rank, 100)


def test_products_have_the_ranks_promised():
    assert_all_examples(perturbed_products(), lambda n: n.product.rank() == n.R.rank() == min(n.widths), 150)
    assert_all_examples(
        perturbed_products(layers=(2, 4), inside=True),
        lambda n: n.product.rank() == min(n.widths) < min(n.widths[0], n.widths[-1]),
        100,
    )
    assert_all_examples(
        perturbed_products(rank="deficient"),
        lambda n: n.product.rank() < min(n.widths) >= n.product.rank() + n.change.rank(),
        150,
    )
    assert_all_examples(
        perturbed_products(rank="full layers"), lambda n: all(map(is_full_rank, n.weights)), 100
    )


def test_factors_have_the_ranks_promised():
    assert_all_examples(perturbed_factors(), lambda n: n.weights[1].rank() == n.widths[2], 80)
    assert_all_examples(
        perturbed_factors(rank="full columns"), lambda n: n.weights[1].rank() == n.widths[1] < n.widths[2], 80
    )


def test_minima_are_minima_with_the_data_promised():
    def promised(p):
        rows = p.X.rank() == p.X.nrows() and p.Y.rank() == p.Y.nrows()
        return rows and not any(p.G.entries()) and data_rank(p) == p.R.rank()

    assert_all_examples(realizable_minima(), promised, 150)
    assert_all_examples(
        realizable_minima(threshold="kappa"),
        lambda p: promised(p) and data_rank(p) >= kappa(p.widths) and deficient_layers(p),
        150,
    )
    assert_all_examples(
        realizable_minima(threshold="d_p", full_layers=True),
        lambda p: promised(p) and data_rank(p) == p.least_width and not deficient_layers(p),
        150,
    )


def test_bottleneck_minima_are_global_minima():
    def promised(p):
        values = np.linalg.svd(as_floats(p.Y) @ np.linalg.pinv(as_floats(p.X)) @ as_floats(p.X))[1]
        best = (np.sum(as_floats(p.Y) ** 2) - np.sum(values[: p.least_width] ** 2)) / 2
        return is_certified_global(p) and is_stationary(p) and math.isclose(best, float(p.loss), abs_tol=1e-8)

    assert_all_examples(bottleneck_minima(), lambda p: promised(p), 150)


def float_of(x: fmpq) -> float:
    return int(x.p) / int(x.q)


# --- shrinking ----------------------------------------------------------------------------------------


def test_the_false_theorems_shrink_to_the_known_smallest_instances():
    def fails(p):
        layers = deficient_layers(p)
        return is_certified_global(p) and any(decide_full_rank_layer(p, i).outcome is REFUTED for i in layers)

    smallest = minimal(realizable_minima(), fails)
    assert (smallest.weights, smallest.X, smallest.Y) == (
        (matrix([[0]]),),
        matrix([[1, 0]]),
        matrix([[0, 1]]),
    )

    smallest = minimal(
        realizable_minima(full_layers=True), lambda p: decide_full_rank_product(p).outcome is REFUTED
    )
    assert smallest.widths == (1, 2, 1)
    assert (matrix([[1, 0]]), matrix([[0, 1]])) == (smallest.X, smallest.Y)


def test_the_false_sketch_shrinks_to_the_known_smallest_widths():
    smallest = minimal(
        perturbed_products(layers=(2, 2), inside=True), lambda n: decide_one_factor(n).outcome is REFUTED
    )
    assert smallest.widths == (2, 1, 2)


def test_the_false_lemma_shrinks_to_2_x_2():
    smallest = minimal(
        perturbed_decompositions(kind="full rank"), lambda r: decide_given_decomposition(r).outcome is REFUTED
    )
    assert smallest.given.matrix == identity(2)
    assert squared_norm(smallest.D) == 1


# --- oracles ------------------------------------------------------------------------------------------


def test_singular_values_agree_with_floats():
    def agrees(near):
        ours = [float(s.mid()) for s in singular_values(near.perturbed)]
        return np.allclose(ours, np.linalg.svd(as_floats(near.perturbed), compute_uv=False), atol=1e-7)

    assert_all_examples(perturbed_matrices(), agrees, 150)


def test_pseudo_inverses_satisfy_penrose():
    def penrose(near):
        a, p = near.M, pseudo_inverse(near.M)
        symmetric = all(m == m.transpose() for m in (a * p, p * a))
        return symmetric and a * p * a == a and p * a * p == p

    assert_all_examples(perturbed_matrices(), penrose, 150)


def test_wedin_agrees_with_floats():
    for pair in drawn(split_pairs(), 150):
        if not wedin_gap(pair):
            continue
        u, v, w, x = (
            as_floats(m)[:, : pair.k] for m in (pair.before.U, pair.before.V, pair.after.U, pair.after.V)
        )
        left = sum(np.linalg.norm(a - b @ (b.T @ a)) ** 2 for a, b in ((u, w), (v, x)))
        change = as_floats(pair.after.matrix - pair.before.matrix)
        right = np.linalg.norm(change @ v) ** 2 + np.linalg.norm(change.T @ u) ** 2
        assert math.isclose(left, float_of(sum(wedin_sines(pair), fmpq(0))), abs_tol=1e-9)
        assert math.isclose(
            right, float_of(sum(map(squared_norm, wedin_numerators(pair)), fmpq(0))), abs_tol=1e-9
        )
        assert decide_wedin(pair).outcome is HOLDS


def swap(values):
    """diag(a, b) with swapped singular vectors."""
    eye, turned = identity(2), matrix([[0, 1], [1, 0]])
    before = Decomposition(U=eye, values=matrix([values]), V=eye)
    return SplitPair(before=before, after=Decomposition(U=turned, values=matrix([values]), V=turned), k=1)


def test_wedin_is_tight():
    verdict = decide_wedin(swap([2, 1]))
    assert (verdict.outcome, verdict.margin) == (HOLDS, 0)


def given_of(values, d, u=None):
    n = len(values)
    given = Decomposition(U=u or identity(n), values=matrix([values]), V=identity(n))
    return PerturbedDecomposition(given=given, D=matrix(d), epsilon=fmpq(1, 1000))


@pytest.mark.parametrize(
    ("values", "d", "outcome"),
    [
        ([1, 1], [[0, 1], [1, 0]], REFUTED),
        ([1, 1], [[1, 0], [0, 0]], None),  # the same basis will do; not decided
        ([2, 1], [[0, 1], [1, 0]], HOLDS),
        ([0], [[-1]], REFUTED),
        ([1], [[-1]], HOLDS),
    ],
)
def test_given_decompositions_by_hand(values, d, outcome):
    found = decide_given_decomposition(given_of(values, d)).outcome
    assert found is outcome or (outcome is None and found not in (HOLDS, REFUTED))


def distance_to_all_signs(ray):
    """The least distance, over signs, of the given columns from the float decomposition of M."""
    u, _, vt = np.linalg.svd(as_floats(ray.perturbed))
    order = np.argsort(-as_floats(ray.given.values)[0], kind="stable")
    total = 0.0
    for place, i in enumerate(order):
        gu, gv = as_floats(ray.given.U)[:, i], as_floats(ray.given.V)[:, i]
        total = max(
            total,
            min(
                np.sum((sign * u[:, place] - gu) ** 2) + np.sum((sign * vt[place] - gv) ** 2)
                for sign in (1, -1)
            ),
        )
    return math.sqrt(total)


def test_given_decompositions_agree_with_floats():
    """REFUTED rays are far at every t, the margin is a bound; simple values are near."""
    seen = 0
    for ray in drawn(perturbed_decompositions(kind="repeated"), 100):
        verdict = decide_given_decomposition(ray)
        if verdict.outcome is REFUTED:
            far = distance_to_all_signs(ray)
            seen += 1
            assert far >= float(arb(verdict.margin)) - 1e-6
    assert seen > 20
    for ray in drawn(perturbed_decompositions(kind="distinct"), 100):
        if decide_given_decomposition(ray).outcome is HOLDS:
            assert distance_to_all_signs(ray) < 0.2


def procrustes(pair):
    """The squared distance of ``after`` from the decompositions of M̄, by polar factors."""
    values = list(pair.before.values.entries())
    us, vs = as_floats(pair.before.U), as_floats(pair.before.V)
    ua, va = as_floats(pair.after.U), as_floats(pair.after.V)
    total = 0.0
    for value in {*values, fmpq(0)}:
        left, right = (
            [j for j in range(len(q)) if (values[j] if j < len(values) else 0) == value] for q in (us, vs)
        )
        k, l = us[:, left].T @ ua[:, left], vs[:, right].T @ va[:, right]
        for m in [k + l] if value > 0 else [k, l]:
            nuclear = np.linalg.svd(m, compute_uv=False).sum() if m.size else 0.0
            total += 2 * (2 * len(left) if value > 0 else m.shape[0]) - 2 * nuclear
    return total


def test_any_decompositions_agree_with_procrustes():
    for rank in ("full", "deficient"):
        for pair in drawn(decomposition_pairs(rank=rank), 80):
            verdict = decide_any_decomposition(pair)
            if verdict.outcome is HOLDS:
                bound = float_of(verdict.values["modulus squared"])
                assert procrustes(pair) <= bound + 1e-12
                assert float_of(verdict.values["distance squared"]) >= procrustes(pair) - 1e-12


def test_joint_null_rotations_are_refused():
    before = Decomposition(U=matrix([[1]]), values=matrix([[0]]), V=matrix([[1]]))
    after = Decomposition(U=matrix([[1]]), values=matrix([["1/1000"]]), V=matrix([[-1]]))
    pair = DecompositionPair(before=before, after=after)
    assert decide_any_decomposition(pair).outcome is HOLDS
    assert decide_any_decomposition(pair, jointly=True).outcome is REFUTED


def test_lifts_are_exact_and_change_the_outer_weights_only():
    for near in drawn(perturbed_products(), 150):
        found = lift(near)
        assert found is not None
        assert PerturbedProduct(weights=found, R=near.R).product == near.R
        assert all(a == b for a, b in zip(found[1:-1], near.weights[1:-1], strict=True))


def test_obstacles_by_hand():
    """d = (1, 1, 2), W₂ = e₁, W₁ = 0, R = (0, ε): the second weight would have to change by 1/2 at least."""
    near = PerturbedProduct(weights=(matrix([[0]]), matrix([[1], [0]])), R=matrix([[0], ["1/1000000"]]))
    verdict = decide_lift(near, premise="deficient")
    assert verdict.outcome is REFUTED
    assert abs(float(arb(verdict.margin)) - 0.5) < 1e-12
    wide = PerturbedProduct(
        weights=(matrix([[1], [0]]), matrix([[0, 1]]), matrix([[1], [0]])), R=matrix([[0], ["1/1000"]])
    )
    assert decide_lift(wide, premise="layers").outcome is REFUTED


# --- thresholds ---------------------------------------------------------------------------------------

ARCHITECTURES = [d for h in (1, 2, 3) for d in itertools.product((1, 2, 3), repeat=h + 1)]


def eye(m, n, ones):
    return fmpq_mat(m, n, [int(i == j < ones) for i in range(m) for j in range(n)])


def test_kappa_is_sharp():
    """Below κ(d), rectangular identities with one layer cut to rank q refute Theorem 3.2, for every d."""
    below = 0
    for d in ARCHITECTURES:
        assert kappa(d) <= min(d)
        for q in range(kappa(d)):
            hit = False
            for i in range(1, len(d)):
                ones = lambda j: q if j == i else 9
                weights = tuple(eye(d[j], d[j - 1], ones(j)) for j in range(1, len(d)))
                r = PerturbedProduct(weights=weights, R=zeros(d[-1], d[0])).product
                p = DeepLinearProblem(
                    weights=weights,
                    X=hstack(identity(d[0]), zeros(d[0], d[-1])),
                    Y=hstack(r, identity(d[-1])),
                )
                if r.rank() == q and i in deficient_layers(p):
                    assert is_certified_global(p)
                    hit |= decide_full_rank_layer(p, i).outcome is REFUTED
            below += hit
            assert hit, (d, q)
    assert below > 100


def shifts(m, n):
    """All m × n matrices with min(m, n) ones on a cyclic diagonal."""
    for a, b in itertools.product(range(m), range(n)):
        w = zeros(m, n)
        for k in range(min(m, n)):
            w[(a + k) % m, (b + k) % n] = 1
        yield w


@pytest.mark.parametrize("d", [d for d in ARCHITECTURES if len(d) < 4], ids=str)
def test_least_product_rank_is_attained(d):
    ranks = set()
    for weights in itertools.product(*(list(shifts(d[j], d[j - 1])) for j in range(1, len(d)))):
        ranks.add(PerturbedProduct(weights=weights, R=zeros(d[-1], d[0])).product.rank())
    assert min(ranks) == least_product_rank(d)
    assert max(ranks) == min(d)


def test_the_rank_criterion_agrees_with_random_search():
    """Random matrices of the affine set of equal loss reach full rank exactly where the criterion says so."""
    rng = np.random.default_rng(0)
    for p in drawn(realizable_minima(), 120):
        for i in deficient_layers(p):
            b, a = as_floats(p.above(i)), as_floats(p.below(i - 1) * p.X)
            w = as_floats(p.weights[i - 1])
            z = rng.normal(size=w.shape)
            moved = w + z - np.linalg.pinv(b) @ b @ z @ a @ np.linalg.pinv(a)
            full = np.linalg.matrix_rank(moved, tol=1e-9) == min(w.shape)
            assert full == (decide_full_rank_layer(p, i).outcome is HOLDS)


def test_the_fixed_block_has_the_rank_of_the_fit():
    """At a solution of the normal equation rank(BᵀYAᵀ) = rank(R X)."""
    for p in drawn(realizable_minima(), 80):
        for i in range(1, len(p.weights) + 1):
            assert kept_rank(p, i) == (p.R * p.X).rank()
