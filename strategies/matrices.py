"""Exact matrices: the block algebra instances are built with, and matrices drawn by construction.

A matrix is a ``flint.fmpq_mat``: rational, compared by value, and by convention never changed once made.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import numpy as np
from flint import fmpq, fmpq_mat
from hypothesis import strategies as st

from strategies.numbers import between, exact, integers

__all__ = [
    "as_floats",
    "columns",
    "hstack",
    "identity",
    "matrices",
    "matrices_of_rank",
    "matrices_with_singular_values",
    "matrix",
    "null_space",
    "orthogonal_matrices",
    "product_of",
    "rows",
    "vstack",
    "zeros",
]


def matrix(entries: Iterable[Iterable[object]], cols: int | None = None) -> fmpq_mat:
    """The exact matrix with the given rows; ``cols`` gives the width when there are no rows.

    Raises ``ValueError`` for ragged rows, NaN and infinities, ``TypeError`` for float32 (see ``exact``) and
    for rows that are no sequences of numbers. A ``fmpq_mat`` is copied: what it is later, the copy is not.
    """
    if isinstance(entries, fmpq_mat):
        return fmpq_mat(entries)
    if isinstance(entries, np.ndarray) and entries.ndim != 2:
        raise ValueError(f"a matrix needs two dimensions, got an array of shape {entries.shape}")
    table = [[exact(entry) for entry in _row(row)] for row in entries]
    width = len(table[0]) if table else (cols or 0)
    if any(len(row) != width for row in table):
        raise ValueError(f"the rows have different lengths {[len(row) for row in table]}")
    return fmpq_mat(len(table), width, [entry for row in table for entry in row])


def _row(row: object) -> Iterable[object]:
    if isinstance(row, str) or not isinstance(row, Iterable):
        raise TypeError(f"{row!r} is no row: write a matrix as a list of rows, [[1, 2], [3, '1/2']]")
    return row


def zeros(m: int, n: int) -> fmpq_mat:
    """The m × n zero matrix."""
    return fmpq_mat(m, n)


def identity(n: int) -> fmpq_mat:
    """The n × n identity."""
    return fmpq_mat(n, n, [int(i == j) for i in range(n) for j in range(n)])


def hstack(*blocks: fmpq_mat) -> fmpq_mat:
    """The blocks side by side: all have the same number of rows."""
    tables = [block.table() for block in blocks]
    m = blocks[0].nrows()
    return fmpq_mat(m, sum(b.ncols() for b in blocks), [e for i in range(m) for t in tables for e in t[i]])


def vstack(*blocks: fmpq_mat) -> fmpq_mat:
    """The blocks on top of each other: all have the same number of columns."""
    return fmpq_mat(
        sum(b.nrows() for b in blocks), blocks[0].ncols(), [e for block in blocks for e in block.entries()]
    )


def product_of(factors: Sequence[fmpq_mat], size: int) -> fmpq_mat:
    """The product of ``factors`` in order of application (the last is leftmost); I of ``size`` for none."""
    product = identity(size)
    for factor in factors:
        product = factor * product
    return product


def columns(a: fmpq_mat, which: Sequence[int]) -> fmpq_mat:
    """The named columns of ``a``, in that order."""
    return fmpq_mat(a.nrows(), len(which), [row[j] for row in a.table() for j in which])


def rows(a: fmpq_mat, which: Sequence[int]) -> fmpq_mat:
    """The named rows of ``a``, in that order."""
    table = a.table()
    return fmpq_mat(len(which), a.ncols(), [e for i in which for e in table[i]])


def null_space(a: fmpq_mat) -> fmpq_mat:
    """A basis of {v : a v = 0} as the columns of an n × k matrix, read off the reduced row echelon form."""
    n = a.ncols()
    reduced, rank = a.rref() if a.nrows() else (a, 0)
    table = reduced.table()
    pivots = [next(j for j, e in enumerate(table[i]) if e) for i in range(rank)]
    free = [j for j in range(n) if j not in pivots]
    basis = fmpq_mat(n, len(free))
    for k, j in enumerate(free):
        basis[j, k] = 1
        for i, p in enumerate(pivots):
            basis[p, k] = -table[i][j]
    return basis


def as_floats(a: fmpq_mat) -> np.ndarray:
    """``a`` as a float64 array, each entry correctly rounded. Raises ``ValueError`` for one out of range."""
    try:
        flat = [int(e.p) / int(e.q) for e in a.entries()]
    except OverflowError:
        large = [k for k, e in enumerate(a.entries()) if abs(e) >= 1 << 1023]
        i, j = divmod(large[0], a.ncols())
        raise ValueError(
            f"the entry in row {i}, column {j} is 10^{len(str(int(a[i, j]))) - 1}: too large for float64"
        ) from None
    return np.array(flat, dtype=np.float64).reshape(a.nrows(), a.ncols())


@cache
def matrices(
    m: int, n: int, entries: st.SearchStrategy[int] | st.SearchStrategy[fmpq] | None = None
) -> st.SearchStrategy[fmpq_mat]:
    """m × n matrices with independent entries (small integers unless told); shrink entry by entry to 0."""
    return _lists(m * n, integers() if entries is None else entries).map(lambda flat: fmpq_mat(m, n, flat))


@cache
def _lists(size: int, entries: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    """Made once: to validate a strategy anew in every draw costs more than the draw."""
    return st.lists(entries, min_size=size, max_size=size)


@cache
@st.composite
def matrices_of_rank(draw: st.DrawFn, m: int, n: int, rank: int, bound: int = 2) -> fmpq_mat:
    """m × n integer matrices of exactly the given rank, as B C with B, C in echelon-like form plus noise.

    B (m × r) has an r × r unit lower triangular block on consecutive rows (cyclically) from a drawn one and
    C (r × n) a unit upper triangular block on columns, hence both have rank r whatever the other entries are.
    Shrinks to the matrix with ``rank`` ones on a partial diagonal. Raises ``ValueError`` for other ranks.
    """
    if not 0 <= rank <= min(m, n):
        raise ValueError(f"no {m} x {n} matrix has rank {rank}")
    if rank == 0:
        return fmpq_mat(m, n)
    b = fmpq_mat(m, rank, draw(_lists(m * rank, integers(bound))))
    c = fmpq_mat(rank, n, draw(_lists(rank * n, integers(bound))))
    at_row, at_col = draw(between(0, m - 1)), draw(between(0, n - 1))
    for k in range(rank):
        for j in range(k, rank):
            b[(at_row + k) % m, j] = int(j == k)
            c[j, (at_col + k) % n] = int(j == k)
    return b * c


@cache
@st.composite
def orthogonal_matrices(draw: st.DrawFn, n: int, bound: int = 2) -> fmpq_mat:
    """Rational orthogonal n × n matrices: products of two Householder reflections I − 2 v vᵀ / vᵀv.

    v = 0 stands for the identity, so that the strategy shrinks to I.
    """
    q = identity(n)
    for _ in range(2):
        v = draw(matrices(n, 1, integers(bound)))
        squared = (v.transpose() * v)[0, 0]
        if squared:
            q = q * (identity(n) - v * v.transpose() * (fmpq(2) / squared))
    return q


@st.composite
def matrices_with_singular_values(draw: st.DrawFn, m: int, n: int, values: Sequence[object]) -> fmpq_mat:
    """m × n matrices U diag(values) Vᵀ with rational orthogonal U, V: repeated and zero values are exact.

    ``values`` holds min(m, n) non-negative exact numbers. Shrinks to the diagonal matrix.
    """
    if len(values) != min(m, n):
        raise ValueError(f"an {m} x {n} matrix has {min(m, n)} singular values, got {len(values)}")
    sigma = fmpq_mat(m, n)
    for k, value in enumerate(values):
        sigma[k, k] = exact(value)
    return draw(orthogonal_matrices(m)) * sigma * draw(orthogonal_matrices(n)).transpose()
