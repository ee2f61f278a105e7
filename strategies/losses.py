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

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Protocol

import numpy as np
from flint import arb, fmpq, fmpq_poly
from numpy.typing import NDArray

Number = fmpq | arb
Floats = NDArray[np.float64]

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


class NotDifferentiable(ValueError):
    """The loss has a kink exactly at the point asked for."""


class Loss(Protocol):
    """What every loss offers; ``h`` and ``y`` are the d outputs and labels of one sample."""

    @property
    def name(self) -> str:
        """The key in ``LOSSES``."""

    @property
    def convex(self) -> bool:
        """Whether ℓ(·, y) is convex for every label."""

    @property
    def differentiable(self) -> bool:
        """Whether ℓ(·, y) is differentiable everywhere for every label."""

    @property
    def smoothness(self) -> fmpq | None:
        """M such that the gradient is M-Lipschitz in h (Euclidean norm), or None."""

    def __hash__(self) -> int:
        """Losses are values: they key caches."""

    def value(self, h: Sequence[Number], y: Sequence[fmpq]) -> Number:
        """ℓ(h, y): rational for the piecewise polynomial losses, a ball for the logarithmic ones."""

    def gradient(self, h: Sequence[Number], y: Sequence[fmpq]) -> list[Number]:
        """∂ℓ/∂h; rational where it can be, else balls. Raises ``NotDifferentiable`` at a kink."""

    def hessian(self, h: Sequence[Number], y: Sequence[fmpq]) -> list[list[Number]]:
        """∂²ℓ/∂h². Raises ``NotDifferentiable`` where it does not exist."""

    def label(self, h: Sequence[fmpq], d: Sequence[fmpq]) -> list[fmpq] | None:
        """A rational label y with gradient(h, y) = d, or None if there is none."""

    def reach(self, h: Sequence[fmpq], d: Sequence[fmpq]) -> fmpq:
        """An s in (0, 1] such that label(h, s d) exists, or 0.

        0 means that no s in (0, 1] will do, except for the tilted double well and the ``ROBUST`` losses,
        where few s are tried. Where labels give an interval of slopes, s d is at most half way to its end.
        """

    def conjugate(self, d: Sequence[fmpq], y: Sequence[fmpq]) -> Number:
        """ℓ*(d) = sup_h ⟨d, h⟩ − ℓ(h, y). Raises ``ValueError`` outside its domain."""

    def into_domain(self, d: Sequence[fmpq], y: Sequence[fmpq]) -> fmpq:
        """The largest s in [0, 1] with s d in the domain of ℓ*(·, y)."""

    def values_array(self, h: Floats, y: Floats) -> Floats:
        """ℓ for every row of the float64 arrays h, y (n × d): an array of length n."""

    def gradients_array(self, h: Floats, y: Floats) -> Floats:
        """∂ℓ/∂h for every row: n × d (some subgradient at a kink)."""

    def hessians_array(self, h: Floats, y: Floats) -> Floats:
        """∂²ℓ/∂h² for every row: n × d × d (a one-sided value where it jumps)."""


@dataclass(frozen=True)
class OutputwiseLoss:
    """A loss Σ_k φ(h_k, y_k), given by scalar functions of (h, y).

    ``slopes(h, y)`` is the pair of one-sided derivatives (equal where φ is differentiable),
    ``label(h, d)`` a label with slope d at h, ``domain(y)`` the interval of slopes (None: unbounded),
    ``conjugate(d, y)`` the convex conjugate inside that interval, ``curvature`` the second derivative.
    """

    name: str
    phi: Callable[[Number, fmpq], Number] = field(repr=False)
    slopes: Callable[[Number, fmpq], tuple[Number, Number]] = field(repr=False)
    curvature: Callable[[Number, fmpq], Number] = field(repr=False)
    slope_label: Callable[[fmpq, fmpq], fmpq | None] = field(repr=False)
    label_slopes: Callable[[fmpq], tuple[fmpq, fmpq] | frozenset[fmpq] | None] = field(repr=False)
    """The slopes labels give at h: a closed interval around 0, or finitely many; None: nearly all of R."""
    slope_conjugate: Callable[[fmpq, fmpq], Number] | None = field(repr=False)
    domain: Callable[[fmpq], tuple[fmpq, fmpq] | None] = field(repr=False)
    phi_array: Callable[[Floats, Floats], Floats] = field(repr=False)
    slope_array: Callable[[Floats, Floats], Floats] = field(repr=False)
    curvature_array: Callable[[Floats, Floats], Floats] = field(repr=False)
    smoothness: fmpq | None = None
    convex: bool = True
    differentiable: bool = True

    def value(self, h: Sequence[Number], y: Sequence[fmpq]) -> Number:
        return sum((self.phi(a, b) for a, b in zip(h, y, strict=True)), fmpq(0))

    def gradient(self, h: Sequence[Number], y: Sequence[fmpq]) -> list[Number]:
        gradient = []
        for a, b in zip(h, y, strict=True):
            left, right = self.slopes(a, b)
            if left is not right and left != right:
                raise NotDifferentiable(f"{self.name} has slopes {left} and {right} at h = {a}, y = {b}")
            gradient.append(left)
        return gradient

    def hessian(self, h: Sequence[Number], y: Sequence[fmpq]) -> list[list[Number]]:
        second = [self.curvature(a, b) for a, b in zip(h, y, strict=True)]
        return [[c if i == j else fmpq(0) for j in range(len(second))] for i, c in enumerate(second)]

    def label(self, h: Sequence[fmpq], d: Sequence[fmpq]) -> list[fmpq] | None:
        labels = [self.slope_label(a, b) for a, b in zip(h, d, strict=True)]
        found = [label for label in labels if label is not None]
        return found if len(found) == len(labels) else None

    def reach(self, h: Sequence[fmpq], d: Sequence[fmpq]) -> fmpq:
        bound, isolated = fmpq(1), None
        for a, b in zip(h, d, strict=True):
            slopes = self.label_slopes(a)
            if not isinstance(slopes, frozenset):
                bound = min(bound, _into(b, slopes, inside=True))
            elif b:
                steps = {t / b for t in slopes if 0 < t / b <= 1}
                isolated = steps if isolated is None else isolated & steps
            elif 0 not in slopes:
                return fmpq(0)
        tried = (
            [bound / k for k in range(1, len(d) + 2)] if isolated is None else sorted(isolated, reverse=True)
        )
        labelled = (s for s in tried if s > 0 and self.label(h, [s * b for b in d]) is not None)
        return next(labelled, fmpq(0))

    def conjugate(self, d: Sequence[fmpq], y: Sequence[fmpq]) -> Number:
        if self.slope_conjugate is None:
            raise ValueError(f"{self.name} is not convex: it has no conjugate")
        total: Number = fmpq(0)
        for a, b in zip(d, y, strict=True):
            interval = self.domain(b)
            if interval is not None and not interval[0] <= a <= interval[1]:
                raise ValueError(
                    f"slope {a} is outside [{interval[0]}, {interval[1]}]: no slope of {self.name}, y = {b}"
                )
            total += self.slope_conjugate(a, b)
        return total

    def into_domain(self, d: Sequence[fmpq], y: Sequence[fmpq]) -> fmpq:
        return min((_into(a, self.domain(b)) for a, b in zip(d, y, strict=True)), default=fmpq(1))

    def values_array(self, h: Floats, y: Floats) -> Floats:
        values: Floats = self.phi_array(h, y).sum(axis=-1)
        return values

    def gradients_array(self, h: Floats, y: Floats) -> Floats:
        return self.slope_array(h, y)

    def hessians_array(self, h: Floats, y: Floats) -> Floats:
        second: Floats = self.curvature_array(h, y)[..., None] * np.eye(h.shape[-1])
        return second


def _into(d: fmpq, interval: tuple[fmpq, fmpq] | None, inside: bool = False) -> fmpq:
    """The largest s in [0, 1] with s d in the interval, which holds 0; half of it to stay ``inside``."""
    if interval is None or d == 0:
        return fmpq(1)
    bound = (interval[1] if d > 0 else interval[0]) / d
    return min(fmpq(1), bound / 2 if inside else bound)


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


def _log2(p: Number) -> arb:
    return arb(p).log() / arb.const_log2()


def _entropy(p: Number) -> Number:
    """p log₂ p, with 0 log 0 = 0."""
    return fmpq(0) if p == 0 else arb(p) * _log2(p)


_LARGEST_EXPONENT = 1 << 14
"""Beyond it 2^h is a ball also at integers: the exact number would only fill the memory."""


def _exact_power_of_two(h: fmpq) -> fmpq | None:
    """2^h, or None where it is irrational (or huge)."""
    if h.q != 1 or abs(h) > _LARGEST_EXPONENT:
        return None
    k = int(h.p)
    return fmpq(1 << k) if k >= 0 else fmpq(1, 1 << -k)


def _power_of_two(h: Number) -> Number:
    """2^h: rational for integer h, else a ball."""
    if isinstance(h, fmpq):
        power = _exact_power_of_two(h)
        return arb(2) ** arb(h) if power is None else power
    return (h * arb.const_log2()).exp()


def _probability(h: Number) -> Number:
    return 1 / (1 + _power_of_two(-h))


def _exact_probability(h: fmpq) -> fmpq | None:
    power = _exact_power_of_two(-h)
    return None if power is None else 1 / (1 + power)


# --- squared -----------------------------------------------------------------------------------------

squared = OutputwiseLoss(
    name="squared",
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


def _huber_curvature(h: Number, y: fmpq) -> fmpq:
    outside = _side(_magnitude(h - y), 1)
    if not outside:
        raise NotDifferentiable(f"Huber's second derivative jumps at |h − y| = 1 (h = {h}, y = {y})")
    return fmpq(int(outside < 0))


huber = OutputwiseLoss(
    name="Huber",
    phi=_huber,
    slopes=lambda h, y: (_huber_slope(h, y),) * 2,
    curvature=_huber_curvature,
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


def _sigmoid_array(h: Floats) -> Floats:
    """1 / (1 + 2^−h), with a small relative error also where it is tiny."""
    t = np.exp2(-np.abs(h))
    return np.where(h >= 0, 1.0, t) / (1.0 + t)


logistic = OutputwiseLoss(
    name="logistic",
    phi=lambda h, y: _log2(1 + _power_of_two(h)) - y * h,
    slopes=lambda h, y: (_probability(h) - y,) * 2,
    curvature=lambda h, y: arb.const_log2() * _probability(h) * (1 - _probability(h)),
    slope_label=_logistic_label,
    label_slopes=_logistic_slopes,
    slope_conjugate=lambda d, y: _entropy(d + y) + _entropy(1 - d - y),
    domain=lambda y: (-y, 1 - y),
    phi_array=lambda h, y: (1 - y) * np.logaddexp2(0.0, h) + y * np.logaddexp2(0.0, -h),
    slope_array=lambda h, y: (1 - y) * _sigmoid_array(h) - y * _sigmoid_array(-h),
    curvature_array=lambda h, y: np.log(2.0) * _sigmoid_array(h) * _sigmoid_array(-h),
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


def _smoothed_curvature(h: Number, q: fmpq) -> fmpq:
    total = fmpq(0)
    for t, weight in ((h, q), (-h, 1 - q)):
        at_0, at_1 = _side(t, 0), _side(t, 1)
        if weight and not (at_0 and at_1):
            raise NotDifferentiable(f"the smoothed hinge's second derivative jumps at y h = {t}")
        total += weight if at_0 == 1 and at_1 == -1 else 0
    return total


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
    phi=lambda h, q: q * _smoothed(h) + (1 - q) * _smoothed(-h),
    slopes=lambda h, q: (q * _smoothed_slope(h) - (1 - q) * _smoothed_slope(-h),) * 2,
    curvature=_smoothed_curvature,
    slope_label=_smoothed_label,
    label_slopes=_smoothed_label_slopes,
    slope_conjugate=_smoothed_conjugate,
    domain=lambda q: (-q, 1 - q),
    phi_array=lambda h, q: q * _smoothed_array(h) + (1 - q) * _smoothed_array(-h),
    slope_array=lambda h, q: q * np.clip(h - 1, -1, 0) - (1 - q) * np.clip(-h - 1, -1, 0),
    curvature_array=lambda h, q: q * ((h > 0) & (h < 1)) + (1 - q) * ((h > -1) & (h < 0)),
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

# --- robust losses -----------------------------------------------------------------------------------


def _root(a: Number) -> Number:
    """√a: rational where it is."""
    if isinstance(a, fmpq):
        return a.sqrt() if a >= 0 and a.p.is_square() and a.q.is_square() else arb(a).sqrt()
    return a.sqrt()


_SINES = tuple(
    fmpq(sign * leg, s * s + t * t)
    for s in range(2, 7)
    for t in range(1, s)
    for leg in (2 * s * t, s * s - t * t)
    for sign in (1, -1)
)
"""Rational sines of angles with rational cosines."""


def _multiples(step: fmpq, reach: int = 3) -> list[fmpq]:
    return [k * step for k in range(-reach, reach + 1)]


@cache
def pseudo_huber(delta: fmpq, name: str = "") -> OutputwiseLoss:
    """2 δ² (√(1 + r²/δ²) − 1), r = h − y: convex, near r² at 0, of slope ±2 |δ| far away; M = 2."""
    if delta == 0:
        raise ValueError("the pseudo-Huber loss divides by δ: give δ ≠ 0")
    square, width = delta * delta, float(abs(delta))

    def root(h: Number, y: fmpq) -> Number:
        return _root(1 + (h - y) * (h - y) / square)

    def label(h: fmpq, d: fmpq) -> fmpq | None:
        cosine = _root(1 - d * d / (4 * square)) if abs(d) < 2 * abs(delta) else None
        return h - d / (2 * cosine) if isinstance(cosine, fmpq) else None

    def slope(h: Number, y: fmpq) -> tuple[Number, Number]:
        s = 2 * (h - y) / root(h, y)
        return s, s

    return OutputwiseLoss(
        name=name or f"pseudo-Huber {delta}",
        phi=lambda h, y: 2 * square * (root(h, y) - 1),
        slopes=slope,
        curvature=lambda h, y: 2 / (root(h, y) * root(h, y) * root(h, y)),
        slope_label=label,
        label_slopes=lambda h: frozenset({fmpq(0), *(2 * delta * s for s in _SINES)}),
        slope_conjugate=lambda d, y: 2 * square * (1 - _root(1 - d * d / (4 * square))) + d * y,
        domain=lambda y: (-2 * abs(delta), 2 * abs(delta)),
        phi_array=lambda h, y: 2 * (h - y) ** 2 / (1 + np.hypot(1.0, (h - y) / width)),
        slope_array=lambda h, y: 2 * (h - y) / np.hypot(1.0, (h - y) / width),
        curvature_array=lambda h, y: 2 / np.hypot(1.0, (h - y) / width) ** 3,
        smoothness=fmpq(2),
    )


@cache
def cauchy(delta: fmpq, name: str = "") -> OutputwiseLoss:
    """δ² log(1 + r²/δ²), r = h − y: not convex beyond |r| = |δ|; |φ″| <= 2, slopes in [−|δ|, |δ|]."""
    if delta == 0:
        raise ValueError("Cauchy's loss divides by δ: give δ ≠ 0")
    square, width = delta * delta, float(delta * delta)

    def ratio(h: Number, y: fmpq) -> Number:
        return (h - y) * (h - y) / square

    def label(h: fmpq, d: fmpq) -> fmpq | None:
        cosine = _root(1 - d * d / square) if abs(d) <= abs(delta) else None
        return h - d / (1 + cosine) if isinstance(cosine, fmpq) else None

    def slope(h: Number, y: fmpq) -> tuple[Number, Number]:
        s = 2 * (h - y) / (1 + ratio(h, y))
        return s, s

    return OutputwiseLoss(
        name=name or f"Cauchy {delta}",
        phi=lambda h, y: fmpq(0) if h == y else square * arb(1 + ratio(h, y)).log(),
        slopes=slope,
        curvature=lambda h, y: 2 * (1 - ratio(h, y)) / ((1 + ratio(h, y)) * (1 + ratio(h, y))),
        slope_label=label,
        label_slopes=lambda h: frozenset({fmpq(0), -delta, delta, *(delta * s for s in _SINES)}),
        slope_conjugate=None,
        domain=lambda y: None,
        phi_array=lambda h, y: width * np.log1p((h - y) ** 2 / width),
        slope_array=lambda h, y: 2 * (h - y) / (1 + (h - y) ** 2 / width),
        curvature_array=lambda h, y: 2 * (1 - (h - y) ** 2 / width) / (1 + (h - y) ** 2 / width) ** 2,
        smoothness=fmpq(2),
        convex=False,
    )


@cache
def blake_zisserman(delta: fmpq, name: str = "") -> OutputwiseLoss:
    """−log₂(2^(−r²) + δ), r = h − y, δ > 0: the loss of Blake and Zisserman in bits, at most −log₂ δ.

    Its slope is 2 r q with q = 1 / (1 + δ 2^(r²)), rational at integers r.
    """
    if delta <= 0:
        raise ValueError("Blake and Zisserman's loss is a logarithm of 2^(−r²) + δ: give δ > 0")
    size = float(delta)

    def share(h: Number, y: fmpq) -> Number:
        return 1 / (1 + delta * _power_of_two((h - y) * (h - y)))

    def slope(h: Number, y: fmpq) -> tuple[Number, Number]:
        s = 2 * (h - y) * share(h, y) if h != y else fmpq(0)
        return s, s

    def curvature(h: Number, y: fmpq) -> Number:
        r, q = h - y, share(h, y)
        return 2 * q if r == 0 else 2 * q - 4 * arb.const_log2() * r * r * q * (1 - q)

    def label(h: fmpq, d: fmpq) -> fmpq | None:
        return next((h - r for r in _multiples(fmpq(1)) if slope(r, fmpq(0))[0] == d), None)

    def share_array(h: Floats, y: Floats) -> Floats:
        return _sigmoid_array(-np.log2(size) - (h - y) ** 2)

    return OutputwiseLoss(
        name=name or f"Blake-Zisserman {delta}",
        phi=lambda h, y: -_log2(_power_of_two(-(h - y) * (h - y)) + delta),
        slopes=slope,
        curvature=curvature,
        slope_label=label,
        label_slopes=lambda h: frozenset(
            s for r in _multiples(fmpq(1)) if isinstance(s := slope(r, fmpq(0))[0], fmpq)
        ),
        slope_conjugate=None,
        domain=lambda y: None,
        phi_array=lambda h, y: -np.logaddexp2(-((h - y) ** 2), np.log2(size)),
        slope_array=lambda h, y: 2 * (h - y) * share_array(h, y),
        curvature_array=lambda h, y: (
            2 * (q := share_array(h, y)) - 4 * np.log(2.0) * (h - y) ** 2 * q * (1 - q)
        ),
        convex=False,
    )


@cache
def corrupted_gaussian(A: fmpq, w: fmpq, name: str = "") -> OutputwiseLoss:
    """−log₂(A 2^(−r²) + (1 − A) 2^(−r²/w²) / w), r = h − y, 0 < A < 1, w > 0: two Gaussians, in bits.

    Its slope is 2 r (p + (1 − p)/w²), p = 1 / (1 + (1 − A) 2^(r² (1 − 1/w²)) / (A w)) the share of the first:
    rational where r and r/w are integers.
    """
    if not (0 < A < 1 and w > 0):
        raise ValueError("the corrupted Gaussian mixes two Gaussians: give 0 < A < 1 and w > 0")
    other, narrow = (1 - A) / w, 1 / (w * w)
    odds, tail = other / A, float(narrow)

    def share(h: Number, y: fmpq) -> Number:
        return 1 / (1 + odds * _power_of_two((h - y) * (h - y) * (1 - narrow)))

    def slope(h: Number, y: fmpq) -> tuple[Number, Number]:
        p = share(h, y)
        s = 2 * (h - y) * (p + (1 - p) * narrow) if h != y else fmpq(0)
        return s, s

    def curvature(h: Number, y: fmpq) -> Number:
        r, p = h - y, share(h, y)
        c = 2 * (p + (1 - p) * narrow)
        if r == 0 or narrow == 1:
            return c
        return c - 4 * arb.const_log2() * r * r * (1 - narrow) * (1 - narrow) * p * (1 - p)

    def label(h: fmpq, d: fmpq) -> fmpq | None:
        return next((h - r for r in _multiples(fmpq(w.p)) if slope(r, fmpq(0))[0] == d), None)

    def share_array(h: Floats, y: Floats) -> Floats:
        return _sigmoid_array(-np.log2(float(odds)) - (h - y) ** 2 * (1 - tail))

    return OutputwiseLoss(
        name=name or f"corrupted Gaussian {A} {w}",
        phi=lambda h, y: (
            -_log2(A * _power_of_two(-(h - y) * (h - y)) + other * _power_of_two(-(h - y) * (h - y) * narrow))
        ),
        slopes=slope,
        curvature=curvature,
        slope_label=label,
        label_slopes=lambda h: frozenset(
            s for r in _multiples(fmpq(w.p)) if isinstance(s := slope(r, fmpq(0))[0], fmpq)
        ),
        slope_conjugate=None,
        domain=lambda y: None,
        phi_array=lambda h, y: (
            -np.logaddexp2(np.log2(float(A)) - (h - y) ** 2, np.log2(float(other)) - (h - y) ** 2 * tail)
        ),
        slope_array=lambda h, y: 2 * (h - y) * ((p := share_array(h, y)) + (1 - p) * tail),
        curvature_array=lambda h, y: (
            2 * ((p := share_array(h, y)) + (1 - p) * tail)
            - 4 * np.log(2.0) * (h - y) ** 2 * (1 - tail) ** 2 * p * (1 - p)
        ),
        convex=False,
    )


ROBUST: tuple[OutputwiseLoss, ...] = (
    pseudo_huber(fmpq(1), "pseudo-Huber"),
    blake_zisserman(fmpq(1, 2), "Blake-Zisserman"),
    corrupted_gaussian(fmpq(1, 2), fmpq(2), "corrupted Gaussian"),
    cauchy(fmpq(1), "Cauchy"),
)
"""The examples of Nguyen and Hein (2017, Section 3.2): φ′ = 0 at h = y alone, where φ is least.

Few slopes have rational labels: ``label`` and ``reach`` look at finitely many.
"""

# --- losses that do not split over the outputs -------------------------------------------------------


@dataclass(frozen=True)
class _CrossEntropy:
    name: str = "cross-entropy"
    convex: bool = True
    differentiable: bool = True
    smoothness: fmpq | None = field(default=fmpq(7, 20))

    def _softmax(self, h: Sequence[Number]) -> list[Number]:
        exact = self._exact_softmax([a for a in h if isinstance(a, fmpq)])
        if exact is not None and len(exact) == len(h):
            return [*exact]
        powers = [_power_of_two(a) for a in h]
        total = sum(powers[1:], powers[0])
        return [p / total for p in powers]

    def value(self, h: Sequence[Number], y: Sequence[fmpq]) -> Number:
        powers = [_power_of_two(a) for a in h]
        return _log2(sum(powers[1:], powers[0])) - sum((a * b for a, b in zip(h, y, strict=True)), fmpq(0))

    def gradient(self, h: Sequence[Number], y: Sequence[fmpq]) -> list[Number]:
        return [p - b for p, b in zip(self._softmax(h), y, strict=True)]

    def hessian(self, h: Sequence[Number], y: Sequence[fmpq]) -> list[list[Number]]:
        p, ln2 = self._softmax(h), arb.const_log2()
        return [[ln2 * (a * (1 - b) if i == j else -a * b) for j, b in enumerate(p)] for i, a in enumerate(p)]

    def _exact_softmax(self, h: Sequence[fmpq]) -> list[fmpq] | None:
        """Rational iff the outputs differ by integers: p_i / p_j = 2^(h_i − h_j)."""
        powers = [p for a in h if (p := _exact_power_of_two(a - h[0])) is not None]
        if len(powers) < len(h):
            return None
        total = sum(powers, fmpq(0))
        return [p / total for p in powers]

    def label(self, h: Sequence[fmpq], d: Sequence[fmpq]) -> list[fmpq] | None:
        softmax = self._exact_softmax(h)
        if softmax is None or sum(d, fmpq(0)):
            return None
        y = [p - b for p, b in zip(softmax, d, strict=True)]
        return y if all(b >= 0 for b in y) else None

    def reach(self, h: Sequence[fmpq], d: Sequence[fmpq]) -> fmpq:
        softmax = self._exact_softmax(h)
        if softmax is None or sum(d, fmpq(0)):
            return fmpq(0)
        return min(fmpq(1), *(p / (2 * b) for p, b in zip(softmax, d, strict=True) if b > 0), fmpq(1))

    def conjugate(self, d: Sequence[fmpq], y: Sequence[fmpq]) -> Number:
        p = [a + b for a, b in zip(d, y, strict=True)]
        if any(a < 0 for a in p) or sum(p, fmpq(0)) != 1:
            raise ValueError(
                f"{[str(a) for a in p]} is not a probability vector: not a slope of the cross-entropy"
            )
        return sum((_entropy(a) for a in p), fmpq(0))

    def into_domain(self, d: Sequence[fmpq], y: Sequence[fmpq]) -> fmpq:
        if sum(d, fmpq(0)):
            return fmpq(0)
        return min((b / -a for a, b in zip(d, y, strict=True) if -a > b), default=fmpq(1))

    def values_array(self, h: Floats, y: Floats) -> Floats:
        values: Floats = np.logaddexp2.reduce(h, axis=-1) - (y * h).sum(axis=-1)
        return values

    def _softmax_array(self, h: Floats) -> tuple[Floats, Floats]:
        """p and 1 − p, both with small relative errors."""
        e = np.exp2(h - h.max(axis=-1, keepdims=True))
        total = e.sum(axis=-1, keepdims=True)
        return e / total, e @ (1.0 - np.eye(h.shape[-1])) / total

    def gradients_array(self, h: Floats, y: Floats) -> Floats:
        p, others = self._softmax_array(h)
        return (1 - y) * p - y * others

    def hessians_array(self, h: Floats, y: Floats) -> Floats:
        p, others = self._softmax_array(h)
        second: Floats = -p[..., :, None] * p[..., None, :]
        k = np.arange(h.shape[-1])
        second[..., k, k] = p * others
        second *= np.log(2.0)
        return second


cross_entropy: Loss = _CrossEntropy()
"""log₂ Σ_k 2^{h_k} − ⟨y, h⟩ with y in the simplex: softmax cross-entropy in bits; M = ln 2 / 2 < 7/20."""


@dataclass(frozen=True)
class _MulticlassHinge:
    name: str = "multi-class hinge"
    convex: bool = True
    differentiable: bool = False
    smoothness: fmpq | None = None

    def pieces(self, h: Sequence[Number], y: Sequence[fmpq]) -> list[list[fmpq]]:
        """The extreme slopes at h, one per class j that attains max_j (1[j ≠ c] + h_j); y is class c."""
        c = _class_of(y)
        scores = [a + (j != c) for j, a in enumerate(h) if isinstance(a, fmpq)]
        if len(scores) < len(h):
            raise NotDifferentiable(f"the {self.name}'s slope is decided at exact points only")
        best = max(scores)
        return [[fmpq((k == j) - (k == c)) for k in range(len(h))] for j, s in enumerate(scores) if s == best]

    def value(self, h: Sequence[Number], y: Sequence[fmpq]) -> Number:
        c = _class_of(y)
        scores = [a + (j != c) for j, a in enumerate(h)]
        exact = [a for a in scores if isinstance(a, fmpq)]
        if len(exact) == len(scores):
            return max(exact) - h[c]
        best = arb(scores[0])
        for a in scores[1:]:  # max() of balls that overlap would pick one of them
            best = arb.max(best, arb(a))
        return best - h[c]

    def gradient(self, h: Sequence[Number], y: Sequence[fmpq]) -> list[Number]:
        pieces = self.pieces(h, y)
        if len(pieces) > 1:
            raise NotDifferentiable(
                f"{self.name} has {len(pieces)} extreme slopes at h = {[str(a) for a in h]}"
            )
        return [*pieces[0]]

    def hessian(self, h: Sequence[Number], y: Sequence[fmpq]) -> list[list[Number]]:
        self.gradient(h, y)  # raises at a kink
        return [[fmpq(0) for _ in h] for _ in h]

    def label(self, h: Sequence[fmpq], d: Sequence[fmpq]) -> list[fmpq] | None:
        one_hot = [[fmpq(int(j == c)) for j in range(len(h))] for c in range(len(h))]
        return next((y for y in one_hot if self.pieces(h, y) == [list(d)]), None)

    def reach(self, h: Sequence[fmpq], d: Sequence[fmpq]) -> fmpq:
        s = 1 / max(max(d), fmpq(1))  # slopes are e_j − e_c or 0
        return fmpq(0) if self.label(h, [s * a for a in d]) is None else s

    def conjugate(self, d: Sequence[fmpq], y: Sequence[fmpq]) -> Number:
        c = _class_of(y)
        if sum(d, fmpq(0)) or any(a < 0 for j, a in enumerate(d) if j != c) or d[c] < -1:
            raise ValueError(f"{[str(a) for a in d]} is no slope of the {self.name} with label {c}")
        return d[c]

    def into_domain(self, d: Sequence[fmpq], y: Sequence[fmpq]) -> fmpq:
        c = _class_of(y)
        if sum(d, fmpq(0)) or any(a < 0 for j, a in enumerate(d) if j != c):
            return fmpq(0)
        return min(fmpq(1), -1 / d[c]) if d[c] < 0 else fmpq(1)

    def values_array(self, h: Floats, y: Floats) -> Floats:
        values: Floats = (h + 1 - y).max(axis=-1) - (h * y).sum(axis=-1)
        return values

    def gradients_array(self, h: Floats, y: Floats) -> Floats:
        slopes: Floats = np.eye(h.shape[-1])[(h + 1 - y).argmax(axis=-1)] - y
        return slopes

    def hessians_array(self, h: Floats, y: Floats) -> Floats:
        return np.zeros((*h.shape, h.shape[-1]))


def _class_of(y: Sequence[fmpq]) -> int:
    if sorted(y) != [0] * (len(y) - 1) + [1]:
        raise ValueError(f"the multi-class hinge takes one-hot labels, got {[str(a) for a in y]}")
    return list(y).index(fmpq(1))


multiclass_hinge: Loss = _MulticlassHinge()
"""Crammer and Singer's max_j (1[j ≠ c] + h_j) − h_c for one-hot labels of class c: convex, polyhedral."""

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
