"""Networks at exact ties: pre-activations at a kink, where f_X may be differentiable or not."""

from __future__ import annotations

from functools import cache

from flint import fmpq, fmpq_mat
from hypothesis import strategies as st

from strategies.feedforward import Computation, Network, apply, bias, computation, frozen, inputs, weight
from strategies.instance import instance
from strategies.losses import squared
from strategies.matrices import matrices
from strategies.numbers import among, between
from strategies.stationary import networks

__all__ = [
    "Approach",
    "approaches",
    "approaches_along_ties",
    "cancelling_networks",
    "plain_computations",
    "pooled_computations",
    "tied_networks",
]


@cache
def _plain(depth: int, d_x: int, d: int, d_y: int, sigma: str, biased: bool) -> Computation:
    h = inputs(d_x)
    for _ in range(depth):
        h = weight(d, h.width) @ h
        h = apply(sigma, h + bias(d) if biased else h)
    out = weight(d_y, h.width) @ h
    return computation(out + bias(d_y) if biased else out)


@st.composite
def plain_computations(
    draw: st.DrawFn, activations: tuple[str, ...] = ("relu", "leaky relu", "abs"), depth: int = 2
) -> Computation:
    """Fully connected networks with 1 to ``depth`` hidden layers of one activation, some with biases."""
    sizes = draw(between(1, depth)), draw(between(1, 2)), draw(between(1, 2)), draw(between(1, 2))
    return _plain(*sizes, draw(among(*activations)), draw(among(False, True)))


@cache
def _pooled(d_x: int, pools: int, d_y: int) -> Computation:
    """W maxpool(U x), in pairs: max(a, b) = b + relu(a − b)."""
    units = weight(2 * pools, d_x) @ inputs(d_x)
    second = [[int(j == 2 * k + 1) for j in range(2 * pools)] for k in range(pools)]
    difference = [[(j == 2 * k) - (j == 2 * k + 1) for j in range(2 * pools)] for k in range(pools)]
    pooled = (frozen(second) @ units) + apply("relu", frozen(difference) @ units)
    return computation(weight(d_y, pools) @ pooled)


@st.composite
def pooled_computations(draw: st.DrawFn) -> Computation:
    """One layer of max-pooling over pairs of linear units, and a linear output layer."""
    return _pooled(draw(between(1, 2)), draw(between(1, 2)), draw(between(1, 2)))


_often_zero = among(0, 1, 0, -1, 2)
_small = among(1, 0, -1, 2)


def tied_networks(
    computations: st.SearchStrategy[Computation], samples: tuple[int, int] = (1, 2)
) -> st.SearchStrategy[Network]:
    """Networks whose entries are so often zero that many pre-activations lie at a kink; labels are 0.

    Shrinks to one sample and zero weights.
    """
    return networks(
        computations,
        samples=samples,
        parameters=_often_zero,
        entries=_small,
        labels="none",
        weighted=False,
        off_kinks=False,
    )


@cache
def _bottleneck(width: int, units: int) -> Computation:
    """W₃ relu(W₂ U x) with a linear first layer, d_x = d_y = 1."""
    return computation(
        weight(1, units) @ apply("relu", weight(units, width) @ (weight(width, 1) @ inputs(1)))
    )


@st.composite
def cancelling_networks(draw: st.DrawFn, widths: tuple[int, int] = (1, 2)) -> Network:
    """ReLU networks W₃ relu(W₂ U x) differentiable at a tie, though no outgoing weight is zero.

    The representation U x vanishes, the rows of W₂ are parallel, r and s r, and W₃ = (c, −c / |s|): then
    f′(θ; v) is linear in v, c r·v x for s < 0 and 0 for s > 0. The width
    of U x lies in ``widths``. Shrinks to the least and small entries.
    """
    width = draw(between(*widths))
    f = _bottleneck(width, 2)
    r = [draw(among(1, 0, -1)) for _ in range(width)]
    s, c = draw(among(-1, 1, -2, 2)), draw(among(1, -1, 2))
    theta = [0] * width + r + [s * e for e in r] + [fmpq(c), fmpq(-c, abs(s))]
    x = draw(matrices(draw(between(1, 2)), 1, _small))
    m = x.nrows()
    return Network(
        computation=f,
        theta=fmpq_mat(len(theta), 1, theta),
        X=x,
        Y=fmpq_mat(m, 1),
        loss=squared,
        weights=fmpq_mat(1, m, [1] * m),
    )


@instance
class Approach:
    """A network and the line θ + t v through its θ; v is n × 1."""

    net: Network
    v: fmpq_mat

    def at(self, t: fmpq) -> Network:
        """The network at θ + t v."""
        return self.net.moved(self.v, t)


@st.composite
def approaches(draw: st.DrawFn, nets: st.SearchStrategy[Network]) -> Approach:
    """Networks of ``nets`` with a line of small integer direction through θ. Shrinks to few coordinates."""
    net = draw(nets)
    return Approach(net=net, v=draw(matrices(net.theta.nrows(), 1, _direction)))


@st.composite
def approaches_along_ties(draw: st.DrawFn) -> Approach:
    """``cancelling_networks`` with a line along which the tied pre-activations move to second order only.

    The move of U is orthogonal to the rows of W₂, so that none of them leaves its kink at first order.
    """
    net = draw(cancelling_networks(widths=(2, 2)))
    v = draw(matrices(net.theta.nrows(), 1, _direction))
    length, r = draw(among(1, -1, 0)), net.theta.entries()[2:4]
    v[0, 0], v[1, 0] = -length * r[1], length * r[0]
    return Approach(net=net, v=v)


_direction = among(0, 1, -1, 2, -2)
