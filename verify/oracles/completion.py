"""Deep linear models under entrywise losses: exact descent, certified minima of completions, thin chains.

f(R) = Σ c|e| + a e² + b e⁴ with e = R − Y (``strategies.completion.EntrywiseProblem``), R = W_H ⋯ W₁.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from flint import arb, fmpq, fmpq_mat

from strategies.completion import EntrywiseProblem
from strategies.matrices import as_floats, identity, null_space, rows
from verify.oracles.enclosed import is_positive_definite, prove_critical_point

__all__ = [
    "Completion",
    "certified_completion",
    "find_lower",
    "find_lower_thin",
    "gradient",
    "is_at_shallow_minimum",
    "is_critical",
    "is_entrywise_minimum",
    "is_thin_minimum",
    "local_minimum_value",
    "loss",
    "satisfies_theorem_3_2",
    "settled_completion",
    "shallow_minimum_value",
    "slope",
]


def loss(p: EntrywiseProblem, at: fmpq_mat | None = None) -> fmpq:
    """f at R, or at the given matrix."""
    e = (p.linear.R if at is None else at) - p.targets
    parts = zip(e.entries(), p.absolute.entries(), p.squares.entries(), p.quartics.entries(), strict=True)
    return sum((c * abs(x) + a * x * x + b * x**4 for x, c, a, b in parts), fmpq(0))


def slope(p: EntrywiseProblem) -> fmpq_mat:
    """G = ∇f(R). Raises ``ValueError`` where f has absolute values."""
    if not p.smooth:
        raise ValueError("f has absolute values: no gradient is promised")
    e = p.linear.E
    parts = zip(e.entries(), p.squares.entries(), p.quartics.entries(), strict=True)
    return fmpq_mat(e.nrows(), e.ncols(), [2 * a * x + 4 * b * x**3 for x, a, b in parts])


def gradient(p: EntrywiseProblem) -> list[fmpq_mat]:
    """∂f/∂W_i = B_iᵀ G A_{i−1}ᵀ, i = 1 … H."""
    g, net = slope(p), p.linear
    return [net.above(i).transpose() * g * net.below(i - 1).transpose() for i in range(1, len(p.weights) + 1)]


def is_critical(p: EntrywiseProblem) -> bool:
    """Whether every partial gradient is exactly zero."""
    return not any(any(g.entries()) for g in gradient(p))


# --- descent -----------------------------------------------------------------------------------------


def find_lower(p: EntrywiseProblem, radius: fmpq) -> EntrywiseProblem | None:
    """Weights with every entry within ``radius`` and f lower; None if ∇f(R) = 0, or W is critical and rank R
    = d_p.

    For any differentiable f. Off critical points along −∇f. At a critical point with G ≠ 0 and rank R < d_p:
    let i >= 1 be least with ker B_i = 0. For j < i, W_j + s v_j z_{j−1}ᵀ with v_j in ker B_j leaves R
    unchanged; with G z₀ ≠ 0 and z_j = v_j, G A_{i−1}ᵀ has the leading coefficient G z₀ v_{i−1}ᵀ ∏|v_j|² in
    s. If i < H, some uᵀA_i = 0 and W_H ↦ (I + s w uᵀB_i⁺) W_H leaves R unchanged and makes ∂f/∂W_i nonzero.
    One gradient step is then lower, which is checked exactly. Source: Laurent & von Brecht (2018), Zhang
    (2019).
    """
    g, net = slope(p), p.linear
    if not any(g.entries()):
        return None
    if not is_critical(p):
        return _one_step(p, p, radius)
    d, depth = net.widths, len(p.weights)
    if net.R.rank() == net.least_width:
        return None
    i = next(j for j in range(1, depth + 1) if net.above(j).rank() == d[j])
    column = next(j for j in range(d[0]) if any(row[j] for row in g.table()))
    z = rows(identity(d[0]), [column]).transpose()
    pushes = []
    for j in range(1, i):
        v = rows(null_space(net.above(j)).transpose(), [0]).transpose()
        pushes.append(v * z.transpose())
        z = v
    size = sum((abs(e) for push in pushes for e in push.entries()), fmpq(1))
    s = radius / (2 * size)
    for _ in range(60):
        weights = [w + pushes[k] * s if k < len(pushes) else w for k, w in enumerate(p.weights)]
        there = replace(p, weights=tuple(weights))
        seen = g * there.linear.below(i - 1).transpose()
        if any(seen.entries()):
            if i < depth:
                u = rows(null_space(there.linear.below(i).transpose()).transpose(), [0])
                k = next(k for k, row in enumerate(seen.table()) if any(row))
                b = net.above(i)
                inverse = (b.transpose() * b).solve(b.transpose())
                turn = rows(identity(d[-1]), [k]).transpose() * u * inverse * weights[-1]
                scale = max(fmpq(1), sum((abs(e) for e in turn.entries()), fmpq(0)))
                weights[-1] = weights[-1] + turn * (s / (2 * scale))
                there = replace(p, weights=tuple(weights))
            if not is_critical(there):
                return _one_step(there, p, radius / 4)
        s = s * fmpq(2, 3)
    return None


def _one_step(p: EntrywiseProblem, origin: EntrywiseProblem, radius: fmpq) -> EntrywiseProblem | None:
    slopes, limit = gradient(p), loss(origin)
    step = min(fmpq(1), radius / sum((abs(e) for g in slopes for e in g.entries()), fmpq(0)))
    for _ in range(2000):
        there = replace(p, weights=tuple(w - g * step for w, g in zip(p.weights, slopes, strict=True)))
        if loss(there) < limit:
            return there
        step = step / 4
    return None


def is_at_shallow_minimum(p: EntrywiseProblem) -> bool | None:
    """Whether R is a local minimum of f over rank <= d_p, for a differentiable f.

    True if G = 0 and f is convex; False if 0 ≠ G and rank R < d_p (R − s x yᵀ with xᵀG y > 0 has rank <=
    d_p), or if G has a component along the matrices of rank d_p at R; None otherwise.
    """
    g, net = slope(p), p.linear
    if not any(g.entries()):
        return True if p.convex else None
    if net.R.rank() < net.least_width or any((net.R.transpose() * g).entries()):
        return False
    return False if any((g * net.R.transpose()).entries()) else None


# --- thin chains -------------------------------------------------------------------------------------


def _thin(p: EntrywiseProblem) -> tuple[fmpq, list[fmpq], list[list[fmpq]]]:
    """t, w and per entry of R ∈ R^n: [α, s, κ], f(v) − f(0) = Σ α|v| + s v + κ v² + O(v³) near 0."""
    net = p.linear
    if net.widths[0] != 1 or net.widths[-2] != 1 or len(p.weights) not in (2, 3):
        raise ValueError(f"widths {net.widths}: (1, 1, n) or (1, k, 1, n) is needed")
    germs = []
    data = (p.targets, p.absolute, p.squares, p.quartics)
    for y, c, a, b in zip(*(part.entries() for part in data), strict=True):
        sign = (y > 0) - (y < 0)
        germs.append([c if y == 0 else fmpq(0), -sign * c - 2 * a * y - 4 * b * y**3, a + 6 * b * y * y])
    return net.below(len(p.weights) - 1)[0, 0], p.weights[-1].entries(), germs


def _is_flat(germs: list[list[fmpq]]) -> bool:
    """Whether f has no term of first order at 0."""
    return not any(alpha or s for alpha, s, _ in germs)


def is_thin_minimum(p: EntrywiseProblem) -> str | None:
    """Why W certainly is a local minimum of f(W_H ⋯ W₁) for widths (1, 1, n), (1, k, 1, n); None if not
    known.

    R = t w with t the product of all layers but the last, w. (W_{H−1}, …, W₁) ↦ t is open, so W is a local
    minimum iff (t, w) is one of f(t w). At t = 0 f(t w') − f(0) = |t| φ(±w') + O(t²), φ(v) = Σ α|v| + s v,
    with the sign of t, hence φ(w) > 0 < φ(−w) suffices; so does φ = 0 and Σ κ w² > 0. At t ≠ 0 (t, w) ↦ t w
    is open, so a minimum of f decides: f convex with 0 in its subdifferential at R.
    """
    t, w, germs = _thin(p)
    if t == 0:
        linear = sum((s * x for x, (_, s, _) in zip(w, germs, strict=True)), fmpq(0))
        convex = sum((a * abs(x) for x, (a, _, _) in zip(w, germs, strict=True)), fmpq(0))
        if convex > abs(linear):
            return (
                "the product of the other layers is 0, and f rises to first order along both ± the last layer"
            )
        second = sum((k * x * x for x, (_, _, k) in zip(w, germs, strict=True)), fmpq(0))
        if _is_flat(germs) and second > 0:
            return "the product of the other layers is 0, and f rises to second order along the last layer"
    if p.convex and loss(p) == shallow_minimum_value(p):
        return "R is a global minimum of f"
    return None


def is_entrywise_minimum(p: EntrywiseProblem) -> bool:
    """Whether R is a local minimum of f among all matrices: each entry is one of e ↦ c|e| + a e² + b e⁴.

    At e = 0 iff c > 0, or c = 0 and the first of a, b that is not zero is positive. At e ≠ 0 iff the slope
    is 0 and the curvature 2a + 12 b e² is positive, or zero with b = 0; with b ≠ 0 the third derivative 24 b
    e is then not zero.
    """
    parts = (p.linear.E, p.absolute, p.squares, p.quartics)
    for e, c, a, b in zip(*(part.entries() for part in parts), strict=True):
        if e == 0:
            rises = next((x for x in (c, a, b) if x), fmpq(0)) >= 0
        else:
            bend = 2 * a + 12 * b * e * e
            rises = (c if e > 0 else -c) + 2 * a * e + 4 * b * e**3 == 0 and (bend > 0 or bend == 0 == b)
        if not rises:
            return False
    return True


def find_lower_thin(p: EntrywiseProblem, radius: fmpq) -> EntrywiseProblem | None:
    """Weights of widths (1, 1, n) or (1, k, 1, n) with every entry within ``radius`` and f lower, or None.

    At t ≠ 0 one entry of the last layer moves by ± s. At t = 0 it does so or not, and W_2 or W_1 moves
    along the other, by far less: t is of the order ± s⁴, or s⁸ if both are 0. That is enough where f is not
    minimal at R and the merged problem satisfies Theorem 3.2 (``satisfies_theorem_3_2``): φ(w) <= 0 or
    φ(−w) <= 0 then, φ(v) < 0 for some v = ± e_i, and φ(w + s v) <= φ(w) + s φ(v); if φ = 0, no κ is
    positive.
    """
    t, _, _ = _thin(p)
    *outer, last = p.weights
    n = last.nrows()
    s = min(radius, fmpq(1, 4))
    for _ in range(40):
        for before in [outer] if t else _opened(outer, s**4):
            for k in range(-n, n + 1):
                there = last * fmpq(1)
                if k:
                    there[abs(k) - 1, 0] = there[abs(k) - 1, 0] + (s if k > 0 else -s)
                moved = replace(p, weights=(*before, there))
                if loss(moved) < loss(p):
                    return moved
        s = s / 4
    return None


def _opened(outer: list[fmpq_mat], size: fmpq) -> list[list[fmpq_mat]]:
    """The layers before the last of a thin chain with t = 0, moved by at most ``size`` to a t of either
    sign."""
    if len(outer) == 1:
        return [[outer[0] + fmpq_mat(1, 1, [e])] for e in (size, -size)]
    first, second = outer
    if any(second.entries()):
        push = _shrunk(second.transpose(), size)
        return [[first + push, second], [first - push, second]]
    if not any(first.entries()):
        first = fmpq_mat(first.nrows(), 1, [size] * first.nrows())
    push = _shrunk(first.transpose(), size)
    return [[first, push], [first, -push]]


def _shrunk(a: fmpq_mat, size: fmpq) -> fmpq_mat:
    return a * (size / sum((abs(e) for e in a.entries()), fmpq(0)))


def satisfies_theorem_3_2(p: EntrywiseProblem, *, merged: bool = False) -> bool | None:
    """Whether Theorem 3.2's conclusion holds at every local minimum of f(W_H ⋯ W₁) over these widths; None:
    cannot.

    Widths (1, k, 1, n), k >= 2: every layer is a vector, deficient iff 0. W₁ = 0 may become a small vector
    orthogonal to W₂, and W₂ = 0 one orthogonal to W₁; W_3 = 0 any small vector if t = 0. If W_3 = 0 ≠ t, W
    is a local minimum iff 0 is one of f, and a small R ≠ 0 with f(R) = f(0) is needed. Hence: 0 must not be
    a strict local minimum of f. ``merged`` asks for widths (1, 1, n), where W₂W₁ is one scalar layer t, as
    the proof of Theorem 3.3 does: in addition no local minimum with t = 0 may have f(t w) ≠ f(0) for all
    small t ≠ 0, so that no w may have φ(w) > 0 < φ(−w) (``is_thin_minimum``), or Σ κ w² > 0 if φ = 0.
    """
    _, _, germs = _thin(p)
    one = merged or len(p.weights) == 2 or p.weights[0].nrows() < 2
    falls = any(abs(s) > a for a, s, _ in germs) or (_is_flat(germs) and any(k < 0 for *_, k in germs))
    if not falls:  # 0 may be a local minimum of f
        return None
    if not one:
        return True
    if _is_flat(germs):
        return None if any(k > 0 for *_, k in germs) else True
    single = any(a > abs(s) for a, s, _ in germs)
    pairs = any(
        a * abs(s2) + a2 * abs(s) > 0 for i, (a, s, _) in enumerate(germs) for a2, s2, _ in germs[:i]
    )  # w = (s₂, −s) annihilates the linear part
    return not (single or pairs)


def shallow_minimum_value(p: EntrywiseProblem) -> fmpq | None:
    """The value of f at its local minima over all of R^{n}, where d_p = min(d_0, d_H); None if there are
    none.

    f is a sum of functions of one entry each: e ↦ c|e| + a e² + b e⁴. If a, b, c >= 0 each has the least
    value 0. If c = 0, one with a < 0 has the minimum −a²/(4b) where b > 0 and none where b <= 0; one with a
    = 0 > b has none. Raises ``ValueError`` for c ≠ 0 with a negative coefficient, and where rank R <= d_p
    restricts.
    """
    net = p.linear
    if net.least_width < min(net.widths[0], net.widths[-1]):
        raise ValueError(f"widths {net.widths} restrict the rank")
    if p.convex:
        return fmpq(0)
    if not p.smooth:
        raise ValueError("absolute values beside negative coefficients")
    total = fmpq(0)
    for a, b in zip(p.squares.entries(), p.quartics.entries(), strict=True):
        if (a < 0 and b <= 0) or (a == 0 and b < 0):
            return None
        if a < 0:
            total -= a * a / (4 * b)
    return total


# --- matrix completion -------------------------------------------------------------------------------


def local_minimum_value(p: EntrywiseProblem) -> fmpq | arb | None:
    """f at a local minimum of a completion of rank one, at W or where Newton steps from W lead; None:
    cannot."""
    settled = settled_completion(p)
    if settled is not None:
        return settled
    found = certified_completion(p)
    return None if found is None else found.value


def settled_completion(p: EntrywiseProblem) -> fmpq | None:
    """f(W), if W itself certainly is a local minimum of f over rank one, d = (m, 1, …, 1, n); or None.

    Let R = a bᵀ be critical, f = Σ a_{ij}(a_i b_j − Y_ij)². Call a row i free if b_j = 0 = Y_ij wherever it
    is observed, a column j free if a_i = 0 = Y_ij wherever it is. Hold all a_i, b_j of free lines at values
    s near their own: in the others, x, f has the slope 0 at x̄ still, for the terms that s changes are a_{ij}
    (a_i b_j)² with b_j = 0, i free (or the reverse); and f(s, x̄) >= f(W). So W is a local minimum if the
    Hessian in x is positive definite at W, and by continuity near it. One entry of x̄ that is not zero is
    held fixed: nearby points have the same f as points with that entry, by (a, b) ↦ (c a, b / c).
    """
    Y, M, net = p.targets, p.squares, p.linear
    if set(net.widths[1:-1]) != {1}:
        return None
    n, m = Y.nrows(), Y.ncols()
    z = p.weights[-1].entries() + net.below(len(p.weights) - 1).entries()
    g, h = [fmpq(0)] * (n + m), [[fmpq(0)] * (n + m) for _ in range(n + m)]
    free = [True] * (n + m)
    for i in range(n):
        for j in range(m):
            if c := M[i, j]:
                row, column = i, n + j
                free[row] = free[row] and z[column] == 0 == Y[i, j]
                free[column] = free[column] and z[row] == 0 == Y[i, j]
                h[row][row] += c * z[column] ** 2
                h[column][column] += c * z[row] ** 2
                h[row][column] = h[column][row] = c * (2 * z[row] * z[column] - Y[i, j])
                g[row] += c * (z[row] * z[column] - Y[i, j]) * z[column]
                g[column] += c * (z[row] * z[column] - Y[i, j]) * z[row]
    if any(g):
        return None
    moving = [k for k in range(n + m) if not free[k]]
    if held := [k for k in moving if z[k]]:
        moving.remove(held[0])
    if not is_positive_definite([[h[k][l] for l in moving] for k in moving]):
        return None
    return loss(p)


@dataclass(frozen=True)
class Completion:
    """A certified strict local minimum (modulo scaling) of a completion of rank one."""

    a: list[arb]
    b: list[arb]
    value: arb
    """Σ a_{ij} (a_i b_j − Y_ij)² there."""


def certified_completion(p: EntrywiseProblem) -> Completion | None:
    """The local minimum that damped Newton steps in float64 finds from W, proven to exist; or None: cannot.

    Rank one, d = (m, 1, …, 1, n): with R = a bᵀ, f = Σ a_{ij}(a_i b_j − Y_ij)² is constant along (s a, b/s).
    The entry of (a, b) that is largest at the found point is held fixed there: the orbit of scaling crosses
    this slice transversally wherever that entry is not zero, as it is not on the box. On the slice
    ``prove_critical_point`` shows that there is exactly one critical point in the box and that the Hessian
    is positive definite: a strict local minimum of f over rank <= 1 if R ≠ 0 (the map (a, b) ↦ a bᵀ is then
    open onto these), hence of f(W_H ⋯ W₁) at all weights with that product.
    """
    Y, M = as_floats(p.targets), as_floats(p.squares)
    n, m = Y.shape
    net = p.linear
    a0, b0 = as_floats(p.weights[-1]).ravel(), as_floats(net.below(len(p.weights) - 1)).ravel()
    z = _descend(M, Y, np.concatenate([a0, b0]))
    if z is None:
        return None
    scale = np.sqrt(np.linalg.norm(z[n:]) / np.linalg.norm(z[:n]))
    z = np.concatenate([z[:n] * scale, z[n:] / scale])
    fixed = int(np.argmax(np.abs(z)))
    basis = np.delete(np.eye(n + m), fixed, axis=1)
    weights, targets = p.squares.table(), p.targets.table()

    def slopes(x: list[arb]) -> list[arb]:
        e = [[weights[i][j] * (x[i] * x[n + j] - targets[i][j]) for j in range(m)] for i in range(n)]
        return [sum((e[i][j] * x[n + j] for j in range(m)), arb(0)) for i in range(n)] + [
            sum((e[i][j] * x[i] for i in range(n)), arb(0)) for j in range(m)
        ]

    def curvature(x: list[arb]) -> list[list[arb]]:
        h = [[arb(0)] * (n + m) for _ in range(n + m)]
        for i in range(n):
            for j in range(m):
                c = weights[i][j]
                if c:
                    h[i][i] = h[i][i] + c * x[n + j] * x[n + j]
                    h[n + j][n + j] = h[n + j][n + j] + c * x[i] * x[i]
                    h[i][n + j] = h[n + j][i] = c * (2 * x[i] * x[n + j] - targets[i][j])
        return h

    found = prove_critical_point(slopes, curvature, z.tolist(), slice=basis)
    if found is None or found.positive_definite is not True or not abs(found.box[fixed]) > 0:
        return None
    a, b = found.point[:n], found.point[n:]
    errors = ((weights[i][j], a[i] * b[j] - targets[i][j]) for i in range(n) for j in range(m))
    return Completion(a=a, b=b, value=sum((c * e * e for c, e in errors), arb(0)))


def _descend(M: np.ndarray, Y: np.ndarray, z: np.ndarray, steps: int = 80) -> np.ndarray | None:
    """Newton steps with ∇²f + λ, λ lowered after a success and raised after a failure: never uphill. Only
    proposes."""
    n = Y.shape[0]
    e = M * (np.outer(z[:n], z[n:]) - Y)
    size, damping, furthest = float((e * e).sum()), 10.0, 100 * float(np.abs(z).max())
    for _ in range(steps):
        a, b = z[:n], z[n:]
        g = np.concatenate([e @ b, e.T @ a])
        if np.abs(g).max() < 1e-12:
            break
        h = np.diag(np.concatenate([M @ (b * b), M.T @ (a * a)]))
        h[:n, n:] = M * np.outer(a, b) + e
        h[n:, :n] = h[:n, n:].T
        for _ in range(60):
            shifted = h + damping * np.eye(len(z))
            try:
                np.linalg.cholesky(shifted)
                there = z - np.linalg.solve(shifted, g)
            except np.linalg.LinAlgError:
                damping *= 4
                continue
            new = M * (np.outer(there[:n], there[n:]) - Y)
            if float((new * new).sum()) <= size:
                break
            damping *= 4
        else:
            break
        z, e, damping = there, new, damping / 3
        size = float((e * e).sum())
        if np.abs(z).max() > furthest:
            return None
    return z if np.linalg.norm(z[:n]) > 0 and np.linalg.norm(z[n:]) > 0 else None
