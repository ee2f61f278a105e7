"""Records to one self-contained HTML file: no network, readable without scripts, the same bytes each time."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reports.cards import Card, cards, readable_margin, verdict_words
from reports.programs import SHARED, Library, Program, shared, taken_apart
from reports.record import Counterexample, Record, Variant, write_atomically
from reports.show import asked_for, grounds, instance_html, kind_of, one_line, value_html
from reports.typeset import number_key, typeset

if TYPE_CHECKING:
    from reports.drawing import Figure
    from reports.history import Comparison, History

__all__ = ["render", "write_page"]

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Section:
    """One paper with its claims."""

    key: str
    title: str
    cards: tuple[Card, ...]

    @property
    def refuted(self) -> tuple[tuple[Card, Variant], ...]:
        """The sentences that are false as printed."""
        return tuple((c, v) for c in self.cards for v in c.family("printed") if v.verdict == "refuted")

    @property
    def repaired(self) -> int:
        """How many of them have a corrected sentence that holds."""
        return sum(any(v.verdict == "holds" for v in c.family("repaired")) for c, _ in self.refuted)

    @property
    def mutants(self) -> int:
        """How many false neighbours were tried."""
        return sum(card.mutants for card in self.cards)

    @property
    def killed(self) -> int:
        """How many of them were refuted."""
        return sum(card.killed for card in self.cards)

    @property
    def effective(self) -> int:
        """Instances that met the premises."""
        return sum(card.effective for card in self.cards)

    @property
    def seconds(self) -> float:
        """Time over all claims."""
        return sum(card.seconds for card in self.cards)

    def printed(self, verdict: str) -> int:
        """How many sentences came to this verdict as they are printed."""
        return sum(v.verdict == verdict for card in self.cards for v in card.family("printed"))

    def assumptions(self, status: str) -> int:
        """How many assumptions have this status."""
        return sum(len(card.named(status)) for card in self.cards)


def render(record: Record, comparison: Comparison | None = None, history: History | None = None) -> str:
    """The page of a record, with what changed since another and how it went over many runs, if given.

    What is unexpected comes first and in full, then the summary, what was refuted as printed, a table of
    claims for each paper, and the environment. Everything a record holds comes out escaped. A script filters,
    sorts and opens deep links; the page's own policy allows this script alone, and no request.
    """
    found = cards(record.variants)
    # What cannot fit is not made first: a page of thousands of variants takes seconds.
    hopeless = 3 if len(record.variants) > 4000 else 0
    apart: dict[str, Program | None] = {}
    for level, largest in enumerate(LARGEST[hopeless:], hopeless):
        page = _render(record, found, level, comparison, history, apart)
        if len(page.encode()) <= largest:
            return page
    return _render(record, found, len(LARGEST), comparison, history, apart)


LEFT_OUT = (
    "",
    "pictures are shown only of what is false as printed, and mutants' instances as far as they fit a line",
    "counterexamples of mutants are shown in one line, and pictures only of what is false as printed",
    "plots are left out, and counterexamples of mutants are shown in one line",
    "plots are left out, and counterexamples that were expected are shown in one line",
)
LARGEST = (2_980_000, 2_980_000, 2_980_000, 9_500_000)
"""Bytes of a page beyond which it is made again with less in it."""


def _render(
    record: Record,
    found: tuple[Card, ...],
    level: int,
    comparison: Comparison | None,
    history: History | None,
    memory: dict[str, Program | None],
) -> str:
    """The page without what ``LEFT_OUT`` says for the level; ``memory`` holds programs taken apart before."""
    style = Markup(_style())
    script = Markup((HERE / "page.js").read_text(encoding="utf-8").replace("SHARED", json.dumps(SHARED)))
    sections = _sections(found)
    # A counterexample that two shards found has one anchor, at its first place.
    first_of = {
        v.counterexample.id: v
        for card in reversed(found)
        for v in reversed(card.variants)
        if v.counterexample
    }

    def detail(v: Variant) -> str:
        """How much of a variant's counterexample is shown: ``line``, ``text`` or ``all``."""
        if v.unexpected:
            return "all"
        if v.family == "mutant":
            return "text" if level < 2 else "line"
        return "all" if level < 4 else "line"

    shown = [v.counterexample for v in first_of.values() if detail(v) != "line" and v.counterexample]
    for c in shown:
        if c.snippet not in memory:
            memory[c.snippet] = taken_apart(c.snippet)
    apart = {c.snippet: p for c in shown if (p := memory[c.snippet])}
    everything = shared(apart.values())
    plain = {
        v.counterexample.snippet
        for v in first_of.values()
        if v.counterexample and (v.unexpected or v.family == "printed")
    }
    library = everything.taken_by(p for text, p in apart.items() if text in plain)

    def program(c: Counterexample) -> str:
        return everything.shortened(apart[c.snippet]) if c.snippet in apart else c.snippet

    packed = {
        _anchor(v.counterexample.id): program(v.counterexample)
        for v in first_of.values()
        if v.counterexample and v.counterexample.snippet and detail(v) == "text"
    }
    notation = {name: says for c in shown for name, says in c.notation.items()}
    environment = _environment()
    environment.filters["program"] = program
    page = (
        environment.get_template("page.html")
        .render(
            record=record,
            comparison=comparison,
            history=history,
            cost=None if history is None else _cost(history),
            style=style,
            script=script,
            policy=_policy(style, script),
            detail=detail,
            level=level,
            left_out=LEFT_OUT[level],
            figures={card.claim: _figures(card) if level < 3 else () for card in found},
            pictures=_pictures(
                v
                for v in first_of.values()
                if level == 0 or (level < 3 and (v.unexpected or v.family == "printed"))
            ),
            cards=found,
            sections=sections,
            unexpected=[v for card in found for v in card.variants if v.unexpected],
            refuted=[pair for section in sections for pair in section.refuted],
            superfluous=[
                (card, v)
                for card in found
                for v in card.family("drop")
                if v.verdict == "holds" and not v.unexpected
            ],
            first_of=first_of,
            library=library.pieces,
            packed=_packed(packed, everything.without(library)) if packed or library != everything else "",
            notation=dict(sorted(notation.items(), key=lambda item: item[0].lower())),
            effective=sum(card.effective for card in found),
        )
    )
    # HTML closes these by itself, and a page has tens of thousands of them.
    page = re.sub(r"</(td|th|tr|dt|dd|li)>\s*", "", page)
    # No parser of HTML accepts these, and a lone surrogate cannot even be encoded.
    return re.sub(
        "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]", "\ufffd", page.strip() + "\n"
    )


def _packed(programs: dict[str, str], library: Library) -> str:
    """What only scripts show, in a tenth of its size: programs by anchor and the pieces of theirs alone."""
    written = json.dumps({"programs": programs, "pieces": dict(library.pieces)}, ensure_ascii=False)
    return base64.b64encode(gzip.compress(written.encode("utf-8", "replace"), mtime=0)).decode()


def _as_text(text: object) -> Markup:
    """Escaped for the inside of an element, where quotes may stay: a page has many of JSON."""
    return Markup(str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))


def _figures(card: Card) -> tuple[Figure, ...]:
    # Imported where needed: a page without pictures is made without their library.
    from reports.plots import figures

    return figures(card)


def _cost(history: History) -> Figure | None:
    from reports.plots import growth

    return growth(history)


def _pictures(refuted: Iterable[Variant]) -> dict[str, Figure]:
    """Pictures by the id of the counterexample; none of mutants, which are many."""
    found: dict[str, Figure] = {}
    for v in refuted:
        from reports.plots import picture

        figure = picture(v) if v.unexpected or v.family != "mutant" else None
        if figure is not None and v.counterexample is not None:
            found[v.counterexample.id] = figure
    return found


def write_page(
    record: Record,
    path: str | os.PathLike[str],
    comparison: Comparison | None = None,
    history: History | None = None,
) -> None:
    """Write the page, whole or not at all. Raises ``RecordError`` if ``path`` cannot be written."""
    write_atomically(path, render(record, comparison, history).encode())


@cache
def _style() -> str:
    """The style sheet with the font of the formulas inside."""
    font = base64.b64encode((HERE / "fonts" / "math.woff2").read_bytes()).decode()
    source = f'url(data:font/woff2;base64,{font}) format("woff2")'
    return f'@font-face {{ font-family: "Trial Math"; src: {source}; }}\n' + (HERE / "page.css").read_text(
        encoding="utf-8"
    )


def _policy(style: str, script: str) -> str:
    """Nothing may be loaded, and nothing runs or dresses the page but what its digest names."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {_digest(script)}",
            f"style-src {_digest(style)}",
            "font-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        typeset=typeset,
        as_text=_as_text,
        anchor=_anchor,
        link=_link,
        seconds=_seconds,
        grouped=_grouped,
        one_line=one_line,
        instance=lambda c: instance_html(c, _meaning),
        meaning=_meaning,
        kind=kind_of,
        value=value_html,
        margin=readable_margin,
        key=number_key,
        counts=_counts,
        grounds=grounds,
        needed=asked_for,
        spark=_spark,
        day=_day,
        verdict=verdict_words,
        colour=_colour,
        pretty=_pretty,
    )
    return environment


def _sections(found: tuple[Card, ...]) -> list[Section]:
    by_paper: dict[str, list[Card]] = {}
    for card in found:
        by_paper.setdefault(card.first.paper, []).append(card)
    return [Section(key, _title(of_paper), tuple(of_paper)) for key, of_paper in by_paper.items()]


def _title(of_paper: list[Card]) -> str:
    return next((v.paper_title for card in of_paper for v in card.variants if v.paper_title), "")


def _anchor(name: str) -> str:
    """An id of the page: HTML allows everything in it but white space."""
    return re.sub(r"\s+", "-", name)


def _link(name: str) -> str:
    return "#" + quote(_anchor(name), safe="/:.", errors="replace")


def _meaning(name: str) -> str:
    return _link(f"notation-{name}")


@dataclass(frozen=True)
class Counts:
    """What the cases of a claim came to that does not count as effective."""

    vacuous: int
    inconclusive: int


def _counts(card: Card) -> Counts:
    return Counts(sum(v.vacuous for v in card.variants), sum(v.inconclusive for v in card.variants))


def _colour(variant: Variant) -> str:
    """The class that colours a verdict; the words beside it say the same."""
    if variant.unexpected:
        return "bad"
    return "good" if variant.verdict == "holds" else "found"


def _day(started: str) -> str:
    """The minute of a time in ISO 8601, which is what a table of runs has room for."""
    return started[:16].replace("T", " ")


def _spark(seconds: Sequence[float]) -> Markup:
    """How a time went over runs, as a line as high as a letter."""
    top = max(seconds, default=0.0) or 1.0
    step = 96 / max(len(seconds) - 1, 1)
    points = " ".join(f"{2 + i * step:.1f},{18 - 16 * s / top:.1f}" for i, s in enumerate(seconds))
    title = f"{_seconds(seconds[0])} at first, {_seconds(seconds[-1])} now" if seconds else "none"
    return Markup(
        '<svg class="spark" viewBox="0 0 100 20" width="100" height="20" role="img"><title>{}</title>'
        '<polyline points="{}" fill="none" stroke="currentColor" stroke-width="1.5"/></svg>'
    ).format(title, points)


def _seconds(seconds: float) -> str:
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02} min"


def _grouped(n: int) -> str:
    """An integer with thin spaces between thousands."""
    return f"{n:,}".replace(",", "\u202f")


def _pretty(value: object) -> str:
    """JSON with one entry of the outermost object a line."""
    if not isinstance(value, dict):
        return _json(value)
    return "{\n" + ",\n".join(f"  {_json(k)}: {_json(v)}" for k, v in value.items()) + "\n}"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
