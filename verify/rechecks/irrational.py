"""Irrational functions as fractions with an error below 2⁻¹⁸⁰, relative to the larger of 1 and the value.

A comparison that relies on one must leave a distance: 10⁻³⁰ is safe after any sum of a few of them.
"""

from __future__ import annotations

import math
from fractions import Fraction


def rounded(x):
    """x to 220 bits after the point: a fraction that stays small."""
    return Fraction(round(x * 2**220), 2**220)


def exp(x):
    """eˣ, by its series at x / 2ᵏ, squared k times; relative to max(1, eˣ)."""
    x, k = Fraction(x), 0
    if x < 0:
        return rounded(1 / exp(-x))
    while x > Fraction(1, 2):
        x, k = x / 2, k + 1
    bits = 300 + 2 * k
    total = term = 2**bits  # whole numbers that count 2^-bits
    for n in range(1, 90 + k):
        term = term * x.numerator // (x.denominator * n)
        total += term
    for _ in range(k):
        total = total * total >> bits
    return Fraction(total, 2**bits)


def log(x):
    """The natural logarithm of x > 0: 2 artanh((x − 1) / (x + 1)) near 1, powers of 2 apart."""
    x, k = Fraction(x), 0
    if x <= 0:
        raise ValueError("the logarithm of a number that is not positive")
    k = x.numerator.bit_length() - x.denominator.bit_length()
    x /= Fraction(2) ** k

    def near_one(y):
        t = round((y - 1) / (y + 1) * 2**300)  # whole numbers that count 2^-300; |t| is at most a third
        power, square, total = t, t * t >> 300, 0
        for n in range(1, 200, 2):
            total += power // n
            power = power * square >> 300
        return Fraction(2 * total, 2**300)

    return near_one(x) + k * near_one(Fraction(2))


def root(x):
    """√x for x >= 0."""
    x = Fraction(x)
    scale = 2**220 * x.denominator
    return Fraction(math.isqrt(x.numerator * x.denominator * 2**440), scale)


def power_of_two(x):
    """2ˣ: exact for a whole number."""
    x = Fraction(x)
    return Fraction(2) ** int(x) if x.denominator == 1 else exp(x * log(2))


def differ(a, b):
    """Whether two numbers, computed with the functions of this file, are certainly different."""
    return abs(a - b) > Fraction(1, 10**30)


def exceeds(a, b):
    """Whether a > b beyond the errors of the functions of this file."""
    return a - b > Fraction(1, 10**30)
