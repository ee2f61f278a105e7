"""Rechecks for ``verify/test_nh17_ramps.py``: determinants of ramps, and permutations."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from typing import Any

from verify.rechecks.layers import with_ones
from verify.rechecks.linear_algebra import determinant, matrix, number
from verify.rechecks.many_bits import is_rational_there, sigma, two_to_the

# --- ramps ---------------------------------------------------------------------------------------------


def ramp_arguments(ramps, alpha=None):
    """α (t_j − t_i) + β, i in [N], j in [N − 1]."""
    t, beta = matrix(ramps["t"])[0], number(ramps["beta"])
    alpha = number(ramps["alpha"]) if alpha is None else Fraction(alpha)
    return [[alpha * (u - s) + beta for u in t[:-1]] for s in t]


def ramp_values(ramps, alpha=None):
    """A(α)."""
    return [[sigma(ramps["activation"], t) for t in row] for row in ramp_arguments(ramps, alpha)]


def limits_of(name):
    """μ = σ(−∞) and γ = σ(∞)."""
    return {"sigmoid": (0, 1), "tanh": (-1, 1), "two sigmoids": (0, 2), "serpentine": (0, 0)}[name]


def limit_of_the_ramps(ramps):
    """lim [1, A(α)] as α → ∞: σ(±∞) or σ(β), by the sign of t_j − t_i."""
    mu, gamma = (Fraction(e) for e in limits_of(ramps["activation"]))
    middle = sigma(ramps["activation"], number(ramps["beta"]))
    t = matrix(ramps["t"])[0]
    return [[Fraction(1), *(gamma if u > s else mu if u < s else middle for u in t[:-1])] for s in t]


def limit_of_the_determinant_is_not(instance: dict[str, Any], base="μ", minus="σ(β)", more=0) -> bool:
    """The entries of [1, A(α)] tend to σ(−∞), σ(β) or σ(∞), by the sign of t_j − t_i. The determinant of
    their limit is 0, or it is not (base − minus)^(N − 1 + more)."""
    mu, gamma = limits_of(instance["activation"])
    number_of = {"μ": mu, "γ": gamma, "σ(β)": sigma(instance["activation"], number(instance["beta"]))}
    n, limit = len(instance["t"][0]), determinant(limit_of_the_ramps(instance))
    return limit == 0 or limit != (number_of[base] - number_of[minus]) ** (n - 1 + more)


def limit_has_other_entries(instance: dict[str, Any]) -> bool:
    """The matrix with γ = σ(∞) for i >= j >= 2, σ(β) for j = i + 1 and μ = σ(−∞) above is not the limit of
    [1, A(α)]: below the diagonal t_j < t_i, so that the arguments tend to −∞ and the entries to μ."""
    mu, gamma = limits_of(instance["activation"])
    middle, n = sigma(instance["activation"], number(instance["beta"])), len(instance["t"][0])
    places = range(n)
    said = [
        [1 if j == 0 else gamma if i >= j else middle if j == i + 1 else mu for j in places] for i in places
    ]
    return said != limit_of_the_ramps(instance)


def determinant_stays_away(instance: dict[str, Any], sign=1, more=0, ones_first=False) -> bool:
    """With α such that α times the least gap of the t_i is 64, 128 and 256, det [A(α), 1] (or det [1,
    A(α)], ones first) stays more than 10⁻⁵ away from the limit that is said, sign · σ(β)^(N − 1 +
    more); at the lemma's rate it would be nearer."""
    t = matrix(instance["t"])[0]
    n, gap = len(t), min(v - u for u, v in itertools.pairwise(t))
    said = sign * sigma(instance["activation"], number(instance["beta"])) ** (n - 1 + more)

    def distance(alpha):
        a = ramp_values(instance, alpha)
        return abs(determinant([[1, *row] for row in a] if ones_first else with_ones(a)) - said)

    return all(distance(alpha / gap) > Fraction(1, 10**5) for alpha in (64, 128, 256))


def entry_exceeds_its_bound(instance: dict[str, Any], rate=1, fourth=True) -> bool:
    """Some |A_ij| exceeds its bound, δ = t_j − t_i: ρ₁ 2^(ρ₂ (β + rate · α δ)) for an argument α δ + β < 0
    below the diagonal, ρ₃ (α δ + β) + ρ₄ (unless the fourth is left out) for one > 0 above it. The ρ
    are constants with |σ(t)| <= ρ₁ 2^(ρ₂ t) for t < 0 and <= ρ₃ t + ρ₄ for t >= 0; for 2^t, which has
    none, all are 1."""
    first, second, third, last = {
        "sigmoid": (1, 1, 1, 1),
        "softplus": (Fraction(3, 2), 1, 1, 1),
        "two sigmoids": (65, 1, 1, 2),
        "exp": (1, 1, 1, 1),
    }[instance["activation"]]
    beta, error = number(instance["beta"]), Fraction(1, 2**900)
    for i, row in enumerate(ramp_arguments(instance)):
        for j, t in enumerate(row):
            if i > j and t < 0:
                bound = first * two_to_the(second * (beta + rate * (t - beta)))
            elif i < j and t > 0:
                bound = third * t + (last if fourth else 0)
            else:
                continue
            if abs(sigma(instance["activation"], t)) > bound + error:
                return True
    return False


def determinant_is_not_positive(instance: dict[str, Any]) -> bool:
    """det [A(α), 1] <= 0 at increasing t_i: in fractions where all arguments are whole numbers, and
    otherwise below −2⁻⁹⁰⁰, from entries with 1000 bits."""
    name, arguments = instance["activation"], ramp_arguments(instance)
    exact = all(is_rational_there(name, t) for row in arguments for t in row)
    return determinant(with_ones(ramp_values(instance))) <= (0 if exact else -Fraction(1, 2**900))


def some_steeper_ramps_are_singular(instance: dict[str, Any], alpha=1) -> bool:
    """At the α that is said to be steep enough det [A(α), 1] is 0, or it is negative and positive at 2^k
    α: in between it vanishes, so that the rank is below N for a larger α. All in fractions."""

    def at(steepness):
        return determinant(with_ones(ramp_values(instance, steepness)))

    return at(alpha) == 0 or (at(alpha) < 0 and any(at(alpha * 2**k) > 0 for k in range(1, 12)))


def product_is_not_the_determinant(instance: dict[str, Any]) -> bool:
    """Sigmoids at whole numbers, p_i = 2^(α t_i) and c_j = 2^(α t_j + β): det [A, 1] is not the product Π
    c_j Π (p_k − p_i) / Π (p_i + c_j), which lacks the Π (c_l − c_j)."""
    alpha, beta = number(instance["alpha"]), number(instance["beta"])
    samples = [alpha * e for e in matrix(instance["t"])[0]]
    if instance["activation"] != "sigmoid" or any(e.denominator > 1 for e in (*samples, beta)):
        return False
    p, c = [two_to_the(e) for e in samples], [two_to_the(e + beta) for e in samples[:-1]]
    product = math.prod(c) / math.prod(e + f for e in p for f in c)
    product *= math.prod(f - e for e, f in itertools.combinations(p, 2))
    return determinant(with_ones(ramp_values(instance))) != product


# --- permutations --------------------------------------------------------------------------------------


def ups_and_downs(permutation):
    """How often π(j) > j and π(j) < j."""
    images = permutation["images"]["tuple"]
    return sum(e > j for j, e in enumerate(images, 1)), sum(e < j for j, e in enumerate(images, 1))


def never_goes_up(instance: dict[str, Any]) -> bool:
    """No j has π(j) > j: the permutation moves nothing up."""
    return ups_and_downs(instance)[0] == 0


def goes_up_but_once(instance: dict[str, Any]) -> bool:
    """π(j) > j for one j alone; so π is not the identity."""
    return ups_and_downs(instance)[0] == 1


def goes_up_and_down_unequally(instance: dict[str, Any]) -> bool:
    """The numbers of j with π(j) > j and with π(j) < j differ."""
    up, down = ups_and_downs(instance)
    return up != down
