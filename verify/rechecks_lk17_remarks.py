# ruff: noqa: B905, E501
# mypy: disable-error-code="no-untyped-def, no-untyped-call, no-any-return, var-annotated"
"""Second opinions on the remarks of Lu & Kawaguchi (2017), with Python's standard library alone.

As in ``verify.rechecks``: each function takes the JSON of an instance and says whether it refutes the claim.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any


def bad_minimum_in_spite_of_theorem_3_2(instance: dict[str, Any]) -> bool:
    """Widths (1, k, 1, n), k >= 2, t = W₂W₁ = 0: f(s w') > f(0) near, 0 is no minimum of f, f(0) no minimal value.

    f(s w') − f(0) = |s| φ(± w') + …: positive for all small s ≠ 0 and w' near w if φ(w) > 0 < φ(−w), or if φ = 0
    and the second-order form is positive at w. All layers are vectors, so Theorem 3.2 asks only to replace zeros.
    """

    def number(rows):
        return [[Fraction(e) for e in row] for row in rows]

    W = [number(w) for w in instance["weights"]["tuple"]]
    Y, C, A, B = (number(instance[k]) for k in ("targets", "absolute", "squares", "quartics"))
    if len(W) != 3 or len(W[0]) < 2 or len(W[0][0]) != 1 or len(W[2][0]) != 1:
        return False
    n, t, w = len(Y), sum(a * b[0] for a, b in zip(W[1][0], W[0])), [row[0] for row in W[2]]
    y, c, a, b = ([row[0] for row in part] for part in (Y, C, A, B))

    def along(v):  # the exact first-order term of f(s v) − f(0), s > 0
        total = Fraction(0)
        for i in range(n):
            if y[i] == 0:
                total += c[i] * abs(v[i])
            else:
                sign = 1 if y[i] > 0 else -1
                total += v[i] * (-sign * c[i] - 2 * a[i] * y[i] - 4 * b[i] * y[i] ** 3)
        return total

    units = [[s if i == j else 0 for i in range(n)] for j in range(n) for s in (1, -1)]
    second = [a[i] + 6 * b[i] * y[i] ** 2 for i in range(n)]
    flat = not any(along(v) for v in units)
    rises = along(w) > 0 and along([-e for e in w]) > 0
    if flat:
        rises = sum(second[i] * w[i] ** 2 for i in range(n)) > 0
    zero_is_minimal = not any(along(v) < 0 for v in units) and not (flat and any(e < 0 for e in second))
    value = sum(c[i] * abs(y[i]) + a[i] * y[i] ** 2 + b[i] * y[i] ** 4 for i in range(n))
    if any(e < 0 for e in c + a + b):  # minimal values exist only if every entry of f has a minimum
        if any(c) or any((a[i] < 0 and b[i] <= 0) or (a[i] == 0 and b[i] < 0) for i in range(n)):
            return t == 0 and rises and not zero_is_minimal and not any(c)
        least = sum(-(a[i] ** 2) / (4 * b[i]) for i in range(n) if a[i] < 0)
    else:
        least = Fraction(0)
    return t == 0 and rises and not zero_is_minimal and value != least


def plain_sum_falls_for_ever(instance: dict[str, Any]) -> bool:
    """Along W₂W₁ = s E_ij, (i, j) observed, the sum of the observed Y − W₂W₁ is a constant minus s."""
    M = [[Fraction(e) for e in row] for row in instance["squares"]]
    Y = [[Fraction(e) for e in row] for row in instance["targets"]]
    pairs = [(i, j) for i in range(len(M)) for j in range(len(M[0])) if M[i][j]]
    if not pairs:
        return False

    def value(s):
        return sum(Y[i][j] - (s if (i, j) == pairs[0] else 0) for i, j in pairs)

    return all(value(s + 1) == value(s) - 1 for s in range(20))


def completion_has_a_bad_minimum(instance: dict[str, Any]) -> bool:
    """A local minimum with f > 0 = min f: damped Newton steps from W, and then a proof in rationals.

    With one entry of (a, b) held fixed (it scales with the others), at z: if ∇²f >= λ on the box |x − z| <= r and
    |∇f(z)|₁ < λ r / 2, then f > f(z) on the boundary of the box, so that a minimum lies inside, and it is
    at least f(z) − r |∇f(z)|₁. f here is half of Σ (a_i b_j − Y_ij)² over the observed entries.
    """

    def number(rows):
        return [[Fraction(e) for e in row] for row in rows]

    W = [number(w) for w in instance["weights"]["tuple"]]
    Y, M = number(instance["targets"]), number(instance["squares"])
    n, m = len(Y), len(Y[0])
    if any(Y[0][0] * Y[i][j] != Y[i][0] * Y[0][j] for i in range(n) for j in range(m)):
        return False  # not of rank one (Y[0][0] is not zero in these instances)
    if Y[0][0] == 0 or len(W[-1][0]) != 1:
        return False
    between = Fraction(1)
    for w in W[1:-1]:
        between *= w[0][0]
    x = [float(row[0]) for row in W[-1]] + [float(e * between) for e in W[0][0]]
    seen = [(i, j, float(M[i][j]), float(Y[i][j])) for i in range(n) for j in range(m) if M[i][j]]

    def eliminated(h, g):  # the solution of h x = g, or None unless h is positive definite
        h, x, size = [row[:] for row in h], g[:], len(g)
        for s in range(size):
            if h[s][s] <= 0:
                return None
            for t in range(s + 1, size):
                f = h[t][s] / h[s][s]
                x[t] -= f * x[s]
                h[t] = [h[t][j] - f * h[s][j] for j in range(size)]
        for s in reversed(range(size)):
            x[s] = (x[s] - sum(h[s][j] * x[j] for j in range(s + 1, size))) / h[s][s]
        return x

    def squared(x):
        return sum(c * (x[i] * x[n + j] - y) ** 2 for i, j, c, y in seen)

    damping = 1.0
    for _ in range(120):
        g, h = [0.0] * (n + m), [[0.0] * (n + m) for _ in range(n + m)]
        for i, j, c, y in seen:
            e = c * (x[i] * x[n + j] - y)
            g[i] += e * x[n + j]
            g[n + j] += e * x[i]
            h[i][i] += c * x[n + j] ** 2
            h[n + j][n + j] += c * x[i] ** 2
            h[i][n + j] = h[n + j][i] = c * x[i] * x[n + j] + e
        if max(abs(e) for e in g) < 1e-11:
            break
        for _ in range(60):
            shifted = [[h[k][l] + (damping if k == l else 0.0) for l in range(n + m)] for k in range(n + m)]
            step = eliminated(shifted, g)
            there = None if step is None else [x[k] - step[k] for k in range(n + m)]
            if there is not None and squared(there) <= squared(x):
                break
            damping *= 4
        else:
            break
        x, damping = there, damping / 8
    size = (sum(e * e for e in x[n:]) / (sum(e * e for e in x[:n]) or 1.0)) ** 0.25 or 1.0
    a, b = [e * size for e in x[:n]], [e / size for e in x[n:]]
    z = [Fraction(e) for e in a + b]
    fixed = max(range(n + m), key=lambda k: abs(z[k]))
    free = [k for k in range(n + m) if k != fixed]

    def slopes(z):
        g = [Fraction(0)] * (n + m)
        for i in range(n):
            for j in range(m):
                e = M[i][j] * (z[i] * z[n + j] - Y[i][j])
                g[i] += e * z[n + j]
                g[n + j] += e * z[i]
        return [g[k] for k in free]

    def curvature(z, shift):
        h = [[Fraction(0)] * (n + m) for _ in range(n + m)]
        for i in range(n):
            for j in range(m):
                h[i][i] += M[i][j] * z[n + j] ** 2
                h[n + j][n + j] += M[i][j] * z[i] ** 2
                h[i][n + j] = h[n + j][i] = M[i][j] * (2 * z[i] * z[n + j] - Y[i][j])
        return [[h[k][l] - (shift if k == l else 0) for l in free] for k in free]

    z = [Fraction(round(e * 2**40), 2**40) for e in z]
    for _ in range(4):
        step = eliminated(curvature(z, 0), slopes(z))
        if step is None:
            return False
        for k, e in zip(free, step):
            z[k] = Fraction(round((z[k] - e) * 2**140), 2**140)
    if z[fixed] == 0:
        return False
    r, lam = Fraction(1, 2**50), Fraction(1, 2**20)
    size = max(abs(e) for e in z) + 1
    drift = 8 * (n + m) * max(max(row) for row in M) * size * r  # bounds |∇²f(x) − ∇²f(z)| on the box
    first = sum(abs(e) for e in slopes(z))
    value = sum(M[i][j] * (z[i] * z[n + j] - Y[i][j]) ** 2 for i in range(n) for j in range(m)) / 2
    strictly = eliminated(curvature(z, lam + drift), slopes(z)) is not None
    return strictly and first < lam * r / 2 and value - r * first > 0
