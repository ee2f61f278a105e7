"""Polynomials in one variable as lists of coefficients, the constant first."""

from __future__ import annotations

import itertools
from fractions import Fraction


def trimmed(p):
    """A polynomial, constant first, without leading zeros."""
    while p and p[-1] == 0:
        p = p[:-1]
    return p


def slope_of(p):
    """p′."""
    return [j * e for j, e in enumerate(p)][1:]


def polynomial_at(p, x):
    """p(x)."""
    return sum((e * x**j for j, e in enumerate(p)), Fraction(0))


def division(p, q):
    """The quotient and the remainder of p by q ≠ 0."""
    p, q, quotient = trimmed(p), trimmed(q), [Fraction(0)] * max(len(p) - len(q) + 1, 0)
    while len(p) >= len(q):
        c, s = p[-1] / q[-1], len(p) - len(q)
        quotient[s] = c
        p = trimmed([e - (c * q[j - s] if j >= s else 0) for j, e in enumerate(p)][:-1])
    return quotient, p


def common_factor(p, q):
    """The greatest common divisor, by Euclid."""
    p, q = trimmed(p), trimmed(q)
    while q:
        p, q = q, division(p, q)[1]
    return p


def count_real_roots(p, low=None, high=None):
    """The number of different roots in (low, high], or on the line, of a polynomial ≠ 0: Sturm's chain."""
    p = division(p, common_factor(p, slope_of(p)))[0]
    chain = [p, slope_of(p)]
    while trimmed(chain[-1]):
        chain.append([-e for e in division(chain[-2], chain[-1])[1]])
    chain = [trimmed(q) for q in chain if trimmed(q)]

    def changes(x, side):
        values = [q[-1] * side ** (len(q) - 1) if x is None else polynomial_at(q, x) for q in chain]
        signs = [v > 0 for v in values if v]
        return sum(a != b for a, b in itertools.pairwise(signs))

    return changes(low, -1) - changes(high, 1)


def product_of_polynomials(p, q):
    """The product of two polynomials."""
    made = [Fraction(0)] * (len(p) + len(q) - 1)
    for i, e in enumerate(p):
        for j, f in enumerate(q):
            made[i + j] += e * f
    return made
