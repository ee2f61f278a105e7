"""Is a verdict what it says, and does every way in which a trial can be worthless fail it, in clear words?"""

from __future__ import annotations

import random
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import pytest
from flint import arb, ctx, fmpq
from hypothesis import assume
from hypothesis import strategies as st
from hypothesis.internal import observability

from reports.record import Variant as Record
from strategies.instance import instance
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
    decide_less,
    drop,
    inconclusive,
    mutant,
    printed,
    repaired,
    vacuous,
)
from verify.trial import BUDGETS, Budget, put_on_trial, redecide

THIRD = fmpq(1, 3)
NAN = arb("nan")
WIDE = arb(0, 1)


@dataclass(frozen=True)
class Bounds:
    lower: Any
    upper: Any


def third() -> arb:
    return arb(1) / 3


# --- one instance ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("decider", "left", "right", "outcome", "rung"),
    [
        (decide_equal, THIRD, Fraction(1, 3), "holds", Rung.EXACT),
        (decide_equal, 2, fmpq(2), "holds", Rung.EXACT),
        (decide_equal, THIRD, fmpq(333333333333333, 10**15), "refuted", Rung.EXACT),
        (decide_equal, third(), THIRD, "holds", Rung.BALL),
        (decide_equal, third(), fmpq(1, 4), "refuted", Rung.BALL),
        (decide_equal, WIDE, 0, "inconclusive", Rung.BALL),
        (decide_equal, NAN, 0, "inconclusive", Rung.BALL),
        (decide_equal, NAN, NAN, "inconclusive", Rung.BALL),
        (decide_equal, Bounds(fmpq(0), fmpq(1)), fmpq(1, 2), "inconclusive", Rung.EXACT),
        (decide_equal, Bounds(fmpq(0), fmpq(1)), 2, "refuted", Rung.EXACT),
        (decide_equal, Bounds(fmpq(1), fmpq(1)), 1, "holds", Rung.EXACT),
        (decide_equal, Bounds(THIRD, THIRD + fmpq(1, 10**12)), THIRD, "holds", Rung.BALL),
        (decide_at_most, THIRD, THIRD, "holds", Rung.EXACT),
        (decide_at_most, fmpq(1, 2), Fraction(1, 3), "refuted", Rung.EXACT),
        (decide_at_most, third(), THIRD, "holds", Rung.BALL),
        (decide_at_most, WIDE, 2, "holds", Rung.BALL),
        (decide_at_most, WIDE, 0, "inconclusive", Rung.BALL),
        (decide_at_most, 2, WIDE, "refuted", Rung.BALL),
        (decide_at_most, NAN, 0, "inconclusive", Rung.BALL),
        (decide_at_most, Bounds(0, 1), Bounds(1, 2), "holds", Rung.EXACT),
        (decide_less, 1, 2, "holds", Rung.EXACT),
        (decide_less, 2, 2, "refuted", Rung.EXACT),
        (decide_less, THIRD, third(), "inconclusive", Rung.BALL),
        (decide_less, third(), fmpq(1, 4), "refuted", Rung.BALL),
        (decide_less, arb(1), 1, "inconclusive", Rung.BALL),
        (decide_less, third(), fmpq(1, 2), "holds", Rung.BALL),
        (decide_less, NAN, 1, "inconclusive", Rung.BALL),
        (decide_less, Bounds(0, 1), Bounds(1, 2), "inconclusive", Rung.EXACT),
    ],
)
def test_what_is_decided(decider: Any, left: Any, right: Any, outcome: str, rung: Rung) -> None:
    found = decider(left, right)
    assert (found.outcome.value, found.rung) == (outcome, rung)


@pytest.mark.parametrize("decider", [decide_equal, decide_at_most, decide_less])
def test_a_float_is_refused(decider: Any) -> None:
    with pytest.raises(TypeError, match=r"0\.1 is a float: convert it"):
        decider(0.1, 1)


def test_margins_are_certified() -> None:
    assert decide_equal(1, fmpq(5, 2)).margin == fmpq(3, 2)
    assert decide_at_most(5, 3).margin == 2
    gap = decide_equal(WIDE, 3).margin
    assert gap <= 2
    assert gap > fmpq(19, 10)


def test_decide_of_a_question() -> None:
    assert [decide(t, why="").outcome.value for t in (True, False, None)] == [
        "holds",
        "refuted",
        "inconclusive",
    ]


def test_conjunction() -> None:
    yes, no, unknown, empty = (
        decide_at_most(0, 5),
        decide_less(1, 0),
        inconclusive("?"),
        vacuous("no premise"),
    )
    assert all_of(yes, unknown, no) is no
    assert all_of(yes, unknown) is unknown
    assert all_of(empty, empty) is empty
    assert all_of(empty, no) is no
    assert all_of().outcome.value == "vacuous"
    both = all_of(empty, yes, decide_at_most(third(), 1, named=("third", "one")))
    assert (both.outcome, both.rung, set(both.values)) == (
        HOLDS,
        Rung.BALL,
        {"left", "right", "third", "one"},
    )
    assert both.margin < 1


# --- one trial ------------------------------------------------------------------------------------------

QUICK = BUDGETS["quick"]
SMALL = st.integers(-9, 9)


def holds(x: Any) -> Verdict:
    return decide_at_most(0, x * x)


def at_most_three(x: int) -> Verdict:
    return decide_at_most(x, 3)


def trial(
    variant: Any, conclude: Any = holds, *, seconds: float = 30.0, budget: Budget = QUICK, seed: str = "0"
) -> Record:
    """The record of ``variant``, which stands beside a printed sentence where it is not that itself."""

    def test(x: Any) -> Verdict:
        """A tiny claim."""
        found: Verdict = conclude(x)
        return found

    test = variant(test)
    if test.__variants__[0].name != "printed":
        test = printed(HOLDS, SMALL)(test)
    made = claim("T/tiny", where="here", says="x", assumes={"A": "a"})(test).claim
    return put_on_trial(
        made.variants[-1], budget=budget, seed_text=seed, seconds=seconds, nodeid="t.py::t[x]"
    )


def kinds(found: Record) -> list[str]:
    assert found.as_expected is not bool(found.faults)
    return [fault.kind for fault in found.faults]


def test_a_sound_claim_has_no_fault() -> None:
    found = trial(printed(HOLDS, SMALL, examples=12, reaches={"0": lambda x: x == 0}))
    assert (found.verdict, found.rung, kinds(found)) == ("holds", "exact", [])
    assert (found.effective, found.needed) == (12, 6)
    assert found.classes["0"] >= 1
    assert found.margin is not None


def faulty(x: int) -> Verdict:
    return inconclusive("cannot tell") if x % 2 else holds(x)


@pytest.mark.parametrize(
    ("variant", "conclude", "kind", "verdict", "cause", "cure"),
    [
        (printed(REFUTED, SMALL), holds, "refutation not found", "holds", "survived 19 effective",
         "Raise examples="),
        (drop("A", REFUTED, SMALL), holds, "refutation not found", "holds", "survived", "expect HOLDS"),
        (mutant("m", SMALL), holds, "mutant survived", "holds", "is false and survived", "equivalent="),
        (printed(HOLDS, SMALL), lambda x: vacuous("x is no ring"), "vacuous", "vacuous", "x is no ring",
         "by construction"),
        (printed(HOLDS, SMALL.filter(lambda x: x > 99)), holds, "vacuous", "vacuous", "nothing",
         "by construction"),
        (printed(HOLDS, st.integers(), examples=9, needs=8), lambda x: holds(x) if x % 2 else vacuous("even"),
         "thin", "holds", "effective instances of the 8 it needs", "raise examples="),
        (printed(HOLDS, SMALL), holds, "thin", "holds", "19 effective instances of the 50 it needs",
         "State needs="),
        (printed(HOLDS, SMALL, examples=8, reaches={"x = 77": lambda x: x == 77}), holds,
         "class never reached", "holds", "'x = 77'", "Draw it by construction"),
        (printed(HOLDS, SMALL, examples=12), faulty, "inconclusive-heavy", "inconclusive", "cannot tell",
         "Climb a rung"),
        (printed(HOLDS, SMALL), at_most_three, "unexpected refutation", "refuted", "left exceeds right by 1",
         "Check the counterexample by hand"),
        (repaired("x", SMALL), at_most_three, "unexpected refutation", "refuted", "exceeds", "by hand"),
    ],
)  # fmt: skip
def test_a_worthless_trial_fails(
    variant: Any, conclude: Any, kind: str, verdict: str, cause: str, cure: str
) -> None:
    found = trial(variant, conclude)
    assert (found.verdict, kinds(found)) == (verdict, [kind])
    [message] = [fault.message for fault in found.faults]
    assert message.startswith(f"T/tiny [{found.variant}] ")
    assert cause in message
    assert cure in message


def test_a_refutation_is_shrunk_and_says_how_to_repeat_it() -> None:
    found = trial(printed(REFUTED, st.integers(0, 10**6)), at_most_three)
    assert kinds(found) == []
    assert found.counterexample is not None
    assert found.counterexample.instance == 4
    assert found.counterexample.values == {"left": "4", "right": "3"}

    # The decorator belongs to this instance: run it, and see what is drawn.
    from hypothesis import given, reproduce_failure, settings

    drawn: list[int] = []

    def look(x: int) -> None:
        drawn.append(x)
        raise AssertionError

    decorate = eval(
        found.counterexample.reproduce.removeprefix("@"), {"reproduce_failure": reproduce_failure}
    )
    search = decorate(settings(print_blob=False)(given(x=st.integers(0, 10**6))(look)))
    with pytest.raises(AssertionError):
        search()
    assert set(drawn) == {4}


def test_a_conclusion_that_changes_its_mind_is_not_believed() -> None:
    seen: set[int] = set()

    def only_once(x: int) -> Verdict:
        new = x not in seen
        seen.add(x)
        return decide(not (new and x > 3), why="x is new")

    found = trial(printed(REFUTED, SMALL), only_once)
    assert found.verdict == "refuted"
    assert set(kinds(found)) == {"not re-decided"}
    assert "decided again in the search, the instance is not refuted" in found.faults[0].message
    assert "must depend on the instance alone" in found.faults[0].message


def test_a_refutation_that_its_json_does_not_give_is_not_believed() -> None:
    found = trial(printed(REFUTED, SMALL.map(Unreadable)), lambda x: decide_at_most(x.value, 3))
    assert kinds(found) == ["not re-decided"]
    assert "from its JSON" in found.faults[0].message
    assert found.counterexample is not None


@instance
class Boxed:
    value: fmpq


def Unreadable(x: int) -> Any:
    @instance
    class Local:
        value: fmpq

    return Local(value=fmpq(x))


def test_an_instance_comes_back_from_its_json() -> None:
    found = trial(
        printed(REFUTED, SMALL.map(lambda x: Boxed(value=fmpq(x, 2)))), lambda b: decide_at_most(b.value, 3)
    )
    assert kinds(found) == []
    assert found.counterexample is not None
    assert found.counterexample.instance["value"] == "7/2"


def says_no(written: Any) -> bool:
    return False


def says_yes(written: Any) -> bool:
    return Fraction(written) > 3


def breaks(written: Any) -> bool:
    return written["no such key"] > 3


@pytest.mark.parametrize(
    ("recheck", "says"), [(says_yes, ""), (says_no, "does not confirm"), (breaks, "stops on TypeError")]
)
def test_a_refutation_is_decided_by_a_second_path(recheck: Any, says: str) -> None:
    found = trial(printed(REFUTED, SMALL, recheck=recheck), at_most_three)
    assert kinds(found) == (["not re-decided"] if says else [])
    assert all(f"the standard-library recheck {says}" in f.message for f in found.faults)
    assert found.counterexample is not None
    assert f"refuted = {recheck.__name__}(instance)" in found.counterexample.snippet


def only_where_negative(written: Any) -> bool:
    """Calls ``says_yes`` for negative numbers."""
    return says_yes(written) if written < 0 else bool(list(map(says_no, []))) or written > 3


def test_a_program_holds_only_what_its_instance_needs() -> None:
    found = trial(printed(REFUTED, SMALL, recheck=only_where_negative), at_most_three)
    assert kinds(found) == []
    assert found.counterexample is not None
    snippet = found.counterexample.snippet
    assert "def says_yes" not in snippet
    assert "def says_no" in snippet  # named, though not called
    assert "# What this instance does not call is left out." in snippet
    namespace: dict[str, Any] = {}
    exec(snippet, namespace)
    assert namespace["refuted"] is True


def test_an_error_says_on_which_instance() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        trial(printed(HOLDS, SMALL), lambda x: decide_at_most(-9, 1 // (x - 5)))
    assert "while deciding 5" in caught.value.__notes__


def test_a_conclusion_returns_a_verdict() -> None:
    with pytest.raises(TypeError, match=r"T/tiny \[printed\] returned True: return a Verdict"):
        trial(printed(HOLDS, SMALL), lambda x: True)


def test_assumed_away_is_counted_as_vacuous() -> None:
    def odd_only(x: int) -> Verdict:
        assume(x % 2)
        return holds(x)

    found = trial(printed(HOLDS, st.integers(), examples=20), odd_only)
    assert found.effective == 20
    assert found.vacuous == found.cases - 20 > 0


def test_a_finite_space_is_not_asked_for_more_than_it_has() -> None:
    found = trial(printed(HOLDS, st.integers(1, 12), examples=20, needs=12), budget=BUDGETS["thorough"])
    assert (kinds(found), found.effective, found.needed) == ([], 12, 12)
    found = trial(printed(HOLDS, st.integers(), examples=10), budget=BUDGETS["thorough"])
    assert (kinds(found), found.effective, found.needed) == ([], 100, 50)


def test_what_does_not_fit_is_not_run() -> None:
    def endless(x: int) -> Verdict:
        while True:
            pass

    for seconds in (-1.0, 0.2):
        found = trial(printed(HOLDS, SMALL), endless, seconds=seconds)
        assert (found.verdict, kinds(found)) == ("not run", ["not run"])
        assert "decided nothing before the clock ran out. Raise --time-limit" in found.faults[0].message

    def endless_later(x: int) -> Verdict:
        return endless(x) if abs(x) > 6 else holds(x)

    for variant, kind in ((printed(HOLDS, SMALL), "thin"), (mutant("m", SMALL), "mutant survived")):
        found = trial(variant, endless_later, seconds=0.3)
        assert kinds(found) == [kind]
        assert "before the clock ran out. Raise --time-limit" in found.faults[0].message


def test_huge_and_undefined_margins() -> None:
    """Neither overflows the search that they steer."""
    found = trial(mutant("m", SMALL), lambda x: decide_at_most(0, fmpq(10) ** 400 * (x * x + 1)))
    assert kinds(found) == ["mutant survived"]
    assert found.margin is not None
    assert found.margin.least == str(10**400)
    found = trial(printed(HOLDS, SMALL, examples=9), lambda x: decide(True, why="", margin=NAN))
    assert (kinds(found), found.margin) == ([], None)


def test_no_instance_is_spelled_without_need() -> None:
    """Hypothesis would spell each case for its observations: a quarter of the time of a real claim."""
    spelled = []

    class Loud:
        def __init__(self, x: int) -> None:
            self.x = x

        def __repr__(self) -> str:
            spelled.append(self.x)
            return "Loud"

    found = trial(printed(HOLDS, st.builds(Loud, SMALL), examples=10), lambda loud: holds(loud.x))
    assert (kinds(found), spelled) == ([], [])


def test_the_same_seed_gives_the_same_record() -> None:
    def run(seed: str) -> Record:
        random.seed()
        return trial(printed(HOLDS, st.integers(0, 10**6), examples=10), seed=seed)

    first = run("1")
    assert first.margin == run("1").margin
    assert first.margin != run("2").margin


def test_a_trial_leaves_no_trace() -> None:
    before = observability.OBSERVABILITY_COLLECT_COVERAGE, ctx.prec
    ctx.prec = 77

    def changes(x: int) -> Verdict:
        assert ctx.prec == 128
        ctx.prec = 300
        raise KeyError(x)

    with pytest.raises(KeyError):
        trial(printed(HOLDS, SMALL), changes)
    assert ctx.prec == 77
    assert before[0] == observability.OBSERVABILITY_COLLECT_COVERAGE
    assert not observability.observability_enabled()


def test_a_counterexample_is_decided_again_from_its_json() -> None:
    test = printed(REFUTED, SMALL)(at_most_three)
    [variant] = claim("T/tiny", where="", says="")(test).claim.variants
    assert [redecide(variant, x).outcome for x in (3, 4)] == [HOLDS, REFUTED]


# --- declarations ---------------------------------------------------------------------------------------


def declare(*variants: Any, key: str = "T/tiny", **options: Any) -> Any:
    def test(x: int) -> Verdict:
        return holds(x)

    for variant in reversed(variants):
        test = variant(test)
    return claim(key, where="", says="", **options)(test)


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (lambda: declare(printed(HOLDS, SMALL), key="tiny"), ValueError,
         r"claim key 'tiny': write PAPER/name"),
        (lambda: declare(printed(HOLDS, SMALL), key="T/"), ValueError, r"claim key 'T/'"),
        (lambda: declare(mutant("m", SMALL)), TypeError, r"T/tiny has no @printed variant"),
        (lambda: declare(), TypeError, r"no @printed variant"),
        (lambda: declare(printed(HOLDS, SMALL), mutant("m", SMALL), mutant("m", SMALL)), TypeError,
         r"two variants named mutant:m"),
        (lambda: declare(printed(HOLDS, SMALL), drop("B", HOLDS, SMALL), assumes={"A": ""}), TypeError,
         r"drops drop:B, which assumes=\['A'\] does not name"),
        (lambda: printed(HOLDS, SMALL, exmples=3), TypeError,
         r"'printed' has no option exmples; known: examples"),
        (lambda: printed(HOLDS, lambda: SMALL), TypeError, r"not a Hypothesis strategy \(call it\?\)"),
        (lambda: printed(HOLDS, SMALL, examples=3, needs=4), ValueError,
         r"needs 4 effective instances of only 3"),
        (lambda: printed("holds", SMALL), ValueError, r"expects 'holds': say HOLDS or REFUTED"),
        (lambda: mutant("L ≤ 0", SMALL), ValueError, r"use printable ASCII"),
        (lambda: mutant("m", SMALL)(declare(printed(HOLDS, SMALL))), TypeError, r"@claim must stand above"),
    ],
)  # fmt: skip
def test_a_wrong_declaration_fails_at_import(wrong: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        wrong()
