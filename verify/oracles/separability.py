"""Linear separability as in Definition 5.1, and the one-sided losses of Theorem 5.3, decided exactly.

Source: Nguyen & Hein (2017), Section 5. Everything is rational: the softsign everywhere, the sigmoid where
pre-activations are integers (σ′ without its factor ln 2, see ``strategies.separable``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from math import log2
from typing import Any

from flint import arb, arb_mat, fmpq, fmpq_mat

from strategies.feedforward import apply, bias, computation, inputs, run, sample_major, weight
from strategies.matrices import hstack, vstack, zeros
from strategies.separable import Classifier, bordered, stationarity
from verify.oracles.enclosed import climb, is_positive_definite
from verify.oracles.feedforward import Derivatives, hessian_from
from verify.oracles.linear_programs import Infeasible, NotSeparable, find_feasible, separate

__all__ = [
    "NotSeparable",
    "find_lower",
    "gradients",
    "has_full_column_ranks",
    "is_strict_minimum",
    "loss",
    "margin_bounds",
    "output_slopes",
    "outputs",
    "separators",
    "signs_cannot_mix",
    "slopes_vanish",
]


def separators(features: fmpq_mat, signs: Sequence[Sequence[int]]) -> fmpq_mat | NotSeparable:
    """[a_1 … a_m; b_1 … b_m] of Definition 5.1 for the rows of ``features``, or why a class has none.

    ⟨a_j, x_i⟩ + b_j > 0 where signs[i][j] = 1 and < 0 where it is −1: one-versus-rest, class by class, each
    a rational linear program. The classes of a line −1, 0, 1 have separators for every pair of them and
    none for the middle one against the rest.
    """
    tilde, found = bordered(features), []
    for j in range(len(signs[0]) if signs else 0):
        answer = separate(tilde, fmpq_mat(len(signs), 1, [int(row[j] > 0) for row in signs]))
        if isinstance(answer, NotSeparable):
            return answer
        found.append(fmpq_mat(tilde.ncols(), 1, answer.r))
    return hstack(*found)


def _residuals(net: Classifier, values: Sequence[Any]) -> list[Any]:
    """f − y where it costs: negative in the own class, positive elsewhere; 0 where there is no loss."""
    if net.Y is None:
        raise ValueError("the targets are open")
    signs = [s for row in net.signs for s in row]
    found: list[Any] = []
    for f, y, s in zip(values, net.Y.entries(), signs, strict=True):
        r = f - y
        if isinstance(r, fmpq):
            found.append(r if r * s < 0 else fmpq(0))
        else:
            found.append(arb.min(r, arb(0)) if s > 0 else arb.max(r, arb(0)))
    return found


def output_slopes(net: Classifier) -> fmpq_mat:
    """Δ_L = l′(F_L − Y) ∘ σ′(G_L), exactly."""
    r = _residuals(net, net.features(net.depth).entries())
    bend = net.slopes(net.depth).entries()
    return fmpq_mat(net.samples, net.outputs, [2 * e * b for e, b in zip(r, bend, strict=True)])


def gradients(net: Classifier, top: fmpq_mat | None = None) -> list[fmpq_mat]:
    """∇Φ in W̃_1, …, W̃_L: [F_{l−1}, 1]ᵀ Δ_l with Δ_l = (Δ_{l+1} W_{l+1}ᵀ) ∘ σ′(G_l) (Lemma 2.1).

    ``top`` is Δ_L, that of Φ unless told.
    """
    delta = output_slopes(net) if top is None else top
    found: list[fmpq_mat] = []
    for l in range(net.depth, 0, -1):
        if l < net.depth:
            moved = delta * net.weight(l + 1).transpose()
            bend = net.slopes(l).entries()
            delta = fmpq_mat(
                moved.nrows(), moved.ncols(), [e * s for e, s in zip(moved.entries(), bend, strict=True)]
            )
        found.insert(0, bordered(net.features(l - 1)).transpose() * delta)
    return found


def loss(net: Classifier) -> fmpq | arb:
    """Φ: exactly where it is rational, else a ball of the precision that is set."""
    return sum((r * r for r in _residuals(net, outputs(net))), fmpq(0))


def outputs(net: Classifier) -> list[Any]:
    """The entries of F_L: exact where they are rational, else balls of the precision that is set."""
    try:
        return list(net.features(net.depth).entries())
    except ValueError:
        return list(_in_balls(net)[0][-1].entries())


def has_full_column_ranks(net: Classifier, layers: range) -> bool:
    """Whether rank(W_l) = n_l for l in ``layers``."""
    return all(net.weight(l).rank() == net.stack[l - 1].ncols() for l in layers)


def find_lower(
    net: Classifier, k: int, measure: Callable[[Classifier], fmpq | arb] | None = None
) -> tuple[Classifier, Any] | None:
    """Parameters with a smaller Φ (or another ``measure``), certainly, and Φ there; None: not found.

    Tried are networks that keep the layers up to k and, above, either let unit j of every layer follow the
    separator of class j, or (one output, F_k of one column) cut a step or a bump out of the line. The
    precision of the answer is that which decides.
    """
    value = measure or loss

    def lower(there: Classifier) -> Any:
        least = value(there)
        return least if least < value(net) else None

    for there in _candidates(net, k):
        least = climb(partial(lower, there), bits=(128, 1024, 8192))
        if least is not None:
            return there, least
    return None


def _candidates(net: Classifier, k: int) -> Iterator[Classifier]:
    """Steep networks above layer k. A unit's threshold is σ = 0, or 1/2 for the sigmoid."""
    features, steep = net.features(k), fmpq(2**12)
    found = separators(features, net.signs)
    widths = [w.ncols() for w in net.stack[k:]]
    if isinstance(found, fmpq_mat) and all(n >= net.outputs for n in widths):
        yield _above(net, k, _padded(found * steep, widths[0]), steep)
    if features.ncols() == 1 and net.outputs == 1 and len(widths) == 2:
        ordered = sorted(set(features.entries()))
        gaps = [(a + b) / 2 for a, b in pairwise(ordered)]
        for cut in gaps:
            yield from _two_levels(net, k, cut, 64 * steep)
        for a, b in pairwise(gaps) if widths[0] >= 2 else ():
            bump = fmpq_mat(2, 2, [1, 1, -a, -b]) * steep * 64
            yield net.at((*net.stack[:k], _padded(bump, widths[0]), _column(widths[0], [1, -1], -1, steep)))


def _two_levels(net: Classifier, k: int, cut: fmpq, steep: fmpq) -> Iterator[Classifier]:
    """f is about the mean target on either side of ``cut``, if σ takes these values."""
    if net.Y is None:
        return
    x, y = net.features(k).entries(), net.Y.entries()
    sides = [[b for a, b in zip(x, y, strict=True) if (a > cut) is up] for up in (False, True)]
    levels = [sum(side, fmpq(0)) / len(side) for side in sides]
    if net.activation == "softsign" and all(abs(v) < 1 for v in levels):
        low, high = (v / (1 - abs(v)) for v in levels)
        top = _column(net.stack[k].ncols(), [(high - low) / 2], (high + low) / 2, fmpq(1))
    elif net.activation == "sigmoid" and all(0 < v < 1 for v in levels):
        low, high = (fmpq(round(2**20 * log2(int(v.p) / int((1 - v).p))), 2**20) for v in levels)
        top = _column(net.stack[k].ncols(), [high - low], low, fmpq(1))
    else:
        return
    step = fmpq_mat(2, 1, [steep, -steep * cut])
    yield net.at((*net.stack[:k], _padded(step, net.stack[k].ncols()), top))


def _column(width: int, entries: Sequence[fmpq | int], shift: fmpq | int, scale: fmpq) -> fmpq_mat:
    """W̃ of one output."""
    return fmpq_mat(width + 1, 1, [*entries, *[0] * (width - len(entries)), shift]) * scale


def _padded(w: fmpq_mat, width: int) -> fmpq_mat:
    return hstack(w, zeros(w.nrows(), width - w.ncols()))


def _above(net: Classifier, k: int, first: fmpq_mat, steep: fmpq) -> Classifier:
    """Unit j of the layers above k + 1 is unit j below, steeply."""
    stack, m = [*net.stack[:k], first], net.outputs
    half = fmpq(1, 2) if net.activation == "sigmoid" else fmpq(0)
    for w in net.stack[k + 1 :]:
        into, out = w.nrows() - 1, w.ncols()
        linear = zeros(into, out)
        for j in range(m):
            linear[j, j] = steep
        shift = fmpq_mat(1, out, [-steep * half if j < m else 0 for j in range(out)])
        stack.append(vstack(linear, shift))
    return net.at(tuple(stack))


def signs_cannot_mix(net: Classifier, k: int) -> bool:
    """Whether Δ_{k+1} has a column with the signs of one class, or one whose terms cannot cancel.

    k = L − 1; rows of W_l, l >= k + 2, with at most one entry ≠ 0, as for one output and k = L − 2;
    two outputs, k = L − 2 and a row of W_L, not 0, of entries that are not both positive nor both negative;
    or σ the identity, where every Δ_l is Δ_L times a matrix.
    """
    upper = [net.weight(l).table() for l in range(k + 2, net.depth + 1)]
    if all(sum(map(bool, row)) <= 1 for w in upper for row in w) or net.activation == "linear":
        return True
    return len(upper) == 1 and net.outputs == 2 and any(any(row) and row[0] * row[1] <= 0 for row in upper[0])


def margin_bounds(
    net: Classifier, k: int, *, greatest: bool = False, slopes_count: bool = True, separating: bool = True
) -> list[tuple[arb, arb]] | None:
    """Per output j, the squares of γ_j Π|W| Π min σ′ |Δ_L[:, j]|₁ and of |∇Φ in W̃_{k+1}[:, p]|₂, the larger.

    γ_j is the least |⟨h_j, (F_k, 1)⟩| over the samples, h_j a separator of length 1. Where the rows of W_l,
    l >= k + 2, have at most one entry ≠ 0, a unit p of layer k + 1 feeds output j alone, through one path.
    Then Δ_{k+1}[:, p] = Π W Π σ′ ∘ Δ_L[:, j] has the signs of class j, and ⟨h_j, ∇⟩ is a sum of terms of one
    sign. In balls of the precision that is set, the slopes with all their factors; None where F_k is not
    separable, or its separators are not certain. For mutants: the ``greatest`` margin; without min σ′; or
    h_j = (0, 1), which need not be ``separating``.
    """
    features, pre = _in_balls(net)
    rounded = net.X if k == 0 else _middle(features[k])
    found = (
        separators(rounded, net.signs)
        if separating
        else vstack(zeros(rounded.ncols(), net.outputs), fmpq_mat(1, net.outputs, [1] * net.outputs))
    )
    if isinstance(found, NotSeparable) or net.Y is None:
        return None
    n, m = net.samples, net.outputs
    slopes = [[[net.sigma.slope(t) for t in row] for row in g.table()] for g in pre]
    residuals = _residuals(net, features[-1].entries())
    top = [[2 * residuals[i * m + j] * slopes[-1][i][j] for j in range(m)] for i in range(n)]
    delta = top
    for l in range(net.depth - 1, k, -1):
        w = net.weight(l + 1).table()
        delta = [
            [
                s * sum((a * b for a, b in zip(row, d, strict=True)), arb(0))
                for s, row in zip(bend, w, strict=True)
            ]
            for bend, d in zip(slopes[l - 1], delta, strict=True)
        ]
    below = [[*row, arb(1)] for row in features[k].table()]
    pairs = []
    for j in range(m):
        h = [found[a, j] for a in range(found.nrows())]
        values = [sum((a * b for a, b in zip(row, h, strict=True)), arb(0)) for row in below]
        if separating and not all(v * signs[j] > 0 for v, signs in zip(values, net.signs, strict=True)):
            return None
        factor, unit = arb(1), j
        for l in range(net.depth, k + 1, -1):
            column = [abs(row[unit]) for row in net.weight(l).table()]
            unit = column.index(max(column))
            factor *= max(column)
            if slopes_count:
                factor *= _least([bend[unit] for bend in slopes[l - 2]])
        size = sum((abs(row[j]) for row in top), arb(0))
        slope = [
            sum((row[a] * d[unit] for row, d in zip(below, delta, strict=True)), arb(0))
            for a in range(len(h))
        ]
        square = sum((e * e for e in slope), arb(0))
        margins = [abs(v) for v in values]
        margin = -_least([-v for v in margins]) if greatest else _least(margins)
        bound = margin * factor * size
        pairs.append((bound * bound / sum((e * e for e in h), fmpq(0)), square))
    return pairs


def _least(values: Sequence[Any]) -> arb:
    least = arb(values[0])
    for v in values[1:]:
        least = arb.min(least, arb(v))
    return least


def _in_balls(net: Classifier) -> tuple[list[Any], list[Any]]:
    """F_0, …, F_L and G_1, …, G_L in balls of the precision that is set."""
    features: list[Any] = [arb_mat(net.X)]
    pre: list[Any] = []
    for w in net.stack:
        f = features[-1]
        one = arb_mat(net.samples, f.ncols() + 1, [e for row in f.table() for e in (*row, 1)])
        pre.append(one * arb_mat(w))
        features.append(arb_mat(net.samples, w.ncols(), [net.sigma.ball(e) for e in pre[-1].entries()]))
    return features, pre


def _middle(a: Any) -> fmpq_mat:
    """Rational numbers near the middles of balls."""
    flat = [fmpq(round(float(e.mid()) * 2**40), 2**40) for e in a.entries()]
    return fmpq_mat(a.nrows(), a.ncols(), flat)


def slopes_vanish(net: Classifier, k: int) -> Infeasible | fmpq_mat:
    """Farkas' proof that a zero gradient in W̃_{k+1} leaves no Δ_L but 0 with the signs of the classes.

    For every choice of targets and of l₁, l₂ as in Assumption 5.2. Otherwise a Δ_L, N × m, that is left.
    """
    a = stationarity(net, [k + 1])
    flat = [s for row in net.signs for s in row]
    count = len(flat)
    signed = [[-e * s for e, s in zip(row, flat, strict=True)] for row in a.table()] if a.nrows() else []
    system = fmpq_mat(len(signed) + 1, count, [*(e for row in signed for e in row), *[fmpq(1)] * count])
    right = fmpq_mat(len(signed) + 1, 1, [0] * len(signed) + [1])
    found = find_feasible(system, right, [fmpq(0)] * count, [None] * count)
    if isinstance(found, Infeasible):
        return found
    left = [-s * e for s, e in zip(flat, found.point, strict=True)]
    return fmpq_mat(net.samples, net.outputs, left)


def is_strict_minimum(net: Classifier) -> bool | None:
    """Whether ∇²Φ exists and is positive definite, decided exactly; for softsigns off 0.

    Φ is twice continuously differentiable near θ if no residual and no pre-activation is 0. False says only
    that the Hessian does not prove it, None that Φ may have none.
    """
    residuals = [f - y for f, y in zip(net.features(net.depth).entries(), net.Y.entries(), strict=True)]  # type: ignore[union-attr]
    if net.activation != "softsign" or 0 in residuals or any(0 in g.entries() for g in net.preactivations):
        return None
    x = inputs(net.X.ncols())
    for w in net.stack:
        x = apply(net.activation, weight(w.ncols(), w.nrows() - 1) @ x + bias(w.ncols()))
    f = computation(x)
    parameters = _in_order(f, net)
    stages = run(f, fmpq_mat(len(parameters), 1, parameters), net.X, balls=False)
    m, n = net.samples, f.parameters
    active = _residuals(net, net.features(net.depth).entries())
    slopes = fmpq_mat(m * net.outputs, 1, [2 * r for r in active])
    width = net.outputs
    curvatures = [
        [[fmpq(2 * int(i == j and active[s * width + i] != 0)) for j in range(width)] for i in range(width)]
        for s in range(m)
    ]
    jacobian = sample_major(stages[-1].jacobian, m, n)
    second = hessian_from(f, Derivatives(parameters, stages, jacobian, slopes, curvatures))
    return is_positive_definite(second.table())


def _in_order(f: Any, net: Classifier) -> list[fmpq]:
    """θ of the computation: every parameter at its place in the steps."""
    theta = [fmpq(0)] * f.parameters
    for number, w in zip(f.layers, net.stack, strict=True):
        table = w.transpose().table()
        for row, column, k in f.steps[number - 1].trained:
            theta[k] = table[row][column]
    return theta
