"""The loss surface of a residual network: value, gradients, Hessian, descent, certificates of minimality."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from flint import arb, arb_mat, fmpq, fmpq_mat

from strategies.datasets import Atoms
from strategies.losses import (
    NotDifferentiable,
    OutputwiseLoss,
    absolute,
    cross_entropy,
    hinge,
    multiclass_hinge,
    squared,
)
from strategies.matrices import hstack, identity, null_space
from strategies.networks import ResNet
from verify.claim import HOLDS, REFUTED, Verdict, inconclusive, vacuous
from verify.oracles.enclosed import climb, is_positive_definite, middles
from verify.oracles.exact import least_squares, trace_product
from verify.oracles.infimum import Infimum, enclose_infimum
from verify.oracles.polyhedral import is_certified_polyhedral_minimum

__all__ = [
    "RADII",
    "FeatureGradient",
    "Gradient",
    "at_critical_point",
    "at_local_minimum",
    "basis_features",
    "basis_infimum",
    "feature_gradient",
    "find_descent",
    "gradient",
    "hessian",
    "is_basis_optimal",
    "is_certified_minimum",
    "is_critical",
    "loss",
    "loss_of_fit",
    "moved",
    "output_slopes",
    "shifted",
    "vanishes",
    "where_minimal",
]


def loss(net: ResNet) -> fmpq | arb:
    """L = E ℓ(h, y): rational for the piecewise polynomial losses, a ball for the logarithmic ones."""
    if net.loss is squared or not isinstance(net.measure, Atoms):
        residual = net.H - net.Y
        return trace_product(residual, residual, net.measure)
    weights = net.measure.weights.entries()
    samples = zip(weights, net.H.table(), net.Y.table(), strict=True)
    return sum((w * net.loss.value(h, y) for w, h, y in samples), fmpq(0))


def is_lower(there: ResNet, here: ResNet) -> bool:
    """Whether L is certainly lower ``there``: exactly, or in balls at rising precision."""

    def decide() -> bool | None:
        difference = loss(there) - loss(here)
        if isinstance(difference, fmpq):
            return bool(difference < 0)
        return True if difference < 0 else False if difference >= 0 else None

    return climb(decide, bits=(128, 512)) is True


def output_slopes(net: ResNet) -> fmpq_mat | None:
    """D, the rows ∂ℓ/∂h (m × d_y), exactly; None where they are irrational.

    Raises ``NotDifferentiable`` at a kink of the loss.
    """
    if net.loss is squared:
        return (net.H - net.Y) * fmpq(2)
    slopes = [net.loss.gradient(h, y) for h, y in zip(net.H.table(), net.Y.table(), strict=True)]
    exact = [e for row in slopes for e in row if isinstance(e, fmpq)]
    if len(exact) < net.Y.nrows() * net.Y.ncols():
        return None
    return fmpq_mat(net.Y.nrows(), net.Y.ncols(), exact)


class FeatureGradient(NamedTuple):
    """G_x = E[Dᵀ xᵀ] (d_y × d_x), G_z = E[Dᵀ zᵀ] (d_y × d_z), G_1 = E[Dᵀ] (d_y × 1): both 0 in Lemma 2."""

    x: fmpq_mat
    z: fmpq_mat
    one: fmpq_mat


def feature_gradient(net: ResNet) -> FeatureGradient:
    """The gradient of the linear model R ↦ E ℓ(R φ, y) at R = [W, W V], exactly.

    Raises ``NotDifferentiable`` at a kink, ``ValueError`` where the slopes are irrational.
    """
    d = output_slopes(net)
    if d is None:
        raise ValueError(f"the slopes of the {net.loss.name} loss are irrational here: plant integer outputs")
    product = net.measure.product
    return FeatureGradient(product(d, net.X), product(d, net.Z), product(d, net.constant))


def vanishes(a: fmpq_mat) -> bool:
    """Whether every entry is 0."""
    return not any(a.entries())


def shifted(a: fmpq_mat, by: int) -> fmpq_mat:
    """Every entry plus ``by``."""
    return fmpq_mat(a.nrows(), a.ncols(), [e + by for e in a.entries()])


class Gradient(NamedTuple):
    """∂L/∂W = G_x + G_z Vᵀ, ∂L/∂V = Wᵀ G_z and ∂L/∂b = G_1 (None without a bias)."""

    W: fmpq_mat
    V: fmpq_mat
    b: fmpq_mat | None


def gradient(net: ResNet) -> Gradient:
    """The gradient of L in the weights at fixed θ, exactly; raises as ``feature_gradient`` does."""
    g = feature_gradient(net)
    return Gradient(g.x + g.z * net.V.transpose(), net.W.transpose() * g.z, None if net.b is None else g.one)


def is_critical(net: ResNet) -> bool | None:
    """Whether the gradient in (W, V, b) is exactly zero.

    Where the slopes of the loss are irrational: False if a ball of the gradient excludes 0, else None.
    """
    if output_slopes(net) is not None:
        g = gradient(net)
        return vanishes(g.W) and vanishes(g.V) and (g.b is None or vanishes(g.b))
    return False if any(e != 0 for part in _gradient_balls(net) for e in part.entries()) else None


def _gradient_balls(net: ResNet) -> list[arb_mat]:
    """Enclosures of ∂L/∂W, ∂L/∂V (and ∂L/∂b)."""
    slopes = [net.loss.gradient(h, y) for h, y in zip(net.H.table(), net.Y.table(), strict=True)]
    weights = net.measure.product(identity(net.X.nrows()), identity(net.X.nrows()))
    balls = arb_mat(net.Y.nrows(), net.Y.ncols(), [arb(e) for row in slopes for e in row])
    d = balls.transpose() * arb_mat(weights)
    parts = [d * arb_mat(net.Q), arb_mat(net.W).transpose() * (d * arb_mat(net.Z))]
    return parts if net.b is None else [*parts, d * arb_mat(net.constant)]


def is_basis_optimal(net: ResNet) -> bool:
    """Whether G = 0: for a convex differentiable loss iff L = L*_{x,z} is attained at this very point."""
    g = feature_gradient(net)
    return vanishes(g.x) and vanishes(g.z) and (net.b is None or vanishes(g.one))


def hessian(net: ResNet) -> fmpq_mat | arb_mat:
    """∇²L in (W, V, b), each row by row: E[Jᵀ ∇²ℓ J] plus G_z coupling W_{k,a} with V_{a,b}.

    Exact where the loss' second derivatives are rational, else in balls. Raises ``NotDifferentiable`` where
    the loss has a kink or ∇L is not differentiable, ``ValueError`` for a continuous measure.

    Where ℓ″ jumps by c at an output with derivative J, the one-sided derivative of ∇L along v has the term
    ½ c |J v| J beside the linear one with the mean of the two ℓ″. It vanishes for J = 0. Over outputs on one
    line, J = k J₀, the terms sum to ½ (Σ c |k| k) |J₀ v| J₀; those of different lines are independent.
    """
    if not isinstance(net.measure, Atoms):
        raise ValueError("the Hessian is written for finite measures")
    (d_y, d_x), d_z = (net.W.nrows(), net.W.ncols()), net.Z.ncols()
    at_v = d_y * d_x
    at_b = at_v + d_x * d_z
    size = at_b + (d_y if net.b is not None else 0)
    q, z, w = net.Q.table(), net.Z.table(), net.W.table()
    exact_part, ball_part = fmpq_mat(size, size), None
    bends: dict[tuple[fmpq, ...], fmpq | arb] = {}
    for i, (weight, h, y) in enumerate(
        zip(net.measure.weights.entries(), net.H.table(), net.Y.table(), strict=True)
    ):
        jacobian = fmpq_mat(d_y, size)
        for k in range(d_y):
            for a in range(d_x):
                jacobian[k, k * d_x + a] = q[i][a]
                for b in range(d_z):
                    jacobian[k, at_v + a * d_z + b] = w[k][a] * z[i][b]
            if net.b is not None:
                jacobian[k, at_b + k] = 1
        if isinstance(net.loss, OutputwiseLoss) and net.loss.one_sided is not None:
            sides = net.loss.curvatures(h, y)
            second = [weight * sum(sides[k]) / 2 * (k == l) for k in range(d_y) for l in range(d_y)]
            for row, (left, right) in zip(jacobian.table(), sides, strict=True):
                if left != right and (first := next((e for e in row if e), None)) is not None:
                    line = tuple(e / first for e in row)
                    bends[line] = bends.get(line, fmpq(0)) + weight * (right - left) * abs(first) * first
        else:
            second = [weight * e for row in net.loss.hessian(h, y) for e in row]
        exact = [e for e in second if isinstance(e, fmpq)]
        if len(exact) == len(second):
            exact_part = exact_part + jacobian.transpose() * fmpq_mat(d_y, d_y, exact) * jacobian
        else:
            balls = arb_mat(jacobian)
            term = balls.transpose() * arb_mat(d_y, d_y, [arb(e) for e in second]) * balls
            ball_part = term if ball_part is None else ball_part + term
    if any(bends.values()):
        raise NotDifferentiable(f"where the {net.loss.name}'s second derivative jumps, ∇L bends")
    g_z = feature_gradient(net).z
    for k in range(d_y):
        for a in range(d_x):
            for b in range(d_z):
                i, j = k * d_x + a, at_v + a * d_z + b
                exact_part[i, j] += g_z[k, b]
                exact_part[j, i] += g_z[k, b]
    return exact_part if ball_part is None else arb_mat(exact_part) + ball_part


def moved(net: ResNet, W: fmpq_mat, V: fmpq_mat, step_b: fmpq_mat | None = None) -> ResNet:
    """The same network with weights W, V and, if it has a bias, b + ``step_b``."""
    return replace(net, W=W, V=V, b=net.b if net.b is None or step_b is None else net.b + step_b)


def find_descent(net: ResNet, radius: fmpq) -> ResNet | None:
    """Weights within Euclidean distance ``radius`` at which L is certainly lower, or None if none was found.

    Where the gradient is not zero: along −∇L, halving the step. At a critical point with 0 ≠ u ∈ Null(W)
    and g = G_z v ≠ 0: W − α g uᵀ and V + β u vᵀ, for which, with q = |u|² and an M-smooth loss,

        L(α, β) <= L − α β q |g|² + ½ M α² |g|² S(β),   S(β) = E(uᵀ(x + V z) + β q vᵀz)²,

    so that every β > 0 has a small α that lowers L: the proof of Lemma 2 (Kawaguchi & Bengio 2019) made
    quantitative. (For the cross-entropy u may also have equal entries in W u, which changes no loss.)
    Whatever the candidate, the lower value is decided by evaluating L exactly, or in balls
    that certainly differ, so the answer needs no trust in the formula. Steps are halved at most 200 times.
    Raises as ``gradient`` does.
    """
    if output_slopes(net) is None:
        parts = [middles(part) for part in _gradient_balls(net)]
        g = Gradient(parts[0], parts[1], parts[2] if net.b is not None else None)
    else:
        g = gradient(net)
    slopes = [*g.W.entries(), *g.V.entries(), *([] if g.b is None else g.b.entries())]
    if any(slopes):
        step = min(fmpq(1), radius / sum((abs(e) for e in slopes), fmpq(0)))
        for _ in range(200):
            there = moved(net, net.W - g.W * step, net.V - g.V * step, None if g.b is None else g.b * -step)
            if is_lower(there, net):
                return there
            step = step / 2
        return None
    null, g_z = null_space(_seen_by_the_loss(net)), feature_gradient(net).z
    if not null.ncols() or vanishes(g_z):
        return None
    squares = [sum((e * e for e in column), fmpq(0)) for column in g_z.transpose().table()]
    column = squares.index(max(squares))
    v = fmpq_mat(1, g_z.ncols(), [int(j == column) for j in range(g_z.ncols())])
    direction = g_z * v.transpose()
    for u in null.transpose().table():
        ray = fmpq_mat(len(u), 1, u)
        a, b, q = direction * ray.transpose(), ray * v, sum((e * e for e in u), fmpq(0))
        beta = radius / 2 / sum((abs(e) for e in b.entries()), fmpq(0))
        alpha = radius / 2 / sum((abs(e) for e in a.entries()), fmpq(0))
        if net.loss.smoothness is not None:
            along = (net.Q + net.Z * b.transpose() * beta) * ray
            spread = trace_product(along, along, net.measure)
            if spread:
                alpha = min(alpha, beta * q / (net.loss.smoothness * spread))
        for _ in range(200):
            there = moved(net, net.W - a * alpha, net.V + b * beta)
            if is_lower(there, net):
                return there
            alpha = alpha / 2
    return None


def _seen_by_the_loss(net: ResNet) -> fmpq_mat:
    """W, up to what the loss ignores: the cross-entropy sees only differences of outputs."""
    if net.loss is not cross_entropy:
        return net.W
    last = net.W.table()[-1]
    return fmpq_mat(
        net.W.nrows(), net.W.ncols(), [e - f for row in net.W.table() for e, f in zip(row, last, strict=True)]
    )


def is_certified_minimum(net: ResNet) -> str | None:
    """A sentence that says why (W, V, b) certainly is a local minimum of L at this θ, or None.

    Either G = 0 and the loss is convex: a global minimum. Or the gradient is exactly zero and the Hessian
    positive definite: a strict local minimum. The cross-entropy does not change under W → W + 1 cᵀ
    (and b → b + 1 c), so there the last row of W (and entry of b) is held fixed: every point has a
    representative in that slice with the same loss. At kinks of a piecewise linear loss:
    ``is_certified_polyhedral_minimum``.
    """
    if net.loss in (absolute, hinge, multiclass_hinge):
        return is_certified_polyhedral_minimum(net)
    try:
        if output_slopes(net) is None:
            return None
        if net.loss.convex and is_basis_optimal(net):
            return "E[D φᵀ] = 0 and ℓ is convex: a global minimum"
        if is_critical(net) is not True:
            return None
        if _rests_at_wells(net):
            return "every output is at a strict minimum of ℓ(·, y), and h is continuous: a local minimum"
        second = hessian(net)
    except NotDifferentiable:
        return None
    kept = list(range(second.nrows()))
    if net.loss is cross_entropy:
        d_y, d_x = net.W.nrows(), net.W.ncols()
        fixed = {*range((d_y - 1) * d_x, d_y * d_x), *([second.nrows() - 1] if net.b is not None else [])}
        kept = [k for k in kept if k not in fixed]
    table = second.table()
    part = [[table[i][j] for j in kept] for i in kept]
    if is_positive_definite(part) is True:
        return "the gradient is zero and the Hessian is positive definite: a strict local minimum"
    return None


def _rests_at_wells(net: ResNet) -> bool:
    """Whether D = 0 and ∇²ℓ is positive definite at every sample."""
    d = output_slopes(net)
    if d is None or not vanishes(d) or not isinstance(net.measure, Atoms):
        return False
    curvatures = [net.loss.hessian(h, y) for h, y in zip(net.H.table(), net.Y.table(), strict=True)]
    return all(is_positive_definite(c) is True for c in curvatures)


def basis_features(net: ResNet, basis: str) -> fmpq_mat:
    """The features "xz", "x" or "z", one row per sample, with the constant 1 if the network has a bias."""
    parts = {"xz": net.features, "x": net.X, "z": net.Z}
    if basis not in parts:
        raise ValueError(f"basis {basis!r}: say 'xz', 'x' or 'z'")
    return parts[basis] if net.b is None or basis == "xz" else hstack(parts[basis], net.constant)


def basis_infimum(net: ResNet, basis: str = "xz") -> Infimum:
    """L*_{x,z}, L*_x or L*_z: the least expected loss of linear models on the named features (with 1 if b).

    ``basis`` is "xz", "x" or "z". For "xz" the network's own linear model [W, W V] is tried first, so that
    at a planted minimum the two-sided bounds close exactly. Raises ``ValueError`` for a non-convex loss.
    """
    start = net.R if basis == "xz" else None
    return enclose_infimum(basis_features(net, basis), net.Y, net.loss, net.measure, start=start)


def loss_of_fit(net: ResNet, targets: fmpq_mat, basis: str = "xz") -> fmpq | arb:
    """The loss of the linear model on the named features that fits ``targets`` (m × d_y) best in mean square.

    An upper bound of the infimum for any loss, convex or not.
    """
    if not isinstance(net.measure, Atoms):
        raise ValueError("fits are evaluated for finite measures")
    features = basis_features(net, basis)
    outputs = features * least_squares(features, targets, net.measure).transpose()
    weights = net.measure.weights.entries()
    return sum(
        (w * net.loss.value(h, y) for w, h, y in zip(weights, outputs.table(), net.Y.table(), strict=True)),
        fmpq(0),
    )


RADII = (fmpq(1), fmpq(1, 2**20), fmpq(1, 2**60))
"""Where a lower point is exhibited to show that a critical point is no local minimum: down to 2⁻⁶⁰."""


def at_local_minimum(net: ResNet, verdict: Verdict) -> Verdict:
    """What ``verdict``, the conclusion at this point, says of the sentence "every local minimum has it".

    Where the conclusion fails, the point must not be a local minimum, and that is decided too: *refuted*
    if it certainly is one (``is_certified_minimum``), *holds* if lower points are exhibited within every
    radius of ``RADII`` (the contrapositive), *inconclusive* if neither can be done. Points that are not
    critical are *vacuous*: they were never candidates.
    """
    try:
        critical = is_critical(net)
        if critical is False:
            return vacuous("the point is not critical")
        if critical is None:
            return inconclusive("whether the gradient is zero cannot be told from balls")
        return where_minimal(
            verdict,
            certificate=lambda: is_certified_minimum(net),
            lower=lambda radius: find_descent(net, radius),
        )
    except NotDifferentiable:
        if verdict.outcome is not REFUTED:
            return verdict
        if (reason := is_certified_minimum(net)) is not None:
            return replace(verdict, why=f"{_capital(reason)}, and yet {verdict.why}")
        return vacuous("the loss has a kink here and no certificate of a local minimum was found")


def where_minimal(
    verdict: Verdict, *, certificate: Callable[[], str | None], lower: Callable[[fmpq], object | None]
) -> Verdict:
    """What ``verdict`` at a critical point says of "every local minimum has it", for any surface.

    Where the conclusion fails: *refuted* if ``certificate()`` gives a reason why the point certainly is a
    local minimum, *holds* if ``lower(radius)`` exhibits a lower point for every radius of ``RADII``,
    *inconclusive* otherwise.
    """
    if verdict.outcome is not REFUTED:
        return verdict
    if (reason := certificate()) is not None:
        return replace(verdict, why=f"{_capital(reason)}, and yet {verdict.why}")
    if all(lower(radius) is not None for radius in RADII):
        return replace(
            verdict, outcome=HOLDS, margin=None, why="the conclusion fails and so does local minimality"
        )
    return inconclusive("neither a certificate of a local minimum nor a lower point nearby was found")


def at_critical_point(net: ResNet, verdict: Verdict) -> Verdict:
    """``verdict`` where the gradient is exactly zero, vacuous elsewhere."""
    critical = is_critical(net)
    if critical is None:
        return inconclusive("whether the gradient is zero cannot be told from balls")
    return verdict if critical else vacuous("the point is not critical")


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
