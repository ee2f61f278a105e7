"""Symmetries of layers with vector-valued activations, and the Morse–Bott certificate with them.

For pairs (X, Y) with Dσ(q) X q = Y σ(q) for all q, σ(e^{sX} q) = e^{sY} σ(q), and the flow

    W^(l) → e^{sX} W^(l),   W^(l+1) → W^(l+1) e^{−sY}

changes no output: for σ(q) = (q_1, q_1²) that is X = [[a, 0], [c, d]], Y = diag(a, 2a) for any a, c, d. Nor
do weights into pre-activations that σ ignores change any. ``symmetries`` has the elementwise cases and those
of the data; a critical point whose Hessian is positive semidefinite with no kernel but the directions of
these flows is a local minimum.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from itertools import product as cartesian

from flint import fmpq_mat

from strategies.activations import ACTIVATIONS
from strategies.feedforward import (
    Activate,
    Affine,
    AtKink,
    Combine,
    Computation,
    Network,
    Step,
    run,
    weight_at,
)
from strategies.losses import NotDifferentiable
from strategies.matrices import columns, hstack, identity, null_space, zeros
from verify.oracles.exact import negative_direction
from verify.oracles.feedforward import hessian, is_critical
from verify.oracles.symmetries import symmetry_directions

__all__ = ["has_negative_curvature", "is_minimum_up_to_symmetry", "layer_symmetries", "symmetries"]

_POINTS = (-3, -2, -1, 1, 2, 3)
"""Six values a variable decide identities of degree five or less in each variable; where units have kinks,
three in every orthant decide those of degree two or less there."""
_DEGREES = {"linear": 1, "relu": 1, "leaky relu": 1, "abs": 1, "square": 2, "quadratic": 2, "cube": 3}


def is_minimum_up_to_symmetry(net: Network) -> str | None:
    """Why θ certainly is a local minimum of L, by its Hessian modulo symmetries, or None."""
    try:
        if is_critical(net) is not True:
            return None
        second = hessian(net)
    except NotDifferentiable:
        return None
    if not isinstance(second, fmpq_mat):
        return None
    rank, n = second.rank(), second.nrows()
    if hstack(symmetry_directions(net), layer_symmetries(net)).rank() + rank < n:
        return None
    if negative_direction(second) is not None:
        return None
    return (
        "the gradient is zero and the Hessian is positive semidefinite, its kernel spanned by symmetries "
        "of the layers: a local minimum"
    )


def has_negative_curvature(net: Network) -> bool:
    """Whether vᵀ ∇²L v < 0 for some v: then θ is no local minimum."""
    try:
        second = hessian(net)
    except NotDifferentiable:
        return False
    return isinstance(second, fmpq_mat) and negative_direction(second) is not None


def layer_symmetries(net: Network) -> fmpq_mat:
    """Directions at θ (columns, n × k) of the flows of (X, Y) in every hidden layer of a layered network."""
    f, n = net.computation, net.computation.parameters
    found = []

    def direction(*changes: tuple[Affine, fmpq_mat]) -> None:
        v = zeros(n, 1)
        for step, w in changes:
            for i, j, k in step.trained:
                v[k, 0] = w[i, j]
        found.append(v)

    for number, above in pairwise(f.layers):
        here, there = f.steps[number - 1], f.steps[above - 1]
        assert isinstance(here, Affine)
        assert isinstance(there, Affine)
        sigma = _local(net, number, there.source)
        if sigma is None:
            continue
        pairs, ignored = symmetries(sigma)
        w, v = (weight_at(s, net.theta.entries(), net.theta) for s in (here, there))
        for x, y in pairs:
            direction(
                (here, x * w), (there, hstack(-columns(v, range(v.ncols() - 1)) * y, zeros(v.nrows(), 1)))
            )
        for k in ignored:
            for j in range(w.ncols() - 1):
                change = zeros(w.nrows(), w.ncols())
                change[k, j] = 1
                direction((here, change))
    return hstack(*found) if found else zeros(n, 0)


def _local(net: Network, start: int, end: int) -> Computation | None:
    """q ↦ σ(q) near the pre-activations, with q = input + a trained shift; None if not of a kind we treat.

    Kinked units that are active at every sample count as linear there. The others must see one
    pre-activation each.
    """
    f = net.computation
    d = f.widths[start]
    eye = identity(d)
    steps: list[Step] = [
        Affine(
            source=0,
            places=fmpq_mat(d, d + 1, [k if j == d else -1 for k in range(d) for j in range(d + 1)]),
            frozen=hstack(eye, zeros(d, 1)),
        )
    ]
    degrees, single, kinks = {start: [1] * d}, {start: [True] * d}, False
    for number in range(start + 1, end + 1):
        match f.steps[number - 1]:
            case Affine() as step:
                before, one = degrees[step.source], single[step.source]
                table = [[j for j, e in enumerate(row[:-1]) if e] for row in step.frozen.table()]
                degrees[number] = [max((before[j] for j in row), default=0) for row in table]
                single[number] = [len(row) == 1 and one[row[0]] for row in table]
                steps.append(replace(step, source=step.source - start + 1))
            case Activate() as step:
                values, names = net.stages[step.source].value.table(), list(step.activations)
                for k, sigma in enumerate(step.functions):
                    if sigma.kinked and all(e > 0 for e in values[k]):
                        names[k] = "linear"
                    elif sigma.name not in _DEGREES or (sigma.kinked and not single[step.source][k]):
                        return None
                    kinks = kinks or ACTIVATIONS[names[k]].kinked
                before = degrees[step.source]
                degrees[number] = [_DEGREES[a] * before[k] for k, a in enumerate(names)]
                single[number] = [a == "linear" and single[step.source][k] for k, a in enumerate(names)]
                steps.append(Activate(source=step.source - start + 1, activations=tuple(names)))
            case Combine() as step:
                left, right = degrees[step.left], degrees[step.right]
                degrees[number] = (
                    left + right
                    if step.operation == "join"
                    else [a + b for a, b in zip(left, right, strict=True)]
                )
                joined = step.operation == "join"
                single[number] = single[step.left] + single[step.right] if joined else [False] * len(left)
                steps.append(replace(step, left=step.left - start + 1, right=step.right - start + 1))
    if d > 3 or max(degrees[end], default=0) > (2 if kinks else 5):
        return None
    return Computation(width=d, parameters=d, steps=tuple(steps))


@lru_cache(maxsize=1024)
def symmetries(sigma: Computation) -> tuple[tuple[tuple[fmpq_mat, fmpq_mat], ...], tuple[int, ...]]:
    """A basis of the pairs (X, Y) with Dσ(q) X q = Y σ(q) for all q, and the units q_k that σ ignores.

    Exact for what ``_local`` lets through: the identity is linear in (X, Y) and is decided on a grid.
    ``sigma`` has a trained shift of q first.
    """
    d, out = sigma.width, sigma.outputs
    grid = list(cartesian(_POINTS, repeat=d))
    points = fmpq_mat(len(grid), d, [e for q in grid for e in q])
    try:
        stage = run(sigma, fmpq_mat(d, 1), points, balls=False)[-1]
    except AtKink:
        return (), ()
    value, slopes = stage.value.table(), stage.jacobian.table()
    equations = []
    for i, q in enumerate(grid):
        for k in range(out):
            row = slopes[k][i * d : (i + 1) * d]
            left = [s * e for s in row for e in q]
            right = [-value[b][i] if c == k else 0 for c in range(out) for b in range(out)]
            equations.append([*left, *right])
    basis = null_space(fmpq_mat(len(equations), d * d + out * out, [e for r in equations for e in r]))
    pairs = []
    for j in range(basis.ncols()):
        v = [basis[i, j] for i in range(basis.nrows())]
        pairs.append((fmpq_mat(d, d, v[: d * d]), fmpq_mat(out, out, v[d * d :])))
    ignored = [
        k for k in range(d) if not any(slopes[u][i * d + k] for u in range(out) for i in range(len(grid)))
    ]
    return tuple(pairs), tuple(ignored)
