"""Kawaguchi & Bengio (2019), Appendix C: the assumption on the output dimension."""

from functools import partial

from flint import fmpq, fmpq_mat
from hypothesis import strategies as st

from strategies.critical import planted_critical_points, planted_minima, planted_through_one_unit
from strategies.instance import instance
from strategies.losses import label_weighted_squared, squared
from strategies.matrices import hstack, identity, matrices
from strategies.networks import DeepLinear, ResNet, deep_linear_maps
from strategies.numbers import between, integers
from verify import (
    HOLDS,
    REFUTED,
    Verdict,
    all_of,
    claim,
    decide,
    decide_at_most,
    decide_equal,
    drop,
    mutant,
    printed,
    repaired,
    vacuous,
)
from verify.oracles.exact import independent_columns
from verify.oracles.landscape import at_local_minimum, basis_infimum, loss
from verify.papers import KB19
from verify.rechecks.kb19_appendix_c import (
    image_is_contained,
    is_no_product,
    is_not_in_the_image,
    minimum_is_better_than_on_x,
    minimum_is_not_optimal,
    minimum_is_optimal,
    minimum_is_worse_than_on_x,
    product_has_another_rank,
    stays_off_the_image,
)

EPSILON = fmpq(1, 2**40)


@instance
class LinearModel:
    """Coefficients R₁ (d_y × d_x), R₂ (d_y × d_z) of a linear model on [x, z]."""

    R1: fmpq_mat
    R2: fmpq_mat


@st.composite
def linear_models(draw: st.DrawFn, extra_inputs: st.SearchStrategy[int], narrow: bool = False) -> LinearModel:
    """Small integer coefficients; d_x = d_y + extra (at least 1); R₁ often rank-deficient; d_z < d_y if narrow."""
    d_y = draw(between(2, 3) if narrow else between(1, 3))
    d_x = max(1, d_y + draw(extra_inputs))
    d_z = draw(between(1, d_y - 1) if narrow else between(1, 3))
    r1 = draw(matrices(d_y, d_x, integers(1)))
    return LinearModel(R1=r1, R2=draw(matrices(d_y, d_z, integers(2))))


enough_inputs, too_few_inputs = st.integers(0, 1), st.integers(-2, -1)


def near_the_image(model: LinearModel) -> Verdict:
    """Some (W, W V) lies within ε of (R₁, R₂) in every entry, for ε = 2⁻⁴⁰.

    With d_y <= d_x a W of full row rank lies within ε of R₁ (move R₁ along the unit matrix, off the finitely
    many singular steps) and V = Wᵀ (W Wᵀ)⁻¹ R₂ gives W V = R₂. Otherwise rank [W, W V] <= d_x, so a
    [R₁, R₂] of larger rank has a neighbourhood that the image does not meet.
    """
    d_y, d_x = model.R1.nrows(), model.R1.ncols()
    bump = fmpq_mat(d_y, d_x, [int(i == j) for i in range(d_y) for j in range(d_x)])
    for k in range(d_y + 1):
        w = model.R1 + bump * (EPSILON * fmpq(k, d_y))
        if w.rank() == d_y:
            v = w.transpose() * (w * w.transpose()).inv() * model.R2
            near = all(abs(a - b) <= EPSILON for a, b in zip(w.entries(), model.R1.entries(), strict=True))
            return decide(near and w * v == model.R2, why="the constructed (W, W V) is not near")
    rank = hstack(model.R1, model.R2).rank()
    if rank > d_x:
        return decide(
            False,
            why=f"rank [R1, R2] = {rank} exceeds d_x = {d_x} >= rank [W, W V], and ranks do not drop nearby.",
        )
    return vacuous("R1 has no full-rank neighbour, and [R1, R2] has small rank")


@claim(
    "KB19/appc-inclusion",
    paper=KB19,
    where="Appendix C, last display",
    says=r"\min(d_y,d_x) > d_z \Rightarrow \{(W, WV)\} \not\subseteq \{(R^{(1)}, R^{(2)})\}",
    assumes={"d_y <= d_x": r"d_y \le d_x"},
)
@printed(
    REFUTED,
    linear_models(enough_inputs, narrow=True),
    recheck=image_is_contained,
    note="W V is a d_y x d_z matrix whatever the dimensions: the inclusion always holds; density is what matters",
)
@repaired(
    r"\overline{\{(W, WV)\}} = \{(R^{(1)}, R^{(2)})\} \iff d_y \le d_x \text{ (or } d_z = 0\text{)}, \text{ whatever } d_z",
    linear_models(enough_inputs) | linear_models(enough_inputs, narrow=True),
    examples=80,
    conclude=near_the_image,
)
@drop(
    "d_y <= d_x",
    REFUTED,
    linear_models(too_few_inputs),
    conclude=near_the_image,
    recheck=stays_off_the_image,
)
@mutant(
    "the image is everything",
    linear_models(enough_inputs),
    conclude=lambda m: decide(
        hstack(m.R1, m.R2).rank() == m.R1.rank(),
        why="col R2 is not inside col R1, so (R1, R2) is no (W, W V).",
    ),
    recheck=is_not_in_the_image,
)
@mutant(
    "d_y <= d_z suffices",
    linear_models(too_few_inputs),
    conclude=lambda m: near_the_image(m) if m.R1.nrows() <= m.R2.ncols() else vacuous("d_y > d_z"),
    recheck=partial(stays_off_the_image, needs="d_y <= d_z"),
)
def test_image_leaves_the_linear_models(model: LinearModel) -> Verdict:
    """Some (W, W V), with W = R₁ and V of matching shape, is not a pair (R₁, R₂) of linear-model coefficients."""
    v = fmpq_mat(model.R1.ncols(), model.R2.ncols(), [1] * (model.R1.ncols() * model.R2.ncols()))
    image = model.R1 * v
    return decide(
        (image.nrows(), image.ncols()) != (model.R2.nrows(), model.R2.ncols()),
        why="W V has the shape of R2, so (W, W V) is a pair of linear-model coefficients.",
        values={"W": model.R1, "W V": image},
    )


narrow = {"d_y": st.integers(2, 3), "extra_residuals": st.integers(-2, -1)}
wide = {"extra_inputs": st.integers(-2, -1), "rank": "full", "determined": True}


def attains(net: ResNet) -> Verdict:
    """L = L*_{x,z} at local minima."""
    return at_local_minimum(net, decide_equal(loss(net), basis_infimum(net), named=("L", "L*_{x,z}")))


@claim(
    "KB19/appc-theorem1",
    paper=KB19,
    where="Appendix C, last paragraph",
    says=r"\min(d_y,d_x) > d_z:\ \text{Theorem 1 does not hold true in general}",
    assumes={"d_y <= d_x": r"d_y \le d_x"},
)
@printed(
    HOLDS,
    planted_critical_points(
        squared, scale=(-4, 0), d_y=3, extra_inputs=-1, extra_residuals=-2, rank="full", determined=True
    ),
    examples=40,
    needs=5,
    note="true, but only through d_y > d_x",
)
@drop(
    "d_y <= d_x",
    REFUTED,
    planted_critical_points(squared, scale=(-4, 0), **wide),
    conclude=attains,
    recheck=minimum_is_not_optimal,
)
@mutant(
    "Theorem 1 fails for d_y <= d_x and d_z < d_y",
    planted_minima(squared, **narrow),
    conclude=lambda net: decide(
        loss(net) != basis_infimum(net).upper, why="Theorem 1 holds at this local minimum with d_z < d_y."
    ),
    recheck=minimum_is_optimal,
)
@mutant(
    "min(d_y, d_x) <= d_z suffices",
    planted_critical_points(
        squared, scale=(-4, 0), d_y=2, extra_inputs=-1, extra_residuals=0, rank="full", determined=True
    ),
    conclude=attains,
    recheck=partial(minimum_is_not_optimal, narrowest=True),
)
def test_theorem_1_needs_enough_inputs(net: ResNet) -> Verdict:
    """Certified strict local minima with min(d_y, d_x) > d_z have L > L*_{x,z}."""
    verdict = attains(net)
    if verdict.outcome is not REFUTED:
        return vacuous("no certificate of a local minimum here")
    return decide(
        min(net.W.nrows(), net.W.ncols()) > net.Z.ncols(), why="min(d_y, d_x) <= d_z", values=verdict.values
    )


@claim(
    "KB19/appc-tight",
    paper=KB19,
    where="Appendix C, last sentence",
    says=r"\text{without A1 the issue may be avoided by focusing on } L^*_{\{x\}}:\ L \le L^*_{\{x\}}",
)
@printed(
    REFUTED,
    planted_through_one_unit(label_weighted_squared),
    recheck=minimum_is_worse_than_on_x,
    examples=5000,
    note="for general convex differentiable losses; the squared loss is fine",
)
@repaired(
    r"d_y > d_x,\ \ell = \lVert h-y \rVert^2 \Rightarrow L \le L^*_{\{x\}}",
    planted_critical_points(squared, scale=(-4, 0), **wide),
    examples=80,
)
@mutant(
    "L = L*_{x,z}",
    planted_critical_points(squared, scale=(-4, 0), **wide),
    conclude=attains,
    recheck=minimum_is_not_optimal,
)
@mutant(
    "L >= L*_x",
    planted_critical_points(squared, scale=(-4, 0), **wide),
    conclude=lambda net: at_local_minimum(
        net, decide_at_most(basis_infimum(net, "x"), loss(net), named=("L*_x", "L"))
    ),
    recheck=minimum_is_better_than_on_x,
    examples=200,
)
def test_linear_models_on_x_bound_local_minima(net: ResNet) -> Verdict:
    """Even with d_y > d_x no local minimum is above L*_x."""
    return at_local_minimum(net, decide_at_most(loss(net), basis_infimum(net, "x"), named=("L", "L*_x")))


@instance
class Target:
    """A d_{H+1} × d_0 matrix to be written as a product, and a deep linear map of the same outer widths."""

    M: fmpq_mat
    net: DeepLinear


@st.composite
def targets(draw: st.DrawFn) -> Target:
    """Deep linear maps with arbitrary target matrices; bottlenecks anywhere."""
    net = draw(deep_linear_maps())
    return Target(M=draw(matrices(net.widths[-1], net.widths[0], integers(2))), net=net)


def padded(a: fmpq_mat, m: int, n: int) -> fmpq_mat:
    """a in the upper left corner of an m × n zero matrix."""
    table = a.table()
    return fmpq_mat(
        m, n, [table[i][j] if i < a.nrows() and j < a.ncols() else 0 for i in range(m) for j in range(n)]
    )


def factors(target: fmpq_mat, widths: tuple[int, ...]) -> list[fmpq_mat]:
    """Factors of the given widths whose product is ``target``: a rank factorisation through padded identities."""
    left = independent_columns(target)
    r = left.ncols()
    right = (left.transpose() * left).inv() * left.transpose() * target if r else fmpq_mat(0, target.ncols())
    inner = [padded(identity(r), b, a) for a, b in zip(widths[1:-2], widths[2:-1], strict=False)]
    return [padded(right, widths[1], widths[0]), *inner, padded(left, widths[-1], widths[-2])]


def is_reached(target: Target, narrowest=min) -> Verdict:
    """``target.M`` is a product of factors of the net's widths iff rank M <= min d_l; and products obey that bound."""
    net, hidden = target.net, target.net.widths[1:-1]
    bound = narrowest(hidden)
    inside = decide(
        net.product.rank() <= bound,
        why="A product has rank above the bound.",
        values={"rank": str(net.product.rank()), "bound": str(bound)},
    )
    if target.M.rank() > bound:
        return inside
    if target.M.rank() > min(hidden):
        return decide(
            False,
            why=f"rank M = {target.M.rank()} exceeds the narrowest layer {min(hidden)}: M is no product of such factors.",
        )
    made = DeepLinear(weights=tuple(factors(target.M, net.widths)))
    return all_of(
        inside, decide(made.widths == net.widths and made.product == target.M, why="the construction fails")
    )


@claim(
    "KB19/deep-linear",
    paper=KB19,
    where="Appendix C, eq. (C.1)",
    says=r"\{W^{(H+1)} \cdots W^{(1)}\} = \{V : \mathrm{rank}(V) \le \min(d_1,\dots,d_H)\},\ \text{all of } \mathbb{R}^{d_y \times d_x} \text{ if } \min(d_y,d_x) \le \min_l d_l",
    assumes={"min(d_y, d_x) <= min d_l": r"\min(d_y,d_x) \le \min(d_1,\dots,d_H)"},
)
@printed(
    HOLDS,
    targets(),
    examples=80,
    reaches={
        "bottleneck": lambda t: min(t.net.widths[1:-1]) < min(t.net.widths[0], t.net.widths[-1]),
        "no bottleneck": lambda t: min(t.net.widths[1:-1]) >= min(t.net.widths[0], t.net.widths[-1]),
    },
)
@drop(
    "min(d_y, d_x) <= min d_l",
    REFUTED,
    targets(),
    conclude=lambda t: decide(
        t.M.rank() <= min(t.net.widths[1:-1]),
        why="M has larger rank than the narrowest layer: not a product.",
    ),
    recheck=is_no_product,
)
@mutant(
    "max for min",
    targets(),
    conclude=lambda t: is_reached(t, narrowest=max),
    recheck=partial(is_no_product, within_widest=True),
)
@mutant(
    "rank exactly min d_l",
    targets(),
    conclude=lambda t: decide(t.net.product.rank() == min(*t.net.widths), why="A product of smaller rank."),
    recheck=product_has_another_rank,
)
def test_deep_linear_maps_are_rank_constrained(target: Target) -> Verdict:
    """Products of factors are exactly the matrices of rank at most the narrowest width."""
    return is_reached(target)
