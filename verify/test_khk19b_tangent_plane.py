"""Kawaguchi, Huang & Kaelbling (2019), Section 3.2.1: the geometry of Theorem 1.

The tangent plane T at f_X(θ) is the span of the ∂_k f_X(θ) (equation 3.1), and at a critical point f_X(θ) is
the nearest of its points to the labels.
"""

from dataclasses import replace

from flint import fmpq, fmpq_mat

from strategies.feedforward import Network
from strategies.losses import cross_entropy, squared
from strategies.matrices import columns, identity
from strategies.stationary import computations, critical_networks, networks
from verify import HOLDS, REFUTED, Verdict, claim, decide, decide_equal, drop, mutant, printed
from verify.khk19b import (
    ASSUMES,
    BENT,
    ROUGH,
    anywhere,
    beats_tried_models,
    critical,
    critical_entropy,
    critical_hinge,
    critical_only,
    critical_without_a2,
    few_linear,
    hidden_parameters,
    shifted,
    unlabelled,
    without_output_layer,
)
from verify.oracles.feedforward import loss, total_loss, vector
from verify.oracles.induced import attains_infimum, basis_infimum, lies_in
from verify.papers import KHK19B
from verify.rechecks.gradient_models import (
    critical_point_has_a_better_model,
    value_exceeds_that_of_other_outputs,
)
from verify.rechecks.khk19b_tangent_plane import (
    another_point_is_as_near,
    derivatives_are_deficient,
    label_is_away_from_itself,
    outputs_leave_the_inner_span,
    outputs_leave_the_span,
    outputs_leave_the_span_elsewhere,
    tangent_plane_comes_nearer,
)


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
@drop(
    "A2",
    REFUTED,
    networks(without_output_layer, samples=(1, 3)),
    recheck=outputs_leave_the_span,
)
@mutant(
    "the span of the derivatives by u",
    networks(computations(activations=BENT), samples=(1, 3)),
    conclude=lambda net: lies_in_span(net, columns(net.J, hidden_parameters(net.computation))),
    recheck=outputs_leave_the_inner_span,
)
@mutant(
    "the span of the derivatives at another theta",
    networks(computations(("one hidden layer", "two hidden layers"), ("quadratic",), d_y=1), samples=(3, 5)),
    conclude=lambda net: lies_in_span(net, shifted(net).J),
    recheck=outputs_leave_the_span_elsewhere,
)
@mutant(
    "T has dimension min(n, m d_y)",
    anywhere,
    conclude=lambda net: decide(
        net.J.rank() == min(net.J.nrows(), net.J.ncols()), why="The derivatives are linearly dependent."
    ),
    recheck=derivatives_are_deficient,
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
@drop(
    "convex l",
    REFUTED,
    few_linear,
    conclude=critical_only(beats_tried_models),
    recheck=critical_point_has_a_better_model,
)
@drop(
    "critical",
    REFUTED,
    anywhere,
    conclude=minimises_over_tangent_plane,
    recheck=tangent_plane_comes_nearer,
)
@mutant(
    "the only minimiser",
    critical_networks(unlabelled(cross_entropy, families=("biases",), activations=ROUGH)),
    conclude=critical_only(no_other_minimiser),
    recheck=another_point_is_as_near,
)
@mutant(
    "dist(y, y) = 0",
    critical_entropy,
    conclude=lambda net: decide_equal(total_loss(net, net.Y), fmpq(0), named=("dist(y, y)", "0")),
    recheck=label_is_away_from_itself,
    note="the loss induces no metric",
)
@mutant(
    "over the whole output space",
    critical,
    conclude=critical_only(lambda net: attains_infimum(net, identity(net.J.nrows()))),
    recheck=value_exceeds_that_of_other_outputs,
)
def test_critical_points_minimise_the_distance_in_their_tangent_plane(net: Network) -> Verdict:
    """At a critical point the outputs are the nearest to the targets in the tangent plane."""
    return critical_only(minimises_over_tangent_plane)(net)
