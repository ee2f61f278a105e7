"""Kawaguchi, Huang & Kaelbling (2019), Section 4.2.3 and Appendix A.5: Theorem 4, deep networks that are partly
linear near θ.

At a local minimum L(θ) is the least value over A^(H+1) h^(H) + … + A^(t+1) h^(t) + f̃_θ, or in terms of the
output slopes p: Σ_i p_i h^(l)(x_i)ᵀ = 0 for l = t, …, H. θ is taken with the largest sets J^(l), which give
the least t; the claim for that t is the strongest.
"""

from functools import partial

from flint import fmpq, fmpq_mat
from hypothesis import strategies as st

from strategies.feedforward import AtKink, Network
from strategies.layered import layered_networks, odd_layers, tied_at_zero
from strategies.losses import absolute, huber, smoothed_hinge
from strategies.matrices import hstack
from strategies.numbers import among
from strategies.stationary import critical_networks, parity_minima
from verify import (
    HOLDS,
    REFUTED,
    Verdict,
    all_of,
    claim,
    decide,
    decide_equal,
    drop,
    mutant,
    printed,
    repaired,
    vacuous,
)
from verify.oracles.feedforward import loss, slopes_are_even
from verify.oracles.fibres import perturbed_basis, same_outputs
from verify.oracles.induced import attains_infimum, basis_infimum, linear_features
from verify.oracles.linear_paths import (
    LinearPaths,
    at_layered_minimum,
    features,
    hidden_layers,
)
from verify.oracles.minima import at_critical_point
from verify.papers import KHK19B
from verify.rechecks.khk19b_deep import (
    changes_of_the_proof_move_the_outputs,
    critical_point_is_worse_than_a_layer,
    deep_minimum_has_a_loss,
    kinks_hold_the_last_weight,
    layer_is_outside_the_tangent_space,
    layers_are_in_the_tangent_space,
    minimum_differs_from_linear_maps,
    no_layer_is_linear,
    path_of_one_unit_is_not_enough,
    product_features_lower_the_loss,
    proof_misses_a_layer,
    theorem_4_fails,
    units_turn_curved_far_away,
)

MINIMUM = r"\theta \text{ is a local minimum of } L"
CONDITION_2 = r"h^{(l)}(x_i, \theta')_k = (W^{(l)} h^{(l-1)}(x_i, \theta'))_k,\ k \in J^{(l)},\ \theta' \in B(\theta, \epsilon)"
CONDITION_3 = r"W^{(l+1)}_{ij} = 0,\ i \notin J^{(l+1)},\ j \in J^{(l)},\ l \le H - 1"
ELEMENTWISE = r"\sigma^{(l)}(q)_k = \sigma^{(l)}_k(q_k)"
DIFFERENTIABLE = r"\ell_y \text{ is differentiable}"


def basis(net: Network, t: int) -> fmpq_mat:
    """h^(t), …, h^(H), the tangent space, and tangent spaces at some points of the fibre."""
    tangents, _ = perturbed_basis(net, fmpq(1, 1024))
    return hstack(tangents, features(net, t))


def from_layer(net: Network, t: int) -> Verdict:
    """L(θ) = inf over Σ_{l>=t} α^(l+1) h^(l) + f̃_θ, if θ is a local minimum."""
    return at_layered_minimum(net, attains_infimum(net, basis(net, t), named=("L", "inf L_θ,t")))


def some_elements(*scales: tuple[int, int], **options) -> st.SearchStrategy[Network]:
    """Critical points of layered networks; those with small slopes are often strict minima up to symmetry."""
    nets = layered_networks(**options)
    return st.one_of(*(critical_networks(nets, scale=scale) for scale in scales or ((-6, -2),)))


ones = among(1, -1, 2, 0)
deep = critical_networks(layered_networks(depth=(2, 3), t=(0, 1), samples=(3, 6)))
deepest = critical_networks(layered_networks(depth=(3, 3), t=(0, 0), samples=(4, 6)))
one_output = {"d_y": (1, 1), "wide": 0, "paths": ("linear",)}
planted = st.one_of(
    deep,
    deepest,
    deep,
    critical_networks(layered_networks(loss=huber, samples=(3, 6), wide=0)),
    critical_networks(layered_networks(loss=smoothed_hinge, d_y=(1, 1), samples=(3, 6), wide=0)),
    parity_minima(odd_layers(), degenerate=True),
)
seeing = {
    "depth": (2, 2),
    "samples": (4, 5),
    "products": "any",
    "curved": ("square", "quadratic"),
    **one_output,
}
beside_the_path = {"t": (1, 1), "vector": True, "beside": (1, 1), "lower": ("linear", "square"), **seeing}
vectors = some_elements(
    **{**beside_the_path, "samples": (3, 4)}, parameters=among(1, -1, 2, 0)
) | some_elements(**beside_the_path, d_x=(2, 2), below=(2, 2), parameters=among(1, -1, 2))
crossed = some_elements(t=(0, 0), d_x=(2, 2), crossing=True, parameters=among(1, -1, 2, -2), **seeing)


def changed(net: Network) -> int:
    """The most layers that A.5 perturbs for a violated M_l; 0 if none is."""
    paths = LinearPaths(net)
    return max((len(paths.changed_layers(l)) for l in paths.violated(paths.first())), default=0)


PATH_CLASSES = {
    "t = 0": lambda net: LinearPaths(net).first() == 0,
    "t = H": lambda net: LinearPaths(net).first() == len(net.computation.layers) - 1,
    "some J larger than d_y": lambda net: any(len(j) > net.Y.ncols() for j in LinearPaths(net).units),
    "a violated M_l through three layers": lambda net: changed(net) == 3,
    "certainly a minimum": slopes_are_even,
    "a violated M_l through two layers": lambda net: changed(net) == 2,
}


def tied_minimum(net: Network, verdict: Verdict) -> Verdict:
    """``verdict`` at W^(H+1) = 0 where L'(0; ±1) > 0 in W^(H+1), for |q − y| and one unit in every layer.

    Then L'(0; ±1) > 0 for all lower weights nearby, L is convex in W^(H+1), and it does not depend on the
    lower weights at W^(H+1) = 0: θ is a local minimum.
    """
    h = hidden_layers(net)[-1].entries()
    pairs = list(zip(h, net.Y.entries(), strict=True))
    slope = sum((e if y < 0 else -e for e, y in pairs if y), fmpq(0))
    if not abs(slope) < sum((abs(e) for e, y in pairs if not y), fmpq(0)):
        return vacuous("θ is not known to be a local minimum")
    return verdict


@claim(
    "KHK19b/thm4",
    paper=KHK19B,
    where="Theorem 4, Section 4.2.3",
    says=r"t \in \{1, \dots, H\},\ \theta \in \Theta_{d_y,t} \setminus \tilde\Omega \text{ a local minimum} \Rightarrow L(\theta) = \inf_{S, \alpha, \alpha_h} \sum_i \lambda_i \ell_{y_i}\Bigl(\sum_{l=t}^{H} \alpha_h^{(l+1)} h^{(l)}(x_i) + \tilde f_\theta(x_i; \alpha, \epsilon, S)\Bigr)",
    assumes={
        "|J| >= d_y": r"|J^{(l)}| \ge d_y",
        "condition 2": CONDITION_2,
        "condition 3": CONDITION_3,
        "local minimum": MINIMUM,
        "loss differentiable": DIFFERENTIABLE,
    },
)
@printed(
    REFUTED,
    vectors,
    examples=400,
    recheck=partial(theorem_4_fails, least=1),
    note="sigma is printed as any map of R^d; units beside J must not see those of J inside it (a gate, a "
    "softmax, a normalisation do). t = 0 is left out, though the proof and the corollary use it.",
)
@repaired(
    r"\sigma^{(l)} \text{ elementwise},\ t \in \{0, \dots, H\}",
    planted,
    conclude=lambda net: from_layer(net, LinearPaths(net).first()),
    reaches=PATH_CLASSES,
    note="critical points with an M_l != 0 are planted: lower points are exhibited at every radius",
)
@drop(
    "|J| >= d_y",
    REFUTED,
    some_elements(depth=(1, 2), t=(0, 0), d_x=(2, 2), d_y=(2, 2), narrow=True, beside=(0, 0), products="any"),
    conclude=lambda net: from_layer(net, LinearPaths(net).first(1)),
    recheck=path_of_one_unit_is_not_enough,
)
@drop(
    "condition 2: only at theta",
    REFUTED,
    some_elements(
        depth=(1, 1), t=(1, 1), d_x=(1, 2), d_y=(1, 1), below=(1, 1), lower=("square", "cube"),
        entries=among(0, 1), parameters=among(1, 0), samples=(2, 3),
    ),
    conclude=lambda net: from_layer(net, LinearPaths(net, near=False).first()),
    recheck=partial(theorem_4_fails, near=False),
)  # fmt: skip
@drop(
    "condition 3",
    REFUTED,
    crossed,
    conclude=lambda net: from_layer(net, LinearPaths(net, condition="dropped").first()),
    recheck=partial(theorem_4_fails, condition="dropped"),
)
@drop(
    "local minimum: critical point",
    REFUTED,
    deep,
    conclude=lambda net: at_critical_point(
        net, attains_infimum(net, basis(net, LinearPaths(net).first()), named=("L", "inf L_θ,t"))
    ),
    recheck=critical_point_is_worse_than_a_layer,
)
@drop(
    "loss differentiable",
    REFUTED,
    tied_at_zero(absolute),
    conclude=lambda net: tied_minimum(
        net, decide_equal(loss(net), basis_infimum(net, features(net, 0)), named=("L", "inf L_θ,0"))
    ),
    recheck=kinks_hold_the_last_weight,
)
@mutant(
    "h^(t-1) as well",
    some_elements(depth=(1, 1), t=(1, 1), d_y=(1, 1), lower=("square", "quadratic"), samples=(3, 5)),
    conclude=lambda net: from_layer(net, max(LinearPaths(net).first() - 1, 0)),
    recheck=partial(theorem_4_fails, below=1),
)
@mutant(
    "|J| >= d_y - 1",
    some_elements(depth=(1, 1), t=(0, 0), d_x=(2, 2), d_y=(2, 2), narrow=True, products="any"),
    conclude=lambda net: from_layer(net, LinearPaths(net).first(net.Y.ncols() - 1)),
    recheck=partial(theorem_4_fails, fewer=1),
)
@mutant(
    "condition 3 transposed",
    crossed,
    conclude=lambda net: from_layer(net, LinearPaths(net, condition="transposed").first()),
    recheck=partial(theorem_4_fails, condition="transposed"),
)
@mutant(
    "products of inputs as well",
    some_elements(depth=(1, 2), t=(0, 0), beside=(0, 0), samples=(3, 5), **one_output),
    conclude=lambda net: at_layered_minimum(
        net, attains_infimum(net, hstack(net.J, linear_features(squares(net), net.Y.ncols())))
    ),
    recheck=product_features_lower_the_loss,
)
def test_local_minimum_is_as_good_as_every_layer_above_t(net: Network) -> Verdict:
    """At a local minimum L is the least value over linear models on all layers from t up, and f̃ beside them."""
    return from_layer(net, max(LinearPaths(net).first(), 1))


def squares(net: Network) -> fmpq_mat:
    """x ∗ x, m × d_x."""
    return fmpq_mat(net.X.nrows(), net.X.ncols(), [e * e for e in net.X.entries()])


def path_points(net: Network, paths: LinearPaths, l: int, *, whole: bool = True) -> list[Network] | None:
    """The points of A.5 for h^(l), at the first of a few ε for which all have the outputs of θ; None if none."""
    for epsilon in (fmpq(1, 16), fmpq(1, 2**12), fmpq(1, 2**40)):
        made = list(paths.perturbations(l, epsilon, whole=whole))
        if all(same_outputs(net, theta) for theta in made):
            return [net.at(theta) for theta in made]
    return None


def spans_its_layers(net: Network, *, below: int = 0) -> Verdict:
    """The points of A.5 lie on the fibre, and their tangent spaces contain α h^(l) for l = t, …, H."""
    paths = LinearPaths(net)
    try:
        tangents = net.J
    except AtKink:
        return vacuous("θ is at a kink")
    parts = []
    for l in range(max(paths.first() - below, 0), len(paths.units)):
        points = path_points(net, paths, l) if paths.first() <= l < len(paths.units) - 1 else []
        if points is None:
            return decide(False, why=f"The points for h^({l}) do not have the outputs of θ.")
        try:
            spanned = hstack(tangents, *(there.J for there in points))
        except AtKink:
            return vacuous("a point of the fibre is at a kink")
        wanted = linear_features(hidden_layers(net)[l].transpose(), net.Y.ncols())
        parts.append(
            decide(
                hstack(spanned, wanted).rank() == spanned.rank(),
                why=f"The tangent spaces at the points of A.5 do not contain all α h^({l})(x).",
                values={"l": l, "points": len(points)},
            )
        )
    return all_of(*parts)


some_layers = layered_networks(depth=(1, 3), t=(0, 1), samples=(2, 4))
deep_layers = layered_networks(depth=(3, 3), t=(0, 0), samples=(2, 4), wide=0)
through = {
    "rank d_y: S = {0}": lambda net: (
        not any(
            LinearPaths(net).changed_layers(l)
            for l in range(LinearPaths(net).first(), len(net.computation.layers) - 1)
        )
    ),
    "three layers perturbed": lambda net: (
        LinearPaths(net).first() == 0 and len(LinearPaths(net).changed_layers(0)) == 3
    ),
}


@claim(
    "KHK19b/thm4-proof",
    paper=KHK19B,
    where="Appendix A.5, proof of Theorem 4: the sets S^(l)",
    says=r"S^{(l)} \subseteq_{\mathrm{fin}} \mathcal{V}[\theta, \epsilon],\quad \{\tilde f_\theta(x_i; \alpha, \epsilon, S^{(l)})\} \supseteq \{\alpha_h^{(l+1)} h^{(l)}(x_i)\},\quad l = t, \dots, H",
    assumes={"sigma elementwise": ELEMENTWISE, "condition 3": CONDITION_3},
)
@printed(
    HOLDS,
    some_layers | deep_layers,
    reaches=through,
    note="at any θ of Θ, minimum or not. The proof's h̃ = σ(B h̃) takes σ to be elementwise",
)
@drop(
    "sigma elementwise",
    REFUTED,
    layered_networks(depth=(2, 2), t=(0, 1), vector=True, beside=(1, 1), d_y=(1, 1)),
    recheck=proof_misses_a_layer,
)
@drop(
    "condition 3",
    REFUTED,
    layered_networks(depth=(2, 2), t=(0, 0), beside=(0, 1), crossing=True, parameters=ones, d_y=(1, 1)),
    conclude=lambda net: spans_its_layers_without_condition_3(net),
    recheck=partial(changes_of_the_proof_move_the_outputs, condition="dropped"),
)
@mutant(
    "S = {0} for every l",
    deep_layers,
    conclude=lambda net: tangent_space_contains(net, True),
    recheck=layer_is_outside_the_tangent_space,
)
@mutant(
    "h^(t-1) as well",
    layered_networks(depth=(1, 2), t=(1, 2), lower=("square", "quadratic"), samples=(3, 5)),
    conclude=lambda net: tangent_space_contains(net, False, below=1),
    recheck=partial(proof_misses_a_layer, below=1),
)
def test_perturbations_of_the_proof_span_every_layer(net: Network) -> Verdict:
    """Rank-one changes along the path keep all outputs, and their tangent spaces contain the linear models on h^(l)."""
    return spans_its_layers(net)


def spans_its_layers_without_condition_3(net: Network) -> Verdict:
    """The same construction on paths that other units see."""
    paths = LinearPaths(net, condition="dropped")
    for l in range(paths.first(), len(paths.units) - 1):
        if path_points(net, paths, l) is None:
            return decide(False, why=f"The points for h^({l}) do not have the outputs of θ.")
    return decide(True, why="all points have the outputs of θ")


def tangent_space_contains(net: Network, at_theta: bool, below: int = 0) -> Verdict:
    """The tangent space at θ (or with those at the points of A.5) contains α h^(l) for l = t − ``below``, …, H."""
    if not at_theta:
        return spans_its_layers(net, below=below)
    wanted = features(net, LinearPaths(net).first())
    return decide(
        hstack(net.J, wanted).rank() == net.J.rank(),
        why="The tangent space at θ does not contain all α h^(l).",
    )


linear_chains = {"paths": ("linear",), "beside": (0, 0), "t": (0, 0)}
deep_linear = critical_networks(layered_networks(samples=(2, 5), **linear_chains))


@claim(
    "KHK19b/thm4-linear",
    paper=KHK19B,
    where="Section 4.2.3, after Theorem 4",
    says=r"\sigma^{(l)}(q) = q,\ d_y \le \min\{d_1, \dots, d_H\} \Rightarrow \theta \in \Theta_{d_y,0};\ \theta \text{ a local minimum} \Rightarrow L(\theta) = \inf_{\alpha_x} \sum_i \lambda_i \ell_{y_i}(\alpha_x x_i)",
    assumes={
        "d_y <= widths": r"d_y \le \min\{d_1, \dots, d_H\}",
        "local minimum": MINIMUM,
        "loss differentiable": DIFFERENTIABLE,
    },
)
@printed(
    HOLDS,
    st.one_of(
        deep_linear,
        critical_networks(layered_networks(depth=(3, 3), samples=(3, 5), **linear_chains)),
        critical_networks(layered_networks(loss=huber, samples=(2, 5), **linear_chains)),
        parity_minima(odd_layers().filter(lambda f: {a.name for a in f.functions} == {"linear"})),
    ),
    reaches={
        "suboptimal": lambda net: changed(net) > 0,
        "optimal": lambda net: changed(net) == 0,
        "three layers perturbed": lambda net: changed(net) == 3,
    },
    note=r"\alpha_x is printed as a vector of d_x entries; it is a d_y x d_x matrix. Needs t = 0, which "
    "Theorem 4 as printed leaves out.",
)
@drop(
    "d_y <= widths",
    REFUTED,
    some_elements(
        depth=(1, 2), d_x=(2, 2), d_y=(2, 2), narrow=True, products="any", **linear_chains
    ),
    conclude=lambda net: as_good_as_linear(net),
    recheck=minimum_differs_from_linear_maps,
)  # fmt: skip
@drop(
    "local minimum: critical point",
    REFUTED,
    deep_linear,
    conclude=lambda net: at_critical_point(net, attains_infimum(net, features_of_inputs(net))),
    recheck=partial(minimum_differs_from_linear_maps, at="critical"),
)
@drop(
    "loss differentiable",
    REFUTED,
    tied_at_zero(absolute),
    conclude=lambda net: tied_minimum(
        net, decide_equal(loss(net), basis_infimum(net, features_of_inputs(net)), named=("L", "inf over A x"))
    ),
    recheck=partial(kinks_hold_the_last_weight, layers="x"),
)
@mutant(
    "with curved units as well",
    some_elements(depth=(1, 1), t=(1, 1), lower=("square", "cube"), samples=(3, 5)),
    conclude=lambda net: as_good_as_linear(net),
    recheck=minimum_differs_from_linear_maps,
)
@mutant(
    "L = 0",
    parity_minima(odd_layers().filter(lambda f: {a.name for a in f.functions} == {"linear"})),
    conclude=lambda net: at_layered_minimum(
        net, decide(loss(net) == 0, why="L > 0.", values={"L": loss(net)})
    ),
    recheck=deep_minimum_has_a_loss,
)
def test_deep_linear_local_minimum_is_global(net: Network) -> Verdict:
    """A deep linear network with no layer narrower than its output lies in Θ at t = 0, and its local minima are global."""
    return all_of(decide(LinearPaths(net).first() == 0, why="θ is not in Θ_{d_y,0}."), as_good_as_linear(net))


def features_of_inputs(net: Network) -> fmpq_mat:
    """The basis of the models A x."""
    return linear_features(net.X, net.Y.ncols())


def as_good_as_linear(net: Network) -> Verdict:
    """L(θ) = inf over A x, if θ is a local minimum."""
    return at_layered_minimum(
        net, decide_equal(loss(net), basis_infimum(net, features_of_inputs(net)), named=("L", "inf over A x"))
    )


def outside_the_tangent_space(net: Network) -> Verdict:
    """T̃ ≠ T, and the best model on h^(t), …, h^(H) lies in T̃ but not in T: refuted where they all lie in T."""
    wanted = features(net, LinearPaths(net).first())
    return decide(
        hstack(net.J, wanted).rank() > net.J.rank(),
        why="T contains every linear model on the layers from t up, the best one among them.",
        values={"rank of T": net.J.rank()},
    )


@claim(
    "KHK19b/thm4-tangent",
    paper=KHK19B,
    where="Section 4.2.3, after Theorem 4: the geometric view",
    says=r"\tilde T_{f_X(\theta)} \ne T_{f_X(\theta)},\ \text{the best basis models on } h^{(t)}, \dots, h^{(H)} \text{ lie in } \tilde T_{f_X(\theta)} \text{ but not in } T_{f_X(\theta)}",
)
@printed(
    REFUTED,
    layered_networks(depth=(1, 2), t=(0, 0), products="any", samples=(1, 3), entries=among(1, -1, 2)),
    recheck=layers_are_in_the_tangent_space,
    note="read for every θ of Θ. At a local minimum it never holds for strictly convex losses: the best "
    "outputs are those of θ itself, which T contains",
)
@repaired(
    r"\tilde T_{f_X(\theta)} \supseteq \{\textstyle\sum_{l \ge t} \alpha^{(l+1)} h^{(l)}\}, \text{ with or without } \tilde T = T",
    some_layers | deep_layers,
    examples=60,
    reaches={
        "all in T": lambda net: outside_the_tangent_space(net).outcome is REFUTED,
        "not all in T": lambda net: outside_the_tangent_space(net).outcome is HOLDS,
    },
    conclude=spans_its_layers,
)
@mutant(
    "never outside T",
    deep_layers,
    conclude=lambda net: tangent_space_contains(net, True),
    recheck=layer_is_outside_the_tangent_space,
)
@mutant(
    "always outside T",
    some_layers,
    conclude=outside_the_tangent_space,
    recheck=layers_are_in_the_tangent_space,
)
def test_best_models_lie_outside_the_tangent_space(net: Network) -> Verdict:
    """The best linear models on the layers from t up lie in T̃ but not in T."""
    return outside_the_tangent_space(net)


def linear_without_linear_units(net: Network, *, within: fmpq = fmpq(1, 2**40)) -> Verdict:
    """θ ∈ Θ_{d_y,t} for a t < H; condition 2 is checked again at two θ' ``within`` that distance."""
    paths = LinearPaths(net)
    t = paths.first()
    if t == len(paths.units) - 1:
        return decide(False, why="No layer below the output has d_y units that are linear near θ.")
    n = net.theta.nrows()
    for sign in (1, -1):
        there = net.moved(fmpq_mat(n, 1, [fmpq(sign, n * (1 + k % 3)) for k in range(n)]), within)
        if not copies_at(there, paths, t):
            return decide(False, why="A unit of J is not linear at θ'.", values={"θ'": there.theta})
    return decide(True, why="conditions 1 to 3 hold")


def copies_at(net: Network, paths: LinearPaths, t: int) -> bool:
    """Whether h^(l)_k = (W^(l) h^(l−1))_k for k in J^(l), t < l <= H, at every sample and this θ; no at kinks."""
    try:
        layers = hidden_layers(net)
    except AtKink:
        return False
    here = LinearPaths(net)
    return all(
        (here.weight(l) * layers[l - 1]).table()[k] == layers[l].table()[k]
        for l in range(t + 1, len(layers))
        for k in paths.units[l - 1]
    )


@claim(
    "KHK19b/thm4-nonlinear",
    paper=KHK19B,
    where="Section 4.2.3, before Theorem 4",
    says=r"\theta \in \Theta_{d_y,t} \text{ can be a standard deep nonlinear network (with no linear units)}",
    assumes={"piecewise linear": r"\sigma(q) = q \text{ on an open set, as for ReLU}"},
)
@printed(
    HOLDS,
    layered_networks(
        depth=(1, 3),
        t=(0, 0),
        entries=among(1, 2, 3),
        parameters=among(1, 2, 3),
        paths=("relu", "leaky relu"),
    ).filter(lambda net: not any(a.name == "linear" for a in net.computation.functions)),
    examples=60,
    note="rectifiers with positive pre-activations at all samples",
)
@drop(
    "piecewise linear",
    REFUTED,
    layered_networks(depth=(1, 3), t=(0, 0), paths=("cube",), curved=("cube",), lower=("cube",)),
    recheck=no_layer_is_linear,
)
@mutant(
    "linear everywhere, not only near theta",
    layered_networks(depth=(1, 2), t=(0, 0), entries=among(1, 2), parameters=among(1, 2), paths=("relu",)),
    conclude=lambda net: linear_without_linear_units(net, within=fmpq(1000)),
    recheck=units_turn_curved_far_away,
)
@mutant(
    "always, with rectifiers",
    layered_networks(
        depth=(1, 1),
        t=(1, 1),
        d_x=(1, 1),
        entries=among(1, -1, 2),
        parameters=among(1, -1, 2),
        lower=("relu",),
    ),
    recheck=no_layer_is_linear,
)
def test_rectifiers_can_be_linear_paths(net: Network) -> Verdict:
    """A network without linear units can have a linear path near θ."""
    return linear_without_linear_units(net)
