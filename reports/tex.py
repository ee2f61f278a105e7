"""A record as LaTeX for the appendix of a paper: a table for each paper, and what is false as printed.

What is written is ASCII and compiles, whatever the record holds: formulas are taken apart and put together
again from what is known, and what is not known is printed as it was written.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

from reports.cards import Card, cards, readable_margin, verdict_words
from reports.record import Record, Variant
from reports.show import Part, asked_for, kind_of, parts
from reports.typeset import PROSE, WORD

__all__ = ["latex", "math", "text"]

LONGEST = 4000
"""Characters of a formula that are typeset; longer ones are printed as they were written."""

DEEPEST = 20
"""Groups within groups that are typeset."""

LARGEST = (8, 10, 12)
"""Rows, columns and characters of an entry of a matrix that is drawn; larger ones are listed by rows."""

LONGEST_NUMBER = 24
"""Characters of a number that is set as a fraction; longer ones run on, digit by digit, over lines."""

HEAD = r"""% Written by python -m reports. Compiles by itself; or \input it in a document that loads
% amsmath, amssymb, array, booktabs and longtable.
\makeatletter
\ifx\@nodocument\relax
  \def\endoftrials{}
\else
  \documentclass{article}
  \usepackage[margin=2.5cm]{geometry}
  \usepackage{amsmath,amssymb,array,booktabs,longtable}
  \def\endoftrials{\end{document}}
  \begin{document}
\fi
\makeatother
\begingroup\emergencystretch=3em
"""

FOOT = r"""\par\endgroup
\endoftrials
"""

ACCENTS = [
    "bar",
    "tilde",
    "hat",
    "vec",
    "dot",
    "ddot",
    "check",
    "widehat",
    "widetilde",
    "overline",
    "underline",
    "boldsymbol",
]
ALPHABETS = ["mathrm", "mathbf", "mathcal", "mathbb", "mathit", "mathsf", "mathfrak", "operatorname"]
ARGUMENTS = dict.fromkeys([*ACCENTS, *ALPHABETS, "sqrt"], 1) | dict.fromkeys(
    ["frac", "tfrac", "dfrac", "binom", "overset", "underset"], 2
)
"""The macros that take arguments, and how many."""

GREEK = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi "
    "chi psi omega varepsilon vartheta varphi varrho varsigma "
    "Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega"
)
SYMBOLS = frozenset(
    (
        GREEK + " ell partial nabla infty forall exists emptyset varnothing hbar Re Im top bot perp "
        "le leq ge geq ne neq ll gg lt gt in notin ni subset subseteq supset supseteq subsetneq supsetneq "
        "nsubseteq equiv approx sim simeq cong propto prec succ preceq succeq mid nmid parallel models vdash "
        "to mapsto rightarrow leftarrow Rightarrow Leftarrow Leftrightarrow leftrightarrow iff implies "
        "longrightarrow Longrightarrow hookrightarrow uparrow downarrow not "
        "cdot times div pm mp circ ast star otimes oplus odot wedge vee cap cup setminus neg land lor "
        "sum prod int bigcup bigcap bigoplus bigotimes inf sup lim limsup liminf min max arg det dim ker "
        "deg gcd log ln exp sin cos tan sinh cosh tanh Pr dots cdots ldots vdots ddots prime "
        "langle rangle lVert rVert lvert rvert lceil rceil lfloor rfloor lbrace rbrace backslash "
        "quad qquad textstyle displaystyle colon"
    ).split()
)
"""The macros without arguments."""

SPACES = {",", ";", ":", "!", " "}
DELIMITERS = set("()[]|./") | {
    f"\\{name}"
    for name in (
        [
            "{",
            "}",
            "|",
            "langle",
            "rangle",
            "lVert",
            "rVert",
            "lvert",
            "rvert",
            "lceil",
            "rceil",
            "lfloor",
            "rfloor",
        ]
    )
}
SIZES = {size + side for size in ("big", "Big", "bigg", "Bigg") for side in ("", "l", "r", "m")}
GRIDS = {"matrix", "pmatrix", "bmatrix", "vmatrix", "Vmatrix", "cases", "aligned"}

UNICODE = (
    {"α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "ζ": "zeta", "η": "eta"}
    | {"θ": "theta", "ι": "iota", "κ": "kappa", "λ": "lambda", "μ": "mu", "µ": "mu", "ν": "nu", "ξ": "xi"}
    | {"π": "pi", "ρ": "rho", "σ": "sigma", "τ": "tau", "υ": "upsilon", "φ": "phi", "χ": "chi", "ψ": "psi"}
    | {"ω": "omega", "Γ": "Gamma", "Δ": "Delta", "Θ": "Theta", "Λ": "Lambda", "Ξ": "Xi", "Π": "Pi"}
    | {"Σ": "Sigma", "Φ": "Phi", "Ψ": "Psi", "Ω": "Omega", "ϕ": "phi", "ϵ": "epsilon", "∆": "Delta"}
    | {"ℓ": "ell", "∂": "partial", "∇": "nabla", "∞": "infty", "∀": "forall", "∃": "exists", "∅": "emptyset"}
    | {"≤": "le", "≥": "ge", "≠": "ne", "≪": "ll", "≫": "gg", "≡": "equiv", "≈": "approx", "∝": "propto"}
    | {"∈": "in", "∉": "notin", "⊂": "subset", "⊆": "subseteq", "⊇": "supseteq", "⊊": "subsetneq"}
    | {"→": "to", "↦": "mapsto", "⇒": "Rightarrow", "⟹": "Longrightarrow", "⇔": "Leftrightarrow"}
    | {"⟺": "iff", "←": "leftarrow", "↓": "downarrow", "↑": "uparrow", "⊤": "top", "⊥": "perp"}
    | {"·": "cdot", "×": "times", "÷": "div", "±": "pm", "∓": "mp", "∘": "circ", "∗": "ast", "⊗": "otimes"}
    | {"⊕": "oplus", "⊙": "odot", "∩": "cap", "∪": "cup", "∖": "setminus", "∧": "wedge", "∨": "vee"}
    | {"∑": "sum", "∏": "prod", "∫": "int", "⋯": "cdots", "…": "dots", "′": "prime", "¬": "neg"}
    | {"⟨": "langle", "⟩": "rangle", "‖": "|", "√": "surd", "−": "-"}
)
"""What a character is called in mathematics."""

BLACKBOARD = {"ℝ": "R", "ℕ": "N", "ℤ": "Z", "ℚ": "Q", "ℂ": "C", "ℙ": "P", "𝔼": "E"}
UP = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ᵀᵗˡʲⁱⁿᵏ", "0123456789+-=()TtljinK".lower(), strict=True)) | {"ᵀ": "T"}
DOWN = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑᵢⱼₖₗₘₙₚᵣₛₜₓ", "0123456789+-=()aeijklmnprstx", strict=True))
MARKS = {"\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0304": "=", "\u0306": "u"} | {
    "\u0307": ".", "\u0308": '"', "\u030a": "r", "\u030b": "H", "\u030c": "v", "\u0327": "c", "\u0328": "k"
}  # fmt: skip
MATH_MARKS = {"\u0302": "hat", "\u0303": "tilde", "\u0304": "bar", "\u0307": "dot", "\u0308": "ddot"} | {
    "\u0305": "overline", "\u0332": "underline", "\u20d7": "vec"
}  # fmt: skip

SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%",
    "_": r"\_", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}", '"': "''",
}  # fmt: skip

PUNCTUATION = {
    "\u2013": "--", "\u2014": "---", "\u2018": "`", "\u2019": "'", "\u201c": "``", "\u201d": "''",
    "\u00a0": " ", "\u202f": " ", "\u2009": " ", "ß": r"\ss{}", "æ": r"\ae{}", "ø": r"\o{}", "ł": r"\l{}",
    "Æ": r"\AE{}", "Ø": r"\O{}", "Ł": r"\L{}", "§": r"\S{}", "″": r"\ensuremath{''}",
    "\u2044": "/", "½": r"\ensuremath{\tfrac{1}{2}}",
}  # fmt: skip


def latex(record: Record) -> str:
    """The record as LaTeX that compiles, alone and in an appendix: tables, then the counterexamples.

    Programs that decide a counterexample again are left out: ``python -m reports show`` prints them.
    """
    found = cards(record.variants)
    by_paper: dict[str, list[Card]] = {}
    for card in found:
        by_paper.setdefault(card.first.paper, []).append(card)
    lines = [HEAD + r"\section*{Theorems on trial}", *_opening(record, found)]
    for paper, of_paper in by_paper.items():
        lines += _table(paper, of_paper)
    refuted = [v for card in found for v in card.family("printed") if v.verdict == "refuted"]
    if refuted:
        lines.append(r"\subsection*{False as printed}")
        repaired = {v.claim: v for card in found for v in card.family("repaired")}
        for v in refuted:
            lines += _exhibit(v, repaired.get(v.claim))
    return "\n".join(lines) + "\n" + FOOT


def text(source: str) -> str:
    """Text for the text mode of LaTeX, in ASCII; what has no name there is printed as ``[U+4E2D]``."""
    pieces: list[str] = []
    line = 0
    source = re.sub(r"\s+", " ", unicodedata.normalize("NFD", source))
    for match in re.finditer(r"(?s)(.)([\u0300-\u036f\u20d0-\u20ff]*)", source):
        before = source[match.start() - 1 : match.start()]
        # Two hyphens or quotes would become another character.
        if match[1] in "-'`\"" and before in ("-", "'", "`", '"', "?", "!"):
            pieces.append("{}")
        # TeX reads lines of a bounded length, and drops the spaces at their start.
        if match.start() - line >= 100 and match[1] != " ":
            pieces.append("%\n")
            line = match.start()
        pieces.append(_marked(match[1], match[2]))
    return "".join(pieces)


def math(source: str) -> str:
    """A sentence of a record: its formulas typeset as far as they are understood, the rest as text.

    As on the page, ``source`` is LaTeX without dollars, or text, with formulas between dollars if any.
    """
    source = source.strip()
    outside = re.sub(r"\\(text|mathrm|operatorname|textbf|emph)\*?\s*\{[^{}]*\}", "·", source)
    dollars = len(re.findall(r"(?<!\\)\$", outside))
    if dollars and dollars % 2 == 0:
        pieces = re.split(r"(?<!\\)\$", source)
        return "".join(_inline(piece) if i % 2 else text(piece) for i, piece in enumerate(pieces))
    words = re.sub(r"\\(begin|end)\{\w+\*?\}|\\[A-Za-z]+", "·", outside)
    if ("\\" not in source and WORD.search(source)) or PROSE.search(words):
        return text(source)
    return _inline(source)


class _Unknown(Exception):
    """A formula holds something that is not known to compile."""


class _Formula:
    """Takes a formula apart and puts it together again, with every group and argument in braces."""

    TOKEN = re.compile(r"\\[A-Za-z]+|\\.|\s+|.", re.DOTALL)

    def __init__(self, source: str) -> None:
        source = _scripts(source)
        self.tokens = [t for t in self.TOKEN.findall(source) if not t.isspace()]
        # Where white space ends words, as in \text{…}, it is taken from the source itself.
        self.source, self.at, self.depth = source, 0, 0
        self.places = [m.start() for m in self.TOKEN.finditer(source) if not m[0].isspace()] + [len(source)]

    def whole(self) -> str:
        found = self.row(())
        if self.at < len(self.tokens):
            raise _Unknown(self.tokens[self.at])
        return rf"\({found}\)"

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, wanted: str = "") -> str:
        token = self.peek()
        if not token or (wanted and token != wanted):
            raise _Unknown(token)
        self.at += 1
        return token

    def row(self, ends: tuple[str, ...]) -> str:
        """Everything up to one of ``ends``, which is left."""
        self.depth += 1
        if self.depth > DEEPEST:
            raise _Unknown("too deep")
        shown: list[str] = []
        while (token := self.peek()) and token not in ends:
            if token in ("^", "_", "'"):
                shown.append("{}")
            else:
                shown.append(self.atom())
            shown.append(self.its_scripts())
        self.depth -= 1
        return _joined(shown)

    def its_scripts(self) -> str:
        """At most one index below and one above, primes before the latter."""
        below = above = ""
        while (token := self.peek()) in ("^", "_", "'") and token:
            if token == "_":
                if below:
                    raise _Unknown("two indices")
                self.at += 1
                below = "_{" + self.argument() + "}"
                continue
            if above:
                raise _Unknown("two exponents")
            primes = 0
            while self.peek() == "'":
                self.at += 1
                primes += 1
            above = r"\prime " * primes
            if self.peek() == "^":
                self.at += 1
                above += self.argument()
            above = "^{" + above + "}"
        return below + above

    def argument(self) -> str:
        return self.group() if self.peek() == "{" else self.atom()

    def group(self) -> str:
        self.take("{")
        found = self.row(("}",))
        self.take("}")
        return found

    def atom(self) -> str:
        token = self.take()
        if token == "{":
            self.at -= 1
            return "{" + self.group() + "}"
        if token.startswith("\\"):
            return self.macro(token[1:])
        if token in UNICODE:
            return _named(token)
        if token in BLACKBOARD:
            return rf"\mathbb{{{BLACKBOARD[token]}}}"
        if token == "~":
            return r"\ "
        if token.isascii() and token.isprintable() and token not in "\\{}$&#%^_":
            return token
        raise _Unknown(token)

    def macro(self, name: str) -> str:
        if name in SYMBOLS:
            return f"\\{name}"
        if name in SPACES or name in ("{", "}", "|", "_", "%", "&", "#", "$"):
            return f"\\{name}"
        if name in ("text", "textrm", "mbox"):
            words = self.words()
            # A line may break between words only where they stand outside the formula.
            is_outside = self.depth == 1 and self.peek() not in ("^", "_", "'")
            return rf"\){words}\(" if is_outside else rf"\text{{{words}}}"
        if name == "left":
            opening, inner = self.delimiter(), self.row((r"\right",))
            self.take(r"\right")
            return _joined([rf"\left{opening}", inner, rf"\right{self.delimiter()}"])
        if name in SIZES:
            return f"\\{name}" + self.delimiter()
        if name == "begin":
            return self.grid()
        if name in ARGUMENTS:
            star = self.take() if name == "operatorname" and self.peek() == "*" else ""
            root = "[" + self.optional() + "]" if name == "sqrt" and self.peek() == "[" else ""
            return f"\\{name}{star}{root}" + "".join(
                "{" + self.argument() + "}" for _ in range(ARGUMENTS[name])
            )
        raise _Unknown(name)

    def optional(self) -> str:
        self.take("[")
        found = self.row(("]",))
        self.take("]")
        return "{" + found + "}"

    def delimiter(self) -> str:
        token = self.take()
        if token not in DELIMITERS:
            raise _Unknown(token)
        return token

    def name(self) -> str:
        self.take("{")
        found = ""
        while self.peek() != "}":
            found += self.take()
        self.take("}")
        return found

    def grid(self) -> str:
        name = self.name()
        if name not in GRIDS:
            raise _Unknown(name)
        shown = rf"\begin{{{name}}}"
        columns = 1
        while True:
            shown += " {}" + self.row(("&", r"\\", r"\end"))
            token = self.take()
            if token == r"\end":
                break
            columns = columns + 1 if token == "&" else 1
            if columns > 10 or (name == "cases" and columns > 2):
                raise _Unknown("too wide")
            shown += " & " if token == "&" else r" \\ "
        if self.name() != name:
            raise _Unknown(name)
        return shown + rf" \end{{{name}}}"

    def words(self) -> str:
        """The text in braces, with formulas between dollars in it."""
        self.take("{")
        start, depth = self.places[self.at - 1] + 1, 1
        while depth:
            token = self.take()
            depth += (token == "{") - (token == "}")
        inner = self.source[start : self.places[self.at - 1]]
        shown = ""
        for i, piece in enumerate(re.split(r"(?<!\\)\$", inner)):
            if i % 2:
                shown += _Formula(piece).whole()
                continue
            plain = re.sub(r"\\([&%$#_{} ])|~", lambda m: m[1] or " ", piece)
            if "\\" in re.sub(r"\\[&%$#_{} ]", "", piece):
                raise _Unknown(piece)
            shown += text(plain)
        if inner.count("$") - inner.count(r"\$") & 1:
            raise _Unknown("$")
        return shown


def _joined(shown: Sequence[str]) -> str:
    """The pieces of a formula, with a space only where the name of a macro would grow."""
    whole = ""
    for part in shown:
        grows = part[:1].isalpha() and re.search(r"\\[A-Za-z]+$", whole)
        whole += f" {part}" if grows else part
    return whole


def _inline(source: str) -> str:
    if not source.strip():
        return ""
    try:
        if len(source) > LONGEST:
            raise _Unknown("too long")
        return _Formula(source).whole()
    except (_Unknown, RecursionError):
        return _code(source)


def _scripts(source: str) -> str:
    """Raised and lowered characters as what they stand for."""
    for characters, sign in ((UP, "^"), (DOWN, "_")):
        run = f"[{''.join(characters)}]+"
        source = re.sub(run, lambda m: f"{sign}{{{''.join(characters[c] for c in m[0])}}}", source)
    return source


def _named(character: str) -> str:
    name = UNICODE[character]
    return {"|": r"\|", "-": "-", "surd": r"\surd"}.get(name, f"\\{name}")


def _marked(base: str, marks: str) -> str:
    """One character with its accents."""
    shown, is_math = _character(base)
    for mark in marks:
        if not is_math and mark in MARKS and base.isascii() and base.isalpha():
            shown = f"\\{MARKS[mark]}{{{shown}}}"
        elif mark in MATH_MARKS and (is_math or base.isalnum()):
            shown, is_math = f"\\{MATH_MARKS[mark]}{{{shown}}}", True
        else:
            shown = (rf"\ensuremath{{{shown}}}" if is_math else shown) + _numbered(mark)
            is_math = False
    return rf"\ensuremath{{{shown}}}" if is_math else shown


def _character(c: str) -> tuple[str, bool]:
    """The character in LaTeX, and whether it needs the mathematical mode."""
    if c in UNICODE:
        return _named(c), True
    if c in BLACKBOARD:
        return rf"\mathbb{{{BLACKBOARD[c]}}}", True
    if c in UP or c in DOWN:
        return (f"{{}}^{{{UP[c]}}}" if c in UP else f"{{}}_{{{DOWN[c]}}}"), True
    if c in SPECIAL or c in PUNCTUATION:
        return SPECIAL.get(c) or PUNCTUATION[c], False
    if c.isspace():
        return " ", False
    if c.isascii() and c.isprintable():
        return c, False
    plain = unicodedata.normalize("NFKD", c)
    if plain.isascii() and plain.isalnum():
        return plain, False
    return _numbered(c), False


def _numbered(c: str) -> str:
    return rf"\texttt{{[U+{ord(c):04X}]}}"


def _code(source: str) -> str:
    """As it was written, in typewriter, with places where a line may break."""
    pieces = re.split(r"(?<=[/\-_:.,;\\=])|(?<=\d{12})", source)
    return r"\texttt{" + r"\allowbreak{}".join(text(piece) for piece in pieces) + "}"


def _number(written: str) -> str:
    """An exact number, never shortened."""
    found = re.fullmatch(r"(-?)(\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)(?:/(\d+))?", written)
    if found is None:
        return text(written)
    if len(written) > LONGEST_NUMBER:
        return _code(written)
    sign, above, below = found.groups()
    return rf"\({sign}\tfrac{{{above}}}{{{below}}}\)" if below else rf"\({sign}{above}\)"


def _part(part: Part) -> str:
    if part.kind == "number":
        return _number(part.value)
    if part.kind == "json":
        return _code(json.dumps(part.value, ensure_ascii=False))
    if part.kind != "matrix":
        return text(part.value)
    rows = [[str(e) for e in row] for row in part.value]
    if not rows or not rows[0]:
        return f"(a {len(rows)} by {len(rows[0]) if rows else 0} matrix)"
    tallest, widest, longest = LARGEST
    entries = [e for row in rows for e in row]
    small = len(rows) <= tallest and len(rows[0]) <= widest and all(len(e) <= longest for e in entries)
    if small and all(re.fullmatch(r"-?\d+(\.\d+)?(/\d+)?", e) for e in entries):
        body = r" \\ ".join(" & ".join(_number(e)[2:-2] for e in row) for row in rows)
        return rf"\(\begin{{pmatrix}} {body} \end{{pmatrix}}\)"
    listed = (r"\texttt{[}" + " ".join(_code(e) for e in row) + r"\texttt{]}" for row in rows)
    return r"the rows \footnotesize " + ", ".join(listed) + r"\normalsize"


def _opening(record: Record, found: Sequence[Card]) -> Iterator[str]:
    run, variants = record.run, record.variants
    unexpected = sum(v.unexpected for v in variants)
    effective = sum(card.effective for card in found)
    outcome = "All came out as expected." if not unexpected else f"{unexpected} did not come out as expected."
    known = [f"profile {run.profile}", f"seed {run.seed}" if run.seed is not None else "", f"{run.device}"]
    known += [f"commit {run.commit}" if run.commit else ""]
    yield (
        f"{len(variants)} variants of {len(found)} claims were decided on {effective} instances that meet "
        f"their premises ({text(', '.join(k for k in known if k))}). {outcome}"
    )
    for problem in record.problems:
        yield r"\par " + text(problem)


COLUMNS = {
    "Claim": 26, "As printed": 13, "Repaired": 11, "Assumptions": 22, "Mutants killed": 8, "Instances": 9,
    "Margin": 9,
}  # fmt: skip
"""The columns of a table and their widths in hundredths of the line."""


def _table(paper: str, of_paper: Sequence[Card]) -> Iterator[str]:
    titles = [v.paper_title for card in of_paper for v in card.variants if v.paper_title]
    yield rf"\subsection*{{{text(titles[0] if titles else paper)}}}"
    yield r"\begingroup\footnotesize\setlength{\tabcolsep}{3pt}"
    widths = (rf">{{\raggedright\arraybackslash}}p{{0.{w - 1:02}\linewidth}}" for w in COLUMNS.values())
    yield r"\begin{longtable}{@{}" + "".join(widths) + "@{}}"
    head = " & ".join(COLUMNS) + r" \\"
    yield rf"\toprule {head} \midrule \endhead"
    yield r"\bottomrule \endfoot"
    for card in of_paper:
        yield " & ".join(_row(card)) + r" \\"
    yield r"\end{longtable}\endgroup"


def _row(card: Card) -> Iterator[str]:
    def verdicts(family: str) -> str:
        return text("; ".join(dict.fromkeys(verdict_words(v) for v in card.family(family)))) or "--"

    where = next((v.where for v in card.variants if v.where), "")
    yield _code(card.claim) + (rf"\newline {text(where)}" if where else "")
    yield verdicts("printed")
    yield verdicts("repaired")
    said = [
        f"{status}: {text(', '.join(names))}"
        for status in ("needed", "superfluous", "undecided", "untested")
        if (names := card.named(status))
    ]
    yield r"\newline ".join(said) or "--"
    yield f"{card.killed} of {card.mutants}"
    yield f"{card.effective}"
    margin = readable_margin(card.margin)
    approximate = margin.removeprefix("≈ ")
    yield r"\newline ".join(
        part
        for part in (("about " if approximate != margin else "") + _number(approximate), text(card.rung))
        if part
    )


def _exhibit(variant: Variant, repaired: Variant | None) -> Iterator[str]:
    where = f", {text(variant.where)}" if variant.where else ""
    yield rf"\subsubsection*{{{_code(variant.claim)}{where}}}"
    yield _labelled("The sentence.", f"{text(variant.title)} {math(variant.sentence or variant.says)}")
    for name, says in variant.assumes.items():
        yield _labelled(f"Assumption {name}.", math(says))
    c = variant.counterexample
    if c is not None:
        kind = f", a {kind_of(c)}" if kind_of(c) else ""
        yield _labelled("False", f"for {_code(c.id)}{text(kind)}:")
        shown = [p for p in parts(c.instance) if p.kind != "type" and p.value != "none"]
        yield from _equations((p.name or "value", _part(p)) for p in shown)
        if c.values:
            yield _labelled("The values that clash:", "")
            yield from _equations((name, _value(value)) for name, value in c.values.items())
        yield _labelled("Why.", math(c.why + asked_for(c))) if c.why else ""
        if c.checks:
            yield _labelled("Confirmed.", text(c.checks))
        for name, says in c.notation.items():
            yield _labelled(f"{name}:", math(says))
    if variant.unexpected:
        faults = " ".join(fault.message for fault in variant.faults)
        yield _labelled("Not as expected.", text(faults or verdict_words(variant)))
    if repaired is not None:
        says = math(repaired.sentence) or "as corrected in the code"
        yield _labelled("Repaired.", f"{says} ({text(verdict_words(repaired))}).")


def _value(written: str) -> str:
    (found,) = parts(_matrix_or(written)) or (Part("", "word", written),)
    return _part(found)


def _matrix_or(written: str) -> object:
    """The matrix that a value spells, or the value."""
    if not written.startswith("[["):
        return written
    try:
        found = json.loads(written)
    except (ValueError, RecursionError):
        return written
    return found if isinstance(found, list) else written


def _equations(named: Iterable[tuple[str, str]]) -> Iterator[str]:
    yield from (rf"\par\noindent\hspace*{{1em}}{_symbol(name)} \(=\) {shown}" for name, shown in named)


def _labelled(label: str, says: str) -> str:
    return rf"\par\noindent\textbf{{{text(label)}}} {says}"


def _symbol(name: str) -> str:
    """The name of a value as a formula, if it is one: L*_{x,z}, but not measure.weights."""
    starred = re.sub(r"(?<=\w)\*(?=_|$)", "^*", name)
    return text(name) if "." in name or re.search("[A-Za-z]{3}", name) else _inline(starred)
