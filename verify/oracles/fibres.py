"""The fibre of a network: parameters near θ with exactly the same outputs, and what the basis gains there.

    𝒱[θ, ε] = {v : |v| <= 1, f_X(θ + ε v) = f_X(θ)}       T̃ = Σ_{v ∈ 𝒱} range ∂f_X(θ + ε v)

(Kawaguchi, Huang & Kaelbling 2019, Section 3.3). 𝒱 is an algebraic set. A walk on it moves one affine step
at a time: along null vectors of the Jacobian by that step's parameters, for f is affine in them as long as no
activation after them bends; along rows in the left null space of the step's input, which change nothing at
all; along parameters that have no derivative, such as the incoming weights of a unit without outgoing ones.
Every point is kept only if its outputs are exactly those of θ, so that what is found is sound; that nothing
was missed is not claimed.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from flint import fmpq, fmpq_mat

from strategies.feedforward import Affine, AtKink, Network
from strategies.matrices import columns, hstack, null_space, vstack

__all__ = ["fibre_directions", "idle_rows", "perturbed_basis", "same_outputs", "walk_fibre"]


def same_outputs(net: Network, theta: fmpq_mat) -> bool:
    """Whether f_X(theta) = f_X(θ), exactly. False for irrational activations: balls never say equal."""
    return bool(net.computation.rational and net.outputs_at(theta) == net.H)


def fibre_directions(net: Network) -> list[fmpq_mat]:
    """For every affine step that has some: a basis (n × k) of {v in its parameters : ∂f_X(θ) v = 0}."""
    found = ((net, step, columns(net.J, step.parameters)) for step in _trained(net))
    return [basis for one in found if (basis := _embedded(one[0], one[1], null_space(one[2]))) is not None]


def _trained(net: Network) -> list[Affine]:
    return [s for s in net.computation.steps if isinstance(s, Affine) and s.parameters]


def _embedded(net: Network, step: Affine, local: fmpq_mat) -> fmpq_mat | None:
    """Columns over the parameters of one step as columns over θ; None if there are none."""
    if not local.ncols():
        return None
    basis = fmpq_mat(net.computation.parameters, local.ncols())
    for i, k in enumerate(step.parameters):
        for j in range(local.ncols()):
            basis[k, j] = local[i, j]
    return basis


def idle_rows(net: Network, step: Affine) -> fmpq_mat | None:
    """A basis (n × k) of the changes of single rows of a step by the left null space of its input.

    ν with ν · (h(x_i), 1) = 0 for every sample i, ν zero at the entries of the row that do not train: the
    step's values do not change at all, however large the change. None if there are none, or for steps whose
    entries are tied. Source: Kawaguchi, Huang & Kaelbling (2019), the example below eq. (3.2).
    """
    if len(step.parameters) < len(step.trained):
        return None
    h = net.stages[step.source].value
    extended = vstack(h, fmpq_mat(1, h.ncols(), [1] * h.ncols())).transpose()
    place = {k: i for i, k in enumerate(step.parameters)}
    changes: list[dict[int, fmpq]] = []
    for row in range(step.places.nrows()):
        own = [(j, k) for i, j, k in step.trained if i == row]
        null = null_space(columns(extended, [j for j, _ in own]))
        changes += [
            {place[k]: null[e, c] for e, (_, k) in enumerate(own) if null[e, c]} for c in range(null.ncols())
        ]
    local = fmpq_mat(len(place), len(changes))
    for c, change in enumerate(changes):
        for k, value in change.items():
            local[k, c] = value
    return _embedded(net, step, local)


def _ways(net: Network, step: Affine) -> list[fmpq_mat]:
    """Bases of directions in one step that may keep f_X: null vectors of J, idle rows, idle entries."""
    block = columns(net.J, step.parameters)
    null = _embedded(net, step, null_space(block))
    if null is None:
        return []
    table = block.table()
    idle = [i for i in range(block.ncols()) if not any(row[i] for row in table)]
    entries = fmpq_mat(block.ncols(), len(idle))
    for c, i in enumerate(idle):
        entries[i, c] = 1
    return [w for w in (null, idle_rows(net, step), _embedded(net, step, entries)) if w is not None]


def walk_fibre(net: Network, radius: fmpq, *, points: int = 8, seed: int = 0) -> Iterator[Network]:
    """Networks on the fibre of θ within Euclidean distance ``radius``, at most ``points`` of them.

    Walks from θ, up to one move in each affine step, in a drawn order, along a small random integer
    combination of its directions at the point reached: several layers have to move before the basis sees
    anything where several are degenerate. A move that leaves the fibre is shortened if a kink may be the
    reason, then given up. The same ``seed`` gives the same walk. Raises ``AtKink`` if θ is at a kink.
    """
    if not net.computation.rational:
        return
    rng = random.Random(seed)
    steps = _trained(net)
    if not any(null_space(columns(net.J, s.parameters)).ncols() for s in steps):
        return
    seen, walks = {tuple(net.theta.entries())}, 0
    while len(seen) <= points and walks < 2 * points:
        here, left = net, radius
        order = rng.sample(steps, len(steps))
        if walks % 3 < 2:  # forwards, then backwards, then in any order
            order = steps if walks % 3 == 0 else steps[::-1]
        order = [s for s in order if walks < 3 or rng.random() < 0.8]
        walks += 1
        for step in order:
            try:
                ways = _ways(here, step)
            except AtKink:
                break
            there = _move(net, here, rng.choice(ways), left / 2, rng) if ways else None
            if there is None:
                continue
            here, left = there, left / 2
            key = tuple(here.theta.entries())
            if key not in seen:
                seen.add(key)
                yield here
                if len(seen) > points:
                    return


def _move(net: Network, here: Network, basis: fmpq_mat, length: fmpq, rng: random.Random) -> Network | None:
    """A point of the fibre at most ``length`` from here, along a combination of the columns of ``basis``."""
    k = basis.ncols()
    few = {rng.randrange(k) for _ in range(rng.choice((1, 2, k)))}
    v = basis * fmpq_mat(k, 1, [rng.choice((1, -1, 2, -2, 3)) if j in few else 0 for j in range(k)])
    step = length / sum((abs(e) for e in v.entries()), fmpq(0))  # the Euclidean norm is no larger
    for _ in range(3 if any(a.kinked for a in net.computation.functions) else 1):
        there = here.moved(v, step)
        if same_outputs(net, there.theta):
            return there
        step = step / 16
    return None


def perturbed_basis(
    net: Network, epsilon: fmpq, *, points: int = 8, seed: int = 0
) -> tuple[fmpq_mat, list[fmpq_mat]]:
    """The Jacobians at θ and at points θ + ε v of its fibre side by side, and those v (the finite set S).

    Points whose Jacobian adds nothing to the span are left out. The range is a subspace of T̃ for this ε:
    enough to refute, never proof that T̃ is no larger. Raises ``AtKink`` if θ is at a kink.
    """
    basis, found = net.J, []
    rank = basis.rank()
    for there in walk_fibre(net, epsilon, points=points, seed=seed):
        if rank == basis.nrows():
            break
        try:
            wider = hstack(basis, there.J)
        except AtKink:
            continue
        if (grown := wider.rank()) > rank:
            basis, rank = wider, grown
            found.append((there.theta - net.theta) / epsilon)
    return basis, found
