"""Is what algebra proves true, and does it prove nothing else?"""

import math
from typing import get_args

import pytest
import sympy as sp
from flint import arb, fmpq, fmpq_poly
from hypothesis import given
from hypothesis import strategies as st

from reports.cards import RUNGS
from reports.record import Rung as RecordedRung
from strategies.formulas import convex_polynomials, robust_losses, steep_activations, value
from strategies.losses import ROBUST, blake_zisserman, cauchy, corrupted_gaussian, pseudo_huber
from strategies.numbers import integers
from tests.debug import assert_all_examples, drawn
from verify import Rung
from verify.oracles.symbolic import (
    activation,
    enclose,
    generators,
    increases,
    is_nonnegative_polynomial,
    is_zero,
    limit,
    nonnegative,
    positive,
    proves,
    robust,
)

G = generators()
SOFTPLUS, X = activation("softplus"), sp.exp(G.alpha * G.t)
LN2 = sp.log(2)
TRUE = [
    (G.t + LN2 / G.alpha - SOFTPLUS, "t > 0"),
    (LN2 / G.alpha - SOFTPLUS, "t < 0"),
    (X / G.alpha - SOFTPLUS, "all t"),
    (SOFTPLUS - G.t, "all t"),
    (SOFTPLUS, "all t"),
    (2 * X - 1 - X, "t > 0"),
    (1 - activation("tanh"), "all t"),
    (activation("sigmoid"), "all t"),
    (G.t - activation("softplus of -alpha"), "t < 0"),
    (1 / G.alpha + X / G.alpha - 2 * sp.sqrt(X) / G.alpha, "t > 0"),
]
FALSE = [
    (G.t + LN2 / (2 * G.alpha) - SOFTPLUS, "t > 0"),
    (X**2 / G.alpha - SOFTPLUS, "t < 0"),
    (X / (2 * G.alpha) - SOFTPLUS, "all t"),
    (2 * X - 1 - X, "t < 0"),
    (1 - SOFTPLUS, "all t"),
    (activation("tanh"), "all t"),
    (LN2 / G.alpha**2 - SOFTPLUS, "t < 0"),
    (1 - G.t, "t > 0"),
    (sp.Integer(-1), "all t"),
]


def at(t, alpha):
    return {"t": fmpq(t), "alpha": fmpq(alpha)}


@pytest.mark.parametrize("case", range(len(TRUE) - 1))
def test_what_is_proved_holds_at_points(case):
    """Balls that share no code with the proof: never certainly negative, and certainly positive mostly."""
    f, region = TRUE[case]
    assert proves(f, region)
    above = 0
    for u in drawn(steep_activations(), 200):
        t = abs(u.t) if region == "t > 0" else -abs(u.t) if region == "t < 0" else u.t
        slack = enclose(f, at(t, u.alpha))
        assert not slack < 0
        above += slack > 0
    assert above >= 100


def test_roots_of_exponentials_are_not_proved():
    """(√x − 1)² / α >= 0 is true; nothing here proves it, which is no verdict on it."""
    assert not proves(*TRUE[-1])


@pytest.mark.parametrize("case", range(len(FALSE)))
def test_what_is_false_is_not_proved(case):
    assert not proves(*FALSE[case])


def test_steepness_other_than_by_scaling_is_not_taken_for_scaling():
    """t − α t >= 0 is true on t > 0 at α = 1 and false at α = 2."""
    assert not proves(G.t - G.alpha * G.t, "t > 0")
    assert not proves(1 / G.alpha - 1 + 0 * G.t, "all t")


@given(st.lists(integers(4), min_size=1, max_size=5), st.lists(integers(4), min_size=1, max_size=4))
def test_rational_functions_proved_positive_are_positive(above, below):
    """Against values at many points, and against the roots that flint isolates."""
    s = G.s
    p, q = (sum(c * s**k for k, c in enumerate(cs)) for cs in (above, below))
    if not any(below) or not any(above):
        return
    points = [fmpq(k, 8) for k in range(1, 80)]
    values = [(value(tuple(map(fmpq, above)), x), value(tuple(map(fmpq, below)), x)) for x in points]
    claimed = positive(sp.cancel(p / q))
    if claimed:
        assert all(a * b > 0 for a, b in values if b)
    else:
        common = fmpq_poly(above).gcd(fmpq_poly(below))
        a, b = fmpq_poly(above) // common, fmpq_poly(below) // common
        real = [
            r.real for poly in (a, b) if poly.degree() > 0 for r, _ in poly.complex_roots() if r.imag == 0
        ]
        assert any(r > 0 for r in real) or a(1) * b(1) < 0


def test_signs_with_logarithms_and_roots():
    s = G.s
    assert nonnegative(s - sp.log(1 + s))
    assert not nonnegative(s / 2 - sp.log(1 + s))
    assert nonnegative(sp.log(2) + sp.log(1 + s) - sp.log(2 + s))
    assert not nonnegative(sp.log(1 + s) - s)
    assert nonnegative(sp.log(1 + s) - s / (1 + s))
    assert not positive(G.a - 1)
    assert positive(sp.sqrt(1 + G.a**2) + 1 / sp.sqrt(1 + G.a**2))
    assert not positive(sp.sqrt(G.a - 1))
    assert not positive(sp.Symbol("x", real=True) + 1)


def test_increasing_means_positive_slope():
    assert all(
        increases(activation(n)) for n in ("sigmoid", "tanh", "softplus", "softplus of -alpha", "identity")
    )
    assert not any(increases(activation(n)) for n in ("tanh cubed", "cubed and divided"))
    assert not increases(-activation("sigmoid"))


def test_formulas_evaluate_to_what_sympy_says():
    """enclose against evalf with 30 digits, for all activations and losses."""
    for u in drawn(
        steep_activations(("sigmoid", "tanh", "softplus", "arctan", "algebraic", "tanh cubed")), 60
    ):
        exact = activation(u.name).subs({G.t: sp.Rational(str(u.t)), G.alpha: sp.Rational(str(u.alpha))})
        found = arb(enclose(activation(u.name), at(u.t, u.alpha)))
        assert abs(found - arb(str(sp.N(exact, 30)))) < 1e-14
    for r in drawn(robust_losses(), 60):
        values = {"a": r.a, "delta": abs(r.delta), "A": r.A, "B": 1 - r.A, "w": r.w}
        numbers = {getattr(G, k): sp.Rational(str(v)) for k, v in values.items()}
        exact = sp.N(robust(r.name).subs(numbers), 30)
        assert abs(arb(enclose(robust(r.name), values)) - arb(str(exact))) < 1e-13
    with pytest.raises(ValueError, match="logarithm"):
        enclose(sp.log(G.a), {"a": fmpq(-1)})


def test_the_shipped_losses_are_the_formulas():
    """Those in bits at r are the natural ones at r √ln 2, over ln 2; so are slopes and curvatures."""
    ln2 = arb.const_log2()
    for r in drawn(robust_losses(shares=(4, 1, 6)), 100):
        made = {
            "pseudo-Huber": lambda: pseudo_huber(r.delta),
            "Cauchy": lambda: cauchy(r.delta),
            "Blake-Zisserman": lambda: blake_zisserman(r.delta),
            "corrupted Gaussian": lambda: corrupted_gaussian(r.A, r.w),
        }[r.name]()
        unit = ln2 if r.name in ("Blake-Zisserman", "corrupted Gaussian") else arb(1)
        values = {"a": arb(r.a) * unit.sqrt(), "delta": abs(r.delta), "A": r.A, "B": 1 - r.A, "w": r.w}
        f = robust(r.name)
        y = fmpq(1, 3)
        found = (
            made.value([r.a + y], [y]),
            made.gradient([r.a + y], [y])[0],
            made.hessian([r.a + y], [y])[0][0],
        )
        for k, number in enumerate(found):
            wanted = arb(enclose(sp.diff(f, G.a, k), values)) * unit.sqrt() ** k / unit
            assert abs(arb(number) - wanted) < 1e-12
    assert [ell.name for ell in ROBUST] == ["pseudo-Huber", "Blake-Zisserman", "corrupted Gaussian", "Cauchy"]


def test_robust_losses_refuse_other_parameters():
    for make, arguments in [
        (pseudo_huber, [0]), (cauchy, [0]), (blake_zisserman, [0]), (blake_zisserman, [-1]),
        (corrupted_gaussian, [0, 1]), (corrupted_gaussian, [1, 1]), (corrupted_gaussian, ["1/2", 0]),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match="give"):
            make(*(fmpq(*map(int, str(a).split("/"))) for a in arguments))


def test_welsch_survives_where_floats_underflow():
    """1 − e^{−a²} has the critical point 0 alone, proved; in float64 its slope at 28 is 0."""
    l = robust("Welsch")
    assert positive(sp.diff(l, G.a) / G.a)
    assert enclose(sp.diff(l, G.a), {"a": fmpq(28)}) > 0
    assert 2 * 28.0 * math.exp(-(28.0**2)) == 0.0


def test_polynomials_are_nonnegative_iff_no_sign_changes():
    P = lambda *c: is_nonnegative_polynomial(tuple(map(fmpq, c)))
    assert P()
    assert P(0)
    assert P(1, -2, 1)
    assert P(0, 0, 4, -4, 1)
    assert not P(0, 1)
    assert not P(0, 0, 0, 1)
    assert not P(1, -3, 1)
    assert not P(0, 0, -1)
    assert not P(-1)
    assert_all_examples(convex_polynomials(), lambda l: is_nonnegative_polynomial(l.derivative(2)))
    assert_all_examples(convex_polynomials(convex=False), lambda l: value(l.derivative(), l.r) == 0)


def test_limits_and_identities():
    assert limit(1 / G.a, "a", "oo") == 0
    assert limit(sp.log(1 + G.s) / G.s, "s", "0") == 1
    assert limit(sp.atan(G.t), "t", "-oo") == -sp.pi / 2
    assert is_zero(sp.tanh(G.t) - (2 / (1 + sp.exp(-2 * G.t)) - 1))
    assert not is_zero(sp.tanh(G.t) - (2 / (1 + sp.exp(-G.t)) - 1))


def test_the_rung_stands_between_rationals_and_balls_everywhere():
    assert Rung.EXACT < Rung.SYMBOLIC < Rung.BALL < Rung.FLOAT < Rung.STATISTICAL
    assert RUNGS == tuple(r.word for r in Rung) == get_args(RecordedRung)
    assert Rung.SYMBOLIC.word == "exact (symbolic)"


def test_drawn_losses_are_in_the_range_asked_for():
    assert_all_examples(robust_losses(), lambda r: 0 <= r.A <= 1 and r.w > 0 and r.delta != 0)
    assert_all_examples(robust_losses(either=()), lambda r: r.delta > 0)
    assert_all_examples(robust_losses(("Blake-Zisserman",), sign=-1), lambda r: r.delta < 0)
