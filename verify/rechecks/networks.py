"""Networks of the JSON, with numbers or jets for parameters: residual blocks, deep linear maps, programs."""

from __future__ import annotations

from fractions import Fraction

from verify.rechecks.jets import gradient_of, hessian_of, variables
from verify.rechecks.linear_algebra import matrix, turned
from verify.rechecks.losses import activated, sample_loss


def affine(rows, h):
    """[A | c] (h, 1), entry by entry."""
    return [sum((a * u for a, u in zip(row, [*h, Fraction(1)])), Fraction(0)) for row in rows]


def linear(rows, h):
    """A h, entry by entry."""
    return [sum((a * u for a, u in zip(row, h)), Fraction(0)) for row in rows]


def cut(entries, shapes):
    """A list of entries as matrices of these shapes, row by row."""
    found = []
    for m, n in shapes:
        found.append([entries[i * n : (i + 1) * n] for i in range(m)])
        entries = entries[m * n :]
    return found


def weights_of(net):
    """The sample weights of a residual network or a program, as a list."""
    rows = net["measure"]["weights"] if "measure" in net else net["weights"]
    return matrix(rows)[0]


def residual_parameters(net):
    """The entries of W, V and, if there is one, b: a list, row by row; and the three shapes."""
    stack = [matrix(net[k]) for k in ("W", "V", "b") if net.get(k) is not None]
    return [e for a in stack for row in a for e in row], [(len(a), len(a[0])) for a in stack]


def residual_outputs(net, entries):
    """h = W (x + V z) (+ b) for every sample, with these entries for W, V, b."""
    W, V, *b = cut(entries, residual_parameters(net)[1])
    found = []
    for x, z in zip(matrix(net["X"]), matrix(net["Z"])):
        q = [s + t for s, t in zip(x, linear(V, z))]
        h = linear(W, q)
        found.append([s + t[0] for s, t in zip(h, b[0])] if b else h)
    return found


def program_parameters(net):
    """θ as a list."""
    return [Fraction(row[0]) for row in net["theta"]]


def program_stages(net, theta, x, apply=None):
    """The units of every step of a program at one input: step 0 is the input, the last one the output."""
    apply = apply or activated
    stages = [[Fraction(e) for e in x]]
    for step in net["computation"]["steps"]["tuple"]:
        kind = step["type"].split(":")[1]
        if kind == "Affine":
            rows = [
                [theta[int(k)] if int(k) >= 0 else Fraction(c) for k, c in zip(places, frozen)]
                for places, frozen in zip(step["places"], step["frozen"])
            ]
            stages.append(affine(rows, stages[step["source"]]))
        elif kind == "Activate":
            units = stages[step["source"]]
            stages.append([apply(name, a) for name, a in zip(step["activations"]["tuple"], units)])
        else:
            left, right = stages[step["left"]], stages[step["right"]]
            if step["operation"] == "join":
                stages.append(left + right)
            elif step["operation"] == "sum":
                stages.append([a + b for a, b in zip(left, right)])
            else:
                stages.append([a * b for a, b in zip(left, right)])
    return stages


def program_outputs(net, theta):
    """f(x_i; θ) for every sample."""
    return [program_stages(net, theta, x)[-1] for x in net["X"]]


def parameters(net):
    """The parameters of a residual network or a program, as a list."""
    return program_parameters(net) if "computation" in net else residual_parameters(net)[0]


def outputs(net, theta):
    """The outputs of a residual network or a program at θ, which may hold jets."""
    return program_outputs(net, theta) if "computation" in net else residual_outputs(net, theta)


def total_loss(net, rows):
    """Σ_i w_i ℓ(rows_i, y_i) for the weights, labels and loss of the network."""
    name, Y = net["loss"]["loss"], matrix(net["Y"])
    terms = (sample_loss(name, h, y) * w for w, h, y in zip(weights_of(net), rows, Y))
    return sum(terms, Fraction(0))


def loss_jet(net):
    """L at the network's own parameters, with its first two derivatives; losses that add up over outputs."""
    return total_loss(net, outputs(net, variables(parameters(net))))


def loss_value(net, theta=None):
    """L(θ), at the network's own parameters unless told."""
    return total_loss(net, outputs(net, parameters(net) if theta is None else theta))


def loss_gradient(net):
    """∇L by all parameters."""
    return gradient_of(loss_jet(net), len(parameters(net)))


def loss_hessian(net):
    """∇²L by all parameters (of the right side at kinks)."""
    return hessian_of(loss_jet(net), len(parameters(net)))


def jacobian(net):
    """The derivatives of all outputs by all parameters: a row for every output of every sample."""
    theta = parameters(net)
    rows = outputs(net, variables(theta))
    return [gradient_of(a, len(theta)) if hasattr(a, "slope") else [Fraction(0)] * len(theta) for f in rows for a in f]


def product_of(stack):
    """W_H ⋯ W_1 of matrices in order of application."""
    found = stack[0]
    for w in stack[1:]:
        found = [linear(turned(found), row) for row in w]
    return found
