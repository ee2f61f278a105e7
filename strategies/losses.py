"""Losses h ↦ ℓ(h, y) on R^d: value, one-sided slopes, labels that give a wanted slope, convex conjugate.

Exact wherever the mathematics allows. The two logarithmic losses are measured **in bits**: with 2^h in
place of e^h the probabilities are rational at integer logits h, so that a point can be critical exactly;
they equal the natural ones after h ↦ h ln 2, up to the factor ln 2, and every infimum agrees accordingly.
The hinges take *soft* labels q in [0, 1]: ℓ(h, q) = q ℓ(h, +1) + (1 − q) ℓ(h, −1), the loss of a label
that is +1 with probability q (a two-atom label measure).

Numbers are ``fmpq`` (exact) or ``arb`` (a ball); float64 arrays go through the ``*_array`` functions,
with rows for samples and columns for outputs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from flint import arb, fmpq, fmpq_poly

from strategies.bits import Floats, Number, entropy, exact_power_of_two, log2, power_of_two, sigmoid_array
from strategies.loss import Loss, NotDifferentiable, OutputwiseLoss
from strategies.losses_classes import cross_entropy, multiclass_hinge
from strategies.losses_robust import ROBUST, blake_zisserman, cauchy, corrupted_gaussian, pseudo_huber

__all__ = [
    "CONVEX_DIFFERENTIABLE",
    "LOSSES",
    "ROBUST",
    "Loss",
    "NotDifferentiable",
    "OutputwiseLoss",
    "absolute",
    "blake_zisserman",
    "cauchy",
    "corrupted_gaussian",
    "cross_entropy",
    "hinge",
    "huber",
    "label_weighted_squared",
    "logistic",
    "multiclass_hinge",
    "pseudo_huber",
    "smoothed_hinge",
    "squared",
    "tilted_double_well",
]


def _above(a: Number, threshold: fmpq | int) -> bool | None:
    """a > threshold, or None where a ball straddles it."""
    if isinstance(a, fmpq):
        return bool(a > threshold)
    t = arb(threshold)
    return True if a > t else False if a <= t else None


def _side(a: Number, threshold: fmpq | int) -> int | None:
    """The sign of a − threshold, or None where a ball leaves it open."""
    r = a - threshold
    return 1 if r > 0 else -1 if r < 0 else 0 if r == 0 else None


def _magnitude(a: Number) -> Number:
    if isinstance(a, fmpq):  # one line a type: the stubs know no abs of the union
        return abs(a)
    return abs(a)


def _probability(h: Number) -> Number:
    return 1 / (1 + power_of_two(-h))


def _exact_probability(h: fmpq) -> fmpq | None:
    power = exact_power_of_two(-h)
    return None if power is None else 1 / (1 + power)


# --- squared -----------------------------------------------------------------------------------------

squared = OutputwiseLoss(
    name="squared",
    formula=r"\sum_k (h_k - y_k)^2",
    phi=lambda h, y: (h - y) * (h - y),
    slopes=lambda h, y: (2 * (h - y),) * 2,
    curvature=lambda h, y: fmpq(2),
    slope_label=lambda h, d: h - d / 2,
    label_slopes=lambda h: None,
    slope_conjugate=lambda d, y: d * d / 4 + d * y,
    domain=lambda y: None,
    phi_array=lambda h, y: (h - y) ** 2,
    slope_array=lambda h, y: 2 * (h - y),
    curvature_array=lambda h, y: np.full(np.shape(h), 2.0),
    smoothness=fmpq(2),
)
"""|h − y|², as in Theorem 2 of Kawaguchi & Bengio (2019)."""


def _label_weight(y: fmpq) -> fmpq:
    return fmpq(3) if y == 0 else fmpq(1)


label_weighted_squared = OutputwiseLoss(
    name="label-weighted squared",
    formula=r"\sum_k c_k (h_k - y_k)^2, \quad c_k = 3 \text{ if } y_k = 0, \text{ else } 1",
    phi=lambda h, y: _label_weight(y) * (h - y) * (h - y),
    slopes=lambda h, y: (2 * _label_weight(y) * (h - y),) * 2,
    curvature=lambda h, y: 2 * _label_weight(y),
    slope_label=lambda h, d: h - d / 6 if h == d / 6 else h - d / 2 if h != d / 2 else None,
    label_slopes=lambda h: None,
    slope_conjugate=lambda d, y: d * d / (4 * _label_weight(y)) + d * y,
    domain=lambda y: None,
    phi_array=lambda h, y: np.where(y == 0, 3.0, 1.0) * (h - y) ** 2,
    slope_array=lambda h, y: 2 * np.where(y == 0, 3.0, 1.0) * (h - y),
    curvature_array=lambda h, y: 2 * np.where(y == 0, 3.0, 1.0) * np.ones(np.shape(h)),
    smoothness=fmpq(6),
)
"""Σ_k c_k (h_k − y_k)² with c_k = 3 where y_k = 0 and 1 elsewhere: class weights, convex and smooth."""

# --- Huber -------------------------------------------------------------------------------------------


def _huber(h: Number, y: fmpq) -> Number:
    r = _magnitude(h - y)
    outside = _above(r, 1)
    if outside is None:
        return arb(r * r / 2).union(arb(r - fmpq(1, 2)))
    return r - fmpq(1, 2) if outside else r * r / 2


def _huber_slope(h: Number, y: fmpq) -> Number:
    r = h - y
    if isinstance(r, fmpq):
        return max(fmpq(-1), min(fmpq(1), r))
    return arb.max(arb(-1), arb.min(arb(1), r))


def _after_jumps(h: Number, jumps: Sequence[tuple[fmpq | int, fmpq | int]]) -> tuple[fmpq, fmpq]:
    """φ″(h − 0) and φ″(h + 0), where φ″ is 0 far to the left and jumps at these points by so much."""
    left = right = fmpq(0)
    for at, jump in jumps:
        if not jump:
            continue
        side = _side(h, at)
        if side is None:
            raise NotDifferentiable(f"the second derivative may jump, at {at}, in the ball h = {h}")
        left += jump if side > 0 else 0
        right += jump if side >= 0 else 0
    return left, right


def _huber_curvatures(h: Number, y: fmpq) -> tuple[fmpq, fmpq]:
    return _after_jumps(h, [(y - 1, 1), (y + 1, -1)])


def _huber_curvature(h: Number, y: fmpq) -> fmpq:
    left, right = _huber_curvatures(h, y)
    if left != right:
        raise NotDifferentiable(f"Huber's second derivative jumps at |h − y| = 1 (h = {h}, y = {y})")
    return right


huber = OutputwiseLoss(
    name="Huber",
    formula=r"\sum_k \varphi(h_k - y_k), \quad \varphi(r) = \tfrac12 r^2 \text{ if } |r| \le 1, "
    r"\text{ else } |r| - \tfrac12",
    phi=_huber,
    slopes=lambda h, y: (_huber_slope(h, y),) * 2,
    curvature=_huber_curvature,
    one_sided=_huber_curvatures,
    slope_label=lambda h, d: h - d if abs(d) < 1 else h - 2 * d if abs(d) == 1 else None,
    label_slopes=lambda h: (fmpq(-1), fmpq(1)),
    slope_conjugate=lambda d, y: d * d / 2 + d * y,
    domain=lambda y: (fmpq(-1), fmpq(1)),
    phi_array=lambda h, y: np.where(np.abs(h - y) <= 1, (h - y) ** 2 / 2, np.abs(h - y) - 0.5),
    slope_array=lambda h, y: np.clip(h - y, -1.0, 1.0),
    curvature_array=lambda h, y: (np.abs(h - y) < 1).astype(float),
    smoothness=fmpq(1),
)
"""Huber's loss with threshold 1: convex, differentiable, not twice differentiable."""

# --- logistic ----------------------------------------------------------------------------------------


def _logistic_label(h: fmpq, d: fmpq) -> fmpq | None:
    p = _exact_probability(h)
    return None if p is None or not 0 <= p - d <= 1 else p - d


def _logistic_slopes(h: fmpq) -> tuple[fmpq, fmpq] | frozenset[fmpq]:
    p = _exact_probability(h)
    return frozenset() if p is None else (p - 1, p)


logistic = OutputwiseLoss(
    name="logistic",
    formula=r"\sum_k \log_2(1 + 2^{h_k}) - y_k h_k",
    phi=lambda h, y: log2(1 + power_of_two(h)) - y * h,
    slopes=lambda h, y: (_probability(h) - y,) * 2,
    curvature=lambda h, y: arb.const_log2() * _probability(h) * (1 - _probability(h)),
    slope_label=_logistic_label,
    label_slopes=_logistic_slopes,
    slope_conjugate=lambda d, y: entropy(d + y) + entropy(1 - d - y),
    domain=lambda y: (-y, 1 - y),
    phi_array=lambda h, y: (1 - y) * np.logaddexp2(0.0, h) + y * np.logaddexp2(0.0, -h),
    slope_array=lambda h, y: (1 - y) * sigmoid_array(h) - y * sigmoid_array(-h),
    curvature_array=lambda h, y: np.log(2.0) * sigmoid_array(h) * sigmoid_array(-h),
    smoothness=fmpq(7, 40),
)
"""Σ_k log₂(1 + 2^{h_k}) − y_k h_k with y_k in [0, 1]: the logistic loss in bits; M = ln 2 / 4 < 7/40.

The arrays use (1 − y) p − y (1 − p) for p − y and its like: at hard labels no digit is lost.
"""

# --- hinges ------------------------------------------------------------------------------------------


def _hinge(h: Number, q: fmpq) -> Number:
    return q * _positive_part(1 - h) + (1 - q) * _positive_part(1 + h)


def _positive_part(t: Number) -> Number:
    if isinstance(t, fmpq):
        return t if t > 0 else fmpq(0)
    return arb.max(arb(0), t)


def _hinge_slopes(h: Number, q: fmpq) -> tuple[Number, Number]:
    left = right = fmpq(0)
    for kink, slope in ((1, -q), (-1, 1 - q)):  # −q below 1, and 1 − q above −1
        if not slope:
            continue
        side = _side(h, kink)
        if side is None:
            raise NotDifferentiable(f"the hinge may have its kink {kink} in the ball h = {h} (y = {q})")
        left += slope if side == -kink or (side == 0 and kink == 1) else 0
        right += slope if side == -kink or (side == 0 and kink == -1) else 0
    return left, right


def _hinge_label(h: fmpq, d: fmpq) -> fmpq | None:
    if abs(h) == 1:  # no kink only where the one-sided part has weight 0
        return (1 - h) / 2 if d == h else None
    q = (1 - d) / 2 if abs(h) < 1 else -d if h < 0 else 1 - d
    return q if 0 <= q <= 1 else None


def _hinge_label_slopes(h: fmpq) -> tuple[fmpq, fmpq] | frozenset[fmpq]:
    if abs(h) == 1:
        return frozenset({h})
    return fmpq(-1 if h < 1 else 0), fmpq(1 if h > -1 else 0)


def _hinge_curvature(h: Number, q: fmpq) -> fmpq:
    left, right = _hinge_slopes(h, q)
    if left != right:
        raise NotDifferentiable(f"the hinge has a kink at h = {h} (y = {q})")
    return fmpq(0)


def _hinge_conjugate(d: fmpq, q: fmpq) -> Number:
    h = fmpq(-1 if d <= 1 - 2 * q else 1)
    return d * h - _hinge(h, q)


hinge = OutputwiseLoss(
    name="hinge",
    formula=r"\sum_k y_k \max(0, 1 - h_k) + (1 - y_k) \max(0, 1 + h_k)",
    phi=_hinge,
    slopes=_hinge_slopes,
    curvature=_hinge_curvature,
    slope_label=_hinge_label,
    label_slopes=_hinge_label_slopes,
    slope_conjugate=_hinge_conjugate,
    domain=lambda q: (-q, 1 - q),
    phi_array=lambda h, q: q * np.maximum(0.0, 1 - h) + (1 - q) * np.maximum(0.0, 1 + h),
    slope_array=lambda h, q: -q * (h < 1) + (1 - q) * (h > -1),
    curvature_array=lambda h, q: np.zeros(np.shape(h)),
    differentiable=False,
)
"""Σ_k max(0, 1 − y_k h_k), y_k = ±1, in soft-label form: convex with kinks at h = ±1."""


def _smoothed(t: Number) -> Number:
    """0 for t >= 1, (1 − t)²/2 between, 1/2 − t for t <= 0."""
    if isinstance(t, fmpq):
        return fmpq(0) if t >= 1 else fmpq(1, 2) - t if t <= 0 else (1 - t) * (1 - t) / 2
    u = arb.max(arb(0), arb.min(arb(1), 1 - t))
    return u * u / 2 + arb.max(arb(0), -t)


def _exact_smoothed_slope(t: fmpq) -> fmpq:
    return max(fmpq(-1), min(fmpq(0), t - 1))


def _smoothed_slope(t: Number) -> Number:
    return _exact_smoothed_slope(t) if isinstance(t, fmpq) else arb.max(arb(-1), arb.min(arb(0), t - 1))


def _smoothed_curvatures(h: Number, q: fmpq) -> tuple[fmpq, fmpq]:
    return _after_jumps(h, [(-1, 1 - q), (0, 2 * q - 1), (1, -q)])  # at 0 the two parts cancel if q = 1/2


def _smoothed_curvature(h: Number, q: fmpq) -> fmpq:
    left, right = _smoothed_curvatures(h, q)
    if left != right:
        raise NotDifferentiable(f"the smoothed hinge's second derivative jumps at h = {h} (y = {q})")
    return right


def _smoothed_point(d: fmpq, q: fmpq) -> fmpq:
    """An h at which the smoothed hinge with soft label q has slope d, −q <= d <= 1 − q."""
    if d <= 1 - 2 * q:
        return fmpq(-1) if q == 1 else (d + q) / (1 - q) - 1
    return 1 - (1 - q - d) / q


def _smoothed_conjugate(d: fmpq, q: fmpq) -> Number:
    h = _smoothed_point(d, q)
    return d * h - q * _smoothed(h) - (1 - q) * _smoothed(-h)


def _smoothed_label_slopes(h: fmpq) -> tuple[fmpq, fmpq]:
    """The slopes for the labels +1 and −1, and all between."""
    return _exact_smoothed_slope(h), -_exact_smoothed_slope(-h)


def _smoothed_label(h: fmpq, d: fmpq) -> fmpq | None:
    plus, minus = _smoothed_label_slopes(h)
    q = (minus - d) / (minus - plus)
    return q if 0 <= q <= 1 else None


def _smoothed_array(t: Floats) -> Floats:
    return np.where(t >= 1, 0.0, np.where(t <= 0, 0.5 - t, (1 - t) ** 2 / 2))


smoothed_hinge = OutputwiseLoss(
    name="smoothed hinge",
    formula=r"\sum_k y_k \varphi(h_k) + (1 - y_k) \varphi(-h_k), "
    r"\quad \varphi(t) = 0 \text{ if } t \ge 1, \; \tfrac12 - t \text{ if } t \le 0, "
    r"\text{ else } \tfrac12 (1 - t)^2",
    phi=lambda h, q: q * _smoothed(h) + (1 - q) * _smoothed(-h),
    slopes=lambda h, q: (q * _smoothed_slope(h) - (1 - q) * _smoothed_slope(-h),) * 2,
    curvature=_smoothed_curvature,
    one_sided=_smoothed_curvatures,
    slope_label=_smoothed_label,
    label_slopes=_smoothed_label_slopes,
    slope_conjugate=_smoothed_conjugate,
    domain=lambda q: (-q, 1 - q),
    phi_array=lambda h, q: q * _smoothed_array(h) + (1 - q) * _smoothed_array(-h),
    slope_array=lambda h, q: q * np.clip(h - 1, -1, 0) - (1 - q) * np.clip(-h - 1, -1, 0),
    curvature_array=lambda h, q: q * ((h >= 0) & (h < 1)) + (1 - q) * ((h >= -1) & (h < 0)),
    smoothness=fmpq(1),
)
"""Σ_k φ(y_k h_k), φ(t) = 0, (1 − t)²/2, 1/2 − t for t >= 1, 0 < t < 1, t <= 0: convex and C¹."""


# --- absolute, and a loss that is not convex ---------------------------------------------------------


def _absolute_slopes(h: Number, y: fmpq) -> tuple[Number, Number]:
    side = _side(h, y)
    if side is None:
        raise NotDifferentiable(f"the absolute loss may have its kink in the ball h = {h} (y = {y})")
    return fmpq(side or -1), fmpq(side or 1)


def _absolute_curvature(h: Number, y: fmpq) -> fmpq:
    if not _side(h, y):
        raise NotDifferentiable(f"the absolute loss has a kink at h = y (h = {h}, y = {y})")
    return fmpq(0)


absolute = OutputwiseLoss(
    name="absolute",
    formula=r"\sum_k |h_k - y_k|",
    phi=lambda h, y: _magnitude(h - y),
    slopes=_absolute_slopes,
    curvature=_absolute_curvature,
    slope_label=lambda h, d: h - d if abs(d) == 1 else None,
    label_slopes=lambda h: frozenset({fmpq(-1), fmpq(1)}),
    slope_conjugate=lambda d, y: d * y,
    domain=lambda y: (fmpq(-1), fmpq(1)),
    phi_array=lambda h, y: np.abs(h - y),
    slope_array=lambda h, y: np.sign(h - y),
    curvature_array=lambda h, y: np.zeros(np.shape(h)),
    differentiable=False,
)
"""Σ_k |h_k − y_k|: convex with a kink at h = y."""


def _double_well(h: Number, y: fmpq) -> Number:
    r = h - y
    return r * r * (3 * r * r - 4 * r - 12)


def _double_well_slope(h: Number, y: fmpq) -> Number:
    r = h - y
    return 12 * r * (r + 1) * (r - 2)


def _double_well_curvature(h: Number, y: fmpq) -> Number:
    r = h - y
    return 36 * r * r - 24 * r - 24


def _double_well_label(h: fmpq, d: fmpq) -> fmpq | None:
    """h − r for the least rational root r of 12 r³ − 12 r² − 24 r = d (r = −1 for d = 0)."""
    _, factors = fmpq_poly([-d, -24, -12, 12]).factor()
    roots = [-f[0] / f[1] for f, _ in factors if f.degree() == 1]
    return h - min(roots) if roots else None


tilted_double_well = OutputwiseLoss(
    name="tilted double well",
    formula=r"\sum_k 3 r_k^4 - 4 r_k^3 - 12 r_k^2, \quad r_k = h_k - y_k",
    phi=_double_well,
    slopes=lambda h, y: (_double_well_slope(h, y),) * 2,
    curvature=_double_well_curvature,
    slope_label=_double_well_label,
    label_slopes=lambda h: None,
    slope_conjugate=None,
    domain=lambda y: None,
    phi_array=lambda h, y: 3 * (h - y) ** 4 - 4 * (h - y) ** 3 - 12 * (h - y) ** 2,
    slope_array=lambda h, y: 12 * (h - y) * (h - y + 1) * (h - y - 2),
    curvature_array=lambda h, y: 36 * (h - y) ** 2 - 24 * (h - y) - 24,
    convex=False,
)
"""3 r⁴ − 4 r³ − 12 r², r = h − y: minima at r = −1 (value −5) and r = 2 (value −32), a maximum at 0."""


CONVEX_DIFFERENTIABLE: tuple[Loss, ...] = (squared, huber, smoothed_hinge, logistic, cross_entropy)
"""The five losses that satisfy Assumption A2, in the order the strategies shrink along."""

LOSSES: dict[str, Loss] = {
    loss.name: loss
    for loss in (
        *CONVEX_DIFFERENTIABLE,
        label_weighted_squared,
        absolute,
        hinge,
        multiclass_hinge,
        tilted_double_well,
        *ROBUST,
    )
}
"""Every loss by name, for reading instances back."""
