"""Local minima at kinks of convex, piecewise linear losses: a certificate by linear programs."""

from __future__ import annotations

from collections.abc import Sequence

from flint import fmpq, fmpq_mat

from strategies.datasets import Atoms
from strategies.losses import OutputwiseLoss, multiclass_hinge
from strategies.matrices import null_space
from strategies.networks import ResNet
from verify.oracles.linear_programs import Optimum, Unbounded, minimise_linear

__all__ = ["is_certified_polyhedral_minimum"]


def _extreme_slopes(net: ResNet, h: Sequence[fmpq], y: Sequence[fmpq]) -> list[list[list[fmpq]]]:
    """The subdifferential ∂ℓ(h, y) as a sum of convex hulls: each part is a list of slope vectors in R^d."""
    d = len(h)
    if net.loss is multiclass_hinge:
        return [multiclass_hinge.pieces(h, y)]  # type: ignore[attr-defined]
    if not isinstance(net.loss, OutputwiseLoss):
        raise ValueError(f"the {net.loss.name} loss is not piecewise linear")
    parts = []
    for k, (a, b) in enumerate(zip(h, y, strict=True)):
        ends = [end for end in dict.fromkeys(net.loss.slopes(a, b)) if isinstance(end, fmpq)]
        parts.append([[end if j == k else fmpq(0) for j in range(d)] for end in ends])
    return parts


def is_certified_polyhedral_minimum(net: ResNet) -> str | None:
    """A sentence that says why (W, V) certainly is a local minimum of L at this θ, or None.

    ℓ is convex and piecewise linear in h, so for any D_i in ∂ℓ(h_i, y_i) and small moves A of W, B of V

        L(W + A, V + B) − L >= ⟨P(D), A⟩ + ⟨S(D), (W + A) B⟩,   P = E[Dᵀ (x + V z)ᵀ], S = E[Dᵀ zᵀ].

    Let the columns n_j span Null(Wᵀ). If for some κ > 0, every j, every input a and both signs there is
    such a D with P = ± κ n_j e_aᵀ and Wᵀ S = 0, then the best of these D gives at least
    κ max_{j,a} |n_jᵀ A e_a| − |S| |B| O(max_j |n_jᵀ A|) >= 0 for small B, since S lies in the span of
    the n_j too.
    Each D is a linear program with the largest κ as its objective, solved exactly. The certificate is
    sufficient, not necessary. Raises ``ValueError`` for other losses and continuous measures.
    """
    if not isinstance(net.measure, Atoms):
        raise ValueError("kinks are written for finite measures")
    (d_y, d_x), d_z = (net.W.nrows(), net.W.ncols()), net.Z.ncols()
    normals = null_space(net.W.transpose())
    if not normals.ncols():
        return None
    weights, q, z, w = net.measure.weights.entries(), net.Q.table(), net.Z.table(), net.W.table()
    rows = d_y * d_x + d_x * d_z
    columns: list[list[fmpq]] = []
    hulls: list[range] = []
    for i, (h, y) in enumerate(zip(net.H.table(), net.Y.table(), strict=True)):
        for part in _extreme_slopes(net, h, y):
            hulls.append(range(len(columns), len(columns) + len(part)))
            for d in part:
                slope = [weights[i] * d[k] * q[i][a] for k in range(d_y) for a in range(d_x)]
                turned = [sum((w[k][a] * d[k] for k in range(d_y)), fmpq(0)) for a in range(d_x)]
                columns.append(
                    slope + [weights[i] * turned[a] * z[i][b] for a in range(d_x) for b in range(d_z)]
                )
    size = len(columns) + 1
    system = fmpq_mat(rows + len(hulls), size)
    for j, column in enumerate(columns):
        for r, entry in enumerate(column):
            system[r, j] = entry
    for r, hull in enumerate(hulls):
        for j in hull:
            system[rows + r, j] = 1
    right = fmpq_mat(rows + len(hulls), 1, [0] * rows + [1] * len(hulls))
    lower, upper = [fmpq(0)] * size, [fmpq(1)] * size
    objective = [fmpq(0)] * (size - 1) + [fmpq(-1)]
    for j in range(normals.ncols()):
        for a in range(d_x):
            for sign in (1, -1):
                for r in range(rows):
                    system[r, size - 1] = 0
                for k in range(d_y):
                    system[k * d_x + a, size - 1] = -sign * normals[k, j]
                best = minimise_linear(objective, system, right, lower, upper)
                if isinstance(best, Unbounded) or not isinstance(best, Optimum) or best.value >= 0:
                    return None
    return "at a kink of ℓ, slopes exist that make every small move of (W, V) uphill or flat: a local minimum"
