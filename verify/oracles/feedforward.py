"""The loss of a feedforward network and its derivatives: exact where everything is rational, else in balls.

Everything about L at θ is said by two things: the Jacobian J = ∂f_X(θ) and the output slopes

    p = ∇G(f_X(θ)),   G(q) = Σ_i λ_i ℓ(q_i, y_i),   p_i = λ_i ∂ℓ(f(x_i; θ), y_i),

both sample by sample: ∇L = Jᵀ p, and ∇²L = Jᵀ ∇²G J + Σ p ∂²f.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from flint import arb, arb_mat, ctx, fmpq, fmpq_mat

from strategies.feedforward import (
    Activate,
    Affine,
    Combine,
    Computation,
    Network,
    Stage,
    run,
    sample_major,
    weight_at,
)
from strategies.losses import NotDifferentiable
from verify.oracles.enclosed import climb

__all__ = [
    "Derivatives",
    "derivatives_at",
    "gradient",
    "has_bias",
    "hessian",
    "hessian_from",
    "is_critical",
    "is_lower",
    "loss",
    "output_slopes",
    "total_loss",
    "vector",
]

Matrix = Any
"""fmpq_mat or arb_mat: their stubs share no base."""


def vector(rows: Matrix) -> Matrix:
    """An m × d matrix as one column, sample by sample."""
    return type(rows)(rows.nrows() * rows.ncols(), 1, rows.entries())


def total_loss(net: Network, outputs: Matrix) -> fmpq | arb:
    """G(q) = Σ λ_i ℓ(q_i, y_i) at any outputs q, m × d_y."""
    terms = (
        w * net.loss.value(q, y)
        for w, q, y in zip(net.weights.entries(), _rows(outputs), _rows(net.Y), strict=True)
    )
    return sum(terms, fmpq(0))


def loss(net: Network) -> fmpq | arb:
    """L(θ), at kinks too."""
    return total_loss(net, net.H)


def _rows(a: Matrix) -> list[list[Any]]:
    return a.table() if a.nrows() else []


def is_lower(net: Network, theta: fmpq_mat) -> bool:
    """Whether L(theta) < L(θ) for certain; balls that overlap at every precision say no."""

    def decide() -> bool | None:
        there, here = total_loss(net, net.outputs_at(theta)), total_loss(net, net.outputs_at(net.theta))
        return True if there < here else False if there >= here else None

    return climb(decide, bits=(64, 256, 1024)) is True


def output_slopes(net: Network) -> Matrix:
    """p = ∇G(f_X(θ)), (m d_y) × 1: rational where it can be, else balls of 128 bits.

    Raises ``NotDifferentiable`` at a kink of the loss.
    """
    with ctx.workprec(128):
        slopes = [
            w * e
            for w, h, y in zip(net.weights.entries(), _rows(net.H), _rows(net.Y), strict=True)
            for e in net.loss.gradient(h, y)
        ]
    exact = all(isinstance(e, fmpq) for e in slopes)
    return (fmpq_mat if exact else arb_mat)(len(slopes), 1, slopes)  # type: ignore[arg-type]


def gradient(net: Network) -> Matrix:
    """∇L(θ) = Jᵀ p, n × 1: rational where it can be, else balls of 128 bits.

    Raises ``AtKink`` at a kink of the network, ``NotDifferentiable`` at one of the loss.
    """
    with ctx.workprec(128):
        return product(net.J.transpose(), output_slopes(net))


def product(a: Matrix, b: Matrix) -> Matrix:
    """a b, in balls if either is."""
    if type(a) is not type(b):
        a, b = arb_mat(a), arb_mat(b)
    return a * b


def is_critical(net: Network) -> bool | None:
    """Whether ∇L(θ) = 0: exactly, or by parity (``slopes_are_even``); None: balls leave it open."""
    entries = gradient(net).entries()
    if all(e == 0 for e in entries):
        return True
    if any(e != 0 for e in entries):
        return False
    return True if slopes_are_even(net) else None


def slopes_are_even(net: Network) -> bool:
    """Whether p is even and every f(·; θ) odd, so that ⟨p, f_X(θ')⟩ = 0 for every θ' whatsoever.

    Even: the samples can be paired so that x_i' = −x_i, p_i' = p_i (x_i = 0 pairs with itself). Odd: no
    biases, only odd activations, and no products of units.
    """
    odd = all(a.odd for a in net.computation.functions) and all(
        not (isinstance(s, Combine) and s.operation == "product")
        and not (isinstance(s, Affine) and has_bias(s))
        for s in net.computation.steps
    )
    if not odd:
        return False
    try:
        p = output_slopes(net)
    except NotDifferentiable:
        return False
    if isinstance(p, arb_mat):
        return False
    d = net.Y.ncols()
    flat = p.entries()
    left = [(tuple(x), tuple(flat[i * d : (i + 1) * d])) for i, x in enumerate(_rows(net.X))]
    left = [(x, q) for x, q in left if any(x)]
    while left:
        x, q = left.pop()
        mirror = (tuple(-e for e in x), q)
        if mirror not in left:
            return False
        left.remove(mirror)
    return True


def has_bias(step: Affine) -> bool:
    """Whether an affine step has a shift c, trained or not zero."""
    last = step.places.ncols() - 1
    return any(step.places[i, last] >= 0 or step.frozen[i, last] != 0 for i in range(step.places.nrows()))


class Derivatives(NamedTuple):
    """What ∇L and ∇²L at one θ are made of, all exact or all in balls."""

    parameters: list[Any]
    stages: list[Stage]
    jacobian: Matrix
    """(m d_y) × n, sample by sample."""
    slopes: Matrix
    """p, (m d_y) × 1."""
    curvatures: list[list[list[Any]]]
    """λ_i ∂²ℓ(f(x_i; θ), y_i), d_y × d_y for every sample."""


def _weighted(net: Network, outputs: Matrix) -> tuple[list[Any], list[list[list[Any]]]]:
    """p and the second derivatives of G at the outputs."""
    rows = list(zip(net.weights.entries(), _rows(outputs), _rows(net.Y), strict=True))
    slopes = [w * e for w, h, y in rows for e in net.loss.gradient(h, y)]
    return slopes, [[[w * e for e in row] for row in net.loss.hessian(h, y)] for w, h, y in rows]


def derivatives_at(net: Network, theta: Sequence[arb]) -> Derivatives:
    """The derivatives at every θ of a box, in balls of the precision that is set.

    Raises ``AtKink`` only where a pre-activation is exactly 0: for smooth activations alone.
    """
    stages = run(net.computation, theta, net.X, balls=True)
    slopes, curvatures = _weighted(net, stages[-1].value.transpose())
    jacobian = sample_major(stages[-1].jacobian, net.X.nrows(), net.computation.parameters)
    return Derivatives(list(theta), stages, jacobian, arb_mat(len(slopes), 1, slopes), curvatures)


def _derivatives(net: Network) -> Derivatives:
    """The derivatives at θ itself, exactly if all are rational."""
    slopes, curvatures = _weighted(net, net.H)
    rational = net.computation.rational and all(
        isinstance(e, fmpq) for e in [*slopes, *(e for a in curvatures for row in a for e in row)]
    )
    if rational:
        return Derivatives(
            net.theta.entries(), net.stages, net.J, fmpq_mat(len(slopes), 1, slopes), curvatures
        )
    stages = [
        Stage(arb_mat(s.value), arb_mat(s.jacobian), s.silent)
        for s in (net.stages if net.computation.rational else net.stages_in_balls())
    ]
    return Derivatives(
        net.theta.entries(), stages, arb_mat(net.J), arb_mat(len(slopes), 1, slopes), curvatures
    )


def hessian(net: Network) -> Matrix:
    """∇²L(θ), n × n, exactly or in balls of 128 bits: one forward and one backward sweep.

    With a = ∂(Σ p f)/∂(unit) carried backwards, the curvatures of the steps add up to Σ p ∂²f: a unit σ(q)
    adds a σ″(q) J_q J_qᵀ, an entry A_kj of a weight a_k (e J_{h_j} + transpose), a product u v of units
    a (J_u J_vᵀ + transpose). Raises ``AtKink`` and ``NotDifferentiable``.
    """
    with ctx.workprec(128):
        return hessian_from(net.computation, _derivatives(net))


def hessian_from(f: Computation, d: Derivatives) -> Matrix:
    """∇²L made of its ``Derivatives``: an enclosure for every θ of a box, if these are."""
    kind: Any = type(d.slopes)
    width, md = f.outputs, d.slopes.nrows()
    middle = kind(md, md)
    for i, block in enumerate(d.curvatures):
        for k, row in enumerate(block):
            for l, value in enumerate(row):
                middle[i * width + k, i * width + l] = value
    return d.jacobian.transpose() * middle * d.jacobian + _curvature(f, d)


def _curvature(f: Computation, d: Derivatives) -> Matrix:
    """Σ_ik p_ik ∂²f_k(x_i)."""
    kind: Any = type(d.slopes)
    stages, n = d.stages, f.parameters
    m = d.slopes.nrows() // f.outputs
    adjoint: list[Matrix] = [kind(w, m) for w in f.widths]
    adjoint[-1] = kind(m, f.outputs, d.slopes.entries()).transpose()
    total = kind(n, n)

    def blocks(stage: int) -> Matrix:
        """The Jacobian of a step with a row for every unit and sample."""
        jacobian = stages[stage].jacobian
        return kind(jacobian.nrows() * m, n, jacobian.entries())

    def scaled(rows: Matrix, by: list[Any]) -> Matrix:
        flat = rows.entries()
        return kind(rows.nrows(), n, [s * e for r, s in enumerate(by) for e in flat[r * n : (r + 1) * n]])

    for number in range(len(f.steps), 0, -1):
        step, a = f.steps[number - 1], adjoint[number]
        match step:
            case Affine():
                full = weight_at(step, d.parameters, a)
                into = full.ncols() - 1
                h = step.source
                linear = kind(full.nrows(), into, [e for row in full.table() for e in row[:-1]])
                adjoint[h] = adjoint[h] + linear.transpose() * a
                pull = kind(n, into * m)
                for k, unit, parameter in step.trained:
                    if unit < into:
                        for i in range(m):
                            pull[parameter, unit * m + i] += a[k, i]
                term = pull * blocks(h)
                total = total + term + term.transpose()
            case Activate():
                h = step.source
                q = stages[h].value.table()
                units = list(zip(step.functions, q, strict=True))
                slopes = [sigma.slope(t) for sigma, row in units for t in row]
                bends = [sigma.curvature(t) for sigma, row in units for t in row]
                flat = a.entries()
                moved = [s * e for s, e in zip(slopes, flat, strict=True)]
                adjoint[h] = adjoint[h] + kind(a.nrows(), m, moved)
                if any(bends):
                    rows = blocks(h)
                    total = total + rows.transpose() * scaled(
                        rows, [b * e for b, e in zip(bends, flat, strict=True)]
                    )
            case Combine(operation="sum"):
                adjoint[step.left] = adjoint[step.left] + a
                adjoint[step.right] = adjoint[step.right] + a
            case Combine(operation="join"):
                flat, split = a.entries(), f.widths[step.left] * m
                adjoint[step.left] = adjoint[step.left] + kind(f.widths[step.left], m, flat[:split])
                adjoint[step.right] = adjoint[step.right] + kind(f.widths[step.right], m, flat[split:])
            case Combine():
                flat, width = a.entries(), a.nrows()
                u, v = stages[step.left].value.entries(), stages[step.right].value.entries()
                adjoint[step.left] = adjoint[step.left] + kind(
                    width, m, [x * y for x, y in zip(flat, v, strict=True)]
                )
                adjoint[step.right] = adjoint[step.right] + kind(
                    width, m, [x * y for x, y in zip(flat, u, strict=True)]
                )
                term = blocks(step.left).transpose() * scaled(blocks(step.right), flat)
                total = total + term + term.transpose()
    return total
