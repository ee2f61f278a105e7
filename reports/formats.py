"""The same record in other forms: a summary for a pull request, a table of variants, one JSON document."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from reports.cards import Card, cards, verdict_words
from reports.history import Change, Comparison, History, Outcome
from reports.record import Record, Variant
from reports.show import one_line
from reports.tex import latex

__all__ = ["FORMATS", "as_csv", "as_json", "as_markdown", "as_tex"]

MOST = 50
"""Entries of one list of the summary; the rest is counted, for a comment on a pull request is bounded."""

LONGEST = 400
"""Characters of one text of the summary."""


def as_markdown(record: Record, comparison: Comparison | None = None, history: History | None = None) -> str:
    """A summary in GitHub's Markdown: the outcome, what is unexpected, what fell as printed, what changed.

    Nothing in a record can mention anybody, link, format or leave its place; long texts and long lists are
    cut, and say so.
    """
    found = cards(record.variants)
    lines = list(_headline(record, found))
    lines += _listed(
        "Not as expected",
        (f"{_name(v)}: {_prose(_reasons(v))}" for card in found for v in card.variants if v.unexpected),
    )
    lines += _findings(found)
    if comparison is not None:
        lines += _compared(comparison)
    if history is not None:
        lines += _past(history)
    lines += _papers(found)
    return "\n".join(lines).strip() + "\n"


def as_tex(record: Record, comparison: Comparison | None = None, history: History | None = None) -> str:
    """LaTeX for an appendix, see ``reports.tex``; what changed is no part of a paper."""
    return latex(record)


def as_csv(record: Record, comparison: Comparison | None = None, history: History | None = None) -> str:
    """One row a variant after a row of names, as in RFC 4180; the columns are always the same.

    Texts are quoted. One that a spreadsheet would take for a formula has an apostrophe before it; numbers,
    also fractions and negative ones, stand as they are.
    """
    changes = {} if comparison is None else {_key(c.variant): c for c in _all_changes(comparison)}
    trends = () if history is None else history.trends
    seen = {(t.claim, t.variant, t.device): t for trend in trends for t in trend.variants}
    text = io.StringIO()
    writer = csv.DictWriter(
        text, CSV_COLUMNS, restval="", quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n"
    )
    writer.writeheader()
    for v in sorted(record.variants, key=lambda v: v.order):
        row = _row(v)
        if change := changes.get(_key(v)):
            row |= {"change": change.kind, "change_in_words": change.says}
        if past := seen.get(_key(v)):
            row |= {"first_seen": past.first_seen, "last_changed": past.last_changed}
        writer.writerow({name: _cell(value) for name, value in row.items()})
    return text.getvalue()


def as_json(record: Record, comparison: Comparison | None = None, history: History | None = None) -> str:
    """One JSON document in ASCII, a line for each variant; ``variants`` are as in the record.

    Besides them it has what the page derives: ``cards``, and ``comparison`` and ``history`` if asked for.
    """
    found = cards(record.variants)
    parts: dict[str, Any] = {
        "schema": record.run.schema,
        "run": record.run.to_json(),
        "end": None if record.end is None else record.end.to_json(),
        "complete": record.complete,
        "problems": list(record.problems),
        "cards": [_card(card) for card in found],
        "variants": [v.to_json() for v in record.variants],
        "lost": [x.to_json() for x in record.lost],
        "comparison": None if comparison is None else _comparison(comparison),
        "history": None if history is None else _history(history),
    }
    return "{" + ",".join(f"\n{json.dumps(name)}: {_lines(part)}" for name, part in parts.items()) + "\n}\n"


FORMATS: dict[str, Callable[[Record, Comparison | None, History | None], str]] = {
    "md": as_markdown,
    "tex": as_tex,
    "csv": as_csv,
    "json": as_json,
}
"""By the name of ``--format``, which is also the suffix of the file; ``html`` is in ``reports.page``."""


# --- Markdown --------------------------------------------------------------------------------------------


def _headline(record: Record, found: tuple[Card, ...]) -> Iterator[str]:
    run, variants = record.run, record.variants
    odd = sum(v.unexpected for v in variants)
    outcome = f"{odd} of {len(variants)} not as expected" if odd else "all as expected"
    outcome = outcome if variants else "no variant was decided"
    outcome += f", {len(record.lost)} lost" if record.lost else ""
    yield f"## Theorems on trial: {outcome}{'' if record.complete else ' (partial run)'}"
    yield ""
    papers = ", ".join(dict.fromkeys(_code(v.paper) for v in variants))
    counts = {
        "claim": len(found), "variant": len(variants),
        "effective instance": sum(card.effective for card in found),
    }  # fmt: skip
    yield ", ".join(_count(n, noun) for noun, n in counts.items()) + (f" of {papers}" if papers else "") + "."
    known = [f"Profile {_code(run.profile)}", f"seed {run.seed}" if run.seed is not None else ""]
    known += [f"device {_code(run.device)}", f"commit {_code(run.commit)}" if run.commit else ""]
    known += [f"{record.end.seconds:.0f} s" if record.end else ""]
    yield ", ".join(part for part in known if part) + "."
    for problem in record.problems:
        yield f"\n**Partial or doubtful:** {_prose(problem)}"
    yield ""


def _listed(heading: str, entries: Iterable[str]) -> Iterator[str]:
    found = list(entries)
    if found:
        yield f"### {heading} ({len(found)})"
        yield ""
        yield from (f"- {entry}" for entry in found[:MOST])
        yield from [f"- … and {len(found) - MOST} more, on the page"] if len(found) > MOST else []
        yield ""


def _findings(found: tuple[Card, ...]) -> Iterator[str]:
    refuted = [(card, v) for card in found for v in card.family("printed") if v.verdict == "refuted"]
    if not refuted:
        return
    yield f"### False as printed ({len(refuted)})"
    yield ""
    yield "| claim | sentence | smallest counterexample | repaired |"
    yield "|---|---|---|---|"
    for card, v in refuted[:MOST]:
        repaired = "; ".join(
            f"{_code_in_table(r.sentence)} {verdict_words(r)}".strip() for r in card.family("repaired")
        )
        says = _prose(v.title) if v.title else _code_in_table(v.sentence or v.says)
        where = f" {_prose(v.where)}" if v.where else ""
        where += " (not expected)" if v.unexpected else ""
        cells = (
            f"{_code_in_table(v.claim)}{where}",
            says,
            _code_in_table(one_line(v, width=160)),
            repaired or "–",
        )
        yield f"| {' | '.join(cells)} |"
    if len(refuted) > MOST:
        yield f"\n… and {len(refuted) - MOST} more, on the page."
    yield ""


def _compared(comparison: Comparison) -> Iterator[str]:
    runs = ", ".join(
        " ".join(part for part in (_code(r.started), f"({_code(r.commit)})" if r.commit else "") if part)
        for r in comparison.against
    )
    yield f"### Changes since {runs}"
    yield ""
    counts = [f"{len(changes)} {heading.lower()}" for heading, changes in comparison.groups]
    before, now = comparison.seconds
    yield (
        f"{_prose(', '.join(counts)) or 'Nothing changed'}; {comparison.same} the same; "
        f"{before:.0f} s before, now {now:.0f} s."
    )
    yield from (f"\n{_prose(problem)}" for problem in comparison.problems)
    yield from (f"\n{_prose(difference)}" for difference in comparison.differences)
    if comparison.absent:
        names = ", ".join(_code(name) for name in comparison.absent[:MOST])
        more = len(comparison.absent) - MOST
        yield f"\nNot in this run: {names}{f' and {more} more' if more > 0 else ''}."
    yield ""
    for heading, changes in comparison.groups:
        # What only moved with its oracle is many and says little.
        told = [c for c in changes if c.kind != "same verdict" or c.claim_changed]
        quiet = len(changes) - len(told)
        yield f"**{heading}** ({len(changes)})"
        yield ""
        yield from (f"- {_name(c.variant)}: {_prose(c.says)}" for c in told[:MOST])
        if len(told) > MOST:
            yield f"- … and {len(told) - MOST} more, on the page"
        if quiet:
            yield f"- {_count(quiet, 'result')} with another oracle and the same verdict"
        yield ""


def _past(history: History) -> Iterator[str]:
    """The claims whose last change is in the newest run."""
    yield f"### History of {_count(len(history.runs), 'run')}"
    yield ""
    yield from (f"{_prose(problem)}\n" for problem in history.problems)
    newest = history.runs[-1]
    moved = [t for t in history.trends if t.outcomes[-1].run == newest and t.outcomes[-1].changed]
    if not moved:
        yield "No claim changed in the newest run."
    for trend in moved[:MOST]:
        last = trend.outcomes[-1]
        yield (
            f"- {_code(trend.claim)}: {', '.join(last.changed)} changed; {_prose(last.verdict)}; "
            f"first seen {_code(trend.first_seen)}"
        )
    if len(moved) > MOST:
        yield f"- … and {len(moved) - MOST} more, on the page"
    yield ""


def _papers(found: tuple[Card, ...]) -> Iterator[str]:
    by_paper: dict[str, list[Card]] = {}
    for card in found:
        by_paper.setdefault(card.first.paper, []).append(card)
    if not by_paper:
        return
    yield "### Papers"
    yield ""
    yield (
        "| paper | claims | false as printed | not as expected | needed / superfluous / untested "
        "| mutants killed | effective | time |"
    )
    yield "|---|--:|--:|--:|--:|--:|--:|--:|"
    for paper, of_paper in list(by_paper.items())[:MOST]:
        variants = [v for card in of_paper for v in card.variants]
        statuses = [sum(len(c.named(s)) for c in of_paper) for s in ("needed", "superfluous", "untested")]
        cells = (
            _code_in_table(paper), len(of_paper),
            sum(v.family == "printed" and v.verdict == "refuted" for v in variants),
            sum(v.unexpected for v in variants), " / ".join(map(str, statuses)),
            f"{sum(c.killed for c in of_paper)} of {sum(c.mutants for c in of_paper)}",
            sum(c.effective for c in of_paper), f"{sum(c.seconds for c in of_paper):.1f} s",
        )  # fmt: skip
        yield f"| {' | '.join(map(str, cells))} |"
    if len(by_paper) > MOST:
        yield f"\n… and {len(by_paper) - MOST} more, on the page."
    yield ""


def _name(variant: Variant) -> str:
    where = f" ({_prose(variant.where)})" if variant.where else ""
    return f"{_code(variant.claim)} {_code(f'[{variant.variant}]')}{where}"


def _reasons(variant: Variant) -> str:
    return "; ".join(
        [verdict_words(variant), *(f"{fault.kind}: {fault.message}" for fault in variant.faults)]
    )


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" + ("" if n == 1 else "s")


def _one_line(source: str) -> str:
    shown = " ".join(_visible(source).split())
    return shown if len(shown) <= LONGEST else shown[: LONGEST - 1] + "…"


def _visible(source: str) -> str:
    """Without control characters and halves of characters; line ends and tabs stay."""
    return re.sub(
        "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]", "\ufffd", source
    )


def _prose(source: str) -> str:
    """Text as text: nothing in it is Markdown, HTML, a formula, a link, a mention or a reference."""
    shown = re.sub(r"([\\`*_{}\[\]<>|~$&!#])", r"\\\1", _one_line(source))
    # GitHub looks for these when the backslashes are gone: only a space without width keeps them apart.
    return re.sub(r"(@|#|\bGH-)(?=\w)|(:)(?=//)|(www)(?=\.)", "\\g<0>\u200b", shown, flags=re.IGNORECASE)


def _code(source: str) -> str:
    """Text in typewriter, as it is."""
    shown = _one_line(source)
    if not shown:
        return ""
    fence = "`" * (max((len(run) for run in re.findall("`+", shown)), default=0) + 1)
    space = " " if shown[0] == "`" or shown[-1] == "`" else ""
    return f"{fence}{space}{shown}{space}{fence}"


def _code_in_table(source: str) -> str:
    """The same in a table, where a bar would end the cell; one backslash before it is taken away again."""
    return _code(source).replace("|", "\\|")


# --- CSV -------------------------------------------------------------------------------------------------

CSV_COLUMNS = (
    "claim", "variant", "paper", "where", "title", "expected", "verdict", "as_expected", "rung", "cases",
    "effective", "needed", "inconclusive", "vacuous", "least_margin", "greatest_margin", "seconds", "device",
    "counterexample", "faults", "says", "sentence", "note", "oracle", "nodeid", "change", "change_in_words",
    "first_seen", "last_changed",
)  # fmt: skip


def _row(v: Variant) -> dict[str, str | int | float]:
    return {
        "claim": v.claim, "variant": v.variant, "paper": v.paper, "where": v.where, "title": v.title,
        "expected": v.expected, "verdict": v.verdict, "as_expected": str(not v.unexpected).lower(),
        "rung": v.rung or "", "cases": v.cases, "effective": v.effective, "needed": v.needed,
        "inconclusive": v.inconclusive, "vacuous": v.vacuous, "seconds": v.seconds, "device": v.device,
        "least_margin": v.margin.least if v.margin else "",
        "greatest_margin": v.margin.greatest if v.margin else "",
        "counterexample": v.counterexample.id if v.counterexample else "",
        "faults": " ".join(fault.message for fault in v.faults),
        "says": v.says, "sentence": v.sentence, "note": v.note, "oracle": v.oracle, "nodeid": v.nodeid,
    }  # fmt: skip


def _cell(value: str | int | float) -> str | int | float:
    if not isinstance(value, str) or re.fullmatch(r"-?\d+(\.\d+)?([eE][-+]?\d+)?(/\d+)?", value):
        return value
    shown = _visible(value.replace("\r\n", "\n").replace("\r", "\n"))
    return f"'{shown}" if re.match(r"\s*[=+\-@\t\n＝＋－＠|%]", shown) else shown


# --- JSON ------------------------------------------------------------------------------------------------


def _lines(part: Any) -> str:
    """JSON with one line for each entry of a list."""
    if isinstance(part, list) and part:
        return "[" + ",".join(f"\n{_dumped(entry)}" for entry in part) + "\n]"
    return _dumped(part)


def _dumped(part: Any) -> str:
    return json.dumps(part, allow_nan=False)


def _key(variant: Variant) -> tuple[str, str, str]:
    return variant.claim, variant.variant, variant.device


def _all_changes(comparison: Comparison) -> Iterator[Change]:
    for _, changes in comparison.groups:
        yield from changes


def _card(card: Card) -> dict[str, Any]:
    return {
        "claim": card.claim, "paper": card.first.paper,
        "printed": [v.verdict for v in card.family("printed")],
        "repaired": [v.verdict for v in card.family("repaired")],
        "unexpected": sum(v.unexpected for v in card.variants),
        "assumptions": {a.name: a.status for a in card.assumptions},
        "mutants": card.mutants, "killed": card.killed, "effective": card.effective,
        "least_margin": card.margin, "rung": card.rung, "seconds": round(card.seconds, 3),
    }  # fmt: skip


def _comparison(comparison: Comparison) -> dict[str, Any]:
    def change(c: Change) -> dict[str, Any]:
        v = c.variant
        return {
            "claim": v.claim, "variant": v.variant, "device": v.device, "kind": c.kind, "says": c.says,
            "before": c.before.verdict if c.before else None, "after": c.after.verdict if c.after else None,
            "claim_changed": list(c.claim_changed), "oracle_changed": c.oracle_changed,
        }  # fmt: skip

    lists = ("regressions", "news", "mended", "others", "gone", "apart")
    return {
        "against": [run.to_json() for run in comparison.against],
        **{name: [change(c) for c in getattr(comparison, name)] for name in lists},
        "absent": list(comparison.absent), "same": comparison.same,
        "seconds": [round(s, 3) for s in comparison.seconds],
        "differences": list(comparison.differences), "problems": list(comparison.problems),
    }  # fmt: skip


def _history(history: History) -> dict[str, Any]:
    place = {id(run): i for i, run in enumerate(history.runs)}

    def outcomes(found: Iterable[Outcome]) -> list[dict[str, Any]]:
        return [
            {
                "run": place[id(o.run)],
                "verdict": o.verdict,
                "unexpected": o.unexpected,
                "seconds": round(o.seconds, 3),
                "effective": o.effective,
                "changed": list(o.changed),
            }
            for o in found
        ]

    return {
        "runs": [run.to_json() for run in history.runs],
        "claims": [
            {
                "claim": t.claim, "paper": t.paper,
                "first_seen": t.first_seen, "last_changed": t.last_changed,
                "outcomes": outcomes(t.outcomes),
                "variants": [
                    {
                        "variant": v.variant, "device": v.device, "first_seen": v.first_seen,
                        "last_changed": v.last_changed, "outcomes": outcomes(v.outcomes),
                    }
                    for v in t.variants
                ],
            }
            for t in history.trends
        ],
        "problems": list(history.problems),
    }  # fmt: skip
