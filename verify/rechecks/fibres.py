"""The fibre of a network: other parameters near θ with exactly the same outputs, and the derivatives there."""

from __future__ import annotations

import itertools
from fractions import Fraction

from verify.rechecks.induced import affine_steps, some_columns, step_parameters
from verify.rechecks.linear_algebra import null_vectors, rank
from verify.rechecks.local_minima import nearby_points
from verify.rechecks.losses import activation_at
from verify.rechecks.networks import program_outputs, program_parameters, program_stages


class Dual:
    """A number with its derivatives by all parameters."""

    def __init__(self, value, slope):
        self.value, self.slope = value, slope

    def __add__(self, other):
        if not isinstance(other, Dual):
            return Dual(self.value + other, self.slope)
        return Dual(self.value + other.value, [a + b for a, b in zip(self.slope, other.slope)])

    def __mul__(self, other):
        if not isinstance(other, Dual):
            return Dual(self.value * other, [a * other for a in self.slope])
        x, y = self.value, other.value
        return Dual(x * y, [a * y + b * x for a, b in zip(self.slope, other.slope)])

    __radd__, __rmul__ = __add__, __mul__


def dual_stages(net, theta, x):
    """The units of every step at one input, with their derivatives by all parameters."""
    n = len(theta)
    duals = [Dual(t, [Fraction(j == k) for j in range(n)]) for k, t in enumerate(theta)]

    def apply(name, a):
        a = a if isinstance(a, Dual) else Dual(a, [Fraction(0)] * n)
        value, slope, _ = activation_at(name, a.value)
        return Dual(value, [slope * e for e in a.slope])

    return program_stages(net, duals, x, apply)


def derivatives_at(net, theta, X=None):
    """∂f_X at θ: a row for every output of every sample (or of other inputs)."""
    rows = [a for x in X or net["X"] for a in dual_stages(net, theta, x)[-1]]
    return [a.slope if isinstance(a, Dual) else [Fraction(0)] * len(theta) for a in rows]


def rank_is_constant_nearby(net):
    """Whether ∂f_X has the same rank beside θ: then f_X covers a manifold, and T̃ is its tangent space T."""
    theta = program_parameters(net)
    here = rank(derivatives_at(net, theta))
    return all(rank(derivatives_at(net, there)) == here for there in nearby_points(theta))


def is_at_a_kink(net, theta):
    """Whether a unit with a kink is at it, and is so by chance: off it at other parameters nearby."""
    names = ("relu", "leaky relu", "abs", "step")
    for there in nearby_points(theta):
        for x in net["X"]:
            here, moved = program_stages(net, theta, x), program_stages(net, there, x)
            for step in net["computation"]["steps"]["tuple"]:
                if "activations" in step:
                    units = zip(step["activations"]["tuple"], here[step["source"]], moved[step["source"]])
                    if any(name in names and a == 0 and b != 0 for name, a, b in units):
                        return True
    return False


def unseen_changes(net, theta, number, X=None):
    """Changes of single rows of a step that its input does not see: ν · (h(x_i), 1) = 0 for every sample."""
    step, found = net["computation"]["steps"]["tuple"][number - 1], []
    inputs = [[*program_stages(net, theta, x)[step["source"]], Fraction(1)] for x in X or net["X"]]
    for row in step["places"]:
        trained = [(j, int(k)) for j, k in enumerate(row) if int(k) >= 0]
        for v in null_vectors([[h[j] for j, _ in trained] for h in inputs], len(trained)):
            change = [Fraction(0)] * len(theta)
            for (_, k), e in zip(trained, v):
                change[k] += e
            found.append(change)
    return found


def layer_ways(net, theta, number):
    """Lists of directions in the weights of one step that may keep the outputs.

    All that keep them to first order; rows that the input of the step does not see; weights without a derivative.
    """
    own = step_parameters(net, number)
    slopes, level, free = some_columns(derivatives_at(net, theta), own), [], []
    for v in null_vectors(slopes, len(own)):
        at = dict(zip(own, v))
        level.append([at.get(k, Fraction(0)) for k in range(len(theta))])
    for c, k in enumerate(own):
        if not any(row[c] for row in slopes):
            free.append([Fraction(j == k) for j in range(len(theta))])
    return [way for way in (level, unseen_changes(net, theta, number), free) if way]


def fibre_points(net, radius):
    """Parameters within ``radius`` of θ with its outputs, θ not among them: walks that move one step after another.

    In up to six orders of the steps; along combinations of all directions of a kind in the first three turns, then
    along single ones. What is kept has exactly the outputs of θ and no unit at a kink.
    """
    theta = program_parameters(net)
    here_outputs, layers = program_outputs(net, theta), affine_steps(net)
    orders = list(itertools.permutations(layers))[:6]
    coefficients = [Fraction(c) for c in (1, -2, 3, 5, -1, 2, -3, 7, 4, -5)]
    seen = [theta]
    for turn in range(11):
        for order in orders[:: -1 if turn % 2 else 1]:
            here, left = theta, Fraction(radius)
            for place, number in enumerate(order):
                ways = layer_ways(net, here, number)
                if not ways:
                    continue
                way = ways[turn % len(ways)]
                pairs = list(zip(coefficients[turn:] + coefficients, way))
                if turn >= 3:  # single directions, one way and the other
                    pairs = [(Fraction((-1) ** turn), way[((turn + 1) // 2 + place) % len(way)])]
                v = [sum((c * d[k] for c, d in pairs), Fraction(0)) for k in range(len(theta))]
                size = sum(abs(e) for e in v)
                for shrink in (1, 16, 256) if size else ():
                    t = left / (2 * size * shrink)
                    there = [a + t * b for a, b in zip(here, v)]
                    if program_outputs(net, there) == here_outputs:
                        here, left = there, left / 2
                        break
                if here not in seen:
                    seen.append(here)
                    if not is_at_a_kink(net, here):
                        yield here


def grown_span(net, basis, radius, rows=None):
    """The basis beside the derivatives at the points of the fibre that add to its span."""
    width = rank(basis)
    for there in fibre_points(net, radius):
        if width == len(basis):
            break
        wider = [a + b for a, b in zip(basis, derivatives_at(net, there))]
        if rank(wider) > width:
            basis, width = wider, rank(wider)
    return basis
