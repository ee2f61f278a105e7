"""Feedforward networks in general: a computation, its weights and data, its values and its derivatives.

An architecture is written as an expression and becomes a short program, so that it is exact, equal by value
and goes to JSON like every instance::

    x, W, b = inputs(2), weight(3, 2), bias(3)
    hidden = apply("relu", W @ x + b)
    gated = computation(weight(1, 3) @ (hidden * (weight(3, 2) @ x)))

Weights used twice are tied; ``frozen`` ones do not train; ``patterned`` ones share or mask entries, as
convolutions do. ``+`` is a skip connection (or a bias), ``*`` a gate, ``join`` puts units side by side, and
``apply`` takes one activation or one for every unit, so that a vector-valued activation is a frozen mixing
followed by elementwise ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from flint import arb, arb_mat, ctx, fmpq, fmpq_mat
from numpy.typing import NDArray

from strategies.activations import ACTIVATIONS, Activation
from strategies.datasets import Atoms
from strategies.instance import instance
from strategies.losses import Loss, NotDifferentiable, squared
from strategies.matrices import as_floats, identity, matrix
from strategies.numbers import exact

__all__ = [
    "Activate",
    "Affine",
    "AtKink",
    "Combine",
    "Computation",
    "Expression",
    "Network",
    "Weight",
    "apply",
    "bias",
    "computation",
    "convolution",
    "frozen",
    "inputs",
    "join",
    "network",
    "patterned",
    "run",
    "run_arrays",
    "sample_major",
    "weight",
    "weight_at",
]

Number = fmpq | arb
Matrix = Any
"""fmpq_mat or arb_mat: their stubs share no base."""
Floats = NDArray[np.float64]


class AtKink(NotDifferentiable):
    """A pre-activation sits exactly at a kink, where it could move to either side."""


# --- the program -------------------------------------------------------------------------------------


@instance
class Affine:
    """A h + c of step ``source``. Every entry of [A | c] is a parameter or a frozen number.

    ``places`` holds the index of the parameter, −1 where frozen; ``frozen`` the number there (0 elsewhere).
    """

    source: int
    places: fmpq_mat
    frozen: fmpq_mat

    def __post_init__(self) -> None:
        if (self.places.nrows(), self.places.ncols()) != (self.frozen.nrows(), self.frozen.ncols()):
            raise ValueError("places and frozen must have the same shape, out x (in + 1)")

    @cached_property
    def trained(self) -> tuple[tuple[int, int, int], ...]:
        """(row, column, parameter) of every entry that trains; the last column is c."""
        n = self.places.ncols()
        return tuple((*divmod(e, n), int(k)) for e, k in enumerate(self.places.entries()) if k >= 0)

    @cached_property
    def live(self) -> tuple[tuple[int, ...], ...]:
        """For every row, the columns (c last) whose entry trains or is not zero."""
        trained = {(i, j) for i, j, _ in self.trained}
        return tuple(
            tuple(j for j, e in enumerate(row) if e != 0 or (i, j) in trained)
            for i, row in enumerate(self.frozen.table())
        )

    @cached_property
    def parameters(self) -> tuple[int, ...]:
        """The parameters of this step, in order, each once."""
        return tuple(dict.fromkeys(k for _, _, k in self.trained))


@instance
class Activate:
    """σ of step ``source``, elementwise: the name of an activation for every unit."""

    source: int
    activations: tuple[str, ...]

    @cached_property
    def functions(self) -> tuple[Activation, ...]:
        """The activations themselves."""
        return tuple(ACTIVATIONS[name] for name in self.activations)


@instance
class Combine:
    """Two steps together: their "sum", their elementwise "product", or the units of both ("join")."""

    left: int
    right: int
    operation: str


Step = Affine | Activate | Combine


@instance
class Computation:
    """f(x; θ) as a program: step 0 is the input of ``width`` units, the last of ``steps`` is the output.

    Sources are numbered accordingly: 0 is the input, k the k-th of ``steps``. θ has ``parameters`` entries.
    Raises ``ValueError`` for steps that do not fit together.
    """

    width: int
    parameters: int
    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        _ = self.widths

    @cached_property
    def widths(self) -> tuple[int, ...]:
        """The number of units of the input and of every step."""
        found = [self.width]
        for number, step in enumerate(self.steps, 1):
            sources = (step.left, step.right) if isinstance(step, Combine) else (step.source,)
            if not all(0 <= s < number for s in sources):
                raise ValueError(f"step {number} reads {sources}: only earlier steps and the input exist")
            widths = [found[s] for s in sources]
            match step:
                case Affine():
                    if step.places.ncols() != widths[0] + 1:
                        raise ValueError(
                            f"step {number} takes {step.places.ncols() - 1} units; its source has {widths[0]}"
                        )
                    if any(k >= self.parameters for k in step.places.entries()):
                        raise ValueError(f"step {number} names a parameter beyond the {self.parameters} of θ")
                    found.append(step.places.nrows())
                case Activate():
                    if len(step.activations) != widths[0]:
                        raise ValueError(
                            f"step {number} has {len(step.activations)} activations for {widths[0]} units"
                        )
                    if unknown := set(step.activations) - ACTIVATIONS.keys():
                        raise ValueError(
                            f"no activation {', '.join(sorted(unknown))}; known: {', '.join(ACTIVATIONS)}"
                        )
                    found.append(widths[0])
                case Combine():
                    if step.operation not in ("sum", "product", "join"):
                        raise ValueError(f"no operation {step.operation!r}: say 'sum', 'product' or 'join'")
                    if step.operation != "join" and widths[0] != widths[1]:
                        raise ValueError(
                            f"step {number}: the {step.operation} of {widths[0]} and {widths[1]} units"
                        )
                    found.append(sum(widths) if step.operation == "join" else widths[0])
        return tuple(found)

    @property
    def outputs(self) -> int:
        """d_y."""
        return self.widths[-1]

    @cached_property
    def functions(self) -> frozenset[Activation]:
        """The activations that occur."""
        return frozenset(f for step in self.steps if isinstance(step, Activate) for f in step.functions)

    @cached_property
    def rational(self) -> bool:
        """Whether values and derivatives are rational at rational θ."""
        return all(f.rational for f in self.functions)

    @cached_property
    def readout(self) -> tuple[Affine, ...]:
        """The affine steps that reach the output through nothing but sums and joins: W h(x; u) + b."""
        found, left = [], [len(self.steps)]
        while left:
            step = self.steps[left.pop() - 1]
            if isinstance(step, Affine):
                found.append(step)
            elif isinstance(step, Combine) and step.operation != "product":
                left += [s for s in (step.left, step.right) if s]
        return tuple(found)

    @cached_property
    def readout_parameters(self) -> tuple[int, ...]:
        """The parameters W and b of the readout, in order."""
        return tuple(sorted({k for step in self.readout for k in step.parameters}))

    @cached_property
    def layers(self) -> tuple[int, ...]:
        """The numbers of the affine steps that train."""
        return tuple(k for k, s in enumerate(self.steps, 1) if isinstance(s, Affine) and s.parameters)


# --- writing one -------------------------------------------------------------------------------------


@dataclass(eq=False)
class _Parameters:
    size: int


@dataclass(frozen=True, eq=False)
class Weight:
    """A matrix of an architecture: every entry trains or is frozen. Use it twice, and its entries are tied.

    ``W @ expression`` applies it, ``W.T`` is its transpose (tied), ``expression + b`` adds one of width 1.
    """

    owner: _Parameters
    table: tuple[tuple[int | fmpq, ...], ...]
    """Rows; an int is a parameter of the owner, an fmpq is frozen."""

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return len(self.table), len(self.table[0])

    @property
    def T(self) -> Weight:
        """The transpose, with the same parameters."""
        return Weight(self.owner, tuple(zip(*self.table, strict=True)))

    def __matmul__(self, x: Expression) -> Expression:
        if self.shape[1] != x.width:
            raise ValueError(f"a {self.shape[0]} x {self.shape[1]} weight applied to {x.width} units")
        return Expression(self.shape[0], (x,), weight=self)


@dataclass(frozen=True, eq=False)
class Expression:
    """``width`` units computed from others; combine with ``W @``, ``+``, ``*``, ``apply`` and ``join``."""

    width: int
    sources: tuple[Expression, ...] = ()
    weight: Weight | None = None
    bias: Weight | None = None
    activations: tuple[str, ...] = ()
    operation: str = ""

    def __add__(self, other: Expression | Weight) -> Expression:
        if isinstance(other, Expression):
            return _combined("sum", self, other)
        if other.shape != (self.width, 1):
            raise ValueError(f"a bias of shape {other.shape} added to {self.width} units")
        plain = self.weight is not None and self.bias is None
        weight = self.weight if plain else frozen(identity(self.width))
        return Expression(self.width, self.sources if plain else (self,), weight=weight, bias=other)

    def __mul__(self, other: Expression) -> Expression:
        return _combined("product", self, other)


def _combined(operation: str, left: Expression, right: Expression) -> Expression:
    if operation != "join" and left.width != right.width:
        raise ValueError(f"the {operation} of {left.width} and {right.width} units")
    width = left.width + right.width if operation == "join" else left.width
    return Expression(width, (left, right), operation=operation)


def inputs(width: int) -> Expression:
    """x: the ``width`` input units."""
    return Expression(width)


def weight(rows: int, cols: int) -> Weight:
    """A rows × cols matrix of parameters of its own."""
    return Weight(
        _Parameters(rows * cols), tuple(tuple(range(i * cols, (i + 1) * cols)) for i in range(rows))
    )


def bias(width: int) -> Weight:
    """A vector of parameters of its own, to be added to ``width`` units."""
    return weight(width, 1)


def frozen(entries: object) -> Weight:
    """A matrix that does not train: anything ``matrix`` reads."""
    table = matrix(entries).table()  # type: ignore[arg-type]
    return Weight(_Parameters(0), tuple(tuple(row) for row in table))


def patterned(pattern: Sequence[Sequence[int | str]]) -> Weight:
    """A matrix whose equal ints are one parameter (0, 1, …) and whose strings are frozen numbers.

    ``[[0, 1, "0"], ["0", 0, 1]]`` is a convolution with a kernel of two entries.
    """
    table = tuple(tuple(e if isinstance(e, int) else exact(e) for e in row) for row in pattern)
    return Weight(
        _Parameters(1 + max((e for row in table for e in row if isinstance(e, int)), default=-1)), table
    )


def convolution(kernel: int, width: int) -> Weight:
    """The (width − kernel + 1) × width Toeplitz matrix with ``kernel`` shared parameters."""
    return patterned(
        [[j - i if 0 <= j - i < kernel else "0" for j in range(width)] for i in range(width - kernel + 1)]
    )


def apply(activation: str | Sequence[str], x: Expression) -> Expression:
    """σ(x): one activation for all units, or a sequence with one for each."""
    names = (activation,) * x.width if isinstance(activation, str) else tuple(activation)
    if len(names) != x.width:
        raise ValueError(f"{len(names)} activations for {x.width} units")
    return Expression(x.width, (x,), activations=names)


def join(left: Expression, right: Expression) -> Expression:
    """The units of ``left``, then those of ``right``."""
    return _combined("join", left, right)


def computation(output: Expression) -> Computation:
    """The program of an expression; θ holds the weights in the order of computation, by rows, A before c."""
    numbers: dict[Expression, int] = {}
    offsets: dict[_Parameters, int] = {}
    steps: list[Step] = []
    size = 0

    def entries(w: Weight) -> tuple[list[int], list[fmpq]]:
        nonlocal size
        if w.owner not in offsets:
            offsets[w.owner] = size
            size += w.owner.size
        flat = [e for row in w.table for e in row]
        places = [-1 if isinstance(e, fmpq) else offsets[w.owner] + e for e in flat]
        return places, [e if isinstance(e, fmpq) else fmpq(0) for e in flat]

    def number_of(x: Expression) -> int:
        if x in numbers:
            return numbers[x]
        sources = [number_of(s) for s in x.sources]
        if x.weight is not None:
            out, into = x.weight.shape
            places, values = entries(x.weight)
            shift, shifts = entries(x.bias) if x.bias is not None else ([-1] * out, [fmpq(0)] * out)
            a = [[*places[i * into : (i + 1) * into], shift[i]] for i in range(out)]
            c = [[*values[i * into : (i + 1) * into], shifts[i]] for i in range(out)]
            steps.append(Affine(source=sources[0], places=matrix(a), frozen=matrix(c)))
        elif x.activations:
            steps.append(Activate(source=sources[0], activations=x.activations))
        else:
            steps.append(Combine(left=sources[0], right=sources[1], operation=x.operation))
        numbers[x] = len(steps)
        return len(steps)

    origin = {x for x in _walk(output) if not x.sources}
    if len(origin) != 1:
        raise ValueError(f"the expression has {len(origin)} inputs(...): use one, the same everywhere")
    for x in origin:
        numbers[x] = 0
    number_of(output)
    return Computation(width=next(iter(origin)).width, parameters=size, steps=tuple(steps))


def _walk(x: Expression) -> Iterator[Expression]:
    seen, left = {x}, [x]
    while left:
        here = left.pop()
        yield here
        left += [s for s in here.sources if s not in seen]
        seen.update(here.sources)


# --- running one -------------------------------------------------------------------------------------


class Stage(NamedTuple):
    """One step at one θ: units are rows, samples are columns."""

    value: Matrix
    """d × m."""
    jacobian: Matrix
    """d × (m n): in row k, the derivatives of unit k by the n parameters, sample after sample."""
    silent: tuple[bool, ...]
    """For every unit and sample (k m + i): zero in a whole neighbourhood of θ, for structural reasons."""


def _new(like: Matrix, r: int, c: int, flat: list[Number] | None = None) -> Matrix:
    return type(like)(r, c, flat) if flat is not None else type(like)(r, c)


def run(
    f: Computation, theta: fmpq_mat | Sequence[arb], X: fmpq_mat, *, balls: bool, derivatives: bool = True
) -> list[Stage]:
    """Every step of f at θ on the rows of X (m × d_x), with derivatives; exactly, or in balls.

    Forward: J of A h + c is A J_h, plus h and 1 at the places of A and c; J of σ(q) is σ′(q) J_q. Balls have
    the precision that is set. With ``derivatives`` off the Jacobians have no columns. Raises ``AtKink``
    where a pre-activation that is not structurally zero lies at a kink: no derivative is right there.
    """
    zero: Matrix = arb_mat(0, 0) if balls else fmpq_mat(0, 0)
    number: Any = arb if balls else fmpq
    parameters = [number(t) for t in (theta.entries() if isinstance(theta, fmpq_mat) else theta)]
    m, n = X.nrows(), f.parameters if derivatives else 0
    x = X.transpose()
    stages = [
        Stage(
            arb_mat(x) if balls else x,
            _new(zero, f.width, m * n),
            tuple(e == 0 for e in x.entries()),
        )
    ]
    for step in f.steps:
        match step:
            case Affine():
                stages.append(_affine(step, stages[step.source], parameters, m, n))
            case Activate():
                stages.append(_activate(step, stages[step.source], m, n, derivatives))
            case Combine():
                stages.append(_combine(step.operation, stages[step.left], stages[step.right], m, n))
    return stages


def sample_major(jacobian: Matrix, m: int, n: int) -> Matrix:
    """The Jacobian of a ``Stage`` at m samples, by n parameters, with the rows of J: sample by sample."""
    flat, d = jacobian.entries(), jacobian.nrows()
    blocks = [flat[(k * m + i) * n : (k * m + i + 1) * n] for i in range(m) for k in range(d)]
    return type(jacobian)(m * d, n, [e for block in blocks for e in block])


def weight_at(step: Affine, parameters: Sequence[Number], like: Matrix) -> Matrix:
    """[A | c] at θ."""
    full = _new(like, step.frozen.nrows(), step.frozen.ncols(), [*step.frozen.entries()])
    for i, j, k in step.trained:
        full[i, j] = parameters[k]
    return full


def _affine(step: Affine, h: Stage, parameters: Sequence[Number], m: int, n: int) -> Stage:
    full = weight_at(step, parameters, h.value)
    out, into = full.nrows(), full.ncols() - 1
    rows = full.table()
    a = _new(h.value, out, into, [e for row in rows for e in row[:-1]])
    shift = _new(h.value, out, m, [row[-1] for row in rows for _ in range(m)])
    value = a * h.value + shift
    jacobian = a * h.jacobian
    before = h.value.table() if into else []
    for k, j, parameter in step.trained if n else ():
        for i in range(m):
            jacobian[k, i * n + parameter] += before[j][i] if j < into else 1
    silent = tuple(
        all(j < into and h.silent[j * m + i] for j in step.live[k]) for k in range(out) for i in range(m)
    )
    return Stage(value, jacobian, silent)


def _activate(step: Activate, q: Stage, m: int, n: int, derivatives: bool) -> Stage:
    d = q.value.nrows()
    values, slopes, silent = [], [], []
    for k, (sigma, row) in enumerate(zip(step.functions, q.value.table() if m else [], strict=True)):
        for i, t in enumerate(row):
            quiet = q.silent[k * m + i]
            if derivatives and sigma.kinked and not quiet and t == 0:
                raise AtKink(f"unit {k} of {sigma.name} has the pre-activation 0 at sample {i}")
            value = sigma.at(t)
            values.append(value)
            if n:
                slopes.append(sigma.slope(t))
            cut = sigma.name in ("relu", "step") and t < 0
            silent.append(bool(cut) or (quiet and sigma.name not in _NOT_ZERO_AT_ZERO))
    value = _new(q.value, d, m, values)
    return Stage(value, _scaled(q.jacobian, slopes, n) if n else q.jacobian, tuple(silent))


_NOT_ZERO_AT_ZERO = frozenset(a.name for a in ACTIVATIONS.values() if a.exact(fmpq(0)) != 0)


def _scaled(jacobian: Matrix, factors: Sequence[Number], n: int) -> Matrix:
    """Each block of n derivatives times its factor."""
    flat = jacobian.entries()
    made: list[Number] = []
    for block, s in enumerate(factors):
        piece = flat[block * n : (block + 1) * n]
        made += piece if s == 1 else [s * e if e else e for e in piece]
    return _new(jacobian, jacobian.nrows(), jacobian.ncols(), made)


def _combine(operation: str, a: Stage, b: Stage, m: int, n: int) -> Stage:
    if operation == "join":
        d = a.value.nrows() + b.value.nrows()
        value = _new(a.value, d, m, [*a.value.entries(), *b.value.entries()])
        jacobian = _new(a.value, d, m * n, [*a.jacobian.entries(), *b.jacobian.entries()])
        return Stage(value, jacobian, a.silent + b.silent)
    if operation == "sum":
        both = tuple(s and t for s, t in zip(a.silent, b.silent, strict=True))
        return Stage(a.value + b.value, a.jacobian + b.jacobian, both)
    u, v = a.value.entries(), b.value.entries()
    product = _new(a.value, a.value.nrows(), m, [s * t for s, t in zip(u, v, strict=True)])
    jacobian = _scaled(a.jacobian, v, n) + _scaled(b.jacobian, u, n) if n else a.jacobian
    return Stage(product, jacobian, tuple(s or t for s, t in zip(a.silent, b.silent, strict=True)))


# --- a network: a computation at one θ, with its data -------------------------------------------------


@instance
class Network:
    """f(x; θ) with its data and loss: L(θ) = Σ_i λ_i ℓ(f(x_i; θ), y_i).

    Rows are samples: X is m × d_x, Y is m × d_y; θ is n × 1; ``weights`` is 1 × m, the positive λ_i (any
    sum). Source: Kawaguchi, Huang & Kaelbling (2019), Section 2.
    """

    computation: Computation
    theta: fmpq_mat
    X: fmpq_mat
    Y: fmpq_mat
    loss: Loss
    weights: fmpq_mat

    def __post_init__(self) -> None:
        f, m = self.computation, self.X.nrows()
        wanted = {
            "theta": (f.parameters, 1),
            "X": (m, f.width),
            "Y": (m, f.outputs),
            "weights": (1, m),
        }
        for name, shape in wanted.items():
            a = getattr(self, name)
            if (a.nrows(), a.ncols()) != shape:
                raise ValueError(
                    f"{name} is {a.nrows()} x {a.ncols()}; this computation with {m} samples needs "
                    f"{shape[0]} x {shape[1]}"
                )
        if any(w <= 0 for w in self.weights.entries()):
            raise ValueError(f"the weights {[str(w) for w in self.weights.entries()]} must be positive")

    @cached_property
    def stages(self) -> list[Stage]:
        """Every step at θ, exactly. Raises ``AtKink``, and ``ValueError`` for irrational activations."""
        if not self.computation.rational:
            names = ", ".join(sorted(a.name for a in self.computation.functions if not a.rational))
            raise ValueError(f"{names} has irrational derivatives: enclose with stages_in_balls")
        return run(self.computation, self.theta, self.X, balls=False)

    def stages_in_balls(self) -> list[Stage]:
        """Every step at θ in balls of the precision that is set."""
        return run(self.computation, self.theta, self.X, balls=True)

    @cached_property
    def outputs(self) -> Stage:
        """The last step: exact where the activations are rational, in balls of 128 bits elsewhere."""
        if self.computation.rational:
            return self.stages[-1]
        with ctx.workprec(128):
            return self.stages_in_balls()[-1]

    @cached_property
    def H(self) -> Matrix:
        """The outputs f(x_i; θ): m × d_y, also at kinks; balls have 128 bits."""
        with ctx.workprec(128):
            return self.outputs_at(self.theta)

    @cached_property
    def J(self) -> Matrix:
        """∂f_X(θ): (m d_y) × n, sample by sample: row i d_y + k holds the derivatives of f(x_i; θ)_k."""
        return sample_major(self.outputs.jacobian, self.X.nrows(), self.computation.parameters)

    def outputs_at(self, theta: fmpq_mat) -> Matrix:
        """f_X at another θ, m × d_y, without derivatives: kinks do not matter."""
        rational = self.computation.rational
        stages = run(self.computation, theta, self.X, balls=not rational, derivatives=False)
        return stages[-1].value.transpose()

    @cached_property
    def measure(self) -> Atoms:
        """The weights λ_i as a probability: λ_i / Σ λ."""
        return Atoms(weights=self.weights / self.total)

    @cached_property
    def total(self) -> fmpq:
        """Σ λ_i."""
        return sum(self.weights.entries(), fmpq(0))

    def at(self, theta: fmpq_mat) -> Network:
        """The same network at another θ."""
        return replace(self, theta=theta)

    def moved(self, v: fmpq_mat, by: fmpq | int = 1) -> Network:
        """The same network at θ + ``by`` v."""
        return replace(self, theta=self.theta + v * fmpq(by))


def network(
    f: Computation,
    theta: object,
    X: object,
    Y: object,
    loss: Loss = squared,
    weights: Sequence[object] | None = None,
) -> Network:
    """The network with the given weights and data: ``theta`` a sequence, X and Y anything ``matrix`` reads.

    All λ_i = 1 unless told. Raises ``ValueError`` for wrong shapes, NaN and infinities, ``TypeError`` for
    float32.
    """
    x = matrix(X)  # type: ignore[arg-type]
    t = [[e] for e in theta]  # type: ignore[attr-defined]
    lambdas = [1] * x.nrows() if weights is None else list(weights)
    return Network(
        computation=f, theta=matrix(t, 1), X=x, Y=matrix(Y, f.outputs), loss=loss,  # type: ignore[arg-type]
        weights=matrix([lambdas]),
    )  # fmt: skip


# --- many at once, in float64 -------------------------------------------------------------------------


def run_arrays(f: Computation, thetas: Floats, X: Floats) -> tuple[Floats, Floats]:
    """f and its Jacobian for many θ at once: B × n and m × d_x to B × m × d_y and B × m × d_y × n.

    Plain float64 arithmetic in the order of ``run``; at a kink the slope of one side. Raises ``ValueError``
    for wrong shapes or numbers that are not finite, ``TypeError`` for other than float64.
    """
    for name, a, width in (("thetas", thetas, f.parameters), ("X", X, f.width)):
        if a.dtype != np.float64:
            raise TypeError(f"{name} has type {a.dtype}: float64 is needed")
        if a.ndim != 2 or a.shape[1] != width:
            raise ValueError(f"{name} has shape {a.shape}: its rows must have {width} entries")
        if not np.isfinite(a).all():
            raise ValueError(f"{name} holds NaN or infinities")
    count, m, n = len(thetas), len(X), f.parameters
    values: list[Floats] = [np.broadcast_to(X, (count, m, f.width))]
    jacobians: list[Floats] = [np.zeros((count, m, f.width, n))]
    for step in f.steps:
        match step:
            case Affine():
                h, j = values[step.source], jacobians[step.source]
                full = np.broadcast_to(
                    as_floats(step.frozen), (count, step.frozen.nrows(), step.frozen.ncols())
                ).copy()
                for row, column, k in step.trained:
                    full[:, row, column] = thetas[:, k]
                a, c = full[..., :-1], full[..., -1]
                values.append(h @ a.transpose(0, 2, 1) + c[:, None, :])
                made = a[:, None] @ j
                for row, column, k in step.trained:
                    made[:, :, row, k] += h[..., column] if column < a.shape[2] else 1.0
                jacobians.append(made)
            case Activate():
                q, j = values[step.source], jacobians[step.source]
                values.append(np.stack([s.array(q[..., k]) for k, s in enumerate(step.functions)], axis=-1))
                slopes = np.stack([s.slope_array(q[..., k]) for k, s in enumerate(step.functions)], axis=-1)
                jacobians.append(slopes[..., None] * j)
            case Combine():
                a, b = values[step.left], values[step.right]
                p, q = jacobians[step.left], jacobians[step.right]
                if step.operation == "product":
                    values.append(a * b)
                    jacobians.append(b[..., None] * p + a[..., None] * q)
                elif step.operation == "sum":
                    values.append(a + b)
                    jacobians.append(p + q)
                else:
                    values.append(np.concatenate([a, b], axis=-1))
                    jacobians.append(np.concatenate([p, q], axis=2))
    return values[-1], jacobians[-1]
