"""Kawaguchi & Bengio (2019), Section 2.2: the measure, eq. (3), and convexity."""

from dataclasses import replace
from functools import partial

from flint import arb, fmpq, fmpq_mat
from hypothesis import strategies as st

from strategies.critical import planted_minima
from strategies.datasets import Atoms, HeavyTail, UniformPolynomials, heavy_tails
from strategies.instance import instance
from strategies.losses import (
    squared,
)
from strategies.matrices import identity, matrices, null_space
from strategies.networks import (
    Move,
    ResNet,
    moves,
    resnets,
)
from strategies.numbers import integers, rationals
from verify import (
    HOLDS,
    REFUTED,
    Rung,
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
from verify.oracles.exact import (
    inertia,
    least_squares_value,
)
from verify.oracles.landscape import (
    at_local_minimum,
    feature_gradient,
    gradient,
    hessian,
    loss,
    moved,
    vanishes,
)
from verify.papers import KB19
from verify.rechecks.kb19_measures import (
    baseline_exists,
    derivative_is_another,
    has_too_few_negative_eigenvalues,
    heavy_tail_breaks_eq_3,
    infinite_baseline,
    is_not_convex,
    is_not_optimal,
    is_not_the_least_on_polynomials,
    is_not_the_mean_of_coefficients,
    minimum_at_zero_weight_is_bad,
    shallow_point_is_lower,
    zero_weight_is_not_optimal,
)

MINIMUM = r"(W, V, \theta) \text{ is a local minimum of } L"


def derivative_is_mean_derivative(move: Move, factor: int = 1, with_v: int = 1) -> Verdict:
    """The derivative of L along (A, B) against E of the loss' derivatives.

    t ↦ L(W + t A, V + t B) is a polynomial of degree 4, for which the five-point difference quotient
    (8 (L(1) − L(−1)) − (L(2) − L(−2))) / 12 is the derivative at 0 exactly.
    """
    net, slope = move.net, gradient(move.net)
    at = {t: loss(moved(net, net.W + move.A * fmpq(t), net.V + move.B * fmpq(t))) for t in (-2, -1, 1, 2)}
    quotient = (8 * (at[1] - at[-1]) - (at[2] - at[-2])) / 12
    inner = sum((a * b for a, b in zip(slope.W.entries(), move.A.entries(), strict=True)), fmpq(0))
    inner += with_v * sum((a * b for a, b in zip(slope.V.entries(), move.B.entries(), strict=True)), fmpq(0))
    return decide_equal(quotient, factor * inner, named=("dL", "E[dl]"))


def eq_3_at_zero_weight(tail: HeavyTail) -> Verdict:
    """Eq. (3) at the point (0, v) of a heavy-tailed problem, where that point is a local minimum.

    With E z² = ∞ and v ≠ 0 every (w, v') near (0, v) with w ≠ 0 has L = ∞ while L(0, v') = y²: a local
    minimum at which L has no derivative, though every ∂ℓ is a polynomial and so bounded near the point. With
    E z² < ∞, L is a polynomial and ∂L/∂w = −2 x y at w = 0 on both sides of (3).
    """
    if tail.second_moment is None and tail.v:
        return decide(
            False,
            why="Every move of w makes L infinite, so (0, v) is a local minimum without a derivative of L, "
            "while each derivative of the loss is bounded near it: (3) fails.",
            values={"L(0, v)": tail.y * tail.y, "E z^2": "infinite"},
        )
    return decide(True, why="L is a polynomial in w near the point, or constant in w")


@claim(
    "KB19/eq3-empirical",
    paper=KB19,
    where="Section 2.2, below eq. (3)",
    says=r"\partial_{(W,V)} L = \mathbb{E}_\mu[\partial_{(W,V)} \ell(h, y)] \text{ for every empirical measure}",
    assumes={"empirical": r"\mu = \tfrac1m \sum_i \delta_{(x_i, y_i)}"},
)
@printed(HOLDS, moves(resnets()), examples=60)
@drop(
    "empirical",
    REFUTED,
    heavy_tails(),
    conclude=eq_3_at_zero_weight,
    recheck=heavy_tail_breaks_eq_3,
)
@mutant(
    "half the derivative",
    moves(resnets()),
    conclude=lambda move: derivative_is_mean_derivative(move, factor=2),
    recheck=partial(derivative_is_another, factor=2),
)
@mutant(
    "in W only",
    moves(resnets()),
    conclude=lambda move: derivative_is_mean_derivative(move, with_v=0),
    recheck=partial(derivative_is_another, with_v=False),
)
def test_empirical_measures_satisfy_eq_3(move: Move) -> Verdict:
    """With finitely many samples the derivative of L is the mean of the derivatives."""
    return derivative_is_mean_derivative(move)


@claim(
    "KB19/footnote1",
    paper=KB19,
    where="Footnote 1",
    says=r"\partial_{(W,V)} \ell(h, y) \text{ bounded near every local minimum} \Rightarrow (3)",
)
@printed(
    REFUTED,
    heavy_tails(),
    recheck=heavy_tail_breaks_eq_3,
    note="true if the bound is uniform in (x, y), false if it may depend on (x, y)",
)
@repaired(
    r"\sup_{(x,y)} |\partial_{(W,V)} \ell| \text{ integrable near the local minimum} \Rightarrow (3)",
    heavy_tails(finite_variance=True),
    examples=60,
)
@mutant("E|z| < oo is enough", heavy_tails(finite_variance=False), recheck=heavy_tail_breaks_eq_3)
@mutant(
    "L is finite near every local minimum",
    heavy_tails(),
    conclude=lambda t: decide(
        not (t.second_moment is None and t.v),
        why="L is infinite at points arbitrarily near the local minimum (0, v).",
    ),
    recheck=heavy_tail_breaks_eq_3,
)
def test_bounded_derivatives_give_eq_3(tail: HeavyTail) -> Verdict:
    """If the derivatives of the loss are bounded near a local minimum then (3) holds there."""
    return eq_3_at_zero_weight(tail)


@claim(
    "KB19/thm1-eq3",
    paper=KB19,
    where="Theorem 1 without eq. (3)",
    says=r"L = L^*_{\{x,z\}} \le L^*_{\{x\}} \text{ at every local minimum}",
    assumes={"eq. (3)": r"\partial_{(W,V)} L = \mathbb{E}[\partial_{(W,V)} \ell]", "local minimum": MINIMUM},
)
@printed(HOLDS, heavy_tails(finite_variance=True), examples=80, needs=15)
@drop(
    "eq. (3)",
    REFUTED,
    heavy_tails(finite_variance=False),
    recheck=minimum_at_zero_weight_is_bad,
)
@mutant(
    "L <= L*_x without eq. (3)",
    heavy_tails(),
    conclude=lambda t: (
        decide_at_most(t.y * t.y, fmpq(0) if t.x else t.y * t.y, named=("L(0, v)", "L*_x"))
        if t.second_moment is None and t.v
        else vacuous("(3) holds here")
    ),
    recheck=minimum_at_zero_weight_is_bad,
)
@mutant(
    "every point with w = 0",
    heavy_tails(finite_variance=True),
    conclude=lambda t: decide_equal(t.y * t.y, fmpq(0) if t.x else t.y * t.y, named=("L(0, v)", "L*_{x,z}")),
    recheck=zero_weight_is_not_optimal,
)
def test_interchange_of_derivative_and_mean_is_needed(tail: HeavyTail) -> Verdict:
    """At local minima (0, v) of heavy-tailed scalar problems L is the least loss of linear models on (x, z)."""
    here = tail.y * tail.y
    best = (
        fmpq(0) if tail.x else here
    )  # R z has infinite or positive variance and no covariance with y: R₂ = 0
    if tail.second_moment is not None and tail.x * tail.y:
        return vacuous("the derivative -2xy in w is not zero: no local minimum")
    if tail.second_moment is None and not tail.v:
        return vacuous("L(w, 0) = (w x - y)^2 is finite: not the point in question")
    return decide_equal(
        here,
        best,
        named=("L(0, v)", "L*_{x,z}"),
        why="A local minimum, since L is infinite at every w != 0 nearby, is not optimal.",
    )


@instance
class LaplaceProblem:
    """x = ±1, z ~ Laplace(1) independent, y = x + a z, ℓ = cosh(h − y), scalar h = w (x + v z); and a point (w, v)."""

    a: fmpq
    w: fmpq
    v: fmpq

    def loss(self, w: fmpq, v: fmpq) -> arb | None:
        """L(w, v) = cosh(w − 1) E cosh((w v − a) z) = cosh(w − 1) / (1 − (w v − a)²) if |w v − a| < 1, else +∞ (None)."""
        spread = w * v - self.a
        return None if abs(spread) >= 1 else arb(w - 1).cosh() / (1 - spread * spread)


laplace_problems = st.builds(
    lambda a, w, v: LaplaceProblem(a=a, w=w, v=v), rationals(3), rationals(2), rationals(2)
)


def baseline_is_finite(problem: LaplaceProblem) -> Verdict:
    """L*_x = min_w L(w, 0) is finite."""
    best = problem.loss(fmpq(1), fmpq(0))
    return decide(
        best is not None,
        why="L = 1 at the global minimum (1, a), but E cosh(a z) = ∞, so L*_x = +∞ and eq. (5) reads ∞ − (∞ − 1).",
        values={
            "a": problem.a,
            "L(1, a)": problem.loss(fmpq(1), problem.a),
            "L*_x": "infinite" if best is None else best,
        },
        rung=Rung.BALL if best is not None else Rung.EXACT,
    )


def least_at_one_a(problem: LaplaceProblem) -> Verdict:
    """L(1, a) = 1 is at most L at the drawn point."""
    there = problem.loss(problem.w, problem.v)
    here = problem.loss(fmpq(1), problem.a)
    return (
        vacuous("L is infinite at the other point")
        if there is None
        else decide_at_most(here, there, named=("L(1, a)", "L(w, v)"))
    )


@claim(
    "KB19/eq5",
    paper=KB19,
    where="Theorem 1, eq. (5), in extended real numbers",
    says=r"L = L^*_{\{x\}} - (L^*_{\{x\}} - L^*_{\{x,z\}})",
    assumes={"A2": r"\ell(\cdot,y) \text{ convex and differentiable}"},
)
@printed(
    REFUTED,
    laplace_problems,
    recheck=infinite_baseline,
    note="the equivalent form L = L*_{x,z} <= L*_x is right",
)
@repaired(
    r"L = L^*_{\{x,z\}} \le L^*_{\{x\}}", laplace_problems, examples=80, needs=15, conclude=least_at_one_a
)
@mutant(
    "(1, 0) is optimal",
    laplace_problems,
    conclude=lambda p: (
        vacuous("infinite")
        if p.loss(fmpq(1), fmpq(0)) is None
        else decide_at_most(p.loss(fmpq(1), fmpq(0)), p.loss(fmpq(1), p.a), named=("L(1, 0)", "L(1, a)"))
    ),
    recheck=shallow_point_is_lower,
)
@mutant(
    "L*_x is never finite",
    laplace_problems,
    conclude=lambda p: decide(p.loss(fmpq(1), fmpq(0)) is None, why="L*_x is finite.", values={"a": p.a}),
    recheck=baseline_exists,
)
def test_eq_5_is_defined(problem: LaplaceProblem) -> Verdict:
    """Eq. (5) makes sense at the global minimum (1, a): L*_x is finite."""
    return baseline_is_finite(problem)


@st.composite
def planted_under_uniform_inputs(draw: st.DrawFn) -> ResNet:
    """Planted minima for t uniform on [0, 1], features and labels polynomials in t (squared loss)."""
    net = draw(planted_minima(squared, branch=None, weighted=False))
    measure = UniformPolynomials(degree=net.X.nrows())
    free = null_space(measure.product(net.features, identity(net.X.nrows())))
    net = replace(net, measure=measure)
    slopes = free * draw(matrices(free.ncols(), net.W.nrows(), integers(2)))
    return replace(net, Y=net.H - slopes / 2)


@claim(
    "KB19/measure",
    paper=KB19,
    where="Section 2.2, eq. (2): arbitrary probability measures",
    says=r"L(W,V,\theta) = L^*_{\{x,z\}} \text{ for every measure with (3)}",
    assumes={"local minimum": MINIMUM},
)
@printed(HOLDS, planted_under_uniform_inputs(), examples=60, needs=30)
@drop(
    "local minimum",
    REFUTED,
    planted_under_uniform_inputs().map(
        lambda net: replace(
            net,
            Y=net.Y
            + net.X * net.W.transpose()
            + net.Z * fmpq_mat(net.Z.ncols(), net.W.nrows(), [1] * (net.Z.ncols() * net.W.nrows())),
        )
    ),
    conclude=lambda net: decide_equal(
        loss(net), least_squares_value(net.features, net.Y, net.measure), named=("L", "L*_{x,z}")
    ),
    recheck=is_not_optimal,
)
@mutant(
    "L = L*_x",
    planted_under_uniform_inputs(),
    conclude=lambda net: decide_equal(
        loss(net), least_squares_value(net.X, net.Y, net.measure), named=("L", "L*_x")
    ),
    recheck=is_not_the_least_on_polynomials,
)
@mutant(
    "the empirical value",
    planted_under_uniform_inputs(),
    conclude=lambda net: decide_equal(
        loss(net),
        loss(replace(net, measure=Atoms.uniform(net.X.nrows()))),
        named=("L", "L under the empirical measure of the coefficients"),
    ),
    recheck=is_not_the_mean_of_coefficients,
)
def test_continuous_measures(net: ResNet) -> Verdict:
    """Under a continuous measure, too, L = L*_{x,z} at a local minimum (exact moments of polynomials)."""
    return at_local_minimum(
        net,
        decide_equal(
            loss(net), least_squares_value(net.features, net.Y, net.measure), named=("L", "L*_{x,z}")
        ),
    )


@claim(
    "KB19/nonconvex",
    paper=KB19,
    where="Section 2.2, below eq. (4)",
    says=r"L \text{ is in general non-convex even in } (W,V) \text{ with a convex loss}",
    assumes={"W = 0": "W = 0", "z is correlated with D": r"\mathbb{E}[zD] \ne 0"},
)
@printed(HOLDS, resnets(d_y=1, rank="deficient"), examples=80, needs=25)
@drop(
    "z is correlated with D",
    REFUTED,
    resnets(rank="deficient", d_y=1),
    conclude=lambda net: has_negative_curvature(net),
    recheck=has_too_few_negative_eigenvalues,
    note="with z = 0 L is convex in W",
)
@drop(
    "W = 0",
    REFUTED,
    resnets(d_y=1, rank="full", extra_inputs=0, branch=None, determined=True),
    examples=200,
    recheck=partial(has_too_few_negative_eigenvalues, away_from_zero=True),
    note="W != 0: E[zD] need not outweigh the curvature that W brings; x = z = w = 1, v = 0, y = 2: Hessian 2 I",
)
@mutant(
    "L is convex in (W, V)",
    resnets(),
    conclude=lambda net: decide(inertia(hessian(net))[2] == 0, why="The Hessian has a negative eigenvalue."),
    recheck=is_not_convex,
)
@mutant(
    "two negative eigenvalues",
    resnets(d_y=1, rank="deficient"),
    conclude=lambda net: decide(
        inertia(hessian(net))[2] >= 2, why="The Hessian has fewer than two negative eigenvalues."
    ),
    recheck=partial(has_too_few_negative_eigenvalues, least=2),
)
def test_loss_is_not_convex_in_w_and_v(net: ResNet) -> Verdict:
    """Where W = 0 and E[z D] ≠ 0 the Hessian of L in (W, V) has a negative eigenvalue."""
    if vanishes(feature_gradient(net).z):
        return vacuous("E[zD] = 0")
    return has_negative_curvature(net)


def has_negative_curvature(net: ResNet) -> Verdict:
    """The Hessian of L in (W, V) has a negative eigenvalue."""
    return decide(
        inertia(hessian(net))[2] > 0,
        why="The Hessian has no negative eigenvalue.",
        values={"inertia": str(inertia(hessian(net)))},
    )
