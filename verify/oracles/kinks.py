"""Points where pre-activations lie exactly at kinks: one-sided derivatives, and whether they fit together.

A network of kinked activations σ, each positively homogeneous at its kink 0, is locally Lipschitz and has
directional derivatives f′(θ; v) = lim_{t ↓ 0} (f(θ + t v) − f(θ)) / t, by the chain rule

    (σ ∘ q)′(θ; v) = σ′(q) q′(θ; v),   and where q = 0:   σ(q′(θ; v)).

Such a function is differentiable at θ iff f′(θ; ·) is linear (Shapiro 1990, On concepts of
directional differentiability). All is exact.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from flint import arb, ctx, fmpq, fmpq_mat

from strategies.activations import Activation
from strategies.feedforward import (
    Activate,
    Affine,
    AtKink,
    Combine,
    Computation,
    Network,
    Stage,
    run,
    sample_major,
    weight_at,
)

__all__ = [
    "NEAR",
    "degree_along",
    "derivative",
    "find_nearby",
    "is_differentiable",
    "is_off_kinks",
    "is_polynomial_along",
    "is_stationary",
    "keeps_rank_near",
    "one_sided_derivative",
    "slope_at_zero",
    "ties",
]

NEAR = (fmpq(1, 2**20), fmpq(1, 2**60))
"""The distances at which points "arbitrarily near" are exhibited."""

Key = frozenset[Any]
Form = dict[Any, fmpq]
"""A positively homogeneous function of v: keys k are v_k, and a key φ, a frozen form, is |φ(v)|."""


# --- one-sided derivatives ----------------------------------------------------------------------------


def one_sided_derivative(net: Network, v: fmpq_mat) -> fmpq_mat:
    """f_X′(θ; v), (m d_y) × 1 sample by sample, by one forward sweep; v is n × 1.

    A unit at a kink takes the slope of the side that its pre-activation moves to; where its derivative is
    zero too, 0 is right. Raises ``ValueError`` for activations that jump.
    """
    moves = v.entries()

    def affine(step: Affine, h: Stage, before: list[list[fmpq]]) -> list[list[fmpq]]:
        full, m = weight_at(step, net.theta.entries(), h.value).table(), h.value.ncols()
        values = h.value.table()
        made = [
            [sum((w * d[i] for w, d in zip(row[:-1], before, strict=True)), fmpq(0)) for i in range(m)]
            for row in full
        ]
        for k, j, parameter in step.trained:
            for i in range(m):
                made[k][i] += moves[parameter] * (values[j][i] if j < len(values) else 1)
        return made

    def activated(sigma: Activation, t: fmpq, d: fmpq, silent: bool) -> fmpq:
        _check(sigma)
        if silent or d == 0:
            return fmpq(0)
        at = t if t != 0 or not sigma.kinked else d
        return sigma.slope(at) * d  # type: ignore[return-value]

    f, stages = net.computation, _values(net)
    found = [[[fmpq(0)] * net.X.nrows() for _ in range(f.width)]]
    for step in f.steps:
        match step:
            case Affine():
                found.append(affine(step, stages[step.source], found[step.source]))
            case Activate():
                q = stages[step.source]
                m = q.value.ncols()
                rows = zip(step.functions, q.value.table(), found[step.source], strict=True)
                found.append(
                    [
                        [activated(sigma, values[i], slopes[i], q.silent[k * m + i]) for i in range(m)]
                        for k, (sigma, values, slopes) in enumerate(rows)
                    ]
                )
            case Combine(operation="join"):
                found.append(found[step.left] + found[step.right])
            case Combine(operation="sum"):
                pairs = zip(found[step.left], found[step.right], strict=True)
                found.append([[s + t for s, t in zip(a, b, strict=True)] for a, b in pairs])
            case Combine():
                left, right = stages[step.left].value.table(), stages[step.right].value.table()
                factors = zip(found[step.left], found[step.right], left, right, strict=True)
                found.append([[s * y + t * x for s, t, x, y in zip(*rows, strict=True)] for rows in factors])
    out = found[-1]
    return fmpq_mat(
        net.X.nrows() * len(out), 1, [out[k][i] for i in range(net.X.nrows()) for k in range(len(out))]
    )


def _values(net: Network) -> list[Stage]:
    return run(net.computation, net.theta, net.X, balls=False, derivatives=False)


def _check(sigma: Activation) -> None:
    if not sigma.rational or sigma.name == "step":
        raise ValueError(f"{sigma.name} is not piecewise rational and continuous: no one-sided slopes")


def derivative_forms(net: Network) -> list[Form]:
    """f_X′(θ; ·) as forms in v, one for every sample and output.

    With slopes a below and b above its kink, σ(q) at q = 0 has the form (a + b)/2 q′ + (b − a)/2 |q′|.
    """
    f, stages, m = net.computation, _values(net), net.X.nrows()
    found: list[list[list[Form]]] = [[[{} for _ in range(m)] for _ in range(f.width)]]
    for step in f.steps:
        match step:
            case Affine():
                h = stages[step.source].value.table()
                full = weight_at(step, net.theta.entries(), stages[0].value).table()
                units = [
                    [
                        _added((w, form[i]) for w, form in zip(row[:-1], found[step.source], strict=True))
                        for i in range(m)
                    ]
                    for row in full
                ]
                for k, j, parameter in step.trained:
                    for i in range(m):
                        units[k][i] = _added(
                            [
                                (fmpq(1), units[k][i]),
                                (h[j][i] if j < len(h) else fmpq(1), {parameter: fmpq(1)}),
                            ]
                        )
                found.append(units)
            case Activate():
                q = stages[step.source]
                values = q.value.table()
                found.append(
                    [
                        [
                            {} if q.silent[k * m + i] else _activated(sigma, values[k][i], form)
                            for i, form in enumerate(found[step.source][k])
                        ]
                        for k, sigma in enumerate(step.functions)
                    ]
                )
            case Combine(operation="join"):
                found.append(found[step.left] + found[step.right])
            case Combine():
                a, b = found[step.left], found[step.right]
                left, right = stages[step.left].value.table(), stages[step.right].value.table()
                one, product = fmpq(1), step.operation == "product"
                found.append(
                    [
                        [
                            _added(
                                [
                                    (right[k][i] if product else one, a[k][i]),
                                    (left[k][i] if product else one, b[k][i]),
                                ]
                            )
                            for i in range(m)
                        ]
                        for k in range(len(a))
                    ]
                )
    return [found[-1][k][i] for i in range(m) for k in range(f.outputs)]


def _added(terms: Iterable[tuple[fmpq, Form]]) -> Form:
    total: Form = {}
    for factor, form in terms:
        if factor:
            for key, c in form.items():
                total[key] = total.get(key, fmpq(0)) + factor * c
    return {key: c for key, c in total.items() if c}


def _activated(sigma: Activation, t: fmpq, form: Form) -> Form:
    _check(sigma)
    if t != 0 or not sigma.kinked:
        return _added([(sigma.slope(t), form)])  # type: ignore[list-item]
    low, high = sigma.slope(fmpq(-1)), sigma.slope(fmpq(1))
    return _added([((low + high) / 2, form), ((high - low) / 2, _magnitude(form))])  # type: ignore[list-item]


def _magnitude(form: Form) -> Form:
    """|φ|, as a multiple of |φ / c| for one coefficient c of φ: parallel forms have the same key."""
    if not form:
        return {}
    first = min(form, key=lambda key: (0, key) if isinstance(key, int) else (1, hash(key)))
    c = form[first]
    return {frozenset((key, e / c) for key, e in form.items()): abs(c)}


def _kinks(form: Form) -> list[Key]:
    return [key for key in form if not isinstance(key, int)]


def _is_nested(kink: Key) -> bool:
    return any(not isinstance(key, int) for key, _ in kink)


# --- differentiability --------------------------------------------------------------------------------


def ties(net: Network, *, structural: bool = False) -> int:
    """How many pre-activations are exactly at a kink: those that can leave it, or the ``structural`` ones."""
    stages, m, count = _values(net), net.X.nrows(), 0
    for step in net.computation.steps:
        if isinstance(step, Activate):
            q = stages[step.source]
            for k, (sigma, row) in enumerate(zip(step.functions, q.value.table(), strict=True)):
                count += sum(
                    sigma.kinked and t == 0 and q.silent[k * m + i] is structural for i, t in enumerate(row)
                )
    return count


def is_off_kinks(net: Network) -> bool:
    """Whether no pre-activation ties, so that f_X is polynomial or rational near θ, and θ ∉ Ω̃."""
    return not ties(net)


def is_differentiable(net: Network) -> bool | None:
    """Whether every f(x_i; ·) is differentiable at θ (θ ∉ Ω); None: not decided.

    The functions v_k and |a · v| for pairwise independent a are linearly independent: a form without nested
    kinks is linear iff all its kinks cancel. One with nested kinks is told apart by f′(v) + f′(−v) ≠ 0.
    """
    forms = derivative_forms(net)
    kinked = [form for form in forms if _kinks(form)]
    if not kinked:
        return True
    if any(not any(_is_nested(key) for key in _kinks(form)) for form in kinked):
        return False
    rng, n = random.Random(0), net.theta.nrows()
    for _ in range(12):
        v = fmpq_mat(n, 1, [rng.randint(-3, 3) for _ in range(n)])
        if any((one_sided_derivative(net, v) + one_sided_derivative(net, -v)).entries()):
            return False
    return None


def derivative(net: Network) -> fmpq_mat:
    """∂f_X(θ), (m d_y) × n, at any differentiable point, at ties too. Raises ``AtKink`` elsewhere."""
    forms = derivative_forms(net)
    if any(_kinks(form) for form in forms):
        raise AtKink("f_X is not differentiable at θ, or its kinks do not visibly cancel")
    n = net.theta.nrows()
    return fmpq_mat(len(forms), n, [form.get(k, fmpq(0)) for form in forms for k in range(n)])


def is_stationary(net: Network, slopes: fmpq_mat) -> bool | None:
    """Whether L′(θ; v) = ⟨p, f_X′(θ; v)⟩ >= 0 for every v, as at every local minimum; p is ``slopes``.

    b · v + Σ c_a |a · v| with independent a is nonnegative iff b = Σ s_a a with |s_a| <= c_a. None where the
    a are dependent or nested.
    """
    form = _added(zip(slopes.entries(), derivative_forms(net), strict=True))
    kinks, n = _kinks(form), net.theta.nrows()
    if any(_is_nested(a) for a in kinks):
        return None
    a = fmpq_mat(n, len(kinks))
    for j, kink in enumerate(kinks):
        for k, e in kink:
            a[k, j] = e
    b = fmpq_mat(n, 1, [form.get(k, fmpq(0)) for k in range(n)])
    if not kinks:
        return not any(b.entries())
    if a.rank() < len(kinks):
        return None
    s = (a.transpose() * a).solve(a.transpose() * b)
    return a * s == b and all(abs(e) <= form[kink] for e, kink in zip(s.entries(), kinks, strict=True))


def find_nearby(net: Network, has: Callable[[Network], bool | None]) -> Network | None:
    """A point that has a property, nearer than any distance of ``NEAR``, from θ along a line; or None.

    Some of the affine steps move, by random small integers, and the others stay: so do the ties of these. A
    direction counts only if the property holds at every distance of ``NEAR`` along it.
    """
    for v in _lines(net):
        size = sum((abs(e) for e in v.entries()), fmpq(0))
        near = [net.moved(v, radius / (size + 1)) for radius in NEAR]
        if all(has(there) is True for there in near):
            return near[-1]
    return None


def _lines(net: Network) -> Iterator[fmpq_mat]:
    rng = random.Random(0)
    steps = [s for s in net.computation.steps if isinstance(s, Affine) and s.parameters]
    subsets = [steps[k:] for k in range(len(steps) - 1, 0, -1)] + [[s] for s in steps]
    for chosen in (subsets + [[s for s in steps if rng.random() < 0.6] for _ in range(12)]) * 2:
        v = fmpq_mat(net.theta.nrows(), 1)
        for step in chosen:
            for k in step.parameters:
                v[k, 0] = rng.choice((1, 2, -1, -2, 3))
        if any(v.entries()):
            yield v


# --- polynomials along a line -------------------------------------------------------------------------


def degree_along(f: Computation, v: Sequence[fmpq]) -> int:
    """A bound of the degree in t of f(x; θ + t v) on one piece. Raises ``ValueError`` for rational pieces."""
    found = [0]
    for step in f.steps:
        match step:
            case Affine():
                found.append(found[step.source] + int(any(v[k] for k in step.parameters)))
            case Activate():
                found.append(found[step.source] * max(_degree(s) for s in step.functions))
            case Combine(operation="product"):
                found.append(found[step.left] + found[step.right])
            case Combine():
                found.append(max(found[step.left], found[step.right]))
    return found[-1]


def _degree(sigma: Activation) -> int:
    degrees = {"linear": 1, "relu": 1, "leaky relu": 1, "abs": 1, "square": 2, "quadratic": 2, "cube": 3}
    if sigma.name not in degrees:
        raise ValueError(f"{sigma.name} is not piecewise polynomial")
    return degrees[sigma.name]


def _lagrange(nodes: Sequence[fmpq], at: fmpq) -> list[fmpq]:
    """The weights of the values at the nodes in the value at ``at`` of the polynomial through them."""
    weights = []
    for j, s in enumerate(nodes):
        w = fmpq(1)
        for k, t in enumerate(nodes):
            if k != j:
                w = w * (at - t) / (s - t)
        weights.append(w)
    return weights


def slope_at_zero(phi: Callable[[fmpq], fmpq], degree: int, side: fmpq) -> fmpq:
    """φ′(0) of a function that is a polynomial of at most ``degree`` on the interval from 0 to ``side``."""
    nodes = [side * j / max(degree, 1) for j in range(degree + 1)]
    values = [phi(t) for t in nodes]
    total = fmpq(0)
    for j, s in enumerate(nodes[1:], 1):
        # derivative at node 0 of the j-th Lagrange polynomial
        w = 1 / s
        for k, t in enumerate(nodes[1:], 1):
            if k != j:
                w = w * t / (t - s)
        total += w * (values[j] - values[0])
    return total


def is_polynomial_along(net: Network, v: fmpq_mat) -> bool:
    """Whether t ↦ f_X(θ + t v) is one polynomial on both sides of t = 0, which an analytic f_X needs.

    The polynomial through degree + 1 points on the right is compared with f_X at as many points on the left;
    both lie within 2⁻⁶⁰, where small integers have no other kinks.
    """
    count = degree_along(net.computation, v.entries()) + 1
    size = sum((abs(e) for e in v.entries()), fmpq(1))
    nodes = [NEAR[-1] * j / (count * size) for j in range(1, count + 1)]
    right = [net.outputs_at(net.theta + v * t) for t in nodes]
    for t in nodes:
        weights = _lagrange(nodes, -t)
        predicted = right[0] * weights[0]
        for w, value in zip(weights[1:], right[1:], strict=True):
            predicted = predicted + value * w
        if predicted != net.outputs_at(net.theta - v * t):
            return False
    return True


# --- rank ---------------------------------------------------------------------------------------------


def keeps_rank_near(net: Network) -> bool | None:
    """Whether rank ∂f_X >= rank ∂f_X(θ) in a whole box around θ: proven, or None.

    A square minor of ∂f_X that is not zero at θ is enclosed over the box |θ′_k − θ_k| <= 2⁻⁶⁰ in balls.
    Raises ``AtKink``.
    """
    j = net.J
    cols = _pivots(j)
    rows = _pivots(_submatrix(j, range(j.nrows()), cols).transpose())
    if not cols:
        return True
    with ctx.workprec(256):
        radius = arb(NEAR[-1])
        box = [arb(t) + radius * arb(0, 1) for t in net.theta.entries()]
        stages = run(net.computation, box, net.X, balls=True)
        jacobian = sample_major(stages[-1].jacobian, net.X.nrows(), net.theta.nrows())
        minor = _submatrix(jacobian, rows, cols)
        return True if minor.det() != 0 else None


def _pivots(a: fmpq_mat) -> list[int]:
    reduced, rank = a.rref()
    return [next(j for j, e in enumerate(row) if e != 0) for row in reduced.table()[:rank]] if rank else []


def _submatrix(a: Any, rows: Iterable[int], cols: Sequence[int]) -> Any:
    chosen = list(rows)
    return type(a)(len(chosen), len(cols), [a[i, j] for i in chosen for j in cols])
