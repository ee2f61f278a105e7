"""Second opinions for the deep-and-wide paper: Python's standard library alone.

Each recheck takes the JSON of an instance and says whether it refutes the claim. Its source is printed under
the counterexample, with the functions of this file that it calls: nothing else is used but ``Fraction``.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any


def samples_of_two_classes_fall_together(at: dict[str, Any]) -> bool:
    """n_k >= N − 1, distinct samples, and two samples of different classes with equal rows X W_1 + b_1."""
    x = [[Fraction(e) for e in row] for row in at["layers"]["X"]]
    stack = at["layers"]["stack"]["tuple"]
    first = [[Fraction(e) for e in row] for row in stack[0]]
    classes = [row[0] for row in at["classes"]]
    units = len(stack[-1][0])
    outputs = [
        [sum(a * w[j] for a, w in zip([*row, Fraction(1)], first)) for j in range(len(first[0]))] for row in x
    ]
    pairs = [(i, j) for i in range(len(x)) for j in range(i)]
    return (
        units >= len(x) - 1
        and all(x[i] != x[j] for i, j in pairs)
        and any(outputs[i] == outputs[j] and classes[i] != classes[j] for i, j in pairs)
    )


def vanishes_on_a_half_line(f: dict[str, Any]) -> bool:
    """f is p to the right of the knot and q to the left: one of them zero, the other not, and no others."""
    p, q = ([Fraction(e) for e in f[side][0]] for side in ("p", "q"))
    return f["kind"] == "glued" and any(p) != any(q)


def layers_of_network(net):
    """(activation, W as rows of n_{l−1} × n_l, b) of every layer at θ."""
    theta = [Fraction(row[0]) for row in net["theta"]]
    steps = net["computation"]["steps"]["tuple"]
    found = []
    for affine, act in zip(steps[::2], steps[1::2]):
        rows = [[theta[int(k)] for k in row] for row in affine["places"]]
        names = act["activations"]["tuple"]
        assert len(set(names)) == 1
        found.append((names[0], [list(c) for c in zip(*[r[:-1] for r in rows])], [r[-1] for r in rows]))
    return found


def sigma_in_bits(name, t):
    """σ(t), σ′(t) and σ″(t) at an integer, the derivatives over ln 2 and (ln 2)²; softplus at 0 in floats."""
    if name == "sigmoid":
        s = 1 / (1 + Fraction(2) ** int(-t))
        return s, s * (1 - s), s * (1 - s) * (1 - 2 * s)
    if name == "tanh":
        s = (Fraction(4) ** int(t) - 1) / (Fraction(4) ** int(t) + 1)
        return s, 1 - s * s, -2 * s * (1 - s * s)
    assert name == "softplus"
    assert t == 0
    return Fraction(1), Fraction(1, 2) / Fraction(0.6931), Fraction(1, 4) / Fraction(0.6931)


def rank_of(rows):
    """Exact rank by elimination."""
    a, rank = [list(row) for row in rows], 0
    for j in range(len(a[0])):
        p = next((i for i in range(rank, len(a)) if a[i][j]), None)
        if p is None:
            continue
        a[rank], a[p] = a[p], a[rank]
        for i in range(rank + 1, len(a)):
            f = a[i][j] / a[rank][j]
            a[i] = [x - f * y for x, y in zip(a[i], a[rank])]
        rank += 1
    return rank


def full_rank_is_reached(name, X):
    """Whether N − 1 steep sigmoids σ(t_j − t_i) in one direction give [F_1, 1] rank N, exactly."""
    if name not in ("sigmoid", "tanh"):
        return False
    t = sorted(int(sum(5**k * e for k, e in enumerate(x))) for x in X)
    rows = [[sigma_in_bits(name, u - s)[0] for u in t[:-1]] + [Fraction(1)] for s in t]
    return rank_of(rows) == len(X)


def convex_trap_above_zero(net: dict[str, Any]) -> bool:
    """n_1 >= N − 1 and W_1 = 0; units where σ″ > 0 under positive weights; Σ r = 0, Σ r x = 0, one r_i < 0.

    Then Jensen's inequality makes Σ r_i u(x_i) >= 0 for every convex u, and θ is a local minimum of Φ > 0,
    while rank [F_1, 1] = N elsewhere, the layers above are wide enough and all labels lie in σ(ℝ): min Φ = 0.
    """
    X, Y = ([[Fraction(e) for e in row] for row in net[key]] for key in ("X", "Y"))
    layers = layers_of_network(net)
    name, (_, first, _) = layers[0][0], layers[0]
    below, widths = [Fraction(0)] * len(X[0]), [len(b) for _, _, b in layers]
    for l, (_, W, b) in enumerate(layers):
        g = [sum(h * w for h, w in zip(below, column)) + c for column, c in zip(zip(*W), b)]
        values = [sigma_in_bits(name, t) for t in g]
        inner = l < len(layers) - 1
        if inner and (any(v[2] <= 0 for v in values) or (l and any(w <= 0 for row in W for w in row))):
            return False
        below = [v[0] for v in values]
    last = layers[-1][1]
    f, slope, bend = values[0]
    r = [f - y[0] for y in Y]
    inside = {"sigmoid": (0, 1), "tanh": (-1, 1), "softplus": (0, 10**9)}[name]
    return (
        not any(w for row in first for w in row)
        and all(row[0] > 0 for row in last)
        and all(y[j] == below[j] for y in Y for j in range(1, len(below)))
        and sum(e < 0 for e in r) == 1
        and sum(r) == 0
        and not any(sum(e * x[k] for e, x in zip(r, X)) for k in range(len(X[0])))
        and all(slope * slope + e * bend > 0 for e in r)
        and all(inside[0] < e < inside[1] for y in Y for e in y)
        and widths[0] >= len(X) - 1
        and min(widths) >= widths[-1]
        and full_rank_is_reached(name, X)
    )


def low_rank_convex_trap_above_zero(net: dict[str, Any]) -> bool:
    """A convex trap with L >= 3 at which some W_l, l >= 3, has rank below n_l."""
    low = [rank_of(W) < len(b) for _, W, b in layers_of_network(net)[2:]]
    return any(low) and convex_trap_above_zero(net)


def label_beyond_the_values_of_sigma(problem: dict[str, Any]) -> bool:
    """A label that is no value of σ, although every matrix of values is reached: inf Φ is not attained."""
    X, Y = ([[Fraction(e) for e in row] for row in problem[key]] for key in ("X", "Y"))
    name, widths = problem["activation"], problem["widths"]["tuple"]
    low, high = {"sigmoid": (0, 1), "tanh": (-1, 1)}[name]
    wide = widths[0] >= max(len(X) - 1, len(Y[0])) and all(w >= len(Y[0]) for w in widths)
    return wide and full_rank_is_reached(name, X) and any(not low < e < high for y in Y for e in y)


def two_minima_through_one_unit(problem: dict[str, Any]) -> bool:
    """Two strict local minima of Σ (σ(u_i) − y_i1)² + (σ(a u_i + c) − y_i2)² of different values, σ softplus.

    In floats, by damped Newton steps from many curves; the pivots of the Hessian are far from 0.
    """
    from math import exp2, log2

    X, Y = ([[float(Fraction(e)) for e in row] for row in problem[key]] for key in ("X", "Y"))
    n = len(Y)
    one_unit = problem["widths"]["tuple"] == [1, 2]
    if not one_unit or rank_of([[*map(Fraction, row), Fraction(1)] for row in problem["X"]]) < len(X):
        return False

    def value(t):
        return max(t, 0.0) + log2(1 + exp2(-abs(t)))

    def slope(t):
        return 1 / (1 + exp2(-t))

    def loss(z):
        return sum((value(u) - y[0]) ** 2 + (value(z[n] * u + z[n + 1]) - y[1]) ** 2 for u, y in zip(z, Y))

    def derivatives(z, curved):
        """∇ and ∇² over 2; without the curvature of σ and of a u, if not ``curved``."""
        a, c = z[n], z[n + 1]
        g, h = [0.0] * (n + 2), [[0.0] * (n + 2) for _ in range(n + 2)]
        for i, y in enumerate(Y):
            u = z[i]
            for t, label, d in ((u, y[0], {i: 1.0}), (a * u + c, y[1], {i: a, n: u, n + 1: 1.0})):
                e, s = value(t) - label, slope(t)
                bend = e * s * (1 - s) * 0.6931471805599453 if curved else 0.0
                for j, p in d.items():
                    g[j] += e * s * p
                    for k, q in d.items():
                        h[j][k] += (s * s + bend) * p * q
                if curved and n in d:
                    h[i][n] += e * s
                    h[n][i] += e * s
        return g, h

    def eliminated(h, g):
        """The pivots of h and the solution of h x = g."""
        size = len(g)
        a = [[*row, b] for row, b in zip(h, g)]
        pivots = []
        for k in range(size):
            pivots.append(a[k][k])
            if not abs(a[k][k]) > 1e-300:
                return pivots, None
            for i in range(k + 1, size):
                f = a[i][k] / a[k][k]
                for j in range(k, size + 1):
                    a[i][j] -= f * a[k][j]
        x = [0.0] * size
        for i in reversed(range(size)):
            x[i] = (a[i][size] - sum(a[i][j] * x[j] for j in range(i + 1, size))) / a[i][i]
        return pivots, x

    grid = [-6 + k / 2 for k in range(41)]
    found = []
    for a in (-0.125, -0.25, -0.5, -1.0, -2.0, -4.0, -8.0):
        for y in Y:
            u = min(grid, key=lambda t: abs(value(t) - y[0]))
            c = min(grid, key=lambda t: abs(value(t) - y[1])) - a * u
            z = [
                min(grid, key=lambda t: (value(t) - p[0]) ** 2 + (value(a * t + c) - p[1]) ** 2) for p in Y
            ] + [a, c]
            here, damping = loss(z), 0.1
            for _ in range(60):
                g, h = derivatives(z, False)
                if max(map(abs, g)) < 1e-11:
                    break
                for j in range(n + 2):
                    h[j][j] += damping * h[j][j] + 1e-12
                _, step = eliminated(h, g)
                moved = [max(-60.0, min(60.0, p - q)) for p, q in zip(z, step)]
                there = loss(moved)
                z, here, damping = (moved, there, damping / 5) if there <= here else (z, here, damping * 4)
            g, h = derivatives(z, True)
            pivots, _ = eliminated(h, g)
            if max(map(abs, g)) < 1e-8 and min(pivots) > 1e-7:
                found.append(here)
    return bool(found) and max(found) > min(found) * (1 + 1e-5)


def read_classifier(at):
    """X, S (1: in the class, −1: not), [W̃_1, …, W̃_L] and Y of Section 5, as fractions."""

    def table(rows):
        return [[Fraction(e) for e in row] for row in rows]

    stack = [table(w) for w in at["stack"]["tuple"]]
    m = len(stack[-1][0])
    signs = [[1 if int(row[0]) == j else -1 for j in range(1, m + 1)] for row in at["classes"]]
    return table(at["X"]), signs, stack, table(at["Y"])


def unit_and_slope(name, t):
    """σ(t) and σ′(t); for the sigmoid 1 / (1 + 2^−t) at integers, σ′ without its factor ln 2."""
    if name == "softsign":
        return t / (1 + abs(t)), 1 / (1 + abs(t)) ** 2
    if name == "sigmoid" and t.denominator == 1:
        s = 1 / (1 + Fraction(2) ** int(-t))
        return s, s * (1 - s)
    if name == "cube":
        return t**3, 3 * t**2
    raise ValueError(name)


def forward(name, X, stack):
    """[F_0, …, F_L] and [σ′(G_1), …, σ′(G_L)]."""
    features, slopes = [X], []
    for w in stack:
        g = [[sum(u * v for u, v in zip([*row, 1], column)) for column in zip(*w)] for row in features[-1]]
        pairs = [[unit_and_slope(name, t) for t in row] for row in g]
        features.append([[p[0] for p in row] for row in pairs])
        slopes.append([[p[1] for p in row] for row in pairs])
    return features, slopes


def one_sided(f, y, s):
    """f − y where l₁ (own class, s = 1) or l₂ (s = −1) is not zero."""
    return f - y if s * (f - y) < 0 else Fraction(0)


def two_sided(f, y, s):
    """f − y."""
    return f - y


def classifier_loss(at, stack, residual):
    """Σ residual²."""
    X, signs, _, Y = read_classifier(at)
    outputs = forward(at["activation"], X, stack)[0][-1]
    return sum(residual(*t) ** 2 for f, y, s in zip(outputs, Y, signs) for t in zip(f, y, s))


def classifier_gradient(at, residual):
    """Every entry of ∇Φ, by the chain rule, entry by entry."""
    X, signs, stack, Y = read_classifier(at)
    features, slopes = forward(at["activation"], X, stack)
    total = [[[Fraction(0)] * len(w[0]) for _ in w] for w in stack]
    for i in range(len(X)):
        delta = [
            2 * residual(f, y, s) * t for f, y, s, t in zip(features[-1][i], Y[i], signs[i], slopes[-1][i])
        ]
        for l in range(len(stack) - 1, -1, -1):
            for a, u in enumerate([*features[l][i], 1]):
                for p, d in enumerate(delta):
                    total[l][a][p] += u * d
            if l:
                delta = [
                    t * sum(w * d for w, d in zip(row, delta)) for row, t in zip(stack[l], slopes[l - 1][i])
                ]
    return [e for w in total for row in w for e in row]


def perceptron(rows, signs):
    """h with signs · ⟨h, (row, 1)⟩ >= 1 for every row, or None after many corrections."""
    rows = [[*row, Fraction(1)] for row in rows]
    h = [Fraction(0)] * len(rows[0])
    for _ in range(10000):
        wrong = [
            (row, s)
            for row, s in zip(rows, signs)
            if s * sum(u * v for u, v in zip(h, row)) <= Fraction(1, 100)
        ]
        if not wrong:
            least = min(abs(sum(u * v for u, v in zip(h, row))) for row in rows)
            return [e / least for e in h]
        row, s = wrong[0]
        h = [u + s * v for u, v in zip(h, row)]
    return None


def columns_are_independent(w):
    """Whether W, the rows of W̃ but the last, has full column rank."""
    left, rank = [row[:] for row in w[:-1]], 0
    for c in range(len(w[0])):
        pivot = next((row for row in left if row[c]), None)
        if pivot is not None:
            left.remove(pivot)
            left = [[x - row[c] / pivot[c] * y for x, y in zip(row, pivot)] for row in left]
            rank += 1
    return rank == len(w[0])


def theorem_5_3_fails(at, k):
    """∇Φ = 0, F_k separable, W_{k+2}, … of full column rank; and yet Φ is smaller at steep separators.

    With the sigmoid they come as close to 0 and 1 as one likes: Φ → 0 for targets strictly in between.
    """
    X, signs, stack, Y = read_classifier(at)
    m, here = len(signs[0]), classifier_loss(at, stack, one_sided)
    features = forward(at["activation"], X, stack)[0][k]
    found = [perceptron(features, [row[j] for row in signs]) for j in range(m)]
    critical = not any(classifier_gradient(at, one_sided))
    if any(h is None for h in found) or not critical or not all(map(columns_are_independent, stack[k + 1 :])):
        return False
    if at["activation"] == "sigmoid":
        inside = all(y < 1 if s > 0 else y > 0 for ys, row in zip(Y, signs) for y, s in zip(ys, row))
        return inside and all(len(w[0]) >= m for w in stack[k:]) and here > 0
    steep = Fraction(2**12)
    new = stack[:k]
    for l in range(k, len(stack)):
        into, out = len(stack[l]) - 1, len(stack[l][0])
        if l == k:
            new.append(
                [[steep * found[j][a] if j < m else Fraction(0) for j in range(out)] for a in range(into + 1)]
            )
        else:
            new.append([[steep * (a == j and j < m) for j in range(out)] for a in range(into + 1)])
    return classifier_loss(at, new, one_sided) < here


def theorem_5_3_2_fails(at: dict[str, Any]) -> bool:
    """Part 2: X separable, θ critical with full column ranks, σ′ > 0, and a smaller Φ elsewhere."""
    return theorem_5_3_fails(at, 0)


def theorem_5_3_1_fails(at: dict[str, Any]) -> bool:
    """Part 1 with L = 3, k = 1."""
    return len(at["stack"]["tuple"]) == 3 and theorem_5_3_fails(at, 1)


def theorem_5_3_2_fails_with_one_output(at: dict[str, Any]) -> bool:
    """Part 2 with one output."""
    return len(at["stack"]["tuple"][-1][0]) == 1 and theorem_5_3_fails(at, 0)


def theorem_5_3_2_fails_with_two_labels(at: dict[str, Any]) -> bool:
    """Part 2 where the targets are one number in the own class and a smaller one elsewhere, samples distinct."""
    X, signs, _, Y = read_classifier(at)
    labels = [{y for row, s in zip(Y, signs) for y, t in zip(row, s) if t == side} for side in (1, -1)]
    distinct = len({tuple(x) for x in X}) == len(X)
    return (
        distinct
        and [len(v) for v in labels] == [1, 1]
        and labels[0].pop() > labels[1].pop()
        and theorem_5_3_fails(at, 0)
    )


def theorem_5_3_2_fails_at_a_strict_minimum(at: dict[str, Any]) -> bool:
    """Part 2 at a θ with ∇Φ = 0 and ∇²Φ positive definite: all pivots of its elimination are positive.

    Second derivatives forward, as triples (value, gradient, Hessian), for the softsign away from 0.
    """
    X, signs, stack, Y = read_classifier(at)
    n = sum(len(w) * len(w[0]) for w in stack)
    span = range(n)

    def plus(a, b):
        return (
            a[0] + b[0],
            [s + t for s, t in zip(a[1], b[1])],
            [[s + t for s, t in zip(p, q)] for p, q in zip(a[2], b[2])],
        )

    def times_parameter(k, value, a):
        """θ_k a."""
        hessian = [[value * e for e in row] for row in a[2]]
        for i in span:
            hessian[k][i] += a[1][i]
            hessian[i][k] += a[1][i]
        return value * a[0], [value * s + (a[0] if i == k else 0) for i, s in enumerate(a[1])], hessian

    def mapped(a, value, slope, curvature):
        hessian = [[slope * a[2][i][j] + curvature * a[1][i] * a[1][j] for j in span] for i in span]
        return value, [slope * s for s in a[1]], hessian

    def number(v):
        return v, [Fraction(0)] * n, [[Fraction(0)] * n for _ in span]

    total = number(Fraction(0))
    for x, s, y in zip(X, signs, Y):
        units, k = [number(e) for e in x], 0
        for w in stack:
            into, made = [*units, number(Fraction(1))], []
            for p in range(len(w[0])):
                g = number(Fraction(0))
                for a, u in enumerate(into):
                    g = plus(g, times_parameter(k + a * len(w[0]) + p, w[a][p], u))
                t, size = g[0], 1 + abs(g[0])
                if t == 0:
                    return False
                made.append(mapped(g, t / size, 1 / size**2, (-2 if t > 0 else 2) / size**3))
            k += len(w) * len(w[0])
            units = made
        for f, side, target in zip(units, s, y):
            r = f[0] - target
            if r == 0:
                return False
            if side * r < 0:
                total = plus(total, mapped(f, r * r, 2 * r, Fraction(2)))
    rows = [row[:] for row in total[2]]
    for k in span:
        if rows[k][k] <= 0:
            return False
        for i in range(k + 1, n):
            c = rows[i][k] / rows[k][k]
            rows[i] = [u - c * v for u, v in zip(rows[i], rows[k])]
    return at["activation"] == "softsign" and theorem_5_3_fails(at, 0)


def no_column_of_the_proof_survives(at: dict[str, Any]) -> bool:
    """L = 2: for i = p, column p of Hᵀ [X, 1]ᵀ Σ_i Δ_2 W_2ᵀ is 0 for all p; for some other i it is not.

    X is separable, W_2 has full column rank, and Δ_2 ≠ 0.
    """
    X, signs, stack, Y = read_classifier(at)
    features, slopes = forward(at["activation"], X, stack)
    h = [perceptron(X, [row[j] for row in signs]) for j in range(len(signs[0]))]
    if any(e is None for e in h) or len(stack) != 2 or not columns_are_independent(stack[1]):
        return False
    delta = [
        [2 * one_sided(f, y, s) * t for f, y, s, t in zip(*rows)]
        for rows in zip(features[2], Y, signs, slopes[1])
    ]

    def column(i, p):
        """Column p of the product for unit i."""
        return [
            sum(
                sum(a * b for a, b in zip(hj, [*x, 1])) * t[i] * sum(w * e for w, e in zip(stack[1][p], d))
                for x, t, d in zip(X, slopes[0], delta)
            )
            for hj in h
        ]

    units = range(len(stack[1]) - 1)
    return not any(any(column(p, p)) for p in units) and any(any(column(i, p)) for i in units for p in units)


def flat_point_is_not_global(at: dict[str, Any]) -> bool:
    """One layer of cubes, X separable, ∇Φ = 0, and a smaller Φ at a steep separator."""
    return at["activation"] == "cube" and len(at["stack"]["tuple"]) == 1 and theorem_5_3_fails(at, 0)


def critical_point_of_squares_is_not_global(at: dict[str, Any]) -> bool:
    """Σ (f − y)² on a line: X separable, W_2 ≠ 0, ∇ = 0, and two constant levels would cost less.

    A steep hidden unit makes f as close to any two levels of σ's range as one likes, one on either side of a
    cut; here they are the mean targets.
    """
    X, signs, stack, Y = read_classifier(at)
    if perceptron(X, [s for (s,) in signs]) is None or not columns_are_independent(stack[1]):
        return False
    if any(classifier_gradient(at, two_sided)):
        return False
    here, least = classifier_loss(at, stack, two_sided), {"sigmoid": 0, "softsign": -1}[at["activation"]]
    for (cut,) in X:
        sides = [[y for (x,), (y,) in zip(X, Y) if (x > cut) is up] for up in (False, True)]
        if all(sides):
            means = [sum(side) / len(side) for side in sides]
            there = sum((y - mean) ** 2 for side, mean in zip(sides, means) for y in side)
            if there < here and all(least < mean < 1 for mean in means):
                return True
    return False


def sigma_and_slope(name, t):
    """σ(t) and σ′(t) up to a positive constant, at an integer; tanh³ has slope 0 at 0."""
    if name == "tanh cubed":
        f, slope, _ = sigma_in_bits("tanh", t)
        return f**3, slope * f * f
    return sigma_in_bits(name, t)[:2]


def layers_in_fractions(net):
    """F_0, …, F_L, σ′(G_1), …, σ′(G_L) up to positive constants, and W_1, …, W_L, at integer pre-activations."""
    values, slopes, weights = [[[Fraction(e) for e in row] for row in net["X"]]], [], []
    for name, w, b in layers_of_network(net):
        g = [[sum(h * e for h, e in zip(x, column)) + c for column, c in zip(zip(*w), b)] for x in values[-1]]
        assert all(t.denominator == 1 for row in g for t in row)
        both = [[sigma_and_slope(name, t) for t in row] for row in g]
        values.append([[f for f, _ in row] for row in both])
        slopes.append([[s for _, s in row] for row in both])
        weights.append(w)
    return values, slopes, weights


def gradients_up_to_a_factor(net):
    """[F_{l−1}, 1]ᵀ Δ_l for l = 1, …, L, by backpropagation."""
    values, slopes, weights = layers_in_fractions(net)
    y = [[Fraction(e) for e in row] for row in net["Y"]]
    delta = [[(f - e) * s for f, e, s in zip(*rows)] for rows in zip(values[-1], y, slopes[-1])]
    found = []
    for l in range(len(weights), 0, -1):
        ones = [[*row, Fraction(1)] for row in values[l - 1]]
        found.insert(
            0,
            [
                [sum(a[j] * d[i] for a, d in zip(ones, delta)) for i in range(len(delta[0]))]
                for j in range(len(ones[0]))
            ],
        )
        if l > 1:
            back = [[sum(d * w for d, w in zip(row, unit)) for unit in weights[l - 1]] for row in delta]
            delta = [[b * s for b, s in zip(*rows)] for rows in zip(back, slopes[l - 2])]
    return found


def full_ranks_and_some_residual(net, k):
    """rank [F_k, 1] = N, rank W_l = n_l for l >= k + 2, F_L ≠ Y, and every label strictly inside the range of σ.

    Then min Φ = 0 is attained: [F_k, 1] W̃_{k+1} can be any matrix, and layers that narrow can pass it on.
    """
    values, _, weights = layers_in_fractions(net)
    name = net["computation"]["steps"]["tuple"][1]["activations"]["tuple"][0]
    low = 0 if name == "sigmoid" else -1
    y = [[Fraction(e) for e in row] for row in net["Y"]]
    return (
        rank_of([[*row, Fraction(1)] for row in values[k]]) == len(y)
        and all(rank_of(w) == len(w[0]) for w in weights[k + 1 :])
        and values[-1] != y
        and all(low < e < 1 for row in y for e in row)
    )


def critical_of_full_rank_and_not_minimal(net: dict[str, Any]) -> bool:
    """rank [X, 1] = N, all gradients zero, W_2, …, W_L of full column rank, and Φ > 0 = min Φ."""
    stationary = all(e == 0 for layer in gradients_up_to_a_factor(net) for row in layer for e in row)
    return stationary and full_ranks_and_some_residual(net, 0)


def silent_layer_of_full_rank_and_not_minimal(at: dict[str, Any]) -> bool:
    """rank [F_k, 1] = N, the gradient of layer k + 1 zero, full column ranks above, and Φ > 0 = min Φ."""
    silent = all(e == 0 for row in gradients_up_to_a_factor(at["net"])[at["k"]] for e in row)
    return silent and full_ranks_and_some_residual(at["net"], at["k"])


def low_rank_always(at: dict[str, Any]) -> bool:
    """Some W_l has more columns than rows: its rank is below n_l whatever its entries are."""
    return any(len(w) < len(w[0]) for w in at["stack"]["tuple"])


def wider_than_the_samples(at: dict[str, Any]) -> bool:
    """[F_k, 1] has more columns than rows at every θ: some h ≠ 0 with [F_k, 1] h = 0 can be added to layer k + 1."""
    places = at["net"]["computation"]["steps"]["tuple"][2 * at["k"]]["places"]
    return len(places[0]) > len(at["net"]["X"])


def two_functions_solve(at: dict[str, Any]) -> bool:
    """Ψ(u0, v0) = 0 with slope ≠ 0, and Ψ(u0, ·) / (v − v0) changes sign between integers: another root.

    Ψ(u0, ·) has only simple roots (its discriminant is not 0), so that both continue to functions of u.
    """
    c = [[Fraction(e) for e in row] for row in at["c"]]
    u0, v0 = Fraction(at["u0"]), Fraction(at["v0"])
    p = [sum((row[j] * u0**i for i, row in enumerate(c)), Fraction(0)) for j in range(len(c[0]))]
    while p and p[-1] == 0:
        p.pop()
    slopes = [Fraction(j) * e for j, e in enumerate(p)][1:]
    if len(p) < 3 or not sum(e * v0**j for j, e in enumerate(slopes)):
        return False
    rest, carry = [], Fraction(0)
    for e in reversed(p):
        carry = carry * v0 + e
        rest.insert(0, carry)
    n, m = len(p) - 1, len(slopes) - 1
    sylvester = [[Fraction(0)] * i + p[::-1] + [Fraction(0)] * (m - 1 - i) for i in range(m)]
    sylvester += [[Fraction(0)] * i + slopes[::-1] + [Fraction(0)] * (n - 1 - i) for i in range(n)]
    at_integers = [sum(e * Fraction(t) ** j for j, e in enumerate(rest[1:])) for t in range(-16, 17)]
    return (
        rest[0] == 0
        and rank_of(sylvester) == n + m
        and any(at_integers[i] * at_integers[i + 1] <= 0 for i in range(32))
    )


def does_not_begin_like_a_square(at: dict[str, Any]) -> bool:
    """Blake-Zisserman, delta > 0: l'(a) = 2 a / (1 + delta e^(a^2)), hence l''(0) = 2 / (1 + delta), not 2."""
    delta = Fraction(at["delta"])
    return at["name"] == "Blake-Zisserman" and delta > 0 and 2 / (1 + delta) != 2
