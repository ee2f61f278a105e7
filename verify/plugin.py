"""pytest glue, loaded everywhere this project is installed: options, one record per variant, the summary.

Hypothesis' engine, the oracles' libraries and the page are imported where they are first needed, so that a
project without claims pays for none of them.
"""

from __future__ import annotations

import difflib
import gc
import json
import os
import re
import shlex
import sys
import time
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from reports.record import Counterexample, End, Lost, RecordError, Run, Writer, find, read
from reports.record import Variant as VariantRecord
from verify.claim import REFUTED, Claim, Variant

if TYPE_CHECKING:
    from verify.tyche import Observer

PROFILES = ("quick", "thorough", "nightly")
DEFAULT_RECORD = os.path.join(".verify", "run.jsonl")
IS_VARIANT = re.compile(r"\[(printed|repaired|(drop|mutant):.+)\]", re.DOTALL)
"""In the node id: all that an xdist controller knows of a test."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("verify", "theorems on trial")
    many = {"action": "append", "default": [], "metavar": "KEY"}
    group.addoption("--claim", **many, help="only this claim, e.g. KB19/thm1 (repeatable)")
    group.addoption("--paper", **many, help="only this paper's claims, e.g. KB19 (repeatable)")
    group.addoption(
        "--record", metavar="PATH", default=DEFAULT_RECORD,
        help=f"where the record goes (default {DEFAULT_RECORD}); with --replay, where it is read",
    )  # fmt: skip
    group.addoption("--report", metavar="PATH", help="also write the HTML page")
    group.addoption("--tyche", metavar="PATH", help="also write every case, for Tyche and viewers like it")
    group.addoption("--replay", metavar="ID", help="decide one counterexample of the record again")
    group.addoption(
        "--time-limit", metavar="SECONDS", type=float,
        help="wall clock for the whole run; what does not fit is recorded as not run, and fails",
    )  # fmt: skip


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    limit = config.getoption("--time-limit")
    if limit is not None and not limit > 0:
        raise pytest.UsageError(f"--time-limit {limit}: give a positive number of seconds")
    profile = config.getoption("hypothesis_profile", None)
    if profile in PROFILES:
        _register_profiles()
    # `pytest verify` means the installed claims where the working directory has no such folder.
    installed = str(Path(__file__).parent)
    exists = (config.invocation_params.dir / "verify").exists()
    config.args[:] = [installed if arg == "verify" and not exists else arg for arg in config.args]
    config.stash[SESSION] = Session(config, profile if profile in PROFILES else "quick")
    config.pluginmanager.register(config.stash[SESSION], "verify-session")


def _register_profiles() -> None:
    """The names --hypothesis-profile accepts; the parent is named, or ``ci`` freezes all seeds."""
    from hypothesis import settings
    from hypothesis.errors import InvalidArgument

    for name in PROFILES:
        try:
            settings.get_profile(name)
        except InvalidArgument:
            settings.register_profile(name, parent=settings.get_profile("default"), deadline=None)


def _variant(item: pytest.Item) -> Variant | None:
    """The variant an item puts on trial, or None for any other test."""
    if not isinstance(getattr(getattr(item, "function", None), "claim", None), Claim):
        return None
    return item.callspec.params["variant"]  # type: ignore[attr-defined, no-any-return]


def _nearest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.3) or known[:5]
    return f"did you mean {', '.join(near)}?" if near else "no claims were collected"


def _now(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(seconds))


class Session:
    """One pytest session of trials; under xdist the controller keeps the record and workers only send."""

    def __init__(self, config: pytest.Config, profile: str) -> None:
        self.config, self.profile = config, profile
        worker_input = getattr(config, "workerinput", None)
        self.is_worker = worker_input is not None
        self.started: float = worker_input["verify_started"] if worker_input else time.time()
        self.seed: str = worker_input["verify_seed"] if worker_input else self._seed()
        self.observations = self._observations()
        self.record_path = config.invocation_params.dir / config.getoption("--record")
        self.order: dict[str, int] = {}
        self.to_replay: Counterexample | None = None
        self.replayed: list[str] = []
        self.selected: set[str] = set()
        self.uncollected = False
        self.settled = False
        self.usage_error = ""
        self.variants: list[VariantRecord] = []
        self.lost: list[Lost] = []
        self.writer: Writer | None = None
        self.trouble: list[str] = []

    def _seed(self) -> str:
        """The quick profile is the same run every time; the others look elsewhere each time, also in CI."""
        given = self.config.getoption("hypothesis_seed", None)
        if given is not None:
            return str(given)
        return "0" if self.profile == "quick" else str(int.from_bytes(os.urandom(4), "big"))

    def observer(self, nodeid: str) -> Observer | None:
        """What is told of every case of one variant, with --tyche."""
        if self.observations is None:
            return None
        from verify.tyche import Observer

        return Observer(self.observations, nodeid, self.started)

    def _observations(self) -> Path | None:
        """The file of --tyche, emptied once for all processes. Raises ``UsageError`` if it cannot be."""
        if (given := self.config.getoption("--tyche")) is None:
            return None
        from verify.tyche import start

        path: Path = self.config.invocation_params.dir / given
        try:
            if not self.is_worker:
                start(path)
        except OSError as error:
            raise pytest.UsageError(f"--tyche {given}: {error.strerror or error}") from None
        return path

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        node.workerinput |= {"verify_seed": self.seed, "verify_started": self.started}

    # --- selection -----------------------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        self.order = {item.nodeid: k for k, item in enumerate(items)}
        try:
            kept = self._selection({item: v for item in items if (v := _variant(item)) is not None})
        except pytest.UsageError as error:
            if not self.is_worker:
                raise
            config.workeroutput["verify_usage_error"] = str(error)  # type: ignore[attr-defined]
            kept = set()
        if kept is not None:
            config.hook.pytest_deselected(items=[item for item in items if item not in kept])
            items[:] = [item for item in items if item in kept]

    def _selection(self, variants: dict[pytest.Item, Variant]) -> set[pytest.Item] | None:
        """What --claim, --paper and --replay leave, or None without them. Raises ``UsageError``."""
        claims, papers = self.config.getoption("--claim"), self.config.getoption("--paper")
        for option, wanted, known in (
            ("--claim", claims, {v.claim.key for v in variants.values()}),
            ("--paper", papers, {v.claim.paper.key for v in variants.values()}),
        ):
            for name in wanted:
                if name not in known:
                    raise pytest.UsageError(f"{option} {name}: unknown, {_nearest(name, sorted(known))}")
        if (id := self.config.getoption("--replay")) is not None:
            return self._to_replay(id, variants)
        if not (claims or papers):
            return None
        return {i for i, v in variants.items() if v.claim.key in claims or v.claim.paper.key in papers}

    def _to_replay(self, id: str, variants: dict[pytest.Item, Variant]) -> set[pytest.Item]:
        path = self.record_path
        try:
            recorded = find(read(path), id)
        except RecordError as error:
            raise pytest.UsageError(f"--replay {id}: {error}") from None
        wanted = recorded.claim, recorded.variant
        kept = {item for item, v in variants.items() if (v.claim.key, v.name) == wanted}
        if not kept:
            raise pytest.UsageError(
                f"--replay {id}: {path} has it for {recorded.claim} [{recorded.variant}], which is not among "
                "the collected claims: give the file that holds the claim"
            )
        self.to_replay = recorded.counterexample
        return kept

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self.uncollected |= report.failed

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.selected |= {item.nodeid for item in session.items}

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        self.selected |= set(ids)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        self.usage_error = getattr(node, "workeroutput", {}).get("verify_usage_error", self.usage_error)

    def settle(self) -> None:
        """Spare the garbage collector what was imported before the first trial: it all stays to the end."""
        if not self.settled:
            gc.collect()
            gc.freeze()
            self.settled = True

    # --- running -------------------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, Any, pytest.TestReport]:
        report = yield
        variant = _variant(item)
        if variant is None or report.when == "teardown":
            return report  # type: ignore[no-any-return]
        if self.to_replay is not None:
            report.verify_replayed = item.stash.get(REPLAYED, "")
            return report  # type: ignore[no-any-return]
        record = item.stash.get(RECORD, None)
        if record is None and report.failed and call.excinfo is not None:
            from verify.trial import broken

            record = broken(variant, call.excinfo.value, item.nodeid)
        if record is not None:  # as a string, so that xdist can carry it
            record = replace(record, order=self.order.get(item.nodeid, 0))
            report.verify_record = json.dumps(record.to_json())
        return report  # type: ignore[no-any-return]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if self.is_worker:
            return
        if replayed := getattr(report, "verify_replayed", ""):
            self.replayed.append(replayed)
        if (text := getattr(report, "verify_record", None)) is not None:
            self.variants.append(VariantRecord.from_json(json.loads(text)))
            self._write(self.variants[-1])
        elif str(report.when) == "???" and IS_VARIANT.search(report.nodeid):  # xdist: the worker died
            self.lost.append(Lost(nodeid=report.nodeid, message=str(report.longrepr)))
            self._write(self.lost[-1])

    def _write(self, line: VariantRecord | Lost) -> None:
        if self.trouble:
            return
        try:
            if self.writer is None:
                self.writer = Writer(self.record_path)
                self.writer.write(self._run())
            self.writer.write(line)
        except RecordError as error:
            self.trouble.append(str(error))

    def _run(self) -> Run:
        command = shlex.join(["pytest", *self.config.invocation_params.args])
        seed = int(self.seed) if self.seed.lstrip("-").isdigit() else None
        return Run(
            started=_now(self.started), profile=self.profile, seed=seed, versions=_versions(),
            commit=_commit(self.config.rootpath), command=command,
        )  # fmt: skip

    # --- the end -------------------------------------------------------------------------------------

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if self.usage_error:
            session.exitstatus = pytest.ExitCode.USAGE_ERROR
        if self.is_worker or not (self.variants or self.lost):
            return
        self._finish(int(exitstatus))
        if self.trouble and session.exitstatus == 0:
            session.exitstatus = pytest.ExitCode.INTERNAL_ERROR

    def _finish(self, exit_status: int) -> None:
        """End the record and write the page. Whatever fails, the results must reach the terminal."""
        undecided = {n for n in self.selected if IS_VARIANT.search(n)} - {v.nodeid for v in self.variants}
        end = End(
            complete=not (undecided or self.lost or self.uncollected), exit_status=exit_status,
            finished=_now(time.time()), seconds=round(time.time() - self.started, 3),
        )  # fmt: skip
        page = self.config.getoption("--report")
        try:
            if self.writer is not None and not self.trouble:
                self.writer.finish(end)
        except RecordError as error:
            self.trouble.append(str(error))
        if page is None:
            return
        if self.trouble:
            self.trouble.append(f"{page} was not written, because the record was not.")
            return
        try:
            from reports.page import write_page

            write_page(read(self.record_path), self.config.invocation_params.dir / page)
        except Exception as error:
            self.trouble.append(f"{page} was not written: {error} ({type(error).__name__})")

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self.usage_error:
            terminalreporter.write_line(f"ERROR: {self.usage_error}", red=True)
        for line in self.replayed:
            terminalreporter.write_line(line)
        if self.variants or self.lost:
            from reports.show import summary

            lines = summary(self.variants, self.lost, width=terminalreporter._tw.fullwidth)
            if not self.trouble:
                record, page = self.config.getoption("--record"), self.config.getoption("--report")
                lines.append(f"record: {record}" + (f"   report: {page}" if page else ""))
            for line in lines:
                terminalreporter.write_line(line)
        for line in self.trouble:
            terminalreporter.write_line(f"NOT SAVED: {line}", red=True)


SESSION = pytest.StashKey[Session]()
RECORD = pytest.StashKey[VariantRecord]()
REPLAYED = pytest.StashKey[str]()


@pytest.fixture
def put_on_trial(request: pytest.FixtureRequest) -> Callable[[Variant], None]:
    """Runs one variant of a claim and fails, in its own words, when the verdict is not the expected one."""
    from reports.show import text
    from verify.trial import BUDGETS
    from verify.trial import put_on_trial as run

    item, session = request.node, request.config.stash[SESSION]
    session.settle()

    def put(variant: Variant) -> None:
        if session.to_replay is not None:
            _replay(item, session.to_replay, variant)
            return
        limit = request.config.getoption("--time-limit")
        budget, observe = BUDGETS[session.profile], session.observer(item.nodeid)
        seconds = budget.seconds if limit is None else session.started + limit - time.time()
        try:
            record = run(
                variant, budget=budget, seed_text=session.seed, seconds=seconds, nodeid=item.nodeid,
                observe=observe,
            )  # fmt: skip
        except pytest.skip.Exception as skipped:  # a skipped claim would look like one that was tested
            pytest.fail(
                f"{variant.claim.key} [{variant.name}] skipped itself ({skipped.msg}): return vacuous(…) "
                "where the premises fail and inconclusive(…) where the conclusion cannot be decided",
                pytrace=False,
            )
        item.stash[RECORD] = record
        if record.faults:
            shown = [] if record.counterexample is None else [text(record)]
            pytest.fail("\n\n".join([*(fault.message for fault in record.faults), *shown]), pytrace=False)

    return put


def _replay(item: pytest.Item, recorded: Counterexample, variant: Variant) -> None:
    from strategies.instance import CannotBeRead
    from verify.trial import redecide

    head = f"{recorded.id}: {variant.claim.key} [{variant.name}]"
    try:
        verdict = redecide(variant, recorded.instance)
    except CannotBeRead as error:
        item.stash[REPLAYED] = f"{head} cannot be read: {error}"
    else:
        if verdict.outcome is REFUTED:
            item.stash[REPLAYED] = f"{head} is still refuted: {verdict.why}"
            return
        now = verdict.outcome.value
        item.stash[REPLAYED] = f"{head} is no longer refuted but comes to {now!r}. {verdict.why}".rstrip()
    pytest.fail(item.stash[REPLAYED], pytrace=False)


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": sys.version.split()[0]}
    libraries = ("hypothesis", "pytest", "numpy", "scipy", "python-flint", "sympy", "torch")
    for name in ("loss-landscape-verify", *libraries):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _commit(root: Path) -> str | None:
    import subprocess

    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            cwd=root, capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
