"""Second opinions for the induced-model paper: Python's standard library alone.

Each recheck takes the JSON of an instance and says whether it refutes the claim. Its source is printed under
the counterexample, with the functions of this file that it calls: nothing else is used but ``Fraction``.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any


def outputs_and_slopes(net, theta):
    """f(x_i; θ) and its derivatives by θ, output by output: pairs (value, [n derivatives]), samples in order.

    Dual numbers, one scalar at a time. Kinks have the derivative of their right side.
    """
    n = len(theta)

    def number(v):
        return v, [Fraction(0)] * n

    def plus(a, b):
        return a[0] + b[0], [s + t for s, t in zip(a[1], b[1])]

    def times(a, b):
        return a[0] * b[0], [a[0] * t + b[0] * s for s, t in zip(a[1], b[1])]

    def scaled(value, slope, a):
        return value, [slope * t for t in a[1]]

    def activated(name, a):
        t = a[0]
        if name == "linear":
            return a
        if name in ("relu", "leaky relu", "abs"):
            low = {"relu": Fraction(0), "leaky relu": Fraction(1, 4), "abs": Fraction(-1)}[name]
            slope = Fraction(1) if t >= 0 else low
            return scaled(slope * t, slope, a)
        if name == "square":
            return times(a, a)
        if name == "quadratic":
            return plus(a, times(a, a))
        if name == "cube":
            return times(a, times(a, a))
        if name == "serpentine":
            q = 1 + t * t
            return scaled(t / q, (1 - t * t) / (q * q), a)
        raise ValueError(name)

    parameters = [(t, [Fraction(int(j == k)) for j in range(n)]) for k, t in enumerate(theta)]
    results = []
    for x in net["X"]:
        done = [[number(Fraction(e)) for e in x]]
        for step in net["computation"]["steps"]["tuple"]:
            kind = step["type"].split(":")[1]
            if kind == "Affine":
                units = []
                h = [*done[step["source"]], number(Fraction(1))]
                for places, frozen in zip(step["places"], step["frozen"]):
                    total = number(Fraction(0))
                    for k, c, unit in zip(places, frozen, h):
                        total = plus(
                            total, times(number(Fraction(c)) if int(k) < 0 else parameters[int(k)], unit)
                        )
                    units.append(total)
            elif kind == "Activate":
                names = step["activations"]["tuple"]
                units = [activated(name, a) for name, a in zip(names, done[step["source"]])]
            else:
                left, right = done[step["left"]], done[step["right"]]
                if step["operation"] == "join":
                    units = left + right
                else:
                    combine = plus if step["operation"] == "sum" else times
                    units = [combine(a, b) for a, b in zip(left, right)]
            done.append(units)
        results.append(done[-1])
    return results


def parameters_of(net):
    """θ as a list."""
    return [Fraction(row[0]) for row in net["theta"]]


def squared_loss(net, theta):
    """Σ λ |f(x; θ) − y|²."""
    outputs = outputs_and_slopes(net, theta)
    rows = zip(net["weights"][0], outputs, net["Y"])
    return sum(Fraction(w) * sum((q[0] - Fraction(e)) ** 2 for q, e in zip(f, y)) for w, f, y in rows)


def squared_gradient(net, theta):
    """∇ Σ λ |f(x; θ) − y|²."""
    total = [Fraction(0)] * len(theta)
    for w, f, y in zip(net["weights"][0], outputs_and_slopes(net, theta), net["Y"]):
        for q, e in zip(f, y):
            total = [s + 2 * Fraction(w) * (q[0] - Fraction(e)) * t for s, t in zip(total, q[1])]
    return total


def is_positive_definite(a):
    """Whether all pivots of a symmetric matrix are positive."""
    a = [row[:] for row in a]
    for k in range(len(a)):
        if a[k][k] <= 0:
            return False
        for i in range(k + 1, len(a)):
            f = a[i][k] / a[k][k]
            a[i] = [x - f * y for x, y in zip(a[i], a[k])]
    return True


def solves(a, b):
    """Whether a x = b has a solution."""
    rows, rank = [[*r, e] for r, e in zip(a, b)], 0
    for c in range(len(a[0])):
        k = next((i for i in range(rank, len(rows)) if rows[i][c]), None)
        if k is not None:
            rows[rank], rows[k] = rows[k], rows[rank]
            for i in range(rank + 1, len(rows)):
                f = rows[i][c] / rows[rank][c]
                rows[i] = [x - f * y for x, y in zip(rows[i], rows[rank])]
            rank += 1
    return all(row[-1] == 0 for row in rows[rank:])


def last_hidden_layer(net):
    """What the last step reads, sample by sample."""
    steps = net["computation"]["steps"]["tuple"]
    shortened = dict(net, computation=dict(net["computation"], steps={"tuple": steps[: steps[-1]["source"]]}))
    outputs = outputs_and_slopes(shortened, parameters_of(net))
    return [[q[0] for q in f] for f in outputs]


def inputs_are_separated(net, epsilon):
    """Whether all (x, 1) have |x| = 1 and x·x' < 1 − epsilon for different samples."""
    raw = [[Fraction(e) for e in row[:-1]] for row in net["X"]]
    dots = [[sum(s * t for s, t in zip(a, b)) for b in raw] for a in raw]
    return all(row[-1] == "1" for row in net["X"]) and all(
        dots[i][j] == 1 if i == j else dots[i][j] < 1 - epsilon for i in range(len(raw)) for j in range(i + 1)
    )


def proof_bounds_the_network_itself(instance: dict[str, Any]) -> bool:
    """∇L(θ) = 0, and yet L(α) < L(θ)."""
    net = instance["net"]
    theta, alpha = parameters_of(net), [Fraction(row[0]) for row in instance["alpha"]]
    return not any(squared_gradient(net, theta)) and squared_loss(net, alpha) < squared_loss(net, theta)


def dead_network_is_stuck(instance: dict[str, Any]) -> bool:
    """∇L = 0 and L > 0 with as many units as samples and separated inputs, where L = 0 can be reached."""
    separated = inputs_are_separated(instance, 0)
    theta, width = parameters_of(instance), len(instance["computation"]["steps"]["tuple"][0]["places"])
    wide = width >= len(instance["X"])
    stuck = not any(squared_gradient(instance, theta)) and squared_loss(instance, theta) > 0
    return bool(separated and wide and stuck)


def last_layer_misses_the_other_skips(instance: dict[str, Any]) -> bool:
    """f(x; θ) is not (∂f / ∂W) W for the last weights W alone."""
    theta = parameters_of(instance)
    steps = [s for s in instance["computation"]["steps"]["tuple"] if s["type"].endswith("Affine")]
    last = [int(k) for row in steps[-1]["places"] for k in row if int(k) >= 0]
    outputs = [q for f in outputs_and_slopes(instance, theta) for q in f]
    return any(value != sum(theta[k] * slopes[k] for k in last) for value, slopes in outputs)


def rank_is_below_the_number_of_samples(instance: dict[str, Any]) -> bool:
    """The weights are those of the footnote, W_jj ≠ 0, and the last hidden layer has rank < m."""
    m, theta = len(instance["X"]), parameters_of(instance)
    affine = [s for s in instance["computation"]["steps"]["tuple"] if s["type"].endswith("Affine")]
    weights = [[[theta[int(k)] for k in row[:-1]] for row in s["places"]] for s in affine[:-1]]
    first = weights[0]
    epsilon = first[0][-1] + 1
    rows = [[*(Fraction(e) for e in x[:-1]), epsilon - 1] for x in instance["X"]]
    chosen = epsilon > 0 and inputs_are_separated(instance, epsilon) and first[:m] == rows
    diagonal = all(
        (e != 0) == (i == j) for w in weights[1:] for i, r in enumerate(w) for j, e in enumerate(r)
    )
    rank, left = 0, last_hidden_layer(instance)
    for column in range(len(first)):
        pivot = next((r for r in left if r[column]), None)
        if pivot is not None:
            left.remove(pivot)
            left = [[x - r[column] / pivot[column] * y for x, y in zip(r, pivot)] for r in left]
            rank += 1
    return chosen and diagonal and rank < m


def stages_of(net, theta, number):
    """The values of step ``number`` (0: the input) at θ, sample by sample, with their derivatives by θ."""
    steps = net["computation"]["steps"]["tuple"][:number]
    return outputs_and_slopes(dict(net, computation=dict(net["computation"], steps={"tuple": steps})), theta)


def trained_layers(net):
    """The numbers of the affine steps with parameters."""
    return [
        k
        for k, s in enumerate(net["computation"]["steps"]["tuple"], 1)
        if s["type"].endswith("Affine") and any(int(e) >= 0 for row in s["places"] for e in row)
    ]


def rank_of(vectors):
    """The rank of a list of vectors."""
    left, rank = [list(v) for v in vectors if any(v)], 0
    while left:
        pivot = left.pop()
        c = next(j for j, e in enumerate(pivot) if e)
        left = [[x - v[c] / pivot[c] * y for x, y in zip(v, pivot)] if v[c] else v for v in left]
        left = [v for v in left if any(v)]
        rank += 1
    return rank


def null_vectors(rows, n):
    """A basis of the solutions of rows · v = 0."""
    pivots: dict[int, list[Fraction]] = {}
    for row in rows:
        for c, p in pivots.items():
            if row[c]:
                f = row[c]
                row = [x - f * y for x, y in zip(row, p)]
        c = next((j for j, e in enumerate(row) if e), None)
        if c is not None:
            row = [x / row[c] for x in row]
            pivots = {k: [x - p[c] * y for x, y in zip(p, row)] if p[c] else p for k, p in pivots.items()}
            pivots[c] = row
    free = [j for j in range(n) if j not in pivots]
    return [[Fraction(int(k == j)) if k not in pivots else -pivots[k][j] for k in range(n)] for j in free]


def squared_hessian(net, theta):
    """∇² Σ λ |f − y|², from gradients at 2 d points a parameter: exact where f has degree d in it, within a cell."""
    degrees = {"square": 2, "quadratic": 2, "cube": 3}
    d, h = 1, Fraction(1, 2**20)
    for step in net["computation"]["steps"]["tuple"]:
        d *= max((degrees.get(a, 1) for a in step.get("activations", {"tuple": []})["tuple"]), default=1)
        d *= 2 if step.get("operation") == "product" else 1
    factorial = [1]
    for k in range(1, 2 * d + 1):
        factorial.append(factorial[-1] * k)
    rows = []
    for k in range(len(theta)):
        total = [Fraction(0)] * len(theta)
        for j in range(1, d + 1):
            c = Fraction((-1) ** (j + 1) * factorial[d] ** 2, j * factorial[d - j] * factorial[d + j])
            for sign in (1, -1):
                moved = [t + sign * j * h if i == k else t for i, t in enumerate(theta)]
                total = [s + sign * c / h * g for s, g in zip(total, squared_gradient(net, moved))]
        rows.append(total)
    return rows


def is_semidefinite(a):
    """Whether a symmetric matrix is positive semidefinite, by elimination."""
    a = [row[:] for row in a]
    while a:
        k = next((i for i in range(len(a)) if a[i][i] != 0), None)
        if k is None:
            return not any(any(row) for row in a)
        if a[k][k] < 0:
            return False
        p = a[k]
        a = [
            [x - row[k] / p[k] * y for j, (x, y) in enumerate(zip(row, p)) if j != k]
            for i, row in enumerate(a)
            if i != k
        ]
    return True


def layer_symmetries(net, theta):
    """Directions at θ that change no output: (X, Y) with Dσ(q) X q = Y σ(q), decided on a grid of q.

    W → e^{sX} W, W' → W' e^{−sY} then keeps every output. With them go the rows of W that σ ignores, and the
    changes of the first weights that no input sees.
    """
    steps, layers, found = net["computation"]["steps"]["tuple"], trained_layers(net), []
    places = [[[int(k) for k in row[:-1]] for row in steps[k - 1]["places"]] for k in layers]
    unseen = null_vectors([[Fraction(e) for e in x] for x in net["X"]], len(net["X"][0]))
    for row in places[0]:
        for b in unseen:
            v = [Fraction(0)] * len(theta)
            for k, e in zip(row, b):
                v[k] = e
            found.append(v)
    for l in range(len(layers) - 1):
        start, end, d = layers[l], steps[layers[l + 1] - 1]["source"], len(places[l])
        shift = {
            "type": "x:Affine",
            "source": 0,
            "places": [[-1] * d + [k] for k in range(d)],
            "frozen": [[int(i == j) for j in range(d)] + [0] for i in range(d)],
        }
        local = [shift]
        for step in steps[start:end]:
            step = dict(step)
            for name in ("source", "left", "right"):
                if name in step:
                    step[name] = step[name] - start + 1
            if "activations" in step:
                q = stages_of(net, theta, step["source"] + start - 1)
                names = step["activations"]["tuple"]
                active = [all(sample[k][0] > 0 for sample in q) for k in range(len(names))]
                kinked = ("relu", "leaky relu", "abs")
                names = ["linear" if a and n in kinked else n for n, a in zip(names, active)]
                step["activations"] = {"tuple": names}
            local.append(step)
        grid = [[]]
        for _ in range(d):
            grid = [[*q, e] for q in grid for e in (-3, -2, -1, 1, 2, 3)]
        sigma = dict(net, X=grid, computation=dict(net["computation"], steps={"tuple": local}))
        values = outputs_and_slopes(sigma, [Fraction(0)] * d)
        out, equations, seen = len(values[0]), [], [False] * d
        for q, units in zip(grid, values):
            for k, (_, slopes) in enumerate(units):
                seen = [s or bool(e) for s, e in zip(seen, slopes)]
                left = [s * e for s in slopes for e in q]
                right = [-units[b][0] if c == k else Fraction(0) for c in range(out) for b in range(out)]
                equations.append([*left, *right])
        w = [[theta[k] for k in row] for row in places[l]]
        above = [[theta[k] for k in row] for row in places[l + 1]]
        for v in null_vectors(equations, d * d + out * out):
            change = [Fraction(0)] * len(theta)
            for i in range(d):
                for j, k in enumerate(places[l][i]):
                    change[k] += sum(v[i * d + a] * w[a][j] for a in range(d))
            y = v[d * d :]
            for row, numbers in zip(places[l + 1], above):
                for j, k in enumerate(row):
                    change[k] -= sum(numbers[a] * y[a * out + j] for a in range(out))
            found.append(change)
        for i in range(d):
            if not seen[i]:
                found += [[Fraction(int(k == c)) for c in range(len(theta))] for k in places[l][i]]
    return found


def theorem_4_fails(net: dict[str, Any]) -> bool:
    """θ is a local minimum, J^(l) is as the theorem wants for l > t, and Σ p hᵀ ≠ 0 for a layer h^(l), l >= t >= 1.

    A local minimum: ∇L = 0, and ∇²L is semidefinite with no kernel but symmetries. Then another linear model
    on h^(l) added to f lowers L: f is no infimum.
    """
    theta, layers = parameters_of(net), trained_layers(net)
    steps, d_y = net["computation"]["steps"]["tuple"], len(net["Y"][0])
    last = len(layers)
    source = [steps[k - 1]["source"] for k in layers]
    near = [[t + Fraction(s * (1 + k % 3), 2**30) for k, t in enumerate(theta)] for s in (0, 1, -1)]
    above, t = set(range(d_y)), last - 1
    for l in range(last - 1, 1, -1):
        linear = set(range(len(steps[layers[l - 1] - 1]["places"])))
        for there in near:
            for q, h in zip(stages_of(net, there, layers[l - 1]), stages_of(net, there, source[l])):
                linear = {k for k in linear if q[k][0] == h[k][0]}
        if l <= last - 2:
            w = [[theta[int(k)] for k in row[:-1]] for row in steps[layers[l] - 1]["places"]]
            linear = {j for j in linear if all(w[i][j] == 0 for i in range(len(w)) if i not in above)}
        if len(linear) < d_y:
            break
        above, t = linear, l - 1
    p = [
        [2 * Fraction(w) * (q[0] - Fraction(e)) for q, e in zip(f, y)]
        for w, f, y in zip(net["weights"][0], outputs_and_slopes(net, theta), net["Y"])
    ]
    moments = []
    for l in range(t, last):
        h = stages_of(net, theta, source[l])
        for k in range(d_y):
            for j in range(len(h[0])):
                moments.append(sum(s[k] * v[j][0] for s, v in zip(p, h)))
    second = squared_hessian(net, theta)
    symmetric = rank_of(second) + rank_of(layer_symmetries(net, theta)) == len(theta)
    minimum = not any(squared_gradient(net, theta)) and is_semidefinite(second) and symmetric
    return minimum and any(moments)


def best_model_lies_in_the_tangent_space(net: dict[str, Any]) -> bool:
    """The derivatives of f by θ span every linear model on the inputs and on every hidden layer."""
    theta, layers = parameters_of(net), trained_layers(net)
    steps, d_y = net["computation"]["steps"]["tuple"], len(net["Y"][0])
    rows = [slopes for f in outputs_and_slopes(net, theta) for _, slopes in f]
    for k in layers:
        h = stages_of(net, theta, steps[k - 1]["source"])
        for o in range(d_y):
            for j in range(len(h[0])):
                model = [sample[j][0] if i == o else Fraction(0) for sample in h for i in range(d_y)]
                if not solves(rows, model):
                    return False
    return True


def idle_rows_longer_than_one(net):
    """Some row of weights can change by an element of the left null space of its input that is longer than 1."""
    steps = net["computation"]["steps"]["tuple"]
    for step in steps:
        if "places" not in step:
            continue
        before = dict(net, computation={"steps": {"tuple": steps[: step["source"]]}})
        inputs = [
            [h for h, _ in row] + [Fraction(1)] for row in outputs_and_slopes(before, parameters_of(net))
        ]
        for places in step["places"]:
            trained = [j for j, k in enumerate(places) if int(k) >= 0]
            rows = [[h[j] for j in trained] for h in inputs]
            for c in range(len(trained)):
                rest = [j for j in range(len(trained)) if j != c]
                left = [[row[j] for j in rest] or [Fraction(0)] for row in rows]
                if solves(left, [-row[c] for row in rows]):
                    return True  # an element with a 1 at c: twice it is longer than 1, in the null space too
    return False


def derivative_at_zero(g, degree):
    """g'(0) of a polynomial of at most that degree: Σ (−1)^(k+1) / k times its k-th difference at 0."""
    values, total = [g(Fraction(k)) for k in range(degree + 1)], Fraction(0)
    for k in range(1, degree + 1):
        values = [values[j + 1] - values[j] for j in range(len(values) - 1)]
        total += Fraction((-1) ** (k + 1), k) * values[0]
    return total


def second_branch_at_distance_two_lowers_the_infimum(net):
    """θ = (u, w) is a strict minimum, the fibre is (±u, w), and the slopes at θ are not orthogonal to ∂f at −u."""
    u, w = parameters_of(net)
    x = [[Fraction(e) for e in row] for row in net["X"]]
    independent = all(
        not solves([[row[j] for j in range(3) if j != c] for row in x], [row[c] for row in x])
        for c in range(3)
    )
    f = [[q[0] for q in row] for row in outputs_and_slopes(net, [u, w])]
    other = outputs_and_slopes(net, [-u, w])
    same = f == [[q[0] for q in row] for row in other]

    def gradient(s, t):
        return squared_gradient(net, [u + s, w + t])

    second = [
        [derivative_at_zero(lambda s: gradient(s, 0)[k], 8) for k in (0, 1)],
        [derivative_at_zero(lambda t: gradient(0, t)[k], 8) for k in (0, 1)],
    ]
    minimum = gradient(0, 0) == [0, 0] and is_positive_definite(second)
    slopes = [2 * Fraction(a) * (q[0] - Fraction(y[0])) for a, q, y in zip(net["weights"][0], f, net["Y"])]
    along = [sum(p * q[0][1][k] for p, q in zip(slopes, other)) for k in (0, 1)]
    return u in (1, -1) and w != 0 and independent and same and minimum and any(along)


def one_sided_slopes(net, theta, v):
    """lim (f(θ + t v) − f(θ)) / t for t ↓ 0, output by output: values and slopes carried forward together.

    A unit at its kink moves to the side of its slope.
    """
    low = {"relu": Fraction(0), "leaky relu": Fraction(1, 4), "abs": Fraction(-1)}
    out = []
    for x in net["X"]:
        done = [[(Fraction(e), Fraction(0)) for e in x]]
        for step in net["computation"]["steps"]["tuple"]:
            kind = step["type"].split(":")[1]
            if kind == "Affine":
                h, units = [*done[step["source"]], (Fraction(1), Fraction(0))], []
                for places, frozen in zip(step["places"], step["frozen"]):
                    value = slope = Fraction(0)
                    for k, c, (q, d) in zip(places, frozen, h):
                        w, move = (Fraction(c), Fraction(0)) if int(k) < 0 else (theta[int(k)], v[int(k)])
                        value, slope = value + w * q, slope + w * d + move * q
                    units.append((value, slope))
            elif kind == "Activate":
                units = []
                for name, (q, d) in zip(step["activations"]["tuple"], done[step["source"]]):
                    factor = low.get(name, Fraction(1)) if q < 0 or (q == 0 and d < 0) else Fraction(1)
                    units.append((factor * q, factor * d))
            else:
                left, right = done[step["left"]], done[step["right"]]
                units = left + right
                if step["operation"] != "join":
                    units = [(a + b, s + t) for (a, s), (b, t) in zip(left, right)]
            done.append(units)
        out += [d for _, d in done[-1]]
    return out


def coordinate_slopes(net, theta):
    """The one-sided slopes along e_k, for every k, if all slopes along ± e_j ± e_k are theirs; else None."""
    n = len(theta)
    unit = [[Fraction(int(j == k)) for j in range(n)] for k in range(n)]
    slopes = [one_sided_slopes(net, theta, e) for e in unit]
    for j in range(n):
        for k in range(n):
            for a in (1, -1):
                for b in (1, -1):
                    v = [a * s + b * t for s, t in zip(unit[j], unit[k])]
                    if one_sided_slopes(net, theta, v) != [
                        a * s + b * t for s, t in zip(slopes[j], slopes[k])
                    ]:
                        return None
    return slopes


def is_a_hidden_kink(net: dict[str, Any]) -> bool:
    """f is differentiable at θ, and has a kink at points θ' within 2⁻⁶⁰: moves of the weights above a unit."""
    theta, tiny = parameters_of(net), Fraction(1, 2**60)
    if coordinate_slopes(net, theta) is None:
        return False
    n = len(theta)
    for first in range(n):
        for sign in (1, -1):
            there = [t if k < first else t + sign * tiny * (1 + k % 3) for k, t in enumerate(theta)]
            for k in range(n):
                e = [Fraction(int(j == k)) for j in range(n)]
                right, left = one_sided_slopes(net, there, e), one_sided_slopes(net, there, [-t for t in e])
                if any(s + t for s, t in zip(right, left)):
                    return True
    return False


def rank_drops_along_the_line(instance: dict[str, Any]) -> bool:
    """f is differentiable at θ, and its derivative has a lower rank at θ + t v for t = 2⁻²⁰ and 2⁻⁶⁰."""
    net = instance["net"]
    theta, v = parameters_of(net), [Fraction(row[0]) for row in instance["v"]]
    here = coordinate_slopes(net, theta)
    if here is None:
        return False
    for t in (Fraction(1, 2**20), Fraction(1, 2**60)):
        there = coordinate_slopes(net, [p + t * s for p, s in zip(theta, v)])
        if there is None or rank_of(there) >= rank_of(here):
            return False
    return True


def loss_is_negative_or_not_convex(instance: dict[str, Any]) -> bool:
    """The cross-entropy in bits is negative at q, or above its mean at q ± d: a question about integers."""
    y, q, d = ([int(e) for e in instance[name][0]] for name in ("y", "q", "d"))

    def power(t):
        """2^ℓ at q + t d: (Σ 2^{q_k})^{Σ y} / 2^{⟨y, q⟩}."""
        point = [a + t * b for a, b in zip(q, d)]
        total = sum(Fraction(2) ** a for a in point)
        return total ** sum(y) / Fraction(2) ** sum(a * b for a, b in zip(point, y))

    concave = power(0) ** 2 > power(1) * power(-1)
    return instance["kind"] == "cross-entropy" and (power(0) < 1 or concave)


def curve_crosses_itself(instance: dict[str, Any]) -> bool:
    """f(s) = f(t) for s ≠ t in U with independent tangents, and f′ never vanishes; s and t by their σ and π."""
    (_, a1, a2, a3), (_, b1, b2, b3) = [[Fraction(e) for e in row] for row in instance["c"]]
    radius = Fraction(instance["radius"])
    if a3 * b2 == a2 * b3:
        return False
    sigma = (b3 * a1 - a3 * b1) / (a3 * b2 - b3 * a2)
    square = -(a1 + a2 * sigma) / a3 if a3 else -(b1 + b2 * sigma) / b3
    pi = sigma**2 - square
    meets = a1 + a2 * sigma + a3 * square == 0 and b1 + b2 * sigma + b3 * square == 0
    inside = (
        abs(sigma) < 2 * radius and min(pi + radius**2 + radius * sigma, pi + radius**2 - radius * sigma) > 0
    )
    tangents = 2 * (a1 * b2 - a2 * b1) + 3 * (a1 * b3 - a3 * b1) * sigma + 6 * (a2 * b3 - a3 * b2) * pi
    # the resultant of the two derivatives: zero only where both vanish
    p, q = [3 * a3, 2 * a2, a1], [3 * b3, 2 * b2, b1]
    outer = p[0] * q[2] - p[2] * q[0]
    resultant = outer**2 - (p[0] * q[1] - p[1] * q[0]) * (p[1] * q[2] - p[2] * q[1])
    return meets and sigma**2 > 4 * pi and inside and tangents != 0 and resultant != 0


def features_of_residual_model(net):
    """x_i and z_i of W (x + R z) with z arbitrary: the first d_x inputs, W being d_y × d_x, and the others."""
    d_x = len(net["computation"]["steps"]["tuple"][-1]["places"][0]) - 1
    rows = [[Fraction(e) for e in x] for x in net["X"]]
    return [x[:d_x] for x in rows], [x[d_x:] for x in rows]


def is_no_better_than_linear(instance: dict[str, Any]) -> bool:
    """z is not 0, θ is a global minimum of W (x + R z), and its outputs are linear in x already."""
    net = instance
    x, z = features_of_residual_model(net)
    outputs = [[q[0] for q in f] for f in outputs_and_slopes(net, parameters_of(net))]
    for k in range(len(outputs[0])):
        slopes = [
            Fraction(w) * (f[k] - Fraction(y[k])) for w, f, y in zip(net["weights"][0], outputs, net["Y"])
        ]
        rows = [a + b for a, b in zip(x, z)]
        if any(sum(s * row[j] for s, row in zip(slopes, rows)) for j in range(len(rows[0]))):
            return False
        if not solves(x, [f[k] for f in outputs]):
            return False
    return any(any(row) for row in z)


def softmax_is_worse_than_linear(instance: dict[str, Any]) -> bool:
    """A strict local minimum (up to shifts of all logits) of the cross-entropy in bits, and a better W x.

    The gradient of log₂ Σ 2^q − ⟨y, q⟩ is softmax₂(q) − y =: s, rational at integer logits, and its Hessian
    ln 2 (diag(π) − π πᵀ): positive definiteness with less than ln 2 in its place implies it. f is bilinear, so
    that its second derivatives are differences of slopes. W is found in floats, by gradient descent; the
    losses then differ by a billion rounding errors.
    """
    from math import log2

    net, theta = instance, parameters_of(instance)
    n, x = len(theta), features_of_residual_model(net)[0]
    last_row = [int(e) for e in net["computation"]["steps"]["tuple"][-1]["places"][-1]]
    kept = [k for k in range(n) if k not in last_row]
    weights = [Fraction(w) for w in net["weights"][0]]
    labels = [[Fraction(e) for e in y] for y in net["Y"]]
    here = outputs_and_slopes(net, theta)
    moved = [outputs_and_slopes(net, [t + (j == k) for j, t in enumerate(theta)]) for k in range(n)]
    gradient = [Fraction(0)] * n
    second = [[Fraction(0)] * n for _ in range(n)]
    for i, (w, f, y) in enumerate(zip(weights, here, labels)):
        shifts = [q[0] - f[0][0] for q in f]
        if any(s.denominator != 1 for s in shifts) or sum(y) != 1 or min(y) < 0:
            return False
        powers = [Fraction(2) ** int(s) for s in shifts]
        pi = [p / sum(powers) for p in powers]
        mean = [sum(p * q[1][j] for p, q in zip(pi, f)) for j in range(n)]
        for k, q in enumerate(f):
            slope = w * (pi[k] - y[k])
            for a in range(n):
                gradient[a] += slope * q[1][a]
                for b in range(n):
                    second[a][b] += slope * (moved[b][i][k][1][a] - q[1][a])
                    spread = (q[1][a] - mean[a]) * (q[1][b] - mean[b])
                    second[a][b] += Fraction(693, 1000) * w * pi[k] * spread
    if any(gradient) or not is_positive_definite([[second[a][b] for b in kept] for a in kept]):
        return False

    def bits(logits):
        top = [max(q) for q in logits]
        logs = [t + log2(sum(2.0 ** (e - t) for e in q)) for t, q in zip(top, logits)]
        return sum(
            float(w) * (s - sum(float(e) * v for e, v in zip(y, q)))
            for w, s, y, q in zip(weights, logs, labels, logits)
        )

    features = [[float(e) for e in row] for row in x]
    linear = [[0.0] * len(x[0]) for _ in labels[0]]
    step = 1 / sum(float(w) * sum(e * e for e in row) for w, row in zip(weights, features))
    for _ in range(2000):
        logits = [[sum(c * e for c, e in zip(row, v)) for row in linear] for v in features]
        for w, y, q, v in zip(weights, labels, logits, features):
            total = sum(2.0**e for e in q)
            for k, e in enumerate(q):
                for j, u in enumerate(v):
                    linear[k][j] -= step * float(w) * (2.0**e / total - float(y[k])) * u
    best = bits([[sum(c * e for c, e in zip(row, v)) for row in linear] for v in features])
    return bits([[float(q[0]) for q in f] for f in here]) > best + 1e-6
