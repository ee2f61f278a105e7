"""Does a comparison list first what must be seen, and does a history say what it could not read?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reports.history import Comparison, compare, trend
from reports.record import End, Fault, Record, RecordError, Run, Variant, Writer, read

RUN = Run(
    started="2026-11-24T15:00:00+0000",
    profile="quick",
    seed=0,
    versions={"loss-landscape-verify": "0.1.0", "python-flint": "0.9.0"},
    commit="bbb",
)
OLD = replace(RUN, started="2026-11-23T15:00:00+0000")
END = End(complete=True, exit_status=0, finished="2026-11-24T15:01:00+0000", seconds=60.5)
HOLDS = Variant(
    claim="P/thm1",
    paper="P",
    says="a = b",
    assumes={"A1": "a > 0"},
    variant="printed",
    expected="holds",
    verdict="holds",
    as_expected=True,
    rung="exact",
    seconds=1.0,
    effective=50,
    oracle="aaaa",
)
MUTANT = replace(HOLDS, variant="mutant:a < b", expected="refuted", verdict="refuted", order=1)
SURVIVED = replace(
    MUTANT,
    verdict="holds",
    as_expected=False,
    faults=(Fault(kind="mutant survived", message="It survived."),),
)


def recorded(*variants: Variant, run: Run = RUN, **others: Any) -> Record:
    return Record(run=run, variants=variants, end=END, **others)


def compared(before: Variant | None, after: Variant | None, run: Run = RUN, since: Run = OLD) -> Comparison:
    """One variant among others that stay."""
    stays = replace(HOLDS, variant="drop:A1", order=9)
    old = recorded(stays, *([before] if before else []), run=since)
    return compare(recorded(*([after] if after else []), stays, run=run), [old])


def written(path: Path, *variants: Variant, run: Run = RUN, end: End | None = END) -> Path:
    writer = Writer(path)
    for line in (run, *variants):
        writer.write(line)
    if end is None:
        writer.close()
    else:
        writer.finish(end)
    return path


@pytest.mark.parametrize(
    ("before", "after", "group", "says"),
    [
        (MUTANT, SURVIVED, "Regressions", "refuted before, now holds, expected refuted."),
        (SURVIVED, MUTANT, "Mended", "holds, expected refuted before, now refuted."),
        (None, MUTANT, "News", "new: refuted."),
        (MUTANT, None, "Gone", "gone; it was refuted."),
        (HOLDS, replace(HOLDS, rung="ball"), "Other changes", "holds as before, but ball, not exact."),
        (
            SURVIVED,
            replace(SURVIVED, verdict="error"),
            "Other changes",
            "holds, expected refuted before, now error, expected refuted.",
        ),
        (
            HOLDS,
            replace(HOLDS, verdict="not run", as_expected=False),
            "Regressions",
            "holds before, now not run, expected holds.",
        ),
        (
            HOLDS,
            replace(HOLDS, verdict="refuted", as_expected=False),
            "Regressions",
            "holds before, now refuted, expected holds.",
        ),
    ],
)
def test_a_change_is_named_by_what_it_means(
    before: Variant | None, after: Variant | None, group: str, says: str
) -> None:
    found = compared(before, after)
    assert [heading for heading, _ in found.groups] == [group]
    assert [change.says for change in found.groups[0][1]] == [says]
    assert found.same == 1


def test_the_same_results_are_no_change_whatever_they_took() -> None:
    found = compared(HOLDS, replace(HOLDS, seconds=9.0, order=7, cases=99, note="better put", title="Better"))
    assert found.groups == ()
    assert found.same == 2
    assert found.seconds == (2.0, 10.0)


def test_regressions_come_first_and_findings_lead_the_news() -> None:
    finding = replace(HOLDS, claim="P/new", expected="refuted", verdict="refuted", order=5)
    plain = replace(HOLDS, claim="P/new", variant="mutant:x", expected="refuted", verdict="refuted", order=4)
    found = compare(recorded(plain, finding, SURVIVED), [recorded(MUTANT, run=OLD)])
    assert [heading for heading, _ in found.groups] == ["Regressions", "News"]
    assert [c.variant.variant for c in found.news] == ["printed", "mutant:x"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("says", "a = c"), ("sentence", "x"), ("assumes", {"A1": "a >= 0"}), ("expected", "refuted")],
)
def test_another_sentence_is_set_apart(name: str, value: Any) -> None:
    found = compared(HOLDS, replace(HOLDS, **{name: value}))
    assert [heading for heading, _ in found.groups] == ["Set apart: the claim or its oracle changed"]
    (change,) = found.apart
    assert change.claim_changed == (name,)
    assert f"the claim changed ({name})" in change.says


def test_another_oracle_is_set_apart_also_where_the_verdict_stays() -> None:
    (same,) = compared(HOLDS, replace(HOLDS, oracle="bbbb")).apart
    assert same.kind == "same verdict"
    assert same.says == "holds as before; the oracle changed (aaaa before, now bbbb)."
    found = compared(MUTANT, replace(SURVIVED, oracle="bbbb"))
    assert found.regressions == ()
    assert found.apart[0].kind == "regression"


def test_a_commit_is_no_other_oracle_where_the_record_names_the_oracle() -> None:
    found = compared(MUTANT, SURVIVED, run=replace(RUN, commit="ccc"))
    assert [c.oracle_changed for c in found.regressions] == [""]
    assert found.differences == ("Commit: bbb before, now ccc.",)


@pytest.mark.parametrize(
    ("run", "says"),
    [
        (replace(RUN, commit="ccc"), "commit bbb before, now ccc"),
        (replace(RUN, versions={"loss-landscape-verify": "0.2.0"}), "version 0.1.0 before, now 0.2.0"),
        (RUN, ""),
        (replace(RUN, commit=None), ""),
    ],
)
def test_older_records_name_no_oracle_and_version_and_commit_stand_in(run: Run, says: str) -> None:
    found = compared(replace(MUTANT, oracle=""), SURVIVED, run=run)
    (change,) = found.apart if says else found.regressions
    assert says in change.oracle_changed
    unchanged = compared(replace(HOLDS, oracle=""), HOLDS, run=run)
    assert unchanged.groups == ()


def test_how_the_runs_differ_is_said() -> None:
    found = compared(HOLDS, HOLDS, run=replace(RUN, seed=None, versions={"torch": "2"}, profile="nightly"))
    assert found.differences == (
        "Profile: quick before, now nightly.",
        "Seed: 0 before, now none.",
        "Version of loss-landscape-verify: 0.1.0 before, now none.",
        "Version of python-flint: 0.9.0 before, now none.",
        "Version of torch: none before, now 2.",
    )


def test_of_several_earlier_records_the_newest_that_holds_a_variant_counts() -> None:
    oldest = replace(OLD, started="2026-11-22T23:00:00-0500")
    other = replace(HOLDS, claim="P/thm2")
    earlier = [recorded(MUTANT, run=OLD), recorded(SURVIVED, other, run=oldest)]
    for against in (earlier, earlier[::-1]):
        found = compare(recorded(SURVIVED, other), against)
        assert [c.before for c in found.regressions] == [MUTANT]
        assert found.against == (oldest, OLD)
        assert found.same == 1


def test_two_devices_are_two_results() -> None:
    on_gpu = replace(HOLDS, device="cuda")
    found = compare(recorded(HOLDS, on_gpu), [recorded(HOLDS, run=OLD)])
    assert [c.variant for c in found.news] == [on_gpu]
    assert found.same == 1


def test_what_a_run_was_not_asked_for_is_not_gone() -> None:
    other, elsewhere = replace(HOLDS, claim="P/thm2"), replace(HOLDS, claim="Q/thm1", paper="Q")
    found = compare(recorded(HOLDS), [recorded(HOLDS, MUTANT, other, elsewhere, run=OLD)])
    assert [c.variant for c in found.gone] == [MUTANT]
    assert found.absent == ("P/thm2",)
    assert found.problems == ("The earlier record is also about Q, which this one is not.",)


def test_other_papers_cannot_be_compared_and_a_partial_run_has_lost_nothing() -> None:
    elsewhere = replace(HOLDS, claim="Q/thm1", paper="Q")
    found = compare(recorded(HOLDS), [recorded(elsewhere, run=OLD)])
    assert found.problems[0].startswith(
        "Nothing can be compared: this record is about P, the earlier about Q"
    )
    partial = compare(recorded(HOLDS, complete=False), [recorded(HOLDS, MUTANT, run=OLD)])
    assert partial.gone == ()
    assert "partial run" in partial.problems[0]
    swapped = compare(recorded(HOLDS, run=OLD), [recorded(HOLDS, run=RUN)])
    assert "swap the two records" in swapped.problems[0]
    with pytest.raises(RecordError, match="give at least one"):
        compare(recorded(HOLDS), [])


def test_a_trend_follows_the_runs_in_the_order_they_started(tmp_path: Path) -> None:
    runs = [replace(RUN, started=f"2026-11-{day}T12:00:00+0000", commit=day) for day in ("20", "21", "22")]
    # Later by name and by the clock on the wall, earlier in the world.
    runs.append(replace(RUN, started="2026-11-20T13:00:00+0900", commit="19"))
    written(tmp_path / "b.jsonl", replace(HOLDS, seconds=2.0), MUTANT, run=runs[0])
    written(tmp_path / "a.jsonl", HOLDS, SURVIVED, run=runs[1])
    written(tmp_path / "c.jsonl", replace(HOLDS, oracle="bbbb"), SURVIVED, run=runs[2])
    written(tmp_path / "z.jsonl", HOLDS, replace(HOLDS, claim="P/old"), run=runs[3])
    (tmp_path / "notes.txt").write_text("not a record")
    found = trend(tmp_path)
    assert [run.commit for run in found.runs] == ["19", "20", "21", "22"]
    assert [t.claim for t in found.trends] == ["P/thm1", "P/old"]
    of_claim = found.of("P/thm1")
    assert of_claim is not None
    assert found.of("P/nosuch") is None
    assert [o.verdict for o in of_claim.outcomes] == ["holds"] * 4
    assert [o.unexpected for o in of_claim.outcomes] == [False, False, True, True]
    assert [o.seconds for o in of_claim.outcomes] == [1.0, 3.0, 2.0, 2.0]
    assert [o.changed for o in of_claim.outcomes] == [(), (), ("verdict",), ("oracle",)]
    assert of_claim.first_seen == runs[3].started
    assert of_claim.last_changed == runs[2].started
    mutant = of_claim.variants[1]
    assert (mutant.variant, mutant.first_seen, mutant.last_changed) == (
        "mutant:a < b",
        runs[0].started,
        runs[1].started,
    )
    assert found.problems == ()


def test_the_record_at_hand_is_the_newest_run_unless_it_is_in_the_folder(tmp_path: Path) -> None:
    old, new = written(tmp_path / "old.jsonl", HOLDS, run=OLD), recorded(HOLDS)
    assert [r.started for r in trend(tmp_path, new).runs] == [OLD.started, RUN.started]
    assert [r.started for r in trend(tmp_path, read(old)).runs] == [OLD.started]


def test_what_cannot_be_read_is_named_and_left_out(tmp_path: Path) -> None:
    good = written(tmp_path / "good.jsonl", HOLDS)
    (tmp_path / "copy.jsonl").write_bytes(good.read_bytes())
    (tmp_path / "empty.jsonl").write_bytes(b"")
    (tmp_path / "foreign.jsonl").write_text('{"a": 1}\n')
    (tmp_path / "newer.jsonl").write_bytes(good.read_bytes().replace(b'"schema": ', b'"schema": 99', 1))
    (tmp_path / "folder.jsonl").mkdir()
    found = trend(tmp_path)
    assert len(found.runs) == 1
    said = "\n".join(found.problems)
    for name, words in {
        "empty": "is empty",
        "foreign": "line 1",
        "newer": "upgrade",
        "good": f"repeats {tmp_path / 'copy.jsonl'}",
    }.items():
        assert f"{tmp_path / name}.jsonl" in said
        assert words in said
    assert len(found.problems) == 4


def test_a_cut_record_takes_part_as_far_as_it_goes(tmp_path: Path) -> None:
    path = written(tmp_path / "cut.jsonl", HOLDS, MUTANT)
    path.write_bytes(path.read_bytes()[:-400])
    assert [t.claim for t in trend(tmp_path).trends] == ["P/thm1"]


def test_a_folder_that_gives_nothing_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"holds no record \(\*.jsonl\): `pytest verify --record"):
        trend(tmp_path)
    with pytest.raises(RecordError, match="does not exist"):
        trend(tmp_path / "none")
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match="is not a folder"):
        trend(tmp_path / "file")
    (tmp_path / "bad.jsonl").write_text("x")
    with pytest.raises(RecordError, match=r"holds no record that can be read: .*bad.jsonl, line 1"):
        trend(tmp_path)


def test_times_without_a_zone_and_none_at_all_can_be_sorted(tmp_path: Path) -> None:
    for i, started in enumerate(["", "2026-11-24", "2026-11-24T12:00:00", "2026-11-24T12:00:00-0100"]):
        written(tmp_path / f"{i}.jsonl", HOLDS, run=replace(RUN, started=started))
    assert [run.started for run in trend(tmp_path).runs] == [
        "",
        "2026-11-24",
        "2026-11-24T12:00:00",
        "2026-11-24T12:00:00-0100",
    ]


def test_a_new_paper_is_one_sentence_and_no_list_of_news() -> None:
    others = [replace(HOLDS, claim="Q/thm1", paper="Q"), replace(MUTANT, claim="Q/thm1", paper="Q")]
    found = compare(recorded(HOLDS, *others), [recorded(HOLDS, run=OLD)])
    assert found.news == ()
    assert "Q is new: claims 1, variants 2, false as printed 0." in found.differences
