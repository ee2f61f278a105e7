"""pytest glue, loaded everywhere this project is installed: options, one record per variant, the summary.

Nothing heavy is imported until a claim is collected or an option of ours is used.
"""

from __future__ import annotations

import difflib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from reports.record import Variant as VariantRecord
    from verify.claim import Variant

PROFILES = ("quick", "thorough", "nightly")
DEFAULT_RECORD = Path(".verify") / "run.jsonl"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("verify", "theorems on trial")
    group.addoption("--claim", action="append", default=[], metavar="KEY", help="only this claim, e.g. KB19/thm1 (repeatable)")
    group.addoption("--paper", action="append", default=[], metavar="KEY", help="only this paper's claims, e.g. KB19 (repeatable)")
    group.addoption("--record", metavar="PATH", help=f"where the record goes (default {DEFAULT_RECORD}); with --replay, where it is read")
    group.addoption("--report", metavar="PATH", help="also write the HTML page")
    group.addoption("--replay", metavar="ID", help="decide one recorded counterexample again, from its exact instance alone")
    group.addoption("--time-limit", type=float, metavar="SECONDS", help="wall clock for the whole run; what does not fit is recorded as not run")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config, args: list[str]) -> None:
    """Let ``pytest verify`` find the installed claims where the working directory has no folder of that name."""
    for k, arg in enumerate(args):
        if arg == "verify" and not Path(arg).exists():
            args[k] = str(Path(__file__).parent)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    profile = config.getoption("hypothesis_profile", None)
    if profile in PROFILES:
        _register_profiles()
    limit = config.getoption("--time-limit")
    if limit is not None and not limit > 0:
        raise pytest.UsageError(f"--time-limit {limit}: give a positive number of seconds")
    config.stash[SESSION] = Session(config, profile if profile in PROFILES else "quick")
    config.pluginmanager.register(config.stash[SESSION], "verify-session")


def _register_profiles() -> None:
    """The names --hypothesis-profile accepts; parents named, or Hypothesis' ``ci`` would freeze every seed."""
    from hypothesis import settings

    for name in PROFILES:
        try:
            settings.get_profile(name)
        except Exception:
            settings.register_profile(name, parent=settings.get_profile("default"), deadline=None)


def _variant(item: pytest.Item) -> Variant | None:
    """The variant an item puts on trial, or None for any other test."""
    if "verify.claim" not in sys.modules:
        return None
    callspec = getattr(item, "callspec", None)
    variant = callspec.params.get("variant") if callspec else None
    return variant if isinstance(variant, sys.modules["verify.claim"].Variant) else None


def _nearest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.3) or sorted(known)[:5]
    return f"did you mean {', '.join(near)}?" if near else "no claims were collected"


class Session:
    """One pytest session of trials; under xdist the controller keeps the record and workers only send."""

    def __init__(self, config: pytest.Config, profile: str) -> None:
        self.config, self.profile = config, profile
        self.worker_input: dict[str, Any] | None = getattr(config, "workerinput", None)
        self.started = time.time()
        self.seed = self._seed()
        self.variants: list[VariantRecord] = []
        self.lost: list[Any] = []
        self.writer: Any = None
        self.trouble: str | None = None
        self.order: dict[str, int] = {}
        self.replayed: list[str] = []

    def _seed(self) -> str:
        if self.worker_input is not None:
            return str(self.worker_input["verify_seed"])
        given = self.config.getoption("hypothesis_seed", None)
        if given is not None:
            return str(given)
        return "0" if self.profile == "quick" else str(int.from_bytes(os.urandom(4), "big"))

    def pytest_configure_node(self, node: Any) -> None:
        node.workerinput["verify_seed"] = self.seed
        node.workerinput["verify_started"] = self.started

    # --- selection -----------------------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        by_item = {item: v for item in items if (v := _variant(item)) is not None}
        keys = sorted({v.claim.key for v in by_item.values()})
        papers = sorted({v.claim.paper.key for v in by_item.values()})
        wanted_claims, wanted_papers = config.getoption("--claim"), config.getoption("--paper")
        for option, wanted, known in (("--claim", wanted_claims, keys), ("--paper", wanted_papers, papers)):
            for name in wanted:
                if name not in known:
                    raise pytest.UsageError(f"{option} {name}: unknown, {_nearest(name, known)}")
        if wanted_claims or wanted_papers:
            keep = [
                i for i in items
                if i in by_item and (by_item[i].claim.key in wanted_claims or by_item[i].claim.paper.key in wanted_papers)
            ]  # fmt: skip
            self._deselect(config, items, keep)
        if config.getoption("--replay"):
            self._select_replay(config, items, by_item)
        self.order = {item.nodeid: k for k, item in enumerate(items)}

    def _deselect(self, config: pytest.Config, items: list[pytest.Item], keep: list[pytest.Item]) -> None:
        dropped = [i for i in items if i not in set(keep)]
        if dropped:
            config.hook.pytest_deselected(items=dropped)
        items[:] = keep

    def _select_replay(self, config: pytest.Config, items: list[pytest.Item], by_item: dict[pytest.Item, Variant]) -> None:
        from reports.record import RecordError, find, read

        path = Path(config.getoption("--record") or DEFAULT_RECORD)
        try:
            recorded = find(read(path), config.getoption("--replay"))
        except RecordError as error:
            raise pytest.UsageError(str(error)) from None
        keep = [i for i, v in by_item.items() if v.claim.key == recorded.claim and v.name == recorded.variant]
        if not keep:
            raise pytest.UsageError(f"{path} has {config.getoption('--replay')} for {recorded.claim} [{recorded.variant}], which is not among the collected claims")
        self._deselect(config, items, keep)
        self.to_replay = recorded.counterexample

    # --- running -------------------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
        report: Any = yield
        if call.when == "call" and (record := item.stash.get(RECORD, None)) is not None:
            report.verify_record = json.dumps(record.to_json())  # a string, so that xdist can carry it
        if call.when == "call" and (replayed := item.stash.get(REPLAYED, None)) is not None:
            report.verify_replayed = replayed
        return report  # type: ignore[return-value]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if self.worker_input is not None:
            return
        if (text := getattr(report, "verify_replayed", None)) is not None:
            self.replayed.append(text)
        if (text := getattr(report, "verify_record", None)) is not None:
            from reports.record import Variant as VariantRecord

            self._keep(VariantRecord.from_json(json.loads(text)))
        elif report.when == "???" or (report.failed and "crashed while running" in str(report.longrepr)):
            from reports.record import Lost

            self._keep(Lost(nodeid=report.nodeid, message=str(report.longrepr)))

    def _keep(self, line: Any) -> None:
        from reports.record import Lost, RecordError, Writer

        (self.lost if isinstance(line, Lost) else self.variants).append(line)
        try:
            if self.writer is None and self.trouble is None:
                self.writer = Writer(Path(self.config.getoption("--record") or DEFAULT_RECORD))
                self.writer.write(self._run())
            if self.writer is not None:
                self.writer.write(line)
        except RecordError as error:
            self.trouble, self.writer = str(error), None

    def _run(self) -> Any:
        from reports.record import Run

        return Run(
            started=time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(self.started)), profile=self.profile,
            seed=int(self.seed) if self.seed.lstrip("-").isdigit() else None, device="cpu", versions=_versions(),
            commit=_commit(self.config.rootpath), command=" ".join(["pytest", *self.config.invocation_params.args]),
        )  # fmt: skip

    # --- the end -------------------------------------------------------------------------------------

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if self.worker_input is not None or not (self.variants or self.lost):
            return
        from reports.record import End, RecordError

        complete = int(exitstatus) in (0, 1) and not self.lost
        try:
            if self.writer is not None:
                self.writer.finish(End(
                    complete=complete, exit_status=int(exitstatus), finished=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
                    seconds=round(time.time() - self.started, 3),
                ))  # fmt: skip
            if page := self.config.getoption("--report"):
                from reports.page import write_page
                from reports.record import read

                if self.writer is None:
                    raise RecordError(f"no page was written to {page}: the record is missing")
                write_page(read(Path(self.config.getoption("--record") or DEFAULT_RECORD)), Path(page))
        except (RecordError, OSError) as error:
            self.trouble = str(error)
        if self.trouble and session.exitstatus == 0:
            session.exitstatus = pytest.ExitCode.INTERNAL_ERROR

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self.worker_input is not None:
            return
        for line in self.replayed:
            terminalreporter.write_line(line)
        if self.variants or self.lost:
            from reports.show import summary

            for line in summary(self.variants, self.lost, width=terminalreporter._tw.fullwidth):
                terminalreporter.write_line(line)
            terminalreporter.write_line(f"record: {self.config.getoption('--record') or DEFAULT_RECORD}" + (f"   report: {self.config.getoption('--report')}" if self.config.getoption("--report") else ""))
        if self.trouble:
            terminalreporter.write_line(f"NOT SAVED: {self.trouble}", red=True)


SESSION = pytest.StashKey[Session]()
RECORD = pytest.StashKey["VariantRecord"]()
REPLAYED = pytest.StashKey[str]()


@pytest.fixture
def put_on_trial(request: pytest.FixtureRequest) -> Callable[[Variant], None]:
    """Runs one variant of a claim and fails, in its own words, when the verdict is not the expected one."""
    from reports.show import text
    from verify.trial import BUDGETS, broken
    from verify.trial import put_on_trial as run

    item, session = request.node, request.config.stash[SESSION]

    def put(variant: Variant) -> None:
        if request.config.getoption("--replay"):
            _replay(item, session, variant)
            return
        budget = BUDGETS[session.profile]
        started = session.worker_input["verify_started"] if session.worker_input is not None else session.started
        limit = request.config.getoption("--time-limit")
        seconds = budget.seconds if limit is None else started + limit - time.time()
        try:
            record = run(variant, budget=budget, seed_text=session.seed, seconds=seconds, nodeid=item.nodeid)
        except Exception as error:
            item.stash[RECORD] = replace(broken(variant, error, item.nodeid), order=session.order[item.nodeid])
            raise
        item.stash[RECORD] = replace(record, order=session.order[item.nodeid])
        if record.faults:
            shown = [] if record.counterexample is None else [text(record)]
            pytest.fail("\n\n".join([*(fault.message for fault in record.faults), *shown]), pytrace=False)

    return put


def _replay(item: pytest.Item, session: Session, variant: Variant) -> None:
    from strategies.instance import CannotBeRead
    from verify.claim import REFUTED
    from verify.trial import redecide

    recorded = session.to_replay
    head = f"{recorded.id}: {variant.claim.key} [{variant.name}]"
    try:
        verdict = redecide(variant, recorded.instance)
    except CannotBeRead as error:
        item.stash[REPLAYED] = f"{head} cannot be read: {error}"
        pytest.fail(item.stash[REPLAYED], pytrace=False)
    if verdict.outcome is REFUTED:
        item.stash[REPLAYED] = f"{head} is still refuted: {verdict.why}"
        return
    item.stash[REPLAYED] = f"{head} is no longer refuted: it {verdict.outcome.value}. {verdict.why}".rstrip()
    pytest.fail(item.stash[REPLAYED], pytrace=False)


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": sys.version.split()[0]}
    for name in ("loss-landscape-verify", "hypothesis", "pytest", "numpy", "scipy", "python-flint", "sympy", "torch"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _commit(root: Path) -> str | None:
    import subprocess

    try:
        done = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=root, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
