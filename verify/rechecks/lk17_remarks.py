"""For ``verify/test_lk17_remarks.py``: f(R) = Σ c|e| + a e² + b e⁴ over the entries e of R − Y, R = W_H ⋯ W₁."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from verify.rechecks.deep_linear import above, below, product, widths
from verify.rechecks.linear_algebra import (
    is_positive_definite,
    is_zero,
    matrix,
    minus,
    rank,
    solution,
    times,
    turned,
)


def layers(instance):
    """[W₁, …, W_H]."""
    return [matrix(w) for w in instance["weights"]["tuple"]]


def terms(instance):
    """(i, j, Y_ij, c, a, b) of every entry."""
    Y, *rest = (matrix(instance[k]) for k in ("targets", "absolute", "squares", "quartics"))
    return [(i, j, Y[i][j], *(a[i][j] for a in rest)) for i in range(len(Y)) for j in range(len(Y[0]))]


def entrywise_loss(instance, R):
    """f(R)."""
    values = ((R[i][j] - y, c, a, b) for i, j, y, c, a, b in terms(instance))
    return sum((c * abs(e) + a * e**2 + b * e**4 for e, c, a, b in values), Fraction(0))


def entrywise_slope(instance, R):
    """∇f(R), where there are no absolute values."""
    G = [[Fraction(0)] * len(R[0]) for _ in R]
    for i, j, y, _, a, b in terms(instance):
        G[i][j] = 2 * a * (R[i][j] - y) + 4 * b * (R[i][j] - y) ** 3
    return G


# --- any loss ----------------------------------------------------------------------------------------


def slope_from_zero(instance, v):
    """The limit of (f(s v) − f(0)) / s as s > 0 tends to 0, for a column v."""
    total = Fraction(0)
    for i, _, y, c, a, b in terms(instance):
        if y == 0:
            total += c * abs(v[i])
        else:
            total += v[i] * ((-c if y > 0 else c) - 2 * a * y - 4 * b * y**3)
    return total


def curves_from_zero(instance):
    """None if f has a slope at 0 in any direction ± e_i; else the curvature of every entry there, halved."""
    n = len(instance["targets"])
    units = [[sign * (i == k) for i in range(n)] for k in range(n) for sign in (1, -1)]
    if any(slope_from_zero(instance, v) for v in units):
        return None
    return [a + 6 * b * y**2 for _, _, y, _, a, b in terms(instance)]


def rises_along_the_last_layer(instance):
    """Widths (1, …, 1, n) with W_{H−1} ⋯ W₁ = 0, and f rises from 0 along w and −w, w = W_H: to first order,
    or, where f has no slope at all, to second order."""
    W = layers(instance)
    d = widths(W)
    if d[0] != 1 or d[-2] != 1 or not is_zero(below(W, len(W) - 1)):
        return False
    w, curves = [row[0] for row in W[-1]], curves_from_zero(instance)
    if curves is not None:
        return sum(k * x * x for k, x in zip(curves, w)) > 0
    return slope_from_zero(instance, w) > 0 < slope_from_zero(instance, [-x for x in w])


def value_of_local_minima(instance):
    """f at the local minima of f among all matrices, entry by entry; None if an entry has none."""
    total = Fraction(0)
    for _, _, _, c, a, b in terms(instance):
        if c and min(a, b) < 0:
            raise ValueError("absolute values with negative coefficients")
        if (a < 0 and b <= 0) or (a == 0 and b < 0):
            return None
        total -= a * a / (4 * b) if a < 0 else 0
    return total


def minimum_has_no_shallow_value(instance: dict[str, Any]) -> bool:
    """Widths (1, …, 1, n), and t = W_{H−1} ⋯ W₁ = 0. f(t w') = f(0) + |t| φ(± w') + O(t²), φ the slope of f
    at 0: φ is positive at W_H and −W_H, or φ = 0 in all directions and the curvature along W_H is positive.
    So W is a local minimum. But f(0) is no value of f at a local minimum among all matrices, which are found
    entry by entry."""
    least = value_of_local_minima(instance)
    here = entrywise_loss(instance, product(layers(instance)))
    return rises_along_the_last_layer(instance) and (least is None or least != here)


def bad_minimum_in_spite_of_theorem_3_2(instance: dict[str, Any]) -> bool:
    """Widths (1, k, 1, n), k >= 2: all layers are vectors, so Theorem 3.2 asks that zeros can be replaced,
    and it holds because f falls from 0 in some direction. W₂W₁ = 0, and f rises from 0 along ± W₃, to first
    order, or to second where it has no slope: W is a local minimum. But f(0) is no value of f at a local
    minimum among all matrices."""
    n, curves = len(instance["targets"]), curves_from_zero(instance)
    units = [[sign * (i == k) for i in range(n)] for k in range(n) for sign in (1, -1)]
    falls = any(slope_from_zero(instance, v) < 0 for v in units) or min(curves or [0]) < 0
    d = widths(layers(instance))
    return len(d) == 4 and d[1] >= 2 and falls and minimum_has_no_shallow_value(instance)


def minimum_is_above_zero(instance: dict[str, Any]) -> bool:
    """Widths (1, …, 1, n), and t = W_{H−1} ⋯ W₁ = 0. f(t w') = f(0) + |t| φ(± w') + O(t²), φ the slope of f
    at 0: φ is positive at W_H and −W_H, or φ = 0 in all directions and the curvature along W_H is positive.
    So W is a local minimum. Its value f(0) is not 0."""
    here = entrywise_loss(instance, product(layers(instance)))
    return rises_along_the_last_layer(instance) and here != 0


def critical_weights_are_not_least(instance: dict[str, Any]) -> bool:
    """f is differentiable, all B_iᵀ ∇f(R) A_{i−1}ᵀ are 0, so that W is critical, and rank R < d_p. But ∇f(R)
    has an entry that is not 0, and R with this entry moved by a small step, down, has rank <= d_p and a lower
    f, as is computed: R is no local minimum, nor W a global one."""
    W = layers(instance)
    R = product(W)
    G = entrywise_slope(instance, R)
    sides = ((turned(above(W, i + 1)), below(W, i)) for i in range(len(W)))
    critical = all(is_zero(times(times(left, G), turned(right))) for left, right in sides)
    smooth = is_zero(matrix(instance["absolute"]))
    places = [(i, j) for i, row in enumerate(G) for j, e in enumerate(row) if e]
    if not smooth or not critical or not places or rank(R) >= min(widths(W)):
        return False
    (i, j), limit, step = places[0], entrywise_loss(instance, R), Fraction(1)
    sign = -1 if G[i][j] > 0 else 1
    for _ in range(300):
        there = [row[:] for row in R]
        there[i][j] += sign * step
        if entrywise_loss(instance, there) < limit:
            return rank(there) <= min(widths(W))
        step /= 2
    return False


def minimum_of_lower_rank(instance: dict[str, Any]) -> bool:
    """f is convex, all coefficients being >= 0, and ∇f(R) = 0: W is a global minimum. Yet rank R < d_p."""
    W = layers(instance)
    R = product(W)
    convex = all(min(a, b) >= 0 == c for _, _, _, c, a, b in terms(instance))
    return convex and is_zero(entrywise_slope(instance, R)) and rank(R) < min(widths(W))


def slope_is_never_zero(instance: dict[str, Any]) -> bool:
    """f = Σ a (R_ij − Y_ij)² with all a > 0 attains its least value over rank R <= d_p. There, as on all
    these R, its slope 2a (R_ij − Y_ij) is not 0, since rank Y > d_p."""
    squared = all(a > 0 == b == c for _, _, _, c, a, b in terms(instance))
    return squared and rank(matrix(instance["targets"])) > min(widths(layers(instance)))


# --- matrix completion -------------------------------------------------------------------------------


def plain_sum(instance, R):
    """Σ (Y − R)_ij over the observed entries."""
    return sum((y - R[i][j] for i, j, y, _, a, _ in terms(instance) if a), Fraction(0))


def plain_sum_falls_for_ever(instance: dict[str, Any]) -> bool:
    """(i, j) is observed, and W₁ = e₁ e_jᵀ, W₂ = s e_i e₁ᵀ are weights of the given shapes. Along them the
    sum of the observed Y − W₂W₁, linear in s, falls by s: computed at s = 1 and s = 1000."""
    W1, W2 = layers(instance)
    seen = [(i, j) for i, j, _, _, a, _ in terms(instance) if a]
    if not seen:
        return False
    i, j = seen[0]

    def value(s):
        first = [[Fraction(r == 0 and k == j) for k in range(len(W1[0]))] for r in range(len(W1))]
        last = [[Fraction(s * (r == i and k == 0)) for k in range(len(W1))] for r in range(len(W2))]
        return plain_sum(instance, times(last, first))

    return all(value(s) == value(0) - s for s in (1, 1000))


def plain_sum_is_lower(instance: dict[str, Any]) -> bool:
    """The sum of the observed Y − W₂W₁ at the given weights is below that of the observed Y, the value at W =
    0."""
    R = product(layers(instance))
    return plain_sum(instance, R) < plain_sum(instance, [[Fraction(0)] * len(R[0]) for _ in R])


def targets_are_no_product(instance: dict[str, Any]) -> bool:
    """All entries are observed, and rank Y, by elimination, exceeds the least width d_p: no W₂W₁ is Y, and
    ‖Y − W₂W₁‖² has a least value, which is then positive."""
    observed = all(a == 1 for _, _, _, _, a, _ in terms(instance))
    return observed and rank(matrix(instance["targets"])) > min(widths(layers(instance)))


def observed_pairs(instance):
    """(i, n + j, Y_ij) of the observed entries: the places in (a, b) of the factors of R_ij = a_i b_j."""
    n = len(instance["targets"])
    return [(i, n + j, y) for i, j, y, _, a, _ in terms(instance) if a]


def completion_slopes(seen, z):
    """The gradient of ½ Σ (z_i z_j − Y_ij)² by z."""
    g = [Fraction(0)] * len(z)
    for i, j, y in seen:
        g[i] += (z[i] * z[j] - y) * z[j]
        g[j] += (z[i] * z[j] - y) * z[i]
    return g


def completion_curvature(seen, z, among):
    """Its Hessian by the z_k with k in ``among``."""
    h = [[Fraction(0)] * len(z) for _ in z]
    for i, j, y in seen:
        h[i][i] += z[j] ** 2
        h[j][j] += z[i] ** 2
        h[i][j] = h[j][i] = 2 * z[i] * z[j] - y
    return [[h[k][l] for l in among] for k in among]


def is_stuck(instance):
    """Whether f >= f(a bᵀ) > 0 near R = a bᵀ, which is 0 at all observed entries.

    Let P be the lines with an observed Y_ij ≠ 0; a_i = b_j = 0 on them. Up to squares that are left out, f(x
    yᵀ) − f(a bᵀ) = Σ x_i² y_j² − 2 Y_ij x_i y_j is a quadratic form in the x_i, y_j of P, with x_i², y_j²
    taken times the squares of the observed others: positive definite at (a, b), hence near it.
    """
    W, seen = layers(instance), observed_pairs(instance)
    if set(widths(W)[1:-1]) != {1}:
        return False
    z = [row[0] for row in W[-1]] + below(W, len(W) - 1)[0]
    P = sorted({line for i, j, y in seen if y for line in (i, j)})
    if not P or any(z[i] * z[j] for i, j, _ in seen) or any(z[k] for k in P):
        return False
    return is_positive_definite(completion_curvature(seen, z, P))


def completion_is_stuck(instance: dict[str, Any]) -> bool:
    """rank Y = 1, so that min f = 0. R = a bᵀ is 0 at all observed entries, and a and b are 0 on the rows and
    columns P with an observed Y_ij ≠ 0. By these a_i, b_j the Hessian of f is positive definite, and the
    other terms of f are squares that vanish at R: f >= f(R) > 0 near (a, b)."""
    return rank(matrix(instance["targets"])) == 1 and is_stuck(instance)


def completion_is_stuck_above_another(instance: dict[str, Any]) -> bool:
    """rank Y >= 2. R = a bᵀ is 0 at all observed entries, and a and b are 0 on the rows and columns P with an
    observed Y_ij ≠ 0. By these a_i, b_j the Hessian of f is positive definite, and the other terms of f are
    squares that vanish at R: a local minimum. A matrix of rank one through a row and a column of Y has a
    lower f."""
    Y = matrix(instance["targets"])
    here = entrywise_loss(instance, product(layers(instance)))
    crosses = (
        [[Y[i][l] * Y[k][j] / Y[k][l] for j in range(len(Y[0]))] for i in range(len(Y))]
        for k in range(len(Y))
        for l in range(len(Y[0]))
        if Y[k][l]
    )
    lower = any(entrywise_loss(instance, R) < here for R in crosses)
    return rank(Y) >= 2 and is_stuck(instance) and lower


def completion_has_a_bad_minimum(instance: dict[str, Any]) -> bool:
    """rank Y = 1, so that min f = 0. Steps down the gradient lead from W to a point z; with its largest entry
    held fixed, which scaling allows, ∇²(f/2) >= λ on the box |x − z| <= r, and |∇(f/2)(z)|₁ < λ r / 2. So f
    is larger on the boundary of the box, a local minimum lies inside, and f/2 is at least f(z)/2 − r
    |∇(f/2)(z)|₁ > 0 there."""
    W, seen = layers(instance), observed_pairs(instance)
    n = len(instance["targets"])
    if len(W) != 2 or len(W[0]) != 1 or rank(matrix(instance["targets"])) != 1:
        return False
    x = [float(row[0]) for row in W[1]] + [float(e) for e in W[0][0]]
    for _ in range(3000):  # down the gradient, in steps that keep to the valley of W
        g, length = [0.0] * len(x), sum(e * e for e in x)
        for i, j, y in seen:
            e = x[i] * x[j] - float(y)
            g[i] += e * x[j]
            g[j] += e * x[i]
            length += abs(e)
        x = [a - b / length for a, b in zip(x, g)]
    grow = (max(abs(e) for e in x[n:]) / (max(abs(e) for e in x[:n]) or 1.0)) ** 0.5 or 1.0
    z = [Fraction(e * grow if k < n else e / grow) for k, e in enumerate(x)]
    fixed = max(range(len(z)), key=lambda k: abs(z[k]))
    free = [k for k in range(len(z)) if k != fixed]
    for _ in range(5):  # Newton's steps, rounded
        slopes = completion_slopes(seen, z)
        step = solution(completion_curvature(seen, z, free), [[slopes[k]] for k in free])
        if step is None:
            return False
        for k, (e,) in zip(free, step):
            z[k] = Fraction(round((z[k] - e) * 2**140), 2**140)
    r, least = Fraction(1, 2**50), Fraction(1, 2**20)
    drift = 8 * len(z) * (max(abs(e) for e in z) + 1) * r  # bounds |∇²(f/2)(x) − ∇²(f/2)(z)| on the box
    lifted = [[(least + drift) * (k == l) for l in free] for k in free]
    strictly = is_positive_definite(minus(completion_curvature(seen, z, free), lifted))
    first = sum(abs(completion_slopes(seen, z)[k]) for k in free)
    value = sum((z[i] * z[j] - y) ** 2 for i, j, y in seen) / 2
    return z[fixed] != 0 and strictly and first < least * r / 2 and value - r * first > 0
