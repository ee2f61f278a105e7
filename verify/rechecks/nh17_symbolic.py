"""Rechecks for ``verify/test_nh17_symbolic.py``.

The sentences are about formulas for all values; here both sides are evaluated at an instance's own numbers, and
far along a sequence where a sentence is about a limit.
"""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

from verify.rechecks.irrational import differ, exceeds, exp, log, root
from verify.rechecks.layers import with_ones
from verify.rechecks.linear_algebra import matrix, scaled, times
from verify.rechecks.polynomials import polynomial_at, slope_of

# --- activations -----------------------------------------------------------------------------------------


def logistic(u):
    """1 / (1 + e⁻ᵘ); its distances from 0 and 1 keep their leading digits."""
    p = exp(abs(u))
    return p / (1 + p) if u >= 0 else 1 / (1 + p)


def softplus(alpha, t):
    """log(1 + e^{αt}) / α."""
    u = alpha * t
    return (log(1 + exp(-abs(u))) + max(u, Fraction(0))) / alpha


def steep(name, alpha, t):
    """σ(t), σ′(t) and σ″(t) of the sigmoid and tanh of α t."""
    k = {"sigmoid": 1, "tanh": 2}[name]  # tanh u = 2 S(2u) − 1
    s, c = logistic(k * alpha * t), k * alpha
    slope = k * c * s * (1 - s)
    return k * s - (k - 1), slope, c * slope * (1 - 2 * s)


def steep_value(name, alpha, t):
    """σ(t) for the activations by name, u = α t inside (the identity is t)."""
    u = alpha * t
    if name == "softplus":
        return softplus(alpha, t)
    if name == "identity":
        return t
    if name == "cubed and divided":
        return (u / root(1 + u * u)) ** 3
    if name == "tanh cubed":
        return steep("tanh", alpha, t)[0] ** 3
    return steep(name, alpha, t)[0]


def parameters_of(instance):
    """σ's name, α and t."""
    return instance["name"], Fraction(instance["alpha"]), Fraction(instance["t"])


def growth_bound_fails(instance: dict[str, Any], rate=1, share=1) -> bool:
    """At the instance's t, enclosed to 2⁻¹⁸⁰, the softplus exceeds a bound with the ρ of the sentence: ρ₁e^{ρ₂t}
    for t < 0, with ρ₁ = 1/α and ρ₂ = ``rate`` · α, or t + ρ₄ for t ≥ 0, with ρ₄ = log(2) / (``share`` · α)."""
    _, alpha, t = parameters_of(instance)
    bound = exp(rate * alpha * t) / alpha if t < 0 else t + log(2) / (share * alpha)
    return exceeds(softplus(alpha, t), bound)


def keeps_growing(instance: dict[str, Any], side=1) -> bool:
    """|σ(t)| > |t| / 2 at ``side`` · t = 1, 2, 4, …, 1024, and softplus and identity, being convex or concave, go on
    like this; |σ| would have to stay bounded, or below a ρ₁e^{ρ₂t} with ρ₂ > 0, which tends to 0 as t → −∞."""
    name, alpha, _ = parameters_of(instance)
    points = [Fraction(side * 2**k) for k in range(11)]
    return all(exceeds(abs(steep_value(name, alpha, t)), abs(t) / 2) for t in points)


def slope_vanishes(instance: dict[str, Any]) -> bool:
    """σ rises from each of t − 1, t − 1/2, t, t + 1/2, t + 1 to the next, as a strictly increasing σ must, and
    yet σ′(t) = 0, exactly: the slope is a product with tanh(αt)² or (αt)², which is 0."""
    name, alpha, t = parameters_of(instance)
    values = [steep_value(name, alpha, t + Fraction(k, 2)) for k in range(-2, 3)]
    if name == "sigmoid":
        slope = steep(name, alpha, t)[1]
    elif name == "tanh cubed":
        f, once, _ = steep("tanh", alpha, t)
        slope = 3 * f * f * once
    else:  # the derivative of u³ / (1 + u²)^{3/2} is 3 u² / (1 + u²)^{5/2}
        u = alpha * t
        slope = 3 * alpha * u * u / root(1 + u * u) ** 5
    return all(exceeds(b, a) for a, b in itertools.pairwise(values)) and slope == 0


def display_fails(instance: dict[str, Any], twice=2, factor="2", share=1, anywhere=False) -> bool:
    """At the instance's u = αt, enclosed to 2⁻¹⁸⁰, one of these fails: tanh u = 2 / (1 + e^{−``twice`` u}) − 1;
    1 + eᵘ ≤ ``factor`` eᵘ where u ≥ 0 or ``anywhere``; 0 ≤ σ₃(t) ≤ eᵘ / (``share`` α), and ≤ log(2)/α + t for
    t ≥ 0."""
    _, alpha, t = parameters_of(instance)
    u, s, p = alpha * t, softplus(alpha, t), exp(alpha * t)
    return (
        differ((exp(u) - exp(-u)) / (exp(u) + exp(-u)), 2 / (1 + exp(-twice * u)) - 1)
        or ((t >= 0 or anywhere) and exceeds(1 + p, Fraction(factor) * p))
        or exceeds(0, s)
        or exceeds(s, p / (share * alpha))
        or (t >= 0 and exceeds(s, log(2) / alpha + t))
    )


def logarithm_is_above(instance: dict[str, Any], share=1, square=0, strictly=False) -> bool:
    """At the instance's x > −1, log(1 + x), enclosed to 2⁻¹⁸⁰, exceeds x / ``share`` − ``square`` · x² / 2, or
    is equal to it (at x = 0, exactly) where the sentence says "<"."""
    x = Fraction(instance["x"])
    value, bound = log(1 + x), x / share - square * x * x / 2
    return exceeds(value, bound) or (strictly and value == bound)


# --- softplus and ReLU -----------------------------------------------------------------------------------


def relu_error(alpha, x):
    """σ_α(x) − max(0, x)."""
    return softplus(alpha, x) - max(x, Fraction(0))


def softplus_stays_away(instance: dict[str, Any]) -> bool:
    """For the instance's x and its α times 1, 2, 4, …, 1024, σ_α(x) is more than x / 2 below max{0, x} = x > 0:
    it does not tend to max{0, x} as |α| grows."""
    _, alpha, x = parameters_of(instance)
    return x > 0 and all(exceeds(-relu_error(alpha * 2**k, x), x / 2) for k in range(11))


def error_exceeds_the_bound(instance: dict[str, Any], times_log2=1) -> bool:
    """At the instance's α and x, enclosed to 2⁻¹⁸⁰, the error σ_α(x) − max{0, x} exceeds the bound
    ``times_log2`` · log(2) / α²."""
    _, alpha, x = parameters_of(instance)
    return exceeds(relu_error(alpha, x), times_log2 * log(2) / alpha**2)


def slope_stays_away(instance: dict[str, Any]) -> bool:
    """At the instance's x and for α times 1, 2, 4, …, 1024, the slope 1 / (1 + e^{−αx}) of σ_α is more than 1/4
    away from 0 and from 1: it tends to neither, and the ReLU has no other slope, on either side of x."""
    _, alpha, x = parameters_of(instance)
    slopes = [logistic(alpha * 2**k * x) for k in range(11)]
    return all(exceeds(min(s, 1 - s), Fraction(1, 4)) for s in slopes)


def error_at_zero_is_larger(instance: dict[str, Any]) -> bool:
    """For the instance's α and x, enclosed to 2⁻¹⁸⁰, the error σ_α − max{0, ·} is larger at 0 than at x."""
    _, alpha, x = parameters_of(instance)
    return exceeds(relu_error(alpha, Fraction(0)), relu_error(alpha, x))


# --- the losses ------------------------------------------------------------------------------------------


def mixture_of(at):
    """The c_j ≠ 0 and k_j in l(a) = −log Σ c_j e^{−k_j a²}."""
    delta, A, w = (Fraction(at[name]) for name in ("delta", "A", "w"))
    if at["name"] == "Blake-Zisserman":
        return [(Fraction(1), Fraction(1)), (delta, Fraction(0))]
    return [(c, k) for c, k in ((A, Fraction(1)), ((1 - A) / w, 1 / w**2)) if c]


def robust_loss(at, a):
    """l(a), l′(a), l″(a) of a loss of Section 3.2 or Tukey's biweight (c = δ), or None where l is not defined."""
    square, name = Fraction(at["delta"]) ** 2, at["name"]
    if name == "Tukey":
        rest = max(1 - a * a / square, Fraction(0))
        return square / 6 * (1 - rest**3), a * rest**2, rest**2 - 4 * a * a / square * rest
    q = 1 + a * a / square
    if name == "pseudo-Huber":
        s = root(q)
        return 2 * square * (s - 1), 2 * a / s, 2 / s**3
    if name == "Cauchy":
        return square * log(q), 2 * a / q, (4 - 2 * q) / q**2
    terms = mixture_of(at)
    low = min(k for _, k in terms)  # l(a) = low a² − log v(a), with the leading digits kept in v
    parts = [(c * exp((low - k) * a * a), k - low) for c, k in terms]
    v = sum(p for p, _ in parts)
    first = sum(-2 * k * a * p for p, k in parts) / v if v else v
    second = sum((4 * k * k * a * a - 2 * k) * p for p, k in parts) / v if v else v
    if not exceeds(v, 0):
        return None
    return low * a * a - log(v), 2 * low * a - first, 2 * low + first**2 - second


def critical_point_is_not_a_minimum(instance: dict[str, Any]) -> bool:
    """l is a function of a², so l′(0) = 0, and l(a) < l(0) at the instance's a; or l′(a) = 0, exactly, and
    l(a) > l(0): in either case a critical point is no global minimum."""
    here, zero = robust_loss(instance, Fraction(instance["a"])), robust_loss(instance, Fraction(0))
    if here is None or zero is None or zero[1] != 0:
        return False
    return exceeds(zero[0], here[0]) or (here[1] == 0 and exceeds(here[0], zero[0]))


def loss_is_not_defined(instance: dict[str, Any]) -> bool:
    """Blake and Zisserman's loss −log(e^{−a²} + δ) is to be defined on ℝ, and at the instance's a the argument
    of the logarithm, enclosed to 2⁻¹⁸⁰, is not positive."""
    a, delta = Fraction(instance["a"]), Fraction(instance["delta"])
    return instance["name"] == "Blake-Zisserman" and not exceeds(exp(-a * a) + delta, 0)


def loss_bends_down(instance: dict[str, Any]) -> bool:
    """l″(a) < 0 at the instance's a, enclosed to 2⁻¹⁸⁰: l is not convex."""
    found = robust_loss(instance, Fraction(instance["a"]))
    return found is not None and exceeds(0, found[2])


def loss_is_a_parabola(instance: dict[str, Any]) -> bool:
    """l″ is one and the same positive number at a = −4, …, 4: a mixture with one exponential left has
    l(a) = k a² − log c, which is convex."""
    bends = [robust_loss(instance, Fraction(a))[2] for a in range(-4, 5)]
    return bends[0] > 0 and all(b == bends[0] for b in bends)


def does_not_begin_like(instance: dict[str, Any], coefficient="1") -> bool:
    """Of the expansion l(a) = c a² + O(a⁴) in the sentence, with the ``coefficient`` c, l(0) = 0 or l″(0) = 2c is
    false; both derivatives of l at 0 come from its formula, and l(0) is enclosed to 2⁻¹⁸⁰."""
    delta = Fraction(instance["delta"])
    c = 1 / (1 + delta) if coefficient == "1 / (1 + delta)" else {"1": 1, "delta^2": delta**2}[coefficient]
    value, _, bend = robust_loss(instance, Fraction(0))
    return differ(value, 0) or differ(bend, 2 * c)


def tends_to_another_limit(instance: dict[str, Any], slope=2, shift=0) -> bool:
    """l′ of the pseudo-Huber loss from a = 2¹⁰⁰ to 2¹⁰¹, or l of Blake and Zisserman's from a = 16 to 32, changes
    by less than 10⁻³⁰, and there it is further than that from the limit of the sentence: ``slope`` · δ for l′,
    −log(``shift`` + δ) for l."""
    delta = Fraction(instance["delta"])
    if instance["name"] == "pseudo-Huber":
        near, far = (robust_loss(instance, Fraction(2**k))[1] for k in (100, 101))
        return not differ(near, far) and differ(far, slope * delta)
    near, far = (robust_loss(instance, Fraction(a))[0] for a in (16, 32))
    return not differ(near, far) and differ(far, -log(shift + delta))


# --- convex losses ---------------------------------------------------------------------------------------


def critical_point_is_not_best(instance: dict[str, Any], alone=False) -> bool:
    """l′(r) = 0, and at some a = r ± k/8 with 0 < k ≤ 128, l(a) < l(r), or l(a) = l(r) where r is said to be
    ``alone``; all of it exactly."""
    c, r = [Fraction(e) for e in instance["c"]["tuple"]], Fraction(instance["r"])
    here = polynomial_at(c, r)
    others = [polynomial_at(c, r + Fraction(k, 8)) for k in range(-128, 129) if k]
    beaten = any(b < here or (alone and b == here) for b in others)
    return polynomial_at(slope_of(c), r) == 0 and beaten


def slope_is_a_constant(instance: dict[str, Any]) -> bool:
    """l″ = 0, so l is convex, and l′ is a constant that is not 0: l has no critical point."""
    slope = slope_of([Fraction(e) for e in instance["c"]["tuple"]])
    return slope[0] != 0 and not any(slope_of(slope))


# --- decreasing activations ------------------------------------------------------------------------------


def last_layer(instance, stack, sign):
    """F_k of the network with ``sign`` · softsign, and the biases in the last rows of the stack."""
    f = matrix(instance["X"])
    for w in stack:
        f = [[sign * t / (1 + abs(t)) for t in row] for row in times(with_ones(f), w)]
    return f


def outputs_are_not_opposite(instance: dict[str, Any], weights=2, biases=False) -> bool:
    """For σ = softsign, F_L(−σ; W, b) ≠ −F_L(σ; W′, b′), exactly, where W′_l = −W_l from the layer number
    ``weights`` on, W′_l = W_l below it, and b′ = −b if ``biases`` change their sign, else b."""
    stack = [matrix(w) for w in instance["stack"]["tuple"]]
    changed = [
        scaled(-1 if l >= weights else 1, w[:-1]) + scaled(-1 if biases else 1, w[-1:])
        for l, w in enumerate(stack, 1)
    ]
    return last_layer(instance, stack, -1) != scaled(-1, last_layer(instance, changed, 1))


# --- the limits of Gori and Tesi -------------------------------------------------------------------------


def first_quotient_at_most(name, alpha, t):
    """An upper bound of σ′ / (d̄ − σ) at t > 0 for σ = u / √(1 + u²) or arctan u, u = α t > 1, d̄ = σ(∞)."""
    u = alpha * t
    if name == "algebraic":  # d̄ − σ = 1 / (s (s + u)), σ′ = α / s³
        s = root(1 + u * u)
        return alpha * (s + u) / s**2
    return alpha / ((1 + u * u) * (1 / u - 1 / (3 * u**3)))  # d̄ − σ = arctan(1/u) > 1/u − 1/(3u³)


def quotient_tends_to_zero(instance: dict[str, Any]) -> bool:
    """At t = 2¹⁰, 2²⁰, 2⁴⁰ and 2⁸⁰ the first quotient σ′ / (d̄ − σ) is below 4 / t: it tends to 0, and its limit
    was to be positive."""
    name, alpha, _ = parameters_of(instance)
    points = [Fraction(2**k) for k in (10, 20, 40, 80)]
    return name in ("algebraic", "arctan") and all(
        first_quotient_at_most(name, alpha, t) < 4 / t for t in points
    )


def quotients_at(name, alpha, t):
    """σ′ / |d − σ| and |σ″| / |d − σ| with the limit d of σ on the side of t, for the sigmoid and tanh."""
    value, slope, bend = steep(name, alpha, t)
    end = 1 if t > 0 else {"sigmoid": 0, "tanh": -1}[name]
    return [abs(slope / (end - value)), abs(bend / (end - value))]


def quotient_does_not_tend_to_one(instance: dict[str, Any], quotients=4) -> bool:
    """One of the first so many ``quotients`` (two at t → ∞, two at t → −∞) changes by less than 10⁻³⁰ from
    |t| = 512 to |t| = 1024, and there it is further than that from 1, its limit in the sentence."""
    name, alpha, _ = parameters_of(instance)
    near, far = (
        [q for side in (1, -1) for q in quotients_at(name, alpha, Fraction(side * t))] for t in (512, 1024)
    )
    return any(not differ(p, q) and differ(q, 1) for p, q in list(zip(near, far))[:quotients])
