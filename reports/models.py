"""What a recorded instance computes, where it is a network that is known here: for pictures, in float64."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.drawing import number, short

__all__ = ["Floats", "Model", "activation", "kind_of", "matrix", "model", "stack_of", "typed"]

Floats = NDArray[np.float64]

LARGEST = 64
"""Rows or columns of a matrix that is looked at."""


@dataclass(frozen=True)
class Model:
    """A network at a point: rows of ``inputs`` and ``targets`` are samples, ``weights`` are theirs."""

    kind: str
    parameters: tuple[Floats, ...]
    outputs: Callable[[Sequence[Floats]], Floats]
    inputs: Floats
    targets: Floats
    loss: Callable[[Floats, Floats], Floats]
    weights: Floats
    patterns: tuple[Floats, ...] = ()
    """Pre-activations of piecewise linear units, samples × units."""
    labels: tuple[str, ...] = ()
    """The classes of the samples, where they have some."""

    def at(self, parameters: Sequence[Floats]) -> float:
        return float(self.weights @ self.loss(self.outputs(parameters), self.targets).sum(axis=1))


_LOSSES: dict[str, Callable[[Floats, Floats], Floats]] = {
    "squared": lambda h, y: (h - y) ** 2,
    "absolute": lambda h, y: np.abs(h - y),
    "label-weighted squared": lambda h, y: np.where(y == 0, 3.0, 1.0) * (h - y) ** 2,
    "Huber": lambda h, y: np.where(np.abs(h - y) <= 1, (h - y) ** 2 / 2, np.abs(h - y) - 0.5),
    "logistic": lambda h, y: np.logaddexp2(0.0, h) - y * h,
    "hinge": lambda h, y: y * np.maximum(0, 1 - h) + (1 - y) * np.maximum(0, 1 + h),
    "tilted double well": lambda h, y: 3 * (h - y) ** 4 - 4 * (h - y) ** 3 - 12 * (h - y) ** 2,
}

_PIECEWISE: dict[str, Callable[[Floats], Floats]] = {
    "relu": lambda t: np.maximum(t, 0),
    "leaky relu": lambda t: np.maximum(t, t / 4),
    "abs": np.abs,
}

_ACTIVATIONS: dict[str, Callable[[Floats], Floats]] = _PIECEWISE | {
    "linear": lambda t: t,
    "square": np.square,
    "quadratic": lambda t: t + t * t,
    "cube": lambda t: t**3,
    "cubic": lambda t: t + t**3,
    "serpentine": lambda t: t / (1 + t * t),
    "softsign": lambda t: t / (1 + np.abs(t)),
    "tanh": lambda t: np.tanh(t * np.log(2)),
    "sigmoid": lambda t: (1 + np.tanh(t * np.log(2) / 2)) / 2,
    "softplus": lambda t: np.logaddexp2(0, t),
    "exp": np.exp2,
    "step": lambda t: np.asarray(t > 0, dtype=np.float64),
    "two sigmoids": lambda t: 1 + (np.tanh((t - 6) * np.log(2) / 2) + np.tanh((t + 6) * np.log(2) / 2)) / 2,
    "tanh cubed": lambda t: np.tanh(t * np.log(2)) ** 3,
    "affine inside": lambda t: np.where(np.abs(t) <= 1, t, np.sign(t) * (2 - 1 / np.maximum(np.abs(t), 1))),
    "minus sigmoid": lambda t: (-1 - np.tanh(t * np.log(2) / 2)) / 2,
    "minus tanh": lambda t: -np.tanh(t * np.log(2)),
    "minus softplus": lambda t: -np.logaddexp2(0, t),
}

_JOINS: dict[str, Callable[[Floats, Floats], Floats]] = {
    "sum": lambda a, b: a + b,
    "product": lambda a, b: a * b,
    "join": lambda a, b: np.hstack([a, b]),
}


def typed(value: Any) -> Iterator[dict[str, Any]]:
    """The instance and the instances in it."""
    if isinstance(value, dict):
        if isinstance(value.get("type"), str):
            yield value
        for inner in value.values():
            yield from typed(inner)
    elif isinstance(value, list) and any(isinstance(v, dict) for v in value):
        for inner in value:
            yield from typed(inner)


def kind_of(part: dict[str, Any]) -> str:
    return str(part["type"]).rpartition(":")[2]


def matrix(value: Any) -> Floats:
    """A matrix of the record. Raises ``ValueError`` for anything else, and for what float64 cannot hold."""
    rows = value["rows"] if isinstance(value, dict) and "rows" in value else value
    if not (isinstance(rows, list) and all(isinstance(row, list) for row in rows)):
        raise ValueError("not a matrix")
    if not rows or not rows[0] or max(len(rows), len(rows[0])) > LARGEST:
        raise ValueError("a matrix without entries, or too large to look at")
    numbers = [[number(e) for e in row] for row in rows]
    if any(e is None for row in numbers for e in row):
        raise ValueError("not numbers of float64")
    return np.array(numbers, dtype=np.float64)


def stack_of(value: Any) -> tuple[Floats, ...]:
    return tuple(matrix(m) for m in value["tuple"])


def activation(part: dict[str, Any]) -> Callable[[Floats], Floats] | None:
    """The activation of an instance by its name."""
    name = part.get("activation")
    return _ACTIVATIONS.get(name) if isinstance(name, str) else None


def _named(part: dict[str, Any], key: str) -> Callable[[Floats, Floats], Floats] | None:
    loss = part.get(key)
    return _LOSSES.get(loss["loss"]) if isinstance(loss, dict) and isinstance(loss.get("loss"), str) else None


def model(part: dict[str, Any]) -> Model | None:
    """The network that an instance is, if it is one that is known here."""
    readers: dict[str, Callable[[dict[str, Any]], Model | None]] = {
        "ResNet": _residual,
        "DeepLinearProblem": _deep_linear,
        "OneHiddenLayer": _one_hidden_layer,
        "Network": _feedforward,
        "Classifier": _classifier,
    }
    read = readers.get(kind_of(part))
    if read is None:
        return None
    try:
        return read(part)
    except (ValueError, TypeError, KeyError, IndexError):
        return None


def _residual(part: dict[str, Any]) -> Model | None:
    loss = _named(part, "loss")
    if loss is None or not str(part["measure"]["type"]).endswith(":Atoms"):
        return None
    x, z, y, w, v = (matrix(part[k]) for k in "XZYWV")
    b = None if part["b"] is None else matrix(part["b"])

    def outputs(p: Sequence[Floats]) -> Floats:
        h = (x + z @ p[1].T) @ p[0].T
        return h if len(p) == 2 else h + p[2].T

    weights = matrix(part["measure"]["weights"])[0]
    return Model("W, V", (w, v) if b is None else (w, v, b), outputs, x, y, loss, weights)


def _deep_linear(part: dict[str, Any]) -> Model:
    weights, x, y = stack_of(part["weights"]), matrix(part["X"]), matrix(part["Y"])

    def outputs(p: Sequence[Floats]) -> Floats:
        h = x
        for w in p:
            h = w @ h
        return h.T

    half = np.full(x.shape[1], 0.5)
    return Model("the weights", weights, outputs, x.T, y.T, _LOSSES["squared"], half)


def _one_hidden_layer(part: dict[str, Any]) -> Model | None:
    loss, sigma = _named(part, "loss"), _ACTIVATIONS.get(str(part["activation"]))
    if loss is None or sigma is None:
        return None
    x, y, w1, w2 = (matrix(part[k]) for k in ("X", "Y", "W1", "W2"))

    def outputs(p: Sequence[Floats]) -> Floats:
        return sigma(x @ p[0].T) @ p[1].T

    patterns = (x @ w1.T,) if part["activation"] in _PIECEWISE else ()
    equal = np.full(len(x), 1 / len(x))
    return Model("W1, W2", (w1, w2), outputs, x, y, loss, equal, patterns)


def _feedforward(part: dict[str, Any]) -> Model | None:
    loss, steps = _named(part, "loss"), part["computation"]["steps"]["tuple"]
    if loss is None or len(steps) > LARGEST:
        return None
    x, y, theta, weights = (matrix(part[k]) for k in ("X", "Y", "theta", "weights"))
    program: list[Callable[[list[Floats], Floats], Floats]] = []
    for step in steps:
        made = _step(step)
        if made is None:
            return None
        program.append(made)

    def stages(p: Floats) -> list[Floats]:
        found = [x]
        for run in program:
            found.append(run(found, p[:, 0]))
        return found

    at = stages(theta)
    patterns = tuple(
        at[step["source"]]
        for step in steps
        if kind_of(step) == "Activate" and set(step["activations"]["tuple"]) <= _PIECEWISE.keys()
    )
    return Model("θ", (theta,), lambda p: stages(p[0])[-1], x, y, loss, weights[0], patterns)


def _classifier(part: dict[str, Any]) -> Model | None:
    """The penalty counts only where an output is on the wrong side of its target."""
    sigma = _ACTIVATIONS.get(str(part["activation"]))
    if sigma is None or part["Y"] is None:
        return None
    x, y, stack = matrix(part["X"]), matrix(part["Y"]), stack_of(part["stack"])
    classes = matrix(part["classes"])[:, 0]
    signs = np.where(classes[:, None] == np.arange(1, y.shape[1] + 1), 1.0, -1.0)

    def preactivations(p: Sequence[Floats]) -> list[Floats]:
        found = [x @ p[0][:-1] + p[0][-1]]
        for w in p[1:]:
            found.append(sigma(found[-1]) @ w[:-1] + w[-1])
        return found

    def penalty(h: Floats, y: Floats) -> Floats:
        return np.asarray(np.where((h - y) * signs < 0, (h - y) ** 2, 0.0))

    patterns = tuple(preactivations(stack)) if part["activation"] in _PIECEWISE else ()
    labels = tuple(f"class {short(float(c))}" for c in classes)
    return Model(
        "the weights", stack, lambda p: sigma(preactivations(p)[-1]), x, y, penalty, np.ones(len(x)),
        patterns, labels,
    )  # fmt: skip


def _step(step: dict[str, Any]) -> Callable[[list[Floats], Floats], Floats] | None:
    """One step of a computation on samples × units, from the stages before it and θ."""
    kind = kind_of(step)
    if kind == "Affine":
        source, frozen = step["source"], matrix(step["frozen"])
        places = matrix(step["places"]).astype(int)

        def affine(stages: list[Floats], theta: Floats) -> Floats:
            a = np.where(places >= 0, theta[np.maximum(places, 0)], frozen)
            return np.asarray(stages[source] @ a[:, :-1].T + a[:, -1])

        return affine
    if kind == "Activate":
        source, names = step["source"], step["activations"]["tuple"]
        if not all(isinstance(n, str) and n in _ACTIVATIONS for n in names):
            return None
        sigmas = [_ACTIVATIONS[n] for n in names]
        return lambda stages, _: np.column_stack(
            [s(u) for s, u in zip(sigmas, stages[source].T, strict=True)]
        )
    if kind == "Combine":
        left, right = step["left"], step["right"]
        join = _JOINS[step["operation"]]
        return lambda stages, _: join(stages[left], stages[right])
    return None
