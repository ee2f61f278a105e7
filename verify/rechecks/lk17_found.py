"""Rechecks of ``verify/test_lk17_found.py``: problems with normally distributed data, named by a seed."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from verify.rechecks.deep_linear import least_error
from verify.rechecks.linear_algebra import squares, times, turned
from verify.rechecks.networks import cut
from verify.rechecks.normal_numbers import normal_numbers
from verify.rechecks.spectra import eigenvalues


def data_of(batch):
    """d_p, and the X (d₀ × m) and Y (d_H × m) of every problem of the batch, drawn again from its seed."""
    d, m, count = [int(e) for e in batch["widths"]["tuple"]], int(batch["m"]), int(batch["count"])
    numbers = normal_numbers(int(batch["seed"]), count * m * (d[0] + d[-1]))
    entries = cut(numbers, [(d[0], m)] * count + [(d[-1], m)] * count)
    return min(d), list(zip(entries[:count], entries[count:]))


def local_minimum_has_another_value(instance: dict[str, Any], value: str) -> bool:
    """The least of ‖R X − Y‖² over rank R <= d_p is ‖Y‖² less the d_p largest eigenvalues of Ŷ Ŷᵀ, enclosed by exact
    counts; it is attained by weights W, a global and hence a local minimum with 2 L(W) that large. In a problem of
    the batch it differs by more than 10⁻⁹ from the value stated for all local minima; the data are those of NumPy
    up to 10⁻¹²."""
    k, problems = data_of(instance)

    def stated(X, Y):
        if value == "over all R":
            return least_error(X, Y, len(X))
        if value == "from the singular values of Y":
            return sum(eigenvalues(times(Y, turned(Y)))[k:], Fraction(0))
        if value == "one rank less":
            return least_error(X, Y, k - 1)
        return {"twice": 2 * least_error(X, Y, k), "zero": Fraction(0)}[value]

    return any(abs(least_error(X, Y, k) - stated(X, Y)) > Fraction(1, 10**9) for X, Y in problems)


def loss_exceeds_the_least_at_zero(instance: dict[str, Any]) -> bool:
    """At W = 0, which need not be a local minimum, 2 L = ‖Y‖²; in a problem of the batch this exceeds the least of
    ‖R X − Y‖² over rank R <= d_p, by more than 10⁻⁹; the data are those of NumPy up to 10⁻¹²."""
    k, problems = data_of(instance)
    return any(squares(Y) - least_error(X, Y, k) > Fraction(1, 10**9) for X, Y in problems)
