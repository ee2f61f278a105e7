"""Activations, elementwise: exact on the rationals, in balls, and in float64, with two derivatives.

The sigmoid, tanh, softplus and exp count **in bits**: 1 / (1 + 2^−t), (4^t − 1) / (4^t + 1), log₂(1 + 2^t)
and 2^t, the usual ones at t ln 2 (softplus over ln 2), so that all but softplus are rational at integers, and
the derivative of softplus is the sigmoid. "two sigmoids" is S(t − 6) + S(t + 6), S the sigmoid: increasing,
bounded, analytic, and steep at two places. "affine inside" is t on [−1, 1] and ±2 − 1/t outside: increasing,
bounded, C¹, and not analytic at ±1. "cubic" is t + t³. "tanh cubed" is tanh³: strictly increasing, with
slope 0 at 0. "minus sigmoid", "minus tanh" and "minus softplus" decrease.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from flint import arb, fmpq, fmpq_mat
from numpy.typing import NDArray

__all__ = ["ACTIVATIONS", "Activation"]

Number = fmpq | arb
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Activation:
    """An elementwise activation σ.

    ``exact`` maps a rational to a rational or raises ``ValueError`` where the value is irrational;
    ``ball`` encloses, ``array`` is float64. ``slope`` and ``curvature`` are σ′ and σ″ for either kind of
    number, rational at rationals iff ``rational``; a ball that straddles a kink gives the hull of the
    one-sided slopes. ``pieces`` says which linear (or constant) piece a rational lies in, 0 exactly at a kink
    or jump, so that a pattern is locally constant iff no 0 occurs; it is None for smooth activations.
    """

    name: str
    exact: Callable[[fmpq], fmpq] = field(repr=False)
    ball: Callable[[arb], arb] = field(repr=False)
    array: Callable[[Floats], Floats] = field(repr=False)
    slope: Callable[[Number], Number] = field(repr=False)
    curvature: Callable[[Number], Number] = field(repr=False)
    slope_array: Callable[[Floats], Floats] = field(repr=False)
    pieces: Callable[[fmpq], int] | None = field(repr=False, default=None)
    rational: bool = True
    """Whether σ, σ′ and σ″ are rational at every rational."""
    odd: bool = False
    formula: str = ""
    """σ(t) in LaTeX, for whoever reads a counterexample."""

    @property
    def kinked(self) -> bool:
        """Whether σ has a kink or jump (all of ours are at 0)."""
        return self.pieces is not None and self.pieces(fmpq(0)) == 0

    def apply(self, a: fmpq_mat) -> fmpq_mat:
        """The activation of every entry, exactly."""
        return fmpq_mat(a.nrows(), a.ncols(), [self.exact(e) for e in a.entries()])

    def at(self, t: Number) -> Number:
        """σ(t): rational at a rational (or ``ValueError``), a ball at a ball."""
        return self.exact(t) if isinstance(t, fmpq) else self.ball(t)


_ZERO, _ONE = fmpq(0), fmpq(1)


def _sign(t: fmpq) -> int:
    return int(t > 0) - int(t < 0)


def _bits(base: int, t: fmpq) -> fmpq:
    if t.q != 1:
        raise ValueError(f"{base}^{t} is irrational: the sigmoids are exact at integers only")
    return fmpq(base ** int(t.p)) if t >= 0 else fmpq(1, base ** -int(t.p))


def _softplus(t: fmpq) -> fmpq:
    if t != 0:
        raise ValueError(f"softplus is irrational at {t}: use balls")
    return _ONE


def _flat(t: Number) -> Number:
    return _ZERO


def _either(below: fmpq, above: fmpq) -> Callable[[Number], Number]:
    """The slope ``below`` for t < 0, ``above`` for t > 0, their hull where a ball leaves it open."""

    def slope(t: Number) -> Number:
        if t > 0:
            return above
        if t < 0 or isinstance(t, fmpq):
            return below
        return arb(below).union(arb(above))

    return slope


def _tanh(t: Number) -> arb:
    return (arb(t) * arb.const_log2()).tanh()


def _sigmoid(t: Number) -> arb:
    return 1 / (1 + (-arb(t) * arb.const_log2()).exp())


def _exp(t: Number) -> arb:
    return (arb(t) * arb.const_log2()).exp()


def _sigmoid_array(t: Floats) -> Floats:
    half: Floats = 0.5 + 0.5 * np.tanh(t * (np.log(2.0) / 2))
    return half


def _serpentine_slope(t: Number) -> Number:
    q = 1 + t * t
    return (1 - t * t) / (q * q)


def _serpentine_curvature(t: Number) -> Number:
    q = 1 + t * t
    return 2 * t * (t * t - 3) / (q * q * q)


def _softsign_slope(t: Number) -> Number:
    q = 1 + (t if t >= 0 else -t if t <= 0 else abs(arb(t)))
    return 1 / (q * q)


def _softsign_curvature(t: Number) -> Number:
    if isinstance(t, arb) and not (t > 0 or t < 0):
        return arb(-2).union(arb(2))
    q = 1 + (t if t >= 0 else -t)
    return (-2 if t > 0 else 2 if t < 0 else 0) / (q * q * q)


_LN2 = float(np.log(2.0))


def _affine_inside(t: fmpq) -> fmpq:
    return t if abs(t) <= 1 else (2 if t > 0 else -2) - 1 / t


def _affine_inside_ball(t: arb) -> arb:
    up, down = arb.max(t, arb(1)), arb.max(-t, arb(1))
    return arb.max(arb.min(t, arb(1)), arb(-1)) + (1 - 1 / up) - (1 - 1 / down)


def _affine_inside_slope(t: Number) -> Number:
    if -1 <= t <= 1:
        return _ONE
    q = t if t > 1 or t < -1 else arb.max(abs(arb(t)), arb(1))
    return 1 / (q * q)


def _affine_inside_curvature(t: Number) -> Number:
    if -1 <= t <= 1:
        return _ZERO
    if t > 1 or t < -1:
        return -2 / (t * t * t)
    return arb(-2).union(arb(2))


_ALL = (
    Activation(
        "linear", lambda t: t, lambda t: t, lambda t: t,
        lambda t: _ONE, _flat, np.ones_like, lambda t: 1, odd=True,
        formula=r"t",
    ),
    Activation(
        "relu", lambda t: max(t, _ZERO), lambda t: arb.max(t, arb(0)), lambda t: np.maximum(t, 0.0),
        _either(_ZERO, _ONE), _flat, lambda t: (t > 0).astype(float), _sign,
        formula=r"\max(t, 0)",
    ),
    Activation(
        "leaky relu", lambda t: max(t, t / 4), lambda t: arb.max(t, t / 4), lambda t: np.maximum(t, t / 4),
        _either(fmpq(1, 4), _ONE), _flat, lambda t: np.where(t > 0, 1.0, 0.25), _sign,
        formula=r"\max(t, t/4)",
    ),
    Activation(
        "abs", lambda t: abs(t), lambda t: abs(t), np.abs,
        _either(-_ONE, _ONE), _flat, lambda t: np.where(t > 0, 1.0, -1.0), _sign,
        formula=r"|t|",
    ),
    Activation(
        "step",
        lambda t: fmpq(int(t > 0)),
        lambda t: arb(1) if t > 0 else arb(0) if t <= 0 else arb(0).union(arb(1)),
        lambda t: (t > 0).astype(float),
        _flat, _flat, np.zeros_like, _sign,
        formula=r"1 \text{ if } t > 0, \text{ else } 0",
    ),
    Activation(
        "square", lambda t: t * t, lambda t: t * t, np.square,
        lambda t: 2 * t, lambda t: fmpq(2), lambda t: 2 * t,
        formula=r"t^2",
    ),
    Activation(
        "quadratic", lambda t: t + t * t, lambda t: t + t * t, lambda t: t + t * t,
        lambda t: 1 + 2 * t, lambda t: fmpq(2), lambda t: 1 + 2 * t,
        formula=r"t + t^2",
    ),
    Activation(
        "cube", lambda t: t * t * t, lambda t: t * t * t, lambda t: t * t * t,
        lambda t: 3 * t * t, lambda t: 6 * t, lambda t: 3 * t * t, odd=True,
        formula=r"t^3",
    ),
    Activation(
        "cubic", lambda t: t + t * t * t, lambda t: t + t * t * t, lambda t: t + t * t * t,
        lambda t: 1 + 3 * t * t, lambda t: 6 * t, lambda t: 1 + 3 * t * t, odd=True,
        formula=r"t + t^3",
    ),
    Activation(
        "serpentine", lambda t: t / (1 + t * t), lambda t: t / (1 + t * t), lambda t: t / (1 + t * t),
        _serpentine_slope, _serpentine_curvature, lambda t: (1 - t * t) / np.square(1 + t * t), odd=True,
        formula=r"t / (1 + t^2)",
    ),
    Activation(
        "softsign", lambda t: t / (1 + abs(t)), lambda t: t / (1 + abs(t)), lambda t: t / (1 + np.abs(t)),
        _softsign_slope, _softsign_curvature, lambda t: 1 / np.square(1 + np.abs(t)), odd=True,
        formula=r"t / (1 + |t|)",
    ),
    Activation(
        "tanh",
        lambda t: (p := _bits(4, t)) and (p - 1) / (p + 1),
        _tanh,
        lambda t: np.tanh(t * _LN2),
        lambda t: (1 - _tanh(t) * _tanh(t)) * arb.const_log2(),
        lambda t: -2 * _tanh(t) * (1 - _tanh(t) * _tanh(t)) * arb.const_log2() * arb.const_log2(),
        lambda t: _LN2 * (1 - np.square(np.tanh(t * _LN2))),
        rational=False, odd=True,
        formula=r"(4^t - 1) / (4^t + 1)",
    ),
    Activation(
        "sigmoid",
        lambda t: 1 / (1 + _bits(2, -t)),
        _sigmoid,
        _sigmoid_array,
        lambda t: (s := _sigmoid(t)) and s * (1 - s) * arb.const_log2(),
        lambda t: (s := _sigmoid(t)) and s * (1 - s) * (1 - 2 * s) * arb.const_log2() * arb.const_log2(),
        lambda t: _LN2 * _sigmoid_array(t) * _sigmoid_array(-t),
        rational=False,
        formula=r"1 / (1 + 2^{-t})",
    ),
    Activation(
        "softplus",
        _softplus,
        lambda t: (1 + _exp(t)).log() / arb.const_log2(),
        lambda t: np.logaddexp2(0.0, t),
        _sigmoid,
        lambda t: (s := _sigmoid(t)) and s * (1 - s) * arb.const_log2(),
        _sigmoid_array,
        rational=False,
        formula=r"\log_2(1 + 2^t)",
    ),
    Activation(
        "exp", lambda t: _bits(2, t), _exp, np.exp2,
        lambda t: _exp(t) * arb.const_log2(),
        lambda t: _exp(t) * arb.const_log2() * arb.const_log2(),
        lambda t: _LN2 * np.exp2(t), rational=False,
        formula=r"2^t",
    ),
    Activation(
        "two sigmoids",
        lambda t: 1 / (1 + _bits(2, 6 - t)) + 1 / (1 + _bits(2, -6 - t)),
        lambda t: _sigmoid(t - 6) + _sigmoid(t + 6),
        lambda t: _sigmoid_array(t - 6.0) + _sigmoid_array(t + 6.0),
        lambda t: sum(((s := _sigmoid(t + c)) * (1 - s) for c in (-6, 6)), arb(0)) * arb.const_log2(),
        lambda t: sum(((s := _sigmoid(t + c)) * (1 - s) * (1 - 2 * s) for c in (-6, 6)), arb(0))
        * arb.const_log2() * arb.const_log2(),
        lambda t: (
            _LN2 * _sigmoid_array(t - 6) * _sigmoid_array(6 - t)
            + _LN2 * _sigmoid_array(t + 6) * _sigmoid_array(-6 - t)
        ),
        rational=False,
        formula=r"1 / (1 + 2^{6 - t}) + 1 / (1 + 2^{-6 - t})",
    ),
    Activation(
        "tanh cubed",
        lambda t: (p := _bits(4, t)) and ((p - 1) / (p + 1)) ** 3,
        lambda t: (s := _tanh(t)) * s * s,
        lambda t: np.tanh(t * _LN2) ** 3,
        lambda t: 3 * (s := _tanh(t)) * s * (1 - s * s) * arb.const_log2(),
        lambda t: (
            6 * (s := _tanh(t)) * (1 - s * s) * (1 - 2 * s * s) * arb.const_log2() * arb.const_log2()
        ),
        lambda t: 3 * _LN2 * np.square(np.tanh(t * _LN2)) * (1 - np.square(np.tanh(t * _LN2))),
        rational=False, odd=True,
        formula=r"((4^t - 1) / (4^t + 1))^3",
    ),
    Activation(
        "affine inside", _affine_inside, _affine_inside_ball,
        lambda t: np.where(np.abs(t) <= 1, t, np.sign(t) * (2.0 - 1.0 / np.maximum(np.abs(t), 1.0))),
        _affine_inside_slope, _affine_inside_curvature,
        lambda t: 1.0 / np.square(np.maximum(np.abs(t), 1.0)),
        formula=r"t \text{ if } |t| \le 1, \text{ else } \pm 2 - 1/t",
    ),
)  # fmt: skip


def _minus(a: Activation) -> Activation:
    """−σ: decreasing where σ increases."""
    return replace(
        a,
        name=f"minus {a.name}",
        formula=f"-({a.formula})",
        exact=lambda t: -a.exact(t),
        ball=lambda t: -a.ball(t),
        array=lambda t: -a.array(t),
        slope=lambda t: -a.slope(t),
        curvature=lambda t: -a.curvature(t),
        slope_array=lambda t: -a.slope_array(t),
    )


_DECREASING = tuple(_minus(a) for a in _ALL if a.name in ("sigmoid", "tanh", "softplus"))

ACTIVATIONS: dict[str, Activation] = {a.name: a for a in _ALL + _DECREASING}
"""Every activation by name."""
