"""Classifiers with a pair of one-sided losses, and critical points planted where their samples are separable.

Φ = Σ_ij l(f_j(x_i) − y_ij) with l = l₁ where x_i is in class j and l = l₂ elsewhere, here l₁(a) = min(a, 0)²
and l₂(a) = max(a, 0)² (Nguyen & Hein 2017, eq. (4) and below). The network is F_0 = X,
G_l = [F_{l−1}, 1] W̃_l, F_l = σ(G_l), l = 1, …, L, the output layer included; W̃_l holds W_l over b_l.

With Δ_l = ∂Φ/∂G_l the gradients are [F_{l−1}, 1]ᵀ Δ_l (Lemma 2.1), linear in Δ_L for fixed parameters. The
sign of every entry of Δ_L is prescribed by the classes, its size by the target: an exact critical point is a
solution of linear equations in sizes a >= 0, Δ_L = −S ∘ a with S = ±1 by class.

A factor that is the same for all samples does not matter for any of this. Hence σ′ here is *relative*: the
sigmoid's and tanh's in bits without their factor ln 2, rational at integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from math import lcm

import numpy as np
from flint import fmpq, fmpq_mat
from hypothesis import strategies as st

from strategies.activations import ACTIVATIONS, Activation
from strategies.instance import instance
from strategies.matrices import (
    as_floats,
    columns,
    hstack,
    identity,
    matrices,
    null_space,
    rows,
    vstack,
    zeros,
)
from strategies.numbers import among, between, dyadics, integers

__all__ = [
    "REGIMES",
    "Classifier",
    "benign_classifiers",
    "bordered",
    "encoded_classifiers",
    "flat_classifiers",
    "inseparable_classifiers",
    "labelled_classifiers",
    "lattice_classifiers",
    "nonnegative_solution",
    "paired_classifiers",
    "planted",
    "rank_deficient_classifiers",
    "relative_slope",
    "score_classifiers",
    "some_moved",
    "squared_classifiers",
    "stationarity",
]


def bordered(features: fmpq_mat) -> fmpq_mat:
    """[F, 1]."""
    return hstack(features, fmpq_mat(features.nrows(), 1, [1] * features.nrows()))


def relative_slope(sigma: Activation, t: fmpq) -> fmpq:
    """σ′(t), without the factor ln 2 where σ counts in bits."""
    if sigma.name in ("sigmoid", "tanh"):
        s = sigma.exact(t)
        return s * (1 - s) if sigma.name == "sigmoid" else 1 - s * s
    slope = sigma.slope(t)
    if not isinstance(slope, fmpq):
        raise ValueError(f"{sigma.name} has no rational slope at {t}")
    return slope


@instance
class Classifier:
    """Samples in classes, a network at its parameters, and the targets of Φ (None: left open).

    X is N × d; ``classes`` is N × 1, j for a sample of class j in 1, …, m, more than m for one of no class;
    ``stack`` is W̃_1, …, W̃_L; Y is N × m.
    """

    activation: str
    X: fmpq_mat
    classes: fmpq_mat
    stack: tuple[fmpq_mat, ...]
    Y: fmpq_mat | None

    def __post_init__(self) -> None:
        width = self.X.ncols()
        for l, w in enumerate(self.stack, 1):
            if w.nrows() != width + 1:
                raise ValueError(f"W~_{l} has {w.nrows()} rows for {width} units below and the bias")
            width = w.ncols()
        if (self.classes.nrows(), self.classes.ncols()) != (self.X.nrows(), 1):
            raise ValueError(f"{self.X.nrows()} samples need as many classes, one a row")
        if self.Y is not None and (self.Y.nrows(), self.Y.ncols()) != (self.X.nrows(), width):
            raise ValueError(f"Y is {self.Y.nrows()} x {self.Y.ncols()} for {width} outputs")

    @property
    def sigma(self) -> Activation:
        """σ."""
        return ACTIVATIONS[self.activation]

    @property
    def samples(self) -> int:
        """N."""
        return int(self.X.nrows())

    @property
    def outputs(self) -> int:
        """m."""
        return int(self.stack[-1].ncols())

    @property
    def depth(self) -> int:
        """L."""
        return len(self.stack)

    @cached_property
    def signs(self) -> list[list[int]]:
        """S: 1 where sample i is in class j, −1 where it is not."""
        return [[1 if c == j else -1 for j in range(1, self.outputs + 1)] for c in self.classes.entries()]

    def weight(self, l: int) -> fmpq_mat:
        """W_l, without its bias."""
        w = self.stack[l - 1]
        return rows(w, range(w.nrows() - 1))

    @cached_property
    def preactivations(self) -> list[fmpq_mat]:
        """G_1, …, G_L, exactly. Raises ``ValueError`` where a hidden unit is irrational."""
        found, f = [], self.X
        for l, w in enumerate(self.stack, 1):
            found.append(bordered(f) * w)
            if l < self.depth:
                f = self.sigma.apply(found[-1])
        return found

    def features(self, l: int) -> fmpq_mat:
        """F_l, exactly. Raises ``ValueError`` where it is irrational."""
        return self.sigma.apply(self.preactivations[l - 1]) if l else self.X

    def slopes(self, l: int) -> fmpq_mat:
        """σ′(G_l), relative."""
        g = self.preactivations[l - 1]
        return fmpq_mat(g.nrows(), g.ncols(), [relative_slope(self.sigma, t) for t in g.entries()])

    def at(self, stack: tuple[fmpq_mat, ...]) -> Classifier:
        """The same problem at other parameters."""
        return replace(self, stack=stack)


# --- planting ----------------------------------------------------------------------------------------


def stationarity(net: Classifier, layers: Sequence[int]) -> fmpq_mat:
    """The matrix of Δ_L ↦ the gradients in W̃_l, l in ``layers``; Δ_L sample by sample."""
    n, m = net.samples, net.outputs
    carried = [[[fmpq(int(q == j)) for j in range(m)] for q in range(m)] for _ in range(n)]
    table: list[list[fmpq]] = []
    for l in range(net.depth, 0, -1):
        if l < net.depth:
            weight, slopes = net.weight(l + 1).table(), net.slopes(l).table()
            carried = [
                [
                    [s * sum((w * c[j] for w, c in zip(row, above, strict=True)), fmpq(0)) for j in range(m)]
                    for s, row in zip(slopes[i], weight, strict=True)
                ]
                for i, above in enumerate(carried)
            ]
        if l in layers:
            below = bordered(net.features(l - 1)).table()
            units = len(carried[0]) if n else 0
            table += [
                [below[i][a] * e for i in range(n) for e in carried[i][p]]
                for a in range(len(below[0]) if n else 0)
                for p in range(units)
            ]
    return fmpq_mat(len(table), n * m, [e for row in table for e in row])


def nonnegative_solution(a: fmpq_mat) -> list[fmpq] | None:
    """x >= 0, x != 0, with a x = 0 exactly and linearly independent columns but one; None: not found.

    Nonnegative least squares in float64 (Lawson & Hanson 1974) proposes which x_j are positive; the null
    space of those columns, exact and of dimension 1, decides.
    """
    n = a.ncols()
    left = as_floats(a)
    sizes = np.abs(left).max(axis=1, initial=0.0)
    scaled = np.vstack([left[sizes > 0] / sizes[sizes > 0, None], np.ones(n)])
    right = np.zeros(len(scaled))
    right[-1] = 1.0
    support = _positive_part(scaled, right)
    if not support:
        return None
    basis = null_space(columns(a, support))
    if basis.ncols() != 1:
        return None
    found = basis.entries()
    if all(e <= 0 for e in found):
        found = [-e for e in found]
    if any(e < 0 for e in found):
        return None
    x = [fmpq(0)] * n
    for j, e in zip(support, found, strict=True):
        x[j] = e
    return x


def _positive_part(a: np.ndarray, b: np.ndarray) -> list[int]:
    """The support of a nonnegative solution of a x = b in float64; empty if the residual stays large."""
    n = a.shape[1]
    x, positive = np.zeros(n), np.zeros(n, dtype=bool)
    for _ in range(3 * n):
        slope = a.T @ (b - a @ x)
        slope[positive] = -1.0
        j = int(slope.argmax())
        if slope[j] <= 1e-11:
            break
        positive[j] = True
        while positive.any():
            inside = np.flatnonzero(positive)
            trial = np.linalg.lstsq(a[:, inside], b, rcond=None)[0]
            if (trial > 0).all():
                x[:] = 0.0
                x[inside] = trial
                break
            down = trial <= 0
            here = x[inside]
            step = (here[down] / np.maximum(here[down] - trial[down], 1e-300)).min()
            here = here + step * (trial - here)
            here[down & (here <= here[down].min() + 1e-14)] = 0.0
            positive[inside[here <= 1e-14]] = False
            x[:] = 0.0
            x[inside] = np.where(here > 1e-14, here, 0.0)
    if np.linalg.norm(a @ x - b) > 1e-9:
        return []
    return [int(j) for j in np.flatnonzero(x > 1e-12)]


def planted(net: Classifier, sizes: Sequence[fmpq], *, scale: int = 1, slack: fmpq | int = 0) -> Classifier:
    """The network with the targets that give Δ_L = −S ∘ ``sizes``, up to a factor.

    Squared losses: y = f − δ / (2 σ′(g)), scaled by a power of two so that no target passes more than
    2^−``scale`` of the way from f to the end of σ's range; where the size is 0, y = f − ``slack`` S, on the
    side where there is no loss. Raises ``ValueError`` where F_L is irrational.
    """
    f, bend = net.features(net.depth).entries(), net.slopes(net.depth).entries()
    signs = [s for row in net.signs for s in row]
    low, high = _RANGES[net.activation]
    wanted = [a / (2 * b) for a, b in zip(sizes, bend, strict=True)]
    room = [high - e if s > 0 else e - low for e, s in zip(f, signs, strict=True)]
    factor = fmpq(1)
    while any(factor * a * 2**scale > r for a, r in zip(wanted, room, strict=True)):
        factor /= 2
    y = [e + s * (factor * a if a else -slack) for e, s, a in zip(f, signs, wanted, strict=True)]
    return replace(net, Y=fmpq_mat(net.samples, net.outputs, y))


_RANGES = {
    "sigmoid": (fmpq(0), fmpq(1)),
    "softsign": (fmpq(-1), fmpq(1)),
    "linear": (fmpq(-1000), fmpq(1000)),
    "cube": (fmpq(-1000), fmpq(1000)),
}


def _sizes(net: Classifier) -> list[fmpq] | None:
    """a >= 0, not all 0, with Δ_L = −S ∘ a critical in every layer; None: not found."""
    a = stationarity(net, range(1, net.depth + 1))
    flat = [-s for row in net.signs for s in row]
    return nonnegative_solution(
        fmpq_mat(a.nrows(), a.ncols(), [e * s for row in a.table() for e, s in zip(row, flat, strict=True)])
    )


def _classes(values: Sequence[fmpq]) -> fmpq_mat:
    return fmpq_mat(len(values), 1, [1 if v > 0 else 2 for v in values])


def _pairs(draw: st.DrawFn, least: int, most: int, bound: int = 2) -> list[int]:
    """Distinct integers in [−bound, bound], 0, 1, −1, 2, … first; shrinks to few of them."""
    codes = draw(st.lists(between(0, 2 * bound), min_size=least, max_size=most, unique=True))
    return [(c + 1) // 2 * (1 if c % 2 else -1) for c in codes]


def _positive_full_rank(draw: st.DrawFn, size: int, bound: int = 4) -> fmpq_mat:
    """A 2 × 2 (or 1 × 1) matrix of integers in [1, bound + 1] of full rank."""
    w = fmpq_mat(size, size, [draw(between(1, bound)) for _ in range(size * size)])
    if w.rank() < size:
        w[size - 1, size - 1] += 1
    return w


@st.composite
def paired_classifiers(
    draw: st.DrawFn,
    *,
    activation: str = "softsign",
    outputs: int = 2,
    below: bool = False,
    middle: bool = False,
    pairs: tuple[int, int] = (2, 3),
) -> Classifier:
    """Critical points with samples (t, 1) in class 1, (t, −1) in class 2, and a layer that sees t alone.

    That layer has two units; it is the first, or the second over an identity (``below``). Above it lies an
    output layer of 1 or 2 ``outputs``, and before that another layer of two units (``middle``). Weights above
    are positive small integers, those of a single output of both signs. Δ_L is looked for among all that the
    classes allow, and the pairs are kept that carry it; where there is none but 0, Φ = 0. Shrinks to two
    pairs t = 0, 1.
    With the sigmoid the rows of W_2 and b_2 are scaled so that the outputs of two pairs are rational.
    """
    sigmoid = activation == "sigmoid"
    t = _pairs(draw, *pairs)
    X = fmpq_mat(2 * len(t), 2, [e for c in t for e in (c, 1, c, -1)])
    small = integers(2)
    seeing = fmpq_mat(3, 2, [draw(small), draw(small), 0, 0, draw(small), draw(small)])
    stack = [vstack(identity(2), zeros(1, 2)), seeing] if below else [seeing]
    if middle:
        stack.append(vstack(_positive_full_rank(draw, 2), draw(matrices(1, 2, integers(3)))))
    if outputs == 1:
        top = fmpq_mat(2, 1, [draw(between(1, 2)), -draw(between(1, 2))])
    else:
        top = _positive_full_rank(draw, 2)
    if sigmoid:
        f = ACTIVATIONS[activation].apply(bordered(X) * seeing).table()
        steps = [row[p] - f[0][p] for row in f for p in range(2)]
        top = fmpq_mat(
            2,
            2,
            [e * lcm(*(int(d.q) for d in steps[p::2])) for p, row in enumerate(top.table()) for e in row],
        )
        shift = fmpq_mat(1, 2, f[0]) * top * -1
    else:
        shift = zeros(1, outputs)
    stack.append(vstack(top, shift))
    net = Classifier(
        activation=activation,
        X=X,
        classes=fmpq_mat(2 * len(t), 1, [1, 2] * len(t)),
        stack=tuple(stack),
        Y=None,
    )
    sizes = _sizes(net)
    return (
        planted(*_carrying(net, sizes, 2)) if sizes else planted(net, [fmpq(0)] * (net.samples * net.outputs))
    )


def _carrying(net: Classifier, sizes: Sequence[fmpq], together: int = 1) -> tuple[Classifier, list[fmpq]]:
    """The groups of ``together`` samples in which a size is not 0, and their sizes."""
    m, kept = net.outputs, list[int]()
    for start in range(0, net.samples, together):
        if any(sizes[start * m : (start + together) * m]):
            kept += range(start, start + together)
    few = replace(net, X=rows(net.X, kept), classes=rows(net.classes, kept))
    return few, [sizes[i * m + j] for i in kept for j in range(m)]


def _lattice(bound: int) -> fmpq_mat:
    side = range(-bound, bound + 1)
    return fmpq_mat(len(side) ** 2, 2, [e for x in side for y in side for e in (x, y)])


@st.composite
def lattice_classifiers(draw: st.DrawFn, *, minima: bool = False) -> Classifier:
    """Critical points of networks 2-2-2 of softsigns with W_1 and W_2 invertible, W_2 positive.

    Samples come from {−3, …, 3}²; two classes are cut by a line with small integer coefficients; those few
    samples are kept that carry a vertex of the cone of all Δ_2 the classes and the gradient allow (none
    kept: two samples with Φ = 0). ``minima``: no pre-activation is 0, and the targets are close to the
    outputs, and strictly inside where there is no loss. Shrinks to small integers.
    """
    w = draw(matrices(2, 2, integers(2)))
    if w.rank() < 2:
        w = identity(2)
    shift = draw(matrices(1, 2, integers(2)))
    if minima:
        shift = shift + fmpq_mat(1, 2, [fmpq(1, 2)] * 2)
    top = vstack(_positive_full_rank(draw, 2, 3), zeros(1, 2))
    line = draw(matrices(2, 1, integers(2)))
    if not any(line.entries()):
        line[0, 0] = 1
    cut = draw(integers(3)) + fmpq(1, 2)
    grid = _lattice(3)
    net = Classifier(
        activation="softsign", X=grid, classes=_classes([e - cut for e in (grid * line).entries()]),
        stack=(vstack(w, shift), top), Y=None,
    )  # fmt: skip
    sizes = _sizes(net)
    if sizes is None:
        net = replace(net, X=rows(grid, [0, 1]), classes=rows(net.classes, [0, 1]))
        sizes = [fmpq(0)] * 4
    else:
        net, sizes = _carrying(net, sizes)
    if not minima:
        return planted(net, sizes)
    return planted(net, sizes, scale=draw(between(4, 12)), slack=fmpq(1, 64))


@st.composite
def encoded_classifiers(draw: st.DrawFn, *, activation: str = "softsign") -> Classifier:
    """Critical points where every sample has the same two targets, one for its own class and one for others.

    Two groups of samples, (t, s) with two values of t; the class is the sign of s, the first layer sees t
    alone, W_1 = [w; 0]. In the first group p samples are positive and q negative, in the second it is the
    other way round. With outputs f_1 = o + p e, f_2 = o + q e in the first group, exchanged in the second,
    and the targets o and o + (p + q) e, every group's slopes add up to 0. What is left are two equations
    for the ratios W_2[k, 1] : W_2[k, 2]; with the wanted outputs they fix W_2 and b_2. Shrinks to p = 1,
    q = 2, six samples.
    """
    sigma = ACTIVATIONS[activation]
    if activation == "sigmoid":
        p, q = 1, draw(between(4, 5))
        first = fmpq(-1), fmpq(2)
        f = [sigma.exact(g) for g in first]
        step = (f[1] - f[0]) / (q - p)
        other = f[0] - p * step
    else:
        p = draw(between(1, 2))
        q = p + draw(between(1, 2))
        step, other = fmpq(1, p + q + 1), fmpq(0)
        f = [p * step, q * step]
        first = f[0] / (1 - f[0]), f[1] / (1 - f[1])
    own = other + (p + q) * step
    heads = ((p, q), (q, p))
    outputs = (first, (first[1], first[0]))
    t, units = _pairs(draw, 2, 2), (1 + draw(between(0, 1)), -1 - draw(between(0, 1)))
    shift = tuple(draw(matrices(1, 2, integers(1))).entries())
    weight = _balancing_weight(sigma, t, units, shift, heads, outputs, (own, other))
    if weight is None:
        t, units, shift = [0, 1], (1, 2), (fmpq(0), fmpq(0))
        weight = _balancing_weight(sigma, t, units, shift, heads, outputs, (own, other))
        assert weight is not None
    x = [(t[k], s) for k in range(2) for s in [*range(1, heads[k][0] + 1), *range(-1, -heads[k][1] - 1, -1)]]
    seeing = fmpq_mat(3, 2, [*units, 0, 0, *shift])
    classes = [1 if s > 0 else 2 for _, s in x]
    return Classifier(
        activation=activation, X=fmpq_mat(len(x), 2, [e for pair in x for e in pair]),
        classes=fmpq_mat(len(x), 1, classes), stack=(seeing, weight),
        Y=fmpq_mat(len(x), 2, [own if c == j else other for c in classes for j in (1, 2)]),
    )  # fmt: skip


def _balancing_weight(
    sigma: Activation,
    t: Sequence[int],
    units: Sequence[int],
    shift: Sequence[fmpq],
    heads: Sequence[tuple[int, int]],
    outputs: Sequence[tuple[fmpq, fmpq]],
    targets: tuple[fmpq, fmpq],
) -> fmpq_mat | None:
    """W̃_2 with the given pre-activations in the two groups and Σ s Δ_1 = 0; None if W_2 would be singular.

    Group k has heads[k] samples with s = 1, 2, … and s = −1, −2, …. Per hidden unit, Σ s Δ_1 = 0 fixes
    W_2[·, 2] = ρ W_2[·, 1]; the differences of the two groups' outputs fix the rest.
    """
    own, other = targets
    hidden = [[fmpq(c) * w + b for w, b in zip(units, shift, strict=True)] for c in t]
    features = [[sigma.exact(g) for g in row] for row in hidden]
    ratio = []
    for unit in range(2):
        sums = [fmpq(0), fmpq(0)]
        for (up, down), (g1, g2), row in zip(heads, outputs, hidden, strict=True):
            far, deep = up * (up + 1) // 2, down * (down + 1) // 2
            bend = relative_slope(sigma, row[unit])
            f1, f2 = sigma.exact(g1), sigma.exact(g2)
            sums[0] += bend * relative_slope(sigma, g1) * (far * (own - f1) + deep * (f1 - other))
            sums[1] += bend * relative_slope(sigma, g2) * (far * (f2 - other) + deep * (own - f2))
        ratio.append(sums[0] / sums[1])
    d = [after - before for before, after in zip(*features, strict=True)]
    left = fmpq_mat(2, 2, [d[0], d[1], ratio[0] * d[0], ratio[1] * d[1]])
    if left.det() == 0:
        return None
    u, v = left.solve(
        fmpq_mat(2, 1, [after - before for before, after in zip(*outputs, strict=True)])
    ).entries()
    weight = fmpq_mat(2, 2, [u, ratio[0] * u, v, ratio[1] * v])
    if weight.rank() < 2:
        return None
    return vstack(weight, fmpq_mat(1, 2, outputs[0]) - fmpq_mat(1, 2, features[0]) * weight)


# --- what becomes of it without an assumption ---------------------------------------------------------


def _sized(draw: st.DrawFn, net: Classifier, sizes: Sequence[fmpq | int]) -> Classifier:
    return planted(net, [fmpq(a) for a in sizes], scale=draw(between(1, 3)))


@st.composite
def inseparable_classifiers(draw: st.DrawFn) -> Classifier:
    """Critical points with the middle one of three numbers in class 1, the others not; W_1 = 0, W_2 > 0.

    Softsign, d = 1, two hidden units, one output. Δ_2 in proportion to the distances of the others:
    Σ Δ = Σ x Δ = 0, with the signs of the classes. Shrinks to −1, 0, 1.
    """
    middle, left, right = draw(integers(2)), draw(between(1, 3)), draw(between(1, 3))
    X = fmpq_mat(3, 1, [middle - left, middle, middle + right])
    first = vstack(zeros(1, 2), draw(matrices(1, 2, integers(2))))
    top = fmpq_mat(3, 1, [draw(between(1, 3)), draw(between(1, 3)), draw(integers(2))])
    net = Classifier(
        activation="softsign", X=X, classes=fmpq_mat(3, 1, [2, 1, 2]), stack=(first, top), Y=None
    )
    return _sized(draw, net, [right, left + right, left])


@st.composite
def rank_deficient_classifiers(draw: st.DrawFn) -> Classifier:
    """Critical points with W_1 = 0 and W_2 = 0, two numbers in two classes. Shrinks to 0 and 1."""
    x = draw(integers(2))
    X = fmpq_mat(2, 1, [x + draw(between(1, 3)), x])
    hidden = draw(between(1, 2))
    first = vstack(zeros(1, hidden), draw(matrices(1, hidden, integers(2))))
    top = vstack(zeros(hidden, 1), draw(matrices(1, 1, integers(2))))
    net = Classifier(activation="softsign", X=X, classes=fmpq_mat(2, 1, [1, 2]), stack=(first, top), Y=None)
    return _sized(draw, net, [1, 1])


@st.composite
def flat_classifiers(draw: st.DrawFn) -> Classifier:
    """One layer of cubes at W = 0, b = 0, where σ′ = 0: any targets. Shrinks to one sample."""
    n, d, m = draw(between(1, 3)), draw(between(1, 2)), draw(between(1, 2))
    X = draw(matrices(n, d, integers(2)))
    line = draw(matrices(d + 1, 1, integers(2)))
    classes = _classes([e - fmpq(1, 2) for e in (bordered(X) * line).entries()])
    signs = [[1 if c == j + 1 else -1 for j in range(m)] for c in classes.entries()]
    Y = fmpq_mat(n, m, [s * draw(between(1, 3)) for row in signs for s in row])
    return Classifier(activation="cube", X=X, classes=classes, stack=(zeros(d + 1, m),), Y=Y)


@st.composite
def squared_classifiers(draw: st.DrawFn, *, activation: str = "softsign") -> Classifier:
    """Critical points of the *squared* loss: three numbers cut in two classes, W_1 = 0, W_2 of full rank.

    d = 1, one hidden unit, one output, targets f ± r with Σ r = Σ x r = 0 on both sides of f. Shrinks to
    −1, 0, 1.
    """
    middle, left, right = draw(integers(2)), draw(between(1, 3)), draw(between(1, 3))
    X = fmpq_mat(3, 1, [middle - left, middle, middle + right])
    sigmoid = activation == "sigmoid"
    shift = zeros(1, 1) if sigmoid else draw(matrices(1, 1, integers(2)))
    top = fmpq_mat(2, 1, [draw(between(1, 3)) * (2 if sigmoid else 1), draw(integers(2))])
    cut = draw(between(1, 2))
    net = Classifier(
        activation=activation, X=X, classes=fmpq_mat(3, 1, [1 if i >= cut else 2 for i in range(3)]),
        stack=(vstack(zeros(1, 1), shift), top), Y=None,
    )  # fmt: skip
    f, (low, high) = net.features(2), _RANGES[activation]
    room = min(high - f[0, 0], f[0, 0] - low)
    r = draw(among(1, -1)) * room / (8 * draw(between(1, 3)) * (left + right))
    return replace(net, Y=f + fmpq_mat(3, 1, [right, -left - right, left]) * r)


@st.composite
def some_moved(draw: st.DrawFn, classifiers: st.SearchStrategy[Classifier]) -> Classifier:
    """``classifiers``, one in four with all output biases moved by 1; shrinks to those that are not moved."""
    net = draw(classifiers)
    shift = draw(among(0, 0, 0, 1))
    top = net.stack[-1]
    last = fmpq_mat(
        top.nrows(), top.ncols(), [0] * net.weight(net.depth).nrows() * top.ncols() + [shift] * top.ncols()
    )
    return net.at((*net.stack[:-1], top + last))


@st.composite
def score_classifiers(draw: st.DrawFn, labels: tuple[int, int] = (1, -1)) -> Classifier:
    """One linear layer with any outputs, and the same two labels for every sample; shrinks to one sample."""
    n, m = draw(between(1, 3)), draw(between(1, 3))
    X, w = draw(matrices(n, 1, integers(3))), draw(matrices(2, m, dyadics(2, 2)))
    classes = [draw(between(1, m)) for _ in range(n)]
    return Classifier(
        activation="linear", X=X, classes=fmpq_mat(n, 1, classes), stack=(w,),
        Y=fmpq_mat(n, m, [labels[c != j] for c in classes for j in range(1, m + 1)]),
    )  # fmt: skip


# --- where the theorem holds --------------------------------------------------------------------------

REGIMES = ("last layer", "one output", "one weight a row", "a row of two signs", "linear")
"""Where the signs of Δ cannot mix between layer L and layer k + 1, for ``benign_classifiers``."""


@st.composite
def _upper_weights(draw: st.DrawFn, regime: str) -> tuple[int, list[fmpq_mat]]:
    """n_{k+1} and W_{k+2}, …, W_L of full column rank."""
    nonzero = among(1, -1, 2, -2, 3, -3)
    if regime == "last layer":
        return draw(between(1, 3)), []
    if regime == "one output":
        n = draw(between(1, 3))
        w = draw(matrices(n, 1, integers(3)))
        w[draw(between(0, n - 1)), 0] = draw(nonzero)
        return n, [w]
    if regime == "one weight a row":
        m, upper = draw(between(1, 2)), list[fmpq_mat]()
        n = m
        for _ in range(draw(between(1, 2))):
            n_below = n + draw(between(0, 1))
            w = zeros(n_below, n)
            for row in range(n_below):
                w[row, row if row < n else draw(between(0, n - 1))] = draw(nonzero)
            upper.insert(0, w)
            n = n_below
        return n, upper
    if regime == "a row of two signs":
        n = 2 + draw(between(0, 1))
        w = fmpq_mat(n, 2, [draw(nonzero) for _ in range(2 * n)])
        w[0, 1] = -w[0, 1] if w[0, 0] * w[0, 1] > 0 else w[0, 1]
        w[1, 1] = abs(w[1, 1]) * (1 if w[1, 0] > 0 else -1)
        return n, [w]
    m = draw(between(1, 2))
    w = vstack(identity(m), draw(matrices(draw(between(0, 1)), m, integers(2)))) * draw(nonzero)
    return int(w.nrows()), [w]


@st.composite
def benign_classifiers(
    draw: st.DrawFn,
    regimes: tuple[str, ...] = REGIMES,
    *,
    lower: tuple[int, int] = (0, 1),
    samples: tuple[int, int] = (2, 5),
    activations: tuple[str, ...] = ("softsign", "sigmoid"),
    targets: bool = False,
) -> Classifier:
    """Networks with separable F_k whose upper layers are of one of the ``regimes``; targets open or rational.

    k lies in ``lower``. The classes are cut by a drawn hyperplane in the features F_k, so that they are
    separable; m is 1 or 2. Samples are small integers, often in pairs that differ in one entry. The sigmoid
    is taken only where everything needed is rational, the identity for the regime "linear". Shrinks to few
    samples and small integers.
    """
    regime = draw(among(*regimes))
    k = draw(between(*lower))
    unit, upper = draw(_upper_weights(regime))
    deep = k + len(upper)
    sigma = "linear" if regime == "linear" else draw(among(*activations))
    if sigma == "sigmoid" and deep > 1 and not targets:
        sigma = "softsign"
    n, d = draw(between(*samples)), draw(between(1, 2))
    X = draw(matrices(n, d, integers(3)))
    if draw(between(0, 1)):
        for i in range(1, n, 2):
            X[i, 0] = X[i - 1, 0]
    stack = [vstack(draw(matrices(d, 2, integers(2))), draw(matrices(1, 2, integers(1)))) for _ in range(k)]
    width = 2 if k else d
    m = int(upper[-1].ncols()) if upper else unit if regime != "last layer" else min(unit, 2)
    first = unit if upper else m
    stack.append(draw(matrices(width + 1, first, integers(2))))
    stack += [vstack(w, draw(matrices(1, w.ncols(), integers(1)))) for w in upper]
    net = Classifier(activation=sigma, X=X, classes=fmpq_mat(n, 1, [1] * n), stack=tuple(stack), Y=None)
    features = _features_nearly(net, k)
    values = (features * draw(matrices(width, 1, integers(2)))).entries()
    cut = draw(among(*dict.fromkeys(values)))
    off = min((abs(v - cut) for v in values if v != cut), default=fmpq(1)) / 2
    classes = _classes([v - cut + off for v in values])
    signs = [1 if c == j + 1 else -1 for c in classes.entries() for j in range(m)]
    Y = None
    if targets:
        Y = fmpq_mat(n, m, [fmpq(draw(between(-2, 4)) * s, 4) for s in signs])
    return replace(net, classes=classes, Y=Y)


def _features_nearly(net: Classifier, k: int) -> fmpq_mat:
    """F_k, in float64 where it is irrational."""
    try:
        return net.features(k)
    except ValueError:
        f = as_floats(net.X)
        for w in net.stack[:k]:
            f = net.sigma.array(np.column_stack([f, np.ones(len(f))]) @ as_floats(w))
        return fmpq_mat(net.samples, f.shape[1], [fmpq(round(e * 2**30), 2**30) for e in f.ravel().tolist()])


def labelled_classifiers(
    activations: tuple[str, ...] = ("softsign",), **options: tuple[str, ...] | tuple[int, int]
) -> st.SearchStrategy[Classifier]:
    """``benign_classifiers`` with targets in [−1, 1] on both sides of what is wanted; shrink alike."""
    return benign_classifiers(activations=activations, targets=True, **options)  # type: ignore[arg-type]
