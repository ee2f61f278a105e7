"""Kawaguchi, Huang & Kaelbling (2019), Section 3.2.2: Examples 1 to 3 of Theorem 1, and footnote 1.

Models linear in θ are their own gradient basis models; overparameterised networks, of which footnote 1 builds
some, reach all outputs by their last layer; with skip connections the linear models on every layer that has one
are among the gradient basis models.
"""

from collections.abc import Callable
from functools import cache, partial, reduce
from operator import add
from typing import Any

from flint import fmpq, fmpq_mat
from hypothesis import strategies as st

from strategies.feedforward import Activate, Computation, Network, apply, computation, inputs, weight
from strategies.losses import Loss, cross_entropy, logistic, smoothed_hinge, squared
from strategies.matrices import columns, hstack, identity
from strategies.numbers import among, between, integers
from strategies.overparameterised import (
    deep_relu_networks,
    features,
    interpolating,
    overparameterised_networks,
    raw_inputs,
    separation,
)
from strategies.stationary import computations, critical_networks, networks
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
    mutant,
    printed,
    repaired,
    vacuous,
)
from verify.khk19b import (
    ASSUMES,
    BENT,
    InducedModel,
    attains_model,
    beats_tried_models,
    critical_only,
    few_linear,
    hidden_parameters,
    unlabelled,
    with_coefficients,
)
from verify.oracles.feedforward import loss, output_slopes, product, total_loss, vector
from verify.oracles.induced import attains_infimum, basis_infimum, is_no_better, linear_features
from verify.oracles.infimum import enclose_infimum
from verify.oracles.minima import at_critical_point
from verify.papers import KHK19B
from verify.rechecks.gradient_models import (
    best_coefficients_are_many,
    critical_point_has_a_better_model,
    value_exceeds_that_of_other_outputs,
    value_is_another,
)
from verify.rechecks.khk19b_examples import (
    dead_network_is_a_minimum,
    derivatives_do_not_add_up,
    is_not_its_own_model,
    last_layer_alone_has_another_value,
    last_layer_cannot_fit,
    layer_without_skip_is_better,
    living_network_is_stuck,
    rank_is_below,
    samples_are_separable,
    skip_model_is_better,
    units_miss_their_samples,
    wide_network_is_stuck,
)

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
    recheck=is_not_its_own_model,
)
@drop(
    "critical",
    REFUTED,
    networks(computations(LINEAR), samples=(1, 3)),
    conclude=lambda net: attains_infimum(net, net.J),
    recheck=value_is_another,
)
@drop(
    "convex l",
    REFUTED,
    few_linear,
    conclude=critical_only(beats_tried_models),
    recheck=critical_point_has_a_better_model,
)
@mutant(
    "a global minimum exists",
    networks(computations(LINEAR, d_y=1), samples=(1, 3), loss=logistic),
    conclude=attains_its_infimum,
    recheck=samples_are_separable,
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
    recheck=best_coefficients_are_many,
)
def test_models_linear_in_their_parameters_are_their_own_model(model: InducedModel) -> Verdict:
    """A model with fixed features is its own gradient basis model: every critical point is a global minimum."""
    return is_its_own_model(model)


# --- Example 2 and its footnote ----------------------------------------------------------------------


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
    recheck=partial(units_miss_their_samples, normalised=False),
)
@drop(
    "distinct",
    REFUTED,
    overparameterised_networks(kind="repeated", hidden=(1, 1), samples=(2, 3)),
    conclude=where_prescribed(each_unit_has_its_sample, separated=False),
    recheck=partial(units_miss_their_samples, separated=False),
)
@drop(
    "epsilon",
    REFUTED,
    overparameterised_networks(epsilon="double", hidden=(1, 1), samples=(2, 3)),
    conclude=where_prescribed(each_unit_has_its_sample, separated=False),
    recheck=partial(units_miss_their_samples, separated=False),
    says=r"\epsilon \le 2\delta",
    note="the rank survives in all that was drawn, the pattern does not",
)
@mutant(
    "the units beyond m are silent",
    shallow,
    conclude=where_prescribed(lambda net: each_unit_has_its_sample(net, units=True)),
    recheck=partial(units_miss_their_samples, units="all"),
)
@mutant(
    "(W x_i)_i > 1",
    shallow,
    conclude=where_prescribed(lambda net: each_unit_has_its_sample(net, strictly=1)),
    recheck=partial(units_miss_their_samples, above=1),
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
    recheck=partial(rank_is_below, diagonal="nonzero"),
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
    recheck=partial(rank_is_below, normalised=False),
)
@drop(
    "distinct",
    REFUTED,
    overparameterised_networks(kind="repeated", samples=(2, 3), hidden=(1, 2)),
    conclude=where_prescribed(has_rank_m, separated=False),
    recheck=partial(rank_is_below, separated=False),
)
@drop(
    "n >= m",
    REFUTED,
    overparameterised_networks(extra=(-1, -1), samples=(2, 3)),
    recheck=rank_is_below,
)
@drop(
    "epsilon",
    REFUTED,
    overparameterised_networks(epsilon="two", samples=(4, 5), dimension=(2, 2), extra=(0, 0), hidden=(1, 2)),
    conclude=where_prescribed(has_rank_m, separated=False),
    recheck=partial(rank_is_below, separated=False),
    says=r"\epsilon = 2",
    note="then no unit is ever off, and the rank is at most d + 1",
)
@mutant(
    "one W_jj = 0",
    overparameterised_networks(diagonal="one zero", hidden=(2, 3), extra=(0, 0)),
    recheck=partial(rank_is_below, diagonal="not negative"),
)
@mutant(
    "rank > m",
    prescribed,
    conclude=where_prescribed(lambda net: has_rank_m(net, net.X.nrows() + 1)),
    recheck=partial(rank_is_below, more=1),
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
    recheck=last_layer_cannot_fit,
)
@drop(
    "rank",
    REFUTED,
    critical_in_the_last_layer(deep_relu_networks(samples=(1, 3))),
    conclude=lambda net: reaches_any_outputs(net, rank=None),
    recheck=last_layer_cannot_fit,
    says=r"\text{for any } u",
)
@mutant(
    "rank m - 1 suffices",
    overparameterised_networks(diagonal="one zero", hidden=(2, 2), extra=(0, 0)),
    conclude=lambda net: reaches_any_outputs(net, rank=1),
    recheck=partial(last_layer_cannot_fit, fewer=1),
)
@mutant(
    "repeated inputs",
    overparameterised_networks(kind="repeated", samples=(2, 3), hidden=(1, 2)),
    conclude=lambda net: reaches_any_outputs(net, rank=None),
    recheck=last_layer_cannot_fit,
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
    recheck=wide_network_is_stuck,
    note="in all weights together: a dead ReLU network is a differentiable local minimum, however wide",
)
@repaired(
    r"\text{every critical } \theta = \mathrm{vec}\,W \text{ with } u \text{ such that } \mathrm{rank}[\phi(x_i; u)] \ge m",
    overparameterised_networks(fitted=True) | overparameterised_networks(fitted=True, extra=(1, 2)),
    conclude=where_last_layer_is_critical,
    examples=60,
    note="in W alone: for m, H >= 2 such a u is a kink of the network in (W, u), by the zeros of its diagonals",
)
@mutant(
    "every local minimum",
    wide_and_critical,
    conclude=at_flat_minimum,
    recheck=dead_network_is_a_minimum,
)
@mutant(
    "every critical point that is not dead",
    critical_networks(deep_relu_networks(samples=(2, 2))),
    conclude=critical_only(
        lambda net: is_no_worse_than_an_interpolation(net) if any(net.J.entries()) else vacuous("J = 0")
    ),
    recheck=living_network_is_stuck,
)
@mutant(
    "with twice as many units",
    critical_networks(deep_relu_networks(extra=(2, 2))),
    conclude=critical_only(is_no_worse_than_an_interpolation),
    recheck=partial(wide_network_is_stuck, times=2),
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
@drop(
    "critical",
    REFUTED,
    networks(skip_computations(), samples=(1, 3)),
    conclude=attains_skip_model,
    recheck=skip_model_is_better,
)
@drop(
    "l in I",
    REFUTED,
    critical_networks(with_skips(skips=((2,), (1, 3), (2, 3), (3,)))),
    conclude=critical_only(others_as_well),
    recheck=layer_without_skip_is_better,
    note="a representation without weights to the output may fit better",
)
@mutant(
    "L = inf over h^(H) alone",
    critical_networks(with_skips(skips=((1, 2), (1, 2, 3)))),
    conclude=critical_only(last_alone),
    recheck=last_layer_alone_has_another_value,
)
@mutant(
    "L = inf over all outputs",
    critical_networks(with_skips()),
    conclude=critical_only(lambda net: attains_infimum(net, identity(net.J.nrows()))),
    recheck=value_exceeds_that_of_other_outputs,
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
    recheck=partial(derivatives_do_not_add_up, which="the last weights"),
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
    recheck=partial(derivatives_do_not_add_up, which="all"),
)
@mutant(
    "the hidden weights alone",
    networks(skip_computations(activations=BENT), samples=(1, 2)),
    conclude=lambda net: is_reproduced(net, hidden_parameters(net.computation)),
    recheck=partial(derivatives_do_not_add_up, which="the hidden weights"),
)
def test_the_last_weights_alone_give_assumption_2(net: Network) -> Verdict:
    """With skip connections f is the derivative by the last weights times these weights."""
    return is_reproduced(net, last_parameters(net))
