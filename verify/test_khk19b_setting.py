"""Kawaguchi, Huang & Kaelbling (2019), Sections 3.1 and 3.2.1: the assumptions, Lemma 2, and the geometry of f_X.

Ω is where some f_{x_i} is not differentiable, Ω̃ ⊇ Ω its closure. They differ exactly at ties that the
weights above them hide, as in w₂ relu(w₁ x) at 0: there f_X is differentiable, and neither C¹ nor analytic
nearby. Not here: that Ω̃ has measure zero (true: f is semialgebraic; no instance could refute it), and the
stratification of f_X(U), which is not a question about instances.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from flint import arb, ctx, fmpq, fmpq_mat, fmpq_poly
from hypothesis import strategies as st

from strategies.feedforward import (
    Affine,
    Computation,
    Network,
    apply,
    computation,
    frozen,
    inputs,
    weight,
)
from strategies.instance import instance
from strategies.kinked import (
    Approach,
    approaches,
    approaches_along_ties,
    cancelling_networks,
    plain_computations,
    pooled_computations,
    tied_networks,
)
from strategies.losses import absolute, cross_entropy, smoothed_hinge, squared
from strategies.matrices import hstack, matrices
from strategies.numbers import among, between, integers
from strategies.stationary import computations, critical_networks, networks
from verify import (
    HOLDS,
    REFUTED,
    Verdict,
    all_of,
    claim,
    decide,
    decide_at_most,
    decide_less,
    drop,
    inconclusive,
    mutant,
    printed,
    repaired,
    vacuous,
)
from verify.oracles.feedforward import is_critical, loss, output_slopes, total_loss, vector
from verify.oracles.induced import lies_in
from verify.oracles.kinks import (
    NEAR,
    degree_along,
    derivative,
    find_nearby,
    is_differentiable,
    is_off_kinks,
    is_polynomial_along,
    is_stationary,
    keeps_rank_near,
    one_sided_derivative,
    slope_at_zero,
    ties,
)
from verify.papers import KHK19B
from verify.rechecks.khk19b_setting import (
    assumption_1_fails,
    bends_along_the_line,
    combination_is_not_the_output,
    curve_crosses_itself,
    f_is_not_differentiable,
    gradient_is_not_zero,
    image_ends_at_a_fold,
    image_is_no_graph,
    is_a_hidden_kink,
    is_differentiable_yet_not_analytic,
    is_not_analytic_along_the_line,
    loss_is_below_half_the_label,
    loss_is_not_convex,
    loss_is_not_strictly_convex,
    outputs_are_not_spanned,
    point_of_omega_is_a_limit_of_others,
    rank_changes_along_the_line,
    rank_drops_along_the_line,
    rank_is_higher_nearby,
    right_derivatives_do_not_vanish,
    right_slopes_do_not_vanish,
    second_derivative_jumps,
    slopes_are_not_orthogonal_to_outputs,
    summand_does_not_vanish,
    tie_is_not_in_omega,
    tie_is_not_in_the_closure,
    without_weights_it_does_not_vanish,
)

PLAIN = ("relu", "leaky relu", "abs")


def _squared_relu() -> Computation:
    hidden = apply("relu", weight(1, 1) @ inputs(1))
    return computation(weight(1, 1) @ (hidden * hidden))


# --- Ω and its closure -------------------------------------------------------------------------------

tied = tied_networks(plain_computations() | pooled_computations())
hidden_kinks = tied | cancelling_networks()


def is_not_differentiable(net: Network) -> bool | None:
    """θ ∈ Ω."""
    found = is_differentiable(net)
    return None if found is None else not found


def omega_is_closed(net: Network) -> Verdict:
    """θ ∈ Ω̃ only if θ ∈ Ω."""
    if is_off_kinks(net):
        return decide(True, why="f_X is smooth near θ: it lies in neither set")
    if (differentiable := is_differentiable(net)) is not True:
        return decide(None if differentiable is None else True, why="θ lies in Ω, and so in its closure")
    near = find_nearby(net, is_not_differentiable)
    if near is None:
        return inconclusive("f_X is differentiable at a tie and no point of Ω was found nearby")
    return decide(
        False,
        why="f_X is differentiable at θ, and not differentiable at points arbitrarily near, such as θ'.",
        values={"theta": net.theta.transpose(), "theta'": near.theta.transpose()},
    )


def closure_along(point: Approach) -> Verdict:
    """θ ∈ Ω̃ iff points of Ω approach it: found where a unit ties, and none on a line through other θ."""
    net = point.net
    if is_differentiable(net) is False:
        return decide(True, why="θ lies in Ω, and so in its closure")
    if is_off_kinks(net):
        both_ways = [
            any((one_sided_derivative(there, point.v) + one_sided_derivative(there, -point.v)).entries())
            for t in NEAR
            for there in (point.at(t), point.at(-t))
        ]
        return decide(not any(both_ways), why="f_X has a kink near a θ without ties.")
    if find_nearby(net, is_not_differentiable) is None:
        return inconclusive("no point of Ω was found near a tie")
    return decide(True, why="points of Ω approach θ")


def every_tie_is(in_omega: bool) -> Callable[[Network], Verdict]:
    """A tie anywhere puts θ in Ω, or in Ω̃."""

    def conclude(net: Network) -> Verdict:
        if not ties(net) + ties(net, structural=True):
            return vacuous("no unit ties")
        if in_omega:
            return decide(is_not_differentiable(net), why="A unit ties, and f_X is differentiable.")
        return decide(
            not is_off_kinks(net), why="The pre-activation stays at zero near θ: f_X is smooth there."
        )

    return conclude


@claim(
    "KHK19b/omega",
    paper=KHK19B,
    where="Section 3.1, before Assumption 1",
    says=r"f \text{ with ReLUs or pooling} \;\Rightarrow\; \Omega = \tilde\Omega",
)
@printed(
    REFUTED,
    hidden_kinks,
    recheck=is_a_hidden_kink,
    note="w2 relu(w1 x) at 0: |f| is at most |theta|^2 |x| / 2, yet f has a kink at every (0, w2), w2 != 0. Every ReLU "
    "or max-pooling network with a trained weight above the unit has such points",
)
@repaired(
    r"\tilde\Omega = \overline{\Omega} \supsetneq \Omega",
    approaches(hidden_kinks),
    conclude=closure_along,
    examples=80,
    reaches={
        "in closure only": lambda point: not is_off_kinks(point.net) and is_differentiable(point.net) is True,
        "in Omega": lambda point: is_differentiable(point.net) is False,
        "in neither": lambda point: is_off_kinks(point.net),
        "pooling": lambda point: len(point.net.computation.steps) == 6,
    },
)
@mutant("every tie is in Omega", hidden_kinks, conclude=every_tie_is(True), recheck=tie_is_not_in_omega)
@mutant(
    "every tie is in the closure of Omega",
    tied,
    conclude=every_tie_is(False),
    recheck=tie_is_not_in_the_closure,
)
@mutant(
    "Omega is empty",
    hidden_kinks,
    conclude=lambda net: decide(is_differentiable(net), why="f_X has one-sided derivatives that differ."),
    recheck=f_is_not_differentiable,
)
@mutant(
    "points of Omega are limits of no other",
    hidden_kinks,
    conclude=lambda net: (
        decide(find_nearby(net, is_not_differentiable) is None, why="Points of Ω approach a point of Ω.")
        if is_differentiable(net) is False
        else vacuous("θ is not in Ω")
    ),
    recheck=point_of_omega_is_a_limit_of_others,
)
def test_nondifferentiable_points_are_closed(net: Network) -> Verdict:
    """For networks with ReLUs or pooling, the limits of non-differentiable points are non-differentiable points."""
    return omega_is_closed(net)


# --- Assumption 1 ------------------------------------------------------------------------------------


@instance
class LossPoint:
    """One of the three losses, its label y, and outputs q − d, q, q + d, all 1 × d_y.

    "squared": |q − y|²; "cross-entropy": −Σ y_k log₂ (2^{q_k} / Σ 2^{q_j}), in bits; "hinge":
    max(0, 1 − y q)^power for one output.
    """

    kind: str
    power: int
    y: fmpq_mat
    q: fmpq_mat
    d: fmpq_mat

    def value(self, q: fmpq_mat) -> fmpq | arb:
        """ℓ_y(q)."""
        pairs = list(zip(q.entries(), self.y.entries(), strict=True))
        if self.kind == "squared":
            return sum(((a - b) * (a - b) for a, b in pairs), fmpq(0))
        if self.kind == "hinge":
            return sum((max(fmpq(0), 1 - a * b) ** self.power for a, b in pairs), fmpq(0))
        if not any(self.y.entries()):
            return fmpq(0)
        with ctx.workprec(128):
            total = sum((arb(2) ** arb(a) for a, _ in pairs), arb(0)).log() / arb.const_log2()
            return sum((b * (total - a) for a, b in pairs), arb(0))


@st.composite
def loss_points(
    draw: st.DrawFn,
    kinds: tuple[str, ...] = ("squared", "hinge", "cross-entropy"),
    least_label: int = 0,
    powers: tuple[int, int] = (2, 4),
) -> LossPoint:
    """Losses at small integers; labels of the cross-entropy are integers from ``least_label`` on.

    Shrinks to the first kind, zero outputs and labels.
    """
    kind = draw(among(*kinds))
    d = 1 if kind == "hinge" else draw(between(1, 2))
    labels = between(least_label, 2) if kind == "cross-entropy" else integers(2)
    return LossPoint(
        kind=kind,
        power=draw(between(*powers)) if kind == "hinge" else 2,
        y=draw(matrices(1, d, labels)),
        q=draw(matrices(1, d, integers(2))),
        d=draw(matrices(1, d, integers(2))),
    )


def convexity(point: LossPoint, *, strict: bool = False) -> Verdict:
    """ℓ(q) <= (ℓ(q − d) + ℓ(q + d)) / 2; < if ``strict`` and d ≠ 0."""
    middle, ends = point.value(point.q), point.value(point.q - point.d) + point.value(point.q + point.d)
    names = ("l(q)", "(l(q-d) + l(q+d))/2")
    if strict:
        return decide_less(middle, ends / 2, named=names) if any(point.d.entries()) else vacuous("d = 0")
    return decide_at_most(middle, ends / 2, named=names)


def hinge_slopes(point: LossPoint, order: int = 1) -> tuple[fmpq, fmpq]:
    """The one-sided derivatives of a hinge, or of ℓ′, by interpolation: it is polynomial on either side."""
    q, y = point.q, point.y[0, 0]

    def along(t: fmpq) -> fmpq:
        there = q + fmpq_mat(1, 1, [t])
        if order == 1:
            return point.value(there)  # type: ignore[return-value]
        lead = max(fmpq(0), 1 - y * there[0, 0])
        return -y * point.power * lead ** (point.power - 1)

    return (slope_at_zero(along, point.power, -NEAR[0]), slope_at_zero(along, point.power, NEAR[0]))


def satisfies_assumption_1(point: LossPoint) -> Verdict:
    """ℓ_y(q) >= 0, midpoint convexity, and for the hinge, the only one in doubt, equal one-sided slopes."""
    parts = [decide_at_most(fmpq(0), point.value(point.q), named=("0", "l(q)")), convexity(point)]
    if point.kind == "hinge":
        left, right = hinge_slopes(point)
        parts.append(
            decide(left == right, why="The loss has a kink at q.", values={"left": left, "right": right})
        )
    return all_of(*parts)


def twice_differentiable(point: LossPoint) -> Verdict:
    """The second one-sided derivatives of the hinge agree."""
    left, right = hinge_slopes(point, order=2)
    return decide(
        left == right, why="The second derivative jumps at q.", values={"left": left, "right": right}
    )


at_hinge = {"at the hinge": lambda point: point.kind == "hinge" and point.q[0, 0] * point.y[0, 0] == 1}


@claim(
    "KHK19b/assumption1",
    paper=KHK19B,
    where="Section 3.1, after Assumption 2",
    says=r"\|q-y\|_2^2,\ -\sum_k y_k \log \mathrm{softmax}(q)_k,\ \max\{0, 1-yq\}^p \text{ are convex, differentiable and} \ge 0",
    assumes={"p >= 2": r"p \ge 2", "y >= 0": r"y_k \ge 0 \text{ for the cross-entropy (not printed)}"},
)
@printed(
    REFUTED,
    loss_points(least_label=-2),
    recheck=assumption_1_fails,
    note="the labels are any y: with a negative entry the cross-entropy is negative somewhere, and concave along a line",
)
@repaired(
    r"y_k \ge 0,\ p \ge 2 \;\Rightarrow\; \ell_y \text{ convex, differentiable and} \ge 0",
    loss_points(),
    reaches={
        **at_hinge,
        "cross-entropy": lambda point: point.kind == "cross-entropy",
        "labels that do not sum to 1": lambda point: (
            point.kind == "cross-entropy" and sum(point.y.entries(), fmpq(0)) != 1
        ),
    },
    note="the labels of the cross-entropy need not sum to 1",
)
@drop(
    "y >= 0: convexity alone",
    REFUTED,
    loss_points(("cross-entropy",), least_label=-2),
    conclude=convexity,
    recheck=loss_is_not_convex,
)
@drop("p >= 2", REFUTED, loss_points(("hinge",), powers=(1, 1)), recheck=assumption_1_fails)
@mutant(
    "strictly convex",
    loss_points(("squared", "hinge")),
    conclude=lambda point: convexity(point, strict=True),
    recheck=loss_is_not_strictly_convex,
)
@mutant(
    "twice differentiable",
    loss_points(("hinge",)),
    conclude=twice_differentiable,
    recheck=second_derivative_jumps,
)
@mutant(
    "at least |y|^2 / 2",
    loss_points(("squared",)),
    conclude=lambda point: decide_at_most(
        sum((e * e for e in point.y.entries()), fmpq(0)) / 2, point.value(point.q), named=("|y|^2/2", "l")
    ),
    recheck=loss_is_below_half_the_label,
)
def test_common_losses_satisfy_assumption_1(point: LossPoint) -> Verdict:
    """The squared loss, the cross-entropy and the polynomial hinge are differentiable, convex and not negative."""
    return satisfies_assumption_1(point)


# --- Assumption 2 ------------------------------------------------------------------------------------

anywhere = networks(samples=(1, 3), degenerate=True)


def combines_with(g: Callable[[Network], fmpq_mat]) -> Callable[[Network], Verdict]:
    """f_{x_i}(θ) = Σ_k g(θ)_k ∂_k f_{x_i}(θ) for all i."""

    def conclude(net: Network) -> Verdict:
        combined = net.J * g(net)
        return decide(
            combined == vector(net.H),
            why="f_X(θ) is not this combination of its derivatives.",
            values={"f_X": vector(net.H).transpose(), "J g": combined.transpose()},
        )

    return conclude


def some_g(net: Network) -> Verdict:
    """f_X(θ) ∈ range ∂f_X(θ): some g(θ) will do."""
    return decide(
        lies_in(vector(net.H), net.J),
        why="f_X(θ) is no combination of its derivatives.",
        values={"f_X": vector(net.H).transpose(), "J": net.J},
    )


def output_layer(net: Network) -> fmpq_mat:
    """g(θ) = (W, b, 0)."""
    kept, theta = net.computation.readout_parameters, net.theta.entries()
    return fmpq_mat(len(theta), 1, [t if k in kept else fmpq(0) for k, t in enumerate(theta)])


def output_weights(net: Network) -> fmpq_mat:
    """g(θ) = (W, 0, 0)."""
    g = output_layer(net)
    for step in net.computation.steps:
        if isinstance(step, Affine):
            for _, j, k in step.trained:
                if j == step.places.ncols() - 1:
                    g[k, 0] = 0
    return g


def _tied_readout() -> Computation:
    w = weight(1, 1)
    return computation(w @ apply("quadratic", w @ inputs(1)))


frozen_bias = networks(computation(weight(1, 1) @ inputs(1) + frozen([[1]])), samples=(1, 2))
bent_output = networks(computation(apply("quadratic", weight(1, 1) @ inputs(1))), samples=(1, 2))
tied_output = networks(_tied_readout(), samples=(1, 2))
homogeneous_output = networks(
    among(
        *(
            computation(apply(sigma, weight(d, 2) @ apply(tau, weight(2, 1) @ inputs(1))))
            for sigma in ("relu", "abs", "cube")
            for tau in ("relu", "linear", "cube")
            for d in (1, 2)
        )
    ),
    samples=(1, 3),
)


@claim(
    "KHK19b/assumption2",
    paper=KHK19B,
    where="Section 3.1, after Assumption 2",
    says=r"f_x(\theta) = W h(x; u) + b \;\Rightarrow\; f_{x_i}(\theta) = \sum_k g(\theta)_k\, \partial_k f_{x_i}(\theta),\quad g = (W, b, 0)",
    assumes={
        "linear output layer": r"f_x(\theta) = W h(x; u) + b,\ (W, b) \text{ trained and not shared with } u"
    },
)
@printed(
    HOLDS,
    anywhere,
    examples=100,
    reaches={
        "ReLU": lambda net: any(a.name == "relu" for a in net.computation.functions),
        "with a bias": lambda net: (
            isinstance(net.computation.steps[-1], Affine)
            and len(net.computation.readout_parameters)
            > len(net.computation.steps[-1].places.entries()) - net.Y.ncols()
        ),
        "J = 0": lambda net: not any(net.J.entries()),
        "several samples": lambda net: net.X.nrows() > 1,
    },
)
@drop(
    "linear output layer: frozen bias",
    REFUTED,
    frozen_bias,
    conclude=some_g,
    recheck=outputs_are_not_spanned,
)
@drop(
    "linear output layer: an activation after it",
    REFUTED,
    bent_output,
    conclude=some_g,
    recheck=outputs_are_not_spanned,
)
@drop(
    "linear output layer: weights tied to u",
    REFUTED,
    tied_output,
    conclude=some_g,
    recheck=outputs_are_not_spanned,
)
@drop(
    "linear output layer: homogeneous in theta",
    HOLDS,
    homogeneous_output,
    conclude=some_g,
    examples=60,
    note="by Euler's identity, g = theta / degree: the output layer is sufficient, not necessary",
)
@mutant(
    "g = theta",
    anywhere,
    conclude=combines_with(lambda net: net.theta),
    recheck=partial(combination_is_not_the_output, g="θ"),
)
@mutant(
    "g = (W, 0, 0)",
    anywhere,
    conclude=combines_with(output_weights),
    recheck=partial(combination_is_not_the_output, g="(W, 0, 0)"),
)
@mutant(
    "g at 2 theta",
    anywhere,
    conclude=combines_with(lambda net: output_layer(net.at(net.theta * 2))),
    recheck=partial(combination_is_not_the_output, g="g(2θ)"),
    says=r"f_{x_i}(\theta) = \sum_k g(2\theta)_k\, \partial_k f_{x_i}(\theta)",
)
def test_linear_output_layers_satisfy_assumption_2(net: Network) -> Verdict:
    """A network with an output layer W h + b is a combination of its own derivatives: those by W and b."""
    return combines_with(output_layer)(net)


# --- Lemma 2 -----------------------------------------------------------------------------------------

POLYNOMIAL = ("relu", "linear", "quadratic", "cube", "leaky relu", "abs")


def labelled(loss, activations=POLYNOMIAL, samples=(2, 4)):
    """Networks whose labels are to be planted."""
    return networks(
        computations(activations=activations), labels="none", loss=loss, samples=samples, degenerate=True
    )


critical = critical_networks(labelled(squared))
critical_others = critical_networks(labelled(smoothed_hinge)) | critical_networks(
    labelled(cross_entropy, ("relu", "linear", "quadratic", "cube", "abs"))
)


def is_critical_by_values(net: Network) -> bool | None:
    """∂_k L(θ) = 0 for every k, from values of L alone: t ↦ L(θ + t e_k) is polynomial near 0.

    Other losses than the squared one, and rational activations, are left to ``is_critical``.
    """
    if net.loss is not squared:
        return is_critical(net)
    n = net.theta.nrows()
    for k in range(n):
        e = fmpq_mat(n, 1, [int(j == k) for j in range(n)])
        degree = 2 * degree_along(net.computation, e.entries())
        along = lambda t: total_loss(net, net.outputs_at(net.theta + e * t))
        if slope_at_zero(along, degree, NEAR[-1]) != 0:
            return False
    return True


def weighted_sum(net: Network, p: fmpq_mat, rows: fmpq_mat, named: str) -> Verdict:
    """Σ_i p_i · rows_i = 0."""
    total = rows.transpose() * p
    return decide(not any(total.entries()), why=f"{named} is not zero.", values={named: total.transpose()})


def at_critical(conclude: Callable[[Network], Verdict]) -> Callable[[Network], Verdict]:
    """``conclude`` at critical points off the kinks."""

    def there(net: Network) -> Verdict:
        if not is_off_kinks(net):
            return vacuous("θ may be in Ω")
        critical = is_critical_by_values(net)
        if critical is None:
            return inconclusive("whether ∇L = 0 cannot be told from balls")
        return conclude(net) if critical else vacuous("θ is not critical")

    return there


def sum_of_slopes_vanishes(net: Network) -> Verdict:
    """Σ_i λ_i ∂ℓ_{y_i}(f_{x_i}(θ)) ∂_k f_{x_i}(θ) = 0 for every k."""
    return weighted_sum(net, output_slopes(net), net.J, "sum")


def unweighted(net: Network) -> Verdict:
    """The sum without λ_i."""
    lambdas = [w for w in net.weights.entries() for _ in range(net.Y.ncols())]
    p = [e / w for e, w in zip(output_slopes(net).entries(), lambdas, strict=True)]
    return weighted_sum(net, fmpq_mat(len(p), 1, p), net.J, "sum")


def for_every_sample(net: Network) -> Verdict:
    """Every summand is zero."""
    terms = [p * e for p, row in zip(output_slopes(net).entries(), net.J.table(), strict=True) for e in row]
    return decide(not any(terms), why="A summand is not zero.")


def with_f_itself(net: Network) -> Verdict:
    """Σ_i λ_i ∂ℓ_{y_i}(f_{x_i}(θ)) f_{x_i}(θ) = 0."""
    return weighted_sum(net, output_slopes(net), vector(net.H), "sum of p f")


without_output_layer = critical_networks(
    networks(
        among(
            computation(weight(1, 1) @ inputs(1) + frozen([[1]])),
            computation(apply("quadratic", weight(1, 2) @ inputs(2))),
            _tied_readout(),
        ),
        samples=(1, 3),
        labels="none",
    )
)


@st.composite
def interpolated(draw: st.DrawFn) -> Network:
    """Global minima with loss 0 of ℓ = |q − y|, which has its kink there: y_i = f(x_i; θ)."""
    net = draw(networks(loss=absolute, samples=(1, 2)))
    return replace(net, Y=net.H)


def right_slopes(net: Network) -> Verdict:
    """The sum with the right derivative of |·| for its derivative."""
    p = [w for w in net.weights.entries() for _ in range(net.Y.ncols())]
    if loss(net) != 0:
        return vacuous("θ is no global minimum")
    return weighted_sum(net, fmpq_mat(len(p), 1, p), net.J, "sum")


one_unit = networks(
    computation(weight(1, 1) @ apply("relu", weight(1, 1) @ inputs(1))),
    samples=(1, 1),
    weighted=False,
    off_kinks=False,
)


def right_derivatives(net: Network) -> Verdict:
    """The sum with right derivatives of f, at points of Ω without a direction of descent."""
    if is_differentiable(net) is not False:
        return vacuous("θ is not in Ω")
    p, n = output_slopes(net), net.theta.nrows()
    if (stationary := is_stationary(net, p)) is not True:
        return (
            inconclusive("stationarity not decided")
            if stationary is None
            else vacuous("a direction of descent")
        )
    units = [fmpq_mat(n, 1, [int(j == k) for j in range(n)]) for k in range(n)]
    return weighted_sum(net, p, hstack(*(one_sided_derivative(net, e) for e in units)), "sum")


@claim(
    "KHK19b/lemma2",
    paper=KHK19B,
    where="Lemma 2, Appendix A.1",
    says=r"\theta \notin \Omega \text{ critical} \;\Rightarrow\; \sum_i \lambda_i\, \partial \ell_{y_i}(f_{x_i}(\theta))\, \partial_k f_{x_i}(\theta) = 0 \ \forall k",
    assumes={
        "differentiable l": r"\ell_{y_i} \text{ differentiable}",
        "theta not in Omega": r"\theta \notin \Omega",
        "critical": r"\nabla L(\theta) = 0",
    },
    equivalent={
        "f itself for its derivative, under A2": "true: f is a combination of its derivatives; refuted without A2",
        "-lambda_i for lambda_i": "the same equation",
    },
)
@printed(
    HOLDS,
    critical | critical_others,
    examples=80,
    reaches={
        "d_y = 2": lambda net: net.Y.ncols() == 2,
        "cross-entropy": lambda net: net.loss is cross_entropy,
        "p != 0": lambda net: any(e != 0 for e in output_slopes(net).entries()),
    },
    note="criticality is decided from values of L alone, by interpolation along each parameter (squared loss)",
)
@drop(
    "critical",
    REFUTED,
    networks(samples=(1, 2)),
    conclude=sum_of_slopes_vanishes,
    recheck=gradient_is_not_zero,
)
@drop(
    "differentiable l",
    REFUTED,
    interpolated(),
    conclude=right_slopes,
    recheck=right_slopes_do_not_vanish,
    note="global minima at kinks of |q - y|, with right derivatives: the derivative itself does not exist",
)
@drop(
    "theta not in Omega",
    REFUTED,
    one_unit,
    conclude=right_derivatives,
    recheck=right_derivatives_do_not_vanish,
    note="points of Omega with no direction of descent, with right derivatives of f",
)
@mutant(
    "without lambda_i",
    critical,
    conclude=at_critical(unweighted),
    recheck=without_weights_it_does_not_vanish,
)
@mutant(
    "for every sample",
    critical,
    conclude=at_critical(for_every_sample),
    recheck=summand_does_not_vanish,
)
@mutant(
    "f for its derivative, without A2",
    without_output_layer,
    conclude=at_critical(with_f_itself),
    recheck=slopes_are_not_orthogonal_to_outputs,
    says=r"\sum_i \lambda_i\, \partial \ell_{y_i}(f_{x_i}(\theta))\, f_{x_i}(\theta) = 0",
)
def test_slopes_are_orthogonal_to_the_derivatives(net: Network) -> Verdict:
    """At a differentiable critical point the slopes of the losses are orthogonal to every derivative of f_X."""
    return at_critical(sum_of_slopes_vanishes)(net)


# --- the geometry of f_X -----------------------------------------------------------------------------


def rank_keeps_up_along(point: Approach) -> Verdict:
    """rank ∂f_X(θ + t v) >= rank ∂f_X(θ) at points of the line arbitrarily near θ."""
    net = point.net
    if is_differentiable(net) is not True:
        return vacuous("f_X is not differentiable at θ")
    near = [point.at(t) for t in NEAR]
    if not all(is_off_kinks(there) for there in near):
        return vacuous("the line runs along a kink")
    here, there = derivative(net), [n.J for n in near]
    return decide(
        any(j.rank() >= here.rank() for j in there),
        why="The rank is lower at points arbitrarily near θ.",
        values={"J(theta)": here, "J(theta')": there[-1]},
    )


def rank_keeps_up_everywhere(net: Network) -> Verdict:
    """rank ∂f_X >= rank ∂f_X(θ) in a box around θ, by an enclosure of a minor."""
    if not is_off_kinks(net):
        return vacuous("f_X need not be C¹ near θ")
    return decide(keeps_rank_near(net), why="The rank drops near θ.")


def rank_is_at_most(net: Network) -> Verdict:
    """rank ∂f_X <= rank ∂f_X(θ) near θ."""
    here = net.J.rank()
    higher = find_nearby(net, lambda there: is_off_kinks(there) and there.J.rank() > here)
    return decide(higher is None, why="The rank is higher at points arbitrarily near θ.")


def rank_is_constant_along(point: Approach) -> Verdict:
    """rank ∂f_X(θ + t v) = rank ∂f_X(θ) near θ."""
    if not is_off_kinks(point.net):
        return vacuous("θ at a kink")
    near = [point.at(t) for t in NEAR]
    if not all(is_off_kinks(there) for there in near):
        return vacuous("the line runs along a kink")
    return decide(
        any(there.J.rank() == point.net.J.rank() for there in near), why="The rank changes at once."
    )


smooth_or_not = networks(degenerate=True, samples=(1, 3))
singular = networks(
    computations(
        ("one hidden layer", "two hidden layers", "residual"), ("linear", "relu", "cube", "quadratic")
    ),
    samples=(1, 3),
    parameters=among(0, 1, -1),
    degenerate=True,
)


@claim(
    "KHK19b/rank-semicontinuity",
    paper=KHK19B,
    where="Section 3.2.1, after the rank theorem",
    says=r"\mathrm{rank}(\partial f_X(\theta)) = r \;\Rightarrow\; \exists U(\theta)\ \forall \theta' \in U(\theta):\ \mathrm{rank}(\partial f_X(\theta')) \ge r",
    assumes={"C1": r"f_X \text{ is continuously differentiable near } \theta \text{ (not printed)}"},
)
@printed(
    REFUTED,
    approaches_along_ties(),
    examples=1000,
    recheck=rank_drops_along_the_line,
    note="a ReLU network differentiable at a tie, rank 1, and zero on an open cusp that ends there",
)
@repaired(
    r"f_X \in C^1 \text{ near } \theta \;\Rightarrow\; \exists U(\theta)\ \forall \theta' \in U(\theta):\ \mathrm{rank}(\partial f_X(\theta')) \ge \mathrm{rank}(\partial f_X(\theta))",
    smooth_or_not,
    conclude=rank_keeps_up_everywhere,
    examples=80,
    reaches={
        "deficient rank": lambda net: net.J.rank() < min(net.J.nrows(), net.J.ncols()),
        "rank >= 2": lambda net: net.J.rank() >= 2,
    },
    note="proven for a whole box around each theta, by the enclosure of a minor",
)
@mutant("upper semicontinuous", singular, conclude=rank_is_at_most, recheck=rank_is_higher_nearby)
@mutant(
    "constant near every theta",
    approaches(singular),
    conclude=rank_is_constant_along,
    recheck=rank_changes_along_the_line,
)
def test_rank_is_lower_semicontinuous(point: Approach) -> Verdict:
    """The rank of the Jacobian of f_X does not drop near any differentiable point."""
    return rank_keeps_up_along(point)


def analytic_along(point: Approach) -> Verdict:
    """f_X is the same polynomial on both sides of θ along the line θ + t v."""
    return decide(
        is_polynomial_along(point.net, point.v), why="f_X is not one polynomial along a line through θ."
    )


def analytic_near(net: Network) -> Verdict:
    """f_X is analytic near θ if it is differentiable at θ; it is not where Ω comes arbitrarily near."""
    if is_differentiable(net) is not True:
        return vacuous("f_X is not differentiable at θ")
    return omega_is_closed(net)


def analytic_off_the_closure(point: Approach) -> Verdict:
    """The line test, where θ ∉ Ω̃."""
    return analytic_along(point) if is_off_kinks(point.net) else vacuous("θ may be a limit of points of Ω")


def affine_along(point: Approach) -> Verdict:
    """f_X(θ + t v) is affine in t near 0, where θ ∉ Ω̃: at −t, 0, t and 2 t the outputs lie on one line."""
    net, t = point.net, NEAR[-1]
    if not is_off_kinks(net):
        return vacuous("θ may be a limit of points of Ω")
    here = net.H
    before, after, twice = (net.outputs_at(net.theta + point.v * s) for s in (-t, t, 2 * t))
    straight = after - here == here - before and twice - here == (after - here) * 2
    return decide(straight, why="f_X bends along a line through θ.")


@claim(
    "KHK19b/analytic",
    paper=KHK19B,
    where="Section 3.2.1, before the partition into submanifolds",
    says=r"\text{ReLU},\ \theta \notin \Omega \;\Rightarrow\; f_X \text{ is analytic over some } U(\theta)",
    assumes={"plain ReLU": r"\text{activations are piecewise linear and not multiplied (not printed)}"},
)
@printed(
    REFUTED,
    tied_networks(plain_computations(("relu",))),
    recheck=is_a_hidden_kink,
    note="the limits of non-differentiable points that are differentiable themselves, as w2 relu(w1 x) at 0",
)
@repaired(
    r"\theta \notin \tilde\Omega,\ \text{plain ReLU} \;\Rightarrow\; f_X \text{ is analytic (a polynomial) over some } U(\theta)",
    approaches(tied_networks(plain_computations(), samples=(1, 3))),
    conclude=analytic_off_the_closure,
    examples=160,
    needs=50,
    reaches={
        "two hidden layers": lambda point: len(point.net.computation.steps) == 5,
        "a dead sample": lambda point: not all(any(row) for row in point.net.H.table()),
    },
)
@drop(
    "plain ReLU",
    REFUTED,
    approaches(tied_networks(st.just(_squared_relu()))),
    conclude=analytic_along,
    recheck=is_differentiable_yet_not_analytic,
    note="w relu(u x)^2 is C1, with an empty Omega, and not analytic where u = 0",
)
@mutant(
    "near every theta",
    approaches(hidden_kinks),
    conclude=analytic_along,
    recheck=is_not_analytic_along_the_line,
)
@mutant(
    "affine near theta outside the closure of Omega",
    approaches(tied_networks(plain_computations())),
    conclude=affine_along,
    recheck=bends_along_the_line,
)
def test_relu_networks_are_analytic_near_differentiable_points(net: Network) -> Verdict:
    """ReLU networks are analytic near any point at which they are differentiable."""
    return analytic_near(net)


# --- the rank theorem --------------------------------------------------------------------------------


@instance
class Curve:
    """f_X(t) = Σ_j c_j t^j for one parameter t and two outputs: c is 2 × 4; U = (−radius, radius) around θ = 0."""

    c: fmpq_mat
    radius: fmpq

    def row(self, k: int) -> list[fmpq]:
        """The coefficients of one output, the constant first."""
        return self.c.table()[k]

    def velocity(self, k: int) -> fmpq_poly:
        """The derivative of one output."""
        return fmpq_poly(self.row(k)).derivative()


@st.composite
def curves(draw: st.DrawFn, radii: tuple[int, int] = (1, 2), columns: tuple[int, ...] = (1, 2, 3)) -> Curve:
    """Cubic curves through 0 with small integer coefficients, zero outside ``columns``."""
    entries = [draw(integers(2)) if j in columns else 0 for _ in range(2) for j in range(4)]
    return Curve(c=fmpq_mat(2, 4, entries), radius=fmpq(draw(between(*radii))))


def has_constant_rank(curve: Curve) -> bool:
    """f′ ≠ 0 everywhere: the two derivatives have no common factor."""
    return bool(curve.velocity(0).gcd(curve.velocity(1)).degree() == 0)


def crossing(curve: Curve, radius: fmpq) -> tuple[fmpq, fmpq] | None:
    """(s + t, s t) of s ≠ t in (−radius, radius) with f(s) = f(t) and independent f′(s), f′(t), or None.

    With σ = s + t, π = s t, every output asks for c₁ + c₂ σ + c₃ (σ² − π) = 0: σ solves a linear equation.
    Curves for which every σ does are left out (they are plane curves in a line, or doubled).
    """
    (_, a1, a2, a3), (_, b1, b2, b3) = curve.row(0), curve.row(1)
    slope, rest = a3 * b2 - b3 * a2, a3 * b1 - b3 * a1
    if slope == 0:
        return None
    total = -rest / slope
    product = total * total + ((a1 + a2 * total) / a3 if a3 != 0 else (b1 + b2 * total) / b3)
    apart = total * total > 4 * product
    inside = abs(total) < 2 * radius and all(
        radius * radius + e * radius * total + product > 0 for e in (1, -1)
    )
    u, v = (a1, 2 * a2, 3 * a3), (b1, 2 * b2, 3 * b3)
    minor = lambda i, j: u[i] * v[j] - u[j] * v[i]
    independent = minor(0, 1) + minor(0, 2) * total + minor(1, 2) * product != 0
    return (total, product) if apart and inside and independent else None


def image_is_a_manifold(curve: Curve, radius: fmpq | None = None) -> Verdict:
    """f(U) does not cross itself, where the rank is 1 everywhere."""
    if not has_constant_rank(curve):
        return vacuous("the rank is not constant")
    found = crossing(curve, curve.radius if radius is None else radius)
    return decide(
        found is None,
        why="Two arcs of the image cross at f(s) = f(t): it is no manifold there.",
        values={} if found is None else {"s + t": found[0], "s t": found[1]},
    )


def small_image_is_a_manifold(curve: Curve) -> Verdict:
    """On U so small that one f_k′ keeps its sign, f(U) is the graph of a function of f_k."""
    if not has_constant_rank(curve):
        return vacuous("the rank is not constant")
    k = 0 if curve.row(0)[1] != 0 else 1
    _, c1, c2, c3 = curve.row(k)
    if c1 == 0:
        return decide(False, why="f'(0) = 0.")
    radius = min(fmpq(1), abs(c1) / (2 * abs(c2) + 3 * abs(c3) + 1))
    bends = 2 * abs(c2) * radius + 3 * abs(c3) * radius * radius
    return all_of(decide(bends < abs(c1), why="f_k' changes its sign."), image_is_a_manifold(curve, radius))


def folded_image_is_a_manifold(curve: Curve) -> Verdict:
    """f(U) is no arc with an end: for f even, f(U) = f([0, radius)) ends at f(0)."""
    if not any(curve.c.entries()) or any(row[1] or row[3] for row in curve.c.table()):
        return vacuous("f is constant or not even")
    return decide(
        False, why="f(-t) = f(t): the image is a segment that ends at f(0), no manifold of dimension 1."
    )


def image_is_a_graph(curve: Curve) -> Verdict:
    """Near 0 the first output is a coordinate of f(U)."""
    if not has_constant_rank(curve):
        return vacuous("the rank is not constant")
    return decide(curve.row(0)[1] != 0, why="f_1'(0) = 0: the image is no graph of a C1 function of f_1.")


@claim(
    "KHK19b/rank-theorem",
    paper=KHK19B,
    where="Section 3.2.1, the constant rank condition",
    says=r"\mathrm{rank}(\partial f_X) = r \text{ on } U(\theta) \;\Rightarrow\; f_X(U(\theta)) \text{ is a manifold of dimension } r",
    assumes={"constant rank": r"\mathrm{rank}(\partial f_X(\theta')) = r \ \forall \theta' \in U(\theta)"},
)
@printed(
    REFUTED,
    curves(),
    recheck=curve_crosses_itself,
    note="the rank theorem gives a smaller U. For f_X that is differentiable and not C1 no smaller U need do, either: "
    "t + 2 t^2 sin(1/t), 2 t^2 cos(1/t) crosses itself arbitrarily near 0 (by hand)",
)
@repaired(
    r"f_X \in C^1,\ \mathrm{rank}(\partial f_X) = r \text{ near } \theta \;\Rightarrow\; \exists\, U(\theta):\ f_X(U(\theta)) \text{ is a manifold of dimension } r",
    curves(),
    conclude=small_image_is_a_manifold,
    examples=80,
    needs=30,
    reaches={
        "a crossing further away": lambda curve: (
            has_constant_rank(curve) and crossing(curve, fmpq(4)) is not None
        )
    },
)
@drop(
    "constant rank",
    REFUTED,
    curves(columns=(2,)),
    conclude=folded_image_is_a_manifold,
    recheck=image_ends_at_a_fold,
)
@mutant("U = (-1, 1) is small enough", curves(radii=(1, 1)), recheck=curve_crosses_itself)
@mutant("a graph over the first output", curves(), conclude=image_is_a_graph, recheck=image_is_no_graph)
def test_image_is_a_manifold(curve: Curve) -> Verdict:
    """Where the rank of the derivative is constant on U, the image f_X(U) is a manifold of that dimension."""
    return image_is_a_manifold(curve)
