"""A census for the deep-and-wide paper: sentences that must hold at thousands of points, not at a hundred.

``python -m tests.deep_wide_census`` decides at ``--points`` different effective points each of

* the gradient bound behind Theorem 3.4 and Lemma 3.5, at rational activations and in balls;
* the margin bound behind Theorem 5.3, and Theorem 5.3 as repaired.

Exits 1 on the first point where one is refuted, and if more than one in a hundred is undecided.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from tests.induced_census import drawn
from verify import test_nh17_gradients, test_nh17_separability
from verify.claim import INCONCLUSIVE, REFUTED, VACUOUS, Claim, Variant

SENTENCES = {
    "NH17/gradient-bound": "printed",
    "NH17/thm5.3-margin": "printed",
    "NH17/thm5.3.1": "repaired",
    "NH17/thm5.3.2": "repaired",
}
"""Claims by key, with the variant that must hold."""


def variants() -> list[Variant]:
    """The variants of ``SENTENCES``."""
    tests = [*vars(test_nh17_gradients).values(), *vars(test_nh17_separability).values()]
    claims = {c.key: c for test in tests if isinstance(c := getattr(test, "claim", None), Claim)}
    return [next(v for v in claims[key].variants if v.name == name) for key, name in SENTENCES.items()]


def main() -> int:
    """Take the census and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=5000, help="effective points of each")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for variant in variants():
        started, counts = time.process_time(), Counter[str]()
        conclude = variant.conclude or variant.claim.conclude
        for point in drawn(variant.draws, options.seed):
            verdict = conclude(point)
            if verdict.outcome is REFUTED:
                print(f"REFUTED: {variant.claim.key} [{variant.name}]: {verdict.why} {point!r}")
                return 1
            if verdict.outcome is VACUOUS:
                continue
            counts["undecided" if verdict.outcome is INCONCLUSIVE else "hold"] += 1
            counts.update(name for name, has in variant.reaches.items() if has(point))
            if counts["hold"] + counts["undecided"] >= options.points:
                break
        seconds = time.process_time() - started
        print(f"{variant.claim.key} [{variant.name}]: {dict(counts)}, {seconds:.0f} s CPU", flush=True)
        if counts["undecided"] * 100 > options.points:
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
