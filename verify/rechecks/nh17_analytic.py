"""Rechecks for ``verify/test_nh17_analytic.py``: singularities, and zeros of functions of one variable."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from verify.rechecks.layers import with_ones
from verify.rechecks.linear_algebra import matrix, times
from verify.rechecks.losses import activation_at
from verify.rechecks.many_bits import log_of_two, log_to_base_two, two_to_the
from verify.rechecks.polynomials import count_real_roots, product_of_polynomials, trimmed
from verify.rechecks.wide_layers import weights_and_biases


def curvature_jumps(instance: dict[str, Any]) -> bool:
    """A pre-activation g of layer 1 is ±1, where σ″ is 0 on the inner side and larger than 1 in size on
    the outer one, at g (1 ± 2^−k), k = 10, 20, 40: F_1 has no second derivative in b_1 there."""
    name = instance["activation"]
    hit = [
        t
        for row in times(with_ones(matrix(instance["X"])), weights_and_biases(instance)[0])
        for t in row
        if abs(t) == 1
    ]

    def jumps(t):
        steps = [Fraction(1, 2**k) for k in (10, 20, 40)]
        inner, outer = ([abs(activation_at(name, t * (1 + s * h))[2]) for h in steps] for s in (-1, 1))
        return max(inner) == 0 and min(outer) > 1

    return any(map(jumps, hit))


def circle_number():
    """π = 16 arctan 1/5 − 4 arctan 1/239, with an error below 10⁻⁵⁰."""

    def arctan(n):
        return sum(Fraction((-1) ** k, (2 * k + 1) * n ** (2 * k + 1)) for k in range(40))

    return 16 * arctan(5) - 4 * arctan(239)


def singularity_is_met(instance: dict[str, Any], within=None) -> bool:
    """At z₀ = iπ / log 2 (tanh: half of it) 2^−z₀ = e^(−iπ) = −1, so that σ(z₀ ± h) = 1 / (1 − 2^−h), 2 /
    (1 − 2^−2h) − 1 or log₂(1 − 2^−h) for the sigmoid, tanh or softplus: larger than 2^k (softplus: k)
    in size for h = 2^−k, k = 10, 20, 40. So no power series in b_1 gives F_1 up to the distance |z₀ −
    g| of a pre-activation g; and that is less than what is said, if a distance is said."""
    name = instance["activation"]
    half = 2 if name == "tanh" else 1
    rows = times(with_ones(matrix(instance["X"])), weights_and_biases(instance)[0])
    distances = [t * t + (circle_number() / log_of_two() / half) ** 2 for row in rows for t in row]

    def grows(k):
        near = 1 - two_to_the(-half * Fraction(1, 2**k))
        if name == "softplus":
            return -log_to_base_two(near) > k
        return (2 / near - 1 if name == "tanh" else 1 / near) > 2**k

    near_enough = within is None or min(distances) < within**2
    return bool(distances) and near_enough and all(map(grows, (10, 20, 40)))


def sides_of_the_knot(f):
    """Whether f vanishes identically to the left and to the right of the knot; one function: the same answer.

    "polynomial": p(x). "exponential": p(2^x). "trigonometric": Re Σ (p_k − i q_k) e^{ikx}. "glued": q left of
    the knot, p right of it. "flat": 0 left of the knot, p(1) e^{−1/(x − knot)} right of it.
    """
    p, q = matrix(f["p"])[0], matrix(f["q"])[0]
    if f["kind"] == "glued":
        return not any(q), not any(p)
    if f["kind"] == "flat":
        return True, sum(p) == 0
    zero = not any(p) and (f["kind"] != "trigonometric" or not any(q[1:]))
    return zero, zero


def vanishes_on_a_half_line(instance: dict[str, Any]) -> bool:
    """f is identically 0 on one side of the knot and not on the other: its zeros hold a half-line, though
    f is not the zero function."""
    left, right = sides_of_the_knot(instance)
    return left != right


def vanishes_everywhere(instance: dict[str, Any]) -> bool:
    """All coefficients of f that count are 0: its zeros are the whole line."""
    return all(sides_of_the_knot(instance))


def in_the_half_angle(p, q):
    """(1 + t²)^K Σ p_k cos kx + q_k sin kx, t = tan(x/2), a polynomial in t.

    c = 1 − t² and s = 2t are (1 + t²) times cos x and sin x; cos and sin of (k + 1) x follow from those of kx.
    """
    c, s, below = [1, 0, -1], [0, 2, 0], [1, 0, 1]
    cos, sin, total = [Fraction(1)], [Fraction(0)], [Fraction(0)]
    for k, (e, f) in enumerate(zip(p, q)):
        if k:
            cc, ss = product_of_polynomials(cos, c), product_of_polynomials(sin, s)
            sc, cs = product_of_polynomials(sin, c), product_of_polynomials(cos, s)
            cos, sin = [u - v for u, v in zip(cc, ss)], [u + v for u, v in zip(sc, cs)]
            total = product_of_polynomials(total, below)
        total = [t + e * u + f * v for t, u, v in zip(total, cos, sin)]
    return trimmed(total)


def vanishes_in_every_period(instance: dict[str, Any]) -> bool:
    """f = Σ p_k cos kx + q_k sin kx is not identically 0, and vanishes somewhere, hence there plus 2πn for
    all n: at π, or where Sturm's theorem finds a zero of the polynomial that f is in tan(x/2)."""
    p, q = matrix(instance["p"])[0], matrix(instance["q"])[0]
    if instance["kind"] != "trigonometric" or all(sides_of_the_knot(instance)):
        return False
    return sum(p[::2]) == sum(p[1::2]) or count_real_roots(in_the_half_angle(p, q)) > 0


def has_two_zeros(instance: dict[str, Any]) -> bool:
    """The polynomial has at least two different real zeros, by Sturm's theorem."""
    p = trimmed(matrix(instance["p"])[0])
    return bool(p) and count_real_roots(p) >= 2
