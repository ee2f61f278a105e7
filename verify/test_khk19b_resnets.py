"""Kawaguchi, Huang & Kaelbling (2019), Sections 4.1 and 4.2: Propositions 1 and 2, Theorem 3, what is said of it.

With p the output slopes, Theorem 3 says that Theorem 2 holds and that Σ p_i x_iᵀ = 0 and Σ p_i z_iᵀ = 0, z_i the
output of the residual branch: then no linear model of x and z is better than the network. Where W has rank
d_y this is so at every critical point; elsewhere R moves without a change of outputs to a point of descent.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import product

from flint import fmpq, fmpq_mat
from hypothesis import strategies as st

from strategies.feedforward import AtKink, Network
from strategies.losses import (
    Loss,
    absolute,
    cross_entropy,
    huber,
    label_weighted_squared,
    logistic,
    smoothed_hinge,
    squared,
    tilted_double_well,
)
from strategies.matrices import columns, hstack
from strategies.networks import ResNet, resnets
from strategies.numbers import among, integers
from strategies.residual_models import (
    as_deep_linear,
    as_residual,
    as_resnet,
    beside_the_others,
    cancelling_networks,
    deep_linear_networks,
    model_networks,
    parts,
    residual_model,
    with_frozen_branch,
)
from strategies.stationary import critical_networks, parity_minima
from verify import (
    HOLDS,
    REFUTED,
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
from verify.oracles import landscape
from verify.oracles.exact import inertia, least_squares, projector
from verify.oracles.feedforward import hessian, loss, slopes_are_even, total_loss, vector
from verify.oracles.fibres import perturbed_basis
from verify.oracles.induced import as_outputs, attains_infimum, linear_features, linear_infimum
from verify.oracles.minima import at_critical_point, at_local_minimum
from verify.oracles.rank_constrained import least_value
from verify.papers import KHK19B
from verify.rechecks.khk19b_resnets import (
    branch_gains_nothing,
    correlation_does_not_tell,
    dead_network_has_a_better_neighbour,
    flat_saddle_is_not_global,
    kinks_hold_a_worse_deep_linear_network,
    kinks_hold_a_worse_point,
    loss_differs_from_linear_models,
    loss_exceeds_linear_models,
    loss_is_below_linear_models,
    loss_is_not_below_linear_models,
    minimum_has_a_loss,
    well_is_not_the_deepest,
)

# --- what is drawn -----------------------------------------------------------------------------------

ONE_OUTPUT = ((1, 1, 1), (2, 1, 1), (1, 2, 1), (2, 2, 1))
NARROW = (*ONE_OUTPUT, (2, 2, 2), (3, 2, 2))
"""(d_x, d_z, d_y) with d_y <= min(d_x, d_z)."""
TWO_CLASSES = ((2, 2, 2), (3, 2, 2))
REAL = ("frozen", "relu", "quadratic", "serpentine")

RANKS = {
    "W = 0": lambda net: not any(as_resnet(net).W.entries()),
    "0 < rank W < d_y": lambda net: 0 < as_resnet(net).W.rank() < net.Y.ncols(),
    "rank W = d_y": lambda net: as_resnet(net).W.rank() == net.Y.ncols(),
    "a branch that trains": lambda net: bool(net.computation.functions),
}


def critical(
    shapes: tuple[tuple[int, int, int], ...],
    loss: Loss = squared,
    *,
    scale: tuple[int, int] | None = None,
    against: Callable[[Network], fmpq_mat] | None = None,
    **options: object,
) -> st.SearchStrategy[Network]:
    """Critical points of residual models (or of others by ``model``)."""
    nets = model_networks(shapes, loss=loss, **options)  # type: ignore[arg-type]
    return critical_networks(nets, loss=loss, scale=scale, against=against)


def giving_up(shape: tuple[int, int, int], loss: Loss) -> st.SearchStrategy[Network]:
    """Critical residual models that give some samples up and fit the others."""
    nets = cancelling_networks((shape,), samples=(2, 2), loss=loss)
    return critical_networks(nets, loss=loss, scale=(1, 3), against=beside_the_others)


def in_shallow_wells(nets: st.SearchStrategy[Network]) -> st.SearchStrategy[Network]:
    """Networks whose every output is in the less deep well of the tilted double well, r = −1."""
    return nets.map(lambda net: replace(net, Y=fmpq_mat(*_shape(net), [e + 1 for e in net.H.entries()])))


def _shape(net: Network) -> tuple[int, int]:
    return net.Y.nrows(), net.Y.ncols()


several = critical(NARROW, branches=REAL) | critical(NARROW, huber) | critical(TWO_CLASSES, cross_entropy)
singular_minima = parity_minima(
    among(*(residual_model(shape, sigma) for shape in NARROW[:4] for sigma in ("cube", "serpentine")))
)
"""Global minima at any weights, where the perturbable basis is larger than the gradient's."""
twice_differentiable = critical(ONE_OUTPUT, branches=REAL) | critical(ONE_OUTPUT, logistic)


# --- what is decided ---------------------------------------------------------------------------------


def on_features(net: Network, *features: fmpq_mat) -> fmpq_mat:
    """The basis of the linear models of the given features."""
    return hstack(*(linear_features(h, net.Y.ncols()) for h in features))


def attains_linear(net: Network) -> Verdict:
    """L = inf over the linear models of x and z."""
    return attains_infimum(net, on_features(net, *parts(net)), named=("L", "inf over x and z"))


def attains_residual_model(net: Network) -> Verdict:
    """L = inf L̃^(ResNet), eq. (4.2), over x, z and the Jacobians at points of the fibre within 1/1024."""
    basis, _ = perturbed_basis(net, fmpq(1, 1024), points=3)
    model = hstack(on_features(net, *parts(net)), basis)
    return attains_infimum(net, model, named=("L", "inf L̃^(ResNet)"))


def meets_bound(net: Network) -> Verdict:
    """L <= inf_W Σ λ ℓ(W x, y)."""
    x, _ = parts(net)
    return decide_at_most(loss(net), linear_infimum(net, x), named=("L", "inf over x"))


def theorem_3(net: Network) -> Verdict:
    """The sentence of Theorem 3 at a local minimum."""
    return at_local_minimum(net, attains_residual_model(net))


def bounded(net: Network) -> Verdict:
    """The sentence of Proposition 1, for any d_y."""
    return at_local_minimum(net, meets_bound(net))


def no_deeper_well(net: Network, basis: fmpq_mat) -> Verdict:
    """L is at most the loss of the outputs in the span closest to the deeper wells y + 2."""
    deeper = projector(basis) * vector(fmpq_mat(*_shape(net), [e + 2 for e in net.Y.entries()]))
    there = total_loss(net, as_outputs(deeper, net.Y.ncols()))
    return decide_at_most(loss(net), there, named=("L", "the loss of a model in the span"))


def resnet_attains_linear(net: ResNet) -> Verdict:
    """L = inf over x and z at a certified minimum, at kinks of the loss too."""
    found = decide_equal(landscape.loss(net), landscape.basis_infimum(net), named=("L", "inf over x and z"))
    return landscape.at_local_minimum(net, found)


def resnet_meets_bound(net: ResNet) -> Verdict:
    """L <= inf over x at a certified minimum, at kinks of the loss too."""
    found = decide_at_most(landscape.loss(net), landscape.basis_infimum(net, "x"), named=("L", "inf over x"))
    return landscape.at_local_minimum(net, found)


# --- Proposition 1 -----------------------------------------------------------------------------------

BOUND = r"L(\theta) \le \inf_{W} \sum_i \lambda_i \ell_{y_i}(W x_i)"


def squares(net: Network) -> Verdict:
    """L <= the infimum over x and x ∗ x."""
    x, _ = parts(net)
    both = hstack(x, fmpq_mat(x.nrows(), x.ncols(), [e * e for e in x.entries()]))
    found = decide_at_most(loss(net), linear_infimum(net, both), named=("L", "inf over x and x ∗ x"))
    return at_local_minimum(net, found)


def strictly_below(net: Network) -> Verdict:
    """L < inf over x."""
    x, _ = parts(net)
    return at_local_minimum(net, decide_less(loss(net), linear_infimum(net, x), named=("L", "inf over x")))


@claim(
    "KHK19b/prop1",
    paper=KHK19B,
    where="Proposition 1 (Shamir 2018), Section 4.1.1",
    says=BOUND,
    assumes={
        "PA1": "d_y = 1",
        "PA2": r"\ell_y \text{ convex and twice differentiable}",
        "PA3": r"L_u, \nabla L_u, \nabla^2 L_u \text{ Lipschitz in } (W, R) \text{ on bounded sets}",
        "local minimum": r"\theta \text{ is a local minimum of } L",
    },
    equivalent={
        "L <= inf over z": "true: at a local minimum L is the infimum over x and z",
        "L <= inf over x and z": "true: at a local minimum L is the infimum over x and z",
    },
)
@printed(HOLDS, twice_differentiable, examples=90, reaches={k: v for k, v in RANKS.items() if "<" not in k})
@drop(
    "PA1: d_y <= d_x",
    HOLDS,
    critical(((2, 1, 2), (2, 2, 2), (3, 1, 2))) | critical(TWO_CLASSES, cross_entropy),
    examples=60,
)
@drop(
    "PA1: d_y > d_x, squared loss",
    HOLDS,
    critical(((1, 1, 2), (1, 2, 2), (1, 1, 3))),
    examples=60,
    note="W [I R] ranges over nearly all maps of rank d_x, where the squared loss has no spurious minima",
)
@drop(
    "PA1: d_y > d_x, weighted squares",
    REFUTED,
    giving_up((1, 1, 2), label_weighted_squared),
    examples=600,
    recheck=loss_exceeds_linear_models,
)
@drop(
    "PA2: convex",
    REFUTED,
    in_shallow_wells(model_networks(ONE_OUTPUT, loss=tilted_double_well)),
    conclude=lambda net: at_local_minimum(net, no_deeper_well(net, on_features(net, parts(net).x))),
    recheck=well_is_not_the_deepest,
)
@drop("PA2: twice differentiable", HOLDS, critical(ONE_OUTPUT, smoothed_hinge), examples=60)
@drop(
    "PA2: differentiable",
    REFUTED,
    resnets(loss=absolute, rank="deficient", branch=None, d_y=1),
    conclude=resnet_meets_bound,
    examples=800,
    recheck=partial(kinks_hold_a_worse_point, on="x"),
)
@drop(
    "PA3",
    HOLDS,
    critical(ONE_OUTPUT, huber),
    examples=60,
    note="Huber's second derivative jumps: the Hessian is nowhere near Lipschitz, nor does PA2 hold",
)
@drop(
    "local minimum: critical point",
    REFUTED,
    critical(ONE_OUTPUT, rank="deficient"),
    conclude=lambda net: at_critical_point(net, meets_bound(net)),
    recheck=partial(loss_exceeds_linear_models, at="critical"),
)
@mutant(
    "L < inf over x",
    critical(ONE_OUTPUT),
    conclude=strictly_below,
    recheck=loss_is_not_below_linear_models,
)
@mutant(
    "inf over x and x * x",
    critical(ONE_OUTPUT, samples=(3, 4), scale=(-3, 0)),
    conclude=squares,
    recheck=partial(loss_exceeds_linear_models, on="x, x*x"),
)
def test_local_minima_are_no_worse_than_linear_predictors(net: Network) -> Verdict:
    """With one output, every local minimum of a ResNet is no worse than the best linear predictor."""
    return bounded(net)


# --- the decoupled model -----------------------------------------------------------------------------


def decoupled_optimum(net: Network) -> Verdict:
    """L = inf over x and z <= inf over x, at a critical point."""
    return at_critical_point(net, all_of(attains_linear(net), meets_bound(net)))


DECOUPLED = critical(NARROW, model="decoupled", branches=REAL)


@claim(
    "KHK19b/decoupled",
    paper=KHK19B,
    where="Section 4.1.1",
    says=r"L = \inf_{W, R} \sum_i \lambda_i \ell_{y_i}(W x_i + R z(x_i; u)) \le "
    r"\inf_W \sum_i \lambda_i \ell_{y_i}(W x_i)",
    assumes={
        "A1": r"\ell_y \text{ convex and differentiable}",
        "critical": r"\theta \text{ is critical for } f = W x + V z(x; u)",
    },
)
@printed(
    HOLDS,
    DECOUPLED
    | critical(ONE_OUTPUT, smoothed_hinge, model="decoupled")
    | critical(TWO_CLASSES, cross_entropy, model="decoupled"),
    examples=60,
    note="the printed R of d_z x d_x is a misprint for d_y x d_z",
)
@drop(
    "A1: convex",
    REFUTED,
    in_shallow_wells(model_networks(ONE_OUTPUT, model="decoupled", loss=tilted_double_well)),
    conclude=lambda net: at_critical_point(net, no_deeper_well(net, on_features(net, *parts(net)))),
    recheck=partial(well_is_not_the_deepest, on="x, z"),
)
@drop(
    "critical",
    REFUTED,
    model_networks(ONE_OUTPUT, model="decoupled", labels=integers(2)),
    conclude=attains_linear,
    recheck=partial(loss_differs_from_linear_models, on="x, z", at="any"),
)
@mutant(
    "W and V tied",
    critical(((1, 1, 1), (2, 2, 1)), model="tied"),
    conclude=decoupled_optimum,
    recheck=partial(loss_differs_from_linear_models, on="x, z", at="critical"),
)
@mutant(
    "L = inf over x",
    DECOUPLED,
    conclude=lambda net: at_critical_point(
        net, decide_equal(loss(net), linear_infimum(net, parts(net).x), named=("L", "inf over x"))
    ),
    recheck=partial(loss_differs_from_linear_models, at="critical"),
)
@mutant(
    "L < inf over x",
    DECOUPLED,
    conclude=lambda net: at_critical_point(
        net, decide_less(loss(net), linear_infimum(net, parts(net).x), named=("L", "inf over x"))
    ),
    recheck=partial(loss_is_not_below_linear_models, at="critical"),
)
def test_decoupled_critical_points_are_optimal(net: Network) -> Verdict:
    """Every critical point of W x + V z(x; u) is globally optimal in (W, V)."""
    return decoupled_optimum(net)


# --- Theorem 3 ---------------------------------------------------------------------------------------


def with_products(net: Network) -> Verdict:
    """L = inf over x, z and x_1 z."""
    x, z = parts(net)
    products = fmpq_mat(
        z.nrows(), z.ncols(), [a[0] * b for a, row in zip(x.table(), z.table(), strict=True) for b in row]
    )
    return at_local_minimum(net, attains_infimum(net, on_features(net, x, z, products)))


def with_squares(net: Network) -> Verdict:
    """L = inf over x, z and z ∗ z."""
    x, z = parts(net)
    square = fmpq_mat(z.nrows(), z.ncols(), [e * e for e in z.entries()])
    return at_local_minimum(net, attains_infimum(net, on_features(net, x, z, square)))


def through_resnet(net: Network) -> Verdict:
    """L = inf over x and z, with descents that use what the cross-entropy ignores."""
    return resnet_attains_linear(as_resnet(net))


def at_kinks_of_the_branch(net: Network) -> Verdict:
    """L = inf over x and z where z(x; u) is at a kink and (W, R) a local minimum at this u."""
    try:
        _ = net.J
        return vacuous("the branch is at no kink")
    except AtKink:
        there = with_frozen_branch(net)
        return at_local_minimum(there, attains_linear(there))


def with_idle_unit(net: Network) -> Network:
    """The same network with zero weights into the first unit of the branch."""
    theta = fmpq_mat(net.theta)
    for k in range(net.X.ncols()):
        theta[k, 0] = 0
    return net.at(theta)


with_kinks = model_networks(NARROW, branches=("relu",), off_kinks=False)
critical_at_kinks = critical_networks(
    with_kinks.map(with_idle_unit) | with_kinks, against=lambda net: with_frozen_branch(net).J
)
wide_outputs = ((1, 1, 2), (1, 2, 2))
minima_over_features = critical(
    ONE_OUTPUT, samples=(3, 4), against=lambda net: hstack(net.J, on_features(net, *parts(net)))
)


@claim(
    "KHK19b/thm3",
    paper=KHK19B,
    where="Theorem 3, Section 4.2",
    says=r"L(\theta) = \inf_{S, \alpha, \alpha_w, \alpha_r} \sum_i \lambda_i "
    r"\ell_{y_i}(\alpha_w x_i + \alpha_r z(x_i; u) + \tilde f_\theta(x_i; \alpha, \epsilon, S))",
    assumes={
        "A1": r"\ell_y \text{ convex and differentiable}",
        "d_y <= d_x": r"d_y \le d_x",
        "d_y <= d_z": r"d_y \le d_z",
        "theta not in closure of Omega": r"\theta \notin \tilde\Omega",
        "local minimum": r"\theta \text{ is a local minimum of } L",
    },
)
@printed(
    HOLDS,
    several | singular_minima,
    examples=100,
    reaches={**RANKS, "a minimum by parity": slopes_are_even},
    note="critical points are planted; where the right-hand side is lower, lower losses are found at all radii",
)
@drop(
    "A1: convex",
    REFUTED,
    in_shallow_wells(model_networks(ONE_OUTPUT, loss=tilted_double_well)),
    conclude=lambda net: at_local_minimum(net, no_deeper_well(net, on_features(net, *parts(net)))),
    recheck=partial(well_is_not_the_deepest, on="x, z"),
)
@drop(
    "A1: differentiable",
    REFUTED,
    resnets(loss=absolute, rank="deficient", branch=None),
    conclude=resnet_attains_linear,
    recheck=partial(kinks_hold_a_worse_point, on="x, z"),
)
@drop("d_y <= d_z", HOLDS, critical(((2, 1, 2), (3, 1, 2))), examples=60, note="the proof never uses it")
@drop(
    "d_y <= d_x",
    REFUTED,
    critical(wide_outputs, rank="any", samples=(2, 3), scale=(-4, 0)),
    recheck=partial(loss_exceeds_linear_models, on="x, z"),
)
@drop(
    "d_y <= d_x: two classes",
    HOLDS,
    critical(((1, 1, 2), (1, 2, 2)), cross_entropy),
    conclude=through_resnet,
    examples=60,
    note="the cross-entropy sees d_y - 1 differences of outputs",
)
@drop(
    "d_y <= d_x: three classes",
    REFUTED,
    critical(((1, 1, 3),), cross_entropy, rank="any", samples=(2, 3), scale=(-4, 0)),
    recheck=partial(loss_exceeds_linear_models, on="x, z"),
)
@drop(
    "theta not in closure of Omega",
    HOLDS,
    critical_at_kinks,
    conclude=at_kinks_of_the_branch,
    says=r"L(\theta) = \inf_{\alpha_w, \alpha_r} \sum_i \lambda_i "
    r"\ell_{y_i}(\alpha_w x_i + \alpha_r z(x_i; u))",
    examples=70,
    needs=25,
    note="what is left of the sentence without derivatives by u; z at a kink, L minimal in (W, R)",
)
@drop(
    "local minimum: critical point",
    REFUTED,
    critical(NARROW, rank="deficient"),
    conclude=lambda net: at_critical_point(net, attains_residual_model(net)),
    recheck=partial(loss_exceeds_linear_models, on="x, z", at="critical"),
)
@mutant(
    "with products x z on the right",
    minima_over_features,
    conclude=with_products,
    recheck=partial(loss_exceeds_linear_models, on="x, z, x1*z"),
)
@mutant(
    "with squares z z on the right",
    minima_over_features,
    conclude=with_squares,
    recheck=partial(loss_exceeds_linear_models, on="x, z, z*z"),
)
@mutant(
    "d_y <= d_z in place of d_y <= d_x",
    critical(((1, 2, 2),), rank="any", samples=(3, 3), scale=(-4, 0)),
    recheck=partial(loss_exceeds_linear_models, on="x, z"),
)
@mutant(
    "L = inf over x",
    critical(ONE_OUTPUT, samples=(2, 3), scale=(-3, 0)),
    conclude=lambda net: at_local_minimum(
        net, decide_equal(loss(net), linear_infimum(net, parts(net).x), named=("L", "inf over x"))
    ),
    recheck=loss_differs_from_linear_models,
)
def test_resnet_minima_attain_the_perturbable_basis_with_features(net: Network) -> Verdict:
    """Differentiable local minima of ResNets have the least loss of x, z and the perturbable basis."""
    return theorem_3(net)


# --- what is said of Theorem 3 -----------------------------------------------------------------------


def strictly_better(net: Network) -> Verdict:
    """L < inf over x wherever some z(x_i; u) is not zero."""
    return strictly_below(net) if any(parts(net).z.entries()) else vacuous("z = 0")


def correlation_tells(net: Network) -> Verdict:
    """L < inf over x iff the residuals of the best linear predictor correlate with z (squared loss)."""
    x, z = parts(net)
    residual = x * least_squares(x, net.Y, net.measure).transpose() - net.Y
    correlated = any(net.measure.product(residual, z).entries())
    here, bound = loss(net), linear_infimum(net, x)
    return decide(
        bool(here < bound) == correlated and here <= bound,
        why="L is below the bound without a correlation, or not below it in spite of one.",
        values={"L": here, "inf over x": bound, "correlated": correlated},
    )


@claim(
    "KHK19b/thm3-strict",
    paper=KHK19B,
    where="Section 4.2, before Theorem 3",
    says=r"\exists i: z(x_i; u) \ne 0 \;\Rightarrow\; L(\theta) < \inf_W \sum_i \lambda_i \ell_{y_i}(W x_i)",
    assumes={"local minimum": r"\theta \notin \tilde\Omega \text{ is a local minimum of } L"},
)
@printed(REFUTED, critical(NARROW), recheck=branch_gains_nothing, note="z = x gains nothing")
@repaired(
    r"L(\theta) < \inf_W \sum_i \lambda_i |W x_i - y_i|^2 \;\Leftrightarrow\; "
    r"\textstyle\sum_i \lambda_i (W^* x_i - y_i) z(x_i; u)^\top \ne 0",
    critical(NARROW),
    conclude=lambda net: at_local_minimum(net, correlation_tells(net)),
    examples=60,
    reaches={"W = 0": RANKS["W = 0"]},
)
@drop(
    "local minimum",
    REFUTED,
    critical(NARROW, rank="deficient"),
    conclude=lambda net: at_critical_point(net, correlation_tells(net)),
    recheck=correlation_does_not_tell,
    note="the repaired sentence at critical points",
)
@mutant(
    "strict whenever z is no linear function of x",
    critical(NARROW, samples=(2, 3)),
    conclude=lambda net: strictly_below(net) if _is_new(net) else vacuous("z is linear in x"),
    recheck=partial(branch_gains_nothing, new=True),
)
@mutant(
    "never strict",
    critical(NARROW, samples=(2, 3), scale=(-3, 0)),
    conclude=lambda net: at_local_minimum(
        net, decide_at_most(linear_infimum(net, parts(net).x), loss(net), named=("inf over x", "L"))
    ),
    recheck=loss_is_below_linear_models,
)
def test_residual_branch_improves_strictly(net: Network) -> Verdict:
    """L is strictly below the bound of Proposition 1 as long as z(x_i; u) is nonnegligible."""
    return strictly_better(net)


def _is_new(net: Network) -> bool:
    x, z = parts(net)
    return bool(hstack(x, z).rank() > x.rank())


@claim(
    "KHK19b/open-problem",
    paper=KHK19B,
    where="Section 4.2, after Theorem 3",
    says=BOUND + r" \quad \text{for every } d_y",
)
@printed(
    REFUTED,
    giving_up((1, 1, 3), cross_entropy),
    examples=600,
    recheck=loss_exceeds_linear_models,
    note="softmax cross-entropy, d_y = 3 > d_x = 1; soft labels are frequencies of one-hot samples",
)
@repaired(
    r"d_y \le d_x \;\Rightarrow\; " + BOUND,
    critical(((2, 1, 2), (2, 2, 2), (3, 1, 2)), branches=("frozen", "quadratic"), rank="any")
    | critical(((2, 1, 2), (2, 2, 2)), rank="deficient")
    | critical(TWO_CLASSES, cross_entropy)
    | critical(TWO_CLASSES, huber),
    examples=60,
    reaches={k: v for k, v in RANKS.items() if "W" in k},
)
@mutant(
    "d_y <= d_x + 1",
    giving_up((1, 1, 2), label_weighted_squared),
    examples=600,
    recheck=loss_exceeds_linear_models,
)
@mutant(
    "d_y <= d_x, at every critical point",
    critical(((2, 1, 2),), samples=(2, 3), rank="deficient"),
    conclude=lambda net: at_critical_point(net, meets_bound(net)),
    recheck=partial(loss_exceeds_linear_models, at="critical"),
)
def test_shamirs_bound_extends_to_several_outputs(net: Network) -> Verdict:
    """Theorem 3 extends Proposition 1 to any number of outputs."""
    return bounded(net)


# --- Proposition 2 -----------------------------------------------------------------------------------

THIN_ENDS = ((1, 1, 1), (2, 1, 1), (1, 1, 2), (2, 2, 1), (2, 2, 2), (2, 2, 1, 1), (1, 2, 1, 2), (2, 2, 2, 2))
"""(d_x, d_1, …, d_H, d_y) with min(d_x, d_y) <= d_l."""
THIN_MIDDLE = ((2, 1, 2), (2, 1, 3), (3, 1, 2), (3, 2, 3), (2, 1, 1, 2))


def deep(
    widths: tuple[tuple[int, ...], ...], loss: Loss = squared, **options: object
) -> st.SearchStrategy[Network]:
    """Critical deep linear networks."""
    nets = deep_linear_networks(widths, loss=loss, **options)  # type: ignore[arg-type]
    return critical_networks(nets, loss=loss)


def attains_global(net: Network) -> Verdict:
    """L is the infimum over all linear maps, which is that of L where the hidden layers are wide enough."""
    return attains_infimum(net, on_features(net, net.X), named=("L", "inf over linear maps"))


def attains_rank_constrained(net: Network) -> Verdict:
    """L = min |A X − Y|² over all A of rank min d_l, the global minimum of L for the squared loss."""
    k = min(net.computation.widths)
    least = least_value(net.X.transpose(), net.Y.transpose(), k)
    return at_local_minimum(net, decide_equal(loss(net), least, named=("L", "the least loss")))


def no_worse_than_first_inputs(net: Network) -> Verdict:
    """L is at most that of the networks with one hidden layer and W₁ = [I 0]."""
    x = columns(net.X, range(net.computation.widths[1]))
    there = linear_infimum(net, x)
    return at_local_minimum(net, decide_at_most(loss(net), there, named=("L", "inf over W₁ = [I 0]")))


def global_at_kinks(net: Network) -> Verdict:
    """L = inf over linear maps, at kinks of the loss, by way of W₂ W₁ x = W (x' + R x'')."""
    model = as_residual(net)
    return vacuous("no residual model") if model is None else resnet_attains_linear(as_resnet(model))


def no_better_neighbour(net: Network) -> Verdict:
    """L <= L(θ') for all θ' with entries −2, …, 2: enough to refute."""
    here = loss(net)
    for entries in product(range(-2, 3), repeat=net.computation.parameters):
        there = loss(net.at(fmpq_mat(net.computation.parameters, 1, list(entries))))
        if there < here:
            return at_local_minimum(net, decide_at_most(here, there, named=("L(θ)", "L(θ')")))
    return inconclusive("none of the parameters tried has a lower loss")


def second_order(net: Network) -> Verdict:
    """The sentence at critical points without negative curvature."""
    if inertia(hessian(net))[2]:
        return vacuous("negative curvature")
    return at_critical_point(net, attains_global(net))


@claim(
    "KHK19b/prop2",
    paper=KHK19B,
    where="Proposition 2 (Laurent & von Brecht 2018), Section 4.2.2",
    says=r"\theta \text{ is a local minimum of } L \;\Rightarrow\; L(\theta) = \inf_{\theta'} L(\theta')",
    assumes={
        "PA4": r"\sigma^{(l)}(q) = q",
        "PA5": r"\ell_y \text{ convex and differentiable}",
        "PA6": r"\min\{d_x, d_y\} \le \min\{d_1, \dots, d_H\}",
        "local minimum": r"\theta \text{ is a local minimum of } L",
    },
)
@printed(
    HOLDS,
    deep(THIN_ENDS) | deep(THIN_ENDS, huber) | deep(((2, 2, 2), (1, 2, 2), (2, 2, 2, 2)), cross_entropy),
    examples=90,
    reaches={
        "H = 2": lambda net: len(net.computation.widths) == 4,
        "theta = 0": lambda net: not any(net.theta.entries()),
        "d_x < d_y": lambda net: net.X.ncols() < net.Y.ncols(),
    },
)
@drop(
    "PA4",
    REFUTED,
    deep_linear_networks(((1, 1, 1),), sigma="relu", degenerate="none", labels=integers(2)),
    conclude=no_better_neighbour,
    recheck=dead_network_has_a_better_neighbour,
)
@drop(
    "PA5: convex",
    REFUTED,
    in_shallow_wells(
        deep_linear_networks(((1, 1, 1), (2, 2, 1)), degenerate="none", loss=tilted_double_well)
    ),
    conclude=lambda net: at_local_minimum(net, no_deeper_well(net, on_features(net, net.X))),
    recheck=partial(well_is_not_the_deepest, on="inputs"),
)
@drop(
    "PA5: differentiable",
    REFUTED,
    deep_linear_networks(((2, 1, 1),), degenerate="last", loss=absolute, samples=(2, 2), labels=integers(1)),
    conclude=global_at_kinks,
    examples=800,
    recheck=kinks_hold_a_worse_deep_linear_network,
)
@drop(
    "PA6: squared loss",
    HOLDS,
    deep(THIN_MIDDLE, weighted=False),
    conclude=attains_rank_constrained,
    examples=60,
    note="the squared loss has no spurious minima at any widths",
)
@drop(
    "PA6: weighted squares",
    REFUTED,
    giving_up((1, 1, 2), label_weighted_squared).map(as_deep_linear),
    conclude=no_worse_than_first_inputs,
    examples=600,
    recheck=partial(loss_exceeds_linear_models, on="the first inputs"),
)
@drop(
    "PA6: cross-entropy",
    REFUTED,
    giving_up((1, 1, 3), cross_entropy).map(as_deep_linear),
    conclude=no_worse_than_first_inputs,
    examples=600,
    recheck=partial(loss_exceeds_linear_models, on="the first inputs"),
)
@drop(
    "local minimum: critical point",
    REFUTED,
    deep(THIN_ENDS),
    conclude=lambda net: at_critical_point(net, attains_global(net)),
    recheck=partial(loss_exceeds_linear_models, on="inputs", at="critical"),
)
@mutant(
    "second-order stationary points are global",
    deep(((1, 1, 1, 1), (2, 2, 2, 2))),
    conclude=second_order,
    recheck=flat_saddle_is_not_global,
)
@mutant(
    "L is the least loss of all outputs",
    deep(THIN_ENDS, samples=(3, 4)),
    conclude=lambda net: at_local_minimum(
        net, decide(not loss(net), why="A network fits what no line does.")
    ),
    recheck=minimum_has_a_loss,
)
def test_deep_linear_minima_are_global(net: Network) -> Verdict:
    """Every local minimum of a deep linear network is global if the thinnest layer is the input or output."""
    return at_local_minimum(net, attains_global(net))
