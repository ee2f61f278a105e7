"""Rechecks for ``verify/test_nh17_linear.py``: ranks of linear layers, by elimination."""

from __future__ import annotations

from typing import Any

from verify.rechecks.layers import with_ones
from verify.rechecks.linear_algebra import matrix, rank, times
from verify.rechecks.wide_layers import weights_and_biases


def rational_layers(net):
    """F_0, …, F_k for σ(t) = t or t³."""
    made, power = [matrix(net["X"])], {"linear": 1, "cube": 3}[net["activation"]]
    for w in weights_and_biases(net):
        made.append([[t**power for t in row] for row in times(with_ones(made[-1]), w)])
    return made


def ranks_of(net):
    """rank F_0, …, rank F_k and rank W_1, …, rank W_k."""
    return [rank(f) for f in rational_layers(net)], [rank(w[:-1]) for w in weights_and_biases(net)]


def bordered_rank(net):
    """rank [F_k, 1]."""
    return rank(with_ones(rational_layers(net)[-1]))


def some_layer_gains_more(instance: dict[str, Any], more=1) -> bool:
    """For some l, rank F_l exceeds min{rank F_{l−1}, rank W_l} + ``more``, by elimination."""
    f, w = ranks_of(instance)
    return any(f[l + 1] > min(f[l], w[l]) + more for l in range(len(w)))


def first_layer_is_no_equality(instance: dict[str, Any]) -> bool:
    """rank F_1 is not min{rank X, rank W_1} + 1, by elimination."""
    f, w = ranks_of(instance)
    return f[1] != min(f[0], w[0]) + 1


def rank_exceeds_some_weight(instance: dict[str, Any], more=1) -> bool:
    """For some l, rank F_k exceeds rank W_l + k − l + ``more``, by elimination."""
    f, w = ranks_of(instance)
    k = len(w)
    return any(f[k] > w[l - 1] + k - l + more for l in range(1, k + 1))


def rank_exceeds_that_of_the_data(instance: dict[str, Any]) -> bool:
    """rank F_k exceeds rank X, by elimination."""
    f, _ = ranks_of(instance)
    return f[-1] > f[0]


def bordered_rank_exceeds_the_least(instance: dict[str, Any], more=1) -> bool:
    """rank [F_k, 1] exceeds the least rank W_l by more than ``more``, by elimination."""
    return bordered_rank(instance) > min(ranks_of(instance)[1]) + more


def bordered_rank_is_not_the_least_and_one(instance: dict[str, Any]) -> bool:
    """rank [F_k, 1] is not the least rank W_l plus 1, by elimination."""
    return bordered_rank(instance) != min(ranks_of(instance)[1]) + 1
