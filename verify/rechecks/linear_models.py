"""The least loss of a linear model: inf over R of Σ_i w_i ℓ(R φ_i, y_i), exactly or between two bounds."""

from __future__ import annotations

from fractions import Fraction

from verify.rechecks.irrational import log, root, rounded
from verify.rechecks.linear_algebra import (
    dot,
    echelon,
    identity,
    is_zero,
    kronecker,
    least_squares,
    plus,
    scaled,
    solution,
    turned,
)
from verify.rechecks.linear_programs import maximiser
from verify.rechecks.losses import loss_at, sample_loss, softmax


def least_loss(columns, Y, weights, name):
    """(low, high) with low <= inf over R of Σ_i w_i ℓ(R φ_i, y_i) <= high, for a convex loss; rows are samples.

    low == high, exactly the infimum, for the squared, label-weighted squared and piecewise linear losses, and
    for Huber and the smoothed hinge, as soon as Newton's method hits the minimum. For the others the bounds are
    a hair apart (some 10⁻²⁰) and leave room for the errors of ``irrational``: a value computed with it may be
    compared to them with < and >. The infimum need not be attained (logistic loss of separable samples).
    """
    columns = independent(columns)
    if name in ("squared", "label-weighted squared"):
        value = Fraction(0)
        for y in turned(Y):
            w = [c * loss_at(name, b, b)[2] / 2 for c, b in zip(weights, y)]
            value += least_squares(columns, [[b] for b in y], w)
        return value, value
    if name in ("absolute", "hinge", "multi-class hinge"):
        value = least_polyhedral_loss(columns, Y, weights, name)
        return value, value
    blocks = [Y] if name == "cross-entropy" else [[[b] for b in y] for y in turned(Y)]
    bounds = [least_smooth_loss(columns, block, weights, name) for block in blocks]
    return sum(low for low, _ in bounds), sum(high for _, high in bounds)


def independent(columns):
    """The columns that are independent of those before them."""
    kept = echelon(columns)[1]
    return [[row[c] for c in kept] for row in columns]


def pieces(name, y):
    """Lists of (slope, constant): a piecewise linear loss is Σ over the lists of max of ⟨slope, h⟩ + constant."""
    none, d = Fraction(0), len(y)

    def unit(k, s=1):
        return [Fraction(s) if j == k else none for j in range(d)]

    if name == "absolute":
        return [[(unit(k, s), -s * b) for s in (1, -1)] for k, b in enumerate(y)]
    if name == "hinge":
        ends = [(k, s, c) for k, b in enumerate(y) for s, c in ((-1, b), (1, 1 - b))]
        return [[([none] * d, none), (unit(k, s * c), c)] for k, s, c in ends if c]
    c = y.index(1)
    return [[([a - b for a, b in zip(unit(j), unit(c))], Fraction(j != c)) for j in range(d)]]


def least_polyhedral_loss(columns, Y, weights, name):
    """The infimum for a piecewise linear loss: the greatest Σ w ⟨λ, constants⟩ over Σ w (slope ⊗ φ) λ = 0."""
    hulls = [(w, phi, hull) for w, phi, y in zip(weights, columns, Y) for hull in pieces(name, y)]
    goal, equations = [], []
    for k, (w, phi, hull) in enumerate(hulls):
        for slope, constant in hull:
            goal.append(w * constant)
            balance = [w * s * e for s in slope for e in phi]
            equations.append(balance + [Fraction(j == k) for j in range(len(hulls))])
    rows = turned(equations)
    b = [Fraction(0)] * (len(rows) - len(hulls)) + [Fraction(1)] * len(hulls)
    return dot(goal, maximiser(goal, rows, b))


def is_piecewise_quadratic(name):
    """Whether Newton's method, in fractions, can end exactly at a minimum."""
    return name in ("Huber", "smoothed hinge")


def short(x):
    """x to 40 significant bits: enough for a curvature, which only says where to step."""
    x = Fraction(x)
    scale = Fraction(2) ** (40 - x.numerator.bit_length() + x.denominator.bit_length())
    return round(x * scale) / scale


def slope_and_curvature(name, h, y):
    """∇ℓ and nearly ∇²ℓ of one sample; probabilities below 2⁻⁵⁰ of what the label excludes count as 0."""
    if name not in ("logistic", "cross-entropy"):
        _, slope, curve = loss_at(name, h[0], y[0])
        return [slope], [[curve if is_piecewise_quadratic(name) else short(curve)]]
    logits, labels = (h, y) if name == "cross-entropy" else ([h[0], Fraction(0)], [y[0], 1 - y[0]])
    q = [Fraction(0) if p < Fraction(1, 2**50) and not b else rounded(p) for p, b in zip(softmax(logits), labels)]
    q[q.index(max(q))] += 1 - sum(q)
    slope, q = [a - b for a, b in zip(q, labels)], [short(p) for p in q]
    unit = short(log(2))
    curve = [[unit * ((a * sum(q) if i == j else 0) - a * b) for j, b in enumerate(q)] for i, a in enumerate(q)]
    return (slope, curve) if name == "cross-entropy" else (slope[:1], [curve[0][:1]])


def conjugate(name, d, y):
    """ℓ*(d, y) = sup over h of ⟨d, h⟩ − ℓ(h, y), or None where that is infinite."""
    if name in ("logistic", "cross-entropy"):
        p = [a + b for a, b in zip(d, y)]
        p = [*p, 1 - p[0]] if name == "logistic" else p
        return None if min(p) < 0 else sum((a * log(a) / log(2) for a in p if a), Fraction(0))
    (d,), (y,) = d, y
    if name == "Huber":
        return d * d / 2 + d * y if abs(d) <= 1 else None
    if name == "smoothed hinge":
        if not -y <= d <= 1 - y:
            return None
        low = d < 1 - 2 * y or y == 0
        h = (d + y) / (1 - y) - 1 if low else (d + y - 1) / y + 1  # here the slope is d
    elif name.startswith("pseudo-Huber "):
        size = Fraction(name.removeprefix("pseudo-Huber "))
        if abs(d) >= 2 * size:
            return None
        h = y + d / root(4 - d * d / size**2)
    else:
        raise ValueError(f"no conjugate of the {name} loss here")
    return d * h - loss_at(name, h, y)[0]


class LinearFit:
    """R ↦ Σ w_i ℓ(R φ_i, y_i) for one output of a differentiable loss, or all of the cross-entropy; R is a list."""

    def __init__(self, columns, Y, weights, name):
        self.columns, self.Y, self.weights, self.name = columns, Y, weights, name
        self.p, self.d = len(columns[0]), len(Y[0])
        self.free = self.d - (name == "cross-entropy")  # which sees differences of outputs only: the last row is 0
        self.size = self.free * self.p

    def outputs(self, r):
        """R φ_i."""
        rows = [r[k * self.p : (k + 1) * self.p] for k in range(self.free)]
        return [[dot(row, phi) for row in rows] + [Fraction(0)] * (self.d - self.free) for phi in self.columns]

    def value(self, r):
        """The loss at R."""
        samples = zip(self.weights, self.outputs(r), self.Y)
        return sum((w * sample_loss(self.name, h, y) for w, h, y in samples), Fraction(0))

    def balance(self, slopes):
        """Σ w_i D_i φ_iᵀ, row by row."""
        samples = list(zip(self.weights, slopes, self.columns))
        return [sum(w * s[k] * phi[a] for w, s, phi in samples) for k in range(self.free) for a in range(self.p)]

    def derivatives(self, r):
        """The slopes and the curvatures of ℓ at the samples, and nearly the second derivative by R."""
        found = [slope_and_curvature(self.name, h, y) for h, y in zip(self.outputs(r), self.Y)]
        second = [[Fraction(0)] * self.size for _ in range(self.size)]
        for w, phi, (_, curve) in zip(self.weights, self.columns, found):
            cut = [row[: self.free] for row in curve[: self.free]]
            second = plus(second, kronecker(cut, [[w * a * b for b in phi] for a in phi]))
        return [s for s, _ in found], [c for _, c in found], second


def near_minimiser(fit):
    """Where Newton's method ends: for piecewise quadratic losses, as a rule, where Σ w D φᵀ = 0 exactly."""
    exact = is_piecewise_quadratic(fit.name)
    r = [Fraction(0)] * fit.size
    here = fit.value(r)
    for turn in range(80):
        slopes, _, second = fit.derivatives(r)
        against = [[-e] for e in fit.balance(slopes)]
        if is_zero(against):
            break
        step = solution(second, against)
        full = step is not None
        if not full:
            step = solution(plus(second, scaled(Fraction(1, 64), identity(fit.size))), against)
        step = [e[0] for e in step]
        fall = sum(e[0] * s for e, s in zip(against, step))

        def moved(t):
            return [a + t * b for a, b in zip(r, step)]

        if not exact and fall < Fraction(1, 2**150):
            break
        t, there = Fraction(1), fit.value(moved(1))
        while there > here - t * fall / 4 and t > Fraction(1, 2**40):
            t /= 2
            there = fit.value(moved(t))
        while 1 <= t < 32 and turn > 6 and not (exact and full):  # far away, where samples are separated
            farther = fit.value(moved(2 * t))
            if there - farther < Fraction(1, 2**150):
                break
            t, there = 2 * t, farther
        if there >= here:
            break
        r = moved(t) if exact and full and t == 1 else [Fraction(round(e * 2**120), 2**120) for e in moved(t)]
        here = fit.value(r)
    return r


def dual_bound(fit, r):
    """−Σ w_i ℓ*(D_i, y_i) <= Σ w_i ℓ(R φ_i, y_i) for every R, if Σ w_i D_i φ_iᵀ = 0: D near the slopes at r, or 0."""
    slopes, curves, second = fit.derivatives(r)
    delta = solution(second, [[e] for e in fit.balance(slopes)]) or [[Fraction(0)]] * fit.size
    moves = fit.outputs([e[0] for e in delta])
    D = [[s - dot(row, u) for s, row in zip(d, curve)] for d, curve, u in zip(slopes, curves, moves)]
    factors = [1, *(1 - Fraction(1, 2**k) for k in (60, 40, 20, 10, 5, 1, 0))]  # D is shrunk into the domain
    if any(fit.balance(D)):
        factors = factors[-1:]
    for factor in factors:
        ends = [conjugate(fit.name, [factor * e for e in d], y) for d, y in zip(D, fit.Y)]
        if None not in ends:
            return -sum(w * e for w, e in zip(fit.weights, ends))
    raise ValueError(f"the {fit.name} loss is not bounded from below at these labels")


def least_smooth_loss(columns, Y, weights, name):
    """(low, high) for one output of a differentiable loss, or for all of the cross-entropy.

    high is the loss at some R, low the value of a dual point; where irrational functions are at work 10⁻³⁰ apart.
    """
    fit = LinearFit(columns, Y, weights, name)
    r = near_minimiser(fit) if fit.size else []
    high, hair = fit.value(r), Fraction(1, 10**30)
    low = dual_bound(fit, r) if fit.size else high
    return (low, high) if is_piecewise_quadratic(name) else (low - hair, high + hair)
