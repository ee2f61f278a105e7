"""Powers of two and logarithms to base 2: rational where they can be, else balls; and float64."""

from __future__ import annotations

import numpy as np
from flint import arb, fmpq
from numpy.typing import NDArray

Number = fmpq | arb
Floats = NDArray[np.float64]

__all__ = ["Floats", "Number", "entropy", "exact_power_of_two", "log2", "power_of_two", "sigmoid_array"]


def log2(p: Number) -> arb:
    """log₂ p in a ball; NaN for p <= 0."""
    return arb(p).log() / arb.const_log2()


def entropy(p: Number) -> Number:
    """p log₂ p, with 0 log 0 = 0."""
    return fmpq(0) if p == 0 else arb(p) * log2(p)


_LARGEST_EXPONENT = 1 << 14
"""Beyond it 2^h is a ball also at integers: the exact number would only fill the memory."""


def exact_power_of_two(h: fmpq) -> fmpq | None:
    """2^h, or None where it is irrational (or huge)."""
    if h.q != 1 or abs(h) > _LARGEST_EXPONENT:
        return None
    k = int(h.p)
    return fmpq(1 << k) if k >= 0 else fmpq(1, 1 << -k)


def power_of_two(h: Number) -> Number:
    """2^h: rational for integer h, else a ball."""
    if isinstance(h, fmpq):
        power = exact_power_of_two(h)
        return arb(2) ** arb(h) if power is None else power
    return (h * arb.const_log2()).exp()


def sigmoid_array(h: Floats) -> Floats:
    """1 / (1 + 2^−h), with a small relative error also where it is tiny."""
    t = np.exp2(-np.abs(h))
    return np.where(h >= 0, 1.0, t) / (1.0 + t)
