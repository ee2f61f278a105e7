"""Lu & Kawaguchi (2017): what is quoted of Kawaguchi (2016), and what is claimed to be new."""

from functools import partial

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
    all_of,
    claim,
    decide,
    decide_less,
    drop,
    mutant,
    printed,
)
from verify.lk17 import (
    anything,
    critical,
    deep,
    every_other,
    is_least,
    kept_exceeds_the_rest,
    nonconcave,
    nonconvex,
    q_of,
    shallow_or_not,
    two,
    unless,
)
from verify.oracles.deep_linear import (
    KINDS,
    at_critical_point,
    at_local_minimum,
    find_ascent,
    find_descent,
    has_negative_curvature,
    is_critical,
    is_global_minimum,
    with_weights,
)
from verify.oracles.landscape import RADII, vanishes
from verify.oracles.rank_constrained import (
    eigenvalues,
    fitted_gram,
)
from verify.papers import LK17
from verify.rechecks.deep_linear_minima import (
    loss_is_convex,
    saddle_without_negative_curvature,
    tied_critical_point_is_not_least,
)
from verify.rechecks.lk17_quoted import (
    critical_point_has_no_lower_points,
    critical_point_without_negative_curvature,
    full_rank_does_not_follow,
    loss_ignores_a_layer,
    loss_is_constant,
    middle_in_one_layer_is_not_lower,
    next_singular_value_is_the_same,
    origin_is_no_flat_saddle,
)


@claim(
    "LK17/kawaguchi-1",
    paper=LK17,
    where="Section 2, after Theorem 2.3, property 1",
    says=r"L \text{ is non-convex and non-concave}",
    assumes=shallow_or_not,
)
@printed(HOLDS, anything, examples=60)
@drop("H > 1", REFUTED, deep_linear_problems(widths(1, 1), inputs="full"), recheck=loss_is_convex)
@drop("X", REFUTED, deep_linear_problems(inputs="zero"), recheck=loss_is_convex)
@mutant("for every depth", deep_linear_problems(inputs="full"), recheck=loss_is_convex)
@mutant(
    "not even in one layer",
    anything,
    conclude=lambda p: decide_less(
        with_weights(p, p.weights[0] * 0, *p.weights[1:]).loss,
        (p.loss + with_weights(p, -1 * p.weights[0], *p.weights[1:]).loss) / 2,
        named=("L with W_1 = 0", "mean of L at W_1 and -W_1"),
    ),
    recheck=middle_in_one_layer_is_not_lower,
)
def test_the_loss_is_neither_convex_nor_concave(p: DeepLinearProblem) -> Verdict:
    """L is neither convex nor concave."""
    return all_of(nonconvex(p), nonconcave(p))


def is_a_saddle(p):
    """Lower and higher points within every radius."""
    for radius in RADII:
        if find_descent(p, radius) is None:
            return decide(False, why="No lower points nearby.")
        if find_ascent(p, radius) is None:
            return decide(False, why="No higher points nearby.")
    return decide(True, why="lower and higher points within every radius")


@claim(
    "LK17/kawaguchi-3",
    paper=LK17,
    where="Section 2, after Theorem 2.3, property 3",
    says=r"\nabla L(W) = 0,\ L(W) > \min L \Rightarrow W \text{ is a saddle point}",
)
@printed(
    HOLDS,
    every_other,
    examples=100,
    needs=20,
    reaches={"strict saddle": KINDS["strict saddle"], "non-strict saddle": KINDS["non-strict saddle"]},
)
@mutant(
    "every critical point",
    every_other,
    conclude=lambda p: at_critical_point(p, is_a_saddle(p)),
    recheck=critical_point_has_no_lower_points,
)
@mutant(
    "a strict saddle",
    critical(shape=deep, residual="solved"),
    examples=200,
    conclude=lambda p: unless(
        is_critical(p) and not is_global_minimum(p),
        "a global minimum",
        lambda: decide(has_negative_curvature(p), why="The Hessian has no negative eigenvalue."),
    ),
    recheck=saddle_without_negative_curvature,
)
def test_every_other_critical_point_is_a_saddle(p: DeepLinearProblem) -> Verdict:
    """A critical point that is no global minimum has lower and higher points within every radius."""
    return unless(
        is_critical(p) and not is_global_minimum(p),
        "not critical, or a global minimum",
        lambda: is_a_saddle(p),
    )


@claim(
    "LK17/no-maxima",
    paper=LK17,
    where="Section 2, property 3, the half that concerns maxima",
    says=r"L \text{ has no local maximum}",
    assumes={"X": "X \\ne 0"},
)
@printed(HOLDS, critical(), examples=60)
@drop("X", REFUTED, planted_critical_problems(inputs="zero"), recheck=loss_is_constant)
@mutant(
    "strictly along W_1",
    critical(shape=widths(2, 4)),
    examples=200,
    conclude=lambda p: decide(not vanishes(p.above(1)), why="W_1 may be anything: L does not change."),
    recheck=loss_ignores_a_layer,
)
@mutant(
    "strictly along W_H",
    critical(shape=widths(2, 4)),
    examples=200,
    conclude=lambda p: decide(
        not vanishes(p.below(len(p.weights) - 1) * p.X), why="W_H may be anything: L does not change."
    ),
    recheck=partial(loss_ignores_a_layer, last=True),
)
def test_there_are_no_local_maxima(p: DeepLinearProblem) -> Verdict:
    """Within every radius of every critical point L takes higher values."""
    return at_critical_point(
        p,
        decide(
            all(find_ascent(p, radius) is not None for radius in RADII), why="L is constant near this point."
        ),
    )


def strict_unless_global(p):
    """A negative eigenvalue at every critical point but the global minima."""
    return unless(
        is_critical(p) and not is_global_minimum(p),
        "not critical, or a global minimum",
        lambda: decide(has_negative_curvature(p), why="The Hessian has no negative eigenvalue."),
    )


one_hidden = critical(shape=two, targets="any", inputs="any", residual="solved")


@claim(
    "LK17/kawaguchi-4-shallow",
    paper=LK17,
    where="Section 2, after Theorem 2.3, property 4, first half",
    says=r"H = 2:\ \nabla L = 0,\ L > \min L \Rightarrow \lambda_{\min}(\nabla^2 L) < 0",
    assumes={"H = 2": "H = 2"},
)
@printed(HOLDS, one_hidden, examples=100, needs=20)
@drop(
    "H = 2",
    REFUTED,
    critical(shape=deep, residual="solved"),
    examples=200,
    recheck=saddle_without_negative_curvature,
)
@mutant(
    "also at global minima",
    one_hidden,
    conclude=lambda p: at_critical_point(p, decide(has_negative_curvature(p), why="No negative eigenvalue.")),
    recheck=critical_point_without_negative_curvature,
)
@mutant(
    "H <= 3",
    critical(shape=widths(2, 3), residual="solved"),
    examples=300,
    recheck=saddle_without_negative_curvature,
)
def test_shallow_saddles_are_strict(p: DeepLinearProblem) -> Verdict:
    """With one hidden layer the Hessian has a negative eigenvalue at every critical point that is not global."""
    return strict_unless_global(p)


def flat_origin(p):
    """W = 0 is a critical point without negative curvature and yet no local minimum."""
    at = with_weights(p, *(w * 0 for w in p.weights))
    if not is_critical(at):
        return decide(False, why="W = 0 is not critical.")
    if has_negative_curvature(at):
        return decide(False, why="The Hessian at W = 0 has a negative eigenvalue.")
    if is_global_minimum(at):
        return decide(False, why="W = 0 is a global minimum.")
    return decide(
        all(find_descent(at, radius) is not None for radius in RADII), why="No lower points near W = 0."
    )


@claim(
    "LK17/kawaguchi-4-deep",
    paper=LK17,
    where="Section 2, after Theorem 2.3, property 4, second half",
    says=r"H \ge 3: \text{ there are saddle points whose Hessian has no negative eigenvalue (such as } W = 0)",
    assumes={"H >= 3": "H \\ge 3", "Y X^T": "Y X^\\top \\ne 0"},
)
@printed(HOLDS, deep_linear_problems(deep, inputs="full", correlation="some"), examples=60)
@drop(
    "H >= 3",
    REFUTED,
    deep_linear_problems(two, inputs="full", correlation="some"),
    recheck=origin_is_no_flat_saddle,
)
@drop(
    "Y X^T",
    REFUTED,
    deep_linear_problems(deep, inputs="full", correlation="zero"),
    note="then W = 0 is a global minimum, as is every critical point with the least loss",
    recheck=origin_is_no_flat_saddle,
)
@mutant(
    "H >= 2",
    deep_linear_problems(widths(2, 4), inputs="full", correlation="some"),
    recheck=origin_is_no_flat_saddle,
)
@mutant("whatever the data", deep_linear_problems(deep), recheck=origin_is_no_flat_saddle)
def test_deep_networks_have_flat_saddles(p: DeepLinearProblem) -> Verdict:
    """For three layers or more W = 0 is a saddle point without negative curvature."""
    return flat_origin(p)


wide = widths(1, 3).map(lambda d: (max(d[0], d[-1]), *d[1:-1], min(d[0], d[-1])))


@claim(
    "LK17/fewer-assumptions",
    paper=LK17,
    where="Section 2, 'with fewer assumptions'",
    says=r"\mathrm{rank}(X Y^\top) = d_H \Rightarrow \mathrm{rank}(Y) = d_H",
    assumes={"XY^T": r"\mathrm{rank}(X Y^\top) = d_H"},
)
@printed(HOLDS, deep_linear_problems(wide, inputs="full", correlation="full"), examples=60)
@drop(
    "XY^T",
    REFUTED,
    deep_linear_problems(inputs="full"),
    conclude=lambda p: decide(p.Y.rank() == p.Y.nrows(), why="Y is of deficient rank."),
    recheck=partial(full_rank_does_not_follow, given="", of="Y"),
)
@mutant(
    "the converse",
    deep_linear_problems(targets="full"),
    conclude=lambda p: unless(
        p.Y.rank() == p.Y.nrows(),
        "Y is deficient",
        lambda: decide(q_of(p) == p.Y.nrows(), why="Y is of full row rank and X Y^T is not."),
    ),
    recheck=partial(full_rank_does_not_follow, given="Y", of="X Y^T"),
)
@mutant(
    "and rank(X) = d_0",
    deep_linear_problems(wide, correlation="full"),
    examples=200,
    conclude=lambda p: unless(
        q_of(p) == p.Y.nrows(),
        "X Y^T is deficient",
        lambda: decide(p.X.rank() == p.X.nrows(), why="X is of deficient rank."),
    ),
    recheck=partial(full_rank_does_not_follow, given="X Y^T", of="X"),
)
def test_earlier_assumptions_imply_these(p: DeepLinearProblem) -> Verdict:
    """Kawaguchi's rank assumption on X Yᵀ implies the one on Y made here."""
    return unless(
        q_of(p) == p.Y.nrows(),
        "X Y^T is deficient",
        lambda: decide(p.Y.rank() == p.Y.nrows(), why="Y is of deficient rank."),
    )


def tied(p):
    """Whether Y Xᵀ (X Xᵀ)⁻¹ X Yᵀ has a repeated eigenvalue."""
    values = eigenvalues(fitted_gram(p.X, p.Y))
    return len({*values}) < len(values)


tied_points = eigenplanted_problems(widths(1, 4, ends=2), values="tied", targets="full")


@claim(
    "LK17/no-distinct-eigenvalues",
    paper=LK17,
    where="Section 2, last sentence",
    says=r"YX^\top(XX^\top)^{-1}XY^\top \text{ with repeated eigenvalues: every local minimum of (1) is global}",
)
@printed(
    HOLDS,
    tied_points,
    examples=80,
    reaches={
        "global minimum": KINDS["global minimum"],
        "strict saddle": KINDS["strict saddle"],
        "a tie": tied,
    },
)
@mutant(
    "what is kept exceeds what is not",
    tied_points,
    examples=200,
    conclude=lambda p: unless(
        is_global_minimum(p) and p.least_width < p.Y.nrows(),
        "nothing is left out",
        lambda: kept_exceeds_the_rest(p),
    ),
    recheck=next_singular_value_is_the_same,
)
@mutant(
    "every critical point",
    tied_points,
    conclude=lambda p: at_critical_point(p, is_least(p)),
    recheck=tied_critical_point_is_not_least,
)
def test_repeated_eigenvalues_do_no_harm(p: DeepLinearProblem) -> Verdict:
    """Local minima are global also where singular values are equal, which earlier proofs exclude."""
    return unless(tied(p), "the eigenvalues are distinct", lambda: at_local_minimum(p, is_least(p)))
