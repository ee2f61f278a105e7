"""Local minima of smooth networks near trained points, proved by interval Newton, and what is known there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flint import arb, arb_mat, ctx

from strategies.feedforward import Network
from strategies.matrices import as_floats
from verify.oracles.enclosed import Gradient, Hessian, prove_critical_point
from verify.oracles.feedforward import Derivatives, derivatives_at, hessian_from, total_loss, vector

__all__ = ["EnclosedMinimum", "enclose_minimum", "least_squares_bounds"]

BITS = 160


@dataclass(frozen=True)
class EnclosedMinimum:
    """Exactly one critical point of L lies in ``point``, a strict local minimum; all enclosures are of it."""

    point: list[arb]
    loss: arb
    derivatives: Derivatives


def enclose_minimum(net: Network) -> EnclosedMinimum | None:
    """A strict local minimum of L near θ, or None: cannot.

    Krawczyk's operator on ∇L = Jᵀp with ∇²L enclosed on the whole box, which is positive definite there.
    For smooth activations, whatever θ is; it should be as close to a critical point as training comes.
    Raises ``NotDifferentiable`` at a kink.
    """
    with ctx.workprec(BITS):

        def gradient(theta: list[arb]) -> list[arb]:
            d = derivatives_at(net, theta)
            found: list[arb] = (d.jacobian.transpose() * d.slopes).entries()
            return found

        def hessian(theta: list[arb]) -> list[list[arb]]:
            second: list[list[arb]] = hessian_from(net.computation, derivatives_at(net, theta)).table()
            return second

        found = prove_critical_point(gradient, hessian, as_floats(net.theta)[:, 0].tolist(), bits=BITS)
        if found is None or found.positive_definite is not True:
            return None
        point = _narrowed(gradient, hessian, found.point)
        d = derivatives_at(net, point)
        value = arb(total_loss(net, d.stages[-1].value.transpose()))
        return EnclosedMinimum(point=point, loss=value, derivatives=d)


def _narrowed(gradient: Gradient, hessian: Hessian, box: list[arb]) -> list[arb]:
    """Three interval Newton steps c − ∇²L(box)⁻¹ ∇L(c) from a box with a critical point: it stays inside."""
    for _ in range(3):
        middle = [e.mid() for e in box]
        n = len(box)
        slopes = arb_mat(n, 1, [arb(e) for e in gradient(middle)])
        try:
            step = arb_mat(n, n, [arb(e) for row in hessian(box) for e in row]).solve(slopes).entries()
        except ZeroDivisionError:
            return box
        moved = [c - s for c, s in zip(middle, step, strict=True)]
        box = [old if old.rad() <= new.rad() else new for old, new in zip(box, moved, strict=True)]
    return box


def least_squares_bounds(net: Network, basis: Any) -> arb | None:
    """min over α of Σ λ_i |(M α)_i − y_i|² for a ball matrix M: an enclosure; None if its rank is in doubt.

    |y|² − yᵀ M (Mᵀ M)⁻¹ Mᵀ y in the weighted inner product. That the solver succeeds proves that every M in
    the balls has full column rank.
    """
    with ctx.workprec(BITS):
        y = arb_mat(vector(net.Y))
        d = net.Y.ncols()
        weighted = [w * e for w, row in zip(net.weights.entries(), net.Y.table(), strict=True) for e in row]
        scaled = arb_mat(basis)
        for i, row in enumerate(basis.table()):
            for j, e in enumerate(row):
                scaled[i, j] = net.weights[0, i // d] * e
        right = scaled.transpose() * y
        try:
            solution = (scaled.transpose() * basis).solve(right)
        except ZeroDivisionError:
            return None
        norm = sum((arb(a * b) for a, b in zip(weighted, vector(net.Y).entries(), strict=True)), arb(0))
        return norm - arb((right.transpose() * solution)[0, 0])
