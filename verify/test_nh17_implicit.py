"""Nguyen & Hein (2017), Section 4: Theorem 4.6 (implicit functions)."""

from itertools import pairwise

from flint import arb, fmpq, fmpq_poly

from strategies.deep_wide import Bivariate, bivariate_polynomials
from verify import (
    REFUTED,
    Rung,
    Verdict,
    claim,
    decide,
    decide_equal,
    drop,
    inconclusive,
    mutant,
    printed,
    repaired,
    vacuous,
)
from verify.nh17 import count_roots, value_at
from verify.papers import NH17
from verify.rechecks.nh17_implicit import (
    no_function_without_the_slope,
    roots_are_not_one,
    two_functions_solve,
    unit_box_is_too_large,
)


def in_v(f: Bivariate, u: fmpq | arb) -> list:
    """The coefficients of Ψ(u, ·), constant first."""
    table = f.c.table()
    found = [u * 0 + row for row in table[-1]]
    for row in reversed(table[:-1]):
        found = [e * u + c for e, c in zip(found, row, strict=True)]
    return found


def unique_function(f: Bivariate) -> Verdict:
    """Another simple root v1 of Ψ(u0, ·) continues to another function with Ψ(u, α(u)) = 0."""
    p = fmpq_poly(in_v(f, f.u0))
    slope = p.derivative()
    if slope(f.v0) == 0:
        return vacuous("the Jacobian is singular")
    if p.gcd(slope).degree() > 0:
        return vacuous("Ψ(u0, ·) has a double root elsewhere")
    rest = p // fmpq_poly([-f.v0, 1])
    ends = range(-16, 17)
    for low, high in pairwise(ends):
        if rest(fmpq(low)) * rest(fmpq(high)) <= 0:
            return decide(
                False,
                why=f"Ψ(u0, ·) has another simple root in [{low}, {high}]: a second function goes through it.",
                values={"Psi(u0, v)": str(p), "v0": f.v0},
                margin=fmpq(1),
            )
    return vacuous("no other root was found in [−16, 16]")


def function_near(f: Bivariate, *, singular: bool = False) -> Verdict:
    """On a box around (u0, v0) every u has exactly one v with Ψ(u, v) = 0: signs on its edges, ∂Ψ/∂v of one sign."""
    if singular:
        return loses_roots(f)
    if fmpq_poly(in_v(f, f.u0)).derivative()(f.v0) == 0:
        return vacuous("the Jacobian is singular")
    for j in range(2, 14):
        high = fmpq(1, 1 << j)
        for i in range(j, j + 14, 4):
            if is_graph(f, fmpq(1, 1 << i), high):
                return decide(
                    True,
                    why="one root for every u",
                    values={"epsilon": fmpq(1, 1 << i), "delta": high},
                    rung=Rung.BALL,
                )
    return inconclusive("no box was found")


def is_graph(f: Bivariate, eps: fmpq, delta: fmpq) -> bool:
    """Whether ∂Ψ/∂v has one sign on the box, and Ψ different ones on its lower and its upper edge."""
    psi = in_v(f, arb(f.u0, eps))
    slope = value_at([e * j for j, e in enumerate(psi)][1:], arb(f.v0, delta))
    low, high = (value_at(psi, arb(f.v0 + side * delta)) for side in (-1, 1))
    return bool((slope > 0 and low < 0 and high > 0) or (slope < 0 and low > 0 and high < 0))


def loses_roots(f: Bivariate, *, step=fmpq(1, 1 << 20), within=fmpq(1, 16)) -> Verdict:
    """At u = u0 ± ``step`` no v or several with |v − v0| < ``within`` have Ψ(u, v) = 0; one at both leaves it open."""
    for u in (f.u0 + step, f.u0 - step):
        p = fmpq_poly(in_v(f, u))
        if p == 0:
            return decide(False, why="Ψ(u, ·) = 0: every v is a root.", values={"u": u})
        count = 0
        if p.degree() > 0:
            count = count_roots(p, f.v0 - within, f.v0 + within) - (p(f.v0 + within) == 0)
        if count != 1:
            return decide(
                False,
                why=f"Ψ(u, ·) has {count} roots nearer than {within} to v0.",
                values={"u": u, "Psi(u, v)": str(p)},
            )
    return inconclusive("one root at both")


def unit_box(f: Bivariate) -> Verdict:
    """For |u − u0| < 1 exactly one v with |v − v0| < 1 has Ψ(u, v) = 0: refuted at u0 ± (1 − 2^−20)."""
    if fmpq_poly(in_v(f, f.u0)).derivative()(f.v0) == 0:
        return vacuous("the Jacobian is singular")
    if is_graph(f, fmpq(1), fmpq(1)):
        return decide(True, why="one root for every u", rung=Rung.BALL)
    return loses_roots(f, step=1 - fmpq(1, 1 << 20), within=fmpq(1))


@claim(
    "NH17/thm4.6",
    paper=NH17,
    where="Theorem 4.6 (implicit functions), Section 4",
    says=r"\Psi(u_0, v_0) = 0,\ \det J_v\Psi(u_0, v_0) \ne 0 \Rightarrow \exists\,\epsilon > 0 \text{ and a unique } \alpha: B(u_0, \epsilon) \to \mathbb{R}^t,\ \Psi(u, \alpha(u)) = 0",
    assumes={"Jacobian": r"\det J_v\Psi(u_0, v_0) \ne 0"},
)
@printed(
    REFUTED,
    bivariate_polynomials(),
    recheck=two_functions_solve,
    note="unique only among functions with values near v0 (or continuous ones with alpha(u0) = v0); the proof of Theorem 3.8 uses existence and continuity",
)
@repaired(
    r"\exists\,\epsilon, \delta > 0: \text{ for } |u - u_0| < \epsilon \text{ exactly one } \alpha(u) \text{ with } |\alpha(u) - v_0| < \delta,\ \Psi(u, \alpha(u)) = 0",
    bivariate_polynomials(),
    conclude=function_near,
    examples=80,
    needs=60,
)
@drop(
    "Jacobian",
    REFUTED,
    bivariate_polynomials(singular=True),
    conclude=lambda f: function_near(f, singular=True),
    recheck=no_function_without_the_slope,
)
@mutant(
    "exactly one root for every u",
    bivariate_polynomials(),
    conclude=lambda f: decide_equal(
        count_roots(fmpq_poly(in_v(f, f.u0)), fmpq(-(10**6)), fmpq(10**6)),
        1,
        named=("roots of Psi(u0, v)", "1"),
    ),
    recheck=roots_are_not_one,
)
@mutant(
    "epsilon = 1 and delta = 1 will do",
    bivariate_polynomials(),
    conclude=unit_box,
    recheck=unit_box_is_too_large,
)
def test_implicit_functions_are_unique(f: Bivariate) -> Verdict:
    """Where the Jacobian by v is regular, a unique function α solves Ψ(u, α(u)) = 0 near u0."""
    return unique_function(f)
