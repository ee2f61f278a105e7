"""Local minima of a feedforward network: certificates that a point is one, lower points where it is not."""

from __future__ import annotations

import random
from typing import Any

from flint import arb_mat, fmpq, fmpq_mat

from strategies.feedforward import Activate, Affine, AtKink, Combine, Network
from strategies.losses import NotDifferentiable
from strategies.matrices import null_space
from verify.claim import REFUTED, Verdict, inconclusive, vacuous
from verify.oracles.enclosed import is_positive_definite, middles
from verify.oracles.exact import negative_direction
from verify.oracles.feedforward import (
    gradient,
    has_bias,
    hessian,
    is_critical,
    is_lower,
    output_slopes,
    slopes_are_even,
)
from verify.oracles.fibres import walk_fibre
from verify.oracles.landscape import where_minimal
from verify.oracles.symmetries import symmetry_directions

__all__ = [
    "at_critical_point",
    "at_local_minimum",
    "find_descent",
    "is_certified_minimum",
    "is_locally_affine",
]


def find_descent(net: Network, radius: fmpq) -> Network | None:
    """Parameters within Euclidean distance ``radius`` where L is certainly lower, or None if none was found.

    Along −∇L where it is not zero. At a critical point, first from points of its fibre (same outputs, hence
    the same loss) where the gradient is not zero: the contrapositive of Theorems 2 to 4 of Kawaguchi, Huang
    & Kaelbling (2019). Then along directions of negative curvature of the exact Hessian, and last along
    single parameters and small combinations of them. Whatever the candidate, its loss is evaluated exactly,
    or in balls that certainly differ.
    """
    try:
        slopes = gradient(net)
    except NotDifferentiable:
        return None
    if any(e != 0 for e in slopes.entries()):
        return _downhill(net, net, slopes, radius)
    for there in walk_fibre(net, radius / 2, points=24):
        try:
            slopes = gradient(there)
        except AtKink:
            continue
        if any(e != 0 for e in slopes.entries()):
            found = _downhill(net, there, slopes, radius / 2)
            if found is not None:
                return found
    return _along_negative_curvature(net, radius) or _probe(net, radius)


def _downhill(net: Network, there: Network, slopes: Any, radius: fmpq) -> Network | None:
    """From ``there`` against the gradient, by at most ``radius``, shortened until L is lower."""
    direction = middles(slopes)
    size = sum((abs(e) for e in direction.entries()), fmpq(0))
    if not size:
        return None
    step = min(fmpq(1), radius / size)
    for _ in range(60):
        theta = there.theta - direction * step
        if is_lower(net, theta):
            return net.at(theta)
        step = step / 8
    return None


def _along_negative_curvature(net: Network, radius: fmpq) -> Network | None:
    try:
        second = hessian(net)
    except NotDifferentiable:
        return None
    if not isinstance(second, fmpq_mat):
        return None
    v = negative_direction(second)
    if v is None:
        return None
    step = radius / sum((abs(e) for e in v.entries()), fmpq(0))
    for _ in range(60):
        for theta in (net.theta + v * step, net.theta - v * step):
            if is_lower(net, theta):
                return net.at(theta)
        step = step / 8
    return None


def _probe(net: Network, radius: fmpq) -> Network | None:
    """Along ± a parameter, then ± small combinations of parameters, at two lengths."""
    n, rng = net.computation.parameters, random.Random(0)
    single = [[int(i == k) for i in range(n)] for k in range(n)]
    mixed = [[rng.choice((0, 1, -1, 2)) for _ in range(n)] for _ in range(n + 4)]
    for v in single + [m for m in mixed if any(m)]:
        size = sum(abs(e) for e in v)
        for step in (radius / size, radius / (64 * size)):
            for sign in (1, -1):
                theta = net.theta + fmpq_mat(n, 1, v) * (sign * step)
                if is_lower(net, theta):
                    return net.at(theta)
    return None


def _is_best_linear(net: Network) -> bool:
    """Whether every f(·; θ') is a linear map of x and Σ p_i x_iᵀ = 0, exactly."""
    if not net.computation.rational or not all(
        (isinstance(s, Affine) and not has_bias(s)) or (isinstance(s, Combine) and s.operation != "product")
        for s in net.computation.steps
    ):
        return False
    p = output_slopes(net)
    if not isinstance(p, fmpq_mat):
        return False
    rows = fmpq_mat(net.X.nrows(), net.Y.ncols(), p.entries())
    return not any((rows.transpose() * net.X).entries())


def _rests_at_wells(net: Network) -> bool:
    """Whether p = 0, exactly, and ∂²ℓ is positive definite at every sample."""
    p = output_slopes(net)
    return (
        isinstance(p, fmpq_mat)
        and not any(p.entries())
        and all(
            is_positive_definite(net.loss.hessian(h, y)) is True
            for h, y in zip(net.H.table(), net.Y.table(), strict=True)
        )
    )


def is_certified_minimum(net: Network) -> str | None:
    """A sentence that says why θ certainly is a local minimum of L, or None.

    * p is even and every f odd (``slopes_are_even``), ℓ convex: G(f_X(θ')) >= L(θ) + ⟨p, f_X(θ') − f_X(θ)⟩
      = L(θ), a global minimum; p = 0 is the simplest case.
    * Every f(·; θ') is linear (no activations, biases or products) and Σ p_i x_iᵀ = 0, ℓ convex: a global
      minimum, by the same inequality.
    * p = 0 and ∂²ℓ is positive definite at every sample, whatever ℓ is: no outputs near f_X(θ) are better.
    * ∇L = 0, ℓ convex, and f_X is affine in θ near θ (``is_locally_affine``): L is convex near θ.
    * ∇L = 0 and ∇²L is positive definite on a complement of the directions of exact symmetries of L
      (``symmetry_directions``): a local minimum, strict if there are none.

    ∇²L makes sense only where L is twice differentiable: at a jump of the loss's second derivative there is
    no certificate of the last kind.
    """
    try:
        if net.loss.convex and slopes_are_even(net):
            return "the output slopes are even, every f is odd and ℓ is convex: a global minimum"
        if net.loss.convex and _is_best_linear(net):
            return "Σ p_i x_iᵀ = 0, every f is linear and ℓ is convex: a global minimum"
        if _rests_at_wells(net):
            return "every output is at a strict minimum of ℓ(·, y), and f is continuous: a local minimum"
        if is_critical(net) is not True:
            return None
        if net.loss.convex and is_locally_affine(net):
            return "the gradient is zero, and L is convex near θ because f_X is affine there"
        second, moves = hessian(net), symmetry_directions(net)
    except NotDifferentiable:
        return None
    if not moves.ncols():
        if is_positive_definite(second.table() if second.nrows() else []) is True:
            return "the gradient is zero and the Hessian is positive definite: a strict local minimum"
        return None
    slice = null_space(moves.transpose())
    if isinstance(second, arb_mat):
        slice = arb_mat(slice)  # type: ignore[assignment]
    on_slice = slice.transpose() * second * slice
    if is_positive_definite(_symmetric(on_slice)) is True:
        return (
            f"the gradient is zero, and the Hessian is positive definite across the "
            f"{moves.rank()} directions of exact symmetries of L: a local minimum"
        )
    return None


def _symmetric(a: Any) -> list[list[Any]]:
    """The lower triangle twice: both enclose the same symmetric matrices."""
    table = a.table() if a.nrows() else []
    return [[table[max(i, j)][min(i, j)] for j in range(len(table))] for i in range(len(table))]


def is_locally_affine(net: Network) -> bool:
    """Whether f_X certainly is an affine function of θ in a neighbourhood of θ.

    Unit by unit and sample by sample: constant, affine, or perhaps neither. A trained weight times a constant
    is affine, times anything else neither (unless robustly zero); a kinked activation off its kink keeps
    what it gets, a dead ReLU or a step makes it constant, another activation keeps constants alone. Networks
    whose weights all lie in the last layer, or whose trained hidden units are dead, are of this kind.
    Raises ``AtKink`` if θ is at a kink.
    """
    if not net.computation.rational:
        return False
    constant, affine, other = range(3)
    m, f = net.X.nrows(), net.computation
    kinds: list[list[int]] = [[constant] * (f.width * m)]
    for step, stage in zip(f.steps, net.stages[1:], strict=True):
        match step:
            case Affine():
                made = _kinds_of_rows(step, kinds[step.source], net.stages[step.source].value, m)
            case Activate():
                made = []
                values = net.stages[step.source].value.entries()
                for e, kind in enumerate(kinds[step.source]):
                    sigma = step.functions[e // m]
                    if sigma.name == "step" or (sigma.name == "relu" and values[e] < 0):
                        kind = constant
                    elif kind == affine and not (sigma.kinked or sigma.name == "linear"):
                        kind = other
                    made.append(kind)
            case Combine(operation="product"):
                made = []
                u, v = net.stages[step.left].value.entries(), net.stages[step.right].value.entries()
                for a, b, s, t in zip(kinds[step.left], kinds[step.right], u, v, strict=True):
                    zero = (a == constant and s == 0) or (b == constant and t == 0)
                    made.append(constant if zero else other if a and b else max(a, b))
            case Combine(operation="join"):
                made = kinds[step.left] + kinds[step.right]
            case Combine():
                made = [max(a, b) for a, b in zip(kinds[step.left], kinds[step.right], strict=True)]
        kinds.append([constant if quiet else k for k, quiet in zip(made, stage.silent, strict=True)])
    return max(kinds[-1], default=constant) < other


def _kinds_of_rows(step: Affine, kinds: list[int], h: fmpq_mat, m: int) -> list[int]:
    constant, affine, other = range(3)
    trained, into, values = {(i, j) for i, j, _ in step.trained}, step.places.ncols() - 1, h.entries()
    made = []
    for k, live in enumerate(step.live):
        for i in range(m):
            kind = constant
            for j in live:
                own = (k, j) in trained
                if j == into:
                    part = affine if own else constant
                elif not own:
                    part = kinds[j * m + i]
                elif kinds[j * m + i] == constant:
                    part = affine if values[j * m + i] != 0 else constant
                else:
                    part = other
                kind = max(kind, part)
            made.append(kind)
    return made


def at_local_minimum(net: Network, verdict: Verdict) -> Verdict:
    """What ``verdict``, the conclusion at θ, says of "every differentiable local minimum has it".

    Where the conclusion fails: *refuted* if θ certainly is a local minimum, *holds* if lower points are
    exhibited within every radius of ``RADII`` (the contrapositive), *inconclusive* otherwise. Points that
    are not critical, or at a kink, are *vacuous*.
    """
    try:
        critical = is_critical(net)
    except NotDifferentiable:
        return vacuous("θ is at a kink: f_X may not be differentiable near it")
    if critical is not True:
        return (
            vacuous("θ is not critical")
            if critical is False
            else inconclusive("whether ∇L = 0 is left open by balls")
        )
    if verdict.outcome is not REFUTED:
        return verdict
    return where_minimal(
        verdict, certificate=lambda: is_certified_minimum(net), lower=lambda radius: find_descent(net, radius)
    )


def at_critical_point(net: Network, verdict: Verdict) -> Verdict:
    """``verdict`` where ∇L(θ) is exactly zero, vacuous elsewhere and at kinks."""
    try:
        critical = is_critical(net)
    except NotDifferentiable:
        return vacuous("θ is at a kink")
    if critical is None:
        return inconclusive("whether the gradient is zero cannot be told from balls")
    return verdict if critical else vacuous("θ is not critical")
