"""Models that a network induces at θ: linear combinations of columns over all outputs of all samples.

A basis is a matrix with a row for every output of every sample, sample by sample, and a column for every
function: the derivatives of the outputs by θ, or the linear models on a layer.
"""

from __future__ import annotations

from fractions import Fraction

from verify.rechecks.linear_algebra import least_squares, matrix, solution, turned
from verify.rechecks.linear_models import least_loss
from verify.rechecks.losses import loss_slopes
from verify.rechecks.networks import (
    jacobian,
    linear,
    loss_value,
    outputs,
    parameters,
    program_parameters,
    program_stages,
    total_loss,
    weights_of,
)


def all_outputs(net):
    """f_X(θ) as a column."""
    return [[e] for f in outputs(net, parameters(net)) for e in f]


def output_slopes(net):
    """p: the derivatives of L by all outputs, λ_i times those of ℓ."""
    rows = zip(weights_of(net), outputs(net, parameters(net)), matrix(net["Y"]))
    return [w * s for w, f, y in rows for s in loss_slopes(net["loss"]["loss"], f, y)]


def is_orthogonal_to_slopes(net, basis):
    """Whether the loss of the outputs changes to first order along no column: basisᵀ p = 0."""
    return not any(linear(turned(basis), output_slopes(net)))


def spans(basis, column):
    """Whether a column is a combination of those of the basis."""
    return solution(basis, column) is not None


def some_columns(basis, which):
    """These columns of a matrix."""
    return [[row[k] for k in which] for row in basis]


def linear_models(h, d):
    """The basis of all A h, with d outputs: a column for every entry of A."""
    zero = Fraction(0)
    return [[e if i == o else zero for i in range(d) for e in row] for row in h for o in range(d)]


def loss_of_column(net, column):
    """Σ λ_i ℓ(q_i, y_i) of outputs q given as a column."""
    d, entries = len(net["Y"][0]), [e for (e,) in column]
    return total_loss(net, [entries[i : i + d] for i in range(0, len(entries), d)])


def labels_column(net):
    """All labels, sample by sample, as a column."""
    return [[e] for y in matrix(net["Y"]) for e in y]


def weights_of_outputs(net):
    """λ_i for every output of every sample."""
    return [w for w, y in zip(weights_of(net), net["Y"]) for _ in y]


def gap_to_span(net, basis):
    """L(θ) − inf of the squared loss over the combinations of the columns; < 0 only if f_X(θ) is none."""
    return loss_value(net) - least_squares(basis, labels_column(net), weights_of_outputs(net))


def bounds_in_span(net, basis):
    """(low, high) around the inf of a convex loss over the combinations of the columns."""
    return least_loss(basis, labels_column(net), weights_of_outputs(net), net["loss"]["loss"])


def is_critical_point(net):
    """Whether ∂f_X(θ)ᵀ p = 0: then ∇L = 0."""
    return is_orthogonal_to_slopes(net, jacobian(net))


def at_parameters(net, theta):
    """The network with other parameters, a list."""
    return dict(net, theta=[[t] for t in theta])


def lower_in_span(net, basis, start=None):
    """Whether some outputs − t basis basisᵀ p, from those at θ unless told, have a loss below L(θ)."""
    here, q = loss_value(net), all_outputs(net) if start is None else start
    move = linear(basis, linear(turned(basis), output_slopes(net)))
    largest = max((abs(e) for e in move), default=Fraction(0))
    for k in range(-1, 40 if largest else -1):
        t = 1 / (Fraction(4) ** k * largest)
        if loss_of_column(net, [[e - t * v] for (e,), v in zip(q, move)]) < here:
            return True
    return False


def affine_steps(net):
    """The numbers of the affine steps of a program that have parameters; step 0 is the input."""
    steps = enumerate(net["computation"]["steps"]["tuple"], 1)
    return [k for k, s in steps if "places" in s and any(int(e) >= 0 for row in s["places"] for e in row)]


def step_parameters(net, number):
    """The parameters of an affine step, in order."""
    places = net["computation"]["steps"]["tuple"][number - 1]["places"]
    return sorted({int(k) for row in places for k in row if int(k) >= 0})


def step_weights(net, number):
    """The matrix [A | c] of an affine step at θ."""
    theta, step = program_parameters(net), net["computation"]["steps"]["tuple"][number - 1]
    rows = zip(step["places"], step["frozen"])
    return [[theta[int(k)] if int(k) >= 0 else Fraction(c) for k, c in zip(p, f)] for p, f in rows]


def step_values(net, number):
    """What a step computes at θ, sample by sample; step 0 is the input."""
    theta = program_parameters(net)
    return [program_stages(net, theta, x)[number] for x in net["X"]]


def last_hidden_layer(net):
    """What the last step reads, sample by sample."""
    return step_values(net, net["computation"]["steps"]["tuple"][-1]["source"])


def output_layer_parameters(net):
    """W and b of W h(x; u) + b, by number: of the affine steps that reach the output by sums and joins."""
    steps, weights, biases = net["computation"]["steps"]["tuple"], set(), set()
    left = [len(steps)]
    while left:
        number = left.pop()
        step = steps[number - 1] if number else {}
        if "places" in step:
            weights |= {int(k) for row in step["places"] for k in row[:-1] if int(k) >= 0}
            biases |= {int(row[-1]) for row in step["places"] if int(row[-1]) >= 0}
        elif step.get("operation") in ("sum", "join"):
            left += [step["left"], step["right"]]
    return weights, biases


def inner_parameters(net):
    """The parameters u, that do not belong to the output layer."""
    weights, biases = output_layer_parameters(net)
    return [k for k in range(len(net["theta"])) if k not in weights | biases]
