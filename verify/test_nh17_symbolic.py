"""Nguyen & Hein (2017), Sections 3.1 and 3.2: which activations and losses satisfy the assumptions.

These sentences are about formulas. They are proved once for all values and parameters by algebra
(``verify.oracles.symbolic``, rung "exact (symbolic)"); what algebra does not prove is refuted at a drawn point.
"""

from functools import cache, partial

from flint import arb, fmpq, fmpq_mat

from strategies.activations import ACTIVATIONS
from strategies.formulas import (
    Point,
    Polynomial,
    Robust,
    Steep,
    convex_polynomials,
    points,
    robust_losses,
    steep_activations,
)
from strategies.formulas import value as polynomial_value
from strategies.matrices import hstack
from strategies.wide import Layers, ones, wide_layers
from verify import (
    HOLDS,
    REFUTED,
    Rung,
    Verdict,
    all_of,
    claim,
    decide,
    decide_equal,
    drop,
    inconclusive,
    mutant,
    printed,
    repaired,
    vacuous,
)
from verify.curves import record_point
from verify.oracles.symbolic import (
    activation,
    enclose,
    generators,
    increases,
    is_nonnegative_polynomial,
    is_zero,
    limit,
    nonnegative,
    positive,
    proves,
    robust,
)
from verify.papers import NH17
from verify.rechecks.nh17_symbolic import (
    critical_point_is_not_a_minimum,
    critical_point_is_not_best,
    display_fails,
    does_not_begin_like,
    error_at_zero_is_larger,
    error_exceeds_the_bound,
    growth_bound_fails,
    keeps_growing,
    logarithm_is_above,
    loss_bends_down,
    loss_is_a_parabola,
    loss_is_not_defined,
    outputs_are_not_opposite,
    quotient_does_not_tend_to_one,
    quotient_tends_to_zero,
    slope_is_a_constant,
    slope_stays_away,
    slope_vanishes,
    softplus_stays_away,
    tends_to_another_limit,
)

POSITIVE = r"\alpha > 0"
INSIDE = {"t > 0": lambda t: t >= 0, "t < 0": lambda t: t < 0, "all t": lambda t: True}


def proved(why: str, **values) -> Verdict:
    """Holds for all values of the symbols."""
    return Verdict(HOLDS, Rung.SYMBOLIC, values=values, why=why)


def refuted_by_proof(why: str, **values) -> Verdict:
    """A proved inequality contradicts the sentence."""
    return Verdict(REFUTED, Rung.SYMBOLIC, values=values, why=why)


def formula(u: Steep):
    """σ; with α < 0, the softplus as a formula in |α|."""
    return activation("softplus of -alpha" if u.alpha < 0 else u.name)


def there(u: Steep) -> dict[str, fmpq]:
    """The values of the symbols."""
    return {"t": u.t, "alpha": abs(u.alpha)}


def rung_of(*numbers) -> Rung:
    return Rung.EXACT if all(isinstance(x, fmpq) for x in numbers) else Rung.BALL


def everywhere(f, u: Steep, region: str, sentence: str) -> Verdict:
    """f(t) >= 0 on the region for every α > 0: proved, or refuted at the instance's t."""
    if proves(f, region):
        return proved(f"{sentence} for every t in the region and every α > 0")
    if not INSIDE[region](u.t):
        return vacuous("t lies outside the region")
    slack = enclose(f, there(u))
    if slack < 0:
        why = f"{sentence} is false at t = {u.t}, alpha = {u.alpha}."
        return decide(False, why=why, values={"slack": slack}, margin=-slack, rung=rung_of(slack))
    return inconclusive("neither proved for all t nor false at this one")


# --- Lemma 3.3 ---------------------------------------------------------------------------------------


def log2():
    import sympy as sp

    return sp.log(2)


def e(times: int = 1):
    """e^{αt}, or a power of it."""
    import sympy as sp

    g = generators()
    return sp.exp(times * g.alpha * g.t)


def equation(u: Steep):
    """P with σ′ = P(σ), P analytic: a solution on all of R is analytic."""
    import sympy as sp

    g, f = generators(), formula(u)
    if u.name == "sigmoid":
        return g.alpha * f * (1 - f)
    if u.name == "tanh":
        return g.alpha * (1 - f**2)
    if u.name == "identity":
        return sp.Integer(1)
    return 1 - sp.exp((g.alpha if u.alpha < 0 else -g.alpha) * f)


@cache
def is_analytic(name: str, sign: int) -> bool:
    """σ solves its differential equation: an identity of rational functions of e^{αt}."""
    import sympy as sp

    u = Steep(name=name, alpha=fmpq(sign), t=fmpq(0))
    return is_zero(sp.diff(formula(u), generators().t) - equation(u))


BOUNDS = {"sigmoid": (0, 1), "tanh": (-1, 1)}


def escapes(u: Steep, region: str) -> bool:
    """|σ(t)| >= |t| on the region is proved."""
    f, t = formula(u), generators().t
    return proves(f - t if region == "t > 0" else t - f, region)


def bounded(u: Steep) -> Verdict:
    """σ lies strictly between its limits, or it outgrows the identity."""
    for region in ("t > 0", "t < 0"):
        if escapes(u, region):
            return refuted_by_proof(
                f"|sigma(t)| >= |t| is proved for all {region}: sigma is not bounded.", sigma=u.name
            )
    low, high = BOUNDS[u.name]
    f = formula(u)
    return all_of(
        everywhere(high - f, u, "all t", f"sigma(t) <= {high}"),
        everywhere(f - low, u, "all t", f"sigma(t) >= {low}"),
    )


def grows(u: Steep, *, rate: int = 1, fourth=None) -> Verdict:
    """0 <= σ(t) <= ρ₁ e^{ρ₂ t} for t < 0 and σ(t) <= ρ₃ t + ρ₄ for t >= 0, ρ = (1/α, rate α, 1, ρ₄)."""
    g, f = generators(), formula(u)
    if escapes(u, "t < 0"):
        return refuted_by_proof(
            "|sigma(t)| >= |t| is proved for all t < 0: no rho_1 e^(rho_2 t) bounds it there.", sigma=u.name
        )
    constant = log2() / g.alpha if fourth is None else fourth(g.alpha)
    return all_of(
        everywhere(f, u, "all t", "sigma(t) >= 0"),
        everywhere(e(rate) / g.alpha - f, u, "t < 0", "sigma(t) <= rho_1 e^(rho_2 t)"),
        everywhere(g.t + constant - f, u, "t > 0", "sigma(t) <= rho_3 t + rho_4"),
    )


def admissible(u: Steep, growth=grows) -> Verdict:
    """Assumption 3.2 (2), and σ′ > 0 as well: analytic, increasing, bounded or of the growth (b)."""
    return all_of(
        proved("sigma' = P(sigma)") if is_analytic(u.name, 1 if u.alpha > 0 else -1) else inconclusive(""),
        proved("sigma' > 0") if increases(formula(u)) else inconclusive("sigma' > 0 is not proved"),
        bounded(u) if u.name in BOUNDS else growth(u),
    )


def has_positive_slope(u: Steep) -> Verdict:
    """σ′ > 0 everywhere: proved, or zero at the instance's t."""
    import sympy as sp

    f = formula(u)
    if increases(f):
        return proved("sigma' > 0 for every t")
    slope = enclose(sp.diff(f, generators().t), there(u))
    if slope == 0:
        return decide(False, why=f"sigma'({u.t}) = 0.", values={"sigma'": fmpq(0)}, margin=fmpq(0))
    return inconclusive("not zero at this t")


listed = steep_activations()
softplus = steep_activations(("softplus",))


def named(name: str):
    return lambda u: u.name == name


@claim(
    "NH17/lemma3.3",
    paper=NH17,
    where="Lemma 3.3, Section 3.2",
    says=r"\sigma_1(t) = \tfrac{1}{1+e^{-t}},\ \sigma_2(t) = \tanh t,\ \sigma_3(t) = \tfrac1\alpha \log(1+e^{\alpha t}) \text{ satisfy Assumption 3.2, } \rho = (1/\alpha, \alpha, 1, \log(2)/\alpha)",
    assumes={"alpha > 0": POSITIVE},
)
@printed(
    HOLDS,
    listed,
    examples=60,
    reaches={name: named(name) for name in ("sigmoid", "tanh", "softplus")},
    note="proved for all t and alpha; sigma' > 0 is proved too, which the paper's proofs use and Assumption 3.2 does not say",
)
@drop(
    "alpha > 0",
    REFUTED,
    steep_activations(("softplus",), sign=-1),
    recheck=partial(keeps_growing, side=-1),
)
@mutant(
    "rho_4 = log(2) / (2 alpha)",
    softplus,
    conclude=lambda u: admissible(u, lambda u: grows(u, fourth=lambda alpha: log2() / (2 * alpha))),
    recheck=partial(growth_bound_fails, share=2),
)
@mutant(
    "rho_2 = 2 alpha",
    softplus,
    conclude=lambda u: admissible(u, lambda u: grows(u, rate=2)),
    recheck=partial(growth_bound_fails, rate=2),
)
@mutant("the softplus is bounded", listed, conclude=bounded, recheck=keeps_growing)
@mutant(
    "the identity too",
    steep_activations(("sigmoid", "identity")),
    recheck=partial(keeps_growing, side=-1),
)
@mutant(
    "analytic and strictly increasing gives sigma' > 0",
    steep_activations(("sigmoid", "tanh cubed", "cubed and divided")),
    conclude=has_positive_slope,
    recheck=slope_vanishes,
)
def test_the_usual_activations_are_admissible(u: Steep) -> Verdict:
    """Sigmoid, tanh and softplus are analytic, strictly increasing, and bounded or of the growth asked for."""
    return admissible(u)


def displays(
    u: Steep, *, factor: int | fmpq = 2, tanh: int = 2, region: str = "t > 0", share: int = 1
) -> Verdict:
    """The displays of the proof, in its order."""
    import sympy as sp

    g, f = generators(), activation("softplus")
    factor = sp.Rational(int(fmpq(factor).p), int(fmpq(factor).q))
    difference = activation("tanh") - (2 / (1 + e(-tanh)) - 1)
    if is_zero(difference):
        identity = proved("tanh t = 2 / (1 + e^(-2t)) - 1")
    else:
        off = enclose(difference, there(u))
        identity = (
            decide(
                False,
                why="The two sides differ.",
                values={"difference": off},
                margin=abs(off),
                rung=rung_of(off),
            )
            if off > 0 or off < 0
            else inconclusive("equal at this t")
        )
    return all_of(
        identity,
        everywhere(factor * e() - 1 - e(), u, region, f"1 + e^(alpha t) <= {factor} e^(alpha t)"),
        everywhere(f, u, "all t", "sigma_3(t) >= 0"),
        everywhere(g.t + log2() / g.alpha - f, u, "t > 0", "sigma_3(t) <= log(2)/alpha + t"),
        everywhere(e() / (share * g.alpha) - f, u, "all t", "sigma_3(t) <= e^(alpha t)/alpha"),
    )


@claim(
    "NH17/lemma3.3-bounds",
    paper=NH17,
    where="Proof of Lemma 3.3, all displays",
    says=r"\tanh t = \tfrac{2}{1+e^{-2t}} - 1,\quad 1 + e^{\alpha t} \le 2 e^{\alpha t}\ (t \ge 0),\quad 0 \le \sigma_3(t) \le \tfrac{\log 2}{\alpha} + t\ (t \ge 0),\quad 0 \le \sigma_3(t) \le \tfrac{e^{\alpha t}}{\alpha}",
    assumes={"t >= 0": r"t \ge 0 \text{ where it is said}"},
)
@printed(HOLDS, softplus, examples=60)
@drop(
    "t >= 0",
    REFUTED,
    softplus,
    conclude=lambda u: displays(u, region="all t"),
    recheck=partial(display_fails, anywhere=True),
)
@mutant(
    "1 + e^(alpha t) <= (3/2) e^(alpha t)",
    softplus,
    conclude=lambda u: displays(u, factor=fmpq(3, 2)),
    recheck=partial(display_fails, factor="3/2"),
)
@mutant(
    "tanh t = 2 / (1 + e^(-t)) - 1",
    softplus,
    conclude=lambda u: displays(u, tanh=1),
    recheck=partial(display_fails, twice=1),
)
@mutant(
    "sigma_3(t) <= e^(alpha t) / (2 alpha)",
    softplus,
    conclude=lambda u: displays(u, share=2),
    recheck=partial(display_fails, share=2),
)
def test_displays_of_the_proof(u: Steep) -> Verdict:
    """The identity for tanh and the bounds of the softplus hold for all t and α."""
    return displays(u)


@cache
def logarithm_stays_below(power: int, share: int) -> bool:
    """log(1 + x) <= x/share − [power = 2] x²/2 is proved on x > 0, with x = s, and on x < 0, with x = −s/(1 + s)."""
    import sympy as sp

    s = generators().s
    bound = lambda x: x / share - (x**2 / 2 if power == 2 else 0)
    return all(nonnegative(bound(x) - sp.log(1 + x)) for x in (s, -s / (1 + s)))


def below(p: Point, *, power: int = 1, share: int = 1, strictly: bool = False) -> Verdict:
    """log(1 + x) <= x: from value 0 at 0 and the slopes x/(1 + x) to its right and left; or false at x."""
    if logarithm_stays_below(power, share) and not strictly:
        return proved("x - log(1 + x) is 0 at 0, falls before and rises after")
    slack = p.x / share - (p.x * p.x / 2 if power == 2 else 0) - (arb(1 + p.x).log() if p.x else 0)
    if slack < 0 or (strictly and isinstance(slack, fmpq) and slack == 0):
        return decide(
            False, why=f"False at x = {p.x}.", values={"slack": slack}, margin=-slack, rung=rung_of(slack)
        )
    return inconclusive("not false at this x")


@claim(
    "NH17/lemma3.3-log",
    paper=NH17,
    where="Proof of Lemma 3.3",
    says=r"\log(1+x) \le x \text{ for } x > -1",
)
@printed(HOLDS, points(), examples=60, reaches={"x < 0": lambda p: p.x < 0, "x = 0": lambda p: p.x == 0})
@mutant(
    "log(1 + x) < x",
    points(),
    conclude=lambda p: below(p, strictly=True),
    recheck=partial(logarithm_is_above, strictly=True),
)
@mutant(
    "log(1 + x) <= x / 2",
    points(),
    conclude=lambda p: below(p, share=2),
    recheck=partial(logarithm_is_above, share=2),
)
@mutant(
    "log(1 + x) <= x - x^2 / 2",
    points(),
    conclude=lambda p: below(p, power=2),
    recheck=partial(logarithm_is_above, square=1),
)
def test_logarithm_lies_below_its_tangent(p: Point) -> Verdict:
    """The logarithm lies below its tangent at 1."""
    return below(p)


# --- softplus and ReLU -------------------------------------------------------------------------------


def near_relu(u: Steep) -> Verdict:
    """0 <= σ_α(x) − max(0, x) = log(1 + e^{−α|x|})/α <= log(2)/α for all x and α: the limit is uniform in x."""
    g = generators()
    if u.alpha < 0:
        if proves(-formula(u)) and u.t > 0:
            return refuted_by_proof(
                "sigma_alpha <= 0 is proved for every alpha < 0, so it stays |x| away from max(0, x) at x > 0.",
                x=u.t,
            )
        return vacuous("x <= 0, where they agree in the limit")
    errors = {"at x": error_at(u, u.t), "log(2)/alpha": arb(2).log() / u.alpha}
    scales = ("alpha", "error")
    record_point("softplus beside ReLU", at={"alpha": u.alpha}, measured="error", of=errors, logarithmic=scales)
    import sympy as sp

    f, most = formula(u), log2() / g.alpha
    parts = []
    for region, error, mirrored in (("t > 0", f - g.t, -1), ("t < 0", f, 1)):
        same = error - sp.log(1 + e(mirrored)) / g.alpha
        parts += [
            everywhere(error, u, region, "sigma_alpha(x) >= max(0, x)"),
            everywhere(most - error, u, region, "sigma_alpha(x) - max(0, x) <= log(2)/alpha"),
            everywhere(same, u, region, "the error is at least log(1 + e^(-alpha|x|))/alpha"),
            everywhere(-same, u, region, "the error is at most log(1 + e^(-alpha|x|))/alpha"),
        ]
    return all_of(*parts)


def error_at(u: Steep, t: fmpq):
    return enclose(formula(u), {"t": t, "alpha": u.alpha}) - max(t, fmpq(0))


def error_is_at_most(u: Steep, bound) -> Verdict:
    """The error at the instance's x against a bound in α."""
    error, most = error_at(u, u.t), bound(u.alpha)
    if error > most:
        return decide(
            False,
            why=f"At x = {u.t} the error of softplus exceeds the bound.",
            values={"error": error, "bound": most},
            margin=error - most,
            rung=Rung.BALL,
        )
    return inconclusive("not exceeded at this x")


def slopes_converge(u: Steep) -> Verdict:
    """σ_α′(x) → 0 for x < 0 and 1 for x > 0; σ_α′(0) = 1/2 for every α, which is neither."""
    import sympy as sp

    g = generators()
    slope = sp.diff(formula(u), g.t)
    if u.t:
        return inconclusive("it does at x != 0")
    half = sp.cancel(slope.subs(g.t, 0))
    return decide(
        half in (0, 1),
        why="The slope at 0 is 1/2 for every alpha, and that of ReLU is 0 or 1.",
        values={"slope": enclose(half, {})},
        margin=fmpq(1, 2),
    )


@claim(
    "NH17/relu-limit",
    paper=NH17,
    where="Section 2, after Lemma 2.1",
    says=r"\lim_{\alpha\to\infty} \tfrac1\alpha \log(1+e^{\alpha x}) = \max\{0, x\} \text{ for any } x",
    assumes={"alpha > 0": POSITIVE},
)
@printed(
    HOLDS,
    softplus,
    examples=60,
    note="more is proved: the error is log(1 + e^(-alpha|x|))/alpha, in (0, log(2)/alpha], the limit uniform",
)
@drop(
    "alpha > 0",
    REFUTED,
    steep_activations(("softplus",), sign=-1),
    recheck=softplus_stays_away,
)
@mutant(
    "error <= log(2) / alpha^2",
    softplus,
    conclude=lambda u: error_is_at_most(u, lambda al: arb(2).log() / al**2),
    recheck=error_exceeds_the_bound,
)
@mutant(
    "below ReLU",
    softplus,
    conclude=lambda u: error_is_at_most(u, lambda al: arb(0)),
    recheck=partial(error_exceeds_the_bound, times_log2=0),
)
@mutant("the derivatives converge everywhere", softplus, conclude=slopes_converge, recheck=slope_stays_away)
@mutant(
    "the error is largest far from 0",
    softplus,
    conclude=lambda u: decide(
        False if error_at(u, u.t) < error_at(u, fmpq(0)) else None,
        why="The error at 0 is larger than at x.",
        values={"error at 0": error_at(u, fmpq(0)), "error at x": error_at(u, u.t)},
        margin=error_at(u, fmpq(0)) - error_at(u, u.t),
        rung=Rung.BALL,
    ),
    recheck=error_at_zero_is_larger,
)
def test_softplus_approximates_relu(u: Steep) -> Verdict:
    """Softplus converges to the ReLU, from above and uniformly."""
    return near_relu(u)


# --- the losses --------------------------------------------------------------------------------------

RANGES = {
    "delta": r"\delta \ne 0\ (\delta > 0 \text{ for Blake and Zisserman})",
    "A": r"\alpha \in [0, 1] \text{ for the corrupted Gaussian (here } A)",
    "w": r"w > 0",
}
MIXTURES = ("corrupted Gaussian",)


def loss_formula(r: Robust):
    """l, a corrupted Gaussian with A = 0 or 1 as the formula that is left."""
    f, g = robust(r.name), generators()
    if r.name in MIXTURES and r.A in (0, 1):
        return f.subs({g.A: int(r.A), g.B: int(1 - r.A)})
    return f


def parameters(r: Robust, a: fmpq) -> dict[str, fmpq]:
    delta = abs(r.delta) if r.name in ("Cauchy", "pseudo-Huber") else r.delta  # they depend on δ² alone
    return {"a": a, "delta": delta, "A": r.A, "B": 1 - r.A, "w": r.w}


def in_range(r: Robust) -> bool:
    return (r.delta > 0 or r.name in ("Cauchy", "pseudo-Huber")) and 0 <= r.A <= 1 and r.w > 0


@cache
def has_one_critical_point(f) -> bool:
    """l(−a) = l(a), and l′(a) = a c(a), c > 0, for all a and all parameters: l′ = 0 at 0 alone, and l rises."""
    import sympy as sp

    a = generators().a
    return is_zero(f.subs(a, -a) - f) and positive(sp.diff(f, a) / a)


def critical_points_are_minima(r: Robust) -> Verdict:
    """l′(a) = 0 ⟹ l(a) = min l. Where that is not proved: l′(0) = 0, l being even, and perhaps l(a) < l(0)."""
    if r.name == "Tukey":
        return tukey(r)
    f = loss_formula(r)
    if in_range(r) and has_one_critical_point(f):
        return proved(
            "l is even and l'(a) = a c(a) with c > 0: 0 is its only critical point, and its minimum"
        )
    try:
        here, zero = (enclose(f, parameters(r, a)) for a in (r.a, fmpq(0)))
    except ValueError:
        return vacuous("l is not defined there")
    if here < zero:
        return decide(
            False,
            why="l is even, so l'(0) = 0; and l(a) < l(0).",
            values={"l(a)": here, "l(0)": zero},
            margin=zero - here,
            rung=rung_of(here, zero),
        )
    return inconclusive("not below l(0) at this a")


def is_defined(r: Robust) -> Verdict:
    """Blake and Zisserman's loss is defined at a: e^{−a²} + δ > 0."""
    inside = fmpq(1) + r.delta if r.a == 0 else arb(-r.a * r.a).exp() + r.delta
    if inside <= 0:
        return decide(
            False,
            why="l is not defined on all of R: the argument of the logarithm is not positive.",
            values={"e^(-a^2) + delta": inside},
            margin=-inside,
            rung=rung_of(inside),
        )
    return inconclusive("defined at this a")


def tukey(r: Robust) -> Verdict:
    """Tukey's biweight: l = c²/6 (1 − (1 − a²/c²)³) for |a| <= c = δ, c²/6 beyond: l′ = 0 there, and l(0) = 0."""
    if abs(r.a) <= r.delta:
        return inconclusive("inside, where l' vanishes at 0 and ±c only")
    return decide(
        False,
        why="l is constant beyond c, so l'(a) = 0; and l(a) > l(0).",
        values={"l(a)": r.delta**2 / 6, "l(0)": fmpq(0)},
        margin=r.delta**2 / 6,
    )


def is_convex(r: Robust) -> Verdict:
    """l″(a) >= 0."""
    import sympy as sp

    bend = enclose(sp.diff(loss_formula(r), generators().a, 2), parameters(r, r.a))
    if bend < 0:
        return decide(False, why=f"l''({r.a}) < 0.", values={"l''": bend}, margin=-bend, rung=rung_of(bend))
    return inconclusive("not negative at this a")


def is_not_convex(r: Robust) -> Verdict:
    """l″(a) < 0 for some a; refuted where l″ > 0 is proved."""
    import sympy as sp

    f = loss_formula(r)
    if positive(sp.diff(f, generators().a, 2)):
        return refuted_by_proof("l'' > 0 is proved for all a: this one is convex.", A=r.A)
    return inconclusive("convexity is not proved")


losses = robust_losses()


@claim(
    "NH17/losses",
    paper=NH17,
    where="Section 3.2, after Lemma 3.3: pseudo-Huber, Blake-Zisserman, corrupted Gaussian, Cauchy",
    says=r"l \in C^2(\mathbb{R}), \text{ and } l'(a) = 0 \Rightarrow a \text{ is a global minimum of } l",
    assumes=RANGES,
    equivalent={
        "Welsch's 1 - e^(-a^2) too": "true: l' = 2 a e^(-a^2) vanishes at 0 alone; a float test sees underflow beyond |a| = 27"
    },
)
@printed(
    HOLDS,
    losses,
    examples=80,
    reaches={
        **{name: named(name) for name in ("pseudo-Huber", "Blake-Zisserman", "corrupted Gaussian", "Cauchy")},
        "A = 0 or 1": lambda r: r.name in MIXTURES and r.A in (0, 1),
        "w < 1": lambda r: r.w < 1,
        "delta < 0": lambda r: r.delta < 0,
    },
    note="proved for all a and all parameters: 0 is the only critical point",
)
@drop(
    "delta: negative for Blake-Zisserman",
    REFUTED,
    robust_losses(("Blake-Zisserman",), sign=-1),
    conclude=is_defined,
    recheck=loss_is_not_defined,
)
@drop(
    "A: A > 1",
    REFUTED,
    robust_losses(MIXTURES, shares=(9, 10, 12, 14)),
    examples=600,
    recheck=critical_point_is_not_a_minimum,
)
@drop(
    "w: w < 0",
    REFUTED,
    robust_losses(MIXTURES, shares=(6, 5, 7), sign=-1),
    examples=600,
    recheck=critical_point_is_not_a_minimum,
)
@mutant(
    "Tukey's biweight too",
    robust_losses(("Cauchy", "Tukey")),
    recheck=critical_point_is_not_a_minimum,
)
@mutant("and all of them are convex", losses, conclude=is_convex, recheck=loss_bends_down)
@mutant(
    "and none of 1. to 3. is convex",
    robust_losses(("Blake-Zisserman", "corrupted Gaussian", "Cauchy")),
    conclude=is_not_convex,
    recheck=loss_is_a_parabola,
)
def test_critical_points_of_the_listed_losses_are_global_minima(r: Robust) -> Verdict:
    """Every critical point of the listed losses is a global minimiser."""
    return critical_points_are_minima(r)


def begins(r: Robust, at_zero, curvature) -> Verdict:
    """l(a) = l(0) + l″(0) a²/2 + O(a⁴), l being even, with the wanted l(0) and l″(0)."""
    import sympy as sp

    a = generators().a
    f = loss_formula(r)
    if not is_zero(f.subs(a, -a) - f):
        return inconclusive("l is not known to be even")
    found = [f.subs(a, 0), sp.diff(f, a, 2).subs(a, 0)]
    wanted = [at_zero(generators().delta), curvature(generators().delta)]
    names = ("l(0)", "l''(0)")
    for name, value, want in zip(names, found, wanted, strict=True):
        if is_zero(sp.expand_log(value - want)):
            continue
        here = parameters(r, fmpq(0))
        return decide_equal(
            enclose(sp.sympify(value), here), enclose(sp.sympify(want), here), named=(name, "wanted")
        )
    return proved("the expansion at 0 is that of the sentence for all parameters")


SMALL = ("pseudo-Huber", "Cauchy", "Blake-Zisserman")


def constant_of(name: str, delta):
    import sympy as sp

    return -sp.log(1 + delta) if name == "Blake-Zisserman" else sp.Integer(0)


def curvature_of(name: str, delta):
    return 2 / (1 + delta) if name == "Blake-Zisserman" else 2


@claim(
    "NH17/losses-small",
    paper=NH17,
    where="Section 3.2, after Lemma 3.3",
    says=r"\text{for small } a, \text{ pseudo-Huber, Blake-Zisserman and Cauchy approximate } a^2:\ l(a) = a^2 + O(a^4)",
)
@printed(
    REFUTED,
    robust_losses(SMALL),
    recheck=does_not_begin_like,
    note="a loose word: Blake and Zisserman's curve does so in the limit of delta to 0 only",
)
@repaired(
    r"l(a) = a^2 + O(a^4) \text{ for pseudo-Huber and Cauchy},\quad l(a) = -\log(1+\delta) + \tfrac{a^2}{1+\delta} + O(a^4) \text{ for Blake-Zisserman}",
    robust_losses(SMALL),
    conclude=lambda r: begins(r, lambda d: constant_of(r.name, d), lambda d: curvature_of(r.name, d)),
    examples=60,
    reaches={name: named(name) for name in SMALL},
)
@mutant(
    "Blake-Zisserman: a^2 / (1 + delta) without a constant",
    robust_losses(("Blake-Zisserman",)),
    conclude=lambda r: begins(r, lambda d: 0 * d, lambda d: curvature_of(r.name, d)),
    recheck=partial(does_not_begin_like, coefficient="1 / (1 + delta)"),
)
@mutant(
    "Cauchy: delta^2 a^2",
    robust_losses(("Cauchy",)),
    conclude=lambda r: begins(r, lambda d: 0 * d, lambda d: 2 * d**2),
    recheck=partial(does_not_begin_like, coefficient="delta^2"),
)
def test_losses_near_zero(r: Robust) -> Verdict:
    """Near 0 the losses are a² up to the fourth order."""
    return begins(r, lambda d: 0 * d, lambda d: 0 * d + 2)


@cache
def far_slope():
    """lim l′(a), a → ∞, for the pseudo-Huber loss in |δ|."""
    import sympy as sp

    return sp.sqrt(limit(sp.cancel(sp.diff(robust("pseudo-Huber"), generators().a) ** 2), "a", "oo"))


@cache
def far_value_is(minus_log_of) -> bool:
    """−log(e^{−a²} + δ) + log δ = −log(1 + s), s = e^{−a²}/δ, lies in [−s, 0], and s → 0."""
    import sympy as sp

    g = generators()
    x = sp.Symbol("x", positive=True)
    shifted = robust("Blake-Zisserman").subs(sp.exp(-(g.a**2)), x).subs(x, g.s * g.delta) + sp.log(
        minus_log_of
    )
    same = is_zero(sp.exp(-shifted) - 1 - g.s)
    return same and nonnegative(sp.log(1 + g.s)) and nonnegative(g.s - sp.log(1 + g.s))


def far(r: Robust, *, slope=lambda d: 2 * d, asymptote=lambda d: d) -> Verdict:
    """The slope of pseudo-Huber and the value of Blake-Zisserman tend to what is said."""
    import sympy as sp

    g = generators()
    if r.name == "pseudo-Huber":
        if r.delta > 0 and is_zero(far_slope() - slope(g.delta)):
            return proved("l'(a)^2 tends to 4 delta^2")
        limit_here = enclose(far_slope(), parameters(r, r.a))
        return decide_equal(limit_here, slope(r.delta), named=("lim l'", "wanted"))
    if far_value_is(asymptote(g.delta)):
        return proved("-e^(-a^2)/delta <= l(a) + log(delta) <= 0")
    here = enclose(-sp.log(g.delta), parameters(r, r.a))
    wanted = enclose(sp.sympify(-sp.log(asymptote(g.delta))), parameters(r, r.a))
    return decide_equal(here, wanted, named=("lim l", "wanted"))


distant = robust_losses(("pseudo-Huber", "Blake-Zisserman"), either=())


@claim(
    "NH17/losses-large",
    paper=NH17,
    where="Section 3.2, after Lemma 3.3",
    says=r"\text{for large } a: \text{ pseudo-Huber is linear with slope } 2\delta, \text{ Blake-Zisserman has the asymptotic value } -\log\delta",
    assumes={"delta > 0": r"\delta > 0"},
)
@printed(HOLDS, distant, examples=60)
@drop(
    "delta > 0",
    REFUTED,
    robust_losses(("pseudo-Huber",), sign=-1),
    note="the slope is 2 |delta|",
    recheck=tends_to_another_limit,
)
@mutant(
    "slope delta",
    distant,
    conclude=lambda r: far(r, slope=lambda d: d),
    recheck=partial(tends_to_another_limit, slope=1),
)
@mutant(
    "asymptotic value -log(1 + delta)",
    distant,
    conclude=lambda r: far(r, asymptote=lambda d: 1 + d),
    recheck=partial(tends_to_another_limit, shift=1),
)
def test_losses_far_from_zero(r: Robust) -> Verdict:
    """Far from 0 pseudo-Huber has slope 2δ, and Blake-Zisserman tends to −log δ."""
    return far(r)


def critical_point_is_minimum(l: Polynomial, *, unique: bool = False) -> Verdict:
    """l(a) >= l(r) for all a, where l is convex and l′(r) = 0: the roots of l − l(r) of odd multiplicity are counted."""
    if polynomial_value(l.derivative(), l.r) != 0:
        return vacuous("r is not critical")
    if unique and not any(l.above()):
        return decide(False, why="l is constant: every a is a minimum.", values={"l": l.c[0]}, margin=fmpq(0))
    if is_nonnegative_polynomial(l.above()):
        return proved("l - l(r) has no root of odd multiplicity and is positive far away")
    candidates = [l.r + sign * fmpq(k, 4) for k in range(1, 65) for sign in (1, -1)]
    lower = next((a for a in candidates if polynomial_value(l.above(), a) < 0), None)
    if lower is None:
        return inconclusive("no lower point among the candidates")
    drop_by = -polynomial_value(l.above(), lower)
    return decide(
        False,
        why="l'(r) = 0, and l is lower elsewhere.",
        values={"r": l.r, "a": lower, "l(r) - l(a)": drop_by},
        margin=drop_by,
    )


def has_critical_point(l: Polynomial) -> Verdict:
    """l′ has a real root."""
    slope = l.derivative()
    if any(slope[1:]):
        return inconclusive("not of degree 1")
    return decide(
        not slope or slope[0] == 0,
        why="l is linear: its slope is never 0.",
        values={"l'": slope[0] if slope else fmpq(0)},
        margin=abs(slope[0]) if slope else fmpq(0),
    )


@claim(
    "NH17/losses-convex",
    paper=NH17,
    where="Section 3.2, after Lemma 3.3",
    says=r"l \in C^2 \text{ convex},\ l'(r) = 0 \Rightarrow l(a) \ge l(r) \text{ for all } a",
    assumes={"convex": r"l'' \ge 0"},
)
@printed(
    HOLDS,
    convex_polynomials(),
    examples=80,
    reaches={
        "l'' vanishes somewhere": lambda l: (
            not any(l.derivative(2)) or polynomial_value(l.derivative(2), l.r) == 0
        )
    },
    note="for each drawn polynomial on all of R, by Sturm's theorem; a loss without critical points satisfies it emptily",
)
@drop("convex", REFUTED, convex_polynomials(convex=False), recheck=critical_point_is_not_best)
@mutant(
    "r is the only minimum",
    convex_polynomials(),
    conclude=lambda l: critical_point_is_minimum(l, unique=True),
    recheck=partial(critical_point_is_not_best, alone=True),
)
@mutant(
    "every convex loss has a critical point",
    convex_polynomials(critical=False),
    conclude=has_critical_point,
    recheck=slope_is_a_constant,
)
def test_convex_losses_have_only_global_critical_points(l: Polynomial) -> Verdict:
    """Critical points of convex losses are global minima."""
    return critical_point_is_minimum(l)


# --- decreasing activations --------------------------------------------------------------------------


def mirrored(stack, *, weights: int = 2, biases: bool = False):
    """W_l → −W_l for l >= ``weights``, and perhaps b_l → −b_l."""
    made = []
    for l, w in enumerate(stack, 1):
        rows = w.nrows() - 1
        sign = lambda i: -1 if (l >= weights if i < rows else biases) else 1
        made.append(
            fmpq_mat(
                w.nrows(), w.ncols(), [sign(i) * w[i, j] for i in range(w.nrows()) for j in range(w.ncols())]
            )
        )
    return tuple(made)


@cache
def mirrors_for_every_sigma(widths: tuple[int, ...], weights: int, biases: bool) -> bool:
    """The outputs at −σ and (W, b) are minus those at σ and the mirrored parameters: σ, W, b and x symbols."""
    import sympy as sp

    sigma = sp.Function("sigma")

    def outputs(sign: int):
        f = list(sp.symbols(f"x:{widths[0]}"))
        for l, (n, m) in enumerate(zip(widths, widths[1:], strict=False), 1):
            w = [[sp.Symbol(f"w{l}_{i}_{j}") for j in range(m)] for i in range(n)]
            b = [sp.Symbol(f"b{l}_{j}") for j in range(m)]
            of_w = 1 if sign < 0 or l < weights else -1
            of_b = 1 if sign < 0 or not biases else -1
            f = [
                sign * sigma(sum((of_w * f[i] * w[i][j] for i in range(n)), sp.Integer(0)) + of_b * b[j])
                for j in range(m)
            ]
        return f

    return all(p == -q for p, q in zip(outputs(-1), outputs(1), strict=True))


def of_minus_sigma(layers: Layers) -> fmpq_mat:
    """F_k of the network with −σ."""
    f, sigma = layers.X, ACTIVATIONS[layers.activation]
    for w in layers.stack:
        f = -sigma.apply(hstack(f, ones(layers.samples)) * w)
    return f


def transfers(layers: Layers, *, weights: int = 2, biases: bool = False) -> Verdict:
    """F_k(−σ; W, b) = −F_k(σ; W_1, −W_2, …, −W_k, b), hence the same ranks, and the loss l(F − Y) is l̃(F̃ + Y), l̃(a) = l(−a)."""
    if 0 not in layers.widths and mirrors_for_every_sigma(layers.widths, weights, biases):
        return proved("an identity for every sigma, all weights and inputs of this shape")
    falling, rising = (
        of_minus_sigma(layers),
        layers.at(mirrored(layers.stack, weights=weights, biases=biases)).exact,
    )
    off = max((abs(p + q) for p, q in zip(falling.entries(), rising.entries(), strict=True)), default=fmpq(0))
    if not off:
        return inconclusive("equal at these weights")
    return decide(
        False,
        why="The outputs of the two networks are not opposite.",
        values={"falling": falling, "rising": rising},
        margin=off,
    )


rational_layers = wide_layers(
    activations=("softsign",), depth=(2, 3), samples=(2, 3), degenerate=False
).filter(lambda layers: 0 not in layers.widths)


@claim(
    "NH17/decreasing",
    paper=NH17,
    where="Section 3.2, after Assumptions 3.2",
    says=r"\text{all results also hold for strictly decreasing } \sigma:\quad F_L(-\sigma; W, b) = -F_L(\sigma; W_1, -W_2, \dots, -W_L, b)",
)
@printed(
    HOLDS,
    rational_layers,
    examples=60,
    note="a bijection of the parameters that keeps ranks and critical points and turns l(a) into l(-a), Y into -Y; so each result holds for -sigma exactly as far as for sigma (with sigma' < 0 for sigma' > 0)",
)
@mutant(
    "W_l -> -W_l for every l",
    rational_layers,
    conclude=lambda s: transfers(s, weights=1),
    recheck=partial(outputs_are_not_opposite, weights=1),
)
@mutant(
    "the biases change sign too",
    rational_layers,
    conclude=lambda s: transfers(s, biases=True),
    recheck=partial(outputs_are_not_opposite, biases=True),
)
@mutant(
    "at the same parameters",
    rational_layers,
    conclude=lambda s: transfers(s, weights=99),
    recheck=partial(outputs_are_not_opposite, weights=99),
)
def test_results_carry_over_to_decreasing_activations(layers: Layers) -> Verdict:
    """A network with −σ is minus one with σ and signs changed above layer 1: what holds for σ holds for −σ."""
    return transfers(layers)


# --- Theorem 3.1 -------------------------------------------------------------------------------------

TAILS = {
    "sigmoid": (lambda al: al, lambda al: al**2),
    "tanh": (lambda al: 2 * al, lambda al: 4 * al**2),
}
"""lim σ′/(d − σ) and lim −σ″/(d − σ) at ∞, which are those at −∞."""
ENDS = {**BOUNDS, "algebraic": (-1, 1), "arctan": None, "tanh cubed": (-1, 1)}


@cache
def tails(name: str):
    """The four limits of Theorem 3.1, as formulas in α; exponential ones at x = e^{∓αt} → 0, where all is rational."""
    import sympy as sp

    g = generators()
    f = activation(name)
    low, high = ENDS[name] or (-sp.pi / 2, sp.pi / 2)
    slope, bend = sp.diff(f, g.t), sp.diff(f, g.t, 2)
    found = []
    for top, bottom, side in (
        (slope, high - f, 1),
        (-bend, high - f, 1),
        (slope, f - low, -1),
        (bend, f - low, -1),
    ):
        ratio = top / bottom
        if name in ("algebraic", "arctan"):
            found.append(limit(ratio.subs(g.alpha, 1), "t", "oo" if side > 0 else "-oo"))
        else:
            x = sp.cancel(ratio.rewrite(sp.exp).subs(g.t, -side * sp.log(g.s) / g.alpha))
            found.append(x.subs(g.s, 0))
    return tuple(found)


def tails_are_positive(u: Steep, wanted=None) -> Verdict:
    """All four limits exist and are > 0 (or equal to what is wanted)."""
    if u.name == "softplus":
        return (
            refuted_by_proof(
                "sigma(t) >= t is proved for t > 0: there is no upper bound to tend to.", sigma=u.name
            )
            if escapes(u, "t > 0")
            else inconclusive("")
        )
    found = tails(u.name)
    here = [enclose(x, there(u)) for x in found]
    values = {f"limit {k}": x for k, x in enumerate(here, 1)}
    if wanted is not None:
        return all_of(*(decide_equal(x, fmpq(wanted), named=("limit", "wanted")) for x in here))
    if u.name in TAILS:
        first, second = TAILS[u.name]
        alpha = generators().alpha
        said = (first(alpha), second(alpha)) * 2
        if all(is_zero(x - y) for x, y in zip(found, said, strict=True)) and all(map(positive, found)):
            return Verdict(
                HOLDS, Rung.SYMBOLIC, min(here), values, "the limits are rational in alpha, and positive"
            )
        return inconclusive("the limits are not those of the table")
    return decide(
        all(x > 0 for x in here),
        why="A limit is 0: the tails are not exponential.",
        values=values,
        margin=min(here),
        rung=Rung.SYMBOLIC,
    )


@claim(
    "NH17/thm3.1-limits",
    paper=NH17,
    where="Theorem 3.1 (Gori & Tesi 1992), displays",
    says=r"\lim_{a\to\infty} \frac{\sigma'}{\bar d - \sigma},\ \lim_{a\to\infty} \frac{-\sigma''}{\bar d - \sigma},\ \lim_{a\to-\infty} \frac{\sigma'}{\sigma - \underline d},\ \lim_{a\to-\infty} \frac{\sigma''}{\sigma - \underline d} > 0 \text{ for sigmoid and tanh}",
    assumes={"exponential tails": r"\sigma \text{ approaches its bounds exponentially}"},
)
@printed(
    HOLDS,
    steep_activations(("sigmoid", "tanh")),
    examples=60,
    reaches={name: named(name) for name in TAILS},
    note="(a, a^2, a, a^2) for sigmoid(a t), (2a, 4a^2, 2a, 4a^2) for tanh(a t); the theorem does not need them: they speak of points at infinity",
)
@drop(
    "exponential tails",
    REFUTED,
    steep_activations(("algebraic", "arctan")),
    recheck=quotient_tends_to_zero,
)
@mutant("the softplus too", steep_activations(), recheck=keeps_growing)
@mutant(
    "all four are 1",
    steep_activations(("sigmoid", "tanh")),
    conclude=lambda u: tails_are_positive(u, 1),
    recheck=quotient_does_not_tend_to_one,
)
@mutant(
    "the first is 1 for every sigmoid(alpha t)",
    steep_activations(("sigmoid",)),
    conclude=lambda u: decide_equal(enclose(tails(u.name)[0], there(u)), fmpq(1), named=("limit", "wanted")),
    recheck=partial(quotient_does_not_tend_to_one, quotients=1),
)
def test_limit_conditions_of_gori_and_tesi(u: Steep) -> Verdict:
    """Sigmoid and tanh satisfy the four limit conditions of Theorem 3.1."""
    return tails_are_positive(u)
