"""Lu & Kawaguchi (2017): Section 2: the two problems and their symmetries."""

from functools import partial

from flint import fmpq

from strategies.deep_linear import (
    CLASSES,
    DeepLinearProblem,
    Reparametrisation,
    deep_linear_problems,
    eigenplanted_problems,
    planted_critical_problems,
    reparametrisations,
    widths,
)
from strategies.matrices import zeros
from verify import (
    HOLDS,
    REFUTED,
    Verdict,
    all_of,
    claim,
    decide,
    decide_at_most,
    decide_equal,
    decide_less,
    drop,
    mutant,
    printed,
    repaired,
    vacuous,
)
from verify.lk17 import (
    active,
    anything,
    attains,
    every_critical,
    inner,
    least,
    nonconvex,
    optimal,
    q_of,
    shallow_or_not,
    two_halves,
    unless,
)
from verify.oracles.deep_linear import (
    is_critical,
    is_global_minimum,
    with_weights,
)
from verify.oracles.rank_constrained import (
    largest_sum,
    least_value,
    squared_norm,
)
from verify.papers import LK17
from verify.rechecks.deep_linear_minima import global_minimum_has_another_value, loss_is_convex
from verify.rechecks.lk17_problems import (
    matrices_of_this_rank_are_convex,
    middle_of_the_flip_is_not_higher,
    middle_to_zero_is_not_higher,
    minima_are_convex,
    one_flip_changes_the_loss,
    products_differ,
    rank_of_the_product_is_another,
)


@claim(
    "LK17/rank-bound",
    paper=LK17,
    where="Section 2, below (1)",
    says=r"\mathrm{rank}(W_H W_{H-1} \cdots W_1) \le d_p",
    equivalent={"rank <= the second smallest width": "weaker than the claim, and true"},
)
@printed(HOLDS, deep_linear_problems(), examples=80, reaches={"rank R = d_p": CLASSES["rank R = d_p"]})
@mutant(
    "rank = d_p",
    deep_linear_problems(),
    conclude=lambda p: decide(p.R.rank() == p.least_width, why="rank R < d_p."),
    recheck=partial(rank_of_the_product_is_another, sentence="rank = d_p"),
)
@mutant(
    "rank < d_p",
    deep_linear_problems(),
    conclude=lambda p: decide(p.R.rank() < p.least_width, why="rank R = d_p."),
    recheck=partial(rank_of_the_product_is_another, sentence="rank < d_p"),
)
@mutant(
    "rank = min of the ranks",
    deep_linear_problems(widths(2, 5)),
    conclude=lambda p: decide(
        p.R.rank() == min(w.rank() for w in p.weights), why="rank R is below the rank of every layer."
    ),
    recheck=partial(rank_of_the_product_is_another, sentence="rank = min of the ranks"),
)
def test_products_have_rank_at_most_the_least_width(p: DeepLinearProblem) -> Verdict:
    """The product of all layers has rank at most the least width."""
    return decide_at_most(int(p.R.rank()), p.least_width, named=("rank R", "d_p"))


def at_optimum(p, verdict):
    """``verdict`` at global minima of (1): L(W) is then min (1), because R W ↦ R reaches every rank <= d_p."""
    return verdict if is_global_minimum(p) else vacuous("no global minimum")


@claim(
    "LK17/equivalent",
    paper=LK17,
    where="Section 2, (1) and (2)",
    says=r"\min_W \tfrac12\|W_H \cdots W_1 X - Y\|_F^2 = \min_{\mathrm{rank}(R) \le d_p} \|RX - Y\|_F^2",
)
@printed(
    REFUTED,
    planted_critical_problems(residual="zero"),
    recheck=partial(global_minimum_has_another_value, claimed="twice L"),
    note="the factor 1/2 of (1) is missing in (2); false whenever the minimum is positive",
)
@repaired(
    r"\min_{\mathrm{rank}(R) \le d_p} \|RX - Y\|_F^2 = 2 \min_W L(W)",
    optimal,
    conclude=lambda p: attains(p, least(p)),
    examples=80,
    reaches={name: CLASSES[name] for name in ("inner bottleneck", "deficient X", "rank Y X^T < d_p")},
)
@mutant(
    "min over all R",
    eigenplanted_problems(inner, keep="top"),
    conclude=lambda p: attains(p, least_value(p.X, p.Y, p.widths[0])),
    recheck=partial(global_minimum_has_another_value, claimed="over all R"),
)
@mutant(
    "the second smallest width",
    eigenplanted_problems(inner, keep="top"),
    conclude=lambda p: attains(p, least_value(p.X, p.Y, sorted(p.widths)[1])),
    recheck=partial(global_minimum_has_another_value, claimed="second smallest width"),
)
@mutant(
    "singular values of Y",
    optimal,
    conclude=lambda p: attains(p, squared_norm(p.Y) - largest_sum(p.Y * p.Y.transpose(), p.least_width)),
    recheck=partial(global_minimum_has_another_value, claimed="singular values of Y"),
)
@mutant(
    "singular values of Y X^T",
    eigenplanted_problems(keep="top"),
    conclude=lambda p: attains(
        p,
        squared_norm(p.Y) - largest_sum(p.Y * p.X.transpose() * p.X * p.Y.transpose(), p.least_width),
    ),
    recheck=partial(global_minimum_has_another_value, claimed="singular values of Y X^T"),
)
def test_both_problems_have_the_same_least_value(p: DeepLinearProblem) -> Verdict:
    """Problems (1) and (2) have the same global minimum value, decided at planted global minima."""
    return at_optimum(p, decide_equal(p.loss, least(p), named=("min (1)", "min (2)")))


def partial_identity(m, n, first, size):
    """Ones at (first, first), …, ``size`` of them."""
    a = zeros(m, n)
    for k in range(first, first + size):
        a[k, k] = 1
    return a


def feasible_set_is_not_convex(p, k):
    """Two matrices of rank k whose midpoint has rank k + 1, decided by rank."""
    m, n = p.widths[-1], p.widths[0]
    if k >= min(m, n):
        return decide(
            False, why=f"Every {m} x {n} matrix has rank <= {k}: (2) is a linear least squares problem."
        )
    a, b = partial_identity(m, n, 0, k), partial_identity(m, n, 1, k)
    return decide(
        a.rank() == b.rank() == k < (a + b).rank(), why="the midpoint of two matrices of rank k is feasible"
    )


narrow, not_narrow = widths(2, 4, bottleneck=True), widths(1, 4)


@claim(
    "LK17/restricted-nonconvex",
    paper=LK17,
    where="Section 2, below (2)",
    says=r"d_p < \min(d_H, d_0) \Rightarrow \{R : \mathrm{rank}(R) \le d_p\} \text{ is not convex}",
    assumes={"d_p < min(d_H, d_0)": r"d_p < \min(d_H, d_0)"},
)
@printed(HOLDS, deep_linear_problems(narrow), examples=60)
@drop(
    "d_p < min(d_H, d_0)",
    REFUTED,
    deep_linear_problems(not_narrow),
    recheck=matrices_of_this_rank_are_convex,
)
@mutant(
    "rank <= d_p + 1",
    deep_linear_problems(narrow),
    conclude=lambda p: feasible_set_is_not_convex(p, p.least_width + 1),
    recheck=partial(matrices_of_this_rank_are_convex, bound="d_p + 1"),
)
@mutant(
    "rank <= the second smallest width",
    deep_linear_problems(narrow),
    conclude=lambda p: feasible_set_is_not_convex(p, sorted(p.widths)[1]),
    recheck=partial(matrices_of_this_rank_are_convex, bound="second smallest"),
)
def test_the_shallow_problem_is_not_convex(p: DeepLinearProblem) -> Verdict:
    """Problem (2) is not convex unless d_p = min(d_H, d_0)."""
    return feasible_set_is_not_convex(p, p.least_width)


@claim(
    "LK17/deep-nonconvex",
    paper=LK17,
    where="Section 2, below (2); Section 1",
    says=r"H > 1 \Rightarrow L \text{ is not convex, even when } d_p \ge \min(d_H, d_0)",
    assumes=shallow_or_not,
)
@printed(
    HOLDS,
    anything,
    examples=60,
    reaches={
        "d_p = min(d_H, d_0)": lambda p: p.least_width == min(p.widths[0], p.widths[-1]),
        "inner bottleneck": CLASSES["inner bottleneck"],
    },
)
@drop("H > 1", REFUTED, deep_linear_problems(widths(1, 1), inputs="full"), recheck=loss_is_convex)
@drop(
    "X",
    REFUTED,
    deep_linear_problems(inputs="zero"),
    note="with X = 0 the loss is constant",
    recheck=loss_is_convex,
)
@mutant("also without layers in between", deep_linear_problems(inputs="full"), recheck=loss_is_convex)
@mutant(
    "between W and 0 already",
    anything,
    conclude=lambda p: decide_less(
        (p.loss + squared_norm(p.Y) / 2) / 2,
        with_weights(p, *(w / 2 for w in p.weights)).loss,
        named=("mean of L at W and 0", "L in the middle"),
    ),
    recheck=middle_to_zero_is_not_higher,
)
def test_the_deep_problem_is_not_convex(p: DeepLinearProblem) -> Verdict:
    """Problem (1) is not convex for H > 1: two points of equal loss with a higher middle."""
    return nonconvex(p)


@claim(
    "LK17/symmetries",
    paper=LK17,
    where="Section 1, weight-space symmetries",
    says=r"(\dots, W_{j+1} T^{-1}, T W_j, \dots) \text{ is the same function}",
)
@printed(HOLDS, reparametrisations(deep_linear_problems(widths(2, 4))), examples=60)
@mutant(
    "T for T^-1",
    reparametrisations(deep_linear_problems(widths(2, 4), layers="full")),
    conclude=lambda c: decide(
        c.there.R
        == with_weights(
            c.problem,
            *c.there.weights[: c.layer],
            c.problem.weights[c.layer] * c.T,
            *c.there.weights[c.layer + 1 :],
        ).R,
        why="W_{j+1} T T W_j is another product.",
    ),
    recheck=products_differ,
)
@mutant(
    "T^T for T^-1",
    reparametrisations(deep_linear_problems(widths(2, 4), layers="full")),
    conclude=lambda c: decide(
        c.problem.R
        == with_weights(
            c.problem,
            *c.there.weights[: c.layer],
            c.problem.weights[c.layer] * c.T.transpose(),
            *c.there.weights[c.layer + 1 :],
        ).R,
        why="W_{j+1} T^T T W_j is another product.",
    ),
    recheck=partial(products_differ, transposed=True),
)
def test_layers_can_be_reparametrised(c: Reparametrisation) -> Verdict:
    """A change of basis in a hidden layer leaves the function, and hence the loss, as it is."""
    return all_of(
        decide(c.there.R == c.problem.R, why="The products differ."),
        decide_equal(c.there.loss, c.problem.loss, named=("L there", "L")),
    )


def flipped(p):
    """W with W₁ and W₂ negated, and the middle between the two, where W₁ = W₂ = 0."""
    there = with_weights(p, -1 * p.weights[0], -1 * p.weights[1], *p.weights[2:])
    return there, with_weights(p, p.weights[0] * 0, p.weights[1] * 0, *p.weights[2:])


def optimal_set_is_not_convex(p):
    """Two global minima whose middle is none: W and W flipped, or, where 0 is optimal, two halves of a product."""
    if not is_global_minimum(p):
        return vacuous("no global minimum")
    if len(p.weights) == 1:
        return decide(False, why="H = 1: the optimal set is affine.")
    if active(p) is None:
        return decide(False, why="X = 0: every point is optimal.")
    there, middle = flipped(p)
    ends = (p, there)
    if middle.loss == p.loss:  # the zero product is optimal
        *ends, middle = two_halves(p, fmpq(1))
    if not all(map(is_global_minimum, ends)):
        return decide(False, why="The two ends are not optimal.")
    return decide_less(p.loss, middle.loss, named=("min L", "L in the middle"))


@claim(
    "LK17/optimal-set",
    paper=LK17,
    where="Section 1, non-convexity by symmetries",
    says=r"H > 1 \Rightarrow \text{the set of global minima is not convex (hence neither are sublevel sets nor the epigraph)}",
    assumes=shallow_or_not,
)
@printed(
    HOLDS,
    eigenplanted_problems(widths(2, 5), keep="top")
    | planted_critical_problems(widths(2, 4), inputs="full", residual="zero"),
    examples=60,
    reaches={"Y X^T = 0": CLASSES["Y X^T = 0"], "Y X^T != 0": lambda p: q_of(p) > 0},
    note="symmetries alone do not imply this, as the text suggests: |x|^2 has them and is convex",
)
@drop("H > 1", REFUTED, eigenplanted_problems(widths(1, 1), keep="top"), recheck=minima_are_convex)
@drop("X", REFUTED, planted_critical_problems(widths(2, 4), inputs="zero"), recheck=minima_are_convex)
@mutant(
    "at every critical point",
    every_critical,
    conclude=lambda p: unless(
        is_critical(p) and len(p.weights) > 1,
        "H = 1",
        lambda: decide_less(p.loss, flipped(p)[1].loss, named=("L", "L in the middle")),
    ),
    recheck=middle_of_the_flip_is_not_higher,
)
@mutant(
    "with one layer flipped",
    eigenplanted_problems(widths(2, 5), keep="top"),
    conclude=lambda p: at_optimum(
        p,
        decide_equal(
            with_weights(p, -1 * p.weights[0], *p.weights[1:]).loss, p.loss, named=("L flipped", "L")
        ),
    ),
    recheck=one_flip_changes_the_loss,
)
def test_the_set_of_minima_is_not_convex(p: DeepLinearProblem) -> Verdict:
    """Flipping the signs of two layers leads from a global minimum to another, and the middle is higher."""
    return optimal_set_is_not_convex(p)
