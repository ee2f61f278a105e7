"""Prints the table of speed comparisons: ``python -m tests.benchmarks [--only NAME] [--repeat N]``.

Both sides of a row run in this process, on one thread, and are measured in CPU time, because wall time on a
shared machine says little. Nothing is asserted: a ratio is read, not enforced.
"""

from __future__ import annotations

import os

# Before numpy is imported: its BLAS reads these once.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import argparse  # noqa: E402
import importlib  # noqa: E402
import math  # noqa: E402
import platform  # noqa: E402
import sys  # noqa: E402

from tests.benchmarks.comparison import Comparison  # noqa: E402

ROWS = {
    "planted": "planted",
    "found": "found",
    "exact": "exactly",
    "infimum": "infima",
    "deep": "deep",
    "ranks": "ranks",
}


def main(arguments: list[str] | None = None) -> int:
    """Runs the comparisons asked for and prints the table; the exit status is 0."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=sorted(ROWS), action="append", help="one comparison; repeatable")
    parser.add_argument("--repeat", type=int, default=2, help="runs of which the median counts (default 2)")
    options = parser.parse_args(arguments)
    if options.repeat < 1:
        parser.error("--repeat must be at least 1")

    import numpy
    import torch

    torch.set_num_threads(1)
    print(_machine(numpy.__version__, torch.__version__))
    print(f"CPU seconds per instance, one thread, median of at least {options.repeat} runs\n")
    print(f"{'what':<48}{'ours':>11}{'theirs':>11}{'ratio':>10}   promised")
    for name in options.only or ROWS:
        module = importlib.import_module(f"tests.benchmarks.{ROWS[name]}")
        for row in module.compare(options.repeat):
            print(_line(row), flush=True)
    return 0


def _machine(numpy: str, torch: str) -> str:
    model, python = platform.processor() or platform.machine(), platform.python_version()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as info:
            model = next(line.split(":", 1)[1].strip() for line in info if line.startswith("model name"))
    except (OSError, StopIteration):
        pass  # not Linux, or a processor without a name
    return f"{model}, {os.cpu_count()} cores; Python {python}, numpy {numpy}, torch {torch}"


def _line(row: Comparison) -> str:
    theirs = "-" if math.isnan(row.theirs) else _time(row.theirs)
    ratio = "-" if math.isnan(row.theirs) else f"{row.ratio:,.{1 if row.ratio < 100 else 0}f}x"
    note = f"\n    {row.note}" if row.note else ""
    return f"{row.what:<48}{_time(row.ours):>11}{theirs:>11}{ratio:>10}   {row.promised}{note}"


def _time(value: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e-3)):
        if value >= scale:
            return f"{value / scale:.3g} {unit}"
    return f"{value * 1e6:.3g} us"


if __name__ == "__main__":
    sys.exit(main())
