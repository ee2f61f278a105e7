"""LaTeX and exact numbers as HTML and MathML that cannot carry any markup of their own."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any
from xml.etree.ElementTree import Element

from latex2mathml.converter import convert_to_element
from markupsafe import Markup, escape

__all__ = ["approximately", "matrix", "number", "number_key", "typeset"]

LONGEST = 4000
"""Characters of LaTeX that are typeset; more is shown as it was written."""

CHILDREN = {
    "mfrac": 2,
    "mroot": 2,
    "msub": 2,
    "msup": 2,
    "munder": 2,
    "mover": 2,
    "msubsup": 3,
    "munderover": 3,
}
"""How many children these elements have; any other number is shown as an error by browsers."""

TAGS = CHILDREN.keys() | {
    "mi",
    "mn",
    "mo",
    "mtext",
    "mspace",
    "mrow",
    "msqrt",
    "mstyle",
    "mtable",
    "mtr",
    "mtd",
}
ATTRIBUTES = {"accent", "accentunder", "columnalign", "displaystyle", "fence", "form", "largeop"} | {
    f"{which}{what}" for which in ("l", "r", "row", "column") for what in ("space", "spacing")
}
ATTRIBUTES |= {"linethickness", "maxsize", "minsize", "movablelimits", "scriptlevel", "stretchy", "width"}
"""What may reach the page; not ``href``, ``style``, ``class``: a formula cannot leave its place."""

VARIANTS = {"bold": "BOLD", "script": "SCRIPT", "fraktur": "FRAKTUR", "double-struck": "DOUBLE-STRUCK"}
"""``mathvariant`` is not drawn by today's browsers, the letters of these names are."""

NUMBER = re.compile(r"(-?)(\d+(?:\.\d+)?)(?:[eE]([-+]?\d{1,6}))?(?:/(\d+))?", re.ASCII)
"""A number of a record: sign, digits, power of ten, denominator."""

LIMITS = {"min", "max", "inf", "sup", "lim"}
RELATIONS = {"=", "≤", "≥", "<", ">", "∈", "⊆", "≠", "∀"}
DIGITS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
"""Subscripts that most fonts of mathematics lack."""
PRIMES = frozenset("′″‴")
ACCENTS = frozenset("‾_~˜^ˆ˙¨→")
ARROWS = {"⟹", "⇒", "⟺", "⇔", "⟸", "→"}
WORD = re.compile(r"[A-Za-z]{3,}|\b[A-Za-z]{2,}[,;:.]?\s+[A-Za-z]{2,}")
PROSE = re.compile(r"\b[A-Za-z]{2,}[,;:.]?\s+[A-Za-z]{2,}")


class _Unprintable(Exception):
    """A formula cannot be typeset as it should be read."""


@lru_cache(maxsize=4096)
def typeset(source: str, *, display: bool = False) -> Markup:
    """``source`` for the page: formulas as MathML, words as words, what cannot be typeset as it was written.

    ``source`` is LaTeX without dollars, or text, with formulas between dollars if it has any. Long formulas
    come as several pieces between which a line may break. ``display`` sets limits below their operators.
    Never raises, and whatever the source holds comes out escaped.
    """
    source = source.strip()
    if len(source) > LONGEST:
        return _as_written(source)
    outside = re.sub(r"\\(text|mathrm|operatorname|textbf|emph)\*?\s*\{[^{}]*\}", "·", source)
    dollars = len(re.findall(r"(?<!\\)\$", outside))
    if dollars and dollars % 2 == 0:
        pieces = re.split(r"(?<!\\)\$", source)
        return Markup("").join(_math(p, display) if i % 2 else escape(p) for i, p in enumerate(pieces))
    words = re.sub(r"\\(begin|end)\{\w+\*?\}|\\[A-Za-z]+", "·", outside)
    if "\\" not in source and WORD.search(source):
        return escape(source)
    if PROSE.search(words):
        return _as_written(source)
    return _math(source, display)


def number(text: str) -> Markup:
    """A number as MathML: a fraction stacked, a minus as a minus; anything else as its escaped text."""
    return Markup("<math>{}</math>").format(_number(text))


def approximately(text: str) -> str:
    """A number string as "≈ 1.23e-45", whatever its size; empty for what is no number."""
    found = NUMBER.fullmatch(text)
    if found is None:
        return ""
    sign, above, power, below = found.groups()
    (a, p), (b, q) = _scientific(above), _scientific(below or "1")
    if b == 0:
        return ""
    written = f"{a / b:.2e}".partition("e")
    exponent = int(written[2]) + p - q + int(power or 0)
    if a == 0 or -5 <= exponent <= 6:
        return f"≈ {sign}{a / b * 10.0 ** (p - q + int(power or 0)):.3g}"
    return f"≈ {sign}{written[0]}e{exponent:+d}"


def number_key(text: str) -> str:
    """What a column of numbers is sorted by: the number as a float; ``inf`` where there is none."""
    found = re.search(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d{1,6})?(?:/\d+)?", text)
    shown = approximately(found[0]) if found else ""
    return str(float(shown.removeprefix("≈ "))) if shown else "Infinity"


def _scientific(digits: str) -> tuple[float, int]:
    """Digits, with a point perhaps, as a number from 1 to 10 (or 0) and a power of ten."""
    whole, _, rest = digits.partition(".")
    all_digits = (whole + rest).lstrip("0")
    lead = all_digits[:17]
    if not lead:
        return 0.0, 0
    return float(f"{lead[0]}.{lead[1:] or 0}"), len(all_digits) - 1 - len(rest)


def matrix(rows: Sequence[Sequence[str]]) -> Markup:
    """A matrix of number strings as a MathML table in brackets."""
    body = Markup("").join(
        Markup("<mtr>{}</mtr>").format(
            Markup("").join(Markup("<mtd>{}</mtd>").format(_number(e)) for e in row)
        )
        for row in rows
    )
    return Markup("<math><mo>[</mo><mtable>{}</mtable><mo>]</mo></math>").format(body)


def _number(text: str) -> Markup:
    found = NUMBER.fullmatch(text)
    if found is None and (low := re.fullmatch("(\\w)([₀-₉]+)", text)):
        return Markup("<msub><mi>{}</mi><mn>{}</mn></msub>").format(low[1], low[2].translate(DIGITS))
    if found is None:
        return Markup("<mtext>{}</mtext>").format(text)
    sign, above, power, below = found.groups()
    size = Markup("<mn>{}</mn>").format(above + (f"e{power}" if power else ""))
    if below is not None:
        size = Markup("<mfrac>{}<mn>{}</mn></mfrac>").format(size, below)
    return Markup("<mrow><mo>−</mo>{}</mrow>").format(size) if sign else size


def _as_written(source: str) -> Markup:
    return Markup('<code class="latex">{}</code>').format(source)


def _math(source: str, display: bool) -> Markup:
    if not source.strip():
        return Markup("")
    # A macro of one's own can expand without end, and none is needed for one formula.
    if re.search(r"\\(newcommand|renewcommand|def|let)\b", source):
        return _as_written(source)
    try:
        source = re.sub("[₀-₉]+", lambda low: f"_{{{low[0].translate(DIGITS)}}}", source)
        row = convert_to_element(source.replace("<=", r"\le ").replace(">=", r"\ge "))[0]
        return Markup("").join(_flow(list(row), display))
    # The converter raises whatever its parsing runs into.
    except Exception:
        return _as_written(source)


def _flow(children: list[Element], display: bool) -> Iterator[Markup]:
    """The top row as pieces between which a line may break; words of it as words."""
    piece: list[Element] = []
    depth = 0

    def flush() -> Iterator[Markup]:
        if piece:
            style = Markup(' displaystyle="true"') if display else ""
            inner = Markup("").join(_serialise(e) for e in piece)
            yield Markup("<math{}>{}</math>").format(style, inner)
            piece.clear()

    for child in children:
        text, tag = _text(child), _tag(child)
        if depth == 0 and child.tag in ("mtext", "mspace"):
            yield from flush()
            words = text.replace("\xa0", " ") if child.tag == "mtext" else " "
            yield typeset(words) if "$" in words else escape(words)
            continue
        if depth == 0 and tag == "mo" and text in ARROWS:
            yield from flush()
            yield Markup(" ")
        if depth == 0 and tag == "mo" and text in (",", ";") and not piece:
            yield escape(text) + " "  # a line may break before a formula, not before a comma
            continue
        if tag == "mo":
            depth += (text in ("(", "[", "{")) - (text in (")", "]", "}"))
        piece.append(child)
        if depth == 0 and tag == "mo":
            if text in ARROWS or text in (",", ";"):
                yield from flush()
                yield Markup(" ")
            elif text in RELATIONS and sum(1 for e in piece for _ in e.iter()) > 12:
                child.set("form", "infix")
                yield from flush()
                yield Markup("<wbr>")
    yield from flush()


def _text(element: Element) -> str:
    # The converter puts character references into texts, to be resolved after serialising.
    return html.unescape(element.text or "")


def _tag(element: Element) -> str:
    """The tag; an operator for the relations, arrows and colons that the converter takes for identifiers."""
    text = _text(element)
    is_operator = text == ":" or (
        len(text) == 1 and text not in "∞∅⊤⊥" and unicodedata.category(text) == "Sm"
    )
    return "mo" if element.tag == "mi" and is_operator else element.tag


def _serialise(element: Element) -> Markup:
    """The element, known tags and attributes only. Raises ``_Unprintable`` for what would read wrongly."""
    tag, text, children = _tag(element), _text(element), list(element)
    if tag not in TAGS or len(children) != CHILDREN.get(tag, len(children)):
        raise _Unprintable(tag)
    if text.startswith("\\") or (tag == "mi" and text in ("{", "}")):
        raise _Unprintable(text)
    if tag == "msub" and children[0].tag == "mo" and _text(children[0]) in LIMITS:
        tag = "munder"
    if tag in ("msup", "msubsup") and set(_text(children[-1])) & PRIMES and not list(children[-1]):
        # A prime is raised as it is; as a superscript it is too small to be seen.
        base, prime = _serialise(children[0]), Markup("<mi>{}</mi>").format(_text(children[-1]))
        if tag == "msup":
            return Markup("<mrow>{}{}</mrow>").format(base, prime)
        return Markup("<msub><mrow>{}{}</mrow>{}</msub>").format(base, prime, _serialise(children[1]))
    variant = element.get("mathvariant", "")
    if variant in VARIANTS:
        text = "".join(_letter(c, VARIANTS[variant]) for c in text)
    text = text.replace("⧵", "∖")  # the first is missing from most fonts
    if tag in ("mover", "munder") and _text(children[1]) in ("―", "¯", "‾"):
        # The others are drawn as long as a letter, these as long as what they are to cover.
        children[1].text = "‾" if tag == "mover" else "_"
        children[1].set("stretchy", "true")
    if tag == "mo" and text in ("|", "‖", "∥"):
        element.set("stretchy", element.get("stretchy", "false"))
    if tag in ("mover", "munder") and _text(children[1]) in ACCENTS:
        element.set("accent" if tag == "mover" else "accentunder", "true")  # where browsers look for it
    attributes: dict[str, Any] = {
        k: v for k, v in element.attrib.items() if k in ATTRIBUTES and re.fullmatch(r"[\w .%+-]*", v)
    }
    if variant == "normal":
        attributes["mathvariant"] = "normal"
    shown = Markup("").join(Markup(' {}="{}"').format(k, v) for k, v in attributes.items())
    inner = Markup("").join(_serialise(child) for child in children)
    return Markup("<{0}{1}>{2}{3}</{0}>").format(tag, shown, text, inner)


def _letter(character: str, style: str) -> str:
    case = "CAPITAL" if character.isupper() else "SMALL"
    for prefix in ("MATHEMATICAL ", ""):
        try:
            return unicodedata.lookup(f"{prefix}{style} {case} {character}")
        except KeyError:
            continue
    return character
