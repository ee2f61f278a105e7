"""A found minimum of a deep linear network, to relative gap 1e-8, against SGD and scipy's LM."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from strategies.deep_linear import DeepLinearProblem
from strategies.matrices import matrix
from tests.benchmarks.comparison import Comparison, seconds
from verify.oracles.descents import certify_deep_linear_minimum, find_deep_linear_minima

SHAPES = {"4-3-3-3": (4, 3, 3, 3), "5-4-2-4": (5, 4, 2, 4)}
M = 20
GAP = 1e-8
BATCH, SCIPY, SGD, SGD_STEPS, CERTIFIED = 2000, 60, 8, 20_000, 50


def compare(repeat: int) -> Iterator[Comparison]:
    """The same instances from the same starts on every side; only instances that reach the gap count.

    The others pay for the runs that reach the gap only; we pay for all of ours, the lost ones too.
    """
    for name, widths in SHAPES.items():
        yield from _compare(name, widths, repeat)


def _compare(name: str, d: tuple[int, ...], repeat: int) -> Iterator[Comparison]:
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((BATCH, d[0], M)), rng.standard_normal((BATCH, d[-1], M))
    W = [rng.standard_normal((BATCH, b, a)) / np.sqrt(a) for a, b in pairwise(d)]
    found = find_deep_linear_minima(X, Y, d, seed=0, starts=W)
    optimum = found.optimum

    def ours() -> int:
        return int(np.sum(find_deep_linear_minima(X, Y, d, seed=0, starts=W).gap <= GAP * optimum))

    def theirs(solve: Callable[..., float], count: int) -> tuple[float, int]:
        spent, reached = 0.0, 0
        for i in range(count):
            start = time.process_time()
            value = solve(X[i], Y[i], [w[i] for w in W], optimum[i])
            took = time.process_time() - start
            if value <= (1 + GAP) * optimum[i]:
                spent, reached = spent + took, reached + 1
        return spent / reached if reached else np.nan, reached

    theirs(_scipy, 3), theirs(_sgd, 1)  # imports and caches
    mine = seconds(ours, repeat=repeat) / max(reached := ours(), 1)
    scipy = [theirs(_scipy, SCIPY) for _ in range(repeat)]
    sgd = [theirs(_sgd, SGD) for _ in range(repeat)]
    small = int(np.sum(found.gradient <= 1e-12))
    note = f"reached 1e-8: ours {reached}/{BATCH} ({small} with |grad| <= 1e-12), scipy {scipy[0][1]}/{SCIPY}"
    cost = float(np.median([time for time, _ in scipy]))
    yield Comparison(f"deep linear {name} / scipy LM, analytic Jacobian", mine, cost, ">= 5x", note=note)
    note = f"reached 1e-8: SGD {sgd[0][1]}/{SGD}, at most {SGD_STEPS} steps"
    cost = float(np.median([time for time, _ in sgd]))
    yield Comparison(f"deep linear {name} / torch SGD", mine, cost, ">= 200x", note=note)

    problems = [
        DeepLinearProblem(weights=tuple(matrix(w[i]) for w in found.weights), X=matrix(X[i]), Y=matrix(Y[i]))
        for i in range(CERTIFIED)
    ]
    proven = sum(certify_deep_linear_minimum(p) is not None for p in problems)
    cost = seconds(lambda: [certify_deep_linear_minimum(p) for p in problems], repeat=repeat, count=CERTIFIED)
    note = f"a local minimum proven near {proven} of {CERTIFIED} of these points; nobody else does"
    yield Comparison(f"deep linear {name}, certificate", cost, np.nan, "<= 10 ms", note=note)


def _scipy(X: Any, Y: Any, W: list[Any], optimum: float) -> float:
    """Where ``scipy.optimize.least_squares(method="lm")`` ends, with its default tolerances of 1e-8."""
    from scipy.optimize import least_squares

    shapes = [w.shape for w in W]
    at = np.cumsum([0] + [w.size for w in W])

    def weights(p: Any) -> list[Any]:
        return [p[a:b].reshape(shape) for a, b, shape in zip(at, at[1:], shapes, strict=False)]

    def residual(p: Any) -> Any:
        z = X
        for w in weights(p):
            z = w @ z
        return (z - Y).ravel()

    def jacobian(p: Any) -> Any:
        layers = weights(p)
        below, above = [X], [np.eye(len(Y))]
        for w in layers[:-1]:
            below.append(w @ below[-1])
        for w in layers[:0:-1]:
            above.append(above[-1] @ w)
        blocks = [
            (b[:, None, :, None] * z.T[None, :, None, :]).reshape(Y.size, -1)
            for b, z in zip(above[::-1], below, strict=True)
        ]
        return np.concatenate(blocks, axis=1)

    start = np.concatenate([w.ravel() for w in W])
    return float(least_squares(residual, start, jacobian, method="lm", max_nfev=500).cost)


def _sgd(X: Any, Y: Any, W: list[Any], optimum: float) -> float:
    """The loss when SGD (momentum 0.9) is within the gap, or after all its steps, as in a training script."""
    import torch

    x, y = torch.from_numpy(X), torch.from_numpy(Y)
    weights = [torch.from_numpy(w.copy()).requires_grad_() for w in W]
    optimiser = torch.optim.SGD(weights, lr=0.05, momentum=0.9)
    value = np.inf
    for step in range(SGD_STEPS):
        optimiser.zero_grad()
        out = x
        for w in weights:
            out = w @ out
        loss = 0.5 * (out - y).square().sum()
        # Read before the step that changes it, and compared with L* of the same data.
        if step % 20 == 0 and (value := loss.item()) <= (1 + GAP) * optimum:
            break
        (loss / M).backward()
        optimiser.step()
    return value
