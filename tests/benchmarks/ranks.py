"""What a proof of rank N costs against the bare LU factorisation that proves nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
from flint import arb, arb_mat, fmpq, fmpq_mat

from strategies.activations import ACTIVATIONS
from tests.benchmarks.comparison import Comparison, seconds
from verify.oracles.rank_certificates import (
    arrays_of_ramps,
    bordered_sign,
    certify_in_balls,
    certify_in_floats,
    with_ones,
)

PATIENCE = 6.0
"""CPU seconds: the search for the largest N goes on while a proof costs less."""
GAP = 40


def compare(repeat: int) -> Iterator[Comparison]:
    """E = [A, 1] of N ramps at distance α gap = 40 (sigmoid, β = 0), or 1 in exact arithmetic.

    The other side is ``numpy.linalg.slogdet`` of the same matrix in float64. Floats are also timed with
    their entries and their errors, and for tanh (β = 1) and softplus (β = 40). The last row is random units:
    there float64 has no digits left, and 256 or 512 bits decide.
    """
    yield from _floats(repeat)
    yield _row("closed form", 1600, _closed_form, _largest(_closed_form, 1600), repeat)
    yield _row("balls", 400, _balls, _largest(_balls, 100), repeat, promised="N >= 400")
    yield _row("rationals", 40, _rationals, _largest(_rationals, 20), repeat, gap=1)
    yield _random(60, repeat)


def _ramps(
    n: int, gap: float = GAP, sigma: str = "sigmoid", beta: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    t = np.arange(n) * gap
    return arrays_of_ramps(sigma, t, t[:-1] + beta)


def _floats(repeat: int) -> Iterator[Comparison]:
    n = 1600
    for sigma, beta in (("sigmoid", 0.0), ("tanh", 1.0), ("softplus", 40.0)):
        middle, radius = _ramps(n, sigma=sigma, beta=beta)
        found = certify_in_floats(middle, radius)
        if found is None:
            raise RuntimeError(
                f"floats do not certify {sigma} at N = {n}: run the tests before the benchmarks"
            )
        ours = seconds(lambda: certify_in_floats(middle, radius), repeat=repeat)
        theirs = seconds(lambda: np.linalg.slogdet(middle), repeat=repeat)
        note = f"residual {found.residual:.1g}, condition at most {found.condition:.1g}"
        if sigma == "sigmoid":
            entries = seconds(lambda: _ramps(n), repeat=repeat)
            note += f"; the entries and their errors take {entries:.2g} s more; largest N tried: "
            note += str(_largest(lambda k: certify_in_floats(*_ramps(k)) is not None, n))
        what = f"rank N = {n} in floats, {sigma} / LU"
        yield Comparison(what, ours, theirs, "N >= 1600", floor=True, note=note)


def _row(
    name: str,
    n: int,
    prove: Callable[[int], bool],
    largest: int,
    repeat: int,
    *,
    gap: int = GAP,
    promised: str = "",
) -> Comparison:
    if not prove(n):
        raise RuntimeError(f"{name} does not certify N = {n}: run the tests before the benchmarks")
    middle = _ramps(n, gap)[0]
    ours = seconds(lambda: prove(n), repeat=repeat)
    theirs = seconds(lambda: np.linalg.slogdet(middle), repeat=max(repeat, 5))
    note = f"largest N tried: {largest}"
    return Comparison(f"rank N = {n}, {name} / LU", ours, theirs, promised, floor=True, note=note)


def _largest(prove: Callable[[int], bool], n: int) -> int:
    """The largest N = n, 2 n, 4 n, … that is proven, until a proof takes ``PATIENCE`` or N is 100 000."""
    best = 0
    while n <= 100_000:
        start = time.process_time()
        if not prove(n):
            break
        cost, best = time.process_time() - start, n
        if cost > PATIENCE / 8:
            break
        n *= 2
    return best


def _closed_form(n: int) -> bool:
    t = [fmpq(GAP * i) for i in range(n)]
    return bordered_sign("sigmoid", t, t[:-1]) == 1


def _balls(n: int) -> bool:
    sigmoid = ACTIVATIONS["sigmoid"].ball

    def build() -> arb_mat:
        column = {d: sigmoid(arb(GAP * d)) for d in range(1 - n, n)}
        return arb_mat(n, n, [column[j - i] if j < n - 1 else arb(1) for i in range(n) for j in range(n)])

    return certify_in_balls(build, bits=(64, 128)) is not None


def _rationals(n: int) -> bool:
    sigmoid = ACTIVATIONS["sigmoid"].exact
    column = {d: sigmoid(fmpq(d)) for d in range(1 - n, n)}
    a = fmpq_mat(n, n - 1, [column[j - i] for i in range(n) for j in range(n - 1)])
    return int(with_ones(a).rank()) == n


def _random(n: int, repeat: int) -> Comparison:
    rng = np.random.default_rng(0)
    x, w, b = rng.normal(size=n), rng.normal(size=n - 1), rng.normal(size=n - 1)
    sigmoid = ACTIVATIONS["sigmoid"].ball

    def build() -> arb_mat:
        rows = [[*(sigmoid(arb(u) * arb(v) + arb(c)) for v, c in zip(w, b, strict=True)), arb(1)] for u in x]
        return arb_mat(rows)

    middle = np.hstack([ACTIVATIONS["sigmoid"].array(np.outer(x, w) + b), np.ones((n, 1))])
    found = certify_in_balls(build)
    if found is None:
        raise RuntimeError(f"balls do not certify {n} random units: run the tests before the benchmarks")
    ours = seconds(lambda: certify_in_balls(build), repeat=repeat)
    theirs = seconds(lambda: np.linalg.slogdet(middle), repeat=max(repeat, 5))
    note = f"{found.bits} bits; numpy.linalg.matrix_rank says {np.linalg.matrix_rank(middle)}"
    return Comparison(
        f"rank N = {n} at random weights, balls / LU", ours, theirs, "decides", floor=True, note=note
    )
