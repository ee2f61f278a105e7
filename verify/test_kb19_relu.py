"""Kawaguchi & Bengio (2019), Section 2.2: local minima of one-hidden-layer ReLU networks."""

from dataclasses import replace

from flint import fmpq, fmpq_mat
from hypothesis import strategies as st

from strategies.datasets import Atoms
from strategies.instance import instance
from strategies.matrices import matrices, null_space, rows
from strategies.networks import (
    OneHiddenLayer,
    one_hidden_layer_nets,
)
from strategies.numbers import integers
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
    mutant,
    printed,
    vacuous,
)
from verify.oracles.exact import (
    least_squares_value,
    trace_product,
)
from verify.oracles.landscape import (
    vanishes,
)
from verify.papers import KB19
from verify.rechecks.kb19_relu import (
    best_of_its_cell_is_worse,
    dead_units_are_no_worse,
    falls_from_the_kink,
    falls_within_radius_2,
    falls_within_the_pattern,
    pattern_changes_at_the_kink,
    pattern_changes_far_away,
)


@instance
class HiddenMove:
    """A one-hidden-layer network and a move (A, B) of (W₁, W₂)."""

    net: OneHiddenLayer
    A: fmpq_mat
    B: fmpq_mat


@st.composite
def hidden_moves(draw: st.DrawFn, nets: st.SearchStrategy[OneHiddenLayer]) -> HiddenMove:
    """Networks with moves of small integers."""
    net = draw(nets)
    return HiddenMove(
        net=net,
        A=draw(matrices(net.W1.nrows(), net.W1.ncols(), integers(2))),
        B=draw(matrices(net.W2.nrows(), net.W2.ncols(), integers(2))),
    )


def mean_square(net: OneHiddenLayer) -> fmpq:
    """L = (1/m) Σ |h − y|²."""
    residual = net.H - net.Y
    return trace_product(residual, residual, Atoms.uniform(net.X.nrows()))


def stays_flat(move: HiddenMove, scale: fmpq | None = None) -> Verdict:
    """L does not fall along the move, scaled so that no pre-activation can change its sign (or by ``scale``).

    |x_i · δ| <= |x_i|₁ |δ|_∞ < c = min |(W₁ x_i)_k| as soon as |δ|_∞ < c / max_i |x_i|₁.
    """
    net = move.net
    least = min(abs(e) for e in net.preactivations.entries())
    widest = max(sum((abs(e) for e in row), fmpq(0)) for row in net.X.table())
    largest = max((abs(e) for e in move.A.entries()), default=fmpq(0))
    step = (
        scale
        if scale is not None
        else least / (2 * widest * largest)
        if widest and largest and least
        else fmpq(1, 1024)
    )
    there = replace(net, W1=net.W1 + move.A * step, W2=net.W2 + move.B * step)
    return decide_at_most(mean_square(net), mean_square(there), named=("L", "L nearby"))


positive, negative = st.integers(1, 3), st.integers(-3, -1)
dead = hidden_moves(one_hidden_layer_nets(inputs=positive, weights=negative))


@claim(
    "KB19/dead-relu",
    paper=KB19,
    where="Section 2.2, one-hidden-layer ReLU networks",
    says=r"(W^{(1)} x_i)_k < -c < 0 \ \forall i, k \Rightarrow (W^{(1)}, W^{(2)}) \text{ is a local minimum with } L = \tfrac1m \sum_i \ell(0, y_i)",
    assumes={"all units dead": r"(W^{(1)} x_i)_k < -c", "ReLU": r"\sigma(t) = \max(0, t)"},
)
@printed(HOLDS, dead, examples=80)
@drop(
    "all units dead: at the kink",
    REFUTED,
    hidden_moves(one_hidden_layer_nets(inputs=positive, weights=st.just(0))),
    recheck=falls_from_the_kink,
)
@drop(
    "ReLU: leaky",
    REFUTED,
    hidden_moves(one_hidden_layer_nets("leaky relu", inputs=positive, weights=negative)),
    recheck=falls_within_the_pattern,
)
@mutant(
    "within radius 2",
    dead,
    conclude=lambda move: stays_flat(move, scale=fmpq(1)),
    recheck=falls_within_radius_2,
)
@mutant(
    "worse than L*_x for all data",
    dead,
    conclude=lambda move: decide_less(
        least_squares_value(move.net.X, move.net.Y, Atoms.uniform(move.net.X.nrows())),
        mean_square(move.net),
        named=("L*_x", "L"),
    ),
    recheck=dead_units_are_no_worse,
)
def test_dead_relu_units_make_a_local_minimum(move: HiddenMove) -> Verdict:
    """Where every unit is dead on every sample, L does not change nearby: a local minimum however bad."""
    return stays_flat(move)


@st.composite
def suboptimal_patterns(draw: st.DrawFn) -> OneHiddenLayer:
    """One ReLU unit whose active samples are fitted best within their cell; the inactive ones are ignored.

    The labels of active samples are h + e with Σ e_i x_i = 0, so that W₂ W₁ is optimal for them; inactive labels are
    arbitrary.
    """
    net = draw(one_hidden_layer_nets(units=1))
    active = [i for i, e in enumerate(net.preactivations.entries()) if e > 0]
    free = null_space(rows(net.X, active).transpose()) if active else fmpq_mat(0, 0)
    y, h = net.Y, net.H
    errors = free * draw(matrices(free.ncols(), y.ncols(), integers(2))) if active else None
    table = [list(row) for row in y.table()]
    for k, i in enumerate(active):
        table[i] = [h[i, j] + errors[k, j] for j in range(y.ncols())]
    return replace(net, Y=fmpq_mat(len(table), y.ncols(), [e for row in table for e in row]))


def cell_minimum(net: OneHiddenLayer) -> str | None:
    """Why a one-unit network is a local minimum: no kink, and W₂ W₁ is optimal for the active samples."""
    pre = net.preactivations.entries()
    if any(e == 0 for e in pre):
        return None
    active = [i for i, e in enumerate(pre) if e > 0]
    if active and not vanishes(rows(net.X, active).transpose() * (rows(net.H, active) - rows(net.Y, active))):
        return None
    return "no pre-activation is 0 and the active samples are fitted best: a local minimum"


def above_l_x(net: OneHiddenLayer) -> Verdict:
    """L <= L*_x at certified local minima of one-unit networks."""
    reason = cell_minimum(net)
    if reason is None:
        return vacuous("no certificate of a local minimum")
    on_x = least_squares_value(net.X, net.Y, Atoms.uniform(net.X.nrows()))
    return decide_at_most(
        mean_square(net),
        on_x,
        named=("L", "L*_x"),
        why=f"{reason[:1].upper()}{reason[1:]}, and yet L exceeds L*_x.",
    )


@claim(
    "KB19/pattern",
    paper=KB19,
    where="Section 2.2, suboptimal activation patterns",
    says=r"\text{the pattern } \mathbb{1}\{W^{(1)} x_i > 0\} \text{ does not change in a small ball, except at non-differentiable points}",
    assumes={"differentiable": r"(W^{(1)} x_i)_k \ne 0"},
)
@printed(HOLDS, hidden_moves(suboptimal_patterns()), examples=80, needs=15)
@drop(
    "differentiable",
    REFUTED,
    hidden_moves(one_hidden_layer_nets(units=1)),
    conclude=lambda move: same_pattern(move, fmpq(1, 1024)),
    recheck=pattern_changes_at_the_kink,
)
@mutant(
    "no local minimum lies above L*_x",
    suboptimal_patterns(),
    conclude=above_l_x,
    examples=200,
    recheck=best_of_its_cell_is_worse,
)
@mutant(
    "in every ball",
    hidden_moves(suboptimal_patterns()),
    conclude=lambda move: same_pattern_far_away(move),
    recheck=pattern_changes_far_away,
)
def test_activation_patterns_are_locally_constant(move: HiddenMove) -> Verdict:
    """Off the kinks, small moves of W₁ keep the activation pattern, and a cell's best fit stays best."""
    if cell_minimum(move.net) is None:
        return vacuous("a pre-activation is 0")
    least = min(abs(e) for e in move.net.preactivations.entries())
    widest = max(sum((abs(e) for e in row), fmpq(0)) for row in move.net.X.table())
    step = least / (2 * widest * 2)  # |A| <= 2
    return all_of(same_pattern(move, step), stays_flat(move, scale=step))


def same_pattern_far_away(move: HiddenMove) -> Verdict:
    """The activation pattern of W₁ + 3 A is that of W₁, where no pre-activation is 0."""
    return same_pattern(move, fmpq(3)) if cell_minimum(move.net) else vacuous("a pre-activation is 0")


def same_pattern(move: HiddenMove, step: fmpq) -> Verdict:
    """The activation pattern of W₁ + step · A is that of W₁."""
    pattern = lambda net: [e > 0 for e in net.preactivations.entries()]
    there = replace(move.net, W1=move.net.W1 + move.A * step)
    return decide(
        pattern(move.net) == pattern(there),
        why="A unit changes between active and inactive.",
        values={"step": step},
    )
