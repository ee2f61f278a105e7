"""Exact symmetries of a feedforward network near θ: how parameters can move without a change of the loss.

Each symmetry is a flow φ_t on parameters near θ with L ∘ φ_t = L, and its direction d/dt φ_t(θ) at t = 0 is a
column of ``symmetry_directions``. A critical point whose Hessian is positive definite on a complement of
these directions is a local minimum: every nearby parameter is φ_t(s) for some s on the slice through θ along
the complement, where L has a strict minimum (inverse function theorem).
"""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

from flint import fmpq, fmpq_mat

from strategies.feedforward import Activate, Affine, Combine, Network, weight_at
from strategies.losses import cross_entropy
from verify.oracles.fibres import idle_rows

__all__ = ["symmetry_directions"]

DEGREES = {"linear": 1, "relu": 1, "leaky relu": 1, "abs": 1, "square": 2, "cube": 3}
"""σ(c t) = c^degree σ(t) for every c > 0."""


class _Layer(NamedTuple):
    """An affine step whose units go through activations into affine steps, and nowhere else."""

    number: int
    step: Affine
    activations: tuple[str, ...]
    consumers: list[Affine]


def symmetry_directions(net: Network) -> fmpq_mat:
    """Directions (n × k) of exact symmetries of L near θ; not all of them, and they may be dependent.

    * A unit of a positively homogeneous σ: incoming weights e^t, outgoing ones e^(−t degree).
    * Two linear units: t times the incoming weights of one added to the other's, undone at the outputs.
    * Weights on inputs that are linearly dependent on the data: their idle rows.
    * A dead unit's weights, and weights on units that are robustly zero.
    * The cross-entropy: one shift of all logits by a multiple of any unit that the last step reads.

    Entries that are tied, or frozen where they would have to move, exclude a symmetry.
    Raises ``AtKink`` if θ is at a kink; irrational activations are fine.
    """
    f, n = net.computation, net.computation.parameters
    uses = Counter(k for s in f.steps if isinstance(s, Affine) for _, _, k in s.trained)
    moves: list[dict[int, fmpq]] = []
    for layer in _layers(net):
        moves += _scalings(net, layer, uses) + _mixings(net, layer, uses)
    if f.rational:
        moves += _idle(net, uses)
    last = f.steps[-1] if f.steps else None
    if net.loss is cross_entropy and isinstance(last, Affine):
        free = _free(last, uses)
        rows = range(last.places.nrows())
        for j in range(last.places.ncols()):
            if all((i, j) in free for i in rows):
                moves.append({free[i, j]: fmpq(1) for i in rows})
    found = fmpq_mat(n, len(moves))
    for c, move in enumerate(moves):
        for k, value in move.items():
            found[k, c] = value
    return found


def _free(step: Affine, uses: Counter[int]) -> dict[tuple[int, int], int]:
    """The parameter at every entry that trains and is used nowhere else."""
    return {(i, j): k for i, j, k in step.trained if uses[k] == 1}


def _layers(net: Network) -> list[_Layer]:
    f = net.computation
    readers: list[list[int]] = [[] for _ in f.widths]
    for number, step in enumerate(f.steps, 1):
        for source in {step.left, step.right} if isinstance(step, Combine) else {step.source}:
            readers[source].append(number)
    found = []
    for number, step in enumerate(f.steps, 1):
        if not isinstance(step, Affine) or not step.parameters:
            continue
        names = ("linear",) * step.places.nrows()
        into = readers[number]
        if len(into) == 1 and isinstance(a := f.steps[into[0] - 1], Activate):
            names, into = a.activations, readers[into[0]]
        consumers = [s for k in into if isinstance(s := f.steps[k - 1], Affine)]
        if consumers and len(consumers) == len(into):
            found.append(_Layer(number, step, names, consumers))
    return found


def _values(net: Network, step: Affine) -> Any:
    return weight_at(step, net.theta.entries(), net.theta)


def _scalings(net: Network, layer: _Layer, uses: Counter[int]) -> list[dict[int, fmpq]]:
    incoming, free = _values(net, layer.step), _free(layer.step, uses)
    outgoing = [(_values(net, b), _free(b, uses)) for b in layer.consumers]
    found = []
    for i, name in enumerate(layer.activations):
        move: dict[int, fmpq] = {}
        possible = name in DEGREES
        for j in range(incoming.ncols()):
            if (i, j) in free:
                move[free[i, j]] = incoming[i, j]
            else:
                possible = possible and incoming[i, j] == 0 and layer.step.places[i, j] < 0
        for (b, own), step in zip(outgoing, layer.consumers, strict=True):
            for r in range(b.nrows()):
                if (r, i) in own:
                    move[own[r, i]] = -DEGREES.get(name, 0) * b[r, i]
                else:
                    possible = possible and b[r, i] == 0 and step.places[r, i] < 0
        if possible:
            found.append(move)
    return found


def _mixings(net: Network, layer: _Layer, uses: Counter[int]) -> list[dict[int, fmpq]]:
    incoming, free = _values(net, layer.step), _free(layer.step, uses)
    outgoing = [(_values(net, b), _free(b, uses), b) for b in layer.consumers]
    linear = [i for i, name in enumerate(layer.activations) if name == "linear"]
    found = []
    for i in linear:
        for j in linear:
            if i == j:
                continue
            move: dict[int, fmpq] = {}
            possible = True
            for c in range(incoming.ncols()):
                if (i, c) in free:
                    move[free[i, c]] = incoming[j, c]
                else:
                    possible = possible and incoming[j, c] == 0 and layer.step.places[j, c] < 0
            for b, own, step in outgoing:
                for r in range(b.nrows()):
                    if (r, j) in own:
                        move[own[r, j]] = -b[r, i]
                    else:
                        possible = possible and b[r, i] == 0 and step.places[r, i] < 0
            if possible:
                found.append(move)
    return found


def _idle(net: Network, uses: Counter[int]) -> list[dict[int, fmpq]]:
    """Parameters that change nothing near θ, and first-layer rows that the data do not see."""
    f, m, found = net.computation, net.X.nrows(), []
    stages = net.stages
    for step in f.steps:
        if not isinstance(step, Affine):
            continue
        free, h = _free(step, uses), stages[step.source]
        quiet = {j for j in range(h.value.nrows()) if all(h.silent[j * m + i] for i in range(m))}
        found += [{k: fmpq(1)} for (_, j), k in free.items() if j in quiet]
        if step.source == 0 and all(uses[k] == 1 for k in step.parameters):
            rows = idle_rows(net, step)
            for c in range(rows.ncols() if rows is not None else 0):
                found.append({k: rows[k, c] for k in range(f.parameters) if rows[k, c]})  # type: ignore[index]
    for layer in _layers(net):
        q, free = stages[layer.number].value.table(), _free(layer.step, uses)
        dead = {
            i
            for i, name in enumerate(layer.activations)
            if name in ("relu", "step") and all(t < 0 for t in q[i])
        }
        found += [{k: fmpq(1)} for (i, _), k in free.items() if i in dead]
    return found
