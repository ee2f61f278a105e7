"""What is left of a run that a worker, a user, a disk or -x cut short?"""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reports.record import Record, read
from tests.conftest import Pytest, environment

HEAD = """
import os, signal, time
from hypothesis import strategies as st
from verify import HOLDS, REFUTED, claim, decide_at_most, mutant, printed

SMALL = st.integers(0, 9)
"""
GOOD = """
@claim("W/good{n}", where="", says="")
@printed(HOLDS, SMALL, examples=6)
@mutant("m", SMALL, conclude=lambda x: decide_at_most(x, 3))
def test_good{n}(x):
    return decide_at_most(0, x)
"""
BAD = """
@claim("W/bad", where="", says="")
@printed(HOLDS, SMALL, examples=6)
def test_bad(x):
    {body}
    return decide_at_most(x, 3)
"""


def claims(folder: Path, *parts: str) -> Path:
    (folder / "test_w.py").write_text(HEAD + "\n".join(parts))
    return folder


def verdicts(record: Record) -> dict[str, str]:
    return {v.nodeid.partition("::test_")[2]: v.verdict for v in record.variants}


GOOD_1 = {"good1[printed]": "holds", "good1[mutant:m]": "refuted"}
GOOD_2 = {"good2[printed]": "holds", "good2[mutant:m]": "refuted"}


def test_a_dead_worker_loses_its_own_variant_only(tmp_path: Path, run_pytest: Pytest) -> None:
    bad = BAD.format(body="os.kill(os.getpid(), signal.SIGKILL)")
    claims(tmp_path, GOOD.format(n=1), bad, GOOD.format(n=2))
    done = run_pytest(tmp_path, "-n", "2", "--record", "run.jsonl", "--report", "report.html")
    assert done.returncode == 1
    found = read(tmp_path / "run.jsonl")
    assert verdicts(found) == GOOD_1 | GOOD_2
    assert [x.nodeid for x in found.lost] == ["test_w.py::test_bad[printed]"]
    assert not found.complete
    assert "test_w.py::test_bad[printed]: its worker died while it ran" in done.stdout
    assert "test_bad[printed]" in (tmp_path / "report.html").read_text()


def test_a_dead_worker_of_another_test_is_not_ours(tmp_path: Path, run_pytest: Pytest) -> None:
    (tmp_path / "test_x.py").write_text(
        "import os, signal\ndef test_x():\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = run_pytest(tmp_path, "-n", "1")
    assert done.returncode == 1
    assert not (tmp_path / ".verify").exists()


@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["alone", "workers"])
def test_an_interrupted_run_keeps_what_it_decided(tmp_path: Path, workers: tuple[str, ...]) -> None:
    claims(tmp_path, GOOD.format(n=1), BAD.format(body="time.sleep(60)"), GOOD.format(n=2))
    record = tmp_path / "run.jsonl"
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "--record", "run.jsonl", *workers],
        cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )  # fmt: skip
    try:
        give_up = time.monotonic() + 60
        while not (record.exists() and record.read_bytes().count(b"\n") >= 3) and time.monotonic() < give_up:
            time.sleep(0.05)
        time.sleep(0.5)  # into the case that sleeps, past the write that was just seen
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == pytest.ExitCode.INTERRUPTED
    found = read(record)
    assert verdicts(found) == GOOD_1
    assert not found.complete
    assert found.end is not None
    assert "1 claim, 2 variants" in out
    assert "KeyboardInterrupt" in out


def test_a_killed_run_reads_as_cut_short(tmp_path: Path, run_pytest: Pytest) -> None:
    claims(tmp_path, GOOD.format(n=1), BAD.format(body="os.kill(os.getpid(), signal.SIGKILL)"))
    assert run_pytest(tmp_path, "--record", "run.jsonl").returncode == -signal.SIGKILL
    found = read(tmp_path / "run.jsonl")
    assert verdicts(found) == GOOD_1
    assert (found.complete, found.end) == (False, None)


@pytest.mark.parametrize("place", ["a folder", "a file in the way", "something else"])
def test_a_record_that_cannot_be_written(pytester: pytest.Pytester, place: str) -> None:
    claims(pytester.path, GOOD.format(n=1))
    (pytester.path / "folder").mkdir()
    (pytester.path / "other").write_text("not a record")
    path = {"a folder": "folder", "a file in the way": "other/run.jsonl", "something else": "other"}[place]
    done = pytester.runpytest_inprocess("--record", path, "--report", "report.html")
    assert done.ret == pytest.ExitCode.INTERNAL_ERROR
    done.assert_outcomes(passed=2)
    done.stdout.fnmatch_lines(
        ["1 claim, 2 variants*", f"NOT SAVED: *{path}*", "NOT SAVED: report.html was not written, *"]
    )
    done.stdout.no_fnmatch_line("record:*")
    assert (pytester.path / "other").read_text() == "not a record"


def test_a_full_disk(tmp_path: Path, run_pytest: Pytest) -> None:
    """The kernel refuses to write more than 4 kB to any file, as a full disk would."""
    claims(tmp_path, *(GOOD.format(n=n) for n in range(1, 6)))

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    done = run_pytest(tmp_path, "--record", "run.jsonl", "-p", "no:cacheprovider", preexec=limit)
    assert done.returncode == 3
    assert "10 passed" in done.stdout
    assert "5 claims, 10 variants" in done.stdout
    assert (
        "run.jsonl cannot be written (File too large): free some space or choose another path." in done.stdout
    )
    found = read(tmp_path / "run.jsonl")
    assert 0 < len(found.variants) < 10
    assert not found.complete


def test_a_page_that_cannot_be_written(pytester: pytest.Pytester) -> None:
    claims(pytester.path, GOOD.format(n=1))
    (pytester.path / "folder").mkdir()
    done = pytester.runpytest_inprocess("--report", "folder")
    assert done.ret == pytest.ExitCode.INTERNAL_ERROR
    done.stdout.fnmatch_lines(["1 claim, 2 variants*", "NOT SAVED: folder was not written: *"])
    assert read(pytester.path / ".verify/run.jsonl").complete


@pytest.mark.parametrize("workers", [[], ["-n", "1"]], ids=["alone", "workers"])
@pytest.mark.parametrize("option", ["-x", "--maxfail=1"])
def test_a_run_that_stops_at_a_failure_is_partial(
    tmp_path: Path, run_pytest: Pytest, option: str, workers: list[str]
) -> None:
    if workers and option != "-x":
        pytest.skip("the same code as -x")
    claims(tmp_path, GOOD.format(n=1), BAD.format(body="pass"), *(GOOD.format(n=n) for n in range(2, 9)))
    done = run_pytest(tmp_path, option, *workers, "--record", "run.jsonl")
    assert done.returncode in (1, 2)
    found = read(tmp_path / "run.jsonl")
    assert verdicts(found).items() >= {**GOOD_1, "bad[printed]": "refuted"}.items()
    assert len(found.variants) < 17
    assert not found.complete


def test_only_the_last_failures(pytester: pytest.Pytester) -> None:
    claims(pytester.path, GOOD.format(n=1), BAD.format(body="pass"), GOOD.format(n=2))
    path = pytester.path / ".verify/run.jsonl"
    assert pytester.runpytest_inprocess().ret == 1
    assert read(path).complete  # with a failure, but nothing is missing
    done = pytester.runpytest_inprocess("--lf")
    assert done.ret == 1
    found = read(path)
    assert (verdicts(found), found.complete) == ({"bad[printed]": "refuted"}, True)  # all that was asked for


def test_a_file_that_cannot_be_collected_makes_the_run_partial(pytester: pytest.Pytester) -> None:
    claims(pytester.path, GOOD.format(n=1))
    (pytester.path / "test_gone.py").write_text("import no_such_module\n")
    done = pytester.runpytest_inprocess("--continue-on-collection-errors")
    assert done.ret == 1
    found = read(pytester.path / ".verify/run.jsonl")
    assert (verdicts(found), found.complete) == (GOOD_1, False)
