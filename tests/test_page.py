"""Is the page whole, honest, safe to open, and the same for the same record?"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from jinja2 import UndefinedError

from reports import page
from reports.__main__ import main
from reports.page import render, write_page
from reports.programs import SHARED
from reports.record import (
    Counterexample,
    End,
    Fault,
    FaultKind,
    Lost,
    Margin,
    Record,
    RecordError,
    Run,
    Variant,
    Verdict,
    Violation,
    Writer,
    read,
)

ROOT = Path(__file__).parents[1]
RUN = Run(
    started="2026-11-24T15:00:00", profile="quick", seed=7, versions={"python": "3.11"}, commit="a3f9d78"
)
END = End(complete=True, exit_status=0, finished="2026-11-24T15:01:00", seconds=61.0)
EXHIBIT = Counterexample(
    id="KB19-thm1-3f9a",
    instance={
        "type": "strategies.networks:ResNet",
        "X": [["1", "-3/2"]],
        "loss": {"loss": "squared"},
        "b": None,
    },
    values={"L": "1/2"},
    needs="L <= 0",
    why="The loss is $1/2$ and the infimum is 0.",
    snippet="print('still refuted')\n",
    checks="The gradient is zero, and L > 0.",
    reproduce="@reproduce_failure('6', b'AA')",
)
PRINTED = Variant(
    claim="KB19/thm1",
    paper="KB19",
    paper_title="Depth with nonlinearity",
    where="Theorem 1",
    title="The loss is optimal.",
    says=r"L(W) \le L^*",
    assumes={"A1": r"d_y \le d_x", "A2": r"\ell \text{ convex}", "A3": "x bounded"},
    variant="printed",
    expected="refuted",
    verdict="refuted",
    as_expected=True,
    rung="exact",
    effective=1200,
    needed=50,
    classes={"W = 0": 3, "tie": 0},
    margin=Margin(least="1/3", greatest="2"),
    equivalent_mutants={"L >= 0": "losses are nonnegative"},
    counterexample=EXHIBIT,
)
PLAIN = replace(PRINTED, counterexample=None, margin=None, expected="holds", verdict="holds")
REPAIRED = replace(PLAIN, variant="repaired", sentence=r"L \le L^* \text{ if } d_y = 1", order=1, rung="ball")
NEEDED = replace(PRINTED, variant="drop:A1", order=2, counterexample=replace(EXHIBIT, id="KB19-thm1-drop"))
SUPERFLUOUS = replace(PLAIN, variant="drop:A2: differentiable", order=3)
KILLED = replace(
    PRINTED, variant="mutant:L = 0", order=4, counterexample=replace(EXHIBIT, id="KB19-thm1-mut")
)
SURVIVED = replace(
    PLAIN,
    variant="mutant:every critical point",
    expected="refuted",
    as_expected=False,
    faults=(Fault(kind="mutant survived", message="60 instances and none refutes it."),),
    order=5,
)
GOOD = Record(run=RUN, variants=(PRINTED, REPAIRED, NEEDED, SUPERFLUOUS, KILLED), end=END)
BAD = replace(GOOD, variants=(*GOOD.variants, SURVIVED))


IMPLIED = ("td", "th", "tr", "dt", "dd", "li")
"""What HTML closes by itself."""


class Page(HTMLParser):
    """Every element with its attributes, and the words."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.words += " " if tag in ("td", "th", "dt", "dd") else ""
        if tag not in ("meta", "br", "wbr", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self.open[-1] in IMPLIED and self.open[-1] != tag:
            self.open.pop()
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script", "svg", "nav"} & set(self.open):
            self.words += data

    @property
    def reading(self) -> str:
        return re.sub(r"\s+", " ", self.words)


def test_the_page_says_what_was_found() -> None:
    shown = Page(render(GOOD))
    assert shown.open == []
    for words in (
        "All 5 variants of 1 claim came out as expected.",
        "refuted as printed",
        "Decided in rational arithmetic.",
        "“A1” is dropped. Decided in rational arithmetic.",
        "A second program confirms it: The gradient is zero, and L > 0.",
        "The conclusion needs L ≤ 0.",
        "needed A1",
        "superfluous A2: differentiable",
        "untested A3",
        "1/1 6 000 1/3 ball",
        "tie: never",
        "print('still refuted')",
        "losses are nonnegative",
        "61 s",
        "Depth with nonlinearity",
    ):
        assert words in shown.reading
    assert "Not as expected" not in shown.reading
    assert "<mtd><mrow><mo>−</mo><mfrac><mn>3</mn><mn>2</mn></mfrac></mrow></mtd>" in render(GOOD)


def test_what_is_unexpected_comes_first_and_in_full() -> None:
    found = replace(PRINTED, expected="holds", as_expected=False, order=9, claim="KB19/thm2")
    shown = Page(render(replace(BAD, variants=(*BAD.variants, found)))).reading
    place = [
        shown.index(words) for words in ("2 not as expected", "60 instances and none refutes it.", "Summary")
    ]
    assert place == sorted(place)
    assert "refuted, expected holds" in shown[: shown.index("Summary")]
    assert "Values that clash" in shown[: shown.index("Summary")]


def test_a_partial_run_says_so_at_the_top() -> None:
    record = replace(
        GOOD,
        end=None,
        complete=False,
        problems=("The run was cut short.",),
        lost=(Lost(nodeid="t.py::x", message="SIGSEGV"),),
    )
    shown = Page(render(record)).reading
    assert (
        shown.index("This page shows a partial run.")
        < shown.index("The run was cut short.")
        < shown.index("Summary")
    )
    assert "as far as the run went" in shown
    assert "SIGSEGV" in shown
    assert "No variant was decided." in Page(render(replace(record, variants=()))).reading


def test_the_same_record_gives_the_same_bytes(tmp_path: Path) -> None:
    write_page(BAD, tmp_path / "one.html")
    program = (
        "from reports.page import write_page; from reports.record import read;"
        "write_page(read('run.jsonl'), 'two.html')"
    )
    writer = Writer(tmp_path / "run.jsonl")
    for line in (RUN, *reversed(BAD.variants)):
        writer.write(line)
    writer.finish(END)
    environment = {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "1", "LC_ALL": "C", "TZ": "Asia/Tokyo"}
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, check=True)
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()


HOSTILE = "\"><img src=x onerror=alert(1)></math></pre><script>alert(2)</script>'{{ 7*7 }}"


def hostile(value: Any, says: str) -> Any:
    """Every string of a record's JSON, but for the words of its schema, made hostile."""
    if isinstance(value, dict):
        words = ("kind", "expected", "verdict", "rung", "variant", "type")
        return {k: v if k in words else hostile(v, says) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [hostile(v, says) for v in value]
    return says if isinstance(value, str) else value


@pytest.mark.parametrize(
    "says", [HOSTILE, rf"\text{{{HOSTILE}}}", rf"\href{{javascript:alert(1)}}{{x}} {HOSTILE}", "\0\ud800\x1b"]
)
def test_whatever_a_record_holds_comes_out_escaped(says: str) -> None:
    variants = []
    for variant in (PRINTED, NEEDED, SURVIVED, REPAIRED):
        data = hostile(variant.to_json(), says)
        data["faults"] = [{"kind": f.kind, "message": says} for f in variant.faults]
        data["assumes"] = data["equivalent_mutants"] = {says: says}
        data["classes"] = {says: 1}
        if data["counterexample"]:
            data["counterexample"]["notation"] = {says: says}
            if variant is NEEDED:
                data["counterexample"]["snippet"] = f"def f(x):\n    return {says!a}\n\nrefuted = f(0)\n"
        found = Variant.from_json(data)
        variants.append(replace(found, variant=found.variant if found.family != "drop" else f"drop:{says}"))
    run = replace(
        RUN, profile=says, command=says, commit=says, device=says, versions={says: says}, started=says
    )
    lost = (Lost(nodeid=says, message=says),)
    html = render(
        Record(run=run, variants=tuple(variants), lost=lost, end=END, complete=False, problems=(says,))
    )
    html.encode()
    shown = Page(html)
    assert shown.open == []
    assert "7*7" not in says or "{{ 7*7 }}" in shown.words
    assert [tag for tag, _ in shown.elements].count("script") == 1
    for tag, attributes in shown.elements:
        assert tag not in (
            "img",
            "iframe",
            "object",
            "link",
            "form",
            "base",
            "foreignObject",
            "annotation-xml",
        )
        assert not any(name.startswith("on") or name == "style" for name in attributes)
        assert (attributes.get("href") or "#").startswith("#")


def test_no_request_leaves_the_page() -> None:
    html = render(BAD)
    assert "http:" not in html
    assert "https:" not in html
    assert re.findall(r"url\((.{9})", html) == ["data:font"]
    assert "@import" not in html
    shown = Page(html)
    assert not any(
        {"src", "srcset", "action", "poster", "data", "background"} & a.keys() for _, a in shown.elements
    )
    policy = [
        a["content"]
        for t, a in shown.elements
        if t == "meta" and a.get("http-equiv") == "Content-Security-Policy"
    ]
    found = {name: rest for name, _, rest in (part.partition(" ") for part in policy[0].split("; "))}
    assert found["default-src"] == found["base-uri"] == found["form-action"] == "'none'"
    assert found["font-src"] == "data:"
    for tag in ("style", "script"):
        (text,) = re.findall(f"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert found[f"{tag}-src"] == f"'sha256-{digest}'"
    assert found.keys() == {
        "default-src", "script-src", "style-src", "font-src", "base-uri", "form-action"
    }  # fmt: skip


def test_links_lead_somewhere_and_ids_are_unique() -> None:
    twice = replace(NEEDED, device="cuda", order=7)
    spaced = replace(PRINTED, claim="KB19/remark 3 ü", order=8, counterexample=replace(EXHIBIT, id="a b"))
    shown = Page(render(replace(BAD, variants=(*BAD.variants, twice, spaced))))
    ids = [str(a["id"]) for _, a in shown.elements if "id" in a]
    assert len(ids) == len(set(ids))
    from urllib.parse import unquote

    assert {unquote(str(a["href"]))[1:] for _, a in shown.elements if "href" in a} <= set(ids)
    assert {"KB19/thm1", "KB19-thm1-3f9a", "KB19/remark-3-ü"} <= set(ids)


def test_tables_have_captions_and_scopes_and_details_have_summaries() -> None:
    shown = Page(render(BAD))
    tags = [tag for tag, _ in shown.elements]
    assert tags.count("table") == tags.count("caption") > 0
    assert tags.count("details") == tags.count("summary") > 0
    assert all(a.get("scope") in ("col", "row") for t, a in shown.elements if t == "th")
    assert tags.count("h1") == 1
    assert ("html", {"lang": "en"}) in shown.elements


def test_an_undefined_name_in_the_template_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        page._environment().from_string("{{ record.nosuch }}").render(record=GOOD)


def test_json_on_the_page_reads_back_equal() -> None:
    instance = {
        "type": "m:T",
        "X": [["1", "-3/2"], ["0", "4"]],
        "s": "[ 1,  2 ]\n",
        "t": {"tuple": [None, [], {}]},
    }
    assert json.loads(page._pretty(instance)) == instance
    assert '["1","-3/2"]' in page._pretty(instance)
    assert json.loads(page._pretty([instance])) == [instance]


def many(count: int) -> Record:
    """A record of ``count`` variants, six a claim, all of the kinds above."""
    of_claim = (PRINTED, REPAIRED, NEEDED, SUPERFLUOUS, KILLED, replace(KILLED, variant="mutant:L = 1"))
    return replace(
        GOOD,
        variants=tuple(
            replace(
                v,
                claim=f"P{i // 600}/thm{i // 6}",
                paper=f"P{i // 600}",
                order=i,
                counterexample=v.counterexample and replace(v.counterexample, id=f"P-{i}"),
            )
            for i, v in ((i, of_claim[i % 6]) for i in range(count))
        ),
    )


def test_ten_thousand_variants_make_a_page_that_opens() -> None:
    started = time.process_time()
    html = render(many(10_000))
    assert len(html.encode()) < 10_000_000
    assert "This page would be too large" in html
    assert html.count("<tr data-is=") == 10_000
    # Not a speed test: a page that takes minutes would be a mistake of another kind.
    assert time.process_time() - started < 60


def test_what_is_left_out_of_a_large_page_is_never_what_is_unexpected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    odd = replace(PRINTED, expected="holds", as_expected=False, order=9, claim="KB19/thm2")
    record = replace(BAD, variants=(*BAD.variants, odd))
    monkeypatch.setattr(page, "LARGEST", (0, 0, 0))
    shown = Page(render(record)).reading
    assert "Values that clash" in shown[: shown.index("Summary")]
    assert page.LEFT_OUT[3] in shown
    assert "X = [1, -3/2], loss = squared" in shown[shown.index("Summary") :]


KINDS: tuple[tuple[Verdict, FaultKind | None], ...] = (
    ("holds", None),
    ("refuted", "unexpected refutation"),
    ("refuted", "not re-decided"),
    ("holds", "refutation not found"),
    ("holds", "mutant survived"),
    ("holds", "thin"),
    ("holds", "class never reached"),
    ("inconclusive", "inconclusive-heavy"),
    ("vacuous", "vacuous"),
    ("not run", "not run"),
    ("error", "error"),
)


@pytest.mark.parametrize(("verdict", "kind"), KINDS)
def test_every_kind_of_verdict_has_its_place(verdict: Verdict, kind: FaultKind | None) -> None:
    variant = replace(
        PRINTED,
        verdict=verdict,
        expected="holds",
        as_expected=kind is None,
        rung=None if verdict in ("not run", "error") else "exact",
        margin=None,
        faults=() if kind is None else (Fault(kind=kind, message="what was found, and what to do"),),
        counterexample=EXHIBIT if verdict == "refuted" else None,
    )
    shown = Page(render(replace(GOOD, variants=(variant,))))
    assert shown.open == []
    assert ("Not as expected" in shown.reading) is (kind is not None)
    if kind is not None:
        assert f"{kind}: what was found, and what to do" in shown.reading[: shown.reading.index("Summary")]
    assert ("tr", {"data-is": f"printed:{verdict}"} | ({"data-odd": None} if kind else {})) in shown.elements


def test_records_of_older_versions_are_shown_and_newer_ones_are_refused(tmp_path: Path) -> None:
    """Schema 1 without a single optional field, as its first versions wrote it; and a schema to come."""
    needed = {
        "claim": "P/thm1",
        "paper": "P",
        "variant": "printed",
        "expected": "refuted",
        "verdict": "refuted",
    }
    old = [
        {"kind": "run", "schema": 1, "started": "2026-11-24T15:00:00", "profile": "quick"},
        {
            "kind": "variant",
            **needed,
            "as_expected": True,
            "counterexample": {"id": "P-1", "instance": [["1"]]},
        },
        {
            "kind": "end",
            "complete": True,
            "exit_status": 0,
            "finished": "2026-11-24T15:01:00",
            "seconds": 61.0,
        },
    ]
    path = tmp_path / "run.jsonl"
    path.write_text("\n".join(map(json.dumps, old)) + "\n")
    shown = Page(render(read(path)))
    assert "All" not in shown.reading[:40]
    assert "The one variant of 1 claim came out as expected." in shown.reading
    assert "P-1" in shown.reading
    path.write_text(json.dumps({**old[0], "schema": 4}) + "\n")
    assert main([str(path), "-o", str(tmp_path / "r.html")]) == 2
    assert not (tmp_path / "r.html").exists()


def test_numbers_are_never_cut_and_large_ones_are_folded() -> None:
    large = f"-{'7' * 90}/{'3' * 80}"
    instance = {"type": "m:T", "q": large, "X": [[large, "1"]], "r": "1/3"}
    shown = render(
        replace(GOOD, variants=(replace(PRINTED, counterexample=replace(EXHIBIT, instance=instance)),))
    )
    assert f"<summary>≈ -2.33e+10 (a fraction of {len(large)} characters)</summary>" in shown
    assert f"<div class=digits>{large}</div>" in shown
    assert f"<summary>a 1 × 2 matrix, entries of up to {len(large)} characters</summary>" in shown
    assert "<mfrac><mn>1</mn><mn>3</mn></mfrac>" in shown


def test_the_most_violating_instance_stands_beside_the_smallest() -> None:
    found = Violation(
        instance={"type": "m:T", "X": [["9"]]}, margin="81/4", values={"L": "81/4"}, why="Far off."
    )
    shown = Page(render(replace(GOOD, variants=(replace(PRINTED, most_violating=found),)))).reading
    assert "The instance that violates it most, by 81/4" in shown
    assert "Far off." in shown


def test_where_no_program_confirms_the_premises_the_page_says_how_they_hold() -> None:
    found = [replace(v, counterexample=replace(v.counterexample, checks="")) for v in (PRINTED, NEEDED)]
    shown = Page(render(replace(GOOD, variants=tuple(found)))).reading
    assert "The instance meets every premise of the sentence, by construction or an exact decision" in shown
    assert "“A1” is dropped; the instance meets every other premise" in shown


def test_names_lead_to_what_they_mean() -> None:
    notation = {"ResNet": "h = W (x + V z).", "squared": r"$\ell(h, y) = \sum_k (h_k - y_k)^2$"}
    variant = replace(PRINTED, counterexample=replace(EXHIBIT, notation=notation))
    shown = render(replace(GOOD, variants=(variant,)))
    for name in notation:
        assert f'<a href="#notation-{name}">{name}</a>' in shown
        assert f'id="notation-{name}"' in shown
    assert "What counterexamples are made of" not in render(GOOD)


def test_every_snippet_of_the_page_refutes_in_a_bare_interpreter(tmp_path: Path) -> None:
    """Of some claims, or with RECORD=run.jsonl of a whole run; copied from the page as a reader would."""
    if os.environ.get("RECORD"):
        record = read(os.environ["RECORD"])
    else:
        from tests.test_claims import VARIANTS
        from verify.trial import BUDGETS, put_on_trial

        some = [v for v in VARIANTS if v.recheck is not None][::60]
        tried = [put_on_trial(v, budget=BUDGETS["quick"], seed_text="0", seconds=60) for v in some]
        record = replace(GOOD, variants=tuple(replace(v, order=i) for i, v in enumerate(tried)))
    page = render(record)
    shown = re.findall(r'JSON and program</summary><pre tabindex="0">(.*?)</pre>', page, re.DOTALL)
    pieces = r'id="program-(\w+)"><summary>.*?</summary><pre tabindex="0">(.*?)</pre>'
    defined = dict(re.findall(pieces, page, re.DOTALL))
    shown, defined = [unescape(s) for s in shown], {name: unescape(s) for name, s in defined.items()}
    if packed := re.search(r'<template id="packed">(.*?)</template>', page):
        found = json.loads(gzip.decompress(base64.b64decode(packed[1])))
        shown += found["programs"].values()
        defined |= found["pieces"]
    kept = {v.counterexample.id for v in record.variants if v.counterexample and v.counterexample.snippet}
    assert len(shown) == len(kept) >= 4

    def put_together(program: str, had: set[str]) -> str:
        """What the button copies."""
        lines = program.split("\n")
        for i, line in enumerate(lines):
            if line.startswith(SHARED):
                wanted = [n for n in line.removeprefix(SHARED).split(", ") if n not in had and not had.add(n)]
                lines[i] = "\n\n".join(put_together(defined[n], had) for n in wanted)
        return "\n".join(lines)

    def run(i: int) -> tuple[str, str]:
        script = tmp_path / f"{i}.py"
        script.write_text(put_together(shown[i], set()), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-I", "-S", script.name],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.strip(), done.stderr

    with ThreadPoolExecutor(2) as pool:
        assert set(pool.map(run, range(len(shown)))) == {("still refuted", "")}


def test_what_changed_and_how_it_went_are_on_the_page(tmp_path: Path) -> None:
    from reports.history import compare, trend

    before = replace(
        GOOD,
        run=replace(RUN, started="2026-11-20T15:00:00"),
        variants=(replace(PLAIN, expected="holds"), *GOOD.variants[1:]),
    )
    now = replace(GOOD, variants=(replace(PRINTED, expected="holds", as_expected=False), *GOOD.variants[1:]))
    for name, record in (("a", before), ("b", now)):
        writer = Writer(tmp_path / f"{name}.jsonl")
        for line in (record.run, *record.variants):
            writer.write(line)
        writer.finish(END)
    shown = Page(render(now, compare(now, [before]), trend(tmp_path)))
    assert shown.open == []
    place = [
        shown.reading.index(words)
        for words in (
            "What changed",
            "Regressions",
            "holds before, now refuted, expected holds",
            "History",
            "2 runs",
            "Cost over 2 runs",
        )
    ]
    assert place == sorted(place)
    assert "Compared with the run of 2026-11-20 15:00: 1 regression" in shown.reading
    assert "2026-11-20 15:00: holds, repaired: holds" in shown.reading
    assert "verdict changed" in shown.reading
    assert "Nothing changed." in Page(render(GOOD, compare(GOOD, [GOOD]))).reading


def test_a_page_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "deep" / "report.html"
    write_page(GOOD, path)
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(RecordError, match="No space left on device"):
        write_page(BAD, path)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    writer = Writer(tmp_path / "run.jsonl")
    for line in (RUN, *BAD.variants):
        writer.write(line)
    writer.finish(END)
    return tmp_path / "run.jsonl"


def reports(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "reports", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, **options)


def test_the_command_writes_a_page(recorded: Path, tmp_path: Path) -> None:
    done = reports(recorded, "-o", tmp_path / "a" / "r.html")
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "a" / "r.html").read_text() == render(read(recorded))
    done = reports(recorded, recorded, "-o", "-", env={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0
    assert done.stdout.startswith("<!DOCTYPE html>")


def test_a_partial_record_gives_a_page_and_a_warning(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded.write_bytes(recorded.read_bytes()[:-40])
    assert main([str(recorded), "-o", str(tmp_path / "r.html")]) == 0
    assert "warning: The run was cut short" in capsys.readouterr().err
    assert "partial run" in (tmp_path / "r.html").read_text()


def test_one_counterexample_is_shown(recorded: Path) -> None:
    done = reports("show", "KB19-thm1-3f9a", recorded, env={"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, "")
    assert "X    = [1  -3/2]" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["none.jsonl"], "none.jsonl does not exist"),
        (["{junk}"], "line 1"),
        (["{record}", "-o", "{record}"], "is the record itself"),
        (["{record}", "-o", "/dev/null"], "not a regular file"),
        (["{record}", "-o", "{record}/x/report.html"], "cannot be written"),
        (["show", "KB19-thm1-3f9b", "{record}"], "did you mean KB19-thm1-3f9a"),
    ],
)
def test_errors_are_one_line_and_exit_2(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    before = recorded.read_bytes()
    (tmp_path / "junk").write_bytes(b"\x00\xff")
    assert main([a.format(record=recorded, junk=tmp_path / "junk") for a in arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert says in error
    assert error.count("\n") == 1
    assert recorded.read_bytes() == before


def test_wrong_usage_exits_2(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["show"], ["a.jsonl", "--nosuch"]):
        with pytest.raises(SystemExit) as found:
            main(arguments)
        assert found.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


def test_ctrl_c_exits_130_without_a_traceback(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "run.jsonl")  # reading it waits for a writer, until it is interrupted
    command = [sys.executable, "-m", "reports", str(tmp_path / "run.jsonl"), "-o", str(tmp_path / "r.html")]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    writer = os.open(tmp_path / "run.jsonl", os.O_WRONLY)  # returns when the command has opened its side
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=20)
    os.close(writer)
    assert process.returncode == 130
    assert "Traceback" not in error
    assert not (tmp_path / "r.html").exists()
