"""Does pytest run claims as it runs everything else, and do the options do what their help says?"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from reports.record import Record, read, without_times
from tests.conftest import Pytest, environment

TINY = r'''
from hypothesis import strategies as st
from verify import HOLDS, REFUTED, Paper, claim, decide_at_most, decide_less, drop, mutant, printed, repaired

T, SMALL, WIDE = Paper("T", "On tiny things"), st.integers(-9, 9), st.integers(0, 10**6)


@claim("T/square", paper=T, where="Lemma 1", says=r"x^2 \ge 0", assumes={"real": r"x \in \mathbb{R}"})
@printed(HOLDS, SMALL, examples=10, reaches={"zero": lambda x: x == 0})
@drop("real", REFUTED, SMALL, conclude=lambda x: decide_at_most(0, -x * x))
@mutant("strict", SMALL, conclude=lambda x: decide_less(0, x * x))
def test_square(x):
    """A square is <b>never</b> negative."""
    return decide_at_most(0, x * x)


def exceeds_three(x):
    return x > 3


def scattered(x):
    """So that the margins tell which x were drawn."""
    return (x * 2654435761 + 123456789) % 2**32


@claim("T/bound", paper=T, where="Lemma 2", says=r"x \le 3")
@printed(REFUTED, WIDE, recheck=exceeds_three)
@repaired(r"x \le 10^6", WIDE, conclude=lambda x: decide_at_most(scattered(x), 2**32), examples=10)
@mutant("everything is 0", SMALL, conclude=lambda x: decide_at_most(x * x, 0))
def test_bound(x):
    """Nothing exceeds three."""
    return decide_at_most(x, 3)


@claim("U/other", where="Lemma 3", says="x < x + 1")
@printed(HOLDS, SMALL, examples=10)
@mutant("survives", SMALL, examples=10, conclude=lambda x: decide_at_most(x, x))
def test_other(x):
    return decide_less(x, x + 1)
'''
IDS = [
    "test_square[printed]", "test_square[drop:real]", "test_square[mutant:strict]",
    "test_bound[printed]", "test_bound[repaired]", "test_bound[mutant:everything is 0]",
    "test_other[printed]", "test_other[mutant:survives]",
]  # fmt: skip


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "test_tiny.py").write_text(TINY)
    return folder


@pytest.fixture(scope="module")
def whole(tiny: Path, run_pytest: Pytest) -> subprocess.CompletedProcess[str]:
    return run_pytest(tiny, "--record", "kept/run.jsonl", "--report", "kept/report.html")


def verdicts(record: Record) -> dict[str, str]:
    return {v.nodeid.partition("::")[2]: v.verdict for v in record.variants}


# --- what a run leaves ----------------------------------------------------------------------------------


def test_a_run_ends_with_what_was_found(whole: subprocess.CompletedProcess[str]) -> None:
    assert whole.returncode == 1
    out = whole.stdout
    assert re.search(r"^T/square +holds +– +1/1 .* exact .*needed", out, re.M), out
    assert re.search(r"^T/bound +refuted +holds +1/1 ", out, re.M)
    assert re.search(r"^refuted as printed\n  T/bound  Lemma 2  T-bound-[0-9a-f]{6}\n    4$", out, re.M)
    assert re.search(r"^not as expected\n  U/other \[mutant:survives\]: holds, expected refuted$", out, re.M)
    assert "3 claims, 8 variants" in out
    assert "record: kept/run.jsonl   report: kept/report.html" in out
    assert out.index("U/other [mutant:survives] is false and survived") < out.index("refuted as printed")


def test_the_record_and_the_page(whole: subprocess.CompletedProcess[str], tiny: Path) -> None:
    found = read(tiny / "kept/run.jsonl")
    assert found.complete
    assert list(verdicts(found)) == IDS
    assert [v.order for v in found.variants] == list(range(8))
    assert found.end is not None
    assert (found.end.exit_status, found.run.profile, found.run.seed) == (1, "quick", 0)
    assert found.run.command == "pytest --record kept/run.jsonl --report kept/report.html"
    page = (tiny / "kept/report.html").read_text()
    assert "T/bound" in page
    assert "<b>never</b>" not in page
    assert "&lt;b&gt;never" in page
    assert not (tiny / ".verify").exists()


def test_workers_find_the_same(whole: object, tiny: Path, run_pytest: Pytest) -> None:
    done = run_pytest(tiny, "-n", "2", "--record", "workers.jsonl")
    assert done.returncode == 1
    assert without_times(read(tiny / "workers.jsonl")) == without_times(read(tiny / "kept/run.jsonl"))


def test_the_seed_is_not_frozen_or_moved_by_ci(whole: object, tiny: Path, run_pytest: Pytest) -> None:
    run_pytest(tiny, "--record", "ci.jsonl", CI="true")
    assert without_times(read(tiny / "ci.jsonl")) == without_times(read(tiny / "kept/run.jsonl"))
    options = ("--hypothesis-profile=thorough", "-k", "repaired")
    for name in ("one", "two"):
        run_pytest(tiny, *options, "--record", f"{name}.jsonl", CI="true")
    one, two = read(tiny / "one.jsonl"), read(tiny / "two.jsonl")
    assert one.run.profile == "thorough"
    assert one.run.seed != two.run.seed
    assert one.variants[0].margin != two.variants[0].margin
    assert (one.variants[0].effective, one.variants[0].needed) == (100, 50)  # ten times the quick ones


def test_the_seed_fixes_the_draws(tiny: Path, run_pytest: Pytest) -> None:
    found = []
    for seed in ("5", "5", "6"):
        run_pytest(tiny, f"--hypothesis-seed={seed}", "-k", "repaired", "--record", "seed.jsonl")
        found.append(read(tiny / "seed.jsonl"))
    five, again, six = found
    assert (five.run.seed, six.run.seed) == (5, 6)
    assert without_times(five) == without_times(again)
    assert five.variants[0].margin != six.variants[0].margin


# --- what is selected -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "selected"),
    [
        ([], IDS),
        (["-k", "strict or other"], [IDS[2], *IDS[6:]]),
        (["test_tiny.py::test_bound[mutant:everything is 0]"], [IDS[5]]),
        (["--claim", "T/bound"], IDS[3:6]),
        (["--paper", "U"], IDS[6:]),
        (["--paper", "U", "--claim", "T/square"], IDS[:3] + IDS[6:]),
    ],
)
def test_selection(pytester: pytest.Pytester, options: list[str], selected: list[str]) -> None:
    pytester.makepyfile(test_tiny=TINY + "\n\ndef test_something_else():\n    pass\n")
    done = pytester.runpytest_inprocess("--collect-only", "-q", *options)
    names = [line.partition("::")[2] for line in done.outlines if "::" in line]
    assert [n for n in names if n != "test_something_else"] == selected
    assert ("test_something_else" in names) is (not options)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--claim", "T/squares"], "--claim T/squares: unknown, did you mean T/square"),
        (["--paper", "X"], "--paper X: unknown, did you mean T, U?"),
        (["--time-limit", "0"], "--time-limit 0.0: give a positive number of seconds"),
        (
            ["--replay", "T-bound-1", "--record", "none.jsonl"],
            "--replay T-bound-1: *none.jsonl does not exist",
        ),
    ],
)
def test_a_wrong_option_is_one_clear_line(pytester: pytest.Pytester, options: list[str], says: str) -> None:
    pytester.makepyfile(test_tiny=TINY)
    done = pytester.runpytest_inprocess(*options)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines([f"ERROR: {says}*"])
    assert not (pytester.path / ".verify").exists()


def test_a_wrong_option_under_workers(tiny: Path, run_pytest: Pytest) -> None:
    done = run_pytest(tiny, "-n", "2", "--claim", "T/squares")
    assert done.returncode == 4
    assert "ERROR: --claim T/squares: unknown, did you mean T/square" in done.stdout
    assert "INTERNALERROR" not in done.stdout


# --- replay ---------------------------------------------------------------------------------------------


def replay(
    pytester: pytest.Pytester, tiny: Path, id: str = "", instance: object = None
) -> tuple[pytest.RunResult, bytes]:
    """Replay the counterexample of T/bound, after its instance was changed in the record."""
    pytester.makepyfile(test_tiny=TINY)
    lines = (tiny / "kept/run.jsonl").read_text().splitlines()
    for k, line in enumerate(lines):
        data = json.loads(line)
        if (data.get("claim"), data.get("variant")) == ("T/bound", "printed"):
            id = id or data["counterexample"]["id"]
            if instance is not None:
                data["counterexample"]["instance"] = instance
            lines[k] = json.dumps(data)
    path = pytester.path / "run.jsonl"
    path.write_text("\n".join(lines) + "\n")
    before = path.read_bytes()
    done = pytester.runpytest_inprocess("--replay", id, "--record", "run.jsonl")
    assert path.read_bytes() == before
    return done, before


def test_replay_decides_again(whole: object, pytester: pytest.Pytester, tiny: Path) -> None:
    done, _ = replay(pytester, tiny)
    assert done.ret == 0
    done.assert_outcomes(passed=1, deselected=7)
    done.stdout.fnmatch_lines(["T-bound-*: T/bound [[]printed[]] is still refuted: left exceeds right by 1."])


def test_replay_of_what_no_longer_refutes(whole: object, pytester: pytest.Pytester, tiny: Path) -> None:
    done, _ = replay(pytester, tiny, instance=3)
    assert done.ret == 1
    done.stdout.fnmatch_lines(
        ["T-bound-*: T/bound [[]printed[]] is no longer refuted but comes to 'holds'.*"]
    )


def test_replay_of_what_cannot_be_read(whole: object, pytester: pytest.Pytester, tiny: Path) -> None:
    done, _ = replay(pytester, tiny, instance={"type": "gone:Gone"})
    assert done.ret == 1
    done.stdout.fnmatch_lines(["T-bound-*[[]printed[]] cannot be read: unknown instance type 'gone:Gone'*"])


def test_replay_of_an_unknown_id(whole: object, pytester: pytest.Pytester, tiny: Path) -> None:
    done, _ = replay(pytester, tiny, id="T-bound-000000")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["ERROR: *no counterexample 'T-bound-000000'*did you mean *T-bound-*"])


# --- faults on the terminal -----------------------------------------------------------------------------


def test_an_error_of_the_claim_is_shown_and_recorded(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_broken="""
        import pytest
        from hypothesis import strategies as st
        from verify import HOLDS, claim, decide_at_most, printed

        @pytest.fixture
        def wrong():
            raise OSError("no such oracle")

        @claim("B/error", where="", says="")
        @printed(HOLDS, st.integers(1, 9))
        def test_error(x):
            return decide_at_most(0, 1 // (x - 1))

        @claim("B/skip", where="", says="")
        @printed(HOLDS, st.integers(1, 9))
        def test_skip(x):
            pytest.skip("no mood")

        @claim("B/exit", where="", says="")
        @printed(HOLDS, st.integers(1, 9))
        def test_exit(x):
            raise SystemExit(0)

        @pytest.mark.usefixtures("wrong")
        @claim("B/setup", where="", says="")
        @printed(HOLDS, st.integers(1, 9), examples=4)
        def test_setup(x):
            return decide_at_most(0, x)
        """
    )
    done = pytester.runpytest_inprocess()
    done.assert_outcomes(failed=3, errors=1)
    done.stdout.fnmatch_lines(
        ["*return decide_at_most(0, 1 // (x - 1))", "E * ZeroDivisionError: *", "E * while deciding 1"]
    )
    found = read(pytester.path / ".verify/run.jsonl")
    assert found.complete
    assert [(v.verdict, [f.kind for f in v.faults]) for v in found.variants] == [("error", ["error"])] * 4
    messages = [v.faults[0].message for v in found.variants]
    assert "ZeroDivisionError: integer division or modulo by zero (while deciding 1)" in messages[0]
    assert "skipped itself (no mood): return vacuous(…)" in messages[1]
    assert "SystemExit" in messages[2]
    assert "no such oracle" in messages[3]


def test_an_unexpected_refutation_is_shown_in_full(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_tiny=TINY.replace("@printed(REFUTED, WIDE", "@printed(HOLDS, WIDE"))
    done = pytester.runpytest_inprocess("--claim", "T/bound")
    done.stdout.fnmatch_lines(
        [
            "T/bound [[]printed[]] was expected to hold and is refuted: left exceeds right by 1.*by hand*",
            "counterexample T-bound-*",
            "  left  = 4",
            "in Hypothesis: @reproduce_failure(*",
        ]
    )


def test_what_does_not_fit_the_time_limit_is_cut(tmp_path: Path, run_pytest: Pytest) -> None:
    endless = "def test_endless(x):\n    while True:\n        pass\n"
    declared = '@claim("T/endless", where="", says="")\n@printed(HOLDS, SMALL)\n'
    head, claims = TINY.split("\n\n\n", 1)
    (tmp_path / "test_tiny.py").write_text(f"{head}\n\n{declared}{endless}\n{claims}")
    for workers in ((), ("-n", "1")):
        done = run_pytest(tmp_path, "--time-limit", "3", "--paper", "T", "--record", "run.jsonl", *workers)
        assert done.returncode == 1
        found = read(tmp_path / "run.jsonl")
        assert found.complete
        assert set(verdicts(found).values()) == {"not run"}
        assert len(found.variants) == 7
        assert (
            "decided nothing before the clock ran out. Raise --time-limit"
            in found.variants[-1].faults[0].message
        )
        assert found.end is not None
        assert found.end.seconds < 10


# --- where there is nothing to do -----------------------------------------------------------------------


def test_a_project_without_claims_is_untouched(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "import pytest\n@pytest.mark.parametrize('variant', [1])\ndef test_a(variant):\n    pass\n"
    )
    for options in ([], ["-k", "verify or test_a"], ["-p", "no:xdist"]):
        done = pytester.runpytest_inprocess(*options)
        assert done.ret == 0
        assert not [
            line for line in done.outlines if "record:" in line or "verdict" in line or line == "claim"
        ]
    assert not (pytester.path / ".verify").exists()
    assert pytester.runpytest_inprocess("-k", "verify").ret == pytest.ExitCode.NO_TESTS_COLLECTED


COLLECT = """
import os, sys, time, pytest
code = pytest.main(["--collect-only", "-q", "verify", "-p", "no:cacheprovider"])
heavy = sorted({"torch", "scipy", "sympy", "matplotlib", "jinja2", "reports.page"} & set(sys.modules))
print("CODE", int(code), "HEAVY", heavy, "CPU", time.process_time())
"""


def test_collecting_is_light_and_works_from_anywhere(tmp_path: Path) -> None:
    """About a second of CPU; what is asserted is that nothing heavy is imported, and no time."""
    done = subprocess.run(
        [sys.executable, "-c", COLLECT],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    print(done.stdout[-200:])
    assert "test_kb19_theorems.py::test_local_minimum_attains_the_basis_optimum[printed]" in done.stdout
    assert "CODE 0 HEAVY [] CPU" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_installed_claims_run_from_anywhere(tmp_path: Path, run_pytest: Pytest) -> None:
    done = run_pytest(tmp_path, "verify", "--claim", "KB19/thm1", "-k", "printed", "--time-limit", "0.001")
    assert done.returncode == 1
    assert [v.variant for v in read(tmp_path / ".verify/run.jsonl").variants] == ["printed"]


def test_times_are_all_that_may_differ(whole: object, tiny: Path) -> None:
    """What ``without_times`` takes out is no more than times and the command."""
    found = read(tiny / "kept/run.jsonl")
    kept = without_times(found)
    assert replace(kept.run, started=found.run.started, command=found.run.command) == found.run
    assert [replace(v, seconds=0.0) for v in found.variants] == list(kept.variants)
