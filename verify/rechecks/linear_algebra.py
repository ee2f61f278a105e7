"""Matrices as lists of rows of ``Fraction``."""

from __future__ import annotations

from fractions import Fraction


def number(text):
    """A number of the JSON."""
    return Fraction(text)


def matrix(rows):
    """A matrix of the JSON as rows of exact numbers; one without rows is written {"rows": [], "cols": n}."""
    return [[Fraction(e) for e in row] for row in (rows["rows"] if isinstance(rows, dict) else rows)]


def identity(n):
    """I_n."""
    return [[Fraction(i == j) for j in range(n)] for i in range(n)]


def turned(a):
    """The transpose (of a matrix with rows)."""
    return [list(column) for column in zip(*a)]


def times(a, b):
    """The product of two matrices that fit."""
    return [[sum((x * b[k][j] for k, x in enumerate(row)), Fraction(0)) for j in range(len(b[0]))] for row in a]


def plus(a, b):
    """The sum of two matrices of one shape."""
    return [[x + y for x, y in zip(r, s)] for r, s in zip(a, b)]


def minus(a, b):
    """The difference of two matrices of one shape."""
    return [[x - y for x, y in zip(r, s)] for r, s in zip(a, b)]


def scaled(c, a):
    """c times a matrix."""
    return [[c * x for x in row] for row in a]


def beside(a, b):
    """[a, b]."""
    return [[*r, *s] for r, s in zip(a, b)]


def dot(u, v):
    """⟨u, v⟩ of two lists."""
    return sum((x * y for x, y in zip(u, v)), Fraction(0))


def squares(a):
    """‖a‖²_F."""
    return sum((x * x for row in a for x in row), Fraction(0))


def is_zero(a):
    """Whether every entry is 0."""
    return not any(x for row in a for x in row)


def kronecker(a, b):
    """a ⊗ b."""
    return [[x * y for x in r for y in s] for r in a for s in b]


def echelon(a):
    """The reduced row echelon form, without zero rows, and its pivot columns."""
    rows, pivots = [row[:] for row in a], []
    for c in range(len(rows[0]) if rows else 0):
        r = len(pivots)
        k = next((i for i in range(r, len(rows)) if rows[i][c]), None)
        if k is None:
            continue
        rows[r], rows[k] = rows[k], rows[r]
        rows[r] = [x / rows[r][c] for x in rows[r]]
        for i in range(len(rows)):
            if i != r and rows[i][c]:
                f = rows[i][c]
                rows[i] = [x - f * y for x, y in zip(rows[i], rows[r])]
        pivots.append(c)
    return rows[: len(pivots)], pivots


def rank(a):
    """The rank, by elimination."""
    return len(echelon(a)[1])


def null_vectors(a, n):
    """A basis of the v in Q^n with a v = 0."""
    rows, pivots = echelon(a)
    found = []
    for free in range(n):
        if free not in pivots:
            v = [Fraction(k == free) for k in range(n)]
            for row, c in zip(rows, pivots):
                v[c] = -row[free]
            found.append(v)
    return found


def solution(a, b):
    """A matrix x with a x = b, or None if there is none."""
    n = len(a[0])
    rows, pivots = echelon(beside(a, b))
    if any(c >= n for c in pivots):
        return None
    x = [[Fraction(0)] * len(b[0]) for _ in range(n)]
    for row, c in zip(rows, pivots):
        x[c] = row[n:]
    return x


def determinant(a):
    """det a, by elimination."""
    rows, d = [row[:] for row in a], Fraction(1)
    for c in range(len(rows)):
        k = next((i for i in range(c, len(rows)) if rows[i][c]), None)
        if k is None:
            return Fraction(0)
        if k != c:
            rows[c], rows[k], d = rows[k], rows[c], -d
        d *= rows[c][c]
        for i in range(c + 1, len(rows)):
            f = rows[i][c] / rows[c][c]
            rows[i] = [x - f * y for x, y in zip(rows[i], rows[c])]
    return d


def inertia(a):
    """How many eigenvalues of a symmetric matrix are positive, zero, negative: by congruences."""
    a, counts = [row[:] for row in a], [0, 0, 0]
    while a:
        n = len(a)
        k = next((i for i in range(n) if a[i][i]), None)
        if k is None:
            pair = next(((i, j) for i in range(n) for j in range(i) if a[i][j]), None)
            if pair is None:
                counts[1] += n
                break
            i, k = pair  # add row and column i to row and column k: then a_kk = 2 a_ik
            a[k] = [x + y for x, y in zip(a[k], a[i])]
            for row in a:
                row[k] += row[i]
        p = a[k]
        counts[0 if p[k] > 0 else 2] += 1
        rest = [i for i in range(n) if i != k]
        a = [[a[i][j] - a[i][k] * p[j] / p[k] for j in rest] for i in rest]
    return tuple(counts)


def is_positive_definite(a):
    """Whether all eigenvalues of a symmetric matrix are positive."""
    return inertia(a)[0] == len(a)


def is_semidefinite(a):
    """Whether no eigenvalue of a symmetric matrix is negative."""
    return inertia(a)[2] == 0


def projection(columns, y, weights=None):
    """The projection of the columns of y on the span of those of ``columns``: Gram-Schmidt, weighted samples."""
    w = weights or [Fraction(1)] * len(y)

    def form(u, v):
        return sum((c * s * t for c, s, t in zip(w, u, v)), Fraction(0))

    kept = []
    for v in turned(columns):
        for u in kept:
            c = form(u, v) / form(u, u)
            v = [s - c * t for s, t in zip(v, u)]
        if any(v):
            kept.append(v)
    fitted = []
    for v in turned(y):
        total = [Fraction(0)] * len(v)
        for u in kept:
            c = form(u, v) / form(u, u)
            total = [s + c * t for s, t in zip(total, u)]
        fitted.append(total)
    return turned(fitted)


def projector(a):
    """The orthogonal projector on the column space, len(a) × len(a)."""
    return projection(a, identity(len(a)))


def least_squares(columns, y, weights=None):
    """min over R of Σ_i w_i |y_i − R columns_i|², rows being samples."""
    fitted = projection(columns, y, weights) if columns and columns[0] else scaled(0, y)
    w = weights or [Fraction(1)] * len(y)
    return sum((c * sum((s - t) ** 2 for s, t in zip(p, q)) for c, p, q in zip(w, fitted, y)), Fraction(0))
