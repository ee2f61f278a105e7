"""Layered networks f = W^(H+1) h^(H), h^(l) = σ^(l)(W^(l) h^(l−1)), with linear paths in the upper layers.

A linear path is a set of units J^(l) in every layer above t that are the identity near θ, and whose outputs
no other unit below the last hidden layer sees (Kawaguchi, Huang & Kaelbling 2019, Section 4.2). σ^(l) is
elementwise, or vector-valued: then a unit beside the path may see the pre-activations of others *inside* σ.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from flint import fmpq, fmpq_mat
from hypothesis import strategies as st

from strategies.activations import ACTIVATIONS
from strategies.feedforward import (
    Computation,
    Expression,
    Network,
    apply,
    computation,
    frozen,
    inputs,
    join,
    weight,
)
from strategies.losses import Loss, squared
from strategies.matrices import hstack, identity, matrices, rows, vstack
from strategies.numbers import among, between, integers

__all__ = ["Sigma", "layered", "layered_networks", "odd_layers", "tied_at_zero"]


@dataclass(frozen=True)
class Sigma:
    """σ: ℝ^d → ℝ^d. The first ``path`` units are activations of q_k; the others depend on ``kind``.

    "elementwise": activations of q_k. "mixed": activations of S q, S = ``mixing``. "gated": products
    (S q) ∗ (T q) with [S | T] = ``mixing``. ``activations`` has a name for every unit.
    """

    activations: tuple[str, ...]
    path: int
    kind: str = "elementwise"
    mixing: tuple[tuple[fmpq, ...], ...] = ()

    def of(self, q: Expression) -> Expression:
        """σ(q)."""
        d = len(self.activations)
        if self.kind == "elementwise":
            return apply(self.activations, q)
        eye = identity(d).table()[: self.path]
        if self.kind == "mixed":
            return apply(self.activations, frozen([*eye, *self.mixing]) @ q)
        s, t = (frozen([row[half * d : (half + 1) * d] for row in self.mixing]) for half in (0, 1))
        gated = (s @ q) * (t @ q)
        return join(apply(self.activations[: self.path], frozen(eye) @ q), gated) if self.path else gated


@lru_cache(maxsize=4096)
def layered(d: tuple[int, ...], sigmas: tuple[Sigma, ...]) -> Computation:
    """The network with layers of d_0 (inputs), …, d_H, d_{H+1} units; θ holds W^(1), …, W^(H+1) by rows."""
    h = inputs(d[0])
    for l, sigma in enumerate(sigmas, 1):
        h = sigma.of(weight(d[l], d[l - 1]) @ h)
    return computation(weight(d[-1], d[-2]) @ h)


_MODES = {
    "any": among("any"),
    "deficient": among("zero", "collapsed", "any"),
    "zero": among("zero"),
}
_PATHS = ("linear", "relu", "leaky relu")
_CURVED = ("square", "quadratic", "cube", "relu")


@st.composite
def layered_networks(
    draw: st.DrawFn,
    *,
    depth: tuple[int, int] = (1, 3),
    t: tuple[int, int] = (0, 3),
    d_x: tuple[int, int] = (1, 2),
    d_y: tuple[int, int] = (1, 2),
    wide: int = 1,
    narrow: bool = False,
    beside: tuple[int, int] = (0, 1),
    below: tuple[int, int] = (1, 2),
    paths: tuple[str, ...] = _PATHS,
    curved: tuple[str, ...] = _CURVED,
    lower: tuple[str, ...] = ("linear", *_CURVED),
    vector: bool = False,
    products: str = "deficient",
    crossing: bool = False,
    samples: tuple[int, int] = (2, 5),
    entries: st.SearchStrategy[int] | None = None,
    parameters: st.SearchStrategy[int] | None = None,
    loss: Loss = squared,
    weighted: bool = True,
) -> Network:
    """Layered networks without labels whose layers above a drawn t have a linear path of d_y units or more.

    H lies in ``depth``, t in ``t`` (at most H). A layer above t has d_y to d_y + ``wide`` units on the path
    (one, if ``narrow``) with activations from ``paths``, and ``beside`` others from ``curved``; layers up to
    t have ``below`` units, all alike, from ``lower``. Units on the path whose pre-activations are not
    positive turn linear, kinked units at a kink turn cubic. With ``vector``, σ of the layers above t is
    vector-valued. ``products`` says what the weights along the path are: "any", or "deficient": also zero or
    with equal rows. The path feeds only itself (condition 3) unless ``crossing``: then other units below the
    last hidden layer see it, and it sees none of them. Shrinks to few layers, units and samples, and zero
    weights.
    """
    depth_ = draw(between(*depth))
    first = draw(between(t[0], min(t[1], depth_)))
    out, m = draw(between(*d_y)), draw(between(*samples))
    d, path = [draw(between(*d_x))], [0]
    for l in range(1, depth_ + 1):
        path.append((1 if narrow else out + draw(between(0, wide))) if l > first else 0)
        others = draw(between(*beside)) if l > first else draw(between(*below))
        d.append(path[-1] + others)
    h = draw(matrices(m, d[0], integers(2) if entries is None else entries)).transpose()
    x = h.transpose()
    numbers = integers(2) if parameters is None else parameters
    sigmas, theta = [], []
    for l in range(1, depth_ + 1):
        w = draw(matrices(d[l], d[l - 1], numbers))
        _shape(w, path[l], path[l - 1] if l > first + 1 else 0, draw(_MODES[products]), crossing)
        on, off = draw(among(*paths)), draw(among(*(curved if l > first else lower)))
        sigma, w, h = _layer(draw, w, h, path[l], on, off, vector and l > first)
        sigmas.append(sigma)
        theta += w.entries()
    last = draw(matrices(out, d[-1], numbers))
    _shape(last, out, path[-1], draw(_MODES[products]), False)
    theta += last.entries()
    f = layered((*d, out), tuple(sigmas))
    weights = draw(matrices(1, m, between(1, 3) if weighted else between(1, 1)))
    return Network(
        computation=f,
        theta=fmpq_mat(f.parameters, 1, theta),
        X=x,
        Y=fmpq_mat(m, out),
        loss=loss,
        weights=weights,
    )


def _shape(w: fmpq_mat, path: int, before: int, mode: str, crossing: bool) -> None:
    """W^(l) as the options ask, in place: ``path`` rows and ``before`` columns belong to the linear path."""
    for i in range(w.nrows()):
        for j in range(w.ncols()):
            if i < path and j < before:
                w[i, j] = 0 if mode == "zero" else w[0, j] if mode == "collapsed" else w[i, j]
            elif before and (i < path if crossing else j < before):
                w[i, j] = 0


def _layer(
    draw: st.DrawFn, w: fmpq_mat, h: fmpq_mat, path: int, on: str, off: str, vector: bool
) -> tuple[Sigma, fmpq_mat, fmpq_mat]:
    """σ, W and σ(W h): ``path`` units that are linear at W h, the others curved."""
    d, m = w.nrows(), h.ncols()
    names = [on if k < path else off for k in range(d)]
    for k in range(path):
        if on == "linear":
            continue
        row = rows(w, [k]) * h
        if m and all(e < 0 for e in row.entries()):
            for j in range(w.ncols()):
                w[k, j] = -w[k, j]
        elif not all(e > 0 for e in row.entries()):
            names[k] = "linear"
    kind, mixing, seen = "elementwise", fmpq_mat(0, 0), w * h
    if vector and d > path:
        kind = draw(_kinds)
        halves = [
            hstack(draw(matrices(d - path, path, _often)), draw(matrices(d - path, d - path, _seldom)))
            for _ in range(1 if kind == "mixed" else 2)
        ]
        mixing = hstack(*halves)
        names[path:] = names[path:] if kind == "mixed" else ["linear"] * (d - path)
        others = halves[0] * seen
        if kind == "gated":
            pairs = zip(others.entries(), (halves[1] * seen).entries(), strict=True)
            others = fmpq_mat(d - path, m, [a * b for a, b in pairs])
        seen = vstack(rows(seen, range(path)), others)
    values: list[fmpq] = []
    for k in range(d):
        reached = rows(seen, [k]).entries()
        if ACTIVATIONS[names[k]].kinked and not all(reached):
            names[k] = "linear" if k < path else "cube"
        values += [ACTIVATIONS[names[k]].exact(e) for e in reached]
    sigma = Sigma(activations=tuple(names), path=path, kind=kind, mixing=tuple(map(tuple, mixing.table())))
    return sigma, w, fmpq_mat(d, m, values)


_kinds = among("mixed", "gated")
_often, _seldom = among(1, -1, 1, 0), among(0, 0, 0, 1)


@st.composite
def odd_layers(
    draw: st.DrawFn, depth: tuple[int, int] = (1, 3), d_x: int = 2, width: int = 2, d_y: int = 2
) -> Computation:
    """Layers of cubes below linear ones, for ``parity_minima``: minima at every θ, singular ones too.

    From all layers linear to all cubic; widths of the linear ones are d_y or more. Shrinks to one linear
    unit.
    """
    h = draw(between(*depth))
    cubes, out = draw(between(0, h)), draw(between(1, d_y))
    d = [draw(between(1, d_x))]
    sigmas = []
    for l in range(1, h + 1):
        linear = l > cubes
        d.append(draw(between(out, max(width, out))) if linear else draw(between(1, width)))
        name = "linear" if linear else "cube"
        sigmas.append(Sigma(activations=(name,) * d[-1], path=d[-1] if linear else 0))
    return layered((*d, out), tuple(sigmas))


@st.composite
def tied_at_zero(draw: st.DrawFn, loss: Loss, depth: tuple[int, int] = (1, 2), d_x: int = 2) -> Network:
    """Chains of single linear units whose last weight is 0, labels small: for losses with a kink at y = f.

    All outputs are 0, so that samples with the label 0 sit at a kink. Shrinks to zero inputs.
    """
    h, m = draw(between(*depth)), draw(between(2, 3))
    d = (draw(between(1, d_x)), *(1,) * h, 1)
    f = layered(d, tuple(Sigma(activations=("linear",), path=1) for _ in range(h)))
    theta = hstack(draw(matrices(1, f.parameters - 1, integers(2))), fmpq_mat(1, 1)).transpose()
    x, y = draw(matrices(m, d[0], integers(1))), draw(matrices(m, 1, integers(1)))
    return Network(computation=f, theta=theta, X=x, Y=y, loss=loss, weights=fmpq_mat(1, m, [1] * m))
