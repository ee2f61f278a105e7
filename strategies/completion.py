"""Deep linear models under losses other than the square, entry by entry: matrix completion is one of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from flint import fmpq, fmpq_mat
from hypothesis import strategies as st

from strategies.deep_linear import DeepLinearProblem
from strategies.instance import instance
from strategies.matrices import identity, matrices, matrices_of_rank, null_space, zeros
from strategies.numbers import among, between, integers

__all__ = [
    "EntrywiseProblem",
    "cyclic_completions",
    "full_completions",
    "plain_sums",
    "planted_entrywise_points",
    "split_completions",
    "thin_chains",
]


@instance
class EntrywiseProblem:
    """Weights W₁, …, W_H and f(R) = Σ c|e| + a e² + b e⁴ of R = W_H ⋯ W₁, where e = R − Y entry by entry.

    ``absolute`` holds the c, ``squares`` the a, ``quartics`` the b, all d_H × d₀ as the ``targets`` Y. With
    a the 0/1 matrix of the observed entries and b = c = 0 this is matrix completion; c = 1 alone is the ℓ₁
    loss at X = I. f is differentiable iff c = 0, and convex if a, b, c >= 0.
    """

    weights: tuple[fmpq_mat, ...]
    targets: fmpq_mat
    absolute: fmpq_mat
    squares: fmpq_mat
    quartics: fmpq_mat

    def __post_init__(self) -> None:
        shape = self.linear.R.nrows(), self.linear.R.ncols()
        for name in ("absolute", "squares", "quartics"):
            part = getattr(self, name)
            if (part.nrows(), part.ncols()) != shape:
                found = f"{part.nrows()} x {part.ncols()}"
                raise ValueError(f"{name} is {found} where {shape[0]} x {shape[1]} is needed")

    @property
    def linear(self) -> DeepLinearProblem:
        """The weights with X = I: widths, partial products, and e as its residual."""
        d_0 = self.weights[0].ncols() if self.weights else 0
        return DeepLinearProblem(weights=self.weights, X=identity(d_0), Y=self.targets)

    @property
    def convex(self) -> bool:
        """Whether every coefficient is >= 0."""
        parts = (self.absolute, self.squares, self.quartics)
        return all(e >= 0 for part in parts for e in part.entries())

    @property
    def smooth(self) -> bool:
        """Whether no absolute value occurs."""
        return not any(self.absolute.entries())


# --- one unit wide -----------------------------------------------------------------------------------


@cache
@st.composite
def thin_chains(
    draw: st.DrawFn, loss: str = "any", middle: tuple[int, ...] = (2, 3), fitted: bool = False
) -> EntrywiseProblem:
    """Problems of widths (1, k, 1, n), n <= 3, k from ``middle`` (0 leaves that layer out: (1, 1, n)).

    ``loss`` "absolute" is Σ c|e| with c in {1, 2}, "squares" Σ a e² with a in −2 … 2, "convex" Σ a e² + b e⁴
    with a, b >= 0, "any" the first or second. All weights and Y are small integers, Y = 0 for half
    of the squares; ``fitted`` makes Y = R.
    Shrinks to n = 2 and zeros: n = 1 restricts nothing.
    """
    n, k = draw(among(2, 2, 2, 1, 3)), draw(among(*middle))
    if loss == "any":
        loss = draw(among("absolute", "squares"))
    low, high = (1, 2) if loss == "absolute" else (-2, 2) if loss == "squares" else (0, 2)

    def column(size: int, low: int, high: int) -> fmpq_mat:  # of three entries, so that sizes shrink alone
        return fmpq_mat(size, 1, draw(matrices(3, 1, between(low, high))).entries()[:size])

    main, last, none = column(n, low, high), column(n, -1, 1), zeros(n, 1)
    quartics = column(n, 0, 1) if loss == "convex" else none
    outer = [column(k, -1, 1), column(k, -1, 1).transpose()] if k else [column(1, -1, 1)]
    weights = (*outer, last)
    around = 0 if loss == "squares" and draw(among(True, False)) else 1
    targets = _bare(weights).R if fitted else column(n, -around, around)
    return EntrywiseProblem(
        weights=weights, targets=targets, absolute=main if loss == "absolute" else none,
        squares=none if loss == "absolute" else main, quartics=quartics,
    )  # fmt: skip


# --- critical points ---------------------------------------------------------------------------------

_width = among(1, 2, 2, 3)


@st.composite
def planted_entrywise_points(
    draw: st.DrawFn, /, loss: str = "convex", low: int = 1, optimal: bool | None = None
) -> EntrywiseProblem:
    """Exact critical points W of a differentiable f, in ``low`` to 4 layers of widths 1 … 3.

    W is drawn with layers of drawn ranks; the slope G = ∇f(R), which must satisfy B_iᵀ G A_{i−1}ᵀ = 0, is a
    small integer combination of a basis of the solutions, and f is chosen to have it. ``loss`` "convex": a,
    b >= 0 with 2a + 4b = |G| and e = ±1 where G ≠ 0; "signed": a and b of either sign; "masked": a in {0, 1}
    with G = 0 where nothing is observed, and e = G/2. ``optimal`` True takes G = 0, False asks for G ≠ 0
    where W leaves a choice. Shrinks to widths 1, zero weights and f = 0.
    """
    depth = draw(between(low, 4))
    d = [draw(_width) for _ in range(5)][: depth + 1]
    weights = []
    for m, n in zip(d[1:], d[:-1], strict=True):
        lost = draw(among(0, 1, 0, 1, 3))
        weights.append(draw(matrices_of_rank(m, n, max(0, min(m, n) - lost))))
    size = d[-1] * d[0]
    bare = _bare(tuple(weights))
    observed: Sequence[int | fmpq] = [1] * size
    if loss == "masked":
        observed = draw(matrices(d[-1], d[0], among(1, 1, 1, 0))).entries()
    if optimal is None:
        optimal = draw(among(False, False, False, True))
    slope = zeros(d[-1], d[0])
    if not optimal:
        for count in range(depth + 1):
            if count:
                k = depth - count
                weights[k] = zeros(weights[k].nrows(), weights[k].ncols())
                bare = _bare(tuple(weights))
            basis = _critical_slopes(bare, observed)
            if basis.ncols():
                chosen = draw(matrices(basis.ncols(), 1))
                if not any(chosen.entries()):
                    chosen[0, 0] = 1
                slope = fmpq_mat(d[-1], d[0], (basis * chosen).entries())
                break
    residual, squares, quartics = zeros(d[-1], d[0]), zeros(d[-1], d[0]), zeros(d[-1], d[0])
    for k, g in enumerate(slope.entries()):
        i, j = divmod(k, d[0])
        if loss == "masked":
            residual[i, j], squares[i, j] = g / 2, observed[k]
            continue
        share, flip = draw(among(fmpq(0), fmpq(1, 2), fmpq(1))), 1
        if loss == "signed":
            flip = draw(among(1, -1))
        weight = abs(g) if g else fmpq(draw(between(0, 2)))
        residual[i, j] = flip * ((g > 0) - (g < 0))
        squares[i, j], quartics[i, j] = flip * weight * (1 - share) / 2, flip * weight * share / 4
    return EntrywiseProblem(
        weights=tuple(weights), targets=bare.R - residual, absolute=zeros(d[-1], d[0]),
        squares=squares, quartics=quartics,
    )  # fmt: skip


def _bare(weights: tuple[fmpq_mat, ...]) -> DeepLinearProblem:
    d_0, d_h = weights[0].ncols(), weights[-1].nrows()
    return DeepLinearProblem(weights=weights, X=identity(d_0), Y=zeros(d_h, d_0))


def _critical_slopes(p: DeepLinearProblem, observed: Sequence[int | fmpq]) -> fmpq_mat:
    """A basis, as columns, of the slopes G (row by row) with B_iᵀ G A_{i−1}ᵀ = 0 for all i, 0 where not
    observed."""
    size = len(observed)
    equations = [[fmpq(k == j) for k in range(size)] for j in range(size) if not observed[j]]
    for i in range(1, len(p.weights) + 1):
        left, right = p.above(i).transpose().table(), p.below(i - 1).table()
        equations += [[a * b for a in row for b in other] for row in left for other in right]
    return null_space(fmpq_mat(len(equations), size, [e for row in equations for e in row]))


# --- matrix completion -------------------------------------------------------------------------------


@cache
@st.composite
def split_completions(
    draw: st.DrawFn, depth: int = 2, most: int = 3, all_but_one: bool = False, noise: bool = False
) -> EntrywiseProblem:
    """Completions of Y = u vᵀ, started at R = a bᵀ with a_i ≠ 0 only where u_i = 0 and b_j ≠ 0 only where
    v_j = 0.

    At most ``most`` rows and columns; the entries of u, v are 1 … 3, those of a, b between −3 and 3. Where R
    may differ from zero few entries are observed, elsewhere most are; ``all_but_one`` misses just one entry
    of that block. ``noise`` adds a drawn matrix to Y where it is not observed, which then has no low rank.
    ``depth`` H puts H − 2 scalar layers 1 between. Shrinks to two rows, two columns, Y = E_11 and R = 4
    E_22.
    """
    n, m = draw(between(2, most)), draw(between(2, most))
    k, l = (n - 1, m - 1) if all_but_one else (draw(between(1, n - 1)), draw(between(1, m - 1)))
    u, v = (draw(matrices(size, 1, among(1, 2, 3, 1))).entries() for size in (n, m))
    a, b = (draw(matrices(size, 1, among(2, 1, 3, 1))).entries() for size in (n, m))
    signs = draw(matrices(n + m, 1, among(1, 1, -1))).entries()
    few = zeros(n, m) if all_but_one else draw(matrices(n, m, among(*[0] * 11, 1)))
    last = [a[i] * signs[i] if i >= k else fmpq(0) for i in range(n)]
    first = [b[j] * signs[n + j] if j >= l else fmpq(0) for j in range(m)]
    mask, Y = zeros(n, m), zeros(n, m)
    for i in range(n):
        for j in range(m):
            mask[i, j] = int((i < k or j < l) != bool(few[i, j]))
            Y[i, j] = u[i] * v[j] if i < k and j < l else 0
            if noise and not mask[i, j]:
                Y[i, j] = Y[i, j] + draw(integers())
    return _completion(first, last, depth=depth, Y=Y, mask=mask)


@cache
@st.composite
def cyclic_completions(draw: st.DrawFn) -> EntrywiseProblem:
    """Completions of a positive rank-one matrix Y = u vᵀ of size 3 or 4, started at a point with two wrong
    signs.

    Observed are the entries (i, i) and (i, i + 1) modulo the size, one cycle through all lines, and few
    more. R = ± Y at the start, with the minus on two of the observed entries: on a cycle their number is
    even, so that neither can turn alone. One of the two is light, u_1 = v_1 = 1, as are the u_i of the rows
    between; all others are 3 … 5. Shrinks to 3 × 3 and the least of these numbers.
    """
    n = draw(among(3, 4))
    k = draw(between(1, n - 2))
    u = [fmpq(1 if i <= k else draw(between(3, 5))) for i in range(n)]
    v = [fmpq(1 if j == 0 else draw(between(3, 5))) for j in range(n)]
    few = draw(matrices(n, n, among(*[0] * 11, 1)))
    mask = fmpq_mat(n, n, [int(j in (i, (i + 1) % n) or bool(few[i, j])) for i in range(n) for j in range(n)])
    last = [-u[i] if i < k else u[i] for i in range(n)]
    first = [-v[j] if 1 <= j <= k else v[j] for j in range(n)]
    return _completion(first, last, Y=fmpq_mat(n, 1, u) * fmpq_mat(1, n, v), mask=mask)


@cache
@st.composite
def full_completions(
    draw: st.DrawFn, depth: int = 2, noise: bool = False, twist: bool = True
) -> EntrywiseProblem:
    """Positive rank-one matrices Y = u vᵀ, all of whose entries are observed, started with wrong signs.

    Two groups of rows and of columns: at the start R has the wrong sign where a row and a column of
    different groups meet. ``noise`` adds a drawn matrix to Y, which then has no low rank. ``twist`` False
    starts at the solution (u, v) itself; ``depth`` H puts H − 2 scalar layers 1 between. Shrinks to two
    rows, two columns and ones.
    """
    heights = draw(among(1, 2, 2, 3)), draw(among(1, 2, 2, 3))
    breadths = draw(among(1, 2, 2, 3)), draw(among(1, 2, 2, 3))
    n, m = sum(heights), sum(breadths)
    u, v = (draw(matrices(6, 1, among(1, 2, 3, 4, 5))).entries() for _ in range(2))
    Y = fmpq_mat(n, 1, u[:n]) * fmpq_mat(1, m, v[:m])
    if noise:
        Y = Y + draw(matrices(n, m))
    turn = -1 if twist else 1
    last = [u[i] * (1 if i < heights[0] else turn) for i in range(n)]
    first = [v[j] * (1 if j < breadths[0] else turn) for j in range(m)]
    return _completion(first, last, depth=depth, Y=Y, mask=fmpq_mat(n, m, [1] * (n * m)))


def _completion(
    first: list[fmpq], last: list[fmpq], *, Y: fmpq_mat, mask: fmpq_mat, depth: int = 2
) -> EntrywiseProblem:
    n, m = len(last), len(first)
    return EntrywiseProblem(
        weights=(fmpq_mat(1, m, first), *(identity(1) for _ in range(depth - 2)), fmpq_mat(n, 1, last)),
        targets=Y, absolute=zeros(n, m), squares=mask, quartics=zeros(n, m),
    )  # fmt: skip


@st.composite
def plain_sums(draw: st.DrawFn, /) -> EntrywiseProblem:
    """Completions of widths 1 … 3 with small integer weights and targets and any set of observed entries.

    Shrinks to one entry, not observed, and zeros.
    """
    d = [draw(_width) for _ in range(3)]
    n, m = d[2], d[0]
    return EntrywiseProblem(
        weights=(draw(matrices(d[1], m)), draw(matrices(n, d[1]))), targets=draw(matrices(n, m)),
        absolute=zeros(n, m), squares=draw(matrices(n, m, between(0, 1))), quartics=zeros(n, m),
    )  # fmt: skip
