"""Rechecks for ``verify/test_nh17_separability.py``.

Φ = Σ l(f − y), with l₁(a) = min(a, 0)² in the own class and l₂(a) = max(a, 0)² elsewhere. Everything is
rational: the softsign everywhere, the sigmoid 1 / (1 + 2^−t) at whole numbers, σ′ without its factor log 2.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from verify.rechecks.jets import gradient_of, hessian_of, variables
from verify.rechecks.layers import hadamard, has_full_column_ranks, with_ones
from verify.rechecks.linear_algebra import dot, is_positive_definite, matrix, rank, times, turned
from verify.rechecks.networks import cut

# --- the network ---------------------------------------------------------------------------------------


def classifier_stack(at):
    """[W̃_1, …, W̃_L], the biases in the last row."""
    return [matrix(w) for w in at["stack"]["tuple"]]


def class_signs(at):
    """S, N × m: 1 where a sample is in the class of the output, −1 where it is not."""
    m = len(classifier_stack(at)[-1][0])
    return [[1 if int(c) == j else -1 for j in range(1, m + 1)] for (c,) in at["classes"]]


def one_sided(f, y, s):
    """f − y where l₁ (own class, s = 1) or l₂ (s = −1) is not zero."""
    return f - y if s * (f - y) < 0 else Fraction(0)


def two_sided(f, y, s):
    """f − y."""
    return f - y


def unit_and_slope(name, t):
    """σ(t) and σ′(t); for the sigmoid at whole numbers, σ′ without its factor log 2."""
    if name == "softsign":
        return t / (1 + abs(t)), 1 / (1 + abs(t)) ** 2
    if name == "sigmoid" and t.denominator == 1:
        s = 1 / (1 + Fraction(2) ** int(-t))
        return s, s * (1 - s)
    return {"linear": (t, Fraction(1)), "cube": (t**3, 3 * t**2)}[name]


def classifier_layers(at):
    """[F_0, …, F_L] and [σ′(G_1), …, σ′(G_L)]."""
    values, slopes = [matrix(at["X"])], []
    for w in classifier_stack(at):
        pairs = [
            [unit_and_slope(at["activation"], t) for t in row] for row in times(with_ones(values[-1]), w)
        ]
        values.append([[f for f, _ in row] for row in pairs])
        slopes.append([[s for _, s in row] for row in pairs])
    return values, slopes


def residuals(at, outputs, residual):
    """The residuals, N × m."""
    return [[residual(*t) for t in zip(*rows)] for rows in zip(outputs, matrix(at["Y"]), class_signs(at))]


def classifier_loss(at, residual):
    """Φ = Σ residual²."""
    return sum(e * e for row in residuals(at, classifier_layers(at)[0][-1], residual) for e in row)


def classifier_deltas(at, residual):
    """[Δ_1, …, Δ_L], Δ_l = ∂Φ/∂G_l, by the chain rule."""
    values, slopes = classifier_layers(at)
    top = [[2 * e for e in row] for row in residuals(at, values[-1], residual)]
    found = [hadamard(top, slopes[-1])]
    for w, s in zip(classifier_stack(at)[:0:-1], slopes[-2::-1]):
        found.insert(0, hadamard(times(found[0], turned(w[:-1])), s))
    return found


def classifier_gradient(at, residual):
    """Every entry of ∇Φ = ([F_{l−1}, 1]ᵀ Δ_l)_l."""
    pairs = zip(classifier_layers(at)[0], classifier_deltas(at, residual))
    return [e for f, delta in pairs for row in times(turned(with_ones(f)), delta) for e in row]


# --- separators ----------------------------------------------------------------------------------------


def separator(rows, signs):
    """h with s_i ⟨h, (x_i, 1)⟩ >= 1 for every row, or None: there is none.

    The simplex method: the unknowns are free, the products bounded below by 1; the first product that is too
    small changes places with the first variable that can raise it (Bland's rule).
    """
    table = [[s * e for e in (*row, Fraction(1))] for row, s in zip(rows, signs)]
    n = len(table[0])
    basic, other = list(range(n, n + len(rows))), list(range(n))
    value = [Fraction(0)] * (n + len(rows))
    while True:
        low = min((v for v in basic if v >= n and value[v] < 1), default=None)
        if low is None:
            return value[:n]
        r = basic.index(low)
        pivot = table[r]
        able = [u for u, e in zip(other, pivot) if e > 0 or (e < 0 and u < n)]
        if not able:
            return None
        c = other.index(min(able))
        step = (1 - value[low]) / pivot[c]
        value[other[c]] += step
        for v, row in zip(basic, table):
            value[v] += step * row[c]
        new = [-e / pivot[c] for e in pivot]
        new[c] = 1 / pivot[c]
        for row in table:
            if row is not pivot:
                factor, row[c] = row[c], Fraction(0)
                row[:] = [e + factor * f for e, f in zip(row, new)]
        table[r] = new
        basic[r], other[c] = other[c], low


def separators_at(at, k):
    """A separator of every class at F_k, one an output; None where a class has none."""
    features = classifier_layers(at)[0][k]
    return [separator(features, column) for column in turned(class_signs(at))]


# --- Theorem 5.3 ---------------------------------------------------------------------------------------


def loss_at_the_ends(at):
    """Φ where every output is σ(∞) in the own class and σ(−∞) elsewhere."""
    ends = {"sigmoid": (0, 1), "softsign": (-1, 1)}.get(at["activation"])
    if ends is None:  # unbounded: beyond every target
        return Fraction(0)
    outputs = [[Fraction(ends[s > 0]) for s in row] for row in class_signs(at)]
    return sum(e * e for row in residuals(at, outputs, one_sided) for e in row)


def premise_holds(at, name):
    """A further premise of a variant, by its name."""
    stack, Y = classifier_stack(at), matrix(at["Y"])
    if name == "one output":
        return len(stack[-1][0]) == 1
    if name == "one layer":
        return len(stack) == 1
    if name == "one layer and one sample":
        return len(stack) == len(Y) == 1
    if name == "constant width":
        return len({len(w) - 1 for w in stack}) == 1 == len(stack[-1][0])
    if name == "targets in (0, 1)":
        return all(0 < y < 1 for row in Y for y in row)
    if name == "W_L > 0":
        return all(e > 0 for row in stack[-1][:-1] for e in row)
    if name == "two labels":
        pairs = [(s, y) for signs, row in zip(class_signs(at), Y) for s, y in zip(signs, row)]
        labels = [{y for s, y in pairs if s == side} for side in (-1, 1)]
        return [len(v) for v in labels] == [1, 1] and labels[0].pop() < labels[1].pop()
    if name == "N = 3 and d = 1":
        return (len(Y), len(stack[0]) - 1) == (3, 1)
    if name == "rank([X, 1]) >= N - 1":
        return rank(with_ones(matrix(at["X"]))) >= len(Y) - 1
    return name == ""


def steep_units_cost_less(at, k):
    """Whether Φ(θ) exceeds what steep units along separators of F_k come near to, through wide layers."""
    stack = classifier_stack(at)
    return (
        classifier_loss(at, one_sided) > loss_at_the_ends(at)
        and all(len(w[0]) >= len(stack[-1][0]) for w in stack[k:])
        and all(h is not None for h in separators_at(at, k))
    )


def theorem_5_3_fails(instance: dict[str, Any], k=0, ranks=2, also="") -> bool:
    """∇Φ = 0 exactly, W_l has full column rank for l >= k + ranks, the further premise that is named
    holds, and F_k is linearly separable: a separator of every class is found. So steep units along the
    separators, passed on by the layers above, bring the outputs as near as one likes to σ(±∞) on the
    right sides; and there Φ is smaller than at θ."""
    return (
        premise_holds(instance, also)
        and has_full_column_ranks(classifier_stack(instance), k + ranks)
        and not any(classifier_gradient(instance, one_sided))
        and steep_units_cost_less(instance, k)
    )


def inseparable_point_is_not_global(instance: dict[str, Any]) -> bool:
    """L = 2, ∇Φ = 0 exactly, W_2 has full column rank; the inputs are numbers, those of the class fill an
    interval, and one output lies above two hidden units or more. Two steep steps make a bump that
    brings the outputs as near as one likes to σ(∞) on the interval and to σ(−∞) elsewhere; and there Φ
    is smaller than at θ."""
    stack = classifier_stack(instance)
    if len(stack) != 2 or (len(stack[0]), len(stack[1][0])) != (2, 1) or len(stack[0][0]) < 2:
        return False
    sides = [(x, s) for (x,), (s,) in zip(matrix(instance["X"]), class_signs(instance))]
    own = [x for x, s in sides if s > 0]
    return (
        bool(own)
        and not any(min(own) <= x <= max(own) for x, s in sides if s < 0)
        and has_full_column_ranks(stack, 2)
        and not any(classifier_gradient(instance, one_sided))
        and classifier_loss(instance, one_sided) > loss_at_the_ends(instance)
    )


def squared_critical_point_is_not_global(instance: dict[str, Any], also="") -> bool:
    """Φ = Σ (f − y)² on a line: X is separable, W_2 has full column rank, and ∇Φ = 0 exactly. A steep
    hidden unit brings f as near as one likes to any two values of σ on the two sides of a cut; for some
    cut the mean targets are such values, and cost less than θ."""
    X, stack = matrix(instance["X"]), classifier_stack(instance)
    if not premise_holds(instance, also) or any(h is None for h in separators_at(instance, 0)):
        return False
    if not has_full_column_ranks(stack, 2) or any(classifier_gradient(instance, two_sided)):
        return False
    here, low = classifier_loss(instance, two_sided), {"sigmoid": 0, "softsign": -1}[instance["activation"]]
    for (place,) in X:
        pairs = [(x > place, y) for (x,), (y,) in zip(X, matrix(instance["Y"]))]
        sides = [[y for above, y in pairs if above is up] for up in (False, True)]
        if all(sides):
            means = [sum(side) / len(side) for side in sides]
            there = sum((y - mean) ** 2 for side, mean in zip(sides, means) for y in side)
            if there < here and all(low < mean < 1 for mean in means):
                return True
    return False


def softsign_jet(g):
    """g / (1 + |g|), g ≠ 0."""
    size = 1 + abs(g.value)
    return g.through(g.value / size, 1 / size**2, (-2 if g.value > 0 else 2) / size**3)


def one_sided_loss_jet(at):
    """Φ, σ the softsign, with its derivatives in W̃_1, …, W̃_L; None if a pre-activation or a residual is 0."""
    stack = classifier_stack(at)
    shapes = [(len(w), len(w[0])) for w in stack]
    jets = cut(variables([e for w in stack for row in w for e in row]), shapes)
    total = Fraction(0)
    for x, y, signs in zip(matrix(at["X"]), matrix(at["Y"]), class_signs(at)):
        units = x
        for w in jets:
            units = [dot([*units, Fraction(1)], column) for column in turned(w)]
            if any(g.value == 0 for g in units):
                return None
            units = [softsign_jet(g) for g in units]
        for f, target, s in zip(units, y, signs):
            if f.value == target:
                return None
            if s * (f.value - target) < 0:
                total = (f - target) * (f - target) + total
    return total


def strict_minimum_is_not_global(instance: dict[str, Any], ranks=2, also="") -> bool:
    """∇Φ = 0 and ∇²Φ is positive definite, by congruences, where no pre-activation and no residual is 0: θ
    is a strict local minimum. X is linearly separable, W_l has full column rank for l >= ranks, the
    further premise that is named holds; yet steep units along the separators bring the outputs near
    σ(±∞) on the right sides, where Φ is smaller."""
    if instance["activation"] != "softsign" or not theorem_5_3_fails(instance, 0, ranks, also):
        return False
    total = one_sided_loss_jet(instance)
    n = sum(len(w) * len(w[0]) for w in classifier_stack(instance))
    return total is not None and not any(gradient_of(total, n)) and is_positive_definite(hessian_of(total, n))


def loss_is_not_least(instance: dict[str, Any], k=0) -> bool:
    """W_l has full column rank for l >= k + 2, and F_k is linearly separable: steep units along the
    separators, passed on by the layers above, bring the outputs as near as one likes to σ(±∞) on the
    right sides; and there Φ is smaller than at θ."""
    return has_full_column_ranks(classifier_stack(instance), k + 2) and steep_units_cost_less(instance, k)


def columns_do_not_survive(instance: dict[str, Any], every=False) -> bool:
    """L = 2, X is separable by H, W_2 has full column rank, Δ_2 ≠ 0. Some column p of Hᵀ [X, 1]ᵀ Σ_i Δ_2
    W_2ᵀ, with the slopes of hidden unit i in Σ_i, is not 0; but with i = p column p is 0, for all p (or
    for some p that was found, if every one should survive)."""
    stack, h = classifier_stack(instance), separators_at(instance, 0)
    delta = classifier_deltas(instance, one_sided)[-1]
    if len(stack) != 2 or None in h or not has_full_column_ranks(stack, 2) or not any(map(any, delta)):
        return False
    X, slopes = with_ones(matrix(instance["X"])), classifier_layers(instance)[1][0]
    moved = times(delta, turned(stack[1][:-1]))
    alive = set()
    for i in range(len(slopes[0])):
        product = times(times(h, turned(X)), [[s[i] * e for e in row] for s, row in zip(slopes, moved)])
        alive |= {(i, p) for row in product for p, e in enumerate(row) if e}
    own = {p for i, p in alive if i == p}
    return bool(alive) and (any(p not in own for _, p in alive) if every else not own)


# --- the margin ----------------------------------------------------------------------------------------


def margin_exceeds_the_gradient(
    instance: dict[str, Any], separating=True, alone=True, greatest=False, slopes_count=True
) -> bool:
    """For some k and output j the bound γ_j Π|W| Π min σ′ |Δ_L[:, j]|₁ exceeds the length of the column of
    the gradient in W̃_{k+1} where the path of j ends; the squares are rational. W_l, l >= k + 2, has
    full column rank, and at most one entry ≠ 0 a row (if the unit must feed one alone): the path
    follows the largest. γ_j is the least (or greatest) distance of F_k from the hyperplane of a
    separator, or of h = (0, 1) where it need not separate; the factors min σ′ may not count."""
    stack, (values, slopes) = classifier_stack(instance), classifier_layers(instance)
    deltas, depth, m = classifier_deltas(instance, one_sided), len(stack), len(stack[-1][0])
    for k in range(depth):
        upper = [row for w in stack[k + 1 :] for row in w[:-1]]
        feeds_one = all(sum(map(bool, row)) <= 1 for row in upper)
        if (alone and not feeds_one) or not has_full_column_ranks(stack, k + 2):
            continue
        below = with_ones(values[k])
        planes = [[Fraction(0)] * (len(below[0]) - 1) + [Fraction(1)]] * m
        if separating:
            planes = separators_at(instance, k)
        if None in planes:
            continue
        gradient = times(turned(below), deltas[k])
        for j, h in enumerate(planes):
            margins, unit = [abs(dot(h, row)) for row in below], j
            bound = (max if greatest else min)(margins) * sum(abs(row[j]) for row in deltas[-1])
            for l in range(depth, k + 1, -1):
                column = [abs(row[unit]) for row in stack[l - 1][:-1]]
                unit = column.index(max(column))
                bound *= max(column) * (min(row[unit] for row in slopes[l - 2]) if slopes_count else 1)
            if bound**2 > dot(h, h) * sum(row[unit] ** 2 for row in gradient):
                return True
    return False


# --- the losses ----------------------------------------------------------------------------------------


def loss_is_not_the_hinge(instance: dict[str, Any], power=2) -> bool:
    """Σ l(f − y), with l₁ in the own class and l₂ elsewhere, is not Σ max(0, 1 − y f)^``power``."""
    pairs = zip(classifier_layers(instance)[0][-1], matrix(instance["Y"]))
    hinge = sum(max(1 - y * f, 0) ** power for row in pairs for f, y in zip(*row))
    return classifier_loss(instance, one_sided) != hinge


def slope_of_the_first_loss(a):
    """l₁′(a), l₁(a) = min(a, 0)²."""
    return 2 * min(a, Fraction(0))


def difference_quotients_differ(instance: Any) -> bool:
    """At a = 0 the difference quotients of l₁′(a) = 2 min(a, 0) with a step h ≠ 0 differ on the two sides
    of a; they are the same for all h, so that l₁ has no second derivative at 0."""
    ((a, h),) = matrix(instance)
    if a or not h:
        return False
    right, left = (
        (slope_of_the_first_loss(a + s * abs(h)) - slope_of_the_first_loss(a)) / (s * abs(h)) for s in (1, -1)
    )
    return right != left


def slope_is_not_negative(instance: Any) -> bool:
    """l₁′(a) = 2 min(a, 0) is not negative at a."""
    return slope_of_the_first_loss(matrix(instance)[0][0]) >= 0
