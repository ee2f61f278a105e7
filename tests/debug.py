"""Five verbs about strategies, as in Hypothesis' own tests: what is drawn, never drawn, and shrunk to.

Fixed seeds, no database: the same answer in every run. Draws that a strategy rejects do not count.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TypeVar

from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import seed as seeded
from hypothesis.errors import NoSuchExample
from hypothesis.strategies import SearchStrategy

__all__ = [
    "assert_all_examples",
    "assert_no_examples",
    "check_can_generate_examples",
    "drawn",
    "find_any",
    "minimal",
    "quietly",
    "share",
]

T = TypeVar("T")
Predicate = Callable[[T], bool]


def quietly(examples: int, phases: tuple[Phase, ...] = (Phase.generate,)) -> settings:
    """``examples`` fresh draws, no database, no deadline. Too many rejected draws fail."""
    return settings(
        settings.get_profile("default"),
        max_examples=examples,
        database=None,
        deadline=None,
        phases=phases,
        derandomize=False,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


def drawn(strategy: SearchStrategy[T], count: int = 200, seed: int = 0) -> list[T]:
    """``count`` draws that were not rejected, in order; the first is the simplest there is."""
    found: list[T] = []

    @seeded(seed)
    @quietly(count)
    @given(strategy)
    def collect(value: T) -> None:
        found.append(value)

    collect()
    assert len(found) >= count or len({repr(value) for value in found}) < count, f"only {len(found)} draws"
    return found


def minimal(
    strategy: SearchStrategy[T],
    condition: Predicate[T] = lambda value: True,
    examples: int = 1000,
    seed: int = 0,
) -> T:
    """What the first draw that satisfies ``condition`` shrinks to."""
    phases = (Phase.generate, Phase.shrink)
    return find(strategy, condition, settings=quietly(examples, phases), random=random.Random(seed))


def find_any(
    strategy: SearchStrategy[T], condition: Predicate[T] = lambda value: True, examples: int = 200
) -> T:
    """A draw that satisfies ``condition``, not shrunk. Raises ``NoSuchExample`` if there is none."""
    return find(strategy, condition, settings=quietly(examples), random=random.Random(0))


def assert_all_examples(strategy: SearchStrategy[T], predicate: Predicate[T], examples: int = 200) -> None:
    """Every one of ``examples`` draws satisfies ``predicate``."""
    for value in drawn(strategy, examples):
        assert predicate(value), f"broken by {value!r}"


def assert_no_examples(strategy: SearchStrategy[T], condition: Predicate[T], examples: int = 200) -> None:
    """None of ``examples`` draws satisfies ``condition``."""
    try:
        value = find_any(strategy, condition, examples)
    except NoSuchExample:
        return
    raise AssertionError(f"drawn: {value!r}")


def check_can_generate_examples(strategy: SearchStrategy[object]) -> None:
    """A few draws raise nothing."""
    assert drawn(strategy, 10)


def share(strategy: SearchStrategy[T], condition: Predicate[T], examples: int = 200, seed: int = 0) -> float:
    """The share of ``examples`` draws that satisfy ``condition``."""
    values = drawn(strategy, examples, seed)
    return sum(bool(condition(value)) for value in values) / len(values)
