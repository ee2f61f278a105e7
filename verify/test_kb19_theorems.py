"""Kawaguchi & Bengio (2019), Sections 2.3 and 3: Theorems 1 and 2, Remark 3, Proposition 1."""

from functools import partial

from flint import fmpq, fmpq_mat
from hypothesis import strategies as st

from strategies.critical import (
    RANK_CLASSES,
    critical_points,
    planted_critical_points,
    planted_minima,
    planted_through_one_unit,
    points_at_kinks,
)
from strategies.losses import (
    absolute,
    cross_entropy,
    hinge,
    huber,
    label_weighted_squared,
    logistic,
    multiclass_hinge,
    smoothed_hinge,
    squared,
    tilted_double_well,
)
from strategies.networks import ResNet, resnets
from strategies.numbers import integers
from verify import (
    HOLDS,
    REFUTED,
    Verdict,
    all_of,
    claim,
    decide_at_most,
    decide_equal,
    decide_less,
    drop,
    mutant,
    printed,
    vacuous,
)
from verify.oracles.exact import inertia, is_positive_definite, projector
from verify.oracles.landscape import (
    at_critical_point,
    at_local_minimum,
    basis_infimum,
    gradient,
    hessian,
    is_critical,
    loss,
    loss_of_fit,
    shifted,
    vanishes,
)
from verify.papers import KB19
from verify.rechecks.kb19_theorems import (
    critical_point_is_above_linear_models,
    critical_point_is_not_optimal,
    deeper_well_is_better,
    does_not_improve_on_x,
    equation_6_fails,
    minimum_at_kinks_is_not_optimal,
    minimum_is_above_half,
    minimum_is_below_linear_models,
    minimum_is_not_below,
    minimum_over_nonnegative_v,
    optimum_of_w_is_not_optimal,
    strict_minimum_is_above_linear_models,
    strict_minimum_is_not_optimal,
    value_is_not_the_least_on,
)

minima_and_other_critical_points = planted_minima() | planted_critical_points()
squared_points = planted_minima(squared, weighted=False) | planted_critical_points(squared, weighted=False)
wider_outputs = {"extra_inputs": st.integers(-2, -1), "rank": "full", "determined": True}
narrow_residuals = {"d_y": st.integers(2, 3), "extra_residuals": st.integers(-2, -1)}
WITH_LOSS = {**RANK_CLASSES, "L > 0": lambda net: net.H != net.Y}

A1 = r"d_y \le \min(d_x, d_z)"
A2 = r"h \mapsto \ell(h, y) \text{ convex and differentiable}"
MINIMUM = r"(W, V, \theta) \text{ is a local minimum of } L"


def attains_basis_optimum(net: ResNet) -> Verdict:
    """L = L*_{x,z} at this point."""
    return decide_equal(loss(net), basis_infimum(net), named=("L", "L*_{x,z}"))


def at_every_critical_point(net: ResNet) -> Verdict:
    """L = L*_{x,z} wherever the gradient vanishes."""
    return at_critical_point(net, attains_basis_optimum(net))


def at_exact_second_order_stationary_points(net: ResNet) -> Verdict:
    """L = L*_{x,z} wherever the gradient vanishes and the Hessian has no negative eigenvalue."""
    if not is_critical(net) or inertia(hessian(net))[2]:
        return vacuous("not a second-order stationary point")
    return attains_basis_optimum(net)


def over_nonnegative_v(net: ResNet) -> Verdict:
    """L = L*_{x,z} at local minima over V >= 0, for points with V = 0.

    If ∂L/∂W = 0, ∂L/∂V > 0 and E[x xᵀ] is positive definite, then L(W + A, B) − L is at least
    c |B| + c' |A|² − O(|A| |B| + |B|²) with c, c' > 0 (squared loss), so the point is a local minimum over B >= 0.
    """
    slope = gradient(net)
    strict = vanishes(slope.W) and all(e > 0 for e in slope.V.entries())
    if not strict or not is_positive_definite(net.measure.product(net.X, net.X)):
        return vacuous("no certificate of a local minimum over V >= 0")
    return decide_equal(
        loss(net),
        basis_infimum(net),
        named=("L", "L*_{x,z}"),
        why="A strict local minimum over V >= 0 has L > L*_{x,z}.",
    )


def with_frozen_v(net: ResNet) -> Verdict:
    """L = L*_{x,z} at minima over W alone (L is convex in W)."""
    return attains_basis_optimum(net) if vanishes(gradient(net).W) else vacuous("W is not optimal for this V")


def at_most_the_deeper_well(net: ResNet) -> Verdict:
    """L is at most the loss of the linear model that fits y + 2 best: the deeper well of the double well."""
    better = loss_of_fit(net, shifted(net.Y, 2))
    return at_local_minimum(
        net, decide_at_most(loss(net), better, named=("L", "loss of a linear model on [x, z]"))
    )


@claim(
    "KB19/thm1",
    paper=KB19,
    where="Theorem 1, Section 3.1",
    says=r"L(W,V,\theta) = L^*_{\{x,z(x,\theta)\}} \le L^*_{\{x\}}",
    assumes={
        "A1": A1,
        "A2": A2,
        "V free": r"W, V, \theta \text{ unconstrained}",
        "local minimum": MINIMUM,
    },
)
@printed(HOLDS, minima_and_other_critical_points, examples=200, reaches=WITH_LOSS)
@drop(
    "A1: d_y <= d_z",
    HOLDS,
    planted_minima(**narrow_residuals) | planted_critical_points(**narrow_residuals),
    examples=100,
    note="d_z plays no role: the proof of Lemma 2 uses d_y <= d_x only",
)
@drop(
    "A1: d_y <= d_x",
    REFUTED,
    planted_critical_points(squared, scale=(-4, 0), **wider_outputs),
    recheck=strict_minimum_is_not_optimal,
)
@drop(
    "A1: d_y = d_x + 1, cross-entropy",
    HOLDS,
    critical_points(cross_entropy, d_y=st.integers(2, 3), extra_inputs=-1),
    examples=80,
    note="the cross-entropy sees d_y - 1 differences of outputs",
)
@drop(
    "A1: d_y = d_x + 2, cross-entropy",
    REFUTED,
    planted_critical_points(
        cross_entropy,
        scale=(-4, 0),
        d_y=3,
        extra_inputs=-2,
        extra_residuals=st.integers(-2, -1),
        rank="full",
        determined=True,
    ),
    recheck=strict_minimum_is_not_optimal,
)
@drop(
    "A2: convex",
    REFUTED,
    planted_minima(tilted_double_well),
    conclude=at_most_the_deeper_well,
    recheck=deeper_well_is_better,
)
@drop(
    "A2: differentiable, absolute loss",
    REFUTED,
    resnets(loss=absolute, rank="deficient", branch=None),
    examples=300,
    recheck=minimum_at_kinks_is_not_optimal,
)
@drop(
    "A2: differentiable, one hinge",
    HOLDS,
    critical_points(hinge, d_y=1, rank="deficient"),
    examples=80,
    note="rank W < d_y = 1 means h = 0, where the hinge has no kink",
)
@drop(
    "A2: differentiable, two hinges",
    REFUTED,
    points_at_kinks(hinge, d_y=2),
    examples=400,
    recheck=minimum_at_kinks_is_not_optimal,
)
@drop(
    "A2: differentiable, multi-class hinge",
    REFUTED,
    points_at_kinks(multiclass_hinge, d_y=3),
    examples=800,
    recheck=minimum_at_kinks_is_not_optimal,
)
@drop(
    "V free: V >= 0",
    REFUTED,
    planted_minima(squared, frozen_v=True, branch=None, v_bound=0),
    conclude=over_nonnegative_v,
    examples=300,
    recheck=minimum_over_nonnegative_v,
)
@drop(
    "V free: V frozen",
    REFUTED,
    planted_minima(frozen_v=True),
    conclude=with_frozen_v,
    recheck=optimum_of_w_is_not_optimal,
)
@drop(
    "local minimum: critical point",
    REFUTED,
    critical_points(),
    conclude=at_every_critical_point,
    recheck=critical_point_is_not_optimal,
)
@drop(
    "local minimum: second-order stationary",
    HOLDS,
    critical_points(squared),
    conclude=at_exact_second_order_stationary_points,
    examples=150,
    needs=50,
)
@mutant(
    "L = L*_x",
    planted_minima(),
    conclude=lambda net: decide_equal(loss(net), basis_infimum(net, "x"), named=("L", "L*_x")),
    recheck=partial(value_is_not_the_least_on, basis="x"),
)
@mutant(
    "L = L*_z",
    planted_minima(),
    conclude=lambda net: decide_equal(loss(net), basis_infimum(net, "z"), named=("L", "L*_z")),
    recheck=partial(value_is_not_the_least_on, basis="z"),
)
@mutant(
    "L < L*_x",
    planted_minima(squared),
    conclude=lambda net: decide_less(loss(net), basis_infimum(net, "x"), named=("L", "L*_x")),
    recheck=minimum_is_not_below,
)
def test_local_minimum_attains_the_basis_optimum(net: ResNet) -> Verdict:
    """At every local minimum L is the least loss of a linear model on [x, z], which is at most that on x."""
    optimum = basis_infimum(net)
    attained = decide_equal(loss(net), optimum, named=("L", "L*_{x,z}"))
    return at_local_minimum(
        net, all_of(attained, decide_at_most(optimum, basis_infimum(net, "x"), named=("L*_{x,z}", "L*_x")))
    )


def squared_norm(a: fmpq_mat) -> fmpq:
    """‖a‖_F²."""
    return sum((e * e for e in a.entries()), fmpq(0))


def theorem_2(
    net: ResNet, *, project=None, sign: int = -1, first: fmpq | None = None, second: fmpq | None = None
) -> fmpq:
    """The right-hand side of eq. (6); the options make its mutants."""
    m = net.X.nrows()
    residual_maker = fmpq_mat(m, m, [int(i == j) for i in range(m) for j in range(m)]) - projector(net.X)
    onto = projector(residual_maker * net.Z) if project is None else project(net, residual_maker)
    average = fmpq(1, m)
    base = squared_norm(residual_maker * net.Y) * (average if first is None else first)
    return base + squared_norm(onto * net.Y) * (average if second is None else second) * sign


def eq_6(**mutation) -> object:
    """The claim L = eq. (6) at local minima, mutated."""

    def conclude(net: ResNet) -> Verdict:
        return at_local_minimum(
            net, decide_equal(loss(net), theorem_2(net, **mutation), named=("L", "eq. (6)"))
        )

    return conclude


@claim(
    "KB19/thm2",
    paper=KB19,
    where="Theorem 2, eq. (6)",
    says=r"L = \tfrac1m \lVert P_N[X] Y \rVert_F^2 - \tfrac1m \lVert P[P_N[X] Z] Y \rVert_F^2",
    assumes={
        "A1": A1,
        "B1": r"\ell(h,y) = \lVert h - y \rVert_2^2",
        "B2": r"\mu = \tfrac1m \sum_i \delta_{(x_i,y_i)}",
        "local minimum": MINIMUM,
    },
    equivalent={"second Y -> P_N[X] Y": r"P[P_N[X]Z] P_N[X] = P[P_N[X]Z]: the same matrix"},
)
@printed(
    HOLDS,
    squared_points,
    examples=150,
    reaches={
        **WITH_LOSS,
        "Z in span(X)": lambda net: fmpq_mat(net.features).rank() == net.X.rank(),
        "rank X < d_x": lambda net: net.X.rank() < net.X.ncols(),
    },
)
@drop("A1: d_y <= d_z", HOLDS, planted_minima(squared, weighted=False, **narrow_residuals), examples=60)
@drop(
    "A1: d_y <= d_x",
    REFUTED,
    planted_critical_points(squared, scale=(-4, 0), weighted=False, **wider_outputs),
    recheck=partial(equation_6_fails, at="strict minimum"),
)
@drop("B1", REFUTED, planted_minima(huber, weighted=False), recheck=equation_6_fails)
@drop("B2", REFUTED, planted_minima(squared, spare_samples=3), examples=300, recheck=equation_6_fails)
@drop(
    "local minimum: critical point",
    REFUTED,
    critical_points(squared, weighted=False),
    conclude=lambda net: at_critical_point(
        net, decide_equal(loss(net), theorem_2(net), named=("L", "eq. (6)"))
    ),
    recheck=partial(equation_6_fails, at="critical point"),
)
@mutant(
    "P[Z] for P[P_N[X] Z]",
    planted_minima(squared, weighted=False),
    conclude=eq_6(project=lambda net, _: projector(net.Z)),
    recheck=partial(equation_6_fails, onto="P[Z]"),
)
@mutant(
    "P[P_N[Z] X] for P[P_N[X] Z]",
    planted_minima(squared, weighted=False),
    conclude=eq_6(project=lambda net, _: projector(net.X - projector(net.Z) * net.X)),
    recheck=partial(equation_6_fails, onto="P[P_N[Z] X]"),
)
@mutant(
    "P[Z] P_N[X] for P[P_N[X] Z]",
    planted_minima(squared, weighted=False),
    conclude=eq_6(project=lambda net, rest: projector(net.Z) * rest),
    recheck=partial(equation_6_fails, onto="P[Z] P_N[X]"),
)
@mutant(
    "plus for minus",
    planted_minima(squared, weighted=False),
    conclude=eq_6(sign=1),
    recheck=partial(equation_6_fails, sign=1),
)
@mutant(
    "no 1/m",
    planted_minima(squared, weighted=False),
    conclude=eq_6(first=fmpq(1), second=fmpq(1)),
    recheck=partial(equation_6_fails, first="1", second="1"),
)
@mutant(
    "no second 1/m",
    planted_minima(squared, weighted=False),
    conclude=eq_6(second=fmpq(1)),
    recheck=partial(equation_6_fails, second="1"),
)
def test_squared_loss_at_a_local_minimum(net: ResNet) -> Verdict:
    """With the squared loss L = (‖P_N[X] Y‖² − ‖P[P_N[X] Z] Y‖²) / m at every local minimum."""
    return at_local_minimum(net, decide_equal(loss(net), theorem_2(net), named=("L", "eq. (6)")))


def at_most_l_x(net: ResNet) -> Verdict:
    """L <= L*_x."""
    return decide_at_most(loss(net), basis_infimum(net, "x"), named=("L", "L*_x"))


@claim(
    "KB19/remark3i",
    paper=KB19,
    where="Remark 3 (i)",
    says=r"L(W,V,\theta) \le L^*_{\{x\}}",
    assumes={"A1": A1, "A2": A2, "local minimum": MINIMUM},
)
@printed(HOLDS, minima_and_other_critical_points, examples=100, reaches=RANK_CLASSES)
@drop(
    "A1: d_y <= d_x, squared loss",
    HOLDS,
    planted_critical_points(squared, scale=(-4, 0), **wider_outputs),
    examples=80,
    note="a local minimum is the best fit of rank d_x, which beats every linear model on x",
)
@drop(
    "A1: d_y <= d_x",
    REFUTED,
    planted_through_one_unit(label_weighted_squared),
    examples=5000,
    recheck=strict_minimum_is_above_linear_models,
)
@drop(
    "A2: differentiable",
    REFUTED,
    resnets(loss=absolute, d_y=1, rank="deficient", branch=None, entries=integers(4)),
    examples=5000,
    recheck=partial(minimum_at_kinks_is_not_optimal, basis="x"),
)
@drop(
    "local minimum: critical point",
    REFUTED,
    critical_points(),
    conclude=lambda net: at_critical_point(net, at_most_l_x(net)),
    recheck=critical_point_is_above_linear_models,
)
@mutant(
    "L < L*_x",
    planted_minima(),
    conclude=lambda net: decide_less(loss(net), basis_infimum(net, "x"), named=("L", "L*_x")),
    recheck=minimum_is_not_below,
)
@mutant(
    "L >= L*_x",
    planted_minima(),
    conclude=lambda net: decide_at_most(basis_infimum(net, "x"), loss(net), named=("L*_x", "L")),
    recheck=minimum_is_below_linear_models,
)
def test_local_minimum_is_no_worse_than_a_linear_model(net: ResNet) -> Verdict:
    """Every local minimum value is at most the global minimum value of linear models on x."""
    return at_local_minimum(net, at_most_l_x(net))


def strictly_better(net: ResNet) -> Verdict:
    """L < L*_x if z is non-negligible, L*_x ≠ L*_{x,z}."""
    on_x, on_both = basis_infimum(net, "x"), basis_infimum(net)
    if decide_less(on_both, on_x).outcome is not HOLDS:
        return vacuous("z is negligible, or not certainly otherwise")
    return decide_less(loss(net), on_x, named=("L", "L*_x"))


@claim(
    "KB19/remark3ii",
    paper=KB19,
    where="Remark 3 (ii)",
    says=r"L^*_{\{x\}} \ne L^*_{\{x,z\}} \Rightarrow L(W,V,\theta) < L^*_{\{x\}}",
    assumes={
        "A1": A1,
        "A2": A2,
        "z is non-negligible": r"L^*_{\{x\}} \ne L^*_{\{x,z\}}",
        "local minimum": MINIMUM,
    },
)
@printed(
    HOLDS,
    planted_minima(determined=True) | planted_critical_points(),
    examples=160,
    needs=30,
    reaches=RANK_CLASSES,
)
@drop(
    "A1",
    REFUTED,
    planted_critical_points(squared, scale=(-4, 0), v_bound=0, **wider_outputs),
    examples=300,
    recheck=partial(does_not_improve_on_x, at="strict minimum"),
)
@drop(
    "z is non-negligible",
    REFUTED,
    planted_minima(),
    conclude=lambda net: decide_less(loss(net), basis_infimum(net, "x"), named=("L", "L*_x")),
    recheck=minimum_is_not_below,
)
@drop(
    "local minimum: critical point",
    REFUTED,
    critical_points(),
    conclude=lambda net: at_critical_point(net, strictly_better(net)),
    recheck=partial(does_not_improve_on_x, at="critical point"),
)
@mutant(
    "L < L*_{x,z}",
    planted_minima(squared),
    conclude=lambda net: decide_less(loss(net), basis_infimum(net), named=("L", "L*_{x,z}")),
    recheck=partial(minimum_is_not_below, basis="xz"),
)
@mutant(
    "L <= L*_x / 2",
    planted_minima(squared),
    conclude=lambda net: decide_at_most(loss(net) * 2, basis_infimum(net, "x"), named=("2 L", "L*_x")),
    recheck=minimum_is_above_half,
)
def test_non_negligible_residuals_improve(net: ResNet) -> Verdict:
    """Where z is non-negligible every local minimum is strictly better than every linear model on x."""
    return at_local_minimum(net, strictly_better(net))


twice_differentiable = (
    planted_minima(squared, d_y=1) | planted_minima(logistic, d_y=1) | planted_critical_points(squared, d_y=1)
)


@claim(
    "KB19/prop1",
    paper=KB19,
    where="Proposition 1 (Shamir 2018), Section 2.3",
    says=r"L(W,V,\theta) \le L^*_{\{x\}}",
    assumes={
        "PA1": "d_y = 1",
        "PA2": r"\ell(\cdot, y) \text{ convex and twice differentiable}",
        "local minimum": MINIMUM,
    },
)
@printed(
    HOLDS,
    twice_differentiable | planted_critical_points(logistic, d_y=1),
    examples=80,
    reaches={
        "W = 0": RANK_CLASSES["W = 0"],
        "rank W = d_y": RANK_CLASSES["rank W = d_y"],
    },
)
@drop(
    "PA1: d_y <= d_x",
    HOLDS,
    minima_and_other_critical_points,
    examples=60,
    note="this is Remark 3 (i): what the paper adds to Shamir",
)
@drop(
    "PA1: d_y > d_x",
    REFUTED,
    planted_through_one_unit(label_weighted_squared),
    examples=5000,
    recheck=strict_minimum_is_above_linear_models,
)
@drop(
    "PA2: twice differentiable",
    HOLDS,
    planted_minima(huber, d_y=1) | planted_critical_points(smoothed_hinge, d_y=1),
    examples=60,
)
@drop(
    "PA2: convex",
    REFUTED,
    planted_minima(tilted_double_well, d_y=1),
    conclude=at_most_the_deeper_well,
    recheck=deeper_well_is_better,
)
@drop(
    "PA2: differentiable",
    REFUTED,
    resnets(loss=absolute, d_y=1, rank="deficient", branch=None, entries=integers(4)),
    examples=5000,
    recheck=partial(minimum_at_kinks_is_not_optimal, basis="x"),
)
@mutant(
    "at every critical point",
    critical_points(squared, d_y=1),
    conclude=lambda net: at_critical_point(net, at_most_l_x(net)),
    recheck=critical_point_is_above_linear_models,
)
@mutant(
    "L < L*_x",
    planted_minima(squared, d_y=1),
    conclude=lambda net: decide_less(loss(net), basis_infimum(net, "x"), named=("L", "L*_x")),
    recheck=minimum_is_not_below,
)
def test_one_output_is_no_worse_than_a_linear_model(net: ResNet) -> Verdict:
    """With one output and a convex C² loss every local minimum has L <= L*_x."""
    return at_local_minimum(net, at_most_l_x(net))
