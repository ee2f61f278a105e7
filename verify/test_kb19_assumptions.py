"""Kawaguchi & Bengio (2019), Section 3.1: the assumptions, and what happens without them."""

from dataclasses import replace

from flint import fmpq, fmpq_mat
from hypothesis import strategies as st

from strategies.critical import planted_minima
from strategies.instance import instance
from strategies.losses import (
    Loss,
    NotDifferentiable,
    absolute,
    cross_entropy,
    hinge,
    huber,
    logistic,
    smoothed_hinge,
    squared,
    tilted_double_well,
)
from strategies.matrices import identity, matrices, null_space
from strategies.networks import (
    ResNet,
    resnets,
)
from strategies.numbers import among, between, integers
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
)
from verify.oracles.exact import (
    least_squares,
)
from verify.oracles.landscape import (
    at_local_minimum,
    basis_infimum,
    find_descent,
    is_certified_minimum,
    is_critical,
    loss,
    loss_of_fit,
    moved,
    shifted,
)
from verify.papers import KB19
from verify.rechecks.kb19_assumptions import (
    is_lower_across_the_jump,
    is_no_convex_smooth_loss,
    is_not_the_least_value,
    linear_model_is_lower,
    lower_point_is_near,
    optimum_is_not_attained,
    several_outputs_meet_a1,
    slope_has_a_corner,
)


@instance
class LossPair:
    """A loss with labels y (1 × d) and two outputs h, k (1 × d each)."""

    loss: Loss
    h: fmpq_mat
    k: fmpq_mat
    y: fmpq_mat


@st.composite
def loss_pairs(draw: st.DrawFn, *losses: Loss) -> LossPair:
    """One of the losses with integer outputs, kinks included, and labels it takes."""
    chosen = draw(st.sampled_from(losses))
    d = draw(between(1, 2)) + (chosen is cross_entropy)
    h, k = draw(matrices(1, d)), draw(matrices(1, d))
    if chosen is cross_entropy:
        at = draw(between(0, d - 1))
        y = fmpq_mat(1, d, [int(j == at) for j in range(d)])
    else:
        y = draw(matrices(1, d, between(0, 1) if chosen in (logistic, hinge, smoothed_hinge) else integers()))
    return LossPair(loss=chosen, h=h, k=k, y=y)


def is_convex_and_differentiable(pair: LossPair) -> Verdict:
    """⟨∇ℓ(h) − ∇ℓ(k), h − k⟩ >= 0, and both gradients exist."""
    h, k, y = (list(a.entries()) for a in (pair.h, pair.k, pair.y))
    try:
        slopes = [pair.loss.gradient(point, y) for point in (h, k)]
    except NotDifferentiable as error:
        return decide(False, why=f"The gradient does not exist: {error}.")
    monotone = sum(((a - b) * (c - d) for a, b, c, d in zip(*slopes, h, k, strict=True)), fmpq(0))
    return decide_at_most(
        fmpq(0),
        monotone,
        named=("0", "<grad(h) - grad(k), h - k>"),
        why="The gradient is not monotone: the loss is not convex.",
    )


def is_twice_differentiable(pair: LossPair) -> Verdict:
    """∇²ℓ exists at h."""
    try:
        pair.loss.hessian(list(pair.h.entries()), list(pair.y.entries()))
    except NotDifferentiable as error:
        return decide(False, why=f"The second derivative does not exist: {error}.")
    return decide(True, why="the second derivative exists")


@claim(
    "KB19/a2-losses",
    paper=KB19,
    where="Section 3.1, Assumption A2 in practice",
    says=r"\text{squared, cross-entropy, logistic and smoothed hinge losses are convex and differentiable}",
)
@printed(HOLDS, loss_pairs(squared, cross_entropy, logistic, smoothed_hinge), examples=100)
@mutant("the hinge, too", loss_pairs(hinge), recheck=is_no_convex_smooth_loss)
@mutant("the absolute loss, too", loss_pairs(absolute), recheck=is_no_convex_smooth_loss)
@mutant("the double well, too", loss_pairs(tilted_double_well), recheck=is_no_convex_smooth_loss)
def test_common_losses_satisfy_a2(pair: LossPair) -> Verdict:
    """The losses the paper lists are convex and differentiable."""
    return is_convex_and_differentiable(pair)


@claim(
    "KB19/weaker",
    paper=KB19,
    where="Section 3.1, below Remark 3",
    says=r"\text{PA1--PA3} \Rightarrow \text{A1, A2, but not vice versa}",
    assumes={"PA2": r"\ell(\cdot,y) \text{ convex and twice differentiable}"},
)
@printed(HOLDS, loss_pairs(squared, cross_entropy, logistic), examples=60)
@drop("PA2", REFUTED, loss_pairs(tilted_double_well, absolute), recheck=is_no_convex_smooth_loss)
@mutant(
    "conversely, A2 implies PA2",
    loss_pairs(huber, smoothed_hinge),
    conclude=is_twice_differentiable,
    recheck=slope_has_a_corner,
)
@mutant(
    "A1 implies d_y = 1",
    resnets(),
    conclude=lambda net: decide(net.W.nrows() == 1, why="d_y <= min(d_x, d_z) and d_y > 1."),
    recheck=several_outputs_meet_a1,
)
def test_assumptions_are_weaker_than_shamirs(pair: LossPair) -> Verdict:
    """A twice differentiable convex loss satisfies A2 (and d_y = 1 <= min(d_x, d_z) satisfies A1)."""
    return all_of(is_twice_differentiable(pair), is_convex_and_differentiable(pair))


@instance
class Jump:
    """A network at a value of θ where z jumps: Z on one side (in ``net``), ``other`` on the other."""

    net: ResNet
    other: fmpq_mat


@st.composite
def jumps(draw: st.DrawFn) -> Jump:
    """Planted wells of the double well, and another matrix for z across the jump."""
    net = draw(planted_minima(tilted_double_well, branch=None, rank="full"))
    return Jump(net=net, other=draw(matrices(net.Z.nrows(), net.Z.ncols())))


@claim(
    "KB19/nonconvex-loss",
    paper=KB19,
    where="Section 3.1, after Remark 3",
    says=r"h(x,W,V,\theta) = \hat h \text{ a suboptimal local minimum of } \ell(\cdot,y) \Rightarrow (W,V,\theta) \text{ is a suboptimal local minimum}",
    assumes={"z continuous": r"\theta \mapsto z(x,\theta) \text{ continuous}"},
)
@printed(HOLDS, planted_minima(tilted_double_well), examples=60)
@drop(
    "z continuous",
    REFUTED,
    jumps(),
    conclude=lambda jump: decide_at_most(
        loss(jump.net),
        loss(replace(jump.net, Z=jump.other)),
        named=("L", "L across the jump of z"),
        why="L is lower on the other side of the jump: no local minimum in θ.",
    ),
    recheck=is_lower_across_the_jump,
    examples=300,
)
@mutant(
    "Theorem 1 holds all the same",
    planted_minima(tilted_double_well),
    conclude=lambda net: at_local_minimum(
        net,
        decide_at_most(
            loss(net), loss_of_fit(net, shifted(net.Y, 2)), named=("L", "loss of a linear model on [x, z]")
        ),
    ),
    recheck=linear_model_is_lower,
)
@mutant(
    "a global minimum",
    planted_minima(tilted_double_well),
    conclude=lambda net: decide_equal(loss(net), fmpq(-32) * net.W.nrows(), named=("L", "inf l")),
    recheck=is_not_the_least_value,
)
def test_wells_of_the_loss_are_local_minima(net: ResNet) -> Verdict:
    """Sitting in a suboptimal well of the loss at every sample is a suboptimal local minimum of L."""
    return all_of(
        decide(is_certified_minimum(net) is not None, why="not a local minimum"),
        decide_equal(loss(net), fmpq(-5) * net.W.nrows(), named=("L", "value of the well")),
    )


@st.composite
def unattained(draw: st.DrawFn) -> ResNet:
    """Scalar problems whose best linear model has no x-part: y = r z + e, r ≠ 0, E[e x] = E[e z] = 0.

    x and z are independent, so R* = (0, r) is not of the form (w, w v). The point is (0, −E[xy] / E[zy]).
    """
    net = draw(
        resnets(d_y=1, extra_inputs=0, extra_residuals=0, branch=None, determined=True, labels="none").filter(
            lambda n: n.features.rank() == 2
        )
    )
    free = null_space(net.measure.product(net.features, identity(net.X.nrows())))
    y = net.Z * fmpq(draw(among(1, -1, 2))) + free * draw(matrices(free.ncols(), 1, integers(2)))
    product = net.measure.product
    v = -product(net.X, y)[0, 0] / product(net.Z, y)[0, 0]
    return replace(net, Y=y, W=fmpq_mat(1, 1), V=fmpq_mat(1, 1, [v]))


@claim(
    "KB19/vacuous",
    paper=KB19,
    where="Section 3.1: no minimizer",
    says=r"L^*_{\{x,z\}} \text{ not of the form } [W, WV]\varphi \Rightarrow L \text{ has no local minimum and Theorem 1 is vacuous}",
)
@printed(HOLDS, unattained(), examples=60, needs=20)
@mutant(
    "the critical point is a minimum",
    unattained(),
    conclude=lambda net: decide(
        find_descent(net, fmpq(1, 2**30)) is None, why="A lower point lies within 2^-30."
    ),
    recheck=lower_point_is_near,
)
@mutant(
    "L* is attained there",
    unattained(),
    conclude=lambda net: decide_equal(loss(net), basis_infimum(net), named=("L", "L*_{x,z}")),
    recheck=optimum_is_not_attained,
)
def test_unattained_optima_have_no_local_minimum(net: ResNet) -> Verdict:
    """If the best linear model is (0, r), the only critical point is a saddle and L* is approached at infinity.

    For w ≠ 0 critical means E[D x] = E[D z] = 0, so (w, w v) = (0, r): impossible. For w = 0 the equation
    E[D (x + v z)] = 0 has the one solution v = −E[xy] / E[zy]. And L(ε, r/ε) = L* + ε² E x² → L*.
    """
    best = basis_infimum(net)
    r = least_squares(net.features, net.Y, net.measure)[0, 1]
    moment = net.measure.product(net.X, net.X)[0, 0]
    approach = [
        moved(net, fmpq_mat(1, 1, [e]), fmpq_mat(1, 1, [r / e])) for e in (fmpq(1, 2**k) for k in (5, 20, 40))
    ]
    return all_of(
        decide(is_critical(net), why="(0, -E[xy]/E[zy]) is not critical"),
        decide(
            find_descent(net, fmpq(1, 2**30)) is not None,
            why="no lower point was found near the only critical point",
        ),
        *(
            decide_equal(loss(a) - best.upper, a.W[0, 0] ** 2 * moment, named=("L(e, r/e) - L*", "e^2 E x^2"))
            for a in approach
        ),
    )
