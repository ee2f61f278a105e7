"""Do the other forms say what the record says, and can nothing in a record break out of them?

After a change of what they show, write ``tests/golden`` anew, and read the difference:
``for f in md tex csv json; do python -m reports tests/golden/verdicts.jsonl --against
tests/golden/before.jsonl -o tests/golden/verdicts.$f; done``, and ``partial.md`` in the same way.
"""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.__main__ import main
from reports.formats import CSV_COLUMNS, FORMATS, as_csv, as_json, as_markdown, as_tex
from reports.history import compare, trend
from reports.record import (
    Counterexample,
    FaultKind,
    Lost,
    Margin,
    Record,
    Rung,
    Variant,
    Verdict,
    read,
)
from reports.tex import math, text

GOLDEN = Path(__file__).parent / "golden"
RECORD, BEFORE = read(GOLDEN / "verdicts.jsonl"), read(GOLDEN / "before.jsonl")
WITH = (RECORD, compare(RECORD, [BEFORE]), trend(GOLDEN, RECORD))
HOSTILE = (
    "=cmd|'/c calc'!A0",
    "@everyone #1 GH-2 https://evil.example www.evil.example a@b.example",
    "<script>alert(1)</script> & <!-- -->",
    "| a | b |\n\n# head\n- item\n```\ncode\n```",
    "[x](javascript:1) ![y](z) **b** `c` ``d`` $e$ ~~f~~",
    r"\input{/etc/passwd} \end{document} \write18{ls} % } { $ \\",
    r"x^a^b \frac{1} \left( \begin{cases} a & b \end{pmatrix}",
    '"quoted", and\r\nover lines\x00\x1b[31m\u202e',
    "Ünïcödé λ ≤ ‖x‖ ² ₁ 𝔼 中文 \u0304 \ud800",
    "x" * 3000 + " --- '' `` ?` !`",
)


def hostile(text: str) -> Record:
    """The golden record with every text of every field replaced."""

    def spoilt(value: Any, name: str = "") -> Any:
        if isinstance(value, str):
            return value if name in ("variant", "expected", "verdict", "rung", "kind", "started") else text
        if isinstance(value, dict):
            return {(k if k in KEYS else k + text): spoilt(v, k) for k, v in value.items()}
        return [spoilt(v, name) for v in value] if isinstance(value, (list, tuple)) else value

    variants = []
    for v in RECORD.variants:
        family, colon, _ = v.variant.partition(":")
        made = Variant.from_json(spoilt(v.to_json()) | {"kind": "variant"})
        variants.append(replace(made, variant=family + colon + (text if colon else "")))
    run = replace(RECORD.run, commit=text, profile=text, device=text, command=text, versions={text: text})
    lost = (Lost(nodeid=text, message=text),)
    return replace(RECORD, run=run, variants=tuple(variants), lost=lost, problems=(text,), complete=False)


KEYS = {
    *(key for v in RECORD.variants for key in v.to_json()),
    *(key for of in (Counterexample, Margin) for key in of.__dataclass_fields__),
    "message", "loss", "type",
}  # fmt: skip


def test_the_golden_record_has_every_kind_of_verdict_and_fault() -> None:
    assert {v.verdict for v in RECORD.variants} == set(get_args(Verdict))
    assert {f.kind for v in RECORD.variants for f in v.faults} == set(get_args(FaultKind))
    assert {v.rung for v in RECORD.variants} == {*get_args(Rung), None}
    assert {v.family for v in RECORD.variants} == {"printed", "repaired", "drop", "mutant"}


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_the_golden_record_comes_out_as_it_did(
    form: str, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    arguments = [GOLDEN / "verdicts.jsonl", "--against", GOLDEN / "before.jsonl", "-o"]
    out = tmp_path / f"out.{form}"
    assert main([*map(str, arguments), str(out)]) == 0
    assert out.read_bytes() == (GOLDEN / f"verdicts.{form}").read_bytes()
    capsysbinary.readouterr()
    assert main([*map(str, arguments), "-", "--format", form]) == 0
    assert capsysbinary.readouterr().out == out.read_bytes()


def test_a_partial_record_says_so_in_every_form() -> None:
    record = read(GOLDEN / "partial.jsonl")
    assert as_markdown(record).encode() == (GOLDEN / "partial.md").read_bytes()
    assert "The run was cut short" in as_tex(record)
    found = json.loads(as_json(record))
    assert (found["complete"], len(found["problems"]), found["end"]) == (False, 2, None)


def test_an_empty_record_has_every_form() -> None:
    record = replace(RECORD, variants=(), lost=())
    assert as_markdown(record).startswith("## Theorems on trial: no variant was decided")
    assert len(list(csv.reader(io.StringIO(as_csv(record))))) == 1
    assert json.loads(as_json(record))["variants"] == []
    assert "0 variants of 0 claims" in as_tex(record)


# --- Markdown --------------------------------------------------------------------------------------------


def test_the_summary_puts_what_is_unexpected_first() -> None:
    shown = as_markdown(*WITH)
    headings = [
        "## ",
        "### Not as expected (9)",
        "### False as printed (2)",
        "### Changes",
        "**Regressions** (2)",
    ]
    place = [shown.index(words) for words in (*headings, "**News** (2)", "### History", "### Papers")]
    assert place == sorted(place)


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_of_a_record_is_markdown(text: str) -> None:
    record = hostile(text)
    shown = as_markdown(record, compare(record, [replace(record, variants=record.variants[:3])]))
    benign = hostile("x")
    plain = as_markdown(benign, compare(benign, [replace(benign, variants=benign.variants[:3])]))
    assert len(shown.splitlines()) == len(plain.splitlines())
    for line in shown.splitlines():
        assert re.match(r"$|##+ |- |\||\*\*|[A-Z0-9…`]", line), line
        assert len(line) < 6000
    for line in (line for line in shown.splitlines() if line.startswith("|")):
        assert len(re.findall(r"(?<!\\)\|", line)) in (5, 9), line
    outside = re.sub(r"(?<!\\)(`+)(?!`).*?(?<!`)\1(?!`)", "", shown)
    assert not re.search(r"(?<!\\)[<&$~!]|[@#](?=\w)|://|www\.|[\x00-\x08\x0b-\x1f\u202e]", outside)


def test_a_summary_is_bounded() -> None:
    (odd,) = [v for v in RECORD.variants if v.variant == "mutant:survives"]
    many = tuple(replace(odd, claim=f"P/{i}", paper=f"P{i}", order=i) for i in range(2000))
    found = tuple(replace(RECORD.variants[0], claim=f"Q/{i}", order=i) for i in range(2000))
    record = replace(RECORD, variants=(*many, *found))
    shown = as_markdown(record, compare(record, [replace(BEFORE, variants=())]))
    assert len(shown) < 65_536  # what a comment on GitHub may have
    assert "- … and 1950 more, on the page" in shown


# --- CSV -------------------------------------------------------------------------------------------------


def test_the_table_reads_back() -> None:
    shown = as_csv(*WITH)
    assert shown.count("\r\n") == len(RECORD.variants) + 1
    rows = list(csv.DictReader(io.StringIO(shown, newline=""), strict=True))
    assert tuple(rows[0]) == CSV_COLUMNS
    for row, v in zip(rows, RECORD.variants, strict=True):
        assert (row["claim"], row["verdict"], row["says"]) == (v.claim, v.verdict, v.says)
        assert (float(row["seconds"]), int(row["effective"])) == (v.seconds, v.effective)
        assert row["as_expected"] == str(not v.unexpected).lower()
    by_change: dict[str, int] = {}
    for row in rows:
        by_change[row["change"]] = by_change.get(row["change"], 0) + 1
    assert by_change == {"regression": 2, "news": 2, "mended": 1, "same verdict": 2, "": 9}
    assert rows[5]["last_changed"] == RECORD.run.started


@pytest.mark.parametrize("text", HOSTILE)
def test_no_cell_is_a_formula(text: str) -> None:
    record = hostile(text)
    shown = as_csv(record)
    shown.encode()
    rows = list(csv.reader(io.StringIO(shown, newline=""), strict=True))
    assert {len(row) for row in rows} == {len(CSV_COLUMNS)}
    assert len(rows) == len(record.variants) + 1
    for cell in (cell for row in rows[1:] for cell in row):
        assert not re.match(r"\s*[=+\-@\t\r|%]", cell) or re.fullmatch(r"-?[\d./eE+-]+", cell), cell
        assert not re.search(r"[\x00-\x08\x0b-\x1f\u202e]", cell)


@pytest.mark.parametrize("number", ["-3/2", "-1", "1e-9", "-0.5", "12345678901234567890/7"])
def test_numbers_are_left_as_they_are(number: str) -> None:
    v = replace(RECORD.variants[0], margin=Margin(least=number, greatest="=1+1"), note="-3/2+1")
    (row,) = csv.DictReader(io.StringIO(as_csv(replace(RECORD, variants=(v,))), newline=""))
    assert (row["least_margin"], row["greatest_margin"], row["note"]) == (number, "'=1+1", "'-3/2+1")


# --- JSON ------------------------------------------------------------------------------------------------


def test_the_document_holds_the_whole_record() -> None:
    shown = as_json(*WITH)
    assert shown.isascii()
    found = json.loads(shown)
    assert [Variant.from_json(v) for v in found["variants"]] == list(RECORD.variants)
    assert found["run"] == RECORD.run.to_json()
    assert [c["claim"] for c in found["cards"]] == list(dict.fromkeys(v.claim for v in RECORD.variants))
    assert len(found["comparison"]["regressions"]) == 2
    assert len(found["history"]["claims"][0]["outcomes"]) == 3
    assert found["history"]["runs"][0]["commit"] == "9e8d7c6"
    assert sum(line.startswith('{"kind": "variant"') for line in shown.splitlines()) == len(RECORD.variants)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_json(text: str) -> None:
    record = hostile(text)
    shown = as_json(record)
    assert shown.isascii()
    assert json.loads(shown)["variants"] == json.loads(json.dumps([v.to_json() for v in record.variants]))


# --- LaTeX -----------------------------------------------------------------------------------------------


def is_balanced(shown: str) -> bool:
    """Whether braces, environments, formulas and ``\\left`` close in order, and all is ASCII."""
    plain = re.sub(r"\\\\|\\[{}]|(?<!\\)%.*", "", shown)
    stack: list[str] = []
    for token in re.findall(r"\\begin\{\w+\}|\\end\{\w+\}|\\left\b|\\right\b|\\[()]|[{}]", plain):
        kind = (
            "{" if token == "}" else token.replace("end", "begin").replace("right", "left").replace(")", "(")
        )
        if token != kind:
            if not stack or stack.pop() != kind:
                return False
        else:
            stack.append(token)
    return not stack and shown.isascii()


BODY = re.compile(r"(?s)\\makeatother\n(.*)\\endoftrials")


@pytest.mark.parametrize("source", HOSTILE)
def test_no_text_of_a_record_is_latex(source: str) -> None:
    shown = as_tex(hostile(source))
    (body,) = BODY.findall(shown)
    assert is_balanced(body)
    assert not re.search(r"\\(input|write|end\{document)", body)
    assert max(len(line) for line in shown.splitlines()) < 100_000  # TeX's buffer has 200 000 bytes


TOKENS = r"""\frac \text \left \right \{ \} { } ^ _ ' x 1 & \\ $ # % ~ \input{a} \sqrt [ ] α ᵀ ₁ 中 \not
\bar \operatorname* ( ) | \| \bigl \theta \end{document} ` - - " < > ? ! \mathbb \limits \lim * \overset
\begin{cases} \end{cases} \begin{pmatrix} \end{pmatrix} \u0304"""
pieces = st.lists(st.sampled_from(TOKENS.split()) | st.text(max_size=2), max_size=9)


@settings(max_examples=300, deadline=None, database=None)
@given(pieces)
def test_whatever_is_written_comes_out_balanced(found: list[str]) -> None:
    source = "".join(found)
    assert is_balanced(math(source))
    assert is_balanced(text(source))


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        (r"L^*_{\{x,z\}} \le 1", r"\(L_{\{x,z\}}^{*}\le1\)"),
        (r"\frac12 x'^2", r"\(\frac{1}{2}x^{\prime 2}\)"),
        (r"\bar\theta_i", r"\(\bar{\theta}_{i}\)"),
        (r"a \text{ if } b", r"\(a\) if \(b\)"),
        (r"x_{\text{if $y$ is}}", r"\(x_{\text{if \(y\) is}}\)"),
        ("x bounded below", "x bounded below"),
        ("at $x = 1/2$ only", r"at \(x=1/2\) only"),
        (r"\left( x \right)^2", r"\(\left(x\right)^{2}\)"),
        ("θ ≥ ‖x‖²", r"\(\theta\ge\|x\|^{2}\)"),
        (r"x^a^b", r"\texttt{x\textasciicircum{}a\textasciicircum{}b}"),
        (r"\unknown{x}", r"\texttt{\textbackslash{}\allowbreak{}unknown\{x\}}"),
    ],
)
def test_formulas_are_put_together_again(source: str, shown: str) -> None:
    assert math(source) == shown


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("50% & more_1", r"50\% \& more\_1"),
        ("Zoë, Poincaré", r"Zo\"{e}, Poincar\'{e}"),
        ("θ̄ and L*", r"\ensuremath{\bar{\theta}} and L*"),
        ("a -- b", "a -{}- b"),
        ("中\x07", r"\texttt{[U+4E2D]}\texttt{[U+0007]}"),
    ],
)
def test_text_is_spelt_in_ascii(source: str, shown: str) -> None:
    assert text(source) == shown


def test_large_numbers_are_never_cut() -> None:
    long, wide = "1" * 90 + "/7", [[str(i) for i in range(30)]]
    exhibit = Counterexample(id="x", instance={"type": "m:T", "a": long, "X": wide, "Y": [["x_1"]]})
    variant = replace(RECORD.variants[0], counterexample=exhibit)
    shown = as_tex(replace(RECORD, variants=(variant,))).replace(r"\allowbreak{}", "").replace("%\n", "")
    assert long in shown
    assert all(rf"\texttt{{{i}}}" in shown for i in range(30))
    assert r"\texttt{x\_1}" in shown


@pytest.mark.skipif(
    shutil.which("pdflatex") is None, reason="pdflatex is not installed (texlive-latex-recommended)"
)
@pytest.mark.parametrize("which", ["golden", "hostile", "appendix"])
def test_it_compiles(which: str, tmp_path: Path) -> None:
    if which == "hostile":
        variants = [v for source in HOSTILE for v in hostile(source).variants]
        shown = as_tex(replace(hostile(HOSTILE[5]), variants=tuple(variants)))
    else:
        shown = as_tex(RECORD)
    (tmp_path / "report.tex").write_text(shown)
    (tmp_path / "appendix.tex").write_text(
        r"\documentclass{article}\usepackage{amsmath,amssymb,array,booktabs,longtable}\begin{document}Before."
        "\n\\input{report}\nAfter.\\end{document}\n"
    )
    name = "appendix.tex" if which == "appendix" else "report.tex"
    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "-no-shell-escape", name]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-3000:]
    assert b"Output written on" in done.stdout


# --- The command -----------------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    for name in ("verdicts", "before", "partial"):
        shutil.copy(GOLDEN / f"{name}.jsonl", tmp_path)
    (tmp_path / "runs").mkdir()
    shutil.copy(GOLDEN / "before.jsonl", tmp_path / "runs")
    (tmp_path / "empty").mkdir()
    (tmp_path / "none.jsonl").write_bytes(b"")
    (tmp_path / "junk.jsonl").write_bytes(b"\x00\xff\n")
    data = (GOLDEN / "verdicts.jsonl").read_bytes()
    (tmp_path / "newer.jsonl").write_bytes(data.replace(b'"schema": ', b'"schema": 99', 1))
    lines = data.split(b"\n")
    (tmp_path / "torn.jsonl").write_bytes(b"\n".join([lines[0], lines[1][:50], *lines[2:]]))
    other = data.replace(b'"paper": "KB19"', b'"paper": "XY1"').replace(b'"paper": "LK17"', b'"paper": "XY2"')
    (tmp_path / "other.jsonl").write_bytes(other.replace(b"KB19/", b"XY1/").replace(b"LK17/", b"XY2/"))
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: main(list(arguments))


@pytest.mark.parametrize(
    ("arguments", "output", "start"),
    [
        ([], "report.html", "<!DOCTYPE html>"),
        (["--format", "md"], "report.md", "## Theorems"),
        (["-o", "a/b.tex"], "a/b.tex", "% Written by"),
        (["-o", "pull.markdown"], "pull.markdown", "## Theorems"),
        (["-o", "r.JSON"], "r.JSON", "{"),
        (["-o", "r.txt", "--format", "csv"], "r.txt", '"claim"'),
        (["-o", "r.txt"], "r.txt", "<!DOCTYPE html>"),
        (["--format", "json", "--against", "before.jsonl", "--history", "runs"], "report.json", "{"),
        (["--against", "before.jsonl", "--history", "runs"], "report.html", "<!DOCTYPE html>"),
    ],
)
def test_the_form_is_what_is_asked_for_or_what_the_output_is_called(
    run: Callable[..., int], arguments: list[str], output: str, start: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("verdicts.jsonl", *arguments) == 0
    assert capsys.readouterr().out == f"{output}\n"
    assert Path(output).read_text().startswith(start)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("nosuch.jsonl", "nosuch.jsonl does not exist: `pytest verify --record PATH` writes a record"),
        ("none.jsonl", "none.jsonl is empty"),
        ("junk.jsonl", "junk.jsonl, line 1"),
        ("newer.jsonl", "newer.jsonl was written by schema 993; this version reads up to"),
        ("torn.jsonl", "torn.jsonl, line 2"),
        ("runs", "runs cannot be read: Is a directory"),
        ("verdicts.jsonl --against nosuch.jsonl", "nosuch.jsonl does not exist"),
        ("verdicts.jsonl --against newer.jsonl", "upgrade"),
        ("verdicts.jsonl --against ./verdicts.jsonl", "./verdicts.jsonl is given both as the record and"),
        ("verdicts.jsonl --history empty", "empty holds no record (*.jsonl): `pytest verify --record empty/"),
        ("verdicts.jsonl --history nosuch", "nosuch does not exist: give --history a folder"),
        ("verdicts.jsonl --history before.jsonl", "before.jsonl is not a folder"),
        ("verdicts.jsonl --against before.jsonl -o before.jsonl", "before.jsonl is the record itself"),
        ("verdicts.jsonl --history runs -o runs/r.jsonl", "runs/r.jsonl would be taken for a record"),
        ("verdicts.jsonl --format md -o verdicts.jsonl", "verdicts.jsonl is the record itself"),
    ],
)
def test_faults_are_one_line_that_names_the_file_and_exit_2(
    run: Callable[..., int], arguments: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.read_bytes() for path in Path().iterdir() if path.is_file()}
    assert run(*arguments.split()) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("warning: ")]
    assert line.startswith("error: ")
    assert says in line
    assert {path: path.read_bytes() for path in Path().iterdir() if path.is_file()} == before


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("verdicts.jsonl ./verdicts.jsonl", "./verdicts.jsonl is given twice and is read once"),
        ("verdicts.jsonl --against before.jsonl before.jsonl", "before.jsonl is given twice"),
        ("partial.jsonl", "The run was cut short: its record has no end. What was not decided is missing."),
        ("partial.jsonl", "is cut short and was left out. (partial.jsonl)"),
        ("verdicts.jsonl --against other.jsonl", "Nothing can be compared: this record is about KB19, LK17"),
        ("verdicts.jsonl --against partial.jsonl", "is partial: news may be old"),
        ("verdicts.jsonl before.jsonl", "The records differ in commit"),
        ("verdicts.jsonl --history .", "newer.jsonl was written by schema 993"),
    ],
)
def test_what_is_doubtful_is_a_warning(
    run: Callable[..., int], arguments: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments.split(), "--format", "md") == 0
    warned = capsys.readouterr().err.splitlines()
    assert all(line.startswith("warning: ") for line in warned)
    assert any(says in line for line in warned)


@pytest.mark.parametrize(
    "arguments", ["verdicts.jsonl --format pdf", "--against before.jsonl verdicts.jsonl"]
)
def test_wrong_usage_exits_2(run: Callable[..., int], arguments: str) -> None:
    with pytest.raises(SystemExit) as found:
        run(*arguments.split())
    assert found.value.code == 2


def test_ten_thousand_variants_have_every_form() -> None:
    variants = tuple(
        replace(RECORD.variants[i % 16], claim=f"P/{i // 8}", order=i, nodeid=str(i)) for i in range(10_000)
    )
    record = replace(RECORD, variants=variants)
    old = replace(BEFORE, variants=tuple(replace(v, verdict="error") for v in variants))
    comparison = compare(record, [old])
    assert len(as_csv(record, comparison).splitlines()) == 10_001
    assert len(json.loads(as_json(record, comparison))["variants"]) == 10_000
    assert len(as_markdown(record, comparison)) < 65_536
    assert as_tex(record).count(r" \\" + "\n") == 1250
