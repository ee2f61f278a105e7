"""A trial: one variant is searched within its budget, counted, shrunk, re-decided and judged."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import json
import math
import re
import signal
import sys
import textwrap
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import CodeType
from typing import Any, cast

from flint import arb, ctx
from hypothesis import HealthCheck, Phase, event, given, seed, settings, target
from hypothesis import strategies as st
from hypothesis.control import current_build_context
from hypothesis.core import reproduction_decorator
from hypothesis.errors import (
    FailedHealthCheck,
    FlakyFailure,
    HypothesisException,
    StopTest,
    Unsatisfiable,
    UnsatisfiedAssumption,
)

from reports import record
from strategies.instance import from_json, to_json
from strategies.losses import LOSSES
from verify.claim import HOLDS, INCONCLUSIVE, REFUTED, VACUOUS, Rung, Variant, Verdict
from verify.curves import Sheet, as_float, collecting
from verify.fingerprint import fingerprint
from verify.notation import notation_of, promise_of
from verify.tyche import Observer

__all__ = [
    "BUDGETS",
    "INCONCLUSIVE_SHARE",
    "Budget",
    "Refuted",
    "broken",
    "function_of",
    "put_on_trial",
    "redecide",
    "snippet_of",
]

INCONCLUSIVE_SHARE = 0.2
"""The largest share of effective instances that may stay undecided before the variant fails."""

SHRINKS = {"printed": 500, "repaired": 500, "drop": 150, "mutant": 50}
"""Cases spent on shrinking, times the effort of the profile; the smallest refuted one seen counts.

What falls as printed is a finding and is shrunk with care; of a mutant it matters that it dies.
"""

DECIDING = "while deciding"
"""How the note starts that names the instance on which a claim's own code raised."""

MORE_TIME = "Raise --time-limit, take a profile with more time, or make one case cheaper"

PRECISION = 128
"""Bits of ball arithmetic at the start of every case: log-losses come out to about 10⁻³⁵."""


@dataclass(frozen=True)
class Budget:
    """How hard to search: ``effort`` multiplies every variant's examples, ``seconds`` caps one variant."""

    name: str
    effort: int
    seconds: float
    remembers: bool
    """Whether failures found earlier are tried first (never in ``quick``: same seed, same report)."""


BUDGETS = {
    "quick": Budget("quick", 1, 60.0, False),
    "thorough": Budget("thorough", 10, 600.0, True),
    "nightly": Budget("nightly", 100, 3600.0, True),
}


class Refuted(AssertionError):
    """An instance on which the claim is false; raised inside the search so that Hypothesis shrinks it."""


class Enough(BaseException):
    """Shrinking has had its share of cases."""


class OutOfTime(BaseException):
    """The clock ran out; not an ``Exception``, so that Hypothesis does not take it for a failure."""


@dataclass
class Tally:
    """What one search has seen so far."""

    effective: int = 0
    inconclusive: int = 0
    vacuous: int = 0
    rejected: int = 0
    rung: Rung | None = None
    classes: Counter[str] = field(default_factory=Counter)
    octaves: Counter[str] = field(default_factory=Counter)
    sheet: Sheet = field(default_factory=Sheet)
    least: tuple[float, Any] | None = None
    greatest: tuple[float, Any] | None = None
    refuted: tuple[Any, Verdict] | None = None
    refuted_size: tuple[int, str] = (0, "")
    worst: tuple[float, Any, Verdict] | None = None
    """The refuted instance with the greatest margin, among those of the search and the shrinking."""
    choices: tuple[Any, ...] = ()
    """What Hypothesis drew for the refuted instance."""
    shrinks: int = 0
    vacuous_why: Counter[str] = field(default_factory=Counter)
    inconclusive_why: Counter[str] = field(default_factory=Counter)
    flaky: bool = False
    """The same instance was decided twice, differently."""
    exhausted: bool = False
    """The strategy has fewer instances than the budget, and all were drawn."""
    out_of_time: bool = False
    trouble: str = ""
    """What Hypothesis has against the strategy."""

    @property
    def cases(self) -> int:
        """All that were drawn, without those of the shrinking."""
        return self.effective + self.vacuous + self.rejected

    def reject(self) -> None:
        """Count one draw that the strategy gave up."""
        self.rejected += self.refuted is None
        self.shrinks += self.refuted is not None

    def violate(self, instance: Any, verdict: Verdict) -> None:
        """Keep a refuted instance if its margin is finite and the greatest yet."""
        if verdict.margin is None or not math.isfinite(key := as_float(verdict.margin)):
            return
        if self.worst is None or key > self.worst[0]:
            self.worst = (key, instance, verdict)

    def count(self, variant: Variant, instance: Any, verdict: Verdict) -> None:
        """Count one case that was drawn before any refutation (what follows is shrinking)."""
        if verdict.outcome is VACUOUS:
            self.vacuous += 1
            self.vacuous_why[verdict.why] += 1
            return
        self.effective += 1
        self.sheet.keep()
        for name, belongs in variant.reaches.items():
            self.classes[name] += bool(belongs(instance))
        if verdict.outcome is INCONCLUSIVE:
            self.inconclusive += 1
            self.inconclusive_why[verdict.why] += 1
            return
        self.rung = verdict.rung if self.rung is None else max(self.rung, verdict.rung)
        if verdict.margin is not None and not math.isnan(key := as_float(verdict.margin)):
            self.octaves[_octave(key)] += 1
            if self.least is None or key < self.least[0]:
                self.least = (key, verdict.margin)
            if self.greatest is None or key > self.greatest[0]:
                self.greatest = (key, verdict.margin)

    @property
    def margin(self) -> record.Margin | None:
        """The least and the greatest margin seen, as text."""
        if self.least is None or self.greatest is None:
            return None
        octaves = {name: self.octaves[name] for name in sorted(self.octaves, key=_place)}
        return record.Margin(
            least=text_of(self.least[1]), greatest=text_of(self.greatest[1]), octaves=octaves
        )


def _octave(rounded: float) -> str:
    """The key under which a margin is counted: k for 2^k <= margin < 2^(k+1), or a word."""
    if rounded == 0:
        return "zero"
    if rounded < 0:
        return "negative"
    return "huge" if rounded == math.inf else str(math.frexp(rounded)[1] - 1)


def _place(octave: str) -> int:
    """Where a key comes in the record: from the least margin to the greatest."""
    return {"negative": -2000, "zero": -1999, "huge": 2000}.get(octave) or int(octave)


def text_of(value: Any) -> str:
    """A value for the record: rationals exactly, balls to 15 digits with their radius, words as they are."""
    if value is None or isinstance(value, str):
        return "none" if value is None else value
    if isinstance(value, arb):
        return str(value.str(15))
    if hasattr(value, "lower") and hasattr(value, "upper"):
        lower, upper = text_of(value.lower), text_of(value.upper)
        return lower if lower == upper else f"between {lower} and {upper}"
    with contextlib.suppress(TypeError):
        written = to_json(value)
        return written if isinstance(written, str) else json.dumps(written)
    return str(value)


@contextlib.contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Raise ``OutOfTime`` after ``seconds``, even inside one endless case; without signals, never.

    A timer that was running (pytest-timeout's) goes on afterwards.
    """
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(_signum: int, _frame: Any) -> None:
        raise OutOfTime

    handler, started = signal.signal(signal.SIGALRM, ring), time.monotonic()
    remaining, _ = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if remaining:
            signal.setitimer(signal.ITIMER_REAL, max(remaining - (time.monotonic() - started), 1e-3))


@st.composite
def _counted(
    draw: st.DrawFn, cases: st.SearchStrategy[_Case], tally: Tally, rejected: Callable[[], None] | None
) -> _Case:
    """``cases``, with a note of those that were rejected by filters or came out too long.

    Hypothesis would tell as much through its observations, which cost more than many a draw.
    """
    try:
        return draw(cases)
    except (UnsatisfiedAssumption, StopTest):
        tally.reject()
        if rejected is not None:
            rejected()
        raise


class _Case:
    """Keeps Hypothesis from spelling out every instance: the record writes the one that matters."""

    __slots__ = ("instance",)

    def __init__(self, instance: Any) -> None:
        self.instance = instance

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What Hypothesis asks before it spells the call that made the object."""
        printer.text("an instance")


def put_on_trial(
    variant: Variant,
    *,
    budget: Budget,
    seed_text: str,
    seconds: float,
    nodeid: str = "",
    observe: Observer | None = None,
) -> record.Variant:
    """Search for a refutation of ``variant`` within the budget and judge the outcome.

    Returns the record of the variant; ``observe`` is told of every case. Exceptions that the claim's code
    raises are not caught, but say on which instance: they are the claim's bugs, not verdicts.
    """
    started, tally = time.perf_counter(), Tally()
    seconds = min(seconds, budget.seconds)
    conclude = variant.conclude or variant.claim.conclude
    shrinks = SHRINKS[variant.name.partition(":")[0]] * budget.effort

    def check(case: _Case) -> None:
        ctx.prec = PRECISION
        instance = case.instance
        tally.sheet.at_hand.clear()
        if tally.refuted is not None:
            tally.shrinks += 1
            if tally.shrinks > shrinks:
                raise Enough
        began = 0.0 if observe is None else time.perf_counter()
        try:
            verdict = conclude(instance)
        except HypothesisException:
            tally.reject()
            if rejected is not None:
                rejected()
            raise
        except Exception as error:
            error.add_note(f"{DECIDING} {instance!r}")
            raise
        if not isinstance(verdict, Verdict):
            raise TypeError(f"{_where(variant)} returned {verdict!r}: return a Verdict, as decide_equal does")
        event("verdict", payload=verdict.outcome.value)
        if observe is not None:
            shrinking, spent = tally.refuted is not None, time.perf_counter() - began
            observe(variant, instance, verdict, shrinking=shrinking, seconds=spent)
        if tally.refuted is None:
            tally.count(variant, instance, verdict)
        if verdict.outcome is REFUTED:
            tally.violate(instance, verdict)
            size = _size(instance)
            if tally.refuted is None or size <= tally.refuted_size:
                tally.refuted, tally.refuted_size = (instance, verdict), size
                tally.choices = current_build_context().data.choices
            raise Refuted(verdict.why)
        steers = variant.expected is REFUTED and verdict.outcome is HOLDS and verdict.margin is not None
        if steers and math.isfinite(distance := as_float(verdict.margin)):
            target(-distance, label="margin")

    def give_up() -> None:
        assert observe is not None
        observe(variant, None, None, shrinking=tally.refuted is not None, seconds=0.0)

    rejected = None if observe is None else give_up
    most = variant.examples * budget.effort
    search = given(case=_counted(variant.draws.map(_Case), tally, rejected))(settings(
        max_examples=most,
        deadline=None,
        database=settings.default.database if budget.remembers and settings.default else None,
        derandomize=False,
        report_multiple_bugs=False,
        print_blob=False,
        phases=[p for p in Phase if p is not Phase.explain],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.nested_given],
    )(check))  # fmt: skip
    inner: Any = search.hypothesis.inner_test  # type: ignore[attr-defined]
    inner._hypothesis_internal_add_digest = nodeid.encode()  # one database key per variant
    digest = hashlib.sha256(f"{seed_text}|{variant.claim.key}|{variant.name}".encode()).digest()
    precision = ctx.prec
    try:
        if seconds <= 0:
            raise OutOfTime
        with _alarm(seconds), collecting(tally.sheet):
            _with_room(seed(int.from_bytes(digest[:8], "big"))(search))
        tally.exhausted = tally.cases < most
    except (Refuted, Enough):
        pass
    except OutOfTime:
        tally.out_of_time = True
    except (FailedHealthCheck, Unsatisfiable) as error:
        tally.trouble = str(error).splitlines()[0]
    except FlakyFailure:
        if tally.refuted is None:
            raise
        tally.flaky = True
    finally:
        ctx.prec = precision
    return _judge(variant, tally, budget=budget, seconds=time.perf_counter() - started, nodeid=nodeid)


def _with_room(call: Callable[[], None]) -> None:
    """``call()``, from a frame so large that it and all it calls share one piece of CPython's stack.

    That stack grows by pieces of 16 kB, and a loop whose calls cross from one to the next allocates and frees
    memory in every round: a tenth of a search's time.
    """
    call()


_with_room.__code__ = _with_room.__code__.replace(co_stacksize=1 << 15)


def _size(instance: Any) -> tuple[int, str]:
    text = json.dumps(to_json(instance))
    return len(text), text


def _judge(variant: Variant, tally: Tally, *, budget: Budget, seconds: float, nodeid: str) -> record.Variant:
    needed = variant.needs
    if variant.expected is HOLDS and not tally.exhausted:  # what has run out of instances cannot give more
        needed *= budget.effort
    verdict: record.Verdict = "holds"
    counterexample: record.Counterexample | None = None
    violation: record.Violation | None = None
    faults: list[record.Fault] = []
    if tally.refuted is not None:
        verdict = "refuted"
        counterexample, faults = _exhibit(variant, tally, *tally.refuted)
        violation = _most_violating(variant, tally, tally.refuted[1])
    elif tally.effective == 0:
        verdict = "not run" if tally.out_of_time else "vacuous"
    elif tally.inconclusive > INCONCLUSIVE_SHARE * tally.effective:
        verdict = "inconclusive"
    faults += _faults(variant, tally, verdict=verdict, needed=needed)
    return record.Variant(
        **_of_claim(variant, nodeid), verdict=verdict, as_expected=not faults, faults=tuple(faults),
        rung=None if tally.rung is None else cast(record.Rung, tally.rung.word),
        cases=tally.cases, effective=tally.effective, needed=needed,
        inconclusive=tally.inconclusive, vacuous=tally.vacuous + tally.rejected,
        classes={name: tally.classes[name] for name in variant.reaches},
        margin=tally.margin, curves=tally.sheet.curves, seconds=round(seconds, 3),
        counterexample=counterexample, most_violating=violation,
    )  # fmt: skip


def _of_claim(variant: Variant, nodeid: str) -> dict[str, Any]:
    """What the record says of a variant before anything was run."""
    claim = variant.claim
    return {
        "claim": claim.key, "paper": claim.paper.key, "paper_title": claim.paper.title, "where": claim.where,
        "says": claim.says, "title": claim.title, "assumes": dict(claim.assumes), "variant": variant.name,
        "sentence": variant.sentence, "expected": variant.expected.value,
        "equivalent_mutants": dict(claim.equivalent), "note": variant.note, "nodeid": nodeid,
        "oracle": fingerprint(variant.conclude or claim.conclude),
    }  # fmt: skip


def broken(variant: Variant, error: BaseException, nodeid: str) -> record.Variant:
    """The record of a variant whose own code, strategy or oracle raised."""
    deciding = "".join(f" ({n})" for n in getattr(error, "__notes__", []) if n.startswith(DECIDING))
    found = f"stopped on an error of its own, {type(error).__name__}: {error}{deciding}"
    message = f"{_where(variant)} {found}. Its own code, its strategy or an oracle is to be mended."
    fault = record.Fault(kind="error", message=message)
    return record.Variant(**_of_claim(variant, nodeid), verdict="error", as_expected=False, faults=(fault,))


def _where(variant: Variant) -> str:
    return f"{variant.claim.key} [{variant.name}]"


def _faults(variant: Variant, tally: Tally, *, verdict: str, needed: int) -> Iterator[record.Fault]:
    """Every reason why this result cannot be accepted, as a sentence with its cause and its cure."""
    too_early = " before the clock ran out" if tally.out_of_time else ""

    def fault(kind: record.FaultKind, found: str, cure: str) -> record.Fault:
        cure = MORE_TIME if too_early else cure
        return record.Fault(kind=kind, message=f"{_where(variant)} {found}. {cure}.")

    if verdict == "refuted":
        if variant.expected is HOLDS:
            assert tally.refuted is not None
            yield fault(
                "unexpected refutation",
                f"was expected to hold and is refuted: {tally.refuted[1].why.rstrip('.')}",
                "Check the counterexample by hand: if it stands, expect REFUTED and add a @repaired variant; "
                "if not, the strategy breaks a premise or the oracle errs",
            )
        return
    if verdict == "not run":
        yield fault("not run", f"decided nothing{too_early}", MORE_TIME)
        return
    if verdict == "vacuous":
        reasons = tally.vacuous_why.most_common(1)
        reason = reasons[0][0] if reasons else tally.trouble or "every draw was rejected"
        yield fault(
            "vacuous",
            f"tested nothing: none of {tally.cases} drawn instances met the premises ({reason})",
            "Draw instances that satisfy them by construction",
        )
        return
    if verdict == "inconclusive":
        yield fault(
            "inconclusive-heavy",
            f"left {tally.inconclusive} of {tally.effective} effective instances undecided, more than "
            f"{INCONCLUSIVE_SHARE:.0%} ({tally.inconclusive_why.most_common(1)[0][0]})",
            "Climb a rung (balls, rationals) or draw instances the oracle can decide",
        )
    if variant.expected is REFUTED and variant.name.startswith("mutant:"):
        yield fault(
            "mutant survived",
            f"is false and survived {tally.effective} effective instances{too_early}",
            "The oracle is blind to it, the strategy never reaches what refutes it, or it is equivalent "
            "to the claim and belongs under equivalent= with the reason",
        )
    elif variant.expected is REFUTED:
        yield fault(
            "refutation not found",
            f"was expected to be refuted and survived {tally.effective} effective instances{too_early}",
            "Raise examples=, aim the strategy at the structure of a counterexample, or expect HOLDS",
        )
    elif tally.effective < needed or tally.trouble:
        yield fault(
            "thin",
            f"has {tally.effective} effective instances of the {needed} it needs ({tally.vacuous} vacuous, "
            f"{tally.rejected} rejected by filters{tally.trouble and '; '}{tally.trouble}){too_early}",
            "State needs= for a strategy that has no more instances"
            if tally.exhausted
            else "Draw fewer instances that break the premises, or raise examples=",
        )
    else:
        for name in variant.reaches:
            if not tally.classes[name]:
                yield fault(
                    "class never reached",
                    f"never reached its class {name!r} in {tally.effective} effective instances{too_early}",
                    "Draw it by construction",
                )


def _exhibit(
    variant: Variant, tally: Tally, instance: Any, verdict: Verdict
) -> tuple[record.Counterexample, list[record.Fault]]:
    """The counterexample for the record, and what a second decision from its JSON alone has against it."""
    written = to_json(instance)
    name = hashlib.sha256(json.dumps([variant.claim.key, variant.name, written]).encode()).hexdigest()[:6]
    snippet = snippet_of(variant, written)
    found = record.Counterexample(
        id=f"{variant.claim.key.replace('/', '-')}-{name}", instance=written, snippet=snippet,
        values={k: text_of(v) for k, v in verdict.values.items()}, needs=verdict.needs, why=verdict.why,
        checks=promise_of(function_of(variant.recheck)), notation=notation_of(instance),
        reproduce=reproduction_decorator(tally.choices),
    )  # fmt: skip
    return found, [
        record.Fault(kind="not re-decided", message=f"{_where(variant)}, {found.id}: {doubt}")
        for doubt in _doubts(variant, written, snippet, flaky=tally.flaky)
    ]


def _most_violating(variant: Variant, tally: Tally, smallest: Verdict) -> record.Violation | None:
    """What falls further than the smallest counterexample of a sentence as printed, if anything does."""
    if tally.worst is None or smallest.margin is None or not variant.name.startswith("printed"):
        return None
    key, instance, verdict = tally.worst
    if not key > as_float(smallest.margin):
        return None
    return record.Violation(
        instance=to_json(instance), values={k: text_of(v) for k, v in verdict.values.items()},
        why=verdict.why, margin=text_of(verdict.margin),
    )  # fmt: skip


def _doubts(variant: Variant, written: Any, snippet: str, *, flaky: bool) -> Iterator[str]:
    cure = "The conclusion must depend on the instance alone, and the instance be what its JSON gives back."
    if flaky:
        yield f"decided again in the search, the instance is not refuted. {cure}"
    try:
        again = redecide(variant, written).outcome.value
    except Exception as error:
        again = _stops_on(error)
    if again != REFUTED.value:
        yield f"decided again from its JSON, the counterexample is not refuted but {again}. {cure}"
    if variant.recheck is not None:
        try:
            confirmed, how = _recheck(snippet), "does not confirm the counterexample"
        except Exception as error:
            confirmed, how = False, _stops_on(error)
        if not confirmed:
            yield f"the standard-library recheck {how}. The oracle or the recheck is wrong."


def _stops_on(error: Exception) -> str:
    return f"stops on {type(error).__name__}: {error}"


def snippet_of(variant: Variant, written: Any) -> str:
    """A program that decides the instance again with the standard library alone; empty without a recheck.

    It holds the recheck and what this calls for the instance, directly or not: a reader is spared the rest.
    """
    if variant.recheck is None:
        return ""
    everything = _with_what_it_calls(function_of(variant.recheck))
    called = _called(variant.recheck, json.loads(json.dumps(written)))
    needed = {f for f in everything if called is None or called & _codes_of(f)}
    while True:
        text = _program(variant.recheck, written, [f for f in everything if f in needed], everything)
        try:
            _recheck(text)
        except NameError as error:  # what is named and not called: a class asked for, a function handed on
            if lacking := {f for f in everything if f.__name__ == error.name} - needed:
                needed |= lacking
                continue
        except Exception:
            pass  # said where the counterexample is doubted
        return text


def _program(recheck: Any, written: Any, needed: list[Any], everything: list[Any]) -> str:
    sources = "\n\n".join(textwrap.dedent(inspect.getsource(f)) for f in needed)
    modules = [m for m in ("itertools", "json", "math") if m == "json" or re.search(rf"\b{m}\.", sources)]
    imports = "".join(f"import {m}\n" for m in modules)
    left_out = "# What this instance does not call is left out.\n\n" if len(needed) < len(everything) else ""
    given_too = recheck.keywords if isinstance(recheck, partial) else {}
    arguments = "".join(f", {name}={value!r}" for name, value in given_too.items())
    return (
        f"from __future__ import annotations\n\n{imports}from fractions import Fraction\n\n{sources}\n\n"
        f"{left_out}instance = json.loads({_literal(written)})\n"
        f"refuted = {function_of(recheck).__name__}(instance{arguments})\n"
        "print('still refuted' if refuted else 'not refuted')\n"
    )


def _called(recheck: Any, instance: Any) -> set[CodeType] | None:
    """The code that runs when the instance is decided; None if it stops on an error."""
    seen: set[CodeType] = set()
    before = sys.getprofile()
    sys.setprofile(lambda frame, event, _: seen.add(frame.f_code) if event == "call" else None)
    try:
        recheck(instance)
    except Exception:
        return None
    finally:
        sys.setprofile(before)
    return seen


def _codes_of(found: Any) -> set[CodeType]:
    """The code of a function, or of the methods of a class."""
    methods = vars(found).values() if inspect.isclass(found) else (found,)
    return {method.__code__ for method in methods if inspect.isfunction(method)}


def function_of(recheck: Any) -> Any:
    """The function of a recheck, which may come with arguments: ``partial(value_differs, factor=2)``."""
    return recheck.func if isinstance(recheck, partial) else recheck


def _literal(written: Any) -> str:
    """JSON as a Python string, without escapes where that is safe."""
    text = json.dumps(written, separators=(",", ":"))
    return repr(text) if "'" in text or "\\" in text else f"'{text}'"


def _with_what_it_calls(function: Any) -> list[Any]:
    """The function, after the functions and classes of ours that it calls, directly or not."""
    needed: list[Any] = []

    def names(code: CodeType) -> Iterator[str]:
        yield from code.co_names
        for part in code.co_consts:
            if isinstance(part, CodeType):
                yield from names(part)

    def need(found: Any) -> None:
        methods = vars(found).values() if inspect.isclass(found) else (found,)
        for method in filter(inspect.isfunction, methods):
            for name in names(method.__code__):
                called = method.__globals__.get(name)
                if _is_ours(called, found) and called not in (*needed, *asked):
                    asked.append(called)
                    need(called)
        needed.append(found)

    asked = [function]
    need(function)
    if twice := [n for n, k in Counter(f.__name__ for f in needed).items() if k > 1]:
        raise TypeError(f"{function.__name__} calls two functions named {', '.join(twice)}: rename one")
    return needed


def _is_ours(called: Any, caller: Any) -> bool:
    """Whether it goes into the program: what stands in the caller's file, or among the rechecks."""
    if not (inspect.isfunction(called) or inspect.isclass(called)):
        return False
    return called.__module__ == caller.__module__ or called.__module__.startswith("verify.rechecks.")


def _recheck(snippet: str) -> bool:
    namespace: dict[str, Any] = {"__name__": "recheck", "print": lambda *_: None}
    exec(compile(snippet, "<recheck>", "exec", dont_inherit=True), namespace)
    return bool(namespace["refuted"])


def redecide(variant: Variant, written: Any) -> Verdict:
    """Decide the claim on an instance read from JSON: no Hypothesis, no seed.

    Raises ``CannotBeRead`` when the JSON is not an instance this version knows.
    """
    precision = ctx.prec
    try:
        ctx.prec = PRECISION
        conclude = variant.conclude or variant.claim.conclude
        return conclude(from_json(written, losses_known_to(conclude)))
    finally:
        ctx.prec = precision


def losses_known_to(conclude: Any) -> Mapping[str, Any]:
    """The losses by name that a claim's module can mean: the built-in ones and its own."""
    meant = getattr(conclude, "__globals__", {}).values()
    return LOSSES | {v.name: v for v in meant if hasattr(v, "values_array") and not isinstance(v, type)}
