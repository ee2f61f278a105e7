"""A certified infimum of the logistic loss against cvxpy with Clarabel."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from strategies.datasets import Atoms
from strategies.losses import logistic
from strategies.matrices import matrix
from tests.benchmarks.comparison import Comparison, seconds
from verify.oracles.infimum import enclose_infimum

COUNT, M, P = 10, 60, 10


def compare(repeat: int) -> Iterator[Comparison]:
    """Two rigorous bounds of L* (in bits) on our side, a solver's value at tolerance 1e-12 on the other."""
    rng = np.random.default_rng(0)
    features = rng.integers(-8, 9, size=(COUNT, M, P)) / 8.0
    labels = rng.integers(0, 2, size=(COUNT, M, 1)).astype(np.float64)
    exact = [(matrix(a), matrix(b)) for a, b in zip(features, labels, strict=True)]
    measure = Atoms.uniform(M)
    found = [enclose_infimum(a, b, logistic, measure) for a, b in exact]
    ours = seconds(
        lambda: [enclose_infimum(a, b, logistic, measure) for a, b in exact], repeat=repeat, count=COUNT
    )
    note = f"certified relative gap at most {max(f.gap for f in found):.1g}; {COUNT} of m = {M}, {P} features"
    what, promised = "certified L*, logistic / cvxpy + Clarabel", ">= 10x"
    try:
        import cvxpy  # noqa: F401
    except ImportError:
        note = "cvxpy not installed: pip install .[benchmarks]"
        yield Comparison(what, ours, float("nan"), promised, note=note)
        return
    theirs = seconds(
        lambda: [_clarabel(a, b) for a, b in zip(features, labels, strict=True)], repeat=repeat, count=COUNT
    )
    yield Comparison(what, ours, theirs, promised, note=note)


def _clarabel(features: Any, labels: Any) -> float:
    import cvxpy

    r = cvxpy.Variable(P)
    h = features @ r
    total = cvxpy.sum(cvxpy.logistic(h) - cvxpy.multiply(labels[:, 0], h))
    problem = cvxpy.Problem(cvxpy.Minimize(total))
    problem.solve(solver=cvxpy.CLARABEL, tol_gap_abs=1e-12, tol_gap_rel=1e-12, tol_feas=1e-12)
    return float(problem.value) / M / float(np.log(2.0))
