"""Rechecks for ``verify/test_nh17_implicit.py``: roots of Ψ(u, ·), counted by Sturm's chain."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

from verify.rechecks.linear_algebra import matrix
from verify.rechecks.polynomials import (
    common_factor,
    count_real_roots,
    division,
    polynomial_at,
    slope_of,
    trimmed,
)


def in_v(at, u):
    """The coefficients of Ψ(u, ·), constant first."""
    rows = matrix(at["c"])
    return [sum((row[j] * u**i for i, row in enumerate(rows)), Fraction(0)) for j in range(len(rows[0]))]


def count_near(p, v0, side):
    """The number of different roots v of p with |v − v0| < ``side``; None for p = 0, where they are all."""
    if not p:
        return None
    return count_real_roots(p, v0 - side, v0 + side) - (polynomial_at(p, v0 + side) == 0)


def two_functions_solve(at: dict[str, Any]) -> bool:
    """Ψ(u0, v0) = 0 with slope ≠ 0, and all roots of Ψ(u0, ·) are simple, so that each continues to a
    function of u; and Ψ(u0, ·) / (v − v0) changes sign between whole numbers: there is another one."""
    p, v0 = trimmed(in_v(at, Fraction(at["u0"]))), Fraction(at["v0"])
    if polynomial_at(p, v0) or not polynomial_at(slope_of(p), v0) or len(common_factor(p, slope_of(p))) > 1:
        return False
    rest, _ = division(p, [-v0, Fraction(1)])
    heights = [polynomial_at(rest, Fraction(t)) for t in range(-16, 17)]
    return any(a * b <= 0 for a, b in itertools.pairwise(heights))


def no_function_without_the_slope(at: dict[str, Any]) -> bool:
    """Ψ(u0, v0) = 0 and ∂Ψ/∂v = 0; at u0 + 2⁻²⁰ or u0 − 2⁻²⁰ there is no v nearer than 1/16 to v0 with Ψ(u, v)
    = 0, or there are several: Sturm's chain counts them."""
    u0, v0, side = Fraction(at["u0"]), Fraction(at["v0"]), Fraction(1, 16)
    p = in_v(at, u0)
    flat = polynomial_at(p, v0) == 0 and polynomial_at(slope_of(p), v0) == 0
    steps = (Fraction(1, 2**20), -Fraction(1, 2**20))
    return flat and any(count_near(trimmed(in_v(at, u0 + s)), v0, side) != 1 for s in steps)


def roots_are_not_one(at: dict[str, Any]) -> bool:
    """Ψ(u0, v0) = 0 with slope ≠ 0; and Ψ(u0, ·) has other real roots than v0: Sturm's chain counts them
    all."""
    p, v0 = trimmed(in_v(at, Fraction(at["u0"]))), Fraction(at["v0"])
    return polynomial_at(p, v0) == 0 != polynomial_at(slope_of(p), v0) and count_real_roots(p) != 1


def unit_box_is_too_large(at: dict[str, Any]) -> bool:
    """Ψ(u0, v0) = 0 with slope ≠ 0; and for one of u = u0 ± (1 − 2⁻²⁰), within 1 of u0, there is no v nearer
    than 1 to v0 with Ψ(u, v) = 0, or there are several: Sturm's chain counts them."""
    u0, v0, step = Fraction(at["u0"]), Fraction(at["v0"]), 1 - Fraction(1, 2**20)
    p = in_v(at, u0)
    if polynomial_at(p, v0) or not polynomial_at(slope_of(p), v0):
        return False
    return any(count_near(trimmed(in_v(at, u)), v0, Fraction(1)) != 1 for u in (u0 + step, u0 - step))
