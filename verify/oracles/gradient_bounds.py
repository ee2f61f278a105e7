"""How small the gradient of one layer can be, and which directions no loss of that layer can see.

The networks are those of ``strategies.traps.deep``: F_l = σ(G_l), G_l = F_{l−1} W_l + 1 b_lᵀ, σ at the output
too. With W̃_l = [W_l; b_lᵀ] and Δ_l = ∂Φ/∂G_l, ∂Φ/∂W̃_l = [F_{l−1}, 1]ᵀ Δ_l. Two facts are used throughout.

**The gradient bound.** For every θ and every k in 0, …, L − 1,

    ‖∂Φ/∂W̃_{k+1}‖ >= s_N([F_k, 1]) · Π_{l=k+1}^{L} min |σ′(G_l)| · Π_{l=k+2}^{L} s_min(W_l) · ‖ℓ′(F_L − Y)‖,

where s_N is the N-th and s_min(W_l) the n_l-th singular value: ‖[F, 1]ᵀ Δ‖ >= s_N ‖Δ‖, then
‖Δ_l‖ >= min |σ′(G_l)| ‖Δ_{l+1} W_{l+1}ᵀ‖ and ‖Δ W_{l+1}ᵀ‖ >= s_min(W_{l+1}) ‖Δ‖, layer after
layer. Squared, all factors are rational or least eigenvalues of rational matrices.

**The null direction.** If [F_k, 1] h = 0, h e_jᵀ added to W̃_{k+1} changes nothing at all. If [F_k, 1] is
square and invertible and Δ_{k+1} = 0, then every change of layer k can be undone by W̃_{k+1} to first
order, and such a direction is a null vector of the full Hessian: Φ depends on layers 1, …, k + 1 through
G_{k+1} alone.

Source: behind Nguyen & Hein (2017), Theorem 3.4, Lemma 3.5, Theorem 3.8 and Corollary 3.9; both are ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from flint import arb, arb_mat, ctx, fmpq, fmpq_mat

from strategies.feedforward import (
    Affine,
    Computation,
    Expression,
    Network,
    Step,
    apply,
    bias,
    computation,
    inputs,
    weight,
)
from strategies.losses import squared
from strategies.matrices import null_space, vstack
from strategies.traps import layers_of, problem_of, run_exactly
from verify.oracles import convex_traps
from verify.oracles.enclosed import is_positive_definite
from verify.oracles.feedforward import gradient, hessian, is_lower, vector

__all__ = [
    "Bounds",
    "Values",
    "block",
    "block_parameters",
    "deltas",
    "extreme_eigenvalue",
    "features",
    "find_lower_value",
    "free_curvatures",
    "free_derivatives",
    "gradient_of_layer",
    "hadamard",
    "least_gradient",
    "null_direction",
    "residual_slopes",
    "square_norm",
    "stays_put",
    "upper_networks",
    "values",
    "with_ones",
]

Number = fmpq | arb
Matrix = Any
"""fmpq_mat or arb_mat: their stubs share no base."""

BITS = 128


# --- values, slopes and Δ ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Values:
    """F_0 = X, …, F_L; G_1, …, G_L and σ′(G_1), …, σ′(G_L); W_1, …, W_L: all exact or all balls."""

    F: tuple[Matrix, ...]
    G: tuple[Matrix, ...]
    slopes: tuple[Matrix, ...]
    W: tuple[Matrix, ...]

    @property
    def exact(self) -> bool:
        """Whether all of it is rational."""
        return isinstance(self.G[0], fmpq_mat)


def with_ones(f: Matrix) -> Matrix:
    """[F, 1_N]."""
    return type(f)(f.nrows(), f.ncols() + 1, [e for row in f.table() for e in (*row, 1)])


@lru_cache(maxsize=512)
def values(net: Network) -> Values:
    """The layers of a network made by ``deep``: exact where σ and σ′ are rational, else in balls.

    Raises ``ValueError`` for other architectures.
    """
    layers = layers_of(net)
    if layers is None:
        raise ValueError("the network was not made by strategies.traps.deep")
    kind: Any = fmpq_mat if net.computation.rational else arb_mat
    with ctx.workprec(BITS):
        found, before, slopes, weights = [kind(net.X)], [], [], []
        n = net.X.nrows()
        for w, b, sigma in layers:
            rows = [*w.entries(), *b.entries()]
            g = with_ones(found[-1]) * kind(w.nrows() + 1, w.ncols(), rows)
            before.append(g)
            found.append(kind(n, w.ncols(), [sigma.at(e) for e in g.entries()]))
            slopes.append(kind(n, w.ncols(), [sigma.slope(e) for e in g.entries()]))
            weights.append(kind(w))
    return Values(tuple(found), tuple(before), tuple(slopes), tuple(weights))


def hadamard(a: Matrix, b: Matrix) -> Matrix:
    """a ∘ b."""
    return type(a)(a.nrows(), a.ncols(), [x * y for x, y in zip(a.entries(), b.entries(), strict=True)])


def residual_slopes(net: Network) -> Matrix:
    """ℓ′(F_L − Y), N × m."""
    f = values(net).F[-1]
    flat = [
        w * e
        for w, row, y in zip(net.weights.entries(), f.table(), net.Y.table(), strict=True)
        for e in net.loss.gradient(row, y)
    ]
    return type(f)(f.nrows(), f.ncols(), flat)


def deltas(net: Network) -> tuple[Matrix, ...]:
    """Δ_1, …, Δ_L by the recursion of Lemma 2.1."""
    at = values(net)
    with ctx.workprec(BITS):
        made = [hadamard(residual_slopes(net), at.slopes[-1])]
        for w, slopes in zip(reversed(at.W[1:]), reversed(at.slopes[:-1]), strict=True):
            made.insert(0, hadamard(made[0] * w.transpose(), slopes))
    return tuple(made)


def gradient_of_layer(net: Network, l: int) -> Matrix:
    """∂Φ/∂W̃_l = [F_{l−1}, 1]ᵀ Δ_l, (n_{l−1} + 1) × n_l."""
    with ctx.workprec(BITS):
        return with_ones(values(net).F[l - 1]).transpose() * deltas(net)[l - 1]


def upper_networks(net: Network, l: int) -> list[Network]:
    """For every sample, the layers from G_l upwards as a network of G_l + t; t = 0 comes first in its θ."""
    layers = layers_of(net)
    if layers is None:
        raise ValueError("the network was not made by strategies.traps.deep")
    width = int(layers[l - 1].W.ncols())
    upper = _upper(tuple(int(x.W.ncols()) for x in layers[l - 1 :]), layers[-1].sigma.name)
    first = min((k for s in net.computation.steps[2 * l :: 2] for k in _own(s)), default=net.theta.nrows())
    theta = net.theta.entries()[first:]
    g, y = values(net).G[l - 1].table(), net.Y.table()
    return [
        Network(
            computation=upper,
            theta=fmpq_mat(width + len(theta), 1, [*[fmpq(0)] * width, *theta]),
            X=fmpq_mat(1, width, g[i]),
            Y=fmpq_mat(1, net.Y.ncols(), y[i]),
            loss=net.loss,
            weights=fmpq_mat(1, 1, [net.weights[0, i]]),
        )
        for i in range(net.X.nrows())
    ]


def _own(step: Step) -> tuple[int, ...]:
    return step.parameters if isinstance(step, Affine) else ()


@lru_cache(maxsize=256)
def _upper(widths: tuple[int, ...], sigma: str) -> Computation:
    h: Expression = apply(sigma, inputs(widths[0]) + bias(widths[0]))
    for below, above in pairwise(widths):
        h = apply(sigma, weight(above, below) @ h + bias(above))
    return computation(h)


def free_derivatives(net: Network, l: int) -> Matrix:
    """∂Φ/∂G_l with the entries of G_l free and the layers above computed again: N × n_l, sample by sample.

    By forward differentiation of the ``upper_networks`` at t = 0: no recursion of Lemma 2.1.
    """
    width = net.computation.widths[2 * l]
    rows = [e for one in upper_networks(net, l) for e in gradient(one).entries()[:width]]
    return fmpq_mat(net.X.nrows(), width, rows)


def free_curvatures(net: Network, l: int) -> list[Matrix]:
    """∂²Φ/∂G_l² for every sample: n_l × n_l, by the Hessians of the ``upper_networks``."""
    places = list(range(net.computation.widths[2 * l]))
    return [block(hessian(one), places) for one in upper_networks(net, l)]


# --- the gradient bound -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bounds:
    """A number between ``lower`` and ``upper``."""

    lower: Number
    upper: Number

    def __mul__(self, other: Bounds) -> Bounds:
        """The product of two that are not negative."""
        return Bounds(_times(self.lower, other.lower), _times(self.upper, other.upper))


def _times(a: Number, b: Number) -> Number:
    return fmpq(0) if a == 0 or b == 0 else a * b


def exactly(value: Number) -> Bounds:
    """A number that is known."""
    return Bounds(value, value)


def _floats(a: Matrix) -> np.ndarray:
    flat = [float(arb(e).mid()) for e in a.entries()]
    return np.array(flat).reshape(a.nrows(), a.ncols())


def extreme_eigenvalue(a: Matrix, *, greatest: bool = False) -> Bounds:
    """The least (or greatest) eigenvalue of a symmetric positive semidefinite matrix, from both sides.

    A Rayleigh quotient of a rounded eigenvector bounds it on one side, whatever the vector. On the other a
    number t does for which ± (A − t I) is positive definite: L D Lᵀ decides, exactly or in balls; or 0 and
    the trace. A singular rational matrix has the least eigenvalue 0 exactly.
    """
    n = a.nrows()
    if n == 1:
        return exactly(a[0, 0])
    if isinstance(a, fmpq_mat) and not greatest and a.det() == 0:
        return exactly(fmpq(0))
    numbers, vectors = np.linalg.eigh(_floats(a))
    kind: Any = type(a)

    def rounded(k: int) -> fmpq_mat:
        v = vectors[:, k]
        return fmpq_mat(n, 1, [fmpq(round(float(e) * 2**30), 2**30) for e in v])

    v = kind(rounded(n - 1 if greatest else 0))
    quotient = (v.transpose() * a * v)[0, 0] / (v.transpose() * v)[0, 0]
    about = float(numbers[-1] if greatest else numbers[0])
    for slack in (2.0**-40, 2.0**-25, 2.0**-12):
        t = fmpq(*(about + (1 if greatest else -1) * slack * float(numbers[-1])).as_integer_ratio())
        if t <= 0:
            break
        shifted = a - kind(n, n, [t if i == j else 0 for i in range(n) for j in range(n)])
        table = (shifted * -1 if greatest else shifted).table()
        if is_positive_definite(table):
            return Bounds(quotient, t) if greatest else Bounds(t, quotient)
    if not greatest:
        return Bounds(fmpq(0), quotient)
    return Bounds(quotient, sum((a[i, i] for i in range(n)), fmpq(0)))


def square_norm(a: Matrix) -> Number:
    """‖A‖² = Σ A_ij²."""
    return sum((e * e for e in a.entries()), fmpq(0))


def _gram(a: Matrix) -> Matrix:
    """AᵀA."""
    return a.transpose() * a


def least_gradient(
    net: Network,
    k: int,
    *,
    features: str = "least",
    weights: str = "least",
    from_layer: int = 2,
    slopes: tuple[str, ...] = ("least", "least"),
    ones: bool = True,
) -> tuple[Number, Bounds]:
    """‖∂Φ/∂W̃_{k+1}‖² and the square of the bound above; the options make its false neighbours.

    ``features`` and ``weights`` may be the "greatest" singular values, and ``slopes`` (of the hidden layers,
    of the output) the "greatest" or "none"; ``from_layer`` says at which layer above k the product of the
    W_l begins; without ``ones``, the gradient is that of W_{k+1} alone.
    """
    at = values(net)
    n = net.X.nrows()
    with ctx.workprec(BITS):
        full = gradient_of_layer(net, k + 1)
        part = full.entries() if ones else full.entries()[: -full.ncols()]
        left = sum((e * e for e in part), fmpq(0))
        f = with_ones(at.F[k])
        bound = exactly(square_norm(residual_slopes(net)))
        if features == "greatest":
            bound = bound * extreme_eigenvalue(_gram(f.transpose()), greatest=True)
        elif f.ncols() < n:
            bound = exactly(fmpq(0))
        else:
            bound = bound * extreme_eigenvalue(_gram(f.transpose()))
        for l in range(k + 1, len(at.W) + 1):
            which = slopes[l == len(at.W)]
            squares = [e * e for e in at.slopes[l - 1].entries()]
            if which != "none":
                bound = bound * exactly(_extreme(squares, greatest=which == "greatest"))
        for l in range(k + from_layer, len(at.W) + 1):
            w = at.W[l - 1]
            if weights == "greatest":
                bound = bound * extreme_eigenvalue(_gram(w), greatest=True)
            elif w.nrows() < w.ncols():
                bound = exactly(fmpq(0))
            else:
                bound = bound * extreme_eigenvalue(_gram(w))
    return left, bound


def _extreme(numbers: list[Number], *, greatest: bool) -> Number:
    if not any(isinstance(e, arb) for e in numbers):
        return max(numbers) if greatest else min(numbers)
    best = arb(numbers[0])
    for e in numbers[1:]:
        best = arb.max(best, arb(e)) if greatest else arb.min(best, arb(e))
    return best


# --- the null direction -------------------------------------------------------------------------------


def block_parameters(net: Network, layers: tuple[int, ...]) -> list[int]:
    """The indices in θ of W̃_l for the l in ``layers``, layer by layer."""
    steps = net.computation.steps[::2]
    return [k for l in layers for k in _own(steps[l - 1])]


def block(a: Matrix, places: list[int]) -> Matrix:
    """The rows and columns of a square matrix in ``places``."""
    table = a.table()
    return type(a)(len(places), len(places), [table[i][j] for i in places for j in places])


def features(net: Network, k: int) -> fmpq_mat | None:
    """[F_k, 1], where it is rational."""
    at = run_exactly(net)
    if at is not None:
        return with_ones(at.F[k])  # type: ignore[no-any-return]
    found = values(net)
    return with_ones(found.F[k]) if found.exact or k == 0 else None


def null_direction(net: Network, k: int) -> tuple[fmpq_mat, str] | None:
    """A direction D ≠ 0 in θ that is a null vector of the full Hessian, and why; None: none of the two kinds.

    First kind: h e_1ᵀ in W̃_{k+1}, [F_k, 1] h = 0: a null vector of every block that holds layer k + 1, at
    critical points or not. Second kind, where [F_k, 1] is square and invertible and Δ_{k+1} = 0: unit 1 of
    layer k gets b + t, and W̃_{k+1} moves so that G_{k+1} stays, to first order; t is in units of 1/c where σ′
    is c times a rational number (c = ln 2 for the sigmoids).
    """
    f = features(net, k)
    layers = layers_of(net)
    if f is None or layers is None:
        return None
    above = net.computation.steps[2 * k]
    assert isinstance(above, Affine)
    direction = fmpq_mat(net.theta.nrows(), 1)
    kernel = null_space(f)
    if kernel.ncols():
        for i, j, parameter in above.trained:
            if i == 0:
                direction[parameter, 0] = kernel[j, 0]
        return direction, f"[F_{k}, 1] h = 0: h can be added to the first column of [W_{k + 1}; b_{k + 1}]"
    exact = run_exactly(net)
    in_units = convex_traps.deltas(net)
    if f.ncols() != f.nrows() or k == 0 or exact is None or in_units is None or any(in_units[k].entries()):
        return None
    below = net.computation.steps[2 * k - 2]
    assert isinstance(below, Affine)
    n = f.nrows()
    slopes = exact.slopes[k - 1].table()
    change = fmpq_mat(n, n, [row[0] if j == 0 else 0 for row in slopes for j in range(n)])
    extended = fmpq_mat(f.ncols(), layers[k].W.ncols(), [*layers[k].W.entries(), *[0] * layers[k].W.ncols()])
    undo = f.solve(change * extended) * -1
    for i, j, parameter in below.trained:
        if i == 0 and j == below.places.ncols() - 1:
            direction[parameter, 0] = 1
    for i, j, parameter in above.trained:
        direction[parameter, 0] = undo[j, i]
    return direction, f"Δ_{k + 1} = 0, and W̃_{k + 1} undoes a change of unit 1 of layer {k} to first order"


def stays_put(net: Network, direction: fmpq_mat, k: int) -> bool:
    """Whether G_{k+1} is the same at θ + D: then so is everything above, whatever layers k + 2, … do."""
    f = features(net, k)
    assert f is not None
    moved = layers_of(net.moved(direction))
    here = layers_of(net)
    assert moved is not None
    assert here is not None
    stack = [vstack(p[k].W, p[k].b) for p in (here, moved)]
    return moved[:k] == here[:k] and f * stack[0] == f * stack[1]


# --- what is lower ------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def find_lower_value(net: Network) -> str | None:
    """A sentence that says why Φ(θ) > 0 is not the least value of Φ, or None.

    Min Φ = 0 is attained (``attains_zero``); or a step against the gradient, or along negative curvature, is
    lower: balls decide.
    """
    reason = convex_traps.attains_zero(problem_of(net)) if net.loss is squared else None
    if reason is not None:
        return reason
    g = gradient(net)
    v = fmpq_mat(g.nrows(), 1, [fmpq(round(float(arb(e).mid()) * 2**20), 2**20) for e in g.entries()])
    if any(v.entries()):
        for j in range(2, 24, 3):
            if is_lower(net, net.theta - v * fmpq(1, 1 << j)):
                return f"Φ is lower at θ − 2^−{j} ∇Φ(θ), rounded"
    there = convex_traps.find_lower(net, fmpq(1, 4))
    return None if there is None else f"Φ is lower at {[str(e) for e in vector(there.theta).entries()]}"
