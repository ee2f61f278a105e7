"""Nguyen & Hein (2017), Section 4: Lemmas 4.1 and 4.2, with the definition of real analytic in Section 3.2."""

from functools import partial

from flint import acb, acb_mat, arb, arb_mat, ctx, fmpq, fmpq_poly

from strategies.wide import ADMISSIBLE, PAPER, Analytic, Layers, analytic_functions, wide_layers
from verify import (
    HOLDS,
    REFUTED,
    Rung,
    Verdict,
    claim,
    decide,
    drop,
    inconclusive,
    mutant,
    printed,
    repaired,
    vacuous,
)
from verify.nh17 import ANALYTIC, of
from verify.oracles.rank_certificates import with_ones
from verify.papers import NH17
from verify.rechecks.nh17_analytic import (
    curvature_jumps,
    has_two_zeros,
    singularity_is_met,
    vanishes_everywhere,
    vanishes_in_every_period,
    vanishes_on_a_half_line,
)


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
@drop(
    "analytic",
    REFUTED,
    wide_layers(activations=("affine inside",), depth=(1, 1)),
    conclude=smooth_twice,
    recheck=curvature_jumps,
)
@mutant(
    "entire functions",
    wide_layers(activations=PAPER),
    conclude=lambda at: radius_of(at, 0),
    recheck=singularity_is_met,
)
@mutant(
    "the series converge up to distance 5",
    wide_layers(activations=PAPER),
    conclude=lambda at: radius_of(at, 5),
    recheck=partial(singularity_is_met, within=5),
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
    """The zero set is finite: not if f has the period 2π and a zero, which the roots of a polynomial in tan(x/2) tell.

    With e^{ix} = (1 + it)² / (1 + t²), t = tan(x/2), (1 + t²)^K Σ Re (a_k − i b_k) e^{ikx} is a polynomial in t of
    degree at most 2 K; x = π is left out, where f is Σ (−1)^k a_k.
    """
    if zero_set(f)[0] == "all":
        return vacuous("f is identically zero")
    if f.kind != "trigonometric":
        return decide(True, why="")
    a, b = f.p.entries(), f.q.entries()
    plus, minus, square = fmpq_poly([1]), fmpq_poly([0]), fmpq_poly([1, 0, 1])
    total = fmpq_poly([0])
    for k, (c, s) in enumerate(zip(a, b, strict=True)):
        total += (plus * c + minus * s) * square ** (len(a) - 1 - k)
        for _ in range(2):  # (1 + it)^{2k} = plus + i minus
            plus, minus = plus - minus * fmpq_poly([0, 1]), minus + plus * fmpq_poly([0, 1])
    opposite = sum((c * (-1) ** k for k, c in enumerate(a)), fmpq(0))
    roots = [] if total.degree() < 1 else [r for r, _ in total.numer().complex_roots() if r.imag == 0]
    return decide(
        bool(opposite) and not roots,
        why="f has a zero and the period 2π: it vanishes there plus 2πn for all n.",
        values={"zeros in a period": len(roots) + (not opposite)},
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
    "analytic",
    REFUTED,
    analytic_functions(("flat",)),
    note="infinitely often differentiable is not enough",
    recheck=vanishes_on_a_half_line,
)
@drop(
    "not zero",
    REFUTED,
    analytic,
    conclude=lambda f: null_zeros(f, unless_zero=False),
    recheck=vanishes_everywhere,
)
@mutant(
    "finitely many zeros",
    analytic_functions(("trigonometric",)),
    conclude=finitely_many_zeros,
    recheck=vanishes_in_every_period,
)
@mutant(
    "at most one zero", analytic_functions(("polynomial",)), conclude=at_most_one_zero, recheck=has_two_zeros
)
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
@drop(
    "not zero",
    REFUTED,
    analytic,
    conclude=lambda f: null_zeros(f, unless_zero=False),
    recheck=vanishes_everywhere,
)
@mutant("near every point but one", analytic_functions(("glued",)), recheck=vanishes_on_a_half_line)
@mutant(
    "f has derivatives of every order",
    analytic_functions(("flat", "polynomial")),
    recheck=vanishes_on_a_half_line,
)
def test_definition_of_real_analytic(f: Analytic) -> Verdict:
    """Convergence of the Taylor series on some open subset is what Lemma 4.2 needs."""
    return null_zeros(f)
