"""The induced models of Kawaguchi, Huang & Kaelbling (2019): infima of L over a subspace of output space.

A basis is a matrix M, (m d_y) × k, one row per sample and output (sample by sample): the Jacobian ∂f_X(θ)
for the gradient basis, the Jacobians at several θ + ε v side by side for the perturbable one, and features
beside them. Since G is convex, q ∈ range M attains inf_{range M} G if and only if Mᵀ ∇G(q) = 0: whether a
network is as good as the model its basis induces is a question of orthogonality, decided exactly.
"""

from __future__ import annotations

from typing import Any

from flint import arb, fmpq, fmpq_mat

from strategies.datasets import Atoms
from strategies.feedforward import Network
from strategies.losses import OutputwiseLoss
from strategies.matrices import hstack
from verify.claim import Verdict, decide, decide_at_most, decide_equal, inconclusive
from verify.oracles.enclosed import middles
from verify.oracles.exact import independent_columns
from verify.oracles.feedforward import output_slopes, product, total_loss, vector
from verify.oracles.infimum import Infimum, enclose_infimum

__all__ = [
    "as_outputs",
    "attains_infimum",
    "basis_infimum",
    "is_no_better",
    "lies_in",
    "linear_features",
    "linear_infimum",
    "lower_outputs",
]


def linear_features(h: fmpq_mat, d_y: int) -> fmpq_mat:
    """The basis of the models A h(x), A of d_y rows: I ⊗ h(x_i), (m d_y) × (d_y k) for h of m × k."""
    k = h.ncols()
    made = fmpq_mat(h.nrows() * d_y, d_y * k)
    for i, row in enumerate(h.table() if h.nrows() else []):
        for o in range(d_y):
            for j, e in enumerate(row):
                made[i * d_y + o, o * k + j] = e
    return made


def as_outputs(q: fmpq_mat, d_y: int) -> fmpq_mat:
    """A vector of m d_y outputs, sample by sample, as an m × d_y matrix."""
    return fmpq_mat(q.nrows() // d_y, d_y, q.entries())


def lies_in(q: fmpq_mat, basis: fmpq_mat) -> bool:
    """Whether q, a column, lies in range M."""
    return bool(hstack(basis, q).rank() == basis.rank())


def basis_infimum(net: Network, basis: fmpq_mat) -> Any:
    """inf_{q ∈ range M} G(q): exact for the squared loss, else the bounds of ``enclose_infimum`` times Σ λ.

    For losses that split over the outputs, an output of a sample is a sample of its own. Returns a number
    or two-sided bounds with ``lower`` and ``upper``. Raises ``ValueError`` for the cross-entropy of several
    outputs.
    """
    d = net.Y.ncols()
    if not isinstance(net.loss, OutputwiseLoss):
        raise ValueError(f"{net.loss.name} does not split over the outputs: use attains_infimum")
    weights = [w / (net.total * d) for w in net.weights.entries() for _ in range(d)]
    law = Atoms(weights=fmpq_mat(1, len(weights), weights))
    return _scaled(enclose_infimum(independent_columns(basis), vector(net.Y), net.loss, law), net.total * d)


def linear_infimum(net: Network, h: fmpq_mat) -> Any:
    """inf_A Σ λ_i ℓ(A h_i, y_i) over all A, h of m × k: as ``basis_infimum``, for any convex loss."""
    return _scaled(enclose_infimum(independent_columns(h), net.Y, net.loss, net.measure), net.total)


def _scaled(found: Infimum, scale: fmpq) -> Any:
    if found.exact:
        return found.upper * scale
    return _Bounds(found.lower * scale, found.upper * scale)


class _Bounds:
    def __init__(self, lower: fmpq | arb, upper: fmpq | arb) -> None:
        self.lower, self.upper = lower, upper

    def __str__(self) -> str:
        return f"[{self.lower}, {self.upper}]"


def lower_outputs(net: Network, basis: fmpq_mat) -> fmpq_mat | None:
    """q ∈ f_X(θ) + range M with G(q) < L(θ), m × d_y; None if Mᵀ p = 0, or where balls cannot tell.

    q = f − t M Mᵀ p, first 4 away and then a quarter of that until G is certainly lower: however short the
    columns of M are.
    """
    slopes = product(basis.transpose(), output_slopes(net))
    if all(e == 0 for e in slopes.entries()):
        return None
    direction = basis * middles(slopes)
    here, h = total_loss(net, net.H), middles(net.H)
    largest = max((abs(e) for e in direction.entries()), default=fmpq(0))
    if not largest:
        return None
    step = 4 / largest
    for _ in range(60):
        q = h - as_outputs(direction, net.Y.ncols()) * step
        if total_loss(net, q) < here:
            return q
        step = step / 4
    return None


def attains_infimum(net: Network, basis: fmpq_mat, named: tuple[str, str] = ("L", "inf L_θ")) -> Verdict:
    """Decide L(θ) = inf_{q ∈ range M} G(q), for any convex differentiable loss.

    Where f_X(θ) lies in range M (as it does in the range of the Jacobian under Assumption 2): equality iff
    Mᵀ p = 0, exactly; otherwise a lower G is exhibited (the exact infimum for the squared loss). Where it
    does not lie there, the two-sided infimum is compared.
    """
    outside = isinstance(net.H, fmpq_mat) and not lies_in(vector(net.H), basis)
    if not isinstance(net.H, fmpq_mat):
        return inconclusive("whether f_X(θ) lies in the span cannot be told from balls")
    if outside or net.loss.name == "squared":
        if not isinstance(net.loss, OutputwiseLoss):
            return inconclusive("f_X(θ) lies outside the span and the loss does not split over the outputs")
        return decide_equal(total_loss(net, net.H), basis_infimum(net, basis), named=named)
    slopes = product(basis.transpose(), output_slopes(net))
    here = total_loss(net, net.H)
    if all(e == 0 for e in slopes.entries()):
        why = "Mᵀp = 0: f_X(θ) minimises the convex G over the span"
        return decide(True, why=why, values={named[0]: here, named[1]: here}, margin=fmpq(0))
    lower = lower_outputs(net, basis)
    if lower is None:
        return inconclusive("whether Mᵀp = 0 cannot be told from balls")
    return decide_equal(here, total_loss(net, lower), named=(named[0], f"an upper bound of {named[1]}"))


def is_no_better(net: Network, basis: fmpq_mat, named: tuple[str, str] = ("L", "inf L_θ")) -> Verdict:
    """Decide L(θ) <= inf_{q ∈ range M} G(q); refuted by outputs in the span with a lower G."""
    if isinstance(net.H, fmpq_mat) and lies_in(vector(net.H), basis):
        return attains_infimum(net, basis, named)
    return decide_at_most(total_loss(net, net.H), basis_infimum(net, basis), named=named)
