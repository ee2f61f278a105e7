"""A certified infimum of the logistic loss against cvxpy with Clarabel."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from strategies.datasets import Atoms
from strategies.losses import logistic
from strategies.matrices import matrix
from tests.benchmarks.comparison import Comparison, seconds
from verify.oracles.floating import bound_infimum
from verify.oracles.infimum import enclose_infimum

COUNT = 10


def compare(repeat: int) -> Iterator[Comparison]:
    """Two rigorous bounds of L* (in bits) on our side, a solver's value at tolerance 1e-12 on the other."""
    yield from _of_size(60, 10, repeat)
    yield from _of_size(200, 30, repeat)


def _of_size(m: int, p: int, repeat: int) -> Iterator[Comparison]:
    rng = np.random.default_rng(0)
    features = rng.integers(-8, 9, size=(COUNT, m, p)) / 8.0
    labels = rng.integers(0, 2, size=(COUNT, m, 1)).astype(np.float64)
    pairs = list(zip(features, labels, strict=True))
    exact, measure = [(matrix(a), matrix(b)) for a, b in pairs], Atoms.uniform(m)

    def cost(work: Any) -> float:
        return seconds(work, repeat=repeat, count=COUNT)

    theirs, missing = float("nan"), ""
    try:
        import cvxpy  # noqa: F401
    except ImportError:
        missing = "; cvxpy is not installed: pip install .[benchmarks]"
    else:
        theirs = cost(lambda: [_clarabel(a, b) for a, b in pairs])
    single = cost(lambda: [bound_infimum(a[None], b[None], logistic) for a, b in pairs])
    batch = cost(lambda: bound_infimum(features, labels, logistic))
    gap = float(bound_infimum(features, labels, logistic).gap.max())
    balls = cost(lambda: [enclose_infimum(a, b, logistic, measure) for a, b in exact])
    finest = max(enclose_infimum(a, b, logistic, measure).gap for a, b in exact)

    what = f"certified L* ({m}, {p}) / cvxpy + Clarabel"
    note = f"float64, gap at most {gap:.1g}, one call an instance; logistic, (m, features) as given{missing}"
    yield Comparison(what, single, theirs, ">= 8x", note=note)
    yield Comparison("  the same, all in one call", batch, theirs, "", note=f"{COUNT} instances")
    yield Comparison(
        "  the same, in rationals and balls", balls, theirs, "", note=f"gap at most {finest:.1g}"
    )


def _clarabel(features: Any, labels: Any) -> float:
    import cvxpy

    r = cvxpy.Variable(features.shape[1])
    h = features @ r
    total = cvxpy.sum(cvxpy.logistic(h) - cvxpy.multiply(labels[:, 0], h))
    problem = cvxpy.Problem(cvxpy.Minimize(total))
    problem.solve(solver=cvxpy.CLARABEL, tol_gap_abs=1e-12, tol_gap_rel=1e-12, tol_feas=1e-12)
    return float(problem.value) / len(features) / float(np.log(2.0))
