"""The layers F_l = σ([F_{l−1}, 1] W̃_l) of an instance that gives X and W̃_1, …, W̃_k themselves."""

from __future__ import annotations

from verify.rechecks.layers import with_ones
from verify.rechecks.linear_algebra import matrix, times
from verify.rechecks.many_bits import is_rational_there, sigma


def weights_and_biases(net):
    """W̃_1, …, W̃_k: W_l over b_l."""
    return [matrix(w) for w in net["stack"]["tuple"]]


def layers_of(net):
    """F_0, …, F_k, and whether they are exact."""
    made, exact = [matrix(net["X"])], True
    for w in weights_and_biases(net):
        g = times(with_ones(made[-1]), w)
        exact = exact and all(is_rational_there(net["activation"], t) for row in g for t in row)
        made.append([[sigma(net["activation"], t) for t in row] for row in g])
    return made, exact


def different(rows):
    """How many different rows there are."""
    return len({tuple(row) for row in rows})
