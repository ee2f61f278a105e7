"""Exact numbers: small integers first, then dyadics, then rationals; never raw floats."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from functools import cache, lru_cache
from typing import Any

import numpy as np
from flint import fmpq, fmpz
from hypothesis import strategies as st

__all__ = ["among", "between", "dyadics", "exact", "integers", "rationals"]


@cache
def integers(bound: int = 3) -> st.SearchStrategy[int]:
    """Integers in [-bound, bound]; shrink towards 0, positive before negative."""
    return st.integers(-bound, bound)


@lru_cache(maxsize=None, typed=True)
def between(low: int, high: int) -> st.SearchStrategy[int]:
    """Integers in [low, high], shrinking towards ``low`` (or 0 inside).

    Made once, like everything cached here: Hypothesis validates a new strategy object in every draw, which
    costs more than the draw itself.
    """
    return st.integers(low, high)


@lru_cache(maxsize=None, typed=True)  # 1 and fmpq(1) are equal and hash alike, but are different options
def among(*options: Any) -> st.SearchStrategy[Any]:
    """One of the options, shrinking towards the first."""
    return st.sampled_from(options)


def dyadics(bound: int = 3, bits: int = 3) -> st.SearchStrategy[fmpq]:
    """Rationals k / 2^j with |k / 2^j| <= bound and j <= bits; shrink towards integers."""
    return st.integers(0, bits).flatmap(
        lambda j: st.integers(-bound << j, bound << j).map(lambda k: fmpq(k, 1 << j))
    )


def rationals(bound: int = 3, denominator: int = 7) -> st.SearchStrategy[fmpq]:
    """Rationals p / q with |p / q| <= bound and q <= denominator, integers and dyadics tried first."""
    return (
        integers(bound).map(fmpq)
        | dyadics(bound)
        | st.integers(1, denominator).flatmap(
            lambda q: st.integers(-bound * q, bound * q).map(lambda p: fmpq(p, q))
        )
    )


def exact(value: object) -> fmpq:
    """The rational number that ``value`` denotes, without rounding.

    Accepts int, Fraction, fmpq, a string such as ``"-3/2"`` and a float64 (which *is* a dyadic rational).
    Raises ``TypeError`` for float32 and other types, ``ValueError`` for NaN, infinities and other text.
    """
    if isinstance(value, fmpq):
        return value
    if isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{value!r} is a truth value, not a number")
    if isinstance(value, (int, np.integer)):
        return fmpq(int(value))
    if isinstance(value, Fraction):
        return fmpq(value.numerator, value.denominator)
    if isinstance(value, np.floating) and not isinstance(value, np.float64):
        raise TypeError(
            f"{value!r} has type {type(value).__name__}: only float64 is taken as it is: "
            "convert with float(), or write the number meant, such as '1/3'"
        )
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value!r} is not a real number: every entry must be finite")
        return fmpq(*value.as_integer_ratio())
    if isinstance(value, str):
        try:
            if re.search(r"[eE]\s*[+-]?\s*0*[1-9]\d{3,}", value):
                raise ValueError  # 1e999999999 would only fill the memory
            fraction = Fraction(value)
        except (ValueError, ZeroDivisionError):
            raise ValueError(f"{value!r} is not an exact number such as '3' or '-3/2'") from None
        return fmpq(fraction.numerator, fraction.denominator)
    if isinstance(value, fmpz):
        return fmpq(value)
    raise TypeError(
        f"{value!r} ({type(value).__name__}) is no exact number: give an int, a float64, a Fraction or '-3/2'"
    )
