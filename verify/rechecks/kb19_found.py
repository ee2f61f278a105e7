"""Rechecks of the refuted neighbours of Theorem 1 at points that a solver finds (Kawaguchi & Bengio 2019)."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from verify.rechecks.linear_algebra import beside, is_zero, minus, rank, solution, squares, times, turned
from verify.rechecks.networks import cut
from verify.rechecks.normal_numbers import normal_numbers


def first_problem(instance):
    """X, Z, Y of the first problem of the batch, as NumPy draws them from the seed, up to 10⁻¹²."""
    m, count, sizes = instance["m"], instance["count"], [instance[k] for k in ("d_x", "d_z", "d_y")]
    numbers = normal_numbers(instance["seed"], count * m * sum(sizes))
    return cut(numbers, [(m, d) for d in sizes for _ in range(count)])[::count]


def best_model(X, Z, Y):
    """The coefficients of x and of z in the least-squares fit of Y on [X Z], from the normal equations."""
    phi = beside(X, Z)
    R = solution(times(turned(phi), phi), times(turned(phi), Y))
    return turned(R[: len(X[0])]), turned(R[len(X[0]) :])


def residual_network(X, Z, W, V):
    """The outputs W (x + V z), a row for every sample."""
    q = [[a + b for a, b in zip(x, z)] for x, z in zip(X, times(Z, turned(V)))]
    return times(q, turned(W))


def least_square(X, Z, Y):
    """L*_{x,z}, times m."""
    on_x, on_z = best_model(X, Z, Y)
    fit = [[a + b for a, b in zip(x, z)] for x, z in zip(times(X, turned(on_x)), times(Z, turned(on_z)))]
    return squares(minus(fit, Y))


def start_is_not_optimal(instance: dict[str, Any]) -> bool:
    """At the standard normal (W, V) of the same seed the residuals of the first problem of the batch are not orthogonal to x
    and z, so that it is not stationary, and m (L − L*_{x,z}) exceeds 10⁻⁹; the data are those of NumPy up to 10⁻¹²."""
    X, Z, Y = first_problem(instance)
    d_y, d_x, d_z, count = (instance[k] for k in ("d_y", "d_x", "d_z", "count"))
    numbers = normal_numbers(instance["seed"], count * d_x * (d_y + d_z))
    W, V = (cut(numbers[first:], [(m, n)])[0] for first, m, n in ((0, d_y, d_x), (count * d_y * d_x, d_x, d_z)))
    residual = minus(residual_network(X, Z, W, V), Y)
    slopes = times(turned(beside(X, Z)), residual)
    return not is_zero(slopes) and squares(residual) - least_square(X, Z, Y) > Fraction(1, 10**9)


def minimum_breaks_the_bound(instance: dict[str, Any], bound: str) -> bool:
    """In the first problem of the batch m L*_{x,z} exceeds 10⁻⁹. With the coefficients R_x, of rank d_y, and R_z of the best
    fit and W V = R_z the minimum (W, V) = (R_x, V) has L = L*_{x,z} exactly, which breaks the bound; the data are those
    of NumPy up to 10⁻¹²."""
    X, Z, Y = first_problem(instance)
    W, on_z = best_model(X, Z, Y)
    V = solution(W, on_z) if rank(W) == len(W) else None
    if V is None:
        return False
    here, least = squares(minus(residual_network(X, Z, W, V), Y)), least_square(X, Z, Y)
    broken = {"L <= L*/2": here > least / 2, "L >= 2 L*": here < 2 * least}[bound]
    return here == least > Fraction(1, 10**9) and broken
