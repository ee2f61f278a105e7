"""Linear paths through a layered network: the sets J^(l), the layers they reach, the perturbations of A.5.

f = W^(H+1) h^(H), h^(l) = σ^(l)(W^(l) h^(l−1)). A path of units J^(t+1), …, J^(H+1) makes f linear, near θ,
in the rows R^(l) of W^(l) that belong to it: f = A^(H+1) ⋯ A^(l+2) R^(l+1) h^(l) + (the rest), A^(l) the
block of W^(l) between J^(l−1) and J^(l). At a critical point then A^(H+1) ⋯ A^(l+2) has the rank d_y, or not:

* in the first case M_l = Σ_i p_i h^(l)(x_i)ᵀ is zero;
* in the second rank-one changes ε a bᵀ of R^(l+1) and of A^(l+2), A^(l+3), …, with a in the null space of
  what follows, leave f_X unchanged, and a gradient appears unless M_l = 0.

(Kawaguchi, Huang & Kaelbling 2019, Theorem 4 and Appendix A.5.)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product as cartesian

from flint import fmpq, fmpq_mat

from strategies.feedforward import Activate, Affine, AtKink, Combine, Network
from strategies.losses import NotDifferentiable
from strategies.matrices import hstack, identity, null_space
from verify.claim import REFUTED, Verdict, decide, inconclusive, vacuous
from verify.oracles.feedforward import gradient, is_critical, output_slopes
from verify.oracles.fibres import same_outputs
from verify.oracles.induced import linear_features
from verify.oracles.landscape import where_minimal
from verify.oracles.layer_symmetries import has_negative_curvature, is_minimum_up_to_symmetry
from verify.oracles.minima import find_descent, is_certified_minimum

__all__ = ["LinearPaths", "at_layered_minimum", "features", "hidden_layers", "is_elementwise", "linear_units"]


def hidden_layers(net: Network) -> list[fmpq_mat]:
    """h^(0) = x, …, h^(H) at θ, each d_l × m."""
    f = net.computation
    return [net.stages[_weight(net, l).source].value for l in range(1, len(f.layers) + 1)]


def _weight(net: Network, l: int) -> Affine:
    step = net.computation.steps[net.computation.layers[l - 1] - 1]
    assert isinstance(step, Affine)
    return step


def is_elementwise(net: Network) -> bool:
    """Whether every σ^(l) is one activation per unit."""
    f = net.computation
    return all(
        _weight(net, l).source == f.layers[l - 2] + 1 and isinstance(f.steps[f.layers[l - 2]], Activate)
        for l in range(2, len(f.layers) + 1)
    )


def features(net: Network, t: int) -> fmpq_mat:
    """The basis of the models Σ_{l=t}^{H} α^(l+1) h^(l)(x): (m d_y) × d_y (d_t + … + d_H)."""
    return hstack(*(linear_features(h.transpose(), net.Y.ncols()) for h in hidden_layers(net)[t:]))


def linear_units(net: Network, l: int, *, near: bool = True) -> list[int]:
    """The k with h^(l)_k = (W^(l) h^(l−1))_k at every sample and every θ' near θ; only at θ if not ``near``.

    Near θ: a unit that is a copy of its own pre-activation (through linear units, or active ones of a
    rectifier, strictly), or both robustly zero. Other coincidences are not recognised.
    """
    f = net.computation
    start = f.layers[l - 1]
    if l == len(f.layers):
        return list(range(f.outputs))
    end = _weight(net, l + 1).source
    q, h, m = net.stages[start], net.stages[end], net.X.nrows()
    if not near:
        return [k for k, row in enumerate(q.value.table()) if row == h.value.table()[k]]
    copies = _copies(net, start, end)
    units = range(h.value.nrows())
    return [
        k
        for k in units
        if all(copies[k * m + i] == k or (q.silent[k * m + i] and h.silent[k * m + i]) for i in range(m))
    ]


def _copies(net: Network, start: int, end: int) -> list[int | None]:
    """For every unit k and sample i of step ``end`` (at k m + i), the unit of ``start`` that it is near θ."""
    f, m = net.computation, net.X.nrows()
    found: dict[int, list[int | None]] = {start: [k for k in range(f.widths[start]) for _ in range(m)]}
    for number in range(start + 1, end + 1):
        match f.steps[number - 1]:
            case Affine() as step:
                before = found[step.source]
                made: list[int | None] = []
                for row in step.frozen.table():
                    units = [j for j, e in enumerate(row) if e]
                    one = units[0] if len(units) == 1 and row[units[0]] == 1 else len(row)
                    made += before[one * m : (one + 1) * m] if one < len(row) - 1 else [None] * m
                found[number] = made
            case Activate() as step:
                q = net.stages[step.source].value.entries()
                passing = [
                    a.name == "linear" or (a.name in ("relu", "leaky relu", "abs") and q[k * m + i] > 0)
                    for k, a in enumerate(step.functions)
                    for i in range(m)
                ]
                before = found[step.source]
                found[number] = [u if p else None for u, p in zip(before, passing, strict=True)]
            case Combine(operation="join") as step:
                found[number] = found[step.left] + found[step.right]
            case Combine():
                found[number] = [None] * (f.widths[number] * m)
    return found[end]


@dataclass(frozen=True)
class LinearPaths:
    """The largest J^(1), …, J^(H+1) at θ, whatever their sizes, by going back from the outputs.

    ``condition`` 3 of the definition is "printed", "transposed" or "dropped"; ``near`` as in
    ``linear_units``. Larger sets only help: J^(l) is bounded by J^(l+1) alone, and grows with it.
    """

    net: Network
    condition: str = "printed"
    near: bool = True

    @cached_property
    def units(self) -> list[list[int]]:
        """J^(1), …, J^(H+1)."""
        last = len(self.net.computation.layers)
        sets = [linear_units(self.net, last)]
        for l in range(last - 1, 0, -1):
            found = linear_units(self.net, l, near=self.near)
            if l <= last - 2 and self.condition != "dropped":
                found = self._undisturbed(l, found, sets[0])
            sets.insert(0, found)
        return sets

    def _undisturbed(self, l: int, found: list[int], above: list[int]) -> list[int]:
        w = self.weight(l + 1)
        outside = [i for i in range(w.nrows()) if i not in above]
        if self.condition == "printed":
            return [j for j in found if all(w[i, j] == 0 for i in outside)]
        others = [j for j in range(w.ncols()) if j not in found]
        return found if all(w[i, j] == 0 for i in above for j in others) else []

    def weight(self, l: int) -> fmpq_mat:
        """W^(l)."""
        step = _weight(self.net, l)
        w = fmpq_mat(step.places.nrows(), step.places.ncols() - 1)
        for i, j, k in step.trained:
            w[i, j] = self.net.theta[k, 0]
        return w

    def first(self, n: int | None = None) -> int:
        """t*: the smallest t with |J^(l)| >= n for l = t+1, …, H+1; n = d_y unless told. θ ∈ Θ_{n,t*}."""
        size = self.net.Y.ncols() if n is None else n
        t = len(self.units)
        while t and len(self.units[t - 1]) >= size:
            t -= 1
        return min(t, len(self.units) - 1)

    def moments(self) -> list[fmpq_mat]:
        """M_0, …, M_H: M_l = Σ_i p_i h^(l)(x_i)ᵀ, d_y × d_l. They are rational: the slopes must be."""
        p = output_slopes(self.net)
        d = self.net.Y.ncols()
        slopes = fmpq_mat(p.nrows() // d, d, p.entries()).transpose()
        return [slopes * h.transpose() for h in hidden_layers(self.net)]

    def violated(self, t: int) -> list[int]:
        """The l >= t with M_l ≠ 0."""
        return [l for l, m in enumerate(self.moments()) if l >= t and any(m.entries())]

    def along(self, l: int) -> fmpq_mat:
        """A^(H+1) ⋯ A^(l), d_y × |J^(l−1)|; the identity for l = H + 2."""
        made = identity(self.net.Y.ncols())
        for k in range(len(self.units), l - 1, -1):
            w, on, before = self.weight(k), self.units[k - 1], self.units[k - 2]
            a = fmpq_mat(len(on), len(before), [w[i, j] for i in on for j in before])
            made = made * a
        return made

    def changed_layers(self, l: int) -> range:
        """l + 1, …, l* − 2: what A.5 perturbs for h^(l); nothing if A^(H+1) ⋯ A^(l+2) has rank d_y."""
        d = self.net.Y.ncols()
        if self.along(l + 2).rank() >= d:
            return range(0)
        star = next(k for k in range(l + 3, len(self.units) + 2) if self.along(k).rank() >= d)
        return range(l + 1, star - 1)

    def perturbations(self, l: int, epsilon: fmpq, *, whole: bool = False) -> Iterator[fmpq_mat]:
        """The θ + ε S_j of A.5 for h^(l): with every b a unit vector at R^(l+1); no θ where none is needed.

        In every other layer b = a of the layer below. If ``whole``, also those with some b zero, which the
        induction subtracts.
        """
        changed = self.changed_layers(l)
        if not changed:
            return
        nulls = {k: null_space(self.along(k + 1)).table() for k in changed}
        a = {k: [row[0] for row in table] for k, table in nulls.items()}
        width = self.weight(l + 1).ncols()
        for column in range(width):
            for on in cartesian((True, False), repeat=len(changed)) if whole else [(True,) * len(changed)]:
                theta = fmpq_mat(self.net.theta)
                for k, present in zip(changed, on, strict=True):
                    if present:
                        before = range(width) if k == l + 1 else self.units[k - 2]
                        b = [fmpq(int(j == column)) for j in before] if k == l + 1 else a[k - 1]
                        self._add(theta, k, before, a[k], b, epsilon)
                yield theta

    def _add(
        self,
        theta: fmpq_mat,
        l: int,
        before: range | list[int],
        a: list[fmpq],
        b: list[fmpq],
        epsilon: fmpq,
    ) -> None:
        """ε a bᵀ, scaled to entries of at most ε, to the rows J^(l) and columns ``before`` of W^(l)."""
        places, size = _weight(self.net, l).places, max(map(abs, a)) * max(map(abs, b))
        for i, x in zip(self.units[l - 1], a, strict=True):
            for j, y in zip(before, b, strict=True):
                theta[int(places[i, j].p), 0] += epsilon * x * y / size


def find_path_descent(net: Network, radius: fmpq) -> Network | None:
    """A lower point within ``radius`` of θ, through a perturbation of A.5 for some l with M_l ≠ 0, or None.

    The lowest such l comes first: it perturbs the most layers. Every point is checked: its outputs are those
    of θ exactly and its gradient is not zero, then L is evaluated exactly on the way down.
    """
    paths = LinearPaths(net)
    for l in paths.violated(paths.first()):
        for shrink in (0, 6, 20):
            for theta in paths.perturbations(l, radius / (2 << shrink) / net.computation.parameters):
                there = net.at(theta)
                try:
                    if not same_outputs(net, theta) or not any(gradient(there).entries()):
                        continue
                except AtKink:
                    continue
                if (found := find_descent(there, radius / 2)) is not None:
                    return found
    return None


def at_layered_minimum(net: Network, verdict: Verdict) -> Verdict:
    """What ``verdict``, the conclusion at θ, says of "every differentiable local minimum has it".

    As ``minima.at_local_minimum``, with a certificate more (``is_minimum_up_to_symmetry``) and the descents
    of A.5 before the general ones. Where σ is vector-valued, negative curvature is reason enough.
    """
    try:
        critical = is_critical(net)
    except NotDifferentiable:
        return vacuous("θ is at a kink: f_X may not be differentiable near it")
    if critical is not True:
        return vacuous("θ is not critical") if critical is False else inconclusive("balls leave ∇L = 0 open")
    if verdict.outcome is not REFUTED:
        return verdict
    if not is_elementwise(net) and has_negative_curvature(net):
        return decide(True, why="the conclusion fails, and θ is no local minimum: ∇²L is not >= 0")
    return where_minimal(
        verdict,
        certificate=lambda: is_minimum_up_to_symmetry(net) or is_certified_minimum(net),
        lower=lambda radius: find_path_descent(net, radius) or find_descent(net, radius),
    )
