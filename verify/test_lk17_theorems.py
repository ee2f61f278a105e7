"""Lu & Kawaguchi (2017): Theorems 2.1, 2.2 and 2.3."""

from functools import partial

from flint import fmpq, fmpq_mat

from strategies.deep_linear import (
    CLASSES,
    DeepLinearProblem,
    WeightedRankOne,
    eigenplanted_problems,
    planted_critical_problems,
    weighted_rank_one_points,
    widths,
)
from strategies.matrices import zeros
from verify import (
    HOLDS,
    REFUTED,
    Verdict,
    claim,
    decide,
    decide_at_most,
    decide_equal,
    drop,
    mutant,
    printed,
    vacuous,
)
from verify.lk17 import (
    MINIMUM,
    X_FULL,
    Y_FULL,
    attains,
    critical,
    deep,
    every_critical,
    full_subsets,
    inner,
    is_least,
    least,
    minimiser_is_unique,
    two,
    unless,
)
from verify.oracles.deep_linear import (
    KINDS,
    at_critical_point,
    at_local_minimum,
    has_negative_curvature,
    is_critical,
    is_global_minimum,
)
from verify.oracles.exact import is_positive_definite
from verify.oracles.rank_constrained import (
    attains_least_value,
    eigenvalues,
    fitted_gram,
    largest_sum,
    least_value,
    squared_norm,
)
from verify.papers import LK17
from verify.rechecks.deep_linear_minima import (
    critical_point_is_above_the_least,
    global_minimum_has_another_value,
    global_minimum_of_lower_rank,
    saddle_without_negative_curvature,
)
from verify.rechecks.lk17_theorems import minimiser_is_not_unique, weighted_minimum_is_not_least

deep_saddles = planted_critical_problems(deep, inputs="full", targets="full", residual="solved")
"""Where non-strict saddles are: three layers or more."""
kinds = {
    **KINDS,
    "rank Y X^T < d_p": CLASSES["rank Y X^T < d_p"],
    "inner bottleneck": CLASSES["inner bottleneck"],
}


def attains_a_local_minimum_of_2(p):
    """F(R̄) is the value of a local minimum of (2): of a global one, since it has no others (Theorem 2.2)."""
    return attains(p, least(p), "the value of local minima of (2)")


def rank_is_full_at_minima(p):
    """Every local minimum has rank(R) = d_p."""
    return at_local_minimum(p, decide(p.R.rank() == p.least_width, why="rank R < d_p."))


@claim(
    "LK17/thm2.1",
    paper=LK17,
    where="Theorem 2.1",
    says=r"F(\bar W_H \cdots \bar W_1) \text{ is the value of a local minimum of (2)}",
    assumes={"A1": X_FULL, "A2": Y_FULL, "A3": MINIMUM},
)
@printed(HOLDS, every_critical | deep_saddles, examples=150, reaches=kinds)
@drop(
    "A1",
    HOLDS,
    planted_critical_problems(inputs="deficient", targets="full")
    | planted_critical_problems(deep, inputs="deficient", targets="full", residual="solved"),
    examples=80,
    reaches=KINDS,
    note="superfluous: L depends on W_1 X only",
)
@drop("A2", HOLDS, planted_critical_problems(inputs="full"), examples=80, note="superfluous")
@drop(
    "A3",
    REFUTED,
    every_critical,
    conclude=lambda p: at_critical_point(p, attains_a_local_minimum_of_2(p)),
    recheck=partial(critical_point_is_above_the_least, also="rank Y = d_H"),
)
@mutant(
    "rank R = d_p at every local minimum",
    critical(residual="zero"),
    conclude=rank_is_full_at_minima,
    examples=200,
    says=r"\mathrm{rank}(\bar R) = d_p",
    recheck=global_minimum_of_lower_rank,
)
@mutant(
    "every critical point with rank R = d_p",
    full_subsets,
    examples=300,
    conclude=lambda p: unless(
        is_critical(p) and p.R.rank() == p.least_width,
        "rank R < d_p",
        lambda: attains_a_local_minimum_of_2(p),
    ),
    recheck=partial(critical_point_is_above_the_least, also="rank R = d_p"),
)
@mutant(
    "no critical point with rank R < d_p",
    critical(residual="zero"),
    examples=200,
    conclude=lambda p: unless(
        is_critical(p) and p.R.rank() < p.least_width,
        "rank R = d_p",
        lambda: decide(not is_global_minimum(p), why="A global minimum with rank R < d_p."),
    ),
    recheck=global_minimum_of_lower_rank,
)
@mutant(
    "the value with the second smallest width",
    eigenplanted_problems(inner, keep="top", targets="full"),
    examples=200,
    conclude=lambda p: at_local_minimum(
        p, attains(p, least_value(p.X, p.Y, sorted(p.widths)[1]), "that value")
    ),
    recheck=partial(global_minimum_has_another_value, claimed="second smallest width"),
)
def test_depth_creates_no_bad_local_minima(p: DeepLinearProblem) -> Verdict:
    """Every local minimum of the deep problem attains the value of a local minimum of the shallow one.

    Every critical point is decided: its value is the least one, or lower points are exhibited.
    """
    return at_local_minimum(p, attains_a_local_minimum_of_2(p))


@claim(
    "LK17/thm2.1-minimiser",
    paper=LK17,
    where="Theorem 2.1, sharper than stated",
    says=r"\bar R = \bar W_H \cdots \bar W_1 \text{ itself is a global minimum of (2)}",
    assumes={"A1": X_FULL, "A2": Y_FULL},
)
@printed(HOLDS, every_critical, examples=60, note="stronger than the printed sentence, and true")
@drop("A1", HOLDS, planted_critical_problems(inputs="deficient"), examples=60)
@mutant(
    "at every critical point",
    every_critical,
    conclude=lambda p: at_critical_point(
        p, decide(is_global_minimum(p), why="R is no global minimum of (2).")
    ),
    recheck=partial(critical_point_is_above_the_least, also="rank Y = d_H"),
)
@mutant(
    "unique",
    eigenplanted_problems(widths(2, 3, ends=2), keep="top", values="tied"),
    examples=200,
    conclude=lambda p: unless(
        is_global_minimum(p) and p.least_width < len(eigenvalues(fitted_gram(p.X, p.Y))),
        "R X = Y P_X",
        lambda: minimiser_is_unique(p),
    ),
    recheck=minimiser_is_not_unique,
)
def test_the_product_itself_minimises(p: DeepLinearProblem) -> Verdict:
    """The product of a local minimum is a global minimum of the rank-constrained problem."""
    return at_local_minimum(
        p, decide(attains_least_value(p.R, p.X, p.Y, p.least_width), why="R is no global minimum of (2).")
    )


def shallow(p):
    """Problem (2) with k = d_1 = the inner width, at R = W_2 W_1: lower points are R' = W_2' W_1'."""
    return decide_equal(squared_norm(p.E), least_value(p.X, p.Y, p.least_width), named=("F(R)", "min (2)"))


def weighted_minimum(w: WeightedRankOne) -> Verdict:
    """Another norm: at a strict local minimum (one coordinate of a fixed) against the best a_i b_j alone."""
    E = w.a * w.b.transpose() - w.Y
    value = sum((w.C[i, j] * E[i, j] ** 2 for i in range(2) for j in range(2)), fmpq(0))
    fixed = 1  # a[1] >= 1 by construction
    moves = [("a", 1 - fixed), ("b", 0), ("b", 1)]
    jacobian, second = fmpq_mat(4, 3), fmpq_mat(3, 3)
    for i in range(2):
        for j in range(2):
            row = 2 * i + j
            for k, (name, at) in enumerate(moves):
                jacobian[row, k] = (
                    (w.b[j, 0] if at == i else 0) if name == "a" else (w.a[i, 0] if at == j else 0)
                )
    weights = zeros(4, 4)
    for i in range(2):
        for j in range(2):
            weights[2 * i + j, 2 * i + j] = 2 * w.C[i, j]
    second = jacobian.transpose() * weights * jacobian
    for j in range(2):
        second[0, 1 + j] += 2 * w.C[1 - fixed, j] * E[1 - fixed, j]
        second[1 + j, 0] = second[0, 1 + j]
    if not is_positive_definite(second):
        return vacuous("no strict local minimum")
    total = sum((w.C[i, j] * w.Y[i, j] ** 2 for i in range(2) for j in range(2)), fmpq(0))
    one_entry = min(total - w.C[i, j] * w.Y[i, j] ** 2 for i in range(2) for j in range(2))
    return decide_at_most(
        value, one_entry, named=("value at a strict local minimum", "value at one entry of Y")
    )


def at_shallow_minimum(p, verdict):
    """Local minima R = W_2 W_1 of (2): as of (1) with H = 2, since W' → W makes R' → R and F(R') < F(R)."""
    return at_local_minimum(p, verdict)


shallow_points = critical(shape=two, targets="any")


@claim(
    "LK17/thm2.2",
    paper=LK17,
    where="Theorem 2.2",
    says=r"\text{every local minimum of (2) is a global minimum}",
    assumes={"A1": X_FULL, "Frobenius norm": r"F(R) = \|RX - Y\|_F^2"},
)
@printed(
    HOLDS, shallow_points, examples=100, reaches={k: v for k, v in kinds.items() if k != "non-strict saddle"}
)
@drop("A1", HOLDS, planted_critical_problems(two, inputs="deficient"), examples=60, note="superfluous")
@drop(
    "Frobenius norm",
    REFUTED,
    weighted_rank_one_points(),
    conclude=weighted_minimum,
    examples=600,
    note="entries weighted differently: a strict local minimum above the least value, X = I and k = 1",
    recheck=weighted_minimum_is_not_least,
)
@mutant(
    "the value with sigma(Y)",
    shallow_points,
    conclude=lambda p: at_shallow_minimum(
        p, attains(p, squared_norm(p.Y) - largest_sum(p.Y * p.Y.transpose(), p.least_width), "that value")
    ),
    recheck=partial(global_minimum_has_another_value, claimed="singular values of Y"),
)
@mutant(
    "every local minimum has rank k",
    critical(shape=two, residual="zero"),
    examples=200,
    conclude=rank_is_full_at_minima,
    recheck=global_minimum_of_lower_rank,
)
@mutant(
    "every critical point",
    shallow_points,
    conclude=lambda p: at_critical_point(p, shallow(p)),
    recheck=critical_point_is_above_the_least,
)
@mutant(
    "the k smallest singular values",
    shallow_points,
    conclude=lambda p: at_shallow_minimum(
        p, decide_equal(squared_norm(p.E), squared_norm(p.Y) - smallest_sum(p), named=("F(R)", "that value"))
    ),
    recheck=partial(global_minimum_has_another_value, claimed="k smallest"),
)
def test_the_shallow_problem_has_no_bad_local_minima(p: DeepLinearProblem) -> Verdict:
    """Every local minimum of the rank-constrained problem is global."""
    return at_shallow_minimum(p, shallow(p))


def smallest_sum(p):
    """The sum of the d_p least eigenvalues of Ŷ Ŷᵀ."""
    return -largest_sum(-1 * fitted_gram(p.X, p.Y), p.least_width)


@claim(
    "LK17/thm2.3",
    paper=LK17,
    where="Theorem 2.3; Kawaguchi (2016), property 2",
    says=r"\text{every local minimum of (1) is a global minimum}",
    assumes={"A1": X_FULL, "A2": Y_FULL, "local minimum": MINIMUM},
)
@printed(HOLDS, every_critical | deep_saddles, examples=150, reaches=kinds)
@drop(
    "A1",
    HOLDS,
    planted_critical_problems(inputs="deficient", targets="full"),
    examples=200,
    needs=80,
    note="superfluous",
)
@drop("A2", HOLDS, planted_critical_problems(inputs="full"), examples=80, note="superfluous")
@drop(
    "local minimum",
    REFUTED,
    every_critical,
    conclude=lambda p: at_critical_point(p, is_least(p)),
    recheck=partial(critical_point_is_above_the_least, also="rank Y = d_H"),
)
@mutant(
    "every second-order critical point",
    critical(shape=deep),
    examples=200,
    conclude=lambda p: unless(
        is_critical(p) and not has_negative_curvature(p),
        "the Hessian has a negative eigenvalue",
        lambda: is_least(p),
    ),
    recheck=saddle_without_negative_curvature,
)
@mutant(
    "the second smallest width",
    eigenplanted_problems(inner, keep="top", targets="full"),
    examples=200,
    conclude=lambda p: at_local_minimum(
        p, decide_equal(p.loss * 2, least_value(p.X, p.Y, sorted(p.widths)[1]), named=("2 L", "that value"))
    ),
    recheck=partial(global_minimum_has_another_value, claimed="second smallest width"),
)
@mutant(
    "every critical point with full layers",
    full_subsets | critical(layers="full", shape=inner),
    examples=300,
    conclude=lambda p: unless(
        is_critical(p) and not CLASSES["a deficient layer"](p), "a deficient layer", lambda: is_least(p)
    ),
    recheck=partial(critical_point_is_above_the_least, also="full layers"),
)
def test_deep_linear_networks_have_no_bad_local_minima(p: DeepLinearProblem) -> Verdict:
    """Every local minimum of the deep linear problem is global; all other critical points have lower points nearby."""
    return at_local_minimum(p, is_least(p))
