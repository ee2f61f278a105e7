"""Deep networks with a marked layer k: at any θ, at fitted labels, and where one layer's gradient is zero.

The architecture is ``strategies.traps.deep``, σ at the outputs too. Rational activations of positive slope
("cubic", "softsign", "linear") have everything exact at any θ; sigmoids do where the pre-activations are
integers, and are put there. Planted residuals solve linear equations sample by sample.

Source of the sentences this serves: Nguyen & Hein (2017), Sections 2, 3.2 and 4.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from flint import fmpq, fmpq_mat
from hypothesis import reject
from hypothesis import strategies as st

from strategies.activations import ACTIVATIONS
from strategies.feedforward import Affine, Computation, Network
from strategies.instance import instance
from strategies.losses import Loss, squared
from strategies.matrices import hstack, matrices, null_space
from strategies.numbers import among, between, integers
from strategies.traps import deep, in_range, run_exactly
from strategies.wide import distinct_inputs

__all__ = [
    "Bivariate",
    "Blocks",
    "Level",
    "Matrix",
    "PerturbedPolynomial",
    "Weights",
    "bivariate_polynomials",
    "block_matrices",
    "fitted_levels",
    "levels",
    "perturbed_polynomials",
    "positive_definite_matrices",
    "ridge_levels",
    "silent_levels",
    "symmetric_matrices",
    "weights_of_rank",
]


@instance
class Level:
    """A network with a marked layer k in [0, L − 1], and ``blocks``, the set I of layers above k."""

    net: Network
    k: int
    blocks: tuple[int, ...]

    @property
    def widths(self) -> tuple[int, ...]:
        """n_0 = d, n_1, …, n_L."""
        return self.net.computation.widths[::2]

    @property
    def samples(self) -> int:
        """N."""
        return int(self.net.X.nrows())

    @property
    def depth(self) -> int:
        """L."""
        return len(self.widths) - 1


def _theta(f: Computation, stack: Sequence[fmpq_mat]) -> fmpq_mat:
    """θ of the weights W̃_l = [W_l; b_lᵀ]."""
    theta = fmpq_mat(f.parameters, 1)
    for step, w in zip(f.steps[::2], stack, strict=True):
        assert isinstance(step, Affine)
        for i, j, k in step.trained:
            theta[k, 0] = w[j, i]
    return theta


def _ones(n: int) -> fmpq_mat:
    return fmpq_mat(n, 1, [1] * n)


def _unweighted(f: Computation, stack: Sequence[fmpq_mat], X: fmpq_mat, Y: fmpq_mat, loss: Loss) -> Network:
    n = X.nrows()
    return Network(
        computation=f, theta=_theta(f, stack), X=X, Y=Y, loss=loss, weights=fmpq_mat(1, n, [1] * n)
    )


def _widths(draw: st.DrawFn, L: int, k: int, N: int, m: int, spare: tuple[int, int]) -> list[int]:
    """n_0, …, n_L with n_k >= N − 1 (at least 1), and n_{k+1} >= … >= n_L = m."""
    low = [draw(between(1, 2)) for _ in range(k)]
    wide = max(N - 1 + draw(between(*spare)), 1)
    up = [m]
    for _ in range(L - k - 1):
        up.insert(0, up[0] + draw(between(0, 1)))
    return [*low, wide, *up]


@st.composite
def levels(
    draw: st.DrawFn,
    *,
    activations: tuple[str, ...] = ("cubic", "softsign", "linear"),
    losses: tuple[Loss, ...] = (squared,),
    depth: tuple[int, int] = (1, 3),
    layers: tuple[int, int] = (0, 2),
    samples: tuple[int, int] = (1, 3),
    outputs: tuple[int, int] = (1, 2),
    spare: tuple[int, int] = (0, 1),
    bound: int = 2,
    square: bool = False,
    all_blocks: bool = False,
) -> Level:
    """Networks at any small integer θ, for the sigmoids θ / 2, with n_k >= N − 1 and narrowing above.

    k lies in ``layers`` (less than L); n_k is N − 1 plus ``spare``. Samples are distinct, labels are small
    integers or halves. With ``square`` all layers above k have m units. I is {k + 1}, or with ``all_blocks``
    any set of layers that holds k + 1. Shrinks to one sample, one layer and zeros.
    """
    L = draw(between(max(depth[0], layers[0] + 1), depth[1]))
    k = draw(between(layers[0], min(layers[1], L - 1)))
    N, m, sigma = draw(between(*samples)), draw(between(*outputs)), draw(among(*activations))
    widths = _widths(draw, L, k, N, m, spare)
    if square:
        widths[k + 1 :] = [m] * (L - k)
    X = draw(distinct_inputs(widths[0], (N, N)))
    widths_above = pairwise(widths)
    half = fmpq(1) if ACTIVATIONS[sigma].rational else fmpq(1, 2)
    stack = [draw(matrices(below + 1, above, integers(bound))) * half for below, above in widths_above]
    Y = draw(matrices(X.nrows(), m, integers(2))) * fmpq(1, 2)
    net = _unweighted(deep(tuple(widths), sigma), stack, X, Y, draw(among(*losses)))
    return Level(net=net, k=k, blocks=_blocks(draw, k, L, all_blocks))


def _blocks(draw: st.DrawFn, k: int, L: int, several: bool) -> tuple[int, ...]:
    more = [l for l in range(k + 2, L + 1) if several and draw(_COIN)]
    return (k + 1, *more)


_COIN = among(False, True)


# --- on the lattice -----------------------------------------------------------------------------------


def _on_lattice(
    draw: st.DrawFn, sigma: str, X: fmpq_mat, widths: Sequence[int], how: Sequence[str]
) -> tuple[Network, list[fmpq_mat]] | None:
    """Weights at which every pre-activation is an integer, and Y = F_L; None where a sigmoid's exceeds 30.

    W_l, l >= 2, is an integer matrix times the least common denominator of F_{l−1}. ``how`` says of every
    layer whether its matrix is of "full" column rank (where it can be), "any", "zero" or of "one column"; or
    "ramps": units that see the first input alone, each with a bias of its own.
    """
    stack, F, N = [], X, X.nrows()
    for l, (below, above) in enumerate(pairwise(widths), 1):
        w = draw(matrices(below, above, integers(1)))
        b = draw(matrices(1, above, integers(1)))
        kind = how[l - 1]
        if kind == "full":
            for j in range(min(below, above)):
                for i in range(j):
                    w[i, j] = 0
                w[j, j] = 1 if w[j, j] >= 0 else -1
        elif kind == "ramps":
            w = fmpq_mat(below, above, [int(i == 0) for i in range(below) for _ in range(above)])
            b = fmpq_mat(1, above, [b[0, 0] + j for j in range(above)])
        elif kind == "zero":
            w = fmpq_mat(below, above)
        elif kind == "one column":
            w = hstack(fmpq_mat(below, 1, [row[0] for row in w.table()]), fmpq_mat(below, above - 1))
        w = w * math.lcm(*(int(e.q) for e in F.entries()))
        g = F * w
        shift = g.table()[0]
        g = g + _ones(N) * (b - fmpq_mat(1, above, shift))
        if not ACTIVATIONS[sigma].rational and any(abs(e) > 30 for e in g.entries()):
            return None
        stack.append(fmpq_mat(below + 1, above, [*w.entries(), *(b - fmpq_mat(1, above, shift)).entries()]))
        F = ACTIVATIONS[sigma].apply(g)
    return _unweighted(deep(tuple(widths), sigma), stack, X, F, squared), stack


@st.composite
def fitted_levels(
    draw: st.DrawFn,
    *,
    activations: tuple[str, ...] = ("sigmoid", "tanh"),
    samples: tuple[int, int] = (1, 3),
    outputs: tuple[int, int] = (1, 2),
    spare: tuple[int, int] = (0, 0),
    depth: tuple[int, int] = (2, 3),
    square: bool = True,
    all_blocks: bool = False,
) -> Level:
    """Minima with Φ = 0: Y = F_L, all pre-activations integers; W_2, …, W_L of full column rank; k = 1.

    n_1 = N − 1 plus ``spare``, and with ``square`` n_2 = … = n_L = m; the first layer is of ramps as often as
    not, and [F_1, 1] then of rank N. Shrinks to one sample and two layers.
    """
    L, N = draw(between(*depth)), draw(between(*samples))
    m, sigma = draw(between(*outputs)), draw(among(*activations))
    how = draw(among("ramps", "any"))
    d = 1 if how == "ramps" else draw(between(1, 2))
    widths = [d, max(N - 1 + draw(between(*spare)), 1), *[m] * (L - 1)]
    if not square:
        for l in range(L - 1, 1, -1):
            widths[l] = widths[l + 1] + draw(between(0, 1))
    X = draw(_grid(d, N))
    made = _on_lattice(draw, sigma, X, widths, [how, *["full"] * (L - 1)])
    if made is None:
        reject()
    return Level(net=made[0], k=1, blocks=_blocks(draw, 1, L, all_blocks))


@st.composite
def _grid(draw: st.DrawFn, d: int, N: int) -> fmpq_mat:
    """N distinct samples in {0, 1, −1}^d or, for d = 1, in {0, 1, −1, 2}."""
    most = 4 if d == 1 else 3**d
    codes = draw(st.lists(between(0, most - 1), min_size=N, max_size=N, unique=True))
    order = (0, 1, -1, 2)
    return fmpq_mat(N, d, [order[c // 3**j % 3] if d > 1 else order[c] for c in codes for j in range(d)])


@st.composite
def silent_levels(
    draw: st.DrawFn,
    *,
    activations: tuple[str, ...] = ("sigmoid", "tanh"),
    depth: tuple[int, int] = (2, 3),
    samples: tuple[int, int] = (1, 3),
    outputs: tuple[int, int] = (1, 2),
    weights: tuple[str, ...] = ("full", "zero", "one column"),
    features: str = "any",
    equations: str = "silent",
) -> Level:
    """∂Φ/∂W_{k+1} = 0 and ∂Φ/∂b_{k+1} = 0, planted; other layers need not be stationary.

    All pre-activations are integers; n_k >= N − 1. ``equations``: "silent": Δ_{k+1} = 0, k >= 1, each
    sample's residuals drawn among the solutions, free where σ′(G_L) = 0, and none but 0 if W_{k+2}, …, W_L
    have full column rank and σ′ > 0; "gradient": k = L − 1 and [F_k, 1]ᵀ Δ_L = 0; "weights only":
    F_kᵀ Δ_L = 0. ``weights`` of the layers above k + 1; ``features``: layer k sees "any" weights or "zero".
    Draws that allow only residuals 0 keep Y = F_L in the first case and are rejected in the others. Shrinks
    to one sample.
    """
    L, N = draw(between(*depth)), draw(between(*samples))
    m, sigma, d = draw(between(*outputs)), draw(among(*activations)), draw(between(1, 2))
    k = draw(between(1, L - 1)) if equations == "silent" else L - 1
    widths = [d, *[draw(between(1, 2)) for _ in range(L - 1)], m]
    widths[k] = max(N - 1, 1)
    X = draw(_grid(d, N))
    how = ["any"] * k + ["any"] + [draw(among(*weights)) for _ in range(L - k - 1)]
    if features == "zero":
        how[k - 1] = "zero"
    made = _on_lattice(draw, sigma, X, widths, how)
    if made is None:
        reject()
    net, stack = made
    at = run_exactly(net)
    assert at is not None
    chosen = draw(_COEFFICIENTS)
    if equations == "silent":
        rows = []
        for i in range(N):
            chain = _diagonal(at.slopes[-1].table()[i])
            for l in range(L - 1, k, -1):
                w = fmpq_mat(widths[l], widths[l + 1], stack[l].entries()[: widths[l] * widths[l + 1]])
                chain = chain * w.transpose() * _diagonal(at.slopes[l - 1].table()[i])
            rows.append(_combined(null_space(chain.transpose()), chosen[2 * i : 2 * i + 2]))
        residuals = [e for row in rows for e in row]
    else:
        f = at.F[k] if equations == "weights only" else hstack(at.F[k], _ones(N))
        basis = null_space(f.transpose())
        if not basis.ncols():
            reject()
        columns = [_combined(basis, chosen[2 * j : 2 * j + 2]) for j in range(m)]
        slopes = at.slopes[-1].table()
        if any(e == 0 for row in slopes for e in row):
            reject()
        residuals = [columns[j][i] / slopes[i][j] for i in range(N) for j in range(m)]
    return Level(net=_with_residuals(net, sigma, residuals), k=k, blocks=(k + 1,))


def _diagonal(entries: Sequence[fmpq]) -> fmpq_mat:
    n = len(entries)
    return fmpq_mat(n, n, [entries[i] if i == j else 0 for i in range(n) for j in range(n)])


def _combined(basis: fmpq_mat, chosen: Sequence[int]) -> list[fmpq]:
    """A combination of the columns of ``basis``, not 0 unless there are none."""
    picked = (list(chosen) + [0] * basis.ncols())[: basis.ncols()]
    if picked and not any(picked):
        picked[0] = 1
    return (basis * fmpq_mat(basis.ncols(), 1, picked)).entries() if picked else [fmpq(0)] * basis.nrows()


_COEFFICIENTS = st.lists(integers(1), min_size=6, max_size=6)


def _with_residuals(net: Network, sigma: str, residuals: Sequence[fmpq]) -> Network:
    """Y = F_L less the residuals times the largest 2^−j with labels in σ(ℝ)."""
    largest = max(abs(e) for e in residuals)
    if largest == 0:
        return net
    outputs, rho = net.Y.entries(), 1 / (2 * largest)
    while not all(in_range(sigma, f - rho * e) for f, e in zip(outputs, residuals, strict=True)):
        rho /= 2
    flat = [f - rho * e for f, e in zip(outputs, residuals, strict=True)]
    return replace(net, Y=fmpq_mat(net.Y.nrows(), net.Y.ncols(), flat))


@st.composite
def ridge_levels(
    draw: st.DrawFn,
    *,
    activations: tuple[str, ...] = ("sigmoid", "tanh"),
    depth: tuple[int, int] = (2, 3),
    spare: tuple[int, int] = (0, 0),
    flat: bool = False,
    last: bool = False,
) -> Level:
    """Critical points of networks whose first layer sees one direction a of two: not fitted, one output.

    Three samples lie on a line that a does not see, x_c = (x_a + x_b)/2; their residuals are 1 : 1 : −2, the
    others are fitted, so that [F_l, 1]ᵀ Δ_{l+1} = 0 in every layer. n_1 = N − 1 plus ``spare``. With ``flat``
    a = 0. I is {2} or, with ``last``, {L}. Shrinks to four samples, or three.
    """
    L, sigma = draw(between(*depth)), draw(among(*activations))
    direction, offset = ((1, 0), (0, 1)) if draw(_COIN) else ((0, 1), (1, 0))
    centre = (draw(integers(1)), draw(integers(1)))
    line = [tuple(c + s * o for c, o in zip(centre, offset, strict=True)) for s in (1, -1, 0)]
    others = [tuple(c + s * o for c, o in zip(centre, direction, strict=True)) for s in (1, -1)]
    rows = [*line, *others[: draw(between(0 if flat else 1, 2))]]
    N = len(rows)
    X = fmpq_mat(N, 2, [e for row in rows for e in row])
    widths = [2, N - 1 + draw(between(*spare)), *[draw(between(1, 2)) for _ in range(L - 2)], 1]
    made = _on_lattice(draw, sigma, X, widths, ["zero", *["full"] * (L - 1)])
    assert made is not None
    stack = made[1]
    if not flat:
        sizes = [draw(integers(1)) for _ in range(widths[1])]
        sizes[0] = sizes[0] or 1
        for j, s in enumerate(sizes):
            for i in range(2):
                stack[0][i, j] = s * direction[i]
    net = _relaid(sigma, X, widths, stack)
    if net is None:
        reject()
    residuals = [fmpq(1), fmpq(1), fmpq(-2), *[fmpq(0)] * (N - 3)]
    return Level(net=_with_residuals(net, sigma, residuals), k=1, blocks=(L,) if last else (2,))


def _relaid(sigma: str, X: fmpq_mat, widths: Sequence[int], stack: Sequence[fmpq_mat]) -> Network | None:
    """Integer pre-activations after a change of the first layer: what is above is scaled and shifted."""
    F, N, made = X, X.nrows(), []
    for l, w in enumerate(stack, 1):
        below, above = widths[l - 1], widths[l]
        top = fmpq_mat(below, above, w.entries()[: below * above])
        if l > 1:
            largest = max((abs(e) for e in top.entries() if e), default=fmpq(1))
            top = top / largest * math.lcm(*(int(e.q) for e in F.entries()))
        g = F * top
        shift = fmpq_mat(1, above, [-e for e in g.table()[0]])
        g = g + _ones(N) * shift
        if any(abs(e) > 30 for e in g.entries()):
            return None
        made.append(fmpq_mat(below + 1, above, [*top.entries(), *shift.entries()]))
        F = ACTIVATIONS[sigma].apply(g)
    return _unweighted(deep(tuple(widths), sigma), made, X, F, squared)


# --- smaller things -----------------------------------------------------------------------------------


@instance
class Matrix:
    """A symmetric matrix A, for f(z) = ½ zᵀ A z, and the coordinates ``subset`` of a block."""

    A: fmpq_mat
    subset: tuple[int, ...]


@instance
class Blocks:
    """Hessians [[I, 0], [0, 0]] ("first") or [[I, B], [Bᵀ, 0]] ("second"), B square."""

    kind: str
    B: fmpq_mat

    @property
    def hessian(self) -> fmpq_mat:
        """The whole matrix."""
        n = self.B.nrows()
        a = fmpq_mat(2 * n, 2 * n)
        for i in range(n):
            a[i, i] = 1
            for j in range(n):
                if self.kind == "second":
                    a[i, n + j] = a[n + j, i] = self.B[i, j]
        return a


@st.composite
def block_matrices(draw: st.DrawFn, *, singular: bool = False) -> Blocks:
    """The paper's two shapes with blocks of size 1 to 3, B unitriangular, or singular; shrinks to I."""
    n, kind = draw(between(1, 3)), draw(among("second") if singular else among("first", "second"))
    b = draw(matrices(n, n, integers(1)))
    for i in range(n):
        b[i, i] = int(not (singular and i == 0))
        for j in range(i):
            b[i, j] = 0
    return Blocks(kind=kind, B=b)


@st.composite
def symmetric_matrices(draw: st.DrawFn) -> Matrix:
    """Symmetric integer matrices of size 2 or 3 with any proper subset of coordinates."""
    n = draw(between(2, 3))
    a = draw(matrices(n, n, integers(1)))
    kept = tuple(i for i in range(n) if draw(_COIN)) or (0,)
    return Matrix(
        A=fmpq_mat(n, n, [a[min(i, j), max(i, j)] for i in range(n) for j in range(n)]), subset=kept
    )


@st.composite
def positive_definite_matrices(draw: st.DrawFn) -> Matrix:
    """Bᵀ B with B unitriangular, of size 2 to 4, and any subset of coordinates."""
    n = draw(between(2, 4))
    b = draw(matrices(n, n, integers(2)))
    for i in range(n):
        b[i, i] = 1
        for j in range(i):
            b[i, j] = 0
    kept = tuple(i for i in range(n) if draw(_COIN)) or (0,)
    return Matrix(A=b.transpose() * b, subset=kept)


@instance
class Weights:
    """The weight matrices W_2, …, W_L (or fewer) of a network: ``stack``, in order."""

    stack: tuple[fmpq_mat, ...]


@st.composite
def weights_of_rank(draw: st.DrawFn, *, narrowing: bool = False, full: bool = False) -> Weights:
    """1 to 3 integer matrices that fit, of up to 3 units.

    With ``narrowing`` n_{l−1} >= n_l; with ``full`` they have full column rank. Shrinks to 1 × 1 zeros.
    """
    count = draw(between(1, 3))
    widths = [draw(between(1, 3))]
    for _ in range(count):
        widths.append(draw(between(1, widths[-1] if narrowing or full else 3)))
    stack = []
    for below, above in pairwise(widths):
        w = draw(matrices(below, above, integers(1)))
        if full:
            for j in range(above):
                for i in range(j):
                    w[i, j] = 0
                w[j, j] = 1
        stack.append(w)
    return Weights(stack=tuple(stack))


@instance
class PerturbedPolynomial:
    """f(x) + w x in one dimension: ``f`` holds the coefficients of f, constant first."""

    f: fmpq_mat
    w: fmpq


@st.composite
def perturbed_polynomials(draw: st.DrawFn, *, degree: tuple[int, int] = (0, 5)) -> PerturbedPolynomial:
    """Integer polynomials of these degrees or less, w exceptional now and then; shrinks to 0."""
    n = draw(between(*degree)) + 1
    f = draw(matrices(1, n, integers(2)))
    at, aimed = draw(integers(2)), draw(_COIN)
    slope = sum((fmpq(j) * f[0, j] * fmpq(at) ** (j - 1) for j in range(1, n)), fmpq(0))
    return PerturbedPolynomial(f=f, w=-slope if aimed else fmpq(at))


@instance
class Bivariate:
    """Ψ(u, v) = Σ c_ij u^i v^j with a point (u0, v0)."""

    c: fmpq_mat
    u0: fmpq
    v0: fmpq


@st.composite
def bivariate_polynomials(draw: st.DrawFn, *, singular: bool = False) -> Bivariate:
    """Ψ(u0, v0) = 0 and ∂Ψ/∂v ≠ 0 there, or = 0 if ``singular``; degrees up to 2 in u and 1 to 3 in v.

    The coefficients 1 and v − v0 are adjusted last. Shrinks to few terms at the origin.
    """
    c = draw(matrices(draw(between(2, 3)), draw(between(2, 4)), integers(2)))
    terms = [(i, j) for i in range(c.nrows()) for j in range(c.ncols())]
    u0, v0 = fmpq(draw(integers(1))), fmpq(draw(integers(1)))
    slope = sum((c[i, j] * u0**i * j * v0 ** (j - 1) for i, j in terms if j), fmpq(0))
    if singular:
        c[0, 1] -= slope
    elif slope == 0:
        c[0, 1] += 1
    c[0, 0] -= sum((c[i, j] * u0**i * v0**j for i, j in terms), fmpq(0))
    return Bivariate(c=c, u0=u0, v0=v0)
