"""Does a record survive what happens to files: killed runs, full disks, other orders, newer versions?"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

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
    find,
    merge,
    read,
    without_times,
)

RUN = Run(
    started="2026-11-24T15:00:00",
    profile="quick",
    seed=7,
    versions={"python": "3.11"},
    command="pytest verify",
)
END = End(complete=True, exit_status=0, finished="2026-11-24T15:01:00", seconds=60.5)
EXHIBIT = Counterexample(
    id="KB19-thm1-3f9a",
    instance={
        "type": "strategies.networks:ResNet",
        "X": [["1", "-3/2"]],
        "loss": {"loss": "squared"},
        "b": None,
    },
    values={"L": "1/2"},
)
PRINTED = Variant(
    claim="KB19/thm1",
    paper="KB19",
    variant="printed",
    expected="refuted",
    verdict="refuted",
    as_expected=True,
    order=1,
    margin=Margin(least="1/3", greatest="2"),
    classes={"W = 0": 3},
    counterexample=EXHIBIT,
)
DROP = replace(
    PRINTED, variant="drop:A1", order=0, counterexample=None, faults=(Fault(kind="thin", message="3 of 50"),)
)

quick = settings(
    max_examples=60,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    database=None,
)

names = st.text(max_size=8)
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | names | numbers,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
exhibits = st.builds(
    Counterexample, id=names, instance=values, values=st.dictionaries(names, names, max_size=2)
)
variants = st.builds(
    Variant,
    claim=names,
    paper=names,
    says=names,
    variant=st.sampled_from(["printed", "repaired"])
    | st.from_regex(r"(drop|mutant):(?s:.)+", fullmatch=True),
    expected=st.sampled_from(["holds", "refuted"]),
    verdict=st.sampled_from(["holds", "refuted", "inconclusive", "vacuous", "not run", "error"]),
    as_expected=st.booleans(),
    faults=st.lists(st.builds(Fault, kind=st.just("vacuous"), message=names), max_size=2).map(tuple),
    rung=st.none() | st.sampled_from(["exact", "ball", "float", "statistical"]),
    classes=st.dictionaries(names, st.integers(0, 9), max_size=2),
    margin=st.none() | st.builds(Margin, least=names, greatest=names),
    seconds=st.floats(0, 1e9),
    order=st.integers(0, 99),
    counterexample=st.none() | exhibits,
)


def written(path: Path, *lines: Variant | Lost, end: End | None = END) -> Path:
    writer = Writer(path)
    writer.write(RUN)
    for line in lines:
        writer.write(line)
    if end is None:
        writer.close()
    else:
        writer.finish(end)
    return path


@quick
@given(variants)
def test_a_variant_reads_back_equal(tmp_path: Path, variant: Variant) -> None:
    assert read(written(tmp_path / "run.jsonl", variant)).variants == (variant,)


def test_lone_surrogates_survive(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    writer = Writer(path)
    writer.write(run := replace(RUN, command="pytest \udcff"))
    writer.finish(END)
    assert read(path).run == run


def test_the_finished_file_does_not_depend_on_the_order_of_completion(tmp_path: Path) -> None:
    lost = [Lost(nodeid=f"verify/test_x.py::test[{i}]", message="killed") for i in range(2)]
    lines = [PRINTED, DROP, *lost]
    one = written(tmp_path / "one.jsonl", *lines).read_bytes()
    two = written(tmp_path / "two.jsonl", *reversed(lines)).read_bytes()
    assert one == two
    kinds = [json.loads(line)["kind"] for line in one.splitlines()]
    assert kinds == ["run", "variant", "variant", "lost", "lost", "end"]
    assert [v.order for v in read(tmp_path / "one.jsonl").variants] == [0, 1]


def test_truncation_at_any_byte_reads_or_says_why(tmp_path: Path) -> None:
    data = written(tmp_path / "run.jsonl", PRINTED, DROP).read_bytes()
    first = data.index(b"\n")
    cut = tmp_path / "cut.jsonl"
    for n in range(len(data) + 1):
        cut.write_bytes(data[:n])
        if n < first:
            with pytest.raises(RecordError, match=re.escape(str(cut))):
                read(cut)
            continue
        record = read(cut)
        whole = data[:n].count(b"\n")
        assert len(record.variants) >= min(whole - 1, 2)
        # The end without its newline is still the end.
        assert record.complete is (n >= len(data) - 1)
        assert record.complete is not bool(record.problems)


def test_a_killed_run_keeps_what_it_had_decided(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    program = (
        "import os, signal, sys; from reports.record import *; w = Writer(sys.argv[1]);"
        "w.write(Run(started='', profile='quick'));"
        "of = dict(claim='c', paper='p', variant='printed', expected='holds', verdict='holds');"
        "w.write(Variant(**of, as_expected=True));"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], cwd=Path(__file__).parents[1], check=False
    )
    assert done.returncode < 0
    record = read(path)
    assert [v.claim for v in record.variants] == ["c"]
    assert not record.complete
    assert "cut short" in record.problems[0]


def test_an_interrupted_run_and_a_lost_worker_are_problems(tmp_path: Path) -> None:
    record = read(written(tmp_path / "a.jsonl", PRINTED, end=replace(END, complete=False, exit_status=2)))
    assert not record.complete
    assert "exit status 2" in record.problems[0]
    record = read(written(tmp_path / "b.jsonl", PRINTED, Lost(nodeid="x::y", message="SIGSEGV")))
    assert not record.complete
    assert "x::y" in record.problems[0]


def junk() -> Iterator[tuple[str, bytes, str]]:
    run, variant, end = (json.dumps(x.to_json()).encode() for x in (RUN, PRINTED, END))
    newer = run.replace(b'"schema": 3', b'"schema": 4').replace(b'"profile"', b'"profiles"')
    yield "empty", b"", "is empty"
    yield "blank", b"\n \n", "is empty"
    yield "binary", bytes(range(256)), "line 1"
    yield "html", b"<html>\n", "line 1"
    yield "other json", b'{"a": 1}\n', "line 1"
    yield "a list", b"[1]\n", "line 1"
    yield "deep", b"[" * 100_000, "line 1"
    yield "utf-16", run.decode().encode("utf-16"), "line 1"
    yield "long number", b'{"kind": "run", "schema": ' + b"1" * 5000 + b"}", "line 1"
    yield "newer", newer + b"\n", "was written by schema 4; this version reads up to 3: upgrade."
    yield "schema a word", run.replace(b'"schema": 3', b'"schema": "3"'), "schema"
    yield "no run", variant + b"\n" + run + b"\n", "line 1"
    yield "two runs", run + b"\n" + run + b"\n" + end + b"\n", "line 2: a second run"
    yield "torn middle", run + b"\n" + variant[:40] + b"\n" + end + b"\n", "line 2"
    yield "after the end", run + b"\n" + end + b"\n" + variant + b"\n", "line 3: something follows the end"
    yield (
        "NaN",
        run + b"\n" + variant.replace(b'"seconds": 0.0', b'"seconds": NaN') + b"\n" + end + b"\n",
        "NaN",
    )
    yield (
        "unknown field",
        run + b"\n" + variant.replace(b'"cases"', b'"casses"') + b"\n" + end,
        "unknown casses",
    )
    yield (
        "missing field",
        run + b"\n" + variant.replace(b'"verdict": "refuted", ', b"") + b"\n" + end,
        "no verdict",
    )
    yield (
        "wrong type",
        run + b"\n" + variant.replace(b'"cases": 0', b'"cases": "0"') + b"\n" + end,
        "cases is",
    )
    yield (
        "true is no int",
        run + b"\n" + variant.replace(b'"cases": 0', b'"cases": true') + b"\n" + end,
        "cases",
    )
    yield (
        "word",
        run + b"\n" + variant.replace(b'"verdict": "r', b'"verdict": "R') + b"\n" + end,
        "verdict is",
    )
    yield (
        "variant",
        run + b"\n" + variant.replace(b'"printed"', b'"drop:"') + b"\n" + end,
        "drop:<assumption>",
    )


@pytest.mark.parametrize(("data", "says"), [pytest.param(d, s, id=n) for n, d, s in junk()])
def test_what_is_not_a_record_is_refused_with_its_place(tmp_path: Path, data: bytes, says: str) -> None:
    path = tmp_path / "run.jsonl"
    path.write_bytes(data)
    with pytest.raises(RecordError) as found:
        read(path)
    assert says in str(found.value)
    assert str(path) in str(found.value)
    assert "\n" not in str(found.value)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="does not exist"):
        read(tmp_path / "none.jsonl")
    with pytest.raises(RecordError, match="cannot be read"):
        read(tmp_path)


def test_what_is_not_a_record_is_not_overwritten(tmp_path: Path) -> None:
    precious = tmp_path / "thesis.tex"
    precious.write_text("years of work")
    with pytest.raises(RecordError, match="choose another path"):
        Writer(precious)
    assert precious.read_text() == "years of work"
    with pytest.raises(RecordError, match="not a regular file"):
        Writer("/dev/null")
    with pytest.raises(RecordError, match="not a regular file"):
        Writer(tmp_path)


def test_an_older_record_is_overwritten_through_a_link(tmp_path: Path) -> None:
    target = written(tmp_path / "run.jsonl", PRINTED)
    link = tmp_path / "latest.jsonl"
    link.symlink_to(target)
    written(link, DROP)
    assert link.is_symlink()
    assert read(target).variants == (DROP,)


def test_missing_folders_are_made_and_impossible_ones_named(tmp_path: Path) -> None:
    assert read(written(tmp_path / "a" / "b" / "run.jsonl", PRINTED)).complete
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match=r"file/run\.jsonl"):
        Writer(tmp_path / "file" / "run.jsonl")
    with pytest.raises(RecordError, match="cannot be written"):
        Writer("a\0b")


def test_a_full_disk_is_named_and_leaves_the_lines_before_it_readable(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    program = """if True:
        import resource, sys
        from dataclasses import replace
        from reports.record import *
        of = dict(claim='c', paper='p', variant='printed', expected='holds', verdict='holds')
        v = Variant(**of, as_expected=True)
        w = Writer(sys.argv[1])
        w.write(Run(started='', profile='quick'))
        w.write(v)
        resource.setrlimit(resource.RLIMIT_FSIZE, (w.path.stat().st_size + 10,) * 2)
        try:
            w.write(replace(v, claim='d'))
        except RecordError as error:
            print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"{path} cannot be written" in done.stdout
    record = read(path)
    assert [v.claim for v in record.variants] == ["c"]
    assert len(record.problems) == 1


@pytest.mark.parametrize(
    "line",
    [
        replace(PRINTED, seconds=float("nan")),
        replace(PRINTED, classes={"W": object()}),
        replace(PRINTED, cases="3"),
    ],
)  # type: ignore[arg-type]
def test_what_would_not_read_back_is_not_written(tmp_path: Path, line: Variant) -> None:
    writer = Writer(tmp_path / "run.jsonl")
    writer.write(RUN)
    with pytest.raises(RecordError, match="KB19/thm1"):
        writer.write(line)
    writer.finish(END)
    assert read(tmp_path / "run.jsonl").complete


def test_a_record_starts_with_its_run(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="starts with its run"):
        Writer(tmp_path / "run.jsonl").write(PRINTED)
    with pytest.raises(RecordError, match="starts with its run"):
        Writer(tmp_path / "other.jsonl").finish(END)


def shard(*found: Variant, started: str = "1", **of_run: object) -> Record:
    return Record(run=replace(RUN, started=started, **of_run), variants=found, end=END)  # type: ignore[arg-type]


def test_shards_merge_to_one_record_whatever_their_order() -> None:
    one, two = shard(PRINTED), shard(DROP, replace(PRINTED, seconds=9.0), started="2")
    merged = merge([one, two])
    assert merged == merge([two, one])
    assert [v.variant for v in merged.variants] == ["drop:A1", "printed"]
    assert [v.order for v in merged.variants] == [0, 1]
    assert merged.complete
    assert merged.end == replace(END, seconds=121.0)
    assert merged.problems == ()
    assert merge([one]) is one


def test_shards_that_do_not_belong_together_are_named() -> None:
    other = shard(replace(PRINTED, verdict="holds"), started="2", seed=8, commit="abc")
    problems = " ".join(merge([shard(PRINTED), other]).problems)
    assert "differ in seed: 7, 8" in problems
    assert "differ in commit" in problems
    assert "disagree on KB19/thm1 printed cpu: holds, refuted" in problems
    with pytest.raises(RecordError, match="no record"):
        merge([])


def test_a_shard_without_end_makes_the_whole_partial(tmp_path: Path) -> None:
    merged = merge([shard(PRINTED), read(written(tmp_path / "cut.jsonl", DROP, end=None))])
    assert not merged.complete
    assert merged.end is None
    assert "cut short" in merged.problems[0]


def test_a_counterexample_is_found_by_its_id_or_the_nearest_are_named() -> None:
    record = shard(DROP, PRINTED)
    assert find(record, "KB19-thm1-3f9a") == PRINTED
    for near in ("KB19-thm1-3f9b", "KB19/thm1"):
        with pytest.raises(RecordError, match="did you mean KB19-thm1-3f9a"):
            find(record, near)
    with pytest.raises(RecordError, match="holds none"):
        find(shard(DROP), "KB19-thm1-3f9a")


def test_two_runs_of_one_seed_are_equal_without_their_times() -> None:
    one = shard(PRINTED)
    two = shard(replace(PRINTED, seconds=3.0), started="later", command="pytest -n 4 verify")
    two = replace(two, end=replace(END, finished="later", seconds=1.0))
    assert one != two
    assert without_times(one) == without_times(two)


def test_one_line_from_a_worker_reads_as_a_variant() -> None:
    assert Variant.from_json(json.loads(json.dumps(PRINTED.to_json()))) == PRINTED
    with pytest.raises(RecordError, match=r"variant\.order is -0\.5, not int"):
        Variant.from_json({**PRINTED.to_json(), "order": -0.5})
