"""Over the rationals: rank, inertia, definiteness, projections, least squares. Every answer is exact."""

from __future__ import annotations

from itertools import pairwise

from flint import fmpq, fmpq_mat

from strategies.datasets import Measure
from strategies.matrices import columns

__all__ = [
    "independent_columns",
    "inertia",
    "is_positive_definite",
    "least_squares",
    "least_squares_value",
    "negative_direction",
    "projector",
    "trace_product",
]


def inertia(a: fmpq_mat) -> tuple[int, int, int]:
    """The numbers of positive, zero and negative eigenvalues of a symmetric matrix.

    All roots of the characteristic polynomial are real, so Descartes' rule of signs is an equality: the
    sign changes of its coefficients count the positive roots, and the power of x it holds counts the zeros.
    Raises ``ValueError`` for a matrix that is not symmetric.
    """
    n = a.nrows()
    if a != a.transpose():
        raise ValueError("inertia is defined for symmetric matrices")
    if n == 0:
        return 0, 0, 0
    numerator, _ = a.numer_denom()
    coefficients = [int(c) for c in numerator.charpoly().coeffs()]
    zero = next(k for k, c in enumerate(coefficients) if c)
    signs = [c > 0 for c in coefficients if c]
    positive = sum(s != t for s, t in pairwise(signs))
    return positive, zero, n - zero - positive


def is_positive_definite(a: fmpq_mat) -> bool:
    """Whether a symmetric matrix has only positive eigenvalues."""
    return inertia(a)[0] == a.nrows()


def negative_direction(a: fmpq_mat) -> fmpq_mat | None:
    """v with vᵀ A v < 0 for a symmetric A, or None if A is positive semidefinite.

    Symmetric elimination: pivots on positive diagonal entries; a negative one is such a v, and so is, where
    only zeros are left on the diagonal, a pair e_i − s e_j with an entry off it, s its sign.
    """
    n = a.nrows()
    s, basis = (
        [list(row) for row in a.table()] if n else [],
        [[fmpq(int(i == j)) for j in range(n)] for i in range(n)],
    )
    left = list(range(n))
    while left:
        if (low := next((i for i in left if s[i][i] < 0), None)) is not None:
            return fmpq_mat(n, 1, basis[low])
        pivot = next((i for i in left if s[i][i] > 0), None)
        if pivot is None:
            pair = next(((i, j) for i in left for j in left if j < i and s[i][j] != 0), None)
            if pair is None:
                return None
            i, j = pair
            turn = 1 if s[i][j] > 0 else -1
            return fmpq_mat(n, 1, [x - turn * y for x, y in zip(basis[i], basis[j], strict=True)])
        left.remove(pivot)
        for i in left:
            factor = s[i][pivot] / s[pivot][pivot]
            if factor:
                basis[i] = [x - factor * y for x, y in zip(basis[i], basis[pivot], strict=True)]
                for j in left:
                    s[i][j] -= factor * s[pivot][j]
        for i in left:
            s[i][pivot] = fmpq(0)
    return None


def independent_columns(a: fmpq_mat) -> fmpq_mat:
    """A maximal set of linearly independent columns of ``a``: the pivot columns of its echelon form."""
    if not a.nrows() or not a.ncols():
        return columns(a, [])
    reduced, rank = a.rref()
    table = reduced.table()
    return columns(a, [next(j for j, e in enumerate(table[i]) if e) for i in range(rank)])


def projector(a: fmpq_mat) -> fmpq_mat:
    """P[a], the orthogonal projection onto the column space of ``a`` (m × m), whatever its rank."""
    basis = independent_columns(a)
    if not basis.ncols():
        return fmpq_mat(a.nrows(), a.nrows())
    t = basis.transpose()
    return basis * (t * basis).solve(t)


def least_squares(features: fmpq_mat, labels: fmpq_mat, measure: Measure) -> fmpq_mat:
    """A minimiser R (d × p) of E|R φ − y|², by the normal equations on independent features; 0 on the others.

    ``features`` is m × p, ``labels`` m × d.
    """
    m, p, d = features.nrows(), features.ncols(), labels.ncols()
    if not m or not p:
        return fmpq_mat(d, p)
    try:
        return measure.product(features, features).solve(measure.product(features, labels)).transpose()
    except ZeroDivisionError:  # dependent features
        pass
    reduced, rank = features.rref()
    table = reduced.table()
    pivots = [next(j for j, e in enumerate(table[i]) if e) for i in range(rank)]
    solution = fmpq_mat(d, p)
    if pivots:
        basis = columns(features, pivots)
        weights = measure.product(basis, basis).solve(measure.product(basis, labels))
        for k, j in enumerate(pivots):
            for i in range(d):
                solution[i, j] = weights[k, i]
    return solution


def least_squares_value(features: fmpq_mat, labels: fmpq_mat, measure: Measure) -> fmpq:
    """inf_R E|R φ − y|², attained by ``least_squares``."""
    residual = labels - features * least_squares(features, labels, measure).transpose()
    return trace_product(residual, residual, measure)


def trace_product(a: fmpq_mat, b: fmpq_mat, measure: Measure) -> fmpq:
    """E⟨a, b⟩ for two functions with values in R^d (m × d each)."""
    product = measure.product(a, b)
    return sum((product[k, k] for k in range(product.nrows())), fmpq(0))
