"""What Section 3 of Lu & Kawaguchi (2017) is about: matrices and products near given ones, known
decompositions.

Everything is rational. A singular value decomposition is drawn by its factors, so that repeated and zero
singular values are exact; a perturbation is a matrix and an exact ε.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from flint import fmpq, fmpq_mat
from hypothesis import strategies as st

from strategies.deep_linear import DeepLinearProblem
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
)
from strategies.numbers import among, between, integers

__all__ = [
    "ChosenLayer",
    "Decomposition",
    "DecompositionPair",
    "FactoredPair",
    "PerturbedDecomposition",
    "PerturbedMatrix",
    "PerturbedProduct",
    "SplitPair",
    "bottleneck_minima",
    "chosen_layers",
    "decomposition_pairs",
    "decompositions",
    "doubled_pairs",
    "factored_pairs",
    "kappa",
    "near_singular_matrices",
    "perturbed_decompositions",
    "perturbed_factors",
    "perturbed_matrices",
    "perturbed_products",
    "realizable_minima",
    "small_rotations",
    "split_pairs",
    "vanishing_pairs",
]

EPSILONS = (fmpq(1, 10), fmpq(1, 10**3), fmpq(1, 10**6))


@instance
class PerturbedMatrix:
    """A matrix M (m × n) and M + ε D, where D has the shape of M."""

    M: fmpq_mat
    D: fmpq_mat
    epsilon: fmpq

    def __post_init__(self) -> None:
        if (self.M.nrows(), self.M.ncols()) != (self.D.nrows(), self.D.ncols()):
            raise ValueError("M and D have different shapes")

    @property
    def change(self) -> fmpq_mat:
        """ε D."""
        return self.D * self.epsilon

    @property
    def perturbed(self) -> fmpq_mat:
        """M + ε D."""
        return self.M + self.change


@instance
class Decomposition:
    """A full singular value decomposition U Σ Vᵀ: U (m × m) and V (n × n) orthogonal, values in any order.

    ``values`` is 1 × min(m, n) and non-negative. Raises ``ValueError`` if U or V is not orthogonal.
    """

    U: fmpq_mat
    values: fmpq_mat
    V: fmpq_mat

    def __post_init__(self) -> None:
        for name, q in (("U", self.U), ("V", self.V)):
            if q.transpose() * q != identity(q.nrows()):
                raise ValueError(f"{name} is not orthogonal")
        if (self.values.nrows(), self.values.ncols()) != (1, min(self.U.nrows(), self.V.nrows())):
            raise ValueError(f"{min(self.U.nrows(), self.V.nrows())} singular values are needed, in a row")
        if any(v < 0 for v in self.values.entries()):
            raise ValueError("a singular value is negative")

    @property
    def S(self) -> fmpq_mat:
        """Σ, m × n."""
        sigma = fmpq_mat(self.U.nrows(), self.V.nrows())
        for k, v in enumerate(self.values.entries()):
            sigma[k, k] = v
        return sigma

    @property
    def matrix(self) -> fmpq_mat:
        """U Σ Vᵀ."""
        return self.U * self.S * self.V.transpose()

    @property
    def rank(self) -> int:
        """The number of positive singular values."""
        return sum(v > 0 for v in self.values.entries())

    def transpose(self) -> Decomposition:
        """The decomposition V Σᵀ Uᵀ of the transposed matrix."""
        return Decomposition(U=self.V, values=self.values, V=self.U)


@instance
class DecompositionPair:
    """Decompositions of two matrices of one shape: M̄ (``before``) and M (``after``)."""

    before: Decomposition
    after: Decomposition


@instance
class SplitPair:
    """Decompositions of M (``before``) and M̄ (``after``), both split behind their first k columns, as in
    Lemma 3.2."""

    before: Decomposition
    after: Decomposition
    k: int

    def __post_init__(self) -> None:
        if not 1 <= self.k <= self.before.values.ncols():
            raise ValueError(f"k = {self.k} of {self.before.values.ncols()} singular values")


@instance
class PerturbedDecomposition:
    """A matrix M̄ with a given decomposition, and the ray M̄ + t D, of which t = ε is looked at."""

    given: Decomposition
    D: fmpq_mat
    epsilon: fmpq

    @property
    def perturbed(self) -> fmpq_mat:
        """M = M̄ + ε D."""
        return self.given.matrix + self.D * self.epsilon

    def transpose(self) -> PerturbedDecomposition:
        """The same of the transposed matrices."""
        return PerturbedDecomposition(
            given=self.given.transpose(), D=self.D.transpose(), epsilon=self.epsilon
        )


@instance
class PerturbedProduct:
    """Matrices W̄₁ (d₁ × d₀), …, W̄_H (d_H × d_{H−1}), in order of application, and a matrix R near W̄_H ⋯
    W̄₁."""

    weights: tuple[fmpq_mat, ...]
    R: fmpq_mat

    @property
    def widths(self) -> tuple[int, ...]:
        """(d₀, …, d_H)."""
        return (self.weights[0].ncols(), *(w.nrows() for w in self.weights))

    def below(self, j: int) -> fmpq_mat:
        """A_j = W̄_j ⋯ W̄₁, the identity for j = 0."""
        return product_of(self.weights[:j], self.widths[0])

    def above(self, j: int) -> fmpq_mat:
        """B_j = W̄_H ⋯ W̄_{j+1}, the identity for j = H."""
        return product_of(self.weights[j:], self.widths[j])

    @property
    def product(self) -> fmpq_mat:
        """R̄ = W̄_H ⋯ W̄₁."""
        return self.below(len(self.weights))

    @property
    def change(self) -> fmpq_mat:
        """R − R̄."""
        return self.R - self.product


@instance
class FactoredPair:
    """Decompositions of R̄ and R, and S̄₂ (d₂ × d₁), S̄₁ (d₁ × d₀) with S̄₂ S̄₁ = Σ̄, as in the proof of
    Theorem 3.1."""

    before: Decomposition
    after: Decomposition
    S2: fmpq_mat
    S1: fmpq_mat

    def __post_init__(self) -> None:
        if self.S2 * self.S1 != self.before.S:
            raise ValueError("S2 S1 is not the diagonal of the first decomposition")


@instance
class ChosenLayer:
    """A deep linear problem, one of its layers (1 … H) and any matrix Z of that layer's shape."""

    problem: DeepLinearProblem
    layer: int
    Z: fmpq_mat


def kappa(widths: Sequence[int]) -> int:
    """κ(d) = max(0, max_i min(d₀ … d_{i−1}) + min(d_i … d_H) − max(d_i, d_{i−1})) <= d_p.

    For layer i, min(d₀ … d_{i−1}) bounds the rank of everything below it and min(d_i … d_H) of everything
    above.
    """
    return max(
        0, *(min(widths[:i]) + min(widths[i:]) - max(widths[i], widths[i - 1]) for i in range(1, len(widths)))
    )


@cache
@st.composite
def perturbed_matrices(
    draw: st.DrawFn, *, square: bool = False, epsilons: tuple[fmpq, ...] = (fmpq(1), *EPSILONS)
) -> PerturbedMatrix:
    """Matrices up to 3 × 3 of every rank with small integers in M and D; shrink to M = D = (0), ε = 1."""
    m = draw(between(1, 3))
    n = m if square else draw(between(1, 3))
    given = draw(matrices(m, n) | matrices_of_rank(m, n, max(0, min(m, n) - 1)))
    return PerturbedMatrix(M=given, D=draw(matrices(m, n)), epsilon=draw(among(*epsilons)))


@cache
@st.composite
def near_singular_matrices(draw: st.DrawFn) -> PerturbedMatrix:
    """Products u vᵀ with entries 9 … 49 plus a small integer matrix of which D takes back a part; ε = 1.

    The entries are large and the smallest positive singular value may be small. Shrinks to M = (9), D = (0).
    """
    m, n = draw(between(1, 3)), draw(between(1, 3))
    u = draw(matrices(m, 1, between(3, 7)))
    v = draw(matrices(1, n, between(3, 7)))
    extra = draw(matrices(m, n, integers(1)))
    return PerturbedMatrix(M=u * v + extra, D=draw(among(0, -1)) * extra, epsilon=fmpq(1))


@cache
@st.composite
def small_rotations(draw: st.DrawFn, n: int, epsilon: fmpq) -> fmpq_mat:
    """Products of plane rotations by angles 2 arctan(k ε), k in −2 … 2: within O(ε) of I; shrink to I."""
    q = identity(n)
    for i in range(n):
        for j in range(i):
            t = draw(integers(2)) * epsilon
            if t:
                turn = identity(n)
                c, s = (1 - t * t) / (1 + t * t), 2 * t / (1 + t * t)
                turn[i, i], turn[j, j], turn[i, j], turn[j, i] = c, c, s, -s
                q = q * turn
    return q


@cache
def _permutations(n: int) -> st.SearchStrategy[list[int]]:
    return st.permutations(range(n))


@cache
def _permutation_matrices(n: int) -> st.SearchStrategy[fmpq_mat]:
    return _permutations(n).map(lambda order: columns(identity(n), order))


@cache
@st.composite
def _values(draw: st.DrawFn, count: int, kind: str) -> fmpq_mat:
    """Singular values by kind.

    "any": 0 … 3 in any order; "full rank": 1 … 3; "repeated": descending and positive, at least two equal
    where there are two; "distinct": descending and positive, steps of 1, 1/2 or 1/10.
    """
    if kind in ("any", "full rank"):
        low = int(kind == "full rank")
        return fmpq_mat(1, count, [draw(between(low, 3)) for _ in range(count)])
    steps = (fmpq(1), fmpq(1, 2), fmpq(1, 10)) if kind == "distinct" else (fmpq(0), fmpq(1))
    values = [fmpq(1)] if count else []
    for k in range(1, count):
        values.insert(0, values[0] + (fmpq(0) if kind == "repeated" and k == 1 else draw(among(*steps))))
    return fmpq_mat(1, count, values)


@cache
@st.composite
def decompositions(
    draw: st.DrawFn, *, kind: str = "any", square: bool = False, rank: str = "full"
) -> Decomposition:
    """Rational decompositions of matrices up to 3 × 3, with exactly the singular values drawn (see ``kind``).

    rank="deficient" puts zeros behind the drawn values (and makes both sides larger by one). Shrinks to
    diagonals.
    """
    deficient = rank == "deficient"
    least = 2 if kind == "repeated" else 0 if deficient else 1
    n = draw(between(least, 2 if deficient else 3))
    sides = [n, n] if square else [n, n + draw(between(0, 1))]
    values = draw(_values(n, kind))
    if deficient:
        sides = [s + 1 for s in sides]
        values = hstack(values, fmpq_mat(1, 1))
    if not square and draw(st.booleans()):
        sides.reverse()
    return Decomposition(
        U=draw(orthogonal_matrices(sides[0])), values=values, V=draw(orthogonal_matrices(sides[1]))
    )


@cache
def _turns(n: int, epsilon: fmpq) -> st.SearchStrategy[fmpq_mat]:
    """Orthogonal matrices of three kinds: close to I, permutations, any."""
    return small_rotations(n, epsilon) | _permutation_matrices(n) | orthogonal_matrices(n)


def _padded(q: fmpq_mat, n: int) -> fmpq_mat:
    """q ⊕ I of size n."""
    whole = identity(n)
    for i in range(q.nrows()):
        for j in range(q.nrows()):
            whole[i, j] = q[i, j]
    return whole


def _shift(n: int, by: int) -> fmpq_mat:
    """The permutation matrix whose columns are e_by, e_{by+1}, …, cyclically."""
    return columns(identity(n), [(by + j) % n for j in range(n)])


@cache
@st.composite
def split_pairs(draw: st.DrawFn, *, wide: bool = False, kind: str = "any") -> SplitPair:
    """Pairs for Wedin's theorem: M̄ by turning, little or much, or reordering the singular vectors of M.

    m >= n unless ``wide`` (then m < n). The first k values of M are 1 … 3, the others 0 … 3. kind="apart": U
    and V are turned independently; "together": both alike, as far as the sides go; either way the values of
    M̄ are the same or drawn anew. "reordered": min(m, n) >= 2 and M̄ has the singular triples of M, shifted
    cyclically and with values moved by ε: M̄ is close to M and split elsewhere (k < min(m, n)). "any": one of
    the three. Shrinks to 1 × 1 (2 × 2), k = 1 and equal singular vectors.
    """
    if kind == "any":
        kind = draw(among("apart", "together", "reordered"))
    reordered = kind == "reordered"
    small = draw(between(2 if reordered else 1, 3))
    large = small + (draw(between(1, 2)) if wide else draw(between(0, 1)))
    m, n = (small, large) if wide else (large, small)
    k = draw(between(1, small - reordered))
    values = hstack(draw(_values(k, draw(among("full rank", "repeated")))), draw(_values(small - k, "any")))
    epsilon = draw(among(*EPSILONS))
    after = values
    if reordered:
        by = draw(between(0, small - 1))
        p, q = (_padded(_shift(small, by), s) for s in (m, n))
        moved = [abs(v + draw(among(1, -1)) * epsilon) for v in (values * _shift(small, by)).entries()]
        after = fmpq_mat(1, small, moved)
    else:
        if kind == "apart":
            p, q = draw(_turns(m, epsilon)), draw(_turns(n, epsilon))
        else:
            turn = draw(_turns(small, epsilon))
            p, q = _padded(turn, m), _padded(turn, n)
        if draw(st.booleans()):
            after = draw(_values(small, "any"))
    u, v = draw(orthogonal_matrices(m)), draw(orthogonal_matrices(n))
    return SplitPair(
        before=Decomposition(U=u, values=values, V=v),
        after=Decomposition(U=u * p, values=after, V=v * q),
        k=k,
    )


@cache
@st.composite
def doubled_pairs(draw: st.DrawFn) -> SplitPair:
    """4 × 4, k = 2, values (a, a, b, b) with a > 0 on both sides; M̄ has the singular vectors of M permuted.

    U is shifted cyclically and V likewise or by any permutation. Shrinks to a = 1, b = 0 and M̄ = M.
    """
    a, b = draw(between(1, 2)), draw(between(0, 2))
    values = fmpq_mat(1, 4, [a, a, b, b])
    p = _shift(4, draw(between(0, 3)))
    q = p if draw(st.booleans()) else draw(_permutation_matrices(4))
    return SplitPair(
        before=Decomposition(U=identity(4), values=values, V=identity(4)),
        after=Decomposition(U=p, values=values, V=q),
        k=2,
    )


@cache
@st.composite
def vanishing_pairs(draw: st.DrawFn) -> SplitPair:
    """m = n + 1 >= 3; M has the value 0 in front and M̄ only positive values, and ū_m = u_1.

    The other u_i are permuted, the v_i turned, the values of M̄ all equal or any. Shrinks to 3 × 2, k = 1.
    """
    n = draw(between(2, 3))
    m, k = n + 1, draw(between(1, n))
    values = hstack(fmpq_mat(1, 1), draw(_values(n - 1, "any")))
    if draw(st.booleans()):
        after = draw(_values(n, "full rank"))
    else:
        after = fmpq_mat(1, n, [draw(between(1, 3))] * n)
    order = [i + 1 for i in draw(_permutations(n))]
    q = draw(_turns(n, draw(among(*EPSILONS))))
    u, v = draw(orthogonal_matrices(m)), draw(orthogonal_matrices(n))
    return SplitPair(
        before=Decomposition(U=u, values=values, V=v),
        after=Decomposition(U=columns(u, [*order, 0]), values=after, V=v * q),
        k=k,
    )


@cache
@st.composite
def perturbed_decompositions(
    draw: st.DrawFn, *, kind: str = "any", rank: str = "full", within: bool = False
) -> PerturbedDecomposition:
    """M̄ with a given rational decomposition and M = M̄ + ε D, ε = 10⁻³ or 10⁻⁶; D has small integer entries.

    ``within``: D = Ū_r K V̄_rᵀ lives on the singular spaces of the positive values, so that M has the rank of
    M̄. Shrinks to M̄ diagonal and D = 0.
    """
    given = draw(decompositions(kind=kind, rank=rank))
    m, n = given.U.nrows(), given.V.nrows()
    if within:
        r = given.rank
        d = (
            columns(given.U, range(r))
            * draw(matrices(r, r, integers(1)))
            * columns(given.V, range(r)).transpose()
        )
    else:
        d = draw(matrices(m, n, integers(1)))
    return PerturbedDecomposition(given=given, D=d, epsilon=draw(among(*EPSILONS[1:])))


@cache
@st.composite
def decomposition_pairs(draw: st.DrawFn, *, rank: str = "full") -> DecompositionPair:
    """M̄ with repeated or simple singular values, and one decomposition of a matrix M within O(ε) of it.

    The singular vectors of M are those of M̄ after any rotation inside the singular spaces of M̄
    (independently on both sides for the value 0) and a small rotation of all; the values move by up to 2 ε.
    Shrinks to M = M̄.
    """
    before = draw(decompositions(kind=draw(among("full rank", "repeated", "distinct")), rank=rank))
    epsilon = draw(among(*EPSILONS[1:]))
    m, n, values = before.U.nrows(), before.V.nrows(), before.values.entries()
    left, right = identity(m), identity(n)
    for value in sorted({*values, fmpq(0)}, reverse=True):
        spaces = [[j for j in range(s) if (values[j] if j < len(values) else 0) == value] for s in (m, n)]
        size = len(spaces[1])
        turn = draw(orthogonal_matrices(size)) if size else identity(0)
        other = draw(orthogonal_matrices(len(spaces[0]))) if value == 0 and spaces[0] else turn
        for q, space, z in ((left, spaces[0], other), (right, spaces[1], turn)):
            for a, i in enumerate(space):
                for b, j in enumerate(space):
                    q[i, j] = z[a, b]
    moved = [abs(v + draw(integers(2)) * epsilon) for v in values]
    after = Decomposition(
        U=before.U * left * draw(small_rotations(m, epsilon)),
        values=fmpq_mat(1, len(moved), moved),
        V=before.V * right * draw(small_rotations(n, epsilon)),
    )
    return DecompositionPair(before=before, after=after)


@cache
@st.composite
def _unimodular(draw: st.DrawFn, n: int) -> tuple[fmpq_mat, fmpq_mat]:
    """T, T⁻¹ for T unit lower triangular with entries −1 … 1; shrinks to I."""
    t = identity(n)
    for i in range(n):
        for j in range(i):
            t[i, j] = draw(integers(1))
    return t, t.inv() if n else t


Plan = tuple[int, int, int, int]
"""A width (d_j), and for the layer below it: first row and first column of a cyclic diagonal of ones, number
of ones."""


@cache
def _plans(least: int, most: int) -> st.SearchStrategy[list[Plan]]:
    """d₀ … d_H of 1 … 3, least <= H <= most, with their layers: a list, so that layers in the middle can be
    deleted."""
    plan = st.tuples(between(1, 3), between(0, 3), between(0, 3), between(0, 5))
    return st.lists(plan, min_size=least + 1, max_size=most + 1)


def _cyclic_diagonal(m: int, n: int, row: int, column: int, ones: int) -> fmpq_mat:
    """m × n with ``ones`` (min(m, n) at most) ones along a diagonal, cyclically in both directions."""
    f = fmpq_mat(m, n)
    for k in range(min(m, n, ones)):
        f[(row + k) % m, (column + k) % n] = 1
    return f


@st.composite
def _layers(
    draw: st.DrawFn, plans: Sequence[Plan], widths: Sequence[int], core: int, full: bool, deficient: int
) -> tuple[fmpq_mat, ...]:
    """Layers T_j (I_core ⊕ F_j) T_{j−1}⁻¹, F_j as planned, of full rank (``full``), or 0 (j =
    ``deficient``)."""
    weights = []
    before = None
    for j in range(1, len(widths)):
        m, n = widths[j], widths[j - 1]
        _, row, column, ones = plans[j]
        ones = 0 if j == deficient else m + n if full else ones
        f = _cyclic_diagonal(m - core, n - core, row, column, ones)
        w = fmpq_mat(m, n)
        for k in range(core):
            w[k, k] = 1
        for a in range(m - core):
            for b in range(n - core):
                w[core + a, core + b] = f[a, b]
        if before is not None:
            w = w * before
        if j < len(widths) - 1:
            t, before = draw(_unimodular(m))
            w = t * w
        weights.append(w)
    return tuple(weights)


def _placed(a: fmpq_mat, n: int, core: int) -> fmpq_mat:
    """An n × n part of what is drawn for the largest width: its last rows, and column core to its last one.

    Widths and ranks then shrink freely: what maps the first ``core`` coordinates to the last stays there.
    """
    size = a.nrows()
    return rows(columns(a, [(size - core + j) % size for j in range(n)]), range(size - n, size))


@cache
@st.composite
def perturbed_products(
    draw: st.DrawFn, *, rank: str = "d_p", layers: tuple[int, int] = (1, 4), inside: bool = False
) -> PerturbedProduct:
    """Products of 1 … 4 matrices, widths 1 … 3, and a matrix R near the product, ‖R − R̄‖ = O(10⁻³).

    rank="d_p": R̄ has the rank d_p = min d_i, and R = (I + ε P) R̄ (I + ε Q) has it, too. "too large":
    rank(R̄) = d_p and any R = R̄ + ε C. In both cases the first least width may stand anywhere (``inside``:
    it is the only one, and neither d₀ nor d_H), and one layer may have no more than the rank d_p.
    "deficient": rank(R̄) < d_p because one layer has that rank, and R = R̄ + ε C with rank(R̄) + rank(C) <=
    d_p. "full layers": such an R with every W̄_i of full rank, widths alternately narrow and wide, and
    rank(R̄) < d_p where the layers do not fit together.
    Shrinks to few and narrow layers.
    """
    plans = draw(_plans(*layers))
    widths, h = [plan[0] for plan in plans], len(plans) - 1
    planted, deficient = rank in ("d_p", "too large"), 0
    if planted:
        at = draw(between(1, h - 1) if inside else between(0, h))
        widths[at] = least = min(widths[at], 2 if at else 3)
        widths = [max(w, least + (j < at or inside)) if j != at else w for j, w in enumerate(widths)]
        deficient = draw(between(0, h))
    elif rank == "deficient":
        deficient = draw(between(1, h))
    else:
        narrow, wide = draw(between(1, 2)), draw(between(0, 1))
        widths = [max(w, narrow + 1) if j % 2 == wide else narrow for j, w in enumerate(widths)]
    least = min(widths)
    core = least if planted else draw(between(0, least - 1))
    weights = draw(_layers(plans, widths, core, rank == "full layers", deficient))
    here = PerturbedProduct(weights=weights, R=fmpq_mat(widths[-1], widths[0]))
    bar = here.product
    epsilon = draw(among(fmpq(1, 10**3), fmpq(1, 10**6)))
    if rank == "d_p":
        p, q_t = (_placed(draw(matrices(3, 3, integers(1))), k, core) for k in (widths[-1], widths[0]))
        r = (identity(widths[-1]) + p * epsilon) * bar * (identity(widths[0]) + q_t.transpose() * epsilon)
    elif rank == "too large":
        r = bar + draw(matrices(widths[-1], widths[0], integers(1))) * epsilon
    else:
        room = max(0, least - bar.rank())
        r = bar + draw(matrices_of_rank(widths[-1], widths[0], room, 1)) * epsilon
    return PerturbedProduct(weights=weights, R=r)


@cache
@st.composite
def perturbed_factors(draw: st.DrawFn, *, rank: str = "full", d_3: str = "any") -> PerturbedProduct:
    """A (d₁ × d₂), B (d₂ × d₃) as weights (B, A), and R̄ = A B + ε C for Lemma 3.4; widths 1 … 3.

    rank="full": rank(A) = d₁ <= d₂; "deficient": rank(A) < d₁; "full columns": rank(A) = d₂ < d₁.
    d_3="at least d_1" or "less than d_1" (then d₁ >= 2). Shrinks to 1 × 1 (2 × 1) matrices.
    """
    low = 2 if d_3 == "less than d_1" or rank == "full columns" else 1
    d_1 = draw(between(low, 3))
    d_2 = (
        draw(between(d_1, 3))
        if rank == "full"
        else draw(between(1, d_1 - 1 if rank == "full columns" else 3))
    )
    d_3_range = {"any": (1, 3), "at least d_1": (d_1, 3), "less than d_1": (1, d_1 - 1)}[d_3]
    columns_of_b = draw(between(*d_3_range))
    of_a = {"full": d_1, "full columns": d_2}.get(rank)
    if of_a is None:
        of_a = draw(between(0, min(d_1 - 1, d_2)))
    a, b = draw(matrices_of_rank(d_1, d_2, of_a)), draw(matrices(d_2, columns_of_b))
    c = draw(matrices(d_1, columns_of_b, integers(1)))
    return PerturbedProduct(weights=(b, a), R=a * b + c * draw(among(*EPSILONS)))


@cache
@st.composite
def factored_pairs(draw: st.DrawFn) -> FactoredPair:
    """R̄ = Ū S̄₂ S̄₁ V̄ᵀ and R near it and of equal rank, for the case H = 2 of Theorem 3.1; widths 1 … 3.

    S̄₂ = D₂ T⁻¹, S̄₁ = T D₁ with partial diagonals and D₂ D₁ = Σ̄ of rank min d_i. Shrinks to 1 × 1 matrices.
    """
    at_least = draw(between(1, 2))
    d_0, d_1, d_2 = (draw(between(at_least, 3)) for _ in range(3))
    least = min(d_0, d_1, d_2)
    values = draw(_values(least, draw(among("full rank", "repeated" if least > 1 else "distinct"))))
    epsilon = draw(among(*EPSILONS))
    padded = hstack(values, fmpq_mat(1, min(d_0, d_2) - least))
    before = Decomposition(U=draw(orthogonal_matrices(d_2)), values=padded, V=draw(orthogonal_matrices(d_0)))
    moved = [v + draw(integers(2)) * epsilon if v else v for v in padded.entries()]
    after = Decomposition(
        U=before.U * draw(small_rotations(d_2, epsilon)),
        values=fmpq_mat(1, len(moved), moved),
        V=before.V * draw(small_rotations(d_0, epsilon)),
    )
    s_2, s_1 = fmpq_mat(d_2, d_1), fmpq_mat(d_1, d_0)
    for k, v in enumerate(values.entries()):
        s_2[k, k], s_1[k, k] = draw(among(fmpq(1), v)), fmpq(1)
        s_1[k, k] = v / s_2[k, k]
    t, inverse = draw(_unimodular(d_1))
    return FactoredPair(before=before, after=after, S2=s_2 * inverse, S1=t * s_1)


@st.composite
def _data(
    draw: st.DrawFn, weights: tuple[fmpq_mat, ...], *, slack: bool, x: str, y: str
) -> tuple[fmpq_mat, fmpq_mat, fmpq_mat]:
    """X, R X and a residual orthogonal to the rows of X, such that X and Y = R X + residual are of full row
    rank."""
    here = PerturbedProduct(weights=weights, R=fmpq_mat(weights[-1].nrows(), weights[0].ncols()))
    r, d_0, d_h = here.product, here.widths[0], here.widths[-1]
    missing = null_space(r.transpose())
    if y == "any":
        missing = columns(missing, range(draw(between(0, missing.ncols()))))
    extra = missing.ncols() + (draw(between(0, 1)) if slack else 0)
    n = draw(matrices(d_0, extra, integers(1)))
    x_matrix = hstack(identity(d_0), n)
    free = hstack(n.transpose() * -1, identity(extra)) if extra else fmpq_mat(0, d_0)
    k = hstack(missing, draw(matrices(d_h, extra - missing.ncols(), integers(1))))
    residual = k * free if extra else fmpq_mat(d_h, x_matrix.ncols())
    if x == "any":
        x_matrix = draw(matrices_of_rank(d_0, d_0, draw(between(0, d_0)), 1)) * x_matrix
    return x_matrix, r * x_matrix, residual


def _eligible(widths: Sequence[int], core: int) -> list[int]:
    return [i for i in range(1, len(widths)) if min(widths[i], widths[i - 1]) > core]


@cache
@st.composite
def realizable_minima(
    draw: st.DrawFn,
    *,
    threshold: str = "any",
    full_layers: bool = False,
    vanishing: bool = False,
    x: str = "full",
    y: str = "full",
) -> DeepLinearProblem:
    """Global minima with zero gradient in R: E Xᵀ = 0, hence rank(Y Xᵀ) = rank(R X) by construction.

    1 … 4 layers, widths 1 … 3 (4 where a layer must be wider than the bottleneck), layers that are integer
    matrices T_j (I ⊕ F_j) T_{j−1}⁻¹ with F_j a part of a cyclic shift. X and Y have full row rank unless
    x="any" or y="any". threshold="kappa": rank(R) >= κ(d) and one layer is not of full rank; "d_p": rank(R) =
    d_p; ``full_layers``: every layer is of full rank; ``vanishing``: every layer is either 0 or of full rank.
    Shrinks to one layer, width 1, W = 0, X = [1 0], Y = [0 1].
    """
    plans = draw(_plans(2 if threshold == "kappa" else 1, 4))
    widths, h = [plan[0] for plan in plans], len(plans) - 1
    deficient = 0
    if threshold == "kappa":
        if draw(st.booleans()):  # wide in the middle: κ(d) < d_p
            rest = min(widths[0], widths[-1])
            widths[1:-1] = [rest + draw(between(1, 2)) for _ in widths[1:-1]]
        if not _eligible(widths, kappa(widths)):
            at = draw(between(1, h))
            rest = min(w for j, w in enumerate(widths) if j not in (at - 1, at))
            widths[at - 1], widths[at] = (max(w, rest + 1) for w in widths[at - 1 : at + 1])
        low = kappa(widths)
        core = draw(between(low, max(c for c in range(low, min(widths) + 1) if _eligible(widths, c))))
        eligible = _eligible(widths, core)
        deficient = eligible[draw(between(0, len(eligible) - 1))]
    elif threshold == "d_p":
        core = min(widths)
    else:
        core = 0 if vanishing else draw(between(0, min(widths)))
    if vanishing:
        plans = [(*plan[:3], 0 if plan[3] < 3 else 5) for plan in plans]
    weights = draw(_layers(plans, widths, core, full_layers, deficient))
    x_matrix, fitted, residual = draw(_data(weights, slack=threshold != "any", x=x, y=y))
    return DeepLinearProblem(weights=weights, X=x_matrix, Y=fitted + residual)


@cache
@st.composite
def bottleneck_minima(draw: st.DrawFn, *, full_layers: bool = False) -> DeepLinearProblem:
    """Global minima with rank(R) = d_p, in general with a residual in the rows of X: E Xᵀ ≠ 0.

    E = s K X with K = N₁ T N₂ᵀ, R ⊥ K on both sides, and s = 2⁻ʲ so small that ‖E‖² is at most d_p
    eigenvalues of R X (R X)ᵀ: R X is then a best approximation of rank d_p of Y, by Eckart and Young. X has
    full row rank, Y too where the drawn T allows it. Shrinks to E = 0.
    """
    plans = draw(_plans(1, 4))
    widths, h = [plan[0] for plan in plans], len(plans) - 1
    if h > 1:
        at = draw(between(1, h))
        rest = min(w for j, w in enumerate(widths) if j not in (at - 1, at))
        widths[at - 1], widths[at] = (max(w, rest + 1) for w in widths[at - 1 : at + 1])
    core = min(widths)
    eligible = [] if full_layers else _eligible(widths, core)
    weights = draw(
        _layers(
            plans, widths, core, full_layers, eligible[draw(between(0, len(eligible) - 1))] if eligible else 0
        )
    )
    x_matrix, fitted, residual = draw(_data(weights, slack=False, x="full", y="full"))
    r = PerturbedProduct(weights=weights, R=fmpq_mat(widths[-1], widths[0])).product
    left, right = null_space(r.transpose()), null_space(fitted * x_matrix.transpose())
    if not left.ncols() or not right.ncols():
        return DeepLinearProblem(weights=weights, X=x_matrix, Y=fitted + residual)
    t = draw(matrices(left.ncols(), right.ncols(), integers(1)))
    e = left * t * right.transpose() * x_matrix
    size = sum((c * c for c in e.entries()), fmpq(0))
    # λ_{d_p}(Z Zᵀ) >= 1 / trace of the inverse of Z Zᵀ on the columns of Z
    basis = columns(fitted, _pivots(fitted))
    gram = basis.transpose() * basis
    inside = gram.solve(basis.transpose() * fitted)  # Z = basis · inside
    product = inside * inside.transpose() * gram  # similar to the compressed Z Zᵀ
    inverse = product.inv()
    least = 1 / sum((inverse[k, k] for k in range(core)), fmpq(0))
    scale = fmpq(1)
    while size * scale * scale > least:
        scale = scale / 2
    return DeepLinearProblem(weights=weights, X=x_matrix, Y=fitted + residual - e * scale)


def _pivots(a: fmpq_mat) -> list[int]:
    reduced, rank = a.rref()
    table = reduced.table()
    return [next(j for j, e in enumerate(table[i]) if e) for i in range(rank)]


@st.composite
def chosen_layers(draw: st.DrawFn, problems: st.SearchStrategy[Any], deficient: bool = False) -> ChosenLayer:
    """A problem, one of its layers and an integer matrix of that layer's shape.

    ``deficient``: a layer that is not of full rank, where there is one. Shrinks to layer 1 and Z = 0.
    """
    problem = draw(problems)
    layers = list(range(1, len(problem.weights) + 1))
    if deficient:
        layers = [
            i for i in layers if problem.weights[i - 1].rank() < min(problem.widths[i - 1 : i + 1])
        ] or layers
    layer = layers[draw(between(0, len(layers) - 1))]
    w = problem.weights[layer - 1]
    return ChosenLayer(problem=problem, layer=layer, Z=draw(matrices(w.nrows(), w.ncols(), integers(2))))
