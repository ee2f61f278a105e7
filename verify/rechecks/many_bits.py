"""Activations to 1000 bits, because determinants of ramps are small.

Sigmoids count in bits: 1 / (1 + 2^−t), and so do tanh and softplus. They are rational at whole numbers
(softplus at 0) and computed to 1000 bits elsewhere.
"""

from __future__ import annotations

import math
from fractions import Fraction


def log_of_two():
    """log 2 = Σ 1 / (n 2ⁿ), with an error below 2⁻¹⁰⁸⁰."""
    return Fraction(sum((1 << 1100 - n) // n for n in range(1, 1100)), 1 << 1100)


def two_to_the(x):
    """2ˣ: exact for a whole number, else with a relative error below 2⁻¹⁰⁵⁰: a series at x / 2¹⁶, squared."""
    whole = math.floor(x)
    if x == whole:
        return Fraction(2) ** whole
    y = math.floor((x - whole) * log_of_two() * 2**1084)
    total = term = 1 << 1100
    for n in range(1, 70):
        term = (term * y >> 1100) // n
        total += term
    for _ in range(16):
        total = total * total >> 1100
    return Fraction(total, 1 << 1100) * Fraction(2) ** whole


def log_to_base_two(y):
    """log₂ y of y > 0, bit by bit, with an error below 2⁻¹⁰⁴⁰: squaring y doubles its logarithm."""
    k = y.numerator.bit_length() - y.denominator.bit_length()
    k -= y < Fraction(2) ** k
    m, bits = math.floor(y / Fraction(2) ** k * 2**1100), 0
    for _ in range(1050):
        m, bits = m * m >> 1100, 2 * bits
        if m >> 1101:
            m, bits = m >> 1, bits + 1
    return k + Fraction(bits, 1 << 1050)


def sigma(name, t):
    """σ(t), to 1000 bits where it is irrational."""
    if name == "sigmoid":
        return 1 / (1 + two_to_the(-t))
    if name == "tanh":
        return 2 / (1 + two_to_the(-2 * t)) - 1
    if name == "two sigmoids":
        return 1 / (1 + two_to_the(6 - t)) + 1 / (1 + two_to_the(-6 - t))
    if name == "softplus":
        return log_to_base_two(1 + two_to_the(t))
    if name == "serpentine":
        return t / (1 + t * t)
    if name == "affine inside":
        return t if abs(t) <= 1 else 2 * t / abs(t) - 1 / t
    if name in ("exp", "abs"):
        return two_to_the(t) if name == "exp" else abs(t)
    return t ** {"linear": 1, "square": 2, "cube": 3}[name]


def is_rational_there(name, t):
    """Whether ``sigma`` is exact at t."""
    if name == "softplus":
        return t == 0
    return t.denominator == 1 or name not in ("sigmoid", "tanh", "two sigmoids", "exp")
