"""Nguyen & Hein (2017), Section 4: the proof of Lemma 4.3, what becomes of the ramps as they grow steep."""

from functools import partial
from math import factorial

from flint import arb, ctx, fmpq, fmpq_mat

from strategies.matrices import hstack
from strategies.wide import PAPER, Permutation, Ramps, ones, permutations, ramps
from verify import (
    HOLDS,
    REFUTED,
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
    vacuous,
)
from verify.nh17 import ANALYTIC, GROWTH, INCREASING, of
from verify.oracles.enclosed import climb, sign
from verify.oracles.rank_certificates import bordered_sign, cauchy_determinant, with_ones
from verify.papers import NH17
from verify.rechecks.nh17_ramps import (
    determinant_is_not_positive,
    determinant_stays_away,
    entry_exceeds_its_bound,
    goes_up_and_down_unequally,
    goes_up_but_once,
    limit_has_other_entries,
    limit_of_the_determinant_is_not,
    never_goes_up,
    product_is_not_the_determinant,
    some_steeper_ramps_are_singular,
)

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


# --- bounded activations ------------------------------------------------------------------------------


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
    recheck=limit_of_the_determinant_is_not,
)
@drop("analytic", HOLDS, ramps(activations=("affine inside",), lattice=True), examples=60)
@mutant(
    "(sigma(beta) - gamma)^(N-1)",
    bounded,
    conclude=lambda r: bounded_limit(r, formula=lambda m, g, s, n: (s - g) ** (n - 1)),
    recheck=partial(limit_of_the_determinant_is_not, base="σ(β)", minus="γ"),
)
@mutant(
    "gamma below the diagonal and mu above",
    bounded,
    conclude=lambda r: bounded_limit(r, swapped=True),
    recheck=limit_has_other_entries,
)
@mutant(
    "(gamma - sigma(beta))^(N-1)",
    bounded,
    conclude=lambda r: bounded_limit(r, formula=lambda m, g, s, n: (g - s) ** (n - 1)),
    recheck=partial(limit_of_the_determinant_is_not, base="γ", minus="σ(β)"),
)
@mutant(
    "exponent N",
    bounded,
    conclude=lambda r: bounded_limit(r, formula=lambda m, g, s, n: (m - s) ** n),
    recheck=partial(limit_of_the_determinant_is_not, more=1),
)
def test_limit_of_the_determinant_for_bounded_activations(r: Ramps) -> Verdict:
    """For bounded σ, E(α) tends to a matrix whose determinant is (μ − σ(β))^{N−1}."""
    return bounded_limit(r)


# --- unbounded activations ----------------------------------------------------------------------------


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
    recheck=determinant_stays_away,
)
@mutant(
    "sigma(beta)^N",
    growing,
    conclude=lambda r: unbounded_limit(r, formula=lambda s, n: s**n),
    recheck=partial(determinant_stays_away, more=1),
)
@mutant(
    "[1, A] for [A, 1]",
    growing,
    conclude=lambda r: unbounded_limit(r, ones_first=True),
    recheck=partial(determinant_stays_away, ones_first=True),
)
@mutant(
    "-sigma(beta)^(N-1)",
    growing,
    conclude=lambda r: unbounded_limit(r, formula=lambda s, n: -(s ** (n - 1))),
    recheck=partial(determinant_stays_away, sign=-1),
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
@drop(
    "growth",
    REFUTED,
    ramps(activations=("exp",), lattice=True, samples=(3, 5)),
    recheck=entry_exceeds_its_bound,
)
@mutant(
    "without rho_4",
    growing,
    conclude=lambda r: entry_bounds(r, fourth=False),
    examples=600,
    recheck=partial(entry_exceeds_its_bound, fourth=False),
)
@mutant(
    "twice the rate",
    growing,
    conclude=lambda r: entry_bounds(r, rate=2),
    recheck=partial(entry_exceeds_its_bound, rate=2),
)
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
@drop(
    "not the identity",
    REFUTED,
    permutations(),
    conclude=lambda p: goes_up(p, unless_identity=False),
    recheck=never_goes_up,
)
@mutant("twice", permutations(), conclude=lambda p: goes_up(p, times=2), recheck=goes_up_but_once)
@mutant(
    "as often up as down",
    permutations(),
    conclude=lambda p: decide(
        sum(e > j for j, e in enumerate(p.images, 1)) == sum(e < j for j, e in enumerate(p.images, 1)),
        why="The numbers of π(j) > j and π(j) < j differ.",
    ),
    recheck=goes_up_and_down_unequally,
)
def test_permutations_go_up_somewhere(p: Permutation) -> Verdict:
    """Every permutation but the identity moves some j up."""
    return goes_up(p)


# --- how steep is steep enough ------------------------------------------------------------------------


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
@mutant(
    "alpha_0 = 1",
    two_steps,
    conclude=lambda r: from_alpha(r, fmpq(1)),
    recheck=some_steeper_ramps_are_singular,
)
@mutant(
    "alpha_0 = 3, whatever the t_i",
    two_steps,
    conclude=lambda r: from_alpha(r, fmpq(3)),
    recheck=partial(some_steeper_ramps_are_singular, alpha=3),
)
def test_some_alpha_is_steep_enough(r: Ramps) -> Verdict:
    """From some α₀ on the construction has full rank."""
    return steep_enough(r)


def positive(r: Ramps, *, formula=cauchy_determinant) -> Verdict:
    """det [A(α), 1] > 0: the closed form, equal to the determinant where that is rational, and to its sign in balls."""
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
        product = formula(samples, shifted)
        if product is None:
            return inconclusive("the product is irrational", **{"det [A, 1]": exact})
        return all_of(
            decide_equal(exact, product, named=("det [A, 1]", "Cauchy's product")),
            decide(exact > 0, why="det [A, 1] is not positive.", values={"det [A, 1]": exact}),
        )
    return decide(proven == 1, why="det [A, 1] is not positive.", values={"sign": proven})


def without_units(samples, shifted):
    """Cauchy's product without the differences of the units: None but at integers."""
    if any(e.q != 1 for e in (*samples, *shifted)):
        return None
    value = cauchy_determinant(samples, shifted)
    for j, u in enumerate(shifted):
        for v in shifted[j + 1 :]:
            value /= fmpq(2) ** int(v.p) - fmpq(2) ** int(u.p)
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
@drop(
    "alpha > 0",
    REFUTED,
    ramps(activations=("sigmoid",), lattice=True).map(lambda r: r.steeper(fmpq(0))),
    recheck=determinant_is_not_positive,
)
@drop(
    "one mode",
    REFUTED,
    two_steps,
    conclude=lambda r: from_alpha(r, r.alpha),
    note="admissible by Assumption 3.2, but with two modes of the derivative: alpha_0 > 0 is needed",
    recheck=determinant_is_not_positive,
)
@mutant("alpha != 0", every.map(lambda r: r.steeper(-r.alpha)), recheck=determinant_is_not_positive)
@mutant(
    "the product without the units",
    every,
    conclude=lambda r: positive(r, formula=without_units),
    recheck=product_is_not_the_determinant,
)
def test_every_alpha_will_do(r: Ramps) -> Verdict:
    """For sigmoid, tanh and softplus every α > 0 gives full rank."""
    return positive(r)
