"""Weights of full rank near a local minimum, at equal loss: Theorems 3.2 and 3.3 of Lu & Kawaguchi (2017).

Everything is decided over the rationals: ranks, an affine set of minimisers of one layer, and witnesses.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

from flint import fmpq, fmpq_mat, fmpq_poly

from strategies.deep_linear import DeepLinearProblem
from strategies.matrices import identity, null_space
from verify.claim import Verdict, all_of, decide, decide_equal, inconclusive, vacuous
from verify.oracles.exact import inertia
from verify.oracles.perturbations import pseudo_inverse, squared_norm

__all__ = [
    "at_certified_minimum",
    "bound_of_layer",
    "data_rank",
    "decide_full_rank_layer",
    "decide_full_rank_product",
    "decide_line",
    "deficient_layers",
    "gram_determinant",
    "is_certified_global",
    "is_full_rank",
    "is_stationary",
    "kept_rank",
    "layer_ranks",
    "least_product_rank",
    "ones_needed",
    "projected_direction",
    "with_layer",
]


def is_full_rank(a: fmpq_mat) -> bool:
    """rank(a) = min(m, n)."""
    return a.rank() == min(a.nrows(), a.ncols())


def is_stationary(problem: DeepLinearProblem) -> bool:
    """Whether the gradient in every weight is zero."""
    return not any(e for g in problem.gradient() for e in g.entries())


def data_rank(problem: DeepLinearProblem) -> int:
    """q = rank(Y Xᵀ)."""
    return (problem.Y * problem.X.transpose()).rank()


def is_certified_global(problem: DeepLinearProblem) -> bool | None:
    """True if the weights are certainly a global minimum of the loss, None: cannot say.

    E Xᵀ = 0: R minimises the convex ½‖R X − Y‖² over all R. Otherwise, let Z = R X have rank d_p, E_X be the
    residual in the rows of X, Z E_Xᵀ = 0 and Zᵀ E_X = 0, so that the squared singular values of Y in the rows
    of X are those of Z and of E_X together; if all d_p eigenvalues of Z Zᵀ are at least τ = ‖E_X‖² >=
    λ_max(E_X E_Xᵀ), Z is the best approximation of rank d_p (Eckart & Young), and every product of the
    weights has at most that rank.
    """
    gradient = problem.G
    if not any(gradient.entries()):
        return True
    z = problem.R * problem.X
    e = problem.E * pseudo_inverse(problem.X) * problem.X
    if (
        z.rank() < problem.least_width
        or any((z * e.transpose()).entries())
        or any((z.transpose() * e).entries())
    ):
        return None
    level = identity(z.nrows()) * squared_norm(e)
    positive, zero, _ = inertia(z * z.transpose() - level)
    return True if positive + zero >= problem.least_width else None


def at_certified_minimum(
    problem: DeepLinearProblem, verdict: Verdict, *, full_row_rank: str = "XY"
) -> Verdict:
    """``verdict`` where the premises hold: a certified local minimum, X and Y (those named) of full row
    rank."""
    for name in full_row_rank:
        data = problem.X if name == "X" else problem.Y
        if data.rank() < data.nrows():
            return vacuous(f"{name} has no full row rank")
    if not is_certified_global(problem):
        return vacuous("no certified local minimum")
    return verdict


def layer_ranks(problem: DeepLinearProblem, i: int) -> tuple[int, int]:
    """s₁ = rank(W_{i−1} ⋯ W₁ X), s₂ = rank(W_H ⋯ W_{i+1})."""
    return (problem.below(i - 1) * problem.X).rank(), problem.above(i).rank()


def bound_of_layer(problem: DeepLinearProblem, i: int) -> int:
    """max(0, s₁ + s₂ − max(d_i, d_{i−1}))."""
    s_1, s_2 = layer_ranks(problem, i)
    return max(0, s_1 + s_2 - max(problem.widths[i], problem.widths[i - 1]))


def kept_rank(problem: DeepLinearProblem, i: int) -> int:
    """rank(D₂⁺V₂ᵀ Y V₁D₁⁺) of the proof of Theorem 3.2, which is rank(B_iᵀ Y (A_{i−1} X)ᵀ)."""
    below = problem.below(i - 1) * problem.X
    return (problem.above(i).transpose() * problem.Y * below.transpose()).rank()


def with_layer(problem: DeepLinearProblem, i: int, w: fmpq_mat) -> DeepLinearProblem:
    """The problem with W_i replaced."""
    return replace(problem, weights=(*problem.weights[: i - 1], w, *problem.weights[i:]))


def deficient_layers(problem: DeepLinearProblem) -> list[int]:
    """The indices i with W_i not of full rank."""
    return [i for i, w in enumerate(problem.weights, 1) if not is_full_rank(w)]


def _fill(m: int, n: int, salt: int) -> fmpq_mat:
    """A fixed matrix of integers −3 … 3 without structure (a linear congruence), one for each ``salt``."""
    state, entries = 12345 + 7919 * salt, []
    for _ in range(m * n):
        state = (1103515245 * state + 12345) % (1 << 31)
        entries.append((state >> 16) % 7 - 3)
    return fmpq_mat(m, n, entries)


def _witness(problem: DeepLinearProblem, i: int, scale: fmpq) -> fmpq_mat | None:
    """W_i + M of full rank, B_i M A_{i−1} X = 0 and |entries of M| <= scale; None if none was hit upon."""
    w = problem.weights[i - 1]
    if is_full_rank(w):
        return w
    above = null_space(problem.above(i))
    below = null_space((problem.below(i - 1) * problem.X).transpose())
    for salt in range(20):
        move = fmpq_mat(w.nrows(), w.ncols())
        if above.ncols():
            move = move + above * _fill(above.ncols(), w.ncols(), salt)
        if below.ncols():
            move = move + _fill(w.nrows(), below.ncols(), salt + 50) * below.transpose()
        size = max(abs(e) for e in move.entries())
        if size and is_full_rank(w + move * (scale / size)):
            return w + move * (scale / size)
    return None


def decide_full_rank_layer(
    problem: DeepLinearProblem, i: int, *, scales: tuple[fmpq, ...] = (fmpq(1, 10**3), fmpq(1, 10**6))
) -> Verdict:
    """Whether W_i has matrices of full rank and equal loss in every neighbourhood, the other weights kept.

    W_i minimises the convex L_i (stationarity in W_i is checked). Its minimisers are W_i + {M : B_i M A_{i−1}
    X = 0}; in bases adapted to ker B_i and to the rows of A_{i−1} X all blocks but one, of rank c = rank(R X)
    and of shape s₂ × s₁, are free: the largest rank is min(d_i, d_{i−1}, c + d_i − s₂ + d_{i−1} − s₁), and
    the rank is largest off the zeros of a polynomial, hence arbitrarily near W_i. So the answer is yes iff c
    >= s₁ + s₂ − max(d_i, d_{i−1}). Yes is confirmed by exact witnesses within 10⁻³ and 10⁻⁶, the product R X
    unchanged. Every point of equal loss within δ/2 of a local minimum with radius δ is a local minimum.
    """
    if any(problem.gradient()[i - 1].entries()):
        return vacuous("the gradient in W_i is not zero")
    (s_1, s_2), fitted = layer_ranks(problem, i), problem.R * problem.X
    rank, needed = fitted.rank(), s_1 + s_2 - max(problem.widths[i], problem.widths[i - 1])
    values = {
        "i": i,
        "rank(RX)": rank,
        "s1": s_1,
        "s2": s_2,
        "max(d_i, d_i-1)": max(problem.widths[i - 1 : i + 1]),
    }
    if rank < needed:
        return decide(
            False, values=values, margin=fmpq(needed - rank),
            why=f"Every W_{i} with this loss and the other weights as they are has a rank of at most "
            f"{min(problem.widths[i - 1 : i + 1]) - (needed - rank)}.",
        )  # fmt: skip
    for scale in scales:
        w = _witness(problem, i, scale)
        if w is None:
            return inconclusive("a matrix of full rank exists, but was not found")
        there = with_layer(problem, i, w)
        if fitted != there.R * problem.X or not is_full_rank(w):
            return decide(False, why="The witness changes the product: the oracle is wrong.", values=values)
    return decide(True, why="", values=values, margin=fmpq(rank - needed))


def decide_full_rank_product(problem: DeepLinearProblem) -> Verdict:
    """Whether local minima of equal loss with rank(Ŵ_H ⋯ Ŵ₁) = d_p lie in every neighbourhood of the weights.

    rank(R) = d_p: the weights themselves. E Xᵀ = 0 and X of full row rank: every point of equal loss has R̂ X
    equal to R X, the only minimiser of a strictly convex function of R̂ X, hence R̂ = R, and rank(R) < d_p
    refutes it. Other points are inconclusive: at a certified global minimum there are none.
    """
    r, least = problem.R.rank(), problem.least_width
    values = {"rank(R)": r, "d_p": least, "rank(YX^T)": data_rank(problem)}
    if r == least:
        return decide(True, why="", values=values)
    if any(problem.G.entries()) or problem.X.rank() < problem.X.nrows():
        return inconclusive("neither E Xᵀ = 0 and X of full row rank nor rank(R) = d_p")
    return decide(
        False, values=values, margin=fmpq(least - r),
        why=f"Equal loss forces the product to be R, of rank {r}: nothing of rank {least} is as good.",
    )  # fmt: skip


def least_product_rank(widths: tuple[int, ...]) -> int:
    """r_min(d) = max(0, d₀ − Σ_j max(0, d_{j−1} − d_j)): the least rank of a product of matrices of full
    rank.

    A matrix of full rank has a kernel of dimension max(0, d_{j−1} − d_j), all that one layer can take away.
    """
    lost = sum(max(0, widths[j - 1] - widths[j]) for j in range(1, len(widths)))
    return max(0, widths[0] - lost)


def decide_line(problem: DeepLinearProblem, i: int, direction: fmpq_mat) -> Verdict:
    """On W_i + μ (Ŵ_i − W_i), Ŵ_i of full rank: L is constant, and the rank is full but for finitely many μ.

    The Gram determinant is a polynomial in μ of degree 2 min(d_i, d_{i−1}), interpolated exactly; it is not
    the zero polynomial as Ŵ_i has full rank; full rank for all small μ > 0 is then checked at a μ below all
    its other roots (Cauchy's bound on the reversed polynomial).
    """
    w = problem.weights[i - 1]
    there = w + direction
    if not is_full_rank(there):
        return vacuous("Ŵ_i is not of full rank")
    gram = gram_determinant(w, direction)
    if not any(gram.coeffs()):
        return decide(False, why="The Gram determinant vanishes on the whole line.")
    coefficients = list(gram.coeffs())
    while not coefficients[0]:
        coefficients.pop(0)
    bound = 1 + max((abs(c / coefficients[0]) for c in coefficients[1:]), default=fmpq(0))
    near = 1 / (2 * bound)
    losses = [with_layer(problem, i, w + direction * mu).loss for mu in (near, fmpq(1, 2), fmpq(1), fmpq(3))]
    return all_of(
        *(decide_equal(problem.loss, other, named=("L(W)", "L(W + mu M)")) for other in losses),
        decide(is_full_rank(w + direction * near), why="Not of full rank at a small μ.", values={"mu": near}),
    )


def gram_determinant(w: fmpq_mat, direction: fmpq_mat) -> fmpq_poly:
    """det(Wᵀ W) or det(W Wᵀ), whichever is smaller, along W + μ M, as a polynomial in μ."""
    degree = 2 * min(w.nrows(), w.ncols())
    total = fmpq_poly([0])
    for k in range(degree + 1):
        at = w + direction * k
        gram = at.transpose() * at if at.ncols() <= at.nrows() else at * at.transpose()
        basis = fmpq_poly([gram.det()])
        for j in range(degree + 1):
            if j != k:
                basis = basis * fmpq_poly([fmpq(-j, k - j), fmpq(1, k - j)])
        total = total + basis
    return total


def projected_direction(problem: DeepLinearProblem, i: int, z: fmpq_mat) -> fmpq_mat:
    """The part of Z in {M : B_i M A_{i−1} X = 0}: Z − B⁺B Z A A⁺."""
    b, a = problem.above(i), problem.below(i - 1) * problem.X
    return z - pseudo_inverse(b) * b * z * a * pseudo_inverse(a)


def ones_needed(problem: DeepLinearProblem, i: int, *, count: str) -> Verdict:
    """Whether a 0/1 matrix K with ``count`` ones, none in its top left s₂ × s₁ corner, makes C + K of full
    rank.

    C is zero off that corner and holds there the block of W_i that the normal equation fixes, of rank c.
    printed: d_i + d_{i−1} − s₂ − s₁ ones, decided where they do not fit or C = 0 (all K are tried). repaired:
    min(d_i, d_{i−1}) − c ones, if c >= s₁ + s₂ − max(d_i, d_{i−1}): off c independent rows and columns of C,
    the ones go on a diagonal that avoids the corner, and c + the number of ones is the rank (Schur
    complement). The corner is written in rational instead of singular bases, which multiplies C by invertible
    matrices.
    """
    (s_1, s_2), (m, n) = layer_ranks(problem, i), (problem.widths[i], problem.widths[i - 1])
    corner = _corner(problem, i)
    c = corner.rank()
    wanted = m + n - s_1 - s_2 if count == "printed" else min(m, n) - c + (count == "one less") * -1
    free = [(a, b) for a in range(m) for b in range(n) if a >= s_2 or b >= s_1]
    values = {"i": i, "ones": wanted, "free entries": len(free), "s1": s_1, "s2": s_2, "rank(C)": c}
    if count != "printed":
        if c < s_1 + s_2 - max(m, n):
            return vacuous("no K makes C + K of full rank")
        k = _ones(corner, m, n, s_2, s_1, wanted)
        whole = _placed(corner, m, n)
        return decide(
            k is not None and (whole + k).rank() == min(m, n), values=values, why="C + K is not of full rank."
        )
    if wanted > len(free):
        return decide(
            False, values=values, margin=fmpq(wanted - len(free)), why="There is no room for that many ones."
        )
    if len(free) > 12:
        return inconclusive("too many matrices K to try them all")
    whole = _placed(corner, m, n)
    for chosen in _subsets(free, wanted):
        k = fmpq_mat(m, n)
        for place in chosen:
            k[place] = 1
        if (whole + k).rank() == min(m, n):
            return decide(True, why="", values=values)
    if c:
        return inconclusive("no K was found in these bases of the singular spaces")
    return decide(False, values=values, margin=fmpq(1), why="No such K has full rank.")


def _subsets(items: list[tuple[int, int]], size: int) -> list[tuple[tuple[int, int], ...]]:
    return list(combinations(items, size))


def _corner(problem: DeepLinearProblem, i: int) -> fmpq_mat:
    """B W_i A X in bases of the columns of B and of the rows of A X: s₂ × s₁, of rank rank(R X)."""
    above, below = problem.above(i), problem.below(i - 1) * problem.X
    rows_of = above.rref()[0].table()[: above.rank()] if above.nrows() else []
    p = fmpq_mat(len(rows_of), above.ncols(), [e for row in rows_of for e in row])
    t = below.transpose()
    cols_of = t.rref()[0].table()[: t.rank()] if t.nrows() else []
    q = fmpq_mat(len(cols_of), t.ncols(), [e for row in cols_of for e in row])
    return p * problem.weights[i - 1] * q.transpose()


def _placed(corner: fmpq_mat, m: int, n: int) -> fmpq_mat:
    whole = fmpq_mat(m, n)
    for a in range(corner.nrows()):
        for b in range(corner.ncols()):
            whole[a, b] = corner[a, b]
    return whole


def _ones(corner: fmpq_mat, m: int, n: int, s_2: int, s_1: int, wanted: int) -> fmpq_mat | None:
    """The repaired K: ones off c independent rows and columns of C, on a matching that avoids the corner."""
    c = corner.rank()
    rows_kept = _independent(corner.transpose()) if c else []
    cols_kept = _independent(corner) if c else []
    left = [a for a in range(m) if a not in rows_kept]
    right = [b for b in range(n) if b not in cols_kept]
    inner_rows, outer_rows = [a for a in left if a < s_2], [a for a in left if a >= s_2]
    inner_cols, outer_cols = [b for b in right if b < s_1], [b for b in right if b >= s_1]
    pairs = []
    while inner_rows and outer_cols:
        pairs.append((inner_rows.pop(), outer_cols.pop()))
    while inner_cols and outer_rows:
        pairs.append((outer_rows.pop(), inner_cols.pop()))
    while outer_rows and outer_cols:
        pairs.append((outer_rows.pop(), outer_cols.pop()))
    if len(pairs) < wanted:
        return None
    k = fmpq_mat(m, n)
    for place in pairs[:wanted]:
        k[place] = 1
    return k


def _independent(a: fmpq_mat) -> list[int]:
    reduced, rank = a.rref()
    table = reduced.table()
    return [next(j for j, e in enumerate(table[i]) if e) for i in range(rank)]
