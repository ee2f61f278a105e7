"""The architectures with their weights and data: residual networks, plain networks, deep linear maps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cache, cached_property, lru_cache
from itertools import pairwise
from typing import Any

from flint import fmpq, fmpq_mat
from hypothesis import strategies as st

from strategies.activations import ACTIVATIONS
from strategies.datasets import Atoms, Measure, UniformPolynomials, training_inputs
from strategies.instance import instance
from strategies.losses import Loss, squared
from strategies.matrices import hstack, matrices, matrices_of_rank, matrix, null_space, product_of
from strategies.numbers import among, between, integers

__all__ = [
    "Branch",
    "ChainOfBlocks",
    "DeepLinear",
    "Layer",
    "Move",
    "OneHiddenLayer",
    "ResNet",
    "branches",
    "chains_of_blocks",
    "deep_linear_maps",
    "labels_for",
    "moves",
    "one_hidden_layer_nets",
    "resnet",
    "resnets",
]


@instance
class Layer:
    """x ↦ σ(A x + c): ``weight`` A is out × in, ``bias`` c out × 1, ``activation`` σ by its name."""

    weight: fmpq_mat
    bias: fmpq_mat
    activation: str

    def preactivations(self, x: fmpq_mat) -> fmpq_mat:
        """A x + c for every row of x (m × in): m × out."""
        ones = fmpq_mat(x.nrows(), 1, [1] * x.nrows())
        return x * self.weight.transpose() + ones * self.bias.transpose()


@instance
class Branch:
    """A residual branch z(x, θ): layers applied in turn; θ is all their weights and biases."""

    layers: tuple[Layer, ...]

    def __call__(self, x: fmpq_mat) -> fmpq_mat:
        """z for every row of x (m × d_x): m × d_z, exactly."""
        for layer in self.layers:
            x = ACTIVATIONS[layer.activation].apply(layer.preactivations(x))
        return x

    def is_locally_constant(self, x: fmpq_mat) -> bool:
        """Whether z does not change under small changes of θ: the last layer is steps, none at its jump.

        (A step unit off its threshold ignores small changes of everything before it, kinks included,
        because what comes before is continuous; several step layers need every one of them off its jump.)
        """
        seen = False
        for layer in self.layers:
            pre = layer.preactivations(x)
            if layer.activation == "step":
                if any(e == 0 for e in pre.entries()):
                    return False
                seen = layer is self.layers[-1]
            x = ACTIVATIONS[layer.activation].apply(pre)
        return seen


@instance
class ResNet:
    """h = W (x + V z) (+ b) with its data, loss and measure: eq. (1) of Kawaguchi & Bengio (2019) at one θ.

    Rows are samples: X is m × d_x, Z is m × d_z (row i is z(x_i, θ)), Y is m × d_y; W is d_y × d_x, V is
    d_x × d_z, b (the usual output bias, None unless told) is d_y × 1. Under ``UniformPolynomials`` the rows
    of X, Z, Y are coefficients instead. ``branch`` is the network that produced Z, or None if Z is arbitrary.
    """

    X: fmpq_mat
    Z: fmpq_mat
    Y: fmpq_mat
    W: fmpq_mat
    V: fmpq_mat
    loss: Loss
    measure: Measure
    b: fmpq_mat | None = None
    branch: Branch | None = None

    def __post_init__(self) -> None:
        m, d_x, d_z, d_y = self.X.nrows(), self.X.ncols(), self.Z.ncols(), self.Y.ncols()
        wanted = {"Z": (m, d_z), "Y": (m, d_y), "W": (d_y, d_x), "V": (d_x, d_z)}
        if self.b is not None:
            wanted["b"] = (d_y, 1)
        for name, shape in wanted.items():
            a = getattr(self, name)
            if (a.nrows(), a.ncols()) != shape:
                raise ValueError(
                    f"{name} is {a.nrows()} x {a.ncols()}; with X {m} x {d_x}, Z and Y given it must be "
                    f"{shape[0]} x {shape[1]}"
                )
        if self.measure.size != m:
            raise ValueError(f"the measure has {self.measure.size} points for {m} samples")
        if not isinstance(self.measure, Atoms) and self.loss is not squared:
            raise ValueError("a continuous measure is exact for the squared loss only")

    @cached_property
    def Q(self) -> fmpq_mat:
        """The rows x_i + V z_i: m × d_x."""
        return self.X + self.Z * self.V.transpose()

    @cached_property
    def H(self) -> fmpq_mat:
        """The outputs h_i: m × d_y."""
        h = self.Q * self.W.transpose()
        return h if self.b is None else h + self.constant * self.b.transpose()

    @property
    def constant(self) -> fmpq_mat:
        """The function 1 on the data: m × 1."""
        return _ones(self.measure)

    @cached_property
    def features(self) -> fmpq_mat:
        """φ = [x, z] (with 1 if there is a bias), one row per sample."""
        return hstack(self.X, self.Z) if self.b is None else hstack(self.X, self.Z, self.constant)

    @property
    def R(self) -> fmpq_mat:
        """[W, W V] (and b): the linear model on the features that this network is, d_y × the features."""
        r = hstack(self.W, self.W * self.V)
        return r if self.b is None else hstack(r, self.b)


def resnet(
    X: object,
    Z: object,
    Y: object,
    W: object,
    V: object,
    loss: Loss = squared,
    measure: Measure | None = None,
    b: object = None,
) -> ResNet:
    """The ResNet with the given data and weights: anything ``matrix`` reads (lists, float64 arrays, strings).

    The empirical measure unless told. Raises ``ValueError`` for wrong shapes, NaN and infinities,
    ``TypeError`` for float32.
    """
    x = matrix(X)  # type: ignore[arg-type]
    return ResNet(
        X=x, Z=matrix(Z), Y=matrix(Y), W=matrix(W), V=matrix(V), loss=loss,  # type: ignore[arg-type]
        measure=measure or Atoms.uniform(x.nrows()), b=None if b is None else matrix(b),  # type: ignore[arg-type]
    )  # fmt: skip


@instance
class Move:
    """A residual network and a direction (A, B) in which its weights (W, V) are moved."""

    net: ResNet
    A: fmpq_mat
    B: fmpq_mat


@instance
class OneHiddenLayer:
    """h = W₂ σ(W₁ x) without biases, with its data: X m × d_x, Y m × d_y, W1 d_1 × d_x, W2 d_y × d_1."""

    X: fmpq_mat
    Y: fmpq_mat
    W1: fmpq_mat
    W2: fmpq_mat
    activation: str
    loss: Loss

    @property
    def preactivations(self) -> fmpq_mat:
        """W₁ x_i, one row per sample: m × d_1."""
        return self.X * self.W1.transpose()

    @property
    def H(self) -> fmpq_mat:
        """The outputs: m × d_y."""
        return ACTIVATIONS[self.activation].apply(self.preactivations) * self.W2.transpose()


@instance
class DeepLinear:
    """The factors W₁ (d_1 × d_0), …, W_{H+1} (d_{H+1} × d_H) of a deep linear map, in this order."""

    weights: tuple[fmpq_mat, ...]

    @property
    def product(self) -> fmpq_mat:
        """W_{H+1} ⋯ W₁."""
        return product_of(self.weights, self.weights[0].ncols())

    @property
    def widths(self) -> tuple[int, ...]:
        """(d_0, …, d_{H+1})."""
        return (self.weights[0].ncols(), *(w.nrows() for w in self.weights))


@cache
@st.composite
def branches(draw: st.DrawFn, d_x: int, d_z: int, kind: str | None = None, depth: int = 2) -> Branch:
    """Residual branches from d_x to d_z with small integer weights.

    ``kind`` fixes the last activation: relu, leaky relu, abs, step, tanh, sigmoid, linear (no biases at
    all), affine (linear with biases); earlier layers, up to ``depth`` in all, are relu or abs (linear where
    the last is linear or affine). Shrinks to one layer with zero weights.
    """
    last = kind or draw(among("relu", "leaky relu", "abs", "step", "tanh", "linear", "affine"))
    width, layers = d_x, []
    for k in reversed(range(draw(between(1, depth)))):
        inner = "linear" if last in ("linear", "affine") else draw(among("relu", "abs")) if k else ""
        activation = inner if k else {"affine": "linear"}.get(last, last)
        out = d_z if k == 0 else draw(between(1, 2))
        bias = fmpq_mat(out, 1) if last == "linear" else draw(matrices(out, 1, integers(1)))
        layers.append(Layer(weight=draw(matrices(out, width, integers(2))), bias=bias, activation=activation))
        width = out
    return Branch(layers=tuple(layers))


_one_to_three = among(1, 2, 1, 2, 3)
_seldom_one = among(0, 0, 1)
_small = integers()


@lru_cache(maxsize=None, typed=True)
@st.composite
def resnets(
    draw: st.DrawFn,
    d_y: st.SearchStrategy[int] | int = _one_to_three,
    extra_inputs: st.SearchStrategy[int] | int = _seldom_one,
    extra_residuals: st.SearchStrategy[int] | int = _seldom_one,
    rank: str = "any",
    branch: str | None = "any",
    loss: Loss = squared,
    labels: st.SearchStrategy[fmpq] | st.SearchStrategy[int] | str = "any",
    weighted: bool = True,
    spare_samples: int = 2,
    entries: st.SearchStrategy[Any] | None = None,
    bias: str = "none",
    v_bound: int = 2,
    determined: bool = False,
    measure: str = "atoms",
) -> ResNet:
    """ResNets with small integer weights, and small integer data unless ``entries`` says otherwise.

    d_x = d_y + ``extra_inputs`` and d_z = d_y + ``extra_residuals``, each at least 1: negative extras violate
    Assumption A1 of the paper, d_y <= min(d_x, d_z), which the defaults satisfy.

    ``rank`` chooses rank W: "any" (every rank from 0 up, by construction), "full", "deficient" (below d_y).
    ``branch`` chooses z: None for an arbitrary matrix Z, a kind of ``branches``, "any" for either.
    ``entries`` draws the entries of x (and of an arbitrary z), e.g. ``numbers.rationals()``.
    ``bias`` is "none", "usual" (h = W (x + V z) + b) or "augmented" (Remark 2: x and z end in a constant 1,
    not counted in the extras); the entries of V are at most ``v_bound``. The number of samples lies between
    1, or d_x + d_z if ``determined``, and d_x + d_z + ``spare_samples``. Labels are small integers, in
    {0, 1} or one-hot as the loss asks, or drawn from ``labels``; "none" leaves them 0, to be planted.
    ``measure`` is "atoms" or "uniform polynomials": then x and z are polynomials on [0, 1], coefficients
    take the place of samples, z is arbitrary and the loss must be squared.
    Shrinks towards one output, arbitrary Z and zero entries, and by deleting samples one by one.
    """
    n_y, more_x, more_z = (d if isinstance(d, int) else draw(d) for d in (d_y, extra_inputs, extra_residuals))
    n_x, n_z = max(1, n_y + more_x), max(1, n_y + more_z)
    continuous = {"atoms": False, "uniform polynomials": True}[measure]
    kind = None if continuous else branch if branch != "any" else draw(_branch_kinds)
    made = None if kind is None else draw(branches(n_x, n_z, kind))
    augmented = bias == "augmented"
    full = min(n_y, n_x + augmented)
    low, high = {"any": (0, full), "full": (full, full), "deficient": (0, min(full, n_y - 1))}[rank]
    w = draw(matrices_of_rank(n_y, n_x + augmented, draw(between(low, high)), bound=1))
    v = draw(matrices(n_x + augmented, n_z + augmented, integers(v_bound)))
    b = draw(matrices(n_y, 1, integers(1))) if bias == "usual" else None
    features = n_x + n_z + 2 * augmented
    least, most = features if determined else 1, features + spare_samples
    weighted = weighted and not continuous
    x, z, atoms = draw(training_inputs(n_x, n_z, least, most, entries=entries, weighted=weighted))
    m = x.nrows()
    law: Measure = UniformPolynomials(degree=m) if continuous else atoms
    if augmented:
        x, z, made = hstack(x, _ones(law)), hstack(z, _ones(law)), None
    elif made is not None:
        z = made(x)
    y = draw(labels_for(loss, m, n_y, labels)) if labels != "none" else fmpq_mat(m, n_y)
    return ResNet(X=x, Z=z, Y=y, W=w, V=v, loss=loss, measure=law, b=b, branch=made)


_branch_kinds = st.sampled_from((None, None, "relu", "leaky relu", "abs", "step", "tanh", "linear", "affine"))


def _ones(measure: Measure) -> fmpq_mat:
    """The function 1: its values on the samples, or its coefficients."""
    m = measure.size
    return fmpq_mat(m, 1, [int(isinstance(measure, Atoms) or i == 0) for i in range(m)])


@cache
def labels_for(
    loss: Loss, m: int, d_y: int, entries: st.SearchStrategy[fmpq] | st.SearchStrategy[int] | str
) -> st.SearchStrategy[fmpq_mat]:
    """m × d_y labels as the loss asks: one-hot, in {0, 1}, or small integers; or drawn entry by entry."""
    if loss.name in ("cross-entropy", "multi-class hinge"):
        classes = st.lists(st.integers(0, d_y - 1), min_size=m, max_size=m)
        return classes.map(lambda c: fmpq_mat(m, d_y, [int(k == j) for j in c for k in range(d_y)]))
    if isinstance(entries, str):
        entries = st.integers(0, 1) if loss.name in ("logistic", "hinge", "smoothed hinge") else integers()
    return matrices(m, d_y, entries)


@st.composite
def moves(draw: st.DrawFn, nets: st.SearchStrategy[ResNet]) -> Move:
    """A network of ``nets`` with a direction of small integers; shrinks to the zero direction."""
    net = draw(nets)
    a = draw(matrices(net.W.nrows(), net.W.ncols(), integers(2)))
    return Move(net=net, A=a, B=draw(matrices(net.V.nrows(), net.V.ncols(), integers(2))))


@st.composite
def one_hidden_layer_nets(
    draw: st.DrawFn,
    activation: str = "relu",
    inputs: st.SearchStrategy[int] = _small,
    weights: st.SearchStrategy[int] = _small,
    units: int = 2,
) -> OneHiddenLayer:  # fmt: skip
    """One-hidden-layer networks, squared loss, small integers; X from ``inputs``, W₁ from ``weights``."""
    m, d_x, d_1, d_y = draw(between(1, 3)), draw(between(1, 2)), draw(between(1, units)), draw(between(1, 2))
    x, y = draw(matrices(m, d_x, inputs)), draw(matrices(m, d_y))
    w1, w2 = draw(matrices(d_1, d_x, weights)), draw(matrices(d_y, d_1, integers(2)))
    return OneHiddenLayer(X=x, Y=y, W1=w1, W2=w2, activation=activation, loss=squared)


@instance
class ChainOfBlocks:
    """h = w (x₁ + v₂ g₂(x₁)), x₁ = x + v₁ g₁(x): two residual blocks on scalars, with fixed g₁ and g₂.

    Columns (m × 1): the inputs x (distinct), g₁(x), and value, slope and curvature of g₂ at the m points x₁
    (distinct), which is all that L and its first two derivatives in (w, v₁, v₂) see; polynomials with these
    values exist. Y are the labels; the loss is squared.
    """

    X: fmpq_mat
    G1: fmpq_mat
    G2: fmpq_mat
    G2_slope: fmpq_mat
    G2_curvature: fmpq_mat
    Y: fmpq_mat
    w: int
    v1: int
    v2: int

    @property
    def X1(self) -> fmpq_mat:
        """x₁ = x + v₁ g₁(x)."""
        return self.X + self.G1 * fmpq(self.v1)

    @property
    def H(self) -> fmpq_mat:
        """The outputs w (x₁ + v₂ g₂(x₁))."""
        return (self.X1 + self.G2 * fmpq(self.v2)) * fmpq(self.w)


@st.composite
def chains_of_blocks(draw: st.DrawFn) -> ChainOfBlocks:
    """Chains at a critical point of L in (w, v₁, v₂), curved upwards in v₁: g₂'' has the sign that helps.

    The residuals are orthogonal to x₁, to g₂(x₁) and to g₁(x)(1 + v₂ g₂'(x₁)), hence all three partial
    derivatives vanish; four samples leave room for such residuals.
    """
    m = 4
    x = draw(st.lists(integers(3), min_size=m, max_size=m, unique=True))
    signs = [draw(among(1, -1)) for _ in range(3)]

    def apart(g: list[int]) -> bool:
        return len({a + signs[1] * b for a, b in zip(x, g, strict=True)}) == m

    g1 = draw(st.lists(integers(2), min_size=m, max_size=m).filter(apart))

    def column(entries: Iterable[object]) -> fmpq_mat:
        return matrix([e] for e in entries)

    value, slope = draw(matrices(m, 1, integers(2))), draw(matrices(m, 1, integers(2)))
    w, v1, v2 = signs
    x1 = column(a + v1 * b for a, b in zip(x, g1, strict=True))
    turned = column(a * (1 + v2 * b) for a, b in zip(g1, slope.entries(), strict=True))
    free = null_space(hstack(x1, value, turned).transpose())
    residual = free * draw(matrices(free.ncols(), 1, integers(3))) if free.ncols() else column([0] * m)
    bend = draw(between(0, 4))
    curvature = column((2**bend * ((e > 0) - (e < 0)) * w * v2) if bend else 0 for e in residual.entries())
    chain = ChainOfBlocks(
        X=column(x),
        G1=column(g1),
        G2=value,
        G2_slope=slope,
        G2_curvature=curvature,
        Y=fmpq_mat(m, 1),
        w=w,
        v1=v1,
        v2=v2,
    )
    return replace(chain, Y=chain.H - residual)


@st.composite
def deep_linear_maps(draw: st.DrawFn, depth: int = 3, width: int = 3) -> DeepLinear:
    """Deep linear maps with 2 … ``depth`` + 1 factors, widths 1 … ``width`` and small integer entries."""
    widths = draw(st.lists(st.integers(1, width), min_size=3, max_size=depth + 2))
    return DeepLinear(weights=tuple(draw(matrices(b, a, integers(2))) for a, b in pairwise(widths)))
