"""Networks that alternate affine layers and σ: F_l = σ(G_l), G_l = [F_{l−1}, 1] W̃_l with W̃_l = [W_l; b_lᵀ].

Slopes are exact where σ is rational, and at whole numbers for the sigmoids: "up to a factor" means that σ′ is
divided by log 2 for them, which changes neither signs nor what is 0, layer by layer.
"""

from __future__ import annotations

import itertools
from fractions import Fraction

from verify.rechecks.jets import hessian_of, variables
from verify.rechecks.linear_algebra import dot, inertia, matrix, rank, times, turned
from verify.rechecks.losses import activated, activation_at, loss_slopes, sample_loss
from verify.rechecks.networks import outputs, program_parameters, total_loss


def sigma_of(net):
    """The name of σ, the same in all layers."""
    (name,) = {a for step in net["computation"]["steps"]["tuple"][1::2] for a in step["activations"]["tuple"]}
    return name


def stack_of(net):
    """[W̃_1, …, W̃_L], each (n_{l−1} + 1) × n_l: the biases are the last row."""
    theta = [Fraction(row[0]) for row in net["theta"]]
    steps = net["computation"]["steps"]["tuple"][::2]
    return [turned([[theta[int(k)] for k in row] for row in step["places"]]) for step in steps]


def without_biases(stack):
    """[W_1, …, W_L]."""
    return [w[:-1] for w in stack]


def widths_of(stack):
    """n_0, …, n_L."""
    return [len(stack[0]) - 1, *[len(w[0]) for w in stack]]


def with_ones(f):
    """[F, 1]."""
    return [[*row, Fraction(1)] for row in f]


def slope_at(name, t):
    """σ(t) and σ′(t) up to a factor: exact at whole numbers for the sigmoids, at 0 for softplus."""
    if name.startswith("minus "):
        value, slope = slope_at(name.removeprefix("minus "), t)
        return -value, -slope
    if name in ("sigmoid", "tanh", "tanh cubed", "softplus"):
        if t.denominator != 1 or (name == "softplus" and t):
            raise ValueError(f"{name} is irrational at {t}")
        p = Fraction(2) ** int(t)
        s = p / (1 + p)
        if name == "sigmoid":
            return s, s * (1 - s)
        if name == "softplus":
            return Fraction(1), s
        f = (p * p - 1) / (p * p + 1)
        return (f, 1 - f * f) if name == "tanh" else (f**3, f * f * (1 - f * f))
    return activation_at(name, t)[:2]


def forward(name, stack, X):
    """[F_0, …, F_L], [G_1, …, G_L] and [σ′(G_1), …, σ′(G_L)] up to a factor, rows being samples."""
    values, before, slopes = [X], [], []
    for w in stack:
        g = times(with_ones(values[-1]), w)
        both = [[slope_at(name, t) for t in row] for row in g]
        before.append(g)
        values.append([[f for f, _ in row] for row in both])
        slopes.append([[s for _, s in row] for row in both])
    return values, before, slopes


def layers_at(net):
    """``forward`` of a network at its own θ."""
    return forward(sigma_of(net), stack_of(net), matrix(net["X"]))


def hadamard(a, b):
    """a ∘ b."""
    return [[x * y for x, y in zip(r, s)] for r, s in zip(a, b)]


def residual_slopes(net, outputs):
    """w_i ℓ′(F_L − Y), row by row."""
    name, weights = net["loss"]["loss"], matrix(net["weights"])[0]
    return [[w * e for e in loss_slopes(name, f, y)] for w, f, y in zip(weights, outputs, matrix(net["Y"]))]


def deltas_of(net):
    """[Δ_1, …, Δ_L] up to factors: Δ_L = ℓ′(F_L − Y) ∘ σ′(G_L), Δ_l = (Δ_{l+1} W_{l+1}ᵀ) ∘ σ′(G_l)."""
    values, _, slopes = layers_at(net)
    found = [hadamard(residual_slopes(net, values[-1]), slopes[-1])]
    for w, s in zip(stack_of(net)[:0:-1], slopes[-2::-1]):
        found.insert(0, hadamard(times(found[0], turned(w[:-1])), s))
    return found


def layer_gradients(net):
    """[F_{l−1}, 1]ᵀ Δ_l up to factors: the derivatives of the loss by W̃_1, …, W̃_L."""
    return [times(turned(with_ones(f)), d) for f, d in zip(layers_at(net)[0], deltas_of(net))]


def is_stationary(net):
    """Whether ∇Φ = 0, exactly."""
    return not any(e for layer in layer_gradients(net) for row in layer for e in row)


def loss_of_layers(net):
    """Φ(θ), where the outputs are rational."""
    rows = zip(matrix(net["weights"])[0], layers_at(net)[0][-1], matrix(net["Y"]))
    return sum((w * sample_loss(net["loss"]["loss"], f, y) for w, f, y in rows), Fraction(0))


def sample_loss_above(net, l, i):
    """The loss of sample i as a jet in the entries of its g_l, the layers above being run again."""
    name = sigma_of(net)
    h = [activated(name, a) for a in variables(layers_at(net)[1][l - 1][i])]
    for w in stack_of(net)[l:]:
        h = [
            activated(name, sum((u * e for u, e in zip([*h, Fraction(1)], column)), Fraction(0)))
            for column in turned(w)
        ]
    return sample_loss(net["loss"]["loss"], h, matrix(net["Y"])[i]) * matrix(net["weights"])[0][i]


def feature_rank(net, k):
    """rank [F_k, 1]."""
    return rank(with_ones(layers_at(net)[0][k]))


def has_full_column_ranks(stack, first):
    """Whether rank W_l = n_l for every l >= ``first``."""
    return all(rank(w[:-1]) == len(w[0]) for w in stack[first - 1 :])


def range_of(name):
    """The ends of the open interval σ(ℝ), None for no end, of the increasing σ and their negatives."""
    if name.startswith("minus "):
        low, high = range_of(name.removeprefix("minus "))
        return None if high is None else -high, None if low is None else -low
    return {
        "sigmoid": (0, 1), "tanh": (-1, 1), "tanh cubed": (-1, 1), "softplus": (0, None),
        "two sigmoids": (0, 2), "affine inside": (-2, 2), "linear": (None, None),
    }.get(name, (1, 0))  # fmt: skip


def in_range_of(name, y):
    """Whether y is a value of σ."""
    low, high = range_of(name)
    return (low is None or y > low) and (high is None or y < high)


def steep_units_reach_full_rank(name, X, units):
    """Whether [F_k, 1] has rank N somewhere, for a layer k of so many units over any layers (σ monotone).

    One direction t = ⟨c, x⟩ and a single unit a layer tell distinct samples apart; N − 1 steep units with
    their steps between them (ramps, for softplus) tend to a triangle, of rank N with the ones.
    """
    c = [Fraction(7) ** k for k in range(len(X[0]))]
    t = sorted(dot(c, x) for x in X)
    bends = name.removeprefix("minus ") == "softplus"
    limits = [[max(s - u, 0) if bends else Fraction(s > u) for u in t[:-1]] + [Fraction(1)] for s in t]
    return units >= len(X) - 1 and rank(limits) == len(X)


def every_value_is_reached(name, X, widths):
    """Whether F_L can be any matrix of values of σ: some [F_k, 1] of rank N, and no layer above narrower than
    m.

    Then W̃_{k+1} makes G_{k+1} any matrix; what is above it can pass m numbers a sample on, as near to
    linearly as one likes, and W̃ undoes that. ``widths`` are n_0 = d, n_1, …, n_L = m, and σ is monotone.
    """
    return any(
        all(n >= widths[-1] for n in widths[k + 1 :])
        and (steep_units_reach_full_rank(name, X, widths[k]) if k else rank(with_ones(X)) == len(X))
        for k in range(len(widths) - 1)
    )


def zero_loss_is_attained(net):
    """Whether every label is a value of σ and F_L can be any matrix of such values: min Φ = 0."""
    name = sigma_of(net)
    inside = all(in_range_of(name, y) for row in matrix(net["Y"]) for y in row)
    return inside and every_value_is_reached(name, matrix(net["X"]), widths_of(stack_of(net)))


def places_of_layer(net, l):
    """The numbers in θ of the entries of W̃_l, (n_{l−1} + 1) × n_l."""
    return turned(
        [[int(k) for k in row] for row in net["computation"]["steps"]["tuple"][2 * l - 2]["places"]]
    )


def loss_block(net, layers):
    """The Hessian of Φ by the entries of W̃_l for the l in ``layers``, in the order of θ."""
    theta = program_parameters(net)
    chosen = sorted(p for l in layers for row in places_of_layer(net, l) for p in row)
    jets = [variables([e], k)[0] if k in chosen else e for k, e in enumerate(theta)]
    whole = hessian_of(total_loss(net, outputs(net, jets)), len(theta))
    return [[whole[i][j] for j in chosen] for i in chosen]


def few_levels_cost_less(net):
    """Whether outputs of one level, or of two that a cut through the samples separates, leave less than Φ(θ).

    Outputs that see nothing take any value of σ, here the mean label; a steep unit below them, on one side of
    the cut high and on the other low, brings them as near as one likes to the mean labels of both sides.
    """
    X, Y, here = matrix(net["X"]), matrix(net["Y"]), loss_of_layers(net)
    if not all(in_range_of(sigma_of(net), y) for row in Y for y in row):
        return False
    cuts = [[True] * len(X)]
    if len(stack_of(net)) > 1:
        for direction in itertools.product((-1, 0, 1, 7), repeat=len(X[0])):
            heights = [dot(direction, x) for x in X]
            cuts += [[t > cut for t in heights] for cut in heights]
    for cut in cuts:
        columns = [c for up in (True, False) for c in turned([y for y, high in zip(Y, cut) if high is up])]
        if here > sum((e - sum(c) / len(c)) ** 2 for c in columns for e in c):
            return True
    return False


def is_not_least(net):
    """Whether Φ(θ) > min Φ: the slope or a curvature shows a way down, or 0 or outputs of few levels cost
    less."""
    if net["loss"]["loss"] == "squared":
        if loss_of_layers(net) == 0:
            return False
        if zero_loss_is_attained(net) or not is_stationary(net) or few_levels_cost_less(net):
            return True
    return inertia(loss_block(net, range(1, len(stack_of(net)) + 1)))[2] > 0


def double_well_is_lower_nearby(net):
    """Whether the loss 3a⁴ − 4a³ − 12a² at θ with 1 more in the first bias of the output is below its value
    at θ."""
    name, stack, X, Y = sigma_of(net), stack_of(net), matrix(net["X"]), matrix(net["Y"])
    moved = [*stack[:-1], [*stack[-1][:-1], [stack[-1][-1][0] + 1, *stack[-1][-1][1:]]]]
    here, there = (
        sum(sample_loss("tilted double well", f, y) for f, y in zip(forward(name, w, X)[0][-1], Y))
        for w in (stack, moved)
    )
    return there < here
