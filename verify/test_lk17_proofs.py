"""Lu & Kawaguchi (2017): Section 3.1, the proofs of Theorems 2.1 and 3.3."""

from functools import partial

from strategies.deep_linear import (
    CLASSES,
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
    decide_at_most,
    decide_equal,
    drop,
    mutant,
    printed,
    repaired,
    vacuous,
)
from verify.lk17 import MINIMUM, critical, inner, q_of, unless
from verify.oracles.deep_linear import (
    at_local_minimum,
    is_critical,
    is_global_minimum,
)
from verify.oracles.rank_constrained import (
    squared_norm,
)
from verify.papers import LK17
from verify.rechecks.lk17_full_rank import product_has_less_rank
from verify.rechecks.lk17_proofs import (
    a_layer_cannot_be_filled,
    index_before_the_first,
    least_width_is_lost,
    merged_point_is_no_minimum,
    merged_value_is_not_twice,
    objectives_differ,
    product_of_halves_has_another_rank,
)


@claim(
    "LK17/thm2.1-proof",
    paper=LK17,
    where="Section 3.1, proof of Theorem 2.1, last display",
    says=r"F(R) = L(W)",
)
@printed(
    REFUTED,
    deep_linear_problems(),
    recheck=objectives_differ,
    note="the factor 1/2 again; harmless in the proof",
)
@repaired(
    r"F(W_H \cdots W_1) = 2 L(W)",
    deep_linear_problems(),
    examples=60,
    conclude=lambda p: decide_equal(squared_norm(p.R * p.X - p.Y), p.loss * 2, named=("F(R)", "2 L(W)")),
)
@mutant(
    "F = 4 L",
    deep_linear_problems(),
    conclude=lambda p: decide_equal(squared_norm(p.R * p.X - p.Y), p.loss * 4, named=("F(R)", "4 L(W)")),
    recheck=partial(objectives_differ, factor=4),
)
@mutant(
    "F = L + |Y|^2 / 2",
    deep_linear_problems(),
    conclude=lambda p: decide_equal(
        squared_norm(p.R * p.X - p.Y), p.loss + squared_norm(p.Y) / 2, named=("F(R)", "L(W) + |Y|^2/2")
    ),
    recheck=partial(objectives_differ, share_of_targets="1/2"),
)
def test_the_two_objectives_agree(p: DeepLinearProblem) -> Verdict:
    """F(R) = L(W) for R = W_H ⋯ W₁."""
    return decide_equal(squared_norm(p.R * p.X - p.Y), p.loss, named=("F(R)", "L(W)"))


def merged(p, at):
    """The problem with W_{at+1} W_at in the place of both."""
    weights = (*p.weights[: at - 1], p.weights[at] * p.weights[at - 1], *p.weights[at + 1 :])
    return DeepLinearProblem(weights=weights, X=p.X, Y=p.Y)


def p_of(problem):
    """The first index of the least width."""
    return problem.widths.index(problem.least_width)


def choices_of_p(problem):
    """Every index of the least width."""
    return [i for i, width in enumerate(problem.widths) if width == problem.least_width]


def merged_is_minimal(problem):
    """Where W̄ is a local minimum with W̄_p of full row rank, so is T̄ = W̄_p W̄_{p−1} of L₁, all layers free."""
    p = p_of(problem)
    if p < 2:
        return vacuous("p < 2: there is no W_p W_{p-1}")
    if problem.weights[p - 1].rank() < problem.least_width:
        return vacuous("W_p is of deficient rank")
    small = merged(problem, p - 1)
    if is_critical(small) and is_global_minimum(small):
        return decide(True, why="T is a global minimum of L_1")
    return at_local_minimum(problem, decide(False, why="T is no local minimum of L_1."))


late = widths(2, 4, bottleneck=True).filter(lambda d: d.index(min(d)) >= 2)


@claim(
    "LK17/thm3.3-merged",
    paper=LK17,
    where="Section 3.1, proof of Theorem 3.3, L_1",
    says=r"\bar W \text{ a local minimum} \Rightarrow \bar T = \bar W_p \bar W_{p-1} \text{ a local minimum of } L_1",
    assumes={"local minimum": MINIMUM, "p >= 2": "p \\ge 2"},
)
@printed(HOLDS, critical(shape=late, layers="full"), examples=100, needs=20)
@drop(
    "local minimum",
    REFUTED,
    critical(shape=late, layers="full"),
    examples=200,
    conclude=lambda q: unless(
        is_critical(q),
        "not critical",
        lambda: decide(is_global_minimum(merged(q, p_of(q) - 1)), why="T is no global minimum of L_1."),
    ),
    recheck=merged_point_is_no_minimum,
)
@drop(
    "p >= 2",
    REFUTED,
    deep_linear_problems(widths(2, 3)),
    conclude=lambda q: unless(
        1 not in choices_of_p(q),
        "p = 1",
        lambda: decide(choices_of_p(q) != [0], why="p = 0, and there is no W_{p-1}."),
    ),
    recheck=index_before_the_first,
    note="the text excludes p = 1 only; for p = 0 there is nothing to do on this side",
)
@mutant(
    "with value 2 L(W)",
    critical(shape=late),
    examples=200,
    conclude=lambda q: unless(
        is_critical(q) and is_global_minimum(q),
        "no global minimum",
        lambda: decide_equal(merged(q, p_of(q) - 1).loss, 2 * q.loss, named=("L_1(T)", "2 L(W)")),
    ),
    recheck=merged_value_is_not_twice,
)
@mutant(
    "the least width stays when W_p is merged away",
    deep_linear_problems(inner),
    examples=100,
    conclude=lambda q: decide(
        merged(q, p_of(q)).least_width == q.least_width, why="Without d_p the least width is larger."
    ),
    recheck=least_width_is_lost,
)
def test_merged_layers_are_minimal(problem: DeepLinearProblem) -> Verdict:
    """The product of two layers is a local minimum where they are, if the upper one has full row rank."""
    return merged_is_minimal(problem)


def sylvester(p, lost):
    """rank(BA) >= rank B + rank A − lost for B = W_H ⋯ W_{p+1}, A = W_p ⋯ W₁."""
    b, a = p.above(p_of(p)), p.below(p_of(p))
    return decide_at_most(
        int(b.rank() + a.rank()) - lost(p), int((b * a).rank()), named=("rank B + rank A - d", "rank BA")
    )


@claim(
    "LK17/sylvester",
    paper=LK17,
    where="Section 3.1, proof of Theorem 3.3, last display",
    says=r"\mathrm{rank}(BA) \ge \mathrm{rank}(B) + \mathrm{rank}(A) - d_p,\ B = W_H \cdots W_{p+1},\ A = W_p \cdots W_1",
)
@printed(HOLDS, deep_linear_problems(widths(2, 5)), examples=80)
@mutant(
    "- d_p + 1",
    deep_linear_problems(widths(2, 5)),
    conclude=lambda p: sylvester(p, lambda p: p.least_width - 1),
    recheck=partial(product_of_halves_has_another_rank, relation="one more"),
)
@mutant(
    "equality",
    planted_critical_problems(),
    conclude=lambda p: decide_equal(
        int(p.R.rank()),
        int(p.above(p_of(p)).rank() + p.below(p_of(p)).rank()) - p.least_width,
        named=("rank BA", "rank B + rank A - d_p"),
    ),
    recheck=partial(product_of_halves_has_another_rank, relation="equality"),
)
def test_sylvesters_inequality(p: DeepLinearProblem) -> Verdict:
    """The product of the parts above and below the narrowest layer loses at most what Sylvester allows."""
    return sylvester(p, lambda p: p.least_width)


def least_rank_of_full_layers(d):
    """r_min(d) = max(0, d_0 − Σ_j max(0, d_{j−1} − d_j))."""
    return max(0, d[0] - sum(max(0, a - b) for a, b in zip(d[:-1], d[1:], strict=True)))


full_layers = deep_linear_problems(layers="full") | deep_linear_problems(layers="shifts")


@claim(
    "LK17/full-layers-rank",
    paper=LK17,
    where="what Theorem 3.3 is about: products of full-rank layers",
    says=r"\mathrm{rank}(W_i) \text{ full for all } i \Rightarrow \mathrm{rank}(W_H \cdots W_1) \ge d_0 - \textstyle\sum_j \max(0, d_{j-1} - d_j)",
    assumes={"full layers": r"\mathrm{rank}(W_i) = \min(d_i, d_{i-1})"},
)
@printed(
    HOLDS,
    full_layers,
    examples=100,
    reaches={
        "rank R < d_p": CLASSES["full layers, rank R < d_p"],
        "equality": lambda p: p.R.rank() == least_rank_of_full_layers(p.widths),
    },
    note="sharp: Theorem 3.3 holds for all data of rank(YX^T) = q iff q >= d_p or q < this number",
)
@drop(
    "full layers", REFUTED, deep_linear_problems(), recheck=partial(product_has_less_rank, full=False)
)
@mutant(
    "rank = d_p",
    full_layers,
    examples=200,
    conclude=lambda p: decide_equal(int(p.R.rank()), p.least_width, named=("rank R", "d_p")),
    recheck=partial(product_has_less_rank, bound="d_p"),
)
@mutant(
    "one more",
    full_layers,
    conclude=lambda p: decide_at_most(
        least_rank_of_full_layers(p.widths) + 1, int(p.R.rank()), named=("r_min + 1", "rank R")
    ),
    recheck=partial(product_has_less_rank, more=1),
)
def test_full_layers_keep_some_rank(p: DeepLinearProblem) -> Verdict:
    """Layers of full rank lose no more rank than the widths fall."""
    return decide_at_most(least_rank_of_full_layers(p.widths), int(p.R.rank()), named=("r_min", "rank R"))


def kappa(d, more=0):
    """κ(d) = max_i [min(d_0, …, d_{i−1}) + min(d_i, …, d_H) − max(d_i, d_{i−1})]."""
    return max(min(d[:i]) + min(d[i:]) - max(d[i], d[i - 1]) for i in range(1, len(d)))


def layers_can_be_filled(p, slack=0, q_needed=0):
    """At global minima with q >= κ(d): rank(RX) >= s_1 + s_2 − max(d_i, d_{i−1}) for every layer i."""
    if q_of(p) < kappa(p.widths) - q_needed:
        return vacuous("rank(Y X^T) < kappa(d)")
    if not is_global_minimum(p):
        return vacuous("no global minimum")
    rank, d = int((p.R * p.X).rank()), p.widths
    needed = max(
        int((p.below(i - 1) * p.X).rank() + p.above(i).rank()) - max(d[i], d[i - 1]) for i in range(1, len(d))
    )
    return decide_at_most(needed + slack, rank, named=("max s_1 + s_2 - max(d_i, d_{i-1})", "rank RX"))


optimal_with_full_x = eigenplanted_problems(keep="top") | planted_critical_problems(
    inputs="full", residual="zero", layers="shifts"
)


@claim(
    "LK17/kappa",
    paper=LK17,
    where="what Theorem 3.2 needs: equal-loss layers of full rank exist iff rank(RX) >= s_1 + s_2 - max(d_i, d_{i-1})",
    says=r"\mathrm{rank}(YX^\top) \ge \kappa(d) \Rightarrow \mathrm{rank}(RX) \ge s_1 + s_2 - \max(d_i, d_{i-1}) \text{ at global minima}",
    assumes={
        "q >= kappa(d)": r"\mathrm{rank}(YX^\top) \ge \kappa(d) = \max_i[\min_{j<i} d_j + \min_{j \ge i} d_j - \max(d_i, d_{i-1})]"
    },
)
@printed(HOLDS, optimal_with_full_x, examples=80, needs=20)
@drop(
    "q >= kappa(d)",
    REFUTED,
    optimal_with_full_x,
    examples=300,
    conclude=lambda p: layers_can_be_filled(p, q_needed=99),
    recheck=partial(a_layer_cannot_be_filled, short=None),
)
@mutant(
    "one more",
    optimal_with_full_x,
    conclude=lambda p: layers_can_be_filled(p, slack=1),
    recheck=partial(a_layer_cannot_be_filled, more=1),
)
@mutant(
    "q >= kappa(d) - 1",
    optimal_with_full_x,
    examples=300,
    conclude=lambda p: layers_can_be_filled(p, q_needed=1),
    recheck=partial(a_layer_cannot_be_filled, short=1),
)
def test_layers_can_be_filled_up(p: DeepLinearProblem) -> Verdict:
    """From rank(Y Xᵀ) >= κ(d) on, every layer of a global minimum can be made full without changing the loss."""
    return layers_can_be_filled(p)
