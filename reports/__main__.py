"""``python -m reports``: records to a page, and one counterexample to text."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from reports.record import Record, RecordError, find, merge, read

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0, or 2 when something cannot be read or written, 130 for Ctrl-C.

    A record with unexpected results still gives 0: the page was made, and `pytest verify` has failed already.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _show(given[1:]) if given[:1] == ["show"] else _page(given)
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


def _page(given: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m reports",
        description="Render records (written by `pytest verify --record PATH`) as one HTML page.",
        epilog="`python -m reports show ID RECORD` prints one counterexample.",
    )
    parser.add_argument(
        "records", nargs="+", metavar="RECORD", help="several are merged, as shards of one run"
    )
    parser.add_argument(
        "-o", "--output", default="report.html", metavar="PATH", help="default report.html; - is stdout"
    )
    options = parser.parse_args(given)
    output = options.output
    if output != "-" and any(Path(output).resolve() == Path(path).resolve() for path in options.records):
        raise RecordError(f"{output} is the record itself: give the page another path (-o report.html).")
    record = _read(options.records)
    # Imported where needed: the templates and converters take longer than reading a record.
    from reports.page import render, write_page

    if output == "-":
        sys.stdout.buffer.write(render(record).encode())
        sys.stdout.buffer.flush()
    else:
        write_page(record, output)
        print(output)
    return 0


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
    record = merge(read(path) for path in paths)
    for problem in record.problems:
        print(f"warning: {problem}", file=sys.stderr)
    return record


if __name__ == "__main__":
    sys.exit(main())
