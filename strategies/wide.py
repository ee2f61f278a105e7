"""Networks with a layer of at least N − 1 units: the construction of full rank, and what lies beside it.

F_0 = X (rows are the N samples), F_l = σ(F_{l−1} W_l + 1 b_lᵀ); W̃_l holds W_l over b_l. [F_k, 1] can have
rank N once n_k >= N − 1. The construction of Nguyen & Hein (2017), Lemma 4.3, projects F_{k−1} to distinct
numbers t_1 < … < t_N and puts a ramp at every t_j: A_ij = σ(α (t_j − t_i) + β). Beside it lie repeated
samples, zero and repeated units, a layer that is one unit short, and activations that are polynomials, not
increasing or not analytic.
"""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise
from typing import Any

from flint import arb, arb_mat, fmpq, fmpq_mat
from hypothesis import strategies as st

from strategies.activations import ACTIVATIONS, Activation
from strategies.instance import instance
from strategies.matrices import hstack, matrices, vstack
from strategies.numbers import among, between, integers

__all__ = [
    "ADMISSIBLE",
    "PAPER",
    "Analytic",
    "Ball",
    "Labelled",
    "LabelledLayers",
    "Layers",
    "Linear",
    "Permutation",
    "Ramps",
    "Shape",
    "Units",
    "analytic_functions",
    "balls",
    "distinct_inputs",
    "labelled_layers",
    "labelled_vectors",
    "linear_layers",
    "permutations",
    "ramps",
    "shapes",
    "units",
    "wide_layers",
]

Matrix = Any
"""fmpq_mat or arb_mat: their stubs share no base."""
Number = fmpq | arb

PAPER = ("sigmoid", "tanh", "softplus")
"""The activations of Lemma 3.3, in bits."""
ADMISSIBLE = (*PAPER, "two sigmoids")
"""Analytic, increasing, and bounded or of the growth of Assumption 3.2."""


def ones(n: int) -> fmpq_mat:
    """1_n, as a column."""
    return fmpq_mat(n, 1, [1] * n)


# --- networks ----------------------------------------------------------------------------------------


@instance
class Layers:
    """The first k layers of a network at their parameters: X is N × d, ``stack`` holds W̃_1, …, W̃_k."""

    activation: str
    X: fmpq_mat
    stack: tuple[fmpq_mat, ...]

    def __post_init__(self) -> None:
        width = self.X.ncols()
        for l, w in enumerate(self.stack, 1):
            if w.nrows() != width + 1:
                raise ValueError(f"W~_{l} has {w.nrows()} rows for {width} units below and the bias")
            width = w.ncols()

    @property
    def sigma(self) -> Activation:
        """σ."""
        return ACTIVATIONS[self.activation]

    @property
    def samples(self) -> int:
        """N."""
        return int(self.X.nrows())

    @property
    def widths(self) -> tuple[int, ...]:
        """n_0 = d, n_1, …, n_k."""
        return (self.X.ncols(), *(w.ncols() for w in self.stack))

    @cached_property
    def preactivations(self) -> fmpq_mat:
        """G_1 = X W_1 + 1 b_1ᵀ, exactly."""
        return hstack(self.X, ones(self.samples)) * self.stack[0]

    @cached_property
    def exact(self) -> fmpq_mat | None:
        """F_k, or None where a value is irrational."""
        f: fmpq_mat = self.X
        try:
            for w in self.stack:
                f = self.sigma.apply(hstack(f, ones(self.samples)) * w)
        except ValueError:
            return None
        return f

    def in_balls(self) -> arb_mat:
        """F_k in balls of the precision that is set."""
        n = self.samples
        f: Any = arb_mat(self.X)
        for w in self.stack:
            one = arb_mat(n, f.ncols() + 1, [e for row in f.table() for e in (*row, 1)])
            g = one * arb_mat(w)
            f = arb_mat(n, w.ncols(), [self.sigma.ball(e) for e in g.entries()])
        return arb_mat(f)

    def at(self, stack: tuple[fmpq_mat, ...]) -> Layers:
        """The same network at other parameters."""
        return Layers(activation=self.activation, X=self.X, stack=stack)


@instance
class Shape:
    """A network whose parameters are still to be chosen: σ, the samples X and the widths n_1, …, n_k."""

    activation: str
    X: fmpq_mat
    widths: tuple[int, ...]


@instance
class Ball:
    """B(θ, ε) around the parameters of ``layers``, in the maximum norm."""

    layers: Layers
    radius: fmpq


@instance
class Ramps:
    """E(α) of Lemma 4.3 with its ramps at t_1 < … < t_{N−1}: A_ij = σ(α (t_j − t_i) + β), N × (N − 1).

    ``t`` is 1 × N. The paper writes [1, A] where σ is bounded and [A, 1] otherwise.
    """

    activation: str
    t: fmpq_mat
    alpha: fmpq
    beta: fmpq

    @property
    def sigma(self) -> Activation:
        """σ."""
        return ACTIVATIONS[self.activation]

    @property
    def samples(self) -> int:
        """N."""
        return int(self.t.ncols())

    @cached_property
    def gap(self) -> fmpq:
        """The least distance of neighbours t_i, t_{i+1}; 1 for one sample."""
        t = self.t.entries()
        return min((v - u for u, v in pairwise(t)), default=fmpq(1))

    @cached_property
    def spread(self) -> fmpq:
        """t_N − t_1."""
        t = self.t.entries()
        return t[-1] - t[0]

    @cached_property
    def arguments(self) -> list[list[fmpq]]:
        """α (t_j − t_i) + β, i in [N], j in [N − 1]."""
        t = self.t.entries()
        return [[self.alpha * (u - s) + self.beta for u in t[:-1]] for s in t]

    @cached_property
    def exact(self) -> fmpq_mat | None:
        """A, or None where a value is irrational."""
        try:
            flat = [self.sigma.exact(e) for row in self.arguments for e in row]
        except ValueError:
            return None
        return fmpq_mat(self.samples, self.samples - 1, flat)

    def in_balls(self) -> arb_mat:
        """A in balls of the precision that is set."""
        flat = [self.sigma.ball(arb(e)) for row in self.arguments for e in row]
        return arb_mat(self.samples, self.samples - 1, flat)

    def steeper(self, alpha: fmpq) -> Ramps:
        """The same with another α."""
        return Ramps(activation=self.activation, t=self.t, alpha=alpha, beta=self.beta)


@st.composite
def distinct_inputs(draw: st.DrawFn, d: int, samples: tuple[int, int], *, repeated: bool = False) -> fmpq_mat:
    """N × d integers in [−3, 3] with distinct rows, or with one row repeated; shrinks to few small rows.

    A row is drawn as one number in base 7, its digits in the order 0, 1, −1, 2, −2, 3, −3.
    """
    least, most = samples[0] - repeated, min(samples[1] - repeated, 7**d)
    codes = draw(st.lists(between(0, 7**d - 1), min_size=max(least, 1), max_size=most, unique=True))
    if repeated:
        codes.append(codes[draw(between(0, len(codes) - 1))])
    digits = [[c // 7**k % 7 for k in range(d)] for c in codes]
    return fmpq_mat(len(codes), d, [(e + 1) // 2 * (1 if e % 2 else -1) for row in digits for e in row])


_DEGENERATE = among("any", "zero layer", "dead unit", "twins", "any", "any")


@st.composite
def wide_layers(
    draw: st.DrawFn,
    *,
    activations: tuple[str, ...] = ADMISSIBLE,
    depth: tuple[int, int] = (1, 2),
    d: tuple[int, int] = (1, 2),
    samples: tuple[int, int] = (2, 5),
    missing: int = 0,
    spare: int = 1,
    repeated: bool = False,
    scale: fmpq = fmpq(1),
    degenerate: bool = True,
) -> Layers:
    """Layers with n_k >= N − 1 at small integer parameters times ``scale``, the samples distinct.

    n_k is N − 1 − ``missing``, plus up to ``spare`` units; lower layers have 1 to 3. With ``degenerate``, one
    layer may be zero, hold a unit that is constant, or the same unit twice. ``repeated`` repeats a sample.
    Shrinks to few samples, one layer and zeros.
    """
    k, width = draw(between(*depth)), draw(between(*d))
    sigma = draw(among(*activations))
    X = draw(distinct_inputs(width, samples, repeated=repeated))
    widths = [draw(between(1, 3)) for _ in range(k - 1)]
    widths.append(max(X.nrows() - 1 - missing + (draw(between(0, spare)) if spare else 0), 0))
    stack = []
    for n in widths:
        stack.append(draw(matrices(width + 1, n, integers(3))) * scale)
        width = n
    kind = draw(_DEGENERATE) if degenerate else "any"
    if kind != "any" and widths[-1]:
        l = draw(between(0, k - 1))
        stack[l] = _degenerate(stack[l], kind)
    return Layers(activation=sigma, X=X, stack=tuple(stack))


def _degenerate(w: fmpq_mat, kind: str) -> fmpq_mat:
    table = w.table()
    for row in table[:-1] if kind == "dead unit" else table:
        match kind:
            case "zero layer":
                row[:] = [fmpq(0)] * len(row)
            case "dead unit":
                row[0] = fmpq(0)
            case "twins":
                row[-1] = row[0]
    return fmpq_mat(w.nrows(), w.ncols(), [e for row in table for e in row])


@st.composite
def shapes(
    draw: st.DrawFn,
    *,
    activations: tuple[str, ...] = ADMISSIBLE,
    depth: tuple[int, int] = (1, 3),
    d: tuple[int, int] = (1, 2),
    samples: tuple[int, int] = (1, 5),
    missing: int = 0,
    repeated: bool = False,
) -> Shape:
    """σ, distinct samples (or one ``repeated``) and widths with n_k >= N − 1 − ``missing``."""
    k, width = draw(between(*depth)), draw(between(*d))
    sigma = draw(among(*activations))
    X = draw(distinct_inputs(width, samples, repeated=repeated))
    widths = [draw(between(1, 2)) for _ in range(k - 1)]
    spare = 0 if missing else draw(between(0, 1))
    return Shape(activation=sigma, X=X, widths=(*widths, max(X.nrows() - 1 - missing + spare, 0)))


@st.composite
def balls(draw: st.DrawFn, layers: st.SearchStrategy[Layers], *, least: int = 0) -> Ball:
    """Parameters with a radius 2^−j, j from ``least`` to ``least`` + 24."""
    at = draw(layers)
    return Ball(layers=at, radius=fmpq(1, 1 << draw(between(least, least + 24))))


@st.composite
def ramps(
    draw: st.DrawFn,
    *,
    activations: tuple[str, ...] = ADMISSIBLE,
    samples: tuple[int, int] = (2, 5),
    lattice: bool = False,
    beta: tuple[int, int] = (-3, 3),
) -> Ramps:
    """Ramps at increasing t (gaps 1 to 3, over 2), with α = 1/8, …, 4 and β in ``beta``, over 2.

    With ``lattice``, t, α and β are integers, so that sigmoids are rational. Shrinks to two samples, unit
    gaps, α = 1 and β = 0.
    """
    sigma, gaps = (
        draw(among(*activations)),
        draw(st.lists(between(1, 3), min_size=samples[0] - 1, max_size=samples[1] - 1)),
    )
    start, half = draw(integers(2)), 1 if lattice else draw(among(1, 2))
    t = [start]
    for g in gaps:
        t.append(t[-1] + g)
    alpha = draw(_WHOLE if lattice else _STEEPNESS)
    return Ramps(
        activation=sigma,
        t=fmpq_mat(1, len(t), [fmpq(e, half) for e in t]),
        alpha=alpha,
        beta=fmpq(draw(between(*beta)), half),
    )


_STEEPNESS = among(fmpq(1), fmpq(2), fmpq(1, 2), fmpq(4), fmpq(1, 8), fmpq(5, 3))
_WHOLE = among(fmpq(1), fmpq(2), fmpq(3))


# --- smaller things ----------------------------------------------------------------------------------


@instance
class Units:
    """A direction ``a`` (d × 1) and a bias for the first unit of a layer, with the samples X below it."""

    activation: str
    X: fmpq_mat
    a: fmpq_mat
    bias: fmpq


@st.composite
def units(
    draw: st.DrawFn,
    *,
    activations: tuple[str, ...] = ADMISSIBLE,
    d: tuple[int, int] = (1, 2),
    repeated: bool = False,
) -> Units:
    """A unit at distinct samples (or with one ``repeated``); every direction occurs, zero too."""
    sigma, width = draw(among(*activations)), draw(between(*d))
    X = draw(distinct_inputs(width, (2, 4), repeated=repeated))
    a = draw(matrices(width, 1, integers(3)))
    return Units(activation=sigma, X=X, a=a, bias=fmpq(draw(integers(2))))


@instance
class Permutation:
    """π of {1, …, N}: ``images`` holds π(1), …, π(N)."""

    images: tuple[int, ...]


@st.composite
def permutations(draw: st.DrawFn) -> Permutation:
    """All permutations of 1 to 6 elements; shrinks to the identity."""
    n = draw(between(1, 6))
    left, images = list(range(1, n + 1)), []
    while left:
        images.append(left.pop(draw(between(0, len(left) - 1))))
    return Permutation(images=tuple(images))


@instance
class Linear:
    """A linear network with biases: X (N × d) and W̃_1, …, W̃_k."""

    X: fmpq_mat
    stack: tuple[fmpq_mat, ...]
    activation: str = "linear"

    def layers(self) -> list[fmpq_mat]:
        """F_0, …, F_k."""
        made = [self.X]
        for w in self.stack:
            g = hstack(made[-1], ones(self.X.nrows())) * w
            made.append(ACTIVATIONS[self.activation].apply(g))
        return made


@st.composite
def linear_layers(draw: st.DrawFn, *, activation: str = "linear", wide: bool = False) -> Linear:
    """Networks of 1 to 3 layers with small integer data and weights of low rank, and biases.

    X is a product over an inner width of 0 to d, W_l one over 0 to 2, so that their ranks are small against
    their sizes; with ``wide``, X has any entries, W_l an inner width of 0 or 1, and the layers have one unit
    more. Shrinks to zeros.
    """
    k, n = draw(between(1, 3)), draw(between(3, 5))
    width = draw(between(2, 3))
    rank = width if wide else draw(between(0, width))
    X = draw(matrices(n, rank, integers(2))) * draw(matrices(rank, width, integers(2)))
    stack = []
    for _ in range(k):
        out, inner = draw(between(2, 3)) + wide, draw(between(0, 1 if wide else 2))
        w = draw(matrices(width, inner, integers(2))) * draw(matrices(inner, out, integers(2)))
        stack.append(vstack(w, draw(matrices(1, out, integers(2)))))
        width = out
    return Linear(X=X, stack=tuple(stack), activation=activation)


@instance
class Labelled:
    """Vectors (rows of F) with their classes 1, …, m (``classes`` is N × 1)."""

    F: fmpq_mat
    classes: fmpq_mat


@st.composite
def labelled_vectors(draw: st.DrawFn, *, kind: str = "independent") -> Labelled:
    """1 to 5 vectors of any classes: linearly or affinely independent, of rank N − 1, or on a line.

    ``kind``: "independent" (rank F = N), "affine" (rank [F, 1] = N), "one short" (rank [F, 1] = N − 1) or
    "line" (distinct numbers). The vectors are [T, B] with T unitriangular, for "affine" and "one short" less
    one or two columns, moved by a shift. Shrinks to unit vectors in one class.
    """
    n = draw(between(3 if kind == "one short" else 1, 5))
    if kind == "line":
        F = draw(distinct_inputs(1, (1, 5)))
    else:
        lower = [[draw(integers(2)) if j < i else int(i == j) for j in range(n)] for i in range(n)]
        short = {"independent": 0, "affine": 1, "one short": 2}[kind]
        t = fmpq_mat(n, n - short, [e for row in lower for e in row[short:]])
        if kind == "independent":
            F = hstack(t, draw(matrices(n, draw(between(0, 1)), integers(2))))
        else:
            F = t + ones(n) * draw(matrices(1, n - short, integers(2)))
    classes = [draw(between(1, 3)) for _ in range(F.nrows())]
    return Labelled(F=F, classes=fmpq_mat(F.nrows(), 1, classes))


@instance
class LabelledLayers:
    """A network's first layers with the classes of the samples (N × 1)."""

    layers: Layers
    classes: fmpq_mat


@st.composite
def labelled_layers(draw: st.DrawFn, layers: st.SearchStrategy[Layers]) -> LabelledLayers:
    """The layers with any classes 1, 2, 3."""
    at = draw(layers)
    return LabelledLayers(
        layers=at, classes=fmpq_mat(at.samples, 1, [draw(between(1, 3)) for _ in range(at.samples)])
    )


@instance
class Analytic:
    """f: R → R, from a polynomial p by its ``kind``.

    "polynomial": p(x). "exponential": p(2^x). "trigonometric": Re p(e^{ix}), with p(z) = Σ (a_k − i b_k) z^k.
    "glued": p(x) for x > ``knot``, q(x) for x < ``knot`` and p(knot) there. "flat": p(1) e^{−1/(x − knot)}
    for x > ``knot``, 0 elsewhere: infinitely often differentiable.
    """

    kind: str
    p: fmpq_mat
    q: fmpq_mat
    knot: fmpq


@st.composite
def analytic_functions(draw: st.DrawFn, kinds: tuple[str, ...]) -> Analytic:
    """Functions of the given kinds with up to 4 coefficients; shrinks to 0."""
    kind, n = draw(among(*kinds)), draw(between(1, 4))
    p = draw(matrices(1, n, integers(2)))
    q = draw(matrices(1, n, integers(1)))
    return Analytic(kind=kind, p=p, q=q, knot=fmpq(draw(integers(2))))
