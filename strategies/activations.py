"""Activations, elementwise: exact on the rationals, in balls, and in float64.

The sigmoid and tanh count **in bits**: 1 / (1 + 2^−t) and (4^t − 1) / (4^t + 1), the usual ones at t ln 2,
so that both are rational at integers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from flint import arb, fmpq, fmpq_mat

__all__ = ["ACTIVATIONS", "Activation"]


@dataclass(frozen=True)
class Activation:
    """An elementwise activation.

    ``exact`` maps a rational to a rational or raises ``ValueError`` where the value is irrational;
    ``ball`` encloses, ``array`` is float64. ``pieces`` says which linear (or constant) piece a rational
    lies in, 0 exactly at a kink or jump, so that a pattern is locally constant iff no 0 occurs;
    it is None for smooth activations.
    """

    name: str
    exact: Callable[[fmpq], fmpq] = field(repr=False)
    ball: Callable[[arb], arb] = field(repr=False)
    array: Callable[[np.ndarray], np.ndarray] = field(repr=False)
    pieces: Callable[[fmpq], int] | None = field(repr=False, default=None)

    def apply(self, a: fmpq_mat) -> fmpq_mat:
        """The activation of every entry, exactly."""
        return fmpq_mat(a.nrows(), a.ncols(), [self.exact(e) for e in a.entries()])


def _sign(t: fmpq) -> int:
    return int(t > 0) - int(t < 0)


def _bits(base: int, t: fmpq) -> fmpq:
    if t.q != 1:
        raise ValueError(f"{base}^{t} is irrational: the sigmoids are exact at integers only")
    return fmpq(base ** int(t.p)) if t >= 0 else fmpq(1, base ** -int(t.p))


_ALL = (
    Activation("linear", lambda t: t, lambda t: t, lambda t: t, lambda t: 1),
    Activation(
        "relu", lambda t: max(t, fmpq(0)), lambda t: arb.max(t, arb(0)), lambda t: np.maximum(t, 0.0), _sign
    ),
    Activation(
        "leaky relu",
        lambda t: max(t, t / 4),
        lambda t: arb.max(t, t / 4),
        lambda t: np.maximum(t, t / 4),
        _sign,
    ),
    Activation("abs", lambda t: abs(t), lambda t: abs(t), np.abs, _sign),
    Activation(
        "step",
        lambda t: fmpq(int(t > 0)),
        lambda t: arb(1) if t > 0 else arb(0) if t <= 0 else arb(0).union(arb(1)),
        lambda t: (t > 0).astype(float),
        _sign,
    ),
    Activation(
        "tanh",
        lambda t: (p := _bits(4, t)) and (p - 1) / (p + 1),
        lambda t: (t * arb.const_log2()).tanh(),
        lambda t: np.tanh(t * np.log(2.0)),
    ),
    Activation(
        "sigmoid",
        lambda t: 1 / (1 + _bits(2, -t)),
        lambda t: 1 / (1 + (-t * arb.const_log2()).exp()),
        lambda t: 0.5 + 0.5 * np.tanh(t * np.log(2.0) / 2),
    ),
)

ACTIVATIONS: dict[str, Activation] = {a.name: a for a in _ALL}
"""Every activation by name."""
