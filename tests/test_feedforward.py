"""Do computations run right in all three arithmetics, and can a user put a network of their own on trial?"""

import json

import numpy as np
import pytest
import torch
from flint import arb, ctx, fmpq, fmpq_mat
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies.activations import ACTIVATIONS
from strategies.feedforward import (
    Activate,
    Affine,
    AtKink,
    Combine,
    Computation,
    apply,
    bias,
    computation,
    convolution,
    frozen,
    inputs,
    join,
    network,
    patterned,
    run,
    run_arrays,
    weight,
)
from strategies.instance import CannotBeRead, from_json, to_json
from strategies.losses import cross_entropy, huber, logistic, squared
from strategies.matrices import as_floats, hstack
from strategies.stationary import FAMILIES, critical_networks, networks, parity_minima
from verify import HOLDS, REFUTED, claim, decide, drop, mutant, printed
from verify.oracles.feedforward import gradient, hessian, is_critical, loss
from verify.oracles.induced import attains_infimum
from verify.oracles.minima import at_critical_point, find_descent, is_certified_minimum
from verify.trial import BUDGETS, put_on_trial

SMOOTH = [name for name, a in ACTIVATIONS.items() if not a.kinked]


def everything(sigma, tau):
    """Every kind of step at once: biases, a skip, a gate, a join, tied, shared and frozen weights."""
    x, again = inputs(2), weight(2, 2)
    h = apply(sigma, again @ x + bias(2))
    g = apply((sigma, tau), again.T @ h)
    gate = g * (frozen([[1, "1/2"], [0, 2]]) @ h)
    return computation(weight(2, 3) @ join(gate + x, convolution(2, 2) @ h + frozen([[1, 1]]) @ x) + bias(2))


TORCH = {
    "linear": lambda t: t,
    "relu": torch.relu,
    "leaky relu": lambda t: torch.where(t > 0, t, t / 4),
    "abs": torch.abs,
    "step": lambda t: (t > 0).double(),
    "square": lambda t: t * t,
    "quadratic": lambda t: t + t * t,
    "cube": lambda t: t**3,
    "cubic": lambda t: t + t**3,
    "serpentine": lambda t: t / (1 + t * t),
    "softsign": torch.nn.functional.softsign,
    "tanh": lambda t: torch.tanh(t * np.log(2)),
    "sigmoid": lambda t: torch.sigmoid(t * np.log(2)),
    "softplus": lambda t: torch.nn.functional.softplus(t * np.log(2)) / np.log(2),
    "exp": torch.exp2,
    "two sigmoids": lambda t: torch.sigmoid((t - 6) * np.log(2)) + torch.sigmoid((t + 6) * np.log(2)),
    "affine inside": lambda t: torch.where(
        t.abs() <= 1, t, torch.sign(t) * (2 - 1 / torch.clamp(t.abs(), min=1))
    ),
}


TORCH["tanh cubed"] = lambda t: TORCH["tanh"](t) ** 3
for _name in ("sigmoid", "tanh", "softplus"):
    TORCH[f"minus {_name}"] = lambda t, f=TORCH[_name]: -f(t)


def torch_everything(sigma, tau, theta, x):
    """The same network, written in torch by hand: θ is ``again``, its bias, then the rest in order."""
    again, b = theta[:4].reshape(2, 2), theta[4:6]
    kernel, w, c = theta[6:8], theta[8:14].reshape(2, 3), theta[14:16]
    h = TORCH[sigma](x @ again.T + b)
    q = h @ again
    g = torch.stack([TORCH[sigma](q[:, 0]), TORCH[tau](q[:, 1])], dim=1)
    gate = g * (h @ torch.tensor([[1.0, 0.5], [0.0, 2.0]], dtype=torch.float64).T)
    joined = torch.cat([gate + x, (h @ kernel + x.sum(dim=1))[:, None]], dim=1)
    return joined @ w.T + c


def floats(a):
    if isinstance(a, fmpq_mat):
        return as_floats(a)
    return np.array([float(e.mid()) for e in a.entries()]).reshape(a.nrows(), a.ncols())


THETAS = st.lists(st.integers(-8, 8).map(lambda k: fmpq(2 * k + 1, 16)), min_size=16, max_size=16)
X = [[1, 2], ["-1/2", 1], [3, "1/3"]]


@pytest.mark.parametrize("sigma", ACTIVATIONS)
@settings(max_examples=5)
@given(theta=THETAS, tau=st.sampled_from(sorted(ACTIVATIONS)))
def test_values_and_derivatives_agree_with_torch_in_all_three_arithmetics(sigma, theta, tau):
    f = everything(sigma, tau)
    assert f.parameters == 16
    net = network(f, theta, X, [[0, 1], [1, 0], [1, 1]], squared, [1, 2, "1/2"])
    t, x = torch.tensor(as_floats(net.theta)[:, 0]), torch.tensor(as_floats(net.X))
    try:
        values, jacobian = floats(net.H), floats(net.J)
    except AtKink:
        return
    expected = torch_everything(sigma, tau, t, x).numpy()
    slopes = torch.func.jacfwd(lambda s: torch_everything(sigma, tau, s, x))(t).reshape(6, 16).numpy()
    scale = 1 + abs(slopes).max()
    assert abs(values - expected).max() <= 1e-12 * (1 + abs(expected).max())
    assert abs(jacobian - slopes).max() <= 1e-11 * scale
    many, derivatives = run_arrays(f, np.stack([t.numpy()] * 2), x.numpy())
    assert abs(many[1] - expected).max() <= 1e-12 * (1 + abs(expected).max())
    assert abs(derivatives[1].reshape(6, 16) - slopes).max() <= 1e-11 * scale
    if f.rational:
        with ctx.workprec(128):
            ball = run(f, net.theta, net.X, balls=True)[-1].jacobian
        with ctx.workprec(2000):  # contains rounds the rational first
            assert all(
                b.contains(e) for b, e in zip(ball.entries(), net.outputs.jacobian.entries(), strict=True)
            )


@pytest.mark.parametrize("loss_", [squared, logistic, cross_entropy, huber], ids=lambda one: one.name)
@pytest.mark.parametrize("sigma", SMOOTH)
def test_gradient_and_hessian_agree_with_torch(sigma, loss_):
    f = everything(sigma, "quadratic")
    theta = [fmpq((7 * k * k + 3 * k) % 11 - 5, 8) for k in range(16)]
    net = network(f, theta, X, [[0, 1], [1, 0], [0, 1]], loss_, [1, 2, "1/2"])
    t, x, y = (torch.tensor(as_floats(a)) for a in (net.theta.transpose(), net.X, net.Y))
    weights = torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64)

    def value(s):
        h = torch_everything(sigma, "quadratic", s, x)
        if loss_ is squared:
            per = ((h - y) ** 2).sum(dim=1)
        elif loss_ is logistic:
            per = (torch.nn.functional.softplus(h * np.log(2)) / np.log(2) - y * h).sum(dim=1)
        elif loss_ is cross_entropy:
            per = torch.logsumexp(h * np.log(2), dim=1) / np.log(2) - (y * h).sum(dim=1)
        else:
            r = (h - y).abs()
            per = torch.where(r <= 1, r * r / 2, r - 0.5).sum(dim=1)
        return (weights * per).sum()

    assert float(arb(loss(net)).mid()) == pytest.approx(float(value(t[0])), rel=1e-12)
    slopes = torch.func.grad(value)(t[0]).numpy()
    second = torch.func.hessian(value)(t[0]).numpy()
    assert abs(floats(gradient(net))[:, 0] - slopes).max() <= 1e-10 * (1 + abs(slopes).max())
    assert abs(floats(hessian(net)) - second).max() <= 1e-9 * (1 + abs(second).max())


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_has_an_output_layer_of_its_own(family):
    """Assumption 2: f = ∂f/∂(last weights) · (last weights)."""
    f = FAMILIES[family](2, 2, 2, "cube")
    net = network(f, [k % 5 - 2 for k in range(f.parameters)], [[e + 1 for e in range(f.width)]], [[0, 0]])
    end = f.steps[-1]
    outer = [end] if isinstance(end, Affine) else [f.steps[end.left - 1], f.steps[end.right - 1]]
    last = [k for step in outer for k in step.parameters]
    g = fmpq_mat(f.parameters, 1)
    for k in last:
        g[k, 0] = net.theta[k, 0]
    assert (net.J * g).entries() == net.H.entries()


# --- the gate ----------------------------------------------------------------------------------------


def test_a_tie_is_a_kink_where_the_pre_activation_can_move():
    f = computation(weight(1, 1) @ apply("relu", weight(1, 1) @ inputs(1)))
    net = network(f, [0, 1], [[1]], [[0]])
    assert net.H.entries() == [0]
    with pytest.raises(AtKink, match="unit 0 of relu has the pre-activation 0 at sample 0"):
        _ = net.J


def test_a_tie_that_cannot_move_is_none():
    """x = 0 without biases, and a unit all of whose inputs are dead: zero in a whole neighbourhood."""
    deep = computation(weight(1, 1) @ apply("abs", weight(1, 1) @ apply("relu", weight(1, 1) @ inputs(1))))
    assert network(deep, [1, 1, 1], [[0]], [[0]]).J.entries() == [0, 0, 0]
    assert network(deep, [-1, 1, 1], [[1]], [[0]]).J.entries() == [0, 0, 0]
    with pytest.raises(AtKink, match="abs"):
        _ = network(deep, [1, 0, 1], [[1]], [[0]]).J


def test_a_bias_moves_a_tie():
    f = computation(weight(1, 1) @ apply("relu", weight(1, 1) @ inputs(1) + bias(1)))
    with pytest.raises(AtKink):
        _ = network(f, [1, 0, 1], [[0]], [[0]]).J


# --- exact values: JSON, equality, bad input ----------------------------------------------------------


@settings(max_examples=30)
@given(networks())
def test_networks_go_to_json_and_back(net):
    again = from_json(json.loads(json.dumps(to_json(net))))
    assert again == net
    assert hash(again) == hash(net)


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (lambda: weight(2, 3) @ inputs(2), "a 2 x 3 weight applied to 2 units"),
        (lambda: inputs(2) + bias(3), r"a bias of shape \(3, 1\) added to 2 units"),
        (lambda: inputs(2) * (weight(1, 2) @ inputs(2)), "the product of 2 and 1 units"),
        (lambda: apply(("relu",), inputs(2)), "1 activations for 2 units"),
        (lambda: computation(inputs(2) + inputs(2)), "2 inputs"),
        (lambda: computation(apply("gelu", inputs(1))), "no activation gelu; known: linear"),
        (lambda: frozen([[1, float("nan")]]), "must be finite"),
        (lambda: network(computation(weight(1, 2) @ inputs(2)), [1], [[1, 2]], [[0]]), "theta is 1 x 1"),
        (lambda: network(computation(weight(1, 2) @ inputs(2)), [1, 1], [[1, 2, 3]], [[0]]), "X is 1 x 3"),
        (
            lambda: network(computation(weight(1, 2) @ inputs(2)), [1, 1], [[1, 2]], [[0]], squared, [0]),
            "positive",
        ),
        (
            lambda: run_arrays(computation(weight(1, 2) @ inputs(2)), np.ones((1, 3)), np.ones((1, 2))),
            "thetas",
        ),
        (
            lambda: run_arrays(
                computation(weight(1, 2) @ inputs(2)), np.ones((1, 2)), np.full((1, 2), np.nan)
            ),
            "NaN",
        ),
        (
            lambda: Computation(width=1, parameters=0, steps=(Activate(source=3, activations=("relu",)),)),
            "only earlier",
        ),
        (
            lambda: Computation(width=1, parameters=0, steps=(Combine(left=0, right=0, operation="max"),)),
            "no operation",
        ),
    ],
)
def test_bad_input_is_refused_at_the_door(made, says):
    with pytest.raises(ValueError, match=says):
        made()


def test_float32_is_refused():
    f = computation(weight(1, 1) @ inputs(1))
    with pytest.raises(TypeError, match="float64"):
        run_arrays(f, np.ones((1, 1), dtype=np.float32), np.ones((1, 1)))
    with pytest.raises(TypeError, match="float32"):
        network(f, np.ones(1, dtype=np.float32), [[1]], [[0]])


def test_a_truncated_program_cannot_be_read():
    data = to_json(network(computation(weight(1, 1) @ inputs(1)), [1], [[1]], [[0]]))
    data["computation"]["steps"]["tuple"][0]["source"] = 7
    with pytest.raises(CannotBeRead, match="only earlier steps"):
        from_json(data)


def test_patterns_share_and_mask():
    f = computation(patterned([[0, 1, "0"], ["0", 0, 1]]) @ inputs(3))
    assert f.parameters == 2
    assert f == computation(convolution(2, 3) @ inputs(3))
    assert network(f, [2, 5], [[1, 10, 100]], [[0, 0]]).H.entries() == [52, 520]


# --- planting ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss_", [squared, cross_entropy, huber], ids=lambda one: one.name)
@settings(max_examples=40)
@given(data=st.data())
def test_planted_points_are_critical_and_not_trivially_so(loss_, data):
    net = data.draw(critical_networks(loss=loss_))
    assert is_critical(net) is True
    assert any(
        net.loss.gradient(h, y) != [0] * len(h) for h, y in zip(net.H.table(), net.Y.table(), strict=True)
    )


@settings(max_examples=40)
@given(parity_minima(), st.integers(0, 10**6))
def test_parity_minima_are_global(net, seed):
    rng = np.random.default_rng(seed)
    theta = fmpq_mat(
        net.computation.parameters, 1, [int(e) for e in rng.integers(-3, 4, net.computation.parameters)]
    )
    assert loss(net.at(theta)) >= loss(net)


# --- a network we do not ship ------------------------------------------------------------------------

x = inputs(2)
W = weight(2, 2)
hidden = apply("quadratic", W @ x + bias(2))
attention = hidden * apply(("linear", "square"), W.T @ hidden)
mine = computation(weight(1, 4) @ join(attention, x) + bias(1))

at_critical_points = critical_networks(networks(mine, labels="none", samples=(3, 14), degenerate=True))


def with_products(net):
    """The gradient basis with the features x₁ x₂ beside it."""
    products = [a * b for a, b in net.X.table()]
    return attains_infimum(net, hstack(net.J, fmpq_mat(len(products), 1, products)))


@claim(
    "MINE/thm1",
    where="nowhere",
    says=r"L(\theta) = \inf L_\theta",
    assumes={"critical": r"\nabla L(\theta) = 0"},
)
@printed(HOLDS, at_critical_points, examples=40)
@drop("critical", REFUTED, networks(mine), conclude=lambda net: attains_infimum(net, net.J))
@mutant("with products of inputs", at_critical_points, conclude=with_products)
@mutant(
    "at a minimum",
    at_critical_points,
    conclude=lambda net: decide(is_certified_minimum(net) is not None, why="?"),
)
def mine_attains_its_induced_infimum(net):
    """Theorem 1 for an architecture of a user: tied, gated, with a vector-valued activation and a skip."""
    return at_critical_point(net, attains_infimum(net, net.J))


@pytest.mark.parametrize("variant", mine_attains_its_induced_infimum.claim.variants, ids=lambda v: v.name)
def test_a_user_puts_a_network_of_their_own_on_trial(variant):
    """Exact Jacobians, planting, the gate and certificates, with nothing of ours touched."""
    result = put_on_trial(variant, budget=BUDGETS["quick"], seed_text="0", seconds=60)
    assert result.as_expected, result.faults


@settings(max_examples=25)
@given(networks(mine, samples=(1, 3)), st.sampled_from((fmpq(1), fmpq(1, 2**20), fmpq(1, 2**60))))
def test_descent_reaches_lower_points_of_a_network_of_their_own(net, radius):
    if is_critical(net):
        return
    lower = find_descent(net, radius)
    assert loss(lower) < loss(net)
    assert sum((e * e for e in (lower.theta - net.theta).entries()), fmpq(0)) <= radius * radius
