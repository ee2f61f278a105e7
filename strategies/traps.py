"""Deep networks, σ at the outputs too, at exact critical points: convex traps, near misses, and others.

A network is *flat* where W_1 = 0: no unit sees its input. Let r be the residuals, a combination of triples
e_a/2 + e_b/2 − e_c with x_c = (x_a + x_b)/2, so that ⟨r, φ(X)⟩ >= 0 for every convex φ. If every hidden unit
lies where it is a convex function of x and the weights above are positive, no move of θ helps: a convex trap
(``verify.oracles.convex_traps`` has the proof). Sigmoids in bits are rational at integers, as is softplus at
0; all pre-activations are put there, and Y is rational too.

Source of the sentences this serves: Nguyen & Hein (2017), Sections 3.1 and 3.2.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from itertools import pairwise
from typing import NamedTuple

from flint import arb, fmpq, fmpq_mat
from hypothesis import reject
from hypothesis import strategies as st

from strategies.activations import ACTIVATIONS, Activation
from strategies.feedforward import (
    Activate,
    Affine,
    Computation,
    Network,
    apply,
    bias,
    computation,
    inputs,
    weight,
)
from strategies.instance import instance
from strategies.losses import squared
from strategies.matrices import hstack, matrices, null_space, vstack
from strategies.numbers import among, between, integers

__all__ = [
    "CONTROLS",
    "DECREASING",
    "PAPER",
    "RANGES",
    "Exact",
    "Layer",
    "Problem",
    "deep",
    "exact_points",
    "flat_points",
    "in_range",
    "lattice_points",
    "layers_of",
    "problem_of",
    "problems_through_one_unit",
    "run_exactly",
    "units_of_slope",
    "wide_problems",
]

PAPER = ("sigmoid", "tanh", "softplus")
"""The activations of Lemma 3.3, in bits."""
DECREASING = ("minus sigmoid", "minus tanh", "minus softplus")
CONTROLS = ("flipped", "concave", "negative", "unbalanced")
"""Kinds of ``flat_points`` that are near misses: critical, and no local minimum."""

RANGES: dict[str, tuple[fmpq | None, fmpq | None]] = {
    "sigmoid": (fmpq(0), fmpq(1)),
    "tanh": (fmpq(-1), fmpq(1)),
    "tanh cubed": (fmpq(-1), fmpq(1)),
    "softplus": (fmpq(0), None),
    "minus sigmoid": (fmpq(-1), fmpq(0)),
    "minus tanh": (fmpq(-1), fmpq(1)),
    "minus softplus": (None, fmpq(0)),
    "two sigmoids": (fmpq(0), fmpq(2)),
    "affine inside": (fmpq(-2), fmpq(2)),
    "linear": (None, None),
}
"""The open interval σ(ℝ); None is ±∞."""


def in_range(sigma: str, y: fmpq) -> bool:
    """Whether y = σ(t) for some t."""
    low, high = RANGES[sigma]
    return (low is None or y > low) and (high is None or y < high)


# --- the architecture ---------------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def deep(widths: tuple[int, ...], sigma: str) -> Computation:
    """F_L with F_l = σ(F_{l−1} W_l + 1 b_lᵀ), l = 1, …, L, and ``widths`` n_0 = d, n_1, …, n_L."""
    h = inputs(widths[0])
    for below, width in pairwise(widths):
        h = apply(sigma, weight(width, below) @ h + bias(width))
    return computation(h)


class Layer(NamedTuple):
    """W (n_{l−1} × n_l), b (1 × n_l) and σ of one layer, as the paper writes them."""

    W: fmpq_mat
    b: fmpq_mat
    sigma: Activation


@lru_cache(maxsize=512)
def layers_of(net: Network) -> tuple[Layer, ...] | None:
    """The layers of a network made by ``deep``; None for other architectures."""
    steps = net.computation.steps
    found = []
    for l, (affine, act) in enumerate(zip(steps[::2], steps[1::2], strict=False)):
        if not (isinstance(affine, Affine) and isinstance(act, Activate)) or len(set(act.activations)) != 1:
            return None
        if affine.source != 2 * l or act.source != 2 * l + 1 or any(affine.frozen.entries()):
            return None
        if len(affine.parameters) != len(affine.places.entries()):
            return None
        out, into = affine.places.nrows(), affine.places.ncols() - 1
        w, b = fmpq_mat(into, out), fmpq_mat(1, out)
        for i, j, k in affine.trained:
            if j < into:
                w[j, i] = net.theta[k, 0]
            else:
                b[0, i] = net.theta[k, 0]
        found.append(Layer(w, b, act.functions[0]))
    return tuple(found) if 2 * len(found) == len(steps) else None


def _theta(f: Computation, stack: Sequence[tuple[fmpq_mat, fmpq_mat]]) -> fmpq_mat:
    theta = fmpq_mat(f.parameters, 1)
    for step, (w, b) in zip(f.steps[::2], stack, strict=True):
        assert isinstance(step, Affine)
        into = step.places.ncols() - 1
        for i, j, k in step.trained:
            theta[k, 0] = w[j, i] if j < into else b[0, i]
    return theta


def units_of_slope(sigma: Activation) -> Callable[[fmpq], fmpq] | None:
    """σ′ over a positive constant (ln 2 for the sigmoids), rational wherever σ is; None: not known."""
    if sigma.rational:
        return lambda t: fmpq(sigma.slope(t))  # type: ignore[arg-type]
    at = sigma.exact
    known: dict[str, Callable[[fmpq], fmpq]] = {
        "sigmoid": lambda t: at(t) * (1 - at(t)),
        "tanh": lambda t: 1 - at(t) * at(t),
        "tanh cubed": lambda t: (s := ACTIVATIONS["tanh"].exact(t)) * s * (1 - s * s),
        "softplus": lambda t: ACTIVATIONS["sigmoid"].exact(t),
    }
    if sigma.name in known:
        return known[sigma.name]
    if sigma.name.startswith("minus "):
        slope = units_of_slope(ACTIVATIONS[sigma.name.removeprefix("minus ")])
        return None if slope is None else (lambda t: -slope(t))
    return None


@dataclass(frozen=True)
class Exact:
    """Pre-activations G_1, …, G_L, values F_0 = X, F_1, …, F_L, and σ′(G_l) in ``units_of_slope``."""

    G: tuple[fmpq_mat, ...]
    F: tuple[fmpq_mat, ...]
    slopes: tuple[fmpq_mat, ...]


@lru_cache(maxsize=512)
def run_exactly(net: Network) -> Exact | None:
    """The values of a network made by ``deep``; None where one is irrational."""
    layers = layers_of(net)
    if layers is None:
        return None
    values, before, slopes = [net.X], [], []
    for w, b, sigma in layers:
        g = values[-1] * w + _ones(net.X.nrows()) * b
        unit = units_of_slope(sigma)
        if unit is None:
            return None
        try:
            values.append(sigma.apply(g))
            slopes.append(fmpq_mat(g.nrows(), g.ncols(), [unit(e) for e in g.entries()]))
        except ValueError:
            return None
        before.append(g)
    return Exact(tuple(before), tuple(values), tuple(slopes))


@cache
def _ones(n: int) -> fmpq_mat:
    return fmpq_mat(n, 1, [1] * n)


@cache
def exact_points(sigma: str, curvature: int) -> tuple[int, ...]:
    """Integers, small ones first, at which σ is rational and σ″ certainly has this sign (0: any)."""
    a, found = ACTIVATIONS[sigma], []
    for t in (0, -1, 1, -2, 2, -3, 3):
        try:
            a.exact(fmpq(t))
        except ValueError:
            continue
        bend = arb(a.curvature(arb(t)))
        if curvature == 0 or bend * curvature > 0:
            found.append(t)
    return tuple(found)


# --- flat critical points -----------------------------------------------------------------------------


@st.composite
def flat_points(
    draw: st.DrawFn,
    *,
    kinds: tuple[str, ...] = ("trap",),
    activations: tuple[str, ...] = PAPER,
    hidden: tuple[int, int] = (1, 1),
    d: tuple[int, int] = (1, 2),
    triples: tuple[int, int] = (1, 2),
    beside: tuple[int, int] = (0, 1),
    spare: tuple[int, int] = (0, 0),
    outputs: tuple[int, int] = (1, 2),
    others: tuple[str, ...] = ("zero", "copy", "any"),
    mixed: bool = False,
    missing: int = 0,
) -> Network:
    """Critical points with W_1 = 0 of networks with n_1 = N − 1 − ``missing`` + ``spare`` units (at least 1).

    The layers narrow (n_1 >= n_2 >= … >= m): ``hidden`` counts the hidden ones, m lies in ``outputs``. The
    residuals of the first output are a sum of ``triples`` balayages, ``beside`` other samples and all other
    outputs are fitted exactly; the weights into other outputs are "zero", a "copy" of those into the first,
    or any. ``mixed`` puts units on the concave side too, with the signs of the weights to match.

    The kinds: "trap" as above, a local minimum. "flipped": the residuals have the other sign. "concave": the
    first layer sits on the concave side. "negative": one unit has a negative weight, the others larger
    positive ones. "unbalanced": the difference of two triples in different directions, as in the XOR
    problem. Shrinks to the trap of sigmoids on X = (−1, 0, 1).
    """
    sigma, kind = draw(among(*activations)), draw(among(*kinds))
    count, width, m = draw(between(*hidden)), draw(between(*d)), draw(between(*outputs))
    if kind == "concave" and not exact_points(sigma, -_slope_sign(sigma)):
        sigma = "sigmoid"
    X, r = _residuals(draw, max(width, 2) if kind == "unbalanced" else width, triples, beside, kind)
    n = X.nrows()
    widths = [X.ncols(), max(n - 1 - missing + draw(between(*spare)), m if count > 1 else 1)]
    for _ in range(count - 1):
        widths.append(min(widths[-1], max(m, draw(between(1, 3)))))
    widths.append(m)
    stack, types = [], [0]
    values: list[fmpq] = [fmpq(0)] * X.ncols()
    s = _slope_sign(sigma)
    for l, (below, above) in enumerate(pairwise(widths)):
        last = l == count
        wanted = [draw(_SIGNS if mixed else _POSITIVE) for _ in range(above)]
        sizes = [[draw(_SIZES) for _ in range(above)] for _ in range(below)]
        places = [draw(_PLACES) for _ in range(above)]
        w, targets, kinds_here = fmpq_mat(below, above), [], []
        for k in range(above):
            tau = wanted[k]
            if last:
                points = exact_points(sigma, 0)[:3]
            else:
                bend = tau if l == 0 else s * tau
                if not exact_points(sigma, bend):
                    bend, tau = -bend, -tau
                if kind == "concave" and l == 0:
                    points = exact_points(sigma, -bend)
                else:
                    points = exact_points(sigma, bend)
                kinds_here.append(bend)
            targets.append(fmpq(points[0 if kind == "negative" else places[k] % len(points)]))
            for j in range(below if l else 0):
                w[j, k] = sizes[j][k] * types[j] * tau
            if kind == "negative" and l == 1:
                for j in range(below):
                    w[j, k] = abs(w[j, k]) + 1 if j < below - 1 else -1
            if last and k == 0:
                out = tau
        if last:
            how = draw(among(*others))
            for k in range(1, m):
                for j in range(below):
                    w[j, k] = w[j, k] if how == "any" else w[j, 0] * (k * (how == "copy"))
        shift = fmpq_mat(1, below, values) * w
        b = fmpq_mat(1, above, [t - e for t, e in zip(targets, shift.entries(), strict=True)])
        stack.append((w, b))
        values = [ACTIVATIONS[sigma].exact(t) for t in targets]
        types = kinds_here
    f = deep(tuple(widths), sigma)
    direction = r * (out * s * (-1 if kind == "flipped" else 1))
    Y = _labels(sigma, targets[0], values, direction)
    return Network(
        computation=f, theta=_theta(f, stack), X=X, Y=Y, loss=squared, weights=fmpq_mat(1, n, [1] * n)
    )


_SIGNS, _POSITIVE, _SIZES, _PLACES = among(1, 1, -1), among(1), between(1, 2), between(0, 2)


def _slope_sign(sigma: str) -> int:
    return -1 if sigma.startswith("minus ") else 1


def _residuals(
    draw: st.DrawFn, d: int, triples: tuple[int, int], beside: tuple[int, int], kind: str
) -> tuple[fmpq_mat, fmpq_mat]:
    """Distinct samples (sorted) with max |r| = 1, r a positive combination of balayages as a rule."""
    found: dict[tuple[int, ...], fmpq] = {}
    count, extra = draw(between(*triples)), draw(between(*beside))
    for k in range(2 if kind == "unbalanced" else count):
        centre = [draw(integers(1)) for _ in range(d)]
        offset = [draw(integers(1)) for _ in range(d)]
        size = draw(_SIZES)
        if kind == "unbalanced":
            centre, offset, size = [0] * d, [1, 1 - 2 * k] + [0] * (d - 2), 1 - 2 * k
        elif not any(offset):
            offset[0] = 1
        for step, p in ((1, fmpq(1, 2)), (-1, fmpq(1, 2)), (0, fmpq(-1))):
            x = tuple(c + step * o for c, o in zip(centre, offset, strict=True))
            found[x] = found.get(x, fmpq(0)) + p * size
    found = {x: p for x, p in found.items() if p or kind != "unbalanced"}
    for _ in range(extra):
        x = tuple(draw(integers(2)) for _ in range(d))
        found.setdefault(x, fmpq(0))
    rows = sorted(found)
    largest = max(abs(p) for p in found.values())
    X = fmpq_mat(len(rows), d, [e for x in rows for e in x])
    return X, fmpq_mat(len(rows), 1, [found[x] / largest for x in rows])


def _labels(sigma: str, g: fmpq, outputs: list[fmpq], r: fmpq_mat) -> fmpq_mat:
    """Y with F_L − Y = ρ r in the first column and 0 in the others, for the largest ρ = 2^−j that is safe.

    Safe: labels in σ(ℝ), and the loss a convex function of the pre-activation at g.
    """
    a, rho = ACTIVATIONS[sigma], fmpq(1, 2)
    slope, bend = arb(a.slope(arb(g))), arb(a.curvature(arb(g)))
    while not all(
        in_range(sigma, outputs[0] - rho * e) and slope * slope + arb(rho * e) * bend > 0 for e in r.entries()
    ):
        rho /= 2
    return fmpq_mat(
        r.nrows(), len(outputs), [x for e in r.entries() for x in (outputs[0] - rho * e, *outputs[1:])]
    )


# --- critical points on the lattice -------------------------------------------------------------------


@st.composite
def lattice_points(
    draw: st.DrawFn,
    *,
    activations: tuple[str, ...] = ("sigmoid", "tanh"),
    depth: tuple[int, int] = (1, 3),
    d: tuple[int, int] = (1, 2),
    units: tuple[int, int] = (1, 2),
    outputs: tuple[int, int] = (1, 2),
    samples: tuple[int, int] = (1, 6),
    weights: tuple[str, ...] = ("any", "any", "zero"),
    independent: bool = False,
    labels: str = "critical",
    wide: bool = False,
    silent_first: bool = False,
    origin: bool = False,
    row_rank: bool = False,
) -> Network:
    """Exact critical points of networks with small integer data, all pre-activations integers.

    σ is rational there. W_l, l >= 2, are integers times the least common denominator of F_{l−1}, or "zero",
    or of "one column": others are 0. ``labels``: "critical", Y is F_L less a drawn solution of ∇Φ = 0, linear
    in Δ_L, scaled into σ(ℝ), and draws that allow only Δ_L = 0 are rejected; "fitted", Y = F_L; "any", F_L
    plus eighths, and θ need not be critical. ``wide``: n_1 = N − 1 (at least 1). ``independent``:
    rank [X, 1] = N. ``silent_first``: Δ_1 = 0. ``origin``: W_1 = 0 and all pre-activations are 0.
    ``row_rank``: one hidden unit a layer, W_2, …, W_L ≠ 0. Shrinks to few samples, units and zeros.
    """
    sigma, L, n0 = draw(among(*activations)), draw(between(*depth)), draw(between(*d))
    widths = [n0] + [draw(between(*units)) for _ in range(L - 1)] + [draw(between(*outputs))]
    if row_rank:
        widths[1:-1] = [1] * (L - 1)
    X = _independent_inputs(draw, n0) if independent else _distinct_inputs(draw, n0, samples)
    n, a = X.nrows(), ACTIVATIONS[sigma]
    if wide:
        widths[1] = max(n - 1, 1)
    stack, F = [], X
    for l, (below, above) in enumerate(pairwise(widths), 1):
        w = draw(matrices(below, above, integers(1 if l == 1 else 2)))
        b = draw(matrices(1, above, integers(1)))
        how = draw(among(*weights)) if l > 1 else "any"
        if how == "zero" or (origin and l == 1):
            w = w * 0
        elif how == "one column":
            w = hstack(*[fmpq_mat(below, 1, [row[k] * (k == 0) for row in w.table()]) for k in range(above)])
        if row_rank and l > 1 and not any(w.entries()):
            w[0, 0] = 1
        if origin and l > 1 and w.rank() < above:
            for k in range(min(below, above)):
                w[k, k] = w[k, k] or 1
        if l > 1 and not origin:
            w = w * math.lcm(*(int(e.q) for e in F.entries()))
        g = F * w
        if any(abs(e - g[0, j % above]) > 40 for j, e in enumerate(g.entries())):
            if row_rank:
                reject()
            w, g = w * 0, g * 0
        b = fmpq_mat(1, above, [(0 if origin else e) - g[0, k] for k, e in enumerate(b.entries())])
        g = g + _ones(n) * b
        stack.append((w, b))
        F = a.apply(g)
    f = deep(tuple(widths), sigma)
    net = Network(
        computation=f, theta=_theta(f, stack), X=X, Y=F, loss=squared, weights=fmpq_mat(1, n, [1] * n)
    )
    if labels != "critical":
        shift = F * 0 if labels == "fitted" else draw(matrices(n, F.ncols(), integers(2))) / 8
        return replace(net, Y=F - shift)
    found = run_exactly(net)
    assert found is not None
    free = [int(e == 0) for e in found.slopes[-1].entries()]
    basis = null_space(_equations(net, found, silent_first))
    chosen = draw(_COEFFICIENTS)
    if basis.ncols() == 0 and not any(free):
        reject()
    if basis.ncols() and not any(chosen[: basis.ncols()]):
        chosen[0] = 1
    picked = (chosen + [0] * basis.ncols())[: basis.ncols()]
    delta = basis * fmpq_mat(basis.ncols(), 1, picked)
    residuals = [
        fmpq(chosen[i % len(chosen)] or 1) if e == 0 else p / e
        for i, (p, e) in enumerate(zip(delta.entries(), found.slopes[-1].entries(), strict=True))
    ]
    rho = fmpq(1) / max(abs(e) for e in residuals)
    for _ in range(200):
        Y = fmpq_mat(n, F.ncols(), [v - rho * e for v, e in zip(F.entries(), residuals, strict=True)])
        if all(in_range(sigma, y) for y in Y.entries()):
            return replace(net, Y=Y)
        rho /= 2
    return reject()


_COEFFICIENTS = st.lists(integers(2), min_size=8, max_size=8)


def _distinct_inputs(draw: st.DrawFn, d: int, samples: tuple[int, int]) -> fmpq_mat:
    most = min(samples[1], 5**d)
    codes = draw(_code_lists(min(samples[0], most), most, 5**d - 1))
    order = (0, 1, -1, 2, -2)
    return fmpq_mat(len(codes), d, [order[c // 5**k % 5] for c in codes for k in range(d)])


@cache
def _code_lists(least: int, most: int, top: int) -> st.SearchStrategy[list[int]]:
    return st.lists(between(0, top), min_size=least, max_size=most, unique=True)


def _independent_inputs(draw: st.DrawFn, d: int) -> fmpq_mat:
    """d + 1 integer samples, affinely independent: unit triangular differences from the first."""
    first = draw(matrices(1, d, integers(1)))
    lower = [[draw(integers(1)) if j < i else int(i == j) for j in range(d)] for i in range(d)]
    steps = fmpq_mat(d, d, [e for row in lower for e in row])
    return vstack(first, steps + _ones(d) * first) if d else first


def _equations(net: Network, found: Exact, silent_first: bool) -> fmpq_mat:
    """The matrix of ∇Φ as a linear function of Δ_L (sample by sample), up to a positive factor a layer.

    With Δ_l = Δ_L M_l row by row, M_L = I and M_{l−1} = M_l W_lᵀ diag σ′(G_{l−1});
    ∂Φ/∂W̃_l = [F_{l−1}, 1]ᵀ Δ_l.
    """
    layers = layers_of(net)
    assert layers is not None
    n, m, L = net.X.nrows(), net.Y.ncols(), len(layers)
    chains = [[fmpq_mat(m, m, [int(i == j) for i in range(m) for j in range(m)]) for _ in range(n)]]
    for l in range(L - 1, 0, -1):
        above, slopes = chains[0], found.slopes[l - 1].table()
        step = []
        for i in range(n):
            c = above[i] * layers[l].W.transpose()
            step.append(
                fmpq_mat(m, c.ncols(), [e * slopes[i][k] for row in c.table() for k, e in enumerate(row)])
            )
        chains.insert(0, step)
    rows: list[list[fmpq]] = []
    for l in range(L):
        features = [[*row, fmpq(1)] for row in found.F[l].table()]
        tables = [c.table() for c in chains[l]]
        if silent_first and l == 0:
            for i in range(n):
                for k in range(layers[0].W.ncols()):
                    rows.append([tables[i][o][k] if q == i else fmpq(0) for q in range(n) for o in range(m)])
            continue
        for j in range(len(features[0])):
            for k in range(layers[l].W.ncols()):
                rows.append([features[i][j] * tables[i][o][k] for i in range(n) for o in range(m)])
    dead = found.slopes[-1].entries()
    rows += [[fmpq(int(q == e)) for q in range(n * m)] for e in range(n * m) if dead[e] == 0]
    return fmpq_mat(len(rows), n * m, [e for row in rows for e in row])


# --- two outputs through one unit ---------------------------------------------------------------------


@instance
class Problem:
    """Data and an architecture whose parameters are free: X is N × d, Y is N × m, ``widths`` n_1, …, n_L."""

    activation: str
    X: fmpq_mat
    Y: fmpq_mat
    widths: tuple[int, ...]


def problem_of(net: Network) -> Problem:
    """What is left of a network made by ``deep`` without θ."""
    layers = layers_of(net)
    if layers is None:
        raise ValueError("the network was not made by strategies.traps.deep")
    widths = tuple(int(layer.W.ncols()) for layer in layers)
    return Problem(activation=layers[0].sigma.name, X=net.X, Y=net.Y, widths=widths)


@st.composite
def wide_problems(
    draw: st.DrawFn,
    *,
    activations: tuple[str, ...] = PAPER,
    labels: tuple[str, ...] = ("inside", "boundary", "outside"),
    depth: tuple[int, int] = (2, 3),
    missing: int = 0,
) -> Problem:
    """Problems with n_1 = N − 1 − ``missing`` or one more, later layers no narrower than the outputs.

    Some label lies at an end of σ(ℝ) ("boundary") or beyond ("outside"), unless all lie "inside". With
    ``missing`` there are 3 samples in one dimension, one hidden unit and one output. Shrinks to few samples.
    """
    sigma, where = draw(among(*activations)), draw(among(*labels))
    L, m = draw(between(*depth)), draw(between(1, 2))
    X = _distinct_inputs(draw, draw(between(1, 2)), (1, 4))
    if missing:
        X, m, L = fmpq_mat(3, 1, [-1, 0, 1]), 1, 2
    low, high = RANGES[sigma]
    ends = [e for e in (low, high) if e is not None]
    ahead = 1 if low is not None else -1
    unit = fmpq(ahead) if len(ends) == 1 else (ends[1] - ends[0]) / 8
    y = [ends[0] + unit * draw(_EIGHTHS) for _ in range(X.nrows() * m)]
    if where != "inside":
        end = draw(between(0, len(ends) - 1))
        outward = -unit * (draw(_SIZES) if where == "outside" else 0)
        y[draw(between(0, 7)) % len(y)] = ends[end] + (outward if end == 0 else -outward)
    first = max(X.nrows() - 1 - missing, 1 if missing else m) + (0 if missing else draw(between(0, 1)))
    widths = (first, *(m + draw(between(0, 1)) for _ in range(L - 2)), m)
    return Problem(activation=sigma, X=X, Y=fmpq_mat(X.nrows(), m, y), widths=widths)


_EIGHTHS = between(1, 7)


@st.composite
def problems_through_one_unit(draw: st.DrawFn, *, units: int = 1, lifted: bool = False) -> Problem:
    """Three affinely independent samples, two softplus outputs, ``units`` in the last hidden layer.

    The labels are corners of an L: (l + h, l), (l + e, l) and (l − s, l + k), h and k large, e and s small.
    One unit draws a curve near them that bends one way only. With ``lifted`` the inputs are 0, 1, 2 and a
    first layer of two units comes before. Shrinks to small labels.
    """
    l, e, s = draw(between(1, 4)), draw(among(1, 0, 2)), draw(among(1, 0))
    h, k = draw(between(3, 7)), draw(between(2, 7))
    X = fmpq_mat(3, 1, [0, 1, 2]) if lifted else fmpq_mat(3, 2, [0, 0, 1, 0, 0, 1])
    Y = fmpq_mat(3, 2, [l + h, l, l + e, l, max(l - s, 1), l + k])
    return Problem(activation="softplus", X=X, Y=Y, widths=(2, units, 2) if lifted else (units, 2))
