"""Formulas, and inequalities between them that are proved for all values at once.

A formula is a sympy expression in t (or a) and positive parameters. ``enclose`` evaluates it at exact
numbers, rationally where it can and in balls where not; ``positive`` and ``nonnegative`` prove signs:

* a rational function of positive symbols whose numerator and denominator have coefficients of one sign each
  is positive or negative; so is one of one symbol without roots in (0, ∞), counted by Sturm;
* f >= 0 on (0, ∞) if f(0+) >= 0 and f′ >= 0 there: each derivative removes a logarithm.

``proves`` applies them to f(t) on t > 0 and t < 0, with e^{αt} = 1 + s or (1 + s)/s, 1/(1 + s) or s/(1 + s)
and s > 0: from either end. There exponentials become rational, and so do the tails that no box of balls
decides. A sign rests on coefficients or on a count of roots, an identity on a polynomial that is zero; sympy
is trusted with derivatives, substitution and cancelling, with limits at 0 where a value there is not finite,
and with no other simplification. What is not proved is not thereby false.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from types import SimpleNamespace
from typing import Any, TypeAlias

from flint import arb, fmpq

__all__ = [
    "activation",
    "enclose",
    "generators",
    "increases",
    "is_nonnegative_polynomial",
    "is_zero",
    "limit",
    "nonnegative",
    "positive",
    "proves",
    "robust",
]

Number = fmpq | arb
Expression: TypeAlias = Any


@cache
def generators() -> SimpleNamespace:
    """The symbols: t real; a, s, alpha, delta, A, B, w positive (B stands for 1 − A; our losses are even)."""
    import sympy as sp

    made = {n: sp.Symbol(n, positive=True) for n in ("a", "s", "alpha", "delta", "A", "B", "w")}
    return SimpleNamespace(t=sp.Symbol("t", real=True), **made)


@cache
def activation(name: str) -> Expression:
    """σ(t) with steepness α; those but "identity" are of the paper, or what its sentences are tried on."""
    import sympy as sp

    g = generators()
    u = g.alpha * g.t
    formulas = {
        "sigmoid": 1 / (1 + sp.exp(-u)),
        "tanh": sp.tanh(u),
        "softplus": sp.log(1 + sp.exp(u)) / g.alpha,
        "softplus of -alpha": -sp.log(1 + sp.exp(-u)) / g.alpha,
        "identity": g.t,
        "tanh cubed": sp.tanh(u) ** 3,
        "cubed and divided": u**3 / (1 + u**2) ** sp.Rational(3, 2),
        "algebraic": u / sp.sqrt(1 + u**2),
        "arctan": sp.atan(u),
    }
    return formulas[name]


@cache
def robust(name: str) -> Expression:
    """l(a), Section 3.2, in δ or in A, B = 1 − A and w; "Welsch" is 1 − e^{−a²}."""
    import sympy as sp

    g = generators()
    square = g.delta**2
    formulas = {
        "squared": g.a**2,
        "pseudo-Huber": 2 * square * (sp.sqrt(1 + g.a**2 / square) - 1),
        "Blake-Zisserman": -sp.log(sp.exp(-(g.a**2)) + g.delta),
        "corrupted Gaussian": -sp.log(g.A * sp.exp(-(g.a**2)) + g.B * sp.exp(-(g.a**2) / g.w**2) / g.w),
        "Cauchy": square * sp.log(1 + g.a**2 / square),
        "Welsch": 1 - sp.exp(-(g.a**2)),
    }
    return formulas[name]


def enclose(f: Expression, values: Mapping[str, fmpq]) -> Number:
    """f with exact numbers for its symbols: rational where all its parts are, else a ball.

    Raises ``ValueError`` for the logarithm or root of what is not certainly positive.
    """
    if f.is_Symbol:
        return values[f.name]
    if f.is_Rational:
        return fmpq(int(f.p), int(f.q))
    parts = [enclose(e, values) for e in f.args]
    kind = type(f).__name__
    if kind == "Add":
        return sum(parts[1:], parts[0])
    if kind == "Mul":
        product = parts[0]
        for p in parts[1:]:
            product = product * p
        return product
    if kind == "Pow":
        return _power(*parts)
    a = parts[0]
    if kind == "Max":
        return max(parts) if all(isinstance(p, fmpq) for p in parts) else arb.max(*map(arb, parts))
    if kind == "Abs":
        return a if isinstance(a, fmpq) and a >= 0 else -a if isinstance(a, fmpq) else abs(a)
    if kind == "log":
        if not a > 0:
            raise ValueError(f"the logarithm of {a} is not defined")
        return fmpq(0) if a == 1 else arb(a).log()
    whole: Mapping[str, Callable[[arb], arb]] = {
        "exp": arb.exp, "tanh": arb.tanh, "atan": arb.atan, "sqrt": arb.sqrt,
    }  # fmt: skip
    if a == 0 and isinstance(a, fmpq):
        return fmpq(int(kind == "exp"))
    return whole[kind](arb(a))


def _power(base: Number, exponent: Number) -> Number:
    assert isinstance(exponent, fmpq)
    n, q = int(exponent.p), int(exponent.q)
    if q == 2:
        if not base > 0:
            raise ValueError(f"the root of {base} is not defined")
        square = isinstance(base, fmpq) and base.p.is_square() and base.q.is_square()
        base = base.sqrt() if square else arb(base).sqrt()
    return base**n


# --- signs -------------------------------------------------------------------------------------------


def _without_roots(f: Expression) -> Expression | None:
    """f with a positive symbol for every exponential and every root of something positive; None: cannot."""
    import sympy as sp

    for e in sorted(f.atoms(sp.exp), key=str):
        f = f.xreplace({e: sp.Dummy(positive=True)})
    for p in sorted(f.atoms(sp.Pow), key=str):
        if p.exp.is_Rational and p.exp.q == 2:
            if not positive(p.base):
                return None
            root = sp.Dummy(positive=True)
            f = f.subs({p.base ** sp.Rational(k, 2): root**k for k in (-5, -3, -1, 1, 3, 5)})
    return f


def positive(f: Expression) -> bool:
    """Whether f > 0 is proved for all positive values of its symbols."""
    import sympy as sp

    rational = _without_roots(f)
    if rational is None or rational.has(sp.log, sp.tanh, sp.atan):
        return False
    if not all(e.is_positive for e in rational.free_symbols):
        return False
    above, below = sp.fraction(sp.cancel(sp.together(rational)))
    signs = [_sign_of(above), _sign_of(below)]
    return signs[0] is not None and signs[0] == signs[1] and signs[0] != 0


def _sign_of(f: Expression) -> int | None:
    """The sign of a polynomial for all positive values of its symbols, None where that is not proved."""
    import sympy as sp

    symbols = sorted(f.free_symbols, key=str)
    if not symbols:
        return int(sp.sign(f))
    if not f.is_polynomial(*symbols):
        return None
    poly = sp.Poly(f, *symbols)
    signs = {int(sp.sign(c)) for c in poly.coeffs()}
    if len(signs) == 1:
        return signs.pop()
    if len(symbols) > 1:
        return None
    lowest = min(m for (m,) in poly.monoms())
    core = sp.Poly(sp.cancel(poly.as_expr() / symbols[0] ** lowest), *symbols)
    return None if core.count_roots(0, None) else int(sp.sign(core.LC()))


def is_zero(f: Expression) -> bool:
    """Whether f is zero identically: as a rational function of its symbols, exponentials and roots."""
    import sympy as sp

    return bool(sp.cancel(sp.together(f.rewrite(sp.exp))) == 0)


@cache
def nonnegative(f: Expression, depth: int = 3) -> bool:
    """Whether f >= 0 on (0, ∞), f a function of s alone, is proved."""
    import sympy as sp

    s = generators().s
    if f.free_symbols - {s}:
        return False
    if not f.has(s):
        return is_at_least_zero(f)
    if positive(f) or is_zero(f):
        return True
    if depth == 0 or not f.has(sp.log):
        return False
    start = f.subs(s, 0)
    if not start.is_finite:
        start = sp.limit(f, s, 0, "+")
    if not (start == sp.oo or (start.is_finite and is_at_least_zero(start))):
        return False
    slope = sp.cancel(sp.together(sp.diff(f, s)))
    return nonnegative(slope, depth - 1)


def is_at_least_zero(f: Expression) -> bool:
    """Whether a number is >= 0: exactly zero as a polynomial in logarithms, or certified in balls."""
    import sympy as sp

    expanded = sp.expand(sp.expand_log(f))
    return bool(expanded == 0 or enclose(expanded, {}) > 0)


REGIONS = {"t > 0": (1,), "t < 0": (-1,), "all t": (1, -1)}


@cache
def proves(f: Expression, region: str = "all t") -> bool:
    """Whether f(t) >= 0 on the region ("t > 0", "t < 0" or "all t") is proved for every α > 0.

    At τ = α t a formula of ours is its value at α = 1 times a power of α, which is checked; hence α = 1.
    """
    import sympy as sp

    g = generators()
    scaled, one = f.subs(g.t, g.t / g.alpha), f.subs(g.alpha, 1)
    if not any(is_zero(scaled * g.alpha**k - one) for k in (0, 1, -1)):
        return False
    starts = {1: (1 + g.s, (1 + g.s) / g.s), -1: (g.s / (1 + g.s), 1 / (1 + g.s))}

    def on(x: Expression) -> Expression:
        return one.rewrite(sp.exp).subs(g.t, sp.log(x))

    return all(any(nonnegative(on(x)) for x in starts[side]) for side in REGIONS[region])


def increases(f: Expression) -> bool:
    """Whether f′(t) > 0 for all t and all α > 0 is proved, with e^{αt} = s."""
    import sympy as sp

    g = generators()
    return positive(sp.diff(f, g.t).rewrite(sp.exp).subs(g.t, sp.log(g.s) / g.alpha))


def limit(f: Expression, symbol: str, to: str) -> Expression:
    """lim f as the symbol tends to 0+, oo or -oo."""
    import sympy as sp

    return sp.limit(f, getattr(generators(), symbol), sp.sympify(to), "+" if to == "0" else "-")


def is_nonnegative_polynomial(coefficients: tuple[fmpq, ...]) -> bool:
    """Whether a polynomial (lowest coefficient first) is >= 0 on R: by its roots of odd multiplicity."""
    import sympy as sp

    x = generators().a
    poly = sp.Poly([sp.Rational(int(c.p), int(c.q)) for c in reversed(coefficients)] or [0], x)
    if poly.is_zero:
        return True
    if poly.LC() < 0:
        return False
    return all(q.count_roots() == 0 for q, k in poly.sqf_list()[1] if k % 2)
