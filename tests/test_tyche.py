"""Does --tyche write one observation a case, in the format that viewers of Hypothesis' own read?"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from reports.record import read
from tests.conftest import Pytest

CLAIM = r'''
from hypothesis import strategies as st
from verify import HOLDS, REFUTED, claim, decide, inconclusive, mutant, printed, vacuous

@claim("T/any", where="here", says="x")
@printed(HOLDS, st.integers(0, 9).filter(lambda x: x != 4), needs=3, reaches={"odd": lambda x: x % 2 == 1})
@mutant("small", st.integers(0, 9**9), conclude=lambda x: decide(x < 9, why="It is large.", margin=x))
def test_any(x):
    """T <b>."""
    if x == 0:
        return vacuous("zero")
    return inconclusive("one") if x == 1 else decide(True, why="", margin=x)
'''
FIELDS = {
    "type", "run_start", "property", "status", "status_reason", "representation", "arguments",
    "how_generated", "features", "coverage", "timing", "metadata",
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "test_any.py").write_text(CLAIM)
    return tmp_path


def observations(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_case_is_observed(folder: Path, run_pytest: Pytest) -> None:
    done = run_pytest(folder, "--tyche", "kept/cases.jsonl", "--record", "run.jsonl")
    assert done.returncode == 0, done.stdout
    found = observations(folder / "kept" / "cases.jsonl")
    first = read(folder / "run.jsonl").variants[0]
    of_first = [o for o in found if o["property"] == first.nodeid]
    assert len({o["run_start"] for o in found}) == 1
    for o in found:
        assert o.keys() == FIELDS
        assert (o["type"], o["coverage"]) == ("test_case", None)
        assert o["status"] in ("passed", "failed", "gave_up")
    words = Counter(o["features"]["verdict"] for o in of_first)
    assert sum(words.values()) == first.cases
    assert words["vacuous"] + words["rejected"] == first.vacuous
    assert words["inconclusive"] == first.inconclusive
    assert words["holds"] == first.effective - first.inconclusive
    assert sum(o["features"].get("odd", False) for o in of_first) == first.classes["odd"]
    reasons = {o["status_reason"] for o in of_first if o["features"]["verdict"] == "vacuous"}
    assert reasons == {"vacuous: zero"}
    passed = next(o for o in of_first if o["status"] == "passed")
    assert passed["arguments"]["instance"] == int(passed["representation"]) == passed["features"]["margin"]
    failed = [o for o in found if o["status"] == "failed"]
    assert failed[0]["how_generated"] == "while searching"
    assert failed[-1]["how_generated"] == "while shrinking"
    assert failed[0]["status_reason"] == "refuted: It is large."


def test_the_record_is_the_same_with_and_without(folder: Path, run_pytest: Pytest) -> None:
    run_pytest(folder, "--tyche", "cases.jsonl", "--record", "with.jsonl")
    run_pytest(folder, "--record", "without.jsonl")
    with_, without = (read(folder / name) for name in ("with.jsonl", "without.jsonl"))
    assert [(v.cases, v.verdict, v.counterexample) for v in with_.variants] == [
        (v.cases, v.verdict, v.counterexample) for v in without.variants
    ]


def test_workers_share_one_file(folder: Path, run_pytest: Pytest) -> None:
    run_pytest(folder, "--tyche", "alone.jsonl")
    run_pytest(folder, "--tyche", "many.jsonl", "-n", "2")
    alone, many = (
        Counter((o["property"], o["status"], o["representation"]) for o in observations(folder / name))
        for name in ("alone.jsonl", "many.jsonl")
    )
    assert alone == many


def test_a_second_run_starts_anew_and_nothing_else_is_overwritten(folder: Path, run_pytest: Pytest) -> None:
    for _ in range(2):
        run_pytest(folder, "--tyche", "cases.jsonl", "-k", "printed")
    assert len({o["run_start"] for o in observations(folder / "cases.jsonl")}) == 1
    (folder / "thesis.tex").write_text("years of work")
    done = run_pytest(folder, "--tyche", "thesis.tex")
    assert done.returncode == 4
    assert "--tyche thesis.tex: it holds something that is not observations" in done.stdout
    assert (folder / "thesis.tex").read_text() == "years of work"
    assert run_pytest(folder, "--tyche", "test_any.py/x").returncode == 4
