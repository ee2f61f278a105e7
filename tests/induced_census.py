"""A census for the induced-model paper: Theorem 1 at random parameters, descent at every planted violation.

``python -m tests.induced_census`` draws

* exact random parameters over every family of networks and three losses, and decides of each Theorem 1's
  inequality L(θ) − L_θ(α) <= ⟨∇L(θ), g(θ) − α⟩ at a drawn α, and "critical iff L(θ) = inf L_θ";
* exact critical points where the conclusion of Theorem 2, 3 or 4 fails, and exhibits strictly lower points
  within 1, 2^-20 and 2^-60 of each.

Exits 1 on the first disagreement.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from flint import fmpq, fmpq_mat
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from strategies.feedforward import Network
from strategies.layered import layered_networks
from strategies.losses import cross_entropy, smoothed_hinge, squared
from strategies.matrices import hstack, matrices
from strategies.numbers import among, integers
from strategies.residual_models import model_networks, parts
from strategies.stationary import FAMILIES, computations, critical_networks, networks
from verify.claim import HOLDS, INCONCLUSIVE, REFUTED
from verify.oracles.feedforward import is_critical, loss, output_slopes, product, total_loss, vector
from verify.oracles.fibres import perturbed_basis
from verify.oracles.induced import as_outputs, attains_infimum, basis_infimum, lies_in, linear_features
from verify.oracles.landscape import RADII
from verify.oracles.linear_paths import LinearPaths, find_path_descent
from verify.oracles.linear_paths import features as features_from
from verify.oracles.minima import find_descent

LOSSES = (squared, smoothed_hinge, cross_entropy)
UNDECIDED = "undecided"


@st.composite
def parameters_and_models(draw: st.DrawFn, family: str, one: Any) -> tuple[Network, tuple[fmpq, ...]]:
    """A network at random exact parameters, and an α."""
    net = draw(networks(computations((family,)), loss=one, samples=(1, 4), degenerate=True))
    return net, tuple(draw(matrices(net.computation.parameters, 1, integers(2))).entries())


def wrong_about_theorem_1(net: Network, alpha: tuple[fmpq, ...]) -> str:
    """What is wrong with Theorem 1 at θ and α; nothing if it holds in both forms, or UNDECIDED."""
    f, slopes = vector(net.H), output_slopes(net)
    if not lies_in(f, net.J):
        return "f_X(θ) is not in the span of its own gradient: Assumption 2 fails"
    model = net.J * fmpq_mat(len(alpha), 1, alpha)
    drop = loss(net) - total_loss(net, as_outputs(model, net.Y.ncols()))
    bound = product(slopes.transpose(), f - model)[0, 0]
    if drop > bound:
        return f"L − L_θ(α) = {drop} exceeds ⟨∇L, g − α⟩ = {bound}"
    if net.loss is smoothed_hinge:
        least = basis_infimum(net, net.J)
        upper, lower = getattr(least, "upper", least), getattr(least, "lower", least)
        attained = False if loss(net) > upper else loss(net) - lower <= fmpq(1, 10**8)
    else:
        outcome = attains_infimum(net, net.J).outcome
        attained = None if outcome is INCONCLUSIVE else outcome is HOLDS
    critical = is_critical(net)
    if critical is None or attained is None:
        return UNDECIDED
    return "" if critical is attained else f"critical: {critical}, but attains inf L_θ: {attained}"


Descent = Callable[[Network, fmpq], Network | None]


def lower_points(net: Network, find: Descent) -> str:
    """What is wrong with the descents from a violation; nothing if all are there."""
    for radius in RADII:
        there = find(net, radius)
        if there is None:
            return f"no lower point within {radius}"
        step = (there.theta - net.theta).entries()
        if not loss(there) < loss(net) or sum((e * e for e in step), fmpq(0)) > radius * radius:
            return f"a wrong lower point within {radius}"
    return ""


def drawn(strategy: st.SearchStrategy[Any], start: int) -> Iterator[Any]:
    """Distinct draws, for ever."""
    seen: set[Any] = set()
    while True:
        batch: list[Any] = []

        @seed(start)
        @settings(max_examples=500, database=None, deadline=None, suppress_health_check=list(HealthCheck))
        @given(strategy)
        def collect(value: Any) -> None:
            batch.append(value)

        collect()
        for value in batch:
            if value not in seen:
                seen.add(value)
                yield value
        start += 1


def violates_theorem_2(net: Network) -> bool:
    """Whether L(θ) exceeds the infimum over a part of the perturbable space."""
    return attains_infimum(net, perturbed_basis(net, fmpq(1, 8))[0]).outcome is REFUTED


def violates_theorem_3(net: Network) -> bool:
    """Whether L(θ) exceeds the infimum over linear models of x and z beside the gradient basis."""
    made = parts(net)
    features = linear_features(hstack(made.x, made.z), net.Y.ncols())
    return attains_infimum(net, hstack(net.J, features)).outcome is REFUTED


def violates_theorem_4(net: Network) -> bool:
    """Whether L(θ) exceeds the infimum over linear models of all layers from t up, t least."""
    basis = hstack(net.J, features_from(net, LinearPaths(net).first()))
    return attains_infimum(net, basis).outcome is REFUTED


layers = among((2, 3), (3, 3)).flatmap(
    lambda depth: critical_networks(layered_networks(depth=depth, t=(0, 1), samples=(3, 6)))
)
VIOLATIONS: dict[str, tuple[st.SearchStrategy[Network], Callable[[Network], bool], Descent]] = {
    "Theorem 2": (
        critical_networks(networks(labels="none", samples=(2, 5), degenerate=True)),
        violates_theorem_2,
        find_descent,
    ),
    "Theorem 3": (
        critical_networks(model_networks(((1, 1, 1), (2, 1, 1), (1, 2, 1), (2, 2, 1), (2, 2, 2), (3, 2, 2)))),
        violates_theorem_3,
        find_descent,
    ),
    "Theorem 4": (layers, violates_theorem_4, find_path_descent),
}
"""For each theorem: critical points, what it is to violate the conclusion, how lower points are found."""


def main() -> int:
    """Take the census and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=10000, help="random parameters for Theorem 1")
    parser.add_argument("--violations", type=int, default=2000, help="of each of Theorems 2, 3 and 4")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    started = time.process_time()
    counts: Counter[tuple[str, str]] = Counter()
    each = -(-options.points // (len(FAMILIES) * len(LOSSES)))
    for family in FAMILIES:
        for one in LOSSES:
            for net, alpha in drawn(parameters_and_models(family, one), options.seed):
                wrong = wrong_about_theorem_1(net, alpha)
                if wrong == UNDECIDED:
                    counts[family, UNDECIDED] += 1
                    continue
                if wrong:
                    print(f"DISAGREEMENT: {wrong}: {net!r}, α = {alpha}")
                    return 1
                counts[family, one.name] += 1
                counts[family, "critical"] += is_critical(net) is True
                if counts[family, one.name] >= each:
                    break
    agree = sum(n for (_, kind), n in counts.items() if kind not in ("critical", UNDECIDED))
    print(f"{agree} random parameters agree with Theorem 1:")
    names = [*(one.name for one in LOSSES), "critical", UNDECIDED]
    print(f"  {'family':22}" + "".join(f"{name:>16}" for name in names))
    for family in FAMILIES:
        print(f"  {family:22}" + "".join(f"{counts[family, name]:16}" for name in names))
    for theorem, (strategy, violates, find) in VIOLATIONS.items():
        found = tried = 0
        for net in drawn(strategy, options.seed):
            tried += 1
            if not violates(net):
                continue
            if wrong := lower_points(net, find):
                print(f"DISAGREEMENT: {theorem} fails at a critical point with {wrong}: {net!r}")
                return 1
            found += 1
            if found >= options.violations:
                break
        print(f"{theorem}: {found} violations among {tried} critical points, each with lower points")
    print(f"{time.process_time() - started:.0f} s CPU")
    return 0


if __name__ == "__main__":
    sys.exit(main())
