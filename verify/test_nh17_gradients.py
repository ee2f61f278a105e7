"""Nguyen & Hein (2017), Lemma 2.1 and the bound of gradients behind Theorem 3.4 and Lemma 3.5."""

from dataclasses import replace
from functools import partial
from math import sqrt

from flint import ctx, fmpq, fmpq_mat

from strategies.deep_wide import Level, levels
from strategies.feedforward import Network
from strategies.losses import huber, squared, tilted_double_well
from strategies.traps import layers_of
from verify import HOLDS, REFUTED, Verdict, all_of, claim, decide, decide_at_most, drop, mutant, printed
from verify.curves import as_float, record_point
from verify.oracles.feedforward import gradient, output_slopes
from verify.oracles.gradient_bounds import (
    deltas,
    free_derivatives,
    hadamard,
    least_gradient,
    residual_slopes,
    values,
    with_ones,
)
from verify.oracles.kinks import one_sided_derivative
from verify.papers import NH17
from verify.rechecks.nh17_gradients import (
    backpropagation_fails,
    gradient_bound_fails,
    some_derivative_is_missing,
)

# --- Lemma 2.1 ---------------------------------------------------------------------------------------


def stacked(net: Network, l: int) -> fmpq_mat:
    """∂Φ/∂W̃_l out of ∇Φ = Jᵀ p: (n_{l−1} + 1) × n_l."""
    g, step = gradient(net), net.computation.steps[2 * l - 2]
    made = fmpq_mat(step.places.ncols(), step.places.nrows())
    for i, j, k in step.trained:
        made[j, i] = g[k, 0]
    return made


def recursion(
    net: Network, *, output=lambda at, r: hadamard(r, at.slopes[-1]), hidden=None
) -> list[fmpq_mat]:
    """Δ_1, …, Δ_L by the recursion, or by a false one: ``hidden`` makes Δ_k of Δ_{k+1}."""
    at = values(net)
    made = [output(at, residual_slopes(net))]
    for k in range(len(at.W) - 1, 0, -1):
        made.insert(0, hidden(at, made[0], k))
    return made


def backpropagates(level: Level, found=None) -> Verdict:
    """Items 1 to 3: Δ_k against derivatives by free entries of G_k, the gradients against ∇Φ = Jᵀ p."""
    net = level.net
    found = deltas(net) if found is None else found
    parts = [
        decide(
            found[level.k] == free_derivatives(net, level.k + 1),
            why=f"Δ_{level.k + 1} is not ∂Φ/∂G_{level.k + 1}.",
            values={"Delta": found[level.k], "dPhi/dG": free_derivatives(net, level.k + 1)},
        )
    ]
    for l in range(1, level.depth + 1):
        made = with_ones(values(net).F[l - 1]).transpose() * found[l - 1]
        parts.append(
            decide(
                made == stacked(net, l),
                why=f"[F_{l - 1}, 1]ᵀ Δ_{l} is not the gradient of layer {l}.",
                values={"formula": made, "gradient": stacked(net, l)},
            )
        )
    return all_of(*parts)


def with_hidden(hidden):
    return lambda level: backpropagates(level, recursion(level.net, hidden=hidden))


def untransposed(at, above, k):
    w = at.W[k]
    return hadamard(above * (w if w.nrows() == w.ncols() else w.transpose()), at.slopes[k - 1])


def slope_above(at, above, k):
    s = at.slopes[k]
    moved = above * at.W[k].transpose()
    return hadamard(moved, s if s.ncols() == moved.ncols() else at.slopes[k - 1])


def slope_at_values(at, above, k, sigma):
    f = at.F[k]
    slopes = fmpq_mat(f.nrows(), f.ncols(), [sigma.slope(e) for e in f.entries()])
    return hadamard(above * at.W[k].transpose(), slopes)


def has_a_derivative(level: Level) -> Verdict:
    """Φ′(θ; e_p) = −Φ′(θ; −e_p) for every parameter p: else there is no gradient to be computed."""
    net, p = level.net, output_slopes(level.net)
    for k in range(net.theta.nrows()):
        e = fmpq_mat(net.theta.nrows(), 1, [int(i == k) for i in range(net.theta.nrows())])
        ahead, back = ((p.transpose() * one_sided_derivative(net, v))[0, 0] for v in (e, e * -1))
        if ahead + back != 0:
            return decide(
                False,
                why=f"Φ has no derivative by parameter {k}: the one-sided slopes are {-back} and {ahead}.",
                margin=abs(ahead + back),
            )
    return decide(True, why="all one-sided derivatives agree")


rational_points = levels(losses=(squared, huber, tilted_double_well))


@claim(
    "NH17/lemma2.1",
    paper=NH17,
    where="Lemma 2.1, Section 2",
    says=r"\Delta_L = l'(F_L - Y) \circ \sigma'(G_L),\ \Delta_k = (\Delta_{k+1} W_{k+1}^T) \circ \sigma'(G_k);\quad \nabla_{W_k}\Phi = F_{k-1}^T \Delta_k,\ \nabla_{b_k}\Phi = \Delta_k^T \mathbf{1}_N",
    assumes={"C1": r"\sigma, l \in C^1(\mathbb{R})"},
)
@printed(
    HOLDS,
    rational_points,
    examples=60,
    reaches={
        "L = 3": lambda l: l.depth == 3,
        "k = 0": lambda l: l.k == 0,
        "m = 2": lambda l: l.widths[-1] == 2,
    },
)
@drop(
    "C1: ReLU and |.| at a kink",
    REFUTED,
    levels(activations=("relu", "abs"), depth=(1, 2)),
    conclude=has_a_derivative,
    note="the paper says so itself",
    recheck=some_derivative_is_missing,
)
@mutant(
    "W instead of its transpose",
    levels(depth=(2, 3), outputs=(2, 2), layers=(0, 0)),
    conclude=with_hidden(untransposed),
    recheck=partial(backpropagation_fails, rule="untransposed"),
)
@mutant(
    "sigma'(G_(k+1)) for sigma'(G_k)",
    levels(depth=(2, 3)),
    conclude=with_hidden(slope_above),
    recheck=partial(backpropagation_fails, rule="slopes above"),
)
@mutant(
    "sigma'(F_k) for sigma'(G_k)",
    levels(depth=(2, 3)),
    conclude=lambda level: backpropagates(
        level,
        recursion(
            level.net, hidden=lambda at, d, k: slope_at_values(at, d, k, layers_of(level.net)[k - 1].sigma)
        ),
    ),
    recheck=partial(backpropagation_fails, rule="slopes at values"),
)
@mutant(
    "no sigma'(G_L)",
    levels(depth=(1, 1)),
    conclude=lambda level: backpropagates(level, recursion(level.net, output=lambda at, r: r)),
    recheck=partial(backpropagation_fails, rule="no slope at the output"),
)
@mutant(
    "l'/2",
    levels(depth=(1, 1)),
    conclude=lambda level: backpropagates(
        level, recursion(level.net, output=lambda at, r: hadamard(r, at.slopes[-1]) / 2)
    ),
    recheck=partial(backpropagation_fails, rule="half"),
)
def test_backpropagation_is_the_gradient(level: Level) -> Verdict:
    """Backpropagation: Δ_k is the derivative by G_k, and gives the gradients of W_k and b_k."""
    return backpropagates(level)


# --- the gradient bound ------------------------------------------------------------------------------


def bounded_below(level: Level, *, times: fmpq = fmpq(1), **options) -> Verdict:
    """‖∂Φ/∂W̃_{k+1}‖² against the square of the bound."""
    with ctx.workprec(128):
        left, bound = least_gradient(level.net, level.k, **options)
        return decide_at_most(
            replace(bound, lower=bound.lower * times, upper=bound.upper * times),
            left,
            named=("bound^2", "|gradient of layer k + 1|^2"),
        )


def draw_the_slack(level: Level) -> None:
    """The gradient's norm over the bound, where that is positive, against the layers that the bound goes through."""
    left, bound = least_gradient(level.net, level.k)
    if bound.lower > 0:
        ratio = sqrt(as_float(left) / as_float(bound.lower))
        record_point(
            "the gradient against its bound",
            at={"L - k": level.depth - level.k},
            measured="gradient / bound",
            of={f"k = {level.k}": ratio},
            logarithmic=("gradient / bound",),
        )


random_points = levels(
    losses=(squared, huber, tilted_double_well),
    samples=(1, 4),
    layers=(0, 2),
    activations=("cubic", "softsign"),
)
random_balls = levels(activations=("sigmoid", "tanh", "softplus", "minus sigmoid"), samples=(1, 3))
BOUND = r"\|\nabla_{W_{k+1}, b_{k+1}}\Phi\|_F \ge s_N([F_k, \mathbf{1}_N]) \prod_{l=k+1}^{L} \min|\sigma'(G_l)| \prod_{l=k+2}^{L} s_{\min}(W_l)\, \|l'(F_L - Y)\|_F"


def is_positive(level: Level) -> bool:
    return least_gradient(level.net, level.k)[1].lower > 0


@claim(
    "NH17/gradient-bound",
    paper=NH17,
    where="behind Theorem 3.4 and Lemma 3.5 (the inequality is ours)",
    says=BOUND + r"\quad\text{for every } \theta \text{ and } k \in \{0, \dots, L-1\}",
    assumes={"C1": r"\sigma, l \in C^1(\mathbb{R})"},
    equivalent={
        "k = 0 only": "Theorem 3.4 is the case k = 0, with F_0 = X",
        "grad_W alone with s_N(F_k)": "true: leave out the ones on both sides",
    },
)
@printed(
    HOLDS,
    random_points | random_balls,
    examples=80,
    reaches={
        "the bound is positive": is_positive,
        "k = 0": lambda l: l.k == 0,
        "k >= 1": lambda l: l.k >= 1,
        "L - k >= 2": lambda l: l.depth - l.k >= 2,
        "m = 2": lambda l: l.widths[-1] == 2,
    },
    note="no critical point is needed: never vacuous; its zeros are Theorem 3.4 (k = 0) and Lemma 3.5",
)
@mutant(
    "1.01 times the bound",
    levels(depth=(1, 2), samples=(1, 1), outputs=(1, 1)),
    conclude=lambda l: bounded_below(l, times=fmpq(10201, 10000)),
    says=r"\text{equality at } k = L - 1,\ N = m = 1",
    recheck=partial(gradient_bound_fails, factor="1.01"),
)
@mutant(
    "s_1([F_k, 1])",
    levels(depth=(1, 2), samples=(2, 3)),
    conclude=lambda l: bounded_below(l, features="greatest"),
    recheck=partial(gradient_bound_fails, features="greatest"),
)
@mutant(
    "s_max(W_l)",
    levels(depth=(2, 3), layers=(0, 0), outputs=(2, 2)),
    conclude=lambda l: bounded_below(l, weights="greatest"),
    recheck=partial(gradient_bound_fails, weights="greatest"),
)
@mutant(
    "W_l from l = k + 3",
    levels(depth=(2, 3), layers=(0, 0)),
    conclude=lambda l: bounded_below(l, from_layer=3),
    recheck=partial(gradient_bound_fails, begin=3),
)
@mutant(
    "max |sigma'(G_L)|",
    levels(depth=(1, 2), samples=(1, 3)),
    conclude=lambda l: bounded_below(l, slopes=("least", "greatest")),
    recheck=partial(gradient_bound_fails, output="greatest"),
)
@mutant(
    "no sigma'(G_l) below L",
    levels(depth=(2, 2), layers=(0, 0), activations=("softsign",)),
    conclude=lambda l: bounded_below(l, slopes=("none", "least")),
    recheck=partial(gradient_bound_fails, hidden="none"),
)
@mutant(
    "the gradient of W_(k+1) alone",
    levels(depth=(1, 2), samples=(1, 2)),
    conclude=lambda l: bounded_below(l, ones=False),
    recheck=partial(gradient_bound_fails, ones=False),
)
def test_the_gradient_is_bounded_below(level: Level) -> Verdict:
    """The gradient of layer k + 1 is at least a product of singular values and slopes times that of the loss."""
    draw_the_slack(level)
    return bounded_below(level)
