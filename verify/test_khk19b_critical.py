"""Kawaguchi, Huang & Kaelbling (2019), Section 3.2: Theorem 1, its geometry, and its three examples.

L_θ(α) = G(∂f_X(θ) α) is convex; Theorem 1 says that a differentiable critical point is as good as its best.
Everything rests on the output slopes p = ∇G(f_X(θ)): ∇L = Jᵀ p, and f_X(θ) ∈ range J under Assumption 2.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache, reduce
from operator import add
from typing import Any

from flint import arb, fmpq, fmpq_mat
from hypothesis import reject
from hypothesis import strategies as st

from strategies.feedforward import (
    Activate,
    AtKink,
    Computation,
    Network,
    apply,
    computation,
    frozen,
    inputs,
    weight,
)
from strategies.instance import instance
from strategies.losses import (
    Loss,
    absolute,
    cross_entropy,
    logistic,
    smoothed_hinge,
    squared,
    tilted_double_well,
)
from strategies.matrices import columns, hstack, identity, matrices, null_space
from strategies.numbers import among, between, integers
from strategies.overparameterised import (
    deep_relu_networks,
    features,
    interpolating,
    overparameterised_networks,
    raw_inputs,
    separation,
)
from strategies.stationary import EXACT, FAMILIES, computations, critical_networks, networks
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
    repaired,
    vacuous,
)
from verify.oracles.feedforward import gradient, is_critical, loss, output_slopes, product, total_loss, vector
from verify.oracles.induced import (
    as_outputs,
    attains_infimum,
    basis_infimum,
    is_no_better,
    lies_in,
    linear_features,
)
from verify.oracles.infimum import enclose_infimum
from verify.oracles.minima import at_critical_point, at_local_minimum, find_descent, negative_direction
from verify.papers import KHK19B
from verify.rechecks_khk19b import (
    dead_network_is_stuck,
    last_layer_misses_the_other_skips,
    proof_bounds_the_network_itself,
    rank_is_below_the_number_of_samples,
)

ASSUMES = {
    "convex l": r"\ell_{y_i} \text{ convex (Assumption 1)}",
    "differentiable l": r"\ell_{y_i} \text{ differentiable (Assumption 1)}",
    "A2": r"f_{x_i}(\theta) = \sum_k g(\theta)_k\, \partial_k f_{x_i}(\theta)",
    "theta not in Omega": r"f_{x_i} \text{ differentiable at } \theta",
    "critical": r"\nabla L(\theta) = 0",
    "positive weights": r"\lambda_i > 0",
}


@instance
class InducedModel:
    """A network at θ and coefficients α (n × 1) of its gradient basis model."""

    net: Network
    alpha: fmpq_mat

    def outputs(self) -> fmpq_mat:
        """(f_θ(x_i; α))_i, m × d_y."""
        return as_outputs(self.net.J * self.alpha, self.net.Y.ncols())


@st.composite
def with_coefficients(draw: st.DrawFn, nets: st.SearchStrategy[Network]) -> InducedModel:
    """Networks of ``nets`` with small integer coefficients."""
    net = draw(nets)
    return InducedModel(net=net, alpha=draw(matrices(net.computation.parameters, 1, integers(2))))


# --- the points --------------------------------------------------------------------------------------

ROUGH = ("relu", "linear", "quadratic", "cube", "abs")
"""Activations that keep integers integers, as exact slopes of the cross-entropy need."""
BENT = ("quadratic", "cube")

all_families = tuple(FAMILIES)


def unlabelled(
    loss: Loss = squared,
    families: tuple[str, ...] = all_families,
    activations: tuple[str, ...] = EXACT,
    samples: tuple[int, int] = (2, 4),
) -> st.SearchStrategy[Network]:
    """Networks whose labels are to be planted; two outputs for the cross-entropy, which has no slope else."""
    nets = computations(families, activations, least_d_y=2 if loss is cross_entropy else 1)
    return networks(nets, labels="none", loss=loss, samples=samples, degenerate=True)


critical = critical_networks(unlabelled())
critical_hinge = critical_networks(unlabelled(smoothed_hinge))
critical_entropy = critical_networks(unlabelled(cross_entropy, activations=ROUGH))
anywhere = networks(samples=(1, 3))
anywhere_hinge = networks(samples=(1, 3), loss=smoothed_hinge)
anywhere_entropy = networks(computations(activations=ROUGH), samples=(1, 3), loss=cross_entropy)
bent = critical_networks(
    unlabelled(families=("one hidden layer", "two hidden layers", "biases"), activations=BENT)
)


def critical_only(conclude: Callable[[Network], Verdict]) -> Callable[[Network], Verdict]:
    """``conclude`` where θ is critical and differentiable, vacuous elsewhere."""

    def at_critical_points(net: Network) -> Verdict:
        try:
            return at_critical_point(net, conclude(net))
        except AtKink:
            return vacuous("θ is at a kink")

    return at_critical_points


def least_tried(net: Network, steps: tuple[fmpq, ...]) -> fmpq | arb | None:
    """The least L_θ(g(θ) + t e_k) over ``steps`` t and all k with ∂_k f_X(θ) ≠ 0."""
    best: fmpq | arb | None = None
    for k in range(net.J.ncols()):
        v = columns(net.J, [k])
        for t in steps if any(v.entries()) else ():
            there = total_loss(net, net.H + as_outputs(v * t, net.Y.ncols()))
            if best is None or there < best:
                best = there
    return best


def attains_model(net: Network) -> Verdict:
    """L(θ) = inf_α L_θ(α); by what knows nothing of the proof, too.

    For the squared loss the infimum is exact. For the smoothed hinge it is computed in general, for the
    cross-entropy some models near θ's are evaluated: both beside the certificate Jᵀ p = 0.
    """
    found = attains_infimum(net, net.J)
    if net.loss is squared or found.outcome is not HOLDS:
        return found
    if net.loss is smoothed_hinge:
        return all_of(found, decide_equal(loss(net), basis_infimum(net, net.J), named=("L", "inf L_θ")))
    best = least_tried(net, (fmpq(1, 4), fmpq(-1, 4)))
    return found if best is None else all_of(found, decide_at_most(loss(net), best, named=("L", "L_θ(α)")))


# --- where an assumption fails ----------------------------------------------------------------------


def _two_fold() -> Computation:
    w = weight(1, 1)
    x = inputs(1)
    return computation(frozen([[1]]) @ ((w @ x) * (w @ x)) + frozen([[1]]))


def _tied() -> Computation:
    """w σ(w x) with σ(q) = q + q²."""
    w = weight(1, 1)
    return computation(w @ apply("quadratic", w @ inputs(1)))


without_output_layer = among(
    _two_fold(),
    _tied(),
    computation(weight(1, 1) @ inputs(1) + frozen([[1]])),
    computation(apply("quadratic", weight(1, 2) @ inputs(2))),
    computation(weight(1, 1) @ apply("quadratic", weight(1, 1) @ inputs(1)) + frozen([[1]])),
)
"""Models without a linear output layer of their own: θ²x² + 1, tied, frozen bias, an activation at the end."""


def critical_without_a2(few: bool = False) -> st.SearchStrategy[Network]:
    """Critical points of such models, on one sample or two if ``few``."""
    return critical_networks(networks(without_output_layer, samples=(1, 2 if few else 3), labels="none"))


few_linear = networks(
    among(computation(weight(1, 1) @ inputs(1)), computation(weight(1, 2) @ inputs(2))),
    samples=(1, 2),
    loss=tilted_double_well,
)


LONG_STEPS = tuple(fmpq(t, 2) for t in (2, -2, 4, -4, 6, -6, 3, -3))


def beats_tried_models(net: Network) -> Verdict:
    """L(θ) <= L_θ at some models: enough to refute, where G is not convex."""
    best = least_tried(net, LONG_STEPS)
    if best is None or not best < loss(net):
        return inconclusive("none of the models tried has a lower loss")
    return decide_at_most(loss(net), best, named=("L(θ)", "L_θ(α)"))


@instance
class Subcritical:
    """A network and p ∈ ∂G(f_X(θ)) with Jᵀ p = 0: no directional derivative of L is negative at θ."""

    net: Network
    slopes: fmpq_mat


@st.composite
def absolute_stationary_points(draw: st.DrawFn) -> Subcritical:
    """Points where L, with ℓ = |q − y|, has no direction of descent, often at a kink of ℓ.

    Jᵀ p = 0 with |p_i| <= λ_i: y_i = f(x_i) where |p_i| < λ_i, on the right side of it elsewhere.
    """
    net = draw(unlabelled(absolute))
    basis = null_space(net.J.transpose())
    if not basis.ncols():
        reject()
    p = basis * draw(matrices(basis.ncols(), 1, integers(2)))
    bounds = [w for w in net.weights.entries() for _ in range(net.Y.ncols())]
    largest = max(abs(e) / w for e, w in zip(p.entries(), bounds, strict=True))
    p = p / max(largest, fmpq(1, 2))
    away = draw(matrices(p.nrows(), 1, between(1, 3))).entries()
    y = [
        q if abs(e) < w else q - s * (1 if e > 0 else -1)
        for q, e, w, s in zip(net.H.entries(), p.entries(), bounds, away, strict=True)
    ]
    return Subcritical(net=replace(net, Y=fmpq_mat(net.Y.nrows(), net.Y.ncols(), y)), slopes=p)


def attains_model_at_kinks_of_the_loss(point: Subcritical) -> Verdict:
    """L(θ) = inf L_θ where 0 ∈ Jᵀ ∂G(f_X(θ)), exactly, by a linear program."""
    net = point.net
    weights = [w for w in net.weights.entries() for _ in range(net.Y.ncols())]
    residuals = zip(net.H.entries(), net.Y.entries(), point.slopes.entries(), weights, strict=True)
    subgradient = all(abs(p) <= w and (q == y or p == (w if q > y else -w)) for q, y, p, w in residuals)
    if not subgradient or any((net.J.transpose() * point.slopes).entries()):
        return vacuous("p is no subgradient orthogonal to range J")
    return decide_equal(loss(net), basis_infimum(net, net.J), named=("L", "inf L_θ"))


@cache
def _narrow_relu(width: int) -> Computation:
    return computation(weight(1, width) @ apply("relu", weight(width, 1) @ inputs(1)))


def kinked(**options: Any) -> st.SearchStrategy[Network]:
    """Networks of one or two hidden ReLUs on one or two numbers, often at a kink."""
    return networks(
        between(1, 2).map(_narrow_relu),
        samples=(1, 3),
        weighted=False,
        off_kinks=False,
        entries=among(1, -1, 2, -2),
        parameters=among(0, 0, 1, -1),
        **options,
    )


def one_sided(net: Network, side: int) -> fmpq_mat:
    """The derivatives of f_X by each entry of θ to one ``side``, for a hidden ReLU layer and small integers.

    f_X is piecewise affine in each entry, without a kink within 1/8.
    """
    t, n = fmpq(side, 8), net.computation.parameters
    here = vector(net.H)
    steps = [fmpq_mat(n, 1, [t * (i == k) for i in range(n)]) for k in range(n)]
    return hstack(*((vector(net.outputs_at(net.theta + v)) - here) / t for v in steps))


def is_at_kink(net: Network) -> bool:
    """Whether a pre-activation that is not zero for structural reasons is 0."""
    try:
        return net.J is None
    except AtKink:
        return True


def attains_right_derivative_model(net: Network) -> Verdict:
    """The sentence with right derivatives, where θ ∈ Ω has no direction of descent to first order.

    With d_x = 1 the directional derivative of f_X is a sum over the entries of the direction: those of L are
    all non-negative iff the 2 n along the coordinates are.
    """
    if not is_at_kink(net):
        return vacuous("θ is not at a kink")
    p, right = output_slopes(net).transpose(), one_sided(net, 1)
    if any(e < 0 for e in (p * right).entries()) or any(e > 0 for e in (p * one_sided(net, -1)).entries()):
        return vacuous("a direction of descent")
    return decide_equal(loss(net), basis_infimum(net, right), named=("L", "inf L_θ"))


def with_zero_slope_at_zero(net: Network) -> fmpq_mat:
    """∂f_X of a hidden ReLU layer with ReLU′(0) = 0, as programs have it."""
    width = net.computation.widths[1]
    w, v = net.theta.entries()[:width], net.theta.entries()[width:]
    rows = [
        [b * x * (a * x > 0) for a, b in zip(w, v, strict=True)] + [max(a * x, fmpq(0)) for a in w]
        for x in net.X.entries()
    ]
    return fmpq_mat(len(rows), 2 * width, [e for row in rows for e in row])


def attains_programmed_model(net: Network) -> Verdict:
    """The sentence where θ ∈ Ω is critical for ReLU′(0) = 0, with that Jacobian."""
    basis = with_zero_slope_at_zero(net)
    if not is_at_kink(net) or any((basis.transpose() * output_slopes(net)).entries()):
        return vacuous("θ is not at a kink, or not critical")
    return decide_equal(loss(net), basis_infimum(net, basis), named=("L", "inf L_θ"))


@instance
class SignedNetwork:
    """L(θ) = Σ_i s_i λ_i |f(x_i; θ) − y_i|² with signs s_i."""

    net: Network
    signs: tuple[int, ...]


@st.composite
def signed_critical_networks(draw: st.DrawFn) -> SignedNetwork:
    """Critical points of a loss with negative weights: y_i is reflected in f(x_i) where the sign is."""
    net = draw(critical)
    signs = tuple(draw(among(1, -1)) for _ in range(net.X.nrows()))
    flips = [s for s in signs for _ in range(net.Y.ncols())]
    y = [q - s * (q - e) for q, e, s in zip(net.H.entries(), net.Y.entries(), flips, strict=True)]
    return SignedNetwork(net=replace(net, Y=fmpq_mat(net.Y.nrows(), net.Y.ncols(), y)), signs=signs)


def attains_signed_model(point: SignedNetwork) -> Verdict:
    """L(θ) = inf L_θ for signed weights, where the quadratic form of L_θ tells."""
    net, d = point.net, point.net.Y.ncols()
    signed = [s * w for s, w in zip(point.signs, net.weights.entries(), strict=True) for _ in range(d)]
    p = fmpq_mat(
        len(signed),
        1,
        [2 * w * (q - y) for w, q, y in zip(signed, net.H.entries(), net.Y.entries(), strict=True)],
    )
    if any((net.J.transpose() * p).entries()):
        return vacuous("θ is not critical")
    scaled = fmpq_mat(
        net.J.nrows(),
        net.J.ncols(),
        [w * e for w, row in zip(signed, net.J.table(), strict=True) for e in row],
    )
    v = negative_direction(net.J.transpose() * scaled)
    return decide(
        v is None, why="L_θ has no lower bound: it is quadratic with a direction of negative curvature."
    )


def shifted(net: Network) -> Network:
    """The network at θ + (1, …, 1) / 16."""
    ones = fmpq_mat(net.theta.nrows(), 1, [1] * net.theta.nrows())
    return net.moved(ones, fmpq(1, 16))


def hidden_parameters(f: Computation) -> list[int]:
    """u: all others."""
    own = set(f.readout_parameters)
    return [k for k in range(f.parameters) if k not in own]


def unweighted(net: Network) -> Verdict:
    """All λ_i = 1 on both sides, at a critical point of the weighted loss."""
    m = net.X.nrows()
    return attains_infimum(replace(net, weights=fmpq_mat(1, m, [1] * m)), net.J)


# --- Theorem 1 ---------------------------------------------------------------------------------------

CRITICAL_CLASSES = {
    "J = 0": lambda net: not any(net.J.entries()),
    "f = 0": lambda net: not any(net.H.entries()),
    "ReLU": lambda net: any(a.name == "relu" for a in net.computation.functions),
    "d_y = 2": lambda net: net.Y.ncols() == 2,
    "unequal weights": lambda net: len(set(net.weights.entries())) > 1,
    "cross-entropy": lambda net: net.loss is cross_entropy,
}


@claim(
    "KHK19b/thm1",
    paper=KHK19B,
    where="Theorem 1, Section 3.2",
    says=r"\theta \notin \Omega \text{ critical} \;\Rightarrow\; L(\theta) = \inf_{\alpha} L_\theta(\alpha)",
    assumes=ASSUMES,
)
@printed(
    HOLDS,
    critical | critical_hinge | critical_entropy,
    examples=90,
    reaches=CRITICAL_CLASSES,
    note="random points are never critical: p is planted in the null space of the transposed Jacobian",
)
@drop("A2", REFUTED, critical_without_a2())
@drop(
    "A2: L > inf",
    REFUTED,
    critical_without_a2(few=True),
    conclude=critical_only(lambda net: is_no_better(net, net.J)),
    says=r"L(\theta) \le \inf_\alpha L_\theta(\alpha)",
)
@drop(
    "A2: L < inf",
    REFUTED,
    critical_without_a2(),
    conclude=critical_only(
        lambda net: decide_at_most(basis_infimum(net, net.J), loss(net), named=("inf L_θ", "L"))
    ),
    says=r"L(\theta) \ge \inf_\alpha L_\theta(\alpha)",
)
@drop(
    "A2: tied local minimum",
    REFUTED,
    critical_networks(networks(_tied(), samples=(2, 3), labels="none"), scale=(-3, 0)),
    conclude=lambda net: at_local_minimum(net, is_no_better(net, net.J)),
    note="w s(w x) with s(q) = q + q^2: even certified strict local minima are worse than their models",
)
@drop(
    "convex l",
    REFUTED,
    few_linear,
    conclude=lambda net: at_local_minimum(net, beats_tried_models(net)),
    note="the less deep well of a double well is a local minimum of f = theta x",
)
@drop(
    "differentiable l",
    HOLDS,
    absolute_stationary_points(),
    conclude=attains_model_at_kinks_of_the_loss,
    says=r"\ell'(f_X(\theta); J v) \ge 0\ \forall v \;\Rightarrow\; L(\theta) = \inf_\alpha L_\theta(\alpha)",
    examples=60,
    needs=30,
    reaches={
        "a kink": lambda point: any(
            q == y for q, y in zip(point.net.H.entries(), point.net.Y.entries(), strict=True)
        )
    },
    note="stationary in the sense of directional derivatives, as every local minimum is",
)
@drop(
    "theta not in Omega",
    REFUTED,
    kinked(),
    conclude=attains_right_derivative_model,
    note="right derivatives for the partial ones; stationary: no direction of descent to first order",
)
@drop(
    "theta not in Omega: ReLU'(0) = 0",
    HOLDS,
    critical_networks(kinked(labels="none"), against=with_zero_slope_at_zero),
    conclude=attains_programmed_model,
    examples=60,
    needs=20,
    note="where programs see a critical point the identity is algebra and survives; that point may be no minimum",
)
@drop("critical", REFUTED, anywhere, conclude=attains_model)
@drop(
    "positive weights",
    REFUTED,
    signed_critical_networks(),
    conclude=attains_signed_model,
    note="some lambda_i < 0: L_theta is unbounded below at a critical point",
)
@mutant(
    "the basis at another theta",
    bent,
    conclude=critical_only(lambda net: attains_infimum(net, shifted(net).J)),
)
@mutant(
    "without the last layer's derivatives",
    bent | critical_networks(unlabelled(families=("biases",), activations=("relu", "quadratic"))),
    conclude=critical_only(
        lambda net: attains_infimum(net, columns(net.J, hidden_parameters(net.computation)))
    ),
    note="true for homogeneous activations without biases, by Euler's identity: bent ones tell",
)
@mutant("lambda_i = 1 on the right", critical, conclude=critical_only(unweighted))
@mutant(
    "the optimal alpha is unique",
    critical,
    conclude=critical_only(
        lambda net: decide(net.J.rank() == net.J.ncols(), why="J has a null vector: alpha may move along it.")
    ),
)
@mutant(
    "at most the loss of any outputs",
    critical,
    conclude=critical_only(lambda net: attains_infimum(net, identity(net.J.nrows()))),
    note="critical points are not global minima",
)
def test_critical_points_are_optimal_in_their_gradient_basis(net: Network) -> Verdict:
    """At every differentiable critical point L has the globally optimal value of the gradient basis model."""
    return critical_only(attains_model)(net)


# --- its proof, and its converse ----------------------------------------------------------------------


def first_order_bound(model: InducedModel, value: Any) -> Verdict:
    """``value`` >= Σ λ_i ℓ(f(x_i; θ)) + λ_i ∂ℓ(f(x_i; θ)) (f_θ(x_i; α) − f(x_i; θ))."""
    net = model.net
    step = vector(model.outputs()) - vector(net.H)
    bound = loss(net) + product(output_slopes(net).transpose(), step)[0, 0]
    return decide_at_most(bound, value, named=("the first-order bound", "the loss at α"))


def bounded_gap(model: InducedModel, g: fmpq_mat) -> Verdict:
    """L(θ) − L_θ(α) <= ⟨∇L(θ), g − α⟩."""
    net = model.net
    gap = loss(net) - total_loss(net, model.outputs())
    bound = product(gradient(net).transpose(), g - model.alpha)[0, 0]
    return decide_at_most(gap, bound, named=("L - L_θ(α)", "⟨∇L, g - α⟩"))


def readout_coefficients(net: Network) -> fmpq_mat:
    """g(θ): the weights of the output layer, and 0 for all others, as below Assumption 2."""
    own = set(net.computation.readout_parameters)
    n = net.theta.nrows()
    return fmpq_mat(n, 1, [t if k in own else 0 for k, t in enumerate(net.theta.entries())])


few_steep_points = critical_networks(
    networks(
        computations(("one hidden layer",), ("linear", "relu"), 1, 1, 1),
        samples=(1, 2),
        labels="none",
        entries=between(1, 3),
        parameters=among(0, 0, 1, -1),
    ),
    scale=(1, 4),
)
any_models = with_coefficients(anywhere | anywhere_hinge | anywhere_entropy)


@claim(
    "KHK19b/thm1-proof",
    paper=KHK19B,
    where="Proof of Theorem 1, Appendix A.1, first line",
    says=r"L(\alpha) \ge \sum_i \lambda_i \ell_{y_i}(f_{x_i}(\theta)) + \lambda_i \partial \ell_{y_i}(f_{x_i}(\theta)) (f_\theta(x_i; \alpha) - f(x_i; \theta))",
    assumes={"convex l": ASSUMES["convex l"], "critical": ASSUMES["critical"]},
)
@printed(
    REFUTED,
    with_coefficients(few_steep_points),
    recheck=proof_bounds_the_network_itself,
    note="a misprint: it bounds L_theta(alpha), as its last line says, not the loss of the network at alpha",
)
@repaired(
    r"L(\theta) - L_\theta(\alpha) \le \langle \nabla L(\theta),\, g(\theta) - \alpha \rangle \text{ at every } \theta \notin \Omega",
    any_models,
    conclude=lambda model: bounded_gap(model, readout_coefficients(model.net)),
    examples=90,
    reaches={
        "not critical": lambda model: is_critical(model.net) is False,
        "L > L_theta(alpha)": lambda model: loss(model.net) > total_loss(model.net, model.outputs()),
    },
    note="for every alpha, critical or not: how far a point that is not critical can be from its model",
)
@drop(
    "critical",
    HOLDS,
    any_models,
    conclude=lambda model: first_order_bound(model, total_loss(model.net, model.outputs())),
    says=r"L_\theta(\alpha) \ge \dots \text{ at every } \theta \notin \Omega",
    examples=60,
)
@drop(
    "convex l",
    REFUTED,
    with_coefficients(few_linear),
    conclude=lambda model: bounded_gap(model, readout_coefficients(model.net)),
)
@mutant("g = theta", with_coefficients(anywhere), conclude=lambda model: bounded_gap(model, model.net.theta))
@mutant(
    "no gap at any theta",
    with_coefficients(anywhere),
    conclude=lambda model: decide_at_most(
        loss(model.net), total_loss(model.net, model.outputs()), named=("L", "L_θ(α)")
    ),
)
@mutant(
    "half the gradient",
    with_coefficients(anywhere),
    conclude=lambda model: bounded_gap(model, (readout_coefficients(model.net) + model.alpha) / 2),
)
def test_the_proof_bounds_the_loss_from_below(model: InducedModel) -> Verdict:
    """By convexity the loss at α is at least its first-order expansion at the outputs of the critical point."""
    net = model.net
    return at_critical_point(net, first_order_bound(model, total_loss(net, net.outputs_at(model.alpha))))


def attains_model_iff_critical(net: Network) -> Verdict:
    """∇L(θ) = 0 iff L(θ) = inf L_θ."""
    at_critical, found = is_critical(net), attains_model(net)
    if at_critical is None:
        return inconclusive("whether the gradient is zero cannot be told from balls")
    if at_critical or found.outcome not in (HOLDS, REFUTED):
        return found
    return decide(
        found.outcome is REFUTED, why="L = inf L_θ and yet ∇L ≠ 0.", values=found.values, rung=found.rung
    )


tiny = networks(
    computations(("one hidden layer",), ("linear", "relu"), 1, 1, 1),
    samples=(1, 2),
    parameters=among(fmpq(0), fmpq(1, 2**20), fmpq(-1, 2**20)),
)


def nearly_attains(net: Network) -> Verdict:
    """|∂_k L| <= 2⁻¹⁶ for all k implies L <= inf L_θ + 1/4."""
    if any(abs(e) > fmpq(1, 2**16) for e in gradient(net).entries()):
        return vacuous("the gradient is not small")
    return decide_at_most(loss(net), basis_infimum(net, net.J) + fmpq(1, 4), named=("L", "inf L_θ + 1/4"))


@claim(
    "KHK19b/thm1-converse",
    paper=KHK19B,
    where="Theorem 1 with its converse (derived)",
    says=r"\nabla L(\theta) = 0 \;\Leftrightarrow\; L(\theta) = \inf_\alpha L_\theta(\alpha) \qquad (\theta \notin \Omega)",
    assumes={"A2": ASSUMES["A2"], "convex l": ASSUMES["convex l"]},
)
@printed(
    HOLDS,
    anywhere | anywhere_hinge | anywhere_entropy | critical,
    examples=90,
    reaches={
        "critical": lambda net: is_critical(net) is True,
        "not critical": lambda net: is_critical(net) is False,
    },
    note="not in the paper: no random instance is vacuous, since every point decides one direction",
)
@drop("A2", REFUTED, critical_without_a2())
@drop(
    "convex l",
    REFUTED,
    few_linear,
    conclude=lambda net: at_critical_point(net, beats_tried_models(net)),
)
@mutant(
    "a small gradient suffices",
    tiny,
    conclude=nearly_attains,
    note="f = s w x at tiny s, w: a small gradient says nothing, its projection on the span of J does",
)
@mutant(
    "only local minima attain it",
    critical,
    conclude=critical_only(
        lambda net: decide(
            find_descent(net, fmpq(1)) is None, why="A lower point: no local minimum in B(θ, 1)."
        )
    ),
)
def test_exactly_the_critical_points_are_optimal_in_their_basis(net: Network) -> Verdict:
    """A differentiable point is critical if and only if it is as good as its gradient basis model."""
    return attains_model_iff_critical(net)


# --- geometry ----------------------------------------------------------------------------------------


def lies_in_span(net: Network, basis: fmpq_mat) -> Verdict:
    """f_X(θ) ∈ range of the basis."""
    return decide(lies_in(vector(net.H), basis), why="f_X(θ) is no combination of the derivatives.")


@claim(
    "KHK19b/eq3.1",
    paper=KHK19B,
    where="Equation (3.1), Section 3.2.1",
    says=r"\mathrm{span}\{\partial_k f_X(\theta)\} + \{f_X(\theta)\} = \mathrm{span}\{\partial_k f_X(\theta)\}",
    assumes={"A2": ASSUMES["A2"]},
)
@printed(HOLDS, anywhere, examples=80, reaches={"J = 0": lambda net: not any(net.J.entries())})
@drop("A2", REFUTED, networks(without_output_layer, samples=(1, 3)))
@mutant(
    "the span of the derivatives by u",
    networks(computations(activations=BENT), samples=(1, 3)),
    conclude=lambda net: lies_in_span(net, columns(net.J, hidden_parameters(net.computation))),
)
@mutant(
    "the span of the derivatives at another theta",
    networks(computations(("one hidden layer", "two hidden layers"), ("quadratic",), d_y=1), samples=(3, 5)),
    conclude=lambda net: lies_in_span(net, shifted(net).J),
)
@mutant(
    "T has dimension min(n, m d_y)",
    anywhere,
    conclude=lambda net: decide(
        net.J.rank() == min(net.J.nrows(), net.J.ncols()), why="The derivatives are linearly dependent."
    ),
)
def test_the_tangent_plane_is_the_span_of_the_derivatives(net: Network) -> Verdict:
    """The affine space through f_X(θ) along its derivatives is the space of outputs of the gradient basis model."""
    return lies_in_span(net, net.J)


def minimises_over_tangent_plane(net: Network) -> Verdict:
    """G(f_X(θ)) = min of G over f_X(θ) + range J; the squared loss by moving the labels by f_X(θ)."""
    if net.loss is squared:
        least = basis_infimum(replace(net, Y=net.Y - net.H), net.J)
        return decide_equal(loss(net), least, named=("dist(f_X, y)", "min over T"))
    return attains_infimum(net, net.J, ("dist(f_X, y)", "min over T"))


def no_other_minimiser(net: Network) -> Verdict:
    """f_X(θ) is the only minimiser of dist in T."""
    ones = fmpq_mat(net.J.nrows(), 1, [1] * net.J.nrows())
    return decide(not lies_in(ones, net.J), why="One more on every logit stays in T and changes no loss.")


@claim(
    "KHK19b/argmin",
    paper=KHK19B,
    where="Section 3.2.1, geometric view of Theorem 1",
    says=r"f_X(\theta) \in \operatorname*{argmin}_{\mathbf f \in T_{f_X(\theta)}} \mathrm{dist}(\mathbf f, \mathbf y)",
    assumes={k: ASSUMES[k] for k in ("A2", "convex l", "critical")},
)
@printed(HOLDS, critical | critical_hinge | critical_entropy, examples=80)
@drop(
    "A2",
    HOLDS,
    critical_without_a2(),
    examples=60,
    note="the affine T through f_X(theta) needs no Assumption 2; only that it is the span does",
)
@drop("convex l", REFUTED, few_linear, conclude=critical_only(beats_tried_models))
@drop("critical", REFUTED, anywhere, conclude=minimises_over_tangent_plane)
@mutant(
    "the only minimiser",
    critical_networks(unlabelled(cross_entropy, families=("biases",), activations=ROUGH)),
    conclude=critical_only(no_other_minimiser),
)
@mutant(
    "dist(y, y) = 0",
    critical_entropy,
    conclude=lambda net: decide_equal(total_loss(net, net.Y), fmpq(0), named=("dist(y, y)", "0")),
    note="the loss induces no metric",
)
@mutant(
    "over the whole output space",
    critical,
    conclude=critical_only(lambda net: attains_infimum(net, identity(net.J.nrows()))),
)
def test_critical_points_minimise_the_distance_in_their_tangent_plane(net: Network) -> Verdict:
    """At a critical point the outputs are the nearest to the targets in the tangent plane."""
    return critical_only(minimises_over_tangent_plane)(net)


# --- Example 1 ---------------------------------------------------------------------------------------

LINEAR = ("linear in parameters",)


def is_its_own_model(model: InducedModel) -> Verdict:
    """f_θ(·; α) = f(·; α), and a critical θ has the least loss of all."""
    net = model.net
    there = net.outputs_at(model.alpha)
    same = decide(model.outputs() == there, why="f_θ(x; α) is not f(x; α).")
    below = decide_at_most(loss(net), total_loss(net, there), named=("L(θ)", "L(α)"))
    return all_of(same, at_critical_point(net, all_of(attains_model(net), below)))


def attains_its_infimum(net: Network) -> Verdict:
    """Some θ' has L(θ') = inf L."""
    found = enclose_infimum(net.J, net.Y, net.loss, net.measure)
    return decide(found.attained, why="The samples are separable: the loss falls for ever along a direction.")


@claim(
    "KHK19b/ex1",
    paper=KHK19B,
    where="Example 1, Section 3.2.2",
    says=r"f(x; \theta) = \sum_k \theta_k \phi(x)_k \;\Rightarrow\; f_\theta(x; \alpha) = f(x; \alpha),\ \text{every critical point is a global minimum}",
    assumes={
        "fixed features": r"\phi \text{ does not depend on } \theta",
        "critical": ASSUMES["critical"],
        "convex l": ASSUMES["convex l"],
    },
)
@printed(
    HOLDS,
    with_coefficients(
        critical_networks(unlabelled(families=LINEAR, samples=(2, 6)))
        | critical_networks(unlabelled(smoothed_hinge, families=LINEAR, samples=(2, 6)))
        | critical_networks(unlabelled(cross_entropy, families=LINEAR, samples=(2, 6)))
    ),
    examples=80,
    reaches={"dependent features": lambda model: model.net.J.rank() < model.net.J.ncols()},
)
@drop(
    "fixed features",
    REFUTED,
    with_coefficients(critical_networks(unlabelled(families=("one hidden layer",)))),
)
@drop(
    "critical",
    REFUTED,
    networks(computations(LINEAR), samples=(1, 3)),
    conclude=lambda net: attains_infimum(net, net.J),
)
@drop("convex l", REFUTED, few_linear, conclude=critical_only(beats_tried_models))
@mutant(
    "a global minimum exists",
    networks(computations(LINEAR, d_y=1), samples=(1, 3), loss=logistic),
    conclude=attains_its_infimum,
    note="the paper claims no such thing, rightly: separable data",
)
@mutant(
    "one critical point",
    critical_networks(unlabelled(families=LINEAR)),
    conclude=critical_only(
        lambda net: decide(
            net.J.rank() == net.J.ncols(), why="A null vector of J leaves every output as it is."
        )
    ),
)
def test_models_linear_in_their_parameters_are_their_own_model(model: InducedModel) -> Verdict:
    """A model with fixed features is its own gradient basis model: every critical point is a global minimum."""
    return is_its_own_model(model)


# --- Example 2 and its footnote ------------------------------------------------------------------------


def epsilon_of(net: Network) -> fmpq:
    """ε of the first row [x_1ᵀ, ε − 1] of the first layer."""
    return net.theta[net.X.ncols() - 1, 0] + 1


def first_layer(net: Network) -> fmpq_mat:
    """W⁽¹⁾, n × (d + 1)."""
    n, d = net.computation.widths[1], net.X.ncols()
    return fmpq_mat(n, d, net.theta.entries()[: n * d])


def has_prescribed_inputs(net: Network, *, separated: bool = True, normalised: bool = True) -> bool:
    """|x_i| = 1, and 0 < ε <= δ with x_iᵀ x_j < 1 − δ for i ≠ j and some δ (or just ε > 0)."""
    raw, epsilon = raw_inputs(net), epsilon_of(net)
    unit = not normalised or all(sum(e * e for e in row) == 1 for row in raw.table())
    return unit and epsilon > 0 and (not separated or epsilon < separation(raw))


def each_unit_has_its_sample(net: Network, *, strictly: int = 0, units: bool = False) -> Verdict:
    """(W⁽¹⁾ x_i)_i > ``strictly`` and (W⁽¹⁾ x_i)_j <= 0 for j ≠ i, j <= m (or all ``units``)."""
    m = net.X.nrows()
    table = (first_layer(net) * net.X.transpose()).table()
    for j, row in enumerate(table if units else table[:m]):
        for i, t in enumerate(row):
            if (t <= strictly) if i == j else t > 0:
                return decide(False, why=f"Unit {j} has the pre-activation {t} at sample {i}.")
    return decide(True, why="")


def has_rank_m(net: Network, rank: int | None = None) -> Verdict:
    """rank[φ(x_i; u)] >= m."""
    found, wanted = features(net).rank(), net.X.nrows() if rank is None else rank
    return decide_at_most(fmpq(wanted), fmpq(found), named=("m", "rank φ"))


def where_prescribed(conclude: Callable[[Network], Verdict], **premise: bool) -> Callable[[Network], Verdict]:
    """``conclude`` where inputs and ε are as in the footnote."""
    return lambda net: (
        conclude(net)
        if has_prescribed_inputs(net, **premise)
        else vacuous("inputs or ε are not as prescribed")
    )


FOOTNOTE = {
    "normalised": r"\lVert x_i^{\mathrm{raw}} \rVert_2 = 1",
    "distinct": r"(x_i^{\mathrm{raw}})^\top x_{i'}^{\mathrm{raw}} < 1 - \delta \quad (i \ne i')",
    "epsilon": r"0 < \epsilon \le \delta",
    "n >= m": r"n \ge m",
}
FOOTNOTE_CLASSES = {
    "one sample": lambda net: net.X.nrows() == 1,
    "three samples": lambda net: net.X.nrows() == 3,
    "more units than samples": lambda net: net.computation.widths[1] > net.X.nrows(),
    "opposite inputs": lambda net: any(
        e == -1 for e in (raw_inputs(net) * raw_inputs(net).transpose()).entries()
    ),
}
prescribed = overparameterised_networks()
shallow = overparameterised_networks(hidden=(1, 1))


@claim(
    "KHK19b/footnote1-activity",
    paper=KHK19B,
    where="Footnote 1, Section 3.2.2, first half",
    says=r"W^{(1)}_{i,:} = [(x_i^{\mathrm{raw}})^\top, \epsilon - 1] \;\Rightarrow\; (W^{(1)} x_i)_i > 0,\ (W^{(1)} x_i)_{i'} \le 0 \quad (i' \ne i)",
    assumes=FOOTNOTE,
)
@printed(
    HOLDS,
    shallow,
    reaches=FOOTNOTE_CLASSES,
    note="for the units i <= m; the values are exactly epsilon and less than epsilon - delta",
)
@drop(
    "normalised",
    REFUTED,
    overparameterised_networks(kind="any", hidden=(1, 1)),
    conclude=where_prescribed(each_unit_has_its_sample, normalised=False),
)
@drop(
    "distinct",
    REFUTED,
    overparameterised_networks(kind="repeated", hidden=(1, 1), samples=(2, 3)),
    conclude=where_prescribed(each_unit_has_its_sample, separated=False),
)
@drop(
    "epsilon",
    REFUTED,
    overparameterised_networks(epsilon="double", hidden=(1, 1), samples=(2, 3)),
    conclude=where_prescribed(each_unit_has_its_sample, separated=False),
    says=r"\epsilon \le 2\delta",
    note="the rank survives in all that was drawn, the pattern does not",
)
@mutant(
    "the units beyond m are silent",
    shallow,
    conclude=where_prescribed(lambda net: each_unit_has_its_sample(net, units=True)),
)
@mutant(
    "(W x_i)_i > 1",
    shallow,
    conclude=where_prescribed(lambda net: each_unit_has_its_sample(net, strictly=1)),
)
def test_footnote_1_makes_each_unit_active_for_its_sample(net: Network) -> Verdict:
    """With rows [x_i, ε − 1] the i-th unit of the first layer is active at sample i alone."""
    return where_prescribed(each_unit_has_its_sample)(net)


@claim(
    "KHK19b/footnote1",
    paper=KHK19B,
    where="Footnote 1, Section 3.2.2, second half",
    says=r"W^{(l)}_{j,j} \ne 0,\ W^{(l)}_{j',j} = 0\ (j' \ne j,\ l \ge 2) \;\Rightarrow\; \mathrm{rank}[\phi(x_i; u)]_{i=1}^m \ge m",
    assumes=FOOTNOTE,
)
@printed(
    REFUTED,
    overparameterised_networks(diagonal="nonzero"),
    recheck=rank_is_below_the_number_of_samples,
    note="a negative diagonal entry ends what its unit has to say: W_jj > 0 is meant",
)
@repaired(
    r"W^{(l)}_{j,j} > 0 \;\Rightarrow\; \mathrm{rank}[\phi(x_i; u)]_{i=1}^m \ge m",
    prescribed,
    reaches=FOOTNOTE_CLASSES | {"three hidden layers": lambda net: len(net.computation.layers) == 4},
)
@drop(
    "normalised",
    REFUTED,
    overparameterised_networks(kind="any", hidden=(1, 2)),
    conclude=where_prescribed(has_rank_m, normalised=False),
)
@drop(
    "distinct",
    REFUTED,
    overparameterised_networks(kind="repeated", samples=(2, 3), hidden=(1, 2)),
    conclude=where_prescribed(has_rank_m, separated=False),
)
@drop("n >= m", REFUTED, overparameterised_networks(extra=(-1, -1), samples=(2, 3)))
@drop(
    "epsilon",
    REFUTED,
    overparameterised_networks(epsilon="two", samples=(4, 5), dimension=(2, 2), extra=(0, 0), hidden=(1, 2)),
    conclude=where_prescribed(has_rank_m, separated=False),
    says=r"\epsilon = 2",
    note="then no unit is ever off, and the rank is at most d + 1",
)
@mutant("one W_jj = 0", overparameterised_networks(diagonal="one zero", hidden=(2, 3), extra=(0, 0)))
@mutant(
    "rank > m",
    prescribed,
    conclude=where_prescribed(lambda net: has_rank_m(net, net.X.nrows() + 1)),
)
def test_footnote_1_guarantees_full_rank(net: Network) -> Verdict:
    """Diagonal deeper layers with entries other than 0 keep the rank of the last hidden layer at m."""
    return where_prescribed(has_rank_m)(net)


def reaches_any_outputs(net: Network, *, rank: int | None = 0) -> Verdict:
    """With this u: inf_α L_θ, θ = vec W, is that over all outputs, and a critical W attains it.

    Vacuous where rank φ < m − ``rank`` (None: nowhere).
    """
    phi = features(net)
    if rank is not None and phi.rank() < net.X.nrows() - rank:
        return vacuous("φ has no such rank")
    basis, everything = linear_features(phi, net.Y.ncols()), identity(net.X.nrows() * net.Y.ncols())
    slopes = product(basis.transpose(), output_slopes(net))
    found = []
    if net.loss is not cross_entropy:
        pair = basis_infimum(net, basis), basis_infimum(net, everything)
        found.append(decide_equal(*pair, named=("inf L_θ", "inf over all outputs")))
    if not any(slopes.entries()):
        found.append(attains_infimum(net, everything, ("L", "inf over all outputs")))
    return all_of(*found)


def critical_in_the_last_layer(nets: st.SearchStrategy[Network]) -> st.SearchStrategy[Network]:
    """Networks with ∂_W L = 0 and slopes that are not all 0."""
    return critical_networks(nets, against=lambda net: linear_features(features(net), net.Y.ncols()))


@claim(
    "KHK19b/ex2",
    paper=KHK19B,
    where="Example 2, Section 3.2.2, last sentence",
    says=r"\mathrm{rank}[\phi(x_i; u)] \ge m \;\Rightarrow\; \text{every critical } \theta = \mathrm{vec}\,W \text{ is a global minimum over } (\theta, u):\ \inf_\alpha L_\theta(\alpha) = \inf_{f_1,\dots,f_m} \sum_i \lambda_i \ell(f_i, y_i)",
    assumes={"n >= m": FOOTNOTE["n >= m"], "rank": r"\mathrm{rank}[\phi(x_i; u)]_{i=1}^m \ge m"},
)
@printed(
    HOLDS,
    overparameterised_networks(d_y=2)
    | overparameterised_networks(fitted=True)
    | overparameterised_networks(fitted=True, loss=smoothed_hinge)
    | overparameterised_networks(fitted=True, loss=cross_entropy, d_y=2),
    examples=80,
    reaches={
        "critical in W": lambda net: not any(output_slopes(net).entries()),
        "not critical in W": lambda net: any(output_slopes(net).entries()),
        "three hidden layers": lambda net: len(net.computation.layers) == 4,
    },
)
@drop(
    "n >= m",
    REFUTED,
    critical_in_the_last_layer(overparameterised_networks(extra=(-1, -1), samples=(2, 3))),
    conclude=lambda net: reaches_any_outputs(net, rank=None),
)
@drop(
    "rank",
    REFUTED,
    critical_in_the_last_layer(deep_relu_networks(samples=(1, 3))),
    conclude=lambda net: reaches_any_outputs(net, rank=None),
    says=r"\text{for any } u",
)
@mutant(
    "rank m - 1 suffices",
    overparameterised_networks(diagonal="one zero", hidden=(2, 2), extra=(0, 0)),
    conclude=lambda net: reaches_any_outputs(net, rank=1),
)
@mutant(
    "repeated inputs",
    overparameterised_networks(kind="repeated", samples=(2, 3), hidden=(1, 2)),
    conclude=lambda net: reaches_any_outputs(net, rank=None),
)
def test_full_rank_last_layers_make_critical_points_global(net: Network) -> Verdict:
    """With u such that the last hidden layer has rank m, every critical point in the last weights is global."""
    return reaches_any_outputs(net)


def is_no_worse_than_an_interpolation(net: Network) -> Verdict:
    """L(θ) <= L at the interpolating weights of the footnote, which have the least loss there is."""
    return decide_at_most(loss(net), loss(interpolating(net)), named=("L", "L at other parameters"))


def at_flat_minimum(net: Network) -> Verdict:
    """The sentence where every output is zero in a whole neighbourhood: a differentiable local minimum."""
    if not all(net.outputs.silent):
        return vacuous("the network is not dead")
    return is_no_worse_than_an_interpolation(net)


def where_last_layer_is_critical(net: Network) -> Verdict:
    """The sentence where ∂_W L = 0 and rank φ = m."""
    phi = features(net)
    basis = linear_features(phi, net.Y.ncols())
    if phi.rank() < net.X.nrows() or any((basis.transpose() * output_slopes(net)).entries()):
        return vacuous("φ has no such rank, or W is not critical")
    return is_no_worse_than_an_interpolation(net)


wide_and_critical = critical_networks(deep_relu_networks())


@claim(
    "KHK19b/ex2-opening",
    paper=KHK19B,
    where="Example 2, Section 3.2.2, first sentence",
    says=r"\text{every critical point (and every local minimum) of a sufficiently overparameterized network is a global minimum}",
    assumes={"n >= m": FOOTNOTE["n >= m"]},
)
@printed(
    REFUTED,
    wide_and_critical | overparameterised_networks(fitted=True),
    recheck=dead_network_is_stuck,
    note="in all weights together: a dead ReLU network is a differentiable local minimum, however wide",
)
@repaired(
    r"\text{every critical } \theta = \mathrm{vec}\,W \text{ with } u \text{ such that } \mathrm{rank}[\phi(x_i; u)] \ge m",
    overparameterised_networks(fitted=True) | overparameterised_networks(fitted=True, extra=(1, 2)),
    conclude=where_last_layer_is_critical,
    examples=60,
    note="in W alone: for m, H >= 2 such a u is a kink of the network in (W, u), by the zeros of its diagonals",
)
@mutant("every local minimum", wide_and_critical, conclude=at_flat_minimum)
@mutant(
    "every critical point that is not dead",
    critical_networks(deep_relu_networks(samples=(2, 2))),
    conclude=critical_only(
        lambda net: is_no_worse_than_an_interpolation(net) if any(net.J.entries()) else vacuous("J = 0")
    ),
)
@mutant(
    "with twice as many units",
    critical_networks(deep_relu_networks(extra=(2, 2))),
    conclude=critical_only(is_no_worse_than_an_interpolation),
)
def test_overparameterised_networks_have_only_global_minima(net: Network) -> Verdict:
    """Every critical point, and every local minimum, of an overparameterised network is a global minimum."""
    return critical_only(is_no_worse_than_an_interpolation)(net)


# --- Example 3 ---------------------------------------------------------------------------------------


@cache
def _with_skips(d_x: int, width: int, d_y: int, sigma: str, skips: tuple[int, ...]) -> Computation:
    """Σ_{l ∈ skips} W^(l+1) h^(l), h^(l) = σ(U^(l) h^(l−1)); the last of ``skips`` is the number of layers."""
    h = inputs(d_x)
    linked = []
    for layer in range(1, skips[-1] + 1):
        h = apply(sigma, weight(width, h.width) @ h)
        if layer in skips:
            linked.append(weight(d_y, width) @ h)
    return computation(reduce(add, linked))


@st.composite
def skip_computations(
    draw: st.DrawFn,
    activations: tuple[str, ...] = ("linear", "relu", "quadratic", "cube", "abs"),
    skips: tuple[tuple[int, ...], ...] = ((1,), (1, 2), (2,), (1, 2, 3), (2, 3), (1, 3), (3,)),
    largest: int = 2,
) -> Computation:
    """Networks of up to three hidden layers, any of which have weights to the output; the last one has."""
    dimension = between(1, largest)
    sizes = draw(dimension), draw(dimension), draw(dimension)
    return _with_skips(*sizes, draw(among(*activations)), draw(among(*skips)))


def representations(net: Network) -> tuple[list[fmpq_mat], list[fmpq_mat]]:
    """(h^(l)) for l with weights to the output, and for the others, each m × d_l."""
    linked = {step.source for step in net.computation.readout}
    found: tuple[list[fmpq_mat], list[fmpq_mat]] = ([], [])
    for number, step in enumerate(net.computation.steps, 1):
        if isinstance(step, Activate):
            found[number not in linked].append(net.stages[number].value.transpose())
    return found


def attains_skip_model(net: Network) -> Verdict:
    """L(θ) = inf L_θ^(skip), and it is at most the least loss on each representation with a skip."""
    d = net.Y.ncols()
    blocks = [linear_features(h, d) for h in representations(net)[0]]
    hidden = columns(net.J, hidden_parameters(net.computation))
    whole = attains_infimum(net, hstack(*blocks, hidden), ("L", "inf L_θ^(skip)"))
    return all_of(whole, *(is_no_better(net, block, ("L", "inf over h^(l)")) for block in blocks))


def last_alone(net: Network) -> Verdict:
    """L = inf over A h^(H)."""
    return attains_infimum(net, linear_features(representations(net)[0][-1], net.Y.ncols()))


def others_as_well(net: Network) -> Verdict:
    """L is at most the least loss on each representation without a skip."""
    left = representations(net)[1]
    if not left:
        return vacuous("every hidden layer has a skip")
    return all_of(*(is_no_better(net, linear_features(h, net.Y.ncols())) for h in left))


def with_skips(loss: Loss = squared, **options: Any) -> st.SearchStrategy[Network]:
    """Unlabelled networks with skips."""
    return networks(
        skip_computations(**options),
        samples=(2, 4),
        labels="none",
        loss=loss,
        degenerate=True,
        parameters=integers(1),
    )


SKIPS = {"two skips": lambda net: len(net.computation.readout) >= 2}


@claim(
    "KHK19b/ex3",
    paper=KHK19B,
    where="Example 3, Section 3.2.2",
    says=r"f = \sum_{l \in \mathcal I} W^{(l+1)} h^{(l)} \;\Rightarrow\; L(\theta) = \inf_\alpha L^{(\mathrm{skip})}_\theta(\alpha) \le \inf_A \sum_i \lambda_i \ell_{y_i}(A h^{(l)}(x_i; u)) \quad (l \in \mathcal I)",
    assumes={
        "critical": ASSUMES["critical"],
        "convex l": ASSUMES["convex l"],
        "l in I": r"l \in \mathcal I^{(\mathrm{skip})}",
    },
)
@printed(
    HOLDS,
    critical_networks(with_skips()) | critical_networks(with_skips(smoothed_hinge)),
    examples=70,
    reaches=SKIPS | {"three hidden layers": lambda net: sum(map(len, representations(net))) == 3},
)
@drop("critical", REFUTED, networks(skip_computations(), samples=(1, 3)), conclude=attains_skip_model)
@drop(
    "l in I",
    REFUTED,
    critical_networks(with_skips(skips=((2,), (1, 3), (2, 3), (3,)))),
    conclude=critical_only(others_as_well),
    note="a representation without weights to the output may fit better",
)
@mutant(
    "L = inf over h^(H) alone",
    critical_networks(with_skips(skips=((1, 2), (1, 2, 3)))),
    conclude=critical_only(last_alone),
)
@mutant(
    "L = inf over all outputs",
    critical_networks(with_skips()),
    conclude=critical_only(lambda net: attains_infimum(net, identity(net.J.nrows()))),
)
def test_skip_connections_make_their_representations_count(net: Network) -> Verdict:
    """A critical point is as good as linear models on every representation that has a skip to the output."""
    return critical_only(attains_skip_model)(net)


def is_reproduced(net: Network, which: list[int]) -> Verdict:
    """f = Σ θ_k ∂_k f over the parameters ``which``."""
    theta = fmpq_mat(len(which), 1, [net.theta[k, 0] for k in which])
    made = columns(net.J, which) * theta
    return decide(made == vector(net.H), why="The derivatives times the weights do not add up to f.")


def last_parameters(net: Network) -> list[int]:
    """Those of W^(H+1)."""
    return sorted(max(net.computation.readout, key=lambda step: step.source).parameters)


@claim(
    "KHK19b/ex3-reason",
    paper=KHK19B,
    where="Example 3, Section 3.2.2, its reason",
    says=r"f(x; \theta) = (\partial_{\mathrm{vec}(W^{(H+1)})} f(x; \theta))\, \mathrm{vec}(W^{(H+1)})",
)
@printed(
    REFUTED,
    networks(skip_computations(largest=1), samples=(1, 2)),
    recheck=last_layer_misses_the_other_skips,
    note="true without skips only; Assumption 2 holds all the same, with all W^(l+1) in g",
)
@repaired(
    r"f(x; \theta) = \sum_{l \in \mathcal I} (\partial_{\mathrm{vec}(W^{(l+1)})} f(x; \theta))\, \mathrm{vec}(W^{(l+1)})",
    networks(skip_computations(), samples=(1, 2)),
    conclude=lambda net: is_reproduced(net, net.computation.readout_parameters),
    examples=60,
    reaches=SKIPS,
)
@mutant(
    "all parameters",
    networks(skip_computations(), samples=(1, 2)),
    conclude=lambda net: is_reproduced(net, list(range(net.computation.parameters))),
)
@mutant(
    "the hidden weights alone",
    networks(skip_computations(activations=BENT), samples=(1, 2)),
    conclude=lambda net: is_reproduced(net, hidden_parameters(net.computation)),
)
def test_the_last_weights_alone_give_assumption_2(net: Network) -> Verdict:
    """With skip connections f is the derivative by the last weights times these weights."""
    return is_reproduced(net, last_parameters(net))
