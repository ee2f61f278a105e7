"""A census of critical points: does the classification agree with the Hessian, and is there descent
everywhere else?

``python -m tests.deep_linear_census --points 20000`` draws exact critical points of deep linear
networks, and decides of each: its kind by ranks, the inertia of its exact Hessian, whether the exact
value equals Eckart and Young's in floating point, and, unless it is a global minimum, lower points
within 1e-1, 1e-3, 1e-6 and 2^-60. Exits 1 on the first disagreement.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from flint import fmpq
from hypothesis import HealthCheck, given, seed, settings

from strategies.deep_linear import CLASSES, eigenplanted_problems, planted_critical_problems, widths
from verify.oracles.deep_linear import Kind, distance, find_ascent, find_descent, hessian, is_critical, kind
from verify.oracles.exact import inertia

POINTS = (
    planted_critical_problems()
    | planted_critical_problems(residual="solved")
    | planted_critical_problems(widths(3, 5), residual="solved")
    | planted_critical_problems(widths(2, 5, bottleneck=True), residual="solved")
    | eigenplanted_problems()
    | eigenplanted_problems(widths(2, 5, ends=2), keep="not top")
    | eigenplanted_problems(values="tied")
)
RADII = (fmpq(1, 10), fmpq(1, 10**3), fmpq(1, 10**6), fmpq(1, 2**60))


def disagreement(p):
    """What is wrong at a critical point, and its kind."""
    assert is_critical(p)
    found = kind(p)
    negative = inertia(hessian(p))[2]
    if (found is Kind.STRICT_SADDLE) != (negative > 0):
        return found, f"{found.value} with {negative} negative eigenvalues"
    lower = [find_descent(p, radius) for radius in RADII]
    if found is Kind.GLOBAL_MINIMUM:
        return found, "" if not any(lower) else "a global minimum with a lower point"
    for point, radius in zip(lower, RADII, strict=True):
        if point is None or not point.loss < p.loss or distance(point, p) > radius * radius:
            return found, f"no lower point within {radius}"
    higher = find_ascent(p, RADII[2])
    return found, "" if higher is not None and higher.loss > p.loss else "no higher point nearby"


def census(points, start=0):
    """Counts of kinds and classes over ``points`` drawn critical points; stops at the first disagreement."""
    kinds, classes, seen, wrongs = Counter(), Counter(), set(), []
    while sum(kinds.values()) < points:

        @seed(start)
        @settings(
            max_examples=min(500, points),
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(POINTS)
        def look(p):
            if p in seen or wrongs or sum(kinds.values()) >= points:
                return
            seen.add(p)
            found, wrong = disagreement(p)
            if wrong:
                wrongs.append(f"{wrong}: {p!r}")
                return
            kinds[found.value] += 1
            depth = min(len(p.weights), 3)
            classes[f"{found.value}, H {'>=' if depth == 3 else '='} {depth}"] += 1
            for name, holds in CLASSES.items():
                classes[name, found.value] += bool(holds(p))

        look()
        if wrongs:
            raise AssertionError(wrongs[0])
        start += 1
    return kinds, classes


def main() -> int:
    """Take the census and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    started = time.process_time()
    try:
        kinds, classes = census(options.points, options.seed)
    except AssertionError as error:
        print(f"DISAGREEMENT: {error}")
        return 1
    print(f"{sum(kinds.values())} distinct exact critical points, every one agrees:")
    for k in Kind:
        print(f"  {k.value:20} {kinds[k.value]:6}")
    for name in [n for n in classes if isinstance(n, str)]:
        print(f"    {name:32} {classes[name]:6}")
    print(f"  {'class':28} " + " ".join(f"{k.value:>18}" for k in Kind))
    for name in CLASSES:
        print(f"  {name:28} " + " ".join(f"{classes[name, k.value]:18}" for k in Kind))
    print(f"{time.process_time() - started:.0f} s CPU")
    return 0


if __name__ == "__main__":
    sys.exit(main())
