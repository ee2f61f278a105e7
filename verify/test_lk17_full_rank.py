"""Lu & Kawaguchi (2017), Section 3.1: Theorems 3.2 and 3.3, full rank at equal loss, and the steps of their proofs."""

from functools import partial

from flint import fmpq, fmpq_mat

from strategies.deep_linear import DeepLinearProblem, planted_critical_problems
from strategies.matrices import identity
from strategies.perturbations import (
    ChosenLayer,
    bottleneck_minima,
    chosen_layers,
    kappa,
    realizable_minima,
)
from verify import (
    HOLDS,
    REFUTED,
    Verdict,
    all_of,
    claim,
    decide,
    decide_at_most,
    drop,
    mutant,
    printed,
    repaired,
    vacuous,
)
from verify.oracles.full_rank import (
    at_certified_minimum,
    bound_of_layer,
    data_rank,
    decide_full_rank_layer,
    decide_full_rank_product,
    decide_line,
    deficient_layers,
    gram_determinant,
    is_certified_global,
    is_full_rank,
    is_stationary,
    kept_rank,
    layer_ranks,
    least_product_rank,
    ones_needed,
    projected_direction,
    with_layer,
)
from verify.oracles.perturbations import pseudo_inverse
from verify.papers import LK17
from verify.rechecks.lk17_full_rank import (
    a_layer_is_deficient,
    bound_with_min_is_not_needed,
    layer_stays_deficient,
    line_leaves_the_loss,
    line_stays_deficient,
    normal_equation_fails,
    one_fewer_is_too_few,
    ones_do_not_fit,
    product_has_less_rank,
    product_is_not_full,
    product_stays_deficient,
    rank_falls_on_the_line,
    rank_inequality_fails,
    solutions_have_another_dimension,
    sylvester_bound_fails,
)

MINIMUM = r"W \text{ is a local minimum of (1)}"
DATA = {"X": r"\mathrm{rank}(X) = d_0", "Y": r"\mathrm{rank}(Y) = d_H"}


def every_deficient_layer(problem: DeepLinearProblem, *, premise: int | None = None) -> Verdict:
    """Each W_i that is not of full rank can be made so, arbitrarily little and at equal loss; if q >= ``premise``."""
    layers = deficient_layers(problem)
    if not layers:
        return vacuous("every W_i is of full rank")
    if premise is not None and data_rank(problem) < premise:
        return vacuous("rank(Y Xᵀ) is too small")
    return all_of(*(decide_full_rank_layer(problem, i) for i in layers))


def at_threshold(problem: DeepLinearProblem, *, minus: int = 0, rows: str = "XY") -> Verdict:
    """Theorem 3.2 where rank(Y Xᵀ) >= κ(d) − ``minus``."""
    return at_certified_minimum(
        problem, every_deficient_layer(problem, premise=kappa(problem.widths) - minus), full_row_rank=rows
    )


def critical_only(problem: DeepLinearProblem) -> Verdict:
    """Theorem 3.2 at critical points with X, Y of full row rank and rank(Y Xᵀ) = min(d₀, d_H)."""
    if problem.X.rank() < problem.X.nrows() or problem.Y.rank() < problem.Y.nrows():
        return vacuous("X or Y is not of full row rank")
    if not is_stationary(problem) or data_rank(problem) < min(problem.widths[0], problem.widths[-1]):
        return vacuous("not critical, or rank(Y Xᵀ) is not full")
    return every_deficient_layer(problem)


hugging = realizable_minima(threshold="kappa")
other_critical_points = planted_critical_problems(inputs="full", targets="full", layers="ranks")
THRESHOLD_CLASSES = {
    "rank(YX^T) = kappa(d)": lambda p: data_rank(p) == kappa(p.widths),
    "kappa(d) <= rank(YX^T) < d_p": lambda p: data_rank(p) < p.least_width,
    "kappa(d) = d_p = rank(YX^T)": lambda p: kappa(p.widths) == p.least_width == data_rank(p),
    "kappa(d) > 0": lambda p: kappa(p.widths) > 0,
    "tight: rank(RX) = s1 + s2 - max(d_i, d_i-1)": lambda p: any(
        data_rank(p) == sum(layer_ranks(p, i)) - max(p.widths[i], p.widths[i - 1])
        for i in deficient_layers(p)
    ),
    "H >= 3": lambda p: len(p.weights) >= 3,
}


@claim(
    "LK17/thm3.2",
    paper=LK17,
    where="Theorem 3.2, Section 3.1",
    says=r"W \text{ a local minimum},\ W_i \text{ not of full rank} \;\Rightarrow\; \exists\, \bar W_i \to W_i \text{ of full rank}: L(\bar W) = L(W),\ \bar W \text{ a local minimum}",
    assumes={
        **DATA,
        "local minimum": MINIMUM,
        "rank(YX^T) >= kappa(d)": r"\mathrm{rank}(YX^\top) \ge \kappa(d) = \max_i \min(d_0,\dots,d_{i-1}) + \min(d_i,\dots,d_H) - \max(d_i,d_{i-1})",
    },
    equivalent={"all layers at once": "true where it is true of each layer: perturb one after the other"},
)
@printed(
    REFUTED,
    realizable_minima(),
    recheck=layer_stays_deficient,
    note="false where rank(YX^T) < kappa(d), if only just; rank(YX^T) >= d_p is enough, since kappa(d) <= d_p",
)
@repaired(
    r"\mathrm{rank}(YX^\top) \ge \kappa(d) \text{ besides}",
    hugging | bottleneck_minima(),
    conclude=at_threshold,
    examples=300,
    needs=205,
    reaches={**THRESHOLD_CLASSES, "EX^T != 0": lambda p: any(p.G.entries())},
)
@drop("rank(YX^T) >= kappa(d)", REFUTED, realizable_minima(), recheck=layer_stays_deficient)
@drop(
    "local minimum",
    REFUTED,
    other_critical_points,
    conclude=critical_only,
    examples=800,
    recheck=partial(layer_stays_deficient, at="critical"),
    note="a critical point, although rank(YX^T) is full",
)
@drop(
    "Y",
    HOLDS,
    realizable_minima(threshold="kappa", y="any"),
    conclude=lambda p: at_threshold(p, rows="X"),
    examples=120,
    note="superfluous if rank(YX^T) >= kappa(d)",
)
@drop(
    "X",
    HOLDS,
    realizable_minima(threshold="kappa", x="any", y="any"),
    conclude=lambda p: at_threshold(p, rows=""),
    examples=200,
    needs=60,
    note="superfluous if rank(YX^T) >= kappa(d)",
)
@mutant(
    "rank(YX^T) >= kappa(d) - 1",
    realizable_minima(),
    conclude=lambda p: at_threshold(p, minus=1),
    recheck=partial(layer_stays_deficient, least="kappa - 1"),
)
@mutant(
    "min(d_i, d_i-1) for max in kappa",
    realizable_minima(),
    says=r"\mathrm{rank}(RX) \ge s_1 + s_2 - \min(d_i, d_{i-1}) \text{ is necessary}",
    conclude=lambda p: at_certified_minimum(p, min_is_needed(p)),
    examples=300,
    recheck=bound_with_min_is_not_needed,
)
@mutant(
    "full rank at once",
    hugging,
    conclude=lambda p: at_certified_minimum(p, already_full(p)),
    recheck=a_layer_is_deficient,
)
def test_layers_can_be_made_full_rank(problem: DeepLinearProblem) -> Verdict:
    """At a local minimum every weight matrix can be made full rank by a small change that keeps the loss."""
    return at_certified_minimum(problem, every_deficient_layer(problem))


def min_is_needed(problem: DeepLinearProblem) -> Verdict:
    """A deficient layer can be made full only if rank(R X) >= s₁ + s₂ − min(d_i, d_{i−1})."""
    able = [i for i in deficient_layers(problem) if decide_full_rank_layer(problem, i).outcome is HOLDS]
    if not able:
        return vacuous("no deficient layer that can be made full")
    rank = (problem.R * problem.X).rank()
    needed = max(sum(layer_ranks(problem, i)) - min(problem.widths[i], problem.widths[i - 1]) for i in able)
    return decide_at_most(needed, rank, named=("s1 + s2 - min", "rank(RX)"))


def already_full(problem: DeepLinearProblem) -> Verdict:
    return decide(not deficient_layers(problem), why="A layer is deficient.")


def normal_equation(at: ChosenLayer, b) -> Verdict:
    """B Bᵀ W_i A Aᵀ = B Y Aᵀ with A = W_{i−1} ⋯ W₁ X."""
    problem, i = at.problem, at.layer
    a = problem.below(i - 1) * problem.X
    try:
        factor = b(problem, i)
        left = factor * factor.transpose() * problem.weights[i - 1] * a * a.transpose()
        right = factor * problem.Y * a.transpose()
        same = left == right
    except ValueError:
        return decide(False, why="The shapes of the factors do not match.")
    return decide(same, why="The normal equation is violated.", values={"left": left, "right": right})


def as_printed(problem: DeepLinearProblem, i: int) -> fmpq_mat:
    """W_{i+1} W_{i+2} ⋯ W_H, in this order; the identity for i = H."""
    product = identity(problem.widths[-1]) if i == len(problem.weights) else problem.weights[i]
    for w in problem.weights[i + 1 :]:
        product = product * w
    return product


def solutions(at: ChosenLayer, *, loses: int = 0, scaled: bool = False) -> Verdict:
    """The solutions of the normal equation are (BBᵀ)⁺BYAᵀ(AAᵀ)⁺ + {M : BBᵀMAAᵀ = 0}, of dimension d_i d_{i−1} − s₁ s₂."""
    problem, i = at.problem, at.layer
    b, a = problem.above(i).transpose(), problem.below(i - 1) * problem.X
    bb, aa = b * b.transpose(), a * a.transpose()
    least = pseudo_inverse(bb) * b * problem.Y * a.transpose() * pseudo_inverse(aa)
    other = problem.weights[i - 1] - least
    w = problem.weights[i - 1]
    s_1, s_2 = layer_ranks(problem, i)
    rows = [[x * y for x in r for y in s] for r in bb.table() for s in aa.table()]
    size = w.nrows() * w.ncols()
    kernel = size - fmpq_mat(size, size, [e for row in rows for e in row]).rank()
    return all_of(
        decide(
            not any((bb * least * aa - b * problem.Y * a.transpose()).entries()),
            why="The formula is no solution.",
        ),
        decide(not any((bb * other * aa).entries()), why="W_i is not of that form."),
        decide(
            kernel == size - s_1 * s_2 - loses,
            why="The dimension is another.",
            values={"dimension": kernel, "s1": s_1, "s2": s_2},
        ),
    )


minima = realizable_minima() | bottleneck_minima()


def at_minimum(at: ChosenLayer, verdict: Verdict) -> Verdict:
    """``verdict`` at a certified minimum."""
    return at_certified_minimum(at.problem, verdict)


@claim(
    "LK17/thm3.2-normal",
    paper=LK17,
    where="Proof of Theorem 3.2, eq. (3)",
    says=r"B = W_{i+1}\cdots W_H,\ A = W_{i-1}\cdots W_1 X: \quad BB^\top W_i AA^\top = BYA^\top",
    assumes={"stationary": r"\partial L/\partial W_i = 0"},
)
@printed(
    REFUTED,
    chosen_layers(minima),
    recheck=normal_equation_fails,
    note="B must be the transpose of W_H ... W_{i+1}",
)
@repaired(
    r"B = (W_H \cdots W_{i+1})^\top: (3) \text{ holds, and its solutions are } (BB^\top)^+BYA^\top(AA^\top)^+ + \{M : BB^\top MAA^\top = 0\}",
    chosen_layers(minima),
    conclude=lambda at: at_minimum(
        at, all_of(normal_equation(at, lambda p, i: p.above(i).transpose()), solutions(at))
    ),
    examples=80,
)
@drop(
    "stationary",
    REFUTED,
    chosen_layers(minima),
    conclude=lambda at: normal_equation(
        ChosenLayer(
            problem=with_layer(at.problem, at.layer, at.problem.weights[at.layer - 1] + at.Z),
            layer=at.layer,
            Z=at.Z,
        ),
        lambda p, i: p.above(i).transpose(),
    ),
    recheck=partial(normal_equation_fails, B="the transpose", moved=True),
)
@mutant(
    "- B Y A^T",
    chosen_layers(minima),
    conclude=lambda at: normal_equation(at, lambda p, i: p.above(i).transpose() * -1),
    recheck=partial(normal_equation_fails, B="minus the transpose"),
)
@mutant(
    "kernel of dimension d_i d_i-1 - s1 s2 - 1",
    chosen_layers(minima),
    conclude=lambda at: at_minimum(at, solutions(at, loses=1)),
    recheck=solutions_have_another_dimension,
)
@mutant(
    "B = W_H ... W_{i+1}",
    chosen_layers(minima),
    conclude=lambda at: normal_equation(at, lambda p, i: p.above(i)),
    recheck=partial(normal_equation_fails, B="W_H ... W_{i+1}"),
)
def test_normal_equation(at: ChosenLayer) -> Verdict:
    """The normal equation of one layer, with B as displayed."""
    return at_minimum(at, normal_equation(at, as_printed))


def rank_bound(at: ChosenLayer, *, bound=bound_of_layer) -> Verdict:
    """rank(D₂⁺V₂ᵀ Y V₁D₁⁺) >= bound."""
    kept = kept_rank(at.problem, at.layer)
    return decide_at_most(bound(at.problem, at.layer), kept, named=("bound", "rank(D2^+ V2^T Y V1 D1^+)"))


def at_full_data(at: ChosenLayer, verdict: Verdict, *, minus: int = 0) -> Verdict:
    """``verdict`` at a certified minimum with rank(Y Xᵀ) >= d_p − ``minus``."""
    if data_rank(at.problem) < at.problem.least_width - minus:
        return vacuous("rank(Y Xᵀ) < d_p")
    return at_minimum(at, verdict)


def critical_with_full_data(at: ChosenLayer) -> Verdict:
    """The inequality at critical points with full row ranks and rank(Y Xᵀ) = min(d₀, d_H)."""
    problem = at.problem
    if any(a.rank() < a.nrows() for a in (problem.X, problem.Y)) or not is_stationary(problem):
        return vacuous("X or Y is not of full row rank, or not critical")
    if data_rank(problem) < min(problem.widths[0], problem.widths[-1]):
        return vacuous("rank(Y Xᵀ) is not full")
    return rank_bound(at)


@claim(
    "LK17/thm3.2-inequality",
    paper=LK17,
    where="Proof of Theorem 3.2, display after (3)",
    says=r"V_2^\top Y V_1 \text{ of full rank} \;\Rightarrow\; \mathrm{rank}(D_2^+V_2^\top YV_1D_1^+) \ge \max\{0,\ s_2 + s_1 - \max\{d_i, d_{i-1}\}\}",
    assumes={"local minimum": MINIMUM, "rank(YX^T) >= d_p": r"\mathrm{rank}(YX^\top) \ge d_p"},
)
@printed(
    REFUTED,
    chosen_layers(realizable_minima()),
    recheck=rank_inequality_fails,
    note="what does follow from full row ranks is a bound with m, and with d_0 + d_H - rank(YX^T)",
)
@repaired(
    r"\mathrm{rank}(YX^\top) \ge d_p: \text{ the bound holds at local minima}",
    chosen_layers(realizable_minima(threshold="d_p") | bottleneck_minima()),
    conclude=lambda at: at_full_data(at, rank_bound(at)),
    examples=100,
    reaches={
        "equality": lambda at: kept_rank(at.problem, at.layer) == bound_of_layer(at.problem, at.layer) > 0
    },
)
@drop("rank(YX^T) >= d_p", REFUTED, chosen_layers(realizable_minima()), recheck=rank_inequality_fails)
@drop(
    "local minimum",
    REFUTED,
    chosen_layers(other_critical_points),
    conclude=critical_with_full_data,
    examples=800,
    recheck=partial(rank_inequality_fails, at="critical"),
    note="a critical point, although rank(YX^T) is full",
)
@mutant(
    "min for max",
    chosen_layers(realizable_minima(threshold="d_p")),
    conclude=lambda at: at_full_data(
        at, rank_bound(at, bound=lambda p, i: sum(layer_ranks(p, i)) - min(p.widths[i], p.widths[i - 1]))
    ),
    examples=300,
    recheck=partial(rank_inequality_fails, short=0, widest=False),
)
@mutant(
    "one more",
    chosen_layers(realizable_minima(threshold="d_p")),
    conclude=lambda at: at_full_data(at, rank_bound(at, bound=lambda p, i: bound_of_layer(p, i) + 1)),
    recheck=partial(rank_inequality_fails, short=0, more=1),
)
@mutant(
    "rank(YX^T) >= d_p - 1",
    chosen_layers(realizable_minima()),
    conclude=lambda at: at_full_data(at, rank_bound(at), minus=1),
    recheck=partial(rank_inequality_fails, short=1),
)
def test_rank_inequality(at: ChosenLayer) -> Verdict:
    """The rank of the block that the normal equation fixes is at least s₁ + s₂ − max(d_i, d_{i−1})."""
    return at_minimum(at, rank_bound(at))


@claim(
    "LK17/thm3.2-bounds",
    paper=LK17,
    where="Proof of Theorem 3.2, display after (3): what does follow",
    says=r"\mathrm{rank}(D_2^+V_2^\top YV_1D_1^+) \ge s_1 + s_2 + \max\{-m,\ \mathrm{rank}(YX^\top) - d_0 - d_H\}",
    assumes={"Y": DATA["Y"], "X": DATA["X"]},
)
@printed(HOLDS, chosen_layers(minima), examples=120)
@drop(
    "Y",
    REFUTED,
    chosen_layers(realizable_minima(y="any")),
    conclude=lambda at: sylvester(at, needs="X"),
    examples=400,
    recheck=partial(sylvester_bound_fails, y_full=False),
)
@mutant(
    "min(m, d_0) for m",
    chosen_layers(realizable_minima()),
    conclude=lambda at: sylvester(at, samples=lambda p: min(p.X.ncols(), p.widths[0])),
    recheck=partial(sylvester_bound_fails, samples="min(m, d_0)"),
)
@mutant(
    "one more",
    chosen_layers(minima),
    conclude=lambda at: sylvester(at, more=1),
    recheck=partial(sylvester_bound_fails, more=1),
)
def test_bounds_that_follow(at: ChosenLayer) -> Verdict:
    """Sylvester's inequality for the product Bᵀ Y Aᵀ, once with Y and once with Y Xᵀ in the middle."""
    return sylvester(at)


def sylvester(at: ChosenLayer, *, samples=lambda p: p.X.ncols(), more: int = 0, needs: str = "XY") -> Verdict:
    """rank(Bᵀ Y Aᵀ) >= s₁ + s₂ + max(−m, rank(Y Xᵀ) − d₀ − d_H) + ``more``, for the data of full row rank."""
    problem = at.problem
    if any(a.rank() < a.nrows() for n, a in (("X", problem.X), ("Y", problem.Y)) if n in needs):
        return vacuous("X or Y is not of full row rank")
    least = max(-samples(problem), data_rank(problem) - problem.widths[0] - problem.widths[-1])
    return rank_bound(at, bound=lambda p, i: sum(layer_ranks(p, i)) + least + more)


@claim(
    "LK17/thm3.2-ones",
    paper=LK17,
    where="Proof of Theorem 3.2, choice of K",
    says=r"\text{some } K \text{ with } d_i + d_{i-1} - s_2 - s_1 \text{ ones, none in the top left } s_2 \times s_1, \text{ makes } D_2^+V_2^\top YV_1D_1^+ + K \text{ of full rank}",
)
@printed(
    REFUTED,
    chosen_layers(realizable_minima(vanishing=True), deficient=True),
    examples=700,
    recheck=ones_do_not_fit,
    note="granted the inequality, d_i + d_{i-1} - s_2 - s_1 ones may not fit into K, or fill all of it",
)
@repaired(
    r"\mathrm{rank}(C) \ge s_1 + s_2 - \max(d_i, d_{i-1}): \ \min(d_i, d_{i-1}) - \mathrm{rank}(C) \text{ ones},\ C = D_2^+V_2^\top YV_1D_1^+",
    chosen_layers(realizable_minima() | hugging | bottleneck_minima(), deficient=True),
    conclude=lambda at: at_minimum(at, ones_needed(at.problem, at.layer, count="needed")),
    examples=160,
    reaches={
        "C != 0": lambda at: any((at.problem.R * at.problem.X).entries()),
        "C = 0": lambda at: not any((at.problem.R * at.problem.X).entries()),
    },
)
@mutant(
    "one fewer",
    chosen_layers(hugging, deficient=True),
    conclude=lambda at: at_minimum(at, one_fewer(at)),
    recheck=one_fewer_is_too_few,
)
@mutant(
    "always",
    chosen_layers(realizable_minima()),
    conclude=lambda at: at_minimum(at, always(at)),
    recheck=partial(layer_stays_deficient, layer="chosen"),
)
def test_number_of_ones(at: ChosenLayer) -> Verdict:
    """The number of ones that K needs."""
    if is_full_rank(at.problem.weights[at.layer - 1]):
        return vacuous("W_i is of full rank")
    if kept_rank(at.problem, at.layer) < bound_of_layer(at.problem, at.layer):
        return vacuous("the rank inequality fails, so that no K will do")
    return at_minimum(at, ones_needed(at.problem, at.layer, count="printed"))


def one_fewer(at: ChosenLayer) -> Verdict:
    """One 1 fewer than the repaired number."""
    if (at.problem.R * at.problem.X).rank() == min(
        at.problem.widths[at.layer], at.problem.widths[at.layer - 1]
    ):
        return vacuous("no ones are needed")
    return ones_needed(at.problem, at.layer, count="one less")


def always(at: ChosenLayer) -> Verdict:
    """The rank that some C + K has reaches min(d_i, d_{i−1}) without any condition on rank(C)."""
    return decide_full_rank_layer(at.problem, at.layer)


def line(at: ChosenLayer, conclude=decide_line) -> Verdict:
    """``conclude`` at a deficient layer with the part of Z that keeps B_i M A_{i−1} X = 0."""
    if is_full_rank(at.problem.weights[at.layer - 1]):
        return vacuous("W_i is of full rank")
    direction = projected_direction(at.problem, at.layer, at.Z)
    if not is_full_rank(at.problem.weights[at.layer - 1] + direction):
        return vacuous("Ŵ_i is not of full rank")
    return at_minimum(at, conclude(at.problem, at.layer, direction))


def full_rank_at(problem: DeepLinearProblem, i: int, direction: fmpq_mat, *, mu) -> Verdict:
    return decide(
        all(is_full_rank(problem.weights[i - 1] + direction * fmpq(m)) for m in mu),
        why="The rank falls at some μ > 0.",
    )


def never_falls(problem: DeepLinearProblem, i: int, direction: fmpq_mat) -> Verdict:
    """The Gram determinant has no root at all in μ > 0: decided by its real roots, isolated exactly."""
    numerator = gram_determinant(problem.weights[i - 1], direction).numer()
    roots = [r.real for r, _ in numerator.complex_roots() if r.imag == 0 and r.real > 0]
    return decide(not roots, why="The rank falls at a positive μ.", values={"mu": roots[0] if roots else 0})


@claim(
    "LK17/thm3.2-line",
    paper=LK17,
    where="Proof of Theorem 3.2, the line",
    says=r"\bar W_i(\mu) = W_i + \mu(\hat W_i - W_i): \ L \text{ is constant, and for small } \mu > 0\ \bar W_i(\mu) \text{ is of full rank}",
    assumes={
        "normal equation": r"\hat W_i \text{ satisfies (3)}",
        "full rank": r"\hat W_i \text{ is of full rank}",
    },
)
@printed(
    HOLDS,
    chosen_layers(hugging, deficient=True),
    examples=150,
    needs=50,
    note="the polynomial is one in mu, not in lambda",
)
@drop(
    "normal equation",
    REFUTED,
    chosen_layers(hugging, deficient=True),
    conclude=lambda at: at_minimum(at, decide_line(at.problem, at.layer, at.Z)),
    recheck=line_leaves_the_loss,
)
@drop(
    "full rank",
    REFUTED,
    chosen_layers(hugging, deficient=True),
    conclude=lambda at: (
        at_minimum(
            at,
            full_rank_at(
                at.problem, at.layer, projected_direction(at.problem, at.layer, at.Z), mu=["1/1000"]
            ),
        )
        if deficient_layers(at.problem) and at.layer in deficient_layers(at.problem)
        else vacuous("W_i is of full rank")
    ),
    recheck=line_stays_deficient,
)
@mutant(
    "for every mu > 0",
    chosen_layers(hugging, deficient=True),
    conclude=lambda at: line(at, never_falls),
    examples=1000,
    recheck=partial(rank_falls_on_the_line, positive=True),
)
@mutant(
    "for every mu",
    chosen_layers(hugging, deficient=True),
    conclude=lambda at: line(at, lambda p, i, d: full_rank_at(p, i, d, mu=[0, 1])),
    recheck=partial(rank_falls_on_the_line, positive=False),
)
def test_line_of_equal_loss(at: ChosenLayer) -> Verdict:
    """On the line to a full-rank solution the loss is constant and the rank full but for finitely many points."""
    return line(at)


def full_layers(problem: DeepLinearProblem, verdict: Verdict, *, rank: int | None = None) -> Verdict:
    """``verdict`` at a certified minimum with every layer of full rank and rank(Y Xᵀ) >= ``rank``."""
    if not all(is_full_rank(w) for w in problem.weights):
        return vacuous("a W_i is not of full rank")
    if rank is not None and data_rank(problem) < rank:
        return vacuous("rank(Y Xᵀ) is too small")
    return at_certified_minimum(problem, verdict)


def in_window(problem: DeepLinearProblem) -> bool:
    return least_product_rank(problem.widths) <= data_rank(problem) < problem.least_width


@claim(
    "LK17/thm3.3",
    paper=LK17,
    where="Theorem 3.3, Section 3.1",
    says=r"W \text{ a local minimum, every } W_i \text{ of full rank} \;\Rightarrow\; \exists\, \hat W \to W \text{ a local minimum}: L(\hat W) = L(W),\ \mathrm{rank}(\hat W_H\cdots\hat W_1) = d_p",
    assumes={
        **DATA,
        "local minimum": MINIMUM,
        "full rank": r"\text{every } W_i \text{ of full rank}",
        "rank(YX^T) >= d_p": r"\mathrm{rank}(YX^\top) \ge d_p",
    },
)
@printed(
    REFUTED,
    realizable_minima(full_layers=True),
    examples=300,
    recheck=product_stays_deficient,
    note="false exactly for r_min(d) <= rank(YX^T) < d_p: equal loss then forces the product to be R",
)
@repaired(
    r"\mathrm{rank}(YX^\top) \ge d_p \text{ besides: the weights themselves will do}",
    realizable_minima(threshold="d_p", full_layers=True) | bottleneck_minima(full_layers=True),
    conclude=lambda p: full_layers(p, decide_full_rank_product(p), rank=p.least_width),
    examples=300,
    needs=205,
    reaches={
        "rank(YX^T) = d_p": lambda p: data_rank(p) == p.least_width,
        "rank(YX^T) > d_p": lambda p: data_rank(p) > p.least_width,
        "the window is not empty": lambda p: least_product_rank(p.widths) < p.least_width,
        "H >= 3": lambda p: len(p.weights) >= 3,
    },
)
@drop(
    "rank(YX^T) >= d_p",
    REFUTED,
    realizable_minima(full_layers=True),
    examples=300,
    recheck=product_stays_deficient,
)
@drop(
    "X",
    HOLDS,
    realizable_minima(threshold="d_p", full_layers=True, x="any", y="any"),
    conclude=lambda p: any_data(p),
    examples=400,
    needs=30,
    note="superfluous if rank(YX^T) >= d_p",
)
@drop(
    "Y",
    HOLDS,
    realizable_minima(threshold="d_p", full_layers=True, y="any"),
    conclude=lambda p: any_data(p),
    examples=100,
    note="superfluous if rank(YX^T) >= d_p",
)
@drop(
    "full rank",
    HOLDS,
    realizable_minima(threshold="d_p") | bottleneck_minima(),
    conclude=lambda p: any_layers(p),
    examples=100,
    note="superfluous if rank(YX^T) >= d_p: the product of a local minimum has rank d_p",
)
@mutant(
    "rank(YX^T) >= d_p - 1",
    realizable_minima(full_layers=True),
    conclude=lambda p: full_layers(p, decide_full_rank_product(p), rank=p.least_width - 1),
    examples=300,
    recheck=partial(product_stays_deficient, least="d_p - 1"),
)
@mutant(
    "rank(YX^T) >= 1",
    realizable_minima(full_layers=True),
    conclude=lambda p: full_layers(p, decide_full_rank_product(p), rank=1),
    examples=1500,
    recheck=partial(product_stays_deficient, least="1"),
)
@mutant(
    "rank(R) = min(d_0, d_H)",
    realizable_minima(threshold="d_p", full_layers=True),
    conclude=lambda p: full_layers(
        p, decide(p.R.rank() == min(p.widths[0], p.widths[-1]), why="The product is deficient.")
    ),
    recheck=product_is_not_full,
)
def test_product_can_be_given_rank_d_p(problem: DeepLinearProblem) -> Verdict:
    """Near a local minimum with full-rank weights there is one of equal loss whose product has rank d_p."""
    return full_layers(problem, decide_full_rank_product(problem))


def any_data(problem: DeepLinearProblem) -> Verdict:
    """Theorem 3.3, repaired, for data of any rank."""
    if data_rank(problem) < problem.least_width or not is_certified_global(problem):
        return vacuous("rank(Y Xᵀ) < d_p or no certified minimum")
    return decide_full_rank_product(problem)


def any_layers(problem: DeepLinearProblem) -> Verdict:
    """Theorem 3.3, repaired, for layers of any rank."""
    if data_rank(problem) < problem.least_width:
        return vacuous("rank(Y Xᵀ) < d_p")
    return at_certified_minimum(problem, decide_full_rank_product(problem))


def least_rank(problem: DeepLinearProblem, more: int = 0) -> Verdict:
    """rank(W_H ⋯ W₁) >= r_min(d) + ``more`` for W_i of full rank."""
    if not all(is_full_rank(w) for w in problem.weights):
        return vacuous("a W_i is not of full rank")
    return decide_at_most(
        least_product_rank(problem.widths) + more, problem.R.rank(), named=("r_min(d)", "rank(R)")
    )


@claim(
    "LK17/thm3.3-window",
    paper=LK17,
    where="Theorem 3.3, Section 3.1: where it is false",
    says=r"\text{every } W_i \text{ of full rank} \Rightarrow \mathrm{rank}(W_H\cdots W_1) \ge r_{\min}(d) = \max\{0,\ d_0 - \textstyle\sum_j \max(0, d_{j-1} - d_j)\}",
    assumes={"full rank": r"\text{every } W_i \text{ of full rank}"},
)
@printed(
    HOLDS,
    realizable_minima(full_layers=True),
    examples=500,
    reaches={
        "attained below d_p": in_window,
        "0 < r_min": lambda p: least_product_rank(p.widths) > 0,
        "0 < r_min < d_p": lambda p: 0 < least_product_rank(p.widths) < p.least_width,
    },
    note="hence Theorem 3.3 is empty for rank(YX^T) < r_min(d), false up to d_p - 1 and true from d_p on",
)
@drop(
    "full rank",
    REFUTED,
    realizable_minima(),
    conclude=lambda p: decide_at_most(
        least_product_rank(p.widths), p.R.rank(), named=("r_min(d)", "rank(R)")
    ),
    recheck=partial(product_has_less_rank, full=False),
)
@mutant(
    "r_min + 1",
    realizable_minima(full_layers=True),
    conclude=lambda p: least_rank(p, 1),
    recheck=partial(product_has_less_rank, more=1),
)
@mutant(
    "d_p",
    realizable_minima(full_layers=True),
    conclude=lambda p: least_rank(p, p.least_width - least_product_rank(p.widths)),
    examples=300,
    recheck=partial(product_has_less_rank, bound="d_p"),
)
def test_least_rank_of_a_product_of_full_rank_matrices(problem: DeepLinearProblem) -> Verdict:
    """A product of matrices of full rank has rank at least r_min(d)."""
    return least_rank(problem)
