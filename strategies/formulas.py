"""Activations and losses by their formulas, with exact parameters and a point to look at.

``verify.oracles.symbolic`` has the formulas; an instance says which one, at which parameters, and a point
that may refute what algebra does not prove.
"""

from __future__ import annotations

from flint import fmpq
from hypothesis import strategies as st

from strategies.instance import instance
from strategies.numbers import among, between, integers, rationals

__all__ = [
    "Point",
    "Polynomial",
    "Robust",
    "Steep",
    "convex_polynomials",
    "points",
    "robust_losses",
    "steep_activations",
]


@instance
class Steep:
    """An activation σ(α t) at t; the softplus is log(1 + e^{αt}) / α."""

    name: str
    alpha: fmpq
    t: fmpq


@instance
class Point:
    """A number x."""

    x: fmpq


@instance
class Robust:
    """A loss l(a) of Section 3.2 with its parameters (those that it has not are 1) at a."""

    name: str
    delta: fmpq
    A: fmpq
    w: fmpq
    a: fmpq


@instance
class Polynomial:
    """l(a) = Σ c_k a^k, with a point r."""

    c: tuple[fmpq, ...]
    r: fmpq

    def derivative(self, times: int = 1) -> tuple[fmpq, ...]:
        """The coefficients of l′ (or of a higher derivative)."""
        c = self.c
        for _ in range(times):
            c = tuple(k * e for k, e in enumerate(c))[1:]
        return c

    def above(self) -> tuple[fmpq, ...]:
        """The coefficients of l − l(r)."""
        return (self.c[0] - value(self.c, self.r), *self.c[1:])


def value(c: tuple[fmpq, ...], at: fmpq) -> fmpq:
    """Σ c_k at^k."""
    total = fmpq(0)
    for e in reversed(c):
        total = total * at + e
    return total


_NUMBERS = integers().map(fmpq) | rationals(3, 4)
_FACTORS = among(*(fmpq(p, q) for p, q in ((1, 1), (2, 1), (1, 2), (3, 1), (1, 3), (3, 2))))
_NARROW = among(fmpq(1, 2), fmpq(2, 3), fmpq(3, 4))


@st.composite
def steep_activations(
    draw: st.DrawFn, names: tuple[str, ...] = ("sigmoid", "tanh", "softplus"), *, sign: int = 1
) -> Steep:
    """One of the activations with ``sign`` α > 0 at a small t; shrinks to the first with α = ±1 at 0."""
    return Steep(name=draw(among(*names)), alpha=sign * draw(_FACTORS), t=draw(_NUMBERS))


@st.composite
def points(draw: st.DrawFn, above: int = -1) -> Point:
    """A number above a bound; shrinks to 0, from above."""
    near = between(0, 6).map(fmpq) | rationals(3, 4).filter(lambda x: x > above)
    return Point(x=draw(near))


@st.composite
def robust_losses(
    draw: st.DrawFn,
    names: tuple[str, ...] = ("pseudo-Huber", "Blake-Zisserman", "corrupted Gaussian", "Cauchy"),
    *,
    sign: int = 1,
    either: tuple[str, ...] = ("pseudo-Huber", "Cauchy"),
    shares: tuple[int, ...] = (4, 0, 8, 1, 6),
) -> Robust:
    """One of the losses at a small a, A = k/8 with k in ``shares``; shrinks to the first loss, δ = 1, a = 0.

    ``sign`` is that of δ and w, but those in ``either`` (functions of δ²) have a δ of any sign. Outside
    [0, 1], A makes the mixture positive and yet smallest at 0: the narrower part has the negative weight.
    """
    name = draw(among(*names))
    size = draw(_FACTORS) * (draw(among(1, -1)) if sign > 0 and name in either else sign)
    if name != "corrupted Gaussian":
        return Robust(name=name, delta=size, A=fmpq(1), w=fmpq(1), a=draw(_NUMBERS))
    A = fmpq(draw(among(*shares)), 8)
    w = draw(_FACTORS if 0 <= A <= 1 else _NARROW)
    return Robust(name=name, delta=fmpq(1), A=A, w=sign * w, a=draw(_NUMBERS))


@st.composite
def convex_polynomials(draw: st.DrawFn, *, convex: bool = True, critical: bool = True) -> Polynomial:
    """l with l″ = k + m (p a + q)² and l′(r) = 0; without ``convex``, k and m may be negative.

    Without ``critical``, l′ is not made to vanish at r. Shrinks to l = 0.
    """
    low = 0 if convex else -2
    k, m, p, q = draw(between(low, 2)), draw(between(low, 2)), draw(integers(2)), draw(integers(2))
    r = draw(_NUMBERS)
    slope = (fmpq(0), fmpq(k + m * q * q), fmpq(m * p * q), fmpq(m * p * p, 3))
    constant = -value(slope, r) if critical else fmpq(draw(integers(3)))
    slope = (constant, *slope[1:])
    c = (fmpq(draw(integers(2))), *(e / (j + 1) for j, e in enumerate(slope)))
    return Polynomial(c=c, r=r)
