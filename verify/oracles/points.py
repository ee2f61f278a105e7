"""What a numerically found point is: as good as the optimum, certainly not a minimum, or undecided."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import numpy as np
from flint import fmpq, fmpq_mat

from strategies.datasets import Atoms
from strategies.matrices import as_floats, matrix
from strategies.networks import ResNet
from verify.oracles.exact import least_squares, trace_product

__all__ = ["Finding", "PointDecision", "decide_point"]

Floats = np.ndarray[Any, np.dtype[np.float64]]

_U = 2.0**-53
_NEAR = fmpq(1, 1000)


class Finding(Enum):
    """What was certified about a point; each value is the sentence."""

    OPTIMAL = "optimal: L - L* is at most the tolerance, both computed exactly"
    NOT_A_MINIMUM = "not a minimum: an exact rational point within the radius has a strictly smaller loss"
    INCONCLUSIVE = "inconclusive: L - L* is above the tolerance and no lower point was found in the radius"


@dataclass(frozen=True, kw_only=True)
class PointDecision:
    """A finding with its grounds, all rational: they can be checked by evaluating two losses."""

    finding: Finding
    loss: fmpq
    optimum: fmpq
    """L*_{x,z}, exactly."""
    tolerance: fmpq
    lower: ResNet | None = None
    """The lower point, if the finding is NOT_A_MINIMUM."""
    lower_loss: fmpq | None = None

    @property
    def gap(self) -> fmpq:
        """L − L*, exactly."""
        return self.loss - self.optimum


def decide_point(net: ResNet, *, radius: fmpq = _NEAR, tolerance: fmpq | None = None) -> PointDecision:
    """Whether the weights of ``net`` are as good as optimal, or certainly not a local minimum, or neither.

    A float64 point *is* a dyadic rational, so L, L* (normal equations) and every candidate are computed
    exactly; floats only propose where to look. Optimal: L − L* <= tolerance. Not a minimum: a rational point
    (W', V', b') within Euclidean distance ``radius`` has L' < L; it is carried in the result. Candidates, at
    many lengths up to the radius: along −∇L; the proof's descent W − α p uᵀ, V + β u vᵀ with u a right
    singular vector of W, (p, σ, v) the top singular triple of G_z, α = min(radius / √2, β σ / (2 S)) and
    S = E⟨u, x + V z⟩² (where W u = 0 this lowers the squared loss at every small β: Kawaguchi and Bengio
    2019, Lemma 2, made quantitative); the pull-back of R* − R to (W, V) by the pseudo-inverse of W.

    The default tolerance is the rounding error of evaluating L in float64 at this point,

        E[2 |r| δ + δ²] + γ_n E[r²],   δ = γ_k ((|x| + |V| |z|) |W| + |b| + |y|),   k = d_x + d_z + 4,

    r = h − y, n = m d_y + 2, γ_k = k u / (1 − k u), u = 2⁻⁵³: closer than float64 evaluation can resolve.

    **Never "refuted".** With d_y <= d_x and a convex differentiable loss a local minimum can only be OPTIMAL
    (Theorem 1), and a point with ‖∇L‖ = 1e-12 and λ_min = −3e-16 can still be far from it: there the gradient
    is small because ‖V‖ is large or W nearly singular, and the descent above finds the lower point.
    NOT_A_MINIMUM speaks of this very point: where d_y > d_x, a rounded strict local minimum gets it too.

    Raises ``ValueError`` for a loss other than the squared one and a radius that is not positive.
    """
    if net.loss.name != "squared":
        raise ValueError(
            f"points are decided for the squared loss, this network has {net.loss.name}: enclose the two "
            f"losses instead (landscape.loss and landscape.basis_infimum)"
        )
    if radius <= 0:
        raise ValueError(f"radius = {radius} must be positive")
    best = least_squares(net.features, net.Y, net.measure)
    here, optimum = _loss(net, net.H), _loss(net, net.features * best.transpose())
    tolerance = _rounding(net) if tolerance is None else tolerance
    grounds: dict[str, Any] = {"loss": here, "optimum": optimum, "tolerance": tolerance}
    if here - optimum <= tolerance:
        return PointDecision(finding=Finding.OPTIMAL, **grounds)
    for there in _promising(net, as_floats(best), radius):
        lower = _loss(there, there.H)
        if lower < here:
            return PointDecision(finding=Finding.NOT_A_MINIMUM, lower=there, lower_loss=lower, **grounds)
    return PointDecision(finding=Finding.INCONCLUSIVE, **grounds)


def _loss(net: ResNet, outputs: fmpq_mat) -> fmpq:
    residual = outputs - net.Y
    return trace_product(residual, residual, net.measure)


def _weights(net: ResNet) -> Floats:
    """The matrix M with E[a bᵀ] = aᵀ M b: diagonal for atoms, Hilbert's for polynomials on [0, 1]."""
    if isinstance(net.measure, Atoms):
        return np.diag(as_floats(net.measure.weights)[0])
    m = net.measure.size
    return np.asarray(1.0 / (np.arange(m)[:, None] + np.arange(m)[None, :] + 1.0))


def _rounding(net: ResNet) -> fmpq:
    """The default tolerance of ``decide_point``; doubled, since it is itself computed in floats."""
    x, z, y, w, v = (np.abs(as_floats(a)) for a in (net.X, net.Z, net.Y, net.W, net.V))
    r, weights = np.abs(as_floats(net.H - net.Y)), _weights(net)
    size = (x + z @ v.T) @ w.T + y
    if net.b is not None:
        size = size + as_floats(net.constant) @ np.abs(as_floats(net.b)).T
    k, n = (x.shape[1] + z.shape[1] + 4) * _U, (y.size + 2) * _U
    delta = k / (1 - k) * size
    total = np.sum((2 * r + delta) * (weights @ delta)) + n / (1 - n) * np.sum(r * (weights @ r))
    return fmpq(*(2 * float(total)).as_integer_ratio())


def _promising(net: ResNet, best: Floats, radius: fmpq) -> Iterator[ResNet]:
    """Candidates within the radius as exact networks, those that look lowest in float64 first."""
    weights, w = _weights(net), as_floats(net.W)
    d = 2 * weights @ as_floats(net.H - net.Y)
    a, b, c = (np.array(part) for part in zip(*_steps(net, w, d, weights, best, radius), strict=True))
    # The change of h, so that a tiny decrease is not lost against a large loss: ΔL = E⟨2 r + Δh, Δh⟩.
    turn = as_floats(net.Q) @ a.transpose(0, 2, 1) + as_floats(net.constant) @ c.transpose(0, 2, 1)
    turn = turn + as_floats(net.Z) @ ((w + a) @ b).transpose(0, 2, 1)
    change = np.einsum("nij,ij->n", turn, d) + np.einsum("nij,nij->n", turn, weights @ turn)
    limit = radius * radius
    for i in np.argsort(change, kind="stable"):
        moves = [matrix(part[i]) for part in (a, b, c)]
        if sum((e * e for move in moves for e in move.entries()), fmpq(0)) > limit:
            continue
        bias = None if net.b is None else net.b + moves[2]
        yield replace(net, W=net.W + moves[0], V=net.V + moves[1], b=bias)


def _steps(
    net: ResNet, w: Floats, d: Floats, weights: Floats, best: Floats, radius: fmpq
) -> Iterator[tuple[Floats, ...]]:
    """(ΔW, ΔV, Δb) of length at most ``radius``: the candidates of ``decide_point``; dᵀ a = E[∂ℓ/∂h aᵀ]."""
    x, z, v, q = (as_floats(a) for a in (net.X, net.Z, net.V, net.Q))
    # A little less than the radius, so that rounding the step does not push it out of the ball.
    reach = int(radius.p) / int(radius.q) * (1 - 2.0**-40)
    d_x, still = w.shape[1], np.zeros((w.shape[0], 1))
    g_z = d.T @ z
    target = best[:, :d_x] - w
    lift = best[:, d_x : d_x + z.shape[1]] - w @ v - target @ v
    b_down, b_pull = still, still
    if net.b is not None:
        b_down, b_pull = -d.T @ as_floats(net.constant), best[:, -1:] - as_floats(net.b)
    downhill = (-(d.T @ x + g_z @ v.T), -w.T @ g_z, b_down)
    pulled = (target, np.linalg.pinv(w) @ lift, b_pull)
    for parts in (downhill, pulled):
        size = np.sqrt(sum(float(np.sum(part**2)) for part in parts))
        if 0 < size < np.inf:
            for scale in reach / size * 10.0 ** np.arange(0, -13, -1):
                yield tuple(scale * part for part in parts)
    left, sigma, right = np.linalg.svd(g_z)
    side = reach / np.sqrt(2)
    for u in np.linalg.svd(w)[2]:
        along = q @ u
        spread = float(along @ (weights @ along))
        for beta in side * 10.0 ** np.arange(0, -7, -1):
            alpha = min(side, beta * sigma[0] / (2 * spread)) if spread > 0 else side
            for sign in (1, -1):
                yield -alpha * sign * np.outer(left[:, 0], u), beta * sign * np.outer(u, right[0]), still
