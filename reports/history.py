"""What changed since earlier records, and how each claim has fared over a folder of them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from reports.cards import RUNGS, cards, verdict_words
from reports.record import Record, RecordError, Run, Variant, read

__all__ = [
    "Change",
    "ChangeKind",
    "Comparison",
    "History",
    "Outcome",
    "Trend",
    "VariantTrend",
    "compare",
    "trend",
]

ChangeKind = Literal["regression", "news", "mended", "other", "gone", "same verdict"]

STATEMENT = ("says", "sentence", "assumes", "expected")
"""The fields that make a claim what it is; a note or a title may be put better without changing it."""

Key = tuple[str, str, str]
"""Claim, variant and device: the same variant on two devices is two results."""


@dataclass(frozen=True)
class Change:
    """What became of one variant.

    ``kind`` is ``regression`` (as expected before, not now), ``news`` (new, or a verdict that was never there
    before), ``mended`` (not as expected before, but now), ``other`` (another unexpected verdict, or one that
    stands on a weaker rung), ``gone``, or ``same verdict`` (set apart only). ``claim_changed`` names what
    differs in the statement; ``oracle_changed`` says how that is known, and is empty where it is not.
    """

    kind: ChangeKind
    before: Variant | None
    after: Variant | None
    since: Run | None
    """The earlier run that ``before`` is from."""
    claim_changed: tuple[str, ...] = ()
    oracle_changed: str = ""

    @property
    def variant(self) -> Variant:
        """The result as it is now; as it was, where it is gone."""
        found = self.after or self.before
        assert found is not None
        return found

    @property
    def apart(self) -> bool:
        """Whether claim or oracle changed, so that the two verdicts are not answers to one question."""
        return bool(self.claim_changed or self.oracle_changed)

    @property
    def says(self) -> str:
        """The change as a sentence without a name, in plain text."""
        if self.before is None:
            return f"new: {verdict_words(self.variant)}."
        was = verdict_words(self.before)
        if self.after is None:
            return f"gone; it was {was}."
        now = verdict_words(self.after)
        if was != now:
            found = f"{was} before, now {now}"
        elif self.before.rung != self.after.rung:
            found = (
                f"{now} as before, but {self.after.rung or 'no rung'}, not {self.before.rung or 'no rung'}"
            )
        else:
            found = f"{now} as before"
        changed = [f"the claim changed ({', '.join(self.claim_changed)})"] if self.claim_changed else []
        changed += [f"the oracle changed ({self.oracle_changed})"] if self.oracle_changed else []
        return "; ".join([found, *changed]) + "."


@dataclass(frozen=True)
class Comparison:
    """A record against earlier ones; each list in the order of collection, worst kinds first.

    ``apart`` holds everything whose claim or oracle changed, whatever its kind. ``differences`` are sentences
    on how the runs differ; ``problems`` are sentences on what cannot be compared. ``same`` counts the rest.
    """

    against: tuple[Run, ...]
    regressions: tuple[Change, ...] = ()
    news: tuple[Change, ...] = ()
    mended: tuple[Change, ...] = ()
    others: tuple[Change, ...] = ()
    gone: tuple[Change, ...] = ()
    apart: tuple[Change, ...] = ()
    absent: tuple[str, ...] = ()
    """Claims of this record's papers that an earlier record has and this one was not asked for."""
    same: int = 0
    seconds: tuple[float, float] = (0.0, 0.0)
    """What the variants that both have took, before and now."""
    differences: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def groups(self) -> tuple[tuple[str, tuple[Change, ...]], ...]:
        """The lists that are not empty with their headings, in the order to read them."""
        named = (
            ("Regressions", self.regressions),
            ("News", self.news),
            ("Mended", self.mended),
            ("Other changes", self.others),
            ("Gone", self.gone),
            ("Set apart: the claim or its oracle changed", self.apart),
        )
        return tuple((heading, changes) for heading, changes in named if changes)


@dataclass(frozen=True)
class Outcome:
    """What one run made of a claim or a variant. ``verdict`` is in words; ``changed`` says what is new of
    ``verdict``, ``claim`` and ``oracle`` since the run before."""

    run: Run
    verdict: str
    unexpected: bool
    seconds: float
    effective: int
    changed: tuple[str, ...] = ()


@dataclass(frozen=True)
class VariantTrend:
    """One variant over the runs that have it, oldest first."""

    claim: str
    variant: str
    device: str
    outcomes: tuple[Outcome, ...]

    @property
    def first_seen(self) -> str:
        """When the first run that has it started, as recorded."""
        return self.outcomes[0].run.started

    @property
    def last_changed(self) -> str:
        """When the last run started in which verdict, claim or oracle were not as in the run before."""
        return _last_changed(self.outcomes)


@dataclass(frozen=True)
class Trend:
    """One claim over the runs that have it, oldest first.

    The verdict of a run is that of the printed sentence, with the repaired one behind it; its time is that of
    all variants.
    """

    claim: str
    paper: str
    outcomes: tuple[Outcome, ...]
    variants: tuple[VariantTrend, ...]

    @property
    def first_seen(self) -> str:
        """When the first run that has it started, as recorded."""
        return self.outcomes[0].run.started

    @property
    def last_changed(self) -> str:
        """When the last run started in which anything of any variant was not as in the run before."""
        return _last_changed(self.outcomes)


@dataclass(frozen=True)
class History:
    """The runs of a folder, oldest first, and every claim over them, in the order of the newest run."""

    runs: tuple[Run, ...] = ()
    trends: tuple[Trend, ...] = ()
    problems: tuple[str, ...] = ()

    def of(self, claim: str) -> Trend | None:
        """The trend of one claim; None if no run has it."""
        return next((trend for trend in self.trends if trend.claim == claim), None)


def compare(record: Record, against: Sequence[Record]) -> Comparison:
    """``record`` against earlier ones: of several, the newest that holds a variant counts for it.

    Shards of one earlier run and several earlier runs are thus given in the same way. Raises ``RecordError``
    if ``against`` is empty.
    """
    if not against:
        raise RecordError("there is nothing to compare with: give at least one earlier record.")
    earlier = sorted(against, key=lambda r: _moment(r.run))
    before: dict[Key, tuple[Variant, Run]] = {}
    for old in earlier:
        before.update({_key(v): (v, old.run) for v in old.variants})
    after = {_key(v): v for v in record.variants}
    found = [_change(record.run, v, *before.get(key, (None, None))) for key, v in after.items()]
    claims, papers = {v.claim for v in record.variants}, {v.paper for v in record.variants}
    missing = [(v, run) for key, (v, run) in before.items() if key not in after]
    gone = [Change("gone", v, None, run) for v, run in missing if v.claim in claims and record.complete]
    known = {v.paper for v, _ in before.values()}
    listed = [c for c in found if c.before or c.variant.unexpected or c.variant.paper in known]
    comparable = [c for c in listed if not c.apart]

    def of_kind(kind: ChangeKind) -> tuple[Change, ...]:
        return tuple(c for c in comparable if c.kind == kind)

    both = [key for key in after if key in before]
    return Comparison(
        against=tuple(old.run for old in earlier),
        regressions=of_kind("regression"),
        # A sentence that falls as printed is what a reader of news looks for.
        news=tuple(sorted(of_kind("news"), key=lambda c: not _is_finding(c.variant))),
        mended=of_kind("mended"),
        others=of_kind("other"),
        gone=tuple(sorted(gone, key=lambda c: (c.variant.order, _key(c.variant)))),
        apart=tuple(sorted((c for c in found if c.apart), key=lambda c: KINDS.index(c.kind))),
        absent=tuple(sorted({v.claim for v, _ in missing if v.claim not in claims and v.paper in papers})),
        same=len(of_kind("same verdict")),
        seconds=(sum(before[key][0].seconds for key in both), sum(after[key].seconds for key in both)),
        differences=(*_differences(record.run, earlier[-1].run), *_new_papers(record.variants, known)),
        problems=tuple(_problems(record, earlier, papers)),
    )


def trend(folder: str | os.PathLike[str], record: Record | None = None) -> History:
    """Every claim over the records ``*.jsonl`` of a folder and, if it is not among them, over ``record``.

    Runs come in the order in which they started. A file that cannot be read, and one that repeats another,
    is left out and named in ``problems``. Raises ``RecordError`` if the folder cannot be read or nothing in
    it can.
    """
    folder = Path(folder)
    runs: dict[str, tuple[str, Record]] = {}
    problems: list[str] = []
    for path in _files(folder):
        try:
            found = read(path)
        except RecordError as error:
            problems.append(f"{error} It was left out of the history; move it out of {folder} to have peace.")
            continue
        name = _identity(found)
        if name in runs:
            problems.append(f"{path} repeats {folder / runs[name][0]} and was left out: remove one of them.")
            continue
        runs[name] = (path.name, _light(found))
    if not runs:
        raise RecordError(f"{folder} holds no record that can be read: {problems[0]}")
    if record is not None:
        runs.setdefault(_identity(record), ("", _light(record)))
    in_order = sorted((r for _, r in runs.values()), key=lambda r: _moment(r.run))
    return History(tuple(r.run for r in in_order), tuple(_trends(in_order)), tuple(problems))


MOST_NEW = 12
"""New papers that are named."""

KINDS: tuple[ChangeKind, ...] = ("regression", "news", "mended", "other", "gone", "same verdict")


def _key(variant: Variant) -> Key:
    return variant.claim, variant.variant, variant.device


def _is_finding(variant: Variant) -> bool:
    return variant.family == "printed" and variant.verdict == "refuted"


def _moment(run: Run) -> tuple[datetime, str]:
    """When a run started, for sorting; a time without a zone counts as UTC, none at all as long ago."""
    try:
        at = datetime.fromisoformat(run.started)
    except ValueError:
        at = datetime.min
    known = at if at.tzinfo else at.replace(tzinfo=UTC)
    return known, json.dumps(run.to_json(), sort_keys=True)


def _change(run: Run, after: Variant, before: Variant | None, since: Run | None) -> Change:
    if before is None or since is None:
        return Change("news", None, after, None)
    kind: ChangeKind = "same verdict"
    if after.unexpected and not before.unexpected:
        kind = "regression"
    elif before.unexpected and not after.unexpected:
        kind = "mended"
    elif before.verdict != after.verdict:
        kind = "other" if after.unexpected else "news"
    elif before.rung and after.rung and RUNGS.index(after.rung) > RUNGS.index(before.rung):
        kind = "other"
    changed = tuple(name for name in STATEMENT if getattr(before, name) != getattr(after, name))
    return Change(kind, before, after, since, changed, _oracle_changed(before, since, after, run, kind))


def _oracle_changed(before: Variant, since: Run, after: Variant, run: Run, kind: ChangeKind) -> str:
    """How it is known that another oracle decided; empty where it is the same or nothing says otherwise."""
    if before.oracle and after.oracle:
        return "" if before.oracle == after.oracle else f"{before.oracle} before, now {after.oracle}"
    if kind == "same verdict":
        return ""
    # Records written before there was a hash: what else tells versions of this project apart.
    name = "loss-landscape-verify"
    versions = since.versions.get(name), run.versions.get(name)
    if versions[0] != versions[1] and None not in versions:
        return f"as far as can be known: version {versions[0]} before, now {versions[1]}"
    if since.commit and run.commit and since.commit != run.commit:
        return f"as far as can be known: commit {since.commit} before, now {run.commit}"
    return ""


def _differences(run: Run, since: Run) -> Iterator[str]:
    """How a run differs from the newest earlier one in what may bear on its results."""
    for name in ("profile", "seed", "device", "commit"):
        old, new = getattr(since, name), getattr(run, name)
        if old != new:
            yield f"{name.capitalize()}: {_or_none(old)} before, now {_or_none(new)}."
    for name in sorted(since.versions.keys() | run.versions.keys()):
        old, new = since.versions.get(name), run.versions.get(name)
        if old != new:
            yield f"Version of {name}: {_or_none(old)} before, now {_or_none(new)}."


def _or_none(value: object) -> str:
    return "none" if value is None else str(value)


def _new_papers(variants: Sequence[Variant], known: set[str]) -> Iterator[str]:
    """A sentence on each paper that no earlier record has: its variants are no list of news."""
    papers = list(dict.fromkeys(v.paper for v in variants if v.paper not in known))
    for paper in papers[:MOST_NEW]:
        found = [v for v in variants if v.paper == paper]
        claims, fallen = len({v.claim for v in found}), sum(map(_is_finding, found))
        yield f"{paper} is new: claims {claims}, variants {len(found)}, false as printed {fallen}."
    if len(papers) > MOST_NEW:
        yield f"Papers that are new besides: {len(papers) - MOST_NEW}."


def _problems(record: Record, earlier: Sequence[Record], papers: set[str]) -> Iterator[str]:
    old = {v.paper for r in earlier for v in r.variants}
    if papers and old and not papers & old:
        yield (
            f"Nothing can be compared: this record is about {', '.join(sorted(papers))}, the earlier about "
            f"{', '.join(sorted(old))}. Give --against a record of the same papers."
        )
    elif elsewhere := sorted(old - papers):
        yield f"The earlier record is also about {', '.join(elsewhere)}, which this one is not."
    if not record.complete:
        yield "This record is of a partial run: what it lacks is not taken for gone."
    for r in earlier:
        if not r.complete:
            yield f"The earlier run of {r.run.started or 'an unknown time'} is partial: news may be old."
        if _moment(r.run)[0] > _moment(record.run)[0]:
            yield (
                f"The run to compare with started later ({r.run.started}) than this one "
                f"({record.run.started}): swap the two records if that is not meant."
            )


def _files(folder: Path) -> list[Path]:
    try:
        found = sorted(path for path in folder.iterdir() if path.suffix == ".jsonl" and path.is_file())
    except FileNotFoundError as error:
        raise RecordError(f"{folder} does not exist: give --history a folder of records.") from error
    except NotADirectoryError as error:
        raise RecordError(f"{folder} is not a folder: give --history the folder that holds it.") from error
    except (OSError, ValueError) as error:
        raise RecordError(f"{folder} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
    if not found:
        raise RecordError(
            f"{folder} holds no record (*.jsonl): `pytest verify --record {folder}/NAME.jsonl` adds one."
        )
    return found


def _identity(record: Record) -> str:
    """The same for two files of one run."""
    lines = [record.run.to_json(), *(v.to_json() for v in record.variants)]
    return hashlib.sha256(json.dumps(lines, sort_keys=True).encode()).hexdigest()


def _light(record: Record) -> Record:
    """Without what a history does not show and hundreds of runs cannot hold in memory."""
    return replace(
        record,
        variants=tuple(
            replace(v, counterexample=None, most_violating=None, curves=()) for v in record.variants
        ),
    )


def _trends(records: Sequence[Record]) -> Iterator[Trend]:
    """Claims in the order of the newest run, then those that only older ones have."""
    of_claim: dict[str, dict[int, tuple[Variant, ...]]] = {}
    for i in reversed(range(len(records))):
        for card in cards(records[i].variants):
            of_claim.setdefault(card.claim, {})[i] = card.variants
    for claim, runs in of_claim.items():
        in_order = [(records[i].run, runs[i]) for i in sorted(runs)]
        variants = tuple(_variant_trends(claim, in_order))
        changed: dict[int, dict[str, None]] = {}
        for of_variant in variants:
            for outcome in of_variant.outcomes:
                changed.setdefault(id(outcome.run), {}).update(dict.fromkeys(outcome.changed))
        outcomes = tuple(
            Outcome(
                run=run,
                verdict=_words(found),
                unexpected=any(v.unexpected for v in found),
                seconds=sum(v.seconds for v in found),
                effective=sum(v.effective for v in found),
                changed=tuple(sorted(changed.get(id(run), ()))),
            )
            for run, found in in_order
        )
        yield Trend(claim, in_order[-1][1][0].paper, outcomes, variants)


def _variant_trends(claim: str, runs: Sequence[tuple[Run, tuple[Variant, ...]]]) -> Iterator[VariantTrend]:
    keys = dict.fromkeys(_key(v) for _, variants in reversed(runs) for v in variants)
    of_key: dict[Key, list[tuple[Run, Variant]]] = {key: [] for key in keys}
    for run, variants in runs:
        for key, v in {_key(v): v for v in variants}.items():
            of_key[key].append((run, v))
    for (_, name, device), found in of_key.items():
        outcomes = []
        for i, (run, v) in enumerate(found):
            changed: tuple[str, ...] = ()
            if i:
                change = _change(run, v, found[i - 1][1], found[i - 1][0])
                moved = verdict_words(found[i - 1][1]) != verdict_words(v)
                flags = {"claim": change.claim_changed, "oracle": change.oracle_changed, "verdict": moved}
                changed = tuple(flag for flag, is_so in flags.items() if is_so)
            outcomes.append(Outcome(run, verdict_words(v), v.unexpected, v.seconds, v.effective, changed))
        yield VariantTrend(claim, name, device, tuple(outcomes))


def _words(variants: Iterable[Variant]) -> str:
    """The verdict on the printed sentence, and on the repaired one if there is one."""
    found = list(variants)
    said: list[str] = []
    for family in ("printed", "repaired"):
        words = "; ".join(dict.fromkeys(verdict_words(v) for v in found if v.family == family))
        said += [words if family == "printed" else f"repaired: {words}"] if words else []
    return ", ".join(said) or "only ablations and mutants"


def _last_changed(outcomes: Sequence[Outcome]) -> str:
    changed = [outcome for outcome in outcomes if outcome.changed]
    return (changed or outcomes[:1])[-1].run.started
