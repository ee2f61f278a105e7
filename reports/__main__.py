"""``python -m reports``: records to a page or another form of report, and one counterexample to text."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from reports.record import Record, RecordError, find, merge, read, write_atomically

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0, or 2 when something cannot be read or written, 130 for Ctrl-C.

    A record with unexpected results still gives 0: the page was made, and `pytest verify` has failed already.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _show(given[1:]) if given[:1] == ["show"] else _report(given)
    except RecordError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: nothing was written", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def _report(given: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m reports",
        description="Render records (written by `pytest verify --record PATH`) as one HTML page, as a "
        "summary for a pull request (md), for the appendix of a paper (tex), as a table (csv) or as JSON.",
        epilog="`python -m reports show ID RECORD` prints one counterexample.",
    )
    parser.add_argument(
        "records", nargs="+", metavar="RECORD", help="several are merged, as shards of one run"
    )
    parser.add_argument("-o", "--output", metavar="PATH", help="default report.html; - is stdout")
    parser.add_argument("--format", choices=FORMATS, help="default: what the output is called, else html")
    parser.add_argument(
        "--against", nargs="+", action="extend", default=[], metavar="OLD",
        help="say what changed since these records, after RECORD; of several the newest counts",
    )  # fmt: skip
    parser.add_argument(
        "--history", metavar="FOLDER", help="follow every claim over the records (*.jsonl) of this folder"
    )
    options = parser.parse_args(given)
    form = options.format or _form_of(options.output)
    output = options.output or f"report.{form}"
    _spare(output, options.records, options.against, options.history)
    if again := [p for p in options.against if _file(p) in {_file(r) for r in options.records}]:
        raise RecordError(
            f"{again[0]} is given both as the record and as what to compare it with: "
            "give --against an earlier record."
        )
    record = _read(options.records)
    # Imported where needed: the templates and converters take longer than reading a record.
    from reports import formats, history

    comparison = past = None
    if options.against:
        comparison = history.compare(record, [_with_warnings(path) for path in _once(options.against)])
        _warn(comparison.problems)
    if options.history is not None:
        past = history.trend(options.history, record)
        _warn(past.problems)
    if form == "html":
        from reports.page import render

        shown = render(record, comparison=comparison, history=past)
    else:
        shown = formats.FORMATS[form](record, comparison, past)
    data = shown.encode(errors="backslashreplace")
    if output == "-":
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    else:
        write_atomically(output, data)
        print(output)
    return 0


FORMATS = ("html", "md", "tex", "csv", "json")


def _form_of(output: str | None) -> str:
    """What the name of the output asks for."""
    suffix = Path(output or "").suffix.lower().removeprefix(".")
    return {"markdown": "md"}.get(suffix, suffix if suffix in FORMATS else "html")


def _spare(output: str, records: Sequence[str], against: Sequence[str], folder: str | None) -> None:
    """Refuse to write over what is read. Raises ``RecordError``."""
    if output == "-":
        return
    if any(_file(output) == _file(path) for path in (*records, *against)):
        raise RecordError(f"{output} is the record itself: give the page another path (-o report.html).")
    if folder is not None and Path(output).suffix == ".jsonl" and _file(output).parent == _file(folder):
        raise RecordError(
            f"{output} would be taken for a record of the history: choose another path (-o report.html)."
        )


def _show(given: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m reports show", description="Print one counterexample in full."
    )
    parser.add_argument("id", metavar="ID", help="as the page and the terminal name it, e.g. KB19-thm1-3f9a")
    parser.add_argument("records", nargs="+", metavar="RECORD")
    options = parser.parse_args(given)
    from reports.show import text

    shown = text(find(_read(options.records), options.id)) + "\n"
    sys.stdout.buffer.write(shown.encode(errors="backslashreplace"))
    sys.stdout.buffer.flush()
    return 0


def _read(paths: Sequence[str]) -> Record:
    """The records as one; what is doubtful about each, and about them together, is said on stderr."""
    shards = [_with_warnings(path) for path in _once(paths)]
    record = merge(shards)
    _warn(p for p in record.problems if not any(p in shard.problems for shard in shards))
    return record


def _with_warnings(path: str) -> Record:
    record = read(path)
    _warn(f"{problem} ({path})" for problem in record.problems)
    return record


def _once(paths: Sequence[str]) -> list[str]:
    """The paths, each file once."""
    found: dict[Path, str] = {}
    for path in paths:
        if (file := _file(path)) in found:
            _warn([f"{path} is given twice and is read once."])
        found.setdefault(file, path)
    return list(found.values())


def _file(path: str) -> Path:
    try:
        return Path(path).resolve()
    except (OSError, ValueError, RuntimeError) as error:
        raise RecordError(f"{path!r} is not a path: {error}.") from error


def _warn(problems: Iterable[str]) -> None:
    for problem in problems:
        print(f"warning: {problem}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
