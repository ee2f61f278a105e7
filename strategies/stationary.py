"""Feedforward networks of many families, and points planted at critical points of their loss.

For fixed θ and data, ∇L = Jᵀ p with J = ∂f_X(θ) and p the output slopes, which the labels prescribe: every
solution of Jᵀ p = 0 can be planted, an exact critical point of any network and loss, minimum or not.
(Kawaguchi, Huang & Kaelbling 2019, Lemma 2.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from flint import fmpq, fmpq_mat
from hypothesis import reject
from hypothesis import strategies as st
from numpy.typing import NDArray

from strategies.critical import with_slopes
from strategies.feedforward import (
    Activate,
    Affine,
    AtKink,
    Computation,
    Network,
    apply,
    bias,
    computation,
    convolution,
    inputs,
    join,
    run_arrays,
    weight,
)
from strategies.losses import Loss, cross_entropy, hinge, smoothed_hinge, squared
from strategies.matrices import as_floats, matrices, null_space, vstack
from strategies.networks import labels_for
from strategies.numbers import among, between, exact, integers

__all__ = [
    "DEGENERATE",
    "EXACT",
    "FAMILIES",
    "KINKED",
    "SMOOTH",
    "computations",
    "critical_networks",
    "degenerate_critical_networks",
    "degenerate_networks",
    "networks",
    "parity_minima",
    "planted_slopes",
    "singular_parity_minima",
    "trained",
    "trained_networks",
]

KINKED = ("relu", "leaky relu", "abs")
SMOOTH = ("linear", "cube", "quadratic", "serpentine")
EXACT = ("relu", "linear", "quadratic", "cube", "leaky relu", "abs", "serpentine")
"""Activations with rational values and derivatives, for ``computations``."""

Family = Callable[[int, int, int, str], Computation]


def _one_hidden_layer(d_x: int, d: int, d_y: int, sigma: str) -> Computation:
    return computation(weight(d_y, d) @ apply(sigma, weight(d, d_x) @ inputs(d_x)))


def _biases(d_x: int, d: int, d_y: int, sigma: str) -> Computation:
    return computation(weight(d_y, d) @ apply(sigma, weight(d, d_x) @ inputs(d_x) + bias(d)) + bias(d_y))


def _two_hidden_layers(d_x: int, d: int, d_y: int, sigma: str) -> Computation:
    first = apply(sigma, weight(d, d_x) @ inputs(d_x))
    return computation(weight(d_y, d) @ apply(sigma, weight(d, d) @ first))


def _skips(d_x: int, d: int, d_y: int, sigma: str) -> Computation:
    """Every hidden layer has weights to the output: Example 3 of the paper with I = {1, 2}."""
    first = apply(sigma, weight(d, d_x) @ inputs(d_x))
    second = apply(sigma, weight(d, d) @ first)
    return computation(weight(d_y, d) @ first + weight(d_y, d) @ second)


def _residual(d_x: int, d: int, d_y: int, sigma: str) -> Computation:
    """W (x + R z(x; u)), eq. (4.1) of the paper."""
    x = inputs(d_x)
    return computation(weight(d_y, d_x) @ (x + weight(d_x, d) @ apply(sigma, weight(d, d_x) @ x)))


def _convolution(d_x: int, d: int, d_y: int, sigma: str) -> Computation:
    """One channel of a convolution with d shared weights over d_x + d − 1 inputs."""
    x = inputs(d_x + d - 1)
    return computation(weight(d_y, d_x) @ apply(sigma, convolution(d, d_x + d - 1) @ x) + bias(d_y))


def _tied(d_x: int, d: int, d_y: int, sigma: str) -> Computation:
    """The same hidden layer twice, as in an unrolled recurrent network."""
    again = weight(d_x, d_x)
    return computation(weight(d_y, d_x) @ apply(sigma, again @ apply(sigma, again @ inputs(d_x))))


def _dense(d_x: int, d: int, d_y: int, sigma: str) -> Computation:
    """The output sees the inputs beside the hidden layer."""
    x = inputs(d_x)
    return computation(weight(d_y, d_x + d) @ join(x, apply(sigma, weight(d, d_x) @ x)))


def _gated(d_x: int, d: int, d_y: int, sigma: str) -> Computation:
    """Every hidden unit is multiplied by a linear one: a vector-valued activation."""
    x = inputs(d_x)
    return computation(weight(d_y, d) @ (apply(sigma, weight(d, d_x) @ x) * (weight(d, d_x) @ x)))


def _linear_in_parameters(d_x: int, d: int, d_y: int, sigma: str) -> Computation:
    """W φ(x) + b with fixed features φ(x) = (x, x ∗ x): Example 1 of the paper."""
    x = inputs(d_x)
    return computation(weight(d_y, 2 * d_x) @ join(x, x * x) + bias(d_y))


FAMILIES: dict[str, Family] = {
    "one hidden layer": _one_hidden_layer,
    "biases": _biases,
    "two hidden layers": _two_hidden_layers,
    "skips": _skips,
    "residual": _residual,
    "convolution": _convolution,
    "tied": _tied,
    "dense": _dense,
    "gated": _gated,
    "linear in parameters": _linear_in_parameters,
}
"""Architectures by name: (d_x, hidden width, d_y, activation) to a computation whose output layer is linear
with weights of its own, so that Assumption 2 of the paper holds."""


@st.composite
def computations(
    draw: st.DrawFn,
    families: tuple[str, ...] = tuple(FAMILIES),
    activations: tuple[str, ...] = EXACT,
    d_x: int = 2,
    width: int = 2,
    d_y: int = 2,
    least_d_y: int = 1,
) -> Computation:
    """Architectures of the named families; dimensions lie between 1 (``least_d_y``) and those given."""
    family = FAMILIES[draw(among(*families))]
    sizes = draw(between(1, d_x)), draw(between(1, width)), draw(between(least_d_y, d_y))
    return _made(family, *sizes, draw(among(*activations)))


def _made(family: Family, d_x: int, d: int, d_y: int, sigma: str) -> Computation:
    key = (family, d_x, d, d_y, sigma)
    if key not in _MADE:
        _MADE[key] = family(d_x, d, d_y, sigma)
    return _MADE[key]


_MADE: dict[tuple[Family, int, int, int, str], Computation] = {}


@st.composite
def networks(
    draw: st.DrawFn,
    computations: st.SearchStrategy[Computation] | Computation | None = None,
    *,
    samples: tuple[int, int] = (1, 4),
    entries: st.SearchStrategy[Any] | None = None,
    parameters: st.SearchStrategy[Any] | None = None,
    loss: Loss = squared,
    labels: st.SearchStrategy[Any] | str = "any",
    weighted: bool = True,
    degenerate: bool = False,
    off_kinks: bool = True,
) -> Network:
    """Networks with small integer weights and data: of one computation, or of a strategy of ``computations``.

    The number of samples lies in ``samples``; ``entries`` draws those of X, ``parameters`` those of θ; λ_i
    is 1, 2 or 3 if ``weighted``. ``labels`` are small integers, in {0, 1} or one-hot as the loss asks, or
    drawn entry by entry; "none" leaves them 0, to be planted. ``degenerate`` sets the outgoing weights of
    some units to zero. Draws at a kink are rejected if ``off_kinks``. Shrinks to few samples, zero weights
    and data.
    """
    if isinstance(computations, Computation):
        f = computations
    else:
        f = draw(_any if computations is None else computations)
    m = draw(between(*samples))
    theta = draw(matrices(f.parameters, 1, integers(2) if parameters is None else parameters))
    x = draw(matrices(m, f.width, integers(3) if entries is None else entries))
    if degenerate:
        theta = _with_silenced_units(draw, f, theta)
    weights = draw(matrices(1, m, between(1, 3) if weighted else between(1, 1)))
    y = fmpq_mat(m, f.outputs) if labels == "none" else draw(labels_for(loss, m, f.outputs, labels))
    net = Network(computation=f, theta=theta, X=x, Y=y, loss=loss, weights=weights)
    if off_kinks and any(a.kinked for a in f.functions):
        try:
            _ = net.outputs
        except AtKink:
            reject()
    return net


_any = computations()


def _with_silenced_units(draw: st.DrawFn, f: Computation, theta: fmpq_mat) -> fmpq_mat:
    """θ with zeros for the outgoing weights of some hidden units, in every affine step they feed."""
    silenced = fmpq_mat(theta)
    for step in f.steps:
        if not isinstance(step, Affine) or step.source == 0:
            continue
        into = step.places.ncols() - 1
        gone = {j for j in range(into) if draw(_seldom)}
        for _, j, k in step.trained:
            if j in gone:
                silenced[k, 0] = 0
    return silenced


_seldom = among(False, False, True)


DEGENERATE = ("one hidden layer", "biases", "two hidden layers", "residual", "skips", "dense", "gated")
"""Families whose basis grows along the fibre at degenerate points."""


@st.composite
def degenerate_networks(
    draw: st.DrawFn,
    families: tuple[str, ...] = DEGENERATE,
    activations: tuple[str, ...] = EXACT,
    *,
    samples: tuple[int, int] = (3, 6),
    d_y: int = 2,
    loss: Loss = squared,
    labels: st.SearchStrategy[Any] | str = "any",
) -> Network:
    """Networks at points where other parameters with the same outputs have derivatives that θ has not.

    In a drawn affine step, and in others sometimes, either a unit it reads has no outgoing weights there, so
    that its incoming weights are free; or two such units have equal incoming and opposite outgoing weights,
    so that the pair is free to move together; or all the weights of the step are zero. Two inputs, and more
    samples than the basis has dimensions more often than not. Shrinks to few samples and small weights.
    """
    family, sigma = draw(among(*families)), draw(among(*activations))
    f = _made(FAMILIES[family], 2, draw(between(1, 2)), draw(between(1, d_y)), sigma)
    m = draw(between(*samples))
    theta = draw(matrices(f.parameters, 1, integers(2)))
    x = draw(matrices(m, f.width, integers(3)))
    inner = [s for s in f.steps if isinstance(s, Affine) and s.source and s.trained]
    surely = inner[draw(between(0, 2)) % len(inner)]
    for step in inner:
        if step is surely or draw(_seldom):
            _degenerate(draw, f, theta, step)
    weights = draw(matrices(1, m, between(1, 3)))
    y = fmpq_mat(m, f.outputs) if labels == "none" else draw(labels_for(loss, m, f.outputs, labels))
    net = Network(computation=f, theta=theta, X=x, Y=y, loss=loss, weights=weights)
    try:
        _ = net.outputs
    except AtKink:
        reject()
    return net


def _degenerate(draw: st.DrawFn, f: Computation, theta: fmpq_mat, step: Affine) -> None:
    """Zeros for the weights of a step on one unit or on all, or opposite weights on two equal units."""
    width = step.places.ncols() - 1
    how, unit = draw(among("silent", "silent", "all silent", "cancelled")), draw(between(0, 7)) % width
    into = f.steps[step.source - 1]
    into = f.steps[into.source - 1] if isinstance(into, Activate) else into
    if how == "cancelled" and width > 1 and isinstance(into, Affine):
        other = (unit + 1) % width
        places = {(i, j): k for i, j, k in into.trained}
        for (i, j), k in places.items():
            if i == other and (unit, j) in places:
                theta[k, 0] = theta[places[unit, j], 0]
        places = {(i, j): k for i, j, k in step.trained}
        for (i, j), k in places.items():
            if j == other and (i, unit) in places:
                theta[k, 0] = -theta[places[i, unit], 0]
        return
    for _, j, k in step.trained:
        if j == unit or (how == "all silent" and j < width):
            theta[k, 0] = 0


def degenerate_critical_networks(
    *families: str,
    activations: tuple[str, ...] = EXACT,
    samples: tuple[int, int] = (3, 6),
    d_y: int = 2,
    loss: Loss = squared,
    scale: tuple[int, int] | None = None,
) -> st.SearchStrategy[Network]:
    """``critical_networks`` at ``degenerate_networks``: many are no local minima, as Theorem 2 reveals.

    At more than two in five of them the basis is larger a little way along the fibre. ``families`` are all
    of ``DEGENERATE`` unless told. Shrinks as these two do.
    """
    nets = degenerate_networks(
        families or DEGENERATE, activations, samples=samples, d_y=d_y, loss=loss, labels="none"
    )
    return critical_networks(nets, loss=loss, scale=scale)


def planted_slopes(net: Network, p: fmpq_mat) -> Network | None:
    """``net`` with labels such that ∇G(f_X(θ)) is s p for the largest s in (0, 1] that labels allow.

    p is (m d_y) × 1, sample by sample. None if no positive multiple can be had.
    """
    d = net.Y.ncols()
    flat = [
        e / w
        for w, i in zip(net.weights.entries(), range(p.nrows() // d), strict=True)
        for e in p.entries()[i * d : (i + 1) * d]
    ]
    labelled: Any = with_slopes(net, fmpq_mat(net.X.nrows(), d, flat))  # type: ignore[arg-type]
    return labelled  # type: ignore[no-any-return]


@st.composite
def critical_networks(
    draw: st.DrawFn,
    nets: st.SearchStrategy[Network] | None = None,
    *,
    loss: Loss = squared,
    scale: tuple[int, int] | None = None,
    against: Callable[[Network], fmpq_mat] | None = None,
) -> Network:
    """Networks at an exact critical point: Jᵀ p = 0 with p ≠ 0 drawn among all solutions, labels to match.

    ``nets`` draws the networks (``networks(labels="none")`` unless told; their labels are replaced); those
    whose J has full row rank allow only p = 0 and are rejected. Some points are minima, some are not.
    ``scale`` = (low, high) scales max |p| to 2^j, j drawn between: small slopes make strict minima where
    there are any. ``against`` gives other columns M for p to be orthogonal to (Mᵀ p = 0) in place of J. The
    loss must have labels for rational slopes at the outputs; draws without are rejected (the cross-entropy
    needs outputs that differ by integers). Shrinks to few samples, zero weights and the first solution.
    """
    net = draw(networks(labels="none", loss=loss, samples=(2, 5)) if nets is None else nets)
    net = _tame(net)
    d, m = net.Y.ncols(), net.X.nrows()
    equations = (net.J if against is None else against(net)).transpose()
    if net.loss is cross_entropy:
        balance = [int(i == r) for r in range(m) for i in range(m) for _ in range(d)]
        equations = vstack(equations, fmpq_mat(m, m * d, balance))
    basis = null_space(equations)
    chosen = draw(_coefficients)[: basis.ncols()]
    if not basis.ncols():
        reject()
    if not any(chosen):
        chosen[0] = 1
    chosen += [0] * (basis.ncols() - len(chosen))
    p = basis * fmpq_mat(basis.ncols(), 1, chosen)
    if scale is not None:
        j = draw(between(*scale))
        p = p * (fmpq(2**j) if j >= 0 else fmpq(1, 2**-j)) / max(abs(e) for e in p.entries())
    planted = planted_slopes(net, p)
    return planted if planted is not None else reject()


_coefficients = st.lists(integers(2), min_size=12, max_size=12)


def _tame(net: Network) -> Network:
    """Outputs in (−1, 1), by a smaller last layer, for the losses that take both slopes only there."""
    last = net.computation.steps[-1]
    if net.loss not in (smoothed_hinge, hinge) or not isinstance(last, Affine):
        return net
    largest = max((abs(e) for e in net.H.entries()), default=fmpq(0))
    if largest < 1:
        return net
    theta = fmpq_mat(net.theta)
    for k in last.parameters:
        theta[k, 0] = theta[k, 0] / (2 * largest)
    return replace(net, theta=theta)


@st.composite
def parity_minima(
    draw: st.DrawFn,
    /,
    computations: st.SearchStrategy[Computation] | None = None,
    *,
    pairs: tuple[int, int] = (1, 2),
    halves: st.SearchStrategy[Network] | None = None,
    **options: Any,
) -> Network:
    """Networks at an exact *global* minimum, at any θ, singular ones too: odd networks on symmetric data.

    The inputs come in pairs x, −x of equal weight and the slopes p are even (equal on a pair): then
    ⟨p, f_X(θ')⟩ = 0 for every θ' because every f is odd, and L(θ') >= L(θ) by convexity. ``options`` go to
    ``networks``; or ``halves`` draws odd networks at one of each pair. Shrinks to one pair.
    """
    if halves is None:
        f = _odd if computations is None else computations
        halves = networks(f, samples=pairs, labels="none", off_kinks=False, **options)
    half = draw(halves)
    m, d = half.X.nrows(), half.Y.ncols()
    net = replace(
        half,
        X=vstack(half.X, -half.X),
        Y=vstack(half.Y, half.Y),
        weights=fmpq_mat(1, 2 * m, half.weights.entries() * 2),
    )
    even = draw(matrices(m * d, 1, integers(2)))
    if not any(even.entries()):
        even[0, 0] = 1
    if net.loss is cross_entropy:
        for i in range(m):
            even[i * d + d - 1, 0] = -sum((even[i * d + k, 0] for k in range(d - 1)), fmpq(0))
    planted = planted_slopes(net, vstack(even, even))
    return planted if planted is not None else reject()


_odd = computations(
    ("one hidden layer", "two hidden layers", "skips", "residual", "tied", "dense"),
    ("linear", "cube", "serpentine"),
)

singular_parity_minima = parity_minima(
    halves=degenerate_networks(
        ("one hidden layer", "two hidden layers", "one hidden layer", "residual", "skips"),
        ("cube", "serpentine"),
        samples=(2, 4),
        labels="none",
    )
)
"""Parity minima at degenerate points: at two in five the basis is larger a little way along the fibre."""


# --- trained points -----------------------------------------------------------------------------------


def trained(net: Network, steps: int = 60) -> Network | None:
    """``net`` where Levenberg's and Marquardt's method stops from θ in float64; None if it does not converge.

    For the squared loss. The point is the float64 one, exactly: near a critical point, hardly ever at one.
    Converged means that a further Gauss-Newton step is shorter than 10⁻⁹ (1 + |θ|); that is a heuristic, and
    whoever needs a critical point proves that there is one nearby.
    """
    root = np.sqrt(np.repeat(as_floats(net.weights)[0], net.Y.ncols()))
    x, y = as_floats(net.X), as_floats(net.Y).ravel()
    theta, damping = as_floats(net.theta)[:, 0], 1e-2

    def residuals(t: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        values, slopes = run_arrays(net.computation, t[None], x)
        return root * (values.ravel() - y), root[:, None] * slopes.reshape(len(y), -1)

    r, j = residuals(theta)
    for _ in range(steps):
        gram, gradient = j.T @ j, j.T @ r
        try:
            move = -np.linalg.solve(gram + damping * np.eye(len(theta)), gradient)
        except np.linalg.LinAlgError:
            return None
        there = theta + move
        if not np.isfinite(there).all() or np.abs(there).max() > 64:
            return None
        s, k = residuals(there)
        if s @ s <= r @ r:
            theta, r, j, damping = there, s, k, damping / 8
            if np.abs(move).max() <= 1e-9 * (1 + np.abs(theta).max()):
                return replace(net, theta=fmpq_mat(len(theta), 1, [exact(float(t)) for t in theta]))
        else:
            damping *= 8
    return None


@st.composite
def trained_networks(
    draw: st.DrawFn,
    families: tuple[str, ...] = ("one hidden layer", "biases", "dense"),
    activations: tuple[str, ...] = ("tanh", "sigmoid", "softplus"),
    *,
    samples: tuple[int, int] = (5, 8),
) -> Network:
    """Small smooth networks with the squared loss where training in float64 stopped, near its teacher.

    The inputs are distinct integers; the labels are the outputs of a teacher with weights ±1, ±2, plus
    multiples of 1/16; training starts at the teacher. Draws that do not converge are rejected. Shrinks to
    few samples and a teacher of ones.
    """
    net = draw(_teachers(families, activations, samples))
    m = net.X.nrows()
    net = replace(net, X=fmpq_mat(m, 1, draw(_distinct)[:m]))
    noise = draw(matrices(net.X.nrows(), 1, integers(3)))
    outputs, _ = run_arrays(net.computation, as_floats(net.theta).T, as_floats(net.X))
    rounded = fmpq_mat(net.X.nrows(), 1, [fmpq(round(16 * float(h)), 16) for h in outputs.ravel()])
    found = trained(replace(net, Y=rounded + noise / 16))
    return found if found is not None else reject()


@cache
def _teachers(
    families: tuple[str, ...], activations: tuple[str, ...], samples: tuple[int, int]
) -> st.SearchStrategy[Network]:
    f = computations(families, activations, d_x=1, width=2, d_y=1)
    return networks(f, samples=samples, labels="none", parameters=among(1, -1, 2, -2))


_distinct = st.lists(between(-4, 4), min_size=8, max_size=8, unique=True)
