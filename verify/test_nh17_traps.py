"""Nguyen & Hein (2017), Sections 3.1 and 3.2: are all local minima of wide networks global? Convex traps say no.

At W_1 = 0 no unit sees its input. If the residuals are a balayage (⟨r, φ(X)⟩ >= 0 for every convex φ), the
hidden units sit where σ is convex and the weights above are positive, θ is a local minimum whatever the
widths; wide networks fit the labels exactly elsewhere. Neither full rank nor a pyramid helps, and the second
conjecture, that low rank is no excuse, falls with the same points. The first one falls to two outputs that
have to go through one unit; with n_1 >= m it is true for L = 2.
"""

from dataclasses import replace
from functools import partial

from flint import fmpq, fmpq_mat

from strategies.feedforward import Network
from strategies.traps import (
    CONTROLS,
    DECREASING,
    PAPER,
    RANGES,
    Problem,
    flat_points,
    in_range,
    lattice_points,
    layers_of,
    problem_of,
    problems_through_one_unit,
    run_exactly,
    wide_problems,
)
from verify import (
    HOLDS,
    REFUTED,
    Rung,
    Verdict,
    claim,
    decide,
    decide_equal,
    drop,
    inconclusive,
    mutant,
    printed,
    repaired,
    vacuous,
)
from verify.oracles.convex_traps import (
    attains_zero,
    deltas,
    exact_loss,
    find_lower,
    is_critical,
    is_trap,
    rank_at,
    trap_radius,
    with_ones,
)
from verify.oracles.gradient_bounds import find_lower_value
from verify.oracles.landscape import RADII, where_minimal
from verify.oracles.one_unit import find_suboptimal_minimum, reaches_any_unit
from verify.papers import NH17
from verify.rechecks.nh17_traps import (
    convex_trap_is_not_global,
    critical_point_is_not_global,
    first_deltas_are_orthogonal,
    fitted_point_has_low_rank,
    gori_tesi_fails,
    label_beyond_the_closure,
    label_beyond_the_values_of_sigma,
    lower_points_are_near,
    steps_fit_best,
    trap_has_dependent_features,
    trap_is_not_strict,
    two_minima_through_one_unit,
)

BOUNDED = ("sigmoid", "tanh")


def has_least_loss(net: Network) -> Verdict:
    """Φ(θ) = min Φ, where Φ(θ) is 0 or min Φ = 0 is proved."""
    here = exact_loss(net)
    if here is None:
        return inconclusive("Φ(θ) is irrational")
    if here == 0:
        return decide_equal(here, fmpq(0), named=("Φ(θ)", "min Φ"), why="Φ(θ) = 0")
    reason = attains_zero(problem_of(net))
    if reason is None:
        return inconclusive("min Φ is not known")
    return decide_equal(here, fmpq(0), named=("Φ(θ)", "min Φ"), why=f"Φ(θ) = {here}, while {reason}.")


def if_local_minimum(net: Network, verdict: Verdict) -> Verdict:
    """``verdict`` where θ is proved a local minimum; holds where lower points are found as near as one likes."""
    if verdict.outcome is not REFUTED:
        return verdict
    found = where_minimal(
        verdict, certificate=lambda: is_trap(net), lower=lambda radius: find_lower(net, radius)
    )
    return replace(found, rung=Rung.BALL)


def if_critical(net: Network, verdict: Verdict) -> Verdict:
    """``verdict`` where ∇Φ(θ) = 0, exactly."""
    critical = is_critical(net)
    if critical is None:
        return inconclusive("whether ∇Φ = 0 is not rational arithmetic here")
    return verdict if critical else vacuous("θ is not critical")


def deficient_layers(net: Network, first: int) -> list[int]:
    """The l >= ``first`` with rank W_l < n_l."""
    layers = layers_of(net)
    assert layers is not None
    return [l for l, layer in enumerate(layers, 1) if l >= first and layer.W.rank() < layer.W.ncols()]


def critical_is_global(net: Network) -> Verdict:
    """Without local minimality: Φ(θ) = min Φ at every critical point."""
    return if_critical(net, has_least_loss(net))


# --- Section 3.1: Yu & Chen ---------------------------------------------------------------------------


def rank_below_n_is_no_minimum(net: Network) -> Verdict:
    """Where rank [F_1, 1] < N, lower points are near."""
    rank = rank_at(net, 1)
    if rank is None or rank >= net.X.nrows():
        return vacuous("rank [F_1, 1] = N")
    return if_local_minimum(
        net, decide(False, why=f"rank [F_1, 1] = {rank} < {net.X.nrows()}", values={"rank [F_1, 1]": rank})
    )


def full_rank_leaves_no_loss(net: Network) -> Verdict:
    """rank [F_1, 1] = N and Φ > 0: ∂Φ/∂W̃_2 ≠ 0, hence no local minimum (and no critical point)."""
    found, slopes, here = run_exactly(net), deltas(net), exact_loss(net)
    if found is None or slopes is None or here is None:
        return inconclusive("a value is irrational")
    features = with_ones(found.F[1])
    if features.rank() < net.X.nrows():
        return vacuous("rank [F_1, 1] < N")
    if here == 0:
        return decide_equal(here, fmpq(0), named=("Φ(θ)", "min Φ"))
    slope = max(abs(e) for e in (features.transpose() * slopes[1]).entries())
    return decide(slope > 0, why="∂Φ/∂W~_2 = 0", values={"max |dPhi/dW2| / ln 2": slope}, margin=slope)


@claim(
    "NH17/yu-chen",
    where="Section 3.1: Yu & Chen (1995) as quoted",
    says=r"L = 2,\ n_1 = N - 1 \;\Rightarrow\; \text{every local minimum of } \Phi \text{ is a global minimum}",
    assumes={
        "n_1 = N - 1": r"n_1 = N - 1",
        "one hidden layer": r"L = 2",
        "local minimum": r"\theta \text{ a local minimum of } \Phi",
    },
    paper=NH17,
)
@printed(
    REFUTED, flat_points(kinds=("trap", *CONTROLS)), recheck=partial(convex_trap_is_not_global, layers=2, spare=False),
    note="Drawn are critical points with W_1 = 0: convex traps, and near misses (XOR among them), which are "
    "no local minima and are shown so by lower points nearby.",
)  # fmt: skip
@repaired(
    r"L = 2,\ n_1 = N - 1,\ \operatorname{rank}[F_1, \mathbf 1_N] = N \;\Rightarrow\; "
    r"\text{every local minimum of } \Phi \text{ is a global minimum}",
    lattice_points(depth=(2, 2), wide=True, samples=(1, 3), labels="any"),
    conclude=full_rank_leaves_no_loss,
    needs=40,
    note="Contrapositive, at points that need not be critical: where Φ > 0, the gradient by W_2, b_2 is not 0.",
)
@drop("n_1 = N - 1", REFUTED, flat_points(spare=(1, 2)), recheck=partial(convex_trap_is_not_global, layers=2))
@drop(
    "one hidden layer",
    REFUTED,
    flat_points(hidden=(2, 3)),
    recheck=partial(convex_trap_is_not_global, spare=False),
)
@drop(
    "local minimum",
    REFUTED,
    flat_points(kinds=CONTROLS),
    conclude=critical_is_global,
    recheck=critical_point_is_not_global,
)
@mutant(
    "every critical point is global",
    lattice_points(depth=(2, 2), wide=True, samples=(2, 3), weights=("zero", "any"), outputs=(1, 1)),
    conclude=critical_is_global,
    recheck=critical_point_is_not_global,
)
@mutant(
    "no local minimum has rank [F_1, 1] < N",
    flat_points(),
    conclude=rank_below_n_is_no_minimum,
    recheck=trap_has_dependent_features,
)
def test_one_hidden_layer_of_n_minus_1_units_has_no_bad_minimum(net):
    """With one hidden layer of n_1 = N − 1 units, every local minimum is a global minimum."""
    return if_local_minimum(net, has_least_loss(net))


# --- found: the trap -----------------------------------------------------------------------------------


def is_strict(net: Network) -> Verdict:
    """Φ(θ') > Φ(θ) for all θ' near θ; refuted by w_1k + t, b_k − t f_1 at the layer above, as near as one likes."""
    radius, here, found, layers = trap_radius(net), exact_loss(net), run_exactly(net), layers_of(net)
    if radius is None or here is None or found is None or layers is None:
        return inconclusive("no trap")
    theta = fmpq_mat(net.theta)
    step = net.computation.steps[2]
    places = {(i, j): k for i, j, k in step.trained}
    into = step.places.ncols() - 1
    theta[places[0, 0], 0] += radius
    theta[places[0, into], 0] -= radius * found.F[1][0, 0]
    there = exact_loss(net.at(theta))
    if there is None:
        return inconclusive("Φ is irrational there")
    return decide(
        there > here, why=f"Φ = {there} at another point of the box", values={"Φ(θ)": here, "Φ(θ')": there}
    )


@claim(
    "NH17/convex-trap",
    where="found while testing Sections 3.1 and 3.2",
    says=r"W_1 = 0,\ \sum_i r_i \varphi(x_i) \ge 0\ \forall \varphi \text{ convex},\ \sigma'' > 0 \text{ at the "
    r"hidden units},\ W_2, \dots, W_L > 0 \;\Rightarrow\; \theta \text{ is a local minimum}",
    assumes={
        "balayage": r"\sum_i r_i \varphi(x_i) \ge 0 \text{ for every convex } \varphi",
        "convex side": r"\sigma'' > 0 \text{ near the hidden pre-activations}",
        "positive weights": r"W_2, \dots, W_{L-1} > 0 \text{ and } W_L e_1 > 0",
    },
    paper=NH17,
)
@printed(
    HOLDS,
    flat_points(activations=PAPER + DECREASING, hidden=(1, 3), spare=(0, 1), mixed=True),
    examples=80,
    reaches={
        "sigmoid": lambda net: layers_of(net)[0].sigma.name == "sigmoid",
        "tanh": lambda net: layers_of(net)[0].sigma.name == "tanh",
        "softplus": lambda net: layers_of(net)[0].sigma.name == "softplus",
        "decreasing": lambda net: layers_of(net)[0].sigma.name in DECREASING,
        "three hidden layers": lambda net: len(layers_of(net)) == 4,
        "rank W_L < m": lambda net: len(layers_of(net)) in deficient_layers(net, 2),
    },
    note="Any depth, widths and number of outputs. Mixed: units on the concave side, with weights of the sign "
    "that turns them over; decreasing activations likewise.",
)
@drop("balayage", REFUTED, flat_points(kinds=("unbalanced",)), recheck=lower_points_are_near)
@drop(
    "convex side",
    REFUTED,
    flat_points(kinds=("concave",), activations=BOUNDED),
    recheck=lower_points_are_near,
)
@drop("positive weights", REFUTED, flat_points(kinds=("negative",)), recheck=lower_points_are_near)
@mutant("residuals of the other sign", flat_points(kinds=("flipped",)), recheck=lower_points_are_near)
@mutant("a strict local minimum", flat_points(), conclude=is_strict, recheck=trap_is_not_strict)
def test_flat_points_on_the_convex_side_are_local_minima(net):
    """A point with W_1 = 0, residuals that are a balayage, convex units and positive weights is a local minimum."""
    if (reason := is_trap(net)) is not None:
        return Verdict(HOLDS, Rung.BALL, trap_radius(net), {}, reason)
    if all(find_lower(net, radius) is not None for radius in RADII):
        return decide(
            False, why="Φ is lower within every radius tried, down to 2^-60", values={"Φ(θ)": exact_loss(net)}
        )
    return inconclusive("neither a proof of local minimality nor lower points")


# --- Section 3.2: the two conjectures ------------------------------------------------------------------


def no_suboptimal_minimum(problem: Problem) -> Verdict:
    """No two local minima of different values; refuted by one that is proved, and a lower value."""
    if not reaches_any_unit(problem):
        return inconclusive("not every value of the last hidden unit is known to be reached")
    found = find_suboptimal_minimum(problem)
    if found is None:
        return inconclusive("no local minimum that is not the best one was found")
    *u, a, c = found.point
    return decide(
        False,
        why="interval Newton proves a strict local minimum of Φ as a function of the pre-activations u of the "
        "first output and of a, c, those of the second being a u + c; Φ is lower elsewhere. rank W_L = 1 < 2.",
        values={
            "Φ at a local minimum": found.loss,
            "Φ elsewhere": found.lower,
            **{f"u_{i}": e for i, e in enumerate(u, 1)},
            "a": a,
            "c": c,
        },
        margin=found.loss - found.lower,
        rung=Rung.BALL,
    )


def full_rank_weights(net: Network) -> Verdict:
    """Every global minimum has rank W_l = n_l for l >= 2."""
    if exact_loss(net) != 0:
        return vacuous("Φ > 0")
    low = deficient_layers(net, 2)
    return decide(not low, why=f"a global minimum with rank W_{low[0] if low else 0} too low")


independent_points = lattice_points(
    depth=(2, 2), units=(2, 2), independent=True, weights=("zero", "one column")
)


@claim(
    "NH17/conjecture-3.4",
    where="Section 3.2, after Theorem 3.4",
    says=r"\operatorname{rank}[X, \mathbf 1_N] = N \;\Rightarrow\; \text{all local minima are globally optimal}",
    assumes={
        "rank([X, 1]) = N": r"\operatorname{rank}[X, \mathbf 1_N] = N",
        "local minimum": r"\theta \text{ a local minimum of } \Phi",
    },
    paper=NH17,
)
@printed(
    REFUTED, problems_through_one_unit(), recheck=two_minima_through_one_unit,
    note="An instance is a problem: N = 3 affinely independent samples, L = 2, n_1 = 1, m = 2. Local minima are "
    "searched in floats and proved by interval Newton up to the exact symmetry of the hidden unit.",
)  # fmt: skip
@repaired(
    r"\operatorname{rank}[X, \mathbf 1_N] = N,\ L = 2,\ n_1 \ge m \;\Rightarrow\; "
    r"\text{all local minima are globally optimal}",
    independent_points | lattice_points(depth=(2, 2), units=(2, 2), independent=True, labels="fitted"),
    conclude=lambda net: if_critical(net, if_local_minimum(net, has_least_loss(net))),
    examples=80,
    reaches={"suboptimal": lambda net: exact_loss(net) != 0, "optimal": lambda net: exact_loss(net) == 0},
    note="Critical points with Φ > 0 have W_2 of low rank; then q W_2 = 0 for some q, and moving F_1 along q and "
    "W_2 along q cᵀ, one much farther than the other, lowers Φ: lower points are shown within 2^-60.",
)
@drop(
    "rank([X, 1]) = N",
    REFUTED,
    flat_points(),
    conclude=lambda net: if_local_minimum(net, has_least_loss(net)),
    recheck=convex_trap_is_not_global,
)
@drop(
    "local minimum",
    REFUTED,
    independent_points,
    conclude=critical_is_global,
    recheck=critical_point_is_not_global,
)
@mutant(
    "rank([X, 1]) >= N - 1", flat_points(d=(1, 1), triples=(1, 1), beside=(0, 0)),
    conclude=lambda net: if_local_minimum(net, has_least_loss(net)),
    recheck=partial(convex_trap_is_not_global, missing=1),
)  # fmt: skip
@mutant(
    "global minima have weights of full rank",
    lattice_points(depth=(2, 2), independent=True, labels="fitted"),
    conclude=full_rank_weights,
    recheck=fitted_point_has_low_rank,
)
def test_independent_samples_leave_no_bad_minimum(problem):
    """If the training samples are linearly independent, all local minima are globally optimal."""
    return no_suboptimal_minimum(problem)


def low_rank_minimum_is_optimal(net: Network) -> Verdict:
    """A local minimum with rank W_l < n_l for some l >= 3 is global."""
    if not deficient_layers(net, 3):
        return vacuous("W_3, …, W_L have full column rank")
    return if_local_minimum(net, has_least_loss(net))


def suboptimal_minima_have_low_rank(net: Network) -> Verdict:
    """Every suboptimal local minimum has some rank W_l < n_l, l >= 3."""
    least = has_least_loss(net)
    if least.outcome is not REFUTED:
        return vacuous("Φ(θ) = 0")
    low = deficient_layers(net, 3)
    return if_local_minimum(net, decide(bool(low), why=f"W_3, …, W_L have full rank and {least.why}"))


low_rank_over_full_features = lattice_points(
    activations=BOUNDED, depth=(3, 3), units=(2, 2), outputs=(1, 2), samples=(2, 3), wide=True,
    weights=("zero", "zero", "one column"),
)  # fmt: skip


def optimal_if_features_span(net: Network) -> Verdict:
    """rank [F_1, 1] = N, L = 3: a local minimum is global."""
    if rank_at(net, 1) != net.X.nrows():
        return vacuous("rank [F_1, 1] < N")
    return if_critical(net, if_local_minimum(net, has_least_loss(net)))


@claim(
    "NH17/conjecture-3.8",
    where="Section 3.2, after Theorem 3.10",
    says=r"n_k \ge N - 1 \;\Rightarrow\; \text{there are no suboptimal local minima at which some } W_l,\ "
    r"l \ge k + 2, \text{ has low rank}",
    assumes={
        "n_k >= N - 1": r"n_k \ge N - 1 \text{ for some } k \in [L - 1]",
        "pyramidal": r"n_{k+1} \ge \dots \ge n_L",
        "local minimum": r"\theta \text{ a local minimum of } \Phi",
    },
    paper=NH17,
)
@printed(
    REFUTED,
    flat_points(hidden=(2, 3), outputs=(2, 2), others=("zero", "copy"), spare=(0, 1)),
    recheck=partial(convex_trap_is_not_global, low=True),
    note="k = 1, layers that narrow towards the outputs. Every neighbourhood holds points of full rank, as the "
    "paper says; none of them is lower.",
)
@repaired(
    r"L = k + 2,\ n_{L-1} \ge m,\ \operatorname{rank}[F_k, \mathbf 1_N] = N \;\Rightarrow\; "
    r"\text{there are no suboptimal local minima at all}",
    low_rank_over_full_features,
    conclude=optimal_if_features_span,
    needs=15,
    reaches={"suboptimal": lambda net: exact_loss(net) != 0},
    note="Planted critical points, whose W_L has low rank; lower points are shown within 2^-60.",
)
@drop(
    "pyramidal",
    REFUTED,
    problems_through_one_unit(lifted=True),
    conclude=no_suboptimal_minimum,
    recheck=two_minima_through_one_unit,
)
@drop(
    "local minimum", REFUTED, low_rank_over_full_features,
    conclude=lambda net: critical_is_global(net) if deficient_layers(net, 3) else vacuous("full rank"),
    recheck=partial(critical_point_is_not_global, low=True),
)  # fmt: skip
@mutant(
    "suboptimal local minima have low rank",
    flat_points(hidden=(2, 3), others=("any",)),
    conclude=suboptimal_minima_have_low_rank,
    recheck=partial(convex_trap_is_not_global, low=False),
)
@mutant(
    "no local minimum has low rank",
    lattice_points(depth=(3, 3), labels="fitted"),
    conclude=lambda net: decide(
        not deficient_layers(net, 3), why="Φ(θ) = 0, and a layer above the second has low rank"
    ),
    recheck=partial(fitted_point_has_low_rank, first=3),
)
def test_low_rank_minima_are_optimal(net):
    """Where n_k >= N − 1, no suboptimal local minimum has a weight matrix of low rank above layer k + 1."""
    return low_rank_minimum_is_optimal(net)


# --- Section 3.1: Gori & Tesi --------------------------------------------------------------------------


def gori_tesi(net: Network, *, first: int = 2, rank: str = "columns", second: bool = True) -> Verdict:
    """∇Φ = 0, rank W_l = n_l for l >= ``first`` and Δ_1 = 0 imply that Φ is least; refuted by what is lower."""
    here, slopes, layers = exact_loss(net), deltas(net), layers_of(net)
    if here is None or slopes is None or layers is None:
        return inconclusive("a value is irrational")
    if here == 0:
        return if_critical(net, decide_equal(here, fmpq(0), named=("Φ(θ)", "min Φ")))
    full = all(
        layer.W.rank() == (layer.W.ncols() if rank == "columns" else layer.W.nrows())
        for l, layer in enumerate(layers, 1)
        if l >= first
    )
    silent = not any(slopes[0].entries()) or not second
    if not (full and silent):
        return if_critical(net, decide(True, why="a condition fails at this critical point"))
    critical = if_critical(net, decide(True, why="∇Φ = 0"))
    if critical.outcome is not HOLDS:
        return critical
    if (reason := find_lower_value(net)) is None:
        return inconclusive("the conditions hold, Φ(θ) > 0, and nothing lower was found", Phi=here)
    return decide(
        False,
        why=f"the conditions hold at this critical point, Φ = {here}, and yet: {reason}",
        values={"Φ(θ)": here, "Δ_1 = 0": str(not any(slopes[0].entries()))},
        margin=here,
    )


gori_tesi_points = lattice_points() | lattice_points(labels="fitted") | flat_points(activations=BOUNDED)


@claim(
    "NH17/thm3.1",
    where="Theorem 3.1 (Gori & Tesi, 1992)",
    says=r"\nabla \Phi = 0,\ \operatorname{rank}(W_l) = n_l\ (2 \le l \le L),\ "
    r"\bigl([X, \mathbf 1_N]^T \Delta_1 = 0 \Rightarrow \Delta_1 = 0\bigr) \;\Rightarrow\; "
    r"\theta \text{ is a global minimum}",
    assumes={
        "rank": r"\operatorname{rank}(W_l) = n_l,\ l \in [2, L]",
        "Delta_1": r"[X, \mathbf 1_N]^T \Delta_1 = 0 \Rightarrow \Delta_1 = 0",
        "sigma' > 0": r"\sigma' > 0",
        "limits": r"\textstyle\lim_{a\to\infty} \frac{\sigma'}{\bar d - \sigma},\ \lim_{a\to\infty} "
        r"\frac{-\sigma''}{\bar d - \sigma},\ \lim_{a\to-\infty} \frac{\sigma'}{\sigma - \underline d},\ "
        r"\lim_{a\to-\infty} \frac{\sigma''}{\sigma - \underline d} > 0",
    },
    paper=NH17,
)
@printed(
    HOLDS,
    gori_tesi_points,
    reaches={
        "Phi = 0": lambda net: exact_loss(net) == 0,
        "rank W_l < n_l": lambda net: bool(deficient_layers(net, 2)),
        "Delta_1 != 0": lambda net: any(deltas(net)[0].entries()),
        "Delta_1 = 0 < Phi": lambda net: exact_loss(net) != 0 and not any(deltas(net)[0].entries()),
    },
    note="At a critical point the premise of the second condition is true, so that it says Δ_1 = 0. Critical "
    "points that satisfy both have Φ = 0; planted ones with Φ > 0 test the contrapositive. Where a label is no "
    "value of σ, as 0 and 1 are for a sigmoid, no point satisfies both: the theorem is empty there.",
)
@drop(
    "rank", REFUTED, lattice_points(depth=(2, 2), weights=("zero",)),
    conclude=lambda net: gori_tesi(net, first=99),
    recheck=partial(gori_tesi_fails, first=99),
)  # fmt: skip
@drop(
    "Delta_1",
    REFUTED,
    gori_tesi_points,
    conclude=lambda net: gori_tesi(net, second=False),
    recheck=partial(gori_tesi_fails, silent=False),
)
@drop(
    "sigma' > 0", REFUTED, lattice_points(activations=("tanh cubed",), depth=(1, 2), origin=True, samples=(1, 3)),
    needs=1,
    recheck=gori_tesi_fails,
)  # fmt: skip
@drop(
    "limits",
    HOLDS,
    lattice_points(activations=("affine inside",), depth=(1, 2), samples=(1, 5))
    | lattice_points(activations=("affine inside",), depth=(1, 2), labels="fitted"),
    examples=60,
    note="σ(t) = t inside [−1, 1] and ±(2 − 1/|t|) outside: σ′ / (2 − σ) tends to 0.",
)
@mutant(
    "rank(W_l) = n_{l-1}",
    lattice_points(depth=(2, 2), outputs=(2, 2), samples=(3, 5), row_rank=True, silent_first=True),
    conclude=lambda net: gori_tesi(net, rank="rows"),
    recheck=partial(gori_tesi_fails, rows=True),
)
@mutant(
    "rank for l in [3, L]",
    lattice_points(depth=(2, 2), weights=("zero",)),
    conclude=lambda net: gori_tesi(net, first=3),
    recheck=partial(gori_tesi_fails, first=3),
)
def test_gori_tesi(net):
    """A critical point with weights of full column rank and Δ_1 = 0 is a global minimum of the squared loss."""
    return gori_tesi(net)


def silent_if_orthogonal(net: Network) -> Verdict:
    """[X, 1]ᵀ Δ_1 = 0 ⟹ Δ_1 = 0."""
    slopes = deltas(net)
    if slopes is None:
        return inconclusive("a value is irrational")
    if any((with_ones(net.X).transpose() * slopes[0]).entries()):
        return vacuous("[X, 1]ᵀ Δ_1 ≠ 0")
    size = max(abs(e) for e in slopes[0].entries())
    return decide(size == 0, why="[X, 1]ᵀ Δ_1 = 0 and Δ_1 ≠ 0", values={"max |Δ_1|": size}, margin=size)


@claim(
    "NH17/thm3.1-condition",
    where="Section 3.1, after Theorem 3.1",
    says=r"\operatorname{rank}[X, \mathbf 1_N] = N \;\Rightarrow\; "
    r"\bigl([X, \mathbf 1_N]^T \Delta_1 = 0 \Rightarrow \Delta_1 = 0\bigr)",
    assumes={"rank([X, 1]) = N": r"\operatorname{rank}[X, \mathbf 1_N] = N"},
    paper=NH17,
)
@printed(
    HOLDS,
    lattice_points(independent=True, depth=(1, 3), weights=("zero", "one column", "any"))
    | lattice_points(independent=True, labels="fitted"),
    examples=60,
    note="At critical points, the only ones where the condition is used.",
)
@drop("rank([X, 1]) = N", REFUTED, lattice_points(), recheck=first_deltas_are_orthogonal)
@mutant(
    "N <= d + 1",
    flat_points(activations=BOUNDED, d=(2, 2), triples=(1, 1), beside=(0, 0)),
    recheck=partial(first_deltas_are_orthogonal, premise="N <= d + 1"),
)
@mutant(
    "rank([X, 1]) >= N - 1", flat_points(activations=BOUNDED, d=(1, 1), triples=(1, 1), beside=(0, 0)), recheck=partial(first_deltas_are_orthogonal, premise="rank >= N - 1"),
)  # fmt: skip
def test_independent_samples_satisfy_the_condition(net):
    """If rank [X, 1] = N, the second condition of Theorem 3.1 holds."""
    return silent_if_orthogonal(net)


# --- Section 2: is the minimum attained? ---------------------------------------------------------------


def nearest_value(sigma: str, y: fmpq) -> fmpq:
    """The point of the closure of σ(ℝ) that is nearest to y."""
    low, high = RANGES[sigma]
    y = y if low is None else max(y, low)
    return y if high is None else min(y, high)


def is_attained(problem: Problem) -> Verdict:
    """min Φ is attained: with all matrices of values of σ reached, iff the labels are such a matrix.

    inf Φ = Σ (y − p)², p the nearest point of the closure of σ(ℝ), by continuity; only F_L = p has that loss,
    and σ takes no value at an end of σ(ℝ).
    """
    sigma = problem.activation
    low, high = RANGES[sigma]
    middle = fmpq(1, 2) if low == 0 else fmpq(-1, 2) if high == 0 else fmpq(0)
    inside = fmpq_mat(
        problem.Y.nrows(),
        problem.Y.ncols(),
        [e if in_range(sigma, e) else middle for e in problem.Y.entries()],
    )
    reason = attains_zero(replace(problem, Y=inside))
    if reason is None:
        return inconclusive("not every matrix of values is known to be reached")
    outside = [e for e in problem.Y.entries() if not in_range(sigma, e)]
    infimum = sum(((e - nearest_value(sigma, e)) ** 2 for e in outside), fmpq(0))
    return decide(
        not outside,
        why=f"{reason}"
        if not outside
        else f"inf Φ = {infimum} is approached and not attained: σ has no such value",
        values={"inf Φ": infimum},
    )


def is_attained_by_one_unit(problem: Problem) -> Verdict:
    """The same for n_1 = 1 between three numbers x and one output, where f is strictly monotone or constant.

    With steep sigmoids (y_1, c, c) and (c, c, y_3) are limits of outputs, for any values of σ. So if the
    best monotone fit is of this kind and not constant, its loss is inf Φ and is not attained.
    """
    y = problem.Y.entries()
    if any(not in_range(problem.activation, e) for e in y):
        return vacuous("a label is no value of σ")
    best = min((_monotone_fit([s * e for e in y]) for s in (1, -1)), key=lambda fit: fit[0])
    loss, fit = best
    if len(set(fit)) == 3:
        return inconclusive("the best monotone fit is strict: is it reached?")
    return decide(
        len(set(fit)) == 1, why=f"inf Φ = {loss} is approached by step functions and not attained",
        values={"inf Φ": loss},
    )  # fmt: skip


def _monotone_fit(y: list[fmpq]) -> tuple[fmpq, list[fmpq]]:
    """The increasing sequence nearest to y, by pooling adjacent violators, and its squared distance."""
    blocks: list[list[fmpq]] = []
    for e in y:
        blocks.append([e])
        while len(blocks) > 1 and _mean(blocks[-2]) > _mean(blocks[-1]):
            last = blocks.pop()
            blocks[-1] = blocks[-1] + last
    fit = [_mean(block) for block in blocks for _ in block]
    return sum(((a - b) ** 2 for a, b in zip(y, fit, strict=True)), fmpq(0)), fit


def _mean(block: list[fmpq]) -> fmpq:
    return sum(block, fmpq(0)) / len(block)


def infimum_is_zero(problem: Problem) -> Verdict:
    """inf Φ = 0."""
    infimum = sum(((e - nearest_value(problem.activation, e)) ** 2 for e in problem.Y.entries()), fmpq(0))
    return decide_equal(infimum, fmpq(0), named=("inf Φ", "zero"))


@claim(
    "NH17/attained",
    where="Section 2, after eq. (1)",
    says=r"n_k \ge N - 1,\ n_l \ge m\ (l > k) \;\Rightarrow\; \text{the minimum of } \Phi \text{ is attained}",
    assumes={"n_k >= N - 1": r"n_k \ge N - 1 \text{ for some } k \in [L - 1],\ n_l \ge m \text{ for } l > k"},
    paper=NH17,
)
@printed(
    REFUTED, wide_problems(), recheck=label_beyond_the_values_of_sigma,
    note="A standing assumption of the paper, read as a statement on the networks that it is about. Labels 0 "
    "and 1, as of one-hot encodings, are no values of a sigmoid.",
)  # fmt: skip
@repaired(
    r"n_k \ge N - 1,\ n_l \ge m\ (l > k),\ Y \in \sigma(\mathbb R)^{N \times m} \;\Rightarrow\; "
    r"\min \Phi = 0 \text{ is attained}",
    wide_problems(labels=("inside",)),
    examples=60,
)
@drop(
    "n_k >= N - 1", REFUTED, wide_problems(activations=BOUNDED, labels=("inside",), missing=1),
    conclude=is_attained_by_one_unit,
    note="N = 3, n_1 = N − 2 = 1, with labels that are values of σ.",
    recheck=steps_fit_best,
)  # fmt: skip
@mutant(
    "labels in the closure of sigma(R)",
    wide_problems(labels=("inside", "boundary")),
    recheck=partial(label_beyond_the_values_of_sigma, closure=True),
)
@mutant(
    "inf Phi = 0 for all labels", wide_problems(), conclude=infimum_is_zero, recheck=label_beyond_the_closure
)
def test_minimum_is_attained(problem):
    """With a layer of N − 1 units and none narrower than the outputs above it, the minimum is attained."""
    return is_attained(problem)
