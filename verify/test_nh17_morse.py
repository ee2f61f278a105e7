"""Nguyen & Hein (2017), Section 3.2: Theorem 3.10 (Morse), and whether degenerate points are rare."""

from flint import acb, arb, ctx, fmpq, fmpq_mat, fmpq_poly

from strategies.deep_wide import Level, PerturbedPolynomial, levels, perturbed_polynomials
from verify import (
    HOLDS,
    REFUTED,
    Verdict,
    all_of,
    claim,
    decide,
    decide_at_most,
    decide_equal,
    inconclusive,
    mutant,
    printed,
    repaired,
    vacuous,
)
from verify.nh17 import block_determinant, is_zero, value_at
from verify.oracles.feedforward import gradient
from verify.oracles.gradient_bounds import null_direction
from verify.papers import NH17
from verify.rechecks.nh17_morse import (
    critical_point_exists_without_perturbation,
    degenerate_critical_point_exists,
    exceptional_values_are_more,
    wide_layer_is_degenerate_everywhere,
)


def exceptional(f: fmpq_poly) -> fmpq_poly:
    """R(w) = Π (f′(t) + w) over the complex roots t of f″: w is exceptional only if R(w) = 0; w + c for f′ = c.

    By interpolation: R(w) = Res_x(f″, f′ + w) up to a constant, a polynomial of degree deg f″.
    """
    first, second = f.derivative(), f.derivative().derivative()
    if second == 0:
        return fmpq_poly([first[0], 1])
    n = second.degree()
    nodes = [fmpq(w) for w in range(n + 1)]
    heights = [resultant(second, first + fmpq_poly([w])) for w in nodes]
    total = fmpq_poly([0])
    for i, (w, y) in enumerate(zip(nodes, heights, strict=True)):
        term = fmpq_poly([y])
        for j, v in enumerate(nodes):
            if j != i:
                term = term * fmpq_poly([-v, 1]) / (w - v)
        total = total + term
    return total


def resultant(p: fmpq_poly, q: fmpq_poly) -> fmpq:
    """The determinant of Sylvester's matrix."""
    m, n = p.degree(), q.degree()
    if n < 0:
        return fmpq(0) if m > 0 else fmpq(1)
    size = m + n
    table = [[fmpq(0)] * size for _ in range(size)]
    for i in range(n):
        for j in range(m + 1):
            table[i][i + j] = p[m - j]
    for i in range(m):
        for j in range(n + 1):
            table[n + i][i + j] = q[n - j]
    return fmpq_mat(size, size, [e for row in table for e in row]).det() if size else fmpq(1)


def morse(f: PerturbedPolynomial, *, fewer: int = 0, always: bool = False) -> Verdict:
    """All w but finitely many leave only non-degenerate critical points: gcd(f′ + w, f″) = 1 unless R(w) = 0.

    The real w with a degenerate real critical point are at most deg f − 2 − ``fewer``, and for an affine f 1.
    """
    p = fmpq_poly(f.f.entries())
    if p.degree() < 2 + fewer and fewer:
        return vacuous(f"the bound deg f - {2 + fewer} is negative")
    R = exceptional(p)
    first = p.derivative() + fmpq_poly([f.w])
    common = first.gcd(first.derivative()) if first != 0 else fmpq_poly([0])
    generic = R(f.w) != 0
    degenerate = common.degree() != 0 if first.degree() != 0 else False
    if always:
        return decide(
            not (degenerate and has_real_root(common)),
            why="f + w x has a degenerate critical point.",
            values={"f' + w": str(first), "common factor": str(common)},
        )
    count = count_exceptional(p)
    return all_of(
        decide(R != 0, why="R is the zero polynomial."),
        decide(not (generic and degenerate), why="w is no root of R, and a critical point is degenerate."),
        decide_at_most(count, max(p.degree() - 2, 1) - fewer, named=("exceptional w", "bound")),
    )


def has_real_root(p: fmpq_poly) -> bool:
    """Whether a polynomial has a real root: the zero polynomial does."""
    return p == 0 or bool(real_roots(p))


def real_roots(p: fmpq_poly) -> list[arb]:
    """The different real roots of p ≠ 0, in balls that meet nowhere; a real root has imaginary part 0 exactly."""
    return [] if p.degree() < 1 else [r.real for r, _ in p.numer().complex_roots() if r.imag == 0]


def count_exceptional(f: fmpq_poly) -> int:
    """The number of different w for which f + w x has a degenerate critical point: −f′(t) for f″(t) = 0, t real.

    Each is a root of R; balls around them and around the roots of R are shrunk until each of the former meets one
    of the latter alone: two that meet the same one are equal. 1 for an affine f, w = −f′.
    """
    first, second = f.derivative(), f.derivative().derivative()
    if second == 0:
        return 1
    if second.degree() == 0:
        return 0
    for bits in (64, 256, 1024, 4096):
        with ctx.workprec(bits):
            roots = exceptional(f).numer().complex_roots()
            values = [-value_at(list(first), t) for t in real_roots(second)]
        met = [[i for i, (w, _) in enumerate(roots) if w.overlaps(acb(v))] for v in values]
        if all(len(places) == 1 for places in met):
            return len({i for (i,) in met})
    raise ArithmeticError(f"the values of f' at the roots of f'' were not told apart: {f}")


@claim(
    "NH17/thm3.10",
    paper=NH17,
    where="Theorem 3.10 (Morse), Section 3.2",
    says=r"f \in C^2 \Rightarrow f + \langle w, \cdot\rangle \text{ has only non-degenerate critical points for almost all } w",
    assumes={"C2": r"f \in C^2"},
)
@printed(
    HOLDS,
    perturbed_polynomials(),
    examples=80,
    reaches={
        "w is exceptional": lambda f: exceptional(fmpq_poly(f.f.entries()))(f.w) == 0,
        "f is affine": lambda f: fmpq_poly(f.f.entries()).degree() < 2,
    },
    note="polynomials in one variable: the exceptional set is finite and exact",
)
@mutant(
    "for all w",
    perturbed_polynomials(),
    conclude=lambda f: morse(f, always=True),
    recheck=degenerate_critical_point_exists,
)
@mutant(
    "all but deg f - 3 values of w",
    perturbed_polynomials(degree=(3, 5)),
    conclude=lambda f: morse(f, fewer=1),
    recheck=exceptional_values_are_more,
)
def test_almost_all_linear_perturbations_are_nondegenerate(f: PerturbedPolynomial) -> Verdict:
    """For almost all w all critical points of f(x) + ⟨w, x⟩ are non-degenerate."""
    return morse(f)


def degenerate_points_are_rare(level: Level) -> Verdict:
    """Layer k + 1 is non-degenerate at some θ: refuted by more columns than rows in [F_k, 1], whatever θ is."""
    net, k = level.net, level.k
    found = null_direction(net, k)
    if level.widths[k] >= level.samples:
        return decide(
            False,
            why=f"n_{k} = {level.widths[k]} >= N = {level.samples}: every θ is degenerate; here {found[1]}.",
            values={"D": found[0]},
        )
    zero = is_zero(block_determinant(level, (k + 1,)))
    return vacuous("degenerate here") if zero else decide(True, why="non-degenerate at this θ")


def no_critical_points(level: Level) -> Verdict:
    """⟨∇Φ(θ), D⟩ = 0, so that ∇Φ(θ) + w = 0 would need ⟨w, D⟩ = 0: not so for w = (1, 3, 9, …)."""
    net, k = level.net, level.k
    if level.widths[k] < level.samples:
        return vacuous("n_k < N")
    direction = null_direction(net, k)[0]
    along = (gradient(net).transpose() * direction)[0, 0]
    w = sum((e * 3**i for i, e in enumerate(direction.entries())), fmpq(0))
    return all_of(
        decide_equal(along, fmpq(0), named=("<grad Phi, D>", "0")),
        decide(w != 0, why="⟨w, D⟩ = 0.", values={"<w, D>": w}),
    )


def no_critical_points_of_the_loss(level: Level) -> Verdict:
    """∇Φ ≠ 0 everywhere: refuted by W = 0, hidden biases 0 and some output biases.

    σ(0) = 0, so that F_{L−1} = 0 and W_L = 0: ∂Φ/∂b_L alone can differ from 0, and its j-th entry depends on the
    j-th output bias alone. It is negative at −t and positive at t: 0 at some bias between.
    """
    net, k = level.net, level.k
    if level.widths[k] < level.samples:
        return vacuous("n_k < N")
    output = net.computation.steps[2 * level.depth - 2]
    biases = [p for _, j, p in output.trained if j == output.places.ncols() - 1]
    t = 1 + max(abs(e) for e in net.Y.entries())
    slopes = []
    for b in (-t, t):
        theta = fmpq_mat(net.theta.nrows(), 1, [b * (p in biases) for p in range(net.theta.nrows())])
        g = gradient(net.at(theta))
        if any(e for p, e in enumerate(g.entries()) if p not in biases):
            return inconclusive("the gradient at W = 0 is not that of the output biases alone")
        slopes.append([g[p, 0] for p in biases])
    if not (all(e < 0 for e in slopes[0]) and all(e > 0 for e in slopes[1])):
        return inconclusive(f"the slopes by the output biases do not change sign between {-t} and {t}")
    return decide(
        False,
        why=f"At W = 0 and hidden biases 0, ∇Φ = 0 for some output biases between {-t} and {t}: the slopes by "
        "them change sign, and all others are 0.",
        values={"slopes at the lower end": fmpq_mat([slopes[0]]), "at the upper end": fmpq_mat([slopes[1]])},
    )


@claim(
    "NH17/thm3.10-use",
    paper=NH17,
    where="after Theorem 3.10",
    says=r"\text{degenerate points of } \Phi \text{ might be rare, also for } n_k \ge N - 1",
    assumes={},
)
@printed(
    REFUTED,
    levels(activations=("cubic",), depth=(2, 2), layers=(1, 1), spare=(0, 1), samples=(1, 3)),
    recheck=wide_layer_is_degenerate_everywhere,
    note="every point is degenerate once n_k >= N; Morse's theorem says that almost no perturbation has critical points at all",
)
@repaired(
    r"n_k \ge N \Rightarrow \Phi + \langle w, \cdot\rangle \text{ has no critical point for almost all } w",
    levels(activations=("cubic", "softsign"), depth=(2, 3), layers=(1, 2), spare=(1, 2)),
    conclude=no_critical_points,
    examples=60,
)
@mutant(
    "for w = 0",
    levels(activations=("cubic",), depth=(2, 2), layers=(1, 1), spare=(1, 2)),
    conclude=no_critical_points_of_the_loss,
    recheck=critical_point_exists_without_perturbation,
)
@mutant(
    "some point is non-degenerate if n_k >= N",
    levels(activations=("cubic",), depth=(2, 2), layers=(1, 1), spare=(1, 2)),
    recheck=wide_layer_is_degenerate_everywhere,
)
def test_degenerate_points_are_rare(level: Level) -> Verdict:
    """Exactly degenerate points of Φ might be rare."""
    return degenerate_points_are_rare(level)
