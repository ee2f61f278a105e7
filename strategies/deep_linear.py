"""Deep linear problems min ½‖W_H ⋯ W₁ X − Y‖² with their data and weights, as in Lu & Kawaguchi (2017)."""

from __future__ import annotations

from functools import cache
from typing import Any

from flint import fmpq, fmpq_mat
from hypothesis import strategies as st

from strategies.instance import instance
from strategies.matrices import (
    columns,
    hstack,
    identity,
    matrices,
    matrices_of_rank,
    null_space,
    orthogonal_matrices,
    product_of,
    rows,
    vstack,
    zeros,
)
from strategies.numbers import among, between

__all__ = [
    "CLASSES",
    "DeepLinearProblem",
    "DiagonalProblem",
    "Reduction",
    "Reparametrisation",
    "Rotation",
    "WeightedRankOne",
    "deep_linear_problems",
    "diagonal_problems",
    "eigenplanted_problems",
    "planted_critical_problems",
    "reductions",
    "reparametrisations",
    "rotations",
    "weighted_rank_one_points",
    "widths",
]


@instance
class DeepLinearProblem:
    """Weights W₁ (d₁ × d₀), …, W_H (d_H × d_{H−1}) in order of application, inputs X (d₀ × m), targets Y
    (d_H × m).

    The paper's convention: columns are samples. L = ½‖W_H ⋯ W₁ X − Y‖_F², eq. (1); p is (any) index of
    the least width, d_p = min d_i over i = 0 … H.
    """

    weights: tuple[fmpq_mat, ...]
    X: fmpq_mat
    Y: fmpq_mat

    def __post_init__(self) -> None:
        if not self.weights:
            raise ValueError("a deep linear problem has at least one weight matrix")
        widths = self.widths
        for k, w in enumerate(self.weights):
            if (w.nrows(), w.ncols()) != (widths[k + 1], widths[k]):
                raise ValueError(
                    f"W_{k + 1} is {w.nrows()} x {w.ncols()} where {widths[k + 1]} x {widths[k]} is needed"
                )
        if self.X.nrows() != widths[0] or self.Y.nrows() != widths[-1] or self.X.ncols() != self.Y.ncols():
            raise ValueError(
                f"X is {self.X.nrows()} x {self.X.ncols()} and Y {self.Y.nrows()} x {self.Y.ncols()}: "
                f"they need {widths[0]} and {widths[-1]} rows and the same number of columns"
            )

    @property
    def widths(self) -> tuple[int, ...]:
        """(d₀, …, d_H)."""
        return (self.weights[0].ncols(), *(w.nrows() for w in self.weights))

    @property
    def least_width(self) -> int:
        """d_p = min d_i."""
        return min(self.widths)

    def below(self, j: int) -> fmpq_mat:
        """A_j = W_j ⋯ W₁ (d_j × d₀), the identity for j = 0."""
        return product_of(self.weights[:j], self.widths[0])

    def above(self, j: int) -> fmpq_mat:
        """B_j = W_H ⋯ W_{j+1} (d_H × d_j), the identity for j = H."""
        return product_of(self.weights[j:], self.widths[j])

    @property
    def R(self) -> fmpq_mat:
        """The product W_H ⋯ W₁ (d_H × d₀)."""
        return self.below(len(self.weights))

    @property
    def E(self) -> fmpq_mat:
        """The residual R X − Y (d_H × m)."""
        return self.R * self.X - self.Y

    @property
    def G(self) -> fmpq_mat:
        """E Xᵀ, the gradient of ½‖R X − Y‖² in R (d_H × d₀)."""
        return self.E * self.X.transpose()

    @property
    def loss(self) -> fmpq:
        """L = ½‖R X − Y‖_F²."""
        return sum((e * e for e in self.E.entries()), fmpq(0)) / 2

    def gradient(self) -> tuple[fmpq_mat, ...]:
        """∂L/∂W_i = B_iᵀ G A_{i−1}ᵀ for i = 1 … H."""
        g = self.G
        return tuple(
            self.above(i).transpose() * g * self.below(i - 1).transpose()
            for i in range(1, len(self.weights) + 1)
        )


CLASSES: dict[str, Any] = {
    "every weight 0": lambda p: not any(any(w.entries()) for w in p.weights),
    "R = 0": lambda p: not any(p.R.entries()),
    "0 < rank R < d_p": lambda p: 0 < p.R.rank() < p.least_width,
    "rank R = d_p": lambda p: p.R.rank() == p.least_width,
    "full layers, rank R < d_p": lambda p: p.R.rank() < p.least_width and all(map(_is_full, p.weights)),
    "a deficient layer": lambda p: not all(map(_is_full, p.weights)),
    "deficient X": lambda p: p.X.rank() < p.X.nrows(),
    "Y X^T = 0": lambda p: not any((p.Y * p.X.transpose()).entries()),
    "rank Y X^T < d_p": lambda p: (p.Y * p.X.transpose()).rank() < p.least_width,
    "inner bottleneck": lambda p: p.least_width < min(p.widths[0], p.widths[-1]),
    "G = 0": lambda p: not any(p.G.entries()),
}
"""The degenerate classes that decide everything in the deep linear paper, for ``reaches=``."""


def _is_full(w: fmpq_mat) -> bool:
    return int(w.rank()) == min(w.nrows(), w.ncols())


# --- shapes and data ---------------------------------------------------------------------------------

_width = among(1, 2, 2, 3, 1, 2, 3, 1, 2, 4, 5)


@cache
@st.composite
def widths(
    draw: st.DrawFn, low: int = 1, high: int = 5, bottleneck: bool = False, ends: int = 1
) -> tuple[int, ...]:
    """(d₀, …, d_H) with low <= H <= high and widths in 1 … 5, mostly small; d₀, d_H >= ``ends``.

    With ``bottleneck`` (low >= 2) an inner width lies below both ends. Shrinks to the least depth and to
    widths 1. Drawn as six widths of which H + 1 are used, so that depth shrinks without a new start.
    """
    depth = draw(among(*(h for h in (1, 2, 3, 2, 3, 4, 5) if low <= h <= high)))
    d = [draw(_width) for _ in range(6)][: depth + 1]
    d[0], d[-1] = max(d[0], ends), max(d[-1], ends)
    if bottleneck:
        least, at = draw(among(1, 1, 2)), draw(between(1, depth - 1))
        d = [max(e, least) for e in d]
        d[at], d[0], d[-1] = least, max(d[0], least + 1), max(d[-1], least + 1)
    return tuple(d)


@st.composite
def _inputs(draw: st.DrawFn, d: tuple[int, ...], inputs: str) -> fmpq_mat:
    """X: of full row rank ("full"), deficient ("deficient"), zero ("zero"), or mostly full ("any")."""
    m = d[0] + draw(among(0, 1, 2, 3))
    if inputs == "any":
        inputs = draw(among("full", "full", "deficient"))
    if inputs == "full":
        rank = d[0]
    else:
        rank = 0 if inputs == "zero" else draw(between(0, d[0] - 1))
        m = max(1, draw(between(1, m)), rank)
    return draw(matrices_of_rank(d[0], m, rank))


def _split(X: fmpq_mat) -> tuple[fmpq_mat, fmpq_mat]:
    """A basis of the rows of X (ρ × m), and one of their orthogonal complement ((m − ρ) × m), integral."""
    reduced = X.rref()[0]
    table = X.transpose().rref()[0].table()  # its pivots name independent rows of X
    which = [next(j for j, e in enumerate(row) if e) for row in table if any(row)]
    return rows(X, which), _integral(null_space(reduced)).transpose()


def _integral(basis: fmpq_mat) -> fmpq_mat:
    """Every column times the least positive integer that clears its denominators."""
    scaled = fmpq_mat(basis.nrows(), basis.ncols())
    for j, column in enumerate(basis.transpose().table()):
        _, denominator = fmpq_mat(1, len(column), column).numer_denom()
        for i, e in enumerate(column):
            scaled[i, j] = e * denominator
    return scaled


def _completed(X: fmpq_mat, Y: fmpq_mat) -> tuple[fmpq_mat, fmpq_mat]:
    """X, Y with samples (0, e_i) added until Y has full row rank: E Xᵀ stays what it is."""
    n, rank = Y.nrows(), int(Y.rank())
    for i in range(n):
        if rank == n:
            break
        longer = hstack(Y, fmpq_mat(n, 1, [int(k == i) for k in range(n)]))
        if longer.rank() > rank:
            X, Y, rank = hstack(X, zeros(X.nrows(), 1)), longer, rank + 1
    return X, Y


@st.composite
def _layers(draw: st.DrawFn, d: tuple[int, ...], layers: str) -> tuple[fmpq_mat, ...]:
    """Weights "zero", of "full" rank, of drawn "ranks", with free "integers", partial "shifts", or "any"
    of these.

    A shift has ±1 at min(m, n) places (a + k, b + k), taken cyclically: it has full rank, and yet products of
    shifts lose rank wherever a wide layer lies between narrow ones.
    """
    if layers == "any":
        layers = draw(among("zero", "ranks", "shifts", "ranks", "full", "ranks", "ranks"))
    drawn = []
    for m, n in zip(d[1:], d[:-1], strict=True):
        if layers == "integers":
            drawn.append(draw(matrices(m, n)))
        elif layers == "shifts":
            shift, a, b = zeros(m, n), draw(between(0, m - 1)), draw(between(0, n - 1))
            for k in range(min(m, n)):
                shift[(a + k) % m, (b + k) % n] = draw(among(1, -1))
            drawn.append(shift)
        else:
            lost = {"full": 0, "zero": 5}.get(layers)
            lost = draw(among(0, 0, 1, 0, 2, 5)) if lost is None else lost
            drawn.append(draw(matrices_of_rank(m, n, max(0, min(m, n) - lost))))
    return tuple(drawn)


@st.composite
def deep_linear_problems(
    draw: st.DrawFn,
    /,
    shape: st.SearchStrategy[tuple[int, ...]] | None = None,
    inputs: str = "any",
    targets: str = "any",
    correlation: str = "any",
    layers: str = "any",
) -> DeepLinearProblem:
    """Problems with rank(Y Xᵀ) = q by construction: Y = D B + N K, B a basis of the rows of X, K of the rest.

    ``shape`` draws (d₀, …, d_H) (``widths()``); ``inputs`` is "full", "deficient", "zero" or "any";
    ``targets`` "full" makes Y of full row rank; ``correlation`` makes q "zero", "some" (> 0),
    "short" (< d_p), "enough" (>= d_p, where X allows it), "full" (as large as X allows) or "any";
    ``layers`` is "full", "zero", "ranks", "integers", "shifts" or "any" of these (see ``_layers``).
    Shrinks to one sample, width 1, depth 1 and zeros.
    """
    d = draw(shape if shape is not None else widths())
    X = draw(_inputs(d, inputs))
    base, rest = _split(X)
    most, least = min(d[-1], base.nrows()), min(d)
    low = {"some": min(1, most), "enough": min(least, most), "full": most}.get(correlation, 0)
    high = {"zero": 0, "short": min(least - 1, most)}.get(correlation, most)
    D = draw(matrices_of_rank(d[-1], base.nrows(), draw(between(low, high))))
    Y = D * base + draw(matrices(d[-1], rest.nrows())) * rest
    if targets == "full":
        X, Y = _completed(X, Y)
    return DeepLinearProblem(weights=draw(_layers(d, layers)), X=X, Y=Y)


# --- critical points ---------------------------------------------------------------------------------


@st.composite
def planted_critical_problems(
    draw: st.DrawFn,
    /,
    shape: st.SearchStrategy[tuple[int, ...]] | None = None,
    inputs: str = "any",
    targets: str = "any",
    layers: str = "any",
    residual: str = "any",
) -> DeepLinearProblem:
    """Problems at an exact critical point, drawn from all that weights of given ranks and X allow.

    The gradient B_iᵀ (E Xᵀ) A_{i−1}ᵀ is linear in E = D B + N K (rows of B span those of X, K the rest):
    D is a small integer combination of a basis of the solutions, N is free, and Y = R X − E. Every critical
    triple (W, X, Y) is of this form. Where only D = 0 solves, layers are set to zero one after the other
    until something else does (two zero layers leave D free; depth 1 has no other). ``residual`` "zero"
    takes D = 0, a global minimum whatever the ranks are (so that rank(Y Xᵀ) < d_p occurs); "any" does so
    in one case of four. The other options are those of ``deep_linear_problems``. Shrinks to one sample,
    widths 1, zero weights and E = 0.
    """
    d = draw(shape if shape is not None else widths())
    X = draw(_inputs(d, inputs))
    W = draw(_layers(d, layers))
    base, rest = _split(X)
    chosen, first = draw(matrices(25, 1)), draw(among(1, -1, 2))
    scale = draw(among(fmpq(1), fmpq(1), fmpq(3), fmpq(1, 7)))
    if residual == "any":
        residual = draw(among("zero", "solved", "solved", "solved"))
    E = draw(matrices(d[-1], rest.nrows())) * rest
    found = DeepLinearProblem(weights=W, X=X, Y=zeros(d[-1], X.ncols()))
    start = draw(between(0, len(W) - 1))
    for count in range(len(W) + 1):
        if residual == "zero":
            break
        if count:  # no residual makes this point critical but those that make it optimal: a layer becomes 0
            k = (start + count - 1) % len(W)
            W = (*W[:k], zeros(W[k].nrows(), W[k].ncols()), *W[k + 1 :])
            found = DeepLinearProblem(weights=W, X=X, Y=found.Y)
        basis = _critical_residuals(found, base * X.transpose())
        if basis.ncols():
            chosen[0, 0] = first
            flat = basis * rows(chosen, range(basis.ncols()))
            E = E + fmpq_mat(d[-1], base.nrows(), flat.entries()) * base * scale
            break
    Y = found.R * X - E
    if targets == "full":
        X, Y = _completed(X, Y)
    return DeepLinearProblem(weights=W, X=X, Y=Y)


def _critical_residuals(p: DeepLinearProblem, gram: fmpq_mat) -> fmpq_mat:
    """A basis (columns, row by row) of the D (d_H × ρ) with B_iᵀ (D ``gram``) A_{i−1}ᵀ = 0 for every i."""
    d_h, rho = p.widths[-1], gram.nrows()
    equations: list[list[fmpq]] = []
    for i in range(1, len(p.weights) + 1):
        left = _independent_rows(p.above(i).transpose())
        right = _independent_rows(p.below(i - 1) * gram.transpose())
        equations += [[a * b for a in row for b in other] for row in left for other in right]
    flat = [e for row in equations for e in row]
    return _integral(null_space(fmpq_mat(len(equations), d_h * rho, flat)))


def _independent_rows(a: fmpq_mat) -> list[list[fmpq]]:
    return [row for row in a.rref()[0].table() if any(row)] if a.nrows() and a.ncols() else []


@st.composite
def eigenplanted_problems(
    draw: st.DrawFn,
    /,
    shape: st.SearchStrategy[tuple[int, ...]] | None = None,
    keep: str = "any",
    values: str = "any",
    targets: str = "any",
) -> DeepLinearProblem:
    """Critical points that keep a known set S of singular values of Ŷ (Y projected on the rows of X).

    X = M [I 0] Oᵀ and Y = [U Σ Vᵀ, N] Oᵀ with rational orthogonal U, V, O and invertible M; Σ holds integers
    0 … 3, with ties and zeros. R = U_S Σ_S V_Sᵀ M⁻¹ is split as W_j = T_j (I ⊕ F_j) T_{j−1}⁻¹; the parts F_j
    beyond R (any rows and columns at the ends) are drawn, and set to zero one after the other until the point
    is critical, which two zeros always achieve. ``keep`` "top" keeps the largest possible set: a global
    minimum; "not top" drops a larger value for a smaller one or leaves room (where there is a choice).
    ``values`` "tied" makes the two largest equal, "distinct" all different and positive. X has full row rank.
    Shrinks to widths 1 and Σ = 0.
    """
    d = draw(shape if shape is not None else widths())
    depth, d_0, d_h, n = len(d) - 1, d[0], d[-1], min(d[0], d[-1])
    sigma = [draw(among(0, 1, 2, 3, 1, 2, 3, 1, 2)) for _ in range(n)]
    if values == "tied":
        sigma[:2] = [max(1, *sigma[:2])] * 2 if n > 1 else sigma
    elif values == "distinct":
        sigma = [s + 1 + 4 * k for k, s in enumerate(sigma)][:: draw(among(-1, 1))]
    positive = sorted((k for k in range(n) if sigma[k]), key=lambda k: -sigma[k])
    most = min(len(positive), min(d))
    flags = [draw(among(False, True, True)) for _ in range(5)][:n]
    S = [k for k in positive if flags[k]][:most]
    if keep == "top" or depth == 1:
        S = positive[:most]
    elif keep == "not top" and sum(sigma[k] for k in S) == sum(sigma[k] for k in positive[:most]):
        S = positive[-most:][: max(0, most - (sigma[positive[-1]] == sigma[positive[0]]))] if positive else []
    r, more = len(S), draw(among(0, 1, 2))
    U, V, O = (draw(orthogonal_matrices(size, bound=1)) for size in (d_h, d_0, d_0 + more))
    M = draw(matrices_of_rank(d_0, d_0, d_0, bound=1))
    N, turn = draw(matrices(d_h, more)), O.transpose()
    X = hstack(M, zeros(d_0, more)) * turn
    Y = hstack(U * _diagonal(sigma, d_h, d_0) * V.transpose(), N) * turn
    if targets == "full":
        X, Y = _completed(X, Y)
    to_rows = V.transpose() * M.inv()
    first, last = _diagonal([sigma[k] for k in S], r, r) * rows(to_rows, S), columns(U, S)
    if depth == 1:
        return DeepLinearProblem(weights=(last * first,), X=X, Y=Y)
    T = [draw(matrices_of_rank(d[j], d[j], d[j], bound=1)) for j in range(1, depth)]
    extra = []
    for j in range(1, depth + 1):
        size = d_h if j == depth else d[j] - r, d_0 if j == 1 else d[j - 1] - r
        extra.append(draw(matrices(*size)) if draw(st.booleans()) else zeros(*size))
    start = draw(between(0, depth - 1))
    for count in range(depth + 1):
        if count:
            k = (start + count - 1) % depth
            extra[k] = zeros(extra[k].nrows(), extra[k].ncols())
        weights = [T[0] * vstack(first, extra[0] * to_rows)]
        for j in range(2, depth):
            weights.append(T[j - 1] * _direct_sum(identity(r), extra[j - 1]) * T[j - 2].inv())
        weights.append(hstack(last, U * extra[-1]) * T[-1].inv())
        planted = DeepLinearProblem(weights=tuple(weights), X=X, Y=Y)
        if last * first == planted.R and not any(any(g.entries()) for g in planted.gradient()):
            return planted
    raise AssertionError("two zero factors make the point critical")


def _diagonal(values: list[int], m: int, n: int) -> fmpq_mat:
    diagonal = fmpq_mat(m, n)
    for k, value in enumerate(values):
        diagonal[k, k] = value
    return diagonal


def _direct_sum(a: fmpq_mat, b: fmpq_mat) -> fmpq_mat:
    return vstack(
        hstack(a, zeros(a.nrows(), b.ncols())),
        hstack(zeros(b.nrows(), a.ncols()), b),
    )


# --- changes of basis, normal forms, other losses ----------------------------------------------------


@instance
class Reparametrisation:
    """A problem, a hidden layer 1 <= j < H, and an invertible T (d_j × d_j): W_{j+1} T⁻¹ and T W_j."""

    problem: DeepLinearProblem
    layer: int
    T: fmpq_mat

    @property
    def there(self) -> DeepLinearProblem:
        """The problem at (…, W_{j+1} T⁻¹, T W_j, …)."""
        weights = list(self.problem.weights)
        weights[self.layer - 1] = self.T * weights[self.layer - 1]
        weights[self.layer] = weights[self.layer] * self.T.inv()
        return DeepLinearProblem(weights=tuple(weights), X=self.problem.X, Y=self.problem.Y)


@st.composite
def reparametrisations(draw: st.DrawFn, problems: st.SearchStrategy[DeepLinearProblem]) -> Reparametrisation:
    """Problems of depth >= 2 with a change of basis in one hidden layer. Shrinks to T = I in layer 1."""
    p = draw(problems)
    layer = draw(between(1, len(p.weights) - 1))
    T = draw(matrices_of_rank(p.widths[layer], p.widths[layer], p.widths[layer]))
    return Reparametrisation(problem=p, layer=layer, T=T)


@instance
class DiagonalProblem:
    """Eq. (5), min H(T) = ‖T − Σ₂‖_F² over rank T <= k, at a point T. Σ₂ is diagonal, >= 0, sorted."""

    sigma: fmpq_mat
    T: fmpq_mat
    k: int

    def __post_init__(self) -> None:
        table = self.sigma.table()
        values = [table[i][i] for i in range(min(self.sigma.nrows(), self.sigma.ncols()))]
        if any(e for i, row in enumerate(table) for j, e in enumerate(row) if i != j):
            raise ValueError("sigma must be diagonal")
        if values != sorted(values, reverse=True) or any(v < 0 for v in values):
            raise ValueError(f"the diagonal {values} must be non-negative and not increase")

    @property
    def blocks(self) -> list[tuple[fmpq, int, int]]:
        """(λ_i, first index, m_i) for the distinct positive diagonal terms λ₁ > … > λ_r."""
        found: list[tuple[fmpq, int, int]] = []
        for i in range(min(self.sigma.nrows(), self.sigma.ncols())):
            value = self.sigma[i, i]
            if found and found[-1][0] == value:
                found[-1] = (value, found[-1][1], found[-1][2] + 1)
            elif value:
                found.append((value, i, 1))
        return found

    def block(self, first: int, size: int) -> fmpq_mat:
        """T_i*, the diagonal block of T."""
        which = range(first, first + size)
        return columns(rows(self.T, which), which)

    @property
    def ranks(self) -> list[int]:
        """d_{p_i} = rank T_i*."""
        return [int(self.block(first, size).rank()) for _, first, size in self.blocks]

    @property
    def H(self) -> fmpq:
        """‖T − Σ₂‖_F²."""
        return sum((e * e for e in (self.T - self.sigma).entries()), fmpq(0))

    @property
    def factored(self) -> DeepLinearProblem:
        """The same point as a product through a layer of width k: X = I, Y = Σ₂. Zeros pad the factors."""
        m, n = self.T.nrows(), self.T.ncols()
        reduced, rank = self.T.rref()
        pivots = [next(j for j, e in enumerate(row) if e) for row in reduced.table()[:rank]]
        left = hstack(columns(self.T, pivots), zeros(m, self.k - rank))
        right = vstack(rows(reduced, range(rank)), zeros(self.k - rank, n))
        return DeepLinearProblem(weights=(right, left), X=identity(n), Y=self.sigma)


@st.composite
def _diagonal_data(draw: st.DrawFn, rotatable: bool, keep: str, room: str) -> tuple[Any, ...]:
    """(Σ₂, k, [(λ, first, m, d, Q)]): Q is orthogonal, its first d columns span the range of the block."""
    count = draw(between(2, 3)) if rotatable else draw(between(0, 3))
    lambdas = [draw(between(1, 2)) for _ in range(count)]
    sizes = [draw(among(1, 1, 2)) for _ in range(count)]
    values = [fmpq(sum(lambdas[i:])) for i in range(count)]
    null = draw(between(0 if count else 1, 1))
    n = sum(sizes) + null
    more = (0, 0) if rotatable else (draw(between(0, 1)), draw(between(0, 1)))
    sigma = fmpq_mat(n + more[0], n + more[1])
    blocks, first = [], 0
    kept = [draw(between(0, 2)) for _ in range(count)]
    if rotatable:
        low = draw(between(1, count - 1))
        high = draw(between(0, low - 1))
        kept[low], kept[high] = max(1, kept[low]), min(kept[high], sizes[high] - 1)
    spare = draw(between(0, 2))
    k = max(1, sum(map(min, kept, sizes)) + spare)
    if keep == "top":
        left = k
        for i in range(count):
            kept[i] = min(sizes[i], left)
            left -= kept[i]
    if room == "none":
        k = max(1, sum(map(min, kept, sizes)))
    for value, size, d in zip(values, sizes, kept, strict=True):
        for i in range(first, first + size):
            sigma[i, i] = value
        blocks.append((value, first, size, min(d, size), draw(orthogonal_matrices(size))))
        first += size
    return sigma, k, blocks


def _point(sigma: fmpq_mat, blocks: list[Any]) -> fmpq_mat:
    T = zeros(sigma.nrows(), sigma.ncols())
    for value, first, size, d, q in blocks:
        part = columns(q, range(d)) * columns(q, range(d)).transpose() * value if d else zeros(size, size)
        for i in range(size):
            for j in range(size):
                T[first + i, first + j] = part[i, j]
    return T


@st.composite
def diagonal_problems(draw: st.DrawFn, keep: str = "any", room: str = "any") -> DiagonalProblem:
    """Critical points of eq. (5): T = λ_i Π_i in every block, Π_i a rational projection of drawn rank
    d_{p_i}.

    Σ₂ has up to three distinct positive values with multiplicities 1 or 2, then zeros, more rows or columns.
    k >= rank T, with room to spare or (``room`` "none") k = rank T, at least 1. ``keep`` "top" fills the
    blocks from the largest on: a global minimum. Shrinks to Σ₂ = 0 (1 × 1).
    """
    sigma, k, blocks = draw(_diagonal_data(False, keep, room))
    return DiagonalProblem(sigma=sigma, T=_point(sigma, blocks), k=k)


@instance
class Rotation:
    """A point of eq. (5) and the rotation by θ of its proof, cos θ = (1 − t²)/(1 + t²), sin θ = 2t/(1 +
    t²), 0 <= t < 1.

    u is a unit eigenvector kept by T for the value ``small``, v one not kept for the value ``large``.
    """

    problem: DiagonalProblem
    u: fmpq_mat
    v: fmpq_mat
    small: fmpq
    large: fmpq
    t: fmpq

    def angle(self, t: fmpq) -> tuple[fmpq, fmpq]:
        """(cos θ, sin θ)."""
        return (1 - t * t) / (1 + t * t), 2 * t / (1 + t * t)

    def tau(self, t: fmpq) -> fmpq:
        """λ_{i₁} sin²θ + λ_{i₂} cos²θ."""
        c, s = self.angle(t)
        return self.large * s * s + self.small * c * c

    def turned(self, t: fmpq) -> DiagonalProblem:
        """T(θ)."""
        c, s = self.angle(t)
        w, p = self.u * c + self.v * s, self.problem
        T = p.T - self.u * self.u.transpose() * self.small + w * w.transpose() * self.tau(t)
        return DiagonalProblem(sigma=p.sigma, T=T, k=p.k)


@st.composite
def rotations(draw: st.DrawFn) -> Rotation:
    """Square points of eq. (5) with d_{p_{i₁}} < m_{i₁} and d_{p_{i₂}} >= 1 for some i₁ < i₂, and t in
    [0, 1).

    Shrinks to Σ₂ = diag(2, 1), T = diag(0, 1), t = 0.
    """
    sigma, k, blocks = draw(_diagonal_data(True, "any", "any"))
    low = next(j for j, b in enumerate(blocks) if b[3] and any(c[3] < c[2] for c in blocks[:j]))
    high = next(i for i, b in enumerate(blocks[:low]) if b[3] < b[2])
    n = sigma.nrows()

    def unit(block: Any, column: int) -> fmpq_mat:
        vector = zeros(n, 1)
        for i in range(block[2]):
            vector[block[1] + i, 0] = block[4][i, column]
        return vector

    return Rotation(
        problem=DiagonalProblem(sigma=sigma, T=_point(sigma, blocks), k=k), u=unit(blocks[low], 0),
        v=unit(blocks[high], blocks[high][3]), small=blocks[low][0], large=blocks[high][0],
        t=fmpq(draw(between(0, 7)), 8),
    )  # fmt: skip


@instance
class Reduction:
    """Problem (2) given by its singular value decompositions, all rational.

    X = U₁ [Σ̂₁ 0] V₁ᵀ and Y = [U₂ Σ₂ V₂ᵀ, N] V₁ᵀ with ``scale`` = Σ̂₁ (d₀ × d₀, positive diagonal); R is
    any point.
    """

    U1: fmpq_mat
    scale: fmpq_mat
    V1: fmpq_mat
    U2: fmpq_mat
    sigma: fmpq_mat
    V2: fmpq_mat
    N: fmpq_mat
    R: fmpq_mat

    @property
    def X(self) -> fmpq_mat:
        """d₀ × m."""
        return self.U1 * hstack(self.scale, zeros(self.scale.nrows(), self.N.ncols())) * self.V1.transpose()

    @property
    def Y(self) -> fmpq_mat:
        """d_H × m."""
        return hstack(self.U2 * self.sigma * self.V2.transpose(), self.N) * self.V1.transpose()


@st.composite
def reductions(draw: st.DrawFn) -> Reduction:
    """Problem (2) at any point R, small, with rational singular value decompositions. Shrinks to 1 × 1."""
    d_0, d_h, more = draw(between(1, 3)), draw(between(1, 3)), draw(between(0, 2))
    scale = _diagonal([draw(between(1, 3)) for _ in range(d_0)], d_0, d_0)
    values = sorted((draw(between(0, 3)) for _ in range(min(d_0, d_h))), reverse=True)
    return Reduction(
        U1=draw(orthogonal_matrices(d_0)), scale=scale, V1=draw(orthogonal_matrices(d_0 + more, bound=1)),
        U2=draw(orthogonal_matrices(d_h)), sigma=_diagonal(values, d_h, d_0),
        V2=draw(orthogonal_matrices(d_0)), N=draw(matrices(d_h, more)), R=draw(matrices(d_h, d_0)),
    )  # fmt: skip


@instance
class WeightedRankOne:
    """Σ C_ij (a_i b_j − Y_ij)² with C > 0: the rank-1 problem with X = I in another norm, at (a, b)."""

    C: fmpq_mat
    Y: fmpq_mat
    a: fmpq_mat
    b: fmpq_mat


@st.composite
def weighted_rank_one_points(draw: st.DrawFn) -> WeightedRankOne:
    """Critical 2 × 2 points: C ∘ E = c a' b'ᵀ with a' ⊥ a ≠ 0, b' ⊥ b ≠ 0, Y = a bᵀ − E; shrink to E = 0."""
    C = fmpq_mat(2, 2, [draw(between(1, 4)) for _ in range(4)])
    a, b = (fmpq_mat(2, 1, [draw(between(0, 2)), draw(between(1, 2))]) for _ in range(2))
    c = draw(between(-3, 3))
    E = fmpq_mat(2, 2)
    for i, x in enumerate((a[1, 0], -a[0, 0])):
        for j, y in enumerate((b[1, 0], -b[0, 0])):
            E[i, j] = c * x * y / C[i, j]
    return WeightedRankOne(C=C, Y=a * b.transpose() - E, a=a, b=b)
