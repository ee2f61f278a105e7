"""The vocabulary of a claim: its sentence, its variants, and the three-way verdict on one instance.

A claim is one function from an instance to a ``Verdict``. Decorators say how it is put on trial::

    @claim("KB19/thm1", where="Theorem 1", says=r"L = L^*_{\\{x,z\\}}", assumes={"A1": r"d_y \\le d_x"})
    @printed(HOLDS, resnet_minima())                       # the sentence, word for word
    @drop("A1", REFUTED, resnet_minima_wide_outputs())     # an ablation changes the strategy
    @mutant("L = L*_x", resnet_minima(), conclude=other)   # a mutant changes the conclusion
    def test_local_minimum_attains_the_basis_optimum(minimum):
        return decide_equal(loss(minimum), basis_infimum(minimum))

pytest collects one test per variant.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import pytest
from flint import arb, fmpq, fmpz
from hypothesis.strategies import SearchStrategy

__all__ = [
    "HOLDS",
    "INCONCLUSIVE",
    "REFUTED",
    "VACUOUS",
    "Claim",
    "Outcome",
    "Paper",
    "Rung",
    "Variant",
    "Verdict",
    "all_of",
    "claim",
    "decide",
    "decide_at_most",
    "decide_equal",
    "decide_less",
    "drop",
    "inconclusive",
    "mutant",
    "printed",
    "repaired",
    "vacuous",
]


class Outcome(enum.Enum):
    """What one instance says of a claim."""

    HOLDS = "holds"
    REFUTED = "refuted"
    INCONCLUSIVE = "inconclusive"
    VACUOUS = "vacuous"


HOLDS, REFUTED, INCONCLUSIVE, VACUOUS = Outcome


class Rung(enum.IntEnum):
    """How a verdict was reached, the most trustworthy first."""

    EXACT = 0
    SYMBOLIC = 1
    """For all values at once, by exact algebra on formulas."""
    BALL = 2
    FLOAT = 3
    STATISTICAL = 4

    @property
    def word(self) -> str:
        """The word the record uses."""
        return "exact (symbolic)" if self is Rung.SYMBOLIC else self.name.lower()


Number = int | Fraction | fmpq | arb


@dataclass(frozen=True)
class Verdict:
    """The decision on one instance: ``margin`` is the distance from the boundary in the claim's own units.

    ``values`` are the quantities that were compared, by name; ``why`` says in words what decides; ``needs``
    is what the conclusion asks of the values, as "L <= L*".
    """

    outcome: Outcome
    rung: Rung = Rung.EXACT
    margin: Number | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    why: str = ""
    needs: str = ""


def decide(
    truth: bool | None,
    *,
    why: str,
    values: Mapping[str, Any] | None = None,
    margin: Number | None = None,
    rung: Rung = Rung.EXACT,
) -> Verdict:
    """The verdict of a yes-or-no question; None, where it could not be decided, is inconclusive.

    ``why`` says what was found, in a sentence that a reader of the counterexample can follow.
    """
    outcome = INCONCLUSIVE if truth is None else HOLDS if truth else REFUTED
    return Verdict(outcome, rung, margin, values or {}, why)


def vacuous(why: str) -> Verdict:
    """The instance does not satisfy the claim's premises: it counts for nothing."""
    return Verdict(VACUOUS, why=why)


def inconclusive(why: str, **values: Any) -> Verdict:
    """The premises hold but the conclusion could not be decided."""
    return Verdict(INCONCLUSIVE, values=values, why=why)


def _ends(value: Any) -> tuple[fmpq | arb, fmpq | arb]:
    """The ends of what is known of a number: a number itself, or anything with ``lower`` and ``upper``."""
    if isinstance(value, arb):
        return value.lower(), value.upper()
    if isinstance(value, fmpq):
        return value, value
    if isinstance(value, (int, fmpz)):
        return fmpq(value), fmpq(value)
    if isinstance(value, Fraction):
        return (fmpq(value.numerator, value.denominator),) * 2
    if isinstance(value, float):
        raise TypeError(
            f"{value!r} is a float: convert it with strategies.numbers.exact, or enclose it in an arb"
        )
    return _ends(value.lower)[0], _ends(value.upper)[1]


def _difference(a: fmpq | arb, b: fmpq | arb) -> fmpq | arb:
    return a - b if isinstance(a, fmpq) and isinstance(b, fmpq) else arb(a) - arb(b)


def _rung(*ends: fmpq | arb) -> Rung:
    return Rung.EXACT if all(isinstance(e, fmpq) for e in ends) else Rung.BALL


RESOLUTION = Fraction(1, 10**8)


def decide_equal(
    left: Any, right: Any, *, named: Sequence[str] = ("left", "right"), why: str = ""
) -> Verdict:
    """Decide left = right for exact numbers, balls or two-sided bounds (``lower``, ``upper``).

    Rationals are compared exactly. Otherwise *refuted* means that the enclosures are disjoint, with the
    certified distance as margin; *holds* that they overlap and that both lie within one interval of length
    w <= 10⁻⁸ max(1, |left|), reported as margin: the equality is then verified to that resolution, the
    accuracy that ``enclose_infimum`` promises for its two-sided bounds, and is not proven beyond it; wider
    overlapping enclosures, and NaN, are *inconclusive*.
    """
    (a, b), (c, d) = _ends(left), _ends(right)
    values, rung = {named[0]: left, named[1]: right}, _rung(a, b, c, d)
    for low, high in ((b, c), (d, a)):
        gap = _difference(high, low)
        if gap > 0:
            why = why or f"{named[0]} and {named[1]} differ by {_number(gap)}."
            return Verdict(REFUTED, rung, gap, values, why, f"{named[0]} = {named[1]}")
    if rung is Rung.EXACT and a == b and c == d:
        return Verdict(HOLDS, rung, fmpq(0), values, why)
    width = arb.max(arb(b), arb(d)) - arb.min(arb(a), arb(c))
    scale = arb.max(arb(1), abs(arb(a)))
    if width <= scale * arb(fmpq(RESOLUTION.numerator, RESOLUTION.denominator)):
        return Verdict(HOLDS, Rung.BALL, width.upper(), values, why)
    return Verdict(INCONCLUSIVE, rung, None, values, "the enclosures overlap and are too wide to call equal")


def decide_at_most(
    left: Any, right: Any, *, named: Sequence[str] = ("left", "right"), why: str = ""
) -> Verdict:
    """Decide left <= right for exact numbers, balls or two-sided bounds; the margin is the slack or excess.

    Enclosures that overlap without deciding are *inconclusive* unless they are as close as ``decide_equal``
    wants for equality: then the inequality holds to that resolution.
    """
    (a, b), (c, d) = _ends(left), _ends(right)
    values, rung = {named[0]: left, named[1]: right}, _rung(a, b, c, d)
    slack, excess = _difference(c, b), _difference(a, d)
    if excess > 0:
        why = why or f"{named[0]} exceeds {named[1]} by {_number(excess)}."
        return Verdict(REFUTED, rung, excess, values, why, f"{named[0]} <= {named[1]}")
    if slack >= 0:
        return Verdict(HOLDS, rung, slack, values, why)
    close = decide_equal(left, right, named=named, why=why)
    return close if close.outcome is HOLDS else Verdict(INCONCLUSIVE, rung, None, values, close.why)


def decide_less(left: Any, right: Any, *, named: Sequence[str] = ("left", "right"), why: str = "") -> Verdict:
    """Decide left < right; equality refutes where both are exact, and overlap is inconclusive otherwise."""
    (a, b), (c, d) = _ends(left), _ends(right)
    values, rung = {named[0]: left, named[1]: right}, _rung(a, b, c, d)
    slack, excess = _difference(c, b), _difference(a, d)
    if slack > 0:
        return Verdict(HOLDS, rung, slack, values, why)
    if excess > 0 or (rung is Rung.EXACT and excess >= 0):
        why = why or f"{named[0]} is not below {named[1]}."
        return Verdict(REFUTED, rung, excess, values, why, f"{named[0]} < {named[1]}")
    return Verdict(INCONCLUSIVE, rung, None, values, "the enclosures overlap")


def all_of(*verdicts: Verdict) -> Verdict:
    """The conjunction: refuted by the first refuted part, vacuous only if every part is.

    Its rung is the weakest and its margin the least of the parts'.
    """
    counted = [v for v in verdicts if v.outcome is not VACUOUS]
    if not counted:
        return verdicts[0] if verdicts else vacuous("nothing to decide")
    for outcome in (REFUTED, INCONCLUSIVE):
        for verdict in counted:
            if verdict.outcome is outcome:
                return verdict
    margins = [v.margin for v in counted if v.margin is not None]
    values = {name: value for v in counted for name, value in v.values.items()}
    return Verdict(
        HOLDS,
        max(v.rung for v in counted),
        min(margins, key=_sortable) if margins else None,
        values,
        counted[0].why,
    )


def _sortable(number: Number) -> float:
    try:
        return float(number.mid()) if isinstance(number, arb) else float(Fraction(str(number)))
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def _number(number: Any) -> str:
    """A number for a sentence: rationals in full, balls to a few digits."""
    return number.str(8, radius=False) if isinstance(number, arb) else str(number)


Conclusion = Callable[[Any], Verdict]


@dataclass(frozen=True)
class Paper:
    """One source: ``key`` is what claims are named after (``KB19``)."""

    key: str
    title: str


@dataclass(frozen=True)
class Variant:
    """One way a claim is put on trial: what is drawn, what is decided, what must come out.

    ``needs`` effective instances (premises hold, conclusion decided or inconclusive) make a run count;
    ``examples`` is the budget of drawn instances in the quick profile (a search for a refutation ends when
    it is found, so it may be generous); ``reaches`` names the degenerate
    classes that must occur among the effective instances; ``recheck`` re-decides a refutation from the
    instance's JSON with Python's standard library alone: a function, or ``functools.partial`` of one with
    keyword arguments that ``repr`` can write.
    """

    name: str
    expected: Outcome
    draws: SearchStrategy[Any]
    conclude: Conclusion | None
    sentence: str
    needs: int
    examples: int
    reaches: Mapping[str, Callable[[Any], bool]]
    recheck: Callable[[dict[str, Any]], bool] | None
    note: str
    claim: Claim = field(init=False, repr=False, compare=False)


@dataclass(frozen=True)
class Claim:
    """One checkable sentence of a paper with all its variants."""

    key: str
    where: str
    says: str
    title: str
    assumes: Mapping[str, str]
    equivalent: Mapping[str, str]
    paper: Paper
    variants: tuple[Variant, ...]
    conclude: Conclusion


def _variant(
    name: str,
    expected: Outcome,
    draws: SearchStrategy[Any],
    conclude: Conclusion | None,
    says: str,
    options: dict[str, Any],
) -> Callable[[Any], Any]:
    if not (name.isascii() and name.isprintable()):
        raise ValueError(f"variant name {name!r}: use printable ASCII, it becomes a pytest id")
    if expected not in (HOLDS, REFUTED):
        raise ValueError(f"variant {name!r} expects {expected!r}: say HOLDS or REFUTED")
    if not isinstance(draws, SearchStrategy):
        raise TypeError(
            f"variant {name!r} draws from {draws!r}, which is not a Hypothesis strategy (call it?)"
        )
    known = {"needs", "examples", "reaches", "recheck", "note"}
    if unknown := options.keys() - known:
        raise TypeError(
            f"variant {name!r} has no option {', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}"
        )
    examples = options.get("examples", 100 if expected is HOLDS else 300)
    variant = Variant(
        name=name, expected=expected, draws=draws, conclude=conclude, sentence=says,
        needs=options.get("needs", examples // 2 if expected is HOLDS else 1), examples=examples,
        reaches=dict(options.get("reaches") or {}), recheck=options.get("recheck"),
        note=options.get("note", ""),
    )  # fmt: skip
    if variant.needs > variant.examples:
        raise ValueError(
            f"variant {name!r} needs {variant.needs} effective instances of only {variant.examples} drawn"
        )

    def add(function: Any) -> Any:
        if isinstance(getattr(function, "claim", None), Claim):
            raise TypeError(f"@claim must stand above every variant of {function.__name__}")
        function.__variants__ = (variant, *getattr(function, "__variants__", ()))
        return function

    return add


def printed(expected: Outcome, draws: SearchStrategy[Any], **options: Any) -> Callable[[Any], Any]:
    """The sentence word for word. Options: needs, examples, reaches, recheck, note (see ``Variant``)."""
    return _variant("printed", expected, draws, None, "", options)


def repaired(
    says: str, draws: SearchStrategy[Any], *, conclude: Conclusion | None = None, **options: Any
) -> Callable[[Any], Any]:
    """The corrected sentence ``says`` (LaTeX), where the printed one is false: must hold."""
    return _variant("repaired", HOLDS, draws, conclude, says, options)


def drop(
    assumption: str,
    expected: Outcome,
    draws: SearchStrategy[Any],
    *,
    conclude: Conclusion | None = None,
    says: str = "",
    **options: Any,
) -> Callable[[Any], Any]:
    """An ablation: the same sentence on instances that violate ``assumption``.

    REFUTED shows that the assumption is needed, HOLDS that it is superfluous as far as was tested.
    """
    return _variant(f"drop:{assumption}", expected, draws, conclude, says, options)


def mutant(
    name: str,
    draws: SearchStrategy[Any],
    *,
    conclude: Conclusion | None = None,
    says: str = "",
    **options: Any,
) -> Callable[[Any], Any]:
    """A false neighbour of the claim, named by what it says; the oracle must refute it."""
    return _variant(f"mutant:{name}", REFUTED, draws, conclude, says, options)


def claim(
    key: str,
    *,
    where: str,
    says: str,
    assumes: Mapping[str, str] | None = None,
    equivalent: Mapping[str, str] | None = None,
    paper: Paper | None = None,
) -> Callable[[Any], Any]:
    """Put a sentence of a paper on trial: the outermost decorator, above its variants.

    ``key`` is ``PAPER/name``; ``where`` the place in the paper; ``says`` the statement in LaTeX; ``assumes``
    its named assumptions in LaTeX; ``equivalent`` lists mutants that cannot be killed, with the reason.
    The decorated function takes one instance and returns a ``Verdict``; the first line of its docstring
    is the claim in words.
    """
    if key.count("/") != 1 or not all(key.split("/")) or not key.isascii():
        raise ValueError(f"claim key {key!r}: write PAPER/name, as in KB19/thm1")

    def put(function: Any) -> Any:
        variants: tuple[Variant, ...] = getattr(function, "__variants__", ())
        names = [v.name for v in variants]
        if "printed" not in names:
            raise TypeError(f"{key} has no @printed variant: say what the sentence itself must come to")
        if twice := {n for n in names if names.count(n) > 1}:
            raise TypeError(f"{key} has two variants named {', '.join(sorted(twice))}")
        if missing := [
            n for n in names if n.startswith("drop:") and not _names_an_assumption(n, assumes or {})
        ]:
            raise TypeError(
                f"{key} drops {', '.join(missing)}, which assumes={list(assumes or {})} does not name"
            )
        made = Claim(
            key=key, where=where, says=says,
            title=(function.__doc__ or function.__name__).strip().splitlines()[0],
            assumes=dict(assumes or {}), equivalent=dict(equivalent or {}),
            paper=paper or Paper(key.split("/")[0], ""), variants=variants, conclude=function,
        )  # fmt: skip
        for variant in variants:
            object.__setattr__(variant, "claim", made)

        @pytest.mark.parametrize("variant", variants, ids=names)
        def test(variant: Variant, put_on_trial: Callable[[Variant], None]) -> None:
            put_on_trial(variant)

        test.__name__ = test.__qualname__ = function.__name__
        test.__module__, test.__doc__ = function.__module__, function.__doc__
        test.place_as = function  # type: ignore[attr-defined]  # where pytest says the test stands
        test.claim = made  # type: ignore[attr-defined]
        return test

    return put


def _names_an_assumption(variant_name: str, assumes: Mapping[str, str]) -> bool:
    dropped = variant_name.removeprefix("drop:")
    return any(dropped == name or dropped.startswith(f"{name}: ") for name in assumes)
