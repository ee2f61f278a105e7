"""Losses that grow slower than the square: pseudo-Huber, Cauchy, Blake and Zisserman, corrupted Gaussian."""

from __future__ import annotations

from functools import cache

import numpy as np
from flint import arb, fmpq

from strategies.bits import Floats, Number, log2, power_of_two, sigmoid_array
from strategies.loss import OutputwiseLoss

__all__ = ["ROBUST", "blake_zisserman", "cauchy", "corrupted_gaussian", "pseudo_huber"]


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
        formula=rf"\sum_k 2 \delta^2 (\sqrt{{1 + (h_k - y_k)^2 / \delta^2}} - 1), \quad \delta = {delta}",
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
        formula=rf"\sum_k \delta^2 \log(1 + (h_k - y_k)^2 / \delta^2), \quad \delta = {delta}",
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
        return 1 / (1 + delta * power_of_two((h - y) * (h - y)))

    def slope(h: Number, y: fmpq) -> tuple[Number, Number]:
        s = 2 * (h - y) * share(h, y) if h != y else fmpq(0)
        return s, s

    def curvature(h: Number, y: fmpq) -> Number:
        r, q = h - y, share(h, y)
        return 2 * q if r == 0 else 2 * q - 4 * arb.const_log2() * r * r * q * (1 - q)

    def label(h: fmpq, d: fmpq) -> fmpq | None:
        return next((h - r for r in _multiples(fmpq(1)) if slope(r, fmpq(0))[0] == d), None)

    def share_array(h: Floats, y: Floats) -> Floats:
        return sigmoid_array(-np.log2(size) - (h - y) ** 2)

    return OutputwiseLoss(
        name=name or f"Blake-Zisserman {delta}",
        formula=rf"\sum_k -\log_2(2^{{-(h_k - y_k)^2}} + \delta), \quad \delta = {delta}",
        phi=lambda h, y: -log2(power_of_two(-(h - y) * (h - y)) + delta),
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
        return 1 / (1 + odds * power_of_two((h - y) * (h - y) * (1 - narrow)))

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
        return sigmoid_array(-np.log2(float(odds)) - (h - y) ** 2 * (1 - tail))

    return OutputwiseLoss(
        name=name or f"corrupted Gaussian {A} {w}",
        formula=rf"\sum_k -\log_2(A 2^{{-r_k^2}} + \tfrac{{1 - A}}{{w}} 2^{{-r_k^2 / w^2}}), "
        rf"\quad r_k = h_k - y_k, \; A = {A}, \; w = {w}",
        phi=lambda h, y: (
            -log2(A * power_of_two(-(h - y) * (h - y)) + other * power_of_two(-(h - y) * (h - y) * narrow))
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
