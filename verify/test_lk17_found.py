"""Lu & Kawaguchi (2017), Theorem 2.3 at trained points: in float64 with error bounds, and certified in balls."""

from functools import lru_cache, partial

import numpy as np
from flint import ctx
from hypothesis import strategies as st

from strategies.deep_linear import DeepLinearProblem, widths
from strategies.instance import instance
from strategies.matrices import matrix
from strategies.numbers import between, exact
from verify import HOLDS, REFUTED, Rung, all_of, claim, decide, decide_equal, drop, mutant, printed, vacuous
from verify.curves import record_point
from verify.oracles.descents import (
    DeepLinearMinima,
    certify_deep_linear_minimum,
    enclose_loss,
    find_deep_linear_minima,
)
from verify.oracles.rank_constrained import least_value
from verify.papers import LK17
from verify.rechecks.lk17_found import local_minimum_has_another_value, loss_exceeds_the_least_at_zero


@instance
class Trainings:
    """``count`` problems of widths d₀, …, d_H with m samples, each trained from one random start; named by ``seed``."""

    widths: tuple[int, ...]
    m: int
    seed: int
    count: int

    def data(self):
        """X and Y with independent standard normal entries: count × d₀ × m and count × d_H × m."""
        rng = np.random.default_rng(self.seed)
        return tuple(rng.standard_normal((self.count, d, self.m)) for d in (self.widths[0], self.widths[-1]))

    @property
    def bottleneck(self):
        """Whether the widths restrict the rank of R."""
        return min(self.widths) < min(self.widths[0], self.widths[-1])


@st.composite
def trainings(draw, count, bottleneck=False):
    """Problems of depth 2 … 3 with more samples than inputs, half of them with a bottleneck; shrink to widths 1."""
    d = draw(widths(2, 3, bottleneck or draw(st.booleans())))
    return Trainings(widths=d, m=d[0] + draw(between(1, 6)), seed=draw(between(0, 10**6)), count=count)


@lru_cache(maxsize=4)
def trained(batch: Trainings) -> DeepLinearMinima:
    """Where the descents of the batch end; those that take more than 60 steps are given up, and not judged."""
    return find_deep_linear_minima(*batch.data(), batch.widths, seed=batch.seed, iterations=60)


BATCHES = trainings(20)
NARROW_BATCHES = trainings(20, bottleneck=True)
FEW = trainings(3)
FEW_NARROW = trainings(3, bottleneck=True)


def product(factors, count, size):
    """The product of matrices given in order of application; I for none."""
    total = np.broadcast_to(np.eye(size), (count, size, size))
    for w in factors:
        total = w @ total
    return total


def inverse_of_least(a: np.ndarray) -> np.ndarray:
    """1 / σ_min, and infinity below 2⁻²⁶ σ_max: what remains has a relative error far below 1 / 16."""
    sigma = np.linalg.svd(a, compute_uv=False)
    usable = sigma[:, -1] > 2.0**-26 * sigma[:, 0]
    return np.where(usable, 1 / np.where(usable, sigma[:, -1], 1), np.inf)


def norm(a: np.ndarray) -> np.ndarray:
    return np.linalg.norm(a, axis=(1, 2))


def allowance(batch: Trainings, found: DeepLinearMinima) -> np.ndarray:
    """How far above L* the gradient that is left allows the loss to be, at a point that keeps the top singular values.

    Let g bound every ‖∂L/∂W_i‖. If p = 0, ‖G‖ <= g / σ_min(W_{H−1} ⋯ W₁), if p = H, ‖G‖ <= g / σ_min(W_H ⋯ W₂);
    no rank is restricted then, and L − L* = ½ ‖E P‖² <= ½ (‖G‖ / σ_min(X))², P the projection on the rows of X.
    Else let A = W_p ⋯ W₁, B = W_H ⋯ W_{p+1}, Z = B A X. From the gradients of the outer layers,
    ‖G Aᵀ‖ <= a = g / σ_min(W_{H−1} ⋯ W_{p+1}) and ‖Bᵀ G‖ <= b = g / σ_min(W_p ⋯ W₂), so E P is within
    τ = (a ‖B‖ + b ‖A X‖ / σ_min(X)) / σ_{d_p}(Z) of a matrix F with F Zᵀ = 0 and Zᵀ F = 0. Then Ŷ = Z − E P is
    within τ of Z − F, whose distance from rank d_p is ‖F‖ if Z keeps the larger singular values; that distance
    is 1-Lipschitz, so L − L* <= ½ (2 τ) (2 ‖E P‖) <= 2 τ ‖E‖. All doubled, for it is computed in floats.
    """
    X, Y = batch.data()
    W, d, count = list(found.weights), batch.widths, batch.count
    p, g = d.index(min(d)), found.gradient + found.gradient_noise
    inputs = inverse_of_least(X)
    with np.errstate(invalid="ignore"):
        if p == 0 or p == len(W):
            outer = product(W[:-1], count, d[0]) if p == 0 else product(W[1:], count, d[1])
            return (g * inverse_of_least(outer) * inputs) ** 2
        a = g * inverse_of_least(product(W[p:-1], count, d[p]))
        b = g * inverse_of_least(product(W[1:p], count, d[1]))
        B, AX = product(W[p:], count, d[p]), product(W[:p], count, d[0]) @ X
        Z = B @ AX
        sigma = np.linalg.svd(Z, compute_uv=False)
        kept = sigma[:, d[p] - 1]
        usable = kept > 2.0**-26 * sigma[:, 0]
        tau = (a * norm(B) + b * norm(AX) * inputs) / np.where(usable, kept, 1)
        return np.where(usable, 4 * tau * norm(Z - Y), np.inf)


def least_excess(excess: np.ndarray, why: str):
    """Holds if no entry is positive; the margin is the distance of the nearest from 0."""
    worst = float(excess.max()) if len(excess) else 0.0
    if not np.isfinite(worst):
        return vacuous("no bound is left at any point of the batch")
    values = {"largest excess": exact(worst)}
    return decide(worst <= 0, why=why, margin=abs(exact(worst)), values=values, rung=Rung.FLOAT)


def at_stopped(batch: Trainings, optimum=lambda batch, found: found.optimum):
    """|L − optimum| minus what rounding and the gradient left allow, at the points where the descent stopped."""
    found = trained(batch)
    stopped = found.stopped & found.conclusive
    if not stopped.any():
        return vacuous("no descent of the batch converged")
    excess = np.abs(found.loss - optimum(batch, found)) - 2 * found.error - allowance(batch, found)
    return least_excess(
        excess[stopped], "L differs from the optimum by more than its error at a converged point."
    )


def without_rank(batch: Trainings, found: DeepLinearMinima):
    """The least loss of R without a restriction of its rank: ½ ‖Y − Y P‖²."""
    X, Y = batch.data()
    q = np.linalg.qr(X.transpose(0, 2, 1))[0]
    return 0.5 * norm(Y - Y @ q @ q.transpose(0, 2, 1)) ** 2


def from_targets(batch: Trainings, found: DeepLinearMinima):
    """½ (‖Y‖² − σ₁(Y)² − … − σ_{d_p}(Y)²): X forgotten."""
    sigma = np.linalg.svd(batch.data()[1], compute_uv=False)
    return 0.5 * (sigma[:, min(batch.widths) :] ** 2).sum(axis=1)


def at_starts(batch: Trainings):
    """L = L* after a single step, where the gradient has not vanished."""
    start = find_deep_linear_minima(*batch.data(), batch.widths, seed=batch.seed, iterations=1)
    excess = (start.gap - start.error)[start.conclusive]
    return least_excess(excess, "L exceeds L* where the gradient does not vanish.")


@claim(
    "LK17/thm2.3-found",
    paper=LK17,
    where="Theorem 2.3, at points found by a solver",
    says=r"|L(W) - L^*| \le \text{error} + c(W) \lVert \nabla L(W) \rVert,\quad L^* = \min_{\operatorname{rank} R \le d_p} \tfrac12 \lVert RX - Y \rVert_F^2",
    assumes={"local minimum": r"\nabla L(W) \approx 0 \text{ where a descent ends}"},
)
@printed(
    HOLDS,
    BATCHES,
    examples=12,
    needs=8,
    reaches={"bottleneck": lambda b: b.bottleneck, "no bottleneck": lambda b: not b.bottleneck},
    note="20 descents an instance; a float point is never a refutation",
)
@drop(
    "local minimum",
    REFUTED,
    BATCHES,
    examples=20,
    conclude=at_starts,
    recheck=loss_exceeds_the_least_at_zero,
)
@mutant(
    "L* over all R",
    NARROW_BATCHES,
    examples=20,
    conclude=lambda b: at_stopped(b, without_rank),
    recheck=partial(local_minimum_has_another_value, value="over all R"),
)
@mutant(
    "L* from the singular values of Y",
    BATCHES,
    examples=20,
    conclude=lambda b: at_stopped(b, from_targets),
    recheck=partial(local_minimum_has_another_value, value="from the singular values of Y"),
)
@mutant(
    "L = 2 L*",
    BATCHES,
    examples=20,
    conclude=lambda b: at_stopped(b, lambda _, found: 2 * found.optimum),
    recheck=partial(local_minimum_has_another_value, value="twice"),
)
def test_found_points_attain_the_global_minimum(batch: Trainings):
    """Where a descent ends, L is the global minimum, up to rounding and what the gradient left allows."""
    found = trained(batch)
    losses = {"found": found.loss, "rank <= d_p": found.optimum, "any rank": without_rank(batch, found)}
    if (ended := found.stopped & found.conclusive).any():
        means = {name: float(values[ended].mean()) for name, values in losses.items()}
        record_point("loss found and least loss", at={"d_p": min(batch.widths)}, measured="L", of=means)
    return at_stopped(batch)


def at_certified(batch: Trainings, right):
    """2 L at the local minima that provably exist next to the trained points, against ``right`` (problem)."""
    found, (X, Y) = trained(batch), batch.data()
    verdicts = []
    for i in range(batch.count):
        weights = tuple(matrix(w[i]) for w in found.weights)
        problem = DeepLinearProblem(weights=weights, X=matrix(X[i]), Y=matrix(Y[i]))
        minimum = certify_deep_linear_minimum(problem)
        if minimum is None:
            verdicts.append(vacuous("no local minimum was proven near this point"))
            continue
        with ctx.workprec(128):
            value = 2 * enclose_loss(problem, minimum.point)
            verdicts.append(decide_equal(value, right(problem), named=("2 L", "the least value")))
    return all_of(*verdicts)


@claim(
    "LK17/thm2.3-trained",
    paper=LK17,
    where="Theorem 2.3, at local minima certified near trained points",
    says=r"2 L(\bar W) = \min_{\operatorname{rank} R \le d_p} \lVert RX - Y \rVert_F^2",
    assumes={"local minimum": r"\bar W \text{ is a local minimum in a box around a trained point}"},
)
@printed(
    HOLDS,
    FEW,
    examples=12,
    needs=9,
    reaches={"bottleneck": lambda b: b.bottleneck, "no bottleneck": lambda b: not b.bottleneck},
    note="existence by interval Newton on a slice across the fibres of the product; 3 trainings an instance",
)
@mutant(
    "min over all R",
    FEW_NARROW,
    examples=20,
    conclude=lambda b: at_certified(b, lambda p: least_value(p.X, p.Y, p.X.nrows())),
    recheck=partial(local_minimum_has_another_value, value="over all R"),
)
@mutant(
    "2 L = 0",
    FEW,
    examples=20,
    conclude=lambda b: at_certified(b, lambda p: 0),
    recheck=partial(local_minimum_has_another_value, value="zero"),
)
@mutant(
    "one rank less",
    FEW,
    examples=20,
    conclude=lambda b: at_certified(b, lambda p: least_value(p.X, p.Y, p.least_width - 1)),
    recheck=partial(local_minimum_has_another_value, value="one rank less"),
)
def test_certified_minima_attain_the_global_minimum(batch: Trainings):
    """At every local minimum that provably lies near a trained point, 2 L is the least value over rank R <= d_p."""
    return at_certified(batch, lambda p: least_value(p.X, p.Y, p.least_width))
