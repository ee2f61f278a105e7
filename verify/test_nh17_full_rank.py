"""Nguyen & Hein (2017), Section 4: Lemmas 4.3 and 4.4 and Corollary 4.5, layers of full rank."""

from functools import partial

from flint import fmpq, fmpq_mat

from strategies.wide import ADMISSIBLE, Ball, Layers, Shape, Units, balls, shapes, units, wide_layers
from verify import (
    HOLDS,
    REFUTED,
    Rung,
    Verdict,
    claim,
    decide,
    decide_at_most,
    drop,
    inconclusive,
    mutant,
    printed,
    vacuous,
)
from verify.nh17 import ANALYTIC, DISTINCT, GROWTH, INCREASING, WIDE, of
from verify.oracles.rank_certificates import (
    certify,
    construct_full_rank,
    determinant_sign,
    find_full_rank_near,
    rank_at_most,
    rank_at_most_anywhere,
    rank_at_most_on_ball,
    with_ones,
)
from verify.papers import NH17
from verify.rechecks.nh17_full_rank import (
    hyperplanes_are_more,
    negated_unit_changes_the_sign,
    network_is_affine_near,
    no_bias_helps,
    no_parameters_reach_full_rank,
    rank_is_deficient,
    two_samples_are_equal,
    unit_confuses_two_samples,
)

ASSUMPTIONS = {
    "distinct": DISTINCT,
    "analytic": ANALYTIC,
    "increasing": INCREASING,
    "growth": GROWTH,
    "wide": WIDE,
}


# --- Lemma 4.3 ----------------------------------------------------------------------------------------


def at_least(bound: tuple[int, str], n: int, why: str) -> Verdict | None:
    """Refuted, where a proven bound of rank([F_k, 1]) is below N; None otherwise."""
    if bound[0] >= n:
        return None
    return decide(
        False,
        why=f"{why}: {bound[1]}.",
        values={"rank([F_k, 1]) <=": bound[0], "N": n},
        margin=fmpq(n - bound[0]),
    )


def exists(shape: Shape) -> Verdict:
    """Some parameters give rank([F_k, 1]) = N: the construction of the proof, with a certificate."""
    n = shape.X.nrows()
    if (refuted := at_least(rank_at_most_anywhere(shape), n, "No parameters reach N")) is not None:
        return refuted
    made = construct_full_rank(shape, skip=("floats",))
    if made is None:
        return inconclusive("no certificate up to α = 2¹¹")
    return decide(True, why=f"certified in {made[1].by}", rung=made[1].rung)


def powers_of_exp(shape: Shape) -> Verdict:
    """exp, one layer: units 2^{j t}, 1 <= j < N, with 1 are a Vandermonde matrix of the distinct nodes 2^t, t = X a."""
    n, d = shape.X.nrows(), shape.X.ncols()
    a = fmpq_mat(d, 1, [7**j for j in range(d)])
    w = fmpq_mat(
        d + 1,
        shape.widths[0],
        [a[i, 0] * (j + 1) if i < d else 0 for i in range(d + 1) for j in range(shape.widths[0])],
    )
    made = Layers(activation="exp", X=shape.X, stack=(w,))
    return decide(with_ones(made.exact).rank() == n, why="The Vandermonde matrix is singular.")


def full_rank_without_ones(shape: Shape) -> Verdict:
    """rank(F_k) = N: with n_k < N there are not even N columns."""
    n = shape.X.nrows()
    if shape.widths[-1] < n:
        return decide(False, why="F_k has fewer than N columns.", values={"n_k": shape.widths[-1], "N": n})
    return exists(shape)


@claim(
    "NH17/lemma4.3",
    paper=NH17,
    where="Lemma 4.3, Section 4",
    says=r"n_k \ge N - 1 \Rightarrow \exists\, (W_l, b_l)_{l=1}^k:\ \mathrm{rank}([F_k, \mathbf{1}_N]) = N",
    assumes=ASSUMPTIONS,
)
@printed(
    HOLDS,
    shapes(samples=(1, 8)),
    examples=80,
    reaches={
        "N = 1": lambda s: s.X.nrows() == 1,
        "k = 3": lambda s: len(s.widths) == 3,
        "n_k > N - 1": lambda s: s.widths[-1] >= s.X.nrows(),
        **{name: of(name) for name in ADMISSIBLE},
    },
    note="the parameters are those of the proof, rational, with alpha raised until a certificate goes through",
)
@drop("distinct", REFUTED, shapes(repeated=True, samples=(2, 5)), recheck=no_parameters_reach_full_rank)
@drop(
    "growth: sigma(t) = t",
    REFUTED,
    shapes(activations=("linear",), samples=(2, 6)),
    recheck=no_parameters_reach_full_rank,
)
@drop(
    "growth: sigma(t) = t^3",
    REFUTED,
    shapes(activations=("cube",), depth=(1, 1), d=(1, 1), samples=(3, 7)),
    recheck=no_parameters_reach_full_rank,
)
@drop(
    "growth: sigma(t) = 2^t",
    HOLDS,
    shapes(activations=("exp",), depth=(1, 1)),
    conclude=powers_of_exp,
    examples=60,
    note="superfluous for non-polynomial analytic sigma as far as existence goes; the construction itself fails",
)
@drop("increasing", HOLDS, shapes(activations=("serpentine",), depth=(1, 1)), examples=60, needs=20)
@drop(
    "analytic",
    HOLDS,
    shapes(activations=("affine inside",), depth=(1, 2)),
    examples=60,
    note="the limit of alpha needs no analyticity",
)
@drop("wide", REFUTED, shapes(missing=1, samples=(2, 5)), recheck=no_parameters_reach_full_rank)
@mutant(
    "rank(F_k) = N",
    shapes(samples=(2, 5)),
    conclude=full_rank_without_ones,
    recheck=partial(no_parameters_reach_full_rank, border=0),
)
@mutant("n_k >= N - 2", shapes(missing=1, samples=(2, 5)), recheck=no_parameters_reach_full_rank)
def test_full_rank_is_possible(shape: Shape) -> Verdict:
    """A layer of N − 1 units can give [F_k, 1] rank N."""
    return exists(shape)


def separates(u: Units, *, hyperplanes: int | None = None, vacuous_if=lambda dots: 0 in dots) -> Verdict:
    """Off the hyperplanes {a : ⟨a, x_i − x_j⟩ = 0} the first unit tells all samples apart."""
    n = u.X.nrows()
    table = u.X.table()
    normals = [
        tuple(p - q for p, q in zip(table[i], table[j], strict=True)) for i in range(n) for j in range(i)
    ]
    if not all(any(v) for v in normals):
        return decide(False, why="A difference is 0: its hyperplane is the whole space.")
    if hyperplanes is not None:
        rays = {tuple(e / next(f for f in v if f) for e in v) for v in normals}
        return decide_at_most(len(rays), hyperplanes * (n - 1), named=("hyperplanes", "bound"))
    dots = [sum((p * q for p, q in zip(v, u.a.entries(), strict=True)), fmpq(0)) for v in normals]
    if vacuous_if(dots):
        return vacuous("a lies on one of the hyperplanes")
    made = Layers(
        activation=u.activation, X=u.X, stack=(fmpq_mat(u.X.ncols() + 1, 1, [*u.a.entries(), u.bias]),)
    )
    outputs = made.in_balls().entries() if made.exact is None else made.exact.entries()
    different = [a < b or a > b for i, a in enumerate(outputs) for b in outputs[:i]]
    if made.exact is not None:
        return decide(
            all(different), why="The first unit does not tell two samples apart.", values={"F_1": made.exact}
        )
    return decide(True if all(different) else None, why="", rung=Rung.BALL)


@claim(
    "NH17/lemma4.3-distinct",
    paper=NH17,
    where="Proof of Lemma 4.3, display (2)",
    says=r"a \notin \textstyle\bigcup_{i \ne j} \{a : \langle a, x_i - x_j \rangle = 0\} \Rightarrow \sigma(\langle a, x_i\rangle + b) \text{ are distinct}",
    assumes={"distinct": DISTINCT, "increasing": INCREASING},
)
@printed(HOLDS, units(), examples=100, needs=40, reaches={"d = 2": lambda u: u.X.ncols() == 2})
@drop("distinct", REFUTED, units(repeated=True), recheck=two_samples_are_equal)
@drop(
    "increasing",
    REFUTED,
    units(activations=("square", "abs", "serpentine")),
    examples=500,
    recheck=unit_confuses_two_samples,
)
@mutant(
    "a != 0 is enough",
    units(activations=("sigmoid",), d=(2, 2)),
    conclude=lambda u: separates(u, vacuous_if=lambda dots: not any(dots)),
    recheck=partial(unit_confuses_two_samples, off_the_hyperplanes=False),
)
@mutant(
    "N - 1 hyperplanes",
    units(d=(2, 2)),
    conclude=lambda u: separates(u, hyperplanes=1),
    recheck=hyperplanes_are_more,
)
def test_one_unit_tells_samples_apart(u: Units) -> Verdict:
    """All first columns but those on N(N − 1)/2 hyperplanes keep the rows of F_1 distinct."""
    return separates(u)


# --- Lemma 4.4 and Corollary 4.5: measure zero, and density -------------------------------------------


def null_set(layers: Layers) -> Verdict:
    """S is a null set: det [F_k, 1] is analytic (Lemma 4.1) and not zero somewhere (Lemma 4.2 does the rest).

    Refuted where the rank is below N everywhere, or on a ball around θ.
    """
    n = layers.samples
    shape = Shape(activation=layers.activation, X=layers.X, widths=layers.widths[1:])
    if (refuted := at_least(rank_at_most_anywhere(shape), n, "S is everything")) is not None:
        return refuted
    if layers.activation == "affine inside":
        inside = at_least(rank_at_most_on_ball(layers, fmpq(1, 256)), n, "S holds a ball")
        return inside or vacuous("θ is not inside")
    found = find_full_rank_near(layers, fmpq(1), skip=("floats",))
    if found is None:
        return inconclusive("no certificate at θ, nor at four points near it")
    return decide(True, why=f"certified in {found[1].by}", rung=found[1].rung)


def never_deficient(layers: Layers) -> Verdict:
    """S is empty."""
    refuted = at_least(rank_at_most(layers), layers.samples, "θ lies in S")
    return refuted or decide(True if certify(layers) else None, why="")


def does_not_cut(layers: Layers) -> Verdict:
    """S is too small to separate θ from the point with its first unit of layer k negated.

    σ(−t) = c − σ(t) for the sigmoid and tanh: negating one unit of N − 1 changes the sign of det [F_k, 1],
    so that S meets every path between the two points, which no set of codimension 2 does.
    """
    w = layers.stack[-1]
    flipped = fmpq_mat(
        w.nrows(), w.ncols(), [-e if j == 0 else e for row in w.table() for j, e in enumerate(row)]
    )
    signs = [
        determinant_sign(at, bits=(64, 128, 256, 512, 1024))
        for at in (layers, layers.at((*layers.stack[:-1], flipped)))
    ]
    if None in signs:
        return inconclusive("a sign was not decided")
    return decide(
        signs[0] * signs[1] >= 0,
        why="det [F_k, 1] has two signs: S separates the two points, and has codimension 1.",
        values={"sign at theta": signs[0], "sign with the unit negated": signs[1]},
    )


deficient_here = {"in S at theta": lambda at: rank_at_most(at)[0] < at.samples}


@claim(
    "NH17/lemma4.4",
    paper=NH17,
    where="Lemma 4.4, Section 4",
    says=r"S = \{(W_l, b_l)_{l=1}^k : \mathrm{rank}([F_k, \mathbf{1}_N]) < N\} \text{ has Lebesgue measure zero}",
    assumes=ASSUMPTIONS,
)
@printed(
    HOLDS,
    wide_layers(samples=(2, 8)),
    examples=80,
    reaches={**deficient_here, "k = 2": lambda at: len(at.stack) == 2},
    note="one certified point proves it, by Lemmas 4.1 and 4.2; points of S occur",
)
@drop("distinct", REFUTED, wide_layers(repeated=True), recheck=no_parameters_reach_full_rank)
@drop(
    "analytic",
    REFUTED,
    wide_layers(
        activations=("affine inside",), scale=fmpq(1, 32), samples=(3, 5), d=(1, 1), degenerate=False
    ),
    recheck=network_is_affine_near,
)
@drop(
    "growth: sigma(t) = t",
    REFUTED,
    wide_layers(activations=("linear",), d=(1, 1), samples=(3, 6)),
    recheck=no_parameters_reach_full_rank,
)
@drop(
    "growth: sigma(t) = t^3",
    REFUTED,
    wide_layers(activations=("cube",), depth=(1, 1), d=(1, 1), samples=(4, 7)),
    recheck=no_parameters_reach_full_rank,
)
@drop("growth: sigma(t) = 2^t", HOLDS, wide_layers(activations=("exp",), depth=(1, 1)), examples=60)
@drop(
    "increasing",
    HOLDS,
    wide_layers(activations=("serpentine",)),
    examples=60,
    note="analytic and no polynomial",
)
@drop("wide", REFUTED, wide_layers(missing=1, spare=0), recheck=no_parameters_reach_full_rank)
@mutant("S is empty", wide_layers(), conclude=never_deficient, recheck=rank_is_deficient)
@mutant("n_k >= N - 2", wide_layers(missing=1, spare=0), recheck=no_parameters_reach_full_rank)
@mutant(
    "S has codimension 2",
    wide_layers(activations=("sigmoid", "tanh"), spare=0, degenerate=False, samples=(2, 4)),
    conclude=does_not_cut,
    recheck=negated_unit_changes_the_sign,
)
def test_deficient_parameters_are_a_null_set(layers: Layers) -> Verdict:
    """Almost all parameters give [F_k, 1] rank N."""
    return null_set(layers)


def near(ball: Ball) -> Verdict:
    """Some parameters in the ball give rank N."""
    n = ball.layers.samples
    if (
        refuted := at_least(
            rank_at_most_on_ball(ball.layers, ball.radius), n, "No point of the ball has rank N"
        )
    ) is not None:
        return refuted
    found = find_full_rank_near(ball.layers, ball.radius, skip=("floats",))
    if found is None:
        return inconclusive("no certificate at θ, nor at four points of the ball")
    return decide(True, why=f"certified in {found[1].by}", rung=found[1].rung)


def biases_alone(ball: Ball) -> Verdict:
    """Moving the biases alone is enough: not where X W_1 has equal rows."""
    layers = ball.layers
    weights = [[*row] for row in layers.stack[0].table()]
    weights[-1] = [fmpq(0)] * len(weights[-1])
    plain = (
        fmpq_mat(len(weights), len(weights[0]), [e for row in weights for e in row])
        if weights[0]
        else layers.stack[0]
    )
    products = Layers(activation="linear", X=layers.X, stack=(plain,)).preactivations
    different = len({tuple(row) for row in products.table()}) if products.ncols() else 1
    return at_least((different, "X W_1 has equal rows"), layers.samples, "No bias helps") or decide(
        True, why=""
    )


@claim(
    "NH17/cor4.5",
    paper=NH17,
    where="Corollary 4.5, Section 4",
    says=r"\forall (W^0_l, b^0_l)_{l=1}^k,\ \epsilon > 0\ \exists (W_l, b_l)_{l=1}^k \in B((W^0_l, b^0_l), \epsilon):\ \mathrm{rank}([F_k, \mathbf{1}_N]) = N",
    assumes=ASSUMPTIONS,
)
@printed(
    HOLDS,
    balls(wide_layers()),
    examples=80,
    reaches={
        "deficient centre": lambda b: rank_at_most(b.layers)[0] < b.layers.samples,
        "epsilon < 1/1000": lambda b: b.radius < fmpq(1, 1000),
    },
)
@drop("distinct", REFUTED, balls(wide_layers(repeated=True)), recheck=no_parameters_reach_full_rank)
@drop(
    "analytic",
    REFUTED,
    balls(
        wide_layers(
            activations=("affine inside",), scale=fmpq(1, 32), samples=(3, 5), d=(1, 1), degenerate=False
        ),
        least=8,
    ),
    recheck=network_is_affine_near,
)
@drop(
    "growth: sigma(t) = t",
    REFUTED,
    balls(wide_layers(activations=("linear",), d=(1, 1), samples=(3, 6))),
    recheck=no_parameters_reach_full_rank,
)
@drop(
    "growth: sigma(t) = t^3",
    REFUTED,
    balls(wide_layers(activations=("cube",), depth=(1, 1), d=(1, 1), samples=(4, 7))),
    recheck=no_parameters_reach_full_rank,
)
@drop("wide", REFUTED, balls(wide_layers(missing=1, spare=0)), recheck=no_parameters_reach_full_rank)
@mutant(
    "every point of the ball",
    balls(wide_layers()),
    conclude=lambda ball: never_deficient(ball.layers),
    recheck=rank_is_deficient,
)
@mutant("moving the biases alone", balls(wide_layers()), conclude=biases_alone, recheck=no_bias_helps)
def test_full_rank_is_everywhere_near(ball: Ball) -> Verdict:
    """Every neighbourhood of every point holds parameters of full rank."""
    return near(ball)
