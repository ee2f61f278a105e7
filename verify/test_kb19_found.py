"""Kawaguchi & Bengio (2019), Theorem 1 at points that a solver finds: float64, with stated error bounds."""

from functools import partial

import numpy as np
from hypothesis import strategies as st

from strategies.instance import instance
from strategies.numbers import between, exact
from verify import HOLDS, REFUTED, Rung, Verdict, claim, decide, drop, inconclusive, mutant, printed, vacuous
from verify.oracles.floating import Minima, find_minima
from verify.papers import KB19
from verify.rechecks.kb19_found import minimum_breaks_the_bound, start_is_not_optimal


@instance
class Descents:
    """``count`` random problems of one shape, each descended from one random start; all named by ``seed``."""

    d_y: int
    d_x: int
    d_z: int
    m: int
    seed: int
    count: int

    def data(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """X, Z, Y with independent standard normal entries: count × m × (d_x, d_z, d_y)."""
        rng = np.random.default_rng(self.seed)
        return tuple(rng.standard_normal((self.count, self.m, d)) for d in (self.d_x, self.d_z, self.d_y))


@st.composite
def descents(draw: st.DrawFn) -> Descents:
    """Batches of 40 problems with d_y <= min(d_x, d_z) and more samples than features."""
    d_y = draw(between(1, 3))
    d_x, d_z = d_y + draw(between(0, 1)), d_y + draw(between(0, 1))
    m = d_x + d_z + draw(between(1, 12))
    return Descents(d_y=d_y, d_x=d_x, d_z=d_z, m=m, seed=draw(between(0, 10**6)), count=40)


SLACK = 1 + 2.0**-20
"""Covers the relative rounding of products of norms: fewer than 2¹⁰ operations of relative error 2⁻⁵³ each."""


def gap_bound(batch: Descents, found: Minima) -> np.ndarray:
    """‖G‖ ‖[W, W V] − R*‖ for every problem: an upper bound of L − L*, by convexity.

    G = E[D φᵀ] follows from the gradient where W has rank d_y: ‖G_z‖ <= ‖∂_V L‖ / σ_min(W) and
    ‖G_x‖ <= ‖∂_W L‖ + ‖V‖ ‖G_z‖; infinite where σ_min(W) is 0. To the gradient as computed comes its own
    rounding error, γ_k (‖Q‖ ‖W‖ + ‖Y‖) (‖Q‖ + ‖W‖ ‖Z‖) with Q = X + Z Vᵀ, k = m + d_x + d_z and u = 2⁻⁵³.
    """
    x, z, y = batch.data()
    norm = lambda a: np.linalg.norm(a, axis=(1, 2))
    k, q = batch.m + batch.d_x + batch.d_z, norm(x + z @ found.V.transpose(0, 2, 1))
    noise = k * 2.0**-53 / (1 - k * 2.0**-53) * (q * norm(found.W) + norm(y)) * (q + norm(found.W) * norm(z))
    gradient = found.gradient + noise
    features = np.concatenate([x, z], axis=2)
    smallest = np.linalg.svd(found.W, compute_uv=False)[:, -1]
    with np.errstate(divide="ignore"):
        on_z = gradient / smallest
    on_x = gradient + norm(found.V) * on_z
    here = np.concatenate([found.W, found.W @ found.V], axis=2)
    best = np.stack([np.linalg.lstsq(f, t, rcond=None)[0].T for f, t in zip(features, y, strict=True)])
    return (on_x + on_z) * norm(here - best) * SLACK


def least_excess(excess: np.ndarray, why: str) -> Verdict:
    """Holds if no entry is positive; the margin is the distance of the nearest from 0."""
    worst = float(excess.max())
    return decide(
        worst <= 0,
        why=why,
        margin=abs(exact(worst)),
        values={"largest excess": exact(worst)},
        rung=Rung.FLOAT,
    )


def converged(found: Minima) -> np.ndarray:
    """Where the descent stopped because the gradient is rounding noise, and L* is known."""
    return found.conclusive & (found.iterations < 200)


@claim(
    "KB19/thm1-found",
    paper=KB19,
    where="Theorem 1, at points found by a solver",
    says=r"0 \le L - L^*_{\{x,z\}} \le \lVert G \rVert \lVert [W, WV] - R^* \rVert",
    assumes={"stationary": r"\nabla L_\theta(W, V) \approx 0"},
)
@printed(
    HOLDS,
    descents(),
    examples=30,
    needs=20,
    note="a float point is never a refutation; the excess is beyond its error bound",
)
@drop(
    "stationary",
    REFUTED,
    descents(),
    examples=30,
    conclude=lambda batch: at_random_points(batch),
    recheck=start_is_not_optimal,
)
@mutant(
    "L <= L*_{x,z} / 2",
    descents(),
    examples=30,
    conclude=lambda batch: found_value(batch, lambda f: f.loss - f.optimum / 2),
    recheck=partial(minimum_breaks_the_bound, bound="L <= L*/2"),
)
@mutant(
    "L >= 2 L*_{x,z}",
    descents(),
    examples=30,
    conclude=lambda batch: found_value(batch, lambda f: 2 * f.optimum - f.loss),
    recheck=partial(minimum_breaks_the_bound, bound="L >= 2 L*"),
)
def test_found_points_are_as_good_as_their_gradient_says(batch: Descents) -> Verdict:
    """Where a descent stops, L − L* is at most what convexity allows for the gradient left there."""
    found = find_minima(*batch.data(), seed=batch.seed)
    stopped = converged(found)
    if not stopped.any():
        return inconclusive("no descent of the batch converged")
    bound = gap_bound(batch, found)
    above = found.gap - found.gap_error - bound
    below = -found.gap - found.gap_error
    return least_excess(np.maximum(above, below)[stopped], "L − L* is outside what convexity allows.")


def found_value(batch: Descents, excess) -> Verdict:
    """No converged point of the batch has a positive ``excess`` beyond its rounding error."""
    found = find_minima(*batch.data(), seed=batch.seed)
    stopped = converged(found)
    if not stopped.any():
        return vacuous("no descent of the batch converged")
    return least_excess(
        (excess(found) - 3 * found.error)[stopped],
        "A converged point exceeds the bound by more than its rounding error.",
    )


def at_random_points(batch: Descents) -> Verdict:
    """L = L* at the starting points themselves, which are not stationary."""
    start = find_minima(*batch.data(), seed=batch.seed, iterations=1)
    return least_excess(
        (start.gap - start.gap_error)[start.conclusive], "L exceeds L* where the gradient does not vanish."
    )
