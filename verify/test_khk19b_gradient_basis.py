"""Kawaguchi, Huang & Kaelbling (2019), Section 3.2 and Appendix A.1: Theorem 1, its proof, and its converse.

L_θ(α) = G(∂f_X(θ) α) is convex; Theorem 1 says that a differentiable critical point is as good as its best.
Everything rests on the output slopes p = ∇G(f_X(θ)): ∇L = Jᵀ p, and f_X(θ) ∈ range J under Assumption 2.
"""

from dataclasses import replace
from functools import cache, partial
from typing import Any

from flint import fmpq, fmpq_mat
from hypothesis import reject
from hypothesis import strategies as st

from strategies.feedforward import AtKink, Computation, Network, apply, computation, inputs, weight
from strategies.instance import instance
from strategies.losses import absolute, cross_entropy
from strategies.matrices import columns, hstack, identity, matrices, null_space
from strategies.numbers import among, between, integers
from strategies.stationary import computations, critical_networks, networks
from verify import (
    HOLDS,
    REFUTED,
    Verdict,
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
from verify.khk19b import (
    ASSUMES,
    BENT,
    InducedModel,
    anywhere,
    anywhere_entropy,
    anywhere_hinge,
    attains_model,
    beats_tried_models,
    critical,
    critical_entropy,
    critical_hinge,
    critical_only,
    critical_without_a2,
    few_linear,
    hidden_parameters,
    shifted,
    tied,
    unlabelled,
    with_coefficients,
)
from verify.oracles.exact import negative_direction
from verify.oracles.feedforward import gradient, is_critical, loss, output_slopes, product, total_loss, vector
from verify.oracles.induced import attains_infimum, basis_infimum, is_no_better
from verify.oracles.minima import at_critical_point, at_local_minimum, find_descent
from verify.papers import KHK19B
from verify.rechecks.gradient_models import (
    best_coefficients_are_many,
    critical_point_has_a_better_model,
    value_exceeds_that_of_other_outputs,
    value_is_another,
)
from verify.rechecks.khk19b_gradient_basis import (
    critical_point_is_no_minimum,
    critical_value_exceeds_the_models,
    critical_value_is_another,
    critical_value_is_below_the_models,
    criticality_and_value_disagree,
    gap_exceeds_its_bound,
    loss_at_alpha_is_below_the_bound,
    minimum_exceeds_the_models,
    model_is_better,
    signed_model_is_unbounded,
    small_gradient_says_nothing,
    stationary_value_is_another,
    unweighted_value_is_another,
    value_is_another_elsewhere,
    value_is_another_without_the_last_layer,
    well_has_a_better_model,
)

# --- where an assumption fails -----------------------------------------------------------------------


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


# --- Theorem 1 ---------------------------------------------------------------------------------------

bent = critical_networks(
    unlabelled(families=("one hidden layer", "two hidden layers", "biases"), activations=BENT)
)


def unweighted(net: Network) -> Verdict:
    """All λ_i = 1 on both sides, at a critical point of the weighted loss."""
    m = net.X.nrows()
    return attains_infimum(replace(net, weights=fmpq_mat(1, m, [1] * m)), net.J)


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
@drop("A2", REFUTED, critical_without_a2(), recheck=critical_value_is_another)
@drop(
    "A2: L > inf",
    REFUTED,
    critical_without_a2(few=True),
    conclude=critical_only(lambda net: is_no_better(net, net.J)),
    recheck=critical_value_exceeds_the_models,
    says=r"L(\theta) \le \inf_\alpha L_\theta(\alpha)",
)
@drop(
    "A2: L < inf",
    REFUTED,
    critical_without_a2(),
    conclude=critical_only(
        lambda net: decide_at_most(basis_infimum(net, net.J), loss(net), named=("inf L_θ", "L"))
    ),
    recheck=critical_value_is_below_the_models,
    says=r"L(\theta) \ge \inf_\alpha L_\theta(\alpha)",
)
@drop(
    "A2: tied local minimum",
    REFUTED,
    critical_networks(networks(tied(), samples=(2, 3), labels="none"), scale=(-3, 0)),
    conclude=lambda net: at_local_minimum(net, is_no_better(net, net.J)),
    recheck=minimum_exceeds_the_models,
    note="w s(w x) with s(q) = q + q^2: even certified strict local minima are worse than their models",
)
@drop(
    "convex l",
    REFUTED,
    few_linear,
    conclude=lambda net: at_local_minimum(net, beats_tried_models(net)),
    recheck=well_has_a_better_model,
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
    recheck=stationary_value_is_another,
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
@drop("critical", REFUTED, anywhere, conclude=attains_model, recheck=value_is_another)
@drop(
    "positive weights",
    REFUTED,
    signed_critical_networks(),
    conclude=attains_signed_model,
    recheck=signed_model_is_unbounded,
    note="some lambda_i < 0: L_theta is unbounded below at a critical point",
)
@mutant(
    "the basis at another theta",
    bent,
    conclude=critical_only(lambda net: attains_infimum(net, shifted(net).J)),
    recheck=value_is_another_elsewhere,
)
@mutant(
    "without the last layer's derivatives",
    bent | critical_networks(unlabelled(families=("biases",), activations=("relu", "quadratic"))),
    conclude=critical_only(
        lambda net: attains_infimum(net, columns(net.J, hidden_parameters(net.computation)))
    ),
    recheck=value_is_another_without_the_last_layer,
    note="true for homogeneous activations without biases, by Euler's identity: bent ones tell",
)
@mutant(
    "lambda_i = 1 on the right",
    critical,
    conclude=critical_only(unweighted),
    recheck=unweighted_value_is_another,
)
@mutant(
    "the optimal alpha is unique",
    critical,
    conclude=critical_only(
        lambda net: decide(net.J.rank() == net.J.ncols(), why="J has a null vector: alpha may move along it.")
    ),
    recheck=best_coefficients_are_many,
)
@mutant(
    "at most the loss of any outputs",
    critical,
    conclude=critical_only(lambda net: attains_infimum(net, identity(net.J.nrows()))),
    recheck=value_exceeds_that_of_other_outputs,
    note="critical points are not global minima",
)
def test_critical_points_are_optimal_in_their_gradient_basis(net: Network) -> Verdict:
    """At every differentiable critical point L has the globally optimal value of the gradient basis model."""
    return critical_only(attains_model)(net)


# --- its proof, and its converse ---------------------------------------------------------------------


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
    recheck=loss_at_alpha_is_below_the_bound,
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
    recheck=partial(gap_exceeds_its_bound, g="(W, 0)"),
)
@mutant(
    "g = theta",
    with_coefficients(anywhere),
    conclude=lambda model: bounded_gap(model, model.net.theta),
    recheck=partial(gap_exceeds_its_bound, g="θ"),
)
@mutant(
    "no gap at any theta",
    with_coefficients(anywhere),
    conclude=lambda model: decide_at_most(
        loss(model.net), total_loss(model.net, model.outputs()), named=("L", "L_θ(α)")
    ),
    recheck=model_is_better,
)
@mutant(
    "half the gradient",
    with_coefficients(anywhere),
    conclude=lambda model: bounded_gap(model, (readout_coefficients(model.net) + model.alpha) / 2),
    recheck=partial(gap_exceeds_its_bound, g="((W, 0) + α) / 2"),
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
@drop("A2", REFUTED, critical_without_a2(), recheck=criticality_and_value_disagree)
@drop(
    "convex l",
    REFUTED,
    few_linear,
    conclude=lambda net: at_critical_point(net, beats_tried_models(net)),
    recheck=critical_point_has_a_better_model,
)
@mutant(
    "a small gradient suffices",
    tiny,
    conclude=nearly_attains,
    recheck=small_gradient_says_nothing,
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
    recheck=critical_point_is_no_minimum,
)
def test_exactly_the_critical_points_are_optimal_in_their_basis(net: Network) -> Verdict:
    """A differentiable point is critical if and only if it is as good as its gradient basis model."""
    return attains_model_iff_critical(net)
