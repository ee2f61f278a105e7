"""Lu & Kawaguchi (2017): beyond the paper, all critical points."""

from strategies.deep_linear import (
    DeepLinearProblem,
    deep_linear_problems,
    eigenplanted_problems,
    planted_critical_problems,
    widths,
)
from verify import (
    HOLDS,
    REFUTED,
    Verdict,
    claim,
    decide,
    drop,
    mutant,
    printed,
)
from verify.lk17 import deep, every_critical, every_other, full_subsets, q_of
from verify.oracles.deep_linear import (
    KINDS,
    Kind,
    at_critical_point,
    has_negative_curvature,
    kind,
)
from verify.oracles.rank_constrained import (
    attains_least_value,
    eigenvalues,
    fitted_gram,
    squared_norm,
)
from verify.papers import LK17
from verify.rechecks.lk17_critical import (
    fewer_values_are_kept,
    saddle_is_not_strict,
    saddle_of_less_rank_is_strict,
    smaller_values_are_kept,
    value_is_no_partial_sum,
)


@claim(
    "LK17/critical-kinds",
    paper=LK17,
    where="beyond the paper: Achour, Malgouyres & Gerchinovitz (2024), second-order classification",
    says=r"\nabla^2 L \text{ has a negative eigenvalue iff } W \text{ is a strict saddle by its ranks, its singular values and tightness}",
    assumes={"simple data": r"\sigma_i \text{ distinct},\ d_H \le d_0,\ \mathrm{rank}(XY^\top) = d_H"},
)
@printed(
    HOLDS,
    eigenplanted_problems(
        widths(1, 4).map(lambda d: (max(d), *d[1:-1], min(d[0], d[-1]))), values="distinct"
    ),
    examples=100,
    reaches={"global minimum": KINDS["global minimum"], "strict saddle": KINDS["strict saddle"]},
)
@drop(
    "simple data",
    HOLDS,
    planted_critical_problems(widths(1, 4))
    | eigenplanted_problems(widths(1, 4))
    | planted_critical_problems(deep, residual="solved"),
    examples=150,
    reaches=KINDS,
    note="the assumptions are superfluous as far as tested",
)
@mutant(
    "every saddle is strict",
    planted_critical_problems(deep, residual="solved"),
    examples=200,
    conclude=lambda p: decide(
        kind(p) is Kind.GLOBAL_MINIMUM or has_negative_curvature(p),
        why="A saddle without negative curvature.",
    ),
    recheck=saddle_is_not_strict,
)
@mutant(
    "saddles with rank R < d_p are not strict",
    planted_critical_problems(residual="solved"),
    examples=200,
    conclude=lambda p: decide(
        kind(p) is Kind.GLOBAL_MINIMUM or p.R.rank() == p.least_width or not has_negative_curvature(p),
        why="A strict saddle.",
    ),
    recheck=saddle_of_less_rank_is_strict,
)
def test_critical_points_are_of_three_kinds(p: DeepLinearProblem) -> Verdict:
    """The kind by ranks agrees with the inertia of the exact Hessian at every critical point."""
    return decide(
        (kind(p) is Kind.STRICT_SADDLE) == has_negative_curvature(p), why="The kind and the Hessian disagree."
    )


def is_a_partial_sum(p, most=None):
    """‖Y‖² − 2L is a sum of at most d_p eigenvalues of Ŷ Ŷᵀ: the spectrum of Z Zᵀ is a part of that of Ŷ Ŷᵀ."""
    Z = p.R * p.X
    kept = [e for e in eigenvalues(Z * Z.transpose()) if e.factor != (0, 1)]
    whole = eigenvalues(fitted_gram(p.X, p.Y))
    inside = all(kept.count(e) <= whole.count(e) for e in kept) and len(kept) <= p.least_width
    right = squared_norm(p.Y) - 2 * p.loss == squared_norm(Z)
    return decide(inside and right, why="The value is not that of a set of singular values.")


@claim(
    "LK17/critical-values",
    paper=LK17,
    where="beyond the paper: all critical values",
    says=r"\nabla L(W) = 0 \Rightarrow L(W) = \tfrac12(\|Y\|^2 - \textstyle\sum_{i \in S} \sigma_i^2),\ |S| \le d_p,\ \sigma_i = \sigma_i(Y P_X)",
    assumes={"critical": r"\nabla L(W) = 0"},
)
@printed(HOLDS, every_other | every_critical, examples=100, reaches=KINDS)
@drop(
    "critical",
    REFUTED,
    deep_linear_problems(layers="full"),
    conclude=is_a_partial_sum,
    recheck=value_is_no_partial_sum,
)
@mutant(
    "|S| = min(d_p, rank)",
    every_other,
    examples=200,
    conclude=lambda p: at_critical_point(
        p, decide((p.R * p.X).rank() == min(p.least_width, q_of(p)), why="Fewer singular values are kept.")
    ),
    recheck=fewer_values_are_kept,
)
@mutant(
    "S the largest",
    full_subsets,
    examples=300,
    conclude=lambda p: at_critical_point(
        p,
        decide(
            attains_least_value(p.R, p.X, p.Y, int((p.R * p.X).rank())),
            why="Not the largest singular values are kept.",
        ),
    ),
    recheck=smaller_values_are_kept,
)
def test_critical_values_are_partial_sums(p: DeepLinearProblem) -> Verdict:
    """At a critical point the network keeps some of the singular values of the data, unchanged, and no more than d_p."""
    return at_critical_point(p, is_a_partial_sum(p))
