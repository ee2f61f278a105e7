"""Nguyen & Hein (2017), Section 4 up to Corollary 4.5: analyticity, the construction of full rank, its measure."""

from math import factorial

from flint import acb, acb_mat, arb, arb_mat, ctx, fmpq, fmpq_mat, fmpq_poly

from strategies.matrices import hstack
from strategies.wide import (
    ADMISSIBLE,
    PAPER,
    Analytic,
    Ball,
    Labelled,
    LabelledLayers,
    Layers,
    Linear,
    Permutation,
    Ramps,
    Shape,
    Units,
    analytic_functions,
    balls,
    labelled_layers,
    labelled_vectors,
    linear_layers,
    ones,
    permutations,
    ramps,
    shapes,
    units,
    wide_layers,
)
from verify import (
    HOLDS,
    REFUTED,
    Rung,
    Verdict,
    all_of,
    claim,
    decide,
    decide_at_most,
    decide_equal,
    drop,
    inconclusive,
    mutant,
    printed,
    repaired,
    vacuous,
)
from verify.oracles.enclosed import climb, sign
from verify.oracles.linear_programs import NotSeparable, separate
from verify.oracles.rank_certificates import (
    bordered_sign,
    cauchy_determinant,
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
from verify.rechecks_nh17 import samples_of_two_classes_fall_together, vanishes_on_a_half_line

DISTINCT = r"x_i \ne x_j \text{ for } i \ne j"
ANALYTIC = r"\sigma \text{ analytic on } \mathbb{R}"
INCREASING = r"\sigma \text{ strictly increasing}"
GROWTH = r"\sigma \text{ bounded, or } |\sigma(t)| \le \rho_1 e^{\rho_2 t}\ (t < 0),\ |\sigma(t)| \le \rho_3 t + \rho_4\ (t \ge 0)"
WIDE = r"n_k \ge N - 1"
ASSUMPTIONS = {
    "distinct": DISTINCT,
    "analytic": ANALYTIC,
    "increasing": INCREASING,
    "growth": GROWTH,
    "wide": WIDE,
}

LIMITS = {
    "sigmoid": (0, 1),
    "tanh": (-1, 1),
    "two sigmoids": (0, 2),
    "serpentine": (0, 0),
    "affine inside": (-2, 2),
}
"""μ = σ(−∞) and γ = σ(∞)."""

RHO = {
    "sigmoid": (fmpq(1), 1, 1, 1),
    "softplus": (fmpq(3, 2), 1, 1, 1),
    "two sigmoids": (fmpq(65), 1, 1, 2),
    "exp": (fmpq(1), 1, 1, 1),
}
"""ρ₁, ρ₂, ρ₃, ρ₄ in bits: |σ(t)| <= ρ₁ 2^{ρ₂ t} for t < 0 and <= ρ₃ t + ρ₄ for t >= 0 (exp: not the latter).

log₂(1 + 2^t) <= 2^t / ln 2 and <= t + 1; 1 / (1 + 2^−t) <= 2^t and <= 1; for two sigmoids 2^6 + 2^−6 <= 65.
"""


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


def of(sigma: str):
    return lambda shape: shape.activation == sigma


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
@drop("distinct", REFUTED, shapes(repeated=True, samples=(2, 5)))
@drop("growth: sigma(t) = t", REFUTED, shapes(activations=("linear",), samples=(2, 6)))
@drop(
    "growth: sigma(t) = t^3", REFUTED, shapes(activations=("cube",), depth=(1, 1), d=(1, 1), samples=(3, 7))
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
@drop("wide", REFUTED, shapes(missing=1, samples=(2, 5)))
@mutant("rank(F_k) = N", shapes(samples=(2, 5)), conclude=full_rank_without_ones)
@mutant("n_k >= N - 2", shapes(missing=1, samples=(2, 5)))
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
@drop("distinct", REFUTED, units(repeated=True))
@drop("increasing", REFUTED, units(activations=("square", "abs", "serpentine")), examples=500)
@mutant(
    "a != 0 is enough",
    units(activations=("sigmoid",), d=(2, 2)),
    conclude=lambda u: separates(u, vacuous_if=lambda dots: not any(dots)),
)
@mutant("N - 1 hyperplanes", units(d=(2, 2)), conclude=lambda u: separates(u, hyperplanes=1))
def test_one_unit_tells_samples_apart(u: Units) -> Verdict:
    """All first columns but those on N(N − 1)/2 hyperplanes keep the rows of F_1 distinct."""
    return separates(u)


# --- the two branches --------------------------------------------------------------------------------


def displayed_limit(r: Ramps, below, diagonal, above) -> fmpq_mat:
    """lim E(α), E = [1, A], as the paper displays it: μ for i >= j >= 2, σ(β) for j = i + 1, γ above."""
    n = r.samples
    entry = lambda i, j: 1 if j == 0 else below if i >= j else diagonal if j == i + 1 else above
    return fmpq_mat(n, n, [entry(i, j) for i in range(n) for j in range(n)])


def bounded_limit(r: Ramps, *, formula=None, swapped: bool = False, entries: bool = True) -> Verdict:
    """The entries tend to the displayed limit, whose determinant is (μ − σ(β))^{N−1} ≠ 0.

    σ is increasing: |E(α) − E_∞| <= max(γ − σ(β + α gap), σ(β − α gap) − μ), which tends to 0 with α.
    """
    mu, gamma = LIMITS[r.activation]
    s, n = r.sigma.exact(r.beta), r.samples
    limit = displayed_limit(r, gamma, s, mu) if swapped else displayed_limit(r, mu, s, gamma)
    wanted = (mu - s) ** (n - 1) if formula is None else formula(mu, gamma, s, n)
    parts = []
    if entries:
        for steep in (r, r.steeper(r.alpha * 4)):
            tail = max(
                gamma - r.sigma.exact(r.beta + steep.alpha * r.gap),
                r.sigma.exact(r.beta - steep.alpha * r.gap) - mu,
            )
            there = hstack(ones(n), steep.exact)
            off = max(abs(e) for e in (there - limit).entries())
            parts.append(decide_at_most(off, tail, named=("|E(alpha) - E_inf|", "tail")))
    table = limit.table()
    steps = [[a - b for a, b in zip(table[i], table[i - 1], strict=True)] for i in range(1, n)]
    triangular = all(not any(row[: i + 1]) for i, row in enumerate(steps))
    return all_of(
        *parts,
        decide(triangular, why="The difference matrix of the limit is not upper triangular."),
        decide_equal(limit.det(), wanted, named=("det E_inf", "formula")),
        decide(bool(limit.det()), why="The limit is singular.", values={"det E_inf": limit.det()}),
    )


bounded = ramps(activations=("sigmoid", "tanh", "two sigmoids"), lattice=True)


@claim(
    "NH17/lemma4.3-bounded",
    paper=NH17,
    where="Proof of Lemma 4.3, sigma bounded, displays up to (3) and after",
    says=r"\lim_{\alpha\to\infty} \det [\mathbf{1}_N, A(\alpha)] = (\mu - \sigma(\beta))^{N-1} \ne 0,\quad \mu = \lim_{t\to-\infty} \sigma(t)",
    assumes={"increasing": INCREASING, "analytic": ANALYTIC},
)
@printed(HOLDS, bounded, examples=80, reaches={"N >= 4": lambda r: r.samples >= 4})
@drop(
    "increasing",
    REFUTED,
    ramps(activations=("serpentine",), lattice=True),
    conclude=lambda r: bounded_limit(r, entries=False),
    note="sigma(beta) = mu is possible then: choose another beta",
)
@drop("analytic", HOLDS, ramps(activations=("affine inside",), lattice=True), examples=60)
@mutant(
    "(sigma(beta) - gamma)^(N-1)",
    bounded,
    conclude=lambda r: bounded_limit(r, formula=lambda m, g, s, n: (s - g) ** (n - 1)),
)
@mutant("gamma below the diagonal and mu above", bounded, conclude=lambda r: bounded_limit(r, swapped=True))
@mutant(
    "(gamma - sigma(beta))^(N-1)",
    bounded,
    conclude=lambda r: bounded_limit(r, formula=lambda m, g, s, n: (g - s) ** (n - 1)),
)
@mutant("exponent N", bounded, conclude=lambda r: bounded_limit(r, formula=lambda m, g, s, n: (m - s) ** n))
def test_limit_of_the_determinant_for_bounded_activations(r: Ramps) -> Verdict:
    """For bounded σ, E(α) tends to a matrix whose determinant is (μ − σ(β))^{N−1}."""
    return bounded_limit(r)


def leibniz_bound(r: Ramps, rho) -> fmpq:
    """(N! − 1) M^{N−2} τ: every π ≠ id has a factor at most τ = ρ₁ 2^{ρ₂ (β − α gap)}, the others are at most M.

    M = max(1, ρ₁, ρ₃ (α (t_N − t_1) + |β|) + ρ₄). This is the paper's R (P α + Q)^S e^{−α T}. The exponent is
    rounded up to an integer.
    """
    r1, r2, r3, r4 = rho
    exponent = r2 * (r.beta - r.alpha * r.gap)
    tau = r1 * fmpq(2) ** int(exponent.ceil())
    most = max(fmpq(1), r1, r3 * (r.alpha * r.spread + abs(r.beta)) + r4)
    return (factorial(r.samples) - 1) * most ** max(r.samples - 2, 0) * tau


def unbounded_limit(r: Ramps, *, formula=lambda s, n: s ** (n - 1), ones_first: bool = False) -> Verdict:
    """|det E(α) − σ(β)^{N−1}| <= (N! − 1) M^{N−2} τ, at an α where that is below 2^−10 σ(β)^{N−1}."""
    rho, n = RHO[r.activation], r.samples
    diagonal = r.sigma.exact(r.beta) if r.exact is not None else r.sigma.ball(arb(r.beta))
    limit = diagonal ** (n - 1)
    steep = r
    while not (steep.alpha * steep.gap > r.beta and leibniz_bound(steep, rho) * 1024 < limit):
        steep = steep.steeper(steep.alpha * 2)

    def determinant(a):
        there = with_ones(a)
        if ones_first:
            rows = [[row[-1], *row[:-1]] for row in there.table()]
            there = type(there)(n, n, [e for row in rows for e in row])
        return there.det()

    with ctx.workprec(1024):
        value = determinant(steep.exact if steep.exact is not None else steep.in_balls())
        wanted = formula(diagonal if steep.exact is not None else r.sigma.ball(arb(r.beta)), n)
        return decide_at_most(
            abs(value - wanted), leibniz_bound(steep, rho), named=("|det E(alpha) - limit|", "bound")
        )


growing = ramps(activations=("sigmoid", "two sigmoids"), lattice=True) | ramps(
    activations=("softplus",), samples=(2, 4)
)


@claim(
    "NH17/lemma4.3-unbounded",
    paper=NH17,
    where="Proof of Lemma 4.3, last displays",
    says=r"\lim_{\alpha\to\infty} \det [A(\alpha), \mathbf{1}_N] = \sigma(\beta)^{N-1} \ne 0, \text{ at the rate } R(P\alpha+Q)^S e^{-\alpha T}",
    assumes={"growth": GROWTH},
)
@printed(
    HOLDS,
    growing,
    examples=80,
    reaches={"softplus": of("softplus"), "N >= 4": lambda r: r.samples >= 4},
    note="bounded activations with mu = 0 are of this growth too: at integers in exact arithmetic",
)
@drop(
    "growth",
    REFUTED,
    ramps(activations=("exp",), lattice=True),
    note="2^t: A is of rank 1",
)
@mutant("sigma(beta)^N", growing, conclude=lambda r: unbounded_limit(r, formula=lambda s, n: s**n))
@mutant("[1, A] for [A, 1]", growing, conclude=lambda r: unbounded_limit(r, ones_first=True))
@mutant(
    "-sigma(beta)^(N-1)", growing, conclude=lambda r: unbounded_limit(r, formula=lambda s, n: -(s ** (n - 1)))
)
def test_limit_of_the_determinant_by_leibniz(r: Ramps) -> Verdict:
    """Under the growth condition det E(α) tends to σ(β)^{N−1}: every other permutation dies exponentially."""
    return unbounded_limit(r)


def entry_bounds(r: Ramps, *, fourth: bool = True, rate: int = 1) -> Verdict:
    """The three bounds of |E(α)_ij|: below, on and above the diagonal, where α δ + β has the sign it needs."""
    r1, r2, r3, r4 = RHO[r.activation]
    t, exact = r.t.entries(), r.exact
    table = (exact if exact is not None else r.in_balls()).table()
    close = None
    for i in range(r.samples):
        for j in range(r.samples - 1):
            delta, value = t[j] - t[i], abs(table[i][j])
            if i > j and r.alpha * delta + r.beta < 0:
                exponent = r2 * r.beta + rate * r2 * r.alpha * delta
                bound = (
                    r1 * (fmpq(2) ** int(exponent.p))
                    if exponent.q == 1
                    else r1 * (arb(exponent) * arb.const_log2()).exp()
                )
            elif i < j and r.alpha * delta + r.beta > 0:
                bound = r3 * delta * r.alpha + r3 * r.beta + (r4 if fourth else 0)
            else:
                continue
            verdict = decide_at_most(value, bound, named=(f"|E_{i + 1}{j + 1}|", "bound"))
            if verdict.outcome is not HOLDS:
                return verdict
            close = verdict
    return close or vacuous("no entry has the sign it needs")


@claim(
    "NH17/lemma4.3-bounds",
    paper=NH17,
    where="Proof of Lemma 4.3, the bounds of the entries",
    says=r"|E_{\pi(j)j}| \le \rho_1 e^{\rho_2\beta} e^{-\alpha\rho_2|\delta_j|}\ (\pi(j) > j),\quad |E_{\pi(j)j}| \le \rho_3\delta_j\alpha + \rho_3\beta + \rho_4\ (\pi(j) < j)",
    assumes={"growth": GROWTH},
)
@printed(HOLDS, growing, examples=80, reaches={"softplus": of("softplus")})
@drop("growth", REFUTED, ramps(activations=("exp",), lattice=True, samples=(3, 5)))
@mutant("without rho_4", growing, conclude=lambda r: entry_bounds(r, fourth=False), examples=600)
@mutant("twice the rate", growing, conclude=lambda r: entry_bounds(r, rate=2))
def test_bounds_of_the_entries(r: Ramps) -> Verdict:
    """Entries below the diagonal are exponentially small in α, those above at most affine."""
    return entry_bounds(r)


def goes_up(p: Permutation, *, times: int = 1, unless_identity: bool = True) -> Verdict:
    """A permutation other than the identity has some π(j) > j."""
    up = sum(e > j for j, e in enumerate(p.images, 1))
    if unless_identity and p.images == tuple(sorted(p.images)):
        return vacuous("the identity")
    return decide(
        up >= times,
        why=f"π(j) > j happens {up} times.",
        values={"pi": fmpq_mat(1, len(p.images), [*p.images])},
    )


@claim(
    "NH17/lemma4.3-permutations",
    paper=NH17,
    where="Proof of Lemma 4.3, after the Leibniz formula",
    says=r"\pi \ne \mathrm{id} \Rightarrow \exists j:\ \pi(j) > j",
    assumes={"not the identity": r"\pi \ne \mathrm{id}"},
)
@printed(HOLDS, permutations(), examples=80, needs=30)
@drop("not the identity", REFUTED, permutations(), conclude=lambda p: goes_up(p, unless_identity=False))
@mutant("twice", permutations(), conclude=lambda p: goes_up(p, times=2))
@mutant(
    "as often up as down",
    permutations(),
    conclude=lambda p: decide(
        sum(e > j for j, e in enumerate(p.images, 1)) == sum(e < j for j, e in enumerate(p.images, 1)),
        why="The numbers of π(j) > j and π(j) < j differ.",
    ),
)
def test_permutations_go_up_somewhere(p: Permutation) -> Verdict:
    """Every permutation but the identity moves some j up."""
    return goes_up(p)


def sign_at(r: Ramps, alpha: fmpq) -> int | None:
    """The sign of det [A(α), 1], exactly where it is rational."""
    there = r.steeper(alpha)
    if there.exact is not None:
        return sign(with_ones(there.exact).det())
    return climb(
        lambda: sign(with_ones(there.in_balls()).det()) or None, bits=(64, 128, 256, 512, 1024, 2048)
    )


def steep_enough(r: Ramps) -> Verdict:
    """An α₀ with full rank for every α >= α₀, by ‖E_∞⁻¹‖ N τ(α₀) < 1.

    |E(α) − E_∞| <= τ(α) = max(γ − σ(β + α gap), σ(β − α gap) − μ), which falls in α, and E(α) = E_∞ (I +
    E_∞⁻¹ (E(α) − E_∞)) is invertible where N ‖E_∞⁻¹‖_∞ τ(α) < 1 (Neumann), E = [1, A].
    """
    mu, gamma = LIMITS[r.activation]
    s = r.sigma.exact(r.beta)
    inverse = displayed_limit(r, mu, s, gamma).inv()
    norm = max(sum((abs(e) for e in row), fmpq(0)) for row in inverse.table())
    alpha = fmpq(1)
    for _ in range(12):
        tail = max(gamma - r.sigma.exact(r.beta + alpha * r.gap), r.sigma.exact(r.beta - alpha * r.gap) - mu)
        if norm * r.samples * tail < 1:
            return all_of(
                *(decide(sign_at(r, alpha * r.alpha * k) == 1, why="α₀ does not do.") for k in (1, 2))
            )
        alpha *= 2
    return inconclusive("no α₀ up to 2¹¹")


def from_alpha(r: Ramps, alpha: fmpq) -> Verdict:
    """Full rank for every α' >= ``alpha``: two different signs of det E have a singular E(α') between them."""
    here = sign_at(r, alpha)
    if here is None:
        return inconclusive("the sign of det E(α) was not decided")
    if here <= 0:
        far = next((k for k in range(1, 12) if sign_at(r, alpha * (1 << k)) == 1), None)
        if here == 0 or far is not None:
            return decide(
                False,
                why="det E(α) changes its sign or vanishes: some α' >= α has a singular E(α').",
                values={"alpha": alpha, "sign": here, "positive at": alpha * (1 << (far or 0))},
            )
    return decide(True, why="")


two_steps = ramps(activations=("two sigmoids",), lattice=True, samples=(3, 4))


@claim(
    "NH17/lemma4.3-alpha0",
    paper=NH17,
    where="Proof of Lemma 4.3, sigma bounded, last sentences",
    says=r"\exists\, \alpha_0:\ \alpha \ge \alpha_0 \Rightarrow \mathrm{rank}([\mathbf{1}_N, A(\alpha)]) = N",
    assumes={"increasing": INCREASING},
)
@printed(
    HOLDS,
    bounded,
    examples=60,
    note="with an explicit alpha_0, by Neumann's series: proven for every alpha beyond it",
)
@mutant("alpha_0 = 1", two_steps, conclude=lambda r: from_alpha(r, fmpq(1)))
@mutant("alpha_0 = 3, whatever the t_i", two_steps, conclude=lambda r: from_alpha(r, fmpq(3)))
def test_some_alpha_is_steep_enough(r: Ramps) -> Verdict:
    """From some α₀ on the construction has full rank."""
    return steep_enough(r)


def positive(r: Ramps, *, formula=cauchy_determinant) -> Verdict:
    """det [A(α), 1] > 0: the closed form, equal to the exact determinant at integers, against balls elsewhere."""
    if r.alpha == 0:
        return decide(with_ones(r.exact).rank() == r.samples, why="All ramps are constant.")
    samples = [r.alpha * e for e in r.t.entries()]
    shifted = [e + r.beta for e in samples[:-1]]
    proven = bordered_sign(r.activation, samples, shifted)
    if proven is None:
        return from_alpha(r, r.alpha)
    value = sign_at(r, r.alpha)
    if value is not None and value != proven:
        return decide(None, why="the closed form and the balls disagree: the oracle is wrong")
    if r.activation == "sigmoid" and r.exact is not None:
        exact = with_ones(r.exact).det()
        product = formula([int(e.p) for e in samples], [int(e.p) for e in shifted])
        return all_of(
            decide_equal(exact, product, named=("det [A, 1]", "Cauchy's product")),
            decide(exact > 0, why="det [A, 1] is not positive.", values={"det [A, 1]": exact}),
        )
    return decide(proven == 1, why="det [A, 1] is not positive.", values={"sign": proven})


def without_units(samples, shifted):
    """Cauchy's product without the differences of the units."""
    value = cauchy_determinant(samples, shifted)
    for j, u in enumerate(shifted):
        for v in shifted[j + 1 :]:
            value /= fmpq(2) ** v - fmpq(2) ** u
    return value


every = ramps(activations=PAPER, samples=(2, 8)) | ramps(activations=("sigmoid",), lattice=True)


@claim(
    "NH17/lemma4.3-every-alpha",
    paper=NH17,
    where="Proof of Lemma 4.3, strengthened for the activations of Lemma 3.3",
    says=r"\sigma \text{ sigmoid, tanh or softplus},\ t_1 < \dots < t_N,\ \alpha > 0 \Rightarrow \det [A(\alpha), \mathbf{1}_N] > 0",
    assumes={"alpha > 0": r"\alpha > 0", "one mode": r"\sigma \text{ is one of the three}"},
)
@printed(
    HOLDS,
    every,
    examples=100,
    reaches={"N >= 6": lambda r: r.samples >= 6, **{name: of(name) for name in PAPER}},
    note="alpha_0 = 0: a bordered Cauchy determinant; total positivity for softplus",
)
@drop("alpha > 0", REFUTED, ramps(activations=("sigmoid",), lattice=True).map(lambda r: r.steeper(fmpq(0))))
@drop(
    "one mode",
    REFUTED,
    two_steps,
    conclude=lambda r: from_alpha(r, r.alpha),
    note="admissible by Assumption 3.2, but with two modes of the derivative: alpha_0 > 0 is needed",
)
@mutant("alpha != 0", every.map(lambda r: r.steeper(-r.alpha)))
@mutant("the product without the units", every, conclude=lambda r: positive(r, formula=without_units))
def test_every_alpha_will_do(r: Ramps) -> Verdict:
    """For sigmoid, tanh and softplus every α > 0 gives full rank."""
    return positive(r)


# --- measure zero, and density -----------------------------------------------------------------------


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
@drop("distinct", REFUTED, wide_layers(repeated=True))
@drop(
    "analytic",
    REFUTED,
    wide_layers(
        activations=("affine inside",), scale=fmpq(1, 32), samples=(3, 5), d=(1, 1), degenerate=False
    ),
)
@drop("growth: sigma(t) = t", REFUTED, wide_layers(activations=("linear",), d=(1, 1), samples=(3, 6)))
@drop(
    "growth: sigma(t) = t^3",
    REFUTED,
    wide_layers(activations=("cube",), depth=(1, 1), d=(1, 1), samples=(4, 7)),
)
@drop("growth: sigma(t) = 2^t", HOLDS, wide_layers(activations=("exp",), depth=(1, 1)), examples=60)
@drop(
    "increasing",
    HOLDS,
    wide_layers(activations=("serpentine",)),
    examples=60,
    note="analytic and no polynomial",
)
@drop("wide", REFUTED, wide_layers(missing=1, spare=0))
@mutant("S is empty", wide_layers(), conclude=never_deficient)
@mutant("n_k >= N - 2", wide_layers(missing=1, spare=0))
@mutant(
    "S has codimension 2",
    wide_layers(activations=("sigmoid", "tanh"), spare=0, degenerate=False, samples=(2, 4)),
    conclude=does_not_cut,
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
@drop("distinct", REFUTED, balls(wide_layers(repeated=True)))
@drop(
    "analytic",
    REFUTED,
    balls(
        wide_layers(
            activations=("affine inside",), scale=fmpq(1, 32), samples=(3, 5), d=(1, 1), degenerate=False
        ),
        least=8,
    ),
)
@drop("growth: sigma(t) = t", REFUTED, balls(wide_layers(activations=("linear",), d=(1, 1), samples=(3, 6))))
@drop(
    "growth: sigma(t) = t^3",
    REFUTED,
    balls(wide_layers(activations=("cube",), depth=(1, 1), d=(1, 1), samples=(4, 7))),
)
@drop("wide", REFUTED, balls(wide_layers(missing=1, spare=0)))
@mutant("every point of the ball", balls(wide_layers()), conclude=lambda ball: never_deficient(ball.layers))
@mutant("moving the biases alone", balls(wide_layers()), conclude=biases_alone)
def test_full_rank_is_everywhere_near(ball: Ball) -> Verdict:
    """Every neighbourhood of every point holds parameters of full rank."""
    return near(ball)


# --- analytic functions ------------------------------------------------------------------------------


def complex_sigma(name: str, z: acb) -> acb:
    """σ in the strip |Im z| < 2, inside of all poles and branch points of ours (at least π / (2 ln 2) away)."""
    ln2 = acb(arb.const_log2())
    sigmoid = lambda t: 1 / (1 + (-t * ln2).exp())
    match name:
        case "sigmoid":
            return sigmoid(z)
        case "tanh":
            return 2 * sigmoid(2 * z) - 1
        case "softplus":
            return (1 + (z * ln2).exp()).log() / ln2
    return sigmoid(z - 6) + sigmoid(z + 6)


def holomorphic(layers: Layers) -> Verdict:
    """A complex polydisc around θ on which every layer is holomorphic: all |Im G_l| < 2 on it, in balls."""

    def on(radius: fmpq) -> bool:
        disc = arb(0, radius)
        f = acb_mat(arb_mat(layers.X))
        for w in layers.stack:
            w = acb_mat(w.nrows(), w.ncols(), [acb(arb(e) + disc, disc) for e in w.entries()])
            g = with_ones(f) * w
            if not all(abs(e.imag) < 2 for e in g.entries()):
                return False
            f = acb_mat(g.nrows(), g.ncols(), [complex_sigma(layers.activation, e) for e in g.entries()])
        return all(e.is_finite() for e in f.entries())

    for step in range(1, 40):
        if on(fmpq(1, 1 << step)):
            return decide(True, why="", rung=Rung.BALL, margin=fmpq(1, 1 << step))
    return inconclusive("no polydisc of radius 2^-39")


def radius_of(layers: Layers, radius: int) -> Verdict:
    """Holomorphic for |b − b_1| < ``radius`` (0: everywhere): not where G_11 + z hits a singularity of σ.

    At z_0 = i π / ln 2 (tanh: half of it) 1 + 2^−z vanishes: σ has a pole there, or softplus a branch point.
    """
    pole = arb.pi() / arb.const_log2() / (2 if layers.activation == "tanh" else 1)
    g = layers.preactivations
    if not g.ncols():
        return vacuous("no unit")
    distance = min((arb(e * e) + pole * pole for e in g.entries()), key=lambda b: float(b.mid())).sqrt()
    off = sigma_near_pole(layers.activation)
    if radius and not distance < radius:
        return decide(True, why="", rung=Rung.BALL)
    return decide(
        not off, rung=Rung.BALL, values={"distance": distance},
        why="Within that distance of b_1 a pre-activation meets a singularity of σ.",
    )  # fmt: skip


def sigma_near_pole(name: str) -> bool:
    """|σ| grows beyond all bounds at i π / ln 2 (or half of it): checked at distances 2^−10, 2^−20, 2^−40.

    The real part of softplus grows (towards −∞) like the logarithm.
    """
    with ctx.workprec(128):
        pole = acb(0, arb.pi() / arb.const_log2() / (2 if name == "tanh" else 1))
        sizes = [abs(complex_sigma(name, pole + acb(fmpq(1, 1 << k)))) for k in (10, 20, 40)]
    least = (5, 15, 35) if name == "softplus" else (500, 500_000, 10**11)
    return all(s > b for s, b in zip(sizes, least, strict=True))


def smooth_twice(layers: Layers) -> Verdict:
    """F_1 has two derivatives in b_1: "affine inside" has the one-sided curvatures 0 and ∓2 at ±1."""
    hit = any(abs(e) == 1 for e in layers.preactivations.entries())
    return decide(not hit, why="A pre-activation is ±1, where σ'' is 0 on one side and ∓2 on the other.")


@claim(
    "NH17/lemma4.1",
    paper=NH17,
    where="Lemma 4.1, Section 4",
    says=r"\text{the outputs } f_l,\ l \in [L], \text{ are real analytic functions of the network parameters}",
    assumes={"analytic": ANALYTIC},
)
@printed(
    HOLDS,
    wide_layers(depth=(1, 3), samples=(1, 3)),
    examples=60,
    reaches={name: of(name) for name in ADMISSIBLE},
    note="f_l extends holomorphically to a polydisc around every drawn point; its radius is the margin",
)
@drop("analytic", REFUTED, wide_layers(activations=("affine inside",), depth=(1, 1)), conclude=smooth_twice)
@mutant("entire functions", wide_layers(activations=PAPER), conclude=lambda at: radius_of(at, 0))
@mutant(
    "the series converge up to distance 5",
    wide_layers(activations=PAPER),
    conclude=lambda at: radius_of(at, 5),
)
def test_layers_are_analytic_in_the_parameters(layers: Layers) -> Verdict:
    """The output of every layer is a real analytic function of the parameters."""
    return holomorphic(layers)


def zero_set(f: Analytic) -> tuple[str, int]:
    """("null", a bound of the number of zeros, in a period of 2π if periodic), ("all", 0) or ("half-line", 0).

    A polynomial has at most as many zeros as its degree. p(2^x) and Re Σ (a_k − i b_k) e^{ikx} are polynomials
    in z = 2^x and, times z^K, in z = e^{ix} of degree 2 K; they vanish identically only with all coefficients.
    "glued" and "flat" functions may vanish on one side of the knot alone.
    """
    p, q = f.p.entries(), f.q.entries()
    match f.kind:
        case "polynomial" | "exponential":
            return ("null", len(p) - 1) if any(p) else ("all", 0)
        case "trigonometric":
            return ("null", 2 * (len(p) - 1)) if any(p) or any(q[1:]) else ("all", 0)
        case "glued":
            return (
                ("all", 0)
                if not any(p) and not any(q)
                else ("half-line", 0)
                if not (any(p) and any(q))
                else ("null", 2 * len(p))
            )
    return ("half-line", 0) if sum(p, fmpq(0)) else ("all", 0)


def null_zeros(f: Analytic, *, unless_zero: bool = True) -> Verdict:
    """The zeros of f are a null set, if f is not identically zero."""
    kind, count = zero_set(f)
    if unless_zero and kind == "all":
        return vacuous("f is identically zero")
    where = {"all": "everywhere", "half-line": "on one side of the knot alone", "null": ""}[kind]
    return decide(kind == "null", why=f"f vanishes {where}.", values={"zeros at most": count})


def finitely_many_zeros(f: Analytic) -> Verdict:
    """The zero set is finite: not if f is periodic and changes sign, or vanishes at 0."""
    if zero_set(f)[0] == "all":
        return vacuous("f is identically zero")
    if f.kind != "trigonometric":
        return decide(True, why="")
    return decide(
        bool(sum(f.p.entries(), fmpq(0))), why="f(0) = 0, and f has the period 2π: f(2πn) = 0 for all n."
    )


def at_most_one_zero(f: Analytic) -> Verdict:
    """f has at most one zero."""
    if zero_set(f)[0] == "all":
        return vacuous("f is identically zero")
    roots = [r for r, _ in fmpq_poly(f.p.entries()).numer().complex_roots() if r.imag == 0]
    return decide(len(roots) <= 1, why=f"f has {len(roots)} zeros.", values={"zeros": len(roots)})


analytic = analytic_functions(("polynomial", "exponential", "trigonometric"))
NOT_ZERO = r"f \not\equiv 0"


@claim(
    "NH17/lemma4.2",
    paper=NH17,
    where="Lemma 4.2, Section 4 (cited: Nguyen 2015, Mityagin 2015)",
    says=r"f \text{ real analytic},\ f \not\equiv 0 \Rightarrow \{f = 0\} \text{ has Lebesgue measure zero}",
    assumes={"analytic": r"f \text{ real analytic}", "not zero": NOT_ZERO},
)
@printed(
    HOLDS,
    analytic,
    examples=100,
    needs=40,
    reaches={
        name: (lambda f, name=name: f.kind == name) for name in ("polynomial", "exponential", "trigonometric")
    },
    note="on the line, for functions whose zeros are those of a polynomial",
)
@drop(
    "analytic", REFUTED, analytic_functions(("flat",)), note="infinitely often differentiable is not enough"
)
@drop("not zero", REFUTED, analytic, conclude=lambda f: null_zeros(f, unless_zero=False))
@mutant("finitely many zeros", analytic_functions(("trigonometric",)), conclude=finitely_many_zeros)
@mutant("at most one zero", analytic_functions(("polynomial",)), conclude=at_most_one_zero)
def test_zeros_of_analytic_functions(f: Analytic) -> Verdict:
    """The zeros of an analytic function that is not identically zero are a null set."""
    return null_zeros(f)


@claim(
    "NH17/analytic",
    paper=NH17,
    where="Section 3.2, definition of real analytic, with Lemma 4.2",
    says=r"\text{the Taylor series of } f \text{ converges to } f \text{ on an open subset of } \mathbb{R}^d,\ f \not\equiv 0 \Rightarrow \{f = 0\} \text{ has measure zero}",
    assumes={"not zero": NOT_ZERO},
)
@printed(
    REFUTED,
    analytic_functions(("polynomial", "glued")),
    recheck=vanishes_on_a_half_line,
    note="an open subset is not enough: the series must converge to f near every point",
)
@repaired(
    r"\text{the Taylor series converges to } f \text{ near every point of } \mathbb{R}^d",
    analytic,
    examples=60,
    needs=30,
)
@drop("not zero", REFUTED, analytic, conclude=lambda f: null_zeros(f, unless_zero=False))
@mutant("near every point but one", analytic_functions(("glued",)))
@mutant("f has derivatives of every order", analytic_functions(("flat", "polynomial")))
def test_definition_of_real_analytic(f: Analytic) -> Verdict:
    """Convergence of the Taylor series on some open subset is what Lemma 4.2 needs."""
    return null_zeros(f)


# --- linear networks ---------------------------------------------------------------------------------


def weights_of(net: Linear) -> list[fmpq_mat]:
    """W_1, …, W_k without the biases."""
    return [fmpq_mat(w.nrows() - 1, w.ncols(), w.entries()[: (w.nrows() - 1) * w.ncols()]) for w in net.stack]


def layer_step(net: Linear, more: int = 1) -> Verdict:
    """rank F_l <= min{rank F_{l−1}, rank W_l} + ``more`` for every l."""
    f = net.layers()
    return all_of(
        *(
            decide_at_most(f[l].rank(), min(f[l - 1].rank(), w.rank()) + more, named=(f"rank F_{l}", "bound"))
            for l, w in enumerate(weights_of(net), 1)
        )
    )


def printed_bound(net: Linear, more: int = 1) -> Verdict:
    """rank F_k <= rank W_l + k − l + ``more`` for every l."""
    k, rank = len(net.stack), net.layers()[-1].rank()
    return all_of(
        *(
            decide_at_most(rank, w.rank() + k - l + more, named=("rank F_k", f"rank W_{l} + k - l + {more}"))
            for l, w in enumerate(weights_of(net), 1)
        )
    )


def sharp_bound(net: Linear, more: int = 1) -> Verdict:
    """rank [F_k, 1] <= min_l rank W_l + ``more``."""
    least = min(w.rank() for w in weights_of(net))
    return decide_at_most(with_ones(net.layers()[-1]).rank(), least + more, named=("rank [F_k, 1]", "bound"))


LINEAR = {"linear": r"\sigma(t) = t"}
linear = linear_layers()
curved = linear_layers(activation="cube", wide=True)


@claim(
    "NH17/linear-step",
    paper=NH17,
    where="Section 4, before Lemma 4.3",
    says=r"\mathrm{rank}(F_k) \le \min\{\mathrm{rank}(F_{k-1}), \mathrm{rank}(W_k)\} + 1",
    assumes=LINEAR,
)
@printed(HOLDS, linear, examples=80)
@drop("linear", REFUTED, curved)
@mutant("without + 1", linear, conclude=lambda net: layer_step(net, 0))
@mutant(
    "equality",
    linear,
    conclude=lambda net: decide_equal(
        net.layers()[1].rank(), min(net.X.rank(), weights_of(net)[0].rank()) + 1
    ),
)
def test_rank_of_one_linear_layer(net: Linear) -> Verdict:
    """A linear layer with bias raises the rank by at most one."""
    return layer_step(net)


@claim(
    "NH17/linear-rank",
    paper=NH17,
    where="Section 4, before Lemma 4.3: by induction",
    says=r"\mathrm{rank}(F_k) \le \mathrm{rank}(W_l) + k - l + 1 \text{ for every } l \in [k]",
    assumes=LINEAR,
    equivalent={
        "rank(W_l) + 1": "true: the biases of all layers together are one term of rank one (linear-rank-sharp)"
    },
)
@printed(HOLDS, linear, examples=80)
@drop("linear", REFUTED, curved)
@mutant("rank(W_l) + k - l", linear, conclude=lambda net: printed_bound(net, 0))
@mutant(
    "rank(F_k) <= rank(F_0)",
    linear,
    conclude=lambda net: decide_at_most(net.layers()[-1].rank(), net.X.rank(), named=("rank F_k", "rank X")),
)
def test_rank_of_deep_linear_layers(net: Linear) -> Verdict:
    """In a deep linear network the rank of F_k is bounded by that of every weight below, up to k − l + 1."""
    return printed_bound(net)


@claim(
    "NH17/linear-rank-sharp",
    paper=NH17,
    where="Section 4, before Lemma 4.3: what is true",
    says=r"\mathrm{rank}([F_k, \mathbf{1}_N]) \le \min_{l \le k} \mathrm{rank}(W_l) + 1",
    assumes=LINEAR,
)
@printed(
    HOLDS,
    linear,
    examples=80,
    reaches={
        "attained": lambda net: (
            with_ones(net.layers()[-1]).rank() == min(w.rank() for w in weights_of(net)) + 1
        ),
        "below the printed bound": lambda net: any(
            w.rank() + len(net.stack) - l > min(v.rank() for v in weights_of(net))
            for l, w in enumerate(weights_of(net), 1)
        ),
    },
)
@drop("linear", REFUTED, curved)
@mutant("min rank(W_l)", linear, conclude=lambda net: sharp_bound(net, 0))
@mutant(
    "attained",
    linear,
    conclude=lambda net: decide_equal(
        with_ones(net.layers()[-1]).rank(), min(w.rank() for w in weights_of(net)) + 1
    ),
)
def test_all_biases_together_add_one(net: Linear) -> Verdict:
    """The biases of all layers of a deep linear network add one to the rank, not one each."""
    return sharp_bound(net)


# --- separable ---------------------------------------------------------------------------------------


def separable(F: fmpq_mat, classes: fmpq_mat) -> Verdict:
    """Definition 5.1, one class against the rest, by exact linear programs."""
    features = with_ones(F)
    for c in (1, 2, 3):
        labels = fmpq_mat(F.nrows(), 1, [int(e == c) for e in classes.entries()])
        found = separate(features, labels)
        if isinstance(found, NotSeparable):
            multiplier = fmpq_mat(1, F.nrows(), found.multiplier)
            return decide(
                False,
                why=f"Class {c} is not separable from the rest (Gordan's multiplier).",
                values={"class": c, "multiplier": multiplier},
            )
    return decide(True, why="")


def solved(v: Labelled) -> Verdict:
    """Separable; where rank([F, 1]) = N, also by solving [F, 1] h = ±1."""
    if with_ones(v.F).rank() == v.F.nrows():
        e = with_ones(v.F)
        target = fmpq_mat(v.F.nrows(), 1, [1 if c == 1 else -1 for c in v.classes.entries()])
        h = e.transpose() * (e * e.transpose()).solve(target)
        if e * h != target:
            return decide(None, why="[F, 1] h = ±1 was not solved: the oracle is wrong")
    return separable(v.F, v.classes)


def only_if_independent(v: Labelled) -> Verdict:
    """The converse: separable vectors are linearly independent."""
    if separable(v.F, v.classes).outcome is REFUTED:
        return vacuous("not separable")
    return decide(
        v.F.rank() == v.F.nrows(), why="Separable, and linearly dependent.", values={"rank F": v.F.rank()}
    )


@claim(
    "NH17/separable",
    paper=NH17,
    where="Section 5, after Theorem 5.3 (cited: Barber 2012, p. 340)",
    says=r"x_1, \dots, x_N \text{ linearly independent} \Rightarrow \text{linearly separable (Definition 5.1), whatever the classes}",
    assumes={"independent": r"x_1, \dots, x_N \text{ linearly independent}"},
)
@printed(
    HOLDS,
    labelled_vectors(),
    examples=60,
    reaches={"three classes": lambda v: len(set(v.classes.entries())) == 3},
)
@drop(
    "independent: affinely",
    HOLDS,
    labelled_vectors(kind="affine"),
    examples=60,
    note="rank([F, 1]) = N, which is weaker, is enough",
)
@drop(
    "independent: distinct", REFUTED, labelled_vectors(kind="line"), note="the class in the middle of a line"
)
@mutant("rank([F, 1]) >= N - 1", labelled_vectors(kind="one short"))
@mutant("only if", labelled_vectors(kind="line"), conclude=only_if_independent)
def test_independent_vectors_are_separable(v: Labelled) -> Verdict:
    """Linearly independent vectors are linearly separable, one class against the rest."""
    return solved(v)


def separable_layer(at: LabelledLayers) -> Verdict:
    """F_k is separable: by rank N or exact linear programs; not where samples of two classes fall together."""
    layers, classes = at.layers, at.classes.entries()
    rows = layers.preactivations.table() if layers.stack[0].ncols() else [[]] * layers.samples
    seen: dict[tuple, fmpq] = {}
    for row, c in zip(rows, classes, strict=True):
        if seen.setdefault(tuple(row), c) != c:
            return decide(
                False,
                why="Two samples of different classes have equal first pre-activations: equal rows of F_k.",
            )
    if layers.exact is not None:
        return separable(layers.exact, at.classes)
    if rank_at_most(layers)[0] == layers.samples and (found := certify(layers, skip=("floats",))) is not None:
        return decide(True, why="[F_k, 1] h = ±1 has a solution", rung=found.rung)
    return separable_in_balls(at)


def separable_in_balls(at: LabelledLayers) -> Verdict:
    """Separators of the features rounded to 2⁻⁴⁰, found exactly and checked on the features in balls."""
    with ctx.workprec(256):
        enclosed = with_ones(at.layers.in_balls())
        flat = [fmpq(round(float(e.mid()) * 2.0**40), 2**40) for e in enclosed.entries()]
        rounded = fmpq_mat(enclosed.nrows(), enclosed.ncols(), flat)
        for c in (1, 2, 3):
            labels = [int(e == c) for e in at.classes.entries()]
            found = separate(rounded, fmpq_mat(len(labels), 1, labels))
            if isinstance(found, NotSeparable):
                return inconclusive("not separable once rounded")
            values = (enclosed * arb_mat(enclosed.ncols(), 1, found.r)).entries()
            if not all(v > 0 if y else v < 0 for v, y in zip(values, labels, strict=True)):
                return inconclusive("the separator of the rounded features does not do")
    return decide(True, why="separators checked in balls", rung=Rung.BALL)


def almost_everywhere(at: LabelledLayers) -> Verdict:
    """Separable at every θ off the null set S."""
    if rank_at_most(at.layers)[0] < at.layers.samples:
        return vacuous("θ lies in S")
    return separable_layer(at)


def nonzero_weights(at: LabelledLayers) -> Verdict:
    """Separable where no W_l is zero."""
    if any(not any(w.entries()[: (w.nrows() - 1) * w.ncols()]) for w in at.layers.stack):
        return vacuous("a weight matrix is zero")
    return separable_layer(at)


@claim(
    "NH17/separable-wide",
    paper=NH17,
    where="Section 5, first paragraph",
    says=r"n_k \ge N - 1 \Rightarrow \text{the data is linearly separable at layer } k",
    assumes={"wide": WIDE, "distinct": DISTINCT},
)
@printed(
    REFUTED,
    labelled_layers(wide_layers(samples=(2, 2))),
    recheck=samples_of_two_classes_fall_together,
    note="almost everywhere, not everywhere: W_1 = 0 makes all rows of F_k equal",
)
@repaired(
    r"n_k \ge N - 1 \Rightarrow \text{linearly separable at layer } k \text{ for all parameters off the null set of Lemma 4.4}",
    labelled_layers(wide_layers(degenerate=False)),
    conclude=almost_everywhere,
    examples=120,
    needs=30,
)
@drop("distinct", REFUTED, labelled_layers(wide_layers(repeated=True)), conclude=nonzero_weights)
@mutant("wherever no W_l is zero", labelled_layers(wide_layers(d=(2, 2))), conclude=nonzero_weights)
@mutant(
    "n_k >= N - 2",
    labelled_layers(
        wide_layers(activations=("sigmoid",), depth=(1, 1), d=(1, 1), missing=1, spare=0, samples=(3, 5))
    ),
    conclude=lambda at: (
        vacuous("fell together")
        if rank_at_most(at.layers)[0] < at.layers.samples - 1
        else separable_layer(at)
    ),
)
def test_wide_layers_separate(at: LabelledLayers) -> Verdict:
    """A layer of at least N − 1 units makes the data linearly separable."""
    return separable_layer(at)
