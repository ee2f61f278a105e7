"""The record of a run: JSON lines, one object a line; how it is written, read, merged and searched."""

from __future__ import annotations

import contextlib
import difflib
import json
import os
import re
import types
from collections.abc import Iterable
from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

__all__ = [
    "SCHEMA",
    "Axis",
    "Counterexample",
    "Curve",
    "End",
    "Expected",
    "Fault",
    "FaultKind",
    "Lost",
    "Margin",
    "Record",
    "RecordError",
    "Run",
    "Rung",
    "Series",
    "Variant",
    "Verdict",
    "Violation",
    "Writer",
    "find",
    "merge",
    "read",
    "without_times",
    "write_atomically",
]

SCHEMA = 3
"""What is written. 2 added what plots and comparisons need: octaves of margins, curves, the most violating
instance, the oracle's fingerprint. 3 added what a reader of a counterexample needs: its notation, what the
conclusion asks for, what the snippet confirms. Older records lack these and are read as they are."""

Expected = Literal["holds", "refuted"]
Verdict = Literal["holds", "refuted", "inconclusive", "vacuous", "not run", "error"]
Rung = Literal["exact", "exact (symbolic)", "ball", "float", "statistical"]
FaultKind = Literal[
    "refutation not found",
    "mutant survived",
    "unexpected refutation",
    "vacuous",
    "thin",
    "class never reached",
    "inconclusive-heavy",
    "not re-decided",
    "not run",
    "error",
]

T = TypeVar("T")


class RecordError(Exception):
    """A record cannot be written or read; the message is one sentence that names the path and a way out."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """What was run, and with what: the first line of a record. ``started`` is ISO 8601."""

    schema: int = SCHEMA
    started: str
    profile: str
    seed: int | None = None
    device: str = "cpu"
    versions: dict[str, str] = field(default_factory=dict)
    commit: str | None = None
    command: str = ""

    def to_json(self) -> dict[str, Any]:
        """The JSON object of the first line."""
        return {"kind": "run", **asdict(self)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Run:
        """What ``to_json`` wrote. Raises ``RecordError`` naming the field, also for a newer schema."""
        schema = data.get("schema")
        if type(schema) is not int or schema < 1:
            raise RecordError(f"run.schema is {_text(schema)}, not a number from 1.")
        if schema > SCHEMA:
            raise _Newer(str(schema))
        return cast(Run, _read_as(cls, {k: v for k, v in data.items() if k != "kind"}, "run"))


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One reason why a variant's result cannot be accepted, as a sentence with the values and what to do."""

    kind: FaultKind
    message: str


@dataclass(frozen=True, kw_only=True)
class Margin:
    """The least and the greatest distance from the boundary of the verdict, as exact or decimal strings.

    ``octaves`` counts the instances by their margin m: under "k" those with 2^k <= m < 2^(k+1); under "zero",
    "negative" and "huge" those below 2^-1074, below 0 and from 2^1024 on. Older records have none.
    """

    least: str
    greatest: str
    octaves: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Axis:
    """What a curve is drawn over: its name, and the values in ascending order as number strings."""

    name: str
    values: tuple[str, ...]
    logarithmic: bool = False


@dataclass(frozen=True, kw_only=True)
class Series:
    """One measured quantity: a number string for every point of the axes, or None where there is none.

    ``low`` and ``high`` are the spread about ``values``, as long as these or empty. Over two axes the points
    come row by row: all of the second axis for the first value of the first.
    """

    name: str
    values: tuple[str | None, ...]
    low: tuple[str | None, ...] = ()
    high: tuple[str | None, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Curve:
    """What a claim measured besides its verdict: curves over one axis, or surfaces over two."""

    title: str
    axes: tuple[Axis, ...]
    measured: str
    series: tuple[Series, ...]
    logarithmic: bool = False


@dataclass(frozen=True, kw_only=True)
class Counterexample:
    """The smallest instance that refutes a variant's sentence, exactly.

    ``instance`` is any JSON value: instances are objects tagged ``"type": "module:Class"``, matrices are
    lists of rows of number strings such as ``"-3/2"``, losses ``{"loss": name}``, tuples ``{"tuple": […]}``.
    ``values`` are the quantities that clash; ``needs`` is what the conclusion asks of them, as "L <= L*";
    ``why`` says in two or three sentences how they clash; ``snippet`` re-decides it with the standard library
    alone, and ``checks`` says which premises it confirms by what certificate. ``notation`` explains the
    types, losses and activations of the instance by name, in words with formulas between dollars.
    """

    id: str
    instance: Any
    values: dict[str, str] = field(default_factory=dict)
    needs: str = ""
    why: str = ""
    snippet: str = ""
    checks: str = ""
    notation: dict[str, str] = field(default_factory=dict)
    reproduce: str = ""


@dataclass(frozen=True, kw_only=True)
class Violation:
    """The instance that violates a printed sentence by the greatest ``margin`` found, where it is not the
    smallest one; ``instance``, ``values`` and ``why`` are as in a ``Counterexample``."""

    instance: Any
    margin: str
    values: dict[str, str] = field(default_factory=dict)
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """What one variant's run leaves behind.

    ``variant`` is ``printed``, ``repaired``, ``drop:<assumption>`` or ``mutant:<name>``; ``sentence`` is its
    own sentence (the corrected statement, or what a mutant claims instead); ``order`` is the place in the
    collection.
    ``effective`` counts the instances that met the premises and were decided, of the ``needed`` ones.
    ``oracle`` is a short hash of the sources that decided; empty in records older than it.
    """

    claim: str
    paper: str
    paper_title: str = ""
    where: str = ""
    says: str = ""
    title: str = ""
    assumes: dict[str, str] = field(default_factory=dict)
    variant: str
    sentence: str = ""
    expected: Expected
    verdict: Verdict
    as_expected: bool
    faults: tuple[Fault, ...] = ()
    rung: Rung | None = None
    cases: int = 0
    effective: int = 0
    needed: int = 0
    inconclusive: int = 0
    vacuous: int = 0
    classes: dict[str, int] = field(default_factory=dict)
    margin: Margin | None = None
    curves: tuple[Curve, ...] = ()
    equivalent_mutants: dict[str, str] = field(default_factory=dict)
    note: str = ""
    oracle: str = ""
    seconds: float = 0.0
    device: str = "cpu"
    nodeid: str = ""
    order: int = 0
    counterexample: Counterexample | None = None
    most_violating: Violation | None = None

    @property
    def family(self) -> str:
        """``printed``, ``repaired``, ``drop`` or ``mutant``."""
        return self.variant.partition(":")[0]

    @property
    def target(self) -> str:
        """The assumption that is dropped or the mutant's name; empty for the sentence itself."""
        return self.variant.partition(":")[2]

    @property
    def unexpected(self) -> bool:
        """Whether anything about this result asks for attention."""
        return not self.as_expected or self.verdict != self.expected or bool(self.faults)

    def to_json(self) -> dict[str, Any]:
        """The JSON object of one line."""
        return {"kind": "variant", **asdict(self)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Variant:
        """What ``to_json`` wrote, strictly. Raises ``RecordError`` naming the field."""
        found = cast(Variant, _read_as(cls, {k: v for k, v in data.items() if k != "kind"}, "variant"))
        if not re.fullmatch(r"printed|repaired|(drop|mutant):.+", found.variant, re.DOTALL):
            names = "printed, repaired, drop:<assumption> or mutant:<name>"
            raise RecordError(f"variant.variant is {_text(found.variant)}, not {names}.")
        return found


@dataclass(frozen=True, kw_only=True)
class Lost:
    """A test whose worker died while running it."""

    nodeid: str
    message: str

    def to_json(self) -> dict[str, Any]:
        """The JSON object of one line."""
        return {"kind": "lost", **asdict(self)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Lost:
        """What ``to_json`` wrote, strictly. Raises ``RecordError`` naming the field."""
        return cast(Lost, _read_as(cls, {k: v for k, v in data.items() if k != "kind"}, "lost"))


@dataclass(frozen=True, kw_only=True)
class End:
    """The last line of a record. ``complete`` is False if the run was interrupted or stopped early."""

    complete: bool
    exit_status: int
    finished: str
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """The JSON object of the last line."""
        return {"kind": "end", **asdict(self)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> End:
        """What ``to_json`` wrote, strictly. Raises ``RecordError`` naming the field."""
        return cast(End, _read_as(cls, {k: v for k, v in data.items() if k != "kind"}, "end"))


@dataclass(frozen=True, kw_only=True)
class Record:
    """A record as it was read: ``problems`` are sentences; ``complete`` is False if anything is missing."""

    run: Run
    variants: tuple[Variant, ...] = ()
    lost: tuple[Lost, ...] = ()
    end: End | None = None
    complete: bool = True
    problems: tuple[str, ...] = ()


Line = Run | Variant | Lost | End
KINDS: dict[str, type[Line]] = {"run": Run, "variant": Variant, "lost": Lost, "end": End}


class Writer:
    """Write a record line by line, so that a killed run keeps what it had decided.

    The first object is the ``Run``. Each ``write`` is on disk when it returns. ``finish`` puts the lines in
    their canonical order in one step; without it the record reads as cut short. A path that holds something
    else than a record is never overwritten. Raises ``RecordError`` for a path that cannot be written, a full
    disk, and an object that could not be read back.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = _resolved(path)
        self._lines: list[tuple[Line, bytes]] = []
        self._size = 0
        try:
            if self.path.exists() and not self.path.is_file():
                raise RecordError(f"{self.path} is not a regular file: give the path of a file.")
            if self.path.exists() and not _may_be_overwritten(self.path):
                raise RecordError(f"{self.path} holds something that is not a record: choose another path.")
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("wb", buffering=0)
        except (OSError, ValueError) as error:
            raise _cannot_write(self.path, error) from error

    def write(self, line: Line) -> None:
        """Append one object and put it on disk. Raises ``RecordError``; the lines before it stay readable."""
        if not self._lines and not isinstance(line, Run):
            raise RecordError(f"{self.path}: a record starts with its run, not with {type(line).__name__}.")
        data = _encode(line, self.path)
        self._lines.append((line, data))  # before the bytes: an interrupt in between must not lose the line
        try:
            _write_all(self._file.fileno(), data)
        except (OSError, ValueError) as error:
            self._lines.pop()
            # A torn line in the middle would make everything after it unreadable.
            with contextlib.suppress(OSError, ValueError):
                self._file.truncate(self._size)
                self._file.seek(self._size)
            raise _cannot_write(self.path, error) from error
        self._size += len(data)

    def finish(self, end: End) -> None:
        """End the record: run, variants by ``order``, lost, end; independent of the order of completion."""
        if not self._lines:
            raise RecordError(f"{self.path}: a record starts with its run, and none was written.")
        lines = sorted([*self._lines, (end, _encode(end, self.path))], key=lambda pair: _place(pair[0]))
        self._file.close()
        write_atomically(self.path, b"".join(data for _, data in lines))

    def close(self) -> None:
        """Stop writing without an end: the record reads as cut short."""
        self._file.close()


def read(path: str | os.PathLike[str]) -> Record:
    """Read a record, also one whose run was killed.

    A torn last line and a missing end are named in ``problems`` and make ``complete`` False. Variants come
    sorted by ``order``. Raises ``RecordError`` for a missing, empty or foreign file, a damaged line before
    the last, and a newer schema.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise RecordError(f"{path} does not exist: `pytest verify --record PATH` writes a record.") from error
    except (OSError, ValueError) as error:
        raise RecordError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
    if not data.strip():
        raise RecordError(f"{path} is empty: the run stopped before its first line; run it again.")
    pieces = data.split(b"\n")
    # What follows the last newline is a line only if a killed run (or an editor) left it without one.
    numbered = [(n, piece) for n, piece in enumerate(pieces, 1) if piece.strip() or n == 1]
    problems: list[str] = []
    lines: list[Line] = []
    for n, piece in numbered:
        try:
            line = _decode(piece)
        except _Newer as newer:
            raise RecordError(
                f"{path} was written by schema {newer}; this version reads up to {SCHEMA}: upgrade."
            ) from newer
        except RecordError as error:
            if n == len(pieces) and n > 1:
                problems.append(f"The last line (line {n}) is cut short and was left out.")
                continue
            if n == 1:
                hint = "Is this a record, as `pytest verify --record PATH` writes it?"
                raise RecordError(f"{path}, line 1: {error} {hint}") from error
            raise RecordError(f"{path}, line {n}: {error} Remove this line, or run again.") from error
        if (n == 1) is not isinstance(line, Run):
            found = "no run at the start" if n == 1 else "a second run"
            raise RecordError(f"{path}, line {n}: {found}; give each record as a file of its own.")
        if lines and isinstance(lines[-1], End):
            raise RecordError(f"{path}, line {n}: something follows the end. Remove it, or run again.")
        lines.append(line)
    return _record(lines, problems)


def merge(records: Iterable[Record]) -> Record:
    """Several shards of one run as one record, the same whatever the order in which they are given.

    Results that are equal but for their times are kept once. Shards that differ in profile, seed, commit or
    versions, and results that contradict each other, are named in ``problems``. Raises ``RecordError`` if
    there is none.
    """
    shards = sorted(records, key=lambda r: (r.run.started, json.dumps(r.run.to_json(), sort_keys=True)))
    if not shards:
        raise RecordError("there is no record to merge: give at least one.")
    if len(shards) == 1:
        return shards[0]
    first = shards[0].run
    problems = list(dict.fromkeys(p for shard in shards for p in shard.problems))
    for name in ("profile", "seed", "commit", "versions"):
        found = list(dict.fromkeys(_text(getattr(shard.run, name)) for shard in shards))
        if len(found) > 1:
            problems.append(f"The records differ in {name}: {', '.join(found)}.")
    kept: dict[str, Variant] = {}
    for variant in (v for shard in shards for v in shard.variants):
        kept.setdefault(json.dumps(replace(variant, seconds=0.0, order=0).to_json(), sort_keys=True), variant)
    variants = sorted(kept.values(), key=_place)
    verdicts: dict[tuple[str, str, str], set[str]] = {}
    for v in variants:
        verdicts.setdefault((v.claim, v.variant, v.device), set()).add(v.verdict)
    for key, words in verdicts.items():
        if len(words) > 1:
            problems.append(f"The records disagree on {' '.join(key)}: {', '.join(sorted(words))}.")
    ends = [shard.end for shard in shards if shard.end is not None]
    return Record(
        run=replace(
            first,
            device=", ".join(dict.fromkeys(shard.run.device for shard in shards)),
            command=" && ".join(dict.fromkeys(shard.run.command for shard in shards)),
        ),
        variants=tuple(replace(v, order=i) for i, v in enumerate(variants)),
        lost=tuple(sorted({x for shard in shards for x in shard.lost}, key=_place)),
        end=None
        if len(ends) < len(shards)
        else End(
            complete=all(end.complete for end in ends),
            exit_status=max(end.exit_status for end in ends),
            finished=max(end.finished for end in ends),
            seconds=sum(end.seconds for end in ends),
        ),
        complete=all(shard.complete for shard in shards),
        problems=tuple(problems),
    )


def find(record: Record, id: str) -> Variant:
    """The variant whose counterexample has this id. Raises ``RecordError`` with the nearest ids."""
    known = {v.counterexample.id: v for v in reversed(record.variants) if v.counterexample is not None}
    if id in known:
        return known[id]
    of_claim = [name for name, v in known.items() if v.claim == id]
    near = of_claim or difflib.get_close_matches(id, sorted(known), n=5, cutoff=0.4) or sorted(known)[:5]
    if not near:
        raise RecordError(f"no counterexample {id!r}: this record holds none.")
    raise RecordError(f"no counterexample {id!r} in this record; did you mean {', '.join(near)}?")


def without_times(record: Record) -> Record:
    """The record with everything taken out that may differ between two runs with one seed."""
    return replace(
        record,
        run=replace(record.run, started="", command=""),
        variants=tuple(replace(v, seconds=0.0) for v in record.variants),
        end=None if record.end is None else replace(record.end, finished="", seconds=0.0),
    )


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Put ``data`` at ``path``: all of it or, with ``RecordError``, nothing. Missing folders are made."""
    path = _resolved(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        if path.exists() and not path.is_file():
            raise RecordError(f"{path} is not a regular file: give the path of a file.")
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb", buffering=0) as file:
            _write_all(file.fileno(), data)
        os.replace(temporary, path)
    except (OSError, ValueError) as error:
        raise _cannot_write(path, error) from error
    finally:
        with contextlib.suppress(OSError, ValueError):
            temporary.unlink(missing_ok=True)


class _Newer(RecordError):
    """A line says it is of a newer schema; the message is its number."""


def _record(lines: list[Line], problems: list[str]) -> Record:
    run, lost = cast(Run, lines[0]), tuple(x for x in lines if isinstance(x, Lost))
    end = next((x for x in lines if isinstance(x, End)), None)
    if end is None:
        problems.append("The run was cut short: its record has no end. What was not decided is missing.")
    elif not end.complete:
        problems.append(f"The run stopped before everything was decided (exit status {end.exit_status}).")
    problems.extend(f"A worker died while it ran {x.nodeid}: {x.message}" for x in lost)
    return Record(
        run=run,
        variants=tuple(sorted((x for x in lines if isinstance(x, Variant)), key=_place)),
        lost=tuple(sorted(lost, key=_place)),
        end=end,
        complete=not problems,
        problems=tuple(problems),
    )


def _place(line: Line) -> tuple[int, int, str, str, str, str]:
    """Where a line belongs: by kind, then by the order of collection."""
    kind = [Run, Variant, Lost, End].index(type(line))
    if isinstance(line, Variant):
        return kind, line.order, line.claim, line.variant, line.device, line.nodeid
    return kind, 0, line.nodeid if isinstance(line, Lost) else "", "", "", ""


def _encode(line: Line, path: Path) -> bytes:
    """One line, which is known to read back."""
    try:
        text = json.dumps(line.to_json(), allow_nan=False, ensure_ascii=False)
        try:
            data = text.encode()
        except UnicodeEncodeError:  # a lone surrogate, as in a command line that is not UTF-8
            data = json.dumps(line.to_json(), allow_nan=False).encode()
        _decode(data)
    except (RecordError, TypeError, ValueError, RecursionError) as error:
        what = getattr(line, "nodeid", "") or getattr(line, "claim", "") or type(line).__name__
        raise RecordError(f"{path}: the record of {what} cannot be written as JSON: {error}") from error
    return data + b"\n"


def _decode(data: bytes) -> Line:
    """One object of a known schema. Raises ``RecordError`` with what is wrong, or ``_Newer``."""
    try:
        found = json.loads(data.decode("utf-8-sig"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"not a line of JSON ({error}).") from error
    if not isinstance(found, dict) or found.get("kind") not in KINDS:
        raise RecordError("not an object of a record: its kind must be run, variant, lost or end.")
    return KINDS[found["kind"]].from_json(found)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number of a record")


@cache
def _fields(cls: type) -> dict[str, tuple[Any, bool]]:
    """For each field of a dataclass its type, and whether it may be missing."""
    hints = get_type_hints(cls)
    return {
        f.name: (hints[f.name], f.default is not MISSING or f.default_factory is not MISSING)
        for f in fields(cls)
    }


def _read_as(wanted: Any, found: Any, where: str) -> Any:
    """``found`` as a value of type ``wanted``, strictly. Raises ``RecordError`` naming the field."""
    origin, inner = get_origin(wanted), get_args(wanted)
    if wanted is Any:
        return found
    if origin in (Union, types.UnionType):
        if found is None and type(None) in inner:
            return None
        return _read_as(next(t for t in inner if t is not type(None)), found, where)
    if origin is Literal and isinstance(found, str) and found in inner:
        return found
    if origin is dict and isinstance(found, dict):
        return {key: _read_as(inner[1], value, f"{where}.{key}") for key, value in found.items()}
    if origin is tuple and isinstance(found, (list, tuple)):
        return tuple(_read_as(inner[0], value, f"{where}[{i}]") for i, value in enumerate(found))
    if is_dataclass(wanted) and isinstance(found, dict):
        known = _fields(cast(type, wanted))
        if unknown := sorted(found.keys() - known.keys()):
            raise RecordError(f"{where} has unknown {', '.join(unknown)}.")
        if missing := [name for name, (_, optional) in known.items() if not optional and name not in found]:
            raise RecordError(f"{where} has no {', '.join(missing)}.")
        given = {name: _read_as(known[name][0], value, f"{where}.{name}") for name, value in found.items()}
        return cast(type, wanted)(**given)
    if wanted is float and type(found) in (int, float):
        return float(found)
    if wanted in (str, int, bool) and type(found) is wanted:
        return found
    name = " or ".join(map(repr, inner)) if origin is Literal else str(getattr(wanted, "__name__", wanted))
    raise RecordError(f"{where} is {_text(found)}, not {name}.")


def _text(found: Any) -> str:
    shown = json.dumps(found, ensure_ascii=False, default=str)
    return shown if len(shown) <= 80 else shown[:79] + "…"


def _resolved(path: str | os.PathLike[str]) -> Path:
    """The file itself: ``os.replace`` on a symbolic link would replace the link."""
    try:
        return Path(path).resolve()
    except (OSError, ValueError, RuntimeError) as error:
        raise _cannot_write(path, error) from error


def _may_be_overwritten(path: Path) -> bool:
    """Whether the file is empty, or starts like a record of any schema, whole or torn."""
    with path.open("rb") as file:
        start = file.read(16)
    return start == b'{"kind":"run","s'[: len(start)] or start == b'{"kind": "run", '[: len(start)]


def _write_all(descriptor: int, data: bytes) -> None:
    """All of ``data``, on disk."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
    os.fsync(descriptor)


def _cannot_write(path: str | os.PathLike[str], error: Exception) -> RecordError:
    reason = getattr(error, "strerror", None) or str(error)
    return RecordError(f"{path!s} cannot be written ({reason}): free some space or choose another path.")
