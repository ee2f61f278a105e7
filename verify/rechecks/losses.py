"""Losses and activations by the names that the JSON gives them: (value, slope, curvature) at a point.

At a kink the slope is that of the right side. The logistic loss and the cross-entropy count in bits, as do the
sigmoid, tanh, softplus and exp: the usual ones at t log 2.
"""

from __future__ import annotations

from fractions import Fraction

from verify.rechecks.irrational import log, power_of_two, root
from verify.rechecks.jets import through, value_of


def loss_at(name, h, y):
    """φ(h, y), φ′, φ″ of a loss that adds up over outputs."""
    r = h - y
    if name == "squared":
        return r * r, 2 * r, Fraction(2)
    if name == "label-weighted squared":
        c = 3 if y == 0 else 1
        return c * r * r, 2 * c * r, Fraction(2 * c)
    if name == "Huber":
        if abs(r) <= 1:
            return r * r / 2, r, Fraction(1)
        return abs(r) - Fraction(1, 2), Fraction(1 if r > 0 else -1), Fraction(0)
    if name == "absolute":
        return abs(r), Fraction(1 if r >= 0 else -1), Fraction(0)
    if name == "tilted double well":
        return r * r * (3 * r * r - 4 * r - 12), 12 * r * (r + 1) * (r - 2), 36 * r * r - 24 * r - 24
    if name == "logistic":
        p = power_of_two(h)
        return log(1 + p) / log(2) - y * h, p / (1 + p) - y, log(2) * p / (1 + p) ** 2
    if name == "hinge":
        value = y * max(1 - h, 0) + (1 - y) * max(1 + h, 0)
        return value, (-y if h < 1 else 0) + (1 - y if h >= -1 else 0) + Fraction(0), Fraction(0)
    if name == "smoothed hinge":

        def side(t):  # its value and slope at t = y h
            if t >= 1:
                return 0, 0
            return (Fraction(1, 2) - t, -1) if t <= 0 else ((1 - t) ** 2 / 2, t - 1)

        (a, b), (c, d) = side(h), side(-h)
        curvature = y if 0 <= h < 1 else 1 - y if -1 <= h < 0 else Fraction(0)  # of the right side
        return y * a + (1 - y) * c, y * b - (1 - y) * d, curvature
    kind, _, size = name.rpartition(" ")
    if kind == "pseudo-Huber":
        square = Fraction(size) ** 2
        s = root(1 + r * r / square)
        return 2 * square * (s - 1), 2 * r / s, 2 / s**3
    raise ValueError(f"no loss {name!r} here")


def cross_entropy(h, y):
    """log₂ Σ_k 2^{h_k} − ⟨y, h⟩."""
    return log(sum(power_of_two(a) for a in h)) / log(2) - sum(a * b for a, b in zip(h, y))


def softmax(h):
    """2^{h_k} / Σ_j 2^{h_j}; exact where the outputs differ by whole numbers."""
    powers = [power_of_two(a - h[0]) for a in h]
    return [p / sum(powers) for p in powers]


def multiclass_hinge(h, y):
    """max_j (1[j ≠ c] + h_j) − h_c, where y is 1 at the class c."""
    c = y.index(1)
    return max(a + (j != c) for j, a in enumerate(h)) - h[c]


def sample_loss(name, h, y):
    """ℓ(h, y) of one sample; the outputs h may be jets, if the loss adds up over them."""
    if name == "cross-entropy":
        return cross_entropy(h, y)
    if name == "multi-class hinge":
        return multiclass_hinge(h, y)
    return sum((through(a, *loss_at(name, value_of(a), b)) for a, b in zip(h, y)), Fraction(0))


def loss_slopes(name, h, y):
    """∂ℓ/∂h of one sample."""
    if name == "cross-entropy":
        return [p - b for p, b in zip(softmax(h), y)]
    if name == "multi-class hinge":
        c = y.index(1)
        best = max(range(len(h)), key=lambda j: h[j] + (j != c))
        return [Fraction((k == best) - (k == c)) for k in range(len(h))]
    return [loss_at(name, a, b)[1] for a, b in zip(h, y)]


def activation_at(name, t):
    """σ(t), σ′(t), σ″(t)."""
    none = Fraction(0)
    if name.startswith("minus "):
        return tuple(-e for e in activation_at(name.removeprefix("minus "), t))
    if name == "linear":
        return t, Fraction(1), none
    if name in ("relu", "leaky relu", "abs"):
        low = {"relu": Fraction(0), "leaky relu": Fraction(1, 4), "abs": Fraction(-1)}[name]
        slope = Fraction(1) if t >= 0 else low
        return slope * t, slope, none
    if name == "step":
        return Fraction(t > 0), none, none
    if name == "square":
        return t * t, 2 * t, Fraction(2)
    if name == "quadratic":
        return t + t * t, 1 + 2 * t, Fraction(2)
    if name == "cube":
        return t**3, 3 * t * t, 6 * t
    if name == "cubic":
        return t + t**3, 1 + 3 * t * t, 6 * t
    if name == "serpentine":
        q = 1 + t * t
        return t / q, (1 - t * t) / q**2, 2 * t * (t * t - 3) / q**3
    if name == "softsign":
        q = 1 + abs(t)
        return t / q, 1 / q**2, Fraction(-2 if t > 0 else 2 if t < 0 else 0) / q**3
    if name == "affine inside":
        if abs(t) <= 1:
            return t, Fraction(1), none
        return (2 if t > 0 else -2) - 1 / t, 1 / t**2, -2 / t**3
    if name == "exp":
        p = power_of_two(t)
        return p, log(2) * p, log(2) ** 2 * p
    if name == "two sigmoids":
        return tuple(a + b for a, b in zip(activation_at("sigmoid", t - 6), activation_at("sigmoid", t + 6)))
    if name == "softplus":
        s, slope, _ = activation_at("sigmoid", t)
        return log(1 + power_of_two(t)) / log(2), s, slope
    if name == "tanh cubed":
        f, a, b = activation_at("tanh", t)
        return f**3, 3 * f * f * a, 6 * f * a * a + 3 * f * f * b
    if name in ("sigmoid", "tanh"):  # tanh t = 2 S(2t) − 1
        k = 1 if name == "sigmoid" else 2
        p = power_of_two(-abs(k * t))
        s = p / (1 + p) if t < 0 else 1 / (1 + p)
        a = k * log(2) * s * (1 - s)
        b = k * log(2) * a * (1 - 2 * s)
        return (s, a, b) if k == 1 else (2 * s - 1, 2 * a, 2 * b)
    raise ValueError(f"no activation {name!r} here")


def activated(name, a):
    """σ(a) of a number or a jet."""
    return through(a, *activation_at(name, value_of(a)))
