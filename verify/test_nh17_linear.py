"""Nguyen & Hein (2017), Section 4, before Lemma 4.3: the ranks of the layers of linear networks."""

from functools import partial

from flint import fmpq_mat

from strategies.wide import Linear, linear_layers
from verify import HOLDS, REFUTED, Verdict, all_of, claim, decide_at_most, decide_equal, drop, mutant, printed
from verify.oracles.rank_certificates import with_ones
from verify.papers import NH17
from verify.rechecks.nh17_linear import (
    bordered_rank_exceeds_the_least,
    bordered_rank_is_not_the_least_and_one,
    first_layer_is_no_equality,
    rank_exceeds_some_weight,
    rank_exceeds_that_of_the_data,
    some_layer_gains_more,
)


def weights_of(net: Linear) -> list[fmpq_mat]:
    """W_1, …, W_k without the biases."""
    return [fmpq_mat(w.nrows() - 1, w.ncols(), w.entries()[: (w.nrows() - 1) * w.ncols()]) for w in net.stack]


def layer_step(net: Linear, more: int = 1) -> Verdict:
    """rank F_l <= min{rank F_{l−1}, rank W_l} + ``more`` for every l."""
    f = net.layers()
    return all_of(
        *(
            decide_at_most(f[l].rank(), min(f[l - 1].rank(), w.rank()) + more, named=(f"rank F_{l}", "bound"))
            for l, w in enumerate(weights_of(net), 1)
        )
    )


def printed_bound(net: Linear, more: int = 1) -> Verdict:
    """rank F_k <= rank W_l + k − l + ``more`` for every l."""
    k, rank = len(net.stack), net.layers()[-1].rank()
    return all_of(
        *(
            decide_at_most(rank, w.rank() + k - l + more, named=("rank F_k", f"rank W_{l} + k - l + {more}"))
            for l, w in enumerate(weights_of(net), 1)
        )
    )


def sharp_bound(net: Linear, more: int = 1) -> Verdict:
    """rank [F_k, 1] <= min_l rank W_l + ``more``."""
    least = min(w.rank() for w in weights_of(net))
    return decide_at_most(with_ones(net.layers()[-1]).rank(), least + more, named=("rank [F_k, 1]", "bound"))


LINEAR = {"linear": r"\sigma(t) = t"}
linear = linear_layers()
curved = linear_layers(activation="cube", wide=True)


@claim(
    "NH17/linear-step",
    paper=NH17,
    where="Section 4, before Lemma 4.3",
    says=r"\mathrm{rank}(F_k) \le \min\{\mathrm{rank}(F_{k-1}), \mathrm{rank}(W_k)\} + 1",
    assumes=LINEAR,
)
@printed(HOLDS, linear, examples=80)
@drop("linear", REFUTED, curved, recheck=some_layer_gains_more)
@mutant(
    "without + 1",
    linear,
    conclude=lambda net: layer_step(net, 0),
    recheck=partial(some_layer_gains_more, more=0),
)
@mutant(
    "equality",
    linear,
    conclude=lambda net: decide_equal(
        net.layers()[1].rank(), min(net.X.rank(), weights_of(net)[0].rank()) + 1
    ),
    recheck=first_layer_is_no_equality,
)
def test_rank_of_one_linear_layer(net: Linear) -> Verdict:
    """A linear layer with bias raises the rank by at most one."""
    return layer_step(net)


@claim(
    "NH17/linear-rank",
    paper=NH17,
    where="Section 4, before Lemma 4.3: by induction",
    says=r"\mathrm{rank}(F_k) \le \mathrm{rank}(W_l) + k - l + 1 \text{ for every } l \in [k]",
    assumes=LINEAR,
    equivalent={
        "rank(W_l) + 1": "true: the biases of all layers together are one term of rank one (linear-rank-sharp)"
    },
)
@printed(HOLDS, linear, examples=80)
@drop("linear", REFUTED, curved, recheck=rank_exceeds_some_weight)
@mutant(
    "rank(W_l) + k - l",
    linear,
    conclude=lambda net: printed_bound(net, 0),
    recheck=partial(rank_exceeds_some_weight, more=0),
)
@mutant(
    "rank(F_k) <= rank(F_0)",
    linear,
    conclude=lambda net: decide_at_most(net.layers()[-1].rank(), net.X.rank(), named=("rank F_k", "rank X")),
    recheck=rank_exceeds_that_of_the_data,
)
def test_rank_of_deep_linear_layers(net: Linear) -> Verdict:
    """In a deep linear network the rank of F_k is bounded by that of every weight below, up to k − l + 1."""
    return printed_bound(net)


@claim(
    "NH17/linear-rank-sharp",
    paper=NH17,
    where="Section 4, before Lemma 4.3: what is true",
    says=r"\mathrm{rank}([F_k, \mathbf{1}_N]) \le \min_{l \le k} \mathrm{rank}(W_l) + 1",
    assumes=LINEAR,
)
@printed(
    HOLDS,
    linear,
    examples=80,
    reaches={
        "attained": lambda net: (
            with_ones(net.layers()[-1]).rank() == min(w.rank() for w in weights_of(net)) + 1
        ),
        "below the printed bound": lambda net: any(
            w.rank() + len(net.stack) - l > min(v.rank() for v in weights_of(net))
            for l, w in enumerate(weights_of(net), 1)
        ),
    },
)
@drop("linear", REFUTED, curved, recheck=bordered_rank_exceeds_the_least)
@mutant(
    "min rank(W_l)",
    linear,
    conclude=lambda net: sharp_bound(net, 0),
    recheck=partial(bordered_rank_exceeds_the_least, more=0),
)
@mutant(
    "attained",
    linear,
    conclude=lambda net: decide_equal(
        with_ones(net.layers()[-1]).rank(), min(w.rank() for w in weights_of(net)) + 1
    ),
    recheck=bordered_rank_is_not_the_least_and_one,
)
def test_all_biases_together_add_one(net: Linear) -> Verdict:
    """The biases of all layers of a deep linear network add one to the rank, not one each."""
    return sharp_bound(net)
