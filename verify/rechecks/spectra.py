"""Eigenvalues and singular values of rational matrices, enclosed by exact counts."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

from verify.rechecks.irrational import root
from verify.rechecks.linear_algebra import identity, plus, scaled, times, turned


def characteristic(a):
    """The coefficients of det(x I − a), from x⁰ on: Faddeev and LeVerrier."""
    n = len(a)
    found, m = [Fraction(1)], [[Fraction(0)] * n for _ in range(n)]
    for k in range(1, n + 1):
        m = plus(times(a, m), scaled(found[0], identity(n)))
        am = times(a, m)
        found.insert(0, -sum((am[i][i] for i in range(n)), Fraction(0)) / k)
    return found


def roots_above(p, t):
    """How many roots of p, all of them real, exceed t: Descartes' rule is exact for p(x + t)."""
    p, n = p[:], len(p)
    for i in range(n - 1):
        for j in reversed(range(i, n - 1)):
            p[j] += t * p[j + 1]
    signs = [c > 0 for c in p if c]
    return sum(s != t for s, t in itertools.pairwise(signs))


def real_roots(p):
    """The roots of p, all of them real, in descending order, rounded up to multiples of 2⁻²⁴⁰."""
    common = math.lcm(*(c.denominator for c in p))
    n, unit = len(p) - 1, 2**240
    whole = [int(c * common) * unit ** (n - k) for k, c in enumerate(p)]  # the polynomial of unit · root
    high = unit * (2 + max(int(abs(c / p[-1])) for c in p))
    found = []
    for k in range(n):
        low, top = -high, found[-1] if found else high
        while low < top:
            middle = (low + top) // 2
            if roots_above(whole, middle) > k:
                low = middle + 1
            else:
                top = middle
        found.append(top)
    return [Fraction(t, unit) for t in found]


def eigenvalues(a):
    """The eigenvalues of a symmetric matrix, in descending order, each less than 2⁻²⁴⁰ too large or exact."""
    return real_roots(characteristic(a))


def singular_values(a):
    """The min(m, n) singular values in descending order, with an error below 2⁻¹¹⁹."""
    small = a if len(a) <= len(a[0]) else turned(a)
    return [root(max(e, Fraction(0))) for e in eigenvalues(times(small, turned(small)))]


def spectral_norm(a):
    """The largest singular value."""
    return singular_values(a)[0]
