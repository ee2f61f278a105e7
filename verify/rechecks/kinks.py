"""Programs with piecewise linear activations at points where pre-activations lie exactly at a kink."""

from __future__ import annotations

from fractions import Fraction

from verify.rechecks.jets import gradient_of, value_of, variables
from verify.rechecks.losses import activated, activation_at
from verify.rechecks.networks import program_parameters, program_stages


def has_a_kink(name):
    """Whether an activation has one at 0."""
    return name.removeprefix("minus ") in ("relu", "leaky relu", "abs")


class Germ:
    """A polynomial in t, the constant first, for small t > 0: its sign is that of its first coefficient."""

    def __init__(self, coefficients):
        self.coefficients = coefficients

    def padded(self, n):
        return self.coefficients + [Fraction(0)] * (n - len(self.coefficients))

    def __add__(self, other):
        other = other if isinstance(other, Germ) else Germ([other])
        n = max(len(self.coefficients), len(other.coefficients))
        return Germ([s + t for s, t in zip(self.padded(n), other.padded(n))])

    def __mul__(self, other):
        other = other if isinstance(other, Germ) else Germ([other])
        found = [Fraction(0)] * (len(self.coefficients) + len(other.coefficients) - 1)
        for i, s in enumerate(self.coefficients):
            for j, t in enumerate(other.coefficients):
                found[i + j] += s * t
        return Germ(found)

    def __ge__(self, other):
        return next((c for c in (self + -other).coefficients if c), 0) >= 0

    __radd__, __rmul__ = __add__, __mul__


def along(net, v):
    """The coefficients of t ↦ f(x_i; θ + t v), output by output, for all small t > 0; v is a list."""
    theta = [Germ([t, s]) for t, s in zip(program_parameters(net), v)]
    rows = [a for x in net["X"] for a in program_stages(net, theta, x)[-1]]
    found = [a.coefficients if isinstance(a, Germ) else [a] for a in rows]
    n = max(len(c) for c in found)
    return [c + [Fraction(0)] * (n - len(c)) for c in found]


def one_sided_slopes(net, v):
    """lim (f_X(θ + t v) − f_X(θ)) / t for t ↓ 0."""
    return [[*c, Fraction(0)][1] for c in along(net, v)]


def unit_vector(k, n):
    """e_k."""
    return [Fraction(j == k) for j in range(n)]


def right_derivatives(net):
    """The one-sided slopes of all outputs along every e_k: a row for every output."""
    n = len(net["theta"])
    slopes = [one_sided_slopes(net, unit_vector(k, n)) for k in range(n)]
    return [list(row) for row in zip(*slopes)]


def can_all_rise(rows):
    """Whether a · v > 0 for all rows a and some v: variables are eliminated one by one (Fourier, Motzkin)."""
    rows = [list(r) for r in {tuple(a) for a in rows}]
    while rows:
        if not all(any(a) for a in rows):
            return False
        up, down = [a for a in rows if a[0] > 0], [a for a in rows if a[0] < 0]
        sums = [[p / a[0] - q / b[0] for p, q in zip(a, b)] for a in up for b in down]
        rows = [list(r) for r in {tuple(a[1:]) for a in rows if a[0] == 0} | {tuple(s[1:]) for s in sums}]
    return True


def linear_pieces(net, theta, sides=()):
    """The pieces of v ↦ f_X′(θ; v): pairs of the rows a with a · v > 0 inside one, and the Jacobian there.

    Every unit at a kink with a gradient takes either side; pieces without an inside are left out.
    """
    n, ties = len(theta), []

    def sided(name, a):
        if has_a_kink(name) and value_of(a) == 0 and any(gradient_of(a + 0 * theta[0], n)):
            side = sides[len(ties)] if len(ties) < len(sides) else 1
            ties.append([side * e for e in gradient_of(a, n)])
            return a.through(0 * a.value, activation_at(name, Fraction(side))[1], 0)
        return activated(name, a)

    rows = [a for x in net["X"] for a in program_stages(net, theta, x, sided)[-1]]
    if not can_all_rise(ties[: len(sides)]):
        return []
    if len(ties) > len(sides):
        return [p for side in (1, -1) for p in linear_pieces(net, theta, (*sides, side))]
    return [(ties, [gradient_of(a, n) if hasattr(a, "slope") else [Fraction(0)] * n for a in rows])]


def pieces_at(net, theta=None):
    """The linear pieces of f_X′(θ; ·), at the network's own parameters unless told."""
    return linear_pieces(net, variables(program_parameters(net) if theta is None else theta))


def is_differentiable(net, theta=None):
    """Whether f_X is differentiable at θ: all linear pieces of v ↦ f_X′(θ; v) are the same."""
    pieces = pieces_at(net, theta)
    return all(rows == pieces[0][1] for _, rows in pieces)


def moved(net, v, t):
    """θ + t v as a list."""
    return [p + t * s for p, s in zip(program_parameters(net), v)]


def near_and_nearer():
    """Distances of points near θ."""
    return [Fraction(1, 2**20), Fraction(1, 2**60)]


def directions(net):
    """Directions in which the last so many parameters move, or those of one step, all at different speeds."""
    n = len(net["theta"])
    found = [[Fraction(0)] * first + [Fraction(s * (1 + k * k % 7)) for k in range(first, n)]
             for first in range(n) for s in (1, -1)]
    for step in net["computation"]["steps"]["tuple"]:
        own = {int(k) for row in step.get("places", []) for k in row if int(k) >= 0}
        if own:
            found += [[Fraction(s * (1 + k * k % 7) * (k in own)) for k in range(n)] for s in (1, -1)]
    return found


def kinks_come_near(net):
    """Whether along a line through θ, at 2⁻²⁰ and at 2⁻⁶⁰ of its length, f_X is not differentiable."""
    return any(
        not any(is_differentiable(net, moved(net, v, t)) for t in near_and_nearer()) for v in directions(net)
    )


class Box:
    """The numbers from low to high."""

    def __init__(self, low, high):
        self.low, self.high = low, high

    def __add__(self, other):
        other = other if isinstance(other, Box) else Box(other, other)
        return Box(self.low + other.low, self.high + other.high)

    def __mul__(self, other):
        other = other if isinstance(other, Box) else Box(other, other)
        ends = [a * b for a in (self.low, self.high) for b in (other.low, other.high)]
        return Box(min(ends), max(ends))

    __radd__, __rmul__ = __add__, __mul__


def stays_off_kinks(net, radius=Fraction(1, 2**60)):
    """Whether every kinked unit is away from 0, or 0 throughout, in a box of that radius around θ.

    Then f_X is smooth in the box. For activations that are linear but for a kink at 0.
    """
    crossed = []

    def boxed(name, a):
        a = a if isinstance(a, Box) else Box(a, a)
        if name == "linear":
            return a
        if a.low <= 0 <= a.high and (a.low or a.high):
            crossed.append(a)
        ends = [activation_at(name, e)[0] for e in (a.low, a.high, max(a.low, min(a.high, 0 * a.low)))]
        return Box(min(ends), max(ends))

    theta = [Box(t - radius, t + radius) for t in program_parameters(net)]
    for x in net["X"]:
        program_stages(net, theta, x, boxed)
    return not crossed


def never_leaves_zero(net, radius=Fraction(1, 2**60)):
    """Whether every output is 0 throughout a box of that radius around θ, by interval arithmetic."""

    def boxed_relu(name, a):
        a = a if isinstance(a, Box) else Box(a, a)
        return Box(activation_at(name, a.low)[0], activation_at(name, a.high)[0])

    theta = [Box(t - radius, t + radius) for t in program_parameters(net)]
    rows = [a for x in net["X"] for a in program_stages(net, theta, x, boxed_relu)[-1]]
    return all(a.low == 0 == a.high if isinstance(a, Box) else a == 0 for a in rows)
