"""Nguyen & Hein (2017), Section 3.2: Theorem 3.4 and Lemma 3.5, where critical points are global minima."""

from dataclasses import replace
from functools import partial

from flint import fmpq

from strategies.deep_wide import Level, Weights, levels, silent_levels, weights_of_rank
from strategies.feedforward import Network
from strategies.losses import tilted_double_well
from strategies.traps import flat_points, lattice_points, run_exactly
from verify import (
    HOLDS,
    REFUTED,
    Verdict,
    claim,
    decide,
    decide_at_most,
    drop,
    inconclusive,
    mutant,
    printed,
    repaired,
    vacuous,
)
from verify.nh17 import ASSUMPTIONS, deficient, flat_levels, minimal_unless_deficient, residual_entries
from verify.oracles.convex_traps import deltas as deltas_in_units
from verify.oracles.convex_traps import is_critical
from verify.oracles.gradient_bounds import find_lower_value, with_ones
from verify.papers import NH17
from verify.rechecks.nh17_global_minima import (
    a_layer_widens,
    critical_point_is_not_least,
    few_samples_are_dependent,
    fitted_point_of_a_double_well_is_not_least,
    samples_are_more_than,
    silent_layer_is_not_least,
    some_rank_is_low,
)

PAPER = ("sigmoid", "tanh")
"""The bounded activations of Lemma 3.3, in bits: rational at integers."""


# --- Theorem 3.4 --------------------------------------------------------------------------------------


def theorem_3_4(net: Network, *, ones: int = 0, first: int = 2, rank=lambda below, above: above) -> Verdict:
    """At a critical point with rank([X, 1]) >= N − ``ones``: a global minimum, or some W_l, l >= ``first``, of low rank."""
    if with_ones(net.X).rank() < net.X.nrows() - ones:
        return vacuous("rank([X, 1]) is too small")
    if not is_critical(net):
        return vacuous("not a critical point")
    return minimal_unless_deficient(net, deficient(net, first, rank=rank))


def other_than_wells(net: Network) -> Verdict:
    """Theorem 3.4 for a loss with other stationary points than minima: fitted labels, where l′(0) = 0."""
    net = replace(net, loss=tilted_double_well)
    if with_ones(net.X).rank() < net.X.nrows() or deficient(net, 2) is not None:
        return vacuous("rank([X, 1]) < N, or some W_l of low rank")
    reason = find_lower_value(net)
    return (
        inconclusive("nothing lower found")
        if reason is None
        else decide(
            False,
            why=f"l'(0) = 0, so that Y = F_L is critical, and not minimal: {reason}.",
            values={"Phi": fmpq(0)},
        )
    )


independent = lattice_points(independent=True, depth=(1, 3), weights=("any", "zero", "one column"))
flat_spots = lattice_points(activations=("tanh cubed", *PAPER), samples=(1, 2), depth=(1, 2), origin=True)


@claim(
    "NH17/thm3.4",
    paper=NH17,
    where="Theorem 3.4, Section 3.2",
    says=r"\mathrm{rank}([X, \mathbf{1}_N]) = N,\ \nabla\Phi = 0,\ \mathrm{rank}(W_l) = n_l\ (l \ge 2) \Rightarrow \Phi(\theta) = \min \Phi",
    assumes={
        **ASSUMPTIONS,
        "rank X": r"\mathrm{rank}([X, \mathbf{1}_N]) = N",
        "rank W": r"\mathrm{rank}(W_l) = n_l,\ l \in [2, L]",
    },
    equivalent={
        "without distinct samples": "rank([X, 1]) = N makes them distinct",
        "rank(X) = N": "true: it implies rank([X, 1]) = N",
    },
)
@printed(
    REFUTED,
    flat_spots,
    recheck=critical_point_is_not_least,
    note="the proof uses sigma' > 0; 'strictly increasing' allows sigma' = 0 somewhere, as for tanh^3",
)
@repaired(
    r"\sigma' > 0,\ \mathrm{rank}([X, \mathbf{1}_N]) = N,\ \nabla\Phi = 0,\ \mathrm{rank}(W_l) = n_l\ (l \ge 2) \Rightarrow \Phi(\theta) = \min \Phi",
    independent | lattice_points(independent=True, labels="fitted"),
    examples=80,
    reaches={
        "not minimal, some W_l of low rank": lambda n: any(residual_entries(n)),
        "W_l of full column rank": lambda n: deficient(n, 2) is None,
        "N = 3": lambda n: n.X.nrows() == 3,
    },
    note="planted critical points: with full ranks there are none but minima; see gradient-bound for all points",
)
@drop(
    "rank X",
    REFUTED,
    flat_points(),
    conclude=lambda n: theorem_3_4(n, ones=99),
    note="local minima even",
    recheck=partial(critical_point_is_not_least, missing=99),
)
@drop(
    "rank W",
    REFUTED,
    independent,
    conclude=lambda n: theorem_3_4(n, first=99),
    recheck=partial(critical_point_is_not_least, first=99),
)
@drop(
    "loss: l = 3a^4 - 4a^3 - 12a^2",
    REFUTED,
    lattice_points(independent=True, labels="fitted", depth=(1, 2)),
    conclude=other_than_wells,
    recheck=fitted_point_of_a_double_well_is_not_least,
)
@drop(
    "increasing",
    REFUTED,
    levels(activations=("square", "serpentine"), depth=(1, 1), layers=(0, 0), samples=(1, 2)).map(
        lambda l: l.net
    ),
    recheck=critical_point_is_not_least,
)
@drop(
    "analytic",
    HOLDS,
    lattice_points(activations=("affine inside",), independent=True, weights=("zero", "any")),
    examples=60,
    needs=20,
)
@drop(
    "growth",
    HOLDS,
    lattice_points(activations=("linear",), independent=True, weights=("zero", "any")),
    examples=60,
    needs=20,
)
@mutant(
    "rank(W_l) = min(n_(l-1), n_l)",
    lattice_points(independent=True, depth=(2, 2), units=(1, 1), outputs=(2, 2), row_rank=True),
    conclude=lambda n: theorem_3_4(n, rank=min),
    recheck=partial(critical_point_is_not_least, least=True),
)
@mutant(
    "rank([X, 1]) >= N - 1",
    flat_points(d=(1, 1)),
    conclude=lambda n: theorem_3_4(n, ones=1),
    recheck=partial(critical_point_is_not_least, missing=1),
)
@mutant(
    "rank(X) = N - 1",
    flat_points(d=(2, 2), triples=(1, 1), beside=(0, 0)),
    conclude=lambda n: (
        theorem_3_4(n, ones=1) if n.X.rank() == n.X.nrows() - 1 else vacuous("rank(X) is another")
    ),
    recheck=partial(critical_point_is_not_least, missing=1, linear=True),
)
@mutant(
    "rank(W_l) = n_l for l in [3, L]",
    independent,
    conclude=lambda n: theorem_3_4(n, first=3),
    recheck=partial(critical_point_is_not_least, first=3),
)
def test_independent_samples_make_critical_points_minimal(net: Network) -> Verdict:
    """With affinely independent samples, critical points with W_2, …, W_L of full column rank are global minima."""
    return theorem_3_4(net)


def low_rank_is_null(w: Weights) -> Verdict:
    """{rank(W_l) < n_l for some l} has measure 0: iff every W_l has as many rows as columns."""
    for l, a in enumerate(w.stack, 2):
        if a.nrows() < a.ncols():
            return decide(
                False,
                why=f"n_{l - 1} = {a.nrows()} < n_{l} = {a.ncols()}: rank(W_{l}) < n_{l} for every W_{l}.",
                values={"n_(l-1)": a.nrows(), "n_l": a.ncols()},
                margin=fmpq(a.ncols() - a.nrows()),
            )
    return decide(True, why="a minor of order n_l is a polynomial, 1 at [I; 0]: its zeros are a null set")


@claim(
    "NH17/thm3.4-rank",
    paper=NH17,
    where="after Theorem 3.4",
    says=r"\{W : \mathrm{rank}(W_l) < n_l \text{ for some } l \in [2, L]\} \text{ has measure zero}",
)
@printed(
    REFUTED,
    weights_of_rank(),
    recheck=a_layer_widens,
    note="false for layers that widen; 'low rank' is 'other than n_l', the condition of Theorem 3.4",
)
@repaired(
    r"n_1 \ge n_2 \ge \dots \ge n_L \Rightarrow \{W : \mathrm{rank}(W_l) < n_l \text{ for some } l\} \text{ has measure zero}",
    weights_of_rank(narrowing=True),
    examples=60,
)
@mutant(
    "there is no such W",
    weights_of_rank(narrowing=True),
    conclude=lambda w: decide(
        all(a.rank() == a.ncols() for a in w.stack), why="There is one.", values={"W_2": w.stack[0]}
    ),
    recheck=some_rank_is_low,
)
@mutant(
    "for n_(l-1) >= n_l - 1",
    weights_of_rank(),
    conclude=lambda w: (
        low_rank_is_null(w)
        if all(a.nrows() >= a.ncols() - 1 for a in w.stack)
        else vacuous("a layer widens by two")
    ),
    recheck=partial(a_layer_widens, by=1),
)
def test_low_rank_is_rare(w: Weights) -> Verdict:
    """The set of weights that are not of full column rank has measure zero."""
    return low_rank_is_null(w)


def needs_dimension(level: Level, less: int = 0) -> Verdict:
    X = level.net.X
    if with_ones(X).rank() < X.nrows():
        return vacuous("rank([X, 1]) < N")
    return decide_at_most(X.nrows(), X.ncols() + 1 - less, named=("N", "d + 1"))


any_samples = levels(depth=(1, 1), samples=(1, 4), spare=(0, 2))


@claim(
    "NH17/thm3.4-n",
    paper=NH17,
    where="after Theorem 3.4",
    says=r"\mathrm{rank}([X, \mathbf{1}_N]) = N \Rightarrow N \le d + 1",
)
@printed(HOLDS, any_samples, examples=60, needs=20)
@mutant(
    "N <= d",
    any_samples,
    conclude=lambda l: needs_dimension(l, 1),
    recheck=partial(samples_are_more_than, less=1),
)
@mutant(
    "N <= d + 1 is enough",
    any_samples,
    conclude=lambda l: decide(
        l.samples > l.widths[0] + 1 or with_ones(l.net.X).rank() == l.samples,
        why="The samples are dependent.",
    ),
    recheck=few_samples_are_dependent,
)
def test_independent_samples_are_few(level: Level) -> Verdict:
    """Affinely independent samples are at most d + 1."""
    return needs_dimension(level)


# --- Lemma 3.5 ----------------------------------------------------------------------------------------


def lemma_3_5(level: Level, *, missing: int = 0, ones: bool = True, first: int = 2) -> Verdict:
    """∇ of W̃_{k+1} (W_{k+1} without ``ones``) 0, rank([F_k, 1]) >= N − ``missing``: minimal, or low rank from k + ``first``."""
    net, k = level.net, level.k
    at, delta = run_exactly(net), deltas_in_units(net)
    f = with_ones(at.F[k])
    if f.rank() < level.samples - missing:
        return vacuous("rank([F_k, 1]) is too small")
    below = f if ones else at.F[k]
    if any((below.transpose() * delta[k]).entries()):
        return vacuous("the gradient of layer k + 1 is not 0")
    return minimal_unless_deficient(net, deficient(net, k + first))


silent = silent_levels()


@claim(
    "NH17/lemma3.5",
    paper=NH17,
    where="Lemma 3.5, Section 3.2",
    says=r"\mathrm{rank}([F_k, \mathbf{1}_N]) = N,\ \mathrm{rank}(W_l) = n_l\ (l \ge k+2),\ \nabla_{W_{k+1}}\Phi = 0,\ \nabla_{b_{k+1}}\Phi = 0 \Rightarrow \Phi(\theta) = \min \Phi",
    assumes={
        **ASSUMPTIONS,
        "rank F": r"\mathrm{rank}([F_k, \mathbf{1}_N]) = N",
        "rank W": r"\mathrm{rank}(W_l) = n_l,\ l \in [k+2, L]",
        "b": r"\nabla_{b_{k+1}}\Phi = 0",
    },
    equivalent={"rank(F_k) = N with the gradient of W_(k+1) alone": "true: leave out the ones on both sides"},
)
@printed(
    REFUTED,
    silent_levels(activations=("tanh cubed", *PAPER)),
    recheck=silent_layer_is_not_least,
    note="as Theorem 3.4: sigma' may vanish",
)
@repaired(
    r"\sigma' > 0 \text{ and the same premises} \Rightarrow \Phi(\theta) = \min \Phi",
    silent,
    examples=80,
    needs=30,
    reaches={
        "not minimal, some W_l of low rank": lambda l: any(residual_entries(l.net)),
        "W_l of full column rank": lambda l: deficient(l.net, l.k + 2) is None,
        "k = 2": lambda l: l.k == 2,
    },
    note="theta need not be critical in the other layers",
)
@drop(
    "rank F",
    REFUTED,
    flat_levels,
    conclude=lambda l: lemma_3_5(l, missing=99),
    note="local minima even",
    recheck=partial(silent_layer_is_not_least, missing=99),
)
@drop(
    "rank W",
    REFUTED,
    silent_levels(depth=(3, 3)),
    conclude=lambda l: lemma_3_5(l, first=99),
    recheck=partial(silent_layer_is_not_least, first=99),
)
@drop(
    "b",
    REFUTED,
    silent_levels(equations="weights only", depth=(2, 2)),
    conclude=lambda l: lemma_3_5(l, ones=False),
    recheck=partial(silent_layer_is_not_least, ones=False),
)
@mutant(
    "rank(W_l) = n_l for l in [k + 3, L]",
    silent_levels(depth=(3, 3)),
    conclude=lambda l: lemma_3_5(l, first=3),
    recheck=partial(silent_layer_is_not_least, first=3),
)
@mutant(
    "rank([F_k, 1]) >= N - 1",
    silent_levels(equations="gradient", features="zero", depth=(2, 2), samples=(2, 2)),
    conclude=lambda l: lemma_3_5(l, missing=1),
    recheck=partial(silent_layer_is_not_least, missing=1),
)
def test_a_layer_of_full_rank_and_zero_gradient_is_minimal(level: Level) -> Verdict:
    """Where [F_k, 1] has rank N, the layers above have full column rank and layer k + 1 has gradient 0, Φ is least."""
    return lemma_3_5(level)
