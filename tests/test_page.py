"""Is the page whole, honest, safe to open, and the same for the same record?"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from jinja2 import UndefinedError

from reports import page
from reports.__main__ import main
from reports.page import render, write_page
from reports.record import (
    Counterexample,
    End,
    Fault,
    Lost,
    Margin,
    Record,
    RecordError,
    Run,
    Variant,
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
    why="The loss is $1/2$ and the infimum is 0.",
    snippet="print('still refuted')\n",
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
        if tag not in ("meta", "br", "wbr"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
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
        "X = [1, -3/2], loss = squared",
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
    for tag, attributes in shown.elements:
        assert tag not in (
            "script",
            "img",
            "iframe",
            "object",
            "link",
            "form",
            "base",
            "svg",
            "annotation-xml",
        )
        assert not any(name.startswith("on") or name == "style" for name in attributes)
        assert (attributes.get("href") or "#").startswith("#")


def test_no_request_leaves_the_page() -> None:
    html = render(BAD)
    assert "http:" not in html
    assert "https:" not in html
    assert "url(" not in html
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
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:"]


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
    assert '["1", "-3/2"]' in page._pretty(instance)


def test_two_thousand_variants_make_a_page_that_opens(tmp_path: Path) -> None:
    variants = tuple(replace(BAD.variants[i % 6], claim=f"KB19/thm{i // 6}", order=i) for i in range(2000))
    started = time.process_time()
    html = render(replace(BAD, variants=variants))
    assert len(html.encode()) < 10_000_000
    # Not a speed test: a page that takes minutes would be a mistake of another kind.
    assert time.process_time() - started < 30


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
