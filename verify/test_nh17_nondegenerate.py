"""Nguyen & Hein (2017), Section 3.2: Theorem 3.8 and Corollary 3.9, non-degenerate critical points."""

from dataclasses import replace
from functools import partial
from itertools import pairwise

from flint import fmpq

from strategies.deep_wide import Level, Weights, fitted_levels, ridge_levels, weights_of_rank
from strategies.losses import tilted_double_well
from strategies.traps import flat_points, lattice_points
from verify import HOLDS, REFUTED, Verdict, claim, decide, drop, inconclusive, mutant, printed, vacuous
from verify.nh17 import (
    ASSUMPTIONS,
    WIDE,
    block_determinant,
    deficient,
    flat_levels,
    is_zero,
    minimal_unless_deficient,
    residual_entries,
)
from verify.oracles.convex_traps import is_critical, is_trap
from verify.oracles.feedforward import hessian
from verify.oracles.gradient_bounds import features, find_lower_value, null_direction, stays_put
from verify.papers import NH17
from verify.rechecks.nh17_global_minima import a_layer_widens
from verify.rechecks.nh17_nondegenerate import (
    local_minimum_is_not_global,
    regular_point_of_a_double_well_is_not_least,
    theorem_3_8_fails,
    widths_are_otherwise,
)

# --- Theorem 3.8 --------------------------------------------------------------------------------------


EMPTY = "holds, empty where the paper uses it: no point at all has a non-singular block, since"


def theorem_3_8(level: Level, *, degenerate: bool = False, ranks: bool = True, missing: int = 0) -> Verdict:
    """At critical points: H_I singular, some W_l (l >= k + 2) of low rank, or Φ least."""
    net, k = level.net, level.k
    if level.widths[k] < level.samples - 1 - missing:
        return vacuous("n_k is too small")
    if ranks and deficient(net, k + 2) is not None:
        return vacuous("some W_l, l >= k + 2, is of low rank")
    if not degenerate:
        found = null_direction(net, k) if k + 1 in level.blocks else None
        if found is not None and stays_put(net, found[0], k):
            return decide(True, why=f"{EMPTY} {found[1]}", values={"D": found[0], "N": level.samples})
        zero = is_zero(block_determinant(level))
        if zero is None:
            return inconclusive("the determinant of the block is not separated from 0")
        if zero:
            return vacuous("the block is singular")
    if not is_critical(net):
        return vacuous("not a critical point")
    return minimal_unless_deficient(net, None)


def at_level(k: int, *blocks: int):
    return lambda net: Level(net=net, k=k, blocks=blocks)


def fitted_to_the_wells(level: Level) -> Verdict:
    """Theorem 3.8 for l = 3a⁴ − 4a³ − 12a², at fitted labels: l′(0) = 0, l″(0) < 0."""
    level = replace(level, net=replace(level.net, loss=tilted_double_well))
    if deficient(level.net, level.k + 2) is not None or is_zero(block_determinant(level)) is not False:
        return vacuous("the block is singular")
    reason = find_lower_value(level.net)
    return (
        inconclusive("nothing lower found")
        if reason is None
        else decide(
            False,
            why=f"Y = F_L is critical and non-degenerate, and not minimal: {reason}.",
            values={"Phi": fmpq(0)},
        )
    )


narrow = fitted_levels(samples=(2, 3))
spared = ridge_levels(spare=(1, 2)) | ridge_levels(spare=(1, 2), flat=True)
REGULAR = (
    r"\nabla^2_{\mathcal{I}}\Phi \text{ non-singular},\ k + 1 \in \mathcal{I} \subseteq \{k+1, \dots, L\}"
)
UPPER = r"\mathrm{rank}(W_l) = n_l,\ l \in [k+2, L]"


@claim(
    "NH17/thm3.8",
    paper=NH17,
    where="Theorem 3.8, Section 3.2",
    says=r"n_k \ge N - 1,\ \nabla\Phi = 0,\ \nabla^2_{\mathcal{I}}\Phi \text{ non-singular},\ \mathrm{rank}(W_l) = n_l\ (l \ge k+2) \Rightarrow \Phi(\theta) = \min\Phi",
    assumes={**ASSUMPTIONS, "wide": WIDE, "non-degenerate": REGULAR, "rank W": UPPER},
    equivalent={
        "n_k >= N": "true, and empty: see thm3.8-empty",
        "rank(W_l) = n_l for l in [k + 3, L]": "survives where n_k >= N: empty",
        "without distinct samples": "two equal samples make [F_k, 1] of rank < N: empty for n_k >= N - 1",
    },
)
@printed(
    HOLDS,
    narrow | spared,
    examples=80,
    reaches={
        "n_k = N - 1, the block non-degenerate": lambda l: (
            l.widths[l.k] == l.samples - 1 and is_zero(block_determinant(l)) is False
        ),
        "n_k >= N, critical and not minimal": lambda l: any(residual_entries(l.net)),
    },
    note="holds, empty where the paper uses it: for n_k >= N no point has a non-singular block; instances have n_k = N - 1, I = {k + 1} and n_{k+1} = ... = n_L = m",
)
@drop(
    "non-degenerate",
    REFUTED,
    flat_levels,
    conclude=lambda l: theorem_3_8(l, degenerate=True),
    note="local minima even",
    recheck=partial(theorem_3_8_fails, degenerate=True),
)
@drop(
    "rank W",
    REFUTED,
    lattice_points(
        depth=(3, 3), units=(1, 1), outputs=(2, 2), samples=(2, 2), d=(1, 1), weights=("zero", "any")
    ).map(at_level(1, 2)),
    conclude=lambda l: theorem_3_8(l, ranks=False),
    recheck=partial(theorem_3_8_fails, ranks=False),
)
@drop(
    "wide",
    REFUTED,
    lattice_points(
        depth=(2, 2), units=(1, 1), outputs=(1, 1), samples=(3, 3), d=(1, 1), weights=("zero",)
    ).map(at_level(1, 2)),
    conclude=lambda l: theorem_3_8(l, missing=1),
    note="n_k = N - 2",
    recheck=partial(theorem_3_8_fails, missing=1),
)
@drop(
    "loss",
    REFUTED,
    fitted_levels(samples=(1, 2), depth=(2, 2)),
    conclude=fitted_to_the_wells,
    recheck=regular_point_of_a_double_well_is_not_least,
)
@drop("growth", HOLDS, fitted_levels(samples=(2, 3), activations=("cubic", "linear")), examples=60, needs=15)
@mutant(
    "I without k + 1",
    ridge_levels(depth=(3, 3), last=True),
    says=r"\nabla^2_{\mathcal{I}}\Phi \text{ non-singular for some } \mathcal{I} \subseteq \{k+1, \dots, L\}",
    recheck=theorem_3_8_fails,
)
@mutant(
    "every critical point of full column ranks",
    ridge_levels(),
    conclude=lambda l: theorem_3_8(l, degenerate=True),
    recheck=partial(theorem_3_8_fails, degenerate=True),
)
def test_nondegenerate_critical_points_are_minimal(level: Level) -> Verdict:
    """If n_k >= N − 1, critical points that are non-degenerate on layer k + 1 and of full column rank above are minimal."""
    return theorem_3_8(level)


def pyramid(w: Weights, *, strictly: bool = False, above: bool = True) -> Verdict:
    """rank(W_l) = n_l for all l: the widths do not increase."""
    if any(a.rank() < a.ncols() for a in w.stack):
        return vacuous("some W_l is of low rank")
    widths = [w.stack[0].nrows(), *[a.ncols() for a in w.stack]]
    pairs = list(pairwise(widths))
    return decide(
        all(p > q if strictly else p >= q for p, q in (pairs if above else [q[::-1] for q in pairs])),
        why="The widths are otherwise.",
        values={f"n_{l}": n for l, n in enumerate(widths, 1)},
    )


@claim(
    "NH17/pyramid",
    paper=NH17,
    where="after Theorem 3.8",
    says=r"\mathrm{rank}(W_l) = n_l,\ l \in [k+2, L] \Rightarrow n_{k+1} \ge n_{k+2} \ge \dots \ge n_L",
    assumes={"rank W": UPPER},
)
@printed(HOLDS, weights_of_rank(full=True) | weights_of_rank(), examples=60, needs=20)
@drop(
    "rank W",
    REFUTED,
    weights_of_rank(),
    conclude=lambda w: decide(all(a.nrows() >= a.ncols() for a in w.stack), why="A layer widens."),
    recheck=a_layer_widens,
)
@mutant(
    "n_(k+1) > n_(k+2) > ...",
    weights_of_rank(full=True),
    conclude=lambda w: pyramid(w, strictly=True),
    recheck=partial(widths_are_otherwise, order="falling"),
)
@mutant(
    "n_(k+1) <= n_(k+2) <= ...",
    weights_of_rank(full=True),
    conclude=lambda w: pyramid(w, above=False),
    recheck=partial(widths_are_otherwise, order="rising"),
)
def test_full_column_rank_makes_a_pyramid(w: Weights) -> Verdict:
    """Full column ranks of W_{k+2}, …, W_L make the widths n_{k+1} >= … >= n_L."""
    return pyramid(w)


# --- Corollary 3.9 ------------------------------------------------------------------------------------


def never_nondegenerate(level: Level, *, ranks: bool = True) -> Verdict:
    """At a critical point with W_l, l >= k + 2, of full column rank, the full Hessian has a null vector, named."""
    net, k = level.net, level.k
    if ranks and deficient(net, k + 2) is not None:
        return vacuous("some W_l, l >= k + 2, is of low rank")
    if not is_critical(net) or level.widths[k] < level.samples - 1:
        return vacuous("not critical, or n_k < N − 1")
    found = null_direction(net, k)
    if found is None:
        return inconclusive("no null direction was found")
    if net.computation.rational:
        image = hessian(net) * found[0]
        if any(image.entries()):
            return decide(False, why="The direction is no null vector of the Hessian.", values={"H D": image})
    return decide(
        True, why=f"holds, always empty: the Hessian is singular, since {found[1]}", values={"D": found[0]}
    )


def local_minima_are_global(level: Level) -> Verdict:
    """A local minimum with full column ranks, degenerate or not, is global."""
    if deficient(level.net, 2) is not None or is_trap(level.net) is None:
        return vacuous("no certified local minimum of full column ranks")
    return minimal_unless_deficient(level.net, None)


@claim(
    "NH17/cor3.9",
    paper=NH17,
    where="Corollary 3.9, Section 3.2",
    says=r"n_k \ge N - 1,\ \theta \text{ a local minimum},\ \nabla^2\Phi \text{ non-singular},\ \mathrm{rank}(W_l) = n_l\ (l \ge k+2) \Rightarrow \Phi(\theta) = \min\Phi",
    assumes={
        **ASSUMPTIONS,
        "wide": WIDE,
        "local minimum": r"\theta \text{ a local minimum}",
        "non-degenerate": r"\nabla^2\Phi \text{ non-singular}",
        "rank W": UPPER,
    },
)
@printed(
    HOLDS,
    narrow | spared | flat_levels | fitted_levels(activations=("cubic",), samples=(2, 3)),
    examples=80,
    needs=30,
    reaches={
        "n_k = N - 1, rank [F_k, 1] = N": lambda l: (
            features(l.net, l.k).det() != 0 if l.widths[l.k] == l.samples - 1 else False
        ),
        "n_k >= N": lambda l: l.widths[l.k] >= l.samples,
        "not minimal": lambda l: any(residual_entries(l.net)),
    },
    note="holds, always empty: no critical point of full column ranks is non-degenerate, a null vector is named",
)
@drop(
    "local minimum",
    HOLDS,
    narrow | ridge_levels(spare=(0, 2)),
    examples=60,
    needs=20,
    note="critical points of any kind: empty too",
)
@drop(
    "rank W",
    HOLDS,
    lattice_points(
        depth=(3, 3), units=(1, 1), outputs=(2, 2), samples=(2, 2), d=(1, 1), weights=("zero", "any")
    ).map(at_level(1, 2)),
    conclude=lambda l: never_nondegenerate(l, ranks=False),
    examples=60,
    needs=30,
    note="where W_3 is of low rank there is no non-degenerate critical point either",
)
@drop(
    "non-degenerate",
    REFUTED,
    flat_levels,
    conclude=local_minima_are_global,
    note="convex traps",
    recheck=local_minimum_is_not_global,
)
@mutant(
    "local minima with W_2, ..., W_L of full column rank",
    flat_points(hidden=(1, 2), activations=("sigmoid", "tanh", "softplus"), others=("any",)).map(
        at_level(1, 2)
    ),
    conclude=local_minima_are_global,
    recheck=local_minimum_is_not_global,
)
@mutant(
    "non-degenerate on the layers above k + 1",
    ridge_levels(depth=(3, 3), last=True),
    conclude=theorem_3_8,
    says=r"\nabla^2_{\{k+2, \dots, L\}}\Phi \text{ non-singular suffices}",
    recheck=theorem_3_8_fails,
)
def test_nondegenerate_local_minima_are_global(level: Level) -> Verdict:
    """If n_k >= N − 1, non-degenerate local minima with W_l, l >= k + 2, of full column rank are global."""
    return never_nondegenerate(level)


# --- after Corollary 3.9 ------------------------------------------------------------------------------


@claim(
    "NH17/thm3.8-one-hidden",
    paper=NH17,
    where="after Corollary 3.9",
    says=r"L = 2,\ n_1 \ge N - 1,\ \nabla\Phi = 0,\ \nabla^2_{(W_2, b_2)}\Phi \text{ non-singular} \Rightarrow \Phi(\theta) = \min\Phi",
    assumes={"wide": WIDE, "non-degenerate": r"\nabla^2_{(W_2, b_2)}\Phi \text{ non-singular}"},
)
@printed(
    HOLDS,
    fitted_levels(samples=(2, 3), depth=(2, 2)) | ridge_levels(depth=(2, 2), spare=(0, 2)),
    examples=60,
    reaches={
        "n_1 = N - 1, non-degenerate": lambda l: (
            not any(residual_entries(l.net)) and is_zero(block_determinant(l)) is False
        )
    },
    note="holds, empty for n_1 >= N: no point is non-degenerate in the output layer",
)
@drop(
    "non-degenerate",
    REFUTED,
    flat_levels,
    conclude=lambda l: theorem_3_8(l, degenerate=True),
    recheck=partial(theorem_3_8_fails, degenerate=True),
)
@drop(
    "wide",
    REFUTED,
    lattice_points(
        depth=(2, 2), units=(1, 1), outputs=(1, 1), samples=(3, 3), d=(1, 1), weights=("zero",)
    ).map(at_level(1, 2)),
    conclude=lambda l: theorem_3_8(l, missing=1),
    recheck=partial(theorem_3_8_fails, missing=1),
)
@mutant(
    "every critical point",
    ridge_levels(depth=(2, 2)),
    conclude=lambda l: theorem_3_8(l, degenerate=True),
    recheck=partial(theorem_3_8_fails, degenerate=True),
)
@mutant(
    "for n_1 >= N - 2",
    lattice_points(
        depth=(2, 2), units=(1, 1), outputs=(1, 1), samples=(3, 3), d=(1, 1), weights=("zero", "any")
    ).map(at_level(1, 2)),
    conclude=lambda l: theorem_3_8(l, missing=1),
    recheck=partial(theorem_3_8_fails, missing=1),
)
def test_one_hidden_layer_nondegenerate_in_the_output_layer(level: Level) -> Verdict:
    """With one hidden layer of N − 1 units, critical points non-degenerate in the output layer are minimal."""
    return theorem_3_8(level)
