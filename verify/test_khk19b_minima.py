"""Kawaguchi, Huang & Kaelbling (2019), Sections 3.3 and 4.3: local minima and the perturbable gradient basis.

    T = range ∂f_X(θ),   𝒱[θ, ε] = {v : |v| <= 1, f_X(θ + ε v) = f_X(θ)},   T̃ = Σ_{v ∈ 𝒱} range ∂f_X(θ + ε v)

Theorem 2 says L(θ) = inf over T̃ at every differentiable local minimum. At a generic point T̃ is T and it says
no more than Theorem 1, so the instances are degenerate points: units without outgoing weights, equal units that
cancel, layers that are zero. The paths on the fibre are exact, hence the part of T̃ that they find is sound.
Critical points whose loss is above the infimum must not be local minima: lower points are exhibited down to
2⁻⁶⁰. Points certified to be local minima must attain it.

"There is ε₀ > 0 such that for every ε < ε₀" is tested at ε = 2⁻²⁰. What fails there fails for every smaller
ε: the paths are made of segments on which f_X is constant, and rational functions of their lengths vanish at
finitely many of these.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache, lru_cache, partial
from typing import Any

from flint import arb, arb_mat, fmpq, fmpq_mat
from hypothesis import strategies as st

from strategies.feedforward import (
    Affine,
    AtKink,
    Computation,
    Network,
    apply,
    bias,
    computation,
    frozen,
    inputs,
    patterned,
    weight,
)
from strategies.losses import (
    Loss,
    absolute,
    cross_entropy,
    huber,
    logistic,
    smoothed_hinge,
    squared,
    tilted_double_well,
)
from strategies.matrices import columns, hstack, matrices, rows
from strategies.numbers import among, between, integers
from strategies.stationary import (
    FAMILIES,
    computations,
    critical_networks,
    degenerate_critical_networks,
    degenerate_networks,
    networks,
    parity_minima,
    singular_parity_minima,
    trained_networks,
)
from verify.claim import (
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
from verify.oracles.exact import projector
from verify.oracles.feedforward import derivatives_at, output_slopes, product, total_loss, vector
from verify.oracles.fibres import idle_rows, perturbed_basis, walk_fibre
from verify.oracles.induced import as_outputs, attains_infimum, basis_infimum, lies_in
from verify.oracles.interval_newton import EnclosedMinimum, enclose_minimum, least_squares_bounds
from verify.oracles.landscape import RADII
from verify.oracles.minima import at_critical_point, at_local_minimum, find_descent, is_certified_minimum
from verify.oracles.rank_constrained import attains_least_value
from verify.papers import KHK19B
from verify.rechecks.khk19b_minima import (
    derivatives_elsewhere_lower_the_loss,
    fibre_adds_to_the_tangent_space,
    fibre_does_not_lower_the_infimum,
    fibre_lowers_the_infimum,
    flat_point_is_no_minimum,
    gradient_basis_misses_the_outputs,
    higher_well_is_not_the_infimum,
    idle_row_changes_the_derivatives,
    idle_row_changes_the_outputs,
    idle_row_is_longer_than_one,
    kinks_hold_the_outgoing_weight,
    loss_is_its_own_infimum,
    minimum_differs_from_the_fibre,
    minimum_keeps_a_loss,
    one_point_is_not_enough,
    other_set_is_not_enough,
    point_off_the_fibre_adds,
    second_branch_at_distance_two_lowers_the_loss,
    second_derivatives_lower_the_loss,
    slopes_meet_derivatives,
    trained_minimum_differs,
    trained_point_is_not_critical,
)

SMALL = fmpq(1, 2**20)
NAMED = ("L", "inf of L over the perturbable basis")


@cache
def degenerate_with(loss: Loss) -> st.SearchStrategy[Network]:
    """Degenerate critical points with one loss."""
    return degenerate_critical_networks(loss=loss, samples=(2, 5))


degenerate = among(squared, squared, squared, huber, cross_entropy, smoothed_hinge, logistic).flatmap(
    degenerate_with
)
"""Degenerate critical points of all losses."""

small_slopes = critical_networks(networks(labels="none", samples=(2, 5), degenerate=True), scale=(-8, -3))
"""Critical points with slopes so small that many are certified local minima."""

critical = st.one_of(degenerate, small_slopes, singular_parity_minima)


@lru_cache(maxsize=64)
def basis_near(net: Network) -> fmpq_mat:
    """The part of T̃ that walks find for the small ε."""
    return perturbed_basis(net, SMALL)[0]


def grows(net: Network) -> bool:
    """Whether the perturbable basis is certainly larger than the gradient basis."""
    return bool(basis_near(net).rank() > net.J.rank())


@lru_cache(maxsize=256)
def certainly_minimal(net: Network) -> bool:
    """Whether there is a certificate that θ is a local minimum."""
    return is_certified_minimum(net) is not None


CLASSES: dict[str, Callable[[Any], bool]] = {
    "larger along the fibre": grows,
    "certified minimum": certainly_minimal,
    "both": lambda net: certainly_minimal(net) and grows(net),
}


def attains_perturbable(net: Network) -> Verdict:
    """L(θ) against the infimum over the part of T̃ that walks find."""
    return attains_infimum(net, basis_near(net), NAMED)


# --- Section 3.3: the chain of infima -----------------------------------------------------------------

x2 = inputs(2)
WITHOUT_A2 = (
    computation(apply("square", weight(1, 1) @ inputs(1)) + frozen([[1]])),
    computation(weight(1, 2) @ x2 + frozen([[1]])),
    computation(apply("quadratic", weight(1, 2) @ apply("relu", weight(2, 2) @ x2))),
    computation(apply("serpentine", weight(1, 2) @ x2 + bias(1))),
)
"""A frozen output bias, an activation after the last weights: f_X need not lie in the span of ∂f_X."""


@cache
def networks_of(f: Computation) -> st.SearchStrategy[Network]:
    """Networks of one architecture."""
    return networks(f)


@cache
def small_slopes_of(f: Computation) -> st.SearchStrategy[Network]:
    """Critical points of one architecture, most of them minima."""
    return critical_networks(networks(f, labels="none", samples=(1, 3)), scale=(-8, -3))


def chain(net: Network) -> Verdict:
    """L >= inf over T >= inf over T̃, with exact or two-sided infima."""
    try:
        first, second = basis_infimum(net, net.J), basis_infimum(net, basis_near(net))
    except AtKink:
        return vacuous("θ is at a kink")
    here = total_loss(net, net.H)
    return all_of(
        decide_at_most(first, here, named=("inf of L over the gradient basis", "L")),
        decide_at_most(second, first, named=(NAMED[1], "inf of L over the gradient basis")),
    )


def infima_strict(net: Network) -> Verdict:
    """The second inequality with > in place of >=."""
    first, second = basis_infimum(net, net.J), basis_infimum(net, basis_near(net))
    return decide_less(second, first, named=(NAMED[1], "inf of L over the gradient basis"))


@claim(
    "KHK19b/chain",
    paper=KHK19B,
    where="Section 3.3, the display after Theorem 2",
    says=r"L(\theta) \ge \inf_\alpha L_\theta(\alpha) \ge \inf_{S, \alpha} \tilde L_\theta(\alpha, \epsilon, S)",
    assumes={"A2": r"f_{x_i}(\theta) = \sum_k g(\theta)_k\, \partial_k f_{x_i}(\theta)"},
)
@printed(
    HOLDS,
    st.one_of(degenerate_networks(), networks(samples=(2, 4)), networks(samples=(1, 3), loss=huber)),
    examples=80,
    reaches={"larger along the fibre": grows},
)
@drop("A2", REFUTED, among(*WITHOUT_A2).flatmap(networks_of), recheck=gradient_basis_misses_the_outputs)
@mutant(
    "the gradient basis is as good: inf L_theta <= inf of the perturbable",
    degenerate_networks(),
    conclude=lambda net: decide_at_most(basis_infimum(net, net.J), basis_infimum(net, basis_near(net))),
    recheck=fibre_lowers_the_infimum,
)
@mutant(
    "the perturbable basis is strictly better",
    networks(samples=(2, 4)),
    conclude=infima_strict,
    recheck=fibre_does_not_lower_the_infimum,
)
@mutant(
    "L is strictly above",
    critical_networks(),
    conclude=lambda net: decide_less(
        basis_infimum(net, net.J), total_loss(net, net.H), named=("inf of L over the gradient basis", "L")
    ),
    recheck=loss_is_its_own_infimum,
)
def test_a_larger_basis_has_no_larger_infimum(net: Network) -> Verdict:
    """L(θ) is at least its infimum over the gradient basis, and that at least the one over the perturbable."""
    return chain(net)


# --- Section 3.3: left null vectors -------------------------------------------------------------------


def idle_vectors(net: Network) -> list[fmpq_mat]:
    """All v that change one row of one affine step by a basis vector of the left null space of its input.

    Of steps whose weights are used nowhere else, unless all are used twice: f = g(W h(x; u); u), θ = (W, u).
    """
    steps = [s for s in net.computation.steps if isinstance(s, Affine) and s.parameters]
    uses = Counter(k for s in steps for k in s.parameters)
    own = [s for s in steps if all(uses[k] == 1 for k in s.parameters)]
    found = []
    for step in steps if max(uses.values()) > 1 else own:
        if (basis := idle_rows(net, step)) is not None:
            found += [columns(basis, [k]) for k in range(basis.ncols())]
    return found


def norm2(v: fmpq_mat) -> fmpq:
    """|v|²."""
    return sum((e * e for e in v.entries()), fmpq(0))


def unit(v: fmpq_mat) -> fmpq_mat:
    """v over its 1-norm: no longer than 1."""
    return v / sum((abs(e) for e in v.entries()), fmpq(0))


def all_in_fibre(net: Network, vectors: list[fmpq_mat]) -> Verdict:
    """Whether every v is in 𝒱[θ, ε], for a small, a moderate and a large ε."""
    if not vectors:
        return vacuous("no layer's input has a left null space")
    for v in vectors:
        if norm2(v) > 1:
            return decide(
                False, why="v comes from the left null space but |v| > 1.", values={"v": v, "|v|^2": norm2(v)}
            )
        for epsilon in (fmpq(1, 8), fmpq(1), fmpq(5)):
            there = net.outputs_at(net.theta + v * epsilon)
            if there != net.H:
                return decide(
                    False,
                    why="The outputs at theta + eps v differ from those at theta.",
                    values={"v": v, "eps": epsilon, "f": net.H, "f there": there},
                )
    return decide(True, why="every such v keeps every output")


def jacobian_unchanged(net: Network) -> Verdict:
    """∂f_X(θ + v) = ∂f_X(θ) for the same v."""
    vectors = idle_vectors(net)
    if not vectors:
        return vacuous("no layer's input has a left null space")
    for v in vectors:
        try:
            if net.moved(unit(v)).J != net.J:
                return decide(False, why="The Jacobian changes.", values={"v": unit(v)})
        except AtKink:
            continue
    return decide(True, why="no Jacobian changes")


def without_a_sample(net: Network) -> Network:
    """All samples but the last."""
    kept = range(net.X.nrows() - 1)
    return replace(net, X=rows(net.X, kept), Y=rows(net.Y, kept), weights=columns(net.weights, kept))


untied = tuple(name for name in FAMILIES if name not in ("tied", "convolution"))
redundant = networks(computations(untied), samples=(1, 2), degenerate=True)


@claim(
    "KHK19b/v-null",
    paper=KHK19B,
    where="Section 3.3, the example after Theorem 2",
    says=r"f = g(W^{(l)} h^{(l)}(x; u); u),\ h^{(l)}(X;u)^\top \nu = 0 \Rightarrow v = (e_r \nu^\top, 0) \in \mathcal V[\theta, \epsilon]",
    assumes={"u without W": r"\theta = \mathrm{vec}(W^{(l)}, u)"},
)
@printed(
    REFUTED,
    redundant,
    recheck=idle_row_is_longer_than_one,
    note="elements of V have norm at most 1; a left null space has elements of any norm",
)
@repaired(
    r"h^{(l)}(X;u)^\top \nu = 0,\ \|\nu\|_2 \le 1 \Rightarrow v = (e_r \nu^\top, 0) \in \mathcal V[\theta, \epsilon]",
    redundant,
    conclude=lambda net: all_in_fibre(net, [unit(v) for v in idle_vectors(net)]),
    needs=40,
)
@drop(
    "u without W",
    REFUTED,
    networks(computations(("tied",)), samples=(1, 2)),
    conclude=lambda net: all_in_fibre(net, [unit(v) for v in idle_vectors(net)]),
    recheck=idle_row_changes_the_outputs,
    note="weights that are used twice change the layer's own input, or the layers after it",
)
@mutant(
    "the Jacobian stays too",
    redundant,
    conclude=jacobian_unchanged,
    recheck=idle_row_changes_the_derivatives,
)
@mutant(
    "orthogonal to all samples but one",
    networks(computations(untied), samples=(2, 3)),
    conclude=lambda net: all_in_fibre(net, [unit(v) for v in idle_vectors(without_a_sample(net))]),
    recheck=partial(idle_row_changes_the_outputs, spared=1),
)
def test_left_null_vectors_of_a_hidden_layer_keep_the_outputs(net: Network) -> Verdict:
    """Every change of W⁽ˡ⁾ by elements of the left null space of its input h⁽ˡ⁾(X; u) is in 𝒱[θ, ε]."""
    return all_in_fibre(net, [v * k for v in idle_vectors(net) for k in (1, 2)])


# --- Lemma 3 ------------------------------------------------------------------------------------------


def stationary_at(net: Network, others: list[Network], where: str) -> Verdict:
    """Σ_i λ_i ∂ℓ(f(x_i; θ)) ∂_k f(x_i; θ') = 0 for every k and all the θ' given."""
    p = output_slopes(net)
    for there in others:
        try:
            slopes = product(there.J.transpose(), p)
        except AtKink:
            continue
        if any(e != 0 for e in slopes.entries()):
            values = {"theta + eps v": there.theta, "sum over the samples, for every k": slopes}
            return decide(
                False, why=f"The slopes at theta are not orthogonal to ∂f_X {where}.", values=values
            )
        if not all(e == 0 for e in slopes.entries()):
            return inconclusive("whether the sum is zero cannot be told from balls")
    return decide(True, why=f"the slopes at θ are orthogonal to every ∂f_X {where}")


def stationary_along_the_fibre(net: Network, epsilon: fmpq = SMALL) -> Verdict:
    """The conclusion of Lemma 3 at the points of the fibre that walks find."""
    return stationary_at(net, [net, *walk_fibre(net, epsilon, points=6)], "at a point of the fibre")


def nearby(net: Network, epsilon: fmpq = SMALL) -> list[Network]:
    """θ + ε e_k for every k, and θ + ε (1, …, 1) / n: in the ball, whatever the outputs do there."""
    n = net.computation.parameters
    single = [net.moved(fmpq_mat(n, 1, [int(i == k) for i in range(n)]), epsilon) for k in range(n)]
    return [*single, net.moved(fmpq_mat(n, 1, [1] * n), epsilon / n)]


dead_units = degenerate_critical_networks("one hidden layer", "biases", activations=("relu",), samples=(1, 4))
"""Silent ReLU units, some of which are dead: L is convex near θ, and the fibre is larger farther away."""


def certified(net: Network, verdict: Verdict) -> Verdict:
    """``verdict`` where θ certainly is a local minimum, vacuous elsewhere."""
    if not certainly_minimal(net):
        return vacuous("θ is not certified to be a local minimum")
    return verdict


def wherever_found(net: Network, verdict: Verdict) -> Verdict:
    """``certified`` for a verdict on the points of the fibre that walks find: what holds there may fail elsewhere.

    It holds everywhere only where the output slopes are certainly zero.
    """
    found = certified(net, verdict)
    if found.outcome is HOLDS and not all(e == 0 for e in output_slopes(net).entries()):
        return inconclusive("the walks may have missed a point of the fibre")
    return found


bottlenecks = critical_networks(
    networks(
        computations(("one hidden layer",), ("linear",), d_x=2, width=1, d_y=2), labels="none", samples=(2, 4)
    ),
    scale=(-8, -3),
)

curved = critical_networks(
    networks(
        computations(("one hidden layer", "biases"), ("quadratic", "serpentine"), d_x=2, width=1, d_y=1),
        labels="none",
        samples=(3, 5),
    ),
    scale=(-8, -4),
)
"""Minima with slopes that are not zero: of a linear network through one unit, and of one bent unit."""


SIGNED_PERMUTATIONS = tuple(
    tuple(e * s for e in row)
    for s in (1, -1)
    for row in ((1, 0, 0, 1), (0, 1, 1, 0), (1, 0, 0, -1), (0, 1, -1, 0))
)
rank_one = computation(weight(2, 1) @ (weight(1, 2) @ inputs(2)))


@st.composite
def rank_one_networks(draw: st.DrawFn) -> Network:
    """w uᵀ x with labels that are an orthogonal transformation of the inputs: tied singular values.

    Then every u has a w of least loss, the same for all. Shrinks to the identity and θ = 0.
    """
    y = fmpq_mat(2, 2, list(draw(among(*SIGNED_PERMUTATIONS))))
    theta = draw(matrices(4, 1, integers(1)))
    identity = fmpq_mat(2, 2, [1, 0, 0, 1])
    return Network(
        computation=rank_one, theta=theta, X=identity, Y=y, loss=squared, weights=fmpq_mat(1, 2, [1, 1])
    )


def equal_losses_nearby(net: Network, epsilon: fmpq = SMALL) -> list[Network]:
    """Points θ + ε v, |v| <= 1, with the loss of θ: u turned a little, w the best for it."""
    f = net.H.transpose()  # W₂ W₁, for X = I
    if not attains_least_value(f, net.X.transpose(), net.Y.transpose(), 1):
        return []
    u = net.theta.entries()[:2]
    found = []
    for t in (epsilon / 16, -epsilon / 16):
        c, s = (1 - t * t) / (1 + t * t), 2 * t / (1 + t * t)
        turned = fmpq_mat(2, 1, [c * u[0] - s * u[1], s * u[0] + c * u[1]])
        best = net.Y.transpose() * turned / norm2(turned)
        there = net.at(fmpq_mat(4, 1, turned.entries() + best.entries()))
        if total_loss(there, there.H) == total_loss(net, net.H) and norm2(there.theta - net.theta) <= (
            epsilon * epsilon
        ):
            found.append(there)
    return found


def where_rank_one_is_best(net: Network, conclude: Callable[[Network, list[Network]], Verdict]) -> Verdict:
    """``conclude`` at best rank-one approximations (Eckart and Young), which are global minima."""
    others = equal_losses_nearby(net)
    return conclude(net, others) if others else vacuous("not a best approximation")


@claim(
    "KHK19b/lemma3",
    paper=KHK19B,
    where="Appendix A.2, Lemma 3",
    says=r"\exists \epsilon_0\, \forall \epsilon < \epsilon_0\, \forall v \in \mathcal V[\theta, \epsilon]\, \forall k: \sum_i \lambda_i\, \partial\ell_{y_i}(f_{x_i}(\theta))\, \partial_k f_{x_i}(\theta + \epsilon v) = 0",
    assumes={
        "local minimum": r"\theta \in \mathbb R^{d_\theta} \setminus \tilde\Omega \text{ a local minimum of } L"
    },
)
@printed(
    HOLDS,
    st.one_of(critical, degenerate_critical_networks(loss=tilted_double_well, samples=(2, 5))),
    examples=80,
    reaches=CLASSES,
    note="convexity is not needed: a loss with two wells is among those drawn",
)
@drop(
    "local minimum",
    REFUTED,
    degenerate,
    conclude=lambda net: at_critical_point(net, stationary_along_the_fibre(net)),
    recheck=partial(slopes_meet_derivatives, at="critical"),
)
@mutant(
    "every v of the unit ball",
    st.one_of(bottlenecks, curved),
    conclude=lambda net: certified(net, stationary_at(net, nearby(net), "nearby")),
    recheck=partial(slopes_meet_derivatives, where="ball"),
)
@mutant(
    "every eps >= 0",
    dead_units,
    conclude=lambda net: wherever_found(net, stationary_along_the_fibre(net, fmpq(16))),
    recheck=partial(slopes_meet_derivatives, where="far fibre"),
    note="a dead unit without outgoing weights can be revived far away",
)
@mutant(
    "L(theta + eps v) = L(theta) in place of f_X",
    rank_one_networks(),
    conclude=lambda net: where_rank_one_is_best(
        net, lambda net, others: stationary_at(net, others, "at a point with the same loss")
    ),
    recheck=partial(slopes_meet_derivatives, where="same loss", at="best rank one"),
    note="needs a curve of minima with different outputs: best rank-one approximations of a tied matrix",
)
def test_slopes_of_a_minimum_are_orthogonal_to_the_perturbed_basis(net: Network) -> Verdict:
    """At a local minimum off the kinks the output slopes are orthogonal to ∂f_X at every point of the fibre."""
    return at_local_minimum(net, stationary_along_the_fibre(net))


# --- Theorem 2 ----------------------------------------------------------------------------------------


polyhedral = networks(
    computations(("one hidden layer",), ("linear", "relu"), d_x=2, width=1, d_y=1),
    samples=(2, 4),
    loss=absolute,
    labels=between(-1, 1),
)


@st.composite
def silent_polyhedral(draw: st.DrawFn) -> Network:
    """One hidden unit of two inputs without outgoing weights, and the absolute loss, kinked at some labels."""
    net = draw(polyhedral)
    theta = fmpq_mat(net.theta)
    theta[net.computation.parameters - 1, 0] = 0
    return net.at(theta)


def where_sharply_minimal(net: Network) -> Verdict:
    """The conclusion of Theorem 2 where the kinks of the absolute loss make θ a local minimum.

    f = w h(u), w = 0. For small w, L(w, u') = L + |w| φ(±1, u'), φ(s, u') = Σ_{y_i = 0} λ_i |h_i(u')| −
    s Σ_{y_i ≠ 0} λ_i sgn(y_i) h_i(u'), continuous in u': if φ(1, u) > 0 and φ(−1, u) > 0, then θ is a minimum.
    """
    h = [row[net.computation.parameters - 1] for row in net.J.table()]
    terms = list(zip(net.weights.entries(), h, net.Y.entries(), strict=True))
    kinks = sum((w * abs(e) for w, e, y in terms if y == 0), fmpq(0))
    pull = sum(((w if y > 0 else -w) * e for w, e, y in terms if y != 0), fmpq(0))
    if kinks <= abs(pull):
        return vacuous("the kinks do not hold the outgoing weight at zero")
    basis = basis_near(net)
    return decide_equal(total_loss(net, net.H), basis_infimum(net, basis), named=NAMED)


unlabelled = networks(labels="none", samples=(1, 3))


@st.composite
def in_the_higher_well(draw: st.DrawFn) -> Network:
    """Networks with every output at the bottom of the higher well of the loss: a local minimum, whatever f is."""
    net = draw(unlabelled)
    ones = fmpq_mat(net.Y.nrows(), net.Y.ncols(), [1] * len(net.Y.entries()))
    return replace(net, Y=net.H + ones, loss=tilted_double_well)


def better_in_the_lower_well(net: Network) -> Verdict:
    """L against G at the outputs in T that are nearest to the bottom of the lower well, h = y + 2."""
    if any(h - y != -1 for h, y in zip(net.H.entries(), net.Y.entries(), strict=True)):
        return vacuous("not at the bottom of the higher well")
    d = net.Y.ncols()
    wished = vector(net.Y) + fmpq_mat(len(net.Y.entries()), 1, [2] * len(net.Y.entries()))
    q = as_outputs(projector(net.J) * wished, d)
    return decide_at_most(total_loss(net, net.H), total_loss(net, q), named=("L", "a loss in the span"))


flat_units = networks(
    computations(("one hidden layer",), ("cube", "square"), d_x=2, width=1, d_y=1), samples=(1, 3)
)


@st.composite
def flat_points(draw: st.DrawFn) -> Network:
    """w σ(u x) with σ a square or cube, u = 0: J = 0, and the same at every nearby point of the fibre.

    Such a point has w' σ(u' x_i) = 0, hence u' x_i = 0 and σ′(u' x_i) = 0 for all i, as w' ≠ 0. So T̃ = {0}.
    """
    net = draw(flat_units)
    theta = fmpq_mat(net.theta)
    for k in range(net.computation.parameters - 1):
        theta[k, 0] = 0
    last = net.computation.parameters - 1
    theta[last, 0] = theta[last, 0] or fmpq(1)
    return net.at(theta)


def minimal_where_optimal(net: Network) -> Verdict:
    """At ``flat_points`` L = G(0) = inf over T̃ = {0}: is θ a local minimum?"""
    if any(net.J.entries()) or any(net.H.entries()):
        return vacuous("J or f_X is not zero")
    if is_certified_minimum(net) is not None:
        return decide(True, why="θ is a local minimum")
    lower = [find_descent(net, radius) for radius in RADII]
    found = [there for there in lower if there is not None]
    if len(found) == len(lower):
        values = {"L": total_loss(net, net.H), "lower at": found[-1].theta}
        return decide(False, why="L is the infimum over {0}, and lower points are near.", values=values)
    return inconclusive("neither a certificate nor lower points")


def with_second_derivatives(net: Network) -> Verdict:
    """The gradient basis with all ∂_k ∂_l f_X beside it: J(θ + e_l) − J(θ), as f is affine in every θ_l."""
    n = net.computation.parameters
    unit_moves = [net.moved(fmpq_mat(n, 1, [int(i == k) for i in range(n)])) for k in range(n)]
    second = hstack(net.J, *(there.J - net.J for there in unit_moves))
    return certified(net, attains_infimum(net, second, ("L", "inf with second derivatives")))


def over(net: Network, others: list[Network]) -> Verdict:
    """L(θ) against the infimum over the Jacobians at θ and at other points."""
    return attains_infimum(net, hstack(net.J, *(there.J for there in others)), NAMED)


@claim(
    "KHK19b/thm2",
    paper=KHK19B,
    where="Theorem 2, eq. (3.2)",
    says=r"L(\theta) = \inf_{S \subseteq_{\mathrm{fin}} \mathcal V[\theta,\epsilon],\ \alpha} \sum_i \lambda_i\, \ell\Big(\sum_{k,j} \alpha_{kj}\, \partial_k f_{x_i}(\theta + \epsilon S_j),\ y_i\Big)",
    assumes={
        "A1": r"\ell(\cdot, y) \text{ differentiable and convex}",
        "A2": r"f_{x_i}(\theta) = \sum_k g(\theta)_k\, \partial_k f_{x_i}(\theta)",
        "local minimum": r"\theta \in \mathbb R^{d_\theta} \setminus \tilde\Omega \text{ a local minimum of } L",
    },
)
@printed(HOLDS, critical, examples=80, reaches=CLASSES)
@drop(
    "A1: differentiable",
    REFUTED,
    silent_polyhedral(),
    conclude=where_sharply_minimal,
    recheck=kinks_hold_the_outgoing_weight,
    note="one-sided slopes are not additive over several tangent spaces",
)
@drop(
    "A1: convex",
    REFUTED,
    in_the_higher_well(),
    conclude=better_in_the_lower_well,
    recheck=higher_well_is_not_the_infimum,
)
@drop(
    "A2",
    REFUTED,
    among(*WITHOUT_A2).flatmap(small_slopes_of),
    conclude=lambda net: certified(net, attains_perturbable(net)),
    recheck=minimum_differs_from_the_fibre,
)
@drop(
    "local minimum",
    REFUTED,
    degenerate,
    conclude=lambda net: at_critical_point(net, attains_perturbable(net)),
    recheck=partial(derivatives_elsewhere_lower_the_loss, at="critical"),
)
@mutant(
    "every eps >= 0",
    dead_units,
    conclude=lambda net: wherever_found(net, attains_infimum(net, perturbed_basis(net, fmpq(16))[0], NAMED)),
    recheck=partial(derivatives_elsewhere_lower_the_loss, where="far fibre"),
    note="a dead unit without outgoing weights can be revived far away",
)
@mutant(
    "every v of the unit ball",
    st.one_of(bottlenecks, curved),
    conclude=lambda net: certified(net, over(net, nearby(net))),
    recheck=partial(derivatives_elsewhere_lower_the_loss, where="ball"),
)
@mutant(
    "L(theta + eps v) = L(theta) in place of f_X",
    rank_one_networks(),
    conclude=lambda net: where_rank_one_is_best(net, over),
    recheck=partial(derivatives_elsewhere_lower_the_loss, where="same loss", at="best rank one"),
    note="needs a curve of minima with different outputs: best rank-one approximations of a tied matrix",
)
@mutant(
    "and conversely: where L is the infimum, theta is a local minimum",
    flat_points(),
    conclude=minimal_where_optimal,
    recheck=flat_point_is_no_minimum,
)
@mutant(
    "with second derivatives in the basis",
    bottlenecks,
    conclude=with_second_derivatives,
    recheck=second_derivatives_lower_the_loss,
)
def test_local_minimum_attains_the_perturbable_infimum(net: Network) -> Verdict:
    """At every local minimum off the kinks L is the least loss of the perturbable gradient basis model."""
    return at_local_minimum(net, attains_perturbable(net))


@lru_cache(maxsize=64)
def enclosed(net: Network) -> EnclosedMinimum | None:
    """The strict local minimum that interval Newton proves near θ."""
    return enclose_minimum(net)


def against(net: Network, basis: Callable[[EnclosedMinimum], Any]) -> Verdict:
    """L at the minimum near θ against least squares over a basis there."""
    minimum = enclosed(net)
    if minimum is None:
        return vacuous("no strict local minimum could be proved near the trained point")
    bounds = least_squares_bounds(net, basis(minimum))
    if bounds is None:
        return inconclusive("the rank of the basis is in doubt")
    return decide_equal(minimum.loss, bounds, named=("L", "inf L_θ"))


def jacobian_elsewhere(net: Network) -> Verdict:
    """The basis 1/8 away from the minimum in every coordinate."""

    def basis(minimum: EnclosedMinimum) -> Any:
        moved = derivatives_at(net, [t + arb(fmpq(1, 8)) for t in minimum.point])
        return moved.jacobian

    return against(net, basis)


def with_squares(net: Network) -> Verdict:
    """The feature x² beside the basis."""

    def basis(minimum: EnclosedMinimum) -> Any:
        j = minimum.derivatives.jacobian
        table = [[*row, x * x] for row, (x,) in zip(j.table(), net.X.table(), strict=True)]
        return arb_mat(len(table), len(table[0]), [arb(e) for row in table for e in row])

    return against(net, basis)


def at_the_teacher(net: Network) -> Verdict:
    """L against its infimum over the gradient basis where θ is rounded to sixteenths: near, not critical."""
    rounded = [arb(fmpq(round(16 * float(t.mid())), 16)) for t in map(arb, net.theta.entries())]
    d = derivatives_at(net, rounded)
    bounds = least_squares_bounds(net, d.jacobian)
    if bounds is None:
        return inconclusive("the rank of the basis is in doubt")
    value = total_loss(net, d.stages[-1].value.transpose())
    return decide_equal(value, bounds, named=("L", "inf L_θ"))


@claim(
    "KHK19b/thm2-trained",
    paper=KHK19B,
    where="Theorems 1 and 2, at minima of tanh, sigmoid and softplus networks",
    says=r"L(\theta) = \inf_\alpha L_\theta(\alpha)",
    assumes={"critical": r"\nabla L(\theta) = 0"},
)
@printed(
    HOLDS,
    trained_networks(),
    examples=24,
    needs=8,
    note="found by training in float64, proved by interval Newton; at a strict minimum V is {0} near theta",
)
@drop(
    "critical",
    REFUTED,
    trained_networks(),
    conclude=at_the_teacher,
    recheck=trained_point_is_not_critical,
)
@mutant(
    "the basis at another point",
    trained_networks(),
    conclude=jacobian_elsewhere,
    recheck=trained_minimum_differs,
)
@mutant(
    "with x * x in the basis",
    trained_networks(),
    conclude=with_squares,
    recheck=partial(trained_minimum_differs, basis="with squares"),
)
def test_trained_minimum_attains_the_gradient_basis_infimum(net: Network) -> Verdict:
    """At the strict minimum proved near a trained point L is the least loss over the gradient basis."""
    return against(net, lambda minimum: minimum.derivatives.jacobian)


# --- Lemma 1 ------------------------------------------------------------------------------------------

Sets = tuple[list[Network], list[Network]]
Union = Callable[[list[Network], list[Network]], list[Network]]

rich = degenerate_networks(samples=(2, 4))


def two_sets(net: Network) -> Sets:
    """S and S': two finite sets of points θ + ε v on the fibre, which the walks check exactly; θ is in S."""
    first = [net, *walk_fibre(net, fmpq(1, 8), points=2, seed=1)]
    second = list(walk_fibre(net, fmpq(1, 8), points=3, seed=2))
    return first, second


def theta_apart(net: Network) -> Sets:
    """S and S': the other points of both walks, and θ alone."""
    first, second = two_sets(net)
    return union(first[1:], second), first[:1]


def joint(net: Network, at: list[Network]) -> fmpq_mat:
    """{f̃(·; α, ε, S) on the samples} is the range of this matrix: all inputs share α."""
    return hstack(fmpq_mat(net.Y.nrows() * net.Y.ncols(), 0), *(there.J for there in at))


def same_span(a: fmpq_mat, b: fmpq_mat) -> bool:
    """Whether two matrices have the same range."""
    return bool(a.rank() == b.rank() == hstack(a, b).rank())


def union(first: list[Network], second: list[Network]) -> list[Network]:
    """S ∪ S'."""
    return [*first, *(there for there in second if there not in first)]


def sums_are_models(net: Network, sets: Sets, made: Union = union) -> Verdict:
    """range J_S + range J_S' is the range for S ∪ S', a finite subset of 𝒱 again."""
    first, second = sets
    try:
        sums = hstack(joint(net, first), joint(net, second))
        models = joint(net, made(first, second))
    except AtKink:
        return vacuous("a point of the fibre is at a kink")
    values = {"rank of the sums": sums.rank(), "rank of the models": models.rank()}
    return decide(
        same_span(sums, models),
        why="Sums of two models are not the models of the combined set.",
        values=values,
    )


def on_inputs(sets: Sets, x: fmpq_mat, net: Network) -> tuple[Network, Sets]:
    """The same points, at other inputs."""

    def seen(there: Network) -> Network:
        y = fmpq_mat(x.nrows(), net.Y.ncols())
        return replace(there, X=x, Y=y, weights=fmpq_mat(1, x.nrows(), [1] * x.nrows()))

    return seen(net), ([seen(s) for s in sets[0]], [seen(s) for s in sets[1]])


def inputs_one_by_one(net: Network) -> list[fmpq_mat]:
    """Every sample and one input that is none: their sum plus (1, 2)."""
    m, d = net.X.nrows(), net.X.ncols()
    new = [sum((net.X[i, j] for i in range(m)), fmpq(j + 1)) for j in range(d)]
    return [*(rows(net.X, [i]) for i in range(m)), fmpq_mat(1, d, new)]


def pointwise(net: Network, made: Union = union, pair: Callable[[Network], Sets] = two_sets) -> Verdict:
    """The conclusion of Lemma 1 at one input at a time."""
    sets = pair(net)
    if not all(sets):
        return vacuous("no other point of the fibre was found")
    at = (on_inputs(sets, x, net) for x in inputs_one_by_one(net))
    return all_of(*(sums_are_models(here, seen, made) for here, seen in at))


def jointly(net: Network, made: Union = union, pair: Callable[[Network], Sets] = two_sets) -> Verdict:
    """The conclusion of Lemma 1 with the same α and S for all samples."""
    sets = pair(net)
    if not all(sets):
        return vacuous("no other point of the fibre was found")
    return sums_are_models(net, sets, made)


def intersection(first: list[Network], second: list[Network]) -> list[Network]:
    """S ∩ S'."""
    return [there for there in first if there in second]


rank_one_anywhere = networks(rank_one, samples=(2, 3))


def outside_the_fibre(net: Network, inputs_of: Callable[[Network], fmpq_mat]) -> Verdict:
    """T̃ + range J(θ') for a θ' that is not on the fibre, where T̃ is known to be T.

    For w uᵀ x with w, u ≠ 0 and inputs of rank 2, the fibre is the rescalings of (w, u), and ∂f_X has the same
    range at all of them.
    """
    u, w = net.theta.entries()[:2], net.theta.entries()[2:]
    if not any(u) or not any(w) or net.X.rank() < 2:
        return vacuous("the fibre is not known")
    moved = net.moved(fmpq_mat(4, 1, [fmpq(1, 2), 0, 0, fmpq(1, 2)]), fmpq(1, 8))
    x = inputs_of(net)
    here, (models, others) = on_inputs(([net], [moved]), x, net)
    basis = joint(here, models)
    sums = hstack(basis, joint(here, others))
    values = {"rank of T~": basis.rank(), "rank with J elsewhere": sums.rank()}
    return decide(same_span(basis, sums), why="J at the other point leaves the span.", values=values)


linear_units = networks(
    computations(("one hidden layer",), ("linear",), d_x=2, width=1, d_y=1), samples=(2, 3)
)


@st.composite
def silent_linear(draw: st.DrawFn) -> Network:
    """w u · x with w = 0 and two inputs."""
    net = draw(linear_units)
    theta = fmpq_mat(net.theta)
    theta[theta.nrows() - 1, 0] = 0
    return net.at(theta)


def one_element_sets(net: Network) -> Verdict:
    """Sums of two models with |S| = |S'| = 1 against all models with |S| = 1.

    For w u · x with w = 0 and inputs of rank two, the fibre within ε < |u| is w' = 0, |u' − u| <= ε, and a model
    on one of its points is a multiple of X u'. So X u⊥ is none, for no u' that near is a multiple of u⊥.
    """
    if net.X.rank() < 2 or not any(net.theta.entries()[:2]):
        return vacuous("the fibre is not known")
    u = net.theta.entries()[:2]
    across = fmpq_mat(3, 1, [-u[1], u[0], 0])
    there = net.moved(across, fmpq(1, 16) / (abs(u[0]) + abs(u[1])))
    q = net.X * fmpq_mat(2, 1, [-u[1], u[0]])
    return decide(
        not lies_in(q, hstack(net.J, there.J)),
        why="X u⊥ is a sum of two models, and no model on one point.",
        values={"X u⊥": q, "u'": there.theta},
    )


LEMMA1 = (
    r"\{\tilde f_\theta(x; \alpha, \epsilon, S)\} = \{\tilde f_\theta(x; \alpha, \epsilon, S) + "
    r"\tilde f_\theta(x; \alpha', \epsilon, S')\}"
)


@claim(
    "KHK19b/lemma1",
    paper=KHK19B,
    where="Lemma 1",
    says=LEMMA1 + r"\text{ for every } x",
    assumes={"S' in V": r"S' \subseteq_{\mathrm{fin}} \mathcal V[\theta, \epsilon]"},
)
@printed(
    HOLDS,
    rich,
    examples=60,
    needs=25,
    note="at one input the sets are small; the proofs need the joint version",
)
@drop(
    "S' in V",
    REFUTED,
    rank_one_anywhere,
    conclude=lambda net: outside_the_fibre(
        net, lambda net: fmpq_mat(1, 2, [-net.theta[1, 0], net.theta[0, 0]])
    ),
    recheck=point_off_the_fibre_adds,
)
@mutant(
    "S n S' in place of the union",
    rich,
    conclude=lambda net: pointwise(net, intersection, theta_apart),
    recheck=other_set_is_not_enough,
)
@mutant(
    "theta alone",
    rich,
    conclude=lambda net: pointwise(net, lambda first, second: first[:1]),
    recheck=partial(other_set_is_not_enough, made="θ alone"),
)
def test_sums_of_perturbed_models_are_models_at_every_input(net: Network) -> Verdict:
    """At any one input, sums of a perturbed gradient basis model and one on S' are such models themselves."""
    return pointwise(net)


@claim(
    "KHK19b/lemma1-joint",
    paper=KHK19B,
    where="Lemma 1, as the proofs of Theorems 3 and 4 use it",
    says=LEMMA1 + r"\text{ as functions of } x \in \{x_1, \dots, x_m\}",
    assumes={"S' in V": r"S' \subseteq_{\mathrm{fin}} \mathcal V[\theta, \epsilon]"},
)
@printed(HOLDS, rich, examples=60, needs=25)
@drop(
    "S' in V",
    REFUTED,
    rank_one_anywhere,
    conclude=lambda net: outside_the_fibre(net, lambda net: net.X),
    recheck=partial(point_off_the_fibre_adds, joint=True),
)
@mutant(
    "S n S' in place of the union",
    rich,
    conclude=lambda net: jointly(net, intersection, theta_apart),
    recheck=partial(other_set_is_not_enough, joint=True),
)
@mutant(
    "S' alone",
    rich,
    conclude=lambda net: jointly(net, lambda first, second: second, theta_apart),
    recheck=partial(other_set_is_not_enough, made="θ alone", joint=True),
)
@mutant("|S| = 1 is enough", silent_linear(), conclude=one_element_sets, recheck=one_point_is_not_enough)
def test_sums_of_perturbed_models_are_models_on_all_samples(net: Network) -> Verdict:
    """With the same α for all samples, sums of a perturbed model and one on S' are such models themselves."""
    return jointly(net)


# --- Section 3.3.1: the geometric view ----------------------------------------------------------------

along = patterned([["1", "0", "0"], ["0", 0, "0"], ["0", "0", 0]])
x3 = inputs(3)
bent = along @ (along @ x3) + frozen([[0, 0, 0], [0, -1, 0], [0, 0, -1]]) @ x3
loop = computation(weight(1, 1) @ (frozen([[1, 1, 0]]) @ bent + frozen([[0, 0, 1]]) @ (along @ bent)))
"""f = w (x₁ + (u² − 1) x₂ + u (u² − 1) x₃) at θ = (u, w): the curve of outputs crosses itself at u = ±1."""


loop_data = networks(loop, labels="none", samples=(3, 4), entries=integers(1))


@st.composite
def loops(draw: st.DrawFn) -> Network:
    """Networks ``loop`` at u = 1 or −1, w ≠ 0: two branches of the same outputs at distance two."""
    net = draw(loop_data)
    return net.at(fmpq_mat(2, 1, [draw(among(1, -1)), draw(among(1, -1, 2))]))


crossings = critical_networks(loops(), scale=(-8, -4))


def optimal_up_to_the_bound(net: Network) -> Verdict:
    """f_X(θ) is optimal in T̃ for every ε <= ε₀, where ε₀ serves in Theorem 2.

    ε₀ = 2 serves where the features of ``loop`` are independent: f_X(θ') = f_X(θ) says w' = w and
    w (u'² − 1) = 0, so that for ε < 2 the fibre is θ alone, T̃ = T, and Theorem 1 applies. At ε = 2 it has the
    other branch as well.
    """
    if net.X.rank() < 3:
        return vacuous("ε₀ is not known")
    other = net.moved(fmpq_mat(2, 1, [-2 * net.theta[0, 0], 0]))
    named = ("L", "inf over T~ at eps = eps_0 = 2")
    return certified(net, attains_infimum(net, hstack(net.J, other.J), named))


def same_as_the_tangent_space(net: Network) -> Verdict:
    """T̃ = T."""
    basis = basis_near(net)
    return decide(
        basis.rank() == net.J.rank(),
        why="The perturbable basis has a larger range.",
        values={"dim T": net.J.rank(), "dim T~": basis.rank()},
    )


@claim(
    "KHK19b/t-tilde",
    paper=KHK19B,
    where="Section 3.3.1, the geometric view",
    says=r"f_X(\theta) \in \mathrm{argmin}_{f \in \tilde T_{f_X(\theta)}} \mathrm{dist}(f, y) \text{ for a given } \epsilon \le \epsilon_0",
    assumes={
        "local minimum": r"\theta \in \mathbb R^{d_\theta} \setminus \tilde\Omega \text{ a local minimum of } L"
    },
)
@printed(
    REFUTED,
    crossings,
    recheck=second_branch_at_distance_two_lowers_the_loss,
    note="Theorem 2 is about eps < eps_0; at eps = eps_0 another branch of the fibre may come in",
)
@repaired(
    r"f_X(\theta) \in \mathrm{argmin}_{f \in \tilde T_{f_X(\theta)}} \mathrm{dist}(f, y) \text{ for every } \epsilon < \epsilon_0",
    st.one_of(crossings, singular_parity_minima, degenerate),
    conclude=lambda net: at_local_minimum(net, attains_perturbable(net)),
    examples=60,
    reaches={"larger along the fibre": grows},
)
@drop(
    "local minimum",
    REFUTED,
    degenerate,
    conclude=lambda net: at_critical_point(net, attains_perturbable(net)),
    recheck=partial(derivatives_elsewhere_lower_the_loss, at="critical"),
)
@mutant(
    "T~ = T",
    singular_parity_minima,
    conclude=same_as_the_tangent_space,
    recheck=fibre_adds_to_the_tangent_space,
    note="true at every point where the rank of ∂f_X is locally constant: singular points are needed",
)
@mutant(
    "T~ is the whole output space, as in Figure 3",
    parity_minima(),
    conclude=lambda net: certified(net, decide_equal(total_loss(net, net.H), fmpq(0), named=("L", "0"))),
    recheck=minimum_keeps_a_loss,
    says=r"\tilde T = \mathbb R^{m d_y}",
)
def test_outputs_of_a_minimum_are_nearest_in_the_perturbable_span(net: Network) -> Verdict:
    """At a local minimum f_X(θ) is nearest to the labels among T̃, for a given ε up to and including ε₀."""
    return optimal_up_to_the_bound(net)
