"""Records to one self-contained HTML file: no scripts, no network, the same bytes for the same record."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from reports.cards import Card, cards, readable_margin, verdict_words
from reports.record import Record, Variant, write_atomically
from reports.show import instance_html, kind_of, one_line, value_html
from reports.typeset import typeset

__all__ = ["render", "write_page"]


@dataclass(frozen=True)
class Section:
    """One paper with its claims."""

    key: str
    title: str
    cards: tuple[Card, ...]


def render(record: Record) -> str:
    """The page of a record.

    What is unexpected comes first and in full, then the summary, what was refuted as printed, a table of
    claims for each paper, and the environment. Everything a record holds comes out escaped.
    """
    found = cards(record.variants)
    page = (
        _environment()
        .get_template("page.html")
        .render(
            record=record,
            cards=found,
            sections=_sections(found),
            unexpected=[v for card in found for v in card.variants if v.unexpected],
            refuted=[(card, v) for card in found for v in card.family("printed") if v.verdict == "refuted"],
            superfluous=[
                (card, v)
                for card in found
                for v in card.family("drop")
                if v.verdict == "holds" and not v.unexpected
            ],
            # A counterexample that two shards found has one anchor, at its first place.
            first_of={
                v.counterexample.id: v
                for card in reversed(found)
                for v in reversed(card.variants)
                if v.counterexample
            },
            effective=sum(card.effective for card in found),
        )
    )
    # No parser of HTML accepts these, and a lone surrogate cannot even be encoded.
    return re.sub(
        "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]", "\ufffd", page.strip() + "\n"
    )


def write_page(record: Record, path: str | os.PathLike[str]) -> None:
    """Write the page, whole or not at all. Raises ``RecordError`` if ``path`` cannot be written."""
    write_atomically(path, render(record).encode())


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        typeset=typeset,
        anchor=_anchor,
        link=_link,
        seconds=_seconds,
        grouped=_grouped,
        one_line=one_line,
        instance=instance_html,
        kind=kind_of,
        value=value_html,
        margin=readable_margin,
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


def _colour(variant: Variant) -> str:
    """The class that colours a verdict; the words beside it say the same."""
    if variant.unexpected:
        return "bad"
    return "good" if variant.verdict == "holds" else "found"


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
    """JSON, indented, with one row of a matrix a line."""
    try:
        return "".join(_indented(value, "\n"))
    except RecursionError:
        return json.dumps(value, ensure_ascii=False)


def _indented(value: object, margin: str) -> Iterator[str]:
    inner = margin + "  "
    if isinstance(value, dict) and value:
        for i, (key, of_key) in enumerate(value.items()):
            yield f"{',' if i else '{'}{inner}{json.dumps(key, ensure_ascii=False)}: "
            yield from _indented(of_key, inner)
        yield margin + "}"
    elif isinstance(value, list) and any(isinstance(v, (dict, list)) for v in value):
        for i, of_row in enumerate(value):
            yield f"{',' if i else '['}{inner}"
            yield from _indented(of_row, inner)
        yield margin + "]"
    else:
        yield json.dumps(value, ensure_ascii=False)
