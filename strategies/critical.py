"""Points planted at critical points: the labels are chosen so that the gradient is exactly zero there.

For fixed data and weights the loss gradient D (m × d_y, rows ∂ℓ/∂h) can be prescribed by the labels. Then

* (W, V) is a global minimum of the linear model on [x, z], hence of L at this θ, iff E[D φᵀ] = 0;
* (W, V) is critical iff E[D (x + V z)ᵀ] = 0 and Wᵀ E[D zᵀ] = 0.

Both are linear in D, and every solution is drawn. (Kawaguchi & Bengio 2019, Lemma 2 and its proof.)
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from itertools import product
from typing import Any

from flint import fmpq, fmpq_mat
from hypothesis import reject
from hypothesis import strategies as st

from strategies.datasets import Atoms
from strategies.losses import (
    CONVEX_DIFFERENTIABLE,
    Loss,
    cross_entropy,
    hinge,
    logistic,
    multiclass_hinge,
    smoothed_hinge,
    squared,
)
from strategies.matrices import (
    columns,
    hstack,
    identity,
    matrices,
    matrices_of_rank,
    null_space,
    rows,
    vstack,
)
from strategies.networks import ResNet, resnets
from strategies.numbers import among, between, integers

__all__ = [
    "RANK_CLASSES",
    "critical_points",
    "orthogonal_functions",
    "planted_critical_points",
    "planted_minima",
    "planted_through_one_unit",
    "points_at_kinks",
    "two_atom_critical_points",
    "with_slopes",
    "with_two_atoms",
]

RANK_CLASSES = {
    "W = 0": lambda net: not any(net.W.entries()),
    "0 < rank W < d_y": lambda net: 0 < net.W.rank() < net.W.nrows(),
    "rank W = d_y": lambda net: net.W.rank() == net.W.nrows(),
}
"""The degenerate classes that decide everything in the ResNet paper, for ``reaches=``."""


def orthogonal_functions(net: ResNet, functions: fmpq_mat) -> fmpq_mat:
    """A basis (columns, m × k) of the functions p with E[p f] = 0 for every column f of ``functions``."""
    return null_space(net.measure.product(functions, identity(functions.nrows())))


def with_slopes(net: ResNet, slopes: fmpq_mat) -> ResNet | None:
    """``net`` with labels such that the rows of ∂ℓ/∂h are s · ``slopes`` for the largest s that labels allow.

    ``slopes`` is m × d_y; one s > 0 serves all samples, so linear equations between slopes survive.
    None if no positive multiple can be had.
    """
    if net.loss is squared:
        return replace(net, Y=net.H - slopes / 2)
    h, table = net.H.table(), slopes.table()
    s = min((net.loss.reach(a, d) for a, d in zip(h, table, strict=True)), default=fmpq(1))
    if s <= 0:
        return None
    for k in range(1, len(slopes.entries()) + 2):  # a loss may exclude one s a slope, as class weights do
        found = [y for a, d in zip(h, table, strict=True) if (y := net.loss.label(a, [s / k * e for e in d]))]
        if len(found) == len(h):
            return replace(net, Y=fmpq_mat(slopes.nrows(), slopes.ncols(), [e for y in found for e in y]))
    return None


def _tame(net: ResNet) -> ResNet:
    """Outputs in (−1, 1) where the loss takes slopes of both signs only there (the hinges): W scaled down."""
    if net.loss not in (smoothed_hinge, hinge):
        return net
    largest = max((abs(e) for e in net.H.entries()), default=fmpq(0))
    if largest < 1:
        return net
    return replace(net, W=net.W / (2 * largest), b=None if net.b is None else net.b / (2 * largest))


def _combinations(draw: st.DrawFn, basis: fmpq_mat, count: int) -> fmpq_mat:
    """An m × ``count`` matrix whose columns are small integer combinations of the columns of ``basis``."""
    return basis * rows(draw(_padded(basis.nrows(), count)), range(basis.ncols()))


def _padded(most: int, count: int) -> st.SearchStrategy[fmpq_mat]:
    """Coefficients for ``most`` basis elements or more, of which callers take those they have.

    As many draws whatever the data are: otherwise data that leave no freedom would count as simpler than
    zeros, samples could not be deleted without their coefficients, and shrinking would end there.
    """
    return matrices(-(-most // 8) * 8, count, integers(2))


def _balanced(slopes: fmpq_mat) -> fmpq_mat:
    """The last column replaced so that every row adds up to 0, as slopes of the cross-entropy do."""
    table = [row[:-1] for row in slopes.table()]
    return fmpq_mat(slopes.nrows(), slopes.ncols(), [e for row in table for e in (*row, -sum(row, fmpq(0)))])


@st.composite
def planted_minima(
    draw: st.DrawFn, /, loss: Loss | None = None, frozen_v: bool = False, **shape: Any
) -> ResNet:
    """ResNets at an exact global minimum of L at their θ, at every rank of W from 0 to d_y.

    E[D φᵀ] = 0 with D drawn among all solutions, small integer combinations of a basis; then the linear
    model [W, W V] is optimal by convexity and so is the network. ``loss`` is any of the five convex
    differentiable ones unless given; ``shape`` goes to ``resnets``. With ``frozen_v`` only W is optimal,
    E[D (x + V z)ᵀ] = 0. With enough samples the least loss is positive.
    Shrinks to one sample, W = 0 and D = 0.
    """
    net = draw(_plantable(loss, **shape))
    against = net.features if not frozen_v else net.Q
    slopes = _combinations(draw, orthogonal_functions(net, against), net.W.nrows())
    if net.loss is cross_entropy:
        slopes = _balanced(slopes)
    planted = with_slopes(net, slopes) or with_slopes(net, fmpq_mat(slopes.nrows(), slopes.ncols()))
    return planted if planted is not None else reject()


@st.composite
def critical_points(
    draw: st.DrawFn, /, loss: Loss | None = None, scale: tuple[int, int] | None = None, **shape: Any
) -> ResNet:
    """ResNets at an exact critical point of (W, V) ↦ L, drawn from all that their data and weights allow.

    D solves E[D (x + V z)ᵀ] = 0 and Wᵀ E[D zᵀ] = 0 (and E[D] = 0 with a bias): small integer combinations of
    a basis of the solutions. Some are minima, some are not; nothing is presupposed. ``scale`` =
    (low, high) scales max |D| to 2^j, j drawn between: small slopes make strict minima where there are any.
    Shrinks to one sample, W = 0, V = 0 and D = 0.
    """
    net = draw(_plantable(loss, **shape))
    basis, m, d_y = _critical_slopes(net), net.Y.nrows(), net.Y.ncols()
    chosen = draw(_padded(m, d_y)).entries()[: basis.ncols()]
    flat = basis * fmpq_mat(basis.ncols(), 1, chosen)
    planted = with_slopes(net, _scaled(draw, fmpq_mat(m, d_y, flat.entries()), scale))
    return planted if planted is not None else reject()


def _critical_slopes(net: ResNet) -> fmpq_mat:
    """A basis (columns, m d_y rows, sample by sample) of the slopes D that make (W, V, b) critical."""
    m, d_y, d_x = net.Y.nrows(), net.W.nrows(), net.W.ncols()
    on_q = net.measure.product(net.Q if net.b is None else hstack(net.Q, net.constant), identity(m)).table()
    on_z, w = net.measure.product(net.Z, identity(m)).table(), net.W.table()
    equations = [[f[i] * (k == j) for i in range(m) for j in range(d_y)] for f in on_q for k in range(d_y)]
    equations += [[f[i] * w[j][a] for i in range(m) for j in range(d_y)] for f in on_z for a in range(d_x)]
    if net.loss is cross_entropy:
        equations += [[fmpq(int(i == k)) for i in range(m) for _ in range(d_y)] for k in range(m)]
    return null_space(fmpq_mat(len(equations), m * d_y, [e for row in equations for e in row]))


@st.composite
def planted_critical_points(
    draw: st.DrawFn, /, loss: Loss | None = None, scale: tuple[int, int] | None = None, **shape: Any
) -> ResNet:
    """ResNets at an exact critical point of (W, V) ↦ L that is not optimal for the linear model on [x, z].

    D = p nᵀ + E with Wᵀ n = 0, E[p (x + V z)] = 0, E[p z] ≠ 0 and E[E φᵀ] = 0, which is critical with
    E[D zᵀ] ≠ 0. Such p exist iff rank [x z] > rank (x + V z); draws without are rejected. W is
    rank-deficient unless ``rank`` in ``shape`` says otherwise (with d_y > d_x any W will do).
    ``scale`` as in ``critical_points``. Shrinks to one sample, W = 0 and V = 0.
    """
    net = draw(_plantable(loss, **{"rank": "deficient", "spare_samples": 3, **shape}))
    n_y = net.W.nrows()
    left = net.W.transpose()
    if net.loss is cross_entropy:
        left = vstack(left, fmpq_mat(1, n_y, [1] * n_y))
    normals = null_space(left)
    flat = orthogonal_functions(net, net.Q if net.b is None else hstack(net.Q, net.constant))
    moments = net.measure.product(flat, net.Z).table() if flat.ncols() else []
    useful = [k for k, row in enumerate(moments) if any(row)]
    if not normals.ncols() or not useful:
        reject()
    weights = rows(draw(_padded(flat.nrows(), 1)), range(flat.ncols()))
    weights[useful[draw(between(0, len(useful) - 1))], 0] = draw(among(1, -1, 2))
    n = rows(draw(matrices(n_y, 1, integers(2))), range(normals.ncols()))
    n[draw(between(0, normals.ncols() - 1)), 0] = 1
    slopes = flat * weights * (normals * n).transpose()
    if not any(net.measure.product(slopes, net.Z).entries()):
        reject()
    if draw(st.booleans()):
        extra = _combinations(draw, orthogonal_functions(net, net.features), n_y)
        slopes = slopes + (_balanced(extra) if net.loss is cross_entropy else extra)
    planted = with_slopes(net, _scaled(draw, slopes, scale))
    return planted if planted is not None else reject()


def _scaled(draw: st.DrawFn, slopes: fmpq_mat, scale: tuple[int, int] | None) -> fmpq_mat:
    largest = max((abs(e) for e in slopes.entries()), default=fmpq(0))
    if scale is None or not largest:
        return slopes
    j = draw(between(*scale))
    return slopes * (fmpq(2**j) if j >= 0 else fmpq(1, 2**-j)) / largest


def with_two_atoms(net: ResNet, slopes: fmpq_mat, above: fmpq, below: fmpq) -> ResNet:
    """``net`` with two-atom labels whose *mean* slopes at every output are a multiple of ``slopes``.

    For losses of r = h − y: at every sample each output has the label h − ``above`` or h − ``below``,
    independently, with probabilities that make the mean slope s · d, s > 0 (the slopes at ``above`` and
    ``below`` must have opposite signs; the measure must be finite). Every sample becomes 2^{d_y} atoms: the
    measure of (x, y) is arbitrary in the paper, so critical points can be planted for losses that are neither
    convex nor onto.
    """
    slopes_there = [net.loss.gradient([r], [fmpq(0)])[0] for r in (above, below)]
    g_above, g_below = (g for g in slopes_there if isinstance(g, fmpq))
    if not isinstance(net.measure, Atoms):
        raise ValueError("two atoms a sample need samples: a finite measure")
    if not g_below < 0 < g_above:
        raise ValueError(f"slopes {g_above} and {g_below} of {net.loss.name} do not bracket 0")
    largest = max((abs(e) for e in slopes.entries()), default=fmpq(0))
    s = min(g_above, -g_below) / (2 * largest) if largest else fmpq(1)
    kept: list[int] = []
    labels, weights = [], []
    samples = zip(net.H.table(), slopes.table(), net.measure.weights.entries(), strict=True)
    for i, (h, d, w) in enumerate(samples):
        for choice in product((True, False), repeat=len(h)):
            chance = w
            for first, wanted in zip(choice, d, strict=True):
                p = (s * wanted - g_below) / (g_above - g_below)
                chance *= p if first else 1 - p
            kept.append(i)
            labels.append([a - (above if first else below) for a, first in zip(h, choice, strict=True)])
            weights.append(chance)
    y = fmpq_mat(len(labels), net.W.nrows(), [e for label in labels for e in label])
    measure = Atoms(weights=fmpq_mat(1, len(weights), weights))
    return replace(net, X=rows(net.X, kept), Z=rows(net.Z, kept), Y=y, measure=measure)


@st.composite
def two_atom_critical_points(
    draw: st.DrawFn, /, loss: Loss, above: fmpq, below: fmpq, **shape: Any
) -> ResNet:
    """``planted_critical_points`` for a loss of r = h − y that need not be convex, with two-atom labels."""
    net = draw(planted_critical_points(squared, **{"d_y": st.integers(1, 2), **shape}))
    slopes = (net.H - net.Y) * fmpq(2)
    return with_two_atoms(replace(net, loss=loss), slopes, above, below)


@lru_cache(maxsize=None, typed=True)
def _plantable(loss: Loss | None, **shape: Any) -> st.SearchStrategy[ResNet]:
    """ResNets on which the loss has rational slopes of both signs; any of the five losses if None."""
    if loss is None:
        return _any_loss.flatmap(lambda chosen: _plantable(chosen, **shape))
    shape = {"labels": "none", **shape}
    if loss is cross_entropy:
        shape.setdefault("d_y", between(2, 3))
    if loss in (logistic, cross_entropy):
        shape.setdefault("entries", integers(2))
        if "branch" not in shape:
            return _integral_branches.flatmap(lambda branch: resnets(loss=loss, branch=branch, **shape))
    return resnets(loss=loss, **shape).map(_tame)


_any_loss = st.sampled_from(CONVEX_DIFFERENTIABLE)
_integral_branches = st.sampled_from((None, "relu", "abs", "step", "linear", "affine"))
"""Branches that keep integers integers: the logarithmic losses have rational slopes only there."""


def planted_through_one_unit(loss: Loss) -> st.SearchStrategy[ResNet]:
    """``planted_critical_points`` with two outputs, one input, one residual, two samples and entries 0, ±1.

    d_y = 2 > d_x = 1, so strict local minima may be bad; so few and so small that what needs a coincidence
    of labels and weights is met within some hundred draws.
    """
    return planted_critical_points(
        loss, scale=(0, 2), d_y=2, extra_inputs=-1, extra_residuals=-1, rank="full", branch=None,
        weighted=False, entries=integers(1), v_bound=1, spare_samples=0, determined=True,
    )  # fmt: skip


@st.composite
def points_at_kinks(draw: st.DrawFn, loss: Loss, d_y: int, d_z: int = 1) -> ResNet:
    """Rank-deficient ResNets with one-hot features, V = 0, and outputs that often sit at kinks of a hinge.

    Each of the d_y + d_z features is seen alone by one sample, so h is a column of W there (d_x = d_y), and
    0 where a z-feature is seen; W is 0, of rank 1, or of rank 1 with entries ±1, where the hinge has kinks.
    A sample's labels are definite or undecided: for the ``hinge`` the soft label 2/3 or 1/3 whose slopes at
    the kink on this side are −1/3 and 1/3, for the ``multiclass_hinge`` every class with equal weight (one
    atom a class). Shrinks to W = 0, definite labels and equal weights.
    """
    w = draw(matrices_of_rank(d_y, d_y, draw(between(0, 1)), bound=1))
    if loss is not multiclass_hinge and draw(st.booleans()):
        signs = [fmpq(draw(among(1, -1))) for _ in range(2 * d_y)]
        w = fmpq_mat(d_y, 1, signs[:d_y]) * fmpq_mat(1, d_y, signs[d_y:])
    kept: list[int] = []
    labels: list[fmpq] = []
    weights: list[fmpq] = []
    for i in range(d_y + d_z):
        weight, undecided = fmpq(draw(between(1, 3))), draw(among(False, True, True))
        if loss is multiclass_hinge:
            classes = list(range(d_y)) if undecided else [draw(between(0, d_y - 1))]
            for c in classes:
                kept.append(i)
                weights.append(weight / len(classes))
                labels += [fmpq(int(k == c)) for k in range(d_y)]
        else:
            outputs = [w[k, i] if i < d_y else fmpq(0) for k in range(d_y)]
            kept.append(i)
            weights.append(weight)
            labels += [
                fmpq(2 if h > 0 else 1, 3) if undecided else fmpq(draw(between(0, 1))) for h in outputs
            ]
    features, total = rows(identity(d_y + d_z), kept), sum(weights, fmpq(0))
    return ResNet(
        X=columns(features, range(d_y)), Z=columns(features, range(d_y, d_y + d_z)),
        Y=fmpq_mat(len(kept), d_y, labels), W=w,
        V=fmpq_mat(d_y, d_z), loss=loss,
        measure=Atoms(weights=fmpq_mat(1, len(kept), [weight / total for weight in weights])),
    )  # fmt: skip
