"""What a loss is, and one that is the sum of a function of each output."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from flint import fmpq

from strategies.bits import Floats, Number

__all__ = ["Loss", "NotDifferentiable", "OutputwiseLoss"]


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
    formula: str = ""
    """ℓ(h, y) in LaTeX, for whoever reads a counterexample."""
    one_sided: Callable[[Number, fmpq], tuple[Number, Number]] | None = field(default=None, repr=False)
    """Both one-sided second derivatives, for a φ that is C¹ and whose φ″ may jump; None: φ″ nowhere jumps."""

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

    def curvatures(self, h: Sequence[Number], y: Sequence[fmpq]) -> list[tuple[Number, Number]]:
        """The one-sided second derivatives by every output. Raises ``NotDifferentiable`` at a kink."""
        if self.one_sided is not None:
            return [self.one_sided(a, b) for a, b in zip(h, y, strict=True)]
        return [(self.curvature(a, b),) * 2 for a, b in zip(h, y, strict=True)]

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
