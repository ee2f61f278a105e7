"""Losses of classes, which do not split over the outputs: cross-entropy in bits, multi-class hinge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from flint import arb, fmpq

from strategies.bits import Floats, Number, entropy, exact_power_of_two, log2, power_of_two
from strategies.loss import Loss, NotDifferentiable

__all__ = ["cross_entropy", "multiclass_hinge"]


@dataclass(frozen=True)
class _CrossEntropy:
    name: str = "cross-entropy"
    formula: str = r"\log_2 \sum_k 2^{h_k} - \langle y, h \rangle"
    convex: bool = True
    differentiable: bool = True
    smoothness: fmpq | None = field(default=fmpq(7, 20))

    def _softmax(self, h: Sequence[Number]) -> list[Number]:
        exact = self._exact_softmax([a for a in h if isinstance(a, fmpq)])
        if exact is not None and len(exact) == len(h):
            return [*exact]
        powers = [power_of_two(a) for a in h]
        total = sum(powers[1:], powers[0])
        return [p / total for p in powers]

    def value(self, h: Sequence[Number], y: Sequence[fmpq]) -> Number:
        powers = [power_of_two(a) for a in h]
        return log2(sum(powers[1:], powers[0])) - sum((a * b for a, b in zip(h, y, strict=True)), fmpq(0))

    def gradient(self, h: Sequence[Number], y: Sequence[fmpq]) -> list[Number]:
        return [p - b for p, b in zip(self._softmax(h), y, strict=True)]

    def hessian(self, h: Sequence[Number], y: Sequence[fmpq]) -> list[list[Number]]:
        p, ln2 = self._softmax(h), arb.const_log2()
        return [[ln2 * (a * (1 - b) if i == j else -a * b) for j, b in enumerate(p)] for i, a in enumerate(p)]

    def _exact_softmax(self, h: Sequence[fmpq]) -> list[fmpq] | None:
        """Rational iff the outputs differ by integers: p_i / p_j = 2^(h_i − h_j)."""
        powers = [p for a in h if (p := exact_power_of_two(a - h[0])) is not None]
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
        return sum((entropy(a) for a in p), fmpq(0))

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
    formula: str = r"\max_j (1[j \ne c] + h_j) - h_c, \quad y_c = 1"
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
