"""One counterexample for reading: as text, as MathML, in one line; and the table that ends a run."""

from __future__ import annotations

import contextlib
import json
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from markupsafe import Markup, escape

from reports.cards import Card, cards, verdict_words
from reports.record import Counterexample, Lost, Variant, Violation
from reports.typeset import NUMBER, approximately, matrix, number

__all__ = [
    "Part",
    "asked_for",
    "grounds",
    "instance_html",
    "kind_of",
    "one_line",
    "parts",
    "summary",
    "text",
    "value_html",
]

LARGEST_OPEN = 12
"""Matrices with more rows or columns are folded on the page."""

LONGEST_OPEN = 36
"""Numbers and matrix entries with more characters are folded, with three digits of them outside."""

LONGEST_WORDS = 600
"""Characters of a part in words that are not folded."""


@dataclass(frozen=True)
class Part:
    """A named part of an instance: ``measure.weights``, a matrix; ``loss``, a word; a number; …

    ``of`` is what a matrix is multiplied with, if it is shown as a step of a network.
    """

    name: str
    kind: Literal["matrix", "number", "word", "type", "json"]
    value: Any
    of: str = ""


def kind_of(counterexample: Counterexample | Violation) -> str:
    """What the instance is, as "ResNet"; empty if it is not tagged."""
    found = counterexample.instance
    return str(found["type"]).rpartition(":")[2] if isinstance(found, dict) and "type" in found else ""


def parts(instance: Any) -> tuple[Part, ...]:
    """The instance taken apart into named parts, in its order; nothing is left out and nothing shortened."""
    try:
        return tuple(_parts(instance, ""))
    except RecursionError:
        return (Part("", "json", instance),)


def text(variant: Variant) -> str:
    """The counterexample in full, exactly, as text: claim, instance, values, why, how to decide it again."""
    c = variant.counterexample
    place = f", {variant.where}" if variant.where else ""
    lines = [f"{variant.claim} [{variant.variant}]{place}: {verdict_words(variant)}"]
    lines += _labelled("claim", variant.title, variant.says) + _labelled("variant", variant.sentence)
    lines += [f"  {name}: {says}" for name, says in variant.assumes.items()]
    if c is None:
        return _clean("\n".join([*lines, "", "There is no counterexample."]))
    lines += ["", f"counterexample {c.id}" + (f", a {kind}" if (kind := kind_of(c)) else "")]
    lines += _aligned((p.name, _part_lines(p)) for p in parts(c.instance))
    if c.values:
        lines += [
            "",
            "values that clash",
            *_aligned((k, _part_lines(_value(v))) for k, v in c.values.items()),
        ]
    if c.notation:
        lines += ["", "notation"]
        lines += [line for name, says in c.notation.items() for line in _wrapped(f"{name}: {says}")]
    if why := c.why + asked_for(c):
        lines += ["", "why", *_wrapped(why.strip())]
    if c.checks:
        lines += ["", "what the program below confirms", *_wrapped(c.checks)]
    if c.snippet:
        lines += ["", "decided again by the standard library alone", "", *c.snippet.rstrip("\n").split("\n")]
    if c.reproduce:
        lines += ["", f"in Hypothesis: {c.reproduce}"]
    return _clean("\n".join(lines))


def _wrapped(says: str) -> list[str]:
    return textwrap.wrap(says, 96, initial_indent="  ", subsequent_indent="  ")


def one_line(variant: Variant, *, width: int = 100) -> str:
    """The counterexample in one line of at most ``width`` characters, cut with … where it is longer."""
    if variant.counterexample is None:
        return ""
    # Which types nested parts have, and what is absent, can be left to the full text.
    found = [p for p in parts(variant.counterexample.instance) if p.kind != "type" and p.value != "none"]
    shown = [_clean(f"{p.name} = {_short(p)}" if p.name else _short(p)).replace("\n", " ") for p in found]
    whole = ", ".join(shown)
    if len(whole) <= width:
        return whole
    # Whole parts as long as they fit, so that what is cut is seen to be cut.
    kept: list[str] = []
    while shown and len(", ".join([*kept, shown[0], "…"])) <= width:
        kept.append(shown.pop(0))
    return ", ".join([*kept, "…"]) if kept else whole[: width - 1] + "…"


def instance_html(
    counterexample: Counterexample | Violation, link: Callable[[str], str] | None = None
) -> Markup:
    """The instance as a list of definitions with MathML; matrices too large for a glance are folded.

    ``link`` gives the address of a name's meaning, for words that the counterexample's notation explains.
    """
    explained = counterexample.notation if isinstance(counterexample, Counterexample) and link else {}

    def shown(part: Part) -> Markup:
        words = _html(part)
        if link is None or part.kind not in ("word", "type") or part.value not in explained:
            return words
        return Markup('<a href="{}">{}</a>').format(link(part.value), words)

    found = [
        Markup("<div><dt>{}</dt><dd>{}</dd></div>").format(
            p.name or kind_of(counterexample) or "value", shown(p)
        )
        for p in parts(counterexample.instance)
    ]
    return Markup('<dl class="instance">{}</dl>').format(Markup("").join(found))


def grounds(variant: Variant) -> str:
    """How the refutation is known; and the premises, where no second program says which it confirms.

    Empty for a mutant's.
    """
    if variant.family == "mutant":
        return ""
    how = HOW.get(variant.rung or "", "")
    if variant.counterexample is not None and variant.counterexample.checks:
        freed = [f"“{variant.target}” is dropped."] if variant.family == "drop" else []
        return " ".join([*freed, *([f"Decided {how}."] if how else [])])
    which = f"“{variant.target}” is dropped; the instance" if variant.family == "drop" else "The instance"
    met = "every other premise" if variant.family == "drop" else "every premise of the sentence"
    fails = f", and that the conclusion fails is decided {how}" if how else ""
    return f"{which} meets {met}, by construction or an exact decision{fails}."


def asked_for(counterexample: Counterexample) -> str:
    """A sentence, after a space, of what the conclusion asks of the values; empty if that is unknown."""
    needs = counterexample.needs.replace("<=", "≤").replace(">=", "≥")
    return f" The conclusion needs {needs}." if needs else ""


HOW = {
    "exact": "in rational arithmetic",
    "exact (symbolic)": "by exact algebra on formulas",
    "ball": "by rigorous enclosures",
    "float": "in floating point with a stated error bound",
    "statistical": "on independent seeds, with a stated error",
}


def value_html(value: str) -> Markup:
    """One of the values that clash: numbers and matrices as MathML, anything else as it is."""
    return _html(_value(value))


def summary(variants: Sequence[Variant], lost: Sequence[Lost] = (), *, width: int = 100) -> list[str]:
    """The lines that end a run: a row a claim, what was refuted as printed, what is not as expected."""
    found = cards(variants)
    rows: list[tuple[str, ...]] = [
        ("claim", "printed", "repaired", "mutants", "cases", "rung", "time", "assumptions")
    ]
    rows += [_row(card) for card in found]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    lines = []
    for row in rows:
        cells = [
            c.rjust(w) if i in (3, 4, 6) else c.ljust(w)
            for i, (c, w) in enumerate(zip(row, widths, strict=False))
        ]
        lines.append(_cut("  ".join([*cells, row[-1]]).rstrip(), width))
    refuted = [v for card in found for v in card.family("printed") if v.verdict == "refuted"]
    if refuted:
        lines += ["", "refuted as printed"]
    for v in refuted:
        id = f"  {v.counterexample.id}" if v.counterexample else ""
        lines += [
            _cut(f"  {v.claim}  {v.where}{id}", width),
            f"    {one_line(v, width=max(width - 4, 20))}".rstrip(),
        ]
    odd = [v for card in found for v in card.variants if v.unexpected]
    if odd or lost:
        lines += ["", "not as expected"]
    for v in odd:
        lines.append(f"  {v.claim} [{v.variant}]: {verdict_words(v)}")
        for fault in v.faults:
            message = f"{fault.kind}: {fault.message}"
            lines += textwrap.wrap(message, max(width, 40), initial_indent="    ", subsequent_indent="    ")
    lines += [f"  {x.nodeid}: its worker died while it ran" for x in lost]
    counts = {
        "claim": len(found),
        "variant": len(variants),
        "effective instance": sum(c.effective for c in found),
    }
    count = ", ".join(_count(n, noun) for noun, n in counts.items())
    outcome = f"{len(odd) + len(lost)} not as expected" if odd or lost else "all as expected"
    return [_clean(line) for line in [*lines, "", f"{count}: {outcome}"]]


def _parts(value: Any, name: str) -> Iterator[Part]:
    if isinstance(value, dict) and set(value) == {"loss"} and isinstance(value["loss"], str):
        yield Part(name, "word", value["loss"])
    elif isinstance(value, dict) and set(value) == {"tuple"} and isinstance(value["tuple"], list):
        if not value["tuple"]:
            yield Part(name, "word", "()")
        for i, inner in enumerate(value["tuple"]):
            yield from _parts(inner, f"{name}[{i}]")
    elif (steps := _steps(value)) is not None:
        yield from steps
    elif isinstance(value, dict) and isinstance(value.get("type"), str):
        if name:
            yield Part(name, "type", value["type"].rpartition(":")[2])
        for key, inner in value.items():
            if key != "type":
                yield from _parts(inner, f"{name}.{key}" if name else key)
    elif _is_matrix(value):
        yield Part(name, "matrix", value)
    elif value is None:
        yield Part(name, "word", "none")
    elif isinstance(value, str) or (isinstance(value, (int, float)) and not isinstance(value, bool)):
        written = str(value)
        yield Part(name, "number" if NUMBER.fullmatch(written) else "word", written)
    else:
        yield Part(name, "json", value)


def _steps(value: Any) -> list[Part] | None:
    """A network's computation as equations h₁ = [A | c] (h₀, 1), h₂ = relu(h₁), …; None for anything else."""
    if not isinstance(value, dict) or not str(value.get("type")).endswith(":Computation"):
        return None
    found = []
    try:
        for i, step in enumerate(value["steps"]["tuple"], 1):
            kind, h = step["type"].rpartition(":")[2], f"h{_low(i)}"
            if kind == "Affine":
                rows = [
                    [c if int(k) < 0 else f"θ{_low(int(k) + 1)}" for k, c in zip(ks, cs, strict=True)]
                    for ks, cs in zip(step["places"], step["frozen"], strict=True)
                ]
                found.append(Part(h, "matrix", rows, f" (h{_low(step['source'])}, 1)"))
            elif kind == "Activate":
                names = step["activations"]
                names = names["tuple"] if isinstance(names, dict) else [names]
                shown = [n if isinstance(n, str) else n["activation"] for n in names]
                which = shown[0] if len(set(shown)) == 1 else f"({', '.join(shown)})"
                found.append(Part(h, "word", f"{which}(h{_low(step['source'])})"))
            else:
                left, right = f"h{_low(step['left'])}", f"h{_low(step['right'])}"
                written = {
                    "sum": f"{left} + {right}", "product": f"{left} ⊙ {right}", "join": f"({left}, {right})"
                }  # fmt: skip
                found.append(Part(h, "word", written[step["operation"]]))
    except (KeyError, TypeError, ValueError, AttributeError):
        return None  # written by another version: its JSON says it all
    return [Part("h₀", "word", "a column of X"), *found, Part("output", "word", f"h{_low(len(found))}")]


def _low(number: int) -> str:
    return "".join(chr(0x2080 + int(digit)) for digit in str(int(number)))


def _value(written: str) -> Part:
    """One of the values that clash, which are strings, as what it is."""
    if NUMBER.fullmatch(written):
        return Part("", "number", written)
    if written.startswith("[["):
        with contextlib.suppress(ValueError, RecursionError):
            if _is_matrix(found := json.loads(written)):
                return Part("", "matrix", found)
    return Part("", "word", written)


def _is_matrix(value: Any) -> bool:
    """Whether it is a list of rows, equally long, of numbers or strings."""
    return (
        isinstance(value, list)
        and all(isinstance(row, list) for row in value)
        and len({len(row) for row in value}) <= 1
        and all(isinstance(e, (str, int, float)) and not isinstance(e, bool) for row in value for e in row)
    )


def _shape(rows: list[list[Any]]) -> str:
    return f"{len(rows)} × {len(rows[0]) if rows else 0}"


def _part_lines(part: Part) -> list[str]:
    """A part as lines; a matrix with its columns aligned to the right."""
    if part.kind != "matrix":
        return [json.dumps(part.value, ensure_ascii=False)] if part.kind == "json" else part.value.split("\n")
    rows = [[str(e) for e in row] for row in part.value]
    if not rows or not rows[0]:
        return [f"({_shape(rows)}, without entries)"]
    widths = [max(len(row[j]) for row in rows) for j in range(len(rows[0]))]
    lines = ["[" + "  ".join(e.rjust(w) for e, w in zip(row, widths, strict=True)) + "]" for row in rows]
    return [lines[0] + part.of, *lines[1:]]


def _short(part: Part) -> str:
    if part.kind != "matrix":
        return _part_lines(part)[0]
    return "[" + "; ".join(", ".join(str(e) for e in row) for row in part.value) + "]" + part.of


def _html(part: Part) -> Markup:
    if part.kind == "number":
        return number(part.value) if len(part.value) <= LONGEST_OPEN else _folded_number(part.value)
    if part.kind != "matrix":
        words = "\n".join(_part_lines(part))
        if len(words) <= LONGEST_WORDS:
            return escape(words)
        return _FOLDED.format(f"{words[:60]}… ({len(words)} characters)", words)
    rows = [[str(e) for e in row] for row in part.value]
    if not rows or not rows[0]:
        return escape(_part_lines(part)[0])
    drawn = matrix(rows) + escape(part.of)
    longest = max((len(e) for row in rows for e in row), default=0)
    if max(len(rows), len(rows[0])) <= LARGEST_OPEN and longest <= LONGEST_OPEN:
        return drawn
    entries = f", entries of up to {longest} characters" if longest > LONGEST_OPEN else ""
    return Markup("<details><summary>a {} matrix{}</summary><div class=scroll>{}</div></details>").format(
        _shape(rows), entries, drawn
    )


_FOLDED = Markup("<details><summary>{}</summary><div class=digits>{}</div></details>")


def _folded_number(written: str) -> Markup:
    kind = "a fraction" if "/" in written else "a number"
    return _FOLDED.format(f"{approximately(written)} ({kind} of {len(written)} characters)", written)


def _labelled(label: str, *says: str) -> list[str]:
    return [f"  {label}: {line}" for line in says if line]


def _aligned(named: Iterable[tuple[str, list[str]]]) -> list[str]:
    """``name = first line`` with what follows under the first line, and equal signs under each other."""
    found = list(named)
    wide = max((len(name) for name, _ in found), default=0)
    lines = []
    for name, of_part in found:
        head = f"  {name.ljust(wide)} = " if wide else "  "
        lines += [(head if i == 0 else " " * len(head)) + line for i, line in enumerate(of_part)]
    return lines


def _row(card: Card) -> tuple[str, ...]:
    def verdicts(name: str) -> str:
        return "; ".join(dict.fromkeys(verdict_words(v) for v in card.family(name))) or "–"

    said = [f"{len(names)} {status}" for status in _STATUSES if (names := card.named(status))]
    return (
        card.claim, verdicts("printed"), verdicts("repaired"), f"{card.killed}/{card.mutants}",
        str(card.effective), card.rung or "–", f"{card.seconds:.1f} s", ", ".join(said),
    )  # fmt: skip


_STATUSES = ("needed", "superfluous", "undecided", "untested")


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" + ("" if n == 1 else "s")


def _cut(line: str, width: int) -> str:
    return line if len(line) <= width else line[: width - 1] + "…"


def _clean(shown: str) -> str:
    """Without control characters, which a terminal would obey."""
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", "\ufffd", shown)
