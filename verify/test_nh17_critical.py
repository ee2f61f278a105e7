"""Nguyen & Hein (2017), Lemma 2.1, Section 3.2 and what its theorems rest on: gradients, ranks, degeneracy."""

from dataclasses import replace
from itertools import pairwise

from flint import arb, ctx, fmpq, fmpq_mat, fmpq_poly

from strategies.deep_wide import (
    Bivariate,
    Blocks,
    Level,
    Matrix,
    PerturbedPolynomial,
    Weights,
    bivariate_polynomials,
    block_matrices,
    fitted_levels,
    levels,
    perturbed_polynomials,
    positive_definite_matrices,
    ridge_levels,
    silent_levels,
    symmetric_matrices,
    weights_of_rank,
)
from strategies.feedforward import Network
from strategies.losses import huber, squared, tilted_double_well
from strategies.traps import flat_points, lattice_points, layers_of, run_exactly
from verify import (
    HOLDS,
    REFUTED,
    Rung,
    Verdict,
    all_of,
    claim,
    decide,
    decide_at_most,
    decide_equal,
    drop,
    inconclusive,
    mutant,
    printed,
    repaired,
    vacuous,
)
from verify.oracles.convex_traps import deltas as deltas_in_units
from verify.oracles.convex_traps import exact_loss, is_critical, is_trap
from verify.oracles.exact import inertia, is_positive_definite
from verify.oracles.feedforward import gradient, hessian, loss, output_slopes
from verify.oracles.gradient_bounds import (
    block,
    block_parameters,
    deltas,
    features,
    find_lower_value,
    free_curvatures,
    free_derivatives,
    hadamard,
    least_gradient,
    null_direction,
    residual_slopes,
    stays_put,
    values,
    with_ones,
)
from verify.oracles.kinks import one_sided_derivative
from verify.papers import NH17
from verify.rechecks_nh17 import (
    critical_of_full_rank_and_not_minimal,
    low_rank_always,
    silent_layer_of_full_rank_and_not_minimal,
    two_functions_solve,
    wider_than_the_samples,
)

DISTINCT = r"x_i \ne x_j \text{ for } i \ne j"
ANALYTIC = r"\sigma \text{ analytic on } \mathbb{R}"
INCREASING = r"\sigma \text{ strictly increasing}"
GROWTH = r"\sigma \text{ bounded, or } |\sigma(t)| \le \rho_1 e^{\rho_2 t}\ (t < 0),\ |\sigma(t)| \le \rho_3 t + \rho_4\ (t \ge 0)"
LOSS = r"l \in C^2,\ l'(a) = 0 \Rightarrow a \text{ is a global minimum of } l"
ASSUMPTIONS = {
    "distinct": DISTINCT,
    "analytic": ANALYTIC,
    "increasing": INCREASING,
    "growth": GROWTH,
    "loss": LOSS,
}
POSITIVE = r"\sigma'(t) > 0 \text{ for all } t"
PAPER = ("sigmoid", "tanh")
"""The bounded activations of Lemma 3.3, in bits: rational at integers."""


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
)
@mutant(
    "W instead of its transpose",
    levels(depth=(2, 3), outputs=(2, 2), layers=(0, 0)),
    conclude=with_hidden(untransposed),
)
@mutant("sigma'(G_(k+1)) for sigma'(G_k)", levels(depth=(2, 3)), conclude=with_hidden(slope_above))
@mutant(
    "sigma'(F_k) for sigma'(G_k)",
    levels(depth=(2, 3)),
    conclude=lambda level: backpropagates(
        level,
        recursion(
            level.net, hidden=lambda at, d, k: slope_at_values(at, d, k, layers_of(level.net)[k - 1].sigma)
        ),
    ),
)
@mutant(
    "no sigma'(G_L)",
    levels(depth=(1, 1)),
    conclude=lambda level: backpropagates(level, recursion(level.net, output=lambda at, r: r)),
)
@mutant(
    "l'/2",
    levels(depth=(1, 1)),
    conclude=lambda level: backpropagates(
        level, recursion(level.net, output=lambda at, r: hadamard(r, at.slopes[-1]) / 2)
    ),
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
)
@mutant(
    "s_1([F_k, 1])",
    levels(depth=(1, 2), samples=(2, 3)),
    conclude=lambda l: bounded_below(l, features="greatest"),
)
@mutant(
    "s_max(W_l)",
    levels(depth=(2, 3), layers=(0, 0), outputs=(2, 2)),
    conclude=lambda l: bounded_below(l, weights="greatest"),
)
@mutant(
    "W_l from l = k + 3",
    levels(depth=(2, 3), layers=(0, 0)),
    conclude=lambda l: bounded_below(l, from_layer=3),
)
@mutant(
    "max |sigma'(G_L)|",
    levels(depth=(1, 2), samples=(1, 3)),
    conclude=lambda l: bounded_below(l, slopes=("least", "greatest")),
)
@mutant(
    "no sigma'(G_l) below L",
    levels(depth=(2, 2), layers=(0, 0), activations=("softsign",)),
    conclude=lambda l: bounded_below(l, slopes=("none", "least")),
)
@mutant(
    "the gradient of W_(k+1) alone",
    levels(depth=(1, 2), samples=(1, 2)),
    conclude=lambda l: bounded_below(l, ones=False),
)
def test_the_gradient_is_bounded_below(level: Level) -> Verdict:
    """The gradient of layer k + 1 is at least a product of singular values and slopes times that of the loss."""
    return bounded_below(level)


# --- Theorem 3.4 and Lemma 3.5 -----------------------------------------------------------------------


def deficient(net: Network, first: int, *, rank=lambda below, above: above) -> int | None:
    """The first l >= ``first`` with rank(W_l) other than n_l (or than ``rank`` says), or None."""
    stack = layers_of(net)
    for l in range(first, len(stack) + 1):
        w = stack[l - 1].W
        if w.rank() != rank(w.nrows(), w.ncols()):
            return l
    return None


def minimal_unless_deficient(net: Network, low: int | None) -> Verdict:
    """Φ is least, or W_l is of low rank, for ``low`` = l."""
    if low is not None:
        return decide(True, why=f"rank(W_{low}) < n_{low}")
    if not any(residual_entries(net)):
        return decide(True, why="Φ(θ) = 0", margin=fmpq(0))
    reason = find_lower_value(net)
    value = exact_loss(net)
    if reason is None:
        return inconclusive("Φ(θ) > 0, and no lower value was found", Phi=value)
    return decide(
        False,
        why=f"The premises hold, and θ is no global minimum: {reason}.",
        values={"Phi": value},
        margin=value if value is not None and value > 0 else None,
    )


def residual_entries(net: Network) -> list[fmpq]:
    at = run_exactly(net)
    return (at.F[-1] - net.Y).entries()


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
    recheck=critical_of_full_rank_and_not_minimal,
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
@drop("rank X", REFUTED, flat_points(), conclude=lambda n: theorem_3_4(n, ones=99), note="local minima even")
@drop("rank W", REFUTED, independent, conclude=lambda n: theorem_3_4(n, first=99))
@drop(
    "loss: l = 3a^4 - 4a^3 - 12a^2",
    REFUTED,
    lattice_points(independent=True, labels="fitted", depth=(1, 2)),
    conclude=other_than_wells,
)
@drop(
    "increasing",
    REFUTED,
    levels(activations=("square", "serpentine"), depth=(1, 1), layers=(0, 0), samples=(1, 2)).map(
        lambda l: l.net
    ),
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
)
@mutant("rank([X, 1]) >= N - 1", flat_points(d=(1, 1)), conclude=lambda n: theorem_3_4(n, ones=1))
@mutant(
    "rank(X) = N - 1",
    flat_points(d=(2, 2), triples=(1, 1), beside=(0, 0)),
    conclude=lambda n: (
        theorem_3_4(n, ones=1) if n.X.rank() == n.X.nrows() - 1 else vacuous("rank(X) is another")
    ),
)
@mutant("rank(W_l) = n_l for l in [3, L]", independent, conclude=lambda n: theorem_3_4(n, first=3))
def test_independent_samples_make_critical_points_minimal(net: Network) -> Verdict:
    """With affinely independent samples, critical points with W_2, …, W_L of full column rank are global minima."""
    return theorem_3_4(net)


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
flat_levels = flat_points().map(lambda net: Level(net=net, k=1, blocks=(2,)))


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
    recheck=silent_layer_of_full_rank_and_not_minimal,
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
@drop("rank F", REFUTED, flat_levels, conclude=lambda l: lemma_3_5(l, missing=99), note="local minima even")
@drop("rank W", REFUTED, silent_levels(depth=(3, 3)), conclude=lambda l: lemma_3_5(l, first=99))
@drop(
    "b",
    REFUTED,
    silent_levels(equations="weights only", depth=(2, 2)),
    conclude=lambda l: lemma_3_5(l, ones=False),
)
@mutant(
    "rank(W_l) = n_l for l in [k + 3, L]",
    silent_levels(depth=(3, 3)),
    conclude=lambda l: lemma_3_5(l, first=3),
)
@mutant(
    "rank([F_k, 1]) >= N - 1",
    silent_levels(equations="gradient", features="zero", depth=(2, 2), samples=(2, 2)),
    conclude=lambda l: lemma_3_5(l, missing=1),
)
def test_a_layer_of_full_rank_and_zero_gradient_is_minimal(level: Level) -> Verdict:
    """Where [F_k, 1] has rank N, the layers above have full column rank and layer k + 1 has gradient 0, Φ is least."""
    return lemma_3_5(level)


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
    recheck=low_rank_always,
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
)
@mutant(
    "for n_(l-1) >= n_l - 1",
    weights_of_rank(),
    conclude=lambda w: (
        low_rank_is_null(w)
        if all(a.nrows() >= a.ncols() - 1 for a in w.stack)
        else vacuous("a layer widens by two")
    ),
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
@mutant("N <= d", any_samples, conclude=lambda l: needs_dimension(l, 1))
@mutant(
    "N <= d + 1 is enough",
    any_samples,
    conclude=lambda l: decide(
        l.samples > l.widths[0] + 1 or with_ones(l.net.X).rank() == l.samples,
        why="The samples are dependent.",
    ),
)
def test_independent_samples_are_few(level: Level) -> Verdict:
    """Affinely independent samples are at most d + 1."""
    return needs_dimension(level)


# --- Definition 3.7 -----------------------------------------------------------------------------------


def examples_of_degeneracy(b: Blocks) -> Verdict:
    """det = 0 with a non-singular block, or det ≠ 0 with a singular block."""
    a, n = b.hessian, b.B.nrows()
    first, last = (block(a, list(range(i, i + n))).det() for i in (0, n))
    whole = a.det()
    truth = (whole == 0 and first != 0) if b.kind == "first" else (whole != 0 and last == 0)
    return decide(
        truth,
        why="The determinants are not as the paper says.",
        values={"det": whole, "det of the first block": first, "det of the last": last},
    )


def block_is_regular(m: Matrix, *, whole: bool) -> Verdict:
    """A regular matrix has regular blocks, or the other way round."""
    here, there = m.A.det(), block(m.A, list(m.subset)).det()
    premise, conclusion = (here, there) if whole else (there, here)
    if premise == 0:
        return vacuous("the premise is singular")
    return decide(
        conclusion != 0, why="One is regular, the other singular.", values={"det": here, "block": there}
    )


@claim(
    "NH17/def3.7",
    paper=NH17,
    where="after Definition 3.7",
    says=r"\det\nabla^2 f(x) = 0,\ \det\nabla^2_{\{x_1, x_2\}} f(x) \ne 0;\quad \det\nabla^2 f(y) \ne 0,\ \det\nabla^2_{\{y_3, y_4\}} f(y) = 0",
)
@printed(
    HOLDS,
    block_matrices(),
    examples=60,
    reaches={"the paper's": lambda b: fmpq_mat(2, 2, [1, 0, 0, 1]) == b.B},
    note="the two shapes at every size, with any invertible B for the paper's I",
)
@mutant("the second with a singular B", block_matrices(singular=True))
@mutant(
    "non-degenerate => on every subset",
    symmetric_matrices(),
    conclude=lambda m: block_is_regular(m, whole=True),
)
@mutant(
    "non-degenerate on a subset => non-degenerate",
    symmetric_matrices(),
    conclude=lambda m: block_is_regular(m, whole=False),
)
def test_degeneracy_and_degeneracy_on_a_subset_are_independent(b: Blocks) -> Verdict:
    """Non-degeneracy and non-degeneracy on a subset of variables do not imply each other."""
    return examples_of_degeneracy(b)


# --- Theorem 3.8 --------------------------------------------------------------------------------------


def block_determinant(level: Level, layers: tuple[int, ...] | None = None):
    """det of the Hessian's block of ``layers`` (I unless told): rational, or a ball."""
    net = level.net
    places = block_parameters(net, level.blocks if layers is None else layers)
    with ctx.workprec(128):
        return block(hessian(net), places).det()


def is_zero(value) -> bool | None:
    """Whether a determinant is 0: None where a ball leaves it open."""
    return True if value == 0 else False if value != 0 else None


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
WIDE = r"n_k \ge N - 1"
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
)
@drop(
    "rank W",
    REFUTED,
    lattice_points(
        depth=(3, 3), units=(1, 1), outputs=(2, 2), samples=(2, 2), d=(1, 1), weights=("zero", "any")
    ).map(at_level(1, 2)),
    conclude=lambda l: theorem_3_8(l, ranks=False),
)
@drop(
    "wide",
    REFUTED,
    lattice_points(
        depth=(2, 2), units=(1, 1), outputs=(1, 1), samples=(3, 3), d=(1, 1), weights=("zero",)
    ).map(at_level(1, 2)),
    conclude=lambda l: theorem_3_8(l, missing=1),
    note="n_k = N - 2",
)
@drop("loss", REFUTED, fitted_levels(samples=(1, 2), depth=(2, 2)), conclude=fitted_to_the_wells)
@drop("growth", HOLDS, fitted_levels(samples=(2, 3), activations=("cubic", "linear")), examples=60, needs=15)
@mutant(
    "I without k + 1",
    ridge_levels(depth=(3, 3), last=True),
    says=r"\nabla^2_{\mathcal{I}}\Phi \text{ non-singular for some } \mathcal{I} \subseteq \{k+1, \dots, L\}",
)
@mutant(
    "every critical point of full column ranks",
    ridge_levels(),
    conclude=lambda l: theorem_3_8(l, degenerate=True),
)
def test_nondegenerate_critical_points_are_minimal(level: Level) -> Verdict:
    """If n_k >= N − 1, critical points that are non-degenerate on layer k + 1 and of full column rank above are minimal."""
    return theorem_3_8(level)


def shifted(level: Level, where: tuple[int, ...]) -> fmpq_mat:
    """A perturbation E of the layers in ``where``: 1, 2, 3, … in turn, over 2."""
    e = fmpq_mat(level.net.theta.nrows(), 1)
    for count, place in enumerate(block_parameters(level.net, where)):
        e[place, 0] = fmpq(1 + count % 3, 2)
    return e


def degenerate_everywhere(level: Level, *, from_layer: int = 1, more: int = 0) -> Verdict:
    """Φ(θ + tD + E) = Φ(θ + E) for E on layers >= k + ``from_layer``, and nullity(H_I) >= n_{k+1} (n_k + 1 − rank)."""
    net, k = level.net, level.k
    found = null_direction(net, k)
    if found is None or not stays_put(net, found[0], k):
        return decide(False, why="[F_k, 1] has no null vector.", values={"rank": features(net, k).rank()})
    direction, why = found
    e = shifted(level, tuple(range(k + from_layer, level.depth + 1)))
    here = net.moved(e)
    parts = [
        decide_equal(
            loss(here.moved(direction, t)), loss(here), named=(f"Phi(theta + {t} D + E)", "Phi(theta + E)")
        )
        for t in (1, -2)
    ]
    h = block(hessian(net), block_parameters(net, level.blocks))
    nullity, wanted = (
        h.nrows() - h.rank(),
        level.widths[k + 1] * (level.widths[k] + 1 - features(net, k).rank()),
    )
    parts.append(decide_at_most(wanted + more, nullity, named=("n_(k+1) (n_k + 1 - rank)", "nullity of H_I")))
    return replace(all_of(*parts), why=f"{why}") if all_of(*parts).outcome is HOLDS else all_of(*parts)


wide = levels(
    activations=("cubic", "quadratic", "linear"),
    depth=(2, 3),
    layers=(1, 2),
    spare=(1, 2),
    samples=(1, 3),
    all_blocks=True,
    bound=1,
)


@claim(
    "NH17/thm3.8-empty",
    paper=NH17,
    where="behind Theorem 3.8 (the identity is ours)",
    says=r"[F_k, \mathbf{1}_N]\, h = 0,\ D = h e_j^T \text{ in layer } k+1 \Rightarrow \Phi(\theta + tD + E) = \Phi(\theta + E) \text{ for all } t \text{ and all } E \text{ on layers} > k; \text{ hence } \dim\ker \nabla^2_{\mathcal{I}}\Phi \ge n_{k+1}(n_k + 1 - \mathrm{rank}[F_k, \mathbf{1}_N]) > 0 \text{ if } n_k \ge N",
    assumes={"n_k >= N": r"n_k \ge N"},
)
@printed(
    HOLDS,
    wide,
    examples=60,
    reaches={
        "I has several layers": lambda l: len(l.blocks) > 1,
        "I = {k + 1}": lambda l: len(l.blocks) == 1,
        "k = 2": lambda l: l.k == 2,
    },
    note="why Theorem 3.8 has no instance with more hidden units than samples; at every point, critical or not",
)
@drop(
    "n_k >= N",
    REFUTED,
    levels(activations=("cubic",), depth=(2, 2), layers=(1, 1), spare=(0, 0), samples=(2, 3)),
    note="at n_k = N - 1 [F_k, 1] can be regular",
)
@mutant(
    "E on layer k too",
    levels(activations=("cubic",), depth=(2, 3), layers=(1, 1), spare=(1, 1), samples=(1, 3)),
    conclude=lambda l: degenerate_everywhere(l, from_layer=0),
)
@mutant("one dimension more", wide, conclude=lambda l: degenerate_everywhere(l, more=1))
def test_wide_layers_make_every_point_degenerate(level: Level) -> Verdict:
    """With n_k >= N every point of the loss is degenerate on every set of upper layers that holds k + 1."""
    return degenerate_everywhere(level)


def determinant_formula(
    level: Level, *, power=lambda width: 2 * width, combine=lambda a, b: a * b
) -> Verdict:
    """det H_{k+1} = det([F_k, 1])^{2 n_{k+1}} Π_i det ∂²Φ/∂g_{k+1}(x_i)²."""
    net, k = level.net, level.k
    f = features(net, k)
    if f.nrows() != f.ncols():
        return vacuous("[F_k, 1] is not square")
    product = fmpq(1)
    for a in free_curvatures(net, k + 1):
        product = combine(product, a.det())
    wanted = f.det() ** power(level.widths[k + 1]) * product
    return decide_equal(block_determinant(level, (k + 1,)), wanted, named=("det H_(k+1)", "formula"))


square_features = levels(
    activations=("cubic", "quadratic"), depth=(2, 3), layers=(1, 2), spare=(0, 0), samples=(2, 3), bound=1
)


@claim(
    "NH17/thm3.8-determinant",
    paper=NH17,
    where="behind Theorem 3.8 (the formula is ours)",
    says=r"n_k = N - 1:\quad \det\nabla^2_{\{k+1\}}\Phi = \det([F_k, \mathbf{1}_N])^{2 n_{k+1}} \prod_i \det \nabla^2_{g_{k+1}(x_i)} \Phi",
)
@printed(
    HOLDS,
    square_features,
    examples=60,
    needs=30,
    reaches={
        "not 0": lambda l: block_determinant(l, (l.k + 1,)) != 0,
        "n_(k+1) = 2": lambda l: l.widths[l.k + 1] == 2,
    },
)
@mutant(
    "exponent n_(k+1)", square_features, conclude=lambda l: determinant_formula(l, power=lambda width: width)
)
@mutant("exponent 2", square_features, conclude=lambda l: determinant_formula(l, power=lambda width: 2))
@mutant(
    "the sum over the samples",
    square_features,
    conclude=lambda l: determinant_formula(l, combine=lambda a, b: a + b),
)
def test_determinant_of_the_block(level: Level) -> Verdict:
    """At n_k = N − 1 the block of layer k + 1 is regular iff [F_k, 1] is and every sample's curvature is."""
    return determinant_formula(level)


def shape_of_instances(level: Level, *, allow=lambda level: False) -> Verdict:
    """A fitted point with H_I regular has n_k = N − 1, I = {k + 1}, n_{k+1} = … = n_L = m; and rank H_I <= N m."""
    m, N = level.widths[-1], level.samples
    h = block(hessian(level.net), block_parameters(level.net, level.blocks))
    rank = h.rank()
    fits = (
        level.widths[level.k] == N - 1
        and level.blocks == (level.k + 1,)
        and set(level.widths[level.k + 1 :]) == {m}
    )
    return all_of(
        decide_at_most(rank, N * m, named=("rank H_I", "N m")),
        decide(
            fits or rank < h.nrows(),
            why="H_I is regular in another shape.",
            values={"rank H_I": rank, "size": h.nrows()},
        ),
    )


def regular_if(level: Level, shape) -> Verdict:
    """H_I is regular wherever [F_k, 1] has rank N and the shape is as ``shape`` says."""
    if features(level.net, level.k).rank() < level.samples or not shape(level):
        return vacuous("another shape")
    h = block(hessian(level.net), block_parameters(level.net, level.blocks))
    return decide(h.det() != 0, why="H_I is singular.", values={"rank H_I": h.rank(), "size": h.nrows()})


fitted = fitted_levels(
    activations=("cubic",), square=False, all_blocks=True, spare=(0, 1), samples=(2, 3), depth=(3, 3)
)


@claim(
    "NH17/thm3.8-shapes",
    paper=NH17,
    where="Theorem 3.8, where it is not empty (ours)",
    says=r"F_L = Y,\ \nabla^2_{\mathcal{I}}\Phi \text{ non-singular} \Rightarrow n_k = N - 1,\ \mathcal{I} = \{k+1\},\ n_{k+1} = \dots = n_L = m",
    assumes={"minimal": r"l'(F_L - Y) = 0"},
)
@printed(
    HOLDS,
    fitted,
    examples=60,
    reaches={
        "regular": lambda l: block_determinant(l) != 0,
        "I has several layers": lambda l: len(l.blocks) > 1,
        "n_(k+1) > m": lambda l: l.widths[l.k + 1] > l.widths[-1],
    },
    note="by the gradient bound every instance of Theorem 3.8 has F_L = Y (where l'(a) = 0 only at 0)",
)
@mutant(
    "regular for every I",
    fitted,
    conclude=lambda l: regular_if(l, lambda l: len(set(l.widths[l.k + 1 :])) == 1),
)
@mutant(
    "regular if the layers narrow", fitted, conclude=lambda l: regular_if(l, lambda l: len(l.blocks) == 1)
)
def test_shapes_of_instances_of_the_main_theorem(level: Level) -> Verdict:
    """Theorem 3.8 has instances only at n_k = N − 1, for I = {k + 1}, with all layers above k as wide as the output."""
    return shape_of_instances(level)


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
@drop("non-degenerate", REFUTED, flat_levels, conclude=lambda l: theorem_3_8(l, degenerate=True))
@drop(
    "wide",
    REFUTED,
    lattice_points(
        depth=(2, 2), units=(1, 1), outputs=(1, 1), samples=(3, 3), d=(1, 1), weights=("zero",)
    ).map(at_level(1, 2)),
    conclude=lambda l: theorem_3_8(l, missing=1),
)
@mutant(
    "every critical point",
    ridge_levels(depth=(2, 2)),
    conclude=lambda l: theorem_3_8(l, degenerate=True),
)
@mutant(
    "for n_1 >= N - 2",
    lattice_points(
        depth=(2, 2), units=(1, 1), outputs=(1, 1), samples=(3, 3), d=(1, 1), weights=("zero", "any")
    ).map(at_level(1, 2)),
    conclude=lambda l: theorem_3_8(l, missing=1),
)
def test_one_hidden_layer_nondegenerate_in_the_output_layer(level: Level) -> Verdict:
    """With one hidden layer of N − 1 units, critical points non-degenerate in the output layer are minimal."""
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
)
@mutant("n_(k+1) > n_(k+2) > ...", weights_of_rank(full=True), conclude=lambda w: pyramid(w, strictly=True))
@mutant("n_(k+1) <= n_(k+2) <= ...", weights_of_rank(full=True), conclude=lambda w: pyramid(w, above=False))
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
@drop("non-degenerate", REFUTED, flat_levels, conclude=local_minima_are_global, note="convex traps")
@mutant(
    "local minima with W_2, ..., W_L of full column rank",
    flat_points(hidden=(1, 2), activations=("sigmoid", "tanh", "softplus"), others=("any",)).map(
        at_level(1, 2)
    ),
    conclude=local_minima_are_global,
)
@mutant(
    "non-degenerate on the layers above k + 1",
    ridge_levels(depth=(3, 3), last=True),
    conclude=theorem_3_8,
    says=r"\nabla^2_{\{k+2, \dots, L\}}\Phi \text{ non-singular suffices}",
)
def test_nondegenerate_local_minima_are_global(level: Level) -> Verdict:
    """If n_k >= N − 1, non-degenerate local minima with W_l, l >= k + 2, of full column rank are global."""
    return never_nondegenerate(level)


@claim(
    "NH17/cor3.9-principal",
    paper=NH17,
    where="Proof of Corollary 3.9",
    says=r"A \succ 0 \Rightarrow A_S \succ 0 \text{ for every subset } S",
)
@printed(HOLDS, positive_definite_matrices(), examples=60)
@mutant(
    "positive semidefinite => the block is definite",
    symmetric_matrices(),
    conclude=lambda m: (
        vacuous("not semidefinite")
        if inertia(m.A)[2]
        else decide(is_positive_definite(block(m.A, list(m.subset))), why="The block is not definite.")
    ),
)
@mutant(
    "regular => the block is regular",
    symmetric_matrices(),
    conclude=lambda m: block_is_regular(m, whole=True),
)
def test_principal_submatrices_are_positive_definite(m: Matrix) -> Verdict:
    """Principal submatrices of a positive definite matrix are positive definite."""
    return decide(is_positive_definite(block(m.A, list(m.subset))), why="The block is not definite.")


# --- Theorem 3.10 -------------------------------------------------------------------------------------


def derivative(p: fmpq_poly) -> fmpq_poly:
    return p.derivative()


def exceptional(f: fmpq_poly) -> fmpq_poly:
    """R(w) = Π (f′(t) + w) over the complex roots t of f″: w is exceptional only if R(w) = 0; w + c for f′ = c.

    By interpolation: R(w) = Res_x(f″, f′ + w) up to a constant, a polynomial of degree deg f″.
    """
    first, second = f.derivative(), f.derivative().derivative()
    if second == 0:
        return fmpq_poly([first[0], 1])
    n = second.degree()
    nodes = [fmpq(w) for w in range(n + 1)]
    heights = [resultant(second, first + fmpq_poly([w])) for w in nodes]
    total = fmpq_poly([0])
    for i, (w, y) in enumerate(zip(nodes, heights, strict=True)):
        term = fmpq_poly([y])
        for j, v in enumerate(nodes):
            if j != i:
                term = term * fmpq_poly([-v, 1]) / (w - v)
        total = total + term
    return total


def resultant(p: fmpq_poly, q: fmpq_poly) -> fmpq:
    """The determinant of Sylvester's matrix."""
    m, n = p.degree(), q.degree()
    if n < 0:
        return fmpq(0) if m > 0 else fmpq(1)
    size = m + n
    table = [[fmpq(0)] * size for _ in range(size)]
    for i in range(n):
        for j in range(m + 1):
            table[i][i + j] = p[m - j]
    for i in range(m):
        for j in range(n + 1):
            table[n + i][i + j] = q[n - j]
    return fmpq_mat(size, size, [e for row in table for e in row]).det() if size else fmpq(1)


def morse(f: PerturbedPolynomial, *, fewer: int = 0, always: bool = False) -> Verdict:
    """All w but the finitely many roots of R leave only non-degenerate critical points: gcd(f′ + w, f″) = 1."""
    p = fmpq_poly(f.f.entries())
    R = exceptional(p)
    first = p.derivative() + fmpq_poly([f.w])
    common = first.gcd(first.derivative()) if first != 0 else fmpq_poly([0])
    generic = R(f.w) != 0
    degenerate = common.degree() != 0 if first.degree() != 0 else False
    if always:
        return decide(
            not (degenerate and has_real_root(common)),
            why="f + w x has a degenerate critical point.",
            values={"f' + w": str(first), "common factor": str(common)},
        )
    count = R.degree()
    return all_of(
        decide(R != 0, why="R is the zero polynomial."),
        decide(not (generic and degenerate), why="w is no root of R, and a critical point is degenerate."),
        decide_at_most(count, max(p.degree() - 2, 1) - fewer, named=("exceptional w", "bound")),
    )


def has_real_root(p: fmpq_poly) -> bool:
    """Whether a polynomial has a real root: the zero polynomial, odd degree, or by Sturm's chain."""
    if p == 0 or p.degree() % 2:
        return True
    if p.degree() == 0:
        return False
    return count_roots(p, fmpq(-(10**9)), fmpq(10**9)) > 0


def count_roots(p: fmpq_poly, low: fmpq, high: fmpq) -> int:
    """The number of different real roots in (low, high]: Sturm's chain of the square-free part."""
    p = p // p.gcd(p.derivative())
    chain = [p, p.derivative()]
    while chain[-1] != 0:
        chain.append(-(chain[-2] % chain[-1]))
    chain.pop()

    def changes(x: fmpq) -> int:
        signs = [s > 0 for s in (q(x) for q in chain) if s != 0]
        return sum(a != b for a, b in pairwise(signs))

    return changes(low) - changes(high)


@claim(
    "NH17/thm3.10",
    paper=NH17,
    where="Theorem 3.10 (Morse), Section 3.2",
    says=r"f \in C^2 \Rightarrow f + \langle w, \cdot\rangle \text{ has only non-degenerate critical points for almost all } w",
    assumes={"C2": r"f \in C^2"},
)
@printed(
    HOLDS,
    perturbed_polynomials(),
    examples=80,
    reaches={
        "w is exceptional": lambda f: exceptional(fmpq_poly(f.f.entries()))(f.w) == 0,
        "f is affine": lambda f: fmpq_poly(f.f.entries()).degree() < 2,
    },
    note="polynomials in one variable: the exceptional set is finite and exact",
)
@mutant("for all w", perturbed_polynomials(), conclude=lambda f: morse(f, always=True))
@mutant(
    "all but deg f - 3 values of w",
    perturbed_polynomials(degree=(3, 5)),
    conclude=lambda f: morse(f, fewer=1),
)
def test_almost_all_linear_perturbations_are_nondegenerate(f: PerturbedPolynomial) -> Verdict:
    """For almost all w all critical points of f(x) + ⟨w, x⟩ are non-degenerate."""
    return morse(f)


def degenerate_points_are_rare(level: Level) -> Verdict:
    """Layer k + 1 is non-degenerate at some θ: refuted by more columns than rows in [F_k, 1], whatever θ is."""
    net, k = level.net, level.k
    found = null_direction(net, k)
    if level.widths[k] >= level.samples:
        return decide(
            False,
            why=f"n_{k} = {level.widths[k]} >= N = {level.samples}: every θ is degenerate; here {found[1]}.",
            values={"D": found[0]},
        )
    zero = is_zero(block_determinant(level, (k + 1,)))
    return vacuous("degenerate here") if zero else decide(True, why="non-degenerate at this θ")


def no_critical_points(level: Level, *, generic: bool = True) -> Verdict:
    """⟨∇Φ(θ), D⟩ = 0, so that ∇Φ(θ) + w = 0 would need ⟨w, D⟩ = 0: not so for w = (1, 3, 9, …)."""
    net, k = level.net, level.k
    if level.widths[k] < level.samples:
        return vacuous("n_k < N")
    direction = null_direction(net, k)[0]
    along = (gradient(net).transpose() * direction)[0, 0]
    w = sum((e * 3**i * generic for i, e in enumerate(direction.entries())), fmpq(0))
    return all_of(
        decide_equal(along, fmpq(0), named=("<grad Phi, D>", "0")),
        decide(w != 0, why="⟨w, D⟩ = 0.", values={"<w, D>": w}),
    )


@claim(
    "NH17/thm3.10-use",
    paper=NH17,
    where="after Theorem 3.10",
    says=r"\text{degenerate points of } \Phi \text{ might be rare, also for } n_k \ge N - 1",
    assumes={},
)
@printed(
    REFUTED,
    levels(activations=("cubic",), depth=(2, 2), layers=(1, 1), spare=(0, 1), samples=(1, 3)),
    recheck=wider_than_the_samples,
    note="every point is degenerate once n_k >= N; Morse's theorem says that almost no perturbation has critical points at all",
)
@repaired(
    r"n_k \ge N \Rightarrow \Phi + \langle w, \cdot\rangle \text{ has no critical point for almost all } w",
    levels(activations=("cubic", "softsign"), depth=(2, 3), layers=(1, 2), spare=(1, 2)),
    conclude=no_critical_points,
    examples=60,
)
@mutant(
    "for w = 0",
    levels(activations=("cubic",), depth=(2, 2), layers=(1, 1), spare=(1, 2)),
    conclude=lambda l: no_critical_points(l, generic=False),
)
@mutant(
    "some point is non-degenerate if n_k >= N",
    levels(activations=("cubic",), depth=(2, 2), layers=(1, 1), spare=(1, 2)),
)
def test_degenerate_points_are_rare(level: Level) -> Verdict:
    """Exactly degenerate points of Φ might be rare."""
    return degenerate_points_are_rare(level)


# --- Theorem 4.6 --------------------------------------------------------------------------------------


def in_v(f: Bivariate, u: fmpq | arb) -> list:
    """The coefficients of Ψ(u, ·), constant first."""
    table = f.c.table()
    found = [u * 0 + row for row in table[-1]]
    for row in reversed(table[:-1]):
        found = [e * u + c for e, c in zip(found, row, strict=True)]
    return found


def value_at(coefficients: list, v: fmpq | arb) -> fmpq | arb:
    """By Horner's rule."""
    total = v * 0
    for e in reversed(coefficients):
        total = total * v + e
    return total


def unique_function(f: Bivariate) -> Verdict:
    """Another simple root v1 of Ψ(u0, ·) continues to another function with Ψ(u, α(u)) = 0."""
    p = fmpq_poly(in_v(f, f.u0))
    slope = p.derivative()
    if slope(f.v0) == 0:
        return vacuous("the Jacobian is singular")
    if p.gcd(slope).degree() > 0:
        return vacuous("Ψ(u0, ·) has a double root elsewhere")
    rest = p // fmpq_poly([-f.v0, 1])
    ends = range(-16, 17)
    for low, high in pairwise(ends):
        if rest(fmpq(low)) * rest(fmpq(high)) <= 0:
            return decide(
                False,
                why=f"Ψ(u0, ·) has another simple root in [{low}, {high}]: a second function goes through it.",
                values={"Psi(u0, v)": str(p), "v0": f.v0},
                margin=fmpq(1),
            )
    return vacuous("no other root was found in [−16, 16]")


def function_near(f: Bivariate, *, singular: bool = False) -> Verdict:
    """On a box around (u0, v0) every u has exactly one v with Ψ(u, v) = 0: signs on its edges, ∂Ψ/∂v of one sign."""
    if singular:
        return loses_roots(f)
    if fmpq_poly(in_v(f, f.u0)).derivative()(f.v0) == 0:
        return vacuous("the Jacobian is singular")
    for j in range(2, 14):
        high = fmpq(1, 1 << j)
        for i in range(j, j + 14, 4):
            if is_graph(f, fmpq(1, 1 << i), high):
                return decide(
                    True,
                    why="one root for every u",
                    values={"epsilon": fmpq(1, 1 << i), "delta": high},
                    rung=Rung.BALL,
                )
    return inconclusive("no box was found")


def is_graph(f: Bivariate, eps: fmpq, delta: fmpq) -> bool:
    """Whether ∂Ψ/∂v has one sign on the box, and Ψ different ones on its lower and its upper edge."""
    psi = in_v(f, arb(f.u0, eps))
    slope = value_at([e * j for j, e in enumerate(psi)][1:], arb(f.v0, delta))
    low, high = (value_at(psi, arb(f.v0 + side * delta)) for side in (-1, 1))
    return bool((slope > 0 and low < 0 and high > 0) or (slope < 0 and low > 0 and high < 0))


def loses_roots(f: Bivariate) -> Verdict:
    """Without the Jacobian: at some u as near as 2^−20 there is no root, or there are several, within 1/16."""
    for u in (f.u0 + fmpq(1, 1 << 20), f.u0 - fmpq(1, 1 << 20)):
        p = fmpq_poly(in_v(f, u))
        if p == 0:
            return decide(False, why="Ψ(u, ·) = 0: every v is a root.", values={"u": u})
        count = count_roots(p, f.v0 - fmpq(1, 16), f.v0 + fmpq(1, 16)) if p.degree() > 0 else 0
        if count != 1:
            return decide(
                False,
                why=f"Ψ(u, ·) has {count} roots within 1/16 of v0.",
                values={"u": u, "Psi(u, v)": str(p)},
            )
    return decide(True, why="one root at both")


@claim(
    "NH17/thm4.6",
    paper=NH17,
    where="Theorem 4.6 (implicit functions), Section 4",
    says=r"\Psi(u_0, v_0) = 0,\ \det J_v\Psi(u_0, v_0) \ne 0 \Rightarrow \exists\,\epsilon > 0 \text{ and a unique } \alpha: B(u_0, \epsilon) \to \mathbb{R}^t,\ \Psi(u, \alpha(u)) = 0",
    assumes={"Jacobian": r"\det J_v\Psi(u_0, v_0) \ne 0"},
)
@printed(
    REFUTED,
    bivariate_polynomials(),
    recheck=two_functions_solve,
    note="unique only among functions with values near v0 (or continuous ones with alpha(u0) = v0); the proof of Theorem 3.8 uses existence and continuity",
)
@repaired(
    r"\exists\,\epsilon, \delta > 0: \text{ for } |u - u_0| < \epsilon \text{ exactly one } \alpha(u) \text{ with } |\alpha(u) - v_0| < \delta,\ \Psi(u, \alpha(u)) = 0",
    bivariate_polynomials(),
    conclude=function_near,
    examples=80,
    needs=60,
)
@drop(
    "Jacobian",
    REFUTED,
    bivariate_polynomials(singular=True),
    conclude=lambda f: function_near(f, singular=True),
)
@mutant(
    "exactly one root for every u",
    bivariate_polynomials(),
    conclude=lambda f: decide_equal(
        count_roots(fmpq_poly(in_v(f, f.u0)), fmpq(-(10**6)), fmpq(10**6)),
        1,
        named=("roots of Psi(u0, v)", "1"),
    ),
)
@mutant(
    "epsilon = 1 and delta = 1 will do",
    bivariate_polynomials(),
    conclude=lambda f: loses_roots(replace(f, u0=f.u0 + 1 - fmpq(1, 1 << 20))),
)
def test_implicit_functions_are_unique(f: Bivariate) -> Verdict:
    """Where the Jacobian by v is regular, a unique function α solves Ψ(u, α(u)) = 0 near u0."""
    return unique_function(f)
