"""Residual models W (x + R z(x; u)), decoupled ones W x + V z(x; u), and deep linear networks.

z(x; u) is either arbitrary, numbers given beside x as further inputs that frozen selections pick, or the
output of a branch with weights u. (Kawaguchi, Huang & Kaelbling 2019, Sections 4.1 and 4.2.2.)
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

from flint import fmpq, fmpq_mat
from hypothesis import reject
from hypothesis import strategies as st

from strategies.feedforward import (
    Affine,
    AtKink,
    Combine,
    Computation,
    Expression,
    Network,
    apply,
    computation,
    frozen,
    inputs,
    run,
    weight,
    weight_at,
)
from strategies.losses import Loss, squared
from strategies.matrices import columns, hstack, identity, matrices, rows
from strategies.networks import ResNet
from strategies.numbers import among, between, integers

__all__ = [
    "Parts",
    "as_deep_linear",
    "as_residual",
    "as_resnet",
    "beside_the_others",
    "cancelling_networks",
    "decoupled_model",
    "deep_linear",
    "deep_linear_networks",
    "model_networks",
    "parts",
    "residual_model",
    "tied_model",
    "with_frozen_branch",
]

Shape = tuple[int, int, int]
"""(d_x, d_z, d_y)."""


def _branch(d_x: int, d_z: int, sigma: str) -> tuple[Expression, Expression]:
    """x and z: selected from d_x + d_z inputs if ``sigma`` is "frozen", else σ(U x)."""
    if sigma != "frozen":
        x = inputs(d_x)
        return x, apply(sigma, weight(d_z, d_x) @ x)
    both, eye = inputs(d_x + d_z), identity(d_x + d_z)
    first, last = rows(eye, range(d_x)), rows(eye, range(d_x, d_x + d_z))
    return frozen(first) @ both, frozen(last) @ both


@lru_cache(maxsize=1024)
def residual_model(shape: Shape, sigma: str = "frozen") -> Computation:
    """W (x + R z), eq. (4.1) of the paper. The last step is W."""
    d_x, d_z, d_y = shape
    x, z = _branch(d_x, d_z, sigma)
    return computation(weight(d_y, d_x) @ (x + weight(d_x, d_z) @ z))


@lru_cache(maxsize=1024)
def decoupled_model(shape: Shape, sigma: str = "frozen") -> Computation:
    """W x + V z."""
    d_x, d_z, d_y = shape
    x, z = _branch(d_x, d_z, sigma)
    return computation(weight(d_y, d_x) @ x + weight(d_y, d_z) @ z)


@lru_cache(maxsize=1024)
def tied_model(shape: Shape, sigma: str = "frozen") -> Computation:
    """W x + W z with the same W, for d_x = d_z."""
    d_x, d_z, d_y = shape
    x, z = _branch(d_x, d_z, sigma)
    w = weight(d_y, d_x)
    return computation(w @ x + w @ z)


@lru_cache(maxsize=1024)
def deep_linear(d: tuple[int, ...], sigma: str = "linear") -> Computation:
    """W^(H+1) σ(W^(H) … σ(W^(1) x)) with layers of d_0, …, d_{H+1} units; no activation if "linear"."""
    h = inputs(d[0])
    for l in range(1, len(d) - 1):
        h = weight(d[l], d[l - 1]) @ h
        h = h if sigma == "linear" else apply(sigma, h)
    return computation(weight(d[-1], d[-2]) @ h)


class Parts(NamedTuple):
    """The features of a residual or decoupled model: x is m × d_x, z is m × d_z."""

    x: fmpq_mat
    z: fmpq_mat


def parts(net: Network) -> Parts:
    """x_i and z(x_i; u), also at kinks."""
    f = net.computation
    last = f.steps[-1]
    both = f.steps[last.source - 1] if isinstance(last, Affine) else last
    if not isinstance(both, Combine):
        raise ValueError("neither W (x + R z) nor W x + V z")
    sources = [f.steps[s - 1] if s else None for s in (both.left, both.right)]
    if isinstance(last, Affine):
        numbers = (both.left, _source(sources[1]))
    else:
        numbers = (_source(sources[0]), _source(sources[1]))
    stages = run(f, net.theta, net.X, balls=False, derivatives=False)
    return Parts(*(stages[k].value.transpose() for k in numbers))


def _source(step: object) -> int:
    if not isinstance(step, Affine):
        raise ValueError("neither W (x + R z) nor W x + V z")
    return step.source


def _weights(net: Network, step: int) -> fmpq_mat:
    """The matrix of a step, by its index in ``steps``, without the bias column."""
    affine = net.computation.steps[step]
    assert isinstance(affine, Affine)
    full: fmpq_mat = weight_at(affine, net.theta.entries(), fmpq_mat(0, 0))
    return columns(full, range(full.ncols() - 1))


def as_resnet(net: Network) -> ResNet:
    """W (x + R z) at fixed u as the residual network of Kawaguchi & Bengio (2019), weights λ_i / Σ λ.

    A local minimum of L is one in (W, R), and the other way round where z has no weights u.
    """
    x, z = parts(net)
    f = net.computation
    last = f.steps[-1]
    assert isinstance(last, Affine)
    both = f.steps[last.source - 1]
    assert isinstance(both, Combine)
    return ResNet(
        X=x,
        Z=z,
        Y=net.Y,
        W=_weights(net, len(f.steps) - 1),
        V=_weights(net, both.right - 1),
        loss=net.loss,
        measure=net.measure,
    )


def with_frozen_branch(net: Network) -> Network:
    """W (x + R z) with the numbers z(x_i; u) in place of the branch: L at fixed u."""
    (x, z), model = parts(net), as_resnet(net)
    theta = model.V.entries() + model.W.entries()
    f = residual_model((x.ncols(), z.ncols(), net.Y.ncols()))
    return replace(net, computation=f, theta=fmpq_mat(len(theta), 1, theta), X=hstack(x, z))


def as_residual(net: Network) -> Network | None:
    """W₂ W₁ x with W₁ = [A B], A invertible and 0 < d_1 < d_x, as W (x' + R x'') with W = W₂ A, R = A⁻¹ B.

    x' are the first d_1 inputs, x'' the others. (W₂, W₁) ↦ (W, R) is continuous: where the residual model has
    a local minimum, so has the deep linear one. None for other networks.
    """
    steps = net.computation.steps
    if len(steps) != 2 or not all(isinstance(s, Affine) for s in steps):
        return None
    first, second = _weights(net, 0), _weights(net, 1)
    d_1, d_x = first.nrows(), first.ncols()
    if not 0 < d_1 < d_x:
        return None
    a, b = columns(first, range(d_1)), columns(first, range(d_1, d_x))
    if a.det() == 0:
        return None
    theta = (a.inv() * b).entries() + (second * a).entries()
    f = residual_model((d_1, d_x - d_1, second.nrows()))
    return replace(net, computation=f, theta=fmpq_mat(len(theta), 1, theta))


MODELS = {"residual": residual_model, "decoupled": decoupled_model, "tied": tied_model}
_RANKS = {
    "any": among("any"),
    "zero": among("zero"),
    "deficient": among("zero", "equal rows"),
    "mixed": among("zero", "equal rows", "any", "any"),
}


@st.composite
def model_networks(
    draw: st.DrawFn,
    shapes: tuple[Shape, ...],
    *,
    model: str = "residual",
    branches: tuple[str, ...] = ("frozen",),
    samples: tuple[int, int] = (2, 4),
    rank: str = "mixed",
    loss: Loss = squared,
    labels: st.SearchStrategy[Any] | None = None,
    weighted: bool = True,
    off_kinks: bool = True,
) -> Network:
    """Residual, decoupled or tied models with small integer weights and data; labels 0, to be planted.

    (d_x, d_z, d_y) is one of ``shapes``; a branch is "frozen" (z is arbitrary) or the activation of one layer
    that trains. ``rank`` says what W is: "zero", "deficient" (zero, or all rows equal), "any", or "mixed".
    ``labels`` draws labels entry by entry. Shrinks to the first shape, few samples, zero weights and data.
    """
    f = MODELS[model](draw(among(*shapes)), draw(among(*branches)))
    m = draw(between(*samples))
    theta = draw(matrices(f.parameters, 1, _SMALL))
    x = draw(matrices(m, f.width, _SMALL))
    mode = draw(_RANKS[rank])
    last = f.steps[-1]
    if isinstance(last, Affine):
        into = last.places.ncols() - 1
        for e, k in enumerate(last.parameters):
            if mode != "any":
                theta[k, 0] = 0 if mode == "zero" else theta[last.parameters[e % into], 0]
    y = fmpq_mat(m, f.outputs) if labels is None else draw(matrices(m, f.outputs, labels))
    weights = draw(matrices(1, m, _WEIGHTS if weighted else between(1, 1)))
    net = Network(computation=f, theta=theta, X=x, Y=y, loss=loss, weights=weights)
    if off_kinks:
        try:
            _ = net.J
        except AtKink:
            reject()
    return net


_SMALL = integers(2)
_WEIGHTS = between(1, 3)


@st.composite
def cancelling_networks(
    draw: st.DrawFn,
    shapes: tuple[Shape, ...],
    *,
    samples: tuple[int, int] = (2, 3),
    loss: Loss = squared,
) -> Network:
    """Residual models W (x + R z) with z arbitrary, whose branch cancels the input at the first samples.

    There 0 ≠ x_i = −R z_i, so that the output is 0 whatever W is: such a network gives up on these samples
    for the sake of the others. These weigh 1 to 3, the others 1 or 2. The entries of R are
    signs, W is not zero. Shrinks to the first shape, few samples and ones.
    """
    shape = draw(among(*shapes))
    d_x, d_z, d_y = shape
    m = draw(between(*samples))
    cancelled = draw(between(1, m - 1))
    r = draw(matrices(d_x, d_z, _SIGNS))
    w = draw(matrices(d_y, d_x, _SPARSE))
    if not any(w.entries()):
        w[d_y - 1, d_x - 1] = 1
    z = draw(matrices(m, d_z, integers(1)))
    x = draw(matrices(m, d_x, _SPARSE))
    for i in range(m):
        z[i, 0] = z[i, 0] or 1
        for j in range(d_x if i < cancelled else 0):
            x[i, j] = -sum((r[j, b] * z[i, b] for b in range(d_z)), fmpq(0))
    theta = r.entries() + w.entries()
    weights = [draw(_HEAVY if i < cancelled else _LIGHT) for i in range(m)]
    return Network(
        computation=residual_model(shape),
        theta=fmpq_mat(len(theta), 1, theta),
        X=hstack(x, z),
        Y=fmpq_mat(m, d_y),
        loss=loss,
        weights=fmpq_mat(1, m, weights),
    )


_HEAVY, _LIGHT = among(2, 3, 1), among(1, 1, 2)
_SIGNS = among(1, -1)
_SPARSE = among(0, 0, 1, -1, 2, -2)


def beside_the_others(net: Network) -> fmpq_mat:
    """Columns to which p is orthogonal iff Jᵀ p = 0 and p_i = 0 wherever x_i + R z_i is not 0.

    For ``critical_networks(against=)``: the samples that a residual model does not give up are fitted.
    """
    (x, z), d = parts(net), net.Y.ncols()
    q = x + z * as_resnet(net).V.transpose()
    kept = [i * d + k for i, row in enumerate(q.table()) if any(row) for k in range(d)]
    return hstack(net.J, columns(identity(net.J.nrows()), kept))


@st.composite
def deep_linear_networks(
    draw: st.DrawFn,
    widths: tuple[tuple[int, ...], ...],
    *,
    sigma: str = "linear",
    samples: tuple[int, int] = (2, 4),
    degenerate: str = "mixed",
    loss: Loss = squared,
    labels: st.SearchStrategy[Any] | None = None,
    weighted: bool = True,
) -> Network:
    """Deep linear networks (or ones with an activation) with small integer weights and data, labels 0.

    (d_0, …, d_{H+1}) is one of ``widths``. ``degenerate`` "mixed" sets each weight matrix to zero, to equal
    rows, or leaves it; "last" sets the last one to zero; "none" leaves all. Shrinks to the first widths, few
    samples, zero weights and data.
    """
    f = deep_linear(draw(among(*widths)), sigma)
    m = draw(between(*samples))
    theta = draw(matrices(f.parameters, 1, _SMALL))
    x = draw(matrices(m, f.width, _SMALL))
    layers = [s for s in f.steps if isinstance(s, Affine)]
    for step in layers:
        mode = draw(_LAYERS) if degenerate == "mixed" else "any"
        if degenerate == "last" and step is layers[-1]:
            mode = "zero"
        into = step.places.ncols() - 1
        for e, k in enumerate(step.parameters):
            if mode != "any":
                theta[k, 0] = 0 if mode == "zero" else theta[step.parameters[e % into], 0]
    y = fmpq_mat(m, f.outputs) if labels is None else draw(matrices(m, f.outputs, labels))
    weights = draw(matrices(1, m, _WEIGHTS if weighted else between(1, 1)))
    net = Network(computation=f, theta=theta, X=x, Y=y, loss=loss, weights=weights)
    try:
        _ = net.J
    except AtKink:
        reject()
    return net


_LAYERS = among("zero", "equal rows", "any", "any")


def as_deep_linear(net: Network) -> Network:
    """W (x' + R x'') with arbitrary x'' as the deep linear network W₂ W₁ x, W₁ = [I R], on x = (x', x'')."""
    model = as_resnet(net)
    d_y, d_x = model.W.nrows(), model.W.ncols()
    theta = hstack(identity(d_x), model.V).entries() + model.W.entries()
    f = deep_linear((net.X.ncols(), d_x, d_y))
    return replace(net, computation=f, theta=fmpq_mat(len(theta), 1, theta))
