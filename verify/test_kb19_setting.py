"""Kawaguchi & Bengio (2019), Section 2 and the remarks around Theorem 1: measures, examples, biases, losses."""

from dataclasses import replace

from flint import arb, fmpq, fmpq_mat
from hypothesis import strategies as st

from strategies.critical import RANK_CLASSES, critical_points, planted_critical_points, planted_minima
from strategies.datasets import Atoms, HeavyTail, UniformPolynomials, heavy_tails
from strategies.instance import instance
from strategies.losses import (
    Loss,
    NotDifferentiable,
    absolute,
    cross_entropy,
    hinge,
    huber,
    logistic,
    smoothed_hinge,
    squared,
    tilted_double_well,
)
from strategies.matrices import identity, matrices, null_space, rows
from strategies.networks import (
    ChainOfBlocks,
    Move,
    OneHiddenLayer,
    ResNet,
    chains_of_blocks,
    moves,
    one_hidden_layer_nets,
    resnet,
    resnets,
)
from strategies.numbers import among, between, integers, rationals
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
    decide_less,
    drop,
    inconclusive,
    mutant,
    printed,
    repaired,
    vacuous,
)
from verify.oracles.enclosed import prove_critical_point
from verify.oracles.exact import (
    inertia,
    is_positive_definite,
    least_squares,
    least_squares_value,
    trace_product,
)
from verify.oracles.landscape import (
    at_critical_point,
    at_local_minimum,
    basis_infimum,
    feature_gradient,
    find_descent,
    gradient,
    hessian,
    is_certified_minimum,
    is_critical,
    loss,
    loss_of_fit,
    moved,
    shifted,
    vanishes,
)
from verify.papers import KB19
from verify.rechecks import heavy_tail_breaks_eq_3, infinite_baseline

MINIMUM = r"(W, V, \theta) \text{ is a local minimum of } L"


def attains_basis_optimum(net: ResNet) -> Verdict:
    """L = L*_{x,z} at a local minimum."""
    return at_local_minimum(net, decide_equal(loss(net), basis_infimum(net), named=("L", "L*_{x,z}")))


# --- Section 2.2: the measure ------------------------------------------------------------------------


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
@drop("empirical", REFUTED, heavy_tails(), conclude=eq_3_at_zero_weight)
@mutant(
    "half the derivative",
    moves(resnets()),
    conclude=lambda move: derivative_is_mean_derivative(move, factor=2),
)
@mutant("in W only", moves(resnets()), conclude=lambda move: derivative_is_mean_derivative(move, with_v=0))
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
@mutant("E|z| < oo is enough", heavy_tails(finite_variance=False))
@mutant(
    "L is finite near every local minimum",
    heavy_tails(),
    conclude=lambda t: decide(
        not (t.second_moment is None and t.v),
        why="L is infinite at points arbitrarily near the local minimum (0, v).",
    ),
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
@drop("eq. (3)", REFUTED, heavy_tails(finite_variance=False))
@mutant(
    "L <= L*_x without eq. (3)",
    heavy_tails(),
    conclude=lambda t: (
        decide_at_most(t.y * t.y, fmpq(0) if t.x else t.y * t.y, named=("L(0, v)", "L*_x"))
        if t.second_moment is None and t.v
        else vacuous("(3) holds here")
    ),
)
@mutant(
    "every point with w = 0",
    heavy_tails(finite_variance=True),
    conclude=lambda t: decide_equal(t.y * t.y, fmpq(0) if t.x else t.y * t.y, named=("L(0, v)", "L*_{x,z}")),
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
)
@mutant(
    "L*_x is never finite",
    laplace_problems,
    conclude=lambda p: decide(p.loss(fmpq(1), fmpq(0)) is None, why="L*_x is finite.", values={"a": p.a}),
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
)
@mutant(
    "L = L*_x",
    planted_under_uniform_inputs(),
    conclude=lambda net: decide_equal(
        loss(net), least_squares_value(net.X, net.Y, net.measure), named=("L", "L*_x")
    ),
)
@mutant(
    "the empirical value",
    planted_under_uniform_inputs(),
    conclude=lambda net: decide_equal(
        loss(net),
        loss(replace(net, measure=Atoms.uniform(net.X.nrows()))),
        named=("L", "L under the empirical measure of the coefficients"),
    ),
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
    note="with z = 0 L is convex in W",
)
@drop("W = 0", REFUTED, planted_minima(squared), conclude=lambda net: has_negative_curvature(net))
@mutant(
    "L is convex in (W, V)",
    resnets(),
    conclude=lambda net: decide(inertia(hessian(net))[2] == 0, why="The Hessian has a negative eigenvalue."),
)
@mutant(
    "two negative eigenvalues",
    resnets(d_y=1, rank="deficient"),
    conclude=lambda net: decide(
        inertia(hessian(net))[2] >= 2, why="The Hessian has fewer than two negative eigenvalues."
    ),
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


# --- Section 2.2: the ReLU example -------------------------------------------------------------------


@instance
class HiddenMove:
    """A one-hidden-layer network and a move (A, B) of (W₁, W₂)."""

    net: OneHiddenLayer
    A: fmpq_mat
    B: fmpq_mat


@st.composite
def hidden_moves(draw: st.DrawFn, nets: st.SearchStrategy[OneHiddenLayer]) -> HiddenMove:
    """Networks with moves of small integers."""
    net = draw(nets)
    return HiddenMove(
        net=net,
        A=draw(matrices(net.W1.nrows(), net.W1.ncols(), integers(2))),
        B=draw(matrices(net.W2.nrows(), net.W2.ncols(), integers(2))),
    )


def mean_square(net: OneHiddenLayer) -> fmpq:
    """L = (1/m) Σ |h − y|²."""
    residual = net.H - net.Y
    return trace_product(residual, residual, Atoms.uniform(net.X.nrows()))


def stays_flat(move: HiddenMove, scale: fmpq | None = None) -> Verdict:
    """L does not fall along the move, scaled so that no pre-activation can change its sign (or by ``scale``).

    |x_i · δ| <= |x_i|₁ |δ|_∞ < c = min |(W₁ x_i)_k| as soon as |δ|_∞ < c / max_i |x_i|₁.
    """
    net = move.net
    least = min(abs(e) for e in net.preactivations.entries())
    widest = max(sum((abs(e) for e in row), fmpq(0)) for row in net.X.table())
    largest = max((abs(e) for e in move.A.entries()), default=fmpq(0))
    step = (
        scale
        if scale is not None
        else least / (2 * widest * largest)
        if widest and largest and least
        else fmpq(1, 1024)
    )
    there = replace(net, W1=net.W1 + move.A * step, W2=net.W2 + move.B * step)
    return decide_at_most(mean_square(net), mean_square(there), named=("L", "L nearby"))


positive, negative = st.integers(1, 3), st.integers(-3, -1)
dead = hidden_moves(one_hidden_layer_nets(inputs=positive, weights=negative))


@claim(
    "KB19/dead-relu",
    paper=KB19,
    where="Section 2.2, one-hidden-layer ReLU networks",
    says=r"(W^{(1)} x_i)_k < -c < 0 \ \forall i, k \Rightarrow (W^{(1)}, W^{(2)}) \text{ is a local minimum with } L = \tfrac1m \sum_i \ell(0, y_i)",
    assumes={"all units dead": r"(W^{(1)} x_i)_k < -c", "ReLU": r"\sigma(t) = \max(0, t)"},
)
@printed(HOLDS, dead, examples=80)
@drop(
    "all units dead: at the kink",
    REFUTED,
    hidden_moves(one_hidden_layer_nets(inputs=positive, weights=st.just(0))),
)
@drop(
    "ReLU: leaky",
    REFUTED,
    hidden_moves(one_hidden_layer_nets("leaky relu", inputs=positive, weights=negative)),
)
@mutant("within radius 2", dead, conclude=lambda move: stays_flat(move, scale=fmpq(1)))
@mutant(
    "worse than L*_x for all data",
    dead,
    conclude=lambda move: decide_less(
        least_squares_value(move.net.X, move.net.Y, Atoms.uniform(move.net.X.nrows())),
        mean_square(move.net),
        named=("L*_x", "L"),
    ),
)
def test_dead_relu_units_make_a_local_minimum(move: HiddenMove) -> Verdict:
    """Where every unit is dead on every sample, L does not change nearby: a local minimum however bad."""
    return stays_flat(move)


@st.composite
def suboptimal_patterns(draw: st.DrawFn, kinks: bool = False) -> OneHiddenLayer:
    """One ReLU unit whose active samples are fitted best within their cell; the inactive ones are ignored.

    The labels of active samples are h + e with Σ e_i x_i = 0, so that W₂ W₁ is optimal for them; inactive labels are
    arbitrary. With ``kinks`` pre-activations may be 0.
    """
    net = draw(one_hidden_layer_nets(units=1))
    active = [i for i, e in enumerate(net.preactivations.entries()) if e > 0]
    free = null_space(rows(net.X, active).transpose()) if active else fmpq_mat(0, 0)
    y, h = net.Y, net.H
    errors = free * draw(matrices(free.ncols(), y.ncols(), integers(2))) if active else None
    table = [list(row) for row in y.table()]
    for k, i in enumerate(active):
        table[i] = [h[i, j] + errors[k, j] for j in range(y.ncols())]
    return replace(net, Y=fmpq_mat(len(table), y.ncols(), [e for row in table for e in row]))


def cell_minimum(net: OneHiddenLayer) -> str | None:
    """Why a one-unit network is a local minimum: no kink, and W₂ W₁ is optimal for the active samples."""
    pre = net.preactivations.entries()
    if any(e == 0 for e in pre):
        return None
    active = [i for i, e in enumerate(pre) if e > 0]
    if active and not vanishes(rows(net.X, active).transpose() * (rows(net.H, active) - rows(net.Y, active))):
        return None
    return "no pre-activation is 0 and the active samples are fitted best: a local minimum"


def above_l_x(net: OneHiddenLayer) -> Verdict:
    """L <= L*_x at certified local minima of one-unit networks."""
    reason = cell_minimum(net)
    if reason is None:
        return vacuous("no certificate of a local minimum")
    on_x = least_squares_value(net.X, net.Y, Atoms.uniform(net.X.nrows()))
    return decide_at_most(
        mean_square(net),
        on_x,
        named=("L", "L*_x"),
        why=f"{reason[:1].upper()}{reason[1:]}, and yet L exceeds L*_x.",
    )


@claim(
    "KB19/pattern",
    paper=KB19,
    where="Section 2.2, suboptimal activation patterns",
    says=r"\text{the pattern } \mathbb{1}\{W^{(1)} x_i > 0\} \text{ does not change in a small ball, except at non-differentiable points}",
    assumes={"differentiable": r"(W^{(1)} x_i)_k \ne 0"},
)
@printed(HOLDS, hidden_moves(suboptimal_patterns()), examples=80, needs=15)
@drop(
    "differentiable",
    REFUTED,
    hidden_moves(one_hidden_layer_nets(units=1)),
    conclude=lambda move: same_pattern(move, fmpq(1, 1024)),
)
@mutant("no local minimum lies above L*_x", suboptimal_patterns(), conclude=above_l_x, examples=200)
@mutant(
    "in every ball", hidden_moves(suboptimal_patterns()), conclude=lambda move: same_pattern(move, fmpq(3))
)
def test_activation_patterns_are_locally_constant(move: HiddenMove) -> Verdict:
    """Off the kinks, small moves of W₁ keep the activation pattern, and a cell's best fit stays best."""
    if cell_minimum(move.net) is None:
        return vacuous("a pre-activation is 0")
    least = min(abs(e) for e in move.net.preactivations.entries())
    widest = max(sum((abs(e) for e in row), fmpq(0)) for row in move.net.X.table())
    step = least / (2 * widest * 2)  # |A| <= 2
    return all_of(same_pattern(move, step), stays_flat(move, scale=step))


def same_pattern(move: HiddenMove, step: fmpq) -> Verdict:
    """The activation pattern of W₁ + step · A is that of W₁."""
    pattern = lambda net: [e > 0 for e in net.preactivations.entries()]
    there = replace(move.net, W1=move.net.W1 + move.A * step)
    return decide(
        pattern(move.net) == pattern(there),
        why="A unit changes between active and inactive.",
        values={"step": step},
    )


# --- Section 2.3: second-order stationary points and regularisation ----------------------------------


def is_second_order_stationary(net: ResNet, epsilon: fmpq = fmpq(0)) -> bool:
    """Gradient zero and ∇²L + ε I without a negative eigenvalue."""
    if not is_critical(net):
        return False
    second = hessian(net)
    return inertia(second + identity(second.nrows()) * epsilon)[2] == 0


def has_second_order_conditions(net: ResNet) -> Verdict:
    """A local minimum is an ε-second-order stationary point for every ε >= 0."""
    try:
        return decide(
            is_second_order_stationary(net), why="The Hessian has a negative eigenvalue at a local minimum."
        )
    except NotDifferentiable as error:
        return decide(False, why=f"The Hessian does not exist at this local minimum: {error}.")


@claim(
    "KB19/sosp",
    paper=KB19,
    where="Section 2.3",
    says=r"\{\text{local minima}\} \subseteq \{\epsilon\text{-SOSP}\}",
    assumes={"PA2": r"\ell(\cdot,y) \text{ twice differentiable}"},
)
@printed(HOLDS, planted_minima(squared), examples=60, reaches=RANK_CLASSES)
@drop(
    "PA2",
    REFUTED,
    planted_minima(smoothed_hinge),
    note="the Hessian need not exist for losses that satisfy A2 only",
)
@mutant(
    "positive definite Hessian",
    planted_minima(squared),
    conclude=lambda net: decide(is_positive_definite(hessian(net)), why="The Hessian is singular."),
)
@mutant("every critical point", critical_points(squared))
def test_local_minima_are_second_order_stationary(net: ResNet) -> Verdict:
    """With a twice differentiable loss every local minimum satisfies the second-order conditions."""
    return has_second_order_conditions(net)


def saddle_of_size(delta: fmpq) -> ResNet:
    """Two samples, (x, z, y) = (1, δ, 1) and (0, 0, 0), at w = 0, v = −1/δ: ∇L = 0 and λ_min = −δ."""
    return resnet([[1], [0]], [[delta], [0]], [[1], [0]], [[0]], [[-1 / delta]])


epsilon_points = between(0, 60).map(lambda k: saddle_of_size(fmpq(1, 2**k)))


@claim(
    "KB19/eps-sosp",
    paper=KB19,
    where="Section 2.3 (example of Shamir 2018, reconstructed)",
    says=r"\forall \epsilon > 0\ \exists\, \epsilon\text{-SOSP}:\ L = 1/2 > 0 = L^*_{\{x\}}",
    assumes={"unbounded V": r"\lVert V \rVert \text{ unbounded}"},
)
@printed(
    HOLDS,
    epsilon_points,
    examples=60,
    needs=40,
    reaches={"epsilon <= 2^-50": lambda net: net.Z[0, 0] <= fmpq(1, 2**50)},
)
@drop(
    "unbounded V",
    REFUTED,
    epsilon_points,
    conclude=lambda net: decide_at_most(abs(net.V[0, 0]), fmpq(10), named=("|V|", "10")),
    note="the norm of V grows like 1/epsilon",
)
@mutant(
    "exact second-order stationary points",
    epsilon_points,
    conclude=lambda net: decide(
        is_second_order_stationary(net),
        why="The Hessian has a negative eigenvalue: not an exact second-order stationary point.",
    ),
)
@mutant(
    "and a local minimum",
    epsilon_points,
    conclude=lambda net: decide(
        find_descent(net, fmpq(1, 2**40)) is None, why="A strictly lower point lies within 2^-40."
    ),
)
def test_epsilon_stationary_points_can_be_bad(net: ResNet) -> Verdict:
    """For every ε there is an ε-second-order stationary point with L = 1/2 although L*_x = 0."""
    return all_of(
        decide(
            is_second_order_stationary(net, epsilon=net.Z[0, 0]), why="not an ε-second-order stationary point"
        ),
        decide_equal(loss(net), fmpq(1, 2), named=("L", "1/2")),
        decide_equal(basis_infimum(net, "x"), fmpq(0), named=("L*_x", "0")),
    )


@instance
class Regularised:
    """F(w, v) = (w (1 + c v) − 1)² + λ (w² + v²): x = y = 1, z = c, scalar."""

    c: int
    penalty: fmpq


@st.composite
def regularised_problems(draw: st.DrawFn) -> Regularised:
    """c = 8 … 14 and λ = 1/80 … 1/120."""
    return Regularised(c=draw(between(8, 14)), penalty=fmpq(1, draw(between(80, 120))))


def certified_minima(problem: Regularised) -> list[arb]:
    """Enclosures of F at strict local minima proved near where damped Newton steps from ±(1/3, 1/3) end."""
    c, penalty = problem.c, arb(problem.penalty)

    def value(p):
        r = p[0] * (1 + c * p[1]) - 1
        return r * r + penalty * (p[0] * p[0] + p[1] * p[1])

    def slope(p):
        w, v = p
        r = w * (1 + c * v) - 1
        return [2 * r * (1 + c * v) + 2 * penalty * w, 2 * r * c * w + 2 * penalty * v]

    def second(p):
        w, v = p
        a, r = 1 + c * v, w * (1 + c * v) - 1
        mixed = 2 * c * (w * a + r)
        return [[2 * a * a + 2 * penalty, mixed], [mixed, 2 * c * c * w * w + 2 * penalty]]

    values = []
    for start in (1, -1):
        point = [arb(start) / 3, arb(start) / 3]
        for _ in range(60):
            point = [e.mid() for e in point]
            g, ((p, q), (_, s)) = slope(point), second(point)
            shift = arb.max(arb(0), 1 - (p + s) / 2 + (((p - s) / 2) * ((p - s) / 2) + q * q).sqrt())
            shift = shift if not (p * s > q * q and p > 0) else arb(0)
            p, s = p + shift, s + shift
            step = [(s * g[0] - q * g[1]) / (p * s - q * q), (p * g[1] - q * g[0]) / (p * s - q * q)]
            while (
                not value([e - d for e, d in zip(point, step, strict=True)]) <= value(point)
                and abs(step[0]) > arb(2) ** -60
            ):
                step = [d / 2 for d in step]
            point = [e - d for e, d in zip(point, step, strict=True)]
        found = prove_critical_point(slope, second, [float(e.mid()) for e in point])
        if found is not None and found.positive_definite:
            values.append(value(found.box))
    return values


def two_minima(problem: Regularised, then) -> Verdict:
    """What ``then`` says of the values at two certified strict minima."""
    values = certified_minima(problem)
    return then(values) if len(values) == 2 else inconclusive(f"{len(values)} of two minima were certified")


@claim(
    "KB19/regularisation",
    paper=KB19,
    where="Section 2.3",
    says=r"\text{adding } \lambda(\lVert W \rVert^2 + \lVert V \rVert^2) \text{ can create additional local minima}",
)
@printed(HOLDS, regularised_problems(), examples=40, needs=20)
@mutant(
    "the minima are equally good",
    regularised_problems(),
    examples=30,
    conclude=lambda p: two_minima(
        p, lambda f: decide_equal(f[0], f[1], named=("F at the first", "F at the second"))
    ),
)
@mutant(
    "a minimum attains L*_x = 0",
    regularised_problems(),
    examples=30,
    conclude=lambda p: two_minima(p, lambda f: decide_at_most(f[0], fmpq(0), named=("F", "L*_x"))),
)
def test_regularisation_creates_local_minima(problem: Regularised) -> Verdict:
    """The regularised scalar problem has two strict local minima of different value; without it all are global."""
    return two_minima(
        problem,
        lambda f: decide(
            True if f[0] < f[1] or f[1] < f[0] else None,
            why="two strict minima of different value",
            values={"F": f[0], "F'": f[1]},
            rung=Rung.BALL,
        ),
    )


# --- Section 3.1: the assumptions --------------------------------------------------------------------


@instance
class LossPair:
    """A loss with labels y (1 × d) and two outputs h, k (1 × d each)."""

    loss: Loss
    h: fmpq_mat
    k: fmpq_mat
    y: fmpq_mat


@st.composite
def loss_pairs(draw: st.DrawFn, *losses: Loss) -> LossPair:
    """One of the losses with integer outputs, kinks included, and labels it takes."""
    chosen = draw(st.sampled_from(losses))
    d = draw(between(1, 2)) + (chosen is cross_entropy)
    h, k = draw(matrices(1, d)), draw(matrices(1, d))
    if chosen is cross_entropy:
        at = draw(between(0, d - 1))
        y = fmpq_mat(1, d, [int(j == at) for j in range(d)])
    else:
        y = draw(matrices(1, d, between(0, 1) if chosen in (logistic, hinge, smoothed_hinge) else integers()))
    return LossPair(loss=chosen, h=h, k=k, y=y)


def is_convex_and_differentiable(pair: LossPair) -> Verdict:
    """⟨∇ℓ(h) − ∇ℓ(k), h − k⟩ >= 0, and both gradients exist."""
    h, k, y = (list(a.entries()) for a in (pair.h, pair.k, pair.y))
    try:
        slopes = [pair.loss.gradient(point, y) for point in (h, k)]
    except NotDifferentiable as error:
        return decide(False, why=f"The gradient does not exist: {error}.")
    monotone = sum(((a - b) * (c - d) for a, b, c, d in zip(*slopes, h, k, strict=True)), fmpq(0))
    return decide_at_most(
        fmpq(0),
        monotone,
        named=("0", "<grad(h) - grad(k), h - k>"),
        why="The gradient is not monotone: the loss is not convex.",
    )


def is_twice_differentiable(pair: LossPair) -> Verdict:
    """∇²ℓ exists at h."""
    try:
        pair.loss.hessian(list(pair.h.entries()), list(pair.y.entries()))
    except NotDifferentiable as error:
        return decide(False, why=f"The second derivative does not exist: {error}.")
    return decide(True, why="the second derivative exists")


@claim(
    "KB19/a2-losses",
    paper=KB19,
    where="Section 3.1, Assumption A2 in practice",
    says=r"\text{squared, cross-entropy, logistic and smoothed hinge losses are convex and differentiable}",
)
@printed(HOLDS, loss_pairs(squared, cross_entropy, logistic, smoothed_hinge), examples=100)
@mutant("the hinge, too", loss_pairs(hinge))
@mutant("the absolute loss, too", loss_pairs(absolute))
@mutant("the double well, too", loss_pairs(tilted_double_well))
def test_common_losses_satisfy_a2(pair: LossPair) -> Verdict:
    """The losses the paper lists are convex and differentiable."""
    return is_convex_and_differentiable(pair)


@claim(
    "KB19/weaker",
    paper=KB19,
    where="Section 3.1, below Remark 3",
    says=r"\text{PA1--PA3} \Rightarrow \text{A1, A2, but not vice versa}",
    assumes={"PA2": r"\ell(\cdot,y) \text{ convex and twice differentiable}"},
)
@printed(HOLDS, loss_pairs(squared, cross_entropy, logistic), examples=60)
@drop("PA2", REFUTED, loss_pairs(tilted_double_well, absolute))
@mutant("conversely, A2 implies PA2", loss_pairs(huber, smoothed_hinge), conclude=is_twice_differentiable)
@mutant(
    "A1 implies d_y = 1",
    resnets(),
    conclude=lambda net: decide(net.W.nrows() == 1, why="d_y <= min(d_x, d_z) and d_y > 1."),
)
def test_assumptions_are_weaker_than_shamirs(pair: LossPair) -> Verdict:
    """A twice differentiable convex loss satisfies A2 (and d_y = 1 <= min(d_x, d_z) satisfies A1)."""
    return all_of(is_twice_differentiable(pair), is_convex_and_differentiable(pair))


@instance
class Jump:
    """A network at a value of θ where z jumps: Z on one side (in ``net``), ``other`` on the other."""

    net: ResNet
    other: fmpq_mat


@st.composite
def jumps(draw: st.DrawFn) -> Jump:
    """Planted wells of the double well, and another matrix for z across the jump."""
    net = draw(planted_minima(tilted_double_well, branch=None, rank="full"))
    return Jump(net=net, other=draw(matrices(net.Z.nrows(), net.Z.ncols())))


@claim(
    "KB19/nonconvex-loss",
    paper=KB19,
    where="Section 3.1, after Remark 3",
    says=r"h(x,W,V,\theta) = \hat h \text{ a suboptimal local minimum of } \ell(\cdot,y) \Rightarrow (W,V,\theta) \text{ is a suboptimal local minimum}",
    assumes={"z continuous": r"\theta \mapsto z(x,\theta) \text{ continuous}"},
)
@printed(HOLDS, planted_minima(tilted_double_well), examples=60)
@drop(
    "z continuous",
    REFUTED,
    jumps(),
    conclude=lambda jump: decide_at_most(
        loss(jump.net),
        loss(replace(jump.net, Z=jump.other)),
        named=("L", "L across the jump of z"),
        why="L is lower on the other side of the jump: no local minimum in θ.",
    ),
    examples=300,
)
@mutant(
    "Theorem 1 holds all the same",
    planted_minima(tilted_double_well),
    conclude=lambda net: at_local_minimum(
        net,
        decide_at_most(
            loss(net), loss_of_fit(net, shifted(net.Y, 2)), named=("L", "loss of a linear model on [x, z]")
        ),
    ),
)
@mutant(
    "a global minimum",
    planted_minima(tilted_double_well),
    conclude=lambda net: decide_equal(loss(net), fmpq(-32) * net.W.nrows(), named=("L", "inf l")),
)
def test_wells_of_the_loss_are_local_minima(net: ResNet) -> Verdict:
    """Sitting in a suboptimal well of the loss at every sample is a suboptimal local minimum of L."""
    return all_of(
        decide(is_certified_minimum(net) is not None, why="not a local minimum"),
        decide_equal(loss(net), fmpq(-5) * net.W.nrows(), named=("L", "value of the well")),
    )


@st.composite
def unattained(draw: st.DrawFn) -> ResNet:
    """Scalar problems whose best linear model has no x-part: y = r z + e, r ≠ 0, E[e x] = E[e z] = 0.

    x and z are independent, so R* = (0, r) is not of the form (w, w v). The point is (0, −E[xy] / E[zy]).
    """
    net = draw(
        resnets(d_y=1, extra_inputs=0, extra_residuals=0, branch=None, determined=True, labels="none").filter(
            lambda n: n.features.rank() == 2
        )
    )
    free = null_space(net.measure.product(net.features, identity(net.X.nrows())))
    y = net.Z * fmpq(draw(among(1, -1, 2))) + free * draw(matrices(free.ncols(), 1, integers(2)))
    product = net.measure.product
    v = -product(net.X, y)[0, 0] / product(net.Z, y)[0, 0]
    return replace(net, Y=y, W=fmpq_mat(1, 1), V=fmpq_mat(1, 1, [v]))


@claim(
    "KB19/vacuous",
    paper=KB19,
    where="Section 3.1: no minimizer",
    says=r"L^*_{\{x,z\}} \text{ not of the form } [W, WV]\varphi \Rightarrow L \text{ has no local minimum and Theorem 1 is vacuous}",
)
@printed(HOLDS, unattained(), examples=60, needs=20)
@mutant(
    "the critical point is a minimum",
    unattained(),
    conclude=lambda net: decide(
        find_descent(net, fmpq(1, 2**30)) is None, why="A lower point lies within 2^-30."
    ),
)
@mutant(
    "L* is attained there",
    unattained(),
    conclude=lambda net: decide_equal(loss(net), basis_infimum(net), named=("L", "L*_{x,z}")),
)
def test_unattained_optima_have_no_local_minimum(net: ResNet) -> Verdict:
    """If the best linear model is (0, r), the only critical point is a saddle and L* is approached at infinity.

    For w ≠ 0 critical means E[D x] = E[D z] = 0, so (w, w v) = (0, r): impossible. For w = 0 the equation
    E[D (x + v z)] = 0 has the one solution v = −E[xy] / E[zy]. And L(ε, r/ε) = L* + ε² E x² → L*.
    """
    best = basis_infimum(net)
    r = least_squares(net.features, net.Y, net.measure)[0, 1]
    moment = net.measure.product(net.X, net.X)[0, 0]
    approach = [
        moved(net, fmpq_mat(1, 1, [e]), fmpq_mat(1, 1, [r / e])) for e in (fmpq(1, 2**k) for k in (5, 20, 40))
    ]
    return all_of(
        decide(is_critical(net), why="(0, -E[xy]/E[zy]) is not critical"),
        decide(
            find_descent(net, fmpq(1, 2**30)) is not None,
            why="no lower point was found near the only critical point",
        ),
        *(
            decide_equal(loss(a) - best.upper, a.W[0, 0] ** 2 * moment, named=("L(e, r/e) - L*", "e^2 E x^2"))
            for a in approach
        ),
    )


# --- Section 2.1: basis, biases, chains --------------------------------------------------------------


def chain_at_most_l_x(chain: ChainOfBlocks) -> Verdict:
    """L <= L*_x at certified strict local minima of two residual blocks, in (w, v₁, v₂)."""
    m, w, v2 = chain.X.nrows(), chain.w, chain.v2
    column = lambda values: fmpq_mat(m, 1, list(values))
    x1, g1, g2, slope, curvature = (
        list(a.entries()) for a in (chain.X1, chain.G1, chain.G2, chain.G2_slope, chain.G2_curvature)
    )
    residual = chain.H - chain.Y
    inner = column(w * g * (1 + v2 * s) for g, s in zip(g1, slope, strict=True))
    jacobian = [column(a + v2 * b for a, b in zip(x1, g2, strict=True)), inner, chain.G2 * fmpq(w)]
    if not all(vanishes(j.transpose() * residual) for j in jacobian):
        return vacuous("not critical")
    zero = column([0] * m)
    second = [
        [zero, column(g * (1 + v2 * s) for g, s in zip(g1, slope, strict=True)), chain.G2],
        [
            None,
            column(w * v2 * g * g * c for g, c in zip(g1, curvature, strict=True)),
            column(w * g * s for g, s in zip(g1, slope, strict=True)),
        ],
        [None, None, zero],
    ]
    entry = lambda i, j: (
        (
            (jacobian[i].transpose() * jacobian[j])[0, 0]
            + (residual.transpose() * second[min(i, j)][max(i, j)])[0, 0]
        )
        * fmpq(2, m)
    )
    if not is_positive_definite(fmpq_mat(3, 3, [entry(i, j) for i in range(3) for j in range(3)])):
        return vacuous("the Hessian is not positive definite")
    measure = Atoms.uniform(m)
    here, on_x = trace_product(residual, residual, measure), least_squares_value(chain.X, chain.Y, measure)
    return decide_at_most(
        here,
        on_x,
        named=("L", "L*_x"),
        why="The gradient is zero and the Hessian positive definite, and yet L exceeds L*_x.",
    )


@claim(
    "KB19/remark1",
    paper=KB19,
    where="Remark 1 and Section 2.1: any fixed basis, arbitrarily deep networks",
    says=r"L \le L^*_{\{\varphi(x)\}} \text{ for every fixed basis } \varphi",
    assumes={
        "fixed basis": r"x = \varphi(x^{raw}) \text{ does not depend on } \theta",
        "local minimum": MINIMUM,
    },
)
@printed(HOLDS, planted_minima() | planted_critical_points(), examples=60)
@drop(
    "fixed basis",
    REFUTED,
    chains_of_blocks(),
    conclude=chain_at_most_l_x,
    examples=400,
    note="in a chain of blocks the basis of the last block is trained, and the guarantee against the raw input is lost",
)
@mutant(
    "L = L*_x",
    planted_minima(),
    conclude=lambda net: decide_equal(loss(net), basis_infimum(net, "x"), named=("L", "L*_x")),
)
@mutant(
    "L < L*_x",
    planted_minima(),
    conclude=lambda net: decide_less(loss(net), basis_infimum(net, "x"), named=("L", "L*_x")),
)
def test_any_fixed_basis(net: ResNet) -> Verdict:
    """x may be any fixed features of the input: nothing but its values on the data enters."""
    return at_local_minimum(net, decide_at_most(loss(net), basis_infimum(net, "x"), named=("L", "L*_x")))


@claim(
    "KB19/remark2",
    paper=KB19,
    where="Remark 2: biases",
    says=r"L = L^*_{\{x,z\}} \text{ with } x = [x^{orig}; 1],\ z = [z^{orig}; 1]",
    assumes={
        "A1": r"d_y \le \min(d_x, d_z) \text{ after augmentation}",
        "augmentation": r"h = W([x;1] + V[z;1])",
        "local minimum": MINIMUM,
    },
)
@printed(HOLDS, planted_minima(bias="augmented") | planted_critical_points(bias="augmented"), examples=80)
@drop(
    "augmentation: h = W(x + Vz) + b",
    HOLDS,
    planted_minima(bias="usual") | planted_critical_points(bias="usual"),
    examples=80,
    note="the usual output bias is harmless while d_y <= d_x",
)
@drop(
    "augmentation: h = W(x + Vz) + b, d_y = d_x + 1",
    REFUTED,
    planted_critical_points(
        squared,
        bias="usual",
        scale=(-4, 0),
        d_y=2,
        extra_inputs=-1,
        rank="full",
        spare_samples=3,
        determined=True,
    ),
    examples=200,
    note="allowed by A1 for the augmented dimensions",
)
@drop(
    "local minimum: critical point",
    REFUTED,
    critical_points(bias="augmented"),
    conclude=lambda net: at_critical_point(
        net, decide_equal(loss(net), basis_infimum(net), named=("L", "L*_{x,z}"))
    ),
)
@mutant(
    "without the 1 in the basis",
    planted_minima(squared, bias="augmented"),
    conclude=lambda net: decide_equal(
        loss(net),
        least_squares_value(
            fmpq_mat(net.X.nrows(), net.X.ncols() - 1, [e for row in net.X.table() for e in row[:-1]]),
            net.Y,
            net.measure,
        ),
        named=("L", "L*_{x orig}"),
    ),
)
@mutant(
    "the augmented net is the usual one",
    planted_minima(squared, bias="augmented"),
    conclude=lambda net: decide(
        all(
            a == b
            for a, b in zip(
                (net.Q * fmpq_mat(net.X.ncols(), 1, [0] * (net.X.ncols() - 1) + [1])).entries(),
                net.constant.entries(),
                strict=True,
            )
        ),
        why="The bias coordinate is not constant: it receives residuals, too.",
    ),
)
def test_bias_terms(net: ResNet) -> Verdict:
    """The results hold with biases, written as constant coordinates of x and z."""
    return attains_basis_optimum(net)
