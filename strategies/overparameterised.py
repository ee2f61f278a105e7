"""Overparameterised ReLU networks: at least as many units in a layer as samples, one of them active for each.

With inputs (x_i, 1), |x_i| = 1, rows [x_iᵀ, ε − 1] of the first layer and 0 < ε < 1 − x_iᵀ x_j for i ≠ j,
unit i has the pre-activation ε at sample i and a negative one at the others; layers with a positive diagonal
pass that on, so that the last hidden layer has rank m at any depth. Source: Kawaguchi, Huang & Kaelbling
(2019), Example 2 and its footnote. Every assumption can be given up, one at a time.
"""

from __future__ import annotations

from functools import cache

from flint import fmpq, fmpq_mat
from hypothesis import reject
from hypothesis import strategies as st

from strategies.feedforward import AtKink, Computation, Network, apply, computation, inputs, run, weight
from strategies.losses import Loss, squared
from strategies.matrices import columns, hstack, matrices, vstack
from strategies.numbers import among, between, integers
from strategies.stationary import planted_slopes

__all__ = [
    "deep_relu_networks",
    "features",
    "interpolating",
    "overparameterised_networks",
    "raw_inputs",
    "separation",
    "unit_vectors",
]


@cache
def deep_relu(d: int, n: int, hidden: int, d_y: int) -> Computation:
    """W φ(x; u): ``hidden`` ReLU layers of n units each, no biases."""
    h = apply("relu", weight(n, d) @ inputs(d))
    for _ in range(hidden - 1):
        h = apply("relu", weight(n, n) @ h)
    return computation(weight(d_y, n) @ h)


def features(net: Network) -> fmpq_mat:
    """φ(x_i; u), the last hidden layer of a network that ends with an affine step: m × n, also at kinks."""
    stages = run(net.computation, net.theta, net.X, balls=False, derivatives=False)
    last = net.computation.steps[-1]
    return stages[last.source].value.transpose()  # type: ignore[union-attr,no-any-return]


def raw_inputs(net: Network) -> fmpq_mat:
    """The inputs without their last entry, the constant 1."""
    return columns(net.X, range(net.X.ncols() - 1))


def separation(raw: fmpq_mat) -> fmpq:
    """1 − the largest x_iᵀ x_j over i ≠ j; 2, as for opposite unit vectors, for one sample."""
    dots = (raw * raw.transpose()).table()
    return 1 - max((dots[i][j] for i in range(len(dots)) for j in range(i)), default=fmpq(-1))


@cache
def unit_vectors(d: int) -> st.SearchStrategy[tuple[fmpq, ...]]:
    """Rational vectors of norm 1 in R^d, by stereographic projection; shrinks to the last unit vector.

    (2 t, 1 − |t|²) / (1 + |t|²) with t in Z^(d−1) / 2: of such form, t rational, are all but one.
    """
    if d == 1:
        return among(fmpq(1), fmpq(-1)).map(lambda e: (e,))
    return st.tuples(*[integers(4)] * (d - 1)).map(_projected)


def _projected(twice: tuple[int, ...]) -> tuple[fmpq, ...]:
    t = [fmpq(k, 2) for k in twice]
    size = sum((e * e for e in t), fmpq(0))
    return (*(2 * e / (1 + size) for e in t), (1 - size) / (1 + size))


@cache
def _distinct(m: int, d: int) -> st.SearchStrategy[list[tuple[fmpq, ...]]]:
    return st.lists(unit_vectors(d), min_size=m, max_size=m, unique=True)


@cache
def _arbitrary(m: int, d: int) -> st.SearchStrategy[fmpq_mat]:
    return matrices(m, d, integers(3)).map(lambda a: a / 2)


def _raw(draw: st.DrawFn, kind: str, m: int, d: int) -> fmpq_mat:
    if kind == "any":
        return draw(_arbitrary(m, d))
    kept = m - 1 if kind == "repeated" else m
    table = draw(_distinct(kept, d))
    if kind == "repeated":
        table = [*table, table[0]]
    return fmpq_mat(m, d, [e for row in table for e in row])


_SHARES = {
    "small": among(fmpq(1, 2), fmpq(1, 4), fmpq(3, 4)),
    "double": among(fmpq(3, 2), fmpq(5, 4), fmpq(7, 4)),
}


@st.composite
def overparameterised_networks(
    draw: st.DrawFn,
    *,
    kind: str = "distinct",
    epsilon: str = "small",
    diagonal: str = "positive",
    extra: tuple[int, int] = (0, 1),
    samples: tuple[int, int] = (1, 3),
    dimension: tuple[int, int] = (1, 3),
    hidden: tuple[int, int] = (1, 3),
    d_y: int = 1,
    fitted: bool = False,
    loss: Loss = squared,
) -> Network:
    """Deep ReLU networks with the first m rows, the diagonals and the inputs of Example 2.

    The raw inputs are distinct unit vectors ("distinct"), of which two are equal ("repeated"), or any with
    x_iᵀ x_j < 1 ("any"). ε is a part of the ``separation`` of the inputs ("small"), of the same size but
    beyond it ("double"), or 2 ("two"). The deeper layers are diagonal with "positive", "nonzero" or, except
    for one zero, positive entries ("one zero"). There are m + ``extra`` units a layer; −1 leaves out the last
    sample's. Labels are small integers; ``fitted`` chooses the weights of the last layer and labels such that
    every sample has the least loss it can have (it needs positive diagonals and a small ε). Shrinks to one
    sample, one unit, one layer.
    """
    d = draw(between(*dimension))
    m = draw(between(samples[0], min(samples[1], 2) if d == 1 and kind == "distinct" else samples[1]))
    if kind == "repeated" and d == 1:
        m = min(m, 3)
    layers = draw(between(*hidden))
    n = m + draw(between(*extra))
    if n < 1:
        reject()
    raw = _raw(draw, kind, m, d)
    gap = separation(raw if kind != "repeated" else fmpq_mat(m - 1, d, raw.entries()[: (m - 1) * d]))
    if gap <= 0:
        reject()
    share = fmpq(2) if epsilon == "two" else gap * draw(_SHARES[epsilon])
    diagonals = [draw(_diagonals(n, diagonal)) for _ in range(layers - 1)]
    if diagonal == "one zero" and diagonals:
        diagonals[-1] = [*diagonals[-1][:-1], 0]
    others = draw(matrices(max(n - m, 0), d + 1, integers(2)))
    for i in range(others.nrows()):
        others[i, d] += fmpq(1, 2)
    u = _hidden_weights(raw, share, n, diagonals, others)
    w = draw(matrices(d_y, n, integers(2)))
    y = draw(matrices(m, d_y, integers(2)))
    net = Network(
        computation=deep_relu(d + 1, n, layers, d_y), theta=vstack(u, _column(w)), X=_with_ones(raw),
        Y=y if loss is squared else fmpq_mat(m, d_y), loss=loss, weights=draw(matrices(1, m, between(1, 3))),
    )  # fmt: skip
    if not fitted:
        return net
    best = planted_slopes(net.at(vstack(u, _column(_readout(features(net), y, w)))), fmpq_mat(m * d_y, 1))
    return best if best is not None else reject()


@cache
def _diagonals(n: int, diagonal: str) -> st.SearchStrategy[list[int]]:
    entry = among(1, -1, 2, -2) if diagonal == "nonzero" else among(1, 2)
    return st.lists(entry, min_size=n, max_size=n)


def _column(a: fmpq_mat) -> fmpq_mat:
    return fmpq_mat(a.nrows() * a.ncols(), 1, a.entries())


def _with_ones(raw: fmpq_mat) -> fmpq_mat:
    return hstack(raw, fmpq_mat(raw.nrows(), 1, [1] * raw.nrows()))


def _hidden_weights(
    raw: fmpq_mat, epsilon: fmpq, n: int, diagonals: list[list[int]], others: fmpq_mat
) -> fmpq_mat:
    """u: the first layer's rows [x_iᵀ, ε − 1] and then ``others``, and the diagonal layers, as one column."""
    m = raw.nrows()
    first = vstack(hstack(raw, fmpq_mat(m, 1, [epsilon - 1] * m)), others)
    first = fmpq_mat(n, first.ncols(), first.entries()[: n * first.ncols()])
    middle = [e * (i == j) for entries in diagonals for i, e in enumerate(entries) for j in range(n)]
    return vstack(_column(first), fmpq_mat(len(middle), 1, middle))


def _readout(phi: fmpq_mat, targets: fmpq_mat, w: fmpq_mat) -> fmpq_mat:
    """w with m columns changed such that W φ(x_i) is the i-th target; unit i <= m sees sample i only."""
    w = fmpq_mat(w)
    for i, row in enumerate(phi.table()):
        for k in range(w.nrows()):
            rest = sum((w[k, j] * row[j] for j in range(len(row)) if j != i), fmpq(0))
            w[k, i] = (targets[i, k] - rest) / row[i]
    return w


def interpolating(net: Network) -> Network:
    """The same architecture and data with u of the footnote and a last layer whose outputs are exactly Y.

    For ``deep_relu_networks`` with at least as many units as samples. Raises ``ValueError`` if raw inputs
    are not distinct unit vectors.
    """
    raw, m = raw_inputs(net), net.X.nrows()
    widths = net.computation.widths[1:-1:2]
    gap, n = separation(raw), widths[0]
    if gap <= 0 or any(sum(e * e for e in row) != 1 for row in raw.table()) or n < m:
        raise ValueError("interpolation needs distinct unit vectors and as many units")
    others = fmpq_mat(n - m, raw.ncols() + 1)
    u = _hidden_weights(raw, gap / 2, n, [[1] * n] * (len(widths) - 1), others)
    w = fmpq_mat(net.Y.ncols(), n)
    there = net.at(vstack(u, _column(w)))
    return net.at(vstack(u, _column(_readout(features(there), net.Y, w))))


@st.composite
def deep_relu_networks(
    draw: st.DrawFn,
    *,
    samples: tuple[int, int] = (1, 2),
    dimension: tuple[int, int] = (1, 2),
    hidden: tuple[int, int] = (1, 2),
    extra: tuple[int, int] = (0, 1),
) -> Network:
    """ReLU networks with m + ``extra`` units a layer, any small integer weights, distinct unit raw inputs.

    Labels are to be planted; all λ_i = 1; not at a kink. Shrinks to one sample, one unit, zero weights.
    """
    d = draw(between(*dimension))
    m = draw(between(samples[0], min(samples[1], 2) if d == 1 else samples[1]))
    f = deep_relu(d + 1, m + draw(between(*extra)), draw(between(*hidden)), 1)
    raw = _raw(draw, "distinct", m, d)
    theta = draw(matrices(f.parameters, 1, integers(2)))
    net = Network(
        computation=f, theta=theta, X=_with_ones(raw), Y=fmpq_mat(m, 1), loss=squared,
        weights=fmpq_mat(1, m, [1] * m),
    )  # fmt: skip
    try:
        _ = net.outputs
    except AtKink:
        reject()
    return net
