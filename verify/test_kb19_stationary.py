"""Kawaguchi & Bengio (2019), Section 2.3: second-order stationary points and regularisation."""

from flint import arb, fmpq
from hypothesis import strategies as st

from strategies.critical import RANK_CLASSES, critical_points, planted_minima
from strategies.instance import instance
from strategies.losses import (
    NotDifferentiable,
    smoothed_hinge,
    squared,
)
from strategies.matrices import identity
from strategies.networks import (
    ResNet,
    resnet,
)
from strategies.numbers import between
from verify import (
    HOLDS,
    REFUTED,
    Rung,
    Verdict,
    all_of,
    claim,
    decide,
    decide_at_most,
    decide_equal,
    drop,
    inconclusive,
    mutant,
    printed,
)
from verify.oracles.enclosed import prove_critical_point
from verify.oracles.exact import (
    inertia,
    is_positive_definite,
)
from verify.oracles.landscape import (
    basis_infimum,
    find_descent,
    hessian,
    is_critical,
    loss,
)
from verify.papers import KB19
from verify.rechecks.kb19_stationary import (
    has_no_hessian,
    hessian_has_a_negative_eigenvalue,
    hessian_is_singular,
    is_no_local_minimum,
    minima_differ,
    minimum_is_positive,
    v_is_large,
)


def is_second_order_stationary(net: ResNet, epsilon: fmpq = fmpq(0)) -> bool:
    """Gradient zero and ∇²L + ε I without a negative eigenvalue."""
    if not is_critical(net):
        return False
    second = hessian(net)
    return inertia(second + identity(second.nrows()) * epsilon)[2] == 0


def has_second_order_conditions(net: ResNet) -> Verdict:
    """A local minimum is an ε-second-order stationary point for every ε >= 0."""
    try:
        return decide(
            is_second_order_stationary(net), why="The Hessian has a negative eigenvalue at a local minimum."
        )
    except NotDifferentiable as error:
        return decide(False, why=f"The Hessian does not exist at this local minimum: {error}.")


@claim(
    "KB19/sosp",
    paper=KB19,
    where="Section 2.3",
    says=r"\{\text{local minima}\} \subseteq \{\epsilon\text{-SOSP}\}",
    assumes={"PA2": r"\ell(\cdot,y) \text{ twice differentiable}"},
)
@printed(HOLDS, planted_minima(squared), examples=60, reaches=RANK_CLASSES)
@drop(
    "PA2",
    REFUTED,
    planted_minima(smoothed_hinge),
    recheck=has_no_hessian,
    note="the Hessian need not exist for losses that satisfy A2 only; it does where the jumps cancel",
)
@mutant(
    "positive definite Hessian",
    planted_minima(squared),
    conclude=lambda net: decide(is_positive_definite(hessian(net)), why="The Hessian is singular."),
    recheck=hessian_is_singular,
)
@mutant("every critical point", critical_points(squared), recheck=hessian_has_a_negative_eigenvalue)
def test_local_minima_are_second_order_stationary(net: ResNet) -> Verdict:
    """With a twice differentiable loss every local minimum satisfies the second-order conditions."""
    return has_second_order_conditions(net)


def saddle_of_size(delta: fmpq) -> ResNet:
    """Two samples, (x, z, y) = (1, δ, 1) and (0, 0, 0), at w = 0, v = −1/δ: ∇L = 0 and λ_min = −δ."""
    return resnet([[1], [0]], [[delta], [0]], [[1], [0]], [[0]], [[-1 / delta]])


epsilon_points = between(0, 60).map(lambda k: saddle_of_size(fmpq(1, 2**k)))


@claim(
    "KB19/eps-sosp",
    paper=KB19,
    where="Section 2.3 (example of Shamir 2018, reconstructed)",
    says=r"\forall \epsilon > 0\ \exists\, \epsilon\text{-SOSP}:\ L = 1/2 > 0 = L^*_{\{x\}}",
    assumes={"unbounded V": r"\lVert V \rVert \text{ unbounded}"},
)
@printed(
    HOLDS,
    epsilon_points,
    examples=60,
    needs=40,
    reaches={"epsilon <= 2^-50": lambda net: net.Z[0, 0] <= fmpq(1, 2**50)},
)
@drop(
    "unbounded V",
    REFUTED,
    epsilon_points,
    conclude=lambda net: decide_at_most(abs(net.V[0, 0]), fmpq(10), named=("|V|", "10")),
    recheck=v_is_large,
    note="the norm of V grows like 1/epsilon",
)
@mutant(
    "exact second-order stationary points",
    epsilon_points,
    conclude=lambda net: decide(
        is_second_order_stationary(net),
        why="The Hessian has a negative eigenvalue: not an exact second-order stationary point.",
    ),
    recheck=hessian_has_a_negative_eigenvalue,
)
@mutant(
    "and a local minimum",
    epsilon_points,
    conclude=lambda net: decide(
        find_descent(net, fmpq(1, 2**40)) is None, why="A strictly lower point lies within 2^-40."
    ),
    recheck=is_no_local_minimum,
)
def test_epsilon_stationary_points_can_be_bad(net: ResNet) -> Verdict:
    """For every ε there is an ε-second-order stationary point with L = 1/2 although L*_x = 0."""
    return all_of(
        decide(
            is_second_order_stationary(net, epsilon=net.Z[0, 0]), why="not an ε-second-order stationary point"
        ),
        decide_equal(loss(net), fmpq(1, 2), named=("L", "1/2")),
        decide_equal(basis_infimum(net, "x"), fmpq(0), named=("L*_x", "0")),
    )


@instance
class Regularised:
    """F(w, v) = (w (1 + c v) − 1)² + λ (w² + v²): x = y = 1, z = c, scalar."""

    c: int
    penalty: fmpq


@st.composite
def regularised_problems(draw: st.DrawFn) -> Regularised:
    """c = 8 … 14 and λ = 1/80 … 1/120."""
    return Regularised(c=draw(between(8, 14)), penalty=fmpq(1, draw(between(80, 120))))


def certified_minima(problem: Regularised) -> list[arb]:
    """Enclosures of F at strict local minima proved near where damped Newton steps from ±(1/3, 1/3) end."""
    c, penalty = problem.c, arb(problem.penalty)

    def value(p):
        r = p[0] * (1 + c * p[1]) - 1
        return r * r + penalty * (p[0] * p[0] + p[1] * p[1])

    def slope(p):
        w, v = p
        r = w * (1 + c * v) - 1
        return [2 * r * (1 + c * v) + 2 * penalty * w, 2 * r * c * w + 2 * penalty * v]

    def second(p):
        w, v = p
        a, r = 1 + c * v, w * (1 + c * v) - 1
        mixed = 2 * c * (w * a + r)
        return [[2 * a * a + 2 * penalty, mixed], [mixed, 2 * c * c * w * w + 2 * penalty]]

    values = []
    for start in (1, -1):
        point = [arb(start) / 3, arb(start) / 3]
        for _ in range(60):
            point = [e.mid() for e in point]
            g, ((p, q), (_, s)) = slope(point), second(point)
            shift = arb.max(arb(0), 1 - (p + s) / 2 + (((p - s) / 2) * ((p - s) / 2) + q * q).sqrt())
            shift = shift if not (p * s > q * q and p > 0) else arb(0)
            p, s = p + shift, s + shift
            step = [(s * g[0] - q * g[1]) / (p * s - q * q), (p * g[1] - q * g[0]) / (p * s - q * q)]
            while (
                not value([e - d for e, d in zip(point, step, strict=True)]) <= value(point)
                and abs(step[0]) > arb(2) ** -60
            ):
                step = [d / 2 for d in step]
            point = [e - d for e, d in zip(point, step, strict=True)]
        found = prove_critical_point(slope, second, [float(e.mid()) for e in point])
        if found is not None and found.positive_definite:
            values.append(value(found.box))
    return values


def two_minima(problem: Regularised, then) -> Verdict:
    """What ``then`` says of the values at two certified strict minima."""
    values = certified_minima(problem)
    return then(values) if len(values) == 2 else inconclusive(f"{len(values)} of two minima were certified")


@claim(
    "KB19/regularisation",
    paper=KB19,
    where="Section 2.3",
    says=r"\text{adding } \lambda(\lVert W \rVert^2 + \lVert V \rVert^2) \text{ can create additional local minima}",
)
@printed(HOLDS, regularised_problems(), examples=40, needs=20)
@mutant(
    "the minima are equally good",
    regularised_problems(),
    examples=30,
    conclude=lambda p: two_minima(
        p, lambda f: decide_equal(f[0], f[1], named=("F at the first", "F at the second"))
    ),
    recheck=minima_differ,
)
@mutant(
    "a minimum attains L*_x = 0",
    regularised_problems(),
    examples=30,
    conclude=lambda p: two_minima(p, lambda f: decide_at_most(f[0], fmpq(0), named=("F", "L*_x"))),
    recheck=minimum_is_positive,
)
def test_regularisation_creates_local_minima(problem: Regularised) -> Verdict:
    """The regularised scalar problem has two strict local minima of different value; without it all are global."""
    return two_minima(
        problem,
        lambda f: decide(
            True if f[0] < f[1] or f[1] < f[0] else None,
            why="two strict minima of different value",
            values={"F": f[0], "F'": f[1]},
            rung=Rung.BALL,
        ),
    )
