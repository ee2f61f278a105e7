"""Kawaguchi & Bengio (2019), Section 2.1: fixed bases, biases and chains of blocks."""

from functools import partial

from flint import fmpq, fmpq_mat

from strategies.critical import critical_points, planted_critical_points, planted_minima
from strategies.datasets import Atoms
from strategies.losses import (
    squared,
)
from strategies.networks import (
    ChainOfBlocks,
    ResNet,
    chains_of_blocks,
)
from verify import (
    HOLDS,
    REFUTED,
    Verdict,
    claim,
    decide,
    decide_at_most,
    decide_equal,
    decide_less,
    drop,
    mutant,
    printed,
    vacuous,
)
from verify.oracles.exact import (
    is_positive_definite,
    least_squares_value,
    trace_product,
)
from verify.oracles.landscape import (
    at_critical_point,
    at_local_minimum,
    basis_infimum,
    loss,
    vanishes,
)
from verify.papers import KB19
from verify.rechecks.kb19_basis import (
    bias_coordinate_is_not_constant,
    chain_of_blocks_is_worse,
    minimum_is_not_that_without_the_1,
)
from verify.rechecks.kb19_theorems import (
    critical_point_is_not_optimal,
    minimum_is_not_below,
    strict_minimum_is_not_optimal,
    value_is_not_the_least_on,
)

MINIMUM = r"(W, V, \theta) \text{ is a local minimum of } L"


def attains_basis_optimum(net: ResNet) -> Verdict:
    """L = L*_{x,z} at a local minimum."""
    return at_local_minimum(net, decide_equal(loss(net), basis_infimum(net), named=("L", "L*_{x,z}")))


def chain_at_most_l_x(chain: ChainOfBlocks) -> Verdict:
    """L <= L*_x at certified strict local minima of two residual blocks, in (w, v₁, v₂)."""
    m, w, v2 = chain.X.nrows(), chain.w, chain.v2
    column = lambda values: fmpq_mat(m, 1, list(values))
    x1, g1, g2, slope, curvature = (
        list(a.entries()) for a in (chain.X1, chain.G1, chain.G2, chain.G2_slope, chain.G2_curvature)
    )
    residual = chain.H - chain.Y
    inner = column(w * g * (1 + v2 * s) for g, s in zip(g1, slope, strict=True))
    jacobian = [column(a + v2 * b for a, b in zip(x1, g2, strict=True)), inner, chain.G2 * fmpq(w)]
    if not all(vanishes(j.transpose() * residual) for j in jacobian):
        return vacuous("not critical")
    zero = column([0] * m)
    second = [
        [zero, column(g * (1 + v2 * s) for g, s in zip(g1, slope, strict=True)), chain.G2],
        [
            None,
            column(w * v2 * g * g * c for g, c in zip(g1, curvature, strict=True)),
            column(w * g * s for g, s in zip(g1, slope, strict=True)),
        ],
        [None, None, zero],
    ]
    entry = lambda i, j: (
        (
            (jacobian[i].transpose() * jacobian[j])[0, 0]
            + (residual.transpose() * second[min(i, j)][max(i, j)])[0, 0]
        )
        * fmpq(2, m)
    )
    if not is_positive_definite(fmpq_mat(3, 3, [entry(i, j) for i in range(3) for j in range(3)])):
        return vacuous("the Hessian is not positive definite")
    measure = Atoms.uniform(m)
    here, on_x = trace_product(residual, residual, measure), least_squares_value(chain.X, chain.Y, measure)
    return decide_at_most(
        here,
        on_x,
        named=("L", "L*_x"),
        why="The gradient is zero and the Hessian positive definite, and yet L exceeds L*_x.",
    )


@claim(
    "KB19/remark1",
    paper=KB19,
    where="Remark 1 and Section 2.1: any fixed basis, arbitrarily deep networks",
    says=r"L \le L^*_{\{\varphi(x)\}} \text{ for every fixed basis } \varphi",
    assumes={
        "fixed basis": r"x = \varphi(x^{raw}) \text{ does not depend on } \theta",
        "local minimum": MINIMUM,
    },
)
@printed(HOLDS, planted_minima() | planted_critical_points(), examples=60)
@drop(
    "fixed basis",
    REFUTED,
    chains_of_blocks(),
    conclude=chain_at_most_l_x,
    examples=400,
    recheck=chain_of_blocks_is_worse,
    note="in a chain of blocks the basis of the last block is trained, and the guarantee against the raw input is lost",
)
@mutant(
    "L = L*_x",
    planted_minima(),
    conclude=lambda net: decide_equal(loss(net), basis_infimum(net, "x"), named=("L", "L*_x")),
    recheck=partial(value_is_not_the_least_on, basis="x"),
)
@mutant(
    "L < L*_x",
    planted_minima(),
    conclude=lambda net: decide_less(loss(net), basis_infimum(net, "x"), named=("L", "L*_x")),
    recheck=minimum_is_not_below,
)
def test_any_fixed_basis(net: ResNet) -> Verdict:
    """x may be any fixed features of the input: nothing but its values on the data enters."""
    return at_local_minimum(net, decide_at_most(loss(net), basis_infimum(net, "x"), named=("L", "L*_x")))


@claim(
    "KB19/remark2",
    paper=KB19,
    where="Remark 2: biases",
    says=r"L = L^*_{\{x,z\}} \text{ with } x = [x^{orig}; 1],\ z = [z^{orig}; 1]",
    assumes={
        "A1": r"d_y \le \min(d_x, d_z) \text{ after augmentation}",
        "augmentation": r"h = W([x;1] + V[z;1])",
        "local minimum": MINIMUM,
    },
)
@printed(HOLDS, planted_minima(bias="augmented") | planted_critical_points(bias="augmented"), examples=80)
@drop(
    "augmentation: h = W(x + Vz) + b",
    HOLDS,
    planted_minima(bias="usual") | planted_critical_points(bias="usual"),
    examples=80,
    note="the usual output bias is harmless while d_y <= d_x",
)
@drop(
    "augmentation: h = W(x + Vz) + b, d_y = d_x + 1",
    REFUTED,
    planted_critical_points(
        squared,
        bias="usual",
        scale=(-4, 0),
        d_y=2,
        extra_inputs=-1,
        rank="full",
        spare_samples=3,
        determined=True,
    ),
    examples=200,
    recheck=strict_minimum_is_not_optimal,
    note="allowed by A1 for the augmented dimensions",
)
@drop(
    "local minimum: critical point",
    REFUTED,
    critical_points(bias="augmented"),
    conclude=lambda net: at_critical_point(
        net, decide_equal(loss(net), basis_infimum(net), named=("L", "L*_{x,z}"))
    ),
    recheck=critical_point_is_not_optimal,
)
@mutant(
    "without the 1 in the basis",
    planted_minima(squared, bias="augmented"),
    conclude=lambda net: decide_equal(
        loss(net),
        least_squares_value(
            fmpq_mat(net.X.nrows(), net.X.ncols() - 1, [e for row in net.X.table() for e in row[:-1]]),
            net.Y,
            net.measure,
        ),
        named=("L", "L*_{x orig}"),
    ),
    recheck=minimum_is_not_that_without_the_1,
)
@mutant(
    "the augmented net is the usual one",
    planted_minima(squared, bias="augmented"),
    conclude=lambda net: decide(
        all(
            a == b
            for a, b in zip(
                (net.Q * fmpq_mat(net.X.ncols(), 1, [0] * (net.X.ncols() - 1) + [1])).entries(),
                net.constant.entries(),
                strict=True,
            )
        ),
        why="The bias coordinate is not constant: it receives residuals, too.",
    ),
    recheck=bias_coordinate_is_not_constant,
)
def test_bias_terms(net: ResNet) -> Verdict:
    """The results hold with biases, written as constant coordinates of x and z."""
    return attains_basis_optimum(net)
