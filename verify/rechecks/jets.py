"""Numbers that carry their first and second derivatives by the parameters."""

from __future__ import annotations

from fractions import Fraction


class Jet:
    """A value with its gradient {k: ∂_k} and Hessian {(i, j): ∂_i ∂_j, i <= j}; what is left out is 0."""

    def __init__(self, value, slope=None, curve=None):
        self.value, self.slope, self.curve = value, slope or {}, curve or {}

    def through(self, value, slope, curve):
        """f of this number, from f, f′ and f″ there."""
        d = {k: slope * s for k, s in self.slope.items()}
        h = {ij: slope * c for ij, c in self.curve.items()}
        if curve:
            for i, s in self.slope.items():
                for j, t in self.slope.items():
                    if i <= j:
                        h[i, j] = h.get((i, j), 0) + curve * s * t
        return Jet(value, d, h)

    def __add__(self, other):
        other = other if isinstance(other, Jet) else Jet(other)
        d, h = dict(self.slope), dict(self.curve)
        for k, s in other.slope.items():
            d[k] = d.get(k, 0) + s
        for ij, c in other.curve.items():
            h[ij] = h.get(ij, 0) + c
        return Jet(self.value + other.value, d, h)

    def __mul__(self, other):
        if not isinstance(other, Jet):
            return self.through(self.value * other, other, 0)
        found = self.through(self.value * other.value, other.value, 0)
        found += other.through(0 * other.value, self.value, 0)
        for i, s in self.slope.items():
            for j, t in other.slope.items():
                ij = (i, j) if i <= j else (j, i)
                found.curve[ij] = found.curve.get(ij, 0) + s * t * (2 if i == j else 1)
        return found

    def __neg__(self):
        return self * -1

    def __sub__(self, other):
        return self + -other

    def __rsub__(self, other):
        return -self + other

    __radd__, __rmul__ = __add__, __mul__


def variables(values, first=0):
    """The numbers as parameters ``first``, ``first`` + 1, …"""
    return [Jet(Fraction(v), {first + k: Fraction(1)}) for k, v in enumerate(values)]


def value_of(a):
    """The value of a jet, or a number itself."""
    return a.value if isinstance(a, Jet) else a


def gradient_of(a, n):
    """∇a by n parameters, as a list."""
    return [a.slope.get(k, Fraction(0)) for k in range(n)]


def hessian_of(a, n):
    """∇²a by n parameters, as a matrix."""
    return [[a.curve.get((min(i, j), max(i, j)), Fraction(0)) for j in range(n)] for i in range(n)]


def through(a, value, slope, curve):
    """f(a) from f, f′ and f″ at a: a jet for a jet, the value for a number."""
    return a.through(value, slope, curve) if isinstance(a, Jet) else value
